/* SPDX-License-Identifier: Apache-2.0 */
/* Words are runs of letters, digits, '_' and bytes over 127, lower-cased so that searches of either kind of case can use
 * them. Not kept, and not asked for: words under 3 bytes, words with a digit under 6 (short numbers are everywhere), words
 * over 64. The filter is a Bloom filter of 10 bits a word and 6 probes.
 *
 * Four letters in a row of a word are a gram, if one of them is no hexadecimal digit: ids would fill the filter, and a search for a
 * part of one reads its column anyway. A needle need not be made of whole words to have grams. */
#include "events/evfilter.h"

#include "base/hash.h"

enum {
    WORD_BYTES_MIN = 3,
    WORD_WITH_DIGIT_BYTES_MIN = 6,
    WORD_BYTES_MAX = 64,
    BITS_PER_WORD = 10,
    PROBES = 6,
    SLOTS_MIN = 1024,
    FILTER_BLOOM = 0, FILTER_BLOOM_GRAMS = 1, FILTER_BLOOM_CHILDREN = 2, /* codec ids; each has what those before it have */
    GRAM_LETTERS = 4,
    LETTER_BITS = 5,
    GRAM_KELVIN = 1 << GRAM_LETTERS * LETTER_BITS, GRAM_LONG_S = 2 << GRAM_LETTERS * LETTER_BITS,
};

#define GRAM_MASK  ((1u << GRAM_LETTERS * LETTER_BITS) - 1)
#define GRAM_SEED  0x2545f4914f6cdd1dull

#define WORD_SEED  0x9e3779b97f4a7c15ull
#define WORD_PRIME 0x100000001b3ull

struct word {
    uint64_t hash;
    size_t end;
    bool is_kept;
};

static inline uint8_t word_byte(uint8_t c)
{
    uint8_t lower = c | 0x20;
    if ((uint8_t)(lower - 'a') < 26)
        return lower;
    return (uint8_t)(c - '0') < 10 || c == '_' || c >= 0x80 ? c : 0;
}

/* The word that starts at from, where a word byte is. */
static struct word word_at(struct slice text, size_t from)
{
    uint64_t h = WORD_SEED;
    bool has_digit = false;
    size_t i = from;
    for (uint8_t c; i < text.len && (c = word_byte((uint8_t)text.ptr[i])) != 0; i++) {
        h = (h ^ c) * WORD_PRIME;
        has_digit |= c <= '9';
    }
    size_t n = i - from;
    bool is_kept = n <= WORD_BYTES_MAX && n >= (has_digit ? WORD_WITH_DIGIT_BYTES_MIN : WORD_BYTES_MIN);
    return (struct word){ hash_u64(h), i, is_kept };
}

void evfilter_init(struct evfilter_set *s)
{
    *s = (struct evfilter_set){ .cap = SLOTS_MIN, .slots = mem_zalloc(SLOTS_MIN * sizeof(uint64_t)) };
}

void evfilter_free(struct evfilter_set *s)
{
    mem_free(s->slots);
    *s = (struct evfilter_set){ 0 };
}

void evfilter_clear(struct evfilter_set *s)
{
    memset(s->slots, 0, s->cap * sizeof *s->slots);
    s->count = 0;
}

static bool add(struct evfilter_set *s, uint64_t hash);

static void grow(struct evfilter_set *s)
{
    struct evfilter_set big = { .cap = s->cap * 2, .slots = mem_zalloc(s->cap * 2 * sizeof(uint64_t)) };
    for (size_t i = 0; i < s->cap; i++)
        if (s->slots[i])
            (void)add(&big, s->slots[i]);
    mem_free(s->slots);
    *s = big;
}

/* False: it is there already. */
static bool add(struct evfilter_set *s, uint64_t hash)
{
    hash += hash == 0;
    size_t i = (size_t)hash & (s->cap - 1);
    while (s->slots[i] && s->slots[i] != hash)
        i = (i + 1) & (s->cap - 1);
    if (s->slots[i])
        return false;
    s->slots[i] = hash;
    if (++s->count > s->cap / 2)
        grow(s);
    return true;
}

/* The letters read so far: how many in a row, the last four of them, and how long ago one was no hexadecimal digit. */
struct gram {
    unsigned run, letters, plain;
};

/* Is there a gram that ends with this byte? */
static bool gram_next(struct gram *g, char c)
{
    uint8_t letter = (uint8_t)((uint8_t)(c | 0x20) - 'a');
    if (letter >= 26) {
        *g = (struct gram){ 0 };
        return false;
    }
    g->run++;
    g->letters = (g->letters << LETTER_BITS | letter) & GRAM_MASK;
    g->plain = letter > 'f' - 'a' ? GRAM_LETTERS : g->plain - (g->plain > 0);
    return g->run >= GRAM_LETTERS && g->plain;
}

static uint64_t gram_hash(unsigned gram)
{
    return hash_u64(GRAM_SEED + gram);
}

