/* SPDX-License-Identifier: Apache-2.0 */
/* The history of recording rules that are new: what they would have recorded before somebody wrote them.
 *
 * A rule is new when this store has not seen its name, labels and expression before (kv, alert/backfill/ID). Its expression is
 * then evaluated over the set's `backfill` before its first round, at the times its rounds would have had, oldest first. A
 * piece is one range query of some steps, under a budget much smaller than a rule's; its results are appended, then the place
 * is saved, so a crash repeats at most one piece, which finds its own samples and writes none twice. Nothing is written within
 * less than an interval of a sample that is there. A series that ends gets a stale mark, as in a round.
 *
 * A piece that fails is tried again with half the steps; a single step that fails is counted and left out, and after
 * FAILED_IN_ROW_MAX of those the rest of the history is. A rule that asks for what another unfinished one records waits for it.
 *
 * A thread of its own, that rests as long as it worked. Jobs are read and changed under `lock`; the piece itself runs without
 * it on what never changes of a job. */
#include <stdio.h>

#include "alert/eval_parts.h"
#include "model/histogram.h"

enum {
    STATE_VERSION = 1,
    KEY_BYTES_MAX = 64,
    STATE_BYTES_MAX = 256,
    STEPS_FIRST = 60,
    BACKFILL_STEPS_MAX = 1000,  /* of one piece */
    BACKFILL_SAMPLES_MAX = 5 * 1000 * 1000,
    BACKFILL_BYTES_MAX = 64 * MIB,
    BACKFILL_SECONDS_MAX = 10,
    FAILED_IN_ROW_MAX = 20,
    CANDIDATES_MAX = 100        /* looked at for one that waits for no other */
};
#define QUICK_NS       (NS_S / 4) /* a piece that took less: twice the steps next time */
#define SLOW_NS        NS_S       /* more: half of them */
#define REST_MIN_NS    (20 * NS_MS)
#define REST_MAX_NS    (5 * NS_S)
#define LOOK_AGAIN_NS  NS_S

struct backfill_job {
    struct arena *arena; /* of rule */
    struct rule rule;    /* without annotations and templates */
    uint64_t key;
    int64_t interval_ns, query_offset_ns;
    size_t limit;
    /* Under lock. */
    int64_t from_ns, next_ns, end_ns; /* next: the first step not yet done; end: the first round's, the last step */
    uint64_t samples, failures;
    size_t steps, failed_in_row;
    bool is_done, is_gone;
    char error[ERR_TEXT_BYTES_MAX];
};

/* ---- what is kept ---- */

static struct slice key_of(char *to, uint64_t key)
{
    return slice_of(to, (size_t)snprintf(to, KEY_BYTES_MAX, "alert/backfill/%016llx", (unsigned long long)key));
}

static enum status job_save(struct alert_eval *e, const struct backfill_job *j, struct err *err)
{
    char key[KEY_BYTES_MAX];
    struct buf b;
    buf_init(&b, STATE_BYTES_MAX);
    buf_u8(&b, STATE_VERSION);
    buf_zigzag(&b, j->from_ns);
    buf_zigzag(&b, j->next_ns);
    buf_zigzag(&b, j->end_ns);
    buf_varint(&b, j->samples);
    buf_varint(&b, j->failures);
    buf_u8(&b, j->is_done);
    enum status st = kv_put(e->env.kv, key_of(key, j->key), buf_as_slice(&b), err);
    buf_free(&b);
    return st;
}

/* ST_NOT_FOUND: the rule is new. */
static enum status job_load(struct alert_eval *e, struct backfill_job *j, struct err *err)
{
    char key[KEY_BYTES_MAX];
    struct buf b;
    buf_init(&b, STATE_BYTES_MAX);
    enum status st = kv_get(e->env.kv, key_of(key, j->key), &b, err);
    if (!st) {
        struct reader r = reader_of(buf_as_slice(&b));
        bool is_ours = read_u8(&r) == STATE_VERSION;
        j->from_ns = read_zigzag(&r);
        j->next_ns = read_zigzag(&r);
        j->end_ns = read_zigzag(&r);
        j->samples = read_varint(&r);
        j->failures = read_varint(&r);
        j->is_done = read_u8(&r) != 0;
        if (!is_ours || r.bad || j->next_ns < j->from_ns)
            j->is_done = true; /* nothing is known of it: it is not done twice */
    }
    buf_free(&b);
    return st;
}

