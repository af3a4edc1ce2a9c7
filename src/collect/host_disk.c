/* SPDX-License-Identifier: Apache-2.0 */
/* Memory and disks: meminfo, vmstat, diskstats, and the room on mounted file systems. Which devices, mount points and types
 * of file systems are left out is what node_exporter leaves out unless told otherwise. */
#include "base/glob.h"
#include "collect/host.h"
#include "sys/machine.h"

enum { MOUNTS_MAX = 4096, DEVICES_MAX = 4096 };

enum status host_meminfo(struct host_round *r, struct err *err)
{
    struct slice rest, line;
    enum status st = host_read(r, r->opt->proc, &rest, err, "meminfo");
    if (st)
        return st;
    size_t put = 0;
    while (slice_next(&rest, '\n', &line)) {
        struct slice key, value, fields[2];
        double v;
        if (!slice_cut(line, ':', &key, &value))
            continue;
        size_t count = host_fields(value, fields, COUNT_OF(fields));
        if (count == 0 || !host_number(fields[0], &v))
            continue;
        /* Active(anon) becomes Active_anon. */
        struct slice name = arena_copy(r->scratch, key), plain, inner;
        if (slice_cut(key, '(', &plain, &inner) && slice_ends(inner, SLICE(")")))
            name = arena_printf(r->scratch, "%.*s_%.*s", SLICE_FMT(plain), (int)inner.len - 1, inner.ptr);
        bool kib = count > 1 && slice_eq(fields[1], SLICE("kB"));
        host_put_named(r, METRIC_GAUGE, SLICE("node_memory_"), name, kib ? SLICE("_bytes") : SLICE_EMPTY, kib ? v * KIB : v);
        put++;
    }
    return put ? ST_OK : err_set(err, ST_INVALID, "proc/meminfo: no line has a name and a number");
}

enum status host_vmstat(struct host_round *r, struct err *err)
{
    static const struct slice patterns[] = { SLICE_INIT("oom_kill*"), SLICE_INIT("pgpg*"), SLICE_INIT("pswp*"), SLICE_INIT("pg*fault*") };
    struct slice rest, line, fields[2];
    enum status st = host_read(r, r->opt->proc, &rest, err, "vmstat");
    if (st)
        return st;
    while (slice_next(&rest, '\n', &line)) {
        double v;
        if (host_fields(line, fields, 2) < 2 || !host_number(fields[1], &v))
            continue;
        for (size_t i = 0; i < COUNT_OF(patterns); i++)
            if (glob_match(patterns[i], fields[0]))
                host_put_named(r, METRIC_UNKNOWN, SLICE("node_vmstat_"), fields[0], SLICE_EMPTY, v);
    }
    return ST_OK;
}

/* ---- Disk I/O ---- */

static bool is_letter(char c)
{
    return c >= 'a' && c <= 'z';
}

static size_t digits_at_end(struct slice s)
{
    size_t n = 0;
    while (n < s.len && s.ptr[s.len - 1 - n] >= '0' && s.ptr[s.len - 1 - n] <= '9')
        n++;
    return n;
}

/* Memory disks, loops, floppies, and partitions: ram1 loop1 fd1 sda1 hda1 vda1 xvda1 nvme0n1p1. */
static bool device_is_left_out(struct slice name)
{
    size_t digits = digits_at_end(name);
    struct slice stem = slice_sub(name, 0, name.len - digits);
    if (digits == 0)
        return false;
    if (slice_eq(stem, SLICE("ram")) || slice_eq(stem, SLICE("loop")) || slice_eq(stem, SLICE("fd")))
        return true;
    struct slice disk = slice_starts(stem, SLICE("xv")) ? slice_skip(stem, 1) : stem;
    if (disk.len == 3 && slice_contains(SLICE("hsv"), slice_sub(disk, 0, 1)) && disk.ptr[1] == 'd' && is_letter(disk.ptr[2]))
        return stem.len == 3 || disk.ptr[0] == 'v';
    struct slice part = stem;
    if (!slice_starts(part, SLICE("nvme")) || !slice_ends(part, SLICE("p")))
        return false;
    struct slice head, tail;
    return slice_cut(slice_sub(part, 4, part.len - 1), 'n', &head, &tail) && host_is_digits(head) && host_is_digits(tail);
}

