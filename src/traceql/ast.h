/* SPDX-License-Identifier: Apache-2.0 */
/* The tree of a TraceQL query. Lives in the arena it was parsed into; regexes are freed by traceql_free. Names of the language and its
 * precedences: https://grafana.com/docs/tempo/latest/traceql/ */
#ifndef STOA_TRACEQL_AST_H
#define STOA_TRACEQL_AST_H

#include "codec/regex.h"
#include "query/lang.h"

/* ---- values ---- */

/* TQL_ANY: an attribute's, which each span tells. TQL_ARRAY: an attribute with several values, as JSON. */
enum tql_type { TQL_NIL, TQL_INT, TQL_FLOAT, TQL_STRING, TQL_BOOL, TQL_DURATION, TQL_STATUS, TQL_KIND, TQL_ARRAY, TQL_ANY };

struct tql_value {
    enum tql_type type;
    union {
        int64_t i;       /* INT; BOOL: 0 or 1; DURATION: nanoseconds; STATUS and KIND: OpenTelemetry's numbers */
        double d;        /* FLOAT */
    };
    struct slice text;   /* STRING, ARRAY */
};

/* ---- fields: what is asked of a span ---- */

enum tql_scope { TQL_SCOPE_ANY, TQL_SCOPE_SPAN, TQL_SCOPE_RESOURCE, TQL_SCOPE_EVENT, TQL_SCOPE_LINK, TQL_SCOPE_INSTRUMENTATION, TQL_SCOPE_INTRINSIC };

enum tql_intrinsic { /* with both of its spellings where there are two: "duration" and "span:duration" */
    TQL_DURATION_OF_SPAN, TQL_NAME, TQL_STATUS_OF_SPAN, TQL_STATUS_MESSAGE, TQL_KIND_OF_SPAN, TQL_CHILD_COUNT, TQL_SPAN_ID, TQL_PARENT_ID,
    TQL_PARENT /* the word "parent": of no type but nil or not */, TQL_NESTED_LEFT, TQL_NESTED_RIGHT, TQL_NESTED_PARENT,
    TQL_TRACE_DURATION, TQL_ROOT_NAME, TQL_ROOT_SERVICE, TQL_TRACE_ID,
    TQL_EVENT_NAME, TQL_EVENT_TIME, TQL_LINK_TRACE_ID, TQL_LINK_SPAN_ID, TQL_SCOPE_NAME, TQL_SCOPE_VERSION, TQL_INTRINSIC_COUNT
};

struct tql_field {
    enum tql_scope scope;
    enum tql_intrinsic intrinsic; /* SCOPE_INTRINSIC */
    bool of_parent;               /* parent.x, parent.resource.x, parent.span.x */
    struct slice name;            /* other scopes: the attribute */
};

/* ---- expressions over one span ---- */

enum tql_op { TQL_ADD, TQL_SUB, TQL_MUL, TQL_DIV, TQL_MOD, TQL_POW, TQL_EQ, TQL_NE, TQL_LT, TQL_LE, TQL_GT, TQL_GE, TQL_RE, TQL_NRE, TQL_AND, TQL_OR,
              TQL_NOT, TQL_NEG };

enum tql_expr_kind { TQL_EXPR_VALUE, TQL_EXPR_FIELD, TQL_EXPR_UNARY, TQL_EXPR_BINARY };

struct tql_expr {
    enum tql_expr_kind kind;
    enum tql_type type;          /* what it gives, as far as the text tells */
    size_t position;             /* of the query's bytes */
    struct tql_value value;      /* VALUE */
    struct tql_field field;      /* FIELD */
    enum tql_op op;              /* UNARY: NOT, NEG, of left */
    struct tql_expr *left, *right;
    struct regex *re;            /* RE, NRE whose right side is a text: the whole text must match */
};

/* ---- sets of spans of one trace ---- */

enum tql_spans_kind { TQL_SPANS_FILTER, TQL_SPANS_OPERATION, TQL_SPANS_PIPELINE };
enum tql_relation { TQL_REL_AND, TQL_REL_OR, TQL_REL_CHILD /* > */, TQL_REL_DESCENDANT /* >> */, TQL_REL_PARENT /* < */, TQL_REL_ANCESTOR /* << */,
                    TQL_REL_SIBLING /* ~ */ };

struct tql_spans {
    enum tql_spans_kind kind;
    size_t position;
    struct tql_expr *filter;     /* FILTER; NULL: {} */
    enum tql_relation relation;  /* OPERATION */
    bool is_negated, is_union;   /* !>, &>: of the structural relations alone */
    struct tql_spans *left, *right;
    struct tql_stage *pipeline;  /* PIPELINE: ({ } | count() > 1) */
};

enum tql_aggregate { TQL_COUNT, TQL_MAX, TQL_MIN, TQL_AVG, TQL_SUM };
enum tql_scalar_kind { TQL_SCALAR_VALUE, TQL_SCALAR_AGGREGATE, TQL_SCALAR_BINARY };

