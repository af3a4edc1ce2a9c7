// SPDX-License-Identifier: Apache-2.0
// Tempo's API of the same origin: searches and numbers by TraceQL, and the names and values a query may have.
import { getJSON, type Params } from './http'
import { quote } from '../lib/logql'
import { labelText } from '../lib/text'
import { onGrid, type Grid, type Line } from '../lib/series'
import { withStatus, type Side } from '../lib/traceql'

interface AnyValue {
  stringValue?: string
  intValue?: string | number
  doubleValue?: number | string
  boolValue?: boolean
  arrayValue?: { values?: AnyValue[] }
}
interface KeyValue {
  key: string
  value: AnyValue
}
export interface FoundSpan {
  id: string
  name: string
  startMs: number
  us: number
  attributes: [string, string][]
}
export interface FoundSet {
  attributes: [string, string][] // by what it was made
  matched: number
  spans: FoundSpan[] // some of the matched
}
export interface FoundTrace {
  id: string
  service: string
  name: string
  startMs: number
  durationMs: number
  services: string[]
  spans: number
  errors: number
  sets: FoundSet[]
}
export interface Found {
  traces: FoundTrace[]
  warnings: string[]
}

interface SetJSON {
  spans?: { spanID: string; name?: string; startTimeUnixNano: string; durationNanos: string; attributes?: KeyValue[] }[]
  matched?: number
  attributes?: KeyValue[]
}
interface TraceJSON {
  traceID: string
  rootServiceName?: string
  rootTraceName?: string
  startTimeUnixNano: string
  durationMs?: number
  spanSets?: SetJSON[]
  serviceStats?: Record<string, { spanCount?: number; errorCount?: number }>
}

const ID_DIGITS = 32

export function valueText(v: AnyValue): string {
  if (v.arrayValue) return `[${(v.arrayValue.values ?? []).map(valueText).join(', ')}]`
  return String(v.stringValue ?? v.intValue ?? v.doubleValue ?? v.boolValue ?? '')
}

// As a query writes it; null: it has no word for it.
function valueLiteral(v: AnyValue): string | null {
  if (v.stringValue !== undefined) return quote(v.stringValue)
  const plain = v.intValue ?? v.doubleValue ?? v.boolValue
  return plain === undefined || /^(?:NaN|[-+]?Inf)/.test(String(plain)) ? null : String(plain)
}

const pairs = (list: KeyValue[] | undefined): [string, string][] => (list ?? []).map((a) => [a.key, valueText(a.value)])
const msOfNano = (text: string): number => Number(BigInt(text || 0) / 1000n) / 1000

export function readTrace(t: TraceJSON): FoundTrace {
  const stats = Object.entries(t.serviceStats ?? {})
  return {
    id: t.traceID.padStart(ID_DIGITS, '0'),
    service: t.rootServiceName ?? '',
    name: t.rootTraceName ?? '',
    startMs: msOfNano(t.startTimeUnixNano),
    durationMs: t.durationMs ?? 0,
    services: stats.map(([name]) => name),
    spans: stats.reduce((n, [, s]) => n + (s.spanCount ?? 0), 0),
    errors: stats.reduce((n, [, s]) => n + (s.errorCount ?? 0), 0),
    sets: (t.spanSets ?? []).map((s) => ({
      attributes: pairs(s.attributes),
      matched: s.matched ?? s.spans?.length ?? 0,
      spans: (s.spans ?? []).map((p) => ({ id: p.spanID, name: p.name ?? '', startMs: msOfNano(p.startTimeUnixNano), us: Number(p.durationNanos) / 1000, attributes: pairs(p.attributes) })),
    })),
  }
}

async function noted<T>(path: string, params: Params, signal?: AbortSignal): Promise<{ body: T; warnings: string[] }> {
  let warnings: string[] = []
  const body = await getJSON<T>(path, params, signal, undefined, (r) => {
    warnings = (r.headers.get('X-Stoa-Warning') ?? '').split(';').map((w) => w.trim()).filter(Boolean)
  })
  return { body, warnings }
}

