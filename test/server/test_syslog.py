# SPDX-License-Identifier: Apache-2.0
"""Syslog over UDP and TCP, by hand and by util-linux's logger: records, framing, redaction, own metrics, what is refused."""
import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
import unittest

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


def now():
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


class Syslog(harness.Case):
    def start(self, scheme=""):
        self.port = free_port()
        return self.server(config=f"listeners:\n  - {{dialect: syslog, address: \"{scheme}127.0.0.1:{self.port}\"}}\n")

    def udp(self, text):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as c:
            c.sendto(text, ("127.0.0.1", self.port))

    def metric(self, s, name):
        return sum(float(v) for v in re.findall(rf"^{re.escape(name)} (\S+)$", s.get("/metrics").text, re.M))

    def lines(self, s, query, count):
        found = self.eventually(lambda: (lambda r: r if sum(len(x["values"]) for x in r) >= count else None)(s.logs(query)), what=query)
        return sorted(v[1] for x in found for v in x["values"])

    def test_both_formats_by_datagram(self):
        s = self.start()
        self.udp(f'<165>1 {now()} web-1 shop 77 ID47 [order@1 id="A 5"] no stock'.encode())
        self.udp(b"<30>" + time.strftime("%b %e %H:%M:%S").encode() + b" web-1 cron[9]: ran\n")
        self.assertEqual(self.lines(s, '{service_name="shop",host="web-1",source="syslog"}', 1), ["no stock"])
        self.assertEqual(self.lines(s, '{service_name="cron"} | pid="9" | facility="daemon" | detected_level="info"', 1), ["ran"])
        self.assertEqual(self.lines(s, '{service_name="shop"} | msgid="ID47" | order_1_id="A 5"', 1), ["no stock"])

    def test_streams_counted_in_lines_and_unframed(self):
        s = self.start("tcp://")
        def message(text):
            return f"<13>1 {now()} h app - - - {text}".encode()
        with socket.create_connection(("127.0.0.1", self.port)) as c:
            counted = message("counted\nin two lines")
            c.sendall(message("by line") + b"\r\n" + str(len(counted)).encode() + b" " + counted + message("zero") + b"\0" + message("no end"))
            self.assertEqual(self.lines(s, '{service_name="app"}', 4), ["by line", "counted\nin two lines", "no end", "zero"])
            c.sendall(message("at the end"))
        self.assertIn("at the end", self.lines(s, '{service_name="app"}', 5))

    def test_a_long_line_is_cut_with_a_mark(self):
        s = self.start("tcp://")
        with socket.create_connection(("127.0.0.1", self.port)) as c:
            c.sendall(f"<13>1 {now()} h long - - - ".encode() + b"x" * (3 << 20) + f"\n<13>1 {now()} h next - - - y\n".encode())
        self.assertEqual(self.lines(s, '{service_name="next"}', 1), ["y"])
        line = self.lines(s, '{service_name="long"}', 1)[0]
        self.assertTrue(line.endswith("x…") and len(line.encode()) <= 1 << 20, len(line))
        self.assertEqual(self.metric(s, "stoa_syslog_messages_cut_total"), 1)

    def test_secrets_are_taken_out_before_anything_is_stored(self):
        s = self.start()
        self.udp(f"<13>1 {now()} h pay - - - card 4111 1111 1111 1111 ok".encode())
        self.assertNotIn("4111 1111 1111 1111", self.lines(s, '{service_name="pay"}', 1)[0])

    def test_own_metrics(self):
        s = self.start()
        self.udp(f"<13>1 {now()} h app - - - one".encode())
        self.udp(b"\n")
        self.lines(s, '{service_name="app"}', 1)
        self.eventually(lambda: self.metric(s, "stoa_syslog_lines_total") == 2, what="the count of lines")
        self.assertEqual(self.metric(s, 'stoa_syslog_lines_rejected_total{reason="empty"}'), 1)
        self.assertEqual(self.metric(s, "stoa_syslog_datagrams_total"), 2)
        self.assertEqual(self.metric(s, "stoa_syslog_datagrams_dropped_total"), 0)

    def test_what_was_sent_before_the_end_is_kept(self):
        s = self.start()
        with socket.create_connection(("127.0.0.1", self.port)) as c:
            c.sendall("".join(f"<13>1 {now()} h burst - - - {i:04}\n" for i in range(2000)).encode())
        self.eventually(lambda: self.metric(s, "stoa_syslog_lines_total") == 2000, what="all lines read")
        s.stop()
        s.start()
        found = s.logs('{service_name="burst"}', limit=5000)
        self.assertEqual(sum(len(x["values"]) for x in found), 2000)

    def test_what_cannot_be_is_refused_at_start(self):
        for listener, words in (("address: '0.0.0.0:5514'", "syslog knows no login"), ("address: '127.0.0.1:6514', tls: {cert_file: a, key_file: b}", "certificate a"),
                                ("address: 'udp://127.0.0.1:6514', tls: {cert_file: a, key_file: b}", "TLS is for TCP"),
                                ("address: 'udp://127.0.0.1:99999'", "no port from 0")):
            with self.assertRaises(AssertionError) as failed:
                self.server(config=f"listeners:\n  - {{dialect: syslog, {listener}}}\n")
            self.assertIn(words, str(failed.exception))

    @unittest.skipUnless(shutil.which("logger"), "no logger here")
    def test_logger(self):
        s = self.start()
        for i, options in enumerate((["-d", "--rfc5424"], ["-d", "--rfc3164"], ["-T", "--rfc5424"], ["-T", "--rfc3164"], ["-T", "--octet-count", "--rfc5424"])):
            subprocess.run(["logger", *options, "-n", "127.0.0.1", "-P", str(self.port), "-t", "mytool", "-p", "local3.err", f"hello {i}"], check=True)
        self.assertEqual(self.lines(s, '{service_name="mytool"} | detected_level="error" | facility="local3"', 5), [f"hello {i}" for i in range(5)])

    @unittest.skipUnless(shutil.which("logger"), "no logger here")
    def test_rsyslog_of_debian(self):
        names = ("rsyslog", "libestr0", "libfastjson4")
        r = subprocess.run([str(harness.ROOT / "tools" / "peers.sh"), *names], capture_output=True, text=True)
        self.assertEqual(r.returncode, 0, r.stderr)
        s = self.start()
        peers = harness.ROOT / "build" / "peers"
        with tempfile.TemporaryDirectory(prefix="stoa-rsyslog-") as folder:
            with open(f"{folder}/rsyslog.conf", "w") as f:
                f.write(f"""global(workDirectory="{folder}")
module(load="imuxsock" SysSock.Use="off")
input(type="imuxsock" Socket="{folder}/in.sock")
*.* action(type="omfwd" target="127.0.0.1" port="{self.port}" protocol="tcp" template="RSYSLOG_SyslogProtocol23Format")
*.* action(type="omfwd" target="127.0.0.1" port="{self.port}" protocol="tcp" TCP_Framing="octet-counted" template="RSYSLOG_ForwardFormat")
*.* action(type="omfwd" target="127.0.0.1" port="{self.port}" protocol="udp" template="RSYSLOG_TraditionalForwardFormat")
""")
            libraries = ":".join(str(peers / n / where) for n in names[1:] for where in ("usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu"))
            daemon = subprocess.Popen([str(peers / "rsyslog/usr/sbin/rsyslogd"), "-n", "-M", str(peers / "rsyslog/usr/lib/x86_64-linux-gnu/rsyslog"), "-f",
                                       f"{folder}/rsyslog.conf", "-i", f"{folder}/pid"], env={"LD_LIBRARY_PATH": libraries}, stderr=subprocess.DEVNULL)
            try:
                self.eventually(lambda: os.path.exists(f"{folder}/in.sock"), what="rsyslog's socket")
                subprocess.run(["logger", "-u", f"{folder}/in.sock", "-t", "relayed", "-p", "local3.warning", "through rsyslog"], check=True)
                got = self.lines(s, '{service_name="relayed"} | detected_level="warn" | facility="local3"', 3)
                self.assertEqual([x.strip() for x in got], ["through rsyslog"] * 3)
            finally:
                daemon.terminate()
                daemon.wait()


if __name__ == "__main__":
    harness.main()
