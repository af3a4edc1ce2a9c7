// SPDX-License-Identifier: Apache-2.0
// OpenTelemetry's trace SDK with its three OTLP exporters.
import assert from 'node:assert/strict';
import { ROOT_CONTEXT, SpanKind, SpanStatusCode, trace as api } from '@opentelemetry/api';
import { OTLPTraceExporter as Grpc } from '@opentelemetry/exporter-trace-otlp-grpc';
import { OTLPTraceExporter as Json } from '@opentelemetry/exporter-trace-otlp-http';
import { OTLPTraceExporter as Proto } from '@opentelemetry/exporter-trace-otlp-proto';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { BatchSpanProcessor } from '@opentelemetry/sdk-trace-base';
import { NodeTracerProvider } from '@opentelemetry/sdk-trace-node';
import { eventually, get, run, test, trace, unique, url } from './lib.mjs';

const exporters = {
  protobuf: () => new Proto({ url: `${url}/v1/traces` }),
  'protobuf with gzip': () => new Proto({ url: `${url}/v1/traces`, compression: 'gzip' }),
  JSON: () => new Json({ url: `${url}/v1/traces` }),
  gRPC: () => new Grpc({ url }),
  'gRPC with gzip': () => new Grpc({ url, compression: 'gzip' }),
};

function provider(exporter, service) {
  const results = [];
  const send = exporter.export.bind(exporter);
  exporter.export = (spans, done) => send(spans, (r) => (results.push(r), done(r)));
  const made = new NodeTracerProvider({
    resource: resourceFromAttributes({ 'service.name': service, 'service.version': '1.2.3', 'host.cpus': 8 }),
    spanProcessors: [new BatchSpanProcessor(exporter)],
  });
  return { made, results };
}

const tags = (list) => Object.fromEntries(list.map((t) => [t.key, t.value]));

