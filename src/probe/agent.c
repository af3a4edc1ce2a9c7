/* SPDX-License-Identifier: Apache-2.0 */
/* In the agent's database: "config" is the server's last answer, "last/CHECK" when a check ran last, "run/START/ID" a run
 * not yet sent.
 *
 * (1) A run is in the database before it is sent, and leaves it when the server has said that it has it. The run's id
 *     makes a retry harmless: the server stores it once.
 * (2) The queue holds AGENT_QUEUE_MAX runs; then the oldest is dropped and counted.
 * (3) One thread talks to the server: fetches each poll interval, posts as soon as something waits, and after a failure
 *     waits twice as long each time, at most one poll interval. */
#include "probe/agent.h"

#include <stdio.h>

#include "base/num.h"
#include "codec/hex.h"
#include "codec/url.h"
#include "probe/prober.h"
#include "store/kv.h"
#include "sys/thread.h"

enum { CONFIG_BYTES_MAX = 8 * MIB, ANSWER_BYTES_MAX = 1 * MIB, KEY_BYTES_MAX = 96, BACKOFF_FIRST_MS = 500, TIMEOUT_SECONDS = 30 };

struct queued {
    char key[KEY_BYTES_MAX];
    size_t len;
};

struct agent {
    struct agent_options opt;
    struct arena *arena;
    struct file *folder_lock;
    struct kv *kv;
    struct prober *prober;
    struct arena *config_arena; /* of the set in use */
    struct buf config;          /* the set in use, as text */
    struct thread *thread;
    struct mutex lock;
    struct cond wake;
    struct queued *queue;       /* a ring, oldest at head */
    size_t head, count;
    uint64_t dropped;
    bool stopping;
};

/* ---- the queue ---- */

static struct slice key_of(const struct queued *q)
{
    return slice_of(q->key, q->len);
}

static void forget(struct agent *g, struct slice key)
{
    struct err err;
    if (kv_delete(g->kv, key, &err))
        log_line(g->opt.log, LOG_ERROR, "a run that was sent is not forgotten", "error=\"%s\"", err.text);
}

/* The lock is held. */
static void queue_push(struct agent *g, struct slice key)
{
    if (key.len > KEY_BYTES_MAX)
        return;
    if (g->count == AGENT_QUEUE_MAX) {
        forget(g, key_of(&g->queue[g->head]));
        g->head = (g->head + 1) % AGENT_QUEUE_MAX;
        g->count--;
        g->dropped++;
    }
    struct queued *q = &g->queue[(g->head + g->count++) % AGENT_QUEUE_MAX];
    memcpy(q->key, key.ptr, key.len);
    q->len = key.len;
}

static void on_done(void *arg, const struct run *r)
{
    struct agent *g = arg;
    struct arena *a = arena_new(0);
    struct buf json;
    char id[2 * RUN_ID_BYTES], start[NUM_TEXT_BYTES_MAX];
    struct err err;
    hex_encode(slice_of(r->id, sizeof r->id), id);
    struct slice key = arena_printf(a, "run/%020lld/%.*s", (long long)r->start_ns, (int)sizeof id, id);
    buf_init(&json, RUN_JSON_BYTES_MAX);
    run_write(r, &json);
    enum status st = kv_put(g->kv, key, buf_as_slice(&json), &err);
    if (!st)
        st = kv_put(g->kv, arena_printf(a, "last/%.*s", SLICE_FMT(r->check)), slice_of(start, num_format_i64(r->start_ns, start)), &err);
    if (st)
        log_line(g->opt.log, LOG_ERROR, "a run is not kept", "check=\"%.*s\" error=\"%s\"", SLICE_FMT(r->check), err.text);
    mutex_lock(&g->lock);
    queue_push(g, key);
    cond_signal(&g->wake);
    mutex_unlock(&g->lock);
    buf_free(&json);
    arena_free(a);
}

static int64_t on_last_start(void *arg, struct slice check)
{
    struct agent *g = arg;
    struct arena *a = arena_new(0);
    struct buf text;
    int64_t ns = 0;
    buf_init(&text, KEY_BYTES_MAX);
    if (kv_get(g->kv, arena_printf(a, "last/%.*s", SLICE_FMT(check)), &text, NULL) || !num_parse_i64(buf_as_slice(&text), &ns))
        ns = 0;
    buf_free(&text);
    arena_free(a);
    return ns;
}

