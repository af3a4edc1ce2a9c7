# SPDX-License-Identifier: Apache-2.0
"""Answers over sampled rows: each row counts as often as it weighs, and every answer says that it is an estimate."""
import json
import math
import time

import harness

NOW = int(time.time())
# A tenth of the fast lines is kept, all of the slow ones: numbers that do not weigh are far off.
CONFIG = """
sampling:
  - {name: fast, service: shop, contains: fast, keep: 10%}
"""
FAST, SLOW = 4000, 400


def times(values, weights):
    return [v for v, w in zip(values, weights) for _ in range(w)]


def quantile(q, values):
    values = sorted(values)
    rank = q * (len(values) - 1)
    low = math.floor(rank)
    return values[low] + (rank - low) * (values[min(low + 1, len(values) - 1)] - values[low])


class Sampled(harness.Case):
    def push(self, s, stream, lines):
        base = (NOW - 100) * 10**9
        r = s.post_json("/loki/api/v1/push", {"streams": [{"stream": stream, "values": [[str(base + i), x] for i, x in enumerate(lines)]}]})
        self.assertEqual(r.status, 204, r.text)

    def one(self, s, query):
        r = s.get("/loki/api/v1/query", {"query": query, "time": NOW}).json
        self.assertEqual(len(r["data"]["result"]), 1, query)
        return float(r["data"]["result"][0]["value"][1]), " ".join(r.get("infos", []))

    def test_numbers_weigh_and_every_answer_is_marked(self):
        s = self.server(config=CONFIG)
        self.push(s, {"service_name": "shop"}, [f"fast latency took={i % 10}" for i in range(FAST)] + [f"slow latency took={100 + i % 10}" for i in range(SLOW)])
        self.push(s, {"service_name": "whole"}, [f"latency took={i % 10}" for i in range(50)])
        window = {"start": str((NOW - 3600) * 10**9), "end": str((NOW + 60) * 10**9)}
        for stored in ("memory", "parts"):
            if stored == "parts":
                for what in ("flush", "merge"):
                    self.assertEqual(s.post(f"/api/stoa/v1/{what}").status, 200)
            rows = [v[1] for x in s.logs('{service_name="shop"}', start=window["start"], end=window["end"], limit=5000) for v in x["values"]]
            values = [int(x.split("=")[1]) for x in rows]
            weights = [10 if x.startswith("fast") else 1 for x in rows]
            self.assertTrue(SLOW < len(rows) < SLOW + FAST / 5, len(rows))
            all_of_them = times(values, weights)
            mean = sum(all_of_them) / len(all_of_them)
            variance = sum((v - mean)**2 for v in all_of_them) / len(all_of_them)
            unwrapped = '({service_name="shop"} | logfmt | unwrap took [1h])'
            wanted = {"avg_over_time": mean, "stdvar_over_time": variance, "stddev_over_time": variance**0.5, "min_over_time": 0, "max_over_time": 109}
            got, infos = self.one(s, f"sum(sum_over_time{unwrapped})")
            self.assertEqual((got, "sampled" in infos), (sum(all_of_them), True))
            for name, want in wanted.items():
                got, infos = self.one(s, f"{name}{unwrapped} by (service_name)")
                self.assertAlmostEqual(got, want, delta=1e-6 * max(abs(want), 1), msg=f"{name}, {stored}")
                self.assertIn("sampled", infos, name)
            for q in (0, 0.25, 0.5, 0.9, 0.93, 0.99, 1):
                got, infos = self.one(s, f"quantile_over_time({q}, " + unwrapped[1:])
                self.assertAlmostEqual(got, quantile(q, all_of_them), places=6, msg=f"{q}, {stored}")
                self.assertIn("sampled", infos)
            got, infos = self.one(s, 'sum(count_over_time({service_name="shop"}[1h]))')
            self.assertEqual((got, "sampled" in infos), (len(all_of_them), True))
            got, infos = self.one(s, 'avg_over_time({service_name="whole"} | logfmt | unwrap took [1h]) by (service_name)')
            self.assertEqual((got, infos), (4.5, ""), "nothing of it was sampled")
            self.other_answers(s, window, rows, weights)

    def other_answers(self, s, window, rows, weights):
        """Volumes of Loki, the volume of the store, patterns in both formats, the search box."""
        total = sum(len(x) * w for x, w in zip(rows, weights))
        for path in ("volume", "volume_range"):
            for service in ("shop", "whole"):
                r = s.get(f"/loki/api/v1/index/{path}", {"query": '{service_name="%s"}' % service, "step": "10000", **window}).json
                points = r["data"]["result"][0].get("values") or [r["data"]["result"][0]["value"]]
                self.assertEqual("sampled" in " ".join(r.get("infos", [])), service == "shop", path)
                if service == "shop":
                    got = sum(float(v) for _, v in points)
                    metadata = [x for x in rows if x]  # lines carry the level found as metadata or not; the text is in any case
                    self.assertTrue(total <= got <= total + 40 * sum(weights), (path, got, total, len(metadata)))
        kept = s.get("/api/stoa/v1/volume", {"by": "service", **window}).json
        self.assertEqual(kept["sampled"], True)
        self.assertEqual({x["key"]: x["lines"] for x in kept["rows"]}, {"shop": len(rows), "whole": 50})
        report = s.get("/api/stoa/v1/log_kinds", window).json
        self.assertEqual((report["sampled"], max(x["count"] for x in report["kinds"])), (True, sum(weights) + 50))
        for service in ("shop", "whole"):
            query = {"query": '{service_name="%s"}' % service, **window}
            own = s.get("/api/stoa/v1/patterns", query).json
            self.assertEqual((own["sampled"], own["lines"]), (service == "shop", sum(weights) if service == "shop" else 50))
            loki = s.get("/loki/api/v1/patterns", query).json
            self.assertEqual("sampled" in json.dumps(loki.get("infos", [])), service == "shop")


if __name__ == "__main__":
    harness.main()
