/* SPDX-License-Identifier: Apache-2.0 */
/* printf of templates, as Go's fmt.Sprintf: verbs, flags, width and precision (in characters), "*", and argument numbers "[2]".
 * What does not fit is told in the result, in Go's way: %!d(string=x), %!s(MISSING), %!(EXTRA int=1). */
#include <math.h>
#include <stdio.h>

#include "base/num.h"
#include "base/utf8.h"
#include "query/gotmpl_parts.h"
#include "query/token.h"

enum { WIDTH_MAX = 1000, PRECISION_MAX = 100, NUMBER_BYTES_MAX = 1600, INTEGER_BITS = 64, UTF8_BYTES_MAX = 4 };

struct verb {
    bool minus, plus, space, zero, sharp, has_width, has_precision;
    int width, precision;
    struct slice letter; /* one character */
};

struct print {
    struct buf out;
    struct slice rest;
    const struct gotmpl_value *v;
    size_t n, next;
    bool reordered, bad_index;
};

static bool is_one_of(struct slice letter, const char *letters)
{
    for (; letter.len == 1 && *letters; letters++)
        if (letter.ptr[0] == *letters)
            return true;
    return false;
}

static bool take_char(struct print *p, char c)
{
    if (p->rest.len == 0 || p->rest.ptr[0] != c)
        return false;
    p->rest = slice_skip(p->rest, 1);
    return true;
}

static bool take_count(struct print *p, int max, int *out)
{
    bool found = p->rest.len && token_is_digit(p->rest.ptr[0]);
    *out = 0;
    while (p->rest.len && token_is_digit(p->rest.ptr[0])) {
        *out = MIN(*out * 10 + (p->rest.ptr[0] - '0'), max);
        p->rest = slice_skip(p->rest, 1);
    }
    return found;
}

/* "[3]": the third argument comes next. */
static void take_index(struct print *p)
{
    struct slice before = p->rest;
    int k;
    if (p->rest.len == 0 || p->rest.ptr[0] != '[')
        return;
    p->rest = slice_skip(p->rest, 1);
    p->reordered = true;
    if (take_count(p, GOTMPL_ARGS_MAX + 1, &k) && take_char(p, ']') && k >= 1 && (size_t)k < p->n)
        p->next = (size_t)k;
    else
        p->bad_index = true;
    size_t close = p->bad_index ? slice_find_char(before, ']', 0) : SIZE_MAX;
    if (close != SIZE_MAX)
        p->rest = slice_skip(before, close + 1);
}

/* A width or precision: digits, or '*' for the next argument. */
static bool take_size(struct print *p, int max, int *out)
{
    take_index(p);
    if (!take_char(p, '*'))
        return take_count(p, max, out);
    if (p->next >= p->n || p->v[p->next].type != GOTMPL_INT || p->v[p->next].i > max || p->v[p->next].i < -max) {
        buf_slice(&p->out, max == WIDTH_MAX ? SLICE("%!(BADWIDTH)") : SLICE("%!(BADPREC)"));
        p->next++;
        return false;
    }
    *out = (int)p->v[p->next++].i;
    return true;
}

static struct verb read_verb(struct print *p)
{
    struct verb v = {0};
    for (bool is_flag = true; is_flag && p->rest.len;) {
        char c = p->rest.ptr[0];
        is_flag = c == '-' || c == '+' || c == ' ' || c == '0' || c == '#';
        v.minus |= c == '-';
        v.plus |= c == '+';
        v.space |= c == ' ';
        v.zero |= c == '0';
        v.sharp |= c == '#';
        if (is_flag)
            p->rest = slice_skip(p->rest, 1);
    }
    v.has_width = take_size(p, WIDTH_MAX, &v.width);
    if (v.width < 0) {
        v.minus = true;
        v.width = -v.width;
    }
    if (take_char(p, '.')) {
        v.has_precision = true;
        take_size(p, PRECISION_MAX, &v.precision);
        if (v.precision < 0) {
            v.has_precision = false;
            v.precision = 0;
        }
    }
    take_index(p);
    size_t n = utf8_char(p->rest);
    v.letter = slice_sub(p->rest, 0, n ? n : MIN(p->rest.len, (size_t)1));
    p->rest = slice_skip(p->rest, v.letter.len);
    return v;
}

