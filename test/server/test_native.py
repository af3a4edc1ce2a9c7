# SPDX-License-Identifier: Apache-2.0
"""Metrics as they come: remote write 2.0, protobuf pages with native histograms, OTLP's exponential histograms and deltas, two replicas
of a Prometheus. The messages are built here by hand; Debian's prometheus says whether it reads and sends the same."""
import http.server
import os
import socket
import struct
import subprocess
import tempfile
import threading
import time
import unittest

import harness

PEER = harness.ROOT / "build" / "peers" / "prometheus" / "usr" / "bin" / "prometheus"

V2 = {"Content-Type": "application/x-protobuf;proto=io.prometheus.write.v2.Request", "Content-Encoding": "snappy"}
V1 = {"Content-Type": "application/x-protobuf", "Content-Encoding": "snappy"}
PROTO = "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"


# ---- protobuf ----

def varint(n):
    n &= (1 << 64) - 1
    out = b""
    while n > 0x7F:
        out += bytes([n & 0x7F | 0x80])
        n >>= 7
    return out + bytes([n])


def zigzag(n):
    return varint((n << 1) ^ (n >> 63))


def f_int(number, n):
    return varint(number << 3) + varint(n)


def f_sint(number, n):
    return varint(number << 3) + zigzag(n)


def f_fixed(number, n):
    return varint(number << 3 | 1) + struct.pack("<Q", n)


def f_double(number, v):
    return varint(number << 3 | 1) + struct.pack("<d", v)


def f_bytes(number, *parts):
    b = b"".join(p.encode() if isinstance(p, str) else p for p in parts)
    return varint(number << 3 | 2) + varint(len(b)) + b


def snappy(b):
    out = varint(len(b))
    for i in range(0, len(b), 60):
        part = b[i:i + 60]
        out += bytes([(len(part) - 1) << 2]) + part
    return out


def spans(number, *list_):
    return b"".join(f_bytes(number, f_sint(1, offset), f_int(2, length)) for offset, length in list_)


def histogram(t_ms, counts, sum_, schema=0):
    """Counts of the buckets (1/2, 1], (1, 2], (2, 4]..."""
    deltas = [c - b for b, c in zip([0] + counts, counts)]
    return b"".join([f_int(1, sum(counts)), f_double(3, sum_), f_sint(4, schema), spans(11, (0, len(counts))), f_bytes(12, *map(zigzag, deltas)),
                     f_int(15, t_ms)])


class Request2:
    """io.prometheus.write.v2.Request."""

    def __init__(self):
        self.symbols, self.series = [""], []

    def ref(self, text):
        if text not in self.symbols:
            self.symbols.append(text)
        return self.symbols.index(text)

    def refs(self, number, labels):
        return f_bytes(number, *[varint(self.ref(t)) for pair in labels for t in pair])

    def add(self, labels, samples=(), histograms=(), exemplars=(), metadata=None, *more):
        parts = [self.refs(1, labels)] + [f_bytes(2, f_double(1, v), f_int(2, t)) for t, v in samples] + [f_bytes(3, h) for h in histograms]
        parts += [f_bytes(4, self.refs(1, pairs), f_double(2, v), f_int(3, t)) for pairs, v, t in exemplars]
        if metadata:
            parts.append(f_bytes(5, f_int(1, metadata[0]), f_int(3, self.ref(metadata[1])), f_int(4, self.ref(metadata[2]))))
        self.series.append(f_bytes(5, *parts, *more))

    def body(self):
        return snappy(b"".join(f_bytes(4, s) for s in self.symbols) + b"".join(self.series))


def request1(*series):
    return snappy(b"".join(f_bytes(1, *[f_bytes(1, f_bytes(1, n), f_bytes(2, v)) for n, v in labels],
                                   *[f_bytes(2, f_double(1, v), f_int(2, t)) for t, v in samples]) for labels, samples in series))


def written(reply):
    return tuple(reply.headers.get("X-Prometheus-Remote-Write-%s-Written" % what) for what in ("Samples", "Histograms", "Exemplars"))


