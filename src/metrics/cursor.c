/* SPDX-License-Identifier: Apache-2.0 */
/* A cursor over the samples of a part: at most one group is open, its pages are fetched when a chunk in them is wanted, and
 * decoded lists of times are kept in a small cache, for neighbours share them.
 *
 * (1) Ordinals only go up, so each page is searched onwards from where it was left.
 * (2) Histograms are decoded into memory of the cursor, which is freed at the next read: a series at a time.
 * (3) With a query's context a block that does not check is skipped, said and counted once per visit; without it (merges)
 *     it is an error, for a merge must not lose it quietly. */
#include "metrics/hpage.h"
#include "metrics/layout.h"
#include "metrics/spart.h"

enum { TIMES_CACHE = 512 };

struct page {
    struct block_ref ref;
    int64_t min_ms, max_ms;
    const char *entries; /* columns, in the head block */
    uint32_t count, at;
    uint64_t offset;     /* of entry `at` in the page; its series and list of times */
    uint32_t times;
    uint16_t series;
    struct block *block;
    bool is_bad;
};

struct chunk_at {
    struct page *page;
    uint64_t offset;
    uint16_t samples, bytes;
    uint8_t flags;
    const struct spart_times *times;
    uint32_t times_number;
};

struct times_slot {
    uint32_t number_1, cap;
    int64_t t_ms[]; /* cap */
};

struct spart_cursor {
    struct spart *sp;
    const struct spart_index *ix;
    struct engine_ctx *ctx;
    uint32_t group;         /* the first that may hold the ordinal asked for last */
    uint32_t entered;       /* + 1; 0: none */
    struct block *head;
    struct page *pages;
    size_t page_count, page_cap;
    struct block *times_block;
    uint32_t times_page_1;
    struct times_slot **times;
    struct hpage_reader *histograms; /* NULL: none met so far */
    uint64_t histogram_bytes, histogram_bytes_max; /* of this read; where it ends, 0: not */
    bool is_cut, has_taken; /* has_taken: the index, to be dropped */
};

void run_room(struct run *r, size_t more)
{
    if (r->n + more <= r->cap)
        return;
    r->cap = MAX(r->n + more, r->cap * 2);
    r->t_ms = mem_realloc(r->t_ms, r->cap * sizeof *r->t_ms);
    r->v = mem_realloc(r->v, r->cap * sizeof *r->v);
}

void run_free(struct run *r)
{
    mem_free(r->t_ms);
    mem_free(r->v);
    *r = (struct run){ 0 };
}

static struct spart_cursor *cursor_new(struct spart *sp, const struct spart_index *ix, struct engine_ctx *ctx)
{
    struct spart_cursor *c = mem_new(struct spart_cursor);
    c->sp = sp;
    c->ix = ix;
    c->ctx = ctx;
    c->times = mem_zalloc(TIMES_CACHE * sizeof(struct times_slot *));
    return c;
}

enum status spart_cursor_open(struct spart *sp, struct engine_ctx *ctx, struct spart_cursor **out, struct err *err)
{
    const struct spart_index *ix;
    enum status st = spart_index_take(sp, &ix, err);
    if (st)
        return st;
    *out = cursor_new(sp, ix, ctx);
    (*out)->has_taken = true;
    return ST_OK;
}

struct spart_cursor *spart_cursor_of_walk(struct spart *sp, const struct spart_walk *w)
{
    return cursor_new(sp, spart_walk_index(w), NULL);
}

static void group_leave(struct spart_cursor *c)
{
    for (size_t i = 0; i < c->page_count; i++)
        block_drop(c->pages[i].block);
    block_drop(c->head);
    c->head = NULL;
    c->page_count = 0;
    c->entered = 0;
}

void spart_cursor_close(struct spart_cursor *c)
{
    if (c == NULL)
        return;
    group_leave(c);
    block_drop(c->times_block);
    hpage_reader_free(c->histograms);
    if (c->has_taken)
        spart_index_drop(c->sp);
    for (size_t i = 0; i < TIMES_CACHE; i++)
        mem_free(c->times[i]);
    mem_free(c->times);
    mem_free(c->pages);
    mem_free(c);
}

/* (3): ST_OK when the query goes on without the block. */
static enum status trouble(struct spart_cursor *c, enum status st, const struct err *why)
{
    if (c->ctx == NULL || st != ST_CORRUPT)
        return st;
    atomic_fetch_add_explicit(&spart_state(c->sp)->corrupt_blocks, 1, memory_order_relaxed);
    engine_warn(c->ctx, "some samples are missing: %s", why->text);
    return ST_OK;
}

static enum status corrupt(struct spart_cursor *c, const char *what, struct block_ref ref, struct err *err)
{
    return err_set(err, ST_CORRUPT, "part %016llx: %s at offset %llu does not parse",
                   (unsigned long long)part_info(spart_part(c->sp))->id, what, (unsigned long long)ref.offset);
}

