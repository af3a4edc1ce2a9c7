#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Tempo's API and Jaeger's version 3: what came by OTLP comes back as OTLP, and is found."""
import base64
import http.client
import json
import os
import re
import struct
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
from harness import Server, main  # noqa: E402

S = 10**9
TRACE, OTHER, SHORT = "5b8efff798038103d269b633813fc60c", "00000000000000000000000000000abc", "00000000000000005af7183fb1d4cf5f"


def attribute(key, value):
    if isinstance(value, bool):
        any_value = {"boolValue": value}
    elif isinstance(value, int):
        any_value = {"intValue": str(value)}
    elif isinstance(value, float):
        any_value = {"doubleValue": value}
    elif isinstance(value, bytes):
        any_value = {"bytesValue": base64.b64encode(value).decode()}
    elif isinstance(value, str):
        any_value = {"stringValue": value}
    else:
        any_value = value
    return {"key": key, "value": any_value}


def attributes(**values):
    return [attribute(k.replace("__", "."), v) for k, v in values.items()]


LIST = {"arrayValue": {"values": [{"stringValue": "a"}, {"intValue": "1"}, {"doubleValue": 2.0}, {"doubleValue": 0.5}, {"boolValue": False}]}}
MAP = {"kvlistValue": {"values": [{"key": "k", "value": {"stringValue": "v"}}, {"key": "n", "value": {"kvlistValue": {"values": [{"key": "m", "value": LIST}]}}}]}}


def normal(value):
    """Lists of attributes in order of their keys, numbers as numbers, the rest as it is."""
    if isinstance(value, dict):
        out = {k: normal(v) for k, v in value.items()}
        if isinstance(out.get("attributes"), list):
            out["attributes"].sort(key=lambda a: a["key"])
        if "doubleValue" in out:
            out["doubleValue"] = float(out["doubleValue"])
        return out
    return [normal(v) for v in value] if isinstance(value, list) else value


# ---- protobuf, by hand ----

def varint(n):
    out = bytearray()
    n &= (1 << 64) - 1
    while n >= 0x80:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    out.append(n)
    return bytes(out)


def fields(data):
    at = 0
    while at < len(data):
        def number():
            nonlocal at
            n = shift = 0
            while True:
                b = data[at]
                at += 1
                n |= (b & 0x7F) << shift
                shift += 7
                if b < 0x80:
                    return n
        tag = number()
        wire = tag & 7
        if wire == 0:
            yield tag >> 3, number()
        else:
            n = number() if wire == 2 else 8 if wire == 1 else 4
            yield tag >> 3, data[at:at + n]
            at += n


