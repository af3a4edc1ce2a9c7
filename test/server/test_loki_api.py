# SPDX-License-Identifier: Apache-2.0
"""Loki's HTTP API in detail: how times, steps and limits are read, what errors say, statistics, deletions, older paths, pages."""
import datetime
import time
import urllib.parse

import harness

S = 10**9


class Case(harness.Case):
    def setUp(self):
        self.s = self.server()
        self.second = time.time_ns() // S - 120  # ten lines of two streams by turns, one each second
        streams = {}
        for i in range(10):
            streams.setdefault("ab"[i % 2], []).append([str((self.second + i) * S), f"line {i}", {"trace": f"t{i}"}])
        body = {"streams": [{"stream": {"service_name": "shop", "app": app}, "values": values} for app, values in streams.items()]}
        self.assertEqual(self.s.post_json("/loki/api/v1/push", body).status, 204)

    def get(self, path, status=200, **params):
        r = self.s.get("/loki/api/v1/" + path, params)
        self.assertEqual(r.status, status, r.text)
        return r

    def lines(self, **params):
        params = dict(dict(query='{service_name="shop"}', start=self.second * S, end=(self.second + 60) * S), **params)
        result = self.get("query_range", **params).json["data"]["result"]
        return [line for _, line in sorted((int(v[0]), v[1]) for s in result for v in s["values"])]

    def fails(self, path, sentence, **params):
        r = self.get(path, 400, **params)
        self.assertIn(sentence, r.text)
        self.assertTrue(r.headers["Content-Type"].startswith("text/plain"), r.headers["Content-Type"])


