// SPDX-License-Identifier: Apache-2.0
// Where series come from: limits and who is over them, the largest metrics and labels, and what nobody reads.
import { getJSON } from './http'

export interface Offender {
  tenant: string
  metric: string
  label: string
  job: string
  action: 'folded' | 'refused'
  setting: string
  limit: number
  found: number
  samples: number
  different: number
  first_sample_ms: number
  first_ms: number
  last_ms: number
  example: string
}
export interface CountRow {
  tenant: string
  metric: string
  label: string
  count: number
  limit: number
}
export interface MetricRow {
  name: string
  series: number
  last_read_ms: number
}
export interface Cardinality {
  enabled: boolean
  window_seconds: number
  limits: { series_per_tenant: number; series_per_metric: number; values_per_label: number; samples_per_second: number }
  offenders: Offender[]
  near: CountRow[]
  metrics: {
    count: number
    series: number
    never_read_count: number
    never_read_series: number
    reads_since_ms: number
    reads_left_out: number
    largest: MetricRow[]
    never_read: MetricRow[]
  }
  notes: string[]
}
export interface NameValue {
  name: string
  value: number
}
export interface Tsdb {
  headStats: { numSeries: number; numLabelPairs: number }
  labelValueCountByLabelName: NameValue[]
  memoryInBytesByLabelName: NameValue[]
  seriesCountByLabelValuePair: NameValue[]
}

export const cardinality = (signal?: AbortSignal) => getJSON<Cardinality>('/api/stoa/v1/cardinality', { limit: '20' }, signal)

export async function tsdb(signal?: AbortSignal): Promise<Tsdb> {
  return (await getJSON<{ data: Tsdb }>('/api/v1/status/tsdb', { limit: '10' }, signal)).data
}
