/* SPDX-License-Identifier: Apache-2.0 */
/* The disk guard: warns when space gets short and refuses writes before it is gone. Queries go on. Any thread. */
#ifndef STOA_STORE_GUARD_H
#define STOA_STORE_GUARD_H

#include <stdatomic.h>

#include "base/err.h"
#include "sys/file.h"
#include "sys/log.h"
#include "sys/thread.h"

enum { GUARD_INTERVAL_S = 5 };

struct guard {
    double warn_ratio, refuse_ratio; /* free to total */
    _Atomic uint64_t free_bytes, total_bytes;
    atomic_bool low, full;
};

/* Asks the file system, changes low and full, and logs each change. */
void guard_check(struct guard *g, struct fs *fs, const char *dir, struct log *log);
/* A write has found the disk full: refuse until the next check finds space. */
void guard_hit(struct guard *g, struct log *log);
/* ST_OK, or ST_FULL with the sentence for a client. */
MUST_CHECK enum status guard_allows(struct guard *g, struct err *err);
/* May so many bytes be written beyond what must stay free? For merges, which can wait. */
bool guard_has_room(struct guard *g, uint64_t bytes);

#endif
