# SPDX-License-Identifier: Apache-2.0
"""Retention policies, folders of storage, filters and shares, cost, and erase: as a person meets them."""
import glob
import json
import os
import shutil
import subprocess
import tempfile
import time

import harness

DAY = 86400
NOW = int(time.time())
POLICIES = """
retention_policies:
  debug_logs: {retention_days: 2, storage: local, cost_per_gb: $0.10}
  info_logs: {retention_days: 30, storage: cloud, cost_per_gb: $0.50}
  error_logs: {retention_days: 90, storage: cloud, cost_per_gb: $0.50}
  audit_logs: {retention_days: 365, storage: archive, cost_per_gb: $0.05}
  metrics: {retention_days: 400, storage: local, cost_per_gb: 1}
  payments: {retention_days: 200, match: '{service_name="pay"}'}
"""


def push(s, stream, lines, at=None, tenant=None):
    """lines: texts, or (text, structured metadata)."""
    base = int((at if at is not None else time.time()) * 1e9)
    values = [[str(base + i), *(x if isinstance(x, tuple) else (x,))] for i, x in enumerate(lines)]
    headers = {"Content-Type": "application/json", **({"X-Scope-OrgID": tenant} if tenant else {})}
    r = s.post("/loki/api/v1/push", json.dumps({"streams": [{"stream": stream, "values": values}]}).encode(), headers)
    assert r.status == 204, r.text


def write(s, *series):
    r = s.post("/api/v1/write", harness.write_request(series), harness.WRITE_HEADERS)
    assert r.status == 204, r.text


def flush(s, merge=True):
    for what in ["flush"] + ["merge"] * merge:
        r = s.post(f"/api/stoa/v1/{what}")
        assert r.status == 200, r.text


def erase(s, **body):
    return s.post_json("/api/stoa/v1/erase", body)


def cost(s):
    r = s.get("/api/stoa/v1/cost")
    assert r.status == 200, r.text
    return r.json


def lines_of(s, selector, **kw):
    return sorted(v[1] for x in s.logs(selector, start=int((NOW - 400 * DAY) * 1e9), end=int((NOW + DAY) * 1e9), limit=5000, **kw) for v in x["values"])


def files_with(folder, text):
    """Files that hold the text, as grep finds it."""
    r = subprocess.run(["grep", "-rlaF", "--", text, folder], capture_output=True, text=True)
    return r.stdout.split()


