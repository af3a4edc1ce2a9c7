/* SPDX-License-Identifier: Apache-2.0 */
/* Containers, from the kernel's cgroup v2 tree alone, under cAdvisor's names and labels: no engine is asked, none need run.
 *
 * A container is a cgroup with a name that an engine gives (see `engines`): of Docker, containerd and CRI-O under Kubernetes,
 * nerdctl, Podman, systemd-nspawn and machined, LXC. Services and users are cgroups too, and are left out: process groups
 * and node_* tell of them. Below a container nothing is searched.
 *
 * Its name and image come from what engines write under the root file system (Docker's config.v2.json, Podman's
 * containers.json, the names in /var/log/containers on a Kubernetes node), where that may be read; else the name is the id.
 * Network counters are those of its first process's namespace, and left out when that is the host's. */
#include "codec/json.h"
#include "collect/host.h"

enum { CONTAINERS_MAX = 1000, FOLDERS_MAX = 20000, DEPTH_MAX = 12, ID_DIGITS = 64, ID_DIGITS_MIN = 12, PROCESSES_MAX = 100000, DEVICES_MAX = 64 };

struct container {
    struct slice path;              /* under fs/cgroup, without '/' in front */
    struct slice id, name, image;   /* id: the engine's */
    struct slice namespace, pod;    /* Kubernetes's */
    struct slice pid;               /* its first process */
    size_t processes;
    struct label labels[6];
    size_t label_count;
};

struct walk {
    struct host_round *r;
    struct json_parser *parser;
    struct container *list;
    size_t count, cap, folders;
    struct slice log_names;         /* of /var/log/containers, read once */
    bool logs_read;
    double boot_s;
};

/* prefix + id + suffix; is_hex: the id is 64 hexadecimal digits. parent: the folder above, when it must be that one. */
static const struct {
    struct slice prefix, suffix, parent;
    bool is_hex;
} engines[] = {
    { SLICE_INIT("docker-"), SLICE_INIT(".scope"), SLICE_INIT(""), true },
    { SLICE_INIT("cri-containerd-"), SLICE_INIT(".scope"), SLICE_INIT(""), true },
    { SLICE_INIT("crio-"), SLICE_INIT(".scope"), SLICE_INIT(""), true },
    { SLICE_INIT("nerdctl-"), SLICE_INIT(".scope"), SLICE_INIT(""), true },
    { SLICE_INIT("libpod-"), SLICE_INIT(".scope"), SLICE_INIT(""), true },
    { SLICE_INIT("libpod-"), SLICE_INIT(""), SLICE_INIT(""), true },
    { SLICE_INIT(""), SLICE_INIT(""), SLICE_INIT("docker"), true },
    { SLICE_INIT(""), SLICE_INIT(""), SLICE_INIT("default"), true }, /* containerd's namespace of that name */
    { SLICE_INIT(""), SLICE_INIT(""), SLICE_INIT("k8s.io"), true },
    { SLICE_INIT(""), SLICE_INIT(""), SLICE_INIT("pod*"), true },
    { SLICE_INIT("systemd-nspawn@"), SLICE_INIT(".service"), SLICE_INIT(""), false },
    { SLICE_INIT("machine-"), SLICE_INIT(".scope"), SLICE_INIT("machine.slice"), false },
    { SLICE_INIT("lxc.payload."), SLICE_INIT(""), SLICE_INIT(""), false },
    { SLICE_INIT(""), SLICE_INIT(""), SLICE_INIT("lxc"), false },
};

static bool is_container_id(struct slice s)
{
    double v;
    return s.len == ID_DIGITS && host_hex(s, &v);
}

/* The engine's id of the cgroup of that name; empty when it is no container. */
static struct slice id_of(struct slice parent, struct slice name)
{
    for (size_t i = 0; i < COUNT_OF(engines); i++) {
        struct slice prefix = engines[i].prefix, suffix = engines[i].suffix, wanted = engines[i].parent;
        if (!slice_starts(name, prefix) || !slice_ends(name, suffix) || name.len <= prefix.len + suffix.len)
            continue;
        struct slice id = slice_sub(name, prefix.len, name.len - suffix.len);
        bool here = wanted.len == 0 || slice_eq(parent, wanted) || (slice_eq(wanted, SLICE("pod*")) && slice_starts(parent, SLICE("pod")));
        if (here && (engines[i].is_hex ? is_container_id(id) : id.len > 0))
            return id;
    }
    return SLICE_EMPTY;
}