static enum status fetch(struct spart_cursor *c, struct block_ref ref, struct block **out, struct err *err)
{
    /* A merge sees each block once: keeping it would push out what queries use. */
    enum status st = c->ctx ? part_read(spart_part(c->sp), ref, out, err) : part_read_once(spart_part(c->sp), ref, out, err);
    if (st == ST_OK && c->ctx) {
        c->ctx->blocks_read++;
        c->ctx->bytes_read += (*out)->bytes.len;
    }
    return st;
}

/* ---- groups and pages ---- */

static inline uint16_t u16_at(const char *from, size_t i)
{
    uint16_t x;
    memcpy(&x, from + 2 * i, 2);
    return x;
}

/* Reads which series and list of times entry `at` has; older parts have the numbers themselves, not steps. */
static void entry_load(const struct spart_cursor *c, struct page *p)
{
    if (p->at == p->count)
        return;
    bool has_steps = spart_version(c->sp) >= PART_STEPS_VERSION;
    uint32_t times;
    memcpy(&times, p->entries + ENTRY_TIMES_AT * p->count + 4 * p->at, 4);
    p->times = has_steps ? p->times + times : times;
    p->series = (uint16_t)((has_steps ? p->series : 0) + u16_at(p->entries, p->at));
}

static bool head_parse(struct spart_cursor *c, struct slice bytes)
{
    struct reader r = reader_of(bytes);
    size_t count = read_u16(&r);
    if (reader_left(&r) < count * PAGE_HEAD_BYTES)
        return false;
    if (count > c->page_cap) {
        c->page_cap = count;
        c->pages = mem_realloc(c->pages, count * sizeof *c->pages);
    }
    for (size_t i = 0; i < count; i++) {
        struct page *p = &c->pages[i];
        *p = (struct page){ 0 };
        p->ref.offset = read_u64(&r);
        p->ref.length = read_u32(&r);
        uint32_t at = read_u32(&r);
        p->count = read_u16(&r);
        p->min_ms = (int64_t)read_u64(&r);
        p->max_ms = (int64_t)read_u64(&r);
        if (at > bytes.len || bytes.len - at < (size_t)p->count * ENTRY_BYTES)
            return false;
        p->entries = bytes.ptr + at;
        entry_load(c, p);
    }
    c->page_count = count;
    return true;
}

static enum status group_enter(struct spart_cursor *c, uint32_t group, struct err *err)
{
    if (c->entered == group + 1)
        return ST_OK;
    group_leave(c);
    c->entered = group + 1;
    struct block_ref ref = c->ix->groups[group].head;
    struct err why = { 0 };
    enum status st = fetch(c, ref, &c->head, &why);
    if (st == ST_OK && !head_parse(c, c->head->bytes))
        st = corrupt(c, "a head of samples", ref, &why);
    if (st) {
        st = trouble(c, st, &why);
        if (st)
            st = err_set(err, st, "%s", why.text);
    }
    return st;
}

/* The chunk of a series (numbered in its group) in a page. False when it has none. */
static bool chunk_find(struct spart_cursor *c, struct page *p, uint16_t series, struct chunk_at *out)
{
    const char *samples = p->entries + ENTRY_SAMPLES_AT * p->count, *flags = p->entries + ENTRY_FLAGS_AT * p->count,
               *bytes = p->entries + ENTRY_BYTES_AT * p->count;
    while (p->at < p->count && p->series < series) {
        p->offset += u16_at(bytes, p->at++);
        entry_load(c, p);
    }
    if (p->at == p->count || p->series != series)
        return false;
    *out = (struct chunk_at){ .page = p, .offset = p->offset, .samples = u16_at(samples, p->at), .bytes = u16_at(bytes, p->at),
                              .flags = (uint8_t)flags[p->at], .times_number = p->times };
    if (p->times >= c->ix->times_count)
        return false;
    out->times = &c->ix->times[p->times];
    return out->times->count == out->samples;
}

/* ---- chunks ---- */

static enum status times_get(struct spart_cursor *c, const struct chunk_at *at, const int64_t **out, struct err *err)
{
    struct times_slot **place = &c->times[at->times_number % TIMES_CACHE];
    if (*place && (*place)->number_1 == at->times_number + 1) {
        *out = (*place)->t_ms;
        return ST_OK;
    }
    const struct spart_times *t = at->times;
    const struct block_ref *ref = spart_times_ref(c->sp, t->page);
    if (c->times_page_1 != t->page + 1) {
        block_drop(c->times_block);
        c->times_block = NULL;
        c->times_page_1 = 0;
        enum status st = fetch(c, *ref, &c->times_block, err);
        if (st)
            return st;
        c->times_page_1 = t->page + 1;
    }
    if (*place == NULL || (*place)->cap < t->count) {
        *place = mem_realloc(*place, sizeof **place + t->count * sizeof(int64_t));
        (*place)->cap = t->count;
    }
    (*place)->number_1 = 0;
    struct slice bytes = c->times_block->bytes;
    if (t->offset > bytes.len || bytes.len - t->offset < t->bytes ||
        !chunk_decode_times(slice_sub(bytes, t->offset, t->offset + t->bytes), t->count, (*place)->t_ms))
        return corrupt(c, "a list of times", *ref, err);
    (*place)->number_1 = at->times_number + 1;
    *out = (*place)->t_ms;
    return ST_OK;
}

