// SPDX-License-Identifier: Apache-2.0
// A panel: a title, what it is about, something at the right, and the content.
import type { ComponentChildren } from 'preact'

export interface CardProps {
  name: string // data-panel, for tests and style
  title?: ComponentChildren
  note?: ComponentChildren // small, beside the title
  aside?: ComponentChildren // at the right end of the title's line
  tone?: 'warn' | 'bad' // a coloured left edge
  busy?: boolean
  class?: string
  children: ComponentChildren
}

export function Card({ name, title, note, aside, tone, busy, class: more, children }: CardProps) {
  return (
    <section class={['card', more, tone && `edge ${tone}`].filter(Boolean).join(' ')} data-panel={name} aria-busy={busy}>
      {title !== undefined && (
        <h2>
          {title} {note && <small>{note}</small>}
          {aside && <span class="more">{aside}</span>}
        </h2>
      )}
      {children}
    </section>
  )
}
