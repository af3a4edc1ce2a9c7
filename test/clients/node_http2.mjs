// SPDX-License-Identifier: Apache-2.0
// node's own HTTP/2 client: many streams at once on one connection, and bodies larger than any window.
import assert from 'node:assert/strict';
import http2 from 'node:http2';
import { eventually, logql, run, test, unique, url } from './lib.mjs';

const session = http2.connect(url);
session.on('error', (e) => console.log(`session: ${e.stack}`));

function ask(headers, body) {
  return new Promise((resolve, reject) => {
    const stream = session.request(headers);
    const pieces = [];
    let status = 0, trailers = {};
    stream.on('response', (h) => (status = h[':status']));
    stream.on('trailers', (t) => (trailers = t));
    stream.on('data', (piece) => pieces.push(piece));
    stream.on('error', reject);
    stream.on('end', () => resolve({ status, trailers, text: Buffer.concat(pieces).toString() }));
    stream.end(body);
  });
}

test('100 requests at once on one connection each get their own answer', async () => {
  const numbers = [...Array(100).keys()];
  const answers = await Promise.all(numbers.map((n) => ask({ ':path': `/api/v1/query?query=${n}*2&time=1` })));
  assert.deepEqual(answers.map((a) => [a.status, JSON.parse(a.text).data.result[1]]), numbers.map((n) => [200, String(n * 2)]));
});

test('large bodies at once, each kept whole', async () => {
  const app = unique('h2');
  const line = 'y'.repeat(3000);
  const body = (k) => JSON.stringify({ streams: [{ stream: { app, k: String(k) },
    values: [...Array(1000).keys()].map((i) => [`${BigInt(Date.now()) * 1000000n + BigInt(i)}`, `${i} ${line}`]) }] });
  const answers = await Promise.all([0, 1, 2, 3].map((k) => ask({ ':method': 'POST', ':path': '/loki/api/v1/push', 'content-type': 'application/json' }, body(k))));
  assert.deepEqual(answers.map((a) => a.status), [204, 204, 204, 204]);
  for (const k of [0, 1, 2, 3]) {
    const lines = await eventually('lines', () => logql(`{app="${app}", k="${k}"}`));
    assert.equal(lines.length, 1000);
    assert.equal(new Set(lines.map((l) => l.line)).size, 1000);
  }
});

test('a stream that is given up does not disturb the others', async () => {
  const given = session.request({ ':method': 'POST', ':path': '/v1/logs', 'content-type': 'application/json' });
  given.on('error', () => {});
  given.write('{"resourceLogs":');
  given.close(http2.constants.NGHTTP2_CANCEL);
  assert.equal((await ask({ ':path': '/-/healthy' })).status, 200);
});

test('gRPC errors come as status and message, not as HTTP errors', async () => {
  const head = { ':method': 'POST', 'content-type': 'application/grpc', te: 'trailers' };
  const frame = (bytes) => Buffer.concat([Buffer.from([0, 0, 0, 0, bytes.length]), Buffer.from(bytes)]);
  const statusOf = (path, body) => new Promise((resolve, reject) => {
    const stream = session.request({ ...head, ':path': path });
    let found = {};
    stream.on('response', (h) => (found = { ...found, ...h }));
    stream.on('trailers', (t) => (found = { ...found, ...t }));
    stream.on('error', reject);
    stream.on('close', () => resolve(found));
    stream.resume();
    stream.end(body);
  });
  const broken = await statusOf('/opentelemetry.proto.collector.trace.v1.TraceService/Export', frame([0x0a, 0xff, 0xff]));
  assert.equal(broken[':status'], 200);
  assert.equal(broken['grpc-status'], '3');
  assert.match(decodeURIComponent(broken['grpc-message']), /otlp traces/);
  const unknown = await statusOf('/opentelemetry.proto.collector.profiles.v1.ProfilesService/Export', frame([]));
  assert.equal(unknown['grpc-status'], '12');
  const good = await statusOf('/opentelemetry.proto.collector.trace.v1.TraceService/Export', frame([]));
  assert.equal(good['grpc-status'], '0');
});

await run();
