// SPDX-License-Identifier: Apache-2.0
// What the client tests share: a list of tests run one after another, and the server's query interfaces.
// A file names its tests with test(), then awaits run(), which prints "N passed, N failed".
import assert from 'node:assert/strict';

export const url = process.env.STOA_URL ?? 'http://127.0.0.1:7862';
export const ANSWER_MS_MAX = 15000;

const tests = [];

export function test(name, body) {
  tests.push({ name, body });
}

export async function run() {
  let failed = 0;
  for (const t of tests) {
    try {
      await t.body();
      console.log(`ok    ${t.name}`);
    } catch (e) {
      failed++;
      console.log(`FAIL  ${t.name}\n${e.stack ?? e}`);
    }
  }
  console.log(`${tests.length - failed} passed, ${failed} failed`);
  process.exit(failed ? 1 : 0);
}

// What ask answers as soon as that is something (and, for a list, not empty).
export async function eventually(what, ask) {
  const deadline = Date.now() + ANSWER_MS_MAX;
  let last;
  for (;;) {
    try {
      last = await ask();
      if (Array.isArray(last) ? last.length > 0 : last) return last;
    } catch (e) {
      last = e;
    }
    if (Date.now() > deadline) break;
    await new Promise((wake) => setTimeout(wake, 50));
  }
  assert.fail(`${what}: nothing within ${ANSWER_MS_MAX} ms; last: ${last?.stack ?? JSON.stringify(last)}`);
}

export async function get(path, params = {}) {
  const reply = await fetch(`${url}${path}?${new URLSearchParams(params)}`);
  const text = await reply.text();
  assert.equal(reply.status, 200, `${path} ${JSON.stringify(params)}: ${text}`);
  return JSON.parse(text);
}

// PromQL, now: [{metric, value: [seconds, text]}]
export async function promql(query) {
  return (await get('/api/v1/query', { query })).data.result;
}

// LogQL over the last hour, oldest first: [{labels, time (ns as text), line}]
export async function logql(query) {
  const { data } = await get('/loki/api/v1/query_range', { query, direction: 'forward', limit: '1000' });
  assert.equal(data.resultType, 'streams');
  return data.result
    .flatMap(({ stream, values }) => values.map(([time, line]) => ({ labels: stream, time, line })))
    .sort((a, b) => (BigInt(a.time) < BigInt(b.time) ? -1 : 1));
}

// A trace as Jaeger has it, once it has so many spans.
export function trace(id, spans) {
  return eventually(`trace ${id}`, async () => {
    const { data } = await get(`/jaeger/api/traces/${id}`);
    return data[0].spans.length >= spans ? data[0] : null;
  });
}

// Different in every run, so that tests never see each other's rows.
export function unique(name) {
  return `${name}-${process.pid}-${Date.now().toString(36)}`;
}
