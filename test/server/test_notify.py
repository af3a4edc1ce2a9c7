# SPDX-License-Identifier: Apache-2.0
"""Notification by the real program: webhooks with switched faults, mail to a real SMTP server, amtool, a real Prometheus, kill -9."""
import email
import email.policy
import http.server
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import threading
import time

import harness

sys.path.insert(0, str(harness.ROOT / "test" / "article"))
import article  # noqa: E402


class Target:
    """A webhook's other end. fault: a status, "hang", or None."""

    def __init__(self, port=0):
        target = self
        self.fault, self.got, self.tries = None, [], 0

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                target.tries += 1
                if target.fault == "hang":
                    time.sleep(3)
                    self.close_connection = True
                    return
                if target.fault is None:
                    target.got.append((self.path, dict(self.headers), json.loads(body)))
                self.send_response(target.fault or 200)
                self.send_header("Content-Length", "8")
                self.end_headers()
                try:
                    self.wfile.write(b"so it is")
                except BrokenPipeError:
                    pass  # its server was killed

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.port = self.server.server_port
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def bodies(self, path=None):
        return [b for p, _, b in self.got if path in (None, p)]


SMTP = """
import sys, json, time, ssl
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult
refuse, cert, key = sys.argv[1], sys.argv[2], sys.argv[3]
class Handler:
    async def handle_DATA(self, server, session, envelope):
        if refuse:
            return refuse
        login = session.auth_data.decode() if session.auth_data else ""
        print(json.dumps({"from": envelope.mail_from, "to": envelope.rcpt_tos, "data": envelope.content.decode("latin-1"), "login": login,
                          "tls": session.ssl is not None}), flush=True)
        return "250 taken"
def authenticate(server, session, envelope, mechanism, data):
    good = data.login == b"stoa" and data.password == b"p\\xc3\\xa4ss w\\xc3\\xb6rd"
    return AuthResult(success=good, handled=good, auth_data=data.login if good else None)
options = {}
if cert:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    options = dict(tls_context=context, require_starttls=True, authenticator=authenticate, auth_required=True)
import socket
s = socket.socket(); s.bind(("127.0.0.1", 0)); port = s.getsockname()[1]; s.close()
class Own(Controller):
    def factory(self):
        return SMTP(self.handler, **options)
c = Own(Handler(), hostname="127.0.0.1", port=port)
c.start()
print(json.dumps({"port": port}), flush=True)
time.sleep(600)
"""


class Mailbox:
    """A real SMTP server, Debian's aiosmtpd."""

    def __init__(self, refuse="", cert="", key=""):
        self.mails = []
        self.process = article.start(SMTP, refuse, cert, key)
        line = self.process.stdout.readline()
        if not line:
            raise AssertionError("the SMTP server did not start:\n" + self.process.stderr.read())
        self.port = json.loads(line)["port"]
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            self.mails.append(json.loads(line))

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.process.stderr.close()


def alert(name, summary="", ends=None, **labels):
    a = {"labels": dict(alertname=name, **labels), "annotations": {"summary": summary} if summary else {}}
    if ends:
        a["endsAt"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(ends))
        a["startsAt"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(ends - 60))
    return a


