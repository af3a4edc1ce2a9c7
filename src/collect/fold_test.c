/* SPDX-License-Identifier: Apache-2.0 */
#include "base/unit.h"
#include "collect/fold.h"
#include "collect/scrape_round.h"
#include "model/exemplar.h"
#include "pipeline/firewall.h"

/* A target whose pages are folded, and what of each page would be stored, as text: samples, then exemplars. */
struct rig {
    struct scrape_job job;
    struct relabel *rules;
    struct scrape_memory *memory;
    struct fold *fold;
    struct arena *arena;
    struct slice labels;
    int64_t t_ms;
    struct firewall *firewall; /* NULL: nothing is limited */
};

static void rig_start(struct rig *r)
{
    struct err err;
    *r = (struct rig){ .job = { .honor_timestamps = true }, .memory = scrape_memory_new(), .fold = fold_new(), .arena = arena_new(0),
                       .t_ms = 1000000 };
    CHECK_INT(relabel_new(&r->rules, NULL, 0, &err), ST_OK);
    CHECK_INT(labels_parse(r->arena, SLICE("{instance=\"i\",job=\"j\"}"), &r->labels, &err), ST_OK);
}

static void rig_end(struct rig *r)
{
    scrape_memory_free(r->memory);
    relabel_free(r->rules);
    fold_free(r->fold);
    firewall_free(r->firewall);
    arena_free(r->arena);
}

static void put_batch(struct arena *a, const struct batch *b, struct buf *out)
{
    static const struct slice own[] = { SLICE_INIT("job"), SLICE_INIT("instance") };
    for (size_t i = 0; i < b->series_count; i++) {
        double v = b->samples[b->series[i].first].v;
        labels_format(labels_without(a, b->series[i].labels, own, COUNT_OF(own)), out);
        if (is_stale(v))
            buf_printf(out, " stale\n");
        else
            buf_printf(out, " %g\n", v);
    }
    for (size_t i = 0; i < b->event_count; i++) {
        buf_printf(out, "# ");
        labels_format(labels_without(a, b->events[i].stream, own, COUNT_OF(own)), out);
        buf_char(out, ' ');
        labels_format(exemplar_labels(a, &b->events[i]), out);
        buf_printf(out, " %g @%lld\n", exemplar_value(&b->events[i]), (long long)(b->events[i].time_ns / NS_MS));
    }
}

/* The next page, a second later. text "": the target does not answer. */
static void check_page(struct rig *r, const char *type, const char *text, const char *want)
{
    struct batch *b = batch_new(0);
    struct fold_rules *fold = fold_rules_take(r->fold);
    struct scrape_counts counts;
    struct err err = { 0 };
    struct buf out;
    buf_init(&out, 0);
    r->t_ms += 1000;
    struct scrape_page page = { &r->job, r->rules, r->labels, slice_str(text), slice_str(type), r->t_ms, fold, r->fold, r->firewall };
    if (text[0])
        CHECK_INT(scrape_round(r->memory, &page, b, &counts, &err), ST_OK);
    else
        scrape_round_failed(r->memory, r->t_ms, b);
    put_batch(r->arena, b, &out);
    CHECK_STR(buf_as_slice(&out), want);
    buf_free(&out);
    snap_drop(&fold->snap);
    batch_drop(b);
}

#define TEXT "text/plain"
#define OPEN "application/openmetrics-text"

TEST(fold_sums_a_counter_over_ids_and_keeps_the_new_ones_as_exemplars)
{
    struct rig r;
    rig_start(&r);
    check_page(&r, TEXT, "# TYPE c_total counter\nc_total{m=\"GET\",correlation_id=\"a\"} 1\nc_total{m=\"GET\",correlation_id=\"b\"} 2\n",
               "c_total{m=\"GET\"} 3\n# c_total{m=\"GET\"} {correlation_id=\"b\"} 2 @1001000\n"
               "# c_total{m=\"GET\"} {correlation_id=\"a\"} 1 @1001000\n");
    check_page(&r, TEXT,
               "# TYPE c_total counter\nc_total{m=\"GET\",correlation_id=\"a\"} 1\nc_total{m=\"GET\",correlation_id=\"b\"} 5\n"
               "c_total{m=\"PUT\",correlation_id=\"c\"} 1\n",
               "c_total{m=\"GET\"} 6\nc_total{m=\"PUT\"} 1\n# c_total{m=\"PUT\"} {correlation_id=\"c\"} 1 @1002000\n"
               "# c_total{m=\"GET\"} {correlation_id=\"b\"} 3 @1002000\n");
    rig_end(&r);
}

