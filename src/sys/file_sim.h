/* SPDX-License-Identifier: Apache-2.0 */
/* An imitation of a disk, in memory, seeded: for crash, power-cut, disk-full, failed-sync and bad-sector tests.
 *
 * Faults. Bytes appended but not synced, and directory entries (create, rename, unlink) whose folder was not synced, are
 * at the mercy of fs_sim_power_cut: each is kept, dropped, or (bytes) garbled or torn in the middle, by the seed.
 * Ops are counted; a fault can be set on the n-th sync, append or open from now. Thread-safe. */
#ifndef STOA_SYS_FILE_SIM_H
#define STOA_SYS_FILE_SIM_H

#include "sys/file.h"

struct fs *fs_sim_new(uint64_t seed);
/* Every file of it must have been closed. Accepts NULL. */
void fs_sim_free(struct fs *fs);

enum fs_sim_loss {
    LOSE_ALL,    /* everything not synced is gone */
    LOSE_RANDOM, /* each unsynced append or entry is kept, lost, torn or garbled by the seed */
    LOSE_NONE    /* kill -9: the kernel still has it */
};
/* The machine stops and starts again: open files become useless (every call on them fails), locks are released. */
void fs_sim_power_cut(struct fs *fs, enum fs_sim_loss how);

/* Syncs (files and folders) done so far. */
uint64_t fs_sim_syncs(struct fs *fs);
/* From the n-th sync from now on (1 = the next), nothing is written, synced or renamed any more: every call that would
 * change something fails with ST_IO as if the power had gone; follow with fs_sim_power_cut. 0 turns it off. */
void fs_sim_stop_at_sync(struct fs *fs, uint64_t n);
/* The n-th sync from now fails once with ST_IO and the bytes it covered are lost at the next power cut. */
void fs_sim_fail_sync(struct fs *fs, uint64_t n);
/* What fs_space says; appends beyond free fail with ST_FULL. Default: plenty. */
void fs_sim_set_space(struct fs *fs, uint64_t free_bytes, uint64_t total_bytes);
/* Flips bits of one byte of a file, behind everybody's back. */
void fs_sim_flip(struct fs *fs, const char *path, uint64_t offset);

#endif
