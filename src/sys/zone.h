/* SPDX-License-Identifier: Apache-2.0 */
/* Time zones by name, from the system's files. */
#ifndef STOA_SYS_ZONE_H
#define STOA_SYS_ZONE_H

#include "base/arena.h"
#include "base/err.h"

struct zone;

/* Europe/Berlin, UTC. In a. ST_INVALID: no name, or none that this system has. */
MUST_CHECK enum status zone_read(struct arena *a, struct slice name, struct zone **out, struct err *err);
/* East of UTC, at that moment. */
int64_t zone_offset_s(const struct zone *z, int64_t unix_s);
/* What the zone is called at that moment: CET, CEST, +03. */
struct slice zone_short_name(const struct zone *z, int64_t unix_s);

#endif
