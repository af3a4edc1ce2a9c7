/* SPDX-License-Identifier: Apache-2.0 */
/* Prometheus: what there is of targets' metadata, features, notices and queries besides targets, pools and status themselves.
 * Where Prometheus has something that Stoa does without (a log to replay for minutes, other Alertmanagers), the answer is the
 * one of a Prometheus that has nothing of it. */
#include <stdlib.h>

#include "api/handlers.h"
#include "api/prom_json.h"
#include "api/query_log.h"
#include "base/date.h"
#include "base/num.h"
#include "promql/functions.h"
#include "promql/promql.h"

enum { TARGETS_MATCHED_MAX = 1000, TARGET_METADATA_MAX = 100 * 1000 };

static void put_text(struct json_writer *w, struct slice key, struct slice value)
{
    json_key(w, key);
    json_string(w, value);
}

static void put_empty_list(struct json_writer *w, struct slice key)
{
    json_key(w, key);
    json_array_begin(w);
    json_array_end(w);
}

static void reply(struct http_exchange *x, struct json_writer *w, struct buf *out)
{
    prom_json_reply(x, w, out, SLICE_EMPTY, SLICE_EMPTY);
}

/* ---- metadata of targets ---- */

struct about {
    struct api_query q;
    struct api_params p;
    struct matcher *match; /* match_target */
    size_t match_count, limit, written;
    struct slice metric;
    struct name_hit *known; /* all metadata, by name */
    size_t known_count;
};

static int by_value(const void *a, const void *b)
{
    return slice_cmp(((const struct name_hit *)a)->value, ((const struct name_hit *)b)->value);
}

/* That of the metric, or of the family it is a part of. */
static const struct metric_metadata *metadata_of(const struct about *a, struct slice name)
{
    static const struct slice suffixes[] = { SLICE_INIT(""), SLICE_INIT("_bucket"), SLICE_INIT("_sum"), SLICE_INIT("_count") };
    for (size_t i = 0; i < COUNT_OF(suffixes) && a->known_count; i++) {
        struct name_hit key = { .value = slice_sub(name, 0, name.len - MIN(name.len, suffixes[i].len)) };
        if (!slice_ends(name, suffixes[i]))
            continue;
        const struct name_hit *found = bsearch(&key, a->known, a->known_count, sizeof *a->known, by_value);
        if (found && found->metadata)
            return found->metadata;
    }
    return NULL;
}

static void put_metadata(struct json_writer *w, const struct about *a, const struct api_target *t, const struct metric_metadata *md)
{
    json_object_begin(w);
    json_key(w, SLICE("target"));
    prom_json_labels(w, t->labels);
    if (a->metric.len == 0)
        put_text(w, SLICE("metric"), md->name);
    put_text(w, SLICE("type"), slice_str(metric_type_name(md->type)));
    put_text(w, SLICE("help"), md->help);
    put_text(w, SLICE("unit"), md->unit);
    json_object_end(w);
}

/* The metrics that came with the target's labels in the last day. */
static enum status one_target(struct about *a, const struct api_target *t, struct json_writer *w, struct err *err)
{
    struct matcher own[LABELS_PER_SERIES_MAX];
    struct slice rest = t->labels;
    struct label l;
    size_t n = 0, count = 0;
    struct name_hit *names;
    int64_t now = clock_wall_ns(a->q.api->clock);
    enum status st = ST_OK;
    while (!st && n < LABELS_PER_SERIES_MAX && labels_next(&rest, &l)) {
        st = matcher_init(&own[n], MATCH_EQ, l.name, l.value, err);
        n += st == ST_OK;
    }
    struct names_query nq = { .what = NAMES_LABEL_VALUES, .name = SLICE("__name__"), .start_ns = now - 86400 * NS_S, .end_ns = now + NS_S,
                              .matchers = own, .matcher_count = n };
    if (!st)
        st = a->q.api->engine->ops->names(a->q.api->engine, &a->q.ctx, &nq, a->q.arena, &names, &count, err);
    const struct metric_metadata *last = NULL;
    for (size_t i = 0; !st && i < count && a->written < a->limit; i++) {
        const struct metric_metadata *md = metadata_of(a, names[i].value);
        if (md == NULL || md == last || (a->metric.len && !slice_eq(md->name, a->metric)))
            continue;
        put_metadata(w, a, t, md);
        last = md;
        a->written++;
    }
    for (size_t i = 0; i < n; i++)
        matcher_destroy(&own[i]);
    return st;
}

