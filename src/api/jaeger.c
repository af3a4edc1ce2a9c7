/* SPDX-License-Identifier: Apache-2.0 */
/* Jaeger's query API: services, operations, search, trace by id.
 *
 * A search finds the newest spans that fit until it has as many distinct traces as asked for, then reads those traces
 * whole, within TRACE_HOURS_MAX around the hits. */
#include "api/handlers.h"
#include "api/jaeger_json.h"
#include "base/date.h"
#include "base/map.h"
#include "base/num.h"
#include "codec/hex.h"

#include <stdlib.h>

enum { TRACES_DEFAULT = 20, TRACES_MAX = 1500, SPANS_ANSWERED_MAX = 200 * 1000, TRACE_HOURS_MAX = 24, SPAN_TAGS_MAX = 32,
       JAEGER_ANSWER_BYTES_MAX = 256 * MIB, LOOKBACK_HOURS_DEFAULT = 48 };
#define SPAN_KINDS (1u << EVENT_SPAN)

/* {"data":null,...,"errors":[{"code":400,"msg":"..."}]} */
static void fail(struct http_exchange *x, enum status st, const struct err *err)
{
    struct buf out;
    struct json_writer w;
    int code = api_http_status(st);
    buf_init(&out, 0);
    buf_printf(&out, "{\"data\":null,\"total\":0,\"limit\":0,\"offset\":0,\"errors\":[{\"code\":%d,\"msg\":", code);
    json_writer_init(&w, &out);
    json_string(&w, slice_str(err->text));
    buf_slice(&out, SLICE("}]}"));
    api_reply_json(x, code, &out);
}

static void begin_data(struct json_writer *w, struct buf *out)
{
    buf_init(out, JAEGER_ANSWER_BYTES_MAX);
    json_writer_init(w, out);
    json_object_begin(w);
    json_key(w, SLICE("data"));
    json_array_begin(w);
}

static void end_data(struct json_writer *w, size_t total)
{
    json_array_end(w);
    json_key(w, SLICE("total"));
    json_uint(w, total);
    json_key(w, SLICE("limit"));
    json_uint(w, 0);
    json_key(w, SLICE("offset"));
    json_uint(w, 0);
    json_key(w, SLICE("errors"));
    json_raw(w, SLICE("null"));
    json_object_end(w);
}

static void end_query(struct api_query *q, enum status st, const struct err *err)
{
    if (st)
        fail(q->x, st, err);
    api_query_end(q, "jaeger", st, err);
}

void jaeger_services(void *user, struct http_exchange *x)
{
    struct api_query q;
    struct name_hit *hits;
    struct err err;
    size_t n;
    if (!api_query_begin(user, x, &q))
        return;
    struct names_query nq = { .what = NAMES_SERVICES, .start_ns = 0, .end_ns = INT64_MAX, .kinds = SPAN_KINDS };
    enum status st = q.api->engine->ops->names(q.api->engine, &q.ctx, &nq, q.arena, &hits, &n, &err);
    if (!st) {
        struct buf out;
        struct json_writer w;
        begin_data(&w, &out);
        api_audit_note(x, SLICE_EMPTY, n);
        for (size_t i = 0; i < n; i++)
            json_string(&w, hits[i].value);
        end_data(&w, n);
        api_reply_json(x, 200, &out);
    }
    end_query(&q, st, &err);
}

/* ---- predicates ---- */

static struct pred *leaf(struct arena *a, enum pred_op op, enum event_column column)
{
    struct pred *p = arena_new_of(a, struct pred);
    p->op = op;
    p->column = column;
    p->scope = -1;
    return p;
}

static struct pred *text_is(struct arena *a, enum event_column column, struct slice name, struct slice text)
{
    struct pred *p = leaf(a, PRED_EQ, column);
    p->name = name;
    p->text = text;
    return p;
}

static struct pred *int_cmp(struct arena *a, enum pred_op op, enum event_column column, int64_t i)
{
    struct pred *p = leaf(a, op, column);
    p->type = FIELD_INT;
    p->i = i;
    return p;
}

struct kids {
    struct pred **list;
    size_t count, cap;
};

