// SPDX-License-Identifier: Apache-2.0
// Runs the unit tests and closes with the line that every suite of the house closes with.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const dir = mkdtempSync(join(tmpdir(), "stoa-web-"));
const file = join(dir, "result.json");
const run = spawnSync("npx", ["vitest", "run", "--reporter=dot", "--reporter=json", `--outputFile.json=${file}`], { stdio: ["ignore", "inherit", "inherit"] });
let passed = 0;
let failed = 1;
try {
  const result = JSON.parse(readFileSync(file, "utf8"));
  passed = result.numPassedTests;
  failed = result.numFailedTests || (run.status === 0 ? 0 : 1);
} finally {
  rmSync(dir, { recursive: true, force: true });
  console.log(`${passed} passed, ${failed} failed`);
}
process.exitCode = failed ? 1 : 0;
