/* SPDX-License-Identifier: Apache-2.0 */
/* Judging rules. Each check is a function that may add a finding; a finding says what is so, why it matters and what to write
 * instead. Warnings are what will wake people for nothing or will not wake them at all; the rest are remarks. */
#include <math.h>

#include "alert/eval_parts.h"
#include "alert/review.h"
#include "base/date.h"

enum { PERCENT_LOW = 80, PERCENT_HIGH = 90 };
#define ALWAYS_SHARE 0.9

/* Metrics that tell of a cause: people notice errors and waiting, not a busy processor. */
static const struct {
    struct slice start;
    const char *what;
} causes[] = {
    {SLICE_INIT("node_cpu"), "CPU usage"},
    {SLICE_INIT("container_cpu"), "CPU usage"},
    {SLICE_INIT("process_cpu"), "CPU usage"},
    {SLICE_INIT("node_load"), "load"},
    {SLICE_INIT("node_memory"), "memory usage"},
    {SLICE_INIT("container_memory"), "memory usage"},
    {SLICE_INIT("process_resident"), "memory usage"},
    {SLICE_INIT("node_filesystem"), "disk usage"},
    {SLICE_INIT("cpu_usage"), "CPU usage"},
    {SLICE_INIT("memory_usage"), "memory usage"},
    {SLICE_INIT("disk_usage"), "disk usage"},
};

static struct review_finding *add(struct review *v, const struct rule_group *g, const struct rule *r, const char *finding, bool is_warning)
{
    struct review_finding *f = &ARENA_PUSH(v->arena, v->list, v->count, v->cap);
    *f = (struct review_finding){
        .rule = r, .group = g, .finding = finding, .is_warning = is_warning, .text = SLICE_EMPTY, .suggestion = SLICE_EMPTY};
    return f;
}

static struct slice text_of(const struct rule_text *list, size_t count, struct slice name)
{
    for (size_t i = 0; i < count; i++)
        if (slice_eq(list[i].name, name))
            return list[i].text;
    return SLICE_EMPTY;
}

static bool pages(const struct rule *r)
{
    struct slice severity = text_of(r->labels, r->label_count, SLICE("severity"));
    return slice_eq_nocase(severity, SLICE("critical")) || slice_eq_nocase(severity, SLICE("page"));
}

/* NULL: a symptom, or unknown. */
static const char *cause_of(const struct query_shape *shape)
{
    for (size_t i = 0; i < shape->selector_count; i++)
        for (size_t k = 0; k < COUNT_OF(causes); k++)
            if (slice_starts(shape->names[i], causes[k].start))
                return causes[k].what;
    return NULL;
}

static void check_for(struct review *v, const struct rule_group *g, const struct rule *r, const struct query_shape *shape)
{
    if (r->for_ns)
        return;
    bool is_short = r->condition.len > 0;
    struct review_finding *f = add(v, g, r, "no_for", pages(r));
    f->text = arena_printf(v->arena, "%.*s fires at the first value over its threshold: one short peak is enough%s", SLICE_FMT(r->name),
                           pages(r) ? " to call somebody" : "");
    f->suggestion = is_short ? arena_printf(v->arena, "condition: %.*s for 5 minutes", SLICE_FMT(r->condition)) : SLICE("for: 5m");
}

