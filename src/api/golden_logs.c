/* SPDX-License-Identifier: Apache-2.0 */
/* Golden signals from access logs, of services that neither metrics nor spans tell of, by LogQL.
 *
 * An access log's line is in the common or combined format; a duration is known when nginx's $request_time stands behind the
 * last quoted text, bare or as rt= or request_time=, in seconds with a decimal point. Only lines with " HTTP/" in them are
 * looked at, and no more bytes than LOG_BYTES_MAX: a longer window says that its logs are left out. */
#include "api/golden.h"

#include <math.h>

enum { SERVICES_IN_QUERY_MAX = 64, NAMES_MAX = 10000, PRESENCE_SECONDS = 300 };
#define LOG_BYTES_MAX (512 * MIB) /* read by all queries of one answer */

#define LINES "{service_name=~\"$service\"} |= ` HTTP/` | regexp `\\] \"(?P<method>[A-Z]+) (?P<path>[^ ?\"]*)[^\"]* HTTP/[0-9.]+\" " \
              "(?P<status>[1-5][0-9][0-9]) ` | status != ``"
#define SECONDS LINES " | regexp `(?:rt=|request_time=|\" )(?P<seconds>[0-9]+[.][0-9]+)` | seconds != `` | unwrap seconds"
#define FAILED "sum by ($by) (rate(" LINES " | status =~ `5..` [$window]))"

static const char *const signal_templates[SIGNAL_COUNT] = {
    [SIGNAL_RATE] = "sum by ($by) (rate(" LINES " [$window]))",
    [SIGNAL_ERRORS] = FAILED " / sum by ($by) (rate(" LINES " [$window]))",
    [SIGNAL_P50] = "quantile_over_time(0.5, " SECONDS " [$window]) by ($by)",
    [SIGNAL_P95] = "quantile_over_time(0.95, " SECONDS " [$window]) by ($by)",
    [SIGNAL_P99] = "quantile_over_time(0.99, " SECONDS " [$window]) by ($by)",
};
static const char failed_template[] = FAILED; /* the ratio is made here: where nothing fails it is 0, not absent */
/* The ratio by itself, 0 where nothing fails. */
static const char ratio_template[] = "(" FAILED "\nor\n0 * sum by ($by) (rate(" LINES " [$window])))\n/\nsum by ($by) (rate(" LINES " [$window]))";
static const char presence_template[] = "sum by ($by) (count_over_time(" LINES " [$window]))";
static const char busy_template[] = "sum by ($by) (sum_over_time(" SECONDS " [$window]))";

static const char *template_of(enum signal what)
{
    return what == SIGNAL_ERRORS ? failed_template : signal_templates[what];
}

/* A source in which nothing happened yields to the next. */
static bool is_told(const struct golden *g, struct slice name)
{
    const struct golden_service *s = golden_find(g, name);
    for (size_t i = 0; s && s->signals[SIGNAL_RATE] && i < g->step_count; i++)
        if (s->signals[SIGNAL_RATE][i] > 0)
            return true;
    return false;
}

/* Needs no escape in a regex or a string; '.' matches itself too. */
static bool is_plain(struct slice name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-' || c == '/'))
            return false;
    }
    return name.len > 0;
}

/* a|b|c of those that are told, or are not. */
static struct slice joined(struct golden *g, const struct name_hit *hits, size_t count, bool told)
{
    struct buf b;
    size_t n = 0;
    buf_init(&b, 16 * KIB);
    for (size_t i = 0; i < count && n < SERVICES_IN_QUERY_MAX; i++) {
        if (!is_plain(hits[i].value) || is_told(g, hits[i].value) != told)
            continue;
        if (n++)
            buf_char(&b, '|');
        buf_slice(&b, hits[i].value);
    }
    struct slice out = buf_over(&b) ? SLICE_EMPTY : arena_copy(g->a, buf_as_slice(&b));
    buf_free(&b);
    return out;
}

static enum status mark_present(struct golden *g, struct slice services, struct err *err)
{
    struct golden_words w = { .by = SLICE("service_name"), .service = services, .window_s = MIN(PRESENCE_SECONDS, (g->end_ns - g->start_ns) / NS_S) };
    struct value v;
    if (services.len == 0 || w.window_s == 0)
        return ST_OK;
    enum status st = golden_instant(g, g->q->api->logql, golden_text(g, presence_template, &w), &v, err);
    for (size_t i = 0; !st && i < v.series_count; i++) {
        struct golden_service *s = golden_find(g, labels_get(v.series[i].labels, SLICE("service_name")));
        if (s)
            s->sources |= 1u << SOURCE_LOGS;
    }
    return st;
}

static enum status read_signal(struct golden *g, struct slice services, enum signal what, struct err *err)
{
    struct golden_words w = { .by = SLICE("service_name"), .service = services, .window_s = g->step_ns / NS_S };
    struct value v;
    enum status st = golden_range(g, g->q->api->logql, golden_text(g, template_of(what), &w), &v, err);
    for (size_t i = 0; !st && i < v.series_count; i++) {
        struct slice name = labels_get(v.series[i].labels, SLICE("service_name"));
        struct golden_service *s = golden_service(g, name, SOURCE_LOGS);
        if (s == NULL)
            continue;
        if (what == SIGNAL_RATE) {
            memset(s->signals, 0, sizeof s->signals);
            s->source = SOURCE_LOGS;
            s->signals[SIGNAL_ERRORS] = golden_line(g);
        }
        if (s->signals[what] == NULL)
            s->signals[what] = golden_line(g);
        golden_put_points(g, &v.series[i], s->signals[what]);
    }
    return st;
}

