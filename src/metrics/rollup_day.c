/* SPDX-License-Identifier: Apache-2.0 */
/* Downsampling day by day. A day is done when it is over for a while; what was done is written down as a sample of its own: at the day's
 * start, the LSN of the newest raw part that was read. Late samples bring a part with a higher one, and the day is done again,
 * which writes the same times anew.
 *
 * (1) The note follows when all buckets are durable. A crash before it means the day is done again.
 * (2) Days are not done again more often than every ROLLUP_AGAIN_S, but for the last time before their raw samples go. */
#include "base/num.h"
#include "metrics/rollup.h"
#include "metrics/spart.h"
#include "model/histogram.h"
#include "store/partition.h"

enum {
    ROLLUP_COLD_S = 2 * 3600,          /* after a day's end */
    ROLLUP_AGAIN_S = 12 * 3600,
    ROLLUP_BATCH_SAMPLES = 50 * 1000,
    ROLLUP_LOOK_BACK_MS = 3600 * 1000 /* before the day, for what a counter was */
};

#define NOTES_TENANT SLICE("default#rollup")
#define DAY_MS (PARTITION_NS / NS_MS)

struct notes {
    double lsn, made_ms;
};

/* ---- notes ---- */

static struct slice note_labels(struct arena *a, const char *name)
{
    struct label l = { SLICE("__name__"), slice_str(name) };
    struct slice out;
    struct err ignored;
    return labels_build(a, &l, 1, &out, &ignored) ? SLICE_EMPTY : out;
}

static enum status notes_read(struct store *s, int64_t day_ms, struct notes *out, struct err *err)
{
    struct engine_ctx ctx;
    struct samples_iter *it;
    struct series_samples one;
    const struct slice tenant = NOTES_TENANT;
    *out = (struct notes){ 0 };
    engine_ctx_init(&ctx, &tenant, 1, store_clock(s));
    struct samples_query q = { .start_ms = day_ms - 1, .end_ms = day_ms };
    enum status st = metrics_samples_of(s, &ctx, &q, &it, err);
    if (!st) {
        while ((st = it->ops->next(it, &one, err)) == ST_OK)
            *(slice_eq(labels_get(one.labels, SLICE("__name__")), SLICE("lsn")) ? &out->lsn : &out->made_ms) = one.v[one.n - 1];
        it->ops->close(it);
    }
    engine_ctx_free(&ctx);
    return st == ST_NOT_FOUND ? ST_OK : st;
}

int64_t rollup_done_until_ms(struct store *s)
{
    struct engine_ctx ctx;
    struct samples_iter *it;
    struct series_samples one;
    const struct slice tenant = NOTES_TENANT;
    int64_t until_ms = INT64_MIN;
    engine_ctx_init(&ctx, &tenant, 1, store_clock(s));
    struct samples_query q = { .start_ms = 0, .end_ms = clock_wall_ms(store_clock(s)), .mode = SAMPLES_LAST };
    if (metrics_samples_of(s, &ctx, &q, &it, NULL) == ST_OK) {
        while (it->ops->next(it, &one, NULL) == ST_OK)
            if (one.n > 0)
                until_ms = MAX(until_ms, one.t_ms[one.n - 1] + DAY_MS);
        it->ops->close(it);
    }
    engine_ctx_free(&ctx);
    return until_ms;
}

static enum status notes_write(struct engine *e, int64_t day_ms, struct notes n, struct err *err)
{
    struct batch *b = batch_new(0);
    b->tenant = NOTES_TENANT;
    batch_series(b, note_labels(b->arena, "lsn"));
    batch_sample(b, day_ms, n.lsn);
    batch_series(b, note_labels(b->arena, "made_ms"));
    batch_sample(b, day_ms, n.made_ms);
    return engine_append_wait(e, b, err);
}

/* ---- which day ---- */

static bool is_raw(const struct store_view *v, size_t i, const uint16_t *classes)
{
    uint16_t class = part_info(v->parts[i])->class;
    return class == 0 || (class != classes[ROLLUP_5M] && class != classes[ROLLUP_1H]);
}

