#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Other people's queries of TraceQL: traceql_cases.py FOLDER turns those found in it into scripts and runs them. Tempo's test_examples.yaml says
which queries are valid (they must parse, and run over a few traces), which fail, and which its server does not support (either will do); the
editor's grammar (expression.txt) and Tempo's manual (docs_*.json) have queries that parse. Ends with "N passed, M failed"."""
import glob
import json
import os
import re
import subprocess
import sys
import tempfile

STOA = os.environ.get("STOA", "build/stoa")
SPANS = """load
  trace 01
  span a "GET /" service=foo kind=server status=error start=1s duration=2s span.a=true span.foo="bar" span.field=3 resource.a=3 span.http.status=200
    event "exception" at=1ms foo="bar"
    link 02/c foo="bar"
  span b "SELECT" service=db kind=client parent=a start=2s duration=10ms span.foo=3.0 span.test=1 span.b=2 resource.namespace="x"
  trace 02
  span c "late" service=bar kind=consumer parent=gone start=5s status=ok span.a=2 span.http.path="/" span.client_ip="::1"

"""


def one_line(query):
    return query.replace("\n", " ").strip()


def lists_of(path):
    """Of a YAML file of lists of quoted texts, its lists by name."""
    lists, name = {}, None
    with open(path, encoding="utf-8") as f:
        for line in f:
            head = re.match(r"(\w+):", line)
            item = re.match(r"- (.*)$", line.rstrip("\n"))
            if head:
                name = head[1]
                lists[name] = []
            elif item:
                text = item[1]
                if text.startswith("'"):
                    text = text[1:-1].replace("''", "'")
                elif text.startswith('"'):
                    text = json.loads(text)
                lists[name].append(text)
    return lists


def is_metrics(query):
    return re.search(r"\|\s*(rate|count_over_time|\w+_over_time|compare)\s*\(", query) is not None


def holds(query, verb, kind, path):
    """None, or why not. kind: "parses", "refused", "either" (parses, or is refused with a sentence), "runs" (whatever comes of it)."""
    with open(path, "w", encoding="utf-8", newline="\n") as f:
        # No answer is that line: the runner tells what came instead, an answer or an error.
        f.write(SPANS + f"{verb} {query}\n" + {"refused": "  expect fail\n", "runs": "  (no answer)\n"}.get(kind, ""))
    done = subprocess.run([STOA, "test", "traceql", path], capture_output=True, text=True, timeout=60)
    last = done.stdout.strip().rsplit("\n", 1)[-1]
    error = re.search(r"got error: (\S.*)", done.stdout)
    if done.returncode not in (0, 1) or not re.fullmatch(r"\d passed, \d failed", last):
        return f"the runner broke: {done.returncode} {last}"
    if kind == "either" or (kind == "runs" and not error):
        return None
    return None if done.returncode == 0 else error[1] if error else "it parses"


def examples(path):
    cases = []
    for name, queries in lists_of(path).items():
        for q in map(one_line, queries):
            if name == "valid":
                cases += [(q, "parse", "parses"), (q, "eval range from 0 to 60s step 30s" if is_metrics(q) else "eval shown from 0 to 1m", "runs")]
            elif name in ("parse_fails", "validate_fails"):
                cases.append((q, "parse", "refused"))
            elif name == "unsupported":
                cases.append((q, "parse", "either"))
    return cases


def manual(path):
    """Blocks that are a query, or a query a line: not labels of an answer, nor placeholders."""
    with open(path, encoding="utf-8") as f:
        blocks = [c["query"].strip() for c in json.load(f)["cases"]]
    several = re.compile(r"^\s*[{(].*\n\s*\{.*[}]")
    queries = [q for b in blocks for q in (b.split("\n") if several.search(b) else [b])]
    operators = re.compile(r"<<|<=|< *\d|< *\{|&<|!<")
    return [q for q in queries if q.startswith(("{", "(")) and "<" not in operators.sub("", q) and "..." not in q and "\n\n" not in q]


def main():
    groups = []
    for path in sorted(glob.glob(os.path.join(sys.argv[1], "**", "test_examples.yaml"), recursive=True)):
        groups.append(("examples", examples(path)))
    for path in sorted(glob.glob(os.path.join(sys.argv[1], "**", "lezer-traceql", "expression.txt"), recursive=True)):
        with open(path, encoding="utf-8") as f:
            queries = re.findall(r"^# [^\n]*\n(.*?)\n==>", f.read(), re.M | re.S)
        groups.append(("editor", [(one_line(q), "parse", "parses") for q in queries]))
    for path in sorted(glob.glob(os.path.join(sys.argv[1], "**", "docs_traceql_blocks.json"), recursive=True)):
        groups.append(("manual", [(one_line(q), "parse", "parses") for q in manual(path)]))
    good = bad = 0
    with tempfile.TemporaryDirectory() as folder:
        for what, cases in groups:
            failed = 0
            for query, verb, kind in cases:
                why = holds(query, verb, kind, os.path.join(folder, "case.test"))
                if why:
                    failed += 1
                    print(f"traceql {what}: {verb.split()[0]} {query[:120]}: {why[:160]}")
            print(f"traceql {what}: {len(cases) - failed} of {len(cases)}")
            good += len(cases) - failed
            bad += failed
    print(f"{good} passed, {bad} failed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
