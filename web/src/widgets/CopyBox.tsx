// SPDX-License-Identifier: Apache-2.0
// A text to take along: configuration, a command, a token.
import { useState } from 'preact/hooks'
import { safe } from '../lib/text'
import { W } from '../lib/words'

const SAID_MS = 1500

export function CopyBox({ text, label }: { text: string; label?: string }) {
  const [said, setSaid] = useState(false)
  const copy = () =>
    navigator.clipboard?.writeText(text).then(
      () => {
        setSaid(true)
        setTimeout(() => setSaid(false), SAID_MS)
      },
      () => undefined, // the text can be selected by hand
    )
  return (
    <div class="copy-box">
      <code class={`command block ${text.includes('\n') ? 'lines' : ''}`}>{safe(text, true)}</code>
      <button type="button" class="quiet" aria-label={label ? `${W.copy}: ${label}` : W.copy} onClick={copy}>
        {said ? W.copied : W.copy}
      </button>
    </div>
  )
}
