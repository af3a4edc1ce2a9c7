/* SPDX-License-Identifier: Apache-2.0 */
/* Times as they stand in log lines and JSON. All results in nanoseconds since 1970, saturating. */
#ifndef STOA_INGEST_TIMES_H
#define STOA_INGEST_TIMES_H

#include "base/slice.h"

struct civil {
    int year, month, day, hour, minute, second; /* month and day from 1 */
    int32_t nanos;
    bool has_zone;
    int32_t zone_s; /* local minus UTC */
};

/* With the zone of c, or zone_offset_s when it has none. */
int64_t civil_ns(const struct civil *c, int32_t zone_offset_s);

/* 2025-01-15T10:30:45.123456789Z, with ' ', '/' and ',' in place of 'T', '-' and '.', any or no zone. Takes what it read off
 * *rest; leaves it alone otherwise. */
bool time_take_iso(struct slice *rest, struct civil *out);
/* "Nov 22 13:16:01", without a year: year is 0. */
bool time_take_syslog(struct slice *rest, struct civil *out);
/* "Sun Nov 22 13:16:01.5 2026", with or without the day of the week. */
bool time_take_asctime(struct slice *rest, struct civil *out);
/* "22/Nov/2026:13:16:01 +0000" */
bool time_take_clf(struct slice *rest, struct civil *out);
/* klog's "1122 13:16:01.123456" (behind the severity letter), without a year. */
bool time_take_klog(struct slice *rest, struct civil *out);
/* Gives c the year that puts it nearest to, and at most a day after, received_ns. */
void civil_guess_year(struct civil *c, int64_t received_ns);

/* Seconds, milliseconds, microseconds or nanoseconds since 1970, told apart by size. */
bool time_of_number(double v, int64_t *out_ns);
/* A whole text that is a number as above or an ISO time. */
bool time_parse(struct slice text, int32_t zone_offset_s, int64_t *out_ns);

#endif
