// SPDX-License-Identifier: Apache-2.0
// Everything that carries one id: log lines, traces, metric points; and the exemplars of a query.
import { getJSON } from './http'

type Labels = Record<string, string>

export interface CorrelatedLog {
  time_ns: string
  service: string
  severity: string
  body: string
  stream?: Labels
  fields?: Labels
}
export interface CorrelatedTrace {
  trace_id: string
  service: string
  name: string
  start_ns: string
  duration_ns: string
  spans: number
}
export interface CorrelatedPoint {
  series: Labels
  labels: Labels
  t_ms: number
  value: number | string
}
export interface Correlated {
  id: string
  logs: CorrelatedLog[]
  traces: CorrelatedTrace[]
  exemplars: CorrelatedPoint[]
  partial: boolean // there is more than is shown
  notes: string[]
}

interface Answer extends Partial<Correlated> {
  data?: Answer
  series?: { labels: Labels; t_ms: number; value: number | string }[] // that carry the id as a label
  partial?: boolean
  warnings?: string[]
}

export async function correlate(id: string, startMs: number, endMs: number, signal?: AbortSignal): Promise<Correlated> {
  const a = await getJSON<Answer>('/api/stoa/v1/correlate', { id, start: startMs / 1000, end: endMs / 1000 }, signal)
  const d = a.data ?? a
  const labelled = (d.series ?? []).map((s) => ({ series: s.labels, labels: {}, t_ms: s.t_ms, value: s.value }))
  return {
    id: d.id ?? id,
    logs: d.logs ?? [],
    traces: d.traces ?? [],
    exemplars: [...(d.exemplars ?? []), ...labelled],
    partial: d.partial ?? false,
    notes: [...(d.notes ?? []), ...(a.warnings ?? [])],
  }
}

export interface Exemplar {
  labels: Labels
  value: string
  timestamp: number // seconds
}
export interface SeriesExemplars {
  seriesLabels: Labels
  exemplars: Exemplar[]
}

export async function queryExemplars(query: string, start: number, end: number, signal?: AbortSignal): Promise<SeriesExemplars[]> {
  return (await getJSON<{ data: SeriesExemplars[] | null }>('/api/v1/query_exemplars', { query, start, end }, signal)).data ?? []
}
