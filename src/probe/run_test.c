/* SPDX-License-Identifier: Apache-2.0 */
/* Journeys against a target in this process. */
#include "probe/run.h"

#include "base/unit.h"
#include "net/http.h"
#include "probe/blackbox.h"
#include "probe/prober.h"

static struct slice seen_traceparent;
static char seen_bytes[128];

static void serve(void *user, struct http_exchange *x)
{
    struct slice path = http_path(x), json = SLICE("application/json");
    if (slice_eq(path, SLICE("/"))) {
        struct slice t = http_header(x, SLICE("traceparent"));
        memcpy(seen_bytes, t.ptr, MIN(t.len, sizeof seen_bytes));
        seen_traceparent = slice_of(seen_bytes, MIN(t.len, sizeof seen_bytes));
        http_reply(x, 200, SLICE("text/html"), SLICE("<h1>Shop</h1>"));
    } else if (slice_eq(path, SLICE("/login"))) {
        bool good = slice_eq(http_body(x), SLICE("{\"email\":\"ann@example.com\",\"password\":\"test\\\"123\",\"tries\":1}"));
        http_set_header(x, SLICE("Set-Cookie"), SLICE("session=s1; Path=/"));
        http_reply(x, good ? 200 : 401, json, SLICE("{\"token\":\"tok-42\"}"));
    } else if (slice_eq(path, SLICE("/users"))) {
        bool good = slice_eq(http_header(x, SLICE("authorization")), SLICE("Bearer tok-42")) &&
                    slice_contains(http_header(x, SLICE("cookie")), SLICE("session=s1"));
        http_reply(x, good ? 200 : 403, json, SLICE("[]"));
    } else if (slice_eq(path, SLICE("/moved"))) {
        http_set_header(x, SLICE("Location"), SLICE("/"));
        http_reply(x, 302, json, SLICE_EMPTY);
    } else if (slice_eq(path, SLICE("/loop"))) {
        http_set_header(x, SLICE("Location"), SLICE("/loop"));
        http_reply(x, 302, json, SLICE_EMPTY);
    } else {
        http_reply(x, 500, json, SLICE("broken"));
    }
}

static const struct http_route *route(void *user, struct http_exchange *x)
{
    static const struct http_route the_route = { 0, 64 * KIB, serve, NULL };
    return &the_route;
}

static bool variable(void *arg, struct slice name, struct slice *value)
{
    *value = SLICE("test\"123");
    return slice_eq(name, SLICE("PASSWORD"));
}

struct world {
    struct arena *a;
    struct budget budget;
    struct http_server *server;
    struct run_env env;
    struct check_set *set;
};

/* yaml: with $AT for the target's address. */
static void world_start(struct world *w, const char *yaml)
{
    struct buf text, warnings;
    struct yaml_node *root;
    struct err err;
    struct slice rest = slice_str(yaml);
    *w = (struct world){ .a = arena_new(0), .budget = { .name = "test", .max = 10 * MIB } };
    struct http_options opt = { .address = SLICE("127.0.0.1:0"), .loops = 1, .workers = 2, .in_flight = &w->budget, .route = route };
    CHECK_INT(http_server_start(&w->server, &opt, &err), ST_OK);
    w->env = (struct run_env){ .clock = clock_real(), .variable = variable };
    CHECK_INT(http_client_new(&w->env.client, &err), ST_OK);
    buf_init(&text, 0);
    buf_init(&warnings, 0);
    for (size_t at; (at = slice_find(rest, SLICE("$AT"), 0)) != SIZE_MAX; rest = slice_skip(rest, at + 3)) {
        buf_slice(&text, slice_sub(rest, 0, at));
        buf_printf(&text, "http://%.*s", SLICE_FMT(http_server_address(w->server)));
    }
    buf_slice(&text, rest);
    if (yaml_parse(w->a, SLICE("test.yml"), buf_as_slice(&text), &root, &err) || check_config_read(w->a, root, &w->set, &warnings, &err))
        unit_fail(__FILE__, __LINE__, err.text);
    buf_free(&text);
    buf_free(&warnings);
}

static void world_stop(struct world *w)
{
    http_client_free(w->env.client);
    http_server_stop(w->server, NS_S);
    arena_free(w->a);
}

static struct run run_first(struct world *w)
{
    struct run r;
    run_check(&w->env, &w->set->list[0], SLICE("local"), w->a, &r);
    return r;
}

