#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""trace_cases.py FOLDER: runs other people's cases of traces found below FOLDER against the program, and tells a line a group.

    queries     Jaeger's storage suite: its traces go in as OTLP, its queries are asked of Jaeger's API (/api/traces and v3) and must find the
                traces they name; every trace reads back span for span through both; services and operations
    batches     Jaeger's own forms: a batch of Thrift and the spans that must come of it, spans as they are stored and as they are shown,
                answers of v3; what is broken is refused with a sentence, and harms nothing
    zipkin      lists of Zipkin's spans, second model and first (JSON and Thrift), read back through Zipkin's API
    otlp        OpenTelemetry's example of each signal, read back
    tempo       traces of Tempo's tests, read back through its API and Jaeger's
    graphs      Tempo's traces for service graphs: the calls that the service map must show of each
    headers     W3C's traceparent and tracestate: queries sent with them continue the trace, or begin one

Jaeger's suite is of 2017: its times are moved by whole days to yesterday, as Jaeger's own runner moves them. Everything is asked twice: out of
memory, and out of parts on the disk. A case is one comparison; those that fail are told. Ends with "N passed, N failed".
"""
import json
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "server"))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import harness  # noqa: E402
import trace_forms as forms  # noqa: E402
import trace_headers  # noqa: E402
import trace_zipkin  # noqa: E402

CONFIG = "retention: 36500d\nredaction: {profile: off}\nstore:\n  disk_refuse_ratio: 0\n"
DAY_NS = 86400 * 10**9
SUITE_DAY = "2017-01-26"
TOLD_MAX = 60  # failures of a group that are told


class Counts:
    """Counts the cases of one group."""

    def __init__(self, name):
        self.name, self.passed, self.failed = name, 0, 0

    def check(self, what, got, want):
        if got == want:
            self.passed += 1
            return True
        self.failed += 1
        if self.failed <= TOLD_MAX:
            print(f"{self.name}: {what}\n  got  {str(got)[:1500]}\n  want {str(want)[:1500]}")
        return False


class Group(Counts):
    """Has a server for them, too."""

    def __init__(self, name):
        super().__init__(name)
        self.server = harness.Server(config=CONFIG)

    def moments(self):
        yield "in memory"
        assert self.server.post("/api/stoa/v1/flush").status == 200
        yield "in parts"

    def json(self, path, **params):
        r = self.server.get(path, params)
        return r.json if r.status == 200 else {"status": r.status, "text": r.text}

    def post(self, path, body, kind="application/json"):
        return self.server.post(path, body if isinstance(body, bytes) else json.dumps(body).encode(), {"Content-Type": kind})

    def refused(self, what, path, body, kind="application/json"):
        """A broken body: an answer of the client's fault, that has a sentence."""
        r = self.post(path, body, kind)
        self.check(f"{what} to {path} is refused with a sentence: {r.text[:120]!r}", (r.status, len(r.text) > 10), (400, True))

    def alive(self):
        self.check("is still there", self.server.get("/-/healthy").status, 200)

    def end(self):
        self.server.close()
        return self.passed, self.failed


def load(path):
    return json.loads(path.read_text())


# ---- Jaeger's storage suite ----

def moved(value, by_ns):
    """Times of OTLP by so much later."""
    if isinstance(value, dict):
        return {k: str(int(v) + by_ns) if k.endswith("UnixNano") else moved(v, by_ns) for k, v in value.items()}
    return [moved(x, by_ns) for x in value] if isinstance(value, list) else value


def tag_text(value):
    return value if isinstance(value, str) else json.dumps(value)


