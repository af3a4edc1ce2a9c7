/* SPDX-License-Identifier: Apache-2.0 */
#include "rum/rum.h"

#include "base/unit.h"
#include "codec/json.h"

#define START_NS (1700000000 * NS_S)

/* An engine that holds the events of one batch. */
struct shelf {
    struct engine engine;
    struct events_iter it;
    struct batch *b;
    bool given;
};

static enum status shelf_next(struct events_iter *it, struct event_block *out, struct err *err)
{
    struct shelf *s = (struct shelf *)((char *)it - offsetof(struct shelf, it));
    if (s->given)
        return ST_NOT_FOUND;
    s->given = true;
    *out = (struct event_block){ .n = s->b->event_count, .rows = s->b->events };
    return ST_OK;
}

static void shelf_close(struct events_iter *it)
{
}

static const struct events_iter_ops shelf_iter = { shelf_next, shelf_close };

static enum status shelf_events(struct engine *e, struct engine_ctx *ctx, const struct events_query *q, struct events_iter **out, unsigned *did,
                                struct err *err)
{
    struct shelf *s = (struct shelf *)e;
    s->it.ops = &shelf_iter;
    s->given = false;
    *out = &s->it;
    *did = 0;
    return ST_OK;
}

static const struct engine_ops shelf_ops = { .name = "shelf", .events = shelf_events };

static void post(struct batch *b, int second, const char *page, const char *json)
{
    struct err err;
    struct rum_visit v = { START_NS + second * NS_S, slice_str(page), SLICE_EMPTY, SLICE("Mozilla/5.0 (X11; Linux)"), SLICE_EMPTY, SLICE("de") };
    CHECK_INT(rum_decode(&v, slice_str(json), b, &err), ST_OK);
}

static struct slice report(struct batch *b, struct arena *a, enum rum_by by)
{
    struct shelf s = { .engine = { &shelf_ops }, .b = b };
    struct rum_query q = { START_NS, START_NS + 600 * NS_S, 60 * NS_S, by, 100 };
    struct engine_ctx ctx;
    struct buf out;
    struct err err;
    struct slice tenant = SLICE("default");
    engine_ctx_init(&ctx, &tenant, 1, clock_real());
    buf_init(&out, 0);
    CHECK_INT(rum_report(&s.engine, &ctx, &q, a, &out, &err), ST_OK);
    struct slice text = arena_copy(a, buf_as_slice(&out));
    buf_free(&out);
    engine_ctx_free(&ctx);
    return text;
}

TEST(a_value_is_rated_by_the_official_bands)
{
    CHECK_INT(rum_rate(RUM_LCP, 2500), RUM_GOOD);
    CHECK_INT(rum_rate(RUM_LCP, 2501), RUM_NEEDS_IMPROVEMENT);
    CHECK_INT(rum_rate(RUM_LCP, 4001), RUM_POOR);
    CHECK_INT(rum_rate(RUM_CLS, 0.1), RUM_GOOD);
    CHECK_INT(rum_rate(RUM_CLS, 0.26), RUM_POOR);
    CHECK_INT(rum_rate(RUM_INP, 200.5), RUM_NEEDS_IMPROVEMENT);
    CHECK_INT(rum_rate(RUM_FID, 301), RUM_POOR);
}

TEST(a_page_is_its_path_with_ids_made_alike)
{
    struct arena *a = arena_new(0);
    CHECK_STR(rum_page(a, SLICE("https://shop.example/item/4711/photos?size=2#top"), true), "/item/{id}/photos");
    CHECK_STR(rum_page(a, SLICE("https://shop.example/o/3f2504e0-4f89-11d3-9a0c-0305e82c3301/"), true), "/o/{id}");
    CHECK_STR(rum_page(a, SLICE("https://shop.example/about-us/team"), true), "/about-us/team");
    CHECK_STR(rum_page(a, SLICE("https://shop.example/decade/facade"), true), "/decade/facade");
    CHECK_STR(rum_page(a, SLICE("https://shop.example/"), true), "/");
    CHECK_STR(rum_page(a, SLICE("https://shop.example/"), false), "(unknown)");
    CHECK_STR(rum_page(a, SLICE(""), true), "(unknown)");
    arena_free(a);
}

TEST(a_device_is_told_by_user_agent_or_hint)
{
    CHECK_STR(rum_device(SLICE("Mozilla/5.0 (Windows NT 10.0; Win64) Chrome/130"), SLICE("?0")), "desktop");
    CHECK_STR(rum_device(SLICE("Mozilla/5.0 (Linux; Android 14; Pixel 8) Chrome/130 Mobile Safari/537"), SLICE("")), "mobile");
    CHECK_STR(rum_device(SLICE("Mozilla/5.0 (Linux; Android 14; SM-X710) Chrome/130 Safari/537"), SLICE("?0")), "tablet");
    CHECK_STR(rum_device(SLICE("Mozilla/5.0 (iPad; CPU OS 17_0 like Mac OS X) Mobile/15E148"), SLICE("")), "tablet");
    CHECK_STR(rum_device(SLICE("x"), SLICE("?1")), "mobile");
}