/* A value of the udev database: lines "E:KEY=value". */
static struct slice udev_value(struct slice text, struct slice key)
{
    struct slice line, name, value;
    while (slice_next(&text, '\n', &line))
        if (slice_starts(line, SLICE("E:")) && slice_cut(slice_skip(line, 2), '=', &name, &value) && slice_eq(name, key))
            return value;
    return SLICE_EMPTY;
}

static void put_disk_info(struct host_round *r, struct slice device, struct slice major, struct slice minor)
{
    static const struct host_metric info = HOST_GAUGE("node_disk_info", "What is known of a disk; always 1.");
    static const struct host_metric fs = HOST_GAUGE("node_disk_filesystem_info", "The file system on a disk; always 1.");
    struct slice udev;
    if (host_read(r, r->opt->rootfs, &udev, NULL, "run/udev/data/b%.*s:%.*s", SLICE_FMT(major), SLICE_FMT(minor)))
        udev = SLICE_EMPTY;
    struct label labels[] = {
        { SLICE("device"), device }, { SLICE("major"), major }, { SLICE("minor"), minor },
        { SLICE("path"), udev_value(udev, SLICE("ID_PATH")) }, { SLICE("wwn"), udev_value(udev, SLICE("ID_WWN")) },
        { SLICE("model"), udev_value(udev, SLICE("ID_MODEL")) }, { SLICE("serial"), udev_value(udev, SLICE("ID_SERIAL_SHORT")) },
        { SLICE("revision"), udev_value(udev, SLICE("ID_REVISION")) },
    };
    host_put_labels(r, &info, 1, labels, COUNT_OF(labels));
    struct slice type = udev_value(udev, SLICE("ID_FS_TYPE"));
    if (type.len == 0)
        return;
    struct label fs_labels[] = {
        { SLICE("device"), device }, { SLICE("type"), type }, { SLICE("usage"), udev_value(udev, SLICE("ID_FS_USAGE")) },
        { SLICE("uuid"), udev_value(udev, SLICE("ID_FS_UUID")) }, { SLICE("version"), udev_value(udev, SLICE("ID_FS_VERSION")) },
    };
    host_put_labels(r, &fs, 1, fs_labels, COUNT_OF(fs_labels));
}

