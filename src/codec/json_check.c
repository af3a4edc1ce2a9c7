/* SPDX-License-Identifier: Apache-2.0 */
/* Two walks over JSON that need no tree: one finds the place of a mistake, the other the end of a document in a run of them.
 *
 * The first is only asked about text that does not parse. It keeps one bit per level, object or array, and what may come
 * next is one of the states below. */
#include "codec/json_check.h"

#include "base/utf8.h"
#include "codec/json.h"

enum expecting { VALUE, VALUE_OR_END, KEY, KEY_OR_END, COLON, COMMA_OR_END, NOTHING };

static const char *const expectations[] = {
    [VALUE] = "a value",
    [VALUE_OR_END] = "a value or ']'",
    [KEY] = "a key in double quotes",
    [KEY_OR_END] = "a key in double quotes or '}'",
    [COLON] = "':' behind a key",
    [COMMA_OR_END] = "',' or the end of the object or array",
    [NOTHING] = "nothing behind the document",
};

struct walk {
    struct slice text;
    size_t at, depth;
    enum expecting next;
    bool in_object[JSON_CHECK_DEPTH_MAX];
};

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_hex(char c)
{
    return is_digit(c) || ((c | 32) >= 'a' && (c | 32) <= 'f');
}

/* What stands at i, NUL at the end. */
static char peek(const struct walk *w, size_t i)
{
    return i < w->text.len ? w->text.ptr[i] : 0;
}

/* w->at stands behind the first quote; afterwards behind the last one, or on what is wrong. */
static bool walk_string(struct walk *w, const char **expected)
{
    while (w->at < w->text.len) {
        uint8_t c = (uint8_t)w->text.ptr[w->at];
        size_t n = 1;
        if (c == '"') {
            w->at++;
            return true;
        }
        if (c < 0x20) {
            *expected = "an escape such as \\n for a control character in a text";
            return false;
        }
        if (c == '\\') {
            char escape = peek(w, w->at + 1);
            n = escape == 'u' ? 6 : 2;
            bool good = escape && strchr("\"\\/bfnrtu", escape);
            for (size_t i = 2; good && i < n; i++)
                good = is_hex(peek(w, w->at + i));
            if (!good) {
                *expected = "an escape that JSON knows";
                return false;
            }
        } else if (c >= 0x80) {
            n = utf8_char(slice_skip(w->text, w->at));
            if (n == 0) {
                *expected = "UTF-8";
                return false;
            }
        }
        w->at += n;
    }
    *expected = "the text's closing quote";
    return false;
}

static bool walk_digits(struct walk *w)
{
    size_t start = w->at;
    while (is_digit(peek(w, w->at)))
        w->at++;
    return w->at > start;
}

static bool walk_number(struct walk *w, const char **expected)
{
    *expected = "a digit";
    if (peek(w, w->at) == '-')
        w->at++;
    bool zero = peek(w, w->at) == '0';
    size_t start = w->at;
    if (!walk_digits(w))
        return false;
    if (zero && w->at > start + 1) {
        w->at = start + 1;
        *expected = "no digit behind a leading zero";
        return false;
    }
    if (peek(w, w->at) == '.') {
        w->at++;
        if (!walk_digits(w))
            return false;
    }
    if ((peek(w, w->at) | 32) == 'e') {
        w->at++;
        if (peek(w, w->at) == '+' || peek(w, w->at) == '-')
            w->at++;
        if (!walk_digits(w))
            return false;
    }
    return true;
}

static bool walk_word(struct walk *w)
{
    static const struct slice words[] = { SLICE_INIT("true"), SLICE_INIT("false"), SLICE_INIT("null") };
    for (size_t i = 0; i < COUNT_OF(words); i++)
        if (slice_starts(slice_skip(w->text, w->at), words[i])) {
            w->at += words[i].len;
            return true;
        }
    return false;
}

static enum expecting behind_value(const struct walk *w)
{
    return w->depth ? COMMA_OR_END : NOTHING;
}

