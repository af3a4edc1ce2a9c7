/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/push.h"

#include <stdio.h>

#include "base/map.h"
#include "base/unit.h"

#define START_NS (1700000000 * NS_S)
#define TEXT SLICE("text/plain; version=0.0.4")

/* A store that remembers the last value of each series, and a state that stays when the pusher goes. */
struct world {
    struct clock *clock;
    struct arena *arena;
    struct map values, state; /* text of a series -> double's bits; key -> slice * */
    struct push_env env;
    struct push *push;
};

static enum status world_append(void *arg, struct batch *b, struct err *err)
{
    struct world *w = arg;
    for (size_t i = 0; i < b->series_count; i++) {
        struct buf text;
        buf_init(&text, 0);
        labels_format(b->series[i].labels, &text);
        *map_put(&w->values, arena_copy(w->arena, buf_as_slice(&text)), NULL) = double_bits(b->samples[b->series[i].first].v);
        buf_free(&text);
    }
    batch_drop(b);
    return ST_OK;
}

static enum status world_put(void *arg, struct slice key, struct slice value, struct err *err)
{
    struct world *w = arg;
    struct slice *copy = arena_new_of(w->arena, struct slice);
    *copy = arena_copy(w->arena, value);
    *map_put(&w->state, arena_copy(w->arena, key), NULL) = (uint64_t)(uintptr_t)copy;
    return ST_OK;
}

static enum status world_delete(void *arg, struct slice key, struct err *err)
{
    map_remove(&((struct world *)arg)->state, key);
    return ST_OK;
}

static enum status world_each(void *arg, void (*each)(void *to, struct slice value), void *to, struct err *err)
{
    struct map_entry *e;
    for (size_t i = 0; (e = map_each(&((struct world *)arg)->state, &i));)
        each(to, *(struct slice *)(uintptr_t)e->value);
    return ST_OK;
}

static void restart(struct world *w)
{
    struct err err;
    push_free(w->push);
    CHECK_INT(push_new(&w->push, &w->env, &err), ST_OK);
}

static void world_start(struct world *w)
{
    memset(w, 0, sizeof *w);
    w->clock = clock_sim_new(START_NS);
    w->arena = arena_new(0);
    map_init(&w->values);
    map_init(&w->state);
    w->env = (struct push_env){ w->clock, NULL, PUSH_INTERVAL_SECONDS * NS_S, NULL, w, world_append, world_put, world_delete, world_each };
    restart(w);
}

static void world_end(struct world *w)
{
    push_free(w->push);
    map_free(&w->values);
    map_free(&w->state);
    arena_free(w->arena);
    clock_sim_free(w->clock);
}

static bool has(struct world *w, const char *series)
{
    uint64_t *v = map_get(&w->values, slice_str(series));
    return v && !is_stale(double_of_bits(*v));
}

static double value(struct world *w, const char *series)
{
    uint64_t *v = map_get(&w->values, slice_str(series));
    if (v == NULL)
        unit_fail(__FILE__, __LINE__, series);
    return double_of_bits(*v);
}

static struct slice key_of(struct world *w, const char *path)
{
    struct slice labels;
    struct err err;
    CHECK_INT(push_key_parse(w->arena, slice_str(path), &labels, &err), ST_OK);
    return labels;
}

static enum status put(struct world *w, const char *path, const char *page, bool replace_all)
{
    struct err err = { 0 };
    uint32_t retry_s;
    struct push_page p = { SLICE("default"), key_of(w, path), slice_str(page), TEXT, replace_all };
    return push_put(w->push, &p, &retry_s, &err);
}

TEST(a_grouping_key_is_read_from_the_path)
{
    struct world w;
    struct buf text;
    struct slice labels;
    struct err err;
    world_start(&w);
    buf_init(&text, 0);
    labels_format(key_of(&w, "job/shop%20eu/instance/a:1/path@base64/L3Zhci90bXA/empty@base64/="), &text);
    CHECK_STR(buf_as_slice(&text), "{instance=\"a:1\",job=\"shop eu\",path=\"/var/tmp\"}");
    buf_free(&text);
    static const char *const bad[] = { "job", "job/", "instance/a/job/b", "job/a/instance", "job/a/1x/b", "job/a/__x/b",
                                      "job@base64/!!", "job/a/a/b/a/c" };
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        CHECK(push_key_parse(w.arena, slice_str(bad[i]), &labels, &err) != ST_OK);
    world_end(&w);
}

TEST(what_is_pushed_becomes_samples_with_the_grouping_keys_labels)
{
    struct world w;
    world_start(&w);
    CHECK_INT(put(&w, "job/shop/instance/a", "# TYPE rate gauge\n# HELP rate Of it.\nrate{job=\"other\",x=\"1\"} 0.5\n", true), ST_OK);
    CHECK_NEAR(value(&w, "rate{instance=\"a\",job=\"shop\",x=\"1\"}"), 0.5, 0);
    CHECK_NEAR(value(&w, "push_time_seconds{instance=\"a\",job=\"shop\"}"), 1700000000, 0);
    CHECK_NEAR(value(&w, "push_failure_time_seconds{instance=\"a\",job=\"shop\"}"), 0, 0);
    world_end(&w);
}

