/* SPDX-License-Identifier: Apache-2.0 */
/* This machine's metrics under node_exporter's names, and its processes under process-exporter's.
 *
 * A round reads every family of the table below into one batch, with one time for all samples. A family that fails takes
 * nothing with it: it shows as node_scrape_collector_success 0, as in node_exporter, and is logged once. The three roots
 * (proc, sys, rootfs) are settings, so that a container can look at its host and a test at a tree of its own.
 *
 * (1) No series is put twice in a round.
 * (2) A series of the round before that is missing now gets Prometheus's stale marker, so that a removed disk or an ended
 *     process does not linger in answers.
 * (3) Metadata goes along in the first round and then once in METADATA_ROUNDS, not every 5 s.
 *
 * The thread started by host_start is the only one to touch a struct host_collector, but for `stopping`. */
#include "collect/host.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/num.h"
#include "base/utf8.h"
#include "sys/thread.h"

enum {
    BATCH_BYTES_MAX = 64 * MIB,
    SCRATCH_BYTES_MAX = 64 * MIB,
    METADATA_ROUNDS = 720,
    PATH_BYTES_MAX = 4096
};
#define INTERVAL_NS_MIN (100 * NS_MS)

static const struct host_family families[] = {
    { "cpu", host_cpu },
    { "stat", host_stat },               { "cpufreq", host_cpufreq },
    { "loadavg", host_loadavg },         { "pressure", host_pressure },
    { "schedstat", host_schedstat },     { "softnet", host_softnet },
    { "meminfo", host_meminfo },         { "vmstat", host_vmstat },
    { "diskstats", host_diskstats },     { "filesystem", host_filesystem },
    { "netdev", host_netdev },           { "netclass", host_netclass },
    { "netstat", host_netstat },         { "sockstat", host_sockstat },
    { "arp", host_arp },                 { "conntrack", host_conntrack },
    { "udp_queues", host_udp_queues },   { "uname", host_uname },
    { "os", host_os },                   { "time", host_time },
    { "timex", host_timex },             { "entropy", host_entropy },
    { "filefd", host_filefd },           { "selinux", host_selinux },
    { "dmi", host_dmi },                 { "hwmon", host_hwmon },
    { "thermal_zone", host_thermal_zone }, { "rapl", host_rapl },
    { "nvme", host_nvme },               { "mdadm", host_mdadm },
    { "powersupplyclass", host_powersupply }, { "processes", host_processes },
    { "cgroup", host_cgroup },
};

struct host_collector {
    struct collect_env env;
    struct host_options opt;
    struct thread *thread;
    struct mutex mutex; /* guards stopping */
    struct cond wake;
    bool stopping;
    struct batch *before;                 /* the last stored round and the labels in it: see (2) */
    struct map seen_before;
    struct host_process_state *processes;
    struct host_rooms *rooms;
    uint64_t rounds;                      /* stored */
    bool complained[COUNT_OF(families)];
    enum status last;
};

/* ---- Putting samples ---- */

/* Bytes that are no UTF-8 (a mount point, a process's name) become '?': a label must be text. */
static struct slice text_of(struct host_round *r, struct slice s)
{
    if (utf8_is_valid(s))
        return s;
    struct slice copy = arena_copy(r->scratch, s);
    char *at = (char *)copy.ptr;
    for (size_t i = 0; i < copy.len; i++)
        if ((unsigned char)at[i] >= 0x80)
            at[i] = '?';
    return copy;
}

void host_put_labels(struct host_round *r, const struct host_metric *m, double v, const struct label *labels, size_t count)
{
    assert(count <= HOST_LABELS_MAX);
    struct label list[HOST_LABELS_MAX + 3];
    size_t n = 0;
    list[n++] = (struct label){ SLICE("__name__"), m->name };
    list[n++] = (struct label){ SLICE("job"), SLICE("node") };
    list[n++] = (struct label){ SLICE("instance"), r->env->instance };
    for (size_t i = 0; i < count; i++)
        list[n++] = (struct label){ labels[i].name, slice_sub(text_of(r, labels[i].value), 0, LABEL_VALUE_BYTES_MAX) };
    struct slice canonical;
    if (labels_build(r->batch->arena, list, n, &canonical, NULL))
        return;
    bool added;
    map_put(&r->seen, canonical, &added);
    if (!added)
        return;
    batch_series(r->batch, canonical);
    batch_sample(r->batch, r->t_ms, v);
    map_put(&r->described, m->name, &added);
    if (added)
        batch_metadata(r->batch, m->name, m->type, m->help, SLICE_EMPTY);
}