class Test(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.s = Server()
        cls.now = (int(time.time()) - 60) * S
        t = cls.now
        cls.data = {"resourceSpans": [
            {"resource": {"attributes": attributes(service__name="shop", host__name="h1", cores=8, load=1.5, beta=True, key=b"\0\xff", zones=LIST, labels=MAP),
                          "droppedAttributesCount": 3},
             "scopeSpans": [
                 {"scope": {"name": "http", "version": "1.2", "attributes": attributes(build="x", rc=1), "droppedAttributesCount": 1}, "spans": [
                     {"traceId": TRACE, "spanId": "eee19b7ec3c1b174", "traceState": "a=b,c=d", "flags": 257, "name": "GET /cart", "kind": 2, "startTimeUnixNano": str(t + 1),
                      "endTimeUnixNano": str(t + 1500000001), "attributes": attributes(http__method="GET", http__status_code=500, ratio=2.0, ok=False, raw=b"abc", list=LIST, map=MAP),
                      "droppedAttributesCount": 2,
                      "events": [{"timeUnixNano": str(t + 5), "name": "exception", "attributes": attributes(exception__type="E", line=7), "droppedAttributesCount": 4},
                                 {"timeUnixNano": str(t + 6), "name": "done"}], "droppedEventsCount": 5,
                      "links": [{"traceId": OTHER, "spanId": "00000000000000aa", "traceState": "l=1", "attributes": attributes(why="retry"), "droppedAttributesCount": 6, "flags": 1}],
                      "droppedLinksCount": 7, "status": {"message": "broken", "code": 2}}],
                  "schemaUrl": "https://example.com/scope/1"},
                 {"scope": {"name": "sql"}, "spans": [
                     {"traceId": TRACE, "spanId": "00000000000000b1", "parentSpanId": "eee19b7ec3c1b174", "name": "select", "kind": 3, "startTimeUnixNano": str(t + 100),
                      "endTimeUnixNano": str(t + 900), "attributes": attributes(db__system="mysql"), "status": {}}]}],
             "schemaUrl": "https://example.com/resource/1"},
            {"resource": {"attributes": attributes(service__name="stock")},
             "scopeSpans": [{"scope": {}, "spans": [
                 {"traceId": TRACE, "spanId": "00000000000000c1", "parentSpanId": "00000000000000b1", "name": "reserve", "startTimeUnixNano": str(t + 200),
                  "endTimeUnixNano": str(t + 300), "status": {"code": 1}}]}]}]}
        cls.other = {"resourceSpans": [{"resource": {"attributes": attributes(service__name="batch")}, "scopeSpans": [{"scope": {}, "spans": [
            {"traceId": OTHER, "spanId": "00000000000000aa", "name": "nightly", "kind": 1, "startTimeUnixNano": str(t + 10 * S), "endTimeUnixNano": str(t + 12 * S),
             "parentSpanId": "00000000000000fe", "attributes": attributes(job="sum up"), "status": {}}]}]}]}
        for body in (cls.data, cls.other):
            r = cls.s.post_json("/v1/traces", body)
            assert (r.status, r.json) == (200, {}), r.text
        zipkin = [{"traceId": "5af7183fb1d4cf5f", "id": "352bff9a74ca9ad2", "name": "old", "kind": "SERVER", "timestamp": t // 1000, "duration": 5,
                   "localEndpoint": {"serviceName": "legacy"}, "tags": {"a": "b"}}]
        assert cls.s.post_json("/zipkin/api/v2/spans", zipkin).status == 202

    @classmethod
    def tearDownClass(cls):
        cls.s.close()

    def get(self, path, headers=None, **params):
        r = self.s.get("/tempo/api/" + path, params, headers=headers)
        self.assertEqual(r.status, 200, r.text)
        return r.json

    def assert_same(self, resource_spans, data):
        def key(r):
            return json.dumps(r, sort_keys=True)
        got, want = normal(resource_spans), normal(data["resourceSpans"])
        for side in (got, want):
            for r in side:
                r["scopeSpans"].sort(key=key)
            side.sort(key=key)
        self.assertEqual(got, want)

    def test_what_came_by_otlp_comes_back(self):
        for _ in range(2):
            self.assert_same(self.s.get("/jaeger/api/v3/traces/" + TRACE).json["result"]["resourceSpans"], self.data)
            self.assert_same(self.s.get("/jaeger/api/v3/traces/" + OTHER).json["result"]["resourceSpans"], self.other)
            self.s.post("/api/stoa/v1/flush")

    def test_protobuf_sent_again_is_the_same_trace(self):
        again = Server()
        try:
            r = self.s.get("/tempo/api/traces/" + TRACE, headers={"Accept": "application/protobuf"})
            self.assertEqual((r.status, r.headers["Content-Type"]), (200, "application/protobuf"))
            sent = again.post("/v1/traces", r.body, {"Content-Type": "application/x-protobuf"})
            self.assertEqual((sent.status, sent.body), (200, b""))
            self.assert_same(again.get("/jaeger/api/v3/traces/" + TRACE).json["result"]["resourceSpans"], self.data)
        finally:
            again.close()
        v2 = dict(fields(self.s.get("/tempo/api/v2/traces/" + TRACE, headers={"Accept": "application/protobuf"}).body))
        self.assertEqual(v2[1], r.body)

    def test_json_as_tempo_gives_it(self):
        batches = self.get("traces/" + TRACE)["batches"]
        self.assertEqual(self.get("v2/traces/" + TRACE)["trace"]["resourceSpans"], batches)
        spans = {s["name"]: s for b in batches for c in b["scopeSpans"] for s in c["spans"]}
        root = spans["GET /cart"]
        self.assertEqual(base64.b64decode(root["traceId"]).hex(), TRACE)
        self.assertEqual(base64.b64decode(spans["select"]["parentSpanId"]).hex(), "eee19b7ec3c1b174")
        self.assertEqual((root["kind"], root["status"]), ("SPAN_KIND_SERVER", {"message": "broken", "code": "STATUS_CODE_ERROR"}))
        self.assertNotIn("otlp:", json.dumps(batches))
        self.assert_same_after_sending(batches)

    def assert_same_after_sending(self, batches):
        again = Server()
        try:
            self.assertEqual(again.post_json("/v1/traces", {"resourceSpans": batches}).json, {})
            self.assert_same(again.get("/jaeger/api/v3/traces/" + TRACE).json["result"]["resourceSpans"], self.data)
        finally:
            again.close()

    def test_short_ids_and_other_formats(self):
        resource = self.get("traces/5af7183fb1d4cf5f")["batches"][0]
        self.assertEqual(resource["resource"]["attributes"], attributes(service__name="legacy"))
        self.assertEqual(self.get("traces/abc")["batches"], self.get("traces/" + OTHER)["batches"])
        self.assertEqual(self.s.get("/tempo/api/traces/77").status, 404)
        self.assertEqual(self.s.get("/tempo/api/traces/xyz").status, 400)

    def test_hidden_fields_are_in_no_list(self):
        for path in ("/jaeger/api/traces/" + TRACE, "/zipkin/api/v2/trace/" + TRACE, "/zipkin/api/v2/autocompleteKeys", "/tempo/api/v2/search/tags"):
            r = self.s.get(path)
            self.assertEqual(r.status, 200)
            self.assertNotIn("otlp:", r.text, path)

    def test_about_itself(self):
        r = self.s.get("/tempo/api/echo")
        self.assertEqual((r.status, r.text), (200, "echo"))
        self.assertRegex(self.get("status/buildinfo")["version"], r"^2\.\d+\.\d+$")

    def test_search_by_tags(self):
        def found(**params):
            return sorted(t["traceID"] for t in self.get("search", **params)["traces"])
        for params, expected in [(dict(tags="service.name=shop"), [TRACE]), (dict(tags="service.name=SHO"), [TRACE]), (dict(tags='job="sum up"'), ["abc"]),
                                 (dict(tags="http.status_code=500 http.method=GET"), [TRACE]), (dict(tags="http.method=POST"), []), (dict(tags="name=nightly"), ["abc"]),
                                 (dict(tags="status=error"), [TRACE]), (dict(tags="service.name=legacy"), ["5af7183fb1d4cf5f"]), (dict(minDuration="1900ms"), ["abc"]),
                                 (dict(minDuration="1s"), sorted([TRACE, "abc"])), (dict(maxDuration="1us", tags="service.name=shop"), []), (dict(maxDuration="1501ms", tags="service.name=shop"), [TRACE]),
                                 (dict(maxDuration="1499ms", minDuration="1s"), []), (dict(minDuration="1499ms", tags="db.system=mysql"), [TRACE]),
                                 (dict(tags="http.method=GET db.system=mysql service.name=stock"), [TRACE]), (dict(tags="root.name=cart"), [TRACE]),
                                 (dict(tags="root.name=select"), []), (dict(tags="root.service.name=stock"), []), (dict(tags="ok=false"), [TRACE]), (dict(tags="ratio=2"), [TRACE]),
                                 (dict(tags='http.method="G.T"'), []), (dict(tags='http.method="\\"\\\\`{}"'), []), (dict(tags="kind=client status=error"), [TRACE]),
                                 (dict(tags="http.method"), [TRACE]), (dict(tags="no.such"), []),
                                 (dict(start=self.now // S + 5, end=self.now // S + 60), ["abc"]), (dict(end=self.now // S - 3600), []), (dict(limit=1), ["abc"])]:
            self.assertEqual(found(**params), expected, params)
        t = self.get("search", tags="http.method=GET")["traces"][0]
        self.assertEqual((t["rootServiceName"], t["rootTraceName"], t["startTimeUnixNano"], t["durationMs"]), ("shop", "GET /cart", str(self.now + 1), 1500))
        self.assertEqual(t["serviceStats"], {"shop": {"spanCount": 2, "errorCount": 1}, "stock": {"spanCount": 1, "errorCount": 0}})
        self.assertEqual(self.get("search", tags="job=sum")["traces"][0]["rootServiceName"], "<root span not yet received>")
        for bad in (dict(minDuration="fast"), dict(limit="x"), dict(limit=0), dict(tags='a="b'), dict(start=20, end=10)):
            self.assertEqual(self.s.get("/tempo/api/search", bad).status, 400, bad)

    def test_search_by_a_query(self):
        def found(q, **params):
            return sorted(t["traceID"] for t in self.get("search", q=q, **params)["traces"])
        for q, expected in [("{}", sorted([TRACE, "abc", "5af7183fb1d4cf5f"])), ('{ resource.service.name = "shop" }', [TRACE]), ('{span.http.status_code=500}', [TRACE]),
                            ('{ resource.service.name = "shop" && duration > 1s && status = error }', [TRACE]), ('{ name = "a && b" }', []), ('{ kind = client }', [TRACE]),
                            ('{ .job = "sum up" }', ["abc"]), ('{ duration >= 1500ms }', sorted([TRACE, "abc"])),
                            ('{ resource.service.name = "shop" } >> { resource.service.name = "stock" }', [TRACE]), ('{ kind = client } >> { kind = client }', []),
                            ('{ status = error } || { .job != nil }', sorted([TRACE, "abc"])), ('{} | count() > 2', [TRACE]), ('{ rootServiceName = "shop" }', [TRACE])]:
            self.assertEqual(found(q), expected, q)
        sets = self.get("search", q='{ resource.service.name = "shop" }', spss=1)["traces"][0]["spanSets"]
        self.assertEqual(sets, [{"spans": [{"spanID": "eee19b7ec3c1b174", "name": "GET /cart", "startTimeUnixNano": str(self.now + 1), "durationNanos": "1500000000",
                                           "attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}]}], "matched": 2}])
        by = self.get("search", q='{} | by(resource.service.name) | count() < 2 | select(span:kind)')["traces"]
        hit = [t for t in by if t["traceID"] == TRACE][0]
        self.assertEqual(hit["spanSet"], hit["spanSets"][0])
        self.assertEqual([[a["key"] for a in x["attributes"]] for x in hit["spanSets"]], [["by(resource.service.name)", "count()"]])
        self.assertEqual([a for a in hit["spanSets"][0]["spans"][0]["attributes"] if a["key"] == "kind"], [{"key": "kind", "value": {"stringValue": "unspecified"}}])
        for bad in (dict(q="{ oops"), dict(q="{} | rate()"), dict(q="{}", minDuration="1s")):
            self.assertEqual(self.s.get("/tempo/api/search", bad).status, 400, bad)

    def test_metrics(self):
        t = self.now // S
        window = dict(start=t - 60, end=t + 60)
        def instant(q, **params):
            got = self.get("metrics/query", q=q, **{**window, **params})["series"]
            return sorted((x["promLabels"], x["value"]) for x in got)
        self.assertEqual(instant('{ resource.service.name = "shop" } | count_over_time()'), [('{__name__="count_over_time"}', 2)])
        self.assertEqual(instant('{ resource.service.name = "shop" } | max_over_time(duration) by (kind)'),
                         [('{kind="client"}', 8e-07), ('{kind="server"}', 1.5)])
        self.assertEqual(instant('{ kind = client } >> { } | count_over_time() by (resource.service.name)'), [('{"resource.service.name"="stock"}', 1)])
        got = self.get("metrics/query_range", q='{ status = error } | count_over_time() by (name)', step="60s", exemplars=3, **window)["series"]
        self.assertEqual([x["labels"] for x in got], [[{"key": "name", "value": {"stringValue": "GET /cart"}}]])
        self.assertEqual(sum(x["value"] for x in got[0]["samples"]), 1)
        times = [int(x["timestampMs"]) for x in got[0]["samples"] if x["value"]]
        self.assertTrue(0 < times[0] - t * 1000 <= 60000 and times[0] % 60000 == 0, times)
        exemplar = got[0]["exemplars"][0]
        self.assertEqual(dict((a["key"], a["value"]["stringValue"]) for a in exemplar["labels"])["trace:id"], TRACE)
        for bad in (dict(q="{}"), dict(q=""), dict(), dict(q="{} | rate()", step="0"), dict(q="{} | rate()", start=20, end=10), dict(q="{} | rate()", exemplars="x"),
                    dict(q="{} | rate()", step="1ms", start=t - 3600)):
            self.assertEqual(self.s.get("/tempo/api/metrics/query_range", bad).status, 400, bad)

    def test_the_command_line(self):
        def stoa(*args):
            done = subprocess.run([harness.BINARY, "query", "--url", self.s.url, "--traces", *args], capture_output=True, text=True, timeout=30)
            return done.returncode, done.stdout, done.stderr
        code, out, err = stoa('{ resource.service.name = "shop" } | select(span.http.method)')
        self.assertEqual((code, err), (0, ""))
        head, count, first, second = out.splitlines()
        self.assertRegex(head, rf"^\d{{4}}-\S+Z +1.5s  {TRACE}  shop  GET /cart$")
        self.assertEqual((count.strip(), first.split("  ")[-3:], second.split()[0]), ("2 spans", ["GET /cart", "service.name=shop", "http.method=GET"], "800ns"))
        self.assertEqual(stoa('{ status = error } | by(kind) | count() = 1')[1].splitlines()[1].split(), ["by(kind)=server", "count()=1", "1", "span"])
        window = ("--start", str(self.now // S - 60), "--end", str(self.now // S + 60))
        self.assertEqual(stoa(*window, '{ status = error } | count_over_time() by (name)')[1], '{name="GET /cart"} 1\n')
        self.assertRegex(stoa(*window, "--step", "60s", '{ status = error } | count_over_time()')[1], r'(?m)^\S+Z \{__name__="count_over_time"\} 1$')
        self.assertEqual(json.loads(stoa("--json", "--limit", "1", "{}")[1])["traces"][0]["traceID"], "abc")
        self.assertEqual((stoa("{ oops")[0], stoa("--logs", "{}")[0]), (1, 2))
        self.assertIn("line 1, col 3", stoa("{ oops")[2])

    def grpc(self, message):
        """StreamingQuerier/Search over HTTP/2 by curl: the messages of the stream, and the status."""
        with tempfile.TemporaryDirectory() as folder:
            sent, got = os.path.join(folder, "sent"), os.path.join(folder, "got")
            with open(sent, "wb") as f:
                f.write(struct.pack(">BI", 0, len(message)) + message)
            headers = subprocess.run(["curl", "-s", "--http2-prior-knowledge", "-o", got, "-D", "-", "-H", "Content-Type: application/grpc", "-H", "TE: trailers", "--data-binary",
                                      "@" + sent, self.s.url + "/tempopb.StreamingQuerier/Search"], capture_output=True, text=True, timeout=30).stdout
            data = b""
            if os.path.exists(got):
                with open(got, "rb") as f:
                    data = f.read()
        messages = []
        while data:
            n = struct.unpack(">I", data[1:5])[0]
            messages.append(data[5:5 + n])
            data = data[5 + n:]
        return messages, re.search(r"grpc-status: (\d+)", headers)[1], headers

    def test_search_by_grpc(self):
        def text(number, s):
            return varint(number << 3 | 2) + varint(len(s)) + s.encode()
        tag = text(1, "job") + text(2, "sum up")
        for message, expected in [(text(8, '{ resource.service.name = "shop" }') + varint(9 << 3) + varint(1), TRACE),
                                  (varint(1 << 3 | 2) + varint(len(tag)) + tag + varint(2 << 3) + varint(1900), "abc")]:
            messages, status, _ = self.grpc(message)
            self.assertEqual((len(messages), status), (2 if expected == TRACE else 1, "0")) # what a query finds comes as it is found
            traces = [dict(fields(v)) for m in messages for n, v in fields(m) if n == 1]
            done = [dict(fields(v)) for m in messages for n, v in fields(m) if n == 2]
            self.assertEqual([(d.get(4, 0), d[5]) for d in done], [(0, 1), (1, 1)][-len(messages):])
            self.assertEqual([t[1].decode() for t in traces], [expected])
            if expected == TRACE:
                self.assertEqual((traces[0][2], traces[0][3], traces[0][4], traces[0][5]), (b"shop", b"GET /cart", self.now + 1, 1500))
                spans = list(fields(traces[0][7]))
                self.assertEqual([dict(fields(v))[1] for n, v in spans if n == 1], [b"eee19b7ec3c1b174"])
                self.assertEqual(dict(spans)[2], 2)
        messages, status, headers = self.grpc(text(8, "{ oops"))
        self.assertEqual((messages, status), ([], "3"))

    def test_names(self):
        self.assertTrue({"http.method", "host.name", "job", "service.name"} <= set(self.get("search/tags")["tagNames"]))
        scopes = {s["name"]: set(s["tags"]) for s in self.get("v2/search/tags")["scopes"]}
        self.assertIn("db.system", scopes["span"])
        self.assertNotIn("host.name", scopes["span"])
        self.assertEqual(scopes["resource"], {"service.name", "host.name", "cores", "load", "beta", "key", "zones", "labels"})
        self.assertEqual((scopes["event"], scopes["link"], scopes["instrumentation"]), ({"exception.type", "line"}, {"why"}, {"build", "rc"}))
        self.assertIn("rootName", scopes["intrinsic"])
        self.assertEqual([s["name"] for s in self.get("v2/search/tags", scope="link")["scopes"]], ["link"])
        self.assertEqual(self.s.get("/tempo/api/v2/search/tags?scope=galaxy").status, 400)

    def test_values(self):
        def values(tag, **params):
            return [(v["type"], v["value"]) for v in self.get("v2/search/tag/" + tag + "/values", **params)["tagValues"]]
        self.assertEqual(self.get("search/tag/service.name/values")["tagValues"], ["batch", "legacy", "shop", "stock"])
        for tag, expected in [("resource.service.name", [("string", v) for v in ("batch", "legacy", "shop", "stock")]), ("span.http.status_code", [("int", "500")]),
                              ("resource.http.status_code", []), (".ratio", [("float", "2")]), ("span.ok", [("bool", "false")]), ("event.exception.type", [("string", "E")]),
                              ("link.why", [("string", "retry")]), ("instrumentation:name", [("string", "http"), ("string", "sql")]), ("instrumentation.build", [("string", "x")]),
                              ("status", [("keyword", v) for v in ("error", "ok", "unset")]), ("rootName", [("string", "GET /cart"), ("string", "old")]),
                              ("statusMessage", [("string", "broken")]), ("event:name", [("string", "done"), ("string", "exception")]), ("duration", [])]:
            self.assertEqual(values(tag), expected, tag)
        self.assertEqual(values("name", q='{ resource.service.name = "shop" && duration > 1ns }'), [("string", "GET /cart"), ("string", "select")])
        self.assertEqual(len(values("kind")), 6)

    def test_jaeger_v3(self):
        def get(path, **params):
            r = self.s.get("/jaeger/api/v3/" + path, params)
            return r.status, r.json
        self.assertEqual(get("services"), (200, {"services": ["batch", "legacy", "shop", "stock"]}))
        self.assertEqual(get("operations", service="shop")[1]["operations"], [{"name": "GET /cart", "spanKind": "server"}, {"name": "select", "spanKind": "client"}])
        self.assertEqual(get("operations", service="shop", span_kind="client")[1]["operations"], [{"name": "select", "spanKind": "client"}])
        for params, expected in [({"query.service_name": "shop"}, self.data), ({"query.serviceName": "batch"}, self.other), ({"query.duration_min": "1900ms"}, self.other),
                                 ({"query.operation_name": "reserve"}, self.data), ({"query.attributes": '{"job":"sum up"}', "query.search_depth": 1}, self.other)]:
            status, body = get("traces", **params)
            self.assertEqual(status, 200, params)
            self.assert_same(body["result"]["resourceSpans"], expected)
        status, body = get("traces", **{"query.service_name": "nobody"})
        self.assertEqual((status, body["error"]["httpCode"]), (404, 404))
        self.assertEqual(get("traces", **{"query.start_time_min": "yesterday"})[0], 400)
        self.assertEqual(get("traces/77")[0], 404)

    def test_a_listener_of_its_own(self):
        s = Server(config="listeners:\n  - dialect: tempo\n    address: 127.0.0.1:0\n")
        try:
            port = next(int(m[1]) for m in (re.search(r"dialect=tempo address=[^ ]*:(\d+)", line) for line in s.log) if m)
            c = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
            c.request("GET", "/api/echo")
            self.assertEqual(c.getresponse().read(), b"echo")
            c.request("GET", "/api/search?tags=a%3Db")
            self.assertEqual(json.loads(c.getresponse().read())["traces"], [])
            c.close()
        finally:
            s.close()


if __name__ == "__main__":
    main()