static void check_cause(struct review *v, const struct rule_group *g, const struct rule *r, const struct query_shape *shape)
{
    const char *cause = cause_of(shape);
    bool is_percent = shape->has_threshold && shape->op[0] == '>' && shape->threshold <= 100;
    double percent = shape->threshold <= 1 ? shape->threshold * 100 : shape->threshold;
    if (cause == NULL)
        return;
    if (is_percent && percent < PERCENT_LOW) {
        struct review_finding *f = add(v, g, r, "low_threshold", true);
        f->text = arena_printf(v->arena, "%.*s: %s over %g %% is what a machine at work looks like, not a problem", SLICE_FMT(r->name), cause,
                               percent);
        f->suggestion = SLICE("a threshold where something breaks soon: 90 for CPU and memory, 85 for disks");
    }
    if (pages(r)) {
        bool is_considered = r->for_ns && is_percent && percent >= PERCENT_HIGH;
        struct review_finding *f = add(v, g, r, "cause_not_symptom", !is_considered);
        f->text = arena_printf(v->arena, "%.*s calls somebody for %s, which is a cause; what users notice are errors and slow answers%s",
                               SLICE_FMT(r->name), cause, is_considered ? "; high and lasting as it is, it may still be worth it" : "");
        f->suggestion =
            SLICE("severity: warning here, and a critical alert on the symptom: error_rate > 5% for 2 minutes, latency_p95 > 1s for 5 minutes");
    }
}

static void check_words(struct review *v, const struct rule_group *g, const struct rule *r, const struct query_shape *shape)
{
    bool is_short = r->condition.len > 0;
    struct slice severity = text_of(r->labels, r->label_count, SLICE("severity"));
    if (severity.len == 0) {
        struct review_finding *f = add(v, g, r, "no_severity", true);
        f->text = arena_printf(v->arena, "%.*s has no severity: nobody can tell whether it may wait until morning", SLICE_FMT(r->name));
        f->suggestion = is_short ? SLICE("severity: warning") : SLICE("labels: {severity: warning}");
    }
    if (is_short && r->receiver.len == 0) {
        struct review_finding *f = add(v, g, r, "no_receiver", pages(r));
        f->text = arena_printf(v->arena, "%.*s has no action: it goes wherever the routes send it, to nobody in particular", SLICE_FMT(r->name));
        f->suggestion = SLICE("action: page_oncall (a receiver of your configuration)");
    }
    if (r->receiver.len && v->has_receiver && !v->has_receiver(v->arg, r->receiver)) {
        struct review_finding *f = add(v, g, r, "unknown_receiver", true);
        f->text = arena_printf(v->arena, "%.*s: there is no receiver \"%.*s\", so its notifications go where the routes send them",
                               SLICE_FMT(r->name), SLICE_FMT(r->receiver));
        f->suggestion = arena_printf(v->arena, "receivers: [{name: %.*s, webhook_configs: [...]}]", SLICE_FMT(r->receiver));
    }
    if (text_of(r->annotations, r->annotation_count, SLICE("summary")).len == 0 &&
        text_of(r->annotations, r->annotation_count, SLICE("description")).len == 0) {
        struct review_finding *f = add(v, g, r, "no_annotations", false);
        f->text = arena_printf(v->arena, "%.*s has no summary: who is called at night reads a name and a number", SLICE_FMT(r->name));
        f->suggestion = arena_printf(v->arena, "%ssummary: \"{{ $labels.instance }}: %.*s is {{ $value | humanize }}\"",
                                     is_short ? "" : "annotations: ", SLICE_FMT(r->name));
    }
}

static bool same_labels(const struct rule *a, const struct rule *b)
{
    bool same = a->label_count == b->label_count;
    for (size_t i = 0; i < a->label_count && same; i++)
        same = slice_eq(text_of(b->labels, b->label_count, a->labels[i].name), a->labels[i].text);
    return same;
}

static void check_duplicates(struct review *v, const struct rule_set *set, struct map *seen, const struct rule_group *g, const struct rule *r)
{
    bool added;
    uint64_t *at = map_put(seen, arena_printf(v->arena, "%d %.*s", r->kind, SLICE_FMT(r->expr)), &added);
    if (added) {
        *at = (uint64_t)(uintptr_t)r;
        return;
    }
    const struct rule *first = (const struct rule *)(uintptr_t)*at;
    bool is_same = same_labels(first, r);
    if (r->kind == RULE_RECORD && !(is_same && slice_eq(first->name, r->name)))
        return;
    struct review_finding *f = add(v, g, r, "duplicate", is_same);
    f->text = arena_printf(v->arena, "%.*s asks the same as %.*s (%.*s:%d)%s", SLICE_FMT(r->name), SLICE_FMT(first->name),
                           SLICE_FMT(first->file), first->line, is_same ? ": each time it fires, people are told twice" : ", with other labels");
    f->suggestion = SLICE("keep one of them");
}

