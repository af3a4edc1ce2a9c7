# SPDX-License-Identifier: Apache-2.0
"""The server from outside: limits, bad input, odd clients. Every refusal names the thing and the limit, and what is good of
the same request is kept where the protocol allows it."""
import contextlib
import gzip
import http.client
import json
import os
import shutil
import signal
import re
import socket
import struct
import subprocess
import tempfile
import time
import zlib

import harness
from harness import WRITE_HEADERS, field, message, text_field, varint, write_request

KIB, MIB = 1024, 1024 * 1024
RECV_SECONDS_MAX = 20
COMMAND_SECONDS_MAX = 60
JSON = {"Content-Type": "application/json"}


def now_ms():
    return int(time.time() * 1000)


class Shared(harness.Case):
    """One quiet server for the tests of a class; it must live at the end of each."""

    config = None

    @classmethod
    def setUpClass(cls):
        cls.s = harness.Server(config=cls.config)
        cls.addClassCleanup(cls.s.close)

    def tearDown(self):
        self.assertEqual(self.s.get("/-/healthy").status, 200, "".join(self.s.log[-5:]))

    def raw(self, data, more=()):
        """Sends bytes as they are; everything that comes until the server closes or says nothing more."""
        with socket.create_connection(("127.0.0.1", self.s.port), timeout=RECV_SECONDS_MAX) as c:
            with contextlib.suppress(ConnectionError):
                c.sendall(data)
                for piece in more:
                    c.sendall(piece)
            out = b""
            with contextlib.suppress(ConnectionError):
                while piece := c.recv(65536):
                    out += piece
            return out

    def status(self, data):
        answer = self.raw(data)
        self.assertTrue(answer.startswith(b"HTTP/1.1 "), answer[:200])
        return int(answer[9:12]), answer.decode("utf-8", "replace")


def get(path="/-/healthy", headers="", version="HTTP/1.1"):
    return f"GET {path} {version}\r\nHost: x\r\n{headers}\r\n".encode()


