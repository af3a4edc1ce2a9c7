# SPDX-License-Identifier: Apache-2.0
"""Rules against the real program: both forms, evaluation, states, what survives a kill, the answers of /api/v1, the review."""
import json
import os
import subprocess
import tempfile
import time

import harness
import test_notify

# As in the article, letter by letter.
BAD = """alerts:
  - name: cpu_usage_above_50
    condition: cpu_usage > 50
    severity: critical
  
  - name: memory_usage_above_60
    condition: memory_usage > 60
    severity: critical
  
  - name: disk_usage_above_70
    condition: disk_usage > 70
    severity: critical
"""
GOOD = """alerts:
  - name: cpu_usage_critical
    condition: cpu_usage > 90 for 5 minutes
    severity: critical
    action: page_oncall
  
  - name: error_rate_high
    condition: error_rate > 5% for 2 minutes
    severity: critical
    action: page_oncall
  
  - name: disk_usage_warning
    condition: disk_usage > 85%
    severity: warning
    action: send_slack_notification
"""
FAST = "global:\n  evaluation_interval: 200ms\n  external_labels: {region: eu}\n"
RULES = FAST + """groups:
  - name: shop
    labels: {team: shop}
    rules:
      - record: job:queue:sum
        expr: sum by (job) (queue)
      - alert: QueueLong
        expr: job:queue:sum > 10
        for: 1s
        labels: {severity: page}
        annotations:
          summary: "{{ $labels.job }} has {{ $value | humanize }} waiting{{ if gt $value 1000.0 }}, far too many{{ end }}"
      - alert: Down
        expr: up_now == 0
        keep_firing_for: 1h
  - name: logs
    rules:
      - alert: Errors
        lang: logql
        expr: 'sum by (service_name) (count_over_time({service_name="api"} |= "ERROR" [1m])) > 2'
"""

TRACE_RULES = FAST + """groups:
  - name: traces
    lang: traceql
    rules:
      - record: checkout:spans:rate
        expr: '{ resource.service.name = "checkout" } | rate() by (span:kind)'
      - alert: SlowDatabase
        expr: '{ span:kind = client } | max_over_time(duration) by (resource.service.name) > 0.5'
        annotations:
          summary: '{{ index $labels "resource.service.name" }} waits {{ $value | humanizeDuration }}'
"""


def stoa(*args):
    return subprocess.run([harness.BINARY, *args], capture_output=True, text=True)


