/* SPDX-License-Identifier: Apache-2.0 */
/* A page of metrics as it stands, without relabelling: for our own. A page that does not parse is refused whole. */
#include "codec/promtext.h"
#include "collect/collect.h"
#include "collect/page.h"
#include "ingest/prom_page.h"

void page_family_flush(struct page_family *f, struct batch *b)
{
    if (f->name.len)
        batch_metadata(b, arena_copy(b->arena, f->name), f->type, arena_copy(b->arena, f->help), arena_copy(b->arena, f->unit));
    *f = (struct page_family){ .name = SLICE_EMPTY, .help = SLICE_EMPTY, .unit = SLICE_EMPTY };
}

enum metric_type page_metric_type(enum promtext_type type)
{
    switch (type) {
    case PROMTEXT_UNKNOWN:
        return METRIC_UNKNOWN;
    case PROMTEXT_COUNTER:
        return METRIC_COUNTER;
    case PROMTEXT_GAUGE:
        return METRIC_GAUGE;
    case PROMTEXT_HISTOGRAM:
        return METRIC_HISTOGRAM;
    case PROMTEXT_GAUGEHISTOGRAM:
        return METRIC_GAUGEHISTOGRAM;
    case PROMTEXT_SUMMARY:
        return METRIC_SUMMARY;
    case PROMTEXT_INFO:
        return METRIC_INFO;
    case PROMTEXT_STATESET:
        return METRIC_STATESET;
    }
    return METRIC_UNKNOWN;
}

void page_family_entry(struct page_family *f, const struct promtext_entry *e, struct batch *b)
{
    if (!slice_eq(f->name, e->name)) {
        page_family_flush(f, b);
        f->name = e->name;
    }
    if (e->kind == PROMTEXT_HELP)
        f->help = e->text;
    else if (e->kind == PROMTEXT_UNIT)
        f->unit = e->text;
    else
        f->type = page_metric_type(e->type);
}

static enum status sample_add(const struct promtext_entry *e, enum metric_type family, int64_t t_ms, const struct label *extra,
                              size_t extra_count, struct batch *b, struct err *err)
{
    struct label list[PROMTEXT_LABELS_MAX + 1 + PAGE_EXTRA_LABELS_MAX];
    struct slice labels;
    size_t n = 0;
    list[n++] = (struct label){ SLICE("__name__"), e->name };
    for (size_t i = 0; i < e->label_count; i++)
        list[n++] = (struct label){ e->labels[i].name,
                                    prom_page_label(b->arena, family, e->labels[i].name, e->labels[i].value) };
    for (size_t i = 0; i < extra_count; i++) {
        bool has = false;
        for (size_t k = 1; k < n && !has; k++)
            has = slice_eq(list[k].name, extra[i].name);
        if (!has)
            list[n++] = extra[i];
    }
    enum status st = labels_build(b->arena, list, n, &labels, err);
    if (st)
        return err_prefix(err, "line %zu: ", e->line);
    batch_series(b, labels);
    batch_sample(b, e->has_time ? e->t_ms : t_ms, e->value);
    return ST_OK;
}

enum status scrape_page_read(struct slice page, struct slice content_type, int64_t t_ms, const struct label *extra, size_t extra_count,
                             struct batch *b, struct err *err)
{
    struct page_family family = { .name = SLICE_EMPTY, .help = SLICE_EMPTY, .unit = SLICE_EMPTY };
    struct promtext_entry e;
    if (extra_count > PAGE_EXTRA_LABELS_MAX)
        return err_set(err, ST_LIMIT, "%zu extra labels, at most %d are allowed", extra_count, PAGE_EXTRA_LABELS_MAX);
    struct promtext *p = promtext_new(b->arena, page, promtext_format_of(content_type));
    enum status st = promtext_next(p, &e, err);
    while (!st && e.kind != PROMTEXT_END) {
        if (e.kind == PROMTEXT_SAMPLE)
            st = sample_add(&e, family.type, t_ms, extra, extra_count, b, err);
        else
            page_family_entry(&family, &e, b);
        if (!st && (batch_rows(b) > BATCH_ROWS_MAX || arena_over(b->arena)))
            st = err_set(err, ST_LIMIT, "line %zu: the page has over %d samples or does not fit in memory's share", e.line, BATCH_ROWS_MAX);
        if (!st)
            st = promtext_next(p, &e, err);
    }
    page_family_flush(&family, b);
    promtext_free(p);
    return st;
}
