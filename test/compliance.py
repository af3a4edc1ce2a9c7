#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Asks Debian's prometheus and us the same queries over the same data: compliance.py QUERIES.yml, a file of query templates in the form
of github.com/prometheus/compliance. Ends with "N passed, N failed".

Prometheus 2.42 closes ranges at the left, 3.x (and we) open them: so queries are asked at times that no sample, and no step of a subquery, is a
whole range away from. What else 3.x does differently on purpose is named in NEWER, and there it must differ or be as named."""
import itertools
import json
import math
import pathlib
import random
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "server"))
import harness  # noqa: E402

PEER = harness.ROOT / "build" / "peers" / "prometheus" / "usr" / "bin" / "prometheus"
VARIANTS = {
    "range": ["1s", "15s", "1m", "5m", "15m", "1h"],
    "offset": ["1m", "5m", "10m"],
    "simpleAggrOp": ["sum", "avg", "max", "min", "count", "stddev", "stdvar"],
    "topBottomOp": ["topk", "bottomk"],
    "quantile": ["-0.5", "0.1", "0.5", "0.75", "0.95", "0.90", "0.99", "1", "1.5"],
    "arithBinOp": ["+", "-", "*", "/", "%", "^"],
    "compBinOp": ["==", "!=", "<", ">", "<=", ">="],
    "binOp": ["+", "-", "*", "/", "%", "^", "==", "!=", "<", ">", "<=", ">="],
    "simpleMathFunc": ["abs", "ceil", "floor", "exp", "sqrt", "ln", "log2", "log10", "round"],
    "extrapolatedRateFunc": ["delta", "rate", "increase"],
    "instantRateFunc": ["idelta", "irate"],
    "dateFunc": ["day_of_month", "day_of_week", "days_in_month", "hour", "minute", "month", "year"],
    "simpleTimeAggrOp": ["sum", "avg", "max", "min", "count", "stddev", "stdvar", "absent", "last", "present"],
}
NEWER = {  # 3.x takes any UTF-8 as a label's name
    'label_join(demo_num_cpus, "~invalid", "-", "instance")',
}
HISTORY_SECONDS, SCRAPE_SECONDS, STEP_SECONDS = 2 * 3600, 15, 10


def templates(path):
    """The query and its variants, off a YAML of one simple form: no library is needed for it."""
    found, now = [], None
    for line in pathlib.Path(path).read_text().splitlines():
        text = line.strip()
        if text.startswith("- query:"):
            value = text[len("- query:"):].strip()
            now = {"query": value[1:-1].replace("''", "'") if value[:1] == "'" else value, "args": [], "should_fail": False}
            found.append(now)
        elif text.startswith("should_fail:"):
            now["should_fail"] = text.endswith("true")
        elif text.startswith("- ") and now:
            now["args"].append(text[2:])
    return found


def queries(path):
    for t in templates(path):
        for values in itertools.product(*(VARIANTS[a] for a in t["args"])):
            text = t["query"]
            for name, value in zip(t["args"], values):
                text = re.sub(r"\{\{\s*\." + name + r"\s*\}\}", value, text)
            yield text, t["should_fail"]


def series(begin):
    """Three instances of a made-up service, with gaps and resets: the metrics that the templates name."""
    rng = random.Random(11)
    for instance in ("demo.promlabs.com:10000", "demo.promlabs.com:10001", "demo.promlabs.com:10002"):
        base = {"instance": instance, "job": "demo"}
        made = [(dict(base, __name__="demo_memory_usage_bytes", type=t), "gauge") for t in ("used", "free", "cached", "buffers")]
        made += [(dict(base, __name__="demo_num_cpus"), "cpus"), (dict(base, __name__="demo_disk_usage_bytes"), "grows"),
                 (dict(base, __name__="demo_batch_last_success_timestamp_seconds"), "batch")]
        made += [(dict(base, __name__="demo_cpu_usage_seconds_total", mode=m), "counter") for m in ("user", "system", "idle")]
        made += [(dict(base, __name__="demo_api_request_duration_seconds_bucket", le=le, path=p), "bucket")
                 for le in ("0.1", "1", "+Inf") for p in ("/a", "/b")]
        for labels, kind in made:
            value, points = rng.randrange(1, 1000), []
            for t in range(begin, begin + HISTORY_SECONDS, SCRAPE_SECONDS):
                value = {"gauge": rng.randrange(10**9), "cpus": 4, "grows": value + rng.random() * 5e5, "batch": t // 600 * 600,
                         "counter": 0.25 if rng.random() < 0.01 else value + rng.random() * 9, "bucket": value + rng.randrange(3)}[kind]
                if rng.random() > 0.02:
                    points.append((t * 1000 + 500, float(value)))
            yield labels, points


def ask(url, query, start):
    form = urllib.parse.urlencode(dict(query=query, start=f"{start:.3f}", end=f"{start + 1800:.3f}", step=STEP_SECONDS)).encode()
    try:
        with urllib.request.urlopen(f"{url}/api/v1/query_range", form, timeout=60) as r:
            return {tuple(sorted(s["metric"].items())): s["values"] for s in json.load(r)["data"]["result"]}
    except urllib.error.HTTPError as e:
        return f"{e.code}: {e.read().decode()[:200]}"


def is_same(a, b):
    x, y = float(a), float(b)
    return x == y or (math.isnan(x) and math.isnan(y)) or math.isclose(x, y, rel_tol=1e-7, abs_tol=1e-9)


def difference(theirs, ours):
    """None: the same."""
    if isinstance(theirs, str) or isinstance(ours, str):
        return None if isinstance(theirs, str) and isinstance(ours, str) else f"theirs {str(theirs)[:150]}, ours {str(ours)[:150]}"
    if theirs.keys() != ours.keys():
        return f"series: theirs alone {sorted(theirs.keys() - ours.keys())[:2]}, ours alone {sorted(ours.keys() - theirs.keys())[:2]}"
    for key, points in theirs.items():
        if [t for t, _ in points] != [t for t, _ in ours[key]]:
            return f"{dict(key)}: {len(points)} points, ours {len(ours[key])}"
        for (t, a), (_, b) in zip(points, ours[key]):
            if not is_same(a, b):
                return f"{dict(key)} at {t}: {a}, ours {b}"
    return None


class Peer:
    def __init__(self):
        subprocess.run([str(harness.ROOT / "tools" / "peers.sh"), "prometheus"], check=True, capture_output=True)
        self.folder = tempfile.TemporaryDirectory(prefix="stoa-compliance-")
        config = pathlib.Path(self.folder.name) / "prometheus.yml"
        config.write_text("global: {scrape_interval: 1h}\n")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self.process = subprocess.Popen([str(PEER), f"--config.file={config}", f"--storage.tsdb.path={self.folder.name}/data",
                                         f"--web.listen-address=127.0.0.1:{port}", "--web.enable-remote-write-receiver",
                                         "--enable-feature=promql-at-modifier,promql-negative-offset"],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(300):
            try:
                if urllib.request.urlopen(self.url + "/-/ready", timeout=5).status == 200:
                    return
            except OSError:
                time.sleep(0.1)
        raise SystemExit("compliance: prometheus does not get ready")

    def close(self):
        self.process.terminate()
        self.process.wait()
        self.folder.cleanup()


def main():
    begin = int(time.time()) // 60 * 60 - HISTORY_SECONDS
    peer, ours, passed, failed = Peer(), harness.Server(), 0, 0
    try:
        data = sorted(series(begin), key=lambda s: sorted(s[0].items()))
        for at in range(0, HISTORY_SECONDS // SCRAPE_SECONDS, 60):  # prometheus wants time to go on
            body = harness.write_request([(labels, [p for p in points if at <= (p[0] // 1000 - begin) // SCRAPE_SECONDS < at + 60]) for labels, points in data])
            for url in (peer.url, ours.url):
                urllib.request.urlopen(urllib.request.Request(url + "/api/v1/write", body, harness.WRITE_HEADERS), timeout=60).close()
        start = begin + HISTORY_SECONDS - 2100 + 3.123
        for query, should_fail in queries(sys.argv[1]):
            theirs, mine = ask(peer.url, query, start), ask(ours.url, query, start)
            why = difference(theirs, mine)
            if query in NEWER:
                why = None if isinstance(theirs, str) and not isinstance(mine, str) else "3.x does this, 2.42 does not: " + str(mine)[:150]
            elif not why and should_fail and not isinstance(mine, str):
                why = "it should fail"
            passed += why is None
            failed += why is not None
            if why:
                print(f"  {query}: {why}")
    finally:
        peer.close()
        ours.close()
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
