// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest'
import { lineLabels, readTrace } from '../src/api/tempo'
import { bucketHeat, usAt } from '../src/lib/heat'
import { attribute, conditionOf, differences, fromForm, isNarrowed, kept, likes, narrowed, numbersOf, searchOf, showsObserved, unitOfNumbers, widened, withStatus } from '../src/lib/traceql'

describe('queries of what is on the page', () => {
  const form = { service: '', operation: '', tags: '', min: '', max: '' }
  it('a form says the same as a query', () => {
    expect(fromForm(form)).toBe('{ }')
    expect(fromForm({ ...form, service: 'shop "a"', operation: 'GET /', min: '100ms', max: '1.5s' })).toBe(
      '{ resource.service.name = "shop \\"a\\"" && name = "GET /" && duration >= 100ms && duration <= 1.5s }',
    )
  })
  it('a text that may be a number is asked for as both', () => {
    expect(fromForm({ ...form, tags: 'http.status_code=500 cache.hit=true version=1.2.3' })).toBe(
      '{ (.http.status_code = 500 || .http.status_code = "500") && (.cache.hit = true || .cache.hit = "true") && .version = "1.2.3" }',
    )
  })
  it('what is no attribute is named as what it is', () => {
    expect(fromForm({ ...form, tags: 'error=true span.kind=client otel.status_code=OK' })).toBe('{ status = error && kind = client && status = ok }')
    expect(conditionOf({ key: 'otel.scope.name', value: 'io.x' }, 'span')).toBe('instrumentation:name = "io.x"')
    expect(conditionOf({ key: 'otel.scope.team', value: 'a' }, 'span')).toBe('instrumentation.team = "a"')
    expect(conditionOf({ key: 'error', value: true }, 'resource')).toBe('resource.error = true')
  })
  it('names that would end stand in quotes', () => {
    expect(attribute('span', 'http.method')).toBe('span.http.method')
    expect(attribute('', 'user name')).toBe('."user name"')
    expect(attribute('resource', 'a"b')).toBe('resource."a\\"b"')
  })
  it('values that no query can name are left out', () => {
    expect(conditionOf({ key: 'a', value: { b: 1 } }, 'span')).toBeNull()
    expect(conditionOf({ key: 'a', value: 1e30 }, 'span')).toBeNull()
    expect(conditionOf({ key: 'a', value: 2 ** 60 }, 'span')).toBeNull()
    expect(conditionOf({ key: 'a', value: 'AAE=', type: 'binary' }, 'span')).toBeNull()
    expect(conditionOf({ key: 'a', value: -1.5 }, 'span')).toBe('span.a = -1.5')
  })
  it('a span offers each of its conditions once', () => {
    const tags = [{ key: 'error', value: true }, { key: 'otel.status_code', value: 'ERROR' }, { key: 'a', value: 1 }]
    expect(likes('s', 'n', tags, [{ key: 'service.name', value: 's' }, { key: 'host', value: 'h' }]).map((l) => l.condition)).toEqual([
      'resource.service.name = "s"', 'name = "n"', 'status = error', 'span.a = 1', 'resource.host = "h"',
    ])
  })
})

describe('what a query says of itself', () => {
  it('numbers are told from searches', () => {
    expect(numbersOf('{ name = "| rate()" }')).toBeNull()
    expect(numbersOf('{ } | count() > 2')).toBeNull()
    expect(numbersOf('{ } | by(name) | rate() by (kind)')).toEqual({ name: 'rate', of: '' })
    expect(numbersOf('({ } | quantile_over_time(span:duration, 0.5))')).toEqual({ name: 'quantile_over_time', of: 'span:duration' })
  })
  it('and their unit', () => {
    expect(unitOfNumbers('{ } | rate()')).toBe('/s')
    expect(unitOfNumbers('{ } | max_over_time(duration)')).toBe('s')
    expect(unitOfNumbers('{ } | max_over_time(span.bytes)')).toBe('')
    expect(unitOfNumbers('({ } | rate()) / ({ } | rate())')).toBe('')
    expect(showsObserved('{ } | quantile_over_time(duration, 0.9)')).toBe(true)
    expect(showsObserved('{ } | rate()')).toBe(false)
  })
})

describe('buckets', () => {
  it('each is a row, those without a span as well, and a point is of the step before it', () => {
    const h = bucketHeat([{ top: 2 ** -7, values: [1, 0, null, 2] }, { top: 2 ** -4, values: [0, 3, 0, 0] }], { start: 100, end: 130, step: 10 }, 2)
    expect([h.rows, h.cols, h.startMs, h.endMs, h.most, h.count]).toEqual([4, 2, 90000, 130000, 3, 6])
    expect(h.cells.map((c) => [c.col, c.row, c.count])).toEqual([[0, 0, 1], [1, 0, 2], [0, 3, 3]])
    expect(usAt(h, 1)).toBeCloseTo(1e6 / 128)
  })
  it('lead back to the search behind them', () => {
    expect(searchOf('{ .a } | histogram_over_time(duration)')).toBe('{ .a }')
    for (const q of ['{ .a } | rate()', '{ } | histogram_over_time(span.x)', '{ } | histogram_over_time(duration) by (name)', '({ } | histogram_over_time(duration))']) expect(searchOf(q)).toBe(q)
  })
})

