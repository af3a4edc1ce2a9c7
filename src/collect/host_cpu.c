/* SPDX-License-Identifier: Apache-2.0 */
/* Processors and the scheduler: /proc/stat, loadavg, pressure, schedstat, softnet_stat, and the clock rates and thermal
 * throttling under sys/devices/system/cpu. Times of /proc/stat are ticks of 1/100 s; user time includes guest time, and is
 * told as the kernel tells it. */
#include "collect/host.h"

static const struct slice cpu_modes[] = { SLICE_INIT("user"), SLICE_INIT("nice"), SLICE_INIT("system"),  SLICE_INIT("idle"),
                                          SLICE_INIT("iowait"), SLICE_INIT("irq"), SLICE_INIT("softirq"), SLICE_INIT("steal") };

static void put_cpu(struct host_round *r, const struct slice *fields, size_t count)
{
    static const struct host_metric seconds = HOST_COUNTER("node_cpu_seconds_total", "Time each processor spent in each mode.");
    static const struct host_metric guest = HOST_COUNTER("node_cpu_guest_seconds_total", "Time each processor ran guests, by mode.");
    enum { FIELD_GUEST = 1 + COUNT_OF(cpu_modes), FIELD_GUEST_NICE };
    struct slice cpu = slice_skip(fields[0], 3);
    double ticks;
    for (size_t i = 0; i < COUNT_OF(cpu_modes) && i + 1 < count; i++)
        if (host_number(fields[i + 1], &ticks))
            host_put2(r, &seconds, ticks / HOST_TICKS_PER_S, SLICE("cpu"), cpu, SLICE("mode"), cpu_modes[i]);
    if (count > FIELD_GUEST && host_number(fields[FIELD_GUEST], &ticks))
        host_put2(r, &guest, ticks / HOST_TICKS_PER_S, SLICE("cpu"), cpu, SLICE("mode"), SLICE("user"));
    if (count > FIELD_GUEST_NICE && host_number(fields[FIELD_GUEST_NICE], &ticks))
        host_put2(r, &guest, ticks / HOST_TICKS_PER_S, SLICE("cpu"), cpu, SLICE("mode"), SLICE("nice"));
}

enum status host_cpu(struct host_round *r, struct err *err)
{
    struct slice rest, line, fields[16];
    enum status st = host_read(r, r->opt->proc, &rest, err, "stat");
    if (st)
        return st;
    size_t cpus = 0;
    while (slice_next(&rest, '\n', &line) && cpus < HOST_CPUS_MAX) {
        size_t count = host_fields(line, fields, COUNT_OF(fields));
        if (count < 2 || !slice_starts(fields[0], SLICE("cpu")) || !host_is_digits(slice_skip(fields[0], 3)))
            continue;
        put_cpu(r, fields, count);
        cpus++;
    }
    return cpus ? ST_OK : err_set(err, ST_INVALID, "proc/stat: no line is of a processor");
}

enum status host_stat(struct host_round *r, struct err *err)
{
    static const struct {
        struct slice key;
        struct host_metric metric;
    } single[] = {
        { SLICE_INIT("intr"), HOST_COUNTER("node_intr_total", "Interrupts served.") },
        { SLICE_INIT("ctxt"), HOST_COUNTER("node_context_switches_total", "Switches between tasks.") },
        { SLICE_INIT("processes"), HOST_COUNTER("node_forks_total", "Processes and threads started.") },
        { SLICE_INIT("btime"), HOST_GAUGE("node_boot_time_seconds", "When this machine started, in seconds since 1970.") },
        { SLICE_INIT("procs_running"), HOST_GAUGE("node_procs_running", "Tasks that run or could run.") },
        { SLICE_INIT("procs_blocked"), HOST_GAUGE("node_procs_blocked", "Tasks that wait for I/O.") },
    };
    struct slice rest, line, fields[2];
    enum status st = host_read(r, r->opt->proc, &rest, err, "stat");
    if (st)
        return st;
    size_t known = 0;
    while (slice_next(&rest, '\n', &line)) {
        if (host_fields(line, fields, COUNT_OF(fields)) < 2)
            continue;
        double v;
        for (size_t i = 0; i < COUNT_OF(single); i++)
            if (slice_eq(fields[0], single[i].key) && host_number(fields[1], &v)) {
                host_put(r, &single[i].metric, v);
                known++;
            }
    }
    return known ? ST_OK : err_set(err, ST_INVALID, "proc/stat: none of its lines is known");
}

