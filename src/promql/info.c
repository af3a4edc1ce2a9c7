/* SPDX-License-Identifier: Apache-2.0 */
/* info(v, {...}): series get the labels of the info series (target_info and the like) of the same instance and job.
 *
 * The second argument is no vector but a filter: matchers of the name say which metrics give labels, others which labels.
 * Info series are read as of the time that the first argument is read at: its @ and offset count. At each step the
 * youngest info series of each name wins. */
#include "promql/parts.h"
#include "promql/rows.h"

enum { INFO_NAMES_MAX = 64 };

static const struct slice identifying[] = { SLICE_INIT("instance"), SLICE_INIT("job") };

struct info {
    struct eval *e;
    const struct grid *g;
    const struct node *filter; /* NULL: none given */
    struct node selector;
    struct matcher extra;      /* the name, when the filter does not pin it */
    bool has_extra, has_names, must_match, picks_labels;
    struct rows base, infos, out;
    struct map by_sig;         /* to the first row of infos + 1 */
    size_t *next;
};

/* The @ and offset under which n's samples are read. */
static void read_time(const struct node *n, struct node *out)
{
    for (;;) {
        bool at = n->at != AT_NONE;
        if (at) {
            out->at = n->at;
            out->at_ms = n->at_ms;
        }
        out->offset_ms = at ? n->offset_ms : out->offset_ms + n->offset_ms;
        if (n->kid_count == 0)
            return;
        size_t k = 0;
        while (k + 1 < n->kid_count && n->kids[k]->type != TYPE_VECTOR && n->kids[k]->type != TYPE_MATRIX)
            k++;
        n = n->kids[k];
    }
}

static bool is_name(const struct matcher *m)
{
    return slice_eq(m->name, NAME_LABEL);
}

static enum status make_selector(struct info *x, const struct node *call, struct arena *a, struct err *err)
{
    size_t count = x->filter ? x->filter->matcher_count : 0;
    bool positive = false;
    x->selector = (struct node){ .kind = NODE_SELECTOR, .type = TYPE_VECTOR, .start = call->start };
    x->selector.matchers = arena_array(a, struct matcher, count + 1);
    for (size_t i = 0; i < count; i++) {
        const struct matcher *m = &x->filter->matchers[i];
        x->selector.matchers[x->selector.matcher_count++] = *m;
        x->has_names |= is_name(m);
        positive |= is_name(m) && (m->op == MATCH_EQ || m->op == MATCH_RE);
        x->picks_labels |= !is_name(m);
        x->must_match |= !is_name(m) && !matcher_matches_empty(m);
    }
    read_time(call->kids[0], &x->selector);
    if (positive)
        return ST_OK;
    enum status st = x->has_names ? matcher_init(&x->extra, MATCH_RE, NAME_LABEL, SLICE(".+_info"), err)
                                  : matcher_init(&x->extra, MATCH_EQ, NAME_LABEL, SLICE("target_info"), err);
    if (st)
        return st;
    x->has_extra = true;
    x->selector.matchers[x->selector.matcher_count++] = x->extra;
    return ST_OK;
}

static struct slice signature(struct info *x, struct slice labels)
{
    return labels_only(x->infos.a, labels, identifying, COUNT_OF(identifying));
}

static void index_infos(struct info *x)
{
    bool added;
    map_init(&x->by_sig);
    x->next = arena_array(x->infos.a, size_t, x->infos.count + 1);
    for (size_t i = x->infos.count; i-- > 0;) {
        uint64_t *first = map_put(&x->by_sig, signature(x, x->infos.list[i].labels), &added);
        x->next[i] = (size_t)*first;
        *first = i + 1;
    }
}

/* A series that gives labels itself takes none. */
static bool is_info(const struct info *x, struct slice labels)
{
    struct slice name = labels_get(labels, NAME_LABEL);
    for (size_t i = 0; i < x->selector.matcher_count; i++)
        if (is_name(&x->selector.matchers[i]) && !matcher_match(&x->selector.matchers[i], name))
            return false;
    return true;
}

/* The youngest of each name at step, as positions + 1. */
static enum status choose(const struct info *x, size_t first, size_t step, size_t *chosen, size_t *count, struct err *err)
{
    *count = 0;
    for (size_t k = first; k; k = x->next[k - 1]) {
        const struct row *row = &x->infos.list[k - 1];
        size_t i = 0;
        if (is_absent(row->v[step]))
            continue;
        struct slice name = labels_get(row->labels, NAME_LABEL);
        while (i < *count && !slice_eq(labels_get(x->infos.list[chosen[i] - 1].labels, NAME_LABEL), name))
            i++;
        if (i == INFO_NAMES_MAX)
            return err_set(err, ST_LIMIT, "info(): more than %d info metrics for one series", INFO_NAMES_MAX);
        if (i == *count)
            chosen[(*count)++] = k;
        else if (row->v[step] == x->infos.list[chosen[i] - 1].v[step])
            return err_set(err, ST_INVALID, "found duplicate series for info metric: %.*s", SLICE_FMT(name));
        else if (row->v[step] > x->infos.list[chosen[i] - 1].v[step])
            chosen[i] = k;
    }
    return ST_OK;
}

