// SPDX-License-Identifier: Apache-2.0
// The spans of a trace put together by their path (service and name, from the root down), and two traces compared path by path.
import type { Node } from './tree'

export interface Frame {
  id: string // a short name of the path, for the address
  service: string
  name: string
  depth: number
  count: number
  errors: number
  totalUs: number // durations added up
  selfUs: number // what no child covers, added up
  weightUs: number // own time and that of all below: the width
  kids: Frame[]
  up: Frame | null
}

// FNV-1a of a path, step by step: the id of a frame is that of the way to it.
function idOf(up: string, service: string, name: string): string {
  let h = 0x811c9dc5
  const text = `${up}\u0000${service}\u0000${name}`
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193)
  return (h >>> 0).toString(36)
}

const emptyFrame = (service: string, name: string, up: Frame | null): Frame => ({
  id: up ? idOf(up.id, service, name) : '',
  service,
  name,
  depth: up ? up.depth + 1 : 0,
  count: 0,
  errors: 0,
  totalUs: 0,
  selfUs: 0,
  weightUs: 0,
  kids: [],
  up,
})

// nodes: parents before children. The frame given back stands above all roots.
export function flameOf(nodes: Node[]): Frame {
  const top = emptyFrame('', '', null)
  const frames = new Map<Node, Frame>()
  const kidsOf = new Map<Frame, Map<string, Frame>>()
  const all: Frame[] = []
  for (const n of nodes) {
    const up = (n.up && frames.get(n.up)) || top
    let kids = kidsOf.get(up)
    if (!kids) kidsOf.set(up, (kids = new Map()))
    const key = `${n.service}\u0000${n.span.operationName}`
    let f = kids.get(key)
    if (!f) {
      f = emptyFrame(n.service, n.span.operationName, up)
      kids.set(key, f)
      up.kids.push(f)
      all.push(f)
    }
    frames.set(n, f)
    f.count++
    f.errors += n.error ? 1 : 0
    f.totalUs += n.span.duration
    f.selfUs += n.selfUs
  }
  for (let i = all.length - 1; i >= 0; i--) {
    const f = all[i]
    f.weightUs += f.selfUs
    f.up!.weightUs += f.weightUs
    f.kids.sort((a, b) => b.weightUs - a.weightUs)
  }
  top.kids.sort((a, b) => b.weightUs - a.weightUs)
  top.totalUs = top.kids.reduce((n, k) => n + k.totalUs, 0)
  top.count = top.kids.reduce((n, k) => n + k.count, 0)
  return top
}

export function framesOf(top: Frame): Frame[] {
  const out: Frame[] = []
  const stack = [top]
  while (stack.length > 0) {
    const f = stack.pop()!
    out.push(f)
    for (let i = f.kids.length - 1; i >= 0; i--) stack.push(f.kids[i])
  }
  return out
}

export interface Placed {
  frame: Frame
  left: number // 0 to 1
  width: number
  row: number
}

// Frames wide enough to be seen, below and with `from`; how many were too narrow or too deep.
export function place(from: Frame, least: number, rows: number): { placed: Placed[]; hidden: number } {
  const placed: Placed[] = []
  let hidden = 0
  const all = Math.max(from.weightUs, 1)
  const stack = [{ frame: from, left: 0, row: 0 }]
  while (stack.length > 0) {
    const { frame, left, row } = stack.pop()!
    const width = frame === from ? 1 : frame.weightUs / all
    if (width < least || row >= rows) {
      hidden++
      continue
    }
    placed.push({ frame, left, width, row })
    let at = left
    for (const k of frame.kids) {
      stack.push({ frame: k, left: at, row: row + 1 })
      at += k.weightUs / all
    }
  }
  return { placed, hidden }
}

export interface Total {
  service: string
  name: string
  count: number
  errors: number
  selfUs: number
  totalUs: number // of the outermost where a path has it twice
}

// Operations by their own time, wherever they are in the tree.
export function totals(nodes: Node[]): Total[] {
  const by = new Map<string, Total>()
  for (const n of nodes) {
    const key = `${n.service}\u0000${n.span.operationName}`
    const t = by.get(key) ?? { service: n.service, name: n.span.operationName, count: 0, errors: 0, selfUs: 0, totalUs: 0 }
    t.count++
    t.errors += n.error ? 1 : 0
    t.selfUs += n.selfUs
    const repeats = n.up && n.up.service === n.service && n.up.span.operationName === n.span.operationName
    if (!repeats) t.totalUs += n.span.duration
    by.set(key, t)
  }
  return [...by.values()].sort((a, b) => b.selfUs - a.selfUs)
}

export type Verdict = 'same' | 'slower' | 'faster' | 'gone' | 'added' | 'more' | 'fewer'

export interface Difference {
  id: string
  service: string
  name: string
  depth: number
  a: Frame | null
  b: Frame | null
  verdict: Verdict
  us: number // total of b less that of a
}

const SAME_RATIO = 0.1 // less is no difference
const SAME_US = 1000

function verdictOf(a: Frame | null, b: Frame | null): Verdict {
  if (!a) return 'added'
  if (!b) return 'gone'
  const by = b.totalUs - a.totalUs
  const much = Math.abs(by) > Math.max(SAME_US, SAME_RATIO * Math.max(a.totalUs, b.totalUs))
  if (much) return by > 0 ? 'slower' : 'faster'
  return b.count > a.count ? 'more' : b.count < a.count ? 'fewer' : 'same'
}

// Both trees in one, in the order of the first; what only the second has comes after it.
export function compare(a: Frame, b: Frame): Difference[] {
  const out: Difference[] = []
  const pairs = (x: Frame | null, y: Frame | null) => {
    const rest = new Map((y?.kids ?? []).map((k) => [k.id, k]))
    const list: { a: Frame | null; b: Frame | null }[] = (x?.kids ?? []).map((k) => {
      const other = rest.get(k.id) ?? null
      rest.delete(k.id)
      return { a: k, b: other }
    })
    return [...list, ...[...rest.values()].map((k) => ({ a: null, b: k }))]
  }
  const stack = pairs(a, b).reverse()
  while (stack.length > 0) {
    const p = stack.pop()!
    const f = (p.a ?? p.b)!
    const us = (p.b?.totalUs ?? 0) - (p.a?.totalUs ?? 0)
    out.push({ id: f.id, service: f.service, name: f.name, depth: f.depth - 1, a: p.a, b: p.b, verdict: verdictOf(p.a, p.b), us })
    stack.push(...pairs(p.a, p.b).reverse())
  }
  return out
}
