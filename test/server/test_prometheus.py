# SPDX-License-Identifier: Apache-2.0
"""Debian's own prometheus beside us: what it sends by remote write equals its own answers, bit for bit, on all series;
promtool works against us; and our scraper reads the same page as it does.

prometheus is unpacked by tools/peers.sh under build/peers and run from there."""
import contextlib
import http.server
import json
import math
import os
import shutil
import socket
import struct
import subprocess
import tempfile
import threading
import time
import urllib.parse
import urllib.request

import harness

PEER = harness.ROOT / "build" / "peers" / "prometheus" / "usr" / "bin"
PEER_READY_SECONDS_MAX = 30
SCRAPED_SECONDS = 22       # how long both servers watch the page; prometheus lets five pass before it begins
CAUGHT_UP_SECONDS_MAX = 30
EVERYTHING = '{__name__=~".+"}'


class Page:
    """An exporter whose counters move with the clock, with every odd value the text format can say."""

    def __init__(self):
        page = self
        self.started = time.time()

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                body = page.text().encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                with contextlib.suppress(ConnectionError):
                    self.wfile.write(body)

            def log_message(self, *args):
                pass

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self.http.server_address[1]}"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def close(self):
        self.http.shutdown()
        self.http.server_close()

    def text(self):
        s = time.time() - self.started
        out = ["# HELP page_requests_total Requests by code, with a \\\\ and\\na line.", "# TYPE page_requests_total counter"]
        for i, code in enumerate(["200", "301", "404", "500"]):
            for k, method in enumerate(["GET", "POST"]):
                out.append(f'page_requests_total{{code="{code}",method="{method}"}} {int(s * 1000 * (i + 1) + 17 * k)}')
        out += ["# TYPE page_seconds_total counter", f"page_seconds_total {s!r}"]
        # A counter that starts again every four seconds.
        out += ["# TYPE page_resets_total counter", f"page_resets_total {int(s % 4 * 100)}"]
        out += ["# TYPE page_size_bytes histogram"]
        for le, share in [("0.1", 0.1), ("1", 0.4), ("2.5", 0.7), ("+Inf", 1.0)]:
            out.append(f'page_size_bytes_bucket{{le="{le}"}} {int(s * 500 * share)}')
        out += [f"page_size_bytes_sum {s * 321.125!r}", f"page_size_bytes_count {int(s * 500)}"]
        out += ["# TYPE page_wait_seconds summary", 'page_wait_seconds{quantile="0.5"} NaN', f'page_wait_seconds{{quantile="0.99"}} {math.sin(s)!r}',
                f"page_wait_seconds_sum {s!r}", f"page_wait_seconds_count {int(s)}"]
        out += ["# TYPE page_odd gauge"]
        for name, value in [("nan", "NaN"), ("inf", "+Inf"), ("minus inf", "-Inf"), ("minus zero", "-0"), ("zero", "0"), ("largest", "1.7976931348623157e+308"),
                            ("smallest", "5e-324"), ("tenth", "0.1"), ("third", repr(1 / 3)), ("past 2^53", "9007199254740993"), ("e21", "1e21"),
                            ("e-7", "1.5e-07"), ("millions", "1234567890123")]:
            out.append(f'page_odd{{kind="{name}"}} {value}')
        out.append(f'page_odd{{kind="flips"}} {"NaN" if int(s) % 2 else repr(s)}')
        out += ["# TYPE page_text gauge", 'page_text{v="quote \\" back \\\\ line \\n end"} 1', 'page_text{v="Gr\u00fc\u00dfe \u6f22\u5b57 \U0001F680"} 2', 'page_text{v=""} 3']
        # Comes and goes every three seconds: staleness.
        if int(s / 3) % 2 == 0:
            out += ["# TYPE page_now_and_then gauge", f"page_now_and_then {int(s)}"]
        out += ["page_untyped 42"]
        return "\n".join(out) + "\n"


class Prometheus:
    """Debian's prometheus on a port and a folder of its own."""

    def __init__(self, config):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        self.dir = tempfile.mkdtemp(prefix="stoa-peer-")
        path = os.path.join(self.dir, "prometheus.yml")
        with open(path, "w") as f:
            f.write(config.replace("SELF", f"127.0.0.1:{self.port}"))
        self.log = open(os.path.join(self.dir, "log"), "w")
        self.process = subprocess.Popen([str(PEER / "prometheus"), f"--config.file={path}", f"--storage.tsdb.path={self.dir}/data",
                                         f"--web.listen-address=127.0.0.1:{self.port}"], stdout=self.log, stderr=self.log)
        deadline = time.monotonic() + PEER_READY_SECONDS_MAX
        while True:
            try:
                urllib.request.urlopen(f"{self.url}/-/ready", timeout=5).read()
                return
            except OSError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise AssertionError("prometheus did not get ready:\n" + open(self.log.name).read()[-3000:])
                time.sleep(0.1)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def close(self):
        self.process.kill() # a clean stop would wait a minute for a receiver that is gone
        self.process.wait()
        self.log.close()
        shutil.rmtree(self.dir, ignore_errors=True)