TEST(fold_adds_the_line_that_has_no_id)
{
    struct rig r;
    rig_start(&r);
    check_page(&r, TEXT, "# TYPE c_total counter\nc_total 10\nc_total{request_id=\"a\"} 1\n",
               "c_total 11\n# c_total {request_id=\"a\"} 1 @1001000\n");
    check_page(&r, TEXT, "# TYPE c_total counter\nc_total 12\nc_total{request_id=\"a\"} 1\n", "c_total 13\n");
    rig_end(&r);
}

TEST(fold_lets_no_counter_fall_when_lines_go_and_starts_anew_with_the_process)
{
    struct rig r;
    rig_start(&r);
    check_page(&r, TEXT, "# TYPE c_total counter\nc_total{request_id=\"a\"} 5\nc_total{request_id=\"b\"} 1\n",
               "c_total 6\n# c_total {request_id=\"b\"} 1 @1001000\n# c_total {request_id=\"a\"} 5 @1001000\n");
    check_page(&r, TEXT, "# TYPE c_total counter\nc_total{request_id=\"b\"} 1\n", "c_total 6\n"); /* a is gone */
    check_page(&r, TEXT, "# TYPE c_total counter\nc_total{request_id=\"b\"} 2\n", "c_total 7\n# c_total {request_id=\"b\"} 1 @1003000\n");
    check_page(&r, TEXT, "# TYPE c_total counter\nc_total{request_id=\"a\"} 5\nc_total{request_id=\"b\"} 2\n", "c_total 7\n"); /* a is back */
    /* Another process: none of the ids before, or one that fell. */
    check_page(&r, TEXT, "# TYPE c_total counter\nc_total{request_id=\"z\"} 1\n", "c_total 1\n# c_total {request_id=\"z\"} 1 @1005000\n");
    check_page(&r, TEXT, "# TYPE c_total counter\nc_total{request_id=\"z\"} 3\n", "c_total 3\n# c_total {request_id=\"z\"} 2 @1006000\n");
    check_page(&r, TEXT, "# TYPE c_total counter\nc_total{request_id=\"z\"} 1\n", "c_total 1\n# c_total {request_id=\"z\"} 1 @1007000\n");
    rig_end(&r);
}

TEST(fold_takes_nothing_from_a_page_that_broke_off)
{
    struct rig r;
    struct scrape_counts counts;
    struct err err = { 0 };
    rig_start(&r);
    check_page(&r, TEXT, "# TYPE c_total counter\nc_total{request_id=\"a\"} 5\nc_total{request_id=\"b\"} 1\n",
               "c_total 6\n# c_total {request_id=\"b\"} 1 @1001000\n# c_total {request_id=\"a\"} 5 @1001000\n");
    check_page(&r, TEXT, "# TYPE c_total counter\nc_total{request_id=\"b\"} 1\n", "c_total 6\n");
    struct batch *b = batch_new(0);
    struct fold_rules *fold = fold_rules_take(r.fold);
    struct scrape_page page = { &r.job, r.rules, r.labels, SLICE("c_total{request_id=\"b\"} 9\nc_total{request_id=\"z\"} 2\n!\n"), SLICE(TEXT),
                                r.t_ms, fold, r.fold, NULL };
    CHECK_INT(scrape_round(r.memory, &page, b, &counts, &err), ST_INVALID);
    CHECK_INT(batch_rows(b), 0);
    batch_drop(b);
    snap_drop(&fold->snap);
    check_page(&r, TEXT, "# TYPE c_total counter\nc_total{request_id=\"b\"} 1\n", "c_total 6\n");
    check_page(&r, TEXT, "# TYPE c_total counter\nc_total{request_id=\"b\"} 1\nc_total{request_id=\"z\"} 2\n",
               "c_total 8\n# c_total {request_id=\"z\"} 2 @1004000\n");
    rig_end(&r);
}

