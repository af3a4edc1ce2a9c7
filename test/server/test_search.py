# SPDX-License-Identifier: Apache-2.0
"""The language of the search box, by its API and by the command."""
import csv
import io
import json
import random
import subprocess
import time

import harness

LINES = [
    ("shop", "error", "Payment failed: connection reset by peer"),
    ("shop", "info", '{"msg":"paid","user":"ann","amount":120,"took":"1.6s"}'),
    ("web-1", "warn", 'msg="slow query" user=bob amount=7 status=504'),
    ("web-2", "info", "GET /health 200"),
]


class Case(harness.Case):
    def setUp(self):
        self.s = self.server()
        self.now = time.time_ns()
        body = {"streams": [{"stream": {"service_name": service, "level": level}, "values": [[str(self.now - 10**9 + i), line, {"region": f"eu-{i}"}]]}
                            for i, (service, level, line) in enumerate(LINES)]}
        self.assertEqual(self.s.post_json("/loki/api/v1/push", body).status, 204)


class Search(Case):
    def ask(self, text, **params):
        r = self.s.get("/api/stoa/v1/search", dict(query=text, **params))
        self.assertEqual(r.status, 200, r.text)
        return r.json["data"]

    def found(self, text, **params):
        """Indexes of the lines, oldest first."""
        lines = [(int(v[0]), v[1]) for s in self.ask(text, **params)["result"] for v in s["values"]]
        return [[line for _, _, line in LINES].index(line) for _, line in sorted(lines)]

    def both(self, text, expected):
        """From memory and from a part on disk."""
        self.assertEqual(self.found(text), expected, text)
        self.s.post("/api/stoa/v1/flush")
        self.assertEqual(self.found(text), expected, text)

    def test_words_fields_levels_and_groups(self):
        for text, expected in [("", [0, 1, 2, 3]), ("PAYMENT", [0]), ('"connection reset"', [0]), ("payment OR slow", [0, 2]), ("-user", [0, 3]),
                               ("user:ann", [1]), ("user:*", [1, 2]), ("amount>100", [1]), ("status>=500 OR payment", [0, 2]), ("took>1s", [1]),
                               ("service:web-*", [2, 3]), ("level>=warn", [0, 2]), ("-(level:info OR level:warn)", [0]), ("region:eu-3", [3]),
                               ("heal*", [3]), ("service:shop -paid", [0]), ("nothing", [])]:
            self.both(text, expected)

    def test_what_the_store_checks_lets_nothing_go(self):
        """NOT is never handed down to the store, so a search that is denied twice is checked row by row alone."""
        r = random.Random(7)
        words = ["Alpha", "beta", "g.mma", "naïve", "ÄRGER", "x=1", "user", "a*", "(tail)", "12:30", "\\d"]
        services = ["web", "web-1", "Shop", "", "übung"]
        streams = []
        for i in range(240):
            line = r.choice([" ", "\n", "  ", "|"]).join(r.choice(words) for _ in range(r.randint(0, 6))) + r.choice(["", f" user={r.choice('abc')} n={i % 9}", json.dumps(
                {"user": r.choice(["a", "b", 'c"d']), "n": i % 9, "took": f"{i}ms"})]) + f" #{i}"
            labels = {k: v for k, v in (("service_name", r.choice(services)), ("app", r.choice(["a", "b"])), ("level", r.choice(["", "info", "error", "debug"]))) if v}
            if i % 5 == 0:
                line = f'10.0.0.{i % 7} - {r.choice(["-", "ann"])} [23/Nov/2026:04:47:36 +0000] "GET /c/{i} HTTP/1.1" {r.choice([200, 404, 503])} {i} "-" "curl"'
            metadata = r.choice([{}, {"cart.id": str(i % 4)}, {"cart_id": str(i % 4)}, {"trace_id": f"{i % 4:032x}"}])
            streams.append({"stream": labels, "values": [[str(self.now - 10**9 + i), line, metadata]]})
        self.assertEqual(self.s.post_json("/loki/api/v1/push", {"streams": streams}).status, 204)

        def term():
            w = r.choice(words)
            return r.choice([lambda: json.dumps(w, ensure_ascii=False), lambda: json.dumps(w[:3].lower(), ensure_ascii=False), lambda: "service:" + r.choice(["web", "web*", "Shop", '""', "unknown_service", "übung"]),
                             lambda: "level" + r.choice([":", ">=", "<=", ">", "<", "!="]) + r.choice(["info", "error", "debug", "warn", "unknown"]),
                             lambda: "user" + r.choice([":", "!="]) + r.choice(["a", "b", "*"]), lambda: "n" + r.choice([">", "<=", ":"]) + str(r.randint(0, 9)),
                             lambda: "took>" + str(r.randint(0, 240)) + "ms", lambda: "#" + str(r.randint(0, 24)), lambda: "status" + r.choice([":503", ">=400", ":*"]), lambda: "path:" + r.choice(["/c/5", "/c/1*"]),
                             lambda: r.choice(["cart-id", "cart_id", "cart.id"]) + r.choice([":", "!=", ">"]) + str(r.randint(0, 3)), lambda: 'user:"c\\"d"',
                             lambda: f"trace_id:{r.randint(0, 3):032x}"])()

        def tree(depth):
            if depth == 0 or r.random() < 0.3:
                return r.choice(["", "", "-"]) + term()
            kids = [tree(depth - 1) for _ in range(r.randint(1, 3))]
            return r.choice(["", "", "-"]) + "(" + r.choice([" ", " OR "]).join(kids) + ")"

        def lines(text):
            params = dict(limit=1000)
            return sorted(v[0] for s in self.ask(text, **params)["result"] for v in s["values"])

        searches = [tree(2) for _ in range(120)] + ['service:""', "service:unknown_service", "service:*", "-service:*", "-service:web", "-service:web*"]
        fresh = {}
        for text in searches:
            fresh[text] = lines(text)
            self.assertEqual(fresh[text], lines(f"-(-({text}))"), text)
        self.assertTrue(any(fresh.values()))
        self.s.post("/api/stoa/v1/flush")
        for text in searches:
            self.assertEqual(fresh[text], lines(text), text)
            logql = self.ask(text)["logql"]
            if logql:
                found = sorted(v[0] for s in self.s.logs(logql, limit=1000) for v in s["values"])
                self.assertEqual(fresh[text], found, (text, logql))

    def test_counts_of_a_time_longer_than_a_number_can_say(self):
        r = self.s.get("/api/stoa/v1/search", dict(query="", start=-(2**62) - 2**60, end=2**62 + 2**60, step=str(2**53 // 10**9)))
        self.assertEqual(r.status, 200, r.text)
        self.assertEqual(sum(float(v[1]) for s in r.json["data"]["result"] for v in s["values"]), len(LINES))

    def test_the_same_as_logql_gives_the_same_lines(self):
        for text in ["PAYMENT", "payment OR slow", "service:web-* -health", "level>=warn", "-level:info reset", "service:shop"]:
            logql = self.ask(text)["logql"]
            lines = sorted(v[1] for s in self.s.logs(logql) for v in s["values"])
            self.assertEqual(lines, sorted(LINES[i][2] for i in self.found(text)), logql)
        for text, why in [("user:ann", "the field user"), ("payment OR user:ann", "OR between")]:
            data = self.ask(text)
            self.assertIsNone(data["logql"])
            self.assertIn(why, data["why"])
        self.assertEqual(self.s.get("/api/stoa/v1/search/logql", dict(query="service:shop")).json["data"], {"logql": '{service_name="shop"}'})

    def test_counts_by_level(self):
        data = self.ask("user:* OR payment", start=self.now // 10**9 - 60, end=self.now // 10**9 + 60, step="120s")
        self.assertEqual(data["resultType"], "matrix")
        counts = {m["metric"]["detected_level"]: sum(float(v) for _, v in m["values"]) for m in data["result"]}
        self.assertEqual(counts, {"error": 1, "info": 1, "warn": 1})

    def test_limits_and_order(self):
        self.assertEqual(self.found("", limit=2), [2, 3])
        self.assertEqual(self.found("", limit=2, direction="forward"), [0, 1])

    def test_what_cannot_be_read_is_named_with_its_place(self):
        for text, why in [('a "b', "1:3: a quote is not closed"), ("status>x", 'found'), ("level:loud", "is no level"), ("x " * 65, "at most 64")]:
            r = self.s.get("/api/stoa/v1/search", dict(query=text))
            self.assertIn(r.status, (400, 422))
            if why != "found":
                self.assertIn(why, r.json["error"])
        self.assertEqual(self.s.get("/api/stoa/v1/search", dict(query="a", step="0s")).status, 400)
        self.assertEqual(self.s.get("/api/stoa/v1/search/logql", dict(query="(a")).status, 400)

    def test_the_command_and_the_tail(self):
        out = subprocess.run([harness.BINARY, "query", "--url", self.s.url, "--search", "user:ann"], capture_output=True, text=True, timeout=60)
        self.assertEqual(out.returncode, 0, out.stderr)
        self.assertIn('"user":"ann"', out.stdout)
        c = harness.http.client.HTTPConnection("127.0.0.1", self.s.port, timeout=30)
        self.addCleanup(c.close)
        c.request("GET", "/api/stoa/v1/tail?search=user:ann")
        self.assertIn("ann", json.loads(c.getresponse().readline())["line"])


class Export(Case):
    def export(self, **params):
        r = self.s.get("/api/stoa/v1/logs/export", params)
        self.assertEqual(r.status, 200, r.text)
        return r

    def test_lines_come_oldest_first_in_each_form(self):
        r = self.export(query='{service_name=~".+"}')
        rows = [json.loads(line) for line in r.text.splitlines()]
        self.assertEqual([row["line"] for row in rows], [line for _, _, line in LINES])
        self.assertEqual(rows[0]["labels"]["region"], "eu-0")
        self.assertEqual(int(rows[0]["time"]), self.now - 10**9)
        self.assertEqual(self.export(search="service:shop", format="plain").text, LINES[0][2] + "\n" + LINES[1][2] + "\n")
        table = list(csv.reader(io.StringIO(self.export(query='{service_name="web-1"}', format="csv").text)))
        self.assertEqual(table[0], ["time", "service", "level", "line", "labels"])
        self.assertEqual(table[1][1:4], ["web-1", "warn", LINES[2][2]])
        self.assertEqual(json.loads(table[1][4])["region"], "eu-2")

    def test_many_lines_are_streamed_whole(self):
        for k in range(20):
            values = [[str(self.now - 10**10 + k * 1000 + i), f"line {k * 1000 + i} " + "x" * 200] for i in range(1000)]
            self.assertEqual(self.s.post_json("/loki/api/v1/push", {"streams": [{"stream": {"service_name": f"many-{k % 3}"}, "values": values}]}).status, 204)
        out = subprocess.run([harness.BINARY, "export", "--logs", "--url", self.s.url, "--search", "service:many-* line"], capture_output=True, text=True,
                             timeout=120)
        self.assertEqual(out.returncode, 0, out.stderr)
        lines = [json.loads(line)["line"].split()[1] for line in out.stdout.splitlines()]
        self.assertEqual(lines, [str(i) for i in range(20000)])

    def test_what_cannot_be_exported_is_refused(self):
        for params, why in [(dict(query="{"), "parse error"), (dict(query='rate({a="b"}[1m])'), "a log query is wanted"), (dict(query='{a="b"}', format="xml"), "ndjson, csv")]:
            r = self.s.get("/api/stoa/v1/logs/export", params)
            self.assertEqual(r.status, 400)
            self.assertIn(why, r.text)
        out = subprocess.run([harness.BINARY, "export", "--logs", "--url", self.s.url, "{"], capture_output=True, text=True, timeout=60)
        self.assertEqual(out.returncode, 1)
        self.assertIn("parse error", out.stderr)


if __name__ == "__main__":
    harness.main()