enum status host_diskstats(struct host_round *r, struct err *err)
{
    static const struct {
        struct host_metric metric;
        double unit;
    } columns[] = {
        { HOST_COUNTER("node_disk_reads_completed_total", "Reads done."), 1 },
        { HOST_COUNTER("node_disk_reads_merged_total", "Reads joined with another."), 1 },
        { HOST_COUNTER("node_disk_read_bytes_total", "Bytes read."), HOST_SECTOR_BYTES },
        { HOST_COUNTER("node_disk_read_time_seconds_total", "Time all reads took together."), 0.001 },
        { HOST_COUNTER("node_disk_writes_completed_total", "Writes done."), 1 },
        { HOST_COUNTER("node_disk_writes_merged_total", "Writes joined with another."), 1 },
        { HOST_COUNTER("node_disk_written_bytes_total", "Bytes written."), HOST_SECTOR_BYTES },
        { HOST_COUNTER("node_disk_write_time_seconds_total", "Time all writes took together."), 0.001 },
        { HOST_GAUGE("node_disk_io_now", "Requests on their way."), 1 },
        { HOST_COUNTER("node_disk_io_time_seconds_total", "Time the disk was busy."), 0.001 },
        { HOST_COUNTER("node_disk_io_time_weighted_seconds_total", "Time the disk was busy, times the requests on their way."), 0.001 },
        { HOST_COUNTER("node_disk_discards_completed_total", "Discards done."), 1 },
        { HOST_COUNTER("node_disk_discards_merged_total", "Discards joined with another."), 1 },
        { HOST_COUNTER("node_disk_discarded_sectors_total", "Sectors discarded."), 1 },
        { HOST_COUNTER("node_disk_discard_time_seconds_total", "Time all discards took together."), 0.001 },
        { HOST_COUNTER("node_disk_flush_requests_total", "Flushes done."), 1 },
        { HOST_COUNTER("node_disk_flush_requests_time_seconds_total", "Time all flushes took together."), 0.001 },
    };
    enum { FIELD_MAJOR, FIELD_MINOR, FIELD_NAME, FIELD_FIRST };
    struct slice rest, line, fields[FIELD_FIRST + COUNT_OF(columns)];
    enum status st = host_read(r, r->opt->proc, &rest, err, "diskstats");
    if (st)
        return st;
    size_t devices = 0;
    while (slice_next(&rest, '\n', &line)) {
        size_t count = host_fields(line, fields, COUNT_OF(fields));
        if (count <= FIELD_FIRST || device_is_left_out(fields[FIELD_NAME]) || devices++ == DEVICES_MAX)
            continue;
        put_disk_info(r, fields[FIELD_NAME], fields[FIELD_MAJOR], fields[FIELD_MINOR]);
        double v;
        for (size_t i = 0; i + FIELD_FIRST < count; i++)
            if (host_number(fields[FIELD_FIRST + i], &v))
                host_put1(r, &columns[i].metric, columns[i].unit < 1 ? v / 1000 : v * columns[i].unit, SLICE("device"), fields[FIELD_NAME]);
    }
    return ST_OK;
}

/* ---- Room on file systems ---- */

static bool is_under(struct slice path, struct slice folder)
{
    return slice_starts(path, folder) && (path.len == folder.len || path.ptr[folder.len] == '/');
}

static bool mount_is_left_out(struct slice at)
{
    static const struct slice folders[] = { SLICE_INIT("/dev"), SLICE_INIT("/proc"), SLICE_INIT("/sys") };
    /* What stands below these, not they themselves. */
    static const struct slice parents[] = { SLICE_INIT("/run/credentials/"), SLICE_INIT("/var/lib/docker/"),
                                            SLICE_INIT("/var/lib/containers/storage/") };
    for (size_t i = 0; i < COUNT_OF(folders); i++)
        if (is_under(at, folders[i]))
            return true;
    for (size_t i = 0; i < COUNT_OF(parents); i++)
        if (slice_starts(at, parents[i]) && at.len > parents[i].len)
            return true;
    return false;
}

static bool fstype_is_left_out(struct slice type)
{
    static const struct slice types[] = {
        SLICE_INIT("autofs"),     SLICE_INIT("binfmt_misc"), SLICE_INIT("bpf"),      SLICE_INIT("cgroup"),     SLICE_INIT("cgroup2"),
        SLICE_INIT("configfs"),   SLICE_INIT("debugfs"),     SLICE_INIT("devpts"),   SLICE_INIT("devtmpfs"),   SLICE_INIT("fusectl"),
        SLICE_INIT("hugetlbfs"),  SLICE_INIT("iso9660"),     SLICE_INIT("mqueue"),   SLICE_INIT("nsfs"),       SLICE_INIT("overlay"),
        SLICE_INIT("proc"),       SLICE_INIT("procfs"),      SLICE_INIT("pstore"),   SLICE_INIT("rpc_pipefs"), SLICE_INIT("securityfs"),
        SLICE_INIT("selinuxfs"),  SLICE_INIT("squashfs"),    SLICE_INIT("sysfs"),    SLICE_INIT("tracefs"),
    };
    for (size_t i = 0; i < COUNT_OF(types); i++)
        if (slice_eq(type, types[i]))
            return true;
    return false;
}

