/* SPDX-License-Identifier: Apache-2.0 */
/* What pushed metrics meet between their decoder and the pipeline: how OTLP is translated, deltas added up, samples of replicas
 * told apart. Totals outlive a restart by the store's last samples, elections by a key each (docs/protocols/remote_write.md). */
#ifndef STOA_API_INTAKE_H
#define STOA_API_INTAKE_H

#include "ingest/ingest.h"
#include "ingest/otlp_options.h"
#include "pipeline/last.h"
#include "pipeline/replica.h"
#include "sys/snap.h"

struct intake_config {
    struct otlp_options otlp;
    struct replica_options replicas;
    bool start_zero; /* --enable-feature=created-timestamp-zero-ingestion */
};

/* An immutable copy: take, use, snap_drop(&o->snap). */
struct intake_options {
    struct snap snap;
    struct arena *arena;
    struct otlp_options otlp;
    bool start_zero;
};

struct intake;
/* Copies all. last, keeper: see delta_new(), replica_new(). */
struct intake *intake_new(const struct intake_config *config, const struct last_reader *last, const struct replica_keeper *keeper);
void intake_restore_election(struct intake *i, struct slice tenant, struct slice cluster, struct slice elected, int64_t now_ns);
void intake_free(struct intake *i); /* accepts NULL */
void intake_configure(struct intake *i, const struct intake_config *config);
struct intake_options *intake_take(struct intake *i);
/* Deltas of b become totals; rows of replicas that are not listened to go, and *dropped says how many they were. ST_LIMIT: too many clusters. */
MUST_CHECK enum status intake_run(struct intake *i, struct batch *b, struct ingest_result *result, size_t *dropped, struct err *err);
/* See starts_is_new(). */
bool intake_start_is_new(struct intake *i, struct slice tenant, struct slice labels, int64_t start_ms, int64_t t_ms, int64_t received_ns);
/* Our own metrics about it, as text. */
void intake_metrics(struct intake *i, struct buf *out);

/* Sections otlp and ha_tracker of a configuration. Texts live in root's tree. */
MUST_CHECK enum status intake_config_read(struct arena *a, const struct yaml_node *root, struct intake_config *out, struct err *err);

#endif
