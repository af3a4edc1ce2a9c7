// SPDX-License-Identifier: Apache-2.0
// Clocks of hosts differ. As Jaeger does it: where a span ran on another host than its parent and does not lie within it, it is moved so
// that the way there and back takes equally long; what it called on its own host moves with it. Nothing stored changes.
import type { JaegerTrace } from './trace'
import type { Node } from './tree'

const HOST_TAGS = ['ip', 'host.id', 'host.name', 'net.host.ip']

// Spans of one host share a clock; where no host is told, those of one service do.
export function clocksOf(t: JaegerTrace): Map<string, string> {
  const out = new Map<string, string>()
  for (const [id, p] of Object.entries(t.processes)) {
    const host = HOST_TAGS.map((k) => (p.tags ?? []).find((x) => x.key === k)?.value).find((v) => v !== undefined && v !== '')
    out.set(id, host === undefined ? `service ${p.serviceName}` : `host ${String(host)}`)
  }
  return out
}

// Microseconds to add to a child so that it fits its parent. A child that lasts longer than its parent may be one nobody waits for:
// it only must not begin before it. So it is with one that takes a message: it comes when it comes.
export function shiftOf(parent: { start: number; duration: number }, child: { start: number; duration: number }, waits = true): number {
  if (!waits || child.duration > parent.duration) return Math.max(0, parent.start - child.start)
  const fits = child.start >= parent.start && child.start + child.duration <= parent.start + parent.duration
  if (fits) return 0
  return parent.start + Math.floor((parent.duration - child.duration) / 2) - child.start
}

// nodes: parents before children.
export function correctSkew(nodes: Node[], t: JaegerTrace): void {
  const clocks = clocksOf(t)
  const clockOf = (n: Node) => clocks.get(n.span.processID) ?? `service ${n.service}`
  for (const n of nodes) {
    const p = n.up
    if (!p) continue
    n.shiftUs =
      clockOf(n) === clockOf(p)
        ? p.shiftUs
        : shiftOf({ start: p.startUs, duration: p.span.duration }, { start: n.span.startTime, duration: n.span.duration }, n.kind !== 'consumer')
    n.startUs = n.span.startTime + n.shiftUs
  }
}

export interface SkewSummary {
  spans: number
  services: string[]
  mostUs: number // the largest shift, with its sign
}

export function skewSummary(nodes: Node[]): SkewSummary {
  let spans = 0
  let mostUs = 0
  const services = new Set<string>()
  for (const n of nodes) {
    if (n.shiftUs === 0) continue
    spans++
    services.add(n.service)
    if (Math.abs(n.shiftUs) > Math.abs(mostUs)) mostUs = n.shiftUs
  }
  return { spans, services: [...services].sort(), mostUs }
}
