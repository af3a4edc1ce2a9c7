#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Random TraceQL over random traces, against an evaluator of its own that looks at every span by brute force: in memory, on disk, and partly in
each. STOA_TEST_SEED names the seed, STOA_TEST_QUERIES how many queries are asked each time."""
import os
import random
import re
import time
from collections import defaultdict

import harness

S = 10**9
TRACES, QUERIES = 70, int(os.environ.get("STOA_TEST_QUERIES", 250))
BASE = int(time.time()) - 3000
WINDOW = {"start": BASE - 10, "end": BASE + 1000}
SERVICES, NAMES, ATTRIBUTES = ["shop", "cart", "db"], ["GET", "POST", "query", ""], ["a", "b", "d e"]
STATUS, KINDS = ["unset", "ok", "error"], ["unspecified", "internal", "server", "client", "producer", "consumer"]
TEXTS, PATTERNS = ["x", "xy", "12", "", "GET", "true"], ["x.*", ".*y", "", "1[0-9]", "GET|POST", ".*"]


# ---- values: pairs of a type and what it is ----

def is_number(v):
    return v is not None and v[0] in ("int", "float", "duration")


def compare(op, x, y):
    """None: they have nothing in common."""
    if op == "=~":
        return re.fullmatch(y[1], x[1]) is not None if x[0] == "text" else None
    if not (is_number(x) and is_number(y)) and x[0] != y[0]:
        return None
    if op == "=":
        return x[1] == y[1]
    if not is_number(x) and x[0] != "text":
        return None
    a, b = (x[1].encode(), y[1].encode()) if x[0] == "text" else (x[1], y[1])
    return {"<": a < b, "<=": a <= b, ">": a > b, ">=": a >= b}[op]


def text_of(v):
    if v[0] == "text":
        return f'"{v[1]}"'
    return f"{v[1]}ns" if v[0] == "duration" else str(v[1]).lower()


def random_value(rand, lists=True):
    kind = rand.randrange(12)
    if lists and kind < 2:
        return "list", [random_value(rand, False) for _ in range(rand.randrange(4))]
    if kind < 5:
        return "int", rand.randrange(-1, 4)
    if kind < 7:
        return "float", rand.randrange(-2, 7) / 2
    return ("bool", rand.random() < 0.5) if kind < 9 else ("text", rand.choice(TEXTS))


def random_attributes(rand, share):
    return {name: random_value(rand) for name in ATTRIBUTES if rand.random() < share}


# ---- spans ----

class Span:
    """parent: its span; None where it has none, or that has not come."""


class Trace:
    def __init__(self, number, spans):
        self.id, self.spans = f"{number:032x}", sorted(spans, key=lambda s: s.start)
        ids = {}
        for s in self.spans:
            ids.setdefault(s.id, s)
        for s in self.spans:
            s.trace, s.parent = self, ids.get(s.parent_id)
            s.parent = None if s.parent is s else s.parent
        for s in self.spans:  # the first of a ring hangs from nothing
            at, ring = s.parent, [s]
            while at and at not in ring:
                ring.append(at)
                at = at.parent
            if at is s:
                s.parent = None
        self.root = next((s for s in self.spans if not s.parent_id), None)
        self.duration = max(s.start + s.duration for s in self.spans) - self.spans[0].start


def random_trace(rand, number):
    count, spans, start = rand.randrange(1, 11), [], BASE * S + number * 10 * S
    for i in range(count):
        s = Span()
        s.id, s.start = f"{i + 1:016x}", start + rand.randrange(5 * S) * 2
        s.parent_id = "" if i == 0 and rand.random() < 0.9 else f"{rand.randrange(i + 1 if rand.random() < 0.8 else count + 2) + (i == 0):016x}"
        s.parent_id = s.parent_id if s.parent_id.strip("0") else ""
        s.duration = rand.choice([0, 1, 10**6, 10**9, 3 * 10**9])
        s.name, s.service, s.status, s.kind = rand.choice(NAMES), rand.choice(SERVICES), rand.randrange(3), rand.randrange(6)
        s.message, s.library = rand.choice(["", "x"]), rand.choice(["", "lib", "x"])
        s.own, s.resource, s.scope = random_attributes(rand, 0.5), random_attributes(rand, 0.3), random_attributes(rand, 0.2)
        s.events = [(rand.choice(NAMES), rand.randrange(3) * 10**6, random_attributes(rand, 0.4)) for _ in range(rand.choice([0, 0, 1, 2]))]
        s.links = [(f"{rand.randrange(1, TRACES):032x}", f"{rand.randrange(1, 4):016x}", random_attributes(rand, 0.4)) for _ in range(rand.choice([0, 0, 1, 2]))]
        spans.append(s)
    if count > 3 and rand.random() < 0.2:
        spans[-1].id = spans[0].id
    if count > 3 and rand.random() < 0.2:
        spans[1].parent_id, spans[2].parent_id = spans[2].id, spans[1].id
    return Trace(number, spans)


def otlp_value(v):
    if v[0] == "list":
        return {"arrayValue": {"values": [otlp_value(x) for x in v[1]]}}
    return {{"int": "intValue", "float": "doubleValue", "bool": "boolValue", "text": "stringValue"}[v[0]]: str(v[1]) if v[0] == "int" else v[1]}


def otlp_attributes(attributes):
    return [{"key": k, "value": otlp_value(v)} for k, v in attributes.items()]


def otlp_span(s):
    row = {"traceId": s.trace.id, "spanId": s.id, "parentSpanId": s.parent_id, "name": s.name, "kind": s.kind, "startTimeUnixNano": str(s.start),
           "endTimeUnixNano": str(s.start + s.duration), "status": {"code": s.status, "message": s.message}, "attributes": otlp_attributes(s.own),
           "events": [{"name": n, "timeUnixNano": str(s.start + at), "attributes": otlp_attributes(x)} for n, at, x in s.events],
           "links": [{"traceId": t, "spanId": i, "attributes": otlp_attributes(x)} for t, i, x in s.links]}
    return {"resource": {"attributes": otlp_attributes(dict(s.resource, **{"service.name": ("text", s.service)}))},
            "scopeSpans": [{"scope": {"name": s.library, "attributes": otlp_attributes(s.scope)}, "spans": [row]}]}


# ---- what is asked of a span: pairs of a query's text and a function of the span ----

INTRINSICS = {
    "duration": ("duration", lambda s: s.duration), "span:duration": ("duration", lambda s: s.duration), "name": ("text", lambda s: s.name),
    "statusMessage": ("text", lambda s: s.message), "status": ("status", lambda s: STATUS[s.status]), "kind": ("kind", lambda s: KINDS[s.kind]),
    "span:childCount": ("int", lambda s: sum(1 for x in s.trace.spans if x.parent is s)), "traceDuration": ("duration", lambda s: s.trace.duration),
    "rootName": ("text", lambda s: s.trace.root and s.trace.root.name), "trace:rootService": ("text", lambda s: s.trace.root and s.trace.root.service),
    "span:id": ("id", lambda s: s.id), "span:parentID": ("id", lambda s: s.parent_id or None), "trace:id": ("id", lambda s: s.trace.id),
    "instrumentation:name": ("text", lambda s: s.library or None), "resource.service.name": ("text", lambda s: s.service),
    ".service.name": ("text", lambda s: s.service), "parent.resource.service.name": ("text", lambda s: s.parent and s.parent.service),
}
OF_MANY = {
    "event:name": ("text", lambda s: [n for n, _, _ in s.events]), "event:timeSinceStart": ("duration", lambda s: [at for _, at, _ in s.events]),
    "link:traceID": ("id", lambda s: [t for t, _, _ in s.links]), "link:spanID": ("id", lambda s: [i for _, i, _ in s.links]),
}
SCOPES = {
    "span.": lambda s: [s.own], "resource.": lambda s: [s.resource], "instrumentation.": lambda s: [s.scope], ".": lambda s: [s.own, s.resource, s.scope],
    "parent.": lambda s: [s.parent.own, s.parent.resource, s.parent.scope] if s.parent else [], "parent.span.": lambda s: [s.parent.own] if s.parent else [],
    "parent.resource.": lambda s: [s.parent.resource] if s.parent else [],
}


class Field:
    """type: None where each span tells it. all(s): what it says, one by one; one(s): as a whole."""

    def __init__(self, text, kind, one, every):
        self.text, self.type, self.one, self.all = text, kind, one, every


def attribute(rand):
    name = rand.choice(ATTRIBUTES)
    quoted = f'"{name}"' if " " in name else name
    scope = rand.choice([*SCOPES, "event.", "link."])

    def found(s):
        if scope == "event.":
            return [x[name] for _, _, x in s.events if name in x]
        if scope == "link.":
            return [x[name] for _, _, x in s.links if name in x]
        return [x[name] for x in SCOPES[scope](s) if name in x][:1]

    def every(s):
        return [y for v in found(s) for y in (v[1] if v[0] == "list" else [v])]
    return Field(scope + quoted, None, lambda s: (found(s) or [None])[0], every)


def field(rand):
    if rand.random() < 0.5:
        return attribute(rand)
    text = rand.choice([*INTRINSICS, *OF_MANY])
    if text in OF_MANY:
        kind, of = OF_MANY[text]
        return Field(text, kind, lambda s: ([(kind, v) for v in of(s)] or [None])[0], lambda s: [(kind, v) for v in of(s)])
    kind, of = INTRINSICS[text]
    return Field(text, kind, lambda s: None if of(s) is None else (kind, of(s)), lambda s: [] if of(s) is None else [(kind, of(s))])


def literal(rand, kind):
    if kind is None:
        return random_value(rand, False)
    if kind == "id":
        return "id", rand.choice(["1", "2", "0000000000000003", f"{rand.randrange(1, TRACES):032x}"])
    return {"duration": ("duration", rand.choice([0, 1, 10**6, 10**9, 5 * 10**9])), "int": ("int", rand.randrange(4)), "text": ("text", rand.choice(TEXTS)),
            "status": ("status", rand.choice(STATUS)), "kind": ("kind", rand.choice(KINDS))}[kind]


def compared(op, left, right):
    """A function of lists: = and the like when it holds for any pair; != and !~ when pairs can be compared and it holds for all."""
    def holds(s):
        is_not = op in ("!=", "!~")
        met = [compare({"!=": "=", "!~": "=~"}.get(op, op), x, y) for x in left(s) for y in right(s)]
        met = [v for v in met if v is not None]
        return bool(met) and not any(met) if is_not else any(met)
    return holds


def comparison(rand):
    f = field(rand)
    if f.type is None and rand.random() < 0.15:
        op = rand.choice(["=", "!="])
        return f"{f.text} {op} nil", lambda s: (not f.all(s)) == (op == "=")
    if f.type in (None, "text") and rand.random() < 0.2:
        op, pattern = rand.choice(["=~", "!~"]), rand.choice(PATTERNS)
        return f'{f.text} {op} "{pattern}"', compared(op, f.all, lambda s: [("text", pattern)])
    value = literal(rand, f.type)
    kind = f.type or value[0]
    op = rand.choice(["=", "!="] if kind in ("id", "status", "kind", "bool") else ["=", "!=", "<", "<=", ">", ">="])
    if kind == "id":
        bare = ("id", value[1].lstrip("0"))
        return f'{f.text} {op} "{value[1]}"', compared(op, lambda s: [("id", v.lstrip("0")) for _, v in f.all(s)], lambda s: [bare])
    if rand.random() < 0.15:
        turned = {"<": ">", ">": "<", "<=": ">=", ">=": "<="}.get(op, op)
        return f"{text_of(value)} {turned} {f.text}", compared(op, f.all, lambda s: [value])
    return f"{f.text} {op} {text_of(value)}", compared(op, f.all, lambda s: [value])


def between_fields(rand):
    f, g, op = attribute(rand), attribute(rand), rand.choice(["=", "!=", "<", ">="])
    return f"{f.text} {op} {g.text}", compared(op, f.all, g.all)


def computed(rand):
    """A field and a number, as one number; None where the field is none."""
    f, by, op = attribute(rand), rand.randrange(1, 4), rand.choice("+-*/")

    def value(s):
        v = f.one(s)
        if not is_number(v):
            return None
        return {"+": lambda: v[1] + by, "-": lambda: v[1] - by, "*": lambda: v[1] * by, "/": lambda: v[1] / by}[op]()
    return f"{f.text} {op} {by}", value


def of_computed(rand):
    text, value = computed(rand)
    op, limit = rand.choice(["=", "!=", "<", ">"]), rand.randrange(-1, 6)
    return f"{text} {op} {limit}", compared(op, lambda s: [] if value(s) is None else [("float", value(s))], lambda s: [("int", limit)])


def truth(rand):
    f = attribute(rand)
    return f.text, f.one


def leaf(rand):
    n = rand.random()
    if n < 0.05:
        return "nestedSetParent < 0", lambda s: not s.parent_id
    if n < 0.08:
        return rand.choice([("true", lambda s: True), ("false", lambda s: False)])
    if n < 0.14:
        text, one = truth(rand)
        return text, lambda s: one(s) == ("bool", True)
    if n < 0.18:
        text, one = truth(rand)
        return f"!{text}", lambda s: one(s) == ("bool", False)
    return (of_computed if n < 0.26 else between_fields if n < 0.34 else comparison)(rand)


def expression(rand, depth):
    if depth == 0 or rand.random() < 0.4:
        return leaf(rand)
    left_text, left = expression(rand, depth - 1)
    if rand.random() < 0.2:
        # What is neither true nor false is not turned: comparisons are always one of both, an attribute alone is not.
        text, fits = comparison(rand)
        return f"!({text})", lambda s: not fits(s)
    right_text, right = expression(rand, depth - 1)
    if rand.random() < 0.5:
        return f"({left_text}) && ({right_text})", lambda s: left(s) and right(s)
    return f"({left_text}) || ({right_text})", lambda s: left(s) or right(s)


# ---- sets of spans: pairs of a text and a function of the trace's spans that are looked at ----

def is_above(x, y):
    while y.parent:
        y = y.parent
        if y is x:
            return True
    return False


RELATIONS = {">": lambda x, y: y.parent is x, ">>": is_above, "<": lambda x, y: x.parent is y, "<<": lambda x, y: is_above(y, x),
             "~": lambda x, y: x is not y and x.parent is not None and x.parent is y.parent}


def spans_of(rand, depth):
    n = rand.random()
    if depth == 0 or n < 0.35:
        if n < 0.05:
            return "{ }", list
        text, fits = expression(rand, 2)
        return f"{{ {text} }}", lambda spans: [s for s in spans if fits(s)]
    if n < 0.42:
        text, run = pipeline(rand, depth - 1)

        def joined_sets(spans):
            return unique(run([((), spans)]))
        joined_sets.sets = run  # as a stage it is as if its stages stood there
        return f"({text})", joined_sets
    (left_text, left), (right_text, right) = spans_of(rand, depth - 1), spans_of(rand, depth - 1)
    if n < 0.6:
        op = rand.choice(["&&", "||"])

        def joined(spans):
            x, y = left(spans), right(spans)
            return [s for s in spans if s in x or s in y] if op == "||" or (x and y) else []
        return f"({left_text} {op} {right_text})", joined
    sign, mark = rand.choice(list(RELATIONS)), rand.choice(["", "", "!", "&"])
    stands = RELATIONS[sign]

    def related(spans):
        x, y = left(spans), right(spans)
        out = [b for b in y if any(stands(a, b) for a in x) != (mark == "!")]
        return out + [a for a in x if a not in out and any(stands(a, b) for b in y)] if mark == "&" else out
    return f"({left_text} {mark}{sign} {right_text})", related


def unique(sets):
    out = []
    for _, spans in sets:
        out += [s for s in spans if s not in out]
    return out


# ---- pipelines: functions of a list of sets, which are pairs of what they are told apart by, and spans ----

def grouping(rand):
    f = field(rand)
    if f.type in ("duration", "id"):
        text, fits = comparison(rand)
        key, text = (lambda s: ("bool", bool(fits(s)))), text
    else:
        text = f.text

        def key(s):
            v = f.one(s)
            return None if v is None else ("number", v[1]) if is_number(v) else (v[0], repr(v[1]))

    def run(sets):
        out = []
        for marks, spans in sets:
            groups = defaultdict(list)
            for s in spans:
                groups[key(s)].append(s)
            out += [(marks + (k,), v) for k, v in groups.items()]
        return out
    return f"by({text})", run


def aggregate(rand):
    """Of spans, a number or None."""
    if rand.random() < 0.4:
        return "count()", len
    if rand.random() < 0.3:
        text, value = "duration", lambda s: s.duration
    elif rand.random() < 0.5:
        text, value = computed(rand)
    else:
        f = attribute(rand)
        text, value = f.text, lambda s: f.one(s)[1] if is_number(f.one(s)) else None
    name, fold = rand.choice([("min", min), ("max", max), ("sum", sum), ("avg", lambda v: sum(v) / len(v))])

    def run(spans):
        values = [v for v in map(value, spans) if v is not None]
        return None if not values else int(fold(values)) if text == "duration" else fold(values)  # durations are whole nanoseconds
    return f"{name}({text})", run


def threshold(rand):
    text, of = aggregate(rand)
    op, limit = rand.choice(["<", ">", "<=", ">=", "!=", "="]), rand.choice([0, 1, 2, 3, 10**9] if "duration" in text else [0, 1, 2, 3, 4])

    def fits(spans):
        v = of(spans)
        return v is not None and {"<": v < limit, ">": v > limit, "<=": v <= limit, ">=": v >= limit, "!=": v != limit, "=": v == limit}[op]
    return f"{text} {op} {limit}{'ns' if 'duration' in text else ''}", lambda sets: [(m, v) for m, v in sets if fits(v)]


def coalesced(sets):
    spans = unique(sets)
    return [((), spans)] if spans else []


def stage_of(of):
    return getattr(of, "sets", None) or (lambda sets: [(m, of(v)) for m, v in sets])


def pipeline(rand, depth):
    """Sets without spans are none."""
    text, of = spans_of(rand, depth)
    texts, runs = [text], [stage_of(of)]
    for _ in range(rand.choice([0, 0, 1, 1, 2, 3])):
        n = rand.random()
        if n < 0.3:
            text, run = grouping(rand)
        elif n < 0.6:
            text, run = threshold(rand)
        elif n < 0.7:
            text, run = "coalesce()", coalesced
        elif n < 0.75:
            text, run = "select(span.a, duration)", list
        else:
            text, of = spans_of(rand, 1)
            run = stage_of(of)
        texts.append(text)
        runs.append(run)

    def run_all(sets):
        for run in runs:
            sets = [(m, v) for m, v in run(sets) if v]
        return sets
    return " | ".join(texts), run_all


# ---- the test ----

def key_of(span_id, start):
    return span_id.zfill(16), int(start)


class Search(harness.Case):
    def got(self, s, query, **params):
        r = s.get("/tempo/api/search", dict(WINDOW, q=query, limit=TRACES + 1, spss=100) | params)
        self.assertEqual(r.status, 200, (query, r.text))
        out = {}
        for t in r.json["traces"]:
            sets = []
            for x in t["spanSets"]:
                self.assertEqual(x["matched"], len(x["spans"]), query)
                sets.append(sorted(key_of(v["spanID"], v["startTimeUnixNano"]) for v in x["spans"]))
            out[t["traceID"].zfill(32)] = sorted(sets)
        return out

    def count(self, s, query):
        r = s.get("/tempo/api/metrics/query", dict(WINDOW, q=f"{query} | count_over_time()"))
        self.assertEqual(r.status, 200, (query, r.text))
        return sum(x["value"] for x in r.json["series"])

    def check_window(self, s, query, traces, want, rand):
        """A window finds the same of a trace that lies within it, nothing of one without, and all or nothing of others; a limit cuts."""
        start = BASE + rand.randrange(TRACES * 10)
        end = start + rand.randrange(1, 200)
        got = self.got(s, query, start=start, end=end)
        for t in traces:
            within = [start * S <= x.start < (end + 1) * S for x in t.spans]  # the last second belongs to it
            if all(within) or t.id in got:
                self.assertTrue(any(within), (query, t.id, start, end))
                self.assertEqual(got.get(t.id), want.get(t.id), (query, t.id, start, end))
        limit = rand.randrange(1, 30)
        some = self.got(s, query, limit=limit)
        self.assertEqual(len(some), min(limit, len(want)), query)
        self.assertEqual(some, {k: want[k] for k in some}, query)

    def check(self, s, traces, rand):
        found = 0
        for _ in range(QUERIES):
            query, run = pipeline(rand, rand.randrange(3))
            want = {}
            total = 0
            for t in traces:
                sets = run([((), t.spans)])
                if sets:
                    want[t.id] = sorted(sorted(key_of(x.id, x.start) for x in v) for _, v in sets)
                    total += len(unique(sets))
            got = self.got(s, query)
            for trace_id in sorted({*got, *want}):
                self.assertEqual(got.get(trace_id), want.get(trace_id), (query, trace_id))
            self.assertEqual(self.count(s, query), total, query)
            self.check_window(s, query, traces, want, rand)
            found += 0 < len(want) < len(traces)
        self.assertGreater(found, QUERIES // 4, "queries that tell traces apart")

    def test_any_query_finds_what_looking_at_every_span_finds(self):
        seed = int(os.environ.get("STOA_TEST_SEED", time.time_ns() % 10**9))
        rand = random.Random(seed)
        traces = [random_trace(rand, i + 1) for i in range(TRACES)]
        rows = [otlp_span(x) for t in traces for x in t.spans]
        rand.shuffle(rows)
        half = len(rows) // 2
        s = self.server()
        for stored, part, after in (("memory", rows[:half], []), ("both", [], ["flush"]), ("both", rows[half:], []), ("disk", [], ["flush", "merge"])):
            if part:
                self.assertEqual(s.post_json("/v1/traces", {"resourceSpans": part}).status, 200)
            for what in after:
                self.assertEqual(s.post(f"/api/stoa/v1/{what}").status, 200)
            if part != rows[:half] and (part or stored == "disk"):
                with self.subTest(seed=seed, stored=stored):
                    self.check(s, traces, rand)


if __name__ == "__main__":
    harness.main()
