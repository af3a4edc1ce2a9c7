/* SPDX-License-Identifier: Apache-2.0 */
/* What this machine is, and its clock: uname, os-release, DMI, time and its steering, entropy, file descriptors, SELinux.
 * uname is read from proc/sys/kernel, so that a container tells of the kernel and host its proc belongs to. */
#include "base/num.h"
#include "collect/host.h"
#include "sys/machine.h"

enum status host_uname(struct host_round *r, struct err *err)
{
    static const struct host_metric info = HOST_GAUGE("node_uname_info", "The kernel and the host's name; always 1.");
    static const char *const files[] = { "ostype", "osrelease", "version", "hostname", "domainname", "arch" };
    static const struct slice names[] = { SLICE_INIT("sysname"),  SLICE_INIT("release"),    SLICE_INIT("version"),
                                          SLICE_INIT("nodename"), SLICE_INIT("domainname"), SLICE_INIT("machine") };
#if defined(__x86_64__)
    const struct slice built_for = SLICE("x86_64");
#elif defined(__aarch64__)
    const struct slice built_for = SLICE("aarch64");
#else
    const struct slice built_for = SLICE_EMPTY;
#endif
    struct label labels[COUNT_OF(files)];
    size_t found = 0;
    for (size_t i = 0; i < COUNT_OF(files); i++) {
        labels[i] = (struct label){ names[i], SLICE_EMPTY };
        bool there = host_line(r, r->opt->proc, &labels[i].value, "sys/kernel/%s", files[i]);
        found += there;
        /* Kernels before 6.1 do not have the last one. */
        if (!there)
            labels[i].value = slice_eq(names[i], SLICE("machine")) ? built_for : SLICE_EMPTY;
    }
    if (found == 0)
        return err_set(err, ST_NOT_FOUND, "proc/sys/kernel: none of ostype, osrelease, version, hostname can be read");
    host_put_labels(r, &info, 1, labels, COUNT_OF(labels));
    return ST_OK;
}

/* KEY=value, KEY="value" or KEY='value' in a text of lines; a backslash within double quotes keeps the next character. */
static struct slice release_value(struct host_round *r, struct slice text, struct slice key)
{
    struct slice line, name, value;
    while (slice_next(&text, '\n', &line)) {
        if (!slice_cut(line, '=', &name, &value) || !slice_eq(slice_trim(name), key))
            continue;
        value = slice_trim(value);
        bool quoted = value.len >= 2 && (value.ptr[0] == '"' || value.ptr[0] == '\'') && value.ptr[value.len - 1] == value.ptr[0];
        if (!quoted)
            return value;
        bool escapes = value.ptr[0] == '"';
        struct slice inner = slice_sub(value, 1, value.len - 1);
        struct slice copy = arena_copy(r->scratch, inner);
        char *out = (char *)copy.ptr;
        size_t n = 0;
        for (size_t i = 0; i < inner.len; i++) {
            if (escapes && inner.ptr[i] == '\\' && i + 1 < inner.len)
                i++;
            out[n++] = inner.ptr[i];
        }
        return slice_of(out, n);
    }
    return SLICE_EMPTY;
}

/* "12" and "22.04" are numbers; of "3.18.4" the first two parts are. */
static bool major_minor(struct slice version, double *out)
{
    struct slice major, rest, minor, more;
    if (!slice_cut(version, '.', &major, &rest))
        return host_is_digits(major) && num_parse_double(major, out);
    slice_cut(rest, '.', &minor, &more);
    return host_is_digits(major) && host_is_digits(minor) && num_parse_double(slice_of(major.ptr, major.len + 1 + minor.len), out);
}