/* Files of the kernel stand in the same folder as the cgroups below. */
static bool is_control_file(struct slice name)
{
    static const struct slice controllers[] = { SLICE_INIT("cgroup."), SLICE_INIT("cpu."), SLICE_INIT("cpuset."), SLICE_INIT("memory."),
                                                SLICE_INIT("io."), SLICE_INIT("pids."), SLICE_INIT("hugetlb."), SLICE_INIT("rdma."),
                                                SLICE_INIT("misc."), SLICE_INIT("irq."), SLICE_INIT("dmem.") };
    for (size_t i = 0; i < COUNT_OF(controllers); i++)
        if (slice_starts(name, controllers[i]))
            return true;
    return false;
}

/* ---- what an engine has written down ---- */

static struct slice text_of(struct walk *w, struct json_value v, struct slice key)
{
    struct json_value member;
    return json_get(v, key, &member) ? arena_copy(w->r->scratch, json_get_string(member)) : SLICE_EMPTY;
}

static bool name_by_docker(struct walk *w, struct container *c)
{
    struct slice text;
    struct json_value v, config;
    if (host_read(w->r, w->r->opt->rootfs, &text, NULL, "var/lib/docker/containers/%.*s/config.v2.json", SLICE_FMT(c->id)) ||
        json_parse(w->parser, text, &v, NULL))
        return false;
    struct slice name = text_of(w, v, SLICE("Name"));
    c->name = slice_starts(name, SLICE("/")) ? slice_skip(name, 1) : name;
    if (json_get(v, SLICE("Config"), &config))
        c->image = text_of(w, config, SLICE("Image"));
    return c->name.len > 0;
}

static bool name_by_podman(struct walk *w, struct container *c)
{
    struct slice text;
    struct json_value v, item, names, metadata;
    if (host_read(w->r, w->r->opt->rootfs, &text, NULL, "var/lib/containers/storage/overlay-containers/containers.json") ||
        json_parse(w->parser, text, &v, NULL))
        return false;
    for (struct json_iter it = json_array(v); json_array_next(&it, &item);) {
        if (!slice_eq(text_of(w, item, SLICE("id")), c->id))
            continue;
        if (json_get(item, SLICE("names"), &names)) {
            struct json_iter first = json_array(names);
            if (json_array_next(&first, &names))
                c->name = arena_copy(w->r->scratch, json_get_string(names));
        }
        struct slice inner = text_of(w, item, SLICE("metadata")); /* JSON as text */
        if (inner.len && !json_parse(w->parser, inner, &metadata, NULL))
            c->image = text_of(w, metadata, SLICE("image-name"));
        return c->name.len > 0;
    }
    return false;
}

/* POD_NAMESPACE_CONTAINER-ID.log */
static bool name_by_kubernetes(struct walk *w, struct container *c)
{
    if (!w->logs_read && host_list(w->r, w->r->opt->rootfs, &w->log_names, NULL, "var/log/containers"))
        w->log_names = SLICE_EMPTY;
    w->logs_read = true;
    struct slice rest = w->log_names, file, pod, tail, namespace, last;
    while (slice_next(&rest, 0, &file)) {
        size_t at = slice_find(file, c->id, 0);
        if (at == SIZE_MAX || at < 2 || !slice_cut(file, '_', &pod, &tail) || !slice_cut(tail, '_', &namespace, &last) || last.len < ID_DIGITS)
            continue;
        c->pod = pod;
        c->namespace = namespace;
        c->name = slice_sub(last, 0, slice_find(last, c->id, 0) - 1);
        return true;
    }
    return false;
}

/* ---- its processes ---- */

