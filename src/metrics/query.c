/* SPDX-License-Identifier: Apache-2.0 */
/* Series and their samples in label order, across raw rows and parts.
 *
 * Opening takes a view of the store and makes, for each tenant, a list of sources: a row table's gathered samples, or the
 * ordinals of a part that match. The iterator then merges the sources by labels.
 *
 * (1) Sources stand in LSN order; of equal (series, time) the later source wins.
 * (2) Tombstones are applied to each source before it mixes with others.
 * (3) Histograms are the row table's, which the view holds, or the cursor's until its next read: so those of a series live
 *     until the next one is asked for.
 * (4) The snapshot is made at opening: row counts first, then the series that match, so every row's series is known. */
#include "base/num.h"
#include "metrics/gather.h"
#include "metrics/hpage.h"
#include "metrics/merge.h"
#include "metrics/rollup.h"

enum { MODE_ANY = SAMPLES_PRESENT + 1 /* has it a sample at all, a stale mark too: for series() */ };

struct source {
    uint64_t order;              /* LSN */
    /* A part. */
    struct spart *sp;
    const struct spart_index *ix;
    struct spart_cursor *cursor;
    uint32_t *ordinals;
    struct buf labels;
    /* A row table. */
    struct gathered rows;
    size_t at, count;
    struct slice head;           /* labels of series `at` */
};

struct tenant_sources {
    struct slice tenant;
    struct source *list;
    size_t count;
};

struct query {
    struct samples_iter iter;
    struct metrics_state *st;
    struct engine_ctx *ctx;
    struct store_view *view;
    struct dead *dead;
    struct arena *arena;
    int64_t start_ms, end_ms;
    int mode;
    size_t series_max, series_given;
    uint64_t *mem_counts;
    struct tenant_sources *tenants;
    size_t tenant_count, tenant_at;
    struct buf key;
    struct run all, one, spare;
};

/* ---- opening ---- */

static void source_load(struct query *q, struct source *s)
{
    if (s->at >= s->count)
        return;
    if (s->sp == NULL) {
        s->head = series_labels(series_at(q->st->dict, s->rows.slots[s->at]));
        return;
    }
    spart_labels(s->ix, s->ordinals[s->at], &s->labels);
    s->head = buf_as_slice(&s->labels);
}

static enum status part_source(struct query *q, const struct part *p, struct slice tenant, const struct matcher *matchers, size_t count,
                               struct source *out, struct err *err)
{
    *out = (struct source){ .order = part_info(p)->max_lsn, .sp = part_user(p) };
    struct err why = { 0 };
    enum status st = spart_index_take(out->sp, &out->ix, &why);
    if (st == ST_CORRUPT) {
        atomic_fetch_add_explicit(&q->st->corrupt_blocks, 1, memory_order_relaxed);
        engine_warn(q->ctx, "some samples are missing: %s", why.text);
        return ST_OK;
    }
    if (st)
        return err_set(err, st, "%s", why.text);
    roaring_bitmap_t *ids = index_resolve(&out->ix->labels, tenant, matchers, count);
    if (ids == NULL || roaring_bitmap_is_empty(ids)) {
        if (ids)
            roaring_bitmap_free(ids);
        spart_index_drop(out->sp);
        return ST_OK;
    }
    out->count = roaring_bitmap_get_cardinality(ids);
    out->ordinals = arena_array(q->arena, uint32_t, out->count + 1);
    roaring_bitmap_to_uint32_array(ids, out->ordinals);
    roaring_bitmap_free(ids);
    buf_init(&out->labels, 0);
    st = spart_cursor_open(out->sp, q->ctx, &out->cursor, err);
    if (st)
        spart_index_drop(out->sp);
    return st;
}

static void source_add(struct query *q, struct tenant_sources *t, struct source *s)
{
    if (s->count == 0)
        return;
    source_load(q, s);
    size_t at = t->count++;
    for (; at > 0 && t->list[at - 1].order > s->order; at--)
        t->list[at] = t->list[at - 1];
    t->list[at] = *s;
}

