/* SPDX-License-Identifier: Apache-2.0 */
/* A run, ours or an agent's, becomes one batch: samples, a log line, spans. Only then it is noted as the last one.
 *
 * A check that runs every five minutes would leave gaps in what a query sees, for Prometheus looks back five minutes. So
 * the ticker writes the samples of the last run again every PROBE_REPEAT_SECONDS, as a scraped exporter would show them,
 * until the next run is overdue; then the series end, as those of a target that is gone. */
#include "probe/probe.h"

#include "codec/hex.h"
#include "probe/state.h"

enum { BATCH_BYTES_MAX = 64 * MIB, TICK_SECONDS = 5 };

static enum status append_runs(struct probe *p, const struct run *runs, size_t count, struct err *err)
{
    struct batch *b = batch_new(BATCH_BYTES_MAX);
    b->received_ns = clock_wall_ns(p->env.clock);
    for (size_t i = 0; i < count; i++) {
        run_put_samples(&runs[i], (runs[i].start_ns + runs[i].duration_ns) / NS_MS, b);
        run_put_events(&runs[i], b);
    }
    enum status st = p->env.append(p->env.arg, b, err);
    if (st) {
        mutex_lock(&p->lock);
        p->append_failures++;
        mutex_unlock(&p->lock);
    }
    return st;
}

static void on_done(void *arg, const struct run *r)
{
    struct probe *p = arg;
    struct err err;
    if (append_runs(p, r, 1, &err))
        log_line(p->env.log, LOG_ERROR, "a check's run is not stored", "check=\"%.*s\" error=\"%s\"", SLICE_FMT(r->check), err.text);
    state_put_last(p, r);
}

static int64_t on_last_start(void *arg, struct slice check)
{
    struct probe *p = arg;
    mutex_lock(&p->lock);
    const struct last_run *l = state_last(p, check, CHECK_LOCATION_LOCAL);
    int64_t ns = l ? l->run.start_ns : 0;
    mutex_unlock(&p->lock);
    return ns;
}

/* ---- configuration ---- */

static void config_free_one(struct snap *snap)
{
    struct probe_config *c = (struct probe_config *)(void *)snap;
    arena_free(c->arena);
    mem_free(c);
}

static struct probe_config *config_new(const struct check_set *checks, const struct module_set *modules)
{
    struct probe_config *c = mem_new(struct probe_config);
    snap_init(&c->snap, config_free_one);
    c->arena = arena_new(0);
    c->checks = check_set_copy(checks, c->arena);
    c->modules = module_set_copy(modules, c->arena);
    return c;
}

static void drop_retired(struct probe *p)
{
    for (size_t i = 0; i < p->retired_count; i++)
        snap_drop(&p->retired[i]->snap);
    p->retired_count = 0;
}

/* ---- the ticker ---- */

/* The lock is held. */
static bool wants_repeat(const struct probe *p, const struct last_run *l, int64_t now_ns)
{
    const struct check *c = check_find(p->checks, l->run.check);
    if (c == NULL || !check_is_at(c, l->run.location) || c->every_ns <= PROBE_REPEAT_SECONDS * NS_S)
        return false;
    int64_t age_ns = now_ns - l->run.start_ns - l->run.duration_ns;
    return age_ns < c->every_ns + c->every_ns / 2 && now_ns - l->written_ns >= PROBE_REPEAT_SECONDS * NS_S;
}

static void repeat_samples(struct probe *p)
{
    struct batch *b = batch_new(BATCH_BYTES_MAX);
    struct err err;
    mutex_lock(&p->lock);
    int64_t now_ns = b->received_ns = clock_wall_ns(p->env.clock);
    for (size_t i = 0; i < p->last_count; i++)
        if (wants_repeat(p, p->last[i], now_ns)) {
            p->last[i]->written_ns = now_ns;
            run_put_samples(&p->last[i]->run, now_ns / NS_MS, b);
        }
    mutex_unlock(&p->lock);
    if (batch_rows(b) == 0)
        batch_drop(b);
    else if (p->env.append(p->env.arg, b, &err))
        log_line(p->env.log, LOG_ERROR, "results of checks are not stored", "error=\"%s\"", err.text);
}

static void tell_unseen(struct probe *p)
{
    mutex_lock(&p->lock);
    for (size_t i = 0; i < p->agent_count; i++) {
        struct agent_seen *s = p->agents[i];
        if (s->told || !state_is_unseen(p, s))
            continue;
        s->told = true;
        log_line(p->env.log, LOG_WARNING, "an agent is not heard any more", "location=\"%.*s\"", SLICE_FMT(s->location));
    }
    mutex_unlock(&p->lock);
}

/* Under the reload lock: settled then means that nothing refers to any of them. */
static void free_retired(struct probe *p)
{
    mutex_lock(&p->reload_lock);
    if (prober_is_settled(p->prober)) {
        mutex_lock(&p->lock);
        drop_retired(p);
        mutex_unlock(&p->lock);
    }
    mutex_unlock(&p->reload_lock);
}

