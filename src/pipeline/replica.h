/* SPDX-License-Identifier: Apache-2.0 */
/* Two Prometheus servers that scrape the same targets send everything twice, told apart by labels: of a `cluster` only the samples
 * of one `__replica__` are kept, as Mimir does it. The first one heard is elected; when it has been silent for the failover time, the
 * next one heard is. What is kept loses the replica's label, so that a failover changes no series. Elections are told, so that
 * somebody can keep them over a restart. */
#ifndef STOA_PIPELINE_REPLICA_H
#define STOA_PIPELINE_REPLICA_H

#include "model/batch.h"

enum { REPLICA_CLUSTERS_MAX = 10 * 1000, REPLICA_CLUSTERS_DEFAULT = 1000, REPLICA_NAME_BYTES_MAX = 256,
       REPLICA_SILENT_MINUTES_MAX = 60 /* of a cluster; then it makes room for another */ };

struct replica_options {
    bool is_on;
    struct slice cluster_label, replica_label;
    int64_t failover_ns;
    size_t clusters_max;      /* of all tenants; more are refused */
};
struct replica_options replica_options_default(void);

/* Keeps elections over restarts. */
struct replica_keeper {
    void *arg;
    /* elected empty: the cluster is forgotten. Any thread; may block. NULL: nobody keeps them. */
    void (*keep)(void *arg, struct slice tenant, struct slice cluster, struct slice elected);
};

/* Any number of threads at once. */
struct replica;
/* Copies opt, of which clusters_max is at most REPLICA_CLUSTERS_MAX; keeper too, which may be NULL. */
struct replica *replica_new(const struct replica_options *opt, const struct replica_keeper *keeper);
/* An election of before, as if elected had just been heard: it has the failover time to speak again. Before replica_run. */
void replica_restore(struct replica *r, struct slice tenant, struct slice cluster, struct slice elected, int64_t now_ns);
void replica_free(struct replica *r); /* accepts NULL */
/* Other options from now on; who is elected stays so. */
void replica_set(struct replica *r, const struct replica_options *opt);
/* Takes rows of replicas that are not elected out of b, and the label off the others. now_ns: any clock, the same at each call.
 * *dropped: samples and exemplars that were taken out. ST_LIMIT: too many clusters; b is as it was. */
MUST_CHECK enum status replica_run(struct replica *r, struct batch *b, int64_t now_ns, size_t *dropped, struct err *err);

struct replica_cluster {
    struct slice tenant, cluster, elected;
    int64_t heard_ns;             /* from the elected */
    uint64_t dropped, failovers;
};
/* As of now, in a. */
void replica_clusters(struct replica *r, struct arena *a, struct replica_cluster **out, size_t *count);

#endif
