/* SPDX-License-Identifier: Apache-2.0 */
/* blackbox_exporter's `modules:` (prober http) and its answer to /probe. */
#ifndef STOA_PROBE_BLACKBOX_H
#define STOA_PROBE_BLACKBOX_H

#include "codec/yaml.h"
#include "probe/fetch.h"

struct module_set; /* in the configuration's arena */

/* Reads `modules` of root; without the key, the one module http_2xx. Keys that blackbox_exporter knows and we do not serve,
 * other probers among them, are told in warnings; unknown ones are errors. */
MUST_CHECK enum status module_config_read(struct arena *a, const struct yaml_node *root, struct module_set **out, struct buf *warnings,
                                          struct err *err);

/* The whole set once more in arena a, for who outlives the configuration. */
struct module_set *module_set_copy(const struct module_set *s, struct arena *a);

/* Probes target as the module says and appends the page of metrics. timeout_ns: the most the caller waits; 0: the module's
 * own. Blocks. ST_INVALID: no target, or a module that is not there (the page stays empty). */
MUST_CHECK enum status blackbox_probe(struct http_client *client, struct clock *clock, const struct module_set *modules, struct slice module,
                                      struct slice target, int64_t timeout_ns, struct buf *page, struct err *err);

#endif