TEST(fold_sums_histograms_and_tells_the_observation)
{
    struct rig r;
    rig_start(&r);
    check_page(&r, TEXT,
               "# TYPE h histogram\nh_bucket{le=\"1\",trace_id=\"a\"} 0\n"
               "h_bucket{le=\"2\",trace_id=\"a\"} 1\nh_bucket{le=\"+Inf\",trace_id=\"a\"} 1\n"
               "h_count{trace_id=\"a\"} 1\nh_sum{trace_id=\"a\"} 1.5\n"
               "h_bucket{le=\"1\",trace_id=\"b\"} 1\nh_bucket{le=\"2\",trace_id=\"b\"} 1\nh_bucket{le=\"+Inf\",trace_id=\"b\"} 1\n"
               "h_count{trace_id=\"b\"} 1\nh_sum{trace_id=\"b\"} 0.25\n",
               "h_bucket{le=\"1.0\"} 1\nh_bucket{le=\"2.0\"} 2\nh_bucket{le=\"+Inf\"} 2\nh_count 2\nh_sum 1.75\n"
               "# h_bucket{le=\"1.0\"} {trace_id=\"b\"} 0.25 @1001000\n# h_bucket{le=\"2.0\"} {trace_id=\"a\"} 1.5 @1001000\n");
    rig_end(&r);
}

TEST(fold_takes_a_lines_type_from_its_own_family_alone)
{
    struct rig r;
    rig_start(&r);
    check_page(&r, TEXT, "# TYPE http gauge\nhttp_total{request_id=\"a\"} 1\nhttp_total{request_id=\"b\"} 1\n",
               "http_total 2\n# http_total {request_id=\"b\"} 1 @1001000\n# http_total {request_id=\"a\"} 1 @1001000\n");
    rig_end(&r);
}

TEST(fold_counts_series_and_not_lines_against_sample_limit)
{
    struct rig r;
    struct scrape_counts counts;
    struct err err = { 0 };
    rig_start(&r);
    r.job.limits.samples = 1;
    check_page(&r, TEXT, "c_total{request_id=\"a\"} 1\nc_total{request_id=\"b\"} 1\n",
               "c_total 2\n# c_total {request_id=\"b\"} 1 @1001000\n# c_total {request_id=\"a\"} 1 @1001000\n");
    struct batch *b = batch_new(0);
    struct fold_rules *fold = fold_rules_take(r.fold);
    struct scrape_page page = { &r.job, r.rules, r.labels,
                                SLICE("c_total{request_id=\"a\"} 1\nd_total{request_id=\"a\"} 1\nd_total{request_id=\"b\"} 1\n"),
                                SLICE(TEXT), r.t_ms + 1000, fold, r.fold, NULL };
    CHECK_INT(scrape_round(r.memory, &page, b, &counts, &err), ST_LIMIT);
    CHECK_INT(batch_rows(b), 0);
    batch_drop(b);
    snap_drop(&fold->snap);
    rig_end(&r);
}

TEST(fold_sums_a_summarys_count_and_sum)
{
    struct rig r;
    rig_start(&r);
    check_page(&r, TEXT, "# TYPE s summary\ns_count{request_id=\"a\"} 1\ns_sum{request_id=\"a\"} 2\n"
                         "s_count{request_id=\"b\"} 3\ns_sum{request_id=\"b\"} 4\n",
               "s_count 4\ns_sum 6\n# s_count {request_id=\"b\"} 3 @1001000\n# s_count {request_id=\"a\"} 1 @1001000\n");
    rig_end(&r);
}

TEST(fold_gives_a_gauge_the_value_that_changed_last_and_marks_it)
{
    struct rig r;
    rig_start(&r);
    check_page(&r, TEXT, "# TYPE g gauge\ng{request_id=\"a\"} 7\ng{request_id=\"b\"} 8\n",
               "g{folded=\"last\"} 8\n# g{folded=\"last\"} {request_id=\"b\"} 8 @1001000\n# g{folded=\"last\"} {request_id=\"a\"} 7 @1001000\n");
    check_page(&r, TEXT, "# TYPE g gauge\ng{request_id=\"a\"} 6\ng{request_id=\"b\"} 8\n",
               "g{folded=\"last\"} 6\n# g{folded=\"last\"} {request_id=\"a\"} 6 @1002000\n");
    check_page(&r, TEXT, "# TYPE g gauge\ng{request_id=\"a\"} 6\ng{request_id=\"b\"} 8\n", "g{folded=\"last\"} 6\n");
    rig_end(&r);
}