static void on_state_error(struct alert_eval *e, const struct err *err)
{
    stoa_add(e->state_errors, 1, NULL);
    log_line(e->env.log, LOG_ERROR, "the state of a rule's backfill is not kept", "error=\"%s\"", err->text);
}

/* ---- jobs ---- */

static uint64_t key_of_rule(const struct rule *r)
{
    struct buf b;
    buf_init(&b, 0);
    buf_lenslice(&b, r->name);
    buf_lenslice(&b, r->expr);
    for (size_t i = 0; i < r->label_count; i++) {
        buf_lenslice(&b, r->labels[i].name);
        buf_lenslice(&b, r->labels[i].text);
    }
    uint64_t key = hash64(buf_as_slice(&b), 0);
    buf_free(&b);
    return key;
}

static struct backfill_job *job_new(const struct rule *r, const struct rule_group *g, uint64_t key)
{
    struct arena *a = arena_new(0);
    struct backfill_job *j = mem_new(struct backfill_job);
    *j = (struct backfill_job){ .arena = a, .rule = *r, .key = key, .interval_ns = g->interval_ns, .query_offset_ns = g->query_offset_ns,
                                .limit = g->limit, .steps = STEPS_FIRST };
    j->rule.name = arena_copy(a, r->name);
    j->rule.expr = arena_copy(a, r->expr);
    j->rule.labels = arena_array(a, struct rule_text, r->label_count + 1);
    for (size_t i = 0; i < r->label_count; i++)
        j->rule.labels[i] = (struct rule_text){ .name = arena_copy(a, r->labels[i].name), .text = arena_copy(a, r->labels[i].text) };
    j->rule.annotations = NULL;
    j->rule.annotation_count = 0;
    return j;
}

static void job_free(struct backfill_job *j)
{
    arena_free(j->arena);
    mem_free(j);
}

/* The job of a rule that no job is for yet. */
static struct backfill_job *job_make(struct alert_eval *e, const struct group_state *g, const struct rule *r, uint64_t key)
{
    struct backfill_job *j = job_new(r, g->group, key);
    struct err err;
    enum status st = job_load(e, j, &err);
    if (st == ST_NOT_FOUND) {
        j->end_ns = g->next_ns;
        j->from_ns = j->next_ns = j->end_ns - e->set->backfill_ns / j->interval_ns * j->interval_ns;
        j->is_done = j->from_ns < 0;
        st = job_save(e, j, &err);
    }
    if (st) {
        on_state_error(e, &err);
        j->is_done = true;
    }
    return j;
}

/* The job of each recording rule in the order of the groups: of `old` where it stays, else new; NULL for other rules. *list has
 * each once. */
static struct backfill_job **jobs_make(struct alert_eval *e, const struct map *old, struct map *fresh, struct backfill_job **list, size_t *count)
{
    struct backfill_job **of_rules = mem_zalloc((e->set->rule_count + 1) * sizeof *of_rules);
    size_t n = 0;
    for (size_t i = 0; i < e->group_count; i++) {
        struct group_state *g = &e->groups[i];
        for (size_t k = 0; k < g->group->rule_count; k++, n++) {
            const struct rule *r = g->rules[k].rule;
            if (r->kind != RULE_RECORD || r->lang->range == NULL || e->set->backfill_ns < g->group->interval_ns)
                continue;
            uint64_t key = key_of_rule(r), *at = map_get(fresh, slice_of((const char *)&key, sizeof key));
            if (at == NULL) {
                uint64_t *before = map_get(old, slice_of((const char *)&key, sizeof key));
                struct backfill_job *j = before ? (struct backfill_job *)(uintptr_t)*before : job_make(e, g, r, key);
                list[(*count)++] = j;
                at = map_put(fresh, slice_of((const char *)&j->key, sizeof j->key), NULL);
                *at = (uint64_t)(uintptr_t)j;
            }
            of_rules[n] = (struct backfill_job *)(uintptr_t)*at;
        }
    }
    return of_rules;
}

