/* SPDX-License-Identifier: Apache-2.0 */
/* Weights are summed in a hash table keyed by (tenant, bucket, severity, service). A block that is ours as a whole and lies
 * in one bucket, with one service and every weight 1, is answered by its directory entry. */
#include "events/evcount.h"

#include <stdlib.h>

#include "base/map.h"

enum { SEVERITY_VALUES = 256 };

struct key {
    uint32_t tenant, service, severity, unused;
    uint64_t bucket;
};

struct tally {
    struct key key;
    double count;
};

struct evcount {
    struct events_iter it;
    struct evscope *sc;
    int64_t bucket_ns;
    struct map tenants, services, index;
    struct slice *tenant_list, *service_list;
    struct tally *tallies;
    size_t tenant_count, tenant_cap, service_count, service_cap, tally_count, tally_cap, at;
    struct event_count *out;
    uint8_t *sel;
    bool is_done;
};

static uint32_t number_of(struct evcount *c, struct map *m, struct slice **list, size_t *count, size_t *cap, struct slice s)
{
    bool added;
    uint64_t *at = map_get(m, s);
    if (at)
        return (uint32_t)*at;
    struct slice kept = arena_copy(c->sc->arena, s);
    *map_put(m, kept, &added) = *count;
    ARENA_PUSH(c->sc->arena, *list, *count, *cap) = kept;
    return (uint32_t)*count - 1;
}

static uint32_t tenant_number(struct evcount *c, struct slice s)
{
    return number_of(c, &c->tenants, &c->tenant_list, &c->tenant_count, &c->tenant_cap, s);
}

static uint32_t service_number(struct evcount *c, struct slice s)
{
    return number_of(c, &c->services, &c->service_list, &c->service_count, &c->service_cap, s);
}

static struct tally *tally_of(struct evcount *c, const struct key *key)
{
    uint64_t *at = map_get(&c->index, slice_of(key, sizeof *key));
    if (at)
        return &c->tallies[*at];
    bool added;
    struct key *kept = arena_alloc(c->sc->arena, sizeof *kept);
    *kept = *key;
    *map_put(&c->index, slice_of(kept, sizeof *kept), &added) = c->tally_count;
    ARENA_PUSH(c->sc->arena, c->tallies, c->tally_count, c->tally_cap) = (struct tally){ *key, 0 };
    return &c->tallies[c->tally_count - 1];
}

static uint64_t bucket_of(const struct evcount *c, int64_t time_ns)
{
    return ((uint64_t)time_ns - (uint64_t)c->sc->start_ns) / (uint64_t)c->bucket_ns;
}

static void count_mem(struct evcount *c, const struct evmem *m)
{
    struct evmem_walk w = evmem_walk(m);
    for (const struct evrow *row; (row = evmem_next(&w)) != NULL;) {
        c->sc->ctx->rows_read++;
        if (!evscope_has_row(c->sc, row))
            continue;
        struct key key = { .severity = row->e.severity, .bucket = bucket_of(c, row->e.time_ns) };
        key.tenant = tenant_number(c, row->tenant);
        key.service = service_number(c, row->e.service);
        tally_of(c, &key)->count += row->e.weight;
        c->sc->ctx->is_sampled |= row->e.weight != 1;
    }
}

static bool count_whole(struct evcount *c, struct evplan *plan, const struct evdir_block *b)
{
    const struct evdir *d = evplan_dir(plan);
    bool is_plain = b->service_count == 1 && !evdir_place_of(b, EVCOL_WEIGHT) &&
                    (b->severities[0] == 0 || !evdir_place_of(b, EVCOL_SEVERITY)); /* over 24 counts as 0 there */
    if (!is_plain || bucket_of(c, b->min_ns) != bucket_of(c, b->max_ns) || !evscope_has_all(c->sc, plan, b))
        return false;
    struct key key = { .bucket = bucket_of(c, b->min_ns) };
    key.tenant = tenant_number(c, d->tenants[b->tenant]);
    key.service = service_number(c, d->services[b->services[0]]);
    for (key.severity = 0; key.severity < EVDIR_SEVERITIES; key.severity++)
        if (b->severities[key.severity])
            tally_of(c, &key)->count += b->severities[key.severity];
    return true;
}

/* Where the count of a (service, severity) of the bucket at hand lies; of another bucket when stamp differs. */
struct place {
    uint32_t stamp, tally;
};

