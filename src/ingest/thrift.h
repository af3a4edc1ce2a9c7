/* SPDX-License-Identifier: Apache-2.0 */
/* Thrift's binary protocol, read field by field:
 * https://github.com/apache/thrift/blob/master/doc/specs/thrift-binary-protocol.md
 *
 *     while (thrift_next(&t))
 *         if (thrift_is(&t, 1, THRIFT_STRING)) ...thrift_text(&t)... else thrift_pass(&t);
 *
 * Each field's value must be read or passed. What is cut short sets r.bad, and all loops end. */
#ifndef STOA_INGEST_THRIFT_H
#define STOA_INGEST_THRIFT_H

#include "base/buf.h"

enum { THRIFT_NESTING_MAX = 16 };

enum thrift_type { THRIFT_STOP = 0, THRIFT_BOOL = 2, THRIFT_BYTE = 3, THRIFT_DOUBLE = 4, THRIFT_I16 = 6, THRIFT_I32 = 8, THRIFT_I64 = 10,
                   THRIFT_STRING = 11, THRIFT_STRUCT = 12, THRIFT_MAP = 13, THRIFT_SET = 14, THRIFT_LIST = 15 };

struct thrift {
    struct reader r;
    uint8_t type;    /* of the field at hand */
    uint16_t id;
};

static inline struct thrift thrift_of(struct slice bytes)
{
    return (struct thrift){ .r = reader_of(bytes) };
}

/* The next field of a struct; false at its end. */
bool thrift_next(struct thrift *t);
/* Is the field at hand this one? Another type under its number is passed over as what is not known. */
static inline bool thrift_is(const struct thrift *t, uint16_t id, enum thrift_type type)
{
    return t->id == id && t->type == (uint8_t)type;
}
void thrift_pass(struct thrift *t);

/* A number of so many bytes (1 to 8), the highest first. */
uint64_t thrift_number(struct thrift *t, size_t bytes);
struct slice thrift_text(struct thrift *t);
/* The count of a list of structs; 0 and bad when it is none. */
uint32_t thrift_structs(struct thrift *t);

#endif