static void count_processes(struct walk *w, struct container *c, struct slice path, int depth)
{
    struct slice names, name, pids, pid;
    if (w->folders++ > FOLDERS_MAX || depth > DEPTH_MAX)
        return;
    if (!host_read(w->r, w->r->opt->sys, &pids, NULL, "fs/cgroup/%.*s/cgroup.procs", SLICE_FMT(path))) {
        while (c->processes < PROCESSES_MAX && slice_next(&pids, '\n', &pid)) {
            c->pid = c->pid.len ? c->pid : pid;
            c->processes++;
        }
    }
    if (host_list(w->r, w->r->opt->sys, &names, NULL, "fs/cgroup/%.*s", SLICE_FMT(path)))
        return;
    while (slice_next(&names, 0, &name))
        if (!is_control_file(name))
            count_processes(w, c, arena_printf(w->r->scratch, "%.*s/%.*s", SLICE_FMT(path), SLICE_FMT(name)), depth + 1);
}

static void found(struct walk *w, struct slice path, struct slice id)
{
    if (w->count == CONTAINERS_MAX)
        return;
    struct container c = { .path = path, .id = id, .name = id };
    count_processes(w, &c, path, 0);
    if (id.len >= ID_DIGITS_MIN && !name_by_docker(w, &c) && !name_by_podman(w, &c))
        name_by_kubernetes(w, &c);
    c.labels[c.label_count++] = (struct label){ SLICE("id"), arena_printf(w->r->scratch, "/%.*s", SLICE_FMT(path)) };
    c.labels[c.label_count++] = (struct label){ SLICE("name"), c.name };
    if (c.image.len)
        c.labels[c.label_count++] = (struct label){ SLICE("image"), c.image };
    if (c.pod.len) {
        c.labels[c.label_count++] = (struct label){ SLICE("container"), c.name };
        c.labels[c.label_count++] = (struct label){ SLICE("namespace"), c.namespace };
        c.labels[c.label_count++] = (struct label){ SLICE("pod"), c.pod };
    }
    ARENA_PUSH(w->r->scratch, w->list, w->count, w->cap) = c;
}

static void search(struct walk *w, struct slice path, struct slice name, int depth)
{
    struct slice names, child;
    if (depth > DEPTH_MAX || w->folders++ > FOLDERS_MAX || host_list(w->r, w->r->opt->sys, &names, NULL, "fs/cgroup/%.*s", SLICE_FMT(path)))
        return;
    while (slice_next(&names, 0, &child)) {
        if (is_control_file(child))
            continue;
        struct slice at = path.len ? arena_printf(w->r->scratch, "%.*s/%.*s", SLICE_FMT(path), SLICE_FMT(child)) : child, id = id_of(name, child);
        if (id.len)
            found(w, at, id);
        else
            search(w, at, child, depth + 1);
    }
}

/* ---- samples ---- */

