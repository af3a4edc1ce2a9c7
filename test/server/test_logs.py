# SPDX-License-Identifier: Apache-2.0
"""Logs that the server fetches by itself: a systemd journal (real files, made by systemd-journal-remote) and followed files.

systemd-journal-remote is unpacked by tools/peers.sh; where it cannot be had, the journal's tests are skipped and say so.
"""
import glob
import json
import os
import shutil
import subprocess
import tempfile
import time

import harness

PEERS = harness.ROOT / "build" / "peers"
WRITER = PEERS / "systemd-journal-remote" / "lib" / "systemd" / "systemd-journal-remote"
BOOT = "0123456789abcdef0123456789abcdef"
BASE = "host:\n  enabled: false\nself:\n  enabled: false\nlogs:\n"


def libraries():
    return ":".join(glob.glob(str(PEERS / "libmicrohttpd12" / "usr" / "lib" / "*")) + glob.glob("/usr/lib/*/systemd"))


def lines_of(server, query, **params):
    """(line, stream labels) in the order of time."""
    rows = [(int(t), line, s["stream"]) for s in server.logs(query, direction="forward", limit=5000, **params) for t, line, *_ in s["values"]]
    return [(line, stream) for _, line, stream in sorted(rows, key=lambda r: r[0])]


def texts(server, query):
    return [line for line, _ in lines_of(server, query)]


class Logs(harness.Case):
    def folder(self):
        path = tempfile.mkdtemp(prefix="stoa-logs-")
        self.addCleanup(shutil.rmtree, path, True)
        return path

    def all_come_once(self, server, query, expected):
        """All are there, none is there twice - also a moment later."""
        self.eventually(lambda: set(texts(server, query)) >= set(expected), what=f"{len(expected)} lines")
        time.sleep(1.2)
        self.assertEqual(sorted(texts(server, query)), sorted(expected))


