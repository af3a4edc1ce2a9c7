/* SPDX-License-Identifier: Apache-2.0 */
/* Times as Go's time.Time has them, for templates: any year, nanoseconds, a zone; written and read by layouts such as
 * "2006-01-02T15:04:05Z07:00". */
#ifndef STOA_QUERY_GOTMPL_TIME_H
#define STOA_QUERY_GOTMPL_TIME_H

#include "query/gotmpl.h"

struct gotmpl_time {
    int64_t s; /* since 1970, UTC */
    int32_t ns, offset_s;
    struct slice zone; /* "UTC", "CET"; empty: only the offset is known */
};

/* GOTMPL_TIME, in a. */
struct gotmpl_value gotmpl_time_value(struct arena *a, struct gotmpl_time t);
struct gotmpl_time gotmpl_time_of_ns(int64_t ns); /* in UTC */
/* Nanoseconds since 1970; wraps beyond 292 years, as in Go. */
int64_t gotmpl_time_ns(const struct gotmpl_time *t);
/* A zone by name; NULL: UTC, which "", "Local" and names that the system does not have are as well. Lives in a. */
const struct zone *gotmpl_zone(struct arena *a, struct slice name);
/* The same moment there. */
struct gotmpl_time gotmpl_time_in(const struct zone *z, struct gotmpl_time t);
/* Appends t by a layout of Go's. */
void gotmpl_time_format(const struct gotmpl_time *t, struct slice layout, struct buf *out);
/* Reads text by a layout; without an offset of its own it is a time in z.
 * What it holds lives as long as text and z. False: it does not fit; *out is then Go's zero time. */
bool gotmpl_time_parse(struct slice layout, struct slice text, const struct zone *z, struct gotmpl_time *out);
/* {{ now.Unix }}, {{ $t.Format "15:04" }}: the first argument is the time. */
extern const struct gotmpl_functions gotmpl_time_methods;

#endif
