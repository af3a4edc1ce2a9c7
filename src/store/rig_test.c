/* SPDX-License-Identifier: Apache-2.0 */
#include "store/rig_test.h"

#include <stdio.h>
#include <stdlib.h>

const int64_t rig_now_ns = 1790000000 * NS_S;

enum { ROWS_PER_BLOCK = 8 };

struct kind_state {
    uint8_t event_kind;
    uint64_t encode_segment; /* append lock */
    uint8_t encoded[256];    /* streams defined in it */
    bool known[256];         /* replay */
    char names[256][16];
};

struct table {
    struct mutex lock;
    struct kind_state *state;
    struct row *rows;
    size_t count, cap;
};

struct blocks {
    struct block_ref *refs;
    size_t count;
};

static uint8_t stream_id(struct slice s)
{
    return (uint8_t)hash64(s, 7);
}

static void row_text(char *to, size_t max, struct slice s)
{
    snprintf(to, max, "%.*s", SLICE_FMT(s));
}

static enum status open_kind(struct kind_state **out, uint8_t event_kind)
{
    *out = mem_new(struct kind_state);
    (*out)->event_kind = event_kind;
    return ST_OK;
}

static enum status rows_open(struct store *s, uint64_t seed, void **state, struct err *err)
{
    CHECK(seed != 0);
    return open_kind((struct kind_state **)state, EVENT_LOG);
}

static enum status beats_open(struct store *s, uint64_t seed, void **state, struct err *err)
{
    return open_kind((struct kind_state **)state, EVENT_SPAN);
}

static void close_kind(void *state)
{
    mem_free(state);
}

static bool has_kind(const struct batch *b, uint8_t kind)
{
    for (size_t i = 0; i < b->event_count; i++)
        if (b->events[i].kind == kind)
            return true;
    return false;
}

static bool rows_has(const struct batch *b)
{
    return has_kind(b, EVENT_LOG);
}

static bool beats_has(const struct batch *b)
{
    return has_kind(b, EVENT_SPAN);
}

static enum status prepare(void *state, struct batch *b, struct err *err)
{
    return ST_OK;
}

static enum status wal_encode(void *state, const struct batch *b, uint64_t segment, struct buf *out, struct err *err)
{
    struct kind_state *k = state;
    if (segment != k->encode_segment)
        memset(k->encoded, 0, sizeof k->encoded);
    k->encode_segment = segment;
    for (size_t i = 0; i < b->event_count; i++) {
        const struct event *e = &b->events[i];
        if (e->kind != k->event_kind)
            continue;
        uint8_t id = stream_id(e->stream);
        buf_u8(out, id);
        buf_u8(out, !k->encoded[id]);
        if (!k->encoded[id])
            buf_lenslice(out, e->stream);
        k->encoded[id] = 1;
        buf_u64(out, (uint64_t)e->time_ns);
        buf_u16(out, e->class);
        buf_lenslice(out, e->body);
        if (slice_eq(e->body, SLICE("poison")))
            return err_set(err, ST_INVALID, "poison");
    }
    return ST_OK;
}

static enum status wal_decode(void *state, struct slice bytes, bool new_segment, struct batch *out, struct err *err)
{
    struct kind_state *k = state;
    struct reader r = reader_of(bytes);
    if (new_segment)
        memset(k->known, 0, sizeof k->known);
    while (reader_left(&r) > 0) {
        uint8_t id = read_u8(&r);
        if (read_u8(&r)) {
            row_text(k->names[id], sizeof k->names[id], read_lenslice(&r));
            k->known[id] = true;
        }
        if (!k->known[id])
            return err_set(err, ST_CORRUPT, "stream %u is not defined", id);
        struct event *e = batch_event(out);
        e->kind = k->event_kind;
        e->stream = arena_copy(out->arena, slice_str(k->names[id]));
        e->time_ns = (int64_t)read_u64(&r);
        e->class = read_u16(&r);
        e->body = read_lenslice(&r);
        if (r.bad)
            return err_set(err, ST_CORRUPT, "rows do not parse");
    }
    return ST_OK;
}

static void *table_new(void *state)
{
    struct table *t = mem_new(struct table);
    mutex_init(&t->lock);
    t->state = state;
    return t;
}

static void table_free(void *mem)
{
    struct table *t = mem;
    mutex_destroy(&t->lock);
    mem_free(t->rows);
    mem_free(t);
}

