/* SPDX-License-Identifier: Apache-2.0 */
/* A page's lines repeat from scrape to scrape, so the way from a line's text ("name{labels}") to its final labels is
 * remembered: relabelling and sorting are done once a series, not once a sample.
 *
 *     text of a line -> known text (or: dropped by relabelling) -> series (final labels)
 *
 * (1) Two texts may lead to one series (labels in another order): the first one in a page counts, as in Prometheus.
 * (2) A series was in the last page when its round is the memory's last; its end is marked once, by the next page.
 * (3) Series whose samples carry times of their own get no marker (unless track_timestamps_staleness).
 * (4) When most of what is remembered is gone from the page, the memory is rebuilt from what is there.
 * (5) Lines with a label that names a request lead to one series together: see fold_page.c.
 * (6) A page repeats a line's exemplar until there is another: it is taken once.
 * (7) A series that began counting after its last sample, and tells when, has a sample of 0 there, when the job asks for it. A
 *     folded series is a sum of several, so it has no beginning.
 * (8) A new line that the firewall does not let in has one label after another set to OVERFLOW_VALUE until it does, and is
 *     folded as (5). When no label is left that could, it is left out of this page and asked about again in the next; so are
 *     native histograms, which have no sum that a page could give. */
#include "collect/scrape_round.h"

#include <math.h>

#include "base/map.h"
#include "base/num.h"
#include "collect/fold_page.h"
#include "collect/page.h"
#include "ingest/ingest.h"
#include "ingest/native.h"
#include "ingest/page_source.h"
#include "ingest/prom_page.h"
#include "model/exemplar.h"
#include "pipeline/firewall.h"

enum { GONE_KEPT_MAX = 1024 };

struct series {
    struct slice labels;
    uint64_t round, round_before;
    int64_t told_ms, t_ms;    /* of its last sample in a good page; of the one in page `round` */
    size_t at;                /* of its sample in this round's batch */
    struct fold_series *fold; /* NULL: no line of it had a request's id: (5) */
    bool marks;               /* its end is marked: (3) */
};

struct known_text {
    struct series *series; /* NULL: dropped */
    struct fold_line *line; /* (5) */
    uint64_t round, exemplar_hash;
};

struct scrape_memory {
    struct arena *arena;
    struct map texts, series, groups; /* -> struct known_text *, struct series *, struct fold_group * */
    struct fold_series *folds;
    uint64_t fold_number;     /* of the rules that lines went by */
    int64_t last_ms;          /* of the last good page */
    bool is_learning;         /* what lines stood at before is not known */
    uint64_t round, last;     /* of the page being read; of the last good page, 0 when that scrape failed */
    uint64_t good;            /* of the last good page */
    uint64_t metadata_hash;   /* of what was sent last */
};

struct work {
    struct scrape_memory *m;
    const struct scrape_page *page;
    struct batch *b;
    struct scrape_counts *counts;
    const struct page_family *family;
    struct fold_page fold;
    bool left_out; /* the line just read: (8) */
};

struct scrape_memory *scrape_memory_new(void)
{
    struct scrape_memory *m = mem_new(struct scrape_memory);
    m->arena = arena_new(0);
    map_init(&m->texts);
    map_init(&m->series);
    map_init(&m->groups);
    return m;
}

void scrape_memory_free(struct scrape_memory *m)
{
    if (m == NULL)
        return;
    map_free(&m->texts);
    map_free(&m->series);
    map_free(&m->groups);
    arena_free(m->arena);
    mem_free(m);
}

size_t scrape_memory_bytes(const struct scrape_memory *m)
{
    return arena_bytes(m->arena);
}

static struct series *series_put(struct scrape_memory *m, struct slice labels)
{
    uint64_t *at = map_get(&m->series, labels);
    if (at)
        return (struct series *)(uintptr_t)*at;
    struct series *s = arena_new_of(m->arena, struct series);
    s->labels = arena_copy(m->arena, labels);
    *map_put(&m->series, s->labels, NULL) = (uint64_t)(uintptr_t)s;
    return s;
}

