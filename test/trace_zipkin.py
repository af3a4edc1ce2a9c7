# SPDX-License-Identifier: Apache-2.0
"""Cases of Zipkin's models: lists of spans that must read back as they were written, or as the second model has them."""
import base64
import json
import re
import socket
import struct

Group = None  # trace_cases.Group
ADDRESSES = ("sa", "ca", "ma")
CALLS = {"cs": ("CLIENT", "cr"), "sr": ("SERVER", "ss"), "ms": ("PRODUCER", None), "mr": ("CONSUMER", None)}


def text(value):
    return json.dumps(value, sort_keys=True)


def plain(spans):
    """What is empty is not there; ids in full."""
    out = []
    for s in spans:
        x = {k: v for k, v in s.items() if v not in (None, [], {}, False)}
        for k in ("id", "parentId"):
            if k in x:
                x[k] = x[k].rjust(16, "0").lower()
        x["traceId"] = x["traceId"].rjust(16 if len(x["traceId"]) <= 16 else 32, "0").lower()
        if "annotations" in x:
            x["annotations"] = sorted(x["annotations"], key=text)
        out.append(x)
    return sorted(out, key=text)


def documents(raw):
    """The JSON documents of a file, one behind the other."""
    out, at, decoder = [], 0, json.JSONDecoder()
    while raw[at:].strip():
        at += len(raw[at:]) - len(raw[at:].lstrip())
        value, at = decoder.raw_decode(raw, at)
        out.append(value if isinstance(value, list) else [value])
    return out


# ---- the first model ----

def of_dump(spans):
    """Thrift's structures written as JSON, in the JSON of the first model."""
    def endpoint(h):
        out = {"serviceName": h["service_name"], "port": h["port"] & 0xFFFF, "ipv4": socket.inet_ntoa(struct.pack(">I", h["ipv4"] & 0xFFFFFFFF)) if h["ipv4"] else "",
               "ipv6": socket.inet_ntop(socket.AF_INET6, base64.b64decode(h["ipv6"])) if h.get("ipv6") else ""}
        return {k: v for k, v in out.items() if v}

    def value(b):
        raw, size = base64.b64decode(b["value"]), {"I16": 2, "I32": 4, "I64": 8}.get(b["annotation_type"])
        return raw.decode() if size is None else str(int.from_bytes(raw[:size], "big", signed=True))

    out = []
    for s in spans:
        high = f"{s['trace_id_high'] & (1 << 64) - 1:016x}" if s.get("trace_id_high") else ""
        x = {"traceId": high + f"{s['trace_id'] & (1 << 64) - 1:016x}", "id": f"{s['id'] & (1 << 64) - 1:016x}", "name": s["name"],
             "timestamp": s.get("timestamp"), "duration": s.get("duration"),
             "annotations": [{"timestamp": a["timestamp"], "value": a["value"], "endpoint": endpoint(a["host"])} for a in s.get("annotations") or []],
             "binaryAnnotations": [{"key": b["key"], "value": value(b), "endpoint": endpoint(b["host"])} for b in s.get("binary_annotations") or []]}
        if s.get("parent_id"):
            x["parentId"] = f"{s['parent_id'] & (1 << 64) - 1:016x}"
        out.append(x)
    return out


def second(s):
    """A span of the first model with one endpoint, in the second."""
    notes, tags = s.get("annotations", []), s.get("binaryAnnotations", [])
    out = {k: s[k] for k in ("traceId", "id", "parentId", "name", "timestamp", "duration", "debug") if s.get(k)}
    at = {a["value"]: a["timestamp"] for a in notes}
    endpoints = [x["endpoint"] for x in notes + tags if x.get("endpoint") and x.get("key") not in ADDRESSES]
    if endpoints:
        out["localEndpoint"] = endpoints[0]
    said = set()
    for begin, (kind, end) in CALLS.items():
        if begin in at:
            out["kind"], said = kind, {begin, end}
            out.setdefault("timestamp", at[begin])
            if end in at:
                out.setdefault("duration", at[end] - at[begin])
            if kind == "SERVER" and not s.get("timestamp"):
                out["shared"] = True
            peer = next((b["endpoint"] for b in tags if b["key"] == {"CLIENT": "sa", "SERVER": "ca"}.get(kind, "ma")), None)
            if peer:
                out["remoteEndpoint"] = peer
    out["annotations"] = [{"timestamp": a["timestamp"], "value": a["value"]} for a in notes if a["value"] not in said]
    out["tags"] = {b["key"]: b["value"] for b in tags if not (b["key"] in ADDRESSES or (b["key"] == "lc" and b["value"] == ""))}
    if not out.get("timestamp") and notes:  # what a span without a time begins with
        out["timestamp"] = min(a["timestamp"] for a in notes)
    return out


