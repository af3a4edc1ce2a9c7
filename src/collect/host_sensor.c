/* SPDX-License-Identifier: Apache-2.0 */
/* Hardware that only some machines have: sensors (hwmon, thermal zones, power), NVMe drives, software RAID. Each family
 * answers ST_NOT_FOUND where there is none. */
#include "base/num.h"
#include "collect/host.h"
#include "sys/machine.h"

enum { CHIPS_MAX = 256, SENSOR_FILES_MAX = 1024 };

/* Lower case, other characters than letters, digits and ':' as '_', none at the ends: for label values and names. */
static struct slice cleaned(struct host_round *r, struct slice s)
{
    struct slice copy = arena_copy(r->scratch, s);
    char *at = (char *)copy.ptr;
    for (size_t i = 0; i < copy.len; i++) {
        if (at[i] >= 'A' && at[i] <= 'Z')
            at[i] = (char)(at[i] - 'A' + 'a');
        else if (!((at[i] >= 'a' && at[i] <= 'z') || (at[i] >= '0' && at[i] <= '9') || at[i] == ':'))
            at[i] = '_';
    }
    while (copy.len && copy.ptr[0] == '_')
        copy = slice_skip(copy, 1);
    while (copy.len && copy.ptr[copy.len - 1] == '_')
        copy.len--;
    return copy;
}

static struct slice last_part(struct slice path, struct slice *before)
{
    size_t at = path.len;
    while (at > 0 && path.ptr[at - 1] != '/')
        at--;
    *before = slice_sub(path, 0, at ? at - 1 : 0);
    return slice_skip(path, at);
}

/* Type and name of the device behind the chip ("platform_coretemp_0"), or the chip's name, or its folder's. */
static struct slice chip_label(struct host_round *r, struct slice folder)
{
    struct slice path = machine_real_path(r->scratch, host_path(r, r->opt->sys, "class/hwmon/%.*s/device", SLICE_FMT(folder)));
    if (path.len) {
        struct slice before, more, name = cleaned(r, last_part(path, &before)), type = cleaned(r, last_part(before, &more));
        if (name.len && type.len)
            return arena_printf(r->scratch, "%.*s_%.*s", SLICE_FMT(type), SLICE_FMT(name));
    }
    struct slice name;
    if (host_line(r, r->opt->sys, &name, "class/hwmon/%.*s/name", SLICE_FMT(folder)))
        return cleaned(r, name);
    return folder;
}

/* "temp1_crit_alarm" is sensor temp1 of type temp, property crit_alarm. */
static bool sensor_split(struct slice file, struct slice *type, struct slice *sensor, struct slice *property)
{
    if (!slice_cut(file, '_', sensor, property))
        return false;
    *type = *sensor;
    while (type->len && type->ptr[type->len - 1] >= '0' && type->ptr[type->len - 1] <= '9')
        type->len--;
    return type->len > 0 && type->len < sensor->len && property->len > 0;
}

/* Where the value of a type has a unit: the suffix of the metric's name and what the kernel's number is divided by. */
struct sensor_kind {
    struct slice type, unit;
    double divisor;
    bool counter;
};

static const struct sensor_kind sensor_kinds[] = {
    { SLICE_INIT("temp"), SLICE_INIT("celsius"), 1000, false }, { SLICE_INIT("in"), SLICE_INIT("volts"), 1000, false },
    { SLICE_INIT("curr"), SLICE_INIT("amps"), 1000, false },    { SLICE_INIT("fan"), SLICE_INIT("rpm"), 1, false },
    { SLICE_INIT("power"), SLICE_INIT("watt"), 1e6, false },    { SLICE_INIT("energy"), SLICE_INIT("joule_total"), 1e6, true },
};

