/* SPDX-License-Identifier: Apache-2.0 */
/* Names of labels, their values, and metadata. Answered from the label indexes alone: of parts that overlap the window, and
 * of the dictionary for series with raw rows in it. A count is the highest any one of them gives, for the same series
 * stands in many parts. */
#include <stdlib.h>

#include "base/map.h"
#include "base/num.h"
#include "metrics/gather.h"
#include "metrics/rollup.h"
#include "metrics/spart.h"

struct found {
    struct arena *arena;
    struct map counts; /* name or value -> count */
    const struct names_query *q;
};

static void found_add(struct found *f, struct slice value, uint64_t count)
{
    if (count == 0 || value.len == 0)
        return;
    uint64_t *known = map_get(&f->counts, value);
    if (known) {
        *known = MAX(*known, count);
        return;
    }
    bool added;
    *map_put(&f->counts, arena_copy(f->arena, value), &added) = count;
}

/* What the series in ids have. */
static void index_look(struct found *f, const struct index *ix, const roaring_bitmap_t *ids)
{
    if (f->q->what == NAMES_LABEL_VALUES) {
        const struct index_name *n = index_name(ix, f->q->name);
        for (uint32_t i = 0; n && n->name.len > 0 && i < n->count; i++) {
            const struct index_pair *p = &ix->pairs[n->pairs[i]];
            found_add(f, p->value, index_pair_count(p, ids));
        }
        return;
    }
    for (uint32_t i = 0; i < ix->name_count; i++) {
        const struct index_name *n = &ix->names[i];
        uint64_t count = 0;
        for (uint32_t j = 0; n->name.len > 0 && j < n->count; j++)
            count += index_pair_count(&ix->pairs[n->pairs[j]], ids);
        found_add(f, n->name, count);
    }
}

struct live_look {
    struct found *found;
    const roaring_bitmap_t *ids;
};

static void live_visit(void *arg, const struct index *ix)
{
    struct live_look *l = arg;
    index_look(l->found, ix, l->ids);
}

static void raw_rows_look(struct found *f, struct metrics_state *st, struct store_view *v, const struct engine_ctx *ctx, int64_t start_ms,
                          int64_t end_ms)
{
    roaring_bitmap_t *present = roaring_bitmap_create();
    for (size_t i = 0; i < v->mem_count; i++) {
        const struct rows *r = v->mems[i];
        roaring_bitmap_t *some = gather_slots(r, atomic_load_explicit(&r->count, memory_order_acquire), start_ms, end_ms);
        roaring_bitmap_or_inplace(present, some);
        roaring_bitmap_free(some);
    }
    for (size_t i = 0; i < ctx->tenant_count; i++) {
        roaring_bitmap_t *ids = series_resolve(st->dict, ctx->tenants[i], f->q->matchers, f->q->matcher_count);
        if (ids == NULL)
            continue;
        roaring_bitmap_and_inplace(ids, present);
        struct live_look look = { f, ids };
        series_with_index(st->dict, live_visit, &look);
        roaring_bitmap_free(ids);
    }
    roaring_bitmap_free(present);
}

static enum status part_look(struct found *f, struct metrics_state *st, const struct part *p, struct engine_ctx *ctx, struct err *err)
{
    const struct spart_index *ix;
    struct err why = { 0 };
    enum status status = spart_index_take(part_user(p), &ix, &why);
    if (status == ST_CORRUPT) {
        atomic_fetch_add_explicit(&st->corrupt_blocks, 1, memory_order_relaxed);
        engine_warn(ctx, "some names are missing: %s", why.text);
        return ST_OK;
    }
    if (status)
        return err_set(err, status, "%s", why.text);
    for (size_t i = 0; i < ctx->tenant_count; i++) {
        roaring_bitmap_t *ids = index_resolve(&ix->labels, ctx->tenants[i], f->q->matchers, f->q->matcher_count);
        if (ids) {
            index_look(f, &ix->labels, ids);
            roaring_bitmap_free(ids);
        }
    }
    spart_index_drop(part_user(p));
    return ST_OK;
}

static int hits_cmp(const void *a, const void *b)
{
    return slice_cmp(((const struct name_hit *)a)->value, ((const struct name_hit *)b)->value);
}

