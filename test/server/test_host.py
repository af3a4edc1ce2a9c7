# SPDX-License-Identifier: Apache-2.0
"""The host metrics of this machine beside those of Debian's prometheus-node-exporter: families, types, label names, and the
values that do not move. What is not served, or differs, is listed here with the reason."""
import os
import re
import socket
import subprocess
import sys
import time
import urllib.request

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402

EXPORTER = harness.ROOT / "build" / "peers" / "prometheus-node-exporter" / "usr" / "bin" / "prometheus-node-exporter"

# Families of the exporter that are not served.
NOT_SERVED = {
    r"node_exporter_build_info": "describes the exporter itself",
    r"node_textfile_.*": "files of metrics are taken by push or scrape",
    r"node_systemd_.*": "off unless turned on in the exporter's own defaults; Debian turns it on; units are in the journal",
    r"node_processes_threads_state": "needs a look at every thread of every process each round",
    r"node_network_speed_bytes": "left out for devices that do not know their speed, where this version of the exporter gives a negative number",
    r"node_(zfs|xfs|btrfs|bcache|nfs|nfsd|infiniband|fibrechannel|tapestats?|bonding|edac|ipvs|drbd)_.*": "storage and fabric of few machines",
    r"node_disk_(ata|device_mapper)_.*": "needs more of the udev database than a disk's name",
    r"node_cooling_device_.*|node_power_supply_.*|node_rapl_.*|node_hwmon_.*": "which of them exist depends on right and driver; units are tested on a fixture",
}
# Families the exporter of another version does not have.
NOT_THERE = {
    r"node_pressure_irq_stalled_seconds_total": "newer exporters and kernels",
    r"node_softnet_(cpu_collision|received_rps|flow_limit_count)_total|node_softnet_backlog_len": "newer exporters",
    r"node_netstat_TcpExt_(TCPOFOQueue|TCPRcvQDrop)": "newer exporters",
    r"node_network_speed_bytes": "see NOT_SERVED",
    r"node_md_.*|node_hwmon_.*|node_rapl_.*|node_power_supply_.*|node_disk_filesystem_info": "depends on hardware and version",
}
# Values that stand still while both look.
CONSTANT = ["node_memory_MemTotal_bytes", "node_memory_SwapTotal_bytes", "node_boot_time_seconds", "node_uname_info", "node_os_info",
            "node_os_version", "node_filesystem_size_bytes", "node_filesystem_files", "node_filesystem_readonly", "node_disk_info",
            "node_network_mtu_bytes", "node_network_flags", "node_network_up", "node_network_info", "node_filefd_maximum",
            "node_entropy_pool_size_bits", "node_nf_conntrack_entries_limit", "node_time_zone_offset_seconds",
            "node_time_clocksource_current_info", "node_selinux_enabled", "node_dmi_info"]
# Counters that have grown a little at most: within this share of the exporter's, or this much.
MOVING = ["node_cpu_seconds_total", "node_context_switches_total", "node_forks_total", "node_disk_read_bytes_total",
          "node_disk_written_bytes_total", "node_disk_io_time_seconds_total", "node_network_receive_bytes_total",
          "node_filesystem_avail_bytes", "node_vmstat_pgfault"]
CONFIG = "host:\n  interval: 1s\nlogs:\n  journal: false\n  files: []\nself:\n  enabled: false\n"


def matches(name, patterns):
    return any(re.fullmatch(p, name) for p in patterns)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def unescape(text):
    return text.replace("\\\\", "\0").replace('\\"', '"').replace("\\n", "\n").replace("\0", "\\")


def read_page(text):
    """A page of text exposition: {name: {labels as a frozenset of pairs: value}} and {name: type}."""
    series, types = {}, {}
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            types[name] = kind
        m = re.fullmatch(r"(node_\w+)(?:\{(.*)\})? (\S+)", line)
        if m:
            pairs = re.findall(r'(\w+)="((?:\\.|[^"\\])*)"', m[2] or "")
            labels = frozenset((k, unescape(v)) for k, v in pairs if v)
            series.setdefault(m[1], {})[labels] = float(m[3])
    return series, types


def exporter_page():
    if subprocess.run([str(harness.ROOT / "tools" / "peers.sh"), "prometheus-node-exporter"], capture_output=True).returncode:
        return None
    port = free_port()
    command = [str(EXPORTER), f"--web.listen-address=127.0.0.1:{port}", "--collector.processes",
               # Debian leaves out more by default than the exporter itself does.
               "--collector.filesystem.mount-points-exclude=^/(dev|proc|run/credentials/.+|sys|var/lib/docker/.+|var/lib/containers/storage/.+)($|/)",
               "--collector.netdev.device-exclude=^$", "--no-collector.systemd"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(100):
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=20) as reply:
                    return reply.read().decode()
            except OSError:
                time.sleep(0.1)
        raise AssertionError("the exporter did not answer within 10 s")
    finally:
        process.kill()
        process.wait()