class Journal(Logs):
    def setUp(self):
        peers = [str(harness.ROOT / "tools" / "peers.sh"), "systemd-journal-remote", "libmicrohttpd12"]
        if subprocess.run(peers, capture_output=True).returncode:
            self.skipTest("systemd-journal-remote cannot be fetched")
        self.dir = self.folder()
        self.data = self.folder()
        self.us = int(time.time() * 1e6) - 60_000_000
        self.config = BASE + f"  journal: true\n  journal_dir: {self.dir}\n  files: []\n"

    def write(self, entries, name="a.journal"):
        """entries: dicts of fields; bytes are written in the format's binary form."""
        out = b""
        for fields in entries:
            self.us += 1000
            out += f"__REALTIME_TIMESTAMP={self.us}\n__MONOTONIC_TIMESTAMP={self.us}\n_BOOT_ID={BOOT}\n".encode()
            for key, value in fields.items():
                if isinstance(value, bytes):
                    out += key.encode() + b"\n" + len(value).to_bytes(8, "little") + value + b"\n"
                else:
                    out += f"{key}={value}\n".encode()
            out += b"\n"
        subprocess.run([str(WRITER), "-o", os.path.join(self.dir, name), "-"], input=out, check=True, capture_output=True,
                       env=dict(os.environ, LD_LIBRARY_PATH=libraries()))

    def numbered(self, first, end):
        return [{"MESSAGE": f"entry {i}", "PRIORITY": "6", "SYSLOG_IDENTIFIER": "counter"} for i in range(first, end)]

    def serve(self):
        return self.server(data=self.data, config=self.config, quiet=False)

    def test_entries_have_level_unit_service_time_and_fields(self):
        self.write([
            {"MESSAGE": "disk is full", "PRIORITY": "3", "_SYSTEMD_UNIT": "db.service", "_HOSTNAME": "m1", "_PID": "77", "CODE_LINE": "12"},
            {"MESSAGE": "hello", "PRIORITY": "6", "SYSLOG_IDENTIFIER": "cron", "_COMM": "cron-child"},
            {"MESSAGE": "careful", "PRIORITY": "4", "_COMM": "tool"},
            {"MESSAGE": b"two\nlines", "PRIORITY": "7", "SYSLOG_IDENTIFIER": "multi"},
            {"PRIORITY": "6", "NOTE": "no message at all"},
        ])
        s = self.serve()
        self.all_come_once(s, '{source="journal"}', ["disk is full", "hello", "careful", "two\nlines"])
        ((line, stream),) = lines_of(s, '{service_name="db",unit="db.service",host="m1"} | detected_level="error"')
        self.assertEqual((line, stream["_PID"], stream["CODE_LINE"]), ("disk is full", "77", "12"))
        self.assertEqual(texts(s, '{source="journal"} | _PID="77"'), ["disk is full"])
        levels = {stream["service_name"]: stream["detected_level"] for _, stream in lines_of(s, '{source="journal"}')}
        self.assertEqual(levels, {"db": "error", "cron": "info", "tool": "warn", "multi": "debug"})
        at = s.logs('{service_name="db"}')[0]["values"][0][0]
        self.assertEqual(int(at), (self.us - 4000) * 1000)

    def test_what_is_appended_comes_and_a_new_file_too(self):
        self.write(self.numbered(0, 3))
        s = self.serve()
        self.eventually(lambda: len(texts(s, '{service_name="counter"}')) == 3, what="the first entries")
        self.write(self.numbered(3, 5))
        self.eventually(lambda: len(texts(s, '{service_name="counter"}')) == 5, what="appended entries")
        self.write(self.numbered(5, 9), "b.journal")
        self.all_come_once(s, '{service_name="counter"}', [f"entry {i}" for i in range(9)])
        self.assertEqual(texts(s, '{service_name="counter"}'), [f"entry {i}" for i in range(9)])

    def test_after_restarts_nothing_comes_twice_and_nothing_is_lost(self):
        self.write(self.numbered(0, 1500))
        s = self.serve()
        self.eventually(lambda: len(texts(s, '{service_name="counter"}')) == 1500, what="all entries")
        self.assertEqual(s.stop(), 0)
        self.write(self.numbered(1500, 1510))
        s = self.serve()
        self.eventually(lambda: len(texts(s, '{service_name="counter"}')) >= 1510, what="those written while it was away")
        s.kill()
        self.write(self.numbered(1510, 1515))
        s = self.serve()
        self.all_come_once(s, '{service_name="counter"}', [f"entry {i}" for i in range(1515)])

    def test_a_journal_of_many_quiet_days_is_read_to_its_end(self):
        day_us = 86400 * 10**6
        self.us -= 99 * day_us
        for i, entry in enumerate(self.numbered(0, 100)):
            self.us += day_us if i else 0
            self.write([entry])
        s = self.serve()
        self.eventually(lambda: "entry 99" in texts(s, '{service_name="counter"}'), what="the newest entry")
        week = int((time.time() - 7 * 86400) * 1e9)
        self.eventually(lambda: len(lines_of(s, '{service_name="counter"}', start=week)) in (6, 7, 8), what="a line for each day of the last week")

    def test_vacuumed_and_rotated_files_neither_repeat_nor_hide_entries(self):
        s = self.serve()
        self.write(self.numbered(0, 3))
        self.eventually(lambda: len(texts(s, '{service_name="counter"}')) == 3, what="entries of a journal that was empty at the start")
        self.assertEqual(s.stop(), 0)
        self.write(self.numbered(3, 6), "b.journal")
        os.remove(os.path.join(self.dir, "a.journal"))
        s = self.serve()
        self.eventually(lambda: len(texts(s, '{service_name="counter"}')) == 6, what="those behind the place that is gone")
        self.write([{"MESSAGE": "x" * 100_000, "SYSLOG_IDENTIFIER": "long"},
                    {"MESSAGE": b"\xff\xfe bad", "SYSLOG_IDENTIFIER": "bytes", "BLOB": b"\x00\xff"}], "b.journal")
        self.eventually(lambda: texts(s, '{service_name="long"}') == ["x" * 100_000], what="a long line")
        self.eventually(lambda: texts(s, '{service_name="bytes"}') == ["\ufffd\ufffd bad"], what="a line that is no UTF-8")
        self.all_come_once(s, '{service_name="counter"}', [f"entry {i}" for i in range(6)])

    def test_a_folder_without_a_journal_is_said_once_and_the_server_serves(self):
        self.config = self.config.replace(self.dir, self.dir + "/none")
        s = self.serve()
        self.assertEqual(s.get("/-/healthy").status, 200)
        self.eventually(lambda: [x for x in s.log if "no journal is read" in x], what="the log line")


