/* SPDX-License-Identifier: Apache-2.0 */
/* Objects by kind, namespace and name, each as the JSON text of only what labels are made of: a pod of 12 kB is one of 1 kB
 * then, and a node's heartbeat, which changes none of it, is no change.
 *
 * (1) An object belongs to the stream that told it last, and to that stream's generation then. A list gives a new one, and
 *     when it is whole, what is left of others is gone.
 * (2) changes goes up exactly when a text came, went or became another.
 *
 * Targets are made of all objects at once, by whoever asks, while the watches wait: those of the role's own kind are read one
 * after another, those they refer to are read before and stay for as long. */
#include "base/map.h"
#include "base/utf8.h"
#include "collect/sd_kubernetes.h"
#include "sys/thread.h"

struct object {
    uint32_t stream, generation;
    size_t key_len, text_len;
    char bytes[]; /* "namespace/name", then the text */
};

struct kubernetes_store {
    struct mutex lock;
    struct json_parser *parser;
    struct buf text;
    struct map kinds[KUBERNETES_KINDS]; /* -> struct object */
    size_t count, bytes;
    uint64_t changes;
};

struct kept {
    const char *first, *second; /* second NULL: all of first */
    const char *items[4];       /* of each item of a list only these */
};

static const struct kept kept[KUBERNETES_KINDS][9] = {
    [KIND_NODE] = { { "spec", "providerID", { 0 } }, { "status", "addresses", { 0 } }, { "status", "daemonEndpoints", { 0 } } },
    [KIND_POD] = { { "spec", "nodeName", { 0 } },
                   { "spec", "containers", { "name", "image", "ports" } },
                   { "spec", "initContainers", { "name", "image", "ports" } },
                   { "status", "podIP", { 0 } },
                   { "status", "hostIP", { 0 } },
                   { "status", "phase", { 0 } },
                   { "status", "conditions", { "type", "status" } },
                   { "status", "containerStatuses", { "name", "containerID" } },
                   { "status", "initContainerStatuses", { "name", "containerID" } } },
    [KIND_SERVICE] = { { "spec", "type", { 0 } },
                       { "spec", "externalName", { 0 } },
                       { "spec", "clusterIP", { 0 } },
                       { "spec", "ports", { "name", "port", "protocol" } },
                       { "spec", "loadBalancerIP", { 0 } },
                       { "spec", "ipFamilyPolicy", { 0 } },
                       { "spec", "ipFamilies", { 0 } },
                       { "status", "loadBalancer", { 0 } } },
    [KIND_ENDPOINTS] = { { "subsets", NULL, { 0 } } },
    [KIND_ENDPOINTSLICE] = { { "addressType", NULL, { 0 } }, { "ports", NULL, { 0 } }, { "endpoints", NULL, { 0 } } },
    [KIND_INGRESS] = { { "spec", "ingressClassName", { 0 } }, { "spec", "tls", { "hosts" } }, { "spec", "rules", { 0 } } },
};

struct kubernetes_store *kubernetes_store_new(void)
{
    struct kubernetes_store *s = mem_new(struct kubernetes_store);
    mutex_init(&s->lock);
    s->parser = json_parser_new();
    buf_init(&s->text, 0);
    for (size_t i = 0; i < KUBERNETES_KINDS; i++)
        map_init(&s->kinds[i]);
    return s;
}

static struct object *object_of(const struct map_entry *e)
{
    return (struct object *)(uintptr_t)e->value;
}

void kubernetes_store_free(struct kubernetes_store *s)
{
    struct map_entry *e;
    if (s == NULL)
        return;
    for (size_t i = 0; i < KUBERNETES_KINDS; i++) {
        for (size_t k = 0; (e = map_each(&s->kinds[i], &k));)
            mem_free(object_of(e));
        map_free(&s->kinds[i]);
    }
    json_parser_free(s->parser);
    buf_free(&s->text);
    mutex_destroy(&s->lock);
    mem_free(s);
}

