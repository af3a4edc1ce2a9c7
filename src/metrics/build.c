/* SPDX-License-Identifier: Apache-2.0 */
/* The writer of parts of samples.
 *
 * Series gather in a group. A full group becomes pages: page k holds the k-th chunk (512 values) of each of its series, so
 * that a query for a window reads the pages of that window, and neighbours of one metric share a zstd frame. A head block
 * says what the pages hold. Lists of times go to pages of their own and are named by number: series of one target have the
 * same times, so most lists are found in a small cache of those written before, by a seeded 128-bit hash.
 *
 * The index names every series by its label pairs. Pairs are numbered as they first appear. A row repeats the front of the
 * row before; each further pair is a code: 0 says "what replaced the pair at this place the last time it was replaced",
 * which in sorted series is right most of the time and costs zstd next to nothing.
 *
 * (1) Series come in order, so ordinals are ranks. (2) A series over GROUP_SAMPLES_MAX goes on in the next group, and so
 *     does one whose histograms fill the group's memory. (3) The source's histograms live only during build_samples, so
 *     they are copied; the copies live until the group is written. */
#include "metrics/build.h"

#include "base/map.h"
#include "base/num.h"
#include "metrics/hpage.h"
#include "metrics/layout.h"

enum { TIMES_CACHE = 16384, TIMES_CACHE_WAYS = 4 /* places for one hash */ };
enum { NONE = UINT32_MAX, CODE_EXPECTED = 0, CODE_NEW = 1, CODE_PAIR = 2 };

struct group_series {
    uint32_t ordinal;
    size_t first, count;
};

struct times_known {
    struct hash128 hash;
    uint32_t number_1; /* + 1; 0: empty */
};

struct build {
    struct metrics_state *st;
    struct part_writer *w;
    /* Labels. */
    struct arena *arena;
    struct map pairs, names;
    struct buf tenants, name_texts, pair_texts, shapes, codes;
    uint32_t *follow, *row, *last_row;
    size_t pair_count, follow_cap, row_count, row_cap, last_count;
    struct slice tenant;
    uint64_t tenant_count, tenant_series;
    uint32_t series_count;
    /* The group being filled. */
    int64_t *t_ms;
    double *v;
    size_t sample_count, sample_cap;
    struct group_series series[GROUP_SERIES_MAX];
    size_t group_count;
    struct arena *histograms; /* those of v */
    size_t histogram_bytes;
    struct hpage_writer *hpage; /* NULL: no histogram so far */
    struct buf groups, page;
    uint64_t groups_written;
    uint32_t last_group_ordinal;
    /* Lists of times. */
    struct times_known *known;
    struct buf times_page, times_table, times_refs;
    uint64_t times_pages;
    uint32_t times_count;
    int64_t last_first_ms;
    /* The whole part. */
    uint64_t rows;
    int64_t min_ms, max_ms;
    uint8_t hint;
};

struct build *build_new(struct metrics_state *st, struct part_writer *w)
{
    struct build *b = mem_new(struct build);
    b->st = st;
    b->w = w;
    b->arena = arena_new(0);
    b->histograms = arena_new(0);
    map_init(&b->pairs);
    map_init(&b->names);
    struct buf *bufs[] = { &b->tenants, &b->name_texts, &b->pair_texts, &b->shapes, &b->codes,
                           &b->groups, &b->page, &b->times_page, &b->times_table, &b->times_refs };
    for (size_t i = 0; i < COUNT_OF(bufs); i++)
        buf_init(bufs[i], INDEX_BYTES_MAX);
    b->known = mem_zalloc(TIMES_CACHE * sizeof *b->known);
    b->min_ms = INT64_MAX;
    b->max_ms = INT64_MIN;
    return b;
}

void build_free(struct build *b)
{
    if (b == NULL)
        return;
    struct buf *bufs[] = { &b->tenants, &b->name_texts, &b->pair_texts, &b->shapes, &b->codes,
                           &b->groups, &b->page, &b->times_page, &b->times_table, &b->times_refs };
    for (size_t i = 0; i < COUNT_OF(bufs); i++)
        buf_free(bufs[i]);
    map_free(&b->pairs);
    map_free(&b->names);
    arena_free(b->arena);
    arena_free(b->histograms);
    hpage_writer_free(b->hpage);
    mem_free(b->follow);
    mem_free(b->row);
    mem_free(b->last_row);
    mem_free(b->t_ms);
    mem_free(b->v);
    mem_free(b->known);
    mem_free(b);
}