class ProtocolTest(Shared):
    def test_an_unknown_path_is_404_by_name(self):
        r = self.s.get("/api/v9/nothing")
        self.assertEqual(r.status, 404)
        self.assertIn("/api/v9/nothing", r.text)

    def test_a_wrong_method_is_405_with_allow(self):
        for method, path, allow in [("GET", "/api/v1/write", "POST"), ("DELETE", "/api/v1/query", "GET, POST"), ("PUT", "/loki/api/v1/push", "POST"),
                                    ("POST", "/api/v1/metadata", "GET"), ("PATCH", "/v1/traces", "POST")]:
            r = self.s.request(method, path)
            self.assertEqual((r.status, r.headers["Allow"]), (405, allow), path)
            self.assertIn(method, r.text)

    def test_head_has_no_body_and_options_answers_browsers(self):
        r = self.s.request("HEAD", "/metrics")
        self.assertEqual((r.status, r.body), (200, b""))
        r = self.s.request("OPTIONS", "/v1/traces")
        self.assertEqual(r.status, 204)
        self.assertIn("POST", r.headers["Access-Control-Allow-Methods"])
        self.assertEqual((r.headers["Access-Control-Allow-Origin"], r.headers["Access-Control-Allow-Credentials"]), ("*", None))
        r = self.s.request("OPTIONS", "/v1/traces", headers={"Origin": "https://shop.example", "Access-Control-Request-Headers": "content-type,x-page"})
        self.assertEqual((r.headers["Access-Control-Allow-Headers"], r.headers["Access-Control-Allow-Credentials"], r.headers["Vary"]),
                         ("content-type,x-page", "true", "Origin"))
        r = self.s.request("OPTIONS", "/api/v1/query")
        self.assertEqual((r.status, r.headers["Access-Control-Allow-Origin"]), (204, None))

    def test_a_body_said_to_be_too_large_is_413_before_it_comes(self):
        status, text = self.status(f"POST /api/v1/write HTTP/1.1\r\nHost: x\r\nContent-Length: {65 * MIB}\r\n\r\n".encode())
        self.assertEqual(status, 413)
        self.assertIn(str(65 * MIB), text)
        self.assertIn(str(64 * MIB), text)

    def test_a_chunked_body_is_413_when_it_passes_the_limit(self):
        chunk = b"10000\r\n" + b"a" * 65536 + b"\r\n"
        answer = self.raw(b"POST /api/v1/query HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nTransfer-Encoding: chunked\r\n\r\n",
                          [chunk] * 32)
        self.assertIn(b" 413 ", answer[:20])
        self.assertIn(str(MIB).encode(), answer)

    def test_a_huge_header_is_431_and_a_long_url_414(self):
        status, text = self.status(get(headers="X-Long: " + "a" * 40 * KIB + "\r\n"))
        self.assertEqual(status, 431)
        self.assertIn(str(32 * KIB), text)
        status, text = self.status(get(headers="".join(f"X-{i}: 1\r\n" for i in range(200))))
        self.assertEqual(status, 431)
        self.assertIn("128", text)
        status, text = self.status(get("/" + "a" * 20 * KIB))
        self.assertEqual(status, 414)
        self.assertIn(str(16 * KIB), text)

    def test_requests_that_two_servers_could_read_differently_are_400(self):
        bad = {
            "length and chunked": "POST /v1/logs HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "two lengths": "POST /v1/logs HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nabcd",
            "a length that is no number": "POST /v1/logs HTTP/1.1\r\nHost: x\r\nContent-Length: 4x\r\n\r\nabcd",
            "a negative length": "POST /v1/logs HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
            "an unknown coding": "POST /v1/logs HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n",
            "chunked not last": "POST /v1/logs HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
            "a broken chunk size": "POST /v1/logs HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nab\r\n0\r\n\r\n",
            "two hosts": "GET /-/healthy HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
            "no host": "GET /-/healthy HTTP/1.1\r\n\r\n",
            "a space before the colon": "GET /-/healthy HTTP/1.1\r\nHost : x\r\n\r\n",
            "a control character in a header": "GET /-/healthy HTTP/1.1\r\nHost: x\r\nX-A: a\0b\r\n\r\n",
            "a method of odd characters": "G@T /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n",
            "no request": "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 hello\r\n\r\n",
        }
        for what, request in bad.items():
            with self.subTest(what):
                status, text = self.status(request.encode("latin-1"))
                self.assertEqual(status, 400, text)
                self.assertGreater(len(text.partition("\r\n\r\n")[2].strip()), 10, "no sentence: " + text)

    def test_other_versions_of_http_are_505_and_1_0_closes(self):
        self.assertEqual(self.status(get(version="HTTP/2.0"))[0], 505)
        status, text = self.status(get(version="HTTP/1.0"))
        self.assertEqual(status, 200, text)

    def test_many_requests_on_one_connection(self):
        c = http.client.HTTPConnection("127.0.0.1", self.s.port, timeout=RECV_SECONDS_MAX)
        self.addCleanup(c.close)
        c.connect()
        sock = c.sock
        for i in range(300):
            c.request("GET", f"/api/v1/query?query={i}%2B1&time=1")
            r = c.getresponse()
            self.assertEqual(json.loads(r.read())["data"]["result"], [1, str(i + 1)])
        self.assertIs(c.sock, sock, "the connection was not kept")

    def test_pipelined_requests_are_answered_in_order(self):
        n = 50
        requests = b"".join(get(f"/api/v1/query?query={i}&time=1") for i in range(n)) + get(headers="Connection: close\r\n")
        answer = self.raw(requests).decode()
        values = [json.loads(line)["data"]["result"][1] for line in answer.replace("HTTP/1.1", "\nHTTP/1.1").splitlines() if line.startswith("{")]
        self.assertEqual(values, [str(i) for i in range(n)])

    def test_a_request_in_single_bytes_is_one_request(self):
        request = get(headers="Connection: close\r\n")
        self.assertIn(b" 200 ", self.raw(b"", [bytes([b]) for b in request])[:20])

    def test_a_chunked_upload_with_extensions_and_trailers(self):
        body = write_request([({"__name__": "chunked"}, [(now_ms(), 1.5)])])
        pieces = b"".join(b"%x;note=1\r\n%s\r\n" % (len(body[i:i + 7]), body[i:i + 7]) for i in range(0, len(body), 7))
        answer = self.raw(b"POST /api/v1/write HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n" + pieces + b"0\r\nX-Sum: 1\r\n\r\n")
        self.assertIn(b" 204 ", answer[:20], answer)
        self.assertEqual(self.s.query("chunked")[0]["value"][1], "1.5")

    def test_a_client_that_asks_before_it_sends(self):
        body = b"query=1%2B1"
        with socket.create_connection(("127.0.0.1", self.s.port), timeout=RECV_SECONDS_MAX) as c:
            c.sendall(b"POST /api/v1/query HTTP/1.1\r\nHost: x\r\nConnection: close\r\nExpect: 100-continue\r\nContent-Type: application/x-www-form-urlencoded\r\n"
                      b"Content-Length: %d\r\n\r\n" % len(body))
            self.assertTrue(c.recv(4096).startswith(b"HTTP/1.1 100 "))
            c.sendall(body)
            answer = b""
            while piece := c.recv(65536):
                answer += piece
            self.assertIn(b'"2"', answer)

    def test_a_client_that_leaves_in_the_middle_does_no_harm(self):
        for cut in (1, 20, 60, 90):
            with socket.create_connection(("127.0.0.1", self.s.port)) as c:
                c.sendall(b"POST /api/v1/write HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n0123456789012345678901234567890123456789"[:cut])

    def test_http2_without_upgrade(self):
        def curl(*args, data=None):
            r = subprocess.run(["curl", "-sS", "--http2-prior-knowledge", "-w", "\n%{http_code} %{http_version}", *args], input=data, capture_output=True,
                               timeout=COMMAND_SECONDS_MAX)
            self.assertEqual(r.returncode, 0, r.stderr)
            text, _, last = r.stdout.decode().rpartition("\n")
            return text, last
        text, last = curl(f"{self.s.url}/api/v1/query?query=6*7&time=1")
        self.assertEqual(last, "200 2")
        self.assertEqual(json.loads(text)["data"]["result"], [1, "42"])
        body = write_request([({"__name__": "by_h2"}, [(now_ms(), 2.0)])])
        self.assertEqual(curl("--data-binary", "@-", f"{self.s.url}/api/v1/write", data=body), ("", "204 2"))
        self.assertEqual(self.s.query("by_h2")[0]["value"][1], "2")
        self.assertEqual(curl(f"{self.s.url}/nothing")[1], "404 2")
        self.assertEqual(curl("-X", "DELETE", f"{self.s.url}/api/v1/query")[1], "405 2")
        self.assertEqual(curl("-H", "X-Long: " + "a" * 40 * KIB, f"{self.s.url}/-/healthy")[1], "431 2")
        # Small enough to be sent whole: curl takes an answer that overtakes its body for a failure.
        text, last = curl("--data-binary", "@-", f"{self.s.url}/api/v1/metadata?limit=1", "-X", "GET", data=b"a" * (65 * KIB))
        self.assertEqual(last, "413 2")
        self.assertIn(str(64 * KIB), text)

    def test_garbage_after_the_preface_of_http2_ends_that_connection_only(self):
        preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
        for bad in (b"\xff" * 100, b"\x00\x40\x00\x00\x00\x00\x00\x00\x01", b"\x00\x00\x04\x08\x00\x00\x00\x00\x00\x00\x00\x00\x00"):
            with socket.create_connection(("127.0.0.1", self.s.port), timeout=RECV_SECONDS_MAX) as c:
                with contextlib.suppress(ConnectionError):
                    c.sendall(preface + bad)
                    c.shutdown(socket.SHUT_WR)
                    while c.recv(4096):
                        pass

    def test_answers_are_packed_for_those_who_take_it(self):
        r = self.s.get("/metrics", headers={"Accept-Encoding": "gzip"})
        if len(self.s.get("/metrics").body) > KIB:
            self.assertEqual(r.headers["Content-Encoding"], "gzip")
            self.assertIn("# TYPE", gzip.decompress(r.body).decode())
        self.assertIsNone(self.s.get("/metrics").headers["Content-Encoding"])

    def test_grpc_over_http1_is_refused_with_a_sentence(self):
        r = self.s.post("/opentelemetry.proto.collector.trace.v1.TraceService/Export", b"\0\0\0\0\0", {"Content-Type": "application/grpc"})
        self.assertEqual(r.status, 505)
        self.assertIn("HTTP/2", r.text)


