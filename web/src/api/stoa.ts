// SPDX-License-Identifier: Apache-2.0
// Stoa's own API.
import { getJSON } from './http'
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
}
export interface Status {
  version?: string
  uptime_seconds?: number
  warnings?: string[]
  disk_free_ratio?: number
}

export async function services(g: Grid, signal?: AbortSignal): Promise<Service[]> {
  const params = { start: g.start, end: g.end, step: g.step }
  return (await getJSON<{ data: Service[] | null }>('/api/stoa/v1/services', params, signal)).data ?? []
}

export async function status(signal?: AbortSignal): Promise<Status> {
  return (await getJSON<{ data: Status | null }>('/api/stoa/v1/status', {}, signal)).data ?? {}
}
