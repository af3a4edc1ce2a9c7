/* SPDX-License-Identifier: Apache-2.0 */
/* Host metrics of the made-up machine in test/fixtures/host, of this machine, and the rounds of the thread. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/unit.h"
#include "collect/collect.h"
#include "sys/thread.h"

#define FIXTURE "test/fixtures/host"
enum { TEST_BATCH_BYTES_MAX = 64 * MIB };
#define NOW_NS ((int64_t)1700000500250000000)

static struct batch *collected(const char *proc, const char *sys, const char *root, size_t processes_max)
{
    struct collect_env env = { .clock = clock_sim_new(NOW_NS), .fs = fs_real(), .instance = SLICE("heron") };
    struct host_options opt = { 5 * NS_S, slice_str(proc), slice_str(sys), slice_str(root), processes_max };
    struct batch *b = batch_new(TEST_BATCH_BYTES_MAX);
    struct err err = { 0 };
    if (host_collect(&env, &opt, b, &err))
        unit_fail(__FILE__, __LINE__, err.text);
    clock_sim_free(env.clock);
    return b;
}

static struct batch *fixture(void)
{
    return collected(FIXTURE "/proc", FIXTURE "/sys", FIXTURE "/root", 10);
}

/* The value of name{labels} in Prometheus's order of labels, without job and instance; NaN when there is none. */
static double value_of(const struct batch *b, const char *wanted)
{
    static const struct slice fixed[] = { SLICE_INIT("instance"), SLICE_INIT("job") };
    double found = NAN;
    for (size_t i = 0; i < b->series_count; i++) {
        struct buf text;
        buf_init(&text, 0);
        labels_format(labels_without(b->arena, b->series[i].labels, fixed, 2), &text);
        struct slice got = buf_as_slice(&text), want = slice_str(wanted);
        if (slice_ends(got, SLICE("{}")))
            got.len -= 2;
        if (slice_eq(got, want))
            found = b->samples[b->series[i].first].v;
        buf_free(&text);
    }
    return found;
}

struct expected {
    const char *series;
    double value;
};

static void check_all(const struct batch *b, const struct expected *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        double got = value_of(b, list[i].series);
        if (!(fabs(got - list[i].value) <= 1e-9 * fabs(list[i].value))) {
            fprintf(stderr, "%s is %g, not %g\n", list[i].series, got, list[i].value);
            unit_fail(__FILE__, __LINE__, list[i].series);
        }
    }
}
#define CHECK_FIXTURE(...)                                                                                             \
    do {                                                                                                               \
        static const struct expected list[] = { __VA_ARGS__ };                                                        \
        struct batch *b = fixture();                                                                                   \
        check_all(b, list, COUNT_OF(list));                                                                            \
        batch_drop(b);                                                                                                 \
    } while (0)

static bool has_name_with(const struct batch *b, struct slice part)
{
    for (size_t i = 0; i < b->series_count; i++) {
        struct buf text;
        buf_init(&text, 0);
        labels_format(b->series[i].labels, &text);
        bool found = slice_contains(buf_as_slice(&text), part);
        buf_free(&text);
        if (found)
            return true;
    }
    return false;
}

TEST(host_series_have_job_instance_and_the_time_of_the_round)
{
    struct batch *b = fixture();
    for (size_t i = 0; i < b->series_count; i++) {
        CHECK_STR(labels_get(b->series[i].labels, SLICE("job")), "node");
        CHECK_STR(labels_get(b->series[i].labels, SLICE("instance")), "heron");
        CHECK_INT(b->series[i].count, 1);
        CHECK_INT(b->samples[b->series[i].first].t_ms, NOW_NS / NS_MS);
    }
    CHECK_NEAR(value_of(b, "node_time_seconds"), 1700000500.25, 1e-6);
    batch_drop(b);
}

TEST(host_series_are_unique_and_each_name_has_metadata_once)
{
    struct batch *b = fixture();
    for (size_t i = 0; i < b->series_count; i++)
        for (size_t k = i + 1; k < b->series_count; k++)
            CHECK(!slice_eq(b->series[i].labels, b->series[k].labels));
    for (size_t i = 0; i < b->series_count; i++) {
        int descriptions = 0;
        for (size_t k = 0; k < b->metadata_count; k++)
            descriptions += slice_eq(b->metadata[k].name, labels_get(b->series[i].labels, SLICE("__name__")));
        CHECK_INT(descriptions, 1);
    }
    batch_drop(b);
}

