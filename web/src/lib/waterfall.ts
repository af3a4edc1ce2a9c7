// SPDX-License-Identifier: Apache-2.0
// What the waterfall shows in which row: spans and the log lines that name them; what is folded; which part of the time. All of it is
// read from the address and written to it.
import type { LogLine } from '../api/loki'
import type { Node, TraceView } from './trace'

export type Lines = ReadonlyMap<string, LogLine[]> // by the key of a span, oldest first
export interface Row {
  key: string
  node: Node
  line?: LogLine
}

const SPAN_LABELS = ['span_id', 'spanid', 'spanId', 'spanID']
const BAD = new Set(['fatal', 'critical', 'error', 'warn'])

// A line that names no span of the trace belongs to the root.
export function linesBySpan(lines: LogLine[], view: TraceView): Map<string, LogLine[]> {
  const out = new Map<string, LogLine[]>()
  if (lines.length === 0 || !view.root) return out
  const byId = new Map(view.nodes.map((n) => [n.span.spanID, n.key]))
  for (let i = lines.length - 1; i >= 0; i--) {
    const label = SPAN_LABELS.map((k) => lines[i].labels[k]).find((v) => v)
    const key = (label && byId.get(label.toLowerCase())) || view.root.key
    const list = out.get(key)
    if (list) list.push(lines[i])
    else out.set(key, [lines[i]])
  }
  return out
}

// choice: all, bad (warnings and worse) or none.
export function rowsOf(nodes: Node[], isClosed: (n: Node) => boolean, lines: Lines, choice: string): Row[] {
  const out: Row[] = []
  for (let i = 0; i < nodes.length; i++) {
    const n = nodes[i]
    out.push({ key: n.key, node: n })
    if (choice !== 'none') for (const l of lines.get(n.key) ?? []) if (choice === 'all' || BAD.has(l.level)) out.push({ key: `line ${l.id}`, node: n, line: l })
    if (n.children > 0 && isClosed(n)) while (i + 1 < nodes.length && nodes[i + 1].depth > n.depth) i++
  }
  return out
}

export interface Fold {
  isClosed: (n: Node) => boolean
  toggled: (n: Node) => string | null // the address after a click on it
}

// "a,b": these are closed. "all,a,b": all below the roots are, but these.
export function foldOf(text: string): Fold {
  const parts = text.split(',').filter(Boolean)
  const all = parts[0] === 'all'
  const named = new Set(all ? parts.slice(1) : parts)
  return {
    isClosed: (n) => n.children > 0 && (all && n.up !== null) !== named.has(n.key),
    toggled: (n) => {
      const next = new Set(named)
      if (!next.delete(n.key)) next.add(n.key)
      return [...(all ? ['all'] : []), ...next].join(',') || null
    },
  }
}

// "1000-2500": microseconds since the start of the trace; what makes no sense is the whole.
export function partOf(text: string, durationUs: number): { from: number; to: number } {
  const m = /^(\d+)-(\d+)$/.exec(text)
  const all = Math.max(durationUs, 1)
  const from = m ? Math.min(1, Number(m[1]) / all) : 0
  const to = m ? Math.min(1, Number(m[2]) / all) : 1
  return to > from ? { from, to } : { from: 0, to: 1 }
}

export function partText(p: { from: number; to: number }, durationUs: number): string {
  const from = Math.max(0, Math.floor(p.from * durationUs))
  return `${from}-${Math.max(from + 1, Math.ceil(p.to * durationUs))}`
}
