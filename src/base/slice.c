/* SPDX-License-Identifier: Apache-2.0 */
/* Slices, and the few allocation functions everything else stands on. */
#include "base/slice.h"

#include <stdio.h>
#include <stdlib.h>

static void *or_die(void *p, size_t bytes)
{
    if (p == NULL) {
        fprintf(stderr, "stoa: out of memory: %zu bytes asked for\n", bytes);
        abort();
    }
    return p;
}

void *mem_alloc(size_t bytes)
{
    return or_die(malloc(bytes ? bytes : 1), bytes);
}

void *mem_zalloc(size_t bytes)
{
    return or_die(calloc(1, bytes ? bytes : 1), bytes);
}

void *mem_realloc(void *p, size_t bytes)
{
    return or_die(realloc(p, bytes ? bytes : 1), bytes);
}

void mem_free(void *p)
{
    free(p);
}

struct slice slice_str(const char *text)
{
    return text ? slice_of(text, strlen(text)) : SLICE_EMPTY;
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

bool slice_eq_nocase(struct slice a, struct slice b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++)
        if (lower(a.ptr[i]) != lower(b.ptr[i]))
            return false;
    return true;
}

int slice_cmp(struct slice a, struct slice b)
{
    size_t n = MIN(a.len, b.len);
    int order = n ? memcmp(a.ptr, b.ptr, n) : 0;
    if (order != 0)
        return order;
    return a.len < b.len ? -1 : a.len > b.len;
}

bool slice_starts(struct slice s, struct slice prefix)
{
    return s.len >= prefix.len && memcmp(s.ptr, prefix.ptr, prefix.len) == 0;
}

bool slice_ends(struct slice s, struct slice suffix)
{
    return s.len >= suffix.len && memcmp(s.ptr + s.len - suffix.len, suffix.ptr, suffix.len) == 0;
}

size_t slice_find(struct slice s, struct slice needle, size_t from)
{
    if (from > s.len)
        return SIZE_MAX;
    if (needle.len == 0)
        return from;
    const char *at = memmem(s.ptr + from, s.len - from, needle.ptr, needle.len);
    return at ? (size_t)(at - s.ptr) : SIZE_MAX;
}

size_t slice_find_char(struct slice s, char c, size_t from)
{
    if (from >= s.len)
        return SIZE_MAX;
    const char *at = memchr(s.ptr + from, c, s.len - from);
    return at ? (size_t)(at - s.ptr) : SIZE_MAX;
}

bool slice_contains(struct slice s, struct slice needle)
{
    return slice_find(s, needle, 0) != SIZE_MAX;
}

struct slice slice_sub(struct slice s, size_t from, size_t to)
{
    to = MIN(to, s.len);
    from = MIN(from, to);
    return slice_of(from ? s.ptr + from : s.ptr, to - from);
}

struct slice slice_skip(struct slice s, size_t n)
{
    return slice_sub(s, n, s.len);
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

struct slice slice_trim(struct slice s)
{
    while (s.len && is_space(s.ptr[0]))
        s = slice_skip(s, 1);
    while (s.len && is_space(s.ptr[s.len - 1]))
        s.len--;
    return s;
}

bool slice_cut(struct slice s, char c, struct slice *head, struct slice *tail)
{
    size_t at = slice_find_char(s, c, 0);
    if (at == SIZE_MAX) {
        *head = s;
        *tail = slice_of(s.ptr + s.len, 0);
        return false;
    }
    *head = slice_sub(s, 0, at);
    *tail = slice_skip(s, at + 1);
    return true;
}

bool slice_next(struct slice *rest, char c, struct slice *piece)
{
    if (rest->len == 0)
        return false;
    slice_cut(*rest, c, piece, rest);
    return true;
}
