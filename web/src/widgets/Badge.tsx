// SPDX-License-Identifier: Apache-2.0
// A state by shape and colour, and by a word unless it is the quiet one. Colour never says it alone.
import type { ComponentChildren } from 'preact'

export type State = 'ok' | 'warn' | 'bad' | 'idle'

export function Badge({ state, word, children }: { state: State; word: string; children?: ComponentChildren }) {
  return (
    <>
      <span class={`mark ${state}`} role="img" aria-label={word} title={word} />
      {children}
      {state !== 'ok' && <span class={`word ${state}`}> {word}</span>}
    </>
  )
}
