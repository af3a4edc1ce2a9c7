/* SPDX-License-Identifier: Apache-2.0 */
/* a="b", a!="b", a=~"b", a!~"b". An absent label has the empty value. Regexes are anchored at both ends. */
#ifndef STOA_MODEL_MATCHER_H
#define STOA_MODEL_MATCHER_H

#include "model/labels.h"

enum { SELECTOR_MATCHERS_MAX = 256 };

enum match_op { MATCH_EQ, MATCH_NE, MATCH_RE, MATCH_NRE };

struct regex;

struct matcher {
    enum match_op op;
    struct slice name, value;
    struct regex *re; /* MATCH_RE and MATCH_NRE */
};

/* name and value are kept. ST_INVALID: bad regex, with its text. */
MUST_CHECK enum status matcher_init(struct matcher *m, enum match_op op, struct slice name, struct slice value, struct err *err);
void matcher_destroy(struct matcher *m);
bool matcher_match(const struct matcher *m, struct slice value);
bool matcher_matches_empty(const struct matcher *m);
/* All of them, against one label set. */
bool matchers_match(const struct matcher *list, size_t count, struct slice labels);
void matcher_format(const struct matcher *m, struct buf *out);
/* {a="b",c!~"d"}, as matchers_parse reads it. */
void matchers_format(const struct matcher *list, size_t count, struct buf *out);
/* Reads that, with or without a metric's name in front; nothing at all gives no matchers. *out lives in a until
 * matchers_destroy. ST_INVALID with the position; ST_LIMIT: over SELECTOR_MATCHERS_MAX. */
MUST_CHECK enum status matchers_parse(struct arena *a, struct slice text, struct matcher **out, size_t *count, struct err *err);
void matchers_destroy(struct matcher *list, size_t count);

#endif
