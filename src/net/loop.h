/* SPDX-License-Identifier: Apache-2.0 */
/* An event loop with a thread of its own. Everything that belongs to a loop is touched by its thread only; other threads
 * hand over a task with loop_post. */
#ifndef STOA_NET_LOOP_H
#define STOA_NET_LOOP_H

#include "base/err.h"
#include "base/slice.h"

#include <uv.h> /* after base.h: it brings a MIN and a MAX of its own */

enum { LOOP_READ_BYTES = 128 * KIB };

struct loop;

/* Embedded in what it is about; run gets it back and may free it. A task is in at most one queue at a time. */
struct loop_task {
    struct loop_task *next;
    void (*run)(struct loop_task *t);
};

MUST_CHECK enum status loop_new(struct loop **out, const char *name, struct err *err);
/* Ends the thread once every handle on the loop is closed, and frees. Not from the loop itself. NULL is accepted. */
void loop_free(struct loop *l);

/* Any thread. Tasks of one poster run in the order posted, never inside the call. */
void loop_post(struct loop *l, struct loop_task *t);
/* Runs fn on the loop and waits for its end. Not from the loop itself. */
void loop_call(struct loop *l, void (*fn)(void *arg), void *arg);
bool loop_is_here(const struct loop *l);

/* The rest: the loop's thread only. */
uv_loop_t *loop_uv(struct loop *l);
/* Milliseconds, never going back, as of the start of this round. */
uint64_t loop_now_ms(const struct loop *l);
/* Room to read into, LOOP_READ_BYTES; free again when the read callback returns. And the same for what TLS decrypts. */
char *loop_read_room(struct loop *l);
char *loop_plain_room(struct loop *l);
/* The value of a Date header, renewed every second. */
struct slice loop_date(struct loop *l);

#endif