TEST(put_replaces_a_group_and_post_the_families_it_names)
{
    struct world w;
    world_start(&w);
    CHECK_INT(put(&w, "job/j", "a 1\nb{l=\"1\"} 2\nb{l=\"2\"} 3\n", true), ST_OK);
    CHECK_INT(put(&w, "job/j", "b{l=\"1\"} 20\n", false), ST_OK);
    CHECK(has(&w, "a{job=\"j\"}") && has(&w, "b{job=\"j\",l=\"1\"}") && !has(&w, "b{job=\"j\",l=\"2\"}"));
    CHECK_INT(put(&w, "job/j", "c 4\n", true), ST_OK);
    CHECK(!has(&w, "a{job=\"j\"}") && !has(&w, "b{job=\"j\",l=\"1\"}") && has(&w, "c{job=\"j\"}"));
    world_end(&w);
}

TEST(the_parts_of_a_histogram_are_one_family)
{
    struct world w;
    struct push_group_view *list;
    size_t n;
    world_start(&w);
    CHECK_INT(put(&w, "job/j", "# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"+Inf\"} 2\nh_sum 3\nh_count 2\n", true), ST_OK);
    push_groups(w.push, SLICE("default"), w.arena, &list, &n);
    CHECK_INT(n, 1);
    CHECK_INT(list[0].families, 1);
    CHECK_INT(list[0].series, 4);
    world_end(&w);
}

TEST(a_refused_push_leaves_the_group_and_notes_the_time)
{
    struct world w;
    world_start(&w);
    CHECK_INT(put(&w, "job/j", "a 1\n", true), ST_OK);
    clock_sim_advance(w.clock, 60 * NS_S);
    CHECK_INT(put(&w, "job/j", "a 2 1700000000000\n", true), ST_INVALID);
    CHECK_INT(put(&w, "job/j", "a 2\na 3\n", true), ST_INVALID);
    CHECK_INT(put(&w, "job/j", "not a page\n", true), ST_INVALID);
    CHECK_NEAR(value(&w, "a{job=\"j\"}"), 1, 0);
    CHECK_NEAR(value(&w, "push_time_seconds{job=\"j\"}"), 1700000000, 0);
    CHECK_NEAR(value(&w, "push_failure_time_seconds{job=\"j\"}"), 1700000060, 0);
    world_end(&w);
}

TEST(groups_outlive_a_restart_until_they_are_deleted)
{
    struct world w;
    struct push_group_view *list;
    size_t n;
    struct err err;
    world_start(&w);
    CHECK_INT(put(&w, "job/j", "# TYPE a gauge\na{x=\"y\"} 1.5\n", true), ST_OK);
    restart(&w);
    CHECK_INT(put(&w, "job/j", "b 2\n", false), ST_OK);
    CHECK_NEAR(value(&w, "a{job=\"j\",x=\"y\"}"), 1.5, 0);
    CHECK_INT(push_delete(w.push, SLICE("default"), key_of(&w, "job/j"), &err), ST_OK);
    CHECK(!has(&w, "a{job=\"j\",x=\"y\"}") && !has(&w, "b{job=\"j\"}") && !has(&w, "push_time_seconds{job=\"j\"}"));
    restart(&w);
    push_groups(w.push, SLICE("default"), w.arena, &list, &n);
    CHECK_INT(n, 0);
    world_end(&w);
}

TEST(tenants_do_not_see_each_others_groups)
{
    struct world w;
    struct push_group_view *list;
    size_t n;
    struct err err;
    world_start(&w);
    CHECK_INT(put(&w, "job/j", "a 1\n", true), ST_OK);
    CHECK_INT(push_delete(w.push, SLICE("other"), key_of(&w, "job/j"), &err), ST_OK);
    push_groups(w.push, SLICE("other"), w.arena, &list, &n);
    CHECK_INT(n, 0);
    CHECK(has(&w, "a{job=\"j\"}"));
    world_end(&w);
}

TEST(texts_of_groups_have_a_limit_in_all)
{
    struct world w;
    struct err err;
    struct slice key;
    size_t taken = 0;
    enum status st = ST_OK;
    uint32_t retry_s;
    world_start(&w);
    size_t head = SLICE("# HELP a ").len, size = PUSH_BODY_BYTES_MAX;
    char *page = arena_alloc(w.arena, size);
    memset(page, 'x', size);
    memcpy(page, "# HELP a ", head);
    memcpy(page + size - 5, "\na 1\n", 5);
    for (int i = 0; !st && i <= PUSH_BYTES_MAX / PUSH_BODY_BYTES_MAX; i++) {
        CHECK(!push_key_parse(w.arena, arena_printf(w.arena, "job/j%d", i), &key, &err));
        st = push_put(w.push, &(struct push_page){ SLICE("default"), key, slice_of(page, size), TEXT, true }, &retry_s, &err);
        taken += !st;
    }
    CHECK_INT(st, ST_LIMIT);
    CHECK_INT(taken, PUSH_BYTES_MAX / PUSH_BODY_BYTES_MAX - 1);
    CHECK(!push_key_parse(w.arena, SLICE("job/j0"), &key, &err));
    CHECK(!push_delete(w.push, SLICE("default"), key, &err));
    CHECK(!push_put(w.push, &(struct push_page){ SLICE("default"), key, slice_of(page, size), TEXT, true }, &retry_s, &err));
    world_end(&w);
}
