// SPDX-License-Identifier: Apache-2.0
// The page's script of otel_browser.mjs: OpenTelemetry's web SDK as a shop would load it. window.shop is what the test calls.
import { ROOT_CONTEXT, SpanKind, SpanStatusCode, context, trace } from '@opentelemetry/api';
import { OTLPTraceExporter as Json } from '@opentelemetry/exporter-trace-otlp-http';
import { OTLPTraceExporter as Proto } from '@opentelemetry/exporter-trace-otlp-proto';
import { registerInstrumentations } from '@opentelemetry/instrumentation';
import { FetchInstrumentation } from '@opentelemetry/instrumentation-fetch';
import { XMLHttpRequestInstrumentation } from '@opentelemetry/instrumentation-xml-http-request';
import { defaultResource, resourceFromAttributes } from '@opentelemetry/resources';
import { BatchSpanProcessor, StackContextManager, WebTracerProvider } from '@opentelemetry/sdk-trace-web';

const exporters = { JSON: Json, protobuf: Proto };

// Sends by one of the exporters; traceparent goes along to the site's own backend, too, which is of another origin than the page.
function start({ how, url, headers, service, backend }) {
  const exporter = new exporters[how]({ url: `${url}/v1/traces`, headers });
  const results = [];
  const send = exporter.export.bind(exporter);
  exporter.export = (spans, done) => send(spans, (r) => (results.push([r.code, r.error?.message ?? '']), done(r)));
  const provider = new WebTracerProvider({
    resource: defaultResource().merge(resourceFromAttributes({ 'service.name': service, 'browser.language': navigator.language, 'browser.mobile': false })),
    spanProcessors: [new BatchSpanProcessor(exporter)],
  });
  provider.register({ contextManager: new StackContextManager() });
  const mine = new RegExp(`^${backend}/`);
  registerInstrumentations({
    tracerProvider: provider,
    instrumentations: [
      new FetchInstrumentation({ propagateTraceHeaderCorsUrls: [mine], clearTimingResources: true }),
      new XMLHttpRequestInstrumentation({ propagateTraceHeaderCorsUrls: [mine] }),
    ],
  });
  return { provider, results, tracer: provider.getTracer('shop.page', '3.1') };
}

const byXhr = (url) =>
  new Promise((done, failed) => {
    const x = new XMLHttpRequest();
    x.open('GET', url);
    x.onload = () => done(x.status);
    x.onerror = () => failed(new Error('the request failed'));
    x.send();
  });

// A click with an error and a link, and what it asks of the backend; gives the ids.
async function click(options) {
  const { provider, results, tracer } = start(options);
  const linked = { traceId: '0af7651916cd43dd8448eb211c80319c', spanId: 'b7ad6b7169203331', traceFlags: 1 };
  const root = tracer.startSpan('click buy', { kind: SpanKind.INTERNAL, attributes: { 'dom.id': 'buy', tries: 2, ratio: 0.5, first: true, sizes: ['s', 'm'], text: 'Grüße 漢字' } }, ROOT_CONTEXT);
  const inside = trace.setSpan(ROOT_CONTEXT, root);
  const draw = tracer.startSpan('draw', { links: [{ context: linked, attributes: { why: 'retry' } }] }, inside);
  draw.addEvent('painted', { boxes: 12 });
  draw.recordException(new TypeError('no such box'));
  draw.setStatus({ code: SpanStatusCode.ERROR, message: 'not drawn' });
  draw.end();
  const status = await context.with(inside, () => fetch(`${options.backend}/by-fetch`)).then((r) => r.status);
  const other = await context.with(inside, () => byXhr(`${options.backend}/by-xhr`));
  await new Promise((wake) => setTimeout(wake, 600)); // a request's span ends once its timing is known
  root.end();
  await provider.forceFlush();
  return { traceId: root.spanContext().traceId, root: root.spanContext().spanId, draw: draw.spanContext().spanId, results, asked: [status, other] };
}

// What exporters before 0.200 do without headers of their own: the browser sends it, with cookies, even when the page goes.
function beacon(url, request) {
  return navigator.sendBeacon(`${url}/v1/traces`, new Blob([JSON.stringify(request)], { type: 'application/json' }));
}

window.shop = { click, beacon };
