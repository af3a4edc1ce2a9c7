# SPDX-License-Identifier: Apache-2.0
"""Downsampling: what raw samples said is still said when they are gone, and the answer tells."""
import random
import time

import harness

DAY, HOUR = 86400, 3600
KEEP_ALL = "retention_policies:\n  metrics: {retention_days: 30}\n  metrics_5m: {retention_days: 60}\n  metrics_1h: {retention_days: 365}\n"
KEEP_LITTLE = KEEP_ALL.replace("metrics: {retention_days: 30}", "metrics: {retention_days: 2}")
QUERIES = {  # text, relative difference allowed
    "max_over_time(gauge[1h])": 0, "min_over_time(gauge[1h])": 0, "sum_over_time(gauge[1h])": 1e-9, "count_over_time(gauge[1h])": 0,
    "last_over_time(gauge[1h])": 0, "sum by (job) (increase(hits_total[1h]))": 0.02, "rate(hits_total[30m])": 0.03, "gauge": 0,
    "avg_over_time(gauge[1h])": 1e-9,
}


class Downsample(harness.Case):
    def send(self, s, begin, end):
        rng, value = random.Random(5), 0
        gauge, hits = [], []
        for t in range(begin, end, 15):
            value = 0 if t % (7 * HOUR) == 30 else value + rng.randrange(4)
            gauge.append((t * 1000, float(rng.randrange(1000))))
            hits.append((t * 1000, float(value)))
        for at in range(0, len(gauge), 20000):
            body = harness.write_request([({"__name__": "gauge", "job": "a"}, gauge[at:at + 20000]), ({"__name__": "hits_total", "job": "a"}, hits[at:at + 20000])])
            self.assertLess(s.post("/api/v1/write", body, harness.WRITE_HEADERS).status, 300)

    def ask(self, s, text, start, end, **more):
        r = s.get("/api/v1/query_range", dict(query=text, start=start, end=end, step=HOUR, **more))
        self.assertEqual(r.status, 200, r.text)
        series = r.json["data"]["result"]
        return ([(t, float(v)) for t, v in series[0]["values"]] if series else []), r.json.get("infos", [])

    def wait_days(self, s, days):
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            line = [x for x in s.get("/metrics").text.splitlines() if x.startswith("stoa_downsampled_days_total")]
            if line and float(line[0].split()[1]) >= days:
                return
            time.sleep(0.2)
        self.fail(f"{days} days were not downsampled:\n" + "".join(s.log[-20:]))

    def check_same(self, text, allowed, want, got):
        self.assertEqual([t for t, _ in want], [t for t, _ in got], text)
        for (t, a), (_, b) in zip(want, got):
            self.assertLessEqual(abs(a - b), max(allowed * max(abs(a), abs(b), 10 * bool(allowed)), 0), f"{text} at {t}: {a} raw, {b} downsampled")

    def test_answers_stay_when_raw_samples_are_gone_and_say_so(self):
        today = int(time.time()) // DAY * DAY
        begin, first, last = today - 6 * DAY, today - 5 * DAY, today - 3 * DAY
        s = self.server(config=KEEP_ALL)
        self.send(s, begin, today)
        s.post("/api/stoa/v1/flush")
        s.post("/-/reload")  # looks for days at once
        self.wait_days(s, 5)
        raw = {text: self.ask(s, text, first, last) for text in QUERIES}
        self.assertTrue(all(not infos for _, infos in raw.values()), raw["gauge"])
        asked, infos = self.ask(s, "max_over_time(gauge[1h])", first, last, downsample="1h")
        self.assertEqual(asked, raw["max_over_time(gauge[1h])"][0])
        self.assertTrue(any("downsampled to 1h" in x for x in infos), infos)
        self.assertEqual(self.ask(s, "count_over_time(gauge[1h])", today - 4 * HOUR, today - HOUR, downsample="5m")[0],
                         self.ask(s, "count_over_time(gauge[1h])", today - 4 * HOUR, today - HOUR)[0])
        self.assertEqual(s.get("/api/v1/query", dict(query="gauge", downsample="2m")).status, 400)

        s.stop()
        s.config = KEEP_LITTLE
        s.start()
        s.post("/api/stoa/v1/flush")
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and not self.ask(s, "gauge", first, last)[1]:
            time.sleep(0.2)
        for text, allowed in QUERIES.items():
            got, infos = self.ask(s, text, first, last)
            self.check_same(text, allowed, raw[text][0], got)
            self.assertTrue(any("downsampled to 5m" in x for x in infos), f"{text}: {infos}")
        self.assertEqual(self.ask(s, "count(gauge)", today - HOUR, today)[1], [])

    def test_late_samples_are_in_the_day_when_it_is_done_again(self):
        today = int(time.time()) // DAY * DAY
        s = self.server(config=KEEP_ALL)
        self.send(s, today - 2 * DAY, today - DAY)
        s.post("/api/stoa/v1/flush")
        s.post("/-/reload")
        self.wait_days(s, 1)
        noon = today - DAY - 12 * HOUR
        body = harness.write_request([({"__name__": "gauge", "job": "a"}, [(noon * 1000 - 7000, 5000.0)])])
        s.post("/api/v1/write", body, harness.WRITE_HEADERS)
        s.post("/api/stoa/v1/flush")
        raw = self.ask(s, "max_over_time(gauge[1h])", noon, noon)[0]
        self.assertEqual(raw, [(noon, 5000.0)])
        # It is not done again at once: what is asked for is the day as it was, and the answer says that it is downsampled.
        asked, infos = self.ask(s, "max_over_time(gauge[1h])", noon, noon, downsample="1h")
        self.assertLess(asked[0][1], 5000)
        self.assertTrue(infos)


if __name__ == "__main__":
    harness.main()