def span(name="x", trace=b"\1" * 16, span_id=b"\2" * 8, start=None):
    start = start or time.time_ns()
    return (message(1, trace) + message(2, span_id) + text_field(5, name) + field(7, 1, struct.pack("<Q", start)) +
            field(8, 1, struct.pack("<Q", start + 1000000)))


def trace_request(spans, service="svc"):
    resource = message(1, message(1, text_field(1, "service.name") + message(2, text_field(1, service))))
    return message(1, resource + message(2, b"".join(message(2, s) for s in spans)))


def push(lines, **labels):
    return {"streams": [{"stream": labels, "values": [[str(t), line] for t, line in lines]}]}


class IngestTest(Shared):
    def test_a_broken_remote_write_is_400_with_a_sentence(self):
        good = write_request([({"__name__": "kept_whole"}, [(now_ms(), 1)])])
        for what, body in {"no snappy": b"\xff\xff\xff\xff\xff", "cut snappy": good[:-5], "snappy of no protobuf": harness.snappy(b"\x0a\xff\x01hello"),
                           "empty": b""}.items():
            with self.subTest(what):
                r = self.s.post("/api/v1/write", body, WRITE_HEADERS)
                self.assertIn(r.status, (204,) if what == "empty" else (400,), r.text)
                if body:
                    self.assertGreater(len(r.text), 20)
        self.assertEqual(self.s.query("kept_whole"), [], "part of a broken request was stored")

    def test_a_decompression_bomb_is_413_by_its_limit(self):
        # Says 1 GiB unpacked in the first bytes.
        r = self.s.post("/api/v1/write", varint(1024 * MIB) + b"\0a", WRITE_HEADERS)
        self.assertEqual(r.status, 413, r.text)
        packed = gzip.compress(b"\0" * (100 * MIB), 1)
        for path in ("/v1/traces", "/v1/logs", "/v1/metrics", "/loki/api/v1/push"):
            r = self.s.post(path, packed, {"Content-Type": "application/x-protobuf", "Content-Encoding": "gzip"})
            self.assertEqual(r.status, 413, f"{path} {r.text}")
            self.assertTrue(str(64 * MIB) in r.text or "64 MiB" in r.text, r.text)

    def test_good_series_beside_a_bad_one_are_kept(self):
        t = now_ms()
        many = {f"l{i:02}": "v" for i in range(70)}
        r = self.s.post("/api/v1/write", write_request([({"__name__": "good_before"}, [(t, 1)]), (dict(many, __name__="too_many"), [(t, 2)]),
                                                        ({"no_name": "x"}, [(t, 3)]), ({"__name__": "long", "v": "x" * 5000}, [(t, 4)]),
                                                        ({"__name__": "good_after"}, [(t, 5)])]), WRITE_HEADERS)
        self.assertEqual(r.status, 400)
        self.assertIn("64", r.text)
        self.assertIn("3 ", r.text)
        self.assertEqual([x["value"][1] for x in self.s.query('{__name__=~"good_.*|too_many|long"}')], ["5", "1"])

    def test_a_sample_too_far_ahead_is_refused_by_name(self):
        ahead = now_ms() + 3 * 24 * 3600 * 1000
        r = self.s.post("/api/v1/write", write_request([({"__name__": "ahead"}, [(ahead, 1)]), ({"__name__": "beside"}, [(now_ms(), 1)])]), WRITE_HEADERS)
        self.assertEqual(r.status, 400)
        self.assertIn("ahead", r.text)
        self.assertEqual(len(self.s.query("beside")), 1)

    def test_wrong_or_missing_content_headers_are_seen_through(self):
        t = now_ms()
        for i, headers in enumerate([{}, {"Content-Type": "text/plain"}, {"Content-Encoding": "snappy"}, {"Content-Type": "application/json"}]):
            r = self.s.post("/api/v1/write", write_request([({"__name__": f"sniffed_{i}"}, [(t, i)])]), headers)
            self.assertEqual(r.status, 204, f"{headers} {r.text}")
            self.assertEqual(len(self.s.query(f"sniffed_{i}")), 1, headers)

        def logs(name, body, headers):
            r = self.s.post("/loki/api/v1/push", body, headers)
            self.assertEqual(r.status, 204, f"{name} {r.text}")
            self.assertEqual(len(self.s.logs('{sniff="%s"}' % name)), 1, name)
        line = lambda name: json.dumps(push([(time.time_ns(), "hello")], sniff=name)).encode()
        logs("gzip unsaid", gzip.compress(line("gzip unsaid")), JSON)
        logs("gzip untrue", line("gzip untrue"), {"Content-Type": "application/json", "Content-Encoding": "gzip"})
        logs("json as protobuf", line("json as protobuf"), {"Content-Type": "application/x-protobuf"})
        logs("no type", line("no type"), {})
        logs("gzip, said identity", gzip.compress(line("gzip, said identity")), {"Content-Encoding": "identity"})
        logs("deflate", zlib.compress(line("deflate")), dict(JSON, **{"Content-Encoding": "deflate"}))

        for i, (body, headers) in enumerate([(lambda b: gzip.compress(b), {}), (lambda b: b, {"Content-Encoding": "gzip"}), (lambda b: b, {"Content-Type": "text/html"})]):
            r = self.s.post("/v1/traces", body(trace_request([span(trace=bytes([40 + i]) * 16)])), headers)
            self.assertEqual(r.status, 200, f"{headers} {r.text}")
            self.assertEqual(self.s.get("/jaeger/api/traces/" + bytes([40 + i]).hex() * 16).status, 200, headers)

    def test_broken_otlp_is_400_in_the_encoding_of_the_request(self):
        for path in ("/v1/traces", "/v1/metrics", "/v1/logs"):
            r = self.s.post(path, b"\x0a\xff\xff\xff", {"Content-Type": "application/x-protobuf"})
            self.assertEqual((r.status, r.headers["Content-Type"]), (400, "application/x-protobuf"), path)
            self.assertIn(b"otlp", r.body)
            r = self.s.post(path, b'{"resourceSpans": [', JSON)
            self.assertEqual((r.status, r.headers["Content-Type"]), (400, "application/json"), path)
            self.assertGreater(len(r.json["message"]), 20)
            r = self.s.post(path, b"{}", JSON)
            self.assertEqual((r.status, r.json), (200, {}), path)

    def test_otlp_partial_success_counts_what_is_refused_and_keeps_the_rest(self):
        trace = b"\x77" * 16
        spans = [span("good", trace, b"\1" * 8), span("no trace", b"\0" * 16, b"\2" * 8), span("short id", trace, b"\3" * 4), span("good too", trace, b"\4" * 8)]
        r = self.s.post("/v1/traces", trace_request(spans), {"Content-Type": "application/x-protobuf"})
        self.assertEqual(r.status, 200)
        self.assertTrue(r.body.startswith(b"\x0a"), r.body)
        self.assertIn(b"\x08\x02", r.body[:6])
        found = self.s.get("/jaeger/api/traces/" + trace.hex()).json["data"][0]["spans"]
        self.assertEqual(sorted(x["operationName"] for x in found), ["good", "good too"])

        ns = str(time.time_ns())
        point = {"timeUnixNano": ns, "asInt": "5"}
        metrics = [{"name": "partial.kept", "gauge": {"dataPoints": [point]}},
                   {"name": "partial.delta", "sum": {"aggregationTemporality": 1, "isMonotonic": False, "dataPoints": [point, point]}}]
        r = self.s.post_json("/v1/metrics", {"resourceMetrics": [{"scopeMetrics": [{"metrics": metrics}]}]})
        self.assertEqual(r.status, 200)
        self.assertEqual(int(r.json["partialSuccess"]["rejectedDataPoints"]), 2)
        self.assertIn("partial.delta", r.json["partialSuccess"]["errorMessage"])
        self.assertEqual(self.s.query("partial_kept")[0]["value"][1], "5")

    def test_an_endless_line_is_cut_and_the_others_stay(self):
        t = time.time_ns()
        r = self.s.post_json("/loki/api/v1/push", push([(t, "before"), (t + 1, "needle" + "x" * (3 * MIB)), (t + 2, "after")], app="endless"))
        self.assertEqual(r.status, 204, r.text)
        lines = sorted((v for x in self.s.logs('{app="endless"}') for v in x["values"]), key=lambda v: int(v[0]))
        self.assertEqual([lines[0][1], lines[2][1]], ["before", "after"])
        self.assertTrue(lines[1][1].startswith("needlexxx"))
        self.assertLessEqual(len(lines[1][1]), MIB + 200)

    def test_a_broken_loki_push_is_400_with_a_sentence(self):
        for body in (b"{", b'{"streams": 5}', b'{"streams": [{"stream": {"a": "b"}, "values": [["x", "line"]]}]}', b"[]",
                     b'{"streams": [{"stream": {"": "b"}, "values": [["1", "line"]]}]}', b"\xff\xfe\xfd"):
            r = self.s.post("/loki/api/v1/push", body, JSON)
            self.assertEqual(r.status, 400, f"{body} {r.text}")
            self.assertGreater(len(r.text), 15)

    def test_a_tenant_of_odd_characters_is_refused_by_name(self):
        for name in ("a/b", "a b", "x" * 65, "a\u00e9".encode().decode("latin-1"), "../up"):
            for r in (self.s.post("/api/v1/write", write_request([({"__name__": "t"}, [(now_ms(), 1)])]), dict(WRITE_HEADERS, **{"X-Scope-OrgID": name})),
                      self.s.get("/api/v1/query", {"query": "1"}, headers={"X-Scope-OrgID": name}),
                      self.s.get("/loki/api/v1/query", {"query": '{a="b"}'}, headers={"X-Scope-OrgID": name})):
                self.assertEqual(r.status, 400, name)
                self.assertIn("X-Scope-OrgID", r.text)
                self.assertIn("64", r.text)


