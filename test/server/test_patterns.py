# SPDX-License-Identifier: Apache-2.0
"""Patterns of log lines: Loki's call, our own, and the command."""
import json
import subprocess
import time

import harness

SECOND = 10**9


class Patterns(harness.Case):
    def setUp(self):
        self.s = self.server()
        self.now = time.time_ns() // SECOND * SECOND

    def push(self, service, level, lines, ago):
        """Lines a second apart, the first of them ago seconds ago."""
        values = [[str(self.now - (ago - i) * SECOND), line] for i, line in enumerate(lines)]
        body = {"streams": [{"stream": {"service_name": service, "level": level}, "values": values}]}
        self.assertEqual(self.s.post_json("/loki/api/v1/push", body).status, 204)

    def ask(self, query='{service_name=~".+"}', start=600, end=0, **params):
        r = self.s.get("/api/stoa/v1/patterns", dict(query=query, start=self.now - start * SECOND, end=self.now - end * SECOND, **params))
        self.assertEqual(r.status, 200, r.text)
        return r.json

    def listed(self, *args, **params):
        return [(p["pattern"], p["count"]) for p in self.ask(*args, **params)["patterns"]]

    def fill(self):
        self.push("shop", "info", [f"order {i} of user u{i} paid in {i * 3} ms" for i in range(40)], 300)
        self.push("db", "error", [f"connection from {host} lost" for host in ("alpha", "beta", "gamma", "delta", "epsilon")], 200)
        self.push("db", "info", ["started"], 100)

    def test_the_list_and_what_is_told_of_each(self):
        self.fill()
        for _ in range(2):  # from memory, and from a part on disk
            d = self.ask()
            self.assertEqual([(p["pattern"], p["count"]) for p in d["patterns"]],
                             [("order <_> of user <_> paid in <_> ms", 40), ("connection from <_> lost", 5), ("started", 1)])
            self.assertEqual((d["found"], d["lines"], d["partial"], d["sampled"]), (3, 46, False, False))
            first = d["patterns"][0]
            self.assertEqual(first["levels"], {"info": 40})
            self.assertEqual(first["services"], ["shop"])
            self.assertAlmostEqual(first["share"], 40 / 46)
            self.assertEqual(first["first_seen_ms"], (self.now - 300 * SECOND) // 10**6)
            self.assertEqual(first["last_seen_ms"], (self.now - 261 * SECOND) // 10**6)
            self.assertEqual(sum(n for _, n in first["samples"]), 40)
            self.assertEqual(d["patterns"][1]["levels"], {"error": 5})
            self.s.post("/api/stoa/v1/flush")

    def test_each_pattern_finds_its_lines_by_the_pattern_filter(self):
        self.fill()
        self.push("odd", "info", ["a=1,  b=<ok> [x] \"q\" (1) {2} tail ", "nodes n1 up, n2 up, n3 up, done", "nodes n1 up, n2 up, done",
                                 " ".join(f"{chr(97 + i % 26)}{chr(97 + i // 26)} {i}" for i in range(200)), "x " * 5000, "[<a b> <c>]<<d>>", "\n at once\n"], 90)
        for p in self.ask()["patterns"]:
            lines = sum(len(s["values"]) for s in self.s.logs('{service_name=~".+"} |> ' + json.dumps(p["pattern"])))
            self.assertEqual(lines, p["count"], p["pattern"])

    def test_a_query_of_stages_chooses_the_lines(self):
        self.fill()
        self.assertEqual(self.listed('{service_name="db"}'), [("connection from <_> lost", 5), ("started", 1)])
        self.assertEqual(self.listed('{service_name=~".+"} |= "start"'), [("started", 1)])
        self.assertEqual(self.listed('{service_name="shop"} | line_format "{{.service_name}} said so"'), [("shop said so", 40)])

    def test_new_and_rare_ones(self):
        self.fill()
        self.push("shop", "warn", ["order 77 of user u77 paid in 1 ms", "cache is cold"], 50)
        self.assertEqual(self.listed(new_since=self.now - 60 * SECOND), [("cache is cold", 1)])
        self.assertEqual(self.listed(order="rare", limit=2), [("started", 1), ("cache is cold", 1)])

    def test_what_differs_from_the_time_before_and_from_another_query(self):
        self.push("shop", "info", [f"order {i} paid" for i in range(30)], 190)
        self.push("shop", "info", [f"order {i} paid" for i in range(30)], 90)
        self.push("shop", "error", [f"order {i} refused" for i in range(20)], 80)
        d = self.ask(start=100, compare="before")
        self.assertEqual([(p["pattern"], p["count"], p["baseline"]) for p in d["patterns"]],
                         [("order <_> refused", 20, 0), ("order <_> paid", 30, 30)])
        self.assertGreater(d["patterns"][0]["change"], 3)
        self.assertEqual(d["patterns"][1]["change"], 0)
        d = self.ask('{service_name="shop", level="error"}', start=100, baseline='{service_name="shop", level="info"}')
        self.assertEqual({p["pattern"]: (p["count"], p["baseline"]) for p in d["patterns"]},
                         {"order <_> refused": (20, 0), "order <_> paid": (0, 30)})

    def test_as_loki_answers(self):
        self.fill()
        r = self.s.get("/loki/api/v1/patterns", dict(query='{service_name="db"}', start=self.now - 600 * SECOND, end=self.now, step="100s"))
        self.assertEqual(r.status, 200, r.text)
        self.assertEqual(r.json["status"], "success")
        self.assertEqual([p["pattern"] for p in r.json["data"]], ["connection from <_> lost", "started"])
        for t, n in r.json["data"][0]["samples"]:
            self.assertEqual(t % 100, 0)
            self.assertGreater(n, 0)

    def test_what_is_wrong_is_said(self):
        for params, why in [(dict(query="{a="), "parse error"), (dict(query='rate({a="b"}[1m])'), "log query"), (dict(compare="after"), "compare"),
                            (dict(order="best"), "order"), (dict(start="5", end="4"), "after the start")]:
            r = self.s.get("/api/stoa/v1/patterns", params)
            self.assertEqual(r.status, 400, r.text)
            self.assertIn(why, r.text)

    def test_the_command(self):
        self.fill()
        out = subprocess.run([harness.BINARY, "query", "--url", self.s.url, "--patterns", "--start", str(self.now - 600 * SECOND), '{service_name="db"}'],
                             capture_output=True, text=True, timeout=60)
        self.assertEqual(out.returncode, 0, out.stderr)
        lines = out.stdout.splitlines()
        self.assertEqual([line.split() for line in lines[:2]][0][0], "5")
        self.assertIn("connection from <_> lost", lines[0])
        self.assertIn("started", lines[1])


if __name__ == "__main__":
    harness.main()
