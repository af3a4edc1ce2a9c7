/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <unistd.h>

#include "base/unit.h"
#include "collect/collect.h"
#include "collect/relabel.h"
#include "collect/scrape_config.h"
#include "collect/scrape_round.h"
#include "net/http.h"
#include "sys/thread.h"

/* ---- relabelling: labels as text before, rules as YAML, labels as text after ("dropped") ---- */

static void check_relabel(const char *before, const char *rules, const char *after)
{
    struct arena *a = arena_new(0);
    struct err err = { 0 };
    struct yaml_node *root;
    struct relabel_rule *list;
    struct relabel *r;
    struct slice labels;
    size_t count;
    struct buf text;
    buf_init(&text, 0);
    CHECK_INT(yaml_parse(a, SLICE("t.yml"), slice_str(rules), &root, &err), ST_OK);
    CHECK_INT(relabel_read(a, root, SLICE("r"), &list, &count, &err), ST_OK);
    CHECK_INT(relabel_new(&r, list, count, &err), ST_OK);
    CHECK_INT(labels_parse(a, slice_str(before), &labels, &err), ST_OK);
    struct label_list l = label_list_new(a);
    label_list_add_all(&l, labels);
    if (relabel_run(r, &l)) {
        CHECK_INT(labels_build(a, l.list, l.count, &labels, &err), ST_OK);
        labels_format(labels, &text);
    } else {
        buf_slice(&text, SLICE("dropped"));
    }
    CHECK_STR(buf_as_slice(&text), after);
    buf_free(&text);
    relabel_free(r);
    arena_free(a);
}

TEST(relabel_replaces_by_the_groups_of_its_regex)
{
    check_relabel("{a=\"x1\",b=\"y\"}", "r: [{source_labels: [a, b], regex: \"x(.);(.*)\",target_label: c, replacement: \"${2}-$1\"}]",
                  "{a=\"x1\",b=\"y\",c=\"y-1\"}");
    check_relabel("{a=\"x\"}", "r: [{source_labels: [a], regex: no, target_label: c}]", "{a=\"x\"}");
    check_relabel("{a=\"x\"}", "r: [{source_labels: [a], target_label: a, replacement: \"\"}]", "{}");
}

TEST(relabel_keeps_and_drops)
{
    check_relabel("{a=\"x\"}", "r: [{source_labels: [a], regex: x|y, action: keep}]", "{a=\"x\"}");
    check_relabel("{a=\"xx\"}", "r: [{source_labels: [a], regex: x|y, action: keep}]", "dropped");
    check_relabel("{a=\"x\"}", "r: [{source_labels: [a], regex: x, action: drop}]", "dropped");
    check_relabel("{a=\"x\",b=\"x\"}", "r: [{source_labels: [a], target_label: b, action: keepequal}]", "{a=\"x\",b=\"x\"}");
    check_relabel("{a=\"x\",b=\"y\"}", "r: [{source_labels: [a], target_label: b, action: keepequal}]", "dropped");
    check_relabel("{a=\"x\",b=\"x\"}", "r: [{source_labels: [a], target_label: b, action: dropequal}]", "dropped");
}

TEST(relabel_hashes_as_md5_modulo)
{
    /* md5("foo") is acbd18db4cc2f85c edef654fccc4a4d8, of which the last eight bytes count. */
    check_relabel("{a=\"foo\"}", "r: [{source_labels: [a], target_label: h, modulus: 1000, action: hashmod}]", "{a=\"foo\",h=\"696\"}");
}

TEST(relabel_works_on_names)
{
    check_relabel("{m_a=\"1\",x=\"2\"}", "r: [{regex: m_(.+), action: labelmap}]", "{a=\"1\",m_a=\"1\",x=\"2\"}");
    check_relabel("{m_a=\"1\",x=\"2\"}", "r: [{regex: m_.+, action: labeldrop}]", "{x=\"2\"}");
    check_relabel("{m_a=\"1\",x=\"2\"}", "r: [{regex: m_.+, action: labelkeep}]", "{m_a=\"1\"}");
    check_relabel("{a=\"aB\"}", "r: [{source_labels: [a], target_label: l, action: lowercase}, {source_labels: [a], target_label: u,"
                  " action: uppercase}]",
                  "{a=\"aB\",l=\"ab\",u=\"AB\"}");
}

/* ---- configuration ---- */

