/* SPDX-License-Identifier: Apache-2.0 */
/* The templates of line_format and label_format: Go's (query/gotmpl.h) with Loki's functions, over the labels of a line.
 * https://grafana.com/docs/loki/latest/query/template_functions/
 *
 * A template is read once, with the query; patterns and zones that stand in it are compiled then. What fails while it runs marks
 * the line with __error__="TemplateFormatErr" and why, in Go's words. */
#include "logql/template.h"

#include <stdlib.h>

#include "logql/parser.h"
#include "sys/clock.h"

enum {
    TEMPLATE_OUT_BYTES_MAX = EVENT_BODY_BYTES_MAX, /* of a line or label that it makes */
    TEMPLATE_CHECK_STEPS = 16 * 1024               /* of all lines, between two questions whether the query may go on */
};

struct template {
    struct gotmpl *tmpl;
    bool is_field; /* {{.field}} and no more */
    struct slice field;
};

static enum status on_regex(void *arg, struct slice pattern, struct regex **out, struct err *err)
{
    struct parser *p = arg;
    if (regex_compile(out, pattern, 0, err))
        return ST_INVALID;
    regex_free(*out);
    return logql_regex(p, pattern, 0, out) ? err_set(err, ST_LIMIT, "%s", p->err->text) : ST_OK;
}

enum status template_parse(struct parser *p, const char *name, struct slice text, struct template **out, struct err *err)
{
    struct template *t = arena_new_of(p->a, struct template);
    struct gotmpl_options opt = {.name = name, .functions = &template_text_functions, .is_strict = true, .regex = on_regex, .arg = p};
    enum status st = gotmpl_parse(p->a, text, &opt, &t->tmpl, err);
    if (st)
        return st;
    t->is_field = gotmpl_is_field(t->tmpl, &t->field);
    *out = t;
    return ST_OK;
}

/* ---- the labels ---- */

static const struct slice error_name = SLICE_INIT("__error__"), details_name = SLICE_INIT("__error_details__");

static struct slice labels_find(const struct gotmpl_source *s, struct slice name)
{
    const struct template_data *d = (const struct template_data *)s;
    for (size_t i = 0; i < d->count; i++)
        if (slice_eq(d->labels[i].name, name))
            return d->labels[i].value;
    if (slice_eq(name, error_name))
        return d->error;
    return slice_eq(name, details_name) ? d->error_details : SLICE_EMPTY;
}

static int by_name(const void *a, const void *b)
{
    return slice_cmp(((const struct label *)a)->name, ((const struct label *)b)->name);
}

static struct slice labels_all(const struct gotmpl_source *s, struct arena *a)
{
    const struct template_data *d = (const struct template_data *)s;
    struct label *list = arena_array(a, struct label, d->count + 2);
    size_t n = 0;
    struct buf b;
    for (size_t i = 0; i < d->count; i++)
        list[n++] = (struct label){ d->labels[i].name, d->labels[i].value };
    if (d->error.len)
        list[n++] = (struct label){ error_name, d->error };
    if (d->error_details.len)
        list[n++] = (struct label){ details_name, d->error_details };
    qsort(list, n, sizeof *list, by_name);
    buf_init(&b, 0);
    for (size_t i = 0; i < n; i++) {
        buf_lenslice(&b, list[i].name);
        buf_lenslice(&b, list[i].value);
    }
    struct slice all = arena_copy(a, buf_as_slice(&b));
    buf_free(&b);
    return all;
}

/* ---- running ---- */

static struct template_data data_of(const struct record *r, struct stage_env *env)
{
    return (struct template_data){ .source = { labels_find, labels_all }, .labels = r->labels, .count = r->count, .error = r->error,
                                   .error_details = r->error_details, .line = r->line, .time_ns = r->time_ns, .env = env };
}

/* False: it failed, and the record says so. */
static bool run(const struct template *t, struct template_data *d, struct record *r, struct slice *out)
{
    struct stage_env *env = d->env;
    struct buf text;
    struct err err;
    if (t->is_field) {
        *out = labels_find(&d->source, t->field);
        return true;
    }
    enum status st = ST_OK;
    if (env->steps > TEMPLATE_CHECK_STEPS && env->ctx)
        st = engine_ctx_check(env->ctx, &err);
    if (!st && env->steps > TEMPLATE_CHECK_STEPS)
        env->steps = 0;
    struct gotmpl_env e = { .arena = env->scratch, .dot = { .type = GOTMPL_SOURCE, .source = &d->source }, .arg = d, .steps = &env->steps,
                            .is_strict = true };
    buf_init(&text, TEMPLATE_OUT_BYTES_MAX);
    if (!st)
        st = gotmpl_run(t->tmpl, &e, &text, &err);
    if (st)
        record_error(r, "TemplateFormatErr", arena_copy(env->scratch, slice_str(err.text)));
    else
        *out = arena_copy(env->scratch, buf_as_slice(&text));
    buf_free(&text);
    return st == ST_OK;
}

void template_format_line(const struct template *t, struct record *r, struct stage_env *env)
{
    struct template_data d = data_of(r, env);
    struct slice line;
    if (run(t, &d, r, &line))
        r->line = line;
}

void template_format_labels(const struct assign *list, size_t count, struct record *r, struct stage_env *env)
{
    struct template_data d = { .env = NULL };
    for (size_t i = 0; i < count; i++) {
        struct slice value;
        if (list[i].template == NULL) {
            value = record_get(r, list[i].source);
            if (value.len) {
                record_drop(r, list[i].source);
                record_set(r, list[i].name, value, FROM_PARSER);
            }
            continue;
        }
        if (d.env == NULL) { /* all templates of a stage see the labels as they were at the first one */
            d = data_of(r, env);
            if (i + 1 < count) {
                struct record_label *before = arena_array(env->scratch, struct record_label, r->count);
                memcpy(before, r->labels, r->count * sizeof *before);
                d.labels = before;
            }
        }
        if (run(list[i].template, &d, r, &value))
            record_set(r, list[i].name, value, FROM_PARSER);
    }
}
