/* SPDX-License-Identifier: Apache-2.0 */
/* What the server says about its checks: the list, the runs of one (read back from their log lines), our own metrics. */
#include "probe/state.h"

static void put_text(struct json_writer *w, struct slice key, struct slice v)
{
    json_key(w, key);
    json_string(w, v);
}

static void put_int(struct json_writer *w, struct slice key, int64_t v)
{
    json_key(w, key);
    json_int(w, v);
}

static void put_last(struct json_writer *w, struct probe *p, const struct check *c)
{
    json_key(w, SLICE("last"));
    json_array_begin(w);
    for (size_t i = 0; i < p->last_count; i++)
        if (slice_eq(p->last[i]->run.check, c->name)) {
            struct buf json;
            buf_init(&json, RUN_JSON_BYTES_MAX);
            run_write(&p->last[i]->run, &json);
            json_raw(w, buf_as_slice(&json));
            buf_free(&json);
        }
    json_array_end(w);
}

static void put_check(struct json_writer *w, struct probe *p, const struct check *c)
{
    json_object_begin(w);
    put_text(w, SLICE("name"), c->name);
    put_int(w, SLICE("every_ms"), c->every_ns / NS_MS);
    json_key(w, SLICE("locations"));
    json_array_begin(w);
    for (size_t i = 0; i < c->location_count; i++)
        json_string(w, c->locations[i]);
    json_array_end(w);
    json_key(w, SLICE("steps"));
    json_array_begin(w);
    for (size_t i = 0; i < c->step_count; i++) {
        const struct check_step *s = &c->steps[i];
        json_object_begin(w);
        put_text(w, SLICE("name"), s->name);
        put_text(w, SLICE("method"), s->method);
        put_text(w, SLICE("url"), s->url);
        json_key(w, SLICE("expect"));
        json_array_begin(w);
        for (size_t k = 0; k < s->condition_count; k++)
            json_string(w, s->conditions[k]);
        json_array_end(w);
        json_object_end(w);
    }
    json_array_end(w);
    put_last(w, p, c);
    json_object_end(w);
}

static const struct agent_seen *seen_at(const struct probe *p, struct slice location)
{
    for (size_t i = 0; i < p->agent_count; i++)
        if (slice_eq(p->agents[i]->location, location))
            return p->agents[i];
    return NULL;
}

/* Locations that a check names and those that agents have reported from, each once; the server's own is not among them. */
static size_t all_locations(const struct probe *p, struct arena *a, struct slice **out)
{
    size_t n = 0, cap = 0;
    struct slice *list = NULL;
    for (size_t i = 0; i < p->agent_count; i++)
        ARENA_PUSH(a, list, n, cap) = p->agents[i]->location;
    for (size_t i = 0; i < p->checks->count; i++)
        for (size_t k = 0; k < p->checks->list[i].location_count; k++) {
            struct slice location = p->checks->list[i].locations[k];
            bool known = slice_eq(location, CHECK_LOCATION_LOCAL);
            for (size_t m = 0; m < n; m++)
                known = known || slice_eq(list[m], location);
            if (!known)
                ARENA_PUSH(a, list, n, cap) = location;
        }
    *out = list;
    return n;
}

static void put_agents(struct json_writer *w, struct probe *p)
{
    struct arena *a = arena_new(0);
    struct slice *locations;
    size_t n = all_locations(p, a, &locations);
    json_key(w, SLICE("agents"));
    json_array_begin(w);
    for (size_t i = 0; i < n; i++) {
        const struct agent_seen *s = seen_at(p, locations[i]);
        json_object_begin(w);
        put_text(w, SLICE("location"), locations[i]);
        put_int(w, SLICE("last_seen_ms"), s ? s->seen_ns / NS_MS : 0);
        json_key(w, SLICE("unseen"));
        json_bool(w, s == NULL || state_is_unseen(p, s));
        put_int(w, SLICE("queued"), s ? (int64_t)s->queued : 0);
        put_int(w, SLICE("dropped"), s ? (int64_t)s->dropped : 0);
        put_int(w, SLICE("missed"), s ? (int64_t)s->missed : 0);
        json_object_end(w);
    }
    json_array_end(w);
    arena_free(a);
}

