// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest'
import { shiftOf } from '../src/lib/skew'
import { viewTrace } from '../src/lib/trace'
import { made, type Made } from './spans'

const starts = (list: Made[], hosts?: Record<string, string>) => Object.fromEntries(viewTrace(made(list, hosts)).nodes.map((n) => [n.key, [n.startUs, n.shiftUs]]))

describe('clocks that differ', () => {
  it('a child of another service that begins before its parent is put into its middle', () =>
    expect(starts([{ id: 'a', at: 1000, us: 100 }, { id: 'b', up: 'a', at: 400, us: 60, service: 'pay' }])).toEqual({ a: [1000, 0], b: [1020, 620] }))
  it('one that ends after its parent, too', () =>
    expect(starts([{ id: 'a', at: 1000, us: 100 }, { id: 'b', up: 'a', at: 1090, us: 60, service: 'pay' }]).b).toEqual([1020, -70]))
  it('one that lies within stays', () => expect(starts([{ id: 'a', at: 1000, us: 100 }, { id: 'b', up: 'a', at: 1001, us: 60, service: 'pay' }]).b).toEqual([1001, 0]))
  it('what it called on its own host moves with it', () =>
    expect(starts([{ id: 'a', at: 1000, us: 100 }, { id: 'b', up: 'a', at: 400, us: 60, service: 'pay' }, { id: 'c', up: 'b', at: 410, us: 5, service: 'pay' }]).c).toEqual([1030, 620]))
  it('back on the first host the clock is the first again', () =>
    expect(starts([{ id: 'a', at: 1000, us: 100 }, { id: 'b', up: 'a', at: 400, us: 60, service: 'pay' }, { id: 'c', up: 'b', at: 1030, us: 5 }]).c).toEqual([1030, 0]))
  it('one that lasts longer than its parent only must not begin before it', () => {
    expect(shiftOf({ start: 100, duration: 10 }, { start: 90, duration: 50 })).toBe(10)
    expect(shiftOf({ start: 100, duration: 10 }, { start: 130, duration: 50 })).toBe(0)
  })
  it('one that takes a message comes when it comes, but not before it was sent', () => {
    const list = (at: number): Made[] => [{ id: 'a', at: 1000, us: 100 }, { id: 'b', up: 'a', at, us: 60, service: 'mail', kind: 'consumer' }]
    expect(starts(list(5000)).b).toEqual([5000, 0])
    expect(starts(list(900)).b).toEqual([1000, 100])
  })
  it('services of one host share its clock; one service on two hosts does not', () => {
    const list: Made[] = [{ id: 'a', at: 1000, us: 100 }, { id: 'b', up: 'a', at: 900, us: 60, service: 'pay' }]
    expect(starts(list, { shop: 'h1', pay: 'h1' }).b).toEqual([900, 0])
    expect(starts(list, { shop: 'h1', pay: 'h2' }).b).toEqual([1020, 120])
  })
  it('is summed up, and can be left', () => {
    const t = made([{ id: 'a', at: 1000, us: 100 }, { id: 'b', up: 'a', at: 400, us: 60, service: 'pay' }])
    expect(viewTrace(t).skew).toEqual({ spans: 1, services: ['pay'], mostUs: 620 })
    expect([viewTrace(t).startUs, viewTrace(t).durationUs]).toEqual([1000, 100])
    expect(viewTrace(t, false).nodes.map((n) => n.startUs)).toEqual([1000, 400])
  })
})
