#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""W3C's trace context where it reaches us: in headers of requests, and in fields of log records."""
import http.client
import json
import os
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
CONTEXT = f"00-{TRACE}-{PARENT}-01"
CONFIG = "host:\n  enabled: false\nlogs:\n  journal: false\n  files: []\nglobal:\n  query_log_file: %s\n"


class Headers(harness.Case):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="stoa-context-")
        self.path = os.path.join(self.folder, "queries.log")
        self.s = self.server(config=CONFIG % self.path, quiet=False)

    def query(self, text, *headers):
        """A query's line in the query log, and the span of its request."""
        c = http.client.HTTPConnection("127.0.0.1", self.s.port, timeout=60)
        c.putrequest("GET", "/api/v1/query?query=" + text)
        for name, value in headers:
            c.putheader(name, value)
        c.endheaders()
        self.assertEqual(c.getresponse().status, 200)
        c.close()

        def line():
            with open(self.path) as f:
                return next((x for x in map(json.loads, f) if x["params"]["query"] == text), None)

        def span():
            r = self.s.get("/jaeger/api/v3/traces/" + row["traceID"])
            spans = [s for x in r.json["result"]["resourceSpans"] for c in x["scopeSpans"] for s in c["spans"]] if r.status == 200 else []
            return next((s for s in spans if s["spanId"] == row["spanID"]), None)
        row = self.eventually(line, what="the line of the query log")
        return row, self.eventually(span, what="the span of the request")

    def test_the_trace_of_the_caller_goes_on(self):
        row, span = self.query("vector(1)", ("TraceParent", CONTEXT), ("tracestate", "a=1, b=2"), ("Tracestate", "b=3,c@x=4"))
        self.assertEqual((row["traceID"], span["parentSpanId"], span["traceState"]), (TRACE, PARENT, "a=1,b=2,c@x=4"))
        slowest = self.s.get("/api/stoa/v1/queries").json["data"]["slowest"]
        self.assertIn((TRACE, span["spanId"]), [(q["traceID"], q["spanID"]) for q in slowest])

    def test_a_state_that_is_not_allowed_is_dropped_alone(self):
        row, span = self.query("vector(2)", ("traceparent", CONTEXT), ("tracestate", "a=1,B=2"))
        self.assertEqual((row["traceID"], span["parentSpanId"], span.get("traceState")), (TRACE, PARENT, None))

    def test_what_is_no_trace_parent_begins_a_trace(self):
        for i, headers in enumerate([[], [CONTEXT.upper()], ["ff" + CONTEXT[2:]], [CONTEXT + "-x"], [CONTEXT, CONTEXT], [CONTEXT, ""], [f"00-{TRACE}-{'0' * 16}-01"]]):
            row, span = self.query(f"vector({10 + i})", *[("traceparent", h) for h in headers], ("tracestate", "a=1"))
            self.assertNotEqual(row["traceID"], TRACE, headers)
            self.assertNotIn("parentSpanId", span, headers)
            self.assertNotIn("traceState", span, headers)


class Logs(harness.Case):
    def found(self, s, service):
        """The ids of the only record of a service, as they stand in Loki's answer."""
        stream, = s.logs(f'{{service_name="{service}"}}')
        self.assertEqual(len(stream["values"]), 1)
        return stream["stream"].get("trace_id"), stream["stream"].get("span_id")

    def test_a_record_with_a_traceparent_is_of_that_trace(self):
        s = self.server()
        now = time.time_ns()
        body = {"streams": [{"stream": {"service_name": "loki"}, "values": [[str(now), "a line", {"traceparent": CONTEXT}]]}]}
        self.assertEqual(s.post_json("/loki/api/v1/push", body).status, 204)
        line = json.dumps({"msg": "as JSON", "traceparent": CONTEXT}).encode()
        self.assertEqual(s.post("/api/stoa/v1/logs?service_name=lines", line, {"Content-Type": "text/plain"}).status, 200)
        self.assertEqual(s.post("/api/stoa/v1/logs?service_name=logfmt", f"level=info msg=x traceparent={CONTEXT}".encode(), {"Content-Type": "text/plain"}).status, 200)
        record = {"timeUnixNano": str(now), "body": {"stringValue": "x"}, "attributes": [{"key": "traceparent", "value": {"stringValue": CONTEXT}}]}
        resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "otlp"}}]}
        self.assertEqual(s.post_json("/v1/logs", {"resourceLogs": [{"resource": resource, "scopeLogs": [{"logRecords": [record]}]}]}).status, 200)
        for service in ("loki", "lines", "logfmt", "otlp"):
            r = s.get("/api/stoa/v1/correlate", {"trace_id": TRACE})
            with self.subTest(service):
                self.assertEqual(self.found(s, service), (TRACE, PARENT), r.text)

    def test_one_that_says_its_trace_keeps_it(self):
        s = self.server()
        other = "1" * 32
        body = {"streams": [{"stream": {"service_name": "both"}, "values": [[str(time.time_ns()), "a line", {"traceparent": CONTEXT, "trace_id": other}]]},
                            {"stream": {"service_name": "bad"}, "values": [[str(time.time_ns()), "a line", {"traceparent": CONTEXT[:-1]}]]}]}
        self.assertEqual(s.post_json("/loki/api/v1/push", body).status, 204)
        self.assertEqual(self.found(s, "both"), (other, None))
        self.assertEqual(self.found(s, "bad"), (None, None))


if __name__ == "__main__":
    harness.main()
