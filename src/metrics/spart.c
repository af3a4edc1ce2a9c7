/* SPDX-License-Identifier: Apache-2.0 */
/* Opening a part of samples and its index.
 *
 * At open only the small meta is looked at, and its metadata goes to the table, so that a start with many parts is quick.
 * The index (pairs, rows, lists of times, groups) is read and decoded when a query first needs it; postings are not
 * stored at all but made from the rows then. It stays for later ones, but those used longest ago go when all together take
 * more than PART_INDEXES_BYTES_MAX: with many new series a day, the indexes of a month are more than memory.
 *
 * A merge reads all series once and in order: it walks over the stored index and decodes a row at a time.
 *
 * (1) Nothing here trusts counts or numbers before they are checked against what is left of the bytes.
 * (2) index, users, bytes and the list are under the state's index_lock; lock is held while decoding, so that of two who
 *     ask one waits. It comes before index_lock. */
#include "metrics/spart.h"

#include "metrics/layout.h"
#include "sys/thread.h"

enum { CODE_EXPECTED = 0, CODE_NEW = 1, CODE_PAIR = 2, NONE = UINT32_MAX };

struct spart {
    struct metrics_state *st;
    const struct part *part;
    uint64_t applied_id, index_bytes;
    uint32_t series_count;
    unsigned version;
    struct block_ref *index_refs, *times_refs;
    size_t index_ref_count, times_ref_count;
    struct slice about;
    struct mutex lock;
    bool is_loaded;
    struct spart_index index;
    size_t bytes;
    uint32_t users;
    struct spart *before, *after; /* in the state's list, when loaded */
};

static bool refs_read(struct reader *r, size_t count, struct block_ref **out)
{
    if (r->bad || count > reader_left(r))
        return false;
    *out = mem_alloc((count + 1) * sizeof **out);
    for (size_t i = 0; i < count; i++) {
        (*out)[i].offset = read_varint(r);
        (*out)[i].length = (uint32_t)read_varint(r);
    }
    return !r->bad;
}

static bool meta_read(struct spart *sp, struct reader *r)
{
    sp->applied_id = read_varint(r);
    sp->series_count = (uint32_t)read_varint(r);
    sp->index_bytes = read_varint(r);
    sp->index_ref_count = read_varint(r);
    if (sp->index_bytes > INDEX_BYTES_MAX || !refs_read(r, sp->index_ref_count, &sp->index_refs))
        return false;
    sp->times_ref_count = read_varint(r);
    if (!refs_read(r, sp->times_ref_count, &sp->times_refs))
        return false;
    sp->about = slice_of(r->at, reader_left(r));
    size_t count = read_varint(r);
    for (size_t i = 0; i < count && !r->bad; i++) {
        struct slice tenant = read_lenslice(r);
        struct metric_metadata m;
        metadata_read(r, &m);
        if (!r->bad)
            metadata_put(sp->st->metadata, tenant, &m, part_info(sp->part)->max_lsn);
    }
    return !r->bad && reader_left(r) == 0;
}

enum status spart_open(void *state, const struct part *p, void **user, struct err *err)
{
    struct reader r = reader_of(part_meta(p));
    unsigned version = read_u8(&r);
    if (version < PART_SAMPLES_VERSION || version > PART_VERSION_MAX)
        return err_set(err, ST_CORRUPT, "part %016llx: samples of version %u, known are up to %d", (unsigned long long)part_info(p)->id, version,
                       PART_VERSION_MAX);
    struct spart *sp = mem_new(struct spart);
    sp->st = state;
    sp->part = p;
    sp->version = version;
    mutex_init(&sp->lock);
    if (!meta_read(sp, &r)) {
        spart_close(sp);
        return err_set(err, ST_CORRUPT, "part %016llx: its meta of %zu bytes does not parse", (unsigned long long)part_info(p)->id,
                       part_meta(p).len);
    }
    *user = sp;
    return ST_OK;
}

/* ---- the list of parts with an index (2) ---- */

static void list_leave(struct spart *sp)
{
    struct metrics_state *st = sp->st;
    *(sp->before ? &sp->before->after : &st->indexed_first) = sp->after;
    *(sp->after ? &sp->after->before : &st->indexed_last) = sp->before;
    sp->before = sp->after = NULL;
    sp->is_loaded = false;
    atomic_fetch_sub_explicit(&st->index_bytes, sp->bytes, memory_order_relaxed);
}