/* A line "key value" of a file; key empty: the file is one number. "max" is put as 0, as cAdvisor says "no limit". */
static const struct {
    const char *file;
    struct slice key;
    double scale;
    struct host_metric metric;
} numbers[] = {
    { "cpu.stat", SLICE_INIT("user_usec"), 1e-6, HOST_COUNTER("container_cpu_user_seconds_total", "CPU time in user mode.") },
    { "cpu.stat", SLICE_INIT("system_usec"), 1e-6, HOST_COUNTER("container_cpu_system_seconds_total", "CPU time in the kernel.") },
    { "cpu.stat", SLICE_INIT("nr_periods"), 1, HOST_COUNTER("container_cpu_cfs_periods_total", "Periods of the CPU limit that have passed.") },
    { "cpu.stat", SLICE_INIT("nr_throttled"), 1,
      HOST_COUNTER("container_cpu_cfs_throttled_periods_total", "Periods in which the CPU limit was reached.") },
    { "cpu.stat", SLICE_INIT("throttled_usec"), 1e-6,
      HOST_COUNTER("container_cpu_cfs_throttled_seconds_total", "Time spent waiting because the CPU limit was reached.") },
    { "memory.current", SLICE_INIT(""), 1, HOST_GAUGE("container_memory_usage_bytes", "Memory charged to the container, page cache included.") },
    { "memory.peak", SLICE_INIT(""), 1, HOST_GAUGE("container_memory_max_usage_bytes", "The most memory ever charged to it.") },
    { "memory.swap.current", SLICE_INIT(""), 1, HOST_GAUGE("container_memory_swap", "Swap in use.") },
    { "memory.stat", SLICE_INIT("anon"), 1, HOST_GAUGE("container_memory_rss", "Memory that no file backs.") },
    { "memory.stat", SLICE_INIT("file"), 1, HOST_GAUGE("container_memory_cache", "Page cache.") },
    { "memory.stat", SLICE_INIT("file_mapped"), 1, HOST_GAUGE("container_memory_mapped_file", "Files mapped into memory.") },
    { "memory.stat", SLICE_INIT("kernel"), 1, HOST_GAUGE("container_memory_kernel_usage", "Memory of the kernel on its behalf.") },
    { "memory.events", SLICE_INIT("oom_kill"), 1, HOST_COUNTER("container_oom_events_total", "Processes killed because memory ran out.") },
    { "memory.max", SLICE_INIT(""), 1, HOST_GAUGE("container_spec_memory_limit_bytes", "The memory limit; 0 for none.") },
    { "memory.swap.max", SLICE_INIT(""), 1, HOST_GAUGE("container_spec_memory_swap_limit_bytes", "The swap limit; 0 for none.") },
    { "memory.low", SLICE_INIT(""), 1, HOST_GAUGE("container_spec_memory_reservation_limit_bytes", "Memory that is kept for it.") },
    { "pids.current", SLICE_INIT(""), 1, HOST_GAUGE("container_threads", "Threads.") },
    { "pids.max", SLICE_INIT(""), 1, HOST_GAUGE("container_threads_max", "The most threads allowed; 0 for no limit.") },
};

static bool number_of(struct walk *w, const struct container *c, const char *file, struct slice key, double *out)
{
    struct slice text, line, fields[2];
    if (host_read(w->r, w->r->opt->sys, &text, NULL, "fs/cgroup/%.*s/%s", SLICE_FMT(c->path), file))
        return false;
    while (slice_next(&text, '\n', &line)) {
        size_t n = host_fields(line, fields, 2);
        struct slice value = key.len ? fields[1] : fields[0];
        if (n < (key.len ? 2u : 1u) || (key.len && !slice_eq(fields[0], key)))
            continue;
        *out = 0;
        return slice_eq(value, SLICE("max")) || host_number(value, out);
    }
    return false;
}

static void put(struct walk *w, const struct container *c, const struct host_metric *m, double v, struct slice name, struct slice value)
{
    struct label list[COUNT_OF(c->labels) + 1];
    memcpy(list, c->labels, sizeof c->labels);
    list[c->label_count] = (struct label){ name, value };
    host_put_labels(w->r, m, v, list, c->label_count + (name.len > 0));
}

static void put_cpu_and_memory(struct walk *w, const struct container *c)
{
    static const struct host_metric usage = HOST_COUNTER("container_cpu_usage_seconds_total", "CPU time used."),
                                    working = HOST_GAUGE("container_memory_working_set_bytes", "Memory in use without the cache last used long ago."),
                                    failures = HOST_COUNTER("container_memory_failures_total", "Page faults."),
                                    quota = HOST_GAUGE("container_spec_cpu_quota", "CPU time allowed in a period, in microseconds."),
                                    period = HOST_GAUGE("container_spec_cpu_period", "The period of the CPU limit, in microseconds."),
                                    shares = HOST_GAUGE("container_spec_cpu_shares", "The share of CPU when there is too little.");
    double v, inactive;
    if (number_of(w, c, "cpu.stat", SLICE("usage_usec"), &v))
        put(w, c, &usage, v * 1e-6, SLICE("cpu"), SLICE("total"));
    if (number_of(w, c, "memory.current", SLICE_EMPTY, &v) && number_of(w, c, "memory.stat", SLICE("inactive_file"), &inactive))
        put(w, c, &working, v > inactive ? v - inactive : 0, SLICE_EMPTY, SLICE_EMPTY);
    static const struct slice faults[] = { SLICE_INIT("pgfault"), SLICE_INIT("pgmajfault") };
    for (size_t i = 0; i < COUNT_OF(faults); i++)
        if (number_of(w, c, "memory.stat", faults[i], &v))
            put(w, c, &failures, v, SLICE("failure_type"), faults[i]);
    struct slice line, fields[2];
    double allowed, length;
    if (host_line(w->r, w->r->opt->sys, &line, "fs/cgroup/%.*s/cpu.max", SLICE_FMT(c->path)) && host_fields(line, fields, 2) == 2 &&
        host_number(fields[1], &length)) {
        put(w, c, &period, length, SLICE_EMPTY, SLICE_EMPTY);
        if (host_number(fields[0], &allowed)) /* "max": no limit, then no sample */
            put(w, c, &quota, allowed, SLICE_EMPTY, SLICE_EMPTY);
    }
    if (number_of(w, c, "cpu.weight", SLICE_EMPTY, &v)) /* weight 1..10000 stands for shares 2..262144 */
        put(w, c, &shares, (double)(int64_t)(2 + (v - 1) * 262142 / 9999), SLICE_EMPTY, SLICE_EMPTY);
    for (size_t i = 0; i < COUNT_OF(numbers); i++)
        if (number_of(w, c, numbers[i].file, numbers[i].key, &v))
            put(w, c, &numbers[i].metric, v * numbers[i].scale, SLICE_EMPTY, SLICE_EMPTY);
}