/* ---- labels ---- */

static uint32_t pair_number(struct build *b, struct slice bytes, const struct label *l, bool *is_new)
{
    uint64_t *known = map_get(&b->pairs, bytes);
    *is_new = known == NULL;
    if (known)
        return (uint32_t)*known;
    bool added;
    uint64_t *name = map_get(&b->names, l->name);
    if (name == NULL) {
        uint64_t number = b->names.count;
        buf_lenslice(&b->name_texts, l->name);
        name = map_put(&b->names, arena_copy(b->arena, l->name), &added);
        *name = number;
    }
    buf_varint(&b->pair_texts, *name);
    buf_lenslice(&b->pair_texts, l->value);
    *map_put(&b->pairs, arena_copy(b->arena, bytes), &added) = b->pair_count;
    if (b->pair_count == b->follow_cap) {
        b->follow_cap = b->follow_cap ? b->follow_cap * 2 : 1024;
        b->follow = mem_realloc(b->follow, b->follow_cap * sizeof *b->follow);
    }
    b->follow[b->pair_count] = NONE;
    return (uint32_t)b->pair_count++;
}

static void row_push(struct build *b, uint32_t pair)
{
    if (b->row_count == b->row_cap) {
        b->row_cap = b->row_cap ? b->row_cap * 2 : LABELS_PER_SERIES_MAX;
        b->row = mem_realloc(b->row, b->row_cap * sizeof *b->row);
        b->last_row = mem_realloc(b->last_row, b->row_cap * sizeof *b->last_row);
    }
    b->row[b->row_count++] = pair;
}

static void row_code(struct build *b, uint32_t pair, bool is_new)
{
    size_t at = b->row_count;
    uint32_t replaced = at < b->last_count ? b->last_row[at] : NONE;
    if (is_new)
        buf_varint(&b->codes, CODE_NEW);
    else if (replaced != NONE && b->follow[replaced] == pair)
        buf_varint(&b->codes, CODE_EXPECTED);
    else
        buf_varint(&b->codes, (uint64_t)pair + CODE_PAIR);
    if (replaced != NONE)
        b->follow[replaced] = pair;
    row_push(b, pair);
}

static void tenant_put(struct build *b, struct slice tenant)
{
    if (b->tenant_count > 0)
        buf_varint(&b->tenants, b->tenant_series);
    b->tenant = arena_copy(b->arena, tenant);
    buf_lenslice(&b->tenants, tenant);
    b->tenant_count++;
    b->tenant_series = 0;
}

static void index_series(struct build *b, struct slice labels)
{
    struct slice rest = labels;
    struct label l;
    bool is_shared = true;
    size_t shared = 0;
    uint32_t *swap = b->row;
    b->row = b->last_row;
    b->last_row = swap;
    b->last_count = b->row_count;
    b->row_count = 0;
    for (const char *from = rest.ptr; labels_next(&rest, &l); from = rest.ptr) {
        bool is_new;
        uint32_t pair = pair_number(b, slice_of(from, (size_t)(l.value.ptr + l.value.len - from)), &l, &is_new);
        is_shared = is_shared && b->row_count < b->last_count && b->last_row[b->row_count] == pair;
        if (is_shared) {
            shared++;
            row_push(b, pair);
        } else {
            row_code(b, pair, is_new);
        }
    }
    buf_varint(&b->shapes, shared);
    buf_varint(&b->shapes, b->row_count - shared);
}

/* ---- times ---- */

static enum status times_flush(struct build *b, struct err *err)
{
    if (b->times_page.len == 0)
        return ST_OK;
    struct block_ref ref;
    enum status st = part_write(b->w, CODEC_ZSTD, buf_as_slice(&b->times_page), &ref, err);
    if (st)
        return st;
    buf_varint(&b->times_refs, ref.offset);
    buf_varint(&b->times_refs, ref.length);
    b->times_pages++;
    buf_reset(&b->times_page);
    return ST_OK;
}

