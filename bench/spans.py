# SPDX-License-Identifier: Apache-2.0
"""The benchmark of spans: six services, real call trees, by OTLP in protobuf (bench/load_spans.c). What the load costs until it is settled,
its size against zstd -19 of the same requests, traces by id, searches, and RED by service. Nothing is asserted."""
import http.client
import json
import os
import statistics
import time
import urllib.parse

from corpus import packed_bytes, pieces
from servers import WORK, Stoa

SPANS = int(os.environ.get("STOA_BENCH_SPANS", "2000000"))
SAMPLE_BYTES_MAX = int(os.environ.get("STOA_BENCH_SAMPLE_MB", "300")) * 10**6
NS, HOUR_S, RUNS, MISSES = 10**9, 3600, 7, 200
LIVE_SECONDS_MAX = 40  # span metrics are written every 15 s
SERVICE, LIVE_RATE, LIVE_P99 = "checkout", "sum by (service) (rate(traces_spanmetrics_calls_total[5m]))", \
    "histogram_quantile(0.99, sum by (service) (rate(traces_spanmetrics_latency[5m])))"


class Logged(Stoa):
    """With a log of queries, which says how many blocks each opened."""

    def command(self):
        command = super().command()
        quiet = self.data / "quiet.yml"
        self.queries = self.data / "queries.json"
        quiet.write_text(quiet.read_text() + f"global:\n  query_log_file: {self.queries}\n")
        return command

    def blocks(self, since):
        """Of each query logged behind that place, the blocks it opened."""
        with open(self.queries, encoding="utf-8") as f:
            f.seek(since)
            return [json.loads(line)["blocksRead"] for line in f]

    def logged(self):
        return self.queries.stat().st_size if self.queries.exists() else 0


def kept_alive(server):
    return http.client.HTTPConnection("127.0.0.1", server.port, timeout=600)


def ask(connection, path, params=None, headers=None):
    connection.request("GET", path + ("?" + urllib.parse.urlencode(params) if params else ""), headers=headers or {})
    r = connection.getresponse()
    return r.status, r.read()


