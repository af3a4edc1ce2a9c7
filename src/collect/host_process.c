/* SPDX-License-Identifier: Apache-2.0 */
/* Processes: how many in which state (node_exporter's "processes"), and groups by command under process-exporter's names.
 *
 * /proc/PID/stat is read of every process; io, status and fd only of those in groups that are shown: the top by CPU and
 * the top by memory, at most processes_max of each.
 *
 * (1) A group's counters never fall while it is remembered: they grow by what each living process did since the round
 *     before. If they were sums over the living, each process that ends would look to rate() like a restart.
 * (2) Processes found in the first round of a collector begin at zero; those that come later count from their start. So a
 *     restart of the collector is a restart of its counters and adds nothing to a rate.
 * (3) A group without processes is remembered for GROUP_IDLE_ROUNDS_MAX rounds.
 *
 * A single round (host_collect) has no memory: there the counters are sums over the living. */
#include <stdlib.h>

#include "collect/host.h"
#include "sys/machine.h"

enum { PROCESSES_MAX = 100000, GROUPS_MAX = 8192, GROUP_IDLE_ROUNDS_MAX = 720, PID_KEY_BYTES_MAX = 64 };
/* By how much CPU use of earlier rounds counts when the top is chosen: half after about seven rounds. */
#define CPU_RANK_DECAY 0.9

enum counter { CPU_USER, CPU_SYSTEM, FAULTS_MINOR, FAULTS_MAJOR, IO_READ, IO_WRITTEN, SWITCH_FREE, SWITCH_FORCED, COUNTERS };
enum { COUNTERS_OF_STAT = IO_READ }; /* the others are of io and status */

enum proc_state { PROC_RUNNING, PROC_SLEEPING, PROC_WAITING, PROC_ZOMBIE, PROC_OTHER, PROC_STATES };

struct proc {
    struct slice pid, key;   /* key: pid and start, as pids are used again */
    double counters[COUNTERS];
    bool detailed;           /* counters of io and status are known */
    double start_ticks, resident_bytes, virtual_bytes, threads;
    char state;
    uint32_t group;
};

struct group {
    struct slice name;
    double totals[COUNTERS]; /* see (1) */
    double cpu_rank, resident_bytes, virtual_bytes, swapped_bytes, threads, start_ticks, open_files, files_ratio_max;
    size_t processes, states[PROC_STATES];
    bool shown, io_known, status_known, files_known;
    unsigned idle_rounds;
};

struct host_process_state {
    struct arena *arena;     /* of the round before, as all below */
    struct proc *procs;
    struct map by_key;       /* into procs */
    struct group *groups;
    size_t group_count;
    bool primed;
};

/* One round's work. */
struct work {
    struct host_round *r;
    struct host_process_state *before; /* may be NULL */
    struct arena *arena;
    struct proc *procs;
    size_t proc_count, proc_cap;
    struct group *groups;
    size_t group_count, group_cap;
    struct map group_of;
    struct buf text;
};

struct host_process_state *host_process_state_new(void)
{
    return mem_new(struct host_process_state);
}

void host_process_state_free(struct host_process_state *s)
{
    if (s == NULL)
        return;
    map_free(&s->by_key);
    arena_free(s->arena);
    mem_free(s);
}

/* ---- Reading ---- */

static bool read_of(struct work *w, struct slice pid, const char *file, struct slice *out)
{
    buf_reset(&w->text);
    struct slice root = w->r->opt->proc;
    struct buf *b = &w->text;
    char path[256];
    struct buf name;
    buf_init(&name, sizeof path - 1);
    buf_slice(&name, root);
    buf_char(&name, '/');
    buf_slice(&name, pid);
    buf_char(&name, '/');
    buf_slice(&name, slice_str(file));
    bool ok = !buf_over(&name);
    memcpy(path, name.ptr, name.len);
    path[name.len] = 0;
    buf_free(&name);
    ok = ok && fs_read_all(w->r->env->fs, path, HOST_FILE_BYTES_MAX, b, NULL) == ST_OK;
    *out = ok ? buf_as_slice(b) : SLICE_EMPTY;
    return ok;
}

