/* SPDX-License-Identifier: Apache-2.0 */
/* Protocol Buffers wire format: a reader over a slice and a writer on a buf. https://protobuf.dev/programming-guides/encoding/ */
#ifndef STOA_CODEC_PROTO_H
#define STOA_CODEC_PROTO_H

#include "base/buf.h"
#include "base/err.h"

enum proto_wire { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2, WIRE_GROUP = 3, WIRE_GROUP_END = 4, WIRE_FIXED32 = 5 };
enum { PROTO_GROUP_DEPTH_MAX = 64 };

struct proto_field {
    uint32_t number;
    uint8_t wire;       /* enum proto_wire; never a group */
    uint64_t value;     /* VARINT, FIXED64, FIXED32 */
    struct slice bytes; /* BYTES */
};

/* Takes the next field off *rest; groups are skipped. False at the end, and on malformed input, when *bad becomes true and
 * rest->ptr stands on the field that does not parse: its position is rest->ptr minus where the message began. */
bool proto_next(struct slice *rest, struct proto_field *out, bool *bad);
static inline double proto_double(const struct proto_field *f)
{
    double v;
    memcpy(&v, &f->value, sizeof v);
    return v;
}
static inline int64_t proto_sint(uint64_t v)
{
    return (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
}
/* Packed repeated numbers: the next off *rest. */
bool proto_packed_varint(struct slice *rest, uint64_t *out, bool *bad);
bool proto_packed_fixed64(struct slice *rest, uint64_t *out, bool *bad);
bool proto_packed_fixed32(struct slice *rest, uint64_t *out, bool *bad);

void proto_put_varint(struct buf *b, uint32_t field, uint64_t v);
void proto_put_fixed64(struct buf *b, uint32_t field, uint64_t v);
void proto_put_double(struct buf *b, uint32_t field, double v);
void proto_put_sint(struct buf *b, uint32_t field, int64_t v); /* zigzag: sint32, sint64 */
void proto_put_fixed32(struct buf *b, uint32_t field, uint32_t v);
void proto_put_bytes(struct buf *b, uint32_t field, struct slice bytes);
/* A message inside: what is put between begin and end is its content. begin gives what end wants. */
size_t proto_nested_begin(struct buf *b, uint32_t field);
void proto_nested_end(struct buf *b, size_t mark);

#endif