static bool describe(const struct review *v, const struct rule *r, struct query_shape *out)
{
    struct err err;
    *out = (struct query_shape){0};
    return r->lang->describe && r->lang->describe(v->arena, r->expr, v->features, out, &err) == ST_OK;
}

void review_rules(struct review *v, const struct rule_set *set)
{
    struct map seen;
    map_init(&seen);
    for (size_t i = 0; i < set->group_count; i++) {
        for (size_t k = 0; k < set->groups[i].rule_count; k++) {
            const struct rule *r = &set->groups[i].rules[k];
            struct query_shape shape;
            describe(v, r, &shape);
            check_duplicates(v, set, &seen, &set->groups[i], r);
            if (r->kind == RULE_RECORD)
                continue;
            check_for(v, &set->groups[i], r, &shape);
            check_cause(v, &set->groups[i], r, &shape);
            check_words(v, &set->groups[i], r, &shape);
        }
    }
    map_free(&seen);
}

/* ---- life ---- */

struct looking {
    struct review *v;
    struct alert_eval *e;
    unsigned queries;
};

/* The first value of an instant query of now; NAN when it gives nothing, false when it could not be asked. */
static bool look(struct looking *l, const struct query_lang *lang, struct slice text, double *out)
{
    struct engine_ctx ctx;
    struct arena *a = arena_new(ALERT_QUERY_BYTES_MAX);
    struct value value = {0};
    struct err err;
    if (l->queries++ >= REVIEW_QUERIES_MAX) {
        arena_free(a);
        return false;
    }
    engine_ctx_init(&ctx, &l->e->env.tenant, 1, l->e->env.clock);
    ctx.deadline_mono_ns = clock_mono_ns(l->e->env.clock) + REVIEW_QUERY_SECONDS_MAX * NS_S;
    ctx.samples_max = ALERT_QUERY_SAMPLES_MAX;
    struct query_env env = {.engine = l->e->env.engine, .ctx = &ctx, .result = a};
    struct query_params p = {.features = l->e->env.features};
    p.start_ns = p.end_ns = clock_wall_ns(l->e->env.clock);
    buf_init(&env.infos, 64 * KIB);
    bool good = lang->instant(&env, text, &p, &value, &err) == ST_OK;
    *out = good && value.type == VALUE_VECTOR && value.series_count && value.series[0].n ? value.series[0].v[0] : NAN;
    buf_free(&env.infos);
    engine_ctx_free(&ctx);
    arena_free(a);
    return good;
}

/* A selector that matches nothing now: the metric is unknown, or just has no such labels. */
static bool check_data(struct looking *l, const struct rule_group *g, const struct rule *r, const struct query_shape *shape)
{
    struct review *v = l->v;
    double found;
    if (shape->needs_no_data)
        return false;
    for (size_t i = 0; i < shape->selector_count; i++) {
        struct slice s = shape->selectors[i], name = shape->names[i];
        if (!look(l, r->lang, arena_printf(v->arena, "count(%.*s)", SLICE_FMT(s)), &found) || !isnan(found))
            continue;
        bool is_known =
            name.len && look(l, r->lang, arena_printf(v->arena, "count({__name__=\"%.*s\"})", SLICE_FMT(name)), &found) && !isnan(found);
        struct review_finding *f = add(v, g, r, "no_data", !is_known);
        f->text =
            is_known
                ? arena_printf(v->arena,
                               "%.*s: there is %.*s, but nothing matches %.*s now: nothing of the kind has happened, or a label is misspelt",
                               SLICE_FMT(r->name), SLICE_FMT(name), SLICE_FMT(s))
                : arena_printf(v->arena, "%.*s cannot fire: nothing matches %.*s now", SLICE_FMT(r->name), SLICE_FMT(s));
        f->suggestion = is_known ? SLICE("check the labels by asking for the metric alone")
                                 : SLICE("check the name, and that its target is scraped; or remove the rule");
        return !is_known;
    }
    return false;
}

