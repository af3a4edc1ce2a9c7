/* SPDX-License-Identifier: Apache-2.0 */
/* Threads, locks and a pool of workers, thinly over pthreads. */
#ifndef STOA_SYS_THREAD_H
#define STOA_SYS_THREAD_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/err.h"

struct mutex {
    pthread_mutex_t m;
};
struct cond {
    pthread_cond_t c;
};
#define MUTEX_INIT { PTHREAD_MUTEX_INITIALIZER }

void mutex_init(struct mutex *m);
void mutex_destroy(struct mutex *m);
void mutex_lock(struct mutex *m);
void mutex_unlock(struct mutex *m);
void cond_init(struct cond *c);
void cond_destroy(struct cond *c);
void cond_wait(struct cond *c, struct mutex *m);
/* False when timeout_ns (relative, monotonic) passed first. */
bool cond_wait_ns(struct cond *c, struct mutex *m, int64_t timeout_ns);
void cond_signal(struct cond *c);
void cond_broadcast(struct cond *c);

struct thread;
/* name: at most 15 bytes are kept. Blocks all signals in the new thread. */
MUST_CHECK enum status thread_start(struct thread **out, const char *name, void (*run)(void *), void *arg,
                                    struct err *err);
/* Waits for the end and frees. NULL is accepted. */
void thread_join(struct thread *t);
unsigned cpu_count(void);

/* A fixed number of threads serving a bounded queue. Jobs run in the order given. */
struct pool;
MUST_CHECK enum status pool_new(struct pool **out, const char *name, unsigned threads, size_t queue_max,
                                struct err *err);
/* False when the queue is full or the pool is stopping: the caller answers "try again later". */
MUST_CHECK bool pool_submit(struct pool *p, void (*run)(void *), void *arg);
size_t pool_queued(const struct pool *p);
/* Finishes what is queued, then ends the threads and frees. NULL is accepted. */
void pool_free(struct pool *p);

#endif
