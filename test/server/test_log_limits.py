# SPDX-License-Identifier: Apache-2.0
"""Logs under hostile load: bodies of 100 MB, tens of thousands of new streams, lines of no sane size, queries that would take
for ever, watchers that never read. Memory stays bounded (the peak of the process, from /proc), who goes too far is told which
limit it was, and everybody else goes on with exact answers: a bystander writes and counts through all of it.

Bounds of memory are generous and named: they tell a bounded server from one that is not, and are no benchmark.
"""
import contextlib
import http.client
import json
import re
import socket
import threading
import time
import urllib.parse
import zlib

import harness
from harness import field, message, text_field, varint
from test_syslog import free_port
from test_tail import WebSocket

NS = 10**9
MB = 1 << 20
HOSTILE_MB = 100           # of a body
BODY_MB_MAX = 64           # that are taken, by docs/limits.md
LINE_BYTES_MAX = MB        # by docs/limits.md and logs.line_max
CUT_MARK = "\u2026"
PEAK_MB = 400              # of the process, in tests of one hostile client
PEAK_MANY_MB = 900         # with two dozen of them at once, bytes in flight at their limit of 256 MB
PEAK_QUERIES_MB = 2000     # a dozen queries at their limit of 256 MB each, as many at once as there are query threads
REST_MB = 350              # what may stay of it afterwards
JSON = {"Content-Type": "application/json", "Authorization": "Splunk x"}
RAW = {"Content-Type": "text/plain", "Authorization": "Splunk x"}
EVERYTHING = '{app=~".+"}'
# Where log lines come in over HTTP, and whether a refusal tells the limit (Splunk's has fixed words).
INPUTS = (("/loki/api/v1/push", True), ("/api/prom/push", True), ("/otlp/v1/logs", True), ("/v1/logs", True), ("/api/stoa/v1/logs", True),
          ("/elastic/_bulk", True), ("/elastic/things/_bulk", True), ("/services/collector", False), ("/services/collector/event", False),
          ("/services/collector/raw", False))


def packed(kind, megabytes):
    """So many megabytes of blanks, made small."""
    c = zlib.compressobj(9, zlib.DEFLATED, 31 if kind == "gzip" else 15)
    return b"".join(c.compress(b" " * MB) for _ in range(megabytes)) + c.flush()