static enum status histograms_fetch(void *arg, struct block_ref ref, struct block **out, struct err *err)
{
    return fetch(arg, ref, out, err);
}

/* A query is asked after each chunk whether it may go on: a series of histograms can be large. ST_NOT_FOUND: it goes on
 * without the chunk. */
static enum status histograms_get(struct spart_cursor *c, const struct chunk_at *at, struct slice entry, size_t from, size_t to, double *v,
                                  struct err *err)
{
    if (c->histograms == NULL)
        c->histograms = hpage_reader_new(histograms_fetch, c);
    uint64_t bytes = 0;
    enum status st = hpage_read(c->histograms, entry, at->samples, from, to, v, &bytes, err);
    c->histogram_bytes += bytes;
    if (st == ST_CORRUPT && err->text[0] == 0)
        st = corrupt(c, "histograms", at->page->ref, err);
    if (st == ST_CORRUPT && c->ctx) /* the page's other chunks may be good */
        return trouble(c, st, err) ? st : ST_NOT_FOUND;
    if (st || c->ctx == NULL || bytes == 0)
        return st;
    c->ctx->samples_read += samples_of_histograms(bytes, to - from);
    return engine_ctx_check(c->ctx, err);
}

/* All values of a chunk, but histograms only at places from <= i < to; others are 0. ST_NOT_FOUND as above. */
static enum status values_get(struct spart_cursor *c, const struct chunk_at *at, size_t from, size_t to, double *v, struct err *err)
{
    struct page *p = at->page;
    if (p->block == NULL) {
        enum status st = fetch(c, p->ref, &p->block, err);
        if (st)
            return st;
    }
    struct slice bytes = p->block->bytes;
    if (at->offset > bytes.len || bytes.len - at->offset < at->bytes)
        return corrupt(c, "values", p->ref, err);
    struct slice entry = slice_sub(bytes, at->offset, at->offset + at->bytes);
    if (hpage_is(entry))
        return histograms_get(c, at, entry, from, to, v, err);
    struct reader r = reader_of(entry);
    return chunk_read_numbers(&r, at->samples, v) ? ST_OK : corrupt(c, "values", p->ref, err);
}

