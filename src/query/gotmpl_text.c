/* SPDX-License-Identifier: Apache-2.0 */
/* Values of templates as text: as Go's fmt prints them by %v, and printf with its verbs, flags, width and precision. */
#include <math.h>
#include <stdio.h>

#include "base/num.h"
#include "base/utf8.h"
#include "model/labels.h"
#include "query/gotmpl_parts.h"
#include "query/token.h"

enum { WIDTH_MAX = 1000, PRECISION_MAX = 100, NUMBER_BYTES_MAX = 1600 };

struct gotmpl_value gotmpl_text(struct slice s)
{
    return (struct gotmpl_value){.type = GOTMPL_TEXT, .text = s};
}

struct gotmpl_value gotmpl_float(double v)
{
    return (struct gotmpl_value){.type = GOTMPL_FLOAT, .f = v};
}

struct gotmpl_value gotmpl_int(int64_t v)
{
    return (struct gotmpl_value){.type = GOTMPL_INT, .i = v};
}

struct gotmpl_value gotmpl_bool(bool v)
{
    return (struct gotmpl_value){.type = GOTMPL_BOOL, .b = v};
}

struct gotmpl_value gotmpl_labels(struct slice canonical)
{
    return (struct gotmpl_value){.type = GOTMPL_LABELS, .text = canonical};
}

struct gotmpl_value gotmpl_sample(struct arena *a, struct slice labels, double v)
{
    static const struct slice keys[] = {SLICE_INIT("Labels"), SLICE_INIT("Value")};
    struct gotmpl_value *items = arena_array(a, struct gotmpl_value, COUNT_OF(keys));
    items[0] = gotmpl_labels(labels);
    items[1] = gotmpl_float(v);
    return (struct gotmpl_value){.type = GOTMPL_MAP, .items = items, .keys = keys, .count = COUNT_OF(keys)};
}

bool gotmpl_truth(const struct gotmpl_value *v)
{
    switch (v->type) {
    case GOTMPL_NIL:
        return false;
    case GOTMPL_BOOL:
        return v->b;
    case GOTMPL_INT:
        return v->i != 0;
    case GOTMPL_FLOAT:
        return v->f != 0;
    case GOTMPL_TEXT:
    case GOTMPL_LABELS:
        return v->text.len > 0;
    case GOTMPL_LIST:
    case GOTMPL_MAP:
        return v->count > 0;
    }
    return false;
}

bool gotmpl_number(const struct gotmpl_value *v, double *out)
{
    switch (v->type) {
    case GOTMPL_INT:
        *out = (double)v->i;
        return true;
    case GOTMPL_FLOAT:
        *out = v->f;
        return true;
    case GOTMPL_TEXT:
        return num_parse_double(v->text, out);
    case GOTMPL_NIL:
    case GOTMPL_BOOL:
    case GOTMPL_LIST:
    case GOTMPL_MAP:
    case GOTMPL_LABELS:
        return false;
    }
    return false;
}

/* SortedPairs, Names and Values, as Alertmanager's label sets have them. */
static bool labels_method(const struct gotmpl_env *env, struct slice labels, struct slice name, struct gotmpl_value *out)
{
    static const struct slice pair_keys[] = {SLICE_INIT("Name"), SLICE_INIT("Value")};
    bool pairs = slice_eq(name, SLICE("SortedPairs")), names = slice_eq(name, SLICE("Names"));
    if (!pairs && !names && !slice_eq(name, SLICE("Values")))
        return false;
    struct gotmpl_value *items = arena_array(env->arena, struct gotmpl_value, labels_count(labels) + 1);
    struct label l;
    size_t n = 0;
    while (labels_next(&labels, &l)) {
        if (pairs) {
            struct gotmpl_value *pair = arena_array(env->arena, struct gotmpl_value, COUNT_OF(pair_keys));
            pair[0] = gotmpl_text(l.name);
            pair[1] = gotmpl_text(l.value);
            items[n++] = (struct gotmpl_value){.type = GOTMPL_MAP, .items = pair, .keys = pair_keys, .count = COUNT_OF(pair_keys)};
        } else {
            items[n++] = gotmpl_text(names ? l.name : l.value);
        }
    }
    *out = (struct gotmpl_value){.type = GOTMPL_LIST, .items = items, .count = n};
    return true;
}

enum status gotmpl_field(const struct gotmpl_env *env, const struct gotmpl_value *v, struct slice name, struct gotmpl_value *out,
                         struct err *err)
{
    if (v->type == GOTMPL_LABELS) {
        struct slice value = labels_get(v->text, name);
        if (value.len == 0 && labels_method(env, v->text, name, out))
            return ST_OK;
        *out = gotmpl_text(value);
        return ST_OK;
    }
    for (size_t i = 0; v->type == GOTMPL_MAP && i < v->count; i++) {
        if (slice_eq(v->keys[i], name)) {
            *out = v->items[i];
            return ST_OK;
        }
    }
    /* A list may have parts with names of their own, as .Alerts has .Firing: they stand behind its items. */
    for (size_t i = 0; v->type == GOTMPL_LIST && v->keys && v->keys[i].len; i++) {
        if (slice_eq(v->keys[i], name)) {
            *out = v->items[v->count + i];
            return ST_OK;
        }
    }
    return err_set(err, ST_INVALID, "template: there is no field %.*s here", SLICE_FMT(name));
}

