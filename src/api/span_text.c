/* SPDX-License-Identifier: Apache-2.0 */
/* Messages, statements and paths: one pass each, by characters; no grammar of any database is known. What looks like a literal is one. */
#include "api/span_text.h"

enum { HEX_ID_BYTES_MIN = 8, RANDOM_ID_BYTES_MIN = 16, RANDOM_ID_DIGITS_MIN = 4, UUID_BYTES = 36 };
#define ANYTHING SLICE("<_>")

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_hex(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_word(char c)
{
    return is_letter(c) || is_digit(c) || c == '_' || (unsigned char)c >= 0x80;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v';
}

/* ---- messages ---- */

static bool is_uuid(struct slice s)
{
    if (s.len < UUID_BYTES || (s.len > UUID_BYTES && is_word(s.ptr[UUID_BYTES])))
        return false;
    for (size_t i = 0; i < UUID_BYTES; i++) {
        bool is_dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (is_dash ? s.ptr[i] != '-' : !is_hex(s.ptr[i]))
            return false;
    }
    return true;
}

/* A word that names one thing rather than a kind of things. */
static bool is_id(struct slice word)
{
    size_t digits = 0, hex = 0;
    if (word.len > 2 && word.ptr[0] == '0' && (word.ptr[1] == 'x' || word.ptr[1] == 'X'))
        word = slice_skip(word, 2), digits = 1;
    for (size_t i = 0; i < word.len; i++) {
        digits += is_digit(word.ptr[i]);
        hex += is_hex(word.ptr[i]);
    }
    return digits >= word.len || (digits && hex == word.len && word.len >= HEX_ID_BYTES_MIN) ||
           (digits >= RANDOM_ID_DIGITS_MIN && word.len >= RANDOM_ID_BYTES_MIN);
}

static size_t word_of(struct slice s)
{
    size_t n = 0;
    while (n < s.len && is_word(s.ptr[n]))
        n++;
    return n;
}

/* 12, 1.5, 12ms: how many bytes of s; 0: no number. */
static size_t number_of(struct slice s)
{
    size_t n = 0;
    while (n < s.len && is_digit(s.ptr[n]))
        n++;
    while (n && n + 1 < s.len && s.ptr[n] == '.' && is_digit(s.ptr[n + 1]))
        for (n++; n < s.len && is_digit(s.ptr[n]);)
            n++;
    size_t unit = n;
    while (unit < s.len && is_letter(s.ptr[unit]))
        unit++;
    return n && unit - n <= 2 && (unit == s.len || !is_word(s.ptr[unit])) ? n : 0;
}

void span_text_message(struct slice text, struct buf *out)
{
    struct slice rest = slice_sub(text, 0, SPAN_TEXT_BYTES_MAX);
    while (rest.len) {
        size_t n = is_uuid(rest) ? UUID_BYTES : word_of(rest);
        if (n == 0) {
            buf_char(out, rest.ptr[0]);
            rest = slice_skip(rest, 1);
            continue;
        }
        size_t number = n == UUID_BYTES && is_uuid(rest) ? 0 : number_of(rest);
        bool is_one = number || is_uuid(rest) || is_id(slice_sub(rest, 0, n));
        n = number ? number : n;
        buf_slice(out, is_one ? ANYTHING : slice_sub(rest, 0, n));
        rest = slice_skip(rest, n);
        if (number) { /* a unit stays */
            size_t unit = word_of(rest);
            buf_slice(out, slice_sub(rest, 0, unit));
            rest = slice_skip(rest, unit);
        }
    }
}

/* ---- statements ---- */

/* A quoted piece at the start of s: its length with both quotes; a quote inside is doubled or behind a backslash. */
static size_t quoted(struct slice s)
{
    char quote = s.ptr[0];
    size_t i = 1;
    while (i < s.len) {
        if (s.ptr[i] == '\\' && i + 1 < s.len)
            i++;
        else if (s.ptr[i] == quote && i + 1 < s.len && s.ptr[i + 1] == quote)
            i++;
        else if (s.ptr[i] == quote)
            return i + 1;
        i++;
    }
    return s.len;
}

static bool is_name(struct slice s)
{
    if (s.len == 0 || is_digit(s.ptr[0]))
        return false;
    for (size_t i = 0; i < s.len; i++)
        if (!is_word(s.ptr[i]) && s.ptr[i] != '$')
            return false;
    return true;
}

static size_t comment(struct slice s)
{
    if (slice_starts(s, SLICE("--"))) {
        size_t end = slice_find_char(s, '\n', 0);
        return end == SIZE_MAX ? s.len : end;
    }
    if (!slice_starts(s, SLICE("/*")))
        return 0;
    size_t end = slice_find(s, SLICE("*/"), 2);
    return end == SIZE_MAX ? s.len : end + 2;
}

/* A value: lists of them are one. */
static void put_value(struct buf *out)
{
    struct slice s = buf_as_slice(out);
    if (slice_ends(s, SLICE("?, ")))
        out->len -= 2;
    else if (slice_ends(s, SLICE("?,")))
        out->len -= 1;
    else
        buf_char(out, '?');
}

/* Rows of values are one. */
static void put_close(struct buf *out)
{
    if (slice_ends(buf_as_slice(out), SLICE("(?), (?")))
        out->len -= 5;
    else if (slice_ends(buf_as_slice(out), SLICE("(?),(?")))
        out->len -= 4;
    buf_char(out, ')');
}

/* $1, :name, @name, %s, %(name)s, ?: how many bytes of s; 0: no parameter. */
static size_t parameter(struct slice s, char before)
{
    char c = s.ptr[0], next = s.len > 1 ? s.ptr[1] : 0;
    if (c == '?')
        return 1;
    if (c == '%' && next == 's')
        return 2;
    if (c == '%' && next == '(') {
        size_t end = slice_find(s, SLICE(")s"), 0);
        return end == SIZE_MAX ? 0 : end + 2;
    }
    if ((c == '$' && is_digit(next)) || (c == ':' && before != ':' && (is_letter(next) || is_digit(next))) ||
        (c == '@' && before != '@' && is_letter(next)))
        return 1 + word_of(slice_skip(s, 1));
    return 0;
}

static size_t literal_number(struct slice s)
{
    size_t n = 0;
    while (n < s.len && (is_word(s.ptr[n]) || s.ptr[n] == '.'))
        n++;
    return n;
}

/* In JSON names stay and values go; elsewhere '…' is a value, and "…" a name unless it could not be one. */
static void put_quoted(struct slice s, size_t n, bool is_json, struct buf *out)
{
    size_t next = n;
    while (next < s.len && is_space(s.ptr[next]))
        next++;
    bool is_key = next < s.len && s.ptr[next] == ':';
    bool is_kept = is_json ? is_key : s.ptr[0] == '`' || (s.ptr[0] == '"' && n > 2 && is_name(slice_sub(s, 1, n - 1)));
    if (is_kept)
        buf_slice(out, slice_sub(s, 0, n));
    else
        put_value(out);
}

static void put_sql(struct slice rest, struct buf *out)
{
    bool is_json = rest.len && rest.ptr[0] == '{';
    char before = ' ';
    while (rest.len) {
        char c = rest.ptr[0];
        size_t n = comment(rest);
        if (n == 0 && is_space(c))
            n = 1;
        if (n) {
            if (out->len && !is_space(out->ptr[out->len - 1]))
                buf_char(out, ' ');
            before = ' ';
            rest = slice_skip(rest, n);
            continue;
        }
        n = 1;
        if (c == '\'' || c == '"' || c == '`') {
            n = quoted(rest);
            put_quoted(rest, n, is_json, out);
        } else if (!is_json && parameter(rest, before)) {
            n = parameter(rest, before);
            put_value(out);
        } else if (is_digit(c)) { /* what follows a letter was taken with its word */
            n = literal_number(rest);
            put_value(out);
        } else if (is_word(c)) {
            n = word_of(rest);
            buf_slice(out, slice_sub(rest, 0, n));
        } else if (c == ')') {
            put_close(out);
        } else {
            buf_char(out, c);
        }
        before = rest.ptr[n - 1];
        rest = slice_skip(rest, n);
    }
    while (out->len && (is_space(out->ptr[out->len - 1]) || out->ptr[out->len - 1] == ';'))
        out->len--;
}

void span_text_statement(struct slice system, struct slice text, struct buf *out)
{
    struct slice rest = slice_trim(slice_sub(text, 0, SPAN_TEXT_BYTES_MAX));
    if (slice_eq(system, SLICE("redis")) || slice_eq(system, SLICE("memcached"))) {
        size_t n = word_of(rest);
        buf_slice(out, slice_sub(rest, 0, n));
        if (slice_trim(slice_skip(rest, n)).len)
            buf_slice(out, SLICE(" ?"));
        return;
    }
    put_sql(rest, out);
}

/* ---- paths ---- */

void span_text_path(struct slice url, struct slice *host, struct buf *out)
{
    struct slice rest = slice_sub(url, 0, SPAN_TEXT_BYTES_MAX), segment;
    size_t at = slice_find(rest, SLICE("://"), 0), end = 0;
    *host = SLICE_EMPTY;
    if (at != SIZE_MAX) {
        rest = slice_skip(rest, at + 3);
        while (end < rest.len && rest.ptr[end] != '/' && rest.ptr[end] != '?' && rest.ptr[end] != '#')
            end++;
        *host = slice_sub(rest, 0, end);
        size_t user = slice_find_char(*host, '@', 0);
        *host = user == SIZE_MAX ? *host : slice_skip(*host, user + 1);
        rest = slice_skip(rest, end);
    }
    for (end = 0; end < rest.len && rest.ptr[end] != '?' && rest.ptr[end] != '#';)
        end++;
    rest = slice_sub(rest, 0, end);
    if (rest.len == 0)
        buf_char(out, '/');
    while (rest.len) {
        bool is_last = !slice_cut(rest, '/', &segment, &rest);
        bool is_one = segment.len && (is_uuid(segment) || is_id(segment));
        buf_slice(out, is_one ? ANYTHING : segment);
        if (is_last)
            break;
        buf_char(out, '/');
    }
}
