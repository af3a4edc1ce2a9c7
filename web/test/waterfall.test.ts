// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest'
import type { LogLine } from '../src/api/loki'
import { durationUs, viewTrace } from '../src/lib/trace'
import { foldOf, linesBySpan, partOf, partText, rowsOf } from '../src/lib/waterfall'
import { made } from './spans'

const view = viewTrace(made([{ id: 'a', at: 0, us: 100 }, { id: 'b', up: 'a', at: 10, us: 50 }, { id: 'c', up: 'b', at: 20, us: 10 }, { id: 'd', up: 'a', at: 70, us: 10 }]))
const line = (id: string, span: string, level: LogLine['level']): LogLine => ({ id, ns: '1', text: id, labels: span ? { span_id: span } : {}, level, traceId: 't' })
const rows = (fold: string, lines: LogLine[] = [], choice = 'all') => rowsOf(view.nodes, foldOf(fold).isClosed, linesBySpan(lines, view), choice).map((r) => r.key)

describe('the rows of a waterfall', () => {
  it('leave out what is below a closed span', () => {
    expect(rows('')).toEqual(['a', 'b', 'c', 'd'])
    expect(rows('b')).toEqual(['a', 'b', 'd'])
    expect(rows('a')).toEqual(['a'])
  })
  it('all closed but some', () => {
    expect(rows('all')).toEqual(['a', 'b', 'd'])
    expect(rows('all,b')).toEqual(['a', 'b', 'c', 'd'])
    expect(rows('all,a')).toEqual(['a'])
  })
  it('the address after a click, and after a second one', () => {
    const b = view.nodes[1]
    expect(foldOf('').toggled(b)).toBe('b')
    expect(foldOf('b').toggled(b)).toBe(null)
    expect(foldOf('all').toggled(b)).toBe('all,b')
  })
  it('log lines stand under the span they name, others under the root; the newest came first', () => {
    const lines = [line('l3', 'c', 'info'), line('l2', 'gone', 'error'), line('l1', '', 'warn')]
    expect(rows('', lines)).toEqual(['a', 'line l1', 'line l2', 'b', 'c', 'line l3', 'd'])
    expect(rows('', lines, 'bad')).toEqual(['a', 'line l1', 'line l2', 'b', 'c', 'd'])
    expect(rows('b', lines, 'none')).toEqual(['a', 'b', 'd'])
  })
})

describe('a part of the time', () => {
  it('is read and written in microseconds of the trace', () => {
    expect(partOf('10-60', 100)).toEqual({ from: 0.1, to: 0.6 })
    expect(partText({ from: 0.101, to: 0.6 }, 100)).toBe('10-60')
    expect(partText({ from: 0.5, to: 0.5 }, 100)).toBe('50-51')
  })
  it('that makes no sense is the whole', () => ['', 'x', '60-10', '500-600', '-1-5'].forEach((t) => expect(partOf(t, 100)).toEqual({ from: 0, to: 1 })))
})

describe('durations of a search', () => {
  it('in microseconds', () => expect(['1.5ms', '2s', '250us', '1m', '500ns', '5', ''].map(durationUs)).toEqual([1500, 2e6, 250, 6e7, 0.5, NaN, NaN]))
})
