/* SPDX-License-Identifier: Apache-2.0 */
/* GET /federate: the last sample of each series that a match[] names, as a page that a Prometheus scrapes.
 * https://prometheus.io/docs/prometheus/latest/federation/
 *
 * (1) Text 0.0.4 unless Accept prefers OpenMetrics. Names beyond [a-zA-Z0-9_:] stand in quotes when Accept has
 *     escaping=allow-utf-8; otherwise what does not belong becomes '_'.
 * (2) A sample is at most five minutes old, carries its own time, and is left out when it is a stale mark: the formats know none.
 * (3) external_labels are added where a series does not have them, and an empty `instance`, so that a scrape with honor_labels
 *     keeps series without instance as they are.
 * (4) Native histograms have no text form: they are left out, and a comment and a header say how many. */
#include <stdlib.h>

#include "api/handlers.h"
#include "api/prom_selectors.h"
#include "base/num.h"

enum { FEDERATE_LOOKBACK_MS = 5 * 60 * 1000, FEDERATE_PAGE_BYTES_MAX = QUERY_RESULT_BYTES_MAX };

struct last {
    struct slice labels;
    int64_t t_ms;
    double v;
};

struct page {
    struct api_query q;
    struct last *list;
    size_t count, cap, histograms;
    struct slice external;
    bool is_openmetrics, is_utf8;
};

/* ---- what the client wants ---- */

/* The share of wanted text in a media type's parameters: q=0.5 gives 0.5. */
static double quality_of(struct slice params)
{
    struct slice one;
    double q = 1;
    while (slice_next(&params, ';', &one)) {
        one = slice_trim(one);
        if (slice_starts(one, SLICE("q=")) && !num_parse_double(slice_skip(one, 2), &q))
            q = 1;
    }
    return q;
}

static void negotiate(struct page *p, struct slice accept)
{
    struct slice one, type, params;
    double best = -1;
    while (slice_next(&accept, ',', &one)) {
        slice_cut(slice_trim(one), ';', &type, &params);
        type = slice_trim(type);
        bool openmetrics = slice_eq_nocase(type, SLICE("application/openmetrics-text"));
        bool text = slice_eq_nocase(type, SLICE("text/plain")) || slice_eq(type, SLICE("*/*")) || slice_eq(type, SLICE("text/*"));
        double q = quality_of(params);
        if (!(openmetrics || text) || q <= best || q <= 0)
            continue;
        best = q;
        p->is_openmetrics = openmetrics;
        p->is_utf8 = slice_contains(params, SLICE("escaping=allow-utf-8"));
    }
}

static struct slice content_type(const struct page *p)
{
    if (p->is_openmetrics)
        return p->is_utf8 ? SLICE("application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=allow-utf-8")
                          : SLICE("application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=underscores");
    return p->is_utf8 ? SLICE("text/plain; version=1.0.0; charset=utf-8; escaping=allow-utf-8")
                      : SLICE("text/plain; version=0.0.4; charset=utf-8; escaping=underscores");
}

/* ---- reading ---- */

static enum status collect(struct page *p, const struct matcher *matchers, size_t count, int64_t now_ms, struct err *err)
{
    struct engine *engine = p->q.api->engine;
    struct samples_query sq = { .start_ms = now_ms - FEDERATE_LOOKBACK_MS - 1, .end_ms = now_ms, .matchers = matchers, .matcher_count = count,
                                .mode = SAMPLES_LAST };
    struct samples_iter *it;
    struct series_samples s;
    enum status st = engine->ops->samples(engine, &p->q.ctx, &sq, &it, err);
    if (st)
        return st;
    while ((st = it->ops->next(it, &s, err)) == ST_OK) {
        if (s.n == 0 || is_stale(s.v[s.n - 1]) || labels_get(s.labels, SLICE("__name__")).len == 0)
            continue;
        if (is_histogram(s.v[s.n - 1])) {
            p->histograms++;
            continue;
        }
        struct slice labels = arena_copy(p->q.arena, s.labels);
        if (p->q.ctx.tenant_count > 1)
            labels = labels_with(p->q.arena, labels, SLICE("__tenant_id__"), s.tenant);
        ARENA_PUSH(p->q.arena, p->list, p->count, p->cap) = (struct last){ labels, s.t_ms[s.n - 1], s.v[s.n - 1] };
        if (arena_over(p->q.arena)) {
            st = err_set(err, ST_LIMIT, "federate: the series need over %d bytes, at most that many are allowed", QUERY_RESULT_BYTES_MAX);
            break;
        }
    }
    it->ops->close(it);
    return st == ST_NOT_FOUND ? ST_OK : st;
}

static int by_labels(const void *a, const void *b)
{
    return labels_cmp(((const struct last *)a)->labels, ((const struct last *)b)->labels);
}

/* ---- writing ---- */

static bool is_legacy(struct slice name, bool of_metric)
{
    return of_metric ? metric_name_is_legacy(name) : label_name_is_legacy(name);
}

