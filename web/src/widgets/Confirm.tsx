// SPDX-License-Identifier: Apache-2.0
// A button that asks once more, in its place, before it does what cannot be taken back.
import { useState } from 'preact/hooks'
import { W } from '../lib/words'

export function Confirm({ name, sure, busy, onSure }: { name: string; sure: string; busy?: boolean; onSure: () => void }) {
  const [asked, setAsked] = useState(false)
  if (!asked)
    return (
      <button type="button" class="quiet" disabled={busy} onClick={() => setAsked(true)}>
        {name}
      </button>
    )
  return (
    <span class="sure">
      <button
        type="button"
        class="quiet bad"
        autofocus
        ref={(b) => b?.focus()}
        onClick={() => {
          setAsked(false)
          onSure()
        }}
      >
        {sure}
      </button>{' '}
      <button type="button" class="quiet" onClick={() => setAsked(false)}>
        {W.cancel}
      </button>
    </span>
  )
}