static enum proc_state state_of(char letter)
{
    switch (letter) {
    case 'R': return PROC_RUNNING;
    case 'S':
    case 'I': return PROC_SLEEPING;
    case 'D': return PROC_WAITING;
    case 'Z': return PROC_ZOMBIE;
    default: return PROC_OTHER;
    }
}

static uint32_t group_of(struct work *w, struct slice name)
{
    uint64_t *known = map_get(&w->group_of, name);
    if (known)
        return (uint32_t)*known;
    if (w->group_count == GROUPS_MAX)
        name = SLICE("other");
    bool added;
    struct slice kept = arena_copy(w->arena, name);
    uint64_t *place = map_put(&w->group_of, kept, &added);
    if (added) {
        *place = w->group_count;
        ARENA_PUSH(w->arena, w->groups, w->group_count, w->group_cap) = (struct group){ .name = kept };
    }
    return (uint32_t)*place;
}

/* "12 (a name) S 1 ..." with a name that may hold blanks and brackets: the last ')' ends it. */
static bool proc_parse(struct work *w, struct slice pid, struct slice text, struct proc *p)
{
    /* Positions after the name, counted from the state. */
    enum { AT_STATE = 0, AT_MINFLT = 7, AT_MAJFLT = 9, AT_UTIME = 11, AT_STIME = 12, AT_THREADS = 17, AT_START = 19, AT_VSIZE = 20, AT_RSS = 21,
           AT_COUNT };
    struct slice fields[AT_COUNT];
    size_t open = slice_find_char(text, '(', 0), close = text.len;
    while (close > 0 && text.ptr[close - 1] != ')')
        close--;
    if (open == SIZE_MAX || close == 0 || open + 1 > close - 1 || host_fields(slice_skip(text, close), fields, AT_COUNT) < AT_COUNT)
        return false;
    double user, system, pages;
    *p = (struct proc){ .pid = arena_copy(w->arena, pid), .state = fields[AT_STATE].ptr[0] };
    if (!host_number(fields[AT_UTIME], &user) || !host_number(fields[AT_STIME], &system) || !host_number(fields[AT_RSS], &pages) ||
        !host_number(fields[AT_THREADS], &p->threads) || !host_number(fields[AT_START], &p->start_ticks) ||
        !host_number(fields[AT_VSIZE], &p->virtual_bytes) || !host_number(fields[AT_MINFLT], &p->counters[FAULTS_MINOR]) ||
        !host_number(fields[AT_MAJFLT], &p->counters[FAULTS_MAJOR]))
        return false;
    p->counters[CPU_USER] = user / HOST_TICKS_PER_S;
    p->counters[CPU_SYSTEM] = system / HOST_TICKS_PER_S;
    p->resident_bytes = pages * (double)machine_page_bytes();
    p->key = arena_printf(w->arena, "%.*s:%.*s", SLICE_FMT(pid), SLICE_FMT(fields[AT_START]));
    p->group = group_of(w, slice_sub(text, open + 1, close - 1));
    return true;
}

static const struct proc *proc_before(const struct work *w, const struct proc *p)
{
    const uint64_t *at = w->before && w->before->arena ? map_get(&w->before->by_key, p->key) : NULL;
    return at ? &w->before->procs[*at] : NULL;
}

/* Adds what p did since the round before to its group; says (1) and (2). */
static void count_up(struct work *w, const struct proc *p, int from, int to)
{
    const struct proc *old = proc_before(w, p);
    struct group *g = &w->groups[p->group];
    for (int c = from; c < to; c++) {
        double more = p->counters[c];
        if (old && c >= COUNTERS_OF_STAT && !old->detailed)
            more = 0;
        else if (old)
            more = MAX(more - old->counters[c], 0);
        else if (w->before && !w->before->primed)
            more = 0;
        g->totals[c] += more;
        if (c == CPU_USER || c == CPU_SYSTEM)
            g->cpu_rank += more;
    }
}

static void proc_add(struct work *w, const struct proc *p)
{
    struct group *g = &w->groups[p->group];
    count_up(w, p, 0, COUNTERS_OF_STAT);
    if (g->processes == 0 || p->start_ticks < g->start_ticks)
        g->start_ticks = p->start_ticks;
    g->processes++;
    g->idle_rounds = 0;
    g->threads += p->threads;
    g->resident_bytes += p->resident_bytes;
    g->virtual_bytes += p->virtual_bytes;
    g->states[state_of(p->state)]++;
}