/* False when something is wrong, at w->at; depth beyond JSON_CHECK_DEPTH_MAX stops the walk by moving to the end. */
static bool walk_value(struct walk *w, const char **expected)
{
    char c = w->text.ptr[w->at];
    if (c == '{' || c == '[') {
        if (w->depth == JSON_CHECK_DEPTH_MAX) {
            w->at = SIZE_MAX;
            return false;
        }
        w->at++;
        w->in_object[w->depth++] = c == '{';
        w->next = c == '{' ? KEY_OR_END : VALUE_OR_END;
        return true;
    }
    bool good = true;
    if (c == '"') {
        w->at++;
        good = walk_string(w, expected);
    } else if (c == '-' || is_digit(c)) {
        good = walk_number(w, expected);
    } else {
        good = walk_word(w);
    }
    w->next = behind_value(w);
    return good;
}

static bool walk_key(struct walk *w, const char **expected)
{
    if (w->text.ptr[w->at] != '"')
        return false;
    w->at++;
    w->next = COLON;
    return walk_string(w, expected);
}

static bool walk_end(struct walk *w)
{
    char want = w->in_object[w->depth - 1] ? '}' : ']';
    if (w->text.ptr[w->at] != want)
        return false;
    w->at++;
    w->depth--;
    w->next = behind_value(w);
    return true;
}

static bool walk_step(struct walk *w, const char **expected)
{
    char c = w->text.ptr[w->at];
    switch (w->next) {
    case VALUE:
        return walk_value(w, expected);
    case VALUE_OR_END:
        return c == ']' ? walk_end(w) : walk_value(w, expected);
    case KEY:
        return walk_key(w, expected);
    case KEY_OR_END:
        return c == '}' ? walk_end(w) : walk_key(w, expected);
    case COLON:
        w->at += c == ':';
        w->next = c == ':' ? VALUE : COLON;
        return c == ':';
    case COMMA_OR_END:
        if (c != ',')
            return walk_end(w);
        w->at++;
        w->next = w->in_object[w->depth - 1] ? KEY : VALUE;
        return true;
    case NOTHING:
        return false;
    }
    return false;
}

size_t json_check(struct slice text, const char **expected)
{
    struct walk w = { .text = text, .next = VALUE };
    for (;;) {
        while (w.at < text.len && is_space(text.ptr[w.at]))
            w.at++;
        *expected = expectations[w.next];
        if (w.at == text.len)
            return w.next == NOTHING ? SIZE_MAX : w.at;
        if (!walk_step(&w, expected))
            return w.at;
    }
}

/* ---- the next document of a run ---- */

/* The end of the object or array at the start of s; 0 when it does not close, closes what is not open, or has a line's end
 * inside of a text: then it is one broken line among good ones. */
static size_t document_end(struct slice s)
{
    char open[JSON_DEPTH_MAX];
    size_t depth = 0;
    bool in_text = false;
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        if (in_text) {
            if (c == '\n')
                return 0;
            if (c == '\\')
                i++;
            in_text = c != '"';
        } else if (c == '"') {
            in_text = true;
        } else if (c == '{' || c == '[') {
            if (depth == JSON_DEPTH_MAX)
                return 0;
            open[depth++] = c;
        } else if (c == '}' || c == ']') {
            if (open[--depth] != (c == '}' ? '{' : '['))
                return 0;
            if (depth == 0)
                return i + 1;
        }
    }
    return 0;
}

bool json_next_document(struct slice *rest, struct slice *document)
{
    size_t i = 0;
    while (i < rest->len && (is_space(rest->ptr[i]) || rest->ptr[i] == ','))
        i++;
    *rest = slice_skip(*rest, i);
    if (rest->len == 0)
        return false;
    bool nested = rest->ptr[0] == '{' || rest->ptr[0] == '[';
    size_t end = nested ? document_end(*rest) : 0;
    if (end == 0)
        return slice_next(rest, '\n', document);
    *document = slice_sub(*rest, 0, end);
    *rest = slice_skip(*rest, end);
    return true;
}
