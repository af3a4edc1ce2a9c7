/* SPDX-License-Identifier: Apache-2.0 */
/* Zipkin's query API, version 2: https://zipkin.io/zipkin-api/. Errors are plain text, as there. */
#include "api/handlers.h"
#include "api/trace_links.h"
#include "api/trace_read.h"
#include "api/zipkin_json.h"
#include "base/date.h"
#include "base/num.h"
#include "ingest/span.h"

#include <stdlib.h>

enum { ZIPKIN_TRACES_DEFAULT = 10, ZIPKIN_TRACES_MAX = 1500, ZIPKIN_TERMS_MAX = 32, ZIPKIN_IDS_MAX = 100, ZIPKIN_ANSWER_BYTES_MAX = 256 * MIB,
       ZIPKIN_NAMES_MAX = 10 * 1000, LOOKBACK_HOURS_DEFAULT = 24, STATUS_ERROR = 2 };

static void end_query(struct api_query *q, enum status st, const struct err *err)
{
    if (st)
        api_fail_text(q->x, st, err);
    api_query_end(q, "zipkin", st, err);
}

static void list_begin(struct json_writer *w, struct buf *out)
{
    buf_init(out, ZIPKIN_ANSWER_BYTES_MAX);
    json_writer_init(w, out);
    json_array_begin(w);
}

/* ---- names ---- */

static int by_text(const void *a, const void *b)
{
    return slice_cmp(*(const struct slice *)a, *(const struct slice *)b);
}

static void answer_names(struct api_query *q, struct slice *names, size_t n)
{
    struct buf out;
    struct json_writer w;
    if (n)
        qsort(names, n, sizeof *names, by_text);
    list_begin(&w, &out);
    api_audit_note(q->x, SLICE_EMPTY, n);
    for (size_t i = 0; i < n; i++)
        json_string(&w, names[i]);
    json_array_end(&w);
    api_reply_json(q->x, 200, &out);
}

static enum status serve_hits(struct api_query *q, const struct names_query *nq, struct err *err)
{
    struct name_hit *hits;
    size_t n;
    enum status st = q->api->engine->ops->names(q->api->engine, &q->ctx, nq, q->arena, &hits, &n, err);
    if (st)
        return st;
    struct slice *names = arena_array(q->arena, struct slice, n + 1);
    size_t kept = 0;
    for (size_t i = 0; i < n; i++)
        if (!field_is_hidden(hits[i].value) || nq->what != NAMES_FIELDS)
            names[kept++] = hits[i].value;
    answer_names(q, names, kept);
    return ST_OK;
}

void zipkin_services(void *user, struct http_exchange *x)
{
    struct api_query q;
    struct err err;
    if (!api_query_begin(user, x, &q))
        return;
    struct names_query nq = { .what = NAMES_SERVICES, .end_ns = INT64_MAX, .kinds = SPAN_KINDS };
    end_query(&q, serve_hits(&q, &nq, &err), &err);
}

void zipkin_autocomplete_keys(void *user, struct http_exchange *x)
{
    struct api_query q;
    struct err err;
    if (!api_query_begin(user, x, &q))
        return;
    struct names_query nq = { .what = NAMES_FIELDS, .end_ns = INT64_MAX, .kinds = SPAN_KINDS, .limit = ZIPKIN_NAMES_MAX };
    end_query(&q, serve_hits(&q, &nq, &err), &err);
}

void zipkin_autocomplete_values(void *user, struct http_exchange *x)
{
    struct api_query q;
    struct api_params p;
    struct err err;
    if (!api_query_begin(user, x, &q))
        return;
    enum status st = api_params_read(x, &p, &err);
    struct slice key = st ? SLICE_EMPTY : api_param(&p, SLICE("key"), NULL);
    if (!st && key.len == 0)
        st = err_set(&err, ST_INVALID, "parameter \"key\" is missing: the tag whose values are asked for");
    struct names_query nq = { .what = NAMES_FIELD_VALUES, .name = key, .end_ns = INT64_MAX, .kinds = SPAN_KINDS, .limit = ZIPKIN_NAMES_MAX };
    if (!st)
        st = serve_hits(&q, &nq, &err);
    end_query(&q, st, &err);
}

