// SPDX-License-Identifier: Apache-2.0
// What is on disk, what it costs, and taking things out of it by a field's value.
import { getJSON, send } from './http'

export const STORAGES = ['local', 'cloud', 'archive'] as const
export type Storage = (typeof STORAGES)[number]

export interface CostClass {
  name: string
  retention_days: number
  storage: Storage
  cost_per_gb: number
  bytes: number
  rows: number
  parts?: number
  bytes_by_storage?: Partial<Record<Storage, number>>
  cost_month: number
  oldest_ms: number
}
export interface CostService {
  service: string
  signal: string
  class: string
  bytes: number
  rows?: number
  cost_month: number
}
export interface Cost {
  currency: string
  classes: CostClass[]
  services: CostService[]
  total_month: number
  days: { day: string; bytes: number; rows: number }[]
  growth_bytes_day: number
  notes: string[]
}

export interface EraseWish {
  field: string
  value: string
  start?: string
  end?: string
}
export interface EraseAnswer {
  count: number
  counts?: Record<string, number>
  id: string
}
export interface EraseRow {
  id: string
  field: string
  count: number
  start_ms: number
  end_ms: number
  made_ms: number
  state: 'pending' | 'applied'
  pending_parts: number
  pending_bytes: number
}

export async function cost(signal?: AbortSignal): Promise<Cost> {
  const a = await getJSON<Partial<Cost>>('/api/stoa/v1/cost', {}, signal)
  return {
    currency: a.currency ?? '$',
    classes: a.classes ?? [],
    services: a.services ?? [],
    total_month: a.total_month ?? 0,
    days: a.days ?? [],
    growth_bytes_day: a.growth_bytes_day ?? 0,
    notes: a.notes ?? [],
  }
}

export const countErase = (w: EraseWish) => send<EraseAnswer>('POST', '/api/stoa/v1/erase', { ...w, dry_run: true })
export const doErase = (w: EraseWish) => send<EraseAnswer>('POST', '/api/stoa/v1/erase', { ...w, dry_run: false })

export async function erases(signal?: AbortSignal): Promise<EraseRow[]> {
  return (await getJSON<{ erases: EraseRow[] | null }>('/api/stoa/v1/erases', {}, signal)).erases ?? []
}