/* ---- talking to the server ---- */

static enum status ask(struct agent *g, const char *method, struct slice path, struct slice body, size_t bytes_max, struct buf *out, struct err *err)
{
    struct arena *a = arena_new(0);
    struct client_response resp;
    struct http_header headers[2] = { { SLICE("User-Agent"), SLICE("stoa-agent") }, { SLICE("Content-Type"), SLICE("application/json") } };
    struct client_request req = {
        .method = method,
        .url = arena_printf(a, "%.*s%.*s", SLICE_FMT(g->opt.server), SLICE_FMT(path)),
        .headers = headers,
        .header_count = body.len ? 2 : 1,
        .body = body,
        .timeout_ns = TIMEOUT_SECONDS * NS_S,
        .response_bytes_max = bytes_max,
        .bearer = g->opt.token,
        .ca_file = g->opt.ca_file.len ? arena_copy(a, g->opt.ca_file).ptr : NULL,
    };
    enum status st = http_client_do(g->opt.env.client, &req, &resp, err);
    if (!st && resp.status != 200)
        st = err_set(err, resp.status == 400 || resp.status == 413 ? ST_INVALID : ST_UNAVAILABLE, "the server answered %d: %.*s", resp.status,
                     SLICE_FMT(slice_sub(slice_trim(buf_as_slice(&resp.body)), 0, 200)));
    if (!st)
        buf_slice(out, buf_as_slice(&resp.body));
    buf_free(&resp.body);
    arena_free(a);
    return st;
}

struct about {
    uint64_t queued, dropped, missed;
};

static struct about about(struct agent *g)
{
    struct prober_stats s = { 0 };
    prober_stats(g->prober, &s);
    mutex_lock(&g->lock);
    struct about about = { g->count, g->dropped, s.missed };
    mutex_unlock(&g->lock);
    return about;
}

/* Reads and starts to use a set; the earlier one is freed when nothing refers to it any more. */
static enum status use_config(struct agent *g, struct slice text, struct err *err)
{
    struct arena *a = arena_new(0);
    struct yaml_node *root;
    struct check_set *set;
    struct buf warnings;
    buf_init(&warnings, 0);
    enum status st = yaml_parse(a, SLICE("checks"), text, &root, err);
    if (!st)
        st = check_config_read(a, root, &set, &warnings, err);
    buf_free(&warnings);
    if (st) {
        arena_free(a);
        return st;
    }
    st = prober_reload(g->prober, set, err);
    prober_settle(g->prober);
    arena_free(g->config_arena);
    g->config_arena = a;
    buf_reset(&g->config);
    buf_slice(&g->config, text);
    log_line(g->opt.log, LOG_INFO, "checks for this location", "location=\"%.*s\" checks=%zu", SLICE_FMT(g->opt.location), set->count);
    return st;
}

static enum status fetch_config(struct agent *g, struct err *err)
{
    struct arena *a = arena_new(0);
    struct buf path, text;
    struct about now = about(g);
    buf_init(&path, 0);
    buf_init(&text, CONFIG_BYTES_MAX);
    buf_slice(&path, SLICE("/api/stoa/v1/checks/config?location="));
    url_encode(g->opt.location, &path);
    buf_printf(&path, "&interval_ms=%lld&queued=%llu&dropped=%llu&missed=%llu", (long long)(g->opt.poll_ns / NS_MS),
               (unsigned long long)now.queued, (unsigned long long)now.dropped, (unsigned long long)now.missed);
    enum status st = ask(g, "GET", buf_as_slice(&path), SLICE_EMPTY, CONFIG_BYTES_MAX, &text, err);
    if (!st && !slice_eq(buf_as_slice(&text), buf_as_slice(&g->config))) {
        st = use_config(g, buf_as_slice(&text), err);
        if (!st)
            st = kv_put(g->kv, SLICE("config"), buf_as_slice(&text), err);
    }
    buf_free(&path);
    buf_free(&text);
    arena_free(a);
    return st;
}

