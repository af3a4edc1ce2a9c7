/* SPDX-License-Identifier: Apache-2.0 */
/* OTLP's JSON becomes OTLP's protobuf, so each signal has one decoder.
 *
 * The messages of the three signals are one table: camelCase name, field number, how it is written. Nested messages are
 * written in one pass with their length in a varint of fixed width, filled in when the message ends. Readers are lenient as
 * OTLP asks: 64-bit numbers as strings or numbers, enum names as well as their numbers, snake_case names, unknown names
 * passed over. Ids are hex (base64, as plain protobuf JSON has it, is understood too); other bytes are base64. */
#include "base/num.h"
#include "codec/hex.h"
#include "ingest/jread.h"
#include "ingest/otlp.h"

enum { LENGTH_BYTES = 5, ID_DIGITS_MAX = 64 };

enum kind { K_STRING, K_BYTES, K_ID, K_VARINT, K_FIXED64, K_FIXED32, K_DOUBLE, K_BOOL, K_SINT, K_MESSAGE };

enum message { M_NONE, M_METRICS, M_LOGS, M_TRACES, M_RESOURCE_METRICS, M_RESOURCE_LOGS, M_RESOURCE_SPANS, M_RESOURCE, M_SCOPE_METRICS,
               M_SCOPE_LOGS, M_SCOPE_SPANS, M_SCOPE, M_KEY_VALUE, M_ANY, M_ARRAY, M_KVLIST, M_METRIC, M_GAUGE, M_SUM, M_HISTOGRAM,
               M_EXPONENTIAL, M_SUMMARY, M_NUMBER_POINT, M_HISTOGRAM_POINT, M_EXPONENTIAL_POINT, M_BUCKETS, M_SUMMARY_POINT, M_QUANTILE, M_EXEMPLAR,
               M_RECORD, M_SPAN, M_EVENT, M_LINK, M_STATUS };

/* A repeated field is a JSON array of them. */
struct member {
    uint8_t of, number, kind, message;
    struct slice name;
};

