/* SPDX-License-Identifier: Apache-2.0 */
/* The kind's table: joins the WAL codec (evwal), the table in memory (evmem), the part writer and reader (evwrite, evread)
 * and merges (evmerge) to the store's ladder. */
#include "events/events.h"

#include <stdlib.h>

#include "base/hash.h"
#include "base/map.h"
#include "events/evmem.h"
#include "events/evmerge.h"
#include "events/evscope.h"
#include "events/evusage.h"
#include "events/evwal.h"
#include "events/evwrite.h"

enum { EVENT_KINDS_MAX = 32, FIELD_SCOPES_MAX = 16, AHEAD = 4 /* rows asked for before they are looked at */ };

static enum status kind_open(struct store *s, uint64_t seed, void **state, struct err *err)
{
    struct evstate *e = mem_new(struct evstate);
    e->store = s;
    mutex_init(&e->stats_lock);
    *state = e;
    return ST_OK;
}

static void kind_close(void *state)
{
    struct evstate *e = state;
    mutex_destroy(&e->stats_lock);
    mem_free(e);
}

static bool kind_has_rows(const struct batch *b)
{
    return b->event_count != 0;
}

/* ---- checks on the way in ---- */

static enum status check_fields(const struct field *fields, uint32_t count, size_t row, struct err *err)
{
    if (count > EVENT_FIELDS_MAX)
        return err_set(err, ST_LIMIT, "event %zu: %u fields, at most %d are kept", row, count, EVENT_FIELDS_MAX);
    for (uint32_t i = 0; i < count; i++) {
        const struct field *f = &fields[i];
        if (f->name.len > EVENT_FIELD_NAME_BYTES_MAX)
            return err_set(err, ST_LIMIT, "event %zu: the name of a field has %zu bytes, at most %d are allowed", row, f->name.len,
                           EVENT_FIELD_NAME_BYTES_MAX);
        if (f->scope >= FIELD_SCOPES_MAX || f->type > FIELD_JSON)
            return err_set(err, ST_INVALID, "event %zu: field %.*s has scope %u and type %u", row, SLICE_FMT(f->name), f->scope, f->type);
    }
    return ST_OK;
}

static enum status check_event(const struct event *e, size_t row, struct err *err)
{
    if (e->kind == 0 || e->kind >= EVENT_KINDS_MAX)
        return err_set(err, ST_INVALID, "event %zu: kind is %u, allowed are 1 to %d", row, e->kind, EVENT_KINDS_MAX - 1);
    if (e->body.len > EVENT_BODY_BYTES_MAX + EVENT_TRUNCATED_MARK_BYTES)
        return err_set(err, ST_LIMIT, "event %zu: the body has %zu bytes, at most %d are allowed", row, e->body.len, EVENT_BODY_BYTES_MAX);
    if (e->event_count > SPAN_EVENTS_MAX || e->link_count > SPAN_EVENTS_MAX)
        return err_set(err, ST_LIMIT, "event %zu: a span of %u events and %u links, at most %d of each are kept", row, e->event_count,
                       e->link_count, SPAN_EVENTS_MAX);
    enum status st = check_fields(e->fields, e->field_count, row, err);
    for (uint32_t i = 0; st == ST_OK && i < e->event_count; i++)
        st = check_fields(e->events[i].fields, e->events[i].field_count, row, err);
    for (uint32_t i = 0; st == ST_OK && i < e->link_count; i++)
        st = check_fields(e->links[i].fields, e->links[i].field_count, row, err);
    return st;
}

static enum status kind_prepare(void *state, struct batch *b, struct err *err)
{
    struct slice checked = SLICE_EMPTY;
    for (size_t i = 0; i < b->event_count; i++) {
        const struct event *e = &b->events[i];
        bool is_checked = e->stream.ptr == checked.ptr && e->stream.len == checked.len;
        if (!is_checked && !labels_check(e->stream))
            return err_set(err, ST_INVALID, "event %zu: its stream labels are not in canonical form", i);
        checked = e->stream;
        enum status st = check_event(e, i, err);
        if (st)
            return st;
    }
    return ST_OK;
}

