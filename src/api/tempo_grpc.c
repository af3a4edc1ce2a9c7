/* SPDX-License-Identifier: Apache-2.0 */
/* Tempo's gRPC search, tempopb.StreamingQuerier/Search: its request becomes the parameters of the HTTP call, so both mean the same.
 * SearchRequest{ Tags=1 MinDurationMs=2 MaxDurationMs=3 Limit=4 start=5 end=6 Query=8 SpansPerSpanSet=9 }
 * SearchResponse{ traces=1 { traceID=1 rootServiceName=2 rootTraceName=3 startTimeUnixNano=4 durationMs=5 spanSets=7 serviceStats=8 } metrics=2 } */
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

static void put_span(struct buf *out, const struct event *e)
{
    char id[16];
    size_t mark = proto_nested_begin(out, 1);
    hex_encode(slice_of(e->span_id, sizeof e->span_id), id);
    proto_put_bytes(out, 1, slice_of(id, sizeof id));
    proto_put_bytes(out, 2, e->body);
    proto_put_varint(out, 3, (uint64_t)e->time_ns);
    proto_put_varint(out, 4, (uint64_t)e->duration_ns);
    proto_nested_end(out, mark);
}

static void put_span_set(struct buf *out, const struct tempo_found *f, const uint8_t id[16])
{
    size_t from, to, mark = proto_nested_begin(out, 7);
    tempo_hits_of(f, id, &from, &to);
    for (size_t i = from; i < to && i < from + f->hits_shown; i++)
        put_span(out, f->hits.list[i]);
    proto_put_varint(out, 2, to - from);
    proto_nested_end(out, mark);
}

static void put_trace(struct buf *out, struct arena *a, const struct tempo_found *f, const struct tempo_range *r)
{
    const struct event *const *spans = f->spans.list + r->from;
    struct tempo_summary m = tempo_summary_of(a, spans, r->to - r->from);
    size_t mark = proto_nested_begin(out, 1);
    proto_put_bytes(out, 1, slice_of(m.id, m.id_len));
    proto_put_bytes(out, 2, m.root_service);
    if (m.root)
        proto_put_bytes(out, 3, m.root->body);
    proto_put_varint(out, 4, (uint64_t)m.start_ns);
    proto_put_varint(out, 5, (uint64_t)(sat_sub(m.end_ns, m.start_ns) / NS_MS));
    if (f->with_hits)
        put_span_set(out, f, spans[0]->trace_id);
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

void tempo_grpc_found(struct api_query *q, const struct tempo_found *f, struct buf *out)
{
    for (size_t i = 0; i < f->trace_count; i++)
        put_trace(out, q->arena, f, &f->traces[i]);
    size_t mark = proto_nested_begin(out, 2);
    proto_put_varint(out, 1, f->trace_count);
    proto_put_varint(out, 2, q->ctx.bytes_read);
    proto_put_varint(out, 4, 1); /* jobs done, of */
    proto_put_varint(out, 5, 1);
    proto_nested_end(out, mark);
}
