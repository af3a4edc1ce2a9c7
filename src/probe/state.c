/* SPDX-License-Identifier: Apache-2.0 */
/* In the kv: "probe/last/CHECK\nLOCATION" holds a run's JSON, "probe/agent/LOCATION" "seen_ns interval_ns". An agent's is
 * written once a minute at most; so after a restart it may be shown as seen up to a minute earlier than it was. */
#include "probe/state.h"

#include <stdio.h>

#include "base/num.h"

#define AGENT_KEEP_NS       (60 * NS_S)
#define AGENT_INTERVAL_MIN_NS NS_S
#define AGENT_INTERVAL_MAX_NS (3600 * NS_S)

static const struct slice last_prefix = SLICE_INIT("probe/last/"), agent_prefix = SLICE_INIT("probe/agent/");

static void last_free(struct last_run *l)
{
    if (l)
        arena_free(l->arena);
    mem_free(l);
}

/* From JSON, which is also how it is kept; NULL when it does not read. */
static struct last_run *last_of(struct slice json)
{
    struct last_run *l = mem_new(struct last_run);
    struct json_parser *parser = json_parser_new();
    struct json_value v;
    l->arena = arena_new(0);
    enum status st = json_parse(parser, json, &v, NULL);
    if (!st)
        st = run_read(v, l->arena, &l->run, NULL);
    json_parser_free(parser);
    if (st) {
        last_free(l);
        return NULL;
    }
    return l;
}

struct last_run *state_last(struct probe *p, struct slice check, struct slice location)
{
    for (size_t i = 0; i < p->last_count; i++)
        if (slice_eq(p->last[i]->run.check, check) && slice_eq(p->last[i]->run.location, location))
            return p->last[i];
    return NULL;
}

/* The lock is held. Takes l. */
static bool adopt_last(struct probe *p, struct last_run *l)
{
    for (size_t i = 0; i < p->last_count; i++) {
        struct last_run *old = p->last[i];
        if (!slice_eq(old->run.check, l->run.check) || !slice_eq(old->run.location, l->run.location))
            continue;
        bool newer = l->run.start_ns >= old->run.start_ns;
        p->last[i] = newer ? l : old;
        last_free(newer ? old : l);
        return newer;
    }
    if (p->last_count == p->last_cap) {
        p->last_cap = p->last_cap ? 2 * p->last_cap : 16;
        p->last = mem_realloc(p->last, p->last_cap * sizeof(struct last_run *));
    }
    p->last[p->last_count++] = l;
    return true;
}

static bool is_configured(const struct probe *p, const struct run *r)
{
    const struct check *c = check_find(p->checks, r->check);
    return c && check_is_at(c, r->location);
}

void state_put_last(struct probe *p, const struct run *r)
{
    struct buf json;
    struct err err;
    buf_init(&json, RUN_JSON_BYTES_MAX);
    run_write(r, &json);
    struct last_run *l = last_of(buf_as_slice(&json));
    if (l) {
        struct arena *a = arena_new(0);
        struct slice key = arena_printf(a, "%.*s%.*s\n%.*s", SLICE_FMT(last_prefix), SLICE_FMT(r->check), SLICE_FMT(r->location));
        l->written_ns = r->start_ns + r->duration_ns;
        mutex_lock(&p->lock);
        /* An agent may report what is configured no more, or never was: those runs are stored, but nothing is kept of them. */
        bool wanted = is_configured(p, &l->run), newer = wanted && adopt_last(p, l);
        if (!wanted)
            last_free(l);
        mutex_unlock(&p->lock);
        if (newer && kv_put(p->env.kv, key, buf_as_slice(&json), &err))
            log_line(p->env.log, LOG_ERROR, "the last result of a check is not kept", "check=\"%.*s\" error=\"%s\"", SLICE_FMT(r->check), err.text);
        arena_free(a);
    }
    buf_free(&json);
}

/* ---- agents ---- */

static struct agent_seen *agent_of(struct probe *p, struct slice location)
{
    for (size_t i = 0; i < p->agent_count; i++)
        if (slice_eq(p->agents[i]->location, location))
            return p->agents[i];
    if (p->agent_count == PROBE_AGENTS_MAX)
        return NULL;
    if (p->agent_count == p->agent_cap) {
        p->agent_cap = p->agent_cap ? 2 * p->agent_cap : 16;
        p->agents = mem_realloc(p->agents, p->agent_cap * sizeof(struct agent_seen *));
    }
    struct agent_seen *s = mem_new(struct agent_seen);
    s->arena = arena_new(0);
    s->location = arena_copy(s->arena, location);
    s->interval_ns = AGENT_KEEP_NS;
    p->agents[p->agent_count++] = s;
    return s;
}

