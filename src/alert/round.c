/* SPDX-License-Identifier: Apache-2.0 */
/* One rule at one time: ask, turn the answer into labels and samples, hand alerts on.
 *
 * A recording rule gives one sample a result; an alerting rule ALERTS{alertstate=...} 1 and ALERTS_FOR_STATE (active since, in
 * seconds) for each alert that is not inactive. A series written in the last round and not in this one gets a stale mark. A
 * rule whose query fails writes nothing and keeps its alerts as they are, as Prometheus does.
 *
 * Samples of a group gather in one batch; it is appended before a rule that asks for what an earlier one recorded. */
#include <stdlib.h>

#include "alert/eval_parts.h"
#include "base/utf8.h"
#include "codec/url.h"
#include "model/histogram.h"

enum { ANNOTATION_BYTES_MAX = 16 * KIB, ROUND_BATCH_BYTES_MAX = 256 * MIB, ROUND_BATCH_ROWS_MAX = 100 * 1000 };

struct asking {
    struct alert_eval *e;
    struct arena *arena;
    int64_t t_ns;
};

/* ---- queries ---- */

/* A server that stops does not wait for a query. */
static bool on_cancelled(void *arg)
{
    return atomic_load(&((struct alert_eval *)arg)->is_stopping);
}

static enum status ask(struct alert_eval *e, struct arena *a, const struct query_lang *lang, struct slice text, int64_t t_ns, struct value *out,
                       struct err *err)
{
    struct engine_ctx ctx;
    engine_ctx_init(&ctx, &e->env.tenant, 1, e->env.clock);
    ctx.deadline_mono_ns = clock_mono_ns(e->env.clock) + ALERT_QUERY_SECONDS_MAX * NS_S;
    ctx.samples_max = ALERT_QUERY_SAMPLES_MAX;
    ctx.is_cancelled = on_cancelled;
    ctx.cancel_arg = e;
    struct query_env env = {.engine = e->env.engine, .ctx = &ctx, .result = a};
    struct query_params p = {.start_ns = t_ns, .end_ns = t_ns, .features = e->env.features};
    buf_init(&env.infos, 64 * KIB);
    *out = (struct value){0};
    enum status st = lang->instant(&env, text, &p, out, err);
    if (!st && arena_over(a))
        st = err_set(err, ST_LIMIT, "the result needs over %d bytes", ALERT_QUERY_BYTES_MAX);
    buf_free(&env.infos);
    engine_ctx_free(&ctx);
    return st;
}

/* What a text may say of a value: a histogram counts as 0, as in Prometheus. */
static double number_of(double v)
{
    return is_histogram(v) ? 0 : v;
}

/* The function `query` of templates. */
static enum status on_query(void *arg, struct slice text, struct gotmpl_value *out, struct err *err)
{
    struct asking *q = arg;
    struct value v;
    enum status st = ask(q->e, q->arena, q->e->env.langs[0], text, q->t_ns, &v, err);
    if (st)
        return st;
    size_t n = v.type == VALUE_VECTOR ? v.series_count : v.type == VALUE_SCALAR;
    struct gotmpl_value *items = arena_array(q->arena, struct gotmpl_value, n + 1);
    for (size_t i = 0; i < n; i++)
        items[i] = v.type == VALUE_SCALAR ? gotmpl_sample(q->arena, SLICE_EMPTY, v.scalar.v)
                                          : gotmpl_sample(q->arena, v.series[i].labels, v.series[i].n ? number_of(v.series[i].v[0]) : 0);
    *out = (struct gotmpl_value){.type = GOTMPL_LIST, .items = items, .count = n};
    return ST_OK;
}

/* ---- labels and texts ---- */

/* A template's text, or what went wrong in its place: an alert must go out in any case. */
static struct slice expand(struct round *r, const struct rule_text *t, struct slice labels, double value)
{
    static const struct slice keys[] = {SLICE_INIT("Labels"), SLICE_INIT("ExternalLabels"), SLICE_INIT("ExternalURL"), SLICE_INIT("Value")};
    struct gotmpl_value items[RULE_VARIABLES] = {gotmpl_labels(labels), gotmpl_labels(r->e->set->external_labels),
                                                 gotmpl_text(r->e->env.external_url), gotmpl_float(value)};
    struct gotmpl_variable variables[RULE_VARIABLES];
    struct asking asking = {r->e, r->arena, r->ts_ns - r->g->group->query_offset_ns};
    struct buf out;
    struct err err;
    if (gotmpl_is_plain(t->tmpl))
        return t->text;
    for (size_t i = 0; i < RULE_VARIABLES; i++)
        variables[i] = (struct gotmpl_variable){rule_variables[i], items[i]};
    struct gotmpl_env env = {.arena = r->arena,
                             .dot = {.type = GOTMPL_MAP, .items = items, .keys = keys, .count = COUNT_OF(keys)},
                             .variables = variables,
                             .variable_count = RULE_VARIABLES,
                             .external_url = r->e->env.external_url,
                             .query = on_query,
                             .arg = &asking};
    buf_init(&out, ANNOTATION_BYTES_MAX);
    struct slice text = gotmpl_run(t->tmpl, &env, &out, &err) ? arena_printf(r->arena, "<error expanding template: %s>", err.text)
                                                              : arena_copy(r->arena, buf_as_slice(&out));
    buf_free(&out);
    return text;
}

