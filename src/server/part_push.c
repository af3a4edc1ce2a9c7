/* SPDX-License-Identifier: Apache-2.0 */
/* Pushed metrics: what was kept is read before HTTP is served. */
#include "collect/push.h"
#include "server/state.h"

#define STATE_PREFIX SLICE("push/")

static struct slice key_of(struct arena *a, struct slice key)
{
    return arena_printf(a, "%.*s%.*s", SLICE_FMT(STATE_PREFIX), SLICE_FMT(key));
}

static enum status on_put(void *arg, struct slice key, struct slice value, struct err *err)
{
    struct arena *a = arena_new(0);
    enum status st = kv_put(((struct server *)arg)->kv, key_of(a, key), value, err);
    arena_free(a);
    return st;
}

static enum status on_delete(void *arg, struct slice key, struct err *err)
{
    struct arena *a = arena_new(0);
    enum status st = kv_delete(((struct server *)arg)->kv, key_of(a, key), err);
    arena_free(a);
    return st;
}

static enum status on_each(void *arg, void (*each)(void *to, struct slice value), void *to, struct err *err)
{
    struct arena *a = arena_new(0);
    struct kv_pair *list;
    size_t n;
    enum status st = kv_list(((struct server *)arg)->kv, STATE_PREFIX, a, &list, &n, err);
    for (size_t i = 0; !st && i < n; i++)
        each(to, list[i].value);
    arena_free(a);
    return st;
}

enum status part_push_prepare(struct server *s, struct err *err)
{
    struct push_env env = { .clock = s->clock, .log = &s->log, .interval_ns = PUSH_INTERVAL_SECONDS * NS_S, .firewall = s->env.firewall,
                            .arg = s, .append = server_append, .state_put = on_put, .state_delete = on_delete, .state_each = on_each };
    return push_new(&s->api.push, &env, err);
}

enum status part_push_run(struct server *s, struct err *err)
{
    return push_run(s->api.push, err);
}

void part_push_stop(struct server *s)
{
    push_free(s->api.push);
    s->api.push = NULL;
}
