/* SPDX-License-Identifier: Apache-2.0 */
#include "api/trace_skew.h"
#include "base/rand.h"
#include "base/unit.h"

enum { ROUNDS = 300, SPANS_MAX = 40, HOSTS = 4, KIND_CONSUMER = 5 };

struct made {
    struct event spans[SPANS_MAX];
    const struct event *list[SPANS_MAX];
    struct field hosts[SPANS_MAX];
    int up[SPANS_MAX]; /* -1: none */
    size_t count;
};

/* Any span may be another's parent: there are circles, and spans that are their own. */
static void make(struct made *m, struct rand *r)
{
    static const char *const hosts[HOSTS] = { "a", "b", "c", "" };
    *m = (struct made){ .count = 1 + rand_below(r, SPANS_MAX) };
    for (size_t i = 0; i < m->count; i++) {
        struct event *e = &m->spans[i];
        m->up[i] = rand_one_in(r, 5) ? -1 : (int)rand_below(r, rand_one_in(r, 3) ? m->count : i + 1);
        m->hosts[i] = (struct field){ .scope = SCOPE_RESOURCE, .name = SLICE("host.name"), .text = slice_str(hosts[rand_below(r, HOSTS)]) };
        *e = (struct event){ .kind = EVENT_SPAN, .service = SLICE("s"), .time_ns = 1000 + (int64_t)rand_below(r, 500),
                             .duration_ns = (int64_t)rand_below(r, 300), .span_kind = (uint8_t)rand_below(r, 6), .span_id = { 1, (uint8_t)i },
                             .fields = &m->hosts[i], .field_count = 1 };
        if (m->up[i] >= 0) {
            e->parent_id[0] = 1;
            e->parent_id[1] = (uint8_t)m->up[i];
        }
        m->list[i] = e;
    }
}

static bool is_cut(const struct trace_warnings *w)
{
    for (size_t i = 0; i < w->count; i++)
        if (slice_contains(w->list[i], SLICE("circle")))
            return true;
    return false;
}

static bool is_one_clock(const struct made *m, size_t x, size_t y)
{
    return slice_eq(m->hosts[x].text, m->hosts[y].text);
}

/* What the answer promises of a span and its parent. */
static void check_pair(const struct made *m, size_t i, const struct event *up, const struct event *e)
{
    size_t p = (size_t)m->up[i];
    int64_t shift = e->time_ns - m->spans[i].time_ns, end = up->time_ns + up->duration_ns;
    if (is_one_clock(m, i, p))
        CHECK_INT(shift, up->time_ns - m->spans[p].time_ns);
    else if (e->duration_ns > up->duration_ns || e->span_kind == KIND_CONSUMER)
        CHECK(e->time_ns >= up->time_ns && (shift == 0 || e->time_ns == up->time_ns));
    else
        CHECK(e->time_ns >= up->time_ns && e->time_ns + e->duration_ns <= end);
}

TEST(clocks_are_corrected_whatever_the_parents_are)
{
    struct rand r;
    struct made m;
    rand_seed(&r, unit_seed());
    for (int round = 0; round < ROUNDS; round++) {
        struct arena *a = arena_new(0);
        struct trace_warnings *warnings;
        make(&m, &r);
        const struct event *const *out = trace_skew(a, m.list, m.count, &warnings);
        for (size_t i = 0; i < m.count; i++) {
            bool is_top = m.up[i] < 0 || m.up[i] == (int)i || is_cut(&warnings[i]);
            CHECK(out[i]->time_ns - m.spans[i].time_ns == 0 || warnings[i].is_moved);
            CHECK_INT(out[i]->duration_ns, m.spans[i].duration_ns);
            if (is_top)
                CHECK(!warnings[i].is_moved);
            else
                check_pair(&m, i, out[m.up[i]], out[i]);
        }
        arena_free(a);
    }
}

TEST(clock_of_a_host_is_told_from_that_of_a_service)
{
    struct arena *a = arena_new(0);
    struct field named_as_service = { .scope = SCOPE_RESOURCE, .name = SLICE("ip"), .text = SLICE("pay") };
    struct span_event event = { .time_ns = 450 };
    struct event up = { .service = SLICE("pay"), .span_id = { 1 }, .time_ns = 1000, .duration_ns = 100 };
    struct event e = { .service = SLICE("x"), .span_id = { 2 }, .parent_id = { 1 }, .time_ns = 400, .duration_ns = 60, .fields = &named_as_service,
                       .field_count = 1, .events = &event, .event_count = 1 };
    const struct event *list[] = { &e, &up };
    struct trace_warnings *warnings;
    const struct event *const *out = trace_skew(a, list, COUNT_OF(list), &warnings);
    CHECK_INT(out[0]->time_ns, 1020);
    CHECK_INT(out[0]->events[0].time_ns, 1070);
    CHECK_INT(event.time_ns, 450);
    CHECK(out[1] == &up && warnings[1].count == 0);
    CHECK(slice_contains(warnings[0].list[0], SLICE("moved by 620ns")));
    arena_free(a);
}
