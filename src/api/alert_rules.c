/* SPDX-License-Identifier: Apache-2.0 */
/* Rules and alerts in Prometheus's shape, with what only we know under "stoa", and the review of rules.
 * https://prometheus.io/docs/prometheus/latest/querying/api/#rules */
#include <stdio.h>
#include <stdlib.h>

#include "alert/review.h"
#include "api/handlers.h"
#include "api/prom_json.h"
#include "base/date.h"
#include "base/num.h"
#include "promql/promql.h"

enum { TIME_TEXT_BYTES_MAX = DATE_TEXT_BYTES_MAX, EXPONENT_TEXT_BYTES_MAX = 32, DIGITS_MAX = 17, GROUPS_PER_PAGE_MAX = RULE_GROUPS_MAX };

static void put_text(struct json_writer *w, struct slice key, struct slice value)
{
    json_key(w, key);
    json_string(w, value);
}

static void put_time(struct json_writer *w, struct slice key, int64_t ns)
{
    char text[TIME_TEXT_BYTES_MAX];
    put_text(w, key, ns ? slice_of(text, date_format_rfc3339(ns, 0, DATE_DIGITS_SHORTEST, text)) : SLICE("0001-01-01T00:00:00Z"));
}

static void put_seconds(struct json_writer *w, struct slice key, int64_t ns)
{
    json_key(w, key);
    json_double(w, (double)ns / 1e9);
}

/* Alerts have their value with an exponent and the shortest digits: "9.25e+01". */
static void put_value(struct json_writer *w, double v)
{
    char text[EXPONENT_TEXT_BYTES_MAX];
    double back = 0;
    int n = 0;
    if (v - v != 0)
        n = snprintf(text, sizeof text, "%s", v != v ? "NaN" : v > 0 ? "+Inf" : "-Inf");
    for (int digits = 0; n == 0 || (back != v && v - v == 0 && digits < DIGITS_MAX); digits++) {
        n = snprintf(text, sizeof text, "%.*e", digits, v);
        if (!num_parse_double(slice_of(text, (size_t)n), &back))
            break;
    }
    put_text(w, SLICE("value"), slice_of(text, (size_t)n));
}

static void put_alert(struct json_writer *w, const struct alert_view *a)
{
    json_object_begin(w);
    json_key(w, SLICE("labels"));
    prom_json_labels(w, a->labels);
    json_key(w, SLICE("annotations"));
    prom_json_labels(w, a->annotations);
    put_text(w, SLICE("state"), slice_str(alert_state_name(a->state)));
    put_time(w, SLICE("activeAt"), a->active_ns);
    if (a->keep_firing_since_ns)
        put_time(w, SLICE("keepFiringSince"), a->keep_firing_since_ns);
    put_value(w, a->value);
    json_object_end(w);
}

static void put_texts(struct json_writer *w, struct slice key, const struct rule_text *list, size_t count)
{
    json_key(w, key);
    json_object_begin(w);
    for (size_t i = 0; i < count; i++)
        put_text(w, list[i].name, list[i].text);
    json_object_end(w);
}

/* The time before the rule was made, as far as it is filled. */
static void put_backfill(struct json_writer *w, const struct rule_backfill *b)
{
    const struct { struct slice key; int64_t ns; } times[] = {
        {SLICE("from_ms"), b->from_ns}, {SLICE("until_ms"), MIN(b->until_ns, b->end_ns)}, {SLICE("end_ms"), b->end_ns}};
    json_key(w, SLICE("backfill"));
    json_object_begin(w);
    put_text(w, SLICE("state"), !b->is_done ? SLICE("running") : b->until_ns > b->end_ns ? SLICE("done") : SLICE("given_up"));
    for (size_t i = 0; i < COUNT_OF(times); i++) {
        json_key(w, times[i].key);
        json_int(w, times[i].ns / NS_MS);
    }
    json_key(w, SLICE("samples"));
    json_uint(w, b->samples);
    json_key(w, SLICE("failures"));
    json_uint(w, b->failures);
    if (b->error.len)
        put_text(w, SLICE("error"), b->error);
    json_object_end(w);
}

