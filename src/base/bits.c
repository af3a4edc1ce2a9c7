/* SPDX-License-Identifier: Apache-2.0 */
/* Word by word. One invariant: the bits of the last word that lie beyond count are 0, so that counting, searching and
 * combining need no look at the end; whatever sets many bits at once clears them again. */
#include "base/bits.h"

#include "base/arena.h"

struct bits bits_new(struct arena *a, size_t count)
{
    return bits_over(arena_zalloc(a, bits_words(count) * sizeof(uint64_t)), count);
}

static void clear_beyond(struct bits b)
{
    if (b.count % 64)
        b.words[b.count / 64] &= bit_mask(b.count % 64);
}

void bits_clear_all(struct bits b)
{
    memset(b.words, 0, bits_words(b.count) * sizeof *b.words);
}

void bits_set_all(struct bits b)
{
    memset(b.words, 0xff, bits_words(b.count) * sizeof *b.words);
    clear_beyond(b);
}

void bits_set_range(struct bits b, size_t from, size_t to)
{
    assert(to <= b.count);
    if (from >= to)
        return;
    size_t first = from / 64, last = (to - 1) / 64;
    uint64_t head = ~bit_mask(from % 64), tail = bit_mask((to - 1) % 64 + 1);
    if (first == last) {
        b.words[first] |= head & tail;
        return;
    }
    b.words[first] |= head;
    for (size_t i = first + 1; i < last; i++)
        b.words[i] = UINT64_MAX;
    b.words[last] |= tail;
}

size_t bits_ones(struct bits b)
{
    size_t n = 0;
    for (size_t i = 0; i < bits_words(b.count); i++)
        n += bit_ones(b.words[i]);
    return n;
}

bool bits_any(struct bits b)
{
    for (size_t i = 0; i < bits_words(b.count); i++)
        if (b.words[i])
            return true;
    return false;
}

size_t bits_next(struct bits b, size_t from)
{
    if (from >= b.count)
        return SIZE_MAX;
    size_t i = from / 64;
    uint64_t word = b.words[i] & ~bit_mask(from % 64);
    while (word == 0) {
        if (++i == bits_words(b.count))
            return SIZE_MAX;
        word = b.words[i];
    }
    return i * 64 + bit_trailing_zeros(word);
}

void bits_and(struct bits a, struct bits b)
{
    assert(a.count == b.count);
    for (size_t i = 0; i < bits_words(a.count); i++)
        a.words[i] &= b.words[i];
}

void bits_or(struct bits a, struct bits b)
{
    assert(a.count == b.count);
    for (size_t i = 0; i < bits_words(a.count); i++)
        a.words[i] |= b.words[i];
}

void bits_and_not(struct bits a, struct bits b)
{
    assert(a.count == b.count);
    for (size_t i = 0; i < bits_words(a.count); i++)
        a.words[i] &= ~b.words[i];
}

void bits_not(struct bits a)
{
    for (size_t i = 0; i < bits_words(a.count); i++)
        a.words[i] = ~a.words[i];
    clear_beyond(a);
}
