/* SPDX-License-Identifier: Apache-2.0 */
/* libyaml's event stream, folded into nodes by a recursive walk with a depth and a node limit. */
#include "codec/yaml.h"

#include <stdarg.h>
#include <stdio.h>
#include <yaml.h>

#include "base/date.h"
#include "base/map.h"
#include "base/num.h"

enum { KEYS_SEARCHED_MAX = 16 /* from here on, a map's keys are hashed */ };

struct loader {
    struct arena *a;
    struct slice file;
    yaml_parser_t parser;
    struct map anchors; /* name -> struct yaml_node * */
    size_t nodes;
    struct err *err;
};

static struct yaml_node *node_new(struct loader *l, enum yaml_type type, const yaml_event_t *e)
{
    struct yaml_node *n = arena_new_of(l->a, struct yaml_node);
    n->type = type;
    n->file = l->file;
    n->line = (int)e->start_mark.line + 1;
    n->column = (int)e->start_mark.column + 1;
    return n;
}

static enum status next_event(struct loader *l, yaml_event_t *e)
{
    if (yaml_parser_parse(&l->parser, e))
        return ST_OK;
    const char *problem = l->parser.problem ? l->parser.problem : "not YAML";
    return err_set(l->err, ST_INVALID, "%.*s:%zu:%zu: %s", SLICE_FMT(l->file), l->parser.problem_mark.line + 1, l->parser.problem_mark.column + 1,
                   problem);
}

static void remember(struct loader *l, const yaml_char_t *anchor, struct yaml_node *n)
{
    if (anchor)
        *map_put(&l->anchors, arena_copy(l->a, slice_str((const char *)anchor)), NULL) = (uint64_t)(uintptr_t)n;
}

static enum status load(struct loader *l, yaml_event_t *e, int depth, struct yaml_node **out);

/* The place of key in n, or SIZE_MAX. Large maps are looked up in seen, which is filled when they become large. */
static size_t find_key(const struct yaml_node *n, struct map *seen, struct slice key)
{
    if (n->count < KEYS_SEARCHED_MAX) {
        for (size_t i = 0; i < n->count; i++)
            if (slice_eq(n->keys[i], key))
                return i;
        return SIZE_MAX;
    }
    for (size_t i = seen->count; i < n->count; i++)
        *map_put(seen, n->keys[i], NULL) = i;
    uint64_t *at = map_get(seen, key);
    return at ? *at : SIZE_MAX;
}

static enum status add_pair(struct loader *l, struct yaml_node *n, struct map *seen, const struct yaml_node *key, struct yaml_node *value,
                            size_t *cap)
{
    if (key->type != YAML_SCALAR)
        return yaml_fail(key, l->err, "a key must be a plain word");
    size_t twin = find_key(n, seen, key->text);
    if (twin != SIZE_MAX)
        return yaml_fail(key, l->err, "key \"%.*s\" stands twice, the first time in line %d", (int)MIN(key->text.len, (size_t)100),
                         key->text.ptr, n->key_lines[twin]);
    if (n->count == *cap) {
        size_t grown = *cap ? *cap * 2 : 8;
        n->keys = arena_grow(l->a, n->keys, *cap * sizeof *n->keys, grown * sizeof *n->keys);
        n->key_lines = arena_grow(l->a, n->key_lines, *cap * sizeof *n->key_lines, grown * sizeof *n->key_lines);
        n->items = arena_grow(l->a, n->items, *cap * sizeof *n->items, grown * sizeof *n->items);
        *cap = grown;
    }
    n->keys[n->count] = key->text;
    n->key_lines[n->count] = key->line;
    n->items[n->count++] = value;
    return ST_OK;
}

/* *over: the end came. */
static enum status load_child(struct loader *l, struct yaml_node *n, struct map *seen, yaml_event_type_t end, int depth, size_t *cap, bool *over)
{
    yaml_event_t e;
    struct yaml_node *first, *second;
    enum status st = next_event(l, &e);
    if (st)
        return st;
    *over = e.type == end;
    if (*over) {
        yaml_event_delete(&e);
        return ST_OK;
    }
    st = load(l, &e, depth + 1, &first);
    if (!st && n->type == YAML_SEQUENCE) {
        ARENA_PUSH(l->a, n->items, n->count, *cap) = first;
    } else if (!st) {
        st = next_event(l, &e);
        if (!st)
            st = load(l, &e, depth + 1, &second);
        if (!st)
            st = add_pair(l, n, seen, first, second, cap);
    }
    return st;
}

