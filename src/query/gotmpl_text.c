/* SPDX-License-Identifier: Apache-2.0 */
/* Values of templates as text: as Go's fmt prints them by %v, and printf with its verbs, flags, width and precision. */
#include <math.h>
#include <stdio.h>

#include "base/num.h"
#include "model/labels.h"
#include "query/gotmpl_parts.h"
#include "query/gotmpl_time.h"
#include "query/token.h"

enum { WIDTH_MAX = 1000, PRECISION_MAX = 100, NUMBER_BYTES_MAX = 1600 };

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
    case GOTMPL_TIME:
    case GOTMPL_SOURCE:
        return true;
    }
    return false;
}

bool gotmpl_int_parse(struct slice text, int64_t *out)
{
    bool is_negative = text.len && text.ptr[0] == '-', prefixed = false, was_digit = false;
    if (text.len && (is_negative || text.ptr[0] == '+'))
        text = slice_skip(text, 1);
    unsigned base = 10;
    uint64_t v = 0, max = is_negative ? (uint64_t)1 << 63 : (uint64_t)INT64_MAX;
    if (text.len > 1 && text.ptr[0] == '0') {
        char c = (char)(text.ptr[1] | 32);
        base = c == 'x' ? 16 : c == 'b' ? 2 : 8;
        prefixed = was_digit = true;
        text = slice_skip(text, c == 'x' || c == 'b' || c == 'o' ? 2 : 1);
    }
    if (text.len == 0)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        char c = (char)(text.ptr[i] | 32);
        unsigned digit = c >= '0' && c <= '9' ? (unsigned)(c - '0') : c >= 'a' && c <= 'f' && (text.ptr[i] & 0x40) ? (unsigned)(c - 'a' + 10) : 99;
        if (text.ptr[i] == '_' && was_digit && i + 1 < text.len && (prefixed || base == 10)) {
            was_digit = false;
            continue;
        }
        if (digit >= base || v > (max - digit) / base)
            return false;
        v = v * base + digit;
        was_digit = true;
    }
    *out = is_negative ? (int64_t)(0 - v) : (int64_t)v;
    return true;
}

const char *gotmpl_type_name(const struct gotmpl_value *v)
{
    switch (v->type) {
    case GOTMPL_NIL:
        return "<nil>";
    case GOTMPL_BOOL:
        return "bool";
    case GOTMPL_INT:
        return v->is_wide ? "int64" : "int";
    case GOTMPL_FLOAT:
        return "float64";
    case GOTMPL_TEXT:
        return "string";
    case GOTMPL_LIST:
        return "[]interface {}";
    case GOTMPL_MAP:
        return "map[string]interface {}";
    case GOTMPL_LABELS:
    case GOTMPL_SOURCE:
        return "map[string]string";
    case GOTMPL_TIME:
        return "time.Time";
    }
    return "";
}

char gotmpl_param_kind(const char *params, size_t i)
{
    size_t k = 0;
    while (k < i && params[k + 1])
        k++;
    return params[k];
}

/* What the letters of params stand for: the type, Go's name of it, and what it says to a constant of another. */
static const struct {
    char kind;
    enum gotmpl_type type;
    const char *name, *wanted;
} kinds[] = {{'s', GOTMPL_TEXT, "string", "expected string; found"},
             {'i', GOTMPL_INT, "int", "expected integer; found"},
             {'f', GOTMPL_FLOAT, "float64", "expected float; found"},
             {'t', GOTMPL_TIME, "time.Time", ""}};

bool gotmpl_param(struct arena *a, char kind, struct slice source, struct gotmpl_value *v, struct slice *why)
{
    size_t k = 0;
    while (k < COUNT_OF(kinds) && kinds[k].kind != kind)
        k++;
    if (k == COUNT_OF(kinds) || (v->type == kinds[k].type && !(v->type == GOTMPL_INT && v->is_wide)))
        return true;
    if (source.len && kind == 'f' && v->type == GOTMPL_INT) {
        *v = gotmpl_float((double)v->i);
        return true;
    }
    if (source.len && kind == 'i' && v->type == GOTMPL_FLOAT && v->f == trunc(v->f) && fabs(v->f) < 9e18) {
        *v = gotmpl_int((int64_t)v->f);
        return true;
    }
    if (source.len && v->type == GOTMPL_NIL)
        *why = arena_printf(a, "cannot assign nil to %s", kinds[k].name);
    else if (source.len && kind == 't')
        *why = arena_printf(a, "can't handle %.*s for arg of type time.Time", SLICE_FMT(source));
    else if (source.len)
        *why = arena_printf(a, "%s %.*s", kinds[k].wanted, SLICE_FMT(source));
    else if (v->type == GOTMPL_NIL)
        *why = arena_printf(a, "invalid value; expected %s", kinds[k].name);
    else
        *why = arena_printf(a, "wrong type for value; expected %s; got %s", kinds[k].name, gotmpl_type_name(v));
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
    case GOTMPL_TIME:
    case GOTMPL_SOURCE:
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
    if (v->type == GOTMPL_SOURCE) {
        *out = gotmpl_text(v->source->get(v->source, name));
        return ST_OK;
    }
    if (v->type == GOTMPL_TIME) {
        const struct gotmpl_function *f = gotmpl_function_find(&gotmpl_time_methods, name);
        if (f && f->args_min == 1)
            return f->run(env, v, 1, out, err);
    }
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
    if (v->type == GOTMPL_NIL && v->is_open)
        return err_set(err, ST_INVALID, "nil pointer evaluating interface {}.%.*s", SLICE_FMT(name));
    if (v->type == GOTMPL_NIL || (v->type == GOTMPL_MAP && v->is_open)) {
        *out = (struct gotmpl_value){.is_open = v->type == GOTMPL_MAP};
        return ST_OK;
    }
    /* A list may have parts with names of their own, as .Alerts has .Firing: they stand behind its items. */
    for (size_t i = 0; v->type == GOTMPL_LIST && v->keys && v->keys[i].len; i++) {
        if (slice_eq(v->keys[i], name)) {
            *out = v->items[v->count + i];
            return ST_OK;
        }
    }
    return err_set(err, ST_INVALID, "can't evaluate field %.*s in type %s", SLICE_FMT(name), gotmpl_type_name(v));
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
    struct slice rest = v->type == GOTMPL_LABELS ? v->text : SLICE_EMPTY;
    struct label l;
    switch (v->type) {
    case GOTMPL_NIL:
        buf_slice(out, SLICE("<nil>"));
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
    case GOTMPL_TIME:
        gotmpl_time_format(v->time, SLICE("2006-01-02 15:04:05.999999999 -0700 MST"), out);
        break;
    case GOTMPL_SOURCE: /* made LABELS before anybody prints it */
        break;
    }
}

