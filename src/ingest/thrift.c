/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/thrift.h"

static void skip(struct thrift *t, uint8_t type, int depth);

uint64_t thrift_number(struct thrift *t, size_t bytes)
{
    struct slice s = read_bytes(&t->r, bytes);
    uint64_t v = 0;
    for (size_t i = 0; i < s.len; i++)
        v = v << 8 | (uint8_t)s.ptr[i];
    return v;
}

struct slice thrift_text(struct thrift *t)
{
    uint32_t n = (uint32_t)thrift_number(t, 4);
    if (n > reader_left(&t->r)) {
        t->r.bad = true;
        return SLICE_EMPTY;
    }
    return read_bytes(&t->r, n);
}

/* Every value takes at least a byte, so that a count too large ends at the end of the bytes. */
static void skip_items(struct thrift *t, uint8_t first, uint8_t second, int depth)
{
    uint32_t n = (uint32_t)thrift_number(t, 4);
    for (uint32_t i = 0; i < n && !t->r.bad; i++) {
        skip(t, first, depth);
        if (second)
            skip(t, second, depth);
    }
}

static void skip(struct thrift *t, uint8_t type, int depth)
{
    if (depth > THRIFT_NESTING_MAX) {
        t->r.bad = true;
        return;
    }
    switch ((enum thrift_type)type) {
    case THRIFT_BOOL:
    case THRIFT_BYTE: thrift_number(t, 1); return;
    case THRIFT_I16: thrift_number(t, 2); return;
    case THRIFT_I32: thrift_number(t, 4); return;
    case THRIFT_DOUBLE:
    case THRIFT_I64: thrift_number(t, 8); return;
    case THRIFT_STRING: thrift_text(t); return;
    case THRIFT_STRUCT:
        for (uint8_t kind; !t->r.bad && (kind = (uint8_t)thrift_number(t, 1)) != THRIFT_STOP;) {
            thrift_number(t, 2);
            skip(t, kind, depth + 1);
        }
        return;
    case THRIFT_MAP: {
        uint8_t key = (uint8_t)thrift_number(t, 1), value = (uint8_t)thrift_number(t, 1);
        skip_items(t, key, value, depth + 1);
        return;
    }
    case THRIFT_SET:
    case THRIFT_LIST: {
        uint8_t item = (uint8_t)thrift_number(t, 1);
        skip_items(t, item, 0, depth + 1);
        return;
    }
    case THRIFT_STOP: break;
    }
    t->r.bad = true;
}

bool thrift_next(struct thrift *t)
{
    if (t->r.bad)
        return false;
    t->type = (uint8_t)thrift_number(t, 1);
    if (t->r.bad || t->type == THRIFT_STOP)
        return false;
    t->id = (uint16_t)thrift_number(t, 2);
    return !t->r.bad;
}

void thrift_pass(struct thrift *t)
{
    skip(t, t->type, 0);
}

uint32_t thrift_structs(struct thrift *t)
{
    uint8_t item = (uint8_t)thrift_number(t, 1);
    uint32_t n = (uint32_t)thrift_number(t, 4);
    if (n && (item != THRIFT_STRUCT || n > reader_left(&t->r)))
        t->r.bad = true;
    return t->r.bad ? 0 : n;
}