static size_t label_put(struct label *list, size_t n, struct slice name, struct slice value)
{
    size_t i = 0;
    while (i < n && !slice_eq(list[i].name, name))
        i++;
    list[i] = (struct label){name, value};
    return MAX(n, i + 1);
}

/* Of the element `from`: its labels with the rule's, and name as alertname or __name__. */
enum status round_labels(struct round *r, const struct rule *rule, struct slice from, double value, struct slice *out, struct err *err)
{
    struct slice rest = from;
    struct label *list = arena_array(r->arena, struct label, labels_count(from) + rule->label_count + 2), l;
    bool is_alert = rule->kind == RULE_ALERT;
    size_t n = 0;
    while (labels_next(&rest, &l))
        if (!slice_eq(l.name, SLICE("__name__")))
            list[n++] = l;
    for (size_t i = 0; i < rule->label_count; i++)
        n = label_put(list, n, rule->labels[i].name, is_alert ? expand(r, &rule->labels[i], from, value) : rule->labels[i].text);
    n = label_put(list, n, is_alert ? SLICE("alertname") : SLICE("__name__"), rule->name);
    return labels_build(r->arena, list, n, out, err);
}

static enum status annotations_make(struct round *r, const struct rule *rule, struct slice from, double value, struct slice *out,
                                    struct err *err)
{
    struct label *list = arena_array(r->arena, struct label, rule->annotation_count + 1);
    for (size_t i = 0; i < rule->annotation_count; i++)
        list[i] = (struct label){rule->annotations[i].name, utf8_cut(expand(r, &rule->annotations[i], from, value), LABEL_VALUE_BYTES_MAX)};
    return labels_build(r->arena, list, rule->annotation_count, out, err);
}

static int by_labels(const void *a, const void *b)
{
    return slice_cmp(((const struct result *)a)->labels, ((const struct result *)b)->labels);
}

/* The answer as results, each label set once. */
static enum status results_make(struct round *r, const struct rule *rule, const struct value *v, struct result **out, size_t *count,
                                struct err *err)
{
    size_t n = v->type == VALUE_SCALAR ? 1 : v->series_count;
    struct result *list = arena_array(r->arena, struct result, n + 1);
    size_t max = r->g->group->limit ? r->g->group->limit : rule->kind == RULE_ALERT ? ALERT_ACTIVE_MAX : SIZE_MAX;
    if (n > max)
        return err_set(err, ST_LIMIT, "exceeded limit of %zu with %zu %s", max, n, rule->kind == RULE_ALERT ? "alerts" : "series");
    for (size_t i = 0; i < n; i++) {
        bool is_scalar = v->type == VALUE_SCALAR;
        struct slice from = is_scalar ? SLICE_EMPTY : v->series[i].labels;
        list[i].value = is_scalar ? v->scalar.v : v->series[i].n ? v->series[i].v[0] : 0;
        list[i].annotations = SLICE_EMPTY;
        if (rule->kind == RULE_ALERT)
            list[i].value = number_of(list[i].value);
        enum status st = is_histogram(list[i].value) ? histogram_check(histogram_unbox(list[i].value), err) : ST_OK;
        if (!st)
            st = round_labels(r, rule, from, list[i].value, &list[i].labels, err);
        if (!st && rule->kind == RULE_ALERT)
            st = annotations_make(r, rule, from, list[i].value, &list[i].annotations, err);
        if (!st && arena_over(r->arena))
            st = err_set(err, ST_LIMIT, "the alerts of this round need over %zu bytes", arena_bytes_max(r->arena));
        if (st)
            return st;
    }
    qsort(list, n, sizeof *list, by_labels);
    for (size_t i = 1; i < n; i++)
        if (slice_eq(list[i - 1].labels, list[i].labels))
            return err_set(err, ST_INVALID, "vector contains metrics with the same labelset after applying %s labels",
                           rule->kind == RULE_ALERT ? "alert" : "rule");
    *out = list;
    *count = n;
    return ST_OK;
}

/* ---- samples ---- */

