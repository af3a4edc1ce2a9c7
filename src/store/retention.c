/* SPDX-License-Identifier: Apache-2.0 */
/* Retention classes: which rows are kept how long, and where.
 *
 * (1) A class is a number in every part and a name in the manifest. A name gets its number when it is first configured and
 *     keeps it for ever, so parts never change their class because a file was edited.
 * (2) Class 0, "default", and every class that no configuration speaks of any more are kept for the store's retention time.
 * (3) How long and where are not stored: they are the configuration's, and a change of it applies to what is there. So the store is
 *     opened with it: replay and the first expiry must not take a class for one that no configuration speaks of.
 * (4) What is deleted by age does not come back, and a clock that is set wrong makes everything old at once. So a jump ahead is believed
 *     after an hour: until then nothing is older than it would be without it. */
#include "store/ladder.h"
#include "store/partition.h"

enum { CLASSES_MAX = 1000, CLASS_NAME_BYTES_MAX = 128, CLOCK_JUMP_S = 3600, CLOCK_DOUBT_S = 3600 };

static void classset_free(struct snap *snap)
{
    struct classset *c = (struct classset *)snap;
    arena_free(c->arena);
    mem_free(c);
}

static struct classset *classset_new(const struct store *s)
{
    struct classset *c = mem_new(struct classset);
    snap_init(&c->snap, classset_free);
    c->arena = arena_new(0);
    c->retention_ns = c->retention_max_ns = s->opt.retention_ns;
    return c;
}

struct classset *classset_take(struct store *s)
{
    return (struct classset *)snap_get(&s->classes);
}

void classset_drop(struct classset *c)
{
    snap_drop(&c->snap);
}

int64_t classset_retention(const struct classset *c, uint16_t class)
{
    for (size_t i = 0; i < c->count; i++)
        if (c->list[i].id == class)
            return c->list[i].retention_ns;
    return c->retention_ns;
}

int64_t retention_now(struct store *s)
{
    int64_t wall = clock_wall_ns(s->opt.clock), mono = clock_mono_ns(s->opt.clock), offset = wall - mono;
    mutex_lock(&s->clock_lock);
    int64_t jump = s->clock_offset_ns ? offset - s->clock_offset_ns : 0;
    if (mono >= s->clock_doubt_until_ns)
        s->clock_doubt_ns = 0;
    if (jump > CLOCK_JUMP_S * NS_S) {
        s->clock_doubt_ns += jump;
        s->clock_doubt_until_ns = mono + CLOCK_DOUBT_S * NS_S;
        if (s->opt.log)
            log_line(s->opt.log, LOG_WARNING, "the clock was set ahead; by that time nothing is deleted for an hour", "seconds=%lld",
                     (long long)(jump / NS_S));
    } else if (jump < 0) {
        s->clock_doubt_ns = MAX((int64_t)0, s->clock_doubt_ns + jump);
    }
    s->clock_offset_ns = offset;
    int64_t now = wall - s->clock_doubt_ns;
    mutex_unlock(&s->clock_lock);
    return now;
}

int64_t retention_horizon(struct store *s, uint16_t class)
{
    struct classset *c = classset_take(s);
    int64_t horizon = retention_now(s) - classset_retention(c, class);
    classset_drop(c);
    return horizon;
}

int64_t retention_horizon_max(struct store *s)
{
    struct classset *c = classset_take(s);
    int64_t horizon = retention_now(s) - c->retention_max_ns;
    classset_drop(c);
    return horizon;
}

uint16_t store_rollup_class(struct store *s, enum rollup r)
{
    struct classset *c = classset_take(s);
    uint16_t class = c->of_rollup[r];
    classset_drop(c);
    return class;
}

uint16_t store_class_named(struct store *s, struct slice name)
{
    uint16_t id = 0;
    mutex_lock(&s->manifest_lock);
    const struct manifest_state *m = manifest_state(s->manifest);
    for (size_t i = 0; i < m->class_count && id == 0; i++)
        if (slice_eq(m->classes[i].name, name))
            id = m->classes[i].id;
    mutex_unlock(&s->manifest_lock);
    return id;
}