static const struct member members[] = {
    { M_METRICS, 1, K_MESSAGE, M_RESOURCE_METRICS, SLICE_INIT("resourceMetrics") },
    { M_LOGS, 1, K_MESSAGE, M_RESOURCE_LOGS, SLICE_INIT("resourceLogs") },
    { M_TRACES, 1, K_MESSAGE, M_RESOURCE_SPANS, SLICE_INIT("resourceSpans") },
    { M_RESOURCE_METRICS, 1, K_MESSAGE, M_RESOURCE, SLICE_INIT("resource") },
    { M_RESOURCE_METRICS, 2, K_MESSAGE, M_SCOPE_METRICS, SLICE_INIT("scopeMetrics") },
    { M_RESOURCE_LOGS, 1, K_MESSAGE, M_RESOURCE, SLICE_INIT("resource") },
    { M_RESOURCE_LOGS, 2, K_MESSAGE, M_SCOPE_LOGS, SLICE_INIT("scopeLogs") },
    { M_RESOURCE_SPANS, 1, K_MESSAGE, M_RESOURCE, SLICE_INIT("resource") },
    { M_RESOURCE_SPANS, 2, K_MESSAGE, M_SCOPE_SPANS, SLICE_INIT("scopeSpans") },
    { M_RESOURCE_SPANS, 3, K_STRING, M_NONE, SLICE_INIT("schemaUrl") },
    { M_RESOURCE, 1, K_MESSAGE, M_KEY_VALUE, SLICE_INIT("attributes") },
    { M_RESOURCE, 2, K_VARINT, M_NONE, SLICE_INIT("droppedAttributesCount") },
    { M_SCOPE_METRICS, 1, K_MESSAGE, M_SCOPE, SLICE_INIT("scope") },
    { M_SCOPE_METRICS, 2, K_MESSAGE, M_METRIC, SLICE_INIT("metrics") },
    { M_SCOPE_LOGS, 1, K_MESSAGE, M_SCOPE, SLICE_INIT("scope") },
    { M_SCOPE_LOGS, 2, K_MESSAGE, M_RECORD, SLICE_INIT("logRecords") },
    { M_SCOPE_SPANS, 1, K_MESSAGE, M_SCOPE, SLICE_INIT("scope") },
    { M_SCOPE_SPANS, 2, K_MESSAGE, M_SPAN, SLICE_INIT("spans") },
    { M_SCOPE_SPANS, 3, K_STRING, M_NONE, SLICE_INIT("schemaUrl") },
    { M_SCOPE, 1, K_STRING, M_NONE, SLICE_INIT("name") },
    { M_SCOPE, 2, K_STRING, M_NONE, SLICE_INIT("version") },
    { M_SCOPE, 3, K_MESSAGE, M_KEY_VALUE, SLICE_INIT("attributes") },
    { M_SCOPE, 4, K_VARINT, M_NONE, SLICE_INIT("droppedAttributesCount") },
    { M_KEY_VALUE, 1, K_STRING, M_NONE, SLICE_INIT("key") },
    { M_KEY_VALUE, 2, K_MESSAGE, M_ANY, SLICE_INIT("value") },
    { M_ANY, 1, K_STRING, M_NONE, SLICE_INIT("stringValue") },
    { M_ANY, 2, K_BOOL, M_NONE, SLICE_INIT("boolValue") },
    { M_ANY, 3, K_VARINT, M_NONE, SLICE_INIT("intValue") },
    { M_ANY, 4, K_DOUBLE, M_NONE, SLICE_INIT("doubleValue") },
    { M_ANY, 5, K_MESSAGE, M_ARRAY, SLICE_INIT("arrayValue") },
    { M_ANY, 6, K_MESSAGE, M_KVLIST, SLICE_INIT("kvlistValue") },
    { M_ANY, 7, K_BYTES, M_NONE, SLICE_INIT("bytesValue") },
    { M_ARRAY, 1, K_MESSAGE, M_ANY, SLICE_INIT("values") },
    { M_KVLIST, 1, K_MESSAGE, M_KEY_VALUE, SLICE_INIT("values") },
    { M_METRIC, 1, K_STRING, M_NONE, SLICE_INIT("name") },
    { M_METRIC, 2, K_STRING, M_NONE, SLICE_INIT("description") },
    { M_METRIC, 3, K_STRING, M_NONE, SLICE_INIT("unit") },
    { M_METRIC, 5, K_MESSAGE, M_GAUGE, SLICE_INIT("gauge") },
    { M_METRIC, 7, K_MESSAGE, M_SUM, SLICE_INIT("sum") },
    { M_METRIC, 9, K_MESSAGE, M_HISTOGRAM, SLICE_INIT("histogram") },
    { M_METRIC, 10, K_MESSAGE, M_EXPONENTIAL, SLICE_INIT("exponentialHistogram") },
    { M_METRIC, 11, K_MESSAGE, M_SUMMARY, SLICE_INIT("summary") },
    { M_GAUGE, 1, K_MESSAGE, M_NUMBER_POINT, SLICE_INIT("dataPoints") },
    { M_SUM, 1, K_MESSAGE, M_NUMBER_POINT, SLICE_INIT("dataPoints") },
    { M_SUM, 2, K_VARINT, M_NONE, SLICE_INIT("aggregationTemporality") },
    { M_SUM, 3, K_BOOL, M_NONE, SLICE_INIT("isMonotonic") },
    { M_HISTOGRAM, 1, K_MESSAGE, M_HISTOGRAM_POINT, SLICE_INIT("dataPoints") },
    { M_HISTOGRAM, 2, K_VARINT, M_NONE, SLICE_INIT("aggregationTemporality") },
    { M_EXPONENTIAL, 1, K_MESSAGE, M_EXPONENTIAL_POINT, SLICE_INIT("dataPoints") },
    { M_EXPONENTIAL, 2, K_VARINT, M_NONE, SLICE_INIT("aggregationTemporality") },
    { M_SUMMARY, 1, K_MESSAGE, M_SUMMARY_POINT, SLICE_INIT("dataPoints") },
    { M_NUMBER_POINT, 7, K_MESSAGE, M_KEY_VALUE, SLICE_INIT("attributes") },
    { M_NUMBER_POINT, 2, K_FIXED64, M_NONE, SLICE_INIT("startTimeUnixNano") },
    { M_NUMBER_POINT, 3, K_FIXED64, M_NONE, SLICE_INIT("timeUnixNano") },
    { M_NUMBER_POINT, 4, K_DOUBLE, M_NONE, SLICE_INIT("asDouble") },
    { M_NUMBER_POINT, 6, K_FIXED64, M_NONE, SLICE_INIT("asInt") },
    { M_NUMBER_POINT, 5, K_MESSAGE, M_EXEMPLAR, SLICE_INIT("exemplars") },
    { M_NUMBER_POINT, 8, K_VARINT, M_NONE, SLICE_INIT("flags") },
    { M_HISTOGRAM_POINT, 9, K_MESSAGE, M_KEY_VALUE, SLICE_INIT("attributes") },
    { M_HISTOGRAM_POINT, 2, K_FIXED64, M_NONE, SLICE_INIT("startTimeUnixNano") },
    { M_HISTOGRAM_POINT, 3, K_FIXED64, M_NONE, SLICE_INIT("timeUnixNano") },
    { M_HISTOGRAM_POINT, 4, K_FIXED64, M_NONE, SLICE_INIT("count") },
    { M_HISTOGRAM_POINT, 5, K_DOUBLE, M_NONE, SLICE_INIT("sum") },
    { M_HISTOGRAM_POINT, 6, K_FIXED64, M_NONE, SLICE_INIT("bucketCounts") },
    { M_HISTOGRAM_POINT, 7, K_DOUBLE, M_NONE, SLICE_INIT("explicitBounds") },
    { M_HISTOGRAM_POINT, 8, K_MESSAGE, M_EXEMPLAR, SLICE_INIT("exemplars") },
    { M_HISTOGRAM_POINT, 10, K_VARINT, M_NONE, SLICE_INIT("flags") },
    { M_EXPONENTIAL_POINT, 1, K_MESSAGE, M_KEY_VALUE, SLICE_INIT("attributes") },
    { M_EXPONENTIAL_POINT, 2, K_FIXED64, M_NONE, SLICE_INIT("startTimeUnixNano") },
    { M_EXPONENTIAL_POINT, 3, K_FIXED64, M_NONE, SLICE_INIT("timeUnixNano") },
    { M_EXPONENTIAL_POINT, 4, K_FIXED64, M_NONE, SLICE_INIT("count") },
    { M_EXPONENTIAL_POINT, 5, K_DOUBLE, M_NONE, SLICE_INIT("sum") },
    { M_EXPONENTIAL_POINT, 6, K_SINT, M_NONE, SLICE_INIT("scale") },
    { M_EXPONENTIAL_POINT, 7, K_FIXED64, M_NONE, SLICE_INIT("zeroCount") },
    { M_EXPONENTIAL_POINT, 8, K_MESSAGE, M_BUCKETS, SLICE_INIT("positive") },
    { M_EXPONENTIAL_POINT, 9, K_MESSAGE, M_BUCKETS, SLICE_INIT("negative") },
    { M_EXPONENTIAL_POINT, 10, K_VARINT, M_NONE, SLICE_INIT("flags") },
    { M_EXPONENTIAL_POINT, 11, K_MESSAGE, M_EXEMPLAR, SLICE_INIT("exemplars") },
    { M_EXPONENTIAL_POINT, 14, K_DOUBLE, M_NONE, SLICE_INIT("zeroThreshold") },
    { M_BUCKETS, 1, K_SINT, M_NONE, SLICE_INIT("offset") },
    { M_BUCKETS, 2, K_VARINT, M_NONE, SLICE_INIT("bucketCounts") },
    { M_SUMMARY_POINT, 7, K_MESSAGE, M_KEY_VALUE, SLICE_INIT("attributes") },
    { M_SUMMARY_POINT, 2, K_FIXED64, M_NONE, SLICE_INIT("startTimeUnixNano") },
    { M_SUMMARY_POINT, 3, K_FIXED64, M_NONE, SLICE_INIT("timeUnixNano") },
    { M_SUMMARY_POINT, 4, K_FIXED64, M_NONE, SLICE_INIT("count") },
    { M_SUMMARY_POINT, 5, K_DOUBLE, M_NONE, SLICE_INIT("sum") },
    { M_SUMMARY_POINT, 6, K_MESSAGE, M_QUANTILE, SLICE_INIT("quantileValues") },
    { M_SUMMARY_POINT, 8, K_VARINT, M_NONE, SLICE_INIT("flags") },
    { M_QUANTILE, 1, K_DOUBLE, M_NONE, SLICE_INIT("quantile") },
    { M_QUANTILE, 2, K_DOUBLE, M_NONE, SLICE_INIT("value") },
    { M_EXEMPLAR, 7, K_MESSAGE, M_KEY_VALUE, SLICE_INIT("filteredAttributes") },
    { M_EXEMPLAR, 2, K_FIXED64, M_NONE, SLICE_INIT("timeUnixNano") },
    { M_EXEMPLAR, 3, K_DOUBLE, M_NONE, SLICE_INIT("asDouble") },
    { M_EXEMPLAR, 6, K_FIXED64, M_NONE, SLICE_INIT("asInt") },
    { M_EXEMPLAR, 4, K_ID, M_NONE, SLICE_INIT("spanId") },
    { M_EXEMPLAR, 5, K_ID, M_NONE, SLICE_INIT("traceId") },
    { M_RECORD, 1, K_FIXED64, M_NONE, SLICE_INIT("timeUnixNano") },
    { M_RECORD, 11, K_FIXED64, M_NONE, SLICE_INIT("observedTimeUnixNano") },
    { M_RECORD, 2, K_VARINT, M_NONE, SLICE_INIT("severityNumber") },
    { M_RECORD, 3, K_STRING, M_NONE, SLICE_INIT("severityText") },
    { M_RECORD, 5, K_MESSAGE, M_ANY, SLICE_INIT("body") },
    { M_RECORD, 6, K_MESSAGE, M_KEY_VALUE, SLICE_INIT("attributes") },
    { M_RECORD, 9, K_ID, M_NONE, SLICE_INIT("traceId") },
    { M_RECORD, 10, K_ID, M_NONE, SLICE_INIT("spanId") },
    { M_RECORD, 12, K_STRING, M_NONE, SLICE_INIT("eventName") },
    { M_SPAN, 1, K_ID, M_NONE, SLICE_INIT("traceId") },
    { M_SPAN, 2, K_ID, M_NONE, SLICE_INIT("spanId") },
    { M_SPAN, 3, K_STRING, M_NONE, SLICE_INIT("traceState") },
    { M_SPAN, 4, K_ID, M_NONE, SLICE_INIT("parentSpanId") },
    { M_SPAN, 5, K_STRING, M_NONE, SLICE_INIT("name") },
    { M_SPAN, 6, K_VARINT, M_NONE, SLICE_INIT("kind") },
    { M_SPAN, 7, K_FIXED64, M_NONE, SLICE_INIT("startTimeUnixNano") },
    { M_SPAN, 8, K_FIXED64, M_NONE, SLICE_INIT("endTimeUnixNano") },
    { M_SPAN, 9, K_MESSAGE, M_KEY_VALUE, SLICE_INIT("attributes") },
    { M_SPAN, 10, K_VARINT, M_NONE, SLICE_INIT("droppedAttributesCount") },
    { M_SPAN, 11, K_MESSAGE, M_EVENT, SLICE_INIT("events") },
    { M_SPAN, 12, K_VARINT, M_NONE, SLICE_INIT("droppedEventsCount") },
    { M_SPAN, 13, K_MESSAGE, M_LINK, SLICE_INIT("links") },
    { M_SPAN, 14, K_VARINT, M_NONE, SLICE_INIT("droppedLinksCount") },
    { M_SPAN, 15, K_MESSAGE, M_STATUS, SLICE_INIT("status") },
    { M_SPAN, 16, K_FIXED32, M_NONE, SLICE_INIT("flags") },
    { M_EVENT, 1, K_FIXED64, M_NONE, SLICE_INIT("timeUnixNano") },
    { M_EVENT, 2, K_STRING, M_NONE, SLICE_INIT("name") },
    { M_EVENT, 3, K_MESSAGE, M_KEY_VALUE, SLICE_INIT("attributes") },
    { M_EVENT, 4, K_VARINT, M_NONE, SLICE_INIT("droppedAttributesCount") },
    { M_LINK, 1, K_ID, M_NONE, SLICE_INIT("traceId") },
    { M_LINK, 2, K_ID, M_NONE, SLICE_INIT("spanId") },
    { M_LINK, 3, K_STRING, M_NONE, SLICE_INIT("traceState") },
    { M_LINK, 4, K_MESSAGE, M_KEY_VALUE, SLICE_INIT("attributes") },
    { M_LINK, 5, K_VARINT, M_NONE, SLICE_INIT("droppedAttributesCount") },
    { M_LINK, 6, K_FIXED32, M_NONE, SLICE_INIT("flags") },
    { M_STATUS, 2, K_STRING, M_NONE, SLICE_INIT("message") },
    { M_STATUS, 3, K_VARINT, M_NONE, SLICE_INIT("code") },
};

