/* SPDX-License-Identifier: Apache-2.0 */
/* The engine against a model so simple that it is right: a list of (tenant, series, time, value) with the last word kept. */
#include <sched.h>
#include <stdlib.h>

#include "base/rand.h"
#include "base/unit.h"
#include "metrics/histograms_test.h"
#include "metrics/metrics.h"
#include "metrics/state.h"
#include "sys/file_sim.h"

enum { MODEL_SERIES = 40, MODEL_TENANTS = 2, MODEL_TIMES_MAX = 4096 };

static const struct slice tenant_names[MODEL_TENANTS] = { SLICE_INIT("default"), SLICE_INIT("blue") };
static const int64_t day_ms = 86400000, base_ms = 1700000000000;

struct point {
    int64_t t_ms;
    double v;
};

struct model_series {
    struct slice labels;
    struct point points[MODEL_TIMES_MAX];
    size_t count;
};

struct world {
    struct rand rand;
    struct arena *arena;
    struct fs *fs;
    struct clock *clock;
    struct store *store;
    struct model_series *series[MODEL_TENANTS][MODEL_SERIES];
};

static struct slice labels_of(struct arena *a, unsigned i)
{
    struct label list[4] = { { SLICE("__name__"), arena_printf(a, "metric_%u", i % 5) },
                             { SLICE("instance"), arena_printf(a, "host%u", i / 5) },
                             { SLICE("mode"), i % 3 ? arena_printf(a, "m%u", i % 3) : SLICE_EMPTY },
                             { SLICE("only"), i % 7 ? SLICE_EMPTY : SLICE("here") } };
    struct slice out;
    CHECK(labels_build(a, list, 4, &out, NULL) == ST_OK);
    return out;
}

static void world_start_with(struct world *w, bool no_background)
{
    static const struct store_kind *const kinds[] = { &metrics_kind };
    struct store_options opt = { .dir = SLICE("data"), .fs = w->fs, .clock = w->clock, .kinds = kinds, .kind_count = 1,
                                 .no_background = no_background,
                                 .retention_ns = INT64_MAX };
    struct err err = { 0 };
    if (store_open(&w->store, &opt, &err))
        unit_fail(__FILE__, __LINE__, err.text);
    struct metrics_state *st = store_kind_state(w->store, KIND_METRICS);
    st->merge_bytes_max = rand_one_in(&w->rand, 2) ? 3000 : MERGE_HISTOGRAMS_BYTES_MAX; /* some merges in many steps */
}

static void world_start(struct world *w)
{
    world_start_with(w, true);
}

static void world_open(struct world *w)
{
    *w = (struct world){ .arena = arena_new(0), .fs = fs_sim_new(1), .clock = clock_sim_new((base_ms + 60000) * NS_MS) };
    rand_seed(&w->rand, unit_seed());
    for (unsigned t = 0; t < MODEL_TENANTS; t++)
        for (unsigned i = 0; i < MODEL_SERIES; i++) {
            w->series[t][i] = arena_new_of(w->arena, struct model_series);
            w->series[t][i]->labels = labels_of(w->arena, i);
        }
    world_start(w);
}

static void world_close(struct world *w)
{
    store_close(w->store);
    clock_sim_free(w->clock);
    fs_sim_free(w->fs);
    arena_free(w->arena);
}

struct waiter {
    atomic_bool done;
    enum status st;
};

static void acked(void *arg, enum status st, const struct err *err)
{
    struct waiter *w = arg;
    w->st = st;
    atomic_store(&w->done, true);
}

static void append(struct store *s, struct batch *b)
{
    struct waiter waiter = { 0 };
    struct err err = { 0 };
    if (store_append(s, b, (struct append_ack){ acked, &waiter }, &err))
        unit_fail(__FILE__, __LINE__, err.text);
    for (int i = 0; i < 100000 && !atomic_load(&waiter.done); i++)
        CHECK(store_tick(s, &err) == ST_OK);
    CHECK(atomic_load(&waiter.done) && waiter.st == ST_OK);
}