static enum status times_put(struct build *b, const int64_t *t, size_t n, uint32_t *number, struct err *err)
{
    struct hash128 h = hash128(slice_of(t, n * sizeof *t), b->st->seed);
    struct times_known *known = &b->known[h.lo % (TIMES_CACHE / TIMES_CACHE_WAYS) * TIMES_CACHE_WAYS];
    for (size_t i = 0; i < TIMES_CACHE_WAYS; i++)
        if (known[i].number_1 && known[i].hash.lo == h.lo && known[i].hash.hi == h.hi) {
            *number = known[i].number_1 - 1;
            return ST_OK;
        }
    uint8_t bytes[CHUNK_BYTES_MAX];
    size_t len = chunk_encode_times(t, n, bytes);
    buf_varint(&b->times_table, b->times_pages);
    buf_varint(&b->times_table, len);
    buf_varint(&b->times_table, n);
    buf_zigzag(&b->times_table, (int64_t)((uint64_t)t[0] - (uint64_t)b->last_first_ms));
    buf_varint(&b->times_table, (uint64_t)t[n - 1] - (uint64_t)t[0]);
    b->last_first_ms = t[0];
    buf_put(&b->times_page, bytes, len);
    *number = b->times_count++;
    memmove(known + 1, known, (TIMES_CACHE_WAYS - 1) * sizeof *known); /* the oldest goes */
    *known = (struct times_known){ h, b->times_count };
    return b->times_page.len >= TIMES_PAGE_BYTES ? times_flush(b, err) : ST_OK;
}

/* ---- groups ---- */

struct entry {
    uint16_t series, samples, bytes;
    uint8_t flags;
    uint32_t times;
};

/* Series and lists of times as steps from one entry to the next: mostly the same ones, so that zstd leaves little of them. */
static void entries_put(struct buf *to, const struct entry *e, size_t n)
{
    for (size_t i = 0; i < n; i++)
        buf_u16(to, (uint16_t)(e[i].series - (i ? e[i - 1].series : 0)));
    for (size_t i = 0; i < n; i++)
        buf_u16(to, e[i].samples);
    for (size_t i = 0; i < n; i++)
        buf_u8(to, e[i].flags);
    for (size_t i = 0; i < n; i++)
        buf_u32(to, e[i].times - (i ? e[i - 1].times : 0));
    for (size_t i = 0; i < n; i++)
        buf_u16(to, e[i].bytes);
}

/* The values of chunk k of a series; their count. */
static size_t chunk_of(const struct build *b, const struct group_series *s, size_t k, const double **v)
{
    size_t skip = k * CHUNK_SAMPLES_MAX;
    *v = b->v + s->first + skip;
    return s->count > skip ? MIN(s->count - skip, (size_t)CHUNK_SAMPLES_MAX) : 0;
}

/* Writes the histograms of page k. */
static enum status page_histograms_put(struct build *b, size_t k, struct err *err)
{
    for (size_t i = 0; i < b->group_count; i++) {
        const double *v;
        size_t n = chunk_of(b, &b->series[i], k, &v);
        enum status st = hpage_has(v, n) ? hpage_put(b->hpage, v, n, err) : ST_OK;
        if (st)
            return st;
    }
    return hpage_put_end(b->hpage, err);
}

static size_t values_put(struct build *b, const double *v, size_t n, uint8_t *flags)
{
    uint8_t *to = (uint8_t *)buf_room(&b->page, HPAGE_ENTRY_BYTES_MAX);
    size_t len = b->histogram_bytes > 0 && hpage_has(v, n) ? hpage_entry(b->hpage, v, n, &b->hint, to, flags)
                                                           : chunk_encode_values(v, n, &b->hint, to, flags);
    buf_added(&b->page, len);
    return len;
}

/* Writes page k of the group: its head goes to heads, its entries to entries. */
static enum status page_put(struct build *b, size_t k, size_t entries_at, struct buf *heads, struct buf *entries, struct err *err)
{
    struct entry list[GROUP_SERIES_MAX];
    size_t n = 0;
    int64_t min = INT64_MAX, max = INT64_MIN;
    enum status st = b->histogram_bytes > 0 ? page_histograms_put(b, k, err) : ST_OK;
    if (st)
        return st;
    buf_reset(&b->page);
    for (size_t i = 0; i < b->group_count; i++) {
        const struct group_series *s = &b->series[i];
        const double *v;
        size_t count = chunk_of(b, s, k, &v);
        if (count == 0)
            continue;
        const int64_t *t = b->t_ms + (v - b->v);
        struct entry *e = &list[n++];
        e->bytes = (uint16_t)values_put(b, v, count, &e->flags);
        e->series = (uint16_t)(s->ordinal - b->series[0].ordinal);
        e->samples = (uint16_t)count;
        st = times_put(b, t, count, &e->times, err);
        if (st)
            return st;
        min = MIN(min, t[0]);
        max = MAX(max, t[count - 1]);
    }
    struct block_ref ref;
    st = part_write(b->w, CODEC_ZSTD, buf_as_slice(&b->page), &ref, err);
    if (st)
        return st;
    buf_u64(heads, ref.offset);
    buf_u32(heads, ref.length);
    buf_u32(heads, (uint32_t)(entries_at + entries->len));
    buf_u16(heads, (uint16_t)n);
    buf_u64(heads, (uint64_t)min);
    buf_u64(heads, (uint64_t)max);
    entries_put(entries, list, n);
    b->min_ms = MIN(b->min_ms, min);
    b->max_ms = MAX(b->max_ms, max);
    return ST_OK;
}

