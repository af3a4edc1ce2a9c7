/* SPDX-License-Identifier: Apache-2.0 */
/* A part does not say how many samples a series has without reading every group's head, and series of a part mostly have
 * as many as each other: rows and bytes of a service are its share of the series. */
#include "metrics/usage.h"

#include "base/map.h"
#include "metrics/spart.h"

static void count_series(const struct spart_index *ix, struct arena *a, struct map *counts)
{
    struct buf labels;
    buf_init(&labels, 0);
    for (uint32_t i = 0; i < ix->series_count; i++) {
        bool added;
        spart_labels(ix, i, &labels);
        struct slice service = service_of_labels(buf_as_slice(&labels));
        uint64_t *at = map_get(counts, service);
        if (at == NULL)
            at = map_put(counts, arena_copy(a, service), &added);
        (*at)++;
    }
    buf_free(&labels);
}

enum status metrics_part_usage(void *state, const struct part *p, struct usage *u, struct err *err)
{
    const struct spart_index *ix;
    enum status st = spart_index_take(part_user(p), &ix, err);
    (void)state;
    if (st)
        return st;
    struct arena *a = arena_new(0);
    struct map counts;
    struct map_entry *e;
    map_init(&counts);
    count_series(ix, a, &counts);
    for (size_t i = 0; (e = map_each(&counts, &i)) != NULL;) {
        double share = (double)e->value / (double)MAX(ix->series_count, 1u);
        usage_add(u, SLICE("metrics"), e->key, (uint64_t)((double)part_info(p)->rows * share), (uint64_t)((double)part_info(p)->bytes * share));
    }
    spart_index_drop(part_user(p));
    map_free(&counts);
    arena_free(a);
    return ST_OK;
}
