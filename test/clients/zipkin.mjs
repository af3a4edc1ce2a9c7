// SPDX-License-Identifier: Apache-2.0
// Zipkin's and Jaeger's own clients, and OpenTelemetry's exporters for both: what each writes reads back by its own API, and by the other's.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { ROOT_CONTEXT, SpanKind, SpanStatusCode, trace as api } from '@opentelemetry/api';
import { JaegerExporter } from '@opentelemetry/exporter-jaeger';
import { ZipkinExporter } from '@opentelemetry/exporter-zipkin';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { BatchSpanProcessor } from '@opentelemetry/sdk-trace-base';
import { NodeTracerProvider } from '@opentelemetry/sdk-trace-node';
import { eventually, get, run, test, unique, url } from './lib.mjs';

const require = createRequire(import.meta.url);
const zipkin = require('zipkin');
const { HttpLogger } = require('zipkin-transport-http');
const jaeger = require('jaeger-client');

const tags = (list) => Object.fromEntries(list.map((t) => [t.key, t.value]));
const ofZipkin = (service) => eventually(`a trace of ${service} by Zipkin's API`, () => get('/zipkin/api/v2/traces', { serviceName: service }));
const ofJaeger = async (service) =>
  (await eventually(`a trace of ${service} by Jaeger's API`, async () => (await get('/jaeger/api/traces', { service })).data))[0];

for (const path of ['/zipkin/api/v2/spans', '/api/v2/spans'])
  test(`zipkin's client by ${path}`, async () => {
    const service = unique('front');
    const logger = new HttpLogger({ endpoint: url + path, jsonEncoder: zipkin.jsonEncoder.JSON_V2, httpInterval: 20 });
    const failures = [];
    logger.on('error', (e) => failures.push(e));
    const tracer = new zipkin.Tracer({
      ctxImpl: new zipkin.ExplicitContext(),
      recorder: new zipkin.BatchRecorder({ logger }),
      localServiceName: service,
      traceId128Bit: true,
    });
    const outer = tracer.createRootId();
    tracer.scoped(() => {
      tracer.setId(outer);
      tracer.recordServiceName(service);
      tracer.recordRpc('get /cart');
      tracer.recordBinary('http.path', '/cart');
      tracer.recordAnnotation(new zipkin.Annotation.ServerRecv());
      tracer.local('find', () => {
        tracer.recordBinary('error', 'not there');
        tracer.recordMessage('looked twice');
      });
      tracer.recordAnnotation(new zipkin.Annotation.ServerSend());
    });
    await eventually('both spans', async () => (await get('/zipkin/api/v2/traces', { serviceName: service }))[0]?.length === 2);
    const [spans] = await ofZipkin(service);
    const server = spans.find((s) => s.kind === 'SERVER'), local = spans.find((s) => s.kind !== 'SERVER');
    assert.equal(server.name, 'get /cart');
    assert.equal(server.tags['http.path'], '/cart');
    assert.equal(local.parentId, server.id);
    assert.equal(local.tags.error, 'not there');
    assert.equal(local.annotations[0].value, 'looked twice');
    assert.equal(server.traceId, outer.traceId);
    const seen = await ofJaeger(service);
    assert.equal(seen.traceID, outer.traceId);
    assert.equal(tags(seen.spans.find((s) => s.spanID === local.id).tags)['otel.status_description'], 'not there');
    assert.deepEqual(failures, []);
  });

test("jaeger's client by Thrift over HTTP", async () => {
  const service = unique('back');
  const tracer = jaeger.initTracer(
    { serviceName: service, sampler: { type: 'const', param: 1 }, reporter: { collectorEndpoint: `${url}/jaeger/api/traces`, flushIntervalMs: 20 } },
    { tags: { replica: 'r-1', 'service.version': '1.2' }, logger: { info() {}, error: (m) => assert.fail(m) } },
  );
  const root = tracer.startSpan('POST /pay', { tags: { 'span.kind': 'server', 'http.status_code': 500, error: true, share: 0.5 } });
  const child = tracer.startSpan('charge', { childOf: root });
  child.log({ event: 'retry', attempt: 2 });
  child.finish();
  root.finish();
  await new Promise((done) => tracer.close(done));
  await eventually('both spans', async () => (await get('/jaeger/api/traces', { service })).data[0]?.spans.length === 2);
  const found = await ofJaeger(service);
  const server = found.spans.find((s) => s.operationName === 'POST /pay'), local = found.spans.find((s) => s.operationName === 'charge');
  const t = tags(server.tags);
  assert.deepEqual([t['span.kind'], t['http.status_code'], t.error, t.share], ['server', 500, true, 0.5]);
  assert.equal(local.references[0].spanID, server.spanID);
  const fields = tags(local.logs[0].fields);
  assert.deepEqual([fields.event, fields.attempt], ['retry', 2]);
  const process = tags(found.processes[server.processID].tags);
  assert.deepEqual([process.replica, process['service.version']], ['r-1', '1.2']);
  const [spans] = await ofZipkin(service);
  assert.equal(spans.find((s) => s.kind === 'SERVER').tags.error, 'true');
});

for (const [how, exporter] of Object.entries({
  zipkin: () => new ZipkinExporter({ url: `${url}/zipkin/api/v2/spans` }),
  jaeger: () => new JaegerExporter({ endpoint: `${url}/jaeger/api/traces` }),
}))
  test(`OpenTelemetry's exporter for ${how}`, async () => {
    const service = unique('otel');
    const made = new NodeTracerProvider({ resource: resourceFromAttributes({ 'service.name': service }), spanProcessors: [new BatchSpanProcessor(exporter())] });
    const tracer = made.getTracer('shop', '0.9');
    const root = tracer.startSpan('GET /x', { kind: SpanKind.SERVER, attributes: { 'http.route': '/x' } }, ROOT_CONTEXT);
    const child = tracer.startSpan('SELECT', { kind: SpanKind.CLIENT, attributes: { 'peer.service': 'orders-db' } }, api.setSpan(ROOT_CONTEXT, root));
    child.addEvent('row locked');
    child.setStatus({ code: SpanStatusCode.ERROR, message: 'deadlock' });
    child.end();
    root.end();
    await made.shutdown();
    const { traceId } = root.spanContext();
    await eventually('both spans', async () => (await get('/jaeger/api/traces', { service })).data[0]?.spans.length === 2);
    const spans = await get(`/zipkin/api/v2/trace/${traceId}`);
    const client = spans.find((s) => s.kind === 'CLIENT'), server = spans.find((s) => s.kind === 'SERVER');
    assert.deepEqual([client.name, client.parentId, client.tags['peer.service']], ['SELECT', server.id, 'orders-db']);
    assert.equal(client.remoteEndpoint?.serviceName, how === 'zipkin' ? undefined : 'orders-db'); // its exporter names none
    assert.equal(server.tags['http.route'], '/x');
    assert.match(client.tags.error, /deadlock|true/);
    const seen = await ofJaeger(service);
    assert.equal(seen.spans.length, 2);
    const links = await get('/zipkin/api/v2/dependencies', { endTs: Date.now() + 1000, lookback: 3600000 });
    assert.ok(links.some((l) => l.parent === service && l.child === 'orders-db'), JSON.stringify(links));
  });

test('a list that is none is refused with a reason', async () => {
  const reply = await fetch(`${url}/zipkin/api/v2/spans`, { method: 'POST', body: '{"traceId":1}', headers: { 'content-type': 'application/json' } });
  assert.equal(reply.status, 400);
  assert.match(await reply.text(), /no list of spans/);
});

await run();