def ask(url, path, **params):
    data = urllib.parse.urlencode(params, doseq=True).encode()
    with urllib.request.urlopen(f"{url}{path}", data=data, timeout=60) as r:
        return json.loads(r.read())["data"]


def bits(text):
    return struct.pack(">d", float(text)).hex() if text != "NaN" else "NaN"


def key(labels):
    """Prometheus 2 leaves a bound as the page has it; Prometheus 3 and we write 1 as 1.0."""
    labels = {k: v + ".0" if k == "le" and v.isdigit() else v for k, v in labels.items()}
    return json.dumps(labels, sort_keys=True, ensure_ascii=False)


def answers(url, path, **params):
    """{labels: [(time, text)]} of a vector or matrix."""
    result = ask(url, path, **params)["result"]
    found = {key(r["metric"]): [(round(t * 1000), v) for t, v in r.get("values") or [r["value"]]] for r in result}
    assert len(found) == len(result), "a label set stands twice in one answer"
    return found


def differences(theirs, ours, same):
    """Up to five sentences on what differs."""
    out = [f"only theirs: {k}" for k in theirs if k not in ours] + [f"only ours: {k}" for k in ours if k not in theirs]
    for k in theirs:
        if k in ours and len(out) < 50:
            a, b = theirs[k], ours[k]
            if [t for t, _ in a] != [t for t, _ in b]:
                out.append(f"{k}: times differ: theirs {a[:3]} ... ({len(a)}), ours {b[:3]} ... ({len(b)})")
            else:
                out += [f"{k} at {t}: theirs {x}, ours {y}" for (t, x), (_, y) in zip(a, b) if not same(x, y)][:1]
    return out[:5]


def same_bits(a, b):
    return bits(a) == bits(b)


def same_as_sent(theirs, ours):
    """Its protobuf leaves out what equals zero, so -0 is sent as 0: the one value that cannot arrive as it is."""
    return same_bits("0" if theirs == "-0" else theirs, ours)


def nearly(a, b):
    x, y = float(a), float(b)
    return same_bits(a, b) or (math.isnan(x) and math.isnan(y)) or math.isclose(x, y, rel_tol=1e-9, abs_tol=1e-12)