/* ---- what is kept of an object ---- */

static struct slice text_of(struct json_value v, struct slice key)
{
    struct json_value member;
    return json_get(v, key, &member) ? json_get_string(member) : SLICE_EMPTY;
}

static void put_member(struct json_writer *w, const char *name, struct json_value v)
{
    json_key(w, slice_str(name));
    json_write_value(v, w->out);
    w->comma = true;
}

/* Labels or annotations, cut. */
static void put_texts(struct json_writer *w, const char *name, struct json_value meta)
{
    struct json_value map, value;
    struct slice key;
    if (!json_get(meta, slice_str(name), &map) || json_type(map) != JSON_OBJECT)
        return;
    json_key(w, slice_str(name));
    json_object_begin(w);
    for (struct json_iter it = json_object(map); json_object_next(&it, &key, &value);) {
        json_key(w, key);
        json_string(w, utf8_cut(json_get_string(value), KUBERNETES_VALUE_BYTES_MAX));
    }
    json_object_end(w);
}

static void put_meta(struct json_writer *w, struct json_value meta)
{
    static const char *const names[] = { "name", "namespace", "uid", "ownerReferences" };
    struct json_value v;
    json_key(w, SLICE("metadata"));
    json_object_begin(w);
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (json_get(meta, slice_str(names[i]), &v))
            put_member(w, names[i], v);
    put_texts(w, "labels", meta);
    put_texts(w, "annotations", meta);
    json_object_end(w);
}

static void put_items(struct json_writer *w, const char *name, struct json_value list, const char *const *items)
{
    struct json_value item, v;
    json_key(w, slice_str(name));
    json_array_begin(w);
    for (struct json_iter it = json_array(list); json_array_next(&it, &item);) {
        json_object_begin(w);
        for (size_t i = 0; items[i]; i++)
            if (json_get(item, slice_str(items[i]), &v))
                put_member(w, items[i], v);
        json_object_end(w);
    }
    json_array_end(w);
}

/* Members of the same first follow each other. */
static void put_kept(struct json_writer *w, struct json_value object, const struct kept *list)
{
    struct json_value first, second;
    for (size_t i = 0; i < COUNT_OF(kept[0]) && list[i].first;) {
        const char *name = list[i].first;
        bool is_there = json_get(object, slice_str(name), &first);
        if (list[i].second == NULL) {
            if (is_there)
                put_member(w, name, first);
            i++;
            continue;
        }
        json_key(w, slice_str(name));
        json_object_begin(w);
        for (; i < COUNT_OF(kept[0]) && list[i].first && slice_eq(slice_str(list[i].first), slice_str(name)); i++) {
            if (!is_there || !json_get(first, slice_str(list[i].second), &second))
                continue;
            if (list[i].items[0])
                put_items(w, list[i].second, second, list[i].items);
            else
                put_member(w, list[i].second, second);
        }
        json_object_end(w);
    }
}

/* ---- putting and removing; the lock is held ---- */

static void object_forget(struct kubernetes_store *s, enum kubernetes_kind kind, struct object *o)
{
    (void)map_remove(&s->kinds[kind], slice_of(o->bytes, o->key_len));
    s->bytes -= o->text_len;
    s->count--;
    s->changes++;
    mem_free(o);
}

static enum status check_room(const struct kubernetes_store *s, const struct object *old, size_t bytes, struct err *err)
{
    if (old == NULL && s->count >= KUBERNETES_OBJECTS_MAX)
        return err_set(err, ST_LIMIT, "there are over %d objects, the most that are kept: choose namespaces or selectors", KUBERNETES_OBJECTS_MAX);
    if (s->bytes - (old ? old->text_len : 0) + bytes > KUBERNETES_OBJECTS_BYTES_MAX)
        return err_set(err, ST_LIMIT, "the objects have over %d bytes, the most that are kept: choose namespaces or selectors",
                       KUBERNETES_OBJECTS_BYTES_MAX);
    return ST_OK;
}

