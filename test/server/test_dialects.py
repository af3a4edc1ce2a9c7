# SPDX-License-Identifier: Apache-2.0
"""One trace written by every dialect and read by every dialect: each reads back what it wrote, and nothing that both can say is lost.

LOGICAL is the trace in no dialect's words. `within` cuts it down to what the writer can say, and the readers' forms are made of that."""
import base64
import json
import time
import unittest

import harness
import trace_forms as forms

US, NOW_NS = 1000, (int(time.time()) - 120) * 10**9
KINDS = ["unspecified", "internal", "server", "client", "producer", "consumer"]
FAR_TRACE, FAR_SPAN = 0x0AF7651916CD43DD8448EB211C80319C, 0xB7AD6B7169203331

# Times in nanoseconds after NOW_NS; ids as numbers; values as Python has them.
LOGICAL = [
    dict(service="shop", resource={"host.name": "h1", "cores": 8, "load": 0.5, "beta": True}, scope=("http", "1.2"), id=0xA1, parent=0, kind="server",
         name="POST /order", start=0, duration=250_000_789, status=("error", "it broke"), state="a=b,c=d", sampled=True,
         attributes={"http.route": "/order", "http.status_code": 500, "big": 2**53 + 1, "low": -(2**63), "ratio": 0.25, "whole": 2.0, "cached": False,
                     "key": b"\x00\xff\x10", "text": "Gr\u00fc\u00dfe \u6f22\u5b57 \"'\n", "list": ["a", 1, 0.5, False], "map": {"k": {"n": [1, "x"]}}},
         events=[(5_001, "retry", {"n": 2, "why": "slow", "left": 0.5, "ok": False}), (9_000, "done", {})],
         links=[(FAR_TRACE, FAR_SPAN, "l=1", {"why": "batch"})]),
    dict(service="shop", resource={"host.name": "h1", "cores": 8, "load": 0.5, "beta": True}, scope=("db", ""), id=0xA2, parent=0xA1, kind="client",
         name="SELECT", start=10_000_500, duration=100_000_000, status=("ok", ""), state="", sampled=True,
         attributes={"peer.service": "orders", "net.peer.ip": "10.1.2.3", "net.peer.port": 5432, "db.system": "postgresql"}, events=[], links=[]),
    dict(service="stock", resource={}, scope=("", ""), id=0xA3, parent=0xA2, kind="consumer", name="reserve", start=20_000_000, duration=1, status=("unset", ""),
         state="", sampled=False, attributes={}, events=[], links=[]),
    dict(service="stock", resource={}, scope=("", ""), id=0xFEDCBA9876543210, parent=0xA3, kind="internal", name="count", start=20_000_000, duration=5_000_000,
         status=("error", ""), state="", sampled=False, attributes={"i": 1}, events=[], links=[]),
    dict(service="stock", resource={}, scope=("", ""), id=0xA5, parent=0xDEAD, kind="producer", name="tell", start=30_000_000, duration=2_000_000, status=("unset", ""),
         state="", sampled=False, attributes={"peer.service": "mail"}, events=[], links=[]),
]


def text_of(v):
    """A value where only texts are."""
    if isinstance(v, bool):
        return "true" if v else "false"
    if isinstance(v, bytes):
        return base64.b64encode(v).decode()
    if isinstance(v, (list, dict)):
        return json.dumps(v, separators=(",", ":"), ensure_ascii=False)
    if isinstance(v, float) and v == int(v):
        return str(int(v))
    return str(v)