static struct known_text *text_put(struct scrape_memory *m, struct slice text, struct series *s)
{
    struct known_text *k = arena_new_of(m->arena, struct known_text);
    k->series = s;
    *map_put(&m->texts, arena_copy(m->arena, text), NULL) = (uint64_t)(uintptr_t)k;
    return k;
}

static bool was_in_last_page(const struct scrape_memory *m, const struct series *s)
{
    /* A page that failed half-way may have met it again. */
    return m->last && (s->round == m->last || (s->round > m->last && s->round_before == m->last));
}

static struct fold_series *fold_put(struct scrape_memory *m, struct series *s, enum fold_how how)
{
    if (s->fold)
        return s->fold;
    s->fold = arena_new_of(m->arena, struct fold_series);
    s->fold->labels = s->labels;
    s->fold->how = how;
    s->fold->next = m->folds;
    return m->folds = s->fold;
}

static struct fold_group *group_put(struct scrape_memory *m, struct slice key)
{
    uint64_t *at = map_get(&m->groups, key);
    if (at == NULL) {
        struct fold_group *g = arena_new_of(m->arena, struct fold_group);
        g->key = arena_copy(m->arena, key);
        at = map_put(&m->groups, g->key, NULL);
        *at = (uint64_t)(uintptr_t)g;
    }
    return (struct fold_group *)(uintptr_t)*at;
}

/* ---- rebuilding ---- */

/* Without its lines (keep_lines false) it goes on from its base alone. */
static void fold_move(struct scrape_memory *to, struct series *s, const struct fold_series *from, bool keep_lines)
{
    struct fold_series *f = fold_put(to, s, from->how), *next = f->next;
    *f = *from;
    f->next = next;
    f->labels = s->labels;
    f->last = f->chosen = f->named = NULL;
    if (!keep_lines) {
        f->good_count = 0;
        f->good_sum = 0;
    }
}

static struct fold_line *line_move(struct scrape_memory *to, struct series *s, const struct fold_line *from)
{
    struct fold_line *line = arena_new_of(to->arena, struct fold_line);
    if (s->fold == NULL)
        return NULL;
    *line = *from;
    line->to = s->fold;
    line->ids = arena_copy(to->arena, from->ids);
    line->kind.base = SLICE_EMPTY; /* its group is known */
    if (from->group->moved == NULL) {
        from->group->moved = group_put(to, from->group->key);
        struct slice key = from->group->moved->key;
        *from->group->moved = *from->group;
        from->group->moved->key = key;
        from->group->moved->moved = NULL;
    }
    line->group = from->group->moved;
    if (from->to->last == from)
        line->to->last = line;
    return line;
}

/* What stays is what stands in this page or the last one; texts only when their way to the series still holds. */
static void rebuild(struct scrape_memory *m, bool keep_texts)
{
    struct scrape_memory fresh = { .arena = arena_new(0), .round = m->round, .last = m->last, .good = m->good, .metadata_hash = m->metadata_hash,
                                   .fold_number = m->fold_number, .last_ms = m->last_ms,
                                   .is_learning = m->is_learning || (!keep_texts && m->last_ms) };
    struct map_entry *e;
    map_init(&fresh.texts);
    map_init(&fresh.series);
    map_init(&fresh.groups);
    for (size_t i = 0; (e = map_each(&m->series, &i));) {
        const struct series *from = (const struct series *)(uintptr_t)e->value;
        if (from->round != m->round && !was_in_last_page(m, from))
            continue;
        struct series *to = series_put(&fresh, from->labels);
        to->round = from->round;
        to->round_before = from->round_before;
        to->marks = from->marks;
        to->told_ms = from->told_ms;
        to->t_ms = from->t_ms;
        if (from->fold)
            fold_move(&fresh, to, from->fold, keep_texts);
    }
    for (size_t i = 0; keep_texts && (e = map_each(&m->texts, &i));) {
        const struct known_text *k = (const struct known_text *)(uintptr_t)e->value;
        if (k->round != m->round)
            continue;
        struct known_text *to = text_put(&fresh, e->key, k->series ? series_put(&fresh, k->series->labels) : NULL);
        to->round = k->round;
        to->exemplar_hash = k->exemplar_hash;
        to->line = k->line ? line_move(&fresh, to->series, k->line) : NULL;
    }
    map_free(&m->texts);
    map_free(&m->series);
    map_free(&m->groups);
    arena_free(m->arena);
    *m = fresh;
}

