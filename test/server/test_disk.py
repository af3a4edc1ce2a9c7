# SPDX-License-Identifier: Apache-2.0
"""A slow disk, a full disk, and datagrams that come while nobody reads: logs that were acknowledged are there, once; what cannot
be taken is told or counted. The disk's faults come from test/server/shim/disk.c."""
import collections
import json
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time
import unittest

import harness

SHIM = harness.ROOT / "test" / "server" / "shim" / "disk.c"
LINES, LINE_BYTES = 200, 400


def is_sanitized():
    with open(harness.BINARY, "rb") as f:
        return b"__asan_init" in f.read() or b"__tsan_init" in f.read()


class Disk:
    """The two numbers of the shim."""

    def __init__(self, folder):
        self.path = os.path.join(folder, "control")
        self.root = os.path.join(folder, "data")
        self.shim = os.path.join(folder, "disk.so")
        os.mkdir(self.root)
        subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", self.shim, str(SHIM), "-ldl"], check=True)
        self.be()

    def be(self, sync_ms=0, room=-1):
        with open(self.path, "r+b" if os.path.exists(self.path) else "wb") as f:
            f.write(struct.pack("<qq", sync_ms, room))

    def env(self):
        return {"LD_PRELOAD": self.shim, "STOA_TEST_DISK": self.path, "STOA_TEST_DISK_ROOT": self.root}


class Logs:
    """Requests of numbered lines; remembers which were acknowledged."""

    def __init__(self, server):
        self.server = server
        self.acked, self.sent = set(), set()
        self.refused = collections.Counter()
        self.lock = threading.Lock()

    def send(self, n, timeout=60):
        now = time.time_ns()
        values = [[str(now + i), f"request {n} row {i} ".ljust(LINE_BYTES, "x"), {"order": f"{n}-{i}"}] for i in range(LINES)]
        with self.lock:
            self.sent.add(n)
        r = self.server.post_json("/loki/api/v1/push", {"streams": [{"stream": {"app": "disk"}, "values": values}]}, timeout=timeout)
        with self.lock:
            if r.status == 204:
                self.acked.add(n)
            else:
                self.refused[r.status] += 1
        return r

    def found(self):
        """Of each request its rows in the order they are read, oldest first."""
        rows = collections.defaultdict(list)
        start = time.time_ns() - 3600 * 10**9
        for n in self.sent:
            for stream in self.server.logs(f'{{app="disk"}} |= "request {n} row "', start=start, limit=5000, direction="forward"):
                for t, line in stream["values"]:
                    rows[n].append((int(t), int(line.split()[3]), stream["stream"].get("order")))
        return rows


@unittest.skipIf(shutil.which("cc") is None or is_sanitized(), "needs a compiler, and a program without sanitizers")
class DiskFaults(harness.Case):
    def start(self, config="", **disk):
        folder = tempfile.mkdtemp(prefix="stoa-disk-")
        self.addCleanup(shutil.rmtree, folder, True)
        self.disk = Disk(folder)
        self.disk.be(**disk)
        s = self.server(data=self.disk.root, config=config, env=self.disk.env())
        return s, Logs(s)

    def metric(self, s, name):
        return sum(float(v) for v in re.findall(rf"^{re.escape(name)}(?:{{[^}}]*}})? (\S+)$", s.get("/metrics", timeout=5).text, re.M))

    def check(self, logs):
        rows = logs.found()
        for n in logs.sent:
            found = sorted(rows.get(n, []))
            if n in logs.acked or found:
                self.assertEqual([(k, order) for _, k, order in found], [(i, f"{n}-{i}") for i in range(LINES)],
                                 f"request {n}, acknowledged: {n in logs.acked}")

    # ---- slow ----

    def test_a_slow_disk_delays_answers_and_nothing_else(self):
        s, logs = self.start(config="store: {bytes_in_flight: 2MiB}\n")
        for n in range(3):
            self.assertEqual(logs.send(n).status, 204)
        before = {name: self.metric(s, name) for name in ("stoa_store_commit_seconds_total", "process_resident_memory_bytes")}
        self.disk.be(sync_ms=2500)
        began = time.monotonic()
        threads = [threading.Thread(target=logs.send, args=(n,)) for n in range(3, 63)]
        for t in threads:
            t.start()
        queued = 0
        while any(t.is_alive() for t in threads):
            asked = time.monotonic()
            queued = max(queued, self.metric(s, "stoa_store_append_queue_bytes"))
            self.assertTrue(s.logs('{app="disk"} |= "request 1 row 7 "'))
            self.assertLess(time.monotonic() - asked, 5, "reading waits for nobody's sync")
            if time.monotonic() - began > 60:
                self.fail("requests hang")
        took = time.monotonic() - began
        self.disk.be()
        self.assertGreater(took, 2)
        self.assertGreater(queued, 0, "what waits shows")
        self.assertGreater(self.metric(s, "stoa_store_commit_seconds_total") - before["stoa_store_commit_seconds_total"], 2, "a slow disk shows")
        self.assertGreater(logs.refused[503], 0, "what is in flight is bounded")
        self.assertEqual(set(logs.refused) - {503}, set())
        self.assertGreater(len(logs.acked), 4)
        grown = self.metric(s, "process_resident_memory_bytes") - before["process_resident_memory_bytes"]
        self.assertLess(grown, 200 << 20)
        self.assertEqual(logs.send(100).status, 204)
        self.check(logs)
        s.kill()
        s.start()
        self.check(logs)

    # ---- full ----

    def push_until_it_is_taken(self, logs, n):
        self.eventually(lambda: logs.send(n).status == 204 or None, seconds=20, what="space is noticed")

    def test_a_disk_that_is_full_in_the_log_refuses_and_recovers_by_itself(self):
        s, logs = self.start(config="store: {disk_refuse_ratio: 0, disk_warn_ratio: 0}\n")
        for n in range(5):
            self.assertEqual(logs.send(n).status, 204)
        self.disk.be(room=9000)
        statuses = [logs.send(n) for n in range(5, 12)]
        full = [r for r in statuses if r.status != 204]
        self.assertTrue(full)
        for r in full:
            self.assertEqual(r.status, 503, r.text)
            self.assertRegex(r.text, "space|disk|full")
            self.assertTrue(r.headers.get("Retry-After"), "a client knows when to come again")
        self.assertEqual(self.metric(s, "stoa_store_read_only"), 0)
        self.check(logs)
        self.disk.be()
        self.push_until_it_is_taken(logs, 50)
        self.check(logs)
        s.kill()
        s.start()
        self.check(logs)

    def test_a_disk_that_is_full_in_a_flush_or_a_merge_costs_nothing(self):
        s, logs = self.start(config="store: {disk_refuse_ratio: 0, disk_warn_ratio: 0}\n")
        number, failed = 0, collections.Counter()
        for room in (0, 100, 3000, 9000, 20000):
            for _ in range(2):
                for _ in range(3):
                    self.push_until_it_is_taken(logs, number)
                    number += 1
                self.assertEqual(s.post("/api/stoa/v1/flush").status, 200)
            self.push_until_it_is_taken(logs, number)
            number += 1
            for what in ("flush", "merge"):
                self.disk.be(room=room)
                r = s.post(f"/api/stoa/v1/{what}")
                if r.status != 200:
                    failed[what] += 1
                    self.assertEqual(r.status, 503, r.text)
                    self.assertRegex(r.text, "space|disk|full")
                self.check(logs)
                self.disk.be()
                r = self.eventually(lambda what=what: s.post(f"/api/stoa/v1/{what}").status == 200, what=f"{what} with space")
        self.assertTrue(failed["flush"] and failed["merge"], failed)
        self.check(logs)
        self.assertEqual(self.metric(s, "stoa_store_corrupt_blocks_total"), 0)
        s.kill()
        s.start()
        self.check(logs)

    def test_the_guard_refuses_before_the_disk_is_full(self):
        s, logs = self.start()
        self.assertEqual(logs.send(0).status, 204)
        self.disk.be(room=1 << 20)
        r = self.eventually(lambda: (lambda r: r if r.status != 204 else None)(logs.send(len(logs.sent))), what="the guard refuses")
        self.assertEqual(r.status, 503, r.text)
        self.assertIn("nearly full", r.text)
        self.assertEqual(self.metric(s, "stoa_store_disk_full"), 1)
        self.check(logs)
        self.disk.be()
        self.push_until_it_is_taken(logs, 1000)
        self.assertEqual(self.metric(s, "stoa_store_disk_full"), 0)
        self.check(logs)