static const char journey[] = "checks:\n"
                              "  - name: shop\n"
                              "    steps:\n"
                              "      - name: homepage\n"
                              "        get: $AT/\n"
                              "        expect: [status == 200, latency < 20s, body contains Shop]\n"
                              "      - name: login\n"
                              "        post: $AT/login\n"
                              "        json: {email: ann@example.com, password: \"${PASSWORD}\", tries: 1}\n"
                              "        expect: status == 200\n"
                              "        save: {token: json .token}\n"
                              "      - name: api\n"
                              "        get: $AT/users\n"
                              "        headers: {Authorization: \"Bearer {{token}}\"}\n"
                              "        expect: status == 200\n";

TEST(run_carries_tokens_cookies_and_secrets_through_a_journey)
{
    struct world w;
    world_start(&w, journey);
    CHECK_INT(w.set->list[0].every_ns, 300 * NS_S);
    struct run r = run_first(&w);
    CHECK_STR(r.error, "");
    CHECK(r.ok);
    CHECK_INT(r.step_count, 3);
    CHECK_INT(r.steps[2].status, 200);
    CHECK(r.steps[0].total_ns > 0 && r.steps[0].first_byte_ns > 0);
    CHECK_INT(seen_traceparent.len, 55);
    CHECK(slice_starts(seen_traceparent, SLICE("00-")));
    world_stop(&w);
}

TEST(run_stops_at_the_first_step_that_fails_and_says_why)
{
    struct world w;
    world_start(&w, "checks: [{name: a, steps: [{get: $AT/, expect: status == 200}, {name: bad, get: $AT/broken}, {name: later, get: $AT/}]}]");
    struct run r = run_first(&w);
    CHECK(!r.ok);
    CHECK_STR(r.failed_step, "bad");
    CHECK_STR(r.error, "expected status 200 to 299, found 500");
    CHECK(r.steps[1].ran && !r.steps[1].ok);
    CHECK(!r.steps[2].ran);
    world_stop(&w);
}

TEST(run_follows_redirects_and_gives_up_a_loop)
{
    struct world w;
    world_start(&w, "checks: [{name: a, steps: [{get: $AT/moved}, {get: $AT/loop}]}]");
    struct run r = run_first(&w);
    CHECK(r.steps[0].ok);
    CHECK_INT(r.steps[0].redirects, 1);
    CHECK(!r.steps[1].ok);
    CHECK(slice_starts(r.error, SLICE("more than 10 redirects")));
    world_stop(&w);
}

TEST(run_tells_no_secret_in_an_error_and_names_what_is_not_set)
{
    struct world w;
    world_start(&w, "checks:\n"
                    "  - {name: a, steps: [{get: 'http://127.0.0.1:1/?p=${PASSWORD}'}]}\n"
                    "  - {name: b, steps: [{get: '$AT/${OTHER}'}]}\n");
    struct run r = run_first(&w);
    CHECK(!r.ok);
    CHECK(!slice_contains(r.error, SLICE("test\"123")));
    CHECK(slice_contains(r.error, SLICE("***")));
    CHECK_STR(r.steps[0].url, "http://127.0.0.1:1/?p=${PASSWORD}");
    run_check(&w.env, &w.set->list[1], SLICE("local"), w.a, &r);
    CHECK_STR(r.error, "${OTHER} is not set in the environment");
    world_stop(&w);
}

TEST(run_written_as_json_reads_back_equal)
{
    struct world w;
    struct buf one, two;
    struct json_value v;
    struct run again;
    struct err err;
    world_start(&w, journey);
    struct run r = run_first(&w);
    struct json_parser *p = json_parser_new();
    buf_init(&one, 0);
    buf_init(&two, 0);
    run_write(&r, &one);
    CHECK_INT(json_parse(p, buf_as_slice(&one), &v, &err), ST_OK);
    CHECK_INT(run_read(v, w.a, &again, &err), ST_OK);
    run_write(&again, &two);
    CHECK(slice_eq(buf_as_slice(&one), buf_as_slice(&two)));
    CHECK_INT(again.start_ns, r.start_ns);
    CHECK_INT(again.steps[0].total_ns, r.steps[0].total_ns);
    CHECK_INT(json_parse(p, SLICE("{\"id\":\"00\"}"), &v, &err), ST_OK);
    CHECK_INT(run_read(v, w.a, &again, &err), ST_INVALID);
    CHECK_STR(slice_str(err.text), "a run: member \"id\" is missing or wrong");
    buf_free(&one);
    buf_free(&two);
    json_parser_free(p);
    world_stop(&w);
}