enum status host_os(struct host_round *r, struct err *err)
{
    static const struct host_metric info = HOST_GAUGE("node_os_info", "The operating system's os-release; always 1.");
    static const struct host_metric version = HOST_GAUGE("node_os_version", "The operating system's version, as far as it is a number.");
    static const struct {
        struct slice key, label;
    } fields[] = {
        { SLICE_INIT("BUILD_ID"), SLICE_INIT("build_id") },           { SLICE_INIT("ID"), SLICE_INIT("id") },
        { SLICE_INIT("ID_LIKE"), SLICE_INIT("id_like") },             { SLICE_INIT("IMAGE_ID"), SLICE_INIT("image_id") },
        { SLICE_INIT("IMAGE_VERSION"), SLICE_INIT("image_version") }, { SLICE_INIT("NAME"), SLICE_INIT("name") },
        { SLICE_INIT("PRETTY_NAME"), SLICE_INIT("pretty_name") },     { SLICE_INIT("VARIANT"), SLICE_INIT("variant") },
        { SLICE_INIT("VARIANT_ID"), SLICE_INIT("variant_id") },       { SLICE_INIT("VERSION"), SLICE_INIT("version") },
        { SLICE_INIT("VERSION_CODENAME"), SLICE_INIT("version_codename") }, { SLICE_INIT("VERSION_ID"), SLICE_INIT("version_id") },
    };
    struct slice text;
    enum status st = host_read(r, r->opt->rootfs, &text, NULL, "etc/os-release");
    if (st)
        st = host_read(r, r->opt->rootfs, &text, err, "usr/lib/os-release");
    if (st)
        return st;
    struct label labels[COUNT_OF(fields)];
    for (size_t i = 0; i < COUNT_OF(fields); i++)
        labels[i] = (struct label){ fields[i].label, release_value(r, text, fields[i].key) };
    host_put_labels(r, &info, 1, labels, COUNT_OF(labels));
    double v;
    if (major_minor(release_value(r, text, SLICE("VERSION_ID")), &v)) {
        struct label few[] = { { SLICE("id"), release_value(r, text, SLICE("ID")) },
                               { SLICE("id_like"), release_value(r, text, SLICE("ID_LIKE")) },
                               { SLICE("name"), release_value(r, text, SLICE("NAME")) } };
        host_put_labels(r, &version, v, few, COUNT_OF(few));
    }
    return ST_OK;
}

/* ---- Time ---- */

static void put_clocksources(struct host_round *r)
{
    static const struct host_metric available = HOST_GAUGE("node_time_clocksource_available_info", "A clock the kernel could use; always 1.");
    static const struct host_metric current = HOST_GAUGE("node_time_clocksource_current_info", "The clock the kernel uses; always 1.");
    struct slice names, name, line, source;
    if (host_list(r, r->opt->sys, &names, NULL, "devices/system/clocksource"))
        return;
    while (slice_next(&names, 0, &name)) {
        struct slice device = slice_skip(name, SLICE("clocksource").len);
        if (!slice_starts(name, SLICE("clocksource")) || !host_is_digits(device))
            continue;
        if (host_line(r, r->opt->sys, &line, "devices/system/clocksource/%.*s/available_clocksource", SLICE_FMT(name)))
            while (slice_next(&line, ' ', &source))
                host_put2(r, &available, 1, SLICE("device"), device, SLICE("clocksource"), source);
        if (host_line(r, r->opt->sys, &line, "devices/system/clocksource/%.*s/current_clocksource", SLICE_FMT(name)))
            host_put2(r, &current, 1, SLICE("device"), device, SLICE("clocksource"), line);
    }
}

enum status host_time(struct host_round *r, struct err *err)
{
    static const struct host_metric now = HOST_GAUGE("node_time_seconds", "This machine's time, in seconds since 1970.");
    static const struct host_metric offset = HOST_GAUGE("node_time_zone_offset_seconds", "How far the local time is from UTC.");
    int64_t wall_ns = clock_wall_ns(r->env->clock);
    struct slice zone;
    int64_t offset_s = machine_zone_offset_s(r->scratch, wall_ns, &zone);
    host_put(r, &now, (double)wall_ns / 1e9);
    host_put1(r, &offset, (double)offset_s, SLICE("time_zone"), zone);
    put_clocksources(r);
    return ST_OK;
}

enum status host_timex(struct host_round *r, struct err *err)
{
    struct machine_timex t;
    enum status st = machine_timex(&t, err);
    if (st)
        return st;
    const struct {
        struct host_metric metric;
        double value;
    } list[] = {
        { HOST_GAUGE("node_timex_offset_seconds", "How far this clock is from its reference."), t.offset_s },
        { HOST_GAUGE("node_timex_frequency_adjustment_ratio", "By how much this clock is made faster or slower."), t.frequency_ratio },
        { HOST_GAUGE("node_timex_maxerror_seconds", "The most this clock may be wrong."), t.error_max_s },
        { HOST_GAUGE("node_timex_estimated_error_seconds", "How much this clock is thought to be wrong."), t.error_estimated_s },
        { HOST_GAUGE("node_timex_status", "State bits of the clock's steering."), t.status },
        { HOST_GAUGE("node_timex_loop_time_constant", "Time constant of the loop that steers the clock."), t.loop_constant },
        { HOST_GAUGE("node_timex_tick_seconds", "Time between two ticks."), t.tick_s },
        { HOST_GAUGE("node_timex_pps_frequency_hertz", "Frequency of the pulse per second."), t.pps_frequency_hz },
        { HOST_GAUGE("node_timex_pps_jitter_seconds", "Jitter of the pulse per second."), t.pps_jitter_s },
        { HOST_GAUGE("node_timex_pps_shift_seconds", "Calibration interval of the pulse per second."), t.pps_shift_s },
        { HOST_GAUGE("node_timex_pps_stability_hertz", "Stability of the pulse per second."), t.pps_stability_hz },
        { HOST_COUNTER("node_timex_pps_jitter_total", "Pulses whose jitter was over the limit."), t.pps_jitter_count },
        { HOST_COUNTER("node_timex_pps_calibration_total", "Calibrations by the pulse per second."), t.pps_calibration_count },
        { HOST_COUNTER("node_timex_pps_error_total", "Calibrations that failed."), t.pps_error_count },
        { HOST_COUNTER("node_timex_pps_stability_exceeded_total", "Times the stability was over the limit."), t.pps_stability_count },
        { HOST_GAUGE("node_timex_tai_offset_seconds", "International Atomic Time minus UTC."), t.tai_offset_s },
        { HOST_GAUGE("node_timex_sync_status", "1 when this clock follows a reference."), t.synchronised },
    };
    for (size_t i = 0; i < COUNT_OF(list); i++)
        host_put(r, &list[i].metric, list[i].value);
    return ST_OK;
}

