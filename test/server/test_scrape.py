# SPDX-License-Identifier: Apache-2.0
"""The scraper against small HTTP servers: what becomes of a page, authentication, TLS, proxies, discovery, limits, staleness, reload."""
import base64
import http.server
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import threading
import time
import urllib.request

import harness

OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
PAGE = "# HELP jobs_done Jobs that are done.\n# TYPE jobs_done counter\njobs_done{kind=\"a\"} 3\njobs_done{kind=\"b\"} 4\n"


class Target:
    """An HTTP server on a free port. pages: path -> (content type, text); authorization: what every request must carry; tls: an
    ssl.SSLContext."""

    def __init__(self, pages, authorization=None, tls=None):
        self.pages, self.authorization, self.requests = pages, authorization, []
        target = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                target.requests.append((self.path, dict(self.headers)))
                page = target.pages.get(self.path.split("?")[0])
                wrong = target.authorization and self.headers.get("Authorization") != target.authorization
                body = b"" if wrong or page is None else page[1].encode()
                self.send_response(401 if wrong else 404 if page is None else 200)
                self.send_header("Content-Type", page[0] if page else "text/plain")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.handle_error = lambda *args: None  # a handshake that the client broke off
        if tls:
            self.server.socket = tls.wrap_socket(self.server.socket, server_side=True)
        self.address = f"127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class Proxy(Target):
    """Passes on plain requests (GET http://...) and tunnels (CONNECT host:port); remembers who was asked for."""

    def __init__(self):
        proxy = self
        self.asked = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                proxy.asked.append(("GET", self.path))
                with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(self.path) as answer:
                    body = answer.read()
                    self.send_response(answer.status)
                    self.send_header("Content-Type", answer.headers["Content-Type"])
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)

            def do_CONNECT(self):
                proxy.asked.append(("CONNECT", self.path))
                host, port = self.path.rsplit(":", 1)
                with socket.create_connection((host, int(port))) as there:
                    self.send_response(200)
                    self.end_headers()
                    back = threading.Thread(target=self.copy, args=(there, self.connection), daemon=True)
                    back.start()
                    self.copy(self.connection, there)
                    back.join()
                self.close_connection = True

            @staticmethod
            def copy(source, sink):
                try:
                    while data := source.recv(65536):
                        sink.sendall(data)
                    sink.shutdown(socket.SHUT_WR)
                except OSError:
                    pass

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.block_on_close = False
        self.server.handle_error = lambda *args: None
        self.address = f"127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()


