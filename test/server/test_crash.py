# SPDX-License-Identifier: Apache-2.0
"""kill -9 in the middle of a load, again and again on the same data: what was acknowledged is there, once; what was not is
there whole or not at all. Spans have all that OTLP knows of one, and are read by the id of their trace; one trace has a span of each
request of all rounds. A trace that arrives over an hour around midnight is whole at every moment."""
import base64
import collections
import json
import os
import random
import threading
import time

import harness

ROUNDS = int(os.environ.get("STOA_CRASH_ROUNDS", "50"))
SERIES, SAMPLES, LINES, SPANS = 3, 4, 5, 4
LONG_TRACE = "c0ffee" + "0" * 20 + "000001"
DAY_S, MINUTE_S, NS = 86400, 60, 10**9


def attributes(**values):
    kinds = {bool: lambda v: {"boolValue": v}, int: lambda v: {"intValue": str(v)}, float: lambda v: {"doubleValue": v},
             bytes: lambda v: {"bytesValue": base64.b64encode(v).decode()}, str: lambda v: {"stringValue": v},
             list: lambda v: {"arrayValue": {"values": [{"stringValue": x} for x in v]}}}
    return [{"key": k.replace("__", "."), "value": kinds[type(v)](v)} for k, v in sorted(values.items())]


def span_of(trace, number, parent, start_ns, duration_ns=1000, **more):
    """A span with all that OTLP knows of one."""
    s = {"traceId": trace, "spanId": f"{number:016x}", "traceState": f"step={number}", "name": f"crash {number % 7}", "kind": 1 + number % 5,
         "startTimeUnixNano": str(start_ns), "endTimeUnixNano": str(start_ns + duration_ns),
         "attributes": attributes(http__request__method="GET", n=number, ratio=number / 4 + 0.5, ok=number % 2 == 0, raw=b"\0\xff" + bytes([number % 256]),
                                  list=["a", f"b{number}"], url__path=f"/things/{number % 99991}", **more),
         "status": {"code": 2, "message": f"broken {number}"} if number % 3 == 0 else {"code": 1} if number % 3 == 1 else {}}
    if parent:
        s["parentSpanId"] = f"{parent:016x}"
    if number % 2 == 0:
        s["events"] = [{"timeUnixNano": str(start_ns + 5), "name": "exception", "attributes": attributes(exception__type="E", line=number)}]
        s["links"] = [{"traceId": LONG_TRACE, "spanId": f"{number + 1:016x}", "traceState": "l=1", "attributes": attributes(why="retry")}]
    return s


def otlp(spans):
    return {"resourceSpans": [{"resource": {"attributes": attributes(service__name="crash")}, "scopeSpans": [{"scope": {"name": "t", "version": "1"}, "spans": spans}]}]}


def trace_by_id(server, trace):
    """Spans as OTLP in JSON has them, by their ids; attributes in order of their keys."""
    r = server.get("/jaeger/api/v3/traces/" + trace)
    if r.status == 404:
        return {}
    assert r.status == 200, r.text
    spans = [s for resource in r.json["result"]["resourceSpans"] for scope in resource["scopeSpans"] for s in scope["spans"]]
    for s in spans:
        for holder in [s, *s.get("events", []), *s.get("links", [])]:
            holder.get("attributes", []).sort(key=lambda a: a["key"])
    found = {s["spanId"]: s for s in spans}
    assert len(found) == len(spans), f"trace {trace} has a span twice"
    return found


class Load:
    """Sends metrics, logs and spans in three threads until stopped; remembers what was acknowledged."""

    def __init__(self, server, round_number):
        self.server, self.round = server, round_number
        self.acked = collections.defaultdict(set)
        self.sent = collections.defaultdict(set)
        self.bodies = {}
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

    def trace(self, n):
        return f"{self.round + 1:016x}{n:016x}"

    def long_number(self, n):
        return (self.round + 1) << 32 | n

    def spans(self, n):
        now = time.time_ns()
        spans = [span_of(self.trace(n), i + 1, i, now + i, r=str(self.round)) for i in range(SPANS)]
        self.bodies[n] = spans + [span_of(LONG_TRACE, self.long_number(n), 1, now)]
        return self.server.post_json("/v1/traces", otlp(self.bodies[n]))

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
    maxDiff = None

    def check(self, server, load):
        for kind, find in FOUND.items():
            found = find(server, load.round)
            for n in load.acked[kind]:
                self.assertEqual(found.get(n), 1.0, f"round {load.round}: {kind} request {n} was acknowledged")
            for n, part in found.items():
                self.assertIn(n, load.sent[kind])
                self.assertEqual(part, 1.0, f"round {load.round}: {kind} request {n} is there in part or more than once")
        self.check_traces(server, load)

    def check_traces(self, server, load):
        """By id: a span is as it was sent, and a request's spans are there in both of its traces or in none."""
        long = trace_by_id(server, LONG_TRACE)
        for n in load.sent["spans"]:
            *sent, last = load.bodies[n]
            found = trace_by_id(server, load.trace(n))
            if n in load.acked["spans"] or found or last["spanId"] in long:
                self.assertEqual(found, {s["spanId"]: s for s in sent}, f"round {load.round}, request {n}")
                self.assertEqual(long.get(last["spanId"]), last, f"round {load.round}, request {n}: the long trace")

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
        for load in loads:
            self.check_traces(s, load)
        self.assertEqual(trace_by_id(s, "ab" * 16), {}, "an id that was never sent")

    def test_a_trace_that_arrives_over_an_hour_around_midnight_is_whole_at_every_moment(self):
        s = self.server()
        midnight = time.time_ns() // (DAY_S * NS) * DAY_S * NS
        sent, pieces = {}, 60
        for i in range(pieces):
            start = midnight + (i - pieces // 2) * MINUTE_S * NS
            spans = [span_of(LONG_TRACE, 2 * i + k + 1, i, start + k, 90 * MINUTE_S * NS if i == 0 else 1000) for k in range(2)]
            others = [span_of(f"{i + 1:016x}{k + 1:016x}", k + 1, 0, start + k) for k in range(50)]
            self.assertEqual(s.post_json("/v1/traces", otlp(others + spans)).status, 200)
            sent |= {x["spanId"]: x for x in spans}
            if i % 7 == 3:
                self.assertEqual(s.post("/api/stoa/v1/flush").status, 200)
            if i % 19 == 17:
                self.assertEqual(s.post("/api/stoa/v1/merge").status, 200)
            if i % 23 == 11:
                s.kill()
                s.start()
            self.assertEqual(trace_by_id(s, LONG_TRACE), sent, f"after piece {i}")
        for what in ("flush", "merge"):
            self.assertEqual(s.post(f"/api/stoa/v1/{what}").status, 200)
            self.assertEqual(trace_by_id(s, LONG_TRACE), sent, what)
        for path in (f"/jaeger/api/traces/{LONG_TRACE}", f"/zipkin/api/v2/trace/{LONG_TRACE}", f"/tempo/api/traces/{LONG_TRACE}"):
            r = s.get(path)
            self.assertEqual(r.status, 200, r.text[:200])
            self.assertTrue(all(x in r.text or base64.b64encode(bytes.fromhex(x)).decode() in r.text for x in sent), path)


if __name__ == "__main__":
    harness.main()
