// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest'
import { criticalPath, shares } from '../src/lib/critical'
import { viewTrace } from '../src/lib/trace'
import { made, type Made } from './spans'

const path = (list: Made[]) => criticalPath(viewTrace(made(list)).root!).map((p) => [p.node.span.spanID, p.fromUs, p.toUs])

describe('the critical path', () => {
  it('of one span is the span', () => expect(path([{ id: 'a', at: 5, us: 10 }])).toEqual([['a', 5, 15]]))
  it('goes through children one after the other, the gaps are the parent\'s', () =>
    expect(path([{ id: 'a', at: 0, us: 100 }, { id: 'b', up: 'a', at: 10, us: 20 }, { id: 'c', up: 'a', at: 50, us: 30 }])).toEqual([
      ['a', 0, 10],
      ['b', 10, 30],
      ['a', 30, 50],
      ['c', 50, 80],
      ['a', 80, 100],
    ]))
  it('of children side by side takes the one that ends last', () =>
    expect(path([{ id: 'a', at: 0, us: 100 }, { id: 'b', up: 'a', at: 10, us: 50 }, { id: 'c', up: 'a', at: 10, us: 80 }])).toEqual([
      ['a', 0, 10],
      ['c', 10, 90],
      ['a', 90, 100],
    ]))
  it('goes down to the deepest that is waited for', () =>
    expect(path([{ id: 'a', at: 0, us: 100 }, { id: 'b', up: 'a', at: 0, us: 100 }, { id: 'c', up: 'b', at: 20, us: 60 }])).toEqual([
      ['b', 0, 20],
      ['c', 20, 80],
      ['b', 80, 100],
    ]))
  it('leaves out what nobody waits for: messages taken, and what begins when the parent is over', () => {
    expect(path([{ id: 'a', at: 0, us: 100 }, { id: 'b', up: 'a', at: 10, us: 80, kind: 'consumer' }])).toEqual([['a', 0, 100]])
    expect(path([{ id: 'a', at: 0, us: 100 }, { id: 'b', up: 'a', at: 100, us: 80 }])).toEqual([['a', 0, 100]])
  })
  it('cuts a child that outlasts its parent', () =>
    expect(path([{ id: 'a', at: 0, us: 100 }, { id: 'b', up: 'a', at: 60, us: 300 }, { id: 'c', up: 'b', at: 90, us: 200 }])).toEqual([
      ['a', 0, 60],
      ['b', 60, 90],
      ['c', 90, 100],
    ]))
  it('is as long as the root, whatever lies below', () => {
    let seed = 7
    const random = (n: number) => (seed = (seed * 1103515245 + 12345) % 2 ** 31) % n
    const list: Made[] = [{ id: 's0', at: 0, us: 1000 }]
    for (let i = 1; i < 300; i++) list.push({ id: `s${i}`, up: `s${random(i)}`, at: random(1200), us: random(400) })
    const pieces = criticalPath(viewTrace(made(list)).root!)
    expect(pieces.reduce((n, p) => n + p.toUs - p.fromUs, 0)).toBe(1000)
    pieces.forEach((p, i) => i && expect(p.fromUs).toBe(pieces[i - 1].toUs))
  })
  it('knows nothing of orphans and ends in circles', () => {
    expect(path([{ id: 'a', at: 0, us: 100 }, { id: 'b', up: 'gone', at: 10, us: 500 }])).toEqual([['a', 0, 100]])
    expect(path([{ id: 'a', up: 'c', at: 0, us: 100 }, { id: 'b', up: 'a', at: 10, us: 50 }, { id: 'c', up: 'b', at: 20, us: 10 }])).toEqual([
      ['a', 0, 10],
      ['b', 10, 20],
      ['c', 20, 30],
      ['b', 30, 60],
      ['a', 60, 100],
    ])
  })
  it('of a hundred thousand spans in a chain or side by side is found', () => {
    const chain = Array.from({ length: 100000 }, (_, i): Made => ({ id: `s${i}`, up: i ? `s${i - 1}` : null, at: i, us: 200000 - 2 * i }))
    expect(criticalPath(viewTrace(made(chain)).root!).length).toBe(199999)
    const flat = Array.from({ length: 100000 }, (_, i): Made => ({ id: `s${i}`, up: i ? 's0' : null, at: i ? i : 0, us: i ? 1 : 100001 }))
    expect(criticalPath(viewTrace(made(flat)).root!).length).toBe(100001)
  })
  it('is told by who it belongs to', () => {
    const v = viewTrace(made([{ id: 'a', at: 0, us: 100 }, { id: 'b', up: 'a', at: 10, us: 20, name: 'get' }, { id: 'c', up: 'a', at: 40, us: 50, name: 'get' }]))
    expect(shares(criticalPath(v.root!))).toEqual([
      { service: 'shop', name: 'get', us: 70, spans: 2 },
      { service: 'shop', name: 'a', us: 30, spans: 1 },
    ])
  })
})
