# SPDX-License-Identifier: Apache-2.0
"""The benchmark of logs at the goals' size: real lines multiplied with moving times and ids, a third JSON with random trace ids, 150
streams. bench/load_corpus.c makes them, once for a size, before anything is measured. Nothing is asserted."""
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import threading
import time

from servers import WORK, Stoa

LINES = int(os.environ.get("STOA_BENCH_LINES", "6200000"))
FOLDER = os.environ.get("CORPORA", "")
SPAN_HOURS, NS, RUNS = 6, 10**9, 5
SAMPLE_BYTES_MAX = int(os.environ.get("STOA_BENCH_SAMPLE_MB", "300")) * 10**6  # for zstd -19, which takes minutes
DISK_FACTOR = 3  # free space wanted, times the raw lines
LINE_BYTES_GUESS = 200
EVERYTHING = '{service=~".+"}'


def queries(needle):
    """(name, LogQL, whether it is a count over time, the same question to ripgrep or None)."""
    user = "u4711"
    return [
        ("needle word", f'{EVERYTHING} |= "{needle}"', False, ["-F", needle]),
        ("inside a word", f'{EVERYTHING} |= "{needle[3:-3]}"', False, ["-F", needle[3:-3]]),
        ("regex with a literal", f'{EVERYTHING} |~ "{needle[:11]}-[0-9a-f]+"', False, [f"{needle[:11]}-[0-9a-f]+"]),
        ("a word that no line has", f'{EVERYTHING} |= "quicklime-0b1d"', False, ["-F", "quicklime-0b1d"]),
        ("field of JSON == value", f'{{format="json"}} | json | user="{user}"', False, ["-F", f'"user":"{user}"']),
        ("count of a regex's lines per 5 min", f'sum(count_over_time({EVERYTHING} |~ "blk_-?[0-9]+9 terminating" [5m]))', True,
         ["blk_-?[0-9]+9 terminating"]),
        ("count by level per 5 min", f"sum by (detected_level) (count_over_time({EVERYTHING}[5m]))", True, None),
        ("count by service per 5 min", f"sum by (service) (count_over_time({EVERYTHING}[5m]))", True, None),
        ("p99 of a field by service per 5 min", 'quantile_over_time(0.99, {format="json"} | json | unwrap duration_ms [5m]) by (service)', True, None),
    ]


def make(load):
    """The lines and the requests, kept for the next run of the same size and day."""
    files = sorted(map(str, pathlib.Path(FOLDER).rglob("*_2k.log"))) if FOLDER else []
    WORK.mkdir(parents=True, exist_ok=True)
    need = LINES * LINE_BYTES_GUESS * DISK_FACTOR
    if shutil.disk_usage(WORK).free < need:
        raise SystemExit(f"bench: {need >> 20} MB of free disk are wanted in {WORK}")
    end_ns = (int(time.time()) - 60) * NS
    start_ns = end_ns - SPAN_HOURS * 3600 * NS
    request_file, copy = WORK / "corpus.requests", WORK / "corpus.txt"
    made = load("corpus", request_file, copy, LINES, start_ns, SPAN_HOURS * 3600 * NS, *files)
    return made | {"start_ns": start_ns, "end_ns": end_ns}, request_file, copy


def ask(server, expression, counts, made):
    params = {"query": expression, "start": made["start_ns"], "end": made["end_ns"] + NS, "limit": 100}
    if counts:
        params["step"] = 300
    status, body = server.request("GET", "/loki/api/v1/query_range", params)
    if status != 200:
        raise SystemExit(f"bench: {expression}: {status} {body[:300]}")
    result = json.loads(body)["data"]["result"]
    values = sum(float(v[1]) for r in result for v in r["values"]) if counts else None
    return {"series" if counts else "lines": len(result) if counts else sum(len(r["values"]) for r in result), "sum": values}


def timed(server, call):
    """One call as it comes, one to warm up, and the median of five with what the server's CPU took for each."""
    began = time.monotonic()
    found = call()
    cold = (time.monotonic() - began) * 1000
    call()
    walls, cpus = [], []
    for _ in range(RUNS):
        cpu, began = server.cpu_now_s(), time.monotonic()
        call()
        walls.append((time.monotonic() - began) * 1000)
        cpus.append((server.cpu_now_s() - cpu) * 1000)
    return found | {"cold_ms": cold, "ms": statistics.median(walls), "cpu_ms": statistics.median(cpus)}


def tool(arguments, copy):
    """ripgrep, or grep where it is missing: median wall and CPU ms, the file in memory."""
    rg = shutil.which("rg")
    command = [rg, "-c", *arguments, str(copy)] if rg else ["grep", "-cE" if "-F" not in arguments else "-c", *arguments, str(copy)]
    walls, cpus = [], []
    for _ in range(RUNS + 1):
        before, began = os.times(), time.monotonic()
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
        after = os.times()
        walls.append((time.monotonic() - began) * 1000)
        cpus.append((after.children_user + after.children_system - before.children_user - before.children_system) * 1000)
    return {"tool": "ripgrep" if rg else "grep", "lines": int(done.stdout or 0), "ms": statistics.median(walls[1:]), "cpu_ms": statistics.median(cpus[1:])}