void probe_list(struct probe *p, struct buf *out)
{
    struct json_writer w;
    json_writer_init(&w, out);
    json_object_begin(&w);
    json_key(&w, SLICE("checks"));
    json_array_begin(&w);
    mutex_lock(&p->lock);
    for (size_t i = 0; i < p->checks->count; i++)
        put_check(&w, p, &p->checks->list[i]);
    json_array_end(&w);
    put_agents(&w, p);
    mutex_unlock(&p->lock);
    json_object_end(&w);
}

/* ---- runs ---- */

static struct pred *leaf(struct arena *a, struct slice name, struct slice value)
{
    struct pred *p = arena_new_of(a, struct pred);
    *p = (struct pred){ .op = PRED_EQ, .column = COL_STREAM, .name = name, .type = FIELD_STRING, .text = value };
    return p;
}

static struct pred *pred_of(struct arena *a, struct slice check, struct slice location)
{
    struct pred *all = arena_new_of(a, struct pred);
    all->op = PRED_AND;
    all->kids = arena_array(a, struct pred *, 3);
    all->kids[all->kid_count++] = leaf(a, SLICE("service_name"), RUN_SERVICE);
    all->kids[all->kid_count++] = leaf(a, SLICE("check"), check);
    if (location.len)
        all->kids[all->kid_count++] = leaf(a, SLICE("location"), location);
    return all;
}

static bool is_run_of(const struct event *e, struct slice check, struct slice location)
{
    return slice_eq(labels_get(e->stream, SLICE("service_name")), RUN_SERVICE) && slice_eq(labels_get(e->stream, SLICE("check")), check) &&
           (location.len == 0 || slice_eq(labels_get(e->stream, SLICE("location")), location));
}

static enum status read_runs(struct events_iter *it, struct engine_ctx *ctx, struct slice check, struct slice location, size_t limit,
                             struct json_writer *w, size_t *n, struct err *err)
{
    struct json_parser *parser = json_parser_new();
    struct event_block block;
    struct json_value v;
    enum status st = ST_OK;
    while (*n < limit && (st = it->ops->next(it, &block, err)) == ST_OK) {
        for (size_t i = 0; i < block.n && *n < limit; i++) {
            /* A line that somebody else sent under this name, or that was cut, is no run. */
            if (!is_run_of(&block.rows[i], check, location) || json_parse(parser, block.rows[i].body, &v, NULL))
                continue;
            json_raw(w, block.rows[i].body);
            ++*n;
        }
        st = engine_ctx_check(ctx, err);
        if (st)
            break;
    }
    json_parser_free(parser);
    return st == ST_NOT_FOUND ? ST_OK : st;
}

enum status probe_runs(struct probe *p, struct engine_ctx *ctx, struct slice check, struct slice location, int64_t start_ns, int64_t end_ns,
                       size_t limit, struct buf *out, struct err *err)
{
    struct arena *a = arena_new(0);
    struct events_iter *it;
    struct json_writer w;
    unsigned did;
    size_t n = 0;
    struct events_query q = { .start_ns = start_ns, .end_ns = end_ns, .kinds = 1u << EVENT_LOG, .pred = pred_of(a, check, location),
                              .want = WANT_STREAM | WANT_BODY, .order = ORDER_TIME_DESC };
    enum status st = p->env.engine->ops->events(p->env.engine, ctx, &q, &it, &did, err);
    json_writer_init(&w, out);
    json_object_begin(&w);
    json_key(&w, SLICE("runs"));
    json_array_begin(&w);
    if (!st) {
        st = read_runs(it, ctx, check, location, limit, &w, &n, err);
        it->ops->close(it);
    }
    json_array_end(&w);
    json_object_end(&w);
    arena_free(a);
    mutex_lock(&p->lock);
    bool known = n > 0 || check_find(p->checks, check) != NULL;
    mutex_unlock(&p->lock);
    if (!st && !known)
        st = err_set(err, ST_NOT_FOUND, "there is no check \"%.*s\"", SLICE_FMT(slice_sub(check, 0, CHECK_NAME_BYTES_MAX)));
    return st;
}