void host_put(struct host_round *r, const struct host_metric *m, double v)
{
    host_put_labels(r, m, v, NULL, 0);
}

void host_put1(struct host_round *r, const struct host_metric *m, double v, struct slice name, struct slice value)
{
    struct label label = { name, value };
    host_put_labels(r, m, v, &label, 1);
}

void host_put2(struct host_round *r, const struct host_metric *m, double v, struct slice name, struct slice value, struct slice name2,
               struct slice value2)
{
    struct label list[] = { { name, value }, { name2, value2 } };
    host_put_labels(r, m, v, list, 2);
}

void host_put_named(struct host_round *r, enum metric_type type, struct slice prefix, struct slice middle, struct slice suffix, double v)
{
    struct slice name = arena_printf(r->batch->arena, "%.*s%.*s%.*s", SLICE_FMT(prefix), SLICE_FMT(middle), SLICE_FMT(suffix));
    if (!metric_name_is_legacy(name))
        return;
    struct host_metric m = { name, type, arena_printf(r->batch->arena, "The kernel's field %.*s.", SLICE_FMT(middle)) };
    host_put(r, &m, v);
}

/* ---- Reading ---- */

static const char *path_of(struct host_round *r, struct slice root, const char *fmt, va_list args)
{
    while (root.len > 0 && root.ptr[root.len - 1] == '/')
        root.len--;
    char path[PATH_BYTES_MAX];
    size_t n = MIN(root.len, sizeof path / 2);
    memcpy(path, root.ptr, n);
    path[n++] = '/';
    int more = vsnprintf(path + n, sizeof path - n, fmt, args);
    return arena_copy(r->scratch, slice_of(path, MIN(n + (size_t)MAX(more, 0), sizeof path - 1))).ptr;
}

const char *host_path(struct host_round *r, struct slice root, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    const char *path = path_of(r, root, fmt, args);
    va_end(args);
    return path;
}

static enum status read_path(struct host_round *r, const char *path, struct slice *out, struct err *err)
{
    struct buf b;
    buf_init(&b, HOST_FILE_BYTES_MAX);
    enum status st = fs_read_all(r->env->fs, path, HOST_FILE_BYTES_MAX, &b, err);
    *out = st ? SLICE_EMPTY : arena_copy(r->scratch, buf_as_slice(&b));
    buf_free(&b);
    return st;
}

enum status host_read(struct host_round *r, struct slice root, struct slice *out, struct err *err, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    const char *path = path_of(r, root, fmt, args);
    va_end(args);
    return read_path(r, path, out, err);
}

bool host_line(struct host_round *r, struct slice root, struct slice *out, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    const char *path = path_of(r, root, fmt, args);
    va_end(args);
    struct slice rest;
    if (read_path(r, path, &rest, NULL) || !slice_next(&rest, '\n', out))
        return false;
    *out = slice_trim(*out);
    return true;
}

bool host_number_of(struct host_round *r, struct slice root, double *out, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    const char *path = path_of(r, root, fmt, args);
    va_end(args);
    struct slice rest, line;
    return !read_path(r, path, &rest, NULL) && slice_next(&rest, '\n', &line) && host_number(slice_trim(line), out);
}

enum status host_list(struct host_round *r, struct slice root, struct slice *out, struct err *err, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    const char *path = path_of(r, root, fmt, args);
    va_end(args);
    struct buf b;
    buf_init(&b, HOST_LIST_BYTES_MAX);
    enum status st = fs_list(r->env->fs, path, &b, err);
    *out = st ? SLICE_EMPTY : arena_copy(r->scratch, buf_as_slice(&b));
    buf_free(&b);
    return st;
}

