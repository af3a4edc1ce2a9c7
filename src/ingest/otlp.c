/* SPDX-License-Identifier: Apache-2.0 */
/* OTLP's shared messages: KeyValue{key=1, value=2}, AnyValue{string=1 bool=2 int=3 double=4 array=5 kvlist=6 bytes=7},
 * Resource{attributes=1}, InstrumentationScope{name=1 version=2 attributes=3}.
 *
 * Fields of a resource and its scope are read once; rows copy the list of slices, not the bytes. */
#include "ingest/otlp.h"

#include <math.h>

#include "base/num.h"
#include "base/utf8.h"
#include "codec/hex.h"
#include "codec/json.h"
#include "codec/proto.h"

enum any_field { ANY_STRING = 1, ANY_BOOL, ANY_INT, ANY_DOUBLE, ANY_ARRAY, ANY_KVLIST, ANY_BYTES };

/* ---- values as JSON ---- */

static void put_string(struct buf *out, struct slice s)
{
    struct json_writer w;
    json_writer_init(&w, out);
    json_string(&w, s);
}

/* In lists and maps a double stays one: "1.0" is no integer. */
static void put_double(struct buf *out, double v, bool nested)
{
    char text[NUM_TEXT_BYTES_MAX];
    struct slice s = slice_of(text, num_format_short(v, text));
    if (!isfinite(v)) {
        put_string(out, s);
        return;
    }
    buf_slice(out, s);
    if (nested && slice_find_char(s, '.', 0) == SIZE_MAX && slice_find_char(s, 'e', 0) == SIZE_MAX)
        buf_slice(out, SLICE(".0"));
}

/* The set member of an AnyValue: the last one wins, as protobuf has it. */
static struct pb any_member(struct slice any)
{
    struct pb p = pb_of(any), last = { 0 };
    while (pb_next(&p))
        if (p.field >= ANY_STRING && p.field <= ANY_BYTES)
            last = p;
    return last;
}

static void put_any(struct buf *out, struct slice any, int depth);

static void put_array(struct buf *out, struct slice list, int depth)
{
    struct pb p = pb_of(list);
    const char *comma = "";
    buf_char(out, '[');
    while (pb_next(&p))
        if (p.field == 1) {
            buf_slice(out, slice_str(comma));
            put_any(out, p.bytes, depth + 1);
            comma = ",";
        }
    buf_char(out, ']');
}

static void put_map(struct buf *out, struct slice map, int depth)
{
    struct pb p = pb_of(map);
    const char *comma = "";
    buf_char(out, '{');
    while (pb_next(&p)) {
        struct slice key = SLICE_EMPTY, value = SLICE_EMPTY;
        struct pb kv = pb_of(p.bytes);
        if (p.field != 1)
            continue;
        while (pb_next(&kv))
            *(kv.field == 1 ? &key : &value) = kv.bytes;
        buf_slice(out, slice_str(comma));
        put_string(out, key);
        buf_char(out, ':');
        put_any(out, value, depth + 1);
        comma = ",";
    }
    buf_char(out, '}');
}

static void put_any(struct buf *out, struct slice any, int depth)
{
    char text[NUM_TEXT_BYTES_MAX];
    struct pb m = any_member(any);
    if (depth > OTLP_NESTING_MAX) {
        buf_slice(out, SLICE("null"));
        return;
    }
    switch (m.field) {
    case ANY_STRING:
        put_string(out, m.bytes);
        break;
    case ANY_BOOL:
        buf_slice(out, m.value ? SLICE("true") : SLICE("false"));
        break;
    case ANY_INT:
        buf_put(out, text, num_format_i64((int64_t)m.value, text));
        break;
    case ANY_DOUBLE:
        put_double(out, pb_double(&m), depth > 0);
        break;
    case ANY_ARRAY:
        put_array(out, m.bytes, depth);
        break;
    case ANY_KVLIST:
        put_map(out, m.bytes, depth);
        break;
    case ANY_BYTES:
        buf_char(out, '"');
        base64_encode(m.bytes, out);
        buf_char(out, '"');
        break;
    default:
        buf_slice(out, SLICE("null"));
    }
}

