// SPDX-License-Identifier: Apache-2.0
// Stoa's own API.
import { getJSON, getText } from './http'
import type { Grid, Pairs } from '../lib/series'

export interface Service {
  service: string
  source: string
  requests_per_second?: Pairs
  error_ratio?: Pairs
  p50_seconds?: Pairs
  p95_seconds?: Pairs
  p99_seconds?: Pairs
  saturation_ratio?: Pairs
  other_sources?: string[]
  saturation?: Record<string, { of: string; value: number | null; query: string }> // cpu, memory, disk, pool
  saturation_series?: Record<string, Pairs>
  now?: {
    requests_per_second?: number | null
    error_ratio?: number | null
    p95_seconds?: number | null
    cpu_ratio?: number | null
    memory_ratio?: number | null
    memory_bytes?: number | null
    host_memory_bytes?: number | null
  }
  queries?: Record<string, string>
}
export interface Endpoint {
  endpoint: string
  method: string
  requests_per_second: number | null
  error_ratio: number | null
  p50_seconds: number | null
  p95_seconds: number | null
  p99_seconds: number | null
  in_progress?: number | null
}
export interface OtherMetric {
  name: string
  type: string
  help?: string
  value: number | null
  values?: Pairs
  query: string
}
export interface ServiceDetail extends Service {
  endpoints: Endpoint[]
  metrics: { business: OtherMetric[]; resources: OtherMetric[] }
}
export interface Status {
  version?: string
  uptime_seconds?: number
  warnings?: string[]
  disk_free_ratio?: number
}

// The golden signals of one service as a Prometheus rule file.
export const goldenRules = (name: string, signal?: AbortSignal): Promise<string> => getText('/api/stoa/v1/golden/rules', { service: name }, signal)

export async function services(g: Grid, signal?: AbortSignal): Promise<Service[]> {
  const params = { start: g.start, end: g.end, step: g.step }
  return (await getJSON<{ data: Service[] | null }>('/api/stoa/v1/services', params, signal)).data ?? []
}

export async function service(name: string, g: Grid, signal?: AbortSignal): Promise<{ d: ServiceDetail; warnings: string[] }> {
  const params = { start: g.start, end: g.end, step: g.step }
  const a = await getJSON<{ data: ServiceDetail; warnings?: string[] }>(`/api/stoa/v1/services/${encodeURIComponent(name)}`, params, signal)
  return { d: { ...a.data, endpoints: a.data.endpoints ?? [] }, warnings: a.warnings ?? [] }
}

export async function status(signal?: AbortSignal): Promise<Status> {
  return (await getJSON<{ data: Status | null }>('/api/stoa/v1/status', {}, signal)).data ?? {}
}