static void list_enter(struct spart *sp)
{
    struct metrics_state *st = sp->st;
    sp->after = st->indexed_first;
    *(sp->after ? &sp->after->before : &st->indexed_last) = sp;
    st->indexed_first = sp;
    sp->is_loaded = true;
    atomic_fetch_add_explicit(&st->index_bytes, sp->bytes, memory_order_relaxed);
}

static void index_reset(struct spart_index *ix)
{
    index_free(&ix->labels);
    mem_free(ix->row_at);
    mem_free(ix->row_pairs);
    mem_free(ix->times);
    mem_free(ix->groups);
    *ix = (struct spart_index){ 0 };
}

/* Frees what is over the maximum and not used, the one used longest ago first; the one used last stays, however large. */
static void list_shrink(struct metrics_state *st)
{
    for (struct spart *sp = st->indexed_last, *next; sp && sp != st->indexed_first; sp = next) {
        if (atomic_load_explicit(&st->index_bytes, memory_order_relaxed) <= st->index_bytes_max)
            return;
        next = sp->before;
        if (sp->users > 0)
            continue;
        list_leave(sp);
        index_reset(&sp->index);
    }
}

void spart_close(void *user)
{
    struct spart *sp = user;
    if (sp == NULL)
        return;
    mutex_lock(&sp->st->index_lock);
    assert(sp->users == 0);
    if (sp->is_loaded)
        list_leave(sp);
    mutex_unlock(&sp->st->index_lock);
    index_reset(&sp->index);
    mem_free(sp->index_refs);
    mem_free(sp->times_refs);
    mutex_destroy(&sp->lock);
    mem_free(sp);
}

uint64_t spart_applied_id(const struct spart *sp)
{
    return sp->applied_id;
}
const struct part *spart_part(const struct spart *sp)
{
    return sp->part;
}
uint32_t spart_series_count(const struct spart *sp)
{
    return sp->series_count;
}
unsigned spart_version(const struct spart *sp)
{
    return sp->version;
}
struct slice spart_about(const struct spart *sp)
{
    return sp->about;
}
const struct block_ref *spart_times_ref(const struct spart *sp, uint32_t page)
{
    return page < sp->times_ref_count ? &sp->times_refs[page] : NULL;
}
struct metrics_state *spart_state(const struct spart *sp)
{
    return sp->st;
}

/* ---- the index ---- */

/* All while decoding; freed at its end. */
struct decode {
    struct arena *arena;
    struct slice *tenants;
    uint32_t *tenant_series;
    size_t tenant_count;
    struct slice *names;
    size_t name_count;
    uint32_t *pair_ids; /* number in the part -> position in the index */
    size_t pair_count;
};

static bool tenants_read(struct decode *d, struct reader *r)
{
    d->tenant_count = read_varint(r);
    if (r->bad || d->tenant_count > reader_left(r))
        return false;
    d->tenants = arena_array(d->arena, struct slice, d->tenant_count + 1);
    d->tenant_series = arena_array(d->arena, uint32_t, d->tenant_count + 1);
    for (size_t i = 0; i < d->tenant_count; i++) {
        d->tenants[i] = read_lenslice(r);
        d->tenant_series[i] = (uint32_t)read_varint(r);
        if (!tenant_is_stored(d->tenants[i]))
            return false;
    }
    return !r->bad;
}

/* The names, and how many pairs follow. */
static bool names_read(struct decode *d, struct reader *r)
{
    d->name_count = read_varint(r);
    if (r->bad || d->name_count > reader_left(r))
        return false;
    d->names = arena_array(d->arena, struct slice, d->name_count + 1);
    for (size_t i = 0; i < d->name_count; i++)
        d->names[i] = read_lenslice(r);
    d->pair_count = read_varint(r);
    return !r->bad && d->pair_count <= reader_left(r);
}

