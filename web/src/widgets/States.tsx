// SPDX-License-Identifier: Apache-2.0
// Honest states: loading, empty, error, stale.
import type { ComponentChildren } from 'preact'
import type { Fetched } from '../state/fetch'
import { refreshNow } from '../state/refresh'
import { durationText } from '../lib/time'
import { safe } from '../lib/text'
import { W } from '../lib/words'

export function Skeleton({ rows = 3 }: { rows?: number }) {
  return (
    <div class="skeleton" role="status" aria-label={W.state.loading}>
      {Array.from({ length: rows }, (_, i) => (
        <span key={i} class={`bone bone-${i % 3}`} />
      ))}
    </div>
  )
}

export function Empty({ why, command, hint }: { why: string; command?: string; hint?: string }) {
  return (
    <div class="empty">
      <p>{why}</p>
      {hint && <p class="dim">{hint}</p>}
      {command && <code class="command">{command}</code>}
    </div>
  )
}

export function ErrorBox({ error }: { error: Error }) {
  return (
    <div class="failure" role="alert">
      <span class="sign" aria-hidden="true">
        ✕
      </span>
      <span class="mono">{safe(error.message, true)}</span>
      <button type="button" class="quiet" onClick={refreshNow}>
        {W.state.retry}
      </button>
    </div>
  )
}

export function Notes({ notes, kind }: { notes: string[]; kind: 'warning' | 'info' }) {
  if (notes.length === 0) return null
  return (
    <ul class={`notes ${kind}`}>
      {notes.map((n) => (
        <li key={n}>
          <b>{kind === 'warning' ? W.metrics.warning : W.metrics.info}</b> {safe(n)}
        </li>
      ))}
    </ul>
  )
}

// Chooses among the states of fetched data; `children` draws the data.
export function Fetch<T>(props: {
  of: Fetched<T>
  rows?: number
  isEmpty?: (data: T) => boolean
  empty?: ComponentChildren
  children: (data: T) => ComponentChildren
}) {
  const { data, error, slow, atMs } = props.of
  if (data === undefined) return error ? <ErrorBox error={error} /> : slow ? <Skeleton rows={props.rows} /> : <div class={`waiting rows-${props.rows ?? 3}`} />
  return (
    <>
      {error && (
        <div class="stale">
          {W.state.stale(durationText(Date.now() - atMs))} <span class="mono">{safe(error.message)}</span>
        </div>
      )}
      {props.isEmpty?.(data) ? props.empty : props.children(data)}
    </>
  )
}
