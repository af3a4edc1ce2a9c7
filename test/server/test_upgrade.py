# SPDX-License-Identifier: Apache-2.0
"""Data folders that earlier versions left (test/upgrade/*.tar.gz) give the same answers today: before and after a merge,
and after a clean restart."""
import json
import pathlib
import tarfile
import tempfile
import urllib.parse

import harness

ARCHIVES = sorted((harness.ROOT / "test" / "upgrade").glob("*.tar.gz"))
CONFIG = "retention: 36500d\nstore:\n  disk_refuse_ratio: 0\n"  # the archives' rows never get too old
START = 1763596800
END = START + 2 * 86400


def path(at, **params):
    return at + "?" + urllib.parse.urlencode(params)


PATHS = [
    path("/api/v1/query_range", query="sum by (instance) (rate(up_requests_total[5m]))", start=START, end=START + 5400, step=60),
    path("/api/v1/query_range", query="up_requests_total", start=START + 86400, end=START + 90000, step=300),
    path("/api/v1/query_range", query="up_odd", start=START, end=START + 90, step=15),
    path("/api/v1/query", query="count by (path) (count_over_time(up_requests_total[3d]))", time=END),
    path("/api/v1/label/path/values", start=START, end=END),
    path("/loki/api/v1/query_range", query='{app="shop"} |= "ERROR"', start=START, end=END, limit=2000, direction="forward"),
    path("/loki/api/v1/query_range", query='sum by (detected_level) (count_over_time({app="shop"}[1h]))', start=START, end=END, step=3600),
    path("/loki/api/v1/query_range", query='{app="shop"} |~ "user-7$" | trace_id="' + f"{7:032x}" + '"', start=START, end=END),
    path("/loki/api/v1/query_range", query='{app="bytes"}', start=START, end=END, limit=2000, direction="forward"),
    path("/api/stoa/v1/logs/export", query='{app="bytes"}', start=START, end=END, format="plain"),
    path("/loki/api/v1/query_range", query='{service_name="typed"}', start=START, end=END, limit=2000, direction="forward"),
    path("/loki/api/v1/query_range", query='{service_name="typed"} | int > 20 | detected_level="error"', start=START, end=END, limit=2000),
    path("/loki/api/v1/query_range", query='{service_name="loud"} |= "step=3"', start=START, end=END, limit=2000, direction="forward"),
    path("/loki/api/v1/query", query='sum(count_over_time({service_name="loud"}[3d]))', time=END),
    path("/loki/api/v1/query", query='sum by (step) (bytes_over_time({service_name="loud"} | logfmt [3d]))', time=END),
    path("/api/v1/query", query="histogram_quantile(0.9, up_sizes)", time=START + 170),
    path("/api/v1/query_range", query="up_sizes", start=START + 86400, end=START + 86400 + 180, step=60),
    path("/jaeger/api/services"),
    path("/jaeger/api/traces/" + f"{3:032x}"),
    path("/jaeger/api/traces/" + f"{1003:032x}"),
]


def canonical(v):
    """Order where the API promises none must not fail a test; Loki's own statistics are no answer."""
    if isinstance(v, dict):
        return {k: canonical(x) for k, x in v.items() if k not in ("stats", "warnings", "infos")}
    if isinstance(v, list):
        return sorted((canonical(x) for x in v), key=lambda x: json.dumps(x, sort_keys=True))
    return v


def answer(server, path_and_query):
    r = server.get(path_and_query)
    assert r.status == 200, f"{path_and_query}: {r.status} {r.text}"
    if "format=plain" in path_and_query:
        return r.body.decode("latin-1")
    return canonical(r.json)


class Upgrade(harness.Case):
    def check(self, server, wanted):
        for at, value in wanted.items():
            with self.subTest(at):
                self.assertEqual(answer(server, at), value)

    def test_there_are_archives(self):
        self.assertTrue(ARCHIVES)

    def test_every_earlier_data_folder_gives_its_answers(self):
        for archive in ARCHIVES:
            with self.subTest(archive.name), tempfile.TemporaryDirectory() as folder:
                with tarfile.open(archive) as tar:
                    tar.extractall(folder, filter="data") if hasattr(tarfile, "data_filter") else tar.extractall(folder)
                data = pathlib.Path(folder, "data")
                wanted = json.loads((data / "answers.json").read_text())
                self.assertGreaterEqual(len(wanted), 5)
                s = self.server(data=str(data), config=CONFIG)
                self.check(s, wanted)
                self.assertLess(s.post("/api/stoa/v1/flush").status, 300)
                self.assertLess(s.post("/api/stoa/v1/merge").status, 300)
                self.check(s, wanted)
                self.assertEqual(s.stop(), 0)
                again = self.server(data=str(data), config=CONFIG)
                self.check(again, wanted)


if __name__ == "__main__":
    harness.main()
