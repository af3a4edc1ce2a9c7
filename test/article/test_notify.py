# SPDX-License-Identifier: Apache-2.0
"""The article's alerts reach people: its good block as it stands, over numbers that make it true; a webhook and a real SMTP server;
nobody acknowledges, so it escalates; it resolves."""
import email
import email.policy
import sys
import time

import article
import harness
from article import snippet

sys.path.insert(0, str(harness.ROOT / "test" / "server"))
from test_notify import Mailbox, Target  # noqa: E402

CONFIG = """
route:
  receiver: send_slack_notification
  group_by: [alertname]
  group_wait: 200ms
  group_interval: 1s
  routes:
  - matchers: ['severity="critical"']
    receiver: page_oncall
    escalate:
    - {{receiver: boss, after: 3s}}
global:
  smtp_smarthost: 127.0.0.1:{smtp}
  smtp_from: stoa@example.com
  smtp_require_tls: false
receivers:
- name: page_oncall
  webhook_configs: [{{url: '{url}/oncall'}}]
  email_configs: [{{to: oncall@example.com, send_resolved: true}}]
- name: send_slack_notification
  slack_configs: [{{api_url: '{url}/slack'}}]
- name: boss
  webhook_configs: [{{url: '{url}/boss'}}]
"""


class Notify(harness.Case):
    def test_the_good_block_notifies_escalates_and_resolves(self):
        target, box = Target(), Mailbox()
        self.addCleanup(target.close)
        self.addCleanup(box.close)
        # Nothing of the block is changed but how long it waits: a test cannot wait five minutes.
        block = snippet("alerts_good.yml", changes={"for 5 minutes": "for 2 seconds", "for 2 minutes": "for 1 seconds"})
        s = self.server(config=block + "global: {evaluation_interval: 1s}\n", args=self.extra(target, box))
        stop = time.time() + 40
        at = int(time.time()) - 300
        idle, total, failed = 0.0, 0.0, 0.0
        samples = {k: [] for k in ("idle", "ok", "bad", "size", "free")}
        for second in range(0, 300, 5):
            t = (at + second) * 1000
            samples["idle"].append((t, idle))
            samples["ok"].append((t, total))
            samples["bad"].append((t, failed))
            samples["size"].append((t, 100.0))
            samples["free"].append((t, 4.0))
            idle, total, failed = idle + 0.2, total + 80, failed + 20
        self.write(s, samples)
        first = self.eventually(lambda: [b for b in target.bodies("/oncall") if b["commonLabels"].get("alertname") == "cpu_usage_critical"], seconds=30)[0]
        self.assertEqual((first["status"], first["commonLabels"]["severity"], first["receiver"]), ("firing", "critical", "page_oncall"))
        self.assertGreater(first["alerts"][0]["value"], 90)
        self.eventually(lambda: [b for b in target.bodies("/oncall") if b["commonLabels"].get("alertname") == "error_rate_high"])
        slack = self.eventually(lambda: target.bodies("/slack"))[0]
        self.assertIn("disk_usage_warning", str(slack))
        mail = self.eventually(lambda: [m for m in map(self.parse, box.mails) if "cpu_usage" in m["Subject"]])[0]
        self.assertIn("oncall@example.com", mail["To"])
        self.eventually(lambda: [b for b in target.bodies("/boss") if b["commonLabels"].get("alertname") == "cpu_usage_critical"],
                        what="the escalation")
        # The machine is idle again: it resolves.
        while time.time() < stop:
            now = int(time.time())
            idle += 1
            self.write(s, {"idle": [(now * 1000, idle + 200)]})
            if any(b["status"] == "resolved" and b["commonLabels"].get("alertname") == "cpu_usage_critical" for b in target.bodies("/oncall")):
                break
            time.sleep(1)
        ends = [b for b in target.bodies("/oncall") if b["status"] == "resolved" and b["commonLabels"].get("alertname") == "cpu_usage_critical"]
        self.assertTrue(ends, "it did not resolve")
        self.eventually(lambda: [m for m in map(self.parse, box.mails) if "RESOLVED" in m["Subject"] and "cpu_usage" in m["Subject"]])
        incidents = s.get("/api/stoa/v1/incidents?state=all").json["incidents"]
        cpu = [i for i in incidents if i["labels"]["alertname"] == "cpu_usage_critical"][0]
        self.assertEqual([e["what"] for e in cpu["timeline"] if e["what"] in ("opened", "escalated", "resolved")], ["opened", "escalated", "resolved"])

    def extra(self, target, box):
        import os
        import tempfile
        path = os.path.join(tempfile.mkdtemp(prefix="stoa-article-"), "alertmanager.yml")
        with open(path, "w") as f:
            f.write(CONFIG.format(smtp=box.port, url=target.url))
        return ["--config", path]

    def parse(self, mail):
        return email.message_from_bytes(mail["data"].encode("latin-1"), policy=email.policy.default)

    def write(self, s, samples):
        of = {"idle": {"__name__": "node_cpu_seconds_total", "job": "node", "instance": "a", "cpu": "0", "mode": "idle"},
              "ok": {"__name__": "http_requests_total", "job": "shop", "status": "200"},
              "bad": {"__name__": "http_requests_total", "job": "shop", "status": "500"},
              "size": {"__name__": "node_filesystem_size_bytes", "job": "node", "instance": "a", "mountpoint": "/", "fstype": "ext4"},
              "free": {"__name__": "node_filesystem_avail_bytes", "job": "node", "instance": "a", "mountpoint": "/", "fstype": "ext4"}}
        r = s.post("/api/v1/write", harness.write_request([(of[k], v) for k, v in samples.items()]), harness.WRITE_HEADERS)
        self.assertLess(r.status, 300, r.text)


if __name__ == "__main__":
    harness.main()
