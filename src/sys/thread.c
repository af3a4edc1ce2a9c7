/* SPDX-License-Identifier: Apache-2.0 */
/* Locks, threads and a pool of workers over pthreads.
 *
 * A pthread call that fails here has met a bug of ours (a lock freed while held, say), so it asserts; only thread_start,
 * which the system may refuse for want of memory, returns an error.
 *
 * The pool is a ring of jobs under one lock. (1) A job accepted is a job run: pool_free empties the ring before the threads
 * end. (2) After pool_free has begun, pool_submit says no, also to a job that runs in the pool itself. (3) The ring's
 * size never changes. */
#include "sys/thread.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>

enum {
    THREAD_NAME_BYTES_MAX = 15, /* the kernel's limit, without NUL */
    POOL_THREADS_MAX = 1024,
    POOL_QUEUE_MAX = 1 << 20
};

static void must(int failed)
{
    assert(failed == 0);
}

void mutex_init(struct mutex *m)
{
    must(pthread_mutex_init(&m->m, NULL));
}

void mutex_destroy(struct mutex *m)
{
    must(pthread_mutex_destroy(&m->m));
}

void mutex_lock(struct mutex *m)
{
    must(pthread_mutex_lock(&m->m));
}

void mutex_unlock(struct mutex *m)
{
    must(pthread_mutex_unlock(&m->m));
}

void cond_init(struct cond *c)
{
    pthread_condattr_t attr;
    must(pthread_condattr_init(&attr));
    must(pthread_condattr_setclock(&attr, CLOCK_MONOTONIC));
    must(pthread_cond_init(&c->c, &attr));
    must(pthread_condattr_destroy(&attr));
}

void cond_destroy(struct cond *c)
{
    must(pthread_cond_destroy(&c->c));
}

void cond_wait(struct cond *c, struct mutex *m)
{
    must(pthread_cond_wait(&c->c, &m->m));
}

bool cond_wait_ns(struct cond *c, struct mutex *m, int64_t timeout_ns)
{
    struct timespec until;
    must(clock_gettime(CLOCK_MONOTONIC, &until));
    if (timeout_ns < 0)
        timeout_ns = 0;
    int64_t ns = until.tv_nsec + timeout_ns % NS_S;
    until.tv_sec += (time_t)(timeout_ns / NS_S + ns / NS_S);
    until.tv_nsec = (long)(ns % NS_S);
    int failed = pthread_cond_timedwait(&c->c, &m->m, &until);
    assert(failed == 0 || failed == ETIMEDOUT);
    return failed == 0;
}

void cond_signal(struct cond *c)
{
    must(pthread_cond_signal(&c->c));
}

void cond_broadcast(struct cond *c)
{
    must(pthread_cond_broadcast(&c->c));
}

struct thread {
    pthread_t id;
    void (*run)(void *);
    void *arg;
    char name[THREAD_NAME_BYTES_MAX + 1];
};

static void *thread_main(void *arg)
{
    struct thread *t = arg;
    /* From inside, so that the name is there before run begins; a refused name does no harm. */
    (void)pthread_setname_np(pthread_self(), t->name);
    t->run(t->arg);
    return NULL;
}

enum status thread_start(struct thread **out, const char *name, void (*run)(void *), void *arg, struct err *err)
{
    struct thread *t = mem_new(struct thread);
    t->run = run;
    t->arg = arg;
    snprintf(t->name, sizeof t->name, "%.*s", (int)THREAD_NAME_BYTES_MAX, name);
    /* The new thread inherits the mask: blocked here for a moment, it never sees a signal, and main handles them all. */
    sigset_t all, before;
    sigfillset(&all);
    must(pthread_sigmask(SIG_SETMASK, &all, &before));
    int failed = pthread_create(&t->id, NULL, thread_main, t);
    must(pthread_sigmask(SIG_SETMASK, &before, NULL));
    if (failed) {
        mem_free(t);
        char text[128];
        return err_set(err, ST_UNAVAILABLE, "thread %s cannot be started: %s", name,
                       strerror_r(failed, text, sizeof text));
    }
    *out = t;
    return ST_OK;
}

void thread_join(struct thread *t)
{
    if (t == NULL)
        return;
    must(pthread_join(t->id, NULL));
    mem_free(t);
}

unsigned cpu_count(void)
{
    /* What this process may use, which a container or taskset makes less than what the machine has. */
    cpu_set_t set;
    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof set, &set) != 0)
        return 1;
    int n = CPU_COUNT(&set);
    return n > 0 ? (unsigned)n : 1;
}

struct job {
    void (*run)(void *);
    void *arg;
};

struct pool {
    struct mutex lock;
    struct cond work;
    struct thread **threads;
    unsigned thread_count;
    bool stopping;
    struct job *ring;
    size_t ring_size, first, count;
};

static void worker_main(void *arg)
{
    struct pool *p = arg;
    mutex_lock(&p->lock);
    for (;;) {
        while (p->count == 0 && !p->stopping)
            cond_wait(&p->work, &p->lock);
        if (p->count == 0)
            break;
        struct job job = p->ring[p->first];
        p->first = (p->first + 1) % p->ring_size;
        p->count--;
        mutex_unlock(&p->lock);
        job.run(job.arg);
        mutex_lock(&p->lock);
    }
    mutex_unlock(&p->lock);
}

enum status pool_new(struct pool **out, const char *name, unsigned threads, size_t queue_max, struct err *err)
{
    if (threads < 1 || threads > POOL_THREADS_MAX)
        return err_set(err, ST_INVALID, "pool %s: %u threads; allowed are 1 to %d", name, threads, POOL_THREADS_MAX);
    if (queue_max < 1 || queue_max > POOL_QUEUE_MAX)
        return err_set(err, ST_INVALID, "pool %s: a queue of %zu; allowed are 1 to %d", name, queue_max,
                       POOL_QUEUE_MAX);
    struct pool *p = mem_new(struct pool);
    mutex_init(&p->lock);
    cond_init(&p->work);
    p->ring = mem_zalloc(queue_max * sizeof *p->ring);
    p->ring_size = queue_max;
    p->threads = mem_zalloc(threads * sizeof(struct thread *));
    for (unsigned i = 0; i < threads; i++) {
        enum status st = thread_start(&p->threads[i], name, worker_main, p, err);
        if (st) {
            pool_free(p);
            return st;
        }
        p->thread_count++;
    }
    *out = p;
    return ST_OK;
}

bool pool_submit(struct pool *p, void (*run)(void *), void *arg)
{
    mutex_lock(&p->lock);
    bool taken = !p->stopping && p->count < p->ring_size;
    if (taken) {
        p->ring[(p->first + p->count) % p->ring_size] = (struct job){ run, arg };
        p->count++;
        cond_signal(&p->work);
    }
    mutex_unlock(&p->lock);
    return taken;
}

size_t pool_queued(const struct pool *p)
{
    struct pool *open = (struct pool *)p; /* the lock changes, the pool does not */
    mutex_lock(&open->lock);
    size_t n = open->count;
    mutex_unlock(&open->lock);
    return n;
}

void pool_free(struct pool *p)
{
    if (p == NULL)
        return;
    mutex_lock(&p->lock);
    p->stopping = true;
    cond_broadcast(&p->work);
    mutex_unlock(&p->lock);
    for (unsigned i = 0; i < p->thread_count; i++)
        thread_join(p->threads[i]);
    mutex_destroy(&p->lock);
    cond_destroy(&p->work);
    mem_free(p->threads);
    mem_free(p->ring);
    mem_free(p);
}
