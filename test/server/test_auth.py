# SPDX-License-Identifier: Apache-2.0
"""Logins, roles, tokens, TLS beyond loopback, and the audit log, against the real program."""
import base64
import http.client
import json
import os
import ssl
import subprocess
import tempfile
import time

import harness
from harness import BINARY, WRITE_HEADERS, write_request

PASSWORD = "correct horse"
ROLES = ["viewer", "editor", "admin", "ingest-only", "auditor"]


def stoa(*args, password=None, data=None, env=None, ok=True):
    environ = {k: v for k, v in os.environ.items() if not k.startswith("STOA_")}
    environ.update(env or {})
    if password is not None:
        environ["STOA_PASSWORD"] = password
    command = [BINARY, *args] + (["--data", data] if data else [])
    r = subprocess.run(command, capture_output=True, text=True, env=environ, timeout=60, stdin=subprocess.DEVNULL)
    if ok and r.returncode:
        raise AssertionError(f"{command}: {r.returncode}: {r.stdout}{r.stderr}")
    return r


def add_user(data, name, role, password=PASSWORD, *more):
    stoa("user", "add", name, "--role", role, *more, password=password, data=data)


def token(data, name, role, *more):
    return stoa("token", "create", name, "--role", role, *more, data=data).stdout.strip()


def basic(user, password=PASSWORD):
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def bearer(text):
    return {"Authorization": "Bearer " + text}


def samples(name="t"):
    return write_request([({"__name__": name}, [(int(time.time() * 1000), 1.0)])])


def push(line="hello"):
    return json.dumps({"streams": [{"stream": {"app": "x"}, "values": [[str(time.time_ns()), line]]}]})


JSON = {"Content-Type": "application/json"}
# method, path, body, headers, the permission it needs
ROUTES = [
    ("GET", "/-/healthy", None, {}, "public"),
    ("GET", "/", None, {}, "public"),
    ("GET", "/api/stoa/v1/me", None, {}, "public"),
    ("GET", "/api/v1/query?query=1", None, {}, "read"),
    ("GET", "/api/v1/labels", None, {}, "read"),
    ("GET", "/loki/api/v1/query_range?query=%7Bapp%3D%22x%22%7D", None, {}, "read"),
    ("GET", "/jaeger/api/services", None, {}, "read"),
    ("GET", "/metrics", None, {}, "read"),
    ("GET", "/api/stoa/v1/status", None, {}, "read"),
    ("POST", "/api/v1/write", samples, WRITE_HEADERS, "write"),
    ("POST", "/loki/api/v1/push", push, JSON, "write"),
    ("POST", "/v1/logs", lambda: "{}", JSON, "write"),
    ("POST", "/v1/metrics", lambda: "{}", JSON, "write"),
    ("POST", "/v1/traces", lambda: "{}", JSON, "write"),
    ("POST", "/-/reload", None, {}, "admin"),
    ("POST", "/api/stoa/v1/flush", None, {}, "admin"),
    ("GET", "/api/stoa/v1/users", None, {}, "admin"),
    ("GET", "/api/stoa/v1/tokens", None, {}, "admin"),
    ("GET", "/api/stoa/v1/audit", None, {}, "audit"),
    ("GET", "/api/stoa/v1/audit/verify", None, {}, "audit"),
]
MAY = {
    "viewer": {"public", "read"},
    "editor": {"public", "read", "write", "edit"},
    "admin": {"public", "read", "write", "edit", "admin", "audit"},
    "ingest-only": {"public", "write"},
    "auditor": {"public", "audit"},
}