static struct pred *node(struct arena *a, enum pred_op op, struct kids k)
{
    struct pred *p = arena_new_of(a, struct pred);
    p->op = op;
    p->kids = k.list;
    p->kid_count = k.count;
    return p;
}

/* ---- operations ---- */

static enum status operations_of(struct api_query *q, struct slice service, struct map *seen, struct err *err)
{
    struct events_iter *it;
    unsigned did;
    int64_t now = clock_wall_ns(q->api->clock);
    struct events_query eq = { .start_ns = now - LOOKBACK_HOURS_DEFAULT * 3600 * NS_S, .end_ns = INT64_MAX, .kinds = SPAN_KINDS,
                               .want = WANT_BODY, .order = ORDER_NONE };
    if (service.len)
        eq.pred = text_is(q->arena, COL_SERVICE, SLICE_EMPTY, service);
    enum status st = q->api->engine->ops->events(q->api->engine, &q->ctx, &eq, &it, &did, err);
    if (st)
        return st;
    struct event_block block;
    while ((st = it->ops->next(it, &block, err)) == ST_OK) {
        for (size_t i = 0; i < block.n; i++) {
            const struct event *e = &block.rows[i];
            char kind = (char)e->span_kind;
            if (map_get(seen, e->body) == NULL)
                *map_put(seen, arena_copy(q->arena, e->body), NULL) = (uint64_t)kind;
        }
        if (arena_over(q->arena)) {
            st = err_set(err, ST_LIMIT, "the operations' names have over %d bytes, which is the limit of one answer", QUERY_RESULT_BYTES_MAX);
            break;
        }
    }
    it->ops->close(it);
    return st == ST_NOT_FOUND ? ST_OK : st;
}

static int by_key(const void *a, const void *b)
{
    return slice_cmp(((const struct map_entry *)a)->key, ((const struct map_entry *)b)->key);
}

static void serve_operations(struct api *api, struct http_exchange *x, struct slice service, bool with_kind)
{
    static const char *const kinds[] = { "", "internal", "server", "client", "producer", "consumer" };
    struct api_query q;
    struct map seen;
    struct err err;
    if (!api_query_begin(api, x, &q))
        return;
    map_init(&seen);
    enum status st = operations_of(&q, service, &seen, &err);
    if (!st) {
        struct buf out;
        struct json_writer w;
        struct map_entry *list = arena_array(q.arena, struct map_entry, seen.count + 1), *e;
        size_t n = 0, i = 0;
        while ((e = map_each(&seen, &i)))
            list[n++] = *e;
        qsort(list, n, sizeof *list, by_key);
        begin_data(&w, &out);
        api_audit_note(x, SLICE_EMPTY, n);
        for (i = 0; i < n; i++) {
            if (!with_kind) {
                json_string(&w, list[i].key);
                continue;
            }
            json_object_begin(&w);
            json_key(&w, SLICE("name"));
            json_string(&w, list[i].key);
            json_key(&w, SLICE("spanKind"));
            json_string(&w, slice_str(kinds[list[i].value < COUNT_OF(kinds) ? list[i].value : 0]));
            json_object_end(&w);
        }
        end_data(&w, n);
        api_reply_json(x, 200, &out);
    }
    map_free(&seen);
    end_query(&q, st, &err);
}

void jaeger_operations(void *user, struct http_exchange *x)
{
    serve_operations(user, x, api_path_part(x, SLICE("service")), false);
}

void jaeger_operations_v2(void *user, struct http_exchange *x)
{
    struct api_params p;
    struct err err;
    enum status st = api_params_read(x, &p, &err);
    if (st)
        fail(x, st, &err);
    else
        serve_operations(user, x, api_param(&p, SLICE("service"), NULL), true);
}

/* ---- traces ---- */

struct spans {
    const struct event **list;
    size_t count, cap;
};

/* Rows live only until the next block: what the answer needs is copied. */
static struct field *copy_fields(struct arena *a, const struct field *from, uint32_t count)
{
    struct field *to = arena_array(a, struct field, count + 1);
    for (uint32_t i = 0; i < count; i++) {
        to[i] = from[i];
        to[i].name = arena_copy(a, from[i].name);
        to[i].text = arena_copy(a, from[i].text);
    }
    return to;
}