TEST(host_cpu_times_are_seconds_by_processor_and_mode)
{
    CHECK_FIXTURE({ "node_cpu_seconds_total{cpu=\"0\",mode=\"user\"}", 2.5 }, { "node_cpu_seconds_total{cpu=\"1\",mode=\"idle\"}", 50 },
                  { "node_cpu_seconds_total{cpu=\"0\",mode=\"steal\"}", 0.05 }, { "node_cpu_guest_seconds_total{cpu=\"0\",mode=\"user\"}", 0.3 },
                  { "node_cpu_guest_seconds_total{cpu=\"0\",mode=\"nice\"}", 0.04 }, { "node_intr_total", 7654321 },
                  { "node_context_switches_total", 1234567 }, { "node_forks_total", 4321 }, { "node_procs_running", 3 },
                  { "node_procs_blocked", 1 }, { "node_boot_time_seconds", 1700000000 }, { "node_load1", 0.25 }, { "node_load15", 2.75 },
                  { "node_pressure_cpu_waiting_seconds_total", 1.5 }, { "node_pressure_io_stalled_seconds_total", 0.5 },
                  { "node_schedstat_running_seconds_total{cpu=\"0\"}", 3 }, { "node_schedstat_timeslices_total{cpu=\"0\"}", 77 },
                  { "node_softnet_processed_total{cpu=\"3\"}", 255 }, { "node_softnet_times_squeezed_total{cpu=\"0\"}", 2 },
                  { "node_cpu_scaling_frequency_hertz{cpu=\"0\"}", 2100500000 }, { "node_cpu_frequency_max_hertz{cpu=\"0\"}", 3600000000 });
}

TEST(host_memory_is_bytes_and_counts_stay_counts)
{
    CHECK_FIXTURE({ "node_memory_MemTotal_bytes", 2048000.0 * 1024 }, { "node_memory_Active_anon_bytes", 100000.0 * 1024 },
                  { "node_memory_SwapFree_bytes", 128000.0 * 1024 }, { "node_memory_HugePages_Total", 4 }, { "node_vmstat_oom_kill", 2 },
                  { "node_vmstat_pgmajfault", 50 }, { "node_vmstat_pswpout", 8 });
    struct batch *b = fixture();
    CHECK(!has_name_with(b, SLICE("nr_free_pages")));
    batch_drop(b);
}

TEST(host_disks_are_whole_devices_in_bytes_and_seconds)
{
    CHECK_FIXTURE({ "node_disk_reads_completed_total{device=\"sda\"}", 1000 }, { "node_disk_read_bytes_total{device=\"sda\"}", 4000 * 512 },
                  { "node_disk_read_time_seconds_total{device=\"sda\"}", 3.5 }, { "node_disk_written_bytes_total{device=\"sda\"}", 8000 * 512 },
                  { "node_disk_io_now{device=\"sda\"}", 2 }, { "node_disk_io_time_weighted_seconds_total{device=\"sda\"}", 12.5 },
                  { "node_disk_discarded_sectors_total{device=\"sda\"}", 640 },
                  { "node_disk_flush_requests_time_seconds_total{device=\"sda\"}", 0.033 },
                  { "node_disk_info{device=\"sda\",major=\"8\",minor=\"0\",model=\"QUICKDISK\",serial=\"SN1\"}", 1 },
                  { "node_disk_reads_completed_total{device=\"nvme0n1\"}", 50 }, { "node_disk_reads_completed_total{device=\"xvda\"}", 1 });
    struct batch *b = fixture();
    static const struct slice left_out[] = { SLICE_INIT("\"sda1\""), SLICE_INIT("\"loop0\""), SLICE_INIT("\"ram0\""), SLICE_INIT("\"nvme0n1p1\""),
                                             SLICE_INIT("\"xvda1\"") };
    for (size_t i = 0; i < COUNT_OF(left_out); i++)
        CHECK(!has_name_with(b, left_out[i]));
    batch_drop(b);
}

