/* SPDX-License-Identifier: Apache-2.0 */
/* A binary heap of pointers: the one that comes before all others is on top. For k-way merges and top-k lists. The heap
 * owns its array, not what the pointers point to. One thread. */
#ifndef STOA_BASE_HEAP_H
#define STOA_BASE_HEAP_H

#include "base/base.h"

struct heap {
    void **list;
    size_t count, cap;
    bool (*before)(const void *a, const void *b); /* strictly: false for equals */
};

static inline void heap_init(struct heap *h, bool (*before)(const void *a, const void *b))
{
    *h = (struct heap){ NULL, 0, 0, before };
}

static inline void heap_free(struct heap *h)
{
    mem_free(h->list);
    *h = (struct heap){ NULL, 0, 0, h->before };
}

/* NULL when empty. */
static inline void *heap_top(const struct heap *h)
{
    return h->count ? h->list[0] : NULL;
}

static inline void heap_push(struct heap *h, void *item)
{
    enum { HEAP_CAP_FIRST = 16 };
    if (h->count == h->cap) {
        h->cap = h->cap ? h->cap * 2 : HEAP_CAP_FIRST;
        h->list = (void **)mem_realloc(h->list, h->cap * sizeof *h->list);
    }
    size_t at = h->count++;
    while (at > 0 && h->before(item, h->list[(at - 1) / 2])) {
        h->list[at] = h->list[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    h->list[at] = item;
}

/* Call after what is on top has changed its rank: cheaper than pop and push, the step of a merge. */
static inline void heap_top_changed(struct heap *h)
{
    if (h->count == 0)
        return;
    void *item = h->list[0];
    size_t at = 0;
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= h->count)
            break;
        if (child + 1 < h->count && h->before(h->list[child + 1], h->list[child]))
            child++;
        if (!h->before(h->list[child], item))
            break;
        h->list[at] = h->list[child];
        at = child;
    }
    h->list[at] = item;
}

/* Takes the top off; NULL when empty. */
static inline void *heap_pop(struct heap *h)
{
    void *top = heap_top(h);
    if (top) {
        h->list[0] = h->list[--h->count];
        heap_top_changed(h);
    }
    return top;
}

#endif