class RemoteWrite2(harness.Case):
    def setUp(self):
        self.s = self.server()
        self.now = int(time.time() * 1000)

    def test_samples_histograms_exemplars_and_metadata_are_kept_and_counted(self):
        r = Request2()
        r.add([("__name__", "jobs_total"), ("job", "a")], [(self.now - 1000, 1), (self.now, 3)],
              exemplars=[([("trace_id", "0af7651916cd43dd8448eb211c80319c")], 1, self.now)], metadata=(1, "Jobs that are done.", ""))
        r.add([("__name__", "sizes"), ("job", "a")], histograms=[histogram(self.now, [1, 2, 1], 7.5)], metadata=(3, "Sizes.", "bytes"))
        reply = self.s.post("/api/v1/write", r.body(), V2)
        self.assertEqual((reply.status, written(reply)), (204, ("2", "1", "1")), reply.text)
        self.assertEqual(self.s.query("jobs_total")[0]["value"][1], "3")
        h = self.s.query("sizes")[0]["histogram"][1]
        self.assertEqual((h["count"], h["sum"]), ("4", "7.5"))
        self.assertEqual(h["buckets"], [[0, "0.5", "1", "1"], [0, "1", "2", "2"], [0, "2", "4", "1"]])
        self.assertEqual(self.s.get("/api/v1/metadata", {"metric": "sizes"}).json["data"]["sizes"][0],
                         {"type": "histogram", "unit": "bytes", "help": "Sizes."})
        x = self.s.get("/api/v1/query_exemplars", {"query": "jobs_total", "start": self.now / 1000 - 60, "end": self.now / 1000 + 60}).json["data"]
        self.assertEqual(x[0]["exemplars"][0]["labels"], {"trace_id": "0af7651916cd43dd8448eb211c80319c"})

    def test_what_is_good_of_a_request_is_stored_and_the_rest_named(self):
        r = Request2()
        r.add([("__name__", "good")], [(self.now, 1)])
        r.add([("nameless", "x")], [(self.now, 1)])
        r.add([("__name__", "bad_histogram")], histograms=[f_int(1, 99) + histogram(self.now, [1], 1)[2:]])
        reply = self.s.post("/api/v1/write", r.body(), V2)
        self.assertEqual((reply.status, written(reply)), (400, ("1", "0", "0")))
        self.assertIn("nameless", reply.text)
        self.assertIn("bad_histogram", reply.text)
        self.assertEqual(self.s.query("good")[0]["value"][1], "1")

    def test_messages_we_do_not_know_are_415_and_the_first_version_needs_no_parameter(self):
        for kind in ("io.prometheus.write.v3.Request", "x"):
            reply = self.s.post("/api/v1/write", b"", {"Content-Type": f"application/x-protobuf;proto={kind}"})
            self.assertEqual((reply.status, written(reply)), (415, ("0", "0", "0")))
        body = request1(([("__name__", "one")], [(self.now, 1)]))
        for more in ("", ";proto=prometheus.WriteRequest"):
            reply = self.s.post("/api/v1/write", body, dict(V1, **{"Content-Type": "application/x-protobuf" + more}))
            self.assertEqual((reply.status, written(reply)), (204, ("1", "0", "0")))
        reply = self.s.post("/api/v1/write", snappy(b"\xff\xff\xff"), V2)
        self.assertEqual((reply.status, written(reply)), (400, ("0", "0", "0")))


class Replicas(harness.Case):
    def test_samples_of_the_second_replica_are_dropped_until_the_first_is_silent(self):
        s = self.server(config="ha_tracker:\n  failover_timeout: 1s\n")
        now = int(time.time() * 1000)

        def send(replica, t, v):
            return s.post("/api/v1/write", request1(([("__name__", "x"), ("__replica__", replica), ("cluster", "eu")], [(t, v)])), V1)
        self.assertEqual(send("a", now - 3000, 1).status, 204)
        self.assertEqual(send("b", now - 2000, 2).status, 202)
        self.assertEqual(s.query("x")[0]["metric"], {"__name__": "x", "cluster": "eu"})
        self.assertEqual(s.query("x")[0]["value"][1], "1")
        self.assertIn('stoa_ha_dropped_samples_total{tenant="default",cluster="eu"} 1\n', s.get("/metrics").text)
        time.sleep(1.5)
        self.assertEqual(send("b", now - 1000, 3).status, 204)
        self.assertEqual([(r["metric"], r["value"][1]) for r in s.query("x")], [({"__name__": "x", "cluster": "eu"}, "3")])
        self.assertIn('stoa_ha_failovers_total{tenant="default",cluster="eu"} 1\n', s.get("/metrics").text)