TEST(the_last_value_of_a_page_load_counts)
{
    struct arena *a = arena_new(0);
    struct batch *b = batch_new(0);
    post(b, 9, "https://x.example/a", "{\"name\":\"CLS\",\"value\":0.3,\"delta\":0.2,\"id\":\"v2-1\",\"entries\":[{\"any\":1}]}");
    post(b, 5, "https://x.example/a", "{\"name\":\"CLS\",\"value\":0.1,\"delta\":0.1,\"id\":\"v2-1\",\"entries\":[]}");
    struct slice text = report(b, a, RUM_BY_PAGE);
    CHECK(slice_contains(text, SLICE("\"rows\":[{\"key\":\"/a\",\"count\":1,\"metrics\":{\"CLS\":{\"p75\":0.3,\"unit\":\"\",\"count\":1,\"good\":0,"
                                     "\"needs_improvement\":0,\"poor\":1,\"rating\":\"poor\"}}}]")));
    CHECK(slice_contains(text, SLICE("{\"key\":\"/a\",\"metric\":\"CLS\",\"points\":[[1700000060000,0.3]]}")));
    batch_drop(b);
    arena_free(a);
}

TEST(p75_is_what_three_quarters_of_loads_stay_under)
{
    struct arena *a = arena_new(0);
    struct batch *b = batch_new(0);
    for (int i = 1; i <= 8; i++)
        post(b, i, "https://x.example/", arena_printf(a, "{\"name\":\"LCP\",\"value\":%d,\"id\":\"l%d\",\"rating\":\"good\"}", i * 1000, i).ptr);
    struct slice text = report(b, a, RUM_BY_COUNTRY);
    CHECK(slice_contains(text, SLICE("{\"key\":\"DE\",\"count\":8,\"metrics\":{\"LCP\":{\"p75\":6000,\"unit\":\"ms\",\"count\":8,\"good\":2,"
                                     "\"needs_improvement\":2,\"poor\":4,\"rating\":\"poor\"}}}")));
    CHECK(slice_contains(report(b, a, RUM_BY_DEVICE), SLICE("\"key\":\"desktop\"")));
    batch_drop(b);
    arena_free(a);
}

TEST(what_is_measured_becomes_series_for_boards_and_rules)
{
    struct arena *a = arena_new(0);
    struct batch *b = batch_new(0), *out = batch_new(0);
    struct shelf s = { .engine = { &shelf_ops }, .b = b };
    struct engine_ctx ctx;
    struct rum_pages pages;
    struct buf text;
    struct err err;
    struct slice tenant = SLICE("default");
    post(b, 1, "https://x.example/a", "{\"name\":\"LCP\",\"value\":3000,\"id\":\"1\"}");
    engine_ctx_init(&ctx, &tenant, 1, clock_real());
    buf_init(&text, 0);
    rum_pages_init(&pages);
    CHECK_INT(rum_measure(&s.engine, &ctx, START_NS, START_NS + 900 * NS_S, &pages, a, out, &err), ST_OK);
    CHECK_INT(out->series_count, 8);
    labels_format(out->series[0].labels, &text);
    CHECK_STR(buf_as_slice(&text), "web_vitals_p75{job=\"real-users\",metric=\"LCP\",page=\"(all)\"}");
    CHECK_NEAR(out->samples[0].v, 3000, 0);
    buf_reset(&text);
    labels_format(out->series[6].labels, &text);
    CHECK_STR(buf_as_slice(&text), "web_vitals_loads{job=\"real-users\",metric=\"LCP\",page=\"/a\",rating=\"needs_improvement\"}");
    CHECK_NEAR(out->samples[6].v, 1, 0);
    rum_pages_free(&pages);
    buf_free(&text);
    engine_ctx_free(&ctx);
    batch_drop(b);
    batch_drop(out);
    arena_free(a);
}