static void table_apply(void *mem, const struct batch *b, uint64_t lsn)
{
    struct table *t = mem;
    mutex_lock(&t->lock);
    for (size_t i = 0; i < b->event_count; i++) {
        const struct event *e = &b->events[i];
        if (e->kind != t->state->event_kind)
            continue;
        if (t->count == t->cap) {
            t->cap = t->cap ? t->cap * 2 : 16;
            t->rows = mem_realloc(t->rows, t->cap * sizeof *t->rows);
        }
        struct row *row = &t->rows[t->count++];
        memset(row, 0, sizeof *row);
        row->time_ns = e->time_ns;
        row->lsn = lsn;
        row->seq = lsn << 20 | i;
        row->class = e->class;
        row_text(row->stream, sizeof row->stream, e->stream);
        row_text(row->body, sizeof row->body, e->body);
    }
    mutex_unlock(&t->lock);
}

static size_t table_bytes(const void *mem)
{
    struct table *t = (struct table *)mem;
    mutex_lock(&t->lock);
    size_t n = t->count * sizeof *t->rows;
    mutex_unlock(&t->lock);
    return n;
}

static uint64_t table_rows(const void *mem)
{
    return table_bytes(mem) / sizeof(struct row);
}

static enum status write_rows(struct part_writer *w, const struct row *rows, size_t count, struct buf *meta, struct err *err)
{
    for (size_t at = 0; at < count; at += ROWS_PER_BLOCK) {
        size_t n = MIN(count - at, (size_t)ROWS_PER_BLOCK);
        struct block_ref ref;
        enum status st = part_write(w, CODEC_ZSTD, slice_of(&rows[at], n * sizeof *rows), &ref, err);
        if (st)
            return st;
        buf_u64(meta, ref.offset);
        buf_u32(meta, ref.length);
        for (size_t i = at; i < at + n; i++)
            part_writer_rows(w, 1, rows[i].time_ns, rows[i].time_ns, rows[i].lsn, rows[i].lsn);
    }
    return ST_OK;
}

static int compare_rows(const void *a, const void *b)
{
    const struct row *x = a, *y = b;
    int64_t dx = partition_start(x->time_ns), dy = partition_start(y->time_ns);
    if (dx != dy)
        return dx < dy ? -1 : 1;
    if (x->class != y->class)
        return x->class < y->class ? -1 : 1;
    if (x->time_ns != y->time_ns)
        return x->time_ns < y->time_ns ? -1 : 1;
    return x->seq < y->seq ? -1 : x->seq > y->seq;
}

static enum status table_encode(void *mem, struct part_sink *sink, struct err *err)
{
    struct table *t = mem;
    enum status st = ST_OK;
    struct row *rows = mem_alloc((t->count + 1) * sizeof *rows);
    memcpy(rows, t->rows, t->count * sizeof *rows);
    qsort(rows, t->count, sizeof *rows, compare_rows);
    for (size_t i = 0, k; i < t->count && st == ST_OK; i = k) {
        struct part_writer *w;
        struct buf meta;
        int64_t day = partition_start(rows[i].time_ns);
        for (k = i; k < t->count && partition_start(rows[k].time_ns) == day && rows[k].class == rows[i].class;)
            k++;
        buf_init(&meta, 0);
        st = part_sink_begin(sink, day, rows[i].class, &w, err);
        if (st == ST_OK)
            st = write_rows(w, rows + i, k - i, &meta, err);
        if (st == ST_OK)
            st = part_sink_end(sink, w, buf_as_slice(&meta), err);
        buf_free(&meta);
    }
    mem_free(rows);
    return st;
}

static enum status open_part(void *state, const struct part *p, void **user, struct err *err)
{
    struct slice meta = part_meta(p);
    struct reader r = reader_of(meta);
    struct blocks *b = mem_new(struct blocks);
    b->refs = mem_alloc((meta.len / 12 + 1) * sizeof *b->refs);
    while (reader_left(&r) > 0 && !r.bad) {
        uint64_t offset = read_u64(&r);
        b->refs[b->count++] = (struct block_ref){ offset, read_u32(&r) };
    }
    *user = b;
    return ST_OK;
}

static void close_part(void *user)
{
    struct blocks *b = user;
    mem_free(b->refs);
    mem_free(b);
}

static bool is_dead(const struct row *row, struct tombstones dead)
{
    for (size_t i = 0; i < dead.count; i++) {
        const struct tombstone *t = &dead.list[i];
        if ((row->lsn < t->lsn || t->is_erase) && row->time_ns >= t->start_ns && row->time_ns < t->end_ns &&
            slice_contains(slice_str(row->body), t->contains))
            return true;
    }
    return false;
}