static enum status about_read(struct about *a, struct http_exchange *x, struct err *err)
{
    struct names_query all = { .what = NAMES_METADATA, .start_ns = 0, .end_ns = INT64_MAX };
    enum status st = api_params_read(x, &a->p, err);
    if (!st)
        st = api_param_size(&a->p, SLICE("limit"), TARGET_METADATA_MAX, TARGET_METADATA_MAX, &a->limit, err);
    struct slice match = st ? SLICE_EMPTY : api_param(&a->p, SLICE("match_target"), NULL);
    if (!st && match.len && promql_parse_selector(a->q.arena, match, &a->match, &a->match_count, err))
        st = err_prefix(err, "invalid parameter \"match_target\": ");
    if (!st)
        st = a->q.api->engine->ops->names(a->q.api->engine, &a->q.ctx, &all, a->q.arena, &a->known, &a->known_count, err);
    if (!st) {
        a->metric = api_param(&a->p, SLICE("metric"), NULL);
        a->limit = a->limit ? a->limit : TARGET_METADATA_MAX;
    }
    return st;
}

void prom_targets_metadata(void *user, struct http_exchange *x)
{
    struct api *api = user;
    struct about a = { 0 };
    struct api_target *targets = NULL;
    struct json_writer w;
    struct buf out;
    struct err err;
    size_t n = 0, matched = 0;
    if (!api_query_begin(api, x, &a.q))
        return;
    enum status st = about_read(&a, x, &err);
    if (!st && api->sources)
        api->sources->targets(api->sources->arg, a.q.arena, &targets, &n);
    prom_json_begin(&w, &out, 0);
    json_array_begin(&w);
    for (size_t i = 0; !st && i < n && matched < TARGETS_MATCHED_MAX && a.written < a.limit; i++)
        if (matchers_match(a.match, a.match_count, targets[i].labels)) {
            matched++;
            st = one_target(&a, &targets[i], &w, &err);
        }
    json_array_end(&w);
    if (!st && a.written == 0)
        st = err_set(&err, ST_NOT_FOUND, "specified metadata not found");
    if (st) {
        buf_free(&out);
        api_fail(x, st, &err);
    } else {
        reply(x, &w, &out);
    }
    for (size_t i = 0; i < a.match_count; i++)
        matcher_destroy(&a.match[i]);
    api_query_end(&a.q, "prometheus_meta", st, &err);
}

/* ---- what there is nothing of ---- */

void prom_alertmanagers(void *user, struct http_exchange *x)
{
    struct json_writer w;
    struct buf out;
    prom_json_begin(&w, &out, 0);
    json_object_begin(&w);
    put_empty_list(&w, SLICE("activeAlertmanagers"));
    put_empty_list(&w, SLICE("droppedAlertmanagers"));
    json_object_end(&w);
    reply(x, &w, &out);
}

/* The log is replayed before anything is served. */
void prom_walreplay(void *user, struct http_exchange *x)
{
    static const struct slice keys[] = { SLICE_INIT("min"), SLICE_INIT("max"), SLICE_INIT("current") };
    struct json_writer w;
    struct buf out;
    prom_json_begin(&w, &out, 0);
    json_object_begin(&w);
    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        json_key(&w, keys[i]);
        json_uint(&w, 0);
    }
    put_text(&w, SLICE("state"), SLICE("done"));
    json_object_end(&w);
    reply(x, &w, &out);
}

/* ---- notices ---- */

void prom_notifications(void *user, struct http_exchange *x)
{
    struct api *api = user;
    struct slice lines = api->warnings ? api->warnings(api->server, http_arena(x)) : SLICE_EMPTY, line;
    char text[DATE_TEXT_BYTES_MAX];
    struct slice since = slice_of(text, date_format_rfc3339(api->started_ns, 0, 3, text));
    struct json_writer w;
    struct buf out;
    prom_json_begin(&w, &out, 0);
    json_array_begin(&w);
    while (slice_next(&lines, '\n', &line)) {
        json_object_begin(&w);
        put_text(&w, SLICE("text"), line);
        put_text(&w, SLICE("date"), since);
        json_key(&w, SLICE("active"));
        json_bool(&w, true);
        json_object_end(&w);
    }
    json_array_end(&w);
    reply(x, &w, &out);
}

/* No subscription: then clients ask again from time to time, as Prometheus's page does when it has too many of them. */
void prom_notifications_live(void *user, struct http_exchange *x)
{
    http_reply(x, 204, SLICE_EMPTY, SLICE_EMPTY);
}

/* ---- features ---- */

struct feature {
    struct slice name;
    bool is_on;
};

static void put_features(struct json_writer *w, struct slice category, const struct feature *list, size_t n)
{
    json_key(w, category);
    json_object_begin(w);
    for (size_t i = 0; i < n; i++) {
        json_key(w, list[i].name);
        json_bool(w, list[i].is_on);
    }
    json_object_end(w);
}

