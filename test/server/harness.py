# SPDX-License-Identifier: Apache-2.0
"""Runs the real binary on a free port with a folder of its own, and small HTTP helpers. Standard library only.

    class Test(harness.Case):
        def test_something(self):
            s = self.server()
            self.assertEqual(s.get("/-/healthy").status, 200)

A test file ends with `harness.main()`, which prints "N passed, N failed".
"""
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BINARY = os.environ.get("STOA", str(ROOT / "build" / "stoa"))
READY_SECONDS_MAX = 30


class Reply:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def text(self):
        return self.body.decode("utf-8", "replace")

    @property
    def json(self):
        return json.loads(self.body)


class Server:
    """One `stoa serve`. quiet: observes nothing by itself, so a test sees only what it sends."""

    def __init__(self, data=None, args=(), config=None, quiet=True, env=None):
        self.owned = data is None
        self.data = data or tempfile.mkdtemp(prefix="stoa-test-")
        self.args = list(args)
        self.env = dict(os.environ, **(env or {}))
        self.config = config
        self.quiet = quiet
        self.process = None
        self.log = []
        self.start()

    def start(self):
        command = [BINARY, "serve", "--data", self.data, "--listen", "127.0.0.1:0"]
        if self.quiet:
            path = os.path.join(self.data, "quiet.yml")
            os.makedirs(self.data, exist_ok=True)
            with open(path, "w") as f:
                f.write("host:\n  enabled: false\nlogs:\n  journal: false\n  files: []\nself:\n  enabled: false\n")
            command += ["--config", path]
        if self.config:
            path = os.path.join(self.data, "test.yml")
            with open(path, "w") as f:
                f.write(self.config)
            command += ["--config", path]
        self.process = subprocess.Popen(command + self.args, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, env=self.env, text=True,
                                        errors="replace")
        self.ready = threading.Event()
        self.port = None
        self.reader = threading.Thread(target=self._read, args=(self.process,), daemon=True)
        self.reader.start()
        deadline = time.monotonic() + READY_SECONDS_MAX
        while not self.ready.wait(0.05):
            if self.process.poll() is not None or time.monotonic() > deadline:
                if self.process.poll() is not None:
                    self.reader.join(READY_SECONDS_MAX)  # what it said last may still be on its way
                raise AssertionError("the server did not get ready:\n" + "".join(self.log))

    def _read(self, process):
        for line in process.stderr:
            self.log.append(line)
            m = re.search(r"stoa: ready on https?://[^:]+:(\d+) in", line)
            if m:
                self.port = int(m[1])
                self.ready.set()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def request(self, method, path, body=None, headers=None, timeout=60):
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            c.request(method, path, body=body, headers=headers or {})
            r = c.getresponse()
            return Reply(r.status, r.headers, r.read())
        finally:
            c.close()

    def get(self, path, params=None, **kw):
        if params:
            path += "?" + urllib.parse.urlencode(params, doseq=True)
        return self.request("GET", path, **kw)

    def post(self, path, body=b"", headers=None, **kw):
        return self.request("POST", path, body=body, headers=headers, **kw)

    def post_json(self, path, value, **kw):
        return self.post(path, json.dumps(value).encode(), {"Content-Type": "application/json"}, **kw)

    def query(self, text, at=None, **params):
        """Prometheus instant query: the result list, checked for success."""
        if at is not None:
            params["time"] = at
        r = self.get("/api/v1/query", dict(query=text, **params))
        assert r.status == 200, f"{r.status} {r.text}"
        return r.json["data"]["result"]

    def query_range(self, text, start, end, step, **params):
        r = self.get("/api/v1/query_range", dict(query=text, start=start, end=end, step=step, **params))
        assert r.status == 200, f"{r.status} {r.text}"
        return r.json["data"]["result"]

    def logs(self, text, start=None, end=None, **params):
        """Loki range query: the streams."""
        if start is not None:
            params["start"] = start
        if end is not None:
            params["end"] = end
        r = self.get("/loki/api/v1/query_range", dict(query=text, **params))
        assert r.status == 200, f"{r.status} {r.text}"
        return r.json["data"]["result"]

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.reader.join()
        self.process.stderr.close()

    def stop(self):
        """A clean stop; returns the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.kill()
                return self.process.returncode
            self.reader.join()
            self.process.stderr.close()
        return self.process.returncode

    def close(self):
        self.stop()
        if self.owned:
            shutil.rmtree(self.data, ignore_errors=True)


class Case(unittest.TestCase):
    def server(self, **kw):
        s = Server(**kw)
        self.addCleanup(s.close)
        return s

    def eventually(self, check, seconds=20, what="the condition"):
        """Calls check until it returns something true (and returns that); fails with the last exception or value."""
        deadline = time.monotonic() + seconds
        last = None
        while time.monotonic() < deadline:
            try:
                last = check()
                if last:
                    return last
            except (AssertionError, KeyError, IndexError, OSError) as e:
                last = e
            time.sleep(0.1)
        self.fail(f"{what} did not come true within {seconds} s; last: {last!r}")


# ---- small encoders, so that tests need no library ----

def varint(n):
    out = bytearray()
    n &= (1 << 64) - 1
    while n >= 0x80:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    out.append(n)
    return bytes(out)


def field(number, wire, payload):
    return varint(number << 3 | wire) + payload


def message(number, payload):
    return field(number, 2, varint(len(payload)) + payload)


def text_field(number, value):
    return message(number, value.encode() if isinstance(value, str) else value)


def double_field(number, value):
    import struct
    return field(number, 1, struct.pack("<d", value))


def snappy(data):
    """A valid snappy block made of literals only."""
    out = bytearray(varint(len(data)))
    for i in range(0, len(data), 60):
        piece = data[i:i + 60]
        out.append((len(piece) - 1) << 2)
        out += piece
    return bytes(out)


def write_request(series):
    """series: [(labels dict, [(t_ms, value), ...])] as a snappy remote write 1.0 body."""
    body = b""
    for labels, samples in series:
        one = b""
        for name in sorted(labels):
            one += message(1, text_field(1, name) + text_field(2, labels[name]))
        for t, v in samples:
            one += message(2, double_field(1, v) + field(2, 0, varint(t)))
        body += message(1, one)
    return snappy(body)


WRITE_HEADERS = {"Content-Type": "application/x-protobuf", "Content-Encoding": "snappy", "X-Prometheus-Remote-Write-Version": "0.1.0"}


def main():
    program = unittest.main(argv=sys.argv, exit=False, verbosity=1)
    r = program.result
    # A test with several failed parts is one failed test.
    bad = {getattr(t, "test_case", t).id() for t, _ in r.failures + r.errors} | {t.id() for t in r.unexpectedSuccesses}
    print(f"{max(r.testsRun - len(bad) - len(r.skipped), 0)} passed, {len(bad)} failed")
    sys.exit(1 if bad else 0)
