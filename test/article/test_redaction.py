# SPDX-License-Identifier: Apache-2.0
"""Redaction: the article's function and ours give the same text, by its own examples and by a fuzz; nothing that must never be
logged reaches the disk on any ingest path."""
import json
import os
import pathlib
import random
import subprocess
import time

import article
import harness
from article import snippet

ROUNDS = int(os.environ.get("REDACT_ROUNDS", "40000"))
SECRETS = ["hunter2-Very-Secret", "4111 1111 1111 1111", "sk_live_51H8abcdefghijklmnop", "Zm9vYmFyYmF6cXV4"]


def ours(texts, profile):
    r = subprocess.run([harness.BINARY, "check", "redaction", "--profile", profile, "-z"], input="\0".join(texts).encode() + b"\0",
                       capture_output=True, check=True)
    return r.stdout.decode().split("\0")[:-1]


def theirs():
    space = {}
    exec(snippet("redact.py"), space)
    return space["redact_sensitive_data"]


def pieces(rng):
    """Texts near the three patterns: whole matches, halves, and what stands at their edges, beyond ASCII too."""
    atoms = ["ada", "b.c", "_x", "%", "+1", "-", ".", "@", "example", "com", "c", "co|uk", "|", "1234", "12345", "٣٤٥٦", "４４４４", " ", "\u00a0", "\u2003", "\x1c",
             "\t", "\n", "api", "Api", "_", "key", '"', "'", ":", "=", "é", "ß", "語", "²", "Ⅷ", "½", "\u0301", "0", "a", "Z", "9876-5432", "1111 2222 3333 4444", "api_key=abc",
             "x@y.zz", "(", ")", ",", "\U0001f600", "\ud7ff", "api-key : 'v", "apikey=", "1234-5678-9012-345", "\u200b", "\x85"]
    return "".join(rng.choice(atoms) for _ in range(rng.randint(1, 14)))


