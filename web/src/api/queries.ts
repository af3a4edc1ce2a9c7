// SPDX-License-Identifier: Apache-2.0
// Queries that run now and the slowest of the last day, with what they cost.
import { getJSON, send } from './http'

export interface Query {
  id: number
  query: string
  startTime: string
  seconds: number
  httpRequest: { clientIP: string; method: string; path: string }
  user: string
  tenants: string
  dialect?: string // this and what follows: once it ended
  status?: string
  error?: string
  samplesRead?: number
  rowsRead?: number
  bytesRead?: number
}
export interface Queries {
  limits: { max_samples: number; timeout_seconds: number; max_concurrency: number }
  running: Query[]
  slowest: Query[]
}

export const queries = async (signal?: AbortSignal): Promise<Queries> => (await getJSON<{ data: Queries }>('/api/stoa/v1/queries', {}, signal)).data

export const endQuery = (id: number): Promise<void> => send<void>('DELETE', `/api/stoa/v1/queries/${id}`)
