/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>

#include "alert/alert_fake.h"
#include "base/num.h"
#include "base/unit.h"
#include "model/histogram.h"

static enum status fake_check(struct slice text, uint32_t features, enum value_type *type, struct err *err)
{
    *type = slice_eq(text, SLICE("text")) ? VALUE_STRING : VALUE_VECTOR;
    return slice_contains(text, SLICE("!")) ? err_set(err, ST_INVALID, "1:1: parse error: unexpected !") : ST_OK;
}

/* A number, or "h": a histogram with so many observations, none of them in a bucket. */
static double fake_value(struct arena *a, struct slice text)
{
    double v;
    bool boxed = slice_starts(text, SLICE("h"));
    struct histogram *h = arena_new_of(a, struct histogram);
    CHECK(num_parse_double(slice_skip(text, boxed), &v));
    h->count = v;
    h->sum = NAN;
    return boxed ? histogram_box(h) : v;
}

static enum status fake_instant(struct query_env *env, struct slice text, const struct query_params *p, struct value *out, struct err *err)
{
    struct fake *f = (struct fake *)env->engine;
    struct slice rest = SLICE_EMPTY, piece;
    for (size_t i = 0; i < f->answer_count; i++)
        if (slice_eq(f->answers[i].expr, text))
            rest = f->answers[i].answer;
    if (slice_eq(rest, SLICE("error")))
        return err_set(err, ST_TIMEOUT, "it takes too long");
    *out = (struct value){.type = VALUE_VECTOR};
    out->series = arena_array(env->result, struct value_series, 100);
    while (slice_next(&rest, ';', &piece)) {
        struct value_series *s = &out->series[out->series_count++];
        size_t space = slice_find(piece, SLICE("} "), 0);
        *s = (struct value_series){.n = 1, .t_ms = arena_alloc(env->result, 8), .v = arena_alloc(env->result, 8)};
        s->t_ms[0] = p->end_ns / NS_MS;
        CHECK(!labels_parse(env->result, slice_trim(slice_sub(piece, 0, space + 1)), &s->labels, err));
        s->v[0] = fake_value(env->result, slice_trim(slice_skip(piece, space + 2)));
    }
    return ST_OK;
}

/* The same answer at every step; "gap" in it: not at every third. */
static enum status fake_range(struct query_env *env, struct slice text, const struct query_params *p, struct value *out, struct err *err)
{
    enum status st = fake_instant(env, text, p, out, err);
    size_t steps = (size_t)((p->end_ns - p->start_ns) / p->step_ns) + 1;
    for (size_t i = 0; !st && i < out->series_count; i++) {
        struct value_series *s = &out->series[i];
        double v = s->v[0];
        bool has_gaps = slice_contains(s->labels, SLICE("gap"));
        s->t_ms = arena_array(env->result, int64_t, steps);
        s->v = arena_array(env->result, double, steps);
        s->n = 0;
        for (size_t k = 0; k < steps; k++) {
            int64_t t_ns = p->start_ns + (int64_t)k * p->step_ns;
            if (has_gaps && t_ns / p->step_ns % 3 == 0)
                continue;
            s->t_ms[s->n] = t_ns / NS_MS;
            s->v[s->n++] = v;
        }
    }
    return st;
}

/* "name > 5" alone is understood. */
static enum status fake_describe(struct arena *a, struct slice text, uint32_t features, struct query_shape *out, struct err *err)
{
    struct slice left, right;
    *out = (struct query_shape){.selectors = arena_array(a, struct slice, 1), .names = arena_array(a, struct slice, 1), .selector_count = 1};
    out->has_threshold = slice_cut(text, '>', &left, &right) && num_parse_double(slice_trim(right), &out->threshold);
    out->left = out->names[0] = out->selectors[0] = slice_trim(left);
    out->op[0] = '>';
    return ST_OK;
}

const struct query_lang fake_lang = {.name = "promql", .check = fake_check, .instant = fake_instant, .range = fake_range, .describe = fake_describe};

struct fake_iter {
    struct samples_iter iter;
    struct fake *f;
    struct arena *arena;
    int64_t t_ms;
    double v;
    bool is_done;
};

static enum status iter_next(struct samples_iter *iter, struct series_samples *out, struct err *err)
{
    struct fake_iter *it = (struct fake_iter *)iter;
    struct slice labels, text = it->f->for_state;
    size_t space = slice_find(text, SLICE("} "), 0);
    if (it->is_done || text.len == 0)
        return ST_NOT_FOUND;
    it->is_done = true;
    CHECK(!labels_parse(it->arena, slice_sub(text, 0, space + 1), &labels, err));
    CHECK(num_parse_double(slice_trim(slice_skip(text, space + 2)), &it->v));
    it->t_ms = it->f->for_state_ms;
    *out = (struct series_samples){.labels = labels, .tenant = SLICE("default"), .n = 1, .t_ms = &it->t_ms, .v = &it->v};
    return ST_OK;
}