static enum status tenant_open(struct query *q, struct slice tenant, const struct matcher *matchers, size_t count, struct err *err)
{
    struct store_view *v = q->view;
    struct tenant_sources *t = &q->tenants[q->tenant_count++];
    *t = (struct tenant_sources){ .tenant = tenant, .list = arena_array(q->arena, struct source, v->part_count + v->mem_count + 1) };
    const uint16_t of_rollup[ROLLUP_COUNT] = { 0, store_rollup_class(q->st->store, ROLLUP_5M), store_rollup_class(q->st->store, ROLLUP_1H) };
    for (size_t i = 0; i < v->part_count; i++) {
        struct source s;
        uint16_t class = part_info(v->parts[i])->class;
        if (class && (class == of_rollup[ROLLUP_5M] || class == of_rollup[ROLLUP_1H]) && !tenant_is_own(tenant))
            continue; /* nothing of that tenant is in there */
        enum status st = part_source(q, v->parts[i], tenant, matchers, count, &s, err);
        if (st)
            return st;
        source_add(q, t, &s);
    }
    roaring_bitmap_t *slots = v->mem_count ? series_resolve(q->st->dict, tenant, matchers, count) : NULL;
    for (size_t i = 0; slots && i < v->mem_count; i++) {
        const struct rows *r = v->mems[i];
        struct source s = { 0 };
        if (q->mem_counts[i] > 0)
            gather_rows(r, q->mem_counts[i], slots, q->start_ms, q->end_ms, q->arena, &s.rows);
        s.order = q->mem_counts[i] > 0 ? r->lsn_base : 0;
        s.count = s.rows.count;
        source_add(q, t, &s);
    }
    if (slots)
        roaring_bitmap_free(slots);
    return ST_OK;
}

static void query_close(struct samples_iter *it)
{
    struct query *q = (struct query *)it;
    for (size_t t = 0; t < q->tenant_count; t++)
        for (size_t i = 0; i < q->tenants[t].count; i++) {
            struct source *s = &q->tenants[t].list[i];
            spart_cursor_close(s->cursor);
            if (s->sp)
                spart_index_drop(s->sp);
            buf_free(&s->labels);
        }
    dead_free(q->dead);
    store_view_drop(q->view);
    buf_free(&q->key);
    run_free(&q->all);
    run_free(&q->one);
    run_free(&q->spare);
    arena_free(q->arena);
    mem_free(q);
}

/* ---- reading ---- */

static void bury_rows(const struct dead_range *dead, size_t count, const struct gathered *g, size_t from, size_t to, struct run *out)
{
    for (size_t i = from; i < to; i++) {
        bool is_dead = false;
        for (size_t d = 0; d < count; d++)
            is_dead |= dead_hits_row(&dead[d], sat_mul(g->t_ms[i], NS_MS), g->lsn[i]);
        if (is_dead)
            continue;
        out->t_ms[out->n] = g->t_ms[i];
        out->v[out->n++] = g->v[i];
    }
}

/* As the cursor counts those of a part. */
static void rows_count_histograms(struct query *q, const double *v, size_t n)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < n; i++)
        if (is_histogram(v[i]))
            bytes += histogram_bytes(histogram_unbox(v[i]));
    q->ctx->samples_read += samples_of_histograms(bytes, n);
}

/* All samples of the source's series at its place, into q->one. */
static enum status source_read(struct query *q, struct source *s, const struct dead_range *dead, size_t dead_count, struct err *err)
{
    q->one.n = 0;
    if (s->sp) {
        enum status st = spart_read(s->cursor, s->ordinals[s->at], q->start_ms, q->end_ms, &q->one, err);
        if (dead_count > 0)
            merge_bury(&q->one, dead, dead_count, spart_applied_id(s->sp));
        return st;
    }
    size_t from = s->rows.starts[s->at], to = s->rows.starts[s->at + 1];
    run_room(&q->one, to - from);
    bury_rows(dead, dead_count, &s->rows, from, to, &q->one);
    rows_count_histograms(q, q->one.v, q->one.n);
    return ST_OK;
}