class Params(Case):
    def test_interval_thins_lines_out_in_the_direction_asked_for(self):
        odd = ["line 0", "line 3", "line 6", "line 9"]
        for _ in range(2):
            for interval in ("3s", "3", "2.5"):
                self.assertEqual(self.lines(interval=interval, direction="forward"), odd, interval)
                self.assertEqual(self.lines(interval=interval), odd, interval)
            self.assertEqual(self.lines(interval="4s", direction="forward"), ["line 0", "line 4", "line 8"])
            self.assertEqual(self.lines(interval="4s", direction="backward"), ["line 1", "line 5", "line 9"])
            self.assertEqual(self.lines(interval="2s", query='{app="b"}', direction="forward"), [f"line {i}" for i in (1, 3, 5, 7, 9)])
            self.assertEqual(self.lines(interval="4s", limit=2, direction="forward"), ["line 0", "line 4"])
            self.assertEqual(len(self.lines(interval="0")), 10)
            self.s.post("/api/stoa/v1/flush")
        self.fails("query_range", "interval must be >= 0", query='{app="a"}', interval="-1")

    def test_times_in_every_form(self):
        iso = datetime.datetime.fromtimestamp(self.second + 5, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S")
        for start in (self.second + 5, f"{self.second + 4}.5", (self.second + 5) * S, iso + "Z", iso + ".000000000+00:00"):
            self.assertEqual(self.lines(start=start), [f"line {i}" for i in range(5, 10)], start)
        self.assertEqual(self.lines(start=self.second * S, end=(self.second + 2) * S), ["line 0", "line 1"])  # the end is open
        self.fails("query_range", "could not parse 'start' parameter", query='{app="a"}', start="yesterday")
        self.fails("query_range", "could not parse 'end' parameter", query='{app="a"}', end="tomorrow")
        self.fails("query", "could not parse 'time' parameter", query="vector(1)", time="noon")

    def test_since_counts_back_from_the_end_and_from_now_when_that_is_later(self):
        self.assertEqual(self.lines(start="", end=(self.second + 10) * S, since="3s"), ["line 7", "line 8", "line 9"])
        self.assertEqual(self.lines(start="", end="", since="10m"), [f"line {i}" for i in range(10)])
        self.assertEqual(self.lines(start="", end=time.time_ns() + 3600 * S, since="10m"), [f"line {i}" for i in range(10)])
        self.assertEqual(self.lines(start="", end=""), [f"line {i}" for i in range(10)])
        self.assertEqual(self.get("labels", since="1s").json["data"], [])
        self.assertIn("app", self.get("labels", since="10m").json["data"])
        self.fails("query_range", "could not parse 'since' parameter", query='{app="a"}', since="ages")

    def test_limits_directions_and_steps(self):
        self.assertEqual(self.lines(limit=2), ["line 8", "line 9"])
        self.assertEqual(self.lines(limit=2, direction="FORWARD"), ["line 0", "line 1"])
        q = dict(query='{app="a"}')
        self.fails("query_range", "max entries limit per query exceeded, limit > max_entries_limit_per_query (50001 > 50000)", limit=50001, **q)
        self.fails("query_range", "limit must be a positive value", limit=0, **q)
        self.fails("query_range", "limit must be a positive value", limit=-1, **q)
        self.fails("query_range", "invalid direction 'up'", direction="up", **q)
        self.fails("query_range", "end timestamp must not be before or equal to start time", start=20, end=10, **q)
        self.fails("query_range", "zero or negative query resolution step widths are not accepted. Try a positive integer", step=0, **q)
        self.fails("query_range", "exceeded maximum resolution of 11,000 points per time series. Try increasing the value of the step parameter",
                   step="1s", start=1, end=20000, **q)
        metric = 'sum(count_over_time({service_name="shop"}[1s]))'
        r = self.get("query_range", query=metric, start=0, end=2500).json["data"]  # without a step: 250 of them, in whole seconds
        self.assertEqual(r["resultType"], "matrix")
        values = self.get("query_range", query="vector(1)", start=0, end=2500).json["data"]["result"][0]["values"]
        self.assertEqual([v[0] for v in values[:3]], [0, 10, 20])
        self.assertEqual(len(self.get("query_range", query="vector(1)", start=0, end=100).json["data"]["result"][0]["values"]), 101)

    def test_errors_of_the_language_in_lokis_words(self):
        for query, sentence in [
            ("{app=foo}", "parse error at line 1, col 6: syntax error: unexpected IDENTIFIER, expecting STRING"),
            ('{app="foo"', "syntax error: unexpected $end, expecting } or ,"),
            ('{app="foo"} | json |', "parse error at line 1, col 21: syntax error: unexpected $end"),
            ("", "syntax error: unexpected $end"),
            ('rate({app="a"})', "syntax error: unexpected )"),
            ("{}", "parse error : queries require at least one regexp or equality matcher that does not have an empty-compatible value"),
            ('{app=~"("}', "error parsing regexp"),
            ('sum(rate({app="a"} | json [1m]', "syntax error: unexpected $end"),
        ]:
            self.fails("query_range", sentence, query=query)
        self.fails("query", "log queries are not supported as an instant query type, please change your query to a range query type",
                   query='{app="a"}')

    def test_format_query_by_get_and_post(self):
        text, want = 'sum   by(app)(rate({app="a"}|="x"[5m]))', 'sum by (app)'
        got = self.get("format_query", query=text).json
        self.assertEqual(got["status"], "success")
        self.assertTrue(got["data"].startswith(want), got)
        posted = self.s.post("/loki/api/v1/format_query", urllib.parse.urlencode({"query": text}).encode(),
                             {"Content-Type": "application/x-www-form-urlencoded"}).json
        self.assertEqual(posted, got)
        again = self.get("format_query", query=got["data"]).json
        self.assertEqual(again, got)
        self.assertEqual(self.s.get("/loki/api/v1/format_query", {"query": "{"}).status, 400)


class Stats(Case):
    def test_every_key_of_lokis_statistics_is_there_and_real_where_it_can_be(self):
        self.s.post("/api/stoa/v1/flush")
        stats = self.get("query_range", query='{service_name="shop"}', start=self.second * S, end=(self.second + 60) * S).json["data"]["stats"]
        self.assertEqual(set(stats), {"summary", "querier", "ingester", "cache", "index"})
        summary = stats["summary"]
        self.assertEqual(set(summary), {"bytesProcessedPerSecond", "linesProcessedPerSecond", "totalBytesProcessed", "totalLinesProcessed", "execTime",
                                        "queueTime", "subqueries", "totalEntriesReturned", "splits", "shards", "totalPostFilterLines",
                                        "totalStructuredMetadataBytesProcessed"})
        self.assertEqual((summary["totalEntriesReturned"], summary["totalPostFilterLines"], summary["totalLinesProcessed"]), (10, 10, 10))
        self.assertGreaterEqual(summary["totalStructuredMetadataBytesProcessed"], 10 * len("tracet0"))
        self.assertTrue(summary["execTime"] > 0 and summary["totalBytesProcessed"] > 0 and summary["linesProcessedPerSecond"] > 0)
        for side in ("querier", "ingester"):
            store = stats[side]["store"]
            self.assertLessEqual({"totalChunksRef", "totalChunksDownloaded", "chunksDownloadTime", "queryReferencedStructuredMetadata", "chunk",
                                  "chunkRefsFetchTime", "congestionControlLatency", "pipelineWrapperFilteredLines"}, set(store))
            self.assertEqual(set(store["chunk"]), {"headChunkBytes", "headChunkLines", "decompressedBytes", "decompressedLines", "compressedBytes",
                                                   "totalDuplicates", "postFilterLines", "headChunkStructuredMetadataBytes",
                                                   "decompressedStructuredMetadataBytes"})
        self.assertEqual(stats["querier"]["store"]["chunk"]["decompressedLines"], 10)
        self.assertEqual(stats["cache"]["result"]["entriesFound"], 0)
        of_numbers = self.get("query", query='sum(count_over_time({service_name="shop"}[1h]))').json["data"]["stats"]
        self.assertEqual(of_numbers["summary"]["totalEntriesReturned"], 1)
        self.assertEqual(set(of_numbers), set(stats))
        for path in ("index/volume", "index/volume_range"):
            self.assertEqual(set(self.get(path, query='{service_name="shop"}').json["data"]["stats"]), set(stats))

    def test_shards_are_one_over_all_streams(self):
        shards = self.get("index/shards", query='{service_name="shop"}', targetBytesPerShard="100MB").json["shards"]
        self.assertEqual([s["bounds"] for s in shards], [{"min": 0, "max": 2**64 - 1}])
        self.assertEqual((shards[0]["stats"]["streams"], shards[0]["stats"]["entries"]), (2, 10))


class Many(harness.Case):
    LINES, STREAMS = 260_000, 4

    def test_more_lines_than_are_looked_at_are_counted_and_their_bytes_estimated(self):
        s = self.server()
        first = (time.time_ns() // S - 3600) // 60 * 60
        step = 1800 * S // self.LINES
        for part in range(0, self.LINES, 20_000):
            streams = {}
            for i in range(part, min(part + 20_000, self.LINES)):
                # Lines of a stream are all of one length: 20, 30, 40 and 50 bytes.
                k = i % self.STREAMS
                streams.setdefault(k, []).append([str(first * S + i * step), f"{i:010d} ".ljust(20 + 10 * k, "x")])
            body = {"streams": [{"stream": {"service_name": "big", "n": str(k)}, "values": v} for k, v in streams.items()]}
            self.assertEqual(s.post_json("/loki/api/v1/push", body).status, 204)
        each = self.LINES // self.STREAMS
        window = dict(query='{service_name="big"}', start=first, end=first + 3600)
        for _ in range(2):
            stats = s.get("/loki/api/v1/index/stats", window).json
            self.assertEqual((stats["streams"], stats["entries"]), (self.STREAMS, self.LINES))
            self.assertAlmostEqual(stats["bytes"], each * (20 + 30 + 40 + 50), delta=each)
            self.assertGreater(stats["chunks"], 0)
            got = s.get("/loki/api/v1/index/volume", dict(window, targetLabels="n")).json
            self.assertEqual([(r["metric"], int(r["value"][1])) for r in got["data"]["result"]],
                             [({"n": str(k)}, each * (20 + 10 * k)) for k in (3, 2, 1, 0)])
            self.assertTrue(any("estimated" in text for text in got["infos"]), got.get("infos"))
            labels = s.get("/loki/api/v1/index/volume", dict(window, aggregateBy="labels")).json["data"]["result"]
            self.assertEqual({list(r["metric"])[0]: int(r["value"][1]) for r in labels}["n"], each * 140)
            series = s.get("/loki/api/v1/index/volume_range", dict(window, step="600s", targetLabels="n")).json["data"]["result"]
            self.assertEqual({r["metric"]["n"]: [v[0] for v in r["values"]] for r in series}["3"], [first, first + 600, first + 1200])
            self.assertEqual(sum(int(v[1]) for r in series for v in r["values"]), each * 140)
            one = s.get("/loki/api/v1/index/stats", dict(window, query='{service_name="big",n="1"}')).json  # few enough to be exact
            self.assertEqual((one["streams"], one["entries"], one["bytes"]), (1, each, each * 30))
            s.post("/api/stoa/v1/flush")


class Deletions(Case):
    def delete(self, method, **params):
        return self.s.request(method, "/loki/api/v1/delete?" + urllib.parse.urlencode(params))

    def test_requests_are_listed_as_processed_and_cannot_be_cancelled(self):
        self.assertEqual(self.get("delete").json, [])
        start, end = self.second, self.second + 4
        self.assertEqual(self.delete("POST", query='{app="a"} |= "line 2"', start=start, end=end).status, 204)
        self.assertEqual(self.delete("PUT", query='{app="b"}', start=start * S, end=end * S).status, 204)
        left = [f"line {i}" for i in (0, 4, 5, 6, 7, 8, 9)]
        for _ in range(2):
            listed = self.get("delete").json
            self.assertEqual([(r["query"], r["start_time"], r["end_time"], r["status"]) for r in listed],
                             [('{app="a"} |= "line 2"', start, end, "processed"), ('{app="b"}', start, end, "processed")])
            self.assertTrue(all(len(r["request_id"]) == 8 and abs(r["created_at"] - time.time()) < 60 for r in listed), listed)
            for params in (dict(), dict(force="true")):
                r = self.delete("DELETE", request_id=listed[0]["request_id"], **params)
                self.assertEqual((r.status, r.text), (400, "deletion of request which is in process or already processed is not allowed\n"))
            self.assertEqual(self.delete("DELETE", request_id="00000000").status, 404)
            self.assertEqual(self.delete("DELETE").status, 400)
            self.assertEqual(self.lines(), left)
            self.s.restart() if hasattr(self.s, "restart") else (self.s.stop(), self.s.start())
        self.assertEqual(self.s.request("GET", "/loki/api/v1/delete", headers={"X-Scope-OrgID": "other"}).json, [])

    def test_a_selector_that_needs_no_label_is_a_slip_and_refused(self):
        for query in ("{}", '{app=~".*"}', '{app!="a"}', '{app=""}', "{} |= \"line\""):
            r = self.delete("POST", query=query, start=1)
            self.assertEqual(r.status, 400, query)
            self.assertIn("at least one regexp or equality matcher", r.text)
        self.assertEqual(len(self.lines()), 10)


class Older(Case):
    def test_the_paths_of_the_first_version_and_their_shapes(self):
        window = dict(start=self.second * S, end=(self.second + 60) * S)
        got = self.s.get("/api/prom/query", dict(query='{app="a"}', limit=2, direction="forward", **window)).json
        self.assertEqual([e["line"] for s in got["streams"] for e in s["entries"]], ["line 0", "line 2"])
        self.assertTrue(got["streams"][0]["entries"][0]["ts"].endswith("Z"))
        self.assertIn('app="a"', got["streams"][0]["labels"])
        self.assertEqual(len(self.s.get("/api/prom/query", dict(query='{app="a"}', regexp="line [04]", **window)).json["streams"][0]["entries"]), 1)
        r = self.s.get("/api/prom/query", dict(query='rate({app="a"}[1m])', **window))
        self.assertEqual((r.status, r.text), (400, "legacy endpoints only support streams result type\n"))
        self.assertIn("app", self.s.get("/api/prom/label", window).json["values"])
        self.assertEqual(self.s.get("/api/prom/label/app/values", window).json, {"values": ["a", "b"]})
        self.assertEqual(len(self.s.get("/api/prom/series", {"match[]": '{app="a"}', **window}).json["data"]), 1)

    def test_pages_about_the_process(self):
        self.assertEqual(self.s.get("/ready").text, "ready\n")
        self.assertEqual(set(self.s.get("/loki/api/v1/status/buildinfo").json), {"version", "revision", "branch", "buildUser", "buildDate", "goVersion"})
        self.assertIn("stoa_", self.s.get("/metrics").text)
        services = dict(line.split(" => ") for line in self.s.get("/services").text.splitlines())
        self.assertEqual((services["querier"], services["ruler"]), ("Running", "Running"))
        config = self.s.get("/config")
        self.assertEqual((config.status, config.text), (200, self.s.get("/api/v1/status/config").json["data"]["yaml"]))

    def test_the_configuration_shows_no_secrets(self):
        s = self.server(config="receivers:\n  - name: hook\n    webhook_configs:\n      - url: http://127.0.0.1:9/x\n        http_config:\n"
                               "          authorization:\n            credentials: topsecretvalue\nroute:\n  receiver: hook\n")
        self.assertNotIn("topsecretvalue", s.get("/config").text)


if __name__ == "__main__":
    harness.main()
