// SPDX-License-Identifier: Apache-2.0
// A directed graph from left to right: who calls stands left of whom it calls. Edges that close a circle are turned round for the
// layout and drawn as going back. Within a layer, nodes stand near those they are joined to.

export interface GraphEdge {
  from: string
  to: string
}
export interface Spot {
  name: string
  layer: number
  row: number // of its layer
}
export interface Layout {
  spots: Map<string, Spot>
  layers: string[][]
  back: Set<number> // indices of edges that go against the layers
}

const SWEEPS = 6

// Depth first from those nobody calls, then from the rest by name: an edge to a node still on the way goes back.
function backEdges(names: string[], edges: GraphEdge[]): Set<number> {
  const out = new Map<string, number[]>(names.map((n) => [n, []]))
  const called = new Set<string>()
  edges.forEach((e, i) => {
    if (e.from === e.to) return
    out.get(e.from)?.push(i)
    called.add(e.to)
  })
  const back = new Set<number>()
  const state = new Map<string, number>()
  for (const start of [...names.filter((n) => !called.has(n)), ...names]) {
    if (state.has(start)) continue
    const stack = [{ name: start, next: 0 }]
    state.set(start, 1)
    while (stack.length > 0) {
      const top = stack[stack.length - 1]
      const i = (out.get(top.name) ?? [])[top.next++]
      if (i === undefined) {
        state.set(top.name, 2)
        stack.pop()
        continue
      }
      const to = edges[i].to
      if (state.get(to) === 1) back.add(i)
      else if (!state.has(to)) {
        state.set(to, 1)
        stack.push({ name: to, next: 0 })
      }
    }
  }
  return back
}

// The longest way from a node that nobody calls.
function layerOf(names: string[], forward: GraphEdge[]): Map<string, number> {
  const waiting = new Map(names.map((n) => [n, 0]))
  const out = new Map<string, string[]>()
  for (const e of forward) {
    waiting.set(e.to, (waiting.get(e.to) ?? 0) + 1)
    out.set(e.from, [...(out.get(e.from) ?? []), e.to])
  }
  const layer = new Map<string, number>()
  const ready = names.filter((n) => waiting.get(n) === 0)
  ready.forEach((n) => layer.set(n, 0))
  while (ready.length > 0) {
    const n = ready.pop()!
    for (const to of out.get(n) ?? []) {
      layer.set(to, Math.max(layer.get(to) ?? 0, layer.get(n)! + 1))
      waiting.set(to, waiting.get(to)! - 1)
      if (waiting.get(to) === 0) ready.push(to)
    }
  }
  return layer
}

function order(layers: string[][], joined: Map<string, string[]>): void {
  const row = new Map<string, number>()
  const number = (l: string[]) => l.forEach((n, i) => row.set(n, (i + 0.5) / l.length))
  layers.forEach(number)
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    const from = sweep % 2 === 0 ? layers : [...layers].reverse()
    for (const l of from) {
      const middle = new Map(
        l.map((n) => {
          const near = (joined.get(n) ?? []).map((o) => row.get(o)!)
          return [n, near.length ? near.reduce((a, b) => a + b, 0) / near.length : row.get(n)!]
        }),
      )
      l.sort((a, b) => middle.get(a)! - middle.get(b)! || (a < b ? -1 : 1))
      number(l)
    }
  }
}

export function layered(nodes: string[], edges: GraphEdge[]): Layout {
  const names = [...new Set([...nodes, ...edges.flatMap((e) => [e.from, e.to])])].sort()
  const back = backEdges(names, edges)
  const forward = edges.filter((e, i) => e.from !== e.to && !back.has(i))
  const layer = layerOf(names, forward)
  const layers: string[][] = []
  for (const n of names) (layers[layer.get(n) ?? 0] ??= []).push(n)
  const joined = new Map<string, string[]>()
  for (const e of edges) {
    if (e.from === e.to) continue
    joined.set(e.from, [...(joined.get(e.from) ?? []), e.to])
    joined.set(e.to, [...(joined.get(e.to) ?? []), e.from])
  }
  order(layers, joined)
  const spots = new Map<string, Spot>()
  layers.forEach((l, i) => l.forEach((name, row) => spots.set(name, { name, layer: i, row })))
  return { spots, layers, back }
}