struct gathered {
    struct row *rows;
    size_t count, cap;
    bool damaged;
    enum status status; /* of the last block that did not read */
    struct err err;
};

static void gather_row(struct gathered *g, const struct row *row, struct tombstones dead)
{
    if (is_dead(row, dead))
        return;
    if (g->count == g->cap) {
        g->cap = g->cap ? g->cap * 2 : 64;
        g->rows = mem_realloc(g->rows, g->cap * sizeof *g->rows);
    }
    g->rows[g->count++] = *row;
}

static void gather_part(struct gathered *g, const struct part *p, struct tombstones dead)
{
    struct blocks *b = part_user(p);
    for (size_t i = 0; i < b->count; i++) {
        struct block *block;
        enum status st = part_read(p, b->refs[i], &block, &g->err);
        if (st) {
            g->damaged = true;
            g->status = st;
            continue;
        }
        for (size_t k = 0; k < block->bytes.len / sizeof(struct row); k++) {
            struct row row;
            memcpy(&row, block->bytes.ptr + k * sizeof row, sizeof row);
            gather_row(g, &row, dead);
        }
        block_drop(block);
    }
}

static enum status merge(void *state, const struct part *const *parts, size_t count, struct tombstones dead, struct part_writer *out,
                         struct buf *meta, const atomic_bool *stop, struct err *err)
{
    struct gathered g = { 0 };
    for (size_t i = 0; i < count; i++)
        gather_part(&g, parts[i], dead);
    if (g.count)
        qsort(g.rows, g.count, sizeof *g.rows, compare_rows);
    enum status st = write_rows(out, g.rows, g.count, meta, err);
    mem_free(g.rows);
    if (g.damaged) {
        *err = g.err;
        return g.status;
    }
    return atomic_load(stop) ? err_set(err, ST_CANCELLED, "stopped") : st;
}

#define KIND_FUNCTIONS                                                                                                 \
    .close = close_kind, .prepare = prepare, .wal_encode = wal_encode, .wal_decode = wal_decode, .mem_new = table_new, \
    .mem_free = table_free, .mem_apply = table_apply, .mem_bytes = table_bytes, .mem_rows = table_rows,                \
    .mem_encode = table_encode, .part_open = open_part, .part_close = close_part, .merge = merge

const struct store_kind rows_kind = { .id = KIND_EVENTS, .name = "rows", .open = rows_open, .has_rows = rows_has, KIND_FUNCTIONS };
const struct store_kind beats_kind = { .id = KIND_METRICS, .name = "beats", .open = beats_open, .has_rows = beats_has,
                                       KIND_FUNCTIONS };
static const struct store_kind *const both_kinds[] = { &rows_kind, &beats_kind };

/* ---- the rig ---- */

static void log_sink(void *arg, int64_t time_ns, enum log_level level, struct slice message, struct slice fields)
{
    struct rig *r = arg;
    if (level < LOG_ERROR)
        return;
    mutex_lock(&r->lock);
    struct slice so_far = slice_str(r->errors);
    snprintf(r->errors + so_far.len, sizeof r->errors - so_far.len, "%.*s %.*s\n", SLICE_FMT(message), SLICE_FMT(fields));
    r->error_count++;
    mutex_unlock(&r->lock);
}

void rig_init(struct rig *r, uint64_t seed)
{
    memset(r, 0, sizeof *r);
    mutex_init(&r->lock);
    r->fs = fs_sim_new(seed);
    r->clock = clock_sim_new(rig_now_ns);
    r->log = (struct log){ .clock = r->clock, .min = LOG_DEBUG, .fd = -1, .sink = log_sink, .sink_arg = r };
    r->opt = (struct store_options){ .dir = SLICE("/data/stoa"), .fs = r->fs, .clock = r->clock, .log = &r->log,
                                     .kinds = both_kinds, .kind_count = 2, .no_background = true };
}

enum status rig_try_open(struct rig *r, struct err *err)
{
    return store_open(&r->store, &r->opt, err);
}

void rig_open(struct rig *r)
{
    struct err err = { 0 };
    if (rig_try_open(r, &err) != ST_OK)
        unit_fail(__FILE__, __LINE__, err.text);
}

