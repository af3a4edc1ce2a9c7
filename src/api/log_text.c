/* SPDX-License-Identifier: Apache-2.0 */
/* Fields and shapes of a line. Time, level and service in front of a line are taken off as ingest recognises them. */
#include "api/log_text.h"

#include "base/utf8.h"
#include "codec/logfmt.h"
#include "ingest/recognise.h"
#include "model/access_line.h"

enum { UUID_BYTES = 36, ID_HEX_DIGITS_MIN = 8, SHAPE_WORD_BYTES_MAX = 64 };

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_alpha(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_name(char c)
{
    return is_alpha(c) || is_digit(c) || c == '_' || c == '.' || c == '-';
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* ---- fields ---- */

static struct slice label_name(struct arena *a, struct slice prefix, struct slice name)
{
    struct slice joined = prefix.len ? arena_printf(a, "%.*s_%.*s", SLICE_FMT(prefix), SLICE_FMT(name)) : arena_copy(a, name);
    char *p = (char *)(uintptr_t)joined.ptr;
    for (size_t i = 0; i < joined.len; i++)
        if (!is_alpha(p[i]) && !(is_digit(p[i]) && i > 0))
            p[i] = '_';
    return joined;
}

struct gathering {
    struct arena *a;
    struct log_field *out;
    size_t count, max;
};

static void add(struct gathering *g, struct slice name, struct slice value, enum log_parser parser)
{
    if (g->count < g->max && name.len && name.len <= LOG_FIELD_NAME_BYTES_MAX)
        g->out[g->count++] = (struct log_field){ .name = name, .value = value, .parser = parser };
}

static struct slice json_path(struct arena *a, struct slice path, struct slice key)
{
    struct buf text;
    struct json_writer w;
    buf_init(&text, 0);
    buf_slice(&text, path);
    if (path.len)
        buf_char(&text, ',');
    json_writer_init(&w, &text);
    json_string(&w, key);
    path = arena_copy(a, buf_as_slice(&text));
    buf_free(&text);
    return path;
}

static void add_json(struct gathering *g, struct slice name, struct slice value, struct slice path)
{
    size_t before = g->count;
    add(g, name, value, LOG_PARSER_JSON);
    if (g->count > before)
        g->out[before].path = path;
}

static void json_fields(struct gathering *g, struct json_value v, struct slice prefix, struct slice path, int depth)
{
    struct slice key;
    struct json_value member;
    for (struct json_iter it = json_object(v); json_object_next(&it, &key, &member);) {
        struct slice name = label_name(g->a, prefix, key), own = json_path(g->a, path, key);
        struct buf text;
        switch (json_type(member)) {
        case JSON_OBJECT:
            if (depth < LOG_JSON_DEPTH_MAX)
                json_fields(g, member, name, own, depth + 1);
            break;
        case JSON_STRING:
            add_json(g, name, arena_copy(g->a, json_get_string(member)), own);
            break;
        case JSON_BOOL:
        case JSON_INT:
        case JSON_UINT:
        case JSON_DOUBLE:
            buf_init(&text, 0);
            json_write_value(member, &text);
            add_json(g, name, arena_copy(g->a, buf_as_slice(&text)), own);
            buf_free(&text);
            break;
        case JSON_NULL:
        case JSON_ARRAY:
            break;
        }
    }
}

static void logfmt_fields(struct gathering *g, struct slice line)
{
    struct slice key, value;
    bool has_value, bad = false;
    while (logfmt_next(&line, g->a, &key, &value, &has_value, &bad))
        if (has_value)
            add(g, label_name(g->a, SLICE_EMPTY, key), value, LOG_PARSER_LOGFMT);
}

/* Up to the quote that ends it; or up to white space, a comma, a semicolon or a bracket. */
static struct slice take_value(struct slice *rest)
{
    char quote = rest->len ? rest->ptr[0] : 0;
    struct slice value;
    size_t end = 0;
    if (quote == '"' || quote == '\'') {
        end = slice_find_char(*rest, quote, 1);
        if (end != SIZE_MAX) {
            value = slice_sub(*rest, 1, end);
            *rest = slice_skip(*rest, end + 1);
            return value;
        }
        end = 0;
    }
    while (end < rest->len && !is_space(rest->ptr[end]) && rest->ptr[end] != ',' && rest->ptr[end] != ';' && rest->ptr[end] != ')' &&
           rest->ptr[end] != ']' && rest->ptr[end] != '}')
        end++;
    value = slice_sub(*rest, 0, end);
    *rest = slice_skip(*rest, end);
    return value;
}

bool log_pair_next(struct slice *rest, struct slice *name, struct slice *value)
{
    for (;;) {
        size_t eq = slice_find_char(*rest, '=', 0), from = eq;
        if (eq == SIZE_MAX)
            return false;
        while (from > 0 && is_name(rest->ptr[from - 1]))
            from--;
        *name = slice_sub(*rest, from, eq);
        bool is_start = from == 0 || is_space(rest->ptr[from - 1]) || slice_find_char(SLICE(",;([{|"), rest->ptr[from - 1], 0) != SIZE_MAX;
        *rest = slice_skip(*rest, eq + 1);
        if (name->len == 0 || !is_start || (!is_alpha(name->ptr[0]) && name->ptr[0] != '_') || (rest->len && rest->ptr[0] == '='))
            continue;
        *value = take_value(rest);
        if (value->len)
            return true;
    }
}

size_t log_fields(struct arena *a, struct json_parser *json, struct slice line, struct log_field *out, size_t max)
{
    struct gathering g = { a, out, 0, max };
    struct recognised r;
    struct json_value root;
    struct slice text = slice_trim(line), name, value;
    if (text.len && text.ptr[0] == '{' && json_parse(json, text, &root, NULL) == ST_OK) {
        json_fields(&g, root, SLICE_EMPTY, SLICE_EMPTY, 0);
        return g.count;
    }
    recognise(line, 0, 0, &r);
    if (slice_eq(r.format, SLICE("logfmt"))) {
        logfmt_fields(&g, line);
        return g.count;
    }
    struct access_line access;
    if (access_line_parse(line, &access)) {
        for (int i = 0; i < ACCESS_FIELDS; i++)
            if (access.fields[i].len)
                add(&g, access_field_names[i], access.fields[i], LOG_PARSER_ACCESS);
        return g.count;
    }
    text = r.message;
    while (log_pair_next(&text, &name, &value))
        add(&g, label_name(a, SLICE_EMPTY, name), value, LOG_PARSER_TEXT);
    return g.count;
}

/* ---- shapes ---- */

static bool is_uuid(struct slice s)
{
    if (s.len != UUID_BYTES)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        bool hex = is_digit(s.ptr[i]) || (s.ptr[i] >= 'a' && s.ptr[i] <= 'f') || (s.ptr[i] >= 'A' && s.ptr[i] <= 'F');
        if (i == 8 || i == 13 || i == 18 || i == 23 ? s.ptr[i] != '-' : !hex)
            return false;
    }
    return true;
}

/* A word of letters, digits, '_', '-' and '.': itself, <n>, <id>, or a number with its unit, "<n>ms". */
static void put_word(struct slice word, struct buf *out)
{
    enum { UNIT_BYTES_MAX = 3 };
    size_t digits = 0, letters = 0, hex = 0, front = 0;
    while (front < word.len && (is_digit(word.ptr[front]) || word.ptr[front] == '.' || word.ptr[front] == '-'))
        front++;
    for (size_t i = 0; i < word.len; i++) {
        char c = word.ptr[i];
        digits += is_digit(c);
        letters += is_alpha(c);
        hex += is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
    }
    bool dot_end = word.len > 1 && word.ptr[word.len - 1] == '.';
    if (digits == 0) {
        buf_slice(out, slice_sub(word, 0, SHAPE_WORD_BYTES_MAX));
    } else if (letters == 0) {
        buf_slice(out, dot_end ? SLICE("<n>.") : SLICE("<n>"));
    } else if (is_uuid(word) || hex >= ID_HEX_DIGITS_MIN || front == 0 || word.len - front > UNIT_BYTES_MAX) {
        buf_slice(out, SLICE("<id>"));
    } else {
        buf_slice(out, SLICE("<n>"));
        buf_slice(out, slice_skip(word, front));
    }
}

static void put_text_shape(struct slice s, struct buf *out)
{
    while (s.len && out->len < LOG_SHAPE_BYTES_MAX) {
        char c = s.ptr[0];
        size_t end = 0;
        if (c == '"') {
            size_t close = slice_find_char(s, '"', 1);
            if (close != SIZE_MAX && close > 1) {
                buf_slice(out, SLICE("<text>"));
                s = slice_skip(s, close + 1);
                continue;
            }
        }
        while (end < s.len && (is_name(s.ptr[end]) || s.ptr[end] == '@'))
            end++;
        if (end == 0) {
            buf_char(out, is_space(c) ? ' ' : c);
            s = slice_skip(s, 1);
            continue;
        }
        struct slice word = slice_sub(s, 0, end);
        size_t at = slice_find_char(word, '@', 0);
        if (at != SIZE_MAX && at > 0 && slice_find_char(word, '.', at) != SIZE_MAX)
            buf_slice(out, SLICE("<email>"));
        else
            put_word(word, out);
        s = slice_skip(s, end);
    }
}

/* A JSON line without a message is its names. */
static void put_names(struct slice line, struct buf *out)
{
    for (size_t at = 0; (at = slice_find(line, SLICE("\":"), at)) != SIZE_MAX && out->len < LOG_SHAPE_BYTES_MAX; at += 2) {
        size_t from = at;
        while (from > 0 && line.ptr[from - 1] != '"')
            from--;
        if (from == 0)
            continue;
        buf_slice(out, out->len ? SLICE(",") : SLICE("{"));
        buf_slice(out, slice_sub(line, from, at));
    }
    buf_char(out, '}');
}

void log_shape(struct slice line, struct buf *out)
{
    struct recognised r;
    struct buf shape;
    recognise(line, 0, 0, &r);
    buf_init(&shape, 0);
    if (slice_eq(r.format, SLICE("json")) && slice_eq(r.message, line))
        put_names(line, &shape);
    else
        put_text_shape(slice_trim(r.message), &shape);
    struct slice cut = utf8_cut(buf_as_slice(&shape), LOG_SHAPE_BYTES_MAX);
    buf_slice(out, slice_trim(cut));
    buf_free(&shape);
}

struct slice log_shape_words(struct slice shape)
{
    struct slice best = SLICE_EMPTY;
    size_t from = 0;
    for (size_t i = 0; i <= shape.len; i++) {
        bool plain = i < shape.len && (is_name(shape.ptr[i]) || shape.ptr[i] == ' ');
        if (plain)
            continue;
        struct slice run = slice_trim(slice_sub(shape, from, i));
        if (run.len > best.len)
            best = run;
        if (i < shape.len && shape.ptr[i] == '<') {
            size_t close = slice_find_char(shape, '>', i);
            i = close == SIZE_MAX ? i : close;
        }
        from = i + 1;
    }
    return best;
}