static const struct {
    struct slice name;
    uint8_t value;
} enum_names[] = {
    { SLICE_INIT("AGGREGATION_TEMPORALITY_DELTA"), 1 }, { SLICE_INIT("AGGREGATION_TEMPORALITY_CUMULATIVE"), 2 },
    { SLICE_INIT("SPAN_KIND_INTERNAL"), 1 }, { SLICE_INIT("SPAN_KIND_SERVER"), 2 }, { SLICE_INIT("SPAN_KIND_CLIENT"), 3 },
    { SLICE_INIT("SPAN_KIND_PRODUCER"), 4 }, { SLICE_INIT("SPAN_KIND_CONSUMER"), 5 },
    { SLICE_INIT("STATUS_CODE_OK"), 1 }, { SLICE_INIT("STATUS_CODE_ERROR"), 2 },
    { SLICE_INIT("SEVERITY_NUMBER_TRACE"), 1 }, { SLICE_INIT("SEVERITY_NUMBER_DEBUG"), 5 }, { SLICE_INIT("SEVERITY_NUMBER_INFO"), 9 },
    { SLICE_INIT("SEVERITY_NUMBER_WARN"), 13 }, { SLICE_INIT("SEVERITY_NUMBER_ERROR"), 17 }, { SLICE_INIT("SEVERITY_NUMBER_FATAL"), 21 },
};

