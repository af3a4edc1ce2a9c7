/* SPDX-License-Identifier: Apache-2.0 */
/* Literals of the query languages (token.h). Two steps each: find where a literal ends, which lexers need, and say what
 * it means, which parsers need. */
#include "query/token.h"

#include "base/buf.h"
#include "base/num.h"
#include "base/utf8.h"

enum { NUMBER_TEXT_BYTES_MAX = 512, RUNE_BYTES_MAX = 4, RUNE_MAX = 0x10ffff };

size_t token_ident(struct slice text, bool with_colon)
{
    size_t n = 0;
    while (n < text.len && (token_is_alpha(text.ptr[n]) || (with_colon && text.ptr[n] == ':') || (n && token_is_digit(text.ptr[n]))))
        n++;
    return n;
}

size_t token_string(struct slice text, struct err *err)
{
    if (text.len == 0)
        return 0;
    char quote = text.ptr[0];
    for (size_t i = 1; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == quote)
            return i + 1;
        if (quote == '`')
            continue;
        if (c == '\n')
            break;
        if (c == '\\') {
            if (i + 1 < text.len && text.ptr[i + 1] == '\n')
                break;
            i++;
        }
    }
    err_set(err, ST_INVALID, quote == '`' ? "unterminated raw string" : "unterminated quoted string");
    return 0;
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static size_t put_rune(char *out, uint32_t r)
{
    if (r < 0x80) {
        out[0] = (char)r;
        return 1;
    }
    size_t n = r < 0x800 ? 2 : r < 0x10000 ? 3 : 4;
    static const unsigned char lead[] = { 0, 0, 0xc0, 0xe0, 0xf0 };
    for (size_t i = n - 1; i > 0; i--, r >>= 6)
        out[i] = (char)(0x80 | (r & 0x3f));
    out[0] = (char)(lead[n] | r);
    return n;
}

/* digits of base 8 or 16 at *at. */
static bool take_code(struct slice s, size_t *at, size_t digits, int base, uint32_t *out)
{
    uint32_t v = 0;
    for (size_t i = 0; i < digits; i++, (*at)++) {
        int d = *at < s.len ? hex_digit(s.ptr[*at]) : -1;
        if (d < 0 || d >= base)
            return false;
        v = v * (uint32_t)base + (uint32_t)d;
    }
    *out = v;
    return true;
}

/* The escape behind the backslash at s.ptr[*at - 1]; writes what it stands for. */
static bool take_escape(struct slice s, size_t *at, char quote, char *out, size_t *n)
{
    static const char letters[] = "abfnrtv\\", meanings[] = "\a\b\f\n\r\t\v\\";
    if (*at >= s.len)
        return false;
    char c = s.ptr[*at];
    uint32_t code = 0;
    const char *known = c ? memchr(letters, c, sizeof letters - 1) : NULL;
    if (known || c == quote) {
        out[(*n)++] = known ? meanings[known - letters] : c;
        (*at)++;
        return true;
    }
    if (c >= '0' && c <= '7') {
        if (!take_code(s, at, 3, 8, &code) || code > 0xff)
            return false;
        out[(*n)++] = (char)code;
        return true;
    }
    size_t digits = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
    (*at)++;
    if (digits == 0 || !take_code(s, at, digits, 16, &code))
        return false;
    if (digits == 2) {
        out[(*n)++] = (char)code;
        return true;
    }
    if (code > RUNE_MAX || (code >= 0xd800 && code < 0xe000))
        return false;
    *n += put_rune(out + *n, code);
    return true;
}

enum status token_unquote(struct arena *a, struct slice literal, struct slice *out, struct err *err)
{
    if (literal.len < 2 || literal.ptr[literal.len - 1] != literal.ptr[0])
        return err_set(err, ST_INVALID, "invalid syntax");
    char quote = literal.ptr[0];
    struct slice s = slice_sub(literal, 1, literal.len - 1);
    if (quote == '`' || slice_find_char(s, '\\', 0) == SIZE_MAX) {
        *out = s;
        return ST_OK;
    }
    char *text = arena_alloc(a, s.len + RUNE_BYTES_MAX); /* an escape is never shorter than what it stands for */
    size_t n = 0;
    for (size_t i = 0; i < s.len;) {
        if (s.ptr[i] != '\\') {
            text[n++] = s.ptr[i++];
            continue;
        }
        size_t start = i++;
        if (!take_escape(s, &i, quote, text, &n))
            return err_set(err, ST_INVALID, "unknown escape sequence %.*s", (int)MIN(s.len - start, (size_t)2), s.ptr + start);
    }
    *out = slice_of(text, n);
    return ST_OK;
}

