/* SPDX-License-Identifier: Apache-2.0 */
/* What is on disk, by class, day, signal and service.
 *
 * How a part divides among services is its kind's to say, and asked once in a part's life: parts do not change. The answer is
 * one run of bytes that hangs at the part. What a part has beyond its rows' blocks (index, dictionaries, footer) is
 * shared out by the blocks' bytes, so that the services' bytes of a part are the part's bytes. */
#include "store/ladder.h"

#include "base/map.h"

struct usage {
    struct buf list; /* { lenslice signal, lenslice service, u64 rows, u64 bytes }... */
    uint64_t bytes;
};

void usage_add(struct usage *u, struct slice signal, struct slice service, uint64_t rows, uint64_t bytes)
{
    buf_lenslice(&u->list, signal);
    buf_lenslice(&u->list, service);
    buf_u64(&u->list, rows);
    buf_u64(&u->list, bytes);
    u->bytes += bytes;
}

/* What hangs at a part. */
struct hung {
    size_t len;
    uint64_t bytes; /* sum of all entries */
    char list[];
};

static enum status part_usage_get(struct lane *lane, struct part *p, const struct hung **out, struct err *err)
{
    struct usage u = { .bytes = 0 };
    void *expected = NULL;
    struct hung *h = atomic_load(&p->usage);
    *out = h;
    if (h)
        return ST_OK;
    buf_init(&u.list, 0);
    enum status st = lane->kind->part_usage ? lane->kind->part_usage(lane->state, p, &u, err) : ST_OK;
    if (st == ST_OK) {
        h = mem_alloc(sizeof *h + u.list.len + 1);
        h->len = u.list.len;
        h->bytes = u.bytes;
        memcpy(h->list, buf_as_slice(&u.list).ptr, u.list.len);
        if (!atomic_compare_exchange_strong(&p->usage, &expected, h)) {
            mem_free(h); /* somebody else was faster */
            h = expected;
        }
        *out = h;
    }
    buf_free(&u.list);
    return st;
}

struct tally {
    struct arena *a;
    struct engine_usage *out;
    size_t class_cap, service_cap, day_cap;
    struct map services; /* signal, 0, class, 0, service -> place */
    struct buf key;
};

static enum storage storage_of(uint8_t tier)
{
    return tier == TIER_CLOUD ? STORAGE_CLOUD : tier == TIER_ARCHIVE ? STORAGE_ARCHIVE : STORAGE_LOCAL;
}

static struct engine_usage_class *class_of(struct tally *t, uint16_t id)
{
    for (size_t i = 0; i < t->out->class_count; i++)
        if (t->out->classes[i].class.id == id)
            return &t->out->classes[i];
    return NULL;
}

static void add_class(struct tally *t, const struct engine_class *c)
{
    struct engine_usage_class *to = &ARENA_PUSH(t->a, t->out->classes, t->out->class_count, t->class_cap);
    *to = (struct engine_usage_class){ .class = *c };
    to->class.name = arena_copy(t->a, c->name);
}

/* The default class, those configured, and those that only old parts have. */
static void list_classes(struct store *s, struct tally *t)
{
    struct classset *set = classset_take(s);
    add_class(t, &(struct engine_class){ .name = SLICE("default"), .retention_ns = set->retention_ns });
    for (size_t i = 0; i < set->count; i++)
        add_class(t, &set->list[i]);
    mutex_lock(&s->manifest_lock);
    const struct manifest_state *state = manifest_state(s->manifest);
    for (size_t i = 0; i < state->class_count; i++)
        if (class_of(t, state->classes[i].id) == NULL)
            add_class(t, &(struct engine_class){ .name = state->classes[i].name, .retention_ns = set->retention_ns, .id = state->classes[i].id });
    mutex_unlock(&s->manifest_lock);
    classset_drop(set);
}

static void count_part(struct tally *t, const struct part_info *i)
{
    struct engine_usage_class *c = class_of(t, i->class);
    size_t d = 0;
    if (c == NULL) {
        add_class(t, &(struct engine_class){ .name = arena_printf(t->a, "class %u", i->class), .id = i->class });
        c = class_of(t, i->class);
    }
    enum storage where = storage_of(i->tier);
    c->bytes += i->bytes;
    c->rows += i->rows;
    c->parts++;
    c->storage_bytes[where] += i->bytes;
    c->storage_parts[where]++;
    if (i->rows > 0 && (c->oldest_ns == 0 || i->min_ns < c->oldest_ns))
        c->oldest_ns = i->min_ns;
    while (d < t->out->day_count && t->out->days[d].start_ns != i->start_ns)
        d++;
    if (d == t->out->day_count)
        ARENA_PUSH(t->a, t->out->days, t->out->day_count, t->day_cap) = (struct engine_usage_day){ .start_ns = i->start_ns };
    t->out->days[d].bytes += i->bytes;
    t->out->days[d].rows += i->rows;
}

static void count_service(struct tally *t, uint16_t class, struct slice signal, struct slice service, uint64_t rows, uint64_t bytes)
{
    bool added = false;
    buf_reset(&t->key);
    buf_lenslice(&t->key, signal);
    buf_u16(&t->key, class);
    buf_slice(&t->key, service);
    uint64_t *at = map_get(&t->services, buf_as_slice(&t->key));
    if (at == NULL) {
        at = map_put(&t->services, arena_copy(t->a, buf_as_slice(&t->key)), &added);
        *at = t->out->service_count;
        ARENA_PUSH(t->a, t->out->services, t->out->service_count, t->service_cap) =
            (struct engine_usage_service){ .service = arena_copy(t->a, service), .signal = arena_copy(t->a, signal), .class = class };
    }
    t->out->services[*at].rows += rows;
    t->out->services[*at].bytes += bytes;
}

static enum status count_services(struct tally *t, struct lane *lane, struct part *p, struct err *err)
{
    const struct hung *h;
    enum status st = part_usage_get(lane, p, &h, err);
    if (st)
        return st;
    struct reader r = reader_of(slice_of(h->list, h->len));
    double factor = h->bytes ? (double)p->info.bytes / (double)h->bytes : 0;
    while (reader_left(&r) > 0 && !r.bad) {
        struct slice signal = read_lenslice(&r), service = read_lenslice(&r);
        uint64_t rows = read_u64(&r), bytes = read_u64(&r);
        count_service(t, p->info.class, signal, service, rows, (uint64_t)((double)bytes * factor + 0.5));
    }
    return ST_OK;
}

enum status store_usage(struct store *s, bool by_service, struct arena *a, struct engine_usage *out, struct err *err)
{
    struct tally t = { .a = a, .out = out };
    enum status st = ST_OK;
    *out = (struct engine_usage){ 0 };
    map_init(&t.services);
    buf_init(&t.key, 0);
    list_classes(s, &t);
    for (size_t i = 0; i < s->lane_count && st == ST_OK; i++) {
        struct part_list parts = { 0 };
        mutex_lock(&s->state_lock);
        for (size_t k = 0; k < s->lanes[i].parts.count; k++)
            part_list_add(&parts, part_take(s->lanes[i].parts.at[k]));
        mutex_unlock(&s->state_lock);
        for (size_t k = 0; k < parts.count && st == ST_OK; k++) {
            count_part(&t, &parts.at[k]->info);
            if (by_service && count_services(&t, &s->lanes[i], parts.at[k], err) == ST_CANCELLED)
                st = ST_CANCELLED; /* a part that does not read is left out of the services, not of its class */
        }
        part_list_drop(&parts);
    }
    map_free(&t.services);
    buf_free(&t.key);
    return st;
}
