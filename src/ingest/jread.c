/* SPDX-License-Identifier: Apache-2.0 */
/* A pull reader of RFC 8259. Depth is counted and limited; nothing recurses. */
#include "ingest/jread.h"

#include "base/utf8.h"

struct jread jread_of(struct slice text, struct arena *a, struct err *err)
{
    return (struct jread){ .start = text.ptr, .at = text.ptr, .end = text.ptr + text.len, .arena = a, .err = err };
}

enum status jread_wrong(struct jread *j, const char *what)
{
    if (!j->bad) {
        struct slice near = utf8_cut(slice_of(j->at, (size_t)(j->end - j->at)), 24);
        err_set(j->err, ST_INVALID, "JSON, byte %zu: %s, found \"%.*s\"", (size_t)(j->at - j->start) + 1, what, SLICE_FMT(near));
    }
    j->bad = true;
    j->at = j->end;
    return ST_INVALID;
}

static void white(struct jread *j)
{
    while (j->at < j->end && (*j->at == ' ' || *j->at == '\n' || *j->at == '\t' || *j->at == '\r'))
        j->at++;
}

enum jread_type jread_peek(struct jread *j)
{
    white(j);
    if (j->at == j->end)
        return JREAD_NONE;
    switch (*j->at) {
    case '{': return JREAD_OBJECT;
    case '[': return JREAD_ARRAY;
    case '"': return JREAD_STRING;
    case 't':
    case 'f': return JREAD_BOOL;
    case 'n': return JREAD_NULL;
    default: return *j->at == '-' || (*j->at >= '0' && *j->at <= '9') ? JREAD_NUMBER : JREAD_NONE;
    }
}

static bool enter(struct jread *j, char open, const char *what)
{
    white(j);
    if (j->at == j->end || *j->at != open) {
        jread_wrong(j, what);
        return false;
    }
    if (j->depth == JREAD_NESTING_MAX) {
        jread_wrong(j, "nested deeper than 62 levels");
        return false;
    }
    j->at++;
    j->depth++;
    j->fresh |= 1ull << j->depth;
    return true;
}

bool jread_object(struct jread *j)
{
    return enter(j, '{', "expected an object");
}

bool jread_array(struct jread *j)
{
    return enter(j, '[', "expected an array");
}

/* At a member's or item's place: passes the comma. False at close (which is passed) or when something is wrong. */
static bool next(struct jread *j, char close, const char *what)
{
    bool fresh = j->fresh >> j->depth & 1;
    if (j->bad)
        return false;
    white(j);
    if (j->at < j->end && *j->at == close) {
        j->at++;
        j->depth--;
        return false;
    }
    if (!fresh) {
        if (j->at == j->end || *j->at != ',') {
            jread_wrong(j, what);
            return false;
        }
        j->at++;
    }
    j->fresh &= ~(1ull << j->depth);
    return true;
}

bool jread_item(struct jread *j)
{
    if (!next(j, ']', "expected ',' or ']'"))
        return false;
    if (jread_peek(j) == JREAD_NONE) {
        jread_wrong(j, "expected a value");
        return false;
    }
    return true;
}

bool jread_key(struct jread *j, struct slice *key)
{
    if (!next(j, '}', "expected ',' or '}'"))
        return false;
    *key = jread_string(j);
    white(j);
    if (!j->bad && (j->at == j->end || *j->at != ':'))
        jread_wrong(j, "expected ':'");
    if (j->bad)
        return false;
    j->at++;
    return true;
}

/* ---- strings ---- */

static bool hex4(const char *at, const char *end, uint32_t *out)
{
    *out = 0;
    if (end - at < 4)
        return false;
    for (int i = 0; i < 4; i++) {
        char c = at[i];
        int d = c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
        if (d < 0)
            return false;
        *out = *out * 16 + (uint32_t)d;
    }
    return true;
}

/* at stands behind a backslash. Gives how many bytes were read, 0 when wrong. */
static size_t unescape(const char *at, const char *end, char *out, size_t *len)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    uint32_t c, low;
    if (at == end)
        return 0;
    const char *found = *at ? memchr(from, *at, sizeof from - 1) : NULL;
    if (found) {
        out[(*len)++] = to[found - from];
        return 1;
    }
    if (*at != 'u' || !hex4(at + 1, end, &c))
        return 0;
    size_t used = 5;
    if (c >= 0xd800 && c < 0xdc00 && end - at >= 11 && at[5] == '\\' && at[6] == 'u' && hex4(at + 7, end, &low) && low >= 0xdc00 && low < 0xe000) {
        c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
        used = 11;
    }
    *len += utf8_put(c, out + *len);
    return used;
}

