# SPDX-License-Identifier: Apache-2.0
"""Business metrics: the article's dictionary pushed as gauges, by prometheus_client as it stands, shows as a board with trends."""
import gzip
import time

import article
import harness
from article import run, snippet

PUSH = """
import sys
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, delete_from_gateway, push_to_gateway, pushadd_to_gateway
registry = CollectorRegistry()
for name, value in business_metrics.items():
    Gauge(name, "Business metric " + name, registry=registry).set(value)
push_to_gateway(sys.argv[1], job="shop", registry=registry)
"""
VARIABLES = {"$job": ".+", "$__rate_interval": "1m"}


class BusinessMetrics(harness.Case):
    def pushed(self, more="", **kw):
        s = self.server(**kw)
        run(snippet("business_metrics.py") + PUSH + more, f"127.0.0.1:{s.port}")
        return s

    def values(self, s, query='{job="shop",__name__!~"push_.*"}'):
        return {r["metric"].get("__name__"): float(r["value"][1]) for r in s.query(query)}

    def dictionary(self):
        space = {}
        exec(snippet("business_metrics.py"), space)
        return space["business_metrics"]

    def test_the_dictionary_is_stored_as_it_is_pushed(self):
        s = self.pushed()
        self.assertEqual(self.values(s), self.dictionary())
        self.assertEqual({tuple(sorted(r["metric"])) for r in s.query('conversion_rate')}, {("__name__", "job")})
        self.assertAlmostEqual(float(s.query("push_time_seconds")[0]["value"][1]), time.time(), delta=60)
        self.assertEqual(s.query("push_failure_time_seconds")[0]["value"][1], "0")
        meta = s.get("/api/v1/metadata", {"metric": "conversion_rate"}).json["data"]["conversion_rate"][0]
        self.assertEqual((meta["type"], meta["help"]), ("gauge", "Business metric conversion_rate"))

    def test_the_board_shows_every_one_of_them(self):
        s = self.pushed()
        board = s.get("/api/stoa/v1/boards/business-metrics").json
        shown, types = set(), set()
        for panel in board["panels"]:
            types.add(panel["type"])
            for target in panel["targets"]:
                expr = target["expr"]
                for name, value in VARIABLES.items():
                    expr = expr.replace(name, value)
                if panel["type"] == "timeseries":
                    now = time.time()
                    shown |= {r["metric"].get("__name__") for r in s.query_range(expr, now - 60, now + 5, 5)}
                else:
                    self.assertTrue(s.query(expr), panel["title"])
        self.assertLessEqual(set(self.dictionary()), shown)
        self.assertLessEqual({"stat", "timeseries", "table"}, types)

    def test_what_a_job_also_tells_by_other_ways_is_not_business(self):
        s = self.server()
        now = time.time_ns()
        point = lambda attributes: {"timeUnixNano": str(now), "asDouble": 1.0, "attributes": [{"key": k, "value": {"stringValue": v}} for k, v in attributes.items()]}
        metrics = [{"name": "ALERTS", "gauge": {"dataPoints": [point({"alertname": "slow", "alertstate": "firing"})]}},
                   {"name": "d_bucket", "gauge": {"dataPoints": [point({"le": "1"})]}},
                   {"name": "http_requests", "gauge": {"dataPoints": [point({"path": "/"})]}}]
        for instance, sent in (("", metrics[:2]), ("shop-1", metrics[2:])):
            resource = [{"key": "service.name", "value": {"stringValue": "shop"}}]
            if instance:
                resource.append({"key": "service.instance.id", "value": {"stringValue": instance}})
            r = s.post_json("/v1/metrics", {"resourceMetrics": [{"resource": {"attributes": resource}, "scopeMetrics": [{"metrics": sent}]}]})
            self.assertEqual(r.status, 200, r.text)
        self.assertEqual(s.request("PUT", "/metrics/job/shop", body=b"conversion_rate 0.03\n").status, 200)
        self.assertLessEqual({"ALERTS", "d_bucket", "http_requests", "conversion_rate"}, set(self.values(s)))
        panel = s.get("/api/stoa/v1/boards/business-metrics").json["panels"][0]
        self.assertEqual(self.values(s, panel["targets"][0]["expr"].replace("$job", ".+")), {"conversion_rate": 0.03})

    def test_values_stay_and_are_appended_until_they_are_deleted(self):
        s = self.pushed()
        more = self.eventually(lambda: [r for r in s.query("count_over_time(conversion_rate[1m])") if float(r["value"][1]) >= 2], seconds=30,
                               what="a second sample without a second push")
        self.assertEqual(len(more), 1)
        s.kill()
        s.start()
        groups = s.get("/api/stoa/v1/pushes").json["groups"]
        self.assertEqual([(g["labels"], g["series"]) for g in groups], [({"job": "shop"}, 6)])
        self.assertEqual(s.request("DELETE", "/metrics/job/shop").status, 202)
        self.assertEqual(s.query("conversion_rate"), [])
        self.assertEqual(s.get("/api/stoa/v1/pushes").json["groups"], [])

    def test_post_adds_and_delete_removes_by_grouping_key(self):
        more = """
one = CollectorRegistry()
Gauge("conversion_rate", "x", registry=one).set(0.5)
Counter("orders", "x", registry=one).inc(3)
Histogram("order_value", "x", registry=one, buckets=(10, 100)).observe(87.5)
pushadd_to_gateway(sys.argv[1], job="shop", registry=one)
push_to_gateway(sys.argv[1], job="shop", registry=one, grouping_key={"instance": "eu/1", "path": ""})
delete_from_gateway(sys.argv[1], job="never pushed")
"""
        s = self.pushed(more)
        found = self.values(s, '{job="shop",instance="",__name__!~"push_.*|.*_created|order_value_.*"}')
        self.assertEqual(found, {**self.dictionary(), "conversion_rate": 0.5, "orders_total": 3.0})
        self.assertEqual(self.values(s, 'orders_total{instance="eu/1"}'), {"orders_total": 3.0})
        self.assertEqual(float(s.query('histogram_quantile(1, order_value_bucket{instance="eu/1"})')[0]["value"][1]), 100)
        self.assertEqual(s.request("DELETE", "/metrics/job/shop/instance@base64/ZXUvMQ==").status, 202)
        self.assertEqual(s.query('orders_total{instance="eu/1"}'), [])
        self.assertEqual(len(s.query('orders_total{job="shop"}')), 1)

    def test_a_push_that_is_refused_says_why_and_leaves_the_group(self):
        s = self.pushed()
        for body, why in ((b"conversion_rate 1 1700000000000\n", "no time of its own"), (b"a 1\na 2\n", "comes twice"), (b"%%%\n", "line 1")):
            r = s.request("PUT", "/metrics/job/shop", body=body)
            self.assertEqual(r.status, 400)
            self.assertIn(why, r.text)
        self.assertEqual(self.values(s), self.dictionary())
        self.assertGreater(float(s.query("push_failure_time_seconds")[0]["value"][1]), 0)
        self.assertEqual(s.request("PUT", "/metrics/job/shop/instance", body=b"a 1\n").status, 400)

    def test_gzip_and_a_listener_of_its_own(self):
        import socket
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        s = self.server(config=f"listeners:\n  - {{dialect: pushgateway, address: '127.0.0.1:{port}'}}\n")
        r = s.request("PUT", "/metrics/job/zip", body=gzip.compress(b"zipped 4\n"), headers={"Content-Encoding": "gzip"})
        self.assertEqual(r.status, 200, r.text)
        self.assertEqual(self.values(s, "zipped"), {"zipped": 4.0})
        run(snippet("business_metrics.py") + PUSH, f"127.0.0.1:{port}")
        self.assertEqual(self.values(s), self.dictionary())

    def test_another_tenant_has_its_own_groups(self):
        s = self.server()
        self.assertEqual(s.request("PUT", "/metrics/job/a", body=b"x 1\n", headers={"X-Scope-OrgID": "other"}).status, 200)
        self.assertEqual(s.query("x"), [])
        self.assertEqual(s.get("/api/stoa/v1/pushes").json["groups"], [])


if __name__ == "__main__":
    harness.main()
