/* SPDX-License-Identifier: Apache-2.0 */
/* The files a pattern names, and folders of paths. */
#ifndef STOA_COLLECT_FILES_H
#define STOA_COLLECT_FILES_H

#include "base/arena.h"
#include "sys/file.h"

enum { FILES_PER_PATTERN_MAX = 10 * 1000, FILES_DEPTH_MAX = 16 };

struct file_list {
    struct slice *paths; /* NUL-terminated, in a */
    size_t count, cap;
};

/* Appends the files (not folders) that pattern names, sorted within a folder; a path without wildcards is given when it exists.
 * Folders that cannot be read are passed over. At most FILES_PER_PATTERN_MAX are given. */
void files_glob(struct fs *fs, struct arena *a, struct slice pattern, struct file_list *out);
/* "/var/log/" of "/var/log/syslog"; empty when there is no '/'. */
struct slice files_folder(struct slice path);

#endif