static void put_name(const struct page *p, struct buf *out, struct slice name, bool of_metric)
{
    if (is_legacy(name, of_metric)) {
        buf_slice(out, name);
        return;
    }
    if (p->is_utf8) {
        text_put_quoted(name, out);
        return;
    }
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (of_metric && c == ':');
        if ((c & 0xc0) == 0x80) /* the rest of a character: one '_' each */
            continue;
        buf_char(out, letter || (i > 0 && c >= '0' && c <= '9') ? c : '_');
    }
}

static void put_value(struct buf *out, struct slice value)
{
    buf_char(out, '"');
    for (size_t i = 0; i < value.len; i++) {
        char c = value.ptr[i];
        if (c == '\\' || c == '"')
            buf_char(out, '\\');
        if (c == '\n')
            buf_put(out, "\\n", 2);
        else
            buf_char(out, c);
    }
    buf_char(out, '"');
}

static void put_pair(const struct page *p, struct buf *out, struct slice name, struct slice value, bool *any)
{
    buf_char(out, *any ? ',' : '{');
    *any = true;
    put_name(p, out, name, false);
    buf_char(out, '=');
    put_value(out, value);
}

static void put_labels(const struct page *p, struct buf *out, struct slice labels, struct slice name)
{
    struct label l;
    bool any = !is_legacy(name, true) && p->is_utf8;
    if (any)
        buf_char(out, '{');
    put_name(p, out, name, true);
    struct slice rest = labels;
    while (labels_next(&rest, &l))
        if (!slice_eq(l.name, SLICE("__name__")))
            put_pair(p, out, l.name, l.value, &any);
    rest = p->external;
    while (labels_next(&rest, &l))
        if (labels_get(labels, l.name).len == 0)
            put_pair(p, out, l.name, l.value, &any);
    if (labels_get(labels, SLICE("instance")).len == 0 && labels_get(p->external, SLICE("instance")).len == 0)
        put_pair(p, out, SLICE("instance"), SLICE_EMPTY, &any);
    if (any)
        buf_char(out, '}');
}

static void put_time(const struct page *p, struct buf *out, int64_t t_ms)
{
    char text[NUM_TEXT_BYTES_MAX];
    buf_char(out, ' ');
    if (p->is_openmetrics)
        buf_put(out, text, num_format_fixed((double)t_ms / 1000, text));
    else
        buf_put(out, text, num_format_i64(t_ms, text));
}

static void put_page(const struct page *p, struct buf *out)
{
    struct slice family = SLICE_EMPTY;
    char text[NUM_TEXT_BYTES_MAX];
    if (p->histograms && !p->is_openmetrics)
        buf_printf(out, "# %zu native histograms are left out: text has no form for them\n", p->histograms);
    for (size_t i = 0; i < p->count; i++) {
        const struct last *l = &p->list[i];
        if (i && slice_eq(p->list[i - 1].labels, l->labels))
            continue;
        struct slice name = labels_get(l->labels, SLICE("__name__"));
        if (!slice_eq(name, family)) {
            buf_slice(out, SLICE("# TYPE "));
            put_name(p, out, name, true);
            buf_slice(out, p->is_openmetrics ? SLICE(" unknown\n") : SLICE(" untyped\n"));
            family = name;
        }
        put_labels(p, out, l->labels, name);
        buf_char(out, ' ');
        buf_put(out, text, num_format_short(l->v, text));
        put_time(p, out, l->t_ms);
        buf_char(out, '\n');
    }
    if (p->is_openmetrics)
        buf_slice(out, SLICE("# EOF\n"));
}

static void answer(struct page *p)
{
    struct buf out;
    struct http_exchange *x = p->q.x;
    buf_init(&out, FEDERATE_PAGE_BYTES_MAX);
    if (p->count)
        qsort(p->list, p->count, sizeof *p->list, by_labels);
    put_page(p, &out);
    if (p->histograms)
        http_set_header(x, SLICE("X-Stoa-Left-Out"), arena_printf(http_arena(x), "native-histograms=%zu", p->histograms));
    if (buf_over(&out)) {
        struct err err;
        enum status st = err_set(&err, ST_LIMIT, "federate: the page has over %d bytes, at most that many are allowed", FEDERATE_PAGE_BYTES_MAX);
        buf_free(&out);
        api_fail_text(x, st, &err);
        return;
    }
    http_reply_buf(x, 200, content_type(p), &out);
}

void prom_federate(void *user, struct http_exchange *x)
{
    struct api *api = user;
    struct page p = { 0 };
    struct api_params params;
    struct prom_selectors match = { 0 };
    struct err err;
    if (!api_query_begin(api, x, &p.q))
        return;
    negotiate(&p, http_header(x, SLICE("Accept")));
    p.external = api->external_labels ? api->external_labels(api->server, p.q.arena) : SLICE_EMPTY;
    int64_t now_ms = clock_wall_ns(api->clock) / NS_MS;
    enum status st = api_params_read(x, &params, &err);
    if (!st)
        st = prom_selectors_read(p.q.arena, &params, &match, &err);
    for (size_t i = 0; i < match.count && !st; i++)
        st = collect(&p, match.list[i], match.counts[i], now_ms, &err);
    if (st)
        api_fail_text(x, st, &err);
    else
        answer(&p);
    prom_selectors_free(&match);
    api_query_end(&p.q, "federate", st, &err);
}