class Retention(harness.Case):
    def classes(self, s):
        return {c["name"]: c for c in cost(s)["classes"]}

    def test_a_record_goes_to_the_class_of_its_level_and_everything_adds_up(self):
        s = self.server(config=POLICIES)
        push(s, {"service_name": "web", "level": "debug"}, ["level=debug a"] * 3)
        push(s, {"service_name": "web", "level": "warn"}, ["level=warn a"] * 2)
        push(s, {"service_name": "web", "level": "critical"}, ["level=critical a"])
        push(s, {"service_name": "pay", "level": "debug"}, ["level=debug a"] * 4)
        push(s, {"service_name": "web", "log_type": "audit"}, ["alice logged in"] * 5)
        push(s, {"service_name": "web"}, [json.dumps({"level": "error", "log_type": "audit"})] * 2)
        write(s, ({"__name__": "up", "job": "web"}, [(NOW * 1000, 1.0)]))
        flush(s)
        c = cost(s)
        rows = {x["name"]: x["rows"] for x in c["classes"]}
        self.assertEqual(rows, {"default": 0, "debug_logs": 3, "info_logs": 2, "error_logs": 1, "audit_logs": 7, "metrics": 1, "payments": 4})
        by_name = {x["name"]: x for x in c["classes"]}
        self.assertEqual((by_name["audit_logs"]["retention_days"], by_name["audit_logs"]["storage"], by_name["audit_logs"]["cost_per_gb"]),
                         (365, "archive", 0.05))
        self.assertEqual(c["currency"], "$")
        for k in c["classes"]:
            self.assertAlmostEqual(k["cost_month"], k["bytes"] / 1e9 * k["cost_per_gb"], places=12)
            self.assertAlmostEqual(sum(x["bytes"] for x in c["services"] if x["class"] == k["name"]), k["bytes"], delta=3)
        self.assertAlmostEqual(c["total_month"], sum(k["cost_month"] for k in c["classes"]), places=12)
        self.assertEqual({(x["service"], x["signal"], x["class"]) for x in c["services"] if x["service"] == "pay"}, {("pay", "logs", "payments")})
        self.assertIn(("web", "metrics"), {(x["service"], x["signal"]) for x in c["services"]})
        self.assertEqual(c["days"][0]["rows"], 18)
        self.assertGreater(c["growth_bytes_day"], 0)
        page = s.get("/metrics").text
        self.assertIn('stoa_store_class_bytes{class="debug_logs",storage="local"}', page)

    def test_each_class_is_dropped_after_its_own_days(self):
        s = self.server(config=POLICIES)
        for level in ["debug", "info"]:
            for age in [1, 4, 45]:
                push(s, {"service_name": "web", "level": level}, [f"{level} {age}"], at=NOW - age * DAY)
        write(s, ({"__name__": "old", "job": "web"}, [((NOW - 300 * DAY) * 1000, 1.0)]))
        flush(s)
        self.assertEqual(lines_of(s, '{service_name="web"}'), ["debug 1", "info 1", "info 4"])
        self.assertEqual(s.query("old", at=NOW - 300 * DAY)[0]["value"][1], "1")

    def test_parts_move_to_their_folder_and_are_read_there_also_after_kill_and_restart(self):
        cold = tempfile.mkdtemp(prefix="stoa-cold-")
        self.addCleanup(shutil.rmtree, cold, True)
        s = self.server(config=POLICIES + f"storage: {{archive: {cold}}}\n")
        push(s, {"service_name": "web", "level": "info"}, ["moved"], at=NOW - 3 * DAY)
        push(s, {"service_name": "web", "log_type": "audit"}, ["kept long"], at=NOW - 3 * DAY)
        push(s, {"service_name": "web", "level": "info"}, ["of today"])
        flush(s)
        where = lambda name: self.classes(s)[name]["bytes_by_storage"]
        self.eventually(lambda: where("info_logs")["cloud"] and where("audit_logs")["archive"], what="the move")
        self.assertTrue(glob.glob(os.path.join(s.data, "cloud", "events", "*", "*.part")))
        self.assertTrue(glob.glob(os.path.join(cold, "stoa-*", "events", "*", "*.part")))
        for again in range(3):
            self.assertEqual(lines_of(s, '{service_name="web"}'), ["kept long", "moved", "of today"])
            self.assertEqual(self.classes(s)["audit_logs"]["bytes_by_storage"]["local"], 0)
            if again == 0:
                self.assertRegex(s.get("/metrics").text, r"stoa_store_tier_moves_total [2-9]")
                s.kill()
            else:
                s.stop()
            s.start()
        self.assertEqual(len(glob.glob(os.path.join(s.data, "events", "*", "*.part"))), 1, "today's part alone stays")
        # A row that comes late joins the others.
        push(s, {"service_name": "web", "level": "info"}, ["late"], at=NOW - 3 * DAY + 60)
        flush(s)
        self.eventually(lambda: self.classes(s)["info_logs"]["bytes_by_storage"]["local"] < self.classes(s)["info_logs"]["bytes"], what="the second move")
        self.assertEqual(lines_of(s, '{service_name="web"}'), ["kept long", "late", "moved", "of today"])

    def test_a_folder_that_cannot_be_written_stops_nothing_and_is_told(self):
        wall = tempfile.NamedTemporaryFile(prefix="stoa-wall-")
        s = self.server(config=POLICIES + f"storage: {{cloud: {wall.name}}}\n")
        push(s, {"service_name": "web", "level": "info"}, ["stays"], at=NOW - 3 * DAY)
        flush(s)
        self.eventually(lambda: "stoa_store_tier_move_failures_total 1" in s.get("/metrics").text, what="the failure")
        push(s, {"service_name": "web", "level": "info"}, ["goes on"])
        self.assertEqual(lines_of(s, '{service_name="web"}'), ["goes on", "stays"])
        self.assertIn(wall.name, "".join(s.log))

    def test_policies_are_reloaded_and_keep_their_numbers(self):
        s = self.server(config=POLICIES)
        push(s, {"service_name": "web", "level": "info"}, ["ten days"], at=NOW - 10 * DAY)
        flush(s)
        before = self.classes(s)["info_logs"]["rows"]
        with open(os.path.join(s.data, "test.yml"), "w") as f:
            f.write("retention_policies:\n  notes: {retention_days: 3, match: '{service_name=\"notes\"}'}\n"
                    "  info_logs: {retention_days: 5, cost_per_gb: 2 EUR}\n")
        self.assertEqual(s.post("/-/reload").status, 200)
        self.eventually(lambda: self.classes(s)["info_logs"]["rows"] == 0, what="the drop by the new days")
        self.assertEqual((before, cost(s)["currency"]), (1, "EUR"))
        self.assertEqual(self.classes(s)["notes"]["retention_days"], 3)

    def test_mistakes_are_told_with_line_and_suggestion(self):
        for text, *words in [
            ("retention_policies:\n  debug_logs: {retention_day: 7}\n", "test.yml:2", "retention_days"),
            ("retention_policies:\n  debug_log: {retention_days: 7}\n", "test.yml:2", "debug_logs"),
            ("retention_policies:\n  debug_logs: {retention_days: 7, storage: clod}\n", "test.yml:2", "cloud"),
            ("retention_policies:\n  debug_logs: {retention_days: 7, cost_per_gb: cheap}\n", "test.yml:2", "$0.10"),
            ("retention_policies:\n  debug_logs: {storage: local}\n", "test.yml:2", "retention_days is missing"),
            ("retention_policies:\n  a: {retention_days: 1, match: '{x='}\n", "test.yml:2", "match"),
            ("storage: {clowd: /x}\n", "test.yml:1", "cloud"),
            ("sampling:\n  - {service: a, keep: 0}\n", "test.yml:2", "keep"),
            ("filters:\n  - {name: all}\n", "test.yml:2", "everything"),
            ("filters:\n  - {service: a, keep: 0.5}\n", "test.yml:2", "keep"),
        ]:
            with self.subTest(text), self.assertRaises(AssertionError) as e:
                self.server(config=text)
            for w in words:
                self.assertIn(w, str(e.exception))

    def test_one_request_may_have_many_days_of_many_classes_and_one_may_be_filtered_whole(self):
        s = self.server(config=POLICIES + "retention: 90d\nfilters: [{contains: noise}]\n")
        values = [[str(int((NOW - d * DAY) * 1e9)), f"level={level} x"] for d in range(60) for level in ("debug", "info", "error")]
        self.assertEqual(s.post_json("/loki/api/v1/push", {"streams": [{"stream": {"service_name": "old"}, "values": values}]}).status, 204)
        push(s, {"service_name": "old"}, ["noise"] * 3)
        flush(s)
        self.assertEqual({n: c["rows"] for n, c in self.classes(s).items() if c["rows"]}, {"debug_logs": 3, "info_logs": 31, "error_logs": 60},
                         "a day goes when all of it is too old")

    # ---- filters and shares ----

    def test_filters_drop_and_shares_keep_counts_right(self):
        s = self.server(config="""
filters:
  - {name: health, service: web, contains: "GET /healthz"}
sampling:
  - {name: chatter, service: api, level: debug, keep: 10%}
""")
        push(s, {"service_name": "web"}, ["GET /healthz 200", "GET /cart 200"])
        n = 20000
        for k in range(4):
            push(s, {"service_name": "api", "level": "debug"}, [f"level=debug step {k} {i}" for i in range(n // 4)], at=NOW - 100)
        push(s, {"service_name": "api", "level": "error"}, ["level=error boom"] * 5)
        for merged in [False, True]:
            if merged:
                flush(s)
            self.assertEqual(lines_of(s, '{service_name="web"}'), ["GET /cart 200"])
            self.assertEqual(len(lines_of(s, '{service_name="api", level="error"}')), 5)
            kept = len(lines_of(s, '{service_name="api", level="debug"}'))
            self.assertTrue(0.08 * n < kept < 0.12 * n, kept)
            for query in ['sum(count_over_time({service_name="api", level="debug"}[1h]))', 'sum(count_over_time({service_name="api", level="debug"} |= "step" [1h]))']:
                r = s.get("/loki/api/v1/query", {"query": query, "time": NOW + 10}).json
                self.assertEqual(float(r["data"]["result"][0]["value"][1]), 10 * kept, query)
                self.assertIn("sampled", " ".join(r.get("infos", [])), query)
        page = s.get("/metrics").text
        self.assertIn(f'stoa_sampling_rows_total{{rule="chatter",effect="kept"}} {kept}\n', page)
        self.assertIn(f'stoa_sampling_rows_total{{rule="chatter",effect="dropped"}} {n - kept}\n', page)
        self.assertIn('stoa_sampling_rows_total{rule="health",effect="dropped"} 1\n', page)

    # ---- erase ----

    def test_erase_counts_first_then_erases_and_leaves_nothing_in_any_file(self):
        s = self.server(config=POLICIES)
        secret = "u-7421-zebra"
        write(s, ({"__name__": "logins", "job": "web", "user_id": secret}, [((NOW - 60) * 1000, 1.0), ((NOW - 30) * 1000, 2.0)]),
              ({"__name__": "logins", "job": "web", "user_id": "other"}, [((NOW - 60) * 1000, 1.0)]))
        push(s, {"service_name": "web"}, [("by field", {"user_id": secret}), ("of another", {"user_id": "other"})], at=NOW - 50)
        push(s, {"service_name": "web", "user_id": secret}, ["by stream"], at=NOW - 50)
        push(s, {"service_name": "web"}, [json.dumps({"msg": "by json", "user": {"user_id": secret}}), f"msg=logfmt user_id={secret} ok"], at=NOW - 40)
        push(s, {"service_name": "web"}, [("old one", {"user_id": secret})], at=NOW - 5 * DAY)
        flush(s)
        push(s, {"service_name": "web"}, [("in memory", {"user_id": secret})], at=NOW - 10)
        self.assertTrue(files_with(s.data, secret))
        dry = erase(s, field="user_id", value=secret, dry_run=True)
        self.assertEqual(dry.status, 200, dry.text)
        self.assertEqual((dry.json["count"], dry.json["counts"]), (8, {"logs": 6, "spans": 0, "samples": 2, "other": 0}))
        self.assertEqual(dry.json["id"], "")
        self.assertEqual(len(lines_of(s, '{service_name="web"}')), 7, "a dry run changes nothing")
        done = erase(s, field="user_id", value=secret)
        self.assertEqual((done.status, done.json["count"]), (200, 8), done.text)
        for _ in range(2):
            self.assertEqual(lines_of(s, '{service_name="web"}'), ["of another"])
            self.assertEqual([x["metric"]["user_id"] for x in s.query("last_over_time(logins[1h])")], ["other"])
            self.assertEqual(s.post("/api/stoa/v1/merge").status, 200)
        state = {e["id"]: e for e in s.get("/api/stoa/v1/erases").json["erases"]}[done.json["id"]]
        self.assertEqual((state["field"], state["count"], state["state"], state["pending_parts"]), ("user_id", 8, "applied", 0))
        self.assertEqual(files_with(s.data, secret), [])
        s.stop()
        self.assertEqual(files_with(s.data, secret), [])
        s.start()
        self.assertEqual(lines_of(s, '{service_name="web"}'), ["of another"])

    def test_erase_meets_what_comes_late_too_also_after_kill(self):
        s = self.server()
        secret = "late-9917-heron"
        push(s, {"service_name": "web"}, [("early", {"who": secret})], at=NOW - 100)
        self.assertEqual(erase(s, field="who", value=secret, end=str(NOW)).json["count"], 1)
        s.kill()
        s.start()
        push(s, {"service_name": "web"}, [("late", {"who": secret}), ("fine", {"who": "x"})], at=NOW - 90)
        push(s, {"service_name": "web"}, [("after", {"who": secret})], at=NOW + 5)
        self.assertEqual(lines_of(s, '{service_name="web"}'), ["after", "fine"])
        flush(s)
        self.assertEqual(lines_of(s, '{service_name="web"}'), ["after", "fine"])
        self.assertEqual(erase(s, field="who", value=secret, end=NOW + 60).json["count"], 1)
        flush(s)
        self.assertEqual(files_with(s.data, secret), [])

    def test_erase_of_a_text_in_lines_of_one_tenant(self):
        s = self.server()
        for tenant in ["red", "blue"]:
            push(s, {"service_name": "web"}, ["card 4111-zz lost", "nothing here", "4111-zz"], at=NOW - 20, tenant=tenant)
        flush(s)
        r = s.post_json("/api/stoa/v1/erase", {"field": "body", "value": "4111-zz"})
        self.assertEqual(r.json["count"], 0)
        r = s.post("/api/stoa/v1/erase", json.dumps({"field": "body", "value": "4111-zz", "start": NOW - 60}).encode(), {"X-Scope-OrgID": "red"})
        self.assertEqual(r.json["count"], 2, r.text)
        ask = lambda t: s.get("/loki/api/v1/query_range", {"query": '{service_name="web"}', "start": NOW - 100, "end": NOW + 10}, headers={"X-Scope-OrgID": t}).json
        count = lambda t: sum(len(x["values"]) for x in ask(t)["data"]["result"])
        for _ in range(2):
            self.assertEqual((count("red"), count("blue")), (1, 3))
            flush(s)

    def test_erase_refuses_what_it_does_not_understand(self):
        s = self.server()
        for body, word in [({"field": "a"}, "value"), ({"value": "a"}, "field"), ({"field": "a", "value": ""}, "value"), ({"field": "a", "value": "b", "dryrun": True}, "dryrun"),
                           ({"field": "a", "value": "b", "dry_run": "yes"}, "dry_run"), ({"field": "body", "value": "a"}, "3"),
                           ({"field": "a", "value": "b", "start": 20, "end": 10}, "start"), ([], "object")]:
            r = s.post_json("/api/stoa/v1/erase", body)
            self.assertEqual(r.status, 400, body)
            self.assertIn(word, r.text)

    def test_an_erase_is_on_record_without_its_value(self):
        s = self.server()
        secret = "hidden-3141-otter"
        push(s, {"service_name": "web"}, [("x", {"who": secret})])
        self.assertEqual(erase(s, field="who", value=secret).status, 200)
        flush(s)
        records = self.eventually(lambda: [r for r in s.get("/api/stoa/v1/audit").json["records"] if r["action"] == "data.erase" and "who" in r["text"]],
                                  what="the audit record")
        self.assertEqual(records[0]["rows"], 1)
        self.assertEqual(files_with(s.data, secret), [])

    def test_the_command_asks_before_it_erases(self):
        s = self.server()
        push(s, {"service_name": "web"}, [("x", {"who": "me"}), ("y", {"who": "you"})])
        run = lambda *a, say="": subprocess.run([harness.BINARY, "erase", "--url", s.url, *a], input=say, capture_output=True, text=True)
        r = run("who=me", say="n\n")
        self.assertEqual(r.returncode, 1)
        self.assertIn("1 rows have who=me", r.stdout)
        self.assertEqual(len(lines_of(s, '{service_name="web"}')), 2)
        self.assertEqual(run("who=me", say="y\n").returncode, 0)
        self.assertEqual(lines_of(s, '{service_name="web"}'), ["y"])
        self.assertEqual(run("who=you", "--yes").returncode, 0)
        self.assertEqual(lines_of(s, '{service_name="web"}'), [])
        self.assertEqual(run("nothing").returncode, 2)

    # ---- encryption at rest ----

    def key_file(self, content):
        f = tempfile.NamedTemporaryFile(prefix="stoa-key-", delete=False)
        f.write(content)
        f.close()
        self.addCleanup(os.unlink, f.name)
        return f.name

    def test_nothing_can_be_read_on_disk_and_everything_in_answers(self):
        key = self.key_file(os.urandom(32))
        s = self.server(config=f"encryption: {{key_file: {key}}}\n" + POLICIES)
        mark = "crane-0815-at-rest"
        push(s, {"service_name": "web", "marked": mark}, [f"line {mark}", (f"field", {"f": mark})], at=NOW - 3 * DAY)
        push(s, {"service_name": "web"}, [f"today {mark}"])
        write(s, ({"__name__": "marked", "who": mark}, [(NOW * 1000, 1.0)]))
        for step in range(4):
            self.assertEqual(files_with(s.data, mark), [], step)
            self.assertEqual(len(lines_of(s, '{service_name="web"}')), 3)
            self.assertEqual(s.query(f'last_over_time(marked{{who="{mark}"}}[1h])')[0]["value"][1], "1")
            if step == 0:
                s.kill()
                s.start()
            elif step == 1:
                flush(s)
            elif step == 2:
                s.stop()
                s.start()
        self.eventually(lambda: glob.glob(os.path.join(s.data, "cloud", "events", "*", "*.part")), what="the move of encrypted parts")

    def test_without_the_right_key_the_server_does_not_start_and_nothing_is_deleted(self):
        hexed, other = self.key_file(b"ab" * 32 + b"\n"), self.key_file(b"cd" * 32)
        s = self.server(config=f"encryption: {{key_file: {hexed}}}\n")
        push(s, {"service_name": "web"}, ["a"])
        flush(s)
        push(s, {"service_name": "web"}, ["b"])
        s.kill()
        tree = lambda: sorted((p, os.path.getsize(p)) for p in glob.glob(os.path.join(s.data, "**"), recursive=True) if p.endswith((".part", ".wal", "KEYRING", "MANIFEST")))
        before, good = tree(), s.config
        for config, word in [(None, "encryption: {key_file: FILE} is needed"), (f"encryption: {{key_file: {other}}}\n", "does not fit"),
                             ("encryption: {key_file: /nowhere}\n", "/nowhere"), ("encryption: {}\n", "test.yml:1")]:
            s.config = config
            with self.assertRaises(AssertionError) as e:
                s.start()
            self.assertIn(word, str(e.exception))
            s.log.clear()
            s.process.wait()
            self.assertEqual(tree(), before)
        s.config = good
        s.start()
        self.assertEqual(lines_of(s, '{service_name="web"}'), ["a", "b"])

    def test_a_key_file_that_everybody_can_read_is_told(self):
        key = self.key_file(os.urandom(32))
        s = self.server(config=f"encryption: {{key_file: {key}}}\n")
        self.assertFalse([line for line in s.log if "can read the key file" in line])
        s.stop()
        os.chmod(key, 0o644)
        s.start()
        self.assertTrue([line for line in s.log if "can read the key file" in line])

    def test_plain_files_become_encrypted(self):
        s = self.server()
        mark = "wren-4242-plain"
        push(s, {"service_name": "web", "marked": mark}, ["a"])
        flush(s)
        s.stop()
        self.assertTrue(files_with(s.data, mark))
        s.config = f"encryption: {{key_file: {self.key_file(os.urandom(32))}}}\n"
        s.start()
        self.assertEqual(lines_of(s, '{service_name="web"}'), ["a"])
        flush(s)
        self.assertEqual(files_with(s.data, mark), [])
        self.assertEqual(lines_of(s, '{service_name="web"}'), ["a"])

    def test_the_sender_of_rows_older_than_they_are_kept_is_told(self):
        s = self.server(config="retention_policies:\n  error_logs: {retention_days: 90}\n  info_logs: {retention_days: 7}\n  metrics: {retention_days: 5}\n")
        day = 86400
        for age, level, told in ((0, "INFO", False), (40, "INFO", True), (40, "ERROR", False), (100, "ERROR", True)):
            t = str(int((time.time() - age * day) * 1e9))
            r = s.post_json("/loki/api/v1/push", {"streams": [{"stream": {"service_name": "web"}, "values": [[t, f"{level} x"]]}]})
            self.assertEqual(r.status, 204, r.text)
            warning = r.headers.get("X-Stoa-Warning")
            self.assertEqual(warning is not None, told, f"{age} days, {level}: {warning}")
        self.assertIn("1 rows are older than the 90d that such rows are kept", warning)
        old = int((time.time() - 10 * day) * 1000)
        r = s.post("/api/v1/write", harness.write_request([({"__name__": "x"}, [(old, 1.0), (old + 1, 2.0), (int(time.time() * 1000), 3.0)])]), harness.WRITE_HEADERS)
        self.assertIn("2 rows are older than the 5d", r.headers.get("X-Stoa-Warning"))
        point = {"timeUnixNano": str(old * 10**6), "asDouble": 1}
        body = {"resourceMetrics": [{"scopeMetrics": [{"metrics": [{"name": "y", "gauge": {"dataPoints": [point]}}]}]}]}
        r = s.post_json("/v1/metrics", body)
        self.assertEqual(r.status, 200)
        self.assertIn("older than the 5d", r.json["partialSuccess"]["errorMessage"])
        self.assertRegex(s.get("/metrics").text, r'stoa_pipeline_rows_total\{reason="too_old",effect="[a-z]+"\} 5\n')


if __name__ == "__main__":
    harness.main()
