# SPDX-License-Identifier: Apache-2.0
"""StatsD and DogStatsD over every transport: series, events and service checks, errors by reason, and what the kernel drops."""
import gzip
import os
import re
import socket
import struct
import subprocess
import sys
import time

import harness


def free_port():
    """A number free for UDP and TCP."""
    while True:
        with socket.socket() as tcp, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            tcp.bind(("127.0.0.1", 0))
            try:
                udp.bind(tcp.getsockname())
            except OSError:
                continue
            return tcp.getsockname()[1]


def config(*listeners, more=""):
    lines = "".join(f"  - {{dialect: {dialect}, address: \"{address}\"}}\n" for dialect, address in listeners)
    return f"listeners:\n{lines}statsd:\n  flush_interval: 200ms\n{more}"


class Statsd(harness.Case):
    def value(self, s, query):
        r = s.query(query)
        return float(r[0]["value"][1]) if r else None

    def expect(self, s, query, want):
        self.eventually(lambda: self.value(s, query) == want, what=f"{query} = {want}")

    def metric(self, s, name):
        return sum(float(v) for v in re.findall(rf"^{re.escape(name)} (\S+)$", s.get("/metrics").text, re.M))

    def udp(self, port, text):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as c:
            c.sendto(text.encode() if isinstance(text, str) else text, ("127.0.0.1", port))

    def test_every_type_over_udp(self):
        port = free_port()
        s = self.server(config=config(("statsd", f"127.0.0.1:{port}"), more="  quantiles: [0.5]\n"))
        self.udp(port, "web.hits:3|c|#env:prod,path:/a\nweb.hits:1|c|@0.5|#env:prod,path:/a\ncart:10|g\ncart:-4|g\nwho:ann|s\nwho:bob|s\nwho:ann|s\n"
                       "latency:200:200|ms\nsize:5|h\nsize:5|d")
        self.expect(s, 'web_hits{env="prod",path="/a"}', 5)
        self.expect(s, "cart", 6)
        self.expect(s, "max_over_time(who[1m])", 2)
        self.expect(s, "latency_count", 2)
        self.expect(s, "latency_sum", 0.4)
        self.expect(s, 'latency{quantile="0.5"}', 0.2)
        self.expect(s, "size_count", 2)
        self.udp(port, "web.hits:2|c|#env:prod,path:/a")
        self.expect(s, 'web_hits{env="prod",path="/a"}', 7)
        kinds = {name: v[0]["type"] for name, v in s.get("/api/v1/metadata").json["data"].items()}
        self.assertEqual([kinds[n] for n in ("web_hits", "cart", "latency", "who")], ["counter", "gauge", "summary", "gauge"])
        self.assertEqual(self.value(s, 'increase(web_hits[1m]) > 0') is not None, True)

    def test_tcp_and_unix_sockets(self):
        port = free_port()
        s0 = self.server()
        folder = s0.data
        datagrams, frames = os.path.join(folder, "d.sock"), os.path.join(folder, "s.sock")
        s = self.server(config=config(("statsd", f"tcp://127.0.0.1:{port}"), ("dogstatsd", f"unix://{datagrams}"), ("dogstatsd", f"unixstream://{frames}")))
        with socket.create_connection(("127.0.0.1", port)) as c:
            c.sendall(b"tcp.lines:1|c\ntcp.li")
            time.sleep(0.1)
            c.sendall(b"nes:1|c\ntcp.end:1|c")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as c:
            c.connect(datagrams)
            c.send(b"unix.datagrams:4|c\nbelow:-7|g")
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as c:
            c.connect(frames)
            for text in (b"unix.frames:1|c", b"unix.frames:2|c\nunix.more:1|c"):
                c.sendall(struct.pack("<I", len(text)) + text)
        for query, want in (("tcp_lines", 2), ("tcp_end", 1), ("unix_datagrams", 4), ("below", -7), ("unix_frames", 3), ("unix_more", 1)):
            self.expect(s, query, want)
        self.assertEqual(os.stat(datagrams).st_mode & 0o777, 0o666)
        s.stop()
        self.assertFalse(os.path.exists(datagrams) or os.path.exists(frames))

    def test_events_and_service_checks_are_log_records(self):
        port = free_port()
        s = self.server(config=config(("dogstatsd", f"udp://127.0.0.1:{port}")))
        self.udp(port, "_e{6,9}:Deploy|v2 is out|t:warning|h:host-1|#service:shop,env:prod\n_sc|db.up|2|#service:shop|m:no answer")
        self.eventually(lambda: len(s.logs('{service_name="shop"}')) == 2, what="the records")
        lines = {x["values"][0][1]: x["stream"] for x in s.logs('{service_name="shop"}')}
        self.assertEqual(sorted(lines), ["Deploy: v2 is out", "db.up CRITICAL: no answer"])
        self.assertEqual([len(s.logs(f'{{service_name="shop"}} | detected_level="{level}"')) for level in ("warn", "error")], [1, 1])
        event, check = lines["Deploy: v2 is out"], lines["db.up CRITICAL: no answer"]
        self.assertEqual((event["source"], event["hostname"], event["tag_env"]), ("dogstatsd_event", "host-1", "prod"))
        self.assertEqual((check["source"], check["check"], check["status"]), ("dogstatsd_check", "db.up", "CRITICAL"))

    def test_by_http_as_tracers_do(self):
        s = self.server(config=config())
        self.assertEqual(s.post("/dogstatsd/v2/proxy", b"http.hits:3|c|#a:b\nhttp.level:-2|g").status, 200)
        self.assertEqual(s.post("/dogstatsd/v2/proxy", gzip.compress(b"http.hits:1|c|#a:b"), {"Content-Encoding": "gzip"}).status, 200)
        self.assertEqual(s.post("/dogstatsd/v2/proxy", b"http.hits:9|c", {"X-Scope-OrgID": "team"}).status, 200)
        self.expect(s, 'http_hits{a="b"}', 4)
        self.expect(s, "http_level", -2)
        r = s.post("/dogstatsd/v2/proxy", b"ok:1|c\nnonsense")
        self.assertEqual((r.status, "1 lines were left out" in r.text), (200, True))
        found = self.eventually(lambda: s.get("/api/v1/query", {"query": "http_hits"}, headers={"X-Scope-OrgID": "team"}).json["data"]["result"])
        self.assertEqual(found[0]["value"][1], "9")

    def test_what_is_wrong_is_counted_by_reason(self):
        port = free_port()
        s = self.server(config=config(("statsd", f"127.0.0.1:{port}")))
        self.udp(port, b"good:1|c\nbad\nbad:x|c\nbad:1|zz\nbad:1|c|@9\ngood:1|g\n_e{x}:\n_sc|a|7\nbad:1|c|#t:\xff\n")
        self.expect(s, "good", 1)
        for reason in ("bad_line", "bad_value", "bad_type", "bad_rate", "type_conflict", "bad_event", "bad_check", "bad_utf8"):
            self.assertEqual(self.metric(s, f'stoa_statsd_lines_rejected_total{{reason="{reason}"}}'), 1, reason)
        self.assertEqual(self.metric(s, "stoa_statsd_lines_total"), 9)
        self.assertEqual(self.metric(s, "stoa_statsd_datagrams_dropped_total"), 0)

    def test_histograms_classic_and_native(self):
        port = free_port()
        s = self.server(config=config(("statsd", f"127.0.0.1:{port}"), more="  observations: histogram\n  buckets: [0.1, 1]\n"))
        self.udp(port, "t:50:500:5000|ms")
        for le, want in (("0.1", 1), ("1.0", 2), ("+Inf", 3)):
            self.expect(s, f't_bucket{{le="{le}"}}', want)
        s.close()
        s = self.server(config=config(("statsd", f"127.0.0.1:{port}"), more="  observations: native\n"))
        self.udp(port, "t:50:500:5000|ms")
        self.expect(s, "histogram_count(t)", 3)
        self.expect(s, "histogram_sum(t)", 5.55)
        near = self.value(s, "histogram_quantile(0.5, t)")
        self.assertTrue(0.4 < near < 0.6, near)

    def test_idle_series_end_and_a_stop_loses_nothing(self):
        port = free_port()
        s = self.server(config=config(("statsd", f"127.0.0.1:{port}"), more="  idle: 1s\n"))
        self.udp(port, "short:1|g")
        self.expect(s, "short", 1)
        self.eventually(lambda: s.query("short") == [], what="the stale mark")
        self.assertEqual(self.metric(s, "stoa_statsd_series_expired_total"), 1)
        s.stop()
        s.config = config(("statsd", f"127.0.0.1:{port}"), more="  flush_interval: 1h\n  idle: 2h\n").replace("  flush_interval: 200ms\n", "")
        s.start()
        self.udp(port, "late:5|c")
        self.eventually(lambda: self.metric(s, "stoa_statsd_lines_total") == 1)
        s.stop()
        s.start()
        self.expect(s, "last_over_time(late[1m])", 5)

    def test_what_adds_up_goes_on_after_a_kill_and_after_a_stop(self):
        port = free_port()
        s = self.server(config=config(("statsd", f"127.0.0.1:{port}"), more="  observations: native\n"))
        for i, end in enumerate((s.kill, s.stop, None)):
            self.udp(port, "hits:10|c\ncart:+5|g\nlevel:-2|g\nt:100|ms\nwho:ann|s\nwho:bob|s")
            self.expect(s, "hits", 10 * (i + 1))
            self.expect(s, "cart", 5 * (i + 1))
            self.expect(s, "level", -2 * (i + 1))
            self.expect(s, "histogram_count(t)", i + 1)
            if end:
                end()
                s.start()
        for name in ("hits", "t"):
            self.assertEqual(self.value(s, f"resets({name}[1m])"), 0)
        self.assertEqual(self.value(s, "min_over_time(cart[1m])"), 5)
        self.assertEqual(self.metric(s, "stoa_statsd_restored_series_total"), 4)
        self.udp(port, "cart:3|g")
        self.expect(s, "cart", 3)

    def test_addresses_that_cannot_be_are_refused_at_start(self):
        port = free_port()
        for address, words in ((f"0.0.0.0:{port}", "StatsD knows no login"), ("udp://127.0.0.1:99999", "no port from 0"),
                               ("unix:///nonexistent/folder/x.sock", "/nonexistent/folder/x.sock")):
            with self.assertRaises(AssertionError) as failed:
                self.server(config=config(("statsd", address)))
            self.assertIn(words, str(failed.exception))

    def test_debians_own_client(self):
        peers = harness.ROOT / "build" / "peers" / "python3-statsd"
        r = subprocess.run([str(harness.ROOT / "tools" / "peers.sh"), "python3-statsd"], capture_output=True, text=True)
        self.assertEqual(r.returncode, 0, r.stderr)
        port = free_port()
        s = self.server(config=config(("statsd", f"127.0.0.1:{port}")))
        code = f"""
import sys; sys.path.insert(0, {str(peers / 'usr/lib/python3/dist-packages')!r})
import statsd
for c in (statsd.StatsClient('127.0.0.1', {port}, prefix='deb'), statsd.TCPStatsClient('127.0.0.1', {port}, prefix='tcp')):
    c.incr('hits', 3); c.gauge('level', 8); c.gauge('level', -2, delta=True); c.set('who', 'ann'); c.timing('took', 250)
    with c.pipeline() as p:
        p.incr('piped'); p.incr('piped', 2)
    c.close()
"""
        subprocess.run([sys.executable, "-c", code], check=True)
        for prefix in ("deb", "tcp"):
            for name, want in (("hits", 3), ("level", 6), ("took_count", 1), ("took_sum", 0.25), ("piped", 3)):
                self.expect(s, f"{prefix}_{name}", want)


if __name__ == "__main__":
    harness.main()
