/* SPDX-License-Identifier: Apache-2.0 */
/* From an address in a group of targets to what is asked when: labels, URL and times of one target. */
#ifndef STOA_COLLECT_TARGET_H
#define STOA_COLLECT_TARGET_H

#include "collect/scrape_config.h"

struct target_spec {
    struct slice labels, discovered; /* canonical */
    struct slice url;
    int64_t interval_ns, timeout_ns;
};

/* *dropped: relabelling did not want it; only discovered is set then. ST_INVALID: no address, a scheme or time that is
 * none. Everything lives in a. */
MUST_CHECK enum status target_build(struct arena *a, const struct scrape_job *job, const struct relabel *rules, const struct target_group *group,
                                    struct slice address, struct target_spec *out, bool *dropped, struct err *err);

#endif