static void map_jobs(struct map *m, struct backfill_job **list, size_t count)
{
    map_init(m);
    for (size_t i = 0; i < count; i++)
        *map_put(m, slice_of((const char *)&list[i]->key, sizeof list[i]->key), NULL) = (uint64_t)(uintptr_t)list[i];
}

void backfill_sync(struct alert_eval *e)
{
    struct map old, fresh;
    struct err err;
    size_t count = 0, n = 0;
    struct backfill_job **list = mem_zalloc((e->set->rule_count + 1) * sizeof *list), **before = e->jobs;
    map_jobs(&old, e->jobs, e->job_count);
    map_init(&fresh);
    bool held = kv_hold(e->env.kv, &err) == ST_OK; /* so that many new rules are one write */
    struct backfill_job **of_rules = jobs_make(e, &old, &fresh, list, &count);
    if (held && kv_release(e->env.kv, true, &err))
        on_state_error(e, &err);
    mutex_lock(&e->lock);
    for (size_t i = 0; i < e->group_count; i++)
        for (size_t k = 0; k < e->groups[i].group->rule_count; k++)
            e->groups[i].rules[k].backfill = of_rules[n++];
    for (size_t i = 0; i < e->job_count; i++) {
        struct backfill_job *j = e->jobs[i];
        if (map_get(&fresh, slice_of((const char *)&j->key, sizeof j->key)))
            continue;
        if (j == e->job_running)
            j->is_gone = true;
        else
            job_free(j);
    }
    e->jobs = list;
    e->job_count = count;
    cond_broadcast(&e->wake);
    mutex_unlock(&e->lock);
    map_free(&old);
    map_free(&fresh);
    mem_free(before);
    mem_free(of_rules);
}

void backfill_free(struct alert_eval *e)
{
    for (size_t i = 0; i < e->job_count; i++)
        job_free(e->jobs[i]);
    mem_free(e->jobs);
}

void backfill_view(const struct backfill_job *j, struct arena *a, struct rule_backfill *out)
{
    *out = (struct rule_backfill){ .error = SLICE_EMPTY };
    if (j == NULL)
        return;
    *out = (struct rule_backfill){ true, j->is_done, j->from_ns, j->next_ns, j->end_ns, j->samples, j->failures, arena_copy(a, slice_str(j->error)) };
}

/* ---- one piece ---- */

/* What is worked on, without the lock. Steps count from start_ns; step 0 was the last of the piece before when has_before. */
struct piece {
    struct alert_eval *e;
    const struct backfill_job *job;
    struct arena *arena;
    int64_t start_ns;
    size_t steps;
    bool has_before;
    struct map index;     /* labels -> place in rows */
    struct piece_row *rows;
    size_t row_count, row_cap, samples;
};
struct piece_row {
    struct slice labels;
    double *v;
    bool *is_there, *is_taken; /* taken: a sample is near in the store */
};

static bool on_cancelled(void *arg)
{
    return atomic_load(&((struct alert_eval *)arg)->is_stopping);
}

static void piece_ctx(struct piece *p, struct engine_ctx *ctx)
{
    engine_ctx_init(ctx, &p->e->env.tenant, 1, p->e->env.clock);
    ctx->deadline_mono_ns = clock_mono_ns(p->e->env.clock) + BACKFILL_SECONDS_MAX * NS_S;
    ctx->samples_max = BACKFILL_SAMPLES_MAX;
    ctx->is_cancelled = on_cancelled;
    ctx->cancel_arg = p->e;
}

