/* SPDX-License-Identifier: Apache-2.0 */
/* Rows lie in a list of chunks and never move; what they point to lies in one arena. What repeats (tenants, streams,
 * services, names of fields) is kept once, so that equal text mostly has equal pointers and sorting and encoding can
 * compare pointers first.
 *
 * (1) A row and the link to its chunk are written before the count that covers them is published (release), and readers
 *     load the count (acquire) before they follow a link: so readers need no lock.
 * (2) Nothing published changes until evmem_free. */
#include "events/evmem.h"

#include "base/ends.h"
#include "base/map.h"

enum { CHUNK_ROWS = 256, INTERN_BYTES_MAX = 4096, SEEN_BITS = 9 };

struct evmem_chunk {
    struct evmem_chunk *next;
    struct evrow rows[CHUNK_ROWS];
};

struct evmem {
    void *owner;
    struct arena *arena;
    struct map interned;
    struct evmem_chunk *first, *last;
    size_t last_used;
    struct map stream_set;
    const char *last_stream; /* of the row before: streams come in runs */
    struct seen {            /* within a batch, by address: what was kept, and for what */
        struct slice from, kept;
    } seen[1 << SEEN_BITS];
    _Atomic(const struct evmem_stream *) streams;
    _Atomic uint64_t log_records, spans;
    _Atomic int64_t min_ns, max_ns;
    _Atomic uint64_t rows;
    _Atomic size_t bytes;
};

static struct evmem_chunk *chunk_new(void)
{
    struct evmem_chunk *c = mem_alloc(sizeof *c);
    c->next = NULL;
    return c;
}

struct evmem *evmem_new(void *owner)
{
    struct evmem *m = mem_new(struct evmem);
    m->owner = owner;
    m->arena = arena_new(0);
    map_init(&m->interned);
    map_init(&m->stream_set);
    atomic_init(&m->min_ns, INT64_MAX);
    atomic_init(&m->max_ns, INT64_MIN);
    m->first = m->last = chunk_new();
    return m;
}

void evmem_free(struct evmem *m)
{
    if (m == NULL)
        return;
    for (struct evmem_chunk *c = m->first, *next; c; c = next) {
        next = c->next;
        mem_free(c);
    }
    map_free(&m->interned);
    map_free(&m->stream_set);
    arena_free(m->arena);
    mem_free(m);
}

static struct slice copy(struct arena *a, struct slice s)
{
    return s.len ? arena_copy(a, s) : SLICE_EMPTY;
}

static struct slice intern(struct evmem *m, struct slice s)
{
    if (s.len == 0)
        return SLICE_EMPTY;
    if (s.len > INTERN_BYTES_MAX)
        return arena_copy(m->arena, s);
    uint64_t *at = map_get(&m->interned, s);
    if (at)
        return slice_of((const char *)(uintptr_t)*at, s.len);
    struct slice kept = arena_copy(m->arena, s);
    bool added;
    *map_put(&m->interned, kept, &added) = (uintptr_t)kept.ptr;
    return kept;
}

struct field *evmem_copy_fields(struct arena *a, const struct field *fields, uint32_t count)
{
    struct field *to = arena_array(a, struct field, count);
    for (uint32_t i = 0; i < count; i++) {
        to[i] = fields[i];
        to[i].name = copy(a, fields[i].name);
        to[i].text = copy(a, fields[i].text);
    }
    return to;
}

/* Rows of one request share what their resource and scope say, and what a reader of requests found to be the same. */
static struct slice kept_again(struct evmem *m, struct slice s, bool is_interned)
{
    struct seen *at = &m->seen[ends_address_place(s, SEEN_BITS)];
    if (s.len == 0)
        return SLICE_EMPTY;
    if (!ends_same_place(at->from, s))
        *at = (struct seen){ s, is_interned ? intern(m, s) : arena_copy(m->arena, s) };
    return at->kept;
}

static void copy_lists(struct evmem *m, struct event *to, const struct event *e)
{
    struct arena *a = m->arena;
    to->events = e->event_count ? arena_array(a, struct span_event, e->event_count) : NULL;
    for (uint32_t i = 0; i < e->event_count; i++) {
        to->events[i] = e->events[i];
        to->events[i].name = kept_again(m, e->events[i].name, true);
        to->events[i].fields = evmem_copy_fields(a, e->events[i].fields, e->events[i].field_count);
    }
    to->links = e->link_count ? arena_array(a, struct span_link, e->link_count) : NULL;
    for (uint32_t i = 0; i < e->link_count; i++) {
        to->links[i] = e->links[i];
        to->links[i].trace_state = copy(a, e->links[i].trace_state);
        to->links[i].fields = evmem_copy_fields(a, e->links[i].fields, e->links[i].field_count);
    }
}

static void copy_event(struct evmem *m, struct event *to, const struct event *e)
{
    *to = *e;
    to->stream = kept_again(m, e->stream, true);
    to->service = kept_again(m, e->service, true);
    to->body = e->kind == EVENT_LOG ? copy(m->arena, e->body) : kept_again(m, e->body, true);
    to->trace_state = copy(m->arena, e->trace_state);
    to->status_message = copy(m->arena, e->status_message);
    to->fields = arena_array(m->arena, struct field, e->field_count);
    for (uint32_t i = 0; i < e->field_count; i++) {
        to->fields[i] = e->fields[i];
        to->fields[i].name = kept_again(m, e->fields[i].name, true);
        to->fields[i].text = kept_again(m, e->fields[i].text, false);
    }
    copy_lists(m, to, e);
}

