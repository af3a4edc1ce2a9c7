/* SPDX-License-Identifier: Apache-2.0 */
/* A filter of one block: which words its bodies have, which runs of four letters, and which values its fields and those of
 * its spans' events and links have. It may say yes wrongly (under 1 %), never no. */
#ifndef STOA_EVENTS_EVFILTER_H
#define STOA_EVENTS_EVFILTER_H

#include "base/arena.h"
#include "base/buf.h"
#include "model/event.h"

/* What a block has, collected. */
struct evfilter_set {
    uint64_t *slots;
    size_t cap, count;
};
void evfilter_init(struct evfilter_set *s);
void evfilter_free(struct evfilter_set *s);
void evfilter_clear(struct evfilter_set *s);
void evfilter_add_text(struct evfilter_set *s, struct slice text);
/* seed: evfilter_name_seed of the field's name. */
void evfilter_add_value(struct evfilter_set *s, uint64_t seed, struct slice value);
uint64_t evfilter_name_seed(struct slice name);
/* A field of an event or a link: its text, or that it is a list or a map. */
void evfilter_add_child(struct evfilter_set *s, const struct field *f, struct arena *scratch);
void evfilter_build(const struct evfilter_set *s, struct buf *out);

/* False when bytes are no filter, or hash is surely not in it. *bad tells which. */
bool evfilter_has(struct slice bytes, uint64_t hash, bool *bad);
uint64_t evfilter_value_hash(struct slice name, struct slice value);
/* Hashes of the words any text must have that is (is_whole) or contains needle. The first and last word of a needle that
 * may go on outside it do not count. */
const uint64_t *evfilter_words(struct slice needle, bool is_whole, struct arena *a, size_t *count);
/* Hashes of the runs of four letters that any text must have that contains needle, in this case of letters or another. Only a filter
 * with evfilter_has_grams may be asked for them. */
const uint64_t *evfilter_grams(struct slice needle, struct arena *a, size_t *count);
bool evfilter_has_grams(struct slice bytes);
/* Of a list or a map of that name in an event or link. Only a filter with evfilter_has_children may be asked for what these have. */
uint64_t evfilter_list_hash(struct slice name);
bool evfilter_has_children(struct slice bytes);

#endif
