// SPDX-License-Identifier: Apache-2.0
// Who calls whom, counted from spans.
import { getJSON } from './http'

export interface Call {
  parent: string
  child: string
  callCount: number
  errorCount?: number
}

export function calls(startMs: number, endMs: number, signal?: AbortSignal): Promise<Call[]> {
  const params = { endTs: Math.ceil(endMs), lookback: Math.max(1, Math.ceil(endMs - startMs)) }
  return getJSON<Call[]>('/zipkin/api/v2/dependencies', params, signal)
}