class QueryTest(Shared):
    def bad(self, path, expect, status=400, **params):
        r = self.s.get(path, params)
        self.assertEqual(r.status, status, f"{params} {r.text}")
        self.assertIn(expect, r.text)
        return r

    def test_a_bad_expression_is_told_with_its_place(self):
        r = self.bad("/api/v1/query", "parse error", query="sum(up))")
        self.assertEqual((r.json["status"], r.json["errorType"]), ("error", "bad_data"))
        self.assertIn("1:8", r.json["error"])
        self.bad("/api/v1/query", "nosuchfunction", query="nosuchfunction(up)")
        self.bad("/api/v1/query", "parse error", query="")
        self.bad("/loki/api/v1/query_range", "parse error", query='{app="x"} |= ')
        self.bad("/loki/api/v1/query_range", "at least one", query="{}")

    def test_a_bad_regex_is_told(self):
        self.bad("/api/v1/query", "(unclosed", query='up{job=~"(unclosed"}')
        self.bad("/loki/api/v1/query_range", "(unclosed", query='{app=~"(unclosed"}')
        self.bad("/loki/api/v1/query_range", "(unclosed", query='{app="x"} |~ "(unclosed"')
        self.seed()
        r = self.s.get("/api/v1/query", {"query": 'label_replace(up, "a", "$1", "b", "(unclosed")'})
        self.assertIn(r.status, (400, 422), r.text)
        self.assertIn("(unclosed", r.text)

    def seed(self):
        self.s.post("/api/v1/write", write_request([({"__name__": "up", "b": "x"}, [(now_ms(), 1)])]), WRITE_HEADERS)

    def test_a_query_over_its_limits_names_them(self):
        self.bad("/api/v1/query_range", "11000", query="up", start=0, end=100000, step=1)
        self.bad("/loki/api/v1/query_range", "11,000", query='count_over_time({a="b"}[1m])', start=0, end=100000, step=1)
        r = self.s.post("/api/v1/query", b"query=" + b"1%2B" * 40000 + b"1", {"Content-Type": "application/x-www-form-urlencoded"})
        self.assertIn(r.status, (400, 422))
        self.assertIn("65536", r.text)
        r = self.s.post("/api/v1/query", b"query=" + b"(" * 1000 + b"1" + b")" * 1000, {"Content-Type": "application/x-www-form-urlencoded"})
        self.assertIn(r.status, (400, 422))
        self.assertIn("256", r.text)
        self.bad("/loki/api/v1/query_range", "50000", query='{a="b"}', limit=50001)
        # Times so far apart that their difference is beyond 64 bits.
        far = dict(start=-9200000000, end=9200000000)
        self.bad("/api/v1/query_range", "11000", query="1", step="1s", **far)
        self.bad("/loki/api/v1/query_range", "11,000", query='count_over_time({a="b"}[1m])', step="1s", **far)
        self.bad("/api/stoa/v1/services", "steps", start=0, end=9200000000, step="1s")
        self.bad("/api/stoa/v1/services", "1970", step="1s", **far)
        for path in ("/loki/api/v1/labels", "/jaeger/api/traces"):
            self.assertEqual(self.s.get(path, {"end": "-9223372036854775808"}).status, 200, path)

    def test_bad_parameters_are_told_by_name(self):
        self.bad("/api/v1/query_range", 'invalid parameter \\"start\\"', query="up", start="x", end=1, step=1)
        self.bad("/api/v1/query_range", 'invalid parameter \\"end\\"', query="up", start=2, end=1, step=1)
        self.bad("/api/v1/query_range", 'invalid parameter \\"step\\"', query="up", start=1, end=2, step=0)
        self.bad("/api/v1/query", 'invalid parameter \\"time\\"', query="up", time="yesterday")
        self.bad("/loki/api/v1/query_range", "direction", query='{a="b"}', direction="sideways")
        self.bad("/jaeger/api/traces/xyz", "xyz")
        r = self.s.get("/jaeger/api/traces/" + "0" * 31 + "1")
        self.assertEqual(r.status, 404)
        self.assertEqual(r.json["errors"][0]["code"], 404)

    def test_a_form_and_a_query_string_ask_the_same(self):
        self.seed()
        form = self.s.post("/api/v1/query", b"query=up%7Bb%3D%22x%22%7D", {"Content-Type": "application/x-www-form-urlencoded"})
        self.assertEqual(form.json["data"]["result"][0]["metric"], {"__name__": "up", "b": "x"})
        self.assertEqual(self.s.query('up{b="x"}')[0]["metric"], {"__name__": "up", "b": "x"})
        self.assertEqual(self.s.get("/api/v1/query?query=%zz").status, 400)


