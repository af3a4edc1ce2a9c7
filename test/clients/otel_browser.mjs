// SPDX-License-Identifier: Apache-2.0
// OpenTelemetry's web SDK in a real headless Chromium: a page of one origin sends its spans to Stoa, which is another, and asks a
// backend of a third, which carries the trace on.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { fileURLToPath } from 'node:url';
import { ROOT_CONTEXT, SpanKind, propagation } from '@opentelemetry/api';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { BatchSpanProcessor } from '@opentelemetry/sdk-trace-base';
import { NodeTracerProvider } from '@opentelemetry/sdk-trace-node';
import { build } from 'esbuild';
import { chromium } from 'playwright-core';
import { eventually, get, run, test, trace, unique, url } from './lib.mjs';

const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';
const tags = (list) => Object.fromEntries(list.map((t) => [t.key, t.value]));

const bundle = await build({
  entryPoints: [fileURLToPath(new URL('otel_browser_page.mjs', import.meta.url))],
  bundle: true,
  write: false,
  format: 'iife',
  platform: 'browser',
  target: 'es2022',
  logLevel: 'error',
});

function serve(answer) {
  return new Promise((done) => {
    const server = createServer(answer).listen(0, '127.0.0.1', () => done({ server, base: `http://127.0.0.1:${server.address().port}` }));
  });
}

const site = await serve((request, reply) => {
  const is_script = request.url === '/page.js';
  reply.writeHead(200, { 'Content-Type': is_script ? 'text/javascript' : 'text/html; charset=utf-8', 'Set-Cookie': 'visitor=1; SameSite=None' });
  reply.end(is_script ? bundle.outputFiles[0].text : '<!doctype html><title>Shop</title><button id="buy">Buy</button><script src="/page.js"></script>');
});

// The backend's own spans are children of the browser's, by the traceparent that came along.
const backendService = unique('backend');
const provider = new NodeTracerProvider({
  resource: resourceFromAttributes({ 'service.name': backendService }),
  spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter({ url: `${url}/v1/traces` }))],
});
propagation.setGlobalPropagator(new W3CTraceContextPropagator());
const backend = await serve((request, reply) => {
  const cors = { 'Access-Control-Allow-Origin': '*', 'Access-Control-Allow-Headers': 'traceparent, tracestate' };
  if (request.method !== 'OPTIONS') {
    const up = propagation.extract(ROOT_CONTEXT, request.headers);
    provider.getTracer('backend').startSpan(`GET ${request.url}`, { kind: SpanKind.SERVER }, up).end();
  }
  reply.writeHead(request.method === 'OPTIONS' ? 204 : 200, cors);
  reply.end();
});

// A page of the site that has loaded the SDK, with everything the browser complains of.
async function visit(browser, body) {
  const page = await browser.newPage();
  const wrong = [];
  page.on('pageerror', (e) => wrong.push(`script: ${e.message}`));
  page.on('console', (m) => m.type() === 'error' && wrong.push(`console: ${m.text()}`));
  const sent = [];
  page.on('request', (r) => r.url().startsWith(url) && sent.push(r));
  try {
    await page.goto(site.base);
    await page.waitForFunction(() => window.shop);
    return await body(page, sent);
  } finally {
    await page.close();
    assert.deepEqual(wrong, []);
  }
}

const browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox'] });
process.on('exit', () => browser.close());

