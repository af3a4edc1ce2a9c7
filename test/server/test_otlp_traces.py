# SPDX-License-Identifier: Apache-2.0
"""OTLP traces by protobuf, JSON and gRPC: everything the messages have comes back, and one bad span is refused by name while the rest is kept."""
import time
import unittest

import harness
import trace_forms as forms

S = 10**9
WAYS = ["protobuf", "JSON", "gRPC"]


def span(trace, id_, name, at, **more):
    return dict({"traceId": trace, "spanId": id_, "name": name, "kind": 2, "startTimeUnixNano": str(at), "endTimeUnixNano": str(at + 1000)}, **more)


def request(*spans, **resource):
    attributes = forms.attributes(dict({"service.name": "shop"}, **resource))
    return {"resourceSpans": [{"resource": {"attributes": attributes}, "scopeSpans": [{"scope": {"name": "s"}, "spans": list(spans)}]}]}


class OtlpTraces(harness.Case):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.s = harness.Server()
        cls.now = time.time_ns() - 60 * S

    @classmethod
    def tearDownClass(cls):
        cls.s.close()

    def send(self, way, data):
        """The ExportTraceServiceResponse."""
        if way == "JSON":
            r = self.s.post_json("/v1/traces", data)
            self.assertEqual((r.status, r.headers["Content-Type"].split(";")[0]), (200, "application/json"), r.text)
            return r.json
        body = forms.encode("request", data)
        if way == "gRPC":
            messages, status, told = forms.grpc(self.s.url, forms.TRACES_EXPORT, body)
            self.assertEqual((status, len(messages)), (0, 1), told)
            return forms.decode("response", messages[0])
        r = self.s.post("/v1/traces", body, {"Content-Type": "application/x-protobuf"})
        self.assertEqual((r.status, r.headers["Content-Type"]), (200, "application/x-protobuf"), r.text)
        return forms.decode("response", r.body)

    def read(self, trace):
        r = self.s.get("/tempo/api/v2/traces/" + trace, headers={"Accept": "application/protobuf"})
        self.assertEqual(r.status, 200, r.text)
        return forms.decode("tempo_v2", r.body)["trace"]["resourceSpans"]

    def ids(self, trace):
        return sorted(s["spanId"] for r in self.read(trace) for g in r["scopeSpans"] for s in g["spans"])

    def full(self, trace):
        values = {"text": "Gr\u00fc\u00dfe", "empty": "", "int": -(2**63), "double": 1.5, "true": True, "false": False, "bytes": b"\x00\xff", "list": ["a", 1, 2.5, False, [], {"k": []}],
                  "map": {"a": {"b": [1, {}]}, "": "no name"}}
        a = forms.attributes
        first = span(trace, "eee19b7ec3c1b174", "GET /cart", self.now, traceState="a=b,c=d", parentSpanId="00000000000000ff", attributes=a(values), droppedAttributesCount=2,
                     events=[{"timeUnixNano": str(self.now + 5), "name": "exception", "attributes": a(values), "droppedAttributesCount": 4},
                             {"timeUnixNano": str(self.now + 4), "name": "earlier"}, {"timeUnixNano": str(self.now - S), "name": ""}], droppedEventsCount=5,
                     links=[{"traceId": "0af7651916cd43dd8448eb211c80319c", "spanId": "b7ad6b7169203331", "traceState": "l=1", "attributes": a(values),
                             "droppedAttributesCount": 6, "flags": 0x301}, {"traceId": trace, "spanId": "00000000000000b1"}],
                     droppedLinksCount=7, status={"message": "broken", "code": 2}, flags=0x101)
        kinds = [span(trace, f"00000000000000b{i}", f"kind {i}", self.now + i, kind=i, status={"code": i % 3}) for i in range(1, 6)]
        return {"resourceSpans": [
            {"resource": {"attributes": a(dict({"service.name": "shop"}, **values)), "droppedAttributesCount": 3},
             "scopeSpans": [{"scope": {"name": "http", "version": "1.2", "attributes": a(values), "droppedAttributesCount": 1}, "spans": [first],
                             "schemaUrl": "https://example.com/scope/1"},
                            {"scope": {"name": "http", "version": "1.3"}, "spans": kinds[:2]}],
             "schemaUrl": "https://example.com/resource/1"},
            {"resource": {"attributes": a({"service.name": "stock"})}, "scopeSpans": [{"scope": {}, "spans": kinds[2:]}]}]}

    def ordered(self, data):
        """Without what is zero or empty, everything in order."""
        if isinstance(data, dict):
            if "intValue" in data or "doubleValue" in data or "stringValue" in data or "boolValue" in data or "bytesValue" in data:
                return data
            out = {k: self.ordered(v) for k, v in data.items()}
            return {k: v for k, v in out.items() if v not in (0, "", [], {})}
        return sorted((self.ordered(x) for x in data), key=str) if isinstance(data, list) else data

    def test_everything_comes_back(self):
        for i, way in enumerate(WAYS):
            data = self.full(f"5b8efff798038103d269b633813fc61{i}")
            self.assertEqual(self.send(way, data), {})
            for _ in range(2):
                with self.subTest(way):
                    self.assertEqual(self.ordered(self.read(f"5b8efff798038103d269b633813fc61{i}")), self.ordered(data["resourceSpans"]))
                self.s.post("/api/stoa/v1/flush")

    def test_a_bad_span_is_refused_and_the_rest_is_kept(self):
        bad = [("short trace id", lambda t, at: span("00ff", "00000000000000c1", "bad one", at), "trace_id has 2 bytes, must be 16"),
               ("no trace id", lambda t, at: span("", "00000000000000c1", "bad one", at), "trace_id has 0 bytes, must be 16"),
               ("zero trace id", lambda t, at: span("0" * 32, "00000000000000c1", "bad one", at), "not all zero"),
               ("long span id", lambda t, at: span(t, "00" * 9, "bad one", at), "span_id has 9 bytes, must be 8"),
               ("zero span id", lambda t, at: span(t, "0" * 16, "bad one", at), "not all zero"),
               ("no start", lambda t, at: span(t, "00000000000000c1", "bad one", 0), "start_time_unix_nano is 0"),
               ("from the future", lambda t, at: span(t, "00000000000000c1", "bad one", at + 3 * 86400 * S), "ahead")]
        number = 0
        for what, make, told in bad:
            for way in WAYS:
                with self.subTest(what, way=way):
                    number += 1
                    trace = f"{number:032x}"
                    good = [span(trace, f"00000000000000a{i}", "good", self.now + i) for i in range(3)]
                    data = request(good[0], make(trace, self.now), good[1])
                    data["resourceSpans"] += request(good[2], host="other")["resourceSpans"]
                    partial = self.send(way, data)["partialSuccess"]
                    self.assertEqual(int(partial["rejectedSpans"]), 1)
                    self.assertIn("bad one", partial["errorMessage"])
                    self.assertIn(told, partial["errorMessage"])
                    self.assertEqual(self.ids(trace), [s["spanId"] for s in good])

    def test_what_is_left_out_of_a_span_is_told(self):
        for i, way in enumerate(WAYS):
            trace = f"{0xE0 + i:032x}"
            events = [{"timeUnixNano": str(self.now + k), "name": f"e{k}"} for k in range(1030)]
            links = [{"traceId": trace, "spanId": f"{k + 1:016x}"} for k in range(1025)]
            partial = self.send(way, request(span(trace, "00000000000000a1", "many", self.now, events=events, links=links)))["partialSuccess"]
            self.assertEqual(int(partial.get("rejectedSpans", 0)), 0)
            self.assertIn('span "many": 7 events or links beyond the first 1024', partial["errorMessage"])
            (only,) = [s for r in self.read(trace) for g in r["scopeSpans"] for s in g["spans"]]
            self.assertEqual((len(only["events"]), len(only["links"])), (1024, 1024))
            self.assertEqual((only.get("droppedEventsCount"), only.get("droppedLinksCount")), (6, 1))

    def test_a_parent_that_is_no_id_is_told(self):
        for i, way in enumerate(WAYS):
            trace = f"{0xD0 + i:032x}"
            answer = self.send(way, request(span(trace, "00000000000000a1", "child", self.now, parentSpanId="00ff")))
            self.assertIn("parent_span_id has 2 bytes", answer["partialSuccess"]["errorMessage"])
            self.assertEqual(self.ids(trace), ["00000000000000a1"])

    def test_what_is_no_request(self):
        for body, kind in [(b"\x0a\xff\xff", "application/x-protobuf"), (b"{", "application/json"), (b'{"resourceSpans": 5}', "application/json")]:
            r = self.s.post("/v1/traces", body, {"Content-Type": kind})
            self.assertEqual((r.status, r.headers["Content-Type"].split(";")[0]), (400, kind), r.text)
        self.assertEqual(forms.grpc(self.s.url, forms.TRACES_EXPORT, b"\x0a\xff\xff")[:2], ([], 3))


if __name__ == "__main__":
    harness.main()
