# SPDX-License-Identifier: Apache-2.0
"""What Loki's data source in Grafana and Logs Drilldown ask, by plain HTTP: every number is counted by hand from LINES."""
import time
import urllib.parse

import harness

# service, env, level, line
LINES = [
    ("shop", "prod", "info", '{"user":"ann","amount":120}'),
    ("shop", "prod", "error", '{"user":"bob","amount":7}'),
    ("shop", "test", "info", "msg=hello user=ann took=1.5s"),
    ("web", "prod", "info", "GET /health 200"),
]


def size(*numbers):
    return sum(len(LINES[i][3]) for i in numbers)


class Case(harness.Case):
    def setUp(self):
        self.s = self.server()
        self.second = (time.time_ns() // 10**9 - 60) // 60 * 60  # the lines come a second after each other
        body = {"streams": [{"stream": {"service_name": service, "env": env, "level": level},
                             "values": [[str((self.second + i) * 10**9), line]]} for i, (service, env, level, line) in enumerate(LINES)]}
        self.assertEqual(self.s.post_json("/loki/api/v1/push", body).status, 204)
        self.window = dict(start=self.second * 10**9, end=(self.second + 10) * 10**9)

    def ask(self, path, **params):
        """By GET and by POST of a form: the same answer."""
        got = self.s.get("/loki/api/v1/" + path, dict(self.window, **params))
        self.assertEqual(got.status, 200, got.text)
        posted = self.s.post("/loki/api/v1/" + path, urllib.parse.urlencode(dict(self.window, **params)).encode(),
                             {"Content-Type": "application/x-www-form-urlencoded"})
        self.assertEqual(posted.status, 200, posted.text)
        return got.json

    def volumes(self, **params):
        data = self.ask("index/volume", **params)["data"]
        self.assertEqual(data["resultType"], "vector")
        return [(row["metric"], int(row["value"][1])) for row in data["result"]]


class Index(Case):
    def test_stats_count_streams_lines_and_bytes_of_memory_and_of_files(self):
        for _ in range(2):
            for query, lines in [("{}", [0, 1, 2, 3]), ('{service_name="shop"}', [0, 1, 2]), ('{env=~"p.*",level="info"}', [0, 3]), ('{env="x"}', [])]:
                stats = self.ask("index/stats", query=query)
                self.assertEqual((stats["streams"], stats["entries"], stats["bytes"]), (len(lines), len(lines), size(*lines)), query)
                self.assertEqual(stats["chunks"] > 0, len(lines) > 0)
            self.s.post("/api/stoa/v1/flush")

    def test_the_window_is_open_at_its_end(self):
        stats = self.ask("index/stats", query="{}", start=(self.second + 1) * 10**9, end=(self.second + 3) * 10**9)
        self.assertEqual((stats["entries"], stats["bytes"]), (2, size(1, 2)))

    def test_volume_by_series_and_by_labels(self):
        self.assertEqual(self.volumes(query='{service_name=~".+"}'), [({"service_name": "shop"}, size(0, 1, 2)), ({"service_name": "web"}, size(3))])
        self.assertEqual(self.volumes(query='{service_name=~".+"}', limit=1), [({"service_name": "shop"}, size(0, 1, 2))])
        self.assertEqual(self.volumes(query='{service_name="shop"}', targetLabels="env"), [({"env": "prod"}, size(0, 1)), ({"env": "test"}, size(2))])
        self.assertEqual(self.volumes(query='{service_name="shop"}', targetLabels="nowhere"), [])
        by_label = dict((list(metric)[0], n) for metric, n in self.volumes(query='{service_name="shop"}', aggregateBy="labels"))
        self.assertEqual((by_label["env"], by_label["level"]), (size(0, 1, 2), size(0, 1, 2)))
        self.assertEqual(self.volumes(query="{}", targetLabels="env", aggregateBy="labels"), [({"env": ""}, size(0, 1, 2, 3))])

    def test_volume_over_time(self):
        data = self.ask("index/volume_range", query='{env="prod"}', step="2s")["data"]
        self.assertEqual(data["resultType"], "matrix")
        self.assertEqual([(m["metric"], m["values"]) for m in data["result"]],
                         [({"env": "prod"}, [[self.second, str(size(0, 1))], [self.second + 2, str(size(3))]])])

    def test_what_cannot_be_answered_is_named(self):
        for path, params in [("index/stats", dict(query="{env=")), ("index/volume", dict(query="{}", aggregateBy="days")),
                             ("index/volume_range", dict(query="{}", step="0s")), ("index/stats", dict(query="{}", start=20, end=10))]:
            r = self.s.get("/loki/api/v1/" + path, dict(self.window, **params))
            self.assertEqual(r.status, 400, path + r.text)

    def test_a_tenant_sees_its_own_lines_and_several_those_of_all(self):
        body = {"streams": [{"stream": {"service_name": "other"}, "values": [[str(self.second * 10**9), "four"]]}]}
        self.assertEqual(self.s.request("POST", "/loki/api/v1/push", body=harness.json.dumps(body).encode(),
                                        headers={"Content-Type": "application/json", "X-Scope-OrgID": "t2"}).status, 204)
        for tenants, entries in [("default", 4), ("t2", 1), ("default|t2", 5)]:
            r = self.s.request("GET", "/loki/api/v1/index/stats?" + urllib.parse.urlencode(dict(self.window, query="{}")),
                               headers={"X-Scope-OrgID": tenants})
            self.assertEqual(r.json["entries"], entries, tenants)


class Fields(Case):
    def test_values_of_a_detected_field(self):
        self.assertEqual(self.ask("detected_field/user/values", query='{service_name="shop"}')["values"], ["ann", "bob"])
        self.assertEqual(self.ask("detected_field/user/values", query='{env="test"}')["values"], ["ann"])
        self.assertEqual(self.ask("detected_field/user/values", query='{service_name="shop"}', limit=1)["limit"], 1)
        fields = {f["label"]: f for f in self.ask("detected_fields", query='{service_name="shop"}')["fields"]}
        self.assertEqual((fields["user"]["parsers"], fields["user"]["jsonPath"], fields["user"]["type"], fields["user"]["cardinality"]),
                         (["json", "logfmt"], ["user"], "string", 2))
        self.assertEqual((fields["amount"]["type"], fields["took"]["type"]), ("int", "duration"))
        self.assertNotIn("jsonPath", fields["took"])
        nested = {"streams": [{"stream": {"service_name": "nested"}, "values": [[str(self.second * 10**9), '{"http":{"st\\"atus":200}}']]}]}
        self.assertEqual(self.s.post_json("/loki/api/v1/push", nested).status, 204)
        one = self.ask("detected_fields", query='{service_name="nested"}', limit=5, line_limit=10)
        self.assertEqual([(f["label"], f["jsonPath"]) for f in one["fields"] if "jsonPath" in f], [("http_st_atus", ["http", 'st"atus'])])
        self.assertEqual(one["limit"], 5)
        self.assertEqual(self.ask("detected_field/none/values", query='{service_name="shop"}')["values"], [])


class Delete(Case):
    def delete(self, query, **params):
        path = "/loki/api/v1/delete?" + urllib.parse.urlencode(dict(query=query, **params))
        return self.s.request("POST", path)

    def left(self):
        return sorted(v[1] for s in self.s.logs('{service_name=~".+"}', **self.window) for v in s["values"])

    def test_lines_of_a_selector_and_a_filter_go_and_all_others_stay(self):
        now, start = time.time_ns() // 10**9, self.second
        everything = sorted(line for _, _, _, line in LINES)
        for query in ['{service_name="shop"} | json', '{service_name="shop"} |~ "ann"', '{service_name="shop"} |= "a" |= "b"',
                      '{service_name="shop"} |= "a\\"b"', "", "{service_name="]:
            self.assertEqual(self.delete(query, start=start, end=now).status, 400, query)
        self.assertEqual(self.delete('{service_name="shop"}').status, 400)
        self.assertEqual(self.delete('{service_name="shop"}', start=start, end=now + 3600).status, 400)
        self.assertEqual(self.left(), everything)
        self.assertEqual(self.delete('{service_name="shop"} |= "ann"', start=start, end=now).status, 204)
        self.assertEqual(self.left(), sorted([LINES[1][3], LINES[3][3]]))
        self.s.post("/api/stoa/v1/flush")
        self.assertEqual(self.delete('{env="prod",service_name="web"}', start=start, end=now).status, 204)
        self.assertEqual(self.left(), [LINES[1][3]])


class Grafana(Case):
    def test_the_calls_of_the_data_source_and_of_logs_drilldown(self):
        r = self.s.get("/loki/api/v1/query", dict(query="vector(1)+vector(1)", time="4000000000")).json["data"]
        self.assertEqual((r["resultType"], len(r["result"]), r["result"][0]["value"][1]), ("vector", 1, "2"))
        self.assertEqual(self.s.get("/ready").text, "ready\n")
        limits = self.s.get("/loki/api/v1/drilldown-limits").json
        self.assertTrue(limits["limits"]["volume_enabled"] and limits["pattern_ingester_enabled"])
        self.assertLessEqual({"service_name", "env"}, set(self.ask("labels")["data"]))
        self.assertEqual(self.ask("label/env/values", query='{service_name="web"}')["data"], ["prod"])
        self.assertEqual(self.volumes(query='{service_name=~".+"}', targetLabels="service_name")[0][0], {"service_name": "shop"})
        self.assertEqual({f["label"]: f["cardinality"] for f in self.ask("detected_labels", query='{service_name="shop"}')["detectedLabels"]}["env"], 2)
        self.assertIn("user", [f["label"] for f in self.ask("detected_fields", query='{service_name="shop"}')["fields"]])
        self.assertEqual(len(self.ask("query_range", query='{service_name="shop"} |= "ann"')["data"]["result"]), 2)
        self.assertEqual(self.ask("series", **{"match[]": '{service_name="web"}'})["data"][0]["env"], "prod")

    def test_the_older_paths_and_the_rules(self):
        body = {"streams": [{"stream": {"service_name": "old"}, "values": [[str(self.second * 10**9), "x"]]}]}
        self.assertEqual(self.s.post_json("/api/prom/push", body).status, 204)
        self.assertIn("old", self.s.get("/api/prom/label/service_name/values", self.window).json["values"])
        self.assertEqual(self.s.get("/prometheus/api/v1/rules").json["data"]["groups"], [])
        self.assertEqual(self.s.get("/prometheus/api/v1/alerts").json["data"]["alerts"], [])


if __name__ == "__main__":
    harness.main()