static enum status config(struct arena *a, const char *text, struct scrape_set **set, struct buf *warnings, struct err *err)
{
    struct yaml_node *root;
    buf_init(warnings, 0);
    enum status st = yaml_parse(a, SLICE("/etc/prometheus/p.yml"), slice_str(text), &root, err);
    return st ? st : scrape_config_read(a, root, set, warnings, err);
}

static void check_refused(const char *text, const char *part)
{
    struct arena *a = arena_new(0);
    struct scrape_set *set;
    struct buf warnings;
    struct err err;
    CHECK_INT(config(a, text, &set, &warnings, &err), ST_INVALID);
    if (!slice_contains(slice_str(err.text), slice_str(part)))
        CHECK_STR(slice_str(err.text), part);
    buf_free(&warnings);
    arena_free(a);
}

TEST(scrape_config_names_line_and_suggestion)
{
    check_refused("scrape_configs:\n- job_name: a\n  scrape_intervall: 5s\n", "p.yml:3: ");
    check_refused("scrape_configs:\n- job_name: a\n  scrape_intervall: 5s\n", "scrape_interval");
    check_refused("scrape_configs:\n- job_name: a\n- job_name: a\n", "two jobs");
    check_refused("scrape_configs:\n- scheme: http\n", "job_name is missing");
    check_refused("scrape_configs:\n- job_name: a\n  scheme: ftp\n", "allowed are http and https");
    check_refused("scrape_configs:\n- job_name: a\n  static_configs: [{targets: [\"http://x/y\"]}]\n", "metrics_path");
    check_refused("scrape_configs:\n- job_name: a\n  relabel_configs: [{action: replaces}]\n", "replace");
    check_refused("scrape_configs:\n- job_name: a\n  relabel_configs: [{regex: \"(\",action: drop}]\n", "regex");
    check_refused("scrape_configs:\n- job_name: a\n  scrape_interval: 5s\n  scrape_timeout: 6s\n", "longer");
    check_refused("scrape_configs:\n- job_name: a\n  file_sd_configs: [{files: [x.txt]}]\n", ".json");
    check_refused("scrape_configs:\n- job_name: a\n  bearer_token: x\n  authorization: {credentials: y}\n", "at most one");
}

TEST(scrape_config_keeps_as_many_dropped_targets_as_the_job_or_global_says)
{
    struct arena *a = arena_new(0);
    struct scrape_set *set;
    struct buf warnings;
    struct err err;
    CHECK_INT(config(a, "global: {keep_dropped_targets: 7}\nscrape_configs:\n- job_name: a\n- job_name: b\n  keep_dropped_targets: 0\n", &set,
                     &warnings, &err), ST_OK);
    CHECK_INT(warnings.len, 0);
    CHECK_INT(set->jobs[0].limits.dropped, 7);
    CHECK_INT(set->jobs[1].limits.dropped, 0);
    check_refused("global: {keep_dropped_targets: -1}\n", "keep_dropped_targets");
    buf_free(&warnings);
    arena_free(a);
}

TEST(scrape_config_warns_of_what_is_known_but_not_served)
{
    struct arena *a = arena_new(0);
    struct scrape_set *set;
    struct buf warnings;
    struct err err;
    CHECK_INT(config(a, "global:\n  scrape_failure_log_file: q.log\nscrape_configs:\n- job_name: k\n  consul_sd_configs: [{server: x}]\n", &set,
                     &warnings, &err), ST_OK);
    CHECK(slice_contains(buf_as_slice(&warnings), SLICE("p.yml:2: \"scrape_failure_log_file\"")));
    CHECK(slice_contains(buf_as_slice(&warnings), SLICE("p.yml:5: \"consul_sd_configs\"")));
    CHECK_INT(scrape_set_jobs(set), 1);
    buf_free(&warnings);
    arena_free(a);
}

