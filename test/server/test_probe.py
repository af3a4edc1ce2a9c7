# SPDX-License-Identifier: Apache-2.0
"""Synthetic checks against a real HTTP target whose faults can be switched: journeys, conditions, metrics, log lines and traces of
runs, /probe beside blackbox_exporter, agents at other locations, and kill -9 of server and agent."""
import http.server
import json
import os
import re
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

BLACKBOX = harness.ROOT / "build/peers/prometheus-blackbox-exporter/usr/bin/prometheus-blackbox-exporter"


class Target:
    """A shop: /, /login (JSON, gives a token and a cookie), /users (wants both). fault: what goes wrong now."""

    def __init__(self, tls=None):
        self.fault, self.requests = None, []
        self.lock = threading.Lock()
        target = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self, status, body, kind="text/html", **headers):
                body = body.encode()
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                for name, value in headers.items():
                    self.send_header(name.replace("_", "-"), value)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            def handle_any(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                with target.lock:
                    target.requests.append((self.command, self.path, dict(self.headers), body))
                fault = target.fault
                if fault == "slow":
                    time.sleep(1.2)
                if fault == "500":
                    self.answer(500, "broken")
                elif fault == "loop":
                    self.answer(302, "", Location=self.path)
                elif fault == "wrong body":
                    self.answer(200, "<h1>Parked domain</h1>")
                elif self.path == "/moved":
                    self.answer(302, "", Location="/")
                elif self.path == "/login":
                    good = json.loads(body or b"{}") == {"email": "ann@example.com", "password": "test123"}
                    self.answer(200 if good else 401, json.dumps({"token": "secret-tok-42"}), "application/json", Set_Cookie="sid=s1; Path=/")
                elif self.path == "/users":
                    good = "sid=s1" in self.headers.get("Cookie", "") and self.headers.get("Authorization") == "Bearer secret-tok-42"
                    self.answer(200 if good else 403, "[]", "application/json")
                else:
                    self.answer(200, "<h1>Shop</h1>", Last_Modified="Sun, 06 Nov 1994 08:49:37 GMT")

            do_GET = do_POST = do_HEAD = handle_any

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.handle_error = lambda request, address: None  # who asked has hung up
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class Agent:
    """One `stoa agent`."""

    def __init__(self, url, location, data, env=None):
        self.command = [harness.BINARY, "agent", "--server", url, "--location", location, "--data", data, "--poll", "300ms"]
        self.env = dict(os.environ, **(env or {}))
        self.start()

    def start(self):
        self.process = subprocess.Popen(self.command, stderr=subprocess.DEVNULL, env=self.env)

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(30)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


ARTICLE = """
checks:
  - name: shop
    every: 5m
    steps:
      - name: homepage
        get: {url}/
        expect: [status == 200, latency < 2s]
      - name: login
        post: {url}/login
        json: {{email: ann@example.com, password: "${{SHOP_PASSWORD}}"}}
        expect: [status == 200]
        save: {{token: json .token}}
      - name: api
        get: {url}/users
        headers: {{Authorization: "Bearer {{{{token}}}}"}}
        expect: [status == 200]
"""


class Probe(harness.Case):
    def target(self, **kw):
        t = Target(**kw)
        self.addCleanup(t.close)
        return t

    def folder(self):
        path = tempfile.mkdtemp(prefix="stoa-probe-")
        self.addCleanup(shutil.rmtree, path, True)
        return path

    def agent(self, server_url, location, data=None, **kw):
        a = Agent(server_url, location, data or self.folder(), **kw)
        self.addCleanup(a.stop)
        return a

    def check(self, s, name):
        return next(c for c in s.get("/api/stoa/v1/checks").json["checks"] if c["name"] == name)

    def last(self, s, name, location="local"):
        return next((r for r in self.check(s, name)["last"] if r["location"] == location), None)

    def run_now(self, s, name):
        r = s.post(f"/api/stoa/v1/checks/{name}/run")
        self.assertEqual(r.status, 200, r.text)
        return r.json

    def certificates(self):
        """A CA of its own, and a certificate by it for 127.0.0.1 that ends in 30 days."""
        d = self.folder()

        def openssl(*args):
            subprocess.run(["openssl", *args], cwd=d, check=True, capture_output=True)
        openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.pem", "-days", "60", "-subj", "/CN=Test CA",
                "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign")
        openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", "key.pem", "-out", "csr.pem", "-subj", "/CN=target")
        with open(os.path.join(d, "ext"), "w") as f:
            f.write("subjectAltName=IP:127.0.0.1,DNS:localhost\nextendedKeyUsage=serverAuth\n")
        openssl("x509", "-req", "-in", "csr.pem", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-out", "cert.pem", "-days", "30",
                "-extfile", "ext")
        return os.path.join(d, "ca.pem"), (os.path.join(d, "cert.pem"), os.path.join(d, "key.pem"))

    def test_the_three_steps_of_the_article_run_and_leave_metrics_a_line_and_a_trace(self):
        t = self.target()
        s = self.server(config=ARTICLE.format(url=t.url), env={"SHOP_PASSWORD": "test123"})
        run = self.eventually(lambda: self.last(s, "shop"), what="the first run")
        self.assertTrue(run["ok"], run)
        self.assertEqual([x["status"] for x in run["steps"]], [200, 200, 200])
        self.assertEqual(self.check(s, "shop")["every_ms"], 300000)
        # metrics
        found = {m["metric"]["step"]: m for m in s.query('probe_success{check="shop",location="local"}')}
        self.assertEqual(sorted(found), ["api", "homepage", "login"])
        self.assertEqual(found["api"]["metric"]["instance"], t.url + "/users")
        self.assertEqual(s.query('stoa_check_success{check="shop"}')[0]["value"][1], "1")
        phases = {m["metric"]["phase"] for m in s.query('probe_http_duration_seconds{check="shop",step="login"}')}
        self.assertEqual(phases, {"resolve", "connect", "tls", "processing", "transfer"})
        # a log line
        lines = s.logs('{service_name="stoa-probe",check="shop"} | json | ok="true"')
        self.assertEqual(len(lines), 1)
        text = lines[0]["values"][0][1]
        self.assertEqual(json.loads(text)["trace_id"], run["trace_id"])
        self.assertNotIn("test123", text)
        self.assertNotIn("secret-tok-42", text)
        # a trace, joined by the target through traceparent
        trace = s.get("/jaeger/api/traces/" + run["trace_id"]).json["data"][0]
        spans = {x["spanID"]: x for x in trace["spans"]}
        names = [x["operationName"] for x in trace["spans"]]
        self.assertEqual(sorted(n for n in names if n in ("check shop", "homepage", "login", "api")), ["api", "check shop", "homepage", "login"])
        self.assertIn("first byte", names)
        for (command, path, headers, body), step in zip(t.requests, ("homepage", "login", "api")):
            version, trace_id, parent, flags = headers["traceparent"].split("-")
            self.assertEqual(trace_id, run["trace_id"])
            self.assertEqual(spans[parent]["operationName"], step)

    def test_each_fault_is_told_as_what_it_is(self):
        t = self.target()
        config = f"""
checks:
  - name: page
    every: 1d
    timeout: 700ms
    steps:
      - get: {t.url}/
        expect: [status == 200, body contains "Shop", latency < 600ms]
  - name: patient
    every: 1d
    steps:
      - get: {t.url}/
        expect: [latency < 1s]
  - name: refused
    every: 1d
    steps: [{{get: "http://127.0.0.1:{free_port()}/"}}]
  - name: moved
    every: 1d
    steps:
      - {{name: follow, get: {t.url}/moved}}
      - {{name: stay, get: {t.url}/moved, follow_redirects: false, expect: [status == 302, header location == /]}}
"""
        s = self.server(config=config)
        self.assertTrue(self.run_now(s, "page")["ok"])
        self.assertTrue(self.run_now(s, "moved")["ok"])
        for fault, check, error in (("500", "page", "expected status == 200, found 500"), ("wrong body", "page", 'expected body contains "Shop", found'),
                                    ("slow", "page", "imed out|no answer within"), ("slow", "patient", "expected latency < 1s, found 1.2"),
                                    ("loop", "page", "more than 10 redirects"), (None, "refused", "refused|connect")):
            t.fault = fault
            run = self.run_now(s, check)
            self.assertFalse(run["ok"], (fault, run))
            self.assertRegex(run["error"], error)
            self.assertEqual(run["failed_step"], "step 1")
        t.fault = None
        self.assertEqual(s.query('probe_success{check="refused"}')[0]["value"][1], "0")
        errors = s.logs('{service_name="stoa-probe",check="page"} | ok="false"')
        self.assertEqual(sum(len(x["values"]) for x in errors), 4)
        runs = s.get("/api/stoa/v1/checks/page/runs", dict(limit=2)).json["runs"]
        self.assertEqual([r["ok"] for r in runs], [False, False])
        self.assertGreater(runs[0]["t_ms"], runs[1]["t_ms"])
        self.assertEqual(s.get("/api/stoa/v1/checks/nothing/runs").status, 404)
        self.assertEqual(s.post("/api/stoa/v1/checks/nothing/run").status, 404)
        self.assertRegex(s.get("/metrics").text, r'stoa_probe_runs_total\{result="failed"\} [6-9]')

    def test_certificates_of_an_own_authority_are_checked_and_their_end_is_known(self):
        ca, pair = self.certificates()
        t = self.target(tls=pair)
        steps = f"[{{get: {t.url}/, expect: [status == 200, certificate days > 14]}}]"
        config = f"""
checks:
  - {{name: known, every: 1d, tls: {{ca_file: {ca}}}, steps: {steps}}}
  - {{name: unknown, every: 1d, steps: {steps}}}
  - {{name: ends, every: 1d, tls: {{ca_file: {ca}}}, steps: [{{get: {t.url}/, expect: "certificate days > 40"}}]}}
"""
        s = self.server(config=config)
        run = self.run_now(s, "known")
        self.assertTrue(run["ok"], run)
        self.assertGreater(run["steps"][0]["phases_ms"]["tls"], 0)
        days = (float(s.query('probe_ssl_earliest_cert_expiry{check="known"}')[0]["value"][1]) - time.time()) / 86400
        self.assertTrue(29 < days < 31, days)
        self.assertRegex(self.run_now(s, "unknown")["error"], "certificate")
        self.assertRegex(self.run_now(s, "ends")["error"], r"expected certificate days > 40, found (29|30)\.")

    def test_a_slower_run_than_its_interval_is_missed_and_counted(self):
        t = self.target()
        t.fault = "slow"
        s = self.server(config=f"checks: [{{name: a, every: 1s, timeout: 5s, steps: [{{get: {t.url}/}}]}}]")
        self.eventually(lambda: int(re.search(r"stoa_probe_missed_runs_total (\d+)", s.get("/metrics").text)[1]) >= 1, what="a missed run")

    def test_last_results_are_shown_after_kill_and_reload_changes_the_checks(self):
        t = self.target()
        s = self.server(config=f"checks: [{{name: a, every: 1d, steps: [{{get: {t.url}/}}]}}]")
        run = self.run_now(s, "a")
        s.kill()
        t.close()
        s.start()
        self.assertEqual(self.last(s, "a")["id"], run["id"])
        with open(os.path.join(s.data, "test.yml"), "w") as f:
            f.write("checks:\n- name: b\n  every: 1d\n  steps: [{get: 'http://127.0.0.1:1/'}]\n")
        self.assertEqual(s.post("/-/reload").status, 200)
        self.assertEqual([c["name"] for c in s.get("/api/stoa/v1/checks").json["checks"]], ["b"])
        with open(os.path.join(s.data, "test.yml"), "w") as f:
            f.write("checks:\n- name: b\n  steps: [{get: 'http://127.0.0.1:1/', expect: [stats == 200]}]\n")
        r = s.post("/-/reload")
        self.assertEqual(r.status, 400)
        self.assertIn("expected what is to be looked at", r.text)
        self.assertEqual([c["name"] for c in s.get("/api/stoa/v1/checks").json["checks"]], ["b"])

    def test_agents_at_two_locations_run_what_is_meant_for_them_and_are_missed_when_they_stop(self):
        t = self.target()
        s = self.server(config=f"""
checks:
  - {{name: both, every: 1s, locations: [berlin, oslo], steps: [{{get: "{t.url}/?who=${{WHO}}"}}]}}
  - {{name: one, every: 1s, locations: [oslo, local], steps: [{{get: {t.url}/}}]}}
""", env={"WHO": "server"})
        berlin = self.agent(s.url, "berlin", env={"WHO": "berlin"})
        self.agent(s.url, "oslo", env={"WHO": "oslo"})
        for check, location in (("both", "berlin"), ("both", "oslo"), ("one", "oslo"), ("one", "local")):
            run = self.eventually(lambda: self.last(s, check, location), what=f"{check} from {location}")
            self.assertTrue(run["ok"], run)
        self.assertIsNone(self.last(s, "one", "berlin"))
        paths = {r[1] for r in t.requests}
        self.assertIn("/?who=berlin", paths)
        self.assertIn("/?who=oslo", paths)
        self.assertNotIn("/?who=server", paths)
        self.assertEqual({m["metric"]["location"] for m in s.query('probe_success{check="both"}')}, {"berlin", "oslo"})
        agents = {a["location"]: a for a in s.get("/api/stoa/v1/checks").json["agents"]}
        self.assertFalse(agents["berlin"]["unseen"])
        berlin.kill()

        def unseen():
            agents = {a["location"]: a for a in s.get("/api/stoa/v1/checks").json["agents"]}
            return agents["berlin"]["unseen"] and not agents["oslo"]["unseen"]
        self.eventually(unseen, what="berlin unseen")
        self.assertIn('stoa_probe_agent_up{location="berlin"} 0', s.get("/metrics").text)
        self.assertIn('stoa_probe_agent_up{location="oslo"} 1', s.get("/metrics").text)

    def test_an_agent_keeps_results_over_outages_and_kills_and_each_is_stored_once(self):
        t = self.target()
        port, data, folder = free_port(), self.folder(), self.folder()
        config = f"checks: [{{name: a, every: 1s, locations: [berlin], steps: [{{get: {t.url}/}}]}}]"
        args = ["--listen", f"127.0.0.1:{port}"]
        s = self.server(data=data, config=config, args=args)
        agent = self.agent(s.url, "berlin", folder)
        self.eventually(lambda: self.last(s, "a", "berlin"), what="a first run")
        s.kill()
        before = len(t.requests)
        self.eventually(lambda: len(t.requests) >= before + 3, what="runs without a server")
        agent.kill()
        agent.start()
        before = len(t.requests)
        self.eventually(lambda: len(t.requests) >= before + 1, what="a run of the agent started without a server")
        s.start()
        time.sleep(0.5)
        agent.stop()
        s.stop()
        s.start()
        runs = s.get("/api/stoa/v1/checks/a/runs", dict(limit=1000)).json["runs"]
        ids = [r["id"] for r in runs]
        self.assertEqual(len(ids), len(set(ids)))
        self.assertTrue(0 <= len(t.requests) - len(ids) <= 2, (len(t.requests), len(ids)))  # under way when the agent was killed

    def test_a_report_sent_again_is_stored_once_also_after_a_restart_and_bad_ones_are_told(self):
        t = self.target()
        s = self.server(config=f"checks: [{{name: a, every: 1d, locations: [berlin], steps: [{{get: {t.url}/}}]}}]")
        run = dict(self.run_now(s, "a"), id="0" * 31 + "7", location="berlin")
        post = lambda runs: s.post_json("/api/stoa/v1/checks/results", {"location": "berlin", "interval_ms": 60000, "runs": runs})
        self.assertEqual(post([run, run]).json, {"stored": 1, "known": 1, "rejected": 0, "error": ""})
        self.assertEqual(post([run]).json["known"], 1)
        s.stop()
        s.start()
        self.assertEqual(post([run]).json, {"stored": 0, "known": 1, "rejected": 0, "error": ""})
        self.assertEqual(len(s.get("/api/stoa/v1/checks/a/runs", dict(location="berlin")).json["runs"]), 1)
        r = post([dict(run, location="oslo"), {"id": 1}]).json
        self.assertEqual((r["stored"], r["rejected"]), (0, 2))
        self.assertIn("oslo", r["error"])
        # What is not configured is stored, and nothing is kept of it.
        self.assertEqual(post([dict(run, id="0" * 31 + "8", check="made up")]).json["stored"], 1)
        self.assertEqual([c["name"] for c in s.get("/api/stoa/v1/checks").json["checks"]], ["a"])
        self.assertEqual(post([dict(run, id="0" * 31 + "9", start_ns=str(2**63 - 1))]).json["rejected"], 1)
        self.assertEqual(s.post("/api/stoa/v1/checks/results", b"{").status, 400)
        self.assertEqual(s.get("/api/stoa/v1/checks/config", dict(location="local")).status, 400)

    def test_an_agent_needs_a_token_where_a_login_is_needed(self):
        t, data = self.target(), self.folder()

        def token(role):
            return subprocess.run([harness.BINARY, "token", "create", role, "--role", role, "--data", data], check=True, capture_output=True,
                                  text=True).stdout.strip()
        writer, reader = token("ingest-only"), {"Authorization": "Bearer " + token("viewer")}
        s = self.server(data=data, config=f"checks: [{{name: a, every: 1s, locations: [berlin, oslo], steps: [{{get: {t.url}/}}]}}]")
        self.agent(s.url, "oslo")
        self.agent(s.url, "berlin", env={"STOA_TOKEN": writer})

        def locations():
            checks = s.get("/api/stoa/v1/checks", headers=reader).json["checks"]
            return {r["location"] for r in checks[0]["last"]}
        self.eventually(lambda: locations() == {"berlin"}, what="runs from berlin alone")
        self.assertEqual(s.get("/api/stoa/v1/checks").status, 401)
        self.assertEqual(s.post("/api/stoa/v1/checks/a/run", headers=reader).status, 403)
        self.assertEqual(s.get("/probe?target=" + t.url, headers=reader).status, 403)

    # ---- blackbox_exporter ----

    def page(self, url, target, module="http_2xx"):
        text = urllib.request.urlopen(f"{url}/probe?module={module}&target={target}", timeout=30).read().decode()
        values = {m[1]: float(m[2]) for m in re.finditer(r"^([^#].*) (\S+)$", text, re.M)}
        return values, set(re.findall(r"^# .*$", text, re.M))

    def blackbox(self, config):
        subprocess.run([str(harness.ROOT / "tools/peers.sh"), "prometheus-blackbox-exporter"], check=True)
        path, port = os.path.join(self.folder(), "blackbox.yml"), free_port()
        with open(path, "w") as f:
            f.write(config)
        p = subprocess.Popen([BLACKBOX, f"--config.file={path}", f"--web.listen-address=127.0.0.1:{port}"], stderr=subprocess.DEVNULL)
        self.addCleanup(p.wait)
        self.addCleanup(p.terminate)
        url = f"http://127.0.0.1:{port}"
        self.eventually(lambda: urllib.request.urlopen(url + "/-/healthy", timeout=5).status == 200, what="blackbox_exporter")
        return url

    def test_probe_answers_as_blackbox_exporter_does(self):
        ca, pair = self.certificates()
        plain, tls = self.target(), self.target(tls=pair)
        config = f"""
modules:
  http_2xx: {{prober: http}}
  post: {{prober: http, http: {{method: POST, headers: {{X-A: b}}, body: '{{"a":1}}', preferred_ip_protocol: ip4}}}}
  tls: {{prober: http, http: {{tls_config: {{ca_file: {ca}}}, fail_if_not_ssl: true}}}}
  lax: {{prober: http, http: {{tls_config: {{insecure_skip_verify: true}}}}}}
  nossl: {{prober: http, http: {{fail_if_ssl: true, tls_config: {{insecure_skip_verify: true}}}}}}
  codes: {{prober: http, http: {{valid_status_codes: [302], no_follow_redirects: true}}}}
  body: {{prober: http, http: {{fail_if_body_matches_regexp: ["Sh.p"]}}}}
  nobody: {{prober: http, http: {{fail_if_body_not_matches_regexp: ["Parked"]}}}}
  header: {{prober: http, http: {{fail_if_header_not_matches: [{{header: Content-Type, regexp: json}}]}}}}
  version: {{prober: http, http: {{valid_http_versions: ["HTTP/2.0"]}}}}
"""
        peer = self.blackbox(config)
        s = self.server(config=config)
        # Where nobody is reached the peer knows the address it was going to, and we do not.
        unreached = {"probe_ip_addr_hash", "probe_ip_protocol"}
        times = re.compile(r"duration_seconds|lookup_time")
        refused = f"http://127.0.0.1:{free_port()}/"
        for module, target, skip in (("http_2xx", plain.url, ()), ("http_2xx", plain.url[7:], ()), ("http_2xx", plain.url + "/moved", ()),
                                     ("http_2xx", plain.url + "/users", ()), ("http_2xx", refused, unreached), ("http_2xx", tls.url, unreached),
                                     ("post", plain.url + "/login", ()), ("tls", tls.url, ()), ("tls", plain.url, ()), ("lax", tls.url, ()),
                                     ("nossl", tls.url, ()), ("codes", plain.url + "/moved", ()), ("body", plain.url, ()), ("nobody", plain.url, ()),
                                     ("header", plain.url, ()), ("version", plain.url, ())):
            theirs, their_heads = self.page(peer, target, module)
            ours, our_heads = self.page(s.url, target, module)
            self.assertEqual(sorted(ours), sorted(theirs), (module, target))
            self.assertEqual(our_heads, their_heads, (module, target))
            for name in theirs:
                if name not in skip and not times.search(name):
                    self.assertEqual(ours[name], theirs[name], (module, target, name))
        for query in ("module=nope&target=x", "module=http_2xx"):
            with self.assertRaises(urllib.error.HTTPError) as raised:
                urllib.request.urlopen(f"{peer}/probe?{query}", timeout=30)
            with raised.exception as theirs:
                ours = s.get("/probe?" + query)
                self.assertEqual((ours.status, ours.text.strip()), (theirs.code, theirs.read().decode().strip()))


if __name__ == "__main__":
    harness.main()
