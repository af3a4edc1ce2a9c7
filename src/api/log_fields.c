/* SPDX-License-Identifier: Apache-2.0 */
/* Loki's detected_fields and detected_labels: which fields the lines of a query have, found by looking at the newest of them.
 * https://grafana.com/docs/loki/latest/reference/loki-http-api/ */
#include "api/handlers.h"
#include "api/log_text.h"
#include "api/loki_params.h"
#include "api/prom_json.h"
#include "base/date.h"
#include "base/map.h"
#include "base/num.h"
#include "logql/logql.h"

#include <stdlib.h>

enum { LINES_DEFAULT = 1000, LINES_MAX = 10 * 1000, FIELDS_DEFAULT = 1000, FIELDS_MAX = 5000, CARDINALITY_MAX = 10 * 1000,
       STREAMS_MAX = 100 * 1000 };

enum kind { KIND_NONE, KIND_STRING, KIND_INT, KIND_FLOAT, KIND_BOOLEAN, KIND_DURATION, KIND_BYTES };

struct found {
    struct slice name;
    enum kind kind;
    unsigned parsers; /* bit 1 << enum log_parser; 0: structured metadata */
    struct slice path; /* of JSON, the first one seen: "http","status" */
    size_t cardinality;
};

struct work {
    struct arena *a;
    struct map names, values; /* name -> index; name NUL value */
    struct found *list;
    size_t count, cap, max;
};

/* ---- types, by what values look like ---- */

static bool is_bytes(struct slice v)
{
    static const struct slice units[] = { SLICE_INIT("KiB"), SLICE_INIT("MiB"), SLICE_INIT("GiB"), SLICE_INIT("TiB"), SLICE_INIT("KB"),
                                          SLICE_INIT("kB"),  SLICE_INIT("MB"),  SLICE_INIT("GB"),  SLICE_INIT("TB"),  SLICE_INIT("B") };
    double n;
    for (size_t i = 0; i < COUNT_OF(units); i++)
        if (slice_ends(v, units[i]))
            return num_parse_double(slice_trim(slice_sub(v, 0, v.len - units[i].len)), &n);
    return false;
}

static bool is_duration(struct slice v)
{
    static const struct slice units[] = { SLICE_INIT("ns"), SLICE_INIT("us"), SLICE_INIT("\xc2\xb5s"), SLICE_INIT("ms"), SLICE_INIT("s"),
                                          SLICE_INIT("m"),  SLICE_INIT("h") };
    double n;
    int64_t ms;
    if (v.len == 0 || v.ptr[0] < '0' || v.ptr[0] > '9')
        return false;
    for (size_t i = 0; i < COUNT_OF(units); i++)
        if (slice_ends(v, units[i]) && num_parse_double(slice_sub(v, 0, v.len - units[i].len), &n))
            return true;
    return duration_parse_prom(v, &ms);
}

static enum kind kind_of(struct slice v)
{
    int64_t i;
    double d;
    if (num_parse_i64(v, &i))
        return KIND_INT;
    if (num_parse_double(v, &d))
        return KIND_FLOAT;
    if (slice_eq_nocase(v, SLICE("true")) || slice_eq_nocase(v, SLICE("false")))
        return KIND_BOOLEAN;
    if (is_duration(v))
        return KIND_DURATION;
    return is_bytes(v) ? KIND_BYTES : KIND_STRING;
}

static enum kind kind_join(enum kind a, enum kind b)
{
    if (a == KIND_NONE || a == b)
        return b;
    bool numbers = (a == KIND_INT && b == KIND_FLOAT) || (a == KIND_FLOAT && b == KIND_INT);
    return numbers ? KIND_FLOAT : KIND_STRING;
}

static struct slice kind_name(enum kind k)
{
    switch (k) {
    case KIND_INT: return SLICE("int");
    case KIND_FLOAT: return SLICE("float");
    case KIND_BOOLEAN: return SLICE("boolean");
    case KIND_DURATION: return SLICE("duration");
    case KIND_BYTES: return SLICE("bytes");
    case KIND_NONE:
    case KIND_STRING: break;
    }
    return SLICE("string");
}

/* ---- gathering ---- */