class Open(harness.Case):
    def test_loopback_without_users_needs_no_login_and_the_page_knows(self):
        s = self.server()
        for method, path, body, headers, _ in ROUTES:
            r = s.request(method, path, body() if body else None, headers)
            self.assertLess(r.status, 300, (method, path, r.text))
        me = s.get("/api/stoa/v1/me").json
        self.assertEqual((me["user"], me["role"], me["login_required"]), ("", "admin", False))

    def test_another_sites_page_may_not_change_anything(self):
        s = self.server()
        for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}):
            self.assertEqual(s.post("/api/stoa/v1/flush", b"", headers).status, 403, headers)
        self.assertEqual(s.post("/api/stoa/v1/flush", b"", {"Origin": s.url}).status, 200)
        probe = {"module": "http_2xx", "target": s.url}
        self.assertEqual(s.get("/probe", probe, headers={"Sec-Fetch-Site": "cross-site"}).status, 403)
        self.assertEqual(s.get("/probe", probe, headers={"Sec-Fetch-Site": "none"}).status, 200)
        r = s.post("/v1/logs", "{}", dict(JSON, Origin="https://shop.example"))
        self.assertEqual((r.status, r.headers["Access-Control-Allow-Origin"]), (200, "https://shop.example"))
        r = s.get("/api/v1/query", {"query": "1"}, headers={"Origin": "https://evil.example"})
        self.assertIsNone(r.headers["Access-Control-Allow-Origin"])


class Roles(harness.Case):
    @classmethod
    def setUpClass(cls):
        cls.data = tempfile.mkdtemp(prefix="stoa-auth-")
        for role in ROLES:
            add_user(cls.data, "u-" + role, role)
        cls.tokens = {role: token(cls.data, "t-" + role, role) for role in ROLES}
        cls.s = harness.Server(data=cls.data)
        cls.addClassCleanup(cls.s.close)

    def ask(self, row, headers):
        method, path, body, more, _ = row
        return self.s.request(method, path, body() if body else None, dict(more, **headers))

    def test_without_credentials_only_public_routes_answer(self):
        for row in ROUTES:
            r = self.ask(row, {})
            if row[4] == "public":
                self.assertEqual(r.status, 200, row)
            else:
                self.assertEqual(r.status, 401, row)
                challenge = ", ".join(r.headers.get_all("WWW-Authenticate"))
                self.assertIn("Basic", challenge)
                self.assertIn("Bearer", challenge)

    def test_each_role_gets_what_the_table_says(self):
        for role in ROLES:
            for credentials in (bearer(self.tokens[role]), basic("u-" + role), basic("anything", self.tokens[role])):
                for row in ROUTES:
                    r = self.ask(row, credentials)
                    if row[4] in MAY[role]:
                        self.assertLess(r.status, 300, (role, row[:2], r.text))
                    else:
                        self.assertEqual(r.status, 403, (role, row[:2], r.text))
                        self.assertIn(role, r.text)
                        self.assertIn(row[4], r.text)

    def test_a_password_that_the_browser_sends_by_itself_serves_no_other_site(self):
        foreign = {"Origin": "https://evil.example"}
        for credentials in (basic("u-admin"), basic("anything", self.tokens["admin"])):
            self.assertEqual(self.s.post("/api/stoa/v1/flush", b"", dict(credentials, **foreign)).status, 403)
            self.assertEqual(self.s.post("/api/stoa/v1/flush", b"", credentials).status, 200)
        self.assertEqual(self.s.post("/api/stoa/v1/flush", b"", dict(bearer(self.tokens["admin"]), **foreign)).status, 200)

    def test_a_path_written_in_another_way_needs_the_same_role(self):
        viewer = bearer(self.tokens["viewer"])
        for path in ("/api/stoa/v1/users", "/api/stoa/v1/users/", "//api/stoa/v1/users", "/api//stoa/v1/users", "/api/stoa/v1%2fusers", "/api/stoa/v1/%75sers",
                     "/./api/stoa/v1/users", "/x/../api/stoa/v1/users", "/api/stoa/v1/users;x", "/API/stoa/v1/users", "/jaeger/../api/stoa/v1/users"):
            for method in ("GET", "HEAD", "OPTIONS", "POST"):
                r = self.s.request(method, path, None, viewer)
                self.assertNotIn("u-admin", r.text, (method, path))
                self.assertIn(r.status, (204, 400, 403, 404, 405), (method, path, r.text))
                if method == "OPTIONS":
                    self.assertIsNone(r.headers["Access-Control-Allow-Origin"], path)

    def grpc(self, headers):
        """One Export over HTTP/2 by curl; gives grpc-status and message of the trailers."""
        with tempfile.NamedTemporaryFile() as f:
            f.write(b"\0\0\0\0\0")
            f.flush()
            command = ["curl", "-s", "--http2-prior-knowledge", "-o", "/dev/null", "-D", "-", "-H", "Content-Type: application/grpc", "-H", "TE: trailers",
                       "--data-binary", "@" + f.name]
            for k, v in headers.items():
                command += ["-H", f"{k}: {v}"]
            out = subprocess.run(command + [self.s.url + "/opentelemetry.proto.collector.logs.v1.LogsService/Export"], capture_output=True, text=True,
                                 timeout=30).stdout
        fields = dict(line.split(": ", 1) for line in out.splitlines() if ": " in line)
        return fields.get("grpc-status"), fields.get("grpc-message", "")

    def test_grpc_says_unauthenticated_and_permission_denied(self):
        self.assertEqual(self.grpc({})[0], "16")
        self.assertEqual(self.grpc(bearer("stoa_wrong"))[0], "16")
        status, message = self.grpc(bearer(self.tokens["viewer"]))
        self.assertEqual(status, "7")
        self.assertIn("viewer", message)
        self.assertEqual(self.grpc(bearer(self.tokens["ingest-only"]))[0], "0")
        self.assertEqual(self.grpc(basic("u-ingest-only"))[0], "0")

    def test_wrong_credentials_are_refused_in_any_form(self):
        for value in ("Bearer stoa_x", "Bearer ", "Basic !!!", "Basic " + base64.b64encode(b"nobody").decode(), "Digest x", "x"):
            self.assertEqual(self.s.get("/api/v1/labels", headers={"Authorization": value}).status, 401, value)
        r = self.s.get("/api/v1/labels", headers=dict(basic("u-viewer", "wrong horse")))
        self.assertEqual(r.status, 401)
        r = self.s.get("/api/v1/labels", headers={"Sec-Fetch-Mode": "cors"})
        self.assertNotIn("Basic", ", ".join(r.headers.get_all("WWW-Authenticate")))

    def test_basic_on_every_remote_write_is_cheap_after_the_first(self):
        headers = dict(WRITE_HEADERS, **basic("u-ingest-only"))
        self.assertEqual(self.s.post("/api/v1/write", samples(), headers).status, 204)
        start = time.monotonic()
        for _ in range(100):
            self.assertEqual(self.s.post("/api/v1/write", samples(), headers).status, 204)
        self.assertLess(time.monotonic() - start, 60)
        log = self.s.get("/api/stoa/v1/audit", {"user": "u-ingest-only", "action": "login", "limit": 1000}, headers=bearer(self.tokens["auditor"])).json
        self.assertLessEqual(len(log["records"]), 3)