TEST(fold_takes_the_time_of_an_exemplar_from_the_lines_creation)
{
    struct rig r;
    rig_start(&r);
    check_page(&r, OPEN, "# TYPE c counter\nc_total{request_id=\"a\"} 1\nc_created{request_id=\"a\"} 1000.5\n"
                         "c_total{request_id=\"b\"} 1\nc_created{request_id=\"b\"} 1000.75\n# EOF\n",
               "c_total 2\nc_created 1000.5\n# c_total {request_id=\"b\"} 1 @1000750\n# c_total {request_id=\"a\"} 1 @1000500\n");
    rig_end(&r);
}

TEST(fold_ends_the_one_series_when_the_target_is_gone_and_goes_on_after)
{
    struct rig r;
    rig_start(&r);
    check_page(&r, TEXT, "# TYPE c_total counter\nc_total{request_id=\"a\"} 1\n", "c_total 1\n# c_total {request_id=\"a\"} 1 @1001000\n");
    check_page(&r, TEXT, "", "c_total stale\n");
    check_page(&r, TEXT, "# TYPE c_total counter\nc_total{request_id=\"a\"} 1\nc_total{request_id=\"b\"} 1\n",
               "c_total 2\n# c_total {request_id=\"b\"} 1 @1003000\n");
    check_page(&r, TEXT, "# TYPE d gauge\nd 1\n", "d 1\nc_total stale\n");
    rig_end(&r);
}

TEST(fold_leaves_the_targets_own_labels_and_lines_of_other_labels)
{
    struct rig r;
    struct err err;
    rig_start(&r);
    CHECK_INT(labels_parse(r.arena, SLICE("{request_id=\"fixed\"}"), &r.labels, &err), ST_OK);
    check_page(&r, TEXT, "c_total 1\nd_total{user=\"x\"} 1\nd_total{user=\"y\"} 1\n",
               "c_total{request_id=\"fixed\"} 1\nd_total{request_id=\"fixed\",user=\"x\"} 1\nd_total{request_id=\"fixed\",user=\"y\"} 1\n");
    rig_end(&r);
}

TEST(fold_off_keeps_every_series_and_a_switch_ends_what_was_before)
{
    static const struct slice names[] = { SLICE_INIT("cid") };
    struct rig r;
    rig_start(&r);
    fold_configure(r.fold, &(struct fold_config){ names, 1, false });
    check_page(&r, TEXT, "c_total{cid=\"a\"} 1\nc_total{cid=\"b\"} 1\n", "c_total{cid=\"a\"} 1\nc_total{cid=\"b\"} 1\n");
    fold_configure(r.fold, &(struct fold_config){ names, 1, true });
    check_page(&r, TEXT, "c_total{cid=\"a\"} 1\n", "c_total 1\nc_total{cid=\"a\"} stale\nc_total{cid=\"b\"} stale\n");
    check_page(&r, TEXT, "c_total{cid=\"a\"} 1\nc_total{cid=\"c\"} 1\n", "c_total 2\n# c_total {cid=\"c\"} 1 @1003000\n");
    rig_end(&r);
}

TEST(fold_goes_on_when_the_memory_is_rebuilt)
{
    struct rig r;
    struct buf page;
    rig_start(&r);
    buf_init(&page, 0);
    buf_printf(&page, "# TYPE c_total counter\nc_total{request_id=\"a\"} 5\nc_total{request_id=\"b\"} 1\n");
    for (int i = 0; i < 3000; i++)
        buf_printf(&page, "x{n=\"%d\"} 1\n", i);
    struct batch *b = batch_new(0);
    struct fold_rules *fold = fold_rules_take(r.fold);
    struct scrape_counts counts;
    struct err err = { 0 };
    struct scrape_page p = { &r.job, r.rules, r.labels, buf_as_slice(&page), SLICE(TEXT), r.t_ms, fold, r.fold, NULL };
    CHECK_INT(scrape_round(r.memory, &p, b, &counts, &err), ST_OK);
    batch_drop(b);
    b = batch_new(0);
    p.text = SLICE("# TYPE c_total counter\nc_total{request_id=\"b\"} 2\n"); /* a goes, and 3000 others: the memory is rebuilt */
    CHECK_INT(scrape_round(r.memory, &p, b, &counts, &err), ST_OK);
    CHECK_INT(b->samples[0].v, 7);
    batch_drop(b);
    snap_drop(&fold->snap);
    check_page(&r, TEXT, "# TYPE c_total counter\nc_total{request_id=\"b\"} 3\n", "c_total 8\n# c_total {request_id=\"b\"} 1 @1001000\n");
    buf_free(&page);
    rig_end(&r);
}

