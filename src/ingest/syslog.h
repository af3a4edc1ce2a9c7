/* SPDX-License-Identifier: Apache-2.0 */
/* Syslog: RFC 5424, RFC 3164 in the shapes that programs and devices send it, and text without any header.
 *
 *     <165>1 2026-01-01T00:00:00.5Z host app procid msgid [id name="value"] message
 *     <134>Nov 22 13:16:01 host app[13423]: message
 *
 * Pure: a message becomes a log record. Its line is the message without the header, byte by byte as it came. */
#ifndef STOA_INGEST_SYSLOG_H
#define STOA_INGEST_SYSLOG_H

#include "model/batch.h"

enum {
    SYSLOG_PARAMS_MAX = 256,           /* pairs of structured data in one message; what comes after them is left out */
    SYSLOG_NAME_BYTES_MAX = 256,       /* of host and program */
    SYSLOG_ZONE_AHEAD_SECONDS = 600,   /* a time without zone this far ahead of its arrival was another zone's */
    SYSLOG_ZONE_SECONDS_MAX = 14 * 3600
};

struct parse_rule;

struct syslog_ctx {
    int64_t received_ns;
    int32_t zone_offset_s; /* local time minus UTC, for times without a zone */
    const struct parse_rule *parse; /* how messages are read; NULL: as they look */
};

/* One whole message, without its framing; copied. False: it is empty. */
MUST_CHECK bool syslog_decode(const struct syslog_ctx *ctx, struct slice message, struct batch *out);

#endif