static struct slice any_json(struct arena *a, struct slice any)
{
    struct buf b;
    buf_init(&b, 0); /* at most six times the input, which is limited */
    put_any(&b, any, 0);
    struct slice text = arena_copy(a, buf_as_slice(&b));
    buf_free(&b);
    return text;
}

struct slice otlp_any_text(struct arena *a, struct slice any)
{
    struct pb m = any_member(any);
    if (m.field == ANY_STRING)
        return m.bytes;
    return m.field == 0 ? SLICE_EMPTY : any_json(a, any);
}

/* ---- attributes ---- */

static void field_of_any(struct arena *a, struct slice any, struct field *f)
{
    struct pb m = any_member(any);
    f->text = SLICE_EMPTY;
    f->type = FIELD_STRING;
    switch (m.field) {
    case ANY_STRING:
        f->text = m.bytes;
        break;
    case ANY_BOOL:
        f->type = FIELD_BOOL;
        f->i = m.value != 0;
        break;
    case ANY_INT:
        f->type = FIELD_INT;
        f->i = (int64_t)m.value;
        break;
    case ANY_DOUBLE:
        f->type = FIELD_DOUBLE;
        f->d = pb_double(&m);
        break;
    case ANY_ARRAY:
    case ANY_KVLIST:
        f->type = FIELD_JSON;
        f->text = any_json(a, any);
        break;
    case ANY_BYTES:
        f->type = FIELD_BYTES;
        f->text = m.bytes;
        break;
    }
}

bool otlp_attribute(struct arena *a, struct slice key_value, enum field_scope scope, struct field_list *out)
{
    struct pb p = pb_of(key_value);
    struct slice key = SLICE_EMPTY, value = SLICE_EMPTY;
    while (pb_next(&p)) {
        if (p.field == 1)
            key = p.bytes;
        else if (p.field == 2)
            value = p.bytes;
    }
    if (p.bad || key.len == 0)
        return false;
    struct field *f = &ARENA_PUSH(a, out->items, out->count, out->cap);
    *f = (struct field){ .scope = (uint8_t)scope, .name = key };
    field_of_any(a, value, f);
    return true;
}

bool otlp_attributes(struct arena *a, struct slice message, uint32_t number, enum field_scope scope, struct field_list *out)
{
    struct pb p = pb_of(message);
    bool ok = true;
    while (pb_next(&p))
        if (p.field == number)
            ok = otlp_attribute(a, p.bytes, scope, out) && ok;
    return ok && !p.bad;
}

struct slice otlp_message_in(struct slice message, uint32_t number)
{
    struct pb p = pb_of(message);
    struct slice found = SLICE_EMPTY;
    while (pb_next(&p))
        if (p.field == number)
            found = p.bytes;
    return found;
}

static struct slice attribute_text(struct arena *a, const struct field_list *list, struct slice name)
{
    for (size_t i = 0; i < list->count; i++)
        if (slice_eq(list->items[i].name, name))
            return field_text(a, &list->items[i]);
    return SLICE_EMPTY;
}

bool otlp_resource_read(struct arena *a, struct slice resource_message, struct otlp_resource *out)
{
    *out = (struct otlp_resource){ .service = SLICE_EMPTY };
    bool ok = otlp_attributes(a, otlp_message_in(resource_message, 1), 1, SCOPE_RESOURCE, &out->fields);
    out->service = attribute_text(a, &out->fields, SLICE("service.name"));
    out->service_namespace = attribute_text(a, &out->fields, SLICE("service.namespace"));
    out->instance = attribute_text(a, &out->fields, SLICE("service.instance.id"));
    return ok;
}

