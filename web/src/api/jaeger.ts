// SPDX-License-Identifier: Apache-2.0
// The Jaeger query API of the same origin.
import { getJSON } from './http'
import type { JaegerTrace } from '../lib/trace'

export interface TraceSearch {
  service: string
  operation: string
  tags: Record<string, string>
  min: string
  max: string
  limit: number
  startMs: number
  endMs: number
}

export async function services(signal?: AbortSignal): Promise<string[]> {
  return ((await getJSON<{ data: string[] | null }>('/jaeger/api/services', {}, signal)).data ?? []).sort()
}

export async function operations(service: string, signal?: AbortSignal): Promise<string[]> {
  const path = `/jaeger/api/services/${encodeURIComponent(service)}/operations`
  return ((await getJSON<{ data: string[] | null }>(path, {}, signal)).data ?? []).sort()
}

export async function search(s: TraceSearch, signal?: AbortSignal): Promise<JaegerTrace[]> {
  const a = await getJSON<{ data: JaegerTrace[] | null }>(
    '/jaeger/api/traces',
    {
      service: s.service,
      operation: s.operation,
      tags: Object.keys(s.tags).length ? JSON.stringify(s.tags) : undefined,
      minDuration: s.min,
      maxDuration: s.max,
      start: s.startMs * 1000,
      end: s.endMs * 1000,
      limit: s.limit,
      raw: 'true', // clocks are put right here, where it can be undone
    },
    signal,
  )
  return a.data ?? []
}

export async function trace(id: string, signal?: AbortSignal): Promise<JaegerTrace | null> {
  const a = await getJSON<{ data: JaegerTrace[] | null }>(`/jaeger/api/traces/${encodeURIComponent(id)}`, { raw: 'true' }, signal)
  return a.data?.[0] ?? null
}
