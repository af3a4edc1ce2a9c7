/* SPDX-License-Identifier: Apache-2.0 */
/* (1) Offered batches wait in one queue, each with its own reference. The thread takes them all, and passes each to every
 *     watcher: to those that have begun at once, to the others' own lists.
 * (2) A watcher's lines of one round go out in one message, by stream, until FOLLOW_MESSAGE_BYTES are together.
 * (3) The list of watchers is the lock's; a watcher that has begun is touched by the thread alone.
 * (4) The past can be larger than what a sink takes at once: it goes out in messages as there is room, in the order of time, and
 *     what is fresh waits behind it.
 * (5) A round may take long, with many watchers and costly queries: a watcher that is gone and an end of it all cut it short. */
#include "api/follow.h"

#include <stdlib.h>

#include "api/loki_json.h"
#include "api/prom_json.h"
#include "base/map.h"
#include "base/num.h"

enum {
    HEARTBEAT_SECONDS = 10,
    TENANT_BYTES_MAX = 64,
    MESSAGE_BYTES_MAX = 16 * MIB,
    PAST_RETRY_MS = 20,     /* while a sink has no room for more of the past */
    PAST_WAIT_SECONDS = 10  /* for room; then a message of it is left out and told, as of what is fresh */
};

struct batch_list {
    struct batch **list;
    size_t count, cap, bytes;
    uint64_t lost; /* lines that did not fit */
};

struct placed {
    const struct value_line *line;
    struct slice labels;
};

struct follow_watcher {
    struct follow_watcher *next;
    const struct query_lang *lang;
    struct query_rows *rows;
    struct follow_sink sink;
    enum follow_format format;
    bool has_begun;
    int64_t since_ns, spoke_ns;  /* monotonic */
    char (*tenants)[TENANT_BYTES_MAX + 1];
    size_t tenant_count;
    struct batch_list waiting;   /* before it began */
    struct placed *past;         /* to be sent first, oldest first; NULL: it is sent */
    size_t past_count, past_at;
    struct arena *past_arena;
    uint64_t *seen;              /* sorted: the seqs of past */
    size_t seen_count;
    struct arena *arena;         /* of the message being put together */
    struct map index;            /* labels -> stream */
    struct value lines;
    size_t stream_cap, *line_caps, line_caps_cap, line_count, line_bytes;
    uint64_t dropped;            /* not told yet */
    struct arena *dropped_arena;
    struct {
        struct slice labels;
        int64_t time_ns;
    } shown[FOLLOW_DROPPED_SHOWN_MAX];
    size_t shown_count;
};

struct follow {
    struct clock *clock;
    struct thread *thread;
    struct mutex lock;
    struct cond wake;
    struct batch_list queue;
    struct follow_watcher *watchers;
    atomic_uint watching;
    atomic_bool stopping; /* written under the lock */
    uint64_t sent, dropped_slow, dropped_busy, refused; /* the lock's */
};

/* ---- Lists of batches ---- */

static uint64_t logs_in(const struct batch *b)
{
    uint64_t n = 0;
    for (size_t i = 0; i < b->event_count; i++)
        n += b->events[i].kind == EVENT_LOG;
    return n;
}

static bool list_add(struct batch_list *l, struct batch *b)
{
    size_t bytes = arena_bytes(b->arena);
    if (l->count == FOLLOW_QUEUE_BATCHES_MAX || l->bytes + bytes > FOLLOW_QUEUE_BYTES_MAX) {
        l->lost += logs_in(b);
        return false;
    }
    if (l->count == l->cap) {
        l->cap = MAX(l->cap * 2, (size_t)16);
        l->list = mem_realloc(l->list, l->cap * sizeof *l->list);
    }
    l->list[l->count++] = batch_take(b);
    l->bytes += bytes;
    return true;
}

static void list_free(struct batch_list *l)
{
    for (size_t i = 0; i < l->count; i++)
        batch_drop(l->list[i]);
    mem_free(l->list);
    *l = (struct batch_list){ 0 };
}

/* ---- A message ---- */

static void message_begin(struct follow_watcher *w)
{
    arena_reset(w->arena);
    map_free(&w->index);
    map_init(&w->index);
    w->lines = (struct value){ .type = VALUE_STREAMS };
    w->line_caps = NULL;
    w->stream_cap = w->line_caps_cap = w->line_count = w->line_bytes = 0;
}

