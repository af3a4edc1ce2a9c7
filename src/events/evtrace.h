/* SPDX-License-Identifier: Apache-2.0 */
/* The table of traces of a part: in which blocks a trace id occurs. A miss is known from one small frame. */
#ifndef STOA_EVENTS_EVTRACE_H
#define STOA_EVENTS_EVTRACE_H

#include "events/evdir.h"
#include "store/engine.h"

struct evtrace_pair {
    uint64_t hash;
    uint32_t block;
};

uint64_t evtrace_hash(const uint8_t trace_id[16]);
/* Sorts pairs, writes the frames, fills d->traces and d->trace_shift. */
MUST_CHECK enum status evtrace_write(struct part_writer *w, struct evtrace_pair *pairs, size_t count, struct evdir *d, struct err *err);
/* Marks the blocks (is_there[block_count]) that may have one of the traces; ST_CORRUPT when the table does not check. */
MUST_CHECK enum status evtrace_find(const struct part *p, const struct evdir *d, const uint8_t (*ids)[16], size_t count, struct engine_ctx *ctx,
                                    bool *is_there, struct err *err);

#endif