TEST(host_filesystems_leave_out_what_holds_no_data_and_tell_of_those_that_fail)
{
    struct batch *b = fixture();
    CHECK(value_of(b, "node_filesystem_size_bytes{device=\"/dev/sda1\",fstype=\"ext4\",mountpoint=\"/\"}") > 0);
    CHECK(value_of(b, "node_filesystem_files{device=\"/dev/sdb1\",fstype=\"xfs\",mountpoint=\"/srv\"}") >= 0);
    CHECK_NEAR(value_of(b, "node_filesystem_readonly{device=\"/dev/sdb1\",fstype=\"xfs\",mountpoint=\"/srv\"}"), 1, 0);
    CHECK_NEAR(value_of(b, "node_filesystem_readonly{device=\"/dev/sda1\",fstype=\"ext4\",mountpoint=\"/\"}"), 0, 0);
    CHECK_NEAR(value_of(b, "node_filesystem_device_error{device=\"/dev/sdc1\",fstype=\"ext4\",mountpoint=\"/not there\"}"), 1, 0);
    CHECK(isnan(value_of(b, "node_filesystem_size_bytes{device=\"/dev/sdc1\",fstype=\"ext4\",mountpoint=\"/not there\"}")));
    CHECK(isnan(value_of(b, "node_filesystem_readonly{device=\"/dev/sdc1\",fstype=\"ext4\",mountpoint=\"/not there\"}")));
    CHECK(!has_name_with(b, SLICE("\"/dev/shm\"")));
    CHECK(!has_name_with(b, SLICE("/var/lib/docker")));
    batch_drop(b);
}

TEST(host_network_counts_devices_protocols_and_sockets)
{
    CHECK_FIXTURE({ "node_network_receive_bytes_total{device=\"wan0\"}", 100000 }, { "node_network_receive_bytes_total{device=\"lan1\"}", 12345 },
                  { "node_network_receive_multicast_total{device=\"wan0\"}", 6 }, { "node_network_transmit_carrier_total{device=\"wan0\"}", 13 },
                  { "node_network_receive_nohandler_total{device=\"wan0\"}", 17 }, { "node_network_up{device=\"wan0\"}", 1 },
                  { "node_network_up{device=\"lan1\"}", 0 }, { "node_network_flags{device=\"wan0\"}", 0x1003 },
                  { "node_network_speed_bytes{device=\"wan0\"}", 125000000 }, { "node_network_mtu_bytes{device=\"lan1\"}", 9000 },
                  { "node_netstat_Tcp_CurrEstab", 3 }, { "node_netstat_TcpExt_ListenDrops", 4 }, { "node_netstat_IpExt_OutOctets", 222 },
                  { "node_netstat_Ip6_InOctets", 600 }, { "node_netstat_UdpLite6_InErrors", 8 }, { "node_netstat_Ip_Forwarding", 1 },
                  { "node_sockstat_sockets_used", 55 }, { "node_sockstat_TCP_tw", 2 }, { "node_sockstat_TCP6_inuse", 2 },
                  { "node_arp_entries{device=\"wan0\"}", 2 }, { "node_udp_queues{ip=\"v4\",queue=\"tx\"}", 17 },
                  { "node_udp_queues{ip=\"v4\",queue=\"rx\"}", 32 }, { "node_nf_conntrack_entries", 12 },
                  { "node_nf_conntrack_entries_limit", 65536 },
                  { "node_nf_conntrack_stat_found", 16 }, { "node_nf_conntrack_stat_search_restart", 16 });
    struct batch *b = fixture();
    CHECK(isnan(value_of(b, "node_network_speed_bytes{device=\"lan1\"}"))); /* does not know */
    CHECK(!has_name_with(b, SLICE("bonding_masters")));
    CHECK(!has_name_with(b, SLICE("InReceives")));
    batch_drop(b);
}

