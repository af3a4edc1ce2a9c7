/* SPDX-License-Identifier: Apache-2.0 */
/* Zipkin's first model, as JSON and as a list in Thrift's binary protocol, which its clients before 2018 post to /api/v1/spans.
 * https://github.com/openzipkin/zipkin-api: zipkin-api.yaml and thrift/zipkinCore.thrift.
 *
 * Its spans are told in the second model (zipkin_v1_spans.c), whose own reader takes them from there. */
#include "ingest/zipkin_v1.h"

#include "base/num.h"
#include "codec/hex.h"
#include "ingest/thrift.h"
#include "ingest/zipkin_json.h"

#include <arpa/inet.h>

enum { ZIPKIN1_TEXT_BYTES_MAX = 256 * MIB /* of a request told in the second model */, ID_DIGITS = 16 };

/* ---- JSON ---- */

static void json_endpoint(struct jread *j, struct zipkin1_endpoint *e)
{
    struct slice key;
    if (jread_peek(j) == JREAD_NULL) {
        jread_skip(j);
        return;
    }
    if (!jread_object(j))
        return;
    e->is_there = true;
    while (jread_key(j, &key)) {
        if (slice_eq(key, SLICE("serviceName")))
            e->service = zipkin_json_text(j);
        else if (slice_eq(key, SLICE("ipv4")))
            e->ipv4 = zipkin_json_text(j);
        else if (slice_eq(key, SLICE("ipv6")))
            e->ipv6 = zipkin_json_text(j);
        else if (slice_eq(key, SLICE("port")))
            e->port = zipkin_json_number(j);
        else
            jread_skip(j);
    }
}

static struct zipkin1_note json_note(struct jread *j)
{
    struct zipkin1_note n = { .us = 0 };
    struct slice key;
    if (!jread_object(j))
        return n;
    while (jread_key(j, &key)) {
        if (slice_eq(key, SLICE("timestamp")))
            n.us = zipkin_json_number(j);
        else if (slice_eq(key, SLICE("key")))
            n.key = zipkin_json_text(j);
        else if (slice_eq(key, SLICE("value")))
            n.value = zipkin_json_text(j);
        else if (slice_eq(key, SLICE("endpoint")))
            json_endpoint(j, &n.at);
        else
            jread_skip(j);
    }
    return n;
}

static void json_notes(struct jread *j, struct arena *a, struct zipkin1_note **list, size_t *count, size_t *cap)
{
    if (jread_peek(j) == JREAD_NULL) {
        jread_skip(j);
        return;
    }
    if (!jread_array(j))
        return;
    while (jread_item(j)) {
        struct zipkin1_note n = json_note(j);
        ARENA_PUSH(a, *list, *count, *cap) = n;
    }
}

static void json_span(struct jread *j, struct arena *a, struct zipkin1_span *s)
{
    struct slice key;
    if (!jread_object(j))
        return;
    while (jread_key(j, &key)) {
        if (slice_eq(key, SLICE("traceId")))
            s->trace_id = zipkin_json_text(j);
        else if (slice_eq(key, SLICE("id")))
            s->id = zipkin_json_text(j);
        else if (slice_eq(key, SLICE("parentId")))
            s->parent_id = zipkin_json_text(j);
        else if (slice_eq(key, SLICE("name")))
            s->name = zipkin_json_text(j);
        else if (slice_eq(key, SLICE("timestamp")))
            s->us = zipkin_json_number(j);
        else if (slice_eq(key, SLICE("duration")))
            s->duration_us = zipkin_json_number(j);
        else if (slice_eq(key, SLICE("debug")))
            s->is_debug = slice_eq(zipkin_json_text(j), SLICE("true"));
        else if (slice_eq(key, SLICE("annotations")))
            json_notes(j, a, &s->notes, &s->note_count, &s->note_cap);
        else if (slice_eq(key, SLICE("binaryAnnotations")))
            json_notes(j, a, &s->tags, &s->tag_count, &s->tag_cap);
        else
            jread_skip(j);
    }
}

static enum status json_spans(struct slice body, struct arena *a, struct json_writer *w, struct err *err)
{
    struct jread j = jread_of(body, a, err);
    if (jread_array(&j))
        while (jread_item(&j)) {
            struct zipkin1_span s = { .us = 0 };
            json_span(&j, a, &s);
            if (!j.bad)
                zipkin1_write(w, &s);
        }
    if (jread_end(&j))
        return ST_OK;
    err_prefix(err, "zipkin: the body is no list of spans of the first model: ");
    return ST_INVALID;
}

