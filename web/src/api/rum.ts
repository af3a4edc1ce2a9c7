// SPDX-License-Identifier: Apache-2.0
// What browsers measured: web vitals per page, country and device.
import { getJSON } from './http'
import type { Rating, VitalName } from '../lib/vitals'

export const DIMENSIONS = ['page', 'country', 'device'] as const
export type Dimension = (typeof DIMENSIONS)[number]

export interface Vital {
  p75: number
  unit: string
  count: number
  good: number
  needs_improvement: number
  poor: number
  rating: Rating
}
export type Vitals = Partial<Record<VitalName, Vital>>
export interface RumReport {
  by: Dimension
  all: Vitals
  rows: { key: string; count: number; metrics: Vitals }[]
  series: { key: string; metric: VitalName; points: [number, number][] }[]
}

export async function rum(by: Dimension, startMs: number, endMs: number, stepS: number, signal?: AbortSignal): Promise<RumReport> {
  const a = await getJSON<Partial<Omit<RumReport, 'all'>> & { all?: { metrics: Vitals } }>('/api/stoa/v1/rum', { by, start: startMs / 1000, end: endMs / 1000, step: `${stepS}s` }, signal)
  return { by, all: a.all?.metrics ?? {}, rows: a.rows ?? [], series: a.series ?? [] }
}