static void put_throttles(struct host_round *r, struct slice cpu)
{
    static const struct host_metric core_count = HOST_COUNTER("node_cpu_core_throttles_total", "Times a core was slowed down by heat.");
    static const struct host_metric package_count =
        HOST_COUNTER("node_cpu_package_throttles_total", "Times a package was slowed down by heat.");
    struct slice core, package;
    double v;
    if (!host_line(r, r->opt->sys, &package, "devices/system/cpu/%.*s/topology/physical_package_id", SLICE_FMT(cpu)))
        return;
    if (host_line(r, r->opt->sys, &core, "devices/system/cpu/%.*s/topology/core_id", SLICE_FMT(cpu)) &&
        host_number_of(r, r->opt->sys, &v, "devices/system/cpu/%.*s/thermal_throttle/core_throttle_count", SLICE_FMT(cpu)))
        host_put2(r, &core_count, v, SLICE("core"), core, SLICE("package"), package);
    if (host_number_of(r, r->opt->sys, &v, "devices/system/cpu/%.*s/thermal_throttle/package_throttle_count", SLICE_FMT(cpu)))
        host_put1(r, &package_count, v, SLICE("package"), package);
}

enum status host_cpufreq(struct host_round *r, struct err *err)
{
    static const struct {
        const char *file;
        struct host_metric metric;
    } rates[] = {
        { "cpuinfo_cur_freq", HOST_GAUGE("node_cpu_frequency_hertz", "Clock rate of each processor, as the hardware says.") },
        { "cpuinfo_min_freq", HOST_GAUGE("node_cpu_frequency_min_hertz", "Lowest clock rate the hardware can.") },
        { "cpuinfo_max_freq", HOST_GAUGE("node_cpu_frequency_max_hertz", "Highest clock rate the hardware can.") },
        { "scaling_cur_freq", HOST_GAUGE("node_cpu_scaling_frequency_hertz", "Clock rate of each processor, as the kernel set it.") },
        { "scaling_min_freq", HOST_GAUGE("node_cpu_scaling_frequency_min_hertz", "Lowest clock rate the kernel may set.") },
        { "scaling_max_freq", HOST_GAUGE("node_cpu_scaling_frequency_max_hertz", "Highest clock rate the kernel may set.") },
    };
    struct slice names, name;
    enum status st = host_list(r, r->opt->sys, &names, err, "devices/system/cpu");
    if (st)
        return st;
    size_t cpus = 0;
    while (slice_next(&names, 0, &name)) {
        if (!slice_starts(name, SLICE("cpu")) || !host_is_digits(slice_skip(name, 3)) || cpus++ == HOST_CPUS_MAX)
            continue;
        put_throttles(r, name);
        double khz;
        for (size_t i = 0; i < COUNT_OF(rates); i++)
            if (host_number_of(r, r->opt->sys, &khz, "devices/system/cpu/%.*s/cpufreq/%s", SLICE_FMT(name), rates[i].file))
                host_put1(r, &rates[i].metric, khz * 1000, SLICE("cpu"), slice_skip(name, 3));
    }
    return ST_OK;
}

enum status host_loadavg(struct host_round *r, struct err *err)
{
    static const struct host_metric loads[] = { HOST_GAUGE("node_load1", "Load, averaged over 1 minute."),
                                                HOST_GAUGE("node_load5", "Load, averaged over 5 minutes."),
                                                HOST_GAUGE("node_load15", "Load, averaged over 15 minutes.") };
    struct slice text, fields[COUNT_OF(loads)];
    enum status st = host_read(r, r->opt->proc, &text, err, "loadavg");
    if (st)
        return st;
    double v;
    if (host_fields(text, fields, COUNT_OF(fields)) < COUNT_OF(loads))
        return err_set(err, ST_INVALID, "proc/loadavg: fewer than three numbers in \"%.*s\"", (int)MIN(text.len, (size_t)80), text.ptr);
    for (size_t i = 0; i < COUNT_OF(loads); i++)
        if (host_number(fields[i], &v))
            host_put(r, &loads[i], v);
    return ST_OK;
}

/* "some avg10=0.00 avg60=0.00 avg300=0.00 total=12": the total, in microseconds. */
static bool pressure_total(struct slice text, struct slice kind, double *seconds)
{
    struct slice line, fields[8];
    while (slice_next(&text, '\n', &line)) {
        size_t count = host_fields(line, fields, COUNT_OF(fields));
        if (count == 0 || !slice_eq(fields[0], kind))
            continue;
        for (size_t i = 1; i < count; i++)
            if (slice_starts(fields[i], SLICE("total=")) && host_number(slice_skip(fields[i], 6), seconds)) {
                *seconds /= 1e6;
                return true;
            }
    }
    return false;
}