# ---- pages ----

def family(name, help_, kind, *metrics):
    message = f_bytes(1, name) + f_bytes(2, help_) + f_int(3, kind) + b"".join(f_bytes(4, m) for m in metrics)
    return varint(len(message)) + message


def pair(n, v):
    return f_bytes(1, f_bytes(1, n), f_bytes(2, v))


def stamp(seconds):
    return f_int(1, int(seconds)) + f_int(2, int(seconds % 1 * 1e9))

    def test_the_elected_replica_stays_elected_over_a_kill_and_a_stop(self):
        s = self.server(config="ha_tracker:\n  failover_timeout: 3s\n")

        def send(replica, v):
            return s.post("/api/v1/write", request1(([("__name__", "x"), ("__replica__", replica), ("cluster", "eu")], [(int(time.time() * 1000), v)])), V1)
        self.assertEqual(send("b", 1).status, 204)
        for end in (s.kill, s.stop):
            end()
            s.start()
            self.assertEqual(send("a", 2).status, 202)  # heard first, and yet not the elected one
            self.assertEqual(send("b", 1).status, 204)
        s.kill()
        s.start()
        self.eventually(lambda: send("a", 2).status == 204, what="a failover, for the elected one is silent")
        s.kill()
        s.start()
        self.assertEqual(send("b", 1).status, 202)
        self.assertEqual(s.query("x")[0]["value"][1], "2")


