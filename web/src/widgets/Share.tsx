// SPDX-License-Identifier: Apache-2.0
// A part of a whole as a bar; several parts beside each other.
import type { ComponentChildren } from 'preact'

export function ShareBar({ share, tone, label }: { share: number; tone?: string; label?: string }) {
  const width = Math.max(0, Math.min(1, share)) * 100
  return (
    <span class="share" role="img" aria-label={label}>
      <i class={tone ?? 'c1'} style={{ width: `${share > 0 ? Math.max(0.5, width) : 0}%` }} />
    </span>
  )
}

export interface Part {
  key: string
  share: number
  tone: string
  title: string
}

export function PartsBar({ parts, children }: { parts: Part[]; children?: ComponentChildren }) {
  const shown = parts.filter((p) => p.share > 0)
  return (
    <span class="share parts" role="img" aria-label={shown.map((p) => p.title).join(', ')}>
      {shown.map((p) => (
        <i key={p.key} class={p.tone} title={p.title} style={{ width: `${p.share * 100}%` }} />
      ))}
      {children}
    </span>
  )
}