def ask(group, path, query, by_ns):
    """The ids of the traces that one of Jaeger's queries finds."""
    micros = [(forms.rfc3339_ns(query[k]) + by_ns) // 1000 for k in ("StartTimeMin", "StartTimeMax")]
    tags = {k: tag_text(v) for k, v in (query["Tags"] or {}).items()}
    durations = [f"{query[k]}ns" if query[k] else None for k in ("DurationMin", "DurationMax")]
    if path.endswith("v3/traces"):
        p = {"query.service_name": query["ServiceName"], "query.operation_name": query["OperationName"],
             "query.start_time_min": forms.rfc3339(micros[0] * 1000), "query.start_time_max": forms.rfc3339(micros[1] * 1000),
             "query.duration_min": durations[0], "query.duration_max": durations[1], "query.num_traces": query["NumTraces"],
             "query.attributes": json.dumps(tags) if tags else None}
    else:
        p = {"service": query["ServiceName"], "operation": query["OperationName"], "start": micros[0], "end": micros[1],
             "minDuration": durations[0], "maxDuration": durations[1], "limit": query["NumTraces"], "tags": json.dumps(tags) if tags else None}
    r = group.server.get(path, {k: v for k, v in p.items() if v})
    if r.status == 404:
        return []
    if r.status != 200:
        return r.text
    if path.endswith("v3/traces"):
        return sorted({s["traceId"] for s in forms.otlp_spans(r.json["result"])})
    return sorted(forms.padded(t["traceID"], 32) for t in r.json["data"])


def by_itself(group, name, trace, trace_id, by_ns, moment):
    """A trace is found by all that one of its spans says, and not when one tag says something else."""
    r = trace["resourceSpans"][0]
    span = r["scopeSpans"][0]["spans"][0]
    tags = forms.all_tags(r, r["scopeSpans"][0], span)
    took = int(span["endTimeUnixNano"]) - int(span["startTimeUnixNano"])
    query = {"ServiceName": forms.service_of(r), "OperationName": span["name"], "Tags": tags, "DurationMin": took, "DurationMax": took, "NumTraces": 1000,
             "StartTimeMin": SUITE_DAY + "T00:00:00Z", "StartTimeMax": SUITE_DAY + "T23:59:59Z"}
    for path in ("/jaeger/api/traces", "/jaeger/api/v3/traces"):
        group.check(f"{name} by all it says, {path}, {moment}", trace_id in ask(group, path, query, by_ns), True)
        for key in tags:
            other = dict(query, Tags=dict(tags, **{key: tags[key] + "0"}))
            group.check(f"{name} by another {key}, {path}, {moment}", trace_id in ask(group, path, other, by_ns), False)
        if len(forms.otlp_spans(trace)) > 1:
            continue  # another span may fit
        for change in ({"OperationName": span["name"] + "x"}, {"DurationMin": took + 1, "DurationMax": 0}, {"DurationMin": 0, "DurationMax": took - 1},
                       {"StartTimeMax": SUITE_DAY + "T00:00:01Z"}):
            group.check(f"{name} but {change}, {path}, {moment}", trace_id in ask(group, path, dict(query, **change), by_ns), False)


def suite(folder):
    group = Group("queries")
    by_ns = int(time.time()) // 86400 * DAY_NS - DAY_NS - forms.rfc3339_ns(SUITE_DAY + "T00:00:00Z")
    traces = {p.stem: moved(load(p), by_ns) for p in sorted(folder.glob("jaegertracing+jaeger/**/integration/fixtures/traces/*.json"))}
    for name, trace in traces.items():
        r = group.post("/v1/traces", trace)
        group.check(f"{name} goes in", (r.status, r.json), (200, {}))
    ids = {name: forms.otlp_spans(t)[0]["traceId"] for name, t in traces.items()}
    queries = [q for p in sorted(folder.glob("split/jaeger-queries/*.json")) for q in load(p)]
    for moment in group.moments():
        for q in queries:
            want = sorted(ids[x] for x in q["ExpectedFixtures"])
            for path in ("/jaeger/api/traces", "/jaeger/api/v3/traces"):
                group.check(f"{q['Caption']}, {path}, {moment}", ask(group, path, q["Query"], by_ns), want)
        for name, trace in traces.items():
            got = group.json("/jaeger/api/v3/traces/" + ids[name]).get("result", {})
            group.check(f"{name} by v3, {moment}", forms.otlp_plain(got), forms.otlp_plain(trace))
            got = group.json("/jaeger/api/traces/" + ids[name], raw="true").get("data", [{}])
            group.check(f"{name} by id, {moment}", forms.ui_plain(got[0]), forms.ui_of_otlp(trace))
            by_itself(group, name, trace, ids[name], by_ns, moment)
        services = sorted({forms.service_of(r) for t in traces.values() for r in t["resourceSpans"]})
        group.check(f"services, {moment}", sorted(group.json("/jaeger/api/services")["data"]), services)
        group.check(f"services of v3, {moment}", sorted(group.json("/jaeger/api/v3/services")["services"]), services)
        for service in services:
            want = forms.operations_of(traces.values(), service)
            got = group.json("/jaeger/api/operations", service=service)["data"]
            group.check(f"operations of {service}, {moment}", sorted((x["name"], x["spanKind"]) for x in got), want)
            got = group.json("/jaeger/api/v3/operations", service=service)["operations"]
            group.check(f"operations of {service} by v3, {moment}", sorted((x["name"], x["spanKind"]) for x in got), want)
            got = group.json(f"/jaeger/api/services/{service}/operations")["data"]
            group.check(f"names of operations of {service}, {moment}", sorted(got), sorted({name for name, _ in want}))
    return group.end()


# ---- Jaeger's own forms ----

def batches(folder):
    group = Group("batches")
    jaeger = folder / "jaegertracing+jaeger"
    domains = sorted(jaeger.glob("internal/converter/thrift/jaeger/fixtures/domain_*.json"))
    for p in domains:
        want = [forms.ui_of_domain(s) for s in load(p)["spans"]]
        sent = p.with_name(p.name.replace("domain_", "thrift_batch_"))
        pair(group, p, [forms.thrift_of_batch(load(sent))] if sent.exists() else forms.thrift_of_domain(load(p)), want)
    for p in sorted(jaeger.glob("internal/storage/v2/elasticsearch/**/fixtures/domain_*.json")):
        shown = forms.ui_span_plain(load(p.with_name(p.name.replace("domain_", "es_"))), None)
        pair(group, p, forms.thrift_of_domain({"spans": [load(p)]}), [shown])
    for p in sorted(jaeger.glob("cmd/anonymizer/**/trace_success.json")):
        pair(group, p, forms.thrift_of_ui(load(p)), [forms.ui_span_plain(s, None) for s in load(p)])
    for p in sorted(jaeger.glob("cmd/anonymizer/**/trace_*.json")):
        if p.stem == "trace_success":
            continue
        if p.stem == "trace_wrong_format":  # members that are not known are passed over, as OTLP asks for
            r = group.post("/v1/traces", p.read_bytes())
            group.check(f"{p.name} as OTLP", (r.status, r.json), (200, {}))
        else:
            group.refused(p.name, "/v1/traces", p.read_bytes())
        for path, kind in (("/jaeger/api/traces", "application/x-thrift"), ("/zipkin/api/v2/spans", "application/json"),
                           ("/zipkin/api/v1/spans", "application/json"), ("/zipkin/api/v1/spans", "application/x-thrift")):
            group.refused(p.name, path, p.read_bytes(), kind)
    whole = forms.thrift_of_batch(load(next(jaeger.glob("internal/converter/thrift/jaeger/fixtures/thrift_batch_*.json"))))
    for cut in range(1, len(whole) - 1, 7):
        group.refused(f"a batch of {len(whole)} bytes cut at {cut}", "/jaeger/api/traces", whole[:cut], "application/x-thrift")
    group.alive()
    passed, failed = group.end()
    more = v3_answers(jaeger)
    return passed + more[0], failed + more[1]


def pair(group, path, bodies, want):
    """What is sent must read back as these spans."""
    for body in bodies:
        r = group.post("/jaeger/api/traces", body, "application/x-thrift")
        group.check(f"{path.name} goes in: {r.text}", r.status, 202)
    for moment in group.moments():
        got = group.json("/jaeger/api/traces/" + want[0]["traceID"], raw="true").get("data", [{}])
        found = forms.ui_plain(got[0])
        for span in want: # another file may have the same trace
            near = [x for x in found if x["spanID"] == span["spanID"]]
            best = min(near, key=lambda x: len(forms.differences(x, span)), default={})
            group.check(f"{path.name}, span {span['spanID']}, {moment}", forms.differences(best, span), [])


def v3_answers(jaeger):
    """A server that holds one span only, asked for what the snapshots answer. Their span has no time, which a span must have."""
    group = Group("batches")
    files = {p.stem: load(p) for p in sorted(jaeger.glob("cmd/jaeger/**/apiv3/snapshots/*.json"))}
    now = int(time.time()) * 10**9
    if files:
        span = dict(forms.otlp_spans(files["GetTrace"]["result"])[0], startTimeUnixNano=str(now), endTimeUnixNano=str(now + 1000))
        names = files["GetOperations"]["operations"][0]
        other = {"traceId": "0" * 31 + "9", "spanId": "0" * 15 + "9", "name": names["name"], "kind": forms.KINDS.index(names["spanKind"]),
                 "startTimeUnixNano": str(now), "endTimeUnixNano": str(now)}
        service = [{"key": "service.name", "value": {"stringValue": files["GetServices"]["services"][0]}}]
        group.post("/v1/traces", {"resourceSpans": [{"resource": {"attributes": service}, "scopeSpans": [{"scope": {}, "spans": [other]}]}]})
        group.check("services", group.json("/jaeger/api/v3/services"), files["GetServices"])
        group.check("operations", group.json("/jaeger/api/v3/operations", service=files["GetServices"]["services"][0]), files["GetOperations"])
        group.post("/v1/traces", {"resourceSpans": [{"resource": {}, "scopeSpans": [{"scope": {}, "spans": [span]}]}]})
        for moment in group.moments():
            got = group.json("/jaeger/api/v3/traces/" + span["traceId"])
            group.check(f"GetTrace, {moment}", forms.part_of(got, files["GetTrace"]), files["GetTrace"])
            got = group.json("/jaeger/api/v3/traces", **{"query.operation_name": "foobar", "query.start_time_min": forms.rfc3339(now - 10**9),
                                                         "query.start_time_max": forms.rfc3339(now + 10**9)})
            group.check(f"FindTraces, {moment}", forms.part_of(got, files["FindTraces"]), files["FindTraces"])
    return group.end()


# ---- Tempo's service graphs ----

# What its test expects of each: calls by client, server and kind of connection, how many, how many failed.
REQUESTER, SERVER, RECORDER = "mythical-requester", "mythical-server", "mythical-recorder"
GRAPHS = {
    "trace-with-both-db-attributes": {(REQUESTER, SERVER, ""): (1, 0), (REQUESTER, RECORDER, "messaging_system"): (1, 0),
                                      (SERVER, "priority-db", "database"): (1, 0)},
    "trace-without-database-name": {(REQUESTER, SERVER, ""): (1, 0), (REQUESTER, RECORDER, "messaging_system"): (1, 0),
                                    (SERVER, "mythical-database", "database"): (1, 0)},
    "trace-with-failed-requests": {(REQUESTER, SERVER, ""): (1, 1), (SERVER, "postgres", "database"): (1, 1)},
    "trace-with-expired-edges": {(SERVER, REQUESTER, ""): (1, 0), (REQUESTER, "mysql", "database"): (1, 0), ("user", SERVER, "virtual_node"): (1, 0)},
}


def graphs(folder):
    group = Counts("graphs")
    for p in sorted(folder.glob("grafana+tempo/**/servicegraphs/testdata/*.json")):
        trace = forms.otlp_of_tempo(load(p))
        first = min(int(s["startTimeUnixNano"]) for s in forms.otlp_spans(trace))
        server = harness.Server(config=CONFIG)
        r = server.post_json("/v1/traces", moved(trace, time.time_ns() - 10**9 - first))
        group.check(f"{p.stem} goes in", (r.status, r.json), (200, {}))
        want = GRAPHS[p.stem]
        found = {}
        end = time.monotonic() + 30
        while not set(want) <= set(found) and time.monotonic() < end:
            time.sleep(0.5)
            found = {tuple(e[k] for k in ("client", "server", "connection_type")): e for e in group_map(server)["edges"]}
        for key, (calls, failed) in want.items():
            e = found.get(key, {})
            group.check(f"{p.stem}, {key}", (e.get("error_ratio"), bool(e.get("requests_per_second"))), (failed / calls, True))
        databases = sorted(n["service"] for n in group_map(server)["nodes"] if n["type"] == "database")
        group.check(f"{p.stem}, databases", databases, sorted({key[1] for key in want if key[2] == "database"}))
        server.close()
    return group.passed, group.failed


def group_map(server):
    return server.get("/api/stoa/v1/service_map").json["data"]


# ---- OpenTelemetry's examples ----

def otlp(folder):
    group = Group("otlp")
    for p in sorted(folder.glob("open-telemetry+opentelemetry-proto/examples/trace*.json")):
        sent = load(p)
        r = group.post("/v1/traces", sent)
        group.check(f"{p.name} goes in", (r.status, r.json), (200, {}))
        want = forms.otlp_plain(sent)
        for moment in group.moments():
            got = group.json("/jaeger/api/v3/traces/" + want[0]["traceId"]).get("result", {})
            group.check(f"{p.name} by v3, {moment}", forms.otlp_plain(got), want)
            got = group.json("/jaeger/api/traces/" + want[0]["traceId"], raw="true").get("data", [{}])
            group.check(f"{p.name} by id, {moment}", forms.ui_plain(got[0]), forms.ui_of_otlp(sent))
            got = group.server.get("/tempo/api/traces/" + want[0]["traceId"], headers={"Accept": "application/json"}).json
            got = forms.otlp_plain({"resourceSpans": got.get("batches", got.get("resourceSpans"))})
            group.check(f"{p.name} by Tempo's API, {moment}", got, want)
    for p in sorted(folder.glob("open-telemetry+opentelemetry-proto/examples/*.json")):
        if p.stem in ("logs", "metrics"):
            r = group.post("/v1/" + p.stem, load(p))
            group.check(f"{p.name} goes in", (r.status, r.json), (200, {}))
    return group.end()


def headers(folder):
    group = Counts("headers")
    trace_headers.run(folder, group)
    return group.passed, group.failed


def tempo(folder):
    """Traces in the JSON of Tempo's own tests."""
    group = Group("tempo")
    for p in sorted((folder / "grafana+tempo").glob("**/trace.json")):
        sent = forms.otlp_of_tempo(load(p))
        group.check(f"{p.parent.name}/{p.name} goes in", group.post("/v1/traces", sent).status, 200)
        trace = forms.otlp_spans(sent)[0]["traceId"]
        for moment in group.moments():
            for path in ("/jaeger/api/v3/traces/", "/tempo/api/traces/", "/tempo/api/v2/traces/"):
                got = group.server.get(path + trace, headers={"Accept": "application/json"}).json
                got = got.get("result", got.get("trace", got))
                got = forms.otlp_plain({"resourceSpans": got.get("resourceSpans", got.get("batches"))})
                group.check(f"{p.parent.name}/{p.name} by {path}, {moment}", forms.differences(got, forms.otlp_plain(sent))[:5], [])
    return group.end()


GROUPS = (("queries", suite), ("batches", batches), ("zipkin", trace_zipkin.run), ("otlp", otlp), ("tempo", tempo), ("headers", headers), ("graphs", graphs))


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    folder, only = pathlib.Path(sys.argv[1]), sys.argv[2:]
    passed = failed = 0
    trace_zipkin.Group = Group
    for name, run in GROUPS:
        if only and name not in only:
            continue
        good, bad = run(folder)
        print(f"{name}: {good} passed, {bad} failed")
        passed, failed = passed + good, failed + bad
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
