/* SPDX-License-Identifier: Apache-2.0 */
/* A trace's spans as a tree: parents found by their ids, and a nested set over it, so that "is below" is two comparisons. A child whose
 * parent has not come hangs from nothing; so does the first span of a ring, whose parent is forgotten. */
#include <stdlib.h>

#include "base/map.h"
#include "base/num.h"
#include "traceql/eval.h"

static int by_time(const void *a, const void *b)
{
    const struct event *x = ((const struct tql_span *)a)->e, *y = ((const struct tql_span *)b)->e;
    int order = (x->time_ns > y->time_ns) - (x->time_ns < y->time_ns);
    return order ? order : memcmp(x->span_id, y->span_id, sizeof x->span_id);
}

bool tql_has_parent_id(const struct event *e)
{
    static const uint8_t none[sizeof e->parent_id];
    return memcmp(e->parent_id, none, sizeof none) != 0;
}

static void find_parents(struct tql_trace *t)
{
    struct map ids;
    map_init(&ids);
    for (uint32_t i = 0; i < t->count; i++) {
        bool is_new;
        uint64_t *at = map_put(&ids, slice_of(t->spans[i].e->span_id, sizeof t->spans[i].e->span_id), &is_new);
        if (is_new)
            *at = i;
    }
    for (uint32_t i = 0; i < t->count; i++) {
        struct tql_span *s = &t->spans[i];
        const uint64_t *parent = tql_has_parent_id(s->e) ? map_get(&ids, slice_of(s->e->parent_id, sizeof s->e->parent_id)) : NULL;
        s->parent = parent && *parent != i ? (uint32_t)*parent : TQL_NO_SPAN;
    }
    map_free(&ids);
}

struct walk { /* children as lists: of each span its first child, of each child the next */
    struct tql_trace *t;
    uint32_t *first, *next;
    uint32_t number;
};

static void link_children(struct walk *w)
{
    struct tql_trace *t = w->t;
    for (uint32_t i = 0; i < t->count; i++)
        w->first[i] = w->next[i] = TQL_NO_SPAN;
    for (uint32_t i = (uint32_t)t->count; i-- > 0;) {
        uint32_t parent = t->spans[i].parent;
        if (parent == TQL_NO_SPAN)
            continue;
        t->spans[parent].child_count++;
        w->next[i] = w->first[parent];
        w->first[parent] = i;
    }
}

/* Down from a span that hangs from nothing, without recursion. A ring's span is met again as a child of a numbered one: it is left out. */
static void number_from(struct walk *w, uint32_t top)
{
    struct tql_span *spans = w->t->spans;
    uint32_t at = top;
    spans[at].left = ++w->number;
    while (true) {
        uint32_t child = w->first[at];
        while (child != TQL_NO_SPAN && spans[child].left)
            child = w->next[child];
        w->first[at] = child == TQL_NO_SPAN ? TQL_NO_SPAN : w->next[child];
        if (child != TQL_NO_SPAN) {
            at = child;
            spans[at].left = ++w->number;
            continue;
        }
        spans[at].right = ++w->number;
        if (at == top)
            return;
        at = spans[at].parent;
    }
}

/* Up from a span that was not numbered, of a ring or below one: the ring's first. seen: by span, from which one it was met last. */
static uint32_t first_of_ring(const struct tql_trace *t, uint32_t span, uint32_t *seen)
{
    uint32_t at = span, first;
    for (; seen[at] != span + 1; at = t->spans[at].parent)
        seen[at] = span + 1;
    first = at;
    for (uint32_t next = t->spans[at].parent; next != at; next = t->spans[next].parent)
        first = MIN(first, next);
    return first;
}

static void cut_from_parent(struct tql_trace *t, uint32_t span)
{
    t->spans[t->spans[span].parent].child_count--;
    t->spans[span].parent = TQL_NO_SPAN;
}

void tql_tree(struct arena *a, const struct event *const *list, size_t count, struct tql_trace *out)
{
    int64_t end_ns = INT64_MIN;
    *out = (struct tql_trace){ .spans = arena_array(a, struct tql_span, count + 1), .count = count, .root = TQL_NO_SPAN };
    for (size_t i = 0; i < count; i++)
        out->spans[i] = (struct tql_span){ .e = list[i], .parent = TQL_NO_SPAN };
    if (count > 1)
        qsort(out->spans, count, sizeof *out->spans, by_time);
    find_parents(out);
    struct walk w = { .t = out, .first = arena_array(a, uint32_t, count + 1), .next = arena_array(a, uint32_t, count + 1) };
    link_children(&w);
    for (uint32_t i = 0; i < count; i++)
        if (out->spans[i].parent == TQL_NO_SPAN)
            number_from(&w, i);
    uint32_t *seen = NULL;
    for (uint32_t i = 0; i < count; i++) {
        if (out->spans[i].left)
            continue;
        if (seen == NULL)
            seen = arena_zalloc(a, count * sizeof *seen);
        uint32_t top = first_of_ring(out, i, seen);
        cut_from_parent(out, top);
        number_from(&w, top);
    }
    for (uint32_t i = 0; i < count; i++) {
        const struct event *e = out->spans[i].e;
        end_ns = MAX(end_ns, sat_add(e->time_ns, e->duration_ns));
        if (out->root == TQL_NO_SPAN && !tql_has_parent_id(e))
            out->root = i;
    }
    out->start_ns = count ? out->spans[0].e->time_ns : 0;
    out->duration_ns = count ? sat_sub(end_ns, out->start_ns) : 0;
}
