#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The benchmark: see bench/run.sh for its settings and docs/benchmarks.md for what the figures mean. Nothing is asserted."""
import json
import os
import re
import statistics
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import corpus  # noqa: E402
import spans  # noqa: E402
from servers import PEERS, ROOT, WORK, Server, Stoa, free_port  # noqa: E402

INSTANCES = int(os.environ.get("STOA_BENCH_INSTANCES", "200"))
HOURS = float(os.environ.get("STOA_BENCH_HOURS", "2"))
LINES = int(os.environ.get("STOA_BENCH_LINES", "2000000"))
NAMES = os.environ.get("STOA_BENCH_PEERS", "prometheus victoria-metrics").split()
PARTS = os.environ.get("STOA_BENCH_PARTS", "metrics steady series months logs spans idle").split()
NEW_SERIES = int(os.environ.get("STOA_BENCH_SERIES", "1000000"))
DAYS = float(os.environ.get("STOA_BENCH_DAYS", "30"))
MONTH_INSTANCES, MONTH_INTERVAL_S = 5, 60
INTERVAL_S, JITTER_MS, QUERY_RUNS, NS = 15, 8, 5, 10**9
IDLE_SECONDS = 10
CPU_MS_TOLD_MIN = 10

# Ten questions a dashboard or an on-call person asks: (name, expression, step in s or 0 for an instant query).
QUERIES = [
    ("cpu by mode", "sum by (mode) (rate(node_cpu_seconds_total[5m]))", 15),
    ("cpu used by host", 'avg by (instance) (1 - rate(node_cpu_seconds_total{mode="idle"}[5m]))', 60),
    ("count of all", 'count({__name__=~"node_.*"})', 0),
    ("top 10 of the network", "topk(10, rate(node_network_receive_bytes_total[5m]))", 0),
    ("load, every host", "node_load1", 60),
    ("disk left by host", "min by (instance) (node_filesystem_avail_bytes)", 60),
    ("memory used, a ratio", "1 - sum(node_memory_MemAvailable_bytes) / sum(node_memory_MemTotal_bytes)", 15),
    ("one host's switches", 'rate(node_context_switches_total{instance="node-0007.example:9100"}[5m])', 15),
    ("average of an hour", "avg_over_time(node_load5[1h])", 0),
    ("a regex over hosts", 'sum(rate(node_network_transmit_bytes_total{instance=~"node-00[0-4].*"}[5m]))', 60),
]


