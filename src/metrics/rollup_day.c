/* SPDX-License-Identifier: Apache-2.0 */
/* Downsampling day by day. A day is done when it is over for a while; what was done is written down as a sample of its own, one for each
 * resolution and with it: at the day's start, the LSN of the newest raw part that was read. Late samples bring a part with a higher
 * one, and the day is done again, which writes the same times anew. So is it for a resolution that is configured later.
 *
 * (1) The note follows when all buckets are durable. A crash before it means the day is done again.
 * (2) Days are not done again more often than every ROLLUP_AGAIN_S, but for the last time before their raw samples go.
 * (3) A block that does not check stops neither its day nor the others: what can be read is downsampled, and LSN 0 in the note says
 *     that the day is not whole, so it is done again. */
#include "base/num.h"
#include "metrics/rollup.h"
#include "metrics/spart.h"
#include "model/histogram.h"
#include "store/partition.h"

enum {
    ROLLUP_COLD_S = 2 * 3600,          /* after a day's end */
    ROLLUP_AGAIN_S = 12 * 3600,
    ROLLUP_BATCH_SAMPLES = 50 * 1000,
    ROLLUP_BATCH_BYTES = 16 * MIB,     /* histograms are large */
    ROLLUP_LOOK_BACK_MS = 3600 * 1000 /* before the day, for what a counter was */
};

#define DAY_MS (PARTITION_NS / NS_MS)