static void ticker_main(void *arg)
{
    struct probe *p = arg;
    for (;;) {
        mutex_lock(&p->lock);
        if (!p->stopping)
            (void)cond_wait_ns(&p->wake, &p->lock, TICK_SECONDS * NS_S);
        bool stopping = p->stopping;
        mutex_unlock(&p->lock);
        if (stopping)
            return;
        repeat_samples(p);
        free_retired(p);
        tell_unseen(p);
    }
}

/* ---- start, reload, stop ---- */

enum status probe_new(struct probe **out, const struct probe_env *env, const struct check_set *checks, const struct module_set *modules,
                      struct err *err)
{
    static const struct check_set none;
    struct probe *p = mem_new(struct probe);
    p->env = *env;
    p->config = config_new(checks, modules);
    p->checks = p->config->checks;
    mutex_init(&p->lock);
    mutex_init(&p->results_lock);
    mutex_init(&p->reload_lock);
    cond_init(&p->wake);
    struct prober_options opt = {
        .env = { env->clock, env->client, env->variable, env->arg },
        .location = CHECK_LOCATION_LOCAL,
        .arg = p,
        .done = on_done,
        .last_start_ns = on_last_start,
    };
    enum status st = state_load(p, err);
    if (!st)
        st = prober_start(&p->prober, &opt, &none, err);
    if (st) {
        probe_stop(p);
        return st;
    }
    *out = p;
    return ST_OK;
}

enum status probe_run(struct probe *p, struct err *err)
{
    enum status st = prober_reload(p->prober, p->checks, err);
    return st ? st : thread_start(&p->ticker, "probe-tick", ticker_main, p, err);
}

enum status probe_reload(struct probe *p, const struct check_set *checks, const struct module_set *modules, struct err *err)
{
    struct probe_config *fresh = config_new(checks, modules);
    mutex_lock(&p->reload_lock);
    /* The old set is let go only after the prober has the new one. */
    enum status st = prober_reload(p->prober, fresh->checks, err);
    mutex_lock(&p->lock);
    p->retired = mem_realloc(p->retired, (p->retired_count + 1) * sizeof(struct probe_config *));
    p->retired[p->retired_count++] = p->config;
    p->config = fresh;
    p->checks = fresh->checks;
    mutex_unlock(&p->lock);
    mutex_unlock(&p->reload_lock);
    return st;
}

void probe_stop(struct probe *p)
{
    if (p == NULL)
        return;
    mutex_lock(&p->lock);
    p->stopping = true;
    cond_broadcast(&p->wake);
    mutex_unlock(&p->lock);
    thread_join(p->ticker);
    prober_stop(p->prober);
    state_free(p);
    drop_retired(p);
    mem_free(p->retired);
    snap_drop(&p->config->snap);
    mutex_destroy(&p->reload_lock);
    cond_destroy(&p->wake);
    mutex_destroy(&p->results_lock);
    mutex_destroy(&p->lock);
    mem_free(p);
}

/* ---- results of agents ---- */

/* Is there a line with this run's id at the time of its start? */
static enum status is_stored(struct probe *p, const struct run *r, bool *out, struct err *err)
{
    char id[2 * RUN_ID_BYTES];
    struct slice tenant = SLICE("default");
    struct engine_ctx ctx;
    struct events_iter *it;
    struct event_block block;
    unsigned did;
    struct events_query q = { .start_ns = r->start_ns, .end_ns = r->start_ns + 1, .kinds = 1u << EVENT_LOG, .want = WANT_FIELDS };
    hex_encode(slice_of(r->id, sizeof r->id), id);
    *out = false;
    engine_ctx_init(&ctx, &tenant, 1, p->env.clock);
    enum status st = p->env.engine->ops->events(p->env.engine, &ctx, &q, &it, &did, err);
    if (!st) {
        while (!*out && (st = it->ops->next(it, &block, err)) == ST_OK)
            for (size_t i = 0; i < block.n; i++) {
                const struct field *f = event_field(&block.rows[i], SLICE("run_id"));
                *out = *out || (f && f->type == FIELD_STRING && slice_eq(f->text, slice_of(id, sizeof id)));
            }
        it->ops->close(it);
    }
    engine_ctx_free(&ctx);
    return st == ST_NOT_FOUND ? ST_OK : st;
}

struct taken {
    struct run *runs;
    size_t count, cap, known, rejected;
    struct err first; /* why one was rejected */
};

static bool is_in_post(const struct taken *t, const struct run *r)
{
    for (size_t i = 0; i < t->count; i++)
        if (memcmp(t->runs[i].id, r->id, sizeof r->id) == 0)
            return true;
    return false;
}