TEST(host_machine_and_sensors_are_told_by_labels_and_units)
{
    CHECK_FIXTURE({ "node_uname_info{domainname=\"(none)\",machine=\"x86_64\",nodename=\"heron\",release=\"6.9.1-made-up\",sysname=\"Linux\","
                    "version=\"#7 SMP Mon Jan 1\"}", 1 },
                  { "node_os_info{id=\"madeup\",name=\"Made \\\"Up\\\" OS\",pretty_name=\"Made Up 7\",version_id=\"7.5.1\"}", 1 },
                  { "node_os_version{id=\"madeup\",name=\"Made \\\"Up\\\" OS\"}", 7.5 }, { "node_entropy_available_bits", 256 },
                  { "node_filefd_allocated", 960 }, { "node_filefd_maximum", 100000 }, { "node_selinux_enabled", 0 },
                  { "node_dmi_info{board_vendor=\"Made Up Boards\",system_vendor=\"Made Up\"}", 1 },
                  { "node_time_clocksource_available_info{clocksource=\"hpet\",device=\"0\"}", 1 },
                  { "node_hwmon_temp_celsius{chip=\"core_temp\",sensor=\"temp1\"}", 41.5 },
                  { "node_hwmon_temp_crit_celsius{chip=\"core_temp\",sensor=\"temp1\"}", 90 },
                  { "node_hwmon_temp_crit_alarm{chip=\"core_temp\",sensor=\"temp1\"}", 0 },
                  { "node_hwmon_fan_rpm{chip=\"core_temp\",sensor=\"fan2\"}", 1200 },
                  { "node_hwmon_in_volts{chip=\"core_temp\",sensor=\"in0\"}", 12.1 },
                  { "node_hwmon_sensor_label{chip=\"core_temp\",label=\"Package 0\",sensor=\"temp1\"}", 1 },
                  { "node_thermal_zone_temp{type=\"acpitz\",zone=\"0\"}", 38.25 }, { "node_cooling_device_cur_state{name=\"0\",type=\"Fan\"}", 2 },
                  { "node_md_disks{device=\"md5\",state=\"failed\"}", 1 }, { "node_md_disks{device=\"md5\",state=\"active\"}", 1 },
                  { "node_md_state{device=\"md5\",state=\"active\"}", 1 }, { "node_md_disks_required{device=\"md5\"}", 2 });
}

#define DOCKER "id=\"/system.slice/docker-3f4a9c0d1e2b5768a9b0c1d2e3f405162738495a6b7c8d9e0f1a2b3c4d5e6f70.scope\",image=\"registry.example/web:1.4\""
#define A1 "a1a1a1a1a1a1a1a1"
#define PODMAN "{id=\"/machine.slice/libpod-" A1 A1 A1 A1 ".scope\",image=\"localhost/api:latest\",name=\"api\"}"
#define B2 "b2b2b2b2b2b2b2b2"
#define POD "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1234.slice/cri-containerd-" B2 B2 B2 B2 ".scope"

TEST(host_containers_have_cadvisors_names_and_the_names_their_engine_gave)
{
    CHECK_FIXTURE({ "container_cpu_usage_seconds_total{cpu=\"total\"," DOCKER ",name=\"web\"}", 12.5 },
                  { "container_cpu_cfs_throttled_seconds_total{" DOCKER ",name=\"web\"}", 0.35 },
                  { "container_cpu_cfs_throttled_periods_total{" DOCKER ",name=\"web\"}", 7 },
                  { "container_spec_cpu_quota{" DOCKER ",name=\"web\"}", 150000 }, { "container_spec_cpu_period{" DOCKER ",name=\"web\"}", 100000 },
                  { "container_spec_cpu_shares{" DOCKER ",name=\"web\"}", 2597 },
                  { "container_memory_usage_bytes{" DOCKER ",name=\"web\"}", 300000000 },
                  { "container_memory_working_set_bytes{" DOCKER ",name=\"web\"}", 240000000 },
                  { "container_memory_rss{" DOCKER ",name=\"web\"}", 180000000 }, { "container_memory_cache{" DOCKER ",name=\"web\"}", 110000000 },
                  { "container_spec_memory_limit_bytes{" DOCKER ",name=\"web\"}", 536870912 },
                  { "container_spec_memory_swap_limit_bytes{" DOCKER ",name=\"web\"}", 0 },
                  { "container_oom_events_total{" DOCKER ",name=\"web\"}", 2 },
                  { "container_memory_failures_total{failure_type=\"pgmajfault\"," DOCKER ",name=\"web\"}", 12 },
                  { "container_fs_reads_bytes_total{device=\"/dev/sda\"," DOCKER ",name=\"web\"}", 1048576 },
                  { "container_fs_writes_bytes_total{device=\"/dev/sda\"," DOCKER ",name=\"web\"}", 2097152 },
                  { "container_processes{" DOCKER ",name=\"web\"}", 2 }, { "container_threads{" DOCKER ",name=\"web\"}", 10 },
                  { "container_last_seen{" DOCKER ",name=\"web\"}", 1700000500 },
                  { "container_start_time_seconds{" DOCKER ",name=\"web\"}", 1700000020 });
    CHECK_FIXTURE({ "container_memory_working_set_bytes" PODMAN, 0 }, { "container_processes" PODMAN, 1 },
                  { "container_spec_memory_limit_bytes" PODMAN, 0 },
                  { "container_cpu_usage_seconds_total{container=\"cart\",cpu=\"total\",id=\"" POD
                    "\",name=\"cart\",namespace=\"shop\",pod=\"cart-7d9f\"}", 1 },
                  { "container_cpu_usage_seconds_total{cpu=\"total\",id=\"/lxc.payload.box\",name=\"box\"}", 3 },
                  { "container_cpu_usage_seconds_total{cpu=\"total\",id=\"/machine.slice/systemd-nspawn@deb.service\",name=\"deb\"}", 5 });
}