static void model_put(struct model_series *m, int64_t t_ms, double v)
{
    size_t at = 0;
    while (at < m->count && m->points[at].t_ms < t_ms)
        at++;
    if (at == m->count || m->points[at].t_ms != t_ms) {
        CHECK(m->count < MODEL_TIMES_MAX);
        memmove(&m->points[at + 1], &m->points[at], (m->count++ - at) * sizeof m->points[0]);
    }
    m->points[at] = (struct point){ t_ms, v };
}

/* Histograms live in a. */
static double value_any(struct rand *r, struct arena *a)
{
    if (rand_one_in(r, 4))
        return histogram_box(histogram_any(r, a));
    switch (rand_below(r, 8)) {
    case 0: return double_of_bits(STALE_NAN_BITS);
    case 1: return double_of_bits(0x7ff8000000000000ull | rand_below(r, 1000));
    case 2: return -0.0;
    case 3: return sample_number(double_of_bits(rand_u64(r)));
    default: return (double)rand_below(r, 100000) / 100;
    }
}

static bool value_is_same(double x, double y)
{
    if (is_histogram(x) && is_histogram(y))
        return histogram_is_same(histogram_unbox(x), histogram_unbox(y));
    return double_bits(x) == double_bits(y);
}

static int64_t time_any(struct rand *r)
{
    /* Mostly the last hour; days ago; and any age. */
    if (rand_one_in(r, 40))
        return (int64_t)rand_below(r, (uint64_t)base_ms);
    if (rand_one_in(r, 8))
        return base_ms - (int64_t)rand_below(r, 3) * day_ms - (int64_t)rand_below(r, 100) * 1000;
    return base_ms - (int64_t)rand_below(r, 400) * 1000;
}

static void step_insert(struct world *w)
{
    struct batch *b = batch_new(0);
    unsigned t = (unsigned)rand_below(&w->rand, MODEL_TENANTS);
    b->tenant = tenant_names[t];
    b->received_ns = base_ms * NS_MS;
    for (uint64_t n = 1 + rand_below(&w->rand, 20); n > 0; n--) {
        struct model_series *m = w->series[t][rand_below(&w->rand, MODEL_SERIES)];
        batch_series(b, arena_copy(b->arena, m->labels));
        for (uint64_t k = 1 + rand_below(&w->rand, rand_one_in(&w->rand, 30) ? 100 : 4); k > 0 && m->count < MODEL_TIMES_MAX - 1; k--) {
            int64_t at = time_any(&w->rand);
            double v = value_any(&w->rand, w->arena);
            if (is_histogram(v))
                batch_histogram(b, at, histogram_unbox(v));
            else
                batch_sample(b, at, v);
            model_put(m, at, v);
        }
    }
    append(w->store, b);
}

static void step_delete(struct world *w)
{
    unsigned t = (unsigned)rand_below(&w->rand, MODEL_TENANTS), host = (unsigned)rand_below(&w->rand, 8);
    int64_t from = base_ms - (int64_t)rand_below(&w->rand, 400) * 1000, to = from + (int64_t)(1 + rand_below(&w->rand, 60)) * 1000;
    struct err err = { 0 };
    struct slice host_name = arena_printf(w->arena, "host%u", host);
    struct tombstone dead = { .tenant = tenant_names[t], .start_ns = from * NS_MS, .end_ns = to * NS_MS,
                              .selector = arena_printf(w->arena, "{instance='%.*s', mode!=`m1`}", SLICE_FMT(host_name)) };
    if (store_erase(w->store, &dead, &err))
        unit_fail(__FILE__, __LINE__, err.text);
    for (unsigned i = 0; i < MODEL_SERIES; i++) {
        struct model_series *m = w->series[t][i];
        if (!slice_eq(labels_get(m->labels, SLICE("instance")), host_name) || slice_eq(labels_get(m->labels, SLICE("mode")), SLICE("m1")))
            continue;
        size_t kept = 0;
        for (size_t j = 0; j < m->count; j++)
            if (m->points[j].t_ms < from || m->points[j].t_ms >= to)
                m->points[kept++] = m->points[j];
        m->count = kept;
    }
}

static int model_cmp(const void *a, const void *b)
{
    return labels_cmp((*(struct model_series *const *)a)->labels, (*(struct model_series *const *)b)->labels);
}

