// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest'
import { aligned, durationMs, durationText, msOf, nsOf, parseTime, resolve, stepFor } from '../src/lib/time'

const NOW = new Date(2026, 10, 22, 14, 5, 30).getTime()

describe('times people write', () => {
  it.each([
    ['now', NOW],
    ['now-90m', NOW - 90 * 60000],
    ['now-1h30m', NOW - 90 * 60000],
    [String(NOW), NOW],
    ['14:05:30', NOW],
    ['2026-11-22 14:05:30', NOW],
    ['2026-11-22', new Date(2026, 10, 22).getTime()],
  ])('%s', (text, ms) => expect(parseTime(text, NOW)).toBe(ms))
  it.each(['', 'yesterday', 'now-', 'now-5', '25:00', '2026-99-99 10:00'])('"%s" is not one', (text) => expect(parseTime(text, NOW)).toBeNull())
  it('with a zone is that zone', () => expect(parseTime('2026-11-22T14:05:30Z', NOW)).toBe(Date.UTC(2026, 10, 22, 14, 5, 30)))
})

describe('ranges', () => {
  it('a wrong one becomes the last hour', () => {
    expect(resolve({ from: 'x', to: 'now' }, NOW)).toEqual({ startMs: NOW - 3600000, endMs: NOW })
    expect(resolve({ from: 'now', to: 'now-1h' }, NOW)).toEqual({ startMs: NOW - 3600000, endMs: NOW })
  })
  it('steps keep to the number of points', () => {
    expect(stepFor({ startMs: 0, endMs: 3600000 }, 120)).toBe(30)
    expect(stepFor({ startMs: 0, endMs: 60000 }, 120, 5)).toBe(5)
  })
  it('lie on whole steps, so that a refresh moves nothing', () => {
    expect(aligned({ startMs: 61000, endMs: 121000 }, 30)).toEqual({ start: 60, end: 120 })
    expect(aligned({ startMs: 60000, endMs: 60001 }, 30)).toEqual({ start: 60, end: 90 })
  })
  it('durations go both ways', () => {
    expect(durationMs('1d2h')).toBe(26 * 3600000)
    expect(durationMs('1x')).toBeNull()
    expect(durationText(5400000)).toBe('1\u00a0h 30\u00a0min')
  })
  it('nanoseconds keep all digits', () => {
    expect(nsOf(1700000000123)).toBe('1700000000123000000')
    expect(msOf('1700000000123456789')).toBe(1700000000123)
  })
})
