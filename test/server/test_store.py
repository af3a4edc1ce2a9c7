# SPDX-License-Identifier: Apache-2.0
"""The store seen from outside: restarts, damage on disk, tenants, deletes, retries."""
import glob
import json
import os
import time

import harness

NOW = int(time.time())


def series(name, n=20, value=lambda i: float(i), **labels):
    return (dict({"__name__": name}, **labels), [((NOW - (n - i)) * 1000, value(i)) for i in range(n)])


class Store(harness.Case):
    def write(self, s, *list_of_series, **headers):
        r = s.post("/api/v1/write", harness.write_request(list_of_series), dict(harness.WRITE_HEADERS, **headers))
        self.assertEqual(r.status, 204, r.text)

    def test_data_survives_restart_before_and_after_flush(self):
        s = self.server()
        self.write(s, series("a", x="1"))
        s.kill()
        s.start()
        self.assertEqual(s.query("count_over_time(a[1h])")[0]["value"][1], "20")
        self.assertEqual(s.stop(), 0)
        s.start()
        self.assertEqual(s.query("count_over_time(a[1h])")[0]["value"][1], "20")

    def test_special_values_come_back_bit_for_bit(self):
        values = ["NaN", "+Inf", "-Inf", "-0", "5e-324", "1.7976931348623157e+308", "0.1"]
        s = self.server()
        self.write(s, ({"__name__": "special"}, [((NOW - 100 + i) * 1000, float(v)) for i, v in enumerate(values)]))
        for _ in range(2):
            got = [s.query("special", at=NOW - 100 + i)[0]["value"][1] for i in range(len(values))]
            self.assertEqual([repr(float(g)) for g in got], [repr(float(v)) for v in values])
            s.post("/api/stoa/v1/flush")

    def test_the_same_request_twice_counts_once_for_samples_and_by_key_for_logs(self):
        s = self.server()
        for _ in range(2):
            self.write(s, series("twice"))
        self.assertEqual(s.query("count_over_time(twice[1h])")[0]["value"][1], "20")
        body = {"streams": [{"stream": {"app": "k"}, "values": [[str(time.time_ns()), "once"]]}]}
        for _ in range(2):
            r = s.post("/loki/api/v1/push", json.dumps(body).encode(), {"Content-Type": "application/json", "Idempotency-Key": "k1"})
            self.assertEqual(r.status, 204)
        self.assertEqual(sum(len(x["values"]) for x in s.logs('{app="k"}')), 1)

    def test_equal_lines_of_one_push_are_all_kept(self):
        s = self.server()
        ns = str(time.time_ns())
        s.post_json("/loki/api/v1/push", {"streams": [{"stream": {"app": "same"}, "values": [[ns, "x"], [ns, "x"], [ns, "x"]]}]})
        self.assertEqual(sum(len(x["values"]) for x in s.logs('{app="same"}')), 3)

    def test_tenants_see_only_their_own(self):
        s = self.server()
        self.write(s, series("t"), **{"X-Scope-OrgID": "red"})
        self.write(s, series("t", n=5), **{"X-Scope-OrgID": "blue"})
        ask = lambda tenant: s.get("/api/v1/query", {"query": "count_over_time(t[1h])"}, headers={"X-Scope-OrgID": tenant} if tenant else {})
        self.assertEqual([x["value"][1] for x in ask("red").json["data"]["result"]], ["20"])
        self.assertEqual([x["value"][1] for x in ask("blue").json["data"]["result"]], ["5"])
        self.assertEqual(ask(None).json["data"]["result"], [])
        r = ask("a b")
        self.assertEqual(r.status, 400)
        self.assertIn("X-Scope-OrgID", r.text)

    def test_deleted_series_are_gone_at_once_and_after_restart(self):
        s = self.server()
        self.write(s, series("gone", x="1"), series("gone", x="2"), series("stays"))
        r = s.post("/api/v1/admin/tsdb/delete_series?match[]=stays", headers={"X-Scope-OrgID": "default|other"})
        self.assertEqual(r.status, 400)
        self.assertIn("one tenant", r.text)
        r = s.post("/api/v1/admin/tsdb/delete_series?match[]=gone{x='1'}")
        self.assertEqual(r.status, 204, r.text)
        for _ in range(2):
            self.assertEqual([x["metric"]["x"] for x in s.query("last_over_time(gone[1h])")], ["2"])
            self.assertEqual(len(s.query("last_over_time(stays[1h])")), 1)
            s.stop()
            s.start()

    def test_a_flipped_byte_loses_its_block_only_and_is_told_by_name(self):
        s = self.server()
        for i in range(40):
            self.write(s, *[series(f"m{i}", x=str(k), value=lambda j: j * 1.1 + i) for k in range(20)])
        s.post("/api/stoa/v1/flush")
        s.post("/api/stoa/v1/merge")
        s.stop()
        part = max(glob.glob(os.path.join(s.data, "**", "*.part"), recursive=True), key=os.path.getsize)
        with open(part, "r+b") as f:
            f.seek(os.path.getsize(part) // 3)
            byte = f.read(1)[0]
            f.seek(-1, 1)
            f.write(bytes([byte ^ 0x55]))
        s.start()
        r = s.get("/api/v1/query", {"query": 'count({__name__=~"m.*"})', "time": NOW})
        self.assertEqual(r.status, 200, r.text)
        full = s.get("/api/v1/query", {"query": 'count(count_over_time({__name__=~"m.*"}[1h]))', "time": NOW}).json
        left = int(full["data"]["result"][0]["value"][1]) if full["data"]["result"] else 0
        self.assertGreater(left + len(full.get("warnings", [])), 0)
        self.assertTrue(full.get("warnings"), "the answer must say that it is partial")
        self.assertIn(os.path.basename(part).split(".")[0].lstrip("0"), " ".join(full["warnings"]))

    def test_old_and_late_data_is_taken(self):
        s = self.server()
        late = NOW - 20 * 86400
        self.write(s, ({"__name__": "late"}, [(late * 1000, 7.0)]))
        self.write(s, ({"__name__": "late"}, [((late - 60) * 1000, 6.0)]))
        self.assertEqual(s.query("late", at=late)[0]["value"][1], "7")
        self.assertEqual(s.query("late", at=late - 30)[0]["value"][1], "6")

    def test_a_second_server_on_the_same_data_is_refused(self):
        s = self.server()
        with self.assertRaises(AssertionError) as e:
            harness.Server(data=s.data)
        self.assertIn("another", str(e.exception))

    def test_metadata_is_kept(self):
        body = harness.message(3, harness.field(1, 0, harness.varint(1)) + harness.text_field(2, "req_total") + harness.text_field(4, "Requests."))
        s = self.server()
        self.write(s, series("req_total"))
        r = s.post("/api/v1/write", harness.snappy(body), harness.WRITE_HEADERS)
        self.assertEqual(r.status, 204, r.text)
        for _ in range(2):
            got = s.get("/api/v1/metadata").json["data"]
            self.assertEqual(got["req_total"][0]["type"], "counter")
            self.assertEqual(got["req_total"][0]["help"], "Requests.")
            s.stop()
            s.start()


if __name__ == "__main__":
    harness.main()
