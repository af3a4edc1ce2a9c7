/* SPDX-License-Identifier: Apache-2.0 */
/* Elasticsearch's API as far as its clients and shippers need it to send: under /elastic, and at the root of a listener of the
 * dialect elastic.
 *
 * Writing is _bulk, _doc and _create. Around it clients ask whom they speak to, whether it is well, and set up templates,
 * policies and pipelines: these are acknowledged and not kept, since every field is searchable here without any. Searching is
 * not served. */
#include "api/elastic.h"

#include "api/handlers.h"
#include "base/hash.h"
#include "codec/json.h"

enum { ID_BYTES = 20 };

#define VERSION_TEXT "9.4.0"
#define LICENSE "{\"license\":{\"status\":\"active\",\"uid\":\"stoa\",\"type\":\"basic\",\"expiry_date_in_millis\":4000000000000}}"
#define SHARDS "\"_shards\":{\"total\":1,\"successful\":1,\"failed\":0}"

static const char about[] =
    "{\"name\":\"stoa\",\"cluster_name\":\"stoa\",\"cluster_uuid\":\"stoa-stoa-stoa-stoa-00\",\"version\":{\"number\":\"" VERSION_TEXT "\","
    "\"build_flavor\":\"default\",\"build_type\":\"tar\",\"build_hash\":\"unknown\",\"build_date\":\"2026-01-01T00:00:00.000Z\","
    "\"build_snapshot\":false,\"lucene_version\":\"10.3.0\",\"minimum_wire_compatibility_version\":\"8.19.0\","
    "\"minimum_index_compatibility_version\":\"8.0.0\"},\"tagline\":\"You Know, for Search\"}";
static const char health[] =
    "{\"cluster_name\":\"stoa\",\"status\":\"green\",\"timed_out\":false,\"number_of_nodes\":1,\"number_of_data_nodes\":1,"
    "\"active_primary_shards\":1,\"active_shards\":1,\"relocating_shards\":0,\"initializing_shards\":0,\"unassigned_shards\":0,"
    "\"delayed_unassigned_shards\":0,\"number_of_pending_tasks\":0,\"number_of_in_flight_fetch\":0,"
    "\"task_max_waiting_in_queue_millis\":0,\"active_shards_percent_as_number\":100.0}";

void elastic_set_product(struct http_exchange *x)
{
    http_set_header(x, SLICE("X-Elastic-Product"), SLICE("Elasticsearch"));
}

static void reply(struct http_exchange *x, int status, const char *json)
{
    http_reply(x, status, SLICE("application/json"), slice_str(json));
}

/* ---- failures ---- */

static const char *error_type(int status)
{
    switch (status) {
    case 401:
    case 403: return "security_exception";
    case 404: return "resource_not_found_exception";
    case 413: return "content_too_long_exception";
    case 429: return "es_rejected_execution_exception";
    case 503: return "unavailable_shards_exception";
    default: return status < 500 ? "illegal_argument_exception" : "exception";
    }
}

static void put_error(struct json_writer *w, const char *type, struct slice reason)
{
    json_key(w, SLICE("type"));
    json_string(w, slice_str(type));
    json_key(w, SLICE("reason"));
    json_string(w, reason);
}

static void fail_as(struct http_exchange *x, int status, const char *type, struct slice sentence)
{
    struct buf out;
    struct json_writer w;
    buf_init(&out, 0);
    json_writer_init(&w, &out);
    json_object_begin(&w);
    json_key(&w, SLICE("error"));
    json_object_begin(&w);
    json_key(&w, SLICE("root_cause"));
    json_array_begin(&w);
    json_object_begin(&w);
    put_error(&w, type, sentence);
    json_object_end(&w);
    json_array_end(&w);
    put_error(&w, type, sentence);
    json_object_end(&w);
    json_key(&w, SLICE("status"));
    json_int(&w, status);
    json_object_end(&w);
    http_reply_buf(x, status, SLICE("application/json"), &out);
}

