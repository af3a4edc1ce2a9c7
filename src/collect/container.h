/* SPDX-License-Identifier: Apache-2.0 */
/* Whose log a file of a container runtime is, by where it stands. */
#ifndef STOA_COLLECT_CONTAINER_H
#define STOA_COLLECT_CONTAINER_H

#include "base/arena.h"
#include "sys/file.h"

enum { CONTAINER_CONFIG_BYTES_MAX = 1 * MIB };

struct container {
    struct slice ns, pod, name; /* empty: not told; in a, or in path */
    struct slice service;       /* of Docker Compose; else empty */
};

/* /var/log/pods/NS_POD_UID/CONTAINER/N.log, /var/log/containers/POD_NS_CONTAINER-ID.log and .../containers/ID/ID-json.log, of
 * which Docker's config.v2.json beside it tells the name. False: none of these. */
bool container_of_path(struct fs *fs, struct arena *a, struct slice path, struct container *out);

#endif