/* Blanks and backslashes stand in mounts as \040 and the like. */
static struct slice unescaped(struct host_round *r, struct slice s)
{
    struct slice copy = arena_copy(r->scratch, s);
    char *out = (char *)copy.ptr;
    size_t n = 0;
    for (size_t i = 0; i < s.len; i++) {
        const char *p = s.ptr + i;
        bool octal = *p == '\\' && i + 3 < s.len;
        for (size_t k = 1; octal && k <= 3; k++)
            octal = p[k] >= '0' && p[k] <= '7';
        out[n++] = octal ? (char)((p[1] - '0') * 64 + (p[2] - '0') * 8 + (p[3] - '0')) : *p;
        i += octal ? 3 : 0;
    }
    out[n] = 0;
    return slice_of(out, n);
}

static bool has_option(struct slice options, struct slice wanted)
{
    struct slice option;
    while (slice_next(&options, ',', &option))
        if (slice_eq(option, wanted))
            return true;
    return false;
}

static void put_filesystem(struct host_round *r, const struct slice *fields, struct slice at)
{
    static const struct host_metric size = HOST_GAUGE("node_filesystem_size_bytes", "Size of a file system.");
    static const struct host_metric free_bytes = HOST_GAUGE("node_filesystem_free_bytes", "What is free on a file system.");
    static const struct host_metric avail = HOST_GAUGE("node_filesystem_avail_bytes", "What is free for others than root.");
    static const struct host_metric files = HOST_GAUGE("node_filesystem_files", "Files a file system can hold.");
    static const struct host_metric files_free = HOST_GAUGE("node_filesystem_files_free", "Files that can still be made.");
    static const struct host_metric readonly = HOST_GAUGE("node_filesystem_readonly", "1 when mounted for reading only.");
    static const struct host_metric failed = HOST_GAUGE("node_filesystem_device_error", "1 when the file system did not tell its size.");
    struct label labels[] = { { SLICE("device"), unescaped(r, fields[0]) }, { SLICE("mountpoint"), at }, { SLICE("fstype"), fields[2] } };
    struct machine_room room;
    const char *path = host_path(r, r->opt->rootfs, "%.*s", SLICE_FMT(slice_skip(at, 1)));
    enum status st = host_room(r->rooms, fields[2], path, &room);
    host_put_labels(r, &failed, st != ST_OK, labels, COUNT_OF(labels));
    if (st)
        return; /* as the exporter: nothing else of a file system that does not answer */
    host_put_labels(r, &readonly, has_option(fields[3], SLICE("ro")), labels, COUNT_OF(labels));
    host_put_labels(r, &size, (double)room.size_bytes, labels, COUNT_OF(labels));
    host_put_labels(r, &free_bytes, (double)room.free_bytes, labels, COUNT_OF(labels));
    host_put_labels(r, &avail, (double)room.avail_bytes, labels, COUNT_OF(labels));
    host_put_labels(r, &files, (double)room.files, labels, COUNT_OF(labels));
    host_put_labels(r, &files_free, (double)room.files_free, labels, COUNT_OF(labels));
}

enum status host_filesystem(struct host_round *r, struct err *err)
{
    enum { FIELDS = 4 };
    struct slice rest, line, fields[FIELDS], root = r->opt->rootfs;
    /* The first process sees the machine's mounts; ours may be a container's. */
    enum status st = host_read(r, r->opt->proc, &rest, NULL, "1/mounts");
    if (st)
        st = host_read(r, r->opt->proc, &rest, err, "mounts");
    if (st)
        return st;
    while (root.len > 0 && root.ptr[root.len - 1] == '/')
        root.len--;
    size_t mounts = 0;
    while (slice_next(&rest, '\n', &line)) {
        if (host_fields(line, fields, FIELDS) < FIELDS || fstype_is_left_out(fields[2]))
            continue;
        struct slice at = unescaped(r, fields[1]);
        if (root.len && is_under(at, root))
            at = at.len == root.len ? SLICE("/") : slice_skip(at, root.len);
        if (!slice_starts(at, SLICE("/")) || mount_is_left_out(at) || mounts++ == MOUNTS_MAX)
            continue;
        put_filesystem(r, fields, at);
    }
    return ST_OK;
}