TEST(run_becomes_samples_a_line_and_a_trace)
{
    struct world w;
    world_start(&w, journey);
    struct run r = run_first(&w);
    struct batch *b = batch_new(0);
    size_t success = 0, lines = 0, spans = 0;
    run_put_samples(&r, 1000, b);
    run_put_events(&r, b);
    for (size_t i = 0; i < b->series_count; i++)
        if (slice_eq(labels_get(b->series[i].labels, SLICE("__name__")), SLICE("probe_success"))) {
            success++;
            CHECK_STR(labels_get(b->series[i].labels, SLICE("location")), "local");
            CHECK(b->samples[b->series[i].first].v == 1);
        }
    for (size_t i = 0; i < b->event_count; i++) {
        lines += b->events[i].kind == EVENT_LOG;
        spans += b->events[i].kind == EVENT_SPAN;
        CHECK(memcmp(b->events[i].trace_id, r.trace_id, 16) == 0);
    }
    CHECK_INT(success, 3);
    CHECK_INT(lines, 1);
    CHECK(spans >= 4 + 3);
    batch_drop(b);
    world_stop(&w);
}

TEST(check_set_for_an_agent_reads_back_and_has_only_its_checks)
{
    struct world w;
    struct buf text, warnings, again;
    struct yaml_node *root;
    struct check_set *set;
    struct err err;
    world_start(&w, "checks:\n"
                    "  - {name: a, locations: [berlin, local], every: 90s, steps: [{post: $AT/x, json: {n: 1, t: \"1\", b: true, "
                    "e: , s: 'q\"\\'}}]}\n"
                    "  - {name: b, steps: [{get: $AT/}]}\n");
    buf_init(&text, 0);
    buf_init(&warnings, 0);
    buf_init(&again, 0);
    check_set_write(w.set, SLICE("berlin"), &text);
    if (yaml_parse(w.a, SLICE("x"), buf_as_slice(&text), &root, &err) || check_config_read(w.a, root, &set, &warnings, &err))
        unit_fail(__FILE__, __LINE__, err.text);
    CHECK_INT(set->count, 1);
    CHECK_INT(set->list[0].every_ns, 90 * NS_S);
    yaml_write_json(set->list[0].steps[0].json, NULL, NULL, &again);
    CHECK_STR(buf_as_slice(&again), "{\"n\":1,\"t\":\"1\",\"b\":true,\"e\":null,\"s\":\"q\\\"\\\\\"}");
    buf_free(&text);
    buf_free(&warnings);
    buf_free(&again);
    world_stop(&w);
}

static void check_refused(const char *yaml, const char *want)
{
    struct arena *a = arena_new(0);
    struct yaml_node *root;
    struct check_set *set;
    struct buf warnings;
    struct err err;
    buf_init(&warnings, 0);
    CHECK_INT(yaml_parse(a, SLICE("c.yml"), slice_str(yaml), &root, &err), ST_OK);
    CHECK_INT(check_config_read(a, root, &set, &warnings, &err), ST_INVALID);
    CHECK_STR(slice_str(err.text), want);
    buf_free(&warnings);
    arena_free(a);
}

TEST(check_config_names_file_and_line_of_what_is_wrong)
{
    check_refused("checks:\n- name: a\n  steps:\n  - get: http://x/\n    expect:\n    - status == 200\n    - latncy < 2s\n",
                  "c.yml:7: condition \"latncy < 2s\": column 1: expected what is to be looked at, "
                  "found \"latncy < 2s\"; allowed: status, latency, dns, "
                  "connect, tls, request, first_byte, transfer, body, header NAME, json .PATH, certificate days");
    check_refused("checks:\n- name: a\n  step: []\n", "c.yml:3: unknown key \"step\"; did you mean \"steps\"?");
    check_refused("checks:\n- name: a\n  steps:\n  - name: x\n",
                  "c.yml:4: a step has exactly one URL, found 0: write get: URL, post: URL, ..., or url: URL and method: NAME");
    check_refused("checks:\n- {name: a, steps: [{get: 'ftp://x'}]}\n", "c.yml:2: url \"ftp://x\": expected http:// or https://");
    check_refused("checks:\n- {name: a, every: 10ms, steps: [{get: 'http://x'}]}\n", "c.yml:2: every: allowed are 1s to 1d");
    check_refused("checks:\n- {name: a, steps: [{get: 'http://x'}]}\n- {name: a, steps: [{get: 'http://x'}]}\n",
                  "c.yml:3: two checks have the name \"a\"");
}