static void iter_close(struct samples_iter *iter)
{
    arena_free(((struct fake_iter *)iter)->arena);
    mem_free(iter);
}

static const struct samples_iter_ops iter_ops = {iter_next, iter_close};

static enum status fake_samples(struct engine *e, struct engine_ctx *ctx, const struct samples_query *q, struct samples_iter **out,
                                struct err *err)
{
    struct fake_iter *it = mem_new(struct fake_iter);
    it->iter.ops = &iter_ops;
    it->f = (struct fake *)e;
    it->arena = arena_new(0);
    *out = &it->iter;
    return ST_OK;
}

static const struct engine_ops fake_ops = {.name = "fake", .samples = fake_samples};

static void put_sample(struct fake *f, struct slice labels, double v)
{
    labels_format(labels, &f->samples);
    if (is_stale(v))
        buf_printf(&f->samples, " stale\n");
    else if (is_histogram(v))
        buf_printf(&f->samples, " h%g\n", histogram_unbox(v)->count);
    else
        buf_printf(&f->samples, " %g\n", v);
}

static enum status on_append(void *arg, struct batch *b, struct err *err)
{
    struct fake *f = arg;
    for (size_t i = 0; i < b->series_count; i++)
        for (size_t k = 0; k < b->series[i].count; k++)
            put_sample(f, b->series[i].labels, b->samples[b->series[i].first + k].v);
    batch_drop(b);
    return ST_OK;
}

static enum status on_alerts(void *arg, const struct alert_put *alerts, size_t count, struct err *err)
{
    struct fake *f = arg;
    for (size_t i = 0; i < count; i++) {
        labels_format(alerts[i].labels, &f->handed);
        buf_printf(&f->handed, " ");
        labels_format(alerts[i].annotations, &f->handed);
        buf_printf(&f->handed, " %s%s%.*s\n", alerts[i].ends_ns ? "resolved" : "firing", alerts[i].receiver.len ? " to " : "",
                   SLICE_FMT(alerts[i].receiver));
    }
    return ST_OK;
}

void fake_init(struct fake *f, int64_t wall_ns)
{
    char path[512];
    struct err err;
    *f = (struct fake){.engine = {&fake_ops}, .clock = clock_sim_new(wall_ns), .arena = arena_new(0)};
    f->log = (struct log){.clock = f->clock, .min = LOG_CRITICAL, .fd = -1};
    f->for_state = SLICE_EMPTY;
    buf_init(&f->samples, 0);
    buf_init(&f->handed, 0);
    snprintf(path, sizeof path, "%s/state.db", unit_dir());
    CHECK(!kv_open(&f->kv, path, &err));
}

void fake_free(struct fake *f)
{
    kv_close(f->kv);
    buf_free(&f->samples);
    buf_free(&f->handed);
    arena_free(f->arena);
    clock_sim_free(f->clock);
}

void fake_answer(struct fake *f, const char *expr, const char *answer)
{
    size_t i = 0;
    while (i < f->answer_count && !slice_eq(f->answers[i].expr, slice_str(expr)))
        i++;
    CHECK(i < FAKE_ANSWERS_MAX);
    f->answers[i].expr = slice_str(expr);
    f->answers[i].answer = slice_str(answer);
    f->answer_count = MAX(f->answer_count, i + 1);
}

struct rule_set *fake_rules(struct fake *f, const char *text)
{
    static const struct query_lang *const langs[] = {&fake_lang};
    struct rule_reading r = {f->arena, langs, 1, 0, RULE_INTERVAL_DEFAULT_NS, 0};
    struct rule_set *set = arena_new_of(f->arena, struct rule_set);
    struct yaml_node *root;
    struct err err = {0};
    if (yaml_parse(f->arena, SLICE("r.yml"), slice_str(text), &root, &err) || rule_set_read(&r, root, true, set, &err))
        fprintf(stderr, "%s\n", err.text);
    CHECK(err.status == ST_OK);
    return set;
}

struct alert_eval *fake_eval(struct fake *f, const struct rule_set *set)
{
    static const struct query_lang *const langs[] = {&fake_lang};
    struct alert_env env = {.clock = f->clock,
                            .log = &f->log,
                            .kv = f->kv,
                            .engine = &f->engine,
                            .langs = langs,
                            .lang_count = 1,
                            .tenant = SLICE("default"),
                            .external_url = SLICE("http://stoa"),
                            .arg = f,
                            .append = on_append,
                            .alerts = on_alerts};
    struct alert_eval *e;
    struct err err;
    CHECK(!alert_eval_new(&e, &env, set, &err));
    return e;
}
