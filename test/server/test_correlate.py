# SPDX-License-Identifier: Apache-2.0
"""One id over all signals: what is folded and kept as exemplars, GET correlate, GET query_exemplars, the switch."""
import pathlib
import subprocess
import time
import uuid

import harness
from test_scrape import OPENMETRICS, Target

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
DASHED = "4bf92f35-77b3-4da6-a3ce-929d0e0e4736"
SPAN = "00f067aa0ba902b7"


def attribute(key, value):
    return {"key": key, "value": {"stringValue": value}}


class Correlate(harness.Case):
    def scraped(self, pages, extra=""):
        target = Target(pages)
        self.addCleanup(target.close)
        config = f"scrape_configs:\n- job_name: shop\n  scrape_interval: 1s\n  scrape_timeout: 1s\n  static_configs: [{{targets: ['{target.address}']}}]\n{extra}"
        return self.server(config=config), target

    def correlate(self, s, id, **params):
        r = s.get("/api/stoa/v1/correlate", dict(id=id, **params))
        self.assertEqual(r.status, 200, r.text)
        return r.json

    def push_line(self, s, line, metadata=None, labels=None):
        value = [str(time.time_ns()), line] + ([metadata] if metadata else [])
        r = s.post_json("/loki/api/v1/push", {"streams": [{"stream": labels or {"service_name": "web"}, "values": [value]}]})
        self.assertEqual(r.status, 204, r.text)

    def push_span(self, s, trace=TRACE, span=SPAN, attributes=(), name="GET /buy"):
        now = time.time_ns()
        r = s.post_json("/v1/traces", {"resourceSpans": [{"resource": {"attributes": [attribute("service.name", "shop")]}, "scopeSpans": [{"spans": [
            {"traceId": trace, "spanId": span, "name": name, "kind": 2, "startTimeUnixNano": str(now - 5 * 10**6), "endTimeUnixNano": str(now),
             "attributes": list(attributes)}]}]}]})
        self.assertEqual(r.status, 200, r.text)

    def test_series_that_differ_in_an_id_are_summed_and_their_ids_kept(self):
        page = "# TYPE requests_total counter\n" + "".join(f'requests_total{{path="/buy",correlation_id="id-{i}"}} {i}\n' for i in range(1, 5))
        page += '# TYPE in_flight gauge\nin_flight{request_id="id-1"} 3\n'
        s, target = self.scraped({"/metrics": ("text/plain", page)})
        got = self.eventually(lambda: s.query("requests_total"), what="a scrape")
        self.assertEqual(len(got), 1)
        self.assertEqual(got[0]["value"][1], "10")
        self.assertNotIn("correlation_id", got[0]["metric"])
        self.assertEqual([g["metric"]["folded"] for g in s.query("in_flight")], ["last"])
        # One more request: the sum grows, the series stays one.
        target.pages["/metrics"] = ("text/plain", page + 'requests_total{path="/buy",correlation_id="id-9"} 1\n')
        self.eventually(lambda: s.query("requests_total")[0]["value"][1] == "11", what="the new sum")
        self.assertEqual(len(s.get("/api/v1/series", {"match[]": "requests_total"}).json["data"]), 1)
        found = self.correlate(s, "id-9")
        self.assertEqual([(e["series"]["__name__"], e["labels"], e["value"]) for e in found["exemplars"]],
                         [("requests_total", {"correlation_id": "id-9"}, 1)])
        report = s.get("/api/stoa/v1/correlation").json
        self.assertTrue(report["fold"])
        self.assertEqual(report["labels"][0], "correlation_id")
        row, = [r for r in report["folded"] if r["metric"] == "requests_total"]
        self.assertEqual((row["job"], row["label"], row["how"], row["series"], row["into"], row["exemplars"]),
                         ("shop", "correlation_id", "sum", 5, 1, 5))
        self.assertEqual(report["not_folded"], [])
        self.assertIn("stoa_fold_into_series 2\n", s.get("/metrics").text)

    def test_one_switch_turns_it_off_and_own_names_may_be_given(self):
        page = "".join(f'c_total{{correlation_id="id-{i}"}} 1\n' for i in range(3)) + "".join(f'd_total{{cart="{i}"}} 1\n' for i in range(3))
        s, _ = self.scraped({"/metrics": ("text/plain", page)}, "correlation: {fold: false}\n")
        self.assertEqual(len(self.eventually(lambda: s.query("c_total"), what="a scrape")), 3)
        report = s.get("/api/stoa/v1/correlation").json
        self.assertEqual((report["fold"], report["folded"]), (False, []))
        self.assertEqual(report["not_folded"], [{"metric": "c_total", "label": "correlation_id", "series": 3}])
        # A series that kept its id is found by it.
        self.assertEqual([e["labels"]["correlation_id"] for e in self.correlate(s, "id-2")["series"]], ["id-2"])
        path = pathlib.Path(s.data, "test.yml")
        path.write_text(path.read_text().replace("{fold: false}", "{labels: [cart]}"))
        self.assertEqual(s.post("/-/reload").status, 200)
        self.eventually(lambda: [x["value"][1] for x in s.query("d_total")] == ["3"], what="folding by another name")
        self.assertEqual(len(s.query("c_total")), 3)

    def test_an_id_finds_lines_by_field_and_by_text_spans_and_exemplars(self):
        s = self.server()
        cid = str(uuid.uuid4())
        self.push_line(s, "by metadata", {"correlation_id": cid})
        self.push_line(s, f'{{"message":"in the line","correlation_id":"{cid}"}}')
        self.push_line(s, f"by text: request {cid} is done")
        self.push_line(s, "another request", {"correlation_id": str(uuid.uuid4())})
        self.push_line(s, "names only the trace", {"trace_id": TRACE})
        self.push_span(s, attributes=[attribute("correlation.id", cid)])
        self.push_span(s, span="00f067aa0ba902b8", name="SELECT")
        self.push_span(s, trace="5bf92f3577b34da6a3ce929d0e0e4736", span="00f067aa0ba902b9", name="other")
        r = s.post_json("/v1/metrics", {"resourceMetrics": [{"resource": {"attributes": [attribute("service.name", "shop")]}, "scopeMetrics": [{"metrics": [
            {"name": "buys", "sum": {"aggregationTemporality": 2, "isMonotonic": True, "dataPoints": [
                {"timeUnixNano": str(time.time_ns()), "asInt": "3", "exemplars": [
                    {"timeUnixNano": str(time.time_ns()), "asInt": "1", "traceId": TRACE, "spanId": SPAN}]}]}}]}]}]})
        self.assertEqual((r.status, r.text), (200, "{}"))
        for id in (cid, cid.replace("-", "")):
            found = self.correlate(s, id)
            self.assertEqual({(l["body"][:9], l["match"]) for l in found["logs"] if l["match"] != "text"}, {("by metada", "field"), ('{"message', "field"), ("names onl", "trace")})
            self.assertEqual([l["service"] for l in found["logs"] if l["match"] == "text"], ["web"])
            trace, = found["traces"]
            self.assertEqual((trace["trace_id"], trace["service"], trace["spans"]), (TRACE, "shop", 2))
            self.assertEqual([e["series"]["__name__"] for e in found["exemplars"]], ["buys_total"])
            self.assertFalse(found["partial"], found["notes"])
        # The other way: from the trace, and from one of its spans.
        for id in (TRACE, DASHED, TRACE.upper()):
            found = self.correlate(s, id)
            self.assertEqual([l["body"] for l in found["logs"]], ["names only the trace"])
            self.assertEqual([t["spans"] for t in found["traces"]], [2])
            self.assertEqual([e["labels"]["span_id"] for e in found["exemplars"]], [SPAN])
        found = self.correlate(s, SPAN)
        self.assertEqual(([t["trace_id"] for t in found["traces"]], len(found["exemplars"])), ([TRACE], 1))
        self.assertEqual(self.correlate(s, "nothing-has-this")["logs"], [])
        # The same after everything went to files.
        self.assertEqual(s.post("/api/stoa/v1/flush").status, 200)
        found = self.correlate(s, cid)
        self.assertEqual((len(found["logs"]), len(found["traces"]), len(found["exemplars"])), (4, 1, 1))

    def test_looking_for_an_id_makes_no_trace_of_it(self):
        s = self.server(quiet=False, config="host: {enabled: false}\nlogs: {journal: false, files: []}\n")
        cid = str(uuid.uuid4())
        self.push_span(s, attributes=[attribute("correlation.id", cid)])
        self.correlate(s, cid)
        spans = lambda: [t for t in s.get("/jaeger/api/traces", {"service": "stoa", "tags": '{"stoa.dialect":"correlate"}'}).json["data"]]
        self.eventually(spans, seconds=30, what="the server's own span of the look-up")
        self.assertEqual([t["trace_id"] for t in self.correlate(s, cid)["traces"]], [TRACE])

    def test_a_restart_tells_no_exemplar_twice_whose_time_is_known(self):
        created = time.time() - 30
        page = f'# TYPE c counter\nc_total{{request_id="id-1"}} 1\nc_created{{request_id="id-1"}} {created:.3f}\n# EOF\n'
        s, _ = self.scraped({"/metrics": (OPENMETRICS, page)})
        self.eventually(lambda: self.correlate(s, "id-1")["exemplars"], what="an exemplar")
        s.stop()
        s.start()
        self.eventually(lambda: s.get("/api/stoa/v1/correlation").json["folded"], what="a scrape after the restart")
        time.sleep(1)
        found = self.correlate(s, "id-1")["exemplars"]
        self.assertEqual([e["t_ms"] for e in found], [int(f"{created:.3f}".replace(".", ""))])

    def test_pushed_series_are_told_and_not_folded(self):
        s = self.server()
        points = [{"timeUnixNano": str(time.time_ns()), "asInt": "1", "attributes": [attribute("correlation_id", f"pushed-{i}")]} for i in range(3)]
        metric = {"name": "buys", "sum": {"aggregationTemporality": 2, "isMonotonic": True, "dataPoints": points}}
        r = s.post_json("/v1/metrics", {"resourceMetrics": [{"resource": {"attributes": [attribute("service.name", "shop")]},
                                                             "scopeMetrics": [{"metrics": [metric]}]}]})
        self.assertEqual((r.status, r.text), (200, "{}"))
        self.assertEqual(len(s.query("buys_total")), 3)
        report = s.get("/api/stoa/v1/correlation").json
        self.assertEqual((report["folded"], report["not_folded"]), ([], [{"metric": "buys_total", "label": "correlation_id", "series": 3}]))
        self.assertEqual([(x["labels"]["__name__"], x["value"]) for x in self.correlate(s, "pushed-1")["series"]], [("buys_total", 1)])

    def test_limits_are_told(self):
        s = self.server()
        for i in range(5):
            self.push_line(s, f"line {i} of request-77")
        found = self.correlate(s, "request-77", limit=3)
        self.assertEqual((len(found["logs"]), found["partial"]), (3, True))
        self.assertIn("more than 3 log lines", found["notes"][0])
        for id in ("", "abc", "x" * 300):
            self.assertEqual(s.get("/api/stoa/v1/correlate", {"id": id}).status, 400)
        self.assertEqual(s.get("/api/stoa/v1/correlate", {"id": "abcd", "start": "20", "end": "10"}).status, 400)

    def test_query_exemplars_answers_as_prometheus_does(self):
        page = ("# TYPE wait histogram\nwait_bucket{le=\"1\"} 1 # {trace_id=\"" + TRACE + f"\"}} 0.5 {time.time() - 5:.3f}\n"
                "wait_bucket{le=\"+Inf\"} 1\nwait_count 1\nwait_sum 0.5\n# TYPE c counter\nc_total 1 # {trace_id=\"abc\"} 1\n# EOF\n")
        s, _ = self.scraped({"/metrics": (OPENMETRICS, page)})
        def ask(query):
            r = s.get("/api/v1/query_exemplars", {"query": query, "start": time.time() - 60, "end": time.time() + 1})
            self.assertEqual((r.status, r.json["status"]), (200, "success"), r.text)
            return r.json["data"]
        series, = self.eventually(lambda: ask("histogram_quantile(0.9, rate(wait_bucket{job=\"shop\"}[5m]))"), what="an exemplar")
        self.assertEqual((series["seriesLabels"]["__name__"], series["seriesLabels"]["le"]), ("wait_bucket", "1.0"))
        exemplar, = series["exemplars"]
        self.assertEqual((exemplar["labels"], exemplar["value"]), ({"trace_id": TRACE}, "0.5"))
        self.assertIsInstance(exemplar["timestamp"], float)
        self.assertEqual(len(ask("wait_bucket + c_total")), 2)
        self.assertEqual(ask("wait_bucket{le=\"2\"}"), [])
        self.assertEqual(s.get("/api/v1/query_exemplars", {"query": "sum("}).status, 400)
        # A page repeats its exemplar; it is kept once. And exemplars are no lines and no spans.
        self.eventually(lambda: len(s.query("count_over_time(up[1m])")) and int(s.query("count_over_time(up[1m])")[0]["value"][1]) >= 3, what="three scrapes")
        self.assertEqual(len(ask("wait_bucket")[0]["exemplars"]), 1)
        self.assertEqual(len(ask("c_total")[0]["exemplars"]), 1)
        self.assertEqual(s.logs('{service_name=~".+"}', start=time.time() - 60, end=time.time() + 60), [])
        self.assertEqual(s.logs('{job=~".+"}', start=time.time() - 60, end=time.time() + 60), [])
        self.assertEqual(s.get("/loki/api/v1/labels").json.get("data", []), [])
        self.assertEqual(s.get("/jaeger/api/services").json["data"], [])
        status = s.get("/api/stoa/v1/status").json["data"]
        self.assertEqual((status["log_records"], status["spans"]), (0, 0))

    def test_the_command_shows_the_same(self):
        s = self.server()
        self.push_line(s, "hello from request-4711")
        r = subprocess.run([harness.BINARY, "query", "--url", s.url, "--correlate", "request-4711"], capture_output=True, text=True)
        self.assertEqual(r.returncode, 0, r.stderr)
        self.assertIn(" log ", r.stdout)
        self.assertIn("hello from request-4711", r.stdout)
        r = subprocess.run([harness.BINARY, "query", "--url", s.url, "--correlate", "request-0815"], capture_output=True, text=True)
        self.assertEqual(r.returncode, 1)
        self.assertIn("nothing has this id", r.stderr)


if __name__ == "__main__":
    harness.main()