void elastic_fail(struct http_exchange *x, int status, struct slice sentence)
{
    fail_as(x, status, error_type(status), sentence);
}

/* ---- what was written ---- */

struct slice elastic_key(struct arena *a, const struct elastic_bulk *bulk, struct slice body)
{
    struct hash128 h = hash128(body, hash64(bulk->index, 0) ^ hash64(bulk->id, 1));
    if (!bulk->all_named || bulk->count == 0)
        return SLICE_EMPTY;
    return arena_printf(a, "elastic:%016llx%016llx", (unsigned long long)h.hi, (unsigned long long)h.lo);
}

/* An id for who gave none: different from item to item and request to request. */
static struct slice made_id(struct http_exchange *x, size_t item, char room[ID_BYTES + 1])
{
    static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_";
    struct { int64_t ns; size_t item; const void *x; } seed = { http_received_ns(x), item, x };
    struct hash128 h = hash128(slice_of(&seed, sizeof seed), 0);
    for (size_t i = 0; i < ID_BYTES; i++)
        room[i] = digits[(i < ID_BYTES / 2 ? h.lo >> (6 * i) : h.hi >> (6 * (i - ID_BYTES / 2))) & 63];
    return slice_of(room, ID_BYTES);
}

static void put_place(struct json_writer *w, struct http_exchange *x, const struct elastic_item *item, size_t number)
{
    char room[ID_BYTES + 1];
    json_key(w, SLICE("_index"));
    json_string(w, item->index);
    if (item->id.len || !item->error) {
        json_key(w, SLICE("_id"));
        json_string(w, item->id.len ? item->id : made_id(x, number, room));
    }
}

static void put_created(struct json_writer *w, size_t number)
{
    json_key(w, SLICE("_version"));
    json_int(w, 1);
    json_key(w, SLICE("result"));
    json_string(w, SLICE("created"));
    json_key(w, SLICE("_shards"));
    json_raw(w, SLICE("{\"total\":1,\"successful\":1,\"failed\":0}"));
    json_key(w, SLICE("_seq_no"));
    json_uint(w, number);
    json_key(w, SLICE("_primary_term"));
    json_int(w, 1);
}

static void put_item(struct json_writer *w, struct http_exchange *x, const struct elastic_item *item, size_t number)
{
    json_object_begin(w);
    json_key(w, slice_str(elastic_op_name(item->op)));
    json_object_begin(w);
    put_place(w, x, item, number);
    if (!item->error)
        put_created(w, number);
    json_key(w, SLICE("status"));
    json_int(w, item->error ? 400 : 201);
    if (item->error) {
        json_key(w, SLICE("error"));
        json_object_begin(w);
        put_error(w, item->error, item->reason);
        json_object_end(w);
    }
    json_object_end(w);
    json_object_end(w);
}

static void answer_document(struct http_exchange *x, const struct elastic_item *item)
{
    struct buf out;
    struct json_writer w;
    if (item->error) {
        fail_as(x, 400, item->error, item->reason);
        return;
    }
    buf_init(&out, 0);
    json_writer_init(&w, &out);
    json_object_begin(&w);
    put_place(&w, x, item, 0);
    put_created(&w, 0);
    json_object_end(&w);
    http_reply_buf(x, 201, SLICE("application/json"), &out);
}

/* Fluent Bit looks for the text "errors":false,"items":[ as it stands here. */
void elastic_answer(struct http_exchange *x, const struct elastic_bulk *bulk)
{
    bool errors = false;
    struct buf out;
    struct json_writer w;
    if (bulk->is_document) {
        answer_document(x, &bulk->items[0]);
        return;
    }
    for (size_t i = 0; i < bulk->count; i++)
        errors |= bulk->items[i].error != NULL;
    buf_init(&out, 0);
    json_writer_init(&w, &out);
    json_object_begin(&w);
    json_key(&w, SLICE("took"));
    json_int(&w, 1);
    json_key(&w, SLICE("errors"));
    json_bool(&w, errors);
    json_key(&w, SLICE("items"));
    json_array_begin(&w);
    for (size_t i = 0; i < bulk->count; i++)
        put_item(&w, x, &bulk->items[i], i);
    json_array_end(&w);
    json_object_end(&w);
    http_reply_buf(x, 200, SLICE("application/json"), &out);
}

