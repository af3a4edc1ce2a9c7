/* SPDX-License-Identifier: Apache-2.0 */
/* Downsampling in a store: which days are done and when again, and what a query over the borders gives. */
#include <stdio.h>

#include "metrics/rig_test.h"
#include "metrics/rollup.h"

enum { MINUTE_MS = 60 * 1000, HOUR_MS = 60 * MINUTE_MS, DAYS = 4, PATH_BYTES_MAX = 1024 };
#define DAY_MS ((int64_t)24 * HOUR_MS)

/* An engine of no more than what downsampling asks of one. */
struct small {
    struct engine engine; /* first */
    struct rig rig;
};

static enum status small_append(struct engine *e, struct batch *b, struct append_ack ack, struct err *err)
{
    return store_append(((struct small *)e)->rig.store, b, ack, err);
}

static const struct engine_ops small_ops = { .append = small_append };

static void keep(struct small *s, int raw_days, int days_5m, int days_1h)
{
    struct engine_class list[3] = { { .name = SLICE("metrics"), .retention_ns = raw_days * DAY_MS * NS_MS, .is_of_metrics = true } };
    struct err err;
    size_t n = 1;
    if (days_5m)
        list[n++] = (struct engine_class){ .name = SLICE("metrics_5m"), .retention_ns = days_5m * DAY_MS * NS_MS, .rollup = ROLLUP_5M };
    if (days_1h)
        list[n++] = (struct engine_class){ .name = SLICE("metrics_1h"), .retention_ns = days_1h * DAY_MS * NS_MS, .rollup = ROLLUP_1H };
    RIG_MUST(store_set_classes(s->rig.store, list, n, &err), &err);
}

static void put(struct small *s, const char *name, int64_t from_ms, int64_t to_ms)
{
    struct err err;
    struct slice labels;
    struct batch *b = batch_new(0);
    struct label l = { SLICE("__name__"), slice_str(name) };
    b->tenant = SLICE("default");
    CHECK(labels_build(b->arena, &l, 1, &labels, NULL) == ST_OK);
    batch_series(b, labels);
    for (int64_t t = from_ms; t < to_ms; t += MINUTE_MS)
        batch_sample(b, t, (double)((t - rig_start_ms) / MINUTE_MS));
    RIG_MUST(engine_append_wait(&s->engine, b, &err), &err);
}

/* DAYS days of samples, a minute apart, all over; the clock is at noon of the day after. */
static void small_init(struct small *s, int raw_days, int days_5m, int days_1h)
{
    struct err err;
    *s = (struct small){ .engine = { &small_ops } };
    rig_init(&s->rig, 7, 1);
    RIG_MUST(rig_open(&s->rig, &err), &err);
    keep(s, raw_days, days_5m, days_1h);
    clock_sim_advance(s->rig.clock, (DAYS * DAY_MS + 12 * HOUR_MS) * NS_MS);
    for (int day = 0; day < DAYS; day++)
        put(s, "up", rig_start_ms + day * DAY_MS, rig_start_ms + (day + 1) * DAY_MS);
    RIG_MUST(store_flush(s->rig.store, &err), &err);
}

/* How many days were done; it must come to an end. */
static int downsample(struct small *s, enum status *last)
{
    const atomic_bool stop = false;
    struct err err = { 0 };
    int days = 0;
    bool did = true;
    *last = ST_OK;
    for (int i = 0; i < 100 && did; i++) {
        enum status st = rollup_day(&s->engine, s->rig.store, &stop, &did, &err);
        *last = st ? st : *last;
        days += did;
    }
    CHECK(!did);
    RIG_MUST(store_flush(s->rig.store, &err), &err);
    return days;
}

static int downsample_well(struct small *s)
{
    enum status last;
    int days = downsample(s, &last);
    CHECK_INT(last, ST_OK);
    return days;
}

struct asked {
    enum status st;
    size_t series, n;
    int64_t first_ms, last_ms;
    double last;
    enum rollup used;
};

