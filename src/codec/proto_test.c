/* SPDX-License-Identifier: Apache-2.0 */
#include "base/unit.h"
#include "codec/proto.h"

TEST(proto_nested_messages_of_any_length_read_back)
{
    static const size_t lengths[] = { 0, 1, 127, 128, 16383, 16384, 300000 };
    for (size_t i = 0; i < COUNT_OF(lengths); i++) {
        struct buf b, text;
        struct proto_field outer, inner, behind;
        bool bad = false;
        buf_init(&b, 0);
        buf_init(&text, 0);
        for (size_t k = 0; k < lengths[i]; k++)
            buf_char(&text, (char)k);
        size_t first = proto_nested_begin(&b, 1), second = proto_nested_begin(&b, 2);
        if (lengths[i])
            proto_put_bytes(&b, 3, buf_as_slice(&text));
        proto_nested_end(&b, second);
        proto_nested_end(&b, first);
        proto_put_sint(&b, 4, -5);
        struct slice rest = buf_as_slice(&b);
        CHECK(proto_next(&rest, &outer, &bad) && outer.number == 1);
        CHECK(proto_next(&rest, &behind, &bad) && proto_sint(behind.value) == -5);
        CHECK(proto_next(&outer.bytes, &inner, &bad) && inner.number == 2);
        if (lengths[i])
            CHECK(proto_next(&inner.bytes, &behind, &bad) && slice_eq(behind.bytes, buf_as_slice(&text)));
        CHECK(!bad && rest.len == 0 && outer.bytes.len == 0);
        buf_free(&b);
        buf_free(&text);
    }
}

TEST(proto_skips_groups_and_refuses_those_that_do_not_close)
{
    struct proto_field f;
    bool bad = false;
    /* group 1 { 2: varint 5, group 3 { } }, then 4: fixed32 */
    struct slice rest = SLICE("\x0b\x10\x05\x1b\x1c\x0c\x25\x01\x00\x00\x00");
    CHECK(proto_next(&rest, &f, &bad) && f.number == 4 && f.wire == WIRE_FIXED32 && f.value == 1);
    CHECK(!proto_next(&rest, &f, &bad) && !bad);
    struct slice crossed = SLICE("\x08\x01\x0b\x1b\x0c\x1c"), at = crossed;
    CHECK(proto_next(&at, &f, &bad) && f.value == 1);
    CHECK(!proto_next(&at, &f, &bad) && bad);
    CHECK_INT(at.ptr - crossed.ptr, 2);
    bad = false;
    char deep[PROTO_GROUP_DEPTH_MAX + 1];
    memset(deep, 0x0b, sizeof deep);
    at = slice_of(deep, sizeof deep);
    CHECK(!proto_next(&at, &f, &bad) && bad);
}

TEST(proto_packed_numbers_are_taken_one_by_one)
{
    struct buf b;
    uint64_t v;
    bool bad = false;
    buf_init(&b, 0);
    buf_u32(&b, 7);
    buf_u32(&b, 0xffffffff);
    struct slice rest = buf_as_slice(&b);
    CHECK(proto_packed_fixed32(&rest, &v, &bad) && v == 7);
    CHECK(proto_packed_fixed32(&rest, &v, &bad) && v == 0xffffffff);
    CHECK(!proto_packed_fixed32(&rest, &v, &bad) && !bad);
    rest = SLICE("\xac\x02\xff");
    CHECK(proto_packed_varint(&rest, &v, &bad) && v == 300);
    CHECK(!proto_packed_varint(&rest, &v, &bad) && bad);
    buf_free(&b);
}

TEST(proto_nested_end_in_a_full_buffer_marks_it_over)
{
    struct buf b;
    buf_init(&b, 140);
    size_t mark = proto_nested_begin(&b, 1);
    for (int i = 0; i < 138; i++)
        buf_char(&b, 'x');
    proto_nested_end(&b, mark);
    CHECK(buf_over(&b));
    buf_free(&b);
}