static void put_sensor(struct host_round *r, struct slice chip, struct slice folder, struct slice file)
{
    static const struct host_metric label = HOST_GAUGE("node_hwmon_sensor_label", "A sensor's name; always 1.");
    struct slice type, sensor, property, text;
    double v;
    if (!sensor_split(file, &type, &sensor, &property))
        return;
    const struct sensor_kind *kind = NULL;
    for (size_t i = 0; i < COUNT_OF(sensor_kinds); i++)
        if (slice_eq(type, sensor_kinds[i].type))
            kind = &sensor_kinds[i];
    if (kind == NULL || !host_line(r, r->opt->sys, &text, "class/hwmon/%.*s/%.*s", SLICE_FMT(folder), SLICE_FMT(file)))
        return;
    if (slice_eq(property, SLICE("label"))) {
        struct label labels[] = { { SLICE("chip"), chip }, { SLICE("sensor"), sensor }, { SLICE("label"), text } };
        host_put_labels(r, &label, 1, labels, COUNT_OF(labels));
        return;
    }
    if (!num_parse_double(text, &v))
        return;
    bool plain = slice_ends(property, SLICE("alarm")) || slice_ends(property, SLICE("beep")) || slice_ends(property, SLICE("enable")) ||
                 slice_ends(property, SLICE("type")) || slice_ends(property, SLICE("fault"));
    struct slice name;
    if (plain)
        name = arena_printf(r->batch->arena, "node_hwmon_%.*s_%.*s", SLICE_FMT(type), SLICE_FMT(property));
    else if (slice_eq(property, SLICE("input")))
        name = arena_printf(r->batch->arena, "node_hwmon_%.*s_%.*s", SLICE_FMT(type), SLICE_FMT(kind->unit));
    else
        name = arena_printf(r->batch->arena, "node_hwmon_%.*s_%.*s_%.*s", SLICE_FMT(type), SLICE_FMT(property), SLICE_FMT(kind->unit));
    if (!metric_name_is_legacy(name))
        return;
    struct host_metric m = { name, kind->counter && !plain ? METRIC_COUNTER : METRIC_GAUGE, SLICE("A value of the hardware's sensors.") };
    host_put2(r, &m, plain ? v : v / kind->divisor, SLICE("chip"), chip, SLICE("sensor"), sensor);
}

enum status host_hwmon(struct host_round *r, struct err *err)
{
    static const struct host_metric names_metric = HOST_GAUGE("node_hwmon_chip_names", "A chip's name; always 1.");
    struct slice folders, folder, files, file, name;
    enum status st = host_list(r, r->opt->sys, &folders, err, "class/hwmon");
    if (st)
        return st;
    for (size_t c = 0; c < CHIPS_MAX && slice_next(&folders, 0, &folder); c++) {
        if (host_list(r, r->opt->sys, &files, NULL, "class/hwmon/%.*s", SLICE_FMT(folder)))
            continue;
        struct slice chip = chip_label(r, folder);
        if (host_line(r, r->opt->sys, &name, "class/hwmon/%.*s/name", SLICE_FMT(folder)))
            host_put2(r, &names_metric, 1, SLICE("chip"), chip, SLICE("chip_name"), cleaned(r, name));
        for (size_t i = 0; i < SENSOR_FILES_MAX && slice_next(&files, 0, &file); i++)
            put_sensor(r, chip, folder, file);
    }
    return ST_OK;
}

enum status host_thermal_zone(struct host_round *r, struct err *err)
{
    static const struct host_metric temp = HOST_GAUGE("node_thermal_zone_temp", "Temperature of a zone, in degrees Celsius.");
    static const struct host_metric now = HOST_GAUGE("node_cooling_device_cur_state", "How hard a cooling device works.");
    static const struct host_metric max = HOST_GAUGE("node_cooling_device_max_state", "How hard a cooling device can work.");
    struct slice names, name, type;
    enum status st = host_list(r, r->opt->sys, &names, err, "class/thermal");
    if (st)
        return st;
    while (slice_next(&names, 0, &name)) {
        double v;
        if (!host_line(r, r->opt->sys, &type, "class/thermal/%.*s/type", SLICE_FMT(name)))
            continue;
        if (slice_starts(name, SLICE("thermal_zone")) && host_number_of(r, r->opt->sys, &v, "class/thermal/%.*s/temp", SLICE_FMT(name)))
            host_put2(r, &temp, v / 1000, SLICE("zone"), slice_skip(name, SLICE("thermal_zone").len), SLICE("type"), type);
        if (!slice_starts(name, SLICE("cooling_device")))
            continue;
        struct slice number = slice_skip(name, SLICE("cooling_device").len);
        if (host_number_of(r, r->opt->sys, &v, "class/thermal/%.*s/cur_state", SLICE_FMT(name)))
            host_put2(r, &now, v, SLICE("name"), number, SLICE("type"), type);
        if (host_number_of(r, r->opt->sys, &v, "class/thermal/%.*s/max_state", SLICE_FMT(name)))
            host_put2(r, &max, v, SLICE("name"), number, SLICE("type"), type);
    }
    return ST_OK;
}