/* Failed requests a second become a ratio, and a step without lines one without requests. */
static void finish(struct golden *g)
{
    for (size_t k = 0; k < g->count; k++) {
        struct golden_service *s = &g->services[k];
        for (size_t i = 0; s->source == SOURCE_LOGS && i < g->step_count; i++) {
            double rate = s->signals[SIGNAL_RATE][i], failed = s->signals[SIGNAL_ERRORS][i];
            s->signals[SIGNAL_ERRORS][i] = rate > 0 ? (isnan(failed) ? 0 : failed / rate) : NAN;
            s->signals[SIGNAL_RATE][i] = isnan(rate) ? 0 : rate;
        }
    }
}

static enum status read_logs(struct golden *g, struct err *err)
{
    struct names_query nq = { .what = NAMES_SERVICES, .start_ns = g->start_ns, .end_ns = g->end_ns, .kinds = 1u << EVENT_LOG, .limit = NAMES_MAX };
    struct name_hit *hits;
    size_t count;
    enum status st = g->q->api->engine->ops->names(g->q->api->engine, &g->q->ctx, &nq, g->a, &hits, &count, err);
    if (st)
        return st;
    struct slice others = joined(g, hits, count, false);
    st = mark_present(g, joined(g, hits, count, true), err);
    if (st || others.len == 0)
        return st;
    st = read_signal(g, others, SIGNAL_RATE, err);
    bool found = false;
    for (size_t k = 0; k < g->count; k++)
        found |= g->services[k].source == SOURCE_LOGS;
    for (int what = SIGNAL_ERRORS; !st && found && what < SIGNAL_COUNT; what++)
        st = read_signal(g, others, (enum signal)what, err);
    finish(g);
    return st;
}

enum status golden_logs(struct golden *g, struct err *err)
{
    uint64_t before = g->q->ctx.bytes_max;
    g->q->ctx.bytes_max = g->q->ctx.bytes_read + LOG_BYTES_MAX;
    enum status st = read_logs(g, err);
    g->q->ctx.bytes_max = before;
    return st;
}

enum status golden_logs_services(struct golden *g, struct slice *services, bool *has_times, struct err *err)
{
    struct names_query nq = { .what = NAMES_SERVICES, .start_ns = g->start_ns, .end_ns = g->end_ns, .kinds = 1u << EVENT_LOG, .limit = NAMES_MAX };
    struct name_hit *hits, *found;
    size_t count;
    struct value v = { 0 };
    uint64_t before = g->q->ctx.bytes_max;
    *services = SLICE_EMPTY;
    *has_times = false;
    enum status st = g->q->api->engine->ops->names(g->q->api->engine, &g->q->ctx, &nq, g->a, &hits, &count, err);
    struct slice others = st ? SLICE_EMPTY : joined(g, hits, count, false);
    if (st || others.len == 0)
        return st;
    g->q->ctx.bytes_max = g->q->ctx.bytes_read + LOG_BYTES_MAX;
    struct golden_words w = { .by = SLICE("service_name"), .service = others, .window_s = PRESENCE_SECONDS };
    st = golden_instant(g, g->q->api->logql, golden_text(g, presence_template, &w), &v, err);
    found = arena_array(g->a, struct name_hit, v.series_count + 1);
    for (size_t i = 0; !st && i < v.series_count; i++)
        found[i].value = labels_get(v.series[i].labels, SLICE("service_name"));
    if (!st)
        *services = joined(g, found, v.series_count, false);
    if (!st && services->len) {
        w.service = *services;
        st = golden_instant(g, g->q->api->logql, golden_text(g, busy_template, &w), &v, err);
        *has_times = !st && v.series_count > 0;
    }
    g->q->ctx.bytes_max = before;
    return st;
}

struct slice golden_logs_rule(struct golden *g, struct slice services, enum signal what, struct slice window)
{
    struct golden_words w = { .by = SLICE("service_name"), .service = services, .window = window };
    return golden_text(g, what == SIGNAL_ERRORS ? ratio_template : signal_templates[what], &w);
}

struct slice golden_logs_query(struct golden *g, struct slice service, enum signal what)
{
    struct golden_words w = { .by = SLICE("service_name"), .service = service, .window_s = g->step_ns / NS_S };
    return golden_text(g, signal_templates[what], &w);
}

enum status golden_logs_endpoints(struct golden *g, const struct golden_service *s, struct golden_endpoint **out, size_t *count, struct err *err)
{
    double seconds = (double)(g->end_ns - g->start_ns) / 1e9;
    struct golden_words w = { .by = SLICE("path, method"), .service = s->name, .window_s = MAX((g->end_ns - g->start_ns) / NS_S, 1) };
    enum status st = ST_OK;
    for (int what = 0; !st && what <= SIGNAL_COUNT; what++) {
        struct value v;
        st = golden_instant(g, g->q->api->logql, golden_text(g, what < SIGNAL_COUNT ? template_of((enum signal)what) : busy_template, &w), &v, err);
        for (size_t i = 0; !st && i < v.series_count; i++) {
            struct golden_endpoint *e = golden_endpoint(g, out, count, labels_get(v.series[i].labels, SLICE("path")),
                                                        labels_get(v.series[i].labels, SLICE("method")));
            if (e)
                *(what < SIGNAL_COUNT ? &e->signals[what] : &e->busy) = v.series[i].v[0];
        }
    }
    for (size_t i = 0; i < *count; i++) {
        struct golden_endpoint *e = &(*out)[i];
        e->signals[SIGNAL_ERRORS] = isnan(e->signals[SIGNAL_ERRORS]) ? 0 : e->signals[SIGNAL_ERRORS] / e->signals[SIGNAL_RATE];
        e->busy /= seconds;
    }
    return st;
}
