# SPDX-License-Identifier: Apache-2.0
"""`stoa import` and `stoa export`: blocks that Debian's promtool writes, text files, CSV, and on to a second server."""
import json
import math
import pathlib
import random
import socket
import struct
import subprocess
import tempfile
import time
import urllib.request

import harness
import test_native as native

PROMTOOL = harness.ROOT / "build" / "peers" / "prometheus" / "usr" / "bin" / "promtool"
HOUR = 3600


def stoa(*args, **kw):
    return subprocess.run([harness.BINARY, *args], capture_output=True, text=True, timeout=120, **kw)


def samples(hours=30):
    """Times and values of a few series over the last hours: counters with a reset, gauges with odd values, gaps."""
    rng, end = random.Random(3), int(time.time()) // 60 * 60
    out = {}
    for series in range(7):
        labels = {"__name__": f"demo_{'total' if series % 2 else 'ratio'}", "job": "shop", "path": f"/p\"{series}\\\n"}
        value, points = 0.0, []
        for t in range(end - hours * HOUR, end, 60):
            if rng.random() < 0.05:
                continue
            value = 0 if rng.random() < 0.002 else value + rng.randrange(9)
            points.append((t, value if series % 2 else rng.choice([0.1, -2.5e-7, 1e300, math.inf, rng.random()])))
        out[tuple(sorted(labels.items()))] = points
    return out


