/* SPDX-License-Identifier: Apache-2.0 */
/* The golden signals of every service, from its server and consumer spans: rate, errors, p50, p95, p99 per step.
 *
 * Durations are counted in logarithmic buckets, each 5 % wider than the last, so a quantile is off by at most 2.5 %. A span
 * counts as often as its weight says: rates over sampled spans are right. */
#include "api/handlers.h"
#include "api/prom_json.h"
#include "base/map.h"
#include "base/num.h"

#include <math.h>
#include <stdlib.h>

enum { SERVICES_MAX = 200, STEPS_MAX = 250, BUCKETS = 460, KIND_SERVER = 2, KIND_CONSUMER = 5, STATUS_ERROR = 2,
       RANGE_SECONDS_DEFAULT = 3600 };
#define BUCKET_GROWTH 1.05

struct step {
    double count, errors;
    float *buckets; /* BUCKETS of them, made with the first span; bucket i ends at BUCKET_GROWTH^i microseconds */
};

struct service {
    struct slice name;
    struct step *steps;
};

struct signals {
    struct arena *a;
    int64_t start_ns, step_ns;
    size_t step_count;
    struct map index;
    struct service list[SERVICES_MAX];
    size_t count;
    uint64_t left_out; /* spans of services beyond SERVICES_MAX */
};

static size_t bucket_of(int64_t duration_ns)
{
    double us = (double)duration_ns / 1000;
    if (!(us > 1))
        return 0;
    double i = ceil(log(us) / log(BUCKET_GROWTH));
    return i < BUCKETS - 1 ? (size_t)i : BUCKETS - 1;
}

static struct service *service_of(struct signals *s, struct slice name)
{
    uint64_t *at = map_get(&s->index, name);
    if (at)
        return &s->list[*at];
    if (s->count == SERVICES_MAX)
        return NULL;
    struct service *v = &s->list[s->count];
    v->name = arena_copy(s->a, name);
    v->steps = arena_zalloc(s->a, s->step_count * sizeof *v->steps);
    *map_put(&s->index, v->name, NULL) = s->count++;
    return v;
}

static void count_span(struct signals *s, const struct event *e)
{
    if (e->span_kind != KIND_SERVER && e->span_kind != KIND_CONSUMER)
        return;
    size_t i = (size_t)((e->time_ns - s->start_ns) / s->step_ns);
    struct service *v = service_of(s, e->service);
    if (v == NULL || i >= s->step_count) {
        s->left_out += v == NULL;
        return;
    }
    struct step *step = &v->steps[i];
    if (step->buckets == NULL)
        step->buckets = arena_zalloc(s->a, BUCKETS * sizeof *step->buckets);
    step->count += e->weight;
    step->errors += e->span_status == STATUS_ERROR ? e->weight : 0;
    step->buckets[bucket_of(e->duration_ns)] += e->weight;
}

static enum status read_spans(struct api_query *q, struct signals *s, int64_t end_ns, struct err *err)
{
    struct events_iter *it;
    struct event_block block;
    unsigned did;
    struct events_query eq = { .start_ns = s->start_ns, .end_ns = end_ns, .kinds = 1u << EVENT_SPAN, .want = WANT_SPAN, .order = ORDER_NONE };
    enum status st = q->api->engine->ops->events(q->api->engine, &q->ctx, &eq, &it, &did, err);
    if (st)
        return st;
    while ((st = it->ops->next(it, &block, err)) == ST_OK)
        for (size_t i = 0; i < block.n; i++)
            count_span(s, &block.rows[i]);
    it->ops->close(it);
    return st == ST_NOT_FOUND ? ST_OK : st;
}

/* In seconds: the middle of the bucket in which the q-th span lies. */
static double quantile(const struct step *step, double q)
{
    double rank = q * step->count, seen = 0;
    for (size_t i = 0; i < BUCKETS; i++) {
        seen += step->buckets[i];
        if (seen >= rank && step->buckets[i] > 0)
            return pow(BUCKET_GROWTH, (double)i) * (2 / (1 + BUCKET_GROWTH)) / 1e6;
    }
    return 0;
}

enum signal { RATE, ERRORS, P50, P95, P99 };

