// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest'
import { axisTicks, format, guessUnit } from '../src/lib/units'

const plain = (s: string) => s.replace(/[\u00a0\u202f]/g, ' ')

describe('numbers as people write them', () => {
  it.each([
    [412, '/s', '412/s'],
    [1204, '/s', '1 204/s'],
    [0.068, 'ratio', '6.8 %'],
    [0.0002, 'ratio', '0.02 %'],
    [0, 'ratio', '0 %'],
    [0.00000001, 'ratio', '<0.01 %'],
    [1, 'ratio', '100 %'],
    [1.92, 's', '1.92 s'],
    [0.89, 's', '890 ms'],
    [0.9996, 's', '1 s'],
    [0.000012, 's', '12 µs'],
    [200, 's', '3 min 20 s'],
    [90061, 's', '1 d 1 h'],
    [9.4 * 2 ** 30, 'bytes', '9.4 GiB'],
    [1023.9 * 1024, 'bytes', '1 MiB'],
    [0, 'bytes/s', '0 B/s'],
    [123456, '', '123 k'],
    [-5, '', '-5'],
    [0.00034, '', '0.00034'],
    [null, 's', '–'],
    [NaN, '', '–'],
    [Infinity, '', '+∞'],
  ] as const)('%s in %s is %s', (v, unit, text) => expect(plain(format(v, unit))).toBe(text))
})

describe('axis', () => {
  it('covers the largest value with few, even steps', () => {
    for (const max of [0.0003, 0.34, 7, 99, 12345]) {
      const a = axisTicks(max, '')
      expect(a.max).toBeGreaterThanOrEqual(max)
      expect(a.ticks[0]).toBe(0)
      expect(a.ticks.length).toBeGreaterThanOrEqual(3)
      expect(a.ticks.length).toBeLessThanOrEqual(6)
    }
  })
  it('counts bytes in powers of two', () => {
    for (const max of [700, 1000, 436 * 1024, 7 * 2 ** 30, 23.5 * 2 ** 30]) {
      const a = axisTicks(max, 'bytes')
      expect(Math.log2(a.ticks[1]) % 1).toBe(0)
      expect(a.max).toBeGreaterThanOrEqual(max)
      expect(a.ticks.length).toBeLessThanOrEqual(5)
    }
  })
  it('has ticks when all is zero', () => expect(axisTicks(0, 'bytes').max).toBeGreaterThan(0))
})

describe('unit of an expression', () => {
  it.each([
    ['rate(node_network_receive_bytes_total[1m])', 'bytes/s'],
    ['node_memory_MemTotal_bytes{job="node"}', 'bytes'],
    ['rate(http_requests_total[5m])', '/s'],
    ['histogram_quantile(0.99, sum by (le) (rate(x_seconds_bucket[1m])))', 's'],
    ['count(up)', ''],
    ['node_load1', ''],
    ['a_total{path="x_bytes"}', ''],
  ])('%s', (q, unit) => expect(guessUnit(q)).toBe(unit))
})