static void note_stream(struct evmem *m, struct slice stream)
{
    if (stream.len == 0 || stream.ptr == m->last_stream)
        return;
    m->last_stream = stream.ptr;
    bool added;
    map_put(&m->stream_set, stream, &added);
    if (!added)
        return;
    struct evmem_stream *node = arena_new_of(m->arena, struct evmem_stream);
    *node = (struct evmem_stream){ stream, atomic_load_explicit(&m->streams, memory_order_relaxed) };
    atomic_store_explicit(&m->streams, node, memory_order_release);
}

/* Only the writer changes these, so a load and a store will do. */
static void summarise(struct evmem *m, const struct batch *b)
{
    uint64_t kinds[2] = { 0 };
    int64_t min = atomic_load_explicit(&m->min_ns, memory_order_relaxed), max = atomic_load_explicit(&m->max_ns, memory_order_relaxed);
    for (size_t i = 0; i < b->event_count; i++) {
        const struct event *e = &b->events[i];
        kinds[0] += e->kind == EVENT_LOG;
        kinds[1] += e->kind == EVENT_SPAN;
        min = MIN(min, e->time_ns);
        max = MAX(max, e->time_ns);
    }
    atomic_fetch_add_explicit(&m->log_records, kinds[0], memory_order_relaxed);
    atomic_fetch_add_explicit(&m->spans, kinds[1], memory_order_relaxed);
    atomic_store_explicit(&m->min_ns, min, memory_order_relaxed);
    atomic_store_explicit(&m->max_ns, max, memory_order_relaxed);
}

void evmem_apply(struct evmem *m, const struct batch *b, uint64_t lsn)
{
    struct slice tenant = intern(m, b->tenant);
    memset(m->seen, 0, sizeof m->seen); /* another batch has the same addresses */
    for (size_t i = 0; i < b->event_count; i++) {
        if (m->last_used == CHUNK_ROWS) {
            m->last = m->last->next = chunk_new();
            m->last_used = 0;
        }
        struct evrow *row = &m->last->rows[m->last_used++];
        row->tenant = tenant;
        copy_event(m, &row->e, &b->events[i]);
        row->e.seq = lsn << 20 | i;
        note_stream(m, row->e.stream);
    }
    summarise(m, b);
    size_t interned = (m->interned.cap + m->stream_set.cap) * sizeof(struct map_entry);
    uint64_t rows = atomic_load_explicit(&m->rows, memory_order_relaxed) + b->event_count;
    atomic_store_explicit(&m->bytes, arena_bytes(m->arena) + interned + (size_t)rows * sizeof(struct evrow), memory_order_relaxed);
    atomic_store_explicit(&m->rows, rows, memory_order_release);
}

void *evmem_owner(const struct evmem *m)
{
    return m->owner;
}

size_t evmem_bytes(const struct evmem *m)
{
    return atomic_load_explicit(&m->bytes, memory_order_relaxed);
}

uint64_t evmem_rows(const struct evmem *m)
{
    return atomic_load_explicit(&m->rows, memory_order_relaxed);
}

struct evmem_summary evmem_summary(const struct evmem *m)
{
    return (struct evmem_summary){ .log_records = atomic_load_explicit(&m->log_records, memory_order_relaxed),
                                   .spans = atomic_load_explicit(&m->spans, memory_order_relaxed),
                                   .min_ns = atomic_load_explicit(&m->min_ns, memory_order_relaxed),
                                   .max_ns = atomic_load_explicit(&m->max_ns, memory_order_relaxed),
                                   .streams = atomic_load_explicit(&m->streams, memory_order_acquire) };
}

struct evmem_walk evmem_walk(const struct evmem *m)
{
    return (struct evmem_walk){ .left = atomic_load_explicit(&m->rows, memory_order_acquire), .chunk = m->first };
}

const struct evrow *evmem_next(struct evmem_walk *w)
{
    if (w->left == 0)
        return NULL;
    if (w->at == CHUNK_ROWS) {
        w->chunk = w->chunk->next;
        w->at = 0;
    }
    w->left--;
    return &w->chunk->rows[w->at++];
}

struct slice evrow_group(const struct event *e)
{
    struct slice rest = e->stream;
    struct label first;
    if (e->kind != EVENT_LOG || !labels_next(&rest, &first))
        return SLICE_EMPTY;
    return slice_of(e->stream.ptr, e->stream.len - rest.len);
}

int evrow_cmp_group(struct slice tenant_a, const struct event *a, struct slice tenant_b, const struct event *b)
{
    int c = tenant_a.ptr == tenant_b.ptr ? 0 : slice_cmp(tenant_a, tenant_b);
    if (c == 0)
        c = (a->kind > b->kind) - (a->kind < b->kind);
    if (c == 0 && a->stream.ptr != b->stream.ptr)
        c = slice_cmp(evrow_group(a), evrow_group(b));
    return c;
}

int evrow_cmp(struct slice tenant_a, const struct event *a, struct slice tenant_b, const struct event *b)
{
    int c = evrow_cmp_group(tenant_a, a, tenant_b, b);
    if (c == 0)
        c = (a->time_ns > b->time_ns) - (a->time_ns < b->time_ns);
    return c ? c : (a->seq > b->seq) - (a->seq < b->seq);
}
