/* SPDX-License-Identifier: Apache-2.0 */
/* GET /api/stoa/v1/cost: what is on disk and what it costs a month, by class, service and signal, and how it grows; and the same
 * by class as our own metrics, with what filters and shares of the pipeline did.
 *
 * Bytes are those of the files, index and dictionaries included. Rows that are still in memory are not in it. */
#include "api/cost.h"

#include <stdlib.h>

#include "api/handlers.h"
#include "base/date.h"
#include "codec/json.h"
#include "pipeline/pipeline.h"

enum { COST_DAYS_MAX = 31, COST_SERVICES_MAX = 10000, GROWTH_DAYS = 7 };
#define BYTES_PER_GB 1e9

static_assert((int)CLASS_STORAGE_COUNT == (int)STORAGE_COUNT && (int)CLASS_ARCHIVE == (int)STORAGE_ARCHIVE, "one list of storages");

static const struct class_policy *policy_of(const struct class_config *c, uint16_t id)
{
    for (size_t i = 0; i < c->count; i++)
        if (c->list[i].id == id)
            return &c->list[i];
    return NULL;
}

static double cost_of(const struct class_config *c, uint16_t class, uint64_t bytes)
{
    const struct class_policy *p = policy_of(c, class);
    return p ? (double)bytes / BYTES_PER_GB * p->cost_per_gb : 0;
}

static void put_number(struct json_writer *w, const char *key, double v)
{
    json_key(w, slice_str(key));
    json_double(w, v);
}

static void put_count(struct json_writer *w, const char *key, uint64_t v)
{
    json_key(w, slice_str(key));
    json_uint(w, v);
}

static void put_text(struct json_writer *w, const char *key, struct slice v)
{
    json_key(w, slice_str(key));
    json_string(w, v);
}

static double put_classes(struct json_writer *w, const struct class_config *c, const struct engine_usage *u)
{
    double total = 0;
    json_key(w, SLICE("classes"));
    json_array_begin(w);
    for (size_t i = 0; i < u->class_count; i++) {
        const struct engine_usage_class *k = &u->classes[i];
        const struct class_policy *p = policy_of(c, k->class.id);
        double cost = cost_of(c, k->class.id, k->bytes);
        total += cost;
        json_object_begin(w);
        put_text(w, "name", k->class.name);
        put_number(w, "retention_days", (double)k->class.retention_ns / (double)NS_DAY);
        put_text(w, "storage", slice_str(class_storage_name((enum class_storage)k->class.storage)));
        put_number(w, "cost_per_gb", p ? p->cost_per_gb : 0);
        put_count(w, "bytes", k->bytes);
        put_count(w, "rows", k->rows);
        put_count(w, "parts", k->parts);
        json_key(w, SLICE("bytes_by_storage"));
        json_object_begin(w);
        for (int s = 0; s < STORAGE_COUNT; s++)
            put_count(w, class_storage_name((enum class_storage)s), k->storage_bytes[s]);
        json_object_end(w);
        put_number(w, "cost_month", cost);
        put_count(w, "oldest_ms", (uint64_t)(k->oldest_ns / NS_MS));
        json_object_end(w);
    }
    json_array_end(w);
    return total;
}

static int by_bytes(const void *a, const void *b)
{
    const struct engine_usage_service *x = a, *y = b;
    return x->bytes == y->bytes ? slice_cmp(x->service, y->service) : x->bytes < y->bytes ? 1 : -1;
}

static void put_services(struct json_writer *w, const struct class_config *c, struct engine_usage *u)
{
    if (u->service_count)
        qsort(u->services, u->service_count, sizeof *u->services, by_bytes);
    json_key(w, SLICE("services"));
    json_array_begin(w);
    for (size_t i = 0; i < MIN(u->service_count, (size_t)COST_SERVICES_MAX); i++) {
        const struct engine_usage_service *s = &u->services[i];
        struct slice class = SLICE_EMPTY;
        for (size_t k = 0; k < u->class_count; k++)
            if (u->classes[k].class.id == s->class)
                class = u->classes[k].class.name;
        json_object_begin(w);
        put_text(w, "service", s->service.len ? s->service : SLICE("(none)"));
        put_text(w, "signal", s->signal);
        put_text(w, "class", class);
        put_count(w, "bytes", s->bytes);
        put_count(w, "rows", s->rows);
        put_number(w, "cost_month", cost_of(c, s->class, s->bytes));
        json_object_end(w);
    }
    json_array_end(w);
}

static int by_day(const void *a, const void *b)
{
    const struct engine_usage_day *x = a, *y = b;
    return x->start_ns < y->start_ns ? 1 : -1;
}

/* Days newest first. Growth is the mean of the last days that are over; of today, when there is no other. */
static void put_days(struct json_writer *w, struct engine_usage *u, int64_t now_ns)
{
    double sum = 0;
    size_t over = 0;
    if (u->day_count)
        qsort(u->days, u->day_count, sizeof *u->days, by_day);
    json_key(w, SLICE("days"));
    json_array_begin(w);
    for (size_t i = 0; i < MIN(u->day_count, (size_t)COST_DAYS_MAX); i++) {
        char text[DATE_TEXT_BYTES_MAX];
        const struct engine_usage_day *d = &u->days[i];
        json_object_begin(w);
        size_t n = date_format_rfc3339(d->start_ns, 0, 0, text);
        put_text(w, "day", slice_sub(slice_of(text, n), 0, SLICE("2026-11-22").len));
        put_count(w, "bytes", d->bytes);
        put_count(w, "rows", d->rows);
        json_object_end(w);
    }
    json_array_end(w);
    for (size_t i = 0; i < u->day_count && over < GROWTH_DAYS; i++)
        if (u->days[i].start_ns + NS_DAY <= now_ns) {
            sum += (double)u->days[i].bytes;
            over++;
        }
    put_number(w, "growth_bytes_day", over ? sum / (double)over : u->day_count ? (double)u->days[0].bytes : 0);
}

