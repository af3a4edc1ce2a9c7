/* SPDX-License-Identifier: Apache-2.0 */
/* The search of before TraceQL as a query of it: {tag 1} && {tag 2} && {durations}. So each tag may be said by another span of the trace,
 * and durations are the trace's. A value is found inside of others, in any case; a number or a truth is found as such, too.
 *
 * One tag of any span is found sooner by a predicate. */
#include "api/tempo.h"

#include "base/num.h"
#include "codec/logfmt.h"

enum { TEMPO_TAGS_MAX = 32, TEMPO_QUERY_BYTES_MAX = 256 * KIB };

/* In quotes, with a backslash before what ends them. */
static void put_quoted(struct buf *out, struct slice text)
{
    buf_u8(out, '"');
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '"' || text.ptr[i] == '\\')
            buf_u8(out, '\\');
        if (text.ptr[i] == '\n')
            buf_slice(out, SLICE("\\n"));
        else
            buf_u8(out, (uint8_t)text.ptr[i]);
    }
    buf_u8(out, '"');
}

/* =~ with an expression that finds the text within others. */
static void put_part(struct buf *out, struct slice text)
{
    struct buf regex;
    buf_init(&regex, TEMPO_QUERY_BYTES_MAX);
    buf_slice(&regex, SLICE("(?is).*"));
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'), is_digit = c >= '0' && c <= '9';
        bool is_plain = (unsigned char)c >= 0x80 || is_letter || is_digit || c == '_' || c == '\n';
        if (!is_plain)
            buf_u8(&regex, '\\');
        buf_u8(&regex, (uint8_t)c);
    }
    buf_slice(&regex, SLICE(".*"));
    buf_slice(out, SLICE(" =~ "));
    put_quoted(out, buf_as_slice(&regex));
    buf_free(&regex);
}

static void put_attribute(struct buf *out, struct slice name, struct slice value)
{
    double number;
    buf_u8(out, '.');
    put_quoted(out, name);
    put_part(out, value);
    bool is_number = num_parse_double(value, &number) && (value.ptr[0] == '-' || (value.ptr[0] >= '0' && value.ptr[0] <= '9'));
    if (!is_number && !slice_eq(value, SLICE("true")) && !slice_eq(value, SLICE("false")))
        return;
    buf_slice(out, SLICE(" || ."));
    put_quoted(out, name);
    buf_slice(out, SLICE(" = "));
    buf_slice(out, value);
}

static void put_tag(struct buf *out, struct slice name, struct slice value)
{
    static const struct slice known[][2] = { { SLICE_INIT("service.name"), SLICE_INIT("resource.service.name") },
                                             { SLICE_INIT("root.service.name"), SLICE_INIT("rootServiceName") },
                                             { SLICE_INIT("name"), SLICE_INIT("name") },
                                             { SLICE_INIT("root.name"), SLICE_INIT("rootName") } };
    for (size_t i = 0; i < COUNT_OF(known); i++)
        if (slice_eq(known[i][0], name)) {
            buf_slice(out, known[i][1]);
            put_part(out, value);
            buf_slice(out, SLICE(" || "));
        }
    if ((slice_eq(name, SLICE("status")) || slice_eq(name, SLICE("status.code"))) && tempo_status_of(value) >= 0)
        buf_printf(out, "status = %.*s", SLICE_FMT(value));
    else if (slice_eq(name, SLICE("kind")) && trace_kind_of(value) >= 0)
        buf_printf(out, "kind = %.*s", SLICE_FMT(value));
    else if (slice_eq(name, SLICE("error")) && slice_eq(value, SLICE("true")))
        buf_slice(out, SLICE("status = error || .error = true"));
    else
        put_attribute(out, name, value);
}