static const struct event *copy_span(struct arena *a, const struct event *from)
{
    struct event *e = arena_new_of(a, struct event);
    *e = *from;
    e->body = arena_copy(a, from->body);
    e->service = arena_copy(a, from->service);
    e->status_message = arena_copy(a, from->status_message);
    e->trace_state = arena_copy(a, from->trace_state);
    e->stream = SLICE_EMPTY;
    e->fields = copy_fields(a, from->fields, from->field_count);
    e->events = arena_array(a, struct span_event, from->event_count + 1);
    for (uint32_t i = 0; i < from->event_count; i++) {
        e->events[i] = from->events[i];
        e->events[i].name = arena_copy(a, from->events[i].name);
        e->events[i].fields = copy_fields(a, from->events[i].fields, from->events[i].field_count);
    }
    e->links = arena_array(a, struct span_link, from->link_count + 1);
    for (uint32_t i = 0; i < from->link_count; i++)
        e->links[i] = from->links[i];
    return e;
}

static enum status read_spans(struct api_query *q, const struct pred *pred, int64_t start_ns, int64_t end_ns, struct spans *out, struct err *err)
{
    struct events_iter *it;
    struct event_block block;
    unsigned did;
    struct events_query eq = { .start_ns = start_ns, .end_ns = end_ns, .kinds = SPAN_KINDS, .pred = pred, .want = WANT_ALL, .order = ORDER_TIME_ASC };
    enum status st = q->api->engine->ops->events(q->api->engine, &q->ctx, &eq, &it, &did, err);
    if (st)
        return st;
    while ((st = it->ops->next(it, &block, err)) == ST_OK) {
        for (size_t i = 0; i < block.n; i++)
            ARENA_PUSH(q->arena, out->list, out->count, out->cap) = copy_span(q->arena, &block.rows[i]);
        if (out->count > SPANS_ANSWERED_MAX || arena_over(q->arena)) {
            st = err_set(err, ST_LIMIT, "the traces have over %d spans or %d bytes, which is the limit of one answer", SPANS_ANSWERED_MAX,
                         QUERY_RESULT_BYTES_MAX);
            break;
        }
    }
    it->ops->close(it);
    return st == ST_NOT_FOUND ? ST_OK : st;
}

static int by_trace(const void *a, const void *b)
{
    const struct event *x = *(const struct event *const *)a, *y = *(const struct event *const *)b;
    int order = memcmp(x->trace_id, y->trace_id, 16);
    if (order)
        return order;
    return x->time_ns < y->time_ns ? -1 : x->time_ns > y->time_ns;
}

static void answer_traces(struct api_query *q, struct spans *s)
{
    struct buf out;
    struct json_writer w;
    size_t traces = 0;
    if (s->count)
        qsort(s->list, s->count, sizeof *s->list, by_trace);
    begin_data(&w, &out);
    api_audit_note(q->x, SLICE_EMPTY, s->count);
    for (size_t i = 0, end; i < s->count; i = end) {
        for (end = i + 1; end < s->count && memcmp(s->list[i]->trace_id, s->list[end]->trace_id, 16) == 0; end++)
            ;
        jaeger_json_trace(&w, q->arena, s->list + i, end - i);
        traces++;
    }
    end_data(&w, traces);
    api_reply_json(q->x, 200, &out);
}

void jaeger_trace(void *user, struct http_exchange *x)
{
    struct api_query q;
    struct err err;
    struct spans spans = { 0 };
    uint8_t id[16] = { 0 };
    char padded[32];
    struct slice text = api_path_part(x, SLICE("id"));
    if (!api_query_begin(user, x, &q))
        return;
    enum status st = ST_OK;
    /* Leading zeros may be missing, and 64-bit ids have 16 digits. */
    memset(padded, '0', sizeof padded);
    if (text.len > 0 && text.len <= sizeof padded)
        memcpy(padded + sizeof padded - text.len, text.ptr, text.len);
    if (text.len == 0 || text.len > sizeof padded || !hex_decode(slice_of(padded, sizeof padded), id))
        st = err_set(&err, ST_INVALID, "trace id \"%.*s\" is not valid: 1 to 32 hexadecimal digits", SLICE_FMT(text));
    if (!st)
        st = read_spans(&q, text_is(q.arena, COL_TRACE_ID, SLICE_EMPTY, slice_of(id, sizeof id)), 0, INT64_MAX, &spans, &err);
    if (!st && spans.count == 0)
        st = err_set(&err, ST_NOT_FOUND, "trace not found");
    if (!st)
        answer_traces(&q, &spans);
    end_query(&q, st, &err);
}