TEST(scrape_config_takes_defaults_from_global_and_paths_from_its_folder)
{
    struct arena *a = arena_new(0);
    struct scrape_set *set;
    struct buf warnings;
    struct err err;
    CHECK_INT(config(a, "global: {scrape_interval: 5s, sample_limit: 7}\nscrape_configs:\n- job_name: node-exporter\n"
                        "  basic_auth: {username: u, password_file: secret}\n  file_sd_configs: [{files: [t/*.json]}]\n"
                        "  static_configs: [{targets: ['localhost:9100']}]\n- job_name: docker\n  static_configs: [{targets: ['localhost:9323']}]\n",
                     &set, &warnings, &err), ST_OK);
    CHECK_INT(scrape_set_jobs(set), 2);
    CHECK_INT(set->jobs[0].interval_ns, 5 * NS_S);
    CHECK_INT(set->jobs[0].timeout_ns, 5 * NS_S);
    CHECK_INT(set->jobs[0].limits.samples, 7);
    CHECK_STR(set->jobs[0].http.password_file, "/etc/prometheus/secret");
    CHECK_STR(set->jobs[0].file_sds[0].files[0], "/etc/prometheus/t/*.json");
    CHECK_STR(set->jobs[1].groups[0].addresses[0], "localhost:9323");
    CHECK_INT(warnings.len, 0);
    buf_free(&warnings);
    arena_free(a);
}

/* ---- pages ---- */

/* Every sample as "labels value@time" lines, in the batch's order. */
static void batch_text(const struct batch *b, struct buf *out)
{
    for (size_t i = 0; i < b->series_count; i++) {
        const struct sample *s = &b->samples[b->series[i].first];
        labels_format(b->series[i].labels, out);
        if (is_stale(s->v))
            buf_printf(out, " stale@%lld\n", (long long)s->t_ms);
        else
            buf_printf(out, " %g@%lld\n", s->v, (long long)s->t_ms);
    }
}

static void check_batch(struct batch *b, const char *want)
{
    struct buf text;
    buf_init(&text, 0);
    batch_text(b, &text);
    CHECK_STR(buf_as_slice(&text), want);
    buf_free(&text);
    batch_drop(b);
}

TEST(scrape_page_gives_samples_with_extra_labels_and_metadata)
{
    struct batch *b = batch_new(0);
    struct label extra[] = { { SLICE("job"), SLICE("stoa") } };
    struct err err;
    CHECK_INT(scrape_page_read(SLICE("# HELP a_total Things.\n# TYPE a_total counter\na_total{x=\"1\"} 2\nb 3 77\n"), SLICE("text/plain"),
                   5, extra, 1,
                               b, &err), ST_OK);
    CHECK_INT(b->metadata_count, 1);
    CHECK_STR(b->metadata[0].help, "Things.");
    CHECK_INT(b->metadata[0].type, METRIC_COUNTER);
    check_batch(b, "a_total{job=\"stoa\",x=\"1\"} 2@5\nb{job=\"stoa\"} 3@77\n");
}

struct page_rig {
    struct scrape_job job;
    struct relabel *rules;
    struct scrape_memory *memory;
    struct arena *arena;
    struct slice labels;
};

static void rig_start(struct page_rig *r)
{
    struct err err;
    *r = (struct page_rig){ .job = { .honor_timestamps = true }, .memory = scrape_memory_new(), .arena = arena_new(0) };
    CHECK_INT(relabel_new(&r->rules, NULL, 0, &err), ST_OK);
    CHECK_INT(labels_parse(r->arena, SLICE("{job=\"j\"}"), &r->labels, &err), ST_OK);
}

static void rig_end(struct page_rig *r)
{
    scrape_memory_free(r->memory);
    relabel_free(r->rules);
    arena_free(r->arena);
}

static enum status rig_page(struct page_rig *r, const char *text, int64_t t_ms, struct batch **out, struct scrape_counts *counts, struct err *err)
{
    *out = batch_new(0);
    struct scrape_page page = { &r->job, r->rules, r->labels, slice_str(text), SLICE("text/plain"), t_ms, NULL, NULL, NULL };
    return scrape_round(r->memory, &page, *out, counts, err);
}

TEST(scrape_marks_series_that_vanish_and_come_back)
{
    struct page_rig r;
    struct batch *b;
    struct scrape_counts c;
    struct err err;
    rig_start(&r);
    CHECK_INT(rig_page(&r, "a 1\nb 2\n", 10, &b, &c, &err), ST_OK);
    CHECK_INT(c.added, 2);
    check_batch(b, "a{job=\"j\"} 1@10\nb{job=\"j\"} 2@10\n");
    CHECK_INT(rig_page(&r, "a 1\n", 20, &b, &c, &err), ST_OK);
    CHECK_INT(c.added, 0);
    check_batch(b, "a{job=\"j\"} 1@20\nb{job=\"j\"} stale@20\n");
    CHECK_INT(rig_page(&r, "a 1\n", 30, &b, &c, &err), ST_OK);
    check_batch(b, "a{job=\"j\"} 1@30\n");
    CHECK_INT(rig_page(&r, "a 1\nb 3\n", 40, &b, &c, &err), ST_OK);
    CHECK_INT(c.added, 1);
    check_batch(b, "a{job=\"j\"} 1@40\nb{job=\"j\"} 3@40\n");
    rig_end(&r);
}

