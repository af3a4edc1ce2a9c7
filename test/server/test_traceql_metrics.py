#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""TraceQL's numbers over time, against the same computed here from the spans that were sent: in memory, on disk, and partly in each."""
import math
import os
import random
import time
import unittest
from collections import defaultdict

import harness

S = 10**9
STEP, STEPS, TRACES = 20, 9, 400
START = (int(time.time()) // STEP - STEPS - 30) * STEP
END = START + STEP * STEPS
SERVICES, NAMES, ROUTES = ["shop", "cart", "pay"], ["GET", "POST", "query"], ["/a", "/b", None]
STATUS = ["unset", "ok", "error"]


class Span:
    pass


def make_spans(rand):
    """Trees of up to eight spans each."""
    spans = []
    for t in range(TRACES):
        first, start = len(spans), START * S + rand.randrange(STEP * STEPS * S)
        for i in range(rand.randrange(1, 9)):
            s = Span()
            s.trace, s.id = f"{t + 1:032x}", f"{len(spans) + 1:016x}"
            s.parent = spans[rand.randrange(first, len(spans))] if i else None
            s.root = spans[first] if i else s
            s.start = start if i == 0 else min(s.parent.start + rand.randrange(3 * S), END * S - 1)
            s.duration = rand.choice([rand.randrange(1, 10**6), rand.randrange(10**6, 5 * S)])
            s.service, s.name, s.status, s.kind = rand.choice(SERVICES), rand.choice(NAMES), rand.randrange(3), rand.randrange(1, 6)
            s.route, s.size = rand.choice(ROUTES), rand.choice([None, rand.randrange(1, 5000), rand.randrange(1000) / 8])
            spans.append(s)
    return spans


def attribute(key, value):
    kind = "stringValue" if isinstance(value, str) else "intValue" if isinstance(value, int) else "doubleValue"
    return {"key": key, "value": {kind: str(value) if kind == "intValue" else value}}


def otlp(spans):
    by_service = defaultdict(list)
    for s in spans:
        row = {"traceId": s.trace, "spanId": s.id, "name": s.name, "kind": s.kind, "startTimeUnixNano": str(s.start),
               "endTimeUnixNano": str(s.start + s.duration), "status": {"code": s.status}, "attributes": []}
        if s.parent:
            row["parentSpanId"] = s.parent.id
        if s.route:
            row["attributes"].append(attribute("http.route", s.route))
        if s.size is not None:
            row["attributes"].append(attribute("size", s.size))
        by_service[s.service].append(row)
    return {"resourceSpans": [{"resource": {"attributes": [attribute("service.name", k)]}, "scopeSpans": [{"spans": v}]} for k, v in by_service.items()]}


def label_value(value):
    (kind, v), = value.items()
    return int(v) if kind == "intValue" else v


def quantile(q, values):
    values = sorted(values)
    rank = q * (len(values) - 1)
    low = math.floor(rank)
    return values[low] + (rank - low) * (values[min(low + 1, len(values) - 1)] - values[low])


def power_above(v):
    return 0 if v <= 0 else 2.0 ** math.ceil(math.log2(v))


def below(s, fits):
    """Is a span above it that fits?"""
    while s.parent:
        s = s.parent
        if fits(s):
            return True
    return False


SECONDS = {"rate": lambda v: len(v) / STEP, "count_over_time": len}
FOLDS = {"sum_over_time": sum, "avg_over_time": lambda v: sum(v) / len(v), "min_over_time": min, "max_over_time": max}
# What is asked of a span, with what the answer calls it.
FIELDS = {"resource.service.name": lambda s: s.service, "name": lambda s: s.name, "status": lambda s: STATUS[s.status],
          "span.http.route": lambda s: s.route, ".http.route": lambda s: s.route, "rootName": lambda s: s.root.name}
NUMBERS = {"span.size": lambda s: s.size, "duration": lambda s: s.duration / 1e9}
FILTERS = {"{ }": lambda s: True, "{ status = error }": lambda s: s.status == 2, '{ resource.service.name = "shop" }': lambda s: s.service == "shop",
           '{ name =~ "G.*|query" && span.size > 100 }': lambda s: s.name != "POST" and s.size is not None and s.size > 100,
           "{ nestedSetParent < 0 }": lambda s: s.parent is None,
           "{ duration > 100ms } >> { kind = server }": lambda s: s.kind == 2 and below(s, lambda p: p.duration > 10**8)}


class Metrics(harness.Case):
    def ask(self, s, query, instant=False, **params):
        params = dict({"q": query, "start": START, "end": END, "step": f"{STEP}s"}, **params)
        r = s.get("/tempo/api/metrics/query" + ("" if instant else "_range"), params)
        self.assertEqual(r.status, 200, (query, r.text))
        return r.json["series"]

    def got(self, s, query, **params):
        """Rows of points by labels; NaN where there is none."""
        out = {}
        for x in self.ask(s, query, **params):
            key = tuple((y["key"], label_value(y["value"])) for y in x["labels"])
            row = [math.nan] * STEPS
            for point in x["samples"]:
                at = int(point["timestampMs"]) // 1000 - START
                self.assertEqual(at % STEP, 0)
                row[at // STEP - 1] = point["value"]
            self.assertNotIn(key, out)
            out[key] = row
        return out

    def same(self, query, got, want):
        self.assertEqual(sorted(got, key=str), sorted(want, key=str), query)
        for key, row in want.items():
            for g, w in zip(got[key], row):
                self.assertTrue((math.isnan(g) and math.isnan(w)) or math.isclose(g, w, rel_tol=1e-9, abs_tol=1e-12), (query, key, got[key], row))

    def groups(self, spans, by, name):
        """Lists of spans, one a step, by labels as an answer has them."""
        out = defaultdict(lambda: [[] for _ in range(STEPS)])
        for s in spans:
            key = tuple((f, FIELDS[f](s)) for f in by if FIELDS[f](s) is not None) or (((by[0], "nil"),) if by else (("__name__", name),))
            out[key][(s.start // S - START) // STEP].append(s)
        if not by:
            out[(("__name__", name),)]
        return out

    def check_counts(self, s, spans):
        for text, fits in FILTERS.items():
            chosen = [x for x in spans if fits(x)]
            for by in ([], ["resource.service.name"], ["name", "status"], ["span.http.route"], [".http.route", "resource.service.name"], ["rootName"]):
                for name, fold in SECONDS.items():
                    query = f"{text} | {name}()" + (f" by ({', '.join(by)})" if by else "")
                    want = {k: [fold(v) for v in rows] for k, rows in self.groups(chosen, by, name).items()}
                    for exemplars in (0, 50):
                        self.same(query, self.got(s, query, exemplars=exemplars), want)

    def check_values(self, s, spans):
        for field, number in NUMBERS.items():
            chosen = [x for x in spans if number(x) is not None]
            for by in ([], ["resource.service.name"]):
                tail = f" by ({by[0]})" if by else ""
                for name, fold in FOLDS.items():
                    want = {k: [fold([number(x) for x in v]) if v else math.nan for v in rows] for k, rows in self.groups(chosen, by, name).items()}
                    self.same(name, self.got(s, f"{{ }} | {name}({field}){tail}"), want)
                want = {}
                for k, rows in self.groups(chosen, by, None).items():
                    for q in (0.5, 0.99):
                        want[(k if by else ()) + (("p", q),)] = [quantile(q, [number(x) for x in v]) if v else math.nan for v in rows]
                self.same(field, self.got(s, f"{{ }} | quantile_over_time({field}, 0.5, .99){tail}"), want)
                unit = 1e9 if field == "duration" else 1
                buckets = defaultdict(lambda: [0] * STEPS)
                for k, rows in self.groups(chosen, by, None).items():
                    for i, row in enumerate(rows):
                        for x in row:
                            buckets[(k if by else ()) + (("__bucket", power_above(round(number(x) * unit) if unit > 1 else number(x)) / unit),)][i] += 1
                self.same(field, self.got(s, f"{{ }} | histogram_over_time({field}){tail}"), buckets)

    def check_series(self, s, spans):
        by = ["name"]
        counts = {k: [len(v) for v in rows] for k, rows in self.groups(spans, by, None).items()}
        errors = {k: [len(v) for v in rows] for k, rows in self.groups([x for x in spans if x.status == 2], by, None).items()}
        total = [sum(row[i] for row in counts.values()) for i in range(STEPS)]
        e, a = "({ status = error } | count_over_time() by (name))", "({ } | count_over_time() by (name))"
        ratio = {k: [x / y if y else math.nan for x, y in zip(row, counts[k])] for k, row in errors.items()}
        self.same("ratio", self.got(s, f"{e} / {a}"), ratio)
        self.same("share", self.got(s, f"100 * {a} / ({{ }} | count_over_time())"), {k: [100 * x / y for x, y in zip(row, total)] for k, row in counts.items()})
        top = {k: list(row) for k, row in counts.items()}
        for i in range(STEPS):
            for k in sorted(top, key=lambda k: (-counts[k][i], k))[2:]:
                top[k][i] = math.nan
        self.same("topk", self.got(s, "{ } | count_over_time() by (name) | topk(2)"), {k: v for k, v in top.items() if not all(map(math.isnan, v))})
        limit = sorted(total)[STEPS // 2]
        self.same("filter", self.got(s, f"{{ }} | count_over_time() > {limit}"), {(("__name__", "count_over_time"),): [x if x > limit else math.nan for x in total]})

    def check_compare(self, s, spans):
        sides = {"baseline": [x for x in spans if x.status != 2], "selection": [x for x in spans if x.status == 2]}
        got = defaultdict(float)
        for x in self.ask(s, "{ } | compare({ status = error }, 20)", instant=True):
            labels = [(y["key"], label_value(y["value"])) for y in x["labels"]]
            got[labels[0][1], labels[1][0], labels[1][1]] = x["value"]
        for side, chosen in sides.items():
            self.assertEqual(got[f"{side}_total", "name", "nil"], len(chosen))
            self.assertEqual(got[f"{side}_total", "span.http.route", "nil"], sum(1 for x in chosen if x.route))
            for name, of in (("name", lambda x: x.name), ("rootName", lambda x: x.root.name), ("rootServiceName", lambda x: x.root.service),
                             ("resource.service.name", lambda x: x.service), ("status", lambda x: STATUS[x.status]), ("span.http.route", lambda x: x.route)):
                for value in {of(x) for x in spans} - {None}:
                    self.assertEqual(got[side, name, value], sum(1 for x in chosen if of(x) == value), (side, name, value))
        self.assertIn(("__too_many_values__", "span.size", "nil"), got)

    def check_instant(self, s, spans):
        series, = self.ask(s, "{ } | rate()", instant=True)
        self.assertAlmostEqual(series["value"], len(spans) / (END - START))
        got = {x["labels"][0]["value"]["stringValue"]: x["value"] for x in self.ask(s, "{ } | count_over_time() by (resource.service.name)", instant=True)}
        self.assertEqual(got, {k: sum(1 for x in spans if x.service == k) for k in SERVICES})
        got = self.ask(s, "{ } | max_over_time(duration)", instant=True)
        self.assertAlmostEqual(got[0]["value"], max(x.duration for x in spans) / 1e9)

    def check_exemplars(self, s, spans):
        known = {x.trace for x in spans}
        series, = self.ask(s, "{ status = error } | avg_over_time(duration) with (exemplars=30)")
        self.assertTrue(10 < len(series["exemplars"]) <= 30, len(series["exemplars"]))
        for x in series["exemplars"]:
            ids = [y["value"]["stringValue"] for y in x["labels"] if y["key"] == "trace:id"]
            self.assertTrue(ids and ids[0].zfill(32) in known, x)

    def test_answers_are_those_of_counting_by_hand(self):
        seed = int(os.environ.get("STOA_TEST_SEED", time.time_ns() % 10**9))
        spans = make_spans(random.Random(seed))
        half = len(spans) // 2
        s = self.server()
        with self.subTest(seed=seed):
            self.assertEqual(s.post_json("/v1/traces", otlp(spans[:half])).status, 200)
            self.assertEqual(s.post("/api/stoa/v1/flush").status, 200)
            self.assertEqual(s.post_json("/v1/traces", otlp(spans[half:])).status, 200)
            for stored in ("both", "disk"):
                if stored == "disk":
                    for what in ("flush", "merge"):
                        self.assertEqual(s.post(f"/api/stoa/v1/{what}").status, 200)
                for check in (self.check_counts, self.check_values, self.check_series, self.check_compare, self.check_instant, self.check_exemplars):
                    with self.subTest(stored=stored, check=check.__name__):
                        check(s, spans)


if __name__ == "__main__":
    harness.main()
