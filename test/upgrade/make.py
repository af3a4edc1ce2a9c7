#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Makes test/upgrade/NAME.tar.gz: a data folder as the program of today leaves it, and what it answers.

    test/upgrade/make.py NAME        NAME: of the format, such as 0.1.0-foundation

Run once for each released format and kept for ever: test_upgrade.py opens every archive with the newest program. Half of the
rows lie in merged parts, the other half in a WAL that a kill left behind; a deletion is among them, and lines of any bytes, fields of
every type, rows of sampled lines, and native histograms.
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


ODD_LINES = [b"", b" ", b"\x00\x01", b"\xff\xfe not UTF-8 \xc3", "caf\u00e9 \U0001f600".encode(), b"tab\there\r", b"x" * 5000, b"00012 -0 1e5 0x1F 18446744073709551616",
             b'{"level":"warn","msg":"a\\"b","n":[1,2.50,null],"id":"0b54ad10"}', b"Traceback:\n  File \"a.py\", line 1\nKeyError: 'x'"]


def push_any_lines(s, day):
    """By protobuf: bytes as they are, with metadata; some lines come again with other numbers in them."""
    lines = ODD_LINES + [b'10.0.%d.7 - - "GET /p/%x HTTP/1.1" %d %d' % (i % 3, i * 7919, 200 + i % 3, i * i) for i in range(200)]
    entries = b""
    for i, line in enumerate(lines):
        t_s = START_MS // 1000 + day * 86400 + i
        entries += harness.message(2, harness.message(1, harness.field(1, 0, harness.varint(t_s)) + harness.field(2, 0, harness.varint(i + 1))) +
                                   harness.text_field(2, line) + harness.message(3, harness.text_field(1, "number") + harness.text_field(2, str(i))))
    body = harness.message(1, harness.text_field(1, '{app="bytes",env="test"}') + entries)
    r = s.post("/loki/api/v1/push", harness.snappy(body), {"Content-Type": "application/x-protobuf"})
    assert r.status == 204, r.text


def push_sampled(s, day):
    values = [[str((START_MS + day * DAY_MS + i * 500) * 1_000_000), f"level=debug step={i % 7} took={i % 13}"] for i in range(600)]
    assert s.post_json("/loki/api/v1/push", {"streams": [{"stream": {"service_name": "loud"}, "values": values}]}).status == 204


def push_typed(s, day):
    """Records with fields of every type, in every scope, and exponential histograms."""
    def attributes(i):
        values = {"text": {"stringValue": f"t-{i % 4}"}, "int": {"intValue": str(i * 10**15 - 3)}, "double": {"doubleValue": i / 7}, "flag": {"boolValue": i % 2 == 0},
                  "raw": {"bytesValue": "AAH//g=="}, "list": {"arrayValue": {"values": [{"intValue": str(i)}, {"stringValue": "x"}]}},
                  "tree": {"kvlistValue": {"values": [{"key": "k", "value": {"doubleValue": 0.5}}]}}}
        return [{"key": k, "value": v} for k, v in list(values.items())[: 1 + i % 7]]
    t = [(START_MS + day * DAY_MS + i * 3000) * 1_000_000 for i in range(60)]
    records = [{"timeUnixNano": str(t[i]), "observedTimeUnixNano": str(t[i] + 5), "severityNumber": 1 + i % 24, "body": {"stringValue": f"typed record {i}"},
                "traceId": f"{i + 1:032x}", "spanId": f"{i + 1:016x}", "attributes": attributes(i)} for i in range(60)]
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "typed"}}, {"key": "shard", "value": {"intValue": "7"}}]}
    scope = {"name": "lib", "version": "1.2", "attributes": [{"key": "part", "value": {"stringValue": "s"}}]}
    r = s.post_json("/v1/logs", {"resourceLogs": [{"resource": resource, "scopeLogs": [{"scope": scope, "logRecords": records}]}]})
    assert r.status == 200, r.text
    points = [{"timeUnixNano": str(t[i]), "startTimeUnixNano": str(t[0] - 1), "count": str(3 * i + 1), "sum": i * 1.5, "scale": 1, "zeroCount": "1",
               "positive": {"offset": 0, "bucketCounts": [str(i), str(2 * i)]}} for i in range(60)]
    metric = {"name": "up_sizes", "exponentialHistogram": {"aggregationTemporality": 2, "dataPoints": points}}
    r = s.post_json("/v1/metrics", {"resourceMetrics": [{"resource": resource, "scopeMetrics": [{"metrics": [metric]}]}]})
    assert r.status == 200, r.text


def fill(s, day):
    r = s.post("/api/v1/write", harness.write_request(series(day)), harness.WRITE_HEADERS)
    assert r.status == 204, r.text
    push_logs(s, day)
    push_spans(s, day)
    push_any_lines(s, day)
    push_sampled(s, day)
    push_typed(s, day)


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    target = HERE / f"{sys.argv[1]}.tar.gz"
    with tempfile.TemporaryDirectory() as data:
        s = harness.Server(data=data, config=test_upgrade.CONFIG + "redaction: {profile: off}\nsampling: [{service: loud, keep: 20%}]\n")
        fill(s, 0)
        assert s.post("/api/v1/admin/tsdb/delete_series?match[]=up_requests_total{path=%22/p/3%22}").status == 204
        assert s.post("/api/stoa/v1/flush").status < 300 and s.post("/api/stoa/v1/merge").status < 300
        fill(s, 1)
        answers = {path: test_upgrade.answer(s, path) for path in test_upgrade.PATHS}
        empty = [path for path, value in answers.items() if not value or (isinstance(value, dict) and value["data"] in ([], {})) or '"result": []' in json.dumps(value)]
        assert not empty, empty
        s.kill()
        for name in ("quiet.yml", "test.yml"):
            os.unlink(os.path.join(data, name))
        pathlib.Path(data, "answers.json").write_text(json.dumps(answers, indent=1, sort_keys=True))
        with tarfile.open(target, "w:gz") as archive:
            archive.add(data, arcname="data")
    print(f"{target}: {target.stat().st_size} bytes, {len(answers)} answers")


if __name__ == "__main__":
    main()