/* The window (start, end] of a series. */
static const struct point *model_window(const struct model_series *m, int64_t start, int64_t end, size_t *n)
{
    size_t from = 0, to = m->count;
    while (from < to && m->points[from].t_ms <= start)
        from++;
    while (to > from && m->points[to - 1].t_ms > end)
        to--;
    *n = to - from;
    return &m->points[from];
}

static void check_series(const struct series_samples *got, const struct point *want, size_t n, enum samples_mode mode)
{
    if (mode != SAMPLES_RAW) {
        want += n - 1;
        n = 1;
    }
    CHECK_INT(got->n, n);
    for (size_t i = 0; i < n; i++) {
        CHECK_INT(got->t_ms[i], want[i].t_ms);
        CHECK(mode == SAMPLES_PRESENT || value_is_same(got->v[i], want[i].v));
    }
}

/* Every series of tenants 0 and 1 that the matchers accept, in the window, in the mode: engine against model. */
static void check_query(struct world *w, const struct matcher *matchers, size_t count, int64_t start, int64_t end, enum samples_mode mode)
{
    struct engine_ctx ctx;
    struct err err = { 0 };
    struct samples_iter *it;
    struct series_samples got;
    engine_ctx_init(&ctx, tenant_names, MODEL_TENANTS, w->clock);
    struct samples_query q = { .start_ms = start, .end_ms = end, .matchers = matchers, .matcher_count = count, .mode = mode };
    if (metrics_samples(w->store, &ctx, &q, &it, &err))
        unit_fail(__FILE__, __LINE__, err.text);
    for (unsigned t = 0; t < MODEL_TENANTS; t++) {
        qsort(w->series[t], MODEL_SERIES, sizeof w->series[t][0], model_cmp);
        for (unsigned i = 0; i < MODEL_SERIES; i++) {
            const struct model_series *m = w->series[t][i];
            size_t n;
            const struct point *p = model_window(m, start, end, &n);
            if (n == 0 || !matchers_match(matchers, count, m->labels) || (mode == SAMPLES_PRESENT && is_stale(p[n - 1].v)))
                continue;
            CHECK(it->ops->next(it, &got, &err) == ST_OK);
            CHECK(slice_eq(got.labels, m->labels) && slice_eq(got.tenant, tenant_names[t]));
            check_series(&got, p, n, mode);
        }
    }
    CHECK(it->ops->next(it, &got, &err) == ST_NOT_FOUND);
    it->ops->close(it);
    CHECK_INT(ctx.warnings.len, 0);
    engine_ctx_free(&ctx);
}

/* series() for one tenant. */
static void check_labels(struct world *w, const struct matcher *matchers, size_t count, int64_t start, int64_t end)
{
    struct engine_ctx ctx;
    struct err err = { 0 };
    struct arena *a = arena_new(0);
    struct slice *list;
    size_t n, expected = 0;
    engine_ctx_init(&ctx, tenant_names, 1, w->clock);
    CHECK(metrics_series(w->store, &ctx, start, end, matchers, count, 0, a, &list, &n, &err) == ST_OK);
    qsort(w->series[0], MODEL_SERIES, sizeof w->series[0][0], model_cmp);
    for (unsigned i = 0; i < MODEL_SERIES; i++) {
        size_t in;
        model_window(w->series[0][i], start - 1, end, &in);
        if (in == 0 || !matchers_match(matchers, count, w->series[0][i]->labels))
            continue;
        CHECK(expected < n && slice_eq(list[expected], w->series[0][i]->labels));
        expected++;
    }
    CHECK_INT(n, expected);
    engine_ctx_free(&ctx);
    arena_free(a);
}

