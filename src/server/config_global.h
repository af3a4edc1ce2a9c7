/* SPDX-License-Identifier: Apache-2.0 */
/* `global` means one thing in prometheus.yml and another in alertmanager.yml. */
#ifndef STOA_SERVER_CONFIG_GLOBAL_H
#define STOA_SERVER_CONFIG_GLOBAL_H

#include "codec/yaml.h"

/* In a file with `route` or `receivers`, what `global` says about notification becomes `alertmanager_global`; all of it, unless
 * the file also says what is scraped or evaluated. */
void config_split_global(struct arena *a, struct yaml_node *file);

#endif
