/* SPDX-License-Identifier: Apache-2.0 */
/* `<ip> - <_> "<method> <path>"`: literals and captures. A capture takes as little as its following literal allows. */
#include "logql/ast.h"
#include "query/token.h"

enum { PATTERN_PIECES_MAX = 128 };

/* <name> or <_> at the front of s; 0 when there is none. */
static size_t capture_length(struct slice s, struct slice *name)
{
    if (s.len < 3 || s.ptr[0] != '<')
        return 0;
    size_t n = token_ident(slice_skip(s, 1), false);
    if (n == 0 || n + 1 >= s.len || s.ptr[n + 1] != '>')
        return 0;
    *name = slice_sub(s, 1, n + 1);
    return n + 2;
}

enum status pattern_parse(struct arena *a, struct slice text, bool is_filter, struct piece **out, size_t *count, struct err *err)
{
    size_t cap = 0, start = 0, named = 0;
    *out = NULL;
    *count = 0;
    if (text.len == 0)
        return err_set(err, ST_INVALID, "empty pattern");
    for (size_t i = 0; i <= text.len;) {
        struct slice name = SLICE_EMPTY;
        size_t n = i < text.len ? capture_length(slice_skip(text, i), &name) : 0;
        if (n == 0 && i < text.len) {
            i++;
            continue;
        }
        if (i > start)
            ARENA_PUSH(a, *out, *count, cap) = (struct piece){ .literal = slice_sub(text, start, i), .name = SLICE_EMPTY };
        if (n == 0)
            break;
        if (i == start && *count && (*out)[*count - 1].is_capture)
            return err_set(err, ST_INVALID, "found consecutive capture '<%.*s>': a literal must stand between captures", SLICE_FMT(name));
        bool unnamed = slice_eq(name, SLICE("_"));
        if (is_filter && !unnamed)
            return err_set(err, ST_INVALID, "named captures are not allowed in pattern filters, <_> alone is; found <%.*s>", SLICE_FMT(name));
        ARENA_PUSH(a, *out, *count, cap) = (struct piece){ .literal = SLICE_EMPTY, .name = unnamed ? SLICE_EMPTY : name, .is_capture = true };
        named += !unnamed;
        i += n;
        start = i;
        if (*count > PATTERN_PIECES_MAX)
            return err_set(err, ST_LIMIT, "a pattern of more than %d pieces", PATTERN_PIECES_MAX);
    }
    if (!is_filter && named == 0)
        return err_set(err, ST_INVALID, "at least one named capture is required");
    return ST_OK;
}

size_t pattern_captures(const struct piece *pieces, size_t count, struct slice line, struct slice *values)
{
    size_t at = 0, v = 0, start = SIZE_MAX;
    for (size_t i = 0; i < count; i++) {
        if (pieces[i].is_capture) {
            start = at;
            continue;
        }
        size_t found = slice_find(line, pieces[i].literal, at);
        if (found == SIZE_MAX || (start == SIZE_MAX && found != at))
            break;
        if (start != SIZE_MAX)
            values[v++] = slice_sub(line, start, found);
        start = SIZE_MAX;
        at = found + pieces[i].literal.len;
    }
    if (start != SIZE_MAX)
        values[v++] = slice_skip(line, start);
    return v;
}

bool pattern_test(const struct piece *pieces, size_t count, struct slice line)
{
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        if (pieces[i].is_capture)
            continue;
        bool is_last = i + 1 == count, is_first = i == 0;
        struct slice literal = pieces[i].literal;
        size_t found = slice_find(line, literal, is_first ? 0 : at + 1);
        if (is_last && slice_ends(line, literal)) /* the last one that fits, not the first */
            found = line.len - literal.len;
        if (found == SIZE_MAX || found < at + !is_first || (is_first && found != 0))
            return false;
        at = found + literal.len;
    }
    return count && pieces[count - 1].is_capture ? at < line.len : at == line.len;
}