/* ---- WAL and memory ---- */

static enum status kind_wal_encode(void *state, const struct batch *b, uint64_t segment, struct buf *out, struct err *err)
{
    if (evwal_encode(b, out) && !buf_over(out))
        return ST_OK;
    return err_set(err, ST_LIMIT, "a request of %zu events takes over %d bytes in the log (each has all of its resource); send it in parts",
                   b->event_count, EVWAL_BYTES_MAX);
}

static enum status kind_wal_decode(void *state, struct slice bytes, bool new_segment, struct batch *out, struct err *err)
{
    return evwal_decode(bytes, out, err);
}

static void *kind_mem_new(void *state)
{
    return evmem_new(state);
}

static void kind_mem_free(void *mem)
{
    evmem_free(mem);
}

static void kind_mem_apply(void *mem, const struct batch *b, uint64_t lsn)
{
    evmem_apply(mem, b, lsn);
}

static size_t kind_mem_bytes(const void *mem)
{
    return evmem_bytes(mem);
}

static uint64_t kind_mem_rows(const void *mem)
{
    return evmem_rows(mem);
}

/* A row with what it is sorted by first beside it. */
struct sorting {
    int64_t partition_ns;
    uint32_t rank; /* of its tenant, class, kind and group */
    int64_t time_ns;
    uint64_t seq;
    const struct evrow *row;
};

static int cmp_sorting(const void *x, const void *y)
{
    const struct sorting *a = x, *b = y;
    if (a->partition_ns != b->partition_ns)
        return a->partition_ns < b->partition_ns ? -1 : 1;
    if (a->rank != b->rank)
        return a->rank < b->rank ? -1 : 1;
    if (a->time_ns != b->time_ns)
        return a->time_ns < b->time_ns ? -1 : 1;
    return (a->seq > b->seq) - (a->seq < b->seq);
}

/* What rows have in common but for time and seq: few in a table, because tenants and streams are kept once there. */
struct sort_class {
    const struct evrow *row;
    uint32_t rank;
};

static int cmp_class(const void *x, const void *y)
{
    const struct evrow *a = (*(struct sort_class *const *)x)->row, *b = (*(struct sort_class *const *)y)->row;
    if (a->e.class != b->e.class)
        return a->e.class < b->e.class ? -1 : 1;
    return evrow_cmp_group(a->tenant, &a->e, b->tenant, &b->e);
}

struct sort_key { /* by address: no padding */
    const char *tenant, *stream;
    uint64_t class_and_kind;
};

/* Fills rank: equal for rows that cmp_class finds equal. */
static void rank_rows(struct sorting *list, size_t n)
{
    struct arena *a = arena_new(0);
    struct map index;
    struct sort_class **all = NULL;
    struct sort_key last = { 0 };
    size_t count = 0, cap = 0;
    uint32_t at = 0;
    map_init(&index);
    for (size_t i = 0; i < n; i++) {
        const struct event *e = &list[i].row->e;
        struct sort_key key = { list[i].row->tenant.ptr, e->stream.ptr, (uint64_t)e->class << 8 | e->kind };
        if (i == 0 || memcmp(&key, &last, sizeof key) != 0) {
            bool added;
            struct slice bytes = slice_of(&key, sizeof key);
            uint64_t *found = map_get(&index, bytes);
            if (found == NULL) {
                found = map_put(&index, arena_copy(a, bytes), &added);
                *found = count;
                struct sort_class *made = arena_new_of(a, struct sort_class);
                made->row = list[i].row;
                ARENA_PUSH(a, all, count, cap) = made;
            }
            at = (uint32_t)*found;
            last = key;
        }
        list[i].rank = at;
    }
    struct sort_class **sorted = arena_array(a, struct sort_class *, count + 1);
    memcpy(sorted, all ? all : sorted, count * sizeof *sorted);
    qsort(sorted, count, sizeof *sorted, cmp_class);
    for (size_t i = 0; i < count; i++)
        sorted[i]->rank = i == 0 ? 0 : sorted[i - 1]->rank + (cmp_class(&sorted[i - 1], &sorted[i]) != 0);
    for (size_t i = 0; i < n; i++)
        list[i].rank = all[list[i].rank]->rank;
    map_free(&index);
    arena_free(a);
}

