# SPDX-License-Identifier: Apache-2.0
"""Following a log query: Loki's websocket, our lines of JSON, and `stoa tail`."""
import base64
import json
import os
import socket
import struct
import subprocess
import threading
import time
import urllib.parse

import harness


class WebSocket:
    """A client as RFC 6455 has it, as little of it as these tests need."""

    def __init__(self, server, path, params, headers=None, reads=True):
        self.socket = socket.create_connection(("127.0.0.1", server.port), timeout=30)
        if not reads:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
        head = {"Host": f"127.0.0.1:{server.port}", "Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13",
                "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(), **(headers or {})}
        text = f"GET {path}?{urllib.parse.urlencode(params)} HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in head.items()) + "\r\n"
        self.socket.sendall(text.encode())
        self.bytes = b""
        while b"\r\n\r\n" not in self.bytes:
            piece = self.socket.recv(65536)
            if not piece:
                break
            self.bytes += piece
        self.head, self.bytes = self.bytes.split(b"\r\n\r\n", 1)
        self.status = int(self.head.split()[1])

    def take(self, n):
        while len(self.bytes) < n:
            piece = self.socket.recv(1 << 20)
            if not piece:
                return None
            self.bytes += piece
        out, self.bytes = self.bytes[:n], self.bytes[n:]
        return out

    def frame(self):
        """(opcode, payload), or None at the end."""
        head = self.take(2)
        if head is None:
            return None
        n = head[1]
        if n == 126:
            n = struct.unpack(">H", self.take(2))[0]
        elif n == 127:
            n = struct.unpack(">Q", self.take(8))[0]
        return head[0] & 15, self.take(n)

    def message(self):
        f = self.frame()
        return json.loads(f[1]) if f and f[0] == 1 else None

    def lines(self, count):
        """(line, labels) of the next messages, until there are so many."""
        out = []
        while len(out) < count:
            out += [(v[1], s["stream"]) for s in self.message()["streams"] for v in s["values"]]
        return out

    def close(self):
        self.socket.close()


class Tail(harness.Case):
    def push(self, server, lines, app="web", at=None, tenant=None, **labels):
        at = at or time.time_ns()
        body = {"streams": [{"stream": {"app": app, **labels}, "values": [[str(at + i), line] for i, line in enumerate(lines)]}]}
        r = server.post("/loki/api/v1/push", json.dumps(body).encode(),
                        {"Content-Type": "application/json", **({"X-Scope-OrgID": tenant} if tenant else {})})
        self.assertEqual(r.status, 204, r.text)

    def follow(self, server, query, headers=None, reads=True, **params):
        w = WebSocket(server, "/loki/api/v1/tail", dict(query=query, **params), headers, reads)
        self.addCleanup(w.close)
        return w

    def metric(self, server, name):
        for line in server.get("/metrics").text.splitlines():
            if line.startswith(name + " "):
                return float(line.split()[-1])
        return 0


class Socket(Tail):
    def test_the_past_comes_first_and_each_line_once(self):
        s = self.server()
        self.push(s, ["one", "two", "three"])
        w = self.follow(s, '{app="web"}', limit=2)
        self.assertEqual(w.status, 101)
        self.assertEqual([line for line, _ in w.lines(2)], ["two", "three"])
        self.push(s, ["four"])
        self.push(s, ["elsewhere"], app="other")
        self.push(s, ["five"])
        self.assertEqual([line for line, _ in w.lines(2)], ["four", "five"])

    def test_lines_pass_the_stages_and_carry_their_labels(self):
        s = self.server()
        w = self.follow(s, '{app="web"} |= "paid" | logfmt | amount > 10 | line_format "{{.who}} paid {{.amount}}"', limit=0)
        self.push(s, ["msg=paid who=ann amount=5", "msg=paid who=bob amount=50", "msg=free who=cid amount=99", 'level=error msg=paid who=dan amount=11'])
        got = w.lines(2)
        self.assertEqual([line for line, _ in got], ["bob paid 50", "dan paid 11"])
        self.assertEqual(got[0][1]["app"], "web")
        self.assertEqual(got[0][1]["service_name"], "web")
        self.assertEqual(got[0][1]["who"], "bob")
        self.assertEqual(got[1][1]["detected_level"], "error")

    def test_categories_are_told_apart_when_asked_for(self):
        s = self.server()
        w = self.follow(s, '{app="web"} | logfmt', headers={"X-Loki-Response-Encoding-Flags": "categorize-labels"}, limit=0)
        self.push(s, ["who=ann"])
        m = w.message()
        self.assertEqual(m["encodingFlags"], ["categorize-labels"])
        self.assertEqual(m["streams"][0]["values"][0][2]["parsed"], {"who": "ann"})
        self.assertEqual(m["streams"][0]["stream"], {"app": "web", "service_name": "web"})

    def test_late_lines_of_any_age_are_shown_when_they_come(self):
        s = self.server()
        w = self.follow(s, '{app="web"}', limit=0)
        self.push(s, ["from two days ago"], at=time.time_ns() - 2 * 86400 * 10**9)
        self.assertEqual(w.lines(1)[0][0], "from two days ago")

    def test_many_watch_at_once_and_each_sees_what_it_asked_for(self):
        s = self.server()
        all_of_it = [self.follow(s, '{app=~".+"}', limit=0) for _ in range(20)]
        one_each = [self.follow(s, f'{{app="app{i}"}}', limit=0) for i in range(20)]
        self.assertEqual(self.metric(s, "stoa_tail_watchers"), 40)
        for i in range(20):
            self.push(s, [f"line {i}"], app=f"app{i}")
        for w in all_of_it:
            self.assertEqual([line for line, _ in w.lines(20)], [f"line {i}" for i in range(20)])
        for i, w in enumerate(one_each):
            self.assertEqual(w.lines(1)[0][0], f"line {i}")
        for w in all_of_it + one_each:
            w.close()
        self.eventually(lambda: self.metric(s, "stoa_tail_watchers") == 0, what="watchers that leave are forgotten")

    def test_tenants_see_their_own_lines_alone(self):
        s = self.server()
        w = self.follow(s, '{app="web"}', headers={"X-Scope-OrgID": "team-a"}, limit=0)
        self.push(s, ["not yours"])
        self.push(s, ["yours"], tenant="team-a")
        self.assertEqual([line for line, _ in w.lines(1)], ["yours"])

    def test_a_watcher_that_does_not_read_slows_nobody_and_is_told_what_it_missed(self):
        s = self.server()
        slow = self.follow(s, '{app="web"}', reads=False, limit=0)
        quick = self.follow(s, '{app="web"} |= "last"', limit=0)
        for i in range(60):
            self.push(s, [f"{i}-{k} " + "x" * 4000 for k in range(100)])
        self.push(s, ["last of all"])
        self.assertEqual(quick.lines(1)[0][0], "last of all")
        self.eventually(lambda: self.metric(s, 'stoa_tail_dropped_lines_total{reason="slow_watcher"}') > 0, what="lines are counted as dropped")
        lines = dropped = shown = 0
        while lines + dropped < 6001:  # it reads at last
            m = slow.message()
            lines += sum(len(x["values"]) for x in m["streams"])
            dropped += m.get("dropped", 0)
            shown += len(m.get("dropped_entries", []))
        self.assertEqual(lines + dropped, 6001)
        self.assertGreater(dropped, 0)
        self.assertTrue(0 < shown <= dropped)

    def test_what_cannot_be_followed_is_refused_with_the_reason(self):
        s = self.server()
        for query, word in (('{app="web"', "parse error"), ('rate({app="web"}[1m])', "a log query is wanted"), ("", "")):
            w = self.follow(s, query)
            self.assertEqual(w.status, 400, w.head)
            self.assertIn(word, w.bytes.decode())
        self.assertEqual(self.follow(s, '{app="web"}', delay_for=9).status, 400)
        r = s.get("/loki/api/v1/tail", dict(query='{app="web"}'))
        self.assertEqual(r.status, 400)
        self.assertIn("websocket", r.text)
        self.assertEqual(self.follow(s, '{app="web"}', headers={"Origin": "http://evil.example"}).status, 403)
        self.assertEqual(self.metric(s, "stoa_tail_watchers"), 0)

    def test_a_stop_of_the_server_says_goodbye(self):
        s = self.server()
        w = self.follow(s, '{app="web"}', limit=0)
        started = time.monotonic()
        self.assertEqual(s.stop(), 0)
        self.assertLess(time.monotonic() - started, 9, "the stop waited for those who follow")
        opcode, payload = w.frame()
        self.assertEqual((opcode, struct.unpack(">H", payload[:2])[0]), (8, 1001))


class Lines(Tail):
    def test_lines_of_json(self):
        s = self.server()
        self.push(s, ["before"])
        c = harness.http.client.HTTPConnection("127.0.0.1", s.port, timeout=30)
        self.addCleanup(c.close)
        c.request("GET", "/api/stoa/v1/tail?" + urllib.parse.urlencode(dict(query='{app="web"}')))
        r = c.getresponse()
        self.assertEqual((r.status, r.getheader("Content-Type")), (200, "application/x-ndjson"))
        first = json.loads(r.readline())
        self.assertEqual((first["line"], first["labels"]["app"]), ("before", "web"))
        self.push(s, ["after"])
        self.assertEqual(json.loads(r.readline())["line"], "after")
        self.assertEqual(s.stop(), 0)
        self.assertEqual(r.read().strip(), b"")

    def test_the_command_prints_lines_until_it_is_ended(self):
        s = self.server()
        self.push(s, ["before"])
        p = subprocess.Popen([harness.BINARY, "tail", '{app="web"}', "--url", s.url], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(p.stdout.close)
        self.addCleanup(p.stderr.close)
        self.addCleanup(p.kill)
        self.assertTrue(p.stdout.readline().endswith(" before\n"))
        self.push(s, ["after"])
        self.assertTrue(p.stdout.readline().endswith(" after\n"))
        p.terminate()
        p.wait(10)
        bad = subprocess.run([harness.BINARY, "tail", "{", "--url", s.url], capture_output=True, text=True, timeout=30)
        self.assertEqual(bad.returncode, 1)
        self.assertIn("parse error", bad.stderr)


if __name__ == "__main__":
    harness.main()
