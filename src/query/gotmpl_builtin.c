/* SPDX-License-Identifier: Apache-2.0 */
/* Go's own functions of templates. */
#include "codec/url.h"
#include "model/labels.h"
#include "query/gotmpl_parts.h"
#include "query/gotmpl_time.h"

enum status gotmpl_give(const struct gotmpl_env *env, struct buf *b, struct gotmpl_value *out, struct err *err)
{
    bool over = buf_over(b);
    *out = gotmpl_text(arena_copy(env->arena, buf_as_slice(b)));
    buf_free(b);
    return over ? err_set(err, ST_LIMIT, "a result is longer than allowed") : ST_OK;
}

GOTMPL_FUNCTION(fn_and)
{
    for (size_t i = 0; i < n; i++) {
        *out = v[i];
        if (!gotmpl_truth(&v[i]))
            break;
    }
    return ST_OK;
}

GOTMPL_FUNCTION(fn_or)
{
    for (size_t i = 0; i < n; i++) {
        *out = v[i];
        if (gotmpl_truth(&v[i]))
            break;
    }
    return ST_OK;
}

GOTMPL_FUNCTION(fn_not)
{
    *out = gotmpl_bool(!gotmpl_truth(&v[0]));
    return ST_OK;
}

/* <0, 0, >0; 2 for NaN. Go compares no int with a float64, which only strict templates mind. */
static enum status compare(const struct gotmpl_env *env, const struct gotmpl_value *a, const struct gotmpl_value *b, bool is_order, int *out,
                           struct err *err)
{
    double x, y;
    bool a_number = a->type == GOTMPL_INT || a->type == GOTMPL_FLOAT, b_number = b->type == GOTMPL_INT || b->type == GOTMPL_FLOAT;
    if (a->type == GOTMPL_INT && b->type == GOTMPL_INT)
        *out = a->i < b->i ? -1 : a->i > b->i;
    else if (a_number && b_number && (!env->is_strict || a->type == b->type) && gotmpl_number(a, &x) && gotmpl_number(b, &y))
        *out = x < y ? -1 : x > y ? 1 : x == y ? 0 : 2;
    else if (a->type == GOTMPL_TEXT && b->type == GOTMPL_TEXT)
        *out = MAX(-1, MIN(1, slice_cmp(a->text, b->text)));
    else if (a->type == GOTMPL_BOOL && b->type == GOTMPL_BOOL && !(is_order && env->is_strict))
        *out = a->b - b->b;
    else if (a->type == GOTMPL_TIME && b->type == GOTMPL_TIME && !is_order)
        *out = a->time->s == b->time->s && a->time->ns == b->time->ns ? 0 : 1;
    else if (!is_order && (a->type == GOTMPL_NIL || b->type == GOTMPL_NIL))
        *out = a->type == b->type ? 0 : 1;
    else
        return err_set(err, ST_INVALID, a->type == b->type ? "invalid type for comparison" : "incompatible types for comparison");
    return ST_OK;
}

GOTMPL_FUNCTION(fn_eq)
{
    int c = 1;
    enum status st = ST_OK;
    for (size_t i = 1; i < n && !st && c; i++)
        st = compare(env, &v[0], &v[i], false, &c, err);
    *out = gotmpl_bool(c == 0);
    return st;
}

GOTMPL_FUNCTION(fn_ne)
{
    int c = 2;
    enum status st = compare(env, &v[0], &v[1], false, &c, err);
    *out = gotmpl_bool(c != 0);
    return st;
}

GOTMPL_FUNCTION(fn_lt)
{
    int c = 2;
    enum status st = compare(env, &v[0], &v[1], true, &c, err);
    *out = gotmpl_bool(c == -1);
    return st;
}

GOTMPL_FUNCTION(fn_le)
{
    int c = 2;
    enum status st = compare(env, &v[0], &v[1], true, &c, err);
    *out = gotmpl_bool(c == -1 || c == 0);
    return st;
}

GOTMPL_FUNCTION(fn_gt)
{
    int c = 2;
    enum status st = compare(env, &v[0], &v[1], true, &c, err);
    *out = gotmpl_bool(c == 1);
    return st;
}

GOTMPL_FUNCTION(fn_ge)
{
    int c = 2;
    enum status st = compare(env, &v[0], &v[1], true, &c, err);
    *out = gotmpl_bool(c == 1 || c == 0);
    return st;
}

GOTMPL_FUNCTION(fn_len)
{
    if (v[0].type == GOTMPL_TEXT)
        *out = gotmpl_int((int64_t)v[0].text.len);
    else if (v[0].type == GOTMPL_LABELS)
        *out = gotmpl_int((int64_t)labels_count(v[0].text));
    else if (v[0].type == GOTMPL_LIST || v[0].type == GOTMPL_MAP)
        *out = gotmpl_int((int64_t)v[0].count);
    else
        return err_set(err, ST_INVALID, "len of type %s", gotmpl_type_name(&v[0]));
    return ST_OK;
}

