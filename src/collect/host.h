/* SPDX-License-Identifier: Apache-2.0 */
/* What the families of host metrics share: a round, reading files under the three roots, putting samples. */
#ifndef STOA_COLLECT_HOST_H
#define STOA_COLLECT_HOST_H

#include "base/arena.h"
#include "base/map.h"
#include "collect/collect.h"

enum {
    HOST_FILE_BYTES_MAX = 8 * MIB,  /* /proc/stat of a machine with thousands of interrupts stays below */
    HOST_LIST_BYTES_MAX = 4 * MIB,  /* the names of a folder */
    HOST_LABELS_MAX = 24,           /* of one metric, without name, job and instance */
    HOST_FIELDS_MAX = 64,           /* columns read of one line */
    HOST_CPUS_MAX = 8192
};
#define HOST_TICKS_PER_S 100.0      /* USER_HZ: the same on every Linux platform served */

struct host_process_state;
struct host_rooms;
struct machine_room;

/* One pass over all families. */
struct host_round {
    const struct collect_env *env;
    const struct host_options *opt;
    struct batch *batch;
    struct arena *scratch;                /* forgotten after each family */
    struct map seen;                      /* canonical labels put so far: nothing is put twice */
    struct map described;                 /* names with metadata */
    int64_t t_ms;
    struct host_rooms *rooms;             /* NULL in a single round: every file system is asked directly */
    struct host_process_state *processes; /* NULL in a single round: counters of groups are then sums over the living */
};

struct host_metric {
    struct slice name;
    enum metric_type type;
    struct slice help;
};
#define HOST_GAUGE(name, help)   { SLICE_INIT(name), METRIC_GAUGE, SLICE_INIT(help) }
#define HOST_COUNTER(name, help) { SLICE_INIT(name), METRIC_COUNTER, SLICE_INIT(help) }
#define HOST_UNTYPED(name, help) { SLICE_INIT(name), METRIC_UNKNOWN, SLICE_INIT(help) }

/* ST_NOT_FOUND: this machine does not have it. */
typedef enum status host_read_fn(struct host_round *r, struct err *err);
struct host_family {
    const char *name; /* node_exporter's collector label */
    host_read_fn *read;
};

void host_put(struct host_round *r, const struct host_metric *m, double v);
void host_put1(struct host_round *r, const struct host_metric *m, double v, struct slice name, struct slice value);
void host_put2(struct host_round *r, const struct host_metric *m, double v, struct slice name, struct slice value, struct slice name2,
               struct slice value2);
/* Borrows labels; values need to live only during the call. Invalid UTF-8 in a value is replaced. */
void host_put_labels(struct host_round *r, const struct host_metric *m, double v, const struct label *labels, size_t count);
/* Metric name prefix + middle + suffix; the help says the same. */
void host_put_named(struct host_round *r, enum metric_type type, struct slice prefix, struct slice middle, struct slice suffix, double v);

/* The whole file root/fmt, in scratch. err may be NULL. */
MUST_CHECK enum status host_read(struct host_round *r, struct slice root, struct slice *out, struct err *err, const char *fmt, ...)
    PRINTF_LIKE(5, 6);
/* Its first line without white space around; false when there is none. */
bool host_line(struct host_round *r, struct slice root, struct slice *out, const char *fmt, ...) PRINTF_LIKE(4, 5);
/* Its first line as a number. */
bool host_number_of(struct host_round *r, struct slice root, double *out, const char *fmt, ...) PRINTF_LIKE(4, 5);
/* Names in the folder, each followed by NUL, in scratch. */
MUST_CHECK enum status host_list(struct host_round *r, struct slice root, struct slice *out, struct err *err, const char *fmt, ...)
    PRINTF_LIKE(5, 6);
/* The path root/fmt ended by NUL, in scratch. */
const char *host_path(struct host_round *r, struct slice root, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* Cuts line at runs of blanks into at most max fields. */
size_t host_fields(struct slice line, struct slice *fields, size_t max);
/* Decimal, or hexadecimal after 0x. */
bool host_number(struct slice s, double *out);
bool host_hex(struct slice s, double *out);
bool host_is_digits(struct slice s);

/* Sector counts of /proc/diskstats are of this size whatever the device says. */
enum { HOST_SECTOR_BYTES = 512 };

host_read_fn host_cpu, host_stat, host_cpufreq, host_loadavg, host_pressure, host_schedstat, host_softnet; /* host_cpu.c */
host_read_fn host_meminfo, host_vmstat, host_diskstats, host_filesystem;                              /* host_disk.c */
host_read_fn host_netdev, host_netclass, host_netstat, host_sockstat, host_arp, host_conntrack, host_udp_queues; /* host_net.c */
host_read_fn host_uname, host_os, host_time, host_timex, host_entropy, host_filefd, host_selinux, host_dmi; /* host_machine.c */
host_read_fn host_hwmon, host_thermal_zone, host_rapl, host_nvme, host_mdadm, host_powersupply;       /* host_sensor.c */
host_read_fn host_processes;                                                                          /* host_process.c */
host_read_fn host_cgroup;                                                                             /* host_cgroup.c */

struct host_process_state *host_process_state_new(void);
void host_process_state_free(struct host_process_state *s); /* accepts NULL */

/* host_room.c. The room of the file system at path; ST_TIMEOUT when a network's does not answer. s may be NULL. */
MUST_CHECK enum status host_room(struct host_rooms *s, struct slice fstype, const char *path, struct machine_room *out);
MUST_CHECK enum status host_rooms_new(struct host_rooms **out, struct err *err);
void host_rooms_free(struct host_rooms *s); /* accepts NULL; leaves a thread behind that is held up */

#endif
