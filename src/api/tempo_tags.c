/* SPDX-License-Identifier: Apache-2.0 */
/* Tempo's lists of names and values, for who writes a query. Names without a scope come from the store's own lists; which scope has
 * a name, and values with their types, from spans of the window, the newest SCAN_SPANS_MAX at most. */
#include "api/tempo.h"

#include "ingest/otlp.h"

#include <stdlib.h>

enum { SCAN_SPANS_MAX = 300 * 1000, TEMPO_NAMES_MAX = 10 * 1000, TEMPO_VALUES_MAX = 1000 };

static const struct slice scope_names[] = { SLICE_INIT("span"), SLICE_INIT("resource"), SLICE_INIT("instrumentation"), SLICE_INIT("event"),
                                            SLICE_INIT("link"), SLICE_INIT("intrinsic") };
enum list_of { OF_SPAN, OF_RESOURCE, OF_INSTRUMENTATION, OF_EVENT, OF_LINK, OF_INTRINSIC, LISTS };

/* What an engine may check of the query that names or values are asked for; NULL: nothing. Who is still writing it has to get some, so one
 * that does not parse narrows nothing. *tree is to be freed behind the scan. */
static struct pred *narrowed(struct arena *a, const struct api_params *p, struct traceql **tree)
{
    struct slice text = api_param(p, SLICE("q"), NULL);
    struct err err;
    bool is_all;
    return text.len && traceql_parse(a, text, tree, &err) == ST_OK && (*tree)->stages ? tql_push(a, (*tree)->stages, &is_all) : NULL;
}

/* ---- names ---- */

struct names {
    struct arena *arena;
    struct map lists[LISTS];
    bool with_children; /* attributes of events and links are asked for */
};

static void add_name(struct names *n, enum list_of list, struct slice name)
{
    struct map *m = &n->lists[list];
    if (m->count < TEMPO_NAMES_MAX && !field_is_hidden(name) && map_get(m, name) == NULL)
        *map_put(m, arena_copy(n->arena, name), NULL) = 1;
}

static bool see_names(void *arg, const struct event *e)
{
    static const enum list_of lists[] = { [SCOPE_RECORD] = OF_SPAN, [SCOPE_RESOURCE] = OF_RESOURCE, [SCOPE_INSTRUMENTATION] = OF_INSTRUMENTATION };
    struct names *n = arg;
    for (uint32_t i = 0; i < e->field_count; i++)
        if (e->fields[i].scope != SCOPE_INSTRUMENTATION ||
            (!slice_eq(e->fields[i].name, EVENT_SCOPE_NAME) && !slice_eq(e->fields[i].name, EVENT_SCOPE_VERSION)))
            add_name(n, lists[e->fields[i].scope], e->fields[i].name);
    if (e->service.len)
        add_name(n, OF_RESOURCE, SLICE("service.name"));
    for (uint32_t i = 0; n->with_children && i < e->event_count; i++)
        for (uint32_t k = 0; k < e->events[i].field_count; k++)
            add_name(n, OF_EVENT, e->events[i].fields[k].name);
    for (uint32_t i = 0; n->with_children && i < e->link_count; i++)
        for (uint32_t k = 0; k < e->links[i].field_count; k++)
            add_name(n, OF_LINK, e->links[i].fields[k].name);
    return true;
}

static void add_intrinsics(struct names *n)
{
    static const char *const names[] = { "duration", "event:name", "event:timeSinceStart", "instrumentation:name", "instrumentation:version", "kind",
                                         "name", "rootName", "rootServiceName", "span:duration", "span:id", "span:kind", "span:name", "span:parentID",
                                         "span:status", "span:statusMessage", "status", "statusMessage", "trace:duration", "trace:id",
                                         "trace:rootName", "trace:rootService", "traceDuration" };
    for (size_t i = 0; i < COUNT_OF(names); i++)
        add_name(n, OF_INTRINSIC, slice_str(names[i]));
}

