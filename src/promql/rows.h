/* SPDX-License-Identifier: Apache-2.0 */
/* Rows that are kept: a vector over the whole grid, each label set once. In one arena, dropped whole. */
#ifndef STOA_PROMQL_ROWS_H
#define STOA_PROMQL_ROWS_H

#include "base/map.h"
#include "promql/eval.h"

struct rows {
    struct sink sink; /* puts copies of what it is given: first, so that a sink is a rows */
    struct eval *e;
    struct arena *a;
    size_t n;         /* steps */
    struct row *list;
    size_t count, cap;
    struct map index; /* labels to position */
    bool is_strict;   /* two rows of equal labels are an error, even where they do not meet */
    bool borrows;     /* histograms live elsewhere for as long, and are not copied */
};

/* A new arena of its own. Free it whatever happens. */
void rows_init(struct rows *r, struct eval *e, size_t steps);
void rows_free(struct rows *r);
/* Merges row into the one with its labels; two values at one step: the error about equal label sets. */
enum status rows_put(struct rows *r, struct row *row, struct err *err);
/* The row of these labels, with no values when it is new; labels are copied. */
struct row *rows_get(struct rows *r, struct slice labels, bool drop_name);
void rows_sort(struct rows *r); /* by labels */
/* Gives all rows that have a value to sink. */
enum status rows_give(struct rows *r, struct sink *sink, struct err *err);

#endif
