// SPDX-License-Identifier: Apache-2.0
// Spans for tests: service by process, parents by id.
import type { JaegerSpan, JaegerTrace, Tag } from '../src/lib/trace'

export interface Made {
  id: string
  up?: string | null
  at: number
  us: number
  service?: string
  name?: string
  tags?: Tag[]
  kind?: string
}

export function span(m: Made): JaegerSpan {
  return {
    traceID: 't',
    spanID: m.id,
    operationName: m.name ?? m.id,
    startTime: m.at,
    duration: m.us,
    processID: m.service ?? 'shop',
    tags: [...(m.tags ?? []), ...(m.kind ? [{ key: 'span.kind', value: m.kind }] : [])],
    references: m.up ? [{ refType: 'CHILD_OF', traceID: 't', spanID: m.up }] : [],
  }
}

export function made(list: Made[], hosts: Record<string, string> = {}): JaegerTrace {
  const spans = list.map(span)
  const processes: JaegerTrace['processes'] = {}
  for (const s of spans) processes[s.processID] = { serviceName: s.processID, tags: hosts[s.processID] ? [{ key: 'host.name', value: hosts[s.processID] }] : [] }
  return { traceID: 't', spans, processes }
}
