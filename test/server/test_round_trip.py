# SPDX-License-Identifier: Apache-2.0
"""Whatever bytes a message has come out the same, by every way in and out: test/round_trip.py over texts of this repository, damaged
ones and random bytes. `make conformance` does it over logs of others."""
import os
import subprocess
import sys

import harness

FILES = ["docs/manual/log-inputs.md", "test/article/snippets/what_to_log.py", "CHANGELOG.md", "docs/protocols/syslog.md"]


class RoundTrip(harness.Case):
    def test_lines_come_out_as_they_went_in(self):
        command = [sys.executable, str(harness.ROOT / "test" / "round_trip.py")] + [str(harness.ROOT / x) for x in FILES]
        done = subprocess.run(command, capture_output=True, text=True, timeout=250, env=dict(os.environ, STOA=harness.BINARY))
        self.assertEqual(done.returncode, 0, (done.stdout + done.stderr)[-4000:])
        self.assertRegex(done.stdout, r"\d+ passed, 0 failed\n$")


if __name__ == "__main__":
    harness.main()
