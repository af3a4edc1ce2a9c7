/* SPDX-License-Identifier: Apache-2.0 */
#include "base/unit.h"
#include "correlate/form.h"

static void check_forms(const char *id, const char *want, bool is_trace, bool is_span)
{
    struct arena *a = arena_new(0);
    struct correlate_result r = { 0 };
    struct form_ids ids;
    struct err err;
    struct buf out;
    buf_init(&out, 0);
    CHECK_INT(form_read(a, slice_str(id), &r, &ids, &err), ST_OK);
    for (size_t i = 0; i < r.form_count; i++)
        buf_printf(&out, "%s%.*s", i ? " " : "", SLICE_FMT(r.forms[i]));
    CHECK_STR(buf_as_slice(&out), want);
    CHECK(ids.has_trace == is_trace && ids.has_span == is_span);
    buf_free(&out);
    arena_free(a);
}

TEST(form_of_a_uuid_is_with_and_without_dashes_in_either_case)
{
    const char *all = "4bf92f35-77b3-4da6-a3ce-929d0e0e4736 4bf92f3577b34da6a3ce929d0e0e4736 4BF92F35-77B3-4DA6-A3CE-929D0E0E4736 "
                      "4BF92F3577B34DA6A3CE929D0E0E4736";
    check_forms(" 4bf92f35-77b3-4da6-a3ce-929d0e0e4736 ", all, true, false);
    check_forms("4BF92F3577B34DA6A3CE929D0E0E4736", "4BF92F3577B34DA6A3CE929D0E0E4736 4bf92f3577b34da6a3ce929d0e0e4736 "
                "4bf92f35-77b3-4da6-a3ce-929d0e0e4736 "
                "4BF92F35-77B3-4DA6-A3CE-929D0E0E4736", true, false);
}

TEST(form_of_sixteen_digits_is_a_span_or_a_short_trace_id)
{
    check_forms("00f067aa0ba902b7", "00f067aa0ba902b7", true, true);
}

TEST(form_of_any_text_is_itself)
{
    check_forms("order 4711", "order 4711", false, false);
    check_forms("4bf92f357-7b3-4da6-a3ce-929d0e0e4736", "4bf92f357-7b3-4da6-a3ce-929d0e0e4736", false, false);
}

TEST(form_refuses_what_would_be_in_every_line_and_what_is_no_text)
{
    static const struct slice bad[] = { SLICE_INIT(""), SLICE_INIT("  a "), SLICE_INIT("\xff\xfe\xfd\xfc") };
    struct arena *a = arena_new(0);
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct correlate_result r = { 0 };
        struct form_ids ids;
        struct err err;
        CHECK_INT(form_read(a, bad[i], &r, &ids, &err), ST_INVALID);
    }
    arena_free(a);
}
