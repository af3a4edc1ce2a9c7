/* SPDX-License-Identifier: Apache-2.0 */
/* What the evaluators share. A query looks at one trace at a time: its spans as a tree, and sets of them that go through the stages of a
 * pipeline. One thread per query. */
#ifndef STOA_TRACEQL_EVAL_H
#define STOA_TRACEQL_EVAL_H

#include "traceql/ast.h"
#include "traceql/traceql.h"

/* ---- tree.c: a trace ---- */

#define TQL_NO_SPAN UINT32_MAX

struct tql_span {
    const struct event *e;
    uint32_t parent;        /* its index; TQL_NO_SPAN: of a root, or the parent has not come */
    uint32_t child_count;
    uint32_t left, right;   /* of a nested set: a descendant's lie between; from 1 */
};

/* Does it name a parent, be it here or not? */
bool tql_has_parent_id(const struct event *e);

struct tql_trace {
    struct tql_span *spans; /* in order of time */
    size_t count;
    uint32_t root;          /* the first span without a parent's id; TQL_NO_SPAN: it has not come */
    int64_t start_ns, duration_ns;
};

/* The spans in any order, of one trace; events are borrowed, the rest lives in a. A span id that comes twice is its first one's for its
 * children; spans that are each other's ancestors hang from the first of them, as a root's. */
void tql_tree(struct arena *a, const struct event *const *list, size_t count, struct tql_trace *out);

/* ---- field.c, expr.c: one span ---- */

/* What the span says; NIL when it has none. Of several (events, links): the first. scratch holds what has to be made. */
struct tql_value tql_field_value(const struct tql_field *f, const struct tql_trace *t, uint32_t span, struct arena *scratch);
/* All it says: of events, of links, the elements of a list. None is NIL; they live in scratch. */
struct tql_value *tql_field_values(const struct tql_field *f, const struct tql_trace *t, uint32_t span, struct arena *scratch, size_t *count);
struct tql_value tql_expr_value(const struct tql_expr *e, const struct tql_trace *t, uint32_t span, struct arena *scratch);
bool tql_expr_is_true(const struct tql_expr *e, const struct tql_trace *t, uint32_t span, struct arena *scratch);
/* As a number: durations in nanoseconds. False: it is none. */
bool tql_value_number(const struct tql_value *v, double *out);
/* ADD to POW and EQ to GE, of two numbers or two of the same type; NIL when they have nothing in common. */
struct tql_value tql_value_binary(enum tql_op op, const struct tql_value *x, const struct tql_value *y);
/* NIL before all; of one type by size. For order and for telling groups apart: INT 1 and FLOAT 1 are equal, "1" is not. */
int tql_value_cmp(const struct tql_value *x, const struct tql_value *y);

/* ---- stages.c: sets of spans ---- */

struct tql_attr { /* of a set: what by() told apart, what an aggregate came to */
    struct slice name; /* "by(resource.service.name)", "avg(duration)" */
    struct tql_value value;
};
struct tql_set {
    uint32_t *spans;   /* ascending */
    size_t count;
    struct tql_attr *attrs;
    size_t attr_count;
};
struct tql_sets {
    struct tql_set *list;
    size_t count, cap;
};
/* Sets without spans are not among them. All of it lives in a. */
void tql_stages_run(struct arena *a, const struct tql_stage *stages, const struct tql_trace *t, struct tql_sets *out);

/* ---- needs.c: what a query looks at ---- */

struct tql_needs {
    bool whole_trace;  /* more than a span at a time */
    unsigned want;     /* enum event_want bits */
    struct arena *a;   /* keeps the names of attributes; NULL: they are not told */
    struct slice *names;
    size_t name_count, name_cap;
};
void tql_needs_of_stages(const struct tql_stage *stages, struct tql_needs *n);
void tql_needs_of_expr(const struct tql_expr *e, struct tql_needs *n);
/* nestedSetParent < 0: what clients write for "is a root", which a span tells by itself. */
bool tql_asks_for_root(const struct tql_expr *e);

/* ---- push.c: what an engine can check ---- */

/* Every trace that gives anything has a span of this; NULL: any. *is_all: those spans, and no others, are what the stages give. Lives in a;
 * regexes are the query's. */
struct pred *tql_push(struct arena *a, const struct tql_stage *stages, bool *is_all);

/* ---- feed.c: spans from the engine ---- */

struct tql_feed {
    const struct tql_stage *stages;
    const struct tql_expr *const *exprs; /* what see() will ask of a span */
    size_t expr_count;
    unsigned want;                       /* enum event_want bits, beside what those need */
    int64_t start_ns, end_ns;            /* [start, end) over the spans' starts */
    /* Each span the stages give that begins in the window, once, in no order. The trace is the span alone (count 1) unless more is looked
     * at. What it is given lives until it returns; scratch as well. */
    enum status (*see)(void *arg, const struct tql_trace *t, uint32_t span, struct arena *scratch, struct err *err);
    void *arg;
};
MUST_CHECK enum status tql_feed_run(struct query_env *env, const struct tql_feed *f, struct err *err);

/* Once a trace or block: is the query to end, or over its memory? */
MUST_CHECK enum status tql_check(struct query_env *env, struct err *err);

#endif
