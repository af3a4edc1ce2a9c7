/* SPDX-License-Identifier: Apache-2.0 */
/* Boards: built-in ones, from inside the binary (src/api/boards/UID.json, included by tools/embed.sh), and a tenant's own, in the
 * small durable state under board/TENANT/UID. Both are Grafana's dashboard JSON. */
#include "api/board_check.h"
#include "api/handlers.h"
#include "codec/compress.h"
#include "codec/json.h"
#include "store/kv.h"
#include "traceql/traceql.h"

enum {
    BOARDS_MAX = 500,           /* of a tenant */
    BOARDS_BYTES_MAX = 32 * MIB /* all of them: the list reads them */
};

/* One embedded file. The layout is known to tools/embed.sh. */
struct board_asset {
    const char *path; /* "/UID.json" */
    const char *gz, *gz_end;
};

extern const struct board_asset board_assets[]; /* ends with path NULL */

static struct slice asset_uid(const struct board_asset *b)
{
    struct slice path = slice_str(b->path);
    return slice_sub(path, 1, path.len - SLICE(".json").len);
}

static const struct board_asset *asset_of(struct slice uid)
{
    for (const struct board_asset *b = board_assets; b->path; b++)
        if (slice_eq(asset_uid(b), uid))
            return b;
    return NULL;
}

static enum status asset_text(const struct board_asset *b, struct buf *out, struct err *err)
{
    return gzip_decompress(slice_of(b->gz, (size_t)(b->gz_end - b->gz)), BOARD_BYTES_MAX, out, err);
}

static struct slice prefix_of(struct arena *a, struct slice tenant)
{
    return arena_printf(a, "board/%.*s/", SLICE_FMT(tenant));
}

static struct slice key_of(struct arena *a, struct slice tenant, struct slice uid)
{
    return arena_printf(a, "board/%.*s/%.*s", SLICE_FMT(tenant), SLICE_FMT(uid));
}

/* The uid of the path; ST_INVALID when it can be no board's. */
static enum status uid_read(struct http_exchange *x, struct slice *uid, struct slice *tenant, struct err *err)
{
    *uid = api_path_part(x, SLICE("uid"));
    if (!board_uid_is_valid(*uid))
        return err_set(err, ST_INVALID, "uid \"%.*s\"; allowed are 1 to %d of A-Z a-z 0-9 _ -", SLICE_FMT(slice_sub(*uid, 0, 80)),
                       BOARD_UID_BYTES_MAX);
    return api_write_tenant(x, tenant, err);
}

static enum status refuse_built_in(struct slice uid, struct err *err)
{
    if (asset_of(uid) == NULL)
        return ST_OK;
    return err_set(err, ST_DENIED, "board \"%.*s\" is built in and stays as it is; save it under another uid", SLICE_FMT(uid));
}

/* ---- the list ---- */

static void put_summary(struct json_writer *w, const struct board_summary *s, struct slice uid, bool built_in)
{
    json_object_begin(w);
    json_key(w, SLICE("uid"));
    json_string(w, uid);
    json_key(w, SLICE("title"));
    json_string(w, s->title);
    json_key(w, SLICE("tags"));
    json_array_begin(w);
    for (size_t i = 0; i < s->tag_count; i++)
        json_string(w, s->tags[i]);
    json_array_end(w);
    json_key(w, SLICE("built_in"));
    json_bool(w, built_in);
    json_object_end(w);
}

static enum status put_built_in(struct json_writer *w, struct arena *a, struct err *err)
{
    enum status st = ST_OK;
    for (const struct board_asset *b = board_assets; !st && b->path; b++) {
        struct board_summary s;
        struct buf text;
        buf_init(&text, BOARD_BYTES_MAX);
        st = asset_text(b, &text, err);
        if (!st && board_summary_read(a, buf_as_slice(&text), &s))
            put_summary(w, &s, asset_uid(b), true);
        buf_free(&text);
    }
    return st;
}

static enum status put_own(struct json_writer *w, struct api *api, struct arena *a, struct slice tenant, struct err *err)
{
    struct kv_pair *list;
    size_t n;
    struct slice prefix = prefix_of(a, tenant);
    enum status st = kv_list(api->kv, prefix, a, &list, &n, err);
    for (size_t i = 0; !st && i < n; i++) {
        struct board_summary s;
        if (board_summary_read(a, list[i].value, &s))
            put_summary(w, &s, slice_skip(list[i].key, prefix.len), false);
    }
    return st;
}

