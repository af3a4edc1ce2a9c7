#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the request bodies beside it that are not text: protobuf, and protobuf inside a snappy block.

Run it in any folder; it writes into its own. The expected rows (*.expect) are made by
`STOA_UPDATE=1 build/release/test/ingest wire` and read by a person before they are committed."""
import os
import struct

HERE = os.path.dirname(os.path.abspath(__file__))
T_MS = 1767225600000  # 2026-01-01T00:00:00Z
T_NS = T_MS * 1000000


def varint(n):
    n &= (1 << 64) - 1
    out = b""
    while n > 0x7F:
        out += bytes([n & 0x7F | 0x80])
        n >>= 7
    return out + bytes([n])


def f_int(number, n):
    return varint(number << 3) + varint(n)


def f_fixed64(number, n):
    return varint(number << 3 | 1) + struct.pack("<Q", n & (1 << 64) - 1)


def f_double(number, v):
    return varint(number << 3 | 1) + struct.pack("<d", v)


def f_bytes(number, b):
    b = b.encode() if isinstance(b, str) else b
    return varint(number << 3 | 2) + varint(len(b)) + b


def f_msg(number, *parts):
    return f_bytes(number, b"".join(parts))


def snappy(b):
    """A valid block made of literals only."""
    out = varint(len(b))
    for i in range(0, len(b), 60):
        part = b[i:i + 60]
        out += bytes([(len(part) - 1) << 2]) + part
    return out


def write(path, b):
    path = os.path.join(HERE, path)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as f:
        f.write(b)


# ---- Prometheus remote write ----

def label(n, v):
    return f_msg(1, f_bytes(1, n), f_bytes(2, v))


def series(labels, samples, *more):
    return f_msg(1, *[label(n, v) for n, v in labels], *[f_msg(2, f_double(1, v) if v else b"", f_int(2, t)) for t, v in samples], *more)


STALE = struct.unpack("<d", struct.pack("<Q", 0x7FF0000000000002))[0]


def raw_sample(bits, t):
    return f_msg(2, varint(1 << 3 | 1) + struct.pack("<Q", bits), f_int(2, t))


write("prometheus_remote_write/plain.snappy", snappy(
    series([("__name__", "up"), ("instance", "a:9100"), ("job", "node")], [(T_MS, 1), (T_MS + 15000, 0)]) +
    series([("job", "node"), ("__name__", "unsorted"), ("Area", "eu"), ("empty", "")], [(T_MS, 0.1)]) +
    series([("__name__", "ends")], [], raw_sample(0x7FF0000000000002, T_MS), raw_sample(0x7FF8000000000001, T_MS + 1),
           raw_sample(0x8000000000000000, T_MS + 2)) +
    f_msg(3, f_int(1, 1), f_bytes(2, "up"), f_bytes(4, "Is it up?"), f_bytes(5, "")) +
    f_msg(3, f_int(1, 5), f_bytes(2, "rpc_seconds"), f_bytes(4, "Time."), f_bytes(5, "seconds"))))
write("prometheus_remote_write/partial.snappy", snappy(
    series([("__name__", "good"), ("a", "1")], [(T_MS, 1)]) +
    series([("a", "1"), ("b", "2")], [(T_MS, 2), (T_MS + 1, 3)]) +
    series([("__name__", "twice"), ("a", "1"), ("a", "2")], [(T_MS, 4)]) +
    series([("__name__", "long"), ("a", "x" * 5000)], [(T_MS, 5)]) +
    series([("__name__", "bad"), ("a", b"\xff")], [(T_MS, 6)]) +
    series([], [(T_MS, 7)]) +
    series([("__name__", "native")], [], f_msg(4, f_int(1, 3))) +
    series([("__name__", "with_exemplar")], [(T_MS, 8)], f_msg(3, label("trace_id", "abc"), f_double(2, 1), f_int(3, T_MS))) +
    f_msg(3, f_int(1, 1)) +
    series([("__name__", "last")], [(T_MS, 9)])))
write("prometheus_remote_write/bare.pb", series([("__name__", "not_compressed")], [(T_MS, 1)]))



def zigzag(n):
    return varint((n << 1) ^ (n >> 63))


def f_sint(number, n):
    return varint(number << 3) + zigzag(n)


def f_sints(number, *list_):
    return f_bytes(number, b"".join(zigzag(n) for n in list_))


def f_doubles(number, *list_):
    return f_bytes(number, b"".join(struct.pack("<d", v) for v in list_))


def span(number, offset, length):
    return f_msg(number, f_sint(1, offset), f_int(2, length))


def ints(t, hint=0):
    """12 observations: 2 around zero, 1 and 3 in buckets 1 and 2, 2 in bucket 5; 4 in bucket 0 below zero."""
    return b"".join([f_int(1, 12), f_double(3, 18.4), f_sint(4, 1), f_double(5, 0.001), f_int(6, 2), span(8, 0, 1), f_sints(9, 4),
                     span(11, 1, 2), span(11, 2, 1), f_sints(12, 1, 2, -1), f_int(14, hint), f_int(15, t)])


FLOATS = [f_double(2, 7.5), f_double(3, -1), f_sint(4, -1), f_double(5, 0.5), f_double(7, 1.5), span(11, -2, 2), f_doubles(13, 2.5, 3.5)]
CUSTOM = [f_int(1, 6), f_double(3, 3.5), f_sint(4, -53), span(11, 0, 3), f_sints(12, 1, 1, 1), f_doubles(16, 0.5, 1)]
FINE = [f_int(1, 6), f_double(3, 9), f_sint(4, 10), span(11, 1, 6), f_sints(12, 1, 0, 0, 0, 0, 0)]
STALE_HISTOGRAM = varint(3 << 3 | 1) + struct.pack("<Q", 0x7FF0000000000002)

write("prometheus_remote_write/native.snappy", snappy(
    series([("__name__", "ints"), ("a", "1")], [], f_msg(4, ints(T_MS)), f_msg(4, ints(T_MS + 15000, 2)), f_msg(4, STALE_HISTOGRAM, f_int(15, T_MS + 30000)),
           f_msg(3, label("trace_id", "abc"), f_double(2, 1), f_int(3, T_MS))) +
    series([("__name__", "floats")], [], f_msg(4, *FLOATS, f_int(14, 3), f_int(15, T_MS))) +
    series([("__name__", "custom")], [], f_msg(4, *CUSTOM, f_int(15, T_MS))) +
    series([("__name__", "fine")], [], f_msg(4, *FINE, f_int(15, T_MS))) +
    series([("__name__", "wrong_count")], [(T_MS, 1)], f_msg(4, f_int(1, 13), ints(T_MS)[2:])) +
    series([("__name__", "wrong_spans")], [], f_msg(4, f_int(1, 1), span(11, 0, 4000000000), f_sints(12, 1))) +
    series([("__name__", "wrong_kind")], [], f_msg(4, f_double(2, 1), span(11, 0, 1), f_sints(12, 1))) +
    series([("__name__", "wrong_schema")], [], f_msg(4, f_sint(4, -9)))))

# ---- Prometheus remote write 2.0 ----


class Symbols:
    def __init__(self):
        self.list = [""]

    def ref(self, text):
        if text not in self.list:
            self.list.append(text)
        return self.list.index(text)

    def refs(self, number, pairs):
        return f_bytes(number, b"".join(varint(self.ref(t)) for pair in pairs for t in pair))

    def series(self, labels, samples, *more):
        return f_msg(5, self.refs(1, labels), *[f_msg(2, f_double(1, v) if v else b"", f_int(2, t)) for t, v in samples], *more)

    def metadata(self, type_, help_, unit):
        return f_msg(5, f_int(1, type_), f_int(3, self.ref(help_)), f_int(4, self.ref(unit)))

    def exemplar(self, labels, v, t):
        return f_msg(4, self.refs(1, labels), f_double(2, v), f_int(3, t))

    def request(self, *series_):
        return b"".join(f_bytes(4, t) for t in self.list) + b"".join(series_)


y = Symbols()
write("prometheus_remote_write_2/plain.snappy", snappy(y.request(
    y.series([("__name__", "up"), ("instance", "a:9100"), ("job", "node")], [(T_MS, 1), (T_MS + 15000, 0)], y.metadata(2, "Is it up?", "")),
    y.series([("job", "node"), ("__name__", "unsorted"), ("Area", "eu"), ("empty", "")], [(T_MS, 0.1)]),
    y.series([("__name__", "jobs_total"), ("a", "wörld")], [(T_MS, 3)], y.metadata(1, "Jobs.", ""), f_int(6, T_MS - 1000),
             y.exemplar([("trace_id", "0af7651916cd43dd8448eb211c80319c")], 1, T_MS - 10)),
    y.series([("__name__", "rpc_seconds_count")], [(T_MS, 3)], y.metadata(5, "Time.", "seconds"), f_int(6, T_MS - 10**9)),
    y.series([("__name__", "rpc_seconds_sum")], [(T_MS, 4)], y.metadata(5, "Time.", "seconds")),
    y.series([("__name__", "native")], [], f_msg(3, ints(T_MS), f_int(17, T_MS - 2000)), y.metadata(3, "Sizes.", "")),
    y.series([("__name__", "floats")], [], f_msg(3, *FLOATS, f_int(14, 3), f_int(15, T_MS)), f_int(6, T_MS - 1000)),
    y.series([("__name__", "custom")], [], f_msg(3, *CUSTOM, f_int(15, T_MS))))))
y = Symbols()
write("prometheus_remote_write_2/partial.pb", y.request(
    y.series([("__name__", "good")], [(T_MS, 1)]),
    y.series([("a", "1")], [(T_MS, 2), (T_MS + 1, 3)]),
    y.series([("__name__", "twice"), ("a", "1"), ("a", "2")], [(T_MS, 4)]),
    f_msg(5, f_bytes(1, varint(1) + varint(99)), f_msg(2, f_double(1, 1), f_int(2, T_MS))),
    f_msg(5, f_bytes(1, varint(1)), f_msg(2, f_double(1, 1), f_int(2, T_MS))),
    y.series([("__name__", "empty")], []),
    y.series([("__name__", "wrong_count")], [], f_msg(3, f_int(1, 13), ints(T_MS)[2:])),
    y.series([("__name__", "bad_exemplar")], [(T_MS, 5)], y.exemplar([("trace_id", "x" * 2000)], 1, T_MS)),
    y.series([("__name__", "last")], [(T_MS, 9)])))

# ---- Loki push ----


def entry(ns, line, *meta):
    return f_msg(2, f_msg(1, f_int(1, ns // 10**9), f_int(2, ns % 10**9)), f_bytes(2, line), *[f_msg(3, f_bytes(1, n), f_bytes(2, v)) for n, v in meta])


write("loki_push/plain.snappy", snappy(
    f_msg(1, f_bytes(1, '{app="web", level="info"}'), entry(T_NS + 1, "hello"), entry(T_NS + 2, "wörld", ("trace_id", "0af7651916cd43dd8448eb211c80319c"),
          ("span_id", "b7ad6b7169203331"), ("detected_level", "error"))) +
    f_msg(1, entry(T_NS + 3, "entries before labels"), f_bytes(1, '{filename="/var/log/x"}'), f_int(3, 7)) +
    f_msg(1, f_bytes(1, '{app=}'), entry(T_NS, "lost"), entry(T_NS, "lost too")) +
    f_msg(1, f_bytes(1, '{}'), entry(T_NS, "no labels"))))

# ---- OTLP ----


def any_value(v):
    if isinstance(v, bool):
        return f_int(2, v)
    if isinstance(v, int):
        return f_int(3, v)
    if isinstance(v, float):
        return f_double(4, v)
    if isinstance(v, bytes):
        return f_bytes(7, v)
    if isinstance(v, list):
        return f_msg(5, *[f_msg(1, any_value(x)) for x in v])
    if isinstance(v, dict):
        return f_msg(6, *[attr(1, k, x) for k, x in v.items()])
    return f_bytes(1, v)


def attr(number, k, v):
    return f_msg(number, f_bytes(1, k), f_msg(2, any_value(v)))


RESOURCE = f_msg(1, attr(1, "service.name", "shop"), attr(1, "service.namespace", "prod"), attr(1, "service.instance.id", "i-1"),
                 attr(1, "host.name", "h1"), attr(1, "k8s.pod.name", "shop-0"), attr(1, "process.pid", 42))
SCOPE = f_msg(1, f_bytes(1, "lib"), f_bytes(2, "1.2"), attr(3, "scope.attr", True))
TRACE = bytes.fromhex("0af7651916cd43dd8448eb211c80319c")
SPAN = bytes.fromhex("b7ad6b7169203331")


def record(*parts):
    return f_msg(2, *parts)


write("otlp_logs/plain.pb", f_msg(1, RESOURCE, f_msg(2, SCOPE,
      record(f_fixed64(1, T_NS), f_int(2, 17), f_bytes(3, "ERROR"), f_msg(5, any_value("it broke")), attr(6, "http.status", 500),
             attr(6, "ratio", 0.5), attr(6, "tags", ["a", {"b": [1, None or "x"]}]), attr(6, "raw", b"\x00\x01"), f_bytes(9, TRACE), f_bytes(10, SPAN),
             f_fixed64(11, T_NS + 5)),
      record(f_bytes(3, "Warning"), f_msg(5, any_value({"event": "login", "ok": True})), f_fixed64(11, T_NS + 6), f_bytes(12, "user.login")),
      record(f_msg(5, any_value(7))),
      record(f_msg(5, any_value("an attribute without a key")), f_msg(6, f_msg(2, any_value("v")))))) +
      f_msg(1, f_msg(2, record(f_fixed64(1, T_NS), f_msg(5, any_value("no resource"))))))

write("otlp_traces/plain.pb", f_msg(1, RESOURCE, f_msg(2, SCOPE,
      f_msg(2, f_bytes(1, TRACE), f_bytes(2, SPAN), f_bytes(3, "a=b"), f_bytes(5, "GET /cart"), f_int(6, 2), f_fixed64(7, T_NS), f_fixed64(8, T_NS + 2500000),
            attr(9, "http.route", "/cart"), f_msg(11, f_fixed64(1, T_NS + 100), f_bytes(2, "retry"), attr(3, "n", 2)),
            f_msg(13, f_bytes(1, TRACE), f_bytes(2, SPAN), f_bytes(3, "x=y"), attr(4, "why", "batch")), f_msg(15, f_bytes(2, "boom"), f_int(3, 2))),
      f_msg(2, f_bytes(1, TRACE), f_bytes(2, bytes.fromhex("00f067aa0ba902b7")), f_bytes(4, SPAN), f_bytes(5, "SELECT"), f_int(6, 3), f_fixed64(7, T_NS + 10),
            f_fixed64(8, T_NS)),
      f_msg(2, f_bytes(1, bytes(16)), f_bytes(2, SPAN), f_bytes(5, "zero trace"), f_fixed64(7, T_NS)),
      f_msg(2, f_bytes(1, TRACE), f_bytes(2, SPAN[:5]), f_bytes(5, "short id"), f_fixed64(7, T_NS)))))


def point(t, *parts):
    return f_msg(1, f_fixed64(2, T_NS - 10**9), f_fixed64(3, t), *parts)


def metric(name, unit, number, *data):
    return f_msg(2, f_bytes(1, name), f_bytes(2, name + " helps"), f_bytes(3, unit), f_msg(number, *data))


CUMULATIVE, DELTA = f_int(2, 2), f_int(2, 1)
write("otlp_metrics/plain.pb", f_msg(1, RESOURCE, f_msg(2, SCOPE,
      metric("process.cpu.utilization", "1", 5, point(T_NS, f_double(4, 0.25), attr(7, "cpu.state", "user"), attr(7, "1st", 1), attr(7, "_x", 2))),
      metric("http.server.requests", "{request}", 7, CUMULATIVE, f_int(3, 1), point(T_NS, f_fixed64(6, 12), attr(7, "a.b", "x"), attr(7, "a_b", "y"))),
      metric("queue.size", "1", 7, CUMULATIVE, point(T_NS, f_fixed64(6, -3))),
      metric("http.server.duration", "ms", 9, CUMULATIVE,
             f_msg(1, f_fixed64(3, T_NS), f_fixed64(4, 6), f_double(5, 61.5), f_bytes(6, struct.pack("<4Q", 1, 2, 0, 3)),
                   f_bytes(7, struct.pack("<3d", 0.5, 10, 1e6)), attr(9, "route", "/")),
             f_msg(1, f_fixed64(3, T_NS), f_fixed64(4, 6), f_bytes(6, struct.pack("<2Q", 1, 2)), f_bytes(7, struct.pack("<3d", 0.5, 10, 1e6)))),
      metric("gc.pause", "s", 11, f_msg(1, f_fixed64(3, T_NS), f_fixed64(4, 9), f_double(5, 1.5), f_msg(6, f_double(1, 0.5), f_double(2, 0.1)),
                                         f_msg(6, f_double(1, 0.99), f_double(2, 0.4)))),
      metric("gone", "", 5, point(T_NS, f_int(8, 1))),
      metric("delta.count", "", 7, DELTA, f_int(3, 1), point(T_NS, f_fixed64(6, 1)), point(T_NS, f_fixed64(6, 2))),
      metric("exp", "", 10, CUMULATIVE, f_msg(1, f_fixed64(3, T_NS))),
      metric("no.value", "", 5, point(T_NS)))))


def packed(*counts):
    return f_bytes(2, b"".join(varint(c) for c in counts))


def exponential(t, count, total, scale, zeros, *parts):
    return f_msg(1, f_fixed64(2, T_NS - 10**9), f_fixed64(3, t), f_fixed64(4, count), f_double(5, total), f_sint(6, scale), f_fixed64(7, zeros), *parts)


write("otlp_metrics/exponential.pb", f_msg(1, RESOURCE, f_msg(2, SCOPE,
      metric("size", "By", 10, CUMULATIVE,
             exponential(T_NS, 10, 50.5, 1, 2, f_msg(8, f_sint(1, -1), packed(1, 0, 0, 0, 3)), f_msg(9, f_sint(1, 2), packed(4)), attr(1, "route", "/"),
                         f_msg(11, f_fixed64(2, T_NS - 5), f_double(3, 2.5), f_bytes(5, TRACE)))),
      metric("fine", "", 10, CUMULATIVE, exponential(T_NS, 6, 9, 10, 0, f_msg(8, f_sint(1, 0), packed(1, 1, 1, 1, 1, 1)))),
      metric("gone", "", 10, CUMULATIVE, f_msg(1, f_fixed64(3, T_NS), f_int(10, 1))),
      metric("coarse", "", 10, CUMULATIVE, exponential(T_NS, 1, 9, -9, 0, f_msg(8, packed(1)))),
      metric("wrong", "", 10, CUMULATIVE, exponential(T_NS, 2, 9, 0, 0, f_msg(8, packed(1)))),
      metric("delta.exp", "", 10, DELTA, exponential(T_NS, 1, 1, 0, 0, f_msg(8, packed(1)))),
      metric("delta.wait", "s", 9, DELTA, f_msg(1, f_fixed64(2, T_NS - 10**9), f_fixed64(3, T_NS), f_fixed64(4, 2), f_double(5, 3), f_bytes(6, struct.pack("<2Q", 1, 1)),
                                                f_bytes(7, struct.pack("<d", 1)))),
      metric("delta.updown", "", 7, DELTA, point(T_NS, f_fixed64(6, 1))))))


# ---- Zipkin ----

def endpoint(number, service, *parts):
    return f_msg(number, f_bytes(1, service), *parts)


def tag(key, value):
    return f_msg(11, f_bytes(1, key), f_bytes(2, value))


T_US = T_NS // 1000
write("zipkin/plain.pb", f_msg(1, f_bytes(1, TRACE), f_bytes(2, SPAN), f_bytes(3, bytes.fromhex("00f067aa0ba902b7")), f_int(4, 2), f_bytes(5, "get /cart"),
      f_fixed64(6, T_US), f_int(7, 2500), endpoint(8, "cart", f_bytes(2, bytes([10, 0, 0, 7])), f_bytes(3, bytes(15) + b"\x01"), f_int(4, 8080)),
      endpoint(9, "shop", f_bytes(3, bytes.fromhex("20010db8000000000000000000000001"))), f_msg(10, f_fixed64(1, T_US + 5), f_bytes(2, "retry")),
      tag("http.path", "/cart"), tag("error", "boom"), f_int(12, 1), f_int(13, 1)) +
      f_msg(1, f_bytes(1, TRACE[8:]), f_bytes(3, SPAN), f_bytes(5, "no time"), f_msg(10, f_fixed64(1, T_US + 9), f_bytes(2, "ws"))) +
      f_msg(1, f_bytes(1, bytes(16)), f_bytes(3, SPAN), f_bytes(5, "zero trace")))


# ---- Jaeger, in Thrift's binary protocol ----

def t_field(kind, number, value):
    return struct.pack(">bh", kind, number) + value


def t_i32(number, n):
    return t_field(8, number, struct.pack(">i", n))


def t_i64(number, n):
    return t_field(10, number, struct.pack(">Q", n & (1 << 64) - 1))


def t_text(number, s):
    s = s.encode() if isinstance(s, str) else s
    return t_field(11, number, struct.pack(">i", len(s)) + s)


def t_list(number, *structs):
    return t_field(15, number, struct.pack(">bi", 12, len(structs)) + b"".join(s + b"\0" for s in structs))


def t_tag(key, v):
    value = (t_i32(2, 2) + t_field(2, 5, bytes([v])) if isinstance(v, bool) else t_i32(2, 3) + t_i64(6, v) if isinstance(v, int) else
             t_i32(2, 1) + t_field(4, 4, struct.pack(">d", v)) if isinstance(v, float) else t_i32(2, 4) + t_text(7, v) if isinstance(v, bytes) else
             t_i32(2, 0) + t_text(3, v))
    return t_text(1, key) + value


def t_span(low, high, span, parent, name, *parts):
    return t_i64(1, low) + t_i64(2, high) + t_i64(3, span) + t_i64(4, parent) + t_text(5, name) + b"".join(parts)


def t_ref(kind, low, high, span):
    return t_i32(1, kind) + t_i64(2, low) + t_i64(3, high) + t_i64(4, span)


HIGH, LOW = struct.unpack(">QQ", TRACE)
write("jaeger_thrift/plain.thrift", t_list(2,
      t_span(LOW, HIGH, 7, 0, "GET /cart", t_list(6, t_ref(0, LOW, HIGH, 5), t_ref(1, LOW, HIGH, 4), t_ref(0, 1, 2, 3)), t_i32(7, 1), t_i64(8, T_US), t_i64(9, 2500),
             t_list(10, t_tag("span.kind", "server"), t_tag("error", True), t_tag("otel.status_description", "boom"), t_tag("w3c.tracestate", "a=b"),
                    t_tag("otel.scope.name", "tracer"), t_tag("n", 3), t_tag("share", 0.5), t_tag("ok", False), t_tag("raw", b"\0\1"), t_tag("error.kind", "x")),
             t_list(11, t_i64(1, T_US + 5) + t_list(2, t_tag("event", "retry"), t_tag("n", 2)))),
      t_span(LOW, 0, 8, 7, "SELECT", t_i64(8, T_US + 1), t_i64(9, 10), t_list(10, t_tag("span.kind", "unknown"), t_tag("error", "no flag"))),
      t_span(0, 0, 9, 0, "zero trace")) +
      t_field(12, 1, t_text(1, "cart") + t_list(2, t_tag("hostname", "h-1"), t_tag("replicas", 2)) + b"\0") + t_i64(3, 1) + b"\0")


# ---- Zipkin's first model, in the same protocol ----

def z_list(*structs):
    return struct.pack(">bi", 12, len(structs)) + b"".join(s + b"\0" for s in structs)


def z_struct(number, *parts):
    return t_field(12, number, b"".join(parts) + b"\0")


def z_host(number, service, ip, port, ip6=b""):
    return z_struct(number, t_i32(1, ip), t_field(6, 2, struct.pack(">H", port)), t_text(3, service), t_text(4, ip6) if ip6 else b"")


def z_note(us, value, *host):
    return t_i64(1, us) + t_text(2, value) + b"".join(host)


def z_tag(key, kind, value, *host):
    return t_text(1, key) + t_text(2, value) + t_i32(3, kind) + b"".join(host)


SHOP, CART = z_host(3, "shop", 0x0A000001, 8080), z_host(3, "cart", 0x0A000002, 61002, bytes.fromhex("20010db8000000000000000000000001"))
SHOP_4, CART_4 = z_host(4, "shop", 0x0A000001, 8080), z_host(4, "cart", 0x0A000002, 61002)
write("zipkin_v1/plain.thrift", z_list(
      t_i64(1, LOW) + t_text(3, "get /cart") + t_i64(4, 7) + t_i64(5, 5) + t_i64(10, T_US) + t_i64(11, 2500) + t_i64(12, HIGH) + t_field(2, 9, b"\1") +
      t_list(6, z_note(T_US, "cs", SHOP), z_note(T_US + 2500, "cr", SHOP), z_note(T_US + 100, "sr", CART), z_note(T_US + 2100, "ss", CART),
             z_note(T_US + 50, "ws", SHOP), z_note(T_US + 1000, "no host")) +
      t_list(8, z_tag("http.path", 6, "/cart", CART_4), z_tag("n", 3, struct.pack(">i", -7), SHOP_4), z_tag("wide", 3, struct.pack(">iI", 2, 0), SHOP_4),
             z_tag("long", 4, struct.pack(">q", 1 << 40), SHOP_4), z_tag("small", 2, struct.pack(">h", -2), SHOP_4), z_tag("share", 5, struct.pack(">d", 0.5), SHOP_4),
             z_tag("paid", 0, b"\1", SHOP_4), z_tag("raw", 1, b"\0\1\2", SHOP_4), z_tag("short", 4, b"\1", SHOP_4), z_tag("sa", 0, b"\1", CART_4)),
      t_i64(1, LOW) + t_text(3, "") + t_i64(4, 8) + t_i64(10, -1) + t_list(6, z_note(T_US + 9, "cr", SHOP), z_note(T_US + 3, "on", SHOP)),
      t_i64(1, 0) + t_text(3, "zero trace") + t_i64(4, 9)) +
      z_list(t_i64(1, LOW) + t_text(3, "a second list") + t_i64(4, 10) + t_i64(10, T_US + 1)))
