// SPDX-License-Identifier: Apache-2.0
// One GET, one JSON answer. Whatever goes wrong becomes a sentence, the server's own where it gave one.
import { W } from '../lib/words'

export class ServerError extends Error {
  constructor(
    message: string,
    readonly status: number,
  ) {
    super(message)
  }
}

export type Params = Record<string, string | number | undefined | string[]>

export function withParams(path: string, params: Params): string {
  const p = new URLSearchParams()
  for (const [k, v] of Object.entries(params)) {
    if (v === undefined || v === '') continue
    if (Array.isArray(v)) v.forEach((x) => p.append(k, x))
    else p.set(k, String(v))
  }
  const q = p.toString()
  return q ? `${path}?${q}` : path
}

// Prometheus and Loki: {status, error}; Jaeger: {errors: [{msg}]}; else plain text.
function sentenceOf(body: unknown, text: string): string {
  const b = body as { error?: unknown; message?: unknown; errors?: { msg?: unknown }[] } | null
  if (b && typeof b === 'object') {
    if (typeof b.error === 'string') return b.error
    if (Array.isArray(b.errors) && typeof b.errors[0]?.msg === 'string') return b.errors[0].msg
    if (typeof b.message === 'string') return b.message
  }
  return body === undefined && text.length < 2000 && !text.trimStart().startsWith('<') ? text.trim() : ''
}

export async function getJSON<T>(path: string, params: Params = {}, signal?: AbortSignal): Promise<T> {
  let response: Response
  let text: string
  try {
    response = await fetch(withParams(path, params), { signal, headers: { Accept: 'application/json' } })
    text = await response.text()
  } catch (e) {
    if (signal?.aborted) throw e
    throw new ServerError(W.state.serverAway, 0)
  }
  let body: unknown
  try {
    body = JSON.parse(text)
  } catch {
    body = undefined
  }
  const failed = (body as { status?: string } | undefined)?.status === 'error'
  if (!response.ok || failed)
    throw new ServerError(sentenceOf(body, text) || W.state.httpStatus(response.status, path), response.status)
  if (body === undefined) throw new ServerError(W.state.badAnswer(path), response.status)
  return body as T
}
