/* SPDX-License-Identifier: Apache-2.0 */
/* GET /api/stoa/v1/correlate?id=: everything of one request. GET /api/stoa/v1/correlation: which labels are folded, what was
 * folded, and which series still have such a label. GET /api/v1/query_exemplars, as Prometheus answers it.
 * https://prometheus.io/docs/prometheus/latest/querying/api/#querying-exemplars */
#include <stdio.h>
#include <stdlib.h>

#include "api/handlers.h"
#include "api/prom_json.h"
#include "base/map.h"
#include "base/num.h"
#include "codec/hex.h"
#include "collect/fold.h"
#include "correlate/correlate.h"
#include "model/exemplar.h"

enum { EXEMPLARS_PER_QUERY_MAX = 10 * 1000, NOT_FOLDED_HOURS = 1, NOT_FOLDED_SERIES_MAX = 100 * 1000, TRACE_DIGITS = 32 };

/* ---- correlate ---- */

static void put_key_ns(struct json_writer *w, struct slice key, int64_t ns)
{
    char text[NUM_TEXT_BYTES_MAX];
    json_key(w, key);
    json_string(w, slice_of(text, num_format_i64(ns, text)));
}

static void put_key_text(struct json_writer *w, struct slice key, struct slice text)
{
    json_key(w, key);
    json_string(w, text);
}

static void put_key_hex(struct json_writer *w, struct slice key, const uint8_t *id, size_t bytes)
{
    char text[TRACE_DIGITS];
    hex_encode(slice_of(id, bytes), text);
    put_key_text(w, key, slice_of(text, 2 * bytes));
}

static void put_log(struct json_writer *w, struct arena *a, const struct correlate_log *l)
{
    const struct event *e = &l->event;
    json_object_begin(w);
    put_key_ns(w, SLICE("time_ns"), e->time_ns);
    put_key_text(w, SLICE("service"), e->service);
    put_key_text(w, SLICE("severity"), severity_name(e->severity));
    put_key_text(w, SLICE("body"), e->body);
    json_key(w, SLICE("stream"));
    prom_json_labels(w, e->stream);
    json_key(w, SLICE("fields"));
    json_object_begin(w);
    for (uint32_t i = 0; i < e->field_count; i++)
        if (event_field(e, e->fields[i].name) == &e->fields[i] && /* the record's own before the resource's of that name */
            !field_is_hidden(e->fields[i].name))
            put_key_text(w, e->fields[i].name, field_text(a, &e->fields[i]));
    json_object_end(w);
    if (event_has_trace(e))
        put_key_hex(w, SLICE("trace_id"), e->trace_id, sizeof e->trace_id);
    put_key_text(w, SLICE("match"), slice_str(correlate_match_name(l->match)));
    json_object_end(w);
}

static void put_trace(struct json_writer *w, const struct correlate_trace *t)
{
    json_object_begin(w);
    put_key_hex(w, SLICE("trace_id"), t->id, sizeof t->id);
    put_key_text(w, SLICE("service"), t->service);
    put_key_text(w, SLICE("name"), t->name);
    put_key_ns(w, SLICE("start_ns"), t->start_ns);
    put_key_ns(w, SLICE("duration_ns"), t->end_ns - t->start_ns);
    json_key(w, SLICE("spans"));
    json_uint(w, t->spans);
    json_key(w, SLICE("errors"));
    json_uint(w, t->errors);
    json_key(w, SLICE("has_root"));
    json_bool(w, t->has_root);
    put_key_text(w, SLICE("match"), t->by_span ? SLICE("span") : SLICE("trace"));
    json_object_end(w);
}

static void put_exemplar(struct json_writer *w, struct arena *a, const struct event *e)
{
    json_object_begin(w);
    json_key(w, SLICE("series"));
    prom_json_labels(w, e->stream);
    json_key(w, SLICE("labels"));
    prom_json_labels(w, exemplar_labels(a, e));
    json_key(w, SLICE("t_ms"));
    json_int(w, e->time_ns / NS_MS);
    json_key(w, SLICE("value"));
    json_double(w, exemplar_value(e));
    json_object_end(w);
}

static void put_series(struct json_writer *w, const struct correlate_series *s)
{
    json_object_begin(w);
    json_key(w, SLICE("labels"));
    prom_json_labels(w, s->labels);
    json_key(w, SLICE("t_ms"));
    json_int(w, s->t_ms);
    json_key(w, SLICE("value"));
    json_double(w, s->value);
    json_object_end(w);
}

static void put_notes(struct json_writer *w, struct slice lines)
{
    struct slice line;
    while (slice_next(&lines, '\n', &line))
        json_string(w, line);
}

