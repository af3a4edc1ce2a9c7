/* SPDX-License-Identifier: Apache-2.0 */
/* The golden signals of all services (GET /api/stoa/v1/services), and one service with its endpoints (…/services/{name}).
 *
 * A signal is a list of points; `queries` says how it was made, to be copied. `now` holds the newest values, so that one
 * call answers "how is it": CPU, memory, p95, error rate, requests per second. */
#include "api/golden.h"
#include "api/handlers.h"
#include "api/prom_json.h"

#include <math.h>
#include <stdlib.h>

static const struct slice signal_keys[SIGNAL_COUNT] = { SLICE_INIT("requests_per_second"), SLICE_INIT("error_ratio"), SLICE_INIT("p50_seconds"),
                                                        SLICE_INIT("p95_seconds"), SLICE_INIT("p99_seconds") };
static const struct slice source_names[SOURCE_COUNT] = { SLICE_INIT("metrics"), SLICE_INIT("spans"), SLICE_INIT("access_logs") };
static const struct slice full_names[FULL_COUNT] = { SLICE_INIT("cpu"), SLICE_INIT("memory"), SLICE_INIT("disk"), SLICE_INIT("pool") };

/* ---- parts of the answers ---- */

void golden_json_number(struct json_writer *w, struct slice key, double v)
{
    json_key(w, key);
    if (isfinite(v))
        json_double(w, v);
    else
        json_raw(w, SLICE("null"));
}

void golden_json_line(struct golden *g, struct json_writer *w, struct slice key, const double *line)
{
    json_key(w, key);
    json_array_begin(w);
    for (size_t i = 0; line && i < g->step_count; i++)
        if (!isnan(line[i]))
            prom_json_point(w, golden_step_ms(g, i), line[i]);
    json_array_end(w);
}

static double newest(const struct golden *g, const double *line)
{
    size_t i = golden_last(g, line);
    return i == SIZE_MAX ? NAN : line[i];
}

/* The service's own, or else the host's. */
static const struct golden_fullness *fullness(const struct golden *g, const struct golden_service *s, int kind)
{
    return s->full[kind].ratio ? &s->full[kind] : &g->host[kind];
}

static void put_saturation(struct golden *g, struct json_writer *w, const struct golden_service *s)
{
    double *fullest = NULL;
    json_key(w, SLICE("saturation"));
    json_object_begin(w);
    for (int k = 0; k < FULL_COUNT; k++) {
        const struct golden_fullness *f = fullness(g, s, k);
        if (f->ratio == NULL)
            continue;
        json_key(w, full_names[k]);
        json_object_begin(w);
        json_key(w, SLICE("of"));
        json_string(w, slice_str(f->scope));
        golden_json_number(w, SLICE("value"), newest(g, f->ratio));
        json_key(w, SLICE("query"));
        json_string(w, f->query);
        json_object_end(w);
        for (size_t i = 0; s->full[k].ratio && i < g->step_count; i++) {
            if (fullest == NULL)
                fullest = golden_line(g);
            fullest[i] = fmax(fullest[i], f->ratio[i]); /* fmax passes over NaN */
        }
    }
    json_object_end(w);
    if (fullest) /* only of its own: a full disk of the host would make all services look alike */
        golden_json_line(g, w, SLICE("saturation_ratio"), fullest);
}

static void put_now(struct golden *g, struct json_writer *w, const struct golden_service *s)
{
    const struct golden_fullness *memory = fullness(g, s, FULL_MEMORY);
    json_key(w, SLICE("now"));
    json_object_begin(w);
    for (int what = 0; what < SIGNAL_COUNT; what++)
        golden_json_number(w, signal_keys[what], newest(g, s->signals[what]));
    golden_json_number(w, SLICE("cpu_ratio"), newest(g, fullness(g, s, FULL_CPU)->ratio));
    golden_json_number(w, SLICE("memory_ratio"), newest(g, memory->ratio));
    golden_json_number(w, SLICE("memory_bytes"), s->full[FULL_MEMORY].ratio ? s->memory_bytes : g->host_memory_bytes);
    golden_json_number(w, SLICE("host_memory_bytes"), g->memory_total_bytes);
    json_object_end(w);
}

static void put_queries(struct golden *g, struct json_writer *w, const struct golden_service *s)
{
    json_key(w, SLICE("queries"));
    json_object_begin(w);
    for (int what = 0; what < SIGNAL_COUNT; what++) {
        struct slice text = golden_signal_query(g, s, (enum signal)what);
        if (text.len == 0)
            continue;
        json_key(w, signal_keys[what]);
        json_string(w, text);
    }
    json_object_end(w);
}

void golden_json_service(struct golden *g, struct json_writer *w, const struct golden_service *s)
{
    json_key(w, SLICE("service"));
    json_string(w, s->name);
    json_key(w, SLICE("source"));
    json_string(w, source_names[s->source]);
    json_key(w, SLICE("other_sources"));
    json_array_begin(w);
    for (int i = 0; i < SOURCE_COUNT; i++)
        if (s->sources & 1u << i && i != (int)s->source)
            json_string(w, source_names[i]);
    json_array_end(w);
    for (int what = 0; what < SIGNAL_COUNT; what++)
        golden_json_line(g, w, signal_keys[what], s->signals[what]);
    put_saturation(g, w, s);
    put_now(g, w, s);
    put_queries(g, w, s);
}

/* ---- all services ---- */

static int by_name(const void *a, const void *b)
{
    return slice_cmp(((const struct golden_service *)a)->name, ((const struct golden_service *)b)->name);
}

static void answer(struct golden *g)
{
    struct json_writer w;
    struct buf out;
    qsort(g->services, g->count, sizeof *g->services, by_name);
    prom_json_begin(&w, &out, 0);
    json_array_begin(&w);
    for (size_t i = 0; i < g->count; i++) {
        json_object_begin(&w);
        golden_json_service(g, &w, &g->services[i]);
        json_object_end(&w);
    }
    json_array_end(&w);
    prom_json_reply(g->q->x, &w, &out, buf_as_slice(&g->q->ctx.warnings), SLICE_EMPTY);
}

void stoa_services(void *user, struct http_exchange *x)
{
    struct api_query q;
    struct err err;
    if (!api_query_begin(user, x, &q))
        return;
    struct golden *g = arena_new_of(q.arena, struct golden);
    enum status st = golden_begin(g, &q, &err);
    if (!st)
        st = golden_read(g, &err);
    if (st)
        api_fail(x, st, &err);
    else
        answer(g);
    golden_end(g);
    api_query_end(&q, "services", st, &err);
}