def snappy_bomb(megabytes):
    """One blank, copied over and over: 64 bytes out of 3."""
    n = megabytes * MB
    return bytes(varint(n) + b"\0 " + bytes([63 << 2 | 2, 1, 0]) * ((n - 1) // 64))


def zstd_bomb(megabytes):
    """A frame of blocks that each say: this byte, 128 KiB times."""
    size = 128 << 10
    blocks = [((size << 3) | (1 << 1) | (i + 1 == megabytes * 8)).to_bytes(3, "little") + b" " for i in range(megabytes * 8)]
    return (0xFD2FB528).to_bytes(4, "little") + b"\0\x58" + b"".join(blocks)


def loki_body(labels, entries):
    """Loki's protobuf: bytes as they are, which JSON could not say."""
    stream = text_field(1, labels)
    for t, line in entries:
        stream += message(2, message(1, field(1, 0, varint(t // NS)) + field(2, 0, varint(t % NS))) + message(2, line))
    return harness.snappy(message(1, stream))


class Bystander(threading.Thread):
    """Somebody who minds his own business: writes some lines, counts them, reads the newest; all must be exact, always."""

    def __init__(self, server):
        super().__init__(daemon=True)
        self.server, self.sent, self.rounds, self.wrong, self.over = server, 0, 0, None, threading.Event()
        self.base = time.time_ns() - 60 * NS

    def round(self):
        lines = [f"order {self.sent + i} paid" for i in range(20)]
        values = [[str(self.base + self.sent + i), line] for i, line in enumerate(lines)]
        r = self.server.post_json("/loki/api/v1/push", {"streams": [{"stream": {"job": "bystander"}, "values": values}]})
        assert r.status == 204, f"push: {r.status} {r.text}"
        self.sent += len(lines)
        r = self.server.get("/loki/api/v1/query", dict(query='sum(count_over_time({job="bystander"}[1h]))', time=time.time()))
        assert r.status == 200, f"count: {r.status} {r.text}"
        found = r.json["data"]["result"][0]["value"][1]
        assert found == str(self.sent), f"{found} lines counted, {self.sent} were written"
        newest = self.server.logs('{job="bystander"}', self.base, self.base + 120 * NS, limit=1)[0]["values"][0][1]
        assert newest == lines[-1], f"the newest line is {newest!r}, not {lines[-1]!r}"
        self.rounds += 1

    def run(self):
        while not self.over.wait(0.05):
            try:
                self.round()
            except Exception as e:  # told by the test
                self.wrong = e
                return


class Limits(harness.Case):
    def peak_mb(self, server, which="VmHWM"):
        with open(f"/proc/{server.process.pid}/status") as f:
            return int(re.search(rf"{which}:\s+(\d+) kB", f.read())[1]) / 1024

    @contextlib.contextmanager
    def bounded(self, server, peak_mb=PEAK_MB):
        """While a bystander goes on: no more memory than that at any time, and the server lives."""
        b = Bystander(server)
        b.start()
        try:
            yield
        finally:
            b.over.set()
            b.join(60)
        self.assertFalse(b.is_alive(), "the bystander was kept waiting for a minute")
        self.assertIsNone(b.wrong, f"the bystander: {b.wrong}")
        b.round()
        self.assertIsNone(server.process.poll())
        self.assertLess(self.peak_mb(server), peak_mb)

    def push(self, server, lines, at=None, **labels):
        at = at or time.time_ns()
        values = [[str(at + i), *(line if isinstance(line, (list, tuple)) else (line,))] for i, line in enumerate(lines)]
        return server.post_json("/loki/api/v1/push", {"streams": [{"stream": labels, "values": values}]})

    def metric(self, server, name):
        for line in server.get("/metrics").text.splitlines():
            if line.startswith(name + " "):
                return float(line.split()[-1])
        return 0

    def loaded(self, lines, config=None):
        """A server with so many lines of about 100 bytes of four apps in the last ten minutes."""
        s = self.server(config=config)
        self.start = time.time_ns() - 600 * NS
        for first in range(0, lines, 10000):
            texts = [f"request {i} served {i * 7919 % 1000003} by {'abc'[i % 3]} in {i % 97}ms user=u{i % 1000} code={i % 10000} and some more words"
                     for i in range(first, min(first + 10000, lines))]
            r = self.push(s, texts, at=self.start + first, app=f"app{first // 10000 % 4}")
            self.assertEqual(r.status, 204, r.text)
        return s

    def ask(self, server, query, path="/loki/api/v1/query_range", **params):
        """By POST, as long queries must be."""
        params = dict(query=query, start=self.start - NS, end=self.start + 700 * NS, **params)
        return server.post(path, urllib.parse.urlencode(params).encode(), {"Content-Type": "application/x-www-form-urlencoded"})

    def refused(self, reply, status, *words):
        self.assertEqual(reply.status, status, reply.text[:300])
        for w in words:
            self.assertIn(w, reply.text)
        self.assertLess(len(reply.body), 2000, "a refusal is a sentence")


class Bodies(Limits):
    def test_a_body_of_100_mb_is_refused_with_the_limit_wherever_logs_come_in(self):
        s = self.server()
        plain = b"a" * (HOSTILE_MB * MB)
        forms = [("plain", plain, {}), ("gzip", packed("gzip", HOSTILE_MB), {"Content-Encoding": "gzip"}),
                 ("deflate", packed("zlib", HOSTILE_MB), {"Content-Encoding": "deflate"}),
                 ("zstd", zstd_bomb(HOSTILE_MB), {"Content-Encoding": "zstd"}), ("snappy", snappy_bomb(HOSTILE_MB), {"Content-Encoding": "snappy"})]
        with self.bounded(s):
            for path, told in INPUTS:
                for kind in ("application/json", "application/x-protobuf"):
                    for name, body, headers in forms:
                        with self.subTest(path=path, form=name, kind=kind):
                            r = s.post(path, body, {**JSON, "Content-Type": kind, **headers})
                            words = [str(BODY_MB_MAX * MB)] if told or name == "plain" else ["Request entity too large"]
                            self.refused(r, 413, *words)

    def test_a_chunked_body_without_end_is_refused_when_it_is_too_long(self):
        s = self.server()
        with self.bounded(s):
            for path, _ in INPUTS:
                with self.subTest(path=path):
                    c = http.client.HTTPConnection("127.0.0.1", s.port, timeout=60)
                    c.request("POST", path, (b"a" * 65536 for _ in range(HOSTILE_MB * 16)), JSON, encode_chunked=True)
                    r = c.getresponse()
                    text = r.read().decode()
                    self.assertEqual(r.status, 413, text)
                    self.assertIn(str(BODY_MB_MAX * MB), text)
                    self.assertEqual(r.getheader("Connection"), "close")
                    c.close()

    def test_a_snappy_body_of_loki_that_nothing_announces(self):
        s = self.server()
        with self.bounded(s):
            r = s.post("/loki/api/v1/push", snappy_bomb(HOSTILE_MB), {"Content-Type": "application/x-protobuf"})
            self.assertIn(r.status, (400, 413), r.text)

    def test_two_dozen_bombs_at_once(self):
        s = self.server()
        told, bomb = [], packed("gzip", HOSTILE_MB)

        def throw():
            for path, _ in INPUTS[:7]:
                told.append(s.post(path, bomb, {**JSON, "Content-Encoding": "gzip"}).status)

        with self.bounded(s, PEAK_MANY_MB):
            threads = [threading.Thread(target=throw) for _ in range(24)]
            for t in threads:
                t.start()
            for t in threads:
                t.join(120)
        self.assertEqual(len(told), 24 * 7)
        self.assertTrue(set(told) <= {413, 503}, set(told))
        self.assertIn(413, told)

    def test_who_announces_much_and_sends_little_holds_no_memory(self):
        s = self.server()
        head = b"POST /loki/api/v1/push HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n{" % (60 * MB)
        before = self.peak_mb(s)
        with self.bounded(s):
            held = [socket.create_connection(("127.0.0.1", s.port)) for _ in range(50)]
            for k in held:
                self.addCleanup(k.close)
                k.sendall(head)
            time.sleep(0.5)
        self.assertLess(self.peak_mb(s) - before, 100)

    def test_bodies_in_flight_have_a_limit_together(self):
        """50 senders of 57 of 60 announced MB each, who then say nothing more: 256 MiB are held, the others are told to come again."""
        s = self.server()
        head = b"POST /loki/api/v1/push HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n{" % (60 * MB)
        held, blanks = [], b" " * MB

        def send(k):
            with contextlib.suppress(OSError):
                k.sendall(head)
                for _ in range(57):
                    k.sendall(blanks)

        for _ in range(50):
            held.append(socket.create_connection(("127.0.0.1", s.port), timeout=30))
            self.addCleanup(held[-1].close)
        threads = [threading.Thread(target=send, args=(k,)) for k in held]
        for t in threads:
            t.start()
        for t in threads:
            t.join(120)
        told = {}
        for k in held:
            k.settimeout(0.3)
            text = b""
            with contextlib.suppress(OSError):
                text = k.recv(4096)
            told[text[9:12]] = told.get(text[9:12], 0) + 1
            if text[9:12] == b"503":
                self.assertIn(b"Retry-After", text)
        self.assertGreater(told.get(b"503", 0), 30, told)
        self.assertLess(self.peak_mb(s), PEAK_MANY_MB)
        for k in held:
            k.close()
        self.eventually(lambda: self.push(s, ["room again"], app="web").status == 204)
        self.eventually(lambda: self.peak_mb(s, "VmRSS") < REST_MB, what="the memory is given back")


class Syslog(Limits):
    def test_messages_that_never_end(self):
        """100 MB without a line break, one that says it has 99999999 bytes, 20 at once; a datagram behind them is stored."""
        port = free_port()
        s = self.server(config=f"listeners:\n  - {{dialect: syslog, address: \"127.0.0.1:{port}\"}}\n")
        head = f"<13>1 {time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} h %s - - - ".encode()

        def send(first, megabytes):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=60) as c:
                c.sendall(first)
                for _ in range(megabytes):
                    c.sendall(b"x" * MB)
                c.sendall(b"\n" + head % b"behind" + b"after the flood\n")

        with self.bounded(s):
            send(head % b"endless", HOSTILE_MB)
            send(b"99999999 " + head % b"counted", HOSTILE_MB)
            threads = [threading.Thread(target=send, args=(head % b"many", 20)) for _ in range(20)]
            for t in threads:
                t.start()
            for t in threads:
                t.join(120)
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as c:
                c.sendto(head % b"small" + b"a datagram", ("127.0.0.1", port))
            self.eventually(lambda: s.logs('{service_name="small"}')[0]["values"][0][1] == "a datagram")
            self.eventually(lambda: s.logs('{service_name="behind"}')[0]["values"], what="what came behind the flood")
            lines = [v[1] for x in s.logs('{service_name=~"endless|many"}') for v in x["values"]]
            self.assertTrue(lines and all(len(line) <= LINE_BYTES_MAX for line in lines))


class Streams(Limits):
    def test_tens_of_thousands_of_new_streams_a_second(self):
        s, sent, each = self.server(), 0, 2000
        self.assertEqual(self.push(s, ["before"], app="old").status, 204)
        bodies = []
        for k in range(40):
            now = time.time_ns()
            bodies.append(json.dumps({"streams": [{"stream": {"app": "flood", "pod": f"pod-{k}-{i}"}, "values": [[str(now + i), f"line {i}"]]}
                                                  for i in range(each)]}).encode())
        with self.bounded(s):
            for body in bodies:
                r = s.post("/loki/api/v1/push", body, JSON)
                self.assertEqual(r.status, 204, r.text)
                sent += each
            self.assertEqual(self.push(s, ["after"], app="old").status, 204)
            now = time.time_ns()
            window = dict(start=now - 3600 * NS, end=now + NS)
            for _ in range(2):  # in memory, and from a part
                r = s.get("/loki/api/v1/query", dict(query='sum(count_over_time({app="flood"}[1h]))'))
                self.assertEqual(r.json["data"]["result"][0]["value"][1], str(sent))
                lines = [v[1] for v in s.logs('{app="old"}', **window)[0]["values"]]
                self.assertEqual(lines, ["after", "before"])
                self.refused(s.get("/loki/api/v1/query", dict(query='count_over_time({app="flood"}[1h])')), 400, "10000 series")
                self.assertEqual(len(s.get("/loki/api/v1/label/pod/values", window).json["data"]), sent)
                self.assertEqual(len(s.get("/loki/api/v1/series", {"match[]": '{app="flood"}', **window}).json["data"]), sent)
                stats = s.get("/loki/api/v1/index/stats", dict(query='{app="flood"}', **window)).json
                self.assertEqual((stats["streams"], stats["entries"]), (sent, sent))
                one = s.logs('{app="flood", pod="pod-17-1234"}', **window)
                self.assertEqual([v[1] for x in one for v in x["values"]], ["line 1234"])
                self.assertEqual(s.post("/api/stoa/v1/flush").status, 200)

    def test_labels_without_measure(self):
        s = self.server()
        with self.bounded(s):
            for count, status in ((60, 204), (65, 400), (300, 400), (100_000, 400)):
                r = self.push(s, ["x"], **{f"l{i}": "v" for i in range(count)})
                self.assertEqual(r.status, status, r.text)
                if status == 400:
                    self.assertIn("at most 64 are allowed", r.text)
            self.refused(self.push(s, ["x"], app="v" * 10 * MB), 400, '"app"', "at most 4096 are allowed")
            self.refused(self.push(s, ["x"], **{"a" * 10 * MB: "v"}), 400, "at most 1024 are allowed")
            r = self.push(s, [["with metadata", {f"m{i}": "v" for i in range(100_000)}]], app="meta")
            self.refused(r, 400, "100000 fields", "at most 512 are allowed")
            r = self.push(s, [["bad", {f"m{i}": "v" for i in range(600)}], ["good", {"m": "v"}]], app="meta")
            self.refused(r, 400, "1 logs refused, 1 taken")
            self.assertEqual([v[1] for v in s.logs('{app="meta"}')[0]["values"]], ["good"])


class Lines(Limits):
    def newest(self, server, query, **params):
        return server.logs(query, limit=1, **params)[0]["values"][0][1]

    def test_lines_of_a_mebibyte_are_kept_and_longer_ones_are_cut_with_a_mark(self):
        s = self.server()
        with self.bounded(s):
            for n in (LINE_BYTES_MAX - 1, LINE_BYTES_MAX, LINE_BYTES_MAX + 1, 20 * LINE_BYTES_MAX):
                text = "abc " * (n // 4) + "x" * (n % 4)
                self.assertEqual(self.push(s, [text], app=f"loki{n}").status, 204)
                self.assertEqual(s.post(f"/api/stoa/v1/logs?app=raw{n}", text.encode(), RAW).json, {"accepted": 1, "rejected": 0})
                for app in (f"loki{n}", f"raw{n}"):
                    line = self.newest(s, f'{{app="{app}"}}')
                    if n <= LINE_BYTES_MAX:
                        self.assertEqual(line, text)
                    else:
                        self.assertEqual(len(line.encode()), LINE_BYTES_MAX)
                        self.assertTrue(line.endswith(CUT_MARK) and text.startswith(line[:-1]))
            self.push(s, ["\u00e9" * LINE_BYTES_MAX], app="letters")  # cut between letters, never inside of one
            line = self.newest(s, '{app="letters"}')
            self.assertEqual(set(line), {"\u00e9", CUT_MARK})
            self.assertLessEqual(len(line.encode()), LINE_BYTES_MAX)

    def test_a_million_fields_in_one_line(self):
        s = self.server()
        fields = {f"f{i}": i for i in range(1_000_000)}
        line, text = json.dumps(fields), {k: "1" for k in fields}
        with self.bounded(s):
            self.assertEqual(self.push(s, [line], app="loki").status, 204)
            self.assertEqual(s.post("/api/stoa/v1/logs?app=lines", line.encode(), JSON).json, {"accepted": 1, "rejected": 0})
            r = s.post("/elastic/_bulk", b'{"create":{"_index":"things"}}\n' + line.encode() + b"\n", JSON)
            self.assertIn("over 512 fields", r.json["items"][0]["create"]["error"]["reason"])
            r = s.post_json("/services/collector", {"event": "x", "fields": text}, )
            self.assertIn(r.status, (400, 401, 403), r.text[:200])
            r = s.post("/services/collector", json.dumps({"event": text}).encode(), JSON)
            self.assertEqual(r.status, 200, r.text)
            listed = [{"key": k, "value": {"stringValue": "1"}} for k in fields]
            r = s.post_json("/v1/logs", {"resourceLogs": [{"scopeLogs": [{"logRecords": [{"body": {"stringValue": "x"}, "attributes": listed}]}]}]})
            self.assertEqual(r.json["partialSuccess"]["rejectedLogRecords"], "1")
            self.assertIn("1000000 fields, at most 512 are allowed", r.json["partialSuccess"]["errorMessage"])
            now = time.time_ns()
            for query in ('{app="loki"} | json', '{app="loki"} | json one="f1"', '{app="loki"} | logfmt', 'sum by (f1) (count_over_time({app="loki"} | json [1h]))'):
                r = s.get("/loki/api/v1/query_range", dict(query=query, start=now - 3600 * NS, end=now))
                self.assertIn(r.status, (200, 400), r.text[:200])
            for path in ("/loki/api/v1/detected_fields", "/loki/api/v1/patterns", "/loki/api/v1/detected_labels"):
                self.assertEqual(s.get(path, dict(query='{app="loki"}')).status, 200)
            # One that is short enough to be read whole, with more fields than a series may have labels.
            self.push(s, [json.dumps({f"f{i}": i for i in range(2000)})], app="many")
            r = s.get("/loki/api/v1/query_range", dict(query='{app="many"} | json', start=now - 3600 * NS, end=time.time_ns()))
            self.assertEqual(r.status, 200)
            self.assertGreater(len(r.json["data"]["result"][0]["stream"]), 1000)  # of one line, 1024 labels are read

    def test_nesting_that_does_not_end(self):
        s = self.server()
        maps, lists = '{"a":' * 100_000 + "1" + "}" * 100_000, "[" * 400_000 + "]" * 400_000
        with self.bounded(s):
            for line in (maps, lists):
                self.assertEqual(self.push(s, [line], app="deep").status, 204)
                self.assertEqual(self.newest(s, '{app="deep"}'), line)
                body = line.encode() + b"\n"
                self.refused(s.post("/loki/api/v1/push", body, JSON), 400)
                self.refused(s.post("/v1/logs", body, JSON), 400)
                self.refused(s.post("/services/collector", body, JSON), 400)
                self.refused(s.post("/services/collector", b'{"event":' + body + b"}", JSON), 400)
                r = s.post("/elastic/_bulk", b'{"create":{"_index":"things"}}\n' + body, JSON)
                self.assertEqual(r.json["items"][0]["create"]["status"], 400)
                self.assertEqual(s.post("/api/stoa/v1/logs?app=deep", body, JSON).status, 200)
                now = time.time_ns()
                for query in ('{app="deep"} | json', '{app="deep"} | json one="a.a.a.a"', '{app="deep"} | unpack', '{app="deep"} | json | a_a_a="1"'):
                    r = s.get("/loki/api/v1/query_range", dict(query=query, start=now - 3600 * NS, end=now))
                    self.assertEqual(r.status, 200, r.text[:200])
                for path in ("/loki/api/v1/detected_fields", "/loki/api/v1/patterns"):
                    self.assertEqual(s.get(path, dict(query='{app="deep"}')).status, 200)

    def test_bytes_that_are_no_text(self):
        s, now = self.server(), time.time_ns()
        kinds = {"invalid": b"bad \xff\xfe\xc3 bytes \x80", "zeros": b"a\0b\0\0c", "empty": b"", "latin": "gr\u00fcn".encode("latin1"),
                 "controls": b"\x1b[31mred\x1b[0m\r\n\t\x7f\x01", "surrogate": b"\xed\xa0\x80", "lines": b"a\nb\n", "all": bytes(range(256)) * 16}
        with self.bounded(s):
            for name, line in kinds.items():
                r = s.post("/loki/api/v1/push", loki_body(f'{{app="{name}"}}', [(now, line)]), {"Content-Type": "application/x-protobuf"})
                self.assertEqual(r.status, 204, r.text)
            for _ in range(2):
                for name, line in kinds.items():
                    with self.subTest(name=name):
                        self.assertEqual(self.newest(s, f'{{app="{name}"}}'), line.decode("utf-8", "replace"))
                s.post("/api/stoa/v1/flush")
            for query in ('{app=~".+"} | json', '{app=~".+"} | logfmt', '{app=~".+"} | regexp "(?P<x>.)"', '{app=~".+"} | pattern "<a> <_>"', '{app=~".+"} | decolorize'):
                self.assertEqual(s.get("/loki/api/v1/query_range", dict(query=query)).status, 200, query)
            self.refused(s.post("/loki/api/v1/push", b'{"streams":[{"stream":{"app":"j\xff"},"values":[["%d","a"]]}]}' % now, JSON), 400, "UTF-8")
            r = s.post("/loki/api/v1/push", b'{"streams":[{"stream":{"app":"escaped"},"values":[["%d","a\\u0000b\\ud800c"]]}]}' % now, JSON)
            self.assertEqual(r.status, 204, r.text)
            self.assertEqual(self.newest(s, '{app="escaped"}'), "a\0b\ufffdc")

    def test_times_of_other_ages(self):
        s, now = self.server(), time.time_ns()
        with self.bounded(s):
            for t in (-62135596800 * NS, 253402300799 * NS, 2**63, 2**64, 10**30, "", "abc"):
                values = [[str(t), "bad"], [str(now), f"good {t}"]]
                r = s.post_json("/loki/api/v1/push", {"streams": [{"stream": {"app": "times"}, "values": values}]})
                self.refused(r, 400, "1 logs refused, 1 taken", f'found "{t}"')
            good = [v[1] for v in s.logs('{app="times"}')[0]["values"]]
            self.assertEqual(len(good), 7)
            for t in (2**63 - 1, now + 2 * 86400 * NS):
                r = s.post_json("/v1/logs", {"resourceLogs": [{"scopeLogs": [{"logRecords": [{"timeUnixNano": str(t), "body": {"stringValue": "far"}}]}]}]})
                self.assertIn("the time of arrival is taken", r.json["partialSuccess"]["errorMessage"])
            for t in ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "0000-00-00T00:00:00Z", "10000-01-01T00:00:00Z", 0, -1, 1e300, None, True):
                line = json.dumps({"time": t, "msg": f"told {t}"})
                self.assertEqual(s.post("/api/stoa/v1/logs?app=ages", line.encode(), JSON).json, {"accepted": 1, "rejected": 0})
                r = s.post("/elastic/_bulk", b'{"create":{"_index":"ages"}}\n' + json.dumps({"@timestamp": t, "message": "x"}).encode() + b"\n", JSON)
                self.assertEqual(r.status, 200, r.text)
                self.assertIn(s.post("/services/collector", json.dumps({"time": t, "event": "x"}).encode(), JSON).status, (200, 400))
            everything = dict(start=0, end=2**63 - 1)
            self.assertEqual(sum(len(x["values"]) for x in s.logs('{app="ages"}', **everything)), 9)
            s.post("/api/stoa/v1/flush")
            self.assertEqual(len(s.logs('{app="times"}', **everything)[0]["values"]), 7)


class Queries(Limits):
    def test_regexes_that_ruin_others_take_no_time_here(self):
        s = self.loaded(200_000)
        wild = [".*a.*b.*c.*", "(.*)*x(.*)*y(.*)*z$", "(a|aa)+$", "(x+x+)+y", "(.*)" * 10, "(?i)[a-z]{1,1000}q[0-9]{3,900}zz",
                "|".join(f"word{i}" for i in range(1500)), "^(([a-z])+.)+[A-Z]([a-z])+$", "(e|e?)*" * 20]
        with self.bounded(s):
            for regex in wild:
                for query in (f'{EVERYTHING} |~ "{regex}"', f'sum(count_over_time({EVERYTHING} |~ "{regex}" [1m]))',
                              f'{EVERYTHING} !~ "{regex}" |~ "{regex}"', f'{EVERYTHING} | regexp "(?P<x>{regex})" | x="nothing"'):
                    r = self.ask(s, query)
                    self.assertIn(r.status, (200, 400), f"{query[:90]}: {r.text[:200]}")
            r = self.ask(s, f'sum(count_over_time({EVERYTHING} |~ ".*re.*b.*m.*" [20m]))', path="/loki/api/v1/query", time=self.start + 600 * NS)
            self.assertEqual(r.json["data"]["result"][0]["value"][1], "200000")

    def test_regexes_too_large_to_compile_are_refused(self):
        s = self.loaded(1000)
        with self.bounded(s):
            for regex, word in (("[\\\\p{L}\\\\p{N}]{500}", "too large"), ("((((a{1,30}){1,30}){1,30}){1,5})", "repetition"), ("((((", "missing"),
                                ("|".join(f"word{i}" for i in range(5000)), "at most 16384 are allowed"),
                                ("|".join(f"word{i}" for i in range(30000)), "at most 65536 are allowed")):
                self.refused(self.ask(s, f'{EVERYTHING} |~ "{regex}"'), 400, word)
            large = "".join(f"[{c}]{{1000}}" for c in ("a-z", "0-9", "a-f", "x-z", "g-k"))
            self.refused(self.ask(s, EVERYTHING + "".join(f' |~ "a{i}{large}"' for i in range(250))), 400, "1000000")

    def test_a_query_over_its_time_ends_and_says_so(self):
        s = self.loaded(200_000, config="query:\n  timeout: 1s\n")
        slow = f'{EVERYTHING} | line_format "{"{{__line__}}" * 600}" |= "nowhere" | line_format "{"{{__line__}}" * 600}"'
        captures = f'{EVERYTHING} | regexp "(?P<x>{"(.*)" * 100})" | x="nothing"'
        with self.bounded(s):
            for query in (slow, f"sum(count_over_time({slow} [1m]))", captures):
                began = time.monotonic()
                self.refused(self.ask(s, query), 503, "time limit of 1 s")
                self.assertLess(time.monotonic() - began, 20, "a second of time, and some patience with the machine")

    def test_formats_that_explode_stop_at_a_limit(self):
        s = self.loaded(100_000)
        doubled = "".join(f' | label_format x{i}="{{{{.x{i - 1}}}}}{{{{.x{i - 1}}}}}"' for i in range(1, 9))
        long = f'{EVERYTHING} | label_format x0="{{{{__line__}}}}"{doubled}'
        endless = "".join(f' | label_format x{i}="{{{{.x{i - 1}}}}}{{{{.x{i - 1}}}}}"' for i in range(1, 40))
        copies = "{{__line__}}" * 50
        with self.bounded(s, PEAK_QUERIES_MB):
            self.refused(self.ask(s, f'{EVERYTHING} | line_format "{"{{__line__}}" * 600}"', limit=50000), 400, "268435456 bytes")
            self.refused(self.ask(s, long, limit=50000), 400, "268435456 bytes")
            self.refused(self.ask(s, f"sum by (x8) (count_over_time({long} [1m]))"), 400, "10000 series")
            for query in (f'{EVERYTHING} | label_format x0="{{{{__line__}}}}"{endless}', EVERYTHING + f' | line_format "{copies}"' * 5,
                          f'{EVERYTHING} | line_format "{{{{ repeat 1000000000 __line__ }}}}"'):
                r = self.ask(s, query, limit=10)
                self.assertEqual(r.status, 200, r.text[:200])
                self.assertIn("TemplateFormatErr", r.text)
        self.eventually(lambda: self.peak_mb(s, "VmRSS") < REST_MB, what="the memory is given back")

    def test_a_dozen_queries_that_want_all_memory_at_once(self):
        s = self.loaded(100_000)
        queries = [f'{EVERYTHING} | line_format "{"{{__line__}}" * 600}"',
                   f'sum by (y) (count_over_time({EVERYTHING} | label_format y="{"{{__line__}}" * 600}" [1m]))', f"sum by (n) (count_over_time({EVERYTHING} | regexp "
                   '"request (?P<n>[0-9]+) .*" [1m]))']
        told = []
        with self.bounded(s, PEAK_QUERIES_MB):
            threads = [threading.Thread(target=lambda q=q: told.append(self.ask(s, q, limit=50000))) for q in queries * 4]
            for t in threads:
                t.start()
            for t in threads:
                t.join(120)
        self.assertEqual(len(told), 12)
        for r in told:
            self.assertTrue(r.status == 503 or (r.status == 400 and re.search("268435456 bytes|10000 series", r.text)), f"{r.status} {r.text[:200]}")
        self.eventually(lambda: self.peak_mb(s, "VmRSS") < REST_MB, what="the memory is given back")

    def test_ten_thousand_groups(self):
        s = self.loaded(100_000)
        with self.bounded(s):
            query = f'sum by (code) (count_over_time({EVERYTHING} | regexp "code=(?P<code>[0-9]+)" [20m]))'
            r = self.ask(s, query, path="/loki/api/v1/query", time=self.start + 600 * NS)
            self.assertEqual(r.status, 200, r.text[:200])
            groups = r.json["data"]["result"]
            self.assertEqual((len(groups), {g["value"][1] for g in groups}), (10_000, {"10"}))
            r = self.ask(s, query.replace("[20m]", "[1m]"), step="1s")
            self.assertEqual(r.status, 200, r.text[:200])
            self.assertEqual(len(r.json["data"]["result"]), 10_000)

    def test_parameters_of_no_sane_size(self):
        s = self.loaded(20_000)
        get, count = (lambda **p: s.get("/loki/api/v1/query_range", p)), f"sum(count_over_time({EVERYTHING}[1m]))"
        with self.bounded(s):
            for limit in (10**12, 50_001, -1, "many"):
                self.refused(get(query=EVERYTHING, limit=limit), 400, "limit")
            self.assertEqual(sum(len(x["values"]) for x in get(query=EVERYTHING, limit=50_000).json["data"]["result"]), 20_000)
            for start, end in ((0, 2**63 - 1), (-2**63, 2**63 - 1), ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z")):
                r = get(query=EVERYTHING, start=start, end=end, limit=50_000)
                self.assertEqual(sum(len(x["values"]) for x in r.json["data"]["result"]), 20_000)
                self.assertEqual(get(query=count, start=start, end=end).status, 200)
                self.refused(get(query=count, start=start, end=end, step="1ms"), 400, " points per time series")
            self.refused(get(query=EVERYTHING, end=10**30), 400, "timestamp")
            for step in (0, -1, "-5m"):
                self.assertEqual(get(query=count, step=step).status, 400)
            for query in (f"sum(count_over_time({EVERYTHING}[290y]))", f"sum(count_over_time({EVERYTHING}[1m] offset 290y))",
                          f"sum(count_over_time({EVERYTHING}[1m] offset -290y))", f"sum(rate({EVERYTHING}[1000y]))"):
                self.assertIn(get(query=query, start=self.start, end=self.start + NS, step=1).status, (200, 400), query)
            r = get(query=f"count_over_time({EVERYTHING}[20m])", start=self.start, end=self.start + 660 * NS, step="60ms")
            self.assertEqual({len(x["values"]) > 10_000 for x in r.json["data"]["result"]}, {True})
            deep = "(" * 5000 + count + ")" * 5000
            self.assertEqual(self.ask(s, deep).status, 400)
            self.assertEqual(self.ask(s, EVERYTHING + ' |= "x"' * 5000).status, 400)
            self.assertIn(self.ask(s, " + ".join([count] * 200)).status, (200, 400, 503))


class Watchers(Limits):
    LINES, ROUNDS = 200, 60

    def not_reading(self, server, path, query):
        if path.startswith("/loki"):
            w = WebSocket(server, path, dict(query=query, limit=0), reads=False)
            self.addCleanup(w.close)
            return w.socket, w
        k = socket.create_connection(("127.0.0.1", server.port), timeout=30)
        self.addCleanup(k.close)
        k.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
        k.sendall(f"GET {path}?{urllib.parse.urlencode(dict(query=query, limit=0))} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        return k, None

    def test_watchers_that_never_read_cost_a_bounded_room_and_nobody_else_a_line(self):
        s = self.server()
        slow = [self.not_reading(s, path, '{app="web"}') for path in ("/loki/api/v1/tail", "/api/stoa/v1/tail") for _ in range(10)]
        good = WebSocket(s, "/loki/api/v1/tail", dict(query='{app="web"} |= "seldom"', limit=0))
        self.addCleanup(good.close)
        self.eventually(lambda: self.metric(s, "stoa_tail_watchers") == 21)
        sent, wanted = 0, []
        with self.bounded(s):
            for i in range(self.ROUNDS):
                lines = [f"{i} {k} " + "x" * 4000 for k in range(self.LINES - 1)] + [f"seldom {i}"]
                self.assertEqual(self.push(s, lines, app="web").status, 204)
                sent += self.LINES
                wanted.append(f"seldom {i}")
            self.assertEqual([line for line, _ in good.lines(len(wanted))], wanted)
            dropped = self.eventually(lambda: self.metric(s, 'stoa_tail_dropped_lines_total{reason="slow_watcher"}'))
            self.assertGreater(dropped, 0)
            # What is missing is told to whoever begins to read after all: websocket, then lines of JSON.
            got = told = 0
            w = slow[0][1]
            while got + told < sent:
                m = w.message()
                got += sum(len(x["values"]) for x in m["streams"])
                told += m.get("dropped", 0)
            self.assertEqual(got + told, sent)
            self.assertGreater(told, 0)
            self.assertEqual(self.read_ndjson(slow[-1][0], sent), sent)
        for k, _ in slow:
            k.close()
        self.eventually(lambda: self.metric(s, "stoa_tail_watchers") == 1, what="watchers that left are forgotten")

    def read_ndjson(self, k, sent):
        """Lines and dropped ones of a chunked answer, until they are so many."""
        f, counted, rest = k.makefile("rb"), 0, b""
        while f.readline().strip():
            pass
        while counted < sent:
            n = int(f.readline(), 16)
            self.assertGreater(n, 0, "the answer ended too soon")
            rest += f.read(n)
            f.readline()
            *whole, rest = rest.split(b"\n")
            for line in whole:
                row = json.loads(line)
                counted += row["dropped"] if "dropped" in row else 1
        return counted

    def test_more_watchers_than_there_is_room_for_are_refused(self):
        s = self.server()
        with self.bounded(s):
            held = []
            for _ in range(300):
                w = WebSocket(s, "/loki/api/v1/tail", dict(query='{app="web"}', limit=0))
                self.addCleanup(w.close)
                held.append(w)
            refused = [w for w in held if w.status != 101]
            self.assertEqual(len(refused), 300 - 256)
            self.assertEqual({w.status for w in refused}, {503})
            self.assertIn(b"256", refused[0].bytes or refused[0].socket.recv(4096))
            self.assertEqual(self.push(s, ["to all"], app="web").status, 204)
            for w in held:
                if w.status == 101:
                    self.assertEqual(w.lines(1)[0][0], "to all")


if __name__ == "__main__":
    harness.main()