class Tenants(harness.Case):
    def test_the_token_decides_the_tenants_and_the_header_narrows(self):
        data = tempfile.mkdtemp(prefix="stoa-auth-")
        both = token(data, "both", "editor", "--tenants", "red,blue")
        red = token(data, "red", "editor", "--tenants", "red")
        everyone = token(data, "all", "admin")
        s = self.server(data=data)

        def write(t, tenant):
            headers = dict(WRITE_HEADERS, **bearer(t), **({"X-Scope-OrgID": tenant} if tenant else {}))
            return s.post("/api/v1/write", samples(), headers)

        def count(t, tenant=None):
            r = s.get("/api/v1/query", {"query": "count(t)"}, headers=dict(bearer(t), **({"X-Scope-OrgID": tenant} if tenant else {})))
            return r.status, [x["value"][1] for x in r.json["data"]["result"]] if r.status == 200 else r.text

        self.assertEqual(write(red, None).status, 204)
        self.assertEqual(write(both, "blue").status, 204)
        r = write(both, None)
        self.assertEqual(r.status, 400)
        self.assertIn("X-Scope-OrgID", r.text)
        r = write(red, "blue")
        self.assertEqual(r.status, 403)
        self.assertIn("blue", r.text)
        self.assertEqual(count(red)[1], ["1"])
        self.assertEqual(count(red, "blue")[0], 403)
        self.assertEqual(count(red, "red|blue")[0], 403)
        self.assertEqual(count(everyone)[1], [])
        self.assertEqual(count(everyone, "blue")[1], ["1"])
        self.assertIn(count(both)[1], (["1"], ["2"]))
        self.assertEqual(count(both, "red")[1], ["1"])


    def test_who_is_tied_to_a_tenant_sees_nothing_of_the_server_or_its_default_tenant(self):
        data = tempfile.mkdtemp(prefix="stoa-auth-")
        red, agent = token(data, "red", "editor", "--tenants", "red"), token(data, "agent", "ingest-only", "--tenants", "red")
        default = token(data, "both", "editor", "--tenants", "red,default")
        s = self.server(data=data)
        for path in ("/metrics", "/api/v1/alerts", "/api/v1/rules", "/api/v1/targets", "/api/v1/status/config", "/api/v2/alerts", "/api/v2/silences",
                     "/api/stoa/v1/incidents", "/api/stoa/v1/checks", "/api/stoa/v1/cost", "/api/stoa/v1/review"):
            r = s.get(path, headers=bearer(red))
            self.assertEqual(r.status, 403, (path, r.text))
            self.assertIn("default", r.text)
            self.assertEqual(s.get(path, headers=bearer(default)).status, 200, path)
        self.assertEqual(s.post("/api/v2/alerts", "[]", dict(JSON, **bearer(red))).status, 403)
        self.assertEqual(s.get("/api/stoa/v1/checks/config", {"location": "berlin"}, headers=bearer(agent)).status, 403)

    def test_queries_of_other_tenants_are_not_listed(self):
        data = tempfile.mkdtemp(prefix="stoa-auth-")
        red, boss = token(data, "red", "viewer", "--tenants", "red"), token(data, "boss", "admin")
        own = token(data, "own", "viewer", "--tenants", "default")
        s = self.server(data=data)
        ask = lambda t, query: self.assertEqual(s.get("/api/v1/query", {"query": query}, headers=bearer(t)).status, 200)
        ask(red, 'vector(0) or t{secret="of red"}')
        ask(own, 'vector(0) or t{by="default"}')
        def listed(t):
            r = s.get("/api/stoa/v1/queries", headers=bearer(t))
            return [q["query"] for q in r.json["data"]["slowest"] if q["httpRequest"]["path"] == "/api/v1/query"]
        self.assertEqual(sorted(listed(boss)), ['vector(0) or t{by="default"}', 'vector(0) or t{secret="of red"}'])
        self.assertEqual(listed(own), ['vector(0) or t{by="default"}'])
        self.assertEqual(s.get("/api/stoa/v1/queries", headers=bearer(red)).status, 403)