/* What Prometheus has no place for. */
static void put_own(struct json_writer *w, const struct rule_view *v)
{
    const struct rule_history *h = &v->history;
    json_key(w, SLICE("stoa"));
    json_object_begin(w);
    put_text(w, SLICE("language"), slice_str(v->rule->lang->name));
    put_text(w, SLICE("file"), v->rule->file);
    json_key(w, SLICE("line"));
    json_int(w, v->rule->line);
    if (v->rule->condition.len)
        put_text(w, SLICE("condition"), v->rule->condition);
    if (v->rule->receiver.len)
        put_text(w, SLICE("receiver"), v->rule->receiver);
    json_key(w, SLICE("evaluations"));
    json_uint(w, h->evaluations);
    json_key(w, SLICE("failures"));
    json_uint(w, h->failures);
    json_key(w, SLICE("fired"));
    json_uint(w, h->fired);
    json_key(w, SLICE("first_ms"));
    json_int(w, h->first_ns / NS_MS);
    json_key(w, SLICE("last_fired_ms"));
    json_int(w, h->last_fired_ns / NS_MS);
    put_seconds(w, SLICE("observed_seconds"), h->observed_ns);
    put_seconds(w, SLICE("firing_seconds"), h->firing_ns);
    if (v->backfill.is_on)
        put_backfill(w, &v->backfill);
    json_object_end(w);
}

static void put_rule(struct json_writer *w, const struct rule_view *v, bool with_alerts)
{
    const struct rule *r = v->rule;
    bool is_alert = r->kind == RULE_ALERT;
    json_object_begin(w);
    if (is_alert)
        put_text(w, SLICE("state"), slice_str(alert_state_name(v->state)));
    put_text(w, SLICE("name"), r->name);
    put_text(w, SLICE("query"), r->expr);
    if (is_alert) {
        put_seconds(w, SLICE("duration"), r->for_ns);
        put_seconds(w, SLICE("keepFiringFor"), r->keep_firing_ns);
    }
    put_texts(w, SLICE("labels"), r->labels, r->label_count);
    if (is_alert) {
        put_texts(w, SLICE("annotations"), r->annotations, r->annotation_count);
        json_key(w, SLICE("alerts"));
        json_array_begin(w);
        for (size_t i = 0; with_alerts && i < v->alert_count; i++)
            put_alert(w, &v->alerts[i]);
        json_array_end(w);
    }
    put_text(w, SLICE("health"), v->error.len ? SLICE("err") : v->is_evaluated ? SLICE("ok") : SLICE("unknown"));
    if (v->error.len)
        put_text(w, SLICE("lastError"), v->error);
    put_seconds(w, SLICE("evaluationTime"), v->duration_ns);
    put_time(w, SLICE("lastEvaluation"), v->last_ns);
    put_text(w, SLICE("type"), is_alert ? SLICE("alerting") : SLICE("recording"));
    put_own(w, v);
    json_object_end(w);
}

/* ---- which rules are asked for ---- */

struct filter {
    const struct api_params *p;
    bool alerts, records, with_alerts;
    struct matcher *match[API_SELECTORS_MAX];
    size_t match_counts[API_SELECTORS_MAX], match_count;
    size_t group_limit;
    struct slice next_token;
};

static void filter_free(struct filter *f)
{
    for (size_t i = 0; i < f->match_count; i++)
        for (size_t k = 0; k < f->match_counts[i]; k++)
            matcher_destroy(&f->match[i][k]);
}

static enum status filter_read(struct arena *a, const struct api_params *p, struct filter *f, struct err *err)
{
    struct slice type = api_param(p, SLICE("type"), NULL), exclude = api_param(p, SLICE("exclude_alerts"), NULL);
    *f = (struct filter){.p = p, .next_token = api_param(p, SLICE("group_next_token"), NULL)};
    f->alerts = type.len == 0 || slice_eq_nocase(type, SLICE("alert"));
    f->records = type.len == 0 || slice_eq_nocase(type, SLICE("record"));
    f->with_alerts = !slice_eq(exclude, SLICE("true")) && !slice_eq(exclude, SLICE("1"));
    if (!f->alerts && !f->records)
        return err_set(err, ST_INVALID, "invalid parameter \"type\": found \"%.*s\", allowed are alert and record", SLICE_FMT(type));
    enum status st = api_param_size(p, SLICE("group_limit"), 0, GROUPS_PER_PAGE_MAX, &f->group_limit, err);
    if (!st && f->next_token.len && f->group_limit == 0)
        st = err_set(err, ST_INVALID, "invalid parameter \"group_limit\": group_limit needs to be set in order to paginate over the groups");
    for (size_t i = 0; i < p->count && !st; i++) {
        if (!slice_eq(p->list[i].name, SLICE("match[]")))
            continue;
        if (f->match_count == API_SELECTORS_MAX)
            return err_set(err, ST_LIMIT, "more than %d match[] parameters", API_SELECTORS_MAX);
        st = promql_parse_selector(a, p->list[i].value, &f->match[f->match_count], &f->match_counts[f->match_count], err);
        if (st)
            return err_prefix(err, "invalid parameter \"match[]\": ");
        f->match_count++;
    }
    return st;
}

