#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Writes small inputs to start fuzzing from: build/fuzz/seeds/<target>/<name>. Made here, so nothing has to be kept."""
import gzip
import json
import pathlib
import re
import struct
import sys
import zlib

SOURCE = pathlib.Path(__file__).resolve().parent.parent
ROOT = SOURCE / "build" / "fuzz" / "seeds"


def varint(n):
    out = b""
    while n >= 0x80:
        out += bytes([n & 0x7F | 0x80])
        n >>= 7
    return out + bytes([n])


def field(number, wire, payload):
    return varint(number << 3 | wire) + payload


def message(number, payload):
    return field(number, 2, varint(len(payload)) + payload)


def crc32c(data):
    v = 0xFFFFFFFF
    for byte in data:
        v ^= byte
        for _ in range(8):
            v = v >> 1 ^ (0x82F63B78 if v & 1 else 0)
    return v ^ 0xFFFFFFFF


def snappy_literal(data):
    """A block of one literal of up to 60 bytes."""
    return varint(len(data)) + bytes([(len(data) - 1) << 2]) + data


def snappy_frames(data):
    crc = crc32c(data)
    masked = ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
    out = b"\xff\x06\x00\x00sNaPpY"
    for kind, body in ((1, data), (0, snappy_literal(data))):
        chunk = struct.pack("<I", masked) + body
        out += bytes([kind]) + struct.pack("<I", len(chunk))[:3] + chunk
    return out + b"\xfe\x01\x00\x00."


def deflate(data, window):
    c = zlib.compressobj(6, zlib.DEFLATED, window)
    return c.compress(data) + c.flush()


TEXT = b"level=info msg=\"request done\" path=/api/items status=200 took=12ms\n" * 3
SERIES = b"".join(
    message(1, message(1, message(1, name) + message(2, value)) + message(2, field(1, 1, struct.pack("<d", 1.5)) + field(2, 0, varint(1700000000000))))
    for name, value in ((b"__name__", b"up"), (b"job", b"node"))
)
OPENMETRICS = b"""# TYPE http_requests counter
# HELP http_requests Requests\\nso far.
http_requests_total{code="200",path="/a\\"b"} 17 1700000000.5 # {trace_id="abc"} 0.25 1700000000
# TYPE took_seconds histogram
# UNIT took_seconds seconds
took_seconds_bucket{le="0.1"} 1
took_seconds_bucket{le="+Inf"} 3
took_seconds_count 3
took_seconds_sum 4.5e-1
# TYPE build info
build_info{version="1"} 1
# TYPE mode stateset
mode{mode="on"} 1
# TYPE q summary
q{quantile="0.5"} NaN
{"a.b","x y"="z"} -Inf
# EOF
"""
CLASSIC = b"""# a remark
# TYPE up untyped

up 1
\tdisk_bytes { dev = "sda\\\\1\\n" , mount="/", } 1.5e9 1700000000123\r
{"quoted name"} +Inf
"""
JSON = b'{"a":[1,-2.5e3,true,null,18446744073709551615],"b":{"c":"\\u00e9\\ud83d\\ude00\\n\\"","":{}},"d":[[],[{}]]}'



def kubernetes_seeds():
    """The recorded objects as a list and as events; the first byte is the kind's number."""
    seeds = {}
    for kind, name in enumerate(("nodes", "pods", "services", "endpoints", "endpointslices", "ingresses", "namespaces", "replicasets", "jobs")):
        items = json.loads((pathlib.Path(__file__).parent.parent / "test" / "fixtures" / "kubernetes" / (name + ".json")).read_text())
        for item in items:
            item["metadata"]["resourceVersion"] = "7"
            item["metadata"].get("annotations", {}).pop("long", None)
        lines = [b"L" + json.dumps({"metadata": {"resourceVersion": "9"}, "items": items}).encode()]
        lines += [json.dumps({"type": t, "object": i}).encode() for t in ("ADDED", "DELETED") for i in items[:1]]
        lines.append(json.dumps({"type": "ERROR", "object": {"code": 410, "message": "old"}}).encode())
        lines.append(b'{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"12"}}}')
        seeds[name] = b"\n".join(bytes([9 * 6 + kind]) + line for line in lines)
    seeds["all"] = b"\n".join(seeds.values())
    return seeds


