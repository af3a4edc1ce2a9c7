/* SPDX-License-Identifier: Apache-2.0 */
/* Reading over the border between downsampled and raw samples. A tenant's series come from up to five pieces, each an iterator in label
 * order: hours, five minutes (for some functions two columns of each), and raw samples. They are merged by labels, one tenant
 * after the other.
 *
 *     ------- hours -------|---- five minutes ----|-------- raw --------
 *                     from of 5m             from of raw
 *
 * (1) Raw samples begin with a whole partition, so a border is the start of a day and no bucket lies across it.
 * (2) What a piece gives is good until its next call, and histograms lie in there: pieces move on when the next series is asked for. */
#include "metrics/rollup.h"

#include "base/num.h"
#include "model/sample.h"

enum { PIECES_MAX = 2 * (ROLLUP_COUNT - 1) + 1 };

struct piece {
    struct samples_iter *it;
    enum rollup r;      /* ROLLUP_NONE: raw */
    bool is_second, is_done, is_used;
    struct series_samples now;
};

struct rollup_iter {
    struct samples_iter iter; /* first */
    struct store *store;
    struct engine_ctx *ctx;
    struct samples_query q; /* as it was asked; matchers are the caller's until the iterator is closed */
    struct rollup_use use;
    bool is_counted;
    struct arena *names;
    struct slice *tenants;
    size_t tenant_count, tenant_at;
    struct piece pieces[PIECES_MAX];
    size_t piece_count;
    struct buf key;
    struct rollup_run run;
    size_t given;
};

/* ---- which samples are where ---- */

/* From when on samples of a resolution are to be used; INT64_MIN for the coarsest there is. */
static int64_t used_from_ms(struct store *s, const struct engine_ctx *ctx, enum rollup r)
{
    if (r == ROLLUP_NONE && ctx->rollup_min != ROLLUP_NONE)
        return rollup_done_until_ms(s, store_rollup_class(s, ctx->rollup_min) != 0 ? ctx->rollup_min : ROLLUP_5M);
    if (r != ROLLUP_NONE && r < ctx->rollup_min && store_rollup_class(s, ctx->rollup_min) != 0)
        return INT64_MAX;
    int64_t from_ns = store_samples_from(s, r);
    return from_ns == INT64_MAX ? INT64_MAX : from_ns / NS_MS;
}

bool rollup_is_needed(struct store *s, const struct engine_ctx *ctx, const struct samples_query *q)
{
    bool has_any = store_rollup_class(s, ROLLUP_5M) != 0 || store_rollup_class(s, ROLLUP_1H) != 0;
    for (size_t i = 0; i < ctx->tenant_count; i++)
        if (tenant_is_own(ctx->tenants[i]))
            return false;
    return has_any && (ctx->rollup_min != ROLLUP_NONE || q->start_ms < used_from_ms(s, ctx, ROLLUP_NONE));
}

size_t rollup_tenants(struct store *s, const struct engine_ctx *ctx, int64_t start_ms, struct arena *a, struct slice **out)
{
    struct samples_query q = { .start_ms = start_ms };
    size_t n = ctx->tenant_count;
    *out = arena_array(a, struct slice, ctx->tenant_count * ROLLUP_COUNT + 1);
    memcpy(*out, ctx->tenants, n * sizeof **out);
    if (!rollup_is_needed(s, ctx, &q))
        return n;
    for (enum rollup r = ROLLUP_5M; r < ROLLUP_COUNT; r++)
        for (size_t i = 0; i < ctx->tenant_count && store_rollup_class(s, r) != 0; i++)
            (*out)[n++] = rollup_tenant(arena_alloc(a, ROLLUP_TENANT_BYTES_MAX), ctx->tenants[i], r, ROLLUP_LAST);
    return n;
}

/* ---- pieces ---- */

static enum status piece_step(struct piece *p, struct err *err)
{
    enum status st = p->it->ops->next(p->it, &p->now, err);
    p->is_done = st == ST_NOT_FOUND;
    p->is_used = false;
    return p->is_done ? ST_OK : st;
}

/* The end of the bucket that a time lies in: it says what was until then, too. */
static int64_t whole_bucket(enum rollup r, int64_t t_ms)
{
    int64_t step = rollup_ms(r), over = t_ms % step;
    return over > 0 ? sat_add(t_ms, step - over) : t_ms;
}

