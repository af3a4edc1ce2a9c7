#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every key that a configuration may have is named in docs/configuration.md.

The names come from the tables of the readers themselves: lists of slices whose names end in keys, global, job or http, and
rows of the table of top-level keys. Lists of what is known and not served (known...) are left out. Prints FILE: KEY of each that is missing.
"""
import pathlib
import re
import sys

KEYS_LEAST = 200  # fewer: the tables are no longer found
root = pathlib.Path(__file__).resolve().parent.parent
readers = [p for folder in ("server", "collect", "alert", "pipeline", "ingest", "probe", "rum", "correlate")
           for p in sorted((root / "src" / folder).glob("*.c")) if not p.name.endswith("_test.c") and "yaml_get(" in p.read_text()]
lists = re.compile(r"struct slice (\w*(?:keys|served|_global|_job|_http|allowed)\w*)\[\w*\] = \{(.*?)\};", re.S)
rows = re.compile(r"^\s*\{ ?SLICE_INIT\(\"(\w+)\"\), ?(?:read_\w+|config_\w+)", re.M)
documented = set(re.findall(r"\w+", (root / "docs/configuration.md").read_text()))
seen, missing = 0, []
for path in readers:
    text = path.read_text()
    names = set(rows.findall(text))
    for name, body in lists.findall(text):
        if not name.startswith("known"):
            names |= set(re.findall(r"SLICE_INIT\(\"(\w+)\"\)", body.split("/* known")[0]))
    seen += len(names)
    missing += [f"{path.relative_to(root)}: {n} is not named in docs/configuration.md" for n in sorted(names - documented)]
if seen < KEYS_LEAST:
    missing.append(f"only {seen} keys were found in the readers, {KEYS_LEAST} are expected: have their tables another form?")
print("\n".join(missing + [f"{seen - len(missing)} passed, {len(missing)} failed"]))
sys.exit(bool(missing))
