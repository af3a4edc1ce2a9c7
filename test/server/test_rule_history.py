# SPDX-License-Identifier: Apache-2.0
"""Recording rules that are new get the history they would have had: what is written, what is left as it is, what a restart does."""
import os
import pathlib
import subprocess
import tempfile
import time

import harness

HOUR = 3600
PROMTOOL = harness.ROOT / "build" / "peers" / "prometheus" / "usr" / "bin" / "promtool"
RULES = """groups:
- name: g
  interval: 30s
  rules:
  - {record: 'job:work:rate5m', expr: 'sum by (job) (rate(work_total[5m]))'}
  - {record: 'double:job:work:rate5m', expr: '2 * job:work:rate5m', labels: {kind: double}}
  - {alert: Never, expr: 'work_total < 0'}
"""


class History(harness.Case):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="stoa-history-")
        self.addCleanup(folder.cleanup)
        self.path = pathlib.Path(folder.name)
        self.rules = self.path / "rules.yml"
        self.now = int(time.time())
        self.start = (self.now - 3 * HOUR) // 60 * 60

    def config(self, backfill="6h"):
        return f"rules: {{backfill: {backfill}}}\nrule_files: ['{self.rules}']\n"

    def feed(self, s):
        series = []
        for i in range(4):
            labels = {"__name__": "work_total", "job": f"j{i % 2}", "instance": str(i)}
            series.append((labels, [(t * 1000, float((t - self.start) * (i + 1))) for t in range(self.start, self.now, 15)]))
        r = s.post("/api/v1/write", harness.write_request(series), harness.WRITE_HEADERS)
        self.assertIn(r.status, (200, 204), r.text)

    def backfills(self, s):
        rules = [r for g in s.get("/api/v1/rules").json["data"]["groups"] for r in g["rules"]]
        return {r["name"]: r["stoa"].get("backfill") for r in rules}

    def filled(self, s):
        def reached():
            b = self.backfills(s)
            return b if all(x["state"] == "running" and x["until_ms"] >= x["end_ms"] - 60000 or x["state"] == "done" for n, x in b.items() if n != "Never") else None
        return self.eventually(reached, what="the history")

    def values(self, s, query, hours=4):
        return {t: float(v) for r in s.query(f"{query}[{hours}h]") for t, v in r["values"]}

    def test_history_is_filled_as_if_the_rule_had_always_been_there(self):
        self.rules.write_text("groups: []\n")
        s = self.server(config=self.config())
        self.feed(s)
        self.rules.write_text(RULES)
        self.assertEqual(s.post("/-/reload").status, 200)
        b = self.filled(s)
        self.assertIsNone(b["Never"])
        self.assertEqual(b["job:work:rate5m"]["failures"], 0)
        # The counters begin within the six hours: nothing is there before them; from the second sample on every step has its value.
        got = self.values(s, 'job:work:rate5m{job="j0"}')
        steps = sorted(got)
        self.assertGreater(len(steps), 3 * HOUR / 30 - 10)
        self.assertEqual({round(b - a) for a, b in zip(steps, steps[1:])}, {30})
        self.assertGreaterEqual(steps[0], self.start)
        for t in steps[1::40]:
            want = s.query('sum by (job) (rate(work_total{job="j0"}[5m]))', at=t)[0]["value"][1]
            self.assertAlmostEqual(got[t], float(want), places=9)
        doubled = self.values(s, 'double:job:work:rate5m{job="j0",kind="double"}')
        self.assertGreater(len(doubled), len(steps) - 5)
        for t, v in doubled.items():
            if t in got:
                self.assertAlmostEqual(v, 2 * got[t], places=9)
        self.assertIn("stoa_rule_backfill_samples_total", s.get("/metrics").text)
        # Once, also after a crash.
        before = self.values(s, 'job:work:rate5m{job="j0"}')
        s.kill()
        s.start()
        self.assertEqual(self.backfills(s)["job:work:rate5m"]["from_ms"], b["job:work:rate5m"]["from_ms"])
        after = self.values(s, 'job:work:rate5m{job="j0"}')
        self.assertEqual({t: after.get(t) for t in before}, before)

    def test_a_crash_in_the_middle_changes_nothing(self):
        self.rules.write_text("groups: []\n")
        s = self.server(config=self.config())
        self.feed(s)
        self.rules.write_text(RULES)
        self.assertEqual(s.post("/-/reload").status, 200)
        s.kill()
        s.start()
        self.filled(s)
        got = self.values(s, 'job:work:rate5m{job="j1"}')
        steps = sorted(t for t in got if t < self.now - 60)
        self.assertEqual({round(b - a) for a, b in zip(steps, steps[1:])}, {30})

    def test_what_is_there_stays(self):
        self.rules.write_text("groups: []\n")
        s = self.server(config=self.config())
        self.feed(s)
        there = [(t * 1000, 777.0) for t in range(self.start + HOUR, self.start + 2 * HOUR, 60)]
        s.post("/api/v1/write", harness.write_request([({"__name__": "job:work:rate5m", "job": "j0"}, there)]), harness.WRITE_HEADERS)
        self.rules.write_text(RULES.replace("30s", "60s"))
        self.assertEqual(s.post("/-/reload").status, 200)
        self.eventually(lambda: self.backfills(s)["job:work:rate5m"]["until_ms"] > (self.now - 200) * 1000, what="the history")
        got = self.values(s, 'job:work:rate5m{job="j0"}')
        inside = {t: v for t, v in got.items() if self.start + HOUR <= t <= self.start + 2 * HOUR - 60}
        self.assertEqual(sorted(inside), [t / 1000 for t, _ in there])
        self.assertEqual(set(inside.values()), {777.0})
        self.assertGreater(len(got), len(there) + 60)

    def test_off_means_off(self):
        self.rules.write_text(RULES)
        s = self.server(config=self.config("0s"))
        self.feed(s)
        self.assertEqual(self.backfills(s), {"job:work:rate5m": None, "double:job:work:rate5m": None, "Never": None})

    def test_it_gives_what_promtool_gives(self):
        """`promtool tsdb create-blocks-from rules` asks the same server for the same times."""
        if not PROMTOOL.exists():
            self.skipTest("no promtool: tools/peers.sh gets it")
        self.rules.write_text("groups: []\n")
        s = self.server(config=self.config())
        self.feed(s)
        one = self.path / "one.yml"
        one.write_text("groups:\n- name: g\n  interval: 60s\n  rules:\n  - {record: 'job:work:rate5m', expr: 'sum by (job) (rate(work_total[5m]))'}\n")
        out = self.path / "blocks"
        made = subprocess.run([str(PROMTOOL), "tsdb", "create-blocks-from", "rules", "--url", s.url, "--start", str(self.start + 600), "--end",
                               str(self.start + 2 * HOUR), "--output-dir", str(out), str(one)], capture_output=True, text=True)
        self.assertEqual(made.returncode, 0, made.stderr)
        other = self.server()
        r = subprocess.run([harness.BINARY, "import", "--url", other.url, "prometheus", str(out)], capture_output=True, text=True)
        self.assertEqual(r.returncode, 0, r.stderr)
        theirs = self.values(other, 'job:work:rate5m{job="j0"}')
        self.rules.write_text(one.read_text())
        self.assertEqual(s.post("/-/reload").status, 200)
        self.eventually(lambda: self.backfills(s)["job:work:rate5m"]["until_ms"] > (self.start + 2 * HOUR) * 1000, what="the history")
        mine = self.values(s, 'job:work:rate5m{job="j0"}')
        inside = {t: v for t, v in mine.items() if self.start + 600 <= t <= self.start + 2 * HOUR}
        self.assertLessEqual(abs(len(inside) - len(theirs)), 1)
        self.assertGreater(len(theirs), 100)
        for values in (inside, theirs):
            for v in values.values():
                self.assertAlmostEqual(v, 4.0, places=6)


if __name__ == "__main__":
    harness.main()
