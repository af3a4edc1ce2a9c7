#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Zipkin's and Jaeger's formats in and out: what one wrote it reads back, and so does the other."""
import gzip
import json
import os
import struct
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
from harness import Server, main  # noqa: E402

US = 10**6


def text(number, s):
    return struct.pack(">bhi", 11, number, len(s)) + s.encode()


def i64(number, n):
    return struct.pack(">bhQ", 10, number, n & (1 << 64) - 1)


def listed(number, *structs):
    return struct.pack(">bhbi", 15, number, 12, len(structs)) + b"".join(s + b"\0" for s in structs)


def tag(key, value):
    if isinstance(value, bool):
        return text(1, key) + struct.pack(">bhi", 8, 2, 2) + struct.pack(">bhb", 2, 5, value)
    if isinstance(value, int):
        return text(1, key) + struct.pack(">bhi", 8, 2, 3) + i64(6, value)
    return text(1, key) + struct.pack(">bhi", 8, 2, 0) + text(3, value)


def batch(service, *spans):
    return struct.pack(">bh", 12, 1) + text(1, service) + b"\0" + listed(2, *spans) + b"\0"


class Test(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.s = Server()
        cls.now = int(time.time() * US) - 60 * US
        cls.spans = [
            {"traceId": "5af7183fb1d4cf5f", "id": "352bff9a74ca9ad2", "kind": "CLIENT", "name": "get /api", "timestamp": cls.now, "duration": 1431,
             "localEndpoint": {"serviceName": "frontend", "ipv4": "10.0.0.1", "port": 8080},
             "remoteEndpoint": {"serviceName": "backend", "ipv4": "10.0.0.2", "ipv6": "2001:db8::2", "port": 9000},
             "annotations": [{"timestamp": cls.now + 2, "value": "ws"}, {"timestamp": cls.now + 3, "value": "wr"}], "tags": {"http.path": "/api", "error": "boom"}},
            {"traceId": "5af7183fb1d4cf5f", "id": "352bff9a74ca9ad2", "kind": "SERVER", "name": "get /api", "timestamp": cls.now + 5, "duration": 1000,
             "localEndpoint": {"serviceName": "backend", "ipv6": "::1"}, "shared": True},
            {"traceId": "5af7183fb1d4cf5f", "parentId": "352bff9a74ca9ad2", "id": "00000000000000aa", "kind": "CLIENT", "name": "select", "timestamp": cls.now + 9,
             "duration": 1, "localEndpoint": {"serviceName": "backend"}, "remoteEndpoint": {"serviceName": "mysql"}, "tags": {"debugged": "yes"}, "debug": True},
            {"traceId": "00000000000000115af7183fb1d4cf5f", "id": "00000000000000ab", "name": "alone", "timestamp": cls.now + 20, "localEndpoint": {"serviceName": "batch"}},
        ]
        r = cls.s.request("POST", "/zipkin/api/v2/spans", gzip.compress(json.dumps(cls.spans).encode()), {"Content-Type": "application/json", "Content-Encoding": "gzip"})
        assert (r.status, r.body) == (202, b""), (r.status, r.text)

    @classmethod
    def tearDownClass(cls):
        cls.s.close()

    def get(self, path, **params):
        r = self.s.get("/zipkin/api/v2/" + path, params)
        self.assertEqual(r.status, 200, r.text)
        return r.json

    @staticmethod
    def ordered(spans):
        return sorted(spans, key=lambda s: json.dumps(s, sort_keys=True))

    def test_a_trace_reads_back_as_it_was_written(self):
        for _ in range(2):
            self.assertEqual(self.ordered(self.get("trace/5af7183fb1d4cf5f")), self.ordered(self.spans[:3]))
            self.assertEqual(self.get("trace/00000000000000115af7183fb1d4cf5f"), self.spans[3:])
            self.s.post("/api/stoa/v1/flush")

    def test_what_is_not_there_and_what_is_no_span(self):
        self.assertEqual(self.s.get("/zipkin/api/v2/trace/99").status, 404)
        self.assertEqual(self.s.get("/zipkin/api/v2/trace/xyz").status, 400)
        for body, told in [(b"{}", "no list of spans"), (b'[{"traceId":"1"', "no list of spans"), (b'[{"traceId":"1","name":"n"}]', "its id is missing")]:
            r = self.s.request("POST", "/api/v2/spans", body, {"Content-Type": "application/json"})
            self.assertEqual(r.status, 400, r.text)
            self.assertIn(told, r.text)

    def test_names(self):
        self.assertTrue({"backend", "batch", "frontend"} <= set(self.get("services")))
        self.assertEqual(self.get("spans", serviceName="backend"), ["get /api", "select"])
        self.assertEqual(self.get("remoteServices", serviceName="backend"), ["mysql"])
        self.assertIn("http.path", self.get("autocompleteKeys"))
        self.assertEqual(self.get("autocompleteValues", key="http.path"), ["/api"])
        self.assertEqual(self.s.get("/zipkin/api/v2/spans").status, 400)

    def test_search(self):
        def found(**params):
            return sorted(t[0]["traceId"] for t in self.get("traces", **params))
        short, long = self.spans[0]["traceId"], self.spans[3]["traceId"]
        for params, expected in [(dict(serviceName="backend"), [short]), (dict(serviceName="batch"), [long]), (dict(spanName="alone"), [long]),
                                 (dict(annotationQuery="http.path=/api and error"), [short]), (dict(annotationQuery="ws"), [short]), (dict(annotationQuery="nothing"), []),
                                 (dict(serviceName="backend", annotationQuery="error"), []), (dict(remoteServiceName="mysql"), [short]), (dict(serviceName="frontend", minDuration=1400), [short]),
                                 (dict(serviceName="frontend", maxDuration=1400), []), (dict(serviceName="batch", lookback=1000), []),
                                 (dict(serviceName="backend", endTs=(self.now - 10 * US) // 1000, lookback=3600000), [])]:
            self.assertEqual(found(**params), expected, params)
        self.assertEqual(len(self.get("traces", limit=1)), 1)
        self.assertEqual(sorted(t[0]["traceId"] for t in self.get("traceMany", traceIds=short + "," + long)), sorted([short, long]))
        self.assertEqual(self.s.get("/zipkin/api/v2/traces", dict(minDuration="1ms")).status, 400)

    def test_dependencies(self):
        links = {(d["parent"], d["child"]): (d["callCount"], d.get("errorCount", 0)) for d in self.get("dependencies", endTs=self.now // 1000 + 1000, lookback=3600000)}
        self.assertEqual(links[("frontend", "backend")], (1, 0))
        self.assertEqual(links[("backend", "mysql")], (1, 0))
        data = self.s.get("/jaeger/api/dependencies", dict(endTs=self.now // 1000 + 1000, lookback=3600000)).json["data"]
        self.assertIn({"parent": "backend", "child": "mysql", "callCount": 1}, data)

    def test_what_zipkin_wrote_jaeger_reads(self):
        trace = self.s.get("/jaeger/api/traces/5af7183fb1d4cf5f").json["data"][0]
        spans = {(s["spanID"], trace["processes"][s["processID"]]["serviceName"]): s for s in trace["spans"]}
        client = spans[("352bff9a74ca9ad2", "frontend")]
        tags = {t["key"]: t["value"] for t in client["tags"]}
        self.assertEqual((tags["span.kind"], tags["http.path"], client["startTime"], client["duration"]), ("client", "/api", self.now, 1431))
        self.assertEqual(client["logs"][0]["timestamp"], self.now + 2)

    def test_what_jaeger_wrote_it_and_zipkin_read(self):
        span = (i64(1, 0x77) + i64(2, 0x1) + i64(3, 0x78) + i64(4, 0) + text(5, "GET /cart") + i64(8, self.now) + i64(9, 2500) +
                listed(10, tag("span.kind", "server"), tag("error", True), tag("http.status_code", 503)) +
                listed(11, i64(1, self.now + 5) + listed(2, tag("event", "retry"), tag("n", 2))))
        r = self.s.request("POST", "/jaeger/api/traces", batch("cart", span), {"Content-Type": "application/x-thrift"})
        self.assertEqual(r.status, 202, r.text)
        trace = self.s.get("/jaeger/api/traces/00000000000000010000000000000077").json["data"][0]
        tags = {t["key"]: t["value"] for t in trace["spans"][0]["tags"]}
        self.assertEqual((tags["span.kind"], tags["error"], tags["http.status_code"]), ("server", True, 503))
        fields = {f["key"]: f["value"] for f in trace["spans"][0]["logs"][0]["fields"]}
        self.assertEqual((fields["event"], fields["n"]), ("retry", 2))
        z = self.get("trace/00000000000000010000000000000077")[0]
        self.assertEqual((z["kind"], z["localEndpoint"]["serviceName"], z["tags"]["error"], z["annotations"][0]["value"]), ("SERVER", "cart", "true", '"retry":{"n":2}'))
        r = self.s.request("POST", "/jaeger/api/traces", b"\x0c\0\1\x0b", {"Content-Type": "application/x-thrift"})
        self.assertEqual(r.status, 400)
        self.assertIn("no Batch", r.text)

    def test_the_first_model(self):
        shop, cart = ({"serviceName": name, "ipv4": f"10.0.0.{i}", "port": 8080} for i, name in enumerate(("old-shop", "old-cart"), 1))
        call = {"traceId": "a5", "id": "a6", "name": "get /cart", "timestamp": self.now, "duration": 1300,
                "annotations": [{"timestamp": self.now + us, "value": v, "endpoint": e} for us, v, e in
                                ((0, "cs", shop), (100, "sr", cart), (1100, "ss", cart), (1300, "cr", shop), (50, "ws", shop))],
                "binaryAnnotations": [{"key": "http.path", "value": "/cart", "endpoint": cart}, {"key": "sa", "value": True, "endpoint": cart}]}
        r = self.s.request("POST", "/zipkin/api/v1/spans", gzip.compress(json.dumps([call]).encode()), {"Content-Encoding": "gzip"})
        self.assertEqual((r.status, r.body), (202, b""), r.text)
        name = {"traceId": "00000000000000a5", "id": "00000000000000a6", "name": "get /cart"}
        client = dict(name, kind="CLIENT", timestamp=self.now, duration=1300, localEndpoint=shop, remoteEndpoint=cart,
                      annotations=[{"timestamp": self.now + 50, "value": "ws"}])
        server = dict(name, kind="SERVER", timestamp=self.now + 100, duration=1000, localEndpoint=cart, tags={"http.path": "/cart"}, shared=True)
        self.assertEqual(self.ordered(self.get("trace/a5")), self.ordered([client, server]))
        links = self.get("dependencies", endTs=self.now // 1000 + 1000, lookback=3600000)
        self.assertIn({"parent": "old-shop", "child": "old-cart", "callCount": 1}, links)
        for body, told in [(b"{}", "first model"), (b'[{"traceId":"1"', "first model"), (b'[{"traceId":"1","name":"n"}]', "its id is missing"), (b"", "first model")]:
            r = self.s.request("POST", "/api/v1/spans", body, {"Content-Type": "application/json"})
            self.assertEqual(r.status, 400, r.text)
            self.assertIn(told, r.text)
        for body in (b"", b"\x0c\0\0\0\2\x0a", b"\x0b\0\0\0\1\0"):
            r = self.s.request("POST", "/api/v1/spans", body, {"Content-Type": "application/x-thrift"})
            self.assertEqual(r.status, 400, r.text)
            self.assertIn("Thrift", r.text)

    def test_what_looks_like_an_endpoint_is_none(self):
        span = {"traceId": "a7", "id": "a8", "name": "n", "kind": "CLIENT", "timestamp": self.now, "localEndpoint": {"serviceName": "shop"},
                "tags": {"peer.hostname": "localhost", "db.name": "orders"}}
        other = dict(span, traceId="a9", remoteEndpoint={"serviceName": "127.0.0.1", "port": 5432})
        self.assertEqual(self.s.post_json("/api/v2/spans", [span, other]).status, 202)
        for s in (span, other):
            self.assertEqual(self.get("trace/" + s["traceId"]), [dict(s, traceId=s["traceId"].rjust(16, "0"), id="00000000000000a8")])

    def test_py_zipkin(self):
        packages = ["python3-py-zipkin", "python3-thriftpy", "python3-ply", "python3-six"]
        r = subprocess.run([str(harness.ROOT / "tools" / "peers.sh"), *packages], capture_output=True, text=True)
        self.assertEqual(r.returncode, 0, r.stderr)
        path = ":".join(str(harness.ROOT / "build" / "peers" / p / "usr/lib/python3/dist-packages") for p in packages)
        r = subprocess.run(["/usr/bin/python3", "-c", PY_ZIPKIN, self.s.url + "/zipkin/api/v2/spans"], capture_output=True, text=True, timeout=60,
                           env={**os.environ, "PYTHONPATH": path})
        self.assertEqual(r.returncode, 0, r.stderr)
        trace = self.get("trace/" + r.stdout.strip())
        server, client = (next(s for s in trace if s["kind"] == kind) for kind in ("SERVER", "CLIENT"))
        self.assertEqual((server["name"], server["localEndpoint"]["serviceName"], server["tags"]["http.route"]), ("get /order", "py-shop", "/order"))
        self.assertEqual((client["parentId"], client["name"], client["tags"]["error"]), (server["id"], "insert", "deadlock"))
        self.assertEqual([a["value"] for a in client["annotations"]], ["locked"])
        self.assertEqual(self.s.get("/jaeger/api/traces/" + r.stdout.strip()).json["data"][0]["processes"]["p1"]["serviceName"], "py-shop")


# A program with py-zipkin, as its README shows one; prints its trace's id.
PY_ZIPKIN = """
import sys, time, urllib.request
from py_zipkin import Encoding, Kind, zipkin
from py_zipkin.transport import BaseTransportHandler

class Http(BaseTransportHandler):
    def get_max_payload_bytes(self):
        return None
    def send(self, encoded):
        body = encoded.encode() if isinstance(encoded, str) else encoded
        reply = urllib.request.urlopen(urllib.request.Request(sys.argv[1], body, {"Content-Type": "application/json"}))
        assert reply.status == 202, reply.status

with zipkin.zipkin_span(service_name="py-shop", span_name="get /order", kind=Kind.SERVER, transport_handler=Http(), sample_rate=100,
                        encoding=Encoding.V2_JSON, binary_annotations={"http.route": "/order"}) as span:
    with zipkin.zipkin_client_span(service_name="py-shop", span_name="insert", annotations={"locked": time.time()}) as inner:
        inner.update_binary_annotations({"error": "deadlock"})
    print(span.zipkin_attrs.trace_id)
"""


if __name__ == "__main__":
    main()
