/* SPDX-License-Identifier: Apache-2.0 */
/* Patterns in three steps.
 *
 * 1. A line is cut into words and single marks (= : , ; brackets, quotes). A word with a digit or a slash, a long word of hex
 *    letters, and the name of a day or month beside a number, is a variable. The hash of that is looked up first, so that a line
 *    like one before costs a walk over its bytes and no more.
 * 2. A line not met before becomes a shape: variables that follow each other are one, as are those joined by `:` or `,`, a
 *    variable and the bracket of variables behind it, and repetitions of the same run. So lists of any length are of one shape.
 * 3. Shapes are joined where they differ in one word: leave a word out, and the shapes that are then equal are its siblings. With
 *    VALUES_MIN siblings, or when one of them has a variable there, the word is a variable in all of them. Shapes that have become
 *    equal are one, and the next round looks for the next place, until nothing changes. Leaving out costs an addition, since the
 *    hash of a shape is a sum over its places.
 *
 * A shape keeps the white space before each token, so that its text is a pattern that its lines pass. Where equal shapes differ in
 * it, the token behind is a variable in the text. */
#include "query/patterns.h"
#include "base/arena.h"
#include "base/hash.h"
#include "base/map.h"

#include <assert.h>

enum {
    VALUES_MIN = 4,      /* different words at a place that make it a variable */
    ROUNDS_MAX = 16,
    LOOP_TOKENS_MAX = 8, /* of a run that is repeated */
    HEX_BYTES_MIN = 8,   /* letters a to f alone are hex from this length on */
    WORDS_READ_MAX = 2 * PATTERN_TOKENS_MAX, /* of a line, before variables that follow each other become one */
    WORDS_KEPT_MIN = 1,  /* words that stay in a pattern, whatever differs */
    TABLE_CAP_MIN = 1024
};

enum { WORD_VARIABLE = 0, GAP_NONE = 0 }; /* numbers of texts: 0 is the variable as a word, no white space as a gap */

enum { IS_SPACE = 1, IS_MARK = 2, IS_DIGIT = 4, IS_SLASH = 8, IS_HEX = 16, IS_LETTER = 32, IS_OTHER = 64 };

struct token {
    uint32_t word, gap; /* numbers of texts; gap: the white space before it */
    bool is_mark, is_loose, has_letter; /* is_loose: a variable in the text of the pattern alone */
};

struct shape {
    struct token *tokens;
    uint32_t count, pattern;
    uint64_t hash;
    bool is_gone; /* joined with the one `pattern` says */
};

/* Hashes to numbers. A collision of 64 bits would put two shapes together, which is no harm but to a count. */
struct table {
    struct { uint64_t key; uint32_t value; bool used, flag; } *slots;
    size_t cap, count;
};

struct patterns {
    struct arena *arena;
    struct map texts;      /* text -> number, for words and white space */
    struct slice *by_text;
    size_t text_count, text_cap;
    struct table lines;    /* hash of a masked line -> shape */
    struct table shapes_by;/* hash of a shape -> shape */
    struct shape *shapes;
    size_t shape_count, shape_cap;
    uint32_t *patterns;    /* pattern -> the shape that stands for it */
    uint32_t pattern_count;
    uint8_t class[256];
};

/* ---- table ---- */

static size_t table_place(const struct table *t, uint64_t key)
{
    size_t i = hash_u64(key) & (t->cap - 1);
    while (t->slots[i].used && t->slots[i].key != key)
        i = (i + 1) & (t->cap - 1);
    return i;
}

static void table_init(struct table *t, size_t cap)
{
    *t = (struct table){ .cap = TABLE_CAP_MIN };
    while (t->cap < cap)
        t->cap *= 2;
    t->slots = mem_zalloc(t->cap * sizeof *t->slots);
}

static size_t table_put(struct table *t, uint64_t key)
{
    if (t->count * 4 >= t->cap * 3) {
        struct table bigger;
        table_init(&bigger, t->cap * 2);
        for (size_t i = 0; i < t->cap; i++)
            if (t->slots[i].used)
                bigger.slots[table_place(&bigger, t->slots[i].key)] = t->slots[i];
        bigger.count = t->count;
        mem_free(t->slots);
        *t = bigger;
    }
    size_t at = table_place(t, key);
    if (!t->slots[at].used) {
        t->slots[at].used = true;
        t->slots[at].key = key;
        t->count++;
    }
    return at;
}