static void check_everything(struct world *w)
{
    struct matcher m[8];
    struct err err;
    CHECK(matcher_init(&m[0], MATCH_EQ, SLICE("__name__"), SLICE("metric_2"), &err) == ST_OK);
    CHECK(matcher_init(&m[1], MATCH_RE, SLICE("instance"), SLICE("host[1-4]"), &err) == ST_OK);
    CHECK(matcher_init(&m[2], MATCH_EQ, SLICE("mode"), SLICE(""), &err) == ST_OK);
    CHECK(matcher_init(&m[3], MATCH_NE, SLICE("mode"), SLICE(""), &err) == ST_OK);
    CHECK(matcher_init(&m[4], MATCH_NRE, SLICE("mode"), SLICE("m1|x.*"), &err) == ST_OK);
    CHECK(matcher_init(&m[5], MATCH_RE, SLICE("only"), SLICE("here|"), &err) == ST_OK);
    CHECK(matcher_init(&m[6], MATCH_EQ, SLICE("nothing"), SLICE("at all"), &err) == ST_OK);
    CHECK(matcher_init(&m[7], MATCH_NE, SLICE("instance"), SLICE("host3"), &err) == ST_OK);
    for (int mode = SAMPLES_RAW; mode <= SAMPLES_PRESENT; mode++) {
        int64_t end = base_ms - (int64_t)rand_below(&w->rand, 400) * 1000, start = end - (int64_t)rand_below(&w->rand, 300) * 1000 - 1;
        check_query(w, NULL, 0, -1, INT64_MAX / NS_MS - 1, (enum samples_mode)mode);
        check_query(w, NULL, 0, start, end, (enum samples_mode)mode);
        for (unsigned i = 0; i < 8; i++) {
            check_query(w, &m[i], 1, start, end, (enum samples_mode)mode);
            unsigned together = 1 + (unsigned)rand_below(&w->rand, 3);
            check_query(w, &m[i], MIN(8 - i, together), start, base_ms, (enum samples_mode)mode);
        }
        check_labels(w, &m[mode], 1, start, end);
    }
    for (unsigned i = 0; i < 8; i++)
        matcher_destroy(&m[i]);
}

static void step_any(struct world *w)
{
    struct err err = { 0 };
    uint64_t what = rand_below(&w->rand, 100);
    if (what < 80) {
        step_insert(w);
    } else if (what < 88) {
        CHECK(store_flush(w->store, &err) == ST_OK);
    } else if (what < 91) {
        if (store_merge(w->store, &err))
            unit_fail(__FILE__, __LINE__, err.text);
    } else if (what < 95) {
        step_delete(w);
    } else if (what < 97) {
        store_close(w->store);
        world_start(w);
    } else {
        store_abandon(w->store);
        fs_sim_power_cut(w->fs, LOSE_ALL);
        world_start(w);
    }
}

TEST(engine_answers_as_a_simple_model_through_flushes_merges_deletes_and_crashes)
{
    struct world w;
    world_open(&w);
    for (int step = 0; step < 400; step++) {
        step_any(&w);
        if (step % 20 == 19)
            check_everything(&w);
    }
    world_close(&w);
}

static struct batch *batch_of(struct arena *a, const char *name, unsigned n, int64_t t_ms, double v)
{
    struct batch *b = batch_new(0);
    b->received_ns = base_ms * NS_MS;
    for (unsigned i = 0; i < n; i++) {
        struct label list[] = { { SLICE("__name__"), slice_str(name) }, { SLICE("i"), arena_printf(b->arena, "%u", i) } };
        struct slice labels;
        CHECK(labels_build(b->arena, list, 2, &labels, NULL) == ST_OK);
        batch_series(b, labels);
        batch_sample(b, t_ms, v);
    }
    return b;
}

TEST(engine_forgets_series_that_are_no_longer_written)
{
    struct world w;
    struct engine_stats stats = { 0 };
    struct err err;
    world_open(&w);
    for (int round = 0; round < 20; round++) {
        struct batch *b = batch_of(w.arena, round % 2 ? "odd" : "even", 2000, base_ms + round, 1);
        for (size_t i = 0; i < b->series_count; i++)
            b->series[i].labels = labels_with(b->arena, b->series[i].labels, SLICE("pod"), arena_printf(b->arena, "p%d", round));
        append(w.store, b);
        CHECK(store_flush(w.store, &err) == ST_OK);
    }
    CHECK(store_merge(w.store, &err) == ST_OK);
    metrics_stats(w.store, &stats);
    CHECK_INT(stats.samples, 40000);
    CHECK(stats.memory_bytes < 4000 * KIB);
    world_close(&w);
}

static size_t samples_of_all(struct samples_iter *it)
{
    struct series_samples got;
    struct err err;
    size_t n = 0;
    while (it->ops->next(it, &got, &err) == ST_OK)
        n += got.n;
    it->ops->close(it);
    return n;
}