static void add_rows(struct evcount *c, const struct evdir_block *b, const struct evdir *d, const int64_t *times, const int64_t *severities,
                     const int64_t *services, const int64_t *weights)
{
    struct key key = { .tenant = tenant_number(c, d->tenants[b->tenant]) };
    struct place *places = mem_zalloc((b->service_count + 1) * SEVERITY_VALUES * sizeof *places);
    int64_t from_ns = 1, to_ns = 0; /* the bucket at hand */
    uint32_t stamp = 0;
    for (size_t r = 0; r < b->rows; r++) {
        if (!c->sel[r])
            continue;
        if (stamp == 0 || times[r] < from_ns || times[r] >= to_ns) {
            key.bucket = bucket_of(c, times[r]);
            from_ns = (int64_t)((uint64_t)c->sc->start_ns + key.bucket * (uint64_t)c->bucket_ns);
            to_ns = (int64_t)((uint64_t)from_ns + (uint64_t)c->bucket_ns);
            stamp++;
        }
        struct place *p = &places[services[r] * SEVERITY_VALUES + (uint8_t)severities[r]];
        if (p->stamp != stamp) {
            key.severity = (uint8_t)severities[r];
            key.service = service_number(c, d->services[b->services[services[r]]]);
            *p = (struct place){ stamp, (uint32_t)(tally_of(c, &key) - c->tallies) };
        }
        uint32_t bits = (uint32_t)weights[r];
        float weight;
        memcpy(&weight, &bits, sizeof weight);
        c->tallies[p->tally].count += weight;
        c->sc->ctx->is_sampled |= weight != 1;
    }
    mem_free(places);
}

static enum status count_rows(struct evcount *c, struct evread *x, const struct evdir *d, struct err *err)
{
    const struct evdir_block *b = evread_block(x);
    const int64_t *times, *severities, *services, *weights;
    enum status st = evread_ints(x, EVCOL_TIME, &times, err);
    if (st == ST_OK)
        st = evread_ints(x, EVCOL_SEVERITY, &severities, err);
    if (st == ST_OK)
        st = evread_ints(x, EVCOL_SERVICE, &services, err);
    if (st == ST_OK)
        st = evread_ints(x, EVCOL_WEIGHT, &weights, err);
    if (st)
        return st;
    add_rows(c, b, d, times, severities, services, weights);
    return ST_OK;
}

static enum status count_part(struct evcount *c, struct evplan *plan, struct err *err)
{
    const struct evdir *d = evplan_dir(plan);
    enum status st = ST_OK;
    for (size_t i = 0; st == ST_OK && i < d->block_count; i++) {
        struct evread *x;
        size_t count;
        if (!evscope_has_block(c->sc, d, &d->blocks[i]) || count_whole(c, plan, &d->blocks[i]))
            continue;
        st = evscope_select(c->sc, plan, &d->blocks[i], &x, c->sel, &count, err);
        if (st == ST_OK && x)
            st = evscope_skip(c->sc, count_rows(c, x, d, err), err);
        evread_free(x);
    }
    return st;
}

static int cmp_tallies(const void *x, const void *y)
{
    const struct key *a = &((const struct tally *)x)->key, *b = &((const struct tally *)y)->key;
    if (a->tenant != b->tenant)
        return a->tenant < b->tenant ? -1 : 1;
    if (a->bucket != b->bucket)
        return a->bucket < b->bucket ? -1 : 1;
    if (a->severity != b->severity)
        return a->severity < b->severity ? -1 : 1;
    return (a->service > b->service) - (a->service < b->service);
}

static enum status count_all(struct evcount *c, struct err *err)
{
    enum status st = ST_OK;
    for (size_t i = 0; i < c->sc->view->mem_count; i++)
        count_mem(c, c->sc->view->mems[i]);
    for (size_t i = 0; st == ST_OK && i < c->sc->view->part_count; i++)
        if (c->sc->plans[i])
            st = count_part(c, c->sc->plans[i], err);
    if (c->tally_count)
        qsort(c->tallies, c->tally_count, sizeof *c->tallies, cmp_tallies);
    c->out = arena_array(c->sc->arena, struct event_count, c->tally_count + 1);
    return st;
}

static enum status count_next(struct events_iter *it, struct event_block *out, struct err *err)
{
    struct evcount *c = (struct evcount *)it;
    enum status st = c->is_done ? ST_OK : count_all(c, err);
    c->is_done = true;
    *out = (struct event_block){ .tenant = SLICE_EMPTY, .counts = c->out };
    if (st)
        return st;
    if (c->at == c->tally_count)
        return ST_NOT_FOUND;
    uint32_t tenant = c->tallies[c->at].key.tenant;
    out->tenant = c->tenant_list[tenant];
    for (; c->at < c->tally_count && c->tallies[c->at].key.tenant == tenant; c->at++) {
        const struct tally *t = &c->tallies[c->at];
        int64_t start_ns = (int64_t)((uint64_t)c->sc->start_ns + t->key.bucket * (uint64_t)c->bucket_ns);
        c->out[out->n++] = (struct event_count){ start_ns, (uint8_t)t->key.severity, c->service_list[t->key.service], t->count };
    }
    return ST_OK;
}

static void count_close(struct events_iter *it)
{
    struct evcount *c = (struct evcount *)it;
    map_free(&c->tenants);
    map_free(&c->services);
    map_free(&c->index);
    mem_free(c->sel);
    evscope_close(c->sc);
    mem_free(c);
}

static const struct events_iter_ops count_ops = { count_next, count_close };

struct events_iter *evcount_open(struct evscope *sc, int64_t bucket_ns)
{
    struct evcount *c = mem_new(struct evcount);
    c->it.ops = &count_ops;
    c->sc = sc;
    c->bucket_ns = bucket_ns;
    c->sel = mem_alloc(EVDIR_BLOCK_ROWS_MAX);
    map_init(&c->tenants);
    map_init(&c->services);
    map_init(&c->index);
    return &c->it;
}