static enum status gather_names(struct api_query *q, const struct api_params *p, struct names *n, struct err *err)
{
    struct tempo_scan s = { .rows_max = SCAN_SPANS_MAX, .see = see_names, .arg = n };
    struct slice scope = api_param(p, SLICE("scope"), NULL);
    size_t known = 0;
    struct traceql *tree = NULL;
    while (known < LISTS && !slice_eq(scope, scope_names[known]))
        known++;
    if (scope.len && known == LISTS && !slice_eq(scope, SLICE("none")))
        return err_set(err, ST_INVALID, "parameter \"scope\": found \"%.*s\", allowed are span, resource, instrumentation, event, link, intrinsic",
                       SLICE_FMT(scope));
    n->with_children = known == OF_EVENT || known == OF_LINK || known == LISTS;
    s.want = WANT_FIELDS | (n->with_children ? WANT_SPAN : 0);
    s.pred = narrowed(q->arena, p, &tree);
    enum status st = tempo_window(q, p, &s.start_ns, &s.end_ns, err);
    if (!st && known != OF_INTRINSIC)
        st = tempo_scan(q, &s, err);
    traceql_free(tree);
    add_intrinsics(n);
    for (size_t i = 0; known < LISTS && i < LISTS; i++)
        if (i != known)
            map_clear(&n->lists[i]);
    return st;
}

static void put_names(struct json_writer *w, struct arena *a, const struct map *m)
{
    struct map_entry *list = trace_names_in_order(a, m);
    json_array_begin(w);
    for (size_t i = 0; i < m->count; i++)
        json_string(w, list[i].key);
    json_array_end(w);
}

static void put_by_scope(struct json_writer *w, struct arena *a, const struct names *n)
{
    json_key(w, SLICE("scopes"));
    json_array_begin(w);
    for (size_t i = 0; i < LISTS; i++) {
        if (n->lists[i].count == 0)
            continue;
        json_object_begin(w);
        json_key(w, SLICE("name"));
        json_string(w, scope_names[i]);
        json_key(w, SLICE("tags"));
        put_names(w, a, &n->lists[i]);
        json_object_end(w);
    }
    json_array_end(w);
}

/* All scopes in one list; what belongs to the span itself only when it was asked for. */
static void put_plain(struct json_writer *w, struct arena *a, struct names *n, bool with_intrinsics)
{
    struct map all;
    map_init(&all);
    for (size_t i = 0; i < LISTS; i++) {
        struct map_entry *e;
        for (size_t at = 0; (i != OF_INTRINSIC || with_intrinsics) && (e = map_each(&n->lists[i], &at));)
            *map_put(&all, e->key, NULL) = 1;
    }
    json_key(w, SLICE("tagNames"));
    put_names(w, a, &all);
    map_free(&all);
}

static void serve_names(struct api *api, struct http_exchange *x, bool is_v2)
{
    struct api_query q;
    struct api_params p;
    struct err err;
    if (!api_query_begin(api, x, &q))
        return;
    struct names n = { .arena = q.arena };
    for (size_t i = 0; i < LISTS; i++)
        map_init(&n.lists[i]);
    enum status st = api_params_read(x, &p, &err);
    if (!st)
        st = gather_names(&q, &p, &n, &err);
    if (!st) {
        struct buf out;
        struct json_writer w;
        buf_init(&out, TEMPO_ANSWER_BYTES_MAX);
        json_writer_init(&w, &out);
        json_object_begin(&w);
        if (is_v2)
            put_by_scope(&w, q.arena, &n);
        else
            put_plain(&w, q.arena, &n, slice_eq(api_param(&p, SLICE("scope"), NULL), SLICE("intrinsic")));
        tempo_put_metrics(&w, &q, 0);
        json_object_end(&w);
        api_reply_json(x, 200, &out);
    }
    for (size_t i = 0; i < LISTS; i++)
        map_free(&n.lists[i]);
    tempo_end(&q, st, &err);
}

void tempo_tags(void *user, struct http_exchange *x)
{
    serve_names(user, x, false);
}

void tempo_tags_v2(void *user, struct http_exchange *x)
{
    serve_names(user, x, true);
}

/* ---- values ---- */

struct values {
    struct arena *arena;
    struct tempo_tag tag;
    struct map seen; /* text -> type, an index of type_names */
};

static const struct slice type_names[] = { SLICE_INIT("string"), SLICE_INIT("int"), SLICE_INIT("float"), SLICE_INIT("bool"), SLICE_INIT("keyword") };
enum type_name { TYPE_STRING, TYPE_INT, TYPE_FLOAT, TYPE_BOOL, TYPE_KEYWORD };

