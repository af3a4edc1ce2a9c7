// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest'
import { compare, flameOf, framesOf, place, totals } from '../src/lib/flame'
import { heatOf, inBox, marks, selected, durationParam } from '../src/lib/heat'
import { layered } from '../src/lib/layers'
import { viewTrace } from '../src/lib/trace'
import { made, span, type Made } from './spans'

const nodes = (list: Made[]) => viewTrace(made(list)).nodes
const shop: Made[] = [
  { id: 'a', at: 0, us: 100, name: 'order' },
  { id: 'b', up: 'a', at: 10, us: 20, name: 'get' },
  { id: 'c', up: 'a', at: 40, us: 50, name: 'get' },
  { id: 'd', up: 'c', at: 50, us: 10, name: 'read', service: 'db' },
]

describe('the flame view', () => {
  it('puts spans of one path together, with own time and total', () => {
    const all = framesOf(flameOf(nodes(shop))).slice(1)
    expect(all.map((f) => [f.service, f.name, f.depth, f.count, f.totalUs, f.selfUs, f.weightUs])).toEqual([
      ['shop', 'order', 1, 1, 100, 30, 100],
      ['shop', 'get', 2, 2, 70, 60, 70],
      ['db', 'read', 3, 1, 10, 10, 10],
    ])
  })
  it('a frame is as wide as what is in it, and too narrow ones are counted', () => {
    const top = flameOf(nodes(shop))
    expect(place(top, 0, 100).placed.map((p) => [p.frame.name, p.left, p.width])).toEqual([['', 0, 1], ['order', 0, 1], ['get', 0, 0.7], ['read', 0, 0.1]])
    expect(place(top, 0.2, 100).hidden).toBe(1)
    expect(place(top.kids[0].kids[0], 0, 100).placed.map((p) => p.width)).toEqual([1, 10 / 70])
  })
  it('totals by operation, the most of its own first', () => expect(totals(nodes(shop)).map((t) => [t.name, t.selfUs, t.count])).toEqual([['get', 60, 2], ['order', 30, 1], ['read', 10, 1]]))
  it('a deep chain does not run out of stack', () => {
    const chain = Array.from({ length: 30000 }, (_, i): Made => ({ id: `s${i}`, up: i ? `s${i - 1}` : null, at: i, us: 1 }))
    const top = flameOf(nodes(chain))
    expect(framesOf(top).length).toBe(30001)
    expect(place(top, 0, 50).placed.length).toBe(50)
    expect(compare(top, top).length).toBe(30000)
  })
})

describe('two traces compared', () => {
  it('says what is only in one, slower, faster, more, fewer', () => {
    const a = flameOf(nodes([{ id: 'r', at: 0, us: 100000, name: 'order' }, { id: 'x', up: 'r', at: 1, us: 10, name: 'old' }, { id: 'y', up: 'r', at: 2, us: 500, name: 'get' }, { id: 'z', up: 'r', at: 3, us: 50000, name: 'pay' }]))
    const b = flameOf(nodes([{ id: 'r', at: 0, us: 100500, name: 'order' }, { id: 'n', up: 'r', at: 1, us: 10, name: 'new' }, { id: 'y', up: 'r', at: 2, us: 250, name: 'get' }, { id: 'w', up: 'r', at: 2, us: 260, name: 'get' }, { id: 'z', up: 'r', at: 3, us: 90000, name: 'pay' }]))
    const found = Object.fromEntries(compare(a, b).map((d) => [d.name, [d.verdict, d.us]]))
    expect(found).toEqual({ order: ['same', 500], old: ['gone', -10], get: ['more', 10], pay: ['slower', 40000], new: ['added', 10] })
    expect(compare(b, a).find((d) => d.name === 'pay')!.verdict).toBe('faster')
    expect(compare(a, b).find((d) => d.name === 'order')!.depth).toBe(0)
  })
})

describe('ids that two spans share', () => {
  it('the two sides of a call are told apart, what was called is under the server; a span sent twice is one', () => {
    const t = made([{ id: 'a', at: 0, us: 100, kind: 'client' }, { id: 'a', at: 10, us: 80, kind: 'server', service: 'pay' }, { id: 'b', up: 'a', at: 20, us: 10, service: 'pay' }])
    t.spans.push(span({ id: 'b', up: 'a', at: 20, us: 10, service: 'pay' }))
    expect(viewTrace(t).nodes.map((n) => [n.key, n.depth, n.parent])).toEqual([['a', 0, null], ['a~2', 1, 'a'], ['b', 2, 'a~2']])
  })
})

describe('the heatmap', () => {
  const spans = [1000, 2000, 50000, 99000].map((us, i) => ({ startMs: i * 10, us, error: i === 3 }))
  it('spreads spans over time and the logarithm of their duration', () => {
    const h = heatOf(spans, 0, 40, 4, 2)
    expect([h.lowUs, h.highUs, h.count, h.most]).toEqual([1000, 100000, 4, 1])
    expect(h.cells.map((c) => [c.col, c.row, c.errors])).toEqual([[0, 0, 0], [1, 0, 0], [2, 1, 0], [3, 1, 1]])
    expect(marks(h).map((m) => [m.us, m.share])).toEqual([[1000, 0], [10000, 0.5], [100000, 1]])
  })
  it('a box of cells is a time and durations', () => {
    const h = heatOf(spans, 0, 40, 4, 2)
    expect(selected(h, { col0: 3, col1: 2, row0: 1, row1: 1 })).toEqual({ fromMs: 20, toMs: 40, min: '10ms', max: '100ms' })
    expect(inBox(h.cells, { col0: 2, col1: 3, row0: 0, row1: 1 })).toEqual({ count: 2, errors: 1 })
  })
  it('holds spans of one duration, of none, and none at all', () => {
    expect(heatOf([{ startMs: 1, us: 0, error: false }], 0, 2, 4, 4).cells).toEqual([{ col: 2, row: 0, count: 1, errors: 0 }])
    expect(heatOf([], 0, 1, 4, 4).cells).toEqual([])
    const same = heatOf([{ startMs: 0, us: 1000, error: false }], 0, 1, 4, 4)
    expect(same.highUs).toBeGreaterThan(same.lowUs)
  })
  it('durations are rounded outwards', () => expect([durationParam(1234567, true), durationParam(1234, false), durationParam(7, true)]).toEqual(['1.24s', '1.23ms', '7us']))
})

describe('the layers of a map', () => {
  const layers = (...edges: string[]) => layered([], edges.map((e) => ({ from: e[0], to: e[1] })))
  it('who calls stands left of whom it calls, by the longest way', () => expect(layers('ab', 'bc', 'ac').layers).toEqual([['a'], ['b'], ['c']]))
  it('circles are allowed: one edge goes back', () => {
    const l = layers('ab', 'bc', 'ca')
    expect(l.layers).toEqual([['a'], ['b'], ['c']])
    expect([...l.back]).toEqual([2])
  })
  it('a service that calls itself moves nothing', () => expect(layers('aa', 'ab').layers).toEqual([['a'], ['b']]))
  it('nodes stand near those they are joined to', () => {
    const [callers, called] = layers('ad', 'bc').layers
    expect(callers.indexOf('a')).toBe(called.indexOf('d'))
  })
  it('every node has a place, also one without edges', () => expect(layered(['z'], [{ from: 'a', to: 'b' }]).spots.size).toBe(3))
})