/* ---- what is written ---- */

static struct elastic_bulk *bulk_new(struct http_exchange *x)
{
    struct elastic_bulk *bulk = arena_new_of(http_arena(x), struct elastic_bulk);
    bulk->index = api_path_part(x, SLICE("index"));
    bulk->id = api_path_part(x, SLICE("id"));
    return bulk;
}

void elastic_bulk(void *user, struct http_exchange *x)
{
    ingest_elastic(user, x, bulk_new(x));
}

static void document(struct api *api, struct http_exchange *x, enum elastic_op op)
{
    struct elastic_bulk *bulk = bulk_new(x);
    bulk->is_document = true;
    bulk->op = op;
    ingest_elastic(api, x, bulk);
}

void elastic_doc(void *user, struct http_exchange *x)
{
    document(user, x, ELASTIC_INDEX);
}

void elastic_create(void *user, struct http_exchange *x)
{
    document(user, x, ELASTIC_CREATE);
}

/* ---- what clients ask before they send ---- */

void elastic_about(void *user, struct http_exchange *x)
{
    (void)user;
    reply(x, 200, about);
}

/* The first row whose words are those of the path; "*" stands for any one, and what follows does not matter. */
static const struct asked {
    struct slice first, second;
    const char *get, *change; /* NULL: not served */
} asked[] = {
    { SLICE_INIT("_cluster"), SLICE_INIT("health"), health, NULL },
    { SLICE_INIT("_cluster"), SLICE_INIT(""), "{}", "{\"acknowledged\":true}" },
    { SLICE_INIT("_license"), SLICE_INIT(""), LICENSE, NULL },
    { SLICE_INIT("_xpack"), SLICE_INIT(""), "{\"license\":{\"uid\":\"stoa\",\"type\":\"basic\",\"mode\":\"basic\",\"status\":\"active\"},"
      "\"features\":{\"ilm\":{\"available\":true,\"enabled\":true}}}", NULL },
    { SLICE_INIT("_nodes"), SLICE_INIT(""), "{\"_nodes\":{\"total\":1,\"successful\":1,\"failed\":0},\"cluster_name\":\"stoa\",\"nodes\":{}}", NULL },
    { SLICE_INIT("_ilm"), SLICE_INIT(""), "{}", "{\"acknowledged\":true}" },
    { SLICE_INIT("_index_template"), SLICE_INIT(""), "{}", "{\"acknowledged\":true}" },
    { SLICE_INIT("_component_template"), SLICE_INIT(""), "{}", "{\"acknowledged\":true}" },
    { SLICE_INIT("_template"), SLICE_INIT(""), "{}", "{\"acknowledged\":true}" },
    { SLICE_INIT("_ingest"), SLICE_INIT(""), "{}", "{\"acknowledged\":true}" },
    { SLICE_INIT("_logstash"), SLICE_INIT(""), "{}", "{}" },
    { SLICE_INIT("logstash"), SLICE_INIT(""), "{}", "{}" },
    { SLICE_INIT("_data_stream"), SLICE_INIT(""), "{\"data_streams\":[]}", "{\"acknowledged\":true}" },
    { SLICE_INIT("_alias"), SLICE_INIT(""), "{}", NULL },
    { SLICE_INIT("_aliases"), SLICE_INIT(""), "{}", "{\"acknowledged\":true}" },
    { SLICE_INIT("_refresh"), SLICE_INIT(""), "{" SHARDS "}", "{" SHARDS "}" },
    { SLICE_INIT("_flush"), SLICE_INIT(""), "{" SHARDS "}", "{" SHARDS "}" },
    { SLICE_INIT("*"), SLICE_INIT("_refresh"), "{" SHARDS "}", "{" SHARDS "}" },
    { SLICE_INIT("*"), SLICE_INIT("_flush"), "{" SHARDS "}", "{" SHARDS "}" },
    { SLICE_INIT("*"), SLICE_INIT("_mapping"), "{}", "{\"acknowledged\":true}" },
    { SLICE_INIT("*"), SLICE_INIT("_settings"), "{}", "{\"acknowledged\":true}" },
    { SLICE_INIT("*"), SLICE_INIT("_alias"), "{}", "{\"acknowledged\":true}" },
};

