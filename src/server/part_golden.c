/* SPDX-License-Identifier: Apache-2.0 */
/* `rules: {golden: true}`: the golden signals of services are recorded by rules of our own making, beside those of the
 * configuration. Once a minute the services are looked at; when that gives other rules, the evaluation is told as at a reload. A group that
 * is no longer found stays: a service that rests for an hour has not gone. The rules are kept in kv, so that a restart goes on
 * with them at once.
 *
 * `rules: {span_metrics: true}`: spans are counted as metrics, which such rules ask; a thread of its own hands them on.
 *
 * `lock` covers what the evaluation was given: a reload of the configuration and a change here do not meet. */
#include "api/golden_rules.h"
#include "alert/eval.h"
#include "alert/posted.h"
#include "logql/logql.h"
#include "pipeline/pipeline.h"
#include "promql/promql.h"
#include "server/state.h"
#include "traceql/traceql.h"

enum { RULES_BYTES_MAX = KV_VALUE_BYTES_MAX };
#define GOLDEN_FIRST_NS (2 * NS_S)
#define GOLDEN_EVERY_NS (60 * NS_S)

static const struct slice kv_key = SLICE_INIT("golden/rules");
static const struct query_lang *const langs[] = {&promql_lang, &logql_lang, &traceql_lang};

struct golden_keeper {
    struct server *server;
    struct thread *thread, *spans;
    struct mutex lock;
    struct cond wake;
    atomic_bool is_stopping;
    bool is_on;
    const struct rule_set *base; /* the configuration's */
    const struct rule_set *posted; /* those that came over an API */
    struct arena *joined;          /* of what is evaluated, as far as it is of several of them */
    struct arena *arena;         /* of mine */
    struct rule_set *mine;
    struct buf text;             /* of mine, as a file */
};

static enum status parse(struct arena *a, uint32_t features, struct slice text, struct rule_set **out, struct err *err)
{
    struct rule_reading r = {
        .arena = a, .langs = langs, .lang_count = COUNT_OF(langs), .interval_ns = RULE_INTERVAL_DEFAULT_NS, .features = features};
    struct yaml_node *root;
    struct rule_set *set = arena_new_of(a, struct rule_set);
    set->external_labels = SLICE_EMPTY;
    enum status st = yaml_parse(a, SLICE("golden signals"), arena_copy(a, text), &root, err);
    if (!st)
        st = rule_set_read(&r, root, true, set, err);
    *out = set;
    return st;
}

static bool has_group(const struct rule_set *set, struct slice name)
{
    for (size_t i = 0; i < set->group_count; i++)
        if (slice_eq(set->groups[i].name, name))
            return true;
    return false;
}

/* The groups of both; of base everything else. absent: only those of `more` whose name base does not have. */
static struct rule_set *join(struct arena *a, const struct rule_set *base, const struct rule_set *more, bool absent)
{
    struct rule_set *out = arena_new_of(a, struct rule_set);
    *out = *base;
    out->groups = arena_array(a, struct rule_group, base->group_count + more->group_count + 1);
    for (size_t i = 0; i < base->group_count; i++)
        out->groups[i] = base->groups[i];
    for (size_t i = 0; i < more->group_count; i++) {
        if (absent && has_group(base, more->groups[i].name))
            continue;
        out->groups[out->group_count++] = more->groups[i];
        out->rule_count += more->groups[i].rule_count;
    }
    return out;
}

/* What is to be evaluated, in k->joined. Under lock. */
static const struct rule_set *rules_of(struct golden_keeper *k)
{
    const struct rule_set *all = k->posted->group_count ? join(k->joined, k->base, k->posted, false) : k->base;
    return k->is_on && k->mine ? join(k->joined, all, k->mine, false) : all;
}

/* Under lock. */
static void hand_on(struct golden_keeper *k)
{
    struct arena *old = k->joined;
    k->joined = arena_new(0);
    alert_eval_reload(k->server->api.alerts, rules_of(k));
    arena_free(old);
}

/* found, a rule file, takes the place of what there was, whose other groups stay. *changed: it differs. Under lock. */
static enum status take(struct golden_keeper *k, struct slice found, bool *changed, struct arena **old, struct err *err)
{
    struct arena *a = arena_new(0);
    struct rule_set *set;
    struct buf text;
    *old = NULL;
    *changed = false;
    enum status st = parse(a, k->server->api.features, found, &set, err);
    if (!st && k->mine)
        set = join(a, set, rule_set_copy(a, k->mine), true);
    buf_init(&text, RULES_BYTES_MAX);
    if (!st)
        rule_set_format(set, &text);
    *changed = !st && !buf_over(&text) && !slice_eq(buf_as_slice(&text), buf_as_slice(&k->text));
    if (!*changed) {
        buf_free(&text);
        arena_free(a);
        return st;
    }
    buf_free(&k->text);
    k->text = text;
    *old = k->arena;
    k->arena = a;
    k->mine = set;
    return ST_OK;
}