def stoa(*args):
    return subprocess.run([harness.BINARY, *args], capture_output=True, text=True, timeout=COMMAND_SECONDS_MAX)


class CommandTest(Shared):
    def file(self, text, name="stoa.yml"):
        folder = tempfile.mkdtemp(prefix="stoa-config-")
        self.addCleanup(shutil.rmtree, folder)
        path = os.path.join(folder, name)
        with open(path, "w") as f:
            f.write(text)
        return path

    def test_check_config_names_line_and_suggestion(self):
        for text, line, found, suggestion in [
            ("listen: 127.0.0.1:0\nretension: 5d\n", 2, "retension", "retention"),
            ("host:\n  enabled: true\n  intervall: 5s\n", 3, "intervall", "interval"),
            ("global:\n  scrape_interval: 5s\nscrape_configs:\n- job_name: a\n  static_confgs: []\n", 5, "static_confgs", "static_configs"),
            ("scrape_configs:\n- job_name: a\n  relabel_configs:\n  - source_label: [x]\n", 4, "source_label", "source_labels"),
        ]:
            path = self.file(text)
            r = stoa("check", "config", path)
            self.assertEqual(r.returncode, 1, r.stdout)
            self.assertIn(f"{path}:{line}:", r.stderr)
            self.assertIn(f'"{found}"', r.stderr)
            self.assertIn(f'"{suggestion}"', r.stderr)

    def test_check_config_tells_wrong_values(self):
        for text, line, words in [
            ("retention: soon\n", 1, "soon"),
            ("retention: 5m\n", 1, "1h"),
            ("host: {enabled: perhaps}\n", 1, "perhaps"),
            ("logs:\n  line_max: 5\n", 2, "line_max"),
            ("scrape_configs:\n- job_name: a\n- job_name: a\n", None, "a"),
            ("a: [1\n", None, ":"),
            ("listen: x\nlisten: y\n", 2, "listen"),
        ]:
            path = self.file(text)
            r = stoa("check", "config", path)
            self.assertEqual(r.returncode, 1, f"{text!r} {r.stdout}")
            self.assertIn(path + (f":{line}:" if line else ""), r.stderr, text)
            self.assertIn(words, r.stderr)
        r = stoa("check", "config", "/nonexistent/stoa.yml")
        self.assertEqual(r.returncode, 1)
        self.assertIn("/nonexistent/stoa.yml", r.stderr)
        self.assertEqual(stoa("check").returncode, 2)

    def test_check_config_accepts_what_is_good_and_warns_of_what_is_not_served(self):
        path = self.file("global: {scrape_interval: 5s}\nrule_files: [a.yml]\nscrape_configs:\n- job_name: a\n  static_configs: [{targets: ['localhost:1']}]\n")
        r = stoa("check", "config", path)
        self.assertEqual(r.returncode, 0, r.stderr)
        self.assertIn("1 scrape job", r.stdout)
        self.assertIn("rule_files", r.stdout)

    def test_serve_does_not_start_on_a_bad_file(self):
        path = self.file("retension: 5d\n")
        r = stoa("serve", "--config", path, "--data", os.path.dirname(path) + "/data", "--listen", "127.0.0.1:0")
        self.assertNotEqual(r.returncode, 0)
        self.assertIn("retention", r.stderr)
        r = stoa("serve", "--no-such-flag")
        self.assertEqual(r.returncode, 2)
        self.assertIn("--no-such-flag", r.stderr)

    def test_query_prints_series_ranges_lines_and_errors(self):
        t = now_ms()
        self.s.post("/api/v1/write", write_request([({"__name__": "asked", "a": "b"}, [(t - 10000, 1), (t, 2.5)])]), WRITE_HEADERS)
        self.s.post_json("/loki/api/v1/push", push([(time.time_ns(), "a line to find")], app="asked"))
        r = stoa("query", "--url", self.s.url, "asked")
        self.assertEqual(r.returncode, 0, r.stderr)
        self.assertIn('asked{a="b"} 2.5', r.stdout)
        r = stoa("query", "--url", self.s.url, "--start", str((t - 10000) / 1000), "--end", str(t / 1000), "--step", "10", "asked")
        self.assertEqual(len(r.stdout.splitlines()), 2, r.stdout + r.stderr)
        r = stoa("query", "--url", self.s.url, "--json", "asked")
        self.assertEqual(json.loads(r.stdout)["data"]["result"][0]["metric"]["a"], "b")
        r = stoa("query", "--url", self.s.url, "--logs", '{app="asked"}')
        self.assertIn("a line to find", r.stdout, r.stderr)
        r = stoa("query", "--url", self.s.url, "1 + 1")
        self.assertIn("2", r.stdout, r.stderr)
        r = stoa("query", "--url", self.s.url, "sum((")
        self.assertEqual(r.returncode, 1)
        self.assertIn("parse error", r.stderr)
        r = stoa("query", "--url", "http://127.0.0.1:1", "up")
        self.assertEqual(r.returncode, 1)
        self.assertIn("127.0.0.1", r.stderr)
        self.assertEqual(stoa("query").returncode, 2)

    def test_help_and_version(self):
        self.assertIn("stoa serve", stoa("--help").stdout)
        self.assertRegex(stoa("version").stdout, r"^stoa \d+\.\d+\.\d+")
        r = stoa("fly")
        self.assertEqual(r.returncode, 2)
        self.assertIn("fly", r.stderr)


