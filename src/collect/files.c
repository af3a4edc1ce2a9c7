/* SPDX-License-Identifier: Apache-2.0 */
/* Walks only the folders a pattern can match: the part before the first wildcard is taken as it is, then component by
 * component; behind a ** everything below is looked at, to FILES_DEPTH_MAX levels. */
#include "collect/files.h"

#include "base/glob.h"

struct walk {
    struct fs *fs;
    struct arena *a;
    struct slice pattern;
    struct file_list *out;
    size_t given_before;
};

struct slice files_folder(struct slice path)
{
    size_t n = path.len;
    while (n > 0 && path.ptr[n - 1] != '/')
        n--;
    return slice_sub(path, 0, n);
}

static bool is_full(const struct walk *w)
{
    return w->out->count - w->given_before >= FILES_PER_PATTERN_MAX;
}

/* The first levels components of the pattern, or all of it. */
static struct slice pattern_start(struct slice pattern, size_t levels)
{
    for (size_t i = 0; i < pattern.len; i++)
        if (pattern.ptr[i] == '/' && levels-- == 0)
            return slice_sub(pattern, 0, i);
    return pattern;
}

static size_t count_slashes(struct slice s)
{
    size_t n = 0;
    for (size_t i = 0; i < s.len; i++)
        n += s.ptr[i] == '/';
    return n;
}

static void walk_folder(struct walk *w, struct slice folder, int depth)
{
    struct buf names;
    if (depth > FILES_DEPTH_MAX || is_full(w))
        return;
    buf_init(&names, 0);
    const char *path = folder.len ? arena_copy(w->a, folder).ptr : ".";
    bool deep = slice_contains(w->pattern, SLICE("**"));
    if (fs_list(w->fs, path, &names, NULL) == ST_OK) {
        struct slice rest = buf_as_slice(&names), name;
        while (slice_next(&rest, 0, &name) && !is_full(w)) {
            struct slice full = arena_printf(w->a, "%.*s%.*s", SLICE_FMT(folder), SLICE_FMT(name));
            bool whole = glob_match(w->pattern, full);
            bool leads = deep || glob_match(pattern_start(w->pattern, count_slashes(full)), full);
            struct file_info info;
            if ((!whole && !leads) || fs_info(w->fs, full.ptr, &info, NULL))
                continue;
            if (info.is_dir && leads)
                walk_folder(w, arena_printf(w->a, "%.*s/", SLICE_FMT(full)), depth + 1);
            else if (!info.is_dir && whole)
                ARENA_PUSH(w->a, w->out->paths, w->out->count, w->out->cap) = full;
        }
    }
    buf_free(&names);
}

void files_glob(struct fs *fs, struct arena *a, struct slice pattern, struct file_list *out)
{
    struct file_info info;
    if (!glob_has_wildcard(pattern)) {
        struct slice path = arena_copy(a, pattern);
        if (path.len && fs_info(fs, path.ptr, &info, NULL) == ST_OK && !info.is_dir)
            ARENA_PUSH(a, out->paths, out->count, out->cap) = path;
        return;
    }
    size_t fixed = 0;
    while (fixed < pattern.len && !slice_contains(SLICE("*?[\\"), slice_sub(pattern, fixed, fixed + 1)))
        fixed++;
    struct walk w = { .fs = fs, .a = a, .pattern = pattern, .out = out, .given_before = out->count };
    walk_folder(&w, files_folder(slice_sub(pattern, 0, fixed)), 0);
}
