/* SPDX-License-Identifier: Apache-2.0 */
/* (1) A row is known by its tenant and the values of its labels, in the order given; it lives in one allocation with them.
 * (2) Counts only grow while a row is known: after a rest its series end by a stale mark, and begin at 0 again.
 * (3) A version is told once in VERSION_EVERY_MS while it is seen, and not at all while it is not: the times of its samples say
 *     when it ran. */
#include "pipeline/span_series.h"

#include <math.h>

#include "codec/hex.h"
#include "model/exemplar.h"
#include "model/histogram.h"

enum { KEY_BYTES_MAX = 16 * KIB, VERSION_EVERY_MS = 60 * 1000 };
#define ZERO_SECONDS 0x1p-20

/* ---- times ---- */

static double *bucket_of(struct span_times *t, double seconds)
{
    int32_t i = (int32_t)ceil(log2(seconds) * (1 << SPAN_TIMES_SCHEMA));
    i = MIN(MAX(i, SPAN_TIMES_INDEX_MIN), SPAN_TIMES_INDEX_MAX);
    if (t->buckets == NULL || i < t->first || i >= t->first + t->size) {
        int32_t first = t->buckets ? MIN(t->first, i) : i, end = t->buckets ? MAX(t->first + t->size, i + 1) : i + 1;
        double *wider = mem_zalloc((size_t)(end - first) * sizeof *wider);
        if (t->buckets)
            memcpy(wider + (t->first - first), t->buckets, (size_t)t->size * sizeof *wider);
        mem_free(t->buckets);
        t->buckets = wider;
        t->first = first;
        t->size = end - first;
    }
    return &t->buckets[i - t->first];
}

void span_times_add(struct span_times *t, const struct event *e, int64_t duration_ns, double weight)
{
    double seconds = (double)MAX(duration_ns, (int64_t)0) / 1e9;
    t->count += weight;
    t->seconds += seconds * weight;
    *(seconds <= ZERO_SECONDS ? &t->zero : bucket_of(t, seconds)) += weight;
    if (t->slowest.is_there && seconds <= t->slowest.seconds)
        return;
    t->slowest.is_there = true;
    t->slowest.seconds = seconds;
    t->slowest.time_ns = e->time_ns;
    memcpy(t->slowest.trace_id, e->trace_id, sizeof e->trace_id);
    memcpy(t->slowest.span_id, e->span_id, sizeof e->span_id);
}

/* As a native histogram in a, runs of buckets parted where over SPAN_TIMES_GAP_MAX of them are empty. */
static struct histogram *histogram_of(struct arena *a, const struct span_times *t)
{
    struct histogram *h = arena_new_of(a, struct histogram);
    struct histogram_side *side = &h->positive;
    *h = (struct histogram){ .schema = SPAN_TIMES_SCHEMA, .count = t->count, .sum = t->seconds, .zero_count = t->zero,
                             .zero_threshold = ZERO_SECONDS };
    if (t->buckets == NULL)
        return h;
    side->spans = arena_array(a, struct histogram_span, (size_t)t->size);
    side->buckets = arena_array(a, double, (size_t)t->size);
    int32_t end = 0, gap;
    for (int32_t i = 0; i < t->size; i++) {
        if (t->buckets[i] <= 0)
            continue;
        gap = t->first + i - end;
        if (side->span_count == 0 || gap > SPAN_TIMES_GAP_MAX) {
            side->spans[side->span_count++] = (struct histogram_span){ gap, 0 };
            gap = 0;
        }
        for (; gap > 0; gap--) {
            side->buckets[side->bucket_count++] = 0;
            side->spans[side->span_count - 1].length++;
        }
        side->buckets[side->bucket_count++] = t->buckets[i];
        side->spans[side->span_count - 1].length++;
        end = t->first + i + 1;
    }
    return h;
}

/* ---- rows ---- */

void span_table_init(struct span_table *t, enum span_row_kind kind, size_t rows_max, size_t group_max)
{
    *t = (struct span_table){ .kind = kind, .rows_max = rows_max, .group_max = group_max };
    map_init(&t->index);
    map_init(&t->groups);
    buf_init(&t->key, KEY_BYTES_MAX);
}

static void row_free(struct span_row *r)
{
    mem_free(r->times[0].buckets);
    mem_free(r->times[1].buckets);
    mem_free(r);
}