/* Key and text of object into s->text. False when it has no name. */
static bool object_write(struct kubernetes_store *s, enum kubernetes_kind kind, struct json_value object, size_t *key_len)
{
    struct json_value meta;
    struct json_writer w;
    buf_reset(&s->text);
    if (!json_get(object, SLICE("metadata"), &meta) || text_of(meta, SLICE("name")).len == 0)
        return false;
    buf_printf(&s->text, "%.*s/%.*s", SLICE_FMT(text_of(meta, SLICE("namespace"))), SLICE_FMT(text_of(meta, SLICE("name"))));
    *key_len = s->text.len;
    json_writer_init(&w, &s->text);
    json_object_begin(&w);
    put_meta(&w, meta);
    put_kept(&w, object, kept[kind]);
    json_object_end(&w);
    return true;
}

static enum status object_put(struct kubernetes_store *s, enum kubernetes_kind kind, uint32_t stream, uint32_t generation, struct json_value object,
                              struct err *err)
{
    size_t key_len;
    if (!object_write(s, kind, object, &key_len))
        return err_set(err, ST_INVALID, "an object has no metadata.name");
    struct slice all = buf_as_slice(&s->text), key = slice_sub(all, 0, key_len);
    uint64_t *at = map_get(&s->kinds[kind], key);
    struct object *old = at ? (struct object *)(uintptr_t)*at : NULL;
    if (old && slice_eq(all, slice_of(old->bytes, old->key_len + old->text_len)) && old->key_len == key_len) {
        old->stream = stream;
        old->generation = generation;
        return ST_OK;
    }
    enum status st = check_room(s, old, all.len - key_len, err);
    if (st)
        return st;
    if (old)
        object_forget(s, kind, old);
    struct object *o = mem_alloc(sizeof *o + all.len);
    *o = (struct object){ .stream = stream, .generation = generation, .key_len = key_len, .text_len = all.len - key_len };
    memcpy(o->bytes, all.ptr, all.len);
    *map_put(&s->kinds[kind], slice_of(o->bytes, key_len), NULL) = (uint64_t)(uintptr_t)o;
    s->bytes += o->text_len;
    s->count++;
    s->changes++;
    return ST_OK;
}

static enum status object_remove(struct kubernetes_store *s, enum kubernetes_kind kind, struct json_value object, struct err *err)
{
    size_t key_len;
    if (!object_write(s, kind, object, &key_len))
        return err_set(err, ST_INVALID, "an object has no metadata.name");
    uint64_t *at = map_get(&s->kinds[kind], slice_sub(buf_as_slice(&s->text), 0, key_len));
    if (at)
        object_forget(s, kind, (struct object *)(uintptr_t)*at);
    return ST_OK;
}

/* ---- lists and events ---- */

static enum status page_take(struct kubernetes_store *s, enum kubernetes_kind kind, uint32_t stream, uint32_t generation, struct slice body,
                             struct arena *a, struct kubernetes_page *out, struct err *err)
{
    struct json_value root, meta, items, item;
    enum status st = json_parse(s->parser, body, &root, err);
    if (st)
        return st;
    if (!json_get(root, SLICE("metadata"), &meta) || !json_get(root, SLICE("items"), &items))
        return err_set(err, ST_INVALID, "the answer is no list: it has no items");
    out->version = arena_copy(a, text_of(meta, SLICE("resourceVersion")));
    out->more = arena_copy(a, text_of(meta, SLICE("continue")));
    if (out->version.len == 0)
        return err_set(err, ST_INVALID, "the list has no metadata.resourceVersion");
    for (struct json_iter it = json_array(items); !st && json_array_next(&it, &item);)
        st = object_put(s, kind, stream, generation, item, err);
    return st;
}

