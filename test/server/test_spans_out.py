# SPDX-License-Identifier: Apache-2.0
"""What falls out of spans: metrics by operation and by edge with exemplars, the service map, groups of errors, calls with N+1, deployments."""
import subprocess
import time

import harness

PYTHON = """Traceback (most recent call last):
  File "/app/shop/cart.py", line %d, in handle
    return add(1)
  File "/app/shop/cart.py", line %d, in add
    db.run()
  File "/usr/lib/python3.11/site-packages/db/core.py", line 7, in run
ValueError: cart %d is empty
"""


def attribute(key, value):
    return {"key": key, "value": {"intValue": value} if isinstance(value, int) else {"stringValue": value}}


class SpansOut(harness.Case):
    def setUp(self):
        super().setUp()
        self.now = time.time_ns()
        self.number = 0

    def span(self, trace, name, kind, parent="", ms=10, error=False, at=None, exception=None, **attributes):
        self.number += 1
        start = (at if at is not None else self.now - 60 * 10**9) + self.number
        row = {"traceId": f"{trace:032x}", "spanId": f"{self.number:016x}", "parentSpanId": parent, "name": name, "kind": kind, "startTimeUnixNano": str(start),
               "endTimeUnixNano": str(start + ms * 10**6), "status": {"code": 2, "message": "no"} if error else {},
               "attributes": [attribute(k.replace("__", "."), v) for k, v in attributes.items()]}
        if exception:
            row["events"] = [{"name": "exception", "timeUnixNano": str(start), "attributes": [attribute("exception." + k, v) for k, v in exception.items()]}]
        return row

    def send(self, s, service, *spans, version=None):
        resource = [attribute("service.name", service)] + ([attribute("service.version", version)] if version else [])
        r = s.post_json("/v1/traces", {"resourceSpans": [{"resource": {"attributes": resource}, "scopeSpans": [{"spans": list(spans)}]}]})
        self.assertEqual(r.status, 200, r.text)

    def ask(self, s, path, **params):
        r = s.get("/api/stoa/v1/" + path, params)
        self.assertEqual(r.status, 200, r.text)
        self.assertFalse(r.json["data"]["partial"])
        return r.json["data"]

    def command(self, s, *arguments):
        r = subprocess.run([harness.BINARY, "services", "--url", s.url, *arguments], capture_output=True, text=True, timeout=60)
        self.assertEqual(r.returncode, 0, r.stderr)
        return r.stdout

    def shop(self, s, traces=10):
        """user -> web -> shop -> postgresql; every second call of shop fails."""
        for i in range(1, traces + 1):
            entry = self.span(i, "GET /", 2, ms=50)
            call = self.span(i, "GET", 3, entry["spanId"], ms=40)
            served = self.span(i, "GET /cart", 2, call["spanId"], ms=30, error=i % 2 == 0)
            query = self.span(i, "SELECT carts", 3, served["spanId"], ms=5, db__system="postgresql", db__name="carts", db__statement=f"SELECT * FROM c WHERE id={i}")
            self.send(s, "web", entry, call)
            self.send(s, "shop", served, query)

    def check_map(self, data):
        nodes, edges = {n["service"]: n for n in data["nodes"]}, {(e["client"], e["server"]): e for e in data["edges"]}
        self.assertIn(("web", "shop"), edges)
        self.assertIn(("shop", "carts"), edges)
        self.assertAlmostEqual(nodes["shop"]["error_ratio"], 0.5, 6)
        self.assertAlmostEqual(nodes["web"]["error_ratio"], 0, 6)
        self.assertAlmostEqual(nodes["shop"]["p50_seconds"], 0.03, delta=0.003)
        self.assertAlmostEqual(edges["web", "shop"]["error_ratio"], 0.5, 6)
        self.assertAlmostEqual(edges["web", "shop"]["p95_seconds"], 0.03, delta=0.003)
        self.assertAlmostEqual(edges["shop", "carts"]["p50_seconds"], 0.005, delta=0.0005)
        self.assertGreater(nodes["shop"]["requests_per_second"], 0)
        return nodes, edges

    def test_spans_become_metrics_before_sampling_and_the_map_is_told_from_them(self):
        s = self.server(config="sampling: [{name: few, service: shop, signal: traces, keep: 0.001}]\n")
        self.shop(s)
        self.send(s, "shop", self.span(99, "send", 4, "00000000000000aa", messaging__system="kafka", messaging__destination__name="orders"),
                  self.span(99, "GET", 3, "00000000000000aa", peer__service="payments"), self.span(99, "lost", 3, "00000000000000aa"))
        calls = self.eventually(lambda: s.query("sum by (service, span_kind) (traces_spanmetrics_calls_total)"), what="span metrics", seconds=40)
        got = {(c["metric"]["service"], c["metric"]["span_kind"]): float(c["value"][1]) for c in calls}
        self.assertEqual(got[("web", "SPAN_KIND_SERVER")], 10)
        self.assertEqual(got[("shop", "SPAN_KIND_SERVER")], 10)
        graph = {(c["metric"]["client"], c["metric"]["server"], c["metric"].get("connection_type", "")): float(c["value"][1])
                 for c in s.query("traces_service_graph_request_total")}
        self.assertEqual({k: graph.get(k) for k in [("user", "web", "virtual_node"), ("web", "shop", ""), ("shop", "carts", "database")]},
                         {("user", "web", "virtual_node"): 10, ("web", "shop", ""): 10, ("shop", "carts", "database"): 10})
        failed = s.query('traces_service_graph_request_failed_total{client="web",server="shop"}')
        self.assertEqual(failed[0]["value"][1], "5")
        p50 = s.query('histogram_quantile(0.5, traces_service_graph_request_client_seconds{client="web"})')
        self.assertAlmostEqual(float(p50[0]["value"][1]), 0.04, delta=0.004)
        exemplars = s.get("/api/v1/query_exemplars", {"query": 'traces_spanmetrics_latency{service="shop",span_kind="SPAN_KIND_SERVER"}',
                                                      "start": self.now / 1e9 - 600, "end": self.now / 1e9 + 60}).json["data"]
        self.assertIn(exemplars[0]["exemplars"][0]["labels"]["trace_id"], {f"{i:032x}" for i in range(1, 11)})
        data = self.ask(s, "service_map")
        self.assertEqual(data["source"], "metrics")
        nodes, _ = self.check_map(data)
        self.assertEqual({n: nodes[n]["type"] for n in ("user", "web", "shop", "carts")}, {"user": "user", "web": "service", "shop": "service", "carts": "database"})
        near = self.ask(s, "service_map", service="web")
        self.assertEqual({n["service"] for n in near["nodes"]}, {"user", "web", "shop"})
        text = self.command(s, "--map")
        self.assertIn("web -> shop", text)
        self.assertIn("carts (database)", text)
        self.eventually(lambda: {r["metric"]["server"] for r in s.query('traces_service_graph_request_total{client="shop"}')} >= {"orders", "payments"},
                        what="calls whose other half did not come", seconds=40)
        self.assertIn('stoa_pipeline_rows_total{reason="span_edge_unpaired",effect="change"} 1', s.get("/metrics").text.replace('effect="changed"', 'effect="change"'))

    def test_without_metrics_the_map_is_told_from_spans(self):
        s = self.server(config="rules: {span_metrics: false}\n")
        self.shop(s)
        data = self.ask(s, "service_map")
        self.assertEqual(data["source"], "spans")
        nodes, edges = self.check_map(data)
        self.assertEqual(nodes["carts"]["type"], "external")
        self.assertEqual(self.ask(s, "service_map", start=1, end=2)["nodes"], [])
        self.assertEqual(s.get("/api/stoa/v1/service_map", {"start": 5, "end": 2}).status, 400)

    def test_errors_are_grouped_by_type_and_stack(self):
        s = self.server()
        for i in range(6):
            trace = 100 + i
            self.send(s, "shop", self.span(trace, "GET /cart", 2, error=True, at=self.now - (600 - i) * 10**9,
                                           exception={"type": "ValueError", "message": f"cart {i} is empty", "stacktrace": PYTHON % (10 + i, 40 + i, i)}),
                      version="1.%d" % (i // 3))
        self.send(s, "shop", self.span(200, "GET /pay", 2, error=True, exception={"type": "ValueError", "message": "cart 1 is empty",
                                                                                 "stacktrace": PYTHON.replace("in add", "in pay") % (1, 2, 3)}))
        self.send(s, "web", self.span(201, "GET /x", 2, error=True, http__response__status_code=503), self.span(202, "GET /y", 2))
        r = s.post_json("/v1/logs", {"resourceLogs": [{"resource": {"attributes": [attribute("service.name", "mail")]}, "scopeLogs": [{"logRecords": [
            {"timeUnixNano": str(self.now - 10**9), "severityNumber": 17, "body": {"stringValue": "could not send"},
             "attributes": [attribute("exception.type", "TimeoutError"), attribute("exception.message", "after 30s")]}]}]}]})
        self.assertEqual(r.status, 200, r.text)
        data = self.ask(s, "error_groups")
        self.assertEqual([(g["type"], g["message"], g["count"]) for g in data["groups"]][0], ("ValueError", "cart <_> is empty", 6))
        self.assertEqual({(g["type"], g["count"]) for g in data["groups"]}, {("ValueError", 6), ("ValueError", 1), ("503", 1), ("TimeoutError", 1)})
        first = data["groups"][0]
        self.assertEqual(first["stack"], ["add (cart.py)", "handle (cart.py)"])
        self.assertTrue(first["in_app"])
        self.assertEqual((first["services"], sorted(first["versions"])), (["shop"], ["1.0", "1.1"]))
        self.assertEqual(first["example"]["trace_id"], f"{105:032x}")  # the newest
        self.assertIn("line 45, in add", first["example"]["stacktrace"])
        self.assertEqual(round((first["last_seen_ms"] - first["first_seen_ms"]) / 1000), 5)
        self.assertEqual(sum(first["counts"]), 6)
        mail, = self.ask(s, "error_groups", service="mail")["groups"]
        self.assertEqual((mail["message"], mail["logs"], mail["spans"]), ("after <_>s", 1, 0))
        text = self.command(s, "--errors", "shop")
        self.assertIn("ValueError: cart <_> is empty", text)
        self.assertIn("add (cart.py)", text)
        self.assertNotIn("TimeoutError", text)

    def test_calls_are_summed_by_statement_and_repeats_are_found(self):
        s = self.server()
        root = self.span(1, "GET /list", 2, ms=100)
        queries = [self.span(1, "SELECT items", 3, root["spanId"], ms=10, db__system="mysql", db__name="shop",
                             db__statement=f"SELECT * FROM items WHERE id = {i} AND tag IN ('a', '{i}')", error=i == 0) for i in range(8)]
        few = [self.span(1, "INSERT", 3, root["spanId"], ms=1, db__system="mysql", db__name="shop", db__statement=f"INSERT INTO t VALUES ({i})") for i in range(4)]
        api = self.span(1, "GET", 3, root["spanId"], ms=3, http__request__method="GET", url__full="https://api.example.com/v1/charges/4711?x=1",
                        server__address="api.example.com")
        self.send(s, "shop", root, *queries, *few, api)
        calls = {c["statement"]: c for c in self.ask(s, "calls", service="shop")["calls"]}
        self.assertEqual(set(calls), {"SELECT * FROM items WHERE id = ? AND tag IN (?)", "INSERT INTO t VALUES (?)", "GET /v1/charges/<_>"})
        select = calls["SELECT * FROM items WHERE id = ? AND tag IN (?)"]
        self.assertEqual((select["count"], select["errors"], select["kind"], select["system"], select["peer"]), (8, 1, "database", "mysql", "shop"))
        self.assertAlmostEqual(select["seconds"], 0.08, 6)
        self.assertAlmostEqual(select["p95_seconds"], 0.01, delta=0.0005)
        n1 = select["n_plus_one"]
        self.assertEqual((n1["places"], n1["calls"], n1["repeats_max"]), (1, 8, 8))
        self.assertEqual(n1["examples"][0], {"trace_id": f"{1:032x}", "parent_span_id": root["spanId"], "repeats": 8})
        self.assertIsNone(calls["INSERT INTO t VALUES (?)"]["n_plus_one"])
        self.assertEqual((calls["GET /v1/charges/<_>"]["kind"], calls["GET /v1/charges/<_>"]["peer"]), ("http", "api.example.com"))
        text = self.command(s, "--calls")
        self.assertIn("SELECT * FROM items WHERE id = ?", text)
        self.assertIn("N+1: 8 times in 1 places, up to 8 in one", text)

    def test_a_new_version_is_a_deployment_also_after_a_restart(self):
        s = self.server()
        told = lambda version: s.query(f'last_over_time(traces_target_info{{service="shop",service_version="{version}"}}[5m])')
        self.send(s, "shop", self.span(1, "x", 2), version="1.0")
        self.eventually(lambda: told("1.0"), what="the first version", seconds=40)
        self.assertEqual(self.ask(s, "deploys")["deploys"], [])
        s.stop()
        s.start()
        self.send(s, "shop", self.span(2, "x", 2), version="1.0")
        self.send(s, "shop", self.span(3, "x", 2), version="2.0")
        self.eventually(lambda: told("2.0"), what="the second version", seconds=40)
        s.kill()
        s.start()
        marker, = self.ask(s, "deploys", service="shop")["deploys"]
        self.assertEqual((marker["service"], marker["version"], marker["previous"], marker["rollback"]), ("shop", "2.0", "1.0", False))
        self.assertGreater(marker["time_ms"], self.now // 10**6)
        self.assertIn("shop  1.0 -> 2.0", self.command(s, "--deploys"))
        self.assertEqual(self.ask(s, "deploys", service="cart")["deploys"], [])


if __name__ == "__main__":
    harness.main()
