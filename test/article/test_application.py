# SPDX-License-Identifier: Apache-2.0
"""The article's Flask and prometheus_client example as it stands: scraped, and shown by endpoint."""
import json
import threading
import time
import urllib.error
import urllib.request

import article
import harness

# What the article's snippet needs around it: the app, what it fetches, and a page of metrics.
AROUND = """
import itertools, time
from flask import Flask, jsonify
app = Flask("shop")
calls = itertools.count(1)
def fetch_users():
    time.sleep(0.02)
    if next(calls) % 4 == 0:
        raise RuntimeError("the database is away")
    return ["ada", "grace"]
"""
SERVED = """
from prometheus_client import make_wsgi_app
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.serving import make_server
active_connections.set(7)
app.wsgi_app = DispatcherMiddleware(app.wsgi_app, {"/metrics": make_wsgi_app()})
server = make_server("127.0.0.1", 0, app, threaded=True)
print(server.server_port, flush=True)
server.serve_forever()
"""
CONFIG = """
host: {interval: 1s}
logs: {journal: false, files: []}
self: {enabled: false}
scrape_configs:
  - job_name: shop
    scrape_interval: 1s
    static_configs:
      - targets: ['127.0.0.1:PORT']
"""


class Application(harness.Case):
    @classmethod
    def setUpClass(cls):
        cls.app = article.start(AROUND + article.snippet("application.py") + SERVED)
        cls.addClassCleanup(cls.app.wait)
        cls.addClassCleanup(cls.app.kill)
        cls.port = int(cls.app.stdout.readline())
        # Its log, or it would stand still when the pipe is full.
        threading.Thread(target=cls.app.stderr.read, daemon=True).start()
        cls.stoa = harness.Server(quiet=False, config=CONFIG.replace("PORT", str(cls.port)))
        cls.addClassCleanup(cls.stoa.close)
        cls.statuses = {}
        until = time.monotonic() + 8
        while time.monotonic() < until:
            status = cls.request("/api/users")
            cls.statuses[status] = cls.statuses.get(status, 0) + 1
        time.sleep(1.5)  # the last of them are scraped
        cls.data = cls.ask()

    @classmethod
    def request(cls, path):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{cls.port}{path}", timeout=20) as r:
                json.load(r)
                return r.status
        except urllib.error.HTTPError as e:
            e.read()
            return e.code

    @classmethod
    def ask(cls):
        r = cls.stoa.get("/api/stoa/v1/services/shop", {"start": time.time() - 60, "end": time.time(), "step": "15s"})
        assert r.status == 200, r.text
        return r.json["data"]

    def test_requests_succeeded_and_failed(self):
        self.assertEqual(set(self.statuses), {200, 500})
        self.assertGreater(self.statuses[500], 10)

    def test_rate_latency_and_errors_by_endpoint(self):
        e, = self.data["endpoints"]
        self.assertEqual((e["endpoint"], e["method"]), ("/api/users", "GET"))
        self.assertGreater(e["requests_per_second"], 1)
        self.assertAlmostEqual(e["error_ratio"], 0.25, delta=0.05)
        # The snippet times only what succeeds, after 20 ms of work, in prometheus_client's own buckets.
        for key in ("p50_seconds", "p95_seconds", "p99_seconds"):
            self.assertGreater(e[key], 0.01)
            self.assertLess(e[key], 1)
        self.assertGreater(e["in_progress"], 0)

    def test_the_articles_numbers_by_one_call(self):
        rows = self.stoa.get("/api/stoa/v1/services", {"start": time.time() - 120, "end": time.time(), "step": "15s"}).json["data"]
        now, = [row["now"] for row in rows if row["service"] == "shop"]
        self.assertGreater(now["requests_per_second"], 0)
        self.assertAlmostEqual(now["error_ratio"], 0.25, delta=0.05)
        self.assertGreater(now["p95_seconds"], 0.01)
        self.assertGreater(now["cpu_ratio"], 0)
        self.assertLess(now["cpu_ratio"], 1)
        self.assertGreater(now["memory_bytes"], 1 << 20)
        self.assertGreater(now["host_memory_bytes"], now["memory_bytes"])
        self.assertGreater(now["memory_ratio"], 0)

    def test_business_metrics_and_resources(self):
        business = {m["name"]: m for m in self.data["metrics"]["business"]}
        self.assertEqual((business["active_connections"]["value"], business["active_connections"]["type"], business["active_connections"]["help"]),
                         (7, "gauge", "Number of active connections"))
        self.assertNotIn("http_requests_total", business)
        resources = {m["name"]: m["value"] for m in self.data["metrics"]["resources"]}
        self.assertGreater(resources["process_resident_memory_bytes"], 1 << 20)
        self.assertGreater(resources["process_cpu_seconds_total"], 0)
        self.assertEqual(self.data["saturation"]["cpu"]["of"], "process")
        self.assertEqual(self.data["saturation"]["disk"]["of"], "host")

    def test_prometheus_itself_would_say_the_same(self):
        q = 'histogram_quantile(0.95, sum by (endpoint, le) (rate(http_request_duration_seconds_bucket{job="shop"}[60s])))'
        got = self.stoa.query(q)
        self.assertAlmostEqual(float(got[0]["value"][1]), self.data["endpoints"][0]["p95_seconds"], delta=0.01)


if __name__ == "__main__":
    harness.main()
