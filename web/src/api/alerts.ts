// SPDX-License-Identifier: Apache-2.0
// Incidents, rules and their review, silences.
import { getJSON, send } from './http'

type Labels = Record<string, string>

export interface IncidentAlert {
  labels: Labels
  annotations?: Labels
  state: string
  starts_ms: number
  ends_ms?: number | null
  value?: number | string | null
}
export interface Incident {
  id: string
  state: 'firing' | 'acknowledged' | 'resolved'
  severity: string
  summary: string
  labels: Labels
  started_ms: number
  acknowledged_ms?: number | null
  acknowledged_by?: string | null
  resolved_ms?: number | null
  receiver?: string
  escalation?: { step: number; of: number; next_ms?: number | null } | null
  alerts?: IncidentAlert[]
  timeline?: { t_ms: number; what: string; text: string }[]
}

export interface RuleAlert {
  labels: Labels
  annotations: Labels
  state: string
  activeAt: string
  value: string
}
export interface Backfill {
  state: 'running' | 'done' | 'given_up'
  from_ms: number
  until_ms: number
  end_ms: number
  samples: number
  failures: number
  error?: string
}
export interface Rule {
  name: string
  type: 'alerting' | 'recording'
  state?: 'firing' | 'pending' | 'inactive'
  query: string
  duration?: number
  keepFiringFor?: number
  labels?: Labels
  annotations?: Labels
  alerts?: RuleAlert[]
  health: string
  lastError?: string
  evaluationTime: number
  lastEvaluation: string
  stoa?: { language: string; file: string; line: number; condition?: string; receiver?: string; evaluations: number; failures: number; fired: number; last_fired_ms: number; backfill?: Backfill }
  group: string // put here
  interval: number
}
export interface Finding {
  rule: string
  group: string
  file?: string
  line?: number
  finding: string
  severity: 'warning' | 'info'
  text: string
  suggestion: string
}

export interface Matcher {
  name: string
  value: string
  isRegex: boolean
  isEqual?: boolean
}
export interface Silence {
  id: string
  status: { state: 'active' | 'pending' | 'expired' }
  startsAt: string
  endsAt: string
  updatedAt?: string
  createdBy: string
  comment: string
  matchers: Matcher[]
}

const BASE = '/api/stoa/v1'

export async function incidents(state: 'open' | 'all', signal?: AbortSignal): Promise<Incident[]> {
  return (await getJSON<{ incidents: Incident[] | null }>(`${BASE}/incidents`, { state }, signal)).incidents ?? []
}
export async function incident(id: string, signal?: AbortSignal): Promise<Incident> {
  const a = await getJSON<Incident | { incident: Incident }>(`${BASE}/incidents/${encodeURIComponent(id)}`, {}, signal)
  return 'incident' in a ? a.incident : a
}
export const actOn = (id: string, what: 'ack' | 'resolve', by: string, note: string) => send('POST', `${BASE}/incidents/${encodeURIComponent(id)}/${what}`, { by, note })

export async function rules(signal?: AbortSignal): Promise<Rule[]> {
  type Group = { name: string; interval: number; rules: Rule[] }
  const a = await getJSON<{ data: { groups: Group[] | null } }>('/api/v1/rules', {}, signal)
  return (a.data.groups ?? []).flatMap((g) => g.rules.map((r) => ({ ...r, group: g.name, interval: g.interval })))
}
export async function review(signal?: AbortSignal): Promise<Finding[]> {
  return (await getJSON<{ findings: Finding[] | null }>(`${BASE}/review`, {}, signal)).findings ?? []
}

export async function silences(signal?: AbortSignal): Promise<Silence[]> {
  return (await getJSON<Silence[] | null>('/api/v2/silences', {}, signal)) ?? []
}
export const silence = (s: { matchers: Matcher[]; startsAt: string; endsAt: string; createdBy: string; comment: string }) => send<{ silenceID: string }>('POST', '/api/v2/silences', s)
export const expireSilence = (id: string) => send('DELETE', `/api/v2/silence/${encodeURIComponent(id)}`)