enum status kubernetes_store_page(struct kubernetes_store *s, enum kubernetes_kind kind, uint32_t stream, uint32_t generation, struct slice body,
                                  struct arena *a, struct kubernetes_page *out, struct err *err)
{
    *out = (struct kubernetes_page){ SLICE_EMPTY, SLICE_EMPTY };
    mutex_lock(&s->lock);
    enum status st = page_take(s, kind, stream, generation, body, a, out, err);
    mutex_unlock(&s->lock);
    return st;
}

void kubernetes_store_sweep(struct kubernetes_store *s, enum kubernetes_kind kind, uint32_t stream, uint32_t generation)
{
    struct map_entry *e;
    size_t n = 0;
    mutex_lock(&s->lock);
    struct object **gone = mem_alloc((s->kinds[kind].count + 1) * sizeof(struct object *));
    for (size_t i = 0; (e = map_each(&s->kinds[kind], &i));)
        if (object_of(e)->stream == stream && object_of(e)->generation != generation)
            gone[n++] = object_of(e);
    for (size_t i = 0; i < n; i++)
        object_forget(s, kind, gone[i]);
    mutex_unlock(&s->lock);
    mem_free(gone);
}

static enum status event_take(struct kubernetes_store *s, enum kubernetes_kind kind, uint32_t stream, uint32_t generation, struct slice line,
                              struct arena *a, struct kubernetes_event *out, struct err *err)
{
    static const struct slice types[KUBERNETES_EVENT_TYPES] = { [EVENT_ADDED] = SLICE_INIT("ADDED"),
                                                                [EVENT_MODIFIED] = SLICE_INIT("MODIFIED"),
                                                                [EVENT_DELETED] = SLICE_INIT("DELETED"),
                                                                [EVENT_BOOKMARK] = SLICE_INIT("BOOKMARK"),
                                                                [EVENT_ERROR] = SLICE_INIT("ERROR") };
    struct json_value root, object, meta, code;
    size_t type = 0;
    enum status st = json_parse(s->parser, line, &root, err);
    if (st)
        return st;
    struct slice name = text_of(root, SLICE("type"));
    while (type < COUNT_OF(types) && !slice_eq(types[type], name))
        type++;
    if (type == COUNT_OF(types) || !json_get(root, SLICE("object"), &object))
        return err_set(err, ST_INVALID, "an event has type \"%.*s\", or no object; expected ADDED, MODIFIED, DELETED, BOOKMARK or ERROR",
                       SLICE_FMT(slice_sub(name, 0, 40)));
    out->type = (enum kubernetes_event_type)type;
    if (out->type == EVENT_ERROR) {
        out->message = arena_copy(a, text_of(object, SLICE("message")));
        if (!json_get(object, SLICE("code"), &code) || !json_get_int(code, &out->code))
            out->code = 0;
        return ST_OK;
    }
    if (!json_get(object, SLICE("metadata"), &meta) || text_of(meta, SLICE("resourceVersion")).len == 0)
        return err_set(err, ST_INVALID, "an event's object has no metadata.resourceVersion");
    out->version = arena_copy(a, text_of(meta, SLICE("resourceVersion")));
    if (out->type == EVENT_BOOKMARK)
        return ST_OK;
    return out->type == EVENT_DELETED ? object_remove(s, kind, object, err) : object_put(s, kind, stream, generation, object, err);
}

enum status kubernetes_store_event(struct kubernetes_store *s, enum kubernetes_kind kind, uint32_t stream, uint32_t generation, struct slice line,
                                   struct arena *a, struct kubernetes_event *out, struct err *err)
{
    *out = (struct kubernetes_event){ .version = SLICE_EMPTY, .message = SLICE_EMPTY };
    mutex_lock(&s->lock);
    enum status st = event_take(s, kind, stream, generation, line, a, out, err);
    mutex_unlock(&s->lock);
    return st;
}

uint64_t kubernetes_store_changes(struct kubernetes_store *s)
{
    mutex_lock(&s->lock);
    uint64_t changes = s->changes;
    mutex_unlock(&s->lock);
    return changes;
}

