// SPDX-License-Identifier: Apache-2.0
import { expect, test } from 'vitest'
import type { Incident } from '../src/api/alerts'
import { byUrgency, fits, logsOf, matchersOf, matcherText, parseMatchers, thresholdOf } from '../src/lib/rules'

test('a threshold is the outermost comparison with a number', () => {
  expect(thresholdOf('100 * (1 - avg by (instance) (rate(x{mode="idle"}[2m]))) > 90')).toEqual({ left: '100 * (1 - avg by (instance) (rate(x{mode="idle"}[2m])))', op: '>', limit: 90 })
  expect(thresholdOf('up == 0')).toEqual({ left: 'up', op: '==', limit: 0 })
  expect(thresholdOf('count by (check) (up{job!="a>b"} == 0) >= 2e0')).toEqual({ left: 'count by (check) (up{job!="a>b"} == 0)', op: '>=', limit: 2 })
})

test('an expression of another shape has no threshold', () => {
  for (const expr of ['up', 'a > b', 'a > 1 and b > 2', 'a > bool 1', '1 < a', 'sum(a > 1)', 'a > 1 unless b', 'x{a=">"}']) expect(thresholdOf(expr)).toBeNull()
})

test('a name that begins like an operator is a name', () => {
  expect(thresholdOf('order_total > 5')?.left).toBe('order_total')
  expect(thresholdOf('android_users > 5')?.left).toBe('android_users')
  expect(thresholdOf('job:and > 5')?.left).toBe('job:and')
})

test('matchers are read as people write them and written back the same', () => {
  const text = 'alertname="Slow \\"one\\"" instance=~"web.*", severity!=page zone!~"b|c"'
  const read = parseMatchers(text)
  expect(read).toEqual({
    matchers: [
      { name: 'alertname', value: 'Slow "one"', isRegex: false, isEqual: true },
      { name: 'instance', value: 'web.*', isRegex: true, isEqual: true },
      { name: 'severity', value: 'page', isRegex: false, isEqual: false },
      { name: 'zone', value: 'b|c', isRegex: true, isEqual: false },
    ],
  })
  if ('bad' in read) throw new Error('read')
  expect(parseMatchers(read.matchers.map(matcherText).join(' '))).toEqual(read)
  expect(parseMatchers('{a="b"}')).toEqual(parseMatchers('a="b"'))
})

test('what is no matcher is named', () => {
  expect(parseMatchers('a="b" nonsense c="d"')).toEqual({ bad: 'nonsense' })
  expect(parseMatchers('a~"b"')).toEqual({ bad: 'a~"b"' })
})

test('labels become matchers that find them again, the name first', () => {
  expect(matchersOf({ severity: 'page', instance: 'a"b', alertname: 'Down' })).toBe('alertname="Down" instance="a\\"b" severity="page"')
})

test('untaken incidents come before taken ones, worse before better', () => {
  const i = (id: string, state: string, severity: string, started_ms: number) => ({ id, state, severity, started_ms }) as Incident
  const list = [i('taken', 'acknowledged', 'critical', 9), i('small', 'firing', 'warning', 8), i('old', 'firing', 'critical', 1), i('new', 'firing', 'page', 5)]
  expect(list.sort(byUrgency).map((x) => x.id)).toEqual(['new', 'old', 'small', 'taken'])
})

test('a series belongs to an alert when what both name is alike', () => {
  expect(fits({ __name__: 'up', job: 'a', zone: 'x' }, { job: 'a', severity: 'page' })).toBe(true)
  expect(fits({ job: 'b' }, { job: 'a' })).toBe(false)
})

test('the logs of an alert are those of its service', () => {
  expect(logsOf({ service_name: 'shop', job: 'x' })).toBe('{service_name="shop"}')
  expect(logsOf({ check: 'shop', location: 'local' })).toBe('{service_name="stoa-probe"}')
  expect(logsOf({ instance: 'vm' })).toBeNull()
})
