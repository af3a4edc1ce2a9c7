/* SPDX-License-Identifier: Apache-2.0 */
/* What was read and is written again reads as the same fields. */
#include "codec/proto.h"
#include "fuzz/fuzz.h"

enum { DEPTH_MAX = 4 };

static void put_field(struct buf *b, const struct proto_field *f)
{
    switch (f->wire) {
    case WIRE_VARINT:
        proto_put_varint(b, f->number, f->value);
        return;
    case WIRE_FIXED64:
        proto_put_fixed64(b, f->number, f->value);
        return;
    case WIRE_FIXED32:
        proto_put_fixed32(b, f->number, (uint32_t)f->value);
        return;
    case WIRE_BYTES: {
        size_t mark = proto_nested_begin(b, f->number);
        buf_slice(b, f->bytes);
        proto_nested_end(b, mark);
        return;
    }
    default:
        MUST(!"a wire type that a reader never gives");
    }
}

/* Descends into bytes as if they were messages, as decoders do. */
static void read_message(struct slice message, int depth)
{
    struct buf again;
    struct proto_field f, g;
    bool bad = false;
    struct slice rest = message;
    buf_init(&again, 0);
    while (proto_next(&rest, &f, &bad)) {
        MUST(f.number > 0 && fuzz_within(rest, message));
        put_field(&again, &f);
        if (f.wire == WIRE_BYTES) {
            uint64_t v;
            bool packed_bad = false;
            MUST(fuzz_within(f.bytes, message));
            for (struct slice packed = f.bytes; proto_packed_varint(&packed, &v, &packed_bad);)
                ;
            for (struct slice packed = f.bytes; proto_packed_fixed64(&packed, &v, &packed_bad);)
                ;
            if (depth < DEPTH_MAX)
                read_message(f.bytes, depth + 1);
        }
    }
    MUST(rest.len == 0 && (!bad || (rest.ptr >= message.ptr && rest.ptr < message.ptr + message.len)));
    struct slice first = message, second = buf_as_slice(&again);
    bool bad_first = false, bad_second = false;
    while (proto_next(&second, &g, &bad_second)) {
        MUST(proto_next(&first, &f, &bad_first));
        MUST(f.number == g.number && f.wire == g.wire);
        MUST(f.wire == WIRE_BYTES ? slice_eq(f.bytes, g.bytes) : f.value == g.value);
    }
    MUST(!bad_second && !proto_next(&first, &f, &bad_first) && bad_first == bad);
    buf_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    read_message(slice_of(data, size), 0);
    return 0;
}
