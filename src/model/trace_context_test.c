/* SPDX-License-Identifier: Apache-2.0 */
#include "model/trace_context.h"

#include "base/buf.h"
#include "base/unit.h"

#define TRACE "4bf92f3577b34da6a3ce929d0e0e4736"
#define SPAN  "00f067aa0ba902b7"

TEST(trace_parent_gives_the_ids_and_writes_them_again)
{
    struct trace_parent p;
    char text[TRACE_PARENT_BYTES];
    CHECK(trace_parent_read(SLICE("00-" TRACE "-" SPAN "-03"), &p));
    CHECK_INT(p.version, 0);
    CHECK_INT(p.flags, 3);
    CHECK_INT(p.trace_id[0], 0x4b);
    CHECK_INT(p.trace_id[15], 0x36);
    CHECK_INT(p.span_id[7], 0xb7);
    trace_parent_write(p.trace_id, p.span_id, 1, text);
    CHECK(slice_eq(slice_of(text, sizeof text), SLICE("00-" TRACE "-" SPAN "-01")));
}

TEST(trace_parent_of_a_later_version_may_have_more_behind_a_dash)
{
    static const struct slice good[] = { SLICE_INIT("01-" TRACE "-" SPAN "-00"), SLICE_INIT("fe-" TRACE "-" SPAN "-01-more"),
                                         SLICE_INIT("7f-" TRACE "-" SPAN "-01-"), SLICE_INIT(" \t00-" TRACE "-" SPAN "-ff \t") };
    struct trace_parent p;
    for (size_t i = 0; i < COUNT_OF(good); i++)
        CHECK(trace_parent_read(good[i], &p));
}

TEST(trace_parent_refuses_all_else_and_leaves_what_was_there)
{
    static const struct slice bad[] = {
        SLICE_INIT(""), SLICE_INIT("00"), SLICE_INIT("00-" TRACE "-" SPAN), SLICE_INIT("00-" TRACE "-" SPAN "-1"),
        SLICE_INIT("00-" TRACE "-" SPAN "-01-"), SLICE_INIT("00-" TRACE "-" SPAN "-011"), SLICE_INIT("ff-" TRACE "-" SPAN "-01"),
        SLICE_INIT("01-" TRACE "-" SPAN "-01.more"), SLICE_INIT("00-4BF92F3577b34da6a3ce929d0e0e4736-" SPAN "-01"),
        SLICE_INIT("00-" TRACE "-00F067aa0ba902b7-01"), SLICE_INIT("00-" TRACE "-" SPAN "-0A"), SLICE_INIT("0A-" TRACE "-" SPAN "-01"),
        SLICE_INIT("00-00000000000000000000000000000000-" SPAN "-01"), SLICE_INIT("00-" TRACE "-0000000000000000-01"),
        SLICE_INIT("00_" TRACE "-" SPAN "-01"), SLICE_INIT("00-" TRACE "_" SPAN "-01"), SLICE_INIT("00-" TRACE "-" SPAN "_01"),
        SLICE_INIT("0g-" TRACE "-" SPAN "-01"), SLICE_INIT("00-" TRACE "-" SPAN "-0x"), SLICE_INIT("000-" TRACE "-" SPAN "-1"),
        SLICE_INIT("00-" TRACE "-" SPAN "-01,00-" TRACE "-" SPAN "-01"),
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct trace_parent p = { .version = 9 };
        if (trace_parent_read(bad[i], &p) || p.version != 9)
            unit_fail(__FILE__, __LINE__, bad[i].ptr);
    }
}

static void check_state(const char *text, const char *want)
{
    struct arena *a = arena_new(0);
    struct slice got = trace_state_read(a, slice_str(text));
    if (!slice_eq(got, slice_str(want)))
        unit_fail(__FILE__, __LINE__, text);
    arena_free(a);
}

TEST(trace_state_keeps_its_members_in_order)
{
    check_state("", "");
    check_state("a=1", "a=1");
    check_state(" a=1 \t,, b = 2", ""); /* a key has no space in it */
    check_state(" a=1 \t,,\tb=2,", "a=1,b=2");
    check_state("rojo=00f067aa0ba902b7,congo@v/x*-_=t61 rcW!?", "rojo=00f067aa0ba902b7,congo@v/x*-_=t61 rcW!?");
    check_state("0a=x,a@@b=y", "0a=x,a@@b=y");
}

TEST(trace_state_counts_a_key_once)
{
    check_state("a=1,b=2,a=3", "a=1,b=2");
}

TEST(trace_state_is_nothing_when_a_member_is_not_allowed)
{
    static const char *const bad[] = { "a", "=1", "a=", "a=1,b", "A=1", "a.b=1", "@a=1", "_a=1", "a=b=c", "a =1", "a=\x7f", "a=\xc3\xa4", "a=1\x01" };
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        check_state(bad[i], "");
}

/* n members k00=v, k01=v, ...; or one member with a key or value of n bytes. */
static struct slice made(struct arena *a, size_t members, size_t key_bytes, size_t value_bytes)
{
    struct buf b;
    buf_init(&b, 0);
    for (size_t i = 0; i < members; i++)
        buf_printf(&b, "%sk%02zu=v", i ? "," : "", i);
    for (size_t i = 0; i < key_bytes; i++)
        buf_char(&b, 'k');
    if (key_bytes)
        buf_char(&b, '=');
    for (size_t i = 0; i < value_bytes; i++)
        buf_char(&b, 'v');
    struct slice out = arena_copy(a, buf_as_slice(&b));
    buf_free(&b);
    return out;
}

TEST(trace_state_has_limits)
{
    struct arena *a = arena_new(0);
    CHECK(trace_state_read(a, made(a, TRACE_STATE_MEMBERS_MAX, 0, 0)).len > 0);
    CHECK_INT(trace_state_read(a, made(a, TRACE_STATE_MEMBERS_MAX + 1, 0, 0)).len, 0);
    CHECK(trace_state_read(a, made(a, 0, TRACE_STATE_KEY_BYTES_MAX, TRACE_STATE_VALUE_BYTES_MAX)).len > 0);
    CHECK_INT(trace_state_read(a, made(a, 0, TRACE_STATE_KEY_BYTES_MAX + 1, 1)).len, 0);
    CHECK_INT(trace_state_read(a, made(a, 0, 1, TRACE_STATE_VALUE_BYTES_MAX + 1)).len, 0);
    arena_free(a);
}