void cost_get(void *user, struct http_exchange *x)
{
    struct api *api = user;
    struct engine_usage u;
    struct json_writer w;
    struct buf out;
    struct err err;
    if (api->engine->ops->usage == NULL) {
        api_fail(x, err_set(&err, ST_UNSUPPORTED, "the engine %s does not say what it holds", api->engine->ops->name), &err);
        return;
    }
    enum status st = api->engine->ops->usage(api->engine, true, http_arena(x), &u, &err);
    if (st) {
        api_fail(x, st, &err);
        return;
    }
    struct pipeline_rules *rules = pipeline_rules_take(api->pipeline);
    buf_init(&out, QUERY_RESULT_BYTES_MAX);
    json_writer_init(&w, &out);
    json_object_begin(&w);
    put_text(&w, "currency", rules->classes->currency);
    double total = put_classes(&w, rules->classes, &u);
    put_services(&w, rules->classes, &u);
    put_number(&w, "total_month", total);
    put_days(&w, &u, clock_wall_ns(api->clock));
    json_key(&w, SLICE("notes"));
    json_array_begin(&w);
    json_string(&w, SLICE("Bytes are those of files, after compression; rows still in memory are not counted. A gigabyte has 10^9 bytes."));
    json_string(&w, SLICE("Rows of a service are exact for logs and traces; its bytes are its share of each block's rows. For metrics both are "
                          "its share of a file's series."));
    json_array_end(&w);
    json_object_end(&w);
    snap_drop(&rules->snap);
    api_reply_json(x, 200, &out);
}

/* ---- our own metrics ---- */

static void put_label(struct buf *out, const char *name, struct slice value)
{
    buf_printf(out, "%s=\"", name);
    for (size_t i = 0; i < value.len; i++) {
        if (value.ptr[i] == '"' || value.ptr[i] == '\\')
            buf_char(out, '\\');
        buf_char(out, value.ptr[i] == '\n' ? ' ' : value.ptr[i]);
    }
    buf_char(out, '"');
}

static void put_class_rows(struct buf *out, const struct engine_usage *u, bool bytes)
{
    buf_printf(out, bytes ? "# HELP stoa_store_class_bytes Bytes of part files, by retention class and storage.\n"
                            "# TYPE stoa_store_class_bytes gauge\n"
                          : "# HELP stoa_store_class_parts Part files, by retention class and storage.\n# TYPE stoa_store_class_parts gauge\n");
    for (size_t i = 0; i < u->class_count; i++)
        for (int s = 0; s < STORAGE_COUNT; s++) {
            const struct engine_usage_class *k = &u->classes[i];
            if (k->storage_parts[s] == 0 && s != (int)k->class.storage)
                continue;
            buf_printf(out, "stoa_store_class_%s{", bytes ? "bytes" : "parts");
            put_label(out, "class", k->class.name);
            buf_printf(out, ",storage=\"%s\"} %llu\n", class_storage_name((enum class_storage)s),
                       (unsigned long long)(bytes ? k->storage_bytes[s] : k->storage_parts[s]));
        }
}

static void put_sample_rows(struct buf *out, const struct sample_config *c)
{
    buf_printf(out, "# HELP stoa_sampling_rows_total Rows that a filter or a rule of sampling decided on.\n"
                    "# TYPE stoa_sampling_rows_total counter\n");
    for (size_t i = 0; i < c->count; i++)
        for (int dropped = 0; dropped < 2; dropped++) {
            buf_slice(out, SLICE("stoa_sampling_rows_total{"));
            put_label(out, "rule", c->list[i].name);
            buf_printf(out, ",effect=\"%s\"} %llu\n", dropped ? "dropped" : "kept",
                       (unsigned long long)atomic_load(dropped ? &c->list[i].dropped : &c->list[i].kept));
        }
}

void cost_metrics(struct api *api, struct buf *out)
{
    struct engine_usage u;
    struct engine_stats stats;
    struct arena *a = arena_new(0);
    struct err err;
    struct pipeline_rules *rules = pipeline_rules_take(api->pipeline);
    if (api->engine->ops->usage && api->engine->ops->usage(api->engine, false, a, &u, &err) == ST_OK) {
        put_class_rows(out, &u, true);
        put_class_rows(out, &u, false);
    }
    api->engine->ops->stats(api->engine, &stats);
    buf_printf(out, "# HELP stoa_store_tier_moves_total Part files moved to the folder of their class's storage.\n"
                    "# TYPE stoa_store_tier_moves_total counter\nstoa_store_tier_moves_total %llu\n"
                    "# HELP stoa_store_tier_move_failures_total Such moves that failed, and are tried again.\n"
                    "# TYPE stoa_store_tier_move_failures_total counter\nstoa_store_tier_move_failures_total %llu\n",
               (unsigned long long)stats.tier_moves, (unsigned long long)stats.tier_move_failures);
    if (rules->samples->count)
        put_sample_rows(out, rules->samples);
    snap_drop(&rules->snap);
    arena_free(a);
}
