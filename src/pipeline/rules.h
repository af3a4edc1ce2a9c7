/* SPDX-License-Identifier: Apache-2.0 */
/* The retention policies and the filters and shares in force: one immutable value, replaced by a reload, held by whoever reads. */
#ifndef STOA_PIPELINE_RULES_H
#define STOA_PIPELINE_RULES_H

#include "pipeline/class.h"
#include "pipeline/sample.h"
#include "sys/snap.h"

struct pipeline_rules {
    struct snap snap; /* first */
    struct arena *arena;
    struct class_config *classes;
    struct sample_config *samples; /* its counters alone change */
    int64_t retention_ns;          /* of what no class speaks of; 0: nothing is said about old rows */
};

/* Copies both, which may be NULL. One reference, the caller's. */
struct pipeline_rules *pipeline_rules_new(const struct class_config *classes, const struct sample_config *samples);

#endif