/* Only the last sample, without reading more than it takes. */
static enum status source_last(struct query *q, struct source *s, struct spart_last *out, struct err *err)
{
    if (s->sp)
        return spart_read_last(s->cursor, s->ordinals[s->at], q->start_ms, q->end_ms, q->mode == SAMPLES_LAST, out, err);
    size_t from = s->rows.starts[s->at], to = s->rows.starts[s->at + 1];
    *out = (struct spart_last){ 0 };
    if (from < to)
        *out = (struct spart_last){ .found = true, .t_ms = s->rows.t_ms[to - 1], .v = s->rows.v[to - 1], .is_stale = is_stale(s->rows.v[to - 1]) };
    return ST_OK;
}

static bool is_at(const struct query *q, const struct source *s)
{
    return s->at < s->count && slice_eq(s->head, buf_as_slice(&q->key));
}

static void run_last(struct run *r, int mode)
{
    if (r->n == 0 || mode == SAMPLES_RAW)
        return;
    r->t_ms[0] = r->t_ms[r->n - 1];
    r->v[0] = r->v[r->n - 1];
    r->n = mode == SAMPLES_PRESENT && is_stale(r->v[0]) ? 0 : 1;
}

/* The series named by key from every source that has it, in whole. */
static enum status collect_all(struct query *q, struct tenant_sources *t, const struct dead_range *dead, size_t dead_count, struct err *err)
{
    for (size_t i = 0; i < t->count; i++) {
        if (!is_at(q, &t->list[i]))
            continue;
        enum status st = source_read(q, &t->list[i], dead, dead_count, err);
        if (st)
            return st;
        q->ctx->samples_read += q->one.n;
        merge_runs(&q->all, &q->one, &q->spare);
    }
    run_last(&q->all, q->mode);
    return ST_OK;
}

static enum status collect_last(struct query *q, struct tenant_sources *t, struct err *err)
{
    struct spart_last best = { 0 };
    for (size_t i = 0; i < t->count; i++) {
        struct spart_last one;
        if (!is_at(q, &t->list[i]))
            continue;
        enum status st = source_last(q, &t->list[i], &one, err);
        if (st)
            return st;
        if (one.found && (!best.found || one.t_ms >= best.t_ms))
            best = one;
    }
    if (!best.found || (q->mode == SAMPLES_PRESENT && best.is_stale))
        return ST_OK;
    q->ctx->samples_read++;
    run_room(&q->all, 1);
    q->all.t_ms[0] = best.t_ms;
    q->all.v[0] = q->mode == SAMPLES_LAST ? best.v : 0;
    q->all.n = 1;
    return ST_OK;
}

/* Sets key to the least head of the tenant's sources; false when all are used up. */
static bool key_next(struct query *q, struct tenant_sources *t)
{
    const struct source *least = NULL;
    for (size_t i = 0; i < t->count; i++) {
        const struct source *s = &t->list[i];
        if (s->at < s->count && (least == NULL || labels_cmp(s->head, least->head) < 0))
            least = s;
    }
    if (least == NULL)
        return false;
    buf_reset(&q->key);
    buf_slice(&q->key, least->head);
    return true;
}

static enum status query_next(struct samples_iter *it, struct series_samples *out, struct err *err)
{
    struct query *q = (struct query *)it;
    for (; q->tenant_at < q->tenant_count; q->tenant_at++) {
        struct tenant_sources *t = &q->tenants[q->tenant_at];
        while (key_next(q, t)) {
            enum status st = engine_ctx_check(q->ctx, err);
            if (st)
                return st;
            const struct dead_range *dead = NULL;
            size_t dead_count = dead_of(q->dead, t->tenant, buf_as_slice(&q->key), &dead);
            q->all.n = 0;
            st = q->mode == SAMPLES_RAW || dead_count > 0 ? collect_all(q, t, dead, dead_count, err) : collect_last(q, t, err);
            if (st)
                return st;
            for (size_t i = 0; i < t->count; i++)
                if (is_at(q, &t->list[i])) {
                    t->list[i].at++;
                    source_load(q, &t->list[i]);
                }
            if (q->all.n == 0)
                continue;
            if (q->series_max && ++q->series_given > q->series_max)
                return err_set(err, ST_LIMIT, "query: more than %zu series match", q->series_max);
            *out = (struct series_samples){ .labels = buf_as_slice(&q->key), .tenant = t->tenant, .n = q->all.n, .t_ms = q->all.t_ms, .v = q->all.v };
            return ST_OK;
        }
    }
    return ST_NOT_FOUND;
}

