/* SPDX-License-Identifier: Apache-2.0 */
/* The lists that a role needs, asked for in pages: a look is consistent within a list, not between them, as with watches. All
 * documents live until the look is over; then only the targets' text is left. */
#include "base/map.h"
#include "codec/url.h"
#include "collect/scrape_http.h"
#include "collect/sd.h"

#define ANSWER_TIMEOUT_NS (30 * NS_S)
#define NAMESPACE_FILE    "/var/run/secrets/kubernetes.io/serviceaccount/namespace"

struct kubernetes_objects {
    struct json_parser **parsers;
    struct json_value *list;
    size_t parser_count, parser_cap, count, cap;
    struct map by_name; /* namespace/name -> place, plus 1 */
};

struct look {
    const struct collect_env *env;
    struct kubernetes_state k;
    struct err *err;
};

static const struct {
    const char *prefix, *plural;
    bool has_namespace;
} kinds[KUBERNETES_KINDS] = {
    [KIND_NODE] = { "/api/v1", "nodes", false },
    [KIND_POD] = { "/api/v1", "pods", true },
    [KIND_SERVICE] = { "/api/v1", "services", true },
    [KIND_ENDPOINTS] = { "/api/v1", "endpoints", true },
    [KIND_ENDPOINTSLICE] = { "/apis/discovery.k8s.io/v1", "endpointslices", true },
    [KIND_INGRESS] = { "/apis/networking.k8s.io/v1", "ingresses", true },
};

/* A kind's selectors are those of the role of the same name. */
static const enum kubernetes_role role_of[KUBERNETES_KINDS] = { KUBERNETES_NODE,      KUBERNETES_POD,           KUBERNETES_SERVICE,
                                                                KUBERNETES_ENDPOINTS, KUBERNETES_ENDPOINTSLICE, KUBERNETES_INGRESS };

size_t kubernetes_count(const struct kubernetes_state *k, enum kubernetes_kind kind)
{
    return k->kinds[kind] ? k->kinds[kind]->count : 0;
}

struct json_value kubernetes_object(const struct kubernetes_state *k, enum kubernetes_kind kind, size_t i)
{
    return k->kinds[kind]->list[i];
}

static struct slice name_of(struct arena *a, struct slice space, struct slice name)
{
    return arena_printf(a, "%.*s/%.*s", SLICE_FMT(space), SLICE_FMT(name));
}

bool kubernetes_find(const struct kubernetes_state *k, enum kubernetes_kind kind, struct slice space, struct slice name, struct json_value *out)
{
    uint64_t *at = k->kinds[kind] ? map_get(&k->kinds[kind]->by_name, name_of(k->a, space, name)) : NULL;
    if (at)
        *out = k->kinds[kind]->list[*at - 1];
    return at != NULL;
}

static struct kubernetes_objects *objects_of(struct kubernetes_state *k, enum kubernetes_kind kind)
{
    if (k->kinds[kind] == NULL) {
        k->kinds[kind] = arena_new_of(k->a, struct kubernetes_objects);
        map_init(&k->kinds[kind]->by_name);
    }
    return k->kinds[kind];
}

static void state_end(struct kubernetes_state *k)
{
    for (size_t i = 0; i < KUBERNETES_KINDS; i++) {
        struct kubernetes_objects *o = k->kinds[i];
        for (size_t p = 0; o && p < o->parser_count; p++)
            json_parser_free(o->parsers[p]);
        if (o)
            map_free(&o->by_name);
    }
    arena_free(k->a);
}

/* ---- asking ---- */

static void put_param(struct buf *url, const char *name, struct slice value)
{
    if (value.len == 0)
        return;
    buf_printf(url, "&%s=", name);
    url_encode(value, url);
}

static struct slice url_of(struct look *l, enum kubernetes_kind kind, struct slice space, struct slice more)
{
    const struct kubernetes_sd *sd = l->k.sd;
    struct buf url;
    buf_init(&url, 0);
    buf_printf(&url, "%.*s%s", SLICE_FMT(sd->url), kinds[kind].prefix);
    if (space.len && kinds[kind].has_namespace)
        buf_printf(&url, "/namespaces/%.*s", SLICE_FMT(space));
    buf_printf(&url, "/%s?limit=%d", kinds[kind].plural, KUBERNETES_PAGE_ITEMS);
    put_param(&url, "labelSelector", sd->label_selectors[role_of[kind]]);
    put_param(&url, "fieldSelector", sd->field_selectors[role_of[kind]]);
    put_param(&url, "continue", more);
    struct slice text = arena_copy(l->k.a, buf_as_slice(&url));
    buf_free(&url);
    return text;
}

static void object_add(struct look *l, struct kubernetes_objects *o, struct json_value item)
{
    struct json_value meta, v;
    struct slice space = SLICE_EMPTY, name = SLICE_EMPTY;
    if (!json_get(item, SLICE("metadata"), &meta))
        return;
    if (json_get(meta, SLICE("namespace"), &v))
        space = json_get_string(v);
    if (json_get(meta, SLICE("name"), &v))
        name = json_get_string(v);
    ARENA_PUSH(l->k.a, o->list, o->count, o->cap) = item;
    *map_put(&o->by_name, name_of(l->k.a, space, name), NULL) = o->count;
}

