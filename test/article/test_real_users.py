# SPDX-License-Identifier: Apache-2.0
"""Real users: the article's web-vitals snippet, and the newest web-vitals, in a real headless Chromium."""
import http.server
import json
import pathlib
import subprocess
import threading
import time
import urllib.error
import urllib.request

import article
import harness
from article import snippet

WEB = article.HERE / "web"
STAMP = article.ROOT / "build" / ".article-web-deps"
VISIT_SECONDS_MAX = 120

PAGE = """<!doctype html><html><head><meta charset="utf-8"><title>Shop</title>
<script>window.reported = []; window.wanted = %(wanted)s;</script>%(spy)s
<script type="importmap">{"imports": {"web-vitals": "/web-vitals.js", "web-vitals-newest": "/web-vitals-newest.js"}}</script>
</head><body><div id="top"></div><h1>Things to buy</h1><p>Text that moves down.</p><button id="buy">Buy</button>
<script type="module" src="/%(script)s"></script>
<script>
const block = (ms) => { for (const end = performance.now() + ms; performance.now() < end;); }
document.querySelector('#buy').addEventListener('click', (e) => { block(120); e.target.textContent = 'Bought' })
setTimeout(() => {
  document.querySelector('#top').innerHTML = '<div id="shifted" style="height:200px">A late banner</div>'
}, 300)
</script></body></html>"""

# The snippet stands as it is: what it sends is seen by the page's fetch.
SPY = """<script>
const own = window.fetch
window.fetch = async (url, options) => {
  const answer = await own(url, options)
  if (answer.status === 204) window.reported.push(JSON.parse(options.body).name)
  return answer
}
</script>"""

# As the README of web-vitals has it, to another origin.
NEWEST = """import {onCLS, onFCP, onINP, onLCP, onTTFB} from 'web-vitals-newest';
function send(metric) {
  const body = new Blob([JSON.stringify({...metric, page: location.pathname})], {type: 'application/json'});
  if (navigator.sendBeacon('%s/api/metrics', body)) window.reported.push(metric.name);
}
onCLS(send); onFCP(send); onINP(send); onLCP(send); onTTFB(send);
"""


class Site(http.server.ThreadingHTTPServer):
    """A shop's site: its page, the scripts, and /api/metrics handed on to Stoa, as a web server in front would."""
    daemon_threads = True

    def __init__(self, stoa):
        super().__init__(("127.0.0.1", 0), Handler)
        self.stoa = stoa
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *args):
        pass

    def answer(self, status, kind, text):
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        files = {"/web-vitals.js": WEB / "node_modules/web-vitals/dist/web-vitals.js",
                 "/web-vitals-newest.js": WEB / "node_modules/web-vitals-newest/dist/web-vitals.js"}
        if self.path in files:
            self.answer(200, "text/javascript", pathlib.Path(files[self.path]).read_text())
        elif self.path == "/snippet.js":
            self.answer(200, "text/javascript", snippet("web_vitals.js"))
        elif self.path == "/newest.js":
            self.answer(200, "text/javascript", NEWEST % self.server.stoa.url)
        elif self.path.startswith("/shop/"):
            self.answer(200, "text/html", PAGE % {"wanted": json.dumps(["CLS", "FID"]), "spy": SPY, "script": "snippet.js"})
        elif self.path.startswith("/new/"):
            self.answer(200, "text/html", PAGE % {"wanted": json.dumps(["CLS", "INP", "LCP", "FCP", "TTFB"]), "spy": "", "script": "newest.js"})
        else:
            self.answer(204, "text/plain", "")

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        headers = {k: v for k, v in self.headers.items() if k.lower() not in ("host", "connection", "content-length")}
        request = urllib.request.Request(self.server.stoa.url + self.path, body, {**headers, "X-Country": "de"})
        try:
            status = urllib.request.urlopen(request).status
        except urllib.error.HTTPError as e:
            status = e.code
        self.send_response(status)
        self.end_headers()


def packages():
    lock = (WEB / "package-lock.json").read_text()
    if not (WEB / "node_modules").is_dir() or not STAMP.exists() or STAMP.read_text() != lock:
        subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--loglevel=error"], cwd=WEB, check=True)
        STAMP.write_text(lock)


