/* SPDX-License-Identifier: Apache-2.0 */
/* (1) Everything is a fixed table under one lock: running queries by their place in the budget, the slowest ones in the order
 *     they came. Texts are cut to a length, so the memory has a bound too.
 * (2) A line is written by the worker that ran the query, behind its answer. A file that cannot be written is said once in the
 *     log and counted; queries go on. A file of full size is renamed to FILE.1, which replaces the one there.
 * (3) The line has the names of Prometheus's query log, and ours beside them.
 * (4) A query is its tenants' own: its text and who asked are told only to a login that may read all of them. */
#include "api/query_log.h"

#include <stdio.h>

#include "api/self.h"
#include "base/date.h"
#include "codec/hex.h"
#include "sys/log.h"

enum { WHO_BYTES_MAX = 256, PATH_TEXT_BYTES_MAX = 128, QUERY_LOG_PATH_BYTES_MAX = 4096 };

/* What is kept of a query. */
struct kept {
    uint64_t id; /* 0: the place is free */
    char text[QUERY_LOG_TEXT_BYTES_MAX], tenants[WHO_BYTES_MAX], user[WHO_BYTES_MAX], path[PATH_TEXT_BYTES_MAX], peer[WHO_BYTES_MAX],
        method[16], error[ERR_TEXT_BYTES_MAX];
    size_t text_len;
    const char *dialect, *status;
    int64_t start_wall_ns, start_mono_ns, ns;
    uint64_t samples, rows, bytes, blocks;
    struct self_ids ids; /* of the request's span */
    atomic_bool is_cancelled;
};

struct query_log {
    struct clock *clock;
    struct log *log;
    struct fs *fs;
    struct mutex lock; /* all below */
    struct kept running[QUERIES_RUNNING_MOST], slowest[QUERIES_SLOWEST_MAX];
    uint64_t last_id, lines, failures, rotations;
    struct file *file;
    char path[QUERY_LOG_PATH_BYTES_MAX];
    uint64_t bytes;
    bool is_broken; /* said already */
};

struct query_log *query_log_new(struct clock *clock, struct log *log, struct fs *fs)
{
    struct query_log *l = mem_new(struct query_log);
    l->clock = clock;
    l->log = log;
    l->fs = fs;
    mutex_init(&l->lock);
    return l;
}

void query_log_free(struct query_log *l)
{
    if (l == NULL)
        return;
    file_close(l->file);
    mutex_destroy(&l->lock);
    mem_free(l);
}

/* ---- the file ---- */

static enum status open_file(struct query_log *l, const char *path, struct file **out, uint64_t *bytes, struct err *err)
{
    enum status st = fs_open(l->fs, path, FILE_APPEND, out, err);
    if (!st)
        st = file_size(*out, bytes, err);
    return st;
}

enum status query_log_file(struct query_log *l, struct slice path, struct err *err)
{
    char name[QUERY_LOG_PATH_BYTES_MAX];
    struct file *file = NULL;
    uint64_t bytes = 0;
    enum status st = ST_OK;
    if (path.len >= sizeof name - 3)
        return err_set(err, ST_LIMIT, "query_log_file: the path has %zu bytes, at most %zu are allowed", path.len, sizeof name - 3);
    snprintf(name, sizeof name, "%.*s", SLICE_FMT(path));
    mutex_lock(&l->lock);
    bool same = slice_eq(slice_str(l->path), path);
    if (!same && path.len)
        st = open_file(l, name, &file, &bytes, err);
    if (!same && !st) {
        file_close(l->file);
        l->file = file;
        l->bytes = bytes;
        l->is_broken = false;
        memcpy(l->path, name, sizeof name);
    } else {
        file_close(file);
    }
    mutex_unlock(&l->lock);
    return st ? err_prefix(err, "query_log_file: ") : ST_OK;
}

static enum status rotate(struct query_log *l, struct err *err)
{
    char old[QUERY_LOG_PATH_BYTES_MAX + 4];
    snprintf(old, sizeof old, "%s.1", l->path);
    file_close(l->file);
    l->file = NULL;
    enum status st = fs_rename(l->fs, l->path, old, err);
    l->rotations += st == ST_OK;
    struct err other;
    enum status opened = open_file(l, l->path, &l->file, &l->bytes, &other);
    if (opened && !st && err)
        *err = other;
    return st ? st : opened;
}

