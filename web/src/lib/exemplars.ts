// SPDX-License-Identifier: Apache-2.0
// Exemplars as dots on a chart: a request behind a number. A dot leads to its trace, or to everything with its id.
import type { SeriesExemplars } from '../api/correlate'
import { toNumber } from './series'

export const DOTS_MAX = 80

export interface Mark {
  t: number // seconds
  v: number | null // null: at the foot of the chart, as its value is of another kind than the lines
  id: string
  name: string // of the label that holds the id
  isTrace: boolean
}

const TRACE_LABELS = ['trace_id', 'traceID', 'traceid', 'trace']
const ID_LABELS = ['correlation_id', 'x_correlation_id', 'request_id', ...TRACE_LABELS, 'span_id']

// The id by which an exemplar or a line is found again; a trace first, as it tells most.
export function idOf(labels: Record<string, string>): { name: string; id: string; isTrace: boolean } | null {
  for (const name of TRACE_LABELS) {
    const id = labels[name]
    if (id && /^[0-9a-fA-F]{16,32}$/.test(id) && !/^0+$/.test(id)) return { name, id: id.toLowerCase(), isTrace: true }
  }
  for (const name of ID_LABELS) if (labels[name]) return { name, id: labels[name], isTrace: false }
  return null
}

// A quantile has the unit of what was observed; a rate has not.
export const showsObserved = (query: string): boolean => /\bhistogram_(quantile|avg)\s*\(/.test(query)

// All of them; beyond DOTS_MAX the largest, as those are what somebody looks for.
export function marksOf(series: SeriesExemplars[], query: string, factor = 1): Mark[] {
  const observed = showsObserved(query)
  const out: { mark: Mark; value: number }[] = []
  for (const s of series)
    for (const e of s.exemplars) {
      const of = idOf(e.labels)
      const value = toNumber(e.value)
      if (of && Number.isFinite(e.timestamp)) out.push({ mark: { t: e.timestamp, v: observed && Number.isFinite(value) ? value * factor : null, ...of }, value })
    }
  out.sort((a, b) => b.value - a.value || b.mark.t - a.mark.t)
  return out.slice(0, DOTS_MAX).map((o) => o.mark)
}

const CORRELATION = /["']?\b(?:x[-_])?(?:correlation|request)[-_]?id["']?\s*[=:]\s*["']?([\w.:/+-]{4,128})/i

// The correlation id of a log line: a label, or a field of its text.
export function correlationIdOf(labels: Record<string, string>, line: string): string | null {
  for (const [k, v] of Object.entries(labels)) if (v && /^(?:x[-_])?(?:correlation|request)[-_]?id$/i.test(k)) return v
  return CORRELATION.exec(line)?.[1] ?? null
}

// What a person may have copied from somewhere: one word long enough to be an id.
export const looksLikeId = (text: string): boolean => /^[\w.:-]{8,128}$/.test(text) && /\d/.test(text)
