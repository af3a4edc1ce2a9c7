# SPDX-License-Identifier: Apache-2.0
"""Forms of traces, each brought to one plain form so that two can be compared: OTLP's JSON, the JSON of Jaeger's page, Jaeger's stored
spans, Thrift batches. The order of what has no order does not count; ids count as numbers."""
import base64
import datetime
import json
import struct

KINDS = ("", "internal", "server", "client", "producer", "consumer")
STATUS = {1: "OK", 2: "ERROR"}


def text(value):
    return json.dumps(value, sort_keys=True)


def padded(identity, digits):
    return identity.rjust(digits, "0").lower()


def rfc3339_ns(when):
    head, _, rest = when.partition(".")
    zone = rest.lstrip("0123456789") if rest else ""
    digits = rest[:len(rest) - len(zone)]
    whole = datetime.datetime.fromisoformat((head + zone).replace("Z", "+00:00"))
    return int(whole.timestamp()) * 10**9 + int(digits.ljust(9, "0") or 0)


def rfc3339(ns):
    return datetime.datetime.fromtimestamp(ns // 10**9, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S") + f".{ns % 10**9:09d}Z"


def part_of(got, want):
    """What of got has the shape of want."""
    if isinstance(want, dict) and isinstance(got, dict):
        return {k: part_of(got[k], v) for k, v in want.items() if k in got}
    if isinstance(want, list) and isinstance(got, list) and len(want) == len(got):
        return [part_of(a, b) for a, b in zip(got, want)]
    return got


def differences(got, want, at=""):
    if isinstance(got, dict) and isinstance(want, dict):
        return [x for k in sorted(set(got) | set(want)) for x in differences(got.get(k), want.get(k), f"{at}.{k}")]
    if isinstance(got, list) and isinstance(want, list) and len(got) == len(want):
        return [x for i, (a, b) in enumerate(zip(got, want)) for x in differences(a, b, f"{at}[{i}]")]
    return [] if got == want else [f"{at}: got {got!r}, want {want!r}"[:400]]


# ---- OTLP ----

def otlp_value(v):
    (kind, value), = v.items() if v else (("none", None),)
    if kind == "arrayValue":
        return [kind, [otlp_value(x) for x in value.get("values", [])]]
    if kind == "kvlistValue":
        return [kind, sorted([x["key"], otlp_value(x["value"])] for x in value.get("values", []))]
    return [kind, str(int(value)) if kind == "intValue" else value]


def otlp_attributes(holder):
    return sorted([x["key"], otlp_value(x["value"])] for x in holder.get("attributes", []))


def otlp_spans(message):
    return [s for r in message.get("resourceSpans", []) for c in r.get("scopeSpans", []) for s in c.get("spans", [])]


def otlp_plain(message):
    """Each span with its resource and scope; what is 0 or empty is not there."""
    out = []
    for r in message.get("resourceSpans") or []:
        for c in r.get("scopeSpans", []):
            scope = c.get("scope", {})
            for s in c.get("spans", []):
                x = {k: v for k, v in s.items() if v not in ("", 0, None, [], {})}
                for k in ("traceId", "spanId", "parentSpanId"):
                    if k in x:
                        x[k] = x[k].lower() if len(x[k]) in (16, 32) else base64.b64decode(x[k]).hex()
                x["attributes"] = otlp_attributes(s)
                kind = x.get("kind", 0)
                x["kind"] = kind if isinstance(kind, int) else "SPAN_KIND_" + kind.split("_")[-1]
                if isinstance(x["kind"], str):
                    x["kind"] = KINDS.index(kind.split("_")[-1].lower())
                if isinstance(x.get("status", {}).get("code"), str):
                    x["status"] = dict(x["status"], code={"STATUS_CODE_OK": 1, "STATUS_CODE_ERROR": 2}.get(x["status"]["code"], 0))
                for list_name in ("events", "links"):
                    x[list_name] = [dict({k: v for k, v in e.items() if v not in ("", 0, [])}, attributes=otlp_attributes(e)) for e in s.get(list_name, [])]
                x["resource"], x["scope"] = otlp_attributes(r.get("resource", {})), [scope.get("name", ""), scope.get("version", ""), otlp_attributes(scope)]
                out.append(x)
    return sorted(out, key=text)


def otlp_of_tempo(message):
    """The JSON of protobuf's own (ids in base64, kinds by name) as OTLP's."""
    def told(value):
        if isinstance(value, list):
            return [told(x) for x in value]
        if not isinstance(value, dict):
            return value
        out = {k: told(v) for k, v in value.items()}
        for k in ("traceId", "spanId", "parentSpanId"):
            if len(out.get(k) or "") in (12, 24):
                out[k] = base64.b64decode(out[k]).hex()
        if isinstance(out.get("kind"), str):
            out["kind"] = KINDS.index(out["kind"].split("_")[-1].lower())
        if isinstance(out.get("code"), str):
            out["code"] = ("UNSET", "OK", "ERROR").index(out["code"].split("_")[-1])
        return out

    return {"resourceSpans": told(message.get("resourceSpans") or message["batches"])}


def service_of(resource_spans):
    return next((a["value"]["stringValue"] for a in resource_spans["resource"].get("attributes", []) if a["key"] == "service.name"), "")


def all_tags(resource_spans, scope_spans, span):
    """What a search by tags may name of a span: attributes of every place, as text; not those that are bytes."""
    holders = [resource_spans["resource"], scope_spans.get("scope", {}), span, *span.get("events", []), *span.get("links", [])]
    out = {}
    for a in (a for h in holders for a in h.get("attributes", [])):
        kind, value = next(iter(a["value"].items()))
        if kind != "bytesValue" and a["key"] != "service.name":
            out[a["key"]] = value if isinstance(value, str) else json.dumps(value)
    return out


def operations_of(traces, service):
    """(name, kind) of the spans of a service."""
    return sorted({(s["name"], KINDS[s.get("kind", 0)]) for t in traces for r in t["resourceSpans"] if service_of(r) == service
                   for c in r["scopeSpans"] for s in c["spans"]})


# ---- the JSON of Jaeger's page ----

def ui_tag(key, v):
    kind, value = next(iter(v.items()))
    if kind == "intValue":
        return [key, "int64", int(value)]
    if kind == "doubleValue":
        return [key, "float64", float(value)]
    return [key, {"stringValue": "string", "boolValue": "bool", "bytesValue": "binary"}.get(kind, "string"), value]


def ui_tags(attributes):
    return [ui_tag(a["key"], a["value"]) for a in attributes or []]


def ui_of_otlp(message):
    """The spans of a page that Jaeger makes of OTLP's."""
    out = []
    for r in message["resourceSpans"]:
        process = [service_of(r), sorted(t for t in ui_tags(r["resource"].get("attributes")) if t[0] != "service.name")]
        for c in r["scopeSpans"]:
            scope = c.get("scope", {})
            shared = [["otel.scope." + k, "string", scope[k]] for k in ("name", "version") if scope.get(k)] + [
                ["otel.scope." + t[0], *t[1:]] for t in ui_tags(scope.get("attributes"))]
            for s in c["spans"]:
                tags = shared + ui_tags(s.get("attributes"))
                status = s.get("status", {})
                if s.get("kind"):
                    tags.append(["span.kind", "string", KINDS[s["kind"]]])
                if status.get("code"):
                    tags.append(["otel.status_code", "string", STATUS[status["code"]]])
                if status.get("code") == 2:
                    tags.append(["error", "bool", True])
                if status.get("message"):
                    tags.append(["otel.status_description", "string", status["message"]])
                if s.get("traceState"):
                    tags.append(["w3c.tracestate", "string", s["traceState"]])
                refs = [["CHILD_OF", padded(s["traceId"], 32), padded(s["parentSpanId"], 16)]] if s.get("parentSpanId") else []
                for link in s.get("links", []):
                    kinds = [a["value"].get("stringValue") for a in link.get("attributes", []) if a["key"] == "opentracing.ref_type"]
                    refs.append(["CHILD_OF" if kinds == ["child_of"] else "FOLLOWS_FROM", padded(link["traceId"], 32), padded(link["spanId"], 16)])
                start, end = int(s["startTimeUnixNano"]), int(s["endTimeUnixNano"])
                logs = [[int(e.get("timeUnixNano", 0)) // 1000, sorted(([["event", "string", e["name"]]] if e.get("name") else []) + ui_tags(e.get("attributes")), key=text)]
                        for e in s.get("events", [])]
                out.append({"traceID": padded(s["traceId"], 32), "spanID": padded(s["spanId"], 16), "name": s["name"], "start": start // 1000,
                            "duration": max(0, end - start) // 1000, "tags": sorted(tags, key=text), "logs": sorted(logs, key=text), "refs": sorted(refs),
                            "process": process})
    return sorted(out, key=text)


def shown_tags(tags):
    out = []
    for t in tags or []:
        value = t["value"]
        if t["type"] == "bool" and isinstance(value, str):
            value = value == "true"
        out.append([t["key"], t["type"], float(value) if t["type"] == "float64" else value])
    return sorted(out, key=text)


def ui_span_plain(s, processes):
    process = processes[s["processID"]] if processes else s["process"]
    for_binary = [dict(t, value=base64.b64encode(bytes.fromhex(t["value"])).decode()) if processes is None and t["type"] == "binary" else t for t in s["tags"]]
    tags = shown_tags(for_binary)
    return {"traceID": padded(s["traceID"], 32), "spanID": padded(s["spanID"], 16), "name": s["operationName"], "start": s["startTime"], "duration": s["duration"],
            "tags": tags, "logs": sorted(([x["timestamp"], shown_tags(x["fields"])] for x in s["logs"]), key=text),
            "refs": sorted([r["refType"], padded(r["traceID"], 32), padded(r["spanID"], 16)] for r in s["references"]),
            "process": [process["serviceName"], shown_tags(process["tags"])]}


def ui_plain(trace):
    return sorted((ui_span_plain(s, trace["processes"]) for s in trace.get("spans", [])), key=text)


# ---- Jaeger's stored spans ----

TYPES = {"STRING": ("string", "vStr"), "INT64": ("int64", "vInt64"), "LONG": ("int64", "vLong"), "FLOAT64": ("float64", "vFloat64"),
         "DOUBLE": ("float64", "vDouble"), "BOOL": ("bool", "vBool"), "BINARY": ("binary", "vBinary")}


def domain_tags(tags):
    return [{"key": t["key"], "type": TYPES[t["vType"]][0], "value": t.get(TYPES[t["vType"]][1])} for t in tags or []]


def hex_of(encoded):
    return base64.b64decode(encoded).hex()


def ui_of_domain(s):
    """A span as Jaeger keeps it, in its page's form but with its process inside."""
    shown = {"traceID": hex_of(s["traceId"]), "spanID": hex_of(s["spanId"]), "operationName": s["operationName"], "startTime": rfc3339_ns(s["startTime"]) // 1000,
             "duration": int(s["duration"].removesuffix("ns")) // 1000, "tags": domain_tags(s.get("tags")),
             "logs": [{"timestamp": rfc3339_ns(x["timestamp"]) // 1000, "fields": domain_tags(x["fields"])} for x in s.get("logs", [])],
             "references": [{"refType": r["refType"], "traceID": hex_of(r["traceId"]), "spanID": hex_of(r["spanId"])} for r in s.get("references", [])],
             "process": {"serviceName": s["process"]["serviceName"], "tags": domain_tags(s["process"].get("tags"))}}
    for t in shown["tags"]:
        if t["type"] == "binary":
            t["value"] = base64.b64decode(t["value"]).hex()
    return ui_span_plain(shown, None)


# ---- Thrift ----

def field(kind, number, payload):
    return struct.pack(">bh", kind, number) + payload


def string(number, value):
    raw = value if isinstance(value, bytes) else value.encode()
    return field(11, number, struct.pack(">i", len(raw)) + raw)


def i64(number, value):
    return field(10, number, struct.pack(">Q", value & (1 << 64) - 1))


def i32(number, value):
    return field(8, number, struct.pack(">i", value))


def structs(number, items):
    return field(15, number, struct.pack(">bi", 12, len(items)) + b"".join(x + b"\0" for x in items))


def thrift_tag(t):
    kinds = {"string": 0, "float64": 1, "bool": 2, "int64": 3, "binary": 4}
    head = string(1, t["key"]) + i32(2, kinds[t["type"]])
    value = t["value"]
    if t["type"] == "float64":
        return head + field(4, 4, struct.pack(">d", value))
    if t["type"] == "bool":
        return head + field(2, 5, struct.pack(">b", value in (True, "true")))
    if t["type"] == "int64":
        return head + i64(6, int(value))
    if t["type"] == "binary":
        return head + string(7, bytes.fromhex(value))
    return head + string(3, value or "")


def thrift_span(s):
    """Of a span in the form of the page."""
    trace = int(s["traceID"], 16)
    out = i64(1, trace) + i64(2, trace >> 64) + i64(3, int(s["spanID"], 16)) + i64(4, s.get("parent", 0)) + string(5, s["operationName"])
    refs = [i32(1, 0 if r["refType"] == "CHILD_OF" else 1) + i64(2, int(r["traceID"], 16)) + i64(3, int(r["traceID"], 16) >> 64) + i64(4, int(r["spanID"], 16))
            for r in s.get("references", [])]
    if refs:
        out += structs(6, refs)
    out += i32(7, s.get("flags", 0)) + i64(8, s["startTime"]) + i64(9, s["duration"]) + structs(10, [thrift_tag(t) for t in s["tags"]])
    return out + structs(11, [i64(1, x["timestamp"]) + structs(2, [thrift_tag(t) for t in x["fields"]]) for x in s["logs"]])


def thrift_process(service, tags):
    return field(12, 1, string(1, service) + structs(2, [thrift_tag(t) for t in tags]) + b"\0")


def thrift_of_ui(spans):
    """A batch a span."""
    return [thrift_process(s["process"]["serviceName"], s["process"]["tags"]) + structs(2, [thrift_span(s)]) + b"\0" for s in spans]


def thrift_of_domain(message):
    out = []
    for s in message["spans"]:
        shown = {"traceID": hex_of(s["traceId"]), "spanID": hex_of(s["spanId"]), "operationName": s["operationName"], "flags": s.get("flags", 0),
                 "startTime": rfc3339_ns(s["startTime"]) // 1000, "duration": int(s["duration"].removesuffix("ns")) // 1000, "tags": raw_tags(s.get("tags")),
                 "logs": [{"timestamp": rfc3339_ns(x["timestamp"]) // 1000, "fields": raw_tags(x["fields"])} for x in s.get("logs", [])],
                 "references": [{"refType": r["refType"], "traceID": hex_of(r["traceId"]), "spanID": hex_of(r["spanId"])} for r in s.get("references", [])],
                 "process": {"serviceName": s["process"]["serviceName"], "tags": raw_tags(s["process"].get("tags"))}}
        out += thrift_of_ui([shown])
    return out


def raw_tags(tags):
    out = domain_tags(tags)
    for t in out:
        if t["type"] == "binary":
            t["value"] = base64.b64decode(t["value"]).hex()
    return out


def thrift_of_batch(batch):
    """Of Jaeger's JSON of a Thrift batch."""
    spans = []
    for s in batch["spans"]:
        trace = (s.get("traceIdHigh", 0) & (1 << 64) - 1) << 64 | s["traceIdLow"] & (1 << 64) - 1
        spans.append(thrift_span({"traceID": f"{trace:032x}", "spanID": f"{s['spanId']:016x}", "parent": s.get("parentSpanId", 0), "operationName": s["operationName"],
                                  "startTime": s["startTime"], "duration": s["duration"], "tags": raw_tags(s.get("tags")),
                                  "logs": [{"timestamp": x["timestamp"], "fields": raw_tags(x["fields"])} for x in s.get("logs", [])]}))
    return thrift_process(batch["process"]["serviceName"], raw_tags(batch["process"].get("tags"))) + structs(2, spans) + b"\0"