struct counted {
    atomic_int runs;
};

static void count_run(void *arg, const struct run *r)
{
    atomic_fetch_add(&((struct counted *)arg)->runs, 1);
}

TEST(prober_runs_at_once_on_request_and_takes_a_new_set)
{
    struct world w;
    struct prober *p;
    struct prober_stats stats;
    struct run r;
    struct err err;
    struct counted counted = { 0 };
    static const struct check_set none;
    world_start(&w, "checks: [{name: a, locations: [berlin], every: 1d, steps: [{get: $AT/}]}]");
    struct prober_options opt = { .env = w.env, .location = SLICE("local"), .arg = &counted, .done = count_run };
    CHECK_INT(prober_start(&p, &opt, w.set, &err), ST_OK);
    CHECK_INT(prober_run_now(p, SLICE("a"), w.a, &r, &err), ST_OK);
    CHECK(r.ok);
    CHECK_INT(prober_run_now(p, SLICE("b"), w.a, &r, &err), ST_NOT_FOUND);
    CHECK_INT(prober_reload(p, &none, &err), ST_OK);
    prober_settle(p);
    CHECK_INT(prober_run_now(p, SLICE("a"), w.a, &r, &err), ST_NOT_FOUND);
    prober_stats(p, &stats);
    CHECK_INT(stats.ok, 1);
    CHECK_INT(stats.checks, 0);
    CHECK_INT(atomic_load(&counted.runs), 1);
    prober_stop(p);
    world_stop(&w);
}

static int64_t two_days_ago(void *arg, struct slice check)
{
    return clock_wall_ns(clock_real()) - 48 * 3600 * NS_S;
}

TEST(prober_counts_what_was_missed_while_it_was_not_running)
{
    struct world w;
    struct prober *p;
    struct prober_stats stats;
    struct err err;
    struct counted counted = { 0 };
    world_start(&w, "checks: [{name: a, every: 1d, steps: [{get: $AT/}]}]");
    struct prober_options opt = { .env = w.env, .location = SLICE("local"), .arg = &counted, .done = count_run, .last_start_ns = two_days_ago };
    CHECK_INT(prober_start(&p, &opt, w.set, &err), ST_OK);
    prober_stats(p, &stats);
    CHECK_INT(stats.missed, 2);
    prober_stop(p);
    world_stop(&w);
}

TEST(blackbox_page_tells_of_a_good_and_of_an_unreachable_target)
{
    struct world w;
    struct yaml_node *root;
    struct module_set *modules;
    struct buf page, warnings;
    struct err err;
    world_start(&w, "checks: []");
    buf_init(&page, 0);
    buf_init(&warnings, 0);
    struct slice text = SLICE("modules:\n  http_2xx: {prober: http, http: {proxy_url: 'http://p'}}\n  t: {prober: tcp}\n");
    CHECK_INT(yaml_parse(w.a, SLICE("b.yml"), text, &root, &err), ST_OK);
    CHECK_INT(module_config_read(w.a, root, &modules, &warnings, &err), ST_OK);
    CHECK_STR(buf_as_slice(&warnings), "b.yml:2: \"proxy_url\" is known but not served by this version\n"
                                       "b.yml:3: module \"t\": prober \"tcp\" is known but not served by this version\n");
    CHECK_INT(blackbox_probe(w.env.client, clock_real(), modules, SLICE_EMPTY, http_server_address(w.server), 0, &page, &err), ST_OK);
    CHECK(slice_contains(buf_as_slice(&page), SLICE("\nprobe_success 1\n")));
    CHECK(slice_contains(buf_as_slice(&page), SLICE("\nprobe_http_status_code 200\n")));
    CHECK(slice_contains(buf_as_slice(&page), SLICE("\nprobe_ip_protocol 4\n")));
    buf_reset(&page);
    CHECK_INT(blackbox_probe(w.env.client, clock_real(), modules, SLICE("http_2xx"), SLICE("127.0.0.1:1"), 0, &page, &err), ST_OK);
    CHECK(slice_contains(buf_as_slice(&page), SLICE("\nprobe_success 0\n")));
    CHECK_INT(blackbox_probe(w.env.client, clock_real(), modules, SLICE("nope"), SLICE("x"), 0, &page, &err), ST_INVALID);
    buf_free(&page);
    buf_free(&warnings);
    world_stop(&w);
}
