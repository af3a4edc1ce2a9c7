/* SPDX-License-Identifier: Apache-2.0 */
/* `checks:` read into values. Conditions and picks are parsed here for their errors alone, with file and line, and again
 * for each run: so a set holds nothing that needs to be freed. Paths are seen from the folder of the file they stand in. */
#include "probe/check.h"

#include "base/num.h"
#include "codec/json.h"
#include "probe/condition.h"

#define EVERY_DEFAULT_NS   (300 * NS_S)
#define TIMEOUT_DEFAULT_NS (10 * NS_S)
#define EVERY_MIN_NS       NS_S
#define TIMEOUT_MAX_NS     (300 * NS_S)

static const struct {
    struct slice key, method;
} methods[] = {
    { SLICE_INIT("get"), SLICE_INIT("GET") },       { SLICE_INIT("post"), SLICE_INIT("POST") },   { SLICE_INIT("put"), SLICE_INIT("PUT") },
    { SLICE_INIT("delete"), SLICE_INIT("DELETE") }, { SLICE_INIT("head"), SLICE_INIT("HEAD") },   { SLICE_INIT("patch"), SLICE_INIT("PATCH") },
    { SLICE_INIT("options"), SLICE_INIT("OPTIONS") },
};

bool check_name_is_valid(struct slice name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        bool ok = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || strchr(" _.:-", c) != NULL;
        if (!ok || c == 0)
            return false;
    }
    return name.len > 0 && name.len <= CHECK_NAME_BYTES_MAX;
}

static enum status need_name(const struct yaml_node *n, struct slice what, struct slice name, struct err *err)
{
    if (check_name_is_valid(name))
        return ST_OK;
    return yaml_fail(n, err, "%.*s \"%.*s\": a name has 1 to %d of the characters A-Z a-z 0-9 space _ . : -", SLICE_FMT(what),
                     SLICE_FMT(slice_sub(name, 0, 120)), CHECK_NAME_BYTES_MAX);
}

static enum status read_path(struct arena *a, const struct yaml_node *n, struct slice key, struct slice *out, struct err *err)
{
    enum status st = yaml_text(n, key, out, err);
    const struct yaml_node *v = yaml_get(n, key);
    size_t folder = 0;
    if (st || v == NULL || out->len == 0 || out->ptr[0] == '/')
        return st;
    for (size_t i = 0; i < v->file.len; i++)
        if (v->file.ptr[i] == '/')
            folder = i + 1;
    *out = arena_printf(a, "%.*s%.*s", (int)folder, v->file.ptr, SLICE_FMT(*out));
    return ST_OK;
}

static enum status read_tls(struct arena *a, const struct yaml_node *n, struct check_tls *t, struct err *err)
{
    static const struct slice keys[] = { SLICE_INIT("ca_file"), SLICE_INIT("cert_file"), SLICE_INIT("key_file"), SLICE_INIT("server_name"),
                                         SLICE_INIT("insecure_skip_verify") };
    enum status st = yaml_only(n, keys, COUNT_OF(keys), err);
    struct slice *const places[] = { &t->ca_file, &t->cert_file, &t->key_file };
    for (size_t i = 0; !st && i < COUNT_OF(places); i++)
        st = read_path(a, n, keys[i], places[i], err);
    if (!st)
        st = yaml_text(n, keys[3], &t->server_name, err);
    if (!st)
        st = yaml_bool(n, keys[4], &t->insecure, err);
    if (!st && (t->cert_file.len == 0) != (t->key_file.len == 0))
        return yaml_fail(n, err, "tls: cert_file and key_file belong together");
    return st;
}