TEST(engine_frees_indexes_of_parts_that_are_over_their_maximum_and_decodes_them_again)
{
    enum { DAYS = 12, SERIES = 500 };
    struct world w;
    struct err err;
    struct engine_ctx ctx;
    struct samples_iter *one, *other;
    world_open(&w);
    for (int d = 0; d < DAYS; d++) {
        append(w.store, batch_of(w.arena, "churn", SERIES, base_ms - d * day_ms, d));
        CHECK(store_flush(w.store, &err) == ST_OK);
    }
    struct metrics_state *st = store_kind_state(w.store, KIND_METRICS);
    st->index_bytes_max = 600 * KIB;
    engine_ctx_init(&ctx, tenant_names, 1, w.clock);
    struct samples_query q = { .start_ms = 0, .end_ms = base_ms }, last = { .start_ms = base_ms - day_ms, .end_ms = base_ms };
    for (int round = 0; round < 3; round++) {
        CHECK(metrics_samples(w.store, &ctx, &q, &one, &err) == ST_OK);
        CHECK(atomic_load(&st->index_bytes) > st->index_bytes_max); /* all of them in use */
        CHECK(metrics_samples(w.store, &ctx, &last, &other, &err) == ST_OK);
        CHECK_INT(samples_of_all(other), SERIES);
        CHECK_INT(samples_of_all(one), DAYS * SERIES);
        uint64_t left = atomic_load(&st->index_bytes);
        CHECK(left <= st->index_bytes_max);
        CHECK(left > 0);
    }
    CHECK(store_merge(w.store, &err) == ST_OK);
    engine_ctx_free(&ctx);
    world_close(&w);
}

TEST(engine_keeps_label_names_values_and_metadata_through_a_restart)
{
    struct world w;
    struct err err = { 0 };
    struct engine_ctx ctx;
    struct name_hit *hits;
    size_t n;
    world_open(&w);
    struct batch *b = batch_of(w.arena, "up", 3, base_ms, 1);
    batch_metadata(b, SLICE("up"), METRIC_GAUGE, SLICE("Is it there"), SLICE(""));
    append(w.store, b);
    for (int round = 0; round < 3; round++) {
        engine_ctx_init(&ctx, tenant_names, 1, w.clock);
        struct names_query q = { .what = NAMES_LABELS, .start_ns = (base_ms - 1000) * NS_MS, .end_ns = (base_ms + 1000) * NS_MS };
        CHECK(metrics_names(w.store, &ctx, &q, w.arena, &hits, &n, &err) == ST_OK);
        CHECK_INT(n, 2);
        CHECK_STR(hits[0].value, "__name__");
        CHECK_INT(hits[0].count, 3);
        q.what = NAMES_LABEL_VALUES;
        q.name = SLICE("i");
        CHECK(metrics_names(w.store, &ctx, &q, w.arena, &hits, &n, &err) == ST_OK);
        CHECK_INT(n, 3);
        CHECK_STR(hits[2].value, "2");
        q = (struct names_query){ .what = NAMES_METADATA };
        CHECK(metrics_names(w.store, &ctx, &q, w.arena, &hits, &n, &err) == ST_OK);
        CHECK_INT(n, 1);
        CHECK_STR(hits[0].metadata->help, "Is it there");
        CHECK_INT(hits[0].metadata->type, METRIC_GAUGE);
        engine_ctx_free(&ctx);
        if (round == 0)
            store_abandon(w.store); /* replayed from the WAL */
        else
            store_close(w.store); /* read from a part */
        world_start(&w);
    }
    world_close(&w);
}

