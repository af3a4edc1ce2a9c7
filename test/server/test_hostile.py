# SPDX-License-Identifier: Apache-2.0
"""What a sloppy or hostile client asks of the APIs of logs and traces: times at the ends of 64 bits, ids that are all alike, answers without end."""
import json
import os
import socket
import threading
import time
import urllib.parse

import harness

S = 10**9
FIRST, LAST = str(-2**63), str(2**63 - 1)


def span(trace, number, parent=0, at_ns=None, **more):
    at_ns = at_ns or time.time_ns()
    return dict({"traceId": f"{trace:032x}", "spanId": f"{number:016x}", "parentSpanId": f"{parent:016x}" if parent else "", "name": "op", "kind": 3,
                 "startTimeUnixNano": str(at_ns), "endTimeUnixNano": str(at_ns + 10**6)}, **more)


def body_of(service, spans):
    attributes = [{"key": "service.name", "value": {"stringValue": service}}]
    return {"resourceSpans": [{"resource": {"attributes": attributes}, "scopeSpans": [{"spans": spans}]}]}


class Times(harness.Case):
    def test_all_of_time_is_asked_for(self):
        s = self.server()
        now = time.time_ns()
        values = [[str(now - i * S), f"line {i} status=500"] for i in range(5)]
        self.assertEqual(s.post_json("/loki/api/v1/push", {"streams": [{"stream": {"service_name": "shop"}, "values": values}]}).status, 204)
        failed = {"status": {"code": 2}, "attributes": [{"key": "db.system", "value": {"stringValue": "mysql"}}]}
        self.assertEqual(s.post_json("/v1/traces", body_of("shop", [span(1, 1, **failed), span(1, 2, 1)])).status, 200)
        for _ in range(2):
            for start, end in ((FIRST, LAST), (FIRST, str(now + S)), ("0", LAST), (FIRST, str(2 - 2**63)), (LAST, LAST)):
                window = {"start": start, "end": end}
                has_all = int(start) <= 0 and int(end) > now
                for path in ("calls", "error_groups", "service_map", "deploys", "volume", "log_kinds", "patterns?step=1h", "rum", "services"):
                    r = s.get("/api/stoa/v1/" + path.split("?")[0], dict(window, step="1h") if "?" in path else window)
                    self.assertIn(r.status, (200, 400), f"{path} {start} {end}: {r.text}")
                    if path == "calls" and has_all:
                        call = [c for c in r.json["data"]["calls"] if c["system"] == "mysql"][0]
                        self.assertEqual(call["count"], 1)
                        self.assertGreater(call["per_second"], 0)
                r = s.get("/api/stoa/v1/services/shop", dict(window, step="2562047h"))
                self.assertIn(r.status, (200, 400, 404), f"{start} {end}: {r.text}")
                for path in ("metrics/query", "metrics/query_range", "search"):
                    r = s.get("/tempo/api/" + path, dict(window, q="{} | count_over_time()" if "metrics" in path else "{}"))
                    self.assertIn(r.status, (200, 400), f"{path} {start} {end}: {r.text}")
                    if path == "metrics/query" and has_all:
                        self.assertEqual([one["value"] for one in r.json["series"]], [2], r.text)
                for path in ("query_range", "index/volume_range", "index/stats", "index/volume", "patterns", "detected_fields"):
                    r = s.get("/loki/api/v1/" + path, dict(window, query='{service_name="shop"}'))
                    self.assertIn(r.status, (200, 400), f"{path} {start} {end}: {r.text}")
                    if path == "index/stats" and has_all:
                        self.assertEqual(r.json["entries"], 5)
                    if path == "index/volume_range" and has_all:
                        self.assertEqual(len(r.json["data"]["result"][0]["values"]), 1)
            s.post("/api/stoa/v1/flush")


class Ids(harness.Case):
    def test_ids_that_are_all_alike_cost_no_more_than_others(self):
        s = self.server()
        now, each, posts = time.time_ns(), 5000, 12
        for i in range(posts):
            for service, kind in (("web", 3), ("shop", 2)):
                spans = [span(7, 2, 3, now - k * 1000, kind=kind) for k in range(i * each, (i + 1) * each)]
                self.assertEqual(s.post_json("/v1/traces", body_of(service, spans)).status, 200)
        begun = time.monotonic()
        links = s.get("/jaeger/api/dependencies").json["data"]
        self.assertEqual(links, [{"parent": "web", "child": "shop", "callCount": each * posts}])
        self.assertLess(time.monotonic() - begun, 4)  # it was 8 when each was compared with all


