/* SPDX-License-Identifier: Apache-2.0 */
/* Asks file systems for their room without being held up by one that does not answer.
 *
 * statvfs of a network file system whose server is gone sleeps until the server is back, maybe for ever. So those are asked
 * by a thread of its own, and waited for no longer than ROOM_NS_MAX.
 *
 * (1) While that thread is held up, every network file system gives ST_TIMEOUT at once; local ones are asked directly.
 * (2) A thread that is held up cannot be ended: at the end it is left behind with its memory, and the process's exit ends it. */
#include "collect/host.h"
#include "sys/machine.h"
#include "sys/thread.h"

enum { ROOM_PATH_BYTES_MAX = 4096 };
#define ROOM_NS_MAX (5 * NS_S)

struct host_rooms {
    struct mutex mutex; /* guards all below but thread */
    struct cond changed;
    bool asked, answered, stopping, ended;
    char path[ROOM_PATH_BYTES_MAX];
    struct machine_room room;
    enum status status;
    struct thread *thread;
};

static void rooms_thread(void *arg)
{
    struct host_rooms *s = arg;
    char path[ROOM_PATH_BYTES_MAX];
    mutex_lock(&s->mutex);
    while (!s->stopping) {
        if (!s->asked || s->answered) {
            cond_wait(&s->changed, &s->mutex);
            continue;
        }
        memcpy(path, s->path, sizeof path);
        mutex_unlock(&s->mutex);
        struct machine_room room = { 0 };
        enum status st = machine_room(path, &room, NULL);
        mutex_lock(&s->mutex);
        s->room = room;
        s->status = st;
        s->answered = true;
        cond_broadcast(&s->changed);
    }
    s->ended = true;
    cond_broadcast(&s->changed);
    mutex_unlock(&s->mutex);
}

enum status host_rooms_new(struct host_rooms **out, struct err *err)
{
    struct host_rooms *s = mem_new(struct host_rooms);
    mutex_init(&s->mutex);
    cond_init(&s->changed);
    enum status st = thread_start(&s->thread, "host-room", rooms_thread, s, err);
    if (st) {
        cond_destroy(&s->changed);
        mutex_destroy(&s->mutex);
        mem_free(s);
        return st;
    }
    *out = s;
    return ST_OK;
}

void host_rooms_free(struct host_rooms *s)
{
    if (s == NULL)
        return;
    mutex_lock(&s->mutex);
    s->stopping = true;
    cond_broadcast(&s->changed);
    bool held_up = s->asked && !s->answered;
    if (held_up)
        cond_wait_ns(&s->changed, &s->mutex, NS_S);
    bool left_behind = held_up && !s->ended;
    mutex_unlock(&s->mutex);
    if (left_behind)
        return; /* says (2) */
    thread_join(s->thread);
    cond_destroy(&s->changed);
    mutex_destroy(&s->mutex);
    mem_free(s);
}

static bool is_of_network(struct slice fstype)
{
    static const struct slice types[] = { SLICE_INIT("nfs"),  SLICE_INIT("nfs4"), SLICE_INIT("cifs"),  SLICE_INIT("smb3"), SLICE_INIT("smbfs"),
                                          SLICE_INIT("ceph"), SLICE_INIT("9p"),   SLICE_INIT("afs"),   SLICE_INIT("ocfs2"), SLICE_INIT("gfs2"),
                                          SLICE_INIT("lustre"), SLICE_INIT("ncpfs") };
    for (size_t i = 0; i < COUNT_OF(types); i++)
        if (slice_eq(fstype, types[i]))
            return true;
    return slice_starts(fstype, SLICE("fuse"));
}

enum status host_room(struct host_rooms *s, struct slice fstype, const char *path, struct machine_room *out)
{
    struct slice text = slice_str(path);
    if (s == NULL || !is_of_network(fstype))
        return machine_room(path, out, NULL);
    if (text.len >= ROOM_PATH_BYTES_MAX)
        return ST_LIMIT;
    mutex_lock(&s->mutex);
    /* An answer that came after its asker had gone is nobody's. */
    bool held_up = s->asked && !s->answered;
    enum status st = ST_TIMEOUT;
    if (!held_up) {
        memcpy(s->path, text.ptr, text.len);
        s->path[text.len] = 0;
        s->answered = false;
        s->asked = true;
        cond_broadcast(&s->changed);
        while (!s->answered && cond_wait_ns(&s->changed, &s->mutex, ROOM_NS_MAX))
            ;
        if (s->answered) {
            s->asked = false;
            st = s->status;
            *out = s->room;
        }
    }
    mutex_unlock(&s->mutex);
    return st;
}