class Datagrams(harness.Case):
    FLOOD = 40000

    def flood(self, s, port, text):
        os.kill(s.process.pid, signal.SIGSTOP)
        try:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as c:
                for i in range(self.FLOOD):
                    c.sendto(text(i), ("127.0.0.1", port))
        finally:
            os.kill(s.process.pid, signal.SIGCONT)

    def counted(self, s, taken_name, dropped_name):
        page = s.get("/metrics").text
        taken, dropped = (int(re.search(rf"^{name} (\d+)$", page, re.M)[1]) for name in (taken_name, dropped_name))
        return (taken, dropped) if taken + dropped == self.FLOOD else None

    def port(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as c:
            c.bind(("127.0.0.1", 0))
            return c.getsockname()[1]

    def test_syslog_counts_what_the_kernel_dropped_and_stores_the_rest(self):
        port = self.port()
        s = self.server(config=f"listeners:\n  - {{dialect: syslog, address: \"udp://127.0.0.1:{port}\"}}\n")
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        self.flood(s, port, lambda i: f"<13>1 {now} h flood - - - {i} {'x' * 400}".encode())
        names = ("stoa_syslog_datagrams_total", "stoa_syslog_datagrams_dropped_total")
        taken, dropped = self.eventually(lambda: self.counted(s, *names), what="each datagram is taken or counted as dropped")
        self.assertGreater(dropped, 0)
        self.assertGreater(taken, 100)

        def stored():
            r = s.get("/loki/api/v1/query", {"query": 'sum(count_over_time({service_name="flood"}[1h]))', "time": time.time() + 5}).json
            page = s.get("/metrics").text
            rejected = sum(int(x) for x in re.findall(r"^stoa_syslog_lines_rejected_total{.*} (\d+)$", page, re.M))
            return r["data"]["result"] and int(r["data"]["result"][0]["value"][1]) + rejected == taken
        self.eventually(stored, what="what was taken is stored or counted as rejected")

    def test_statsd_counts_what_the_kernel_dropped_and_adds_up_the_rest(self):
        port = self.port()
        s = self.server(config=f"listeners:\n  - {{dialect: statsd, address: \"udp://127.0.0.1:{port}\"}}\nstatsd:\n  flush_interval: 200ms\n")
        self.flood(s, port, lambda i: b"flood.hits:1|c|#padding:" + b"x" * 300)
        names = ("stoa_statsd_messages_total", "stoa_statsd_datagrams_dropped_total")
        taken, dropped = self.eventually(lambda: self.counted(s, *names), what="each datagram is taken or counted as dropped")
        self.assertGreater(dropped, 0)
        self.eventually(lambda: [float(x["value"][1]) for x in s.query("flood_hits")] == [taken], what="the count is of those taken")


if __name__ == "__main__":
    harness.main()
