/* SPDX-License-Identifier: Apache-2.0 */
/* Remote write of node exporters that were never there: one real scrape body, multiplied to many instances.
 *
 * Each instance starts from the page's values scaled by its own factor, and each series moves the way its kind does: counters
 * grow by a noisy rate in the steps the page shows (ones, hundredths, thousandths), memory moves in pages, small gauges by
 * ones, what is zero, an info or a point in time stands still. A scrape's series share its time; with jitter the time moves by
 * up to that many ms either way. Four connections send a round each and wait for each other, as a sender's clock would have
 * it, about 2 000 samples a request. */
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <time.h>

#include "base/num.h"
#include "bench/load.h"
#include "codec/promtext.h"
#include "codec/proto.h"

enum { THREADS = 4, REQUEST_SAMPLES = 2000, PAGE_BYTES_MAX = 16 * MIB, LABELS_MAX = 64, MEMORY_PAGE = 4096, SEED = 20260101 };

enum move { MOVE_NOT, MOVE_COUNTER, MOVE_PAGES, MOVE_ONES, MOVE_NOISE, MOVE_CLOCK };

struct template {
    struct slice name;
    const struct promtext_label *labels;
    size_t label_count;
    double value;
    double unit; /* values are whole multiples of it */
    enum move move;
};

struct series {
    struct slice labels; /* encoded */
    double units, rate;  /* now, and its growth a scrape, in units */
};

struct job {
    const struct metrics_load *load;
    const struct template *templates;
    size_t template_count;
    unsigned thread;
    pthread_barrier_t *round;
    uint64_t samples, requests, plain_bytes, sent_bytes;
};

static struct slice read_file(struct arena *a, const char *path)
{
    FILE *f = fopen(path, "rb");
    char *text = arena_alloc(a, PAGE_BYTES_MAX);
    if (!f)
        fail("cannot open %s", path);
    size_t n = fread(text, 1, PAGE_BYTES_MAX, f);
    fclose(f);
    return slice_of(text, n);
}

/* The coarsest step the value is a multiple of. */
static double unit_of(double v)
{
    static const double units[] = { 1, 0.01, 0.001, 1e-6 };
    for (size_t i = 0; i < COUNT_OF(units); i++)
        if (fabs(v / units[i] - nearbyint(v / units[i])) < 1e-6)
            return units[i];
    return 1e-9;
}

static enum move move_of(struct slice name, bool counter, double value)
{
    if (slice_eq(name, SLICE("node_time_seconds")))
        return MOVE_CLOCK;
    if (value == 0 || !isfinite(value) || slice_ends(name, SLICE("_info")) || slice_ends(name, SLICE("time_seconds")))
        return MOVE_NOT;
    if (counter)
        return MOVE_COUNTER;
    if (value >= MIB && fmod(value, MEMORY_PAGE) == 0)
        return MOVE_PAGES;
    return value == nearbyint(value) ? MOVE_ONES : MOVE_NOISE;
}

static size_t templates_read(struct arena *a, struct slice page, struct template **out)
{
    struct promtext *p = promtext_new(a, page, PROMTEXT_CLASSIC);
    struct promtext_entry e;
    struct err err;
    struct template *items = NULL;
    size_t count = 0, cap = 0;
    bool counter = false;
    for (;;) {
        if (promtext_next(p, &e, &err))
            fail("the scrape page: %s", err.text);
        if (e.kind == PROMTEXT_END)
            break;
        if (e.kind == PROMTEXT_TYPE)
            counter = e.type == PROMTEXT_COUNTER || e.type == PROMTEXT_HISTOGRAM || e.type == PROMTEXT_SUMMARY;
        if (e.kind != PROMTEXT_SAMPLE)
            continue;
        struct promtext_label *labels = arena_alloc(a, sizeof *labels * (e.label_count + 1));
        if (e.label_count)
            memcpy(labels, e.labels, sizeof *labels * e.label_count);
        ARENA_PUSH(a, items, count, cap) = (struct template){ .name = e.name, .labels = labels, .label_count = e.label_count, .value = e.value,
                                                              .unit = unit_of(e.value), .move = move_of(e.name, counter, e.value) };
    }
    promtext_free(p);
    *out = items;
    return count;
}