/* (4) */
static void forget_gone(struct scrape_memory *m)
{
    size_t live = 0;
    struct map_entry *e;
    for (size_t i = 0; (e = map_each(&m->texts, &i));)
        live += ((struct known_text *)(uintptr_t)e->value)->round == m->round;
    if (MAX(m->texts.count, m->series.count) > 2 * live + GONE_KEPT_MAX)
        rebuild(m, true);
}

void scrape_memory_new_rules(struct scrape_memory *m)
{
    rebuild(m, false);
}

/* ---- labels of a new line ---- */

static enum status check_limits(const struct scrape_limits *l, const struct promtext_entry *e, const struct label_list *list, struct err *err)
{
    if (l->labels && list->count > l->labels)
        return err_set(err, ST_LIMIT, "line %zu: %zu labels, label_limit is %llu", e->line, list->count, (unsigned long long)l->labels);
    for (size_t i = 0; i < list->count; i++) {
        struct label one = list->list[i];
        if (l->label_name_bytes && one.name.len > l->label_name_bytes)
            return err_set(err, ST_LIMIT, "line %zu: label name \"%.*s\" has %zu bytes, label_name_length_limit is %llu", e->line,
                           SLICE_FMT(slice_sub(one.name, 0, 60)), one.name.len, (unsigned long long)l->label_name_bytes);
        if (l->label_value_bytes && one.value.len > l->label_value_bytes)
            return err_set(err, ST_LIMIT, "line %zu: the value of label %.*s has %zu bytes, label_value_length_limit is %llu", e->line,
                           SLICE_FMT(slice_sub(one.name, 0, 60)), one.value.len, (unsigned long long)l->label_value_bytes);
    }
    return ST_OK;
}

/* The target's labels over the page's: a clash renames the page's label to exported_..., or keeps it with honor_labels. */
static void add_target_labels(const struct scrape_page *page, struct label_list *l)
{
    struct slice rest = page->labels;
    for (struct label one; labels_next(&rest, &one);) {
        struct slice theirs = label_list_get(l, one.name), name = one.name;
        if (theirs.len && page->job->honor_labels)
            continue;
        label_list_set(l, one.name, one.value);
        if (theirs.len == 0)
            continue;
        do
            name = arena_printf(l->arena, "exported_%.*s", SLICE_FMT(name));
        while (label_list_has(l, name));
        label_list_set(l, name, theirs);
    }
}

/* What a request's id is for: takes such labels off l, and gives them in list. The target's own labels are the operator's.
 * Native histograms are not folded. */
static size_t take_ids(const struct scrape_page *page, const struct promtext_entry *e, struct label_list *l, struct label *list)
{
    size_t n = 0, kept = 0;
    if (page->fold == NULL || !page->fold->on || is_histogram(e->value))
        return 0;
    for (size_t i = 0; i < l->count; i++) {
        bool is_id = n < FOLD_LABELS_MAX && fold_rules_has(page->fold, l->list[i].name) && labels_get(page->labels, l->list[i].name).len == 0;
        if (is_id)
            list[n++] = l->list[i];
        else
            l->list[kept++] = l->list[i];
    }
    l->count = kept;
    return n;
}

/* A line of s, for s is folded or ids were taken off it. */
static struct fold_line *line_new(struct work *w, struct series *s, const struct fold_kind *kind, struct slice ids, const struct label_list *l)
{
    struct scrape_memory *m = w->m;
    struct fold_line *line = arena_new_of(m->arena, struct fold_line);
    struct buf key;
    buf_init(&key, 0);
    buf_slice(&key, kind->base);
    buf_slice(&key, ids);
    for (struct slice rest = s->labels; l && rest.len;) {
        struct label one;
        if (!labels_next(&rest, &one))
            break;
        if (slice_eq(one.name, SLICE("le")))
            line->bound = slice_eq(one.value, SLICE("+Inf")) ? INFINITY : num_parse_double(one.value, &line->bound) ? line->bound : 0;
        else if (!slice_eq(one.name, SLICE("__name__")) && !slice_eq(one.name, FOLD_MARK))
            buf_printf(&key, "\n%.*s=%.*s", SLICE_FMT(one.name), SLICE_FMT(one.value));
    }
    line->to = fold_put(m, s, kind->how);
    line->kind = *kind;
    line->kind.base = SLICE_EMPTY; /* lies in the page */
    line->ids = arena_copy(m->arena, ids);
    line->group = group_put(m, buf_as_slice(&key));
    buf_free(&key);
    return line;
}