/* ---- words ---- */

static void classes_init(uint8_t *class)
{
    for (unsigned c = 0; c < 256; c++) {
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c >= 0x80;
        class[c] = letter ? IS_LETTER : IS_OTHER;
        if ((c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'))
            class[c] = IS_HEX;
        if (c >= '0' && c <= '9')
            class[c] = IS_DIGIT;
    }
    for (const char *s = " \t\r\n\v\f"; *s; s++)
        class[(uint8_t)*s] = IS_SPACE;
    for (const char *s = "=:,;()[]{}\"'|<>"; *s; s++)
        class[(uint8_t)*s] = IS_MARK;
    class['/'] = IS_SLASH;
}

static bool is_variable(unsigned seen, size_t n)
{
    return (seen & IS_DIGIT) || ((seen & IS_SLASH) && n > 1) || (seen == IS_HEX && n >= HEX_BYTES_MIN);
}

/* The next word or mark behind its white space; false at the end. */
static bool next_token(const uint8_t *class, struct slice *rest, struct slice *gap, struct slice *word, unsigned *seen)
{
    const uint8_t *p = (const uint8_t *)rest->ptr, *end = p + rest->len, *start = p;
    while (p < end && class[*p] == IS_SPACE)
        p++;
    *gap = slice_of(start, (size_t)(p - start));
    if (p == end)
        return false;
    start = p;
    *seen = class[*p++];
    if (*seen != IS_MARK)
        for (; p < end && !(class[*p] & (IS_SPACE | IS_MARK)); p++)
            *seen |= class[*p];
    *word = slice_of(start, (size_t)(p - start));
    *rest = slice_of(p, (size_t)(end - p));
    return true;
}

static bool is_day_or_month(struct slice w)
{
    static const struct slice names[] = { SLICE_INIT("mon"), SLICE_INIT("tue"), SLICE_INIT("wed"), SLICE_INIT("thu"), SLICE_INIT("fri"),
                                          SLICE_INIT("sat"), SLICE_INIT("sun"), SLICE_INIT("jan"), SLICE_INIT("feb"), SLICE_INIT("mar"),
                                          SLICE_INIT("apr"), SLICE_INIT("may"), SLICE_INIT("jun"), SLICE_INIT("jul"), SLICE_INIT("aug"),
                                          SLICE_INIT("sep"), SLICE_INIT("oct"), SLICE_INIT("nov"), SLICE_INIT("dec") };
    for (size_t i = 0; w.len == 3 && i < COUNT_OF(names); i++)
        if (slice_eq_nocase(w, names[i]))
            return true;
    return false;
}

static uint32_t text_number(struct patterns *p, struct slice text)
{
    uint64_t *at = map_get(&p->texts, text);
    if (at)
        return (uint32_t)*at;
    struct slice copy = arena_copy(p->arena, text);
    *map_put(&p->texts, copy, NULL) = p->text_count;
    ARENA_PUSH(p->arena, p->by_text, p->text_count, p->text_cap) = copy;
    return (uint32_t)p->text_count - 1;
}

/* ---- shapes ---- */

static bool is_one(const struct patterns *p, const struct token *t, const char *marks)
{
    if (!t->is_mark)
        return false;
    for (; *marks; marks++)
        if (p->by_text[t->word].ptr[0] == *marks)
            return true;
    return false;
}

static bool is_var(const struct token *t)
{
    return t->word == WORD_VARIABLE;
}

/* Is the end of the tokens a run that stands before it as well? */
static size_t loop_at_end(const struct token *t, size_t n)
{
    for (size_t run = 2; run <= LOOP_TOKENS_MAX && 2 * run <= n; run++) {
        bool same = true, variable = false;
        for (size_t i = n - run; i < n && same; i++) {
            same = t[i].word == t[i - run].word;
            variable |= is_var(&t[i]);
        }
        if (same && variable)
            return run;
    }
    return 0;
}

/* Takes variables at the end together; the new number of tokens. */
static size_t reduce(const struct patterns *p, struct token *t, size_t n)
{
    for (;;) {
        size_t run;
        if (n >= 2 && is_var(&t[n - 1]) && is_var(&t[n - 2]))
            n -= 1;
        else if (n >= 3 && is_var(&t[n - 1]) && is_one(p, &t[n - 2], ":,") && is_var(&t[n - 3]))
            n -= 2;
        else if (n >= 3 && is_one(p, &t[n - 1], ")]}") && is_one(p, &t[n - 2], "([{") && is_var(&t[n - 3]))
            n -= 2;
        else if (n >= 4 && is_one(p, &t[n - 1], ")]}") && is_var(&t[n - 2]) && is_one(p, &t[n - 3], "([{") && is_var(&t[n - 4]))
            n -= 3;
        else if (n >= 5 && is_one(p, &t[n - 1], ")") && is_var(&t[n - 2]) && is_one(p, &t[n - 3], "(") && t[n - 3].gap == GAP_NONE &&
                 !t[n - 4].is_mark && !is_var(&t[n - 4]) && t[n - 4].gap != GAP_NONE) { /* unit(0): a name of something */
            n -= 3;
            t[n - 1].word = WORD_VARIABLE;
            t[n - 1].has_letter = false;
        } else if ((run = loop_at_end(t, n)) > 0) {
            n -= run;
            t[n - 1].is_loose = true;
        } else {
            return n;
        }
    }
}

static size_t tokens_of(struct patterns *p, struct slice line, bool is_cut, struct token *out)
{
    struct slice gap, word, rest = line, ahead;
    unsigned seen, next_seen;
    size_t n = 0, words = 0;
    bool after_date = false;
    while (next_token(p->class, &rest, &gap, &word, &seen)) {
        if (n == PATTERN_TOKENS_MAX || words++ == WORDS_READ_MAX) {
            is_cut = true;
            break;
        }
        bool variable = is_variable(seen, word.len);
        if (!variable && n > 0 && is_day_or_month(word)) {
            struct slice g, w;
            ahead = rest;
            variable = next_token(p->class, &ahead, &g, &w, &next_seen) && ((next_seen & IS_DIGIT) || is_day_or_month(w) || after_date);
        }
        after_date = variable;
        out[n++] = (struct token){ .word = variable ? WORD_VARIABLE : text_number(p, word), .gap = gap.len ? text_number(p, gap) : GAP_NONE,
                                   .is_mark = seen == IS_MARK, .has_letter = !variable && (seen & (IS_LETTER | IS_HEX)) };
        n = reduce(p, out, n);
    }
    if (n && (is_cut || gap.len)) /* white space at the end */
        out[n - 1].is_loose = true;
    return n;
}

/* What a token adds to the hash of its shape. */
static uint64_t place_hash(size_t place, uint32_t word)
{
    return hash_u64(((uint64_t)(place + 1) << 32 | word) + 0x9e3779b97f4a7c15ull);
}

static uint64_t shape_hash(const struct token *t, size_t n)
{
    uint64_t h = hash_u64(n + 1);
    for (size_t i = 0; i < n; i++)
        h += place_hash(i, t[i].word);
    return h;
}

/* into: of the same words as from. Where their white space differs, the text has a variable. */
static void gaps_join(struct token *into, const struct token *from, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        into[i].is_loose |= from[i].is_loose || into[i].gap != from[i].gap;
        if (into[i].gap != from[i].gap)
            into[i].gap = GAP_NONE;
    }
}

static uint32_t shape_add(struct patterns *p, struct slice line, bool is_cut)
{
    struct token tokens[PATTERN_TOKENS_MAX];
    size_t n = tokens_of(p, line, is_cut, tokens);
    uint64_t hash = shape_hash(tokens, n);
    size_t at = table_place(&p->shapes_by, hash);
    if (p->shapes_by.slots[at].used) {
        uint32_t found = p->shapes_by.slots[at].value;
        if (p->shapes[found].count == n)
            gaps_join(p->shapes[found].tokens, tokens, n);
        return found;
    }
    if (p->shape_count >= PATTERN_SHAPES_MAX)
        return PATTERN_NONE;
    struct token *kept = arena_array(p->arena, struct token, n + 1);
    memcpy(kept, tokens, n * sizeof *tokens);
    at = table_put(&p->shapes_by, hash);
    p->shapes_by.slots[at].value = (uint32_t)p->shape_count;
    ARENA_PUSH(p->arena, p->shapes, p->shape_count, p->shape_cap) = (struct shape){ .tokens = kept, .count = (uint32_t)n, .hash = hash };
    return (uint32_t)p->shape_count - 1;
}

/* ---- the calls ---- */

struct patterns *patterns_new(void)
{
    struct patterns *p = mem_new(struct patterns);
    *p = (struct patterns){ .arena = arena_new(0) };
    map_init(&p->texts);
    table_init(&p->lines, TABLE_CAP_MIN);
    table_init(&p->shapes_by, TABLE_CAP_MIN);
    classes_init(p->class);
    (void)text_number(p, SLICE_EMPTY); /* 0 */
    return p;
}

void patterns_free(struct patterns *p)
{
    if (p == NULL)
        return;
    map_free(&p->texts);
    mem_free(p->lines.slots);
    mem_free(p->shapes_by.slots);
    arena_free(p->arena);
    mem_free(p);
}

uint32_t patterns_add(struct patterns *p, struct slice line)
{
    bool is_cut = line.len > PATTERN_LINE_BYTES_MAX;
    if (is_cut)
        line.len = PATTERN_LINE_BYTES_MAX;
    struct slice rest = line, gap, word;
    unsigned seen;
    uint64_t h = is_cut;
    for (size_t n = 0; n < WORDS_READ_MAX && next_token(p->class, &rest, &gap, &word, &seen); n++) {
        uint64_t one = is_variable(seen, word.len) ? 1 : hash64(word, 2);
        bool plain = gap.len == 0 || (gap.len == 1 && gap.ptr[0] == ' ');
        h = (h ^ (one + (plain ? gap.len : hash64(gap, 3)))) * 0x9fb21c651e98df25ull;
        h ^= h >> 29;
    }
    h ^= rest.len > 0 ? 5 : 0; /* what is left: white space, or more than is looked at */
    size_t at = table_place(&p->lines, h);
    if (p->lines.slots[at].used)
        return p->lines.slots[at].value;
    uint32_t shape = shape_add(p, line, is_cut);
    if (p->lines.count < (size_t)8 * PATTERN_SHAPES_MAX) {
        at = table_put(&p->lines, h);
        p->lines.slots[at].value = shape;
    }
    return shape;
}

uint32_t patterns_shapes(const struct patterns *p)
{
    return (uint32_t)p->shape_count;
}

/* ---- joining ---- */

static uint64_t hash_without(const struct shape *s, size_t place)
{
    return s->hash - place_hash(place, s->tokens[place].word) + hash_u64(place);
}

/* How many shapes are left when a place is left out, for every place of every shape. */
static void count_siblings(const struct patterns *p, struct table *siblings)
{
    for (size_t i = 0; i < p->shape_count; i++) {
        const struct shape *s = &p->shapes[i];
        for (size_t k = 1; !s->is_gone && k < s->count; k++) {
            size_t at = table_put(siblings, hash_without(s, k));
            siblings->slots[at].value++;
            siblings->slots[at].flag |= is_var(&s->tokens[k]);
        }
    }
}

/* The place of s that has the most siblings, if they make it a variable; 0 for none: the first word stays. */
static size_t place_to_free(const struct shape *s, const struct table *siblings)
{
    size_t words = 0, place = 0;
    uint32_t most = 0;
    for (size_t k = 0; k < s->count; k++)
        words += s->tokens[k].has_letter;
    for (size_t k = 1; k < s->count; k++) {
        if (is_var(&s->tokens[k]) || words <= WORDS_KEPT_MIN)
            continue;
        size_t at = table_place(siblings, hash_without(s, k));
        uint32_t n = siblings->slots[at].value;
        if ((n >= VALUES_MIN || (n > 1 && siblings->slots[at].flag)) && n > most) {
            most = n;
            place = k;
        }
    }
    return place;
}

/* Shapes that have become equal are one: the first of them. */
static void join_equal(struct patterns *p)
{
    struct table by;
    table_init(&by, p->shape_count * 2);
    for (size_t i = 0; i < p->shape_count; i++) {
        struct shape *s = &p->shapes[i];
        if (s->is_gone)
            continue;
        size_t at = table_put(&by, s->hash);
        if (by.slots[at].flag && p->shapes[by.slots[at].value].count == s->count) {
            s->is_gone = true;
            s->pattern = by.slots[at].value;
            gaps_join(p->shapes[s->pattern].tokens, s->tokens, s->count);
        } else {
            by.slots[at].flag = true;
            by.slots[at].value = (uint32_t)i;
        }
    }
    mem_free(by.slots);
}

static bool join_round(struct patterns *p)
{
    struct table siblings;
    size_t *places = mem_zalloc((p->shape_count + 1) * sizeof *places);
    bool changed = false;
    table_init(&siblings, TABLE_CAP_MIN);
    count_siblings(p, &siblings);
    for (size_t i = 0; i < p->shape_count; i++)
        if (!p->shapes[i].is_gone)
            places[i] = place_to_free(&p->shapes[i], &siblings);
    for (size_t i = 0; i < p->shape_count; i++) {
        struct shape *s = &p->shapes[i];
        if (places[i] == 0)
            continue;
        struct token *t = &s->tokens[places[i]];
        s->hash += place_hash(places[i], WORD_VARIABLE) - place_hash(places[i], t->word);
        t->word = WORD_VARIABLE;
        t->has_letter = t->is_mark = false;
        changed = true;
    }
    mem_free(siblings.slots);
    mem_free(places);
    if (changed)
        join_equal(p);
    return changed;
}

uint32_t patterns_join(struct patterns *p)
{
    assert(p->patterns == NULL);
    for (int round = 0; round < ROUNDS_MAX && join_round(p); round++)
        ;
    p->patterns = arena_array(p->arena, uint32_t, p->shape_count + 1);
    for (size_t i = 0; i < p->shape_count; i++) /* the one joined with may itself be joined, but stands before */
        if (p->shapes[i].is_gone) {
            p->shapes[i].pattern = p->shapes[p->shapes[i].pattern].pattern;
        } else {
            p->shapes[i].pattern = p->pattern_count;
            p->patterns[p->pattern_count++] = (uint32_t)i;
        }
    return p->pattern_count;
}

uint32_t patterns_of_shape(const struct patterns *p, uint32_t shape)
{
    return p->shapes[shape].pattern;
}

/* <name> in a line would be read as a capture: it is written as one. */
static bool in_angles(const struct patterns *p, const struct token *t, size_t n, size_t i)
{
    for (size_t k = 0; k < 3 && k <= i; k++) {
        size_t from = i - k;
        if (from + 2 < n && is_one(p, &t[from], "<") && is_one(p, &t[from + 2], ">") && t[from + 1].gap == GAP_NONE &&
            t[from + 2].gap == GAP_NONE)
            return true;
    }
    return false;
}

void patterns_text(const struct patterns *p, uint32_t pattern, struct buf *out)
{
    const struct shape *s = &p->shapes[p->patterns[pattern]];
    bool after_variable = false, after_text = false;
    size_t pieces = 0;
    for (size_t i = 0; i < s->count; i++) {
        const struct token *t = &s->tokens[i];
        bool variable = is_var(t) || t->is_loose || in_angles(p, s->tokens, s->count, i);
        if (pieces >= PATTERN_PIECES_WRITTEN_MAX) { /* the rest of the line as one */
            if (!after_variable)
                buf_slice(out, SLICE("<_>"));
            return;
        }
        if (t->gap != GAP_NONE) {
            buf_slice(out, p->by_text[t->gap]);
            pieces += !after_text;
            after_variable = false;
            after_text = true;
        }
        if (variable ? !after_variable : !after_text)
            pieces++;
        if (!variable)
            buf_slice(out, p->by_text[t->word]);
        else if (!after_variable)
            buf_slice(out, SLICE("<_>"));
        after_variable = variable;
        after_text = !variable;
    }
}
