/* SPDX-License-Identifier: Apache-2.0 */
/* What survives. Two kinds of values in kv:
 *
 *     alert/rule/ID    the alerts of a rule, written when one changes its state, before anybody is told
 *     alert/group/ID   the histories of a group's rules and when it was last evaluated, written every SAVE_EVERY_NS
 *
 * (1) A crash between a round and its write loses that round: the next one finds the same again.
 * (2) A crash between the write and the telling tells once more: resolved alerts are told after a restart.
 * (3) The time we were down counts for no `for`: pending alerts start as much later. After PENDING_KEPT_NS they start anew.
 * (4) A history belongs to an expression; when that changes it starts anew.
 *
 * Where kv knows nothing of a rule (a data folder without state.db), pending since when is read from the series
 * ALERTS_FOR_STATE, as Prometheus does. */
#include <stdio.h>

#include "alert/eval_parts.h"

enum { STATE_VERSION = 1, KEY_BYTES_MAX = 64, STATE_BYTES_MAX = KV_VALUE_BYTES_MAX };
#define PENDING_KEPT_NS (3600 * NS_S)
#define FOR_GRACE_NS    (600 * NS_S)

static struct slice key_of(char *to, const char *kind, uint64_t id)
{
    return slice_of(to, (size_t)snprintf(to, KEY_BYTES_MAX, "alert/%s/%016llx", kind, (unsigned long long)id));
}

enum status alert_state_save_rule(struct alert_eval *e, struct rule_state *s, struct err *err)
{
    char key[KEY_BYTES_MAX];
    struct buf b;
    buf_init(&b, STATE_BYTES_MAX);
    buf_u8(&b, STATE_VERSION);
    buf_zigzag(&b, s->last_ns);
    buf_varint(&b, s->count);
    for (size_t i = 0; i < s->count; i++) {
        const struct active *a = &s->alerts[i];
        buf_lenslice(&b, a->labels);
        buf_lenslice(&b, a->annotations);
        buf_u8(&b, (uint8_t)a->state);
        buf_zigzag(&b, a->active_ns);
        buf_zigzag(&b, a->fired_ns);
        buf_zigzag(&b, a->resolved_ns);
        buf_zigzag(&b, a->keep_since_ns);
        buf_u64(&b, double_bits(a->value));
    }
    enum status st = buf_over(&b)
                         ? err_set(err, ST_LIMIT, "the alerts of rule %.*s need over %d bytes", SLICE_FMT(s->rule->name), STATE_BYTES_MAX)
                         : kv_put(e->env.kv, key_of(key, "rule", s->rule->id), buf_as_slice(&b), err);
    buf_free(&b);
    if (!st)
        s->is_changed = false;
    return st;
}

enum status alert_state_forget(struct alert_eval *e, const struct rule_state *s, struct err *err)
{
    char key[KEY_BYTES_MAX];
    return kv_delete(e->env.kv, key_of(key, "rule", s->rule->id), err);
}

enum status alert_state_save_history(struct alert_eval *e, struct group_state *g, struct err *err)
{
    char key[KEY_BYTES_MAX];
    struct buf b;
    buf_init(&b, STATE_BYTES_MAX);
    buf_u8(&b, STATE_VERSION);
    buf_zigzag(&b, g->last_ns);
    buf_varint(&b, g->group->rule_count);
    for (size_t i = 0; i < g->group->rule_count; i++) {
        const struct rule_history *h = &g->rules[i].history;
        buf_u64(&b, g->rules[i].rule->id);
        buf_u64(&b, g->rules[i].rule->expr_hash);
        buf_zigzag(&b, h->first_ns);
        buf_zigzag(&b, h->last_ns);
        buf_varint(&b, h->evaluations);
        buf_varint(&b, h->failures);
        buf_varint(&b, h->fired);
        buf_zigzag(&b, h->last_fired_ns);
        buf_zigzag(&b, h->observed_ns);
        buf_zigzag(&b, h->firing_ns);
    }
    enum status st = buf_over(&b)
                         ? err_set(err, ST_LIMIT, "the histories of group %.*s need over %d bytes", SLICE_FMT(g->group->name), STATE_BYTES_MAX)
                         : kv_put(e->env.kv, key_of(key, "group", g->id), buf_as_slice(&b), err);
    buf_free(&b);
    return st;
}