struct note {
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

static enum status note_read(struct store *s, enum rollup r, int64_t day_ms, struct note *out, struct err *err)
{
    struct engine_ctx ctx;
    struct samples_iter *it;
    struct series_samples one;
    const struct slice tenant = rollup_notes_tenant(r);
    *out = (struct note){ 0 };
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

int64_t rollup_done_until_ms(struct store *s, enum rollup r)
{
    struct engine_ctx ctx;
    struct samples_iter *it;
    struct series_samples one;
    const struct slice tenant = rollup_notes_tenant(r);
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

static enum status note_write(struct engine *e, enum rollup r, int64_t day_ms, struct note n, struct err *err)
{
    struct batch *b = batch_new(0);
    b->tenant = rollup_notes_tenant(r);
    batch_series(b, note_labels(b->arena, "lsn"));
    batch_sample(b, day_ms, n.lsn);
    batch_series(b, note_labels(b->arena, "made_ms"));
    batch_sample(b, day_ms, n.made_ms);
    return engine_append_wait(e, b, err);
}

/* ---- which day ---- */

/* Parts of classes that hold what we made, of ones that are not configured any more too. */
struct classes {
    uint16_t of[ROLLUP_COUNT], ever[ROLLUP_COUNT]; /* 0: none */
};

static struct classes classes_of(struct store *s)
{
    struct classes c = { { 0 }, { 0 } };
    for (enum rollup r = ROLLUP_5M; r < ROLLUP_COUNT; r++) {
        c.of[r] = store_rollup_class(s, r);
        c.ever[r] = store_class_named(s, rollup_class_name(r));
    }
    return c;
}

static bool is_raw(const struct store_view *v, size_t i, const struct classes *c)
{
    uint16_t class = part_info(v->parts[i])->class;
    for (enum rollup r = ROLLUP_5M; class != 0 && r < ROLLUP_COUNT; r++)
        if (class == c->of[r] || class == c->ever[r])
            return false;
    return true;
}

/* The LSN of the newest raw part of a day; 0: none. */
static uint64_t day_lsn(struct store *s, int64_t day_ns, const struct classes *classes)
{
    struct store_view *v = store_view_take(s, KIND_METRICS, day_ns, day_ns + PARTITION_NS);
    uint64_t lsn = 0;
    for (size_t i = 0; i < v->part_count; i++)
        if (is_raw(v, i, classes) && part_info(v->parts[i])->start_ns == day_ns)
            lsn = MAX(lsn, part_info(v->parts[i])->max_lsn);
    store_view_drop(v);
    return lsn;
}

static int64_t oldest_day(struct store *s, const struct classes *classes)
{
    struct store_view *v = store_view_take(s, KIND_METRICS, 0, INT64_MAX);
    int64_t oldest = INT64_MAX;
    for (size_t i = 0; i < v->part_count; i++)
        if (is_raw(v, i, classes))
            oldest = MIN(oldest, part_info(v->parts[i])->start_ns);
    store_view_drop(v);
    return oldest;
}

struct due {
    int64_t day_ns; /* INT64_MAX: none */
    bool is_on[ROLLUP_COUNT];
    struct note note;
};

/* Is a day whose raw parts end with that LSN to be done for r? */
static enum status day_is_due(struct store *s, enum rollup r, int64_t day_ns, uint64_t lsn, int64_t now_ns, bool *out, struct err *err)
{
    struct note known;
    *out = false;
    if (day_ns < store_samples_from(s, r)) /* its buckets and its note would go at once */
        return ST_OK;
    enum status st = note_read(s, r, day_ns / NS_MS, &known, err);
    bool is_last = day_ns <= store_samples_from(s, ROLLUP_NONE) + PARTITION_NS && known.lsn != 0;
    bool is_new = known.made_ms == 0, is_old = now_ns / NS_MS - (int64_t)known.made_ms > ROLLUP_AGAIN_S * 1000;
    *out = (double)lsn != known.lsn && (is_new || is_old || is_last);
    return st;
}

/* The oldest day that needs it. */
static enum status day_find(struct store *s, const struct classes *classes, struct due *out, struct err *err)
{
    int64_t now_ns = clock_wall_ns(store_clock(s));
    *out = (struct due){ .day_ns = INT64_MAX };
    for (int64_t day = oldest_day(s, classes); day <= now_ns - PARTITION_NS; day += PARTITION_NS) {
        if (day > now_ns - PARTITION_NS - ROLLUP_COLD_S * NS_S && day > store_samples_from(s, ROLLUP_NONE))
            return ST_OK; /* still warm, and not to go before it is cold */
        uint64_t lsn = day_lsn(s, day, classes);
        bool is_due = false;
        for (enum rollup r = ROLLUP_5M; r < ROLLUP_COUNT && lsn != 0; r++) {
            if (classes->of[r] == 0)
                continue;
            enum status st = day_is_due(s, r, day, lsn, now_ns, &out->is_on[r], err);
            if (st)
                return st;
            is_due |= out->is_on[r];
        }
        if (!is_due)
            continue;
        out->day_ns = day;
        out->note = (struct note){ (double)lsn, (double)(now_ns / NS_MS) };
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
    bool is_on[ROLLUP_COUNT], is_damaged;
    struct batch *batches[ROLLUP_COUNT][ROLLUP_COLUMNS];
    struct rollup_bucket *buckets;
};

static enum status batch_send(struct day *d, enum rollup r, enum rollup_column c, struct err *err)
{
    struct batch *b = d->batches[r][c];
    d->batches[r][c] = NULL;
    return b ? engine_append_wait(d->engine, b, err) : ST_OK;
}

static struct batch *batch_of(struct day *d, enum rollup r, enum rollup_column c)
{
    struct batch *b = d->batches[r][c];
    if (b == NULL) {
        b = d->batches[r][c] = batch_new(0);
        b->tenant = rollup_tenant(arena_alloc(b->arena, ROLLUP_TENANT_BYTES_MAX), d->tenant, r, c);
        b->received_ns = clock_wall_ns(store_clock(d->store));
    }
    return b;
}

static enum status column_put(struct day *d, struct slice labels, enum rollup r, enum rollup_column c, size_t n, struct err *err)
{
    struct batch *b = NULL;
    enum status st = ST_OK;
    for (size_t i = 0; i < n && !st; i++) {
        const struct rollup_bucket *k = &d->buckets[i];
        if (k->is_histogram && c != ROLLUP_LAST && c != ROLLUP_INCREASE)
            continue;
        if (b == NULL) {
            b = batch_of(d, r, c);
            batch_series(b, arena_copy(b->arena, labels));
        }
        if (k->is_histogram && c == ROLLUP_LAST)
            batch_histogram(b, k->t_ms, histogram_copy(b->arena, histogram_unbox(k->v[c])));
        else
            batch_sample(b, k->t_ms, k->is_histogram ? 0 : k->v[c]);
        if (b->sample_count >= ROLLUP_BATCH_SAMPLES || arena_bytes(b->arena) >= ROLLUP_BATCH_BYTES) {
            st = batch_send(d, r, c, err);
            b = NULL;
        }
    }
    return st;
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
        if (st == ST_NOT_FOUND && ctx.warnings.len > 0 && !d->is_damaged) {
            d->is_damaged = true;
            (void)err_set(err, ST_CORRUPT, "%.*s", (int)MIN(ctx.warnings.len, (size_t)200), ctx.warnings.ptr);
        }
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
static enum status tenants_of_day(struct store *s, int64_t day_ns, const struct classes *classes, struct tenants *out, bool *is_damaged,
                                   struct err *err)
{
    struct store_view *v = store_view_take(s, KIND_METRICS, day_ns, day_ns + PARTITION_NS);
    enum status st = ST_OK;
    for (size_t i = 0; i < v->part_count && !st; i++) {
        const struct spart_index *ix;
        if (!is_raw(v, i, classes))
            continue;
        st = spart_index_take(part_user(v->parts[i]), &ix, err);
        if (st == ST_CORRUPT) {
            *is_damaged = true;
            st = ST_OK;
            continue;
        }
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
    const struct classes classes = classes_of(s);
    struct due due;
    *did = false;
    if (classes.of[ROLLUP_5M] == 0 && classes.of[ROLLUP_1H] == 0)
        return ST_OK;
    enum status st = day_find(s, &classes, &due, err);
    if (st || due.day_ns == INT64_MAX)
        return st;
    struct tenants tenants = { .a = arena_new(0) };
    struct day d = { .engine = e, .store = s, .day_ms = due.day_ns / NS_MS,
                     .buckets = mem_alloc((size_t)(DAY_MS / rollup_ms(ROLLUP_5M) + 2) * sizeof(struct rollup_bucket)) };
    memcpy(d.is_on, due.is_on, sizeof d.is_on);
    st = tenants_of_day(s, due.day_ns, &classes, &tenants, &d.is_damaged, err);
    for (size_t i = 0; i < tenants.count && !st; i++) {
        d.tenant = tenants.list[i];
        st = tenant_day(&d, stop, err);
    }
    due.note.lsn = d.is_damaged ? 0 : due.note.lsn;
    for (enum rollup r = ROLLUP_5M; r < ROLLUP_COUNT && !st; r++)
        if (due.is_on[r])
            st = note_write(e, r, d.day_ms, due.note, err);
    *did = st == ST_OK;
    mem_free(d.buckets);
    arena_free(tenants.a);
    return st == ST_OK && d.is_damaged ? ST_CORRUPT : st;
}