static struct asked ask(struct small *s, struct samples_query q, enum rollup r, uint64_t samples_max)
{
    const struct slice tenant = SLICE("default");
    struct engine_ctx ctx;
    struct samples_iter *it;
    struct series_samples one;
    struct asked a = { 0 };
    struct err err;
    engine_ctx_init(&ctx, &tenant, 1, s->rig.clock);
    ctx.rollup_min = r;
    ctx.samples_max = samples_max;
    a.st = metrics_samples(s->rig.store, &ctx, &q, &it, &err);
    if (a.st == ST_OK) {
        while ((a.st = it->ops->next(it, &one, &err)) == ST_OK) {
            a.series++;
            a.n += one.n;
            a.first_ms = one.t_ms[0];
            a.last_ms = one.t_ms[one.n - 1];
            a.last = one.v[one.n - 1];
        }
        it->ops->close(it);
    }
    a.used = ctx.rollup_used;
    engine_ctx_free(&ctx);
    return a;
}

TEST(a_day_that_did_not_change_is_done_once_whatever_resolutions_there_are)
{
    const int kept[][2] = { { 60, 0 }, { 0, 60 }, { 60, 60 }, { 60, 2 } };
    for (size_t i = 0; i < COUNT_OF(kept); i++) {
        struct small s;
        small_init(&s, 30, kept[i][0], kept[i][1]);
        CHECK_INT(downsample_well(&s), DAYS);
        for (int k = 0; k < 3; k++) {
            clock_sim_advance(s.rig.clock, 13 * HOUR_MS * NS_MS);
            CHECK_INT(downsample_well(&s), 0);
        }
        rig_end(&s.rig);
    }
}

TEST(a_day_whose_raw_samples_go_within_the_hour_is_done_before)
{
    struct small s = { .engine = { &small_ops } };
    struct engine_class list[] = { { .name = SLICE("metrics"), .retention_ns = HOUR_MS * NS_MS, .is_of_metrics = true },
                                   { .name = SLICE("metrics_5m"), .retention_ns = 60 * DAY_MS * NS_MS, .rollup = ROLLUP_5M } };
    struct err err;
    rig_init(&s.rig, 7, 1);
    RIG_MUST(rig_open(&s.rig, &err), &err);
    RIG_MUST(store_set_classes(s.rig.store, list, COUNT_OF(list), &err), &err);
    put(&s, "up", rig_start_ms, rig_start_ms + DAY_MS);
    clock_sim_advance(s.rig.clock, 23 * HOUR_MS * NS_MS);
    RIG_MUST(store_flush(s.rig.store, &err), &err);
    CHECK_INT(downsample_well(&s), 0); /* not over */
    clock_sim_advance(s.rig.clock, (HOUR_MS + 30 * MINUTE_MS) * NS_MS);
    CHECK_INT(downsample_well(&s), 1);
    rig_end(&s.rig);
}

TEST(a_resolution_that_is_taken_away_makes_no_day_due_and_one_that_comes_later_does)
{
    struct small s;
    struct samples_query q = { .start_ms = rig_start_ms, .end_ms = rig_start_ms + DAY_MS };
    small_init(&s, 30, 60, 0);
    CHECK_INT(downsample_well(&s), DAYS);
    keep(&s, 30, 60, 365);
    struct asked a = ask(&s, q, ROLLUP_1H, 0);
    CHECK(a.n == 24 * 60 && a.used == ROLLUP_NONE); /* not yet */
    CHECK_INT(downsample_well(&s), DAYS);
    a = ask(&s, q, ROLLUP_1H, 0);
    CHECK(a.n == 24 && a.used == ROLLUP_1H);
    keep(&s, 30, 60, 0);
    clock_sim_advance(s.rig.clock, 13 * HOUR_MS * NS_MS);
    CHECK_INT(downsample_well(&s), 0); /* parts of hours are no raw ones */
    rig_end(&s.rig);
}

