/* SPDX-License-Identifier: Apache-2.0 */
/* What happens to every batch between its decoder and the store: limits, times, and what can be told from the rows themselves.
 *
 * Rows that break a limit are taken out one by one and told in the result; the rest goes on. Stages are one table. */
#ifndef STOA_PIPELINE_PIPELINE_H
#define STOA_PIPELINE_PIPELINE_H

#include "model/batch.h"
#include "model/ingest_result.h"
#include "pipeline/firewall.h"
#include "pipeline/redact.h"
#include "pipeline/rules.h"
#include "pipeline/span_metrics.h"

struct pipeline_options {
    int64_t future_ns_max;    /* how far ahead of its arrival a row's time may lie */
    uint32_t labels_max;      /* of a series; at most LABELS_PER_SERIES_MAX */
    uint32_t body_bytes_max;  /* of a log line; at most EVENT_BODY_BYTES_MAX */
    uint32_t fields_max;      /* of a record; at most EVENT_FIELDS_MAX */
};

struct pipeline_options pipeline_options_default(void);

/* Any number of threads may run batches through one pipeline at once. */
struct pipeline;
/* Copies opt; NULL: the default. Values over the hard limits, and zeros, become the hard limits. */
struct pipeline *pipeline_new(const struct pipeline_options *opt);
void pipeline_free(struct pipeline *p); /* accepts NULL */

/* Which secrets are taken out of rows from now on; REDACT_DEFAULT at first. */
void pipeline_set_redaction(struct pipeline *p, enum redact_profile profile);
enum redact_profile pipeline_redaction(const struct pipeline *p);
/* Texts taken out since the start, by all profiles that were in force. */
uint64_t pipeline_redacted(const struct pipeline *p, enum redact_detector detector);

/* Retention classes, filters and shares from now on; takes rules. Counters of rules of the same name go on. */
void pipeline_set_rules(struct pipeline *p, struct pipeline_rules *rules);
/* With a reference for the caller: snap_drop(&rules->snap). */
struct pipeline_rules *pipeline_rules_take(struct pipeline *p);

/* What limits new series; lives as long as the pipeline. */
struct firewall *pipeline_firewall(const struct pipeline *p);
/* What counts spans as metrics, once it is switched on; lives as long as the pipeline. */
struct span_metrics *pipeline_span_metrics(const struct pipeline *p);

/* Changes b in place; what is taken out moves from accepted to rejected in *result. ST_LIMIT: the batch's arena is over. */
MUST_CHECK enum status pipeline_run(struct pipeline *p, struct batch *b, struct ingest_result *result, struct err *err);

/* What the stages did, since the start. */
enum pipeline_reason {
    PIPELINE_SAMPLE_TIME,       /* dropped: before 1970 or too far ahead */
    PIPELINE_SERIES_LABELS,     /* dropped: too many labels */
    PIPELINE_SERIES_OVER,       /* dropped: samples of new series over a limit of the firewall */
    PIPELINE_TOO_OLD,           /* taken, and dropped again at the next flush: older than rows of their class are kept */
    PIPELINE_SPAN_TIME,         /* dropped: as for samples */
    PIPELINE_LOG_TIME,          /* changed: such a time became the time of arrival */
    PIPELINE_EVENT_FIELDS,      /* dropped: too many fields */
    PIPELINE_FIELD_NAME,        /* dropped: one field, its name is empty or too long */
    PIPELINE_FIELD_CUT,         /* changed: a field's text was cut */
    PIPELINE_BODY_CUT,          /* changed: a line was cut */
    PIPELINE_SEVERITY_DETECTED, /* changed: found in the line */
    PIPELINE_SERVICE_FOUND,     /* changed: found in the stream or the resource */
    PIPELINE_SPAN_FOLDED,       /* taken; span metrics count it as __overflow__ */
    PIPELINE_SPAN_UNCOUNTED,    /* taken; span metrics have no place for it */
    PIPELINE_EDGE_UNPAIRED,     /* taken, as all of these; see enum span_metrics_loss */
    PIPELINE_EDGE_DROPPED,
    PIPELINE_EDGE_FOLDED,
    PIPELINE_EDGE_UNCOUNTED,
    PIPELINE_VERSION_UNCOUNTED,
    PIPELINE_REASON_COUNT
};
const char *pipeline_reason_name(enum pipeline_reason reason); /* "sample_time", ...: for metrics */
bool pipeline_reason_is_drop(enum pipeline_reason reason);
uint64_t pipeline_count(const struct pipeline *p, enum pipeline_reason reason);

#endif
