/* SPDX-License-Identifier: Apache-2.0 */
/* See rig_test.h. The reference is an array a series: nothing in it can be wrong in the way an engine can. */
#include "metrics/rig_test.h"

#include "base/num.h"

enum { BUCKETS_MIN = 6, BUCKETS_MORE = 5, HISTOGRAMS_EVERY = 3, NUMBER_AMONG_HISTOGRAMS = 17, NAMES = 7, TICKS_MAX = 100000 };

const int64_t rig_start_ms = 1700006400000; /* a midnight, UTC */

void rig_must(enum status st, const struct err *err, const char *file, int line)
{
    if (st)
        unit_fail(file, line, err->text);
}

void rig_init(struct rig *r, uint64_t seed, size_t series_count)
{
    static const struct store_kind *const kinds[] = { &metrics_kind };
    *r = (struct rig){ .fs = fs_sim_new(seed), .clock = clock_sim_new(rig_start_ms * NS_MS), .series_count = series_count };
    rand_seed(&r->rand, seed);
    r->series = mem_zalloc(series_count * sizeof *r->series);
    r->opt = (struct store_options){ .dir = SLICE("data"), .fs = r->fs, .clock = r->clock, .kinds = kinds, .kind_count = 1,
                                     .no_background = true, .retention_ns = INT64_MAX };
}

enum status rig_open(struct rig *r, struct err *err)
{
    return store_open(&r->store, &r->opt, err);
}

void rig_end(struct rig *r)
{
    store_close(r->store);
    clock_sim_free(r->clock);
    fs_sim_free(r->fs);
    for (size_t i = 0; i < r->series_count; i++)
        mem_free(r->series[i].points);
    mem_free(r->series);
}

/* ---- values ---- */

static uint64_t mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
    return x ^ (x >> 31);
}

double rig_value(uint32_t series, uint32_t step, uint32_t version, struct arena *a)
{
    uint64_t noise = mix((uint64_t)series << 32 | step) % 1000;
    double number = (double)((uint64_t)series * 1000 + step * 40 + noise % 40) + (double)version / 4;
    if (series % HISTOGRAMS_EVERY || (series + step) % NUMBER_AMONG_HISTOGRAMS == 0)
        return number;
    struct histogram *h = arena_new_of(a, struct histogram);
    h->schema = 3;
    h->zero_threshold = 0.001;
    h->zero_count = version;
    h->sum = number;
    struct histogram_side *side = &h->positive;
    side->span_count = 1;
    side->bucket_count = BUCKETS_MIN + (series + step / 50) % BUCKETS_MORE;
    side->spans = arena_new_of(a, struct histogram_span);
    side->spans[0] = (struct histogram_span){ (int32_t)(series % 50) - 20, side->bucket_count };
    side->buckets = arena_array(a, double, side->bucket_count);
    h->count = h->zero_count;
    for (uint32_t i = 0; i < side->bucket_count; i++)
        h->count += side->buckets[i] = (double)(step * (i + 1) + mix(noise + i) % (i + 1));
    return histogram_box(h);
}

struct slice rig_labels(struct arena *a, uint32_t series)
{
    struct label list[] = { { SLICE("__name__"), arena_printf(a, "metric_%u", series % NAMES) },
                            { SLICE("number"), arena_printf(a, "%u", series) },
                            { SLICE("pod"), arena_printf(a, "pod-%u", series / NAMES) } };
    struct slice out;
    CHECK(labels_build(a, list, COUNT_OF(list), &out, NULL) == ST_OK);
    return out;
}

static bool value_is_same(double x, double y)
{
    if (is_histogram(x) && is_histogram(y))
        return histogram_is_same(histogram_unbox(x), histogram_unbox(y));
    return double_bits(x) == double_bits(y);
}

/* ---- requests ---- */

void rig_request_begin(struct rig_request *q)
{
    *q = (struct rig_request){ .batch = batch_new(0) };
}

void rig_request_end(struct rig_request *q)
{
    batch_drop(q->batch);
    mem_free(q->puts);
}

void rig_request_put(struct rig_request *q, uint32_t series, uint32_t step, uint32_t version)
{
    if (q->count == q->cap) {
        q->cap = MAX(q->cap * 2, (size_t)64);
        q->puts = mem_realloc(q->puts, q->cap * sizeof *q->puts);
    }
    bool goes_on = q->count > 0 && q->puts[q->count - 1].series == series;
    q->puts[q->count++] = (struct rig_put){ series, step, version };
    struct batch *b = q->batch;
    if (!goes_on)
        batch_series(b, rig_labels(b->arena, series));
    int64_t t_ms = rig_start_ms + (int64_t)step * RIG_STEP_MS;
    double v = rig_value(series, step, version, b->arena);
    if (is_histogram(v))
        batch_histogram(b, t_ms, histogram_unbox(v));
    else
        batch_sample(b, t_ms, v);
}

struct waiter {
    atomic_bool done;
    enum status st;
};

static void acked(void *arg, enum status st, const struct err *err)
{
    struct waiter *w = arg;
    (void)err;
    w->st = st;
    atomic_store(&w->done, true);
}

