/* SPDX-License-Identifier: Apache-2.0 */
/* Regular expressions by RE2: linear time, so no regex of a user can hang us. Matching may run on any thread at once. */
#ifndef STOA_CODEC_REGEX_H
#define STOA_CODEC_REGEX_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

struct regex;

enum regex_flags {
    REGEX_ANCHORED = 1, /* the whole text must match, and '.' matches newlines: Prometheus's ^(?s:...)$ */
    REGEX_NOCASE = 2,
    REGEX_DOTALL = 4
};
enum { REGEX_PATTERN_BYTES_MAX = 16 * KIB, REGEX_MEMORY_BYTES_MAX = 8 * MIB, REGEX_GROUPS_MAX = 64 };

/* ST_INVALID with RE2's own reason. */
MUST_CHECK enum status regex_compile(struct regex **out, struct slice pattern, unsigned flags, struct err *err);
void regex_free(struct regex *re); /* accepts NULL */
/* Steps of its program: what it took to compile and keeps. A few for each character, but \pL{400} is a quarter of a million. */
size_t regex_size(const struct regex *re);
bool regex_match(const struct regex *re, struct slice text);
/* groups[0] is the whole match; ptr NULL: the group took no part. At most count groups are filled. */
bool regex_find(const struct regex *re, struct slice text, size_t from, struct slice *groups, size_t count);
size_t regex_group_count(const struct regex *re); /* without group 0 */
/* The name of group i (1..), empty when it has none. Lives as long as re. */
struct slice regex_group_name(const struct regex *re, size_t i);
/* $1, ${1}, $name, ${name}, $$ in template, as Go's Regexp.Expand; unknown names give nothing. */
void regex_expand(const struct regex *re, struct slice format, const struct slice *groups, size_t count, struct buf *out);
/* Every match replaced by the expanded template. */
void regex_replace_all(const struct regex *re, struct slice text, struct slice format, struct buf *out);
/* When every match starts with one literal text: that text (empty when there is none). Lives as long as re. */
struct slice regex_prefix(const struct regex *re);
/* Texts of which every match has at least one inside; *is_nocase: whether as it is or with other case of ASCII letters. Returns how
 * many; 0: nothing is known. They live in a. To be asked once, not for every text: the pattern is compiled again. */
size_t regex_needles(const struct regex *re, struct arena *a, const struct slice **out, bool *is_nocase);
/* When the regex is a plain list of texts, "a|b|c": how many and which; 0 when it is not. Live as long as re. */
size_t regex_literals(const struct regex *re, const struct slice **out);

#endif