/* Go's %v: the shortest digits; an exponent below 1e-4 and from 1e6 on. */
static size_t float_text(double v, char *out)
{
    enum { DIGITS_MAX = 17 };
    if (v == 0 || v != v || v - v != 0 || (fabs(v) >= 1e-4 && fabs(v) < 1e6))
        return num_format_fixed(v, out);
    int n = 0;
    double back = 0;
    for (int digits = 0; digits < DIGITS_MAX && back != v; digits++) {
        n = snprintf(out, NUM_TEXT_BYTES_MAX, "%.*e", digits, v);
        if (!num_parse_double(slice_of(out, (size_t)n), &back))
            break;
    }
    return (size_t)n;
}

static void print_list(const struct gotmpl_value *v, struct buf *out)
{
    buf_slice(out, v->type == GOTMPL_LIST ? SLICE("[") : SLICE("map["));
    for (size_t i = 0; i < v->count && !buf_over(out); i++) {
        if (i)
            buf_char(out, ' ');
        if (v->type == GOTMPL_MAP) {
            buf_slice(out, v->keys[i]);
            buf_char(out, ':');
        }
        gotmpl_print(&v->items[i], out);
    }
    buf_char(out, ']');
}

void gotmpl_print(const struct gotmpl_value *v, struct buf *out)
{
    char text[NUM_TEXT_BYTES_MAX];
    struct slice rest = v->text;
    struct label l;
    switch (v->type) {
    case GOTMPL_NIL:
        buf_slice(out, SLICE("<no value>"));
        break;
    case GOTMPL_BOOL:
        buf_slice(out, v->b ? SLICE("true") : SLICE("false"));
        break;
    case GOTMPL_INT:
        buf_put(out, text, num_format_i64(v->i, text));
        break;
    case GOTMPL_FLOAT:
        buf_put(out, text, float_text(v->f, text));
        break;
    case GOTMPL_TEXT:
        buf_slice(out, v->text);
        break;
    case GOTMPL_LIST:
    case GOTMPL_MAP:
        print_list(v, out);
        break;
    case GOTMPL_LABELS:
        buf_slice(out, SLICE("map["));
        for (bool first = true; labels_next(&rest, &l); first = false)
            buf_printf(out, "%s%.*s:%.*s", first ? "" : " ", SLICE_FMT(l.name), SLICE_FMT(l.value));
        buf_char(out, ']');
        break;
    }
}

/* ---- printf ---- */

struct verb {
    bool minus, plus, space, zero, sharp, has_width, has_precision;
    int width, precision;
    char letter;
};

static int read_count(struct slice *rest, int max)
{
    int n = 0;
    while (rest->len && token_is_digit(rest->ptr[0])) {
        n = MIN(n * 10 + (rest->ptr[0] - '0'), max);
        *rest = slice_skip(*rest, 1);
    }
    return n;
}

static struct verb read_verb(struct slice *rest)
{
    struct verb v = {0};
    for (; rest->len; *rest = slice_skip(*rest, 1)) {
        char c = rest->ptr[0];
        bool is_flag = c == '-' || c == '+' || c == ' ' || c == '0' || c == '#';
        if (!is_flag)
            break;
        v.minus |= c == '-';
        v.plus |= c == '+';
        v.space |= c == ' ';
        v.zero |= c == '0';
        v.sharp |= c == '#';
    }
    v.has_width = rest->len && token_is_digit(rest->ptr[0]);
    v.width = read_count(rest, WIDTH_MAX);
    if (rest->len && rest->ptr[0] == '.') {
        *rest = slice_skip(*rest, 1);
        v.has_precision = true;
        v.precision = read_count(rest, PRECISION_MAX);
    }
    v.letter = rest->len ? rest->ptr[0] : 0;
    *rest = slice_skip(*rest, 1);
    return v;
}

static void put_padded(struct slice text, const struct verb *v, struct buf *out)
{
    size_t width = (size_t)v->width;
    for (size_t i = text.len; !v->minus && i < width; i++)
        buf_char(out, ' ');
    buf_slice(out, text);
    for (size_t i = text.len; v->minus && i < width; i++)
        buf_char(out, ' ');
}

static void put_char(int64_t c, const struct verb *v, struct buf *out)
{
    char text[4];
    put_padded(slice_of(text, utf8_put(c < 0 || c > UINT32_MAX ? UINT32_MAX : (uint32_t)c, text)), v, out);
}

