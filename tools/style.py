#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The style check: banned functions, licence lines, file and function length, unfinished work."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
LICENCE = "SPDX-License-Identifier: Apache-2.0"
FILE_LINES_MAX = 900
FUNCTION_LINES_MAX = 70
BANNED = re.compile(r"\b(strcpy|strcat|strtok|sprintf|vsprintf|gets|atoi|atol|atof|strncpy|strncat|alloca|malloc|calloc|realloc)\s*\(")
# Where the rule makes no sense: the allocation functions themselves, and the client library, which stands alone.
BANNED_EXCEPT = ("src/base/slice.c", "client/")
OS_CALLS = re.compile(r"\b(clock_gettime|gettimeofday|time\s*\(\s*NULL|fopen|fsync|fdatasync|getrandom|pthread_create)\b")
OS_ALLOWED = ("src/sys/", "src/base/unit.c", "src/base/unit.h", "client/", "fuzz/", "bench/")
UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")


def functions(lines):
    """Top-level bodies of C code written in our layout: '{' alone in column 0 to '}' in column 0."""
    start = None
    for number, line in enumerate(lines, 1):
        if line.startswith("{"):
            start = number
        elif line.startswith("}") and start:
            yield start, number - start + 1
            start = None


def check(path):
    name = str(path.relative_to(ROOT))
    lines = path.read_text().splitlines()
    is_test = name.endswith("_test.c")
    found = []
    if not any(LICENCE in line for line in lines[:3]):
        found.append(f"{name}:1: no licence line")
    if len(lines) > FILE_LINES_MAX:
        found.append(f"{name}: {len(lines)} lines, at most {FILE_LINES_MAX}")
    for number, line in enumerate(lines, 1):
        code = re.sub(r'"(\\.|[^"\\])*"', '""', line)
        m = BANNED.search(code)
        if m and not name.startswith(BANNED_EXCEPT):
            found.append(f"{name}:{number}: {m[1]} is banned")
        m = OS_CALLS.search(code)
        if m and not name.startswith(OS_ALLOWED) and not is_test:
            found.append(f"{name}:{number}: {m[0]}: only sys/ asks the system for time, files, randomness and threads")
        if UNFINISHED.search(line):
            found.append(f"{name}:{number}: unfinished work: {line.strip()[:80]}")
        if len(line) > 150:
            found.append(f"{name}:{number}: line of {len(line)} bytes, at most 150")
    if path.suffix == ".c" and not is_test:
        for start, length in functions(lines):
            if length > FUNCTION_LINES_MAX:
                found.append(f"{name}:{start}: function of {length} lines, at most {FUNCTION_LINES_MAX}")
    return found


def main():
    found, files = [], 0
    for top in ("src", "client", "fuzz", "bench"):
        for path in sorted((ROOT / top).rglob("*")):
            if path.suffix in (".c", ".h", ".cc"):
                files += 1
                found += check(path)
    for top in ("tools", "fuzz", "bench", "packaging", ".ci"):
        for path in sorted((ROOT / top).iterdir()):
            if path.is_file() and path.suffix in (".py", ".sh", ".mk", ".service", ""):
                files += 1
                if not any(LICENCE in line for line in path.read_text().splitlines()[:3]):
                    found.append(f"{path.relative_to(ROOT)}:1: no licence line")
    for line in found:
        print(line)
    print(f"style: {files} files, {len(found)} findings")
    print(f"{0 if found else 1} passed, {1 if found else 0} failed")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