static void read_all(struct work *w, struct slice names)
{
    struct slice pid, text;
    while (slice_next(&names, 0, &pid) && w->proc_count < PROCESSES_MAX) {
        struct proc p;
        /* A process may end between the list and the look at it. */
        if (!host_is_digits(pid) || pid.len > PID_KEY_BYTES_MAX || !read_of(w, pid, "stat", &text) || !proc_parse(w, pid, text, &p))
            continue;
        ARENA_PUSH(w->arena, w->procs, w->proc_count, w->proc_cap) = p;
        proc_add(w, &p);
    }
}

/* The number after "key:" at the start of a line. */
static bool keyed_number(struct slice text, struct slice key, double *out)
{
    struct slice line, name, value, field;
    while (slice_next(&text, '\n', &line))
        if (slice_cut(line, ':', &name, &value) && slice_eq(name, key))
            return host_fields(value, &field, 1) == 1 && host_number(field, out);
    return false;
}

static void read_open_files(struct work *w, const struct proc *p, struct group *g)
{
    struct slice limits, line, names, fields[4];
    double open = 0, limit;
    /* Of other users' processes the folder can be read by root alone. */
    if (host_list(w->r, w->r->opt->proc, &names, NULL, "%.*s/fd", SLICE_FMT(p->pid)))
        return;
    for (size_t i = 0; i < names.len; i++)
        open += names.ptr[i] == 0;
    g->open_files += open;
    g->files_known = true;
    if (!read_of(w, p->pid, "limits", &limits))
        return;
    while (slice_next(&limits, '\n', &line))
        if (slice_starts(line, SLICE("Max open files")) && host_fields(line, fields, 4) == 4 && host_number(fields[3], &limit) && limit > 0)
            g->files_ratio_max = MAX(g->files_ratio_max, open / limit);
}

static void read_details(struct work *w, struct proc *p)
{
    struct group *g = &w->groups[p->group];
    struct slice text;
    double kib;
    bool io = read_of(w, p->pid, "io", &text) && keyed_number(text, SLICE("read_bytes"), &p->counters[IO_READ]) &&
              keyed_number(text, SLICE("write_bytes"), &p->counters[IO_WRITTEN]);
    g->io_known |= io;
    if (read_of(w, p->pid, "status", &text)) {
        if (keyed_number(text, SLICE("VmSwap"), &kib))
            g->swapped_bytes += kib * KIB;
        g->status_known |= keyed_number(text, SLICE("voluntary_ctxt_switches"), &p->counters[SWITCH_FREE]) &&
                           keyed_number(text, SLICE("nonvoluntary_ctxt_switches"), &p->counters[SWITCH_FORCED]);
    }
    p->detailed = true;
    count_up(w, p, COUNTERS_OF_STAT, COUNTERS);
    read_open_files(w, p, g);
    arena_reset(w->r->scratch);
}

/* ---- Choosing ---- */

static int by_cpu(const void *a, const void *b)
{
    const struct group *x = *(struct group *const *)a, *y = *(struct group *const *)b;
    if (x->cpu_rank != y->cpu_rank)
        return x->cpu_rank < y->cpu_rank ? 1 : -1;
    return slice_cmp(x->name, y->name);
}

static int by_memory(const void *a, const void *b)
{
    const struct group *x = *(struct group *const *)a, *y = *(struct group *const *)b;
    if (x->resident_bytes != y->resident_bytes)
        return x->resident_bytes < y->resident_bytes ? 1 : -1;
    return slice_cmp(x->name, y->name);
}

static void choose(struct work *w)
{
    struct group **order = arena_array(w->arena, struct group *, w->group_count + 1);
    size_t alive = 0;
    for (size_t i = 0; i < w->group_count; i++)
        if (w->groups[i].processes)
            order[alive++] = &w->groups[i];
    size_t top = MIN(alive, w->r->opt->processes_max);
    qsort(order, alive, sizeof *order, by_cpu);
    /* Groups that used no CPU at all are no top. */
    for (size_t i = 0; i < top && order[i]->cpu_rank > 0; i++)
        order[i]->shown = true;
    qsort(order, alive, sizeof *order, by_memory);
    for (size_t i = 0; i < top && order[i]->resident_bytes > 0; i++)
        order[i]->shown = true;
}