/* True when the parameter is not given, or one of its values is value. */
static bool passes(const struct filter *f, struct slice name, struct slice value)
{
    bool given = false;
    for (size_t i = 0; i < f->p->count; i++) {
        if (!slice_eq(f->p->list[i].name, name))
            continue;
        if (slice_eq(f->p->list[i].value, value))
            return true;
        given = true;
    }
    return !given;
}

/* match[] is asked of the labels the rule itself sets, as Prometheus does. */
static bool rule_passes(const struct filter *f, struct arena *a, const struct rule *r)
{
    if (!(r->kind == RULE_ALERT ? f->alerts : f->records) || !passes(f, SLICE("rule_name[]"), r->name))
        return false;
    if (f->match_count == 0)
        return true;
    struct label *list = arena_array(a, struct label, r->label_count + 1);
    struct slice labels = SLICE_EMPTY;
    for (size_t i = 0; i < r->label_count; i++)
        list[i] = (struct label){r->labels[i].name, r->labels[i].text};
    if (labels_build(a, list, r->label_count, &labels, NULL))
        return false;
    for (size_t i = 0; i < f->match_count; i++)
        if (matchers_match(f->match[i], f->match_counts[i], labels))
            return true;
    return false;
}

static struct slice token_of(struct arena *a, const struct group_view *g)
{
    return arena_printf(a, "%.*s;%.*s", SLICE_FMT(g->group->file), SLICE_FMT(g->group->name));
}

/* False when nothing of the group is asked for. */
static bool put_group(struct json_writer *w, struct arena *a, const struct group_view *g, const struct filter *f)
{
    bool begun = false;
    if (!passes(f, SLICE("rule_group[]"), g->group->name) || !passes(f, SLICE("file[]"), g->group->file))
        return false;
    for (size_t i = 0; i < g->group->rule_count; i++) {
        if (!rule_passes(f, a, &g->group->rules[i]))
            continue;
        if (!begun) {
            json_object_begin(w);
            put_text(w, SLICE("name"), g->group->name);
            put_text(w, SLICE("file"), g->group->file);
            json_key(w, SLICE("rules"));
            json_array_begin(w);
            begun = true;
        }
        put_rule(w, &g->rules[i], f->with_alerts);
    }
    if (!begun)
        return false;
    json_array_end(w);
    put_seconds(w, SLICE("interval"), g->group->interval_ns);
    json_key(w, SLICE("limit"));
    json_uint(w, g->group->limit);
    put_seconds(w, SLICE("evaluationTime"), g->duration_ns);
    put_time(w, SLICE("lastEvaluation"), g->last_ns);
    json_object_end(w);
    return true;
}

static int by_token(const void *a, const void *b)
{
    const struct rule_group *x = ((const struct group_view *)a)->group, *y = ((const struct group_view *)b)->group;
    int c = slice_cmp(x->file, y->file);
    return c ? c : slice_cmp(x->name, y->name);
}

static bool is_of_logs(const struct group_view *g)
{
    for (size_t i = 0; i < g->group->rule_count; i++)
        if (slice_eq(slice_str(g->group->rules[i].lang->name), SLICE("logql")))
            return true;
    return false;
}

/* logs_only: of Loki's ruler, which has no others. */
static void view(struct api *api, struct arena *a, bool logs_only, struct group_view **groups, size_t *count)
{
    *groups = NULL;
    *count = 0;
    if (api->alerts == NULL)
        return;
    alert_eval_view(api->alerts, a, groups, count);
    size_t kept = 0;
    for (size_t i = 0; i < *count; i++)
        if (!logs_only || is_of_logs(&(*groups)[i]))
            (*groups)[kept++] = (*groups)[i];
    *count = kept;
    if (*count)
        qsort(*groups, *count, sizeof **groups, by_token);
}