TEST(scrape_writes_bounds_and_quantiles_in_one_way_whatever_the_page_does)
{
    struct page_rig r;
    struct scrape_counts counts;
    struct batch *b;
    struct err err;
    rig_start(&r);
    CHECK_INT(rig_page(&r, "# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"2.50\"} 1\nh_bucket{le=\"+Inf\"} 1\n"
                           "# TYPE s summary\ns{quantile=\"1\"} 2\ns{quantile=\"0.5\"} 1\n"
                           "# TYPE g gauge\ng{le=\"1\",quantile=\"1\"} 3\n", 1000, &b, &counts, &err), ST_OK);
    check_batch(b, "h_bucket{job=\"j\",le=\"1.0\"} 1@1000\nh_bucket{job=\"j\",le=\"2.5\"} 1@1000\n"
                   "h_bucket{job=\"j\",le=\"+Inf\"} 1@1000\ns{job=\"j\",quantile=\"1.0\"} 2@1000\n"
                   "s{job=\"j\",quantile=\"0.5\"} 1@1000\ng{job=\"j\",le=\"1\",quantile=\"1\"} 3@1000\n");
    rig_end(&r);
}

TEST(scrape_ends_every_series_when_a_page_fails_half_way)
{
    struct page_rig r;
    struct batch *b;
    struct scrape_counts c;
    struct err err;
    rig_start(&r);
    CHECK_INT(rig_page(&r, "a 1\n", 10, &b, &c, &err), ST_OK);
    batch_drop(b);
    CHECK_INT(rig_page(&r, "a 1\n!\n", 20, &b, &c, &err), ST_INVALID);
    CHECK_INT(b->sample_count, 0);
    scrape_round_failed(r.memory, 20, b);
    check_batch(b, "a{job=\"j\"} stale@20\n");
    rig_end(&r);
}

TEST(scrape_renames_labels_that_clash_unless_they_are_honored)
{
    struct page_rig r;
    struct batch *b;
    struct scrape_counts c;
    struct err err;
    rig_start(&r);
    CHECK_INT(rig_page(&r, "a{job=\"x\"} 1 5\n", 10, &b, &c, &err), ST_OK);
    check_batch(b, "a{exported_job=\"x\",job=\"j\"} 1@5\n");
    rig_end(&r);
    rig_start(&r);
    r.job.honor_labels = true;
    r.job.honor_timestamps = false;
    CHECK_INT(rig_page(&r, "a{job=\"x\"} 1 5\n", 10, &b, &c, &err), ST_OK);
    check_batch(b, "a{job=\"x\"} 1@10\n");
    rig_end(&r);
}

TEST(scrape_refuses_a_page_over_its_limits)
{
    struct page_rig r;
    struct batch *b;
    struct scrape_counts c;
    struct err err;
    rig_start(&r);
    r.job.limits.samples = 1;
    CHECK_INT(rig_page(&r, "a 1\nb 2\n", 10, &b, &c, &err), ST_LIMIT);
    batch_drop(b);
    CHECK(slice_contains(slice_str(err.text), SLICE("sample_limit is 1")));
    CHECK_INT(c.scraped, 2);
    r.job.limits = (struct scrape_limits){ .label_value_bytes = 3 };
    CHECK_INT(rig_page(&r, "a{x=\"long\"} 1\n", 10, &b, &c, &err), ST_LIMIT);
    batch_drop(b);
    rig_end(&r);
}

