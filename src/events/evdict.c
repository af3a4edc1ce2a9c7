/* SPDX-License-Identifier: Apache-2.0 */
/* Values repeat at short distance and are short: most are found by a look at their ends in a small table of those seen last, without a
 * hash of all their bytes. Whoever makes values with equal ends on purpose misses that table, and pays for the map. */
#include "events/evdict.h"

#include "base/hash.h"
#include "base/map.h"

enum { DICT_EXTRA = 16, DICT_PART = 4, /* at most 1 / DICT_PART of the values and DICT_EXTRA may differ */
       DICT_SAMPLE = 512, DICT_SAMPLE_MAX = 448, /* different ones in a sample: no dictionary */
       RECENT_BITS = 9, WORD_BYTES = 8, HALF_WORD_BYTES = 4 };

struct recent {
    struct slice text;
    int64_t id;
};

static inline uint64_t word_of(const char *at)
{
    uint64_t w;
    memcpy(&w, at, sizeof w);
    return w;
}

static inline uint64_t half_word_of(const char *at)
{
    uint32_t w;
    memcpy(&w, at, sizeof w);
    return w;
}

static inline uint64_t ends_of(struct slice s)
{
    if (s.len >= WORD_BYTES)
        return word_of(s.ptr) * 3 ^ word_of(s.ptr + s.len - WORD_BYTES);
    if (s.len >= HALF_WORD_BYTES)
        return half_word_of(s.ptr) << 32 ^ half_word_of(s.ptr + s.len - HALF_WORD_BYTES);
    return s.len == 0 ? 0 : (uint64_t)(uint8_t)s.ptr[0] << 16 | (uint64_t)(uint8_t)s.ptr[s.len / 2] << 8 | (uint8_t)s.ptr[s.len - 1];
}

static inline size_t recent_place(struct slice s)
{
    return (size_t)((ends_of(s) + s.len) * 0x9e3779b97f4a7c15ull >> (64 - RECENT_BITS));
}

static inline bool is_same(struct slice a, struct slice b)
{
    if (a.len != b.len)
        return false;
    if (a.len > 2 * WORD_BYTES)
        return memcmp(a.ptr, b.ptr, a.len) == 0;
    if (a.len >= WORD_BYTES)
        return word_of(a.ptr) == word_of(b.ptr) && word_of(a.ptr + a.len - WORD_BYTES) == word_of(b.ptr + a.len - WORD_BYTES);
    return ends_of(a) == ends_of(b);
}

size_t evdict_count_max(size_t n)
{
    return n / DICT_PART + DICT_EXTRA;
}

void evdict_make(struct evdict *d, const struct slice *v, size_t n)
{
    struct recent recent[1 << RECENT_BITS] = { 0 };
    struct map seen;
    size_t max = evdict_count_max(n);
    *d = (struct evdict){ .values = mem_alloc((max + 1) * sizeof *d->values), .ids = mem_alloc((n + 1) * sizeof *d->ids) };
    map_init(&seen);
    d->is_worth = true;
    for (size_t i = 0; i < n && d->is_worth; i++) {
        struct recent *r = &recent[recent_place(v[i])];
        if (r->text.ptr && is_same(r->text, v[i])) {
            d->ids[i] = r->id;
            continue;
        }
        bool added;
        uint64_t *id = map_put(&seen, v[i], &added);
        if (added) {
            d->is_worth = d->count < max && !(i < DICT_SAMPLE && d->count >= DICT_SAMPLE_MAX);
            *id = d->count;
            d->values[d->count++] = v[i];
        }
        d->ids[i] = (int64_t)*id;
        *r = (struct recent){ v[i], (int64_t)*id };
    }
    map_free(&seen);
    if (!d->is_worth)
        evdict_free(d);
}

void evdict_free(struct evdict *d)
{
    mem_free(d->values);
    mem_free(d->ids);
    *d = (struct evdict){ 0 };
}