/* The two letters beyond ASCII that a search may find for one of ASCII are grams of their own: 0, or one of them ends at i. */
static unsigned folded_at(struct slice text, size_t i)
{
    struct slice before = slice_sub(text, 0, i + 1);
    return slice_ends(before, SLICE("\xe2\x84\xaa")) ? GRAM_KELVIN : slice_ends(before, SLICE("\xc5\xbf")) ? GRAM_LONG_S : 0;
}

/* The gram that ends at i, in the order of i; 0: none does. */
static unsigned gram_at(struct gram *g, struct slice text, size_t i)
{
    if (gram_next(g, text.ptr[i]))
        return g->letters;
    return (uint8_t)text.ptr[i] < 0x80 ? 0 : folded_at(text, i);
}

static void add_grams(struct evfilter_set *s, struct slice word)
{
    struct gram g = { 0 };
    for (size_t i = 0; i < word.len; i++) {
        unsigned gram = gram_at(&g, word, i);
        if (gram)
            (void)add(s, gram_hash(gram));
    }
}

void evfilter_add_text(struct evfilter_set *s, struct slice text)
{
    for (size_t i = 0; i < text.len;) {
        if (!word_byte((uint8_t)text.ptr[i])) {
            i++;
            continue;
        }
        struct word w = word_at(text, i);
        if (!w.is_kept || add(s, w.hash)) /* a word that is there has its grams there */
            add_grams(s, slice_sub(text, i, w.end));
        i = w.end;
    }
}

uint64_t evfilter_name_seed(struct slice name)
{
    return hash64(name, WORD_SEED);
}

uint64_t evfilter_value_hash(struct slice name, struct slice value)
{
    return hash64(value, evfilter_name_seed(name));
}

uint64_t evfilter_list_hash(struct slice name)
{
    return hash_u64(evfilter_name_seed(name));
}

void evfilter_add_child(struct evfilter_set *s, const struct field *f, struct arena *scratch)
{
    uint64_t seed = evfilter_name_seed(f->name);
    (void)add(s, f->type == FIELD_JSON ? evfilter_list_hash(f->name) : hash64(field_text(scratch, f), seed));
}

void evfilter_add_value(struct evfilter_set *s, uint64_t seed, struct slice value)
{
    (void)add(s, hash64(value, seed));
}

/* Probe i lies at the high half of (hash + i * step) scaled to the number of bits. */
static uint64_t probe(uint64_t hash, unsigned i, uint64_t bits)
{
    uint64_t step = (hash >> 32 | hash << 32) | 1;
    return (uint64_t)((unsigned __int128)(hash + i * step) * bits >> 64);
}

void evfilter_build(const struct evfilter_set *s, struct buf *out)
{
    size_t bytes = (s->count * BITS_PER_WORD + 7) / 8 + 8;
    buf_u8(out, FILTER_BLOOM_CHILDREN);
    uint8_t *at = (uint8_t *)buf_room(out, bytes);
    if (at == NULL)
        return;
    memset(at, 0, bytes);
    for (size_t i = 0; i < s->cap; i++)
        for (unsigned k = 0; s->slots[i] && k < PROBES; k++) {
            uint64_t bit = probe(s->slots[i], k, bytes * 8);
            at[bit / 8] |= (uint8_t)(1u << (bit % 8));
        }
    buf_added(out, bytes);
}

bool evfilter_has(struct slice bytes, uint64_t hash, bool *bad)
{
    *bad = bytes.len < 2 || (uint8_t)bytes.ptr[0] > FILTER_BLOOM_CHILDREN;
    if (*bad)
        return false;
    hash += hash == 0;
    const uint8_t *at = (const uint8_t *)bytes.ptr + 1;
    for (unsigned k = 0; k < PROBES; k++) {
        uint64_t bit = probe(hash, k, (bytes.len - 1) * 8);
        if (!(at[bit / 8] & 1u << (bit % 8)))
            return false;
    }
    return true;
}

const uint64_t *evfilter_words(struct slice needle, bool is_whole, struct arena *a, size_t *count)
{
    uint64_t *list = NULL;
    size_t cap = 0;
    *count = 0;
    for (size_t i = 0; i < needle.len;) {
        if (!word_byte((uint8_t)needle.ptr[i])) {
            i++;
            continue;
        }
        struct word w = word_at(needle, i);
        bool may_go_on = !is_whole && (i == 0 || w.end == needle.len);
        if (w.is_kept && !may_go_on)
            ARENA_PUSH(a, list, *count, cap) = w.hash;
        i = w.end;
    }
    return list;
}

const uint64_t *evfilter_grams(struct slice needle, struct arena *a, size_t *count)
{
    uint64_t *list = NULL;
    size_t cap = 0;
    struct gram g = { 0 };
    *count = 0;
    for (size_t i = 0; i < needle.len; i++) {
        unsigned gram = gram_at(&g, needle, i);
        if (gram)
            ARENA_PUSH(a, list, *count, cap) = gram_hash(gram);
    }
    return list;
}

bool evfilter_has_grams(struct slice bytes)
{
    return bytes.len > 1 && bytes.ptr[0] >= FILTER_BLOOM_GRAMS;
}

bool evfilter_has_children(struct slice bytes)
{
    return bytes.len > 1 && bytes.ptr[0] >= FILTER_BLOOM_CHILDREN;
}
