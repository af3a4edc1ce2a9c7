// SPDX-License-Identifier: Apache-2.0
// The critical path, as Jaeger understands it: from the end of the root backwards, always the child that ended last before the point
// reached; what lies between is the parent's own. Shorten a piece of it and the trace gets shorter. Children nobody waits for (that
// take a message, or begin when the parent is over) are not on it; what hangs over the parent's ends is cut there.
import { endOf, type Node } from './tree'

export interface Piece {
  node: Node
  fromUs: number
  toUs: number
}

interface Window {
  from: number
  to: number
}

interface Frame {
  node: Node
  kids: { node: Node; at: Window }[] // the last to end first
  next: number
  at: Window // of the node, within its parent
  cursor: number
}

function waitedFor(child: Node, parent: Window): Window | null {
  if (child.kind === 'consumer') return null
  const from = Math.max(child.startUs, parent.from)
  const to = Math.min(endOf(child), parent.to)
  const outside = child.startUs >= parent.to || endOf(child) <= parent.from
  return outside || to < from ? null : { from, to }
}

function frameOf(node: Node, at: Window): Frame {
  const kids = node.kids
    .map((k) => ({ node: k, at: waitedFor(k, at) }))
    .filter((k): k is { node: Node; at: Window } => k.at !== null)
    .sort((a, b) => b.at.to - a.at.to || b.at.from - a.at.from)
  return { node, kids, next: 0, at, cursor: at.to }
}

// The pieces, from the root's start to its end; together they are as long as the root.
export function criticalPath(root: Node): Piece[] {
  const out: Piece[] = []
  const piece = (node: Node, fromUs: number, toUs: number) => toUs > fromUs && out.push({ node, fromUs, toUs })
  const stack = [frameOf(root, { from: root.startUs, to: endOf(root) })]
  while (stack.length > 0) {
    const f = stack[stack.length - 1]
    while (f.next < f.kids.length && f.kids[f.next].at.to > f.cursor) f.next++ // ran beside what is on the path
    const kid = f.kids[f.next++]
    if (!kid) {
      piece(f.node, f.at.from, f.cursor)
      stack.pop()
      continue
    }
    piece(f.node, kid.at.to, f.cursor)
    f.cursor = kid.at.from
    stack.push(frameOf(kid.node, kid.at))
  }
  return out.reverse()
}

export function piecesByKey(pieces: Piece[]): Map<string, Piece[]> {
  const out = new Map<string, Piece[]>()
  for (const p of pieces) {
    const list = out.get(p.node.key)
    if (list) list.push(p)
    else out.set(p.node.key, [p])
  }
  return out
}

export interface Share {
  service: string
  name: string
  us: number
  spans: number
}

// Who the time of the path belongs to, the most first.
export function shares(pieces: Piece[]): Share[] {
  const by = new Map<string, Share & { keys: Set<string> }>()
  for (const p of pieces) {
    const id = JSON.stringify([p.node.service, p.node.span.operationName])
    const s = by.get(id) ?? { service: p.node.service, name: p.node.span.operationName, us: 0, spans: 0, keys: new Set<string>() }
    s.us += p.toUs - p.fromUs
    s.keys.add(p.node.key)
    by.set(id, s)
  }
  return [...by.values()].map(({ keys, ...s }) => ({ ...s, spans: keys.size })).sort((a, b) => b.us - a.us)
}
