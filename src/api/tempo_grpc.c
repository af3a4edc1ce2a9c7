/* SPDX-License-Identifier: Apache-2.0 */
/* Tempo's gRPC search, tempopb.StreamingQuerier/Search: its request becomes the parameters of the HTTP call, so both mean the same.
 * SearchRequest{ Tags=1 MinDurationMs=2 MaxDurationMs=3 Limit=4 start=5 end=6 Query=8 SpansPerSpanSet=9 }
 * SearchResponse{ traces=1 { traceID=1 rootServiceName=2 rootTraceName=3 startTimeUnixNano=4 durationMs=5 spanSet=6 spanSets=7 serviceStats=8 }
 * metrics=2 }, SpanSet{ spans=1 { spanID=1 name=2 startTimeUnixNano=3 durationNanos=4 attributes=5 } matched=2 attributes=3 } */
#include "api/otlp_trace_pb.h"
#include "api/tempo.h"
#include "base/num.h"
#include "codec/hex.h"
#include "codec/logfmt.h"
#include "codec/proto.h"

enum { REQUEST_TAGS = 1, TAGS_BYTES_MAX = 64 * KIB };

static enum status add(struct api_params *p, struct slice name, struct slice value, struct err *err)
{
    if (p->count == API_PARAMS_MAX)
        return err_set(err, ST_LIMIT, "the SearchRequest has over %d fields", API_PARAMS_MAX);
    p->list[p->count].name = name;
    p->list[p->count++].value = value;
    return ST_OK;
}

/* An entry of the map, as logfmt. */
static void add_tag(struct buf *tags, struct slice entry, bool *bad)
{
    struct proto_field f;
    struct slice key = SLICE_EMPTY, value = SLICE_EMPTY;
    while (proto_next(&entry, &f, bad))
        if (f.wire == WIRE_BYTES)
            *(f.number == 1 ? &key : &value) = f.bytes;
    if (key.len)
        logfmt_put(tags, key, value);
}

enum status tempo_grpc_params(struct arena *a, struct slice message, struct api_params *out, struct err *err)
{
    static const struct {
        uint32_t number;
        const char *name, *unit;
    } numbers[] = { { 2, "minDuration", "ms" }, { 3, "maxDuration", "ms" }, { 4, "limit", "" }, { 5, "start", "" }, { 6, "end", "" },
                    { 9, "spss", "" } };
    struct proto_field f;
    struct buf tags;
    bool bad = false;
    enum status st = ST_OK;
    buf_init(&tags, TAGS_BYTES_MAX);
    out->count = 0;
    while (!st && proto_next(&message, &f, &bad)) {
        if (f.number == REQUEST_TAGS && f.wire == WIRE_BYTES)
            add_tag(&tags, f.bytes, &bad);
        if (f.number == 8 && f.wire == WIRE_BYTES && f.bytes.len)
            st = add(out, SLICE("q"), arena_copy(a, f.bytes), err);
        for (size_t i = 0; !st && i < COUNT_OF(numbers); i++)
            if (f.number == numbers[i].number && f.wire == WIRE_VARINT && f.value)
                st = add(out, slice_str(numbers[i].name), arena_printf(a, "%llu%s", (unsigned long long)f.value, numbers[i].unit), err);
    }
    if (!st && bad)
        st = err_set(err, ST_INVALID, "the message is no SearchRequest");
    if (!st && buf_over(&tags))
        st = err_set(err, ST_LIMIT, "the tags have over %d bytes", TAGS_BYTES_MAX);
    if (!st && tags.len)
        st = add(out, SLICE("tags"), arena_copy(a, buf_as_slice(&tags)), err);
    buf_free(&tags);
    return st;
}

struct found_writer {
    struct buf *out;
    struct json_parser *parser;
    struct arena *a;
    const struct tempo_found *f;
};