/* ---- search ---- */

static enum status micros_param(const struct api_params *p, struct slice name, int64_t absent_ns, int64_t *out_ns, struct err *err)
{
    struct slice text = api_param(p, name, NULL);
    int64_t us;
    *out_ns = absent_ns;
    if (text.len == 0)
        return ST_OK;
    if (!num_parse_i64(text, &us))
        return err_set(err, ST_INVALID, "parameter \"%.*s\": found \"%.*s\", expected microseconds since 1970", SLICE_FMT(name), SLICE_FMT(text));
    *out_ns = sat_mul(us, 1000);
    return ST_OK;
}

static enum status add_duration(struct arena *a, const struct api_params *p, struct slice name, enum pred_op op, struct kids *k, struct err *err)
{
    struct slice text = api_param(p, name, NULL);
    int64_t ns;
    if (text.len == 0)
        return ST_OK;
    if (!duration_parse_go(text, &ns))
        return err_set(err, ST_INVALID, "parameter \"%.*s\": found \"%.*s\", expected a duration such as 100ms or 1.2s", SLICE_FMT(name),
                       SLICE_FMT(text));
    ARENA_PUSH(a, k->list, k->count, k->cap) = int_cmp(a, op, COL_DURATION, ns);
    return ST_OK;
}

/* error=true means the status, everything else is a field of any scope. */
static struct pred *tag_pred(struct arena *a, struct slice name, struct slice value)
{
    if (slice_eq(name, SLICE("error")) && slice_eq(value, SLICE("true"))) {
        struct kids either = { 0 };
        ARENA_PUSH(a, either.list, either.count, either.cap) = int_cmp(a, PRED_EQ, COL_SPAN_STATUS, 2);
        ARENA_PUSH(a, either.list, either.count, either.cap) = text_is(a, COL_FIELD, name, value);
        return node(a, PRED_OR, either);
    }
    if (slice_eq(name, SLICE("span.kind"))) {
        static const char *const kinds[] = { "unspecified", "internal", "server", "client", "producer", "consumer" };
        for (size_t i = 0; i < COUNT_OF(kinds); i++)
            if (slice_eq(value, slice_str(kinds[i])))
                return int_cmp(a, PRED_EQ, COL_SPAN_KIND, (int64_t)i);
    }
    return text_is(a, COL_FIELD, name, value);
}

/* tags={"a":"b"} and tag=a:b. */
static enum status add_tags(struct arena *a, const struct api_params *p, struct kids *k, struct err *err)
{
    struct slice names[SPAN_TAGS_MAX], values[SPAN_TAGS_MAX], text = api_param(p, SLICE("tags"), NULL);
    size_t n = 0;
    if (text.len && !json_flat_object(a, text, names, values, SPAN_TAGS_MAX, &n))
        return err_set(err, ST_INVALID, "parameter \"tags\": expected a JSON object of at most %d text values, found %.*s", SPAN_TAGS_MAX,
                       SLICE_FMT(text));
    for (size_t i = 0; i < p->count && n < SPAN_TAGS_MAX; i++)
        if (slice_eq(p->list[i].name, SLICE("tag")) && slice_cut(p->list[i].value, ':', &names[n], &values[n]))
            n++;
    for (size_t i = 0; i < n; i++)
        ARENA_PUSH(a, k->list, k->count, k->cap) = tag_pred(a, names[i], values[i]);
    return ST_OK;
}

struct search {
    struct api_params p;
    int64_t start_ns, end_ns;
    size_t limit;
    struct pred *pred;
};