/* lock held. */
static void write_line(struct query_log *l, struct slice line)
{
    struct err err;
    enum status st = ST_OK;
    if (l->bytes + line.len > QUERY_LOG_BYTES_MAX)
        st = rotate(l, &err);
    if (!st)
        st = file_append(l->file, line.ptr, line.len, &err);
    if (!st) {
        l->bytes += line.len;
        l->lines++;
        return;
    }
    l->failures++;
    if (!l->is_broken && l->log)
        log_line(l->log, LOG_ERROR, "the query log cannot be written", "file=\"%s\" error=\"%s\"", l->path, err.text);
    l->is_broken = true;
}

/* ---- JSON ---- */

static void put_text(struct json_writer *w, struct slice key, struct slice value)
{
    json_key(w, key);
    json_string(w, value);
}

static void put_time(struct json_writer *w, struct slice key, int64_t ns)
{
    char text[DATE_TEXT_BYTES_MAX];
    put_text(w, key, slice_of(text, date_format_rfc3339(ns, 0, 3, text)));
}

static void put_number(struct json_writer *w, struct slice key, uint64_t v)
{
    json_key(w, key);
    json_uint(w, v);
}

static void put_seconds(struct json_writer *w, struct slice key, double v)
{
    json_key(w, key);
    json_double(w, v);
}

/* Evaluation is all there is: a query has no queue here and nothing is prepared apart. What it held at its most is not counted. */
void query_log_stats(struct json_writer *w, const struct api_query *q, double seconds)
{
    json_key(w, SLICE("timings"));
    json_object_begin(w);
    put_seconds(w, SLICE("evalTotalTime"), seconds);
    put_seconds(w, SLICE("resultSortTime"), 0);
    put_seconds(w, SLICE("queryPreparationTime"), 0);
    put_seconds(w, SLICE("innerEvalTime"), seconds);
    put_seconds(w, SLICE("execQueueTime"), 0);
    put_seconds(w, SLICE("execTotalTime"), seconds);
    json_object_end(w);
    json_key(w, SLICE("samples"));
    json_object_begin(w);
    put_number(w, SLICE("totalQueryableSamples"), q->ctx.samples_read);
    json_object_end(w);
}

static struct slice text_of(const struct kept *k)
{
    return slice_of(k->text, k->text_len);
}

static void put_id(struct json_writer *w, struct slice key, const uint8_t *id, size_t n)
{
    char text[2 * sizeof((struct self_ids *)0)->trace_id];
    hex_encode(slice_of(id, n), text);
    put_text(w, key, slice_of(text, 2 * n));
}

static void put_request(struct json_writer *w, const struct kept *k)
{
    struct slice peer = slice_str(k->peer);
    size_t port = peer.len;
    while (port > 0 && peer.ptr[port - 1] != ':')
        port--;
    json_key(w, SLICE("httpRequest"));
    json_object_begin(w);
    put_text(w, SLICE("clientIP"), port > 0 ? slice_sub(peer, 0, port - 1) : peer);
    put_text(w, SLICE("method"), slice_str(k->method));
    put_text(w, SLICE("path"), slice_str(k->path));
    json_object_end(w);
    put_text(w, SLICE("user"), slice_str(k->user));
    put_text(w, SLICE("tenants"), slice_str(k->tenants));
    put_id(w, SLICE("traceID"), k->ids.trace_id, sizeof k->ids.trace_id);
    put_id(w, SLICE("spanID"), k->ids.span_id, sizeof k->ids.span_id);
}

static void put_cost(struct json_writer *w, const struct kept *k)
{
    put_text(w, SLICE("dialect"), slice_str(k->dialect));
    put_text(w, SLICE("status"), slice_str(k->status));
    if (k->error[0])
        put_text(w, SLICE("error"), slice_str(k->error));
    put_number(w, SLICE("rowsRead"), k->rows);
    put_number(w, SLICE("blocksRead"), k->blocks);
    put_number(w, SLICE("bytesRead"), k->bytes);
}

