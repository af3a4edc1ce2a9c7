// SPDX-License-Identifier: Apache-2.0
// Spans as a forest: every span once, whatever its parents say. Parents that are not stored leave orphans at the top; parents in a
// circle are cut at the span that began first. Nothing here calls itself: a chain may be a hundred thousand spans long.
import type { JaegerSpan, JaegerTrace } from './trace'

export interface Node {
  span: JaegerSpan
  key: string // the span id, unless two spans share it
  service: string
  kind: string
  depth: number
  children: number
  parent: string | null // key
  up: Node | null
  kids: Node[] // by their start
  error: boolean
  startUs: number // as shown: with the shift
  shiftUs: number // what was added for the clock of its host
  selfUs: number
  orphan: boolean // names a parent that is not stored
  cut: boolean // its parents were a circle
}

export const endOf = (n: Node): number => n.startUs + n.span.duration

export function tagOf(span: JaegerSpan, key: string): unknown {
  return (span.tags ?? []).find((t) => t.key === key)?.value
}

export function isError(span: JaegerSpan): boolean {
  return (span.tags ?? []).some(
    (t) => (t.key === 'error' && (t.value === true || t.value === 'true')) || (t.key === 'otel.status_code' && t.value === 'ERROR'),
  )
}

function parentOf(span: JaegerSpan): string | null {
  const refs = (span.references ?? []).filter((r) => r.traceID === span.traceID)
  return refs.find((r) => r.refType === 'CHILD_OF')?.spanID ?? null
}

const whatOf = (s: JaegerSpan): string => `${s.startTime} ${s.duration} ${s.processID} ${s.operationName}`

interface Ids {
  first: Map<string, Node>
  server: Map<string, Node> // the serving side of an id that two spans share: what it called is under it
}

// Zipkin's two sides of a call may share an id, and an exporter may send a span twice: the sides are told apart, the copy is dropped.
function collect(t: JaegerTrace): { nodes: Node[]; ids: Ids } {
  const ids: Ids = { first: new Map(), server: new Map() }
  const nodes: Node[] = []
  const byId = new Map<string, Node[]>()
  const seen = new Set<string>()
  for (const span of t.spans) {
    const what = `${span.spanID} ${whatOf(span)}`
    if (seen.has(what)) continue
    seen.add(what)
    const others = byId.get(span.spanID)
    const n: Node = {
      span,
      key: others ? `${span.spanID}~${others.length + 1}` : span.spanID,
      service: t.processes[span.processID]?.serviceName ?? '?',
      kind: String(tagOf(span, 'span.kind') ?? ''),
      depth: 0,
      children: 0,
      parent: null,
      up: null,
      kids: [],
      error: isError(span),
      startUs: span.startTime,
      shiftUs: 0,
      selfUs: 0,
      orphan: false,
      cut: false,
    }
    nodes.push(n)
    if (others) others.push(n)
    else byId.set(span.spanID, [n])
  }
  for (const [id, list] of byId) {
    ids.first.set(id, list.find((n) => n.kind === 'client') ?? list[0])
    const server = list.length > 1 ? list.find((n) => n.kind === 'server') : undefined
    if (server && ids.first.get(id) !== server) ids.server.set(id, server)
  }
  return { nodes, ids }
}

function join(nodes: Node[], ids: Ids): void {
  for (const n of nodes) {
    const id = n.span.spanID
    if (ids.server.get(id) === n) {
      n.up = ids.first.get(id)!
      continue
    }
    const p = parentOf(n.span)
    if (p === null || p === id) continue
    n.up = ids.server.get(p) ?? ids.first.get(p) ?? null
    n.orphan = n.up === null
  }
}

// Follows parents upwards; who is met again on the same way is in a circle.
function cutCircles(nodes: Node[]): number {
  const state = new Map<Node, number>() // 1: on this way, 2: done
  let circles = 0
  for (const start of nodes) {
    const way: Node[] = []
    let n: Node | null = start
    while (n && !state.has(n)) {
      state.set(n, 1)
      way.push(n)
      n = n.up
    }
    if (n && state.get(n) === 1) {
      const circle = way.slice(way.indexOf(n))
      const first = circle.reduce((a, b) => (b.startUs < a.startUs || (b.startUs === a.startUs && b.span.duration > a.span.duration) ? b : a))
      first.up = null
      first.cut = true
      circles++
    }
    for (const w of way) state.set(w, 2)
  }
  return circles
}

export const byStart = (a: Node, b: Node): number => a.startUs - b.startUs || b.span.duration - a.span.duration

// Time inside a span that no child covers.
function selfTime(n: Node): number {
  const end = endOf(n)
  let at = n.startUs
  let own = 0
  for (const c of n.kids) {
    const from = Math.max(n.startUs, c.startUs)
    const to = Math.min(end, endOf(c))
    if (to <= from) continue
    if (from > at) own += from - at
    if (to > at) at = to
  }
  return own + Math.max(0, end - at)
}

// The roots by their start. shift may move spans (it gets parents before children).
export function forest(t: JaegerTrace, shift: (preorder: Node[]) => void): { nodes: Node[]; roots: Node[]; circles: number } {
  const { nodes, ids } = collect(t)
  join(nodes, ids)
  const circles = cutCircles(nodes)
  const roots: Node[] = []
  for (const n of nodes) {
    if (n.up) n.up.kids.push(n)
    else roots.push(n)
    n.parent = n.up?.key ?? null
  }
  shift(preorder(roots))
  for (const n of nodes) n.kids.sort(byStart)
  roots.sort(byStart)
  const out = preorder(roots)
  for (const n of out) {
    n.depth = n.up ? n.up.depth + 1 : 0
    n.children = n.kids.length
    n.selfUs = selfTime(n)
  }
  return { nodes: out, roots, circles }
}

export function preorder(roots: Node[]): Node[] {
  const out: Node[] = []
  const stack = [...roots].reverse()
  while (stack.length > 0) {
    const n = stack.pop()!
    out.push(n)
    for (let i = n.kids.length - 1; i >= 0; i--) stack.push(n.kids[i])
  }
  return out
}
