// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest'
import { gridTimes, lastPair, onGrid, shortNames, summary, toNumber, topLines, recent } from '../src/lib/series'
import { stackLevels } from '../src/panels/LevelHistogram'

const grid = { start: 100, end: 140, step: 10 }

describe('series on a grid', () => {
  it('gaps stay gaps', () => expect(onGrid([[100, '1'], [120, 'NaN'], [140, '+Inf']], grid)).toEqual([1, null, null, null, null]))
  it('both ends belong to it', () => expect(gridTimes(grid)).toEqual([100, 110, 120, 130, 140]))
  it('numbers as Prometheus writes them', () => expect([toNumber('-Inf'), toNumber('1e3'), toNumber('')]).toEqual([-Infinity, 1000, NaN]))
  it('the last value is the last number', () => expect(lastPair([[1, '2'], [2, 'NaN']])).toBe(2))
  it('a summary leaves gaps out', () => expect(summary([null, 2, 4, null])).toEqual({ last: 4, min: 2, max: 4, mean: 3 }))
})

describe('lines of a chart', () => {
  it('at most twenty, the largest by area, in the order of names', () => {
    const lines = Array.from({ length: 30 }, (_, i) => ({ name: `n${String(i).padStart(2, '0')}`, labels: {}, values: [i] }))
    const top = topLines(lines)
    expect(top.all).toBe(30)
    expect(top.shown.map((l) => l.name)).toEqual(lines.slice(10).map((l) => l.name))
  })
  it('names keep what differs', () => {
    expect(shortNames([{ __name__: 'x', mode: 'idle', cpu: '0' }, { __name__: 'x', mode: 'user', cpu: '0' }])).toEqual(['idle', 'user'])
    expect(shortNames([{ a: '1', b: '1' }, { a: '2', b: '2' }])).toEqual(['a=1 b=1', 'a=2 b=2'])
  })
})

describe('lines by level', () => {
  it('levels of the same meaning are one', () => {
    const s = stackLevels(
      [
        { name: '', labels: { detected_level: 'warn' }, values: [1, null] },
        { name: '', labels: { detected_level: 'warning' }, values: [2, 5] },
        { name: '', labels: {}, values: [1, 1] },
      ],
      2,
    )
    expect(s.levels).toEqual([
      { level: 'unknown', values: [1, 1] },
      { level: 'warn', values: [3, 5] },
    ])
    expect(s.sum).toBe(10)
  })
})

describe('what holds now', () => {
  it('is the mean of what came after a moment', () => {
    expect(recent([[10, '100'], [20, '2'], [30, '0']], 10)).toBe(1)
    expect(recent([[10, '100']], 10)).toBeNull()
    expect(recent(undefined, 0)).toBeNull()
  })
  it('counts a share by its requests', () => expect(recent([[20, '1'], [30, '0'], [40, 'NaN']], 10, [[20, '1'], [30, '3'], [40, '5']])).toBe(0.25))
})