size_t host_fields(struct slice line, struct slice *fields, size_t max)
{
    size_t count = 0, i = 0;
    while (count < max) {
        while (i < line.len && (line.ptr[i] == ' ' || line.ptr[i] == '\t'))
            i++;
        if (i == line.len)
            break;
        size_t from = i;
        while (i < line.len && line.ptr[i] != ' ' && line.ptr[i] != '\t')
            i++;
        fields[count++] = slice_sub(line, from, i);
    }
    return count;
}

bool host_hex(struct slice s, double *out)
{
    double v = 0;
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
        if (digit < 0)
            return false;
        v = v * 16 + digit;
    }
    *out = v;
    return s.len > 0;
}

bool host_number(struct slice s, double *out)
{
    if (slice_starts(s, SLICE("0x")))
        return host_hex(slice_skip(s, 2), out);
    return num_parse_double(s, out);
}

bool host_is_digits(struct slice s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.ptr[i] < '0' || s.ptr[i] > '9')
            return false;
    return s.len > 0;
}

/* ---- One round ---- */

static enum status round_run(struct host_round *r, struct host_collector *h, struct err *err)
{
    static const struct host_metric duration = HOST_GAUGE("node_scrape_collector_duration_seconds", "How long reading this family took.");
    static const struct host_metric success = HOST_GAUGE("node_scrape_collector_success", "1 when this family could be read.");
    size_t read = 0;
    struct err first = { 0 };
    for (size_t i = 0; i < COUNT_OF(families); i++) {
        struct err why = { 0 };
        int64_t start_ns = clock_mono_ns(r->env->clock);
        enum status st = families[i].read(r, &why);
        double seconds = (double)(clock_mono_ns(r->env->clock) - start_ns) / 1e9;
        host_put1(r, &duration, seconds, SLICE("collector"), slice_str(families[i].name));
        host_put1(r, &success, st == ST_OK, SLICE("collector"), slice_str(families[i].name));
        arena_reset(r->scratch);
        read += st == ST_OK;
        if (st && !first.status)
            first = why;
        /* Not there (no RAID, no sensors) is the rule; anything else is worth one line. */
        if (h && st && st != ST_NOT_FOUND && !h->complained[i]) {
            h->complained[i] = true;
            log_line(r->env->log, LOG_WARNING, "a family of host metrics cannot be read", "family=%s error=\"%s\"", families[i].name,
                     why.text);
        }
        if (arena_over(r->batch->arena))
            return err_set(err, ST_LIMIT, "host metrics: a round takes more than the %d bytes allowed", BATCH_BYTES_MAX);
    }
    if (read == 0)
        return err_set(err, first.status ? first.status : ST_IO, "host metrics: no family could be read: %s", first.text);
    return ST_OK;
}

static enum status collect(const struct collect_env *env, const struct host_options *opt, struct batch *b, struct host_collector *h,
                           struct map *seen, struct err *err)
{
    struct host_round r = { .env = env, .opt = opt, .batch = b, .t_ms = clock_wall_ms(env->clock) };
    r.processes = h ? h->processes : NULL;
    r.rooms = h ? h->rooms : NULL;
    r.scratch = arena_new(SCRATCH_BYTES_MAX);
    map_init(&r.seen);
    map_init(&r.described);
    enum status st = round_run(&r, h, err);
    map_free(&r.described);
    arena_free(r.scratch);
    *seen = r.seen;
    return st;
}

enum status host_collect(const struct collect_env *env, const struct host_options *opt, struct batch *b, struct err *err)
{
    struct map seen;
    enum status st = collect(env, opt, b, NULL, &seen, err);
    map_free(&seen);
    return st;
}

/* Says (2) of the design. */
static void end_missing(const struct map *before, const struct map *seen, struct batch *now, int64_t t_ms)
{
    struct map_entry *e;
    for (size_t i = 0; (e = map_each(before, &i)) != NULL;) {
        if (map_get(seen, e->key))
            continue;
        batch_series(now, arena_copy(now->arena, e->key));
        batch_sample(now, t_ms, double_of_bits(STALE_NAN_BITS));
    }
}

