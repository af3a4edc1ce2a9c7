// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest'
import { HELD_MAX, mergePages, tellApart, type LogLine } from '../src/api/loki'
import { faultAt } from '../src/editor/QueryEditor'
import { mainParser, parsed, parserOf } from '../src/lib/fields'
import { addContains, addFilter, addParser, answersLines, levelOf, quote, searched, split, traceIdOf, wanted } from '../src/lib/logql'
import { fieldsOf } from '../src/panels/FieldList'

const line = (ns: string, labels: Record<string, string> = {}): LogLine => ({ id: ns, ns, text: ns, labels, level: 'info', traceId: null })

describe('words of a search', () => {
  it('are those a line must have, in usual cases', () => {
    expect(searched('time*out -health user:ann "Connection reset" OR 12:30')).toEqual([
      'time', 'TIME', 'Time', 'out', 'OUT', 'Out', 'Connection reset', 'connection reset', 'CONNECTION RESET', '12:30',
    ])
    expect(searched('')).toEqual([])
    expect(searched('status>=500 NOT x')).toEqual(['x', 'X'])
  })
})

describe('fields of an access log', () => {
  const text = '10.0.0.7 - ada [23/Nov/2026:04:47:36 +0000] "GET /cart?id=1 HTTP/1.1" 503 2326 "-" "curl/8" 0.734'
  const found = ['status', 'user_agent'].map((label) => ({ label, type: 'string', cardinality: 1, parsers: ['pattern'] }))
  it('are told by their places', () => {
    const f = parsed(text)
    expect([f.get('remote_user'), f.get('status'), f.get('path'), f.get('user_agent'), f.has('referer')]).toEqual(['ada', '503', '/cart?id=1', 'curl/8', false])
    expect(parsed('a=1 [x] "y"').get('a')).toBe('1')
  })
  it('become labels by a pattern, once', () => {
    const stage = parserOf(found[0], found)
    expect(stage).toMatch(/^pattern `<remote_addr> .*"<user_agent>"<_>`$/)
    expect(parserOf(found[0], found.slice(0, 1))).toMatch(/<bytes>`$/)
    expect(mainParser(found)).toBe(stage)
    const once = addParser('{a="b"}', stage)
    expect(addParser(once, stage)).toBe(once)
  })
})

describe('edits of a query', () => {
  it('a filter is added once', () => {
    const once = addFilter('{a="b"}', 'level', 'error')
    expect(once).toBe('{a="b"} | level="error"')
    expect(addFilter(once, 'level', 'error')).toBe(once)
    expect(addFilter(once, 'host', 'x', true)).toBe('{a="b"} | level="error" | host!="x"')
  })
  it('quotes what would end the text', () => expect(quote('a"b\\c\n')).toBe('"a\\"b\\\\c\\n"'))
  it('knows lines from counts', () => {
    expect(answersLines(' {a="b"} |= "x"')).toBe(true)
    expect(answersLines('sum(rate({a="b"}[1m]))')).toBe(false)
  })
  it('marks what was searched', () => {
    expect(wanted(addContains('{a="b"} |= `raw`', 'say "hi"'))).toEqual(['raw', 'say "hi"'])
    expect(split('one two one', ['one'])).toEqual([
      { text: 'one', hit: true },
      { text: ' two ', hit: false },
      { text: 'one', hit: true },
    ])
  })
})

describe('lines', () => {
  it('levels by any of their names', () => expect(['ERR', 'Warning', 'critical', 'notice', undefined].map(levelOf)).toEqual(['error', 'warn', 'critical', 'info', 'unknown']))
  it('find their trace in a label or in the text', () => {
    const id = '4f1c9a02e7b14c664f1c9a02e7b14c66'
    expect(traceIdOf({ trace_id: id.toUpperCase() }, '')).toBe(id)
    expect(traceIdOf({}, `x trace_id=${id} y`)).toBe(id)
    expect(traceIdOf({}, `{"traceId":"${id}"}`)).toBe(id)
    expect(traceIdOf({ trace_id: '0'.repeat(32) }, '')).toBeNull()
  })
  it('a refresh adds the new and keeps the old', () => {
    const merged = mergePages([line('12'), line('11'), line('5')], { lines: [line('13'), line('12')], full: true, warnings: [] }, '10')
    expect(merged.lines.map((l) => l.ns)).toEqual(['13', '12', '11'])
    expect(merged.gap).toBe(false)
  })
  it('a refresh that does not reach the old says so', () => {
    const merged = mergePages([line('5')], { lines: [line('13'), line('12')], full: true, warnings: [] }, '1')
    expect(merged).toEqual({ lines: [line('13'), line('12')], gap: true, cut: false })
  })
  it('a page that stays open keeps a bounded number', () => {
    const many = Array.from({ length: HELD_MAX }, (_, i) => line(String(2e9 - i)))
    const merged = mergePages(many, { lines: [line(String(2e9 + 1)), many[0]], full: false, warnings: [] }, '1')
    expect(merged.lines.length).toBe(HELD_MAX)
    expect(merged.lines[0].ns).toBe(String(2e9 + 1))
    expect(merged.cut).toBe(true)
  })
  it('equal lines of one instant are told apart', () => {
    const lines = [line('5'), line('5'), line('5'), line('4')]
    tellApart(lines)
    expect(lines.map((l) => l.id)).toEqual(['5', '5-1', '5-2', '4'])
  })
  it('fields count values, the largest first', () => {
    const f = fieldsOf([line('1', { a: 'x', service_name: 's', trace_id: '1' }), line('2', { a: 'y' }), line('3', { a: 'y' })])
    expect(f.map((x) => x.name)).toEqual(['service_name', 'a'])
    expect(f[1].values).toEqual([['y', 2], ['x', 1]])
  })
})

describe('faults', () => {
  it('are found at the place the server named', () => {
    expect(faultAt('sum(x))', '1:7: parse error: unexpected')).toBe(6)
    expect(faultAt('a\nbc', 'parse error at line 2, col 2: no')).toBe(3)
    expect(faultAt('a', 'too many series')).toBeNull()
  })
})
