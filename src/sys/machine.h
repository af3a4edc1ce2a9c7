/* SPDX-License-Identifier: Apache-2.0 */
/* What only system calls tell about this machine: the room of a mounted file system, the state of its clock, where a
 * link leads. Any thread. */
#ifndef STOA_SYS_MACHINE_H
#define STOA_SYS_MACHINE_H

#include "base/arena.h"
#include "base/err.h"

struct machine_room {
    uint64_t size_bytes, free_bytes, avail_bytes; /* avail: what is free for others than root */
    uint64_t files, files_free;
};

/* The file system that path is on. May block for as long as a network file system does not answer. */
MUST_CHECK enum status machine_room(const char *path, struct machine_room *out, struct err *err);

/* The kernel's steering of the clock, in its own units made seconds. */
struct machine_timex {
    double offset_s, frequency_ratio, error_max_s, error_estimated_s, tick_s, tai_offset_s;
    double pps_frequency_hz, pps_jitter_s, pps_shift_s, pps_stability_hz;
    double pps_jitter_count, pps_calibration_count, pps_error_count, pps_stability_count;
    double loop_constant, status;
    bool synchronised;
};
MUST_CHECK enum status machine_timex(struct machine_timex *out, struct err *err);

size_t machine_page_bytes(void);
/* Of the local time zone at this moment, east of Greenwich; zone gets its short name, in a. */
int64_t machine_zone_offset_s(struct arena *a, int64_t wall_ns, struct slice *zone);
/* path with every link followed, in a; the empty slice when it does not exist. */
struct slice machine_real_path(struct arena *a, const char *path);

#endif
