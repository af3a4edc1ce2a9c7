#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The layer check: reads the USES_ table of the Makefile and rejects every #include it does not allow.

Linking holds the same rule a second way: a folder's test program is linked only with what the table names.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent


def table():
    text = (ROOT / "Makefile").read_text().replace("\\\n", " ")
    uses = {m[1]: m[2].split() for m in re.finditer(r"^USES_(\w+)\s*:=(.*)$", text, re.M)}

    def expand(words):
        out = set()
        for word in words:
            inner = re.fullmatch(r"\$\(USES_(\w+)\)", word)
            out |= expand(uses[inner[1]]) if inner else {word}
        return out

    return {folder: expand(words) | {folder} for folder, words in uses.items()}


def main():
    allowed = table()
    bad = files = 0
    for path in sorted((ROOT / "src").rglob("*")):
        if path.suffix not in (".c", ".h", ".cc"):
            continue
        files += 1
        folder = path.relative_to(ROOT / "src").parts[0]
        for number, line in enumerate(path.read_text().splitlines(), 1):
            m = re.match(r'\s*#\s*include\s+"([^"]+)"', line)
            if not m:
                continue
            target = m[1].split("/")[0]
            if "/" not in m[1] or (target not in allowed and target != "client"):
                print(f"{path.relative_to(ROOT)}:{number}: include \"{m[1]}\" by its path from src/")
                bad += 1
            elif folder not in allowed:
                print(f"{path.relative_to(ROOT)}: folder {folder} is not in the Makefile's USES_ table")
                bad += 1
            elif m[1].endswith(("unit.h", "_test.h")) and path.suffix == ".c" and not path.name.endswith(("_test.c", "unit.c")):
                print(f"{path.relative_to(ROOT)}:{number}: {m[1]} is for tests")
                bad += 1
            elif target != "client" and target not in allowed[folder]:
                print(f"{path.relative_to(ROOT)}:{number}: {folder} may not include {target} "
                      f"(allowed: {' '.join(sorted(allowed[folder]))})")
                bad += 1
    print(f"layers: {files} files, {bad} violations")
    print(f"{1 if not bad else 0} passed, {1 if bad else 0} failed")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