TEST(made_up_paths_get_no_more_series_than_are_allowed)
{
    struct arena *a = arena_new(0);
    struct rum_pages pages;
    struct slice tenant = SLICE("default");
    size_t series = 0;
    rum_pages_init(&pages);
    for (int round = 0; round < 2 * RUM_PAGES_NAMED_MAX / RUM_PAGES_MEASURED_MAX; round++) {
        struct batch *b = batch_new(0), *out = batch_new(0);
        struct shelf s = { .engine = { &shelf_ops }, .b = b };
        struct engine_ctx ctx;
        struct err err;
        for (int i = 0; i < RUM_PAGES_MEASURED_MAX; i++)
            post(b, 1, arena_printf(a, "https://x.example/p%d-%d", round, i).ptr,
                 arena_printf(a, "{\"name\":\"LCP\",\"value\":1,\"id\":\"%d\"}", i).ptr);
        engine_ctx_init(&ctx, &tenant, 1, clock_real());
        CHECK_INT(rum_measure(&s.engine, &ctx, START_NS, START_NS + 900 * NS_S, &pages, a, out, &err), ST_OK);
        series += out->series_count - 4; /* "(all)" */
        engine_ctx_free(&ctx);
        batch_drop(b);
        batch_drop(out);
    }
    CHECK_INT(series, 4 * RUM_PAGES_NAMED_MAX);
    rum_pages_free(&pages);
    arena_free(a);
}

TEST(a_post_that_is_no_metric_is_refused_by_the_members_name)
{
    static const char *const bad[][2] = {
        { "{\"name\":\"XYZ\",\"value\":1,\"id\":\"a\"}", "name \"XYZ\"" },  { "{\"name\":\"LCP\",\"id\":\"a\"}", "\"value\" is missing" },
        { "{\"name\":\"LCP\",\"value\":-1,\"id\":\"a\"}", "\"value\" is -1" }, { "{\"name\":\"LCP\",\"value\":1}", "\"id\" is missing" },
        { "{\"name\":\"LCP\",\"value\":\"1\",\"id\":\"a\"}", "no number" },   { "hello", "web vitals: " },
        { "[1]", "must be an object" },
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct batch *b = batch_new(0);
        struct rum_visit v = { START_NS, SLICE(""), SLICE(""), SLICE(""), SLICE(""), SLICE("") };
        struct err err = { 0 };
        CHECK(rum_decode(&v, slice_str(bad[i][0]), b, &err) != ST_OK);
        CHECK(slice_contains(slice_str(err.text), slice_str(bad[i][1])));
        batch_drop(b);
    }
}

TEST(origins_are_a_list_when_there_is_one)
{
    struct rum *r = rum_new(clock_real());
    struct slice one = SLICE("https://shop.example");
    struct rum_config c = { SLICE("X-Country"), &one, 1 };
    CHECK_INT(rum_origin(r, SLICE("https://any.example")), RUM_ORIGIN_NO_LIST);
    rum_configure(r, &c);
    CHECK_INT(rum_origin(r, SLICE("https://shop.example")), RUM_ORIGIN_LISTED);
    CHECK_INT(rum_origin(r, SLICE("https://shop.example.evil.example")), RUM_ORIGIN_OTHER);
    rum_free(r);
}

TEST(posts_beyond_the_most_of_a_second_are_refused)
{
    struct clock *clock = clock_sim_new(START_NS);
    struct rum *r = rum_new(clock);
    for (int i = 0; i < RUM_POSTS_PER_SECOND_MAX; i++)
        CHECK(rum_may_post(r));
    CHECK(!rum_may_post(r));
    clock_sim_advance(clock, NS_S);
    CHECK(rum_may_post(r));
    CHECK(rum_may_take(r, RUM_METRICS_PER_SECOND_MAX - 1));
    CHECK(!rum_may_take(r, 2));
    CHECK(rum_may_take(r, 1));
    clock_sim_advance(clock, NS_S);
    CHECK(rum_may_take(r, 2));
    rum_free(r);
    clock_sim_free(clock);
}

TEST(the_configuration_names_what_it_does_not_allow)
{
    struct arena *a = arena_new(0);
    struct yaml_node *root;
    struct rum_config *c;
    struct buf warnings;
    struct err err = { 0 };
    buf_init(&warnings, 0);
    struct slice text = SLICE("rum:\n  country_header: CF-IPCountry\n  origins: [https://a.example, 'http://b.example:8080']\n");
    CHECK_INT(yaml_parse(a, SLICE("f"), text, &root, &err), ST_OK);
    CHECK_INT(rum_config_read(a, root, &c, &warnings, &err), ST_OK);
    CHECK_INT(c->origin_count, 2);
    CHECK_INT(yaml_parse(a, SLICE("f"), SLICE("rum:\n  origins: [a.example/path]\n"), &root, &err), ST_OK);
    CHECK_INT(rum_config_read(a, root, &c, &warnings, &err), ST_INVALID);
    CHECK(slice_contains(slice_str(err.text), SLICE("a.example/path")));
    buf_free(&warnings);
    arena_free(a);
}
