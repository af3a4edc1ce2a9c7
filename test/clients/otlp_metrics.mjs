// SPDX-License-Identifier: Apache-2.0
// OpenTelemetry's metrics SDK with its three OTLP exporters.
import assert from 'node:assert/strict';
import { OTLPMetricExporter as Grpc } from '@opentelemetry/exporter-metrics-otlp-grpc';
import { AggregationTemporalityPreference, OTLPMetricExporter as Json } from '@opentelemetry/exporter-metrics-otlp-http';
import { OTLPMetricExporter as Proto } from '@opentelemetry/exporter-metrics-otlp-proto';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { MeterProvider, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics';
import { eventually, get, promql, run, test, unique, url } from './lib.mjs';

const HOUR_MS = 3600000;
const exporters = {
  protobuf: (o) => new Proto({ url: `${url}/v1/metrics`, ...o }),
  JSON: (o) => new Json({ url: `${url}/v1/metrics`, ...o }),
  gRPC: (o) => new Grpc({ url, ...o }),
};

function provider(exporter, service) {
  const results = [];
  const send = exporter.export.bind(exporter);
  exporter.export = (metrics, done) => send(metrics, (r) => (results.push(r), done(r)));
  const made = new MeterProvider({
    resource: resourceFromAttributes({ 'service.name': service, 'service.namespace': 'shop', 'service.instance.id': 'i-1', 'cloud.region': 'eu' }),
    readers: [new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: HOUR_MS })],
  });
  return { made, results };
}

// {labels that matter as text: number}
async function values(query, ...labels) {
  const found = await promql(query);
  return Object.fromEntries(found.map((r) => [labels.map((l) => r.metric[l]).join(','), Number(r.value[1])]));
}

for (const [how, exporter] of Object.entries(exporters)) {
  test(`metrics sent by ${how} are Prometheus series with job and instance`, async () => {
    const service = unique('till');
    const job = `shop/${service}`;
    const { made, results } = provider(exporter(), service);
    const meter = made.getMeter('shop', '1.0');
    const requests = meter.createCounter('client.requests', { description: 'Requests made.' });
    const open = meter.createUpDownCounter('client.open', { unit: '1' });
    const duration = meter.createHistogram('client.duration', { unit: 's', advice: { explicitBucketBoundaries: [0.1, 0.5, 1] } });
    meter.createObservableGauge('client.temperature', { unit: 'Cel' }).addCallback((r) => r.observe(21.5, { room: 'hall' }));
    requests.add(5, { route: '/a', code: 200 });
    requests.add(2, { route: '/b', code: 500 });
    open.add(7);
    open.add(-10);
    for (const v of [0.05, 0.2, 0.3, 0.7, 5]) duration.record(v, { route: '/a' });
    await made.forceFlush();
    assert.deepEqual(results.map((r) => [r.code, r.error?.message]), [[0, undefined]]);

    await eventually('the counter', () => promql(`client_requests_total{job="${job}"}`));
    assert.deepEqual(await values(`client_requests_total{job="${job}",instance="i-1"}`, 'route', 'code'), { '/a,200': 5, '/b,500': 2 });
    assert.deepEqual(await values(`client_open{job="${job}"}`, 'instance'), { 'i-1': -3 });
    assert.deepEqual(await values(`client_temperature_celsius{job="${job}"}`, 'room'), { hall: 21.5 });
    assert.deepEqual(await values(`client_duration_seconds_bucket{job="${job}"}`, 'le'), { 0.1: 1, 0.5: 3, 1: 4, '+Inf': 5 });
    assert.deepEqual(await values(`client_duration_seconds_count{job="${job}"}`, 'route'), { '/a': 5 });
    assert.deepEqual(await values(`client_duration_seconds_sum{job="${job}"}`, 'route'), { '/a': 0.05 + 0.2 + 0.3 + 0.7 + 5 });
    assert.deepEqual(await values(`histogram_quantile(0.5, client_duration_seconds_bucket{job="${job}"})`, 'route'), { '/a': 0.1 + 0.4 * 0.75 });
    assert.deepEqual(await values(`target_info{job="${job}"}`, 'cloud_region'), { eu: 1 });

    requests.add(4, { route: '/a', code: 200 });
    await made.forceFlush();
    await eventually('the second value', async () => (await values(`client_requests_total{job="${job}"}`, 'route'))['/a'] === 9);
    const { data } = await get('/api/v1/metadata', { metric: 'client_requests_total' });
    assert.deepEqual(data.client_requests_total[0].type, 'counter');
    assert.deepEqual(data.client_requests_total[0].help, 'Requests made.');
    await made.shutdown();
  });
}

test('differences become totals, beside points that are totals already', async () => {
  const service = unique('mixed');
  // "Delta": counters by difference, up-down counters cumulative; both in one request.
  const { made, results } = provider(exporters.protobuf({ temporalityPreference: AggregationTemporalityPreference.DELTA }), service);
  const meter = made.getMeter('shop');
  const steps = meter.createCounter('mixed.steps');
  steps.add(1);
  meter.createUpDownCounter('mixed.level').add(4);
  await made.forceFlush();
  steps.add(2);
  await made.forceFlush();
  assert.deepEqual(results.map((r) => r.code), [0, 0]);
  await eventually('the level', () => promql(`mixed_level{job="shop/${service}"}`));
  await eventually('the total', async () => (await promql(`mixed_steps_total{job="shop/${service}"}`))[0]?.value[1] === '3');
  await made.shutdown();
});

await run();