static struct fold_kind kind_of(const struct work *w, const struct promtext_entry *e)
{
    bool has_quantile = false;
    for (size_t i = 0; i < e->label_count; i++)
        has_quantile |= slice_eq(e->labels[i].name, SLICE("quantile"));
    return fold_kind_of(w->family->type, w->family->name, e->name, has_quantile);
}

/* (8) *labels are those of l; *kind is found when something folds. */
static enum status let_in(struct work *w, const struct promtext_entry *e, struct label_list *l, struct slice *labels, struct fold_kind *kind,
                          bool *is_overflow, struct err *err)
{
    const struct scrape_page *page = w->page;
    struct firewall_verdict v;
    int64_t now_ns = page->t_ms * NS_MS;
    w->left_out = false;
    while (page->firewall && !firewall_scraped(page->firewall, w->b->tenant, *labels, page->labels, now_ns, &v)) {
        w->left_out = v.label.len == 0 || is_histogram(e->value);
        firewall_tell_scraped(page->firewall, w->b->tenant, *labels, w->left_out, page->t_ms, now_ns, &v, w->left_out);
        if (w->left_out)
            return ST_OK;
        *kind = kind_of(w, e);
        *is_overflow = true;
        label_list_set(l, arena_copy(l->arena, v.label), OVERFLOW_VALUE);
        if (kind->how == FOLD_LAST)
            label_list_set(l, FOLD_MARK, FOLD_MARK_VALUE);
        if (labels_build(l->arena, l->list, l->count, labels, err))
            return err_prefix(err, "line %zu: ", e->line);
    }
    return ST_OK;
}

/* What the firewall folded of this page, series by series. */
static void overflow_tell(const struct work *w)
{
    for (const struct fold_series *s = w->m->folds; w->page->firewall && s; s = s->next)
        if (s->is_overflow && s->round == w->m->round)
            firewall_tell_scraped(w->page->firewall, w->b->tenant, s->labels, s->lines, w->page->t_ms, w->page->t_ms * NS_MS, NULL, false);
}

/* *out NULL: relabelling drops it, or it is left out. *line NULL: it is not folded. */
static enum status series_of(struct work *w, const struct promtext_entry *e, struct series **out, struct fold_line **line, struct err *err)
{
    struct label ids[FOLD_LABELS_MAX];
    struct slice id_labels = SLICE_EMPTY;
    struct fold_kind kind = { .how = FOLD_SUM };
    struct label_list l = label_list_new(w->b->arena);
    struct slice labels;
    bool is_overflow = false;
    *out = NULL;
    *line = NULL;
    w->left_out = false;
    label_list_set(&l, SLICE("__name__"), e->name);
    for (size_t i = 0; i < e->label_count; i++) {
        /* A page with a label twice is ambiguous: refused, as in Prometheus. */
        if (label_list_has(&l, e->labels[i].name))
            return err_set(err, ST_INVALID, "line %zu: label \"%.*s\" comes twice", e->line, SLICE_FMT(slice_sub(e->labels[i].name, 0, 60)));
        label_list_set(&l, arena_copy(l.arena, e->labels[i].name),
                       prom_page_label(l.arena, w->family->type, e->labels[i].name, e->labels[i].value));
    }
    add_target_labels(w->page, &l);
    if (!relabel_run(w->page->rules, &l))
        return ST_OK;
    if (!label_list_has(&l, SLICE("__name__")))
        return err_set(err, ST_INVALID, "line %zu: relabelling left no metric name", e->line);
    enum status st = check_limits(&w->page->job->limits, e, &l, err);
    size_t id_count = st ? 0 : take_ids(w->page, e, &l, ids);
    if (id_count) {
        kind = kind_of(w, e);
        if (kind.how == FOLD_LAST)
            label_list_set(&l, FOLD_MARK, FOLD_MARK_VALUE);
    }
    if (!st && (labels_build(l.arena, l.list, l.count, &labels, err) || labels_build(l.arena, ids, id_count, &id_labels, err)))
        return err_prefix(err, "line %zu: ", e->line);
    if (!st)
        st = let_in(w, e, &l, &labels, &kind, &is_overflow, err);
    if (st || w->left_out)
        return st;
    *out = series_put(w->m, labels);
    if (id_labels.len || is_overflow)
        *line = line_new(w, *out, &kind, id_labels, &l);
    if (is_overflow)
        (*line)->to->is_overflow = true;
    return ST_OK;
}

