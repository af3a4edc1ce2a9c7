/* SPDX-License-Identifier: Apache-2.0 */
/* ReadRequest{ queries = 1 { start = 1, end = 2, matchers = 3 { type = 1, name = 2, value = 3 }, hints = 4 { func = 2 } },
 * accepted_response_types = 2 }. Hints are read for the query log alone: samples come as they are stored. */
#include "ingest/prom_read_request.h"

#include "codec/proto.h"
#include "model/labels.h"

enum response_type { RESPONSE_SAMPLES = 0, RESPONSE_STREAMED = 1 };

struct reading {
    struct arena *a;
    struct slice external;
    struct prom_read_request *out;
};

static enum status malformed(struct err *err)
{
    return err_set(err, ST_INVALID, "remote read: the body is no ReadRequest");
}

static enum status read_matcher(struct reading *r, struct slice bytes, struct prom_read_query *to, struct err *err)
{
    struct proto_field f;
    struct slice name = SLICE_EMPTY, value = SLICE_EMPTY;
    uint64_t type = 0;
    bool bad = false;
    while (proto_next(&bytes, &f, &bad)) {
        if (f.number == 1 && f.wire == WIRE_VARINT)
            type = f.value;
        if (f.number == 2 && f.wire == WIRE_BYTES)
            name = f.bytes;
        if (f.number == 3 && f.wire == WIRE_BYTES)
            value = f.bytes;
    }
    if (bad)
        return malformed(err);
    if (type > MATCH_NRE)
        return err_set(err, ST_INVALID, "remote read: matcher type %llu is unknown; allowed: 0 to 3", (unsigned long long)type);
    if (to->matcher_count == SELECTOR_MATCHERS_MAX)
        return err_set(err, ST_LIMIT, "remote read: more than %d matchers in a query", SELECTOR_MATCHERS_MAX);
    if (r->out->matcher_count++ == READ_MATCHERS_MAX)
        return err_set(err, ST_LIMIT, "remote read: more than %d matchers in a request", READ_MATCHERS_MAX);
    if (type == MATCH_EQ && value.len && slice_eq(labels_get(r->external, name), value))
        value = SLICE_EMPTY;
    struct matcher m;
    enum status st = matcher_init(&m, (enum match_op)type, name, value, err);
    if (!st)
        ARENA_PUSH(r->a, to->matchers, to->matcher_count, to->matcher_cap) = m;
    return st;
}

static enum status read_hints(struct reading *r, struct slice bytes, struct err *err)
{
    struct proto_field f;
    bool bad = false;
    while (proto_next(&bytes, &f, &bad))
        if (f.number == 2 && f.wire == WIRE_BYTES && r->out->func.len == 0)
            r->out->func = f.bytes;
    return bad ? malformed(err) : ST_OK;
}

static enum status read_query(struct reading *r, struct slice bytes, struct err *err)
{
    struct proto_field f;
    bool bad = false;
    enum status st = ST_OK;
    if (r->out->count == READ_QUERIES_MAX)
        return err_set(err, ST_LIMIT, "remote read: more than %d queries in a request", READ_QUERIES_MAX);
    struct prom_read_query *to = &r->out->queries[r->out->count++];
    while (!st && proto_next(&bytes, &f, &bad)) {
        if (f.number == 1 && f.wire == WIRE_VARINT)
            to->start_ms = (int64_t)f.value;
        if (f.number == 2 && f.wire == WIRE_VARINT)
            to->end_ms = (int64_t)f.value;
        if (f.number == 3 && f.wire == WIRE_BYTES)
            st = read_matcher(r, f.bytes, to, err);
        if (f.number == 4 && f.wire == WIRE_BYTES)
            st = read_hints(r, f.bytes, err);
    }
    return st ? st : bad ? malformed(err) : ST_OK;
}

/* The client's order is its preference; what it lists and nobody knows is passed over. */
static bool accept_type(struct reading *r, const struct proto_field *f, bool *is_chosen)
{
    uint64_t type = f->value;
    struct slice rest = f->bytes;
    bool bad = false;
    bool more = f->wire == WIRE_BYTES ? proto_packed_varint(&rest, &type, &bad) : true;
    while (more) {
        if (!*is_chosen && (type == RESPONSE_SAMPLES || type == RESPONSE_STREAMED)) {
            *is_chosen = true;
            r->out->is_streamed = type == RESPONSE_STREAMED;
        }
        more = f->wire == WIRE_BYTES && proto_packed_varint(&rest, &type, &bad);
    }
    return !bad;
}

enum status prom_read_request_parse(struct arena *a, struct slice external, struct slice bytes, struct prom_read_request *out, struct err *err)
{
    struct reading reading = { a, external, out }, *r = &reading;
    struct proto_field f;
    bool bad = false, is_chosen = false, asks = false;
    enum status st = ST_OK;
    *out = (struct prom_read_request){ .func = SLICE_EMPTY };
    while (!st && proto_next(&bytes, &f, &bad)) {
        if (f.number == 1 && f.wire == WIRE_BYTES)
            st = read_query(r, f.bytes, err);
        if (f.number == 2 && (f.wire == WIRE_VARINT || f.wire == WIRE_BYTES)) {
            asks = true;
            if (!accept_type(r, &f, &is_chosen))
                return malformed(err);
        }
    }
    if (!st && bad)
        return malformed(err);
    if (!st && asks && !is_chosen)
        return err_set(err, ST_INVALID, "remote read: none of the accepted response types is known; known: SAMPLES, STREAMED_XOR_CHUNKS");
    return st;
}

void prom_read_request_end(struct prom_read_request *r)
{
    for (size_t i = 0; i < r->count; i++)
        for (size_t k = 0; k < r->queries[i].matcher_count; k++)
            matcher_destroy(&r->queries[i].matchers[k]);
    r->count = 0;
}