static enum status piece_open(struct rollup_iter *it, struct slice tenant, enum rollup r, bool is_second, int64_t from_ms, int64_t to_ms,
                              struct err *err)
{
    struct engine_ctx *ctx = it->ctx;
    const struct slice *tenants = ctx->tenants;
    size_t count = ctx->tenant_count;
    struct samples_query q = it->q;
    if (from_ms >= to_ms)
        return ST_OK;
    q.start_ms = from_ms;
    q.end_ms = to_ms;
    q.series_max = 0; /* of all pieces together: rollup_next counts */
    if (r != ROLLUP_NONE) {
        q.mode = SAMPLES_RAW;
        q.end_ms = whole_bucket(r, to_ms);
    }
    struct piece *p = &it->pieces[it->piece_count];
    *p = (struct piece){ .r = r, .is_second = is_second };
    ctx->tenants = &tenant;
    ctx->tenant_count = 1;
    enum status st = metrics_samples_of(it->store, ctx, &q, &p->it, err);
    ctx->tenants = tenants;
    ctx->tenant_count = count;
    if (st)
        return st;
    it->piece_count++;
    return piece_step(p, err);
}

static enum status columns_open(struct rollup_iter *it, struct slice tenant, enum rollup r, int64_t from_ms, int64_t to_ms, struct err *err)
{
    char *text = arena_alloc(it->names, 2 * ROLLUP_TENANT_BYTES_MAX);
    enum status st = piece_open(it, rollup_tenant(text, tenant, r, it->use.column), r, false, from_ms, to_ms, err);
    if (st || it->use.second == it->use.column)
        return st;
    return piece_open(it, rollup_tenant(text + ROLLUP_TENANT_BYTES_MAX, tenant, r, it->use.second), r, true, from_ms, to_ms, err);
}

static void pieces_close(struct rollup_iter *it)
{
    for (size_t i = 0; i < it->piece_count; i++)
        it->pieces[i].it->ops->close(it->pieces[i].it);
    it->piece_count = 0;
}

/* The window of a tenant from the newest to the oldest resolution, each from where it is kept. */
static enum status tenant_open(struct rollup_iter *it, struct slice tenant, struct err *err)
{
    int64_t to_ms = it->q.end_ms;
    enum status st = ST_OK;
    for (enum rollup r = ROLLUP_NONE; r < ROLLUP_COUNT && !st && to_ms > it->q.start_ms; r++) {
        int64_t kept_ms = used_from_ms(it->store, it->ctx, r);
        if (kept_ms >= to_ms)
            continue;
        int64_t from_ms = MAX(it->q.start_ms, kept_ms);
        st = r == ROLLUP_NONE ? piece_open(it, tenant, r, false, from_ms, to_ms, err) : columns_open(it, tenant, r, from_ms, to_ms, err);
        if (r != ROLLUP_NONE) {
            it->ctx->rollup_used = MAX(it->ctx->rollup_used, r);
            it->ctx->rollup_until_ms = MAX(it->ctx->rollup_until_ms, to_ms);
        }
        to_ms = from_ms;
    }
    return st;
}

/* ---- series ---- */

static const struct piece *piece_at(const struct rollup_iter *it, enum rollup r, bool is_second)
{
    for (size_t i = 0; i < it->piece_count; i++) {
        const struct piece *p = &it->pieces[i];
        if (p->r == r && p->is_second == is_second && p->is_used)
            return p;
    }
    return NULL;
}

/* Where both columns have a bucket. */
static void put_both(struct rollup_iter *it, const struct piece *a, const struct piece *b)
{
    size_t n = 0, k = 0, most = MIN(a->now.n, b->now.n);
    int64_t *t = mem_alloc((most + 1) * sizeof *t);
    double *x = mem_alloc((most + 1) * sizeof *x), *y = mem_alloc((most + 1) * sizeof *y);
    for (size_t i = 0; i < a->now.n; i++) {
        while (k < b->now.n && b->now.t_ms[k] < a->now.t_ms[i])
            k++;
        if (k == b->now.n || b->now.t_ms[k] != a->now.t_ms[i])
            continue;
        t[n] = a->now.t_ms[i];
        x[n] = a->now.v[i];
        y[n++] = b->now.v[k];
    }
    rollup_expand(a->r, it->use.way, it->q.grid.range_ms, t, x, y, n, &it->run);
    mem_free(t);
    mem_free(x);
    mem_free(y);
}

static void put_raw(struct rollup_iter *it, const struct series_samples *s)
{
    struct rollup_run *run = &it->run;
    if (run->n + s->n > run->cap) {
        run->cap = run->n + s->n;
        run->t_ms = mem_realloc(run->t_ms, run->cap * sizeof *run->t_ms);
        run->v = mem_realloc(run->v, run->cap * sizeof *run->v);
    }
    for (size_t i = 0; i < s->n; i++) {
        run->t_ms[run->n] = s->t_ms[i];
        run->v[run->n++] = it->is_counted && !is_stale(s->v[i]) ? 1 : s->v[i];
    }
}