/* ": the highest value of the last day is 41", when it is cheap to know. */
static struct slice seen_text(struct looking *l, const struct rule *r, const struct query_shape *shape)
{
    struct arena *a = l->v->arena;
    double seen;
    if (!shape->has_threshold || shape->op[0] == '=' || shape->op[0] == '!')
        return SLICE_EMPTY;
    const char *fn = shape->op[0] == '>' ? "max" : "min";
    struct slice query = arena_printf(a, "%s(%s_over_time((%.*s)[1d:10m]))", fn, fn, SLICE_FMT(shape->left));
    if (!look(l, r->lang, query, &seen) || isnan(seen))
        return SLICE_EMPTY;
    return arena_printf(a, "; the %s value of the last day is %.4g, the threshold %.4g", shape->op[0] == '>' ? "highest" : "lowest", seen,
                        shape->threshold);
}

static void check_life(struct looking *l, const struct group_view *g, const struct rule_view *s, int64_t never_after_ns, int64_t always_after_ns)
{
    struct review *v = l->v;
    const struct rule_history *h = &s->history;
    const struct rule *r = s->rule;
    struct query_shape shape;
    char age[DURATION_TEXT_BYTES_MAX];
    int64_t watched_ns = h->last_ns - h->first_ns;
    int n = (int)duration_format_prom(watched_ns / NS_S * 1000, age);
    if (s->error.len) {
        struct review_finding *f = add(v, g->group, r, "failing", true);
        f->text = arena_printf(v->arena, "%.*s cannot be evaluated: %.*s", SLICE_FMT(r->name), SLICE_FMT(s->error));
        f->suggestion = SLICE("try the expression on the page");
        return;
    }
    describe(v, r, &shape);
    bool is_dead = check_data(l, g->group, r, &shape);
    if (r->kind == RULE_RECORD || h->evaluations < REVIEW_EVALUATIONS_MIN)
        return;
    if (!is_dead && h->fired == 0 && s->state != ALERT_FIRING && watched_ns >= never_after_ns) {
        struct slice seen = seen_text(l, r, &shape);
        struct review_finding *f = add(v, g->group, r, "never_fired", true);
        f->text = arena_printf(v->arena, "%.*s never fired in %llu evaluations over %.*s%.*s", SLICE_FMT(r->name),
                               (unsigned long long)h->evaluations, n, age, SLICE_FMT(seen));
        f->suggestion = SLICE("try whether it can fire at all; then lower the threshold or remove the rule");
    }
    if (h->observed_ns >= always_after_ns && h->observed_ns > 0 && (double)h->firing_ns >= ALWAYS_SHARE * (double)h->observed_ns) {
        struct review_finding *f = add(v, g->group, r, "always_firing", true);
        f->text = arena_printf(v->arena, "%.*s was firing for %.0f %% of %.*s: nobody acts on it any more", SLICE_FMT(r->name),
                               100 * (double)h->firing_ns / (double)h->observed_ns, n, age);
        f->suggestion = SLICE("repair what it tells of, raise the threshold, or remove the rule");
    }
}

void review_life(struct review *v, struct alert_eval *e, int64_t never_after_ns, int64_t always_after_ns)
{
    struct looking l = {.v = v, .e = e};
    struct group_view *groups;
    size_t count;
    alert_eval_view(e, v->arena, &groups, &count);
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < groups[i].group->rule_count; k++)
            check_life(&l, &groups[i], &groups[i].rules[k], never_after_ns, always_after_ns);
}
