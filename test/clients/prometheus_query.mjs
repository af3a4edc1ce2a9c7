// SPDX-License-Identifier: Apache-2.0
// The prometheus-query package: every query it offers that we answer.
import assert from 'node:assert/strict';
import { PrometheusDriver } from 'prometheus-query';
import { eventually, promql, run, test, unique, url } from './lib.mjs';

const job = unique('pq');
const STEP_MS = 15000, POINTS = 40;
const endMs = Math.floor(Date.now() / STEP_MS) * STEP_MS, startMs = endMs - (POINTS - 1) * STEP_MS;
const driver = new PrometheusDriver({ endpoint: url });
const poster = new PrometheusDriver({ endpoint: url, preferPost: true });

// Seeds a counter (10 a second), a gauge and a histogram over ten minutes, as OTLP in JSON.
async function seed() {
  const times = [...Array(POINTS).keys()].map((i) => ({ i, timeUnixNano: `${startMs + i * STEP_MS}000000` }));
  const attributes = (map) => Object.entries(map).map(([key, value]) => ({ key, value: { stringValue: value } }));
  const counter = times.flatMap((t) => [
    { timeUnixNano: t.timeUnixNano, asDouble: t.i * 150, attributes: attributes({ code: '200' }) },
    { timeUnixNano: t.timeUnixNano, asDouble: t.i * 15, attributes: attributes({ code: '500' }) },
  ]);
  const gauge = times.map((t) => ({ timeUnixNano: t.timeUnixNano, asDouble: Math.sin(t.i) }));
  const body = {
    resourceMetrics: [{
      resource: { attributes: attributes({ 'service.name': job, 'service.instance.id': 'i-1' }) },
      scopeMetrics: [{ metrics: [
        { name: 'pq_requests', sum: { aggregationTemporality: 2, isMonotonic: true, dataPoints: counter } },
        { name: 'pq_wave', gauge: { dataPoints: gauge } },
      ] }],
    }],
  };
  const reply = await fetch(`${url}/v1/metrics`, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) });
  const text = await reply.text();
  assert.equal(reply.status, 200, text);
  assert.deepEqual(JSON.parse(text), {});
  await eventually('the seed', () => promql(`pq_wave{job="${job}"}`));
}

for (const [how, prom] of [['GET', driver], ['POST', poster]]) {
  test(`instantQuery by ${how}: labels, times and values`, async () => {
    const r = await prom.instantQuery(`pq_requests_total{job="${job}"}`, new Date(endMs));
    assert.equal(r.resultType, 'vector');
    assert.equal(r.result.length, 2);
    for (const series of r.result) {
      assert.equal(series.metric.name, 'pq_requests_total');
      assert.equal(series.metric.labels.job, job);
      assert.equal(series.value.time.getTime(), endMs);
      assert.equal(series.value.value, (POINTS - 1) * (series.metric.labels.code === '200' ? 150 : 15));
    }
    const rate = await prom.instantQuery(`sum(rate(pq_requests_total{job="${job}"}[5m]))`, endMs);
    assert.ok(Math.abs(rate.result[0].value.value - 11) < 1e-9, `${rate.result[0].value.value}`);
    const scalar = await prom.instantQuery('1 + 2 * 3');
    assert.equal(scalar.resultType, 'scalar');
  });

  test(`rangeQuery by ${how}: every point of the grid`, async () => {
    const r = await prom.rangeQuery(`pq_wave{job="${job}"}`, new Date(startMs), new Date(endMs), STEP_MS / 1000);
    assert.equal(r.resultType, 'matrix');
    assert.equal(r.result.length, 1);
    const { values } = r.result[0];
    assert.deepEqual(values.map((v) => v.time.getTime()), [...Array(POINTS).keys()].map((i) => startMs + i * STEP_MS));
    assert.deepEqual(values.map((v) => v.value), [...Array(POINTS).keys()].map((i) => Math.sin(i)));
  });
}

test('series finds the series of a selector', async () => {
  const list = await driver.series(`pq_requests_total{job="${job}"}`, startMs, endMs);
  assert.deepEqual(list.map((m) => m.labels.code).sort(), ['200', '500']);
  assert.equal(list[0].name, 'pq_requests_total');
  const both = await driver.series([`pq_requests_total{job="${job}"}`, `pq_wave{job="${job}"}`], startMs, endMs);
  assert.equal(both.length, 3);
});

test('labelNames and labelValues, all and of a selector', async () => {
  const all = await driver.labelNames();
  for (const name of ['__name__', 'code', 'instance', 'job']) assert.ok(all.includes(name), name);
  assert.deepEqual(await driver.labelNames(`pq_requests_total{job="${job}"}`, startMs, endMs), ['__name__', 'code', 'instance', 'job']);
  assert.ok((await driver.labelValues('job')).includes(job));
  assert.deepEqual(await driver.labelValues('code', `pq_requests_total{job="${job}"}`, startMs, endMs), ['200', '500']);
});

test('metadata, targets, rules, alerts and build information have the shape the package reads', async () => {
  const metadata = await driver.metadata('pq_requests_total');
  assert.equal(metadata.pq_requests_total[0].type, 'counter');
  const targets = await driver.targets();
  assert.ok(Array.isArray(targets.activeTargets) && Array.isArray(targets.droppedTargets));
  assert.deepEqual(await driver.rules(), []);
  assert.deepEqual(await driver.alerts(), []);
  assert.match((await driver.statusBuildinfo()).version, /^\d+\.\d+\.\d+/);
});

test('an error is the sentence of the server', async () => {
  await assert.rejects(driver.instantQuery('sum(('), (e) => {
    assert.match(`${e.message ?? e} ${JSON.stringify(e)}`, /parse error|unexpected/);
    return true;
  });
});

try {
  await seed();
} catch (e) {
  console.log(`FAIL  seed\n${e.stack}\n0 passed, 1 failed`);
  process.exit(1);
}
await run();