for (const [how, exporter] of Object.entries(exporters)) {
  test(`a trace sent by ${how} comes back with attributes, events, links and status`, async () => {
    const service = unique('checkout');
    const { made, results } = provider(exporter(), service);
    const tracer = made.getTracer('shop', '0.9');
    const startMs = Date.now();
    const root = tracer.startSpan('POST /order', {
      kind: SpanKind.SERVER,
      attributes: { 'http.route': '/order', 'http.status_code': 500, ratio: 0.25, cached: false, tags: ['a', 'b'], text: 'Gr\u00fc\u00dfe \u6f22\u5b57' },
    }, ROOT_CONTEXT);
    const inside = api.setSpan(ROOT_CONTEXT, root);
    const linked = { traceId: '0af7651916cd43dd8448eb211c80319c', spanId: 'b7ad6b7169203331', traceFlags: 1 };
    const child = tracer.startSpan('SELECT', { kind: SpanKind.CLIENT, links: [{ context: linked, attributes: { why: 'retry' } }] }, inside);
    child.addEvent('row locked', { table: 'orders', waited: 12 });
    child.recordException(new Error('deadlock'));
    child.setStatus({ code: SpanStatusCode.ERROR, message: 'deadlock found' });
    child.end(startMs + 50);
    root.setStatus({ code: SpanStatusCode.OK });
    root.end(startMs + 125);
    await made.forceFlush();
    assert.deepEqual(results.map((r) => [r.code, r.error?.message]), [[0, undefined]]);

    const { traceId, spanId } = root.spanContext();
    const found = await trace(traceId, 2);
    assert.equal(found.traceID, traceId);
    assert.equal(found.spans.length, 2);
    const server = found.spans.find((s) => s.spanID === spanId);
    const client = found.spans.find((s) => s.spanID !== spanId);

    assert.equal(server.operationName, 'POST /order');
    const serverTags = tags(server.tags);
    assert.equal(serverTags['span.kind'], 'server');
    assert.equal(serverTags['http.route'], '/order');
    assert.equal(serverTags['http.status_code'], 500);
    assert.equal(serverTags.ratio, 0.25);
    assert.equal(serverTags.cached, false);
    assert.deepEqual(JSON.parse(serverTags.tags), ['a', 'b']);
    assert.equal(serverTags.text, 'Gr\u00fc\u00dfe \u6f22\u5b57');
    assert.equal(serverTags['otel.status_code'], 'OK');
    assert.equal(serverTags.error, undefined);
    assert.deepEqual(server.tags.find((t) => t.key === 'http.status_code').type, 'int64');
    assert.deepEqual(server.references, []);
    assert.ok(Math.abs(server.startTime - startMs * 1000) < 1e6, `${server.startTime}`);
    assert.ok(Math.abs(server.startTime + server.duration - (startMs + 125) * 1000) <= 1, `${server.startTime} + ${server.duration}`);

    assert.equal(client.operationName, 'SELECT');
    const clientTags = tags(client.tags);
    assert.equal(clientTags['span.kind'], 'client');
    assert.equal(clientTags['otel.status_code'], 'ERROR');
    assert.equal(clientTags.error, true);
    assert.equal(clientTags['otel.status_description'], 'deadlock found');
    const kinds = Object.fromEntries(client.references.map((r) => [r.refType, r]));
    assert.equal(kinds.CHILD_OF.spanID, spanId);
    assert.equal(kinds.CHILD_OF.traceID, traceId);
    assert.equal(kinds.FOLLOWS_FROM.traceID, linked.traceId);
    assert.equal(kinds.FOLLOWS_FROM.spanID, linked.spanId);
    const events = client.logs.map((l) => tags(l.fields));
    assert.equal(events.length, 2);
    assert.deepEqual(events[0], { event: 'row locked', table: 'orders', waited: 12 });
    assert.equal(events[1].event, 'exception');
    assert.equal(events[1]['exception.message'], 'deadlock');
    assert.match(events[1]['exception.stacktrace'], /otlp_traces/);

    const process = found.processes[client.processID];
    assert.equal(process.serviceName, service);
    assert.equal(tags(process.tags)['service.version'], '1.2.3');
    assert.equal(tags(process.tags)['host.cpus'], 8);
    await made.shutdown();
  });

  test(`a trace sent by ${how} is found by service, operation, attribute and duration`, async () => {
    const service = unique('search');
    const { made } = provider(exporter(), service);
    const tracer = made.getTracer('shop');
    const start = Date.now() - 1000;
    for (let i = 0; i < 20; i++) tracer.startSpan(i % 2 ? 'odd' : 'even', { startTime: start, attributes: { i, color: i === 7 ? 'red' : 'blue' } }).end(start + 10 * (i + 1));
    await made.forceFlush();
    const search = async (params) => (await get('/jaeger/api/traces', { service, lookback: '1h', limit: '100', ...params })).data;
    await eventually('all traces', async () => (await search({})).length === 20);
    assert.equal((await search({ operation: 'odd' })).length, 10);
    const red = await search({ tags: JSON.stringify({ color: 'red' }) });
    assert.equal(red.length, 1);
    assert.equal(red[0].spans[0].duration, 80000);
    assert.equal((await search({ tags: JSON.stringify({ i: '3' }) })).length, 1);
    assert.equal((await search({ minDuration: '150ms' })).length, 6);
    assert.equal((await search({ maxDuration: '25ms' })).length, 2);
    assert.equal((await search({ limit: '3' })).length, 3);
    assert.ok((await get('/jaeger/api/services')).data.includes(service));
    assert.deepEqual((await get(`/jaeger/api/services/${service}/operations`)).data.sort(), ['even', 'odd']);
    await made.shutdown();
  });
}

test('a batch of 2000 spans in several requests loses none', async () => {
  const service = unique('many');
  const { made, results } = provider(new Proto({ url: `${url}/v1/traces` }), service);
  const tracer = made.getTracer('shop');
  const root = tracer.startSpan('root', {}, ROOT_CONTEXT);
  for (let i = 1; i < 2000; i++) tracer.startSpan(`step ${i % 10}`, {}, api.setSpan(ROOT_CONTEXT, root)).end();
  root.end();
  await made.forceFlush();
  assert.ok(results.every((r) => r.code === 0));
  const found = await trace(root.spanContext().traceId, 2000);
  assert.equal(found.spans.length, 2000);
  assert.equal(new Set(found.spans.map((s) => s.spanID)).size, 2000);
  await made.shutdown();
});

await run();