static void serve_rules(struct api *api, struct http_exchange *x, bool logs_only)
{
    struct api_params p;
    struct filter f = {0};
    struct group_view *groups;
    struct json_writer w;
    struct buf out;
    struct err err;
    size_t count, shown = 0;
    enum status st = api_params_read(x, &p, &err);
    if (!st)
        st = filter_read(http_arena(x), &p, &f, &err);
    if (st) {
        filter_free(&f);
        api_fail(x, st, &err);
        return;
    }
    view(api, http_arena(x), logs_only, &groups, &count);
    struct slice next = SLICE_EMPTY;
    bool skips = f.next_token.len > 0;
    prom_json_begin(&w, &out, 0);
    json_object_begin(&w);
    json_key(&w, SLICE("groups"));
    json_array_begin(&w);
    for (size_t i = 0; i < count; i++) {
        struct slice token = token_of(http_arena(x), &groups[i]);
        skips = skips && !slice_eq(token, f.next_token);
        if (skips)
            continue;
        if (f.group_limit && shown == f.group_limit) {
            next = token;
            break;
        }
        shown += put_group(&w, http_arena(x), &groups[i], &f);
    }
    json_array_end(&w);
    if (next.len)
        put_text(&w, SLICE("groupNextToken"), next);
    json_object_end(&w);
    filter_free(&f);
    prom_json_reply(x, &w, &out, SLICE_EMPTY, SLICE_EMPTY);
}

void prom_rules(void *user, struct http_exchange *x)
{
    serve_rules(user, x, false);
}

void loki_rules_state(void *user, struct http_exchange *x)
{
    serve_rules(user, x, true);
}

static void serve_alerts(struct api *api, struct http_exchange *x, bool logs_only)
{
    struct group_view *groups;
    struct json_writer w;
    struct buf out;
    size_t count;
    view(api, http_arena(x), logs_only, &groups, &count);
    prom_json_begin(&w, &out, 0);
    json_object_begin(&w);
    json_key(&w, SLICE("alerts"));
    json_array_begin(&w);
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < groups[i].group->rule_count; k++)
            for (size_t n = 0; n < groups[i].rules[k].alert_count; n++)
                put_alert(&w, &groups[i].rules[k].alerts[n]);
    json_array_end(&w);
    json_object_end(&w);
    prom_json_reply(x, &w, &out, SLICE_EMPTY, SLICE_EMPTY);
}

void prom_alerts(void *user, struct http_exchange *x)
{
    serve_alerts(user, x, false);
}

void loki_alerts_state(void *user, struct http_exchange *x)
{
    serve_alerts(user, x, true);
}

/* ---- review ---- */

static void put_finding(struct json_writer *w, const struct review_finding *f)
{
    json_object_begin(w);
    put_text(w, SLICE("rule"), f->rule->name);
    put_text(w, SLICE("group"), f->group->name);
    put_text(w, SLICE("file"), f->rule->file);
    json_key(w, SLICE("line"));
    json_int(w, f->rule->line);
    put_text(w, SLICE("finding"), slice_str(f->finding));
    put_text(w, SLICE("severity"), f->is_warning ? SLICE("warning") : SLICE("info"));
    put_text(w, SLICE("text"), f->text);
    put_text(w, SLICE("suggestion"), f->suggestion);
    json_object_end(w);
}

static enum status param_age(const struct api_params *p, struct slice name, int64_t absent_ns, int64_t *out_ns, struct err *err)
{
    struct slice text = api_param(p, name, NULL);
    *out_ns = absent_ns;
    if (text.len == 0)
        return ST_OK;
    enum status st = api_parse_duration(text, out_ns, err);
    return st ? err_prefix(err, "invalid parameter \"%.*s\": ", SLICE_FMT(name)) : ST_OK;
}

void stoa_review(void *user, struct http_exchange *x)
{
    struct api *api = user;
    struct api_params p;
    struct json_writer w;
    struct buf out;
    struct err err;
    int64_t never_ns, always_ns;
    struct review v = {.arena = http_arena(x), .features = api->features, .has_receiver = api->has_receiver, .arg = api->server};
    enum status st = api_params_read(x, &p, &err);
    if (!st)
        st = param_age(&p, SLICE("never_after"), REVIEW_NEVER_AFTER_DEFAULT_NS, &never_ns, &err);
    if (!st)
        st = param_age(&p, SLICE("always_after"), REVIEW_ALWAYS_AFTER_DEFAULT_NS, &always_ns, &err);
    if (st) {
        api_fail(x, st, &err);
        return;
    }
    if (api->alerts) {
        review_rules(&v, alert_eval_rules(api->alerts, http_arena(x)));
        review_life(&v, api->alerts, never_ns, always_ns);
    }
    buf_init(&out, 0);
    json_writer_init(&w, &out);
    json_object_begin(&w);
    json_key(&w, SLICE("findings"));
    json_array_begin(&w);
    for (size_t i = 0; i < v.count; i++)
        put_finding(&w, &v.list[i]);
    json_array_end(&w);
    json_object_end(&w);
    api_reply_json(x, 200, &out);
}
