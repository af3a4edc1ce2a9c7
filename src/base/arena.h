/* SPDX-License-Identifier: Apache-2.0 */
/* Memory of one lifetime: a query, a request, a batch. Dropped whole; nothing is freed in the middle of work.
 *
 * An arena has a maximum. Going over it does not return NULL: the arena takes note, goes on serving, and work that loops
 * over input asks arena_over() once a block or series and stops with ST_LIMIT. So the overshoot is one block's worth,
 * and no line of code in between needs a NULL check. One thread at a time. */
#ifndef STOA_BASE_ARENA_H
#define STOA_BASE_ARENA_H

#include "base/slice.h"

struct arena;

/* bytes_max: 0 means without limit, for things that are bounded elsewhere. */
struct arena *arena_new(size_t bytes_max);
/* Arenas with one maximum between them (0: none): each is over when they are together. Zeroed but for bytes_max at first;
 * the group is kept by its arenas. */
struct arena_group {
    size_t bytes, bytes_max;
};
struct arena *arena_new_in(struct arena_group *group);
void arena_free(struct arena *a);
/* Forgets everything allocated; keeps the first chunk for the next round. */
void arena_reset(struct arena *a);

/* 16-byte aligned, never NULL, not zeroed. */
void *arena_alloc(struct arena *a, size_t bytes) __attribute__((returns_nonnull));
void *arena_zalloc(struct arena *a, size_t bytes) __attribute__((returns_nonnull));
/* Grows an array: a new place with the old content copied (in place where p was the last allocation). */
void *arena_grow(struct arena *a, void *p, size_t old_bytes, size_t new_bytes) __attribute__((returns_nonnull));
#define arena_new_of(a, type)      ((type *)arena_zalloc((a), sizeof(type)))
#define arena_array(a, type, n)    ((type *)arena_alloc((a), sizeof(type) * (n)))

/* A copy that lives as long as the arena; a NUL follows the bytes (not counted). */
struct slice arena_copy(struct arena *a, struct slice s);
struct slice arena_printf(struct arena *a, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Appends one element to a growing array held in an arena: ARENA_PUSH(a, list, count, cap) = value; */
#define ARENA_PUSH(a, ptr, count, cap)                                                                                 \
    (*((count) == (cap) ? ((ptr) = arena_grow((a), (ptr), (cap) * sizeof *(ptr),                                       \
                                              ((cap) ? (cap) * 2 : 8) * sizeof *(ptr)),                                \
                           (cap) = (cap) ? (cap) * 2 : 8)                                                              \
                        : (cap),                                                                                       \
       &(ptr)[(count)++]))

bool arena_over(const struct arena *a);
size_t arena_bytes(const struct arena *a);
size_t arena_bytes_max(const struct arena *a);

#endif