/* The oldest runs as a post; *taken: how many entries of the queue it covers. */
static void write_post(struct agent *g, struct buf *out, size_t *taken, struct queued *keys)
{
    struct json_writer w;
    struct about now = about(g);
    mutex_lock(&g->lock);
    *taken = MIN(g->count, (size_t)AGENT_POST_RUNS_MAX);
    for (size_t i = 0; i < *taken; i++)
        keys[i] = g->queue[(g->head + i) % AGENT_QUEUE_MAX];
    mutex_unlock(&g->lock);
    json_writer_init(&w, out);
    json_object_begin(&w);
    json_key(&w, SLICE("location"));
    json_string(&w, g->opt.location);
    json_key(&w, SLICE("interval_ms"));
    json_int(&w, g->opt.poll_ns / NS_MS);
    json_key(&w, SLICE("queued"));
    json_uint(&w, now.queued > *taken ? now.queued - *taken : 0);
    json_key(&w, SLICE("dropped"));
    json_uint(&w, now.dropped);
    json_key(&w, SLICE("missed"));
    json_uint(&w, now.missed);
    json_key(&w, SLICE("runs"));
    json_array_begin(&w);
    for (size_t i = 0; i < *taken; i++) {
        struct buf json;
        buf_init(&json, RUN_JSON_BYTES_MAX);
        if (!kv_get(g->kv, key_of(&keys[i]), &json, NULL))
            json_raw(&w, buf_as_slice(&json));
        buf_free(&json);
    }
    json_array_end(&w);
    json_object_end(&w);
}

/* What was sent leaves the queue; entries dropped meanwhile for want of room have left it already. */
static void drop_sent(struct agent *g, const struct queued *keys, size_t taken)
{
    for (size_t i = 0; i < taken; i++)
        forget(g, key_of(&keys[i]));
    mutex_lock(&g->lock);
    for (size_t i = 0; i < taken && g->count; i++)
        if (slice_eq(key_of(&g->queue[g->head]), key_of(&keys[i]))) {
            g->head = (g->head + 1) % AGENT_QUEUE_MAX;
            g->count--;
        }
    mutex_unlock(&g->lock);
}

/* ST_NOT_FOUND: nothing waits. What the server calls invalid as a whole would be so again: it is given up, and said. */
static enum status post_runs(struct agent *g, struct err *err)
{
    struct queued *keys = mem_alloc(AGENT_POST_RUNS_MAX * sizeof *keys);
    struct buf body, answer;
    size_t taken;
    buf_init(&body, 0);
    buf_init(&answer, ANSWER_BYTES_MAX);
    write_post(g, &body, &taken, keys);
    enum status st = taken ? ask(g, "POST", SLICE("/api/stoa/v1/checks/results"), buf_as_slice(&body), ANSWER_BYTES_MAX, &answer, err) : ST_NOT_FOUND;
    if (st == ST_INVALID)
        log_line(g->opt.log, LOG_ERROR, "the server refuses results; they are given up", "runs=%zu error=\"%s\"", taken, err->text);
    if (!st || st == ST_INVALID)
        drop_sent(g, keys, taken);
    buf_free(&body);
    buf_free(&answer);
    mem_free(keys);
    return st == ST_INVALID ? ST_OK : st;
}

/* ---- the thread ---- */

/* Fetches when it is time, and posts all that waits. */
static enum status talk(struct agent *g, int64_t *next_poll_ns, struct err *err)
{
    struct clock *clock = g->opt.env.clock;
    enum status st = ST_OK;
    if (clock_mono_ns(clock) >= *next_poll_ns) {
        st = fetch_config(g, err);
        if (!st)
            *next_poll_ns = clock_mono_ns(clock) + g->opt.poll_ns;
    }
    while (!st)
        st = post_runs(g, err);
    return st == ST_NOT_FOUND ? ST_OK : st;
}

