# SPDX-License-Identifier: Apache-2.0
"""The same pushes to Stoa and to Debian's own Pushgateway: the same answers, and the same series afterwards."""
import base64
import gzip
import http.client
import re
import socket
import subprocess
import tempfile
import time

import harness

PACKAGE = "prometheus-pushgateway"
SERIES = re.compile(r"^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$")
LABEL = re.compile(r'([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"')
OWN = re.compile(r"^(go_|process_|pushgateway_|promhttp_)")


def b64(text):
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


# What is pushed, in order: method, path, body, and whether it is compressed.
ROUNDS = [
    ("PUT", "/metrics/job/shop", "# TYPE rate gauge\nrate{kind=\"a\"} 0.5\nrate{kind=\"b\"} 1.5\nplain 7\n"),
    ("POST", "/metrics/job/shop", "rate{kind=\"c\"} 2\n"),
    ("PUT", "/metrics/job/shop/instance/eu:1", "rate{job=\"other\",instance=\"other\"} 3\n"),
    ("PUT", f"/metrics/job@base64/{b64('a/b')}/path@base64/{b64('/var/tmp')}/empty@base64/=",
     "# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"+Inf\"} 2\nh_sum 3\nh_count 2\n"),
    ("PUT", "/metrics/job/types",
     "# HELP c_total What it counts.\n# TYPE c_total counter\nc_total 4\n# TYPE s summary\ns{quantile=\"0.5\"} 1\ns_sum 2\ns_count 3\n"),
    ("POST", "/metrics/job/types", "# TYPE s summary\ns{quantile=\"0.9\"} 5\ns_sum 6\ns_count 7\n"),
    ("PUT", "/metrics/job/times", "late 1 1700000000000\n"),
    ("PUT", "/metrics/job/twice", "same 1\nsame 2\n"),
    ("PUT", "/metrics/job/broken", "no number here\n"),
    ("PUT", "/metrics/job/shop/instance", "a 1\n"),
    ("PUT", "/metrics/job/shop/1x/y", "a 1\n"),
    ("PUT", "/metrics/job/values", "nan NaN\nup +Inf\ndown -Inf\nsmall 1e-300\nquoted{l=\"a\\\"b\\\\c\\nd\"} 1\n"),
    ("PUT", "/metrics/job/nothing", ""),
    ("DELETE", "/metrics/job/never", None),
    ("PUT", "/metrics/job/gone", "short 1\n"),
    ("DELETE", "/metrics/job/gone", None),
    ("PUT", "/metrics/job/shop", "only 1\n"),
]


class Push(harness.Case):
    def gateway(self):
        subprocess.run([str(harness.ROOT / "tools" / "peers.sh"), PACKAGE], check=True, capture_output=True)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        process = subprocess.Popen([str(harness.ROOT / "build/peers" / PACKAGE / "usr/bin" / PACKAGE), f"--web.listen-address=127.0.0.1:{port}"],
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=tempfile.gettempdir())
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.eventually(lambda: self.ask(port, "GET", "/-/ready")[0] == 200, what="the Pushgateway")
        return port

    def ask(self, port, method, path, body=None, headers=None):
        c = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        try:
            c.request(method, path, body=body, headers=headers or {})
            r = c.getresponse()
            return r.status, r.read().decode()
        finally:
            c.close()

    def series_of_page(self, page):
        found = {}
        for line in page.splitlines():
            m = SERIES.match(line)
            if m and not OWN.match(m[1]):
                labels = {k: v.replace('\\"', '"').replace("\\n", "\n").replace("\\\\", "\\") for k, v in LABEL.findall(m[2] or "")}
                labels = {k: v for k, v in labels.items() if v}  # an empty label is none, once it is scraped
                if labels.get("le", "").isdigit():
                    labels["le"] += ".0"  # as Prometheus 3 has it, once it is scraped
                if m[1] in ("push_time_seconds", "push_failure_time_seconds"):
                    found[(m[1], tuple(sorted(labels.items())))] = float(m[3]) > 0
                else:
                    found[(m[1], tuple(sorted(labels.items())))] = str(float(m[3]))
        return found

    def series_of(self, s):
        found = {}
        for r in s.query('{job=~".+"}'):
            name = r["metric"].pop("__name__")
            value = float(r["value"][1])
            found[(name, tuple(sorted(r["metric"].items())))] = value > 0 if name.startswith("push_") else str(value)
        return found

    maxDiff = None

    def test_both_hold_the_same_series_after_each_request(self):
        s, port = self.server(), self.gateway()
        for number, (method, path, body) in enumerate(ROUNDS):
            with self.subTest(f"{number}: {method} {path}"):
                theirs, text = self.ask(port, method, path, body)
                ours = s.request(method, path, body=body)
                self.assertEqual(ours.status, theirs, f"{ours.text} / {text}")
                wanted = None
                deadline = time.monotonic() + 3  # the Pushgateway deletes a moment later
                while time.monotonic() < deadline:
                    wanted = self.series_of_page(self.ask(port, "GET", "/metrics")[1])
                    if wanted == self.series_of(s):
                        break
                    time.sleep(0.1)
                ours = self.series_of(s)
                self.assertEqual(ours.items() - wanted.items(), wanted.items() - ours.items(), "only in ours, only in theirs")

    def test_gzip_is_taken_by_both(self):
        s, port = self.server(), self.gateway()
        body = gzip.compress(b"zipped 4\n")
        self.assertEqual(self.ask(port, "PUT", "/metrics/job/zip", body, {"Content-Encoding": "gzip"})[0], 200)
        self.assertEqual(s.request("PUT", "/metrics/job/zip", body=body, headers={"Content-Encoding": "gzip"}).status, 200)
        self.assertEqual(self.series_of(s), self.series_of_page(self.ask(port, "GET", "/metrics")[1]))


if __name__ == "__main__":
    harness.main()
