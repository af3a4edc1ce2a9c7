/* SPDX-License-Identifier: Apache-2.0 */
/* Prometheus: search/metric_names, label_names and label_values: names that have the letters of a search in their order, a batch
 * a line of JSON. Of Prometheus's two ways to compare there is "subsequence", its default; the score is 1 for the text itself and
 * less the more its letters are scattered and the longer the name is. */
#include <stdlib.h>

#include "api/handlers.h"
#include "api/prom_selectors.h"
#include "base/num.h"
#include "codec/json.h"

enum { SEARCH_SHOWN = 100, SEARCH_SHOWN_MAX = 100 * 1000, SEARCH_PERCENT_MAX = 100 };

struct found {
    struct slice name;
    double score;
};

struct search {
    struct api_query q;
    struct api_params p;
    struct prom_selectors match;
    int64_t start_ns, end_ns;
    size_t limit, batch, percent;
    bool any_case, with_score, with_metadata, by_score, downwards;
    struct found *list;
    size_t count;
    struct name_hit *about; /* by name */
    size_t about_count;
    struct err err;
};

static enum status read_bool(struct search *s, struct slice name, bool absent, bool *out)
{
    struct slice v = api_param(&s->p, name, NULL);
    bool on = slice_eq(v, SLICE("true")) || slice_eq(v, SLICE("1")), off = slice_eq(v, SLICE("false")) || slice_eq(v, SLICE("0"));
    *out = v.len ? on : absent;
    if (v.len && !on && !off)
        return err_set(&s->err, ST_INVALID, "invalid parameter \"%.*s\": found \"%.*s\", allowed true and false", SLICE_FMT(name), SLICE_FMT(v));
    return ST_OK;
}

static enum status read_word(struct search *s, struct slice name, struct slice one, struct slice other, bool *is_other)
{
    struct slice v = api_param(&s->p, name, NULL);
    *is_other = other.len && slice_eq(v, other);
    if (v.len && !*is_other && !slice_eq(v, one))
        return err_set(&s->err, ST_INVALID, "invalid parameter \"%.*s\": found \"%.*s\", allowed %.*s%s%.*s", SLICE_FMT(name), SLICE_FMT(v),
                       SLICE_FMT(one), other.len ? " and " : "", SLICE_FMT(other));
    return ST_OK;
}

static enum status read_sizes(struct search *s)
{
    enum status st = api_param_size(&s->p, SLICE("limit"), SEARCH_SHOWN, SEARCH_SHOWN_MAX, &s->limit, &s->err);
    if (!st)
        st = api_param_size(&s->p, SLICE("batch_size"), SEARCH_SHOWN, SEARCH_SHOWN_MAX, &s->batch, &s->err);
    if (!st)
        st = api_param_size(&s->p, SLICE("fuzz_threshold"), 0, SEARCH_PERCENT_MAX, &s->percent, &s->err);
    s->limit = !st && s->limit ? s->limit : SEARCH_SHOWN;
    s->batch = !st && s->batch ? s->batch : SEARCH_SHOWN;
    return st;
}