/* ---- a page ---- */

static void marker_add(const struct series *s, int64_t t_ms, struct batch *b)
{
    batch_series(b, arena_copy(b->arena, s->labels));
    batch_sample(b, t_ms, double_of_bits(STALE_NAN_BITS));
}

static uint64_t exemplar_hash(const struct promtext_exemplar *x, uint64_t hash)
{
    hash = hash_u64(hash + double_bits(x->value) + (uint64_t)(x->has_time ? x->t_ms : 1));
    for (size_t i = 0; i < x->label_count; i++)
        hash = hash64(x->labels[i].value, hash64(x->labels[i].name, hash));
    return hash;
}

static void exemplar_put(struct work *w, const struct promtext_exemplar *x, struct slice series)
{
    struct label list[EXEMPLAR_LABELS_MAX];
    struct err err;
    int64_t t_ms = x->has_time ? x->t_ms : w->page->t_ms;
    bool is_old = sat_sub(w->page->t_ms, t_ms) > (int64_t)EXEMPLAR_AGE_HOURS_MAX * 3600 * 1000;
    if (is_old || x->label_count > EXEMPLAR_LABELS_MAX || w->b->event_count >= FOLD_EXEMPLARS_PER_SCRAPE_MAX)
        return;
    for (size_t i = 0; i < x->label_count; i++)
        list[i] = (struct label){ x->labels[i].name, x->labels[i].value };
    /* Too many or too long labels are refused as Prometheus refuses them: the sample stays. */
    (void)!exemplar_add(w->b, arena_copy(w->b->arena, series), list, x->label_count, x->value, sat_mul(t_ms, NS_MS), &err);
}

/* (6) A native histogram's are taken together when one of them is another. */
static void exemplars_take(struct work *w, const struct promtext_entry *e, struct known_text *k)
{
    uint64_t hash = e->has_exemplar ? exemplar_hash(&e->exemplar, 0) : 0;
    for (size_t i = 0; i < e->more_count; i++)
        hash = exemplar_hash(&e->more[i], hash);
    if (hash == k->exemplar_hash)
        return;
    k->exemplar_hash = hash;
    if (e->has_exemplar)
        exemplar_put(w, &e->exemplar, k->series->labels);
    for (size_t i = 0; i < e->more_count; i++)
        exemplar_put(w, &e->more[i], k->series->labels);
}

/* (7) */
static void start_add(struct work *w, const struct series *s, const struct promtext_entry *e, int64_t t_ms)
{
    if (e->start_ms <= s->told_ms || e->start_ms >= t_ms || s->fold || t_ms - e->start_ms > INGEST_START_GAP_MS_MAX)
        return;
    if (is_histogram(e->value))
        batch_histogram(w->b, e->start_ms, native_empty(w->b->arena, histogram_unbox(e->value)));
    else
        batch_sample(w->b, e->start_ms, 0);
}