/* list[0..count): rows of one partition and class. */
static bool is_same_run(const struct evrow *a, const struct evrow *b)
{
    return a->e.kind == b->e.kind && slice_eq(a->tenant, b->tenant);
}

/* Blocks of logs are full, and the last of them what is left; those of others are of alike size, which lets a merge copy them. */
static enum status expect_run(struct evwrite *x, const struct sorting *list, size_t count, struct err *err)
{
    size_t n = 0;
    while (n < count && is_same_run(list[0].row, list[n].row))
        n++;
    return evwrite_expect(x, list[0].row->e.kind == EVENT_LOG ? 0 : n, err);
}

static enum status encode_part(struct part_sink *sink, const struct sorting *list, size_t count, struct err *err)
{
    struct part_writer *w;
    enum status st = part_sink_begin(sink, list[0].partition_ns, list[0].row->e.class, &w, err);
    if (st)
        return st;
    struct evwrite *x = evwrite_new(w);
    struct buf meta;
    buf_init(&meta, PART_META_BYTES_MAX);
    for (size_t i = 0; st == ST_OK && i < count; i++) {
        if (i + 2 * AHEAD < count)
            __builtin_prefetch(list[i + 2 * AHEAD].row);
        if (i + AHEAD < count)
            __builtin_prefetch(list[i + AHEAD].row->e.fields);
        if (i == 0 || !is_same_run(list[i - 1].row, list[i].row))
            st = expect_run(x, list + i, count - i, err);
        if (st == ST_OK)
            st = evwrite_add(x, list[i].row->tenant, &list[i].row->e, err);
    }
    if (st == ST_OK)
        st = evwrite_end(x, &meta, err);
    if (st == ST_OK)
        st = part_sink_end(sink, w, buf_as_slice(&meta), err);
    buf_free(&meta);
    evwrite_free(x);
    return st;
}

static enum status kind_mem_encode(void *mem, struct part_sink *sink, struct err *err)
{
    const struct evstate *state = evmem_owner(mem);
    struct evmem_walk walk = evmem_walk(mem);
    size_t count = (size_t)walk.left, n = 0;
    struct sorting *list = mem_alloc((count + 1) * sizeof *list);
    for (const struct evrow *row; (row = evmem_next(&walk)) != NULL;)
        list[n++] = (struct sorting){ store_partition_of(state->store, row->e.time_ns), 0, row->e.time_ns, row->e.seq, row };
    rank_rows(list, n);
    qsort(list, n, sizeof *list, cmp_sorting);
    enum status st = ST_OK;
    for (size_t from = 0, to; st == ST_OK && from < n; from = to) {
        for (to = from + 1; to < n && list[to].partition_ns == list[from].partition_ns && list[to].row->e.class == list[from].row->e.class;)
            to++;
        st = encode_part(sink, list + from, to - from, err);
    }
    mem_free(list);
    return st;
}

/* ---- parts ---- */

static enum status kind_part_open(void *state, const struct part *p, void **user, struct err *err)
{
    struct evdir *d;
    enum status st = evdir_decode(part_meta(p), &d, err);
    if (st)
        return err_prefix(err, "part %016llx: ", (unsigned long long)part_info(p)->id);
    *user = d;
    return ST_OK;
}

static void kind_part_close(void *user)
{
    evdir_free(user);
}

static enum status kind_merge(void *state, const struct part *const *parts, size_t count, struct tombstones dead, struct part_writer *out,
                              struct buf *meta, const atomic_bool *stop, struct err *err)
{
    return evmerge_parts(parts, count, dead, out, meta, stop, err);
}