SEEDS = {
    "fuzz_promtext": {"openmetrics": OPENMETRICS, "classic": CLASSIC, "empty": b"# EOF\n"},
    "fuzz_proto": {
        "write": SERIES,
        "kinds": field(1, 0, varint(300)) + field(2, 5, b"\1\2\3\4") + field(3, 1, b"\0" * 8) + message(4, varint(1) + varint(2**64 - 1)),
        "group": field(1, 3, b"") + field(2, 0, b"\5") + field(1, 4, b"") + field(5, 0, b"\1"),
    },
    "fuzz_json": {"one": JSON, "lines": JSON + b"\n{\"broken\":\n" + JSON + b"\n[1]\n", "run": b'{"a":1}{"b":"}"} [2],3 ', "deep": b"[" * 70 + b"]" * 70},
    "fuzz_yaml": {
        "config": b"global:\n  scrape_interval: 15s # often\nscrape_configs:\n  - job_name: 'a b'\n    targets: [\"h:1\", h:2]\n",
        "anchors": b"base: &b {x: 1, y: [2, 3]}\ncopy: *b\ntext: |\n  two\n  lines\n",
        "odd": b"? [a, b]\n: 1\n--- \n!!str x: &a [*a]\n",
        "seconds": b"global: 1h30m\n",
    },
    "fuzz_logfmt": {"line": TEXT, "odd": b'a="x \\"y\\" \\n" flag =x b="open c== d="" "e"=1'},
    "fuzz_snappy": {
        "block": snappy_literal(TEXT[:60]),
        "copy": varint(12) + bytes([3 << 2]) + b"abcd" + bytes([(8 - 4) << 2 | 1, 4]),
        "frames": snappy_frames(TEXT[:50]),
    },
    "fuzz_gzip": {
        "gzip": gzip.compress(TEXT, mtime=0),
        "members": gzip.compress(TEXT, mtime=0) + gzip.compress(b"", mtime=0),
        "zlib": deflate(TEXT, 15),
        "raw": deflate(TEXT, -15),
        "zstd": b"\x28\xb5\x2f\xfd\x00\x00\x11\x00\x00hi",
        "zstd_sized": b"\x28\xb5\x2f\xfd\x20\x02\x11\x00\x00hi",
    },
}


def queries(language):
    """The queries of the language's own scripts."""
    before = r"eval\w* +(?:instant at \S+|(?:range|lines) from \S+ to \S+(?: step \S+)?(?: limit \d+)?(?: forward)?) +(.+)"
    scripts = sorted((ROOT.parent.parent.parent / "test" / language).glob("*.test"))
    lines = "\n".join(script.read_text() for script in scripts)
    return {f"query{i}": text.encode() for i, text in enumerate(re.findall(before, lines))}


def texts(file, call, first=b""):
    """The first text of each call of that name in a unit test."""
    source = (ROOT.parent.parent.parent / "src" / file).read_text()
    found = re.findall(call + r'\((?:\w+, )?"((?:[^"\\]|\\.)*)"', source)
    return {f"text{i}": first + text.encode().decode("unicode_escape").encode("latin-1") for i, text in enumerate(found) if len(re.findall(r"\d{6}", text)) == 0}