static struct piece_row *row_of(struct piece *p, struct slice labels)
{
    bool added;
    uint64_t *at = map_put(&p->index, labels, &added);
    if (!added)
        return &p->rows[*at];
    *at = p->row_count;
    struct piece_row *row = &ARENA_PUSH(p->arena, p->rows, p->row_count, p->row_cap);
    *row = (struct piece_row){ labels, arena_array(p->arena, double, p->steps), arena_array(p->arena, bool, p->steps),
                               arena_array(p->arena, bool, p->steps) };
    for (size_t i = 0; i < p->steps; i++)
        row->is_there[i] = row->is_taken[i] = false;
    return row;
}

static enum status put_series(struct piece *p, const struct value_series *s, struct err *err)
{
    struct round r = { .e = p->e, .arena = p->arena };
    int64_t interval_ms = p->job->interval_ns / NS_MS, start_ms = (p->start_ns - p->job->query_offset_ns) / NS_MS;
    struct slice labels;
    enum status st = round_labels(&r, &p->job->rule, s->labels, 0, &labels, err);
    if (st)
        return st;
    struct piece_row *row = row_of(p, labels);
    for (size_t i = 0; i < s->n; i++) {
        int64_t at = (s->t_ms[i] - start_ms) / interval_ms;
        if (at < 0 || (size_t)at >= p->steps)
            continue;
        if (row->is_there[at])
            return err_set(err, ST_INVALID, "vector contains metrics with the same labelset after applying rule labels");
        row->is_there[at] = true;
        row->v[at] = s->v[i];
    }
    return ST_OK;
}

/* What the default is for a rule's own evaluations: a range of some languages would look back by its step. */
#define LOOKBACK_NS (300 * NS_S)

static enum status piece_ask(struct piece *p, struct err *err)
{
    const struct backfill_job *j = p->job;
    struct engine_ctx ctx;
    struct value v = { 0 };
    piece_ctx(p, &ctx);
    struct query_env env = { .engine = p->e->env.engine, .ctx = &ctx, .result = p->arena };
    struct query_params q = { .start_ns = p->start_ns - j->query_offset_ns, .step_ns = j->interval_ns, .lookback_ns = LOOKBACK_NS,
                              .features = p->e->env.features };
    q.end_ns = q.start_ns + (int64_t)(p->steps - 1) * j->interval_ns;
    buf_init(&env.infos, 64 * KIB);
    enum status st = j->rule.lang->range(&env, j->rule.expr, &q, &v, err);
    for (size_t i = 0; i < v.series_count && !st; i++)
        st = put_series(p, &v.series[i], err);
    for (size_t k = 0; k < p->steps && !st && j->limit; k++) {
        size_t n = 0;
        for (size_t i = 0; i < p->row_count; i++)
            n += p->rows[i].is_there[k];
        if (n > j->limit)
            st = err_set(err, ST_LIMIT, "exceeded limit of %zu with %zu series", j->limit, n);
    }
    if (!st && arena_over(p->arena))
        st = err_set(err, ST_LIMIT, "the result needs over %d bytes", BACKFILL_BYTES_MAX);
    buf_free(&env.infos);
    engine_ctx_free(&ctx);
    return st;
}

/* Steps with a sample of the store within less than an interval. */
static void take_steps(struct piece *p, const struct series_samples *s)
{
    uint64_t *at = map_get(&p->index, s->labels);
    int64_t interval_ms = p->job->interval_ns / NS_MS, start_ms = p->start_ns / NS_MS;
    if (at == NULL)
        return;
    for (size_t i = 0; i < s->n; i++) {
        int64_t low = (s->t_ms[i] - start_ms) / interval_ms;
        for (int64_t k = low - 1; k <= low + 1; k++) {
            int64_t apart = s->t_ms[i] - (start_ms + k * interval_ms);
            if (k >= 0 && (size_t)k < p->steps && apart < interval_ms && apart > -interval_ms)
                p->rows[*at].is_taken[k] = true;
        }
    }
}

