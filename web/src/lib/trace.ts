// SPDX-License-Identifier: Apache-2.0
// A trace as a tree in the order people read it: parents before children, children by their start.

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
export interface Node {
  span: JaegerSpan
  service: string
  depth: number
  children: number
  parent: string | null
  error: boolean
  selfUs: number
}
export interface TraceView {
  id: string
  nodes: Node[]
  startUs: number
  durationUs: number
  services: string[]
  errors: number
  orphans: number
  root: Node | null
}

export function isError(span: JaegerSpan): boolean {
  return (span.tags ?? []).some(
    (t) => (t.key === 'error' && (t.value === true || t.value === 'true')) || (t.key === 'otel.status_code' && t.value === 'ERROR'),
  )
}

export function tagText(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value) ?? ''
}

function parentOf(span: JaegerSpan): string | null {
  const ref = (span.references ?? []).find((r) => r.refType === 'CHILD_OF' && r.traceID === span.traceID) ?? null
  return ref && ref.spanID !== span.spanID ? ref.spanID : null
}

// Time inside a span that no child covers.
function selfTime(span: JaegerSpan, children: JaegerSpan[]): number {
  const end = span.startTime + span.duration
  let at = span.startTime
  let own = 0
  for (const c of children) {
    const from = Math.max(span.startTime, c.startTime)
    const to = Math.min(end, c.startTime + c.duration)
    if (from > at) own += from - at
    if (to > at) at = to
  }
  return own + Math.max(0, end - at)
}

export function viewTrace(t: JaegerTrace): TraceView {
  const byId = new Map<string, JaegerSpan>()
  for (const s of t.spans) if (!byId.has(s.spanID)) byId.set(s.spanID, s)
  const spans = [...byId.values()].sort((a, b) => a.startTime - b.startTime || b.duration - a.duration)
  const children = new Map<string, JaegerSpan[]>()
  const roots: JaegerSpan[] = []
  let orphans = 0
  for (const s of spans) {
    const p = parentOf(s)
    if (p !== null && byId.has(p)) {
      const list = children.get(p)
      if (list) list.push(s)
      else children.set(p, [s])
    } else {
      roots.push(s)
      if (p !== null) orphans++
    }
  }
  const nodes: Node[] = []
  const seen = new Set<string>()
  const serviceOf = (s: JaegerSpan) => t.processes[s.processID]?.serviceName ?? '?'
  const stack: { s: JaegerSpan; depth: number; parent: string | null }[] = []
  const walk = (first: JaegerSpan) => {
    stack.push({ s: first, depth: 0, parent: null })
    while (stack.length > 0) {
      const { s, depth, parent } = stack.pop()!
      if (seen.has(s.spanID)) continue
      seen.add(s.spanID)
      const kids = children.get(s.spanID) ?? []
      nodes.push({ span: s, service: serviceOf(s), depth, children: kids.length, parent, error: isError(s), selfUs: selfTime(s, kids) })
      for (let i = kids.length - 1; i >= 0; i--) stack.push({ s: kids[i], depth: depth + 1, parent: s.spanID })
    }
  }
  roots.forEach(walk)
  spans.forEach((s) => !seen.has(s.spanID) && walk(s)) // parents in a circle
  const startUs = spans[0]?.startTime ?? 0
  const endUs = spans.reduce((m, s) => Math.max(m, s.startTime + s.duration), startUs)
  return {
    id: t.traceID,
    nodes,
    startUs,
    durationUs: endUs - startUs,
    services: [...new Set(nodes.map((n) => n.service))],
    errors: nodes.filter((n) => n.error).length,
    orphans,
    root: nodes[0] ?? null,
  }
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
