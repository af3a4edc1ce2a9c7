# SPDX-License-Identifier: Apache-2.0
"""The cardinality firewall: what folds, what is refused and by which words, rates, restarts, memory; where series come from and what is read."""
import json
import os
import subprocess
import time

import harness
from test_native import V2, Request2, histogram
from test_scrape import Target

NOW = int(time.time() * 1000)


def config(**limits):
    return "cardinality: " + json.dumps(limits) + "\n"


def series(path, name="http_requests_total", value=1.0, t=None, **labels):
    return {"__name__": name, "job": "web", "path": path, **labels}, [(t or int(time.time() * 1000), value)]


def write(s, rows, tenant=None):
    headers = dict(harness.WRITE_HEADERS, **({"X-Scope-OrgID": tenant} if tenant else {}))
    return s.post("/api/v1/write", harness.write_request(rows), headers)


def report(s, **kw):
    r = s.get("/api/stoa/v1/cardinality", kw)
    assert r.status == 200, r.text
    return r.json


def memory_of(s):
    with open(f"/proc/{s.process.pid}/status") as f:
        return int(next(line for line in f if line.startswith("VmRSS:")).split()[1]) * 1024


def own_metric(s, name):
    line = next(x for x in s.get("/metrics").text.splitlines() if x.startswith(name + " "))
    return float(line.split()[1])


class Scrape(harness.Case):
    def test_values_over_a_limit_fold_into_overflow_and_their_sum_is_right(self):
        page = "# TYPE hits_total counter\n" + "".join(f'hits_total{{user="u{i}"}} {i}\n' for i in range(100))
        page += "# TYPE temp gauge\n" + "".join(f'temp{{user="u{i}"}} {i}\n' for i in range(100))
        target = Target({"/metrics": ("text/plain", page)})
        self.addCleanup(target.close)
        s = self.server(config=config(values_per_label=10) + f"""
scrape_configs:
  - job_name: shop
    scrape_interval: 1s
    static_configs: [{{targets: ["{target.address}"]}}]
""")
        over = self.eventually(lambda: s.query('hits_total{user="__overflow__"}'), what="the folded series")
        self.assertEqual(float(over[0]["value"][1]), sum(range(10, 100)))
        self.assertEqual(over[0]["metric"]["job"], "shop")
        self.assertEqual(float(s.query("sum(hits_total)")[0]["value"][1]), sum(range(100)))
        self.assertEqual(len(s.query("hits_total")), 11)
        self.assertEqual(float(s.query('temp{user="__overflow__", folded="last"}')[0]["value"][1]), 99)
        self.assertEqual(s.query("up")[0]["value"][1], "1")
        told = {o["metric"]: o for o in report(s)["offenders"]}
        o = told["hits_total"]
        self.assertEqual((o["label"], o["job"], o["action"], o["limit"], o["setting"]), ("user", "shop", "folded", 10, "values_per_label"))
        self.assertEqual(o["different"], 90)
        self.assertGreaterEqual(o["samples"], 90)
        self.assertLess(abs(o["first_sample_ms"] - time.time() * 1000), 60000)
        before = o["samples"]
        # Pages go on: values that go and values that come do not make the sum fall.
        target.pages["/metrics"] = ("text/plain", "# TYPE hits_total counter\n" + "".join(f'hits_total{{user="u{i}"}} {i + 1}\n' for i in range(50, 120)))
        want = sum(range(10, 50)) + sum(i + 1 for i in range(50, 120))
        self.eventually(lambda: float(s.query('hits_total{user="__overflow__"}')[0]["value"][1]) == want, what=f"the sum of {want}")
        self.assertEqual(s.query('resets(hits_total{user="__overflow__"}[5m])')[0]["value"][1], "0")
        self.assertGreater({o["metric"]: o for o in report(s)["offenders"]}["hits_total"]["samples"], before)
        self.assertGreater(own_metric(s, "stoa_cardinality_folded_samples_total"), 90)


    def test_classic_histograms_fold_bucket_by_bucket_and_native_ones_of_known_series_go_on(self):
        lines = ["# TYPE took histogram"]
        for i in range(30):
            lines += [f'took_bucket{{user="u{i}",le="1"}} {i}', f'took_bucket{{user="u{i}",le="+Inf"}} {2 * i}', f'took_sum{{user="u{i}"}} {3 * i}',
                      f'took_count{{user="u{i}"}} {2 * i}']
        page = "\n".join(lines) + "\n"
        target = Target({"/metrics": ("text/plain", page)})
        self.addCleanup(target.close)
        job = "  - job_name: {0}\n    scrape_interval: 300ms\n    static_configs: [{{targets: [\"{1}\"]}}]\n"
        s = self.server(config=config(values_per_label=10) + "scrape_configs:\n" + job.format("classic", target.address) +
                        job.format("native", target.address) + "    convert_classic_histograms_to_nhcb: true\n"
                        "    metric_relabel_configs: [{source_labels: [__name__], target_label: __name__, replacement: other}]\n")
        self.eventually(lambda: s.query('took_count{user="__overflow__"}'), what="the folded histogram")
        over = {r["metric"].get("le", r["metric"]["__name__"]): float(r["value"][1]) for r in s.query('{__name__=~"took_.+",user="__overflow__"}')}
        rest = sum(range(10, 30))
        self.assertEqual(over, {"1.0": rest, "+Inf": 2 * rest, "took_sum": 3 * rest, "took_count": 2 * rest})
        # A native histogram has no sum that a page could give: what is over the limit is left out and named, what is known goes on.
        self.eventually(lambda: len(s.query("other")) == 10, what="the native histograms within the limit")
        self.assertEqual(float(s.query('histogram_count(sum(other))')[0]["value"][1]), 2 * sum(range(10)))
        self.assertEqual(s.query('other{user="__overflow__"}'), [])
        told = {o["metric"]: o for o in report(s)["offenders"]}
        self.assertEqual((told["other"]["label"], told["other"]["job"], told["other"]["action"]), ("user", "native", "refused"))
        self.assertEqual(s.query('up{job="native"}')[0]["value"][1], "1")


