/* SPDX-License-Identifier: Apache-2.0 */
/* Spans as scripts write them. A span is kept when the next one begins, as events and links come behind it. */
#include "base/date.h"
#include "base/num.h"
#include "codec/hex.h"
#include "query/script_events.h"
#include "query/token.h"
#include "traceql/ast.h"
#include "traceql/script.h"

/* Takes a word, or a text in quotes with what stands before it. */
static struct slice take(struct slice *rest)
{
    *rest = slice_trim(*rest);
    size_t n = 0;
    while (n < rest->len && !token_is_space(rest->ptr[n])) {
        size_t quoted = rest->ptr[n] == '"' ? token_string(slice_skip(*rest, n), NULL) : 0;
        n += quoted ? quoted : 1;
    }
    struct slice word = slice_sub(*rest, 0, n);
    *rest = slice_trim(slice_skip(*rest, n));
    return word;
}

static bool read_text(struct tql_load *l, struct slice word, struct slice *out)
{
    *out = word;
    return word.len == 0 || word.ptr[0] != '"' || token_unquote(l->a, word, out, NULL) == ST_OK;
}

static bool read_value(struct tql_load *l, struct slice word, struct field *f)
{
    f->text = SLICE_EMPTY;
    if (word.len && word.ptr[0] == '"') {
        f->type = FIELD_STRING;
        return read_text(l, word, &f->text);
    }
    if (slice_starts(word, SLICE("[")) || slice_starts(word, SLICE("{"))) {
        f->type = FIELD_JSON;
        f->text = word;
        return true;
    }
    if (slice_eq(word, SLICE("true")) || slice_eq(word, SLICE("false"))) {
        f->type = FIELD_BOOL;
        f->i = word.len == 4;
        return true;
    }
    if (num_parse_i64(word, &f->i)) {
        f->type = FIELD_INT;
        return true;
    }
    f->type = FIELD_DOUBLE;
    return num_parse_double(word, &f->d);
}

static bool split(struct slice word, struct slice *name, struct slice *value)
{
    size_t at = slice_find_char(word, '=', 0);
    if (at == SIZE_MAX || at == 0)
        return false;
    *name = slice_sub(word, 0, at);
    *value = slice_skip(word, at + 1);
    return true;
}

static void read_id(struct slice text, uint8_t *id, size_t bytes)
{
    memset(id, 0, bytes);
    memcpy(id, text.ptr, MIN(text.len, bytes));
}

static bool read_trace_id(struct slice text, uint8_t id[16])
{
    char digits[32];
    memset(digits, '0', sizeof digits);
    if (text.len > sizeof digits)
        return false;
    memcpy(digits + sizeof digits - text.len, text.ptr, text.len);
    return hex_decode(slice_of(digits, sizeof digits), id);
}

/* -1: there is none. */
static int index_of(struct slice text, struct slice (*name_of)(int64_t), int count)
{
    for (int i = 0; i < count; i++)
        if (slice_eq(text, name_of(i)))
            return i;
    return -1;
}

static bool add_field(struct tql_load *l, struct slice name, enum field_scope scope, struct slice value, struct field *list, uint32_t *count)
{
    struct field *f = &list[*count];
    if (!read_text(l, name, &name))
        return false;
    if (*count == TRACEQL_SCRIPT_FIELDS_MAX || name.len == 0 || !read_value(l, value, f))
        return false;
    f->name = name;
    f->scope = (uint8_t)scope;
    ++*count;
    return true;
}

static bool read_part(struct tql_load *l, struct slice name, struct slice value)
{
    struct event *e = &l->span;
    int n;
    if (slice_eq(name, SLICE("service")))
        return read_text(l, value, &e->service);
    if (slice_eq(name, SLICE("message")))
        return read_text(l, value, &e->status_message);
    if (slice_eq(name, SLICE("start")))
        return duration_parse_go(value, &e->time_ns);
    if (slice_eq(name, SLICE("duration")))
        return duration_parse_go(value, &e->duration_ns);
    if (slice_eq(name, SLICE("parent"))) {
        read_id(value, e->parent_id, sizeof e->parent_id);
        return true;
    }
    if (slice_eq(name, SLICE("weight"))) {
        double d;
        bool ok = num_parse_double(value, &d);
        e->weight = ok ? (float)d : 1;
        return ok;
    }
    if (slice_eq(name, SLICE("kind")) && (n = index_of(value, traceql_kind_name, 6)) >= 0) {
        e->span_kind = (uint8_t)n;
        return true;
    }
    if (slice_eq(name, SLICE("status")) && (n = index_of(value, traceql_status_name, 3)) >= 0) {
        e->span_status = (uint8_t)n;
        return true;
    }
    return false;
}