static void message_add(struct follow_watcher *w, struct slice labels, const struct value_line *line)
{
    uint64_t *at = map_get(&w->index, labels);
    size_t n = at ? (size_t)*at : w->lines.stream_count;
    if (at == NULL) {
        size_t caps = n;
        ARENA_PUSH(w->arena, w->line_caps, caps, w->line_caps_cap) = 0;
        ARENA_PUSH(w->arena, w->lines.streams, w->lines.stream_count, w->stream_cap) = (struct value_stream){ .labels = labels };
        *map_put(&w->index, labels, NULL) = n;
    }
    struct value_stream *s = &w->lines.streams[n];
    ARENA_PUSH(w->arena, s->lines, s->n, w->line_caps[n]) = *line;
    w->line_count++;
    w->line_bytes += line->line.len + labels.len;
}

static void put_time(struct json_writer *j, int64_t ns)
{
    char text[NUM_TEXT_BYTES_MAX];
    json_string(j, slice_of(text, num_format_i64(ns, text)));
}

static void put_dropped(struct json_writer *j, const struct follow_watcher *w)
{
    json_key(j, SLICE("dropped_entries"));
    json_array_begin(j);
    for (size_t i = 0; i < w->shown_count; i++) {
        json_object_begin(j);
        json_key(j, SLICE("labels"));
        prom_json_labels(j, w->shown[i].labels);
        json_key(j, SLICE("timestamp"));
        put_time(j, w->shown[i].time_ns);
        json_object_end(j);
    }
    json_array_end(j);
    json_key(j, SLICE("dropped"));
    json_uint(j, w->dropped);
}

static void put_loki(struct buf *out, const struct follow_watcher *w, const struct value *v)
{
    struct json_writer j;
    json_writer_init(&j, out);
    json_object_begin(&j);
    json_key(&j, SLICE("streams"));
    loki_json_streams(&j, v, w->format == FOLLOW_LOKI_CATEGORIES);
    if (w->format == FOLLOW_LOKI_CATEGORIES) {
        json_key(&j, SLICE("encodingFlags"));
        json_raw(&j, SLICE("[\"categorize-labels\"]"));
    }
    if (w->dropped)
        put_dropped(&j, w);
    json_object_end(&j);
}

static int by_time(const void *a, const void *b)
{
    const struct value_line *x = ((const struct placed *)a)->line, *y = ((const struct placed *)b)->line;
    return x->time_ns != y->time_ns ? (x->time_ns > y->time_ns) - (x->time_ns < y->time_ns) : (x->seq > y->seq) - (x->seq < y->seq);
}

/* For people: all streams together in the order of time. */
static void put_ndjson(struct buf *out, const struct follow_watcher *w, const struct value *v, size_t count)
{
    struct json_writer j;
    struct placed *list = arena_array(w->arena, struct placed, count + 1);
    size_t n = 0;
    for (size_t i = 0; i < v->stream_count; i++)
        for (size_t k = 0; k < v->streams[i].n; k++)
            list[n++] = (struct placed){ &v->streams[i].lines[k], v->streams[i].labels };
    qsort(list, n, sizeof *list, by_time);
    for (size_t i = 0; i < n; i++) {
        json_writer_init(&j, out);
        json_object_begin(&j);
        json_key(&j, SLICE("time"));
        put_time(&j, list[i].line->time_ns);
        json_key(&j, SLICE("labels"));
        prom_json_labels(&j, list[i].labels);
        json_key(&j, SLICE("line"));
        json_string(&j, list[i].line->line);
        json_object_end(&j);
        buf_char(out, '\n');
    }
    if (w->dropped)
        buf_printf(out, "{\"dropped\":%llu}\n", (unsigned long long)w->dropped);
}

static void note_dropped(struct follow_watcher *w, const struct value *v, uint64_t n)
{
    w->dropped += n;
    for (size_t i = 0; i < v->stream_count; i++)
        for (size_t k = 0; k < v->streams[i].n && w->shown_count < FOLLOW_DROPPED_SHOWN_MAX; k++) {
            w->shown[w->shown_count].labels = arena_copy(w->dropped_arena, v->streams[i].labels);
            w->shown[w->shown_count++].time_ns = v->streams[i].lines[k].time_ns;
        }
}

static bool try_send(struct follow *t, struct follow_watcher *w)
{
    struct buf out;
    buf_init(&out, MESSAGE_BYTES_MAX);
    if (w->format == FOLLOW_NDJSON)
        put_ndjson(&out, w, &w->lines, w->line_count);
    else
        put_loki(&out, w, &w->lines);
    bool good = !buf_over(&out) && w->sink.send(w->sink.arg, buf_as_slice(&out));
    buf_free(&out);
    if (!good)
        return false;
    mutex_lock(&t->lock);
    t->sent += w->line_count;
    mutex_unlock(&t->lock);
    w->dropped = w->shown_count = 0;
    arena_reset(w->dropped_arena);
    w->spoke_ns = clock_mono_ns(t->clock);
    return true;
}

