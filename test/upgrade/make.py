#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Makes test/upgrade/NAME.tar.gz: a data folder as the program of today leaves it, and what it answers.

    test/upgrade/make.py NAME        NAME: of the format, such as 0.1.0-foundation

Run once for each released format and kept for ever: test_upgrade.py opens every archive with the newest program. Half of the
rows lie in merged parts, the other half in a WAL that a kill left behind; a deletion is among them.
"""
import json
import math
import os
import pathlib
import sys
import tarfile
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "server"))
import harness  # noqa: E402
import test_upgrade  # noqa: E402

DAY_MS = 86_400_000
START_MS = 1_763_596_800_000  # 2025-11-20T00:00:00Z: never moves, so that the archive's answers never do


def series(day):
    out = []
    for i in range(12):
        labels = {"__name__": "up_requests_total", "instance": f"host-{i % 3}", "path": f"/p/{i}", "job": "upgrade"}
        out.append((labels, [(START_MS + day * DAY_MS + t * 15_000 + i, float(day * 10_000 + t * (i + 1))) for t in range(300)]))
    odd = [1.5, -0.0, math.inf, 1e-300, 0.1, 12345.678]
    out.append(({"__name__": "up_odd", "job": "upgrade"}, [(START_MS + day * DAY_MS + t * 15_000, v) for t, v in enumerate(odd)]))
    return out


def push_logs(s, day):
    lines = []
    for i in range(500):
        t_ns = (START_MS + day * DAY_MS + i * 1000) * 1_000_000
        level = ("INFO", "WARN", "ERROR")[i % 3]
        lines.append([str(t_ns), f"{level} order {i * 37} took {i % 90} ms for user-{i % 11}", {"trace_id": f"{i:032x}"}])
    body = {"streams": [{"stream": {"app": "shop", "env": "test"}, "values": lines}]}
    assert s.post_json("/loki/api/v1/push", body).status == 204


def push_spans(s, day):
    spans = []
    for i in range(200):
        start = (START_MS + day * DAY_MS + i * 2000) * 1_000_000
        spans.append({"traceId": f"{day * 1000 + i // 4:032x}", "spanId": f"{day * 1000 + i + 1:016x}",
                      "parentSpanId": f"{day * 1000 + i // 4 * 4 + 1:016x}" if i % 4 else "", "name": f"GET /p/{i % 5}", "kind": 2,
                      "startTimeUnixNano": str(start), "endTimeUnixNano": str(start + 1_000_000 * (i % 50 + 1)),
                      "attributes": [{"key": "http.status_code", "value": {"intValue": str(200 + i % 3 * 100)}}]})
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}]}
    body = {"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": spans}]}]}
    assert s.post_json("/v1/traces", body).status == 200


def fill(s, day):
    r = s.post("/api/v1/write", harness.write_request(series(day)), harness.WRITE_HEADERS)
    assert r.status == 204, r.text
    push_logs(s, day)
    push_spans(s, day)


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    target = HERE / f"{sys.argv[1]}.tar.gz"
    with tempfile.TemporaryDirectory() as data:
        s = harness.Server(data=data, config=test_upgrade.CONFIG)
        fill(s, 0)
        assert s.post("/api/v1/admin/tsdb/delete_series?match[]=up_requests_total{path=%22/p/3%22}").status == 204
        assert s.post("/api/stoa/v1/flush").status < 300 and s.post("/api/stoa/v1/merge").status < 300
        fill(s, 1)
        answers = {path: test_upgrade.answer(s, path) for path in test_upgrade.PATHS}
        s.kill()
        for name in ("quiet.yml", "test.yml"):
            os.unlink(os.path.join(data, name))
        pathlib.Path(data, "answers.json").write_text(json.dumps(answers, indent=1, sort_keys=True))
        with tarfile.open(target, "w:gz") as archive:
            archive.add(data, arcname="data")
    print(f"{target}: {target.stat().st_size} bytes, {len(answers)} answers")


if __name__ == "__main__":
    main()