SECRETS = b"""User password: hunter2! {"token":"a\\"b","n":1} Authorization: Basic dXNlcjpwYXNz
https://u:p@h/ card 4111-1111 1111 1111. eyJhbGciOiJ9.eyJzdWIiOjF9.c2lnbmF0dXJl AKIAABCDEFGHIJKLMNOP api_key='x' ada@example.com
-----BEGIN RSA PRIVATE KEY-----\nMII\n-----END RSA PRIVATE KEY-----
cookie: a=b; c=d
"""
VITALS = b'{"name":"LCP","value":2500.5,"rating":"good","delta":1,"id":"v4-1","navigationType":"navigate","entries":[],"url":"https://a/b?c"}'
SEEDS |= {
    "fuzz_gotmpl": texts("query/gotmpl_test.c", "check", b"value\n"),
    "fuzz_article": {f"c{i}": c for i, c in enumerate([
        b"cpu_usage > 90 for 5 minutes", b"error_rate >= 5% for 1h30m", b"latency_p99 > 500ms", b"a / b or c != -1e-3 MiB for 2 weeks"])},
    "fuzz_condition": {f"c{i}": c + b'\n{"a":[{"b":7}],"t":"x"}' for i, c in enumerate([
        b"status in [200, 204]", b"latency < 2s", b"certificate days > 14", b'body contains "x"', b"body not matches /re/i",
        b"header content-type contains html", b"json .a[0].b == 7", b'json .["t"] exists', b"body /b.:(.)/", b"json .t"])},
    "fuzz_redact": {"lines": SECRETS, "json": JSON},
    "fuzz_login": {"basic": b"Basic YWRhOmNvcnJlY3Q=\nstoa_session=abc; x=y", "bearer": b"Bearer stoa_abc\n", "basictoken": b"basic OnN0b2FfYQ==\na=;=b;;"},
    "fuzz_audit": {"line": b'{"seq":1,"t_ms":1,"user":"a","prev":"' + b"0" * 64 + b'","hash":"' + b"0" * 64 + b'"}\n{"seq":2'},
    "fuzz_k8s": kubernetes_seeds(),
    "fuzz_statsd": {f"l{i}": c for i, c in enumerate([
        b"a.b:1:2|ms|@0.5|#x:y,z|c:c1|e:e|card:low|T1767225600\na:+1|g\nb:2|c:3|ms\nw:x|s", b"f,t=1:1|c\nf#t=1:1|h\nf[t=1]x:1|d",
        b"_e{1,1}:a|b|d:1|h:h|p:low|t:error|k:k|s:s|#service:x", b"_sc|a|2|d:1|h:h|#service:x,y:z|m:a|b"])},
    "fuzz_syslog": {"new": b'<165>1 2026-01-01T00:00:00.003Z h app 7 ID47 [a@1 k="v\\"" e="f"][g] text', "old": b"<34>Jan  1 22:14:15 h su[7]: failed",
                    "cisco": b"<189>29: *Jan  1 00:46:11.123 UTC: %SYS-5-A: b", "asa": b"<189>Jan 01 2026 00:16:01: %ASA-6-302013: x",
                    "meraki": b"<134>1 1767229100.5 MX84 urls a=b", "json": b'<13>@cee: {"level":"error"}'},
    "fuzz_push": {"path": b"/a/instance/h:1/path@base64/L3g=", "matchers": b'{a="b",c=~"d|e", f!=g}', "vital": VITALS, "vitals": b"[" + VITALS + b"," + VITALS + b"]"},
}
HISTOGRAM = b"\x01\x03\x00\x03" + struct.pack("<d", 2.5) + b"\x01" + struct.pack("<d", 0.001) + b"\x00\x01\x00\x02\x02\x00"
CUSTOM = b"\x00\xcb\x03" + struct.pack("<dd", 3, 9) + b"\x02" + struct.pack("<dd", 1, 2.5) + b"\x01\x00\x03" + struct.pack("<ddd", 0.5, 1, 1.5)
FRAME = b"\x02\x07default\x01\x02\x00\x05\x0b\x08__name__\x01m" + varint(2000) * 2 + b"\x01\x05\x60" + HISTOGRAM + b"\x00"
PIECE = b"\x01\x06" + struct.pack("<d", 0.001) + b"\x00\x01\x00\x00\x01\x00\x02\x00\x00\x01\x01" + b"\x00\x00\x02" + b"\x00\x01\x32" + b"\x00\x00\x02" * 2
SEEDS |= {
    "fuzz_wal_rows": {"two": (struct.pack("<H", len(FRAME)) + FRAME) * 2},
    "fuzz_histogram": {"two": HISTOGRAM * 2, "custom": CUSTOM * 2},
    "fuzz_chunk": {"sparse": b"\x0f\x00\x02\x00\x0a\x03\x02\x02\x55\x55\x01\x02\x03", "short": b"\x0f\x00\x02\x03\x15\x03\x02\x02\x0a\x03" + bytes(range(6)),
                   "patched": b"\x02\x00\x12\x01\x01\x00" + b"\x02\x00\x00\x00\x00\x00\xf0\x7f" + b"\x00\x00\x02\x02\x05"},
    "fuzz_hchunk": {"piece": b"\x00\x00" + PIECE, "log": b"\x00\x00" + HISTOGRAM, "entry": b"\x01\x00\x05\x01\x00\x00\x02\x01\x01\x08\x40\x00\x20"},
}


def events(lines, fields=b"", each=0):
    """Records of fuzz/fuzz_events.c: requests of seven, a flush behind every third of them and a merge behind some."""
    return b"".join(bytes([each | (8 if i % 7 == 6 else 0) | (16 if i % 21 == 20 else 0) | (32 if i % 63 == 62 else 0), i * 37 % 256]) + line + b"\x1e" + fields
                    for i, line in enumerate(lines))


