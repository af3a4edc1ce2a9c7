/* SPDX-License-Identifier: Apache-2.0 */
/* The table of metadata: a map from "tenant NUL name" to an entry that is never freed while the table lives, so row tables
 * keep pointers to those they saw and write them into their parts. Senders repeat metadata about once a minute, so each
 * new part has it again, and it outlives the expiry of old ones. */
#include "metrics/metadata.h"

#include "base/map.h"
#include "sys/thread.h"

struct metadata_entry {
    struct slice key;
    size_t tenant_len;
    struct slice help, unit; /* owned */
    enum metric_type type;
    uint64_t lsn, mark;
};

struct metadata {
    struct mutex lock;
    struct map map;
    struct arena *arena; /* keys and entries */
};

struct metadata *metadata_new(void)
{
    struct metadata *m = mem_new(struct metadata);
    mutex_init(&m->lock);
    map_init(&m->map);
    m->arena = arena_new(0);
    return m;
}

void metadata_free(struct metadata *m)
{
    if (m == NULL)
        return;
    struct map_entry *e;
    for (size_t i = 0; (e = map_each(&m->map, &i));) {
        struct metadata_entry *entry = (struct metadata_entry *)(uintptr_t)e->value;
        mem_free((void *)entry->help.ptr);
        mem_free((void *)entry->unit.ptr);
    }
    map_free(&m->map);
    arena_free(m->arena);
    mutex_destroy(&m->lock);
    mem_free(m);
}

static void text_set(struct slice *to, struct slice from)
{
    from = slice_sub(from, 0, METADATA_TEXT_BYTES_MAX);
    if (to->ptr && slice_eq(*to, from))
        return;
    mem_free((void *)to->ptr);
    char *copy = mem_alloc(from.len + 1);
    memcpy(copy, from.ptr, from.len);
    *to = slice_of(copy, from.len);
}

struct metadata_entry *metadata_put(struct metadata *m, struct slice tenant, const struct metric_metadata *about, uint64_t lsn)
{
    struct buf key;
    buf_init(&key, 0);
    buf_slice(&key, tenant);
    buf_char(&key, 0);
    buf_slice(&key, about->name);
    mutex_lock(&m->lock);
    uint64_t *known = map_get(&m->map, buf_as_slice(&key));
    struct metadata_entry *e = known ? (struct metadata_entry *)(uintptr_t)*known : NULL;
    if (e == NULL && m->map.count < METADATA_ENTRIES_MAX) {
        e = arena_new_of(m->arena, struct metadata_entry);
        e->key = arena_copy(m->arena, buf_as_slice(&key));
        e->tenant_len = tenant.len;
        bool added;
        *map_put(&m->map, e->key, &added) = (uint64_t)(uintptr_t)e;
    }
    if (e && lsn >= e->lsn) {
        e->lsn = lsn;
        e->type = about->type;
        text_set(&e->help, about->help);
        text_set(&e->unit, about->unit);
    }
    mutex_unlock(&m->lock);
    buf_free(&key);
    return e;
}

bool metadata_mark(struct metadata *m, struct metadata_entry *e, uint64_t mark)
{
    mutex_lock(&m->lock);
    bool is_first = e->mark != mark;
    e->mark = mark;
    mutex_unlock(&m->lock);
    return is_first;
}

static struct slice entry_tenant(const struct metadata_entry *e)
{
    return slice_sub(e->key, 0, e->tenant_len);
}

static struct metric_metadata entry_about(const struct metadata_entry *e)
{
    return (struct metric_metadata){ .name = slice_skip(e->key, e->tenant_len + 1), .help = e->help, .unit = e->unit, .type = e->type };
}

void metadata_each(struct metadata *m, void (*visit)(void *arg, struct slice tenant, const struct metric_metadata *about), void *arg)
{
    struct map_entry *at;
    mutex_lock(&m->lock);
    for (size_t i = 0; (at = map_each(&m->map, &i));) {
        const struct metadata_entry *e = (const struct metadata_entry *)(uintptr_t)at->value;
        struct metric_metadata about = entry_about(e);
        visit(arg, entry_tenant(e), &about);
    }
    mutex_unlock(&m->lock);
}

void metadata_write(struct buf *out, const struct metric_metadata *about)
{
    buf_lenslice(out, about->name);
    buf_u8(out, (uint8_t)about->type);
    buf_lenslice(out, about->help);
    buf_lenslice(out, about->unit);
}

void metadata_read(struct reader *r, struct metric_metadata *out)
{
    out->name = read_lenslice(r);
    unsigned type = read_u8(r);
    out->type = type <= METRIC_GAUGEHISTOGRAM ? (enum metric_type)type : METRIC_UNKNOWN;
    out->help = read_lenslice(r);
    out->unit = read_lenslice(r);
}

void metadata_write_entries(struct metadata *m, struct metadata_entry *const *entries, size_t count, struct buf *out)
{
    mutex_lock(&m->lock);
    buf_varint(out, count);
    for (size_t i = 0; i < count; i++) {
        struct metric_metadata about = entry_about(entries[i]);
        buf_lenslice(out, entry_tenant(entries[i]));
        metadata_write(out, &about);
    }
    mutex_unlock(&m->lock);
}