TEST(host_containers_have_the_network_of_their_own_namespace_alone)
{
    CHECK_FIXTURE({ "container_network_receive_bytes_total{" DOCKER ",interface=\"eth0\",name=\"web\"}", 5000000 },
                  { "container_network_transmit_packets_dropped_total{" DOCKER ",interface=\"eth0\",name=\"web\"}", 4 });
    struct batch *b = fixture();
    for (size_t i = 0; i < b->series_count; i++)
        if (slice_starts(labels_get(b->series[i].labels, SLICE("__name__")), SLICE("container_network_")))
            CHECK_STR(labels_get(b->series[i].labels, SLICE("name")), "web"); /* the pod's first process is the host's */
    batch_drop(b);
}

TEST(host_cgroups_that_are_no_containers_are_left_out)
{
    static const struct slice left_out[] = { SLICE_INIT("nginx.service"), SLICE_INIT("libpod-conmon"), SLICE_INIT("lxc.monitor"),
                                             SLICE_INIT("session-2.scope") };
    struct batch *b = fixture();
    for (size_t i = 0; i < COUNT_OF(left_out); i++)
        CHECK(!has_name_with(b, left_out[i]));
    batch_drop(b);
}

TEST(host_processes_are_grouped_by_command_even_with_brackets_in_it)
{
    CHECK_FIXTURE({ "node_processes_pids", 4 }, { "node_processes_threads", 12 }, { "node_processes_state{state=\"Z\"}", 1 },
                  { "node_processes_max_processes", 32768 }, { "namedprocess_namegroup_num_procs{groupname=\"web (old) srv\"}", 2 },
                  { "namedprocess_namegroup_cpu_seconds_total{groupname=\"web (old) srv\",mode=\"user\"}", 31 },
                  { "namedprocess_namegroup_cpu_seconds_total{groupname=\"web (old) srv\",mode=\"system\"}", 5.5 },
                  { "namedprocess_namegroup_memory_bytes{groupname=\"web (old) srv\",memtype=\"virtual\"}", 500000000 },
                  { "namedprocess_namegroup_memory_bytes{groupname=\"web (old) srv\",memtype=\"swapped\"}", 20 * 1024 },
                  { "namedprocess_namegroup_num_threads{groupname=\"web (old) srv\"}", 10 },
                  { "namedprocess_namegroup_states{groupname=\"web (old) srv\",state=\"Waiting\"}", 1 },
                  { "namedprocess_namegroup_states{groupname=\"web (old) srv\",state=\"Running\"}", 1 },
                  { "namedprocess_namegroup_open_filedesc{groupname=\"web (old) srv\"}", 5 },
                  { "namedprocess_namegroup_worst_fd_ratio{groupname=\"web (old) srv\"}", 0.5 },
                  { "namedprocess_namegroup_read_bytes_total{groupname=\"web (old) srv\"}", 5096 },
                  { "namedprocess_namegroup_write_bytes_total{groupname=\"web (old) srv\"}", 10192 },
                  { "namedprocess_namegroup_major_page_faults_total{groupname=\"web (old) srv\"}", 8 },
                  { "namedprocess_namegroup_context_switches_total{ctxswitchtype=\"voluntary\",groupname=\"web (old) srv\"}", 10 },
                  { "namedprocess_namegroup_oldest_start_time_seconds{groupname=\"web (old) srv\"}", 1700000020 });
}