static void answer(struct api_query *q, const struct correlate_query *cq, const struct correlate_result *r)
{
    struct json_writer w;
    struct buf out;
    struct slice warnings = buf_as_slice(&q->ctx.warnings), notes = buf_as_slice(&r->notes);
    buf_init(&out, QUERY_RESULT_BYTES_MAX);
    json_writer_init(&w, &out);
    json_object_begin(&w);
    put_key_text(&w, SLICE("id"), r->forms[0]);
    put_key_ns(&w, SLICE("start_ns"), cq->start_ns);
    put_key_ns(&w, SLICE("end_ns"), cq->end_ns);
    json_key(&w, SLICE("logs"));
    json_array_begin(&w);
    for (size_t i = 0; i < r->log_count; i++)
        put_log(&w, q->arena, &r->logs[i]);
    json_array_end(&w);
    json_key(&w, SLICE("traces"));
    json_array_begin(&w);
    for (size_t i = 0; i < r->trace_count; i++)
        put_trace(&w, &r->traces[i]);
    json_array_end(&w);
    json_key(&w, SLICE("exemplars"));
    json_array_begin(&w);
    for (size_t i = 0; i < r->exemplar_count; i++)
        put_exemplar(&w, q->arena, &r->exemplars[i]);
    json_array_end(&w);
    json_key(&w, SLICE("series"));
    json_array_begin(&w);
    for (size_t i = 0; i < r->series_count; i++)
        put_series(&w, &r->series[i]);
    json_array_end(&w);
    json_key(&w, SLICE("partial"));
    json_bool(&w, notes.len || warnings.len);
    json_key(&w, SLICE("notes"));
    json_array_begin(&w);
    put_notes(&w, notes);
    put_notes(&w, warnings);
    json_array_end(&w);
    json_object_end(&w);
    api_audit_note(q->x, arena_printf(http_arena(q->x), "id=%.*s", SLICE_FMT(r->forms[0])), r->log_count + r->trace_count);
    api_reply_json(q->x, 200, &out);
}

static enum status query_read(struct api_query *q, struct correlate_query *out, struct err *err)
{
    struct api_params p;
    enum status st = api_params_read(q->x, &p, err);
    if (st)
        return st;
    out->id = arena_copy(q->arena, api_param(&p, SLICE("id"), NULL));
    q->text = out->id;
    st = api_param_time(&p, SLICE("end"), clock_wall_ns(q->api->clock), &out->end_ns, err);
    if (!st)
        st = api_param_time(&p, SLICE("start"), sat_sub(out->end_ns, (int64_t)CORRELATE_HOURS_DEFAULT * 3600 * NS_S), &out->start_ns, err);
    if (!st)
        st = api_param_size(&p, SLICE("limit"), CORRELATE_LOGS_DEFAULT, CORRELATE_LOGS_MAX, &out->logs_max, err);
    if (!st && out->start_ns >= out->end_ns)
        return err_set(err, ST_INVALID, "invalid parameter \"end\": it must lie behind start");
    return st;
}

void correlate_get(void *user, struct http_exchange *x)
{
    struct api *api = user;
    struct api_query q;
    struct correlate_query cq = { .logs_max = 0 };
    struct correlate_result r;
    struct err err;
    if (!api_query_begin(api, x, &q))
        return;
    struct fold_rules *rules = fold_rules_take(api->fold);
    cq.labels = rules->labels;
    cq.label_count = rules->label_count;
    enum status st = query_read(&q, &cq, &err);
    if (!st)
        st = correlate_run(&q.env, &cq, &r, &err);
    if (st) {
        api_fail(x, st, &err);
    } else {
        answer(&q, &cq, &r);
        correlate_free(&r);
    }
    snap_drop(&rules->snap);
    api_query_end(&q, "correlate", st, &err);
}

/* ---- what was folded ---- */

static void put_report(struct json_writer *w, const struct fold_report *r)
{
    const struct {
        struct slice key;
        int64_t value;
    } numbers[] = { { SLICE("series"), (int64_t)r->series }, { SLICE("into"), (int64_t)r->into }, { SLICE("since_ms"), r->since_ms },
                    { SLICE("last_ms"), r->last_ms }, { SLICE("exemplars"), (int64_t)r->exemplars },
                    { SLICE("exemplars_left_out"), (int64_t)r->exemplars_left } };
    json_object_begin(w);
    put_key_text(w, SLICE("job"), r->job);
    put_key_text(w, SLICE("instance"), r->instance);
    put_key_text(w, SLICE("metric"), r->metric);
    put_key_text(w, SLICE("label"), r->labels);
    put_key_text(w, SLICE("how"), r->how);
    for (size_t i = 0; i < COUNT_OF(numbers); i++) {
        json_key(w, numbers[i].key);
        json_int(w, numbers[i].value);
    }
    json_object_end(w);
}