class Attributes(harness.Case):
    def test_one_name_at_the_span_and_at_its_resource_is_found_by_either_value(self):
        s = self.server()
        own = [{"key": "zone", "value": {"stringValue": "span's"}}]
        body = body_of("shop", [span(1, 1, attributes=own), span(2, 2)])
        body["resourceSpans"][0]["resource"]["attributes"].append({"key": "zone", "value": {"stringValue": "host's"}})
        self.assertEqual(s.post_json("/v1/traces", body).status, 200)
        for _ in range(2):
            for value, want in (("span's", {1}), ("host's", {1, 2}), ("", set())):
                found = s.get("/jaeger/api/traces", {"service": "shop", "tags": json.dumps({"zone": value})}).json["data"]
                self.assertEqual({int(t["traceID"], 16) for t in found}, want, value)
                found = s.get("/jaeger/api/traces", {"service": "shop", "tags": json.dumps({"nobody's": value})}).json["data"]
                self.assertEqual(found, [])
                found = s.get("/zipkin/api/v2/traces", {"annotationQuery": f"zone={value}"}).json
                self.assertEqual({int(t[0]["traceId"], 16) for t in found}, want, value)
            for value, want in (("SPAN", {1}), ("HOST", {1, 2}), ("'s", {1, 2})):
                found = s.get("/tempo/api/search", {"tags": f'zone="{value}"'}).json["traces"]
                self.assertEqual({int(t["traceID"], 16) for t in found}, want, value)
            s.post("/api/stoa/v1/flush")


class Readers(harness.Case):
    def test_exports_that_nobody_reads_leave_room_for_queries(self):
        s = self.server()
        now = time.time_ns()
        for i in range(12):
            values = [[str(now - (i * 2000 + k) * 1000), f"{i} {k} " + "x" * 1000] for k in range(2000)]
            self.assertEqual(s.post_json("/loki/api/v1/push", {"streams": [{"stream": {"service_name": "shop"}, "values": values}]}).status, 204)
        query = urllib.parse.urlencode({"query": '{service_name="shop"}', "start": now - S})
        for _ in range(2 * (os.cpu_count() or 1) + 4):
            c = socket.socket()
            self.addCleanup(c.close)
            c.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            c.connect(("127.0.0.1", s.port))
            c.sendall(f"GET /api/stoa/v1/logs/export?{query} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        time.sleep(1)
        self.assertEqual(s.get("/loki/api/v1/labels", timeout=15).status, 200)
        r = s.request("GET", f"/api/stoa/v1/logs/export?{query}", timeout=15)
        self.assertEqual((r.status, r.headers["Retry-After"]), (503, "5"), r.text[:200])
        self.assertIn("exports are running, which is the limit", r.text)

    def test_queries_that_hold_all_workers_can_be_seen_and_ended(self):
        s = self.server()
        now, over = time.time_ns(), []
        for i in range(10):
            values = [[str(now - (i * 2000 + k) * 1000), f"{i} {k}"] for k in range(2000)]
            self.assertEqual(s.post_json("/loki/api/v1/push", {"streams": [{"stream": {"service_name": "shop"}, "values": values}]}).status, 204)
        long = 'sum(count_over_time({service_name="shop"} | line_format "{{ range 8000 }}{{ range 10 }}{{ end }}{{ end }}" [1h]))'

        def ask():
            over.append(s.get("/loki/api/v1/query", {"query": long}, timeout=120).status)

        threads = [threading.Thread(target=ask) for _ in range(2 * (os.cpu_count() or 1) + 4)]
        for t in threads:
            t.start()
        time.sleep(0.5)
        self.assertEqual(s.get("/metrics", timeout=10).status, 200)
        begun = time.monotonic()
        while len(over) < len(threads) and time.monotonic() - begun < 30:
            for q in s.get("/api/stoa/v1/queries", timeout=10).json["data"]["running"]:
                s.request("DELETE", f"/api/stoa/v1/queries/{q['id']}", timeout=10)
            time.sleep(0.05)
        for t in threads:
            t.join()
        self.assertEqual(len(over), len(threads))
        self.assertNotIn(200, over)


if __name__ == "__main__":
    harness.main()
