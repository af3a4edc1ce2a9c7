/* SPDX-License-Identifier: Apache-2.0 */
/* Names of TraceQL as the lists of tags and values need them: which attribute of what, or which part of a span. */
#include "api/tempo.h"

#include "base/date.h"
#include "base/num.h"

enum { FILTER_TERMS_MAX = 32 };

static const char *const statuses[] = { "unset", "ok", "error" };

static int index_of(const char *const *list, size_t n, struct slice text)
{
    for (size_t i = 0; i < n; i++)
        if (slice_eq(text, slice_str(list[i])))
            return (int)i;
    return -1;
}

int tempo_status_of(struct slice text)
{
    return index_of(statuses, COUNT_OF(statuses), text);
}

struct slice tempo_status_name(unsigned status)
{
    return slice_str(statuses[MIN(status, COUNT_OF(statuses) - 1)]);
}

static const struct {
    struct slice name;
    enum tempo_intrinsic what;
} intrinsics[] = {
    { SLICE_INIT("name"), TEMPO_NAME }, { SLICE_INIT("span:name"), TEMPO_NAME },
    { SLICE_INIT("status"), TEMPO_STATUS }, { SLICE_INIT("span:status"), TEMPO_STATUS },
    { SLICE_INIT("statusMessage"), TEMPO_STATUS_MESSAGE }, { SLICE_INIT("span:statusMessage"), TEMPO_STATUS_MESSAGE },
    { SLICE_INIT("kind"), TEMPO_KIND }, { SLICE_INIT("span:kind"), TEMPO_KIND },
    { SLICE_INIT("rootName"), TEMPO_ROOT_NAME }, { SLICE_INIT("trace:rootName"), TEMPO_ROOT_NAME }, { SLICE_INIT("root.name"), TEMPO_ROOT_NAME },
    { SLICE_INIT("rootServiceName"), TEMPO_ROOT_SERVICE }, { SLICE_INIT("trace:rootService"), TEMPO_ROOT_SERVICE },
    { SLICE_INIT("root.service.name"), TEMPO_ROOT_SERVICE }, { SLICE_INIT("event:name"), TEMPO_EVENT_NAME },
    { SLICE_INIT("instrumentation:name"), TEMPO_SCOPE_NAME }, { SLICE_INIT("instrumentation:version"), TEMPO_SCOPE_VERSION },
    { SLICE_INIT("duration"), TEMPO_NUMBER }, { SLICE_INIT("span:duration"), TEMPO_NUMBER }, { SLICE_INIT("trace:duration"), TEMPO_NUMBER },
    { SLICE_INIT("traceDuration"), TEMPO_NUMBER }, { SLICE_INIT("event:timeSinceStart"), TEMPO_NUMBER }, { SLICE_INIT("span:id"), TEMPO_NUMBER },
    { SLICE_INIT("trace:id"), TEMPO_NUMBER }, { SLICE_INIT("span:parentID"), TEMPO_NUMBER }, { SLICE_INIT("link:spanID"), TEMPO_NUMBER },
    { SLICE_INIT("link:traceID"), TEMPO_NUMBER },
};

static const struct {
    struct slice prefix;
    enum tempo_scope scope;
} prefixes[] = {
    { SLICE_INIT("span."), TEMPO_SPAN }, { SLICE_INIT("resource."), TEMPO_RESOURCE },
    { SLICE_INIT("instrumentation."), TEMPO_INSTRUMENTATION }, { SLICE_INIT("event."), TEMPO_EVENT }, { SLICE_INIT("link."), TEMPO_LINK },
    { SLICE_INIT("."), TEMPO_ANY },
};

static struct slice unquoted(struct slice s)
{
    return s.len > 1 && s.ptr[0] == '"' && s.ptr[s.len - 1] == '"' ? slice_sub(s, 1, s.len - 1) : s;
}

struct tempo_tag tempo_tag_of(struct slice text)
{
    for (size_t i = 0; i < COUNT_OF(intrinsics); i++)
        if (slice_eq(text, intrinsics[i].name))
            return (struct tempo_tag){ .scope = TEMPO_INTRINSIC, .intrinsic = intrinsics[i].what, .name = text };
    for (size_t i = 0; i < COUNT_OF(prefixes); i++)
        if (slice_starts(text, prefixes[i].prefix))
            return (struct tempo_tag){ .scope = prefixes[i].scope, .name = unquoted(slice_skip(text, prefixes[i].prefix.len)) };
    return (struct tempo_tag){ .scope = TEMPO_ANY, .name = text };
}

/* ---- a filter by predicates alone ---- */

