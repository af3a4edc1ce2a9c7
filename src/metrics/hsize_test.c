/* SPDX-License-Identifier: Apache-2.0 */
/* What native histograms as a Prometheus scrapes them take: schema 3, up to 40 buckets around a bell, counts that grow by
 * Poisson draws. STOA_TEST_LONG says more than whether it is little: docs/benchmarks.md has the figures. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "metrics/rig_test.h"
#include "sys/clock.h"

enum { SCRAPES = 240, BUCKETS = 40, SERIES_SHORT = 20, SERIES_LONG = 200, BYTES_EACH_MAX = 30, FIRST_INDEX = -50 };

struct source {
    double rate; /* observations a scrape */
    double counts[BUCKETS], sum;
};

static double poisson(struct rand *r, double mean)
{
    if (mean > 50) {
        double bell = sqrt(-2 * log(rand_unit(r) + 1e-300)) * cos(6.283185307179586 * rand_unit(r));
        return MAX(0.0, floor(mean + sqrt(mean) * bell + 0.5));
    }
    double least = exp(-mean), product = rand_unit(r), n = 0;
    for (; product > least; n++)
        product *= rand_unit(r);
    return n;
}

static const struct histogram *scrape(struct source *s, struct rand *r, struct arena *a)
{
    for (int i = 0; i < BUCKETS; i++) {
        double far = (i - BUCKETS / 2) / 7.0, seen = poisson(r, s->rate * exp(-far * far / 2) / (7 * sqrt(6.283185307179586)));
        s->counts[i] += seen;
        s->sum += seen * exp2((i + FIRST_INDEX) / 8.0) * (0.95 + 0.1 * rand_unit(r));
    }
    int low = 0, high = BUCKETS;
    while (low < BUCKETS && s->counts[low] == 0)
        low++;
    while (high > low && s->counts[high - 1] == 0)
        high--;
    struct histogram *h = arena_new_of(a, struct histogram);
    struct histogram_side *side = &h->positive;
    h->schema = 3;
    h->zero_threshold = 2.938735877055719e-39;
    h->sum = s->sum;
    side->span_count = 1;
    side->spans = arena_new_of(a, struct histogram_span);
    side->spans[0] = (struct histogram_span){ low + FIRST_INDEX, (uint32_t)(high - low) };
    side->bucket_count = (uint32_t)(high - low);
    side->buckets = s->counts + low;
    for (int i = low; i < high; i++)
        h->count += s->counts[i];
    return histogram_copy(a, h);
}

static void acked(void *arg, enum status st, const struct err *err)
{
    (void)err;
    CHECK(st == ST_OK);
    atomic_store((atomic_bool *)arg, true);
}

struct spent {
    int64_t append_ns, flush_ns, read_ns[SAMPLES_PRESENT + 1];
    size_t given[SAMPLES_PRESENT + 1], in_memory, in_log, in_part, count;
};

static void feed(struct rig *r, struct source *sources, size_t series, struct spent *out)
{
    struct err err;
    struct buf bytes;
    buf_init(&bytes, 0);
    for (int i = 0; i < SCRAPES; i++) {
        struct batch *b = batch_new(0);
        b->received_ns = clock_wall_ns(r->clock);
        for (size_t s = 0; s < series; s++) {
            const struct histogram *h = scrape(&sources[s], &r->rand, b->arena);
            buf_reset(&bytes);
            histogram_write(&bytes, h);
            out->in_log += bytes.len;
            out->in_memory += histogram_bytes(h);
            batch_series(b, rig_labels(b->arena, (uint32_t)s));
            batch_histogram(b, rig_start_ms + (int64_t)i * RIG_STEP_MS, h);
        }
        atomic_bool done = false;
        int64_t before = clock_thread_cpu_ns();
        RIG_MUST(store_append(r->store, b, (struct append_ack){ acked, &done }, &err), &err);
        while (!atomic_load(&done))
            RIG_MUST(store_tick(r->store, &err), &err);
        out->append_ns += clock_thread_cpu_ns() - before;
    }
    int64_t before = clock_thread_cpu_ns();
    RIG_MUST(store_flush(r->store, &err), &err);
    out->flush_ns = clock_thread_cpu_ns() - before;
    buf_free(&bytes);
}

static void look(struct rig *r, struct spent *out)
{
    static const struct slice tenants[] = { SLICE_INIT("default") };
    struct err err;
    for (int mode = SAMPLES_RAW; mode <= SAMPLES_PRESENT; mode++) {
        struct engine_ctx ctx;
        struct samples_iter *it;
        struct series_samples got;
        struct samples_query q = { .start_ms = 0, .end_ms = INT64_MAX / NS_MS - 1, .mode = (enum samples_mode)mode };
        engine_ctx_init(&ctx, tenants, 1, r->clock);
        int64_t before = clock_thread_cpu_ns();
        RIG_MUST(metrics_samples(r->store, &ctx, &q, &it, &err), &err);
        while (it->ops->next(it, &got, &err) == ST_OK)
            out->given[mode] += got.n;
        it->ops->close(it);
        out->read_ns[mode] = clock_thread_cpu_ns() - before;
        engine_ctx_free(&ctx);
    }
    struct store_view *v = store_view_take(r->store, KIND_METRICS, INT64_MIN, INT64_MAX);
    for (size_t i = 0; i < v->part_count; i++) {
        out->in_part += part_info(v->parts[i])->bytes;
        out->count += part_info(v->parts[i])->rows;
    }
    store_view_drop(v);
}

TEST(engine_keeps_a_histogram_of_forty_buckets_in_less_than_thirty_bytes)
{
    bool is_long = getenv("STOA_TEST_LONG") != NULL;
    size_t series = is_long ? SERIES_LONG : SERIES_SHORT;
    struct rig r;
    struct err err;
    struct spent spent = { 0 };
    struct source *sources = mem_zalloc(series * sizeof *sources);
    rig_init(&r, 1, 1);
    clock_sim_advance(r.clock, 86400 * NS_S);
    RIG_MUST(rig_open(&r, &err), &err);
    for (size_t i = 0; i < series; i++)
        sources[i].rate = 15 * pow(10, 2.5 * rand_unit(&r.rand)); /* 1 to 300 a second */
    feed(&r, sources, series, &spent);
    look(&r, &spent);
    CHECK_INT(spent.count, series * SCRAPES);
    CHECK(spent.in_part < spent.count * BYTES_EACH_MAX);
    if (is_long) {
        double n = (double)spent.count;
        printf("bytes each: %.0f in memory, %.0f in the log, %.1f in a part\n", (double)spent.in_memory / n, (double)spent.in_log / n,
               (double)spent.in_part / n);
        printf("CPU each, us: %.2f append, %.2f flush", (double)spent.append_ns / n / 1e3, (double)spent.flush_ns / n / 1e3);
        for (int mode = SAMPLES_RAW; mode <= SAMPLES_PRESENT; mode++)
            printf(", %.2f read %s", (double)spent.read_ns[mode] / (double)spent.given[mode] / 1e3,
                   mode == SAMPLES_RAW ? "all" : mode == SAMPLES_LAST ? "last" : "present");
        printf("\n");
    }
    mem_free(sources);
    rig_end(&r);
}