/* One page; *more: where the next begins. */
static enum status page_take(struct look *l, enum kubernetes_kind kind, struct slice url, struct slice *more)
{
    struct kubernetes_objects *o = objects_of(&l->k, kind);
    struct scrape_get get = { .url = url, .accept = SLICE("application/json"), .timeout_ns = ANSWER_TIMEOUT_NS,
                              .bytes_max = KUBERNETES_ANSWER_BYTES_MAX, .compression = true };
    struct json_value root, items, item, meta, next;
    struct client_response resp;
    *more = SLICE_EMPTY;
    enum status st = scrape_http_get(l->env, &l->k.sd->http, &get, l->k.a, &resp, l->err);
    if (!st) {
        struct json_parser *p = json_parser_new();
        ARENA_PUSH(l->k.a, o->parsers, o->parser_count, o->parser_cap) = p;
        st = json_parse(p, buf_as_slice(&resp.body), &root, l->err);
    }
    buf_free(&resp.body);
    if (!st && (json_type(root) != JSON_OBJECT || !json_get(root, SLICE("items"), &items)))
        st = err_set(l->err, ST_INVALID, "the answer is no list: it has no items");
    if (st) {
        if (st != ST_CANCELLED)
            (void)err_prefix(l->err, "%.*s: ", SLICE_FMT(slice_sub(url, 0, 200)));
        return st;
    }
    for (struct json_iter it = json_array(items); json_array_next(&it, &item);)
        object_add(l, o, item);
    if (json_get(root, SLICE("metadata"), &meta) && json_get(meta, SLICE("continue"), &next))
        *more = json_get_string(next);
    return ST_OK;
}

static enum status list_take(struct look *l, enum kubernetes_kind kind, struct slice space)
{
    struct slice more = SLICE_EMPTY;
    for (size_t page = 0; page == 0 || more.len; page++) {
        if (page == KUBERNETES_PAGES_MAX)
            return err_set(l->err, ST_LIMIT, "%s: over %d pages of %d", kinds[kind].plural, KUBERNETES_PAGES_MAX, KUBERNETES_PAGE_ITEMS);
        enum status st = page_take(l, kind, url_of(l, kind, space, more), &more);
        if (st)
            return st;
    }
    return ST_OK;
}

/* In each namespace asked for. */
static enum status kind_take(struct look *l, enum kubernetes_kind kind, const struct slice *spaces, size_t count)
{
    enum status st = ST_OK;
    if (count == 0 || !kinds[kind].has_namespace)
        return list_take(l, kind, SLICE_EMPTY);
    for (size_t i = 0; !st && i < count; i++)
        st = list_take(l, kind, spaces[i]);
    return st;
}

static enum status spaces_of(struct look *l, struct slice **out, size_t *count)
{
    const struct kubernetes_sd *sd = l->k.sd;
    struct buf text;
    *out = arena_array(l->k.a, struct slice, sd->namespace_count + 1);
    *count = sd->namespace_count;
    if (sd->namespace_count)
        memcpy(*out, sd->namespaces, sd->namespace_count * sizeof **out);
    if (!sd->own_namespace)
        return ST_OK;
    buf_init(&text, 0);
    enum status st = fs_read_all(l->env->fs, NAMESPACE_FILE, KIB, &text, l->err);
    if (!st)
        (*out)[(*count)++] = arena_copy(l->k.a, slice_trim(buf_as_slice(&text)));
    buf_free(&text);
    return st;
}

/* The kinds that a role needs; its own comes last, so that what it refers to is there. */
static enum status all_take(struct look *l)
{
    static const enum kubernetes_kind own[KUBERNETES_ROLES] = { KIND_NODE, KIND_POD, KIND_SERVICE, KIND_ENDPOINTS, KIND_ENDPOINTSLICE, KIND_INGRESS };
    enum kubernetes_role role = l->k.sd->role;
    bool is_endpoints = role == KUBERNETES_ENDPOINTS || role == KUBERNETES_ENDPOINTSLICE;
    struct slice *spaces;
    size_t n;
    enum status st = spaces_of(l, &spaces, &n);
    if (!st && l->k.sd->attach_node && (is_endpoints || role == KUBERNETES_POD))
        st = kind_take(l, KIND_NODE, spaces, n);
    if (!st && is_endpoints)
        st = kind_take(l, KIND_SERVICE, spaces, n);
    if (!st && is_endpoints)
        st = kind_take(l, KIND_POD, spaces, n);
    return st ? st : kind_take(l, own[role], spaces, n);
}

enum status sd_kubernetes_look(const struct collect_env *env, const struct kubernetes_sd *sd, struct buf *out, struct err *err)
{
    struct look l = { .env = env, .err = err, .k = { .a = arena_new(0), .sd = sd } };
    enum status st = all_take(&l);
    if (!st)
        kubernetes_groups(&l.k, out);
    state_end(&l.k);
    return st;
}