static void answer_map(struct api_query *q, struct map *seen)
{
    struct slice *names = arena_array(q->arena, struct slice, seen->count + 1);
    struct map_entry *e;
    size_t n = 0, at = 0;
    while ((e = map_each(seen, &at)))
        if (e->key.len)
            names[n++] = e->key;
    answer_names(q, names, n);
}

/* Peers that the service's spans name. */
static enum status peers_of(struct api_query *q, struct slice service, struct map *names, struct err *err)
{
    struct events_iter *it;
    struct event_block block;
    unsigned did;
    struct preds both = { 0 };
    preds_add(q->arena, &both, pred_text(q->arena, COL_SERVICE, SLICE_EMPTY, service));
    preds_add(q->arena, &both, pred_leaf(q->arena, PRED_EXISTS, COL_FIELD, SPAN_PEER, SLICE_EMPTY));
    struct events_query eq = { .start_ns = sat_sub(clock_wall_ns(q->api->clock), TRACE_LOOKBACK_HOURS * 3600 * NS_S), .end_ns = INT64_MAX,
                               .kinds = SPAN_KINDS, .pred = pred_node(q->arena, PRED_AND, &both), .want = WANT_FIELDS, .order = ORDER_NONE };
    enum status st = q->api->engine->ops->events(q->api->engine, &q->ctx, &eq, &it, &did, err);
    if (st)
        return st;
    while (names->count < ZIPKIN_NAMES_MAX && (st = it->ops->next(it, &block, err)) == ST_OK)
        for (size_t i = 0; i < block.n && names->count < ZIPKIN_NAMES_MAX; i++) {
            const struct field *f = event_field(&block.rows[i], SPAN_PEER);
            if (f && slice_eq(block.rows[i].service, service) && map_get(names, f->text) == NULL)
                *map_put(names, arena_copy(q->arena, f->text), NULL) = 1;
        }
    it->ops->close(it);
    return st == ST_NOT_FOUND ? ST_OK : st;
}

static void serve_names_of(struct api *api, struct http_exchange *x,
                           enum status (*gather)(struct api_query *q, struct slice service, struct map *names, struct err *err))
{
    struct api_query q;
    struct api_params p;
    struct map seen;
    struct err err;
    if (!api_query_begin(api, x, &q))
        return;
    map_init(&seen);
    enum status st = api_params_read(x, &p, &err);
    struct slice service = st ? SLICE_EMPTY : api_param(&p, SLICE("serviceName"), NULL);
    if (!st && service.len == 0)
        st = err_set(&err, ST_INVALID, "parameter \"serviceName\" is missing");
    if (!st)
        st = gather(&q, service, &seen, &err);
    if (!st)
        answer_map(&q, &seen);
    map_free(&seen);
    end_query(&q, st, &err);
}

void zipkin_spans(void *user, struct http_exchange *x)
{
    serve_names_of(user, x, trace_operations);
}

void zipkin_remote_services(void *user, struct http_exchange *x)
{
    serve_names_of(user, x, peers_of);
}

/* ---- traces ---- */

static void put_trace(struct api_query *q, struct json_writer *w, const struct trace_spans *s, size_t from, size_t to)
{
    json_array_begin(w);
    for (size_t i = from; i < to; i++)
        zipkin_json_span(w, q->arena, s->list[i]);
    json_array_end(w);
}

static void answer_traces(struct api_query *q, struct trace_spans *s)
{
    struct buf out;
    struct json_writer w;
    trace_spans_sort(s);
    list_begin(&w, &out);
    api_audit_note(q->x, SLICE_EMPTY, s->count);
    for (size_t i = 0, end; i < s->count; i = end) {
        end = trace_end(s, i);
        put_trace(q, &w, s, i, end);
    }
    json_array_end(&w);
    api_reply_json(q->x, 200, &out);
}

