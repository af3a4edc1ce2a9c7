/* SPDX-License-Identifier: Apache-2.0 */
/* Prometheus: jobs of scraping, what they are made of, and what relabelling does to a target's labels, rule by rule. */
#include "api/handlers.h"
#include "api/prom_json.h"
#include "collect/collect.h"
#include "collect/relabel.h"

enum { STEP_LABELS_MAX = 256, STEP_TEXT_BYTES_MAX = 16 * KIB };

static void put_text(struct json_writer *w, struct slice key, struct slice value)
{
    json_key(w, key);
    json_string(w, value);
}

void prom_scrape_pools(void *user, struct http_exchange *x)
{
    struct api *api = user;
    struct scrape_pool *pools = NULL;
    struct json_writer w;
    struct buf out;
    size_t n = 0;
    if (api->pools)
        api->pools->list(api->server, http_arena(x), &pools, &n);
    prom_json_begin(&w, &out, 0);
    json_object_begin(&w);
    json_key(&w, SLICE("scrapePools"));
    json_array_begin(&w);
    for (size_t i = 0; i < n; i++)
        json_string(&w, pools[i].name);
    json_array_end(&w);
    json_object_end(&w);
    prom_json_reply(x, &w, &out, SLICE_EMPTY, SLICE_EMPTY);
}

/* The parameter scrapePool, which must be there. */
static enum status read_pool(struct api *api, struct http_exchange *x, struct api_params *p, struct slice *pool, struct err *err)
{
    enum status st = api_params_read(x, p, err);
    if (st)
        return st;
    *pool = api_param(p, SLICE("scrapePool"), NULL);
    if (pool->len == 0)
        return err_set(err, ST_INVALID, "no scrapePool parameter provided");
    if (api->pools == NULL)
        return err_set(err, ST_UNAVAILABLE, "this server does not scrape");
    return ST_OK;
}

void prom_scrape_pool_config(void *user, struct http_exchange *x)
{
    struct api *api = user;
    struct api_params p;
    struct slice pool, yaml;
    struct err err;
    enum status st = read_pool(api, x, &p, &pool, &err);
    if (!st)
        st = api->pools->config(api->server, http_arena(x), pool, &yaml, &err);
    if (st) {
        api_fail(x, st, &err);
        return;
    }
    struct json_writer w;
    struct buf out;
    prom_json_begin(&w, &out, 0);
    json_object_begin(&w);
    put_text(&w, SLICE("yaml"), yaml);
    json_object_end(&w);
    prom_json_reply(x, &w, &out, SLICE_EMPTY, SLICE_EMPTY);
}

/* ---- relabelling, step by step ---- */

/* {"name":"value"}. */
static enum status read_labels(struct arena *a, struct slice json, struct label_list *l, struct err *err)
{
    struct json_parser *parser = json_parser_new();
    struct json_value root, value;
    struct slice key;
    enum status st = ST_OK;
    if (json.len > STEP_TEXT_BYTES_MAX)
        st = err_set(err, ST_LIMIT, "labels: found %zu bytes, at most %d are allowed", json.len, STEP_TEXT_BYTES_MAX);
    else if (json_parse(parser, json, &root, err))
        st = err_prefix(err, "error parsing labels: ");
    else if (json_type(root) != JSON_OBJECT)
        st = err_set(err, ST_INVALID, "error parsing labels: expected an object of texts");
    for (struct json_iter it = st ? (struct json_iter){ 0 } : json_object(root); !st && json_object_next(&it, &key, &value);) {
        if (json_type(value) != JSON_STRING)
            st = err_set(err, ST_INVALID, "error parsing labels: the value of \"%.*s\" is no text", SLICE_FMT(slice_sub(key, 0, 100)));
        else if (l->count == STEP_LABELS_MAX)
            st = err_set(err, ST_LIMIT, "labels: at most %d are allowed", STEP_LABELS_MAX);
        else
            label_list_set(l, arena_copy(a, key), arena_copy(a, json_get_string(value)));
    }
    json_parser_free(parser);
    return st == ST_CORRUPT ? ST_INVALID : st;
}

static void put_rule(struct json_writer *w, const struct relabel_rule *r)
{
    json_key(w, SLICE("rule"));
    json_object_begin(w);
    if (r->source_count) {
        json_key(w, SLICE("source_labels"));
        json_array_begin(w);
        for (size_t i = 0; i < r->source_count; i++)
            json_string(w, r->source[i]);
        json_array_end(w);
    }
    put_text(w, SLICE("separator"), r->separator);
    put_text(w, SLICE("regex"), r->regex);
    if (r->modulus) {
        json_key(w, SLICE("modulus"));
        json_uint(w, r->modulus);
    }
    if (r->target.len)
        put_text(w, SLICE("target_label"), r->target);
    put_text(w, SLICE("replacement"), r->replacement);
    put_text(w, SLICE("action"), relabel_action_name(r->action));
    json_object_end(w);
}

/* Once a rule dropped the set, those after it have nothing to work on: empty, and still dropped. */
static enum status put_steps(struct json_writer *w, struct arena *a, const struct relabel_rule *rules, size_t count, struct label_list *l,
                             struct err *err)
{
    struct relabel *r;
    bool keep = true;
    enum status st = relabel_new(&r, rules, count, err);
    if (st)
        return st;
    for (size_t i = 0; i < count; i++) {
        keep = keep && relabel_step(r, i, l);
        struct label *copy = arena_array(a, struct label, l->count + 1);
        if (l->count)
            memcpy(copy, l->list, l->count * sizeof *copy);
        json_object_begin(w);
        put_rule(w, &rules[i]);
        json_key(w, SLICE("output"));
        prom_json_labels(w, labels_build_wide(a, copy, keep ? l->count : 0));
        json_key(w, SLICE("keep"));
        json_bool(w, keep);
        json_object_end(w);
    }
    relabel_free(r);
    return ST_OK;
}

void prom_relabel_steps(void *user, struct http_exchange *x)
{
    struct api *api = user;
    struct arena *a = http_arena(x);
    struct label_list l = label_list_new(a);
    struct api_params p;
    struct slice pool, labels = SLICE_EMPTY;
    struct relabel_rule *rules;
    struct json_writer w;
    struct buf out;
    struct err err;
    size_t count;
    enum status st = read_pool(api, x, &p, &pool, &err);
    if (!st)
        labels = api_param(&p, SLICE("labels"), NULL);
    if (!st && labels.len == 0)
        st = err_set(&err, ST_INVALID, "no labels parameter provided");
    if (!st)
        st = read_labels(a, labels, &l, &err);
    if (!st)
        st = api->pools->rules(api->server, a, pool, &rules, &count, &err);
    if (st) {
        api_fail(x, st, &err);
        return;
    }
    prom_json_begin(&w, &out, 0);
    json_object_begin(&w);
    json_key(&w, SLICE("steps"));
    json_array_begin(&w);
    st = put_steps(&w, a, rules, count, &l, &err);
    json_array_end(&w);
    json_object_end(&w);
    if (st) {
        buf_free(&out);
        api_fail(x, st, &err);
        return;
    }
    prom_json_reply(x, &w, &out, SLICE_EMPTY, SLICE_EMPTY);
}
