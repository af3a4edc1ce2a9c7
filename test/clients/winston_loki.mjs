// SPDX-License-Identifier: Apache-2.0
// winston with winston-loki: protobuf with snappy (its default) and JSON.
import assert from 'node:assert/strict';
import winston from 'winston';
import LokiTransport from 'winston-loki';
import { eventually, get, logql, run, test, unique, url } from './lib.mjs';

const LINES = 60;

function logger(options) {
  const errors = [];
  const transport = new LokiTransport({
    host: url,
    interval: 1,
    gracefulShutdown: false,
    format: winston.format.json(),
    onConnectionError: (e) => errors.push(e),
    ...options,
  });
  return { log: winston.createLogger({ level: 'debug', transports: [transport] }), transport, errors };
}

for (const json of [false, true]) {
  const how = json ? 'JSON' : 'protobuf and snappy';

  test(`winston-loki sends ${how}: every line with its labels and time comes back once`, async () => {
    const app = unique('shop');
    const { log, transport, errors } = logger({ json, labels: { app, part: 'cart' } });
    const before = BigInt(Date.now()) * 1000000n;
    for (let i = 0; i < LINES; i++) log.info(`order ${i} placed`, { order: i, price: 1.5 });
    log.error('payment refused: "Gr\u00fc\u00dfe", \u6f22\u5b57, \ud83d\ude80', { code: 402 });
    log.warn('x'.repeat(5000));
    await transport.flush();
    assert.deepEqual(errors, []);

    const lines = await eventually('lines', async () => {
      const found = await logql(`{app="${app}"}`);
      return found.length >= LINES + 2 ? found : null;
    });
    assert.equal(lines.length, LINES + 2);
    const after = BigInt(Date.now()) * 1000000n;
    for (const { labels, time } of lines) {
      assert.equal(labels.app, app);
      assert.equal(labels.part, 'cart');
      assert.ok(BigInt(time) >= before && BigInt(time) <= after, time);
    }
    const orders = lines.filter((l) => l.labels.level === 'info').map((l) => JSON.parse(l.line));
    assert.deepEqual(orders.map((o) => o.order).sort((a, b) => a - b), [...Array(LINES).keys()]);
    assert.equal(orders[0].price, 1.5);

    const refused = await logql(`{app="${app}", level="error"} | json | code = 402`);
    assert.equal(refused.length, 1);
    assert.equal(JSON.parse(refused[0].line).message, 'payment refused: "Gr\u00fc\u00dfe", \u6f22\u5b57, \ud83d\ude80');
    const long = await logql(`{app="${app}"} |= \`xxxxx\``);
    assert.deepEqual(long.map((l) => JSON.parse(l.line).message.length), [5000]);
    assert.equal((await logql(`{app="${app}"} |= "order 17 "`)).length, 1);
    transport.close();
  });

  test(`winston-loki sends ${how} one by one: labels of a line make its stream`, async () => {
    const app = unique('single');
    const { log, transport, errors } = logger({ json, batching: false, labels: { app } });
    log.info({ message: 'first', labels: { region: 'eu' } });
    log.info({ message: 'second', labels: { region: 'us' } });
    const lines = await eventually('lines', async () => {
      const found = await logql(`{app="${app}"}`);
      return found.length === 2 ? found : null;
    });
    assert.deepEqual(lines.map((l) => l.labels.region).sort(), ['eu', 'us']);
    const { data } = await get('/loki/api/v1/label/region/values', { query: `{app="${app}"}` });
    assert.deepEqual(data, ['eu', 'us']);
    assert.deepEqual(errors, []);
    transport.close();
  });
}

test('lines of winston-loki count in a metric query', async () => {
  const app = unique('counted');
  const { log, transport } = logger({ labels: { app } });
  for (let i = 0; i < 7; i++) log.info(`line ${i}`);
  for (let i = 0; i < 3; i++) log.error(`line ${i}`);
  await transport.flush();
  const query = `sum by (level) (count_over_time({app="${app}"}[10m]))`;
  const counts = await eventually('counts', async () => {
    const { data } = await get('/loki/api/v1/query', { query });
    const of = Object.fromEntries(data.result.map((r) => [r.metric.level, r.value[1]]));
    return of.info && of.error ? of : null;
  });
  assert.deepEqual(counts, { info: '7', error: '3' });
  transport.close();
});

await run();