void zipkin_trace(void *user, struct http_exchange *x)
{
    struct api_query q;
    struct trace_spans spans = { 0 };
    struct err err;
    if (!api_query_begin(user, x, &q))
        return;
    enum status st = trace_read_id(&q, api_path_part(x, SLICE("id")), &spans, &err);
    if (!st) {
        struct buf out;
        struct json_writer w;
        trace_spans_sort(&spans);
        buf_init(&out, ZIPKIN_ANSWER_BYTES_MAX);
        json_writer_init(&w, &out);
        api_audit_note(x, SLICE_EMPTY, spans.count);
        put_trace(&q, &w, &spans, 0, spans.count);
        api_reply_json(x, 200, &out);
    }
    end_query(&q, st, &err);
}

static enum status ids_read(struct api_query *q, struct slice list, struct preds *ids, struct err *err)
{
    while (list.len) {
        struct slice one;
        uint8_t id[16];
        slice_cut(list, ',', &one, &list);
        enum status st = trace_id_read(one, id, err);
        if (st)
            return st;
        if (ids->count == ZIPKIN_IDS_MAX)
            return err_set(err, ST_LIMIT, "parameter \"traceIds\": over %d ids", ZIPKIN_IDS_MAX);
        preds_add(q->arena, ids, pred_text(q->arena, COL_TRACE_ID, SLICE_EMPTY, arena_copy(q->arena, slice_of(id, sizeof id))));
    }
    return ids->count ? ST_OK : err_set(err, ST_INVALID, "parameter \"traceIds\": expected ids with commas between them, found none");
}

void zipkin_trace_many(void *user, struct http_exchange *x)
{
    struct api_query q;
    struct api_params p;
    struct preds ids = { 0 };
    struct trace_spans spans = { 0 };
    struct err err;
    if (!api_query_begin(user, x, &q))
        return;
    enum status st = api_params_read(x, &p, &err);
    if (!st)
        st = ids_read(&q, api_param(&p, SLICE("traceIds"), NULL), &ids, &err);
    if (!st)
        st = trace_read(&q, pred_node(q.arena, PRED_OR, &ids), 0, INT64_MAX, &spans, &err);
    if (!st)
        answer_traces(&q, &spans);
    end_query(&q, st, &err);
}

/* ---- search ---- */

/* A term of annotationQuery without a value: an annotation, or a tag. */
struct terms {
    struct slice list[ZIPKIN_TERMS_MAX];
    size_t count;
};

static bool has_term(const struct event *e, struct slice term)
{
    for (uint32_t i = 0; i < e->event_count; i++)
        if (slice_eq(e->events[i].name, term))
            return true;
    return event_field(e, term) || (slice_eq(term, SLICE("error")) && e->span_status == STATUS_ERROR);
}

static bool fits_terms(void *arg, const struct event *e)
{
    const struct terms *t = arg;
    for (size_t i = 0; i < t->count; i++)
        if (!has_term(e, t->list[i]))
            return false;
    return true;
}

/* "http.path=/cart and error" */
static enum status query_read(struct arena *a, struct slice text, struct preds *k, struct terms *t, struct err *err)
{
    while ((text = slice_trim(text)).len) {
        size_t end = slice_find(text, SLICE(" and "), 0);
        struct slice term = slice_trim(slice_sub(text, 0, MIN(end, text.len))), name, value;
        text = end == SIZE_MAX ? SLICE_EMPTY : slice_skip(text, end + 5);
        if (t->count == ZIPKIN_TERMS_MAX || k->count == ZIPKIN_TERMS_MAX)
            return err_set(err, ST_LIMIT, "parameter \"annotationQuery\": over %d terms", ZIPKIN_TERMS_MAX);
        if (slice_cut(term, '=', &name, &value))
            preds_add(a, k, pred_attribute(a, PRED_EQ, name, value));
        else if (term.len)
            t->list[t->count++] = term;
    }
    return ST_OK;
}

/* A whole number of a unit of so many nanoseconds. */
static enum status number_param(const struct api_params *p, struct slice name, int64_t unit_ns, int64_t absent_ns, int64_t *out, struct err *err)
{
    struct slice text = api_param(p, name, NULL);
    int64_t n;
    *out = absent_ns;
    if (text.len == 0)
        return ST_OK;
    if (!num_parse_i64(text, &n) || n < 0)
        return err_set(err, ST_INVALID, "parameter \"%.*s\": found \"%.*s\", expected a whole number that is not negative", SLICE_FMT(name),
                       SLICE_FMT(text));
    *out = sat_mul(n, unit_ns);
    return ST_OK;
}

