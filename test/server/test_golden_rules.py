# SPDX-License-Identifier: Apache-2.0
"""Golden signals as recording rules: the file, what it records, native histograms, and a server that evaluates it by itself."""
import pathlib
import subprocess
import tempfile

import harness
import test_native as native
import test_services

PROMTOOL = harness.ROOT / "build" / "peers" / "prometheus" / "usr" / "bin" / "promtool"
PATH = "/api/stoa/v1/golden/rules"


class Rules(test_services.Services):
    def native(self, s, job, status="200", name="http_server_request_duration_seconds"):
        """2 requests a second between 0.5 and 1 s, by remote write."""
        points = [native.histogram(t * 1000, [2 * (t - self.start)], 1.5 * (t - self.start)) for t in range(self.start, self.end + 1, 15)]
        labels = (("__name__", name), ("http_response_status_code", status), ("http_route", "/n"), ("job", job))
        body = native.f_bytes(1, *[native.f_bytes(1, native.f_bytes(1, n), native.f_bytes(2, v)) for n, v in labels], *[native.f_bytes(4, p) for p in points])
        r = s.post("/api/v1/write", native.snappy(body), harness.WRITE_HEADERS)
        self.assertIn(r.status, (200, 204), r.text)

    def file(self, s, **params):
        r = s.get(PATH, params)
        self.assertEqual(r.status, 200, r.text)
        return r.text

    def records(self, text, foreign=True):
        """{record: expr} of the file, and a check of it by both tools."""
        with tempfile.TemporaryDirectory(prefix="stoa-golden-") as folder:
            path = pathlib.Path(folder) / "golden.yml"
            path.write_text(text)
            r = subprocess.run([harness.BINARY, "check", "rules", str(path)], capture_output=True, text=True)
            self.assertEqual(r.returncode, 0, r.stdout + r.stderr)
            if PROMTOOL.exists() and foreign:
                r = subprocess.run([str(PROMTOOL), "check", "rules", str(path)], capture_output=True, text=True)
                self.assertEqual(r.returncode, 0, r.stdout + r.stderr)
        out, name = {}, None
        for line in text.splitlines():
            if line.strip().startswith("- record: "):
                name = line.split(": ", 1)[1]
                self.assertNotIn(name, out)
                self.assertRegex(name, r"^[a-z_]+:[a-z0-9_]+:[a-z0-9_]+$")
                out[name] = ""
            elif name and line.startswith(" " * 10):
                out[name] += line.strip() + " "
            else:
                name = name if "expr:" in line else None
        return out

    def value(self, s, expr, job):
        got = [r for r in s.query(expr, at=self.end) if r["metric"].get("job") == job]
        self.assertEqual(len(got), 1, expr)
        return float(got[0]["value"][1])

    def test_the_file_records_what_the_services_page_says(self):
        s = self.server()
        self.write(s, self.http("shop") + self.http("other", status="code", endpoint="handler") +
                   [("orders_placed_total", {"job": "shop"}, lambda t: t * 2), ("cache_hits_total", {"job": "shop"}, lambda t: t)])
        rules = self.records(self.file(s))
        self.assertEqual(set(rules), {"job:http_requests:rate5m", "job:http_requests_failed:ratio_rate5m", "job:http_request_duration_seconds:p50_rate5m",
                                      "job:http_request_duration_seconds:p95_rate5m", "job:http_request_duration_seconds:p99_rate5m", "job:orders_placed:rate5m"})
        for job in ("shop", "other"):
            self.assertAlmostEqual(self.value(s, rules["job:http_requests:rate5m"], job), 2.5, 3)
            self.assertAlmostEqual(self.value(s, rules["job:http_requests_failed:ratio_rate5m"], job), 0.2, 6)
            self.assertAlmostEqual(self.value(s, rules["job:http_request_duration_seconds:p50_rate5m"], job), 0.03, 6)
        self.assertAlmostEqual(self.value(s, rules["job:orders_placed:rate5m"], "shop"), 2, 3)

    def test_calls_to_databases_and_services_are_recorded_where_there_are_any(self):
        s = self.server()
        self.write(s, self.http("shop") + [("http_client_duration_milliseconds_bucket", {"job": "shop", "le": le}, lambda t: 3 * t) for le in ("100", "+Inf")] +
                   [("http_client_duration_milliseconds_count", {"job": "shop"}, lambda t: 3 * t)])
        self.native(s, "shop", name="db_client_operation_duration_seconds")
        rules = self.records(self.file(s))
        self.assertAlmostEqual(self.value(s, rules["job:db_client_operation_duration_seconds_count:rate5m"], "shop"), 2, 3)
        self.assertTrue(0.5 < self.value(s, rules["job:db_client_operation_duration_seconds:p95_rate5m"], "shop") <= 1 + 1e-9)
        self.assertAlmostEqual(self.value(s, rules["job:http_client_duration_milliseconds_count:rate5m"], "shop"), 3, 3)
        self.assertAlmostEqual(self.value(s, rules["job:http_client_duration_seconds:p50_rate5m"], "shop"), 0.05, 6)
        self.assertFalse([name for name in rules if "rpc_client" in name])

    def test_one_service_alone_and_what_is_not_there(self):
        s = self.server()
        self.write(s, self.http("shop") + self.http("other"))
        self.spans(s, "cart", 10, 1)
        rules = self.records(self.file(s, service="shop"))
        self.assertTrue(all('job="shop"' in expr for expr in rules.values()))
        self.assertEqual(len(rules), 5)
        self.assertIn("groups: []", self.file(s, service="cart"))
        self.assertIn("span_metrics: true", self.file(s, service="cart"))
        self.assertEqual(s.get(PATH, {"service": "nobody"}).status, 404)
        r = subprocess.run([harness.BINARY, "query", "--url", s.url, "--golden-rules", "shop"], capture_output=True, text=True)
        self.assertEqual((r.returncode, self.records(r.stdout)), (0, rules), r.stderr)
        self.assertIn("groups: []", self.file(self.server()))

    def test_native_histograms_are_asked_where_a_service_has_them(self):
        s = self.server()
        self.write(s, self.http("classic", prefix="http_server"))
        self.native(s, "native")
        self.native(s, "native", status="500")
        rows = self.ask(s)
        self.assertAlmostEqual(self.last(rows["native"], "requests_per_second"), 4, 3)
        self.assertAlmostEqual(self.last(rows["native"], "error_ratio"), 0.5, 6)
        self.assertTrue(0.5 < self.last(rows["native"], "p95_seconds") <= 1 + 1e-9)
        self.assertAlmostEqual(self.last(rows["classic"], "p50_seconds"), 0.03, 6)
        for key, query in rows["native"]["queries"].items():
            t, v = rows["native"][key][-1]
            self.assertAlmostEqual(float(s.query(query, at=t)[0]["value"][1]), float(v), 9)
        detail = self.ask(s, "native")
        self.assertEqual([e["endpoint"] for e in detail["endpoints"]], ["/n"])
        self.assertAlmostEqual(detail["endpoints"][0]["in_progress"], 3, 2)
        rules = self.records(self.file(s))
        self.assertAlmostEqual(self.value(s, rules["job:http_server_request_duration_seconds_count:rate5m"], "native"), 4, 3)
        self.assertAlmostEqual(self.value(s, rules["job:http_server_request_duration_seconds_count_failed:ratio_rate5m"], "native"), 0.5, 6)
        p95 = rules["job:http_server_request_duration_seconds:p95_rate5m"]
        self.assertTrue(0.5 < self.value(s, p95, "native") <= 1 + 1e-9)
        self.assertAlmostEqual(self.value(s, p95, "classic"), 0.048, 6)

    def test_a_service_with_both_kinds_is_told_from_the_native_one(self):
        s = self.server()
        self.write(s, [r for r in self.http("both", prefix="http_server") if not r[0].endswith("_requests_total")])
        self.native(s, "both")
        row = self.ask(s)["both"]
        self.assertNotIn("_bucket", row["queries"]["p95_seconds"])
        self.assertTrue(0.5 < self.last(row, "p95_seconds") <= 1 + 1e-9)

    def test_access_logs_are_recorded_by_logql(self):
        s = self.server()
        self.write(s, self.http("shop"))
        self.access(s, "nginx", 200, 20)
        self.access(s, "shop", 10, 0)
        text = self.file(s)
        rules = {k: v for k, v in self.records(text, foreign=False).items() if "access_log" in k}
        self.assertEqual(set(rules), {"service_name:access_log_" + x for x in (
            "requests:rate5m", "requests_failed:ratio_rate5m", "request_seconds:p50_5m", "request_seconds:p95_5m", "request_seconds:p99_5m")})
        self.assertEqual(text.count("\n        lang: logql\n"), 5)
        at = (self.end - 1) * 10**9
        for name, want in (("requests:rate5m", 200 / 300), ("requests_failed:ratio_rate5m", 0.1), ("request_seconds:p95_5m", 0.2)):
            r = s.get("/loki/api/v1/query", dict(query=rules["service_name:access_log_" + name], time=at))
            self.assertEqual(r.status, 200, r.text)
            one, = r.json["data"]["result"]  # shop is told from its metrics
            self.assertEqual(one["metric"], {"service_name": "nginx"})
            self.assertAlmostEqual(float(one["value"][1]), want, 6)
        self.access(s, "fine", 10, 0, tail="")
        alone = self.records(self.file(s, service="fine"), foreign=False)
        self.assertEqual(set(alone), {"service_name:access_log_requests:rate5m", "service_name:access_log_requests_failed:ratio_rate5m"})
        ratio = s.get("/loki/api/v1/query", dict(query=alone["service_name:access_log_requests_failed:ratio_rate5m"], time=at)).json
        self.assertEqual([float(x["value"][1]) for x in ratio["data"]["result"]], [0])  # unlike unknown
        self.assertFalse([k for k in self.records(self.file(s, lang="promql")) if "access_log" in k])
        self.assertEqual(s.get(PATH, {"lang": "sql"}).status, 400)

    def test_span_metrics_of_senders_are_recorded(self):
        s = self.server()
        labels = {"service_name": "cart", "span_kind": "SPAN_KIND_SERVER", "span_name": "GET /cart"}
        ok, bad = dict(labels, status_code="STATUS_CODE_UNSET"), dict(labels, status_code="STATUS_CODE_ERROR")
        client = dict(ok, span_kind="SPAN_KIND_CLIENT")
        self.write(s, [("traces_span_metrics_calls_total", ok, lambda t: 3 * t), ("traces_span_metrics_calls_total", bad, lambda t: t),
                       ("traces_span_metrics_calls_total", client, lambda t: 100 * t)] +
                   [("traces_span_metrics_duration_milliseconds_bucket", dict(ok, le=le), lambda t: 4 * t) for le in ("200", "+Inf")])
        rules = self.records(self.file(s))
        value = lambda name: [(x["metric"], float(x["value"][1])) for x in s.query(rules["service_name:traces_span_metrics_" + name], at=self.end)]
        for name, want in (("calls:rate5m", 4), ("calls_failed:ratio_rate5m", 0.25), ("duration_seconds:p50_rate5m", 0.1)):
            (metric, v), = value(name)
            self.assertEqual(metric, {"service_name": "cart"})
            self.assertAlmostEqual(v, want, 3)

    def test_spans_are_counted_as_metrics_when_asked_and_recorded_by_the_server(self):
        s = self.server(config="rules: {golden: true, span_metrics: true}\n")
        self.spans(s, "cart", 40, 4, ms=100)
        calls = self.eventually(lambda: s.query("sum by (service) (traces_spanmetrics_calls_total)"), what="span metrics", seconds=40)
        self.assertEqual([(c["metric"], c["value"][1]) for c in calls], [({"service": "cart"}, "40")])
        self.assertGreater(float(s.query("sum(rate(traces_spanmetrics_calls_total[5m]))")[0]["value"][1]), 0)  # the first spans, too
        self.assertAlmostEqual(float(s.query("histogram_sum(sum(traces_spanmetrics_latency))")[0]["value"][1]), 4, 6)
        rules = self.records(self.file(s))
        (one,) = s.query(rules["service:traces_spanmetrics_calls_failed:ratio_rate5m"])
        self.assertAlmostEqual(float(one["value"][1]), 0.1, 6)
        self.assertEqual(set(self.records(self.file(s, service="cart"))), {k for k in rules if k.startswith("service:traces_spanmetrics")})
        self.spans(s, "cart", 2, 0)
        s.stop()  # what is counted goes with the end
        s.start()
        self.assertEqual(s.query('sum(last_over_time(traces_spanmetrics_calls_total[5m]))')[0]["value"][1], "42")
        self.eventually(lambda: "golden_spans" in {g["name"] for g in s.get("/api/v1/rules").json["data"]["groups"]}, what="the group", seconds=90)

    def test_the_server_records_them_by_itself_with_their_history(self):
        s = self.server(config="rules: {golden: true, backfill: 1h}\n")
        self.write(s, self.http("shop"))
        got = self.eventually(lambda: s.query('job:http_requests:rate5m{job="shop"}[1h]'), what="recorded golden signals")
        self.eventually(lambda: len(s.query('job:http_requests:rate5m{job="shop"}[1h]')[0]["values"]) > 5, what="their history")
        self.assertAlmostEqual(float(got[0]["values"][-1][1]), 2.5, 1)
        groups = {g["name"] for g in s.get("/api/v1/rules").json["data"]["groups"]}
        self.assertIn("golden_http", groups)
        self.assertNotIn("job:http_requests:rate5m", [m["name"] for m in self.ask(s, "shop")["metrics"]["business"]])
        s.kill()
        s.start()
        self.assertIn("golden_http", {g["name"] for g in s.get("/api/v1/rules").json["data"]["groups"]})


# The tests of services run in their own file.
for name in [n for n in dir(test_services.Services) if n.startswith("test_")]:
    setattr(Rules, name, None)
del test_services.Services


if __name__ == "__main__":
    harness.main()
