# SPDX-License-Identifier: Apache-2.0
"""Golden signals of services from metrics, spans and access logs: what they say, which source is believed, the queries that are given
along, saturation, endpoints."""
import datetime
import math
import os
import tempfile
import time

import harness

BUCKETS = ["0.01", "0.05", "0.1", "0.5", "1", "+Inf"]


class Services(harness.Case):
    def setUp(self):
        super().setUp()
        self.end = int(time.time())
        self.start = self.end - 600

    def write(self, s, series):
        """series: [(name, labels, f)]: f gives the value after so many seconds; a sample every 15 s."""
        rows = []
        for name, labels, f in series:
            points = [(t * 1000, float(f(t - self.start))) for t in range(self.start, self.end + 1, 15)]
            rows.append((dict(labels, __name__=name), points))
        r = s.post("/api/v1/write", harness.write_request(rows), harness.WRITE_HEADERS)
        self.assertEqual(r.status, 204, r.text)

    def http(self, job, status="status", endpoint="endpoint", rate=2.0, failing=0.5, prefix="http"):
        """Requests of two endpoints: /api/users at `rate`, all 20 to 50 ms; /api/orders at `failing` a second, all 500."""
        rows = []
        for path, code, r in (("/api/users", "200", rate), ("/api/orders", "500", failing)):
            rows.append((f"{prefix}_requests_total", {"job": job, endpoint: path, "method": "GET", status: code}, lambda t, r=r: r * t))
            for le in BUCKETS:
                grows = r if float(le) >= 0.05 else 0
                rows.append((f"{prefix}_request_duration_seconds_bucket", {"job": job, endpoint: path, "method": "GET", "le": le},
                             lambda t, g=grows: g * t))
            rows.append((f"{prefix}_request_duration_seconds_count", {"job": job, endpoint: path, "method": "GET"}, lambda t, r=r: r * t))
            rows.append((f"{prefix}_request_duration_seconds_sum", {"job": job, endpoint: path, "method": "GET"}, lambda t, r=r: r * t * 0.03))
        return rows

    def spans(self, s, service, count, failed, ms=100, route="/cart"):
        rows = []
        for i in range(count):
            start = (self.end - 300 + i) * 10**9
            rows.append({"traceId": f"{i + 1:032x}", "spanId": f"{i + 1:016x}", "name": "GET", "kind": 2, "startTimeUnixNano": str(start),
                         "endTimeUnixNano": str(start + ms * 10**6), "status": {"code": 2 if i < failed else 0},
                         "attributes": [{"key": "http.route", "value": {"stringValue": route}},
                                        {"key": "http.request.method", "value": {"stringValue": "GET"}}]})
        r = s.post_json("/v1/traces", {"resourceSpans": [{"resource": {"attributes": [{"key": "service.name", "value": {"stringValue": service}}]},
                                                          "scopeSpans": [{"spans": rows}]}]})
        self.assertEqual(r.status, 200, r.text)

    def access(self, s, service, count, failed, tail=' 0.200'):
        values = []
        for i in range(count):
            at = self.end - 300 + i
            when = datetime.datetime.fromtimestamp(at, datetime.timezone.utc).strftime("%d/%b/%Y:%H:%M:%S +0000")
            path = "/old?x=1" if i < failed else "/index.html"
            values.append([str(at * 10**9), f'192.0.2.7 - - [{when}] "GET {path} HTTP/1.1" {502 if i < failed else 200} 512 "-" "curl/8.5"{tail}'])
        r = s.post_json("/loki/api/v1/push", {"streams": [{"stream": {"service_name": service}, "values": values}]})
        self.assertEqual(r.status, 204, r.text)

    def ask(self, s, name="", **params):
        r = s.get("/api/stoa/v1/services" + ("/" + name if name else ""), dict(start=self.start, end=self.end, step=60, **params))
        self.assertEqual(r.status, 200, r.text)
        self.assertNotIn("warnings", r.json)
        return r.json["data"] if name else {row["service"]: row for row in r.json["data"]}

    def last(self, row, key):
        return float(row[key][-1][1])

    def test_metrics_tell_rate_errors_and_quantiles_and_the_queries_give_the_same(self):
        s = self.server()
        self.write(s, self.http("shop"))
        row = self.ask(s)["shop"]
        self.assertEqual((row["source"], row["other_sources"]), ("metrics", []))
        self.assertAlmostEqual(self.last(row, "requests_per_second"), 2.5, 3)
        self.assertAlmostEqual(self.last(row, "error_ratio"), 0.2, 6)
        self.assertAlmostEqual(self.last(row, "p50_seconds"), 0.03, 6)
        for key in ("requests_per_second", "error_ratio", "p50_seconds", "p95_seconds", "p99_seconds"):
            with self.subTest(key):
                t, v = row[key][-1]
                got = s.query(row["queries"][key], at=t)
                self.assertAlmostEqual(float(got[0]["value"][1]), float(v), 9)
                self.assertAlmostEqual(row["now"][key], float(v), 9)

    def test_nothing_fails_is_zero_and_no_outcome_is_unknown(self):
        s = self.server()
        self.write(s, [("http_requests_total", {"job": "good", "status": "200"}, lambda t: t), ("http_requests_total", {"job": "mute"}, lambda t: t)])
        rows = self.ask(s)
        self.assertEqual(self.last(rows["good"], "error_ratio"), 0)
        self.assertEqual(rows["mute"]["error_ratio"], [])
        self.assertIsNone(rows["mute"]["now"]["error_ratio"])
        self.assertEqual(rows["mute"]["p95_seconds"], [])

    def test_jobs_may_name_the_outcome_differently_and_have_the_histogram_alone(self):
        s = self.server()
        alone = [row for row in self.http("alone", status="code") if not row[0].endswith("_total")]
        alone = [(n, dict(labels, status_code="500" if labels["endpoint"] == "/api/orders" else "200"), f) for n, labels, f in alone]
        self.write(s, self.http("a", status="status") + self.http("b", status="code", endpoint="handler") + alone)
        rows = self.ask(s)
        for job in ("a", "b", "alone"):
            with self.subTest(job):
                self.assertAlmostEqual(self.last(rows[job], "requests_per_second"), 2.5, 3)
                self.assertAlmostEqual(self.last(rows[job], "error_ratio"), 0.2, 6)
                endpoints = {e["endpoint"]: e for e in self.ask(s, job)["endpoints"]}
                self.assertEqual(endpoints["/api/orders"]["error_ratio"], 1)

    def test_names_of_other_libraries(self):
        s = self.server()
        ms = [(n.replace("http_request_duration_seconds", "http_server_duration_milliseconds"), dict(labels, job="prod/otel"), f)
              for n, labels, f in self.http("x") if not n.endswith("_total")]
        ms = [(n, dict(labels, le={"0.01": "10", "0.05": "50", "0.1": "100", "0.5": "500", "1": "1000"}.get(labels["le"], "+Inf")) if "le" in labels else labels, f)
              for n, labels, f in ms]
        self.write(s, ms + self.http("spring", prefix="myapp_http") + [
            ("grpc_server_handled_total", {"job": "grpc", "grpc_code": "OK"}, lambda t: 3 * t),
            ("grpc_server_handled_total", {"job": "grpc", "grpc_code": "Internal"}, lambda t: t),
            ("http_client_requests_total", {"job": "caller"}, lambda t: t), ("cache_requests_total", {"job": "cache"}, lambda t: t),
            ("node_disk_flush_requests_total", {"job": "node"}, lambda t: t), ("promhttp_metric_handler_requests_total", {"job": "exporter"}, lambda t: t)])
        rows = self.ask(s)
        self.assertEqual(set(rows), {"otel", "spring", "grpc"})
        self.assertAlmostEqual(self.last(rows["otel"], "p50_seconds"), 0.03, 6)
        self.assertAlmostEqual(self.last(rows["grpc"], "error_ratio"), 0.25, 6)

    def test_spans_and_access_logs_tell_of_services_without_metrics(self):
        s = self.server()
        self.spans(s, "cart", 100, 10)
        self.access(s, "nginx", 200, 20)
        rows = self.ask(s)
        self.assertEqual({k: v["source"] for k, v in rows.items()}, {"cart": "spans", "nginx": "access_logs"})
        for name, count, q in (("cart", 100, 0.1), ("nginx", 200, 0.2)):
            with self.subTest(name):
                row = rows[name]
                self.assertAlmostEqual(sum(float(v) for _, v in row["requests_per_second"]) * 60, count, 3)
                rate = {t: float(v) for t, v in row["requests_per_second"]}
                failed = sum(float(v) * rate[t] * 60 for t, v in row["error_ratio"])
                self.assertAlmostEqual(failed, count / 10, 3)
                for key in ("p50_seconds", "p99_seconds"):
                    self.assertAlmostEqual(self.last(row, key), q, delta=q * 0.03)
        self.access(s, "bare", 50, 0, tail="")
        row = self.ask(s)["bare"]
        self.assertEqual(row["p95_seconds"], [])
        t, v = row["requests_per_second"][-3]
        got = s.get("/loki/api/v1/query", {"query": row["queries"]["requests_per_second"], "time": t}).json["data"]["result"]
        self.assertAlmostEqual(float(got[0]["value"][1]) if got else 0, float(v), 6)

    def test_an_access_log_that_is_followed_is_a_service_by_its_folder_or_file(self):
        folder = tempfile.mkdtemp(prefix="stoa-services-")
        paths = [os.path.join(folder, p) for p in ("nginx/access.log", "log/shop-access.log")]
        for path in paths:
            os.mkdir(os.path.dirname(path))
            open(path, "w").close()
        s = self.server(quiet=False, config=f"host: {{enabled: false}}\nself: {{enabled: false}}\nlogs: {{journal: false, files: ['{folder}/*/*.log']}}\n")
        when = datetime.datetime.now(datetime.timezone.utc).strftime("%d/%b/%Y:%H:%M:%S +0000")
        for path in paths:
            with open(path, "a") as f:
                f.write(f'192.0.2.7 - - [{when}] "GET / HTTP/1.1" 503 512 "-" "curl/8.5" 0.500\n')
        ask = lambda: {r["service"]: r for r in s.get("/api/stoa/v1/services").json["data"]}
        rows = self.eventually(lambda: len(ask()) == 2 and ask(), what="both services")
        self.assertEqual(set(rows), {"nginx", "shop"})
        self.assertEqual((rows["nginx"]["source"], rows["nginx"]["now"]["error_ratio"], rows["nginx"]["now"]["p95_seconds"]), ("access_logs", 1, 0.5))

    def test_the_best_source_is_believed_and_the_others_are_named(self):
        s = self.server()
        self.write(s, self.http("shop"))
        self.spans(s, "shop", 10, 10)
        self.access(s, "shop", 10, 10)
        self.spans(s, "cart", 10, 0)
        self.access(s, "cart", 10, 10)
        rows = self.ask(s)
        self.assertEqual((rows["shop"]["source"], rows["shop"]["other_sources"]), ("metrics", ["spans", "access_logs"]))
        self.assertAlmostEqual(self.last(rows["shop"], "error_ratio"), 0.2, 6)
        self.assertEqual((rows["cart"]["source"], rows["cart"]["other_sources"]), ("spans", ["access_logs"]))

    def test_metrics_in_which_nothing_happens_yield_to_spans(self):
        s = self.server()
        self.write(s, [("http_requests_total", {"job": "cart", "status": "200"}, lambda t: 7)])
        self.assertEqual(self.ask(s)["cart"]["source"], "metrics")
        self.spans(s, "cart", 10, 0)
        self.assertEqual(self.ask(s)["cart"]["source"], "spans")

    def test_saturation_of_process_container_pool_and_host(self):
        s = self.server()
        host = {"job": "node", "instance": "heron"}
        self.write(s, self.http("shop") + self.http("api") + self.http("plain") + [
            ("process_cpu_seconds_total", {"job": "shop"}, lambda t: t / 2),
            ("process_resident_memory_bytes", {"job": "shop"}, lambda t: 1e9),
            ("container_cpu_usage_seconds_total", {"name": "api", "id": "/docker/1"}, lambda t: t * 0.75),
            ("container_spec_cpu_quota", {"name": "api", "id": "/docker/1"}, lambda t: 150000),
            ("container_spec_cpu_period", {"name": "api", "id": "/docker/1"}, lambda t: 100000),
            ("container_memory_working_set_bytes", {"name": "api", "id": "/docker/1"}, lambda t: 9e8),
            ("container_spec_memory_limit_bytes", {"name": "api", "id": "/docker/1"}, lambda t: 1e9),
            ("hikaricp_connections_active", {"job": "shop", "pool": "main"}, lambda t: 9),
            ("hikaricp_connections_max", {"job": "shop", "pool": "main"}, lambda t: 10),
            ("hikaricp_connections_active", {"job": "shop", "pool": "other"}, lambda t: 0),
            ("hikaricp_connections_max", {"job": "shop", "pool": "other"}, lambda t: 90),
            ("orders_pool_in_use", {"job": "api"}, lambda t: 3), ("orders_pool_max", {"job": "api"}, lambda t: 12),
            ("node_cpu_seconds_total", dict(host, cpu="0", mode="idle"), lambda t: t * 0.25),
            ("node_cpu_seconds_total", dict(host, cpu="1", mode="idle"), lambda t: t * 0.75),
            ("node_memory_MemTotal_bytes", host, lambda t: 8e9), ("node_memory_MemAvailable_bytes", host, lambda t: 2e9),
            ("node_filesystem_avail_bytes", dict(host, mountpoint="/", fstype="ext4"), lambda t: 30),
            ("node_filesystem_size_bytes", dict(host, mountpoint="/", fstype="ext4"), lambda t: 100)])
        rows = self.ask(s)
        want = {"shop": {"cpu": ("process", 0.25), "memory": ("process", 0.125), "disk": ("host", 0.7), "pool": ("pool", 0.9)},
                "api": {"cpu": ("container", 0.5), "memory": ("container", 0.9), "disk": ("host", 0.7), "pool": ("pool", 0.25)},
                "plain": {"cpu": ("host", 0.5), "memory": ("host", 0.75), "disk": ("host", 0.7)}}
        for name, kinds in want.items():
            self.assertEqual(set(rows[name]["saturation"]), set(kinds))
            for kind, (of, value) in kinds.items():
                with self.subTest(f"{name} {kind}"):
                    got = rows[name]["saturation"][kind]
                    self.assertEqual(got["of"], of)
                    self.assertAlmostEqual(got["value"], value, 3)
                    self.assertAlmostEqual(float(s.query(got["query"], at=self.end)[0]["value"][1]), value, 3)
        self.assertAlmostEqual(self.last(rows["shop"], "saturation_ratio"), 0.9, 6)
        self.assertNotIn("saturation_ratio", rows["plain"])
        self.assertEqual((rows["shop"]["now"]["memory_bytes"], rows["shop"]["now"]["host_memory_bytes"]), (1e9, 8e9))
        self.assertEqual(rows["plain"]["now"]["memory_bytes"], 6e9)

    def test_a_service_by_endpoint_with_business_and_resource_metrics(self):
        s = self.server()
        self.write(s, self.http("shop") + [("orders_placed_total", {"job": "shop", "plan": "pro", "endpoint": "/api/orders"}, lambda t: t * 2), ("active_connections", {"job": "shop"}, lambda t: 7),
                                           ("orders_placed_total", {"job": "shop", "plan": "free"}, lambda t: t), ("process_open_fds", {"job": "shop"}, lambda t: 12),
                                           ("active_connections", {"job": "other"}, lambda t: 99), ("up", {"job": "shop"}, lambda t: 1)])
        d = self.ask(s, "shop")
        users, orders = d["endpoints"]
        self.assertEqual([(e["endpoint"], e["method"]) for e in (users, orders)], [("/api/users", "GET"), ("/api/orders", "GET")])
        self.assertAlmostEqual(users["requests_per_second"], 2, 2)
        self.assertEqual((users["error_ratio"], orders["error_ratio"]), (0, 1))
        self.assertAlmostEqual(users["p95_seconds"], 0.048, 6)
        self.assertAlmostEqual(users["in_progress"], 0.06, 3)
        self.assertEqual({m["name"]: m["value"] for m in d["metrics"]["business"]}, {"orders_placed_total": 1800, "active_connections": 7})
        self.assertEqual([m["name"] for m in d["metrics"]["resources"]], ["process_open_fds"])
        by_name = {m["name"]: m for m in d["metrics"]["business"]}
        self.assertEqual(by_name["orders_placed_total"]["by_endpoint"], {"/api/orders": 1200})
        self.assertNotIn("by_endpoint", by_name["active_connections"])
        self.assertAlmostEqual(float(s.query(by_name["orders_placed_total"]["query"], at=self.end)[0]["value"][1]), 3, 3)
        self.assertEqual(s.query(by_name["active_connections"]["query"], at=self.end)[0]["value"][1], "7")

    def test_endpoints_from_spans_and_access_logs(self):
        s = self.server()
        self.spans(s, "cart", 60, 6)
        self.access(s, "web-1.example", 60, 6)
        e, = self.ask(s, "cart")["endpoints"]
        self.assertEqual((e["endpoint"], e["method"]), ("/cart", "GET"))
        self.assertAlmostEqual(e["requests_per_second"], 0.1, 6)
        self.assertAlmostEqual(e["error_ratio"], 0.1, 6)
        self.assertAlmostEqual(e["in_progress"], 0.01, 6)
        index, old = self.ask(s, "web-1.example")["endpoints"]
        self.assertEqual((index["endpoint"], index["method"], index["error_ratio"]), ("/index.html", "GET", 0))
        self.assertEqual((old["endpoint"], old["error_ratio"]), ("/old", 1))
        self.assertAlmostEqual(index["p95_seconds"], 0.2, 6)
        self.assertAlmostEqual(old["requests_per_second"], 0.01, 6)
        records = {r["action"]: r for r in s.get("/api/stoa/v1/audit").json["records"]}
        self.assertIn("/services/web-1.example", records["logs.query"]["text"])
        self.assertIn("/services/cart", records["traces.names"]["text"])

    def test_what_is_not_there_and_wrong_windows(self):
        s = self.server()
        self.assertEqual(self.ask(s), {})
        r = s.get("/api/stoa/v1/services/nobody")
        self.assertEqual(r.status, 404)
        self.assertIn('"nobody\\"', r.text)
        self.assertEqual(s.get("/api/stoa/v1/services/x", {"start": 5, "end": 4}).status, 400)

    def test_values_that_need_quotes_stay_what_they_are(self):
        s = self.server()
        odd = 'a "b"\\c/d e'
        self.write(s, [("http_requests_total", {"job": odd, "status": "200"}, lambda t: t)])
        row = self.ask(s)["d e"]
        self.assertTrue(math.isclose(float(s.query(row["queries"]["requests_per_second"], at=self.end)[0]["value"][1]), 1, rel_tol=1e-3))
        r = s.get("/api/stoa/v1/services/d%20e", {"start": self.start, "end": self.end})
        self.assertEqual(r.json["data"]["service"], "d e")


if __name__ == "__main__":
    harness.main()