TEST(engine_refuses_more_series_or_samples_than_a_query_may_cost)
{
    struct world w;
    struct err err = { 0 };
    struct engine_ctx ctx;
    struct samples_iter *it;
    struct series_samples got;
    world_open(&w);
    append(w.store, batch_of(w.arena, "many", 10, base_ms, 1));
    engine_ctx_init(&ctx, tenant_names, 1, w.clock);
    struct samples_query q = { .start_ms = 0, .end_ms = base_ms, .series_max = 9 };
    CHECK(metrics_samples(w.store, &ctx, &q, &it, &err) == ST_OK);
    for (int i = 0; i < 9; i++)
        CHECK(it->ops->next(it, &got, &err) == ST_OK);
    CHECK(it->ops->next(it, &got, &err) == ST_LIMIT);
    it->ops->close(it);
    ctx.samples_max = 4;
    ctx.samples_read = 0;
    q.series_max = 0;
    CHECK(metrics_samples(w.store, &ctx, &q, &it, &err) == ST_OK);
    enum status st = ST_OK;
    for (int i = 0; i < 10 && st == ST_OK; i++)
        st = it->ops->next(it, &got, &err);
    CHECK(st == ST_LIMIT);
    it->ops->close(it);
    engine_ctx_free(&ctx);
    world_close(&w);
}

TEST(engine_refuses_times_before_1970_and_too_many_days)
{
    struct world w;
    struct err err = { 0 };
    struct waiter waiter = { 0 };
    world_open(&w);
    CHECK(store_append(w.store, batch_of(w.arena, "old", 1, -5, 1), (struct append_ack){ acked, &waiter }, &err) == ST_INVALID);
    struct batch *b = batch_of(w.arena, "days", 1, base_ms, 1);
    for (int i = 1; i < 70; i++)
        batch_sample(b, base_ms - i * day_ms, 1);
    CHECK(store_append(w.store, b, (struct append_ack){ acked, &waiter }, &err) == ST_LIMIT);
    world_close(&w);
}

TEST(engine_counts_a_histogram_as_the_samples_its_memory_would_hold)
{
    struct world w;
    struct err err = { 0 };
    struct engine_ctx ctx;
    struct samples_iter *it;
    struct series_samples got;
    world_open(&w);
    for (int i = 0; i < 50; i++) {
        struct batch *b = batch_of(w.arena, "h", 1, base_ms + i, 0);
        b->samples[0].v = histogram_box(histogram_any(&w.rand, b->arena));
        append(w.store, b);
    }
    for (int round = 0; round < 2; round++) { /* raw rows, then a part */
        struct samples_query q = { .start_ms = 0, .end_ms = base_ms + 1000 };
        engine_ctx_init(&ctx, tenant_names, 1, w.clock);
        CHECK(metrics_samples(w.store, &ctx, &q, &it, &err) == ST_OK);
        CHECK(it->ops->next(it, &got, &err) == ST_OK && got.n == 50);
        uint64_t bytes = 0;
        for (size_t i = 0; i < got.n; i++)
            bytes += histogram_bytes(histogram_unbox(got.v[i]));
        CHECK_INT(ctx.samples_read, bytes / sizeof(struct sample));
        it->ops->close(it);
        ctx.samples_max = ctx.samples_read / 2;
        ctx.samples_read = 0;
        CHECK(metrics_samples(w.store, &ctx, &q, &it, &err) == ST_OK);
        enum status st = it->ops->next(it, &got, &err);
        CHECK(st == ST_LIMIT || (round == 0 && it->ops->next(it, &got, &err) == ST_NOT_FOUND)); /* rows are in memory already */
        it->ops->close(it);
        q.mode = SAMPLES_PRESENT; /* decodes none */
        ctx.samples_read = 0;
        ctx.samples_max = 1;
        CHECK(metrics_samples(w.store, &ctx, &q, &it, &err) == ST_OK);
        CHECK(it->ops->next(it, &got, &err) == ST_OK && it->ops->next(it, &got, &err) == ST_NOT_FOUND);
        CHECK_INT(ctx.samples_read, 1);
        it->ops->close(it);
        engine_ctx_free(&ctx);
        CHECK(store_flush(w.store, &err) == ST_OK);
    }
    world_close(&w);
}