def scrape_of(job):
    return f"scrape_configs:\n- job_name: {job}\n  static_configs: [{{targets: ['127.0.0.1:1']}}]\n"


class ReloadTest(harness.Case):
    def jobs(self, s):
        return sorted({t["labels"]["job"] for t in s.get("/api/v1/targets").json["data"]["activeTargets"]})

    def write(self, s, text):
        with open(os.path.join(s.data, "test.yml"), "w") as f:
            f.write(text)

    def test_a_bad_file_keeps_the_old_configuration_and_a_good_one_takes_over(self):
        s = self.server(config=scrape_of("first"))
        self.eventually(lambda: self.jobs(s) == ["first"], what="the first job")
        self.write(s, scrape_of("second").replace("job_name", "job_nane"))
        s.process.send_signal(signal.SIGHUP)
        self.eventually(lambda: any("reload failed" in line for line in s.log), what="the log line")
        self.assertTrue(any("job_nane" in line for line in s.log), "".join(s.log))
        r = s.post("/-/reload")
        self.assertGreaterEqual(r.status, 400)
        self.assertIn("job_nane", r.text)
        self.assertIn("job_name", r.text)
        self.assertEqual(self.jobs(s), ["first"])
        self.write(s, scrape_of("second"))
        s.process.send_signal(signal.SIGHUP)
        self.eventually(lambda: self.jobs(s) == ["second"], what="the second job")
        self.write(s, scrape_of("third"))
        self.assertEqual(s.post("/-/reload").status, 200)
        self.eventually(lambda: self.jobs(s) == ["third"], what="the third job")
        self.assertIn("third", s.get("/api/v1/status/config").json["data"]["yaml"])
        self.write(s, "scrape_configs: [{job_name: fourth, basic_auth: {username: u, password: 'hush hush'}}]\n")
        r = s.post("/-/reload")
        self.assertEqual(r.status, 200, r.text)
        shown = s.get("/api/v1/status/config").json["data"]["yaml"]
        self.assertIn("password: <secret>", shown)
        self.assertNotIn("hush", shown)

    def test_dialects_have_ports_of_their_own(self):
        ports = {}
        with contextlib.ExitStack() as stack:
            for dialect in ("prometheus", "loki", "jaeger_query", "otlp_http"):
                c = stack.enter_context(socket.socket())
                c.bind(("127.0.0.1", 0))
                ports[dialect] = c.getsockname()[1]
        s = self.server(config="listeners:\n" + "".join(f"- {{dialect: {d}, address: '127.0.0.1:{p}'}}\n" for d, p in ports.items()))
        trace = b"\x21" * 16
        s.post("/v1/traces", trace_request([span("op", trace)], "ported"))

        def at(dialect, path, **kw):
            c = http.client.HTTPConnection("127.0.0.1", ports[dialect], timeout=RECV_SECONDS_MAX)
            self.addCleanup(c.close)
            c.request("GET", path, **kw)
            r = c.getresponse()
            return r.status, r.read().decode()
        self.assertEqual(at("prometheus", "/api/v1/query?query=1")[0], 200)
        self.assertEqual(at("loki", "/loki/api/v1/labels")[0], 200)
        status, text = at("jaeger_query", "/api/traces/" + trace.hex())
        self.assertEqual(status, 200, text)
        self.assertIn("ported", text)