TEST(fold_reports_what_it_did)
{
    struct rig r;
    struct fold_report *list;
    size_t count;
    rig_start(&r);
    check_page(&r, TEXT, "# TYPE c_total counter\nc_total{request_id=\"a\"} 1\nc_total{request_id=\"b\"} 1\n",
               "c_total 2\n# c_total {request_id=\"b\"} 1 @1001000\n# c_total {request_id=\"a\"} 1 @1001000\n");
    fold_reports(r.fold, r.arena, &list, &count);
    CHECK_INT(count, 1);
    CHECK_STR(list[0].metric, "c_total");
    CHECK_STR(list[0].job, "j");
    CHECK_STR(list[0].labels, "request_id");
    CHECK_STR(list[0].how, "sum");
    CHECK_INT(list[0].series, 2);
    CHECK_INT(list[0].into, 1);
    CHECK_INT(list[0].exemplars, 2);
    CHECK_INT(list[0].since_ms, 1001000);
    rig_end(&r);
}

TEST(scrape_takes_openmetrics_exemplars_once)
{
    struct rig r;
    rig_start(&r);
    check_page(&r, OPEN, "# TYPE c counter\nc_total 1 # {trace_id=\"x\"} 0.5 1000.25\n# EOF\n",
               "c_total 1\n# c_total {trace_id=\"x\"} 0.5 @1000250\n");
    check_page(&r, OPEN, "# TYPE c counter\nc_total 1 # {trace_id=\"x\"} 0.5 1000.25\n# EOF\n", "c_total 1\n");
    check_page(&r, OPEN, "# TYPE c counter\nc_total 2 # {trace_id=\"y\"} 0.5 1002.25\n# EOF\n",
               "c_total 2\n# c_total {trace_id=\"y\"} 0.5 @1002250\n");
    rig_end(&r);
}

static enum status read_config(struct arena *a, const char *text, struct fold_config **out, struct err *err)
{
    struct yaml_node *root;
    enum status st = yaml_parse(a, SLICE("c.yml"), slice_str(text), &root, err);
    return st ? st : fold_config_read(a, root, out, NULL, err);
}

TEST(fold_configuration_has_defaults_and_refuses_what_tells_series_apart)
{
    struct arena *a = arena_new(0);
    struct fold_config *c = NULL;
    struct err err;
    CHECK_INT(read_config(a, "x: 1\n", &c, &err), ST_OK);
    CHECK(c->on && c->label_count == 5);
    CHECK_INT(read_config(a, "correlation: {labels: [cid], fold: false}\n", &c, &err), ST_OK);
    CHECK(!c->on && c->label_count == 1);
    CHECK_INT(read_config(a, "correlation: {labels: [le]}\n", &c, &err), ST_INVALID);
    CHECK_INT(read_config(a, "correlation: {label: [cid]}\n", &c, &err), ST_INVALID);
    CHECK(slice_contains(slice_str(err.text), SLICE("labels")));
    arena_free(a);
}

/* ---- the firewall ---- */

static void limit_values(struct rig *r, uint64_t values, uint64_t series)
{
    struct firewall_config c = { .on = true, .window_ns = 3600 * NS_S, .limits = { .values_per_label = values, .series = series } };
    r->firewall = firewall_new();
    firewall_configure(r->firewall, &c);
}

