/* SPDX-License-Identifier: Apache-2.0 */
/* Wiring: which kind answers which call; and the note of which metrics were read, at the one door all reading goes through. */
#include "server/local_engine.h"

#include <stdlib.h>

#include "events/events.h"
#include "metrics/cardinality.h"
#include "metrics/metrics.h"
#include "metrics/rollup.h"
#include "store/snapshot.h"

struct local_engine {
    struct engine engine; /* first */
    struct store *store;
    struct reads *reads; /* NULL: nothing is noted */
    struct clock *clock;
};

static struct store *store_of(struct engine *e)
{
    return ((struct local_engine *)e)->store;
}

static enum status local_append(struct engine *e, struct batch *b, struct append_ack ack, struct err *err)
{
    return store_append(store_of(e), b, ack, err);
}

static enum status local_series(struct engine *e, struct engine_ctx *ctx, int64_t start_ms, int64_t end_ms, const struct matcher *matchers,
                                size_t matcher_count, size_t max, struct arena *a, struct slice **out, size_t *count,
                                struct err *err)
{
    return metrics_series(store_of(e), ctx, start_ms, end_ms, matchers, matcher_count, max, a, out, count, err);
}

/* ---- what is read ---- */

/* A selector without a name's equality: the names are those of the series it gives. */
struct noted_iter {
    struct samples_iter iter; /* first */
    struct samples_iter *of;
    struct local_engine *e;
    uint64_t last; /* hash of the name before: series come in the order of their names */
};

static enum status noted_next(struct samples_iter *it, struct series_samples *out, struct err *err)
{
    struct noted_iter *n = (struct noted_iter *)it;
    enum status st = n->of->ops->next(n->of, out, err);
    if (st)
        return st;
    struct slice name = labels_get(out->labels, SLICE("__name__"));
    uint64_t hash = hash64(name, 1);
    if (hash != n->last)
        reads_note(n->e->reads, out->tenant, name, clock_wall_ms(n->e->clock));
    n->last = hash;
    return ST_OK;
}

static void noted_close(struct samples_iter *it)
{
    struct noted_iter *n = (struct noted_iter *)it;
    n->of->ops->close(n->of);
    mem_free(n);
}

static const struct samples_iter_ops noted_ops = { noted_next, noted_close };

static const struct matcher *name_of(const struct samples_query *q)
{
    for (size_t i = 0; i < q->matcher_count; i++)
        if (q->matchers[i].op == MATCH_EQ && slice_eq(q->matchers[i].name, SLICE("__name__")))
            return &q->matchers[i];
    return NULL;
}

static enum status local_samples(struct engine *e, struct engine_ctx *ctx, const struct samples_query *q, struct samples_iter **out,
                                 struct err *err)
{
    struct local_engine *l = (struct local_engine *)e;
    const struct matcher *name = name_of(q);
    enum status st = metrics_samples(store_of(e), ctx, q, out, err);
    if (st || l->reads == NULL)
        return st;
    for (size_t i = 0; name && i < ctx->tenant_count; i++)
        reads_note(l->reads, ctx->tenants[i], name->value, clock_wall_ms(l->clock));
    if (name == NULL) {
        struct noted_iter *n = mem_new(struct noted_iter);
        *n = (struct noted_iter){ .iter = { &noted_ops }, .of = *out, .e = l };
        *out = &n->iter;
    }
    return ST_OK;
}

void local_engine_track(struct engine *e, struct reads *reads, struct clock *clock)
{
    struct local_engine *l = (struct local_engine *)e;
    l->reads = reads;
    l->clock = clock;
}

/* ---- the rest ---- */

static enum status local_each_series(struct engine *e, int64_t since_ms, bool (*visit)(void *arg, struct slice tenant, struct slice labels),
                                     void *arg, struct err *err)
{
    return metrics_each_series(store_of(e), since_ms, visit, arg, err);
}

static enum status local_downsample(struct engine *e, const atomic_bool *stop, bool *did, struct err *err)
{
    return rollup_day(e, store_of(e), stop, did, err);
}

static enum status local_cardinality(struct engine *e, const struct slice *tenants, size_t tenant_count, size_t limit, struct arena *a,
                                     struct engine_cardinality *out, struct err *err)
{
    return metrics_cardinality(store_of(e), tenants, tenant_count, limit, a, out, err);
}

static enum status local_events(struct engine *e, struct engine_ctx *ctx, const struct events_query *q, struct events_iter **out,
                                unsigned *did, struct err *err)
{
    return events_scan(store_of(e), ctx, q, out, did, err);
}

