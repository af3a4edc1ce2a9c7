/* SPDX-License-Identifier: Apache-2.0 */
/* Patterns of log lines: lines that differ in their variables alone become one pattern, written as LogQL's pattern filter takes
 * it: `connection from <_> closed`. Lines are added one by one and give the number of their shape; when all are in, shapes are
 * put together, and each shape's pattern can be asked for. What comes out does not depend on the order of lines. One thread. */
#ifndef STOA_QUERY_PATTERNS_H
#define STOA_QUERY_PATTERNS_H

#include "base/buf.h"

enum {
    PATTERN_TOKENS_MAX = 128,        /* of a line that are looked at; what follows is a variable */
    PATTERN_SHAPES_MAX = 20 * 1000,  /* of one selection; lines of further ones have PATTERN_NONE */
    PATTERN_LINE_BYTES_MAX = 4096,   /* of a line that are looked at; what follows is a variable */
    PATTERN_PIECES_WRITTEN_MAX = 120, /* of a pattern's text: `|>` takes some more; what follows is a variable */
    PATTERN_NONE = UINT32_MAX
};

struct patterns;

struct patterns *patterns_new(void);
void patterns_free(struct patterns *p); /* accepts NULL */
/* The line's shape: 0, 1, 2, ... in order of coming; PATTERN_NONE when there are too many. Borrows line for the call. */
uint32_t patterns_add(struct patterns *p, struct slice line);
/* How many shapes there are. */
uint32_t patterns_shapes(const struct patterns *p);
/* Puts shapes together; nothing may be added afterwards. How many patterns there are. */
uint32_t patterns_join(struct patterns *p);
/* After patterns_join: the pattern of a shape, below what that gave. */
uint32_t patterns_of_shape(const struct patterns *p, uint32_t shape);
/* After patterns_join: appends a pattern's text. Every line of the pattern passes `|>` with it. */
void patterns_text(const struct patterns *p, uint32_t pattern, struct buf *out);

#endif
