// SPDX-License-Identifier: Apache-2.0
// What spans say of services together: who calls whom, and what fails.
import { getJSON } from './http'

export interface Signals {
  requests_per_second: number | null
  error_ratio: number | null
  p50_seconds: number | null
  p95_seconds: number | null
  p99_seconds: number | null
}
export interface MapService extends Signals {
  service: string
  type: string // service, database, queue, external, user
}
export interface Call extends Signals {
  client: string
  server: string
  connection_type: string
}
export interface CallMap {
  nodes: MapService[]
  edges: Call[]
  source: string
  partial: boolean
}
export interface ErrorGroup {
  id: string
  type: string
  message: string
  count: number
  first_seen_ms: number
  last_seen_ms: number
  counts: number[]
  operations: string[]
  example: { trace_id?: string; span_id?: string; message: string }
}

const window = (startMs: number, endMs: number) => ({ start: Math.floor(startMs / 1000), end: Math.ceil(endMs / 1000) })

export async function callMap(startMs: number, endMs: number, service = '', signal?: AbortSignal): Promise<CallMap> {
  return (await getJSON<{ data: CallMap }>('/api/stoa/v1/service_map', { ...window(startMs, endMs), service }, signal)).data
}

export async function errorGroups(service: string, startMs: number, endMs: number, limit: number, signal?: AbortSignal): Promise<{ groups: ErrorGroup[]; found: number; partial: boolean }> {
  return (await getJSON<{ data: { groups: ErrorGroup[]; found: number; partial: boolean } }>('/api/stoa/v1/error_groups', { ...window(startMs, endMs), service, limit }, signal)).data
}