TEST(a_window_that_ends_within_a_bucket_has_what_was_until_then)
{
    struct small s;
    small_init(&s, 30, 60, 365);
    CHECK_INT(downsample_well(&s), DAYS);
    int64_t end = rig_start_ms + DAY_MS + 10 * HOUR_MS + 30 * MINUTE_MS;
    struct samples_query q = { .start_ms = end - 5 * MINUTE_MS, .end_ms = end, .grid = { .range_ms = 5 * MINUTE_MS } };
    struct asked a = ask(&s, q, ROLLUP_1H, 0);
    CHECK(a.series == 1 && a.n == 1 && a.last_ms == end && a.used == ROLLUP_1H);
    q.start_ms = end - 2 * HOUR_MS - 7 * MINUTE_MS;
    a = ask(&s, q, ROLLUP_1H, 0);
    CHECK(a.first_ms > q.start_ms && a.last_ms == end);
    rig_end(&s.rig);
}

TEST(reading_what_was_downsampled_has_the_limits_of_reading)
{
    struct small s;
    struct samples_query q = { .start_ms = rig_start_ms, .end_ms = rig_start_ms + DAYS * DAY_MS,
                               .grid = { .range_ms = 1, .fn = SLICE("max_over_time") } };
    small_init(&s, 30, 60, 365);
    put(&s, "down", rig_start_ms, rig_start_ms + HOUR_MS);
    CHECK_INT(downsample_well(&s), DAYS);
    CHECK_INT(rollup_points(ROLLUP_1H, ROLLUP_REPEAT, 1), 3600);
    CHECK_INT(ask(&s, q, ROLLUP_1H, 100 * 1000).st, ST_LIMIT);
    q.grid.range_ms = HOUR_MS;
    struct asked a = ask(&s, q, ROLLUP_1H, 100 * 1000);
    CHECK(a.st == ST_NOT_FOUND && a.series == 2);
    q.series_max = 1;
    CHECK_INT(ask(&s, q, ROLLUP_1H, 0).st, ST_LIMIT);
    q.series_max = 0;
    q.mode = SAMPLES_LAST;
    a = ask(&s, q, ROLLUP_1H, 0);
    CHECK(a.series == 2 && a.n == 2);
    rig_end(&s.rig);
}

static void erase(struct small *s, const char *selector, int64_t start_ms, int64_t end_ms)
{
    struct tombstone t = { .tenant = SLICE("default"), .is_erase = true, .start_ns = start_ms * NS_MS, .end_ns = end_ms * NS_MS,
                           .selector = slice_str(selector) };
    struct err err;
    RIG_MUST(store_erase(s->rig.store, &t, &err), &err);
}

TEST(what_is_erased_is_in_no_bucket_either_and_what_was_done_stays_known)
{
    struct small s;
    struct samples_query q = { .start_ms = rig_start_ms + 10 * HOUR_MS, .end_ms = rig_start_ms + 11 * HOUR_MS };
    small_init(&s, 30, 60, 365);
    CHECK_INT(downsample_well(&s), DAYS);
    CHECK_INT(ask(&s, q, ROLLUP_1H, 0).n, 1);
    erase(&s, "{__name__=\"up\"}", rig_start_ms + 10 * HOUR_MS + 20 * MINUTE_MS, rig_start_ms + 10 * HOUR_MS + 30 * MINUTE_MS);
    CHECK_INT(ask(&s, q, ROLLUP_1H, 0).n, 0);
    q.end_ms += HOUR_MS;
    CHECK_INT(ask(&s, q, ROLLUP_1H, 0).n, 1);
    erase(&s, "{__name__=~\".+\"}", 0, rig_start_ms + 100 * DAY_MS);
    clock_sim_advance(s.rig.clock, 13 * HOUR_MS * NS_MS);
    struct err err;
    RIG_MUST(store_merge(s.rig.store, &err), &err);
    (void)downsample_well(&s); /* ends */
    rig_end(&s.rig);
}