static const struct asked *asked_of(struct slice path)
{
    struct slice first, second, rest;
    slice_cut(path, '/', &first, &rest);
    slice_cut(rest, '/', &second, &rest);
    for (size_t i = 0; i < COUNT_OF(asked); i++) {
        bool any = slice_eq(asked[i].first, SLICE("*")) && (!slice_starts(first, SLICE("_")) || slice_eq(first, SLICE("_all")));
        if ((any || slice_eq(asked[i].first, first)) && (asked[i].second.len == 0 || slice_eq(asked[i].second, second)))
            return &asked[i];
    }
    return NULL;
}

/* As columns of text, or as JSON for who asks for it. */
static void reply_cat(struct http_exchange *x, struct slice what)
{
    struct api_params p;
    struct err err;
    struct slice format = api_params_read(x, &p, &err) ? SLICE_EMPTY : api_param(&p, SLICE("format"), NULL);
    bool json = slice_eq(format, SLICE("json")) || slice_contains(http_header(x, SLICE("Accept")), SLICE("json"));
    bool is_health = slice_starts(what, SLICE("health"));
    if (json)
        reply(x, 200, is_health ? "[{\"cluster\":\"stoa\",\"status\":\"green\",\"node.total\":\"1\",\"node.data\":\"1\",\"shards\":\"1\"}]" : "[]");
    else
        http_reply(x, 200, SLICE("text/plain; charset=utf-8"), is_health ? SLICE("stoa green 1 1 1 1 0 0 0 0 - 100.0%\n") : SLICE_EMPTY);
}

static void reply_index(struct http_exchange *x, struct slice index, bool reads)
{
    struct buf out;
    struct json_writer w;
    buf_init(&out, 0);
    json_writer_init(&w, &out);
    json_object_begin(&w);
    if (reads) {
        json_key(&w, index);
        json_raw(&w, SLICE("{\"aliases\":{},\"mappings\":{},\"settings\":{}}"));
    } else {
        json_key(&w, SLICE("acknowledged"));
        json_bool(&w, true);
        json_key(&w, SLICE("shards_acknowledged"));
        json_bool(&w, true);
        json_key(&w, SLICE("index"));
        json_string(&w, index);
    }
    json_object_end(&w);
    http_reply_buf(x, 200, SLICE("application/json"), &out);
}

void elastic_other(void *user, struct http_exchange *x)
{
    (void)user;
    enum http_method m = http_method(x);
    bool reads = m == HTTP_GET_ || m == HTTP_HEAD_;
    struct slice path = api_path_part(x, SLICE("path"));
    const struct asked *row = asked_of(path);
    const char *text = row == NULL ? NULL : reads ? row->get : row->change;
    if (text)
        reply(x, 200, text);
    else if (reads && slice_starts(path, SLICE("_cat/")))
        reply_cat(x, slice_skip(path, SLICE("_cat/").len));
    else if (!slice_starts(path, SLICE("_")) && slice_find_char(path, '/', 0) == SIZE_MAX && (reads || m == HTTP_PUT_))
        reply_index(x, path, reads);
    else
        elastic_fail(x, 404, arena_printf(http_arena(x), "%.*s %.*s is not served: documents are taken by _bulk, _doc and _create, and "
                                          "searched by LogQL (GET /loki/api/v1/query_range)", SLICE_FMT(http_method_text(x)), SLICE_FMT(path)));
}
