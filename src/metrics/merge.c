/* SPDX-License-Identifier: Apache-2.0 */
/* Merging parts of one partition: series by series in label order, the samples of a series from every part that has it.
 *
 * (1) Tombstones newer than what a part has applied are applied to its rows before they mix with others; afterwards the
 *     merged part has applied them all.
 * (2) Of equal times the part with the higher LSNs wins: parts of a partition follow each other in LSN order.
 * (3) Held in memory: the stored index of each part, one series of it, of large histograms a part of it
 *     (MERGE_HISTOGRAMS_BYTES_MAX) at a time, the groups they stand in, and the builder's group and label dictionary. */
#include "metrics/merge.h"

#include <stdlib.h>

#include "base/map.h"
#include "base/num.h"
#include "metrics/build.h"
#include "metrics/dead.h"
#include "metrics/spart.h"

struct input {
    struct spart *sp;
    struct spart_walk *walk;
    struct spart_cursor *cursor;
    uint32_t at, count;
    struct slice tenant, labels; /* of series `at` */
};

struct merge {
    struct input *in;
    size_t count;
    struct dead *dead;
    struct run one, all, spare;
    struct buf key; /* labels of the series being merged */
};

/* Merges two runs by time into *out; b wins. */
static void runs_merge(const struct run *a, const struct run *b, struct run *out)
{
    out->n = 0;
    run_room(out, a->n + b->n);
    size_t i = 0, j = 0, n = 0;
    while (i < a->n || j < b->n) {
        bool take_b = i == a->n || (j < b->n && b->t_ms[j] <= a->t_ms[i]);
        if (take_b && i < a->n && b->t_ms[j] == a->t_ms[i])
            i++;
        out->t_ms[n] = take_b ? b->t_ms[j] : a->t_ms[i];
        out->v[n++] = take_b ? b->v[j++] : a->v[i++];
    }
    out->n = n;
}

void merge_runs(struct run *all, struct run *one, struct run *spare)
{
    if (one->n == 0)
        return;
    if (all->n == 0 || one->t_ms[0] > all->t_ms[all->n - 1]) {
        run_room(all, one->n);
        memcpy(all->t_ms + all->n, one->t_ms, one->n * sizeof *one->t_ms);
        memcpy(all->v + all->n, one->v, one->n * sizeof *one->v);
        all->n += one->n;
        return;
    }
    runs_merge(all, one, spare);
    struct run swap = *all;
    *all = *spare;
    *spare = swap;
}

void merge_bury(struct run *r, const struct dead_range *dead, size_t count, uint64_t applied_id)
{
    size_t kept = 0;
    for (size_t i = 0; i < r->n; i++) {
        bool is_dead = false;
        for (size_t d = 0; d < count; d++)
            is_dead |= dead_hits_part(&dead[d], sat_mul(r->t_ms[i], NS_MS), applied_id);
        if (is_dead)
            continue;
        r->t_ms[kept] = r->t_ms[i];
        r->v[kept++] = r->v[i];
    }
    r->n = kept;
}

static bool input_more(const struct input *in)
{
    return in->at < in->count;
}

static bool input_is_at(const struct input *in, struct slice tenant, struct slice labels)
{
    return input_more(in) && slice_eq(in->tenant, tenant) && slice_eq(in->labels, labels);
}

static enum status input_load(struct input *in, struct err *err)
{
    return input_more(in) ? spart_walk_next(in->walk, &in->tenant, &in->labels, err) : ST_OK;
}

static int inputs_cmp(const struct input *a, const struct input *b)
{
    int c = slice_cmp(a->tenant, b->tenant);
    return c ? c : labels_cmp(a->labels, b->labels);
}

/* The samples behind *from of a series from every part that has it, to m->all: all of them, or as many as (3) has room for.
 * Sets *from to where they end, INT64_MAX: at the end. */
static enum status merge_some(struct merge *m, struct slice tenant, struct slice labels, const struct dead_range *dead, size_t dead_count,
                              int64_t *from, struct err *err)
{
    int64_t end = INT64_MAX;
    m->all.n = 0;
    for (size_t i = 0; i < m->count; i++) {
        struct input *in = &m->in[i];
        if (!input_is_at(in, tenant, labels))
            continue;
        m->one.n = 0;
        enum status st = spart_read(in->cursor, in->at, *from, end, &m->one, err);
        if (st)
            return st;
        if (spart_cursor_cut(in->cursor) && m->one.n > 0) {
            end = m->one.t_ms[m->one.n - 1];
            while (m->all.n > 0 && m->all.t_ms[m->all.n - 1] > end)
                m->all.n--; /* read again next time */
        }
        if (dead_count > 0)
            merge_bury(&m->one, dead, dead_count, spart_applied_id(in->sp));
        merge_runs(&m->all, &m->one, &m->spare);
    }
    *from = end;
    return ST_OK;
}

static enum status merge_series(struct merge *m, struct input *least, struct build *b, struct err *err)
{
    buf_reset(&m->key);
    buf_slice(&m->key, least->labels);
    struct slice tenant = least->tenant, labels = buf_as_slice(&m->key);
    const struct dead_range *dead = NULL;
    size_t dead_count = dead_of(m->dead, tenant, labels, &dead);
    enum status st = ST_OK;
    bool is_begun = false;
    for (int64_t from = INT64_MIN; from != INT64_MAX && st == ST_OK;) {
        st = merge_some(m, tenant, labels, dead, dead_count, &from, err);
        if (st || m->all.n == 0)
            continue;
        if (!is_begun)
            build_series(b, tenant, labels);
        is_begun = true;
        st = build_samples(b, m->all.t_ms, m->all.v, m->all.n, err);
    }
    for (size_t i = 0; i < m->count && st == ST_OK; i++) {
        struct input *in = &m->in[i];
        if (!input_is_at(in, tenant, labels))
            continue;
        in->at++;
        st = input_load(in, err);
    }
    return st;
}