GOTMPL_FUNCTION(fn_index)
{
    *out = v[0];
    for (size_t i = 1; i < n; i++) {
        struct gotmpl_value from = *out;
        if (from.type == GOTMPL_LIST && v[i].type == GOTMPL_INT) {
            if (v[i].i < 0 || (uint64_t)v[i].i >= from.count)
                return err_set(err, ST_INVALID, "index out of range: %lld", (long long)v[i].i);
            *out = from.items[v[i].i];
        } else if (from.type == GOTMPL_TEXT && v[i].type == GOTMPL_INT) {
            if (v[i].i < 0 || (uint64_t)v[i].i >= from.text.len)
                return err_set(err, ST_INVALID, "index out of range: %lld", (long long)v[i].i);
            *out = gotmpl_int((uint8_t)from.text.ptr[v[i].i]);
        } else if ((from.type == GOTMPL_MAP || from.type == GOTMPL_LABELS) && v[i].type == GOTMPL_TEXT) {
            if (from.type == GOTMPL_LABELS)
                *out = gotmpl_text(labels_get(from.text, v[i].text));
            else if (gotmpl_field(env, &from, v[i].text, out, err))
                *out = (struct gotmpl_value){0};
        } else {
            return err_set(err, ST_INVALID, "can't index item of type %s with a %s", gotmpl_type_name(&from), gotmpl_type_name(&v[i]));
        }
    }
    return ST_OK;
}

static void print_all(const struct gotmpl_value *v, size_t n, struct buf *out)
{
    for (size_t i = 0; i < n; i++) {
        if (i && v[i].type != GOTMPL_TEXT && v[i - 1].type != GOTMPL_TEXT)
            buf_char(out, ' ');
        gotmpl_print(&v[i], out);
    }
}

GOTMPL_FUNCTION(fn_print)
{
    struct buf b;
    buf_init(&b, GOTMPL_RESULT_BYTES_MAX);
    print_all(v, n, &b);
    return gotmpl_give(env, &b, out, err);
}

GOTMPL_FUNCTION(fn_println)
{
    struct buf b;
    buf_init(&b, GOTMPL_RESULT_BYTES_MAX);
    for (size_t i = 0; i < n; i++) {
        if (i)
            buf_char(&b, ' ');
        gotmpl_print(&v[i], &b);
    }
    buf_char(&b, '\n');
    return gotmpl_give(env, &b, out, err);
}

GOTMPL_FUNCTION(fn_html)
{
    static const struct {
        char c;
        struct slice as;
    } escapes[] = {{'<', SLICE_INIT("&lt;")},
                   {'>', SLICE_INIT("&gt;")},
                   {'&', SLICE_INIT("&amp;")},
                   {'"', SLICE_INIT("&#34;")},
                   {'\'', SLICE_INIT("&#39;")}};
    struct buf text, b;
    buf_init(&text, GOTMPL_RESULT_BYTES_MAX);
    buf_init(&b, GOTMPL_RESULT_BYTES_MAX);
    print_all(v, n, &text);
    for (size_t i = 0; i < text.len; i++) {
        size_t k = 0;
        while (k < COUNT_OF(escapes) && escapes[k].c != text.ptr[i])
            k++;
        if (k < COUNT_OF(escapes))
            buf_slice(&b, escapes[k].as);
        else
            buf_char(&b, text.ptr[i]);
    }
    buf_free(&text);
    return gotmpl_give(env, &b, out, err);
}

void gotmpl_url_escape(struct slice text, struct buf *out)
{
    struct slice rest = text, piece;
    for (bool first = true; slice_next(&rest, ' ', &piece); first = false) {
        if (!first)
            buf_char(out, '+');
        url_encode(piece, out);
    }
    if (slice_ends(text, SLICE(" ")))
        buf_char(out, '+');
}

GOTMPL_FUNCTION(fn_urlquery)
{
    struct buf text, b;
    buf_init(&text, GOTMPL_RESULT_BYTES_MAX);
    buf_init(&b, GOTMPL_RESULT_BYTES_MAX);
    print_all(v, n, &text);
    gotmpl_url_escape(buf_as_slice(&text), &b);
    buf_free(&text);
    return gotmpl_give(env, &b, out, err);
}

