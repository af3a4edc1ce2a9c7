#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Jaeger's search by tags: they may lie in a span, its resource, its scope, its events or its links."""
import json
import os
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
from harness import Server, main  # noqa: E402

NS = 10**9


def attributes(**values):
    kinds = {str: "stringValue", bool: "boolValue", int: "intValue", float: "doubleValue"}
    return [{"key": k.replace("__", "."), "value": {kinds[type(v)]: str(v) if type(v) is int else v}} for k, v in values.items()]


def span(number, start, **more):
    return dict({"traceId": f"{number:032x}", "spanId": f"{number:016x}", "name": f"work {number}", "startTimeUnixNano": str(start),
                 "endTimeUnixNano": str(start + 5000)}, **more)


class Test(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.s = Server()
        cls.now = int(time.time()) * NS - 60 * NS
        other = [{"traceId": "f" * 32, "spanId": "f" * 16, "attributes": attributes(batch="nightly", tries=3)}]
        told = [{"timeUnixNano": str(cls.now), "name": "exception", "attributes": attributes(exception__type="Timeout", code=7)}]
        spans = [span(1, cls.now, attributes=attributes(code=7, paid=True, rate=2.5)), span(2, cls.now + 1000, events=told),
                 span(3, cls.now + 2000, links=other), span(4, cls.now + 3000, kind=2, status={"code": 2}, events=told, attributes=attributes(paid=True)),
                 span(5, cls.now + 4000, status={"code": 1})]
        body = {"resourceSpans": [{"resource": {"attributes": attributes(service__name="shop", region="north")},
                                   "scopeSpans": [{"scope": {"name": "pay", "version": "1.2", "attributes": attributes(team="money")}, "spans": spans}]}]}
        r = cls.s.post_json("/v1/traces", body)
        assert r.status == 200, r.text

    @classmethod
    def tearDownClass(cls):
        cls.s.close()

    def found(self, tags, **params):
        r = self.s.get("/jaeger/api/traces", dict(service="shop", tags=json.dumps(tags), **params))
        self.assertEqual(r.status, 200, r.text)
        numbers = sorted(int(t["traceID"], 16) for t in r.json["data"])
        day = [f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(self.now // NS + s))}Z" for s in (-3600, 3600)]
        v3 = {"query.service_name": "shop", "query.attributes": json.dumps(tags), "query.start_time_min": day[0], "query.start_time_max": day[1]}
        r = self.s.get("/jaeger/api/v3/traces", v3)
        spans = [s for x in r.json["result"]["resourceSpans"] for c in x["scopeSpans"] for s in c["spans"]] if r.status == 200 else []
        if not params:
            self.assertEqual(sorted({int(s["traceId"], 16) for s in spans}), numbers, "version 3")
        return numbers

    def test_tags_of_every_place(self):
        for _ in range(2):
            for tags, expected in [({"code": "7"}, [1, 2, 4]), ({"paid": "true"}, [1, 4]), ({"rate": "2.5"}, [1]), ({"exception.type": "Timeout"}, [2, 4]),
                                   ({"event": "exception"}, [2, 4]), ({"batch": "nightly", "tries": "3"}, [3]), ({"batch": "nightly", "tries": "4"}, []),
                                   ({"code": "7", "paid": "true"}, [1, 4]), ({"code": "7", "error": "true"}, [4]), ({"otel.status_code": "OK"}, [5]),
                                   ({"otel.status_code": "ERROR", "span.kind": "server"}, [4]), ({"otel.scope.name": "pay", "code": "7"}, [1, 2, 4]),
                                   ({"otel.scope.version": "1.3"}, []), ({"otel.scope.team": "money", "region": "north"}, [1, 2, 3, 4, 5]),
                                   ({"exception.type": "Timeout", "batch": "nightly"}, [])]:
                self.assertEqual(self.found(tags), expected, tags)
            self.s.post("/api/stoa/v1/flush")

    def test_no_more_than_asked_for(self):
        self.assertEqual(len(self.found({"code": "7"}, limit=2)), 2)
        self.assertEqual(self.found({"code": "7"}, limit=1), [1])

    def test_what_are_no_tags(self):
        for text in ("{", "[]", '{"a":{}}'):
            r = self.s.get("/jaeger/api/traces", dict(service="shop", tags=text))
            self.assertEqual(r.status, 400, r.text)
            self.assertIn("tags", r.text)


class Metrics(harness.Case):
    """The metrics of Jaeger's tab Monitor, out of spans."""

    def setUp(self):
        self.s = self.server()

    def metrics(self, what, **params):
        r = self.s.get("/jaeger/api/metrics/" + what, params)
        self.assertEqual(r.status, 200, r.text)
        return r.json

    def last(self, what, **params):
        """Label values of each line, and its last point."""
        family = self.metrics(what, **params)
        self.assertEqual(family["type"], "GAUGE")
        return {tuple(x["value"] for x in m["labels"]): m["metricPoints"][-1]["gaugeValue"]["doubleValue"] for m in family["metrics"]}

    def test_latencies_calls_and_errors(self):
        now = time.time_ns()
        spans = [span(i + 1, now - NS, name="GET /a" if i < 3 else "GET /b", kind=2, status={"code": 2 if i == 0 else 0}) for i in range(4)]
        spans.append(span(9, now - NS, name="SELECT", kind=3))
        for s in spans:
            s["endTimeUnixNano"] = str(int(s["startTimeUnixNano"]) + 20 * 10**6)
        for name in ('a "b".c', "other"):
            body = {"resourceSpans": [{"resource": {"attributes": attributes(service__name=name)}, "scopeSpans": [{"spans": spans}]}]}
            self.assertEqual(self.s.post_json("/v1/traces", body).status, 200)
        asked = {"service": 'a "b".c', "lookback": 60000, "step": 1000, "ratePer": 60000}
        calls = self.eventually(lambda: self.last("calls", **asked), seconds=40)
        rate = calls[('a "b".c',)]
        self.assertGreater(rate, 0)
        by_name = self.last("calls", groupByOperation="true", **asked)
        self.assertEqual(set(by_name), {("GET /a", 'a "b".c'), ("GET /b", 'a "b".c')})
        self.assertAlmostEqual(by_name[("GET /a", 'a "b".c')] / by_name[("GET /b", 'a "b".c')], 3)
        self.assertEqual({k: round(v, 6) for k, v in self.last("errors", groupByOperation="true", **asked).items()},
                         {("GET /a", 'a "b".c'): round(1 / 3, 6), ("GET /b", 'a "b".c'): 0})
        self.assertEqual(self.last("errors", **asked), {('a "b".c',): 0.25})
        milliseconds = self.last("latencies", quantile=0.95, **asked)[('a "b".c',)]
        self.assertTrue(15 < milliseconds < 25, milliseconds)
        self.assertEqual(set(self.last("calls", spanKind=["client"], **asked)), {('a "b".c',)})
        self.assertEqual(set(self.last("calls", **dict(asked, service=['a "b".c', "other", "none"]))), {('a "b".c',), ("other",)})
        family = self.metrics("latencies", quantile=0.5, groupByOperation="true", **asked)
        self.assertEqual((family["name"], family["help"]), ("service_operation_latencies", "0.5th quantile latency, grouped by service & operation"))
        self.assertRegex(family["metrics"][0]["metricPoints"][-1]["timestamp"], r"^20\d\d-.*Z$")

    def test_what_is_asked_wrongly(self):
        self.assertEqual(self.metrics("minstep")["data"], 1)
        for what, params, status, told in [("calls", {}, 400, "service"), ("latencies", {"service": "x"}, 400, "quantile"), ("latencies", {"service": "x", "quantile": 2}, 400, "0 to 1"),
                                           ("calls", {"service": "x", "step": 0}, 400, "step"), ("calls", {"service": "x", "endTs": "now"}, 400, "endTs"),
                                           ("calls", {"service": "x", "lookback": 10**9, "step": 1}, 422, "step"), ("traffic", {"service": "x"}, 404, "traffic")]:
            r = self.s.get("/jaeger/api/metrics/" + what, params)
            self.assertEqual((r.status, r.json["errors"][0]["code"]), (status, status), r.text)
            self.assertIn(told, r.json["errors"][0]["msg"])
        self.assertEqual(self.metrics("calls", service="nobody")["metrics"], [])


if __name__ == "__main__":
    main()