static bool pairs_read(struct decode *d, struct index *ix, struct reader *r)
{
    if (!names_read(d, r))
        return false;
    d->pair_ids = arena_array(d->arena, uint32_t, d->pair_count + 1);
    struct buf bytes;
    buf_init(&bytes, 0);
    for (size_t i = 0; i < d->pair_count && !r->bad; i++) {
        size_t name = read_varint(r);
        struct slice value = read_lenslice(r);
        if (name >= d->name_count || r->bad) {
            r->bad = true;
            break;
        }
        buf_reset(&bytes);
        index_pair_bytes(&bytes, d->names[name], value);
        d->pair_ids[i] = index_pair_put(ix, buf_as_slice(&bytes));
    }
    buf_free(&bytes);
    return !r->bad;
}

/* The rows, with pair numbers of the part. */
static bool raw_rows_read(struct decode *d, struct spart_index *ix, struct reader *r)
{
    struct slice shape_bytes = read_lenslice(r), code_bytes = read_lenslice(r);
    struct reader shapes = reader_of(shape_bytes), codes = reader_of(code_bytes);
    uint32_t n = ix->series_count, next_new = 0;
    if (r->bad || n > shape_bytes.len)
        return false;
    uint32_t *follow = arena_array(d->arena, uint32_t, d->pair_count + 1);
    memset(follow, 0xff, (d->pair_count + 1) * sizeof *follow);
    ix->row_at = mem_alloc(((size_t)n + 1) * sizeof *ix->row_at);
    size_t at = 0, cap = LABELS_PER_SERIES_MAX, last_at = 0, last_count = 0;
    ix->row_pairs = mem_alloc(cap * sizeof *ix->row_pairs);
    for (uint32_t i = 0; i < n; i++) {
        size_t shared = read_varint(&shapes), fresh = read_varint(&shapes);
        if (shapes.bad || shared > last_count || fresh > reader_left(&codes))
            return false;
        if (at + shared + fresh > cap) {
            cap = MAX(at + shared + fresh, cap * 2);
            ix->row_pairs = mem_realloc(ix->row_pairs, cap * sizeof *ix->row_pairs);
        }
        ix->row_at[i] = at;
        uint32_t *row = ix->row_pairs + at;
        const uint32_t *last = ix->row_pairs + last_at;
        memcpy(row, last, shared * sizeof *row);
        for (size_t j = shared; j < shared + fresh; j++) {
            uint32_t replaced = j < last_count ? last[j] : NONE;
            uint64_t code = read_varint(&codes);
            uint64_t pair = code == CODE_NEW ? next_new++ : code >= CODE_PAIR ? code - CODE_PAIR : replaced != NONE ? follow[replaced] : NONE;
            if (pair >= d->pair_count)
                return false;
            row[j] = (uint32_t)pair;
            if (replaced != NONE)
                follow[replaced] = (uint32_t)pair;
        }
        last_at = at;
        last_count = shared + fresh;
        at += last_count;
    }
    ix->row_at[n] = at;
    return !codes.bad;
}

static bool times_read(struct spart *sp, struct spart_index *ix, struct reader *r)
{
    size_t n = read_varint(r);
    if (r->bad || n > reader_left(r))
        return false;
    ix->times = mem_alloc((n + 1) * sizeof *ix->times);
    ix->times_count = (uint32_t)n;
    uint32_t page = 0, offset = 0;
    int64_t first = 0;
    for (size_t i = 0; i < n; i++) {
        uint64_t on = read_varint(r), bytes = read_varint(r), count = read_varint(r);
        if (on != page)
            offset = 0;
        page = (uint32_t)on;
        first = (int64_t)((uint64_t)first + (uint64_t)read_zigzag(r));
        int64_t last = (int64_t)((uint64_t)first + read_varint(r));
        if (r->bad || on >= sp->times_ref_count || bytes > CHUNK_BYTES_MAX || count == 0 || count > CHUNK_SAMPLES_MAX)
            return false;
        ix->times[i] = (struct spart_times){ page, offset, (uint16_t)bytes, (uint16_t)count, first, last };
        offset += (uint32_t)bytes;
    }
    return true;
}

