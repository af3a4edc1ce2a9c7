/* SPDX-License-Identifier: Apache-2.0 */
/* What a search of Tempo's API found, told as JSON: each trace by its root, and which of its spans the query gave. */
#include "api/tempo.h"

#include "api/otlp_trace_json.h"
#include "base/num.h"
#include "codec/hex.h"

enum { TEMPO_SERVICES_MAX = 200 /* told of a trace */, TEMPO_VALUE_BYTES_MAX = 64 * KIB /* of a value that is written out */, STATUS_ERROR = 2 };

static bool is_root(const struct event *e)
{
    static const uint8_t none[8];
    return memcmp(e->parent_id, none, sizeof none) == 0;
}

/* NULL: there are too many. */
static struct tempo_stats *service_of(struct arena *a, struct tempo_summary *m, struct slice name)
{
    for (size_t i = 0; i < m->service_count; i++)
        if (slice_eq(m->services[i].name, name))
            return &m->services[i];
    if (m->service_count == TEMPO_SERVICES_MAX)
        return NULL;
    ARENA_PUSH(a, m->services, m->service_count, m->service_cap) = (struct tempo_stats){ .name = name };
    return &m->services[m->service_count - 1];
}

struct tempo_summary tempo_summary_of(struct arena *a, const struct event *const *spans, size_t count)
{
    struct tempo_summary m = { .start_ns = INT64_MAX, .end_ns = INT64_MIN };
    char digits[sizeof m.id];
    for (size_t i = 0; i < count; i++) {
        const struct event *e = spans[i];
        struct tempo_stats *s = service_of(a, &m, e->service);
        if (s) {
            s->spans++;
            s->errors += e->span_status == STATUS_ERROR;
        }
        m.start_ns = MIN(m.start_ns, e->time_ns);
        m.end_ns = MAX(m.end_ns, sat_add(e->time_ns, e->duration_ns));
        if (m.root == NULL && is_root(e))
            m.root = e;
    }
    hex_encode(slice_of(spans[0]->trace_id, 16), digits);
    size_t zeros = 0;
    while (zeros < sizeof digits - 1 && digits[zeros] == '0')
        zeros++;
    m.id_len = sizeof digits - zeros;
    memcpy(m.id, digits + zeros, m.id_len);
    m.root_service = m.root ? m.root->service : SLICE("<root span not yet received>");
    return m;
}

static void put_text(struct json_writer *w, const char *key, struct slice text)
{
    json_key(w, slice_str(key));
    json_string(w, text);
}

static void put_i64(struct json_writer *w, const char *key, int64_t v)
{
    char text[NUM_TEXT_BYTES_MAX];
    put_text(w, key, slice_of(text, num_format_i64(v, text)));
}

/* ---- values of a query ---- */

struct field tempo_field_of(struct arena *a, struct slice name, const struct tql_value *v)
{
    struct field f = { .type = FIELD_STRING, .name = name, .text = v->text };
    struct buf text;
    switch (v->type) {
    case TQL_INT:
    case TQL_BOOL:
        f.type = v->type == TQL_INT ? FIELD_INT : FIELD_BOOL;
        f.i = v->i;
        return f;
    case TQL_FLOAT:
        f.type = FIELD_DOUBLE;
        f.d = v->d;
        return f;
    case TQL_ARRAY:
        f.type = FIELD_JSON;
        return f;
    case TQL_STATUS:
        f.text = traceql_status_name(v->i);
        return f;
    case TQL_KIND:
        f.text = traceql_kind_name(v->i);
        return f;
    case TQL_NIL:
    case TQL_DURATION:
        buf_init(&text, TEMPO_VALUE_BYTES_MAX);
        traceql_format_value(v, &text);
        f.text = arena_copy(a, buf_as_slice(&text));
        buf_free(&text);
        return f;
    case TQL_STRING:
    case TQL_ANY:
        break;
    }
    return f;
}

/* Of what the query names, what the span itself does not tell by its id, name and times. */
bool tempo_is_told(const struct tql_expr *e)
{
    static const bool known[TQL_INTRINSIC_COUNT] = { [TQL_NAME] = true, [TQL_DURATION_OF_SPAN] = true, [TQL_SPAN_ID] = true, [TQL_TRACE_ID] = true };
    return e->kind == TQL_EXPR_FIELD && e->field.scope == TQL_SCOPE_INTRINSIC && known[e->field.intrinsic];
}

