/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration as a text that may be shown. */
#ifndef STOA_SERVER_CONFIG_TEXT_H
#define STOA_SERVER_CONFIG_TEXT_H

#include "codec/yaml.h"

enum { CONFIG_TEXT_BYTES_MAX = 16 * MIB };

/* root as YAML, in a. Values of keys that name a secret, and passwords in URLs, are written as <secret>. What is beyond
 * CONFIG_TEXT_BYTES_MAX is left out. */
struct slice config_text(struct arena *a, const struct yaml_node *root);

#endif
