# SPDX-License-Identifier: Apache-2.0
"""Trees that are no trees, that are huge, and whose clocks differ: every API gives them, none dies of them."""
import base64
import re
import time

import harness
import trace_forms as forms

MIB = 1 << 20
MS = 10**6
PROTO = {"Accept": "application/protobuf"}


class Trees(harness.Case):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.s = harness.Server()
        cls.now = time.time_ns() // 10**9 * 10**9 - 60 * 10**9

    @classmethod
    def tearDownClass(cls):
        assert cls.s.process.poll() is None
        cls.s.close()

    def span(self, trace, id_, name="work", up=0, at=0.0, ms=1.0, kind=1, **more):
        start = self.now + int(at * MS)
        row = dict({"traceId": f"{trace:032x}", "spanId": f"{id_:016x}", "name": name, "kind": kind, "startTimeUnixNano": str(start),
                    "endTimeUnixNano": str(start + int(ms * MS))}, **more)
        return dict(row, parentSpanId=f"{up:016x}") if up else row

    def send(self, *spans, service="shop", **resource):
        data = {"resourceSpans": [{"resource": {"attributes": forms.attributes(dict({"service.name": service}, **{k.replace("_", "."): v for k, v in resource.items()}))},
                                   "scopeSpans": [{"spans": list(spans)}]}]}
        r = self.s.post("/v1/traces", forms.encode("request", data), {"Content-Type": "application/x-protobuf"})
        self.assertEqual(r.status, 200, r.text)
        return forms.decode("response", r.body).get("partialSuccess", {})

    def send_many(self, trace, first, count, service, up, at):
        """Plain spans, quickly: span i has the id i + 1, the parent up(i) and begins at(i) milliseconds after now."""
        id_, out = trace.to_bytes(16, "big"), []
        for i in range(first, first + count):
            start = self.now + int(at(i) * MS)
            name, above = f"step {i % 40}".encode(), up(i)
            body = (b"\x0a\x10" + id_ + b"\x12\x08" + (i + 1).to_bytes(8, "big") + (b"\x22\x08" + above.to_bytes(8, "big") if above else b"") +
                    b"\x2a" + bytes([len(name)]) + name + b"\x30\x01\x39" + start.to_bytes(8, "little") + b"\x41" + (start + MS).to_bytes(8, "little"))
            out.append(b"\x12" + bytes([len(body)]) + body)
        scope = b"".join(out)
        resource = forms.encode("resource", {"attributes": forms.attributes({"service.name": service})})
        inner = b"\x0a" + forms.varint(len(resource)) + resource + b"\x12" + forms.varint(len(scope)) + scope
        r = self.s.post("/v1/traces", b"\x0a" + forms.varint(len(inner)) + inner, {"Content-Type": "application/x-protobuf"})
        self.assertEqual((r.status, r.body), (200, b""))

    def json(self, path, **params):
        r = self.s.get(path, params, timeout=120)
        self.assertEqual(r.status, 200, r.text[:500])
        return r.json

    def ids_by_api(self, trace):
        """API -> ids of the spans it gives, in order."""
        def of(list_):
            return sorted(s["spanId"] if len(s["spanId"]) == 16 else base64.b64decode(s["spanId"]).hex() for r in list_ for g in r["scopeSpans"] for s in g["spans"])
        t = f"{trace:032x}"
        return {"jaeger": sorted(s["spanID"] for s in self.json("/jaeger/api/traces/" + t)["data"][0]["spans"]),
                "jaeger raw": sorted(s["spanID"] for s in self.json("/jaeger/api/traces/" + t, raw="true")["data"][0]["spans"]),
                "jaeger v3": of(self.json("/jaeger/api/v3/traces/" + t)["result"]["resourceSpans"]),
                "zipkin": sorted(s["id"] for s in self.json("/zipkin/api/v2/trace/" + t)),
                "tempo": of(self.json("/tempo/api/traces/" + t)["batches"]),
                "tempo v2": of(self.json("/tempo/api/v2/traces/" + t)["trace"]["resourceSpans"]),
                "tempo v2 protobuf": sorted(m.hex() for m in re.findall(b"\x0a\x10" + re.escape(bytes.fromhex(t)) + b"\x12\x08(.{8})",
                                                                self.s.get("/tempo/api/v2/traces/" + t, headers=PROTO, timeout=120).body, re.S))}

    def check_all_give(self, trace, ids):
        expected = sorted(f"{i:016x}" for i in ids)
        for api, got in self.ids_by_api(trace).items():
            self.assertTrue(got == expected, f"{api}: {len(got)} spans, expected {len(expected)}")

    def reports(self):
        """What looks at all spans."""
        for path, params in [("/api/stoa/v1/service_map", {}), ("/api/stoa/v1/calls", {"service": "shop"}), ("/api/stoa/v1/error_groups", {}), ("/tempo/api/v2/search/tags", {}),
                             ("/zipkin/api/v2/dependencies", {"endTs": time.time_ns() // MS, "lookback": 3600000}), ("/jaeger/api/dependencies", {})]:
            self.json(path, **params)

    def test_circles_orphans_and_equal_ids(self):
        trace = 0xC1
        self.send(self.span(trace, 1, "hen", 2), self.span(trace, 2, "egg", 1), self.span(trace, 3, "self", 3), self.span(trace, 4, "orphan", 0xDEAD),
                  self.span(trace, 5, "twice"), self.span(trace, 5, "twice again", 1), self.span(trace, 6, "into the circle", 2))
        self.send(self.span(trace, 7, "three", 9), self.span(trace, 8, "of a", 7), self.span(trace, 9, "circle", 8, at=-5), service="other")
        self.check_all_give(trace, [1, 2, 3, 4, 5, 5, 6, 7, 8, 9])
        found = {s["operationName"]: s["warnings"] for s in self.json(f"/jaeger/api/traces/{trace:x}")["data"][0]["spans"]}
        self.assertIn("circle", str(found["circle"]))
        self.assertIn("is not stored", str(found["orphan"]))
        self.assertIn("another span has this id", str(found["twice again"]) + str(found["twice"]))
        self.assertIsNone(found["of a"])
        self.reports()

    def test_a_hundred_thousand_spans_wide_and_deep(self):
        for trace, up in [(0xA1, lambda i: (i >> 3) + 1 if i else 0), (0xA2, lambda i: i)]:  # eight children each; a chain
            for first in range(0, 100_000, 10_000):
                self.send_many(trace, first, 10_000, f"shop {first % 3}", up, lambda i: i / 1000)
            if trace == 0xA1:
                self.check_all_give(trace, range(1, 100_001))
            else:
                self.assertEqual(len(self.json(f"/jaeger/api/traces/{trace:x}")["data"][0]["spans"]), 100_000)
        self.reports()

    def test_traces_too_large_for_one_answer_leave_room_for_the_newest(self):
        for trace in range(0xB1, 0xB5):
            for first in range(0, 60_000, 10_000):
                self.send_many(trace, first, 10_000, "bulk", lambda i: 1 if i else 0, lambda i: trace * 100 + i / 1000)
        r = self.s.get("/zipkin/api/v2/traces", {"serviceName": "bulk"})
        self.assertEqual((r.status, r.headers["X-Stoa-Warning"][:17]), (200, "1 of the 4 newest"))
        r = self.s.get("/tempo/api/search", {"tags": "service.name=bulk"})
        self.assertEqual(r.status, 200, r.text)
        self.send(self.span(0xB6, 1, at=60_000), self.span(0xB7, 1, at=-3_000_000), service="bulk")
        for first in range(0, 220_000, 20_000):
            self.send_many(0xB5, first, 20_000, "bulk", lambda i: 1 if i else 0, lambda i: 50_000 + i / 1000)
        r = self.s.get("/jaeger/api/traces", {"service": "bulk", "limit": 10, "lookback": "2h"})
        found = {t["traceID"][-2:]: len(t["spans"]) for t in r.json["data"]}  # the newest but one has no room even alone
        self.assertEqual(found, {"b2": 60_000, "b3": 60_000, "b4": 60_000, "b6": 1, "b7": 1})
        self.assertIn("2 of the 7 newest traces are left out", r.headers["X-Stoa-Warning"])
        self.assertEqual(self.s.get("/jaeger/api/traces/b5").status, 422)

    def test_ten_megabytes_of_attributes(self):
        wide = {f"k{i}": "y" * 25_000 for i in range(420)}
        told = self.send(self.span(0xF1, 1, "wide", attributes=forms.attributes(wide)), self.span(0xF1, 2, "below", 1))
        self.assertEqual(told, {})
        self.check_all_give(0xF1, [1, 2])
        (span,) = [s for s in self.json("/jaeger/api/traces/f1")["data"][0]["spans"] if s["operationName"] == "wide"]
        self.assertEqual({t["key"]: t["value"] for t in span["tags"] if t["key"] in wide}, wide)

        told = self.send(self.span(0xF2, 1, "long", attributes=forms.attributes({"big": "x" * (10 * MIB), "small": 1})))
        self.assertEqual(int(told.get("rejectedSpans", 0)), 0)
        self.assertIn(f'field "big" of "long" is cut: it has {10 * MIB} bytes, {MIB} are kept', told["errorMessage"])
        (span,) = self.json("/jaeger/api/traces/f2")["data"][0]["spans"]
        tags = {t["key"]: t["value"] for t in span["tags"]}
        self.assertEqual((len(tags["big"].encode()), tags["small"]), (MIB, 1))

        stack = {"exception.stacktrace": "z" * (10 * MIB)}
        told = self.send(self.span(0xF3, 1, "event", events=[{"timeUnixNano": str(self.now), "name": "exception", "attributes": forms.attributes(stack)}]))
        self.assertIn('field "exception.stacktrace" of "event" is cut', told["errorMessage"])
        (span,) = self.json("/jaeger/api/traces/f3")["data"][0]["spans"]
        self.assertEqual(len({t["key"]: t["value"] for t in span["logs"][0]["fields"]}["exception.stacktrace"].encode()), MIB)

        told = self.send(self.span(0xF4, 1, "many", attributes=forms.attributes({f"k{i}": i for i in range(5000)})), self.span(0xF4, 2, "few"))
        self.assertEqual(int(told["rejectedSpans"]), 1)
        self.assertIn('"many" has 5001 fields, at most 512', told["errorMessage"])
        self.check_all_give(0xF4, [2])

        many = [{"timeUnixNano": str(self.now), "name": "e", "attributes": forms.attributes({f"k{i}": i for i in range(600)})}]
        told = self.send(self.span(0xF5, 1, "noted", events=many))
        self.assertIn('600 fields of an event or link of "noted", the first 511 are kept', told["errorMessage"])
        (span,) = self.json("/jaeger/api/traces/f5")["data"][0]["spans"]
        self.assertEqual({t["key"]: t["value"] for t in span["logs"][0]["fields"]}["otel.dropped_attributes_count"], 89)
        self.reports()

    def test_a_resource_of_megabytes_is_refused_before_it_is_memory(self):
        spans = [self.span(0xF9, i + 1) for i in range(5000)]
        data = {"resourceSpans": [{"resource": {"attributes": forms.attributes({"service.name": "fat", "big": "q" * 2 * MIB})}, "scopeSpans": [{"spans": spans}]}]}
        begun = time.monotonic()
        r = self.s.post("/v1/traces", forms.encode("request", data), {"Content-Type": "application/x-protobuf"})
        self.assertEqual(r.status, 413)
        self.assertIn(b"a request of 5000 events takes over 268435456 bytes in the log", r.body)
        self.assertLess(time.monotonic() - begun, 20)
        with open(f"/proc/{self.s.process.pid}/status") as f:
            peak = int(next(line for line in f if line.startswith("VmHWM")).split()[1])
        self.assertLess(peak, 2000 * 1024)
        self.send(*spans[:10], service="fat", big="q" * 2 * MIB)
        self.check_all_give(0xF9, range(1, 11))

    def skewed(self, trace, raw=False):
        """name -> (start after now in ms, warnings) by Jaeger's API, and the same by version 3."""
        t, v2, v3 = f"{trace:x}", {}, {}
        for s in self.json("/jaeger/api/traces/" + t, **({"raw": "true"} if raw else {}))["data"][0]["spans"]:
            v2[s["operationName"]] = ((s["startTime"] - self.now // 1000) / 1000, s["warnings"] or [])
            for log in s["logs"]:
                v2[s["operationName"] + " event"] = ((log["timestamp"] - self.now // 1000) / 1000, [])
        for r in self.json("/jaeger/api/v3/traces/" + t, **({"raw_traces": "true"} if raw else {}))["result"]["resourceSpans"]:
            for s in [s for g in r["scopeSpans"] for s in g["spans"]]:
                told = forms.values_of(s.get("attributes")).get("@jaeger@warnings", [])
                v3[s["name"]] = ((int(s["startTimeUnixNano"]) - self.now) / MS, told)
                for e in s.get("events", []):
                    v3[s["name"] + " event"] = ((int(e["timeUnixNano"]) - self.now) / MS, [])
        self.assertEqual({name: (start, [w for w in told if "moved" in w]) for name, (start, told) in v2.items()}, v3)
        return v2

    def test_clocks_are_put_right_as_jaeger_does(self):
        trace = 0xE1
        event = [{"timeUnixNano": str(self.now - 4990 * MS), "name": "e"}]
        self.send(self.span(trace, 1, "root", 0, 0, 100, 2), self.span(trace, 2, "call", 1, 10, 80, 3), self.span(trace, 3, "own, outside", 1, 500, 10), host_name="a")
        self.send(self.span(trace, 4, "served", 2, -5000, 60, 2, events=event), self.span(trace, 5, "below", 4, -4990, 10), host_name="b")
        self.send(self.span(trace, 6, "longer, early", 2, 5, 300, 2), self.span(trace, 7, "longer, late", 2, 50, 300, 2), self.span(trace, 8, "inside", 2, 15, 10, 2),
                  self.span(trace, 9, "late", 1, 95, 10, 2), self.span(trace, 10, "taken later", 1, 400, 10, 5), self.span(trace, 11, "orphan", 0xDEAD, -9000, 5), host_name="c")
        self.send(self.span(trace, 12, "same host, other service", 1, 700, 10, 2), service="other", host_name="a")
        self.send(self.span(trace, 13, "no host", 1, 700, 10, 2), self.span(trace, 14, "no host, below", 13, 900, 5), service="bare")
        self.send(self.span(trace, 15, "no host, other", 13, 900, 4, 2), service="bare 2")
        got = self.skewed(trace)
        at = {name: start for name, (start, _) in got.items()}
        self.assertEqual(at, {"root": 0, "call": 10, "own, outside": 500, "served": 20, "served event": 30, "below": 30, "longer, early": 10, "longer, late": 50, "inside": 15,
                              "late": 45, "taken later": 400, "orphan": -9000, "same host, other service": 700, "no host": 45, "no host, below": 245, "no host, other": 48})
        told = {name: warnings for name, (_, warnings) in got.items() if warnings}
        self.assertEqual(set(told), {"served", "below", "longer, early", "late", "orphan", "no host", "no host, below", "no host, other"})
        self.assertIn("moved by 5.02s", told["below"][0])
        self.assertIn("moved by -50ms", told["late"][0])
        self.assertIn("000000000000dead is not stored", told["orphan"][0])
        raw = self.skewed(trace, raw=True)
        self.assertEqual((raw["served"], raw["no host"]), ((-5000, []), (700, [])))
        found = self.json("/jaeger/api/traces", service="shop", operation="served", limit=1)["data"]
        self.assertEqual([s["warnings"] is None for s in found[0]["spans"] if s["operationName"] == "served"], [False])
        found = self.json("/jaeger/api/traces", service="shop", operation="served", limit=1, raw="true")["data"]
        self.assertEqual([s["warnings"] for s in found[0]["spans"] if s["operationName"] == "served"], [None])

    def test_two_sides_of_a_call_under_one_id(self):
        us = self.now // 1000
        rows = [("CLIENT", "front", "1", None, 0, 1000, {}), ("SERVER", "back", "1", None, 9000, 800, {"shared": True}), ("CLIENT", "back", "2", "1", 9100, 100, {})]
        spans = [dict({"traceId": "d1", "id": id_, "kind": kind, "name": f"{service} {kind}", "timestamp": us + at, "duration": d, "localEndpoint": {"serviceName": service}},
                      **(dict(more, parentId=up) if up else more)) for kind, service, id_, up, at, d, more in rows]
        for order in (spans, spans[::-1]):
            trace = 0xD1 if order is spans else 0xD2
            self.assertEqual(self.s.post_json("/zipkin/api/v2/spans", [dict(s, traceId=f"{trace:x}") for s in order]).status, 202)
            at = {s["operationName"]: s["startTime"] - us for s in self.json(f"/jaeger/api/traces/{trace:x}")["data"][0]["spans"]}
            self.assertEqual(at, {"front CLIENT": 0, "back SERVER": 100, "back CLIENT": 200})


if __name__ == "__main__":
    harness.main()
