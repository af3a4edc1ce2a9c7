# SPDX-License-Identifier: Apache-2.0
"""Splunk's HTTP Event Collector: events, lines, metrics, codes, acknowledgement, logins."""
import base64
import gzip
import json
import shutil
import subprocess
import tempfile
import time

import harness

EVENT = "/services/collector/event"


def lines(s, query):
    return sorted(v[1] for stream in s.logs(query, limit=5000) for v in stream["values"])


class Splunk(harness.Case):
    def test_events_one_after_another_on_every_path(self):
        s = self.server()
        now = time.time()
        for path in ("/services/collector", EVENT, EVENT + "/1.0", EVENT + "/"):
            body = json.dumps({"time": now, "sourcetype": "shop", "event": "one at " + path}) + json.dumps({"sourcetype": "shop", "event": {"two": path}})
            r = s.post(path, body.encode(), {"Content-Type": "application/x-www-form-urlencoded"})
            self.assertEqual((r.status, r.text), (200, '{"text":"Success","code":0}'))
        self.assertEqual(len(lines(s, '{service_name="shop"}')), 8)
        self.assertIn('{"two": "/services/collector"}', lines(s, '{service_name="shop"}'))

    def test_time_host_source_and_fields(self):
        s = self.server()
        at = (int(time.time()) - 2) * 10**9 + 123456789
        body = {"time": f"{at // 10**9}.{at % 10**9:09}", "host": "web-1", "source": "/var/log/a.log", "sourcetype": "_json", "index": "main",
                "event": "paid", "fields": {"service.name": "shop", "order": 17, "severity": "error"}}
        self.assertEqual(s.post_json(EVENT, body).json["code"], 0)
        found = s.logs('{service_name="shop", host="web-1", source="/var/log/a.log"} | index="main" | order=17 | detected_level="error"')
        self.assertEqual(found[0]["values"][0][:2], [str(at), "paid"])

    def test_each_mistake_has_splunks_code(self):
        s = self.server()
        for body, status, reply in ((b"", 400, {"text": "No data", "code": 5}),
                                    (b"nonsense", 400, {"text": "Invalid data format", "code": 6, "invalid-event-number": 0}),
                                    (b'{"event":"kept","sourcetype":"kept"}{"event":', 400, {"text": "Invalid data format", "code": 6, "invalid-event-number": 1}),
                                    (b'{"event":"x","time":"soon"}', 400, {"text": "Invalid data format", "code": 6, "invalid-event-number": 0}),
                                    (b'{"host":"x"}', 400, {"text": "Event field is required", "code": 12, "invalid-event-number": 0}),
                                    (b'{"event":""}', 400, {"text": "Event field cannot be blank", "code": 13, "invalid-event-number": 0}),
                                    (b'{"event":"x","fields":{"a":{"b":1}}}', 400,
                                     {"text": "Error in handling indexed fields", "code": 15, "invalid-event-number": 0})):
            with self.subTest(body):
                r = s.post(EVENT, body)
                self.assertEqual((r.status, r.json), (status, reply))
        self.assertEqual(lines(s, '{service_name="kept"}'), ["kept"])

    def test_lines_and_gzip(self):
        s = self.server()
        r = s.post("/services/collector/raw?sourcetype=billing&host=db%2D1&source=udp&index=main", gzip.compress(b"ERROR first\nsecond\n"),
                   {"Content-Encoding": "gzip"})
        self.assertEqual((r.status, r.json), (200, {"text": "Success", "code": 0}))
        self.assertEqual(lines(s, '{service_name="billing", host="db-1", source="udp"} | index="main" | sourcetype="billing"'), ["ERROR first", "second"])

    def test_metric_events_are_samples(self):
        s = self.server()
        body = {"time": time.time(), "event": "metric", "host": "web-1", "fields": {"metric_name:cpu.idle": 93.5, "core": "0"}}
        self.assertEqual(s.post_json(EVENT, body).json["code"], 0)
        found = s.query('cpu_idle{host="web-1",core="0"}')
        self.assertEqual(found[0]["value"][1], "93.5")

    def test_health_and_acknowledgement(self):
        s = self.server()
        for path in ("/services/collector/health", "/services/collector/health/1.0"):
            self.assertEqual((s.get(path).status, s.get(path).json), (200, {"text": "HEC is healthy", "code": 17}))
        channel = {"X-Splunk-Request-Channel": "0aeeac95-ac74-4aa9-b30d-6c4c0ac581ba"}
        id = s.post(EVENT, b'{"event":"x"}', channel).json["ackId"]
        r = s.post("/services/collector/ack", json.dumps({"acks": [id]}).encode(), channel)
        self.assertEqual((r.status, r.json), (200, {"acks": {str(id): True}}))
        r = s.post("/services/collector/ack", b'{"acks":[1]}')
        self.assertEqual((r.status, r.json["code"]), (400, 10))
        self.assertEqual(s.post("/services/collector/ack?channel=c", b'{"acks":').status, 400)

    def test_a_token_of_ours_is_a_token_of_splunks(self):
        data = tempfile.mkdtemp(prefix="stoa-splunk-")
        self.addCleanup(shutil.rmtree, data, True)
        made = subprocess.run([harness.BINARY, "token", "create", "hec", "--role", "ingest-only", "--data", data], capture_output=True, text=True)
        token = made.stdout.strip()
        s = self.server(data=data)
        for header in ("Splunk " + token, "Basic " + base64.b64encode(b"x:" + token.encode()).decode()):
            self.assertEqual(s.post(EVENT, b'{"event":"in"}', {"Authorization": header}).json["code"], 0)
        r = s.post(EVENT, b'{"event":"out"}')
        self.assertEqual((r.status, r.json), (401, {"text": "Token is required", "code": 2}))
        r = s.post(EVENT, b'{"event":"out"}', {"Authorization": "Splunk " + token[:-1]})
        self.assertEqual((r.status, r.json), (403, {"text": "Invalid token", "code": 4}))
        self.assertEqual(s.get("/services/collector/health").status, 200)


if __name__ == "__main__":
    harness.main()
