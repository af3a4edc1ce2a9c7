// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest'
import { ALL, fill, labelValuesOf, legendOf, readBoard, reduce, stepOf, toneOf, unitOf, visible, type Variable } from '../src/lib/board'
import { blocks, inline } from '../src/lib/markdown'

const times = { start: 1000, end: 4600, step: 15 }
const variable = (v: Partial<Variable>): Variable => ({
  name: 'job', label: 'job', type: 'query', query: '', options: [], value: [], multi: false, all: false, allValue: '', ...v,
})

describe('variables in a query', () => {
  it('one value as it is, in every spelling', () =>
    expect(fill('a{j="$job"} b{j="${job}"} c{j="[[job]]"}', [variable({ value: ['x.y'] })], times)).toBe('a{j="x.y"} b{j="x.y"} c{j="x.y"}'))
  it('several values as a group of a regular expression', () =>
    expect(fill('a{j=~"$job"}', [variable({ value: ['a.b', 'c'] })], times)).toBe('a{j=~"(a\\.b|c)"}'))
  it('all of them', () => {
    expect(fill('$job', [variable({ value: [ALL] })], times)).toBe('.*')
    expect(fill('$job', [variable({ value: [ALL], allValue: '.+' })], times)).toBe('.+')
    expect(fill('$job', [variable({ value: [ALL], options: ['a', 'b'] })], times)).toBe('(a|b)')
  })
  it("Grafana's own", () => expect(fill('rate(x[$__rate_interval]) $__interval ${__range}', [], times)).toBe('rate(x[60s]) 15s 3600s'))
  it('what is no variable stays', () => expect(fill('a{b=~"x$"} $nothing', [], times)).toBe('a{b=~"x$"} $nothing'))
  it('label_values', () => {
    expect(labelValuesOf('label_values(up{job="a"}, instance)')).toEqual({ match: 'up{job="a"}', label: 'instance' })
    expect(labelValuesOf('label_values(job)')).toEqual({ match: '', label: 'job' })
    expect(labelValuesOf('metrics(.*)')).toBeNull()
  })
})

describe('a document', () => {
  const document = {
    dashboard: {
      uid: 'u', title: 'T', tags: ['x'], time: { from: 'now-6h' },
      templating: { list: [{ name: 'mode', type: 'custom', query: 'a, b', current: {} }] },
      panels: [
        { id: 1, type: 'graph', title: 'G', gridPos: { x: 0, y: 0, w: 12, h: 8 }, targets: [{ expr: 'up', legendFormat: '{{job}}' }, { expr: '' }] },
        { id: 2, type: 'row', collapsed: true, gridPos: { x: 0, y: 8, w: 24, h: 1 }, panels: [{ id: 3, type: 'stat', gridPos: { x: 0, y: 20, w: 6, h: 4 } }] },
        { id: 4, type: 'text', gridPos: { x: 0, y: 9, w: 24, h: 2 }, options: { content: 'hi' } },
      ],
    },
  }
  const b = readBoard(document)
  it('is read from an export too', () => expect([b.uid, b.title, b.from]).toEqual(['u', 'T', 'now-6h']))
  it('old panel types are the new ones; empty queries are none', () => expect([b.panels[0].type, b.panels[0].targets.length]).toEqual(['timeseries', 1]))
  it('a custom variable starts with its first value', () => expect(b.variables[0].value).toEqual(['a']))
  it('a closed row hides its panels, an open one moves down what follows', () => {
    expect(visible(b.panels, new Set()).map((v) => [v.panel.id, v.y])).toEqual([[1, 0], [2, 8], [4, 9]])
    expect(visible(b.panels, new Set([2])).map((v) => [v.panel.id, v.y])).toEqual([[1, 0], [2, 8], [3, 9], [4, 13]])
  })
  it('a query of Tempo stands in a member of its own', () => {
    const [p] = readBoard({ title: 'T', panels: [{ type: 'timeseries', datasource: { type: 'tempo' }, targets: [{ query: '{ } | rate()', legendFormat: '{{resource.service.name}}' }, { expr: 'up', datasource: { type: 'prometheus' } }] }] }).panels
    expect(p.targets.map((t) => [t.source, t.expr])).toEqual([['tempo', '{ } | rate()'], ['prometheus', 'up']])
    expect(legendOf(p.targets[0].legend, { 'resource.service.name': 'shop' }, 'x')).toBe('shop')
  })
  it('anything at all is a board without panels, not a failure', () => {
    for (const v of [null, 3, 'x', [], { panels: 7 }, { panels: [null, 3, { targets: 'x', gridPos: { w: 'a' } }] }]) expect(readBoard(v).title).toBe('')
  })
})

describe('values', () => {
  it('one of many', () => {
    const v = [1, null, 5, 3]
    expect(['lastNotNull', 'mean', 'max', 'min', 'sum', 'range', 'first'].map((c) => reduce(v, c))).toEqual([3, 3, 5, 1, 9, 4, 1])
    expect(reduce([null], 'max')).toBeNull()
  })
  it('thresholds', () => {
    const steps = [{ value: null, tone: toneOf('green') }, { value: 0.8, tone: toneOf('orange') }, { value: 0.9, tone: toneOf('#F2495C') }]
    expect([0, 0.8, 0.95].map((x) => stepOf(steps, x))).toEqual(['ok', 'warn', 'bad'])
  })
  it('units', () => {
    expect(unitOf('percent')).toEqual({ unit: 'ratio', factor: 0.01, before: '', after: '' })
    expect(unitOf('currencyUSD').before).toBe('$')
    expect(unitOf('short').after).toBe('')
  })
  it('legends', () => {
    expect(legendOf('{{job}} {{ x }}', { job: 'a', x: 'b' }, 'f')).toBe('a b')
    expect(legendOf('{{nothing}}', {}, 'f')).toBe('f')
  })
})

describe('Markdown of text panels', () => {
  it('blocks', () => expect(blocks('# A\n\nb *c*\nd\n- x\n- y\n```\nq\n```').map((b) => b.kind)).toEqual(['heading', 'paragraph', 'list', 'code']))
  it('links only where they lead to the web or to this page', () => {
    expect(inline('[a](https://x)')[0].kind).toBe('link')
    expect(inline('[a](javascript:alert)')[0].kind).toBe('text')
  })
})

it('a unit of moments shows moments, not numbers', () => {
  expect(unitOf('dateTimeAsIso').isTime).toBe(true)
  expect(unitOf('short').isTime).toBeUndefined()
})
