/* SPDX-License-Identifier: Apache-2.0 */
/* Tombstones: kept in the manifest, published to readers as an immutable set, dropped when nothing can meet them.
 *
 * (1) A tombstone's LSN is the one the next request will get: it covers every row acknowledged before the erase, and no row
 *     that comes later (an `is_erase` one covers those too, for as long as its window can hold rows).
 * (2) The manifest remembers that the log goes on at or behind that LSN, so after a crash no new row slips below it.
 * (3) Ids are given in the order in which tombstones become known, under the manifest lock: "applied up to id n" means that
 *     none below n can still come.
 * (4) A part remembers up to which id tombstones were applied to it when it was merged (dead_id). Once every part and table
 *     that could hold a row below a tombstone's LSN has it applied, the tombstone goes. A part that is set aside as damaged
 *     counts too: it may be mended. */
#include "store/ladder.h"

enum { TOMBSTONES_MAX = 10000, TOMBSTONE_TEXT_BYTES_MAX = 64 * KIB };

static void tombset_free(struct snap *snap)
{
    struct tombset *t = (struct tombset *)snap;
    arena_free(t->arena);
    mem_free(t);
}

void tombset_publish(struct store *s)
{
    const struct manifest_state *state = manifest_state(s->manifest);
    struct tombset *t = mem_new(struct tombset);
    snap_init(&t->snap, tombset_free);
    t->arena = arena_new(0);
    t->events = arena_array(t->arena, struct tombstone, state->dead_count + 1);
    t->samples = arena_array(t->arena, struct tombstone, state->dead_count + 1);
    for (size_t i = 0; i < state->dead_count; i++) {
        struct tombstone one = state->dead[i];
        one.tenant = arena_copy(t->arena, one.tenant);
        one.selector = arena_copy(t->arena, one.selector);
        one.contains = arena_copy(t->arena, one.contains);
        one.value.field = arena_copy(t->arena, one.value.field);
        t->max_id = MAX(t->max_id, one.id);
        if (one.is_events)
            t->events[t->event_count++] = one;
        else
            t->samples[t->sample_count++] = one;
    }
    snap_publish(&s->dead, &t->snap);
}

struct tombset *tombset_take(struct store *s)
{
    return (struct tombset *)snap_get(&s->dead);
}

void tombset_drop(struct tombset *t)
{
    if (t)
        snap_drop(&t->snap);
}

struct tombstones tombset_of(const struct tombset *t, uint8_t kind)
{
    return kind == KIND_EVENTS ? (struct tombstones){ t->events, t->event_count } : (struct tombstones){ t->samples, t->sample_count };
}

/* What does not parse must not get into the manifest: it would delete nothing, now and ever, while the caller thinks it does. An
 * empty selector for samples is a slip rather than a wish to delete everything. */
static enum status check_selector(const struct tombstone *t, struct err *err)
{
    struct arena *a = arena_new(0);
    struct matcher *list;
    size_t count;
    enum status st = matchers_parse(a, t->selector, &list, &count, err);
    if (st == ST_OK) {
        matchers_destroy(list, count);
        if (count == 0 && !t->is_events && t->value.field.len == 0)
            st = err_set(err, ST_INVALID, "the selector of samples is empty");
    }
    arena_free(a);
    if (st)
        err_prefix(err, "erase: ");
    return st;
}

enum status store_erase(struct store *s, const struct tombstone *t, struct err *err)
{
    struct tombstone one = *t;
    struct manifest_edit e = { .dead_adds = &one, .dead_add_count = 1 };
    struct err own;
    if (t->start_ns >= t->end_ns)
        return err_set(err, ST_INVALID, "erase: the window's start %lld ns is not before its end %lld ns", (long long)t->start_ns,
                       (long long)t->end_ns);
    if (t->selector.len + t->contains.len > TOMBSTONE_TEXT_BYTES_MAX)
        return err_set(err, ST_LIMIT, "erase: selector and text have %zu bytes, at most %d are allowed",
                       t->selector.len + t->contains.len, TOMBSTONE_TEXT_BYTES_MAX);
    enum status st = check_selector(t, err);
    if (st)
        return st;
    mutex_lock(&s->append_lock);
    one.lsn = s->next_lsn;
    mutex_unlock(&s->append_lock);
    e.next_lsn = one.lsn;
    struct tombset *now = tombset_take(s);
    size_t count = now->event_count + now->sample_count;
    tombset_drop(now);
    if (count >= TOMBSTONES_MAX)
        return err_set(err, ST_LIMIT, "erase: %zu erases are not worked off yet, at most %d may be", count, TOMBSTONES_MAX);
    st = ladder_edit(s, &e, NULL, &own);
    if (st && err)
        *err = own;
    store_wake_merger(s);
    return st;
}