static void agent_main(void *arg)
{
    struct agent *g = arg;
    struct clock *clock = g->opt.env.clock;
    int64_t next_poll_ns = 0, retry_ns = 0, backoff_ns = BACKOFF_FIRST_MS * NS_MS;
    for (bool stopping = false; !stopping;) {
        struct err err;
        if (clock_mono_ns(clock) >= retry_ns) {
            bool failed = talk(g, &next_poll_ns, &err) != ST_OK;
            if (failed && retry_ns == 0)
                log_line(g->opt.log, LOG_WARNING, "the server cannot be reached; results wait", "error=\"%s\"", err.text);
            if (!failed && retry_ns)
                log_line(g->opt.log, LOG_INFO, "the server is reached again", "");
            retry_ns = failed ? clock_mono_ns(clock) + MIN(backoff_ns, g->opt.poll_ns) : 0;
            backoff_ns = failed ? MIN(2 * backoff_ns, g->opt.poll_ns) : BACKOFF_FIRST_MS * NS_MS;
        }
        mutex_lock(&g->lock);
        int64_t wait_ns = (retry_ns ? retry_ns : next_poll_ns) - clock_mono_ns(clock);
        if (!g->stopping && wait_ns > 0 && (retry_ns || g->count == 0))
            (void)cond_wait_ns(&g->wake, &g->lock, wait_ns);
        stopping = g->stopping;
        mutex_unlock(&g->lock);
    }
}

/* ---- start and stop ---- */

static enum status load(struct agent *g, struct err *err)
{
    struct arena *a = arena_new(0);
    struct kv_pair *pairs;
    struct buf config;
    size_t count;
    enum status st = kv_list(g->kv, SLICE("run/"), a, &pairs, &count, err);
    for (size_t i = 0; !st && i < count; i++)
        queue_push(g, pairs[i].key);
    buf_init(&config, CONFIG_BYTES_MAX);
    if (!st && !kv_get(g->kv, SLICE("config"), &config, NULL)) {
        struct err why;
        if (use_config(g, buf_as_slice(&config), &why))
            log_line(g->opt.log, LOG_WARNING, "the checks kept from before do not read", "error=\"%s\"", why.text);
    }
    buf_free(&config);
    arena_free(a);
    return st;
}

static enum status open_folder(struct agent *g, struct err *err)
{
    struct slice dir = g->opt.data;
    enum status st = fs_mkdir_all(g->opt.fs, arena_copy(g->arena, dir).ptr, err);
    if (!st)
        st = fs_lock(g->opt.fs, arena_printf(g->arena, "%.*s/agent.lock", SLICE_FMT(dir)).ptr, &g->folder_lock, err);
    return st ? st : kv_open(&g->kv, arena_printf(g->arena, "%.*s/agent.db", SLICE_FMT(dir)).ptr, err);
}

enum status agent_start(struct agent **out, const struct agent_options *opt, struct err *err)
{
    struct agent *g = mem_new(struct agent);
    static const struct check_set none;
    g->opt = *opt;
    g->arena = arena_new(0);
    g->queue = mem_alloc(AGENT_QUEUE_MAX * sizeof *g->queue);
    while (slice_ends(g->opt.server, SLICE("/")))
        g->opt.server.len--;
    mutex_init(&g->lock);
    cond_init(&g->wake);
    buf_init(&g->config, CONFIG_BYTES_MAX);
    struct prober_options po = { .env = opt->env, .location = opt->location, .arg = g, .done = on_done, .last_start_ns = on_last_start };
    enum status st = open_folder(g, err);
    if (!st)
        st = prober_start(&g->prober, &po, &none, err);
    if (!st)
        st = load(g, err);
    if (!st)
        st = thread_start(&g->thread, "agent", agent_main, g, err);
    if (st) {
        agent_stop(g);
        return st;
    }
    *out = g;
    return ST_OK;
}

void agent_stop(struct agent *g)
{
    struct err err;
    if (g == NULL)
        return;
    mutex_lock(&g->lock);
    g->stopping = true;
    cond_signal(&g->wake);
    mutex_unlock(&g->lock);
    thread_join(g->thread);
    if (g->thread)
        while (post_runs(g, &err) == ST_OK)
            ;
    prober_stop(g->prober);
    arena_free(g->config_arena);
    buf_free(&g->config);
    kv_close(g->kv);
    if (g->folder_lock)
        file_close(g->folder_lock);
    cond_destroy(&g->wake);
    mutex_destroy(&g->lock);
    mem_free(g->queue);
    arena_free(g->arena);
    mem_free(g);
}
