/* SPDX-License-Identifier: Apache-2.0 */
/* The table of metrics with their official bands, the configuration, and what the route keeps between requests. */
#include "rum/rum.h"

#include "sys/thread.h"

const struct rum_band rum_bands[RUM_METRIC_COUNT] = {
    [RUM_CLS] = { SLICE_INIT("CLS"), SLICE_INIT(""), 0.1, 0.25 },      [RUM_FID] = { SLICE_INIT("FID"), SLICE_INIT("ms"), 100, 300 },
    [RUM_INP] = { SLICE_INIT("INP"), SLICE_INIT("ms"), 200, 500 },     [RUM_FCP] = { SLICE_INIT("FCP"), SLICE_INIT("ms"), 1800, 3000 },
    [RUM_LCP] = { SLICE_INIT("LCP"), SLICE_INIT("ms"), 2500, 4000 },   [RUM_TTFB] = { SLICE_INIT("TTFB"), SLICE_INIT("ms"), 800, 1800 },
};

bool rum_metric_parse(struct slice name, enum rum_metric *out)
{
    for (int i = 0; i < RUM_METRIC_COUNT; i++)
        if (slice_eq(rum_bands[i].name, name)) {
            *out = (enum rum_metric)i;
            return true;
        }
    return false;
}

enum rum_rating rum_rate(enum rum_metric m, double value)
{
    return value <= rum_bands[m].good ? RUM_GOOD : value <= rum_bands[m].poor ? RUM_NEEDS_IMPROVEMENT : RUM_POOR;
}

struct slice rum_rating_name(enum rum_rating r)
{
    static const struct slice names[RUM_RATING_COUNT] = { SLICE_INIT("good"), SLICE_INIT("needs_improvement"), SLICE_INIT("poor") };
    return names[r];
}

bool rum_by_parse(struct slice text, enum rum_by *out)
{
    static const struct slice names[] = { SLICE_INIT("page"), SLICE_INIT("country"), SLICE_INIT("device") };
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (slice_eq(names[i], text)) {
            *out = (enum rum_by)i;
            return true;
        }
    return false;
}

/* ---- configuration ---- */

static bool is_origin(struct slice o)
{
    size_t at = slice_find(o, SLICE("://"), 0);
    if (slice_eq(o, SLICE("*")))
        return true;
    return at != SIZE_MAX && at + 3 < o.len && !slice_contains(slice_skip(o, at + 3), SLICE("/")) &&
           (slice_starts(o, SLICE("http://")) || slice_starts(o, SLICE("https://")));
}

enum status rum_config_read(struct arena *a, const struct yaml_node *root, struct rum_config **out, struct buf *warnings, struct err *err)
{
    static const struct slice keys[] = { SLICE_INIT("country_header"), SLICE_INIT("origins") };
    const struct yaml_node *n = yaml_get(root, SLICE("rum"));
    struct rum_config *c = arena_new_of(a, struct rum_config);
    struct slice *origins = NULL;
    enum status st = yaml_only(n, keys, COUNT_OF(keys), err);
    c->country_header = SLICE_EMPTY;
    if (!st)
        st = yaml_text(n, keys[0], &c->country_header, err);
    if (!st && yaml_get(n, keys[1]))
        st = yaml_texts(a, n, keys[1], &origins, &c->origin_count, err);
    if (st)
        return st;
    if (c->origin_count > RUM_ORIGINS_MAX)
        return yaml_fail(yaml_get(n, keys[1]), err, "rum: %zu origins, at most %d are allowed", c->origin_count, RUM_ORIGINS_MAX);
    for (size_t i = 0; i < c->origin_count; i++)
        if (!is_origin(origins[i]))
            return yaml_fail(yaml_get(n, keys[1]), err, "rum: origin \"%.*s\"; allowed are https://HOST, http://HOST:PORT (no path) and \"*\"",
                             SLICE_FMT(origins[i]));
    c->origins = origins;
    *out = c;
    return ST_OK;
}

/* ---- between requests ---- */

struct rum {
    struct clock *clock;
    struct mutex lock;
    struct arena *arena;      /* of the configuration */
    struct rum_config config;
    int64_t second;           /* of the monotonic clock, and the posts in it */
    unsigned posts;
};

struct rum *rum_new(struct clock *clock)
{
    struct rum *r = mem_new(struct rum);
    r->clock = clock;
    r->arena = arena_new(0);
    r->config.country_header = SLICE_EMPTY;
    mutex_init(&r->lock);
    return r;
}

void rum_free(struct rum *r)
{
    if (r == NULL)
        return;
    arena_free(r->arena);
    mutex_destroy(&r->lock);
    mem_free(r);
}

void rum_configure(struct rum *r, const struct rum_config *c)
{
    mutex_lock(&r->lock);
    arena_reset(r->arena);
    struct slice *origins = arena_array(r->arena, struct slice, c->origin_count + 1);
    for (size_t i = 0; i < c->origin_count; i++)
        origins[i] = arena_copy(r->arena, c->origins[i]);
    r->config = (struct rum_config){ arena_copy(r->arena, c->country_header), origins, c->origin_count };
    mutex_unlock(&r->lock);
}

struct slice rum_country_header(struct rum *r, struct arena *a)
{
    mutex_lock(&r->lock);
    struct slice name = arena_copy(a, r->config.country_header);
    mutex_unlock(&r->lock);
    return name;
}

enum rum_origin rum_origin(struct rum *r, struct slice origin)
{
    mutex_lock(&r->lock);
    enum rum_origin found = r->config.origin_count ? RUM_ORIGIN_OTHER : RUM_ORIGIN_NO_LIST;
    for (size_t i = 0; i < r->config.origin_count; i++)
        if (slice_eq(r->config.origins[i], SLICE("*")) || slice_eq_nocase(r->config.origins[i], origin))
            found = RUM_ORIGIN_LISTED;
    mutex_unlock(&r->lock);
    return found;
}

bool rum_may_post(struct rum *r)
{
    int64_t second = clock_mono_ns(r->clock) / NS_S;
    mutex_lock(&r->lock);
    if (second != r->second)
        r->posts = 0;
    r->second = second;
    bool may = r->posts < RUM_POSTS_PER_SECOND_MAX;
    r->posts += may;
    mutex_unlock(&r->lock);
    return may;
}