size_t kubernetes_store_count(struct kubernetes_store *s, enum kubernetes_kind kind)
{
    mutex_lock(&s->lock);
    size_t n = s->kinds[kind].count;
    mutex_unlock(&s->lock);
    return n;
}

/* ---- targets ---- */

struct kubernetes_view {
    struct arena *a;
    struct json_parser *parsers[KUBERNETES_KINDS];
    struct json_value *objects[KUBERNETES_KINDS];
    struct map by_name[KUBERNETES_KINDS]; /* -> place in objects; keys are the store's */
};

bool kubernetes_find(const struct kubernetes_view *v, enum kubernetes_kind kind, struct slice space, struct slice name, struct json_value *out)
{
    uint64_t *at = map_get(&v->by_name[kind], arena_printf(v->a, "%.*s/%.*s", SLICE_FMT(space), SLICE_FMT(name)));
    if (at)
        *out = v->objects[kind][*at];
    return at != NULL;
}

static struct slice object_text(const struct object *o)
{
    return slice_of(o->bytes + o->key_len, o->text_len);
}

/* All objects of a kind as one document. */
static enum status view_kind(struct kubernetes_view *v, const struct kubernetes_store *s, enum kubernetes_kind kind, struct err *err)
{
    struct json_value root, item;
    struct map_entry *e;
    struct buf text;
    size_t n = 0;
    if (s->kinds[kind].count == 0)
        return ST_OK;
    buf_init(&text, 0);
    for (size_t i = 0; (e = map_each(&s->kinds[kind], &i));) {
        buf_char(&text, n ? ',' : '[');
        buf_slice(&text, object_text(object_of(e)));
        *map_put(&v->by_name[kind], e->key, NULL) = n++;
    }
    buf_char(&text, ']');
    v->parsers[kind] = json_parser_new();
    v->objects[kind] = arena_array(v->a, struct json_value, n);
    enum status st = json_parse(v->parsers[kind], buf_as_slice(&text), &root, err);
    n = 0;
    if (!st)
        for (struct json_iter it = json_array(root); json_array_next(&it, &item);)
            v->objects[kind][n++] = item;
    buf_free(&text);
    return st;
}

static enum status role_targets(struct kubernetes_store *s, const struct kubernetes_view *v, const struct kubernetes_sd *sd, struct buf *out,
                                struct err *err)
{
    struct arena *a = arena_new(0);
    struct json_value object;
    struct json_writer w;
    struct map_entry *e;
    enum status st = ST_OK;
    json_writer_init(&w, out);
    json_array_begin(&w);
    for (size_t i = 0; !st && !buf_over(out) && (e = map_each(&s->kinds[kubernetes_role_kind(sd->role)], &i));) {
        arena_reset(a);
        st = json_parse(s->parser, object_text(object_of(e)), &object, err);
        if (!st)
            kubernetes_targets(v, sd, object, a, &w);
    }
    json_array_end(&w);
    arena_free(a);
    return st;
}

enum status kubernetes_store_targets(struct kubernetes_store *s, const struct kubernetes_sd *sd, struct buf *out, uint64_t *changes, struct err *err)
{
    struct kubernetes_view v = { .a = arena_new(0) };
    enum status st = ST_OK;
    mutex_lock(&s->lock);
    for (size_t i = 0; i < KUBERNETES_KINDS; i++) {
        map_init(&v.by_name[i]);
        if (!st && i != (size_t)kubernetes_role_kind(sd->role))
            st = view_kind(&v, s, (enum kubernetes_kind)i, err);
    }
    if (!st)
        st = role_targets(s, &v, sd, out, err);
    *changes = s->changes;
    mutex_unlock(&s->lock);
    for (size_t i = 0; i < KUBERNETES_KINDS; i++) {
        json_parser_free(v.parsers[i]);
        map_free(&v.by_name[i]);
    }
    arena_free(v.a);
    return st;
}