/* ---- our own metrics ---- */

static void put_head(struct buf *out, const char *name, const char *type, const char *help)
{
    buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void put_agent_metrics(struct probe *p, struct buf *out)
{
    struct arena *a = arena_new(0);
    struct slice *locations;
    size_t n = all_locations(p, a, &locations);
    put_head(out, "stoa_probe_agent_up", "gauge", "Whether the agent at a location reports; 0: unseen.");
    for (size_t i = 0; i < n; i++) {
        const struct agent_seen *s = seen_at(p, locations[i]);
        buf_printf(out, "stoa_probe_agent_up{location=\"%.*s\"} %d\n", SLICE_FMT(locations[i]), s && !state_is_unseen(p, s));
    }
    put_head(out, "stoa_probe_agent_last_seen_timestamp_seconds", "gauge", "When the agent at a location was heard last.");
    put_head(out, "stoa_probe_agent_queued_runs", "gauge", "Runs that wait at the agent to be sent.");
    put_head(out, "stoa_probe_agent_dropped_runs_total", "counter", "Runs that the agent gave up, its queue being full.");
    put_head(out, "stoa_probe_agent_missed_runs_total", "counter", "Times that passed at the agent without a run.");
    for (size_t i = 0; i < p->agent_count; i++) {
        const struct agent_seen *s = p->agents[i];
        buf_printf(out, "stoa_probe_agent_last_seen_timestamp_seconds{location=\"%.*s\"} %.3f\n", SLICE_FMT(s->location), (double)s->seen_ns / 1e9);
        buf_printf(out, "stoa_probe_agent_queued_runs{location=\"%.*s\"} %llu\n", SLICE_FMT(s->location), (unsigned long long)s->queued);
        buf_printf(out, "stoa_probe_agent_dropped_runs_total{location=\"%.*s\"} %llu\n", SLICE_FMT(s->location), (unsigned long long)s->dropped);
        buf_printf(out, "stoa_probe_agent_missed_runs_total{location=\"%.*s\"} %llu\n", SLICE_FMT(s->location), (unsigned long long)s->missed);
    }
    arena_free(a);
}

void probe_metrics_text(struct probe *p, struct buf *out)
{
    struct prober_stats s;
    prober_stats(p->prober, &s);
    put_head(out, "stoa_probe_runs_total", "counter", "Runs of checks from this server, by how they ended.");
    buf_printf(out, "stoa_probe_runs_total{result=\"ok\"} %llu\nstoa_probe_runs_total{result=\"failed\"} %llu\n", (unsigned long long)s.ok,
               (unsigned long long)s.failed);
    put_head(out, "stoa_probe_missed_runs_total", "counter", "Times that passed without a run: the last one took too long, or the server was down.");
    buf_printf(out, "stoa_probe_missed_runs_total %llu\n", (unsigned long long)s.missed);
    put_head(out, "stoa_probe_running", "gauge", "Checks that run now.");
    buf_printf(out, "stoa_probe_running %llu\n", (unsigned long long)s.running);
    mutex_lock(&p->lock);
    put_head(out, "stoa_probe_checks", "gauge", "Checks as configured.");
    buf_printf(out, "stoa_probe_checks %zu\n", p->checks->count);
    put_head(out, "stoa_probe_agent_runs_total", "counter", "Runs that agents sent: stored, known already, rejected.");
    buf_printf(out,
               "stoa_probe_agent_runs_total{result=\"stored\"} %llu\nstoa_probe_agent_runs_total{result=\"known\"} %llu\n"
               "stoa_probe_agent_runs_total{result=\"rejected\"} %llu\n",
               (unsigned long long)p->agent_runs, (unsigned long long)p->agent_known, (unsigned long long)p->agent_rejected);
    put_head(out, "stoa_probe_append_failures_total", "counter", "Times that results of checks could not be stored.");
    buf_printf(out, "stoa_probe_append_failures_total %llu\n", (unsigned long long)p->append_failures);
    put_agent_metrics(p, out);
    mutex_unlock(&p->lock);
}
