// SPDX-License-Identifier: Apache-2.0
// The Loki API of the same origin. Times are nanoseconds as text: a number would lose the last digits.
import { getJSON } from './http'
import { hash32, labelText } from '../lib/text'
import { onGrid, type Grid, type Line, type Pairs } from '../lib/series'
import { levelOf, LOGS_DEFAULT, quote, traceIdOf, type Level } from '../lib/logql'
import { nsOf } from '../lib/time'

export interface LogLine {
  id: string
  ns: string
  text: string
  labels: Record<string, string>
  level: Level
  traceId: string | null
}
type Extra = Record<string, unknown>
export interface StreamItem {
  stream: Record<string, string>
  values: [string, string, Extra?][]
}
interface Answer {
  data: { resultType: 'streams'; result: StreamItem[] } | { resultType: 'matrix'; result: { metric: Record<string, string>; values: Pairs }[] }
  warnings?: string[]
}

// Structured metadata and parsed labels come merged into the stream or as a third element of a value.
function extraLabels(extra: Extra | undefined): Record<string, string> {
  const out: Record<string, string> = {}
  for (const [k, v] of Object.entries(extra ?? {})) {
    if ((k === 'structuredMetadata' || k === 'parsed') && v && typeof v === 'object') Object.assign(out, v)
    else out[k] = String(v)
  }
  return out
}

function toLine(ns: string, text: string, labels: Record<string, string>): LogLine {
  return {
    id: `${ns}-${hash32(JSON.stringify(labels) + text)}`,
    ns,
    text,
    labels,
    level: levelOf(labels.detected_level ?? labels.level ?? labels.severity_text ?? labels.severity),
    traceId: traceIdOf(labels, text),
  }
}

export const newer = (a: LogLine, b: LogLine): number => {
  if (a.ns.length !== b.ns.length) return b.ns.length - a.ns.length
  return a.ns < b.ns ? 1 : a.ns > b.ns ? -1 : 0
}

export const HELD_MAX = 10000 // lines the page keeps

export interface Page {
  lines: LogLine[]
  full: boolean
  warnings: string[]
}

// The same line of the same stream and instant may have come twice: both are shown.
export function tellApart(lines: LogLine[]): void {
  const seen = new Map<string, number>()
  for (const l of lines) {
    const n = seen.get(l.id) ?? 0
    seen.set(l.id, n + 1)
    if (n > 0) l.id += `-${n}`
  }
}

export function linesOf(streams: StreamItem[]): LogLine[] {
  const lines: LogLine[] = []
  for (const s of streams) for (const [ns, text, extra] of s.values) lines.push(toLine(ns, text, extra ? { ...s.stream, ...extraLabels(extra) } : s.stream))
  return lines
}

// What is asked for: LogQL, or the language of the search box.
export type Asked = string | { search: string }
const pathOf = (q: Asked) => (typeof q === 'string' ? '/loki/api/v1/query_range' : '/api/stoa/v1/search')
const textOf = (q: Asked) => (typeof q === 'string' ? q : q.search)
export const askedKey = (q: Asked) => (typeof q === 'string' ? q : `search ${q.search}`)

// A search as LogQL, or why there is none that gives the same.
export async function searchAsLogql(query: string, signal?: AbortSignal): Promise<{ logql: string | null; why?: string }> {
  return (await getJSON<{ data: { logql: string | null; why?: string } }>('/api/stoa/v1/search/logql', { query }, signal)).data
}

// Where all lines of the range can be had as a file.
export function exportAddress(q: Asked, startNs: string, endNs: string, format: 'ndjson' | 'csv'): string {
  const params = new URLSearchParams({ ...(typeof q === 'string' ? { query: q } : { search: q.search }), start: startNs, end: endNs, format })
  return `/api/stoa/v1/logs/export?${params}`
}

