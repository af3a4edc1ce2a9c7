// SPDX-License-Identifier: Apache-2.0
// Synthetic checks, their runs, and the agents that make them elsewhere.
import { getJSON, send } from './http'

export const PHASES = ['dns', 'connect', 'tls', 'request', 'first_byte', 'transfer'] as const

export interface RunStep {
  name: string
  method: string
  url: string
  ran: boolean
  ok: boolean
  error: string
  status: number
  start_ns: string
  duration_ms: number
  phases_ms: Record<string, number>
  redirects: number
  ip: string
  tls: boolean
  bytes: number
  certificate_expiry_ms: number
  span_id: string
}
export interface Run {
  id: string
  check: string
  location: string
  t_ms: number
  start_ns: string
  ok: boolean
  duration_ms: number
  failed_step: string
  error: string
  trace_id: string
  steps: RunStep[]
}
export interface Check {
  name: string
  every_ms: number
  locations: string[]
  steps: { name: string; method: string; url: string; expect?: string[] }[]
  last: Run[]
}
export interface Agent {
  location: string
  last_seen_ms: number
  unseen: boolean
  queued: number
  dropped: number
  missed: number
}

const BASE = '/api/stoa/v1/checks'

export async function checks(signal?: AbortSignal): Promise<{ checks: Check[]; agents: Agent[] }> {
  const a = await getJSON<{ checks: Check[] | null; agents?: Agent[] | null }>(BASE, {}, signal)
  return { checks: a.checks ?? [], agents: a.agents ?? [] }
}
export async function runs(name: string, p: { start: number; end: number; location: string; limit: number }, signal?: AbortSignal): Promise<Run[]> {
  return (await getJSON<{ runs: Run[] | null }>(`${BASE}/${encodeURIComponent(name)}/runs`, p, signal)).runs ?? []
}
export const runNow = (name: string) => send<Run>('POST', `${BASE}/${encodeURIComponent(name)}/run`)
