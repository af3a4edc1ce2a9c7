/* SPDX-License-Identifier: Apache-2.0 */
/* The tree of a LogQL query. Lives in the arena it was parsed into; regexes are freed by logql_free. */
#ifndef STOA_LOGQL_AST_H
#define STOA_LOGQL_AST_H

#include "codec/regex.h"
#include "logql/logql.h"

enum line_op { LINE_CONTAINS, LINE_NOT_CONTAINS, LINE_MATCHES, LINE_NOT_MATCHES, LINE_PATTERN, LINE_NOT_PATTERN };

enum stage_kind { STAGE_LINE, STAGE_JSON, STAGE_LOGFMT, STAGE_REGEXP, STAGE_PATTERN, STAGE_UNPACK, STAGE_LABEL_FILTER, STAGE_LINE_FORMAT,
                  STAGE_LABEL_FORMAT, STAGE_DROP, STAGE_KEEP, STAGE_DECOLORIZE };

enum cmp_op { CMP_EQ, CMP_NE, CMP_GT, CMP_GE, CMP_LT, CMP_LE, CMP_RE, CMP_NRE };
enum filter_kind { FILTER_AND, FILTER_OR, FILTER_STRING, FILTER_NUMBER, FILTER_DURATION, FILTER_BYTES, FILTER_IP };

struct label_filter {
    enum filter_kind kind;
    struct label_filter *left, *right; /* AND, OR */
    struct slice name, text;
    enum cmp_op op;
    double number;                     /* NUMBER; seconds; bytes */
    struct regex *re;
    struct ip_range *ip;
};

/* name=expression of json, logfmt and label_format; matcher of drop and keep. */
struct assign {
    struct slice name, source;
    struct template *template; /* label_format with a quoted right side */
    bool has_matcher;
    enum match_op op;
    struct regex *re;
};

struct piece { /* of a pattern: a literal, then a capture; name empty: not kept ("<_>") */
    struct slice literal, name;
    bool is_capture;
};

struct stage {
    enum stage_kind kind;
    struct stage *next;
    /* LINE: any of the texts */
    enum line_op line_op;
    struct slice *texts;
    struct regex **res;
    struct piece **patterns;
    size_t *pattern_counts;
    struct ip_range **ips;
    size_t text_count;
    struct label_filter *filter;
    struct regex *re;              /* REGEXP */
    struct piece *pieces;          /* PATTERN */
    size_t piece_count;
    struct slice source;           /* the text of REGEXP, PATTERN, LINE_FORMAT, for format */
    struct template *template;
    struct assign *assigns;
    size_t assign_count;
    bool strict, keep_empty;       /* LOGFMT */
};

enum expr_kind { EXPR_LOG, EXPR_RANGE, EXPR_VECTOR_AGG, EXPR_BINARY, EXPR_NUMBER, EXPR_VECTOR, EXPR_LABEL_REPLACE };

enum range_op { RANGE_COUNT, RANGE_RATE, RANGE_BYTES, RANGE_BYTES_RATE, RANGE_ABSENT, RANGE_SUM, RANGE_AVG, RANGE_MIN, RANGE_MAX, RANGE_FIRST,
                RANGE_LAST, RANGE_STDDEV, RANGE_STDVAR, RANGE_QUANTILE, RANGE_RATE_COUNTER };
enum unwrap_as { UNWRAP_NUMBER, UNWRAP_DURATION, UNWRAP_BYTES };
enum agg_kind { AGG_KIND_SUM, AGG_KIND_AVG, AGG_KIND_MIN, AGG_KIND_MAX, AGG_KIND_COUNT, AGG_KIND_STDDEV, AGG_KIND_STDVAR, AGG_KIND_TOPK,
                AGG_KIND_BOTTOMK, AGG_KIND_SORT, AGG_KIND_SORT_DESC, AGG_KIND_APPROX_TOPK };
enum binary_op { BIN_ADD, BIN_SUB, BIN_MUL, BIN_DIV, BIN_MOD, BIN_POW, BIN_EQ, BIN_NE, BIN_GT, BIN_GE, BIN_LT, BIN_LE, BIN_AND, BIN_OR, BIN_UNLESS };