// The newest lines in [start, end), newest first.
export async function queryLines(q: Asked, startNs: string, endNs: string, limit: number, signal?: AbortSignal): Promise<Page> {
  const a = await getJSON<Answer>(pathOf(q), { query: textOf(q), start: startNs, end: endNs, limit, direction: 'backward' }, signal)
  const lines = a.data.resultType === 'streams' ? linesOf(a.data.result) : []
  lines.sort(newer)
  tellApart(lines)
  return { lines, full: lines.length >= limit, warnings: a.warnings ?? [] }
}

// One newer page over the lines already held. If it does not reach them, the older ones are let go.
// Beyond HELD_MAX too: a page that stays open does not grow without end.
export function mergePages(held: LogLine[], page: Page, oldestNs: string): { lines: LogLine[]; gap: boolean; cut: boolean } {
  const ids = new Set(page.lines.map((l) => l.id))
  const overlap = held.some((l) => ids.has(l.id))
  if (page.full && !overlap) return { lines: page.lines, gap: held.length > 0, cut: false }
  const lines = [...page.lines, ...held.filter((l) => !ids.has(l.id) && BigInt(l.ns) >= BigInt(oldestNs))]
  return { lines: lines.sort(newer).slice(0, HELD_MAX), gap: false, cut: lines.length > HELD_MAX }
}

export async function queryCounts(q: Asked, grid: Grid, signal?: AbortSignal): Promise<Line[]> {
  const a = await getJSON<Answer>(
    pathOf(q),
    { query: textOf(q), start: nsOf(grid.start * 1000), end: nsOf(grid.end * 1000), step: `${grid.step}s` },
    signal,
  )
  if (a.data.resultType !== 'matrix') return []
  return a.data.result.map((i) => ({ name: labelText(i.metric), labels: i.metric, values: onGrid(i.values, grid) }))
}

export async function labelNames(signal?: AbortSignal): Promise<string[]> {
  return (await getJSON<{ data?: string[] }>('/loki/api/v1/labels', {}, signal)).data ?? []
}

export async function labelValues(name: string, signal?: AbortSignal): Promise<string[]> {
  return (await getJSON<{ data?: string[] }>(`/loki/api/v1/label/${encodeURIComponent(name)}/values`, {}, signal)).data ?? []
}

const CONTEXT_LINES = 10 // on either side
const CONTEXT_NS = 3600n * 1000000000n // as far away as they may be
const SAME_INSTANT_MAX = 1000

export interface Context {
  before: LogLine[] // oldest first
  after: LogLine[]
}

// The neighbours of a line in its own stream. Which of its labels are the stream's is asked for: they come merged with others.
export async function contextOf(line: LogLine, signal?: AbortSignal): Promise<Context> {
  const at = BigInt(line.ns)
  const ask = async (query: string, start: bigint, end: bigint, limit: number, direction: string, headers?: Record<string, string>) => {
    const a = await getJSON<Answer>('/loki/api/v1/query_range', { query, start: String(start), end: String(end), limit, direction }, signal, headers)
    return a.data.resultType === 'streams' ? a.data.result : []
  }
  const selector = (labels: Record<string, string>) => `{${Object.entries(labels).map(([k, v]) => `${k}=${quote(v)}`).join(',')}}`
  const service = line.labels.service_name
  const streams = await ask(service ? selector({ service_name: service }) : LOGS_DEFAULT, at, at + 1n, SAME_INSTANT_MAX, 'forward', {
    'X-Loki-Response-Encoding-Flags': 'categorize-labels',
  })
  const own = streams.find((s) => s.values.some(([, text]) => text === line.text))
  if (!own) return { before: [], after: [] }
  const [older, newer_] = await Promise.all([
    ask(selector(own.stream), at - CONTEXT_NS, at, CONTEXT_LINES, 'backward'),
    ask(selector(own.stream), at + 1n, at + CONTEXT_NS, CONTEXT_LINES, 'forward'),
  ])
  const sorted = (list: StreamItem[]) => linesOf(list).sort(newer).reverse()
  return { before: sorted(older), after: sorted(newer_) }
}
