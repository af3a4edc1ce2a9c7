// SPDX-License-Identifier: Apache-2.0
// What the lines are made of: who fills the disk, what is worth logging, which fields the text holds.
import { getJSON } from './http'
import { nsOf } from '../lib/time'

export const SHARES = ['level', 'service', 'pattern'] as const
export type Share = (typeof SHARES)[number]

export interface VolumeRow {
  key: string
  service?: string
  level?: string
  lines: number
  bytes: number
  share: number
}
export interface Volume {
  rows: VolumeRow[]
  total_bytes: number
  total_lines?: number
  partial?: boolean
  findings: { text: string; suggestion: string }[]
}
export interface KindExample {
  time_ns: string
  service: string
  severity: string
  body: string
}
export interface Kind {
  kind: string
  count: number
  query: string
  queries?: string[]
  examples: KindExample[]
}
export interface DetectedField {
  label: string
  type: string
  cardinality: number
  parsers: string[] | null
}

const seconds = (startMs: number, endMs: number) => ({ start: startMs / 1000, end: endMs / 1000 })

export async function volume(by: Share, startMs: number, endMs: number, signal?: AbortSignal): Promise<Volume> {
  const a = await getJSON<Partial<Volume>>('/api/stoa/v1/volume', { by, ...seconds(startMs, endMs) }, signal)
  return { rows: a.rows ?? [], total_bytes: a.total_bytes ?? 0, total_lines: a.total_lines, partial: a.partial, findings: a.findings ?? [] }
}

export async function kinds(startMs: number, endMs: number, signal?: AbortSignal): Promise<Kind[]> {
  return (await getJSON<{ kinds: Kind[] | null }>('/api/stoa/v1/log_kinds', seconds(startMs, endMs), signal)).kinds ?? []
}

export async function detectedFields(query: string, startMs: number, endMs: number, lines: number, signal?: AbortSignal): Promise<DetectedField[]> {
  const params = { query, start: nsOf(startMs), end: nsOf(endMs), line_limit: lines }
  return (await getJSON<{ fields: DetectedField[] | null }>('/loki/api/v1/detected_fields', params, signal)).fields ?? []
}
