# SPDX-License-Identifier: Apache-2.0
"""Elasticsearch's _bulk and what its clients ask before they send."""
import base64
import gzip
import json
import shutil
import socket
import subprocess
import tempfile
import time

import harness


def ndjson(*lines):
    return "".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines).encode()


def lines(s, query):
    return sorted(v[1] for stream in s.logs(query, limit=5000) for v in stream["values"])


class Elastic(harness.Case):
    def test_every_answer_names_the_product(self):
        s = self.server()
        for method, path, status in (("GET", "/elastic", 200), ("HEAD", "/elastic/", 200), ("GET", "/elastic/_license", 200), ("GET", "/elastic/_xpack", 200),
                                     ("GET", "/elastic/_cluster/health?timeout=30s&wait_for_status=yellow", 200), ("GET", "/elastic/_nodes/http", 200),
                                     ("GET", "/elastic/_ilm/policy/filebeat", 200), ("PUT", "/elastic/_ilm/policy/filebeat", 200),
                                     ("HEAD", "/elastic/_index_template/x", 200), ("GET", "/elastic/_cat/health", 200), ("HEAD", "/elastic/logs-a", 200),
                                     ("POST", "/elastic/logs-a/_search", 404), ("POST", "/elastic/_bulk", 400), ("PATCH", "/elastic/_bulk", 405)):
            with self.subTest(path):
                r = s.request(method, path, body=b"" if method != "GET" else None)
                self.assertEqual((r.status, r.headers["X-Elastic-Product"]), (status, "Elasticsearch"), r.text)
        self.assertEqual(s.get("/elastic/").json["version"]["build_flavor"], "default")
        self.assertEqual(s.get("/elastic/_cat/health?format=json").json[0]["status"], "green")
        self.assertNotIn("X-Elastic-Product", s.get("/-/healthy").headers)

    def test_the_answer_is_as_fluent_bit_looks_for_it(self):
        s = self.server()
        r = s.post("/elastic/_bulk", ndjson({"create": {"_index": "a"}}, {"message": "one"}))
        self.assertEqual(r.status, 200)
        self.assertIn('"errors":false,"items":[{"create":{"_index":"a","_id":"', r.text)
        self.assertTrue(r.text.startswith('{"took":'))
        self.assertTrue(r.text.endswith('"status":201}}]}'), r.text)

    def test_an_index_in_the_path_gzip_and_a_type_in_the_action(self):
        s = self.server()
        r = s.post("/elastic/events/_bulk?refresh=true", gzip.compress(ndjson({"index": {"_type": "events"}}, {"message": "zipped"})),
                   {"Content-Type": "application/json", "Content-Encoding": "gzip"})
        self.assertEqual(r.json["items"][0]["index"]["_index"], "events")
        self.assertEqual(lines(s, '{source="events", service_name="events"}'), ["zipped"])

    def test_a_bulk_with_ids_that_comes_again_is_stored_once(self):
        s = self.server()
        named = ndjson({"create": {"_index": "a", "_id": "1"}}, {"message": "named"})
        unnamed = ndjson({"create": {"_index": "b"}}, {"message": "equal"}, {"create": {"_index": "b"}}, {"message": "equal"})
        for _ in range(2):
            self.assertFalse(s.post("/elastic/_bulk", named).json["errors"])
            self.assertFalse(s.post("/elastic/_bulk", unnamed).json["errors"])
        self.assertEqual(lines(s, '{source="a"}'), ["named"])
        self.assertEqual(lines(s, '{source="b"}'), ["equal"] * 4)

    def test_what_is_no_bulk_is_refused_whole(self):
        s = self.server()
        for body in (b"", b"{}\n", b"nonsense\n", ndjson({"upsert": {}}, {}), ndjson({"create": {"_index": "a"}}, {"message": "kept not"}, "["),
                     ndjson({"create": {"_index": "a"}})):
            with self.subTest(body):
                r = s.post("/elastic/_bulk", body)
                self.assertEqual(r.status, 400)
                self.assertEqual((r.json["status"], r.json["error"]["type"]), (400, "illegal_argument_exception"))
        self.assertEqual(lines(s, '{source="a"}'), [])

    def test_a_document_with_too_many_fields_or_a_name_too_long(self):
        s = self.server()
        many = {f"f{i}": i for i in range(600)}
        r = s.post("/elastic/a/_bulk", ndjson({"create": {}}, many, {"create": {}}, {"message": "good", "x" * 2000: {"y": 1}}))
        self.assertEqual([i["create"]["status"] for i in r.json["items"]], [400, 201])
        self.assertIn("512", r.json["items"][0]["create"]["error"]["reason"])
        self.assertEqual(lines(s, '{source="a"}'), ["good"])

    def test_a_document_alone(self):
        s = self.server()
        r = s.post_json("/elastic/a/_doc", {"message": "alone", "@timestamp": int(time.time() * 1000)})
        self.assertEqual((r.status, r.json["result"]), (201, "created"))
        r = s.request("PUT", "/elastic/a/_create/7", body=json.dumps({"message": "by id"}, indent=1).encode())
        self.assertEqual((r.status, r.json["_id"]), (201, "7"))
        r = s.post("/elastic/a/_doc", b"{broken")
        self.assertEqual((r.status, r.json["error"]["type"]), (400, "document_parsing_exception"))
        self.assertEqual(lines(s, '{source="a"}'), ["alone", "by id"])

    def test_a_listener_has_it_at_the_root(self):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        s = self.server(config=f"listeners:\n  - dialect: elastic\n    address: 127.0.0.1:{port}\n")
        main, s.port = s.port, port
        self.assertEqual(s.get("/").json["tagline"], "You Know, for Search")
        self.assertFalse(s.post("/_bulk", ndjson({"create": {"_index": "root"}}, {"message": "here"})).json["errors"])
        s.port = main
        self.assertEqual(lines(s, '{source="root"}'), ["here"])

    def test_a_token_is_an_api_key(self):
        data = tempfile.mkdtemp(prefix="stoa-elastic-")
        self.addCleanup(shutil.rmtree, data, True)
        made = subprocess.run([harness.BINARY, "token", "create", "shipper", "--role", "ingest-only", "--data", data], capture_output=True, text=True)
        token = made.stdout.strip()
        self.assertTrue(token.startswith("stoa_"), made.stderr)
        s = self.server(data=data)
        body = ndjson({"create": {"_index": "a"}}, {"message": "with a key"})
        coded = base64.b64encode(b"id:" + token.encode()).decode()
        for key in (token, coded):
            self.assertEqual(s.get("/elastic", headers={"Authorization": "ApiKey " + key}).status, 200)
            self.assertFalse(s.post("/elastic/_bulk", body, {"Authorization": "ApiKey " + key}).json["errors"])
        for key in (token[:-1], "", "%%%", base64.b64encode(b"no colon").decode()):
            r = s.post("/elastic/_bulk", body, {"Authorization": "ApiKey " + key})
            self.assertEqual((r.status, r.headers["X-Elastic-Product"]), (401, "Elasticsearch"), key)

    def test_a_crash_keeps_what_was_answered(self):
        s = self.server()
        self.assertFalse(s.post("/elastic/_bulk", ndjson({"create": {"_index": "a"}}, {"message": "kept"})).json["errors"])
        s.kill()
        s.start()
        self.assertEqual(lines(s, '{source="a"}'), ["kept"])


if __name__ == "__main__":
    harness.main()