static enum status piece_look(struct piece *p, struct err *err)
{
    struct engine_ctx ctx;
    struct samples_iter *it;
    struct series_samples s;
    struct matcher m;
    if (p->row_count == 0)
        return ST_OK;
    enum status st = matcher_init(&m, MATCH_EQ, SLICE("__name__"), p->job->rule.name, err);
    if (st)
        return st;
    piece_ctx(p, &ctx);
    struct samples_query q = { .start_ms = (p->start_ns - p->job->interval_ns) / NS_MS, .matchers = &m, .matcher_count = 1, .mode = SAMPLES_RAW };
    q.end_ms = (p->start_ns + (int64_t)p->steps * p->job->interval_ns) / NS_MS;
    st = p->e->env.engine->ops->samples(p->e->env.engine, &ctx, &q, &it, err);
    if (!st) {
        while ((st = it->ops->next(it, &s, err)) == ST_OK)
            take_steps(p, &s);
        st = st == ST_NOT_FOUND ? ST_OK : st;
        it->ops->close(it);
    }
    engine_ctx_free(&ctx);
    matcher_destroy(&m);
    return st;
}

static void put_row(struct piece *p, struct batch *b, const struct piece_row *row)
{
    bool begun = false;
    for (size_t k = p->has_before; k < p->steps; k++) {
        bool ends = !row->is_there[k] && k > 0 && row->is_there[k - 1] && (!row->is_taken[k - 1] || (k == 1 && p->has_before));
        if (row->is_taken[k] || (!row->is_there[k] && !ends))
            continue;
        int64_t t_ms = (p->start_ns + (int64_t)k * p->job->interval_ns) / NS_MS;
        if (!begun)
            batch_series(b, arena_copy(b->arena, row->labels));
        begun = true;
        if (ends)
            batch_sample(b, t_ms, double_of_bits(STALE_NAN_BITS));
        else if (is_histogram(row->v[k]))
            batch_histogram(b, t_ms, histogram_copy(b->arena, histogram_unbox(row->v[k])));
        else
            batch_sample(b, t_ms, row->v[k]);
        p->samples++;
    }
}

static enum status piece_run(struct piece *p, bool *appends, struct err *err)
{
    *appends = false;
    enum status st = piece_ask(p, err);
    if (!st)
        st = piece_look(p, err);
    if (st)
        return st;
    struct batch *b = batch_new(0);
    b->tenant = arena_copy(b->arena, p->e->env.tenant);
    b->received_ns = clock_wall_ns(p->e->env.clock);
    for (size_t i = 0; i < p->row_count; i++)
        put_row(p, b, &p->rows[i]);
    if (p->samples == 0) {
        batch_drop(b);
        return ST_OK;
    }
    *appends = true;
    return p->e->env.append(p->e->env.arg, b, err);
}

/* ---- whose turn it is ---- */

/* Rounds up to now less an interval are over: what they recorded is seen. */
static size_t steps_ready(const struct alert_eval *e, const struct backfill_job *j)
{
    int64_t until_ns = MIN(j->end_ns, clock_wall_ns(e->env.clock) - j->interval_ns);
    return j->is_done || until_ns < j->next_ns ? 0 : (size_t)((until_ns - j->next_ns) / j->interval_ns) + 1;
}

/* Whether it asks for what another records whose history is not whole yet. */
static bool waits(const struct alert_eval *e, const struct backfill_job *j)
{
    for (size_t i = 0; i < e->job_count; i++) {
        const struct backfill_job *other = e->jobs[i];
        if (other != j && steps_ready(e, other) && other->next_ns <= j->next_ns && slice_contains(j->rule.expr, other->rule.name))
            return true;
    }
    return false;
}

/* NULL: nothing to do now. Counts what is left. */
static struct backfill_job *job_next(struct alert_eval *e, size_t *left)
{
    struct backfill_job *first = NULL;
    size_t looked = 0;
    *left = 0;
    for (size_t i = 0; i < e->job_count; i++)
        *left += !e->jobs[i]->is_done;
    for (size_t i = 0; i < e->job_count && looked < CANDIDATES_MAX; i++) {
        struct backfill_job *j = e->jobs[i];
        if (steps_ready(e, j) == 0)
            continue;
        looked++;
        if (!waits(e, j))
            return j;
        first = first ? first : j;
    }
    return first;
}