def packed_bytes(level, stream):
    done = subprocess.Popen(["nice", "zstd", f"-{level}", "-q", "-c", "-T0"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    total = [0]

    def count():
        for piece in iter(lambda: done.stdout.read(1 << 20), b""):
            total[0] += len(piece)
    reader = threading.Thread(target=count)
    reader.start()
    for piece in stream:
        done.stdin.write(piece)
    done.stdin.close()
    reader.join()
    if done.wait():
        raise SystemExit("bench: zstd failed")
    return total[0]


def pieces(path, start, length):
    with open(path, "rb") as f:
        f.seek(start)
        while length > 0:
            piece = f.read(min(length, 1 << 20))
            if not piece:
                return
            length -= len(piece)
            yield piece


def packed(copy, raw):
    sample = min(raw, SAMPLE_BYTES_MAX)
    return {"zstd3_times_smaller": raw / packed_bytes(3, pieces(copy, 0, raw)), "sample_bytes": sample,
            "zstd19_times_smaller": sample / packed_bytes(19, pieces(copy, (raw - sample) // 2, sample))}


def part_corpus(say, load):
    say(f"{LINES} lines are made" + ("" if FOLDER else "; without CORPORA=FOLDER of log files they are all JSON"))
    made, request_file, copy = make(load)
    server = Stoa("corpus")
    try:
        say(f"{made['raw_bytes'] / 1e6:.0f} MB, {made['given_files']} given files, {made['requests']} requests are sent")
        cpu, raw_mb = server.cpu_s(), made["raw_bytes"] / 1e6
        sent = load("push", server.port, request_file)
        cpu_load, peak_load = server.cpu_s() - cpu, server.memory_mb()
        server.quiet()
        cpu_quiet = server.cpu_s() - cpu
        server.settle()
        cpu_all, peak = server.cpu_s() - cpu, server.memory_mb()
        out = {**made, **sent, "cpu_s": cpu_load, "cpu_quiet_s": cpu_quiet, "cpu_settled_s": cpu_all, "raw_mb_per_cpu_s": raw_mb / cpu_load,
               "raw_mb_per_cpu_s_settled": raw_mb / cpu_all, "disk_bytes": server.disk_bytes(),
               "times_smaller": made["raw_bytes"] / server.disk_bytes(), "bytes_per_line": server.disk_bytes() / made["lines"],
               "peak_load_mb": peak_load, "peak_mb": peak, "queries": {}, "ready_ms": []}
        request_file.unlink()
        peak_queries = 0
        for name, expression, counts, same in queries(made["needle"]):
            say(name)
            server.restart(cold=True)
            out["ready_ms"].append(server.ready_ms)
            answer = timed(server, lambda e=expression, c=counts: ask(server, e, c, made))
            answer["peak_mb"] = server.memory_mb()
            peak_queries = max(peak_queries, answer["peak_mb"])
            if same:
                answer["tool"] = tool(same, copy)
            out["queries"][name] = answer
        out["peak_queries_mb"] = peak_queries
        out["ready_ms"] = statistics.median(out["ready_ms"])
        server.stop()
        say("zstd -3 of all, zstd -19 of a sample")
        return out | packed(copy, made["raw_bytes"])
    finally:
        server.close()
        for f in (request_file, copy):
            f.unlink(missing_ok=True)


GOALS = {"needle word": "2", "inside a word": "40", "regex with a literal": "160", "count by level per 5 min": "15",
         "p99 of a field by service per 5 min": "80"}


def rows(r):
    """(what, figure, goal) of the table."""
    out = [(f"corpus: {r['raw_bytes'] / 1e6:.0f} MB in {r['lines']} lines, {r['streams']} streams; seconds to send", f"{r['seconds']:.1f}", ""),
           ("corpus: raw MB per CPU-s, load", f"{r['raw_mb_per_cpu_s']:.1f}", "80"),
           ("corpus: raw MB per CPU-s, flushed and merged", f"{r['raw_mb_per_cpu_s_settled']:.1f}", ""),
           (f"corpus: times smaller than raw (zstd -3: {r['zstd3_times_smaller']:.1f}, zstd -19 of {r['sample_bytes'] / 1e6:.0f} MB: "
            f"{r['zstd19_times_smaller']:.1f})", f"{r['times_smaller']:.2f}", "10"),
           ("corpus: bytes per line", f"{r['bytes_per_line']:.1f}", ""),
           ("corpus: peak memory, MB, load", f"{r['peak_load_mb']:.0f}", ""), ("corpus: peak memory, MB, with flush and merge", f"{r['peak_mb']:.0f}", ""),
           ("corpus: peak memory, MB, one query after a restart", f"{r['peak_queries_mb']:.0f}", ""),
           ("corpus: ready after a restart, ms", f"{r['ready_ms']:.0f}", "100")]
    for name, q in r["queries"].items():
        found = f"{q['lines']} lines" if "lines" in q else f"{q['series']} series"
        beside = f"; {q['tool']['tool']} {q['tool']['ms']:.0f} and {q['tool']['cpu_ms']:.0f}" if "tool" in q else ""
        out.append((f"corpus: {name}, ms and CPU-ms ({found}, first time {q['cold_ms']:.0f}{beside})", f"{q['ms']:.1f} {q['cpu_ms']:.1f}",
                    GOALS.get(name, "")))
    return out