class Alerts(harness.Case):
    def wait(self, what, check, seconds=20):
        deadline = time.monotonic() + seconds
        while True:
            got = check()
            if got:
                return got
            self.assertLess(time.monotonic(), deadline, what)
            time.sleep(0.1)

    def push(self, s, text):
        """Samples of now by Loki's and OTLP's sibling: our own write route for text is remote write, so OTLP JSON is used."""
        now = str(time.time_ns())
        metrics = []
        for line in text.splitlines():
            name, job, value = line.split()
            metrics.append({"name": name, "gauge": {"dataPoints": [{"timeUnixNano": now, "asDouble": float(value),
                                                                  "attributes": [{"key": "job", "value": {"stringValue": job}}]}]}})
        r = s.post_json("/v1/metrics", {"resourceMetrics": [{"resource": {}, "scopeMetrics": [{"metrics": metrics}]}]})
        self.assertEqual(r.status, 200, r.text)

    def alerts(self, s, name=None):
        found = s.get("/api/v1/alerts").json["data"]["alerts"]
        return [a for a in found if name in (None, a["labels"]["alertname"])]

    def rule(self, s, name):
        groups = s.get("/api/v1/rules", {"rule_name[]": name}).json["data"]["groups"]
        return groups[0]["rules"][0]

    def firing(self, s, name):
        found = self.alerts(s, name)
        return found if found and all(a["state"] == "firing" for a in found) else None

    def findings(self, s, **params):
        found = {}
        for f in s.get("/api/stoa/v1/review", params).json["findings"]:
            found.setdefault(f["rule"], {})[f["finding"]] = f
        return found

    def test_the_good_block_loads_and_compiles_to_readable_queries(self):
        s = self.server(config=GOOD)
        groups = s.get("/api/v1/rules").json["data"]["groups"]
        rules = {r["name"]: r for r in groups[0]["rules"]}
        self.assertEqual(list(rules), ["cpu_usage_critical", "error_rate_high", "disk_usage_warning"])
        cpu = rules["cpu_usage_critical"]
        self.assertIn("node_cpu_seconds_total", cpu["query"])
        self.assertTrue(cpu["query"].endswith("> 90"), cpu["query"])
        self.assertEqual((cpu["duration"], cpu["labels"], cpu["type"]), (300, {"severity": "critical"}, "alerting"))
        self.assertEqual(cpu["stoa"]["condition"], "cpu_usage > 90 for 5 minutes")
        self.assertEqual(cpu["stoa"]["receiver"], "page_oncall")
        self.assertEqual(rules["error_rate_high"]["duration"], 120)
        self.assertTrue(rules["error_rate_high"]["query"].endswith("> 5"))
        self.assertEqual(rules["disk_usage_warning"]["stoa"]["receiver"], "send_slack_notification")

    def test_the_review_says_what_is_wrong_with_each_rule_of_the_bad_block(self):
        s = self.server(config=BAD)
        found = self.findings(s)
        for name in ("cpu_usage_above_50", "memory_usage_above_60", "disk_usage_above_70"):
            self.assertLessEqual({"no_for", "low_threshold", "cause_not_symptom", "no_receiver", "no_annotations"}, set(found[name]), name)
            for what in ("no_for", "low_threshold", "cause_not_symptom", "no_receiver"):
                self.assertEqual(found[name][what]["severity"], "warning")
        self.assertIn("cpu_usage > 50 for 5 minutes", found["cpu_usage_above_50"]["no_for"]["suggestion"])

    def test_the_review_of_the_good_block_has_remarks_and_what_has_no_data(self):
        s = self.server(config=GOOD)
        for rule, found in self.findings(s).items():
            serious = {k for k, f in found.items() if f["severity"] == "warning"}
            # This server observes nothing, so nothing can fire; unknown receivers are what notification says.
            self.assertLessEqual(serious, {"no_data", "unknown_receiver"}, rule)
        self.assertIn("no_data", self.findings(s)["error_rate_high"])

    def test_host_conditions_have_data_on_a_server_that_observes_its_machine(self):
        s = self.server(config="host:\n  interval: 1s\nlogs:\n  journal: false\n  files: []\n" + FAST + "alerts:\n"
                        "  - {name: cpu, condition: cpu_usage >= 0, severity: warning}\n"
                        "  - {name: memory, condition: memory_usage > 0%, severity: warning}\n"
                        "  - {name: disk, condition: disk_usage >= 0, severity: warning}\n", quiet=False)
        for name in ("cpu", "memory", "disk"):
            found = self.wait(name, lambda: self.firing(s, name))
            value = float(found[0]["value"])
            self.assertTrue(0 <= value <= 100, f"{name} {value}")

    def test_the_error_rate_of_the_article_fires(self):
        s = self.server(config=FAST + "alerts:\n  - name: error_rate_high\n    condition: error_rate > 5% for 1 second\n    severity: critical\n")
        count = [0, 0]

        def send():
            count[0] += 90
            count[1] += 10
            now = str(time.time_ns())
            points = [{"timeUnixNano": now, "asDouble": v, "attributes": [{"key": "status", "value": {"stringValue": k}},
                                                                        {"key": "job", "value": {"stringValue": "shop"}}]}
                      for k, v in (("200", count[0]), ("500", count[1]))]
            metric = {"name": "http_requests_total", "sum": {"aggregationTemporality": 2, "isMonotonic": True, "dataPoints": points}}
            s.post_json("/v1/metrics", {"resourceMetrics": [{"resource": {}, "scopeMetrics": [{"metrics": [metric]}]}]})
            return self.firing(s, "error_rate_high")
        found = self.wait("error rate", send)
        self.assertEqual(found[0]["labels"], {"alertname": "error_rate_high", "job": "shop", "severity": "critical"})
        self.assertAlmostEqual(float(found[0]["value"]), 10, delta=0.5)

    def test_alerts_are_pending_then_firing_then_gone_and_recorded(self):
        s = self.server(config=RULES)
        self.push(s, "queue a 7\nqueue a2 1\nqueue b 1500")
        pending = self.wait("pending", lambda: self.alerts(s, "QueueLong"))
        self.assertEqual(len(pending), 1)
        self.assertEqual(pending[0]["labels"], {"alertname": "QueueLong", "job": "b", "severity": "page", "team": "shop"})
        firing = self.wait("firing", lambda: self.firing(s, "QueueLong"))
        self.assertEqual(firing[0]["annotations"], {"summary": "b has 1.5k waiting, far too many"})
        self.assertEqual(firing[0]["value"], "1.5e+03")
        self.assertEqual([r["value"][1] for r in s.query('job:queue:sum{team="shop",job="b"}')], ["1500"])
        self.assertEqual(len(s.query('ALERTS{alertname="QueueLong",alertstate="firing"}')), 1)
        self.push(s, "queue b 3")
        self.wait("gone", lambda: not self.alerts(s, "QueueLong"))
        self.wait("stale", lambda: not s.query('ALERTS{alertname="QueueLong"}'))
        self.assertEqual(self.rule(s, "QueueLong")["state"], "inactive")
        self.assertEqual(self.rule(s, "QueueLong")["stoa"]["fired"], 1)
        self.assertEqual(self.rule(s, "QueueLong")["health"], "ok")

    def test_rules_over_logs_fire(self):
        s = self.server(config=RULES)
        now = time.time_ns()
        lines = [[str(now + i), f"ERROR number {i}"] for i in range(5)]
        r = s.post_json("/loki/api/v1/push", {"streams": [{"stream": {"service_name": "api"}, "values": lines}]})
        self.assertLess(r.status, 300, r.text)
        found = self.wait("logs", lambda: self.firing(s, "Errors"))
        self.assertEqual((found[0]["labels"]["service_name"], float(found[0]["value"])), ("api", 5))

    def test_rules_over_traces_fire_and_record(self):
        s = self.server(config=TRACE_RULES)
        start = time.time_ns() - 10**9
        spans = [{"traceId": "5b8efff798038103d269b633813fc60c", "spanId": f"eee19b7ec3c1b17{kind}", "name": "q", "kind": kind, "startTimeUnixNano": str(start),
                  "endTimeUnixNano": str(start + kind * 3 * 10**8)} for kind in (2, 3)]
        resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "checkout"}}]}
        r = s.post_json("/v1/traces", {"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": spans}]}]})
        self.assertEqual(r.status, 200, r.text)
        found = self.wait("traces", lambda: self.firing(s, "SlowDatabase"))
        self.assertEqual((found[0]["labels"]["resource.service.name"], float(found[0]["value"])), ("checkout", 0.9))
        self.assertEqual(found[0]["annotations"]["summary"], "checkout waits 900ms")
        recorded = self.wait("record", lambda: s.query('{__name__="checkout:spans:rate"}'))
        self.assertEqual(sorted(r["metric"]["kind"] for r in recorded), ["client", "server"])

    def test_firing_survives_a_kill_and_keeps_its_start(self):
        s = self.server(config=RULES)
        self.push(s, "queue b 50\nup_now x 0")
        before = self.wait("firing", lambda: self.firing(s, "QueueLong") and self.firing(s, "Down") and self.alerts(s))
        s.kill()
        s.start()
        after = self.alerts(s)
        since = lambda alerts: sorted((a["labels"]["alertname"], a["state"], a["activeAt"]) for a in alerts)
        self.assertEqual(since(after), since(before))
        self.wait("evaluated again", lambda: self.rule(s, "QueueLong")["health"] == "ok")
        self.assertEqual(since(self.alerts(s)), since(before))
        self.assertEqual(self.rule(s, "QueueLong")["stoa"]["fired"], 1)
        self.push(s, "up_now x 1\nqueue b 1")
        self.wait("resolved", lambda: not self.alerts(s, "QueueLong"))
        self.assertTrue(self.firing(s, "Down"), "keep_firing_for")
        self.assertIn("keepFiringSince", self.wait("kept", lambda: [a for a in self.alerts(s, "Down") if "keepFiringSince" in a])[0])

    def test_killed_at_many_moments_no_alert_starts_twice(self):
        s = self.server(config=RULES)
        self.push(s, "up_now x 0")
        first = self.wait("firing", lambda: self.firing(s, "Down"))[0]["activeAt"]
        for delay in (0.0, 0.05, 0.1, 0.17, 0.25):
            time.sleep(delay)
            s.kill()
            s.start()
            self.assertEqual([a["activeAt"] for a in self.alerts(s, "Down")], [first])
        self.assertEqual(self.rule(s, "Down")["stoa"]["fired"], 1)

    def test_rule_files_by_pattern_reload_and_resolve(self):
        with tempfile.TemporaryDirectory() as folder:
            os.mkdir(folder + "/rules")
            one, two = folder + "/rules/one.yml", folder + "/rules/two.yml"
            with open(one, "w") as f:
                f.write("groups:\n- name: g\n  rules:\n  - {alert: One, expr: vector(1)}\n")
            with open(two, "w") as f:
                f.write("groups:\n- name: g\n  rules:\n  - {alert: Two, expr: vector(2)}\n")
            with open(folder + "/prometheus.yml", "w") as f:
                f.write(FAST + "rule_files:\n  - rules/*.yml\n  - missing.yml\n")
            s = self.server(args=["--config", folder + "/prometheus.yml"])
            self.wait("both", lambda: self.firing(s, "One") and self.firing(s, "Two"))
            groups = s.get("/api/v1/rules").json["data"]["groups"]
            self.assertEqual([g["file"] for g in groups], [one, two])
            self.assertIn("missing.yml", s.get("/api/v1/status/config").text)
            os.unlink(two)
            self.assertEqual(s.post("/-/reload").status, 200)
            self.assertEqual([a["labels"]["alertname"] for a in self.alerts(s)], ["One"])
            self.wait("stale", lambda: not s.query('ALERTS{alertname="Two"}'))
            with open(one, "w") as f:
                f.write("groups:\n- name: g\n  rules:\n  - {alert: One, expr: vector(}\n")
            r = s.post("/-/reload")
            self.assertEqual(r.status, 400, r.text)
            self.assertIn("one.yml:4: expr of One", r.json["error"])
            self.assertTrue(self.firing(s, "One"))

    def test_rules_can_be_filtered(self):
        s = self.server(config=RULES)

        def names(**params):
            r = s.get("/api/v1/rules", params)
            self.assertEqual(r.status, 200, r.text)
            return [x["name"] for g in r.json["data"]["groups"] for x in g["rules"]]
        self.assertEqual(names(type="record"), ["job:queue:sum"])
        self.assertEqual(names(type="alert", **{"rule_group[]": "shop"}), ["QueueLong", "Down"])
        self.assertEqual(names(**{"match[]": '{severity="page"}'}), ["QueueLong"])
        self.assertEqual(names(**{"rule_name[]": ["Down", "Errors"]}), ["Errors", "Down"])
        page = s.get("/api/v1/rules", {"group_limit": 1}).json["data"]
        self.assertEqual([g["name"] for g in page["groups"]], ["logs"])
        rest = s.get("/api/v1/rules", {"group_limit": 1, "group_next_token": page["groupNextToken"]}).json["data"]
        self.assertEqual([g["name"] for g in rest["groups"]], ["shop"])
        self.assertEqual(s.get("/api/v1/rules", {"type": "nonsense"}).status, 400)

    def test_the_review_tells_rules_that_never_or_always_fire(self):
        s = self.server(config=FAST + "groups:\n- name: g\n  rules:\n"
                        "  - {alert: Always, expr: vector(1)}\n  - {alert: Never, expr: queue > 100}\n  - {alert: Broken, expr: queue + on () up2}\n"
                        "  - {alert: Again, expr: vector(1)}\n  - {alert: Misspelt, expr: 'queue{job=\"nosuch\"} > 1'}\n")
        self.push(s, "queue a 1\nqueue b 1\nup2 a 1\nup2 b 1")
        self.wait("history", lambda: self.rule(s, "Always")["stoa"]["observed_seconds"] > 1)
        found = self.findings(s, never_after="1s", always_after="1s")
        self.assertIn("always_firing", found["Always"])
        self.assertNotIn("always_firing", found["Never"])
        self.assertIn("never fired", found["Never"]["never_fired"]["text"])
        self.assertIn("failing", found["Broken"])
        self.assertIn("duplicate", found["Again"])
        self.assertEqual(found["Misspelt"]["no_data"]["severity"], "info")
        self.assertNotIn("never_fired", self.findings(s)["Never"], "too young by default")

    def test_history_survives_a_restart(self):
        s = self.server(config=FAST + "groups:\n- name: g\n  rules:\n  - {alert: Always, expr: vector(1)}\n")
        self.wait("history", lambda: self.rule(s, "Always")["stoa"]["evaluations"] > 3)
        self.assertEqual(s.stop(), 0)
        s.start()
        after = self.rule(s, "Always")["stoa"]
        self.assertGreater(after["evaluations"], 3)
        self.assertEqual(after["fired"], 1)

    def test_own_metrics_show_rounds_and_failures(self):
        s = self.server(config=FAST + "groups:\n- name: g\n  rules:\n  - {record: a, expr: 'label_replace(x, \"job\", \"\", \"\", \"\")'}\n"
                        "  - {alert: B, expr: vector(1)}\n")
        self.push(s, "x a 1\nx b 1")
        self.wait("failures", lambda: 'prometheus_rule_evaluation_failures_total{rule_group="' in s.get("/metrics").text)
        page = s.get("/metrics").text
        for name in ("prometheus_rule_evaluations_total", "prometheus_rule_group_iterations_total", "prometheus_rule_group_interval_seconds",
                     "prometheus_rule_evaluation_duration_seconds_count", "prometheus_rule_group_last_duration_seconds"):
            self.assertIn(name, page)

    def test_lists_in_several_files_add_up(self):
        with tempfile.TemporaryDirectory() as folder:
            for name, text in (("good.yml", GOOD), ("bad.yml", BAD)):
                with open(f"{folder}/{name}", "w") as f:
                    f.write(text)
            s = self.server(args=["--config", folder + "/good.yml", "--config", folder + "/bad.yml"])
            groups = s.get("/api/v1/rules").json["data"]["groups"]
            self.assertEqual([(os.path.basename(g["file"]), len(g["rules"])) for g in groups], [("bad.yml", 3), ("good.yml", 3)])

    def test_check_rules_prints_what_prometheus_reads(self):
        with tempfile.TemporaryDirectory() as folder:
            paths = {}
            for name, text in (("good", GOOD), ("bad", BAD), ("rules", RULES.replace(FAST, ""))):
                paths[name] = f"{folder}/{name}.yml"
                with open(paths[name], "w") as f:
                    f.write(text)
            r = stoa("check", "rules", paths["good"])
            self.assertEqual(r.returncode, 0, r.stderr)
            self.assertIn("# cpu_usage > 90 for 5 minutes -> page_oncall", r.stdout)
            self.assertIn("for: 5m", r.stdout)
            promtool = harness.ROOT / "build/peers/prometheus/usr/bin/promtool"
            if promtool.exists():
                with open(folder + "/compiled.yml", "w") as f:
                    f.write(r.stdout)
                p = subprocess.run([promtool, "check", "rules", folder + "/compiled.yml"], capture_output=True, text=True)
                self.assertEqual(p.returncode, 0, p.stdout + p.stderr)
            self.assertIn("warning: low_threshold", stoa("check", "rules", paths["bad"]).stdout)
            self.assertIn("lang: logql", stoa("check", "rules", paths["rules"]).stdout)
            with open(folder + "/wrong.yml", "w") as f:
                f.write("alerts:\n  - name: a\n    condition: cpu_usage over 9000\n")
            r = stoa("check", "rules", folder + "/wrong.yml")
            self.assertEqual(r.returncode, 1)
            self.assertIn("wrong.yml:2: alert a: condition", r.stderr)

    def test_templates_give_what_promtool_gives(self):
        promtool = harness.ROOT / "build/peers/prometheus/usr/bin/promtool"
        if not promtool.exists():
            self.skipTest("no promtool: tools/peers.sh gets it")
        values = "0 1 -1 0.5 0.0012 1234567 1e6 123456789 1e-7 1e17 59.5 60 3599 90061 -90061.7 1048576 1e15 0.1 99.99".split()
        annotations = {
            "plain": "{{ $value }} {{ $labels }} {{ .Labels.n }} {{ len $labels }} {{ $labels.nosuch }}",
            "human": "{{ humanize $value }} {{ humanize1024 $value }} {{ humanizeDuration $value }} {{ humanizePercentage $value }}",
            "time": "{{ humanizeTimestamp $value }}",
            "printf": '{{ printf "%.3f|%8.2f|%-8.1f|%g|%e|%v|%d|%s|%+.1f|%08.3f" $value $value $value $value $value $value $value $value $value $value }}',
            "texts": '{{ printf "%5s|%-5s|%x|%t|%q|%d" "ab" "ab" "hi" true "q" 5 }} {{ printf "%d %s" 5 }} {{ printf "%d" 1 2 }} {{ 1.5 }} {{ 0x10 }} {{ \'a\' }}',
            "case": '{{ title "hello wORLD o\'neil x_y a-b" }} {{ toUpper "a\u00e9\u03b1\u0436" }} {{ toLower "\u00c9A" }}',
            "print": '{{ print 1 2 "a" "b" 3 }} {{ println 1 "a" }}{{ reReplaceAll "(a)(b)" "$2$1" "abab" }} {{ match "a.c" "xabcx" }}',
            "query": '{{ range query "x" | sortByLabel "n" }}{{ .Labels.n }}={{ . | value }},{{ end }}',
            "urls": '{{ stripPort "a:80" }} {{ stripPort "[::1]:80" }} {{ stripDomain "a.b.c" }} {{ graphLink "a b" }} {{ tableLink "up == 0" }}',
            "html": '{{ html "<a&b>\'" }} {{ urlquery "a b&c" }}',
            "flow": "{{ if gt $value 1.0 }}big{{ else if eq $value 1.0 }}one{{ else }}small{{ end }} {{- /* c */ -}} {{ with $x := 5 }}{{ $x }}{{ end }}",
            "logic": "{{ and 0 1 }} {{ or 0 2 }} {{ not 0 }} {{ eq 1 2 1 }} {{ $y := 1 }}{{ range $i, $e := query \"x\" }}{{ $y = $i }}{{ end }}{{ $y }}",
            "define": '{{ define "m" }}[{{ .arg0 }}]{{ end }}{{ template "m" (args $value) }}',
        }
        groups = [{"name": "g", "rules": [{"alert": "A", "expr": "x or x != x", "annotations": annotations}]}]
        name = {v: f"n{i}" for i, v in enumerate(values)}
        with tempfile.TemporaryDirectory() as folder:
            for file, value in (("rules.yml", {"groups": groups}), ("test.yml", {
                    "rule_files": ["rules.yml"], "evaluation_interval": "1m", "tests": [{
                        "interval": "1m", "input_series": [{"series": f'x{{n="{name[v]}"}}', "values": v} for v in values],
                        "alert_rule_test": [{"eval_time": "0m", "alertname": "A", "exp_alerts": []}]}]})):
                with open(f"{folder}/{file}", "w") as f:
                    json.dump(value, f)
            p = subprocess.run([promtool, "test", "rules", "test.yml"], capture_output=True, text=True, cwd=folder)
        theirs, labels = {}, ""
        for line in (p.stdout + p.stderr).splitlines():
            if line.strip().startswith("Labels:"):
                labels = line.split('n="')[1].split('"')[0]
            if line.strip().startswith("Annotations:"):
                theirs[labels] = line
        self.assertEqual(len(theirs), len(values), p.stdout + p.stderr)
        s = self.server(config=FAST + json.dumps({"groups": groups})[1:-1].replace('"groups"', "groups", 1) + "\n")
        now = str(time.time_ns())
        points = [{"timeUnixNano": now, "asDouble": float(v), "attributes": [{"key": "n", "value": {"stringValue": name[v]}}]} for v in values]
        s.post_json("/v1/metrics", {"resourceMetrics": [{"resource": {}, "scopeMetrics": [{"metrics": [{"name": "x", "gauge": {"dataPoints": points}}]}]}]})
        for alert in self.wait("alerts", lambda: self.firing(s, "A")):
            for key, text in alert["annotations"].items():
                if key == "time" and float(alert["value"]) > 9e9:  # Prometheus gives an error, we the number
                    continue
                ours = f"{key}={json.dumps(text, ensure_ascii=False)}"
                self.assertIn(ours, theirs[alert["labels"]["n"]], alert["labels"]["n"])

    STORM = """global: {evaluation_interval: 1s}
groups:
  - name: storm
    rules:
      - alert: Storm
        expr: storm_now > 0
        annotations: {summary: "{{ $labels.instance }} is down"}
route: {receiver: hook, group_by: [instance], group_wait: 1s, group_interval: 5m, repeat_interval: 4h}
receivers:
- name: hook
  webhook_configs: [{url: '%s/hook', timeout: 30s}]
"""

    def samples(self, s, count, value):
        now = int(time.time() * 1000)
        body = harness.write_request([({"__name__": "storm_now", "instance": f"i{i:04}"}, [(now, value)]) for i in range(count)])
        self.assertEqual(s.post("/api/v1/write", body, harness.WRITE_HEADERS).status, 204)

    def metric(self, s, name):
        for line in s.get("/metrics").text.splitlines():
            if line.startswith(name) and line[len(name):len(name) + 1] in (" ", "{"):
                return float(line.rsplit(" ", 1)[1])
        return 0

    def test_a_storm_of_5000_alerts_is_few_writes_and_survives_a_kill(self):
        count = 5000
        hook = test_notify.Target()
        self.addCleanup(hook.close)
        s = self.server(config=self.STORM % hook.url)
        hook.fault = 503  # nobody hears of it before the kill
        self.samples(s, count, 1)
        self.wait("an incident for each alert", lambda: self.metric(s, "stoa_dispatch_incidents_written_total") >= count, 60)
        opened = {i["group_labels"]["instance"]: i["id"] for i in s.get("/api/stoa/v1/incidents", {"limit": 2000}).json["incidents"]}
        s.kill()
        self.assertEqual(len(opened), 2000)
        hook.fault = None
        s.start()
        told = lambda: {b["groupLabels"]["instance"] for b in hook.bodies()}
        self.wait("everybody to be told", lambda: len(told()) == count, 120)
        ids = {b["groupLabels"]["instance"]: b["incident"]["id"] for b in hook.bodies()}
        self.assertEqual({k: ids[k] for k in opened}, opened)
        self.wait("what was told to be written", lambda: self.metric(s, "stoa_dispatch_incidents_written_total") >= count, 30)
        written, writes = self.metric(s, "stoa_dispatch_incidents_written_total"), self.metric(s, "stoa_dispatch_writes_total")
        self.assertLess(writes, written / 10, "incidents are written one by one")
        self.assertNotRegex(s.get("/metrics").text, "(?m)^stoa_dispatch_state_errors_total ")
        self.assertGreater(self.metric(s, "prometheus_rule_group_last_duration_seconds"), 0)
        self.assertIn('alertmanager_alerts{state="active"} 5000', s.get("/metrics").text)
        s.kill()  # what it told it knows
        before = len(hook.got)
        s.start()
        self.wait("rounds", lambda: self.metric(s, "prometheus_rule_group_iterations_total") > 2)
        time.sleep(2)
        self.assertEqual(len(hook.got), before)


if __name__ == "__main__":
    harness.main()
