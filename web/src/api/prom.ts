// SPDX-License-Identifier: Apache-2.0
// The Prometheus API of the same origin.
import { getJSON } from './http'
import { labelText } from '../lib/text'
import { onGrid, type Grid, type Line, type Pairs } from '../lib/series'

interface Answer<T> {
  status: string
  data: T
  warnings?: string[]
  infos?: string[]
}
interface MatrixItem {
  metric: Record<string, string>
  values?: Pairs
  histograms?: [number, unknown][]
}
interface VectorItem {
  metric: Record<string, string>
  value?: [number, string]
  histogram?: [number, { count: string; sum: string }]
}
type Data =
  | { resultType: 'matrix'; result: MatrixItem[] }
  | { resultType: 'vector'; result: VectorItem[] }
  | { resultType: 'scalar' | 'string'; result: [number, string] }

export interface Notes {
  warnings: string[]
  infos: string[]
}
export interface Lines extends Notes {
  grid: Grid
  lines: Line[]
}
export interface Row {
  labels: Record<string, string>
  value: string
  time: number
}
export interface Rows extends Notes {
  type: Data['resultType']
  rows: Row[]
}

const quantiles = [0.5, 0.9, 0.99]

async function ask(query: string, grid: Grid, signal?: AbortSignal) {
  const a = await getJSON<Answer<Data>>('/api/v1/query_range', { query, start: grid.start, end: grid.end, step: grid.step }, signal)
  return { answer: a, items: a.data.resultType === 'matrix' ? a.data.result : [] }
}

const lineOf = (i: MatrixItem, grid: Grid, name = ''): Line => ({ name: name + labelText(i.metric), labels: i.metric, values: onGrid(i.values ?? [], grid) })

// A native histogram is no line: its quantiles are, and a note says which.
export async function queryRange(query: string, grid: Grid, signal?: AbortSignal): Promise<Lines> {
  const { answer: a, items } = await ask(query, grid, signal)
  const lines = items.filter((i) => i.values?.length || !i.histograms?.length).map((i) => lineOf(i, grid))
  const infos = [...(a.infos ?? [])]
  if (items.some((i) => i.histograms?.length)) {
    const of = await Promise.all(quantiles.map((q) => ask(`histogram_quantile(${q}, ${query})`, grid, signal)))
    of.forEach((o, k) => lines.push(...o.items.map((i) => lineOf(i, grid, `p${quantiles[k]! * 100} `))))
    infos.push(`native histograms are drawn as their quantiles ${quantiles.join(', ')}: histogram_quantile(0.5, ...) and so on; rate() gives those of a time`)
  }
  return { grid, lines, warnings: a.warnings ?? [], infos }
}

export async function queryInstant(query: string, time: number, signal?: AbortSignal): Promise<Rows> {
  const a = await getJSON<Answer<Data>>('/api/v1/query', { query, time }, signal)
  const d = a.data
  let rows: Row[] = []
  if (d.resultType === 'vector')
    rows = d.result.map((i) => ({
      labels: i.metric,
      value: i.value ? i.value[1] : i.histogram ? `count ${i.histogram[1].count}, sum ${i.histogram[1].sum}` : '',
      time: (i.value ?? i.histogram ?? [time])[0] as number,
    }))
  else if (d.resultType === 'matrix')
    rows = d.result.flatMap((i) => (i.values ?? []).map(([t, v]) => ({ labels: i.metric, value: v, time: t })))
  else rows = [{ labels: {}, value: d.result[1], time: d.result[0] }]
  return { type: d.resultType, rows, warnings: a.warnings ?? [], infos: a.infos ?? [] }
}

export async function metricNames(start: number, end: number, signal?: AbortSignal): Promise<string[]> {
  return (await getJSON<Answer<string[]>>('/api/v1/label/__name__/values', { start, end }, signal)).data ?? []
}

export type Metadata = Record<string, { type: string; help: string; unit?: string }[]>

export async function metadata(signal?: AbortSignal): Promise<Metadata> {
  return (await getJSON<Answer<Metadata>>('/api/v1/metadata', {}, signal)).data ?? {}
}

// Values of a label, of the series that fit match (a selector; empty: all).
export async function labelValuesMatching(label: string, match: string, start: number, end: number, signal?: AbortSignal): Promise<string[]> {
  const params = { start: Math.floor(start), end: Math.ceil(end), 'match[]': match || undefined }
  return (await getJSON<Answer<string[]>>(`/api/v1/label/${encodeURIComponent(label)}/values`, params, signal)).data ?? []
}
