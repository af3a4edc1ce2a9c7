// SPDX-License-Identifier: Apache-2.0
// Boards: Grafana dashboard JSON, kept by the server as it came.
import { getJSON, send } from './http'

export interface BoardRow {
  uid: string
  title: string
  tags: string[]
  built_in: boolean
}
interface Answer<T> {
  data: T
}

const at = (uid: string) => `/api/stoa/v1/boards/${encodeURIComponent(uid)}`

// Either the bare document or {status, data}.
const dataOf = <T>(a: unknown): T => ((a as Answer<T>).data !== undefined && (a as { status?: string }).status ? (a as Answer<T>).data : a) as T

export async function boards(signal?: AbortSignal): Promise<BoardRow[]> {
  const a = await getJSON<unknown>('/api/stoa/v1/boards', {}, signal)
  const d = dataOf<BoardRow[] | { boards: BoardRow[] }>(a)
  return Array.isArray(d) ? d : (d.boards ?? [])
}

export async function board(uid: string, signal?: AbortSignal): Promise<unknown> {
  return dataOf<unknown>(await getJSON<unknown>(at(uid), {}, signal))
}

export const putBoard = (uid: string, document: unknown): Promise<unknown> => send('PUT', at(uid), document)
export const deleteBoard = (uid: string): Promise<unknown> => send('DELETE', at(uid))