static void message_drop(struct follow *t, struct follow_watcher *w)
{
    mutex_lock(&t->lock);
    t->dropped_slow += w->line_count;
    mutex_unlock(&t->lock);
    note_dropped(w, &w->lines, w->line_count);
}

static void message_send(struct follow *t, struct follow_watcher *w)
{
    if ((w->line_count || w->dropped) && !try_send(t, w))
        message_drop(t, w);
    message_begin(w);
}

/* ---- A watcher's rows ---- */

static int by_number(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static bool may_see(const struct follow_watcher *w, struct slice tenant)
{
    for (size_t i = 0; i < w->tenant_count; i++)
        if (slice_eq(tenant, slice_str(w->tenants[i])))
            return true;
    return false;
}

static void take_batch(struct follow *t, struct follow_watcher *w, const struct batch *b)
{
    if (b->lsn == 0 || !may_see(w, b->tenant))
        return;
    for (size_t i = 0; i < b->event_count; i++) {
        struct slice labels;
        struct value_line line;
        uint64_t seq = b->lsn << 20 | i;
        if (b->events[i].kind != EVENT_LOG || (w->seen_count && bsearch(&seq, w->seen, w->seen_count, sizeof seq, by_number)))
            continue;
        if (w->lang->rows_take(w->rows, &b->events[i], w->arena, &labels, &line)) {
            line.seq = seq;
            message_add(w, labels, &line);
        }
        if (w->line_bytes >= FOLLOW_MESSAGE_BYTES || arena_bytes(w->arena) >= MESSAGE_BYTES_MAX)
            message_send(t, w);
    }
}

static void take_list(struct follow *t, struct follow_watcher *w, const struct batch_list *l)
{
    for (size_t i = 0; i < l->count && !atomic_load(&t->stopping) && !w->sink.is_gone(w->sink.arg); i++)
        take_batch(t, w, l->list[i]);
    w->dropped += l->lost;
}

/* ---- Watchers ---- */

static void watcher_free(struct follow *t, struct follow_watcher *w)
{
    w->lang->rows_close(w->rows);
    list_free(&w->waiting);
    map_free(&w->index);
    arena_free(w->arena);
    arena_free(w->past_arena);
    arena_free(w->dropped_arena);
    mem_free(w->seen);
    mem_free(w->tenants);
    mem_free(w);
    atomic_fetch_sub(&t->watching, 1);
}

enum status follow_join(struct follow *t, const struct query_lang *lang, struct query_rows *rows, const struct slice *tenants, size_t tenant_count,
                      struct follow_watcher **out, struct err *err)
{
    mutex_lock(&t->lock);
    bool refused = t->stopping || atomic_load(&t->watching) >= FOLLOW_WATCHERS_MAX;
    t->refused += refused;
    if (!refused)
        atomic_fetch_add(&t->watching, 1);
    mutex_unlock(&t->lock);
    if (refused) {
        lang->rows_close(rows);
        return err_set(err, ST_UNAVAILABLE, "%d queries are followed, which is the limit; try again", FOLLOW_WATCHERS_MAX);
    }
    struct follow_watcher *w = mem_new(struct follow_watcher);
    w->lang = lang;
    w->rows = rows;
    w->since_ns = w->spoke_ns = clock_mono_ns(t->clock);
    w->tenants = mem_alloc(MAX(tenant_count, (size_t)1) * sizeof *w->tenants);
    w->tenant_count = tenant_count;
    for (size_t i = 0; i < tenant_count; i++) {
        assert(tenants[i].len <= TENANT_BYTES_MAX);
        memcpy(w->tenants[i], tenants[i].ptr, tenants[i].len);
        w->tenants[i][tenants[i].len] = 0;
    }
    w->arena = arena_new(0);
    w->past_arena = arena_new(0);
    w->dropped_arena = arena_new(0);
    map_init(&w->index);
    message_begin(w);
    mutex_lock(&t->lock);
    w->next = t->watchers;
    t->watchers = w;
    mutex_unlock(&t->lock);
    *out = w;
    return ST_OK;
}

static void unlink_watcher(struct follow *t, const struct follow_watcher *w)
{
    struct follow_watcher **at = &t->watchers;
    while (*at != w)
        at = &(*at)->next;
    *at = w->next;
}

/* A copy that outlives the query. */
static void keep_past(struct follow_watcher *w, const struct value *past)
{
    struct arena *a = w->past_arena;
    size_t lines = 0;
    for (size_t i = 0; i < past->stream_count; i++)
        lines += past->streams[i].n;
    w->past = arena_array(a, struct placed, lines + 1);
    w->seen = mem_alloc((lines + 1) * sizeof *w->seen);
    for (size_t i = 0; i < past->stream_count; i++) {
        const struct value_stream *from = &past->streams[i];
        struct slice labels = arena_copy(a, from->labels);
        struct value_line *to = arena_array(a, struct value_line, from->n + 1);
        for (size_t k = 0; k < from->n; k++) {
            const struct value_line *l = &from->lines[k];
            to[k] = (struct value_line){ l->time_ns, l->seq, arena_copy(a, l->line), arena_copy(a, l->metadata), arena_copy(a, l->parsed) };
            w->past[w->past_count++] = (struct placed){ &to[k], labels };
            w->seen[w->seen_count++] = l->seq;
        }
    }
    qsort(w->past, w->past_count, sizeof *w->past, by_time);
    qsort(w->seen, w->seen_count, sizeof *w->seen, by_number);
}

void follow_begin(struct follow *t, struct follow_watcher *w, const struct value *past, enum follow_format format, const struct follow_sink *sink)
{
    keep_past(w, past);
    w->format = format;
    w->sink = *sink;
    mutex_lock(&t->lock);
    bool late = t->stopping; /* the thread may have had its last round: nobody else would end it, and the sink does not outlive the server */
    if (late)
        unlink_watcher(t, w);
    w->has_begun = !late;
    cond_signal(&t->wake);
    mutex_unlock(&t->lock);
    if (late) {
        w->sink.end(w->sink.arg, SLICE("the server stops"));
        watcher_free(t, w);
    }
}

void follow_leave(struct follow *t, struct follow_watcher *w)
{
    mutex_lock(&t->lock);
    unlink_watcher(t, w);
    mutex_unlock(&t->lock);
    watcher_free(t, w);
}

/* ---- The thread ---- */

/* As much of the past as the sink has room for. True: it is all sent. */
static bool send_past(struct follow *t, struct follow_watcher *w)
{
    while (w->past_at < w->past_count) {
        size_t to = w->past_at;
        do {
            message_add(w, w->past[to].labels, w->past[to].line);
            to++;
        } while (to < w->past_count && w->line_bytes < FOLLOW_MESSAGE_BYTES);
        bool sent = try_send(t, w);
        if (!sent && clock_mono_ns(t->clock) - w->spoke_ns < PAST_WAIT_SECONDS * NS_S) {
            message_begin(w);
            return false;
        }
        if (!sent) {
            message_drop(t, w);
            w->spoke_ns = clock_mono_ns(t->clock);
        }
        message_begin(w);
        w->past_at = to;
    }
    w->past = NULL;
    arena_reset(w->past_arena);
    return true;
}

static void keep_fresh(struct follow_watcher *w, const struct batch_list *fresh)
{
    for (size_t i = 0; i < fresh->count; i++)
        list_add(&w->waiting, fresh->list[i]);
    w->waiting.lost += fresh->lost;
}

/* False: it is over. */
static bool serve(struct follow *t, struct follow_watcher *w, const struct batch_list *fresh)
{
    if (w->past && !send_past(t, w)) {
        keep_fresh(w, fresh);
    } else {
        take_list(t, w, &w->waiting);
        take_list(t, w, fresh);
        message_send(t, w);
        list_free(&w->waiting); /* the message borrowed lines of it */
    }
    int64_t now = clock_mono_ns(t->clock);
    if (now - w->spoke_ns > HEARTBEAT_SECONDS * NS_S && !w->past && w->format == FOLLOW_NDJSON && w->sink.send(w->sink.arg, SLICE("\n")))
        w->spoke_ns = now; /* what is in between, a proxy, sees that there is life */
    if (now - w->since_ns > FOLLOW_HOURS_MAX * 3600 * NS_S) {
        w->sink.end(w->sink.arg, SLICE("the longest time to follow a query is over; connect anew"));
        return false;
    }
    if (w->sink.is_gone(w->sink.arg)) {
        w->sink.end(w->sink.arg, SLICE_EMPTY);
        return false;
    }
    return true;
}

/* Those that have begun, off the list and in one of their own; the others keep what is fresh for later. Lock held. */
static struct follow_watcher *take_begun(struct follow *t, const struct batch_list *fresh)
{
    struct follow_watcher *begun = NULL;
    for (struct follow_watcher **at = &t->watchers; *at;) {
        struct follow_watcher *w = *at;
        if (w->has_begun) {
            *at = w->next;
            w->next = begun;
            begun = w;
            continue;
        }
        keep_fresh(w, fresh);
        at = &w->next;
    }
    return begun;
}

static void run(void *arg)
{
    struct follow *t = arg;
    bool behind = false;
    mutex_lock(&t->lock);
    for (bool last = false; !last;) {
        if (!t->stopping && (behind || t->queue.count == 0))
            (void)cond_wait_ns(&t->wake, &t->lock, behind ? PAST_RETRY_MS * NS_MS : NS_S);
        behind = false;
        last = t->stopping;
        struct batch_list fresh = t->queue;
        t->queue = (struct batch_list){ 0 };
        t->dropped_busy += fresh.lost;
        struct follow_watcher *begun = take_begun(t, &fresh), *stay = NULL;
        mutex_unlock(&t->lock);
        for (struct follow_watcher *w = begun, *next; w; w = next) {
            next = w->next;
            bool goes_on = serve(t, w, &fresh);
            if (goes_on && last)
                w->sink.end(w->sink.arg, SLICE("the server stops"));
            if (!goes_on || last) {
                watcher_free(t, w);
            } else {
                behind = behind || w->past;
                w->next = stay;
                stay = w;
            }
        }
        list_free(&fresh);
        mutex_lock(&t->lock);
        while (stay) {
            struct follow_watcher *w = stay;
            stay = w->next;
            w->next = t->watchers;
            t->watchers = w;
        }
    }
    mutex_unlock(&t->lock);
}

/* ---- The calls of others ---- */

struct batch *follow_hold(struct follow *t, struct batch *b)
{
    return t && b->event_count ? batch_take(b) : NULL;
}

void follow_offer(struct follow *t, struct batch *held, bool stored)
{
    if (held == NULL)
        return;
    if (stored && atomic_load(&t->watching)) {
        mutex_lock(&t->lock);
        list_add(&t->queue, held);
        cond_signal(&t->wake);
        mutex_unlock(&t->lock);
    }
    batch_drop(held);
}

enum status follow_new(struct follow **out, struct clock *clock, struct err *err)
{
    struct follow *t = mem_new(struct follow);
    t->clock = clock;
    mutex_init(&t->lock);
    cond_init(&t->wake);
    enum status st = thread_start(&t->thread, "follow", run, t, err);
    if (st) {
        follow_free(t);
        return st;
    }
    *out = t;
    return ST_OK;
}

void follow_stop(struct follow *t)
{
    if (t == NULL || t->thread == NULL)
        return;
    mutex_lock(&t->lock);
    t->stopping = true;
    cond_signal(&t->wake);
    mutex_unlock(&t->lock);
    thread_join(t->thread);
    t->thread = NULL;
}

void follow_free(struct follow *t)
{
    if (t == NULL)
        return;
    follow_stop(t);
    while (t->watchers) { /* begun after the thread's last round */
        struct follow_watcher *w = t->watchers;
        t->watchers = w->next;
        if (w->has_begun)
            w->sink.end(w->sink.arg, SLICE("the server stops"));
        watcher_free(t, w);
    }
    list_free(&t->queue);
    mutex_destroy(&t->lock);
    cond_destroy(&t->wake);
    mem_free(t);
}

void follow_metrics(struct follow *t, struct buf *out)
{
    mutex_lock(&t->lock);
    buf_printf(out,
               "# HELP stoa_tail_watchers Queries that are followed now.\n# TYPE stoa_tail_watchers gauge\nstoa_tail_watchers %u\n"
               "# HELP stoa_tail_lines_total Lines sent to those who follow a query.\n# TYPE stoa_tail_lines_total counter\n"
               "stoa_tail_lines_total %llu\n"
               "# HELP stoa_tail_dropped_lines_total Lines left out: the watcher read too slowly, or more came in than could be looked at.\n"
               "# TYPE stoa_tail_dropped_lines_total counter\n"
               "stoa_tail_dropped_lines_total{reason=\"slow_watcher\"} %llu\nstoa_tail_dropped_lines_total{reason=\"busy\"} %llu\n"
               "# HELP stoa_tail_refused_total Followers turned away because there were too many.\n# TYPE stoa_tail_refused_total counter\n"
               "stoa_tail_refused_total %llu\n",
               atomic_load(&t->watching), (unsigned long long)t->sent, (unsigned long long)t->dropped_slow, (unsigned long long)t->dropped_busy,
               (unsigned long long)t->refused);
    mutex_unlock(&t->lock);
}