struct tql_scalar { /* a number of one set of spans */
    enum tql_scalar_kind kind;
    enum tql_type type;          /* INT, FLOAT, DURATION, or ANY */
    size_t position;
    struct tql_value value;
    enum tql_aggregate aggregate;
    struct tql_expr *of;         /* AGGREGATE but COUNT */
    enum tql_op op;              /* BINARY: ADD to POW */
    struct tql_scalar *left, *right;
};

enum tql_stage_kind { TQL_STAGE_SPANS, TQL_STAGE_SCALAR_FILTER, TQL_STAGE_BY, TQL_STAGE_COALESCE, TQL_STAGE_SELECT };

struct tql_stage {
    enum tql_stage_kind kind;
    struct tql_stage *next;
    struct tql_spans *spans;     /* SPANS */
    struct tql_scalar *left, *right;
    enum tql_op op;              /* SCALAR_FILTER: EQ to GE */
    struct tql_expr *by;         /* BY */
    struct tql_expr **select;    /* SELECT */
    size_t select_count;
};

/* ---- numbers over time ---- */

enum tql_metric_kind { TQL_METRIC_FUNCTION, TQL_METRIC_NUMBER, TQL_METRIC_BINARY /* ADD to DIV */, TQL_METRIC_FILTER /* of with number, EQ to GE */,
                       TQL_METRIC_TOPK, TQL_METRIC_BOTTOMK };
enum tql_function { TQL_RATE, TQL_COUNT_OVER_TIME, TQL_MIN_OVER_TIME, TQL_MAX_OVER_TIME, TQL_AVG_OVER_TIME, TQL_SUM_OVER_TIME, TQL_QUANTILE_OVER_TIME,
                    TQL_HISTOGRAM_OVER_TIME, TQL_COMPARE };

struct tql_metric {
    enum tql_metric_kind kind;
    size_t position;
    /* FUNCTION: of the spans that stages give */
    struct tql_stage *stages;
    enum tql_function function;
    struct tql_expr *of;         /* *_OVER_TIME but COUNT: a field */
    double *quantiles;           /* 0 to 1 */
    size_t quantile_count;
    struct tql_expr **by;        /* fields */
    size_t by_count;
    struct tql_spans *selection; /* COMPARE: a FILTER */
    size_t top;                  /* COMPARE: values told of an attribute, 10 unless given; TOPK, BOTTOMK: how many */
    int64_t start_ns, end_ns;    /* COMPARE: of the selection; 0 both: all of it */
    /* BINARY: left and right; FILTER, TOPK, BOTTOMK: of left */
    enum tql_op op;
    struct tql_metric *left, *right;
    struct tql_value number;     /* NUMBER, FILTER: INT, FLOAT; FILTER: DURATION as well */
};

struct tql_hint { /* with(name = value) */
    struct slice name;
    struct tql_value value;
    size_t position;
};

enum { /* of one query */
    TRACEQL_NODES_MAX = 2048, TRACEQL_STAGES_MAX = 64, TRACEQL_NAMES_MAX = 64 /* of by() and select() */, TRACEQL_QUANTILES_MAX = 32,
    TRACEQL_HINTS_MAX = 16, TRACEQL_REGEXES_MAX = 256, TRACEQL_TOP_DEFAULT = 10 /* of compare */, TRACEQL_TOP_MAX = 1000
};

struct traceql {
    struct tql_stage *stages;    /* a search */
    struct tql_metric *metric;   /* numbers over time; NULL: a search */
    struct tql_hint *hints;
    size_t hint_count;
    struct regex **regexes;      /* all of them, to free */
    size_t regex_count, regex_cap;
    size_t nodes, regex_size;    /* counted against the limits */
};

/* Parses and checks: what it gives can be run. ST_INVALID with the place: "parse error at line 1, col 5: ..." as Tempo writes it. */
MUST_CHECK enum status traceql_parse(struct arena *a, struct slice text, struct traceql **out, struct err *err);
void traceql_free(struct traceql *q); /* accepts NULL */

/* ---- format.c: the same in canonical layout ---- */
void traceql_format_query(const struct traceql *q, struct buf *out);
void traceql_format_expr(const struct tql_expr *e, struct buf *out);
void traceql_format_field(const struct tql_field *f, struct buf *out); /* "span:duration" as it is named in answers: see names below */
void traceql_format_scalar(const struct tql_scalar *s, struct buf *out);
/* 1h30m, 1.5, "text" with quotes, ok, server, nil */
void traceql_format_value(const struct tql_value *v, struct buf *out);

/* ---- names.c ---- */
/* A field as it is written in a query, or given as a tag: "span.http.method", ".a", "resource.\"foo bar\"", "duration", "span:name",
 * "parent.a". The name is a part of text, or lives in a. False: it is none. */
bool traceql_field_of(struct arena *a, struct slice text, struct tql_field *out);
/* As Tempo names it in answers: "duration", "name", "status", "rootServiceName", "span:id", "event:name" ... */
struct slice traceql_intrinsic_name(enum tql_intrinsic i);
enum tql_type traceql_intrinsic_type(enum tql_intrinsic i);
struct slice traceql_status_name(int64_t status); /* "unset", "ok", "error" */
struct slice traceql_kind_name(int64_t kind);     /* "unspecified" ... "consumer" */
struct slice traceql_function_name(enum tql_function f);

#endif
