/* SPDX-License-Identifier: Apache-2.0 */
/* Values repeat at short distance and are short: most are found by their address, or by a look at their ends, in small tables of those seen
 * last, without a hash of all their bytes. */
#include "events/evdict.h"

#include "base/ends.h"
#include "base/map.h"

enum { DICT_EXTRA = 16, DICT_PART = 4, /* at most 1 / DICT_PART of the values and DICT_EXTRA may differ */
       DICT_SAMPLE = 512, DICT_SAMPLE_MAX = 448, /* different ones in a sample: no dictionary */
       RECENT_BITS = 9, PLACE_BITS = 8, AHEAD = 12 /* values whose bytes are asked for before they are looked at */ };

struct recent {
    struct slice text;
    int64_t id;
};

size_t evdict_count_max(size_t n)
{
    return n / DICT_PART + DICT_EXTRA;
}

void evdict_make(struct evdict *d, const struct slice *v, size_t n)
{
    struct recent recent[1 << RECENT_BITS] = { 0 }, places[1 << PLACE_BITS] = { 0 };
    struct map seen;
    size_t max = evdict_count_max(n);
    *d = (struct evdict){ .values = mem_alloc((max + 1) * sizeof *d->values), .ids = mem_alloc((n + 1) * sizeof *d->ids) };
    map_init(&seen);
    d->is_worth = true;
    for (size_t i = 0; i < n && d->is_worth; i++) {
        struct recent *at = &places[ends_address_place(v[i], PLACE_BITS)];
        if (i + AHEAD < n)
            __builtin_prefetch(v[i + AHEAD].ptr);
        if (at->text.ptr && ends_same_place(at->text, v[i])) {
            d->ids[i] = at->id;
            continue;
        }
        struct recent *r = &recent[ends_place(v[i], RECENT_BITS)];
        if (r->text.ptr && ends_same(r->text, v[i])) {
            d->ids[i] = r->id;
            *at = (struct recent){ v[i], r->id };
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
        *r = *at = (struct recent){ v[i], (int64_t)*id };
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