/* How many of t are at or before `to`. */
static size_t count_until(const int64_t *t, size_t n, int64_t to)
{
    if (n > 0 && t[n - 1] <= to)
        return n;
    size_t low = 0, high = n;
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (t[mid] <= to)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static enum status chunk_read(struct spart_cursor *c, const struct chunk_at *at, int64_t start_ms, int64_t end_ms, struct run *out, struct err *err)
{
    const int64_t *t;
    enum status st = times_get(c, at, &t, err);
    if (st)
        return st;
    size_t from = t[0] > start_ms ? 0 : count_until(t, at->samples, start_ms), to = count_until(t, at->samples, end_ms);
    if (from >= to)
        return ST_OK;
    run_room(out, CHUNK_SAMPLES_MAX);
    double *v = out->v + out->n;
    st = values_get(c, at, from, to, v, err);
    if (st)
        return st == ST_NOT_FOUND ? ST_OK : st;
    if (from > 0)
        memmove(v, v + from, (to - from) * sizeof *v);
    memcpy(out->t_ms + out->n, t + from, (to - from) * sizeof *t);
    out->n += to - from;
    return ST_OK;
}

/* Like chunk_read, of one sample. */
static enum status chunk_last(struct spart_cursor *c, const struct chunk_at *at, int64_t start_ms, int64_t end_ms, bool with_value,
                              struct spart_last *out, struct err *err)
{
    if (!with_value && at->times->max_ms <= end_ms) {
        *out = (struct spart_last){ .found = true, .t_ms = at->times->max_ms, .is_stale = at->flags & CHUNK_LAST_STALE };
        return ST_OK;
    }
    const int64_t *t;
    enum status st = times_get(c, at, &t, err);
    if (st)
        return st;
    size_t to = count_until(t, at->samples, end_ms);
    if (to == 0 || t[to - 1] <= start_ms)
        return ST_OK;
    double v[CHUNK_SAMPLES_MAX];
    st = values_get(c, at, with_value ? to - 1 : to, to, v, err);
    if (st == ST_OK)
        *out = (struct spart_last){ .found = true, .t_ms = t[to - 1], .v = v[to - 1], .is_stale = is_stale(v[to - 1]) };
    return st == ST_NOT_FOUND ? ST_OK : st;
}

/* ---- series ---- */

static bool overlaps(int64_t min_ms, int64_t max_ms, int64_t start_ms, int64_t end_ms)
{
    return max_ms > start_ms && min_ms <= end_ms;
}

/* Moves to the groups of an ordinal: from *first up to and without the returned one. */
static uint32_t groups_of(struct spart_cursor *c, uint32_t ordinal, uint32_t *first)
{
    const struct spart_group *g = c->ix->groups;
    uint32_t low = c->group, high = c->ix->group_count;
    if (low < high && g[low].last < ordinal) { /* bisect: an ordinal may lie far ahead */
        while (low < high) {
            uint32_t mid = low + (high - low) / 2;
            if (g[mid].last < ordinal)
                low = mid + 1;
            else
                high = mid;
        }
        c->group = low;
    }
    *first = c->group;
    uint32_t end = *first;
    while (end < c->ix->group_count && g[end].first <= ordinal)
        end++;
    return end;
}

/* The chunk of a series of the group in a page; false when it has none in (start, end]. */
static bool chunk_wanted(struct spart_cursor *c, struct page *p, uint32_t series, int64_t start_ms, int64_t end_ms, struct chunk_at *out)
{
    return !p->is_bad && overlaps(p->min_ms, p->max_ms, start_ms, end_ms) && chunk_find(c, p, (uint16_t)series, out) &&
           overlaps(out->times->min_ms, out->times->max_ms, start_ms, end_ms);
}

/* ST_OK when the query goes on without the page. */
static enum status page_failed(struct spart_cursor *c, struct page *p, enum status st, const struct err *why, struct err *err)
{
    p->is_bad = true;
    st = trouble(c, st, why);
    return st ? err_set(err, st, "%s", why->text) : ST_OK;
}

static void read_begin(struct spart_cursor *c)
{
    c->is_cut = false;
    c->histogram_bytes = 0;
    if (c->histograms)
        hpage_reader_reset(c->histograms);
}

void spart_cursor_limit(struct spart_cursor *c, uint64_t histogram_bytes_max)
{
    c->histogram_bytes_max = histogram_bytes_max;
}

bool spart_cursor_cut(const struct spart_cursor *c)
{
    return c->is_cut;
}

enum status spart_read(struct spart_cursor *c, uint32_t ordinal, int64_t start_ms, int64_t end_ms, struct run *out, struct err *err)
{
    uint32_t at, end = groups_of(c, ordinal, &at);
    read_begin(c);
    for (; at < end; at++) {
        const struct spart_group *g = &c->ix->groups[at];
        if (!overlaps(g->min_ms, g->max_ms, start_ms, end_ms))
            continue;
        enum status st = group_enter(c, at, err);
        for (size_t i = 0; st == ST_OK && i < c->page_count; i++) {
            struct chunk_at chunk;
            struct err why = { 0 };
            if (!chunk_wanted(c, &c->pages[i], ordinal - g->first, start_ms, end_ms, &chunk))
                continue;
            c->is_cut = c->histogram_bytes_max > 0 && c->histogram_bytes > c->histogram_bytes_max;
            if (c->is_cut)
                return ST_OK;
            st = chunk_read(c, &chunk, start_ms, end_ms, out, &why);
            if (st)
                st = page_failed(c, &c->pages[i], st, &why, err);
        }
        if (st)
            return st;
    }
    return ST_OK;
}

enum status spart_read_last(struct spart_cursor *c, uint32_t ordinal, int64_t start_ms, int64_t end_ms, bool with_value, struct spart_last *out,
                            struct err *err)
{
    *out = (struct spart_last){ 0 };
    uint32_t first, at = groups_of(c, ordinal, &first);
    read_begin(c);
    while (at-- > first && !out->found) {
        const struct spart_group *g = &c->ix->groups[at];
        if (!overlaps(g->min_ms, g->max_ms, start_ms, end_ms))
            continue;
        enum status st = group_enter(c, at, err);
        for (size_t i = c->page_count; st == ST_OK && i-- > 0 && !out->found;) {
            struct chunk_at chunk;
            struct err why = { 0 };
            if (!chunk_wanted(c, &c->pages[i], ordinal - g->first, start_ms, end_ms, &chunk))
                continue;
            st = chunk_last(c, &chunk, start_ms, end_ms, with_value, out, &why);
            if (st)
                st = page_failed(c, &c->pages[i], st, &why, err);
        }
        if (st)
            return st;
    }
    return ST_OK;
}