class Authority:
    """Its own certificate and what it signs, as files in a folder."""

    def __init__(self, folder, name):
        self.folder, self.name = folder, name
        self.cert = os.path.join(folder, name + ".crt")
        self.key = os.path.join(folder, name + ".key")
        self.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", f"/CN={name}",
                     "-keyout", self.key, "-out", self.cert)

    @staticmethod
    def openssl(*args):
        subprocess.run(["openssl", *args], check=True, capture_output=True)

    def sign(self, name, alt):
        """(certificate, key) for alt, such as IP:127.0.0.1."""
        base = os.path.join(self.folder, name)
        with open(base + ".ext", "w") as f:
            f.write(f"subjectAltName={alt}\n")
        self.openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}", "-keyout", base + ".key",
                     "-out", base + ".csr")
        self.openssl("x509", "-req", "-in", base + ".csr", "-CA", self.cert, "-CAkey", self.key, "-CAcreateserial", "-days", "2", "-extfile",
                     base + ".ext", "-out", base + ".crt")
        return base + ".crt", base + ".key"

    def server_context(self, name, alt, clients=None):
        """clients: the authority whose certificates a client must show."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.sign(name, alt))
        if clients:
            context.load_verify_locations(clients.cert)
            context.verify_mode = ssl.CERT_REQUIRED
        return context


class Scrape(harness.Case):
    def target(self, text=PAGE, kind="text/plain; version=0.0.4", authorization=None, path="/metrics", tls=None):
        t = Target({path: (kind, text)}, authorization, tls)
        self.addCleanup(t.close)
        return t

    def proxy(self):
        p = Proxy()
        self.addCleanup(p.close)
        return p

    def folder(self):
        path = tempfile.mkdtemp(prefix="stoa-scrape-")
        self.addCleanup(shutil.rmtree, path, True)
        return path

    def config(self, *jobs):
        """jobs: dicts. JSON is YAML."""
        return f"global: {{scrape_interval: 300ms, scrape_timeout: 300ms}}\nscrape_configs: {json.dumps(list(jobs))}\n"

    def job(self, name, *targets, **more):
        return dict({"job_name": name, "static_configs": [{"targets": [t.address for t in targets]}]}, **more)

    def value(self, server, query):
        rows = server.query(query)
        return float(rows[0]["value"][1]) if rows else None

    def up(self, server, job, expected):
        self.eventually(lambda: self.value(server, f'up{{job="{job}"}}') == expected, what=f"up of {job} is {expected}")

    def active(self, server, job):
        return [t for t in server.get("/api/v1/targets").json["data"]["activeTargets"] if t["scrapePool"] == job]

    def refused(self, server, job, *reasons):
        """up is 0, nothing of the page is stored, and the target's page says why."""
        self.up(server, job, 0)
        (t,) = self.active(server, job)
        self.assertEqual(t["health"], "down")
        for reason in reasons:
            self.assertIn(reason, t["lastError"])
        self.assertEqual(server.query(f'jobs_done{{job="{job}"}}'), [])

    def test_a_page_becomes_series_with_the_targets_labels(self):
        t = self.target()
        s = self.server(config=self.config({"job_name": "plain", "static_configs": [{"targets": [t.address], "labels": {"env": "test"}}],
                                            "params": {"module": ["m1"]}}))
        self.up(s, "plain", 1)
        (row,) = s.query('jobs_done{kind="b"}')
        self.assertEqual(row["metric"], {"__name__": "jobs_done", "job": "plain", "instance": t.address, "env": "test", "kind": "b"})
        self.assertEqual(row["value"][1], "4")
        self.assertEqual(self.value(s, "scrape_samples_scraped"), 2)
        self.assertGreater(self.value(s, "scrape_duration_seconds"), 0)
        (known,) = self.active(s, "plain")
        self.assertEqual((known["health"], known["lastError"], known["labels"]["env"]), ("up", "", "test"))
        self.assertEqual(known["scrapeUrl"], f"http://{t.address}/metrics?module=m1")
        self.assertEqual(t.requests[0][0], "/metrics?module=m1")
        self.assertIn("openmetrics", t.requests[0][1]["Accept"])
        self.assertEqual(s.get("/api/v1/metadata").json["data"]["jobs_done"][0]["help"], "Jobs that are done.")

    def test_openmetrics_is_told_by_the_content_type(self):
        page = "# TYPE heat gauge\n# UNIT heat celsius\nheat 5\n# TYPE hits counter\nhits_total 9\nhits_created 1\n# EOF\n"
        good, cut = self.target(page, OPENMETRICS), self.target(page.replace("# EOF\n", ""), OPENMETRICS)
        s = self.server(config=self.config(self.job("om", good), self.job("cut", cut)))
        self.up(s, "om", 1)
        self.assertEqual(self.value(s, 'hits_total{job="om"}'), 9)
        self.refused(s, "cut", "EOF")

    def test_starts_in_openmetrics_text_are_zeros_when_the_feature_is_on(self):
        page = ("# TYPE hits counter\nhits_total 9\nhits_created {0}\n# TYPE h histogram\nh_bucket{{le=\"+Inf\"}} 3\nh_sum 6\nh_count 3\nh_created {0}\n"
                "# TYPE s summary\ns{{quantile=\"0.5\"}} 2\ns_sum 6\ns_count 3\ns_created {0}\n# EOF\n").format(round(time.time() - 20, 3))
        plain, zeros = (self.server(config=self.config(self.job("om", self.target(page, OPENMETRICS))), args=args)
                        for args in ((), ("--enable-feature=created-timestamp-zero-ingestion",)))
        for s in (plain, zeros):
            self.eventually(lambda: (self.value(s, "count_over_time(hits_total[1m])") or 0) >= 3)
        self.assertEqual(self.value(plain, "increase(hits_total[1m])"), 0)
        self.assertEqual(len(plain.query("{__name__=~'.+_created'}")), 3)
        self.assertEqual(zeros.query("{__name__=~'.+_created'}"), [])
        self.assertTrue(9 <= self.value(zeros, "increase(hits_total[1m])") < 20)
        for name in ("h_count", "h_sum", "h_bucket", "s_count", "s_sum"):
            values = [v for _, v in zeros.query(f"{name}[1m]")[0]["values"]]
            self.assertEqual((values[0], values.count("0")), ("0", 1), name)
        self.assertNotIn("0", [v for _, v in zeros.query("s[1m]")[0]["values"]])
        self.assertEqual(self.value(zeros, "resets(hits_total[1m])"), 0)

    def test_basic_auth_and_bearer_also_from_files(self):
        folder = self.folder()
        with open(os.path.join(folder, "token"), "w") as f:
            f.write("s3cret\n")
        basic = self.target(authorization="Basic " + base64.b64encode(b"u:p w").decode())
        bearer = self.target(authorization="Bearer s3cret")
        s = self.server(config=self.config(
            self.job("basic", basic, basic_auth={"username": "u", "password": "p w"}),
            self.job("wrong", basic, basic_auth={"username": "u", "password": "another"}),
            self.job("bearer", bearer, authorization={"credentials": "s3cret"}),
            self.job("file", bearer, authorization={"credentials_file": os.path.join(folder, "token")})))
        for job in ("basic", "bearer", "file"):
            self.up(s, job, 1)
        self.refused(s, "wrong", "401")
        self.assertNotIn("another", s.get("/api/v1/targets").text)

    def test_tls_is_checked_against_the_authority_and_the_name(self):
        folder = self.folder()
        ours, others = Authority(folder, "ours"), Authority(folder, "others")
        by_address = self.target(tls=ours.server_context("address", "IP:127.0.0.1"))
        by_name = self.target(tls=ours.server_context("name", "DNS:metrics.example"))
        for_friends = self.target(tls=ours.server_context("friends", "IP:127.0.0.1", clients=ours))
        cert, key = ours.sign("client", "DNS:client.example")

        def job(name, target, **tls):
            return self.job(name, target, scheme="https", scrape_timeout="5s", scrape_interval="5s", tls_config=tls,
                            relabel_configs=[{"target_label": "__scrape_interval__", "replacement": "500ms"},
                                             {"target_label": "__scrape_timeout__", "replacement": "500ms"}])
        s = self.server(config=self.config(
            job("good", by_address, ca_file=ours.cert), job("wrong_ca", by_address, ca_file=others.cert), job("system_ca", by_address),
            job("careless", by_address, insecure_skip_verify=True), job("wrong_name", by_name, ca_file=ours.cert),
            job("right_name", by_name, ca_file=ours.cert, server_name="metrics.example"),
            job("with_certificate", for_friends, ca_file=ours.cert, cert_file=cert, key_file=key),
            job("without", for_friends, ca_file=ours.cert), job("no_such_file", by_address, ca_file=os.path.join(folder, "none.crt"))))
        for name in ("good", "careless", "right_name", "with_certificate"):
            self.up(s, name, 1)
            self.assertEqual(self.value(s, f'jobs_done{{job="{name}",kind="a"}}'), 3)
        self.refused(s, "wrong_ca", "certificate")
        self.refused(s, "system_ca", "certificate")
        self.refused(s, "wrong_name", "127.0.0.1")
        self.refused(s, "without", by_address.address.split(":")[0])
        self.refused(s, "no_such_file", "none.crt")
        self.assertEqual(self.active(s, "good")[0]["scrapeUrl"], f"https://{by_address.address}/metrics")

    def test_through_a_proxy_plain_and_by_tunnel(self):
        authority, proxy = Authority(self.folder(), "ca"), self.proxy()
        plain, secure = self.target(), self.target(tls=authority.server_context("address", "IP:127.0.0.1"))
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            nobody = f"http://127.0.0.1:{unused.getsockname()[1]}"
            through = dict(proxy_url=f"http://{proxy.address}", scrape_interval="2s", scrape_timeout="2s")
            s = self.server(config=self.config(
                self.job("plain", plain, **through),
                self.job("tunnel", secure, scheme="https", tls_config={"ca_file": authority.cert}, **through),
                self.job("no_proxy_there", plain, proxy_url=nobody)), env={"http_proxy": nobody, "https_proxy": nobody})
            self.up(s, "plain", 1)
            self.up(s, "tunnel", 1)
            self.refused(s, "no_proxy_there", nobody.rsplit(":", 1)[1])
        self.assertIn(("GET", f"http://{plain.address}/metrics"), proxy.asked)
        self.assertIn(("CONNECT", secure.address), proxy.asked)

    def test_targets_found_by_http_and_by_file(self):
        folder, t = self.folder(), self.target()
        sd = self.target(json.dumps([{"targets": [t.address], "labels": {"found": "http"}}]), "application/json", path="/sd")
        listing = os.path.join(folder, "targets.json")

        def put(text):
            with open(listing + ".new", "w") as f:
                f.write(text)
            os.rename(listing + ".new", listing)
        put(json.dumps([{"targets": [t.address], "labels": {"found": "file"}}]))
        s = self.server(config=self.config(
            {"job_name": "by_http", "http_sd_configs": [{"url": f"http://{sd.address}/sd"}]},
            {"job_name": "by_file", "file_sd_configs": [{"files": [folder + "/*.json"]}]}))
        self.up(s, "by_http", 1)
        self.up(s, "by_file", 1)
        self.assertEqual(s.query('jobs_done{job="by_http",kind="a"}')[0]["metric"]["found"], "http")
        self.assertEqual(s.query('jobs_done{job="by_file",kind="a"}')[0]["metric"]["found"], "file")
        put("[]")
        self.eventually(lambda: not s.query('{job="by_file"}') and not self.active(s, "by_file"), what="the end of the removed target")
        self.up(s, "by_http", 1)

    def test_a_target_over_a_limit_is_down_and_says_why(self):
        t = self.target()
        s = self.server(config=self.config(
            self.job("body", t, body_size_limit="20B"), self.job("samples", t, sample_limit=1), self.job("labels", t, label_limit=2),
            self.job("garbage", self.target("this is { no page\n")), self.job("enough", t, sample_limit=2, body_size_limit="1KB")))
        self.up(s, "enough", 1)
        self.refused(s, "body", "20")
        self.refused(s, "samples", "sample_limit is 1")
        self.refused(s, "labels", "label_limit is 2")
        self.refused(s, "garbage", "line 1")

    def test_what_disappears_from_a_page_or_with_its_target_is_stale_at_once(self):
        t = self.target()
        s = self.server(config=self.config(self.job("j", t)))
        self.eventually(lambda: len(s.query("jobs_done")) == 2, what="both series")
        t.pages["/metrics"] = (t.pages["/metrics"][0], 'jobs_done{kind="a"} 5\n')
        self.eventually(lambda: [r["metric"]["kind"] for r in s.query("jobs_done")] == ["a"], what="the series that is left")
        t.pages.clear()
        self.refused(s, "j", "404")
        t.pages["/metrics"] = ("text/plain", PAGE)
        self.eventually(lambda: len(s.query("jobs_done")) == 2, what="both series again")

    def test_a_reload_adds_and_removes_targets_and_a_wrong_file_changes_nothing(self):
        first, second = self.target(), self.target()
        s = self.server(config=self.config(self.job("first", first)))
        path = os.path.join(s.data, "test.yml")

        def reload(text):
            with open(path, "w") as f:
                f.write(text)
            s.process.send_signal(signal.SIGHUP)
        self.up(s, "first", 1)
        reload(self.config(self.job("first", first), self.job("second", second)))
        self.up(s, "second", 1)
        self.up(s, "first", 1)
        reload("scrape_configs: [{job_nam: x}]\n")
        self.eventually(lambda: [x for x in s.log if "job_nam" in x], what="the complaint")
        count = len(second.requests)
        self.eventually(lambda: len(second.requests) > count, what="further scrapes")
        reload(self.config(self.job("second", second)))
        self.eventually(lambda: not s.query('{job="first"}'), what="the end of the first job")
        self.assertEqual(self.active(s, "first"), [])
        self.up(s, "second", 1)

    def test_reloads_have_no_end_and_status_says_how_the_last_one_went(self):
        t = self.target()
        s = self.server(config=self.config(self.job("j", t)))
        self.up(s, "j", 1)
        for _ in range(150):
            self.eventually(lambda: s.post("/-/reload").status == 200, what="a reload")
        self.assertIs(s.get("/api/v1/status/runtimeinfo").json["data"]["reloadConfigSuccess"], True)
        count = len(t.requests)
        self.eventually(lambda: len(t.requests) > count + 1, what="further scrapes")
        self.up(s, "j", 1)
        with open(os.path.join(s.data, "test.yml"), "w") as f:
            f.write("scrape_configs: 5\n")
        self.assertEqual(s.post("/-/reload").status, 400)
        self.assertIs(s.get("/api/v1/status/runtimeinfo").json["data"]["reloadConfigSuccess"], False)

    def test_a_stop_does_not_wait_for_targets_that_do_not_answer(self):
        with socket.create_server(("127.0.0.1", 0)) as silent:
            silent.settimeout(20)
            address = f"127.0.0.1:{silent.getsockname()[1]}"
            # Many targets, so that one of them is due soon.
            s = self.server(config=self.config(
                {"job_name": "slow", "scrape_interval": "100s", "scrape_timeout": "90s",
                 "static_configs": [{"targets": [address], "labels": {"n": str(n)}} for n in range(200)]}))
            connection, _ = silent.accept()
            with connection:
                self.assertEqual(s.stop(), 0)  # -9: killed, after 30 s


if __name__ == "__main__":
    harness.main()
