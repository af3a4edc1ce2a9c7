# SPDX-License-Identifier: Apache-2.0
"""Where log lines come from: followed files with traces and other charsets, container runtimes' files, syslog by TLS, plain text
by HTTP; and what is not kept of them."""
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import tempfile
import time

import harness


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def stamp(ago=0):
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(time.time() - ago)) + ".123456789Z"


class LogInputs(harness.Case):
    def folder(self):
        d = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, d, ignore_errors=True)
        return d

    def follow(self, config):
        return self.server(quiet=False, config="host: {enabled: false}\nself: {enabled: false}\n" + config)

    def lines(self, s, query, count):
        found = self.eventually(lambda: (lambda r: r if sum(len(x["values"]) for x in r) >= count else None)(s.logs(query)), what=query)
        return [v[1] for v in sorted((v for x in found for v in x["values"]), key=lambda v: int(v[0]))]

    def metric(self, s, name):
        return sum(float(v) for v in re.findall(rf"^{re.escape(name)} (\S+)$", s.get("/metrics").text, re.M))

    def write(self, path, data):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "ab") as f:
            f.write(data if isinstance(data, bytes) else data.encode())

    def test_traces_of_followed_files_are_one_record(self):
        d = self.folder()
        s = self.follow(f"logs: {{journal: false, files: [{d}/*.log]}}\n")
        now = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime())
        trace = "java.lang.IllegalStateException: closed\n\tat shop.Cart.add(Cart.java:41)\nCaused by: java.io.IOException: disk\n\t... 1 more"
        self.write(d + "/shop.log", f"{now} ERROR [cart] failed\n{trace}\n{now} INFO [cart] next\n")
        got = self.lines(s, '{service_name="cart"}', 2)
        self.assertEqual(sorted(got), [f"{now} ERROR [cart] failed\n{trace}", f"{now} INFO [cart] next"])
        self.assertEqual(self.lines(s, '{service_name="cart"} | detected_level="error" |= "Caused by"', 1), [got[0] if "ERROR" in got[0] else got[1]])
        self.assertEqual(self.metric(s, "stoa_logs_lines_joined_total"), 4)

    def test_what_files_says_of_its_lines(self):
        d = self.folder()
        s = self.follow(f"""logs:
  journal: false
  multiline: off
  files:
    - {d}/plain.log
    - {{path: {d}/begin.log, service: begins, multiline: {{start: "^BEGIN"}}}}
    - {{path: {d}/old.log, service: old, charset: latin1}}
""")
        self.write(d + "/plain.log", "Error: x\n    at f (/srv/a.js:1:2)\n")
        self.write(d + "/begin.log", "BEGIN one\nof it\n\nmore\nBEGIN two\n")
        self.write(d + "/old.log", b"caf\xe9\n")
        self.assertEqual(len(self.lines(s, '{service_name="plain"}', 2)), 2)
        self.assertEqual(sorted(self.lines(s, '{service_name="begins"}', 2)), ["BEGIN one\nof it\n\nmore", "BEGIN two"])
        self.assertEqual(self.lines(s, '{service_name="old"} |= "café"', 1), ["café"])

    def test_lines_that_are_read_as_told(self):
        d = self.folder()
        s = self.follow(f"""logs:
  journal: false
  files:
    - path: {d}/odd.log
      parse: {{pattern: "<level>|<time>|<service>|user <user>|<message>", time_format: unix}}
""")
        now = int(time.time()) - 60
        self.write(d + "/odd.log", f"ERR|{now}|cart|user 7|no stock\nnot like that\n")
        self.assertEqual(self.lines(s, '{service_name="cart"} | detected_level="error" | user="7"', 1), [f"ERR|{now}|cart|user 7|no stock"])
        self.assertEqual(s.logs('{service_name="cart"}')[0]["values"][0][0], f"{now}000000000")
        self.assertEqual(self.lines(s, '{service_name="odd"}', 1), ["not like that"])
        self.assertEqual(self.metric(s, "stoa_logs_records_unparsed_total"), 1)

    def test_lines_that_are_sent_are_read_by_a_named_rule(self):
        port = free_port()
        s = self.follow(f"""logs:
  journal: false
  files: []
  parsers:
    shop: {{pattern: "<level>|<service>|user <user>|<message>"}}
listeners:
  - {{dialect: syslog, address: "udp://127.0.0.1:{port}", parser: shop}}
""")
        r = s.post("/api/stoa/v1/logs?parser=shop&region=eu", b"ERR|cart|user 7|no stock\nnot like that\n", {"Content-Type": "text/plain"})
        self.assertEqual(r.json["accepted"], 2, r.text)
        self.assertEqual(self.lines(s, '{service_name="cart", region="eu"} | detected_level="error" | user="7"', 1), ["ERR|cart|user 7|no stock"])
        r = s.post("/api/stoa/v1/logs?parser=other", b"x\n", {"Content-Type": "text/plain"})
        self.assertEqual(r.status, 400)
        self.assertIn('found "other", the configuration\'s logs: parsers: has shop', r.text)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as u:
            for text in ("<14>1 - h-1 app 3 - - CRIT|pay|user 8|card refused", "<11>1 - h-1 app 3 - - not like that"):
                u.sendto(text.encode(), ("127.0.0.1", port))
        self.assertEqual(self.lines(s, '{service_name="pay", source="syslog"} | detected_level="critical" | user="8" | pid="3"', 1),
                         ["CRIT|pay|user 8|card refused"])
        self.assertEqual(self.lines(s, '{service_name="app", source="syslog"} | detected_level="error"', 1), ["not like that"])

    def test_wrong_settings_are_told_with_their_place(self):
        for text, word in (("multiline: {start: '('}", "start"), ("multiline: loud", "auto, off"), ("multiline: {}", "multiline"), ("parsers: {a: {regex: '('}}", "regex"), ("parsers: [a]", "a map of names"),
                           ("files: [{service: x}]", "path is missing"), ("files: [{path: /x, parse: {regex: '('}}]", "regex"), ("files: [{path: /x, charset: ebcdic}]", "latin1"),
                           ("files: [{path: /x, multiline: {start: a, continue: b}}]", "one of start and continue")):
            with self.subTest(text):
                d = self.folder()
                self.write(d + "/c.yml", "logs:\n  " + text + "\n")
                r = subprocess.run([harness.BINARY, "check", "config", d + "/c.yml"], capture_output=True, text=True, timeout=30)
                self.assertNotEqual(r.returncode, 0)
                self.assertRegex(r.stdout + r.stderr, r"c\.yml:2")
                self.assertIn(word, r.stdout + r.stderr)

    def test_bytes_that_are_no_utf8_are_kept_and_shown_as_such(self):
        d = self.folder()
        s = self.follow(f"logs: {{journal: false, files: [{d}/*.log]}}\n")
        self.write(d + "/odd.log", b"before \xff\xfe after\nnul \x00 here\r\nnext\n")
        self.assertEqual(sorted(self.lines(s, '{service_name="odd"}', 3)), ["before \ufffd\ufffd after", "next", "nul \x00 here"])
        self.assertEqual(self.lines(s, '{service_name="odd"} |~ "^bef.re " |= " after"', 1), ["before \ufffd\ufffd after"])

    def test_a_line_over_the_limit_is_cut_with_a_mark(self):
        d = self.folder()
        s = self.follow(f"logs: {{journal: false, line_max: 1KiB, files: [{d}/*.log]}}\n")
        self.write(d + "/long.log", b"y" * 5000 + b"\nnext\n")
        got = sorted(self.lines(s, '{service_name="long"}', 2), key=len)
        self.assertEqual(got[0], "next")
        self.assertEqual(got[1], "y" * 1021 + "…")
        self.assertEqual(self.metric(s, "stoa_logs_lines_cut_total"), 1)

    def test_files_of_kubernetes(self):
        d = self.folder()
        pod = d + "/var/log/pods/shop_cart-7d4f_0b7c/web"
        s = self.follow(f"logs: {{journal: false, files: ['{d}/var/log/pods/*/*/*.log', '{d}/var/log/containers/*.log']}}\n")
        self.write(pod + "/0.log", f"{stamp(5)} stdout F ready\n{stamp(4)} stderr F Error: x\n{stamp(4)} stdout P half \n"
                                   f"{stamp(3)} stderr F     at f (/srv/a.js:1:2)\n{stamp(3)} stdout F whole\n{stamp(2)} stderr F next\n")
        os.makedirs(d + "/var/log/containers")
        os.symlink(pod + "/0.log", d + f"/var/log/containers/cart-7d4f_shop_web-{'0123456789abcdef' * 4}.log")
        self.assertEqual(self.lines(s, '{namespace="shop",pod="cart-7d4f",container="web",stream="stdout"}', 2), ["ready", "half whole"])
        self.assertEqual(self.lines(s, '{service_name="web",source="container",stream="stderr"}', 2), ["Error: x\n    at f (/srv/a.js:1:2)", "next"])
        os.rename(pod + "/0.log", pod + "/0.log.20260102-000000")
        self.write(pod + "/0.log", f"{stamp()} stdout F rotated\n")
        self.assertEqual(self.lines(s, '{pod="cart-7d4f"} |= "rotated"', 1), ["rotated"])
        self.assertEqual(len(self.lines(s, '{pod="cart-7d4f"}', 5)), 5)

    def test_files_of_docker(self):
        d = self.folder()
        name = "0123456789abcdef" * 4
        one = f"{d}/containers/{name}"
        self.write(f"{one}/config.v2.json", json.dumps({"Name": "/shop_cart_1", "Config": {"Labels": {"com.docker.compose.service": "cart"}}}))
        s = self.follow(f"logs: {{journal: false, files: ['{d}/containers/*/*-json.log']}}\n")
        def frame(text, stream="stdout"):
            return json.dumps({"log": text, "stream": stream, "time": stamp(2)}) + "\n"
        self.write(f"{one}/{name}-json.log", frame("in two ") + frame("parts\n") + frame("{\"level\":\"error\",\"msg\":\"ü\"}\n", "stderr"))
        self.assertEqual(self.lines(s, '{service_name="cart",container="shop_cart_1",stream="stdout"}', 1), ["in two parts"])
        self.assertEqual(self.lines(s, '{service_name="cart"} | json | level="error"', 1), ['{"level":"error","msg":"ü"}'])

    def test_plain_text_and_ndjson_by_http(self):
        s = self.server()
        path = "/api/stoa/v1/logs"
        now = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime())
        r = s.post(path + "?service_name=shop&host=web%2D1", f"{now} ERROR failed\njava.lang.Error: x\n\tat a.B.c(B.java:1)\r\n\nnext\n".encode(),
                   {"Content-Type": "text/plain"})
        self.assertEqual((r.status, r.json), (200, {"accepted": 2, "rejected": 0}))
        self.assertEqual(sorted(self.lines(s, '{service_name="shop",host="web-1",source="http"}', 2)),
                         [f"{now} ERROR failed\njava.lang.Error: x\n\tat a.B.c(B.java:1)", "next"])
        body = "".join(json.dumps({"level": "error", "msg": f"m {i}", "service": "pay"}) + "\n" for i in range(3)).encode()
        r = s.post(path, body, {"Content-Type": "application/x-ndjson"})
        self.assertEqual(r.json["accepted"], 3)
        self.assertEqual(len(self.lines(s, '{service_name="pay"} | json | level="error"', 3)), 3)
        r = s.post(path + "?service=lone&multiline=off", b"Error: x\n    at f (/srv/a.js:1:2)\n", {"Content-Type": "application/x-www-form-urlencoded"})
        self.assertEqual(r.json["accepted"], 2)
        self.assertEqual(s.post(path + "?a-b=1", b"x\n", {}).status, 400)
        self.assertEqual(s.post(path + "?multiline=loud", b"x\n", {}).status, 400)
        self.assertEqual(s.post(path, b"", {}).json["accepted"], 0)

    def test_duplicates_and_rates_keep_counts_right(self):
        s = self.server(config="""duplicates: [{name: again, service: loop, within: 3s}]
rate_limits: [{name: loud, service: loud, lines_per_second: 1, burst: 5}]
""")
        path = "/api/stoa/v1/logs?service_name="
        self.assertEqual(s.post(path + "loop", b"retrying\n" * 50, {}).json["accepted"], 50)
        self.assertEqual(s.post(path + "loop", b"retrying\n" * 50 + b"other\n", {}).json["accepted"], 51)
        self.assertEqual(s.post(path + "loud", b"".join(b"line %d\n" % i for i in range(20)), {}).json["accepted"], 20)
        self.assertEqual(sorted(self.lines(s, '{service_name="loop"}', 2)), ["other", "retrying"])
        self.assertEqual(len(self.lines(s, '{service_name="loud"}', 5)), 5)
        time.sleep(3.5)
        s.post(path + "loud", b"last\n", {})
        def count(query):
            r = s.get("/loki/api/v1/query", {"query": query}).json["data"]["result"]
            return sum(float(x["value"][1]) for x in r)
        self.eventually(lambda: count('sum(count_over_time({service_name="loop"}[1h]))') == 101)
        self.eventually(lambda: count('sum(count_over_time({service_name="loud"}[1h]))') == 21)
        self.assertEqual(self.metric(s, 'stoa_sampling_rows_total{rule="again",effect="dropped"}'), 99)
        self.assertEqual(self.metric(s, 'stoa_sampling_rows_total{rule="loud",effect="dropped"}'), 15)

    def certificate(self, d):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                        "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", d + "/key.pem", "-out", d + "/cert.pem"], check=True, capture_output=True)

    def tls_server(self, d):
        self.certificate(d)
        self.port = free_port()
        return self.server(config=f"""listeners:
  - {{dialect: syslog, address: "127.0.0.1:{self.port}", tls: {{cert_file: {d}/cert.pem, key_file: {d}/key.pem}}}}
""")

    def test_syslog_by_tls(self):
        d = self.folder()
        s = self.tls_server(d)
        context = ssl.create_default_context(cafile=d + "/cert.pem")
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        with context.wrap_socket(socket.create_connection(("127.0.0.1", self.port)), server_hostname="localhost") as c:
            for text in ("one\nin two lines", "b" * 200000, "three"):
                m = f"<13>1 {now} h safe - - - {text}".encode()
                c.sendall(str(len(m)).encode() + b" " + m)
            c.sendall(f"<13>1 {now} h safe - - - by line\n".encode())
            self.assertEqual(sorted(self.lines(s, '{service_name="safe"}', 4)), ["b" * 200000, "by line", "one\nin two lines", "three"])
        with socket.create_connection(("127.0.0.1", self.port)) as c:
            c.sendall(b"<13>1 - h plain - - - not in TLS\n" * 20)
            try:
                while c.recv(4096):
                    pass
            except ConnectionResetError:
                pass
        self.eventually(lambda: self.metric(s, "stoa_syslog_tls_failures_total") == 1)
        self.assertEqual(s.logs('{service_name="plain"}'), [])
        self.eventually(lambda: self.metric(s, "stoa_syslog_connections") == 0)

    def test_syslog_by_tls_from_openssl(self):
        d = self.folder()
        s = self.tls_server(d)
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        for version in ("-tls1_2", "-tls1_3"):
            subprocess.run(["openssl", "s_client", "-quiet", "-no_ign_eof", version, "-CAfile", d + "/cert.pem", "-verify_return_error", "-connect", f"127.0.0.1:{self.port}"],
                           input=f"<13>1 {now} h by{version} - - - hello\n".encode(), capture_output=True, timeout=30, check=True)
            self.assertEqual(self.lines(s, f'{{service_name="by{version}"}}', 1), ["hello"])

    def test_syslog_by_tls_from_rsyslog(self):
        names = ("rsyslog", "rsyslog-openssl", "libestr0", "libfastjson4")
        if subprocess.run(["sh", str(harness.ROOT / "tools/peers.sh"), *names], capture_output=True).returncode:
            self.skipTest("Debian's rsyslog cannot be fetched")
        peers = harness.ROOT / "build/peers"
        libraries = ":".join(str(p.parent) for n in names[2:] for p in (peers / n).glob("**/*.so.*"))
        modules = ":".join(str(next((peers / n).glob("usr/lib/*/rsyslog"))) for n in names[:2])
        d = self.folder()
        s = self.tls_server(d)
        source = d + "/in.sock"
        self.write(d + "/rsyslog.conf", f"""global(workDirectory="{d}" defaultNetstreamDriverCAFile="{d}/cert.pem")
module(load="imuxsock" SysSock.Use="off")
input(type="imuxsock" Socket="{source}")
action(type="omfwd" target="127.0.0.1" port="{self.port}" protocol="tcp" TCP_Framing="octet-counted" template="RSYSLOG_SyslogProtocol23Format"
  StreamDriver="ossl" StreamDriverMode="1" StreamDriverAuthMode="anon")
""")
        p = subprocess.Popen([str(peers / "rsyslog/usr/sbin/rsyslogd"), "-n", "-M", modules, "-f", d + "/rsyslog.conf", "-i", d + "/pid"],
                             env={"LD_LIBRARY_PATH": libraries}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(lambda: (p.terminate(), p.wait(10)))
        self.eventually(lambda: os.path.exists(source))
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as c:
            c.sendto(b"<13>" + time.strftime("%b %e %H:%M:%S").encode() + b" tlsapp[7]: by rsyslog", source)
        self.assertEqual([x.strip() for x in self.lines(s, '{service_name="tlsapp"}', 1)], ["by rsyslog"])

    def test_syslog_with_a_wrong_certificate_does_not_start(self):
        d = self.folder()
        self.write(d + "/c.yml", f"listeners:\n  - {{dialect: syslog, address: '127.0.0.1:{free_port()}', tls: {{cert_file: {d}/none.pem, key_file: {d}/none.pem}}}}\n")
        r = subprocess.run([harness.BINARY, "serve", "--config", d + "/c.yml", "--data", d + "/data", "--listen", "127.0.0.1:0"], capture_output=True, text=True, timeout=30)
        self.assertNotEqual(r.returncode, 0)
        self.assertIn("none.pem", r.stderr)


if __name__ == "__main__":
    harness.main()