/* Turns bits in the middle third of every part file. */
static void parts_flip(struct fs *fs, struct arena *a, struct slice dir)
{
    struct buf names;
    struct err err;
    buf_init(&names, 0);
    CHECK(fs_list(fs, dir.ptr, &names, &err) == ST_OK);
    struct slice rest = buf_as_slice(&names), name;
    while (slice_next(&rest, 0, &name)) {
        struct slice path = arena_printf(a, "%.*s/%.*s", SLICE_FMT(dir), SLICE_FMT(name));
        struct file_info info;
        CHECK(fs_info(fs, path.ptr, &info, &err) == ST_OK);
        if (info.is_dir)
            parts_flip(fs, a, path);
        else if (slice_ends(name, SLICE(".part")))
            for (uint64_t at = info.size / 3; at < info.size * 2 / 3; at += info.size / 9 + 1)
                fs_sim_flip(fs, path.ptr, at);
    }
    buf_free(&names);
}

TEST(engine_answers_without_blocks_that_do_not_check_and_says_so)
{
    struct world w;
    struct err err = { 0 };
    struct engine_ctx ctx;
    struct samples_iter *it;
    struct series_samples got;
    struct engine_stats stats = { 0 };
    world_open(&w);
    for (int i = 0; i < 300; i++) {
        struct batch *b = batch_of(w.arena, "m", 400, base_ms - i * 1000, 0);
        for (size_t j = 0; j < b->sample_count; j++)
            b->samples[j].v = j % 4 ? rand_unit(&w.rand) : histogram_box(histogram_any(&w.rand, b->arena));
        append(w.store, b);
    }
    store_close(w.store);
    parts_flip(w.fs, w.arena, SLICE("data"));
    world_start(&w);
    engine_ctx_init(&ctx, tenant_names, 1, w.clock);
    struct samples_query q = { .start_ms = 0, .end_ms = base_ms };
    CHECK(metrics_samples(w.store, &ctx, &q, &it, &err) == ST_OK);
    size_t samples = 0;
    enum status st;
    for (; (st = it->ops->next(it, &got, &err)) == ST_OK; samples += got.n)
        for (size_t i = 1; i < got.n; i++)
            CHECK(got.t_ms[i - 1] < got.t_ms[i] && is_histogram(got.v[i]) == is_histogram(got.v[0]));
    it->ops->close(it);
    CHECK(st == ST_NOT_FOUND && samples < 120000 && samples > 30000);
    CHECK(slice_contains(buf_as_slice(&ctx.warnings), SLICE("some samples are missing")));
    metrics_stats(w.store, &stats);
    CHECK(stats.corrupt_blocks > 0);
    engine_ctx_free(&ctx);
    world_close(&w);
}

TEST(engine_merges_the_same_samples_to_the_same_bytes)
{
    struct slice metas[2];
    uint64_t rows[2];
    struct arena *a = arena_new(0);
    for (int round = 0; round < 2; round++) {
        struct world w;
        struct err err = { 0 };
        world_open(&w);
        for (int i = 0; i < 40; i++) {
            append(w.store, batch_of(w.arena, i % 3 ? "m" : "n", 100, base_ms - i * 1000, i * 37 % 11));
            if (i % (5 + 3 * round) == 0)
                CHECK(store_flush(w.store, &err) == ST_OK);
        }
        CHECK(store_flush(w.store, &err) == ST_OK && store_merge(w.store, &err) == ST_OK);
        struct store_view *v = store_view_take(w.store, KIND_METRICS, 0, INT64_MAX);
        CHECK_INT(v->part_count, 1);
        metas[round] = arena_copy(a, part_meta(v->parts[0]));
        rows[round] = part_info(v->parts[0])->rows;
        store_view_drop(v);
        world_close(&w);
    }
    CHECK_INT(rows[0], rows[1]);
    CHECK(slice_eq(metas[0], metas[1])); /* with place and length of every block */
    arena_free(a);
}

/* ---- at once ---- */

enum { RACE_ROUNDS = 150, RACE_SERIES = 50 };

struct race {
    struct world *w;
    _Atomic int64_t acked_ms[2]; /* the last time whose samples are acknowledged, per appender */
    atomic_int running;
    unsigned number;
};

struct racer {
    struct race *race;
    unsigned number;
};

/* The value of round i: a number of one appender, a histogram of the other. */
static double race_value(unsigned number, int i, struct arena *a)
{
    if (number == 0)
        return i;
    struct histogram *h = arena_new_of(a, struct histogram);
    h->positive.spans = arena_new_of(a, struct histogram_span);
    h->positive.spans[0].length = h->positive.bucket_count = (uint32_t)(1 + i % 3);
    h->positive.span_count = 1;
    h->positive.buckets = arena_zalloc(a, h->positive.bucket_count * sizeof(double));
    h->positive.buckets[0] = h->count = i;
    return histogram_box(h);
}

