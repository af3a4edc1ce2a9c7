// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest'
import { marksOf, correlationIdOf, DOTS_MAX, idOf, looksLikeId } from '../src/lib/exemplars'
import { mainParser, parsed, textFields } from '../src/lib/fields'
import { addParser, levelOf, levelsOf, LOGS_ERRORS, withLevels } from '../src/lib/logql'
import { bandOf, BANDS, position, rate, vitalText } from '../src/lib/vitals'

describe('web vitals', () => {
  it('rates with the official bands: good up to and with the first, poor above the second', () => {
    expect(rate(bandOf('LCP'), 2500)).toBe('good')
    expect(rate(bandOf('LCP'), 2500.1)).toBe('needs_improvement')
    expect(rate(bandOf('LCP'), 4000)).toBe('needs_improvement')
    expect(rate(bandOf('CLS'), 0.26)).toBe('poor')
    expect(BANDS.map((b) => b.name).sort()).toEqual(['CLS', 'FCP', 'FID', 'INP', 'LCP', 'TTFB'])
  })
  it('stands in the third of its rating, never beyond the scale', () => {
    for (const b of BANDS) {
      expect(position(b, b.good)).toBeCloseTo(1 / 3)
      expect(position(b, b.poor)).toBeCloseTo(2 / 3)
      expect(position(b, b.poor * 100)).toBe(1)
      expect(position(b, -1)).toBe(0)
    }
  })
  it('writes times with a unit and shifts without', () => {
    expect(vitalText(bandOf('LCP'), 2950)).toBe('2.95\u00a0s')
    expect(vitalText(bandOf('CLS'), 0.165)).toBe('0.165')
    expect(vitalText(bandOf('INP'), null)).toBe('–')
  })
})

describe('levels in a query', () => {
  it('are put behind the selector, replaced, and taken out again', () => {
    const q = '{service_name="a}b"} |= "x" | json'
    const one = withLevels(q, ['error'])
    expect(one).toBe('{service_name="a}b"} | detected_level=~"error" |= "x" | json')
    expect(withLevels(one, ['critical', 'error'])).toBe('{service_name="a}b"} | detected_level=~"critical|fatal|error" |= "x" | json')
    expect(withLevels(one, [])).toBe(q)
  })
  it('are read back, also from the query of all errors', () => {
    expect(levelsOf(withLevels('{a="b"}', ['warn', 'debug']))).toEqual(['warn', 'debug'])
    expect(levelsOf(LOGS_ERRORS)).toEqual(['critical', 'error'])
    expect(levelsOf('{a="b"} | detected_level="info"')).toEqual(['info'])
    expect(levelsOf('{a="b"} | x="detected_level"')).toEqual([])
  })
  it('tell critical from fatal', () => {
    expect(levelOf('CRITICAL')).toBe('critical')
    expect(levelOf('fatal')).toBe('fatal')
  })
  it('parse once', () => {
    expect(addParser(addParser('{a="b"}', 'json'), 'json')).toBe('{a="b"} | json')
  })
})

describe('fields of the text', () => {
  it('come from JSON with members of members, and from pairs', () => {
    expect([...parsed('{"a":1,"b":{"c":"x"},"d":[1],"e":null}')]).toEqual([
      ['a', '1'],
      ['b_c', 'x'],
    ])
    expect([...parsed('took long duration_ms=12 user="ann \\"b\\"" x.y=1')]).toEqual([
      ['duration_ms', '12'],
      ['user', 'ann "b"'],
      ['x_y', '1'],
    ])
    expect(parsed('{ no json').size).toBe(0)
  })
  it('are counted by value, the most frequent first', () => {
    const lines = ['{"s":200}', '{"s":500}', '{"s":200}', 'plain'].map((text) => ({ text }))
    expect(textFields(lines, ['s']).get('s')).toEqual([
      ['200', 2],
      ['500', 1],
    ])
  })
  it('name the parser that reads most of them', () => {
    const f = (label: string, parsers: string[] | null) => ({ label, type: 'string', cardinality: 1, parsers })
    expect(mainParser([f('a', ['logfmt']), f('b', ['logfmt']), f('c', ['json'])])).toBe('logfmt')
    expect(mainParser([f('a', null)])).toBe('')
  })
})

describe('exemplars', () => {
  const trace = '4bf92f3577b34da6a3ce929d0e0e4736'
  it('lead to the trace when there is one, else to the id', () => {
    expect(idOf({ trace_id: trace, correlation_id: 'req-1' })).toEqual({ name: 'trace_id', id: trace, isTrace: true })
    expect(idOf({ trace_id: '0'.repeat(32), correlation_id: 'req-1' })?.id).toBe('req-1')
    expect(idOf({ user: 'x' })).toBeNull()
  })
  it('stand at their value on a quantile and at the foot of a rate', () => {
    const s = [{ seriesLabels: {}, exemplars: [{ labels: { trace_id: trace }, value: '0.5', timestamp: 100 }] }]
    expect(marksOf(s, 'histogram_quantile(0.9, rate(x_bucket[1m]))')[0].v).toBe(0.5)
    expect(marksOf(s, 'rate(x_bucket[1m])')[0].v).toBeNull()
  })
  it('are the largest when there are too many', () => {
    const exemplars = Array.from({ length: DOTS_MAX + 50 }, (_, i) => ({ labels: { trace_id: trace }, value: String(i), timestamp: i }))
    const marks = marksOf([{ seriesLabels: {}, exemplars }], 'histogram_quantile(0.9, x)')
    expect(marks.length).toBe(DOTS_MAX)
    expect(Math.min(...marks.map((m) => m.v!))).toBe(50)
  })
  it('and lines tell their correlation id', () => {
    expect(correlationIdOf({ correlation_id: 'abc-1' }, '')).toBe('abc-1')
    expect(correlationIdOf({}, '{"x_correlation_id": "7f3e-9"}')).toBe('7f3e-9')
    expect(correlationIdOf({}, 'done request_id=req-00007 in 3 ms')).toBe('req-00007')
    expect(correlationIdOf({}, 'nothing here')).toBeNull()
  })
  it('an id is one word with a digit, long enough', () => {
    expect(looksLikeId('req-00007')).toBe(true)
    expect(looksLikeId('checkout')).toBe(false)
    expect(looksLikeId('two words 1234')).toBe(false)
  })
})
