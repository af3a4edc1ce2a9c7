/* SPDX-License-Identifier: Apache-2.0 */
/* Tombstones and the selectors in them. One that does not parse deletes nothing; store_erase lets none in. */
#include "metrics/dead.h"

#include "base/num.h"
#include "metrics/rollup.h"
#include "store/erase_value.h"

struct dead_one {
    const struct tombstone *t;
    struct matcher *matchers;
    size_t matcher_count;
};

struct dead {
    struct arena *arena;
    struct dead_one *list;
    size_t count;
    uint64_t id_max;
    struct dead_range *ranges;
};

struct dead *dead_new(struct tombstones list)
{
    size_t wanted = 0;
    for (size_t i = 0; i < list.count; i++)
        wanted += !list.list[i].is_events;
    if (wanted == 0)
        return NULL;
    struct dead *d = mem_new(struct dead);
    d->arena = arena_new(0);
    d->list = arena_array(d->arena, struct dead_one, wanted);
    d->ranges = arena_array(d->arena, struct dead_range, wanted);
    for (size_t i = 0; i < list.count; i++) {
        struct dead_one one = { .t = &list.list[i] };
        if (one.t->is_events)
            continue;
        d->id_max = MAX(d->id_max, one.t->id);
        if (matchers_parse(d->arena, one.t->selector, &one.matchers, &one.matcher_count, NULL) == ST_OK)
            d->list[d->count++] = one;
    }
    return d;
}

void dead_free(struct dead *d)
{
    if (d == NULL)
        return;
    for (size_t i = 0; i < d->count; i++)
        matchers_destroy(d->list[i].matchers, d->list[i].matcher_count);
    arena_free(d->arena);
    mem_free(d);
}

size_t dead_of(struct dead *d, struct slice tenant, struct slice labels, const struct dead_range **out)
{
    if (d == NULL)
        return 0;
    size_t n = 0;
    int64_t bucket_ns = rollup_ms(rollup_of_tenant(tenant)) * NS_MS;
    if (rollup_is_note(tenant))
        return 0;
    slice_cut(tenant, '#', &tenant, &(struct slice){ 0 }); /* what was made of a tenant's samples goes with them, in whole buckets */
    for (size_t i = 0; i < d->count; i++) {
        const struct tombstone *t = d->list[i].t;
        if (slice_eq(t->tenant, tenant) && matchers_match(d->list[i].matchers, d->list[i].matcher_count, labels) &&
            (t->value.field.len == 0 || erase_value_in_labels(&t->value, labels)))
            d->ranges[n++] = (struct dead_range){ t->start_ns, sat_add(t->end_ns, bucket_ns), t->id, t->lsn, t->is_erase };
    }
    *out = d->ranges;
    return n;
}

uint64_t dead_id(const struct dead *d)
{
    return d ? d->id_max : 0;
}
