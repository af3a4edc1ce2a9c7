/* SPDX-License-Identifier: Apache-2.0 */
/* Text and bytes by pointer and length. A slice owns nothing and need not end in NUL. */
#ifndef STOA_BASE_SLICE_H
#define STOA_BASE_SLICE_H

#include "base/base.h"

struct slice {
    const char *ptr;
    size_t len;
};

#define SLICE(literal)       ((struct slice){ "" literal, sizeof(literal) - 1 })
#define SLICE_INIT(literal)  { "" literal, sizeof(literal) - 1 }
#define SLICE_EMPTY          ((struct slice){ "", 0 })
/* For "%.*s": printf("%.*s", SLICE_FMT(s)). */
#define SLICE_FMT(s)         (int)(s).len, (s).ptr

static inline struct slice slice_of(const void *ptr, size_t len)
{
    return (struct slice){ (const char *)ptr, len };
}

/* Borrows a NUL-terminated string of the C world (argv, library results). NULL gives the empty slice. */
struct slice slice_str(const char *text);

static inline bool slice_eq(struct slice a, struct slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

/* ASCII only, as HTTP and the level names need it. */
bool slice_eq_nocase(struct slice a, struct slice b);
/* Bytewise order, the shorter first: <0, 0, >0. */
int slice_cmp(struct slice a, struct slice b);
bool slice_starts(struct slice s, struct slice prefix);
bool slice_ends(struct slice s, struct slice suffix);
/* First position of needle at or after from; SIZE_MAX when there is none. */
size_t slice_find(struct slice s, struct slice needle, size_t from);
size_t slice_find_char(struct slice s, char c, size_t from);
bool slice_contains(struct slice s, struct slice needle);

/* The part from..to (clamped to the slice). */
struct slice slice_sub(struct slice s, size_t from, size_t to);
/* Drops n bytes from the front (at most all). */
struct slice slice_skip(struct slice s, size_t n);
/* Without ASCII white space at both ends. */
struct slice slice_trim(struct slice s);

/* Splits s at the first c: head before it, tail after it. False, and head = s, tail empty, when c is absent. */
bool slice_cut(struct slice s, char c, struct slice *head, struct slice *tail);
/* Takes the next piece up to c (or the end) off the front of *rest. False when *rest is used up.
 * A trailing c gives no empty last piece: for lines. */
bool slice_next(struct slice *rest, char c, struct slice *piece);

#endif