static void put_attribute(struct found_writer *x, uint32_t number, struct slice name, const struct tql_value *v)
{
    struct field f = tempo_field_of(x->a, name, v);
    otlp_trace_pb_attribute(x->out, number, x->parser, &f);
}

static void put_span(struct found_writer *x, const struct tql_trace *t, uint32_t span)
{
    char id[16];
    const struct event *e = t->spans[span].e;
    const struct traceql_found *query = x->f->query;
    size_t mark = proto_nested_begin(x->out, 1);
    hex_encode(slice_of(e->span_id, sizeof e->span_id), id);
    proto_put_bytes(x->out, 1, slice_of(id, sizeof id));
    proto_put_bytes(x->out, 2, e->body);
    proto_put_varint(x->out, 3, (uint64_t)e->time_ns);
    proto_put_varint(x->out, 4, (uint64_t)e->duration_ns);
    for (size_t i = 0; i < query->shown_count; i++) {
        struct tql_value v = tempo_is_told(query->shown[i]) ? (struct tql_value){ .type = TQL_NIL } : tql_expr_value(query->shown[i], t, span, x->a);
        if (v.type != TQL_NIL)
            put_attribute(x, 5, tempo_shown_name(x->a, query->shown[i]), &v);
    }
    proto_nested_end(x->out, mark);
}

static void put_span_set(struct found_writer *x, uint32_t number, const struct tql_trace *t, const struct tql_set *set)
{
    size_t mark = proto_nested_begin(x->out, number);
    for (size_t i = 0; i < set->count && i < x->f->hits_shown; i++)
        put_span(x, t, set->spans[i]);
    proto_put_varint(x->out, 2, set->count);
    for (size_t i = 0; i < set->attr_count; i++)
        put_attribute(x, 3, set->attrs[i].name, &set->attrs[i].value);
    proto_nested_end(x->out, mark);
}

static void put_trace(struct found_writer *x, const struct tempo_trace *t)
{
    struct buf *out = x->out;
    struct tempo_summary m = tempo_summary_of(x->a, t->spans, t->count);
    size_t mark = proto_nested_begin(out, 1);
    proto_put_bytes(out, 1, slice_of(m.id, m.id_len));
    proto_put_bytes(out, 2, m.root_service);
    if (m.root)
        proto_put_bytes(out, 3, m.root->body);
    proto_put_varint(out, 4, (uint64_t)m.start_ns);
    proto_put_varint(out, 5, (uint64_t)(sat_sub(m.end_ns, m.start_ns) / NS_MS));
    if (t->hit)
        put_span_set(x, 6, t->hit->trace, &t->hit->sets[0]);
    for (size_t i = 0; t->hit && i < t->hit->set_count; i++)
        put_span_set(x, 7, t->hit->trace, &t->hit->sets[i]);
    for (size_t i = 0; i < m.service_count; i++) {
        size_t entry = proto_nested_begin(out, 8);
        proto_put_bytes(out, 1, m.services[i].name);
        size_t stats = proto_nested_begin(out, 2);
        proto_put_varint(out, 1, m.services[i].spans);
        proto_put_varint(out, 2, m.services[i].errors);
        proto_nested_end(out, stats);
        proto_nested_end(out, entry);
    }
    proto_nested_end(out, mark);
}

void tempo_grpc_found(struct api_query *q, const struct tempo_found *f, bool is_last, struct buf *out)
{
    struct found_writer x = { out, json_parser_new(), q->arena, f };
    for (size_t i = 0; i < f->trace_count; i++)
        put_trace(&x, &f->traces[i]);
    json_parser_free(x.parser);
    size_t mark = proto_nested_begin(out, 2);
    proto_put_varint(out, 1, f->inspected);
    proto_put_varint(out, 2, q->ctx.bytes_read);
    proto_put_varint(out, 4, is_last); /* jobs done, of */
    proto_put_varint(out, 5, 1);
    proto_nested_end(out, mark);
}
