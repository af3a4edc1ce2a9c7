# SPDX-License-Identifier: Apache-2.0
"""The article's synthetic test runs as it stands (requests and schedule) against a shop on this machine, and the same three steps
as a journey of Stoa's; both pass, and both fail when the shop has the fault the step looks for."""
import http.server
import json
import threading
import time

from article import HIDDEN_ADDRESS, run, snippet
import harness


class Shop(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.slow_s, self.login_status, self.logins = 0, 200, []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *args):
        pass

    def answer(self, status, body=b"[]"):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        if self.path == "/":
            time.sleep(self.server.slow_s)
        self.answer(200 if self.path in ("/", "/users") else 404)

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.logins.append(body)
        self.answer(self.server.login_status if self.path == "/login" else 404)


JOURNEY = """
checks:
  - name: critical user journeys
    every: 5m
    steps:
      - name: homepage
        get: {url}/
        expect: [status == 200, latency < 2s]
      - name: login
        post: {url}/login
        json: {{email: "{address}", password: test123}}
        expect: status == 200
      - name: api
        get: {url}/users
        expect: status == 200
"""


class Synthetic(harness.Case):
    def setUp(self):
        self.shop = Shop()
        self.addCleanup(self.shop.server_close)
        self.addCleanup(self.shop.shutdown)

    def theirs(self, address):
        changes = {"https://example.com": self.shop.url, "https://api.example.com": self.shop.url, HIDDEN_ADDRESS: address}
        code = "import schedule\n" + snippet("synthetic.py", changes=changes)
        return run(code + "\ntry:\n    synthetic_test()\nexcept AssertionError as e:\n    print('failed:', e)\nprint(schedule.jobs[0].interval)\n")[0]

    def ours(self, address):
        s = self.server(config=JOURNEY.format(url=self.shop.url, address=address))
        self.assertEqual(s.post("/api/stoa/v1/checks/critical%20user%20journeys/run").status, 200)

        def done():
            check, = s.get("/api/stoa/v1/checks").json["checks"]
            return check["last"] and (check, check["last"][0])
        check, last = self.eventually(done, what="the run")
        self.assertEqual(check["every_ms"], 300_000)
        return s, last

    def test_both_pass(self):
        for address in (HIDDEN_ADDRESS, "ada.lovelace@mail.example.com"):
            with self.subTest(address):
                self.assertEqual(self.theirs(address).splitlines(), ["All synthetic tests passed", "5"])
                s, last = self.ours(address)
                self.assertTrue(last["ok"], last)
                self.assertEqual(self.shop.logins[-1], self.shop.logins[-2])
                self.assertEqual(self.shop.logins[-1], {"email": address, "password": "test123"})
                ok = self.eventually(lambda: s.query('probe_success{check="critical user journeys"}'))
                self.assertEqual({r["metric"]["step"]: r["value"][1] for r in ok}, {"homepage": "1", "login": "1", "api": "1"})
                phases = s.query('probe_http_duration_seconds{check="critical user journeys",step="homepage"}')
                self.assertLessEqual({"connect", "processing", "transfer"}, {r["metric"]["phase"] for r in phases})
                self.assertEqual(s.get("/jaeger/api/traces/" + last["trace_id"]).status, 200)
                self.assertNotIn("test123", json.dumps(s.logs('{service_name="stoa-probe"}')))

    def test_both_find_a_failed_login(self):
        self.shop.login_status = 500
        self.assertIn("failed: Login failed", self.theirs("ada@example.com"))
        _, last = self.ours("ada@example.com")
        self.assertEqual((last["ok"], last["failed_step"]), (False, "login"))

    def test_both_find_a_slow_homepage(self):
        self.shop.slow_s = 2.2
        self.assertIn("expected < 2s", self.theirs("ada@example.com"))
        _, last = self.ours("ada@example.com")
        self.assertEqual((last["ok"], last["failed_step"]), (False, "homepage"))
        self.assertIn("latency", last["error"])


if __name__ == "__main__":
    harness.main()
