# SPDX-License-Identifier: Apache-2.0
"""The forms of spans that tests write and read: OTLP as protobuf and JSON, Zipkin's as protobuf, Jaeger's Thrift, calls by gRPC.

OTLP's messages are dicts as its JSON has them: {"resourceSpans": [...]}, ids as hexadecimal, 64-bit numbers as texts."""
import base64
import os
import re
import struct
import subprocess
import tempfile

from harness import varint

# ---- protobuf by tables: number -> (name, kind or message, many) ----

MESSAGES = {
    "request": {1: ("resourceSpans", "resource_spans", True)},
    "tempo_v1": {1: ("batches", "resource_spans", True)},
    "tempo_v2": {1: ("trace", "request", False), 2: ("metrics", "nothing", False)},
    "nothing": {},
    "resource_spans": {1: ("resource", "resource", False), 2: ("scopeSpans", "scope_spans", True), 3: ("schemaUrl", "text", False)},
    "resource": {1: ("attributes", "key_value", True), 2: ("droppedAttributesCount", "int", False)},
    "scope_spans": {1: ("scope", "scope", False), 2: ("spans", "span", True), 3: ("schemaUrl", "text", False)},
    "scope": {1: ("name", "text", False), 2: ("version", "text", False), 3: ("attributes", "key_value", True), 4: ("droppedAttributesCount", "int", False)},
    "span": {1: ("traceId", "hex", False), 2: ("spanId", "hex", False), 3: ("traceState", "text", False), 4: ("parentSpanId", "hex", False), 5: ("name", "text", False),
             6: ("kind", "int", False), 7: ("startTimeUnixNano", "fixed64", False), 8: ("endTimeUnixNano", "fixed64", False), 9: ("attributes", "key_value", True),
             10: ("droppedAttributesCount", "int", False), 11: ("events", "event", True), 12: ("droppedEventsCount", "int", False), 13: ("links", "link", True),
             14: ("droppedLinksCount", "int", False), 15: ("status", "status", False), 16: ("flags", "fixed32", False)},
    "event": {1: ("timeUnixNano", "fixed64", False), 2: ("name", "text", False), 3: ("attributes", "key_value", True), 4: ("droppedAttributesCount", "int", False)},
    "link": {1: ("traceId", "hex", False), 2: ("spanId", "hex", False), 3: ("traceState", "text", False), 4: ("attributes", "key_value", True),
             5: ("droppedAttributesCount", "int", False), 6: ("flags", "fixed32", False)},
    "status": {2: ("message", "text", False), 3: ("code", "int", False)},
    "key_value": {1: ("key", "text", False), 2: ("value", "any", False)},
    "any": {1: ("stringValue", "text", False), 2: ("boolValue", "bool", False), 3: ("intValue", "int64", False), 4: ("doubleValue", "double", False),
            5: ("arrayValue", "list", False), 6: ("kvlistValue", "map", False), 7: ("bytesValue", "base64", False)},
    "list": {1: ("values", "any", True)},
    "map": {1: ("values", "key_value", True)},
    "response": {1: ("partialSuccess", "partial", False)},
    "partial": {1: ("rejectedSpans", "int64", False), 2: ("errorMessage", "text", False)},
    "zipkin": {1: ("spans", "zipkin_span", True)},
    "zipkin_span": {1: ("traceId", "hex", False), 2: ("parentId", "hex", False), 3: ("id", "hex", False), 4: ("kind", "zipkin_kind", False), 5: ("name", "text", False),
                    6: ("timestamp", "fixed64", False), 7: ("duration", "int", False), 8: ("localEndpoint", "endpoint", False), 9: ("remoteEndpoint", "endpoint", False),
                    10: ("annotations", "annotation", True), 11: ("tags", "tag", True), 12: ("debug", "bool", False), 13: ("shared", "bool", False)},
    "endpoint": {1: ("serviceName", "text", False), 2: ("ipv4", "ip", False), 3: ("ipv6", "ip", False), 4: ("port", "int", False)},
    "annotation": {1: ("timestamp", "fixed64", False), 2: ("value", "text", False)},
    "tag": {1: ("key", "text", False), 2: ("value", "text", False)},
}
ZIPKIN_KINDS = ["", "CLIENT", "SERVER", "PRODUCER", "CONSUMER"]


