# SPDX-License-Identifier: Apache-2.0
"""Cases of W3C's trace context: headers are sent with queries, whose own spans must continue the trace the headers name, or begin one.
What a query's trace is says the query log; its span's parent and trace state are read from the store. Where lists differ, W3C's own counts."""
import http.client
import json
import os
import re
import tempfile
import time

import harness
import trace_forms as forms

CONFIG = "host:\n  enabled: false\nlogs:\n  journal: false\n  files: []\nretention: 36500d\nglobal:\n  query_log_file: %s\n"
SECONDS_MAX = 30
MEMBERS_MAX = 32


class Case:
    """continued: the trace goes on, True or False, None: not said. state: the members that must be kept, None: not said."""

    def __init__(self, source, headers, continued=None, state=None):
        self.source, self.headers, self.continued, self.state = source, [tuple(h) for h in headers], continued, state

    def sent(self, name):
        return [value for key, value in self.headers if key.lower() == name]


def members(values):
    """The members of tracestate headers, a key's first one."""
    out = {}
    for member in ",".join(values).split(","):
        key, _, value = member.strip(" \t").partition("=")
        if key:
            out.setdefault(key, value)
    return out


# ---- the lists ----

def w3c(folder):
    for p in sorted(folder.glob("w3c+trace-context/derived/trace_context_harness.json")):
        for t in json.loads(p.read_text())["cases"]:
            said = [x.startswith("self.assertEqual") for x in t["assertions"] if "traceparent.trace_id.hex()" in x or "in trace_ids" in x]
            doc = t["doc"]
            for i, request in enumerate(t["requests"]):
                if not isinstance(request["headers"], list):
                    continue  # put together by the program
                case = Case(f"{t['test']} {i + 1}", request["headers"])
                if said:
                    case.continued = said[i] if len(said) == len(t["requests"]) else all(said)
                states = case.sent("tracestate")
                keys = members(states)
                if not states:
                    pass
                elif "discarded" in doc and ("inherited" not in doc or any(k.startswith("@") for k in keys)) and not any("foo" in a and "assertEqual" in a for a in t["assertions"]):
                    case.state = {}
                elif case.sent("traceparent") and keys:
                    case.state = {} if any(k.startswith("@") for k in keys) else keys
                yield case
    for p in sorted(folder.glob("w3c+trace-context/derived/test_traceparent.json")):
        lists = json.loads(p.read_text())["cases"]
        refused = {x for t in lists[:2] for x in t["reject"]} | {x for t in lists[2:] for x in t["reject"] if x.startswith("00-")}
        for x in sorted({x for t in lists for x in t["accept"]} | refused):
            yield Case(f"{p.name} {x}", [("traceparent", x)], x not in refused)
    for p in sorted(folder.glob("w3c+trace-context/derived/test_tracestate.json")):
        for x in sorted({x for t in json.loads(p.read_text())["cases"] for x in t["accept"]}):
            yield Case(f"{p.name} {x}", [("traceparent", "00-" + "ab" * 16 + "-" + "cd" * 8 + "-01"), ("tracestate", x)], True, members([x]))


def elastic(folder, newer):
    """newer: (tracestate headers) of W3C's cases, which say otherwise of some."""
    for p in sorted(folder.glob("elastic+apm/**/w3c_distributed_tracing.json")):
        rows = json.loads("\n".join(x for x in p.read_text().splitlines() if not x.lstrip().startswith("//")))
        for i, t in enumerate(rows):
            case = Case(f"{p.name} {i + 1} {str(t['headers'])[:150]}", t["headers"], t["is_traceparent_valid"] if t["headers"] else None)
            states = case.sent("tracestate")
            keys = members(states)
            later = any("@" in k and re.fullmatch(r"[a-z0-9][a-z0-9_*/@-]{0,255}", k) for k in keys)
            later = later or len(keys) > MEMBERS_MAX  # called valid there, against the standard
            if "is_tracestate_valid" in t and tuple(states) not in newer and not later:
                case.state = keys if t["is_tracestate_valid"] else {}
            yield case


def newrelic(folder):
    for p in sorted(folder.glob("split/newrelic-trace_context/*.json")):
        for t in json.loads(p.read_text()):
            for headers in t.get("inbound_headers") or []:
                parent = headers.get("traceparent")
                is_bad = any("TraceParent/Parse/Exception" in m[0] for m in t.get("expected_metrics", []))
                exact = t.get("intrinsics", {}).get("common", {}).get("exact", {}).get("traceId")
                is_known = is_bad or exact or any("TraceContext/Accept/Success" in m[0] for m in t.get("expected_metrics", []))
                yield Case(f"{p.parent.name} {t['test_name']}", headers.items(), (not is_bad) if parent and is_known else None)


# ---- the server ----

def ask(server, number, headers):
    c = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    c.putrequest("GET", f"/api/v1/query?query=vector({number})")
    for key, value in headers:
        c.putheader(key, value)
    c.endheaders()
    status = c.getresponse().status
    c.close()
    return status


def until(check):
    end = time.monotonic() + SECONDS_MAX
    while not (found := check()) and time.monotonic() < end:
        time.sleep(0.1)
    return found


def logged(path, count):
    def read():
        with open(path) as f:
            rows = [json.loads(x) for x in f if x.endswith("\n")]
        found = {int(m[1]): r for r in rows if (m := re.fullmatch(r"vector\((\d+)\)", r["params"]["query"]))}
        return found if len(found) >= count else None
    return until(read) or {}


def span_of(server, row):
    def read():
        r = server.get("/jaeger/api/v3/traces/" + row["traceID"])
        return next((s for s in forms.otlp_spans(r.json["result"]) if s["spanId"] == row["spanID"]), None) if r.status == 200 else None
    return until(read) or {}


def check(group, server, case, row):
    sent = (case.sent("traceparent") or [""])[-1].strip()
    trace, parent = sent[3:35], sent[36:52]
    span = span_of(server, row)
    ids = [x.strip()[3:35] for x in case.sent("traceparent")]
    goes_on = row["traceID"] in ids and span.get("parentSpanId") == parent
    if case.continued is not None:
        group.check(f"{case.source}: the trace goes on", (goes_on, row["traceID"] == trace), (case.continued, case.continued))
    elif ids == []:
        group.check(f"{case.source}: a trace begins", ("parentSpanId" in span, "traceState" in span), (False, False))
    if case.state is not None:
        group.check(f"{case.source}: the trace state", members([span.get("traceState", "")]), case.state)


def run(folder, group):
    """group: counts the cases, trace_cases.Counts."""
    first = list(w3c(folder))
    newer = {tuple(c.sent("tracestate")) for c in first if c.sent("tracestate")}
    cases = first + list(elastic(folder, newer)) + list(newrelic(folder))
    with tempfile.TemporaryDirectory() as d:
        path = os.path.join(d, "queries.log")
        server = harness.Server(config=CONFIG % path, quiet=False)
        try:
            for i, case in enumerate(cases):
                group.check(f"{case.source}: the query is answered", ask(server, i, case.headers), 200)
            rows = logged(path, len(cases))
            for i, case in enumerate(cases):
                check(group, server, case, rows.get(i, {"traceID": "0", "spanID": "0"}))
        finally:
            server.close()