class Push(harness.Case):
    def test_remote_write_over_a_limit_names_the_offender_and_keeps_what_is_known(self):
        s = self.server(config=config(values_per_label=100))
        self.assertEqual(write(s, [series(f"/p{i}") for i in range(90)]).status, 204)
        r = write(s, [series(f"/p{i}", value=2.0) for i in range(150)])
        self.assertEqual(r.status, 400)
        for word in ("50 samples refused", "metric http_requests_total", "label path has 100 values", "cardinality.values_per_label of tenant default is 100",
                     'path="/p100"'):
            self.assertIn(word, r.text)
        self.assertEqual(len(s.query("http_requests_total == 2")), 100)
        self.assertEqual(write(s, [series(f"/p{i}", value=3.0) for i in range(100)]).status, 204)
        self.assertEqual(write(s, [series(f"/p{i}", name="other_total") for i in range(100, 150)]).status, 204)
        self.assertEqual(write(s, [series(f"/p{i}") for i in range(100, 150)], tenant="b").status, 204)
        d = report(s)
        self.assertEqual(len(d["offenders"]), 1)
        o = d["offenders"][0]
        self.assertEqual((o["tenant"], o["metric"], o["label"], o["job"], o["action"]), ("default", "http_requests_total", "path", "web", "refused"))
        self.assertEqual((o["samples"], o["different"], o["found"]), (50, 50, 100))
        self.assertEqual((d["near"][0]["metric"], d["near"][0]["label"], d["near"][0]["count"]), ("http_requests_total", "path", 100))
        self.assertIn('stoa_cardinality_refused_samples_total{setting="values_per_label"} 50', s.get("/metrics").text)
        self.assertGreaterEqual(own_metric(s, "stoa_cardinality_limits_near"), 1)

    def test_otlp_over_a_limit_is_a_partial_success_with_the_same_words(self):
        s = self.server(config=config(values_per_label=5))
        point = lambda i: {"asInt": "1", "timeUnixNano": f"{int(time.time() * 1e9)}", "attributes": [{"key": "user", "value": {"stringValue": f"u{i}"}}]}
        r = s.post_json("/v1/metrics", {"resourceMetrics": [{"resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}]},
                                                             "scopeMetrics": [{"metrics": [{"name": "orders", "gauge": {"dataPoints": [point(i) for i in range(8)]}}]}]}]})
        self.assertEqual(r.status, 200, r.text)
        self.assertEqual(int(r.json["partialSuccess"]["rejectedDataPoints"]), 3)
        self.assertIn("label user has 5 values", r.json["partialSuccess"]["errorMessage"])
        self.assertEqual(len(s.query("orders")), 5)

    def test_a_full_tenant_gets_429_with_retry_after_and_its_known_series_are_stored(self):
        s = self.server(config=config(series_per_tenant=1000, tenants={"small": {"series_per_tenant": 20}}))
        r = write(s, [series(f"/p{i}") for i in range(30)], tenant="small")
        self.assertEqual(r.status, 429)
        self.assertTrue(1 <= int(r.headers["Retry-After"]) <= 300)
        self.assertIn("tenant small has 20 series", r.text)
        self.assertIn("cardinality.series_per_tenant is 20", r.text)
        stored = s.get("/api/v1/query", {"query": "count(http_requests_total)"}, headers={"X-Scope-OrgID": "small"}).json["data"]["result"]
        self.assertEqual(stored[0]["value"][1], "20")
        self.assertEqual(write(s, [series(f"/p{i}") for i in range(20)], tenant="small").status, 204)
        self.assertEqual(write(s, [series(f"/p{i}") for i in range(30)]).status, 204)

    def test_a_push_to_the_gateway_over_a_limit_is_refused_whole_and_named(self):
        s = self.server(config=config(values_per_label=5, tenants={"small": {"series_per_tenant": 8, "values_per_label": 100}}))
        page = lambda *users: "# TYPE done counter\n" + "".join(f'done{{user="u{i}"}} 1\n' for i in users)
        self.assertEqual(s.post("/metrics/job/shop", page(*range(5))).status, 200)
        r = s.post("/metrics/job/shop", page(*range(8)))
        self.assertEqual(r.status, 400, r.text)
        self.assertIn("refused whole: metric done: label user has 5 values", r.text)
        self.assertEqual(s.post("/metrics/job/else", page(9)).status, 400)
        self.assertEqual(s.post("/metrics/job/shop", page(*range(5))).status, 200)
        self.assertEqual(len(s.query('done{job="shop"}')), 5)
        self.assertEqual(s.query('{job="else"}'), [])
        o = {o["metric"]: o for o in report(s)["offenders"]}["done"]
        self.assertEqual((o["label"], o["action"]), ("user", "refused"))
        s.kill()
        s.start()
        self.assertEqual(s.post("/metrics/job/shop", page(*range(5))).status, 200)
        r = s.post("/metrics/job/shop", page(*range(12)), {"X-Scope-OrgID": "small"})
        self.assertEqual(r.status, 429, r.text)
        self.assertTrue(1 <= int(r.headers["Retry-After"]) <= 300)

    def test_native_histograms_over_a_limit_are_refused_and_counted_as_histograms(self):
        s = self.server(config=config(values_per_label=5))

        def send(n):
            q = Request2()
            for i in range(n):
                q.add([("__name__", "took"), ("user", f"u{i}")], histograms=[histogram(int(time.time() * 1000), [1, 2], 4)])
            return s.post("/api/v1/write", q.body(), V2)
        r = send(8)
        self.assertEqual(r.status, 400, r.text)
        self.assertIn("3 histograms refused, 5 taken", r.text)
        self.assertIn("label user has 5 values", r.text)
        self.assertEqual(s.query("histogram_count(sum(took))")[0]["value"][1], "15")
        self.assertEqual(send(5).status, 204)

    def test_every_push_path_answers_429_with_retry_after(self):
        limits = {"fast": {"samples_per_second": 1}, "full": {"series_per_tenant": 1}}
        s = self.server(config=config(tenants=limits))
        t = lambda: int(time.time() * 1e9)
        point = lambda i: {"asDouble": 1, "timeUnixNano": str(t()), "attributes": [{"key": "n", "value": {"stringValue": str(i)}}]}
        otlp = lambda: json.dumps({"resourceMetrics": [{"resource": {}, "scopeMetrics": [{"metrics": [
            {"name": "a", "gauge": {"dataPoints": [point(i) for i in range(40)]}}]}]}]})
        hec = lambda: "".join(json.dumps({"event": "metric", "time": time.time(), "fields": {"metric_name:b": 1, "n": str(i)}}) for i in range(40))
        paths = {"/api/v1/write": (lambda: harness.write_request([series(f"/p{i}") for i in range(40)]), harness.WRITE_HEADERS),
                 "/v1/metrics": (otlp, {"Content-Type": "application/json"}),
                 "/services/collector": (hec, {"Authorization": "Splunk x"})}
        for path, (body, headers) in paths.items():
            for tenant in limits:
                send = lambda: s.post(path, body(), dict(headers, **{"X-Scope-OrgID": tenant}))
                if tenant == "fast":
                    self.eventually(lambda: send().status == 200 + 4 * (path == "/api/v1/write"), seconds=60, what=f"{path} is let in once")
                r = send()
                self.assertEqual(r.status, 429, f"{path} {tenant} {r.text}")
                self.assertTrue(1 <= int(r.headers["Retry-After"]) <= 300, path)

    def test_a_tenant_that_sends_too_fast_gets_429_until_its_time_comes(self):
        s = self.server(config=config(tenants={"fast": {"samples_per_second": 10}}))
        rows = [series(f"/p{i}") for i in range(120)]
        self.assertEqual(write(s, rows, tenant="fast").status, 204)  # 100 were saved up
        r = write(s, rows, tenant="fast")
        self.assertEqual(r.status, 429)
        wait = int(r.headers["Retry-After"])
        self.assertTrue(1 <= wait <= 5, wait)
        self.assertIn("cardinality.samples_per_second = 10", r.text)
        self.assertEqual(write(s, rows).status, 204)
        time.sleep(wait)
        self.assertEqual(write(s, rows, tenant="fast").status, 204)
        self.assertEqual(own_metric(s, "stoa_cardinality_rate_limited_requests_total"), 1)

    def test_a_reload_raises_a_limit(self):
        s = self.server(config=config(values_per_label=10))
        self.assertEqual(write(s, [series(f"/p{i}") for i in range(20)]).status, 400)
        with open(os.path.join(s.data, "test.yml"), "w") as f:
            f.write(config(values_per_label=30))
        self.assertEqual(s.post("/-/reload").status, 200)
        self.assertEqual(write(s, [series(f"/p{i}") for i in range(20)]).status, 204)

    def test_known_series_are_accepted_after_a_restart_and_after_a_kill(self):
        s = self.server(config=config(values_per_label=50))
        rows = [series(f"/p{i}") for i in range(50)]
        self.assertEqual(write(s, rows).status, 204)
        self.assertEqual(s.stop(), 0)
        for kill in (True, False):
            s.start()
            self.assertEqual(write(s, [series(f"/new{i}") for i in range(10)]).status, 400)
            self.assertEqual(write(s, [series(f"/p{i}") for i in range(50)]).status, 204)
            s.kill() if kill else s.stop()
        s.start()

    def test_what_does_not_come_for_two_windows_makes_room(self):
        s = self.server(config=config(values_per_label=20, window="10s"))
        self.assertEqual(write(s, [series(f"/a{i}") for i in range(20)]).status, 204)
        self.assertEqual(write(s, [series("/b0")]).status, 400)
        self.eventually(lambda: write(s, [series("/b0")]).status == 204, seconds=40, what="room for a new value")

    def test_a_million_series_over_a_limit_take_no_memory(self):
        s = self.server(config=config(values_per_label=1000))
        body = lambda k: [series(f"/p{i}", t=NOW) for i in range(20000 * k, 20000 * (k + 1))]
        write(s, body(0))
        write(s, body(1))
        before = memory_of(s)
        for k in range(2, 52):
            self.assertEqual(write(s, body(k)).status, 400)
        # A request of 20 000 series takes its own memory while it is worked at, which the allocator may keep.
        self.assertLess(memory_of(s) - before, 64 << 20)
        o = report(s)["offenders"][0]
        self.assertGreater(o["samples"], 1000000)
        self.assertAlmostEqual(o["different"], 1039000, delta=1039000 * 0.07)
        self.assertLess(own_metric(s, "stoa_cardinality_memory_bytes"), 1 << 20)
        self.assertLess(len(s.query("http_requests_total")), 1010)  # a hash of 31 bits is shared now and then