static enum status load_children(struct loader *l, struct yaml_node *n, yaml_event_type_t end, int depth)
{
    struct map seen;
    size_t cap = 0;
    bool over = false;
    enum status st = ST_OK;
    map_init(&seen);
    while (!st && !over)
        st = load_child(l, n, &seen, end, depth, &cap, &over);
    map_free(&seen);
    return st;
}

static enum status load_alias(struct loader *l, const yaml_event_t *e, struct yaml_node **out)
{
    struct slice name = slice_str((const char *)e->data.alias.anchor);
    uint64_t *at = map_get(&l->anchors, name);
    if (at == NULL)
        return err_set(l->err, ST_INVALID, "%.*s:%zu: alias *%.*s has no anchor", SLICE_FMT(l->file), e->start_mark.line + 1, SLICE_FMT(name));
    *out = (struct yaml_node *)(uintptr_t)*at;
    l->nodes += (*out)->nodes - 1; /* the alias itself is counted as one */
    return ST_OK;
}

static enum status limits(const struct loader *l, int depth, size_t line, struct err *err)
{
    if (l->nodes <= YAML_NODES_MAX && depth <= YAML_DEPTH_MAX)
        return ST_OK;
    return err_set(err, ST_LIMIT, "%.*s:%zu: over %d nodes or %d levels, which is the limit", SLICE_FMT(l->file), line, YAML_NODES_MAX,
                   YAML_DEPTH_MAX);
}

/* Takes e. */
static enum status load(struct loader *l, yaml_event_t *e, int depth, struct yaml_node **out)
{
    size_t before = l->nodes++, line = e->start_mark.line + 1;
    enum status st = limits(l, depth, line, l->err);
    if (st) {
        yaml_event_delete(e);
        return st;
    }
    if (e->type == YAML_SCALAR_EVENT) {
        struct yaml_node *n = *out = node_new(l, YAML_SCALAR, e);
        n->text = arena_copy(l->a, slice_of(e->data.scalar.value, e->data.scalar.length));
        n->quoted = e->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
        n->nodes = 1;
        remember(l, e->data.scalar.anchor, n);
    } else if (e->type == YAML_MAPPING_START_EVENT || e->type == YAML_SEQUENCE_START_EVENT) {
        bool is_map = e->type == YAML_MAPPING_START_EVENT;
        struct yaml_node *n = *out = node_new(l, is_map ? YAML_MAP : YAML_SEQUENCE, e);
        const yaml_char_t *anchor = is_map ? e->data.mapping_start.anchor : e->data.sequence_start.anchor;
        st = load_children(l, n, is_map ? YAML_MAPPING_END_EVENT : YAML_SEQUENCE_END_EVENT, depth);
        n->nodes = l->nodes - before;
        remember(l, anchor, n);
    } else if (e->type == YAML_ALIAS_EVENT) {
        st = load_alias(l, e, out);
        if (!st)
            st = limits(l, depth, line, l->err);
    } else {
        st = err_set(l->err, ST_INVALID, "%.*s:%zu: unexpected end", SLICE_FMT(l->file), line);
    }
    yaml_event_delete(e);
    return st;
}

static enum status load_document(struct loader *l, struct yaml_node **out)
{
    yaml_event_t e;
    bool seen = false;
    *out = NULL;
    for (;;) {
        enum status st = next_event(l, &e);
        if (st)
            return st;
        yaml_event_type_t type = e.type;
        if (type == YAML_STREAM_START_EVENT || type == YAML_DOCUMENT_START_EVENT || type == YAML_DOCUMENT_END_EVENT) {
            yaml_event_delete(&e);
            continue;
        }
        if (type == YAML_STREAM_END_EVENT) {
            yaml_event_delete(&e);
            return ST_OK;
        }
        if (seen) {
            yaml_event_delete(&e);
            return err_set(l->err, ST_INVALID, "%.*s: more than one document in the file", SLICE_FMT(l->file));
        }
        seen = true;
        st = load(l, &e, 0, out);
        if (st)
            return st;
    }
}

enum status yaml_parse(struct arena *a, struct slice file, struct slice text, struct yaml_node **out, struct err *err)
{
    struct loader l = { .a = a, .file = arena_copy(a, file), .err = err };
    if (text.len > YAML_BYTES_MAX)
        return err_set(err, ST_LIMIT, "%.*s: %zu bytes, at most %d are allowed", SLICE_FMT(file), text.len, YAML_BYTES_MAX);
    if (!yaml_parser_initialize(&l.parser))
        return err_set(err, ST_INTERNAL, "yaml: cannot start the parser");
    map_init(&l.anchors);
    yaml_parser_set_input_string(&l.parser, (const unsigned char *)text.ptr, text.len);
    enum status st = load_document(&l, out);
    yaml_parser_delete(&l.parser);
    map_free(&l.anchors);
    if (st)
        return st;
    bool empty = *out == NULL || ((*out)->type == YAML_SCALAR && (*out)->text.len == 0);
    if (empty) {
        *out = arena_new_of(a, struct yaml_node);
        (*out)->type = YAML_MAP;
        (*out)->file = l.file;
        (*out)->line = 1;
        (*out)->nodes = 1;
    }
    return ST_OK;
}

