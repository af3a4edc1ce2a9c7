# SPDX-License-Identifier: Apache-2.0
"""The servers the benchmark runs: how each is started, settled and measured. What is measured is the server's process
alone: user and system time and the peak of its memory from /proc."""
import http.client
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import time
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parent.parent
WORK = ROOT / "build" / "bench"
BINARY = pathlib.Path(os.environ.get("STOA", ROOT / "build" / "stoa")).absolute()
TICKS = os.sysconf("SC_CLK_TCK")
READY_SECONDS_MAX = 60
STOP_SECONDS_MAX = 60
QUIET_SECONDS_MAX = 60  # background work after a load is waited for this long
QUIET_SHARE = 0.03      # of a core: less is quiet


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def tree_bytes(path):
    return sum(f.stat().st_size for f in pathlib.Path(path).rglob("*") if f.is_file() and not f.is_symlink())


class Server:
    name = ""
    query_params = {}

    def __init__(self, tag):
        self.data = WORK / f"data-{self.name}-{tag}"
        shutil.rmtree(self.data, ignore_errors=True)
        self.data.mkdir(parents=True)
        self.port = free_port()
        self.log = open(WORK / f"{self.name}-{tag}.log", "wb")
        self.process = None
        self.start()

    def start(self):
        began = time.monotonic()
        self.process = subprocess.Popen(self.command(), stdout=self.log, stderr=self.log, cwd=self.data)
        while True:
            try:
                if self.request("GET", self.ready_path, timeout=2)[0] == 200:
                    break
            except OSError:
                pass
            if self.process.poll() is not None or time.monotonic() - began > READY_SECONDS_MAX:
                raise SystemExit(f"bench: {self.name} did not get ready, see {self.log.name}")
            time.sleep(0.005)
        self.ready_ms = (time.monotonic() - began) * 1000

    def request(self, method, path, params=None, timeout=600):
        if params:
            path += "?" + urllib.parse.urlencode(params)
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            c.request(method, path)
            r = c.getresponse()
            return r.status, r.read()
        except http.client.HTTPException as e:
            raise OSError(str(e)) from e
        finally:
            c.close()

    def cpu_s(self):
        """User and system time of the process so far."""
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def cpu_now_s(self):
        """As cpu_s, of the threads that live, to the nanosecond: for short work."""
        total = 0
        for task in pathlib.Path(f"/proc/{self.process.pid}/task").iterdir():
            try:
                total += int((task / "schedstat").read_text().split()[0])
            except OSError:
                pass
        return total / 1e9

    def memory_mb(self, which="VmHWM"):
        text = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(rf"{which}:\s+(\d+) kB", text)[1]) / 1024

    def quiet(self):
        """Waits until background work has ended."""
        deadline = time.monotonic() + QUIET_SECONDS_MAX
        while time.monotonic() < deadline:
            before = self.cpu_s()
            time.sleep(1)
            if self.cpu_s() - before <= QUIET_SHARE:
                return

    def settle(self):
        """Everything flushed and merged, as far as the server can be asked to."""

    def disk_bytes(self):
        return tree_bytes(self.data)

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(STOP_SECONDS_MAX)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.log.close()

    def evict(self):
        """Lets the system forget what it holds of the data folder's files in memory."""
        for f in pathlib.Path(self.data).rglob("*"):
            if f.is_file():
                fd = os.open(f, os.O_RDONLY)
                os.fsync(fd)
                os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
                os.close(fd)

    def restart(self, cold=False):
        self.stop()
        if cold:
            self.evict()
        self.log = open(self.log.name, "ab")
        self.start()

    def close(self):
        self.stop()
        shutil.rmtree(self.data, ignore_errors=True)


class Stoa(Server):
    name = "stoa"
    ready_path = "/-/ready"

    def command(self):
        quiet = self.data / "quiet.yml"
        quiet.write_text("host:\n  enabled: false\nlogs:\n  journal: false\n  files: []\nself:\n  enabled: false\n")
        return [str(BINARY), "serve", "--config", str(quiet), "--data", str(self.data / "store"), "--listen",
                f"127.0.0.1:{self.port}"]

    def settle(self):
        for what in ("flush", "merge"):
            status, body = self.request("POST", f"/api/stoa/v1/{what}")
            if status not in (200, 204):
                raise SystemExit(f"bench: stoa {what}: {status} {body[:200]}")

    def disk_bytes(self):
        return tree_bytes(self.data / "store")


class Prometheus(Server):
    name = "prometheus"
    ready_path = "/-/ready"

    def command(self):
        config = self.data / "prometheus.yml"
        config.write_text("global:\n  scrape_interval: 1h\n")
        return [str(ROOT / "build/peers/prometheus/usr/bin/prometheus"), f"--config.file={config}", f"--storage.tsdb.path={self.data}/store",
                f"--web.listen-address=127.0.0.1:{self.port}", "--web.enable-remote-write-receiver", "--web.enable-admin-api", "--log.level=warn"]

    def settle(self):
        """A snapshot writes the head as a block: its settled form, without the write-ahead log."""
        status, body = self.request("POST", "/api/v1/admin/tsdb/snapshot")
        if status != 200:
            raise SystemExit(f"bench: prometheus snapshot: {status} {body[:200]}")

    def disk_bytes(self):
        return tree_bytes(self.data / "store" / "snapshots")


class Victoria(Server):
    name = "victoria-metrics"
    ready_path = "/health"
    query_params = {"nocache": "1"}

    def command(self):
        binary = next(p for p in (ROOT / "build/peers/victoria-metrics/usr/bin").iterdir() if p.name == "victoria-metrics")
        return [str(binary), f"-storageDataPath={self.data}/store", f"-httpListenAddr=127.0.0.1:{self.port}", "-loggerLevel=WARN",
                "-search.disableCache"]

    def settle(self):
        self.request("GET", "/internal/force_flush")
        self.request("GET", "/internal/force_merge")
        time.sleep(2)
        self.quiet()

    def disk_bytes(self):
        return tree_bytes(self.data / "store")


PEERS = {"prometheus": Prometheus, "victoria-metrics": Victoria}
