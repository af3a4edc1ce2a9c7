#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""round_trip.py FILE...: sends the lines of files through the program by three ways and reads them back, from memory, from parts, from
merged parts and after a restart; they must be the same bytes. Redaction is off, and nothing is too old.

    text      POST /api/stoa/v1/logs, read by the plain export: the same lines as often (their order is that of their times)
    json      Loki's push in JSON, read by query_range: the same lines in the same order. A byte that is no UTF-8 is sent as it is and
              shows as U+FFFD, as docs/manual/log-inputs.md says
    protobuf  Loki's push in protobuf with structured metadata, read by the plain export and by query_range: the same bytes, same order

Lines with random bytes in them, and of nothing else, are sent as two more files. Files may be gzipped. A case is a file by one way at one moment. Ends with "N passed, N failed".
"""
import collections
import gzip
import os
import pathlib
import random
import sys
import time
import urllib.parse

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "server"))
import harness  # noqa: E402

CONFIG = "retention: 36500d\nredaction: {profile: off}\nstore:\n  disk_refuse_ratio: 0\n"
LINES_MAX, LINE_BYTES_MAX, PAGE_LINES, DAMAGED_LINES = 4000, 1 << 20, 5000, 1500
WAYS = ("text", "json", "protobuf")
BASE_NS = (int(time.time()) - 3600) * 10**9
DAY_NS = 86400 * 10**9


def lines_of(path):
    data = pathlib.Path(path).read_bytes()
    if data[:2] == b"\x1f\x8b":
        data = gzip.decompress(data)
    return [x for x in data.split(b"\n")[:LINES_MAX] if len(x) < LINE_BYTES_MAX]


def damaged(files, dice):
    """Lines of the files with bytes changed, put in and taken out."""
    every = [x for lines in files.values() for x in lines] or [b"an ordinary line 12 of user=ann"]
    out = []
    for _ in range(DAMAGED_LINES):
        line = bytearray(dice.choice(every)[:2000])
        for _ in range(dice.randrange(1, 6)):
            at = dice.randrange(len(line) + 1)
            line[at:at + dice.randrange(3)] = bytes(dice.randrange(256) for _ in range(dice.randrange(4)))
        out.append(bytes(line).replace(b"\n", b"\0"))
    return out


def json_text(raw):
    """A JSON string of raw bytes, those that are no UTF-8 among them."""
    out = bytearray(b'"')
    for c in raw:
        out += b"\\u%04x" % c if c < 0x20 else b"\\" + bytes([c]) if c in b'"\\' else bytes([c])
    return bytes(out + b'"')


def shown(raw):
    """What a JSON answer has of a line: each byte that is no UTF-8 as U+FFFD."""
    return raw.decode("utf-8", "surrogateescape").translate({c: 0xFFFD for c in range(0xDC80, 0xDD00)})


class Trip:
    def __init__(self):
        self.server = harness.Server(config=CONFIG)
        self.passed, self.failed = 0, 0

    def send(self, name, lines):
        s = self.server
        stamped = [(BASE_NS + i, x) for i, x in enumerate(lines)]
        body = b"\n".join(lines) + b"\n"
        r = s.post("/api/stoa/v1/logs?" + urllib.parse.urlencode({"service_name": "rt", "file": name, "way": "text", "multiline": "off"}), body,
                   {"Content-Type": "text/plain"})
        assert r.status == 200, r.text
        values = b",".join(b'["%d",%s]' % (t, json_text(x)) for t, x in stamped)
        stream = b'{"service_name":"rt","file":%s,"way":"json"}' % json_text(name.encode())
        r = s.post("/loki/api/v1/push", b'{"streams":[{"stream":%s,"values":[%s]}]}' % (stream, values), {"Content-Type": "application/json"})
        assert r.status == 204, r.text
        labels = '{service_name="rt",way="protobuf",file="%s"}' % name
        entries = b"".join(harness.message(2, harness.message(1, harness.field(1, 0, harness.varint(t // 10**9)) + harness.field(2, 0, harness.varint(t % 10**9))) +
                                           harness.text_field(2, x) + harness.message(3, harness.text_field(1, "number") + harness.text_field(2, str(i))))
                           for i, (t, x) in enumerate(stamped))
        r = s.post("/loki/api/v1/push", harness.snappy(harness.message(1, harness.text_field(1, labels) + entries)),
                   {"Content-Type": "application/x-protobuf"})
        assert r.status == 204, r.text

    def export(self, name, way):
        r = self.server.get("/api/stoa/v1/logs/export", {"query": '{way="%s",file="%s"}' % (way, name), "format": "plain",
                                                         "start": "0", "end": str(BASE_NS + 2 * DAY_NS)})
        assert r.status == 200, r.text
        return r.body.split(b"\n")[:-1]

    def query(self, name, way):
        """(line, number) of each record, in the order told."""
        rows, start = [], BASE_NS
        while True:
            page = []
            for x in self.server.logs('{way="%s",file="%s"}' % (way, name), start=start, end=BASE_NS + DAY_NS, limit=PAGE_LINES,
                                      direction="forward"):
                page += [(int(t), line, x["stream"].get("number")) for t, line in x["values"]]
            rows += sorted(page)
            if len(page) < PAGE_LINES:
                return [(line, number) for _, line, number in rows]
            start = max(page)[0] + 1

    def check(self, what, got, want):
        if got == want:
            self.passed += 1
            return
        self.failed += 1
        print(f"{what}: {len(got)} lines of {len(want)}")
        pairs = list(zip(got, want)) if isinstance(got, list) else [(got - want, want - got)]
        for a, b in [(a, b) for a, b in pairs if a != b][:2]:
            print(f"  got  {str(a)[:300]}\n  want {str(b)[:300]}")

    def compare(self, name, lines, moment):
        what = f"{name}, {moment}"
        text = collections.Counter(x[:-1] if x.endswith(b"\r") else x for x in lines)
        text = collections.Counter({x: n for x, n in text.items() if x.strip(b" \t\r\n\v\f")})
        found = collections.Counter(x for x in self.export(name, "text"))
        self.check(f"{what}, text", found, text)
        self.check(f"{what}, json", [x for x, _ in self.query(name, "json")], [shown(x) for x in lines])
        self.check(f"{what}, protobuf", self.export(name, "protobuf"), lines)
        self.check(f"{what}, protobuf as JSON", self.query(name, "protobuf"), [(shown(x), str(i)) for i, x in enumerate(lines)])


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    trip = Trip()
    seed = int(os.environ.get("STOA_TEST_SEED", time.time_ns() % 1000000))
    dice = random.Random(seed)
    print(f"seed {seed}")
    files = {f"f{i}-{pathlib.Path(path).name}": lines_of(path) for i, path in enumerate(sys.argv[1:])}
    files["damaged"] = damaged(files, dice)
    files["random"] = [dice.randbytes(int(dice.expovariate(1 / 60))).replace(b"\n", b" ") for _ in range(DAMAGED_LINES)]
    try:
        for name, lines in files.items():
            trip.send(name, lines)
        for moment in ("in memory", "in parts", "merged", "after a restart"):
            if moment == "in parts":
                assert trip.server.post("/api/stoa/v1/flush").status == 200
            if moment == "merged":
                for name, lines in list(files.items())[:3]:
                    trip.send(name + "-again", lines)
                for what in ("flush", "merge"):
                    assert trip.server.post(f"/api/stoa/v1/{what}").status == 200
            if moment == "after a restart":
                trip.server.kill()
                trip.server.start()
            for name, lines in files.items():
                trip.compare(name, lines, moment)
    finally:
        trip.server.close()
    print(f"{trip.passed} passed, {trip.failed} failed")
    sys.exit(1 if trip.failed else 0)


if __name__ == "__main__":
    main()