/* The C format of the same meaning: Go's flags, width and precision are C's. */
static void put_number(const struct gotmpl_value *value, const struct verb *v, struct buf *out)
{
    char format[64], text[NUMBER_BYTES_MAX];
    bool is_float = value->type == GOTMPL_FLOAT;
    char letter = v->letter == 'v' ? (is_float ? 'g' : 'd') : v->letter == 'F' ? 'f' : v->letter;
    if (is_float && !v->has_precision && (letter == 'g' || letter == 'G')) {
        char shortest[NUM_TEXT_BYTES_MAX];
        put_padded(slice_of(shortest, float_text(value->f, shortest)), v, out);
        return;
    }
    int n = snprintf(format, sizeof format, "%%%s%s%s%s%d", v->minus ? "-" : "", v->plus ? "+" : "", v->space ? " " : "",
                     v->zero && !v->minus ? "0" : "", v->width);
    if (v->has_width == false)
        n = snprintf(format, sizeof format, "%%%s%s", v->plus ? "+" : "", v->space ? " " : "");
    if (v->has_precision)
        n += snprintf(format + n, sizeof format - (size_t)n, ".%d", v->precision);
    snprintf(format + n, sizeof format - (size_t)n, "%s%c", is_float ? "" : "ll", letter);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    n = is_float ? snprintf(text, sizeof text, format, value->f) : snprintf(text, sizeof text, format, (long long)value->i);
#pragma GCC diagnostic pop
    buf_put(out, text, (size_t)MIN(n, (int)sizeof text - 1));
}

static const char *type_name(const struct gotmpl_value *v)
{
    switch (v->type) {
    case GOTMPL_NIL:
        return "<nil>";
    case GOTMPL_BOOL:
        return "bool";
    case GOTMPL_INT:
        return "int";
    case GOTMPL_FLOAT:
        return "float64";
    case GOTMPL_TEXT:
        return "string";
    case GOTMPL_LIST:
        return "list";
    case GOTMPL_MAP:
    case GOTMPL_LABELS:
        return "map";
    }
    return "";
}

static bool is_one_of(char c, const char *letters)
{
    for (; *letters; letters++)
        if (*letters == c)
            return true;
    return false;
}

static void put_verb(const struct gotmpl_value *value, const struct verb *v, struct buf *out)
{
    struct buf text;
    if (value->type == GOTMPL_INT && v->letter == 'c') {
        put_char(value->i, v, out);
        return;
    }
    if ((value->type == GOTMPL_FLOAT && is_one_of(v->letter, "vfFgGeE")) || (value->type == GOTMPL_INT && is_one_of(v->letter, "vdxXo"))) {
        put_number(value, v, out);
        return;
    }
    bool fits = v->letter == 'v' || (value->type == GOTMPL_TEXT && is_one_of(v->letter, "sqxX")) ||
                (value->type == GOTMPL_BOOL && v->letter == 't') ||
                (v->letter == 's' && (value->type == GOTMPL_LIST || value->type == GOTMPL_LABELS || value->type == GOTMPL_MAP));
    buf_init(&text, GOTMPL_OUT_BYTES_MAX);
    if (!fits) { /* Go's own way to say so */
        buf_printf(&text, "%%!%c(%s=", v->letter ? v->letter : '!', type_name(value));
        gotmpl_print(value, &text);
        buf_char(&text, ')');
    } else if (v->letter == 'q') {
        token_quote(value->text, &text);
    } else if (v->letter == 'x' || v->letter == 'X') {
        for (size_t i = 0; i < value->text.len; i++)
            buf_printf(&text, v->letter == 'x' ? "%02x" : "%02X", (unsigned char)value->text.ptr[i]);
    } else {
        gotmpl_print(value, &text);
    }
    struct slice s = buf_as_slice(&text);
    if (fits && v->has_precision && v->letter != 'q')
        s = slice_sub(s, 0, (size_t)v->precision);
    put_padded(s, v, out);
    buf_free(&text);
}

enum status gotmpl_printf(const struct gotmpl_env *env, const struct gotmpl_value *v, size_t n, struct gotmpl_value *out, struct err *err)
{
    struct buf b;
    size_t next = 1;
    if (v[0].type != GOTMPL_TEXT)
        return err_set(err, ST_INVALID, "template: printf: the format is no text");
    struct slice rest = v[0].text;
    buf_init(&b, GOTMPL_OUT_BYTES_MAX);
    while (rest.len) {
        size_t at = slice_find_char(rest, '%', 0);
        buf_slice(&b, slice_sub(rest, 0, at));
        if (at == SIZE_MAX)
            break;
        rest = slice_skip(rest, at + 1);
        struct verb verb = read_verb(&rest);
        if (verb.letter == '%')
            buf_char(&b, '%');
        else if (verb.letter == 0)
            buf_slice(&b, SLICE("%!(NOVERB)"));
        else if (next == n)
            buf_printf(&b, "%%!%c(MISSING)", verb.letter);
        else
            put_verb(&v[next++], &verb, &b);
    }
    if (next < n)
        buf_slice(&b, SLICE("%!(EXTRA "));
    for (size_t i = next; i < n; i++) {
        buf_printf(&b, "%s%s=", i > next ? ", " : "", type_name(&v[i]));
        gotmpl_print(&v[i], &b);
    }
    if (next < n)
        buf_char(&b, ')');
    *out = gotmpl_text(arena_copy(env->arena, buf_as_slice(&b)));
    bool over = buf_over(&b);
    buf_free(&b);
    return over ? err_set(err, ST_LIMIT, "template: printf: the result is longer than allowed") : ST_OK;
}
