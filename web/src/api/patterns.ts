// SPDX-License-Identifier: Apache-2.0
// Patterns of log lines: lines that differ in their variables alone.
import { getJSON } from './http'
import { nsOf } from '../lib/time'

export interface Pattern {
  pattern: string
  count: number
  share: number
  bytes: number
  levels: Record<string, number>
  services: string[]
  first_seen_ms?: number // absent: only the baseline has it
  last_seen_ms?: number
  example: string
  samples: [number, number][] // second, lines
  baseline?: number // lines of the time before
  expected?: number
  change?: number // in standard deviations
}
export interface Patterns {
  patterns: Pattern[]
  found: number
  lines: number
  step: number // seconds
  partial: boolean
  sampled: boolean
}

export type PatternView = 'all' | 'new' | 'rare' | 'changed'
export const PATTERN_VIEWS: PatternView[] = ['all', 'new', 'rare', 'changed']

const LIMIT = 200

// New ones: not seen in the first half of the range.
export function patternsOf(query: string, view: PatternView, startMs: number, endMs: number, signal?: AbortSignal): Promise<Patterns> {
  const params: Record<string, string | number> = { query, start: nsOf(startMs), end: nsOf(endMs), limit: LIMIT }
  if (view === 'new') params.new_since = nsOf((startMs + endMs) / 2)
  if (view === 'rare') params.order = 'rare'
  if (view === 'changed') params.compare = 'before'
  return getJSON<Patterns>('/api/stoa/v1/patterns', params, signal)
}

// Lines per step over the whole range, with zeros where none came.
export function counts(p: Pattern, step: number, startMs: number, endMs: number): number[] {
  const first = Math.floor(startMs / 1000 / step) * step
  const out = new Array<number>(Math.max(2, Math.ceil((endMs / 1000 - first) / step))).fill(0)
  for (const [t, n] of p.samples) {
    const i = Math.round((t - first) / step)
    if (i >= 0 && i < out.length) out[i] += n
  }
  return out
}