static void put_label(struct buf *b, struct slice name, struct slice value)
{
    size_t mark = proto_nested_begin(b, 1);
    proto_put_bytes(b, 1, name);
    proto_put_bytes(b, 2, value);
    proto_nested_end(b, mark);
}

/* Labels sorted by name, job and instance among them. */
static struct slice labels_encode(struct arena *a, struct buf *scratch, const struct template *t, struct slice instance)
{
    struct promtext_label all[LABELS_MAX] = { { SLICE("__name__"), t->name }, { SLICE("instance"), instance }, { SLICE("job"), SLICE("node") } };
    size_t count = 3;
    for (size_t i = 0; i < t->label_count && count < LABELS_MAX; i++)
        all[count++] = t->labels[i];
    for (size_t i = 1; i < count; i++)
        for (size_t k = i; k > 0 && slice_cmp(all[k].name, all[k - 1].name) < 0; k--) {
            struct promtext_label swap = all[k];
            all[k] = all[k - 1];
            all[k - 1] = swap;
        }
    buf_reset(scratch);
    for (size_t i = 0; i < count; i++)
        put_label(scratch, all[i].name, all[i].value);
    return arena_copy(a, buf_as_slice(scratch));
}

static void series_move(const struct template *t, struct series *s, struct rand *r)
{
    double step = 0;
    switch (t->move) {
    case MOVE_COUNTER:
        step = floor(s->rate * 2 * rand_unit(r) + rand_unit(r));
        break;
    case MOVE_PAGES:
        step = rand_one_in(r, 2) ? 0 : (double)MEMORY_PAGE * ((double)rand_below(r, 257) - 128);
        break;
    case MOVE_ONES:
        step = rand_one_in(r, 8) ? (double)rand_below(r, 3) - 1 : 0;
        break;
    case MOVE_NOISE:
        step = nearbyint((rand_unit(r) - 0.5) * 0.1 * t->value / t->unit);
        break;
    case MOVE_NOT:
    case MOVE_CLOCK:
        break;
    }
    s->units = MAX(s->units + step, 0);
}

static double series_value(const struct template *t, const struct series *s, int64_t t_ms, struct rand *r)
{
    if (t->move == MOVE_CLOCK)
        return (double)t_ms / 1000 + (double)rand_below(r, 1000) * 1e-6;
    if (t->move == MOVE_NOT)
        return t->value;
    /* Dividing gives the double that is nearest to the decimal; multiplying by 0.01 would not. */
    return t->unit == 1 ? s->units : s->units / nearbyint(1 / t->unit);
}

static void series_start(const struct template *t, struct series *s, double factor)
{
    double scaled = t->move == MOVE_ONES ? t->value : t->value * factor;
    if (t->move == MOVE_PAGES)
        scaled = MEMORY_PAGE * nearbyint(scaled / MEMORY_PAGE);
    s->units = nearbyint(scaled / t->unit);
    s->rate = s->units * 1e-4; /* about two days of uptime at 15 s */
}

