// SPDX-License-Identifier: Apache-2.0
// splunk-logging and winston-splunk-httplogger: events to the HTTP Event Collector.
import assert from 'node:assert/strict';
import splunk from 'splunk-logging';
import winston from 'winston';
import SplunkStreamEvent from 'winston-splunk-httplogger';
import { eventually, logql, run, test, unique, url } from './lib.mjs';

const LINES = 30;

test('splunk-logging: a batch of events comes back with its times, source and severity', async () => {
  const sourcetype = unique('shop');
  const logger = new splunk.Logger({ token: 'any', url, maxBatchCount: LINES, maxBatchSize: 0, batchInterval: 0 });
  const errors = [];
  logger.error = (e) => errors.push(e);
  for (let n = 0; n < LINES; n++) {
    logger.send({ message: { order: n }, severity: n % 10 ? 'info' : 'error', metadata: { sourcetype, source: 'node', host: 'web-1', time: 1e9 + Date.now() - 1e9 } });
  }
  const lines = await eventually('lines', () => logql(`{service_name="${sourcetype}"}`));
  assert.deepEqual(errors, []);
  assert.deepEqual(lines.map((l) => JSON.parse(l.line).message.order).sort((a, b) => a - b), [...Array(LINES).keys()]);
  assert.equal(lines[0].labels.source, 'node');
  assert.equal(lines[0].labels.host, 'web-1');
  assert.equal((await logql(`{service_name="${sourcetype}"} | detected_level = "error"`)).length, LINES / 10);
});

test('splunk-logging is told what is wrong, by code', async () => {
  const logger = new splunk.Logger({ token: 'any', url });
  const reply = await new Promise((done) => logger.send({ message: 'direct' }, (err, response, body) => done({ err, body })));
  assert.equal(reply.err, null);
  assert.deepEqual(typeof reply.body === 'string' ? JSON.parse(reply.body) : reply.body, { text: 'Success', code: 0 });
});

test('winston-splunk-httplogger: every line of a logger arrives', async () => {
  const sourcetype = unique('winston');
  const { hostname, port } = new URL(url);
  const transport = new SplunkStreamEvent({ splunk: { protocol: 'http', host: hostname, port, token: 'any', sourcetype, maxBatchCount: 1 } });
  const errors = [];
  transport.on('error', (e) => errors.push(e));
  const log = winston.createLogger({ level: 'debug', transports: [transport] });
  for (let n = 0; n < LINES; n++) log.info(`line ${n}`, { n });
  log.error('payment refused');
  const lines = await eventually('lines', async () => {
    const found = await logql(`{service_name="${sourcetype}"}`);
    return found.length === LINES + 1 ? found : null;
  });
  assert.deepEqual(errors, []);
  assert.equal(lines.filter((l) => l.line.includes('payment refused')).length, 1);
  assert.equal((await logql(`{service_name="${sourcetype}"} | detected_level = "error"`)).length, 1);
});

await run();