static double race_round(double v)
{
    return is_histogram(v) ? histogram_unbox(v)->positive.buckets[0] : v;
}

static void race_append(void *arg)
{
    struct racer *r = arg;
    const char *name = r->number ? "one" : "zero";
    for (int i = 1; i <= RACE_ROUNDS; i++) {
        struct waiter waiter = { 0 };
        struct err err = { 0 };
        struct batch *b = batch_of(NULL, name, RACE_SERIES, base_ms + i, i);
        for (size_t k = 0; k < b->sample_count; k++)
            b->samples[k].v = race_value(r->number, i, b->arena);
        if (store_append(r->race->w->store, b, (struct append_ack){ acked, &waiter }, &err))
            unit_fail(__FILE__, __LINE__, err.text);
        while (!atomic_load(&waiter.done))
            sched_yield();
        CHECK(waiter.st == ST_OK);
        atomic_store(&r->race->acked_ms[r->number], base_ms + i);
    }
    atomic_fetch_sub(&r->race->running, 1);
}

/* Every series of the name has every sample that was acknowledged before the query began. */
static void race_look(struct race *race, unsigned number)
{
    struct engine_ctx ctx;
    struct err err = { 0 };
    struct samples_iter *it;
    struct series_samples got;
    struct matcher m;
    CHECK(matcher_init(&m, MATCH_RE, SLICE("__name__"), number ? SLICE("on.") : SLICE("zer.*"), &err) == ST_OK);
    int64_t upto = atomic_load(&race->acked_ms[number]);
    engine_ctx_init(&ctx, tenant_names, 1, race->w->clock);
    struct samples_query q = { .start_ms = base_ms, .end_ms = base_ms + RACE_ROUNDS, .matchers = &m, .matcher_count = 1 };
    CHECK(metrics_samples(race->w->store, &ctx, &q, &it, &err) == ST_OK);
    size_t series = 0;
    for (; it->ops->next(it, &got, &err) == ST_OK; series++) {
        CHECK(got.n >= (size_t)(upto - base_ms));
        for (size_t i = 0; i < got.n; i++)
            CHECK(got.t_ms[i] == base_ms + 1 + (int64_t)i && race_round(got.v[i]) == (double)(i + 1) && is_histogram(got.v[i]) == number);
    }
    CHECK(upto == base_ms || series == RACE_SERIES);
    CHECK_INT(ctx.warnings.len, 0);
    it->ops->close(it);
    engine_ctx_free(&ctx);
    matcher_destroy(&m);
}

static void race_query(void *arg)
{
    struct racer *r = arg;
    while (atomic_load(&r->race->running) > 0) {
        struct engine_stats stats = { 0 };
        race_look(r->race, r->number);
        metrics_stats(r->race->w->store, &stats);
        CHECK(stats.series <= 2 * RACE_SERIES);
    }
}

TEST(engine_shows_all_that_was_acknowledged_while_it_appends_flushes_and_merges)
{
    struct world w;
    struct race race = { .w = &w, .running = 2 };
    struct racer racers[2] = { { &race, 0 }, { &race, 1 } };
    struct thread *threads[4];
    struct err err = { 0 };
    world_open(&w);
    store_close(w.store);
    world_start_with(&w, false);
    atomic_store(&race.acked_ms[0], base_ms);
    atomic_store(&race.acked_ms[1], base_ms);
    for (unsigned i = 0; i < 4; i++)
        CHECK(thread_start(&threads[i], "race", i < 2 ? race_append : race_query, &racers[i % 2], &err) == ST_OK);
    while (atomic_load(&race.running) > 0) {
        CHECK(store_flush(w.store, &err) == ST_OK);
        if (store_merge(w.store, &err))
            unit_fail(__FILE__, __LINE__, err.text);
    }
    for (unsigned i = 0; i < 4; i++)
        thread_join(threads[i]);
    race_look(&race, 0);
    race_look(&race, 1);
    world_close(&w);
}
