# SPDX-License-Identifier: Apache-2.0
"""Loki's ruler: groups of rules posted over its API are checked, kept, evaluated and shown, as Grafana's alerting asks for them."""
import os
import tempfile
import time
import urllib.parse

import harness
import test_auth as auth

S = 10**9
GROUP = """name: errors
interval: 1s
limit: 5
rules:
  - alert: ManyErrors
    expr: sum by (app) (count_over_time({app="shop"} |= "error" [5m])) > 1
    labels:
      severity: page
    annotations:
      summary: 'app {{ $labels.app }} has "errors"'
  - record: shop:lines:count5m
    expr: sum(count_over_time({app="shop"}[5m]))
"""
SECOND = "name: second\nrules:\n  - alert: Never\n    expr: sum(count_over_time({app=\"none\"}[1m])) > 100\n    for: 5m\n"


class Rules(harness.Case):
    def post(self, path, text, status=202):
        r = self.s.post(path, text.encode(), {"Content-Type": "application/yaml"})
        self.assertEqual(r.status, status, r.text)
        return r

    def until(self, what, seconds=20):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if what():
                return
            time.sleep(0.1)
        self.fail("it did not come true")

    def alerts(self):
        return self.s.get("/prometheus/api/v1/alerts").json["data"]["alerts"]

    def push(self):
        now = time.time_ns()
        body = {"streams": [{"stream": {"app": "shop"}, "values": [[str(now - i * S), f"error {i}"] for i in range(3)]}]}
        self.assertEqual(self.s.post_json("/loki/api/v1/push", body).status, 204)

    def test_groups_are_kept_shown_evaluated_and_removed(self):
        for base in ("/loki/api/v1/rules", "/api/prom/rules"):
            self.s = self.server()
            r = self.s.get(base)
            self.assertEqual((r.status, r.text), (404, "no rule groups found\n"))
            self.assertEqual(self.s.get(base + "/team/none").text, "group does not exist\n")
            r = self.post(base + "/team", GROUP)
            self.assertEqual(r.json["status"], "success")
            self.post(base + "/" + urllib.parse.quote("a/b c", safe=""), SECOND)
            self.push()
            self.until(lambda: any(a["state"] == "firing" for a in self.alerts()))
            alert = [a for a in self.alerts() if a["state"] == "firing"][0]
            self.assertEqual((alert["labels"]["alertname"], alert["labels"]["app"], alert["labels"]["severity"]), ("ManyErrors", "shop", "page"))
            self.assertEqual(alert["annotations"]["summary"], 'app shop has "errors"')
            self.until(lambda: self.s.query("shop:lines:count5m"))
            for _ in range(2):
                one = self.s.get(base + "/team/errors")
                self.assertEqual(one.status, 200)
                self.assertEqual(one.headers["Content-Type"], "application/yaml")
                self.assertIn('name: "errors"\ninterval: 1s\nlimit: 5\nrules:\n', one.text)
                self.assertIn('- alert: "ManyErrors"', one.text)
                both = self.s.get(base).text
                self.assertTrue(both.startswith('"a/b c":\n    - name: "second"\n'), both)
                self.assertIn('"team":\n    - name: "errors"\n', both)
                self.assertNotIn("team", self.s.get(base + "/a%2Fb%20c").text)
                self.assertIn("for: 5m", self.s.get(base + "/a%2Fb%20c/second").text)
                groups = self.s.get("/prometheus/api/v1/rules").json["data"]["groups"]
                self.assertEqual([(g["file"], g["name"], len(g["rules"])) for g in groups], [("a/b c", "second", 1), ("team", "errors", 2)])
                self.s.stop()
                self.s.start()
            self.until(lambda: any(a["state"] == "firing" for a in self.alerts()))
            self.post(base + "/team", GROUP.replace("limit: 5\n", ""))  # what has its name is replaced
            self.assertNotIn("limit", self.s.get(base + "/team/errors").text)
            self.assertEqual(self.s.request("DELETE", base + "/team/errors").status, 202)
            self.assertEqual(self.s.request("DELETE", base + "/team/errors").status, 404)
            self.assertEqual(self.s.request("DELETE", base + "/a%2Fb%20c").status, 202)
            self.assertEqual(self.s.request("DELETE", base + "/a%2Fb%20c").status, 404)
            self.assertEqual(self.s.get("/prometheus/api/v1/rules").json["data"]["groups"], [])
            self.until(lambda: self.alerts() == [])
            self.s.stop()
            self.s.start()
            self.assertEqual(self.s.get(base).status, 404)

    def test_what_is_posted_comes_back_as_something_that_can_be_posted(self):
        self.s = self.server()
        self.post("/loki/api/v1/rules/team", GROUP)
        text = self.s.get("/loki/api/v1/rules/team/errors").text
        self.post("/loki/api/v1/rules/copy", text)
        self.assertEqual(self.s.get("/loki/api/v1/rules/copy/errors").text, text)

    def test_what_is_wrong_is_named_and_nothing_is_kept(self):
        self.s = self.server()
        for text, sentence in [
            ("name: g\nrules:\n  - alert: A\n    expr: sum(rate({app=x}[1m])) > 1\n", "expr of A: parse error at line 1, col 15: syntax error: unexpected IDENTIFIER"),
            ("name: g\nrules:\n  - alert: A\n    expr: '{app=\"x\"}'\n", "gives log lines"),
            ("name: g\nrules:\n  - expr: vector(1)\n", "a rule wants either alert or record"),
            ("name: g\nrulez: []\n", "rulez"),
            ("rules:\n  - alert: A\n    expr: vector(1)\n", "a group wants a name"),
            ("name: g\nrules:\n  - record: a-b\n    expr: vector(1)\n", "is no metric name"),
            ("name: [\n", "team:"),
            ("", "a group wants a name"),
        ]:
            r = self.post("/loki/api/v1/rules/team", text, 400)
            self.assertIn(sentence, r.text)
        self.assertEqual(self.s.get("/loki/api/v1/rules").status, 404)

    def test_rule_files_with_logql_are_shown_and_changed_in_their_file(self):
        folder = tempfile.mkdtemp()
        path = os.path.join(folder, "logs.yml")
        with open(path, "w") as f:
            f.write("groups:\n  - name: of_file\n    rules:\n      - alert: FromFile\n        lang: logql\n"
                    "        expr: sum(count_over_time({app=\"none\"}[1m])) > 5\n  - name: metrics\n    rules:\n      - alert: Up\n        expr: up == 0\n")
        self.s = self.server(config=f"rule_files: [{path}]\n")
        self.assertIn("of_file", self.s.get("/loki/api/v1/rules").text)
        self.assertNotIn("metrics", self.s.get("/loki/api/v1/rules").text)
        quoted = "/loki/api/v1/rules/" + urllib.parse.quote(path, safe="")
        self.assertIn("FromFile", self.s.get(quoted + "/of_file").text)
        self.assertIn("is a rule file of the configuration", self.post(quoted, SECOND, 400).text)
        self.assertEqual(self.s.request("DELETE", quoted + "/of_file").status, 400)
        self.post("/loki/api/v1/rules/team", SECOND)
        self.assertEqual([g["name"] for g in self.s.get("/prometheus/api/v1/rules").json["data"]["groups"]], ["of_file", "second"])
        self.assertEqual(len(self.s.get("/api/v1/rules").json["data"]["groups"]), 3)
        self.assertEqual(self.s.post("/-/reload").status, 200)
        self.assertEqual([g["name"] for g in self.s.get("/prometheus/api/v1/rules").json["data"]["groups"]], ["of_file", "second"])

    def test_a_viewer_sees_rules_and_only_an_admin_changes_them_on_record(self):
        data = tempfile.mkdtemp(prefix="stoa-loki-rules-")
        auth.add_user(data, "someone", "admin")
        viewer, admin = (auth.bearer(auth.token(data, role, role)) for role in ("viewer", "admin"))
        self.s = self.server(data=data)
        path = "/loki/api/v1/rules/team"
        self.assertEqual(self.s.post(path, SECOND.encode()).status, 401)
        self.assertEqual(self.s.post(path, SECOND.encode(), viewer).status, 403)
        self.assertEqual(self.s.post(path, SECOND.encode(), admin).status, 202)
        self.assertEqual(self.s.get(path, headers=viewer).status, 200)
        self.assertEqual(self.s.request("DELETE", path + "/second", headers=viewer).status, 403)
        self.assertEqual(self.s.request("DELETE", path + "/second", headers=admin).status, 202)
        actions = [e["action"] for e in self.s.get("/api/stoa/v1/audit", {"limit": 100}, headers=admin).json["records"]]
        self.assertTrue({"rules.put", "rules.delete"} <= set(actions), actions)
        for page, status in (("/config", 401), ("/services", 401), ("/ready", 200), ("/loki/api/v1/delete", 401)):
            self.assertEqual(self.s.get(page).status, status, page)

    def test_rules_are_of_the_tenant_that_they_are_evaluated_over(self):
        self.s = self.server()
        self.post("/loki/api/v1/rules/team", SECOND)
        other = {"X-Scope-OrgID": "other"}
        self.assertEqual(self.s.request("GET", "/loki/api/v1/rules", headers=other).status, 404)
        self.assertEqual(self.s.request("POST", "/loki/api/v1/rules/team", body=SECOND.encode(), headers=other).status, 400)


if __name__ == "__main__":
    harness.main()