/* ---- Thrift ---- */

static struct slice ip_text(struct arena *a, int family, const void *bytes)
{
    char text[INET6_ADDRSTRLEN];
    return inet_ntop(family, bytes, text, sizeof text) ? arena_copy(a, slice_str(text)) : SLICE_EMPTY;
}

static void thrift_endpoint(struct thrift *t, struct arena *a, struct zipkin1_endpoint *e)
{
    e->is_there = true;
    while (thrift_next(t)) {
        if (thrift_is(t, 1, THRIFT_I32)) {
            uint32_t ip = htonl((uint32_t)thrift_number(t, 4));
            e->ipv4 = ip ? ip_text(a, AF_INET, &ip) : SLICE_EMPTY;
        } else if (thrift_is(t, 2, THRIFT_I16)) {
            e->port = thrift_number(t, 2);
        } else if (thrift_is(t, 3, THRIFT_STRING)) {
            e->service = thrift_text(t);
        } else if (thrift_is(t, 4, THRIFT_STRING)) {
            struct slice ip = thrift_text(t);
            e->ipv6 = ip.len == sizeof(struct in6_addr) ? ip_text(a, AF_INET6, ip.ptr) : SLICE_EMPTY;
        } else {
            thrift_pass(t);
        }
    }
}

static void thrift_notes(struct thrift *t, struct arena *a, struct zipkin1_span *s)
{
    for (uint32_t n = thrift_structs(t); n && !t->r.bad; n--) {
        struct zipkin1_note note = { .us = 0 };
        while (thrift_next(t)) {
            if (thrift_is(t, 1, THRIFT_I64))
                note.us = thrift_number(t, 8);
            else if (thrift_is(t, 2, THRIFT_STRING))
                note.value = thrift_text(t);
            else if (thrift_is(t, 3, THRIFT_STRUCT))
                thrift_endpoint(t, a, &note.at);
            else
                thrift_pass(t);
        }
        ARENA_PUSH(a, s->notes, s->note_count, s->note_cap) = note;
    }
}

enum value_type { VALUE_BOOL = 0, VALUE_BYTES = 1, VALUE_I16 = 2, VALUE_I32 = 3, VALUE_I64 = 4, VALUE_DOUBLE = 5, VALUE_STRING = 6 };

static struct slice encoded(struct arena *a, struct slice bytes)
{
    struct buf text;
    buf_init(&text, 0); /* four thirds of a part of the body */
    base64_encode(bytes, &text);
    struct slice out = arena_copy(a, buf_as_slice(&text));
    buf_free(&text);
    return out;
}

/* Numbers come as their bytes, the highest first; some clients send more bytes than that, behind it. */
static struct slice value_text(struct arena *a, struct slice value, uint64_t type)
{
    static const uint8_t sizes[] = { [VALUE_BOOL] = 1, [VALUE_I16] = 2, [VALUE_I32] = 4, [VALUE_I64] = 8, [VALUE_DOUBLE] = 8 };
    char text[NUM_TEXT_BYTES_MAX];
    if (type >= COUNT_OF(sizes))
        return value;
    if (sizes[type] == 0 || value.len < sizes[type])
        return encoded(a, value);
    struct thrift t = thrift_of(value);
    uint64_t raw = thrift_number(&t, sizes[type]);
    double d;
    memcpy(&d, &raw, sizeof d);
    if (type == VALUE_BOOL)
        return raw ? SLICE("true") : SLICE("false");
    if (type == VALUE_DOUBLE)
        return arena_copy(a, slice_of(text, num_format_short(d, text)));
    int64_t i = type == VALUE_I16 ? (int16_t)raw : type == VALUE_I32 ? (int32_t)raw : (int64_t)raw;
    return arena_copy(a, slice_of(text, num_format_i64(i, text)));
}