/* "/dev/sda" of "8:0". */
static struct slice device_of(struct walk *w, struct slice number)
{
    struct slice text, line;
    if (!host_read(w->r, w->r->opt->sys, &text, NULL, "dev/block/%.*s/uevent", SLICE_FMT(number)))
        while (slice_next(&text, '\n', &line))
            if (slice_starts(line, SLICE("DEVNAME=")))
                return arena_printf(w->r->scratch, "/dev/%.*s", SLICE_FMT(slice_skip(line, 8)));
    return number;
}

/* 8:0 rbytes=1 wbytes=2 rios=3 wios=4 ... */
static void put_io(struct walk *w, const struct container *c)
{
    static const struct {
        struct slice key;
        struct host_metric metric;
    } keys[] = {
        { SLICE_INIT("rbytes"), HOST_COUNTER("container_fs_reads_bytes_total", "Bytes read from the device.") },
        { SLICE_INIT("wbytes"), HOST_COUNTER("container_fs_writes_bytes_total", "Bytes written to the device.") },
        { SLICE_INIT("rios"), HOST_COUNTER("container_fs_reads_total", "Reads of the device.") },
        { SLICE_INIT("wios"), HOST_COUNTER("container_fs_writes_total", "Writes to the device.") },
    };
    struct slice text, line, fields[HOST_FIELDS_MAX], key, value;
    if (host_read(w->r, w->r->opt->sys, &text, NULL, "fs/cgroup/%.*s/io.stat", SLICE_FMT(c->path)))
        return;
    for (int devices = 0; devices < DEVICES_MAX && slice_next(&text, '\n', &line); devices++) {
        size_t n = host_fields(line, fields, HOST_FIELDS_MAX);
        for (size_t i = 1; i < n; i++)
            for (size_t k = 0; k < COUNT_OF(keys); k++) {
                double v;
                if (slice_cut(fields[i], '=', &key, &value) && slice_eq(key, keys[k].key) && host_number(value, &v))
                    put(w, c, &keys[k].metric, v, SLICE("device"), device_of(w, fields[0]));
            }
    }
}

static bool is_of_host(struct walk *w, struct slice pid)
{
    struct file_info own, first;
    return fs_info(w->r->env->fs, host_path(w->r, w->r->opt->proc, "%.*s/ns/net", SLICE_FMT(pid)), &own, NULL) ||
           fs_info(w->r->env->fs, host_path(w->r, w->r->opt->proc, "1/ns/net"), &first, NULL) || own.inode == first.inode;
}