static int by_text(const void *a, const void *b)
{
    return slice_cmp(*(const struct slice *)a, *(const struct slice *)b);
}

/* Series of the last hour that have the label all the same (pushed, or folding is off), counted by metric. */
static enum status put_not_folded(struct api_query *q, struct json_writer *w, struct slice label, struct err *err)
{
    struct matcher m;
    struct slice *list;
    size_t count, same;
    int64_t now_ms = clock_wall_ms(q->api->clock);
    struct engine *e = q->api->engine;
    enum status st = matcher_init(&m, MATCH_NE, label, SLICE_EMPTY, err);
    if (st)
        return st;
    st = e->ops->series(e, &q->ctx, now_ms - NOT_FOLDED_HOURS * 3600 * 1000, now_ms, &m, 1, NOT_FOLDED_SERIES_MAX, q->arena, &list, &count, err);
    matcher_destroy(&m);
    if (st)
        return st;
    for (size_t i = 0; i < count; i++)
        list[i] = labels_get(list[i], SLICE("__name__"));
    if (count)
        qsort(list, count, sizeof *list, by_text);
    for (size_t i = 0; i < count; i += same) {
        same = 1;
        while (i + same < count && slice_eq(list[i], list[i + same]))
            same++;
        json_object_begin(w);
        put_key_text(w, SLICE("metric"), list[i]);
        put_key_text(w, SLICE("label"), label);
        json_key(w, SLICE("series"));
        json_uint(w, same);
        json_object_end(w);
    }
    return ST_OK;
}

void correlation_get(void *user, struct http_exchange *x)
{
    struct api *api = user;
    struct api_query q;
    struct fold_report *list;
    struct json_writer w;
    struct buf out;
    struct err err;
    size_t n;
    if (!api_query_begin(api, x, &q))
        return;
    struct fold_rules *rules = fold_rules_take(api->fold);
    fold_reports(api->fold, q.arena, &list, &n);
    buf_init(&out, QUERY_RESULT_BYTES_MAX);
    json_writer_init(&w, &out);
    json_object_begin(&w);
    json_key(&w, SLICE("fold"));
    json_bool(&w, rules->on);
    json_key(&w, SLICE("labels"));
    json_array_begin(&w);
    for (size_t i = 0; i < rules->label_count; i++)
        json_string(&w, rules->labels[i]);
    json_array_end(&w);
    json_key(&w, SLICE("folded"));
    json_array_begin(&w);
    for (size_t i = 0; i < n; i++)
        put_report(&w, &list[i]);
    json_array_end(&w);
    json_key(&w, SLICE("not_folded"));
    json_array_begin(&w);
    enum status st = ST_OK;
    for (size_t i = 0; !st && i < rules->label_count; i++)
        st = put_not_folded(&q, &w, rules->labels[i], &err);
    json_array_end(&w);
    json_object_end(&w);
    if (st) {
        buf_free(&out);
        api_fail(x, st, &err);
    } else {
        api_reply_json(x, 200, &out);
    }
    snap_drop(&rules->snap);
    api_query_end(&q, "correlation", st, &err);
}

void correlation_metrics(struct fold *f, struct buf *out)
{
    struct arena *a = arena_new(0);
    struct fold_report *list;
    size_t n;
    uint64_t series = 0, into = 0, kept = 0, left = 0;
    fold_reports(f, a, &list, &n);
    for (size_t i = 0; i < n; i++) {
        series += list[i].series;
        into += list[i].into;
        kept += list[i].exemplars;
        left += list[i].exemplars_left;
    }
    buf_printf(out,
               "# HELP stoa_fold_series Series with a request's id as a label, in the last page of each target.\n# TYPE stoa_fold_series gauge\n"
               "stoa_fold_series %llu\n# HELP stoa_fold_into_series Series that they became.\n# TYPE stoa_fold_into_series gauge\n"
               "stoa_fold_into_series %llu\n# HELP stoa_fold_exemplars_total Ids taken off labels: kept as exemplars, or left out for a limit or "
               "their age.\n# TYPE stoa_fold_exemplars_total counter\nstoa_fold_exemplars_total{result=\"kept\"} %llu\n"
               "stoa_fold_exemplars_total{result=\"left_out\"} %llu\n",
               (unsigned long long)series, (unsigned long long)into, (unsigned long long)kept, (unsigned long long)left);
    arena_free(a);
}