static void groups_clear(struct span_table *t)
{
    struct map_entry *e;
    for (size_t i = 0; (e = map_each(&t->groups, &i)) != NULL;)
        mem_free((void *)e->key.ptr);
    map_clear(&t->groups);
}

void span_table_free(struct span_table *t)
{
    struct map_entry *e;
    for (size_t i = 0; (e = map_each(&t->index, &i)) != NULL;)
        row_free((struct span_row *)(uintptr_t)e->value);
    groups_clear(t);
    map_free(&t->index);
    map_free(&t->groups);
    buf_free(&t->key);
}

/* How many rows have that first label; NULL when none do and it is not to be added. */
static uint64_t *group_of(struct span_table *t, struct slice tenant, struct slice first, bool adds)
{
    struct buf b;
    buf_init(&b, KEY_BYTES_MAX);
    buf_lenslice(&b, tenant);
    buf_lenslice(&b, first);
    uint64_t *n = map_get(&t->groups, buf_as_slice(&b));
    if (n == NULL && adds) {
        char *own = mem_alloc(b.len);
        memcpy(own, b.ptr, b.len);
        n = map_put(&t->groups, slice_of(own, b.len), NULL);
    }
    buf_free(&b);
    return n;
}

static struct slice put_text(char **to, struct slice s)
{
    char *at = *to;
    if (s.len)
        memcpy(at, s.ptr, s.len);
    *to += s.len;
    return slice_of(at, s.len);
}

static struct span_row *row_new(struct span_table *t, struct slice key, struct slice tenant, const struct label *labels, size_t count)
{
    size_t bytes = sizeof(struct span_row) + key.len + tenant.len;
    for (size_t i = 0; i < count; i++)
        bytes += labels[i].name.len + labels[i].value.len;
    char *texts = mem_alloc(bytes);
    struct span_row *r = (struct span_row *)(void *)texts;
    texts += sizeof *r;
    *r = (struct span_row){ .kind = t->kind, .label_count = count, .is_new = true };
    r->key = put_text(&texts, key);
    r->tenant = put_text(&texts, tenant);
    for (size_t i = 0; i < count; i++) {
        r->labels[i].name = put_text(&texts, labels[i].name);
        r->labels[i].value = put_text(&texts, labels[i].value);
    }
    *map_put(&t->index, r->key, NULL) = (uintptr_t)r;
    return r;
}

static struct slice key_of(struct buf *b, struct slice tenant, const struct label *labels, size_t count)
{
    buf_reset(b);
    buf_lenslice(b, tenant);
    for (size_t i = 0; i < count; i++)
        buf_lenslice(b, labels[i].value);
    return buf_as_slice(b);
}

struct span_row *span_table_row(struct span_table *t, struct slice tenant, struct label *labels, size_t count, size_t fold, bool *folded)
{
    struct span_row *r = NULL;
    struct slice key = key_of(&t->key, tenant, labels, count);
    uint64_t *found = map_get(&t->index, key), *group = found ? NULL : group_of(t, tenant, labels[0].value, false);
    bool is_full = group && *group >= t->group_max;
    *folded = is_full && fold < count;
    if (*folded) {
        labels[fold].value = SPAN_OVERFLOW;
        key = key_of(&t->key, tenant, labels, count);
        found = map_get(&t->index, key);
    }
    if (found) {
        r = (struct span_row *)(uintptr_t)*found;
    } else if (t->index.count < t->rows_max && (!is_full || *folded) && !buf_over(&t->key)) {
        ++*group_of(t, tenant, labels[0].value, true);
        r = row_new(t, key, tenant, labels, count);
    }
    if (r)
        r->rest_ms = 0;
    return r;
}

/* ---- samples ---- */

static bool series(struct batch *b, const struct span_row *r, struct slice name, struct slice *out)
{
    struct label list[SPAN_ROW_LABELS_MAX + 1] = { { SLICE("__name__"), name } };
    struct err err;
    memcpy(list + 1, r->labels, r->label_count * sizeof *list);
    if (labels_build(b->arena, list, r->label_count + 1, out, &err))
        return false; /* a batch whose arena is over, which append tells */
    batch_series(b, *out);
    return true;
}