static enum status search_read(struct api_query *q, struct search *s, struct err *err)
{
    struct kids k = { 0 };
    int64_t now = clock_wall_ns(q->api->clock), back = LOOKBACK_HOURS_DEFAULT * 3600 * NS_S;
    enum status st = api_params_read(q->x, &s->p, err);
    if (st)
        return st;
    struct slice service = api_param(&s->p, SLICE("service"), NULL), operation = api_param(&s->p, SLICE("operation"), NULL);
    struct slice lookback = api_param(&s->p, SLICE("lookback"), NULL);
    if (lookback.len && !slice_eq(lookback, SLICE("custom")) && (st = api_parse_duration(lookback, &back, err)))
        return st;
    if (service.len)
        ARENA_PUSH(q->arena, k.list, k.count, k.cap) = text_is(q->arena, COL_SERVICE, SLICE_EMPTY, service);
    if (operation.len && !slice_eq(operation, SLICE("all")))
        ARENA_PUSH(q->arena, k.list, k.count, k.cap) = text_is(q->arena, COL_BODY, SLICE_EMPTY, operation);
    if (!st)
        st = micros_param(&s->p, SLICE("end"), sat_add(now, 60 * NS_S), &s->end_ns, err);
    if (!st)
        st = micros_param(&s->p, SLICE("start"), sat_sub(s->end_ns, back), &s->start_ns, err);
    if (!st)
        st = add_duration(q->arena, &s->p, SLICE("minDuration"), PRED_GE, &k, err);
    if (!st)
        st = add_duration(q->arena, &s->p, SLICE("maxDuration"), PRED_LE, &k, err);
    if (!st)
        st = api_param_size(&s->p, SLICE("limit"), TRACES_DEFAULT, TRACES_MAX, &s->limit, err);
    if (!st)
        st = add_tags(q->arena, &s->p, &k, err);
    s->pred = k.count ? node(q->arena, PRED_AND, k) : NULL;
    return st;
}

/* The newest traces that fit: their ids as predicates, and the span of their hits. */
static enum status find_traces(struct api_query *q, const struct search *s, struct kids *ids, int64_t *min_ns, int64_t *max_ns, struct err *err)
{
    struct events_iter *it;
    struct event_block block;
    struct map seen;
    unsigned did;
    struct events_query eq = { .start_ns = s->start_ns, .end_ns = sat_add(s->end_ns, 1), .kinds = SPAN_KINDS, .pred = s->pred, .want = WANT_IDS,
                               .order = ORDER_TIME_DESC };
    enum status st = q->api->engine->ops->events(q->api->engine, &q->ctx, &eq, &it, &did, err);
    if (st)
        return st;
    map_init(&seen);
    while (ids->count < s->limit && (st = it->ops->next(it, &block, err)) == ST_OK) {
        for (size_t i = 0; i < block.n && ids->count < s->limit; i++) {
            const struct event *e = &block.rows[i];
            struct slice id = slice_of(e->trace_id, sizeof e->trace_id);
            if (map_get(&seen, id))
                continue;
            id = arena_copy(q->arena, id);
            *map_put(&seen, id, NULL) = 1;
            ARENA_PUSH(q->arena, ids->list, ids->count, ids->cap) = text_is(q->arena, COL_TRACE_ID, SLICE_EMPTY, id);
            *min_ns = MIN(*min_ns, e->time_ns);
            *max_ns = MAX(*max_ns, e->time_ns);
        }
    }
    map_free(&seen);
    it->ops->close(it);
    return st == ST_NOT_FOUND ? ST_OK : st;
}

void jaeger_search(void *user, struct http_exchange *x)
{
    struct api_query q;
    struct search s;
    struct err err;
    struct kids ids = { 0 };
    struct spans spans = { 0 };
    int64_t min_ns = INT64_MAX, max_ns = INT64_MIN, around = TRACE_HOURS_MAX * 3600 * NS_S;
    if (!api_query_begin(user, x, &q))
        return;
    enum status st = search_read(&q, &s, &err);
    if (!st)
        st = find_traces(&q, &s, &ids, &min_ns, &max_ns, &err);
    if (!st && ids.count)
        st = read_spans(&q, node(q.arena, PRED_OR, ids), sat_sub(min_ns, around), sat_add(max_ns, around), &spans, &err);
    if (!st)
        answer_traces(&q, &spans);
    end_query(&q, st, &err);
}
