/* SPDX-License-Identifier: Apache-2.0 */
/* Thin shims over statvfs, adjtimex, localtime_r and realpath: no state, nothing kept. adjtimex is called with no mode
 * set, which only reads and needs no right. */
#include "sys/machine.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/statvfs.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

enum status machine_room(const char *path, struct machine_room *out, struct err *err)
{
    struct statvfs v;
    if (statvfs(path, &v)) {
        int code = errno;
        char text[128];
        return err_set(err, code == ENOENT ? ST_NOT_FOUND : ST_IO, "room of %s: %s", path, strerror_r(code, text, sizeof text));
    }
    *out = (struct machine_room){ (uint64_t)v.f_blocks * v.f_frsize, (uint64_t)v.f_bfree * v.f_frsize,
                                  (uint64_t)v.f_bavail * v.f_frsize, v.f_files, v.f_ffree };
    return ST_OK;
}

enum status machine_timex(struct machine_timex *out, struct err *err)
{
    enum { MICRO = 1000000, NANO = 1000000000 };
    /* Frequencies come as parts per million with 16 bits behind the point. */
    const double ppm16 = 65536.0 * MICRO;
    struct timex t = { .modes = 0 };
    int state = adjtimex(&t);
    if (state < 0) {
        int code = errno;
        char text[128];
        return err_set(err, ST_IO, "state of the clock: %s", strerror_r(code, text, sizeof text));
    }
    double fine = (t.status & STA_NANO) ? NANO : MICRO;
    *out = (struct machine_timex){ .offset_s = (double)t.offset / fine,
                                   .frequency_ratio = 1 + (double)t.freq / ppm16,
                                   .error_max_s = (double)t.maxerror / MICRO,
                                   .error_estimated_s = (double)t.esterror / MICRO,
                                   .tick_s = (double)t.tick / MICRO,
                                   .tai_offset_s = t.tai,
                                   .pps_frequency_hz = (double)t.ppsfreq / ppm16,
                                   .pps_jitter_s = (double)t.jitter / fine,
                                   .pps_shift_s = t.shift,
                                   .pps_stability_hz = (double)t.stabil / ppm16,
                                   .pps_jitter_count = (double)t.jitcnt,
                                   .pps_calibration_count = (double)t.calcnt,
                                   .pps_error_count = (double)t.errcnt,
                                   .pps_stability_count = (double)t.stbcnt,
                                   .loop_constant = (double)t.constant,
                                   .status = t.status,
                                   .synchronised = state != TIME_ERROR };
    return ST_OK;
}

size_t machine_page_bytes(void)
{
    long n = sysconf(_SC_PAGESIZE);
    return n > 0 ? (size_t)n : 4096;
}

int64_t machine_zone_offset_s(struct arena *a, int64_t wall_ns, struct slice *zone)
{
    time_t seconds = (time_t)(wall_ns / NS_S);
    struct tm local;
    if (localtime_r(&seconds, &local) == NULL) {
        *zone = SLICE("UTC");
        return 0;
    }
    *zone = arena_copy(a, slice_str(local.tm_zone));
    return local.tm_gmtoff;
}

struct slice machine_real_path(struct arena *a, const char *path)
{
    char *found = realpath(path, NULL);
    if (found == NULL)
        return SLICE_EMPTY;
    struct slice copy = arena_copy(a, slice_str(found));
    free(found);
    return copy;
}
