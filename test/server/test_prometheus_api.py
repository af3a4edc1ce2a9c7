# SPDX-License-Identifier: Apache-2.0
"""Prometheus's HTTP API, call by call: answers, errors, GET and POST; federation and remote read, also by Debian's prometheus."""
import contextlib
import gzip
import http.server
import json
import math
import os
import re
import struct
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import urllib.parse
import urllib.request

import harness
import prom_wire as wire
from test_prometheus import PEER, Prometheus, answers, differences, nearly

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
NOW = int(time.time()) // 60 * 60 - 600  # a whole minute some time ago
WAIT_SECONDS_MAX = 60
LOG_BYTES_MAX = 64 << 20   # QUERY_LOG_BYTES_MAX
BUDGET_SECONDS_MAX = 5     # one is what it takes at most when the machine does nothing else


def bits(v):
    return struct.unpack("<Q", struct.pack("<d", v))[0]


def fill(s, series, tenant=None):
    headers = dict(harness.WRITE_HEADERS, **({"X-Scope-OrgID": tenant} if tenant else {}))
    r = s.post("/api/v1/write", harness.write_request(series), headers)
    assert r.status in (200, 204), r.text


def some_series():
    """Three series with a minute between samples, ten minutes up to NOW."""
    times = [(NOW - 600 + 60 * i) * 1000 for i in range(11)]
    return [({"__name__": "api_total", "job": "a", "code": code}, [(t, float(i * (k + 1))) for i, t in enumerate(times)])
            for k, code in enumerate(["200", "404", "500"])] + [({"__name__": "api_gauge", "job": "b", "A": "upper"}, [(times[-1], 0.25)])]