static bool read_attribute(struct tql_load *l, struct slice name, struct slice value)
{
    static const struct {
        struct slice prefix;
        enum field_scope scope;
    } scopes[] = { { SLICE_INIT("span."), SCOPE_RECORD }, { SLICE_INIT("resource."), SCOPE_RESOURCE },
                   { SLICE_INIT("instrumentation."), SCOPE_INSTRUMENTATION } };
    struct event *e = &l->span;
    if (slice_eq(name, SLICE("instrumentation:name")))
        return add_field(l, EVENT_SCOPE_NAME, SCOPE_INSTRUMENTATION, value, e->fields, &e->field_count);
    if (slice_eq(name, SLICE("instrumentation:version")))
        return add_field(l, EVENT_SCOPE_VERSION, SCOPE_INSTRUMENTATION, value, e->fields, &e->field_count);
    for (size_t i = 0; i < COUNT_OF(scopes); i++)
        if (slice_starts(name, scopes[i].prefix))
            return add_field(l, slice_skip(name, scopes[i].prefix.len), scopes[i].scope, value, e->fields, &e->field_count);
    return read_part(l, name, value);
}

static bool read_span(struct tql_load *l, struct slice rest)
{
    struct slice id = take(&rest), title = take(&rest), name, value;
    tql_load_end(l);
    l->span = (struct event){ .kind = EVENT_SPAN, .weight = 1, .duration_ns = NS_S, .service = SLICE("svc") };
    l->span.fields = arena_array(l->a, struct field, TRACEQL_SCRIPT_FIELDS_MAX + 1);
    l->span.events = arena_array(l->a, struct span_event, TRACEQL_SCRIPT_FIELDS_MAX);
    l->span.links = arena_array(l->a, struct span_link, TRACEQL_SCRIPT_FIELDS_MAX);
    memcpy(l->span.trace_id, l->trace_id, sizeof l->trace_id);
    read_id(id, l->span.span_id, sizeof l->span.span_id);
    l->has_span = id.len > 0 && id.len <= sizeof l->span.span_id && title.len && read_text(l, title, &l->span.body);
    bool ok = l->has_span;
    while (ok && rest.len)
        ok = split(take(&rest), &name, &value) && read_attribute(l, name, value);
    return ok;
}

static bool read_event(struct tql_load *l, struct slice rest)
{
    struct span_event v = { .time_ns = l->span.time_ns, .fields = arena_array(l->a, struct field, TRACEQL_SCRIPT_FIELDS_MAX + 1) };
    struct slice name, value;
    bool ok = l->has_span && l->span.event_count < TRACEQL_SCRIPT_FIELDS_MAX && read_text(l, take(&rest), &v.name);
    while (ok && rest.len) {
        int64_t at_ns;
        ok = split(take(&rest), &name, &value);
        if (ok && slice_eq(name, SLICE("at"))) {
            ok = duration_parse_go(value, &at_ns);
            v.time_ns = ok ? sat_add(l->span.time_ns, at_ns) : 0;
        } else if (ok) {
            ok = add_field(l, name, SCOPE_RECORD, value, v.fields, &v.field_count);
        }
    }
    if (ok)
        l->span.events[l->span.event_count++] = v;
    return ok;
}

static bool read_link(struct tql_load *l, struct slice rest)
{
    struct span_link v = { .trace_state = SLICE_EMPTY, .fields = arena_array(l->a, struct field, TRACEQL_SCRIPT_FIELDS_MAX + 1) };
    struct slice to = take(&rest), name, value;
    size_t slash = slice_find_char(to, '/', 0);
    bool ok = l->has_span && l->span.link_count < TRACEQL_SCRIPT_FIELDS_MAX && slash != SIZE_MAX;
    ok = ok && read_trace_id(slice_sub(to, 0, slash), v.trace_id);
    if (ok)
        read_id(slice_skip(to, slash + 1), v.span_id, sizeof v.span_id);
    while (ok && rest.len)
        ok = split(take(&rest), &name, &value) && add_field(l, name, SCOPE_RECORD, value, v.fields, &v.field_count);
    if (ok)
        l->span.links[l->span.link_count++] = v;
    return ok;
}

void tql_load_end(struct tql_load *l)
{
    if (l->has_span)
        script_events_add(l->memory, &l->span);
    l->has_span = false;
}

bool tql_load_line(struct tql_load *l, struct slice line, const char **why)
{
    struct slice word = take(&line);
    *why = "a line to load cannot be read";
    if (slice_eq(word, SLICE("span")))
        return read_span(l, line);
    if (slice_eq(word, SLICE("event")))
        return read_event(l, line);
    if (slice_eq(word, SLICE("link")))
        return read_link(l, line);
    *why = "expected trace ID, span ID \"name\" ..., event \"name\" ... or link TRACE/SPAN ...";
    if (!slice_eq(word, SLICE("trace")))
        return false;
    tql_load_end(l);
    return read_trace_id(slice_trim(line), l->trace_id);
}
