# SPDX-License-Identifier: Apache-2.0
"""The article's correlation IDs: its Flask middleware as it stands, scraped and followed. One X-Correlation-ID gives the request's
lines, its trace and its exemplars; and the snippet's correlation_id label makes no series a request."""
import json
import os
import tempfile
import time
import urllib.request

import article
import harness
from article import indent, snippet

CUT = "# Use correlation ID in logs"

# What the article leaves out: the app, the logger (python-json-logger to a file), the counter, a route and a port.
BEFORE = """
import logging, sys, threading, time
from flask import Flask
from prometheus_client import Counter, make_wsgi_app
from pythonjsonlogger import jsonlogger
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.serving import make_server
app = Flask("shop")
logger = logging.getLogger("shop")
logger.setLevel(logging.INFO)
handler = logging.FileHandler(sys.argv[1])
handler.setFormatter(jsonlogger.JsonFormatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
logger.addHandler(handler)
request_count = Counter("http_requests_total", "Requests.", ["method", "endpoint", "correlation_id"])
user_id = 4711
"""
AFTER = """
app.wsgi_app = DispatcherMiddleware(app.wsgi_app, {"/metrics": make_wsgi_app()})
server = make_server("127.0.0.1", 0, app, threaded=True)
print(server.server_port, flush=True)
server.serve_forever()
"""


def program():
    head, body = snippet("correlation.py").split(CUT)
    routes = "".join(f'@app.route("/{name}", methods=["GET", "POST"])\ndef {name}():\n{indent(CUT + body)}\n    return "done"\n\n' for name in ("checkout", "basket"))
    return BEFORE + head + routes + AFTER


class Correlation(harness.Case):
    def app(self, *args):
        process = article.start(program(), *args)
        def end():
            process.terminate()
            process.wait()
            process.stdout.close()
            process.stderr.close()
        self.addCleanup(end)
        port = process.stdout.readline().strip()
        self.assertTrue(port, "the application did not start")
        return int(port)

    def call(self, port, path, id=None, method="GET"):
        r = urllib.request.Request(f"http://127.0.0.1:{port}{path}", method=method, headers={"X-Correlation-ID": id} if id else {})
        with urllib.request.urlopen(r, timeout=20) as answer:
            return answer.headers["X-Correlation-ID"]

    def start(self, config=""):
        path = os.path.join(tempfile.mkdtemp(prefix="stoa-article-"), "shop.log")
        open(path, "w").close()
        port = self.app(path)
        s = self.server(quiet=False, config=f"host: {{enabled: false}}\nself: {{enabled: false}}\nlogs:\n  journal: false\n  files: ['{path}']\n"
                        f"scrape_configs:\n- job_name: shop\n  scrape_interval: 1s\n  scrape_timeout: 1s\n  metrics_path: /metrics/\n  static_configs: [{{targets: ['127.0.0.1:{port}']}}]\n{config}")
        return s, port

    def correlate(self, s, id):
        r = s.get("/api/stoa/v1/correlate", {"id": id})
        self.assertEqual(r.status, 200, r.text)
        return r.json

    def test_one_id_gives_lines_trace_and_exemplars_and_series_do_not_multiply(self):
        s, port = self.start()
        mine = "8a6e0804-2bd0-4672-b79d-d97027f9071a"
        self.assertEqual(self.call(port, "/checkout", mine), mine)
        others = [self.call(port, "/basket" if i % 2 else "/checkout") for i in range(39)]
        self.call(port, "/checkout", method="POST")
        self.assertEqual(len(set(others)), 39)
        # 41 requests with 41 ids are three series: one a method and endpoint, with the right sums.
        def sums():
            got = {(x["metric"]["method"], x["metric"]["endpoint"]): float(x["value"][1]) for x in s.query("http_requests_total")}
            return got if sum(got.values()) == 41 else None
        self.assertEqual(self.eventually(sums, what="all requests counted"),
                         {("GET", "/checkout"): 21, ("GET", "/basket"): 19, ("POST", "/checkout"): 1})
        series = s.get("/api/v1/series", {"match[]": "http_requests_total"}).json["data"]
        self.assertEqual(len(series), 3)
        self.assertFalse([x for x in series if "correlation_id" in x])
        # One more, and the rate sees one more.
        self.call(port, "/checkout", mine)
        self.eventually(lambda: s.query('sum(http_requests_total)')[0]["value"][1] == "42", what="the 42nd request")
        self.assertEqual(len(s.get("/api/v1/series", {"match[]": "http_requests_total"}).json["data"]), 3)
        # The ids are exemplars, at the time of the request and not of the scrape.
        rows = s.get("/api/v1/query_exemplars", {"query": "rate(http_requests_total[1m])", "start": time.time() - 600, "end": time.time() + 1}).json["data"]
        ids = {e["labels"]["correlation_id"] for row in rows for e in row["exemplars"]}
        self.assertLessEqual(set(others) | {mine}, ids)
        report = [r for r in s.get("/api/stoa/v1/correlation").json["folded"] if r["metric"] == "http_requests_total"]
        self.assertEqual([(r["job"], r["label"], r["series"], r["into"]) for r in report], [("shop", "correlation_id", 41, 3)])
        # A span that carries the id as an attribute, as an instrumented service behind this one would send.
        trace = "4bf92f3577b34da6a3ce929d0e0e4736"
        now = time.time_ns()
        span = {"traceId": trace, "spanId": "00f067aa0ba902b7", "name": "POST /pay", "kind": 2, "startTimeUnixNano": str(now - 10**7), "endTimeUnixNano": str(now),
                "attributes": [{"key": "correlation_id", "value": {"stringValue": mine}}]}
        resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "payment"}}]}
        self.assertEqual(s.post_json("/v1/traces", {"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": [span]}]}]}).status, 200)
        def whole():
            found = self.correlate(s, mine)
            return found if len(found["logs"]) == 2 and found["traces"] and found["exemplars"] else None
        found = self.eventually(whole, what="lines, trace and exemplars of one id")
        for line in found["logs"]:
            body = json.loads(line["body"])
            self.assertEqual((body["message"], body["correlation_id"], body["endpoint"], body["user_id"]), ("Processing request", mine, "/checkout", 4711))
        self.assertEqual([(t["trace_id"], t["service"], t["name"]) for t in found["traces"]], [(trace, "payment", "POST /pay")])
        self.assertEqual({(e["series"]["endpoint"], e["labels"]["correlation_id"]) for e in found["exemplars"]}, {("/checkout", mine)})
        self.assertFalse(found["partial"], found["notes"])
        # Without dashes it is the same id; the trace leads back to it; another request's lines are its own.
        self.assertEqual(len(self.correlate(s, mine.replace("-", ""))["logs"]), 2)
        self.assertEqual(len(self.correlate(s, trace)["traces"]), 1)
        other = self.correlate(s, others[0])
        self.assertEqual((len(other["logs"]), other["traces"], len(other["exemplars"])), (1, [], 1))

    def test_the_switch_leaves_the_snippets_series_as_they_are(self):
        s, port = self.start("correlation: {fold: false}\n")
        ids = {self.call(port, "/checkout") for _ in range(5)}
        def series():
            got = s.query("http_requests_total")
            return got if len(got) == 5 else None
        got = self.eventually(series, what="a series a request")
        self.assertEqual({x["metric"]["correlation_id"] for x in got}, ids)


if __name__ == "__main__":
    harness.main()