struct grouping {
    bool given, without;
    struct slice *names;
    size_t count;
};

struct expr {
    enum expr_kind kind;
    size_t position;
    /* LOG */
    struct matcher *matchers;
    size_t matcher_count;
    struct stage *stages;
    /* RANGE: over left, which is LOG */
    enum range_op range_op;
    int64_t range_ns, offset_ns;
    bool has_unwrap;
    struct slice unwrap_label;
    enum unwrap_as unwrap_as;
    struct label_filter *unwrap_filter; /* after unwrap */
    double parameter;                   /* quantile; k */
    struct grouping grouping;           /* RANGE and VECTOR_AGG */
    enum agg_kind agg;
    /* BINARY */
    enum binary_op op;
    bool is_bool, on;
    struct slice *match_names;
    size_t match_count;
    bool has_match;                     /* on or ignoring is written */
    int group_side;                     /* 0 none, -1 group_left, 1 group_right */
    struct slice *include;
    size_t include_count;
    struct expr *left, *right;
    double number;
    struct slice replace[4];            /* LABEL_REPLACE: dst, replacement, src, regex */
    struct regex *re;
};

enum { /* of one query */
    LOGQL_OPERATORS_MAX = 256, LOGQL_STAGES_MAX = 256, LOGQL_ALTERNATIVES_MAX = 256, LOGQL_ASSIGNS_MAX = 256, LOGQL_FILTERS_MAX = 512,
    LOGQL_REGEXES_MAX = 256, LOGQL_MATCHERS_MAX = 256, LOGQL_NAMES_MAX = 256 /* of one list: by, on, group_left, ... */
};

struct logql { /* a parsed query */
    struct expr *root;
    struct regex **regexes;             /* all of them, to free */
    size_t regex_count, regex_cap;
    struct expr **logs;                 /* all LOG nodes, whose matchers are to be destroyed */
    size_t log_count, log_cap;
    size_t operators, stages, filters;  /* counted against the limits above */
    size_t regex_size;                  /* of matchers as well, against QUERY_REGEX_SIZE_MAX */
};

MUST_CHECK enum status logql_parse(struct arena *a, struct slice text, struct logql **out, struct err *err);
void logql_free(struct logql *q); /* accepts NULL */
void logql_format_expr(const struct expr *e, struct buf *out);

/* Names as text, in the order of the enums. */
extern const struct slice logql_range_names[], logql_agg_names[], logql_binary_names[];
extern const size_t logql_range_count, logql_agg_count, logql_binary_count;

/* ---- ip.c: ip("10.0.0.0/8"), ip("10.0.0.1-10.0.0.9"), ip("::1") ---- */
struct ip_range {
    uint8_t from[16], to[16]; /* IPv4 as ::ffff:a.b.c.d */
};
bool ip_range_parse(struct slice text, struct ip_range *out);
/* Any address in the line. */
bool ip_line_has(const struct ip_range *r, struct slice line);

/* ---- template.c: the templates of line_format and label_format ---- */
struct record;
struct stage_env;
struct parser;
/* name: "line" or "label", in errors. */
MUST_CHECK enum status template_parse(struct parser *p, const char *name, struct slice text, struct template **out, struct err *err);
/* The line, or the labels, as told. What fails gives the record __error__="TemplateFormatErr" and leaves it as it was. */
void template_format_line(const struct template *t, struct record *r, struct stage_env *env);
void template_format_labels(const struct assign *list, size_t count, struct record *r, struct stage_env *env);

/* ---- pattern.c ---- */
MUST_CHECK enum status pattern_parse(struct arena *a, struct slice text, bool is_filter, struct piece **out, size_t *count, struct err *err);
/* Captures in order into values (which has room for count); how many were found, 0 when the line does not begin as it should.
 * A literal that is missing ends the matching: the capture before it takes the rest. */
size_t pattern_captures(const struct piece *pieces, size_t count, struct slice line, struct slice *values);
/* Does the whole line look so? Captures of a filter are never empty. */
bool pattern_test(const struct piece *pieces, size_t count, struct slice line);

#endif