static size_t char_count(struct slice s)
{
    for (size_t i = 0; i < s.len; i++)
        if ((uint8_t)s.ptr[i] >= 0x80)
            return utf8_count(s);
    return s.len;
}

static void put_padded(struct slice text, const struct verb *v, char fill, struct buf *out)
{
    size_t width = (size_t)v->width, have = !v->has_width || text.len >= width * UTF8_BYTES_MAX ? width : char_count(text);
    for (size_t i = have; !v->minus && i < width; i++)
        buf_char(out, fill);
    buf_slice(out, text);
    for (size_t i = have; v->minus && i < width; i++)
        buf_char(out, ' ');
}

/* A number with its sign: zeros go between the sign and the digits. */
static void put_signed(struct slice sign, struct slice digits, const struct verb *v, struct buf *out)
{
    char text[NUMBER_BYTES_MAX];
    size_t n = 0, width = (size_t)v->width;
    bool zeros = v->zero && !v->minus && v->has_width;
    memcpy(text, sign.ptr, sign.len);
    n += sign.len;
    while (zeros && n + digits.len < width)
        text[n++] = '0';
    size_t len = MIN(digits.len, sizeof text - n);
    memcpy(text + n, digits.ptr, len);
    put_padded(slice_of(text, n + len), v, ' ', out);
}

static void put_int(int64_t i, const struct verb *v, struct buf *out)
{
    static const char low[] = "0123456789abcdef", high[] = "0123456789ABCDEF";
    char text[INTEGER_BITS + PRECISION_MAX], c = v->letter.ptr[0];
    char *end = text + sizeof text, *at = end;
    unsigned base = c == 'x' || c == 'X' ? 16 : c == 'o' || c == 'O' ? 8 : c == 'b' ? 2 : 10;
    uint64_t u = i < 0 ? 0 - (uint64_t)i : (uint64_t)i;
    for (; u || (at == end && !(v->has_precision && v->precision == 0)); u /= base)
        *--at = (c == 'X' ? high : low)[u % base];
    while (v->has_precision && end - at < v->precision)
        *--at = '0';
    const char *prefix = c == 'O' ? "0o" : !v->sharp ? "" : c == 'x' ? "0x" : c == 'X' ? "0X" : c == 'o' ? "0" : c == 'b' ? "0b" : "";
    char sign[4];
    int n = snprintf(sign, sizeof sign, "%s%s", i < 0 ? "-" : v->plus ? "+" : v->space ? " " : "", prefix);
    struct verb own = *v;
    own.zero = v->zero && !v->has_precision;
    put_signed(slice_of(sign, (size_t)n), slice_of(at, (size_t)(end - at)), &own, out);
}

static void put_float(double f, const struct verb *v, struct buf *out)
{
    char text[NUMBER_BYTES_MAX], c = v->letter.ptr[0];
    char letter = c == 'v' ? 'g' : c == 'F' ? 'f' : c;
    struct slice s;
    if (!v->has_precision && (letter == 'g' || letter == 'G')) {
        struct gotmpl_value value = gotmpl_float(f);
        struct buf shortest;
        buf_init(&shortest, sizeof text);
        gotmpl_print(&value, &shortest);
        memcpy(text, shortest.ptr, shortest.len);
        s = slice_of(text, shortest.len);
        buf_free(&shortest);
    } else if (!isfinite(f)) {
        s = isnan(f) ? SLICE("NaN") : f > 0 ? SLICE("+Inf") : SLICE("-Inf");
    } else {
        int precision = v->has_precision ? v->precision : 6, n;
        switch (letter) {
        case 'e': n = snprintf(text, sizeof text, "%.*e", precision, f); break;
        case 'E': n = snprintf(text, sizeof text, "%.*E", precision, f); break;
        case 'g': n = snprintf(text, sizeof text, "%.*g", precision, f); break;
        case 'G': n = snprintf(text, sizeof text, "%.*G", precision, f); break;
        default: n = snprintf(text, sizeof text, "%.*f", precision, f); break;
        }
        s = slice_of(text, (size_t)MIN(n, (int)sizeof text - 1));
    }
    bool is_signed = s.ptr[0] == '-' || s.ptr[0] == '+', minus = is_signed && s.ptr[0] == '-';
    struct verb own = *v;
    own.zero = v->zero && isfinite(f);
    struct slice digits = is_signed ? slice_skip(s, 1) : s;
    put_signed(minus ? SLICE("-") : v->plus || isinf(f) ? SLICE("+") : v->space ? SLICE(" ") : SLICE_EMPTY, digits, &own, out);
}

