/* SPDX-License-Identifier: Apache-2.0 */
/* Where series come from: the dictionary's postings say for every label pair how many series in use have it, so the answer is
 * one walk over the pairs, of which the largest are kept in small heaps. Texts are copied only at the end. */
#include "metrics/cardinality.h"

#include <stdlib.h>

#include "base/num.h"
#include "metrics/spart.h"

/* ---- every series ---- */

struct each {
    bool (*visit)(void *arg, struct slice tenant, struct slice labels);
    void *arg;
    bool is_over;
};

static void each_visit(struct each *e, struct slice tenant, struct slice labels)
{
    if (!tenant_is_own(tenant))
        e->is_over = !e->visit(e->arg, tenant, labels);
}

static bool live_visit(void *arg, const struct series *s)
{
    struct each *e = arg;
    each_visit(e, series_tenant(s), series_labels(s));
    return !e->is_over;
}

/* A group is a few series beside each other; its times are as near as the index tells. */
static enum status part_visit(struct each *e, struct spart *sp, int64_t since_ms, struct err *err)
{
    struct spart_walk *w;
    struct slice tenant, labels;
    enum status st = spart_walk_open(sp, &w, err);
    if (st)
        return st;
    const struct spart_index *ix = spart_walk_index(w);
    for (uint32_t i = 0, g = 0; i < ix->series_count && !e->is_over && st == ST_OK; i++) {
        bool is_recent = false;
        st = spart_walk_next(w, &tenant, &labels, err);
        while (g < ix->group_count && ix->groups[g].last < i)
            g++;
        for (uint32_t k = g; k < ix->group_count && ix->groups[k].first <= i; k++) /* a long series is in several */
            is_recent |= ix->groups[k].max_ms >= since_ms;
        if (st == ST_OK && is_recent)
            each_visit(e, tenant, labels);
    }
    spart_walk_close(w);
    return st;
}

enum status metrics_each_series(struct store *s, int64_t since_ms, bool (*visit)(void *arg, struct slice tenant, struct slice labels), void *arg,
                                struct err *err)
{
    struct metrics_state *st = store_kind_state(s, KIND_METRICS);
    struct each e = { visit, arg, false };
    enum status status = ST_OK;
    series_each(st->dict, live_visit, &e);
    struct store_view *v = store_view_take(s, KIND_METRICS, sat_mul(since_ms, NS_MS), INT64_MAX);
    for (size_t i = 0; i < v->part_count && !e.is_over && !status; i++) {
        status = part_visit(&e, part_user(v->parts[i]), since_ms, err);
        if (status == ST_CORRUPT) /* queries tell of it; its other series are known from elsewhere, or new */
            status = ST_OK;
    }
    store_view_drop(v);
    return status;
}

/* ---- the largest ---- */

struct item {
    uint64_t count;
    uint32_t name, pair; /* pair UINT32_MAX: the name alone */
};

struct top { /* a heap with the least at its root */
    struct item *list;
    size_t count, max;
};

static void sift_down(struct top *t, size_t at)
{
    for (;;) {
        size_t least = at, left = 2 * at + 1;
        for (size_t k = left; k <= left + 1; k++)
            if (k < t->count && t->list[k].count < t->list[least].count)
                least = k;
        if (least == at)
            return;
        struct item swap = t->list[at];
        t->list[at] = t->list[least];
        t->list[least] = swap;
        at = least;
    }
}

static void top_offer(struct top *t, struct item item)
{
    if (item.count == 0 || t->max == 0)
        return;
    if (t->count == t->max) {
        if (t->list[0].count >= item.count)
            return;
        t->list[0] = item;
        sift_down(t, 0);
        return;
    }
    size_t at = t->count++;
    t->list[at] = item;
    while (at && t->list[(at - 1) / 2].count > t->list[at].count) {
        struct item swap = t->list[at];
        t->list[at] = t->list[(at - 1) / 2];
        t->list[(at - 1) / 2] = swap;
        at = (at - 1) / 2;
    }
}

static int larger_first(const void *a, const void *b)
{
    const struct item *x = a, *y = b;
    return x->count == y->count ? (x->pair > y->pair) - (x->pair < y->pair) : x->count < y->count ? 1 : -1;
}

/* ---- the walk ---- */

