/* SPDX-License-Identifier: Apache-2.0 */
/* Tempo's API: traces by id, and what its parts share. https://grafana.com/docs/tempo/latest/api_docs/ */
#include "api/tempo.h"

#include "api/otlp_trace_json.h"
#include "api/otlp_trace_pb.h"
#include "base/date.h"
#include "base/num.h"
#include "codec/hex.h"
#include "codec/proto.h"

enum { TRACE_OF_RESPONSE = 1, METRICS_OF_RESPONSE = 2, TEMPO_ID_DIGITS_MAX = 32, TEMPO_NOTES_BYTES_MAX = 4 * KIB };

void tempo_end(struct api_query *q, enum status st, const struct err *err)
{
    if (st)
        api_fail_text(q->x, st, err);
    api_query_end(q, "tempo", st, err);
}

enum status tempo_window(struct api_query *q, const struct api_params *p, int64_t *start_ns, int64_t *end_ns, struct err *err)
{
    int64_t now = clock_wall_ns(q->api->clock);
    enum status st = api_param_time(p, SLICE("end"), now, end_ns, err);
    *end_ns = sat_add(*end_ns, NS_S);
    if (!st)
        st = api_param_time(p, SLICE("start"), sat_sub(*end_ns, TRACE_LOOKBACK_HOURS * 3600 * NS_S), start_ns, err);
    if (!st && *start_ns >= *end_ns)
        st = err_set(err, ST_INVALID, "parameter \"start\" is behind \"end\"");
    return st;
}

enum status tempo_duration(const struct api_params *p, struct slice name, int64_t *out_ns, struct err *err)
{
    struct slice text = api_param(p, name, NULL);
    *out_ns = -1;
    if (text.len && (!duration_parse_go(text, out_ns) || *out_ns < 0))
        return err_set(err, ST_INVALID, "parameter \"%.*s\": found \"%.*s\", expected a duration such as 100ms or 1.2s", SLICE_FMT(name),
                       SLICE_FMT(text));
    return ST_OK;
}

bool tempo_wants_protobuf(struct http_exchange *x)
{
    return slice_contains(http_header(x, SLICE("Accept")), SLICE("application/protobuf"));
}

void tempo_reply_protobuf(struct http_exchange *x, struct buf *body)
{
    if (!buf_over(body)) {
        http_reply_buf(x, 200, SLICE("application/protobuf"), body);
        return;
    }
    struct err err;
    enum status st = err_set(&err, ST_LIMIT, "the answer has over %zu bytes, which is the limit", body->max);
    buf_free(body);
    api_fail_text(x, st, &err);
}

struct slice tempo_notes(struct api_query *q)
{
    struct slice notes[2] = { buf_as_slice(&q->ctx.warnings), buf_as_slice(&q->env.infos) };
    struct buf text;
    buf_init(&text, TEMPO_NOTES_BYTES_MAX);
    for (size_t i = 0; i < COUNT_OF(notes); i++)
        buf_slice(&text, notes[i]);
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.ptr[i] < ' ')
            text.ptr[i] = i + 1 < text.len ? ';' : ' ';
    struct slice line = slice_trim(arena_copy(q->arena, buf_as_slice(&text)));
    buf_free(&text);
    return line;
}

void tempo_reply_json(struct api_query *q, struct buf *body)
{
    struct slice notes = tempo_notes(q);
    if (notes.len)
        http_set_header(q->x, SLICE("X-Stoa-Warning"), arena_copy(http_arena(q->x), notes));
    api_reply_json(q->x, 200, body);
}

void tempo_put_id(struct json_writer *w, const uint8_t *id, size_t bytes)
{
    char text[TEMPO_ID_DIGITS_MAX];
    hex_encode(slice_of(id, bytes), text);
    json_string(w, slice_of(text, 2 * bytes));
}

static void put_count(struct json_writer *w, const char *key, uint64_t n)
{
    char text[NUM_TEXT_BYTES_MAX];
    json_key(w, slice_str(key));
    json_string(w, slice_of(text, num_format_u64(n, text)));
}

void tempo_put_metrics(struct json_writer *w, const struct api_query *q, size_t traces)
{
    json_key(w, SLICE("metrics"));
    json_object_begin(w);
    json_key(w, SLICE("inspectedTraces"));
    json_uint(w, traces);
    put_count(w, "inspectedBytes", q->ctx.bytes_read);
    put_count(w, "inspectedSpans", q->ctx.rows_read);
    json_key(w, SLICE("completedJobs"));
    json_uint(w, 1);
    json_key(w, SLICE("totalJobs"));
    json_uint(w, 1);
    json_object_end(w);
}