ACCESS = [b'10.0.%d.7 - - [01/Jan/2026:00:00:%02d +0000] "GET /p/%x HTTP/1.1" 200 %d "-" "curl/8"' % (i % 3, i % 60, i * 7919, i * 31) for i in range(90)]
SEEDS["fuzz_events"] = {
    "access": events(ACCESS),
    "json": events([b'{"level":"info","id":%d,"trace":"%032x","took":%d.5,"s":"\\u00e9\\n"}' % (i, i * 99991, i) for i in range(90)]),
    "fields": events([b"order %d of user-%d" % (i, i % 5) for i in range(40)], b"\x00name\x1fvalue\x1e\x03n\x1f12345678\x1e\x06d\x1f\x00\x00\x00\x00\x00\x00\xf0\x3f\x1e", 3),
    "odd": events([b"", b" ", b"\x00", b"\xff\xfe", b"\n\n", b"\xc3", b"1", b"-0", b"00012", b"1e5", b"0x1F", b"a" * 300, b"\t", b"'\"\\", b"{", b"\xe2\x80\xa6"] * 3),
    "times": events([b"2026-01-01T00:00:%02d.%03dZ INFO [main] started in %d ms" % (i % 60, i, i * i) for i in range(80)]),
    "counted": b"".join(b"\x80" + bytes([i]) + struct.pack("<H", 5) + b"\x1e\x1f\n%02d" % i for i in range(40)),
}


def bodies(protocol):
    """The request bodies of the golden tests, as protobuf where they are inside a block of literals."""
    found = {}
    for path in sorted((ROOT.parent.parent.parent / "test" / "wire" / protocol).iterdir()):
        if path.suffix != ".expect":
            found[path.name] = data = path.read_bytes()
        if path.suffix == ".snappy":
            at = next(i for i, byte in enumerate(data) if byte < 0x80) + 1
            plain = b""
            while at < len(data):
                length = (data[at] >> 2) + 1
                plain += data[at + 1:at + 1 + length]
                at += 1 + length
            found[path.stem + ".plain"] = plain
    return found


def double(number, v):
    return field(number, 1, struct.pack("<d", v))


def family(name, kind, *metrics):
    data = message(1, name) + message(2, b"help") + field(3, 0, varint(kind)) + b"".join(message(4, m) for m in metrics)
    return varint(len(data)) + data


EXEMPLAR = message(1, message(1, b"trace_id") + message(2, b"abc")) + double(2, 1.5) + message(3, field(1, 0, varint(1767225600)))
BUCKETS = message(3, field(1, 0, varint(1)) + double(2, 1)) + message(3, field(1, 0, varint(3)) + double(2, 2.5) + message(3, EXEMPLAR))
NATIVE = field(1, 0, varint(4)) + double(2, 7) + BUCKETS + field(5, 0, varint(0)) + message(12, field(2, 0, varint(2))) + message(13, b"\x02\x04") + message(16, EXEMPLAR)
PROTO_PAGE = (family(b"jobs", 0, message(1, message(1, b"k") + message(2, b"v")) + message(3, double(1, 3) + message(3, field(1, 0, varint(1767225599))))) +
              family(b"temp", 1, message(2, double(1, 2))) + family(b"wait", 2, message(4, field(1, 0, varint(9)) + message(3, double(1, 0.5) + double(2, 1)))) +
              family(b"old", 4, message(7, field(1, 0, varint(4)) + double(2, 7) + BUCKETS)) + family(b"new", 4, message(7, NATIVE)))
OLD = message(1, message(1, b"__name__") + message(2, b"up")) + message(3, EXEMPLAR[:EXEMPLAR.rindex(b"\x1a")] + field(3, 0, varint(1 << 63)))
READ = field(1, 0, varint(1767225600000)) + field(2, 0, varint(1767229200000)) + message(4, message(2, b"rate")) + b"".join(
    message(3, field(1, 0, varint(kind)) + message(2, name) + message(3, value))
    for kind, name, value in ((0, b"__name__", b"up"), (1, b"job", b""), (2, b"a", b"x.*|y"), (3, b"b", b"[0-9]+"), (0, b"region", b"eu")))