/* In a resolution that the job's limits allow; NULL with err set when there is none. */
static const struct histogram *histogram_limit(const struct work *w, const struct promtext_entry *e, struct err *err)
{
    const struct scrape_limits *l = &w->page->job->limits;
    const struct histogram *h = histogram_unbox(e->value);
    if (h->schema == HISTOGRAM_SCHEMA_CUSTOM)
        return h;
    if (h->schema > l->schema_max)
        h = histogram_reduce(w->b->arena, h, l->schema_max);
    while (l->buckets && h->positive.bucket_count + h->negative.bucket_count > l->buckets && h->schema > HISTOGRAM_SCHEMA_MIN)
        h = histogram_reduce(w->b->arena, h, h->schema - 1);
    if (l->buckets == 0 || h->positive.bucket_count + h->negative.bucket_count <= l->buckets)
        return h;
    err_set(err, ST_LIMIT, "line %zu: a native histogram has %u buckets in the lowest resolution, native_histogram_bucket_limit is %llu", e->line,
            h->positive.bucket_count + h->negative.bucket_count, (unsigned long long)l->buckets);
    return NULL;
}

/* (5) at: of the row of the series, which this line just made when is_first. */
static void fold_add(struct work *w, const struct promtext_entry *e, struct known_text *k, bool is_first, int64_t t_ms)
{
    struct series *s = k->series;
    if (k->line == NULL) {
        struct fold_kind plain = { s->fold->how, FOLD_VALUE, false, SLICE_EMPTY };
        k->line = line_new(w, s, &plain, SLICE_EMPTY, NULL);
    }
    struct sample *row = &w->b->samples[s->at];
    row->t_ms = MAX(row->t_ms, t_ms);
    if (e->start_ms)
        k->line->group->created = (double)e->start_ms / 1000;
    fold_sample(&w->fold, k->line, e->value, s->at, is_first);
}

static enum status sample_add(struct work *w, const struct promtext_entry *e, struct err *err)
{
    struct scrape_memory *m = w->m;
    const struct scrape_job *job = w->page->job;
    uint64_t *at = map_get(&m->texts, e->series);
    struct known_text *k = at ? (struct known_text *)(uintptr_t)*at : NULL;
    w->counts->scraped++;
    if (k == NULL) {
        struct series *s;
        struct fold_line *line;
        enum status st = series_of(w, e, &s, &line, err);
        if (st || w->left_out)
            return st;
        k = text_put(m, e->series, s);
        k->line = line;
    }
    struct series *s = k->series;
    bool own_time = e->has_time && job->honor_timestamps;
    k->round = m->round;
    if (s == NULL)
        return ST_OK;
    bool is_first = s->round != m->round;
    int64_t t_ms = own_time ? e->t_ms : w->page->t_ms;
    if (e->has_exemplar || e->more_count)
        exemplars_take(w, e, k);
    bool is_over = job->limits.samples && w->counts->kept > job->limits.samples; /* then series have no rows: counted to the end, and refused */
    if (!is_first && s->fold) {
        if (!is_over)
            fold_add(w, e, k, false, t_ms);
        return ST_OK;
    }
    if (!is_first && !own_time) /* (1) */
        return ST_OK;
    if (is_first) {
        s->told_ms = s->round <= m->good ? s->t_ms : s->told_ms;
        s->round_before = s->round;
        s->round = m->round;
        w->counts->added += m->last == 0 || s->round_before != m->last;
    }
    s->marks = !own_time || job->track_timestamps_staleness;
    w->counts->kept++;
    if (job->limits.samples && w->counts->kept > job->limits.samples)
        return ST_OK; /* counted to the end, then refused */
    batch_series(w->b, arena_copy(w->b->arena, s->labels));
    if (is_first && job->start_zero)
        start_add(w, s, e, t_ms);
    s->at = w->b->sample_count;
    s->t_ms = t_ms;
    if (is_histogram(e->value)) {
        const struct histogram *h = histogram_limit(w, e, err);
        if (h == NULL)
            return ST_LIMIT;
        batch_histogram(w->b, t_ms, h);
        return ST_OK;
    }
    batch_sample(w->b, t_ms, e->value);
    if (s->fold)
        fold_add(w, e, k, true, t_ms);
    return ST_OK;
}

/* Metadata goes along when it differs from what went last: it rarely does. */
static void metadata_settle(struct scrape_memory *m, struct batch *b)
{
    uint64_t hash = 1;
    for (size_t i = 0; i < b->metadata_count; i++) {
        const struct metric_metadata *d = &b->metadata[i];
        hash = hash64(d->unit, hash64(d->help, hash64(d->name, hash + (uint64_t)d->type)));
    }
    if (hash == m->metadata_hash)
        b->metadata_count = 0;
    m->metadata_hash = hash;
}