def many(server, paths, headers=None, wanted=200):
    """Each path once, on one connection: the median of the walls, the mean of CPU, blocks. The first of all warms up."""
    c = kept_alive(server)
    ask(c, paths[0], headers=headers)
    walls, total, since = [], 0, server.logged()
    cpu = server.cpu_now_s()
    for path in paths:
        began = time.monotonic()
        status, body = ask(c, path, headers=headers)
        walls.append((time.monotonic() - began) * 1000)
        if status != wanted:
            raise SystemExit(f"bench: {path}: {status} {body[:200]}")
        total += len(body)
    cpu_ms = (server.cpu_now_s() - cpu) * 1000 / len(paths)
    c.close()
    blocks = server.blocks(since)
    return {"ms": statistics.median(walls), "p99_ms": sorted(walls)[len(walls) * 99 // 100], "cpu_ms": cpu_ms, "bytes": total / len(paths),
            "blocks": statistics.median(blocks) if blocks else None, "of": len(paths)}


def timed(server, path, params, count):
    """The median of some runs after one; count says what an answer has."""
    c = kept_alive(server)
    began = time.monotonic()
    status, body = ask(c, path, params)
    cold = (time.monotonic() - began) * 1000
    if status != 200:
        c.close()
        return {"error": f"{status} {body[:100].decode('utf-8', 'replace').strip()}"}
    walls, cpus, since = [], [], server.logged()
    for _ in range(RUNS):
        cpu, began = server.cpu_now_s(), time.monotonic()
        status, body = ask(c, path, params)
        walls.append((time.monotonic() - began) * 1000)
        cpus.append((server.cpu_now_s() - cpu) * 1000)
    c.close()
    blocks = server.blocks(since)
    return {"cold_ms": cold, "ms": statistics.median(walls), "cpu_ms": statistics.median(cpus), "found": count(json.loads(body)),
            "blocks": statistics.median(blocks) if blocks else None}


def jaeger(start_s, end_s, tags):
    return "/jaeger/api/traces", {"service": SERVICE, "limit": 20, "start": start_s * 10**6, "end": end_s * 10**6, "tags": json.dumps(tags)}


def tempo(q, start_s, end_s):
    return "/tempo/api/search", {"q": q, "limit": 20} | ({"start": start_s, "end": end_s} if start_s else {})


def searches(start_s, end_s):
    """(name, path, params, how many an answer has, goal)"""
    def traces(d):
        return f"{len(d.get('traces') or d.get('data') or [])} traces"

    def series(d):
        return f"{len(d['series'])} series"
    by_service = f'resource.service.name = "{SERVICE}"'
    found = [("errors of a service (Jaeger)", *jaeger(start_s, end_s, {"http.response.status_code": "500"}), traces, "10"),
             ("a user of a service (Jaeger)", *jaeger(start_s, end_s, {"app.user.id": "u4711"}), traces, "10")]
    found += [(name, *tempo(q, start_s, end_s), traces, "10") for name, q in [
        ("errors of a service (TraceQL)", "{ %s && span.http.response.status_code = 500 }" % by_service),
        ("a user of a service (TraceQL)", '{ %s && span.app.user.id = "u4711" }' % by_service),
        ("slow ones of a service (TraceQL)", "{ %s && duration > 100ms }" % by_service),
        ("a user of any service (TraceQL)", '{ span.user.id = "u4711" }')]]
    found += [("a value that is nowhere, all time (TraceQL)", *tempo('{ span.user.id = "nobody-has-this-one" }', 0, 0), traces, "10"),
              ("a part of a text that is nowhere, regex, all time (TraceQL)", *tempo('{ span.db.query.text =~ ".*quicklime.*" }', 0, 0), traces, "")]
    for name, q in (("rate", "{ } | rate() by (resource.service.name)"), ("p99", "{ } | quantile_over_time(duration, 0.99) by (resource.service.name)")):
        found.append((f"{name} by service from spans (TraceQL metrics)", "/tempo/api/metrics/query_range",
                      {"q": q, "start": start_s, "end": end_s, "step": "60s"}, series, ""))
    for name, q in (("rate by route", "{ kind = server } | rate() by (span.http.route)"), ("what sets errors apart", "{ } | compare({ status = error })")):
        found.append((f"{name} (TraceQL metrics)", "/tempo/api/metrics/query", {"q": q, "start": start_s, "end": end_s}, series, ""))
    found.append(("RED of all services from spans (service page)", "/api/stoa/v1/services", {"start": start_s, "end": end_s}, lambda d: f"{len(json.dumps(d))} bytes", ""))
    return found


def live(server):
    """RED by service as counted while spans came."""
    out, c = {}, kept_alive(server)
    deadline = time.monotonic() + LIVE_SECONDS_MAX
    while time.monotonic() < deadline:
        if len(json.loads(ask(c, "/api/v1/query", {"query": LIVE_RATE})[1])["data"]["result"]) >= 6:
            break
        time.sleep(1)
    c.close()
    for name, q in (("rate", LIVE_RATE), ("p99", LIVE_P99)):
        out[name] = timed(server, "/api/v1/query", {"query": q}, lambda d: f"{len(d['data']['result'])} series")
    return out


def compared(sample, made):
    """What zstd makes of the first requests, a span."""
    size = min(made["sample_bytes"], SAMPLE_BYTES_MAX)
    return {f"zstd{level}_bytes_per_span": packed_bytes(level, pieces(sample, 0, size)) / made["sample_spans"] for level in (3, 19)}


def part_spans(say, load):
    say(f"{SPANS} spans")
    WORK.mkdir(parents=True, exist_ok=True)
    sample = WORK / "spans.sample"
    server = Logged("spans")
    try:
        end_s = int(time.time()) - 60
        start_s = end_s - HOUR_S
        cpu = server.cpu_s()
        made = load("spans", server.port, SPANS, start_s * NS, HOUR_S * NS, sample, SAMPLE_BYTES_MAX)
        cpu_load, peak_load = server.cpu_s() - cpu, server.memory_mb()
        server.quiet()
        cpu_quiet = server.cpu_s() - cpu
        server.settle()
        cpu_all = server.cpu_s() - cpu
        ids = made.pop("ids")
        out = {**made, "cpu_s": cpu_load, "cpu_quiet_s": cpu_quiet, "cpu_settled_s": cpu_all, "spans_per_cpu_s": made["spans"] / cpu_load,
               "spans_per_cpu_s_settled": made["spans"] / cpu_all, "payload_bytes_per_span": made["plain_bytes"] / made["spans"],
               "peak_load_mb": peak_load, "peak_mb": server.memory_mb(), "live": live(server)}
        server.settle()
        out |= {"disk_bytes": server.disk_bytes(), "bytes_per_span": server.disk_bytes() / made["spans"]}
        server.restart(cold=True)
        out["ready_ms"] = server.ready_ms
        protobuf = {"Accept": "application/protobuf"}
        out["hit"] = many(server, [f"/tempo/api/traces/{i}" for i in ids[::2]], protobuf)
        out["hit_jaeger"] = many(server, [f"/jaeger/api/traces/{i}" for i in ids[::2]])
        out["hit_spans"] = statistics.mean(ids[1::2])
        out["miss"] = many(server, [f"/tempo/api/traces/{i * 0x9e3779b97f4a7c15f39cc0605cedc835 % 2**128:032x}" for i in range(1, MISSES + 1)], protobuf, 404)
        out["searches"] = {}
        for name, path, params, count, goal in searches(start_s, end_s):
            say(name)
            out["searches"][name] = timed(server, path, params, count) | {"goal": goal}
        out["peak_queries_mb"] = server.memory_mb()
        server.stop()
        say("zstd -3 and -19 of a sample")
        return out | compared(sample, made)
    finally:
        server.close()
        sample.unlink(missing_ok=True)


def rows(r):
    """(what, figure, goal) of the table."""
    def cost(q):
        return f"{q['ms']:.2f} {q['cpu_ms']:.2f}"

    def blocks(q):
        return "" if q["blocks"] is None else f", {q['blocks']:.0f} blocks"
    out = [(f"spans: {r['spans']} of {r['traces']} traces, {r['payload_bytes_per_span']:.0f} B each in OTLP; seconds to send", f"{r['seconds']:.1f}", ""),
           ("spans: thousand per CPU-s, load", f"{r['spans_per_cpu_s'] / 1000:.0f}", ""),
           ("spans: thousand per CPU-s, flushed and merged", f"{r['spans_per_cpu_s_settled'] / 1000:.0f}", "350"),
           ("spans: MB of OTLP per CPU-s, flushed and merged", f"{r['spans_per_cpu_s_settled'] * r['payload_bytes_per_span'] / 1e6:.0f}", "105"),
           (f"spans: bytes per span (OTLP by zstd -3: {r['zstd3_bytes_per_span']:.1f}, by zstd -19, {r['sample_bytes'] / 1e6:.0f} MB: "
            f"{r['zstd19_bytes_per_span']:.1f})", f"{r['bytes_per_span']:.1f}", "27"),
           ("spans: peak memory, MB, load", f"{r['peak_load_mb']:.0f}", ""), ("spans: peak memory, MB, with flush and merge", f"{r['peak_mb']:.0f}", ""),
           ("spans: peak memory, MB, all queries after a restart", f"{r['peak_queries_mb']:.0f}", ""),
           ("spans: ready after a restart, ms", f"{r['ready_ms']:.0f}", "100")]
    for key, what in (("hit", f"trace by id, {r['hit_spans']:.0f} spans, Tempo's protobuf"), ("hit_jaeger", "trace by id, Jaeger's JSON"), ("miss", "unknown id")):
        q = r[key]
        out.append((f"spans: {what}, ms and CPU-ms (median and mean of {q['of']}{blocks(q)}, p99 {q['p99_ms']:.2f} ms)", cost(q), "1"))
    for name, q in r["live"].items():
        out.append((f"spans: {name} by service, counted live, ms and CPU-ms ({q.get('found', q.get('error'))})", cost(q) if "ms" in q else "-", ""))
    for name, q in r["searches"].items():
        told = f"{q['found']}{blocks(q)}, first time {q['cold_ms']:.1f}" if "ms" in q else q["error"]
        out.append((f"spans: {name}, ms and CPU-ms ({told})", cost(q) if "ms" in q else "-", q["goal"]))
    return out