def within(dialect, span):
    """What is left of a span in the words of a dialect."""
    s = json.loads(json.dumps(span, default=lambda b: {"__": b.hex()}), object_hook=lambda d: bytes.fromhex(d["__"]) if "__" in d else d)
    if dialect == "otlp":
        return s
    for key in ("start", "duration"):
        s[key] = s[key] // US * US
    s["events"] = [(at // US * US, name, values) for at, name, values in s["events"]]
    if dialect == "jaeger":
        s["duration"] = s["duration"] or 0
        s["attributes"] = {k: text_of(v) if isinstance(v, (list, dict)) else v for k, v in s["attributes"].items()}
        s["links"] = [(t, i, "", {"opentracing.ref_type": "follows_from"}) for t, i, _, _ in s["links"]]
        return s
    s["duration"] = max(s["duration"], US)  # 0 is none
    s["kind"] = "unspecified" if s["kind"] == "internal" else s["kind"]
    s["sampled"] = False
    s["attributes"] = {k: v if k == "net.peer.port" else text_of(v) for k, v in s["attributes"].items()}
    s["events"] = [(at, name, {}) for at, name, _ in s["events"]]
    s["links"] = []
    s["resource"] = {}
    if s["status"][0] == "error":
        s["attributes"]["error"] = s["status"][1]
    return s


# ---- writing ----

def otlp(trace, spans):
    groups = {}
    for s in spans:
        resource = dict({"service.name": s["service"]}, **s["resource"])
        groups.setdefault(json.dumps([resource, s["scope"]]), (resource, s["scope"], []))[2].append({
            "traceId": f"{trace:032x}", "spanId": f"{s['id']:016x}", "traceState": s["state"], "parentSpanId": f"{s['parent']:016x}" if s["parent"] else "",
            "name": s["name"], "kind": KINDS.index(s["kind"]), "startTimeUnixNano": str(NOW_NS + s["start"]),
            "endTimeUnixNano": str(NOW_NS + s["start"] + s["duration"]), "attributes": forms.attributes(s["attributes"]),
            "events": [{"timeUnixNano": str(NOW_NS + at), "name": name, "attributes": forms.attributes(values)} for at, name, values in s["events"]],
            "links": [{"traceId": f"{t:032x}", "spanId": f"{i:016x}", "traceState": state, "attributes": forms.attributes(values)} for t, i, state, values in s["links"]],
            "status": {"message": s["status"][1], "code": ["unset", "ok", "error"].index(s["status"][0])}, "flags": 257 if s["sampled"] else 0})
    return {"resourceSpans": [{"resource": {"attributes": forms.attributes(r)}, "scopeSpans": [{"scope": {"name": scope[0], "version": scope[1]}, "spans": list_}]}
                              for r, scope, list_ in groups.values()]}


def zipkin(trace, s):
    tags = {k: v for k, v in s["attributes"].items() if k not in ("peer.service", "net.peer.ip", "net.peer.port")}
    if s["scope"][0]:
        tags["otel.scope.name"] = s["scope"][0]
    if s["scope"][1]:
        tags["otel.scope.version"] = s["scope"][1]
    if s["state"]:
        tags["w3c.tracestate"] = s["state"]
    if s["status"][0] == "ok":
        tags["otel.status_code"] = "OK"
    remote = {name: s["attributes"][key] for key, name in (("peer.service", "serviceName"), ("net.peer.ip", "ipv4"), ("net.peer.port", "port")) if key in s["attributes"]}
    out = {"traceId": f"{trace:032x}", "id": f"{s['id']:016x}", "name": s["name"], "timestamp": (NOW_NS + s["start"]) // US, "duration": s["duration"] // US,
           "localEndpoint": {"serviceName": s["service"]}}
    if s["parent"]:
        out["parentId"] = f"{s['parent']:016x}"
    if s["kind"] not in ("unspecified", "internal"):
        out["kind"] = s["kind"].upper()
    if remote:
        out["remoteEndpoint"] = remote
    if s["events"]:
        out["annotations"] = [{"timestamp": (NOW_NS + at) // US, "value": name} for at, name, _ in s["events"]]
    if tags:
        out["tags"] = tags
    return out


def jaeger(trace, spans):
    """A batch of each process."""
    processes = {}
    for s in spans:
        tags = list(s["attributes"].items()) + [("span.kind", s["kind"])]
        tags += [(k, v) for k, v in (("otel.scope.name", s["scope"][0]), ("otel.scope.version", s["scope"][1]), ("w3c.tracestate", s["state"]),
                                     ("otel.status_description", s["status"][1])) if v]
        if s["status"][0] != "unset":
            tags += [("otel.status_code", s["status"][0].upper())] + ([("error", True)] if s["status"][0] == "error" else [])
        logs = [((NOW_NS + at) // US, [("event", name)] + list(values.items())) for at, name, values in s["events"]]
        span = forms.t_span(trace, s["id"], s["name"], (NOW_NS + s["start"]) // US, s["duration"] // US, s["parent"], [(1, t, i) for t, i, _, _ in s["links"]],
                            int(s["sampled"]), tags, logs)
        processes.setdefault((s["service"], tuple(s["resource"].items())), []).append(span)
    return [forms.t_batch(service, tags, list_) for (service, tags), list_ in processes.items()]


# ---- what the readers should say ----

def number(v):
    return v.hex() if isinstance(v, bytes) else v if isinstance(v, (bool, str, list, dict)) else float(v) if isinstance(v, float) else v


def as_otlp(spans, written):
    out = {}
    for s in spans:
        out[s["id"]] = dict(service=s["service"], resource=s["resource"], scope=s["scope"], parent=s["parent"], kind=s["kind"], name=s["name"], start=s["start"],
                            duration=s["duration"], status=s["status"], state=s["state"], attributes={k: number(v) for k, v in s["attributes"].items()},
                            events=[(at, name, values) for at, name, values in s["events"]], links=s["links"], flags=(257 if written == "otlp" else 1) if s["sampled"] else 0)
        if written == "zipkin" and s["status"][0] == "ok":
            out[s["id"]]["attributes"]["otel.status_code"] = "OK"
    return out


def read_otlp(data):
    """The same of OTLP's JSON."""
    out = {}
    for r in data:
        resource = forms.values_of(r.get("resource", {}).get("attributes"))
        service = resource.pop("service.name", "unknown_service")
        for group in r["scopeSpans"]:
            scope = group.get("scope", {})
            for s in group["spans"]:
                start = int(s["startTimeUnixNano"])
                code = s.get("status", {}).get("code", 0)
                kind = s.get("kind", 0)
                links = [(int(hex_id(x["traceId"]), 16), int(hex_id(x["spanId"]), 16), x.get("traceState", ""), forms.values_of(x.get("attributes"))) for x in s.get("links", [])]
                out[int(hex_id(s["spanId"]), 16)] = dict(
                    service=service, resource=resource, scope=[scope.get("name", ""), scope.get("version", "")], parent=int(hex_id(s.get("parentSpanId", "")) or "0", 16),
                    kind=KINDS[kind] if isinstance(kind, int) else kind[len("SPAN_KIND_"):].lower(), name=s.get("name", ""), start=start - NOW_NS,
                    duration=int(s["endTimeUnixNano"]) - start, state=s.get("traceState", ""), attributes={k: number(v) for k, v in forms.values_of(s.get("attributes")).items()},
                    status=[["unset", "ok", "error"][code] if isinstance(code, int) else code[len("STATUS_CODE_"):].lower(), s.get("status", {}).get("message", "")],
                    events=[(int(v["timeUnixNano"]) - NOW_NS, v.get("name", ""), forms.values_of(v.get("attributes"))) for v in s.get("events", [])],
                    links=links, flags=s.get("flags", 0))
    return out


def hex_id(text):
    """Hexadecimal, or base64 as protobuf's JSON has it."""
    return text if len(text) in (0, 16, 32) else base64.b64decode(text).hex()


JAEGER_TYPES = {bool: "bool", int: "int64", float: "float64", bytes: "binary", str: "string"}


def j_tag(v):
    if isinstance(v, (list, dict)):
        v = text_of(v)
    kind = JAEGER_TYPES[type(v)]
    return kind, base64.b64encode(v).decode() if kind == "binary" else str(v) if kind == "int64" and abs(v) >= 2**53 else v


def as_jaeger(spans, written):
    out = {}
    for s in spans:
        tags = {k: j_tag(v) for k, v in s["attributes"].items() if not (k == "error" and s["status"][0] == "error")}
        for key, value in (("span.kind", "" if s["kind"] == "unspecified" else s["kind"]), ("otel.scope.name", s["scope"][0]), ("otel.scope.version", s["scope"][1]),
                           ("w3c.tracestate", s["state"]), ("otel.status_description", s["status"][1]), ("otel.status_code", s["status"][0].upper().replace("UNSET", ""))):
            if value:
                tags[key] = ("string", value)
        if s["status"][0] == "error":
            tags["error"] = ("bool", True)
        references = [("CHILD_OF", "", s["parent"])] if s["parent"] else []
        references += [("FOLLOWS_FROM", f"{t:032x}", i) for t, i, _, _ in s["links"]]
        logs = [((NOW_NS + at) // US, dict({"event": ("string", name)}, **{k: j_tag(v) for k, v in values.items()})) for at, name, values in s["events"]]
        out[s["id"]] = dict(name=s["name"], start=(NOW_NS + s["start"]) // US, duration=s["duration"] // US, tags=tags, references=references, logs=logs,
                            service=s["service"], process={k: j_tag(v) for k, v in s["resource"].items()}, flags=int(s["sampled"]))
    return out


def read_jaeger(trace, data):
    def tags(list_):
        assert len({t["key"] for t in list_}) == len(list_), list_
        return {t["key"]: (t["type"], t["value"]) for t in list_}
    out = {}
    for s in data["spans"]:
        assert s["traceID"] == data["traceID"] == f"{trace:032x}", s
        process = data["processes"][s["processID"]]
        references = [(r["refType"], "" if r["traceID"] == s["traceID"] else r["traceID"], int(r["spanID"], 16)) for r in s["references"]]
        out[int(s["spanID"], 16)] = dict(name=s["operationName"], start=s["startTime"], duration=s["duration"], tags=tags(s["tags"]), references=references,
                                         logs=[(v["timestamp"], tags(v["fields"])) for v in s["logs"]], service=process["serviceName"], process=tags(process["tags"]),
                                         flags=s.get("flags", 0))
    return out


def as_zipkin(trace, spans, written):
    if written == "zipkin":
        return {f"{s['id']:016x}": zipkin(trace, s) for s in spans}
    out = {}
    for s in spans:
        z = zipkin(trace, dict(s, duration=max(s["duration"], US), attributes={}, events=[], status=("unset", "")))
        remote = {name: s["attributes"][key] for key, name in (("peer.service", "serviceName"), ("net.peer.ip", "ipv4"), ("net.peer.port", "port")) if key in s["attributes"]}
        if remote:
            z["remoteEndpoint"] = remote
        if s["duration"] == 0:
            del z["duration"]
        tags = dict(z.get("tags", {}), **{k: text_of(v) for k, v in list(s["resource"].items()) + list(s["attributes"].items())})
        if s["status"][0] == "error":
            tags["error"] = s["status"][1]
        if s["status"][0] != "unset":
            tags["otel.status_code"] = s["status"][0].upper()
        for i, (t, span, state, values) in enumerate(s["links"]):
            tags[f"otlp.link.{i}"] = f"{t:032x}|{span:016x}|{state}|{text_of(values)}|0"
        if s["events"]:
            z["annotations"] = [{"timestamp": (NOW_NS + at) // US, "value": f'"{name}":{text_of(values)}' if values else name} for at, name, values in s["events"]]
        if tags:
            z["tags"] = tags
        out[z["id"]] = z
    return out


class Dialects(harness.Case):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.s = harness.Server()

    @classmethod
    def tearDownClass(cls):
        cls.s.close()

    def sent(self, path, body, kind, accepted):
        r = self.s.post(path, body, {"Content-Type": kind})
        self.assertEqual(r.status, accepted, r.text)
        return r

    def write(self, how, trace, spans):
        if how == "otlp json":
            self.assertEqual(self.s.post_json("/v1/traces", otlp(trace, spans)).json, {})
        elif how == "otlp protobuf":
            self.assertEqual(self.sent("/v1/traces", forms.encode("request", otlp(trace, spans)), "application/x-protobuf", 200).body, b"")
        elif how == "otlp grpc":
            self.assertEqual(forms.grpc(self.s.url, forms.TRACES_EXPORT, forms.encode("request", otlp(trace, spans)))[:2], ([b""], 0))
        elif how == "zipkin json":
            self.sent("/zipkin/api/v2/spans", json.dumps([zipkin(trace, s) for s in spans]).encode(), "application/json", 202)
        elif how == "zipkin protobuf":
            self.sent("/zipkin/api/v2/spans", forms.encode("zipkin", {"spans": [zipkin(trace, s) for s in spans]}), "application/x-protobuf", 202)
        else:
            for batch in jaeger(trace, spans):
                self.sent("/jaeger/api/traces", batch, "application/x-thrift", 202)

    def got(self, path, headers=None, **params):
        r = self.s.get(path, params, headers=headers)
        self.assertEqual(r.status, 200, r.text)
        return r

    def check_readers(self, trace, spans, written):
        id_, proto = f"{trace:032x}", {"Accept": "application/protobuf"}
        for what, data in [("jaeger v3", lambda: self.got("/jaeger/api/v3/traces/" + id_, raw_traces="true").json["result"]["resourceSpans"]),
                           ("tempo v1 json", lambda: self.got("/tempo/api/traces/" + id_).json["batches"]),
                           ("tempo v2 json", lambda: self.got("/tempo/api/v2/traces/" + id_).json["trace"]["resourceSpans"]),
                           ("tempo v1 protobuf", lambda: forms.decode("request", self.got("/tempo/api/traces/" + id_, proto).body)["resourceSpans"]),
                           ("tempo v2 protobuf", lambda: forms.decode("tempo_v2", self.got("/tempo/api/v2/traces/" + id_, proto).body)["trace"]["resourceSpans"])]:
            with self.subTest(written=written, read=what):
                self.assertEqual(plain(read_otlp(data())), plain(as_otlp(spans, written)))
        with self.subTest(written=written, read="jaeger v2"):
            self.assertEqual(plain(read_jaeger(trace, self.got("/jaeger/api/traces/" + id_, raw="true").json["data"][0])), plain(as_jaeger(spans, written)))
        with self.subTest(written=written, read="zipkin"):
            self.assertEqual({s["id"]: s for s in self.got("/zipkin/api/v2/trace/" + id_).json}, as_zipkin(trace, spans, written))

    def test_the_matrix(self):
        for number_, how in enumerate(["otlp json", "otlp protobuf", "otlp grpc", "zipkin json", "zipkin protobuf", "jaeger thrift"]):
            trace, written = 0x5B8EFFF798038103D269B633813FC600 + number_, how.split()[0]
            spans = [within(written, s) for s in LOGICAL]
            self.write(how, trace, spans)
            self.check_readers(trace, spans, written)
        self.assertEqual(self.s.post("/api/stoa/v1/flush").status, 200)
        for number_, written in enumerate(["otlp", "otlp", "otlp", "zipkin", "zipkin", "jaeger"]):  # the same from the disk
            self.check_readers(0x5B8EFFF798038103D269B633813FC600 + number_, [within(written, s) for s in LOGICAL], written)

    def test_what_zipkin_says_oddly_comes_back(self):
        at = NOW_NS // US
        local = {"serviceName": "odd", "ipv4": "10.0.0.1", "ipv6": "2001:db8::1", "port": 80}
        spans = [
            {"traceId": "00000000000000e1", "id": "0000000000000001"},
            {"traceId": "00000000000000e1", "id": "0000000000000002", "timestamp": at, "localEndpoint": {"ipv6": "::1"}, "remoteEndpoint": {"port": 443}},
            {"traceId": "00000000000000e1", "id": "0000000000000003", "timestamp": at, "localEndpoint": local, "kind": "CLIENT",
             "remoteEndpoint": {"serviceName": "a", "ipv4": "10.0.0.2", "ipv6": "2001:db8::2", "port": 1},
             "tags": {"peer.service": "b", "net.peer.ip": "not one", "net.peer.port": "x", "error": "", "otel.status_code": "ERROR", "otel.library.name": "l", "empty": ""}},
            {"traceId": "00000000000000e1", "id": "0000000000000004", "timestamp": at, "localEndpoint": local, "kind": "PRODUCER",
             "remoteEndpoint": {"serviceName": "kafka"}, "tags": {"net.peer.ip": "10.0.0.9", "error": "false"}, "debug": True},
            {"traceId": "00000000000000e1", "id": "0000000000000003", "timestamp": at, "duration": 7, "localEndpoint": {"serviceName": "odd2"}, "kind": "SERVER", "shared": True,
             "annotations": [{"timestamp": at + 2, "value": "b"}, {"timestamp": at + 1, "value": '"x":{"y":1}'}]}]
        for body, kind in [(json.dumps(spans).encode(), "application/json"), (forms.encode("zipkin", {"spans": [dict(s, traceId="00000000000000e2") for s in spans]}), "application/x-protobuf")]:
            self.sent("/zipkin/api/v2/spans", body, kind, 202)
        order = lambda list_: sorted((json.dumps(s, sort_keys=True) for s in list_))
        self.assertEqual(order(self.got("/zipkin/api/v2/trace/e1").json), order(spans))
        self.assertEqual(order(self.got("/zipkin/api/v2/trace/e2").json), order([dict(s, traceId="00000000000000e2") for s in spans]))
        peers = {s["id"]: s["attributes"].get("peer.service") for s in [dict(id=k, **v) for k, v in read_otlp(self.got("/jaeger/api/v3/traces/e1").json["result"]["resourceSpans"]).items()]}
        self.assertEqual(peers[4], "kafka")

    def test_what_jaeger_says_oddly_comes_back(self):
        trace, at = 0x77, NOW_NS // US
        refs = [(1, FAR_TRACE, FAR_SPAN), (0, trace, 5), (0, FAR_TRACE, 6)]
        rows = {1: dict(tags=[("error", True), ("span.kind", "entry")]), 2: dict(tags=[("otel.status_code", "ERROR"), ("otel.library.name", "l"), ("otel.library.version", "2")]),
                3: dict(tags=[("error", False), ("error.object", "E"), ("otel.status_code", "UNSET"), ("b", b"\x00\x01"), ("n", -2**63), ("f", 1e300), ("", "nameless")]),
                4: dict(refs=refs, flags=3, logs=[(at + 5, [("message", "no name"), ("n", 1)]), (at + 6, [("event", "x"), ("level", "info")])]), 5: dict(parent=4)}
        spans = [forms.t_span(trace, i, "op", at, 0 if i == 1 else 5, **row) for i, row in rows.items()]
        self.sent("/jaeger/api/traces", forms.t_batch("odd", [("ip", "10.0.0.7"), ("bytes", b"\xff")], spans), "application/x-thrift", 202)
        got = read_jaeger(trace, self.got("/jaeger/api/traces/77", raw="true").json["data"][0])
        for i, row in rows.items():
            self.assertEqual(got[i]["tags"], {k: j_tag(v) for k, v in row.get("tags", []) if k})
            self.assertEqual(got[i]["flags"], row.get("flags", 0))
            self.assertEqual(got[i]["logs"], [(t, {k: j_tag(v) for k, v in pairs}) for t, pairs in row.get("logs", [])])
            self.assertEqual((got[i]["start"], got[i]["duration"]), (at, 0 if i == 1 else 5))
        self.assertEqual(got[4]["references"], [("CHILD_OF", "", 5), ("FOLLOWS_FROM", f"{FAR_TRACE:032x}", FAR_SPAN), ("CHILD_OF", f"{FAR_TRACE:032x}", 6)])
        self.assertEqual(got[5]["references"], [("CHILD_OF", "", 4)])
        self.assertEqual(got[1]["process"], {"ip": ("string", "10.0.0.7"), "bytes": ("binary", "/w==")})
        z = {s["id"][-1]: s for s in self.got("/zipkin/api/v2/trace/77").json}
        self.assertEqual((z["1"]["tags"]["error"], "error" in z["3"].get("tags", {}), z["4"]["debug"], z["1"]["localEndpoint"]),
                         ("true", False, True, {"serviceName": "odd", "ipv4": "10.0.0.7"}))
        o = read_otlp(self.got("/tempo/api/v2/traces/77").json["trace"]["resourceSpans"])
        self.assertEqual((o[1]["status"][0], o[2]["status"][0], o[2]["scope"], o[3]["status"][0], o[3]["attributes"]["b"], o[4]["links"][1][3]),
                         ("error", "error", ["l", "2"], "unset", "0001", {"opentracing.ref_type": "child_of"}))

    def test_peers_by_rank(self):
        peers = [("client", {"peer.service": "a", "server.address": "b"}, {"serviceName": "a"}), ("client", {"server.address": "b", "net.peer.name": "c"}, {"serviceName": "b"}),
                 ("client", {"network.peer.address": "10.0.0.1", "network.peer.port": 5, "db.name": "d"}, {"ipv4": "10.0.0.1", "port": 5}),
                 ("producer", {"net.sock.peer.addr": "2001:db8::1"}, {"ipv6": "2001:db8::1"}), ("client", {"peer.ipv4": 167772161, "peer.port": 9}, {"ipv4": "10.0.0.1", "port": 9}),
                 ("client", {"db.name": "d"}, {"serviceName": "d"}), ("server", {"server.address": "me", "db.name": "d"}, None),
                 ("server", {"peer.service": "caller", "network.peer.address": "10.9.9.9"}, {"serviceName": "caller", "ipv4": "10.9.9.9"}), ("internal", {}, None),
                 ("client", {"server.address": "10.0.0.3"}, {"ipv4": "10.0.0.3"})]
        base = LOGICAL[2]
        self.write("otlp json", 0x99, [dict(base, id=i + 1, parent=0, kind=kind, attributes=values) for i, (kind, values, _) in enumerate(peers)])
        got = {int(s["id"], 16): s for s in self.got("/zipkin/api/v2/trace/99").json}
        for i, (kind, values, expected) in enumerate(peers):
            with self.subTest(values):
                self.assertEqual(got[i + 1].get("remoteEndpoint"), expected)
                self.assertEqual(got[i + 1].get("tags", {}), {k: text_of(v) for k, v in values.items()})


def plain(v):
    """Tuples as lists."""
    return json.loads(json.dumps(v, default=lambda b: {"bytes": b.hex()}, sort_keys=True))


if __name__ == "__main__":
    harness.main()