/* The LSN of the newest raw part of a day; 0: none. */
static uint64_t day_lsn(struct store *s, int64_t day_ns, const uint16_t *classes)
{
    struct store_view *v = store_view_take(s, KIND_METRICS, day_ns, day_ns + PARTITION_NS);
    uint64_t lsn = 0;
    for (size_t i = 0; i < v->part_count; i++)
        if (is_raw(v, i, classes) && part_info(v->parts[i])->start_ns == day_ns)
            lsn = MAX(lsn, part_info(v->parts[i])->max_lsn);
    store_view_drop(v);
    return lsn;
}

static int64_t oldest_day(struct store *s, const uint16_t *classes)
{
    struct store_view *v = store_view_take(s, KIND_METRICS, 0, INT64_MAX);
    int64_t oldest = INT64_MAX;
    for (size_t i = 0; i < v->part_count; i++)
        if (is_raw(v, i, classes))
            oldest = MIN(oldest, part_info(v->parts[i])->start_ns);
    store_view_drop(v);
    return oldest;
}

/* The oldest day that needs it; INT64_MAX: none. */
static enum status day_find(struct store *s, const uint16_t *classes, int64_t *out, struct notes *notes, struct err *err)
{
    int64_t now_ns = clock_wall_ns(store_clock(s)), expiring_ns = store_samples_from(s, ROLLUP_NONE) + PARTITION_NS;
    *out = INT64_MAX;
    for (int64_t day = oldest_day(s, classes); day <= now_ns - PARTITION_NS - ROLLUP_COLD_S * NS_S; day += PARTITION_NS) {
        struct notes known;
        uint64_t lsn = day_lsn(s, day, classes);
        if (lsn == 0)
            continue;
        enum status st = notes_read(s, day / NS_MS, &known, err);
        if (st)
            return st;
        bool is_due = known.made_ms == 0 || day <= expiring_ns || now_ns / NS_MS - (int64_t)known.made_ms > ROLLUP_AGAIN_S * 1000;
        if ((double)lsn == known.lsn || !is_due)
            continue;
        *out = day;
        *notes = (struct notes){ (double)lsn, (double)(now_ns / NS_MS) };
        return ST_OK;
    }
    return ST_OK;
}

/* ---- one day ---- */

struct day {
    struct engine *engine;
    struct store *store;
    int64_t day_ms;
    struct slice tenant;
    bool is_on[ROLLUP_COUNT];
    struct batch *batches[ROLLUP_COUNT][ROLLUP_COLUMNS];
    struct rollup_bucket *buckets;
};

static enum status batch_send(struct day *d, enum rollup r, enum rollup_column c, struct err *err)
{
    struct batch *b = d->batches[r][c];
    d->batches[r][c] = NULL;
    return b ? engine_append_wait(d->engine, b, err) : ST_OK;
}

static enum status column_put(struct day *d, struct slice labels, enum rollup r, enum rollup_column c, size_t n, struct err *err)
{
    struct batch *b = d->batches[r][c];
    if (b == NULL) {
        b = d->batches[r][c] = batch_new(0);
        b->tenant = rollup_tenant(arena_alloc(b->arena, ROLLUP_TENANT_BYTES_MAX), d->tenant, r, c);
        b->received_ns = clock_wall_ns(store_clock(d->store));
    }
    bool is_begun = false;
    for (size_t i = 0; i < n; i++) {
        const struct rollup_bucket *k = &d->buckets[i];
        if (k->is_histogram && c != ROLLUP_LAST && c != ROLLUP_INCREASE)
            continue;
        if (!is_begun)
            batch_series(b, arena_copy(b->arena, labels));
        is_begun = true;
        if (k->is_histogram && c == ROLLUP_LAST)
            batch_histogram(b, k->t_ms, histogram_copy(b->arena, histogram_unbox(k->v[c])));
        else
            batch_sample(b, k->t_ms, k->v[c]);
    }
    return b->sample_count >= ROLLUP_BATCH_SAMPLES ? batch_send(d, r, c, err) : ST_OK;
}

static enum status series_put(struct day *d, const struct series_samples *s, struct err *err)
{
    enum status st = ST_OK;
    for (enum rollup r = ROLLUP_5M; r < ROLLUP_COUNT && !st; r++) {
        if (!d->is_on[r])
            continue;
        size_t n = rollup_make(r, s->t_ms, s->v, s->n, d->day_ms, d->day_ms + DAY_MS, d->buckets);
        for (enum rollup_column c = 0; c < ROLLUP_COLUMNS && !st && n > 0; c++)
            st = column_put(d, s->labels, r, c, n, err);
    }
    return st;
}