/* A map of texts. */
static enum status read_pairs(struct arena *a, const struct yaml_node *n, struct slice key, size_t max, struct check_pair **out, size_t *count,
                              struct err *err)
{
    const struct yaml_node *map = yaml_get(n, key);
    if (map == NULL)
        return ST_OK;
    if (map->type != YAML_MAP || map->count > max)
        return yaml_fail(map, err, "%.*s: expected a map of at most %zu names and texts", SLICE_FMT(key), max);
    *out = arena_array(a, struct check_pair, map->count + 1);
    for (size_t i = 0; i < map->count; i++) {
        if (map->items[i]->type != YAML_SCALAR)
            return yaml_fail(map->items[i], err, "%.*s: \"%.*s\" has no text for a value", SLICE_FMT(key), SLICE_FMT(map->keys[i]));
        (*out)[i] = (struct check_pair){ map->keys[i], map->items[i]->text };
    }
    *count = map->count;
    return ST_OK;
}

static enum status read_conditions(struct arena *a, const struct yaml_node *n, struct check_step *s, struct err *err)
{
    const struct yaml_node *list = yaml_get(n, SLICE("expect"));
    enum status st = yaml_texts(a, n, SLICE("expect"), &s->conditions, &s->condition_count, err);
    if (st || list == NULL)
        return st;
    if (s->condition_count > STEP_CONDITIONS_MAX)
        return yaml_fail(list, err, "expect: found %zu conditions, at most %d are allowed", s->condition_count, STEP_CONDITIONS_MAX);
    for (size_t i = 0; i < s->condition_count; i++) {
        struct condition *c = NULL;
        struct err why;
        const struct yaml_node *at = list->type == YAML_SEQUENCE ? list->items[i] : list;
        if (condition_parse(s->conditions[i], &c, &why))
            return yaml_fail(at, err, "%s", why.text);
        condition_free(c);
    }
    return ST_OK;
}

static enum status read_saves(struct arena *a, const struct yaml_node *n, struct check_step *s, struct err *err)
{
    enum status st = read_pairs(a, n, SLICE("save"), STEP_SAVES_MAX, &s->saves, &s->save_count, err);
    for (size_t i = 0; !st && i < s->save_count; i++) {
        struct condition *c = NULL;
        struct err why;
        const struct yaml_node *at = yaml_get(n, SLICE("save"))->items[i];
        st = need_name(at, SLICE("save"), s->saves[i].name, err);
        if (!st && pick_parse(s->saves[i].value, &c, &why))
            return yaml_fail(at, err, "%s", why.text);
        condition_free(c);
    }
    return st;
}

static enum status read_body(const struct yaml_node *n, struct check_step *s, struct err *err)
{
    s->json = yaml_get(n, SLICE("json"));
    s->form = yaml_get(n, SLICE("form"));
    enum status st = yaml_text(n, SLICE("body"), &s->body, err);
    if (!st && (s->json != NULL) + (s->form != NULL) + (s->body.len > 0) > 1)
        return yaml_fail(n, err, "a step has at most one of json, form and body");
    if (!st && s->form && s->form->type != YAML_MAP)
        return yaml_fail(s->form, err, "form: expected a map of names and texts");
    for (size_t i = 0; !st && s->form && i < s->form->count; i++)
        if (s->form->items[i]->type != YAML_SCALAR)
            return yaml_fail(s->form->items[i], err, "form: \"%.*s\" has no text for a value", SLICE_FMT(s->form->keys[i]));
    return st;
}

/* `get: URL`, or `url: URL` with `method: GET`. */
static enum status read_target(const struct yaml_node *n, struct check_step *s, struct err *err)
{
    s->method = SLICE("GET");
    enum status st = yaml_text(n, SLICE("url"), &s->url, err);
    if (!st)
        st = yaml_text(n, SLICE("method"), &s->method, err);
    size_t found = s->url.len > 0;
    for (size_t i = 0; !st && i < COUNT_OF(methods); i++)
        if (yaml_get(n, methods[i].key)) {
            st = yaml_text(n, methods[i].key, &s->url, err);
            s->method = methods[i].method;
            found++;
        }
    if (st)
        return st;
    if (found != 1)
        return yaml_fail(n, err, "a step has exactly one URL, found %zu: write get: URL, post: URL, ..., or url: URL and method: NAME", found);
    for (size_t i = 0; i < COUNT_OF(methods); i++)
        if (slice_eq(methods[i].method, s->method)) {
            if (slice_starts(s->url, SLICE("http://")) || slice_starts(s->url, SLICE("https://")) || slice_starts(s->url, SLICE("${")) ||
                slice_starts(s->url, SLICE("{{")))
                return ST_OK;
            return yaml_fail(n, err, "url \"%.*s\": expected http:// or https://", SLICE_FMT(slice_sub(s->url, 0, 200)));
        }
    return yaml_fail(n, err, "method \"%.*s\": allowed are GET, POST, PUT, DELETE, HEAD, PATCH, OPTIONS", SLICE_FMT(s->method));
}