/* NULL: a predicate cannot say it. */
static struct pred *equal_pred(struct arena *a, struct tempo_tag t, struct slice value)
{
    struct pred *p = NULL;
    switch (t.intrinsic) {
    case TEMPO_NAME:
        return pred_text(a, COL_BODY, SLICE_EMPTY, value);
    case TEMPO_STATUS:
        return tempo_status_of(value) < 0 ? NULL : pred_int(a, PRED_EQ, COL_SPAN_STATUS, tempo_status_of(value));
    case TEMPO_KIND:
        return trace_kind_of(value) < 0 ? NULL : pred_int(a, PRED_EQ, COL_SPAN_KIND, trace_kind_of(value));
    case TEMPO_NONE:
        break;
    case TEMPO_STATUS_MESSAGE:
    case TEMPO_ROOT_NAME:
    case TEMPO_ROOT_SERVICE:
    case TEMPO_EVENT_NAME:
    case TEMPO_SCOPE_NAME:
    case TEMPO_SCOPE_VERSION:
    case TEMPO_NUMBER:
        return NULL;
    }
    if (t.scope == TEMPO_EVENT || t.scope == TEMPO_LINK)
        return NULL;
    if (slice_eq(t.name, SLICE("service.name")) && (t.scope == TEMPO_RESOURCE || t.scope == TEMPO_ANY))
        return pred_text(a, COL_SERVICE, SLICE_EMPTY, value);
    p = pred_text(a, COL_FIELD, t.name, value);
    p->scope = t.scope == TEMPO_SPAN ? SCOPE_RECORD : t.scope == TEMPO_RESOURCE ? SCOPE_RESOURCE :
               t.scope == TEMPO_INSTRUMENTATION ? SCOPE_INSTRUMENTATION : -1;
    return p;
}

/* The closing quote of a text that begins behind from, or its end. */
static size_t quote_end(struct slice s, size_t from)
{
    while (from < s.len && s.ptr[from] != '"')
        from += s.ptr[from] == '\\' ? 2 : 1;
    return MIN(from, s.len);
}

static bool is_literal(struct slice text)
{
    double d;
    return slice_eq(text, SLICE("true")) || slice_eq(text, SLICE("false")) || num_parse_double(text, &d);
}

/* "name op value"; NULL: a predicate cannot say it. */
static struct pred *term_pred(struct arena *a, struct slice term)
{
    static const struct {
        struct slice text;
        enum pred_op op;
    } orders[] = { { SLICE_INIT(">="), PRED_GE }, { SLICE_INIT("<="), PRED_LE }, { SLICE_INIT(">"), PRED_GT }, { SLICE_INIT("<"), PRED_LT } };
    size_t at = 0;
    while (at < term.len && term.ptr[at] != '=' && term.ptr[at] != '!' && term.ptr[at] != '<' && term.ptr[at] != '>')
        at++;
    struct slice name = slice_trim(slice_sub(term, 0, at)), rest = slice_skip(term, at), value;
    struct tempo_tag t = tempo_tag_of(name);
    if (slice_eq(name, SLICE("duration")) || slice_eq(name, SLICE("span:duration")))
        for (size_t i = 0; i < COUNT_OF(orders); i++) {
            int64_t ns;
            if (slice_starts(rest, orders[i].text))
                return duration_parse_go(slice_trim(slice_skip(rest, orders[i].text.len)), &ns) ? pred_int(a, orders[i].op, COL_DURATION, ns) : NULL;
        }
    if (!slice_starts(rest, SLICE("=")) || slice_starts(rest, SLICE("=~")) || slice_contains(rest, SLICE("\\")))
        return NULL;
    value = slice_trim(slice_skip(rest, 1));
    bool is_quoted = value.len > 1 && value.ptr[0] == '"' && quote_end(value, 1) == value.len - 1;
    bool is_word = t.intrinsic == TEMPO_STATUS || t.intrinsic == TEMPO_KIND;
    bool is_text = is_quoted && !is_word, is_bare = !is_quoted && (is_word || is_literal(value));
    if (t.scope == TEMPO_ANY && !slice_starts(name, SLICE(".")))
        return NULL;
    return t.name.len && (is_text || is_bare) ? equal_pred(a, t, unquoted(value)) : NULL;
}

struct pred *tempo_filter(struct arena *a, struct slice query, bool *whole)
{
    struct preds k = { 0 };
    query = slice_trim(query);
    *whole = query.len == 0;
    if (query.len < 2 || query.ptr[0] != '{' || query.ptr[query.len - 1] != '}' || slice_contains(query, SLICE("||")) ||
        slice_contains(slice_skip(query, 1), SLICE("{")))
        return NULL;
    *whole = true;
    query = slice_sub(query, 1, query.len - 1);
    while ((query = slice_trim(query)).len) {
        size_t end = 0;
        while (end < query.len && query.ptr[end] != '&')
            end = query.ptr[end] == '"' ? quote_end(query, end + 1) + 1 : end + 1;
        struct pred *p = k.count < FILTER_TERMS_MAX ? term_pred(a, slice_trim(slice_sub(query, 0, MIN(end, query.len)))) : NULL;
        bool is_and = end >= query.len || slice_starts(slice_skip(query, end), SLICE("&&"));
        query = slice_skip(query, MIN(end + 2, query.len));
        *whole = *whole && is_and;
        if (p)
            preds_add(a, &k, p);
        else
            *whole = false;
    }
    return pred_node(a, PRED_AND, &k);
}
