# SPDX-License-Identifier: Apache-2.0
"""Stoa about itself: own metrics, spans and log lines in its own store, without feeding on themselves; listeners; the page."""
import gzip
import json
import socket
import time

import harness

SELF_ONLY = "host:\n  enabled: false\nlogs:\n  journal: false\n  files: []\n"


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Self(harness.Case):
    def test_own_metrics_spans_and_lines_are_found_by_query(self):
        s = self.server(quiet=False, config=SELF_ONLY)
        for _ in range(3):
            s.query("1")
        self.eventually(lambda: s.query('stoa_http_requests_total{job="stoa",route="/api/v1/query"}'), what="own metrics")
        self.assertTrue(s.query('stoa_pipeline_rows_total{reason="body_cut"}'))
        self.eventually(lambda: "stoa" in s.get("/jaeger/api/services").json["data"], what="own service")
        traces = self.eventually(lambda: s.get("/jaeger/api/traces", {"service": "stoa", "operation": "GET /api/v1/query"}).json["data"], what="own spans")
        root = next(x for x in traces[0]["spans"] if not x["references"])
        self.assertEqual(sorted(x["operationName"] for x in traces[0]["spans"]), ["GET /api/v1/query", "query"])
        tags = {t["key"]: t["value"] for t in root["tags"]}
        self.assertEqual(tags["http.response.status_code"], 200)
        self.assertEqual(s.post("/-/reload").status, 200)
        lines = self.eventually(lambda: s.logs('{service_name="stoa"} |= "configuration reloaded"'), what="own log line")
        self.assertEqual(lines[0]["stream"]["detected_level"], "info")
        row = self.eventually(lambda: [r for r in s.get("/api/stoa/v1/services").json["data"] if r["service"] == "stoa"], what="golden signals")
        self.assertGreater(max(float(v) for _, v in row[0]["requests_per_second"]), 0)

    def test_ingest_spans_are_few_and_their_weights_make_the_count_right(self):
        s = self.server(quiet=False, config=SELF_ONLY)
        now = int(time.time() * 1000)
        n = 200
        for i in range(n):
            s.post("/api/v1/write", harness.write_request([({"__name__": "w"}, [(now + i, 1.0)])]), harness.WRITE_HEADERS)
        time.sleep(1.2)
        s.post("/api/v1/write", harness.write_request([({"__name__": "w"}, [(now + n, 1.0)])]), harness.WRITE_HEADERS)

        def spans():
            found = s.get("/jaeger/api/traces", {"service": "stoa", "operation": "POST /api/v1/write", "limit": 1500}).json["data"]
            spans = [sp for t in found for sp in t["spans"] if sp["operationName"] == "POST /api/v1/write"]
            weights = [next((t["value"] for t in sp["tags"] if t["key"] == "stoa.weight"), 1) for sp in spans]
            return (len(spans), sum(weights)) if sum(weights) == n + 1 else None
        count, _ = self.eventually(spans, what="weights that add up")
        self.assertLess(count, n / 2)

    def test_nothing_is_produced_when_nothing_happens(self):
        s = self.server(quiet=False, config=SELF_ONLY)
        self.eventually(lambda: s.query('stoa_store_spans{job="stoa"}'), what="own metrics")
        spans = lambda: s.get("/api/stoa/v1/status").json["data"]["spans"]
        time.sleep(2.5)
        first = spans()
        time.sleep(4)
        # The two questions themselves are spans; own appends are not.
        self.assertLessEqual(spans() - first, 2)

    def test_a_dialect_has_its_paths_at_the_root_of_its_own_listener(self):
        jaeger, prom = free_port(), free_port()
        s = self.server(config=f"listeners:\n  - {{dialect: jaeger_query, address: 127.0.0.1:{jaeger}}}\n"
                               f"  - {{dialect: prometheus, address: 127.0.0.1:{prom}}}\n")
        s.port, main = jaeger, s.port
        self.assertEqual(s.get("/api/services").json["data"], [])
        s.port = prom
        self.assertEqual(s.get("/api/v1/query", {"query": "1"}).json["data"]["resultType"], "scalar")
        s.port = main

    def test_page_and_manual_are_served_with_a_strict_policy(self):
        s = self.server()
        for path in ("/", "/logs", "/trace/abc", "/docs", "/docs/configuration", "/docs/protocols/otlp"):
            r = s.get(path)
            self.assertEqual((path, r.status), (path, 200))
            self.assertIn("default-src 'self'", r.headers["Content-Security-Policy"])
            self.assertNotIn("unsafe", r.headers["Content-Security-Policy"])
            packed = s.request("GET", path, headers={"Accept-Encoding": "gzip"})
            self.assertEqual(gzip.decompress(packed.body), r.body)
        # A new view of the page needs no route: a browser gets the page, everybody else a 404.
        for path in ("/a-view-to-come", "/a-view-to-come/7"):
            self.assertEqual(s.request("GET", path, headers={"Accept": "text/html,*/*;q=0.8"}).body, s.get("/").body)
            self.assertEqual(s.get(path).status, 404)
            self.assertEqual(s.post_json(path, {}).status, 404)
        self.assertEqual(s.get("/docs/nope").status, 404)
        self.assertEqual(s.get("/assets/nope.js").status, 404)

    def test_status_counts_what_is_stored(self):
        s = self.server()
        s.post_json("/loki/api/v1/push", {"streams": [{"stream": {"app": "x"}, "values": [[str(time.time_ns()), "line"]]}]})
        d = s.get("/api/stoa/v1/status").json["data"]
        self.assertEqual((d["log_records"], d["streams"], d["spans"]), (1, 1, 0))


if __name__ == "__main__":
    harness.main()
