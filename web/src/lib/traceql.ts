// SPDX-License-Identifier: Apache-2.0
// TraceQL: queries made of what is on the page, small edits to their text, and what can be read off it without parsing it all.
import { parseTags, tagText, type Tag } from './trace'
import { quote } from './logql'
import type { Unit } from './units'

const STATUS = 'status'
const SERVICE = 'resource.service.name'

/* ---- making ---- */

// What goes on in a name without quotes; ours takes more, but any reader of the language takes these.
const PLAIN_NAME = /^[A-Za-z_][\w.-]*$/

export const attribute = (scope: '' | 'span' | 'resource' | 'instrumentation', name: string): string => `${scope}.${PLAIN_NAME.test(name) ? name : quote(name)}`

const PLAIN_NUMBER = /^-?\d{1,18}(\.\d{1,18})?$/

// A value as it was sent; null: it is none that a query can name.
function literal(tag: Tag): string | null {
  const v = tag.value
  if (typeof v === 'boolean') return String(v)
  if (typeof v === 'number') return PLAIN_NUMBER.test(String(v)) && (!Number.isInteger(v) || Number.isSafeInteger(v)) ? String(v) : null
  return typeof v === 'string' && tag.type !== 'binary' ? quote(v) : null
}

const KINDS = ['unspecified', 'internal', 'server', 'client', 'producer', 'consumer']

// A tag as Jaeger shows it: what is none of the span's attributes is named as what it is. null: it cannot be asked for.
export function conditionOf(tag: Tag, scope: '' | 'span' | 'resource'): string | null {
  const text = tagText(tag.value)
  if (scope !== 'resource') {
    if (tag.key === 'error' && text === 'true') return `${STATUS} = error`
    if (tag.key === 'otel.status_code') return text === 'ERROR' || text === 'OK' ? `${STATUS} = ${text.toLowerCase()}` : null
    if (tag.key === 'otel.status_description') return `statusMessage = ${quote(text)}`
    if (tag.key === 'span.kind') return KINDS.includes(text) ? `kind = ${text}` : null
    const library = /^otel\.(?:scope|library)\.(name|version)$/.exec(tag.key)
    if (library) return `instrumentation:${library[1]} = ${quote(text)}`
    if (tag.key.startsWith('otel.scope.')) {
      const of = literal(tag)
      return of && `${attribute('instrumentation', tag.key.slice('otel.scope.'.length))} = ${of}`
    }
    if (tag.key === 'w3c.tracestate' || /^otel\.dropped_/.test(tag.key)) return null
  }
  const value = literal(tag)
  return value && `${attribute(scope, tag.key)} = ${value}`
}

// A form has texts alone: a number or a truth value in it may be either.
function conditionOfText(key: string, text: string): string {
  const known = conditionOf({ key, value: text }, '') ?? `${attribute('', key)} = ${quote(text)}`
  const typed = PLAIN_NUMBER.test(text) || text === 'true' || text === 'false'
  return typed && known.endsWith(quote(text)) ? `(${attribute('', key)} = ${text} || ${known})` : known
}

export interface FormOf {
  service: string
  operation: string
  tags: string
  min: string
  max: string
}

export const filter = (conditions: string[]): string => (conditions.length ? `{ ${conditions.join(' && ')} }` : '{ }')

// The form's contents; tags that are none are left out.
export function fromForm(f: FormOf): string {
  const all: string[] = []
  if (f.service) all.push(`${SERVICE} = ${quote(f.service)}`)
  if (f.operation) all.push(`name = ${quote(f.operation)}`)
  const parsed = parseTags(f.tags)
  if ('tags' in parsed) for (const [k, v] of Object.entries(parsed.tags)) all.push(conditionOfText(k, v))
  if (f.min) all.push(`duration >= ${f.min}`)
  if (f.max) all.push(`duration <= ${f.max}`)
  return filter(all)
}

export interface Like {
  name: string
  condition: string
}

// What of a span may be asked for, the most telling first.
export function likes(service: string, operation: string, tags: Tag[], process: Tag[]): Like[] {
  const out: Like[] = [
    { name: 'service', condition: `${SERVICE} = ${quote(service)}` },
    { name: 'name', condition: `name = ${quote(operation)}` },
  ]
  const add = (t: Tag, scope: 'span' | 'resource') => {
    const condition = tagText(t.value).length <= VALUE_MAX ? conditionOf(t, scope) : null
    if (condition && !out.some((l) => l.condition === condition)) out.push({ name: t.key, condition })
  }
  for (const t of [...tags].sort((a, b) => rankOf(a) - rankOf(b))) add(t, 'span')
  for (const t of process) if (t.key !== 'service.name') add(t, 'resource')
  return out
}

// How it ended, then its own attributes, then what it was written by.
const rankOf = (t: Tag): number => (/^(error|otel\.status_|span\.kind$)/.test(t.key) ? 0 : t.key.startsWith('otel.') ? 2 : 1)
const VALUE_MAX = 200

/* ---- reading ---- */

// The text with blanks in the place of its quoted parts: places stay.
export function bare(query: string): string {
  return query.replace(/"(?:[^"\\]|\\.)*"|`[^`]*`/g, (s) => s[0] + ' '.repeat(Math.max(0, s.length - 2)) + (s.length > 1 ? s[0] : ''))
}

