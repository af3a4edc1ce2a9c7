/* SPDX-License-Identifier: Apache-2.0 */
/* Live tail: log records go to everybody whose query they fit, as soon as they are on disk.
 *
 * Nothing is read back: whoever appends a batch offers it, and one thread runs each watcher's query over its records. What
 * waits for that thread and for a watcher that reads slowly is bounded; what does not fit is left out, counted and told.
 * Appending never waits for a watcher. */
#ifndef STOA_API_FOLLOW_H
#define STOA_API_FOLLOW_H

#include "model/batch.h"
#include "query/lang.h"
#include "sys/thread.h"

enum {
    FOLLOW_WATCHERS_MAX = 256,
    FOLLOW_QUEUE_BATCHES_MAX = 4096,      /* that wait for the thread */
    FOLLOW_QUEUE_BYTES_MAX = 64 * MIB,    /* of them together */
    FOLLOW_MESSAGE_BYTES = 256 * KIB,     /* of lines in one message; more begin another one */
    FOLLOW_DROPPED_SHOWN_MAX = 100,       /* of the lines a slow watcher missed, with labels and time */
    FOLLOW_HOURS_MAX = 1                  /* then it ends, and may come again: a login that was taken back does not watch on */
};

struct follow;
struct follow_watcher;

/* Where a watcher's messages go. Called by one thread at a time, none blocks. */
struct follow_sink {
    bool (*send)(void *arg, struct slice message); /* false: no room now, or nobody is there any more */
    bool (*is_gone)(void *arg);
    void (*end)(void *arg, struct slice reason);   /* the last call */
    void *arg;
};
enum follow_format {
    FOLLOW_LOKI,            /* {"streams":[{"stream":{},"values":[["ns","line"]]}],"dropped_entries":[{"labels":{},"timestamp":"ns"}]} */
    FOLLOW_LOKI_CATEGORIES, /* with {"structuredMetadata":{},"parsed":{}} behind each line */
    FOLLOW_NDJSON           /* a line each: {"time":"ns","labels":{},"line":""}; {"dropped":n} */
};

MUST_CHECK enum status follow_new(struct follow **out, struct clock *clock, struct err *err);
/* Ends all watchers; nobody can watch from here on. NULL is accepted. */
void follow_stop(struct follow *t);
void follow_free(struct follow *t); /* accepts NULL */

/* For whoever appends, before: b with a reference for the caller when it has events, else NULL. Also when nobody watches: somebody
 * may have begun to when it is stored. Any thread; t may be NULL. */
struct batch *follow_hold(struct follow *t, struct batch *b);
/* Takes the reference. stored: the batch is on disk. Any thread; never blocks. NULL is accepted. */
void follow_offer(struct follow *t, struct batch *held, bool stored);

/* Batches are kept for the watcher from here on; it gets them after follow_begin. Takes rows in any case.
 * ST_UNAVAILABLE: too many watch. tenants are copied. */
MUST_CHECK enum status follow_join(struct follow *t, const struct query_lang *lang, struct query_rows *rows, const struct slice *tenants,
                                 size_t tenant_count, struct follow_watcher **out, struct err *err);
/* past: lines found in the store, which are sent first and not again when they come by. The watcher is its own from here
 * on and ends by itself. */
void follow_begin(struct follow *t, struct follow_watcher *w, const struct value *past, enum follow_format format, const struct follow_sink *sink);
/* Instead of follow_begin. */
void follow_leave(struct follow *t, struct follow_watcher *w);

void follow_metrics(struct follow *t, struct buf *out);

#endif