static void line_of(struct buf *out, const struct kept *k, const struct api_query *q, int64_t now_ns)
{
    struct json_writer w;
    json_writer_init(&w, out);
    json_object_begin(&w);
    put_time(&w, SLICE("time"), now_ns);
    put_text(&w, SLICE("level"), SLICE("INFO"));
    put_text(&w, SLICE("msg"), SLICE("query logged"));
    json_key(&w, SLICE("params"));
    json_object_begin(&w);
    put_text(&w, SLICE("query"), text_of(k));
    if (q->has_times) {
        put_time(&w, SLICE("start"), q->from_ns);
        put_time(&w, SLICE("end"), q->to_ns);
        put_seconds(&w, SLICE("step"), (double)q->step_ns / 1e9);
    }
    json_object_end(&w);
    json_key(&w, SLICE("stats"));
    json_object_begin(&w);
    query_log_stats(&w, q, (double)k->ns / 1e9);
    json_object_end(&w);
    put_request(&w, k);
    put_cost(&w, k);
    json_object_end(&w);
    buf_char(out, '\n');
}

static void put_kept(struct json_writer *w, const struct kept *k, int64_t now_mono_ns)
{
    json_object_begin(w);
    put_number(w, SLICE("id"), k->id);
    put_text(w, SLICE("query"), text_of(k));
    put_time(w, SLICE("startTime"), k->start_wall_ns);
    put_seconds(w, SLICE("seconds"), (double)(k->status ? k->ns : now_mono_ns - k->start_mono_ns) / 1e9);
    put_request(w, k);
    if (k->status) {
        put_cost(w, k);
        put_number(w, SLICE("samplesRead"), k->samples);
    }
    json_object_end(w);
}

/* ---- queries ---- */

static void keep(char *to, size_t room, struct slice text)
{
    size_t n = MIN(text.len, room - 1);
    memcpy(to, text.ptr, n);
    to[n] = 0;
}

/* lock held. */
static struct kept *find(struct query_log *l, uint64_t id)
{
    for (size_t i = 0; id && i < COUNT_OF(l->running); i++)
        if (l->running[i].id == id)
            return &l->running[i];
    return NULL;
}

uint64_t query_log_begin(struct query_log *l, struct http_exchange *x, struct slice tenants, struct slice user, const atomic_bool **cancelled)
{
    uint64_t id = 0;
    *cancelled = NULL;
    mutex_lock(&l->lock);
    for (size_t i = 0; i < COUNT_OF(l->running) && id == 0; i++) {
        struct kept *k = &l->running[i];
        if (k->id)
            continue;
        id = k->id = ++l->last_id;
        k->text_len = 0;
        k->error[0] = 0;
        k->dialect = k->status = NULL;
        atomic_store(&k->is_cancelled, false);
        *cancelled = &k->is_cancelled;
        k->start_wall_ns = clock_wall_ns(l->clock);
        k->start_mono_ns = clock_mono_ns(l->clock);
        keep(k->tenants, sizeof k->tenants, tenants);
        keep(k->user, sizeof k->user, user);
        keep(k->path, sizeof k->path, http_path(x));
        keep(k->peer, sizeof k->peer, http_peer(x));
        keep(k->method, sizeof k->method, http_method_text(x));
        k->ids = *self_request_ids(x);
    }
    mutex_unlock(&l->lock);
    return id;
}

/* lock held. */
static void keep_text(struct kept *k, struct slice text)
{
    k->text_len = MIN(text.len, sizeof k->text);
    memcpy(k->text, text.ptr, k->text_len);
}

void query_log_text(struct query_log *l, uint64_t id, struct slice text)
{
    mutex_lock(&l->lock);
    struct kept *k = find(l, id);
    if (k)
        keep_text(k, text);
    mutex_unlock(&l->lock);
}

bool query_log_cancel(struct query_log *l, uint64_t id)
{
    mutex_lock(&l->lock);
    struct kept *k = find(l, id);
    if (k)
        atomic_store(&k->is_cancelled, true);
    mutex_unlock(&l->lock);
    return k != NULL;
}

