/* SPDX-License-Identifier: Apache-2.0 */
#include "promql/rows.h"

#include <stdlib.h>

static enum status rows_sink_put(struct sink *sink, struct row *row, struct err *err)
{
    return rows_put((struct rows *)sink, row, err);
}

void rows_init(struct rows *r, struct eval *e, size_t steps)
{
    *r = (struct rows){ .sink = { rows_sink_put }, .e = e, .a = eval_arena(e), .n = steps };
    map_init(&r->index);
}

void rows_free(struct rows *r)
{
    map_free(&r->index);
    arena_free(r->a);
    r->a = NULL;
}

struct row *rows_get(struct rows *r, struct slice labels, bool drop_name)
{
    bool added;
    uint64_t *at = map_get(&r->index, labels);
    if (at)
        return &r->list[*at];
    struct slice own = arena_copy(r->a, labels);
    double *v = arena_array(r->a, double, r->n);
    for (size_t i = 0; i < r->n; i++)
        v[i] = ABSENT;
    *map_put(&r->index, own, &added) = r->count;
    ARENA_PUSH(r->a, r->list, r->count, r->cap) = (struct row){ own, drop_name, v, false };
    return &r->list[r->count - 1];
}

enum status rows_put(struct rows *r, struct row *row, struct err *err)
{
    size_t before = r->count;
    if (row->has_histograms && !r->borrows)
        eval_keep_histograms(r->a, row->v, r->n);
    struct row *to = rows_get(r, row->labels, row->drop_name);
    to->has_histograms |= row->has_histograms;
    if (r->count > before) {
        memcpy(to->v, row->v, r->n * sizeof *to->v);
        return eval_check(r->e, err);
    }
    if (r->is_strict)
        return eval_same_labels(err);
    to->drop_name |= row->drop_name;
    for (size_t i = 0; i < r->n; i++) {
        if (is_absent(row->v[i]))
            continue;
        if (!is_absent(to->v[i]))
            return eval_same_labels(err);
        to->v[i] = row->v[i];
    }
    return ST_OK;
}

static int row_cmp(const void *a, const void *b)
{
    return labels_cmp(((const struct row *)a)->labels, ((const struct row *)b)->labels);
}

void rows_sort(struct rows *r)
{
    if (r->count > 1)
        qsort(r->list, r->count, sizeof *r->list, row_cmp);
}

enum status rows_give(struct rows *r, struct sink *sink, struct err *err)
{
    for (size_t k = 0; k < r->count; k++) {
        struct row row = r->list[k];
        size_t i = 0;
        while (i < r->n && is_absent(row.v[i]))
            i++;
        if (i == r->n)
            continue;
        arena_reset(r->e->line);
        enum status st = sink->put(sink, &row, err);
        if (st)
            return st;
    }
    return ST_OK;
}
