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
    size_t posts, metrics;
    struct slice tenants[RUM_TENANTS_MAX]; /* that posted; in tenant_arena */
    struct rum_pages pages[RUM_TENANTS_MAX]; /* of each; only the thread looks at them */
    size_t tenant_count;
    struct arena *tenant_arena;
    struct rum_env env;
    struct cond wake;
    struct thread *thread;
    bool stopping;
};

struct rum *rum_new(struct clock *clock)
{
    struct rum *r = mem_new(struct rum);
    r->clock = clock;
    r->arena = arena_new(0);
    r->config.country_header = SLICE_EMPTY;
    r->tenant_arena = arena_new(0);
    mutex_init(&r->lock);
    cond_init(&r->wake);
    return r;
}

void rum_free(struct rum *r)
{
    if (r == NULL)
        return;
    mutex_lock(&r->lock);
    r->stopping = true;
    cond_signal(&r->wake);
    mutex_unlock(&r->lock);
    thread_join(r->thread);
    for (size_t i = 0; i < r->tenant_count; i++)
        rum_pages_free(&r->pages[i]);
    arena_free(r->tenant_arena);
    cond_destroy(&r->wake);
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

/* More of *used, of at most max a second. */
static bool may_use(struct rum *r, size_t *used, size_t more, size_t max)
{
    int64_t second = clock_mono_ns(r->clock) / NS_S;
    mutex_lock(&r->lock);
    if (second != r->second)
        r->posts = r->metrics = 0;
    r->second = second;
    bool may = more <= max - *used;
    *used += may ? more : 0;
    mutex_unlock(&r->lock);
    return may;
}

bool rum_may_post(struct rum *r)
{
    return may_use(r, &r->posts, 1, RUM_POSTS_PER_SECOND_MAX);
}

bool rum_may_take(struct rum *r, size_t metrics)
{
    return may_use(r, &r->metrics, metrics, RUM_METRICS_PER_SECOND_MAX);
}

void rum_posted(struct rum *r, struct slice tenant)
{
    mutex_lock(&r->lock);
    size_t i = 0;
    while (i < r->tenant_count && !slice_eq(r->tenants[i], tenant))
        i++;
    if (i == r->tenant_count && i < RUM_TENANTS_MAX) {
        rum_pages_init(&r->pages[i]);
        r->tenants[r->tenant_count++] = arena_copy(r->tenant_arena, tenant);
    }
    mutex_unlock(&r->lock);
}

/* ---- measuring ---- */

static void measure_tenant(struct rum *r, struct slice tenant, struct rum_pages *pages)
{
    enum { ARENA_BYTES_MAX = 256 * MIB, SECONDS_MAX = 30 };
    struct engine_ctx ctx;
    struct err err;
    struct arena *a = arena_new(ARENA_BYTES_MAX);
    struct batch *b = batch_new(ARENA_BYTES_MAX);
    int64_t end_ns = clock_wall_ns(r->clock);
    engine_ctx_init(&ctx, &tenant, 1, r->clock);
    ctx.deadline_mono_ns = clock_mono_ns(r->clock) + SECONDS_MAX * NS_S;
    b->tenant = arena_copy(b->arena, tenant);
    b->received_ns = end_ns;
    enum status st = rum_measure(r->env.engine, &ctx, end_ns - RUM_MEASURE_WINDOW_SECONDS * NS_S, end_ns, pages, a, b, &err);
    if (!st && b->sample_count)
        st = r->env.append(r->env.arg, b, &err);
    else
        batch_drop(b);
    if (st)
        log_line(r->env.log, LOG_WARNING, "real users are not measured", "error=\"%s\"", err.text);
    engine_ctx_free(&ctx);
    arena_free(a);
}

static void run(void *arg)
{
    struct rum *r = arg;
    mutex_lock(&r->lock);
    int64_t due = clock_mono_ns(r->clock) + RUM_MEASURE_SECONDS * NS_S;
    while (!r->stopping) {
        int64_t left = due - clock_mono_ns(r->clock);
        if (left > 0) {
            cond_wait_ns(&r->wake, &r->lock, left);
            continue;
        }
        for (size_t i = 0; i < r->tenant_count && !r->stopping; i++) {
            struct slice tenant = r->tenants[i]; /* its bytes stay */
            mutex_unlock(&r->lock);
            measure_tenant(r, tenant, &r->pages[i]);
            mutex_lock(&r->lock);
        }
        due = clock_mono_ns(r->clock) + RUM_MEASURE_SECONDS * NS_S;
    }
    mutex_unlock(&r->lock);
}

enum status rum_run(struct rum *r, const struct rum_env *env, struct err *err)
{
    r->env = *env;
    return thread_start(&r->thread, "rum", run, r, err);
}