static void count_value(struct work *w, struct found *f, struct slice value)
{
    bool added;
    if (f->cardinality >= CARDINALITY_MAX)
        return;
    char *key = arena_alloc(w->a, f->name.len + 1 + value.len);
    memcpy(key, f->name.ptr, f->name.len);
    key[f->name.len] = 0;
    memcpy(key + f->name.len + 1, value.ptr, value.len);
    map_put(&w->values, slice_of(key, f->name.len + 1 + value.len), &added);
    f->cardinality += added;
}

static struct found *found_value(struct work *w, struct slice name, struct slice value, unsigned parsers)
{
    uint64_t *at = map_get(&w->names, name);
    if (at == NULL) {
        if (w->count >= w->max)
            return NULL;
        struct slice copy = arena_copy(w->a, name);
        at = map_put(&w->names, copy, NULL);
        *at = w->count;
        ARENA_PUSH(w->a, w->list, w->count, w->cap) = (struct found){ .name = copy };
    }
    struct found *f = &w->list[*at];
    f->kind = kind_join(f->kind, kind_of(value));
    f->parsers |= parsers;
    count_value(w, f, value);
    return f;
}

static void look_at_lines(struct work *w, const struct value *v)
{
    struct log_field fields[LOG_FIELDS_PER_LINE_MAX];
    struct json_parser *json = json_parser_new();
    struct arena *scratch = arena_new(0);
    for (size_t s = 0; s < v->stream_count; s++)
        for (size_t i = 0; i < v->streams[s].n; i++) {
            const struct value_line *line = &v->streams[s].lines[i];
            struct slice rest = line->metadata;
            for (struct label one; labels_next(&rest, &one);)
                found_value(w, one.name, one.value, 0);
            size_t n = log_fields(scratch, json, line->line, fields, COUNT_OF(fields));
            for (size_t k = 0; k < n; k++) {
                struct found *f = found_value(w, fields[k].name, fields[k].value, 1u << fields[k].parser);
                if (f && f->path.len == 0 && fields[k].path.len)
                    f->path = arena_copy(w->a, fields[k].path);
            }
            arena_reset(scratch);
        }
    arena_free(scratch);
    json_parser_free(json);
}

/* ---- the answer ---- */

static int by_name(const void *a, const void *b)
{
    return slice_cmp(((const struct found *)a)->name, ((const struct found *)b)->name);
}

static void put_found(struct json_writer *w, const struct found *f)
{
    /* Pairs within free text are what `| regexp` takes out, the places of an access log what `| pattern` does. */
    static const struct slice parsers[LOG_PARSER_COUNT] = { SLICE_INIT("json"), SLICE_INIT("logfmt"), SLICE_INIT("regexp"), SLICE_INIT("pattern") };
    json_object_begin(w);
    json_key(w, SLICE("label"));
    json_string(w, f->name);
    json_key(w, SLICE("type"));
    json_string(w, kind_name(f->kind));
    json_key(w, SLICE("cardinality"));
    json_uint(w, f->cardinality);
    json_key(w, SLICE("parsers"));
    if (f->parsers == 0) {
        json_raw(w, SLICE("null"));
    } else {
        json_array_begin(w);
        for (int i = 0; i < LOG_PARSER_COUNT; i++)
            if (f->parsers & 1u << i)
                json_string(w, parsers[i]);
        json_array_end(w);
    }
    if (f->path.len) {
        struct buf path;
        buf_init(&path, 0);
        buf_printf(&path, "[%.*s]", SLICE_FMT(f->path));
        json_key(w, SLICE("jsonPath"));
        json_raw(w, buf_as_slice(&path));
        buf_free(&path);
    }
    json_object_end(w);
}

static enum status window_read(struct api_query *q, struct api_params *p, int64_t *start_ns, int64_t *end_ns, struct err *err)
{
    enum status st = api_params_read(q->x, p, err);
    return st ? st : loki_param_bounds(q->api, p, LOKI_META_HOURS_DEFAULT * 3600 * NS_S, start_ns, end_ns, err);
}