class RemoteWriteTest(harness.Case):
    @classmethod
    def setUpClass(cls):
        subprocess.run([str(harness.ROOT / "tools" / "peers.sh"), "prometheus"], check=True)
        cls.page = Page()
        cls.addClassCleanup(cls.page.close)
        cls.stoa = harness.Server()
        cls.addClassCleanup(cls.stoa.close)
        scrapes = f"""
global: {{scrape_interval: 1s, scrape_timeout: 900ms}}
scrape_configs:
- job_name: page
  static_configs: [{{targets: ['{cls.page.address}'], labels: {{zone: eu}}}}]
"""
        cls.scraper = harness.Server(config=scrapes)
        cls.addClassCleanup(cls.scraper.close)
        cls.peer = Prometheus(scrapes + f"""
- job_name: prometheus
  static_configs: [{{targets: ['SELF']}}]
remote_write:
- url: {cls.stoa.url}/api/v1/write
  queue_config: {{batch_send_deadline: 300ms}}
  metadata_config: {{send_interval: 2s}}
""")
        cls.addClassCleanup(cls.peer.close)
        time.sleep(SCRAPED_SECONDS)
        cls.at = cls.off_edge()

    @classmethod
    def off_edge(cls):
        """A time a little ago that is no whole number of seconds away from any scrape, so that the two rules for the left end
        of a range (open, closed) choose the same samples."""
        up = answers(cls.peer.url, "/api/v1/query", query="up[20s]", time=time.time())
        used = {t % 1000 for points in up.values() for t, _ in points}
        best = max(range(0, 1000, 10), key=lambda ms: min(min((ms - u) % 1000, (u - ms) % 1000) for u in used))
        return int(time.time() - 2) + best / 1000

    def both(self, path, same, **params):
        """Asks both until the answers are the same; what prometheus has may still be on its way to us."""
        theirs = answers(self.peer.url, path, **params)
        self.assertTrue(theirs, params)
        deadline = time.monotonic() + CAUGHT_UP_SECONDS_MAX
        while True:
            found = differences(theirs, answers(self.stoa.url, path, **params), same)
            if not found:
                return theirs
            if time.monotonic() > deadline:
                self.fail(f"{path} {params}\n" + "\n".join(found))
            time.sleep(0.5)

    def test_every_sample_of_every_series_equals_bit_for_bit(self):
        found = self.both("/api/v1/query", same_as_sent, query=EVERYTHING + "[10m]", time=self.at)
        self.assertGreater(len(found), 300)
        self.assertGreater(sum(map(len, found.values())), 300 * 5)
        odd = answers(self.stoa.url, "/api/v1/query", query='page_odd{kind=~"largest|past.*|smallest"}', time=self.at)
        self.assertEqual(sorted(bits(v[0][1]) for v in odd.values()), sorted([bits("1.7976931348623157e308"), bits("9007199254740993"), bits("5e-324")]))

    def test_values_are_written_the_same_way(self):
        self.both("/api/v1/query", lambda a, b: a == b or a == "-0", query='{job="page"}[10m]', time=self.at)

    def test_series_that_ended_are_gone_in_instant_answers(self):
        for back in range(0, 8):
            self.both("/api/v1/query", same_as_sent, query=EVERYTHING, time=self.at - back)

    def test_range_queries_of_every_series_equal(self):
        self.both("/api/v1/query_range", same_as_sent, query=EVERYTHING, start=self.at - 10, end=self.at, step=0.5)

    def test_expressions_over_what_was_sent_agree(self):
        expressions = [
            "rate(page_requests_total[5s])",
            "sum by (code) (rate(page_requests_total[5s]))",
            "increase(page_resets_total[9s])",
            "resets(page_resets_total[9s])",
            "irate(page_seconds_total[5s])",
            "histogram_quantile(0.9, rate(page_size_bytes_bucket[6s]))",
            'sum(page_requests_total{code=~"2..|5.."}) without (method)',
            "page_requests_total / ignoring(method) group_left sum without (method) (page_requests_total)",
            "topk(3, page_requests_total)",
            "count by (__name__) ({job='page'})",
            "max_over_time(page_wait_seconds[8s])",
            "avg_over_time(page_odd{kind!~'.*inf|largest'}[8s])",
            "quantile_over_time(0.3, page_seconds_total[8s])",
            "deriv(page_seconds_total[6s])",
            "page_seconds_total offset 3s",
            f"page_seconds_total @ {self.at - 2}",
            "max_over_time(rate(page_seconds_total[3s])[6s:1s])",
            "absent(page_nothing)",
            "page_seconds_total > 5 and on() up{job='page'} == 1",
            "label_replace(up, 'short', '$1', 'job', '(...).*')",
            "changes(page_odd{kind='flips'}[8s])",
            "stddev(page_requests_total)",
            "clamp(page_odd, -1, 1)",
            "prometheus_http_requests_total",
            "time() - page_seconds_total",
        ]
        for text in expressions:
            with self.subTest(text):
                self.both("/api/v1/query", nearly, query=text, time=self.at)
                self.both("/api/v1/query_range", nearly, query=text, start=self.at - 6, end=self.at, step=1)

    def test_labels_and_metadata_agree(self):
        window = dict(start=self.at - 60, end=self.at)
        self.both("/api/v1/query", same_as_sent, query=EVERYTHING, time=self.at)
        self.assertEqual(ask(self.peer.url, "/api/v1/labels", **window), ask(self.stoa.url, "/api/v1/labels", **window))
        for url in (self.peer.url, self.stoa.url):
            found = ask(url, "/api/v1/series", **{"match[]": ['page_odd', 'up{job="page"}']}, **window)
            self.assertEqual(len(found), 15, url)
        theirs = json.loads(urllib.request.urlopen(f"{self.peer.url}/api/v1/label/kind/values").read())["data"]
        self.assertEqual(theirs, self.stoa.get("/api/v1/label/kind/values").json["data"])
        theirs = json.loads(urllib.request.urlopen(f"{self.peer.url}/api/v1/metadata").read())["data"]

        def metadata():
            ours = self.stoa.get("/api/v1/metadata").json["data"]
            return {n: ours.get(n) for n in theirs if n.startswith("page_")} == {n: v for n, v in theirs.items() if n.startswith("page_")}
        self.eventually(metadata, what="the same metadata")

    def test_promtool_prints_the_same_from_both(self):
        self.both("/api/v1/query", same_as_sent, query='{job="page"}[10m]', time=self.at)
        at = f"{self.at:.3f}"
        commands = [
            ["instant", "--time", at, "URL", 'page_requests_total{code="404"}'],
            ["instant", "-o", "json", "--time", at, "URL", "sum(page_requests_total)"],
            ["instant", "--time", at, "URL", "1 + 1"],
            ["range", "--start", f"{self.at - 5:.3f}", "--end", at, "--step", "1s", "URL", "page_seconds_total"],
            ["series", "--match", "page_size_bytes_bucket", "--start", f"{self.at - 60:.3f}", "--end", at, "URL"],
            ["labels", "--start", f"{self.at - 60:.3f}", "--end", at, "URL", "kind"],
        ]
        for command in commands:
            with self.subTest(command=command):
                outputs = []
                for url in (self.peer.url, self.stoa.url):
                    r = subprocess.run([str(PEER / "promtool"), "query"] + [url if c == "URL" else c for c in command], capture_output=True, text=True, timeout=60)
                    self.assertEqual(r.returncode, 0, f"{url} {r.stdout} {r.stderr}")
                    outputs.append(sorted(r.stdout.splitlines()))
                self.assertTrue(outputs[0])
                self.assertEqual(outputs[0], outputs[1])
        r = subprocess.run([str(PEER / "promtool"), "query", "instant", self.stoa.url, "sum(("], capture_output=True, text=True, timeout=60)
        self.assertNotEqual(r.returncode, 0)
        self.assertIn("error", r.stdout + r.stderr)

    def test_what_was_sent_is_the_same_from_files_and_after_a_kill(self):
        query = dict(query=EVERYTHING + "[10m]", time=self.at)
        self.both("/api/v1/query", same_as_sent, **query)
        self.assertEqual(self.stoa.post("/api/stoa/v1/flush").status // 100, 2)
        self.both("/api/v1/query", same_as_sent, **query)
        self.assertEqual(self.stoa.post("/api/stoa/v1/merge").status // 100, 2)
        self.both("/api/v1/query", same_as_sent, **query)
        self.stoa.kill()
        self.stoa.start()
        self.both("/api/v1/query", same_as_sent, **query)
        self.both("/api/v1/query_range", same_as_sent, query=EVERYTHING, start=self.at - 10, end=self.at, step=0.5)

    def test_our_scraper_gives_the_same_names_and_labels(self):
        # What comes and goes is compared by what it was in the whole window.
        theirs = set(answers(self.peer.url, "/api/v1/query", query='{job="page"}[1m]', time=self.at))
        ours = set(answers(self.scraper.url, "/api/v1/query", query='{job="page"}[1m]', time=self.at))
        self.assertGreater(len(theirs), 30)
        self.assertEqual(sorted(theirs), sorted(ours))
        names = [{s["__name__"] for s in ask(url, "/api/v1/series", **{"match[]": '{job="page"}'}, start=self.at - 60, end=self.at)}
                 for url in (self.peer.url, self.scraper.url)]
        self.assertEqual(*names)

    def test_our_scraper_gives_the_same_rates_and_values(self):
        def compare(text, tolerance):
            theirs = answers(self.peer.url, "/api/v1/query", query=text, time=self.at)
            ours = answers(self.scraper.url, "/api/v1/query", query=text, time=self.at)
            self.assertTrue(theirs, text)
            self.assertEqual(sorted(theirs), sorted(ours), text)
            for k in theirs:
                a, b = float(theirs[k][0][1]), float(ours[k][0][1])
                self.assertTrue(same_bits(theirs[k][0][1], ours[k][0][1]) or math.isclose(a, b, rel_tol=tolerance), f"{text} {k}: {a} and {b}")
        for counter in ("page_requests_total", "page_seconds_total", "page_size_bytes_bucket", "page_size_bytes_count", "page_size_bytes_sum"):
            compare(f"rate({counter}[10s])", 0.05)
        compare('page_odd{kind!="flips"}', 0)
        compare("page_text", 0)
        compare("page_untyped", 0)
        compare('up{job="page"}', 0)
        compare('scrape_samples_post_metric_relabeling{job="page"} > bool 20', 0)

    def test_our_scraper_ends_series_that_are_gone(self):
        """page_now_and_then is there for three seconds and away for three: with staleness markers it is seen about half the
        time, without them always."""
        found = answers(self.scraper.url, "/api/v1/query_range", query="page_now_and_then", start=self.at - 12, end=self.at, step=0.5)
        seen = sum(map(len, found.values()))
        self.assertGreater(seen, 6)
        self.assertLess(seen, 20)

    def test_our_scraper_reports_its_targets(self):
        targets = self.scraper.get("/api/v1/targets").json["data"]["activeTargets"]
        self.assertEqual(len(targets), 1)
        self.assertEqual(targets[0]["health"], "up")
        self.assertEqual(targets[0]["lastError"], "")
        self.assertEqual(targets[0]["labels"], {"instance": self.page.address, "job": "page", "zone": "eu"})
        self.assertEqual(targets[0]["scrapeUrl"], f"http://{self.page.address}/metrics")


if __name__ == "__main__":
    harness.main()