enum status store_erases(struct store *s, struct arena *a, struct engine_erase **out, size_t *count, struct err *err)
{
    mutex_lock(&s->manifest_lock);
    const struct manifest_state *state = manifest_state(s->manifest);
    *out = arena_array(a, struct engine_erase, state->dead_count + 1);
    *count = 0;
    for (size_t i = 0; i < state->dead_count; i++) {
        const struct tombstone *t = &state->dead[i];
        if (t->value.field.len == 0)
            continue;
        struct engine_erase *e = &(*out)[(*count)++];
        *e = (struct engine_erase){ .id = t->id, .tenant = arena_copy(a, t->tenant), .field = arena_copy(a, t->value.field),
                                    .selector = arena_copy(a, t->selector), .is_events = t->is_events, .start_ns = t->start_ns,
                                    .end_ns = t->end_ns, .made_ns = t->value.made_ns, .rows = t->value.rows };
        memcpy(e->salt, t->value.salt, sizeof e->salt);
        for (size_t k = 0; k < state->part_count; k++) {
            const struct part_info *p = &state->parts[k];
            if ((p->kind == KIND_EVENTS) == t->is_events && tombstone_waits_for(t, p)) {
                e->pending_parts++;
                e->pending_bytes += p->bytes;
            }
        }
    }
    mutex_unlock(&s->manifest_lock);
    (void)err;
    return ST_OK;
}

bool tombstone_waits_for(const struct tombstone *t, const struct part_info *p)
{
    return (t->is_erase || p->min_lsn < t->lsn) && p->dead_id < t->id && p->max_ns >= t->start_ns && p->min_ns < t->end_ns;
}

/* manifest_lock and state_lock held. */
static bool is_needed(struct store *s, const struct lane *lane, const struct tombstone *t)
{
    const struct manifest_state *state = manifest_state(s->manifest);
    for (size_t i = 0; i < state->part_count; i++)
        if (state->parts[i].kind == lane->kind->id && tombstone_waits_for(t, &state->parts[i]))
            return true;
    for (size_t i = 0; i < lane->mem_parts.count; i++)
        if (tombstone_waits_for(t, &lane->mem_parts.at[i]->info))
            return true;
    for (size_t i = 0; i < lane->sealed.count; i++)
        if (lane->sealed.at[i]->first_lsn < t->lsn)
            return true;
    if (lane->active->first_lsn && lane->active->first_lsn < t->lsn)
        return true;
    return s->applied_lsn + 1 < t->lsn; /* rows below it are on their way */
}

/* Of all lanes that t speaks of. manifest_lock and state_lock held. */
static bool is_done(struct store *s, const struct tombstone *t, int64_t horizon)
{
    bool needed = false, met = false;
    for (size_t i = 0; i < s->lane_count; i++) {
        if ((s->lanes[i].kind->id == KIND_EVENTS) != t->is_events)
            continue;
        met = true;
        needed |= is_needed(s, &s->lanes[i], t);
    }
    return t->end_ns <= horizon || (met && !needed && !t->is_erase);
}

enum status tombstone_expire(struct store *s, struct err *err)
{
    struct tombset *set = tombset_take(s);
    size_t count = 0;
    uint64_t *gone = mem_alloc((set->event_count + set->sample_count + 1) * sizeof *gone);
    int64_t horizon = retention_horizon_max(s);
    mutex_lock(&s->manifest_lock);
    mutex_lock(&s->state_lock);
    for (size_t k = 0; k < set->event_count; k++)
        if (is_done(s, &set->events[k], horizon))
            gone[count++] = set->events[k].id;
    for (size_t k = 0; k < set->sample_count; k++)
        if (is_done(s, &set->samples[k], horizon))
            gone[count++] = set->samples[k].id;
    mutex_unlock(&s->state_lock);
    mutex_unlock(&s->manifest_lock);
    struct manifest_edit e = { .dead_removes = gone, .dead_remove_count = count };
    enum status st = count ? ladder_edit(s, &e, NULL, err) : ST_OK;
    mem_free(gone);
    tombset_drop(set);
    return st;
}