class Api(harness.Case):
    def setUp(self):
        if not hasattr(Api, "s"):
            Api.s = harness.Server()
            fill(Api.s, some_series())
        self.s = Api.s

    @classmethod
    def tearDownClass(cls):
        if hasattr(Api, "s"):
            Api.s.close()
            del Api.s

    def both(self, path, **params):
        """The answer by GET and by POST, which are the same."""
        text = urllib.parse.urlencode(params, doseq=True)
        got = self.s.get(path + "?" + text)
        posted = self.s.post(path, text.encode(), FORM)
        self.assertEqual((got.status, posted.status), (200, 200), got.text + posted.text)
        self.assertEqual(got.json, posted.json)
        self.assertEqual(got.json["status"], "success")
        return got.json

    def fails(self, status, kind, path, **params):
        text = urllib.parse.urlencode(params, doseq=True)
        out = []
        for r in (self.s.get(path + "?" + text), self.s.post(path, text.encode(), FORM)):
            if r.status == 405:
                continue
            self.assertEqual(r.status, status, r.text)
            self.assertEqual((r.json["status"], r.json["errorType"]), ("error", kind))
            out.append(r.json["error"])
        return out[0]

    # ---- queries ----

    def test_an_instant_query_has_every_kind_of_result(self):
        v = self.both("/api/v1/query", query="api_total", time=NOW)["data"]
        self.assertEqual(v["resultType"], "vector")
        self.assertEqual(sorted(r["value"][1] for r in v["result"]), ["10", "20", "30"])
        self.assertEqual(self.both("/api/v1/query", query="1+1", time=NOW)["data"], {"resultType": "scalar", "result": [NOW, "2"]})
        self.assertEqual(self.both("/api/v1/query", query='"a"', time=NOW)["data"], {"resultType": "string", "result": [NOW, "a"]})
        m = self.both("/api/v1/query", query="api_gauge[5m]", time=NOW)["data"]
        self.assertEqual((m["resultType"], m["result"][0]["values"]), ("matrix", [[NOW, "0.25"]]))
        for text, value in [("1/0", "+Inf"), ("-1/0", "-Inf"), ("0/0", "NaN")]:
            self.assertEqual(self.both("/api/v1/query", query=text, time=NOW)["data"]["result"], [NOW, value])

    def test_times_are_seconds_or_rfc_3339(self):
        iso = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(NOW))
        a = self.both("/api/v1/query", query="api_gauge", time=NOW)
        self.assertEqual(a, self.both("/api/v1/query", query="api_gauge", time=iso))
        a = self.both("/api/v1/query_range", query="api_total", start=NOW - 300, end=NOW, step=60)
        self.assertEqual(a, self.both("/api/v1/query_range", query="api_total", start=NOW - 300, end=iso, step="1m"))
        self.assertEqual(len(a["data"]["result"][0]["values"]), 6)

    def test_limit_cuts_each_list_with_a_warning(self):
        for path, params in [("/api/v1/query", dict(query="api_total", time=NOW)),
                             ("/api/v1/query_range", dict(query="api_total", start=NOW - 60, end=NOW, step=60)),
                             ("/api/v1/labels", {}), ("/api/v1/series", {"match[]": "api_total"})]:
            whole = self.both(path, **params)
            cut = self.both(path, limit=1, **params)
            lists = [r["data"]["result"] if isinstance(r["data"], dict) else r["data"] for r in (whole, cut)]
            self.assertGreater(len(lists[0]), 1)
            self.assertEqual(lists[1], lists[0][:1])
            self.assertEqual((whole.get("warnings"), cut["warnings"]), (None, ["results truncated due to limit"]))
        r = self.s.get("/api/v1/label/code/values?limit=2").json
        self.assertEqual((r["data"], r["warnings"]), (["200", "404"], ["results truncated due to limit"]))
        self.assertIn("limit", self.fails(400, "bad_data", "/api/v1/query", query="1", limit="x"))

    def test_lookback_delta_is_taken_from_the_request(self):
        at = NOW + 240
        self.assertEqual(len(self.both("/api/v1/query", query="api_gauge", time=at)["data"]["result"]), 1)
        self.assertEqual(self.both("/api/v1/query", query="api_gauge", time=at, lookback_delta="3m")["data"]["result"], [])
        self.assertEqual(len(self.both("/api/v1/query", query="api_gauge", time=NOW + 400, lookback_delta=420)["data"]["result"]), 1)
        self.assertIn("lookback_delta", self.fails(400, "bad_data", "/api/v1/query", query="1", lookback_delta="x"))

    def test_stats_tell_what_a_query_cost(self):
        text = urllib.parse.urlencode(dict(query="sum(api_total)", start=NOW - 300, end=NOW, step=60, stats="all"))
        stats = self.s.get("/api/v1/query_range?" + text).json["data"]["stats"]
        self.assertEqual(set(stats["timings"]), {"evalTotalTime", "resultSortTime", "queryPreparationTime", "innerEvalTime", "execQueueTime", "execTotalTime"})
        self.assertGreater(stats["timings"]["evalTotalTime"], 0)
        self.assertGreaterEqual(stats["samples"]["totalQueryableSamples"], 18)
        self.assertNotIn("stats", self.s.get("/api/v1/query?query=1").json["data"])

    def test_bad_parameters_are_bad_data_with_their_name(self):
        q, r = "/api/v1/query", "/api/v1/query_range"
        self.assertIn('invalid parameter "query": 1:5: parse error', self.fails(400, "bad_data", q, query="sum("))
        self.assertIn('invalid parameter "time"', self.fails(400, "bad_data", q, query="1", time="soon"))
        self.assertIn('invalid parameter "timeout"', self.fails(400, "bad_data", q, query="1", timeout="soon"))
        self.assertIn('invalid parameter "start"', self.fails(400, "bad_data", r, query="1", start="x", end=1, step=1))
        self.assertIn('invalid parameter "end"', self.fails(400, "bad_data", r, query="1", start=1, end="x", step=1))
        self.assertIn('invalid parameter "step"', self.fails(400, "bad_data", r, query="1", start=1, end=2, step="x"))
        self.assertIn("zero or negative", self.fails(400, "bad_data", r, query="1", start=1, end=2, step=0))
        self.assertIn("must not be before", self.fails(400, "bad_data", r, query="1", start=2, end=1, step=1))
        self.assertIn("11000", self.fails(400, "bad_data", r, query="1", start=0, end=20000, step=1))
        self.assertIn('invalid expression type "range vector"', self.fails(400, "bad_data", r, query="a[1m]", start=1, end=2, step=1))
        self.both(r, query="1", start=0, end=11000, step=1)

    def test_what_fails_by_the_data_is_an_execution_error(self):
        error = self.fails(422, "execution", "/api/v1/query", query="api_total * on(job) api_total", time=NOW)
        self.assertIn("many-to-many", error)

    def test_a_query_over_its_time_is_a_timeout(self):
        deep = "api_total"
        for i in range(4):
            deep = f"max_over_time(({deep})[1h:1s])"
        error = self.fails(503, "timeout", "/api/v1/query", query=deep, time=NOW, timeout="1ms")
        self.assertIn("time limit", error)

    def test_parts_of_the_api_that_do_not_exist_say_so(self):
        self.assertEqual(self.s.get("/api/v1/nothing").status, 404)
        r = self.s.request("DELETE", "/api/v1/query")
        self.assertEqual((r.status, r.headers["Allow"]), (405, "GET, POST"))
        self.assertEqual(self.s.request("OPTIONS", "/api/v1/query").status, 204)

    def test_large_answers_are_compressed_when_asked(self):
        path = "/api/v1/query_range?" + urllib.parse.urlencode(dict(query="api_total", start=NOW - 600, end=NOW, step=1))
        plain, packed = self.s.get(path), self.s.get(path, headers={"Accept-Encoding": "gzip"})
        self.assertEqual((plain.headers.get("Content-Encoding"), packed.headers["Content-Encoding"]), (None, "gzip"))
        self.assertEqual(gzip.decompress(packed.body), plain.body)
        self.assertLess(len(packed.body), len(plain.body) // 4)

    # ---- names ----

    def test_names_values_and_series_go_by_matchers_and_times(self):
        self.assertEqual(self.both("/api/v1/labels")["data"], ["A", "__name__", "code", "job"])
        self.assertEqual(self.both("/api/v1/labels", **{"match[]": "api_total"})["data"], ["__name__", "code", "job"])
        self.assertEqual(self.both("/api/v1/labels", start=NOW - 86400, end=NOW - 3600)["data"], [])
        r = self.s.get("/api/v1/label/job/values", {"match[]": ['api_total{code="200"}', "api_gauge"]})
        self.assertEqual(r.json["data"], ["a", "b"])
        s = self.both("/api/v1/series", **{"match[]": ['{job="b"}', 'api_total{code=~"4.."}']})["data"]
        self.assertEqual(s, [{"__name__": "api_gauge", "A": "upper", "job": "b"}, {"__name__": "api_total", "code": "404", "job": "a"}])
        self.assertIn("no match[]", self.fails(400, "bad_data", "/api/v1/series"))
        self.assertIn('invalid parameter "match[]"', self.fails(400, "bad_data", "/api/v1/series", **{"match[]": "{"}))
        self.assertIn('invalid parameter "start"', self.fails(400, "bad_data", "/api/v1/labels", start="x"))
        self.assertIn("before start", self.fails(400, "bad_data", "/api/v1/labels", start=2, end=1))

    def test_names_beyond_ascii_are_found_by_their_escaped_form_too(self):
        r = self.s.get("/api/v1/label/" + urllib.parse.quote("no.such") + "/values")
        self.assertEqual((r.status, r.json["data"]), (200, []))

    # ---- the language ----

    def test_queries_are_formatted_and_parsed(self):
        self.assertEqual(self.both("/api/v1/format_query", query="sum   by(a)(foo)")["data"], "sum by (a) (foo)")
        self.assertIn('invalid parameter "query"', self.fails(400, "bad_data", "/api/v1/format_query", query="sum("))
        self.assertIn('invalid parameter "query"', self.fails(400, "bad_data", "/api/v1/parse_query", query="sum("))

    def test_the_tree_of_a_query_has_the_names_of_prometheus(self):
        def tree(text):
            return self.both("/api/v1/parse_query", query=text)["data"]
        name = {"name": "__name__", "type": "=", "value": "foo"}
        selector = {"type": "vectorSelector", "name": "foo", "offset": 0, "offsetExpr": None, "matchers": [name], "timestamp": None,
                    "startOrEnd": None, "anchored": False, "smoothed": False}
        self.assertEqual(tree("foo"), selector)
        self.assertEqual(tree('foo{a!~"b"} offset 5m @ start()'),
                         dict(selector, matchers=[{"name": "a", "type": "!~", "value": "b"}, name], offset=300000, startOrEnd="start"))
        rate = {"type": "call", "func": {"name": "rate", "argTypes": ["matrix"], "variadic": 0, "returnType": "vector"},
                "args": [dict(selector, type="matrixSelector", range=300000, rangeExpr=None)]}
        self.assertEqual(tree("rate(foo[5m])"), rate)
        self.assertEqual(tree("topk without(b) (3, -foo)"),
                         {"type": "aggregation", "op": "topk", "expr": {"type": "unaryExpr", "op": "-", "expr": selector},
                          "param": {"type": "numberLiteral", "val": "3"}, "grouping": ["b"], "without": True})
        self.assertEqual(tree("foo / on(a) group_left(b) (foo)"),
                         {"type": "binaryExpr", "op": "/", "lhs": selector, "rhs": {"type": "parenExpr", "expr": selector}, "bool": False,
                          "matching": {"card": "many-to-one", "labels": ["a"], "on": True, "include": ["b"], "fillValues": {"lhs": None, "rhs": None}}})
        self.assertEqual(tree("foo > bool 1")["matching"], None)
        self.assertEqual(tree("foo and foo")["matching"]["card"], "many-to-many")
        self.assertEqual(tree("foo[1h:5m] @ 12.5"), {"type": "subquery", "expr": selector, "range": 3600000, "rangeExpr": None, "offset": 0,
                                                    "offsetExpr": None, "step": 300000, "stepExpr": None, "timestamp": 12500, "startOrEnd": None})
        self.assertEqual(tree('"a\\nb"'), {"type": "stringLiteral", "val": "a\nb"})

    # ---- status ----

    def test_status_has_what_clients_look_for(self):
        get = lambda path: self.s.get("/api/v1/" + path).json["data"]
        self.assertTrue(get("status/buildinfo")["version"].startswith("3."))
        self.assertTrue({"startTime", "serverTime", "reloadConfigSuccess", "storageRetention", "timeSeriesCount"} <= set(get("status/runtimeinfo")))
        flags = get("status/flags")
        self.assertEqual((flags["query.max-samples"], flags["query.timeout"], flags["query.lookback-delta"]), ("50000000", "2m", "5m"))
        self.assertIn("listen", flags)
        self.assertIn("enabled: false", get("status/config")["yaml"])
        self.assertEqual(get("status/walreplay"), {"min": 0, "max": 0, "current": 0, "state": "done"})
        self.assertEqual(get("alertmanagers"), {"activeAlertmanagers": [], "droppedAlertmanagers": []})
        targets = get("targets")
        self.assertEqual((targets["activeTargets"], targets["droppedTargets"], targets["droppedTargetCounts"]), ([], [], {}))
        self.assertEqual(get("scrape_pools"), {"scrapePools": []})
        self.assertEqual(get("rules"), {"groups": []})
        self.assertEqual(get("alerts"), {"alerts": []})
        self.assertEqual(get("notifications"), [])
        self.assertEqual(self.s.get("/api/v1/notifications/live").status, 204)
        features = get("features")
        self.assertTrue(features["promql_functions"]["rate"] and features["api"]["admin"] and features["promql"]["subqueries"])

    # ---- the query log's lists ----

    def search(self, what, **params):
        """All results by GET and by POST, which are the same, and whether there are more."""
        text = urllib.parse.urlencode(params, doseq=True)
        got, posted = self.s.get(f"/api/v1/search/{what}?{text}"), self.s.post(f"/api/v1/search/{what}", text.encode(), FORM)
        self.assertEqual((got.status, posted.status), (200, 200), got.text + posted.text)
        self.assertTrue(got.headers["Content-Type"].startswith("application/x-ndjson"))
        self.assertEqual(got.text, posted.text)
        *batches, last = [json.loads(line) for line in got.text.splitlines()]
        self.assertEqual(last["status"], "success")
        return [b["results"] for b in batches], last["has_more"]

    def test_names_are_searched_by_their_letters(self):
        times = dict(start=NOW - 3600, end=NOW)
        names = lambda r: [x["name"] for batch in r[0] for x in batch]
        self.assertEqual(names(self.search("metric_names", **times)), ["api_gauge", "api_total"])
        self.assertEqual(names(self.search("metric_names", **{"search[]": "aptot"}, **times)), ["api_total"])
        self.assertEqual(names(self.search("metric_names", **{"search[]": ["gau", "tot"]}, **times)), ["api_gauge", "api_total"])
        self.assertEqual(names(self.search("metric_names", **{"search[]": "TOTAL"}, **times)), [])
        self.assertEqual(names(self.search("metric_names", **{"search[]": "TOTAL"}, case_sensitive="false", **times)), ["api_total"])
        self.assertEqual(self.search("label_values", label="code", limit=2, batch_size=1, **times), ([[{"name": "200"}], [{"name": "404"}]], True))
        self.assertEqual(names(self.search("label_values", label="code", sort_by="alpha", sort_dir="dsc", **times)), ["500", "404", "200"])
        self.assertEqual(names(self.search("label_names", **{"match[]": "api_gauge"}, **times)), ["A", "__name__", "job"])
        best, = self.search("label_values", label="code", **{"search[]": "404"}, sort_by="score", include_score="true", **times)[0]
        self.assertEqual(best, [{"name": "404", "score": 1}])
        self.assertEqual(self.search("metric_names", **{"search[]": "nothing"}, **times), ([[]], False))
        for wrong in (dict(fuzz_alg="jarowinkler"), dict(sort_by="x"), dict(sort_dir="asc"), dict(sort_by="score"), dict(fuzz_threshold=101)):
            self.fails(400, "bad_data", "/api/v1/search/metric_names", **wrong)
        self.assertIn("label", self.fails(400, "bad_data", "/api/v1/search/label_values"))

    def test_the_paths_are_described(self):
        r = self.s.get("/api/v1/openapi.yaml")
        self.assertEqual((r.status, r.headers["Content-Type"]), (200, "application/yaml; charset=utf-8"))
        paths = json.loads(r.text)["paths"] # JSON is YAML
        self.assertEqual(sorted(paths["/query"]), ["get", "post"])
        self.assertIn("/label/{name}/values", paths)
        self.assertNotIn("/push", paths)

    def test_running_and_slowest_queries_are_listed(self):
        self.s.query("count(api_total) * 17", at=NOW)
        got = self.s.get("/api/stoa/v1/queries").json["data"]
        self.assertEqual(got["limits"], {"max_samples": 50000000, "timeout_seconds": 120, "max_concurrency": 16})
        mine = [q for q in got["slowest"] if q["query"] == "count(api_total) * 17"]
        self.assertEqual((mine[0]["dialect"], mine[0]["status"], mine[0]["httpRequest"]["path"]), ("promql", "ok", "/api/v1/query"))
        self.assertGreaterEqual(mine[0]["samplesRead"], 3)
        self.assertEqual(self.s.request("DELETE", "/api/stoa/v1/queries/1").status, 404)
        self.assertEqual(self.s.request("DELETE", "/api/stoa/v1/queries/x").status, 400)


class RemoteRead(harness.Case):
    def values(self):
        odd = [math.nan, math.inf, -math.inf, -0.0, 0.0, 5e-324, 1.7976931348623157e308, 0.1, 1 / 3]
        out = [(NOW * 1000 - 400_000 + 997 * i, odd[i % len(odd)] if i % 5 else float(i)) for i in range(300)]
        out.append((NOW * 1000 - 100_000, struct.unpack("<d", struct.pack("<Q", wire.STALE))[0]))
        return out

    def read(self, s, queries, accept=(), **kw):
        r = s.post("/api/v1/read", wire.read_request(queries, accept, **kw),
                   {"Content-Type": "application/x-protobuf", "Content-Encoding": "snappy", "X-Prometheus-Remote-Read-Version": "0.1.0"})
        self.assertEqual(r.status, 200, r.text)
        return r

    def test_samples_come_bit_for_bit_in_both_forms(self):
        s = self.server()
        many = self.values()
        fill(s, some_series() + [({"__name__": "many", "Zone": "z", "a": "ä"}, many)])
        queries = [(NOW * 1000 - 600_000, NOW * 1000, [(wire.EQ, "__name__", "many")]),
                   (NOW * 1000 - 60_000, NOW * 1000, [(wire.RE, "__name__", "api_.*"), (wire.NE, "code", "404")]),
                   (0, 1000, [(wire.EQ, "job", "a")])]
        r = self.read(s, queries)
        self.assertEqual((r.headers["Content-Type"], r.headers["Content-Encoding"]), ("application/x-protobuf", "snappy"))
        plain = wire.samples(r.body)
        self.assertEqual([len(q) for q in plain], [1, 3, 0])
        self.assertEqual(plain[0][0], ({"__name__": "many", "Zone": "z", "a": "ä"}, [(t, bits(v)) for t, v in many], []))
        self.assertEqual([p for _, points, _ in plain[1] for p, _ in points], [NOW * 1000] + [NOW * 1000 - 60_000, NOW * 1000] * 2)
        for packed in (False, True):
            r = self.read(s, queries, [wire.STREAMED, wire.SAMPLES], packed=packed)
            self.assertEqual(r.headers["Content-Type"], "application/x-streamed-protobuf; proto=prometheus.ChunkedReadResponse")
            got = wire.streamed(r.body)
            self.assertEqual([got.get(i, []) for i in range(3)], plain)
        r = self.read(s, queries, [wire.SAMPLES, wire.STREAMED])
        self.assertEqual(wire.samples(r.body), plain)

    def test_native_histograms_come_as_they_are_in_both_forms(self):
        def hist(t, schema, threshold, zero, spans, counts, bounds=(), gauge=False):
            zig = lambda n: harness.varint(n << 1 if n >= 0 else (-n << 1) - 1)
            h = harness.double_field(2, float(zero + sum(counts))) + harness.double_field(3, -1.25) + harness.field(4, 0, zig(schema))
            h += harness.double_field(5, threshold) + harness.double_field(7, float(zero))
            h += b"".join(harness.message(11, harness.field(1, 0, zig(o)) + harness.field(2, 0, harness.varint(n))) for o, n in spans)
            h += harness.message(13, struct.pack(f"<{len(counts)}d", *counts)) + harness.field(14, 0, harness.varint(3 if gauge else 0))
            h += harness.field(15, 0, harness.varint(t))
            return h + (harness.message(16, struct.pack(f"<{len(bounds)}d", *bounds)) if bounds else b"")
        t0 = NOW * 1000 - 60_000
        several = [hist(t0, 3, 2.0 ** -128, 2, [(-70, 2), (300, 3)], [1, 2, 3, 4, 5.5]), hist(t0 + 15_000, 0, 0.001, 1, [(0, 1)], [7], gauge=True),
                   hist(t0 + 30_000, -4, 0.0, 0, [(1, 2)], [1, 1]), hist(t0 + 45_000, -53, 0.0, 0, [(0, 4)], [1, 0, 2, 3], [0.1, 0.25, 1e6])]
        body = b"".join(harness.message(1, harness.text_field(1, n) + harness.text_field(2, v)) for n, v in [("__name__", "native")])
        s = self.server()
        r = s.post("/api/v1/write", harness.snappy(harness.message(1, body + b"".join(harness.message(4, h) for h in several))), harness.WRITE_HEADERS)
        self.assertEqual(r.status, 204, r.text)
        q = [(t0, NOW * 1000, [(wire.EQ, "__name__", "native")])]
        (_, points, plain), = wire.samples(self.read(s, q).body)[0]
        self.assertEqual(points, [])
        self.assertEqual([(h["schema"], h["zero_threshold"], h["zero_count"], h["count"], h["sum"]) for h in plain],
                         [(3, 2.0 ** -128, 2, 17.5, -1.25), (0, 0.001, 1, 8, -1.25), (-4, 0, 0, 2, -1.25), (-53, 0, 0, 6, -1.25)])
        self.assertEqual([(h["t"], h["positive_spans"], h["positive"], h["bounds"]) for h in plain],
                         [(t0, [(-70, 2), (300, 3)], [1, 2, 3, 4, 5.5], []), (t0 + 15_000, [(0, 1)], [7], []), (t0 + 30_000, [(1, 2)], [1, 1], []),
                          (t0 + 45_000, [(0, 4)], [1, 0, 2, 3], [0.1, 0.25, 1e6])])
        (_, points, chunks), = wire.streamed(self.read(s, q, [wire.STREAMED]).body)[0]
        self.assertEqual((points, chunks), ([], plain))
        now = int(time.time() * 1000)
        r = s.post("/api/v1/write", harness.snappy(harness.message(1, body + harness.message(4, hist(now, 0, 0.0, 0, [(0, 1)], [7])))), harness.WRITE_HEADERS)
        r = s.get("/federate", {"match[]": "native"})
        self.assertEqual((r.text, r.headers["X-Stoa-Left-Out"]), ("# 1 native histograms are left out: text has no form for them\n", "native-histograms=1"))

    def test_external_labels_are_added_and_asked_for(self):
        s = self.server(config="global:\n  external_labels: {cluster: c1, job: never}\n")
        fill(s, some_series())
        q = [(NOW * 1000 - 60_000, NOW * 1000, [(wire.EQ, "__name__", "api_gauge"), (wire.EQ, "cluster", "c1")])]
        want = {"A": "upper", "__name__": "api_gauge", "cluster": "c1", "job": "b"}
        self.assertEqual([x[0] for x in wire.samples(self.read(s, q).body)[0]], [want])
        self.assertEqual([x[0] for x in wire.streamed(self.read(s, q, [wire.STREAMED]).body)[0]], [want])
        now = int(time.time() * 1000) - 10_000
        fill(s, [({"__name__": "fresh"}, [(now, 0.25)])])
        self.assertEqual(s.get("/federate", {"match[]": "fresh"}).text, f'# TYPE fresh untyped\nfresh{{cluster="c1",job="never",instance=""}} 0.25 {now}\n')

    def test_what_is_malformed_is_refused(self):
        s = self.server()
        for body in (b"\xff\xff\xff", harness.snappy(b"\x0a\xff"), harness.snappy(harness.message(1, b"\x1a\x05abc"))):
            self.assertEqual(s.post("/api/v1/read", body).status, 400)
        bad = harness.message(1, harness.message(3, harness.field(1, 0, harness.varint(9))))
        self.assertIn("matcher type 9", s.post("/api/v1/read", harness.snappy(bad)).text)
        bad = harness.message(1, harness.message(3, harness.field(1, 0, b"\x02") + harness.text_field(2, "a") + harness.text_field(3, "(")))
        self.assertEqual(s.post("/api/v1/read", harness.snappy(bad)).status, 400)
        self.assertIn("response types", s.post("/api/v1/read", wire.read_request([(0, 1, [])], [7])).text)
        many = harness.snappy(b"".join(harness.message(1, b"") for _ in range(65)))
        r = s.post("/api/v1/read", many)
        self.assertEqual(r.status, 422)
        self.assertIn("more than 64 queries", r.text)
        r = s.post("/api/v1/read", wire.read_request([(0, 1, [(wire.RE, "a", "(x|y)+")] * 250)] * 5))
        self.assertEqual(r.status, 422)
        self.assertIn("more than 1024 matchers in a request", r.text)

    def test_series_come_in_the_order_of_their_labels_wherever_they_lie(self):
        s = self.server()
        names = [{"__name__": f"order_{m}", "job": j, "n": str(n)} for m in "cab" for j in "ba" for n in range(40)]
        for part in range(4):
            fill(s, [(l, [(NOW * 1000 - 300_000 * (part + 1), 1.0)]) for l in names[part::3] + names[:part * 9]])
            if part < 3:
                s.post("/api/stoa/v1/flush")
        q = [(NOW * 1000 - 3_000_000, NOW * 1000, [(wire.RE, "__name__", "order_.*")])]
        for accept, read in (([], wire.samples), ([wire.STREAMED], wire.streamed)):
            got = [sorted(x[0].items()) for x in read(self.read(s, q, accept).body)[0]]
            self.assertEqual(got, sorted(sorted(l.items()) for l in names))

    def test_labels_that_sort_before_the_name_come_first_as_in_prometheus(self):
        s = self.server()
        series = [{"__name__": f"cap_{m}", **more} for m in "ba" for more in
                  ({}, {"job": "x"}, {"Zone": "b"}, {"Zone": "a", "job": "x"}, {"Zone": "a", "Area": "z"}, {"Area": "y"}, {"_A": "1", "job": "x"}, {"é": "1"})]
        fill(s, [(l, [(NOW * 1000 - 60_000, 1.0), (NOW * 1000, 2.0)]) for l in series])
        want = sorted(sorted(((k.encode(), v.encode()) for k, v in l.items())) for l in series)
        q = [(NOW * 1000 - 600_000, NOW * 1000, [(wire.RE, "__name__", "cap_.*")])]
        ask = lambda q: [([[(k.encode(), v.encode()) for k, v in x[0].items()] for x in found], [len(x[1]) for x in found])
                         for found in (wire.samples(self.read(s, q).body)[0], wire.streamed(self.read(s, q, [wire.STREAMED]).body)[0])]
        for got, counts in ask(q):
            self.assertEqual(got, want)
            self.assertEqual(counts, [2] * len(series))
        many = [{"__name__": "cap_many", f"L{k:02}": str(k % 3), "n": str(n)} for k in range(20) for n in range(2)]  # over READ_EARLY_NAMES_MAX
        fill(s, [(l, [(NOW * 1000, 2.0)]) for l in many])
        want = sorted(want + [sorted((k.encode(), v.encode()) for k, v in l.items()) for l in many])
        for got, _ in ask(q):
            self.assertEqual(got, want)

    def test_over_the_budget_both_forms_fail_and_never_look_whole(self):
        s = self.server(config="query:\n  max_samples: 5000\n")
        times = [(NOW * 1000 - 600_000 + 100 * i, float(i)) for i in range(1000)]
        for k in range(12):
            fill(s, [({"__name__": "much", "k": f"{k:02}"}, times)])
        q = [(NOW * 1000 - 600_000, NOW * 1000, [(wire.EQ, "__name__", "much")])]
        headers = {"Content-Type": "application/x-protobuf"}
        r = s.post("/api/v1/read", wire.read_request(q), headers)
        self.assertEqual(r.status, 422)
        self.assertIn("at most 5000 are allowed", r.text)
        r = s.post("/api/v1/read", wire.read_request(q, [wire.STREAMED]), headers)
        if r.status == 200:
            last, good = wire.frames(r.body)[-1]
            self.assertFalse(good)
            self.assertIn(b"at most 5000 are allowed", last)
        else:
            self.assertEqual(r.status, 422)


class Federate(harness.Case):
    def test_a_page_has_the_last_sample_of_each_series(self):
        s = self.server()
        now = int(time.time() * 1000)
        stale = struct.unpack("<d", struct.pack("<Q", wire.STALE))[0]
        fill(s, [({"__name__": "fed", "job": "j", "v": 'q" b\\ n\n'}, [(now - 60_000, 1.0), (now - 30_000, 2.5)]),
                 ({"__name__": "fed", "job": "k", "instance": "i"}, [(now - 30_000, math.inf)]),
                 ({"__name__": "gone", "job": "j"}, [(now - 60_000, 1.0), (now - 30_000, stale)]),
                 ({"__name__": "old", "job": "j"}, [(now - 400_000, 1.0)]),
                 ({"__name__": "uni.code", "läbel": "x"}, [(now - 30_000, 3.0)])])
        r = s.get("/federate", {"match[]": ['{__name__=~".+"}', "fed"]})
        self.assertEqual(r.headers["Content-Type"], "text/plain; version=0.0.4; charset=utf-8; escaping=underscores")
        self.assertEqual(r.text, "# TYPE fed untyped\n"
                         f'fed{{instance="i",job="k"}} +Inf {now - 30_000}\n'
                         f'fed{{job="j",v="q\\" b\\\\ n\\n",instance=""}} 2.5 {now - 30_000}\n'
                         "# TYPE uni_code untyped\n"
                         f'uni_code{{l_bel="x",instance=""}} 3 {now - 30_000}\n')
        r = s.get("/federate", {"match[]": '{"uni.code"}'},
                  headers={"Accept": "text/plain;q=0.5,application/openmetrics-text;version=1.0.0;escaping=allow-utf-8"})
        self.assertEqual(r.headers["Content-Type"], "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=allow-utf-8")
        at = f"{(now - 30_000) / 1000:.3f}".rstrip("0").rstrip(".")
        self.assertEqual(r.text, f'# TYPE "uni.code" unknown\n{{"uni.code","läbel"="x",instance=""}} 3 {at}\n# EOF\n')
        self.assertEqual(s.get("/federate", {"match[]": "{"}).status, 400)
        self.assertEqual(s.get("/federate").text, "")


class Admin(harness.Case):
    def test_deleted_series_are_gone_and_cleaned_from_disk(self):
        s = self.server()
        fill(s, some_series())
        one = {"match[]": 'api_total{code="404"}'}
        r = s.post("/api/v1/admin/tsdb/delete_series?" + urllib.parse.urlencode(one))
        self.assertEqual(r.status, 204)
        self.assertEqual([x["metric"]["code"] for x in s.query("api_total", at=NOW)], ["200", "500"])
        part = {"match[]": 'api_total{code="200"}', "start": NOW - 30, "end": NOW + 30}
        r = s.request("PUT", "/api/v1/admin/tsdb/delete_series", urllib.parse.urlencode(part).encode(), FORM)
        r = s.post("/api/v1/admin/tsdb/delete_series", urllib.parse.urlencode(part).encode(), FORM)
        self.assertEqual(r.status, 204)
        self.assertEqual([x["value"][1] for x in s.query("api_total", at=NOW)], ["9", "30"])
        for _ in range(2):
            self.assertEqual(s.post("/api/v1/admin/tsdb/clean_tombstones").status, 204)
            self.assertEqual([x["value"][1] for x in s.query("api_total", at=NOW)], ["9", "30"])
        r = s.post("/api/v1/admin/tsdb/delete_series")
        self.assertEqual((r.status, r.json["errorType"]), (400, "bad_data"))
        self.assertEqual(s.get("/api/v1/admin/tsdb/delete_series").status, 405)

    def test_a_snapshot_is_a_data_folder_of_its_own(self):
        s = self.server()
        fill(s, some_series())
        self.assertEqual(s.request("PUT", "/api/stoa/v1/boards/b1", json.dumps({"title": "T", "panels": []}).encode()).status // 100, 2)
        before = s.query("api_total", at=NOW)
        r = s.post("/api/v1/admin/tsdb/snapshot")
        self.assertEqual(r.status, 200, r.text)
        name = r.json["data"]["name"]
        self.assertRegex(name, r"^\d{8}T\d{6}Z-[0-9a-f]{16}$")
        fill(s, [({"__name__": "later"}, [(NOW * 1000, 1.0)])])
        s.post("/api/v1/admin/tsdb/delete_series?match[]=api_total")
        s.post("/api/v1/admin/tsdb/clean_tombstones")
        folder = os.path.join(s.data, "snapshots", name)
        files = [os.path.join(d, f) for d, _, names in os.walk(folder) for f in names if f.endswith(".part")]
        self.assertTrue(files)
        self.assertFalse([f for f in os.listdir(os.path.join(s.data, "snapshots")) if f.endswith(".tmp")])
        t = self.server(data=folder)
        self.assertEqual(t.query("api_total", at=NOW), before)
        self.assertEqual(t.query("later", at=NOW), [])
        self.assertEqual(t.get("/api/stoa/v1/boards/b1").status, 200)
        fill(t, [({"__name__": "own"}, [(NOW * 1000, 5.0)])])
        t.kill()
        t.start()
        self.assertEqual([x["value"][1] for x in t.query("own", at=NOW)], ["5"])
        self.assertEqual(t.query("api_total", at=NOW), before)
        self.assertEqual(s.query("own", at=NOW), [])

    def test_what_a_crash_left_of_a_snapshot_goes_at_the_next_start(self):
        with tempfile.TemporaryDirectory() as data:
            left = os.path.join(data, "snapshots", "20260101T000000Z-1.tmp", "metrics")
            os.makedirs(left)
            open(os.path.join(left, "1.part"), "w").close()
            s = self.server(data=data)
            name = s.post("/api/v1/admin/tsdb/snapshot").json["data"]["name"]
            self.assertEqual(os.listdir(os.path.join(data, "snapshots")), [name])
            s.close()

    def test_skip_head_leaves_out_what_is_in_memory_alone(self):
        s = self.server()
        fill(s, some_series())
        s.post("/api/stoa/v1/flush")
        fill(s, [({"__name__": "later"}, [(NOW * 1000, 1.0)])])
        name = s.post("/api/v1/admin/tsdb/snapshot?skip_head=true").json["data"]["name"]
        t = self.server(data=os.path.join(s.data, "snapshots", name))
        self.assertEqual(len(t.query("api_total", at=NOW)), 3)
        self.assertEqual(t.query("later", at=NOW), [])
        self.assertEqual(s.post("/api/v1/admin/tsdb/snapshot?skip_head=x").status, 400)


class Log(harness.Case):
    def test_each_query_is_a_line_with_its_cost(self):
        with tempfile.TemporaryDirectory() as d:
            path = os.path.join(d, "q.log")
            s = self.server(config=f"global:\n  query_log_file: {path}\n")
            fill(s, some_series())
            s.query_range("sum(api_total)", NOW - 300, NOW, 60)
            s.get("/api/v1/query?query=sum(")
            s.get("/federate?match[]=api_gauge")

            def lines():
                with open(path) as f:
                    return [json.loads(x) for x in f]
            self.eventually(lambda: len(lines()) == 3)
            one, bad, fed = lines()
            self.assertEqual(one["params"]["query"], "sum(api_total)")
            self.assertEqual((one["params"]["step"], one["params"]["start"][-1]), (60, "Z"))
            self.assertGreaterEqual(one["stats"]["samples"]["totalQueryableSamples"], 18)
            self.assertGreater(one["stats"]["timings"]["evalTotalTime"], 0)
            self.assertEqual(one["httpRequest"], {"clientIP": "127.0.0.1", "method": "GET", "path": "/api/v1/query_range"})
            self.assertEqual((one["dialect"], one["status"], one["tenants"]), ("promql", "ok", "default"))
            self.assertEqual((bad["status"], fed["dialect"]), ("invalid", "federate"))
            self.assertIn("parse error", bad["error"])
            self.assertIn("stoa_query_log_lines_total 3", s.get("/metrics").text)
            # A reload moves the file.
            with open(os.path.join(s.data, "test.yml"), "w") as f:
                f.write(f"global:\n  query_log_file: {path}2\n")
            self.assertEqual(s.post("/-/reload").status, 200)
            s.query("1")
            self.eventually(lambda: os.path.getsize(path + "2") > 0)
            self.assertEqual(len(lines()), 3)

    def test_a_log_of_full_size_becomes_another_file(self):
        with tempfile.TemporaryDirectory() as d:
            path = os.path.join(d, "q.log")
            for name, text in [(path, ""), (path + ".1", "the one before")]:
                with open(name, "w") as f:
                    f.write(text)
            os.truncate(path, LOG_BYTES_MAX - 10) # no room on the disk is taken
            s = self.server(config=f"global:\n  query_log_file: {path}\n")
            s.query("1+1")
            self.eventually(lambda: os.path.getsize(path) < 10_000 and os.path.getsize(path) > 0)
            self.assertEqual(os.path.getsize(path + ".1"), LOG_BYTES_MAX - 10)
            with open(path) as f:
                self.assertEqual(json.loads(f.read())["params"]["query"], "1+1")
            self.assertIn("stoa_query_log_rotations_total 1", s.get("/metrics").text)

    def test_a_log_that_cannot_be_opened_stops_the_start(self):
        with self.assertRaises(AssertionError) as e:
            harness.Server(config="global:\n  query_log_file: /nowhere/at/all/q.log\n").close()
        self.assertIn("query_log_file", str(e.exception))


class Budget(harness.Case):
    def test_a_query_over_its_budget_is_refused_while_a_dashboard_goes_on(self):
        s = self.server(config="query:\n  max_samples: 200000\n")
        self.assertEqual(s.get("/api/stoa/v1/queries").json["data"]["limits"]["max_samples"], 200000)
        start = NOW - 3600
        for k in range(100):
            fill(s, [({"__name__": "wide", "k": f"{k:03}"}, [((start + i) * 1000, float(i)) for i in range(3600)])])
        fill(s, some_series())
        stop, panels, errors = threading.Event(), [], []

        def panel():
            while not stop.is_set():
                begun = time.monotonic()
                r = s.get("/api/v1/query_range", dict(query="rate(api_total[5m])", start=NOW - 300, end=NOW, step=15))
                panels.append(time.monotonic() - begun)
                if r.status != 200:
                    errors.append(r.text)
                time.sleep(0.2)
        threads = [threading.Thread(target=panel) for _ in range(20)]
        for t in threads:
            t.start()
        try:
            for text in ("sum(wide)", "rate(wide[5m])", "sum_over_time(wide[1h])", "count(count_over_time(wide[1h]))"):
                begun = time.monotonic()
                r = s.get("/api/v1/query_range", dict(query=text, start=start, end=NOW, step=15))
                took = time.monotonic() - begun
                self.assertEqual((r.status, r.json["errorType"]), (422, "execution"), r.text)
                self.assertRegex(r.json["error"], r"the query has read \d+ samples, at most 200000 are allowed")
                self.assertLess(took, BUDGET_SECONDS_MAX)
            self.eventually(lambda: len(panels) > 60)
        finally:
            stop.set()
            for t in threads:
                t.join()
        self.assertEqual([e for e in errors if "queries are running" not in e], [])

    def test_100_million_samples_are_refused_at_the_budget_of_an_untouched_server_while_20_panels_are_drawn(self):
        s = self.server()
        start = NOW - 3600
        for k in range(0, 300, 50):  # 1.08 million samples
            fill(s, [({"__name__": "wide", "k": f"{k + i:03}"}, [((start + t) * 1000, float(t)) for t in range(3600)]) for i in range(50)])
        fill(s, some_series())
        text = " + ".join(f"sum(sum_over_time(wide[50m] offset {i}s))" for i in range(100))  # 9 in 10 samples of 300 series, 100 times
        asked, panels, errors, lock = threading.Event(), [], [], threading.Lock()

        def draw():  # as a browser does, which has six connections
            while not asked.is_set():
                for _ in range(20):
                    r = s.get("/api/v1/query_range", dict(query="sum by (code) (rate(api_total[5m]))", start=NOW - 300, end=NOW, step=15))
                    with lock:
                        panels.append(time.monotonic())
                        if r.status != 200:
                            errors.append(r.text)
        threads = [threading.Thread(target=draw) for _ in range(6)]
        for t in threads:
            t.start()
        try:
            begun = time.monotonic()
            r = s.get("/api/v1/query", dict(query=text, time=NOW))
            ended = time.monotonic()
        finally:
            asked.set()
            for t in threads:
                t.join()
        self.assertEqual((r.status, r.json["errorType"]), (422, "execution"), r.text)
        m = re.search(r"the query has read (\d+) samples, at most (\d+) are allowed", r.json["error"])
        self.assertIsNotNone(m, r.text)
        self.assertEqual(int(m[2]), 50 * 1000 * 1000)
        self.assertTrue(int(m[2]) < int(m[1]) < 1.1 * int(m[2]), "it stops at its budget: " + m[0])
        self.assertLess(ended - begun, 4 * BUDGET_SECONDS_MAX)
        self.assertEqual(errors, [])
        self.assertGreaterEqual(len([t for t in panels if begun < t < ended]), 20, "no dashboard was drawn meanwhile")

    def test_wrong_limits_are_refused_by_name(self):
        for text, word in [("max_samples: 0", "max_samples"), ("max_concurrency: 1000", "max_concurrency"), ("timeout: 0s", "timeout"),
                           ("samples: 3", "samples")]:
            with self.assertRaises(AssertionError) as e:
                harness.Server(config=f"query:\n  {text}\n").close()
            self.assertIn(word, str(e.exception))

    def test_a_running_query_can_be_ended_by_hand(self):
        s = self.server()
        fill(s, some_series())
        slow = "quantile_over_time(0.5, vector(time())[1d:1s])"
        got = []
        t = threading.Thread(target=lambda: got.append(s.get("/api/v1/query_range", dict(query=slow, start=NOW - 10000, end=NOW, step=1))))
        t.start()
        find = lambda: [q for q in s.get("/api/stoa/v1/queries").json["data"]["running"] if q["query"] == slow]
        one = self.eventually(find)[0]
        self.assertEqual(s.request("DELETE", f"/api/stoa/v1/queries/{one['id']}").status, 204)
        t.join()
        self.assertEqual((got[0].status, got[0].json["errorType"]), (499, "canceled"))

    def test_running_queries_are_listed_and_ended_by_the_command_line(self):
        s = self.server()
        fill(s, some_series())
        command = lambda *args: subprocess.run([harness.BINARY, "query", "--url", s.url, *args], capture_output=True, text=True, timeout=30)
        slow = "quantile_over_time(0.5, vector(time())[1d:1s])"
        got = []
        t = threading.Thread(target=lambda: got.append(s.get("/api/v1/query_range", dict(query=slow, start=NOW - 10000, end=NOW, step=1))))
        t.start()
        line = self.eventually(lambda: [x for x in command("--running").stdout.splitlines() if x.endswith(slow)])[0]
        self.assertRegex(line, r"^\d+ +[0-9.]+ s +127\.0\.0\.1 +default +/api/v1/query_range ")
        ended = command("--stop", line.split()[0])
        self.assertEqual((ended.returncode, ended.stdout), (0, f"ended {line.split()[0]}\n"))
        t.join()
        self.assertEqual(got[0].status, 499)
        out = command("--running").stdout
        self.assertIn("No query runs.", out)
        self.assertRegex(out, r"The slowest of the last day:\n.* samples  cancelled.*" + re.escape(slow))
        gone = command("--stop", "123456")
        self.assertEqual(gone.returncode, 1)
        self.assertIn("no query 123456 runs", gone.stderr)
        self.assertIn('"running"', command("--running", "--json").stdout)


class Login(harness.Case):
    def test_reads_and_writes_take_basic_auth_and_bearer(self):
        import base64
        s = self.server()
        r = s.post_json("/api/stoa/v1/users", {"user": "boss", "password": "a long password 1", "role": "admin"})
        self.assertEqual(r.status // 100, 2, r.text)
        basic = {"Authorization": "Basic " + base64.b64encode(b"boss:a long password 1").decode()}
        for path in ("/api/v1/query?query=1", "/federate", "/api/v1/labels"):
            self.assertEqual(s.get(path).status, 401)
            self.assertEqual(s.get(path, headers=basic).status, 200)
        body = harness.write_request(some_series())
        self.assertEqual(s.post("/api/v1/write", body, harness.WRITE_HEADERS).status, 401)
        self.assertIn(s.post("/api/v1/write", body, dict(harness.WRITE_HEADERS, **basic)).status, (200, 204))
        tokens = {}
        for role in ("viewer", "ingest-only"):
            r = s.post("/api/stoa/v1/tokens", json.dumps({"name": role, "role": role}).encode(), dict(basic, **{"Content-Type": "application/json"}))
            self.assertEqual(r.status // 100, 2, r.text)
            tokens[role] = {"Authorization": "Bearer " + r.json["token"]}
        self.assertEqual(s.get("/api/v1/query?query=1", headers=tokens["viewer"]).status, 200)
        read = wire.read_request([(0, NOW * 1000, [(wire.EQ, "job", "a")])])
        self.assertEqual(s.post("/api/v1/read", read, tokens["viewer"]).status, 200)
        self.assertEqual(s.post("/api/v1/read", read).status, 401)
        self.assertIn(s.post("/api/v1/write", body, dict(harness.WRITE_HEADERS, **tokens["ingest-only"])).status, (200, 204))
        self.assertEqual(s.post("/api/v1/write", body, dict(harness.WRITE_HEADERS, **tokens["viewer"])).status, 403)
        for path in ("snapshot", "clean_tombstones", "delete_series?match[]=x"):
            self.assertEqual(s.post("/api/v1/admin/tsdb/" + path, b"", tokens["viewer"]).status, 403)
            self.assertEqual(s.post("/api/v1/admin/tsdb/" + path).status, 401)
        self.assertEqual(s.post("/api/v1/admin/tsdb/snapshot", b"", basic).status, 200)


class Targets(harness.Case):
    def test_targets_pools_and_their_metadata(self):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                body = b"# HELP page_total How many.\n# TYPE page_total counter\npage_total 3\n# TYPE page_size histogram\npage_size_bucket{le=\"+Inf\"} 1\n" \
                       b"page_size_sum 1\npage_size_count 1\n"
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.end_headers()
                with contextlib.suppress(ConnectionError):
                    self.wfile.write(body)

            def log_message(self, *args):
                pass
        page = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=page.serve_forever, daemon=True).start()
        self.addCleanup(page.server_close)
        self.addCleanup(page.shutdown)
        address = f"127.0.0.1:{page.server_address[1]}"
        jobs = "".join(f"- job_name: {n}\n  scrape_interval: 1s\n  static_configs: [{{targets: ['{address}']}}]\n" for n in ("one", "two"))
        s = self.server(config="scrape_configs:\n" + jobs)
        self.eventually(lambda: len(s.query("page_total")) == 2)
        get = lambda path, **p: s.get("/api/v1/" + path, p).json["data"]
        self.assertEqual(get("scrape_pools"), {"scrapePools": ["one", "two"]})
        self.assertEqual(len(get("targets")["activeTargets"]), 2)
        active = get("targets", state="active", scrapePool="one")
        self.assertEqual(([t["scrapePool"] for t in active["activeTargets"]], active["droppedTargets"]), (["one"], []))
        self.assertEqual(get("targets", state="dropped")["activeTargets"], [])
        md = get("targets/metadata", match_target='{job="one"}')
        target = {"instance": address, "job": "one"}
        self.assertIn({"target": target, "metric": "page_total", "type": "counter", "help": "How many.", "unit": ""}, md)
        self.assertIn("page_size", [m["metric"] for m in md])
        md = get("targets/metadata", metric="page_total")
        self.assertEqual(md, [{"target": dict(target, job=j), "type": "counter", "help": "How many.", "unit": ""} for j in ("one", "two")])
        self.assertEqual(len(get("targets/metadata", limit=1)), 1)
        r = s.get("/api/v1/targets/metadata", {"match_target": '{job="none"}'})
        self.assertEqual((r.status, r.json["errorType"]), (404, "not_found"))
        self.assertEqual(s.get("/api/v1/targets/metadata", {"match_target": "{"}).status, 400)
        md = get("metadata", metric="page_total")
        self.assertEqual(md, {"page_total": [{"type": "counter", "help": "How many.", "unit": ""}]})
        self.assertEqual(len(get("metadata", limit=1)), 1)


    def test_what_relabelling_drops_is_shown_and_explained(self):
        rules = "relabel_configs: [{source_labels: [__address__], regex: '(a|b):1', action: drop}, {source_labels: [job], target_label: kind}]"
        job = lambda name, more="": f"- job_name: {name}\n  {rules}\n  static_configs: [{{targets: ['a:1', 'b:1', '127.0.0.1:1']}}]\n{more}"
        s = self.server(config="global: {keep_dropped_targets: 1}\nscrape_configs:\n" + job("one", "  basic_auth: {username: u, password: hush}\n") +
                        job("two", "  keep_dropped_targets: 0\n") + "- job_name: empty\n")
        get = lambda path, **p: s.get("/api/v1/" + path, p).json["data"]
        self.assertEqual(get("scrape_pools"), {"scrapePools": ["empty", "one", "two"]})
        found = get("targets")
        self.assertEqual(len(found["activeTargets"]), 2)
        self.assertEqual(found["droppedTargetCounts"], {"empty": 0, "one": 2, "two": 2})
        self.assertEqual([(t["scrapePool"], t["discoveredLabels"]["__address__"]) for t in found["droppedTargets"]], [("one", "a:1"), ("two", "a:1"), ("two", "b:1")])
        found = get("targets", state="Dropped", scrapePool="two")
        self.assertEqual(([t["scrapePool"] for t in found["droppedTargets"]], found["activeTargets"]), (["two", "two"], []))
        found = get("targets", state="active")
        self.assertEqual((len(found["activeTargets"]), found["droppedTargets"], found["droppedTargetCounts"]), (2, [], {}))
        text = get("scrape_pools/config", scrapePool="one")["yaml"]
        self.assertIn("job_name: one", text)
        self.assertIn("scrape_timeout: 10s", text)
        self.assertNotIn("hush", text)
        self.assertIn("not found", s.get("/api/v1/scrape_pools/config", {"scrapePool": "none"}).json["error"])
        steps = lambda **labels: get("targets/relabel_steps", scrapePool="one", labels=json.dumps(labels))["steps"]
        kept = steps(__address__="c:1", job="one")
        self.assertEqual([(x["keep"], x["output"].get("kind")) for x in kept], [(True, None), (True, "one")])
        self.assertEqual(kept[0]["rule"], {"source_labels": ["__address__"], "separator": ";", "regex": "(a|b):1", "replacement": "$1", "action": "drop"})
        self.assertEqual([(x["keep"], x["output"]) for x in steps(__address__="b:1")], [(False, {}), (False, {})])
        for path, params in [("targets/relabel_steps", {"scrapePool": "one"}), ("targets/relabel_steps", {"scrapePool": "one", "labels": "{"}),
                             ("targets/relabel_steps", {"scrapePool": "one", "labels": '{"a":1}'}), ("scrape_pools/config", {})]:
            r = s.get("/api/v1/" + path, params)
            self.assertEqual((r.status, r.json["errorType"]), (400, "bad_data"), r.text)

    def test_files_of_samples_are_blocks_and_own_metrics_are_families(self):
        s = self.server()
        fill(s, some_series())
        self.assertEqual(s.get("/api/v1/status/tsdb/blocks").json["data"], {"blocks": []})
        s.post("/api/stoa/v1/flush")
        blocks = s.get("/api/v1/status/tsdb/blocks").json["data"]["blocks"]
        self.assertTrue(any(b["minTime"] <= NOW * 1000 < b["maxTime"] and b["stats"]["numSamples"] > 0 for b in blocks), blocks)
        self.assertTrue(all(re.fullmatch("[0-7][0-9A-HJKMNP-TV-Z]{25}", b["ulid"]) and b["compaction"]["level"] > 0 for b in blocks), blocks)
        families = {f["name"]: f for f in s.get("/api/v1/status/self_metrics").json["data"]}
        self.assertEqual(families["stoa_store_wal_syncs_total"]["type"], "COUNTER")
        self.assertGreater(families["stoa_store_series"]["metric"][0]["gauge"]["value"], 3)
        lines = [x for x in s.get("/metrics").text.splitlines() if x.startswith("# TYPE ")]
        self.assertEqual(sorted(families), sorted({x.split()[2] for x in lines} & set(families)))
        one = families["stoa_http_request_duration_seconds"]
        h = one["metric"][0]["histogram"]
        self.assertEqual((one["type"], h["bucket"][-1]["upperBound"], h["bucket"][-1]["cumulativeCount"]), ("HISTOGRAM", "Infinity", h["sampleCount"]))
        self.assertNotIn("le", [x["name"] for x in one["metric"][0]["label"]])
        some = s.get("/api/v1/status/self_metrics", {"metric_name_pattern": "stoa_store_s.*"}).json["data"]
        self.assertTrue(some and all(f["name"].startswith("stoa_store_s") for f in some), some)
        r = s.get("/api/v1/status/self_metrics", {"metric_name_pattern": "("})
        self.assertEqual((r.status, r.json["errorType"]), (400, "bad_data"))


class Cors(harness.Case):
    QUERY = "/api/v1/query?query=1"

    def allowed(self, s, origin, path=QUERY, method="GET"):
        """What a browser is told, and whether anything of it is open to all or goes with credentials."""
        r = s.request(method, path, headers={"Origin": origin, "Access-Control-Request-Method": "GET"})
        self.assertNotEqual(r.headers.get("Access-Control-Allow-Credentials"), "true")
        return r.status, r.headers.get("Access-Control-Allow-Origin"), r.headers.get("Access-Control-Allow-Methods")

    def test_off_by_default(self):
        s = self.server()
        self.assertEqual(self.allowed(s, "https://app.example.com"), (200, None, None))
        self.assertEqual(self.allowed(s, "https://app.example.com", method="OPTIONS"), (204, None, None))

    def test_origins_that_match_as_a_whole_may_read(self):
        s = self.server(config="web:\n  cors_origin: 'https?://(app|api)\\.example\\.com'\n")
        good, methods = "https://app.example.com", "GET, POST, OPTIONS"
        self.assertEqual(self.allowed(s, good), (200, good, None))
        self.assertEqual(self.allowed(s, good, method="OPTIONS"), (204, good, methods))
        self.assertEqual(self.allowed(s, good, "/api/v1/query?query="), (400, good, None))
        for bad in ("https://app.example.com.evil.net", "xhttps://app.example.com", "https://appxexample.com", "null"):
            self.assertEqual(self.allowed(s, bad), (200, None, None))
            self.assertEqual(self.allowed(s, bad, method="OPTIONS"), (204, None, None))
        self.assertEqual(s.request("GET", self.QUERY).headers["Vary"], "Origin")
        self.assertEqual(self.allowed(s, good, "/metrics"), (200, None, None))
        # Writing is open to pages of any origin, beacons among them; a login's cookie is of this origin alone, and refused with another's.
        for origin in (good, "https://elsewhere.example.net"):
            r = s.request("OPTIONS", "/api/v1/write", headers={"Origin": origin, "Access-Control-Request-Method": "POST"})
            self.assertEqual((r.status, r.headers["Access-Control-Allow-Origin"], r.headers["Access-Control-Allow-Credentials"]), (204, origin, "true"))

    def test_a_bad_regex_stops_the_start(self):
        with self.assertRaises(Exception) as caught:
            self.server(config="web: {cors_origin: '('}\n")
        self.assertIn("cors_origin", str(caught.exception))


@unittest.skipUnless((PEER / "prometheus").exists(), "tools/peers.sh prometheus has not been run")
class Peer(harness.Case):
    def test_a_prometheus_federates_us(self):
        s = self.server()
        now = int(time.time() * 1000)
        fill(s, [({"__name__": "fed", "job": "j", "instance": "x", "v": 'q" b\\ ü'}, [(now - 5000, 2.5)]),
                 ({"__name__": "fed", "job": "j"}, [(now - 4000, math.inf)])])
        p = Prometheus(f"""global: {{scrape_interval: 1s}}
scrape_configs:
- job_name: federate
  honor_labels: true
  metrics_path: /federate
  params: {{'match[]': ['{{job="j"}}']}}
  static_configs: [{{targets: ['127.0.0.1:{s.port}']}}]
""")
        self.addCleanup(p.close)
        theirs = self.eventually(lambda: len(a := answers(p.url, "/api/v1/query", query="timestamp(fed)")) == 2 and a, WAIT_SECONDS_MAX)
        self.assertEqual(theirs, {k: [(t, v)] for k, ((t, _),) in theirs.items() for v in [f"{(now - (5000 if 'instance' in k else 4000)) / 1000:.3f}".rstrip("0").rstrip(".")]})
        self.assertEqual(sorted(v for ((_, v),) in answers(p.url, "/api/v1/query", query="fed").values()), ["+Inf", "2.5"])

    def test_a_prometheus_that_reads_from_us_answers_as_we_do(self):
        s = self.server()
        times = [(NOW - 1800 + 15 * i) * 1000 + 7 for i in range(121)]
        fill(s, [({"__name__": "rr_total", "k": str(k)}, [(t, float(i * (k + 1) % 1000)) for i, t in enumerate(times)]) for k in range(50)] +
             [({"__name__": "rr_odd", "le": "+Inf", "Up": "u"}, [(t, math.nan if i % 7 == 0 else math.sin(i)) for i, t in enumerate(times)])])
        p = Prometheus(f"""global: {{scrape_interval: 1h}}
remote_read:
- url: http://127.0.0.1:{s.port}/api/v1/read
  read_recent: true
""")
        self.addCleanup(p.close)
        for text in ("rr_total", "sum(rate(rr_total[5m]))", "rr_odd", "max_over_time(rr_odd[2m])", 'rr_total{k=~"1.*",k!="11"}', "count({Up='u'})"):
            params = dict(query=text, start=NOW - 1200, end=NOW, step=30)
            theirs, ours = answers(p.url, "/api/v1/query_range", **params), answers(s.url, "/api/v1/query_range", **params)
            self.assertTrue(ours, text)
            self.assertEqual(differences(theirs, ours, nearly if "sum(" in text else lambda a, b: a == b), [], text)


if __name__ == "__main__":
    harness.main()