static void hits_of(struct found *f, size_t limit, struct name_hit **out, size_t *count)
{
    struct name_hit *list = arena_array(f->arena, struct name_hit, f->counts.count + 1);
    size_t n = 0;
    struct map_entry *e;
    for (size_t i = 0; (e = map_each(&f->counts, &i));)
        list[n++] = (struct name_hit){ .value = e->key, .count = e->value };
    qsort(list, n, sizeof *list, hits_cmp);
    *out = list;
    *count = limit ? MIN(n, limit) : n;
}

/* ---- metadata ---- */

struct metadata_found {
    struct arena *arena;
    const struct engine_ctx *ctx;
    struct slice name;
    struct name_hit *list;
    size_t count, cap;
};

static void metadata_visit(void *arg, struct slice tenant, const struct metric_metadata *about)
{
    struct metadata_found *f = arg;
    bool is_asked = f->name.len == 0 || slice_eq(f->name, about->name), is_theirs = false;
    for (size_t i = 0; i < f->ctx->tenant_count; i++)
        is_theirs |= slice_eq(f->ctx->tenants[i], tenant);
    if (!is_asked || !is_theirs)
        return;
    struct metric_metadata *copy = arena_new_of(f->arena, struct metric_metadata);
    *copy = (struct metric_metadata){ .name = arena_copy(f->arena, about->name), .help = arena_copy(f->arena, about->help),
                                      .unit = arena_copy(f->arena, about->unit), .type = about->type };
    ARENA_PUSH(f->arena, f->list, f->count, f->cap) = (struct name_hit){ .value = copy->name, .metadata = copy };
}

static void metadata_hits(struct metrics_state *st, const struct engine_ctx *ctx, const struct names_query *q, struct arena *a,
                          struct name_hit **out, size_t *count)
{
    struct metadata_found f = { .arena = a, .ctx = ctx, .name = q->name };
    metadata_each(st->metadata, metadata_visit, &f);
    if (f.count > 0)
        qsort(f.list, f.count, sizeof *f.list, hits_cmp);
    *out = f.list;
    *count = q->limit ? MIN(f.count, q->limit) : f.count;
}

enum status metrics_names(struct store *s, struct engine_ctx *ctx, const struct names_query *q, struct arena *a, struct name_hit **out,
                          size_t *count, struct err *err)
{
    struct metrics_state *st = store_kind_state(s, KIND_METRICS);
    if (q->what == NAMES_METADATA) {
        metadata_hits(st, ctx, q, a, out, count);
        return ST_OK;
    }
    if (q->what != NAMES_LABELS && q->what != NAMES_LABEL_VALUES)
        return err_set(err, ST_UNSUPPORTED, "metrics: only label names, label values and metadata can be listed");
    struct found f = { .arena = a, .q = q };
    map_init(&f.counts);
    const struct slice *tenants = ctx->tenants;
    const size_t tenant_count = ctx->tenant_count;
    struct slice *with_rollups;
    ctx->tenant_count = rollup_tenants(s, ctx, q->start_ns / NS_MS, a, &with_rollups);
    ctx->tenants = with_rollups;
    struct store_view *v = store_view_take(s, KIND_METRICS, q->start_ns, q->end_ns);
    /* (start, end] in ms that covers [start, end) in ns. */
    raw_rows_look(&f, st, v, ctx, sat_sub(q->start_ns, 1) / NS_MS - (q->start_ns <= 0), sat_sub(q->end_ns, 1) / NS_MS);
    enum status status = ST_OK;
    for (size_t i = 0; i < v->part_count && status == ST_OK; i++) {
        status = engine_ctx_check(ctx, err);
        if (status == ST_OK)
            status = part_look(&f, st, v->parts[i], ctx, err);
        if (status == ST_OK && arena_over(a))
            status = err_set(err, ST_LIMIT, "names: the answer is over %zu bytes", arena_bytes_max(a));
    }
    store_view_drop(v);
    ctx->tenants = tenants;
    ctx->tenant_count = tenant_count;
    if (status == ST_OK)
        hits_of(&f, q->limit, out, count);
    map_free(&f.counts);
    return status;
}