struct walk {
    const struct slice *tenants;
    size_t tenant_count, limit;
    struct arena *a;
    struct engine_cardinality *out;
};

/* NULL: all series there are. */
static roaring_bitmap_t *ids_of(const struct walk *w, const struct index *ix)
{
    roaring_bitmap_t *ids = roaring_bitmap_create();
    for (size_t i = 0; i < w->tenant_count; i++) {
        roaring_bitmap_t *of = index_resolve(ix, w->tenants[i], NULL, 0);
        if (of)
            roaring_bitmap_or_inplace(ids, of);
        if (of)
            roaring_bitmap_free(of);
    }
    return ids;
}

static uint64_t pair_count(const struct index_pair *p, const roaring_bitmap_t *ids, bool is_all)
{
    if (!is_all)
        return index_pair_count(p, ids);
    return p->ids ? roaring_bitmap_get_cardinality(p->ids) : !p->is_empty;
}

static struct engine_count *counts_of(const struct walk *w, const struct index *ix, struct top *t, size_t *count)
{
    struct engine_count *list = arena_array(w->a, struct engine_count, t->count + 1);
    if (t->count)
        qsort(t->list, t->count, sizeof *t->list, larger_first);
    for (size_t i = 0; i < t->count; i++) {
        struct slice name = ix->names[t->list[i].name].name;
        list[i].count = t->list[i].count;
        list[i].value = t->list[i].pair == UINT32_MAX ? SLICE_EMPTY : arena_copy(w->a, ix->pairs[t->list[i].pair].value);
        list[i].name = arena_copy(w->a, name);
    }
    *count = t->count;
    return list;
}

static void visit_index(void *arg, const struct index *ix)
{
    struct walk *w = arg;
    struct engine_cardinality *out = w->out;
    struct top tops[4];
    roaring_bitmap_t *ids = ids_of(w, ix);
    const struct index_name *tenants = index_name(ix, SLICE_EMPTY);
    uint64_t all = 0;
    for (uint32_t i = 0; tenants && i < tenants->count; i++)
        all += pair_count(&ix->pairs[tenants->pairs[i]], NULL, true);
    out->series = roaring_bitmap_get_cardinality(ids);
    bool is_all = out->series == all;
    for (size_t i = 0; i < COUNT_OF(tops); i++)
        tops[i] = (struct top){ arena_array(w->a, struct item, w->limit + 1), 0, w->limit };
    for (uint32_t n = 0; n < ix->name_count; n++) {
        const struct index_name *name = &ix->names[n];
        bool is_metric = slice_eq(name->name, SLICE("__name__"));
        uint64_t values = 0, bytes = 0;
        for (uint32_t i = 0; name->name.len && i < name->count; i++) {
            uint64_t count = pair_count(&ix->pairs[name->pairs[i]], ids, is_all);
            values += count > 0;
            bytes += count * ix->pairs[name->pairs[i]].value.len;
            top_offer(&tops[0], (struct item){ is_metric ? count : 0, n, name->pairs[i] });
            top_offer(&tops[1], (struct item){ count, n, name->pairs[i] });
        }
        top_offer(&tops[2], (struct item){ values, n, UINT32_MAX });
        top_offer(&tops[3], (struct item){ bytes, n, UINT32_MAX });
        out->pair_count += values;
        out->metric_count += is_metric ? values : 0;
    }
    out->metrics = counts_of(w, ix, &tops[0], &out->metrics_shown);
    out->pairs = counts_of(w, ix, &tops[1], &out->pairs_shown);
    out->names = counts_of(w, ix, &tops[2], &out->names_shown);
    out->bytes = counts_of(w, ix, &tops[3], &out->bytes_shown);
    roaring_bitmap_free(ids);
}

enum status metrics_cardinality(struct store *s, const struct slice *tenants, size_t tenant_count, size_t limit, struct arena *a,
                                struct engine_cardinality *out, struct err *err)
{
    struct metrics_state *st = store_kind_state(s, KIND_METRICS);
    struct walk w = { tenants, tenant_count, limit, a, out };
    *out = (struct engine_cardinality){ 0 };
    series_with_index(st->dict, visit_index, &w);
    if (arena_over(a))
        return err_set(err, ST_LIMIT, "the answer is over %zu bytes", arena_bytes_max(a));
    return ST_OK;
}