static void rest(void)
{
    struct mutex lock;
    struct cond never;
    mutex_init(&lock);
    cond_init(&never);
    mutex_lock(&lock);
    cond_wait_ns(&never, &lock, NS_MS);
    mutex_unlock(&lock);
    cond_destroy(&never);
    mutex_destroy(&lock);
}

enum status rig_append(struct rig *r, struct rig_request *q, struct err *err)
{
    struct waiter waiter = { 0 };
    q->batch->received_ns = clock_wall_ns(r->clock);
    enum status st = store_append(r->store, batch_take(q->batch), (struct append_ack){ acked, &waiter }, err);
    if (st)
        return st;
    for (int i = 0; i < TICKS_MAX && !atomic_load(&waiter.done); i++) {
        st = store_tick(r->store, err);
        if (st && !atomic_load(&waiter.done))
            return st;
        if (i >= TICKS_MAX / 2) /* a busy machine: the commit thread must get its turn */
            rest();
    }
    CHECK(atomic_load(&waiter.done));
    return waiter.st;
}

void rig_learn(struct rig *r, const struct rig_request *q)
{
    for (size_t i = 0; i < q->count; i++) {
        const struct rig_put *put = &q->puts[i];
        struct rig_series *s = &r->series[put->series];
        uint32_t at = s->count;
        while (at > 0 && s->points[at - 1].step > put->step)
            at--;
        if (at > 0 && s->points[at - 1].step == put->step) {
            s->points[at - 1].version = put->version;
            continue;
        }
        if (s->count == s->cap) {
            s->cap = MAX(s->cap * 2, 4u);
            s->points = mem_realloc(s->points, s->cap * sizeof *s->points);
        }
        memmove(&s->points[at + 1], &s->points[at], (s->count++ - at) * sizeof *s->points);
        s->points[at] = (struct rig_point){ put->step, put->version };
        r->samples++;
    }
}

/* ---- looking ---- */

static const struct slice tenants[] = { SLICE_INIT("default") };

static bool put_is_there(struct rig *r, const struct rig_put *put, struct arena *a)
{
    struct engine_ctx ctx;
    struct err err = { 0 };
    struct matcher m;
    struct samples_iter *it;
    struct series_samples got;
    int64_t t_ms = rig_start_ms + (int64_t)put->step * RIG_STEP_MS;
    CHECK(matcher_init(&m, MATCH_EQ, SLICE("number"), arena_printf(a, "%u", put->series), &err) == ST_OK);
    engine_ctx_init(&ctx, tenants, 1, r->clock);
    struct samples_query q = { .start_ms = t_ms - 1, .end_ms = t_ms, .matchers = &m, .matcher_count = 1 };
    RIG_MUST(metrics_samples(r->store, &ctx, &q, &it, &err), &err);
    double want = rig_value(put->series, put->step, put->version, a);
    bool is_there = it->ops->next(it, &got, &err) == ST_OK && got.n == 1 && value_is_same(got.v[0], want);
    it->ops->close(it);
    engine_ctx_free(&ctx);
    matcher_destroy(&m);
    return is_there;
}

bool rig_is_there(struct rig *r, const struct rig_request *q)
{
    struct arena *a = arena_new(0);
    size_t seen = 0;
    for (size_t i = 0; i < q->count; i++) {
        seen += put_is_there(r, &q->puts[i], a);
        arena_reset(a);
    }
    arena_free(a);
    CHECK(seen == 0 || seen == q->count);
    return seen > 0;
}

static void check_series(struct rig *r, const struct series_samples *got, struct arena *a)
{
    int64_t number;
    CHECK(num_parse_i64(labels_get(got->labels, SLICE("number")), &number) && number >= 0 && (size_t)number < r->series_count);
    const struct rig_series *want = &r->series[number];
    CHECK(slice_eq(got->labels, rig_labels(a, (uint32_t)number)));
    CHECK_INT(got->n, want->count);
    for (size_t i = 0; i < got->n; i++) {
        CHECK_INT(got->t_ms[i], rig_start_ms + (int64_t)want->points[i].step * RIG_STEP_MS);
        CHECK(value_is_same(got->v[i], rig_value((uint32_t)number, want->points[i].step, want->points[i].version, a)));
    }
}

void rig_check(struct rig *r)
{
    struct engine_ctx ctx;
    struct err err = { 0 };
    struct samples_iter *it;
    struct series_samples got;
    struct arena *a = arena_new(0);
    size_t series = 0, wanted = 0;
    enum status st;
    engine_ctx_init(&ctx, tenants, 1, r->clock);
    struct samples_query q = { .start_ms = 0, .end_ms = INT64_MAX / NS_MS - 1 };
    RIG_MUST(metrics_samples(r->store, &ctx, &q, &it, &err), &err);
    while ((st = it->ops->next(it, &got, &err)) == ST_OK) {
        check_series(r, &got, a);
        arena_reset(a);
        series++;
    }
    CHECK(st == ST_NOT_FOUND);
    for (size_t i = 0; i < r->series_count; i++)
        wanted += r->series[i].count > 0;
    CHECK_INT(series, wanted);
    CHECK_INT(ctx.warnings.len, 0);
    it->ops->close(it);
    engine_ctx_free(&ctx);
    arena_free(a);
}