static enum status search_read(struct search *s)
{
    bool keeps_case = true, unused;
    int64_t now = clock_wall_ns(s->q.api->clock);
    enum status st = api_params_read(s->q.x, &s->p, &s->err);
    if (!st)
        st = api_param_time(&s->p, SLICE("start"), now - 3600 * NS_S, &s->start_ns, &s->err);
    if (!st)
        st = api_param_time(&s->p, SLICE("end"), now, &s->end_ns, &s->err);
    if (!st)
        st = read_sizes(s);
    if (!st)
        st = read_bool(s, SLICE("case_sensitive"), true, &keeps_case);
    if (!st)
        st = read_bool(s, SLICE("include_score"), false, &s->with_score);
    if (!st)
        st = read_bool(s, SLICE("include_metadata"), false, &s->with_metadata);
    if (!st)
        st = read_word(s, SLICE("fuzz_alg"), SLICE("subsequence"), SLICE_EMPTY, &unused);
    if (!st)
        st = read_word(s, SLICE("sort_by"), SLICE("alpha"), SLICE("score"), &s->by_score);
    if (!st)
        st = read_word(s, SLICE("sort_dir"), SLICE("asc"), SLICE("dsc"), &s->downwards);
    if (!st && api_param(&s->p, SLICE("sort_dir"), NULL).len && (s->by_score || api_param(&s->p, SLICE("sort_by"), NULL).len == 0))
        st = err_set(&s->err, ST_INVALID, "invalid parameter \"sort_dir\": allowed with sort_by=alpha alone");
    if (!st && s->by_score && api_param(&s->p, SLICE("search[]"), NULL).len == 0)
        st = err_set(&s->err, ST_INVALID, "invalid parameter \"sort_by\": score needs search[]");
    if (!st && s->end_ns < s->start_ns)
        st = err_set(&s->err, ST_INVALID, "invalid parameter \"end\": end timestamp must not be before start timestamp");
    s->any_case = !keeps_case;
    return st ? st : prom_selectors_read(s->q.arena, &s->p, &s->match, &s->err);
}

