/* SPDX-License-Identifier: Apache-2.0 */
/* A span of Zipkin's first model, as its two readers (JSON and Thrift) fill it, and as one writer tells it in the second. All texts live
 * in the arena or the body. */
#ifndef STOA_INGEST_ZIPKIN_V1_H
#define STOA_INGEST_ZIPKIN_V1_H

#include "codec/json.h"
#include "ingest/ingest.h"

struct zipkin1_endpoint {
    bool is_there;
    struct slice service, ipv4, ipv6;
    uint64_t port;
};

/* An annotation has a time and a value; a binary annotation a key and a value. */
struct zipkin1_note {
    uint64_t us;
    struct slice key, value;
    struct zipkin1_endpoint at;
};

struct zipkin1_span {
    struct slice trace_id, id, parent_id, name;
    uint64_t us, duration_us; /* 0: not told */
    bool is_debug;
    struct zipkin1_note *notes, *tags;
    size_t note_count, note_cap, tag_count, tag_cap;
};

/* The one, two or more spans of the second model that come of it. */
void zipkin1_write(struct json_writer *w, const struct zipkin1_span *s);

#endif
