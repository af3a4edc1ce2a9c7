# SPDX-License-Identifier: Apache-2.0
"""kill -9 in the middle of a load, again and again on the same data: what was acknowledged is there, once; what was not is
there whole or not at all."""
import collections
import json
import os
import random
import threading
import time

import harness

ROUNDS = int(os.environ.get("STOA_CRASH_ROUNDS", "50"))
SERIES, SAMPLES, LINES, SPANS = 3, 4, 5, 4


class Load:
    """Sends metrics, logs and spans in three threads until stopped; remembers what was acknowledged."""

    def __init__(self, server, round_number):
        self.server, self.round = server, round_number
        self.acked = collections.defaultdict(set)
        self.sent = collections.defaultdict(set)
        self.stopping = False
        self.threads = [threading.Thread(target=self.run, args=(kind, send), daemon=True)
                        for kind, send in (("metrics", self.metrics), ("logs", self.logs), ("spans", self.spans))]
        for t in self.threads:
            t.start()

    def run(self, kind, send):
        n = 0
        while not self.stopping:
            n += 1
            self.sent[kind].add(n)
            try:
                if send(n).status < 300:
                    self.acked[kind].add(n)
            except (OSError, ConnectionError, Exception):
                return

    def metrics(self, n):
        now = int(time.time() * 1000)
        series = [({"__name__": "crash", "r": str(self.round), "q": str(n), "s": str(i)},
                   [(now - k * 1000, float(k)) for k in reversed(range(SAMPLES))]) for i in range(SERIES)]
        return self.server.post("/api/v1/write", harness.write_request(series), harness.WRITE_HEADERS)

    def logs(self, n):
        now = time.time_ns()
        values = [[str(now + i), f"line {self.round} {n} {i}"] for i in range(LINES)]
        return self.server.post_json("/loki/api/v1/push", {"streams": [{"stream": {"app": "crash", "r": str(self.round)}, "values": values}]})

    def spans(self, n):
        now = time.time_ns()
        spans = [{"traceId": f"{self.round:016x}{n:016x}", "spanId": f"{i + 1:016x}", "name": "crash", "kind": 2, "startTimeUnixNano": str(now),
                  "endTimeUnixNano": str(now + 1000), "attributes": [{"key": "r", "value": {"stringValue": str(self.round)}}]}
                 for i in range(SPANS)]
        body = {"resourceSpans": [{"resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "crash"}}]},
                                   "scopeSpans": [{"spans": spans}]}]}
        return self.server.post_json("/v1/traces", body)

    def stop(self):
        self.stopping = True
        for t in self.threads:
            t.join(30)


def found_metrics(s, r):
    result = s.query(f'sum by (q) (count_over_time(crash{{r="{r}"}}[1h]))')
    return {int(x["metric"]["q"]): float(x["value"][1]) / (SERIES * SAMPLES) for x in result}


def found_logs(s, r):
    counts = collections.Counter()
    for stream in s.logs(f'{{app="crash",r="{r}"}}', limit=50000):
        for _, line in stream["values"]:
            counts[int(line.split()[2])] += 1
    return {n: c / LINES for n, c in counts.items()}


def found_spans(s, r):
    reply = s.get("/jaeger/api/traces", {"service": "crash", "tags": json.dumps({"r": str(r)}), "limit": 1500})
    return {int(t["traceID"][16:], 16): len(t["spans"]) / SPANS for t in reply.json["data"]}


FOUND = {"metrics": found_metrics, "logs": found_logs, "spans": found_spans}


class Crash(harness.Case):
    def check(self, server, load):
        for kind, find in FOUND.items():
            found = find(server, load.round)
            for n in load.acked[kind]:
                self.assertEqual(found.get(n), 1.0, f"round {load.round}: {kind} request {n} was acknowledged")
            for n, part in found.items():
                self.assertIn(n, load.sent[kind])
                self.assertEqual(part, 1.0, f"round {load.round}: {kind} request {n} is there in part or more than once")

    def test_kill_9_loses_nothing_that_was_acknowledged(self):
        seed = int(os.environ.get("STOA_TEST_SEED", time.time_ns() % 1000000))
        dice = random.Random(seed)
        print(f"seed {seed}, {ROUNDS} rounds")
        s = self.server()
        loads = []
        for r in range(ROUNDS):
            load = Load(s, r)
            time.sleep(dice.uniform(0.02, 0.25))
            if dice.random() < 0.3:
                try:
                    s.post("/api/stoa/v1/flush" if dice.random() < 0.7 else "/api/stoa/v1/merge", timeout=0.05 if dice.random() < 0.5 else 10)
                except Exception:
                    pass
            s.kill()
            load.stop()
            loads.append(load)
            s.start()
            self.check(s, load)
        self.assertGreater(sum(len(x.acked["metrics"]) for x in loads), ROUNDS)
        self.assertEqual(s.post("/api/stoa/v1/merge").status, 200)
        for load in loads[::max(1, ROUNDS // 10)]:
            self.check(s, load)
        self.assertEqual(s.stop(), 0)
        s.start()
        status = s.get("/api/stoa/v1/status").json["data"]
        self.assertEqual(status["wal_bytes"], 0, "a clean stop leaves an empty WAL")
        self.assertEqual(status["corrupt_blocks"], 0)
        self.check(s, loads[-1])


if __name__ == "__main__":
    harness.main()
