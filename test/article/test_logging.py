# SPDX-License-Identifier: Apache-2.0
"""The article's logging sections: the three example lines, structured logging in both forms, the five levels, what to log."""
import os
import tempfile
import time

import article
import harness
from article import HIDDEN_ADDRESS, run, snippet


class Logging(harness.Case):
    def followed(self, name="app.log", extra=""):
        """A server that follows a file, and the file's path."""
        folder = tempfile.mkdtemp(prefix="stoa-article-")
        path = os.path.join(folder, name)
        open(path, "w").close()
        config = f"host:\n  enabled: false\nself:\n  enabled: false\nlogs:\n  journal: false\n  files: ['{path}']\n{extra}"
        return self.server(quiet=False, config=config), path

    def lines(self, s, query, count, start=None):
        """At least count entries as (line, labels)."""
        def look():
            streams = s.logs(query, start=start, end=time.time() + 60, limit=1000)
            found = [(line[1], stream["stream"]) for stream in streams for line in stream["values"]]
            return found if len(found) >= count else None
        return self.eventually(look, what=f"{count} lines for {query}")

    def test_the_three_example_lines(self):
        for address in (HIDDEN_ADDRESS, "ada.lovelace@mail.example.com"):
            with self.subTest(address):
                s, path = self.followed()
                text = snippet("log_lines.txt", changes={HIDDEN_ADDRESS: address})
                with open(path, "w") as f:
                    f.write(text)
                found = self.lines(s, '{service_name=~".+"}', 3, start="2025-01-15T00:00:00Z")
                by_service = {labels["service_name"]: (line, labels) for line, labels in found}
                self.assertEqual(set(by_service), {"auth-service", "payment-service", "database"})
                self.assertEqual({k: v[1]["detected_level"] for k, v in by_service.items()},
                                 {"auth-service": "error", "payment-service": "info", "database": "warn"})
                # The fields of the payment line: found by themselves, and by a parser stage.
                fields = s.get("/loki/api/v1/detected_fields", {"query": '{service_name="payment-service"}', "start": "2025-01-15T00:00:00Z"}).json
                self.assertLessEqual({"order_id", "amount", "status"}, {f["label"] for f in fields["fields"]})
                stage = '{service_name="payment-service"} | pattern "<_>order_id=<order_id>, amount=<amount>, status=<status>" | order_id="12345"'
                paid = self.lines(s, stage, 1, start="2025-01-15T00:00:00Z")
                self.assertEqual((paid[0][1]["amount"], paid[0][1]["status"]), ("$99.99", "success"))
                # The time written in the line is the record's time (the machine's zone, to the second).
                wanted = int(time.mktime(time.strptime("2025-01-15 10:30:46", "%Y-%m-%d %H:%M:%S")))
                streams = s.logs('{service_name="payment-service"}', start=wanted, end=wanted + 1)
                self.assertEqual([int(v[0]) // 10**9 for st in streams for v in st["values"]], [wanted])

    PREPARE = """
import logging, sys, datetime
logging.basicConfig(level=logging.DEBUG, format={format!r}, handlers=[logging.FileHandler(sys.argv[1])])
logger = logging.getLogger("shop")
user_id, ip_address, session_id, request_id = 4711, "203.0.113.9", "s-8842", "req-77"
timestamp = datetime.datetime.now().isoformat()
memory_percent, error = 93, "connection refused"
"""

    def test_json_dumps(self):
        s, path = self.followed()
        run(self.PREPARE.format(format="%(message)s") + snippet("structured_json.py"), path)
        (line, labels), = self.lines(s, '{service_name=~".+"} | json | event="user_login" | user_id="4711"', 1)
        self.assertEqual((labels["ip_address"], labels["session_id"]), ("203.0.113.9", "s-8842"))

    def test_python_json_logger(self):
        s, path = self.followed()
        code = self.PREPARE.replace("logging.basicConfig(level=logging.DEBUG, format={format!r}, handlers=[logging.FileHandler(sys.argv[1])])", "")
        code += "logger.setLevel(logging.DEBUG)\n" + snippet("structured_library.py")
        _, err = run(code, path)
        with open(path, "a") as f:
            f.write(err)
        (line, labels), = self.lines(s, '{service_name=~".+"} | json | message="User login"', 1)
        self.assertEqual((labels["user_id"], labels["session_id"]), ("4711", "s-8842"))

    def test_all_five_levels(self):
        s, path = self.followed()
        run(self.PREPARE.format(format="%(asctime)s %(levelname)s [%(name)s] %(message)s") + snippet("levels.py"), path)
        found = self.lines(s, '{service_name="shop"}', 5)
        self.assertEqual(sorted(labels["detected_level"] for _, labels in found), ["critical", "debug", "error", "info", "warn"])
        for level in ("debug", "info", "warn", "error", "critical"):
            with self.subTest(level):
                self.assertEqual(len(self.lines(s, f'{{service_name="shop"}} | detected_level="{level}"', 1)), 1)

    WHAT_TO_LOG = """
from pythonjsonlogger import jsonlogger
handler = logging.FileHandler(sys.argv[1])
handler.setFormatter(jsonlogger.JsonFormatter("%(levelname)s %(name)s %(message)s"))
logger.addHandler(handler)
logger.setLevel(logging.DEBUG)
order_id, amount, currency, payment_method, duration, retry_count = 12345, 99.99, "EUR", "card", 84, 2
password, credit_card, i, total, order = "hunter2!", "4111 1111 1111 1111", 3, 500, None
class PaymentError(Exception):
    code = "E_DECLINED"
def process_payment(order):
    raise PaymentError("card declined")
"""

    def test_what_to_log(self):
        s, path = self.followed()
        code = self.PREPARE.replace("logging.basicConfig(level=logging.DEBUG, format={format!r}, handlers=[logging.FileHandler(sys.argv[1])])", "")
        code += self.WHAT_TO_LOG
        run(code + snippet("what_to_log.py"), path)
        found = self.lines(s, '{service_name=~".+"}', 5)
        self.lines(s, '{service_name=~".+"} | json | order_id="12345" | status="success" | duration_ms="84"', 1)
        self.lines(s, '{service_name=~".+"} | json | error_code="E_DECLINED" | retry_count="2" | detected_level="error"', 1)
        self.assertEqual(sum(labels["detected_level"] == "debug" for _, labels in found), 1)

    def test_the_kinds_to_log_are_recognised(self):
        s, path = self.followed()
        code = self.PREPARE.replace("logging.basicConfig(level=logging.DEBUG, format={format!r}, handlers=[logging.FileHandler(sys.argv[1])])", "")
        run(code + self.WHAT_TO_LOG + snippet("what_to_log.py"), path)
        with open(path, "a") as f:
            f.write(snippet("log_lines.txt"))
        window = {"start": "2025-01-15T00:00:00Z", "end": time.time() + 60}
        self.lines(s, '{service_name=~".+"}', 8, start=window["start"])
        kinds = {k["kind"]: k for k in s.get("/api/stoa/v1/log_kinds", window).json["kinds"]}
        wanted = {"business": ["Payment processed", "Payment failed", "order_id=12345"], "performance": ["duration_ms", "Slow query"],
                  "error": ["Payment failed", "Failed login"], "security": ["Failed login"]}
        self.assertEqual(set(kinds), set(wanted))
        for kind, parts in wanted.items():
            with self.subTest(kind):
                bodies = [e["body"] for e in kinds[kind]["examples"]]
                self.assertEqual(kinds[kind]["count"], len(bodies))
                for part in parts:
                    self.assertTrue(any(part in b for b in bodies), f"{part} in {bodies}")
                self.assertFalse(any("Processing item" in b for b in bodies))
                # The queries to copy find the same lines.
                found = set()
                for query in kinds[kind]["queries"]:
                    found |= {v[1] for stream in s.logs(query, limit=1000, **window) for v in stream["values"]}
                self.assertEqual(found, set(bodies))

    def test_too_verbose_debug_lines_are_reported(self):
        s, path = self.followed(extra="")
        verbose = "i, total = 0, 500\nfor i in range(total):\n    " + [
            line for line in snippet("what_to_log.py").splitlines() if "Processing item" in line][0]
        run(self.PREPARE.format(format="%(asctime)s %(levelname)s [%(name)s] %(message)s") + snippet("levels.py") + "\n" + verbose, path)
        self.lines(s, '{service_name="shop"}', 505)
        reports = {by: s.get("/api/stoa/v1/volume", {"by": by, "end": time.time() + 60}).json for by in ("level", "service", "pattern")}
        self.assertEqual(reports["level"]["rows"][0]["key"], "debug")
        self.assertGreater(reports["level"]["rows"][0]["share"], 0.9)
        self.assertEqual((reports["service"]["rows"][0]["key"], reports["service"]["rows"][0]["lines"]), ("shop", 505))
        self.assertEqual((reports["pattern"]["rows"][0]["key"], reports["pattern"]["rows"][0]["lines"]), ("Processing item <n> of <n>", 500))
        finding = reports["level"]["findings"][0]
        self.assertRegex(finding["text"], r"^9\d % of bytes are debug lines of shop: 'Processing item <n> of <n>'$")
        # What it suggests is a configuration that loads, and keeps those lines out.
        quiet, quiet_path = self.followed(extra=finding["suggestion"])
        with open(path) as lines, open(quiet_path, "w") as f:
            f.write(lines.read())
        self.lines(quiet, '{service_name="shop"}', 5)
        found = [line for line, _ in self.lines(quiet, '{service_name="shop"}', 1)]
        self.assertFalse([line for line in found if "Processing item" in line])
        self.assertTrue([line for line in found if "Processing request" in line])

    def test_fields_and_labels_are_detected(self):
        s, path = self.followed()
        with open(path, "w") as f:
            f.write('{"level":"info","service":"web","user":{"id":7},"took":"1.5s","ok":true,"size":"12KB","rate":0.5}\n')
            f.write('level=info service=web path="/a b" status=200\n')
        self.lines(s, '{service_name="web"}', 2)
        fields = {f["label"]: f for f in s.get("/loki/api/v1/detected_fields", {"query": '{service_name="web"}'}).json["fields"]}
        self.assertEqual({k: fields[k]["type"] for k in ("user_id", "took", "ok", "size", "rate", "path", "status")},
                         {"user_id": "int", "took": "duration", "ok": "boolean", "size": "bytes", "rate": "float", "path": "string", "status": "int"})
        self.assertEqual((fields["user_id"]["parsers"], fields["path"]["parsers"], fields["service"]["cardinality"]), (["json"], ["logfmt"], 1))
        labels = {x["label"]: x["cardinality"] for x in s.get("/loki/api/v1/detected_labels").json["detectedLabels"]}
        self.assertEqual(labels["service_name"], 1)
        self.assertEqual(s.get("/loki/api/v1/detected_fields", {"query": 'rate({a="b"}[1m])'}).status, 400)


if __name__ == "__main__":
    harness.main()