/* The quote that ends a string: the first with an even number of backslashes before it. */
static const char *string_close(const char *from, const char *end)
{
    for (const char *p = from; p < end && (p = memchr(p, '"', (size_t)(end - p))); p++) {
        const char *slash = p;
        while (slash > from && slash[-1] == '\\')
            slash--;
        if ((p - slash) % 2 == 0)
            return p;
    }
    return NULL;
}

static struct slice string_unescaped(struct jread *j, const char *from, const char *first)
{
    const char *close = string_close(first, j->end);
    if (close == NULL) {
        j->at = from - 1;
        jread_wrong(j, "a string is not closed");
        return SLICE_EMPTY;
    }
    char *out = arena_alloc(j->arena, (size_t)(close - from) + 4);
    size_t len = 0;
    for (const char *p = from; p < close;) {
        const char *slash = memchr(p, '\\', (size_t)(close - p));
        size_t plain = (size_t)((slash ? slash : close) - p);
        memcpy(out + len, p, plain);
        len += plain;
        p += plain;
        if (p == close)
            break;
        size_t used = unescape(p + 1, close, out, &len);
        if (used == 0) {
            j->at = p;
            jread_wrong(j, "an escape sequence is wrong");
            return SLICE_EMPTY;
        }
        p += 1 + used;
    }
    j->at = close + 1;
    return slice_of(out, len);
}

struct slice jread_string(struct jread *j)
{
    white(j);
    if (j->bad || j->at == j->end || *j->at != '"') {
        jread_wrong(j, "expected a string");
        return SLICE_EMPTY;
    }
    const char *from = j->at + 1;
    const char *quote = memchr(from, '"', (size_t)(j->end - from));
    const char *slash = quote ? memchr(from, '\\', (size_t)(quote - from)) : from;
    if (slash)
        return string_unescaped(j, from, slash);
    j->at = quote + 1;
    return slice_of(from, (size_t)(quote - from));
}

/* ---- scalars ---- */

static struct slice bare(struct jread *j)
{
    const char *from = j->at;
    while (j->at < j->end && *j->at != ',' && *j->at != '}' && *j->at != ']' && *j->at != ':' && (unsigned char)*j->at > ' ')
        j->at++;
    return slice_of(from, (size_t)(j->at - from));
}

struct slice jread_number(struct jread *j)
{
    enum jread_type type = jread_peek(j);
    if (type == JREAD_STRING)
        return jread_string(j);
    if (type == JREAD_NUMBER)
        return bare(j);
    jread_wrong(j, "expected a number");
    return SLICE_EMPTY;
}

static bool literal(struct jread *j, struct slice word)
{
    const char *from = j->at;
    if (slice_eq(bare(j), word))
        return true;
    j->at = from;
    return false;
}

bool jread_bool(struct jread *j)
{
    white(j);
    if (literal(j, SLICE("true")))
        return true;
    if (!literal(j, SLICE("false")))
        jread_wrong(j, "expected true or false");
    return false;
}

static void skip_scalar(struct jread *j)
{
    switch (jread_peek(j)) {
    case JREAD_STRING:
        jread_string(j);
        break;
    case JREAD_NUMBER:
        bare(j);
        break;
    case JREAD_BOOL:
        jread_bool(j);
        break;
    case JREAD_NULL:
        if (!literal(j, SLICE("null")))
            jread_wrong(j, "expected null");
        break;
    default:
        jread_wrong(j, "expected a value");
    }
}

void jread_skip(struct jread *j)
{
    int depth = j->depth;
    uint64_t objects = 0; /* bit d: depth d is an object */
    struct slice key;
    do {
        enum jread_type type = jread_peek(j);
        if (type == JREAD_OBJECT || type == JREAD_ARRAY) {
            bool is_object = type == JREAD_OBJECT;
            if (is_object ? jread_object(j) : jread_array(j))
                objects = is_object ? objects | 1ull << j->depth : objects & ~(1ull << j->depth);
        } else {
            skip_scalar(j);
        }
        while (!j->bad && j->depth > depth && !((objects >> j->depth & 1) ? jread_key(j, &key) : jread_item(j)))
            continue;
    } while (!j->bad && j->depth > depth);
}

struct slice jread_raw(struct jread *j)
{
    white(j);
    const char *from = j->at;
    jread_skip(j);
    return j->bad ? SLICE_EMPTY : slice_of(from, (size_t)(j->at - from));
}

bool jread_end(struct jread *j)
{
    white(j);
    if (!j->bad && j->at != j->end)
        jread_wrong(j, "expected the end");
    return !j->bad;
}