class Redaction(harness.Case):
    def test_the_articles_function_on_its_own_examples(self):
        want = theirs()
        texts = ["Contact ada@example.com or Bob.Smith+x@mail.example.co.uk now", "card 4111-1111-1111-1111 and 4111 1111 1111 1111 and 4111111111111111",
                 "api_key=abc123 API_KEY=abc api-key: 'x-1' apikey\" = \"y_2\"", "Failed login attempt for user ada.lovelace@mail.example.com: Invalid password",
                 snippet("log_lines.txt")]
        self.assertEqual(ours(texts, "article"), [want(t) for t in texts])

    def test_equal_to_python_over_random_texts(self):
        seed = int(os.environ.get("STOA_TEST_SEED", time.time_ns() % 10**9))
        rng, want = random.Random(seed), theirs()
        texts = [pieces(rng) for _ in range(ROUNDS)]
        got = ours(texts, "article")
        self.assertEqual(len(got), len(texts))
        for text, one in zip(texts, got):
            self.assertEqual(one, want(text), f"text {text!r}, seed {seed}")
        self.assertGreater(sum(t != g for t, g in zip(texts, got)), ROUNDS // 50, "the texts hold too few matches to prove anything")

    def never(self):
        """The article's two lines that must never be, and others like them."""
        return [f"User password: {SECRETS[0]}", f"Credit card: {SECRETS[1]}", json.dumps({"event": "pay", "stripe": SECRETS[2]}),
                f"GET /x Authorization: Bearer {SECRETS[3]}"]

    def assert_not_on_disk(self, data):
        for path in pathlib.Path(data).rglob("*"):
            if not path.is_file() or path.name.endswith((".yml", ".log")):
                continue
            content = path.read_bytes()
            for secret in SECRETS:
                self.assertNotIn(secret.encode(), content, f"{secret} stands in {path}")

    def push_everywhere(self, s):
        now = time.time_ns()
        lines = self.never()
        streams = [{"stream": {"app": "shop", "password": SECRETS[0]}, "values": [[str(now + i), line, {"note": line}] for i, line in enumerate(lines)]}]
        self.assertEqual(s.post_json("/loki/api/v1/push", {"streams": streams}).status, 204)
        fields = [{"key": "db.password", "value": {"stringValue": SECRETS[0]}}] + \
                 [{"key": f"k{i}", "value": {"stringValue": line}} for i, line in enumerate(lines)]
        resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}] + fields}
        logs = [{"timeUnixNano": str(now), "body": {"stringValue": line}, "attributes": fields} for line in lines]
        body = {"resourceLogs": [{"resource": resource, "scopeLogs": [{"logRecords": logs}]}]}
        self.assertEqual(s.post_json("/v1/logs", body).status, 200)
        spans = [{"traceId": f"{i + 1:032x}", "spanId": f"{i + 1:016x}", "name": line, "startTimeUnixNano": str(now), "endTimeUnixNano": str(now + 5),
                  "attributes": fields, "status": {"code": 2, "message": line}, "events": [{"name": line, "timeUnixNano": str(now), "attributes": fields}],
                  "links": [{"traceId": f"{9:032x}", "spanId": f"{9:016x}", "attributes": fields}]} for i, line in enumerate(lines)]
        body = {"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": spans}]}]}
        self.assertEqual(s.post_json("/v1/traces", body).status, 200)
        point = {"timeUnixNano": str(now), "asDouble": 1, "attributes": fields}
        body = {"resourceMetrics": [{"resource": resource, "scopeMetrics": [{"metrics": [{"name": "m", "gauge": {"dataPoints": [point]}}]}]}]}
        self.assertEqual(s.post_json("/v1/metrics", body).status, 200)
        series = [({"__name__": "m2", "url": line, "token": SECRETS[3]}, [(now // 10**6, 1.0)]) for line in lines]
        self.assertEqual(s.post("/api/v1/write", harness.write_request(series), harness.WRITE_HEADERS).status, 204)

    def test_what_must_never_be_logged_is_stored_nowhere_and_counted(self):
        path = os.path.join(harness.tempfile.mkdtemp(prefix="stoa-article-"), "app.log")
        with open(path, "w") as f:
            f.write("\n".join(self.never()) + "\n")
        s = self.server(quiet=False, config=f"host:\n  enabled: false\nself:\n  enabled: false\nlogs:\n  journal: false\n  files: ['{path}']\n")
        self.push_everywhere(s)
        self.eventually(lambda: s.logs('{filename=~".+"} |= "Credit card"') or s.logs('{service_name=~".+"} |= "Credit card: [REDACTED_CC]"'))
        self.assert_not_on_disk(s.data)  # the WAL
        self.assertLess(s.post("/api/stoa/v1/flush").status, 300)
        self.assert_not_on_disk(s.data)  # the parts
        found = s.get("/api/stoa/v1/redaction").json["data"]
        self.assertEqual(found["profile"], "default")
        for detector in ("card", "key_value", "authorization", "token", "field"):
            self.assertGreater(found["redacted"][detector], 0, detector)
        self.assertRegex(s.get("/metrics").text, r'stoa_redacted_total\{detector="card"\} [1-9]')

    def test_profiles(self):
        text = "ada@example.com password=hunter2 4111111111111111"
        wanted = {"default": "ada@example.com password=[REDACTED] [REDACTED_CC]", "article": "[REDACTED_EMAIL] password=hunter2 [REDACTED_CC]", "off": text}
        for profile, want in wanted.items():
            with self.subTest(profile):
                s = self.server(config=f"redaction:\n  profile: {profile}\n")
                push = {"streams": [{"stream": {"app": "x"}, "values": [[str(time.time_ns()), text]]}]}
                self.assertEqual(s.post_json("/loki/api/v1/push", push).status, 204)
                self.assertEqual(s.logs('{app="x"}')[0]["values"][0][1], want)
                self.assertEqual(s.post("/api/stoa/v1/redaction?profile=" + profile, text.encode()).json["data"]["text"], want)

    def test_an_unknown_profile_is_named(self):
        path = os.path.join(harness.tempfile.mkdtemp(prefix="stoa-article-"), "bad.yml")
        with open(path, "w") as f:
            f.write("redaction:\n  profile: strict\n")
        r = subprocess.run([harness.BINARY, "check", "config", path], capture_output=True, text=True)
        self.assertEqual(r.returncode, 1)
        self.assertIn("strict", r.stderr)
        self.assertIn("allowed are default, article and off", r.stderr)


if __name__ == "__main__":
    harness.main()