static enum status round_store(struct host_collector *h, struct err *err)
{
    struct batch *b = batch_new(BATCH_BYTES_MAX);
    struct map seen;
    b->received_ns = clock_wall_ns(h->env.clock);
    enum status st = collect(&h->env, &h->opt, b, h, &seen, err);
    if (st == ST_OK) {
        if (h->rounds % METADATA_ROUNDS != 0)
            b->metadata_count = 0;
        end_missing(&h->seen_before, &seen, b, clock_wall_ms(h->env.clock));
    }
    if (st == ST_OK)
        st = h->env.append(h->env.arg, batch_take(b), err);
    if (st) {
        map_free(&seen);
        batch_drop(b);
        return st;
    }
    map_free(&h->seen_before);
    batch_drop(h->before);
    h->before = b;
    h->seen_before = seen;
    h->rounds++;
    return ST_OK;
}

/* ---- The thread ---- */

static bool wait_until(struct host_collector *h, int64_t due_ns)
{
    mutex_lock(&h->mutex);
    for (;;) {
        int64_t left = due_ns - clock_mono_ns(h->env.clock);
        if (h->stopping || left <= 0)
            break;
        if (!cond_wait_ns(&h->wake, &h->mutex, left))
            break;
    }
    bool stopping = h->stopping;
    mutex_unlock(&h->mutex);
    return !stopping;
}

static void host_thread(void *arg)
{
    struct host_collector *h = arg;
    int64_t due_ns = clock_mono_ns(h->env.clock);
    while (wait_until(h, due_ns)) {
        struct err err = { 0 };
        int64_t wall_ns = clock_wall_ns(h->env.clock), start_ns = clock_mono_ns(h->env.clock);
        enum status st = round_store(h, &err);
        int64_t end_ns = clock_mono_ns(h->env.clock);
        if (st && st != h->last)
            log_line(h->env.log, LOG_WARNING, "host metrics were not stored", "status=%s error=\"%s\"", status_name(st), err.text);
        h->last = st;
        if (h->env.job_done)
            h->env.job_done(h->env.arg, "host", wall_ns, end_ns - start_ns, st, st ? err.text : "");
        /* A round that took longer than the interval skips beats instead of running after them. */
        due_ns += h->opt.interval_ns;
        if (due_ns < end_ns)
            due_ns = end_ns + h->opt.interval_ns - (end_ns - due_ns) % h->opt.interval_ns;
    }
}

enum status host_start(struct host_collector **out, const struct collect_env *env, const struct host_options *opt, struct err *err)
{
    if (opt->interval_ns < INTERVAL_NS_MIN)
        return err_set(err, ST_INVALID, "host metrics: the interval is %lld ns, at least %lld are allowed", (long long)opt->interval_ns,
                       (long long)INTERVAL_NS_MIN);
    struct host_collector *h = mem_new(struct host_collector);
    h->env = *env;
    h->opt = *opt;
    h->processes = host_process_state_new();
    map_init(&h->seen_before);
    mutex_init(&h->mutex);
    cond_init(&h->wake);
    enum status st = host_rooms_new(&h->rooms, err);
    if (st == ST_OK)
        st = thread_start(&h->thread, "host", host_thread, h, err);
    if (st) {
        host_stop(h);
        return st;
    }
    *out = h;
    return ST_OK;
}

void host_stop(struct host_collector *h)
{
    if (h == NULL)
        return;
    mutex_lock(&h->mutex);
    h->stopping = true;
    cond_broadcast(&h->wake);
    mutex_unlock(&h->mutex);
    thread_join(h->thread);
    map_free(&h->seen_before);
    batch_drop(h->before);
    host_process_state_free(h->processes);
    host_rooms_free(h->rooms);
    cond_destroy(&h->wake);
    mutex_destroy(&h->mutex);
    mem_free(h);
}