struct writer {
    struct jread j;
    struct buf out;
};

/* camelCase name against the key, which may be snake_case. */
static bool name_matches(struct slice name, struct slice key)
{
    size_t n = 0;
    for (size_t i = 0; i < key.len; i++) {
        char c = key.ptr[i];
        if (c == '_' && i + 1 < key.len && key.ptr[i + 1] >= 'a' && key.ptr[i + 1] <= 'z')
            c = (char)(key.ptr[++i] - 32);
        if (n == name.len || name.ptr[n++] != c)
            return false;
    }
    return n == name.len;
}

static const struct member *member_find(enum message of, struct slice key)
{
    for (size_t i = 0; i < COUNT_OF(members); i++)
        if (members[i].of == of && name_matches(members[i].name, key))
            return &members[i];
    return NULL;
}

static bool put_hex(struct buf *out, struct slice text)
{
    uint8_t bytes[ID_DIGITS_MAX / 2];
    if (text.len % 2 || text.len > ID_DIGITS_MAX || !hex_decode(text, bytes))
        return false;
    buf_lenslice(out, slice_of(bytes, text.len / 2));
    return true;
}

static bool put_base64(struct buf *out, struct slice text)
{
    struct buf bytes;
    buf_init(&bytes, 0); /* three quarters of the text */
    bool ok = base64_decode(text, &bytes);
    if (ok)
        buf_lenslice(out, buf_as_slice(&bytes));
    buf_free(&bytes);
    return ok;
}