/* Energy counted by the processor: zones "intel-rapl:0" (package-0) and parts of them (core, dram). Often for root only. */
enum status host_rapl(struct host_round *r, struct err *err)
{
    struct slice names, zone, name;
    enum status st = host_list(r, r->opt->sys, &names, err, "class/powercap");
    if (st)
        return st;
    size_t found = 0;
    while (slice_next(&names, 0, &zone)) {
        double uj;
        if (!slice_starts(zone, SLICE("intel-rapl:")) || !host_line(r, r->opt->sys, &name, "class/powercap/%.*s/name", SLICE_FMT(zone)) ||
            !host_number_of(r, r->opt->sys, &uj, "class/powercap/%.*s/energy_uj", SLICE_FMT(zone)))
            continue;
        /* "package-0" carries its number; parts have that of their package, the last but one in "intel-rapl:0:1". */
        struct slice kind, index, numbers = slice_skip(zone, SLICE("intel-rapl:").len), rest;
        if (!slice_cut(name, '-', &kind, &index) || !host_is_digits(index))
            slice_cut(numbers, ':', &index, &rest);
        struct slice metric = arena_printf(r->batch->arena, "node_rapl_%.*s_joules_total", SLICE_FMT(cleaned(r, kind)));
        if (!metric_name_is_legacy(metric))
            continue;
        struct host_metric m = { metric, METRIC_COUNTER, SLICE("Energy used, as the processor counts it.") };
        struct slice path = arena_printf(r->scratch, "/sys/class/powercap/%.*s", SLICE_FMT(zone));
        host_put2(r, &m, uj / 1e6, SLICE("index"), index, SLICE("path"), path);
        found++;
    }
    return found ? ST_OK : err_set(err, ST_NOT_FOUND, "sys/class/powercap: no zone can be read");
}

enum status host_nvme(struct host_round *r, struct err *err)
{
    static const struct host_metric info = HOST_GAUGE("node_nvme_info", "What is known of an NVMe drive; always 1.");
    static const char *const files[] = { "firmware_rev", "model", "serial", "state" };
    static const struct slice labels[] = { SLICE_INIT("firmware_revision"), SLICE_INIT("model"), SLICE_INIT("serial"), SLICE_INIT("state") };
    struct slice names, name;
    enum status st = host_list(r, r->opt->sys, &names, err, "class/nvme");
    if (st)
        return st;
    while (slice_next(&names, 0, &name)) {
        struct label list[COUNT_OF(files) + 1] = { { SLICE("device"), name } };
        for (size_t i = 0; i < COUNT_OF(files); i++) {
            list[i + 1] = (struct label){ labels[i], SLICE_EMPTY };
            if (!host_line(r, r->opt->sys, &list[i + 1].value, "class/nvme/%.*s/%s", SLICE_FMT(name), files[i]))
                list[i + 1].value = SLICE_EMPTY;
        }
        host_put_labels(r, &info, 1, list, COUNT_OF(list));
    }
    return ST_OK;
}

/* ---- Software RAID ---- */

