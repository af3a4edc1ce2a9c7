/* SPDX-License-Identifier: Apache-2.0 */
/* The flags of `stoa serve`; each has a twin in the environment, STOA_LISTEN for --listen. A flag wins over its twin. */
#ifndef STOA_SERVER_FLAGS_H
#define STOA_SERVER_FLAGS_H

#include "base/arena.h"
#include "base/err.h"

enum { FLAG_CONFIGS_MAX = 32 };

struct flags {
    struct arena *arena;
    struct slice configs[FLAG_CONFIGS_MAX]; /* --config, repeated; STOA_CONFIG: separated by ':' */
    size_t config_count;
    uint32_t features;                      /* --enable-feature, repeated or with commas; enum query_feature, what is always on among them */
    struct slice feature_names;             /* as given, with commas */
    bool insecure;                          /* beyond loopback without TLS or a login */
    struct slice data, listen;              /* empty: from the configuration */
    struct slice json;                      /* {"config":"...",...} as Prometheus's status/flags gives them */
};

MUST_CHECK enum status flags_read(int argc, char **argv, struct flags *out, struct err *err);
void flags_free(struct flags *f);

#endif