const struct yaml_node *yaml_get(const struct yaml_node *n, struct slice key)
{
    if (n == NULL || n->type != YAML_MAP)
        return NULL;
    for (size_t i = 0; i < n->count; i++) {
        if (!slice_eq(n->keys[i], key))
            continue;
        const struct yaml_node *v = n->items[i];
        bool null = v->type == YAML_SCALAR && !v->quoted && (v->text.len == 0 || slice_eq(v->text, SLICE("null")) || slice_eq(v->text, SLICE("~")));
        return null ? NULL : v;
    }
    return NULL;
}

enum status yaml_fail(const struct yaml_node *n, struct err *err, const char *fmt, ...)
{
    char text[ERR_TEXT_BYTES_MAX];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    return err_set(err, ST_INVALID, "%.*s:%d: %s", SLICE_FMT(n->file), n->line, text);
}

static enum status scalar(const struct yaml_node *n, struct slice key, const char *allowed, const struct yaml_node **out, struct err *err)
{
    *out = yaml_get(n, key);
    if (*out && (*out)->type != YAML_SCALAR)
        return yaml_fail(*out, err, "%.*s: found a %s, expected %s", SLICE_FMT(key), (*out)->type == YAML_MAP ? "map" : "list", allowed);
    return ST_OK;
}

static enum status wrong(const struct yaml_node *v, struct slice key, const char *allowed, struct err *err)
{
    return yaml_fail(v, err, "%.*s: found \"%.*s\", expected %s", SLICE_FMT(key), (int)MIN(v->text.len, (size_t)100), v->text.ptr, allowed);
}

enum status yaml_text(const struct yaml_node *n, struct slice key, struct slice *out, struct err *err)
{
    const struct yaml_node *v;
    enum status st = scalar(n, key, "a text", &v, err);
    if (!st && v)
        *out = v->text;
    return st;
}

enum status yaml_bool(const struct yaml_node *n, struct slice key, bool *out, struct err *err)
{
    const struct yaml_node *v;
    enum status st = scalar(n, key, "true or false", &v, err);
    if (st || v == NULL)
        return st;
    if (!slice_eq_nocase(v->text, SLICE("true")) && !slice_eq_nocase(v->text, SLICE("false")))
        return wrong(v, key, "true or false", err);
    *out = slice_eq_nocase(v->text, SLICE("true"));
    return ST_OK;
}

enum status yaml_int(const struct yaml_node *n, struct slice key, int64_t min, int64_t max, int64_t *out, struct err *err)
{
    const struct yaml_node *v;
    char allowed[80];
    int64_t value;
    snprintf(allowed, sizeof allowed, "a whole number from %lld to %lld", (long long)min, (long long)max);
    enum status st = scalar(n, key, allowed, &v, err);
    if (st || v == NULL)
        return st;
    if (!num_parse_i64(v->text, &value) || value < min || value > max)
        return wrong(v, key, allowed, err);
    *out = value;
    return ST_OK;
}

enum status yaml_double(const struct yaml_node *n, struct slice key, double min, double max, double *out, struct err *err)
{
    const struct yaml_node *v;
    char allowed[80];
    double value;
    snprintf(allowed, sizeof allowed, "a number from %g to %g", min, max);
    enum status st = scalar(n, key, allowed, &v, err);
    if (st || v == NULL)
        return st;
    if (!num_parse_double(v->text, &value) || !(value >= min && value <= max))
        return wrong(v, key, allowed, err);
    *out = value;
    return ST_OK;
}

enum status yaml_duration(const struct yaml_node *n, struct slice key, int64_t *out_ns, struct err *err)
{
    const struct yaml_node *v;
    int64_t ms;
    enum status st = scalar(n, key, "a duration such as 15s, 5m or 31d", &v, err);
    if (st || v == NULL)
        return st;
    if (!duration_parse_prom(v->text, &ms) || ms < 0)
        return wrong(v, key, "a duration such as 15s, 5m or 31d", err);
    *out_ns = sat_mul(ms, NS_MS);
    return ST_OK;
}