/* Into the place of the fastest, or of one that is too old. lock held. */
static void keep_if_slow(struct query_log *l, const struct kept *k)
{
    struct kept *to = &l->slowest[0];
    int64_t oldest_ns = k->start_mono_ns - (int64_t)QUERIES_SLOWEST_HOURS * 3600 * NS_S;
    for (size_t i = 0; i < COUNT_OF(l->slowest); i++) {
        struct kept *one = &l->slowest[i];
        if (one->id && one->start_mono_ns < oldest_ns)
            one->id = 0;
        if (to->id && (one->id == 0 || one->ns < to->ns))
            to = one;
    }
    if (to->id == 0 || to->ns < k->ns)
        memcpy(to, k, sizeof *to);
}

void query_log_end(struct query_log *l, const struct api_query *q, const char *dialect, enum status st, const struct err *err)
{
    struct buf line;
    buf_init(&line, 0);
    mutex_lock(&l->lock);
    struct kept *k = find(l, q->log_id);
    if (k) {
        keep_text(k, q->text);
        k->dialect = dialect;
        k->status = status_name(st);
        k->ns = clock_mono_ns(l->clock) - k->start_mono_ns;
        k->samples = q->ctx.samples_read;
        k->rows = q->ctx.rows_read;
        k->bytes = q->ctx.bytes_read;
        k->blocks = q->ctx.blocks_read;
        if (st)
            keep(k->error, sizeof k->error, slice_str(err->text));
        keep_if_slow(l, k);
        if (l->file) {
            line_of(&line, k, q, clock_wall_ns(l->clock));
            write_line(l, buf_as_slice(&line));
        }
        k->id = 0;
    }
    mutex_unlock(&l->lock);
    buf_free(&line);
}

/* (4) */
static bool may_know(const struct auth_caller *who, const struct kept *k)
{
    struct slice rest = slice_str(k->tenants), tenant;
    bool is_cut = rest.len == sizeof k->tenants - 1, may = !is_cut || who->tenant_count == 0;
    while (may && slice_next(&rest, '|', &tenant))
        may = auth_may_tenant(who, tenant);
    return may;
}

void query_log_json(struct query_log *l, const struct auth_caller *who, struct json_writer *w)
{
    bool told[QUERIES_SLOWEST_MAX] = { 0 };
    mutex_lock(&l->lock);
    int64_t now = clock_mono_ns(l->clock);
    json_key(w, SLICE("running"));
    json_array_begin(w);
    for (size_t i = 0; i < COUNT_OF(l->running); i++)
        if (l->running[i].id && may_know(who, &l->running[i]))
            put_kept(w, &l->running[i], now);
    json_array_end(w);
    json_key(w, SLICE("slowest"));
    json_array_begin(w);
    for (size_t n = 0; n < COUNT_OF(l->slowest); n++) {
        size_t best = COUNT_OF(l->slowest);
        for (size_t i = 0; i < COUNT_OF(l->slowest); i++)
            if (l->slowest[i].id && !told[i] && (best == COUNT_OF(l->slowest) || l->slowest[i].ns > l->slowest[best].ns))
                best = i;
        if (best == COUNT_OF(l->slowest))
            break;
        told[best] = true;
        if (may_know(who, &l->slowest[best]))
            put_kept(w, &l->slowest[best], now);
    }
    json_array_end(w);
    mutex_unlock(&l->lock);
}

void query_log_metrics(struct query_log *l, struct buf *out)
{
    mutex_lock(&l->lock);
    buf_printf(out,
               "# HELP stoa_query_log_lines_total Lines written to the query log.\n# TYPE stoa_query_log_lines_total counter\n"
               "stoa_query_log_lines_total %llu\n"
               "# HELP stoa_query_log_failures_total Lines that could not be written to the query log.\n"
               "# TYPE stoa_query_log_failures_total counter\nstoa_query_log_failures_total %llu\n"
               "# HELP stoa_query_log_rotations_total Times the query log reached its size and was begun anew.\n"
               "# TYPE stoa_query_log_rotations_total counter\nstoa_query_log_rotations_total %llu\n",
               (unsigned long long)l->lines, (unsigned long long)l->failures, (unsigned long long)l->rotations);
    mutex_unlock(&l->lock);
}