TEST(scrape_remembers_no_more_when_every_page_fails_with_other_series)
{
    enum { LINES = 500, PAGES = 60 };
    struct page_rig r;
    struct scrape_counts c;
    struct err err;
    struct buf text;
    size_t early = 0;
    rig_start(&r);
    buf_init(&text, 0);
    for (int page = 0; page < PAGES; page++) {
        struct batch *b;
        buf_reset(&text);
        for (int i = 0; i < LINES; i++)
            buf_printf(&text, "a{id=\"%d\"} 1\n", page * LINES + i);
        buf_printf(&text, "!\n%c", 0);
        CHECK_INT(rig_page(&r, text.ptr, 10 + page, &b, &c, &err), ST_INVALID);
        scrape_round_failed(r.memory, 10 + page, b);
        batch_drop(b);
        early = page == PAGES / 4 ? scrape_memory_bytes(r.memory) : early;
    }
    CHECK(scrape_memory_bytes(r.memory) <= 2 * early);
    buf_free(&text);
    rig_end(&r);
}

TEST(scrape_with_new_rules_holds_no_more_memory_and_still_ends_what_is_gone)
{
    struct page_rig r;
    struct batch *b;
    struct scrape_counts c;
    struct err err;
    rig_start(&r);
    CHECK_INT(rig_page(&r, "a 1\nb 2\n", 10, &b, &c, &err), ST_OK);
    batch_drop(b);
    size_t before = scrape_memory_bytes(r.memory);
    for (int i = 0; i < 2000; i++) {
        scrape_memory_new_rules(r.memory);
        CHECK_INT(rig_page(&r, "a 1\nb 2\n", 20 + i, &b, &c, &err), ST_OK);
        CHECK_INT(c.added, 0);
        batch_drop(b);
    }
    CHECK(scrape_memory_bytes(r.memory) <= 2 * before);
    scrape_memory_new_rules(r.memory);
    CHECK_INT(rig_page(&r, "a 1\n", 5000, &b, &c, &err), ST_OK);
    check_batch(b, "a{job=\"j\"} 1@5000\nb{job=\"j\"} stale@5000\n");
    rig_end(&r);
}

/* ---- the scraper against a server ---- */

struct server_rig {
    struct mutex lock;
    struct cond changed;
    const char *page; /* NULL: 500 */
    struct buf text;  /* of all that was appended */
    struct http_server *http;
    struct http_route route;
    struct budget budget;
    struct collect_env env;
    struct log log;
    const struct scrape_set *unused; /* the last one that the scraper said so of */
};

static void serve(void *user, struct http_exchange *x)
{
    struct server_rig *r = user;
    mutex_lock(&r->lock);
    const char *page = r->page;
    mutex_unlock(&r->lock);
    http_reply(x, page ? 200 : 500, SLICE("text/plain; version=0.0.4"), slice_str(page));
}

static const struct http_route *route(void *user, struct http_exchange *x)
{
    return &((struct server_rig *)user)->route;
}

static enum status on_append(void *arg, struct batch *b, struct err *err)
{
    struct server_rig *r = arg;
    mutex_lock(&r->lock);
    batch_text(b, &r->text);
    cond_broadcast(&r->changed);
    mutex_unlock(&r->lock);
    batch_drop(b);
    return ST_OK;
}

static void on_set_unused(void *arg, const struct scrape_set *set)
{
    struct server_rig *r = arg;
    mutex_lock(&r->lock);
    r->unused = set;
    cond_broadcast(&r->changed);
    mutex_unlock(&r->lock);
}

static void await_unused(struct server_rig *r, const struct scrape_set *set)
{
    mutex_lock(&r->lock);
    while (r->unused != set)
        cond_wait(&r->changed, &r->lock);
    mutex_unlock(&r->lock);
}

static void on_done(void *arg, const char *job, int64_t start_wall_ns, int64_t ns, enum status st, const char *error)
{
}

static void server_rig_start(struct server_rig *r)
{
    struct err err;
    *r = (struct server_rig){ .page = "a 1\nb 2\n", .budget = { .name = "t", .max = MIB }, .log = { .clock = clock_real(), .fd = -1 } };
    mutex_init(&r->lock);
    cond_init(&r->changed);
    buf_init(&r->text, 0);
    r->route = (struct http_route){ ROUTE_ON_LOOP, 0, serve, r };
    struct http_options opt = { .address = SLICE("127.0.0.1:0"), .loops = 1, .workers = 1, .in_flight = &r->budget,
                                .route = route, .user = r };
    CHECK_INT(http_server_start(&r->http, &opt, &err), ST_OK);
    r->env = (struct collect_env){ .clock = clock_real(), .fs = fs_real(), .log = &r->log, .instance = SLICE("h"), .arg = r,
                                   .append = on_append, .job_done = on_done, .set_unused = on_set_unused };
    CHECK_INT(http_client_new(&r->env.client, &err), ST_OK);
}

