// SPDX-License-Identifier: Apache-2.0
// @elastic/elasticsearch: the handshake, bulk, the bulk helper and single documents.
import assert from 'node:assert/strict';
import './node18.mjs';
import { Client } from '@elastic/elasticsearch';
import { eventually, logql, run, test, unique, url } from './lib.mjs';

const client = new Client({ node: `${url}/elastic`, maxRetries: 0 });

test('the client knows whom it speaks to', async () => {
  const info = await client.info();
  assert.equal(info.tagline, 'You Know, for Search');
  assert.equal(await client.ping(), true);
  assert.equal((await client.cluster.health({ wait_for_status: 'yellow' })).status, 'green');
  assert.equal((await client.license.get()).license.status, 'active');
  assert.equal((await client.indices.putIndexTemplate({ name: 't', index_patterns: ['logs-*'] })).acknowledged, true);
  assert.equal(await client.indices.exists({ index: 'anything' }), true);
  assert.equal((await client.indices.create({ index: 'shop' })).acknowledged, true);
  await assert.rejects(client.search({ index: 'anything' }), (e) => e.meta.statusCode === 404 && /LogQL/.test(e.message));
});

test('bulk: documents become lines with time, level, labels and fields; each item is answered in its place', async () => {
  const index = unique('logs-shop'), at = new Date();
  const reply = await client.bulk({
    operations: [
      { create: { _index: index } },
      { '@timestamp': at, message: 'order 17 paid', log: { level: 'warn' }, service: { name: 'shop' }, host: { name: 'web-1' }, order: { id: 17 } },
      { delete: { _index: index, _id: 'x' } },
      { index: { _index: index, _id: 'mine' } },
      { message: 'second', level: 'error', '@timestamp': at.getTime() + 1 },
      { create: { _index: index } },
      { message: 'third', '@timestamp': 'never' },
    ],
  });
  assert.equal(reply.errors, true);
  assert.deepEqual(reply.items.map((i) => Object.keys(i)[0]), ['create', 'delete', 'index', 'create']);
  assert.deepEqual(reply.items.map((i) => Object.values(i)[0].status), [201, 400, 201, 400]);
  assert.equal(reply.items[2].index._id, 'mine');
  assert.match(reply.items[3].create.error.reason, /never/);
  const lines = await logql(`{source="${index}"}`);
  assert.deepEqual(lines.map((l) => l.line), ['order 17 paid', 'second']);
  assert.equal(lines[0].time, `${at.getTime()}000000`);
  assert.equal(lines[0].labels.service_name, 'shop');
  assert.equal(lines[0].labels.host, 'web-1');
  assert.equal(lines[0].labels.detected_level, 'warn');
  assert.equal((await logql(`{source="${index}"} | order_id = 17`)).length, 1);
});

test('the bulk helper sends many and counts them', async () => {
  const index = unique('many');
  const dropped = [];
  const result = await client.helpers.bulk({
    datasource: [...Array(500).keys()].map((n) => ({ '@timestamp': new Date(), message: `line ${n}` })),
    flushBytes: 4000,
    onDocument: () => ({ create: { _index: index } }),
    onDrop: (doc) => dropped.push(doc),
    refreshOnCompletion: true,
  });
  assert.deepEqual([result.total, result.successful, result.failed, dropped.length], [500, 500, 0, 0]);
  const lines = await eventually('lines', () => logql(`{source="${index}"}`));
  assert.equal(new Set(lines.map((l) => l.line)).size, 500);
});

test('one document at a time', async () => {
  const index = unique('single');
  const a = await client.index({ index, document: { message: 'by index' } });
  const b = await client.create({ index, id: '7', document: { message: 'by create' } });
  assert.equal(a.result, 'created');
  assert.equal(b._id, '7');
  assert.deepEqual((await logql(`{source="${index}"}`)).map((l) => l.line).sort(), ['by create', 'by index']);
});

await run();