static enum status tenant_day(struct day *d, const atomic_bool *stop, struct err *err)
{
    struct engine_ctx ctx;
    struct samples_iter *it;
    struct series_samples one;
    engine_ctx_init(&ctx, &d->tenant, 1, store_clock(d->store));
    struct samples_query q = { .start_ms = d->day_ms - ROLLUP_LOOK_BACK_MS, .end_ms = d->day_ms + DAY_MS };
    enum status st = metrics_samples_of(d->store, &ctx, &q, &it, err);
    if (!st) {
        while ((st = it->ops->next(it, &one, err)) == ST_OK) {
            st = atomic_load(stop) ? err_set(err, ST_CANCELLED, "downsampling was stopped") : series_put(d, &one, err);
            if (st)
                break;
        }
        it->ops->close(it);
        if (st == ST_NOT_FOUND && ctx.warnings.len > 0) /* a block that does not check: its samples would be missing for good */
            st = err_set(err, ST_CORRUPT, "%.*s", (int)MIN(ctx.warnings.len, (size_t)200), ctx.warnings.ptr);
    }
    engine_ctx_free(&ctx);
    st = st == ST_NOT_FOUND ? ST_OK : st;
    for (enum rollup r = ROLLUP_5M; r < ROLLUP_COUNT; r++)
        for (enum rollup_column c = 0; c < ROLLUP_COLUMNS; c++) {
            if (!st)
                st = batch_send(d, r, c, err);
            batch_drop(d->batches[r][c]);
            d->batches[r][c] = NULL;
        }
    return st;
}

struct tenants {
    struct arena *a;
    struct slice *list;
    size_t count, cap;
};

static void tenant_note(struct tenants *t, struct slice tenant)
{
    if (tenant_is_own(tenant))
        return;
    for (size_t i = t->count; i-- > 0;)
        if (slice_eq(t->list[i], tenant))
            return;
    ARENA_PUSH(t->a, t->list, t->count, t->cap) = arena_copy(t->a, tenant);
}

/* Whose samples the day's raw parts have. */
static enum status tenants_of_day(struct store *s, int64_t day_ns, const uint16_t *classes, struct tenants *out, struct err *err)
{
    struct store_view *v = store_view_take(s, KIND_METRICS, day_ns, day_ns + PARTITION_NS);
    enum status st = ST_OK;
    for (size_t i = 0; i < v->part_count && !st; i++) {
        const struct spart_index *ix;
        if (!is_raw(v, i, classes))
            continue;
        st = spart_index_take(part_user(v->parts[i]), &ix, err);
        for (uint32_t k = 0; !st && k < ix->series_count; k++)
            tenant_note(out, spart_tenant(ix, k));
        if (!st)
            spart_index_drop(part_user(v->parts[i]));
    }
    store_view_drop(v);
    return st;
}

enum status rollup_day(struct engine *e, struct store *s, const atomic_bool *stop, bool *did, struct err *err)
{
    const uint16_t classes[ROLLUP_COUNT] = { 0, store_rollup_class(s, ROLLUP_5M), store_rollup_class(s, ROLLUP_1H) };
    struct notes notes;
    int64_t day_ns;
    *did = false;
    if (classes[ROLLUP_5M] == 0 && classes[ROLLUP_1H] == 0)
        return ST_OK;
    enum status st = day_find(s, classes, &day_ns, &notes, err);
    if (st || day_ns == INT64_MAX)
        return st;
    struct tenants tenants = { .a = arena_new(0) };
    struct day d = { .engine = e, .store = s, .day_ms = day_ns / NS_MS, .is_on = { false, classes[ROLLUP_5M] != 0, classes[ROLLUP_1H] != 0 },
                     .buckets = mem_alloc((size_t)(DAY_MS / rollup_ms(ROLLUP_5M) + 2) * sizeof(struct rollup_bucket)) };
    st = tenants_of_day(s, day_ns, classes, &tenants, err);
    for (size_t i = 0; i < tenants.count && !st; i++) {
        d.tenant = tenants.list[i];
        st = tenant_day(&d, stop, err);
    }
    if (!st)
        st = notes_write(e, d.day_ms, notes, err);
    *did = st == ST_OK;
    mem_free(d.buckets);
    arena_free(tenants.a);
    return st;
}