static enum status put_tags(struct buf *out, struct arena *a, struct slice tags, struct err *err)
{
    struct slice rest = tags, name, value;
    bool has_value, bad = false;
    for (size_t n = 0; logfmt_next(&rest, a, &name, &value, &has_value, &bad); n++) {
        if (n == TEMPO_TAGS_MAX)
            return err_set(err, ST_LIMIT, "parameter \"tags\": over %d tags", TEMPO_TAGS_MAX);
        buf_slice(out, n ? SLICE(" && { ") : SLICE("{ "));
        if (has_value && value.len) {
            put_tag(out, name, value);
        } else {
            buf_u8(out, '.');
            put_quoted(out, name);
            buf_slice(out, SLICE(" != nil"));
        }
        buf_slice(out, SLICE(" }"));
    }
    return bad ? err_set(err, ST_INVALID, "parameter \"tags\": found %.*s, expected logfmt: name=value name=\"a value\"", SLICE_FMT(tags)) : ST_OK;
}

enum status tempo_old_query(struct arena *a, struct slice tags, int64_t min_ns, int64_t max_ns, struct slice *out, struct err *err)
{
    struct buf text;
    buf_init(&text, TEMPO_QUERY_BYTES_MAX);
    enum status st = put_tags(&text, a, tags, err);
    if (min_ns >= 0 || max_ns >= 0) {
        buf_slice(&text, text.len ? SLICE(" && { ") : SLICE("{ "));
        if (min_ns >= 0)
            buf_printf(&text, "traceDuration >= %lldns", (long long)min_ns);
        if (max_ns >= 0)
            buf_printf(&text, "%straceDuration <= %lldns", min_ns >= 0 ? " && " : "", (long long)max_ns);
        buf_slice(&text, SLICE(" }"));
    }
    if (!st && buf_over(&text))
        st = err_set(err, ST_LIMIT, "parameter \"tags\": as a query it has over %d bytes", TEMPO_QUERY_BYTES_MAX);
    if (!st)
        *out = arena_copy(a, text.len ? buf_as_slice(&text) : SLICE("{}"));
    buf_free(&text);
    return st;
}

/* ---- one tag ---- */

static struct pred *either(struct arena *a, struct pred *x, struct pred *y)
{
    struct preds k = { 0 };
    preds_add(a, &k, x);
    preds_add(a, &k, y);
    return pred_node(a, PRED_OR, &k);
}

static struct pred *tag_pred(struct arena *a, struct slice name, struct slice value)
{
    struct pred *attribute = pred_attribute(a, PRED_CONTAINS_NOCASE, name, value);
    if (slice_eq(name, SLICE("service.name")))
        return either(a, pred_leaf(a, PRED_CONTAINS_NOCASE, COL_SERVICE, SLICE_EMPTY, value), attribute);
    if (slice_eq(name, SLICE("name")))
        return either(a, pred_leaf(a, PRED_CONTAINS_NOCASE, COL_BODY, SLICE_EMPTY, value), attribute);
    if (slice_eq(name, SLICE("error")) && slice_eq(value, SLICE("true")))
        return either(a, pred_int(a, PRED_EQ, COL_SPAN_STATUS, tempo_status_of(SLICE("error"))), attribute);
    if ((slice_eq(name, SLICE("status")) || slice_eq(name, SLICE("status.code"))) && tempo_status_of(value) >= 0)
        return pred_int(a, PRED_EQ, COL_SPAN_STATUS, tempo_status_of(value));
    if (slice_eq(name, SLICE("kind")) && trace_kind_of(value) >= 0)
        return pred_int(a, PRED_EQ, COL_SPAN_KIND, trace_kind_of(value));
    return attribute;
}

bool tempo_old_pred(struct arena *a, struct slice tags, struct pred **out)
{
    struct slice rest = tags, name, value, more;
    bool has_value, bad = false;
    *out = NULL;
    if (!logfmt_next(&rest, a, &name, &value, &has_value, &bad))
        return !bad;
    bool is_one = has_value && value.len && !slice_starts(name, SLICE("root."));
    if (!is_one || logfmt_next(&rest, a, &more, &more, &has_value, &bad) || bad)
        return false;
    *out = tag_pred(a, name, value);
    return true;
}