class RealUsers(harness.Case):
    def visit(self, *pairs):
        packages()
        r = subprocess.run(["node", str(WEB / "visit.mjs"), *pairs], capture_output=True, text=True, timeout=VISIT_SECONDS_MAX)
        self.assertEqual(r.returncode, 0, r.stderr)

    def rum(self, s, by):
        r = s.get("/api/stoa/v1/rum", {"by": by, "end": time.time() + 10})
        self.assertEqual(r.status, 200, r.text)
        return r.json

    def rows(self, s, by):
        return {row["key"]: row["metrics"] for row in self.rum(s, by)["rows"]}

    def test_the_articles_snippet_shows_p75_by_page_country_and_device(self):
        s = self.server(config="rum:\n  country_header: X-Country\n")
        site = Site(s)
        self.addCleanup(site.server_close)
        self.addCleanup(site.shutdown)
        self.visit(f"{site.url}/shop/item/4711?from=mail", "desktop", f"{site.url}/shop/item/4712", "mobile")
        pages = self.rows(s, "page")
        self.assertEqual(set(pages), {"/shop/item/{id}"})
        metrics = pages["/shop/item/{id}"]
        self.assertEqual(set(metrics), {"CLS", "FID"})
        for name in ("CLS", "FID"):
            self.assertEqual(metrics[name]["count"], 2)
            self.assertEqual(metrics[name]["good"] + metrics[name]["needs_improvement"] + metrics[name]["poor"], 2)
        self.assertGreater(metrics["CLS"]["p75"], 0)
        self.assertEqual(set(self.rows(s, "country")), {"DE"})
        self.assertEqual({k: v["CLS"]["count"] for k, v in self.rows(s, "device").items()}, {"desktop": 1, "mobile": 1})
        series = [x for x in self.rum(s, "page")["series"] if x["metric"] == "CLS" and x["key"]]
        self.assertEqual(len(series), 1)
        self.assertTrue(all(value > 0 for _, value in series[0]["points"]))

    def test_the_newest_web_vitals_with_inp_from_another_origin(self):
        s = self.server()
        site = Site(s)
        self.addCleanup(site.server_close)
        self.addCleanup(site.shutdown)
        self.visit(f"{site.url}/new/checkout", "desktop")
        metrics = self.eventually(lambda: (lambda m: m if set(m) == {"CLS", "INP", "LCP", "FCP", "TTFB"} else None)(
            self.rows(s, "page").get("/new/checkout", {})), what="all five metrics")
        self.assertGreaterEqual(metrics["INP"]["p75"], 100)
        self.assertEqual(metrics["INP"]["count"], 1)
        self.assertGreater(metrics["LCP"]["p75"], 0)
        self.assertIn(metrics["LCP"]["rating"], ("good", "needs_improvement", "poor"))

    def post(self, s, **headers):
        body = json.dumps({"name": "LCP", "value": 1200.5, "id": "v5-1-2", "delta": 1200.5, "rating": "good", "entries": [{}]})
        return s.post("/api/metrics", body.encode(), {"Content-Type": "text/plain;charset=UTF-8", **headers})

    def test_a_preflight_is_answered(self):
        s = self.server()
        r = s.request("OPTIONS", "/api/metrics", headers={"Origin": "https://shop.example", "Access-Control-Request-Method": "POST"})
        self.assertEqual((r.status, r.headers["Access-Control-Allow-Origin"]), (204, "https://shop.example"))
        r = self.post(s, Origin="https://shop.example")
        self.assertEqual((r.status, r.headers["Access-Control-Allow-Origin"]), (204, "https://shop.example"))

    def test_a_list_of_origins_and_a_login_keep_others_out(self):
        listed = self.server(config="rum:\n  origins: [https://shop.example]\n")
        self.assertEqual(self.post(listed, Origin="https://shop.example").status, 204)
        self.assertEqual(self.post(listed, Origin="https://other.example").status, 403)
        closed = self.server(config="login: {required: true}\n")
        self.assertEqual(self.post(closed, Origin="https://shop.example").status, 403)
        self.assertEqual(closed.get("/api/stoa/v1/rum").status, 401)
        both = self.server(config="login: {required: true}\nrum:\n  origins: [https://shop.example]\n")
        self.assertEqual(self.post(both, Origin="https://shop.example").status, 204)
        self.assertEqual(self.post(both).status, 403)

    def test_what_is_no_metric_is_refused_by_name(self):
        s = self.server()
        r = s.post("/api/metrics", b'{"name":"LCP","value":"fast","id":"1"}')
        self.assertEqual(r.status, 400)
        self.assertIn('"value" is no number', r.text)
        self.assertEqual(s.post("/api/metrics", b"x" * (257 * 1024)).status, 413)

    def test_page_loads_outlive_a_kill(self):
        s = self.server()
        self.assertEqual(self.post(s, Referer="https://shop.example/cart").status, 204)
        s.kill()
        s.start()
        self.assertEqual(self.rows(s, "page")["/cart"]["LCP"]["p75"], 1200.5)


if __name__ == "__main__":
    harness.main()