/* ---- Single numbers and texts ---- */

enum status host_entropy(struct host_round *r, struct err *err)
{
    static const struct host_metric available = HOST_GAUGE("node_entropy_available_bits", "Randomness the kernel holds.");
    static const struct host_metric pool = HOST_GAUGE("node_entropy_pool_size_bits", "Randomness the kernel can hold.");
    double v;
    if (!host_number_of(r, r->opt->proc, &v, "sys/kernel/random/entropy_avail"))
        return err_set(err, ST_NOT_FOUND, "proc/sys/kernel/random/entropy_avail: no number there");
    host_put(r, &available, v);
    if (host_number_of(r, r->opt->proc, &v, "sys/kernel/random/poolsize"))
        host_put(r, &pool, v);
    return ST_OK;
}

enum status host_filefd(struct host_round *r, struct err *err)
{
    static const struct host_metric allocated = HOST_GAUGE("node_filefd_allocated", "Open files of the whole machine.");
    static const struct host_metric maximum = HOST_GAUGE("node_filefd_maximum", "Open files the whole machine may have.");
    struct slice line, fields[3];
    double used, max;
    if (!host_line(r, r->opt->proc, &line, "sys/fs/file-nr"))
        return err_set(err, ST_NOT_FOUND, "proc/sys/fs/file-nr: cannot be read");
    if (host_fields(line, fields, 3) < 3 || !host_number(fields[0], &used) || !host_number(fields[2], &max))
        return err_set(err, ST_INVALID, "proc/sys/fs/file-nr: three numbers expected in \"%.*s\"", (int)MIN(line.len, (size_t)80), line.ptr);
    host_put(r, &allocated, used);
    host_put(r, &maximum, max);
    return ST_OK;
}

enum status host_selinux(struct host_round *r, struct err *err)
{
    static const struct host_metric enabled = HOST_GAUGE("node_selinux_enabled", "1 when SELinux is on.");
    static const struct host_metric mode = HOST_GAUGE("node_selinux_current_mode", "1 when SELinux enforces, 0 when it only tells.");
    double v;
    bool on = host_number_of(r, r->opt->sys, &v, "fs/selinux/enforce");
    host_put(r, &enabled, on);
    if (on)
        host_put(r, &mode, v);
    return ST_OK;
}

enum status host_dmi(struct host_round *r, struct err *err)
{
    static const struct host_metric info = HOST_GAUGE("node_dmi_info", "What the firmware says of this machine; always 1.");
    static const char *const files[] = {
        "bios_date",         "bios_release",   "bios_vendor",    "bios_version",    "board_asset_tag", "board_name",   "board_serial",
        "board_vendor",      "board_version",  "chassis_asset_tag", "chassis_serial", "chassis_vendor", "chassis_version", "product_family",
        "product_name",      "product_serial", "product_sku",    "product_uuid",    "product_version", "sys_vendor",
    };
    struct label labels[COUNT_OF(files)];
    size_t count = 0;
    for (size_t i = 0; i < COUNT_OF(files); i++) {
        struct slice name = slice_str(files[i]), value;
        if (!host_line(r, r->opt->sys, &value, "class/dmi/id/%s", files[i]))
            continue;
        labels[count++] = (struct label){ slice_eq(name, SLICE("sys_vendor")) ? SLICE("system_vendor") : name, value };
    }
    if (count == 0)
        return err_set(err, ST_NOT_FOUND, "sys/class/dmi/id: nothing there, so the firmware is unknown");
    host_put_labels(r, &info, 1, labels, count);
    return ST_OK;
}