static enum status merge_all(struct merge *m, struct build *b, const atomic_bool *stop, struct err *err)
{
    for (;;) {
        struct input *least = NULL;
        for (size_t i = 0; i < m->count; i++)
            if (input_more(&m->in[i]) && (least == NULL || inputs_cmp(&m->in[i], least) < 0))
                least = &m->in[i];
        if (least == NULL)
            return ST_OK;
        if (stop && atomic_load_explicit(stop, memory_order_relaxed))
            return err_set(err, ST_CANCELLED, "merge of samples: stopped");
        enum status st = merge_series(m, least, b, err);
        if (st)
            return st;
    }
}

static int inputs_by_lsn(const void *a, const void *b)
{
    const struct part_info *x = part_info(spart_part(((const struct input *)a)->sp)), *y = part_info(spart_part(((const struct input *)b)->sp));
    if (x->max_lsn != y->max_lsn)
        return x->max_lsn < y->max_lsn ? -1 : 1;
    return (x->id > y->id) - (x->id < y->id);
}

/* The metadata of all parts, each name once, the newest word. */
static void about_merge(const struct merge *m, struct buf *out)
{
    struct map seen;
    struct buf body, key;
    struct arena *a = arena_new(0);
    size_t count = 0;
    map_init(&seen);
    buf_init(&body, PART_META_BYTES_MAX);
    buf_init(&key, 0);
    for (size_t i = m->count; i-- > 0;) {
        struct reader r = reader_of(spart_about(m->in[i].sp));
        for (size_t n = read_varint(&r); n > 0 && !r.bad; n--) {
            struct slice tenant = read_lenslice(&r);
            struct metric_metadata about;
            metadata_read(&r, &about);
            buf_reset(&key);
            buf_lenslice(&key, tenant);
            buf_slice(&key, about.name);
            if (r.bad || map_get(&seen, buf_as_slice(&key)))
                continue;
            bool added;
            *map_put(&seen, arena_copy(a, buf_as_slice(&key)), &added) = 1;
            buf_lenslice(&body, tenant);
            metadata_write(&body, &about);
            count++;
        }
    }
    buf_varint(out, count);
    buf_slice(out, buf_as_slice(&body));
    map_free(&seen);
    buf_free(&body);
    buf_free(&key);
    arena_free(a);
}

static enum status inputs_open(struct merge *m, const struct part *const *parts, size_t count, struct err *err)
{
    m->in = mem_zalloc((count + 1) * sizeof *m->in);
    for (size_t i = 0; i < count; i++)
        m->in[i].sp = part_user(parts[i]);
    m->count = count;
    qsort(m->in, count, sizeof *m->in, inputs_by_lsn);
    for (size_t i = 0; i < count; i++) {
        struct input *in = &m->in[i];
        enum status st = spart_walk_open(in->sp, &in->walk, err);
        if (st == ST_OK) {
            in->cursor = spart_cursor_of_walk(in->sp, in->walk);
            in->count = spart_series_count(in->sp);
            spart_cursor_limit(in->cursor, spart_state(in->sp)->merge_bytes_max);
            st = input_load(in, err);
        }
        if (st) {
            m->count = i + 1;
            return st;
        }
    }
    return ST_OK;
}

static enum status finish(struct merge *m, struct build *b, struct buf *meta, struct err *err)
{
    uint64_t applied = dead_id(m->dead), min_lsn = UINT64_MAX, max_lsn = 0;
    for (size_t i = 0; i < m->count; i++) {
        const struct part_info *info = part_info(spart_part(m->in[i].sp));
        applied = MAX(applied, spart_applied_id(m->in[i].sp));
        min_lsn = MIN(min_lsn, info->min_lsn);
        max_lsn = MAX(max_lsn, info->max_lsn);
    }
    struct buf about;
    buf_init(&about, PART_META_BYTES_MAX);
    about_merge(m, &about);
    enum status st = build_end(b, applied, min_lsn, max_lsn, part_info(spart_part(m->in[0].sp))->start_ns, buf_as_slice(&about), meta, err);
    buf_free(&about);
    return st;
}

enum status merge_parts(void *state, const struct part *const *parts, size_t count, struct tombstones dead, struct part_writer *out,
                        struct buf *meta, const atomic_bool *stop, struct err *err)
{
    assert(count > 0);
    struct merge m = { .dead = dead_new(dead) };
    struct build *b = build_new(state, out);
    buf_init(&m.key, 0);
    enum status st = inputs_open(&m, parts, count, err);
    if (st == ST_OK)
        st = merge_all(&m, b, stop, err);
    if (st == ST_OK)
        st = finish(&m, b, meta, err);
    for (size_t i = 0; i < m.count; i++) {
        spart_cursor_close(m.in[i].cursor);
        spart_walk_close(m.in[i].walk);
    }
    mem_free(m.in);
    buf_free(&m.key);
    run_free(&m.one);
    run_free(&m.all);
    run_free(&m.spare);
    dead_free(m.dead);
    build_free(b);
    return st;
}
