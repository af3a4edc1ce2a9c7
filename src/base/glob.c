/* SPDX-License-Identifier: Apache-2.0 */
/* Two levels of the same method: characters in a component, and components in a path. At each level only the last star needs
 * to be remembered: when what follows it fails, the star takes one more and matching starts again behind it. A star before it
 * can never do better than it has done, so there is no recursion and no exponential work. */
#include "base/glob.h"

#include "base/utf8.h"

/* One character off the front; a byte that is no UTF-8 counts as one, and equals nothing but itself. */
static uint32_t take_char(struct slice *s)
{
    enum { RAW_BYTE = 1 << 30 };
    uint32_t c;
    size_t n = utf8_decode(*s, &c);
    if (n == 0) {
        c = RAW_BYTE | (unsigned char)s->ptr[0];
        n = 1;
    }
    *s = slice_skip(*s, n);
    return c;
}

/* One member of a class, with its escape. False at the end of the pattern. */
static bool take_member(struct slice *rest, uint32_t *out)
{
    if (rest->len && rest->ptr[0] == '\\')
        *rest = slice_skip(*rest, 1);
    if (rest->len == 0)
        return false;
    *out = take_char(rest);
    return true;
}

/* Reads a class, *rest standing behind its '['. False when it is not well formed. */
static bool take_class(struct slice *rest, uint32_t c, bool *matches)
{
    bool inverted = rest->len && (rest->ptr[0] == '!' || rest->ptr[0] == '^'), in = false;
    if (inverted)
        *rest = slice_skip(*rest, 1);
    for (size_t members = 0;; members++) {
        uint32_t low, high;
        if (rest->len && rest->ptr[0] == ']' && members > 0)
            break;
        if ((rest->len && rest->ptr[0] == ']') || !take_member(rest, &low))
            return false;
        high = low;
        if (rest->len > 1 && rest->ptr[0] == '-' && rest->ptr[1] != ']') {
            *rest = slice_skip(*rest, 1);
            if (!take_member(rest, &high) || high < low)
                return false;
        }
        in = in || (c >= low && c <= high);
    }
    *rest = slice_skip(*rest, 1);
    *matches = in != inverted;
    return true;
}

/* One element of the pattern that is not a star, against one character. Both move on. */
static bool take_one(struct slice *pattern, struct slice *name)
{
    uint32_t c = take_char(name);
    bool matches = false;
    switch (pattern->ptr[0]) {
    case '?':
        *pattern = slice_skip(*pattern, 1);
        return true;
    case '[':
        *pattern = slice_skip(*pattern, 1);
        return take_class(pattern, c, &matches) && matches;
    case '\\':
        *pattern = slice_skip(*pattern, 1);
        return pattern->len > 0 && take_char(pattern) == c;
    default:
        return take_char(pattern) == c;
    }
}

static bool match_component(struct slice pattern, struct slice name)
{
    struct slice star_pattern = SLICE_EMPTY, star_name = SLICE_EMPTY;
    bool star = false;
    for (;;) {
        if (pattern.len && pattern.ptr[0] == '*') {
            pattern = slice_skip(pattern, 1);
            star = true;
            star_pattern = pattern;
            star_name = name;
            continue;
        }
        if (pattern.len == 0 && name.len == 0)
            return true;
        if (pattern.len && name.len && take_one(&pattern, &name))
            continue;
        if (!star || star_name.len == 0)
            return false;
        take_char(&star_name);
        pattern = star_pattern;
        name = star_name;
    }
}

/* A path as a row of components. "a/" has an empty last one, so it differs from "a". */
struct walk {
    struct slice rest;
    bool done;
};

static struct slice walk_next(struct walk *w)
{
    struct slice part;
    w->done = !slice_cut(w->rest, '/', &part, &w->rest);
    return part;
}

bool glob_match(struct slice pattern, struct slice path)
{
    if (!glob_is_valid(pattern))
        return false;
    struct walk p = { pattern, false }, n = { path, false }, star_p = p, star_n = n;
    bool star = false;
    for (;;) {
        if (p.done && n.done)
            return true;
        struct walk here = n;
        if (!p.done) {
            struct slice part = walk_next(&p);
            if (slice_eq(part, SLICE("**"))) {
                star = true;
                star_p = p;
                star_n = here;
                continue;
            }
            if (!n.done && match_component(part, walk_next(&n)))
                continue;
        }
        if (!star || star_n.done)
            return false;
        walk_next(&star_n);
        p = star_p;
        n = star_n;
    }
}

bool glob_is_valid(struct slice pattern)
{
    bool ignored;
    struct slice rest = pattern, part;
    /* By component, as it is matched: a class cannot reach over a '/'. */
    while (slice_next(&rest, '/', &part)) {
        while (part.len > 0) {
            char c = part.ptr[0];
            part = slice_skip(part, 1);
            if (c == '[' && !take_class(&part, 0, &ignored))
                return false;
            if (c == '\\' && part.len == 0)
                return false;
            if (c == '\\')
                part = slice_skip(part, 1);
        }
    }
    return true;
}

bool glob_has_wildcard(struct slice pattern)
{
    for (size_t i = 0; i < pattern.len; i++)
        if (pattern.ptr[i] == '*' || pattern.ptr[i] == '?' || pattern.ptr[i] == '[' || pattern.ptr[i] == '\\')
            return true;
    return false;
}