TEST(host_shows_only_the_top_groups)
{
    struct batch *b = collected(FIXTURE "/proc", FIXTURE "/sys", FIXTURE "/root", 1);
    CHECK(!isnan(value_of(b, "namedprocess_namegroup_num_procs{groupname=\"web (old) srv\"}")));
    CHECK(isnan(value_of(b, "namedprocess_namegroup_num_procs{groupname=\"init\"}")));
    CHECK_NEAR(value_of(b, "node_processes_pids"), 4, 0);
    batch_drop(b);
}

TEST(host_says_which_families_a_machine_has)
{
    CHECK_FIXTURE({ "node_scrape_collector_success{collector=\"meminfo\"}", 1 }, { "node_scrape_collector_success{collector=\"nvme\"}", 0 },
                  { "node_scrape_collector_duration_seconds{collector=\"meminfo\"}", 0 });
}

TEST(host_reads_this_machine)
{
    struct batch *b = collected("/proc", "/sys", "/", 20);
    CHECK(value_of(b, "node_memory_MemTotal_bytes") > 0);
    CHECK(value_of(b, "node_processes_pids") >= 1);
    CHECK(has_name_with(b, SLICE("node_cpu_seconds_total")));
    CHECK(has_name_with(b, SLICE("namedprocess_namegroup_num_procs")));
    batch_drop(b);
}

/* ---- Rounds ---- */

struct sink {
    struct mutex mutex;
    struct cond changed;
    struct batch *last;
    size_t rounds, done;
    bool refuse;
};

static enum status sink_append(void *arg, struct batch *b, struct err *err)
{
    struct sink *s = arg;
    mutex_lock(&s->mutex);
    bool refuse = s->refuse;
    if (!refuse) {
        batch_drop(s->last);
        s->last = b;
        s->rounds++;
    }
    cond_broadcast(&s->changed);
    mutex_unlock(&s->mutex);
    if (!refuse)
        return ST_OK;
    batch_drop(b);
    return err_set(err, ST_FULL, "no room");
}

static void sink_done(void *arg, const char *job, int64_t start_ns, int64_t ns, enum status st, const char *error)
{
    struct sink *s = arg;
    mutex_lock(&s->mutex);
    s->done++;
    CHECK((st == ST_OK) == (error[0] == 0));
    cond_broadcast(&s->changed);
    mutex_unlock(&s->mutex);
}

/* A batch of a round that began after now. */
static struct batch *next_round(struct sink *s)
{
    mutex_lock(&s->mutex);
    size_t wanted = s->rounds + 2;
    while (s->rounds < wanted)
        cond_wait(&s->changed, &s->mutex);
    struct batch *b = batch_take(s->last);
    mutex_unlock(&s->mutex);
    return b;
}

static void write_file(const char *dir, const char *name, const char *text)
{
    char path[512], tmp[520];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    snprintf(tmp, sizeof tmp, "%s.new", path);
    FILE *f = fopen(tmp, "w");
    CHECK(f != NULL);
    fputs(text, f);
    fclose(f);
    CHECK(rename(tmp, path) == 0);
}

static void make_dir(const char *dir, const char *name)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    CHECK(mkdir(path, 0700) == 0);
}

static void process_write(const char *dir, int pid, int ticks)
{
    char name[64], text[256];
    snprintf(name, sizeof name, "%d/stat", pid);
    snprintf(text, sizeof text, "%d (job) R 1 1 1 0 -1 0 0 0 0 0 %d 0 0 0 20 0 1 0 %d 1000 10 0\n", pid, ticks, pid);
    write_file(dir, name, text);
}