static bool integer_of(struct slice text, uint64_t *out)
{
    int64_t i;
    double d;
    if (num_parse_u64(text, out))
        return true;
    if (num_parse_i64(text, &i)) {
        *out = (uint64_t)i;
        return true;
    }
    for (size_t k = 0; k < COUNT_OF(enum_names); k++)
        if (slice_eq(text, enum_names[k].name)) {
            *out = enum_names[k].value;
            return true;
        }
    /* JavaScript writes 1e21 and the like. */
    if (!num_parse_double(text, &d) || !(d > -9.2e18 && d < 1.8e19))
        return false;
    *out = d < 0 ? (uint64_t)(int64_t)d : (uint64_t)d;
    return true;
}

static void put_integer(struct writer *w, const struct member *m)
{
    uint64_t v = 0;
    if (!integer_of(jread_number(&w->j), &v)) {
        jread_wrong(&w->j, "expected an integer before here");
        return;
    }
    if (m->kind == K_VARINT)
        buf_varint(&w->out, v);
    else if (m->kind == K_SINT)
        buf_zigzag(&w->out, (int64_t)v);
    else if (m->kind == K_FIXED32)
        buf_u32(&w->out, (uint32_t)v);
    else
        buf_u64(&w->out, v);
}

static void put_double(struct writer *w)
{
    double v = 0;
    uint64_t bits;
    if (!num_parse_double(jread_number(&w->j), &v))
        jread_wrong(&w->j, "expected a number before here");
    memcpy(&bits, &v, sizeof bits);
    buf_u64(&w->out, bits);
}

