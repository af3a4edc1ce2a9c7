// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest'
import { isDuration, parseTags, viewTrace, type JaegerSpan } from '../src/lib/trace'

const span = (spanID: string, parent: string | null, startTime: number, duration: number, tags: JaegerSpan['tags'] = []): JaegerSpan => ({
  traceID: 't',
  spanID,
  operationName: spanID,
  startTime,
  duration,
  processID: 'p',
  tags,
  references: parent ? [{ refType: 'CHILD_OF', traceID: 't', spanID: parent }] : [],
})
const view = (spans: JaegerSpan[]) => viewTrace({ traceID: 't', spans, processes: { p: { serviceName: 'shop' } } })

describe('a trace as a tree', () => {
  it('parents come before children, children by their start', () => {
    const v = view([span('c', 'a', 60, 10), span('b', 'a', 10, 20), span('a', null, 0, 100), span('d', 'b', 12, 5)])
    expect(v.nodes.map((n) => [n.span.spanID, n.depth])).toEqual([['a', 0], ['b', 1], ['d', 2], ['c', 1]])
    expect(v.durationUs).toBe(100)
    expect(v.root?.span.spanID).toBe('a')
  })
  it('own time is what no child covers, overlaps counted once', () => {
    const v = view([span('a', null, 0, 100), span('b', 'a', 10, 30), span('c', 'a', 20, 30)])
    expect(v.nodes[0].selfUs).toBe(60)
  })
  it('a missing parent is told', () => {
    const v = view([span('b', 'gone', 5, 5)])
    expect([v.nodes.length, v.orphans]).toEqual([1, 1])
  })
  it('parents in a circle lose no span and end', () => expect(view([span('a', 'b', 0, 1), span('b', 'a', 0, 1)]).nodes.length).toBe(2))
  it('errors by tag or status', () => {
    const v = view([
      span('a', null, 0, 1, [{ key: 'error', value: true }]),
      span('b', null, 0, 1, [{ key: 'otel.status_code', value: 'ERROR' }]),
      span('c', null, 0, 1, [{ key: 'error', value: false }]),
    ])
    expect(v.errors).toBe(2)
  })
  it('a long chain does not run out of stack', () => {
    const chain = Array.from({ length: 20000 }, (_, i) => span(`s${i}`, i ? `s${i - 1}` : null, i, 1))
    expect(view(chain).nodes.at(-1)?.depth).toBe(19999)
  })
})

describe('a search', () => {
  it('tags with and without quotes', () => expect(parseTags('a=1 b="x y" c="q\\"q"')).toEqual({ tags: { a: '1', b: 'x y', c: 'q"q' } }))
  it('names what is not a tag', () => expect(parseTags('a=1 nope')).toEqual({ bad: 'nope' }))
  it('durations have a unit', () => expect(['1.5s', '100ms', '2m', '5', 'fast'].map(isDuration)).toEqual([true, true, true, false, false]))
})