class Host(harness.Case):
    @classmethod
    def setUpClass(cls):
        cls.stoa = harness.Server(quiet=False, config=CONFIG)
        try:
            deadline = time.monotonic() + 30
            while not cls.stoa.query('node_time_seconds{job="node"}'):
                assert time.monotonic() < deadline, "no host metrics within 30 s"
                time.sleep(0.2)
            page = exporter_page()
            # A round that began after the exporter answered.
            asked = time.time()
            while float(cls.stoa.query("node_time_seconds")[0]["value"][1]) < asked:
                assert time.monotonic() < deadline + 30, "no later round of host metrics"
                time.sleep(0.2)
            cls.theirs, cls.their_types = read_page(page) if page else (None, None)
            cls.ours = {}
            for s in cls.stoa.query('{job="node"}'):
                labels = dict(s["metric"])
                name = labels.pop("__name__")
                assert labels.pop("job") == "node" and labels.pop("instance"), s
                cls.ours.setdefault(name, {})[frozenset(labels.items())] = float(s["value"][1])
        except BaseException:
            cls.stoa.close()
            raise

    @classmethod
    def tearDownClass(cls):
        cls.stoa.close()

    def need_exporter(self):
        if self.theirs is None:
            self.skipTest("the package prometheus-node-exporter cannot be had")

    def test_every_family_of_the_exporter_is_served(self):
        self.need_exporter()
        missing = sorted(n for n in self.theirs if n not in self.ours and not matches(n, NOT_SERVED))
        self.assertEqual(missing, [])

    def test_no_family_has_a_name_of_our_own(self):
        self.need_exporter()
        extra = sorted(n for n in self.ours if n.startswith("node_") and n not in self.theirs and not matches(n, NOT_THERE))
        self.assertEqual(extra, [])

    def test_label_names_are_the_exporters(self):
        self.need_exporter()
        for name in sorted(set(self.theirs) & set(self.ours)):
            with self.subTest(name):
                theirs = {k for labels in self.theirs[name] for k, _ in labels}
                self.assertEqual({k for labels in self.ours[name] for k, _ in labels}, theirs)

    def test_types_are_the_exporters(self):
        self.need_exporter()
        ours = self.stoa.get("/api/v1/metadata").json["data"]
        for name in sorted(set(self.theirs) & set(self.ours)):
            with self.subTest(name):
                want = self.their_types[name].replace("untyped", "unknown")
                self.assertEqual([m["type"] for m in ours.get(name, [])], [want])

    def test_values_that_stand_still_are_equal(self):
        self.need_exporter()
        for name in CONSTANT:
            with self.subTest(name):
                self.assertEqual(self.ours.get(name), self.theirs.get(name))

    def test_values_that_move_are_near(self):
        self.need_exporter()
        for name in MOVING:
            with self.subTest(name):
                self.assertEqual(set(self.ours.get(name, {})), set(self.theirs.get(name, {})))
                for labels, theirs in self.theirs.get(name, {}).items():
                    ours = self.ours[name][labels]
                    # A unit that is wrong is off by 8, 100, 512 or 1000; what moves in a few seconds is far less.
                    self.assertLessEqual(abs(ours - theirs), max(2 * abs(theirs), 60 if "seconds" in name else 1 << 32), labels)

    def test_a_rate_of_idle_cpu_is_a_share(self):
        n = len({dict(k)["cpu"] for k in self.ours["node_cpu_seconds_total"]})
        query = 'sum(rate(node_cpu_seconds_total{job="node"}[1m]))'
        got = self.eventually(lambda: self.stoa.query(query), what="a rate of CPU time")
        self.assertGreater(float(got[0]["value"][1]), 0)
        self.assertLess(float(got[0]["value"][1]), 2 * n)

    def test_the_server_finds_itself_among_the_processes(self):
        found = self.eventually(lambda: self.stoa.query('namedprocess_namegroup_memory_bytes{memtype="resident"}'), what="a group of processes")
        self.assertGreater(len(found), 0)
        groups = {s["metric"]["groupname"] for s in self.stoa.query("namedprocess_namegroup_num_procs")}
        self.assertEqual({s["metric"]["groupname"] for s in found}, groups)
        self.assertLessEqual(len(groups), 40)

    def test_a_tree_of_files_can_stand_for_the_machine(self):
        tree = harness.ROOT / "test" / "fixtures" / "host"
        paths = f"  paths:\n    proc: {tree}/proc\n    sys: {tree}/sys\n    rootfs: {tree}/root\n"
        s = self.server(quiet=False, config=CONFIG.replace("  interval: 1s\n", "  interval: 1s\n" + paths))
        got = self.eventually(lambda: s.query("node_memory_MemTotal_bytes"), what="the fixture's memory")
        self.assertEqual(float(got[0]["value"][1]), 2048000 * 1024)
        self.assertEqual(s.query("node_uname_info")[0]["metric"]["nodename"], "heron")


if __name__ == "__main__":
    harness.main()