static void put_tag(struct buf *out, const struct member *m)
{
    static const uint8_t wires[] = { [K_STRING] = PB_BYTES, [K_BYTES] = PB_BYTES, [K_ID] = PB_BYTES, [K_VARINT] = PB_VARINT,
                                     [K_FIXED64] = PB_FIXED64, [K_FIXED32] = PB_FIXED32, [K_DOUBLE] = PB_FIXED64,
                                     [K_BOOL] = PB_VARINT, [K_SINT] = PB_VARINT, [K_MESSAGE] = PB_BYTES };
    buf_varint(out, (uint64_t)m->number << 3 | wires[m->kind]);
}

static void put_message(struct writer *w, enum message message);

static void put_value(struct writer *w, const struct member *m)
{
    struct slice text;
    put_tag(&w->out, m);
    switch ((enum kind)m->kind) {
    case K_STRING:
        buf_lenslice(&w->out, jread_string(&w->j));
        break;
    case K_ID:
        text = jread_string(&w->j);
        if (!put_hex(&w->out, text) && !put_base64(&w->out, text))
            buf_lenslice(&w->out, SLICE_EMPTY); /* no id: the decoder says which span or record */
        break;
    case K_BYTES:
        if (!put_base64(&w->out, jread_string(&w->j)))
            jread_wrong(&w->j, "expected base64 before here");
        break;
    case K_BOOL:
        buf_varint(&w->out, jread_bool(&w->j));
        break;
    case K_DOUBLE:
        put_double(w);
        break;
    case K_MESSAGE:
        put_message(w, (enum message)m->message);
        break;
    default:
        put_integer(w, m);
    }
}

/* An object's members; the caller has written nothing of it yet. JSON's nesting limit bounds the recursion. */
static void put_members(struct writer *w, enum message message)
{
    struct slice key;
    if (!jread_object(&w->j))
        return;
    while (jread_key(&w->j, &key)) {
        const struct member *m = member_find(message, key);
        if (m == NULL || jread_peek(&w->j) == JREAD_NULL) {
            jread_skip(&w->j);
        } else if (jread_peek(&w->j) == JREAD_ARRAY) {
            jread_array(&w->j);
            while (jread_item(&w->j))
                put_value(w, m);
        } else {
            put_value(w, m);
        }
    }
}

static void put_message(struct writer *w, enum message message)
{
    if (buf_room(&w->out, LENGTH_BYTES) == NULL)
        return;
    size_t at = w->out.len;
    buf_added(&w->out, LENGTH_BYTES);
    put_members(w, message);
    size_t n = w->out.len - at - LENGTH_BYTES;
    for (int i = 0; i < LENGTH_BYTES; i++, n >>= 7)
        w->out.ptr[at + (size_t)i] = (char)((n & 0x7f) | (i + 1 < LENGTH_BYTES ? 0x80 : 0));
}

enum status otlp_json_to_protobuf(enum otlp_signal signal, struct slice json, struct arena *a, struct slice *out, struct err *err)
{
    static const uint8_t roots[] = { [OTLP_METRICS] = M_METRICS, [OTLP_LOGS] = M_LOGS, [OTLP_TRACES] = M_TRACES };
    static const char *const names[] = { "otlp metrics: ", "otlp logs: ", "otlp traces: " };
    struct writer w = { .j = jread_of(json, a, err) };
    buf_init(&w.out, 0); /* at most a few times the body, whose size is limited */
    put_members(&w, (enum message)roots[signal]);
    enum status st = jread_end(&w.j) ? ST_OK : ST_INVALID;
    if (st)
        err_prefix(err, "%s", names[signal]);
    else
        *out = arena_copy(a, buf_as_slice(&w.out));
    buf_free(&w.out);
    return st;
}