static enum status window_read(struct api_query *q, const struct api_params *p, int64_t *start_ns, int64_t *end_ns, struct err *err)
{
    int64_t now = clock_wall_ns(q->api->clock), back;
    enum status st = number_param(p, SLICE("endTs"), NS_MS, now, end_ns, err);
    if (!st)
        st = number_param(p, SLICE("lookback"), NS_MS, LOOKBACK_HOURS_DEFAULT * 3600 * NS_S, &back, err);
    if (st)
        return st;
    *start_ns = sat_sub(*end_ns, back);
    *end_ns = sat_add(*end_ns, NS_MS); /* the whole of the last millisecond */
    return ST_OK;
}

static void add_text(struct arena *a, const struct api_params *p, struct slice param, enum event_column column, struct slice name, struct preds *k)
{
    struct slice value = api_param(p, param, NULL);
    if (value.len && !slice_eq(value, SLICE("all")))
        preds_add(a, k, pred_text(a, column, name, value));
}

static enum status search_read(struct api_query *q, struct trace_search *t, struct terms *terms, struct err *err)
{
    struct api_params p;
    struct preds k = { 0 };
    struct arena *a = q->arena;
    int64_t min_ns, max_ns;
    enum status st = api_params_read(q->x, &p, err);
    if (!st)
        st = window_read(q, &p, &t->start_ns, &t->end_ns, err);
    if (!st)
        st = api_param_size(&p, SLICE("limit"), ZIPKIN_TRACES_DEFAULT, ZIPKIN_TRACES_MAX, &t->limit, err);
    if (!st)
        st = number_param(&p, SLICE("minDuration"), 1000, -1, &min_ns, err);
    if (!st)
        st = number_param(&p, SLICE("maxDuration"), 1000, -1, &max_ns, err);
    if (!st)
        st = query_read(a, api_param(&p, SLICE("annotationQuery"), NULL), &k, terms, err);
    if (st)
        return st;
    add_text(a, &p, SLICE("serviceName"), COL_SERVICE, SLICE_EMPTY, &k);
    add_text(a, &p, SLICE("spanName"), COL_BODY, SLICE_EMPTY, &k);
    add_text(a, &p, SLICE("remoteServiceName"), COL_FIELD, SPAN_PEER, &k);
    if (min_ns >= 0)
        preds_add(a, &k, pred_int(a, PRED_GE, COL_DURATION, min_ns));
    if (max_ns >= 0)
        preds_add(a, &k, pred_int(a, PRED_LE, COL_DURATION, max_ns));
    t->pred = pred_node(a, PRED_AND, &k);
    if (terms->count) {
        t->fits = fits_terms;
        t->arg = terms;
    }
    return ST_OK;
}

void zipkin_traces(void *user, struct http_exchange *x)
{
    struct api_query q;
    struct trace_search t = { 0 };
    struct terms terms = { .count = 0 };
    struct trace_spans spans = { 0 };
    struct err err;
    if (!api_query_begin(user, x, &q))
        return;
    enum status st = search_read(&q, &t, &terms, &err);
    if (!st)
        st = trace_search(&q, &t, &spans, &err);
    if (!st)
        answer_traces(&q, &spans);
    end_query(&q, st, &err);
}

/* ---- dependencies ---- */

void zipkin_dependencies(void *user, struct http_exchange *x)
{
    struct api_query q;
    struct api_params p;
    struct trace_link *links = NULL;
    struct err err;
    size_t count = 0;
    int64_t start_ns, end_ns;
    bool is_part = false;
    if (!api_query_begin(user, x, &q))
        return;
    enum status st = api_params_read(x, &p, &err);
    if (!st)
        st = window_read(&q, &p, &start_ns, &end_ns, &err);
    if (!st)
        st = trace_links(&q, start_ns, end_ns, &links, &count, &is_part, &err);
    if (!st) {
        struct buf out;
        struct json_writer w;
        list_begin(&w, &out);
        trace_links_put(&w, links, count, true);
        json_array_end(&w);
        trace_links_warn(x, is_part);
        api_reply_json(x, 200, &out);
    }
    end_query(&q, st, &err);
}