/* ---- Telling ---- */

static void put_group_counters(struct host_round *r, const struct group *g)
{
    static const struct host_metric cpu = HOST_COUNTER("namedprocess_namegroup_cpu_seconds_total", "CPU time of a group, by mode.");
    static const struct host_metric minor = HOST_COUNTER("namedprocess_namegroup_minor_page_faults_total", "Page faults served from memory.");
    static const struct host_metric major = HOST_COUNTER("namedprocess_namegroup_major_page_faults_total", "Page faults served from disk.");
    static const struct host_metric read = HOST_COUNTER("namedprocess_namegroup_read_bytes_total", "Bytes read from disks.");
    static const struct host_metric written = HOST_COUNTER("namedprocess_namegroup_write_bytes_total", "Bytes written to disks.");
    static const struct host_metric switches = HOST_COUNTER("namedprocess_namegroup_context_switches_total", "Switches, by who wanted them.");
    const struct slice key = SLICE("groupname");
    host_put2(r, &cpu, g->totals[CPU_USER], key, g->name, SLICE("mode"), SLICE("user"));
    host_put2(r, &cpu, g->totals[CPU_SYSTEM], key, g->name, SLICE("mode"), SLICE("system"));
    host_put1(r, &minor, g->totals[FAULTS_MINOR], key, g->name);
    host_put1(r, &major, g->totals[FAULTS_MAJOR], key, g->name);
    if (g->io_known) {
        host_put1(r, &read, g->totals[IO_READ], key, g->name);
        host_put1(r, &written, g->totals[IO_WRITTEN], key, g->name);
    }
    if (g->status_known) {
        host_put2(r, &switches, g->totals[SWITCH_FREE], key, g->name, SLICE("ctxswitchtype"), SLICE("voluntary"));
        host_put2(r, &switches, g->totals[SWITCH_FORCED], key, g->name, SLICE("ctxswitchtype"), SLICE("nonvoluntary"));
    }
}

static void put_group(struct host_round *r, const struct group *g, double boot_s)
{
    static const struct host_metric count = HOST_GAUGE("namedprocess_namegroup_num_procs", "Processes in a group.");
    static const struct host_metric threads = HOST_GAUGE("namedprocess_namegroup_num_threads", "Threads in a group.");
    static const struct host_metric memory = HOST_GAUGE("namedprocess_namegroup_memory_bytes", "Memory of a group, by kind.");
    static const struct host_metric states = HOST_GAUGE("namedprocess_namegroup_states", "Processes of a group, by state.");
    static const struct host_metric files = HOST_GAUGE("namedprocess_namegroup_open_filedesc", "Open files of a group.");
    static const struct host_metric ratio = HOST_GAUGE("namedprocess_namegroup_worst_fd_ratio", "Open files of a process to its limit, at worst.");
    static const struct host_metric oldest = HOST_GAUGE("namedprocess_namegroup_oldest_start_time_seconds", "When the oldest process started.");
    static const struct slice state_names[PROC_STATES] = { SLICE_INIT("Running"), SLICE_INIT("Sleeping"), SLICE_INIT("Waiting"),
                                                           SLICE_INIT("Zombie"), SLICE_INIT("Other") };
    const struct slice key = SLICE("groupname");
    host_put1(r, &count, (double)g->processes, key, g->name);
    host_put1(r, &threads, g->threads, key, g->name);
    host_put2(r, &memory, g->resident_bytes, key, g->name, SLICE("memtype"), SLICE("resident"));
    host_put2(r, &memory, g->virtual_bytes, key, g->name, SLICE("memtype"), SLICE("virtual"));
    host_put2(r, &memory, g->swapped_bytes, key, g->name, SLICE("memtype"), SLICE("swapped"));
    for (size_t i = 0; i < PROC_STATES; i++)
        host_put2(r, &states, (double)g->states[i], key, g->name, SLICE("state"), state_names[i]);
    host_put1(r, &oldest, boot_s + g->start_ticks / HOST_TICKS_PER_S, key, g->name);
    if (g->files_known) {
        host_put1(r, &files, g->open_files, key, g->name);
        host_put1(r, &ratio, g->files_ratio_max, key, g->name);
    }
    put_group_counters(r, g);
}