static const struct samples_iter_ops query_ops = { query_next, query_close };

static enum status query_open(struct store *s, struct engine_ctx *ctx, int64_t start_ms, int64_t end_ms, const struct matcher *matchers,
                              size_t count, int mode, size_t series_max, struct query **out, struct err *err)
{
    struct query *q = mem_new(struct query);
    q->iter.ops = &query_ops;
    q->st = store_kind_state(s, KIND_METRICS);
    q->ctx = ctx;
    q->arena = arena_new(0);
    q->start_ms = start_ms;
    q->end_ms = end_ms;
    q->mode = mode;
    q->series_max = series_max;
    buf_init(&q->key, 0);
    q->view = store_view_take(s, KIND_METRICS, sat_mul(start_ms, NS_MS), sat_add(sat_mul(end_ms, NS_MS), 1));
    q->tenants = arena_array(q->arena, struct tenant_sources, ctx->tenant_count + 1);
    q->mem_counts = arena_array(q->arena, uint64_t, q->view->mem_count + 1);
    for (size_t i = 0; i < q->view->mem_count; i++)
        q->mem_counts[i] = atomic_load_explicit(&((const struct rows *)q->view->mems[i])->count, memory_order_acquire);
    q->dead = dead_new(q->view->dead);
    enum status st = ST_OK;
    for (size_t i = 0; i < ctx->tenant_count && st == ST_OK; i++) {
        st = engine_ctx_check(ctx, err);
        if (st == ST_OK)
            st = tenant_open(q, ctx->tenants[i], matchers, count, err);
    }
    if (st) {
        query_close(&q->iter);
        return st;
    }
    *out = q;
    return ST_OK;
}

enum status metrics_samples(struct store *s, struct engine_ctx *ctx, const struct samples_query *q, struct samples_iter **out, struct err *err)
{
    return rollup_is_needed(s, ctx, q) ? rollup_samples(s, ctx, q, out, err) : metrics_samples_of(s, ctx, q, out, err);
}

enum status metrics_samples_of(struct store *s, struct engine_ctx *ctx, const struct samples_query *q, struct samples_iter **out, struct err *err)
{
    struct query *query;
    enum status st = query_open(s, ctx, q->start_ms, q->end_ms, q->matchers, q->matcher_count, (int)q->mode, q->series_max, &query, err);
    if (st == ST_OK)
        *out = &query->iter;
    return st;
}

enum status metrics_series(struct store *s, struct engine_ctx *ctx, int64_t start_ms, int64_t end_ms, const struct matcher *matchers,
                           size_t matcher_count, size_t max, struct arena *a, struct slice **out, size_t *count, struct err *err)
{
    struct query *q;
    const struct slice *tenants = ctx->tenants;
    const size_t tenant_count = ctx->tenant_count;
    struct slice *with_rollups;
    ctx->tenant_count = rollup_tenants(s, ctx, start_ms, a, &with_rollups);
    ctx->tenants = with_rollups;
    enum status st = query_open(s, ctx, sat_sub(start_ms, 1), end_ms, matchers, matcher_count, MODE_ANY, max, &q, err);
    ctx->tenants = tenants;
    ctx->tenant_count = tenant_count;
    if (st)
        return st;
    struct slice *list = NULL;
    size_t n = 0, cap = 0;
    struct series_samples one;
    while ((st = query_next(&q->iter, &one, err)) == ST_OK) {
        ARENA_PUSH(a, list, n, cap) = arena_copy(a, one.labels);
        if (arena_over(a)) {
            st = err_set(err, ST_LIMIT, "series: the answer is over %zu bytes", arena_bytes_max(a));
            break;
        }
    }
    query_close(&q->iter);
    if (st != ST_NOT_FOUND)
        return st;
    *out = list;
    *count = n;
    return ST_OK;
}