def ip_bytes(text):
    import socket
    return socket.inet_pton(socket.AF_INET6 if ":" in text else socket.AF_INET, text)


def scalar(kind, v):
    """(wire type, bytes) of a value."""
    if kind in ("int", "int64", "bool"):
        return 0, varint(int(v))
    if kind == "zipkin_kind":
        return 0, varint(ZIPKIN_KINDS.index(v))
    if kind == "fixed64":
        return 1, struct.pack("<Q", int(v))
    if kind == "double":
        return 1, struct.pack("<d", v)
    if kind == "fixed32":
        return 5, struct.pack("<I", v)
    data = {"text": lambda: v.encode(), "hex": lambda: bytes.fromhex(v), "base64": lambda: base64.b64decode(v), "ip": lambda: ip_bytes(v)}[kind]()
    return 2, varint(len(data)) + data


def encode(message, value):
    out = b""
    for number, (name, kind, many) in MESSAGES[message].items():
        if name not in value:
            continue
        items = value[name]
        if message == "zipkin_span" and name == "tags":
            items = [{"key": k, "value": v} for k, v in items.items()]
        for item in items if many else [items]:
            if kind in MESSAGES:
                data = encode(kind, item)
                wire, data = 2, varint(len(data)) + data
            else:
                wire, data = scalar(kind, item)
            out += varint(number << 3 | wire) + data
    return out


def parts(data):
    """(number, value) of every field: an int, or bytes."""
    at = 0

    def number():
        nonlocal at
        n = shift = 0
        while True:
            b = data[at]
            at += 1
            n |= (b & 127) << shift
            shift += 7
            if b < 128:
                return n
    while at < len(data):
        tag = number()
        wire = tag & 7
        if wire == 0:
            yield tag >> 3, number()
            continue
        size = {1: 8, 5: 4}.get(wire) or (number() if wire == 2 else None)
        value = data[at:at + size] if size else b""
        at += size or 0
        yield tag >> 3, value


def decode(message, data):
    out = {}
    for number, v in parts(data):
        name, kind, many = MESSAGES[message][number]
        if kind in MESSAGES:
            v = decode(kind, v)
        elif kind == "text":
            v = v.decode()
        elif kind == "hex":
            v = v.hex()
        elif kind == "base64":
            v = base64.b64encode(v).decode()
        elif kind == "fixed64":
            v = str(struct.unpack("<Q", v)[0])
        elif kind == "fixed32":
            v = struct.unpack("<I", v)[0]
        elif kind == "double":
            v = struct.unpack("<d", v)[0]
        elif kind == "int64":
            v = str(v - (1 << 64) if v >> 63 else v)
        elif kind == "bool":
            v = bool(v)
        if many:
            out.setdefault(name, []).append(v)
        else:
            out[name] = v
    return out


# ---- values ----

def any_value(v):
    """A Python value as OTLP's JSON."""
    if isinstance(v, bool):
        return {"boolValue": v}
    if isinstance(v, int):
        return {"intValue": str(v)}
    if isinstance(v, float):
        return {"doubleValue": v}
    if isinstance(v, bytes):
        return {"bytesValue": base64.b64encode(v).decode()}
    if isinstance(v, list):
        return {"arrayValue": {"values": [any_value(x) for x in v]}}
    if isinstance(v, dict):
        return {"kvlistValue": {"values": [{"key": k, "value": any_value(x)} for k, x in v.items()]}}
    return {"stringValue": v}