class Login(harness.Case):
    def login(self, s, user, password=PASSWORD, **headers):
        return s.post("/api/stoa/v1/login", json.dumps({"user": user, "password": password}), dict(JSON, **headers))

    def cookie(self, reply):
        self.assertEqual(reply.status, 200, reply.text)
        text = reply.headers["Set-Cookie"]
        for part in ("HttpOnly", "SameSite=Strict", "Path=/"):
            self.assertIn(part, text)
        return {"Cookie": text.split(";")[0]}

    def test_a_session_reads_changes_from_its_own_page_and_ends(self):
        s = self.server()
        add_user(s.data, "root", "admin")
        self.eventually(lambda: s.get("/api/v1/labels").status == 401, what="the user being seen by the running server")
        cookie = self.cookie(self.login(s, "root"))
        me = s.get("/api/stoa/v1/me", headers=cookie).json
        self.assertEqual((me["user"], me["role"], me["login_required"]), ("root", "admin", True))
        self.assertEqual(s.get("/api/stoa/v1/me").json["role"], "")
        self.assertEqual(s.get("/api/v1/labels", headers=cookie).status, 200)
        self.assertEqual(s.post("/api/stoa/v1/flush", headers=cookie).status, 403)
        self.assertEqual(s.post("/api/stoa/v1/flush", headers=dict(cookie, Origin="https://evil.example")).status, 403)
        self.assertEqual(s.post("/api/stoa/v1/flush", headers=dict(cookie, Origin=s.url)).status, 200)
        self.assertEqual(s.post("/api/stoa/v1/flush", headers=dict(cookie, **{"Sec-Fetch-Site": "same-origin"})).status, 200)
        s.kill()
        s.start()
        self.assertEqual(s.get("/api/v1/labels", headers=cookie).status, 200)
        self.assertEqual(s.post("/api/stoa/v1/logout", headers=cookie).status, 200)
        self.assertEqual(s.get("/api/v1/labels", headers=cookie).status, 401)

    def test_a_changed_password_ends_the_sessions(self):
        s = self.server()
        add_user(s.data, "root", "admin")
        self.eventually(lambda: s.get("/api/v1/labels").status == 401)
        cookie = self.cookie(self.login(s, "root"))
        stoa("user", "passwd", "root", password="another horse", data=s.data)
        self.eventually(lambda: s.get("/api/v1/labels", headers=cookie).status == 401, what="the session being void")
        self.assertEqual(self.login(s, "root").status, 401)
        self.cookie(self.login(s, "root", "another horse"))

    def test_guessing_is_slowed_down_and_told(self):
        s = self.server()
        add_user(s.data, "root", "admin")
        self.eventually(lambda: s.get("/api/v1/labels").status == 401)
        states = [self.login(s, "root", f"guess {i} of it").status for i in range(8)]
        self.assertEqual(states[:5], [401] * 5)
        self.assertIn(429, states)
        r = self.login(s, "root")
        self.assertEqual(r.status, 429)
        self.assertGreaterEqual(int(r.headers["Retry-After"]), 1)
        self.assertEqual(s.get("/api/v1/labels", headers=basic("root")).status, 429)
        r = self.login(s, "root", **{"Content-Type": "text/plain"})
        self.assertEqual(r.status, 400)

    def test_accounts_over_http(self):
        s = self.server()
        add_user(s.data, "root", "admin")
        self.eventually(lambda: s.get("/api/v1/labels").status == 401)
        root = basic("root")

        def call(method, path, value=None):
            return s.request(method, "/api/stoa/v1/" + path, json.dumps(value) if value is not None else None, dict(JSON, **root))

        self.assertEqual(call("POST", "users", {"name": "bob", "password": PASSWORD, "role": "viewer"}).status, 201)
        self.assertEqual(call("POST", "users", {"name": "bob", "password": PASSWORD, "role": "viewer"}).status, 409)
        self.assertEqual(call("POST", "users", {"name": "eve", "password": "short", "role": "viewer"}).status, 400)
        self.assertEqual(call("POST", "users", {"name": "eve", "password": PASSWORD, "role": "king"}).status, 400)
        self.assertEqual(call("POST", "users", {"name": "eve", "pasword": PASSWORD}).status, 400)
        self.assertEqual([(u["name"], u["role"]) for u in call("GET", "users").json["users"]], [("bob", "viewer"), ("root", "admin")])
        self.assertNotIn("argon2", call("GET", "users").text)
        self.assertEqual(call("PUT", "users/bob", {"role": "editor"}).status, 200)
        self.assertEqual(s.get("/api/stoa/v1/me", headers=basic("bob")).json["role"], "")
        self.assertEqual(s.get("/api/v1/labels", headers=basic("bob")).status, 200)
        self.assertEqual(s.get("/api/stoa/v1/me", headers=basic("bob")).json["role"], "editor")
        self.assertEqual(call("DELETE", "users/root").status, 403)
        self.assertEqual(call("DELETE", "users/bob").status, 200)
        self.assertEqual(call("DELETE", "users/bob").status, 404)
        self.assertEqual(s.get("/api/v1/labels", headers=basic("bob")).status, 401)
        made = call("POST", "tokens", {"name": "shop", "role": "ingest-only", "tenants": ["red"], "expires": "90d"})
        self.assertEqual(made.status, 201)
        self.assertTrue(made.json["token"].startswith("stoa_"))
        self.assertEqual(s.post("/v1/logs", "{}", dict(JSON, **bearer(made.json["token"]))).status, 200)
        listed = call("GET", "tokens")
        self.assertEqual([t["id"] for t in listed.json["tokens"]], [made.json["id"]])
        self.assertNotIn(made.json["token"], listed.text)
        self.assertEqual(call("DELETE", "tokens/" + made.json["id"]).status, 200)
        self.assertEqual(s.post("/v1/logs", "{}", dict(JSON, **bearer(made.json["token"]))).status, 401)
        log = s.get("/api/stoa/v1/audit", {"limit": 1000}, headers=root).text
        self.assertNotIn(PASSWORD, log)
        self.assertNotIn(made.json["token"], log)
        actions = {(r["action"], r["status"]) for r in json.loads(log)["records"]}
        for want in (("user.add", 0), ("user.add", 201), ("user.change", 200), ("user.remove", 200), ("user.remove", 403), ("token.create", 201),
                     ("token.revoke", 200), ("login", 200)):
            self.assertIn(want, actions)


