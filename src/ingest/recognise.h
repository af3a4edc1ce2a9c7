/* SPDX-License-Identifier: Apache-2.0 */
/* What a line of a log says about itself: when, how severe, by whom. The line is left as it is. */
#ifndef STOA_INGEST_RECOGNISE_H
#define STOA_INGEST_RECOGNISE_H

#include "base/slice.h"

struct recognised {
    struct slice format;   /* "json", "logfmt", "syslog", "syslog5424", "access", "klog", "ruby", "python", "dated", "clock", or "plain" */
    int64_t time_ns;       /* 0: the line tells no time */
    uint8_t severity;      /* 0: none */
    struct slice service, host, pid, logger; /* parts of the line; empty when not told */
    struct slice message;  /* the rest of the line, behind what was recognised; the line itself when nothing was */
    struct slice trace, span; /* ids in hex, as they stand there */
};

/* Never fails: what is not understood is "plain". Slices point into line. received_ns dates lines without a year;
 * zone_offset_s is for those without a zone. */
void recognise(struct slice line, int64_t received_ns, int32_t zone_offset_s, struct recognised *out);

#endif