static enum status read_timeout(const struct yaml_node *n, int64_t *out, struct err *err)
{
    enum status st = yaml_duration(n, SLICE("timeout"), out, err);
    if (!st && (*out < NS_MS || *out > TIMEOUT_MAX_NS))
        return yaml_fail(yaml_get(n, SLICE("timeout")), err, "timeout: allowed are 1ms to 5m");
    return st;
}

static enum status read_step(struct arena *a, const struct yaml_node *n, size_t number, struct check_step *s, struct err *err)
{
    static const struct slice keys[] = {
        SLICE_INIT("name"),   SLICE_INIT("get"),    SLICE_INIT("post"),    SLICE_INIT("put"),     SLICE_INIT("delete"),
        SLICE_INIT("head"),   SLICE_INIT("patch"),  SLICE_INIT("options"), SLICE_INIT("url"),     SLICE_INIT("method"),
        SLICE_INIT("json"),   SLICE_INIT("form"),   SLICE_INIT("body"),    SLICE_INIT("headers"), SLICE_INIT("expect"),
        SLICE_INIT("save"),   SLICE_INIT("timeout"), SLICE_INIT("follow_redirects"),
    };
    if (n->type != YAML_MAP)
        return yaml_fail(n, err, "expected a step: a map such as {get: \"https://example.com\", expect: [\"status == 200\"]}");
    s->name = arena_printf(a, "step %zu", number);
    enum status st = yaml_only(n, keys, COUNT_OF(keys), err);
    if (!st)
        st = yaml_text(n, SLICE("name"), &s->name, err);
    if (!st)
        st = need_name(n, SLICE("step"), s->name, err);
    if (!st)
        st = read_target(n, s, err);
    if (!st)
        st = read_body(n, s, err);
    if (!st)
        st = read_pairs(a, n, SLICE("headers"), STEP_HEADERS_MAX, &s->headers, &s->header_count, err);
    if (!st)
        st = read_conditions(a, n, s, err);
    if (!st)
        st = read_saves(a, n, s, err);
    if (!st)
        st = read_timeout(n, &s->timeout_ns, err);
    return st ? st : yaml_bool(n, SLICE("follow_redirects"), &s->follow_redirects, err);
}

static enum status read_steps(struct arena *a, const struct yaml_node *n, struct check *c, const struct check_step *defaults, struct err *err)
{
    const struct yaml_node *list = yaml_get(n, SLICE("steps"));
    if (list == NULL || list->type != YAML_SEQUENCE || list->count == 0 || list->count > CHECK_STEPS_MAX)
        return yaml_fail(list ? list : n, err, "check \"%.*s\": steps: expected a list of 1 to %d steps", SLICE_FMT(c->name), CHECK_STEPS_MAX);
    c->steps = arena_array(a, struct check_step, list->count);
    for (size_t i = 0; i < list->count; i++) {
        c->steps[i] = *defaults;
        enum status st = read_step(a, list->items[i], i + 1, &c->steps[i], err);
        if (st)
            return st;
        for (size_t k = 0; k < i; k++)
            if (slice_eq(c->steps[k].name, c->steps[i].name))
                return yaml_fail(list->items[i], err, "check \"%.*s\" has two steps of the name \"%.*s\"", SLICE_FMT(c->name),
                                 SLICE_FMT(c->steps[i].name));
    }
    c->step_count = list->count;
    return ST_OK;
}