static enum status detect(struct api_query *q, struct work *w, struct err *err)
{
    struct api_params p;
    struct value v = { 0 };
    struct query_params qp = { .step_ns = NS_S, .direction = DIRECTION_BACKWARD };
    enum status st = window_read(q, &p, &qp.start_ns, &qp.end_ns, err);
    struct slice text = st ? SLICE_EMPTY : api_param(&p, SLICE("query"), NULL);
    if (!st)
        st = loki_param_limit(&p, SLICE("line_limit"), LINES_DEFAULT, LINES_MAX, &qp.limit, err);
    if (!st)
        st = loki_param_limit(&p, SLICE("limit"), FIELDS_DEFAULT, FIELDS_MAX, &w->max, err);
    if (!st)
        st = q->api->logql->range(&q->env, text.len ? text : SLICE("{service_name=~\".+\"}"), &qp, &v, err);
    if (!st && v.type != VALUE_STREAMS)
        return err_set(err, ST_INVALID, "detected_fields: the query gives numbers; give one that selects lines");
    if (!st)
        look_at_lines(w, &v);
    return st;
}

static enum status detect_labels(struct api_query *q, struct work *w, struct err *err)
{
    struct api_params p;
    struct matcher *matchers = NULL;
    struct slice *streams;
    int64_t start_ns, end_ns;
    size_t n = 0, count = 0;
    struct engine *e = q->api->engine;
    enum status st = window_read(q, &p, &start_ns, &end_ns, err);
    struct slice text = st ? SLICE_EMPTY : api_param(&p, SLICE("query"), NULL);
    if (!st && text.len)
        st = logql_parse_selector(q->arena, text, &matchers, &n, err);
    if (!st)
        st = e->ops->streams(e, &q->ctx, start_ns, sat_add(end_ns, 1), 1u << EVENT_LOG, matchers, n, STREAMS_MAX, q->arena, &streams, &count, err);
    w->max = FIELDS_MAX;
    for (size_t i = 0; !st && i < count; i++)
        for (struct label one; labels_next(&streams[i], &one);)
            found_value(w, one.name, one.value, 0);
    for (size_t i = 0; i < n; i++)
        matcher_destroy(&matchers[i]);
    return st;
}

/* ---- the answers ---- */

static void put_fields(struct json_writer *w, const struct work *work)
{
    json_key(w, SLICE("fields"));
    json_array_begin(w);
    for (size_t i = 0; i < work->count; i++)
        put_found(w, &work->list[i]);
    json_array_end(w);
    json_key(w, SLICE("limit"));
    json_uint(w, work->max);
}

static void put_labels(struct json_writer *w, const struct work *work)
{
    json_key(w, SLICE("detectedLabels"));
    json_array_begin(w);
    for (size_t i = 0; i < work->count; i++) {
        json_object_begin(w);
        json_key(w, SLICE("label"));
        json_string(w, work->list[i].name);
        json_key(w, SLICE("cardinality"));
        json_uint(w, work->list[i].cardinality);
        json_object_end(w);
    }
    json_array_end(w);
}

static void serve(struct api *api, struct http_exchange *x, const char *what,
                  enum status (*look)(struct api_query *q, struct work *w, struct err *err),
                  void (*put)(struct json_writer *w, const struct work *work))
{
    struct api_query q;
    struct json_writer w;
    struct buf out;
    struct err err;
    if (!api_query_begin(api, x, &q))
        return;
    struct work work = { .a = q.arena };
    map_init(&work.names);
    map_init(&work.values);
    enum status st = look(&q, &work, &err);
    if (st) {
        api_fail_text(x, st, &err);
    } else {
        if (work.count)
            qsort(work.list, work.count, sizeof *work.list, by_name);
        buf_init(&out, QUERY_RESULT_BYTES_MAX);
        json_writer_init(&w, &out);
        json_object_begin(&w);
        put(&w, &work);
        json_object_end(&w);
        api_reply_json(x, 200, &out);
    }
    map_free(&work.names);
    map_free(&work.values);
    api_query_end(&q, what, st, &err);
}

void loki_detected_fields(void *user, struct http_exchange *x)
{
    serve(user, x, "detected_fields", detect, put_fields);
}

void loki_detected_labels(void *user, struct http_exchange *x)
{
    serve(user, x, "detected_labels", detect_labels, put_labels);
}