static void server_rig_end(struct server_rig *r)
{
    http_server_stop(r->http, 0);
    http_client_free(r->env.client);
    buf_free(&r->text);
    mutex_destroy(&r->lock);
    cond_destroy(&r->changed);
}

/* Waits until something appended holds part, then forgets what came so far. The test runner's time limit ends a wait in vain. */
static void await(struct server_rig *r, const char *part)
{
    mutex_lock(&r->lock);
    while (!slice_contains(buf_as_slice(&r->text), slice_str(part)))
        cond_wait(&r->changed, &r->lock);
    buf_reset(&r->text);
    mutex_unlock(&r->lock);
}

static void set_page(struct server_rig *r, const char *page)
{
    mutex_lock(&r->lock);
    r->page = page;
    mutex_unlock(&r->lock);
}

TEST(scraper_scrapes_marks_fails_and_removes)
{
    struct server_rig r;
    struct scraper *s;
    struct scrape_set *set, *none;
    struct buf warnings;
    struct err err;
    struct arena *a = arena_new(0);
    server_rig_start(&r);
    struct slice text = arena_printf(a, "scrape_configs: [{job_name: j, scrape_interval: 100ms, static_configs: [{targets: [\"%.*s\"]}],"
                                        " relabel_configs: [{target_label: instance, replacement: i}]}]",
                                     SLICE_FMT(http_server_address(r.http)));
    CHECK_INT(config(a, text.ptr, &set, &warnings, &err), ST_OK);
    CHECK_INT(config(a, "scrape_configs: []", &none, &warnings, &err), ST_OK);
    CHECK_INT(scraper_start(&s, &r.env, set, &err), ST_OK);
    await(&r, "b{instance=\"i\",job=\"j\"} 2@");
    await(&r, "up{instance=\"i\",job=\"j\"} 1@");
    set_page(&r, "a 1\n");
    await(&r, "b{instance=\"i\",job=\"j\"} stale@");
    set_page(&r, NULL);
    await(&r, "a{instance=\"i\",job=\"j\"} stale@");
    await(&r, "up{instance=\"i\",job=\"j\"} 0@");
    struct scrape_target *targets;
    size_t count;
    scraper_targets(s, a, &targets, &count);
    CHECK_INT(count, 1);
    CHECK_INT(targets[0].health, 2);
    CHECK_STR(targets[0].last_error, "server returned HTTP status 500");
    CHECK_INT(scraper_reload(s, none, &err), ST_OK);
    await(&r, "up{instance=\"i\",job=\"j\"} stale@");
    await_unused(&r, set);
    scraper_stop(s);
    server_rig_end(&r);
    arena_free(a);
}

TEST(scraper_counts_what_relabelling_drops_and_keeps_as_much_of_it_as_asked)
{
    struct server_rig r;
    struct scraper *s;
    struct scrape_set *set;
    struct scrape_pool *pools;
    struct buf warnings;
    struct err err;
    size_t count;
    struct arena *a = arena_new(0);
    server_rig_start(&r);
    CHECK_INT(config(a, "global: {keep_dropped_targets: 1}\nscrape_configs:\n"
                        "- {job_name: z, static_configs: [{targets: [a, b, c]}], relabel_configs: [{action: drop}]}\n"
                        "- {job_name: k, keep_dropped_targets: 0, static_configs: [{targets: [a, b, c]}], relabel_configs: [{action: drop}]}\n",
                     &set, &warnings, &err), ST_OK);
    CHECK_INT(scraper_start(&s, &r.env, set, &err), ST_OK);
    scraper_pools(s, a, &pools, &count);
    CHECK_INT(count, 2);
    CHECK_STR(pools[0].name, "k");
    CHECK_INT(pools[0].dropped_count, 3);
    CHECK_INT(pools[0].kept_count, 3);
    CHECK_INT(pools[1].dropped_count, 3);
    CHECK_INT(pools[1].kept_count, 1);
    CHECK_STR(labels_get(pools[1].dropped[0], SLICE("__address__")), "a");
    CHECK_STR(labels_get(pools[1].dropped[0], SLICE("job")), "z");
    scraper_stop(s);
    server_rig_end(&r);
    arena_free(a);
}