static enum status read_locations(struct arena *a, const struct yaml_node *n, struct check *c, struct err *err)
{
    enum status st = yaml_texts(a, n, SLICE("locations"), &c->locations, &c->location_count, err);
    if (st)
        return st;
    if (c->location_count == 0) {
        c->locations = arena_array(a, struct slice, 1);
        c->locations[0] = CHECK_LOCATION_LOCAL;
        c->location_count = 1;
    }
    if (c->location_count > CHECK_LOCATIONS_MAX)
        return yaml_fail(n, err, "locations: found %zu, at most %d are allowed", c->location_count, CHECK_LOCATIONS_MAX);
    for (size_t i = 0; !st && i < c->location_count; i++)
        st = need_name(n, SLICE("location"), c->locations[i], err);
    return st;
}

static enum status read_check(struct arena *a, const struct yaml_node *n, struct check *c, struct err *err)
{
    static const struct slice keys[] = { SLICE_INIT("name"), SLICE_INIT("every"), SLICE_INIT("timeout"), SLICE_INIT("locations"), SLICE_INIT("tls"),
                                         SLICE_INIT("follow_redirects"), SLICE_INIT("steps") };
    struct check_step defaults = { .timeout_ns = TIMEOUT_DEFAULT_NS, .follow_redirects = true };
    if (n->type != YAML_MAP)
        return yaml_fail(n, err, "expected a check: a map with a name and steps");
    *c = (struct check){ .every_ns = EVERY_DEFAULT_NS, .source = n };
    enum status st = yaml_only(n, keys, COUNT_OF(keys), err);
    if (!st)
        st = yaml_text(n, keys[0], &c->name, err);
    if (!st)
        st = need_name(n, SLICE("check"), c->name, err);
    if (!st)
        st = yaml_duration(n, keys[1], &c->every_ns, err);
    if (!st && (c->every_ns < EVERY_MIN_NS || c->every_ns > 24 * 3600 * NS_S))
        return yaml_fail(yaml_get(n, keys[1]), err, "every: allowed are 1s to 1d");
    if (!st)
        st = read_timeout(n, &defaults.timeout_ns, err);
    if (!st)
        st = read_locations(a, n, c, err);
    if (!st)
        st = read_tls(a, yaml_get(n, keys[4]), &c->tls, err);
    if (!st)
        st = yaml_bool(n, keys[5], &defaults.follow_redirects, err);
    return st ? st : read_steps(a, n, c, &defaults, err);
}

enum status check_config_read(struct arena *a, const struct yaml_node *root, struct check_set **out, struct buf *warnings, struct err *err)
{
    const struct yaml_node *list = yaml_get(root, SLICE("checks"));
    struct check_set *s = arena_new_of(a, struct check_set);
    *out = s;
    if (list == NULL)
        return ST_OK;
    if (list->type != YAML_SEQUENCE && list->count)
        return yaml_fail(list, err, "checks: expected a list of checks");
    if (list->count > CHECKS_MAX)
        return yaml_fail(list, err, "checks: found %zu, at most %d are allowed", list->count, CHECKS_MAX);
    s->list = arena_array(a, struct check, list->count + 1);
    s->source = list;
    for (size_t i = 0; i < list->count; i++) {
        enum status st = read_check(a, list->items[i], &s->list[i], err);
        if (st)
            return st;
        if (check_find(s, s->list[i].name))
            return yaml_fail(list->items[i], err, "two checks have the name \"%.*s\"", SLICE_FMT(s->list[i].name));
        s->count++;
    }
    return ST_OK;
}

const struct check *check_find(const struct check_set *s, struct slice name)
{
    for (size_t i = 0; s && i < s->count; i++)
        if (slice_eq(s->list[i].name, name))
            return &s->list[i];
    return NULL;
}

bool check_is_at(const struct check *c, struct slice location)
{
    for (size_t i = 0; i < c->location_count; i++)
        if (slice_eq(c->locations[i], location))
            return true;
    return false;
}

/* ---- copies, and as JSON ---- */

