# SPDX-License-Identifier: Apache-2.0
"""Native histograms in answers: beside numbers of one series, from the log and after a restart, summed up, and on the command line."""
import subprocess
import time

import harness
from test_native import V2, Request2, histogram


class Answers(harness.Case):
    def setUp(self):
        self.s = self.server()
        self.start = int(time.time()) // 60 * 60 - 600
        r = Request2()
        times = [(self.start + 60 * i) * 1000 for i in range(5)]
        for job, factor in (("a", 1), ("b", 2)):
            r.add([("__name__", "sizes"), ("job", job)],
                  histograms=[histogram(t, [factor * (i + 1), 2 * factor * (i + 1)], 4.5 * factor * (i + 1)) for i, t in enumerate(times)])
        r.add([("__name__", "both")], [(times[0], 7), (times[2], 8)])
        r.add([("__name__", "both")], histograms=[histogram(times[1], [1, 0, 0, 3], 20)])
        self.assertEqual(self.s.post("/api/v1/write", r.body(), V2).status, 204)

    def check(self):
        both, = self.s.query_range("both", self.start, self.start + 120, 60)
        self.assertEqual(both["values"], [[self.start, "7"], [self.start + 120, "8"]])
        self.assertEqual(both["histograms"], [[self.start + 60, {"count": "4", "sum": "20", "buckets": [[0, "0.5", "1", "1"], [0, "4", "8", "3"]]}]])
        raw, = self.s.query("sizes{job=\"a\"}[2m]", at=self.start + 240)
        self.assertNotIn("values", raw)
        self.assertEqual([h["count"] for _, h in raw["histograms"]], ["12", "15"])
        total, = self.s.query("sum(sizes)", at=self.start + 240)
        self.assertEqual(total["histogram"], [self.start + 240, {"count": "45", "sum": "67.5", "buckets": [[0, "0.5", "1", "15"], [0, "1", "2", "30"]]}])
        rates = self.s.query("histogram_count(rate(sizes[4m]))", at=self.start + 240)
        self.assertEqual([(r["metric"]["job"], round(float(r["value"][1]), 9)) for r in rates], [("a", 0.05), ("b", 0.1)])
        middle, = self.s.query("histogram_quantile(0.5, sum(rate(sizes[4m])))", at=self.start + 240)
        self.assertAlmostEqual(float(middle["value"][1]), 2 ** 0.25)

    def test_numbers_and_histograms_of_a_series_come_side_by_side_also_after_a_restart(self):
        self.check()
        self.s.stop()
        self.s.start()
        self.check()

    def test_the_command_line_prints_them(self):
        out = subprocess.run([harness.BINARY, "query", "--url", self.s.url, "--time", str(self.start + 60), "both"], capture_output=True, text=True)
        self.assertEqual((out.returncode, out.stdout.split(" @ ")[0]), (0, "both{} {count:4, sum:20, (0.5,1]:1, (4,8]:3}"), out.stderr)


if __name__ == "__main__":
    harness.main()
