# SPDX-License-Identifier: Apache-2.0
"""Prometheus's remote read as bytes: snappy blocks, protobuf, CRC-32C frames, XOR and float histogram chunks. Standard library only."""
import struct

import harness

STALE = 0x7FF0000000000002


# ---- snappy ----

def unsnappy(data):
    length, at = read_varint(data, 0)
    out = bytearray()
    while at < len(data):
        tag = data[at]
        at += 1
        if tag & 3 == 0:
            n = tag >> 2
            if n >= 60:
                extra = n - 59
                n = int.from_bytes(data[at:at + extra], "little")
                at += extra
            out += data[at:at + n + 1]
            at += n + 1
            continue
        if tag & 3 == 1:
            n, offset = (tag >> 2 & 7) + 4, (tag >> 5) << 8 | data[at]
            at += 1
        else:
            size = 2 if tag & 3 == 2 else 4
            n, offset = (tag >> 2) + 1, int.from_bytes(data[at:at + size], "little")
            at += size
        for _ in range(n):
            out.append(out[-offset])
    assert len(out) == length, (len(out), length)
    return bytes(out)


# ---- protobuf ----

def read_varint(data, at):
    shift = value = 0
    while True:
        b = data[at]
        at += 1
        value |= (b & 127) << shift
        if b < 128:
            return value, at
        shift += 7


def fields(data):
    """[(number, value)]: int for varints, bytes for the rest."""
    at, out = 0, []
    while at < len(data):
        key, at = read_varint(data, at)
        if key & 7 == 0:
            value, at = read_varint(data, at)
        elif key & 7 == 1:
            value, at = data[at:at + 8], at + 8
        elif key & 7 == 5:
            value, at = data[at:at + 4], at + 4
        else:
            n, at = read_varint(data, at)
            value, at = data[at:at + n], at + n
        out.append((key >> 3, value))
    return out


def signed(n):
    return n - (1 << 64) if n >= 1 << 63 else n


def zigzag(n):
    return n >> 1 ^ -(n & 1)


def doubles(data):
    return list(struct.unpack(f"<{len(data) // 8}d", data))


def labels_of(pairs):
    names = [dict(fields(p))[1].decode() for p in pairs]
    assert names == sorted(names), names
    return {dict(fields(p))[1].decode(): dict(fields(p))[2].decode() for p in pairs}


EQ, NE, RE, NRE = range(4)
SAMPLES, STREAMED = 0, 1


def read_request(queries, accept=(), packed=False):
    """queries: [(start_ms, end_ms, [(type, name, value)])] as the snappy body of a remote read."""
    body = b""
    for start, end, matchers in queries:
        q = harness.field(1, 0, harness.varint(start)) + harness.field(2, 0, harness.varint(end))
        for kind, name, value in matchers:
            q += harness.message(3, harness.field(1, 0, harness.varint(kind)) + harness.text_field(2, name) + harness.text_field(3, value))
        q += harness.message(4, harness.field(1, 0, harness.varint(15000)) + harness.text_field(2, "rate"))
        body += harness.message(1, q)
    if packed:
        body += harness.message(2, b"".join(harness.varint(a) for a in accept))
    else:
        body += b"".join(harness.field(2, 0, harness.varint(a)) for a in accept)
    return harness.snappy(body)


def histogram(data):
    h = {"positive": [], "negative": [], "positive_spans": [], "negative_spans": [], "bounds": []}
    for number, v in fields(data):
        if number in (2, 3, 5, 7):
            h[{2: "count", 3: "sum", 5: "zero_threshold", 7: "zero_count"}[number]] = struct.unpack("<d", v)[0]
        elif number == 4:
            h["schema"] = zigzag(v)
        elif number in (8, 11):
            f = dict(fields(v))
            h["negative_spans" if number == 8 else "positive_spans"].append((zigzag(f.get(1, 0)), f.get(2, 0)))
        elif number in (10, 13, 16):
            h[{10: "negative", 13: "positive", 16: "bounds"}[number]] = doubles(v)
        elif number == 15:
            h["t"] = signed(v)
    return h


def samples(body):
    """[[(labels, [(t_ms, bits)], [histogram])]] of a ReadResponse, one list a query."""
    out = []
    for number, result in fields(unsnappy(body)):
        assert number == 1
        series = []
        for _, ts in fields(result):
            f = fields(ts)
            points = []
            for _, s in [x for x in f if x[0] == 2]:
                one = dict(fields(s))
                points.append((signed(one.get(2, 0)), struct.unpack("<Q", one.get(1, bytes(8)))[0]))
            series.append((labels_of([v for n, v in f if n == 1]), points, [histogram(v) for n, v in f if n == 4]))
        out.append(series)
    return out


