# SPDX-License-Identifier: Apache-2.0
"""What is said to work of other systems is tried, row by row, from the table that the API gives; and the manual's page says the same."""
import json
import os
import socket
import struct
import subprocess
import tempfile
import threading
import time
import http.server

import harness
import prom_wire
import test_native as native

PROMTOOL = harness.ROOT / "build" / "peers" / "prometheus" / "usr" / "bin" / "promtool"
PAGE = harness.ROOT / "docs" / "manual" / "coming-from.md"
# The article's list.
NAMES = ["Prometheus", "Grafana", "Datadog", "New Relic", "CloudWatch", "ELK Stack", "Splunk", "Loki", "Papertrail", "CloudWatch Logs", "Jaeger", "Zipkin",
         "Datadog APM", "AWS X-Ray"]


def resource(service):
    return {"attributes": [{"key": "service.name", "value": {"stringValue": service}}]}


class Tools(harness.Case):
    def table(self, s):
        return s.get("/api/stoa/v1/tools").json["tools"]

    # One function a check: sends as that system's clients do, and finds it again.

    def check_get(self, s, path):
        r = s.get(path)
        self.assertEqual(r.status, 200, r.text)
        r.json

    def check_remote_write(self, s):
        r = s.post("/api/v1/write", harness.write_request([({"__name__": "sent", "job": "j"}, [(int(time.time() * 1000), 42.0)])]), harness.WRITE_HEADERS)
        self.assertEqual(r.status, 204)
        self.assertEqual(s.query("sent")[0]["value"][1], "42")

    def check_scrape(self, s):
        class Page(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.end_headers()
                self.wfile.write(b"# TYPE scraped gauge\nscraped 5\n")

            def log_message(self, *args):
                pass
        target = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
        self.addCleanup(target.server_close)
        self.addCleanup(target.shutdown)
        threading.Thread(target=target.serve_forever, args=(0.05,), daemon=True).start()
        config = f"scrape_configs:\n  - job_name: j\n    scrape_interval: 1s\n    static_configs:\n      - targets: ['127.0.0.1:{target.server_port}']\n"
        other = self.server(config=config)
        self.assertEqual(self.eventually(lambda: other.query("scraped"), what="the scraped sample")[0]["value"][1], "5")

    def check_rules(self, s):
        folder = tempfile.mkdtemp(prefix="stoa-tools-")
        with open(os.path.join(folder, "rules.yml"), "w") as f:
            f.write("groups:\n  - name: g\n    interval: 1s\n    rules:\n      - {record: 'doubled', expr: 'vector(21) * 2'}\n      - {alert: A, expr: 'vector(1)'}\n")
        other = self.server(config=f"rule_files: ['{folder}/*.yml']\n")
        self.assertEqual(self.eventually(lambda: other.query("doubled"), what="the recording rule")[0]["value"][1], "42")
        self.eventually(lambda: other.get("/api/v1/alerts").json["data"]["alerts"], what="the alert")

    def check_statsd(self, s):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        config = f"listeners:\n  - dialect: dogstatsd\n    address: 127.0.0.1:{port}\nstatsd:\n  flush_interval: 200ms\n"
        other = self.server(config=config)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as c:
            c.sendto(b"orders:3|c|#shop:eu\n_e{6,3}:Deploy|out", ("127.0.0.1", port))
        self.assertEqual(self.eventually(lambda: other.query('orders{shop="eu"}'), what="what StatsD sent")[0]["value"][1], "3")
        self.eventually(lambda: other.logs('{source="dogstatsd_event"}'), what="the event")

    def check_syslog(self, s):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        other = self.server(config=f"listeners:\n  - dialect: syslog\n    address: 127.0.0.1:{port}\n")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as c:
            c.sendto(b"<14>1 - web-1 billing 77 - - by datagram", ("127.0.0.1", port))
        with socket.create_connection(("127.0.0.1", port)) as c:
            c.sendall(b"<14>1 - web-1 billing 77 - - by stream\n")
        self.eventually(lambda: sum(len(x["values"]) for x in other.logs('{service_name="billing",host="web-1"}')) == 2, what="both messages")

    def check_push(self, s):
        r = s.request("PUT", "/metrics/job/nightly/shop/north", body=b"# TYPE done gauge\ndone 3\n")
        self.assertIn(r.status, (200, 202), r.text)
        got = self.eventually(lambda: s.query('done{job="nightly",shop="north"}'), what="what was pushed")
        self.assertEqual(got[0]["value"][1], "3")

    def check_alerts(self, s):
        config = "route: {receiver: team}\nreceivers: [{name: team}]\n"
        other = self.server(config=config)
        r = other.post_json("/api/v2/alerts", [{"labels": {"alertname": "Sent", "severity": "critical"}, "annotations": {"summary": "by a Prometheus"}}])
        self.assertEqual(r.status, 200, r.text)
        got = self.eventually(lambda: other.get("/api/v2/alerts").json, what="the alert")
        self.assertEqual(got[0]["labels"]["alertname"], "Sent")

    def check_remote_read(self, s):
        now = int(time.time() * 1000)
        r = s.post("/api/v1/write", harness.write_request([({"__name__": "read_back"}, [(now, 4.5)])]), harness.WRITE_HEADERS)
        self.assertIn(r.status, (200, 204))
        r = s.post("/api/v1/read", prom_wire.read_request([(now - 1000, now, [(prom_wire.EQ, "__name__", "read_back")])]))
        self.assertEqual([(labels["__name__"], t) for labels, ((t, _),), _ in prom_wire.samples(r.body)[0]], [("read_back", now)])
        self.assertIn("4.5", s.get("/federate", {"match[]": "read_back"}).text)

    def check_native_histogram(self, s):
        now = int(time.time() * 1000)
        one = native.f_bytes(1, *[native.f_bytes(1, native.f_bytes(1, n), native.f_bytes(2, v)) for n, v in (("__name__", "native_seconds"), ("job", "j"))],
                             *[native.f_bytes(4, native.histogram(now - 60000 + t, [2 + i, 3 + i], 9.0 + i)) for i, t in enumerate((0, 30000, 60000))])
        r = s.post("/api/v1/write", native.snappy(one), harness.WRITE_HEADERS)
        self.assertIn(r.status, (200, 204), r.text)
        self.assertEqual(s.query("histogram_count(native_seconds)")[0]["value"][1], "9")
        self.assertTrue(s.query("histogram_quantile(0.9, rate(native_seconds[5m]))"))

    def check_import_prometheus(self, s):
        if not PROMTOOL.exists():
            subprocess.run([str(harness.ROOT / "tools" / "peers.sh"), "prometheus"], check=True, capture_output=True)
        with tempfile.TemporaryDirectory(prefix="stoa-tools-") as folder:
            end = int(time.time()) // 60 * 60
            text = os.path.join(folder, "in.txt")
            with open(text, "w") as f:
                f.write("".join(f"of_a_block {t - end} {t}\n" for t in range(end - 3 * 3600, end - 1800, 60)) + "# EOF\n")
            made = subprocess.run([str(PROMTOOL), "tsdb", "create-blocks-from", "openmetrics", text, folder + "/data"], capture_output=True, text=True)
            self.assertEqual(made.returncode, 0, made.stderr)
            r = subprocess.run([harness.BINARY, "import", "--url", s.url, "prometheus", folder + "/data"], capture_output=True, text=True)
            self.assertEqual(r.returncode, 0, r.stderr)
        self.assertEqual(len(s.query("of_a_block[4h]")[0]["values"]), 150)

    def check_board(self, s):
        board = {"uid": "mine", "title": "Mine", "schemaVersion": 39, "panels": [
            {"id": 1, "type": "timeseries", "title": "Up", "gridPos": {"x": 0, "y": 0, "w": 12, "h": 8},
             "targets": [{"refId": "A", "expr": "up", "datasource": {"type": "prometheus", "uid": "x"}}]}]}
        r = s.request("PUT", "/api/stoa/v1/boards/mine", body=json.dumps(board).encode(), headers={"Content-Type": "application/json"})
        self.assertEqual(r.status, 200, r.text)
        self.assertEqual(s.get("/api/stoa/v1/boards/mine").json["panels"], board["panels"])

    def check_loki_push(self, s):
        r = s.post_json("/loki/api/v1/push", {"streams": [{"stream": {"app": "pushed"}, "values": [[str(time.time_ns()), "a pushed line"]]}]})
        self.assertEqual(r.status, 204)
        self.assertEqual(s.logs('{app="pushed"}')[0]["values"][0][1], "a pushed line")

    def check_elastic_bulk(self, s):
        r = s.post("/elastic/_bulk", b'{"create":{"_index":"by-bulk"}}\n{"message":"a document","level":"info"}\n')
        self.assertEqual((r.status, r.json["errors"]), (200, False), r.text)
        self.assertEqual(s.logs('{source="by-bulk"}')[0]["values"][0][1], "a document")

    def check_splunk_hec(self, s):
        r = s.post("/services/collector/event", b'{"event":"an event","sourcetype":"by-hec"}', {"Authorization": "Splunk any"})
        self.assertEqual((r.status, r.json["code"]), (200, 0), r.text)
        self.assertEqual(s.logs('{service_name="by-hec"}')[0]["values"][0][1], "an event")

    def check_zipkin(self, s):
        for path in ("/zipkin/api/v2/spans", "/api/v2/spans"):
            r = s.post_json(path, [{"traceId": "a1", "id": "a2", "name": "op", "timestamp": time.time_ns() // 1000, "localEndpoint": {"serviceName": "by-zipkin"}}])
            self.assertEqual(r.status, 202, r.text)
        self.assertEqual(s.get("/zipkin/api/v2/trace/a1").json[0]["localEndpoint"], {"serviceName": "by-zipkin"})

    def check_zipkin_v1(self, s):
        now = time.time_ns() // 1000
        for path in ("/zipkin/api/v1/spans", "/api/v1/spans"):
            r = s.post_json(path, [{"traceId": "c1", "id": "c2", "name": "op", "annotations": [
                {"timestamp": now + i, "value": v, "endpoint": {"serviceName": "by-zipkin-1"}} for i, v in enumerate(("sr", "ss"))]}])
            self.assertEqual(r.status, 202, r.text)
        self.assertEqual(s.get("/zipkin/api/v2/trace/c1").json[0]["localEndpoint"], {"serviceName": "by-zipkin-1"})

    def check_jaeger_thrift(self, s):
        span = struct.pack(">bhqbhqbhi", 10, 1, 0xb1, 10, 3, 0xb2, 11, 5, 2) + b"op" + struct.pack(">bhq", 10, 8, time.time_ns() // 1000) + b"\0"
        body = struct.pack(">bhbhi", 12, 1, 11, 1, 9) + b"by-jaeger\0" + struct.pack(">bhbi", 15, 2, 12, 1) + span + b"\0"
        self.assertEqual(s.request("POST", "/jaeger/api/traces", body, {"Content-Type": "application/x-thrift"}).status, 202)
        self.assertEqual(s.get("/jaeger/api/traces/b1").json["data"][0]["processes"]["p1"]["serviceName"], "by-jaeger")

    def check_otlp_logs(self, s):
        for path in ("/v1/logs", "/otlp/v1/logs"):
            r = s.post_json(path, {"resourceLogs": [{"resource": resource("by-otlp"), "scopeLogs": [{"logRecords": [
                {"timeUnixNano": str(time.time_ns()), "body": {"stringValue": f"sent to {path}"}}]}]}]})
            self.assertEqual(r.status, 200, r.text)
            self.assertTrue(s.logs(f'{{service_name="by-otlp"}} |= "sent to {path}"'))

    def check_otlp_metrics(self, s):
        r = s.post_json("/v1/metrics", {"resourceMetrics": [{"resource": resource("by-otlp"), "scopeMetrics": [{"metrics": [
            {"name": "queue.length", "gauge": {"dataPoints": [{"timeUnixNano": str(time.time_ns()), "asDouble": 3}]}}]}]}]})
        self.assertEqual(r.status, 200, r.text)
        self.assertEqual(s.query('queue_length{job="by-otlp"}')[0]["value"][1], "3")

    def check_otlp_traces(self, s):
        now = time.time_ns()
        r = s.post_json("/v1/traces", {"resourceSpans": [{"resource": resource("by-otlp"), "scopeSpans": [{"spans": [
            {"traceId": "ab" * 16, "spanId": "cd" * 8, "name": "work", "kind": 2, "startTimeUnixNano": str(now - 10**9), "endTimeUnixNano": str(now)}]}]}]})
        self.assertEqual(r.status, 200, r.text)
        self.assertEqual(s.get("/jaeger/api/traces/" + "ab" * 16).json["data"][0]["spans"][0]["operationName"], "work")

    def check_log_file(self, s):
        folder = tempfile.mkdtemp(prefix="stoa-tools-")
        path = os.path.join(folder, "app.log")
        open(path, "w").close()
        other = self.server(quiet=False, config=f"host:\n  enabled: false\nself:\n  enabled: false\nlogs:\n  journal: false\n  files: ['{folder}/*.log']\n")
        with open(path, "w") as f:
            f.write("<165>Jan  5 10:30:45 web-1 billing[77]: invoice written\n" + json.dumps({"level": "error", "msg": "as JSON"}) + "\n")
        self.eventually(lambda: len([v for st in other.logs(f'{{filename="{path}"}}', start=1, end=time.time() + 60) for v in st["values"]]) == 2, what="both lines")

    def test_every_row_that_is_said_to_work_does(self):
        s = self.server()
        tools = self.table(s)
        self.assertEqual([t["name"] for t in tools], NAMES)
        for tool in tools:
            self.assertTrue(tool["works"] and tool["not_yet"], tool["name"])
            for row in tool["works"]:
                with self.subTest(tool=tool["name"], what=row["what"]):
                    check = row["check"]
                    if check.startswith("GET "):
                        self.check_get(s, check[4:])
                    else:
                        getattr(self, "check_" + check)(s)

    def test_configurations_hold_the_address_that_was_asked(self):
        s = self.server()
        rows = [row for tool in self.table(s) for row in tool["works"]]
        self.assertTrue(any(s.url in row["config"] for row in rows))
        self.assertFalse([row["config"] for row in rows if "$" in row["config"]])
        name, port = s.url.split("//")[1].split(":")
        for part in (f"targets: ['{name}:{port}']", f"    host {name}\n    port {port}\n"):
            self.assertTrue(any(part in row["config"] for row in rows), part)

    def test_the_snippet_for_a_dashboard_takes_a_file_as_grafana_exports_it(self):
        s = self.server()
        row, = [row for tool in self.table(s) for row in tool["works"] if "dashboard.json" in row["config"]]
        exported = {"__inputs": [{"name": "DS_PROM", "type": "datasource", "pluginId": "prometheus"}], "id": None, "uid": "aBcD12", "title": "Shop",
                    "schemaVersion": 39, "version": 4, "panels": [{"type": "stat", "title": "Up", "gridPos": {"x": 0, "y": 0, "w": 4, "h": 4},
                    "datasource": {"type": "prometheus", "uid": "${DS_PROM}"}, "targets": [{"expr": "up", "refId": "A"}]}]}
        with tempfile.TemporaryDirectory(prefix="stoa-tools-") as folder:
            with open(os.path.join(folder, "dashboard.json"), "w") as f:
                json.dump(exported, f)
            r = subprocess.run(["sh", "-ec", row["config"].replace("boards/UID", "boards/aBcD12")], cwd=folder, capture_output=True, text=True)
        self.assertEqual(json.loads(r.stdout), {"uid": "aBcD12", "warnings": []}, r.stderr)

    def test_what_is_said_not_to_work_yet_does_not(self):
        """Native intakes of others: when one of them begins to answer, the table is to be changed."""
        s = self.server()
        for method, path in (("POST", "/api/v2/series"), ("GET", "/zipkin/api/v1/traces"), ("POST", "/services/search/jobs"), ("POST", "/elastic/logs/_search"),
                             ("PUT", "/v0.4/traces")):
            with self.subTest(path):
                self.assertIn(s.request(method, path, body=b"").status, (404, 405))

    def test_what_a_prometheus_yml_says_in_vain_is_told(self):
        with tempfile.TemporaryDirectory(prefix="stoa-tools-") as folder:
            path = os.path.join(folder, "prometheus.yml")
            with open(path, "w") as f:
                f.write("remote_write: [{url: 'http://x/'}]\nremote_read: [{url: 'http://x/'}]\nscrape_configs:\n- job_name: j\n"
                        "  consul_sd_configs: [{server: x}]\n- job_name: k\n  ec2_sd_configs: [{region: x}]\n")
            r = subprocess.run([harness.BINARY, "check", "config", path], capture_output=True, text=True)
            self.assertEqual(r.returncode, 0, r.stderr)
            for key in ("remote_write", "remote_read", "consul_sd_configs", "ec2_sd_configs"):
                self.assertIn(f'"{key}"', r.stdout)

    def test_the_manual_says_what_the_table_says(self):
        s = self.server()
        self.assertEqual(PAGE.read_text(encoding="utf-8"), manual(self.table(s), s.url))


def manual(tools, address):
    """The page of the manual, made from the table: `python3 test/server/test_tools.py --write` writes it."""
    out = ["# Coming from …\n", "\nWhat of the systems that the article names works here today, and what does not. Every row that is said to work is tried by a test"
           "\n(`test/server/test_tools.py`), from the same table that this page and `GET /api/stoa/v1/tools` are made of; that call fills your\nserver's own address in."
           " Agents that speak a protocol of their own go through the OpenTelemetry Collector, which understands nearly all of\nthem and sends OTLP."
           " [Log libraries and shippers](log-clients.md) have a snippet each.\n"]
    for tool in tools:
        out.append(f"\n## {tool['name']}\n")
        for row in tool["works"]:
            name, port = address.split("//")[1].split(":")
            config = row["config"].replace(address, "http://localhost:7862").replace(f"{name}:{port}", "localhost:7862").rstrip("\n")
            config = config.replace(f"host {name}\n", "host localhost\n").replace(f"port {port}", "port 7862")
            out.append(f"\n{row['what']} `{row['how']}`\n\n```\n{config}\n```\n")
        out.append("\nNot yet: " + "; ".join(tool["not_yet"]) + ".\n")
    return "".join(out)


if __name__ == "__main__":
    import sys
    if sys.argv[1:] == ["--write"]:
        server = harness.Server()
        PAGE.parent.mkdir(exist_ok=True)
        PAGE.write_text(manual(server.get("/api/stoa/v1/tools").json["tools"], server.url), encoding="utf-8")
        server.close()
    else:
        harness.main()