static enum status read_page(struct work *w, struct err *err)
{
    struct page_family family = { .name = SLICE_EMPTY, .help = SLICE_EMPTY, .unit = SLICE_EMPTY };
    struct promtext_entry e;
    struct batch *b = w->b;
    const struct scrape_limits *limits = &w->page->job->limits;
    w->family = &family;
    struct page_source *p = page_source_new(b->arena, w->page->text, w->page->content_type, &w->page->job->source);
    enum status st = page_source_next(p, &e, err);
    while (!st && e.kind != PROMTEXT_END) {
        if (e.kind == PROMTEXT_SAMPLE)
            st = sample_add(w, &e, err);
        else
            page_family_entry(&family, &e, b);
        if (!st && (batch_rows(b) > BATCH_ROWS_MAX / 2 || arena_over(b->arena)))
            st = err_set(err, ST_LIMIT, "line %zu: the page has over %d samples or does not fit in memory's share", e.line, BATCH_ROWS_MAX / 2);
        if (!st)
            st = page_source_next(p, &e, err);
    }
    page_family_flush(&family, b);
    page_source_free(p);
    if (!st && limits->samples && w->counts->kept > limits->samples)
        st = err_set(err, ST_LIMIT, "%zu samples, sample_limit is %llu", w->counts->kept, (unsigned long long)limits->samples);
    return st;
}

enum status scrape_round(struct scrape_memory *m, const struct scrape_page *page, struct batch *b, struct scrape_counts *counts, struct err *err)
{
    struct work w = { .m = m, .page = page, .b = b, .counts = counts };
    struct map_entry *e;
    uint64_t fold_number = page->fold ? page->fold->number : 0;
    *counts = (struct scrape_counts){ 0 };
    if (m->fold_number != fold_number)
        rebuild(m, false);
    m->fold_number = fold_number;
    m->round++;
    w.fold = (struct fold_page){ .b = b, .round = m->round, .t_ms = page->t_ms, .before_ms = m->last_ms, .is_learning = m->is_learning };
    enum status st = read_page(&w, err);
    w.fold.all = m->folds;
    if (st) {
        b->series_count = b->sample_count = b->metadata_count = b->event_count = 0;
        fold_fail(&w.fold);
        return st;
    }
    for (size_t i = 0; m->last && (e = map_each(&m->series, &i));) {
        struct series *s = (struct series *)(uintptr_t)e->value;
        if (s->round == m->last && s->marks)
            marker_add(s, page->t_ms, b);
    }
    fold_settle(&w.fold, page->folded, page->labels);
    overflow_tell(&w);
    m->last = m->good = m->round;
    m->last_ms = page->t_ms;
    m->is_learning = false;
    metadata_settle(m, b);
    forget_gone(m);
    return ST_OK;
}

void scrape_round_failed(struct scrape_memory *m, int64_t t_ms, struct batch *b)
{
    struct map_entry *e;
    for (size_t i = 0; m->last && (e = map_each(&m->series, &i));) {
        struct series *s = (struct series *)(uintptr_t)e->value;
        if (s->marks && was_in_last_page(m, s))
            marker_add(s, t_ms, b);
    }
    m->last = 0;
    forget_gone(m);
}

void scrape_report_add(const struct scrape_report *r, struct slice labels, int64_t t_ms, struct batch *b)
{
    const struct {
        struct slice name;
        double value;
    } rows[] = {
        { SLICE("up"), r && r->up ? 1 : 0 },
        { SLICE("scrape_duration_seconds"), r ? r->seconds : 0 },
        { SLICE("scrape_samples_scraped"), r ? (double)r->counts.scraped : 0 },
        { SLICE("scrape_samples_post_metric_relabeling"), r ? (double)r->counts.kept : 0 },
        { SLICE("scrape_series_added"), r ? (double)r->counts.added : 0 },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        batch_series(b, labels_with(b->arena, labels, SLICE("__name__"), rows[i].name));
        batch_sample(b, t_ms, r ? rows[i].value : double_of_bits(STALE_NAN_BITS));
    }
}