/* What lies in the window, and of that as much as the mode wants. */
static void run_clip(struct rollup_iter *it)
{
    struct rollup_run *run = &it->run;
    size_t kept = 0;
    for (size_t i = 0; i < run->n; i++) {
        if (run->t_ms[i] <= it->q.start_ms || run->t_ms[i] > it->q.end_ms)
            continue;
        run->t_ms[kept] = run->t_ms[i];
        run->v[kept++] = run->v[i];
    }
    run->n = kept;
    if (it->q.mode == SAMPLES_RAW || kept == 0)
        return;
    run->t_ms[0] = run->t_ms[kept - 1];
    run->v[0] = run->v[kept - 1];
    run->n = 1;
}

/* Everything of the series that key names, oldest first. What buckets come to counts as read, before it takes memory. */
static enum status collect(struct rollup_iter *it, struct err *err)
{
    it->run.n = 0;
    for (enum rollup r = ROLLUP_5M; r < ROLLUP_COUNT; r++) {
        const struct piece *a = piece_at(it, r, false);
        if (a)
            it->ctx->samples_read += a->now.n * (uint64_t)(rollup_points(r, it->use.way, it->q.grid.range_ms) - 1);
    }
    enum status st = engine_ctx_check(it->ctx, err);
    if (st)
        return st;
    for (enum rollup r = ROLLUP_COUNT - 1; r > ROLLUP_NONE; r--) {
        const struct piece *a = piece_at(it, r, false), *b = piece_at(it, r, true);
        if (a && it->use.second == it->use.column)
            rollup_expand(r, it->use.way, it->q.grid.range_ms, a->now.t_ms, a->now.v, a->now.v, a->now.n, &it->run);
        else if (a && b)
            put_both(it, a, b);
    }
    const struct piece *raw = piece_at(it, ROLLUP_NONE, false);
    if (raw)
        put_raw(it, &raw->now);
    run_clip(it);
    return ST_OK;
}

static bool key_next(struct rollup_iter *it)
{
    const struct piece *least = NULL;
    for (size_t i = 0; i < it->piece_count; i++) {
        const struct piece *p = &it->pieces[i];
        if (!p->is_done && (least == NULL || labels_cmp(p->now.labels, least->now.labels) < 0))
            least = p;
    }
    if (least == NULL)
        return false;
    buf_reset(&it->key);
    buf_slice(&it->key, least->now.labels);
    for (size_t i = 0; i < it->piece_count; i++)
        it->pieces[i].is_used = !it->pieces[i].is_done && slice_eq(it->pieces[i].now.labels, buf_as_slice(&it->key));
    return true;
}

static enum status rollup_next(struct samples_iter *iter, struct series_samples *out, struct err *err)
{
    struct rollup_iter *it = (struct rollup_iter *)iter;
    enum status st = ST_OK;
    for (;;) {
        for (size_t i = 0; i < it->piece_count && !st; i++)
            if (it->pieces[i].is_used)
                st = piece_step(&it->pieces[i], err);
        if (st)
            return st;
        while (!key_next(it)) {
            pieces_close(it);
            if (it->tenant_at == it->tenant_count)
                return ST_NOT_FOUND;
            st = tenant_open(it, it->tenants[it->tenant_at++], err);
            if (st)
                return st;
        }
        st = collect(it, err);
        if (st)
            return st;
        if (it->run.n > 0)
            break;
    }
    if (it->q.series_max && ++it->given > it->q.series_max)
        return err_set(err, ST_LIMIT, "query: more than %zu series match", it->q.series_max);
    *out = (struct series_samples){ .labels = buf_as_slice(&it->key), .tenant = it->tenants[it->tenant_at - 1], .n = it->run.n,
                                    .t_ms = it->run.t_ms, .v = it->run.v, .is_counted = it->is_counted };
    return engine_ctx_check(it->ctx, err);
}

static void rollup_close(struct samples_iter *iter)
{
    struct rollup_iter *it = (struct rollup_iter *)iter;
    pieces_close(it);
    arena_free(it->names);
    buf_free(&it->key);
    mem_free(it->run.t_ms);
    mem_free(it->run.v);
    mem_free(it);
}

static const struct samples_iter_ops rollup_ops = { rollup_next, rollup_close };

enum status rollup_samples(struct store *s, struct engine_ctx *ctx, const struct samples_query *q, struct samples_iter **out, struct err *err)
{
    (void)err;
    struct rollup_iter *it = mem_new(struct rollup_iter);
    it->iter.ops = &rollup_ops;
    it->store = s;
    it->ctx = ctx;
    it->q = *q;
    it->use = rollup_use_of(q->grid.fn);
    it->is_counted = it->use.column == ROLLUP_COUNTED && it->use.way == ROLLUP_SPREAD;
    it->names = arena_new(0);
    buf_init(&it->key, 0);
    it->tenant_count = ctx->tenant_count;
    it->tenants = arena_array(it->names, struct slice, ctx->tenant_count + 1);
    memcpy(it->tenants, ctx->tenants, ctx->tenant_count * sizeof *it->tenants);
    *out = &it->iter;
    return ST_OK;
}
