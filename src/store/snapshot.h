/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STOA_STORE_SNAPSHOT_H
#define STOA_STORE_SNAPSHOT_H

#include "store/store.h"

/* A copy in folder to, which is made: part files by second names, or copied where there are none, and a manifest. A store opens on it
 * with every row that was durable before the call; with skip_head, with every row that stood in files. */
MUST_CHECK enum status store_snapshot(struct store *s, const char *to, bool skip_head, struct err *err);

#endif