enum status yaml_size(const struct yaml_node *n, struct slice key, uint64_t *out, struct err *err)
{
    static const struct {
        struct slice unit;
        double bytes;
    } units[] = {
        { SLICE_INIT("KiB"), 0x1p10 }, { SLICE_INIT("MiB"), 0x1p20 }, { SLICE_INIT("GiB"), 0x1p30 }, { SLICE_INIT("TiB"), 0x1p40 },
        { SLICE_INIT("KB"), 0x1p10 },  { SLICE_INIT("MB"), 0x1p20 },  { SLICE_INIT("GB"), 0x1p30 },  { SLICE_INIT("TB"), 0x1p40 },
        { SLICE_INIT("B"), 1.0 },
    };
    const struct yaml_node *v;
    double value, factor = 1;
    enum status st = scalar(n, key, "a size such as 64MB or 1GiB", &v, err);
    if (st || v == NULL)
        return st;
    struct slice text = v->text;
    for (size_t i = 0; i < COUNT_OF(units); i++) {
        if (slice_ends(text, units[i].unit)) {
            factor = units[i].bytes;
            text.len -= units[i].unit.len;
            break;
        }
    }
    if (!num_parse_double(slice_trim(text), &value) || !(value >= 0 && value * factor < 9e18))
        return wrong(v, key, "a size such as 64MB or 1GiB", err);
    *out = (uint64_t)(value * factor);
    return ST_OK;
}

enum status yaml_texts(struct arena *a, const struct yaml_node *n, struct slice key, struct slice **out, size_t *count, struct err *err)
{
    const struct yaml_node *v = yaml_get(n, key);
    *out = NULL;
    *count = 0;
    if (v == NULL)
        return ST_OK;
    if (v->type == YAML_MAP)
        return yaml_fail(v, err, "%.*s: found a map, expected a list of texts", SLICE_FMT(key));
    size_t n_items = v->type == YAML_SCALAR ? 1 : v->count;
    *out = arena_array(a, struct slice, n_items + 1);
    for (size_t i = 0; i < n_items; i++) {
        const struct yaml_node *item = v->type == YAML_SCALAR ? v : v->items[i];
        if (item->type != YAML_SCALAR)
            return yaml_fail(item, err, "%.*s: expected a list of texts", SLICE_FMT(key));
        (*out)[(*count)++] = item->text;
    }
    return ST_OK;
}

/* Levenshtein's distance over at most SUGGEST_BYTES_MAX bytes. */
enum { SUGGEST_BYTES_MAX = 64 };
static size_t distance(struct slice a, struct slice b)
{
    size_t row[SUGGEST_BYTES_MAX + 1];
    if (a.len > SUGGEST_BYTES_MAX || b.len > SUGGEST_BYTES_MAX)
        return SIZE_MAX;
    for (size_t j = 0; j <= b.len; j++)
        row[j] = j;
    for (size_t i = 1; i <= a.len; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b.len; j++) {
            size_t change = diagonal + (a.ptr[i - 1] != b.ptr[j - 1]);
            diagonal = row[j];
            row[j] = MIN(change, MIN(row[j], row[j - 1]) + 1);
        }
    }
    return row[b.len];
}

struct slice yaml_suggest(struct slice word, const struct slice *list, size_t count)
{
    struct slice best = SLICE_EMPTY;
    size_t nearest = MAX(word.len / 2, (size_t)2) + 1;
    for (size_t i = 0; i < count; i++) {
        size_t d = distance(word, list[i]);
        if (d < nearest) {
            nearest = d;
            best = list[i];
        }
    }
    return best;
}

enum status yaml_only(const struct yaml_node *n, const struct slice *allowed, size_t count, struct err *err)
{
    if (n == NULL)
        return ST_OK;
    if (n->type != YAML_MAP)
        return yaml_fail(n, err, "expected a map of keys here");
    for (size_t i = 0; i < n->count; i++) {
        size_t k = 0;
        while (k < count && !slice_eq(n->keys[i], allowed[k]))
            k++;
        if (k < count)
            continue;
        struct slice near = yaml_suggest(n->keys[i], allowed, count);
        if (near.len)
            return err_set(err, ST_INVALID, "%.*s:%d: unknown key \"%.*s\"; did you mean \"%.*s\"?", SLICE_FMT(n->file), n->key_lines[i],
                           SLICE_FMT(n->keys[i]), SLICE_FMT(near));
        return err_set(err, ST_INVALID, "%.*s:%d: unknown key \"%.*s\"", SLICE_FMT(n->file), n->key_lines[i], SLICE_FMT(n->keys[i]));
    }
    return ST_OK;
}