void rig_crash(struct rig *r, enum fs_sim_loss how)
{
    fs_sim_power_cut(r->fs, how);
    store_abandon(r->store);
    fs_sim_stop_at_sync(r->fs, 0);
    fs_sim_fail_sync(r->fs, 0);
    rig_open(r);
}

void rig_end(struct rig *r)
{
    store_close(r->store);
    fs_sim_free(r->fs);
    clock_sim_free(r->clock);
    mutex_destroy(&r->lock);
}

struct batch *rig_batch(const char *name, int rows, int64_t time_ns, bool both)
{
    struct batch *b = batch_new(0);
    for (int i = 0; i < rows * (both ? 2 : 1); i++) {
        struct event *e = batch_event(b);
        e->kind = both && i % 2 ? EVENT_SPAN : EVENT_LOG;
        e->time_ns = time_ns + i;
        e->stream = arena_printf(b->arena, "s%d", i % 3);
        e->body = arena_printf(b->arena, "%s-%d", name, both ? i / 2 : i);
    }
    return b;
}

struct waiter {
    struct mutex lock;
    struct cond cond;
    bool done;
    enum status status;
    struct err err;
};

static void on_ack(void *arg, enum status st, const struct err *err)
{
    struct waiter *w = arg;
    mutex_lock(&w->lock);
    w->done = true;
    w->status = st;
    w->err = *err;
    cond_signal(&w->cond);
    mutex_unlock(&w->lock);
}

enum status rig_append(struct rig *r, struct batch *b, struct err *err)
{
    struct waiter w = { .done = false };
    mutex_init(&w.lock);
    cond_init(&w.cond);
    enum status st = store_append(r->store, b, (struct append_ack){ on_ack, &w }, err);
    if (st == ST_OK) {
        mutex_lock(&w.lock);
        while (!w.done)
            cond_wait(&w.cond, &w.lock);
        mutex_unlock(&w.lock);
        st = w.status;
        if (st)
            *err = w.err;
    }
    mutex_destroy(&w.lock);
    cond_destroy(&w.cond);
    return st;
}

enum status rig_put(struct rig *r, const char *name)
{
    struct err err;
    return rig_append(r, rig_batch(name, 1, clock_wall_ns(r->clock), true), &err);
}

static void gather_view(struct gathered *g, const struct store_view *v)
{
    for (size_t i = 0; i < v->part_count; i++)
        gather_part(g, v->parts[i], v->dead);
    for (size_t i = 0; i < v->mem_count; i++) {
        struct table *t = v->mems[i];
        mutex_lock(&t->lock);
        for (size_t k = 0; k < t->count; k++)
            gather_row(g, &t->rows[k], v->dead);
        mutex_unlock(&t->lock);
    }
}

static int compare_seq(const void *a, const void *b)
{
    const struct row *x = a, *y = b;
    return x->seq < y->seq ? -1 : x->seq > y->seq;
}

int rig_view_rows(const struct store_view *v, bool *damaged)
{
    struct gathered g = { 0 };
    gather_view(&g, v);
    if (g.count)
        qsort(g.rows, g.count, sizeof *g.rows, compare_seq);
    for (size_t i = 1; i < g.count; i++)
        CHECK(g.rows[i - 1].seq != g.rows[i].seq);
    mem_free(g.rows);
    *damaged = g.damaged;
    return (int)g.count;
}

int rig_readable_rows(struct rig *r, uint8_t kind)
{
    bool damaged;
    struct store_view *v = store_view_take(r->store, kind, INT64_MIN, INT64_MAX);
    int n = rig_view_rows(v, &damaged);
    store_view_drop(v);
    return n;
}

int rig_rows(struct rig *r, uint8_t kind)
{
    bool damaged;
    struct store_view *v = store_view_take(r->store, kind, INT64_MIN, INT64_MAX);
    int n = rig_view_rows(v, &damaged);
    store_view_drop(v);
    return damaged ? -1 : n;
}

int rig_count(struct rig *r, uint8_t kind, const char *body)
{
    struct gathered g = { 0 };
    int n = 0;
    struct store_view *v = store_view_take(r->store, kind, INT64_MIN, INT64_MAX);
    gather_view(&g, v);
    for (size_t i = 0; i < g.count; i++)
        n += slice_eq(slice_str(g.rows[i].body), slice_str(body));
    mem_free(g.rows);
    store_view_drop(v);
    return n;
}

struct engine_stats rig_stats(struct rig *r)
{
    struct engine_stats s = { 0 };
    store_stats(r->store, &s);
    return s;
}
