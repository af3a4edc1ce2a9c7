/* SPDX-License-Identifier: Apache-2.0 */
/* Two generations of series, each of keep_ms: what is in neither was last told of so long ago that its start is no news any more. A request
 * that is sent again after it failed finds its series told, so its zero is not made: it is lost then, and nothing wrong is stored. */
#include "pipeline/start.h"

#include "base/map.h"
#include "model/labels.h"
#include "sys/thread.h"

struct told {
    struct hash128 key;
    int64_t last_ms;
};

struct generation {
    struct arena *arena;
    struct map series; /* key -> struct told * */
};

struct starts {
    struct mutex lock;
    struct last_reader last;
    int64_t keep_ns, turned_ns;
    struct generation now, before;
};

static void generation_new(struct generation *g)
{
    g->arena = arena_new(0);
    map_init(&g->series);
}

static void generation_free(struct generation *g)
{
    map_free(&g->series);
    arena_free(g->arena);
}

struct starts *starts_new(int64_t keep_ms, const struct last_reader *last)
{
    struct starts *s = mem_new(struct starts);
    mutex_init(&s->lock);
    s->last = last ? *last : (struct last_reader){ NULL, NULL };
    s->keep_ns = keep_ms * NS_MS;
    generation_new(&s->now);
    generation_new(&s->before);
    return s;
}

void starts_free(struct starts *s)
{
    if (s == NULL)
        return;
    generation_free(&s->now);
    generation_free(&s->before);
    mutex_destroy(&s->lock);
    mem_free(s);
}

static void turn(struct starts *s, int64_t now_ns)
{
    if (s->turned_ns && now_ns - s->turned_ns < s->keep_ns)
        return;
    s->turned_ns = now_ns;
    generation_free(&s->before);
    s->before = s->now;
    generation_new(&s->now);
}

static struct told *find(const struct generation *g, struct hash128 *key)
{
    uint64_t *at = map_get(&g->series, slice_of(key, sizeof *key));
    return at ? (struct told *)(uintptr_t)*at : NULL;
}

/* Of this generation, or as it was in the one before; NULL: there is no room. *is_known: there was one. */
static struct told *place(struct starts *s, struct hash128 key, bool *is_known)
{
    struct told *now = find(&s->now, &key), *before = now ? NULL : find(&s->before, &key);
    *is_known = now || before;
    if (now || s->now.series.count >= START_SERIES_MAX)
        return now;
    now = arena_new_of(s->now.arena, struct told);
    *now = (struct told){ key, before ? before->last_ms : INT64_MIN };
    *map_put(&s->now.series, slice_of(&now->key, sizeof now->key), NULL) = (uint64_t)(uintptr_t)now;
    return now;
}

bool starts_is_new(struct starts *s, struct slice tenant, struct slice labels, int64_t start_ms, int64_t t_ms, int64_t received_ns)
{
    struct hash128 key = labels_hash(labels, hash64(tenant, 0));
    struct sample stored;
    bool is_known;
    mutex_lock(&s->lock);
    turn(s, received_ns);
    struct told *e = place(s, key, &is_known);
    bool is_new = e && e->last_ms < start_ms;
    if (e)
        e->last_ms = MAX(e->last_ms, t_ms);
    mutex_unlock(&s->lock);
    if (is_new && !is_known && s->last.read) {
        struct arena *a = arena_new(0);
        is_new = !last_read(&s->last, tenant, labels, a, &stored) || stored.t_ms < start_ms;
        arena_free(a);
    }
    return is_new;
}