static void look(struct golden_keeper *k)
{
    struct server *s = k->server;
    struct buf found;
    struct err err;
    struct arena *old = NULL;
    bool changed = false;
    buf_init(&found, RULES_BYTES_MAX);
    enum status st = golden_rules_text(&s->api, &k->is_stopping, &found, &err);
    mutex_lock(&k->lock);
    if (!st && k->is_on)
        st = take(k, buf_as_slice(&found), &changed, &old, &err);
    if (changed) {
        hand_on(k);
        st = kv_put(s->kv, kv_key, buf_as_slice(&k->text), &err);
        log_line(&s->log, LOG_INFO, "golden signals are recorded", "rules=%zu", k->mine->rule_count);
    }
    mutex_unlock(&k->lock);
    arena_free(old);
    buf_free(&found);
    if (st && st != ST_CANCELLED)
        log_line(&s->log, LOG_WARNING, "golden signals: the rules could not be made anew", "error=\"%s\"", err.text);
}

static void run(void *arg)
{
    struct golden_keeper *k = arg;
    int64_t wait_ns = GOLDEN_FIRST_NS;
    for (;;) {
        mutex_lock(&k->lock);
        if (!atomic_load(&k->is_stopping))
            cond_wait_ns(&k->wake, &k->lock, wait_ns);
        bool is_on = k->is_on;
        mutex_unlock(&k->lock);
        if (atomic_load(&k->is_stopping))
            return;
        wait_ns = GOLDEN_EVERY_NS;
        if (is_on)
            look(k);
    }
}

static void write_spans(struct golden_keeper *k)
{
    struct server *s = k->server;
    struct err err;
    if (span_metrics_write(pipeline_span_metrics(s->pipeline), clock_wall_ns(s->clock) / NS_MS, server_append, s, &err))
        log_line(&s->log, LOG_WARNING, "span metrics could not be stored", "error=\"%s\"", err.text);
}

static void run_spans(void *arg)
{
    struct golden_keeper *k = arg;
    int64_t next_ns = clock_mono_ns(k->server->clock) + SPAN_METRICS_INTERVAL_SECONDS * NS_S;
    while (!atomic_load(&k->is_stopping)) {
        int64_t wait_ns = next_ns - clock_mono_ns(k->server->clock);
        if (wait_ns <= 0) {
            write_spans(k);
            next_ns = clock_mono_ns(k->server->clock) + SPAN_METRICS_INTERVAL_SECONDS * NS_S;
            continue;
        }
        mutex_lock(&k->lock);
        if (!atomic_load(&k->is_stopping))
            cond_wait_ns(&k->wake, &k->lock, wait_ns);
        mutex_unlock(&k->lock);
    }
    write_spans(k); /* nobody sends any more */
}

const struct rule_set *golden_prepare(struct server *s)
{
    struct golden_keeper *k = s->golden_keeper = mem_new(struct golden_keeper);
    struct buf kept;
    struct err err;
    struct arena *old;
    bool changed;
    *k = (struct golden_keeper){.server = s, .base = s->config->rules, .is_on = s->config->golden_rules,
                               .posted = posted_rules_set(s->api.posted_rules), .joined = arena_new(0)};
    span_metrics_switch(pipeline_span_metrics(s->pipeline), s->config->rules->span_metrics);
    mutex_init(&k->lock);
    cond_init(&k->wake);
    buf_init(&k->text, RULES_BYTES_MAX);
    buf_init(&kept, RULES_BYTES_MAX);
    enum status st = kv_get(s->kv, kv_key, &kept, &err);
    if (!st)
        st = take(k, buf_as_slice(&kept), &changed, &old, &err);
    if (st && st != ST_NOT_FOUND)
        log_line(&s->log, LOG_WARNING, "golden signals: the kept rules could not be read and are made anew", "error=\"%s\"", err.text);
    buf_free(&kept);
    return rules_of(k);
}

enum status golden_run(struct server *s, struct err *err)
{
    enum status st = thread_start(&s->golden_keeper->thread, "golden-rules", run, s->golden_keeper, err);
    return st ? st : thread_start(&s->golden_keeper->spans, "span-metrics", run_spans, s->golden_keeper, err);
}

void golden_reload(struct server *s)
{
    struct golden_keeper *k = s->golden_keeper;
    mutex_lock(&k->lock);
    k->base = s->config->rules;
    k->is_on = s->config->golden_rules;
    span_metrics_switch(pipeline_span_metrics(s->pipeline), s->config->rules->span_metrics);
    hand_on(k);
    cond_broadcast(&k->wake);
    mutex_unlock(&k->lock);
}

void golden_posted(void *server, const struct rule_set *set)
{
    struct golden_keeper *k = ((struct server *)server)->golden_keeper;
    mutex_lock(&k->lock);
    k->posted = set;
    hand_on(k);
    mutex_unlock(&k->lock);
}

void golden_stop(struct server *s)
{
    struct golden_keeper *k = s->golden_keeper;
    if (k == NULL)
        return;
    mutex_lock(&k->lock);
    atomic_store(&k->is_stopping, true);
    cond_broadcast(&k->wake);
    mutex_unlock(&k->lock);
    thread_join(k->thread);
    thread_join(k->spans);
    k->thread = k->spans = NULL;
}

void golden_free(struct server *s)
{
    struct golden_keeper *k = s->golden_keeper;
    if (k == NULL)
        return;
    arena_free(k->arena);
    arena_free(k->joined);
    buf_free(&k->text);
    cond_destroy(&k->wake);
    mutex_destroy(&k->lock);
    mem_free(k);
    s->golden_keeper = NULL;
}