static bool groups_read(struct spart_index *ix, struct reader *r)
{
    size_t n = read_varint(r);
    if (r->bad || n > reader_left(r))
        return false;
    ix->groups = mem_alloc((n + 1) * sizeof *ix->groups);
    ix->group_count = (uint32_t)n;
    uint32_t first = 0;
    for (size_t i = 0; i < n; i++) {
        struct spart_group *g = &ix->groups[i];
        g->first = first += (uint32_t)read_varint(r);
        g->last = g->first + (uint32_t)read_varint(r);
        g->head.offset = read_varint(r);
        g->head.length = (uint32_t)read_varint(r);
        g->min_ms = read_zigzag(r);
        g->max_ms = (int64_t)((uint64_t)g->min_ms + read_varint(r));
        if (r->bad || g->last >= ix->series_count || g->last < g->first || g->last - g->first > UINT16_MAX)
            return false;
    }
    return true;
}

/* Numbers become positions, and every pair gets the ordinals of its series. */
static void postings_make(struct decode *d, struct spart_index *ix)
{
    size_t total = ix->row_at[ix->series_count];
    size_t *at = arena_zalloc(d->arena, (d->pair_count + 2) * sizeof *at);
    for (size_t i = 0; i < total; i++)
        at[ix->row_pairs[i] + 1]++;
    for (size_t p = 0; p < d->pair_count; p++)
        at[p + 1] += at[p];
    uint32_t *ids = mem_alloc((total + 1) * sizeof *ids);
    for (uint32_t s = 0; s < ix->series_count; s++)
        for (size_t i = ix->row_at[s]; i < ix->row_at[s + 1]; i++) {
            ids[at[ix->row_pairs[i]]++] = s;
            ix->row_pairs[i] = d->pair_ids[ix->row_pairs[i]];
        }
    for (size_t p = 0, from = 0; p < d->pair_count; from = at[p++]) {
        struct index_pair *to = &ix->labels.pairs[d->pair_ids[p]];
        index_pair_add(to, ids + from, at[p] - from);
        if (to->ids) {
            roaring_bitmap_run_optimize(to->ids);
            roaring_bitmap_shrink_to_fit(to->ids);
        }
    }
    mem_free(ids);
}

static bool tenants_make(struct decode *d, struct spart_index *ix)
{
    uint64_t from = 0;
    struct buf bytes;
    buf_init(&bytes, 0);
    for (size_t i = 0; i < d->tenant_count; i++) {
        buf_reset(&bytes);
        index_pair_bytes(&bytes, SLICE_EMPTY, d->tenants[i]);
        uint32_t at = index_pair_put(&ix->labels, buf_as_slice(&bytes));
        if (from + d->tenant_series[i] > ix->series_count || !ix->labels.pairs[at].is_empty)
            break;
        index_pair_add_range(&ix->labels.pairs[at], (uint32_t)from, (uint32_t)from + d->tenant_series[i]);
        from += d->tenant_series[i];
    }
    buf_free(&bytes);
    return from == ix->series_count;
}

static bool index_decode(struct spart *sp, struct spart_index *ix, struct slice bytes)
{
    struct decode d = { .arena = arena_new(0) };
    struct reader r = reader_of(bytes);
    bool ok = tenants_read(&d, &r) && pairs_read(&d, &ix->labels, &r) && raw_rows_read(&d, ix, &r) && times_read(sp, ix, &r) && groups_read(ix, &r) &&
              reader_left(&r) == 0;
    if (ok) {
        postings_make(&d, ix);
        ok = tenants_make(&d, ix);
    }
    arena_free(d.arena);
    return ok;
}

/* What is decoded from the blocks is kept, so they are not. */
static enum status index_bytes_read(struct spart *sp, struct buf *bytes, struct err *err)
{
    enum status st = ST_OK;
    for (size_t i = 0; i < sp->index_ref_count && st == ST_OK; i++) {
        struct block *b;
        st = part_read_once(sp->part, sp->index_refs[i], &b, err);
        if (st == ST_OK) {
            buf_slice(bytes, b->bytes);
            block_drop(b);
        }
    }
    return st;
}

