/* SPDX-License-Identifier: Apache-2.0 */
/* Private to file_sim*.c: what the imitated machine has in memory and what is on its disk. Not thread-safe; file_sim.c
 * holds its lock around every call. */
#ifndef STOA_SYS_FILE_SIM_DISK_H
#define STOA_SYS_FILE_SIM_DISK_H

#include "base/buf.h"
#include "base/rand.h"
#include "sys/file_sim.h"

struct disk_entry {
    struct slice name; /* owned */
    struct disk_node *node;
};

/* Sorted by name. */
struct disk_entries {
    struct disk_entry *list;
    size_t count, cap;
};

/* One append or truncate not yet synced. */
struct disk_write {
    bool is_truncate, lost;
    uint64_t offset; /* of an append; the new size of a truncate */
    char *bytes;
    size_t n;
};

struct disk_node {
    struct disk_node *next, *prev; /* all nodes of the disk */
    int refs;                      /* entries, durable entries, changes, open files */
    bool is_dir, linked, locked;   /* linked: reachable from the root by what memory says */
    uint64_t inode;
    int64_t mtime_ns;
    struct buf now, durable; /* of a file */
    struct disk_write *writes;
    size_t write_count, write_cap;
    struct disk_entries entries, durable_entries; /* of a folder */
};

/* One change of entries not yet synced. Create has only a to side, unlink only a from side, rename both. */
struct disk_change {
    struct disk_node *from_dir, *to_dir, *node;
    struct slice from_name, to_name; /* owned */
    bool lost, keep;
};

struct disk {
    struct disk_node *root, *all;
    struct disk_change *changes;
    size_t change_count, change_cap;
    uint64_t inodes, ticks;
    uint64_t live_bytes; /* sizes of all linked files */
};

void disk_init(struct disk *d);
void disk_free(struct disk *d);

/* A node with no reference yet. */
struct disk_node *disk_node_new(struct disk *d, bool is_dir);
void disk_node_ref(struct disk_node *n);
void disk_node_unref(struct disk *d, struct disk_node *n);

/* NULL when dir has no such entry. */
struct disk_node *disk_find(const struct disk_node *dir, struct slice name);
/* In memory at once; on the disk when one of the folders is synced. from_dir or to_dir may be NULL. */
void disk_change(struct disk *d, struct disk_node *from_dir, struct slice from_name, struct disk_node *to_dir,
                 struct slice to_name, struct disk_node *node);
void disk_append(struct disk *d, struct disk_node *file, const void *bytes, size_t n);
void disk_truncate(struct disk *d, struct disk_node *file, uint64_t size);

void disk_sync_file(struct disk_node *file);
void disk_sync_dir(struct disk *d, struct disk_node *dir);
/* A sync that failed: what it covered will not be on the disk, whatever later syncs say. */
void disk_lose_file(struct disk_node *file);
void disk_lose_dir(struct disk *d, struct disk_node *dir);
/* Changes one byte wherever it stands: memory, disk and on its way there. */
void disk_flip(struct disk_node *file, uint64_t offset, uint8_t bits);
/* Memory becomes what the disk has. */
void disk_cut(struct disk *d, enum fs_sim_loss how, struct rand *rand);

#endif
