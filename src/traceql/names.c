/* SPDX-License-Identifier: Apache-2.0 */
/* The words of the language: intrinsics in both of their spellings, values, functions, operators. */
#include "base/arena.h"
#include "traceql/parser.h"

struct intrinsic {
    struct slice name, other; /* as answers have it; the other spelling, or empty */
    enum tql_type type;
};

static const struct intrinsic intrinsics[TQL_INTRINSIC_COUNT] = {
    [TQL_DURATION_OF_SPAN] = { SLICE_INIT("duration"), SLICE_INIT("span:duration"), TQL_DURATION },
    [TQL_NAME] = { SLICE_INIT("name"), SLICE_INIT("span:name"), TQL_STRING },
    [TQL_STATUS_OF_SPAN] = { SLICE_INIT("status"), SLICE_INIT("span:status"), TQL_STATUS },
    [TQL_STATUS_MESSAGE] = { SLICE_INIT("statusMessage"), SLICE_INIT("span:statusMessage"), TQL_STRING },
    [TQL_KIND_OF_SPAN] = { SLICE_INIT("kind"), SLICE_INIT("span:kind"), TQL_KIND },
    [TQL_CHILD_COUNT] = { SLICE_INIT("span:childCount"), SLICE_INIT("childCount"), TQL_INT },
    [TQL_SPAN_ID] = { SLICE_INIT("span:id"), SLICE_INIT(""), TQL_STRING },
    [TQL_PARENT_ID] = { SLICE_INIT("span:parentID"), SLICE_INIT(""), TQL_STRING },
    [TQL_PARENT] = { SLICE_INIT("parent"), SLICE_INIT(""), TQL_NIL },
    [TQL_NESTED_LEFT] = { SLICE_INIT("nestedSetLeft"), SLICE_INIT("span:nestedSetLeft"), TQL_INT },
    [TQL_NESTED_RIGHT] = { SLICE_INIT("nestedSetRight"), SLICE_INIT("span:nestedSetRight"), TQL_INT },
    [TQL_NESTED_PARENT] = { SLICE_INIT("nestedSetParent"), SLICE_INIT("span:nestedSetParent"), TQL_INT },
    [TQL_TRACE_DURATION] = { SLICE_INIT("traceDuration"), SLICE_INIT("trace:duration"), TQL_DURATION },
    [TQL_ROOT_NAME] = { SLICE_INIT("rootName"), SLICE_INIT("trace:rootName"), TQL_STRING },
    [TQL_ROOT_SERVICE] = { SLICE_INIT("rootServiceName"), SLICE_INIT("trace:rootService"), TQL_STRING },
    [TQL_TRACE_ID] = { SLICE_INIT("trace:id"), SLICE_INIT(""), TQL_STRING },
    [TQL_EVENT_NAME] = { SLICE_INIT("event:name"), SLICE_INIT(""), TQL_STRING },
    [TQL_EVENT_TIME] = { SLICE_INIT("event:timeSinceStart"), SLICE_INIT(""), TQL_DURATION },
    [TQL_LINK_TRACE_ID] = { SLICE_INIT("link:traceID"), SLICE_INIT(""), TQL_STRING },
    [TQL_LINK_SPAN_ID] = { SLICE_INIT("link:spanID"), SLICE_INIT(""), TQL_STRING },
    [TQL_SCOPE_NAME] = { SLICE_INIT("instrumentation:name"), SLICE_INIT(""), TQL_STRING },
    [TQL_SCOPE_VERSION] = { SLICE_INIT("instrumentation:version"), SLICE_INIT(""), TQL_STRING },
};

static const struct slice statuses[] = { SLICE_INIT("unset"), SLICE_INIT("ok"), SLICE_INIT("error") };
static const struct slice kinds[] = { SLICE_INIT("unspecified"), SLICE_INIT("internal"), SLICE_INIT("server"),
                                      SLICE_INIT("client"),      SLICE_INIT("producer"), SLICE_INIT("consumer") };