static void put_summary(struct work *w)
{
    static const struct host_metric by_state = HOST_GAUGE("node_processes_state", "Processes, by the kernel's letter for their state.");
    static const struct host_metric threads = HOST_GAUGE("node_processes_threads", "Threads of all processes.");
    static const struct host_metric threads_max = HOST_GAUGE("node_processes_max_threads", "Threads the kernel allows.");
    static const struct host_metric pids = HOST_GAUGE("node_processes_pids", "Processes.");
    static const struct host_metric pids_max = HOST_GAUGE("node_processes_max_processes", "Processes the kernel allows.");
    size_t letters[128] = { 0 };
    double sum = 0, v;
    for (size_t i = 0; i < w->proc_count; i++) {
        letters[w->procs[i].state & 127]++;
        sum += w->procs[i].threads;
    }
    for (size_t i = 0; i < COUNT_OF(letters); i++) {
        char letter = (char)i;
        if (letters[i])
            host_put1(w->r, &by_state, (double)letters[i], SLICE("state"), slice_of(&letter, 1));
    }
    host_put(w->r, &threads, sum);
    host_put(w->r, &pids, (double)w->proc_count);
    if (host_number_of(w->r, w->r->opt->proc, &v, "sys/kernel/threads-max"))
        host_put(w->r, &threads_max, v);
    if (host_number_of(w->r, w->r->opt->proc, &v, "sys/kernel/pid_max"))
        host_put(w->r, &pids_max, v);
}

static double boot_time_s(struct host_round *r)
{
    struct slice rest, line, fields[2];
    double v;
    if (host_read(r, r->opt->proc, &rest, NULL, "stat"))
        return 0;
    while (slice_next(&rest, '\n', &line))
        if (slice_starts(line, SLICE("btime ")) && host_fields(line, fields, 2) == 2 && host_number(fields[1], &v))
            return v;
    return 0;
}

/* ---- The memory of the round before ---- */

static void groups_remember(struct work *w)
{
    for (size_t i = 0; w->before && i < w->before->group_count; i++) {
        const struct group *old = &w->before->groups[i];
        if (old->idle_rounds >= GROUP_IDLE_ROUNDS_MAX)
            continue;
        uint32_t at = group_of(w, old->name); /* may move w->groups */
        struct group *g = &w->groups[at];
        memcpy(g->totals, old->totals, sizeof g->totals);
        g->cpu_rank = old->cpu_rank * CPU_RANK_DECAY;
        g->idle_rounds = old->idle_rounds + 1;
    }
}

static void keep(struct work *w)
{
    struct host_process_state *s = w->before;
    map_free(&s->by_key);
    arena_free(s->arena);
    map_init(&s->by_key);
    for (size_t i = 0; i < w->proc_count; i++) {
        bool added;
        *map_put(&s->by_key, w->procs[i].key, &added) = i;
    }
    s->arena = w->arena;
    s->procs = w->procs;
    s->groups = w->groups;
    s->group_count = w->group_count;
    s->primed = true;
}

enum status host_processes(struct host_round *r, struct err *err)
{
    struct slice names;
    enum status st = host_list(r, r->opt->proc, &names, err, ".");
    if (st)
        return st;
    struct work w = { .r = r, .before = r->processes, .arena = arena_new(0) };
    map_init(&w.group_of);
    buf_init(&w.text, HOST_FILE_BYTES_MAX);
    double boot_s = boot_time_s(r);
    groups_remember(&w);
    read_all(&w, names);
    put_summary(&w);
    choose(&w);
    for (size_t i = 0; i < w.proc_count; i++)
        if (w.groups[w.procs[i].group].shown)
            read_details(&w, &w.procs[i]);
    for (size_t i = 0; i < w.group_count; i++)
        if (w.groups[i].shown)
            put_group(r, &w.groups[i], boot_s);
    buf_free(&w.text);
    map_free(&w.group_of);
    if (r->processes)
        keep(&w);
    else
        arena_free(w.arena);
    return w.proc_count ? ST_OK : err_set(err, ST_NOT_FOUND, "%.*s: no process there", SLICE_FMT(r->opt->proc));
}
