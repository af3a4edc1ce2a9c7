# SPDX-License-Identifier: Apache-2.0
"""Runs the article's snippets as they stand, with Debian's own packages unpacked under build/peers (nothing is installed).

    snippet("levels.py")             its text, addresses and credentials changed by `changes`
    run(code, ...)                   a Python process that can import prometheus_client, flask, pythonjsonlogger, requests
"""
import os
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(ROOT / "test" / "server"))
import harness  # noqa: E402

PACKAGES = ["python3-prometheus-client", "python3-decorator", "python3-blinker", "python3-flask", "python3-werkzeug", "python3-jinja2",
            "python3-markupsafe", "python3-itsdangerous", "python3-click", "python3-colorama", "python3-pythonjsonlogger",
            "python3-requests", "python3-urllib3", "python3-certifi", "python3-chardet", "python3-charset-normalizer", "python3-idna",
            "python3-six", "python3-schedule", "python3-aiosmtpd", "python3-public", "python3-attr"]
HIDDEN_ADDRESS = "[email\u00a0protected]"  # how the publisher's page shows an address
SECONDS_MAX = 60


def python_path():
    """Fetches what is missing and gives PYTHONPATH."""
    r = subprocess.run([str(ROOT / "tools" / "peers.sh"), *PACKAGES], capture_output=True, text=True)
    if r.returncode:
        raise AssertionError(f"the article's Python packages cannot be fetched: {r.stderr}")
    return os.pathsep.join(str(ROOT / "build" / "peers" / p / "usr" / "lib" / "python3" / "dist-packages") for p in PACKAGES)


def snippet(name, **changes):
    text = (HERE / "snippets" / name).read_text(encoding="utf-8")
    for old, new in changes.get("changes", {}).items():
        if old not in text:
            raise AssertionError(f"{name} does not hold {old!r}")
        text = text.replace(old, new)
    return text


def start(code, *args, **kw):
    """The process; its output is a pipe each."""
    env = dict(os.environ, PYTHONPATH=python_path(), PYTHONUNBUFFERED="1", PYTHONIOENCODING="utf-8")
    return subprocess.Popen(["/usr/bin/python3", "-W", "ignore", "-c", code, *map(str, args)], env=env, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True, **kw)


def run(code, *args):
    """stdout and stderr of a program that must end well."""
    process = start(code, *args)
    out, err = process.communicate(timeout=SECONDS_MAX)
    if process.returncode:
        raise AssertionError(f"the program failed:\n{err}")
    return out, err


def indent(text, by="    "):
    return "".join(by + line if line.strip() else line for line in text.splitlines(True))
