/* SPDX-License-Identifier: Apache-2.0 */
/* Names of other systems as Prometheus has them: docs/protocols/otlp.md tells the rules. */
#ifndef STOA_INGEST_PROM_NAMES_H
#define STOA_INGEST_PROM_NAMES_H

#include "base/arena.h"

enum prom_name_kind { PROM_NAME_GAUGE, PROM_NAME_COUNTER, PROM_NAME_OTHER };

/* "http.server.duration" in "ms": http_server_duration_milliseconds; "_total" behind counters, "_ratio" behind gauges of unit 1. */
struct slice prom_metric_name(struct arena *a, struct slice name, struct slice unit, enum prom_name_kind kind);
/* The name as it is with the same suffixes: "http.server.duration_milliseconds". */
struct slice prom_metric_name_utf8(struct arena *a, struct slice name, struct slice unit, enum prom_name_kind kind);
/* Everything but letters, digits and '_' becomes '_'; "key_" goes in front of a digit. */
struct slice prom_label_name(struct arena *a, struct slice name);
/* The unit's word as it stands in names: "s" seconds, "By/s" bytes_per_second; empty when there is none. */
struct slice prom_unit(struct arena *a, struct slice unit);

#endif