/* ST_NOT_FOUND: nothing is saved. */
static enum status read_value(struct alert_eval *e, const char *kind, uint64_t id, struct buf *out, struct err *err)
{
    char key[KEY_BYTES_MAX];
    buf_init(out, STATE_BYTES_MAX);
    return kv_get(e->env.kv, key_of(key, kind, id), out, err);
}

static enum status load_history(struct alert_eval *e, struct group_state *g, struct err *err)
{
    struct buf b;
    enum status st = read_value(e, "group", g->id, &b, err);
    struct reader r = reader_of(buf_as_slice(&b));
    if (!st && read_u8(&r) == STATE_VERSION) {
        g->last_ns = read_zigzag(&r);
        for (uint64_t n = read_varint(&r); n > 0 && !r.bad; n--) {
            uint64_t id = read_u64(&r), expr = read_u64(&r);
            struct rule_history h = {0};
            h.first_ns = read_zigzag(&r);
            h.last_ns = read_zigzag(&r);
            h.evaluations = read_varint(&r);
            h.failures = read_varint(&r);
            h.fired = read_varint(&r);
            h.last_fired_ns = read_zigzag(&r);
            h.observed_ns = read_zigzag(&r);
            h.firing_ns = read_zigzag(&r);
            for (size_t i = 0; i < g->group->rule_count && !r.bad; i++)
                if (g->rules[i].rule->id == id && g->rules[i].rule->expr_hash == expr)
                    g->rules[i].history = h;
        }
    }
    buf_free(&b);
    return st == ST_NOT_FOUND ? ST_OK : st;
}

static void load_alert(struct rule_state *s, struct reader *r)
{
    struct slice labels = read_lenslice(r), annotations = read_lenslice(r);
    if (r->bad || !labels_check(labels) || !labels_check(annotations)) {
        r->bad = true;
        return;
    }
    struct active *a = active_add(s, labels, annotations);
    uint8_t state = read_u8(r);
    a->state = state <= ALERT_FIRING ? (enum alert_state)state : ALERT_INACTIVE;
    a->active_ns = read_zigzag(r);
    a->fired_ns = read_zigzag(r);
    a->resolved_ns = read_zigzag(r);
    a->keep_since_ns = read_zigzag(r);
    a->value = double_of_bits(read_u64(r));
}

/* (3) */
static void pass_downtime(struct rule_state *s, int64_t last_ns, int64_t now_ns, int64_t interval_ns)
{
    int64_t down_ns = now_ns - last_ns - interval_ns;
    size_t kept = 0;
    for (size_t i = 0; i < s->count; i++) {
        struct active a = s->alerts[i];
        if (a.state == ALERT_PENDING && down_ns > PENDING_KEPT_NS) {
            mem_free((void *)a.labels.ptr);
            mem_free((void *)a.annotations.ptr);
            continue;
        }
        if (a.state == ALERT_PENDING && down_ns > 0)
            a.active_ns += down_ns;
        if (a.keep_since_ns && down_ns > 0)
            a.keep_since_ns += down_ns;
        s->alerts[kept++] = a;
    }
    s->count = kept;
}

static enum status load_rule(struct alert_eval *e, struct group_state *g, struct rule_state *s, struct err *err)
{
    struct buf b;
    enum status st = read_value(e, "rule", s->rule->id, &b, err);
    struct reader r = reader_of(buf_as_slice(&b));
    if (!st && read_u8(&r) == STATE_VERSION) {
        int64_t last_ns = MAX(read_zigzag(&r), g->last_ns);
        for (uint64_t n = read_varint(&r); n > 0 && !r.bad && s->count < ALERT_ACTIVE_MAX; n--)
            load_alert(s, &r);
        s->is_loaded = !r.bad;
        pass_downtime(s, last_ns, clock_wall_ns(e->env.clock), g->group->interval_ns);
        round_series_of_alerts(s);
    }
    buf_free(&b);
    return st == ST_NOT_FOUND ? ST_OK : st;
}