static struct host_collector *start(struct sink *s, const char *proc)
{
    static struct log quiet = { .fd = -1 };
    quiet.clock = clock_real();
    mutex_init(&s->mutex);
    cond_init(&s->changed);
    struct collect_env env = { .clock = clock_real(), .fs = fs_real(), .log = &quiet, .instance = SLICE("heron"), .arg = s,
                               .append = sink_append, .job_done = sink_done };
    struct host_options opt = { 100 * NS_MS, slice_str(proc), SLICE(FIXTURE "/sys"), SLICE(FIXTURE "/root"), 5 };
    struct host_collector *h = NULL;
    struct err err;
    CHECK(host_start(&h, &env, &opt, &err) == ST_OK);
    return h;
}

TEST(host_counters_of_a_group_do_not_fall_when_a_process_ends)
{
    static const char cpu[] = "namedprocess_namegroup_cpu_seconds_total{groupname=\"job\",mode=\"user\"}";
    struct sink s = { 0 };
    const char *dir = unit_dir();
    make_dir(dir, "10");
    make_dir(dir, "11");
    process_write(dir, 10, 500);
    process_write(dir, 11, 70000);
    struct host_collector *h = start(&s, dir);
    struct batch *b = next_round(&s);
    CHECK_NEAR(value_of(b, cpu), 0, 0); /* what was before us is not ours */
    batch_drop(b);
    process_write(dir, 10, 800);
    b = next_round(&s);
    CHECK_NEAR(value_of(b, cpu), 3, 1e-9);
    batch_drop(b);
    write_file(dir, "11/stat", "");
    b = next_round(&s);
    CHECK_NEAR(value_of(b, cpu), 3, 1e-9);
    batch_drop(b);
    make_dir(dir, "12");
    process_write(dir, 12, 250); /* started since: all of its time is new */
    b = next_round(&s);
    CHECK_NEAR(value_of(b, cpu), 5.5, 1e-9);
    batch_drop(b);
    host_stop(h);
    batch_drop(s.last);
}

TEST(host_series_that_vanish_end_with_a_stale_marker)
{
    struct sink s = { 0 };
    const char *dir = unit_dir();
    write_file(dir, "loadavg", "1 2 3 1/2 3\n");
    struct host_collector *h = start(&s, dir);
    batch_drop(next_round(&s));
    mutex_lock(&s.mutex);
    s.refuse = true; /* a round that is not stored ends nothing */
    mutex_unlock(&s.mutex);
    write_file(dir, "loadavg", "\n");
    mutex_lock(&s.mutex);
    for (size_t wanted = s.done + 2; s.done < wanted;)
        cond_wait(&s.changed, &s.mutex);
    s.refuse = false;
    size_t wanted = s.rounds + 1;
    while (s.rounds < wanted)
        cond_wait(&s.changed, &s.mutex);
    CHECK(is_stale(value_of(s.last, "node_load1")));
    mutex_unlock(&s.mutex);
    host_stop(h);
    batch_drop(s.last);
}

TEST(host_asks_file_systems_of_the_network_by_a_thread_of_their_own)
{
    struct sink s = { 0 };
    struct host_collector *h = start(&s, FIXTURE "/proc");
    struct batch *b = next_round(&s);
    CHECK(value_of(b, "node_filesystem_size_bytes{device=\"far:/data\",fstype=\"fuse.made-up\",mountpoint=\"/srv\"}") > 0);
    CHECK(value_of(b, "node_filesystem_size_bytes{device=\"/dev/sda1\",fstype=\"ext4\",mountpoint=\"/\"}") > 0);
    batch_drop(b);
    host_stop(h);
    batch_drop(s.last);
}

TEST(host_refuses_an_interval_that_is_too_short)
{
    struct collect_env env = { .clock = clock_real(), .fs = fs_real() };
    struct host_options opt = { NS_MS, SLICE("/proc"), SLICE("/sys"), SLICE("/"), 5 };
    struct host_collector *h = NULL;
    struct err err;
    CHECK(host_start(&h, &env, &opt, &err) == ST_INVALID);
    CHECK(h == NULL);
}