enum status tempo_scan(struct api_query *q, const struct tempo_scan *s, struct err *err)
{
    struct events_iter *it;
    struct event_block block;
    unsigned did;
    size_t rows = 0;
    bool more = true;
    struct events_query eq = { .start_ns = s->start_ns, .end_ns = s->end_ns, .kinds = SPAN_KINDS, .pred = s->pred, .want = s->want,
                               .order = ORDER_NEWEST };
    enum status st = q->api->engine->ops->events(q->api->engine, &q->ctx, &eq, &it, &did, err);
    if (st)
        return st;
    while (more && (st = it->ops->next(it, &block, err)) == ST_OK) {
        for (size_t i = 0; more && i < block.n; i++)
            more = rows++ < s->rows_max && s->see(s->arg, &block.rows[i]);
        if (arena_over(q->arena)) {
            st = err_set(err, ST_LIMIT, "the answer has over %d bytes, which is the limit", QUERY_RESULT_BYTES_MAX);
            break;
        }
    }
    it->ops->close(it);
    return st == ST_NOT_FOUND ? ST_OK : st;
}

/* ---- about itself ---- */

void tempo_echo(void *user, struct http_exchange *x)
{
    (void)user;
    http_reply(x, 200, SLICE("text/plain; charset=utf-8"), SLICE("echo"));
}

/* The version is one whose API this is: clients choose what they ask for by it. */
void tempo_buildinfo(void *user, struct http_exchange *x)
{
    struct api *api = user;
    struct slice text = arena_printf(
        http_arena(x),
        "{\"version\":\"2.7.0\",\"revision\":\"stoa-%.*s\",\"branch\":\"\",\"buildUser\":\"\",\"buildDate\":\"\",\"goVersion\":\"\"}",
        SLICE_FMT(api->revision));
    http_reply(x, 200, SLICE("application/json"), text);
}

/* ---- a trace ---- */

static enum status read_trace(struct api_query *q, struct trace_spans *spans, struct err *err)
{
    enum status st = trace_read_id(q, api_path_part(q->x, SLICE("id")), spans, err);
    if (!st)
        api_audit_note(q->x, SLICE_EMPTY, spans->count);
    return st;
}

static void answer_protobuf(struct api_query *q, const struct trace_spans *s, bool is_v2)
{
    struct buf out;
    buf_init(&out, TEMPO_ANSWER_BYTES_MAX);
    if (is_v2) {
        size_t mark = proto_nested_begin(&out, TRACE_OF_RESPONSE);
        otlp_trace_pb(&out, q->arena, s->list, s->count);
        proto_nested_end(&out, mark);
        mark = proto_nested_begin(&out, METRICS_OF_RESPONSE);
        proto_nested_end(&out, mark);
    } else {
        otlp_trace_pb(&out, q->arena, s->list, s->count);
    }
    tempo_reply_protobuf(q->x, &out);
}

static void answer_json(struct api_query *q, const struct trace_spans *s, bool is_v2)
{
    struct buf out;
    struct json_writer w;
    buf_init(&out, TEMPO_ANSWER_BYTES_MAX);
    json_writer_init(&w, &out);
    json_object_begin(&w);
    if (is_v2) {
        json_key(&w, SLICE("trace"));
        json_object_begin(&w);
    }
    json_key(&w, is_v2 ? SLICE("resourceSpans") : SLICE("batches"));
    otlp_trace_json(&w, q->arena, OTLP_JSON_BASE64, s->list, s->count);
    json_object_end(&w);
    if (is_v2) {
        json_key(&w, SLICE("metrics"));
        json_raw(&w, SLICE("{}"));
        json_object_end(&w);
    }
    api_reply_json(q->x, 200, &out);
}

static void serve_trace(struct api *api, struct http_exchange *x, bool is_v2)
{
    struct api_query q;
    struct err err;
    struct trace_spans spans = { 0 };
    if (!api_query_begin(api, x, &q))
        return;
    enum status st = read_trace(&q, &spans, &err);
    if (!st && tempo_wants_protobuf(x))
        answer_protobuf(&q, &spans, is_v2);
    else if (!st)
        answer_json(&q, &spans, is_v2);
    tempo_end(&q, st, &err);
}

void tempo_trace(void *user, struct http_exchange *x)
{
    serve_trace(user, x, false);
}

void tempo_trace_v2(void *user, struct http_exchange *x)
{
    serve_trace(user, x, true);
}
