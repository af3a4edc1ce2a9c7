// SPDX-License-Identifier: Apache-2.0
// One request, one JSON answer. Whatever goes wrong becomes a sentence, the server's own where it gave one.
import { W } from '../lib/words'

const UNAUTHORIZED = 401

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

// Prometheus and Loki: {status, error}; Jaeger: {errors: [{msg}]}; Alertmanager: a JSON text; else plain text.
function sentenceOf(body: unknown, text: string): string {
  if (typeof body === 'string') return body
  const b = body as { error?: unknown; message?: unknown; errors?: { msg?: unknown }[] } | null
  if (b && typeof b === 'object') {
    if (typeof b.error === 'string') return b.error
    if (Array.isArray(b.errors) && typeof b.errors[0]?.msg === 'string') return b.errors[0].msg
    if (typeof b.message === 'string') return b.message
  }
  return body === undefined && text.length < 2000 && !text.trimStart().startsWith('<') ? text.trim() : ''
}

// Who wants to know that the server asks who we are.
let refused: () => void = () => {}
export function whenRefused(tell: () => void): void {
  refused = tell
}

type Heard = (response: Response) => void

async function ask<T>(path: string, init: RequestInit, heard?: Heard): Promise<T> {
  let response: Response
  let text: string
  try {
    response = await fetch(path, { ...init, headers: { Accept: 'application/json', ...init.headers } })
    text = await response.text()
  } catch (e) {
    if (init.signal?.aborted) throw e
    throw new ServerError(W.state.serverAway, 0)
  }
  heard?.(response)
  let body: unknown
  try {
    body = JSON.parse(text)
  } catch {
    body = undefined
  }
  const failed = (body as { status?: string } | null | undefined)?.status === 'error'
  if (!response.ok || failed) {
    if (response.status === UNAUTHORIZED) refused()
    throw new ServerError(sentenceOf(body, text) || W.state.httpStatus(response.status, path.split('?')[0]), response.status)
  }
  if (body === undefined && (!init.method || text.trim())) throw new ServerError(W.state.badAnswer(path.split('?')[0]), response.status)
  return body as T
}

// heard: for what an answer says beside its body.
export function getJSON<T>(path: string, params: Params = {}, signal?: AbortSignal, headers?: Record<string, string>, heard?: Heard): Promise<T> {
  return ask<T>(withParams(path, params), { signal, headers }, heard)
}

// A change: what is sent goes as JSON, a text as it is. An empty answer is undefined.
export function send<T = unknown>(method: 'POST' | 'PUT' | 'DELETE', path: string, body?: unknown): Promise<T> {
  if (body === undefined) return ask<T>(path, { method })
  const isText = typeof body === 'string'
  return ask<T>(path, { method, body: isText ? body : JSON.stringify(body), headers: { 'Content-Type': isText ? 'text/plain; charset=utf-8' : 'application/json' } })
}

// An answer that is no JSON: a file to take along.
export async function getText(path: string, params: Params = {}, signal?: AbortSignal): Promise<string> {
  let response: Response
  try {
    response = await fetch(withParams(path, params), { signal })
  } catch (e) {
    if (signal?.aborted) throw e
    throw new ServerError(W.state.serverAway, 0)
  }
  const text = await response.text()
  if (response.ok) return text
  if (response.status === UNAUTHORIZED) refused()
  throw new ServerError(W.state.httpStatus(response.status, path), response.status)
}