/* %c, %q and %U of a number. */
static void put_char(int64_t i, const struct verb *v, struct buf *out)
{
    enum { CHAR_MAX_CODE = 0x10ffff };
    char text[4];
    uint32_t c = i < 0 || i > CHAR_MAX_CODE ? 0xfffd : (uint32_t)i;
    struct slice s = slice_of(text, utf8_put(c, text));
    struct buf b;
    buf_init(&b, NUMBER_BYTES_MAX);
    if (v->letter.ptr[0] == 'c')
        buf_slice(&b, s);
    else if (v->letter.ptr[0] == 'U')
        buf_printf(&b, "U+%04llX", (unsigned long long)i);
    else if (c == '\'' || c == '\\')
        buf_printf(&b, "'\\%c'", (char)c);
    else if (c == '"')
        buf_slice(&b, SLICE("'\"'"));
    else {
        struct buf quoted;
        buf_init(&quoted, NUMBER_BYTES_MAX);
        token_quote(s, &quoted);
        buf_printf(&b, "'%.*s'", (int)quoted.len - 2, quoted.ptr + 1);
        buf_free(&quoted);
    }
    put_padded(buf_as_slice(&b), v, ' ', out);
    buf_free(&b);
}

static struct slice first_chars(struct slice s, size_t count)
{
    size_t at = 0;
    if (s.len <= count)
        return s;
    for (; count && at < s.len; count--) {
        size_t n = (uint8_t)s.ptr[at] < 0x80 ? 1 : utf8_char(slice_skip(s, at));
        at += n ? n : 1;
    }
    return slice_sub(s, 0, at);
}

static void put_text(struct slice s, const struct verb *v, struct buf *out)
{
    char c = v->letter.ptr[0];
    struct buf b;
    buf_init(&b, GOTMPL_RESULT_BYTES_MAX);
    if (c == 'x' || c == 'X') {
        s = v->has_precision ? slice_sub(s, 0, (size_t)v->precision) : s;
        for (size_t i = 0; i < s.len && !buf_over(&b); i++)
            buf_printf(&b, c == 'x' ? "%s%02x" : "%s%02X", v->space && i ? " " : "", (unsigned char)s.ptr[i]);
        s = buf_as_slice(&b);
    } else {
        s = v->has_precision ? first_chars(s, (size_t)v->precision) : s;
        if (c == 'q' && v->sharp && slice_find_char(s, '`', 0) == SIZE_MAX && slice_find_char(s, '\n', 0) == SIZE_MAX) {
            buf_char(&b, '`');
            buf_slice(&b, s);
            buf_char(&b, '`');
        } else if (c == 'q' || (c == 'v' && v->sharp)) {
            token_quote(s, &b);
        }
        s = b.len ? buf_as_slice(&b) : s;
    }
    put_padded(s, v, v->zero && !v->minus ? '0' : ' ', out);
    if (buf_over(&b))
        out->over = true;
    buf_free(&b);
}

static void put_bad(const struct gotmpl_value *value, const struct verb *v, struct buf *out)
{
    if (value->type == GOTMPL_NIL) {
        buf_printf(out, "%%!%.*s(<nil>)", SLICE_FMT(v->letter));
        return;
    }
    buf_printf(out, "%%!%.*s(%s=", SLICE_FMT(v->letter), gotmpl_type_name(value));
    gotmpl_print(value, out);
    buf_char(out, ')');
}

/* A list or map: the verb is for each item. */
static void put_verb(const struct gotmpl_value *value, const struct verb *v, struct buf *out);
static void put_items(const struct gotmpl_value *value, const struct verb *v, struct buf *out)
{
    struct verb of_keys = *v;
    buf_slice(out, value->type == GOTMPL_MAP ? SLICE("map[") : SLICE("["));
    for (size_t i = 0; i < value->count && !buf_over(out); i++) {
        if (i)
            buf_char(out, ' ');
        if (value->type == GOTMPL_MAP) {
            struct gotmpl_value key = gotmpl_text(value->keys[i]);
            put_verb(&key, &of_keys, out);
            buf_char(out, ':');
        }
        put_verb(&value->items[i], v, out);
    }
    buf_char(out, ']');
}