enum status alert_state_load(struct alert_eval *e, struct group_state *g, struct err *err)
{
    enum status st = load_history(e, g, err);
    for (size_t i = 0; i < g->group->rule_count && !st; i++)
        if (g->rules[i].rule->kind == RULE_ALERT)
            st = load_rule(e, g, &g->rules[i], err);
    return st;
}

/* ---- ALERTS_FOR_STATE ---- */

/* Prometheus's rule: time down does not count, and who would fire at once waits FOR_GRACE_NS. */
static int64_t restored_start(int64_t active_ns, int64_t down_at_ns, int64_t for_ns, int64_t ts_ns)
{
    int64_t left_ns = for_ns - (down_at_ns - active_ns);
    if (left_ns <= 0)
        return active_ns;
    if (left_ns < FOR_GRACE_NS)
        return ts_ns + FOR_GRACE_NS - for_ns;
    return active_ns + (ts_ns - down_at_ns);
}

static void restore_alert(struct rule_state *s, struct arena *a, const struct series_samples *found, int64_t ts_ns)
{
    static const struct slice name[] = {SLICE_INIT("__name__")};
    struct slice labels = labels_without(a, found->labels, name, 1);
    /* Whoever may write could have written it: a time, or nothing. */
    if (found->n == 0 || !(found->v[found->n - 1] >= 0 && found->v[found->n - 1] <= (double)(ts_ns / NS_S)))
        return;
    for (size_t i = 0; i < s->count; i++) {
        if (s->alerts[i].state != ALERT_PENDING || !slice_eq(s->alerts[i].labels, labels))
            continue;
        s->alerts[i].active_ns =
            restored_start((int64_t)(found->v[found->n - 1] * 1e3) * NS_MS, found->t_ms[found->n - 1] * NS_MS, s->rule->for_ns, ts_ns);
        s->is_changed = true;
    }
}

enum status alert_state_from_series(struct alert_eval *e, struct rule_state *s, int64_t ts_ns, struct err *err)
{
    struct matcher matchers[2];
    struct engine_ctx ctx;
    struct samples_iter *it;
    struct series_samples found;
    if (s->rule->for_ns < FOR_GRACE_NS)
        return ST_OK;
    enum status st = matcher_init(&matchers[0], MATCH_EQ, SLICE("__name__"), SLICE("ALERTS_FOR_STATE"), err);
    if (st)
        return st;
    st = matcher_init(&matchers[1], MATCH_EQ, SLICE("alertname"), s->rule->name, err);
    if (st) {
        matcher_destroy(&matchers[0]);
        return st;
    }
    struct arena *a = arena_new(ALERT_QUERY_BYTES_MAX);
    engine_ctx_init(&ctx, &e->env.tenant, 1, e->env.clock);
    /* The round that runs has not written yet, so what is found is of before. */
    struct samples_query q = {.start_ms = (ts_ns - PENDING_KEPT_NS) / NS_MS,
                              .end_ms = ts_ns / NS_MS - 1,
                              .matchers = matchers,
                              .matcher_count = 2,
                              .mode = SAMPLES_LAST,
                              .series_max = ALERT_ACTIVE_MAX};
    st = e->env.engine->ops->samples(e->env.engine, &ctx, &q, &it, err);
    if (!st) {
        while ((st = it->ops->next(it, &found, err)) == ST_OK)
            restore_alert(s, a, &found, ts_ns);
        it->ops->close(it);
    }
    engine_ctx_free(&ctx);
    arena_free(a);
    for (size_t i = 0; i < COUNT_OF(matchers); i++)
        matcher_destroy(&matchers[i]);
    return st == ST_NOT_FOUND ? ST_OK : st;
}