static char folded(char c, bool any_case)
{
    return any_case && c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* 0 to 1; below 0: the letters are not there. A run of n letters counts n * n. */
static double score_of(struct slice text, struct slice wanted, bool any_case)
{
    size_t at = 0, run = 0;
    double squares = 0;
    if (wanted.len == 0)
        return 1;
    for (size_t i = 0; i < text.len && at < wanted.len; i++) {
        bool same = folded(text.ptr[i], any_case) == folded(wanted.ptr[at], any_case);
        if (!same) {
            squares += (double)run * (double)run;
            run = 0;
            continue;
        }
        at++;
        run++;
    }
    if (at < wanted.len)
        return -1;
    double n = (double)wanted.len;
    squares += (double)run * (double)run;
    return (9 * squares / (n * n) + n / (double)text.len) / 10;
}

/* The best over all search[]; any of them is enough. */
static double best_score(const struct search *s, struct slice name)
{
    double best = -1;
    bool asked = false;
    for (size_t i = 0; i < s->p.count; i++)
        if (slice_eq(s->p.list[i].name, SLICE("search[]"))) {
            best = MAX(best, score_of(name, s->p.list[i].value, s->any_case));
            asked = true;
        }
    return asked ? best : 1;
}

static int by_name(const void *a, const void *b)
{
    return slice_cmp(((const struct found *)a)->name, ((const struct found *)b)->name);
}

static int by_name_down(const void *a, const void *b)
{
    return by_name(b, a);
}

static int by_score(const void *a, const void *b)
{
    double x = ((const struct found *)a)->score, y = ((const struct found *)b)->score;
    return x == y ? by_name(a, b) : x < y ? 1 : -1;
}

static int by_value(const void *a, const void *b)
{
    return slice_cmp(((const struct name_hit *)a)->value, ((const struct name_hit *)b)->value);
}

static enum status search_run(struct search *s, enum names_what what, struct slice label)
{
    struct engine *engine = s->q.api->engine;
    size_t rounds = MAX(s->match.count, (size_t)1), cap = 0, kept = 0;
    enum status st = ST_OK;
    for (size_t i = 0; !st && i < rounds; i++) {
        struct names_query nq = { .what = what, .name = label, .start_ns = s->start_ns, .end_ns = sat_add(s->end_ns, NS_MS) };
        struct name_hit *hits;
        size_t n = 0;
        if (s->match.count) {
            nq.matchers = s->match.list[i];
            nq.matcher_count = s->match.counts[i];
        }
        st = engine->ops->names(engine, &s->q.ctx, &nq, s->q.arena, &hits, &n, &s->err);
        for (size_t k = 0; !st && k < n; k++) {
            double score = best_score(s, hits[k].value);
            if (score >= 0 && score * SEARCH_PERCENT_MAX >= (double)s->percent)
                ARENA_PUSH(s->q.arena, s->list, s->count, cap) = (struct found){ hits[k].value, score };
        }
    }
    if (!st && s->count)
        qsort(s->list, s->count, sizeof *s->list, by_name);
    for (size_t i = 0; !st && i < s->count; i++)
        if (kept == 0 || !slice_eq(s->list[kept - 1].name, s->list[i].name))
            s->list[kept++] = s->list[i];
    s->count = kept;
    if (!st && kept && (s->by_score || s->downwards))
        qsort(s->list, kept, sizeof *s->list, s->by_score ? by_score : by_name_down);
    struct names_query all = { .what = NAMES_METADATA, .start_ns = 0, .end_ns = INT64_MAX };
    if (!st && s->with_metadata)
        st = engine->ops->names(engine, &s->q.ctx, &all, s->q.arena, &s->about, &s->about_count, &s->err);
    if (!st && s->about_count)
        qsort(s->about, s->about_count, sizeof *s->about, by_value);
    return st;
}

static void put_text(struct json_writer *w, struct slice key, struct slice value)
{
    json_key(w, key);
    json_string(w, value);
}

static void put_found(struct json_writer *w, const struct search *s, const struct found *f)
{
    struct name_hit key = { .value = f->name };
    const struct name_hit *about = s->about_count ? bsearch(&key, s->about, s->about_count, sizeof *s->about, by_value) : NULL;
    json_object_begin(w);
    put_text(w, SLICE("name"), f->name);
    if (s->with_score) {
        json_key(w, SLICE("score"));
        json_double(w, f->score);
    }
    if (about && about->metadata) {
        put_text(w, SLICE("type"), slice_str(metric_type_name(about->metadata->type)));
        put_text(w, SLICE("help"), about->metadata->help);
        put_text(w, SLICE("unit"), about->metadata->unit);
    }
    json_object_end(w);
}

static void search_answer(struct search *s)
{
    size_t n = MIN(s->count, s->limit), i = 0;
    struct json_writer w;
    struct buf out;
    buf_init(&out, QUERY_RESULT_BYTES_MAX);
    do {
        json_writer_init(&w, &out);
        json_object_begin(&w);
        json_key(&w, SLICE("results"));
        json_array_begin(&w);
        for (size_t end = MIN(n, i + s->batch); i < end; i++)
            put_found(&w, s, &s->list[i]);
        json_array_end(&w);
        json_object_end(&w);
        buf_char(&out, '\n');
    } while (i < n);
    json_writer_init(&w, &out);
    json_object_begin(&w);
    put_text(&w, SLICE("status"), SLICE("success"));
    json_key(&w, SLICE("has_more"));
    json_bool(&w, s->count > n);
    json_object_end(&w);
    buf_char(&out, '\n');
    http_reply_buf(s->q.x, 200, SLICE("application/x-ndjson; charset=utf-8"), &out);
}

static void serve(struct api *api, struct http_exchange *x, enum names_what what, struct slice label, bool asks_label)
{
    struct search s = { 0 };
    if (!api_query_begin(api, x, &s.q))
        return;
    enum status st = search_read(&s);
    if (!st && asks_label) {
        label = api_param(&s.p, SLICE("label"), NULL);
        if (label.len == 0)
            st = err_set(&s.err, ST_INVALID, "missing required parameter \"label\"");
    }
    if (!st)
        st = search_run(&s, what, label);
    if (st)
        api_fail(x, st, &s.err);
    else
        search_answer(&s);
    prom_selectors_free(&s.match);
    api_query_end(&s.q, "prometheus_meta", st, &s.err);
}

void prom_search_metric_names(void *user, struct http_exchange *x)
{
    serve(user, x, NAMES_LABEL_VALUES, SLICE("__name__"), false);
}

void prom_search_label_names(void *user, struct http_exchange *x)
{
    serve(user, x, NAMES_LABELS, SLICE_EMPTY, false);
}

void prom_search_label_values(void *user, struct http_exchange *x)
{
    serve(user, x, NAMES_LABEL_VALUES, SLICE_EMPTY, true);
}