TEST(series_whose_raw_samples_are_gone_are_listed_where_they_were)
{
    struct small s;
    struct err err;
    const struct slice tenant = SLICE("default");
    struct arena *a = arena_new(0);
    struct engine_ctx ctx;
    struct slice *list;
    struct name_hit *hits;
    size_t count = 0;
    small_init(&s, 30, 60, 365);
    CHECK_INT(downsample_well(&s), DAYS);
    keep(&s, 1, 60, 365);
    RIG_MUST(store_tick(s.rig.store, &err), &err);
    engine_ctx_init(&ctx, &tenant, 1, s.rig.clock);
    struct matcher m;
    RIG_MUST(matcher_init(&m, MATCH_EQ, SLICE("__name__"), SLICE("up"), &err), &err);
    RIG_MUST(metrics_series(s.rig.store, &ctx, rig_start_ms, rig_start_ms + DAY_MS, &m, 1, 0, a, &list, &count, &err), &err);
    CHECK(count >= 1 && slice_eq(labels_get(list[0], SLICE("__name__")), SLICE("up")));
    struct names_query q = { .what = NAMES_LABEL_VALUES, .name = SLICE("__name__"), .start_ns = rig_start_ms * NS_MS,
                             .end_ns = (rig_start_ms + DAY_MS) * NS_MS };
    RIG_MUST(metrics_names(s.rig.store, &ctx, &q, a, &hits, &count, &err), &err);
    CHECK(count == 1 && slice_eq(hits[0].value, SLICE("up")));
    q.start_ns = (rig_start_ms + DAYS * DAY_MS) * NS_MS;
    q.end_ns = q.start_ns + NS_S;
    RIG_MUST(metrics_names(s.rig.store, &ctx, &q, a, &hits, &count, &err), &err);
    CHECK_INT(count, 0);
    CHECK_INT(ctx.tenant_count, 1);
    matcher_destroy(&m);
    engine_ctx_free(&ctx);
    arena_free(a);
    rig_end(&s.rig);
}

/* Every file of samples under path: a byte of its middle is another. */
static void damage(struct fs *fs, const char *path, int64_t from_size)
{
    char one[PATH_BYTES_MAX];
    struct buf names;
    struct err err;
    buf_init(&names, 0);
    RIG_MUST(fs_list(fs, path, &names, &err), &err);
    struct slice rest = buf_as_slice(&names), name;
    while (slice_next(&rest, 0, &name)) {
        struct file_info info;
        snprintf(one, sizeof one, "%s/%.*s", path, SLICE_FMT(name));
        RIG_MUST(fs_info(fs, one, &info, &err), &err);
        if (info.is_dir)
            damage(fs, one, from_size);
        else if ((int64_t)info.size >= from_size && slice_find(slice_str(one), SLICE("metrics"), 0) != SIZE_MAX)
            fs_sim_flip(fs, one, 100);
    }
    buf_free(&names);
}

TEST(a_block_that_does_not_check_holds_no_other_day_up)
{
    struct small s;
    struct err err;
    enum status last;
    small_init(&s, 30, 60, 365);
    damage(s.rig.fs, "data", 200);
    put(&s, "up", rig_start_ms + DAYS * DAY_MS, rig_start_ms + (DAYS + 1) * DAY_MS);
    RIG_MUST(store_flush(s.rig.store, &err), &err);
    clock_sim_advance(s.rig.clock, DAY_MS * NS_MS);
    CHECK_INT(downsample(&s, &last), DAYS + 1);
    CHECK_INT(last, ST_CORRUPT);
    CHECK_INT(downsample(&s, &last), 0); /* not again at once */
    struct samples_query q = { .start_ms = rig_start_ms + DAYS * DAY_MS, .end_ms = rig_start_ms + (DAYS + 1) * DAY_MS };
    CHECK_INT(ask(&s, q, ROLLUP_1H, 0).n, 24);
    rig_end(&s.rig);
}