static void group_put(struct build *b, struct block_ref ref)
{
    uint32_t first = b->series[0].ordinal, last = b->series[b->group_count - 1].ordinal;
    int64_t min = INT64_MAX, max = INT64_MIN;
    for (size_t i = 0; i < b->group_count; i++) {
        min = MIN(min, b->t_ms[b->series[i].first]);
        max = MAX(max, b->t_ms[b->series[i].first + b->series[i].count - 1]);
    }
    buf_varint(&b->groups, first - b->last_group_ordinal);
    buf_varint(&b->groups, last - first);
    buf_varint(&b->groups, ref.offset);
    buf_varint(&b->groups, ref.length);
    buf_zigzag(&b->groups, min);
    buf_varint(&b->groups, (uint64_t)max - (uint64_t)min);
    b->last_group_ordinal = first;
    b->groups_written++;
}

static enum status group_flush(struct build *b, struct err *err)
{
    if (b->group_count == 0)
        return ST_OK;
    size_t pages = 0;
    for (size_t i = 0; i < b->group_count; i++)
        pages = MAX(pages, (b->series[i].count + CHUNK_SAMPLES_MAX - 1) / CHUNK_SAMPLES_MAX);
    struct buf heads, entries;
    buf_init(&heads, 0);
    buf_init(&entries, 0);
    enum status st = ST_OK;
    buf_u16(&heads, (uint16_t)pages);
    for (size_t k = 0; k < pages && st == ST_OK; k++)
        st = page_put(b, k, GROUP_HEAD_BYTES + pages * PAGE_HEAD_BYTES, &heads, &entries, err);
    struct block_ref ref;
    buf_slice(&heads, buf_as_slice(&entries));
    if (st == ST_OK)
        st = part_write(b->w, CODEC_ZSTD, buf_as_slice(&heads), &ref, err);
    if (st == ST_OK)
        group_put(b, ref);
    buf_free(&heads);
    buf_free(&entries);
    b->rows += b->sample_count;
    b->group_count = b->sample_count = b->histogram_bytes = 0;
    arena_reset(b->histograms);
    return st;
}

/* No series can add a sample. */
static bool group_is_over(const struct build *b)
{
    return b->sample_count >= GROUP_SAMPLES_MAX || b->histogram_bytes >= GROUP_HISTOGRAM_BYTES_MAX;
}

static bool group_is_full(const struct build *b)
{
    return b->group_count == GROUP_SERIES_MAX || group_is_over(b) ||
           (b->group_count >= GROUP_SERIES_FULL && b->sample_count >= GROUP_SAMPLES_FULL);
}

/* ---- the calls ---- */

void build_series(struct build *b, struct slice tenant, struct slice labels)
{
    if (b->tenant_count == 0 || !slice_eq(b->tenant, tenant))
        tenant_put(b, tenant);
    b->tenant_series++;
    b->series_count++;
    index_series(b, labels);
}

/* (3): copies n values to the end of v as far as the group has memory; how many. */
static size_t values_take(struct build *b, const double *v, size_t n)
{
    double *to = b->v + b->sample_count;
    memcpy(to, v, n * sizeof *v);
    if (!hpage_has(v, n))
        return n;
    if (b->hpage == NULL)
        b->hpage = hpage_writer_new(b->w);
    for (size_t i = 0; i < n; i++) {
        if (!is_histogram(v[i]))
            continue;
        if (b->histogram_bytes >= GROUP_HISTOGRAM_BYTES_MAX)
            return i;
        const struct histogram *h = histogram_copy(b->histograms, histogram_unbox(v[i]));
        to[i] = histogram_box(h);
        b->histogram_bytes += histogram_bytes(h);
    }
    return n;
}

