// SPDX-License-Identifier: Apache-2.0
// A trace as a tree in the order people read it: parents before children, children by their start.
import { correctSkew, skewSummary, type SkewSummary } from './skew'
import { endOf, forest, type Node } from './tree'

export interface Tag {
  key: string
  type?: string
  value: unknown
}
export interface JaegerSpan {
  traceID: string
  spanID: string
  operationName: string
  references?: { refType: string; traceID: string; spanID: string }[]
  startTime: number
  duration: number
  tags?: Tag[]
  logs?: { timestamp: number; fields: Tag[] }[]
  processID: string
  warnings?: string[] | null
}
export interface JaegerTrace {
  traceID: string
  spans: JaegerSpan[]
  processes: Record<string, { serviceName: string; tags?: Tag[] }>
  warnings?: string[] | null
}
export type { Node } from './tree'
export { isError } from './tree'
export interface TraceView {
  id: string
  nodes: Node[] // parents before children, children by their start
  startUs: number
  durationUs: number
  services: string[]
  errors: number
  orphans: number
  circles: number // of spans that are each other's parents
  root: Node | null
  skew: SkewSummary
}

export function tagText(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value) ?? ''
}

// corrected: clocks of hosts that differ are put right for the eye.
export function viewTrace(t: JaegerTrace, corrected = true): TraceView {
  const { nodes, circles } = forest(t, (list) => corrected && correctSkew(list, t))
  let startUs = Infinity
  let endUs = -Infinity
  let errors = 0
  let orphans = 0
  for (const n of nodes) {
    startUs = Math.min(startUs, n.startUs)
    endUs = Math.max(endUs, endOf(n))
    errors += n.error ? 1 : 0
    orphans += n.orphan ? 1 : 0
  }
  return {
    id: t.traceID,
    nodes,
    startUs: nodes.length ? startUs : 0,
    durationUs: nodes.length ? endUs - startUs : 0,
    services: [...new Set(nodes.map((n) => n.service))],
    errors,
    orphans,
    circles,
    root: rootOf(nodes),
    skew: skewSummary(nodes),
  }
}

// The first that has no parent at all; else, with orphans and circles alone, the first.
function rootOf(nodes: Node[]): Node | null {
  return nodes.find((n) => n.up === null && !n.orphan && !n.cut) ?? nodes[0] ?? null
}

// `http.status_code=500 error=true peer="shop api"` as Jaeger's JSON object.
export function parseTags(text: string): { tags: Record<string, string> } | { bad: string } {
  const tags: Record<string, string> = {}
  let rest = text.trim()
  while (rest) {
    const m = /^([^\s="]+)=("(?:[^"\\]|\\.)*"|[^\s"]*)(\s+|$)/.exec(rest)
    if (!m) return { bad: rest.split(/\s/)[0] }
    tags[m[1]] = m[2].startsWith('"') ? m[2].slice(1, -1).replace(/\\(.)/g, '$1') : m[2]
    rest = rest.slice(m[0].length)
  }
  return { tags }
}

export function isDuration(text: string): boolean {
  return /^\d+(\.\d+)?(ns|us|µs|ms|s|m|h)$/.test(text.trim())
}

const UNIT_US: Record<string, number> = { ns: 0.001, us: 1, µs: 1, ms: 1000, s: 1e6, m: 6e7, h: 3.6e9 }

// "1.5ms" in microseconds; NaN: it is no duration.
export function durationUs(text: string): number {
  const m = /^(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)$/.exec(text.trim())
  return m ? Number(m[1]) * UNIT_US[m[2]] : NaN
}