TEST(values_over_a_limit_are_summed_into_one_series_and_it_does_not_fall_when_they_go)
{
    struct rig r;
    rig_start(&r);
    limit_values(&r, 2, 0);
    check_page(&r, TEXT, "# TYPE hits counter\nhits{u=\"a\"} 1\nhits{u=\"b\"} 2\nhits{u=\"c\"} 3\nhits{u=\"d\"} 4\n",
               "hits{u=\"a\"} 1\nhits{u=\"b\"} 2\nhits{u=\"__overflow__\"} 7\n");
    check_page(&r, TEXT, "# TYPE hits counter\nhits{u=\"a\"} 1\nhits{u=\"b\"} 2\nhits{u=\"d\"} 5\nhits{u=\"e\"} 10\n",
               "hits{u=\"a\"} 1\nhits{u=\"b\"} 2\nhits{u=\"__overflow__\"} 18\n");
    check_page(&r, TEXT, "# TYPE hits counter\nhits{u=\"d\"} 6\n", "hits{u=\"__overflow__\"} 19\nhits{u=\"a\"} stale\nhits{u=\"b\"} stale\n");
    struct firewall_offender *o;
    size_t n;
    firewall_offenders(r.firewall, NULL, 0, r.arena, &o, &n);
    CHECK_INT(n, 1);
    CHECK_STR(o[0].metric, "hits");
    CHECK_STR(o[0].label, "u");
    CHECK_STR(o[0].job, "j");
    CHECK_INT(o[0].samples, 5);
    CHECK_INT(o[0].different, 3);
    CHECK(o[0].is_folded);
    rig_end(&r);
}

TEST(a_gauge_over_a_limit_keeps_the_value_that_changed_last_and_says_so)
{
    struct rig r;
    rig_start(&r);
    limit_values(&r, 1, 0);
    check_page(&r, TEXT, "# TYPE t gauge\nt{u=\"a\"} 1\nt{u=\"b\"} 2\nt{u=\"c\"} 3\n", "t{u=\"a\"} 1\nt{folded=\"last\",u=\"__overflow__\"} 3\n");
    check_page(&r, TEXT, "# TYPE t gauge\nt{u=\"a\"} 1\nt{u=\"b\"} 5\nt{u=\"c\"} 3\n", "t{u=\"a\"} 1\nt{folded=\"last\",u=\"__overflow__\"} 5\n");
    rig_end(&r);
}

TEST(a_histogram_over_a_limit_keeps_its_buckets_apart)
{
    struct rig r;
    rig_start(&r);
    limit_values(&r, 3, 0);
    check_page(&r, TEXT, "# TYPE h histogram\nh_bucket{u=\"a\",le=\"1\"} 1\nh_bucket{u=\"a\",le=\"+Inf\"} 2\n"
               "h_bucket{u=\"b\",le=\"1\"} 1\nh_bucket{u=\"b\",le=\"+Inf\"} 2\nh_bucket{u=\"c\",le=\"1\"} 1\n"
               "h_bucket{u=\"d\",le=\"1\"} 10\nh_bucket{u=\"d\",le=\"+Inf\"} 20\nh_bucket{u=\"e\",le=\"1\"} 5\nh_bucket{u=\"e\",le=\"+Inf\"} 7\n",
               "h_bucket{le=\"1.0\",u=\"a\"} 1\nh_bucket{le=\"+Inf\",u=\"a\"} 2\nh_bucket{le=\"1.0\",u=\"b\"} 1\nh_bucket{le=\"+Inf\",u=\"b\"} 2\n"
               "h_bucket{le=\"1.0\",u=\"c\"} 1\nh_bucket{le=\"1.0\",u=\"__overflow__\"} 15\nh_bucket{le=\"+Inf\",u=\"__overflow__\"} 27\n");
    rig_end(&r);
}

TEST(a_new_line_that_a_full_tenant_has_no_room_for_is_left_out_and_told_page_by_page)
{
    struct rig r;
    rig_start(&r);
    limit_values(&r, 0, 2);
    check_page(&r, TEXT, "a 1\nb 2\nc 3\n", "a 1\nb 2\n");
    check_page(&r, TEXT, "a 1\nb 2\nc 3\n", "a 1\nb 2\n");
    struct firewall_offender *o;
    size_t n;
    firewall_offenders(r.firewall, NULL, 0, r.arena, &o, &n);
    CHECK_INT(n, 1);
    CHECK_STR(o[0].metric, "c");
    CHECK_INT(o[0].samples, 2);
    CHECK_INT(o[0].reason, FIREWALL_TENANT);
    CHECK(!o[0].is_folded);
    rig_end(&r);
}