static void *job_run(void *user)
{
    struct job *j = user;
    const struct metrics_load *l = j->load;
    struct arena *a = arena_new(0);
    struct buf body, scratch;
    struct sender sender;
    struct rand r;
    rand_seed(&r, SEED + j->thread);
    buf_init(&body, 0);
    buf_init(&scratch, 0);
    unsigned mine = l->instances / THREADS + (j->thread < l->instances % THREADS);
    struct series *all = arena_alloc(a, sizeof *all * MAX(mine, 1) * j->template_count);
    for (unsigned i = 0; i < mine; i++) {
        struct slice instance = arena_printf(a, "node-%04u.example:9100", i * THREADS + j->thread);
        double factor = 0.5 + rand_unit(&r);
        for (size_t k = 0; k < j->template_count; k++) {
            struct series *s = &all[i * j->template_count + k];
            s->labels = labels_encode(a, &scratch, &j->templates[k], instance);
            series_start(&j->templates[k], s, factor);
        }
    }
    sender_open(&sender, l->port, "/api/v1/write",
                "Content-Type: application/x-protobuf\r\nContent-Encoding: snappy\r\nX-Prometheus-Remote-Write-Version: 0.1.0\r\n");
    for (unsigned scrape = 0; scrape < l->scrapes; scrape++) {
        size_t waiting = 0;
        pthread_barrier_wait(j->round);
        for (unsigned i = 0; i < mine; i++) {
            int64_t offset = (int64_t)(i * THREADS + j->thread) * l->interval_ms / l->instances;
            int64_t t_ms = l->start_ms + (int64_t)scrape * l->interval_ms + offset;
            if (l->jitter_ms)
                t_ms += (int64_t)rand_below(&r, 2 * l->jitter_ms + 1) - l->jitter_ms;
            for (size_t k = 0; k < j->template_count; k++) {
                struct series *s = &all[i * j->template_count + k];
                series_move(&j->templates[k], s, &r);
                size_t outer = proto_nested_begin(&body, 1);
                buf_slice(&body, s->labels);
                size_t inner = proto_nested_begin(&body, 2);
                proto_put_double(&body, 1, series_value(&j->templates[k], s, t_ms, &r));
                proto_put_varint(&body, 2, (uint64_t)t_ms);
                proto_nested_end(&body, inner);
                proto_nested_end(&body, outer);
            }
            waiting += j->template_count;
            if (waiting >= REQUEST_SAMPLES || i + 1 == mine) {
                sender_post(&sender, buf_as_slice(&body), true);
                j->samples += waiting;
                waiting = 0;
                buf_reset(&body);
            }
        }
    }
    j->requests = sender.requests;
    j->plain_bytes = sender.plain_bytes;
    j->sent_bytes = sender.sent_bytes;
    sender_close(&sender);
    buf_free(&body);
    buf_free(&scratch);
    arena_free(a);
    return NULL;
}

void load_metrics(const struct metrics_load *load)
{
    struct arena *a = arena_new(0);
    struct template *templates;
    struct job jobs[THREADS];
    pthread_t threads[THREADS];
    pthread_barrier_t round;
    struct timespec from, to;
    struct job sum = { 0 };
    size_t count = templates_read(a, read_file(a, load->page), &templates);
    if (count == 0)
        fail("%s has no samples", load->page);
    pthread_barrier_init(&round, NULL, THREADS);
    clock_gettime(CLOCK_MONOTONIC, &from);
    for (unsigned i = 0; i < THREADS; i++) {
        jobs[i] = (struct job){ .load = load, .templates = templates, .template_count = count, .thread = i, .round = &round };
        if (pthread_create(&threads[i], NULL, job_run, &jobs[i]))
            fail("cannot start a thread");
    }
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        sum.samples += jobs[i].samples, sum.requests += jobs[i].requests;
        sum.plain_bytes += jobs[i].plain_bytes, sum.sent_bytes += jobs[i].sent_bytes;
    }
    clock_gettime(CLOCK_MONOTONIC, &to);
    printf("{\"samples\":%zu,\"series\":%zu,\"requests\":%zu,\"plain_bytes\":%zu,\"sent_bytes\":%zu,\"seconds\":%.3f}\n", (size_t)sum.samples,
           count * load->instances, (size_t)sum.requests, (size_t)sum.plain_bytes, (size_t)sum.sent_bytes,
           (double)(to.tv_sec - from.tv_sec) + (double)(to.tv_nsec - from.tv_nsec) / 1e9);
    pthread_barrier_destroy(&round);
    arena_free(a);
}
