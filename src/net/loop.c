/* SPDX-License-Identifier: Apache-2.0 */
/* A libuv loop, its thread, and two queues of tasks.
 *
 * Posts from other threads go to a queue under a lock; only the first into an empty queue pays for a wake-up. Posts from
 * the loop's own thread go to a second queue without lock or system call; it is run before and after every poll, so such
 * a task runs in the same round but never nested in its poster. That is how a handler that answers on the loop costs
 * nothing extra and still never re-enters the parser that called it. */
#include "net/loop.h"

#include <stdio.h>

#include "base/date.h"
#include "sys/clock.h"
#include "sys/thread.h"

struct task_queue {
    struct loop_task *head, *tail;
};

struct loop {
    uv_loop_t uv;
    uv_async_t wake;
    uv_prepare_t before;
    uv_check_t after;
    struct thread *thread;
    _Atomic pthread_t id; /* 0 until the thread runs */
    struct mutex lock;
    struct task_queue posted; /* under lock */
    struct task_queue own;
    bool stopping;
    int64_t date_s;
    char date[40];
    size_t date_len;
    char *read_room, *plain_room;
};

static void queue_add(struct task_queue *q, struct loop_task *t)
{
    t->next = NULL;
    if (q->tail)
        q->tail->next = t;
    else
        q->head = t;
    q->tail = t;
}

static void run_list(struct loop_task *t)
{
    for (struct loop_task *next; t; t = next) {
        next = t->next;
        t->next = NULL;
        t->run(t);
    }
}

static void run_own(struct loop *l)
{
    while (l->own.head) {
        struct loop_task *t = l->own.head;
        l->own = (struct task_queue){ NULL, NULL };
        run_list(t);
    }
}

static void on_wake(uv_async_t *a)
{
    struct loop *l = a->data;
    mutex_lock(&l->lock);
    struct loop_task *t = l->posted.head;
    l->posted = (struct task_queue){ NULL, NULL };
    mutex_unlock(&l->lock);
    run_list(t);
}

static void on_before(uv_prepare_t *p)
{
    run_own(p->data);
}

static void on_after(uv_check_t *c)
{
    run_own(c->data);
}

static void loop_main(void *arg)
{
    struct loop *l = arg;
    atomic_store_explicit(&l->id, pthread_self(), memory_order_release);
    uv_run(&l->uv, UV_RUN_DEFAULT);
}

static void do_nothing(void *arg)
{
}

enum status loop_new(struct loop **out, const char *name, struct err *err)
{
    struct loop *l = mem_new(struct loop);
    mutex_init(&l->lock);
    int rc = uv_loop_init(&l->uv);
    if (rc) {
        mutex_destroy(&l->lock);
        mem_free(l);
        return err_set(err, ST_IO, "event loop %s: %s", name, uv_strerror(rc));
    }
    rc = uv_async_init(&l->uv, &l->wake, on_wake);
    assert(rc == 0);
    uv_prepare_init(&l->uv, &l->before);
    uv_check_init(&l->uv, &l->after);
    l->wake.data = l->before.data = l->after.data = l;
    uv_prepare_start(&l->before, on_before);
    uv_check_start(&l->after, on_after);
    l->read_room = mem_alloc(LOOP_READ_BYTES);
    l->plain_room = mem_alloc(LOOP_READ_BYTES);
    enum status st = thread_start(&l->thread, name, loop_main, l, err);
    if (st) {
        loop_free(l);
        return st;
    }
    loop_call(l, do_nothing, NULL); /* from here on l->id is set and seen by everybody */
    *out = l;
    return ST_OK;
}

static void close_all(struct loop *l)
{
    uv_close((uv_handle_t *)&l->wake, NULL);
    uv_close((uv_handle_t *)&l->before, NULL);
    uv_close((uv_handle_t *)&l->after, NULL);
}

struct stop_task {
    struct loop_task task;
    struct loop *l;
};

static void on_stop(struct loop_task *t)
{
    struct stop_task *s = (struct stop_task *)t;
    close_all(s->l);
}

void loop_free(struct loop *l)
{
    if (l == NULL)
        return;
    struct stop_task stop = { .task = { .run = on_stop }, .l = l };
    if (l->thread) {
        loop_post(l, &stop.task);
        thread_join(l->thread);
    } else {
        close_all(l);
        uv_run(&l->uv, UV_RUN_DEFAULT);
    }
    int rc = uv_loop_close(&l->uv);
    assert(rc == 0);
    mutex_destroy(&l->lock);
    mem_free(l->read_room);
    mem_free(l->plain_room);
    mem_free(l);
}

void loop_post(struct loop *l, struct loop_task *t)
{
    if (loop_is_here(l)) {
        queue_add(&l->own, t);
        return;
    }
    mutex_lock(&l->lock);
    bool first = l->posted.head == NULL;
    queue_add(&l->posted, t);
    /* The wake-up is sent under the lock: after it the loop may end, and with it the handle. */
    if (first)
        uv_async_send(&l->wake);
    mutex_unlock(&l->lock);
}

struct call_task {
    struct loop_task task;
    void (*fn)(void *);
    void *arg;
    struct mutex lock;
    struct cond cond;
    bool done;
};

static void on_call(struct loop_task *t)
{
    struct call_task *c = (struct call_task *)t;
    c->fn(c->arg);
    mutex_lock(&c->lock);
    c->done = true;
    cond_signal(&c->cond);
    mutex_unlock(&c->lock);
}

void loop_call(struct loop *l, void (*fn)(void *arg), void *arg)
{
    struct call_task c = { .task = { .run = on_call }, .fn = fn, .arg = arg };
    mutex_init(&c.lock);
    cond_init(&c.cond);
    loop_post(l, &c.task);
    mutex_lock(&c.lock);
    while (!c.done)
        cond_wait(&c.cond, &c.lock);
    mutex_unlock(&c.lock);
    cond_destroy(&c.cond);
    mutex_destroy(&c.lock);
}

bool loop_is_here(const struct loop *l)
{
    return pthread_equal(atomic_load_explicit(&l->id, memory_order_acquire), pthread_self());
}

uv_loop_t *loop_uv(struct loop *l)
{
    return &l->uv;
}

uint64_t loop_now_ms(const struct loop *l)
{
    return uv_now(&l->uv);
}

char *loop_read_room(struct loop *l)
{
    return l->read_room;
}

char *loop_plain_room(struct loop *l)
{
    return l->plain_room;
}

struct slice loop_date(struct loop *l)
{
    static const char days[7][4] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
    static const char months[12][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                        "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
    int64_t now_s = clock_wall_ns(clock_real()) / NS_S;
    if (now_s != l->date_s || l->date_len == 0) {
        int64_t day = now_s / 86400, of_day = now_s % 86400;
        struct date date = date_of_days(day);
        int n = snprintf(l->date, sizeof l->date, "%s, %02d %s %04d %02d:%02d:%02d GMT", days[date_weekday(day)], date.day,
                         months[date.month - 1], (int)date.year, (int)(of_day / 3600), (int)(of_day / 60 % 60),
                         (int)(of_day % 60));
        l->date_len = (size_t)n;
        l->date_s = now_s;
    }
    return slice_of(l->date, l->date_len);
}