enum status build_samples(struct build *b, const int64_t *t_ms, const double *v, size_t n, struct err *err)
{
    assert(b->series_count > 0);
    uint32_t ordinal = b->series_count - 1;
    while (n > 0) {
        bool goes_on = b->group_count > 0 && b->series[b->group_count - 1].ordinal == ordinal;
        if (goes_on ? group_is_over(b) : group_is_full(b)) {
            enum status st = group_flush(b, err);
            if (st)
                return st;
            goes_on = false;
        }
        if (!goes_on)
            b->series[b->group_count++] = (struct group_series){ ordinal, b->sample_count, 0 };
        size_t take = MIN(n, GROUP_SAMPLES_MAX - b->sample_count);
        if (b->sample_count + take > b->sample_cap) {
            b->sample_cap = MAX(b->sample_count + take, b->sample_cap * 2);
            b->t_ms = mem_realloc(b->t_ms, b->sample_cap * sizeof *b->t_ms);
            b->v = mem_realloc(b->v, b->sample_cap * sizeof *b->v);
        }
        take = values_take(b, v, take);
        memcpy(b->t_ms + b->sample_count, t_ms, take * sizeof *t_ms);
        b->sample_count += take;
        b->series[b->group_count - 1].count += take;
        t_ms += take;
        v += take;
        n -= take;
    }
    return ST_OK;
}

static void index_bytes_put(struct build *b, struct buf *out)
{
    buf_varint(out, b->tenant_count);
    buf_slice(out, buf_as_slice(&b->tenants));
    buf_varint(out, b->names.count);
    buf_slice(out, buf_as_slice(&b->name_texts));
    buf_varint(out, b->pair_count);
    buf_slice(out, buf_as_slice(&b->pair_texts));
    buf_lenslice(out, buf_as_slice(&b->shapes));
    buf_lenslice(out, buf_as_slice(&b->codes));
    buf_varint(out, b->times_count);
    buf_slice(out, buf_as_slice(&b->times_table));
    buf_varint(out, b->groups_written);
    buf_slice(out, buf_as_slice(&b->groups));
}

static enum status index_write(struct build *b, struct buf *meta, struct err *err)
{
    struct buf index, refs;
    buf_init(&index, INDEX_BYTES_MAX);
    buf_init(&refs, 0);
    index_bytes_put(b, &index);
    enum status st = buf_over(&index) ? err_set(err, ST_LIMIT, "part: the index of %u series is over %d bytes", b->series_count, INDEX_BYTES_MAX)
                                      : ST_OK;
    struct slice rest = buf_as_slice(&index);
    uint64_t blocks = 0;
    for (; rest.len > 0 && st == ST_OK; rest = slice_skip(rest, INDEX_BLOCK_BYTES), blocks++) {
        struct block_ref ref;
        st = part_write(b->w, CODEC_ZSTD, slice_sub(rest, 0, INDEX_BLOCK_BYTES), &ref, err);
        if (st == ST_OK) {
            buf_varint(&refs, ref.offset);
            buf_varint(&refs, ref.length);
        }
    }
    buf_varint(meta, index.len);
    buf_varint(meta, blocks);
    buf_slice(meta, buf_as_slice(&refs));
    buf_free(&index);
    buf_free(&refs);
    return st;
}

enum status build_end(struct build *b, uint64_t applied_id, uint64_t min_lsn, uint64_t max_lsn, int64_t fallback_ns, struct slice about,
                      struct buf *meta, struct err *err)
{
    enum status st = group_flush(b, err);
    if (st == ST_OK)
        st = times_flush(b, err);
    if (st)
        return st;
    if (b->tenant_count > 0)
        buf_varint(&b->tenants, b->tenant_series);
    buf_u8(meta, PART_STEPS_VERSION);
    buf_varint(meta, applied_id);
    buf_varint(meta, b->series_count);
    st = index_write(b, meta, err);
    if (st)
        return st;
    buf_varint(meta, b->times_pages);
    buf_slice(meta, buf_as_slice(&b->times_refs));
    buf_slice(meta, about);
    int64_t min_ns = b->rows ? sat_mul(b->min_ms, NS_MS) : fallback_ns, max_ns = b->rows ? sat_mul(b->max_ms, NS_MS) : fallback_ns;
    part_writer_rows(b->w, b->rows, min_ns, max_ns, min_lsn, max_lsn);
    return ST_OK;
}