static enum status index_load(struct spart *sp, struct err *err)
{
    struct buf bytes;
    buf_init(&bytes, INDEX_BYTES_MAX);
    enum status st = index_bytes_read(sp, &bytes, err);
    if (st == ST_OK) {
        struct spart_index ix = { .series_count = sp->series_count };
        index_init(&ix.labels);
        bool ok = bytes.len == sp->index_bytes && index_decode(sp, &ix, buf_as_slice(&bytes));
        sp->index = ix; /* good or bad, the caller frees it */
        if (!ok)
            st = err_set(err, ST_CORRUPT, "part %016llx: its index of %zu bytes does not parse", (unsigned long long)part_info(sp->part)->id,
                         bytes.len);
    }
    buf_free(&bytes);
    if (st)
        return st;
    sp->bytes = index_bytes(&sp->index.labels) + sp->index.row_at[sp->series_count] * sizeof(uint32_t) +
                ((size_t)sp->series_count + 1) * sizeof(size_t) + sp->index.times_count * sizeof(struct spart_times);
    return ST_OK;
}

/* True when it is there: it is used once more then. */
static bool index_use(struct spart *sp)
{
    mutex_lock(&sp->st->index_lock);
    bool is_loaded = sp->is_loaded;
    if (is_loaded) {
        list_leave(sp);
        list_enter(sp);
        sp->users++;
    }
    mutex_unlock(&sp->st->index_lock);
    return is_loaded;
}

enum status spart_index_take(struct spart *sp, const struct spart_index **out, struct err *err)
{
    *out = &sp->index;
    if (index_use(sp))
        return ST_OK;
    mutex_lock(&sp->lock);
    enum status st = ST_OK;
    if (!index_use(sp)) {
        st = index_load(sp, err);
        if (st) {
            index_reset(&sp->index);
        } else {
            mutex_lock(&sp->st->index_lock);
            sp->users++;
            list_enter(sp);
            list_shrink(sp->st);
            mutex_unlock(&sp->st->index_lock);
        }
    }
    mutex_unlock(&sp->lock);
    return st;
}

void spart_index_drop(struct spart *sp)
{
    mutex_lock(&sp->st->index_lock);
    assert(sp->users > 0);
    sp->users--;
    list_shrink(sp->st);
    mutex_unlock(&sp->st->index_lock);
}

void spart_labels(const struct spart_index *ix, uint32_t ordinal, struct buf *out)
{
    buf_reset(out);
    for (size_t i = ix->row_at[ordinal]; i < ix->row_at[ordinal + 1]; i++) {
        const struct index_pair *p = &ix->labels.pairs[ix->row_pairs[i]];
        buf_put(out, p->bytes, p->len);
    }
}

struct slice spart_tenant(const struct spart_index *ix, uint32_t ordinal)
{
    const struct index_name *tenants = index_name(&ix->labels, SLICE_EMPTY);
    for (uint32_t i = 0; tenants && i < tenants->count; i++)
        if (index_pair_has(&ix->labels.pairs[tenants->pairs[i]], ordinal))
            return ix->labels.pairs[tenants->pairs[i]].value;
    return SLICE_EMPTY;
}

/* ---- a walk ---- */

struct spart_walk {
    struct spart *sp;
    struct buf bytes;          /* the index as it is stored */
    struct decode d;
    struct slice *pairs;       /* by number, as in canonical labels */
    uint32_t *follow, *row;    /* row: pair numbers of the series read last */
    size_t *ends;              /* of each pair of it in labels */
    size_t row_count, row_cap;
    struct buf labels;
    struct reader shapes, codes;
    uint32_t next, next_new, tenant, tenant_left;
    struct spart_index index;  /* times and groups */
};

static bool walk_pairs(struct spart_walk *w, struct reader *r)
{
    struct decode *d = &w->d;
    struct buf bytes;
    if (!names_read(d, r))
        return false;
    w->pairs = arena_array(d->arena, struct slice, d->pair_count + 1);
    w->follow = arena_array(d->arena, uint32_t, d->pair_count + 1);
    memset(w->follow, 0xff, (d->pair_count + 1) * sizeof *w->follow);
    buf_init(&bytes, 0);
    for (size_t i = 0; i < d->pair_count && !r->bad; i++) {
        size_t name = read_varint(r);
        struct slice value = read_lenslice(r);
        r->bad |= name >= d->name_count;
        if (r->bad)
            break;
        buf_reset(&bytes);
        index_pair_bytes(&bytes, d->names[name], value);
        w->pairs[i] = arena_copy(d->arena, buf_as_slice(&bytes));
    }
    buf_free(&bytes);
    return !r->bad;
}