struct yaml_node *yaml_copy(const struct yaml_node *from, struct arena *a)
{
    struct yaml_node *n = arena_new_of(a, struct yaml_node);
    *n = *from;
    n->file = arena_copy(a, from->file);
    n->text = arena_copy(a, from->text);
    if (from->type == YAML_SCALAR)
        return n;
    n->items = arena_array(a, struct yaml_node *, from->count + 1);
    n->keys = arena_array(a, struct slice, from->count + 1);
    n->key_lines = arena_array(a, int, from->count + 1);
    for (size_t i = 0; i < from->count; i++) {
        n->items[i] = yaml_copy(from->items[i], a);
        if (from->type == YAML_MAP) {
            n->keys[i] = arena_copy(a, from->keys[i]);
            n->key_lines[i] = from->key_lines[i];
        }
    }
    return n;
}


/* A number as JSON writes it; a bare 007 or 1_000 is text. */
static bool is_json_number(struct slice s)
{
    size_t i = 0, digits = 0;
    double v;
    if (i < s.len && s.ptr[i] == '-')
        i++;
    if (i + 1 < s.len && s.ptr[i] == '0' && s.ptr[i + 1] >= '0' && s.ptr[i + 1] <= '9')
        return false;
    for (; i < s.len; i++) {
        char c = s.ptr[i];
        if (c >= '0' && c <= '9')
            digits++;
        else if ((c != '.' && c != 'e' && c != 'E' && c != '+' && c != '-') || digits == 0 || i + 1 == s.len)
            return false;
    }
    return digits > 0 && num_parse_double(s, &v);
}

static bool is_bare(const struct yaml_node *n)
{
    static const struct slice words[] = { SLICE_INIT("true"), SLICE_INIT("false"), SLICE_INIT("null") };
    for (size_t i = 0; i < COUNT_OF(words); i++)
        if (slice_eq(n->text, words[i]))
            return !n->quoted;
    return !n->quoted && is_json_number(n->text);
}

static void write_node(struct json_writer *w, const struct yaml_node *n, struct slice (*change)(void *arg, struct slice text), void *arg)
{
    switch (n->type) {
    case YAML_SCALAR:
        if (is_bare(n))
            json_raw(w, n->text);
        else if (n->text.len == 0 && !n->quoted)
            json_raw(w, SLICE("null"));
        else
            json_string(w, change ? change(arg, n->text) : n->text);
        return;
    case YAML_MAP:
        json_object_begin(w);
        for (size_t i = 0; i < n->count; i++) {
            json_key(w, n->keys[i]);
            write_node(w, n->items[i], change, arg);
        }
        json_object_end(w);
        return;
    case YAML_SEQUENCE:
        json_array_begin(w);
        for (size_t i = 0; i < n->count; i++)
            write_node(w, n->items[i], change, arg);
        json_array_end(w);
        return;
    }
}

void yaml_write_json(const struct yaml_node *n, struct slice (*change)(void *arg, struct slice text), void *arg, struct buf *out)
{
    struct json_writer w;
    json_writer_init(&w, out);
    write_node(&w, n, change, arg);
}

struct check_set *check_set_copy(const struct check_set *s, struct arena *a)
{
    struct check_set *copy = arena_new_of(a, struct check_set);
    if (s->source == NULL || s->count == 0)
        return copy;
    struct yaml_node root = { .type = YAML_MAP, .count = 1 }, *list = yaml_copy(s->source, a);
    struct slice key = SLICE("checks");
    struct buf warnings;
    buf_init(&warnings, 0);
    root.keys = &key;
    root.items = &list;
    /* It read before, so it reads again. */
    enum status st = check_config_read(a, &root, &copy, &warnings, NULL);
    assert(st == ST_OK);
    buf_free(&warnings);
    return copy;
}

void check_set_write(const struct check_set *s, struct slice location, struct buf *out)
{
    struct json_writer w;
    json_writer_init(&w, out);
    json_object_begin(&w);
    json_key(&w, SLICE("checks"));
    json_array_begin(&w);
    for (size_t i = 0; i < s->count; i++)
        if (check_is_at(&s->list[i], location))
            write_node(&w, s->list[i].source, NULL, NULL);
    json_array_end(&w);
    json_object_end(&w);
}