static void add_value(struct values *v, struct slice text, enum type_name type)
{
    if (text.len && v->seen.count < TEMPO_VALUES_MAX && map_get(&v->seen, text) == NULL)
        *map_put(&v->seen, arena_copy(v->arena, text), NULL) = type;
}

static void add_fields(struct values *v, const struct field *fields, uint32_t count, int scope, struct slice name)
{
    static const enum type_name types[] = { [FIELD_STRING] = TYPE_STRING, [FIELD_INT] = TYPE_INT, [FIELD_DOUBLE] = TYPE_FLOAT,
                                            [FIELD_BOOL] = TYPE_BOOL, [FIELD_BYTES] = TYPE_STRING, [FIELD_JSON] = TYPE_STRING };
    for (uint32_t i = 0; i < count; i++)
        if ((scope < 0 || fields[i].scope == scope) && slice_eq(fields[i].name, name))
            add_value(v, field_text(v->arena, &fields[i]), types[fields[i].type]);
}

static void see_intrinsic(struct values *v, const struct event *e)
{
    switch (v->tag.intrinsic) {
    case TEMPO_NAME:
    case TEMPO_ROOT_NAME:
        add_value(v, e->body, TYPE_STRING);
        break;
    case TEMPO_ROOT_SERVICE:
        add_value(v, e->service, TYPE_STRING);
        break;
    case TEMPO_STATUS_MESSAGE:
        add_value(v, e->status_message, TYPE_STRING);
        break;
    case TEMPO_EVENT_NAME:
        for (uint32_t i = 0; i < e->event_count; i++)
            add_value(v, e->events[i].name, TYPE_STRING);
        break;
    case TEMPO_SCOPE_NAME:
        add_fields(v, e->fields, e->field_count, SCOPE_INSTRUMENTATION, EVENT_SCOPE_NAME);
        break;
    case TEMPO_SCOPE_VERSION:
        add_fields(v, e->fields, e->field_count, SCOPE_INSTRUMENTATION, EVENT_SCOPE_VERSION);
        break;
    case TEMPO_STATUS:
    case TEMPO_KIND:
    case TEMPO_NUMBER:
    case TEMPO_NONE:
        break;
    }
}

static bool see_values(void *arg, const struct event *e)
{
    struct values *v = arg;
    switch (v->tag.scope) {
    case TEMPO_INTRINSIC:
        see_intrinsic(v, e);
        break;
    case TEMPO_EVENT:
        for (uint32_t i = 0; i < e->event_count; i++)
            add_fields(v, e->events[i].fields, e->events[i].field_count, -1, v->tag.name);
        break;
    case TEMPO_LINK:
        for (uint32_t i = 0; i < e->link_count; i++)
            add_fields(v, e->links[i].fields, e->links[i].field_count, -1, v->tag.name);
        break;
    case TEMPO_ANY:
        add_fields(v, e->fields, e->field_count, -1, v->tag.name);
        break;
    case TEMPO_SPAN:
        add_fields(v, e->fields, e->field_count, SCOPE_RECORD, v->tag.name);
        break;
    case TEMPO_RESOURCE:
        add_fields(v, e->fields, e->field_count, SCOPE_RESOURCE, v->tag.name);
        break;
    case TEMPO_INSTRUMENTATION:
        add_fields(v, e->fields, e->field_count, SCOPE_INSTRUMENTATION, v->tag.name);
        break;
    }
    if (slice_eq(v->tag.name, SLICE("service.name")) && (v->tag.scope == TEMPO_RESOURCE || v->tag.scope == TEMPO_ANY))
        add_value(v, e->service, TYPE_STRING);
    return v->seen.count < TEMPO_VALUES_MAX;
}