static enum status local_streams(struct engine *e, struct engine_ctx *ctx, int64_t start_ns, int64_t end_ns, uint32_t kinds,
                                 const struct matcher *matchers, size_t matcher_count, size_t max, struct arena *a, struct slice **out,
                                 size_t *count, struct err *err)
{
    return events_streams(store_of(e), ctx, start_ns, end_ns, kinds, matchers, matcher_count, max, a, out, count, err);
}

static enum status local_names(struct engine *e, struct engine_ctx *ctx, const struct names_query *q, struct arena *a,
                               struct name_hit **out, size_t *count, struct err *err)
{
    switch (q->what) {
    case NAMES_LABELS:
    case NAMES_LABEL_VALUES:
    case NAMES_METADATA:
        return metrics_names(store_of(e), ctx, q, a, out, count, err);
    case NAMES_STREAM_LABELS:
    case NAMES_STREAM_VALUES:
    case NAMES_FIELDS:
    case NAMES_FIELD_VALUES:
    case NAMES_SERVICES:
        return events_names(store_of(e), ctx, q, a, out, count, err);
    }
    return err_set(err, ST_INTERNAL, "names: unknown kind %d", (int)q->what);
}

static enum status local_erase(struct engine *e, const struct tombstone *t, struct err *err)
{
    return store_erase(store_of(e), t, err);
}

static enum status local_erases(struct engine *e, struct arena *a, struct engine_erase **out, size_t *count, struct err *err)
{
    return store_erases(store_of(e), a, out, count, err);
}

static enum status local_set_classes(struct engine *e, struct engine_class *list, size_t count, struct err *err)
{
    return store_set_classes(store_of(e), list, count, err);
}

static enum status local_usage(struct engine *e, bool by_service, struct arena *a, struct engine_usage *out, struct err *err)
{
    return store_usage(store_of(e), by_service, a, out, err);
}

static enum status local_flush(struct engine *e, struct err *err)
{
    return store_flush(store_of(e), err);
}

static enum status local_merge(struct engine *e, struct err *err)
{
    return store_merge(store_of(e), err);
}

static enum status local_snapshot(struct engine *e, const char *to, bool skip_head, struct err *err)
{
    return store_snapshot(store_of(e), to, skip_head, err);
}

static void local_stats(struct engine *e, struct engine_stats *out)
{
    memset(out, 0, sizeof *out);
    store_stats(store_of(e), out);
    metrics_stats(store_of(e), out);
    events_stats(store_of(e), out);
}

static int by_time(const void *a, const void *b)
{
    const struct engine_block *x = a, *y = b;
    return x->min_ns < y->min_ns ? -1 : x->min_ns > y->min_ns;
}

static void local_blocks(struct engine *e, struct arena *a, struct engine_block **out, size_t *count)
{
    struct part_info *parts;
    store_part_files(store_of(e), KIND_METRICS, a, &parts, count);
    *out = arena_array(a, struct engine_block, *count + 1);
    for (size_t i = 0; i < *count; i++) {
        const struct part_info *p = &parts[i];
        struct engine_block *b = &(*out)[i];
        *b = (struct engine_block){ .level = p->level, .min_ns = p->min_ns, .max_ns = p->max_ns, .rows = p->rows, .bytes = p->bytes };
        memcpy(b->uuid, p->uuid, sizeof b->uuid);
    }
    qsort(*out, *count, sizeof **out, by_time);
}

static void local_close(struct engine *e)
{
    store_close(store_of(e));
    mem_free(e);
}

static const struct engine_ops local_ops = {
    .name = "local",
    .append = local_append,
    .series = local_series,
    .samples = local_samples,
    .events = local_events,
    .streams = local_streams,
    .names = local_names,
    .erase = local_erase,
    .erases = local_erases,
    .set_classes = local_set_classes,
    .usage = local_usage,
    .each_series = local_each_series,
    .cardinality = local_cardinality,
    .downsample = local_downsample,
    .flush = local_flush,
    .merge = local_merge,
    .stats = local_stats,
    .blocks = local_blocks,
    .snapshot = local_snapshot,
    .close = local_close,
};

enum status local_engine_open(struct engine **out, struct store_options opt, struct err *err)
{
    static const struct store_kind *const kinds[] = { &metrics_kind, &events_kind };
    opt.kinds = kinds;
    opt.kind_count = COUNT_OF(kinds);
    struct local_engine *l = mem_new(struct local_engine);
    enum status st = store_open(&l->store, &opt, err);
    if (st) {
        mem_free(l);
        return st;
    }
    l->engine.ops = &local_ops;
    *out = &l->engine;
    return ST_OK;
}