bool state_is_unseen(const struct probe *p, const struct agent_seen *s)
{
    return clock_wall_ns(p->env.clock) - s->seen_ns > PROBE_UNSEEN_INTERVALS * s->interval_ns;
}

enum status state_agent_seen(struct probe *p, const struct probe_agent *agent, struct err *err)
{
    char value[2 * NUM_TEXT_BYTES_MAX];
    int n = 0;
    if (!check_name_is_valid(agent->location))
        return err_set(err, ST_INVALID, "location \"%.*s\": a name has 1 to %d of the characters A-Z a-z 0-9 space _ . : -",
                       SLICE_FMT(slice_sub(agent->location, 0, CHECK_NAME_BYTES_MAX)), CHECK_NAME_BYTES_MAX);
    if (slice_eq(agent->location, CHECK_LOCATION_LOCAL))
        return err_set(err, ST_INVALID, "location \"local\" is the server itself; give the agent another one");
    int64_t now_ns = clock_wall_ns(p->env.clock);
    mutex_lock(&p->lock);
    struct agent_seen *s = agent_of(p, agent->location);
    if (s) {
        s->seen_ns = now_ns;
        s->interval_ns = MAX(AGENT_INTERVAL_MIN_NS, MIN(agent->interval_ns, AGENT_INTERVAL_MAX_NS));
        s->queued = agent->queued;
        s->dropped = agent->dropped;
        s->missed = agent->missed;
        s->told = false;
        if (now_ns - s->kept_ns >= AGENT_KEEP_NS) {
            s->kept_ns = now_ns;
            n = snprintf(value, sizeof value, "%lld %lld", (long long)s->seen_ns, (long long)s->interval_ns);
        }
    }
    mutex_unlock(&p->lock);
    if (s == NULL)
        return err_set(err, ST_LIMIT, "agents report from %d locations already, which is the most", PROBE_AGENTS_MAX);
    struct arena *a = arena_new(0);
    struct err why;
    if (n && kv_put(p->env.kv, arena_printf(a, "%.*s%.*s", SLICE_FMT(agent_prefix), SLICE_FMT(agent->location)), slice_of(value, (size_t)n), &why))
        log_line(p->env.log, LOG_ERROR, "when an agent was seen is not kept", "error=\"%s\"", why.text);
    arena_free(a);
    return ST_OK;
}

/* ---- load and free ---- */

static void load_agent(struct probe *p, struct slice location, struct slice value)
{
    struct slice seen, interval;
    struct agent_seen *s = agent_of(p, location);
    int64_t seen_ns, interval_ns;
    if (s && slice_cut(value, ' ', &seen, &interval) && num_parse_i64(seen, &seen_ns) && num_parse_i64(interval, &interval_ns)) {
        s->seen_ns = s->kept_ns = seen_ns;
        s->interval_ns = interval_ns;
    }
}

enum status state_load(struct probe *p, struct err *err)
{
    struct arena *a = arena_new(0);
    struct kv_pair *pairs;
    size_t count;
    enum status st = kv_list(p->env.kv, last_prefix, a, &pairs, &count, err);
    for (size_t i = 0; !st && i < count; i++) {
        struct last_run *l = last_of(pairs[i].value);
        if (l && is_configured(p, &l->run)) {
            (void)adopt_last(p, l);
        } else if (l) {
            last_free(l);
            st = kv_delete(p->env.kv, pairs[i].key, err);
        } else {
            log_line(p->env.log, LOG_WARNING, "a kept result of a check does not read and is left out", "key=\"%.*s\"", SLICE_FMT(pairs[i].key));
        }
    }
    if (!st)
        st = kv_list(p->env.kv, agent_prefix, a, &pairs, &count, err);
    for (size_t i = 0; !st && i < count; i++)
        load_agent(p, slice_skip(pairs[i].key, agent_prefix.len), pairs[i].value);
    arena_free(a);
    return st;
}

void state_free(struct probe *p)
{
    for (size_t i = 0; i < p->last_count; i++)
        last_free(p->last[i]);
    for (size_t i = 0; i < p->agent_count; i++) {
        arena_free(p->agents[i]->arena);
        mem_free(p->agents[i]);
    }
    mem_free(p->last);
    mem_free(p->agents);
}
