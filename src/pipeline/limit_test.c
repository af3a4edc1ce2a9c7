/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/limit.h"

#include "base/unit.h"
#include "pipeline/rules.h"

struct fixture {
    struct arena *a;
    struct pipeline_rules *rules;
    struct limiter *limiter;
    struct batch *b;
};

static enum status config_of(struct arena *a, const char *text, struct sample_config **out, struct err *err)
{
    struct yaml_node *root;
    struct buf warnings;
    buf_init(&warnings, 0);
    enum status st = yaml_parse(a, SLICE("f.yml"), slice_str(text), &root, err);
    if (!st)
        st = sample_config_read(a, root, out, &warnings, err);
    buf_free(&warnings);
    return st;
}

static void start(struct fixture *f, const char *text)
{
    struct sample_config *c;
    struct err err;
    *f = (struct fixture){ .a = arena_new(0), .limiter = limiter_new() };
    CHECK_INT(config_of(f->a, text, &c, &err), ST_OK);
    f->rules = pipeline_rules_new(NULL, c);
}

static void end(struct fixture *f)
{
    batch_drop(f->b);
    limiter_free(f->limiter);
    snap_drop(&f->rules->snap);
    arena_free(f->a);
}

static void batch_at(struct fixture *f, int64_t second)
{
    batch_drop(f->b);
    f->b = batch_new(0);
    f->b->received_ns = second * NS_S;
}

static void line(struct fixture *f, const char *service, const char *body)
{
    struct event *e = batch_event(f->b);
    e->kind = EVENT_LOG;
    e->severity = SEVERITY_INFO;
    e->time_ns = f->b->received_ns;
    e->service = slice_str(service);
    e->stream = slice_str(service); /* any bytes do here */
    e->body = slice_str(body);
}

/* Runs, and gives each row that is left as "body*weight ". */
static void check_run(struct fixture *f, const char *want)
{
    struct buf out;
    buf_init(&out, 0);
    limiter_run(f->limiter, f->rules->samples, f->b);
    for (size_t i = 0; i < f->b->event_count; i++)
        buf_printf(&out, "%.*s*%g ", SLICE_FMT(f->b->events[i].body), (double)f->b->events[i].weight);
    CHECK_STR(buf_as_slice(&out), want);
    buf_free(&out);
}

TEST(limit_makes_equal_lines_of_one_request_one_row)
{
    struct fixture f;
    start(&f, "duplicates: [{name: d, service: web, within: 10s}]");
    batch_at(&f, 100);
    for (int i = 0; i < 3; i++) {
        line(&f, "web", "x");
        line(&f, "web", "y");
        line(&f, "api", "x");
    }
    check_run(&f, "x*3 y*3 x*1 x*1 x*1 ");
    CHECK_INT(atomic_load(&f.rules->samples->list[0].kept), 2);
    CHECK_INT(atomic_load(&f.rules->samples->list[0].dropped), 4);
    end(&f);
}

TEST(limit_gives_what_it_left_out_when_the_time_is_over)
{
    struct fixture f;
    start(&f, "duplicates: [{within: 10s}]");
    batch_at(&f, 100);
    line(&f, "web", "x");
    check_run(&f, "x*1 ");
    for (int i = 1; i < 5; i++) {
        batch_at(&f, 100 + i);
        line(&f, "web", "x");
        check_run(&f, "");
    }
    batch_at(&f, 109);
    f.b->tenant = SLICE("other");
    check_run(&f, "");
    batch_at(&f, 111);
    f.b->tenant = SLICE("other");
    line(&f, "web", "x");
    check_run(&f, "x*1 ");
    batch_at(&f, 111);
    line(&f, "api", "z");
    check_run(&f, "z*1 x*4 ");
    CHECK_INT(f.b->events[1].time_ns, 104 * NS_S);
    CHECK_STR(f.b->events[1].service, "web");
    batch_at(&f, 112);
    line(&f, "web", "x");
    check_run(&f, "x*1 ");
    batch_at(&f, 113);
    line(&f, "web", "x");
    check_run(&f, "");
    batch_at(&f, 130); /* the next one takes the weight itself */
    line(&f, "web", "x");
    check_run(&f, "x*2 ");
    end(&f);
}

TEST(limit_keeps_so_many_lines_a_second_of_each_service)
{
    struct fixture f;
    start(&f, "rate_limits: [{name: r, lines_per_second: 2, burst: 3}]");
    batch_at(&f, 100);
    for (int i = 0; i < 5; i++)
        line(&f, "web", "x");
    line(&f, "api", "y");
    check_run(&f, "x*1 x*1 x*1 y*1 ");
    batch_at(&f, 101);
    for (int i = 0; i < 4; i++)
        line(&f, "web", "x");
    check_run(&f, "x*3 x*1 ");
    batch_at(&f, 200);
    for (int i = 0; i < 4; i++)
        line(&f, "web", "x");
    check_run(&f, "x*3 x*1 x*1 ");
    CHECK_INT(atomic_load(&f.rules->samples->list[0].dropped), 5);
    end(&f);
}

TEST(limit_remembers_no_more_than_it_has_room_for)
{
    struct fixture f;
    start(&f, "duplicates: [{within: 60s}]\nrate_limits: [{lines_per_second: 1}]");
    double sum = 0;
    for (int i = 0; i < 5 * LIMIT_LINES_MAX; i++) {
        if (i % 1000 == 0)
            batch_at(&f, 100 + i / 1000);
        line(&f, arena_printf(f.a, "s%d", i).ptr, arena_printf(f.a, "line %d", i).ptr);
        if (i % 1000 == 999) {
            limiter_run(f.limiter, f.rules->samples, f.b);
            for (size_t k = 0; k < f.b->event_count; k++)
                sum += (double)f.b->events[k].weight;
        }
    }
    CHECK(sum == 5 * LIMIT_LINES_MAX / 1000 * 1000.0);
    end(&f);
}

TEST(limit_tells_wrong_rules_with_their_line)
{
    static const char *const wrong[] = { "rate_limits: [{service: a}]", "rate_limits: [{lines_per_second: 0}]",
                                         "rate_limits: [{lines_per_second: 1, burst: 0}]",
                                         "rate_limits: {a: b}", "duplicates: [{within: 0s}]", "duplicates: [{within: 2h}]", "duplicates: [{keep: 1}]",
                                         "duplicates: [{signal: logs}]" };
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        struct arena *a = arena_new(0);
        struct sample_config *c;
        struct err err;
        CHECK(config_of(a, wrong[i], &c, &err) != ST_OK);
        CHECK(slice_contains(slice_str(err.text), SLICE("f.yml:1")));
        arena_free(a);
    }
}
