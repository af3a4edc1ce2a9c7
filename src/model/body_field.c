/* SPDX-License-Identifier: Apache-2.0 */
/* Every place where the name stands is looked at: between quotes with a colon behind it is a JSON member, behind white space or at
 * the start with '=' behind it is a logfmt pair. A name that only happens to stand in a text in quotes may look like
 * one; for the uses at hand (what to erase, what to keep longer) taking too much of such a line is better than too little. */
#include "model/body_field.h"

#include "base/buf.h"
#include "codec/json.h"

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static size_t skip_space(struct slice s, size_t at)
{
    while (at < s.len && is_space(s.ptr[at]))
        at++;
    return at;
}

/* The text in quotes that begins at `at`. Gives the place behind it; 0 when it does not end. */
static size_t quoted(struct slice s, size_t at, struct arena *a, struct slice *out)
{
    size_t end = at + 1;
    bool escaped = false;
    while (end < s.len && s.ptr[end] != '"') {
        escaped |= s.ptr[end] == '\\';
        end += s.ptr[end] == '\\' ? 2 : 1;
    }
    if (end >= s.len)
        return 0;
    *out = slice_sub(s, at + 1, end);
    if (escaped) {
        struct json_parser *p = json_parser_new();
        struct json_value v;
        if (json_parse(p, slice_sub(s, at, end + 1), &v, NULL) == ST_OK)
            *out = arena_copy(a, json_get_string(v));
        json_parser_free(p);
    }
    return end + 1;
}

static size_t bare(struct slice s, size_t at, bool is_json, struct slice *out)
{
    size_t end = at;
    while (end < s.len && !is_space(s.ptr[end]) && !(is_json && (s.ptr[end] == ',' || s.ptr[end] == '}' || s.ptr[end] == ']')))
        end++;
    *out = slice_sub(s, at, end);
    return end;
}

static size_t value_at(struct slice s, size_t at, bool is_json, struct arena *a, struct slice *out)
{
    if (at >= s.len || (is_json && (s.ptr[at] == '{' || s.ptr[at] == '[')))
        return 0;
    return s.ptr[at] == '"' ? quoted(s, at, a, out) : bare(s, at, is_json, out);
}

bool body_field_next(struct slice body, struct slice name, size_t *from, struct arena *a, struct slice *value)
{
    for (size_t at; name.len && *from < body.len && (at = slice_find(body, name, *from)) != SIZE_MAX;) {
        size_t behind = at + name.len, end = 0;
        *from = behind;
        if (at > 0 && body.ptr[at - 1] == '"' && behind < body.len && body.ptr[behind] == '"') {
            size_t colon = skip_space(body, behind + 1);
            if (colon < body.len && body.ptr[colon] == ':')
                end = value_at(body, skip_space(body, colon + 1), true, a, value);
        } else if ((at == 0 || is_space(body.ptr[at - 1])) && behind < body.len && body.ptr[behind] == '=') {
            end = value_at(body, behind + 1, false, a, value);
        }
        if (end) {
            *from = end;
            return true;
        }
    }
    return false;
}

bool body_field_is(struct slice body, struct slice name, struct slice value, struct arena *a)
{
    struct slice found;
    for (size_t from = 0; body_field_next(body, name, &from, a, &found);)
        if (slice_eq(found, value))
            return true;
    return false;
}