class Exporter:
    """Answers a page in protobuf when it is asked for, in text otherwise; remembers the Accept headers."""

    def __init__(self, proto, text):
        self.accepts = []
        exporter = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                accept = self.headers.get("Accept", "")
                exporter.accepts.append(accept)
                is_proto = accept.startswith("application/vnd.google.protobuf")
                body = proto() if is_proto else text.encode()
                self.send_response(200)
                self.send_header("Content-Type", PROTO if is_proto else "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def page():
    exemplar = f_bytes(1, f_bytes(1, "trace_id"), f_bytes(2, "abc")) + f_double(2, 1.5) + f_bytes(3, stamp(time.time()))
    buckets = f_bytes(3, f_int(1, 1), f_double(2, 1)) + f_bytes(3, f_int(1, 3), f_double(2, 2.5), f_bytes(3, exemplar))
    return b"".join([
        family("jobs_total", "Jobs.", 0, pair("kind", "a") + f_bytes(3, f_double(1, 3), f_bytes(3, stamp(time.time() - 1)))),
        family("temperature", "Now.", 1, f_bytes(2, f_double(1, 21.5))),
        family("wait", "Waits.", 2, f_bytes(4, f_int(1, 9), f_double(2, 4.5), f_bytes(3, f_double(1, 0.5), f_double(2, 0.25)))),
        family("classic", "Old.", 4, f_bytes(7, f_int(1, 4), f_double(2, 7), buckets)),
        family("both", "New.", 4, f_bytes(7, f_int(1, 4), f_double(2, 7), buckets, f_sint(5, 0), spans(12, (0, 2)),
                                          f_bytes(13, zigzag(1), zigzag(2)), f_bytes(16, exemplar)))])


TEXT = "# TYPE classic histogram\nclassic_bucket{le=\"1\"} 1\nclassic_bucket{le=\"2.5\"} 3\nclassic_bucket{le=\"+Inf\"} 4\nclassic_sum 7\nclassic_count 4\n"


class Scrape(harness.Case):
    def scrape(self, more, args=()):
        exporter = Exporter(page, TEXT)
        self.addCleanup(exporter.close)
        s = self.server(config="scrape_configs:\n- job_name: j\n  scrape_interval: 200ms\n  scrape_timeout: 200ms\n" + more +
                        f"  static_configs: [{{targets: ['{exporter.address}']}}]\n", args=args)
        self.eventually(lambda: [r["value"][1] for r in s.query('up{job="j"}')] == ["1"], seconds=10)
        return s, exporter

    def test_text_is_asked_for_by_default(self):
        s, exporter = self.scrape("")
        self.assertNotIn("protobuf", exporter.accepts[0])
        self.assertEqual({r["metric"]["le"] for r in s.query("classic_bucket")}, {"1.0", "2.5", "+Inf"})

    def test_protobuf_brings_native_histograms_and_their_exemplars(self):
        s, exporter = self.scrape("  scrape_native_histograms: true\n")
        self.assertTrue(exporter.accepts[0].startswith("application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q="))
        h = s.query("both")[0]["histogram"][1]
        self.assertEqual((h["count"], h["sum"], h["buckets"]), ("4", "7", [[0, "0.5", "1", "1"], [0, "1", "2", "3"]]))
        self.assertEqual(s.query("both_count"), [])
        self.assertEqual({r["metric"]["le"]: r["value"][1] for r in s.query("classic_bucket")}, {"1.0": "1", "2.5": "3", "+Inf": "4"})
        self.assertEqual(s.query("jobs_total")[0]["value"][1], "3")
        self.assertEqual(s.query("temperature")[0]["value"][1], "21.5")
        self.assertEqual({r["metric"].get("quantile"): r["value"][1] for r in s.query('{__name__=~"wait|wait_count"}')}, {"0.5": "0.25", None: "9"})
        self.assertEqual(s.get("/api/v1/metadata", {"metric": "both"}).json["data"]["both"][0]["type"], "histogram")
        x = s.get("/api/v1/query_exemplars", {"query": "both", "start": time.time() - 60, "end": time.time() + 60}).json["data"]
        self.assertEqual(x[0]["exemplars"][0]["labels"], {"trace_id": "abc"})

    def test_protobuf_without_native_histograms_gives_the_classic_ones(self):
        s, _ = self.scrape("  scrape_protocols: [PrometheusProto, PrometheusText0.0.4]\n")
        self.assertEqual(s.query("both"), [])
        self.assertEqual(s.query("both_count")[0]["value"][1], "4")

    def test_classic_histograms_stay_beside_native_ones_when_asked_for(self):
        s, _ = self.scrape("  scrape_native_histograms: true\n  always_scrape_classic_histograms: true\n")
        self.assertEqual(len(s.query("both")), 1)
        self.assertEqual(s.query("both_count")[0]["value"][1], "4")

    def test_classic_histograms_of_text_become_native_ones_with_their_bounds(self):
        s, _ = self.scrape("  convert_classic_histograms_to_nhcb: true\n")
        h = s.query("classic")[0]["histogram"][1]
        self.assertEqual((h["count"], h["sum"]), ("4", "7"))
        self.assertEqual([b[1:] for b in h["buckets"]], [["-Inf", "1", "1"], ["1", "2.5", "2"], ["2.5", "+Inf", "1"]])
        self.assertEqual(s.query("classic_bucket"), [])

    def test_the_start_of_a_new_counter_is_zero_when_the_feature_is_on(self):
        s, _ = self.scrape("  scrape_protocols: [PrometheusProto]\n", ["--enable-feature=created-timestamp-zero-ingestion"])
        values = [v for _, v in s.query("jobs_total[1m]")[0]["values"]]
        self.assertEqual(values[0], "0")
        self.assertEqual(values.count("0"), 1)


class Tool(harness.Case):
    def run_tool(self, *args, text=None):
        with tempfile.NamedTemporaryFile("w", suffix=".yml") as f:
            f.write(text)
            f.flush()
            return subprocess.run([harness.BINARY, *args, f.name], capture_output=True, text=True)

    def test_a_protocol_nobody_knows_is_an_error_with_its_line(self):
        r = self.run_tool("check", "config", text="scrape_configs:\n- job_name: j\n  scrape_protocols: [PrometheusProto, Morse]\n")
        self.assertEqual(r.returncode, 1)
        self.assertIn(":3:", r.stderr)
        self.assertIn("Morse", r.stderr)

    def test_check_metrics_says_where_a_page_breaks_and_what_could_be_better(self):
        r = self.run_tool("check", "metrics", text="# TYPE a counter\na_total 1\na_total 2\n# EOF\n")
        self.assertEqual(r.returncode, 3, r.stderr)
        self.assertIn("no help text", r.stderr)
        r = self.run_tool("check", "metrics", text="# TYPE a counter\na_total -1\n# EOF\n")
        self.assertEqual(r.returncode, 1)
        self.assertIn("line 2", r.stderr)
        r = self.run_tool("check", "metrics", text="# HELP a_total How many.\n# TYPE a_total counter\na_total 1\n")
        self.assertEqual((r.returncode, r.stderr), (0, ""))


# ---- Debian's prometheus ----

@unittest.skipUnless(PEER.exists(), "tools/peers.sh has not unpacked prometheus")
class Peer(harness.Case):
    def start(self, config):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        folder = tempfile.mkdtemp(prefix="stoa-peer-")
        with open(os.path.join(folder, "prometheus.yml"), "w") as f:
            f.write(config)
        process = subprocess.Popen([str(PEER), f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data",
                                    f"--web.listen-address=127.0.0.1:{port}", "--enable-feature=native-histograms"],
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(process.wait)
        self.addCleanup(process.terminate)
        return port

    def test_its_own_page_in_protobuf_gives_the_series_of_the_text(self):
        port = self.start("global: {scrape_interval: 15s}\n")
        s = self.server(config=f"""scrape_configs:
- {{job_name: text, scrape_interval: 500ms, scrape_timeout: 500ms, static_configs: [{{targets: ['127.0.0.1:{port}']}}]}}
- {{job_name: proto, scrape_interval: 500ms, scrape_timeout: 500ms, scrape_protocols: [PrometheusProto], static_configs: [{{targets: ['127.0.0.1:{port}']}}]}}
""")
        self.eventually(lambda: [r["value"][1] for r in s.query('count(up == 1)')] == ["2"], seconds=20)

        def names(job):
            return {(m["__name__"], m.get("handler"), *(m.get(n) and float(m[n]) for n in ("quantile", "le"))) for m in
                    (r["metric"] for r in s.query(f'{{job="{job}"}}'))}
        self.eventually(lambda: len(names("text")) > 200 and names("text") == names("proto"), seconds=20)

    def test_what_it_scrapes_in_protobuf_it_sends_as_native_histograms(self):
        exporter = Exporter(page, TEXT)
        self.addCleanup(exporter.close)
        s = self.server()
        self.start(f"""global: {{scrape_interval: 500ms, scrape_timeout: 500ms}}
remote_write: [{{url: '{s.url}/api/v1/write', send_native_histograms: true, queue_config: {{batch_send_deadline: 200ms}}}}]
scrape_configs: [{{job_name: j, static_configs: [{{targets: ['{exporter.address}']}}]}}]
""")
        found = self.eventually(lambda: s.query("both"), seconds=30)
        self.assertEqual((found[0]["histogram"][1]["count"], found[0]["histogram"][1]["buckets"]), ("4", [[0, "0.5", "1", "1"], [0, "1", "2", "3"]]))


# ---- OTLP ----

class Otlp(harness.Case):
    def send(self, s, *metrics):
        resource = f_bytes(1, *[f_bytes(1, f_bytes(1, k), f_bytes(2, f_bytes(1, v))) for k, v in
                                (("service.name", "shop"), ("deployment.environment", "test"), ("host.name", "h1"))])
        body = f_bytes(1, resource, f_bytes(2, *[f_bytes(2, m) for m in metrics]))
        return s.post("/v1/metrics", body, {"Content-Type": "application/x-protobuf"})

    def counter(self, name, start_ns, t_ns, v, temporality):
        return f_bytes(1, name) + f_bytes(7, f_bytes(1, f_fixed(2, start_ns), f_fixed(3, t_ns), f_fixed(6, v)), f_int(2, temporality), f_int(3, 1))

    def test_exponential_histograms_are_native_ones(self):
        s = self.server()
        t = int(time.time() * 1e9)
        point = b"".join([f_fixed(3, t), f_fixed(4, 4), f_double(5, 7.5), f_sint(6, 0), f_fixed(7, 1), f_bytes(8, f_sint(1, 0), f_bytes(2, varint(1), varint(2)))])
        reply = self.send(s, f_bytes(1, "size") + f_bytes(3, "By") + f_bytes(10, f_bytes(1, point), f_int(2, 2)))
        self.assertEqual((reply.status, reply.body), (200, b""))
        h = s.query("size_bytes")[0]["histogram"][1]
        self.assertEqual((h["count"], h["sum"]), ("4", "7.5"))
        self.assertEqual([b[1:] for b in h["buckets"]][1:], [["1", "2", "1"], ["2", "4", "2"]])

    def test_deltas_are_added_up_and_a_repeated_request_adds_nothing(self):
        s = self.server()
        t = int(time.time() * 1e9) - 10 * 10**9
        for i, v in enumerate((3, 4, 5)):
            m = self.counter("done", t + i * 10**9, t + (i + 1) * 10**9, v, 1)
            for _ in range(2):
                self.assertEqual(self.send(s, m).body, b"")
        self.assertEqual([v for _, v in s.query("done_total[1m]")[0]["values"]], ["0", "3", "7", "12"])
        self.assertIn("stoa_delta_streams 1\n", s.get("/metrics").text)

    def exponential(self, name, start_ns, t_ns, count):
        """A delta of so many observations between 1 and 2."""
        point = b"".join([f_fixed(2, start_ns), f_fixed(3, t_ns), f_fixed(4, count), f_double(5, 1.5 * count), f_bytes(8, f_sint(1, 0), f_bytes(2, varint(count)))])
        return f_bytes(1, name) + f_bytes(10, f_bytes(1, point), f_int(2, 1))

    def test_totals_of_deltas_go_on_after_a_kill_and_after_a_stop(self):
        s = self.server()
        begin = int(time.time() * 1e9) - 20 * 10**9
        second = 10**9
        for i, end in enumerate((s.kill, s.stop, None)):
            for k in (2 * i, 2 * i + 1):
                start, t = begin + k * second, begin + (k + 1) * second
                for _ in range(2):  # each request comes twice
                    self.assertEqual(self.send(s, self.counter("done", start, t, 10 + k, 1), self.exponential("took", start, t, 1 + k)).body, b"")
            if end is None:
                break
            last = self.send(s, self.counter("done", t - second, t, 10 + k, 1))
            self.assertEqual(last.body, b"")
            end()
            s.start()
            # What was answered comes once more: nothing is counted twice.
            self.assertEqual(self.send(s, self.counter("done", t - second, t, 10 + k, 1), self.exponential("took", t - second, t, 1 + k)).body, b"")
        values = [int(v) for _, v in s.query("done_total[1m]")[0]["values"]]
        self.assertEqual(values, [0, 10, 21, 33, 46, 60, 75])
        self.assertEqual(s.query("resets(done_total[1m])")[0]["value"][1], "0")
        self.assertEqual(s.query("resets(took[1m])")[0]["value"][1], "0")
        self.assertEqual(s.query("histogram_count(took)")[0]["value"][1], "21")
        self.assertIn("stoa_delta_restored_streams_total 2\n", s.get("/metrics").text)

    def test_starts_are_zeros_when_the_feature_is_on_and_no_zero_replaces_a_sample(self):
        s = self.server(args=["--enable-feature=created-timestamp-zero-ingestion"])
        second, t = 10**9, int(time.time() * 1e9) - 60 * 10**9
        for i in range(4):
            if i == 2:
                s.kill()
                s.start()
            now = t + (i + 1) * 10 * second
            # One knows when it began; the other began, it says, at its first sample.
            self.assertEqual(self.send(s, self.counter("knows", t, now, 5 + i, 2), self.counter("guesses", t + 10 * second, now, 1000 + i, 2)).body, b"")
        self.assertEqual([v for _, v in s.query("knows_total[2m]")[0]["values"]], ["0", "5", "6", "7", "8"])
        self.assertEqual([v for _, v in s.query("guesses_total[2m]")[0]["values"]], ["1000", "1001", "1002", "1003"])

    def test_names_and_resource_labels_go_by_the_configuration(self):
        s = self.server(config="otlp:\n  translation_strategy: NoTranslation\n  promote_resource_attributes: [deployment.environment]\n")
        t = int(time.time() * 1e9)
        self.assertEqual(self.send(s, self.counter("http.requests", t - 10**9, t, 3, 2)).body, b"")
        self.assertEqual(s.query('{"http.requests"}')[0]["metric"], {"__name__": "http.requests", "job": "shop", "deployment.environment": "test"})


if __name__ == "__main__":
    harness.main()