static void thrift_tags(struct thrift *t, struct arena *a, struct zipkin1_span *s)
{
    for (uint32_t n = thrift_structs(t); n && !t->r.bad; n--) {
        struct zipkin1_note tag = { .us = 0 };
        uint64_t type = VALUE_STRING;
        while (thrift_next(t)) {
            if (thrift_is(t, 1, THRIFT_STRING))
                tag.key = thrift_text(t);
            else if (thrift_is(t, 2, THRIFT_STRING))
                tag.value = thrift_text(t);
            else if (thrift_is(t, 3, THRIFT_I32))
                type = thrift_number(t, 4);
            else if (thrift_is(t, 4, THRIFT_STRUCT))
                thrift_endpoint(t, a, &tag.at);
            else
                thrift_pass(t);
        }
        tag.value = value_text(a, tag.value, type);
        ARENA_PUSH(a, s->tags, s->tag_count, s->tag_cap) = tag;
    }
}

/* Empty of 0. */
static struct slice id_text(struct arena *a, uint64_t high, uint64_t low)
{
    if (high)
        return arena_printf(a, "%0*llx%0*llx", ID_DIGITS, (unsigned long long)high, ID_DIGITS, (unsigned long long)low);
    return low ? arena_printf(a, "%0*llx", ID_DIGITS, (unsigned long long)low) : SLICE_EMPTY;
}

static uint64_t not_negative(uint64_t v)
{
    return v > INT64_MAX ? 0 : v;
}

static void thrift_span(struct thrift *t, struct arena *a, struct zipkin1_span *s)
{
    uint64_t trace = 0, trace_high = 0;
    while (thrift_next(t)) {
        if (thrift_is(t, 1, THRIFT_I64))
            trace = thrift_number(t, 8);
        else if (thrift_is(t, 3, THRIFT_STRING))
            s->name = thrift_text(t);
        else if (thrift_is(t, 4, THRIFT_I64))
            s->id = id_text(a, 0, thrift_number(t, 8));
        else if (thrift_is(t, 5, THRIFT_I64))
            s->parent_id = id_text(a, 0, thrift_number(t, 8));
        else if (thrift_is(t, 6, THRIFT_LIST))
            thrift_notes(t, a, s);
        else if (thrift_is(t, 8, THRIFT_LIST))
            thrift_tags(t, a, s);
        else if (thrift_is(t, 9, THRIFT_BOOL))
            s->is_debug = thrift_number(t, 1) != 0;
        else if (thrift_is(t, 10, THRIFT_I64))
            s->us = not_negative(thrift_number(t, 8));
        else if (thrift_is(t, 11, THRIFT_I64))
            s->duration_us = not_negative(thrift_number(t, 8));
        else if (thrift_is(t, 12, THRIFT_I64))
            trace_high = thrift_number(t, 8);
        else
            thrift_pass(t);
    }
    s->trace_id = id_text(a, trace_high, trace);
}

static enum status thrift_spans(struct slice body, struct arena *a, struct json_writer *w, struct err *err)
{
    struct thrift t = thrift_of(body);
    do {
        for (uint32_t n = thrift_structs(&t); n && !t.r.bad; n--) {
            struct zipkin1_span s = { .us = 0 };
            thrift_span(&t, a, &s);
            if (!t.r.bad)
                zipkin1_write(w, &s);
        }
    } while (!t.r.bad && reader_left(&t.r)); /* more lists may stand behind the first */
    return t.r.bad ? err_set(err, ST_INVALID, "zipkin: the body is no list of spans in Thrift's binary protocol") : ST_OK;
}

enum status zipkin_v1_decode(const struct ingest_ctx *ctx, struct slice body, struct batch *out, struct ingest_result *result, struct err *err)
{
    struct ingest_ctx as_text = *ctx;
    struct buf text;
    struct json_writer w;
    bool is_thrift = slice_contains(ingest_header(ctx, SLICE("content-type")), SLICE("thrift")) || (body.len && body.ptr[0] == THRIFT_STRUCT);
    buf_init(&text, ZIPKIN1_TEXT_BYTES_MAX);
    json_writer_init(&w, &text);
    json_array_begin(&w);
    enum status st = is_thrift ? thrift_spans(body, out->arena, &w, err) : json_spans(body, out->arena, &w, err);
    json_array_end(&w);
    if (!st && buf_over(&text))
        st = err_set(err, ST_LIMIT, "zipkin: the spans take over %d bytes in the second model; send them in parts", ZIPKIN1_TEXT_BYTES_MAX);
    if (!st)
        st = ingest_check(out, err);
    as_text.header_count = 0; /* the body's, not the text's */
    if (!st)
        st = zipkin_decode(&as_text, arena_copy(out->arena, buf_as_slice(&text)), out, result, err);
    buf_free(&text);
    return st;
}