def value_of(a):
    """And back."""
    (kind, v), = a.items()
    return {"boolValue": lambda: bool(v), "intValue": lambda: int(v), "doubleValue": lambda: float(v), "bytesValue": lambda: base64.b64decode(v),
            "stringValue": lambda: v, "arrayValue": lambda: [value_of(x) for x in v.get("values", [])],
            "kvlistValue": lambda: {x["key"]: value_of(x["value"]) for x in v.get("values", [])}}[kind]()


def attributes(values):
    return [{"key": k, "value": any_value(v)} for k, v in values.items()]


def values_of(attributes):
    return {a["key"]: value_of(a["value"]) for a in attributes or []}


# ---- Jaeger's Thrift ----

def t_text(number, s):
    data = s if isinstance(s, bytes) else s.encode()
    return struct.pack(">bhi", 11, number, len(data)) + data


def t_i32(number, n):
    return struct.pack(">bhi", 8, number, n)


def t_i64(number, n):
    return struct.pack(">bhQ", 10, number, n & (1 << 64) - 1)


def t_list(number, structs):
    return struct.pack(">bhbi", 15, number, 12, len(structs)) + b"".join(s + b"\0" for s in structs)


def t_tag(key, v):
    if isinstance(v, bool):
        return t_text(1, key) + t_i32(2, 2) + struct.pack(">bhb", 2, 5, v)
    if isinstance(v, int):
        return t_text(1, key) + t_i32(2, 3) + t_i64(6, v)
    if isinstance(v, float):
        return t_text(1, key) + t_i32(2, 1) + struct.pack(">bhd", 4, 4, v)
    if isinstance(v, bytes):
        return t_text(1, key) + t_i32(2, 4) + t_text(7, v)
    return t_text(1, key) + t_i32(2, 0) + t_text(3, v)


def t_tags(number, values):
    return t_list(number, [t_tag(k, v) for k, v in values])


def t_span(trace, span, name, start_us, duration_us, parent=0, refs=(), flags=0, tags=(), logs=()):
    """trace: an int of 128 bits; refs: (type, trace, span); tags: (key, value) pairs; logs: (microseconds, pairs)."""
    low = (1 << 64) - 1
    return (t_i64(1, trace & low) + t_i64(2, trace >> 64) + t_i64(3, span) + t_i64(4, parent) + t_text(5, name) +
            t_list(6, [t_i32(1, kind) + t_i64(2, t & low) + t_i64(3, t >> 64) + t_i64(4, s) for kind, t, s in refs]) + t_i32(7, flags) + t_i64(8, start_us) +
            t_i64(9, duration_us) + t_tags(10, tags) + t_list(11, [t_i64(1, at) + t_tags(2, pairs) for at, pairs in logs]))


def t_batch(service, tags, spans):
    return struct.pack(">bh", 12, 1) + t_text(1, service) + t_tags(2, tags) + b"\0" + t_list(2, spans) + b"\0"


# ---- gRPC, over HTTP/2 by curl ----

def grpc(url, path, message):
    """(messages of the answer, status, message of the status)."""
    with tempfile.TemporaryDirectory() as folder:
        sent, got = os.path.join(folder, "sent"), os.path.join(folder, "got")
        with open(sent, "wb") as f:
            f.write(struct.pack(">BI", 0, len(message)) + message)
        headers = subprocess.run(["curl", "-s", "--http2-prior-knowledge", "-o", got, "-D", "-", "-H", "Content-Type: application/grpc", "-H", "TE: trailers",
                                  "--data-binary", "@" + sent, url + path], capture_output=True, text=True, timeout=60).stdout
        data = b""
        if os.path.exists(got):
            with open(got, "rb") as f:
                data = f.read()
    messages = []
    while data:
        n = struct.unpack(">I", data[1:5])[0]
        messages.append(data[5:5 + n])
        data = data[5 + n:]
    told = re.search(r"(?im)^grpc-message: (.*?)\r?$", headers)
    return messages, int(re.search(r"(?im)^grpc-status: (\d+)", headers)[1]), told[1] if told else ""


TRACES_EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
