/* SPDX-License-Identifier: Apache-2.0 */
/* Where a job's targets come from: the configuration itself, files, HTTP servers, DNS and Kubernetes. */
#ifndef STOA_COLLECT_DISCOVERY_H
#define STOA_COLLECT_DISCOVERY_H

#include "collect/scrape_config.h"

/* Keeps env and job. One thread at a time, but for discovery_states(). */
struct discovery;
struct discovery *discovery_new(const struct collect_env *env, const struct scrape_job *job);
void discovery_free(struct discovery *d); /* accepts NULL */
/* Looks again at files, and, with_http, at the servers whose time has come (blocks for their answers). True when the
 * targets may have changed. What cannot be read or is wrong is told by log, and the last good state stays. */
MUST_CHECK bool discovery_poll(struct discovery *d, bool with_http);
/* All groups as of the last poll, in a; those of a file or URL carry it as a __meta_ label. */
void discovery_groups(struct discovery *d, struct arena *a, struct target_group **out, size_t *count);
/* Adds how each source does. Any thread. job is the configuration's text. */
void discovery_states(struct discovery *d, struct arena *a, struct discovery_state **list, size_t *count, size_t *cap);

#endif