static void put_network(struct walk *w, const struct container *c)
{
    static const struct {
        size_t column; /* of /proc/PID/net/dev, behind the device */
        struct host_metric metric;
    } columns[] = {
        { 0, HOST_COUNTER("container_network_receive_bytes_total", "Bytes received.") },
        { 1, HOST_COUNTER("container_network_receive_packets_total", "Packets received.") },
        { 2, HOST_COUNTER("container_network_receive_errors_total", "Packets received with errors.") },
        { 3, HOST_COUNTER("container_network_receive_packets_dropped_total", "Packets received and dropped.") },
        { 8, HOST_COUNTER("container_network_transmit_bytes_total", "Bytes sent.") },
        { 9, HOST_COUNTER("container_network_transmit_packets_total", "Packets sent.") },
        { 10, HOST_COUNTER("container_network_transmit_errors_total", "Packets not sent because of errors.") },
        { 11, HOST_COUNTER("container_network_transmit_packets_dropped_total", "Packets dropped instead of sent.") },
    };
    struct slice text, line, device, rest, fields[HOST_FIELDS_MAX];
    if (c->pid.len == 0 || is_of_host(w, c->pid) || host_read(w->r, w->r->opt->proc, &text, NULL, "%.*s/net/dev", SLICE_FMT(c->pid)))
        return;
    for (int devices = 0; devices < DEVICES_MAX && slice_next(&text, '\n', &line); devices++) {
        double v;
        if (!slice_cut(line, ':', &device, &rest))
            continue;
        size_t n = host_fields(rest, fields, HOST_FIELDS_MAX);
        for (size_t i = 0; i < COUNT_OF(columns); i++)
            if (columns[i].column < n && host_number(fields[columns[i].column], &v) && !slice_eq(slice_trim(device), SLICE("lo")))
                put(w, c, &columns[i].metric, v, SLICE("interface"), slice_trim(device));
    }
}

/* When its first process began; 0 when there is none. */
static double start_of(struct walk *w, const struct container *c)
{
    enum { START = 19 }; /* field 22 of the whole line; behind the name's last bracket the count begins at 3 */
    struct slice line, fields[START + 1];
    double ticks;
    if (c->pid.len == 0 || !host_line(w->r, w->r->opt->proc, &line, "%.*s/stat", SLICE_FMT(c->pid)))
        return 0;
    for (size_t next; (next = slice_find_char(line, ')', 1)) != SIZE_MAX;)
        line = slice_skip(line, next);
    if (host_fields(slice_skip(line, 1), fields, COUNT_OF(fields)) <= START || !host_number(fields[START], &ticks))
        return 0;
    return w->boot_s + ticks / HOST_TICKS_PER_S;
}

static void put_container(struct walk *w, const struct container *c)
{
    static const struct host_metric seen = HOST_GAUGE("container_last_seen", "When it was last there."),
                                    start = HOST_GAUGE("container_start_time_seconds", "When its first process began."),
                                    processes = HOST_GAUGE("container_processes", "Processes.");
    put_cpu_and_memory(w, c);
    put_io(w, c);
    put_network(w, c);
    put(w, c, &seen, (double)(w->r->t_ms / 1000), SLICE_EMPTY, SLICE_EMPTY);
    put(w, c, &processes, (double)c->processes, SLICE_EMPTY, SLICE_EMPTY);
    double started = start_of(w, c);
    if (started > 0)
        put(w, c, &start, started, SLICE_EMPTY, SLICE_EMPTY);
}

enum status host_cgroup(struct host_round *r, struct err *err)
{
    struct walk w = { .r = r };
    struct slice text, line, fields[2];
    if (host_read(r, r->opt->sys, &text, err, "fs/cgroup/cgroup.controllers"))
        return err_set(err, ST_NOT_FOUND, "there is no cgroup v2 tree under %.*s/fs/cgroup", SLICE_FMT(r->opt->sys));
    if (!host_read(r, r->opt->proc, &text, NULL, "stat"))
        while (slice_next(&text, '\n', &line))
            if (slice_starts(line, SLICE("btime ")) && host_fields(line, fields, 2) == 2)
                host_number(fields[1], &w.boot_s);
    w.parser = json_parser_new();
    search(&w, SLICE_EMPTY, SLICE_EMPTY, 0);
    for (size_t i = 0; i < w.count; i++)
        put_container(&w, &w.list[i]);
    json_parser_free(w.parser);
    return w.count ? ST_OK : err_set(err, ST_NOT_FOUND, "no container runs");
}