def say(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


def load(*args):
    done = subprocess.run([str(WORK / "load"), *map(str, args)], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"bench: {done.stderr.strip()}")
    return json.loads(done.stdout)


def scrape_page():
    """One real scrape of the node exporter."""
    port = free_port()
    binary = ROOT / "build/peers/prometheus-node-exporter/usr/bin/prometheus-node-exporter"
    exporter = subprocess.Popen([str(binary), f"--web.listen-address=127.0.0.1:{port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        probe = Server.__new__(Server)
        probe.port = port
        for _ in range(200):
            try:
                status, body = probe.request("GET", "/metrics", timeout=10)
                if status == 200:
                    break
            except OSError:
                pass
            time.sleep(0.05)
        else:
            raise SystemExit("bench: the node exporter did not answer")
    finally:
        exporter.terminate()
        exporter.wait()
    path = WORK / "scrape.txt"
    path.write_bytes(body)
    return path


def timed(server, call):
    """Median wall and CPU ms of some runs, after one that warms up. CPU comes in ticks, so it is summed over the runs."""
    call()
    walls, before = [], server.cpu_s()
    for _ in range(QUERY_RUNS):
        began = time.monotonic()
        call()
        walls.append((time.monotonic() - began) * 1000)
    return {"ms": statistics.median(walls), "cpu_ms": (server.cpu_s() - before) * 1000 / QUERY_RUNS}


def run_query(server, expression, step, start_s, end_s):
    params = {"query": expression, **server.query_params}
    if step:
        params |= {"start": start_s, "end": end_s, "step": step}
    else:
        params["time"] = end_s
    status, body = server.request("GET", "/api/v1/query_range" if step else "/api/v1/query", params)
    if status != 200:
        return {"error": f"{status} {body[:200].decode('utf-8', 'replace')}"}
    result = json.loads(body)["data"]["result"]
    last = [float(r["values"][-1][1] if step else r["value"][1]) for r in result]
    return {"series": len(result), "sum": sum(v for v in last if v == v), "bytes": len(body)}


def metrics_on(server, page, jitter_ms, with_queries):
    scrapes = int(HOURS * 3600 / INTERVAL_S)
    end_s = int(time.time()) - 60
    start_s = end_s - scrapes * INTERVAL_S
    cpu = server.cpu_s()
    sent = load("metrics", server.port, page, INSTANCES, scrapes, INTERVAL_S * 1000, jitter_ms, start_s * 1000)
    cpu_load = server.cpu_s() - cpu
    server.quiet()
    cpu_quiet = server.cpu_s() - cpu
    server.settle()
    cpu_all = server.cpu_s() - cpu
    out = {**sent, "cpu_s": cpu_load, "cpu_quiet_s": cpu_quiet, "cpu_settled_s": cpu_all, "samples_per_cpu_s": sent["samples"] / cpu_load,
           "samples_per_cpu_s_settled": sent["samples"] / cpu_all, "disk_bytes": server.disk_bytes(),
           "bytes_per_sample": server.disk_bytes() / sent["samples"], "peak_mb": server.memory_mb()}
    if with_queries:
        out["queries"] = {}
        for name, expression, step in QUERIES:
            answer = run_query(server, expression, step, start_s, end_s)
            if "error" not in answer:
                answer |= timed(server, lambda e=expression, s=step: run_query(server, e, s, start_s, end_s))
            out["queries"][name] = answer
        out["peak_with_queries_mb"] = server.memory_mb()
    return out


def part_metrics(page, jitter_ms, with_queries):
    out = {}
    for kind in [Stoa, *(PEERS[n] for n in NAMES)]:
        say(f"{INSTANCES} instances, {HOURS:g} h, jitter {jitter_ms} ms: {kind.name}")
        server = kind("metrics")
        try:
            out[kind.name] = metrics_on(server, page, jitter_ms, with_queries)
        finally:
            server.close()
    return out


def measured(server, instances, scrapes, interval_s, start_s):
    """Sends, and says what it cost until all is merged."""
    page, cpu = WORK / "scrape.txt", server.cpu_s()
    sent = load("metrics", server.port, page, instances, scrapes, interval_s * 1000, 0, start_s * 1000)
    cpu_load = server.cpu_s() - cpu
    server.quiet()
    server.settle()
    return {**sent, "cpu_s": cpu_load, "cpu_settled_s": server.cpu_s() - cpu, "disk_bytes": server.disk_bytes(), "peak_mb": server.memory_mb()}


def part_series(page):
    """The first sample of many series, once."""
    out = {}
    each = sum(1 for line in page.read_text().splitlines() if line and line[0] != "#")
    for kind in [Stoa, *(PEERS[n] for n in NAMES)]:
        say(f"{NEW_SERIES} new series: {kind.name}")
        server = kind("series")
        try:
            r = measured(server, NEW_SERIES // each + 1, 1, INTERVAL_S, int(time.time()) - 60)
            out[kind.name] = {**r, "series_per_cpu_s": r["series"] / r["cpu_s"], "series_per_cpu_s_settled": r["series"] / r["cpu_settled_s"]}
        finally:
            server.close()
    return out


def part_months(page):
    """A month of a few instances, and a question over all of it."""
    out = {}
    for kind in [Stoa, *(PEERS[n] for n in NAMES)]:
        say(f"{DAYS:g} days of {MONTH_INSTANCES} instances at {MONTH_INTERVAL_S} s: {kind.name}")
        server = kind("months")
        try:
            scrapes = int(DAYS * 86400 / MONTH_INTERVAL_S)
            end_s = int(time.time()) - 120
            start_s = end_s - scrapes * MONTH_INTERVAL_S
            r = measured(server, MONTH_INSTANCES, scrapes, MONTH_INTERVAL_S, start_s)
            expression = "sum by (mode) (rate(node_cpu_seconds_total[1h]))"
            answer = run_query(server, expression, 3600, start_s + 3600, end_s)
            if "error" not in answer:
                answer |= timed(server, lambda s=server, b=start_s, e=end_s: run_query(s, expression, 3600, b + 3600, e))
            out[kind.name] = {**r, "samples_per_cpu_s": r["samples"] / r["cpu_s"], "samples_per_cpu_s_settled": r["samples"] / r["cpu_settled_s"],
                              "bytes_per_sample": r["disk_bytes"] / r["samples"], "query": answer}
        finally:
            server.close()
    return out


def loki(server, expression, start_ns, end_ns, limit=100):
    status, body = server.request("GET", "/loki/api/v1/query_range", {"query": expression, "start": start_ns, "end": end_ns, "limit": limit})
    if status != 200:
        raise SystemExit(f"bench: {expression}: {status} {body[:300]}")
    return json.loads(body)["data"]["result"]


def tool_ms(command):
    walls = []
    for _ in range(QUERY_RUNS + 1):
        began = time.monotonic()
        subprocess.run(command, stdout=subprocess.DEVNULL, check=False)
        walls.append((time.monotonic() - began) * 1000)
    return statistics.median(walls[1:])


def part_logs():
    say(f"{LINES} log lines")
    copy = WORK / "lines.txt"
    server = Stoa("logs")
    try:
        span_ns = 3600 * NS
        end_ns = (int(time.time()) - 60) * NS
        start_ns = end_ns - span_ns
        cpu = server.cpu_s()
        sent = load("logs", server.port, LINES, start_ns, span_ns, copy)
        cpu_load = server.cpu_s() - cpu
        server.quiet()
        server.settle()
        cpu_all = server.cpu_s() - cpu
        disk = server.disk_bytes()
        peak = server.memory_mb()
        packed = subprocess.run(["zstd", "-3", "-q", "-c", "-T1", str(copy)], stdout=subprocess.PIPE, check=True).stdout
        needle = sent["needle"]
        searches = {
            "needle word": f'{{service=~".+"}} |= "{needle}"',
            "inside a word": f'{{service=~".+"}} |= "{needle[3:-3]}"',
            "regex with a literal": f'{{service=~".+"}} |~ "{needle[:11]}-[0-9a-f]+"',
        }
        found = {}
        for name, expression in searches.items():
            streams = loki(server, expression, start_ns, end_ns + NS)
            found[name] = {"lines": sum(len(s["values"]) for s in streams)}
            found[name] |= timed(server, lambda e=expression: loki(server, e, start_ns, end_ns + NS))
        count = "sum by (level) (count_over_time({service=~\".+\"} | logfmt level [5m]))"
        found["count by service"] = timed(server, lambda: loki(server, "sum by (service) (count_over_time({service=~\".+\"}[5m]))", start_ns, end_ns))
        found["count by a field of the text"] = {"query": count} | timed(server, lambda: loki(server, count, start_ns, end_ns))
        return {**sent, "cpu_s": cpu_load, "cpu_settled_s": cpu_all, "raw_mb_per_cpu_s": sent["raw_bytes"] / 1e6 / cpu_load,
                "raw_mb_per_cpu_s_settled": sent["raw_bytes"] / 1e6 / cpu_all, "disk_bytes": disk, "bytes_per_line": disk / sent["lines"],
                "times_smaller": sent["raw_bytes"] / disk, "zstd3_bytes": len(packed), "zstd3_times_smaller": sent["raw_bytes"] / len(packed),
                "peak_mb": peak, "peak_with_searches_mb": server.memory_mb(), "searches": found,
                "ripgrep_ms": {"needle word": tool_ms(["rg", "-cF", needle, str(copy)]), "inside a word": tool_ms(["rg", "-cF", needle[3:-3], str(copy)]),
                               "regex with a literal": tool_ms(["rg", "-c", f"{needle[:11]}-[0-9a-f]+", str(copy)])}}
    finally:
        server.close()
        copy.unlink(missing_ok=True)


def part_idle():
    """A start on an empty store, and the memory after a while with a little of all three signals in it."""
    say("idle")
    out = {}
    server = Stoa("idle")
    try:
        out["ready_ms"] = server.ready_ms
        server.log.flush()
        told = re.search(r"ready on \S+ in (\d+(?:\.\d+)?) ms", open(server.log.name, errors="replace").read())
        out["ready_told_ms"] = float(told[1]) if told else None
        out["empty_mb"] = server.memory_mb("VmRSS")
        page = WORK / "scrape.txt"
        now = int(time.time())
        load("metrics", server.port, page, 4, 8, 15000, 0, (now - 180) * 1000)
        load("logs", server.port, 2000, (now - 120) * NS, 60 * NS, WORK / "few-lines.txt")
        load("spans", server.port, 2000, (now - 120) * NS, 60 * NS)
        cpu = server.cpu_s()
        time.sleep(IDLE_SECONDS)
        out["idle_mb"] = server.memory_mb("VmRSS")
        out["idle_cpu_percent"] = (server.cpu_s() - cpu) / IDLE_SECONDS * 100
    finally:
        server.close()
    stripped = WORK / "stoa.stripped"
    subprocess.run(["strip", "-o", str(stripped), str(ROOT / "build/stoa")], check=True)
    out["binary_mb"] = stripped.stat().st_size / 1e6
    stripped.unlink()
    return out


def table(result):
    rows = []

    def row(what, ours, peers=(), goal="", more_is_better=True, form="{:.2f}"):
        cells = [form.format(ours) if ours is not None else "-"]
        for name in NAMES:
            v = dict(peers).get(name)
            if v is None:
                cells.append("-")
            else:
                ratio = f" ({ours / v if more_is_better else v / ours:.2f}x)" if v and ours else ""
                cells.append(form.format(v) + ratio)
        rows.append([what, *cells, goal])

    def metric(key, part, what, goal, more, form, scale=1.0):
        r = result[part]
        row(what, r["stoa"][key] * scale, {n: r[n][key] * scale for n in NAMES}, goal, more, form)

    for part, title in (("metrics", "jitter"), ("steady", "no jitter")):
        if part in result:
            metric("samples_per_cpu_s", part, f"M samples per CPU-s, load ({title})", "3", True, "{:.3f}", 1e-6)
            metric("samples_per_cpu_s_settled", part, f"M samples per CPU-s, flushed and merged ({title})", "", True, "{:.3f}", 1e-6)
            metric("bytes_per_sample", part, f"bytes per sample ({title})", "0.36", False, "{:.3f}")
            metric("peak_mb", part, f"peak memory, MB ({title})", "half", False, "{:.0f}")
    if "metrics" in result and "queries" in result["metrics"]["stoa"]:
        for name, _, _ in QUERIES:
            r = result["metrics"]
            for key, what in (("ms", "ms"), ("cpu_ms", "CPU-ms")):
                values = {n: r[n]["queries"][name].get(key) for n in ["stoa", *NAMES]}
                if key == "cpu_ms" and max(v or 0 for v in values.values()) < CPU_MS_TOLD_MIN:
                    continue  # the clock's ticks are coarser than this
                row(f"query: {name}, {what}", values.pop("stoa"), values, "", False, "{:.1f}")
    if "series" in result:
        metric("series_per_cpu_s", "series", "thousand new series per CPU-s", "3x", True, "{:.0f}", 1e-3)
        metric("series_per_cpu_s_settled", "series", "thousand new series per CPU-s, flushed and merged", "", True, "{:.0f}", 1e-3)
        metric("peak_mb", "series", "peak memory, MB (new series)", "half", False, "{:.0f}")
    if "months" in result:
        metric("samples_per_cpu_s", "months", "M samples per CPU-s, load (a month)", "3", True, "{:.3f}", 1e-6)
        metric("bytes_per_sample", "months", "bytes per sample (a month)", "0.36", False, "{:.3f}")
        metric("peak_mb", "months", "peak memory, MB (a month)", "half", False, "{:.0f}")
        r = result["months"]
        for key, what in (("ms", "ms"), ("cpu_ms", "CPU-ms")):
            row(f"query: cpu by mode over the month, {what}", r["stoa"]["query"].get(key), {n: r[n]["query"].get(key) for n in NAMES}, "", False, "{:.1f}")
    if "logs" in result:
        r = result["logs"]
        row("logs: raw MB per CPU-s, load", r["raw_mb_per_cpu_s"], goal="80", form="{:.1f}")
        row("logs: raw MB per CPU-s, flushed and merged", r["raw_mb_per_cpu_s_settled"], form="{:.1f}")
        row(f"logs: times smaller than raw (zstd -3: {r['zstd3_times_smaller']:.1f})", r["times_smaller"], goal="10", form="{:.1f}")
        row("logs: bytes per line", r["bytes_per_line"], form="{:.1f}")
        row("logs: peak memory, MB, load", r["peak_mb"], form="{:.0f}")
        row("logs: peak memory, MB, with the searches", r["peak_with_searches_mb"], form="{:.0f}")
        for name, s in r["searches"].items():
            rg = f" (ripgrep: {r['ripgrep_ms'][name]:.1f})" if name in r["ripgrep_ms"] else ""
            row(f"logs: {name}, ms{rg}", s["ms"], form="{:.1f}")
    if "corpus" in result:
        for what, figure, goal in corpus.rows(result["corpus"]):
            rows.append([what, figure, *("-" for _ in NAMES), goal])
    if "spans" in result:
        for what, figure, goal in spans.rows(result["spans"]):
            rows.append([what, figure, *("-" for _ in NAMES), goal])
    if "idle" in result:
        r = result["idle"]
        row("ready with an empty store, ms", r["ready_ms"], goal="200", form="{:.0f}")
        row("memory when just started, MB", r["empty_mb"], form="{:.1f}")
        row("idle memory, all three signals, MB", r["idle_mb"], goal="64", form="{:.1f}")
        row("idle CPU, % of a core", r["idle_cpu_percent"], form="{:.1f}")
        row("program with the page, MB", r["binary_mb"], goal="15", form="{:.1f}")
    head = ["", "stoa", *NAMES, "goal"]
    widths = [max(len(str(r[i])) for r in [head, *rows]) for i in range(len(head))]
    lines = ["| " + " | ".join(str(c).ljust(w) for c, w in zip(r, widths)) + " |" for r in [head, ["-" * w for w in widths], *rows]]
    return "\n".join(lines)


def main():
    WORK.mkdir(parents=True, exist_ok=True)
    result = {"size": {"instances": INSTANCES, "hours": HOURS, "interval_s": INTERVAL_S, "jitter_ms": JITTER_MS, "lines": LINES, "spans": spans.SPANS},
              "cores": os.cpu_count(), "load_average_before": os.getloadavg()[0]}
    page = scrape_page() if set(PARTS) - {"logs", "corpus", "spans"} else None
    if "metrics" in PARTS:
        result["metrics"] = part_metrics(page, JITTER_MS, True)
    if "steady" in PARTS:
        result["steady"] = part_metrics(page, 0, False)
    if "series" in PARTS:
        result["series"] = part_series(page)
    if "months" in PARTS:
        result["months"] = part_months(page)
    if "logs" in PARTS:
        result["logs"] = part_logs()
    if "corpus" in PARTS:
        result["corpus"] = corpus.part_corpus(say, load)
    if "spans" in PARTS:
        result["spans"] = spans.part_spans(say, load)
    if "idle" in PARTS:
        result["idle"] = part_idle()
    result["load_average_after"] = os.getloadavg()[0]
    (WORK / "result.json").write_text(json.dumps(result, indent=1) + "\n")
    print(table(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