static void put_functions(struct json_writer *w, uint32_t features)
{
    json_key(w, SLICE("promql_functions"));
    json_object_begin(w);
    const struct function *f;
    for (size_t i = 0; (f = function_at(i)) != NULL; i++) {
        json_key(w, f->name);
        json_bool(w, !(f->flags & FN_EXPERIMENTAL) || features & FEATURE_EXPERIMENTAL_FUNCTIONS);
    }
    json_object_end(w);
}

void prom_features(void *user, struct http_exchange *x)
{
    struct api *api = user;
    uint32_t on = api->features;
    const struct feature http[] = { { SLICE("admin"), true }, { SLICE("exclude_alerts"), true }, { SLICE("label_values_match"), true },
                                    { SLICE("lifecycle"), true }, { SLICE("otlp_write_receiver"), true }, { SLICE("query_stats"), true },
                                    { SLICE("query_warnings"), true }, { SLICE("remote_read"), true }, { SLICE("remote_write_receiver"), true },
                                    { SLICE("time_range_labels"), true }, { SLICE("time_range_series"), true } };
    const struct feature lang[] = { { SLICE("anchored"), on & FEATURE_EXTENDED_RANGE_SELECTORS },
                                    { SLICE("at_modifier"), true }, { SLICE("bool"), true },
                                    { SLICE("by"), true }, { SLICE("delayed_name_removal"), on & FEATURE_DELAYED_NAME_REMOVAL },
                                    { SLICE("duration_expr"), on & FEATURE_DURATION_EXPR }, { SLICE("fill"), on & FEATURE_BINOP_FILL_MODIFIERS },
                                    { SLICE("fill_left"), on & FEATURE_BINOP_FILL_MODIFIERS },
                                    { SLICE("fill_right"), on & FEATURE_BINOP_FILL_MODIFIERS },
                                    { SLICE("group_left"), true }, { SLICE("group_right"), true }, { SLICE("ignoring"), true },
                                    { SLICE("negative_offset"), true }, { SLICE("offset"), true }, { SLICE("on"), true },
                                    { SLICE("per_query_lookback_delta"), true }, { SLICE("per_step_stats"), false },
                                    { SLICE("smoothed"), on & FEATURE_EXTENDED_RANGE_SELECTORS }, { SLICE("subqueries"), true },
                                    { SLICE("type_and_unit_labels"), on & FEATURE_TYPE_AND_UNIT_LABELS }, { SLICE("without"), true } };
    const struct feature server[] = { { SLICE("agent_mode"), false }, { SLICE("auto_reload_config"), false }, { SLICE("server_mode"), true },
                                      { SLICE("stoa"), true } };
    struct json_writer w;
    struct buf out;
    prom_json_begin(&w, &out, 0);
    json_object_begin(&w);
    put_features(&w, SLICE("api"), http, COUNT_OF(http));
    put_features(&w, SLICE("prometheus"), server, COUNT_OF(server));
    put_features(&w, SLICE("promql"), lang, COUNT_OF(lang));
    put_functions(&w, on);
    json_object_end(&w);
    reply(x, &w, &out);
}

/* ---- our own: queries ---- */

void queries_list(void *user, struct http_exchange *x)
{
    struct api *api = user;
    struct json_writer w;
    struct buf out;
    prom_json_begin(&w, &out, 0);
    json_object_begin(&w);
    json_key(&w, SLICE("limits"));
    json_object_begin(&w);
    json_key(&w, SLICE("max_samples"));
    json_uint(&w, api_samples_max(api));
    json_key(&w, SLICE("timeout_seconds"));
    json_double(&w, (double)api_timeout_ns(api) / 1e9);
    json_key(&w, SLICE("max_concurrency"));
    json_uint(&w, api_running_max(api));
    json_object_end(&w);
    query_log_json(api->queries, api_caller(x), &w);
    json_object_end(&w);
    reply(x, &w, &out);
}

void queries_cancel(void *user, struct http_exchange *x)
{
    struct api *api = user;
    struct slice text = api_path_part(x, SLICE("id"));
    struct err err;
    uint64_t id;
    enum status st = ST_OK;
    if (!num_parse_u64(text, &id))
        st = err_set(&err, ST_INVALID, "the number of a query: found \"%.*s\"", SLICE_FMT(text));
    else if (!query_log_cancel(api->queries, id))
        st = err_set(&err, ST_NOT_FOUND, "no query %llu runs", (unsigned long long)id);
    if (st)
        api_fail(x, st, &err);
    else
        http_reply(x, 204, SLICE_EMPTY, SLICE_EMPTY);
}