void token_quote(struct slice s, struct buf *out)
{
    static const char letters[] = "abfnrtv\\\"", meanings[] = "\a\b\f\n\r\t\v\\\"";
    bool is_text = utf8_is_valid(s);
    buf_char(out, '"');
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        const char *known = c ? memchr(meanings, c, sizeof meanings - 1) : NULL;
        if (known)
            buf_printf(out, "\\%c", letters[known - meanings]);
        else if (c < 0x20 || c == 0x7f || (c >= 0x80 && !is_text))
            buf_printf(out, "\\x%02x", c);
        else
            buf_char(out, (char)c);
    }
    buf_char(out, '"');
}

enum token_number token_number_scan(struct slice text, size_t *len)
{
    size_t i = 0;
    bool has_digit = false, has_letter = false;
    *len = 0;
    if (text.len > 2 && text.ptr[0] == '0' && (text.ptr[1] == 'x' || text.ptr[1] == 'X') && (hex_digit(text.ptr[2]) >= 0 || text.ptr[2] == '_')) {
        for (i = 2; i < text.len && (hex_digit(text.ptr[i]) >= 0 || text.ptr[i] == '_'); i++)
            ;
        *len = i;
        return TOKEN_NUMBER;
    }
    while (i < text.len) {
        char c = text.ptr[i];
        if (token_is_digit(c))
            has_digit = true;
        else if ((c == 'e' || c == 'E') && has_digit && !has_letter && i + 1 < text.len &&
                 (token_is_digit(text.ptr[i + 1]) ||
                  ((text.ptr[i + 1] == '-' || text.ptr[i + 1] == '+') && i + 2 < text.len && token_is_digit(text.ptr[i + 2])))) {
            for (i += 2; i < text.len && (token_is_digit(text.ptr[i]) || text.ptr[i] == '_'); i++)
                ;
            continue;
        } else if (has_digit && (c == '_' || token_is_alpha(c)))
            has_letter = has_letter || c != '_';
        else if (has_digit && ((unsigned char)c == 0xc2 || (unsigned char)c == 0xce) && i + 1 < text.len) {
            has_letter = true; /* the micro signs */
            i++;
        } else if (c != '.')
            break;
        i++;
    }
    if (!has_digit)
        return TOKEN_NUMBER_NONE;
    *len = i;
    return has_letter ? TOKEN_DURATION : TOKEN_NUMBER;
}

bool token_number_parse(struct slice text, double *out)
{
    char plain[NUMBER_TEXT_BYTES_MAX];
    size_t n = 0;
    bool is_hex = text.len > 2 && text.ptr[0] == '0' && (text.ptr[1] | 0x20) == 'x';
    if (text.len > sizeof plain)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '_') {
            if (i == 0 || i + 1 == text.len || text.ptr[i + 1] == '_')
                return false;
            continue;
        }
        plain[n++] = text.ptr[i];
    }
    if (is_hex) {
        double v = 0;
        for (size_t i = 2; i < n; i++) {
            int d = hex_digit(plain[i]);
            if (d < 0)
                return false;
            v = v * 16 + d;
        }
        *out = v;
        return n > 2;
    }
    /* Go reads 0755 as octal, so Prometheus does. */
    if (n > 1 && plain[0] == '0') {
        uint64_t v = 0;
        size_t i = 1;
        for (; i < n && plain[i] >= '0' && plain[i] <= '7' && v < (UINT64_MAX >> 4); i++)
            v = v * 8 + (uint64_t)(plain[i] - '0');
        if (i == n) {
            *out = (double)v;
            return true;
        }
    }
    return num_parse_double(slice_of(plain, n), out);
}

struct token_place token_place_of(struct slice text, size_t offset)
{
    struct token_place p = { 1, 1 };
    for (size_t i = 0; i < offset && i < text.len; i++) {
        p.column++;
        if (text.ptr[i] == '\n') {
            p.line++;
            p.column = 1;
        }
    }
    return p;
}