class OpenApi(harness.Case):
    def test_each_row_of_the_route_table_stands_in_the_document(self):
        doc = self.server().get("/api/stoa/v1/openapi.json").json
        self.assertEqual(doc["openapi"], "3.0.3")
        table = (harness.ROOT / "src/api/routes.c").read_text()
        rows = [(p, m, path) for p, m, path in re.findall(r'ROW\((\w+), [^,]+, ([A-Z| ]+), "([^"]+)"', table)]
        rows += [(p, m, "/api/stoa/v1/" + path) for p, m, path in re.findall(r'OWN\("[^"]+", (\w+), [^,]+, ([A-Z| ]+),\s+"([^"]+)"', table)]
        self.assertEqual(len(rows), len(re.findall(r"^    (?:ROW|OWN)\(", table, re.M)))
        self.assertGreater(len(rows), 120)
        for permission, methods, path in rows:
            if "VISIT" in methods:
                continue
            got = doc["paths"][path.replace("...}", "}")]
            for method in methods.split(" | "):
                if method != "SERVER":
                    one = got[method.lower()]
                    self.assertEqual(one["x-stoa-permission"], permission.lower(), path)
                    self.assertEqual("x-stoa-of-server" in one, "SERVER" in methods, path)
                    self.assertEqual([p["name"] for p in one["parameters"]], re.findall(r"{(\w+)(?:\.\.\.)?}", path), path)
                    self.assertTrue(one["summary"] and one["tags"][0], path)
        own = [op for path, ops in doc["paths"].items() if path.startswith("/api/stoa/v1/") for op in ops.values()]
        self.assertTrue(all(op["summary"] != op["tags"][0] for op in own))


if __name__ == "__main__":
    harness.main()
