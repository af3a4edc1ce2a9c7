/* SPDX-License-Identifier: Apache-2.0 */
/* A tombstone names a tenant, a time range, a stream selector and perhaps a text; it deletes what had a lower LSN when it
 * was made, or, an erase, whatever comes. Its selector is parsed once a scan or merge. */
#include "events/evtomb.h"

enum { SCRATCH_BYTES_MAX = MIB };

struct evtombs evtombs_compile(struct tombstones dead, struct arena *a, struct engine_ctx *ctx)
{
    struct evtombs out = { arena_array(a, struct evtomb, dead.count + 1), 0, arena_new(0) };
    for (size_t i = 0; i < dead.count; i++) {
        if (!dead.list[i].is_events)
            continue;
        struct err err;
        struct evtomb *t = &out.list[out.count++];
        *t = (struct evtomb){ .t = &dead.list[i] };
        t->is_bad = matchers_parse(a, t->t->selector, &t->matchers, &t->matcher_count, &err) != ST_OK;
        if (t->is_bad && ctx)
            engine_warn(ctx, "delete %llu is not applied: %s", (unsigned long long)t->t->id, err.text);
    }
    return out;
}

void evtombs_free(struct evtombs *tombs)
{
    for (size_t i = 0; i < tombs->count; i++)
        matchers_destroy(tombs->list[i].matchers, tombs->list[i].matcher_count);
    tombs->count = 0;
    arena_free(tombs->scratch);
    tombs->scratch = NULL;
}

bool evtomb_may_touch(const struct evtomb *t, struct slice tenant, int64_t min_ns, int64_t max_ns, uint64_t min_lsn)
{
    return !t->is_bad && slice_eq(t->t->tenant, tenant) && t->t->start_ns <= max_ns && min_ns < t->t->end_ns &&
           (t->t->is_erase || min_lsn < t->t->lsn);
}

bool evtomb_covers(const struct evtomb *t, int64_t time_ns, uint64_t lsn)
{
    return t->t->start_ns <= time_ns && time_ns < t->t->end_ns && (t->t->is_erase || lsn < t->t->lsn);
}

bool evtomb_has_stream(const struct evtomb *t, struct slice stream)
{
    return matchers_match(t->matchers, t->matcher_count, stream);
}

bool evtomb_has_body(const struct evtomb *t, struct slice body)
{
    return t->t->contains.len == 0 || slice_contains(body, t->t->contains);
}

bool evtomb_has_value(const struct evtomb *t, const struct event *e, struct arena *scratch)
{
    return t->t->value.field.len == 0 || erase_value_in_event(&t->t->value, e, scratch);
}

bool evtombs_dead(const struct evtombs *tombs, struct slice tenant, const struct event *e)
{
    for (size_t i = 0; i < tombs->count; i++) {
        const struct evtomb *t = &tombs->list[i];
        uint64_t lsn = e->seq >> 20;
        if (evtomb_may_touch(t, tenant, e->time_ns, e->time_ns, lsn) && evtomb_covers(t, e->time_ns, lsn) &&
            evtomb_has_stream(t, e->stream) && evtomb_has_body(t, e->body) && evtomb_has_value(t, e, tombs->scratch))
            return true;
        if (arena_bytes(tombs->scratch) > SCRATCH_BYTES_MAX)
            arena_reset(tombs->scratch);
    }
    return false;
}