# ---- the cases ----

def reads_back(group, what, sent, alone=True):
    """alone: nothing else was written into these traces."""
    def of_these(list_, want, form):
        return [x for x in form(list_) if alone or x in want] if isinstance(list_, list) else list_

    for moment in group.moments():
        for trace in sorted({s["traceId"] for s in sent}):
            want = plain([s for s in sent if s["traceId"] == trace])
            got = group.json("/zipkin/api/v2/trace/" + trace)
            group.check(f"{what}, trace {trace}, {moment}", of_these(got, want, plain), want)
            shown = group.json("/jaeger/api/traces/" + trace).get("data", [{"spans": []}])[0]["spans"]
            names = sorted((int(s["id"], 16), s.get("name", "")) for s in want)
            group.check(f"{what}, trace {trace} by Jaeger's API, {moment}",
                        of_these(shown, names, lambda x: sorted((set if not alone else list)((int(s["spanID"], 16), s["operationName"]) for s in x))), names)
            many = group.json("/zipkin/api/v2/traceMany", traceIds=trace + ",fffffffffffffff1")
            group.check(f"{what}, trace {trace} of many, {moment}", [of_these(t, want, plain) for t in many], [want])
        found(group, what, moment, sent)


def found(group, what, moment, sent):
    """A search finds each trace by its services, and by a tag of it."""
    end = max(s["timestamp"] for s in sent) // 1000 + 1000
    window = {"endTs": end, "lookback": 86400000, "limit": 1000}
    names = {s["localEndpoint"]["serviceName"] for s in sent if s.get("localEndpoint", {}).get("serviceName")}
    for name in sorted(names):
        want = {s["traceId"] for s in sent if s.get("localEndpoint", {}).get("serviceName") == name}
        got = {t[0]["traceId"] for t in group.json("/zipkin/api/v2/traces", serviceName=name, **window)}
        group.check(f"{what}, traces of {name}, {moment}", want - got, set())
        key = next(((k, v) for s in sent if s.get("localEndpoint", {}).get("serviceName") == name for k, v in s.get("tags", {}).items()
                    if v and not re.search(r"[\"= ]| and ", k + v)), None)
        if key:
            got = {t[0]["traceId"] for t in group.json("/zipkin/api/v2/traces", serviceName=name, annotationQuery="=".join(key), **window)}
            group.check(f"{what}, traces of {name} with {key}, {moment}", bool(want & got), True)
    services = set(group.json("/zipkin/api/v2/services"))
    group.check(f"{what}, services, {moment}", names - services, set())


def run(folder):
    group = Group("zipkin")
    for p in sorted((folder / "openzipkin+zipkin").rglob("*.json")):
        for spans in documents(p.read_text()):
            r = group.post("/zipkin/api/v2/spans", spans)
            group.check(f"{p.name} goes in: {r.text}", r.status, 202)
            reads_back(group, p.name, spans)
    for p in sorted((folder / "influxdata+telegraf").rglob("zipkin/testdata/json/*.json")):
        for spans in documents(p.read_text()):
            is_dump = "trace_id" in spans[0]
            spans = of_dump(spans) if is_dump else spans
            r = group.post("/zipkin/api/v1/spans", spans)
            group.check(f"{p.name} goes in: {r.text}", r.status, 202)
            reads_back(group, p.name, [second(s) for s in spans], alone=not is_dump)
    group.alive()
    passed, failed = group.end()
    group = Group("zipkin")
    for p in sorted((folder / "influxdata+telegraf").rglob("zipkin/testdata/*.dat")):
        r = group.post("/api/v1/spans", p.read_bytes(), "application/x-thrift")
        group.check(f"{p.name} goes in: {r.text}", r.status, 202)
        dump = p.parent / "json" / (p.stem + ".json")
        for spans in documents(dump.read_text()):
            reads_back(group, p.name, [second(s) for s in of_dump(spans)], alone=False)
        whole = p.read_bytes()
        for cut in range(6, len(whole) - 1, 97):
            group.refused(f"{p.name} cut at {cut}", "/api/v1/spans", whole[:cut], "application/x-thrift")
    group.alive()
    more = group.end()
    return passed + more[0], failed + more[1]
