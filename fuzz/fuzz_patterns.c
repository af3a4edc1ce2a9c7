/* SPDX-License-Identifier: Apache-2.0 */
#include "fuzz/fuzz.h"
#include "logql/ast.h"
#include "query/patterns.h"

/* Any lines: each passes the pattern filter with the pattern it was put into. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum { LINES_MAX = 256 };
    struct slice rest = slice_of(data, size), lines[LINES_MAX];
    uint32_t shapes[LINES_MAX];
    struct patterns *p = patterns_new();
    struct arena *a = arena_new(0);
    struct buf text;
    size_t n = 0;
    buf_init(&text, 0);
    for (; n < LINES_MAX && slice_next(&rest, '\n', &lines[n]); n++)
        shapes[n] = patterns_add(p, lines[n]);
    uint32_t count = patterns_join(p);
    MUST(count <= patterns_shapes(p) && patterns_shapes(p) <= n);
    for (size_t i = 0; i < n; i++) {
        struct piece *pieces;
        size_t piece_count;
        struct err err;
        buf_reset(&text);
        patterns_text(p, patterns_of_shape(p, shapes[i]), &text);
        if (text.len == 0) /* of empty lines, and of those of white space alone */
            continue;
        MUST(pattern_parse(a, buf_as_slice(&text), true, &pieces, &piece_count, &err) == ST_OK);
        MUST(pattern_test(pieces, piece_count, lines[i]));
    }
    buf_free(&text);
    arena_free(a);
    patterns_free(p);
    return 0;
}
