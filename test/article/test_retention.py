# SPDX-License-Identifier: Apache-2.0
"""The article's retention policies, as they stand: read, obeyed, and priced."""
import glob
import json
import os
import time

import article
from article import harness

DAYS = {"debug_logs": 7, "info_logs": 30, "error_logs": 90, "audit_logs": 365}
STORAGE = {"debug_logs": "local", "info_logs": "cloud", "error_logs": "cloud", "audit_logs": "archive"}
PRICE = {"debug_logs": 0.10, "info_logs": 0.50, "error_logs": 0.50, "audit_logs": 0.05}
OF_LEVEL = {"DEBUG": "debug_logs", "INFO": "info_logs", "WARNING": "info_logs", "ERROR": "error_logs", "CRITICAL": "error_logs"}


class Retention(harness.Case):
    def push(self, s, level, age_days, **more):
        at = time.time() - age_days * 86400
        line = json.dumps({"level": level, "message": f"{level} of {age_days} days", **more})
        r = s.post_json("/loki/api/v1/push", {"streams": [{"stream": {"service_name": "shop"}, "values": [[str(int(at * 1e9)), line]]}]})
        self.assertEqual(r.status, 204, r.text)

    def found(self, s):
        now = time.time()
        streams = s.logs('{service_name="shop"}', start=int((now - 500 * 86400) * 1e9), end=int((now + 60) * 1e9), limit=1000)
        return sorted(json.loads(v[1])["message"] for x in streams for v in x["values"])

    def test_the_policies_are_loaded_and_obeyed(self):
        s = self.server(config=article.snippet("retention.yml"))
        wanted = []
        for age in [0, 5, 20, 60, 200, 400]:
            for level, policy in OF_LEVEL.items():
                self.push(s, level, age)
                if age < DAYS[policy]:
                    wanted.append(f"{level} of {age} days")
            self.push(s, "INFO", age, log_type="audit")
            if age < DAYS["audit_logs"]:
                wanted.append(f"INFO of {age} days")
        for path in ["flush", "merge"]:
            self.assertEqual(s.post(f"/api/stoa/v1/{path}").status, 200)
        self.assertEqual(self.found(s), sorted(wanted))
        folders = lambda: {w: len(glob.glob(os.path.join(s.data, w, "events", "*", "*.part"))) for w in ["cloud", "archive"]}
        self.eventually(lambda: folders() == {"cloud": 2 + 3, "archive": 4}, what="the move of whole partitions")
        self.assertEqual(self.found(s), sorted(wanted))
        s.stop()
        s.start()
        self.assertEqual(self.found(s), sorted(wanted))

    def test_the_cost_is_the_article_s_price_times_the_bytes(self):
        s = self.server(config=article.snippet("retention.yml"))
        for level in OF_LEVEL:
            self.push(s, level, 0)
        s.post("/api/stoa/v1/flush")
        cost = s.get("/api/stoa/v1/cost").json
        classes = {c["name"]: c for c in cost["classes"]}
        for name in DAYS:
            c = classes[name]
            self.assertEqual((c["retention_days"], c["storage"], c["cost_per_gb"]), (DAYS[name], STORAGE[name], PRICE[name]))
            self.assertAlmostEqual(c["cost_month"], c["bytes"] / 1e9 * PRICE[name], places=12)
        self.assertEqual({n: classes[n]["rows"] for n in DAYS}, {"debug_logs": 1, "info_logs": 2, "error_logs": 2, "audit_logs": 0})
        self.assertEqual(cost["currency"], "$")


if __name__ == "__main__":
    harness.main()