static bool is_picked(const struct info *x, struct slice name)
{
    if (!x->picks_labels)
        return true;
    for (size_t i = 0; i < x->filter->matcher_count; i++)
        if (slice_eq(x->filter->matchers[i].name, name))
            return true;
    return false;
}

static enum status enriched(struct info *x, struct slice base, const size_t *chosen, size_t count, struct slice *out, struct err *err)
{
    *out = base;
    for (size_t i = 0; i < count; i++) {
        struct slice rest = x->infos.list[chosen[i] - 1].labels;
        for (struct label l; labels_next(&rest, &l);) {
            if (slice_eq(l.name, NAME_LABEL) || labels_get(base, l.name).len || !is_picked(x, l.name))
                continue;
            struct slice had = labels_get(*out, l.name);
            if (had.len && !slice_eq(had, l.value))
                return err_set(err, ST_INVALID, "conflicting label: %.*s", SLICE_FMT(l.name));
            *out = labels_with(x->out.a, *out, l.name, l.value);
        }
    }
    return ST_OK;
}

static enum status enrich(struct info *x, const struct row *row, struct err *err)
{
    struct slice sig = signature(x, row->labels);
    const uint64_t *found = sig.len && !is_info(x, row->labels) ? map_get(&x->by_sig, sig) : NULL;
    bool as_is = is_info(x, row->labels);
    size_t chosen[INFO_NAMES_MAX], before[INFO_NAMES_MAX], count = 0, before_count = SIZE_MAX;
    double *to = NULL;
    for (size_t i = 0; i < x->g->n; i++) {
        if (is_absent(row->v[i]))
            continue;
        enum status st = choose(x, found ? (size_t)*found : 0, i, chosen, &count, err);
        if (st)
            return st;
        if (count == 0 && x->must_match && !as_is)
            continue;
        if (count != before_count || memcmp(chosen, before, count * sizeof *chosen) != 0) {
            struct slice labels;
            st = enriched(x, row->labels, chosen, count, &labels, err);
            if (st)
                return st;
            struct row *into = rows_get(&x->out, labels, row->drop_name);
            into->has_histograms |= row->has_histograms; /* which are the base's */
            to = into->v;
            before_count = count;
            memcpy(before, chosen, count * sizeof *chosen);
        }
        if (!is_absent(to[i]))
            return eval_same_labels(err);
        to[i] = row->v[i];
    }
    return eval_check(x->e, err);
}

static enum status not_info(struct slice labels, struct err *err)
{
    struct buf text;
    buf_init(&text, ERR_TEXT_BYTES_MAX);
    labels_format(labels, &text);
    struct slice s = buf_as_slice(&text);
    err_set(err, ST_INVALID, "this should be an info metric, with float samples: %.*s", SLICE_FMT(s));
    buf_free(&text);
    return ST_INVALID;
}

enum status info_info(struct eval *e, const struct node *n, const struct grid *g, struct sink *sink, struct err *err)
{
    struct info x = { .e = e, .g = g, .filter = n->kid_count > 1 ? n->kids[1] : NULL };
    rows_init(&x.base, e, g->n);
    rows_init(&x.infos, e, g->n);
    rows_init(&x.out, e, g->n);
    map_init(&x.by_sig);
    enum status st = make_selector(&x, n, x.infos.a, err);
    if (!st)
        st = eval_vector(e, n->kids[0], g, &x.base.sink, err);
    if (!st && x.base.count)
        st = eval_selector(e, &x.selector, g, SELECTOR_TIME, &x.infos.sink, err);
    for (size_t i = 0; !st && i < x.infos.count; i++)
        if (x.infos.list[i].has_histograms)
            st = not_info(x.infos.list[i].labels, err);
    if (!st)
        index_infos(&x);
    for (size_t i = 0; !st && i < x.base.count; i++)
        st = enrich(&x, &x.base.list[i], err);
    rows_sort(&x.out);
    if (!st)
        st = rows_give(&x.out, sink, err);
    if (x.has_extra)
        matcher_destroy(&x.extra);
    map_free(&x.by_sig);
    rows_free(&x.base);
    rows_free(&x.infos);
    rows_free(&x.out);
    return st;
}