/* A run of another location than the agent's own is rejected, as is one that does not read. */
static enum status take_runs(struct probe *p, struct json_value list, struct slice location, struct arena *a, struct taken *t, struct err *err)
{
    struct json_value item;
    enum status st = ST_OK;
    for (struct json_iter it = json_array(list); !st && json_array_next(&it, &item);) {
        struct run r;
        struct err why;
        bool known = false, bad = run_read(item, a, &r, &why) != ST_OK;
        if (!bad && !slice_eq(r.location, location)) {
            bad = true;
            err_set(&why, ST_INVALID, "a run of location \"%.*s\" came from an agent at \"%.*s\"", SLICE_FMT(r.location), SLICE_FMT(location));
        }
        if (bad) {
            if (t->rejected++ == 0)
                t->first = why;
            continue;
        }
        known = is_in_post(t, &r);
        if (!known)
            st = is_stored(p, &r, &known, err);
        if (known)
            t->known++;
        else if (!st)
            ARENA_PUSH(a, t->runs, t->count, t->cap) = r;
    }
    return st;
}

static enum status store_runs(struct probe *p, struct json_value list, struct slice location, struct arena *a, struct taken *t, struct err *err)
{
    mutex_lock(&p->results_lock);
    enum status st = take_runs(p, list, location, a, t, err);
    if (!st && t->count)
        st = append_runs(p, t->runs, t->count, err);
    mutex_unlock(&p->results_lock);
    for (size_t i = 0; !st && i < t->count; i++)
        state_put_last(p, &t->runs[i]);
    if (st)
        return st;
    mutex_lock(&p->lock);
    p->agent_runs += t->count;
    p->agent_known += t->known;
    p->agent_rejected += t->rejected;
    mutex_unlock(&p->lock);
    return ST_OK;
}

static uint64_t number_of(struct json_value v, struct slice key)
{
    struct json_value m;
    int64_t n = 0;
    return json_get(v, key, &m) && json_get_int(m, &n) && n > 0 ? (uint64_t)n : 0;
}

static void write_taken(const struct taken *t, struct buf *out)
{
    struct json_writer w;
    json_writer_init(&w, out);
    json_object_begin(&w);
    json_key(&w, SLICE("stored"));
    json_uint(&w, t->count);
    json_key(&w, SLICE("known"));
    json_uint(&w, t->known);
    json_key(&w, SLICE("rejected"));
    json_uint(&w, t->rejected);
    json_key(&w, SLICE("error"));
    json_string(&w, slice_str(t->rejected ? t->first.text : ""));
    json_object_end(&w);
}

enum status probe_agent_results(struct probe *p, struct slice body, struct buf *out, struct err *err)
{
    struct json_parser *parser = json_parser_new();
    struct arena *a = arena_new(0);
    struct json_value v, m, list;
    struct taken t = { 0 };
    enum status st = json_parse(parser, body, &v, err);
    if (!st && (!json_get(v, SLICE("location"), &m) || !json_get(v, SLICE("runs"), &list) || json_type(list) != JSON_ARRAY))
        st = err_set(err, ST_INVALID, "results of an agent are {\"location\": NAME, \"runs\": [...]}");
    if (!st) {
        struct probe_agent agent = {
            .location = arena_copy(a, json_get_string(m)),
            .interval_ns = (int64_t)MIN(number_of(v, SLICE("interval_ms")), (uint64_t)(24 * 3600 * 1000)) * NS_MS,
            .queued = number_of(v, SLICE("queued")),
            .dropped = number_of(v, SLICE("dropped")),
            .missed = number_of(v, SLICE("missed")),
        };
        st = state_agent_seen(p, &agent, err);
        if (!st)
            st = store_runs(p, list, agent.location, a, &t, err);
    }
    if (!st)
        write_taken(&t, out);
    arena_free(a);
    json_parser_free(parser);
    return st;
}

enum status probe_agent_config(struct probe *p, const struct probe_agent *agent, struct buf *out, struct err *err)
{
    enum status st = state_agent_seen(p, agent, err);
    if (st)
        return st;
    mutex_lock(&p->lock);
    check_set_write(p->checks, agent->location, out);
    mutex_unlock(&p->lock);
    return ST_OK;
}

/* ---- at once ---- */

enum status probe_run_now(struct probe *p, struct slice check, struct buf *out, struct err *err)
{
    struct arena *a = arena_new(0);
    struct run r;
    enum status st = prober_run_now(p->prober, check, a, &r, err);
    if (!st)
        run_write(&r, out);
    arena_free(a);
    return st;
}

enum status probe_blackbox(struct probe *p, struct slice module, struct slice target, int64_t timeout_ns, struct buf *page, struct err *err)
{
    mutex_lock(&p->lock);
    struct probe_config *c = p->config;
    snap_take(&c->snap);
    mutex_unlock(&p->lock);
    enum status st = blackbox_probe(p->env.client, p->env.clock, c->modules, module, target, timeout_ns, page, err);
    snap_drop(&c->snap);
    return st;
}