int64_t store_samples_from(struct store *s, enum rollup r)
{
    struct classset *c = classset_take(s);
    uint16_t class = r == ROLLUP_NONE ? c->of_metrics : c->of_rollup[r];
    int64_t from = r != ROLLUP_NONE && class == 0 ? INT64_MAX : partition_start(retention_now(s) - classset_retention(c, class));
    classset_drop(c);
    return from;
}

static enum status check_class(const struct engine_class *c, struct err *err)
{
    if (c->name.len == 0 || c->name.len > CLASS_NAME_BYTES_MAX)
        return err_set(err, ST_INVALID, "a retention class has a name of %zu bytes, 1 to %d are allowed", c->name.len, CLASS_NAME_BYTES_MAX);
    if (c->retention_ns <= 0)
        return err_set(err, ST_INVALID, "retention class %.*s would keep nothing", SLICE_FMT(c->name));
    return ST_OK;
}

/* 0: the name was never used. */
static uint16_t known_id(const struct manifest_state *state, struct slice name)
{
    for (size_t i = 0; i < state->class_count; i++)
        if (slice_eq(state->classes[i].name, name))
            return state->classes[i].id;
    return 0;
}

/* Ids for names: known ones, and new ones, which go to adds. manifest_lock held. */
static size_t give_ids(const struct manifest_state *state, struct engine_class *list, size_t count, struct manifest_class *adds)
{
    uint16_t next = 1;
    size_t n = 0;
    for (size_t i = 0; i < state->class_count; i++)
        next = MAX(next, (uint16_t)(state->classes[i].id + 1));
    for (size_t i = 0; i < count; i++) {
        list[i].id = known_id(state, list[i].name);
        if (list[i].id == 0) {
            list[i].id = next++;
            adds[n++] = (struct manifest_class){ list[i].id, list[i].name };
        }
    }
    return n;
}

static void publish(struct store *s, const struct engine_class *list, size_t count)
{
    struct classset *c = classset_new(s);
    c->list = arena_array(c->arena, struct engine_class, count + 1);
    c->count = count;
    for (size_t i = 0; i < count; i++) {
        c->list[i] = list[i];
        c->list[i].name = arena_copy(c->arena, list[i].name);
        c->retention_max_ns = MAX(c->retention_max_ns, list[i].retention_ns);
        if (list[i].is_of_metrics)
            c->of_metrics = list[i].id;
        if (list[i].rollup != ROLLUP_NONE)
            c->of_rollup[list[i].rollup] = list[i].id;
    }
    snap_publish(&s->classes, &c->snap);
}

void classset_start(struct store *s, const struct engine_class *list, size_t count)
{
    struct engine_class *known = mem_alloc((count + 1) * sizeof *known);
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        known[n] = list[i];
        known[n].id = known_id(manifest_state(s->manifest), list[i].name);
        n += known[n].id != 0;
    }
    publish(s, known, n);
    mem_free(known);
    retention_now(s); /* from here on jumps are seen */
}

enum status store_set_classes(struct store *s, struct engine_class *list, size_t count, struct err *err)
{
    enum status st = ST_OK;
    for (size_t i = 0; i < count && st == ST_OK; i++)
        st = check_class(&list[i], err);
    if (st)
        return st;
    struct manifest_class *adds = mem_alloc((count + 1) * sizeof *adds);
    mutex_lock(&s->classes_lock);
    mutex_lock(&s->manifest_lock);
    size_t known = manifest_state(s->manifest)->class_count;
    struct manifest_edit e = { .class_adds = adds };
    e.class_add_count = give_ids(manifest_state(s->manifest), list, count, adds);
    if (known + e.class_add_count > CLASSES_MAX)
        st = err_set(err, ST_LIMIT, "%zu retention classes were ever used and %zu are new; at most %d are kept", known, e.class_add_count,
                     CLASSES_MAX);
    mutex_unlock(&s->manifest_lock);
    if (st == ST_OK && e.class_add_count)
        st = ladder_edit(s, &e, NULL, err);
    if (st == ST_OK)
        publish(s, list, count);
    mutex_unlock(&s->classes_lock);
    mem_free(adds);
    if (st == ST_OK)
        store_wake_merger(s);
    return st;
}