/* ---- query_exemplars ---- */

struct found {
    struct event *list;
    size_t count, cap;
};

static int by_series(const void *a, const void *b)
{
    const struct event *x = a, *y = b;
    int order = labels_cmp(x->stream, y->stream);
    return order ? order : x->time_ns < y->time_ns ? -1 : x->time_ns > y->time_ns;
}

/* Exemplars of all of the expression's selectors, by series and time, each once. */
static enum status find_exemplars(struct api_query *q, struct slice text, int64_t start_ns, int64_t end_ns, struct found *out, struct err *err)
{
    struct query_shape shape;
    enum status st = q->api->promql->describe(q->arena, text, q->api->features, &shape, err);
    for (size_t i = 0; !st && i < shape.selector_count; i++) {
        struct matcher *matchers;
        struct event *list;
        size_t count, n;
        st = matchers_parse(q->arena, shape.selectors[i], &matchers, &count, err);
        if (st)
            return st;
        st = correlate_exemplars(&q->env, matchers, count, start_ns, sat_add(end_ns, 1), EXEMPLARS_PER_QUERY_MAX, &list, &n, err);
        matchers_destroy(matchers, count);
        for (size_t k = 0; !st && k < n; k++)
            ARENA_PUSH(q->arena, out->list, out->count, out->cap) = list[k];
    }
    if (!st && out->count)
        qsort(out->list, out->count, sizeof *out->list, by_series);
    size_t kept = 0;
    for (size_t i = 0; i < out->count; i++)
        if (kept == 0 || !exemplar_equal(&out->list[kept - 1], &out->list[i]))
            out->list[kept++] = out->list[i];
    out->count = kept;
    return st;
}

static void put_prom_exemplar(struct json_writer *w, struct arena *a, const struct event *e)
{
    char text[NUM_TEXT_BYTES_MAX];
    char seconds[NUM_TEXT_BYTES_MAX];
    int64_t ms = e->time_ns / NS_MS;
    json_object_begin(w);
    json_key(w, SLICE("labels"));
    prom_json_labels(w, exemplar_labels(a, e));
    put_key_text(w, SLICE("value"), slice_of(text, num_format_short(exemplar_value(e), text)));
    json_key(w, SLICE("timestamp"));
    int n = snprintf(seconds, sizeof seconds, "%lld.%03lld", (long long)(ms / 1000), (long long)(ms % 1000));
    json_raw(w, slice_of(seconds, (size_t)n));
    json_object_end(w);
}

static void answer_exemplars(struct api_query *q, const struct found *f)
{
    struct json_writer w;
    struct buf out;
    prom_json_begin(&w, &out, QUERY_RESULT_BYTES_MAX);
    json_array_begin(&w);
    for (size_t i = 0, n; i < f->count; i += n) {
        json_object_begin(&w);
        json_key(&w, SLICE("seriesLabels"));
        prom_json_labels(&w, f->list[i].stream);
        json_key(&w, SLICE("exemplars"));
        json_array_begin(&w);
        for (n = 0; i + n < f->count && slice_eq(f->list[i].stream, f->list[i + n].stream); n++)
            put_prom_exemplar(&w, q->arena, &f->list[i + n]);
        json_array_end(&w);
        json_object_end(&w);
    }
    json_array_end(&w);
    prom_json_reply(q->x, &w, &out, buf_as_slice(&q->ctx.warnings), SLICE_EMPTY);
}

void prom_query_exemplars(void *user, struct http_exchange *x)
{
    struct api *api = user;
    struct api_query q;
    struct api_params p;
    struct found found = { 0 };
    struct err err;
    int64_t start_ns = 0, end_ns = 0;
    if (!api_query_begin(api, x, &q))
        return;
    enum status st = api_params_read(x, &p, &err);
    if (!st)
        st = api_param_time(&p, SLICE("start"), 0, &start_ns, &err);
    if (!st)
        st = api_param_time(&p, SLICE("end"), clock_wall_ns(api->clock), &end_ns, &err);
    if (!st && end_ns < start_ns)
        st = err_set(&err, ST_INVALID, "invalid parameter \"end\": end timestamp must not be before start timestamp");
    if (!st)
        q.text = arena_copy(q.arena, api_param(&p, SLICE("query"), NULL));
    if (!st)
        st = find_exemplars(&q, q.text, start_ns, end_ns, &found, &err);
    if (st)
        api_fail(x, st, &err);
    else
        answer_exemplars(&q, &found);
    api_query_end(&q, "exemplars", st, &err);
}