void boards_list(void *user, struct http_exchange *x)
{
    struct json_writer w;
    struct buf out;
    struct slice tenant;
    struct err err;
    buf_init(&out, QUERY_RESULT_BYTES_MAX);
    json_writer_init(&w, &out);
    json_array_begin(&w);
    enum status st = api_write_tenant(x, &tenant, &err);
    if (!st)
        st = put_built_in(&w, http_arena(x), &err);
    if (!st)
        st = put_own(&w, user, http_arena(x), tenant, &err);
    json_array_end(&w);
    if (st) {
        buf_free(&out);
        api_fail(x, st, &err);
        return;
    }
    api_reply_json(x, 200, &out);
}

/* ---- one ---- */

static enum status board_text(struct api *api, struct http_exchange *x, struct buf *out, struct err *err)
{
    struct slice uid, tenant;
    enum status st = uid_read(x, &uid, &tenant, err);
    const struct board_asset *b = st ? NULL : asset_of(uid);
    if (b)
        return asset_text(b, out, err);
    if (!st)
        st = kv_get(api->kv, key_of(http_arena(x), tenant, uid), out, err);
    if (st == ST_NOT_FOUND)
        err_set(err, st, "there is no board \"%.*s\"", SLICE_FMT(uid));
    return st;
}

void boards_get(void *user, struct http_exchange *x)
{
    struct buf out;
    struct err err;
    buf_init(&out, 0);
    enum status st = board_text(user, x, &out, &err);
    if (st) {
        buf_free(&out);
        api_fail(x, st, &err);
        return;
    }
    http_reply_buf(x, 200, SLICE("application/json"), &out);
}

/* For a board of that many bytes at key. */
static enum status check_room(struct api *api, struct arena *a, struct slice tenant, struct slice key, size_t bytes, struct err *err)
{
    struct kv_pair *list;
    size_t n, others = 0;
    enum status st = kv_list(api->kv, prefix_of(a, tenant), a, &list, &n, err);
    for (size_t i = 0; !st && i < n; i++) {
        bool is_it = slice_eq(list[i].key, key);
        others += !is_it;
        bytes += is_it ? 0 : list[i].value.len;
    }
    if (!st && bytes > BOARDS_BYTES_MAX)
        return err_set(err, ST_LIMIT, "all boards together would have over %d bytes; delete some first", BOARDS_BYTES_MAX);
    if (!st && others >= BOARDS_MAX)
        return err_set(err, ST_LIMIT, "%zu boards are kept, at most %d are allowed; delete one first", others, BOARDS_MAX);
    return st;
}

static enum status put(struct api *api, struct http_exchange *x, struct slice *uid, struct buf *warnings, struct err *err)
{
    struct slice tenant, json = SLICE_EMPTY, key;
    struct arena *a = http_arena(x);
    struct board_langs langs = { api->promql, api->logql, &traceql_lang };
    enum status st = uid_read(x, uid, &tenant, err);
    if (!st)
        st = refuse_built_in(*uid, err);
    if (!st)
        st = board_prepare(a, http_body(x), *uid, &langs, &json, warnings, err);
    if (st)
        return st;
    key = key_of(a, tenant, *uid);
    st = check_room(api, a, tenant, key, json.len, err);
    return st ? st : kv_put(api->kv, key, json, err);
}

void boards_put(void *user, struct http_exchange *x)
{
    struct slice uid, rest, line;
    struct json_writer w;
    struct buf warnings, out;
    struct err err;
    buf_init(&warnings, 64 * KIB);
    enum status st = put(user, x, &uid, &warnings, &err);
    if (st) {
        api_fail(x, st, &err);
    } else {
        buf_init(&out, 0);
        json_writer_init(&w, &out);
        json_object_begin(&w);
        json_key(&w, SLICE("uid"));
        json_string(&w, uid);
        json_key(&w, SLICE("warnings"));
        json_array_begin(&w);
        rest = buf_as_slice(&warnings);
        while (slice_next(&rest, '\n', &line))
            json_string(&w, line);
        json_array_end(&w);
        json_object_end(&w);
        api_reply_json(x, 200, &out);
    }
    buf_free(&warnings);
}

void boards_delete(void *user, struct http_exchange *x)
{
    struct api *api = user;
    struct slice uid, tenant, key;
    struct buf old;
    struct err err;
    buf_init(&old, 0);
    enum status st = uid_read(x, &uid, &tenant, &err);
    if (!st)
        st = refuse_built_in(uid, &err);
    if (!st) {
        key = key_of(http_arena(x), tenant, uid);
        st = kv_get(api->kv, key, &old, &err);
        if (st == ST_NOT_FOUND)
            err_set(&err, st, "there is no board \"%.*s\"", SLICE_FMT(uid));
    }
    if (!st)
        st = kv_delete(api->kv, key, &err);
    buf_free(&old);
    if (st)
        api_fail(x, st, &err);
    else
        http_reply(x, 204, SLICE_EMPTY, SLICE_EMPTY);
}