/* Only spans that have it need to be looked at. */
static struct pred *having(struct arena *a, const struct tempo_tag *t)
{
    struct preds none = { 0 };
    struct pred *p;
    if (t->intrinsic == TEMPO_ROOT_NAME || t->intrinsic == TEMPO_ROOT_SERVICE) {
        preds_add(a, &none, pred_leaf(a, PRED_EXISTS, COL_PARENT_ID, SLICE_EMPTY, SLICE_EMPTY));
        return pred_node(a, PRED_NOT, &none);
    }
    if (t->scope > TEMPO_INSTRUMENTATION || slice_eq(t->name, SLICE("service.name")))
        return NULL;
    p = pred_leaf(a, PRED_EXISTS, COL_FIELD, t->name, SLICE_EMPTY);
    p->scope = t->scope == TEMPO_SPAN ? SCOPE_RECORD : t->scope == TEMPO_RESOURCE ? SCOPE_RESOURCE :
               t->scope == TEMPO_INSTRUMENTATION ? SCOPE_INSTRUMENTATION : -1;
    return p;
}

static unsigned wanted(const struct tempo_tag *t)
{
    if (t->scope == TEMPO_EVENT || t->scope == TEMPO_LINK || t->intrinsic == TEMPO_EVENT_NAME || t->intrinsic == TEMPO_STATUS_MESSAGE)
        return WANT_SPAN;
    return t->intrinsic == TEMPO_NAME || t->intrinsic == TEMPO_ROOT_NAME ? WANT_BODY : WANT_FIELDS;
}

static enum status gather_values(struct api_query *q, const struct api_params *p, struct values *v, struct err *err)
{
    struct preds both = { 0 };
    struct traceql *tree = NULL;
    struct pred *has = having(q->arena, &v->tag), *filter = narrowed(q->arena, p, &tree);
    struct tempo_scan s = { .rows_max = SCAN_SPANS_MAX, .see = see_values, .arg = v, .want = wanted(&v->tag) };
    if (has)
        preds_add(q->arena, &both, has);
    if (filter)
        preds_add(q->arena, &both, filter);
    s.pred = pred_node(q->arena, PRED_AND, &both);
    enum status st = tempo_window(q, p, &s.start_ns, &s.end_ns, err);
    for (unsigned i = 0; v->tag.intrinsic == TEMPO_STATUS && i <= 2; i++)
        add_value(v, tempo_status_name(i), TYPE_KEYWORD);
    for (unsigned i = 0; v->tag.intrinsic == TEMPO_KIND && i <= 5; i++)
        add_value(v, trace_kind_name(i), TYPE_KEYWORD);
    if (!st && v->seen.count == 0 && v->tag.intrinsic != TEMPO_NUMBER)
        st = tempo_scan(q, &s, err);
    traceql_free(tree);
    return st;
}

static void put_values(struct json_writer *w, struct arena *a, const struct map *m, bool is_v2)
{
    struct map_entry *list = trace_names_in_order(a, m);
    json_key(w, SLICE("tagValues"));
    json_array_begin(w);
    for (size_t i = 0; i < m->count; i++) {
        if (!is_v2) {
            json_string(w, list[i].key);
            continue;
        }
        json_object_begin(w);
        json_key(w, SLICE("type"));
        json_string(w, type_names[list[i].value]);
        json_key(w, SLICE("value"));
        json_string(w, list[i].key);
        json_object_end(w);
    }
    json_array_end(w);
}

static void serve_values(struct api *api, struct http_exchange *x, bool is_v2)
{
    struct api_query q;
    struct api_params p;
    struct err err;
    if (!api_query_begin(api, x, &q))
        return;
    struct values v = { .arena = q.arena, .tag = tempo_tag_of(api_path_part(x, SLICE("tag"))) };
    map_init(&v.seen);
    enum status st = api_params_read(x, &p, &err);
    if (!st)
        st = gather_values(&q, &p, &v, &err);
    if (!st) {
        struct buf out;
        struct json_writer w;
        buf_init(&out, TEMPO_ANSWER_BYTES_MAX);
        json_writer_init(&w, &out);
        json_object_begin(&w);
        put_values(&w, q.arena, &v.seen, is_v2);
        tempo_put_metrics(&w, &q, 0);
        json_object_end(&w);
        api_reply_json(x, 200, &out);
    }
    map_free(&v.seen);
    tempo_end(&q, st, &err);
}

void tempo_tag_values(void *user, struct http_exchange *x)
{
    serve_values(user, x, false);
}

void tempo_tag_values_v2(void *user, struct http_exchange *x)
{
    serve_values(user, x, true);
}