const struct store_kind events_kind = {
    .id = KIND_EVENTS,
    .name = "events",
    .open = kind_open,
    .close = kind_close,
    .has_rows = kind_has_rows,
    .prepare = kind_prepare,
    .wal_encode = kind_wal_encode,
    .wal_decode = kind_wal_decode,
    .mem_new = kind_mem_new,
    .mem_free = kind_mem_free,
    .mem_apply = kind_mem_apply,
    .mem_bytes = kind_mem_bytes,
    .mem_rows = kind_mem_rows,
    .mem_encode = kind_mem_encode,
    .part_open = kind_part_open,
    .part_close = kind_part_close,
    .merge = kind_merge,
    .part_usage = evusage_part,
};

/* ---- stats ---- */

static void count_rows(struct engine_stats *out, int64_t min_ns, int64_t max_ns)
{
    out->oldest_ns = out->oldest_ns == 0 ? min_ns : MIN(out->oldest_ns, min_ns);
    out->newest_ns = MAX(out->newest_ns, max_ns);
}

/* Differs when a table or part came or went, or a table got a stream more. A table's address and list alone could come back. */
static uint64_t signature_of(const struct store_view *view)
{
    uint64_t h = 1;
    for (size_t i = 0; i < view->mem_count; i++) {
        struct evmem_walk w = evmem_walk(view->mems[i]);
        const struct evrow *first = evmem_next(&w);
        h = hash_u64(h ^ (uintptr_t)evmem_summary(view->mems[i]).streams);
        h = hash_u64(h ^ (first ? first->e.seq : 0));
    }
    for (size_t i = 0; i < view->part_count; i++)
        h = hash_u64(h ^ part_info(view->parts[i])->id);
    return h;
}

static uint64_t count_streams(const struct store_view *view)
{
    struct map streams;
    bool added;
    map_init(&streams);
    for (size_t i = 0; i < view->mem_count; i++)
        for (const struct evmem_stream *s = evmem_summary(view->mems[i]).streams; s; s = s->next)
            map_put(&streams, s->stream, &added);
    for (size_t i = 0; i < view->part_count; i++) {
        const struct evdir *d = part_user(view->parts[i]);
        for (size_t k = 0; k < d->stream_count; k++)
            if (d->streams[k].len)
                map_put(&streams, d->streams[k], &added);
    }
    uint64_t count = streams.count;
    map_free(&streams);
    return count;
}

void events_stats(struct store *s, struct engine_stats *out)
{
    struct evstate *state = store_kind_state(s, KIND_EVENTS);
    struct store_view *view = store_view_take(s, KIND_EVENTS, INT64_MIN, INT64_MAX);
    for (size_t i = 0; i < view->mem_count; i++) {
        struct evmem_summary sum = evmem_summary(view->mems[i]);
        out->log_records += sum.log_records;
        out->spans += sum.spans;
        if (sum.min_ns <= sum.max_ns)
            count_rows(out, sum.min_ns, sum.max_ns);
    }
    for (size_t i = 0; i < view->part_count; i++) {
        const struct evdir *d = part_user(view->parts[i]);
        for (size_t k = 0; k < d->block_count; k++) {
            const struct evdir_block *b = &d->blocks[k];
            out->log_records += b->kind == EVENT_LOG ? b->rows : 0;
            out->spans += b->kind == EVENT_SPAN ? b->rows : 0;
            count_rows(out, b->min_ns, b->max_ns);
        }
    }
    uint64_t signature = signature_of(view);
    mutex_lock(&state->stats_lock);
    if (state->streams_of != signature) {
        state->streams = count_streams(view);
        state->streams_of = signature;
    }
    out->streams = state->streams;
    mutex_unlock(&state->stats_lock);
    out->corrupt_blocks += atomic_load(&state->corrupt_blocks);
    store_view_drop(view);
}
