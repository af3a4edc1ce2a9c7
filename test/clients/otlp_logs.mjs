// SPDX-License-Identifier: Apache-2.0
// OpenTelemetry's logs SDK with its three OTLP exporters.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { ROOT_CONTEXT, trace as api } from '@opentelemetry/api';
import { SeverityNumber } from '@opentelemetry/api-logs';
import { OTLPLogExporter as Grpc } from '@opentelemetry/exporter-logs-otlp-grpc';
import { OTLPLogExporter as Json } from '@opentelemetry/exporter-logs-otlp-http';
import { OTLPLogExporter as Proto } from '@opentelemetry/exporter-logs-otlp-proto';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { BatchLogRecordProcessor, LoggerProvider } from '@opentelemetry/sdk-logs';
import { eventually, logql, run, test, unique, url } from './lib.mjs';

const exporters = {
  protobuf: () => new Proto({ url: `${url}/v1/logs` }),
  JSON: () => new Json({ url: `${url}/v1/logs` }),
  gRPC: () => new Grpc({ url }),
};

const hex = (bytes) => randomBytes(bytes).toString('hex');

for (const [how, make] of Object.entries(exporters)) {
  test(`log records sent by ${how} come back with severity, attributes and trace`, async () => {
    const service = unique('desk');
    const exporter = make();
    const results = [];
    const send = exporter.export.bind(exporter);
    exporter.export = (records, done) => send(records, (r) => (results.push(r), done(r)));
    const provider = new LoggerProvider({
      resource: resourceFromAttributes({ 'service.name': service, 'deployment.environment.name': 'test', 'host.name': 'h1' }),
      processors: [new BatchLogRecordProcessor({ exporter })],
    });
    const logger = provider.getLogger('shop', '1.0');
    const traceId = hex(16), spanId = hex(8);
    const context = api.setSpanContext(ROOT_CONTEXT, { traceId, spanId, traceFlags: 1 });
    const timeMs = Date.now() - 5000;
    logger.emit({
      timestamp: timeMs, context, severityNumber: SeverityNumber.ERROR, severityText: 'ERROR', body: 'card refused: "Gr\u00fc\u00dfe" \u6f22\u5b57',
      attributes: { 'order.id': 4711, amount: 9.5, retry: true, user: 'ann' },
    });
    logger.emit({ timestamp: timeMs + 1, severityNumber: SeverityNumber.INFO, body: 'opened' });
    logger.emit({ timestamp: timeMs + 2, severityNumber: SeverityNumber.WARN2, body: { what: 'slow', ms: 312 } });
    for (let i = 0; i < 100; i++) logger.emit({ timestamp: timeMs + 3, severityNumber: SeverityNumber.DEBUG, body: `step ${i}` });
    await provider.forceFlush();
    assert.ok(results.length > 0 && results.every((r) => r.code === 0), JSON.stringify(results.map((r) => r.error?.message)));

    const all = await eventually('all records', async () => {
      const found = await logql(`{service_name="${service}"}`);
      return found.length >= 103 ? found : null;
    });
    assert.equal(all.length, 103);
    assert.deepEqual(new Set(all.map((l) => l.line)).size, 103);

    const [refused, ...more] = await logql(`{service_name="${service}"} | trace_id="${traceId}"`);
    assert.equal(more.length, 0);
    assert.equal(refused.line, 'card refused: "Gr\u00fc\u00dfe" \u6f22\u5b57');
    assert.equal(refused.time, `${timeMs}000000`);
    assert.equal(refused.labels.trace_id, traceId);
    assert.equal(refused.labels.span_id, spanId);
    assert.equal(refused.labels.service_name, service);
    assert.equal(refused.labels.deployment_environment_name, 'test');
    assert.equal(refused.labels.order_id, '4711');
    assert.equal(refused.labels.amount, '9.5');
    assert.equal(refused.labels.retry, 'true');
    assert.equal(refused.labels.user, 'ann');
    assert.equal(refused.labels.severity_text, 'ERROR');
    assert.equal(refused.labels.detected_level, 'error');

    assert.equal((await logql(`{service_name="${service}"} | order_id="4711"`)).length, 1);
    assert.equal((await logql(`{service_name="${service}"} | detected_level="info"`))[0].line, 'opened');
    const slow = await logql(`{service_name="${service}"} | json | what="slow" | ms > 300`);
    assert.deepEqual(slow.map((l) => JSON.parse(l.line)), [{ what: 'slow', ms: 312 }]);
    assert.equal((await logql(`{service_name="${service}", deployment_environment_name="test"} |= "step 42"`)).length, 1);
    await provider.shutdown();
  });
}

await run();