enum status host_pressure(struct host_round *r, struct err *err)
{
    static const struct {
        const char *file;
        struct slice kind;
        struct host_metric metric;
    } totals[] = {
        { "cpu", SLICE_INIT("some"), HOST_COUNTER("node_pressure_cpu_waiting_seconds_total", "Time some task waited for a processor.") },
        { "io", SLICE_INIT("some"), HOST_COUNTER("node_pressure_io_waiting_seconds_total", "Time some task waited for I/O.") },
        { "io", SLICE_INIT("full"), HOST_COUNTER("node_pressure_io_stalled_seconds_total", "Time all tasks waited for I/O.") },
        { "memory", SLICE_INIT("some"), HOST_COUNTER("node_pressure_memory_waiting_seconds_total", "Time some task waited for memory.") },
        { "memory", SLICE_INIT("full"), HOST_COUNTER("node_pressure_memory_stalled_seconds_total", "Time all tasks waited for memory.") },
        { "irq", SLICE_INIT("full"), HOST_COUNTER("node_pressure_irq_stalled_seconds_total", "Time all tasks stood still for interrupts.") },
    };
    enum status first = ST_NOT_FOUND;
    for (size_t i = 0; i < COUNT_OF(totals); i++) {
        struct slice text;
        double seconds;
        enum status st = host_read(r, r->opt->proc, &text, i == 0 ? err : NULL, "pressure/%s", totals[i].file);
        if (st == ST_OK && pressure_total(text, totals[i].kind, &seconds)) {
            host_put(r, &totals[i].metric, seconds);
            first = ST_OK;
        }
    }
    return first;
}

enum status host_schedstat(struct host_round *r, struct err *err)
{
    static const struct host_metric running = HOST_COUNTER("node_schedstat_running_seconds_total", "Time each processor ran tasks.");
    static const struct host_metric waiting = HOST_COUNTER("node_schedstat_waiting_seconds_total", "Time tasks waited for each processor.");
    static const struct host_metric slices = HOST_COUNTER("node_schedstat_timeslices_total", "Time slices each processor gave.");
    enum { FIELD_RUNNING = 7, FIELD_WAITING, FIELD_SLICES, FIELD_COUNT };
    struct slice rest, line, fields[FIELD_COUNT];
    enum status st = host_read(r, r->opt->proc, &rest, err, "schedstat");
    if (st)
        return st;
    while (slice_next(&rest, '\n', &line)) {
        double run_ns, wait_ns, n;
        if (!slice_starts(line, SLICE("cpu")) || host_fields(line, fields, FIELD_COUNT) < FIELD_COUNT ||
            !host_number(fields[FIELD_RUNNING], &run_ns) || !host_number(fields[FIELD_WAITING], &wait_ns) ||
            !host_number(fields[FIELD_SLICES], &n))
            continue;
        struct slice cpu = slice_skip(fields[0], 3);
        host_put1(r, &running, run_ns / 1e9, SLICE("cpu"), cpu);
        host_put1(r, &waiting, wait_ns / 1e9, SLICE("cpu"), cpu);
        host_put1(r, &slices, n, SLICE("cpu"), cpu);
    }
    return ST_OK;
}

/* One line per processor that is on; columns in hexadecimal, more of them with newer kernels. */
enum status host_softnet(struct host_round *r, struct err *err)
{
    static const struct {
        size_t column;
        struct host_metric metric;
    } columns[] = {
        { 0, HOST_COUNTER("node_softnet_processed_total", "Packets handled, by processor.") },
        { 1, HOST_COUNTER("node_softnet_dropped_total", "Packets dropped because the queue was full, by processor.") },
        { 2, HOST_COUNTER("node_softnet_times_squeezed_total", "Times the work of a round was cut short, by processor.") },
        { 8, HOST_COUNTER("node_softnet_cpu_collision_total", "Collisions for a device's lock when sending, by processor.") },
        { 9, HOST_COUNTER("node_softnet_received_rps_total", "Wake-ups by other processors for packets, by processor.") },
        { 10, HOST_COUNTER("node_softnet_flow_limit_count_total", "Times the limit of a flow was reached, by processor.") },
        { 11, HOST_GAUGE("node_softnet_backlog_len", "Packets in the queue, by processor.") },
    };
    enum { COLUMN_CPU = 12 };
    struct slice rest, line, fields[16];
    enum status st = host_read(r, r->opt->proc, &rest, err, "net/softnet_stat");
    if (st)
        return st;
    for (size_t row = 0; slice_next(&rest, '\n', &line); row++) {
        size_t count = host_fields(line, fields, COUNT_OF(fields));
        double cpu = (double)row, v;
        if (count > COLUMN_CPU && !host_hex(fields[COLUMN_CPU], &cpu))
            continue;
        struct slice label = arena_printf(r->scratch, "%.0f", cpu);
        for (size_t i = 0; i < COUNT_OF(columns); i++)
            if (columns[i].column < count && host_hex(fields[columns[i].column], &v))
                host_put1(r, &columns[i].metric, v, SLICE("cpu"), label);
    }
    return ST_OK;
}