for (const [how, type] of [['JSON', 'application/json'], ['protobuf', 'application/x-protobuf']])
  for (const headers of [undefined, { 'X-Scope-OrgID': 'default', 'X-Shop-Page': 'cart' }])
    test(`the web SDK by ${how}${headers ? ', with headers of its own' : ''}: what it sends comes back, joined to what the backend sends`, async () => {
      const service = unique('page');
      const did = await visit(browser, async (page, sent) => {
        const answer = await page.evaluate((o) => window.shop.click(o), { how, url, headers, service, backend: backend.base });
        const posts = await Promise.all(sent.filter((r) => r.method() === 'POST').map((r) => r.allHeaders()));
        assert.ok(posts.length && posts.every((h) => h['content-type'] === type && h.origin === site.base), JSON.stringify(posts));
        return answer;
      });
      assert.deepEqual(did.asked, [200, 200]);
      assert.deepEqual(did.results, did.results.map(() => [0, '']));
      await provider.forceFlush();

      const found = await trace(did.traceId, 6);
      const by = (id) => found.spans.find((s) => s.spanID === id);
      const parent = (s) => s.references.find((r) => r.refType === 'CHILD_OF')?.spanID;
      const of = (name) => found.spans.filter((s) => found.processes[s.processID].serviceName === name);
      assert.deepEqual([of(service).length, of(backendService).length], [4, 2]);

      const root = by(did.root);
      const rootTags = tags(root.tags);
      assert.equal(root.operationName, 'click buy');
      assert.deepEqual([rootTags['dom.id'], rootTags.tries, rootTags.ratio, rootTags.first, rootTags.text], ['buy', 2, 0.5, true, 'Grüße 漢字']);
      assert.deepEqual(JSON.parse(rootTags.sizes), ['s', 'm']);
      assert.deepEqual([rootTags['otel.scope.name'], rootTags['otel.scope.version']], ['shop.page', '3.1']);
      assert.ok(Math.abs(root.startTime / 1000 - Date.now()) < 60000 && root.duration > 500000, `${root.startTime} for ${root.duration}`);
      const process = tags(found.processes[root.processID].tags);
      assert.equal(process['browser.mobile'], false);
      assert.equal(process['telemetry.sdk.language'], 'webjs');

      const draw = by(did.draw);
      assert.equal(parent(draw), did.root);
      assert.deepEqual([tags(draw.tags)['otel.status_code'], tags(draw.tags)['otel.status_description']], ['ERROR', 'not drawn']);
      assert.deepEqual(tags(draw.logs[0].fields), { event: 'painted', boxes: 12 });
      assert.equal(tags(draw.logs[1].fields)['exception.type'], 'TypeError');
      assert.equal(draw.references.find((r) => r.refType === 'FOLLOWS_FROM').spanID, 'b7ad6b7169203331');

      // page -> its request, by fetch and by XMLHttpRequest -> the backend's span
      for (const path of ['/by-fetch', '/by-xhr']) {
        const served = of(backendService).find((s) => s.operationName === `GET ${path}`);
        const asked = by(parent(served));
        assert.equal(parent(asked), did.root, path);
        const t = tags(asked.tags);
        assert.equal(t['span.kind'], 'client');
        assert.equal(t['http.url'] ?? t['url.full'], backend.base + path);
        assert.equal(t['http.status_code'] ?? t['http.response.status_code'], 200);
        assert.ok(asked.logs.some((l) => tags(l.fields).event === 'responseEnd'), `${path}: ${JSON.stringify(asked.logs)}`);
      }
    });

test('a beacon with cookies is taken from any page', async () => {
  const service = unique('beacon');
  const at = BigInt(Date.now()) * 1000000n;
  const span = { traceId: '7bf92f3577b34da6a3ce929d0e0e4736', spanId: '10f067aa0ba902b7', name: 'left', kind: 1, startTimeUnixNano: `${at}`, endTimeUnixNano: `${at + 5000000n}` };
  const request = { resourceSpans: [{ resource: { attributes: [{ key: 'service.name', value: { stringValue: service } }] }, scopeSpans: [{ spans: [span] }] }] };
  await visit(browser, async (page) => {
    assert.equal(await page.evaluate(([to, what]) => window.shop.beacon(to, what), [url, request]), true);
    await eventually('the beacon', async () => (await get('/jaeger/api/traces', { service })).data);
  });
});

test('a page may send, and may not ask', async () => {
  await visit(browser, async (page) => {
    await page.evaluate((to) => fetch(`${to}/v1/traces`, { method: 'POST', body: '{}', headers: { 'Content-Type': 'application/json' } }).then((r) => r.text()), url);
    const asked = await page.evaluate((to) => fetch(`${to}/jaeger/api/services`).then((r) => r.text(), (e) => e.name), url);
    assert.equal(asked, 'TypeError');
  }).catch((e) => assert.match(String(e), /blocked by CORS policy/)); // the browser tells of it on the console
});

await run();