static void put_verb(const struct gotmpl_value *value, const struct verb *v, struct buf *out)
{
    struct buf b;
    if (is_one_of(v->letter, "T")) {
        put_padded(slice_str(gotmpl_type_name(value)), v, ' ', out);
        return;
    }
    if (value->type == GOTMPL_INT && is_one_of(v->letter, "cqU")) {
        put_char(value->i, v, out);
    } else if (value->type == GOTMPL_INT && is_one_of(v->letter, "vdxXobO")) {
        put_int(value->i, v, out);
    } else if (value->type == GOTMPL_FLOAT && is_one_of(v->letter, "vfFgGeE")) {
        put_float(value->f, v, out);
    } else if (value->type == GOTMPL_TEXT && is_one_of(v->letter, "vsqxX")) {
        put_text(value->text, v, out);
    } else if (value->type == GOTMPL_BOOL && is_one_of(v->letter, "vt")) {
        put_padded(value->b ? SLICE("true") : SLICE("false"), v, ' ', out);
    } else if (value->type == GOTMPL_LIST || value->type == GOTMPL_MAP) {
        put_items(value, v, out);
    } else if ((value->type == GOTMPL_TIME || value->type == GOTMPL_LABELS) && is_one_of(v->letter, "vsq")) {
        buf_init(&b, GOTMPL_RESULT_BYTES_MAX);
        gotmpl_print(value, &b);
        put_text(buf_as_slice(&b), v, out);
        buf_free(&b);
    } else if (value->type == GOTMPL_NIL && is_one_of(v->letter, "v")) {
        put_padded(SLICE("<nil>"), v, ' ', out);
    } else {
        put_bad(value, v, out);
    }
}

static void put_extra(struct print *p)
{
    if (p->reordered || p->next >= p->n)
        return;
    buf_slice(&p->out, SLICE("%!(EXTRA "));
    for (size_t i = p->next; i < p->n; i++) {
        buf_slice(&p->out, i > p->next ? SLICE(", ") : SLICE_EMPTY);
        if (p->v[i].type == GOTMPL_NIL) {
            buf_slice(&p->out, SLICE("<nil>"));
            continue;
        }
        buf_printf(&p->out, "%s=", gotmpl_type_name(&p->v[i]));
        gotmpl_print(&p->v[i], &p->out);
    }
    buf_char(&p->out, ')');
}

enum status gotmpl_printf(const struct gotmpl_env *env, const struct gotmpl_value *v, size_t n, struct gotmpl_value *out, struct err *err)
{
    if (v[0].type != GOTMPL_TEXT)
        return err_set(err, ST_INVALID, "printf: the format is no text");
    struct print p = {.rest = v[0].text, .v = v, .n = n, .next = 1};
    buf_init(&p.out, GOTMPL_RESULT_BYTES_MAX);
    while (p.rest.len && !buf_over(&p.out)) {
        size_t at = slice_find_char(p.rest, '%', 0);
        buf_slice(&p.out, slice_sub(p.rest, 0, at));
        if (at == SIZE_MAX)
            break;
        p.rest = slice_skip(p.rest, at + 1);
        if (p.rest.len && p.rest.ptr[0] == 's' && p.next < n && v[p.next].type == GOTMPL_TEXT) { /* the usual one */
            buf_slice(&p.out, v[p.next++].text);
            p.rest = slice_skip(p.rest, 1);
            continue;
        }
        p.bad_index = false;
        struct verb verb = read_verb(&p);
        if (verb.letter.len == 0)
            buf_slice(&p.out, SLICE("%!(NOVERB)"));
        else if (is_one_of(verb.letter, "%"))
            buf_char(&p.out, '%');
        else if (p.bad_index)
            buf_printf(&p.out, "%%!%.*s(BADINDEX)", SLICE_FMT(verb.letter));
        else if (p.next >= n)
            buf_printf(&p.out, "%%!%.*s(MISSING)", SLICE_FMT(verb.letter));
        else
            put_verb(&v[p.next++], &verb, &p.out);
    }
    put_extra(&p);
    return gotmpl_give(env, &p.out, out, err);
}