TEST(scraper_gives_back_the_set_before_though_its_targets_go_on)
{
    struct server_rig r;
    struct scraper *s;
    struct scrape_set *sets[2];
    struct buf warnings;
    struct err err;
    struct arena *a = arena_new(0);
    server_rig_start(&r);
    struct slice text = arena_printf(a, "scrape_configs: [{job_name: j, scrape_interval: 50ms, static_configs: [{targets: [\"%.*s\"]}]}]",
                                     SLICE_FMT(http_server_address(r.http)));
    for (size_t i = 0; i < COUNT_OF(sets); i++)
        CHECK_INT(config(a, text.ptr, &sets[i], &warnings, &err), ST_OK);
    CHECK_INT(scraper_start(&s, &r.env, sets[0], &err), ST_OK);
    for (size_t i = 1; i < 100; i++) {
        CHECK_INT(scraper_reload(s, sets[i % 2], &err), ST_OK);
        await_unused(&r, sets[(i + 1) % 2]);
    }
    await(&r, "up{");
    CHECK(!slice_contains(buf_as_slice(&r.text), SLICE("stale")));
    scraper_stop(s);
    server_rig_end(&r);
    arena_free(a);
}

TEST(scraper_reads_targets_from_files_again_when_they_change)
{
    struct server_rig r;
    struct scraper *s;
    struct scrape_set *set;
    struct buf warnings;
    struct err err;
    struct arena *a = arena_new(0);
    server_rig_start(&r);
    struct slice address = http_server_address(r.http), file = arena_printf(a, "%s/t.json", unit_dir());
    struct slice content = arena_printf(a, "[{\"targets\": [\"%.*s\"], \"labels\": {\"env\": \"x\"}}]", SLICE_FMT(address));
    CHECK_INT(fs_replace(fs_real(), file.ptr, content, &err), ST_OK);
    struct slice text = arena_printf(a, "scrape_configs: [{job_name: j, scrape_interval: 50ms, file_sd_configs: [{files: [\"%s/*.json\"]}],"
                                        " relabel_configs: [{source_labels: [__meta_filepath], regex: \".*/(.*)\",target_label: instance}]}]",
                                     unit_dir());
    CHECK_INT(config(a, text.ptr, &set, &warnings, &err), ST_OK);
    CHECK_INT(scraper_start(&s, &r.env, set, &err), ST_OK);
    await(&r, "a{env=\"x\",instance=\"t.json\",job=\"j\"} 1@");
    CHECK_INT(fs_unlink(fs_real(), file.ptr, &err), ST_OK);
    await(&r, "up{env=\"x\",instance=\"t.json\",job=\"j\"} stale@");
    scraper_stop(s);
    server_rig_end(&r);
    arena_free(a);
}

TEST(a_start_after_the_last_sample_is_a_sample_of_0)
{
    static const struct {
        const char *value;
        double start;
        const char *want; /* the first sample */
        size_t samples;
    } rows[] = {
        { "3", 5, "c_total{job=\"j\"} 0@5000\n", 2 },
        { "4", 5, "c_total{job=\"j\"} 4@20000\n", 1 },    /* known */
        { "1", 24.5, "c_total{job=\"j\"} 0@24500\n", 2 }, /* it began anew */
        { "2", 30, "c_total{job=\"j\"} 2@40000\n", 1 },   /* there is a sample */
        { "2", 60, "c_total{job=\"j\"} 2@50000\n", 1 },   /* in the future */
    };
    struct page_rig r;
    rig_start(&r);
    r.job.start_zero = r.job.source.starts = true;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct batch *b = batch_new(0);
        struct scrape_counts counts;
        struct err err;
        struct slice text = arena_printf(b->arena, "# TYPE c counter\nc_total %s\nc_created %g\n# EOF\n", rows[i].value, rows[i].start);
        struct scrape_page page = { &r.job, r.rules, r.labels, text, SLICE("application/openmetrics-text"), (int64_t)(i + 1) * 10000, NULL, NULL,
                                    NULL };
        CHECK_INT(scrape_round(r.memory, &page, b, &counts, &err), ST_OK);
        CHECK_INT(counts.scraped, 1);
        CHECK_INT(b->sample_count, rows[i].samples);
        check_batch(b, rows[i].want);
    }
    rig_end(&r);
}
