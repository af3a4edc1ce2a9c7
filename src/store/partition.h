/* SPDX-License-Identifier: Apache-2.0 */
/* Which partition a time belongs to, and which parts of one are worth merging. No I/O. */
#ifndef STOA_STORE_PARTITION_H
#define STOA_STORE_PARTITION_H

#include "model/batch.h"
#include "store/part.h"

enum {
    MERGE_PARTS_MIN = 8,  /* of about one size, while the partition is being written */
    MERGE_PARTS_MAX = 32, /* in one go */
};
#define PARTITION_NS (86400 * NS_S)                  /* a UTC day, at birth */
#define PARTITION_COLD_NS (3600 * NS_S)              /* after its end: late rows have come by then */
#define MERGE_BYTES_MAX (64 * GIB)

/* First instant of the partition that holds t_ns. */
int64_t partition_start(int64_t t_ns);

/* Refuses a batch with rows outside [1970, now + 1 day] (ST_INVALID naming the time), with rows in more than
 * BATCH_PARTITIONS_MAX days, or with more than BATCH_ROWS_MAX rows (ST_LIMIT). */
MUST_CHECK enum status partition_check_batch(const struct batch *b, int64_t now_ns, struct err *err);

/* Picks from parts of one partition and class, sorted by bytes (smallest first). Gives the first one and how many of them
 * follow; 0 when nothing is worth it. */
size_t partition_pick(const uint64_t *bytes, size_t count, bool cold, size_t *first);

#endif
