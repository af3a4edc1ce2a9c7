// SPDX-License-Identifier: Apache-2.0
// hot-shots, the DogStatsD client of Node, over UDP and TCP.
import assert from 'node:assert/strict';
import { StatsD } from 'hot-shots';
import { eventually, logql, promql, run, test, unique } from './lib.mjs';

const [host, port] = (process.env.STOA_STATSD ?? '127.0.0.1:8125').split(':');

async function value(query) {
  const [found] = await promql(query);
  return found ? Number(found.value[1]) : undefined;
}

for (const protocol of ['udp', 'tcp']) {
  test(`hot-shots sends metrics over ${protocol}: each type comes back with its tags`, async () => {
    const app = unique('hot').replaceAll('-', '_');
    const errors = [];
    const client = new StatsD({ host, port: Number(port), protocol, prefix: `${app}.`, globalTags: { env: 'test' }, errorHandler: (e) => errors.push(e) });
    client.increment('page.views', 3, { page: '/cart' });
    client.increment('page.views', { page: '/cart' });
    client.increment(['a', 'b'], 2);
    client.gauge('size', 12.5);
    client.timing('took', 250);
    client.histogram('bytes', 1024);
    client.distribution('spread', 7);
    client.set('who', 'ann');
    client.unique('who', 'bob');
    await new Promise((done) => client.close(done));
    assert.deepEqual(errors, []);
    for (const [query, want] of [
      [`${app}_page_views{env="test",page="/cart"}`, 4],
      [`${app}_a{env="test"}`, 2],
      [`${app}_b{env="test"}`, 2],
      [`${app}_size{env="test"}`, 12.5],
      [`${app}_took_sum{env="test"}`, 0.25],
      [`${app}_bytes_count{env="test"}`, 1],
      [`${app}_spread_sum{env="test"}`, 7],
      [`max_over_time(${app}_who{env="test"}[1m])`, 2],
    ])
      await eventually(`${query} = ${want}`, async () => (await value(query)) === want);
  });
}

test('hot-shots buffers metrics into datagrams of many lines', async () => {
  const app = unique('many').replaceAll('-', '_');
  const client = new StatsD({ host, port: Number(port), maxBufferSize: 1400, bufferFlushInterval: 20 });
  for (let i = 0; i < 500; i++) client.increment(app, 1, { part: String(i % 5) });
  await new Promise((done) => client.close(done));
  await eventually('all of them', async () => (await value(`sum(${app})`)) === 500);
});

test('hot-shots sends events and service checks: they are log records', async () => {
  const service = unique('events');
  const client = new StatsD({ host, port: Number(port), globalTags: { service } });
  client.event('Deploy', 'line 1\nline 2', { alert_type: 'error', hostname: 'web-1', priority: 'low' });
  client.check('db.up', client.CHECKS.CRITICAL, { message: 'no answer', hostname: 'web-1' });
  await new Promise((done) => client.close(done));
  const lines = await eventually('records', async () => {
    const found = await logql(`{service_name="${service}"}`);
    return found.length === 2 ? found : null;
  });
  assert.deepEqual(lines.map((l) => l.line).sort(), ['Deploy: line 1\nline 2', 'db.up CRITICAL: no answer']);
  assert.equal((await logql(`{service_name="${service}", source="dogstatsd_event"} | hostname="web-1" | alert_type="error"`)).length, 1);
});

await run();