static const struct slice functions[] = {
    SLICE_INIT("rate"),          SLICE_INIT("count_over_time"),    SLICE_INIT("min_over_time"),
    SLICE_INIT("max_over_time"), SLICE_INIT("avg_over_time"),      SLICE_INIT("sum_over_time"),
    SLICE_INIT("quantile_over_time"), SLICE_INIT("histogram_over_time"), SLICE_INIT("compare"),
};
static const struct slice aggregates[] = { SLICE_INIT("count"), SLICE_INIT("max"), SLICE_INIT("min"), SLICE_INIT("avg"), SLICE_INIT("sum") };

#define NONE (-1)
static const struct tql_binary binaries[] = {
    { SLICE_INIT("&&"), 1, TQL_AND, TQL_REL_AND, false, false },
    { SLICE_INIT("||"), 1, TQL_OR, TQL_REL_OR, false, false },
    { SLICE_INIT("="), 2, TQL_EQ, NONE, false, false },
    { SLICE_INIT("!="), 2, TQL_NE, NONE, false, false },
    { SLICE_INIT("<"), 2, TQL_LT, TQL_REL_PARENT, false, false },
    { SLICE_INIT("<="), 2, TQL_LE, NONE, false, false },
    { SLICE_INIT(">"), 2, TQL_GT, TQL_REL_CHILD, false, false },
    { SLICE_INIT(">="), 2, TQL_GE, NONE, false, false },
    { SLICE_INIT("=~"), 2, TQL_RE, NONE, false, false },
    { SLICE_INIT("!~"), 2, TQL_NRE, TQL_REL_SIBLING, true, false },
    { SLICE_INIT(">>"), 2, NONE, TQL_REL_DESCENDANT, false, false },
    { SLICE_INIT("<<"), 2, NONE, TQL_REL_ANCESTOR, false, false },
    { SLICE_INIT("~"), 2, NONE, TQL_REL_SIBLING, false, false },
    { SLICE_INIT("!>"), 2, NONE, TQL_REL_CHILD, true, false },
    { SLICE_INIT("!>>"), 2, NONE, TQL_REL_DESCENDANT, true, false },
    { SLICE_INIT("!<"), 2, NONE, TQL_REL_PARENT, true, false },
    { SLICE_INIT("!<<"), 2, NONE, TQL_REL_ANCESTOR, true, false },
    { SLICE_INIT("&>"), 2, NONE, TQL_REL_CHILD, false, true },
    { SLICE_INIT("&>>"), 2, NONE, TQL_REL_DESCENDANT, false, true },
    { SLICE_INIT("&<"), 2, NONE, TQL_REL_PARENT, false, true },
    { SLICE_INIT("&<<"), 2, NONE, TQL_REL_ANCESTOR, false, true },
    { SLICE_INIT("&~"), 2, NONE, TQL_REL_SIBLING, false, true },
    { SLICE_INIT("+"), 3, TQL_ADD, NONE, false, false },
    { SLICE_INIT("-"), 3, TQL_SUB, NONE, false, false },
    { SLICE_INIT("*"), 5, TQL_MUL, NONE, false, false },
    { SLICE_INIT("/"), 5, TQL_DIV, NONE, false, false },
    { SLICE_INIT("%"), 5, TQL_MOD, NONE, false, false },
    { SLICE_INIT("^"), 6, TQL_POW, NONE, false, false },
};

const struct tql_binary *tql_binary_of(struct slice text)
{
    for (size_t i = 0; i < COUNT_OF(binaries); i++)
        if (slice_eq(binaries[i].text, text))
            return &binaries[i];
    return NULL;
}

const struct tql_binary *tql_binary_of_op(enum tql_op op)
{
    for (size_t i = 0; i < COUNT_OF(binaries); i++)
        if (binaries[i].op == (int)op)
            return &binaries[i];
    return NULL;
}

const struct tql_binary *tql_binary_of_spans(const struct tql_spans *s)
{
    for (size_t i = 0; i < COUNT_OF(binaries); i++)
        if (binaries[i].relation == (int)s->relation && binaries[i].is_negated == s->is_negated && binaries[i].is_union == s->is_union)
            return &binaries[i];
    return NULL;
}

