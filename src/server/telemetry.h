/* SPDX-License-Identifier: Apache-2.0 */
/* Our own telemetry into our own store: what self.h gives (spans), log lines, and the page of metrics every few seconds.
 * Appended without producing telemetry, so it cannot feed on itself. */
#ifndef STOA_SERVER_TELEMETRY_H
#define STOA_SERVER_TELEMETRY_H

#include "api/api.h"
#include "client/stoa.h"
#include "sys/log.h"

struct telemetry;

enum { TELEMETRY_INTERVAL_SECONDS = 5, TELEMETRY_WAITING_MAX = 10000 };

/* instance: the host's name; copied. Starts no thread yet: spans and lines that come before are kept (TELEMETRY_WAITING_MAX). */
struct telemetry *telemetry_new(struct clock *clock, struct slice instance);
/* For self_new's send_span and log.sink. Any thread; arg is the telemetry. */
void telemetry_span(void *arg, const struct stoa_span_data *span);
void telemetry_line(void *arg, int64_t time_ns, enum log_level level, struct slice message, struct slice fields);
/* Starts the thread that appends. Keeps api. */
MUST_CHECK enum status telemetry_start(struct telemetry *t, struct api *api, struct err *err);
/* Ends the thread and appends what waits. Called again, it appends what has come since: so it may stop before the HTTP server
 * (whose numbers the thread reads) and still take that server's last spans. */
void telemetry_stop(struct telemetry *t);
/* Stopped before, or never started. What still waits is dropped: the store may be closed by now. Accepts NULL. */
void telemetry_free(struct telemetry *t);

#endif