class Addresses(harness.Case):
    def certificate(self, folder):
        cert, key = os.path.join(folder, "cert.pem"), os.path.join(folder, "key.pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                        "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", key, "-out", cert], check=True, capture_output=True)
        return cert, key

    def refused(self, data, *args, env=None, config=""):
        path = os.path.join(data, "quiet.yml")
        with open(path, "w") as f:
            f.write("host:\n  enabled: false\nlogs:\n  journal: false\n  files: []\nself:\n  enabled: false\n" + config)
        environ = dict({k: v for k, v in os.environ.items() if not k.startswith("STOA_")}, **(env or {}))
        p = subprocess.Popen([BINARY, "serve", "--data", data, "--config", path, *args], stderr=subprocess.PIPE, text=True, env=environ)
        try:
            for line in p.stderr:
                if "ready on" in line:
                    p.terminate()
                    p.wait(30)
                    return None
                if line.startswith("stoa serve:"):
                    self.assertEqual(p.wait(30), 1)
                    return line
        finally:
            p.stderr.close()
            p.kill()
            p.wait()
        self.fail("neither ready nor refused")

    def test_an_address_beyond_loopback_needs_tls_and_a_login(self):
        data = tempfile.mkdtemp(prefix="stoa-auth-")
        cert, key = self.certificate(data)
        tls = f"tls:\n  cert_file: {cert}\n  key_file: {key}\n"
        for address in ("0.0.0.0:0", "[::]:0", ":0"):
            why = self.refused(data, "--listen", address)
            for part in (address, "TLS", "login", "stoa user add", "--insecure"):
                self.assertIn(part, why)
        self.assertIn("a login is missing", self.refused(data, "--listen", "0.0.0.0:0", config=tls))
        other = "listeners:\n  - dialect: loki\n    address: 0.0.0.0:0\n"
        self.assertIn("0.0.0.0:0", self.refused(data, "--listen", "127.0.0.1:0", config=other))
        self.assertIsNone(self.refused(data, "--listen", "0.0.0.0:0", "--insecure"))
        self.assertIsNone(self.refused(data, "--listen", "0.0.0.0:0", env={"STOA_INSECURE": "1"}))
        add_user(data, "root", "admin")
        self.assertIn("TLS is missing", self.refused(data, "--listen", "0.0.0.0:0"))
        self.assertIsNone(self.refused(data, "--listen", "0.0.0.0:0", config=tls))
        self.assertIsNone(self.refused(data, "--listen", "127.0.0.1:0"))

    def test_login_required_without_any_user_lets_nobody_in(self):
        s = self.server(config="login:\n  required: true\n")
        self.assertEqual(s.get("/api/v1/labels").status, 401)
        self.assertEqual(s.get("/-/healthy").status, 200)
        add_user(s.data, "root", "admin")
        self.eventually(lambda: s.get("/api/v1/labels", headers=basic("root")).status == 200)

    def test_tls_serves_logins_with_a_secure_cookie(self):
        data = tempfile.mkdtemp(prefix="stoa-auth-")
        cert, key = self.certificate(data)
        add_user(data, "root", "admin")
        s = self.server(data=data, config=f"tls:\n  cert_file: {cert}\n  key_file: {key}\n")
        c = http.client.HTTPSConnection("127.0.0.1", s.port, context=ssl.create_default_context(cafile=cert), timeout=30)
        c.request("POST", "/api/stoa/v1/login", json.dumps({"user": "root", "password": PASSWORD}), JSON)
        r = c.getresponse()
        r.read()
        self.assertEqual(r.status, 200)
        self.assertIn("; Secure", r.headers["Set-Cookie"])
        c.request("GET", "/api/v1/labels", headers={"Cookie": r.headers["Set-Cookie"].split(";")[0]})
        self.assertEqual(c.getresponse().status, 200)
        c.close()
        ask = [harness.BINARY, "query", "--url", f"https://127.0.0.1:{s.port}", "vector(7)"]
        login = {**os.environ, "STOA_USER": "root", "STOA_PASSWORD": PASSWORD}
        self.assertEqual(subprocess.run(ask, env=login, capture_output=True, text=True).returncode, 1)
        told = subprocess.run(ask, env={**login, "STOA_CA_FILE": cert}, capture_output=True, text=True)
        self.assertEqual((told.returncode, told.stdout[:4]), (0, "{} 7"), told.stderr)


class Audit(harness.Case):
    def records(self, s, headers=None, **params):
        r = s.get("/api/stoa/v1/audit", dict({"limit": 1000}, **params), headers=headers or {})
        self.assertEqual(r.status, 200, r.text)
        return r.json["records"]

    def test_every_read_of_logs_and_traces_is_on_record(self):
        s = self.server()
        s.post("/loki/api/v1/push", push("one"), JSON)
        s.post("/loki/api/v1/push", push("two"), JSON)
        query = '{app="x"} |= "o"'
        s.get("/loki/api/v1/query_range", {"query": query})
        s.post("/loki/api/v1/query", "query=" + "%7Bapp%3D%22y%22%7D", {"Content-Type": "application/x-www-form-urlencoded"})
        for path in ("labels", "label/app/values", "series"):
            s.get("/loki/api/v1/" + path)
        s.get("/loki/api/v1/query", {"query": "{broken"})
        s.get("/jaeger/api/services")
        s.get("/jaeger/api/traces/0123456789abcdef")
        s.get("/api/v1/query", {"query": "up"})
        found = self.eventually(lambda: (lambda l: l if len(l) >= 8 else None)([r for r in self.records(s) if r["action"] != "audit.read"]))
        self.assertEqual(len(found), 8)
        by_text = {r["text"]: r for r in found}
        self.assertEqual((by_text[query]["action"], by_text[query]["rows"], by_text[query]["status"]), ("logs.query", 2, 200))
        self.assertEqual(by_text['{app="y"}']["rows"], 0)
        self.assertEqual(by_text["{broken"]["status"], 400)
        self.assertIn("/loki/api/v1/query_range?", by_text[query]["request"])
        self.assertTrue(by_text[query]["peer"].startswith("127.0.0.1:"))
        self.assertEqual([r["rows"] for r in found if r["action"] == "logs.names"], [1, 1, 2])  # series, values, labels: app, service_name
        self.assertEqual(len([r for r in found if r["action"].startswith("traces.")]), 2)
        self.assertTrue(any("0123456789abcdef" in r["request"] for r in found))
        check = s.get("/api/stoa/v1/audit/verify").json
        self.assertTrue(check["ok"], check)
        self.assertIsNone(check["first_bad"])

    def test_changes_are_on_record_before_they_are_made(self):
        s = self.server()
        self.assertEqual(s.post("/-/reload").status, 200)
        records = [(r["action"], r["status"]) for r in self.records(s, action="config.")]
        self.assertIn(("config.reload", 0), records)
        self.eventually(lambda: ("config.reload", 200) in [(r["action"], r["status"]) for r in self.records(s, action="config.")])

    def test_what_the_command_line_changes_beside_a_server_is_on_record(self):
        s = self.server()
        add_user(s.data, "root", "admin")
        self.eventually(lambda: s.get("/api/v1/labels").status == 401)
        found = self.eventually(lambda: [r for r in self.records(s, basic("root")) if r["action"] == "user.add" and r["status"] == 200])
        self.assertTrue(found[0]["user"].startswith("cli:"))
        self.assertIn("root role=admin", found[0]["text"])
        r = stoa("audit", "list", "--url", s.url, "--action", "user.", env={"STOA_USER": "root"}, password=PASSWORD)
        self.assertIn("user.add", r.stdout)
        r = stoa("audit", "verify", "--url", s.url, env={"STOA_USER": "root"}, password=PASSWORD)
        self.assertIn("is whole", r.stdout)
        self.assertEqual(stoa("audit", "verify", "--url", s.url, ok=False).returncode, 1)

    def test_a_name_that_somebody_sent_moves_no_cursor_where_records_are_listed(self):
        s = self.server()
        add_user(s.data, "root", "admin")
        self.eventually(lambda: s.get("/api/v1/labels").status == 401)
        s.get("/api/v1/labels", headers=basic("x\x1b[2J\nroot\tadmin\u0085"))
        self.eventually(lambda: [r for r in self.records(s, basic("root")) if r["action"] == "login.failed"])
        out = stoa("audit", "list", "--url", s.url, "--action", "login.failed", env={"STOA_USER": "root"}, password=PASSWORD).stdout
        self.assertEqual(len(out.splitlines()), 1, out)
        self.assertIn("x\\x1b[2J\\x0aroot\\x09admin\\xc2\\x85", out)

    def test_the_value_of_an_erase_is_not_on_record_whatever_its_type_is_called(self):
        s = self.server()
        for kind in ("application/json", "application/x-www-form-urlencoded"):
            body = ' {"field":"user_id","value":"ada-4711","dry_run":true}'
            self.assertEqual(s.post("/api/stoa/v1/erase", body, {"Content-Type": kind}).status, 200)
        found = self.eventually(lambda: [r for r in self.records(s) if r["action"] == "data.erase" and r["status"] == 200][1:])
        self.assertTrue(found)
        self.assertNotIn("4711", json.dumps(self.records(s)))

    def fill(self, s, n=20):
        for i in range(n):
            s.get("/loki/api/v1/query_range", {"query": '{app="%d"}' % i})

    def test_one_changed_byte_is_found_by_name(self):
        s = self.server()
        self.fill(s)
        s.stop()
        self.assertIn("is whole: 20 records", stoa("audit", "verify", data=s.data).stdout)
        path = os.path.join(s.data, "audit", "00000001.jsonl")
        with open(path, "rb+") as f:
            text = f.read()
            at = text.index(b'{app=\\"7\\"}') + 7
            f.seek(at)
            f.write(b"8")
        line = text[:at].count(b"\n") + 1
        r = stoa("audit", "verify", data=s.data, ok=False)
        self.assertEqual(r.returncode, 1)
        self.assertIn(f"00000001.jsonl line {line}, record {line}", r.stderr)
        s.start()
        check = s.get("/api/stoa/v1/audit/verify").json
        self.assertEqual((check["ok"], check["first_bad"]), (False, line))

    def test_a_cut_off_end_is_found(self):
        s = self.server()
        self.fill(s)
        s.stop()
        path = os.path.join(s.data, "audit", "00000001.jsonl")
        with open(path, "rb+") as f:
            lines = f.read().splitlines(True)
            f.truncate(sum(map(len, lines[:15])))
        r = stoa("audit", "verify", data=s.data, ok=False)
        self.assertIn("records 16 to 20 are missing", r.stderr)
        s.start()
        self.fill(s, 3)
        s.stop()
        self.assertEqual(stoa("audit", "verify", data=s.data, ok=False).returncode, 1)
        self.assertTrue(any("audit log is damaged" in line for line in s.log))

    def test_a_kill_at_any_moment_leaves_a_whole_chain(self):
        s = self.server()
        for round_ in range(5):
            self.fill(s, 5 + round_ * 3)
            s.post("/-/reload")
            time.sleep(0.05 * round_)
            s.kill()
            r = stoa("audit", "verify", data=s.data)
            self.assertIn("is whole", r.stdout)
            s.start()
        self.assertTrue(s.get("/api/stoa/v1/audit/verify").json["ok"])
        self.assertEqual(len([r for r in self.records(s, action="config.reload") if r["status"] == 0]), 5)

    def test_a_torn_last_line_is_repaired_and_said(self):
        s = self.server()
        self.fill(s, 3)
        s.stop()
        with open(os.path.join(s.data, "audit", "00000001.jsonl"), "ab") as f:
            f.write(b'{"seq":4,"t_ms":1')
        s.start()
        self.assertTrue(s.get("/api/stoa/v1/audit/verify").json["ok"])
        self.assertTrue(any("audit log repaired" in line for line in s.log))
        found = self.eventually(lambda: self.records(s, action="audit.repaired"))
        self.assertEqual(len(found), 1)


if __name__ == "__main__":
    harness.main()