/* slice x from to: both may be left out. */
GOTMPL_FUNCTION(fn_slice)
{
    bool is_text = v[0].type == GOTMPL_TEXT;
    if (!is_text && v[0].type != GOTMPL_LIST)
        return err_set(err, ST_INVALID, "can't slice item of type %s", gotmpl_type_name(&v[0]));
    size_t len = is_text ? v[0].text.len : v[0].count, ends[2] = {0, len};
    for (size_t i = 1; i < n; i++) {
        if (v[i].type != GOTMPL_INT)
            return err_set(err, ST_INVALID, "cannot index slice/array with type %s", gotmpl_type_name(&v[i]));
        if (v[i].i < 0 || (uint64_t)v[i].i > len)
            return err_set(err, ST_INVALID, "index out of range: %lld", (long long)v[i].i);
        ends[i - 1] = (size_t)v[i].i;
    }
    if (ends[0] > ends[1])
        return err_set(err, ST_INVALID, "invalid slice index: %zu > %zu", ends[0], ends[1]);
    *out = v[0];
    if (is_text)
        *out = gotmpl_text(slice_sub(v[0].text, ends[0], ends[1]));
    else
        *out = (struct gotmpl_value){.type = GOTMPL_LIST, .nested = v[0].nested, .items = v[0].items + ends[0], .count = ends[1] - ends[0]};
    return ST_OK;
}

GOTMPL_FUNCTION(fn_js)
{
    struct buf text, b;
    buf_init(&text, GOTMPL_RESULT_BYTES_MAX);
    buf_init(&b, GOTMPL_RESULT_BYTES_MAX);
    print_all(v, n, &text);
    for (size_t i = 0; i < text.len && !buf_over(&b); i++) {
        char c = text.ptr[i];
        if (c == '\\' || c == '\'' || c == '"')
            buf_printf(&b, "\\%c", c);
        else if ((uint8_t)c < ' ' || c == '<' || c == '>' || c == '&' || c == '=')
            buf_printf(&b, "\\u%04X", (unsigned)(uint8_t)c);
        else
            buf_char(&b, c);
    }
    buf_free(&text);
    return gotmpl_give(env, &b, out, err);
}

static const struct gotmpl_function functions[] = {
    {SLICE_INIT("and"), 1, 16, NULL, fn_and, 0, 0, 0, GOTMPL_CALL_AND},
    {SLICE_INIT("or"), 1, 16, NULL, fn_or, 0, 0, 0, GOTMPL_CALL_OR},
    {SLICE_INIT("not"), 1, 1, NULL, fn_not, 0, 0, 0, GOTMPL_CALL_PLAIN},
    {SLICE_INIT("eq"), 2, 16, NULL, fn_eq, 0, 0, 0, GOTMPL_CALL_PLAIN},
    {SLICE_INIT("ne"), 2, 2, NULL, fn_ne, 0, 0, 0, GOTMPL_CALL_PLAIN},
    {SLICE_INIT("lt"), 2, 2, NULL, fn_lt, 0, 0, 0, GOTMPL_CALL_PLAIN},
    {SLICE_INIT("le"), 2, 2, NULL, fn_le, 0, 0, 0, GOTMPL_CALL_PLAIN},
    {SLICE_INIT("gt"), 2, 2, NULL, fn_gt, 0, 0, 0, GOTMPL_CALL_PLAIN},
    {SLICE_INIT("ge"), 2, 2, NULL, fn_ge, 0, 0, 0, GOTMPL_CALL_PLAIN},
    {SLICE_INIT("len"), 1, 1, NULL, fn_len, 0, 0, 0, GOTMPL_CALL_PLAIN},
    {SLICE_INIT("index"), 1, 16, NULL, fn_index, 0, 0, 0, GOTMPL_CALL_PLAIN},
    {SLICE_INIT("print"), 0, 16, NULL, fn_print, 0, 0, 0, GOTMPL_CALL_PLAIN},
    {SLICE_INIT("printf"), 1, 16, NULL, gotmpl_printf, 0, 0, 0, GOTMPL_CALL_PLAIN},
    {SLICE_INIT("println"), 0, 16, NULL, fn_println, 0, 0, 0, GOTMPL_CALL_PLAIN},
    {SLICE_INIT("html"), 0, 16, NULL, fn_html, 0, 0, 0, GOTMPL_CALL_PLAIN},
    {SLICE_INIT("urlquery"), 0, 16, NULL, fn_urlquery, 0, 0, 0, GOTMPL_CALL_PLAIN},
    {SLICE_INIT("slice"), 1, 3, NULL, fn_slice, 0, 0, 0, GOTMPL_CALL_PLAIN},
    {SLICE_INIT("js"), 0, 16, NULL, fn_js, 0, 0, 0, GOTMPL_CALL_PLAIN},
};

const struct gotmpl_functions gotmpl_builtins = {functions, COUNT_OF(functions), NULL};

const struct gotmpl_function *gotmpl_function_find(const struct gotmpl_functions *set, struct slice name)
{
    for (; set; set = set->next)
        for (size_t i = 0; i < set->count; i++)
            if (slice_eq(set->list[i].name, name))
                return &set->list[i];
    return NULL;
}