SEEDS |= {
    "fuzz_page": {f"p{how}": bytes([how]) + {0: PROTO_PAGE, 1: OPENMETRICS, 2: CLASSIC}[how & 3] for how in (0, 4, 12, 28, 20, 1, 17, 25, 2, 18)},
    "fuzz_prom_read": {
        "samples": message(1, READ),
        "streamed": message(1, READ) * 2 + message(2, b"\x01\x00"),
        "one": message(1, READ) + field(2, 0, b"\x01"),
    },
    "fuzz_prom_write": bodies("prometheus_remote_write") | {"exemplar_time": message(1, OLD)},
    "fuzz_prom_write2": bodies("prometheus_remote_write_2"),
    "fuzz_otlp_metrics": bodies("otlp_metrics"),
    "fuzz_zipkin_v1": bodies("zipkin_v1"),
    "fuzz_trace_context": {
        "parent": b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "later": b"cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
        "state": b"rojo=00f067aa0ba902b7, congo@v=t61rcWkgMzE ,,a=1,a=2",
    },
}
ALERT = b"""{"labels": {"alertname": "Disk", "host": "a", "s\\u00e9v": "x"}, "annotations": {"summary": "it is full"},
 "startsAt": "2026-01-31T08:00:00Z", "endsAt": "2026-01-31T09:00:00.5+01:00", "generatorURL": "http://p/graph?g0.expr=up"}"""
SILENCE = b"""{"id": "a", "matchers": [{"name": "host", "value": "a.*", "isRegex": true}, {"name": "x", "value": "", "isRegex": false,
 "isEqual": false}], "startsAt": "2026-01-31T08:00:00Z", "endsAt": "2026-01-31T09:00:00Z", "createdBy": "ada", "comment": "move"}"""
SEEDS |= {
    "fuzz_alertmanager": {
        "alerts": b"\0[" + ALERT + b"," + ALERT.replace(b"Disk", b"") + b', {"labels": {"a": 1}}, 7, null]',
        "silence": b"\1" + SILENCE,
        "empty": b"\0[]",
    },
    "fuzz_board": {path.stem: path.read_bytes().replace(b'"uid": "%s"' % path.stem.encode(), b'"uid": "fuzz"')
                   for path in sorted((SOURCE / "src" / "api" / "boards").glob("*.json"))} | {
        "wrapped": b"""{"overwrite": true, "dashboard": {"id": 3, "uid": "fuzz", "version": 2, "title": "t", "tags": ["x"], "schemaVersion": 39, "panels": [
 {"type": "row", "title": "r", "collapsed": true, "panels": [{"type": "stat", "gridPos": {"x": 0, "y": 1, "w": 6, "h": 4}, "targets": [{"expr": "up", "refId": "A"}]}]},
 {"type": "timeseries", "gridPos": {"x": 0, "y": 0, "w": 24, "h": 8}, "datasource": {"type": "loki"}, "targets": [{"expr": "{a=\\"b\\"}"}]},
 {"type": "heatmap"}], "templating": {"list": [{"name": "job", "type": "query", "query": "label_values(up, job)"}]}}}""",
    },
}
SEEDS["fuzz_promql"] = queries("promql")
SEEDS["fuzz_logql"] = queries("logql")
SEEDS["fuzz_traceql"] = {
    str(i): text.encode().decode("unicode_escape").encode("latin-1")
    for i, text in enumerate(re.findall(r'check_(?:same|format|refused)\("((?:[^"\\\\]|\\\\.)+)"', (SOURCE / "src" / "traceql" / "parser_test.c").read_text()))}
SEEDS["fuzz_traceql"].update({ # a query over a tree of its own: a ring, a chain, an orphan, ids that come twice
    f"tree_{i}_{k}": query + b"\0" + tree
    for i, query in enumerate([b"{ kind = server } >> { status = error }", b"{ } !< { .a = 1 } | by(name) | count() > 1", b"({ .a } &~ { }) | coalesce()",
                               b"{ nestedSetParent < 0 } | rate() by (parent.a)", b"{ childCount > 1 } &<< { } | avg(duration) > 1s"])
    for k, tree in enumerate([bytes([3, 1, 2, 4, 2]), bytes(range(20)), bytes([0, 31, 1, 0x81, 0x42, 0xe1, 2])])})
SEEDS["fuzz_template"] = {
    f"{name}_{i}": value + b"\n" + text.encode()
    for name, query in SEEDS["fuzz_logql"].items() if b"_format" in query
    for text in re.findall(r"`([^`]*)`", query.decode())
    for i, value in enumerate([b"two words", b"-12.5"])}
SEEDS["fuzz_search"] = {str(i): text for i, text in enumerate([
    b'timeout "connection reset" -health', b"service:web-* (status>=500 OR took>1.5s) -level:info", b"NOT (a b) OR c* AND d", b"level>=warn user:* n<=3 size>2MB"])}


def main():
    for target, inputs in SEEDS.items():
        folder = ROOT / target
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in inputs.items():
            (folder / name).write_bytes(data)
    print(f"seeds: {sum(len(i) for i in SEEDS.values())} in {ROOT}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