static void put_sample(struct round *r, struct slice labels, double v)
{
    if (r->batch == NULL) {
        r->batch = batch_new(ROUND_BATCH_BYTES_MAX);
        r->batch->tenant = arena_copy(r->batch->arena, r->e->env.tenant);
        r->batch->received_ns = clock_wall_ns(r->e->env.clock);
    }
    batch_series(r->batch, arena_copy(r->batch->arena, labels));
    if (is_histogram(v))
        batch_histogram(r->batch, r->ts_ns / NS_MS, histogram_copy(r->batch->arena, histogram_unbox(v)));
    else
        batch_sample(r->batch, r->ts_ns / NS_MS, v);
    r->samples++;
}

enum status round_flush(struct round *r, struct err *err)
{
    struct batch *b = r->batch;
    r->batch = NULL;
    return b ? r->e->env.append(r->e->env.arg, b, err) : ST_OK;
}

static int by_slice(const void *a, const void *b)
{
    return slice_cmp(*(const struct slice *)a, *(const struct slice *)b);
}

/* list (sorted here) is what is written now; what was written before and is not in it ends. Under the lock: views do not read
 * series. */
static void series_changed(struct round *r, struct rule_state *s, struct slice *list, size_t count)
{
    size_t k = 0;
    if (count)
        qsort(list, count, sizeof *list, by_slice);
    for (size_t i = 0; i < s->series_count && r; i++) {
        while (k < count && slice_cmp(list[k], s->series[i]) < 0)
            k++;
        if (k == count || !slice_eq(list[k], s->series[i]))
            put_sample(r, s->series[i], double_of_bits(STALE_NAN_BITS));
    }
    struct arena *fresh = count ? arena_new(0) : NULL;
    struct slice *copy = count ? arena_array(fresh, struct slice, count) : NULL;
    for (size_t i = 0; i < count; i++)
        copy[i] = arena_copy(fresh, list[i]);
    arena_free(s->series_arena);
    s->series_arena = fresh;
    s->series = copy;
    s->series_count = count;
}

/* The two series of an alert. */
static void alert_series(struct arena *a, const struct active *alert, struct slice out[2])
{
    struct slice named = labels_with(a, alert->labels, SLICE("__name__"), SLICE("ALERTS"));
    out[0] = labels_with(a, named, SLICE("alertstate"), slice_str(alert_state_name(alert->state)));
    out[1] = labels_with(a, alert->labels, SLICE("__name__"), SLICE("ALERTS_FOR_STATE"));
}

static void put_alert_samples(struct round *r, struct rule_state *s)
{
    struct slice *list = arena_array(r->arena, struct slice, s->count * 2 + 1);
    size_t n = 0;
    for (size_t i = 0; i < s->count; i++) {
        if (s->alerts[i].state == ALERT_INACTIVE)
            continue;
        alert_series(r->arena, &s->alerts[i], &list[n]);
        put_sample(r, list[n], 1);
        put_sample(r, list[n + 1], (double)(s->alerts[i].active_ns / NS_S));
        n += 2;
    }
    series_changed(r, s, list, n);
}

void round_series_of_alerts(struct rule_state *s)
{
    struct arena *a = arena_new(0);
    struct slice *list = arena_array(a, struct slice, s->count * 2 + 1);
    size_t n = 0;
    for (size_t i = 0; i < s->count; i++) {
        if (s->alerts[i].state == ALERT_INACTIVE)
            continue;
        alert_series(a, &s->alerts[i], &list[n]);
        n += 2;
    }
    series_changed(NULL, s, list, n);
    arena_free(a);
}

void round_end_series(struct round *r, struct rule_state *s)
{
    series_changed(r, s, NULL, 0);
}

static void put_recorded(struct round *r, struct rule_state *s, const struct result *list, size_t count)
{
    struct slice *series = arena_array(r->arena, struct slice, count + 1);
    for (size_t i = 0; i < count; i++) {
        series[i] = list[i].labels;
        put_sample(r, list[i].labels, list[i].value);
    }
    series_changed(r, s, series, count);
}

/* ---- alerts ---- */

static struct slice with_external(struct round *r, struct slice labels)
{
    struct slice rest = r->e->set->external_labels;
    struct label l;
    while (labels_next(&rest, &l))
        if (labels_get(labels, l.name).len == 0)
            labels = labels_with(r->arena, labels, l.name, l.value);
    return labels;
}

static struct slice link_of(struct round *r, const struct rule *rule)
{
    struct buf b;
    buf_init(&b, 0);
    buf_slice(&b, r->e->env.external_url);
    buf_slice(&b, SLICE("/graph?g0.expr="));
    url_encode(rule->expr, &b);
    buf_slice(&b, SLICE("&g0.tab=1"));
    struct slice link = arena_copy(r->arena, buf_as_slice(&b));
    buf_free(&b);
    return link;
}

/* Four rounds may fail before an alert counts as over, as with Prometheus. */
enum { TOLD_AGAIN_ROUNDS = 4 };
#define TOLD_AGAIN_MIN_NS (60 * NS_S)