class Files(Logs):
    def setUp(self):
        self.dir = self.folder()
        self.data = self.folder()
        self.config = BASE + f"  journal: false\n  files: [\"{self.dir}/*.log\"]\n"

    def append(self, name, text):
        with open(os.path.join(self.dir, name), "a") as f:
            f.write(text)

    def serve(self):
        return self.server(data=self.data, config=self.config, quiet=False)

    def test_a_glob_finds_files_also_later_ones_and_levels_are_recognised(self):
        self.append("a.log", json.dumps({"level": "error", "msg": "broken", "order": 7}) + "\n")
        self.append("other.txt", "not followed\n")
        s = self.serve()
        self.eventually(lambda: texts(s, '{source="file"}'), what="the first line")
        ((_, stream),) = lines_of(s, '{source="file"}')
        self.assertEqual((stream["filename"], stream["detected_level"]), (os.path.join(self.dir, "a.log"), "error"))
        self.assertEqual(len(texts(s, '{source="file"} | json | order="7"')), 1)
        self.append("b.log", "a later file\n")
        self.append("a.log", "a later line\n")
        self.eventually(lambda: "a later file" in texts(s, f'{{filename="{self.dir}/b.log"}}'), what="the later file")
        self.eventually(lambda: "a later line" in texts(s, f'{{filename="{self.dir}/a.log"}}'), what="the later line")
        self.assertEqual(texts(s, '{source="file"} |= "not followed"'), [])

    def test_rotation_and_truncation_lose_nothing_and_double_nothing(self):
        path = os.path.join(self.dir, "app.log")
        self.append("app.log", "one\n")
        s = self.serve()
        self.eventually(lambda: texts(s, '{source="file"}') == ["one"], what="the first line")
        self.append("app.log", "two\n")
        os.rename(path, path + ".1")
        self.append("app.log.1", "three\n")
        self.append("app.log", "four\n")
        self.all_come_once(s, '{source="file"}', ["one", "two", "three", "four"])
        with open(path, "w") as f:
            f.write("5\n")
        self.all_come_once(s, '{source="file"}', ["one", "two", "three", "four", "5"])

    def test_after_restarts_nothing_comes_twice_also_when_the_file_was_rotated_meanwhile(self):
        path = os.path.join(self.dir, "app.log")
        self.append("app.log", "".join(f"line {i}\n" for i in range(100)))
        s = self.serve()
        self.eventually(lambda: len(texts(s, '{source="file"}')) == 100, what="the first lines")
        self.assertEqual(s.stop(), 0)
        self.append("app.log", "line 100\n")
        os.rename(path, path + ".1")
        self.append("app.log", "line 101\n")
        s = self.serve()
        self.eventually(lambda: len(texts(s, '{source="file"}')) >= 102, what="lines of both files")
        time.sleep(1.2)
        s.kill()
        self.append("app.log", "line 102\n")
        s = self.serve()
        self.all_come_once(s, '{source="file"}', [f"line {i}" for i in range(103)])


if __name__ == "__main__":
    harness.main()