static double signal_value(const struct signals *s, const struct step *step, enum signal what)
{
    switch (what) {
    case RATE: return step->count / ((double)s->step_ns / 1e9);
    case ERRORS: return step->errors / step->count;
    case P50: return quantile(step, 0.50);
    case P95: return quantile(step, 0.95);
    case P99: return quantile(step, 0.99);
    }
    return 0;
}

static void put_signal(struct json_writer *w, const struct signals *s, const struct service *v, struct slice key, enum signal what)
{
    json_key(w, key);
    json_array_begin(w);
    for (size_t i = 0; i < s->step_count; i++) {
        int64_t t_ms = sat_add(s->start_ns, sat_mul((int64_t)i + 1, s->step_ns)) / NS_MS;
        if (v->steps[i].count > 0)
            prom_json_point(w, t_ms, signal_value(s, &v->steps[i], what));
        else if (what == RATE)
            prom_json_point(w, t_ms, 0);
    }
    json_array_end(w);
}

static int by_name(const void *a, const void *b)
{
    return slice_cmp(((const struct service *)a)->name, ((const struct service *)b)->name);
}

static void answer(struct api_query *q, struct signals *s)
{
    struct json_writer w;
    struct buf out;
    qsort(s->list, s->count, sizeof *s->list, by_name);
    if (s->left_out)
        engine_warn(&q->ctx, "only the first %d services are shown; %llu spans of others are left out", SERVICES_MAX,
                    (unsigned long long)s->left_out);
    prom_json_begin(&w, &out, 0);
    json_array_begin(&w);
    for (size_t i = 0; i < s->count; i++) {
        const struct service *v = &s->list[i];
        json_object_begin(&w);
        json_key(&w, SLICE("service"));
        json_string(&w, v->name);
        json_key(&w, SLICE("source"));
        json_string(&w, SLICE("spans"));
        put_signal(&w, s, v, SLICE("requests_per_second"), RATE);
        put_signal(&w, s, v, SLICE("error_ratio"), ERRORS);
        put_signal(&w, s, v, SLICE("p50_seconds"), P50);
        put_signal(&w, s, v, SLICE("p95_seconds"), P95);
        put_signal(&w, s, v, SLICE("p99_seconds"), P99);
        json_object_end(&w);
    }
    json_array_end(&w);
    prom_json_reply(q->x, &w, &out, buf_as_slice(&q->ctx.warnings), SLICE_EMPTY);
}

static enum status window_read(struct api_query *q, struct signals *s, int64_t *end_ns, struct err *err)
{
    struct api_params p;
    enum status st = api_params_read(q->x, &p, err);
    if (!st)
        st = api_param_time(&p, SLICE("end"), clock_wall_ns(q->api->clock), end_ns, err);
    if (!st)
        st = api_param_time(&p, SLICE("start"), sat_sub(*end_ns, RANGE_SECONDS_DEFAULT * NS_S), &s->start_ns, err);
    struct slice step = st ? SLICE_EMPTY : api_param(&p, SLICE("step"), NULL);
    s->step_ns = 60 * NS_S;
    if (!st && step.len)
        st = api_parse_duration(step, &s->step_ns, err);
    if (st)
        return st;
    if (s->start_ns < 0 || s->step_ns < NS_S || *end_ns <= s->start_ns || (*end_ns - s->start_ns) / s->step_ns >= STEPS_MAX)
        return err_set(err, ST_INVALID, "start must be 1970 or later and lie before end, step be at least 1 s, and steps be at most %d", STEPS_MAX);
    s->step_count = (size_t)((*end_ns - s->start_ns - 1) / s->step_ns) + 1;
    return ST_OK;
}

void stoa_services(void *user, struct http_exchange *x)
{
    struct api_query q;
    struct err err;
    int64_t end_ns;
    if (!api_query_begin(user, x, &q))
        return;
    struct signals *s = arena_new_of(q.arena, struct signals);
    s->a = q.arena;
    map_init(&s->index);
    enum status st = window_read(&q, s, &end_ns, &err);
    if (!st)
        st = read_spans(&q, s, end_ns, &err);
    if (st)
        api_fail(x, st, &err);
    else
        answer(&q, s);
    map_free(&s->index);
    api_query_end(&q, "services", st, &err);
}