class Report(harness.Case):
    def fill(self, s):
        rows = [series(f"/p{i}", code=str(200 + i % 3)) for i in range(30)] + [series("/x", name="small")]
        self.assertEqual(write(s, rows).status, 204)

    def test_status_tsdb_says_where_series_come_from(self):
        s = self.server()
        self.fill(s)
        self.assertEqual(write(s, [series("/foreign", name="foreign")], tenant="b").status, 204)
        d = s.get("/api/v1/status/tsdb").json["data"]
        self.assertEqual(d["headStats"]["numSeries"], 31)
        self.assertEqual(d["headStats"]["numLabelPairs"], 2 + 1 + 31 + 3)
        self.assertEqual(d["seriesCountByMetricName"], [{"name": "http_requests_total", "value": 30}, {"name": "small", "value": 1}])
        self.assertEqual(d["labelValueCountByLabelName"][0], {"name": "path", "value": 31})
        self.assertEqual(d["seriesCountByLabelValuePair"][0], {"name": "job=web", "value": 31})
        self.assertEqual({x["name"]: x["value"] for x in d["memoryInBytesByLabelName"]}["job"], 31 * 3)
        one = s.get("/api/v1/status/tsdb", {"limit": 1}).json["data"]
        self.assertEqual([len(one[k]) for k in one if k != "headStats"], [1, 1, 1, 1])
        self.assertEqual(s.get("/api/v1/status/tsdb", {"limit": 0}).status, 400)
        self.assertEqual(s.get("/api/v1/status/tsdb", {"limit": "x"}).status, 400)

    def test_metrics_that_nobody_reads_are_told_and_reads_outlive_a_restart(self):
        s = self.server()
        self.fill(s)
        m = report(s)["metrics"]
        self.assertEqual((m["count"], m["series"], m["never_read_count"], m["never_read_series"]), (2, 31, 2, 31))
        since = m["reads_since_ms"]
        s.query("sum(rate(http_requests_total[5m]))")
        m = report(s)["metrics"]
        self.assertEqual([x["name"] for x in m["never_read"]], ["small"])
        read = m["largest"][0]["last_read_ms"]
        self.assertLess(abs(read - time.time() * 1000), 60000)
        self.assertEqual(s.stop(), 0)
        s.start()
        m = report(s)["metrics"]
        self.assertEqual((m["reads_since_ms"], m["largest"][0]["last_read_ms"]), (since, read))
        s.query('{job="web"}')  # reads whatever it finds
        self.assertEqual(report(s)["metrics"]["never_read_count"], 0)

    def test_the_command_says_the_same(self):
        s = self.server(config=config(values_per_label=10))
        write(s, [series(f"/p{i}") for i in range(20)])
        r = subprocess.run([harness.BINARY, "query", "--url", s.url, "--cardinality"], capture_output=True, text=True)
        self.assertEqual(r.returncode, 0, r.stderr)
        for word in ("refused http_requests_total label path tenant default job web: 10 samples, 10 different; found 10, values_per_label is 10",
                     "10 values (100 % of 10) http_requests_total label path", "Never read since", "1 of 1 metrics"):
            self.assertIn(word, r.stdout)

    def test_a_wrong_configuration_says_what_is_allowed(self):
        path = os.path.join(self.server().data, "bad.yml")
        for text, word in (("cardinality: {values: 1}", "unknown key \"values\""), ("cardinality: {window: 1s}", "allowed 10s to 7d"),
                           ("cardinality: {tenants: {a: {window: 1h}}}", "unknown")):
            with open(path, "w") as f:
                f.write(text + "\n")
            r = subprocess.run([harness.BINARY, "check", "config", path], capture_output=True, text=True)
            self.assertNotEqual(r.returncode, 0, text)
            self.assertIn(word, r.stdout + r.stderr)


if __name__ == "__main__":
    harness.main()