// Asked for with the status and the service of each span. Where that stage cannot be added, or the query is wrong, it goes as it is:
// what is wrong is then told of the text that was written.
export async function search(query: string, q: { startMs: number; endMs: number; limit: number; perSet: number }, signal?: AbortSignal): Promise<Found> {
  const ask = (text: string) =>
    noted<{ traces?: TraceJSON[] }>('/tempo/api/search', { q: text, start: Math.floor(q.startMs / 1000), end: Math.ceil(q.endMs / 1000), limit: q.limit, spss: q.perSet }, signal)
  const { body, warnings } = await ask(withStatus(query)).catch((e) => {
    if (signal?.aborted || e.status !== 400) throw e
    return ask(query)
  })
  return { traces: (body.traces ?? []).map(readTrace), warnings }
}

interface SeriesJSON {
  labels?: KeyValue[]
  samples?: { timestampMs: string; value?: number }[]
  value?: number
  exemplars?: { labels?: KeyValue[]; value?: number; timestampMs: string }[]
}
export interface Exemplar {
  t: number // seconds
  value: number
  trace: string
  span: string
}
export interface NumberLines {
  grid: Grid
  lines: Line[]
  exemplars: Exemplar[]
  warnings: string[]
  infos: string[]
}

const labelsOf = (s: SeriesJSON): Record<string, string> => Object.fromEntries(pairs(s.labels))

function literalsOf(s: SeriesJSON): Record<string, string> {
  const out: Record<string, string> = {}
  for (const { key, value } of s.labels ?? []) {
    const of = valueLiteral(value)
    if (of !== null) out[key] = of
  }
  return out
}

// Labels keep their types: 500 and "500" are two series. Where that alone tells two apart, texts stand in quotes.
export function lineLabels(series: SeriesJSON[]): Record<string, string>[] {
  const all = series.map(labelsOf)
  const times = new Map<string, number>()
  for (const l of all) times.set(labelText(l), (times.get(labelText(l)) ?? 0) + 1)
  return all.map((l, i) => (times.get(labelText(l))! > 1 ? { ...l, ...literalsOf(series[i]) } : l))
}

function lineOf(s: SeriesJSON, labels: Record<string, string>, grid: Grid): Line {
  const points: [number, string][] = (s.samples ?? []).map((p) => [Number(p.timestampMs) / 1000, String(p.value ?? 0)])
  return { name: labelText(labels), labels, values: onGrid(points, grid) }
}

const exemplarsOf = (s: SeriesJSON): Exemplar[] =>
  (s.exemplars ?? []).map((e) => {
    const ids = Object.fromEntries(pairs(e.labels))
    return { t: Number(e.timestampMs) / 1000, value: e.value ?? NaN, trace: ids['trace:id'] ?? '', span: ids['span:id'] ?? '' }
  })

export async function numbersRange(query: string, grid: Grid, exemplars: number, signal?: AbortSignal): Promise<NumberLines> {
  const { body, warnings } = await noted<{ series?: SeriesJSON[] }>('/tempo/api/metrics/query_range', { q: query, start: grid.start, end: grid.end, step: grid.step, exemplars }, signal)
  const series = body.series ?? []
  const labels = lineLabels(series)
  return { grid, lines: series.map((s, i) => lineOf(s, labels[i], grid)), exemplars: series.flatMap(exemplarsOf).filter((e) => e.trace), warnings, infos: [] }
}

export async function numbersInstant(query: string, startMs: number, endMs: number, signal?: AbortSignal): Promise<{ series: Side[]; warnings: string[] }> {
  const { body, warnings } = await noted<{ series?: SeriesJSON[] }>('/tempo/api/metrics/query', { q: query, start: Math.floor(startMs / 1000), end: Math.ceil(endMs / 1000) }, signal)
  return { series: (body.series ?? []).map((s) => ({ labels: labelsOf(s), literals: literalsOf(s), value: s.value ?? 0 })), warnings }
}

export interface Names {
  scope: string
  names: string[]
}

export async function tagNames(signal?: AbortSignal): Promise<Names[]> {
  const a = await getJSON<{ scopes?: { name: string; tags?: string[] }[] }>('/tempo/api/v2/search/tags', {}, signal)
  return (a.scopes ?? []).map((s) => ({ scope: s.name, names: s.tags ?? [] }))
}

export async function tagValues(field: string, signal?: AbortSignal): Promise<{ type: string; value: string }[]> {
  const a = await getJSON<{ tagValues?: { type: string; value: string }[] }>(`/tempo/api/v2/search/tag/${encodeURIComponent(field)}/values`, {}, signal)
  return a.tagValues ?? []
}
