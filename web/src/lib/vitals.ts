// SPDX-License-Identifier: Apache-2.0
// The web vitals, their official bands, and where a value stands in them.
import { digits, seconds } from './units'

export type VitalName = 'LCP' | 'INP' | 'CLS' | 'FCP' | 'FID' | 'TTFB'
export type Rating = 'good' | 'needs_improvement' | 'poor'

export interface Band {
  name: VitalName
  good: number // up to and with it
  poor: number // above it
  isTime: boolean // milliseconds; else a number without a unit
}

// In the order of weight: what Google counts first, then what explains it.
export const BANDS: Band[] = [
  { name: 'LCP', good: 2500, poor: 4000, isTime: true },
  { name: 'INP', good: 200, poor: 500, isTime: true },
  { name: 'CLS', good: 0.1, poor: 0.25, isTime: false },
  { name: 'FCP', good: 1800, poor: 3000, isTime: true },
  { name: 'FID', good: 100, poor: 300, isTime: true },
  { name: 'TTFB', good: 800, poor: 1800, isTime: true },
]

export const bandOf = (name: string): Band => BANDS.find((b) => b.name === name) ?? BANDS[0]

export function rate(b: Band, value: number): Rating {
  return value <= b.good ? 'good' : value <= b.poor ? 'needs_improvement' : 'poor'
}

export function vitalText(b: Band, value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return '–'
  return b.isTime ? seconds(value / 1000) : digits(value)
}

// 0 to 1 on a scale whose thirds are the three bands; the last third ends at twice its beginning, and all beyond stands there.
export function position(b: Band, value: number): number {
  const v = Math.max(0, value)
  if (v <= b.good) return v / b.good / 3
  if (v <= b.poor) return 1 / 3 + (v - b.good) / (b.poor - b.good) / 3
  return 2 / 3 + Math.min(1, (v - b.poor) / b.poor) / 3
}
