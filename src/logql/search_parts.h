/* SPDX-License-Identifier: Apache-2.0 */
/* The tree of a search, between its reader and its evaluator. */
#ifndef STOA_LOGQL_SEARCH_PARTS_H
#define STOA_LOGQL_SEARCH_PARTS_H

#include "codec/regex.h"
#include "logql/search.h"

enum search_kind { SEARCH_ALL, SEARCH_ANY, SEARCH_NOT, SEARCH_WORD, SEARCH_FIELD, SEARCH_LEVEL };
enum search_op { SEARCH_IS, SEARCH_LT, SEARCH_LE, SEARCH_GT, SEARCH_GE };

struct search_node {
    enum search_kind kind;
    struct search_node **kids; /* ALL, ANY, NOT */
    size_t kid_count, kid_cap;
    struct slice name;         /* FIELD */
    struct slice text;         /* WORD, FIELD: as typed, without quotes */
    enum search_op op;
    bool has_star;             /* FIELD: text has wildcards; alone: the field is there */
    struct slice pattern;      /* WORD: of re, as LogQL may write it */
    struct regex *re;          /* WORD, and FIELD with a wildcard */
    double number;             /* FIELD that is compared: plain, in seconds, or in bytes */
    int unit;                  /* of it: enum unwrap_as */
    uint8_t severity;          /* LEVEL */
};

struct search {
    struct search_node *root;  /* ALL */
    struct regex *regexes[SEARCH_TERMS_MAX];
    size_t regex_count, terms;
};

/* Lives in a; regexes until search_free. ST_INVALID with the position: "1:7: ...". */
MUST_CHECK enum status search_parse(struct arena *a, struct slice text, struct search **out, struct err *err);
void search_free(struct search *s); /* accepts NULL */

/* n is SEARCH_LEVEL. */
bool search_level_fits(const struct search_node *n, uint8_t severity);

/* As in query_lang. */
MUST_CHECK enum status search_format(struct slice text, uint32_t features, struct buf *out, struct err *err);

#endif