describe('edits', () => {
  it('are narrowed once, and widened again', () => {
    const once = narrowed('{ .a }', '1ms', '2s')
    expect(once).toBe('{ .a } | { duration >= 1ms && duration <= 2s }')
    expect(narrowed(once, '1.5ms', '1s')).toBe('{ .a } | { duration >= 1.5ms && duration <= 1s }')
    expect(isNarrowed(once)).toBe(true)
    expect(widened(once)).toBe('{ .a }')
    expect(isNarrowed('{ .a }')).toBe(false)
  })
  it('stand before hints', () => {
    expect(withStatus('{ .a = "with (x)" } with (most_recent = true)')).toBe('{ .a = "with (x)" } | select(status, resource.service.name) with (most_recent = true)')
    expect(narrowed('{ } with (a=1)', '1ms', '2s')).toBe('{ } | { duration >= 1ms && duration <= 2s } with (a=1)')
  })
})

describe('answers', () => {
  it('a trace is read with what its sets are made by', () => {
    const t = readTrace({
      traceID: 'abc', startTimeUnixNano: '1700000000123456789', durationMs: 5, rootServiceName: 'shop',
      serviceStats: { shop: { spanCount: 2, errorCount: 1 }, pay: { spanCount: 3 } },
      spanSets: [{ matched: 9, attributes: [{ key: 'by(name)', value: { stringValue: 'x' } }], spans: [{ spanID: '1', startTimeUnixNano: '1700000000123456789', durationNanos: '1500', attributes: [{ key: 'n', value: { intValue: '3' } }] }] }],
    })
    expect(t.id).toBe('0'.repeat(29) + 'abc')
    expect([t.spans, t.errors, t.services.length, t.startMs]).toEqual([5, 1, 2, 1700000000123.456])
    expect(t.sets[0]).toMatchObject({ matched: 9, attributes: [['by(name)', 'x']], spans: [{ us: 1.5, attributes: [['n', '3']] }] })
  })
  it('the most different value comes first', () => {
    const of = (type: string, value: number, name: string, v: string) => ({ labels: { __meta_type: type, [name]: v }, literals: { [name]: `"${v}"` }, value })
    const d = differences([
      of('selection', 8, 'a', 'x'), of('selection', 2, 'a', 'y'), of('selection_total', 10, 'a', 'nil'),
      of('baseline', 10, 'a', 'x'), of('baseline', 90, 'a', 'y'), of('baseline_total', 100, 'a', 'nil'),
      of('selection', 10, 'b', 'same'), of('selection_total', 10, 'b', 'nil'), of('baseline', 100, 'b', 'same'), of('baseline_total', 100, 'b', 'nil'),
      { labels: { __meta_error: '__too_many_values__', a: 'nil' }, literals: {}, value: 0 },
    ])
    expect(d.rows.map((r) => [r.attribute, r.value, r.selection, r.baseline])).toEqual([['a', 'x', 0.8, 0.1], ['a', 'y', 0.2, 0.9], ['b', 'same', 1, 1]])
    expect(d.cut).toEqual(['a'])
  })
  it('a number and its text are two lines', () => {
    const of = (value: object) => ({ labels: [{ key: 'a', value }] })
    expect(lineLabels([of({ intValue: '500' }), of({ stringValue: '500' }), of({ stringValue: '200' })])).toEqual([{ a: '500' }, { a: '"500"' }, { a: '200' }])
  })
  it('what few spans have tells little, though all of those have the same', () => {
    const of = (type: string, value: number, labels: Record<string, string>) => ({ labels: { __meta_type: type, ...labels }, literals: {}, value })
    const d = differences([
      of('selection', 1, { rare: 'x' }), of('selection_total', 1, { rare: 'nil' }), of('selection', 60, { a: 'y' }), of('selection_total', 100, { a: 'nil' }),
      of('baseline', 10, { a: 'y' }), of('baseline_total', 100, { a: 'nil' }),
    ])
    expect(d.rows.map((r) => [r.value, r.selection])).toEqual([['y', 0.6], ['x', 0.01]])
  })
  it('a number and its text are two values', () => {
    const of = (type: string, literal: string) => ({ labels: { __meta_type: type, a: '500' }, literals: { a: literal }, value: 1 })
    expect(differences([of('selection', '500'), of('baseline', '"500"')]).rows.map((r) => r.literal).sort()).toEqual(['"500"', '500'])
  })
  it('a value of them is kept before the comparison', () => {
    const query = '{ name = "| compare(" } | compare({ status = error }, 5)'
    expect(kept(query, { attribute: 'span.code', literal: '"500"' })).toBe('{ name = "| compare(" } | { span.code = "500" } | compare({ status = error }, 5)')
    expect(kept('{ } | compare({ .a })', { attribute: 'span."user name"', literal: '"Ann \\"x\\""' })).toBe('{ } | { span."user name" = "Ann \\"x\\"" } | compare({ .a })')
    expect(kept('{ } | compare({ .a })', { attribute: 'kind', literal: '"server"' })).toBe('{ } | { kind = server } | compare({ .a })')
    expect(kept('{ } | compare({ .a })', { attribute: 'span.list', literal: undefined })).toBeNull()
    expect(kept('{ } | rate()', { attribute: 'span.a', literal: '1' })).toBeNull()
  })
})