class Notify(harness.Case):
    def target(self, port=0):
        t = Target(port)
        self.addCleanup(t.close)
        return t

    def mailbox(self, **kw):
        m = Mailbox(**kw)
        self.addCleanup(m.close)
        return m

    def put(self, s, *alerts):
        r = s.post_json("/api/v2/alerts", list(alerts))
        self.assertEqual(r.status, 200, r.text)

    def incidents(self, s, state="open"):
        return s.get("/api/stoa/v1/incidents", {"state": state}).json["incidents"]

    CONFIG = """
route:
  receiver: hook
  group_by: [alertname]
  group_wait: 300ms
  group_interval: 1s
  repeat_interval: 1h
receivers:
- name: hook
  webhook_configs:
  - url: {url}/hook
    timeout: 1s
"""

    def test_webhook_in_version_4_grouped_resolved_and_logged(self):
        t = self.target()
        s = self.server(config=self.CONFIG.format(url=t.url))
        self.put(s, alert("Disk", "disk is full", severity="critical", host="a"), alert("Disk", "disk is full", severity="critical", host="b"))
        first = self.eventually(lambda: t.bodies())[0]
        self.assertEqual((first["version"], first["status"], first["receiver"], len(first["alerts"])), ("4", "firing", "hook", 2))
        self.assertEqual(first["groupLabels"], {"alertname": "Disk"})
        self.assertEqual(first["commonLabels"], {"alertname": "Disk", "severity": "critical"})
        self.assertEqual(first["groupKey"], '{}:{alertname="Disk"}')
        self.assertEqual(first["commonAnnotations"], {"summary": "disk is full"})
        incident, = self.incidents(s)
        self.assertEqual(first["incident"]["url"], f"{s.url}/incidents/{incident['id']}")
        self.assertEqual((incident["state"], incident["severity"], len(incident["alerts"])), ("firing", "critical", 2))
        self.put(s, alert("Disk", ends=time.time(), severity="critical", host="a"), alert("Disk", ends=time.time(), severity="critical", host="b"))
        last = self.eventually(lambda: len(t.bodies()) > 1 and t.bodies()[-1])
        self.assertEqual((last["status"], [a["status"] for a in last["alerts"]]), ("resolved", ["resolved", "resolved"]))
        self.assertEqual(self.incidents(s), [])
        one = s.get(f"/api/stoa/v1/incidents/{incident['id']}").json
        self.assertEqual(one["state"], "resolved")
        self.assertEqual([e["what"] for e in one["timeline"]], ["opened", "notified", "resolved", "notified"])
        log = s.get("/api/stoa/v1/notifications").json["notifications"]
        self.assertEqual([(n["receiver"], n["integration"], n["ok"]) for n in log], [("hook", "webhook", True)] * 2)
        page = s.get("/metrics").text
        self.assertIn('alertmanager_notifications_total{integration="webhook"} 2', page)
        self.assertIn('stoa_incidents{state="resolved"} 1', page)
        self.assertNotIn(t.url, s.get("/api/v1/status/config").text)  # who knows the address may write there

    def test_a_notification_names_its_span(self):
        t = self.target()
        config = "host:\n  enabled: false\nlogs:\n  journal: false\n  files: []\n" + self.CONFIG.format(url=t.url)
        s = self.server(config=config, quiet=False)
        self.put(s, alert("Disk"))
        self.eventually(lambda: t.got)
        version, trace, span, flags = t.got[0][1]["traceparent"].split("-")
        self.assertEqual((version, len(trace), len(span), flags), ("00", 32, 16, "01"))
        r = self.eventually(lambda: (r := s.get("/jaeger/api/traces/" + trace)).status == 200 and r)
        self.assertEqual([(x["spanID"], x["operationName"]) for x in r.json["data"][0]["spans"]], [(span, "notify")])

    def test_faults_of_a_webhook(self):
        t = self.target()
        s = self.server(config=self.CONFIG.format(url=t.url))
        for fault in (500, "hang"):
            with self.subTest(fault):
                t.fault, t.tries, before = fault, 0, len(t.got)
                self.put(s, alert(f"Fault{fault}"))
                self.eventually(lambda: t.tries > 0)
                want = "answer 500" if fault == 500 else "tim"
                self.eventually(lambda: [n for n in s.get("/api/stoa/v1/notifications").json["notifications"]
                                         if not n["ok"] and want in n["text"].lower()], what=f"a failure that says {want}")
                t.fault = None
                self.eventually(lambda: len(t.got) > before, what="the try that goes")
                self.assertEqual(t.got[before][2]["status"], "firing")
        # Refused: nobody listens, then somebody does.
        port = t.port
        t.close()
        self.put(s, alert("Refused"))
        self.eventually(lambda: [n for n in s.get("/api/stoa/v1/notifications").json["notifications"] if not n["ok"] and "onnect" in n["text"]])
        self.assertNotIn("/hook", s.get("/api/stoa/v1/notifications").text)
        t = self.target(port)
        self.eventually(lambda: any(b["groupLabels"] == {"alertname": "Refused"} for b in t.bodies()))

    def test_nothing_is_lost_or_sent_twice_by_kill_9(self):
        t = self.target()
        s = self.server(config=self.CONFIG.format(url=t.url))
        t.fault = 500
        self.put(s, alert("Lost", "first", severity="warning"))
        s.kill()  # the incident is on disk, nobody has been told
        t.fault = None
        s.start()
        self.eventually(lambda: t.bodies(), what="the notification after the kill")
        incident, = self.eventually(lambda: [i for i in self.incidents(s) if any(e["what"] == "notified" for e in i["timeline"])])
        s.post_json(f"/api/stoa/v1/incidents/{incident['id']}/ack", {"by": "ada", "note": "on it"})
        s.kill()
        s.start()
        self.put(s, alert("Lost", "first", severity="warning"))
        time.sleep(3)
        self.assertEqual(len(t.bodies()), 1)
        after, = self.incidents(s)
        self.assertEqual((after["id"], after["state"], after["acknowledged_by"]), (incident["id"], "acknowledged", "ada"))
        self.put(s, alert("Lost", ends=time.time(), severity="warning"))
        s.kill()
        s.start()
        self.eventually(lambda: len(t.bodies()) == 2)
        self.assertEqual(t.bodies()[1]["status"], "resolved")

    def test_escalation_and_acknowledgement(self):
        t = self.target()
        s = self.server(config=f"""
route:
  receiver: first
  group_by: [alertname]
  group_wait: 100ms
  group_interval: 1s
  escalate:
  - {{receiver: second, after: 2s}}
  - {{receiver: third, after: 3s}}
receivers:
- name: first
  webhook_configs: [{{url: '{t.url}/first'}}]
- name: second
  webhook_configs: [{{url: '{t.url}/second'}}]
- name: third
  webhook_configs: [{{url: '{t.url}/third'}}]
""")
        self.put(s, alert("A"))
        self.eventually(lambda: t.bodies("/second"), what="the escalation")
        self.assertEqual(t.bodies("/second")[0]["incident"]["escalationStep"], 1)
        incident, = self.incidents(s)
        self.assertEqual((incident["escalation"]["step"], incident["escalation"]["of"]), (1, 2))
        r = s.post_json(f"/api/stoa/v1/incidents/{incident['id']}/ack", {"by": "ada"})
        self.assertEqual((r.status, r.json["state"], r.json["escalation"]["next_ms"]), (200, "acknowledged", None))
        time.sleep(4)
        self.assertEqual(t.bodies("/third"), [])
        r = s.post_json(f"/api/stoa/v1/incidents/{incident['id']}/resolve", {"by": "ada", "note": "rebooted"})
        self.assertEqual(r.json["state"], "resolved")
        self.eventually(lambda: any(b["status"] == "resolved" for b in t.bodies("/second")))
        self.assertEqual(s.post_json(f"/api/stoa/v1/incidents/{incident['id']}/ack", {}).status, 409)
        self.assertEqual(s.get("/api/stoa/v1/incidents/ffffffffffffffff").status, 404)

    MAIL = """
global:
  smtp_smarthost: 127.0.0.1:{port}
  smtp_from: 'Stoa Wächter <stoa@example.com>'
  smtp_require_tls: {tls}
{more}
route:
  receiver: mail
  group_by: [alertname]
  group_wait: 200ms
  group_interval: 1s
receivers:
- name: mail
  email_configs:
  - to: 'ada@example.com, Bob <bob@example.org>'
    send_resolved: true
    headers: {{X-Team: '{{{{ .CommonLabels.team }}}}'}}
"""

    def mail(self, box, at):
        got = self.eventually(lambda: len(box.mails) > at and box.mails[at], what="the mail")
        return got, email.message_from_bytes(got["data"].encode("latin-1"), policy=email.policy.default)

    def test_mail(self):
        box = self.mailbox()
        s = self.server(config=self.MAIL.format(port=box.port, tls="false", more=""))
        self.put(s, {"labels": {"alertname": "Disk", "team": "db\r\nBcc: eve@example.net", "severity": "critical"},
                     "annotations": {"summary": "Platte läuft über\r\nSubject: else", "description": "95 % <b>full</b>",
                                     "runbook_url": "https://example.com/run"}})
        got, m = self.mail(box, 0)
        self.assertEqual((got["from"], got["to"]), ("stoa@example.com", ["ada@example.com", "bob@example.org"]))
        self.assertIn("[FIRING:1] Platte läuft über", m["Subject"])
        self.assertIsNone(m["Bcc"])
        self.assertEqual(len(m.get_all("Subject")), 1)
        self.assertIn("db", m["X-Team"])
        self.assertEqual(m["From"], "Stoa Wächter <stoa@example.com>")
        incident, = self.incidents(s)
        text, html = m.get_body(("plain",)).get_content(), m.get_body(("html",)).get_content()
        for part in (text, html):
            self.assertIn(f"{s.url}/incidents/{incident['id']}", part)
            self.assertIn("https://example.com/run", part)
            self.assertIn("critical", part)
        self.assertIn("95 % <b>full</b>", text)
        self.assertNotIn("<b>full</b>", html)
        self.assertEqual(m["Message-ID"], f"<{incident['id']}@example.com>")
        self.put(s, alert("Disk", ends=time.time(), team="db\r\nBcc: eve@example.net", severity="critical"))
        _, end = self.mail(box, 1)
        self.assertTrue(end["Subject"].startswith("[RESOLVED]"))
        self.assertEqual((end["References"], end["In-Reply-To"]), (m["Message-ID"], m["Message-ID"]))

    def test_mail_with_starttls_and_login(self):
        folder = tempfile.mkdtemp()
        cert, key = os.path.join(folder, "cert.pem"), os.path.join(folder, "key.pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", cert, "-days", "2", "-subj",
                        "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)
        box = self.mailbox(cert=cert, key=key)
        more = f"  smtp_auth_username: stoa\n  smtp_auth_password: 'päss wörd'\n  smtp_tls_config: {{ca_file: '{cert}'}}\n"
        s = self.server(config=self.MAIL.format(port=box.port, tls="true", more=more))
        self.put(s, alert("Secret"))
        got, _ = self.mail(box, 0)
        self.assertEqual((got["login"], got["tls"]), ("stoa", True))
        self.assertNotIn("päss", s.get("/api/v1/status/config").text)
        # A server whose certificate nobody vouches for gets neither mail nor password.
        s = self.server(config=self.MAIL.format(port=box.port, tls="true", more=more.split("  smtp_tls")[0]))
        self.put(s, alert("Untrusted"))
        self.eventually(lambda: any(not n["ok"] for n in s.get("/api/stoa/v1/notifications").json["notifications"]))
        self.assertEqual(len(box.mails), 1)

    def test_mail_that_is_refused_says_so(self):
        box = self.mailbox(refuse="554 no thanks")
        s = self.server(config=self.MAIL.format(port=box.port, tls="false", more=""))
        self.put(s, alert("A"))
        log = self.eventually(lambda: s.get("/api/stoa/v1/notifications").json["notifications"])
        self.assertIn("554", log[0]["text"])

    def test_slack_pagerduty_and_templates(self):
        t = self.target()
        s = self.server(config=f"""
global:
  slack_api_url: {t.url}/slack
  pagerduty_url: {t.url}/pager
route:
  receiver: chat
  group_wait: 100ms
  group_interval: 1s
receivers:
- name: chat
  slack_configs:
  - channel: '#ops'
    send_resolved: true
    title: '{{{{ .Status | toUpper }}}} {{{{ .Alerts.Firing | len }}}} {{{{ .CommonAnnotations.summary }}}}'
    text: '{{{{ range .Alerts }}}}{{{{ .Labels.host }}}};{{{{ end }}}}'
  pagerduty_configs:
  - routing_key: secret-key
""")
        self.put(s, alert("Disk", "full", host="a", severity="page"), alert("Disk", "full", host="b", severity="page"))
        slack = self.eventually(lambda: t.bodies("/slack"))[0]
        self.assertEqual((slack["channel"], slack["attachments"][0]["title"]), ("#ops", "FIRING 2 full"))
        self.assertEqual(sorted(slack["attachments"][0]["text"].split(";")), ["", "a", "b"])
        self.assertEqual(slack["attachments"][0]["color"], "danger")
        pager = self.eventually(lambda: t.bodies("/pager"))[0]
        incident, = self.incidents(s)
        self.assertEqual((pager["routing_key"], pager["event_action"], pager["dedup_key"], pager["payload"]["severity"]),
                         ("secret-key", "trigger", incident["id"], "critical"))
        self.put(s, *[alert("Disk", ends=time.time(), host=h, severity="page") for h in "ab"])
        end = self.eventually(lambda: len(t.bodies("/pager")) > 1 and t.bodies("/pager")[1])
        self.assertEqual((end["event_action"], end["dedup_key"]), ("resolve", incident["id"]))

    def test_unknown_keys_are_errors_and_unserved_integrations_warnings(self):
        s = self.server(config="route: {receiver: a}\nreceivers:\n- name: a\n  opsgenie_configs: [{api_key: x}]\n")
        self.assertIn("opsgenie_configs is known but not served", s.get("/api/stoa/v1/status").text)
        for text, want in (("route: {receiver: a, group_bye: [x]}\nreceivers: [{name: a}]\n", 'did you mean "group_by"'),
                           ("route: {receiver: b}\nreceivers: [{name: a}]\n", 'there is no receiver "b"'),
                           ("route: {receiver: a, routes: [{matchers: ['x~y']}]}\nreceivers: [{name: a}]\n", "expected =, !=, =~ or !~")):
            with self.subTest(want):
                with self.assertRaises(AssertionError) as e:
                    self.server(config=text)
                self.assertIn(want, str(e.exception))
                self.assertRegex(str(e.exception), r"test\.yml:\d+: ")

    def amtool(self, s, *args):
        tool = harness.ROOT / "build" / "peers" / "prometheus-alertmanager" / "usr" / "bin" / "amtool"
        if not tool.exists():
            subprocess.run([str(harness.ROOT / "tools" / "peers.sh"), "prometheus-alertmanager"], check=True, capture_output=True)
        r = subprocess.run([str(tool), f"--alertmanager.url={s.url}", *args], capture_output=True, text=True, timeout=60)
        self.assertEqual(r.returncode, 0, r.stderr)
        return r.stdout

    def test_amtool(self):
        s = self.server(config=self.CONFIG.format(url="http://127.0.0.1:9"))
        self.amtool(s, "alert", "add", "Disk", "host=a", "severity=critical", "--annotation=summary=full")
        self.amtool(s, "alert", "add", "Cpu", "host=b")
        self.assertIn("Disk", self.amtool(s, "alert", "query"))
        found = json.loads(self.amtool(s, "-o", "json", "alert", "query", "host=~a|x"))
        self.assertEqual([(a["labels"]["alertname"], a["status"]["state"], a["receivers"]) for a in found], [("Disk", "active", [{"name": "hook"}])])
        silence = self.amtool(s, "silence", "add", "alertname=Disk", "--author=ada", "--comment=known", "--duration=1h").strip()
        self.assertRegex(silence, r"^[0-9a-f-]{36}$")
        self.assertIn(silence, self.amtool(s, "silence", "query"))
        self.assertNotIn("Disk", self.amtool(s, "alert", "query"))
        found = json.loads(self.amtool(s, "-o", "json", "alert", "query", "--silenced"))
        self.assertEqual([(a["labels"]["alertname"], a["status"]["silencedBy"]) for a in found], [("Disk", [silence])])
        s.kill()
        s.start()
        self.assertIn(silence, self.amtool(s, "silence", "query"))
        self.amtool(s, "silence", "expire", silence)
        self.assertNotIn(silence, self.amtool(s, "silence", "query"))
        self.assertIn("expired", self.amtool(s, "-o", "json", "silence", "query", "--expired"))
        self.assertIn("Disk", self.amtool(s, "alert", "query"))
        groups = s.get("/api/v2/alerts/groups").json
        self.assertEqual(sorted(g["labels"]["alertname"] for g in groups), ["Cpu", "Disk"])
        self.assertIn("hook", self.amtool(s, "config", "show"))
        self.assertEqual(s.get("/api/v2/receivers").json, [{"name": "hook"}])

    def test_a_real_prometheus_sends_its_alerts(self):
        peer = harness.ROOT / "build" / "peers" / "prometheus" / "usr" / "bin" / "prometheus"
        if not peer.exists():
            subprocess.run([str(harness.ROOT / "tools" / "peers.sh"), "prometheus"], check=True, capture_output=True)
        t = self.target()
        s = self.server(config=self.CONFIG.format(url=t.url))
        folder = pathlib.Path(tempfile.mkdtemp())
        (folder / "rules.yml").write_text("groups:\n- name: g\n  interval: 1s\n  rules:\n  - alert: Always\n    expr: vector(7) > 1\n"
                                          "    labels: {severity: page}\n    annotations: {summary: 'it is {{ $value }}'}\n")
        (folder / "p.yml").write_text(f"rule_files: [rules.yml]\nalerting:\n  alertmanagers:\n  - static_configs: [{{targets: ['127.0.0.1:{s.port}']}}]\n")
        p = subprocess.Popen([str(peer), f"--config.file={folder}/p.yml", f"--storage.tsdb.path={folder}/data", "--web.listen-address=127.0.0.1:0",
                              "--rules.alert.resend-delay=1s"],
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(lambda: (p.kill(), p.wait()))
        body = self.eventually(lambda: t.bodies(), seconds=60)[0]
        self.assertEqual((body["commonLabels"]["alertname"], body["commonAnnotations"]["summary"]), ("Always", "it is 7"))
        self.assertTrue(body["alerts"][0]["generatorURL"])

    def test_our_own_rules_notify(self):
        t = self.target()
        s = self.server(config=self.CONFIG.format(url=t.url) + "groups:\n- name: g\n  interval: 1s\n  rules:\n  - alert: Own\n"
                        "    expr: vector(3) > 1\n    annotations: {summary: 'value {{ $value }}'}\n")
        body = self.eventually(lambda: t.bodies())[0]
        self.assertEqual((body["alerts"][0]["annotations"]["summary"], body["alerts"][0]["value"]), ("value 3", 3))


if __name__ == "__main__":
    harness.main()