bool otlp_scope_read(struct arena *a, struct slice scope_message, const struct otlp_resource *resource, struct otlp_resource *out)
{
    struct slice scope = otlp_message_in(scope_message, 1);
    struct slice names[] = { otlp_message_in(scope, 1), otlp_message_in(scope, 2) };
    const struct slice keys[] = { EVENT_SCOPE_NAME, EVENT_SCOPE_VERSION };
    *out = *resource;
    out->fields = (struct field_list){ 0 };
    for (size_t i = 0; i < resource->fields.count; i++)
        ARENA_PUSH(a, out->fields.items, out->fields.count, out->fields.cap) = resource->fields.items[i];
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (names[i].len)
            ARENA_PUSH(a, out->fields.items, out->fields.count, out->fields.cap) =
                (struct field){ .scope = SCOPE_INSTRUMENTATION, .type = FIELD_STRING, .name = keys[i], .text = names[i] };
    return otlp_attributes(a, scope, 3, SCOPE_INSTRUMENTATION, &out->fields);
}

size_t otlp_count(struct slice message, uint32_t outer, uint32_t inner)
{
    size_t n = 0;
    struct pb p = pb_of(message);
    while (pb_next(&p)) {
        if (p.field != outer)
            continue;
        struct pb q = pb_of(p.bytes);
        while (pb_next(&q))
            n += q.field == inner;
    }
    return n;
}

bool otlp_id(struct slice bytes, uint8_t *out, size_t n)
{
    uint8_t any = 0;
    memset(out, 0, n);
    if (bytes.len != n)
        return false;
    memcpy(out, bytes.ptr, n);
    for (size_t i = 0; i < n; i++)
        any |= out[i];
    return any != 0;
}

int64_t otlp_time(uint64_t ns)
{
    return ns > INT64_MAX ? INT64_MAX : (int64_t)ns;
}

enum status otlp_body(const struct ingest_ctx *ctx, enum otlp_signal signal, struct slice body, struct arena *a, struct slice *out,
                      struct err *err)
{
    if (ingest_is_json(ctx, body))
        return otlp_json_to_protobuf(signal, body, a, out, err);
    *out = body;
    return ST_OK;
}

/* ---- answers ---- */

/* The reason of the first refused kind, or the first warning. */
static struct slice reason_of(const struct ingest_result *r)
{
    for (size_t i = 0; i < INGEST_KIND_COUNT; i++)
        if (r->kinds[i].rejected)
            return slice_str(r->kinds[i].first.text);
    return r->warnings ? slice_str(r->first_warning.text) : SLICE_EMPTY;
}

void otlp_response(const struct ingest_result *result, enum otlp_signal signal, bool json, struct buf *out)
{
    static const char *const names[] = { "rejectedDataPoints", "rejectedLogRecords", "rejectedSpans" };
    uint64_t rejected = ingest_rejected(result);
    struct slice reason = reason_of(result);
    bool partial = rejected || reason.len;
    if (json) {
        if (!partial) {
            buf_slice(out, SLICE("{}"));
            return;
        }
        buf_printf(out, "{\"partialSuccess\":{\"%s\":\"%llu\",\"errorMessage\":", names[signal], (unsigned long long)rejected);
        put_string(out, reason);
        buf_slice(out, SLICE("}}"));
        return;
    }
    if (!partial)
        return;
    struct buf inner;
    buf_init(&inner, 2 * ERR_TEXT_BYTES_MAX);
    if (rejected)
        proto_put_varint(&inner, 1, rejected);
    proto_put_bytes(&inner, 2, reason);
    proto_put_bytes(out, 1, buf_as_slice(&inner));
    buf_free(&inner);
}

void otlp_status(int code, struct slice message, bool json, struct buf *out)
{
    if (json) {
        buf_printf(out, "{\"code\":%d,\"message\":", code);
        put_string(out, message);
        buf_char(out, '}');
        return;
    }
    proto_put_varint(out, 1, (uint64_t)(uint32_t)code);
    proto_put_bytes(out, 2, message);
}