static bool walk_begin(struct spart_walk *w)
{
    struct reader r = reader_of(buf_as_slice(&w->bytes));
    uint64_t in_tenants = 0;
    w->index.series_count = w->sp->series_count;
    if (w->bytes.len != w->sp->index_bytes || !tenants_read(&w->d, &r) || !walk_pairs(w, &r))
        return false;
    for (size_t i = 0; i < w->d.tenant_count; i++)
        in_tenants += w->d.tenant_series[i];
    w->shapes = reader_of(read_lenslice(&r));
    w->codes = reader_of(read_lenslice(&r));
    return !r.bad && in_tenants == w->index.series_count && times_read(w->sp, &w->index, &r) && groups_read(&w->index, &r) && reader_left(&r) == 0;
}

static enum status walk_broken(const struct spart_walk *w, struct err *err)
{
    return err_set(err, ST_CORRUPT, "part %016llx: its index of %zu bytes does not parse", (unsigned long long)part_info(w->sp->part)->id,
                   w->bytes.len);
}

enum status spart_walk_open(struct spart *sp, struct spart_walk **out, struct err *err)
{
    struct spart_walk *w = mem_new(struct spart_walk);
    w->sp = sp;
    w->d.arena = arena_new(0);
    buf_init(&w->bytes, INDEX_BYTES_MAX);
    buf_init(&w->labels, 0);
    enum status st = index_bytes_read(sp, &w->bytes, err);
    if (st == ST_OK && !walk_begin(w))
        st = walk_broken(w, err);
    if (st) {
        spart_walk_close(w);
        return st;
    }
    *out = w;
    return ST_OK;
}

void spart_walk_close(struct spart_walk *w)
{
    if (w == NULL)
        return;
    index_reset(&w->index);
    arena_free(w->d.arena);
    buf_free(&w->bytes);
    buf_free(&w->labels);
    mem_free(w->row);
    mem_free(w->ends);
    mem_free(w);
}

const struct spart_index *spart_walk_index(const struct spart_walk *w)
{
    return &w->index;
}

/* The row is changed from its shared front on, and with it the labels. */
static bool walk_row(struct spart_walk *w)
{
    size_t shared = read_varint(&w->shapes), fresh = read_varint(&w->shapes), last_count = w->row_count;
    if (w->shapes.bad || shared > last_count || fresh > reader_left(&w->codes))
        return false;
    if (shared + fresh > w->row_cap) {
        w->row_cap = MAX(shared + fresh, MAX(w->row_cap * 2, (size_t)LABELS_PER_SERIES_MAX));
        w->row = mem_realloc(w->row, w->row_cap * sizeof *w->row);
        w->ends = mem_realloc(w->ends, w->row_cap * sizeof *w->ends);
    }
    w->labels.len = shared ? w->ends[shared - 1] : 0;
    for (size_t j = shared; j < shared + fresh; j++) {
        uint32_t replaced = j < last_count ? w->row[j] : NONE;
        uint64_t code = read_varint(&w->codes);
        uint64_t pair = code == CODE_NEW ? w->next_new++ : code >= CODE_PAIR ? code - CODE_PAIR : replaced != NONE ? w->follow[replaced] : NONE;
        if (pair >= w->d.pair_count)
            return false;
        w->row[j] = (uint32_t)pair;
        if (replaced != NONE)
            w->follow[replaced] = (uint32_t)pair;
        buf_slice(&w->labels, w->pairs[pair]);
        w->ends[j] = w->labels.len;
    }
    w->row_count = shared + fresh;
    return !w->codes.bad;
}

enum status spart_walk_next(struct spart_walk *w, struct slice *tenant, struct slice *labels, struct err *err)
{
    while (w->tenant_left == 0 && w->tenant < w->d.tenant_count)
        w->tenant_left = w->d.tenant_series[w->tenant++];
    if (w->next == w->index.series_count || w->tenant_left == 0)
        return err_set(err, ST_NOT_FOUND, "part %016llx: no more series", (unsigned long long)part_info(w->sp->part)->id);
    if (!walk_row(w))
        return walk_broken(w, err);
    w->next++;
    w->tenant_left--;
    *tenant = w->d.tenants[w->tenant - 1];
    *labels = buf_as_slice(&w->labels);
    return ST_OK;
}
