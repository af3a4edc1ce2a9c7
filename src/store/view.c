/* SPDX-License-Identifier: Apache-2.0 */
/* Views: what one kind has at one moment, held by references. Taking one costs a lock and a copy of pointers; nothing that
 * happens afterwards (sealing, encoding, flushing, merging, expiry) changes what it shows. */
#include "store/ladder.h"

struct held_view {
    struct store_view view; /* first */
    struct mem_table **tables;
    void **mems;
    struct part **parts;
    struct tombset *dead;
};

static bool overlaps(const struct part *p, int64_t start_ns, int64_t end_ns)
{
    return p->info.max_ns >= start_ns && (p->info.min_ns < end_ns || end_ns == INT64_MAX);
}

static void add_table(struct held_view *v, struct mem_table *t)
{
    if (t->first_lsn == 0)
        return;
    atomic_fetch_add_explicit(&t->refs, 1, memory_order_relaxed);
    v->tables[v->view.mem_count] = t;
    v->mems[v->view.mem_count++] = t->mem;
}

static void add_parts(struct held_view *v, const struct part_list *l, int64_t start_ns, int64_t end_ns)
{
    for (size_t i = 0; i < l->count; i++)
        if (overlaps(l->at[i], start_ns, end_ns))
            v->parts[v->view.part_count++] = part_take(l->at[i]);
}

struct store_view *store_view_take(struct store *s, uint8_t kind, int64_t start_ns, int64_t end_ns)
{
    struct lane *lane = store_lane(s, kind);
    struct held_view *v = mem_new(struct held_view);
    v->dead = tombset_take(s);
    v->view.dead = tombset_of(v->dead, kind);
    if (lane) {
        mutex_lock(&s->state_lock);
        size_t tables = lane->sealed.count + 1, parts = lane->parts.count + lane->mem_parts.count;
        v->tables = mem_alloc(tables * sizeof(struct mem_table *));
        v->mems = mem_alloc(tables * sizeof(void *));
        v->parts = mem_alloc((parts + 1) * sizeof(struct part *));
        add_parts(v, &lane->parts, start_ns, end_ns);
        add_parts(v, &lane->mem_parts, start_ns, end_ns);
        for (size_t i = 0; i < lane->sealed.count; i++)
            add_table(v, lane->sealed.at[i]);
        add_table(v, lane->active);
        mutex_unlock(&s->state_lock);
    }
    v->view.mems = v->mems;
    v->view.parts = (const struct part *const *)v->parts;
    return &v->view;
}

void store_view_drop(struct store_view *view)
{
    if (view == NULL)
        return;
    struct held_view *v = (struct held_view *)view;
    for (size_t i = 0; i < view->mem_count; i++)
        mem_table_drop(v->tables[i]);
    for (size_t i = 0; i < view->part_count; i++)
        part_drop(v->parts[i]);
    tombset_drop(v->dead);
    mem_free(v->tables);
    mem_free(v->mems);
    mem_free(v->parts);
    mem_free(v);
}
