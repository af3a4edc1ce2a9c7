/* SPDX-License-Identifier: Apache-2.0 */
/* sd_kubernetes.c's and sd_kubernetes_stream.c's own: a kind of objects in a namespace, and the configuration it belongs to. */
#ifndef STOA_COLLECT_SD_KUBERNETES_STREAM_H
#define STOA_COLLECT_SD_KUBERNETES_STREAM_H

#include "collect/sd_kubernetes.h"
#include "sys/thread.h"

#define KUBERNETES_BACKOFF_MAX_NS (60 * NS_S)

enum stream_state { STREAM_WAITS, STREAM_LISTS, STREAM_WATCHES };

struct stream {
    struct sd_kubernetes *k;
    uint32_t number, generation;
    enum kubernetes_kind kind;
    struct slice space; /* empty: all */
    enum stream_state state;
    struct http_transfer *transfer;
    struct buf version, more, line;
    int64_t due_ns, backoff_ns, began_ns;
    size_t pages;
    unsigned tries;
    bool progress;   /* of the watch: an event was read */
    bool has_watched;
    /* under the lock */
    struct buf waiting;
    bool over, answered_well, is_listed, has_failed;
    char error[DISCOVERY_ERROR_BYTES_MAX + 1];
};

struct sd_kubernetes {
    const struct collect_env *env;
    const struct kubernetes_sd *sd;
    struct arena *a;
    struct kubernetes_store *store;
    struct stream *streams;
    size_t count;
    struct thread *thread;
    struct buf scratch;      /* the thread's */
    uint64_t taken;          /* the poller's: changes as of its last targets, plus 1 */
    struct mutex lock;
    struct cond wake, first; /* something came; a list is over */
    bool woken, stopping;
    struct discovery_counts counts;
};

bool kubernetes_has_namespace(enum kubernetes_kind kind); /* or there are such objects once in a cluster */
/* ---- of the configuration's thread ---- */
/* Takes what came since, and asks for what is due. */
void stream_step(struct stream *s, int64_t now_ns);
/* Ends the request under way. */
void stream_drop(struct stream *s);

#endif
