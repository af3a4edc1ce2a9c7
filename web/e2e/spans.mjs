// SPDX-License-Identifier: Apache-2.0
// Spans of our own to look at, sent as OTLP.
import { must } from './checks.mjs'

export const unique = (name) => `${name}-${Date.now().toString(36)}${Math.floor(Math.random() * 1e6)}`
export const hex = (digits) => Array.from({ length: digits }, () => Math.floor(Math.random() * 16).toString(16)).join('')
export const MS = 1000000n

// spans: {service, id, up, name, at, ms, kind, failed, ...more}, times in milliseconds after startMs.
export async function send(page, base, traceId, startMs, spans) {
  const byService = new Map()
  for (const { service, id, up, name, at, ms, kind, failed, ...more } of spans) {
    const from = BigInt(startMs) * MS + BigInt(Math.round(at * 1e6))
    const span = { traceId, spanId: id, parentSpanId: up ?? '', name, kind: kind ?? 2, startTimeUnixNano: String(from), endTimeUnixNano: String(from + BigInt(Math.round(ms * 1e6))), status: failed ? { code: 2, message: 'it broke' } : {}, ...more }
    byService.set(service, [...(byService.get(service) ?? []), span])
  }
  const resourceSpans = [...byService].map(([service, list]) => ({
    resource: { attributes: [{ key: 'service.name', value: { stringValue: service } }] },
    scopeSpans: [{ scope: { name: 'io.e2e', version: '1' }, spans: list }],
  }))
  const answer = await page.request.post(`${base}/v1/traces`, { headers: { 'Content-Type': 'application/json' }, data: { resourceSpans } })
  must(answer.ok(), `the push of spans was answered with ${answer.status()}`)
}
