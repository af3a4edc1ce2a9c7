/* SPDX-License-Identifier: Apache-2.0 */
/* Events as bytes of a WAL frame, and back, without loss. docs/formats/events-wal.md. */
#ifndef STOA_EVENTS_EVWAL_H
#define STOA_EVENTS_EVWAL_H

#include "model/batch.h"

enum { EVWAL_BYTES_MAX = 256 * MIB /* of a request */ };

/* Every event of the batch, but for seq, which the store gives anew. False, and out as it was: they take over EVWAL_BYTES_MAX. */
bool evwal_encode(const struct batch *b, struct buf *out);
/* Adds the events to out; their strings borrow from bytes. ST_CORRUPT says where. */
MUST_CHECK enum status evwal_decode(struct slice bytes, struct batch *out, struct err *err);

#endif
