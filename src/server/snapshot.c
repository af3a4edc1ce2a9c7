/* SPDX-License-Identifier: Apache-2.0 */
/* A copy of the data folder: DATA/snapshots/NAME, which `stoa serve --data` opens. Part files are shared with the original by second
 * names; accounts, boards and silences (state.db) are copied. The audit log stays where it was written. */
#include "base/date.h"
#include "server/state.h"
#include "store/snapshot.h"
#include "sys/rand.h"

enum status server_snapshot(void *arg, bool skip_head, struct arena *a, struct slice *name, struct err *err)
{
    struct server *s = arg;
    char when[DATE_TEXT_BYTES_MAX];
    uint64_t id;
    sys_random(&id, sizeof id);
    /* 2026-11-22T10:00:00Z without its marks */
    struct slice text = slice_of(when, date_format_rfc3339(clock_wall_ns(s->clock), 0, 0, when));
    struct buf compact;
    buf_init(&compact, 0);
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] != '-' && text.ptr[i] != ':')
            buf_char(&compact, text.ptr[i]);
    *name = arena_printf(a, "%.*s-%016llx", (int)compact.len, compact.ptr, (unsigned long long)id);
    buf_free(&compact);
    struct slice folder = arena_printf(a, "%.*s/snapshots", SLICE_FMT(s->data_dir));
    struct slice path = arena_printf(a, "%.*s/%.*s", SLICE_FMT(folder), SLICE_FMT(*name));
    /* The state's copy waits beside the folder, so that a folder under its own name is whole. */
    struct slice state = arena_printf(a, "%.*s.state", SLICE_FMT(path));
    enum status st = fs_mkdir_all(s->fs, folder.ptr, err);
    if (!st)
        st = kv_copy(s->kv, state.ptr, err);
    if (!st)
        st = s->engine->ops->snapshot(s->engine, path.ptr, skip_head, err);
    if (!st)
        st = fs_rename(s->fs, state.ptr, arena_printf(a, "%.*s/state.db", SLICE_FMT(path)).ptr, err);
    if (!st)
        st = fs_sync_dir(s->fs, path.ptr, err);
    if (st) {
        struct err ignored;
        enum status gone = fs_unlink(s->fs, state.ptr, &ignored);
        (void)gone;
        return st;
    }
    return fs_sync_dir(s->fs, folder.ptr, err);
}

void server_snapshots_sweep(struct server *s)
{
    struct arena *a = arena_new(0);
    struct err err;
    size_t removed = 0;
    enum status st = snapshots_sweep(s->fs, arena_printf(a, "%.*s/snapshots", SLICE_FMT(s->data_dir)).ptr, &removed, &err);
    if (removed)
        log_line(&s->log, LOG_INFO, "what a crash left of snapshots is removed", "count=%zu", removed);
    if (st)
        log_line(&s->log, LOG_WARNING, "what a crash left of snapshots stays", "error=\"%s\"", err.text);
    arena_free(a);
}