def quoted(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def open_metrics(data):
    """By time, as programs write it; promtool wants it so."""
    rows = []
    for labels, points in data.items():
        name = dict(labels)["__name__"]
        text = name + "{" + ",".join(f"{k}={quoted(v)}" for k, v in labels if k != "__name__") + "}"
        rows += [(t, f"{text} {'+Inf' if v == math.inf else repr(float(v))} {t}\n") for t, v in points]
    return "".join(text for _, text in sorted(rows)) + "# EOF\n"


class Import(harness.Case):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="stoa-import-")
        self.addCleanup(self.folder.cleanup)
        self.path = pathlib.Path(self.folder.name)

    def stored(self, server, selector='{job="shop"}', hours=40):
        result = server.query(f"{selector}[{hours}h]")
        return {tuple(sorted(s["metric"].items())): [(int(t), float(v)) for t, v in s["values"]] for s in result}

    def test_blocks_of_a_real_prometheus_come_in_whole_and_twice_is_once(self):
        if not PROMTOOL.exists():
            subprocess.run([str(harness.ROOT / "tools" / "peers.sh"), "prometheus"], check=True, capture_output=True)
        data, text, blocks = samples(), self.path / "in.txt", self.path / "blocks"
        text.write_text(open_metrics(data))
        made = subprocess.run([str(PROMTOOL), "tsdb", "create-blocks-from", "openmetrics", str(text), str(blocks)], capture_output=True, text=True)
        self.assertEqual(made.returncode, 0, made.stderr)
        s = self.server()
        for _ in range(2):
            r = stoa("import", "--url", s.url, "prometheus", str(blocks))
            self.assertEqual(r.returncode, 0, r.stderr)
            self.assertIn(f"{sum(map(len, data.values()))} samples of", r.stdout)
        self.assertEqual(self.stored(s), data)

    def test_native_histograms_of_blocks_come_in_as_if_they_had_been_sent(self):
        """Whole numbers with a growing layout and a negative side, and floats; a real prometheus puts them into a block."""
        end = int(time.time()) // 60 * 60
        times = [(end - HOUR + 15 * i) * 1000 for i in range(200)]
        rng, counts, whole, floats = random.Random(9), [1, 0, 2], [], []
        for i, t in enumerate(times):
            if i == 70:
                counts += [0, 0]
            counts = [c + rng.randrange(5) for c in counts] if i != 120 else [1] * len(counts)
            whole.append(native.histogram(t, list(counts), sum(counts) * 1.25, schema=2))
            n = i + 1  # 2.42 takes a float histogram without observations for one of whole numbers
            floats.append(b"".join([native.f_double(2, n * 1.5), native.f_double(3, -n / 3), native.f_sint(4, 1), native.f_double(5, 0.001), native.f_double(7, n * 0.5),
                                    native.spans(8, (-3, 1)), native.f_bytes(10, struct.pack("<d", n * 0.25)),
                                    native.spans(11, (0, 1), (4, 1)), native.f_bytes(13, struct.pack("<dd", n * 0.5, n * 0.25)),
                                    native.f_int(15, t)]))
        body = native.snappy(b"".join(native.f_bytes(1, *[native.f_bytes(1, native.f_bytes(1, n), native.f_bytes(2, v)) for n, v in (("__name__", name), ("job", "shop"))],
                                                     *[native.f_bytes(4, h) for h in list_]) for name, list_ in (("floats", floats), ("whole", whole))))
        peer = self.peer()
        for url in (peer.url, (sent := self.server()).url):
            try:
                urllib.request.urlopen(urllib.request.Request(url + "/api/v1/write", body, harness.WRITE_HEADERS), timeout=30).close()
            except urllib.error.HTTPError as e:
                self.fail(f"{url}: {e.code} {e.read()}")
        with urllib.request.urlopen(urllib.request.Request(peer.url + "/api/v1/admin/tsdb/snapshot", b"", method="POST"), timeout=60) as r:
            name = json.load(r)["data"]["name"]
        s = self.server()
        r = stoa("import", "--url", s.url, "prometheus", str(self.path / "peer" / "snapshots" / name))
        self.assertEqual(r.returncode, 0, r.stderr)
        for q in ("whole", "floats"):
            mine, theirs = ({h[0]: h[1] for h in x.query(f"{q}[2h]")[0]["histograms"]} for x in (s, sent))
            self.assertEqual(len(theirs), len(times))
            self.assertEqual(mine, theirs)

    def peer(self):
        if not PROMTOOL.exists():
            subprocess.run([str(harness.ROOT / "tools" / "peers.sh"), "prometheus"], check=True, capture_output=True)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        (self.path / "peer.yml").write_text("global: {scrape_interval: 1h}\n")
        p = subprocess.Popen([str(PROMTOOL.parent / "prometheus"), f"--config.file={self.path}/peer.yml", f"--storage.tsdb.path={self.path}/peer",
                              f"--web.listen-address=127.0.0.1:{port}", "--enable-feature=native-histograms", "--web.enable-remote-write-receiver",
                              "--web.enable-admin-api"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(p.wait)
        self.addCleanup(p.terminate)
        p.url = f"http://127.0.0.1:{port}"
        for _ in range(300):
            try:
                urllib.request.urlopen(p.url + "/-/ready", timeout=5).close()
                return p
            except OSError:
                time.sleep(0.1)
        self.fail("prometheus does not get ready")

    def test_a_damaged_block_is_named_and_ends_the_import(self):
        if not PROMTOOL.exists():
            subprocess.run([str(harness.ROOT / "tools" / "peers.sh"), "prometheus"], check=True, capture_output=True)
        text, blocks = self.path / "in.txt", self.path / "blocks"
        text.write_text(open_metrics(samples(1)))
        subprocess.run([str(PROMTOOL), "tsdb", "create-blocks-from", "openmetrics", str(text), str(blocks)], check=True, capture_output=True)
        chunks = next(blocks.glob("*/chunks/000001"))
        content = bytearray(chunks.read_bytes())
        content[len(content) // 2] ^= 4
        chunks.write_bytes(content)
        r = stoa("import", "--url", self.server().url, "prometheus", str(blocks))
        self.assertEqual(r.returncode, 1)
        self.assertIn("chunks/000001 at offset", r.stderr)
        self.assertIn("does not", r.stderr)
        empty = stoa("import", "--url", self.server().url, "prometheus", str(self.path))
        self.assertEqual(empty.returncode, 1)
        self.assertIn("no block of Prometheus", empty.stderr)

    def test_text_with_times_comes_in_with_labels_of_ones_own(self):
        data, text = samples(3), self.path / "in.txt"
        text.write_text(open_metrics(data))
        s = self.server()
        r = stoa("import", "--url", s.url, "--label", "site=north", "--label", "job=old", "openmetrics", str(text))
        self.assertEqual(r.returncode, 0, r.stderr)
        want = {tuple(sorted({**dict(k), "site": "north", "job": "old"}.items())): v for k, v in data.items()}
        self.assertEqual(self.stored(s, '{site="north"}'), want)
        text.write_text("a_total 1\n")
        r = stoa("import", "--url", s.url, "openmetrics", str(text))
        self.assertEqual((r.returncode, "line 1: a_total has no time" in r.stderr), (1, True), r.stderr)

    def test_csv_says_what_is_wrong_in_which_line(self):
        now, s, file = int(time.time()) - 60, self.server(), self.path / "in.csv"
        file.write_text(f'time,value,room,metric\n{now},1.5,"a ""b"", c",temperature\n{now * 1000 + 15000},2,,temperature\n\n')
        r = stoa("import", "--url", s.url, "csv", str(file))
        self.assertEqual(r.returncode, 0, r.stderr)
        got = self.stored(s, "temperature")
        self.assertEqual(got, {(("__name__", "temperature"), ("room", 'a "b", c')): [(now, 1.5)], (("__name__", "temperature"),): [(now + 15, 2.0)]})
        for text, error in (("time,value\n1,2\n", "--metric NAME"), ("time,value,metric\nyesterday,2,x\n", 'line 2: "yesterday" is no time'),
                            ("time,value,metric\n1,2\n", "line 2 has 2 columns, the first line has 3"), ("time,value,metric\n1,x,y\n", '"x" is no number')):
            file.write_text(text)
            r = stoa("import", "--url", s.url, "csv", str(file))
            self.assertEqual((r.returncode, error in r.stderr), (1, True), r.stderr)

    def test_what_is_older_than_the_retention_is_counted_and_left_out(self):
        s, file, now = self.server(), self.path / "in.csv", int(time.time())
        file.write_text(f"time,value\n{now - 400 * 24 * HOUR},1\n{now - 60},2\n")
        r = stoa("import", "--url", s.url, "csv", "--metric", "old", str(file))
        self.assertEqual(r.returncode, 0, r.stderr)
        self.assertIn("1 samples of", r.stdout)
        self.assertIn("1 samples were left out", r.stdout)

    def test_what_was_exported_comes_in_again_the_same(self):
        data, text = samples(5), self.path / "in.txt"
        text.write_text(open_metrics(data))
        a, b, c, d = (self.server() for _ in range(4))
        self.assertEqual(stoa("import", "--url", a.url, "openmetrics", str(text)).returncode, 0)
        begin = str(int(time.time()) - 7 * HOUR)
        for kind, to in (("openmetrics", b), ("csv", c)):
            r = stoa("export", "--url", a.url, "--start", begin, "--format", kind, '{job="shop"}')
            self.assertEqual(r.returncode, 0, r.stderr)
            out = self.path / f"out.{kind}"
            out.write_text(r.stdout)
            self.assertEqual(stoa("import", "--url", to.url, kind, str(out)).returncode, 0)
            self.assertEqual(self.stored(to), data)
        r = stoa("export", "--url", a.url, "--start", begin, "--to", d.url + "/api/v1/write", 'demo_total{job=~"sh.*"}')
        self.assertEqual(r.returncode, 0, r.stderr)
        self.assertEqual(self.stored(d), {k: v for k, v in data.items() if dict(k)["__name__"] == "demo_total"})


if __name__ == "__main__":
    harness.main()