void round_put_alerts(struct round *r, struct rule_state *s, bool resolve)
{
    struct slice link = s->count ? link_of(r, s->rule) : SLICE_EMPTY;
    for (size_t i = 0; i < s->count; i++) {
        struct active *a = &s->alerts[i];
        bool is_over = a->state == ALERT_INACTIVE;
        if (a->state == ALERT_PENDING || (is_over && a->is_told))
            continue;
        a->is_told = is_over;
        ARENA_PUSH(r->arena, r->puts, r->put_count, r->put_cap) = (struct alert_put){
            .labels = with_external(r, arena_copy(r->arena, a->labels)),
            .annotations = arena_copy(r->arena, a->annotations),
            .starts_ns = a->fired_ns ? a->fired_ns : a->active_ns,
            .ends_ns = is_over   ? a->resolved_ns
                       : resolve ? r->ts_ns
                                 : 0,
            .generator_url = link,
            .receiver = s->rule->receiver,
            .value = a->value,
            .valid_ns = r->g ? TOLD_AGAIN_ROUNDS * MAX(r->g->group->interval_ns, TOLD_AGAIN_MIN_NS) : 0,
        };
    }
}

/* ---- the rule ---- */

/* Whether an earlier rule of this group, not yet appended, records what this one asks for. */
static bool needs_flush(const struct round *r, const struct rule_state *s)
{
    if (r->batch == NULL)
        return false;
    if (batch_rows(r->batch) >= ROUND_BATCH_ROWS_MAX || slice_contains(s->rule->expr, SLICE("ALERTS")))
        return true;
    for (const struct rule_state *before = r->g->rules; before < s; before++)
        if (before->rule->kind == RULE_RECORD && slice_contains(s->rule->expr, before->rule->name))
            return true;
    return false;
}

static void count_round(struct round *r, struct rule_state *s, bool failed, int64_t start_mono_ns)
{
    const char *const group[] = {arena_printf(r->arena, "%.*s;%.*s", SLICE_FMT(r->g->group->file), SLICE_FMT(r->g->group->name)).ptr};
    struct rule_history *h = &s->history;
    int64_t took_ns = clock_mono_ns(r->e->env.clock) - start_mono_ns;
    int64_t since_ns = h->last_ns ? MIN(MAX(r->ts_ns - h->last_ns, (int64_t)0), r->g->group->interval_ns * 2) : 0;
    stoa_add(r->e->evaluations, 1, group);
    stoa_add(r->e->failures, failed, group);
    stoa_observe(r->e->seconds, (double)took_ns / 1e9, NULL);
    s->last_ns = r->ts_ns;
    s->duration_ns = took_ns;
    h->first_ns = h->first_ns ? h->first_ns : r->ts_ns;
    h->last_ns = r->ts_ns;
    h->evaluations++;
    h->failures += failed;
    h->observed_ns += since_ns;
    h->firing_ns += active_worst(s) == ALERT_FIRING ? since_ns : 0;
}

void round_rule(struct round *r, struct rule_state *s)
{
    struct alert_eval *e = r->e;
    struct arena *a = arena_new(ALERT_QUERY_BYTES_MAX);
    struct result *list = NULL;
    size_t count = 0;
    struct value v;
    struct err err = {.text = ""};
    int64_t start_mono_ns = clock_mono_ns(e->env.clock);
    enum status st = needs_flush(r, s) ? round_flush(r, &err) : ST_OK;
    if (!st)
        st = ask(e, a, s->rule->lang, s->rule->expr, r->ts_ns - r->g->group->query_offset_ns, &v, &err);
    if (!st)
        st = results_make(r, s->rule, &v, &list, &count, &err);
    if (st == ST_CANCELLED) {
        arena_free(a);
        return;
    }
    if (st)
        log_line(e->env.log, LOG_WARNING, "rule evaluation failed", "group=\"%.*s\" rule=\"%.*s\" error=\"%s\"", SLICE_FMT(r->g->group->name),
                 SLICE_FMT(s->rule->name), err.text);
    mutex_lock(&e->lock);
    if (!st && s->rule->kind == RULE_ALERT) {
        s->is_changed |= active_apply(s, list, count, r->ts_ns);
        struct err restore_err;
        if (s->is_first && !s->is_loaded && s->count && alert_state_from_series(e, s, r->ts_ns, &restore_err))
            log_line(e->env.log, LOG_WARNING, "alerts: pending since when could not be read", "error=\"%s\"", restore_err.text);
        put_alert_samples(r, s);
    } else if (!st) {
        put_recorded(r, s, list, count);
    }
    s->is_first &= st != ST_OK;
    memcpy(s->error, err.text, sizeof s->error);
    s->error[0] = st ? s->error[0] : 0;
    count_round(r, s, st != ST_OK, start_mono_ns);
    mutex_unlock(&e->lock);
    arena_free(a);
}
