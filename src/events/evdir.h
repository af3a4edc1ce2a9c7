/* SPDX-License-Identifier: Apache-2.0 */
/* The directory of a part: its dictionaries, its blocks and where their columns lie. It is the part's meta.
 * docs/formats/events-part.md. */
#ifndef STOA_EVENTS_EVDIR_H
#define STOA_EVENTS_EVDIR_H

#include "base/arena.h"
#include "store/part.h"

enum {
    EVDIR_VERSION = 2,        /* 1 is read, too */
    EVDIR_VERSION_FIRST = 1,
    EVDIR_BLOCK_ROWS_MAX = 16 * KIB,
    EVDIR_BLOCK_BYTES_MAX = 4 * MIB, /* raw; one row more may go over */
    EVDIR_FIELDS_MAX = 1000,         /* columns of fields a part; fields beyond share one */
    EVDIR_SEVERITIES = 25,
};

/* Column ids; final. A column not listed is 0, empty, or weight 1 in every row. */
enum evdir_column {
    EVCOL_TIME = 1, EVCOL_LSN = 2, EVCOL_ROW = 3, EVCOL_OBSERVED = 4, EVCOL_SEVERITY = 5, EVCOL_STREAM = 6, EVCOL_SERVICE = 7,
    EVCOL_BODY = 8, EVCOL_TRACE_ID = 9, EVCOL_SPAN_ID = 10, EVCOL_PARENT_ID = 11, EVCOL_DURATION = 12, EVCOL_SPAN_KIND = 13,
    EVCOL_SPAN_STATUS = 14, EVCOL_WEIGHT = 15, EVCOL_TRACE_STATE = 16, EVCOL_STATUS_MESSAGE = 17, EVCOL_SHAPE = 18,
    EVCOL_CELLS = 19, EVCOL_EVENTS = 20, EVCOL_LINKS = 21, EVCOL_FILTER = 22, EVCOL_ROW_NEXT = 23, EVCOL_STREAM_SERVICE = 24,
    EVCOL_FIXED_LAST = 24,
    EVCOL_FIELD_FIRST = 64 /* + number of the field in the part */
};

struct evdir_field {
    uint8_t scope, type;
    struct slice name;
};

/* offset and length: inside the frame once it is decompressed. Several small columns share a frame. */
struct evdir_place {
    uint32_t column, frame, offset, length;
    uint32_t values; /* fields: how many values, at most one a row but for repeated names */
};

struct evdir_block {
    uint32_t tenant; /* number in the part's dictionary */
    uint8_t kind;
    bool has_cells;  /* fields without a column of their own */
    uint32_t rows;
    int64_t min_ns, max_ns, min_duration_ns, max_duration_ns;
    uint64_t min_lsn, max_lsn;
    uint32_t severities[EVDIR_SEVERITIES]; /* rows of each; over 24 counts as 0 */
    uint32_t *streams, *services;          /* numbers in the part's dictionaries; the block's own number is the place here */
    uint32_t stream_count, service_count;
    struct block_ref *frames;
    uint32_t frame_count;
    struct evdir_place *places; /* by column id */
    uint32_t place_count;
};

struct evdir_trace_frame {
    uint64_t first; /* smallest key in it */
    uint32_t count;
    struct block_ref ref;
};

struct evdir {
    struct arena *arena;
    unsigned version; /* of what was decoded; 0: being made */
    struct slice *tenants, *streams, *services;
    struct evdir_field *fields;
    struct evdir_block *blocks;
    struct evdir_trace_frame *traces;
    size_t tenant_count, stream_count, service_count, field_count, block_count, trace_count;
    unsigned trace_shift; /* a trace's key is the high bits of its hash: hash >> trace_shift */
};

void evdir_encode(const struct evdir *d, struct buf *out);
/* Strings borrow from bytes, the rest lives in d->arena. ST_CORRUPT when the bytes do not parse. */
MUST_CHECK enum status evdir_decode(struct slice bytes, struct evdir **out, struct err *err);
void evdir_free(struct evdir *d); /* accepts NULL */

/* NULL when the block does not have it. */
const struct evdir_place *evdir_place_of(const struct evdir_block *b, uint32_t column);

#endif