const FUNCTION = /(?:^|[|(])\s*(rate|count_over_time|min_over_time|max_over_time|avg_over_time|sum_over_time|quantile_over_time|histogram_over_time|compare)\s*\(\s*([^\s,)]*)/

export interface Numbers {
  name: string
  of: string // the field, if it has one
}

// The first function of a query that makes numbers; null: it searches.
export function numbersOf(query: string): Numbers | null {
  const m = FUNCTION.exec(bare(query))
  return m && { name: m[1], of: /^(rate|count_over_time|compare)$/.test(m[1]) ? '' : m[2] }
}

const TIMES = /^(?:(?:span:|parent\.)?duration|traceDuration|trace:duration|event:timeSinceStart)$/
const COMPUTED = /\)\s*[-+*/]|[-+*/]\s*[(]/

export function unitOfNumbers(query: string): Unit {
  const n = numbersOf(query)
  if (!n || COMPUTED.test(bare(query))) return ''
  if (n.name === 'rate') return '/s'
  return n.name !== 'histogram_over_time' && TIMES.test(n.of) ? 's' : ''
}

// Whether an exemplar's value is of the lines' kind: that of a rate is not.
export const showsObserved = (query: string): boolean => /^(min|max|avg|quantile)_over_time$/.test(numbersOf(query)?.name ?? '') && !COMPUTED.test(bare(query))

// The search behind a histogram of durations; any other query as it is.
export function searchOf(query: string): string {
  const m = /\|\s*histogram_over_time\s*\(\s*(?:span:)?duration\s*\)\s*$/.exec(bare(query))
  return m && !bare(query).trimStart().startsWith('(') ? query.slice(0, m.index).trimEnd() : query
}

/* ---- editing ---- */

// Hints stand at the very end: what is added comes before them.
function split(query: string): [string, string] {
  const at = bare(query).search(/\s*\bwith\s*\([^()]*\)\s*$/)
  return at < 0 ? [query.trimEnd(), ''] : [query.slice(0, at), query.slice(at)]
}

const NARROWED = /\s*\|\s*\{ duration >= [\d.]+[a-zµ]+ && duration <= [\d.]+[a-zµ]+ \}$/

export const isNarrowed = (query: string): boolean => NARROWED.test(split(query)[0])
export const widened = (query: string): string => split(query)[0].replace(NARROWED, '') + split(query)[1]

// Of the spans found those of some durations; what was so narrowed before is so no more.
export function narrowed(query: string, min: string, max: string): string {
  const [head, hints] = split(widened(query))
  return `${head || '{ }'} | { duration >= ${min} && duration <= ${max} }${hints}`
}

// So that each span found tells whether it failed, and whose it is.
export function withStatus(query: string): string {
  const [head, hints] = split(query)
  return `${head || '{ }'} | select(${STATUS}, ${SERVICE})${hints}`
}

export const asksStatus = (query: string): boolean => /(?:^|[^.\w:])(?:span:)?status\b(?!Message)/.test(bare(query))

/* ---- compare() ---- */

export interface Side {
  labels: Record<string, string>
  literals: Record<string, string> // the labels' values as a query writes them; none for what it cannot
  value: number
}
export interface Difference {
  attribute: string // as a query writes it
  value: string
  literal?: string
  selection: number // the share of all spans of the side
  baseline: number
  count: number // spans of the selection
}
export interface Differences {
  rows: Difference[]
  cut: string[] // attributes with more values than are told
}

const META = '__meta_type'

// Per value of an attribute, its share on both sides; the largest difference first.
export function differences(series: Side[]): Differences {
  // Every span has a name, a kind and a status: the largest total of an attribute is that of all spans of the side.
  const all: Record<string, number> = { selection_total: 0, baseline_total: 0 }
  const values = new Map<string, { attribute: string; value: string; literal?: string; selection: number; baseline: number }>()
  const cut: string[] = []
  for (const { labels, literals, value } of series) {
    const name = Object.keys(labels).find((k) => !k.startsWith('__meta'))
    if (name === undefined) continue
    if (labels.__meta_error) cut.push(name)
    const type = labels[META]
    if (type in all) all[type] = Math.max(all[type], value)
    if (type !== 'selection' && type !== 'baseline') continue
    const key = `${name}\u0000${literals[name] ?? labels[name]}`
    const row = values.get(key) ?? { attribute: name, value: labels[name], literal: literals[name], selection: 0, baseline: 0 }
    row[type] += value
    values.set(key, row)
  }
  const rows = [...values.values()].map((v) => ({
    attribute: v.attribute,
    value: v.value,
    literal: v.literal,
    count: v.selection,
    selection: share(v.selection, all.selection_total),
    baseline: share(v.baseline, all.baseline_total),
  }))
  const away = (d: Difference) => Math.abs(d.selection - d.baseline)
  return { rows: rows.sort((a, b) => away(b) - away(a) || b.count - a.count || (a.attribute < b.attribute ? -1 : 1)), cut }
}

const share = (n: number, of: number): number => (of ? n / of : 0)

// What such a label must look like to be a field of a query.
const FIELD_LABEL = /^(?:(?:span|resource|instrumentation)\.(?:"(?:[^"\\]|\\.)*"|[^\s{}()=~!<>&|^,"])+|[A-Za-z]+(?::[A-Za-z]+)?)$/

// The query with one more condition on the spans that are compared; null: the value cannot be named, or the query is not of that form.
export function kept(query: string, d: { attribute: string; literal?: string }): string | null {
  const at = bare(query).search(/\|\s*compare\s*\(/)
  if (at < 0 || d.literal === undefined || !FIELD_LABEL.test(d.attribute)) return null
  const word = /^(?:span:)?(?:status|kind)$/.test(d.attribute)
  return `${query.slice(0, at).trimEnd()} | { ${d.attribute} = ${word ? d.literal.slice(1, -1) : d.literal} } ${query.slice(at)}`
}
