/* SPDX-License-Identifier: Apache-2.0 */
#include "base/rand.h"
#include "base/unit.h"
#include "traceql/eval.h"

struct forest {
    struct arena *arena;
    struct event *spans;
    const struct event **list;
    size_t count;
    struct tql_trace trace;
};

/* Span i has id i + 1, begins at i, and has the parent that is given: 0 is none. */
static void plant(struct forest *f, const unsigned *parents, size_t count)
{
    f->arena = arena_new(0);
    f->count = count;
    f->spans = arena_zalloc(f->arena, (count + 1) * sizeof *f->spans);
    f->list = arena_array(f->arena, const struct event *, count + 1);
    for (size_t i = 0; i < count; i++) {
        struct event *e = &f->spans[i];
        uint32_t id = (uint32_t)i + 1, parent = parents[i];
        memcpy(e->span_id, &id, sizeof id);
        memcpy(e->parent_id, &parent, sizeof parent);
        e->time_ns = (int64_t)i;
        e->duration_ns = 10;
        f->list[count - 1 - i] = e; /* in any order */
    }
    tql_tree(f->arena, f->list, count, &f->trace);
}

static bool is_below(const struct tql_trace *t, uint32_t span, uint32_t top)
{
    return t->spans[span].left > t->spans[top].left && t->spans[span].right < t->spans[top].right;
}

TEST(a_trace_is_a_nested_set_in_order_of_time)
{
    struct forest f;
    plant(&f, (const unsigned[]){ 0, 1, 2, 1 }, 4);
    const struct tql_span *s = f.trace.spans;
    CHECK_INT(f.trace.root, 0);
    CHECK_INT(f.trace.duration_ns, 13);
    CHECK(s[0].left == 1 && s[0].right == 8 && s[1].left == 2 && s[1].right == 5 && s[2].left == 3 && s[3].left == 6);
    CHECK(s[0].child_count == 2 && s[1].child_count == 1 && s[2].child_count == 0);
    CHECK(s[2].parent == 1 && s[0].parent == TQL_NO_SPAN);
    arena_free(f.arena);
}

TEST(orphans_and_several_roots_hang_from_nothing)
{
    struct forest f;
    plant(&f, (const unsigned[]){ 77, 0, 1, 0 }, 4);
    CHECK_INT(f.trace.root, 1);
    CHECK(f.trace.spans[0].parent == TQL_NO_SPAN && f.trace.spans[2].parent == 0 && is_below(&f.trace, 2, 0) && !is_below(&f.trace, 2, 1));
    arena_free(f.arena);
}

TEST(a_ring_of_spans_is_cut_at_its_first_and_a_span_is_not_its_own_parent)
{
    struct forest f;
    plant(&f, (const unsigned[]){ 3, 1, 2, 4, 2 }, 5); /* 1 -> 3 -> 2 -> 1; 4 -> 4; 5 below 2 */
    for (size_t i = 0; i < 5; i++)
        CHECK(f.trace.spans[i].left > 0 && f.trace.spans[i].left < f.trace.spans[i].right);
    CHECK(f.trace.spans[0].parent == TQL_NO_SPAN && f.trace.spans[1].parent == 0 && f.trace.spans[2].parent == 1);
    CHECK(f.trace.spans[3].parent == TQL_NO_SPAN && f.trace.root == TQL_NO_SPAN);
    CHECK(f.trace.spans[2].child_count == 0 && f.trace.spans[1].child_count == 2);
    arena_free(f.arena);
}

TEST(a_span_below_a_ring_stays_there_though_it_begins_before_it)
{
    struct forest f;
    plant(&f, (const unsigned[]){ 2, 3, 4, 3 }, 4); /* 1 -> 2 -> 3 -> 4 -> 3 */
    const struct tql_span *s = f.trace.spans;
    CHECK(s[0].parent == 1 && s[1].parent == 2 && s[2].parent == TQL_NO_SPAN && s[3].parent == 2);
    CHECK(is_below(&f.trace, 0, 2) && is_below(&f.trace, 3, 2) && s[2].child_count == 2 && s[3].child_count == 0);
    arena_free(f.arena);
}

TEST(a_hundred_thousand_spans_below_one_another_are_numbered)
{
    enum { DEEP = 100 * 1000 };
    struct arena *a = arena_new(0);
    unsigned *parents = arena_zalloc(a, DEEP * sizeof *parents);
    struct forest f;
    for (unsigned i = 1; i < DEEP; i++)
        parents[i] = i;
    plant(&f, parents, DEEP);
    CHECK_INT(f.trace.spans[0].right, 2 * DEEP);
    CHECK(is_below(&f.trace, DEEP - 1, 0) && is_below(&f.trace, DEEP - 1, DEEP - 2));
    arena_free(f.arena);
    arena_free(a);
}

TEST(any_parents_give_a_tree)
{
    struct rand rand;
    rand_seed(&rand, unit_seed());
    for (int round = 0; round < 300; round++) {
        struct forest f;
        unsigned parents[40], seen[82] = { 0 };
        size_t n = 1 + rand_below(&rand, COUNT_OF(parents));
        for (size_t i = 0; i < n; i++)
            parents[i] = (unsigned)rand_below(&rand, n + 2);
        plant(&f, parents, n);
        for (uint32_t i = 0; i < n; i++) {
            const struct tql_span *s = &f.trace.spans[i];
            CHECK(s->left > 0 && s->left < s->right && s->right <= 2 * n && !seen[s->left] && !seen[s->right]);
            seen[s->left] = seen[s->right] = 1;
            CHECK(s->parent == TQL_NO_SPAN || is_below(&f.trace, i, s->parent));
            CHECK(s->parent == TQL_NO_SPAN || parents[i] == s->parent + 1);
        }
        arena_free(f.arena);
    }
}