static bool index_of(struct slice word, const struct slice *names, size_t count, size_t *out)
{
    for (*out = 0; *out < count; ++*out)
        if (slice_eq(names[*out], word))
            return true;
    return false;
}

bool tql_function_of(struct slice word, enum tql_function *out)
{
    size_t i;
    bool is_one = index_of(word, functions, COUNT_OF(functions), &i);
    *out = is_one ? (enum tql_function)i : TQL_RATE;
    return is_one;
}

bool tql_aggregate_of(struct slice word, enum tql_aggregate *out)
{
    size_t i;
    bool is_one = index_of(word, aggregates, COUNT_OF(aggregates), &i);
    *out = is_one ? (enum tql_aggregate)i : TQL_COUNT;
    return is_one;
}

struct slice tql_aggregate_name(enum tql_aggregate a)
{
    return aggregates[a];
}

bool tql_intrinsic_of(struct slice word, enum tql_intrinsic *out)
{
    for (size_t i = 0; word.len && i < TQL_INTRINSIC_COUNT; i++) {
        if (slice_eq(intrinsics[i].name, word) || slice_eq(intrinsics[i].other, word)) {
            *out = (enum tql_intrinsic)i;
            return true;
        }
    }
    return false;
}

bool tql_value_of_word(struct slice word, struct tql_value *out)
{
    static const struct {
        struct slice word;
        enum tql_type type;
        int64_t i;
    } values[] = {
        { SLICE_INIT("true"), TQL_BOOL, 1 },          { SLICE_INIT("false"), TQL_BOOL, 0 },      { SLICE_INIT("nil"), TQL_NIL, 0 },
        { SLICE_INIT("minInt"), TQL_INT, INT64_MIN }, { SLICE_INIT("maxInt"), TQL_INT, INT64_MAX },
    };
    size_t at;
    for (size_t i = 0; i < COUNT_OF(values); i++) {
        if (slice_eq(values[i].word, word)) {
            *out = (struct tql_value){ .type = values[i].type, .i = values[i].i };
            return true;
        }
    }
    if (index_of(word, statuses, COUNT_OF(statuses), &at))
        *out = (struct tql_value){ .type = TQL_STATUS, .i = (int64_t)at };
    else if (index_of(word, kinds, COUNT_OF(kinds), &at))
        *out = (struct tql_value){ .type = TQL_KIND, .i = (int64_t)at };
    else
        return false;
    return true;
}

bool tql_field_of_token(const struct tql_token *t, struct tql_field *out)
{
    enum tql_intrinsic i;
    if (t->kind == TQL_TOKEN_ATTRIBUTE) {
        *out = t->field;
        return true;
    }
    if (t->kind != TQL_TOKEN_WORD || !tql_intrinsic_of(t->text, &i))
        return false;
    *out = (struct tql_field){ .scope = TQL_SCOPE_INTRINSIC, .intrinsic = i };
    return true;
}

bool traceql_field_of(struct arena *a, struct slice text, struct tql_field *out)
{
    struct tql_token *tokens;
    size_t count;
    return text.len <= QUERY_TEXT_BYTES_MAX && tql_lex_all(a, text, &tokens, &count, NULL) == ST_OK && count == 2 &&
           tql_field_of_token(&tokens[0], out);
}

struct slice traceql_intrinsic_name(enum tql_intrinsic i)
{
    return intrinsics[i].name;
}

enum tql_type traceql_intrinsic_type(enum tql_intrinsic i)
{
    return intrinsics[i].type;
}

struct slice traceql_status_name(int64_t status)
{
    return status >= 0 && status < (int64_t)COUNT_OF(statuses) ? statuses[status] : statuses[0];
}

struct slice traceql_kind_name(int64_t kind)
{
    return kind >= 0 && kind < (int64_t)COUNT_OF(kinds) ? kinds[kind] : kinds[0];
}

struct slice traceql_function_name(enum tql_function f)
{
    return functions[f];
}
