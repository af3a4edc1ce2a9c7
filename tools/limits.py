#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Writes docs/limits.md from the code: every named constant that bounds a size, a count or a time.

A limit is an enumerator of an unnamed enum, or a #define, whose name ends in one of the endings below. Its value is
worked out from the other constants of its file and of the headers; the comment beside it is what it means.
With --check nothing is written: the exit code says whether docs/limits.md is what the code says."""
import ast
import operator
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "limits.md"
ENDINGS = re.compile(r"_(MAX|MIN|BYTES|DEFAULT|CAP|SECONDS|MINUTES|HOURS|DAYS|MS|NS|S)(_MAX|_MIN|_DEFAULT)?$|^DEFAULT_|_(BYTES|SECONDS|HOURS)_")
# Units of the code itself, not limits.
UNITS = {"KIB", "MIB", "GIB", "TIB", "NS_S", "NS_MS", "NS_US"}
ENUM = re.compile(r"\benum(?P<name>\s+[A-Za-z_]\w*)?\s*\{(?P<body>[^{}]*)\}")
DEFINE = re.compile(r"^#define\s+([A-Z][A-Z0-9_]*)\s+(\S[^\n]*?)\s*(?:/\*(.*?)\*/)?\s*$", re.M)
CONST = re.compile(r"^static const (?:u?int\w*|size_t|unsigned|long|double) ([a-z_]+(?:_max|_min)) = ([^;{}]+);(?:\s*/\*(.*?)\*/)?", re.M)
PIECES = re.compile(r"/\*.*?\*/|'(?:\\.|[^'])'|[(),\n]|[^(),\n/']+|/", re.S)
OPERATORS = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.FloorDiv: operator.floordiv, ast.LShift: operator.lshift,
    ast.RShift: operator.rshift, ast.BitOr: operator.or_, ast.BitAnd: operator.and_, ast.USub: operator.neg, ast.Mod: operator.mod,
}
WELL_KNOWN = {
    "UINT8_MAX": 2**8 - 1, "UINT16_MAX": 2**16 - 1, "UINT32_MAX": 2**32 - 1, "UINT64_MAX": 2**64 - 1,
    "INT32_MAX": 2**31 - 1, "INT64_MAX": 2**63 - 1, "INT64_MIN": -(2**63), "SIZE_MAX": 2**64 - 1,
}
SIZES = {"uint8_t": 1, "uint16_t": 2, "uint32_t": 4, "uint64_t": 8, "int64_t": 8, "double": 8}


def comment_text(raw):
    text = " ".join(line.strip().lstrip("*").strip() for line in raw.removeprefix("/*").removesuffix("*/").splitlines())
    return text.strip().rstrip(".")


def enumerators(body):
    """(name, expression, comment) of an enum's body. A comment belongs to what stands before it on its line, or, when it
    has a line of its own, to what follows."""
    found, code, depth, ahead, fresh_line = [], "", 0, "", True

    def close():
        nonlocal code, ahead
        name, _, expression = code.partition("=")
        if name.strip():
            found.append([name.strip(), " ".join(expression.split()), ahead])
            ahead = ""
        code = ""

    for piece in PIECES.findall(body):
        if piece.startswith("/*"):
            text = comment_text(piece)
            if code.strip():
                ahead = f"{ahead} {text}".strip()
            elif found and not fresh_line:
                found[-1][2] = f"{found[-1][2]} {text}".strip()
            else:
                ahead = f"{ahead} {text}".strip()
            continue
        if piece == "," and depth == 0:
            close()
            fresh_line = False
            continue
        depth += (piece == "(") - (piece == ")")
        if piece == "\n":
            fresh_line = True
        elif piece.strip():
            fresh_line = False
        code += piece
    close()
    return found


def constants(path):
    """All constants of a file: (name, expression, comment, may be a limit)."""
    text = path.read_text()
    for m in ENUM.finditer(text):
        previous = None
        for name, expression, comment in enumerators(m["body"]):
            if not re.fullmatch(r"[A-Z][A-Z0-9_]*", name):
                continue
            if not expression:
                expression = "0" if previous is None else f"{previous} + 1"
            yield name, expression, comment, m["name"] is None
            previous = name
    for m in DEFINE.finditer(text):
        yield m[1], m[2], comment_text(m[3] or ""), True
    for m in CONST.finditer(text):
        yield m[1], m[2], comment_text(m[3] or ""), True


def value_of(expression, table, depth=0):
    """The number an expression stands for, or None."""
    if depth > 16:
        return None
    text = re.sub(r"sizeof\((?:struct )?(\w+)\)", lambda m: str(SIZES.get(m[1], "unknown")), expression)
    text = re.sub(r"\((?:u?int\d*_t|int|size_t|double|long|unsigned)\)", "", text)
    text = re.sub(r"\b(0x[0-9a-fA-F]+|\d+(?:\.\d+)?(?:e\d+)?)[uUlLfF]*\b", r"\1", text)
    text = re.sub(r"U?INT64_C\((\w+)\)", r"\1", text).replace("/", "//")

    def walk(node):
        if isinstance(node, ast.Expression):
            return walk(node.body)
        if isinstance(node, ast.Constant) and isinstance(node.value, (int, float)):
            return node.value
        if isinstance(node, ast.Name):
            if node.id in WELL_KNOWN:
                return WELL_KNOWN[node.id]
            return value_of(table[node.id], table, depth + 1) if node.id in table else None
        if isinstance(node, ast.UnaryOp):
            inner = walk(node.operand)
            return None if inner is None else OPERATORS[type(node.op)](inner)
        if isinstance(node, ast.BinOp):
            left, right = walk(node.left), walk(node.right)
            return None if left is None or right is None else OPERATORS[type(node.op)](left, right)
        return None

    try:
        return walk(ast.parse(text.strip(), mode="eval"))
    except (SyntaxError, KeyError, ZeroDivisionError, TypeError):
        return None


def shown(name, value, expression):
    if value is None:
        return f"`{expression}`"
    if isinstance(value, float) or abs(value) >= 2**62:
        return f"{value:g}" if isinstance(value, float) else str(value)
    if "BYTES" in name.upper() or any(unit in expression for unit in ("KIB", "MIB", "GIB")):
        for size, unit in ((2**40, "TiB"), (2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB")):
            if value >= size and value % size == 0:
                return f"{value // size} {unit}"
        if "BYTES" in name.upper():
            return f"{value} bytes"
    for ending, unit in (("SECONDS", "s"), ("MINUTES", "min"), ("HOURS", "h"), ("DAYS", "days")):
        if re.search(rf"_{ending}(_|$)", name):
            return f"{value} {unit}"
    unit = re.search(r"_(MS|NS|S)(_MAX|_MIN|_DEFAULT)?$", name)
    if unit and not name.endswith("_PER_S"):
        return f"{value} {unit[1].lower()}"
    return f"{value:,}".replace(",", " ")


def page():
    files = sorted(p for top in ("src", "client") for pattern in ("*.h", "*.c") for p in (ROOT / top).rglob(pattern)
                   if not p.name.endswith("_test.c"))
    everything = {path: list(constants(path)) for path in files}
    shared = {name: expression for path, found in everything.items() if path.suffix == ".h" for name, expression, _, _ in found}
    folders = {}
    for path, found in everything.items():
        table = {**shared, **{name: expression for name, expression, _, _ in found}}
        for name, expression, comment, unnamed in found:
            if not unnamed or name in UNITS or not (ENDINGS.search(name) or re.search(r"_(max|min)$", name)):
                continue
            value = value_of(expression, table)
            if value is None and not re.fullmatch(r"[\w\s+*/().<>-]+", expression):
                continue  # a macro with arguments or text: not a limit
            if name.endswith("_MIN") and value == 0:
                continue  # a code of a format
            row = f"| `{name}` | {shown(name, value, expression)} | {comment.replace('|', chr(92) + '|')} | {path.name} |"
            folders.setdefault(str(path.parent.relative_to(ROOT)), []).append(row)
    count = sum(len(rows) for rows in folders.values())
    out = [
        "# Limits", "",
        f"Every constant of the code that bounds a size, a count or a time: {count} of them, by folder. `tools/limits.py` writes this page "
        "from the sources, and `tools/limits.py --check` fails when it is stale: change the code, not this page.", "",
        "What is sized by input has one of these in front of it, and a refusal names the limit, the value found and, where one exists, "
        "the setting. Names ending in `_MAX` are the most that is accepted or kept, `_MIN` the least, `_DEFAULT` what holds while nothing "
        "is configured, `_BYTES` a size that a format or a buffer has.", "",
    ]
    for folder in sorted(folders):
        out += [f"## {folder}", "", "| name | value | meaning | file |", "|---|---|---|---|", *folders[folder], ""]
    return "\n".join(out).rstrip() + "\n", count


def main():
    if sys.argv[1:] not in ([], ["--check"]):
        print("limits: usage: tools/limits.py [--check]", file=sys.stderr)
        return 2
    text, count = page()
    if sys.argv[1:] == ["--check"]:
        same = PAGE.exists() and PAGE.read_text() == text
        if not same:
            print("limits: docs/limits.md is not what the code says; run tools/limits.py")
        print(f"{int(same)} passed, {int(not same)} failed")
        return 0 if same else 1
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(text)
    print(f"limits: {count} in {PAGE.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
