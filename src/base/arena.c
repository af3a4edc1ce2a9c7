/* SPDX-License-Identifier: Apache-2.0 */
/* A list of chunks, each double the last up to CHUNK_BYTES_MAX; large requests get a chunk of their own size.
 *
 * (1) Chunks of CHUNK_BYTES_MAX come from the heap of a thread and stay there when they are freed, ready for the next request.
 *     An arena that has LARGE_FROM_BYTES already is a rare one, and what it took would stay, too: from there on its chunks are
 *     so large that the heap maps each by itself and gives it back at once (sys/heap.c). */
#include "base/arena.h"

#include <stdarg.h>
#include <stdio.h>

enum { CHUNK_BYTES_MIN = 4 * KIB, CHUNK_BYTES_MAX = 1 * MIB, LARGE_FROM_BYTES = 16 * MIB,
       LARGE_CHUNK_BYTES = 4 * MIB, ALIGN = 16 };

struct chunk {
    struct chunk *next;
    size_t cap, used;
    _Alignas(16) char bytes[];
};

struct arena {
    struct chunk *head; /* the one allocated from; older ones follow */
    struct arena_group own, *group; /* own, unless it was made in another */
    size_t total;
};

static void count(struct arena *a, size_t total)
{
    a->group->bytes += total - a->total;
    a->total = total;
}

static struct chunk *chunk_new(struct arena *a, size_t cap, struct chunk *next)
{
    struct chunk *c = mem_alloc(sizeof *c + cap);
    c->next = next;
    c->cap = cap;
    c->used = 0;
    count(a, a->total + cap);
    return c;
}

struct arena *arena_new(size_t bytes_max)
{
    struct arena *a = mem_new(struct arena);
    a->own.bytes_max = bytes_max;
    a->group = &a->own;
    return a;
}

struct arena *arena_new_in(struct arena_group *group)
{
    struct arena *a = mem_new(struct arena);
    a->group = group;
    return a;
}

void arena_free(struct arena *a)
{
    if (a == NULL)
        return;
    for (struct chunk *c = a->head, *next; c; c = next) {
        next = c->next;
        mem_free(c);
    }
    count(a, 0);
    mem_free(a);
}

void arena_reset(struct arena *a)
{
    struct chunk *keep = a->head;
    if (keep == NULL)
        return;
    for (struct chunk *c = keep->next, *next; c; c = next) {
        next = c->next;
        mem_free(c);
    }
    keep->next = NULL;
    keep->used = 0;
    count(a, keep->cap);
    if (keep->cap > CHUNK_BYTES_MAX) {
        mem_free(keep);
        a->head = NULL;
        count(a, 0);
    }
}

void *arena_alloc(struct arena *a, size_t bytes)
{
    bytes = (bytes + ALIGN - 1) & ~(size_t)(ALIGN - 1);
    struct chunk *c = a->head;
    if (c == NULL || c->cap - c->used < bytes) {
        size_t cap = c ? MIN(c->cap * 2, (size_t)CHUNK_BYTES_MAX) : CHUNK_BYTES_MIN;
        if (a->total >= LARGE_FROM_BYTES)
            cap = LARGE_CHUNK_BYTES; /* (1) */
        if (bytes > cap / 2 && c != NULL && bytes > CHUNK_BYTES_MIN) {
            /* Its own chunk, behind the head, so that the head's rest is still used. */
            struct chunk *own = chunk_new(a, bytes, c->next);
            own->used = bytes;
            c->next = own;
            return own->bytes;
        }
        c = a->head = chunk_new(a, MAX(cap, bytes), c);
    }
    void *p = c->bytes + c->used;
    c->used += bytes;
    return p;
}

void *arena_zalloc(struct arena *a, size_t bytes)
{
    return memset(arena_alloc(a, bytes), 0, bytes);
}

void *arena_grow(struct arena *a, void *p, size_t old_bytes, size_t new_bytes)
{
    struct chunk *c = a->head;
    size_t old_room = (old_bytes + ALIGN - 1) & ~(size_t)(ALIGN - 1);
    size_t new_room = (new_bytes + ALIGN - 1) & ~(size_t)(ALIGN - 1);
    if (p && c && old_room <= c->used && (char *)p == c->bytes + c->used - old_room &&
        c->used - old_room + new_room <= c->cap) {
        c->used += new_room - old_room;
        return p;
    }
    void *q = arena_alloc(a, new_bytes);
    if (old_bytes)
        memcpy(q, p, MIN(old_bytes, new_bytes));
    return q;
}

struct slice arena_copy(struct arena *a, struct slice s)
{
    char *p = arena_alloc(a, s.len + 1);
    if (s.len)
        memcpy(p, s.ptr, s.len);
    p[s.len] = 0;
    return slice_of(p, s.len);
}

struct slice arena_printf(struct arena *a, const char *fmt, ...)
{
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    assert(n >= 0);
    char *p = arena_alloc(a, (size_t)n + 1);
    vsnprintf(p, (size_t)n + 1, fmt, again);
    va_end(again);
    return slice_of(p, (size_t)n);
}

bool arena_over(const struct arena *a)
{
    return a->group->bytes_max != 0 && a->group->bytes > a->group->bytes_max;
}

size_t arena_bytes(const struct arena *a)
{
    return a->total;
}

size_t arena_bytes_max(const struct arena *a)
{
    return a->group->bytes_max;
}