# ---- frames ----

def crc32c(data):
    table = crc32c.__dict__.setdefault("table", [])
    if not table:
        for i in range(256):
            c = i
            for _ in range(8):
                c = c >> 1 ^ 0x82F63B78 if c & 1 else c >> 1
            table.append(c)
    c = 0xFFFFFFFF
    for b in data:
        c = table[(c ^ b) & 255] ^ c >> 8
    return c ^ 0xFFFFFFFF


def frames(body):
    """[(message, its checksum is right)]"""
    at, out = 0, []
    while at < len(body):
        n, at = read_varint(body, at)
        sum_, at = int.from_bytes(body[at:at + 4], "big"), at + 4
        out.append((body[at:at + n], crc32c(body[at:at + n]) == sum_))
        at += n
    return out


# ---- chunks ----

class Bits:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, n):
        value = 0
        for _ in range(n):
            value = value << 1 | self.data[self.at // 8] >> 7 - self.at % 8 & 1
            self.at += 1
        return value

    def varint(self):
        shift = value = 0
        while True:
            b = self.take(8)
            value |= (b & 127) << shift
            if b < 128:
                return value
            shift += 7

    def varbit(self, is_signed):
        ones = 0
        while ones < 8 and self.take(1):
            ones += 1
        if ones == 0:
            return 0
        n = [0, 3, 6, 9, 12, 18, 25, 56, 64][ones]
        v = self.take(n)
        return v - (1 << n) if is_signed and v > 1 << n - 1 else v

    def double(self):
        return struct.unpack(">d", self.take(64).to_bytes(8, "big"))[0]


def xor_chunk(data):
    """[(t_ms, bits)]"""
    count, b = int.from_bytes(data[:2], "big"), Bits(data[2:])
    out, t, delta, v, leading, width = [], 0, 0, 0, 0, 0
    for i in range(count):
        if i == 0:
            t, v = zigzag(b.varint()), b.take(64)
            out.append((t, v))
            continue
        if i == 1:
            delta = b.varint()
        else:
            ones = 0
            while ones < 4 and b.take(1):
                ones += 1
            n = [0, 14, 17, 20, 64][ones]
            d = b.take(n)
            delta += d - (1 << n) if n and d > 1 << n - 1 else d
        t += delta
        if b.take(1):
            if b.take(1):
                leading, width = b.take(5), b.take(6) or 64
            v ^= b.take(width) << 64 - leading - width
        out.append((t, v))
    return out


def histogram_chunk(data):
    assert int.from_bytes(data[:2], "big") == 1
    b = Bits(data[3:])
    head = b.take(8)
    h = {"zero_threshold": 0.0 if head == 0 else b.double() if head == 255 else 0.5 * 2.0 ** (head - 243), "schema": b.varbit(True)}
    for side in ("positive", "negative"):
        h[side + "_spans"] = []
        for _ in range(b.varbit(False)):
            length = b.varbit(False)
            h[side + "_spans"].append((b.varbit(True), length))
    h["bounds"] = []
    if h["schema"] == -53:
        for _ in range(b.varbit(False)):
            v = b.varbit(False)
            h["bounds"].append(b.double() if v == 0 else (v - 1) / 1000)
    h["t"], h["count"], h["zero_count"], h["sum"] = b.varbit(True), b.double(), b.double(), b.double()
    for side in ("positive", "negative"):
        h[side] = [b.double() for _ in range(sum(n for _, n in h[side + "_spans"]))]
    return h


def streamed(body):
    """{query index: [(labels, [(t_ms, bits)], [histogram])]}, series that go on put together."""
    out = {}
    for message, good in frames(body):
        assert good, "a frame's checksum does not match: " + message.decode("utf-8", "replace")
        f = fields(message)
        index = dict(f).get(2, 0)
        for number, s in f:
            if number != 1:
                continue
            parts = fields(s)
            labels = labels_of([v for n, v in parts if n == 1])
            here = out.setdefault(index, [])
            if not here or here[-1][0] != labels:
                here.append((labels, [], []))
            for n, chunk in parts:
                if n != 2:
                    continue
                c = dict(fields(chunk))
                if c[3] == 1:
                    points = xor_chunk(c[4])
                    assert signed(c.get(1, 0)) == points[0][0] and signed(c.get(2, 0)) == points[-1][0] and len(points) <= 120
                    here[-1][1].extend(points)
                else:
                    assert c[3] == 3
                    here[-1][2].append(histogram_chunk(c[4]))
    return out
