/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/logfmt.h"

static bool is_space(char c)
{
    return (unsigned char)c <= ' ';
}

/* The text between quotes; *end is behind the closing one. False when it does not close. */
static bool unquote(struct slice s, size_t start, struct arena *a, struct slice *out, size_t *end)
{
    size_t i = start;
    bool escaped = false;
    while (i < s.len && s.ptr[i] != '"') {
        if (s.ptr[i] == '\\') {
            escaped = true;
            i++;
        }
        i++;
    }
    if (i >= s.len)
        return false;
    *end = i + 1;
    *out = slice_sub(s, start, i);
    if (!escaped)
        return true;
    char *to = arena_alloc(a, out->len + 1);
    size_t n = 0;
    for (size_t k = 0; k < out->len; k++) {
        char c = out->ptr[k];
        if (c == '\\' && k + 1 < out->len) {
            c = out->ptr[++k];
            c = c == 'n' ? '\n' : c == 't' ? '\t' : c == 'r' ? '\r' : c;
        }
        to[n++] = c;
    }
    *out = slice_of(to, n);
    return true;
}

bool logfmt_next(struct slice *rest, struct arena *a, struct slice *key, struct slice *value, bool *has_value, bool *bad)
{
    struct slice s = *rest;
    size_t i = 0, start;
again:
    while (i < s.len && is_space(s.ptr[i]))
        i++;
    start = i;
    while (i < s.len && !is_space(s.ptr[i]) && s.ptr[i] != '=' && s.ptr[i] != '"')
        i++;
    if (i == start && i < s.len) {
        *bad = true;
        while (i < s.len && !is_space(s.ptr[i]))
            i++;
        goto again;
    }
    *rest = slice_skip(s, i);
    if (i == start)
        return false;
    *key = slice_sub(s, start, i);
    *value = SLICE_EMPTY;
    *has_value = i < s.len && s.ptr[i] == '=';
    if (!*has_value)
        return true;
    start = ++i;
    if (i < s.len && s.ptr[i] == '"') {
        if (!unquote(s, i + 1, a, value, &i)) {
            *bad = true;
            i = s.len;
        }
    } else {
        while (i < s.len && !is_space(s.ptr[i])) {
            if (s.ptr[i] == '"')
                *bad = true;
            i++;
        }
        *value = slice_sub(s, start, i);
    }
    *rest = slice_skip(s, i);
    return true;
}

void logfmt_put(struct buf *out, struct slice key, struct slice value)
{
    bool plain = value.len > 0;
    if (out->len)
        buf_char(out, ' ');
    buf_slice(out, key);
    buf_char(out, '=');
    for (size_t i = 0; i < value.len && plain; i++)
        plain = !is_space(value.ptr[i]) && value.ptr[i] != '"' && value.ptr[i] != '=' && value.ptr[i] != '\\';
    if (plain) {
        buf_slice(out, value);
        return;
    }
    buf_char(out, '"');
    for (size_t i = 0; i < value.len; i++) {
        char c = value.ptr[i];
        if (c == '"' || c == '\\')
            buf_char(out, '\\');
        if (c == '\n')
            buf_slice(out, SLICE("\\n"));
        else if (c == '\t')
            buf_slice(out, SLICE("\\t"));
        else
            buf_char(out, c);
    }
    buf_char(out, '"');
}