struct slice tempo_shown_name(struct arena *a, const struct tql_expr *e)
{
    struct buf text;
    if (e->kind == TQL_EXPR_FIELD)
        return e->field.scope == TQL_SCOPE_INTRINSIC ? traceql_intrinsic_name(e->field.intrinsic) : e->field.name;
    buf_init(&text, TEMPO_VALUE_BYTES_MAX);
    traceql_format_expr(e, &text);
    struct slice name = arena_copy(a, buf_as_slice(&text));
    buf_free(&text);
    return name;
}

struct found_writer {
    struct json_writer *w;
    struct json_parser *parser;
    struct arena *a;
    const struct tempo_found *f;
};

static void put_shown(struct found_writer *x, const struct tql_trace *t, uint32_t span)
{
    const struct traceql_found *query = x->f->query;
    json_key(x->w, SLICE("attributes"));
    json_array_begin(x->w);
    for (size_t i = 0; i < query->shown_count; i++) {
        struct tql_value v = tempo_is_told(query->shown[i]) ? (struct tql_value){ .type = TQL_NIL } : tql_expr_value(query->shown[i], t, span, x->a);
        if (v.type == TQL_NIL)
            continue;
        struct field f = tempo_field_of(x->a, tempo_shown_name(x->a, query->shown[i]), &v);
        otlp_trace_json_attribute(x->w, x->parser, &f);
    }
    json_array_end(x->w);
}

static void put_set(struct found_writer *x, const struct tql_trace *t, const struct tql_set *set)
{
    struct json_writer *w = x->w;
    json_object_begin(w);
    json_key(w, SLICE("spans"));
    json_array_begin(w);
    for (size_t i = 0; i < set->count && i < x->f->hits_shown; i++) {
        const struct event *e = t->spans[set->spans[i]].e;
        json_object_begin(w);
        json_key(w, SLICE("spanID"));
        tempo_put_id(w, e->span_id, sizeof e->span_id);
        put_text(w, "name", e->body);
        put_i64(w, "startTimeUnixNano", e->time_ns);
        put_i64(w, "durationNanos", e->duration_ns);
        put_shown(x, t, set->spans[i]);
        json_object_end(w);
    }
    json_array_end(w);
    json_key(w, SLICE("matched"));
    json_uint(w, set->count);
    if (set->attr_count) {
        json_key(w, SLICE("attributes"));
        json_array_begin(w);
        for (size_t i = 0; i < set->attr_count; i++) {
            struct field f = tempo_field_of(x->a, set->attrs[i].name, &set->attrs[i].value);
            otlp_trace_json_attribute(w, x->parser, &f);
        }
        json_array_end(w);
    }
    json_object_end(w);
}

/* "spanSet" is what clients of before by() read: the first of them. */
static void put_span_sets(struct found_writer *x, const struct traceql_trace *hit)
{
    json_key(x->w, SLICE("spanSet"));
    put_set(x, hit->trace, &hit->sets[0]);
    json_key(x->w, SLICE("spanSets"));
    json_array_begin(x->w);
    for (size_t i = 0; i < hit->set_count; i++)
        put_set(x, hit->trace, &hit->sets[i]);
    json_array_end(x->w);
}

static void put_stats(struct json_writer *w, const struct tempo_summary *m)
{
    json_key(w, SLICE("serviceStats"));
    json_object_begin(w);
    for (size_t i = 0; i < m->service_count; i++) {
        json_key(w, m->services[i].name);
        json_object_begin(w);
        json_key(w, SLICE("spanCount"));
        json_uint(w, m->services[i].spans);
        json_key(w, SLICE("errorCount"));
        json_uint(w, m->services[i].errors);
        json_object_end(w);
    }
    json_object_end(w);
}

static void put_trace(struct found_writer *x, const struct tempo_trace *t)
{
    struct json_writer *w = x->w;
    struct tempo_summary m = tempo_summary_of(x->a, t->spans, t->count);
    json_object_begin(w);
    put_text(w, "traceID", slice_of(m.id, m.id_len));
    put_text(w, "rootServiceName", m.root_service);
    if (m.root)
        put_text(w, "rootTraceName", m.root->body);
    put_i64(w, "startTimeUnixNano", m.start_ns);
    json_key(w, SLICE("durationMs"));
    json_int(w, sat_sub(m.end_ns, m.start_ns) / NS_MS);
    if (t->hit)
        put_span_sets(x, t->hit);
    put_stats(w, &m);
    json_object_end(w);
}

void tempo_put_found(struct json_writer *w, struct arena *a, const struct tempo_found *f)
{
    struct found_writer x = { w, json_parser_new(), a, f };
    json_array_begin(w);
    for (size_t i = 0; i < f->trace_count; i++)
        put_trace(&x, &f->traces[i]);
    json_array_end(w);
    json_parser_free(x.parser);
}