static void put_array(struct host_round *r, struct slice device)
{
    static const struct host_metric disks = HOST_GAUGE("node_md_disks", "Disks of an array, by state.");
    static const struct host_metric required = HOST_GAUGE("node_md_disks_required", "Disks an array is made of.");
    static const struct host_metric state = HOST_GAUGE("node_md_state", "1 for the state an array is in.");
    static const struct slice states[] = { SLICE_INIT("active"), SLICE_INIT("inactive"), SLICE_INIT("recovering"), SLICE_INIT("resync"),
                                           SLICE_INIT("check") };
    struct slice array_state, action, entries, entry, disk;
    double wanted, active = 0, failed = 0, spare = 0;
    if (!host_line(r, r->opt->sys, &array_state, "block/%.*s/md/array_state", SLICE_FMT(device)) ||
        !host_number_of(r, r->opt->sys, &wanted, "block/%.*s/md/raid_disks", SLICE_FMT(device)) ||
        host_list(r, r->opt->sys, &entries, NULL, "block/%.*s/md", SLICE_FMT(device)))
        return;
    while (slice_next(&entries, 0, &entry)) {
        if (!slice_starts(entry, SLICE("dev-")) ||
            !host_line(r, r->opt->sys, &disk, "block/%.*s/md/%.*s/state", SLICE_FMT(device), SLICE_FMT(entry)))
            continue;
        active += slice_contains(disk, SLICE("in_sync"));
        failed += slice_contains(disk, SLICE("faulty"));
        spare += slice_contains(disk, SLICE("spare"));
    }
    host_put1(r, &required, wanted, SLICE("device"), device);
    host_put2(r, &disks, active, SLICE("device"), device, SLICE("state"), SLICE("active"));
    host_put2(r, &disks, failed, SLICE("device"), device, SLICE("state"), SLICE("failed"));
    host_put2(r, &disks, spare, SLICE("device"), device, SLICE("state"), SLICE("spare"));
    bool off = slice_eq(array_state, SLICE("clear")) || slice_eq(array_state, SLICE("inactive"));
    struct slice is = off ? SLICE("inactive") : SLICE("active");
    if (host_line(r, r->opt->sys, &action, "block/%.*s/md/sync_action", SLICE_FMT(device)) && !off)
        is = slice_eq(action, SLICE("recover")) ? SLICE("recovering")
             : slice_eq(action, SLICE("resync")) ? SLICE("resync")
             : slice_eq(action, SLICE("check"))  ? SLICE("check")
                                                 : is;
    for (size_t i = 0; i < COUNT_OF(states); i++)
        host_put2(r, &state, slice_eq(states[i], is), SLICE("device"), device, SLICE("state"), states[i]);
}

enum status host_mdadm(struct host_round *r, struct err *err)
{
    struct slice names, name, probe;
    enum status st = host_list(r, r->opt->sys, &names, err, "block");
    if (st)
        return st;
    size_t arrays = 0;
    while (slice_next(&names, 0, &name))
        if (slice_starts(name, SLICE("md")) && host_line(r, r->opt->sys, &probe, "block/%.*s/md/array_state", SLICE_FMT(name))) {
            put_array(r, name);
            arrays++;
        }
    return arrays ? ST_OK : err_set(err, ST_NOT_FOUND, "sys/block: no software RAID there");
}

/* ---- Batteries and mains ---- */

enum status host_powersupply(struct host_round *r, struct err *err)
{
    static const struct {
        const char *file;
        struct host_metric metric;
        double divisor;
    } values[] = {
        { "online", HOST_GAUGE("node_power_supply_online", "1 when power comes from here."), 1 },
        { "present", HOST_GAUGE("node_power_supply_present", "1 when the battery is there."), 1 },
        { "capacity", HOST_GAUGE("node_power_supply_capacity", "Charge, in percent."), 1 },
        { "cycle_count", HOST_GAUGE("node_power_supply_cyclecount", "Times the battery was charged."), 1 },
        { "energy_now", HOST_GAUGE("node_power_supply_energy_watthour", "Energy in the battery."), 1e6 },
        { "energy_full", HOST_GAUGE("node_power_supply_energy_full", "Energy in the full battery, in watt-hours."), 1e6 },
        { "charge_now", HOST_GAUGE("node_power_supply_charge_ampere", "Charge in the battery, in ampere-hours."), 1e6 },
        { "charge_full", HOST_GAUGE("node_power_supply_charge_full", "Charge in the full battery, in ampere-hours."), 1e6 },
        { "power_now", HOST_GAUGE("node_power_supply_power_watt", "Power drawn or given."), 1e6 },
        { "voltage_now", HOST_GAUGE("node_power_supply_voltage_volt", "Voltage."), 1e6 },
        { "current_now", HOST_GAUGE("node_power_supply_current_ampere", "Current."), 1e6 },
    };
    struct slice names, name;
    enum status st = host_list(r, r->opt->sys, &names, err, "class/power_supply");
    if (st)
        return st;
    while (slice_next(&names, 0, &name))
        for (size_t i = 0; i < COUNT_OF(values); i++) {
            double v;
            if (host_number_of(r, r->opt->sys, &v, "class/power_supply/%.*s/%s", SLICE_FMT(name), values[i].file))
                host_put1(r, &values[i].metric, v / values[i].divisor, SLICE("power_supply"), name);
        }
    return ST_OK;
}
