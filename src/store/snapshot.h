/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STOA_STORE_SNAPSHOT_H
#define STOA_STORE_SNAPSHOT_H

#include "store/store.h"

/* A copy in folder to, which is made: part files by second names, or copied where there are none, and a manifest. A store opens on it
 * with every row that was durable before the call; with skip_head, with every row that stood in files. */
MUST_CHECK enum status store_snapshot(struct store *s, const char *to, bool skip_head, struct err *err);

/* Part files of a kind as the manifest has them, in a. */
void store_part_files(struct store *s, uint8_t kind, struct arena *a, struct part_info **out, size_t *count);

/* Removes what snapshots that a crash interrupted left in folder: NAME.tmp, and NAME.state, which waits beside it to become
 * NAME/state.db: it does so where NAME is whole. Before anything makes snapshots there. *removed: how many. No folder is no
 * error; what cannot be removed is. */
MUST_CHECK enum status snapshots_sweep(struct fs *fs, const char *folder, size_t *removed, struct err *err);

#endif