/* What a piece did, into its job. Under lock. */
static void job_advance(struct alert_eval *e, struct backfill_job *j, const struct piece *p, size_t steps, enum status st, int64_t took_ns,
                        const struct err *err)
{
    memcpy(j->error, st ? err->text : "", st ? sizeof j->error : 1);
    if (st && steps > 1) {
        j->steps = steps / 2;
        return;
    }
    j->next_ns += (int64_t)steps * j->interval_ns;
    j->failures += st != ST_OK;
    j->failed_in_row = st ? j->failed_in_row + 1 : 0;
    j->is_done = j->next_ns > j->end_ns || j->failed_in_row > FAILED_IN_ROW_MAX;
    if (st) {
        stoa_add(e->backfill_failures, 1, NULL);
        return;
    }
    j->samples += p->samples;
    stoa_add(e->backfill_samples, (double)p->samples, NULL);
    if (took_ns < QUICK_NS && steps >= j->steps)
        j->steps = MIN(j->steps * 2, (size_t)BACKFILL_STEPS_MAX);
    else if (took_ns > SLOW_NS)
        j->steps = MAX(j->steps / 2, (size_t)1);
}

static void piece_end(struct alert_eval *e, struct backfill_job *j, const struct piece *p, size_t steps, enum status st, bool appends,
                      int64_t took_ns, struct err *err)
{
    struct err save_err;
    mutex_lock(&e->lock);
    e->job_running = NULL;
    bool is_lost = st && appends, is_gone = j->is_gone;
    if (is_lost)
        memcpy(j->error, err->text, sizeof j->error); /* the store does not take it now: the same again later */
    else if (st != ST_CANCELLED)
        job_advance(e, j, p, steps, st, took_ns, err);
    if (!is_gone && !is_lost && st != ST_CANCELLED && job_save(e, j, &save_err))
        on_state_error(e, &save_err);
    bool gave_up = j->is_done && st != ST_OK && st != ST_CANCELLED;
    mutex_unlock(&e->lock);
    if (gave_up)
        log_line(e->env.log, LOG_WARNING, "the history of a rule is not filled any further", "rule=\"%.*s\" error=\"%s\"", SLICE_FMT(j->rule.name),
                 err->text);
    if (is_gone)
        job_free(j);
}

int64_t alert_backfill_step(struct alert_eval *e)
{
    size_t left, steps;
    mutex_lock(&e->lock);
    struct backfill_job *j = e->job_running = job_next(e, &left);
    stoa_set(e->backfill_left, (double)left, NULL);
    if (j == NULL) {
        mutex_unlock(&e->lock);
        return LOOK_AGAIN_NS;
    }
    steps = MIN(j->steps, steps_ready(e, j));
    struct piece p = { .e = e, .job = j, .arena = arena_new(BACKFILL_BYTES_MAX), .has_before = j->next_ns > j->from_ns };
    p.start_ns = j->next_ns - (p.has_before ? j->interval_ns : 0);
    p.steps = steps + p.has_before;
    mutex_unlock(&e->lock);
    struct err err = { .text = "" };
    bool appends;
    int64_t start_ns = clock_mono_ns(e->env.clock);
    map_init(&p.index);
    enum status st = piece_run(&p, &appends, &err);
    int64_t took_ns = clock_mono_ns(e->env.clock) - start_ns;
    map_free(&p.index);
    piece_end(e, j, &p, steps, st, appends, took_ns, &err);
    arena_free(p.arena);
    return st && appends ? REST_MAX_NS : MIN(MAX(took_ns, REST_MIN_NS), REST_MAX_NS);
}

void backfill_run(void *arg)
{
    struct alert_eval *e = arg;
    while (!atomic_load(&e->is_stopping)) {
        int64_t wait_ns = alert_backfill_step(e);
        mutex_lock(&e->lock);
        if (!atomic_load(&e->is_stopping))
            cond_wait_ns(&e->wake, &e->lock, wait_ns);
        mutex_unlock(&e->lock);
    }
}