static void put(const struct span_writing *w, struct batch *b, const struct span_row *r, struct slice name, double v, bool ends)
{
    struct slice labels;
    if (!series(b, r, name, &labels))
        return;
    if (r->is_new && !ends && r->kind != SPAN_ROW_VERSION)
        batch_sample(b, w->now_ms - w->interval_ms, 0);
    batch_sample(b, w->now_ms, ends ? double_of_bits(STALE_NAN_BITS) : v);
}

static void put_times(const struct span_writing *w, struct batch *b, const struct span_row *r, struct slice name, struct span_times *t, bool ends)
{
    struct slice labels;
    struct err err;
    char trace[32], span[16];
    if (!series(b, r, name, &labels))
        return;
    if (ends) {
        batch_sample(b, w->now_ms, double_of_bits(STALE_NAN_BITS));
        return;
    }
    if (r->is_new)
        batch_histogram(b, w->now_ms - w->interval_ms, histogram_of(b->arena, &(struct span_times){ 0 }));
    batch_histogram(b, w->now_ms, histogram_of(b->arena, t));
    if (!t->slowest.is_there)
        return;
    t->slowest.is_there = false;
    hex_encode(slice_of(t->slowest.trace_id, sizeof t->slowest.trace_id), trace);
    hex_encode(slice_of(t->slowest.span_id, sizeof t->slowest.span_id), span);
    struct label ids[] = { { SLICE("trace_id"), slice_of(trace, sizeof trace) }, { SLICE("span_id"), slice_of(span, sizeof span) } };
    if (exemplar_add(b, labels, ids, COUNT_OF(ids), t->slowest.seconds, t->slowest.time_ns, &err))
        return; /* cannot be: two short labels */
}

static void write_row(const struct span_writing *w, struct batch *b, struct span_row *r, bool ends)
{
    switch (r->kind) {
    case SPAN_ROW_OPERATION:
        put(w, b, r, SLICE("traces_spanmetrics_calls_total"), r->calls, ends);
        put_times(w, b, r, SLICE("traces_spanmetrics_latency"), &r->times[0], ends);
        break;
    case SPAN_ROW_EDGE:
        put(w, b, r, SLICE("traces_service_graph_request_total"), r->calls, ends);
        put(w, b, r, SLICE("traces_service_graph_request_failed_total"), r->failed, ends);
        put_times(w, b, r, SLICE("traces_service_graph_request_server_seconds"), &r->times[0], ends);
        put_times(w, b, r, SLICE("traces_service_graph_request_client_seconds"), &r->times[1], ends);
        break;
    case SPAN_ROW_VERSION: /* (3) */
        if (ends || (r->rest_ms == 0 && (r->is_new || w->now_ms - r->told_ms >= VERSION_EVERY_MS))) {
            put(w, b, r, SLICE("traces_target_info"), 1, ends);
            r->told_ms = w->now_ms;
        }
        break;
    }
}

/* Takes out what went, and counts the groups anew. */
static void sweep(struct span_table *t, struct span_row **gone, size_t n)
{
    struct map_entry *e;
    for (size_t i = 0; i < n; i++) {
        map_remove(&t->index, gone[i]->key);
        row_free(gone[i]);
    }
    if (n == 0)
        return;
    groups_clear(t);
    for (size_t i = 0; (e = map_each(&t->index, &i)) != NULL;) {
        const struct span_row *r = (const struct span_row *)(uintptr_t)e->value;
        ++*group_of(t, r->tenant, r->labels[0].value, true);
    }
}

void span_table_write(struct span_table *t, const struct span_writing *w)
{
    struct span_row **gone = mem_alloc((t->index.count + 1) * sizeof(struct span_row *));
    struct map_entry *e;
    size_t n = 0;
    for (size_t i = 0; (e = map_each(&t->index, &i)) != NULL;) {
        struct span_row *r = (struct span_row *)(uintptr_t)e->value;
        bool ends = w->ends_all || (r->rest_ms && w->now_ms - r->rest_ms >= w->rest_ms);
        write_row(w, w->batch_of(w->arg, r->tenant), r, ends);
        r->is_new = false;
        r->rest_ms = r->rest_ms ? r->rest_ms : w->now_ms;
        if (ends)
            gone[n++] = r;
    }
    sweep(t, gone, n);
    mem_free(gone);
}
