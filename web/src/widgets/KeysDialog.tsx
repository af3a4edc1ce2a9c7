// SPDX-License-Identifier: Apache-2.0
import { useEffect, useRef } from 'preact/hooks'
import { W } from '../lib/words'

export function KeysDialog({ onClose }: { onClose: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null)
  useEffect(() => {
    dialog.current?.showModal()
  }, [])
  return (
    <dialog class="keys" ref={dialog} aria-label={W.keys.title} onClose={onClose} onClick={(e) => e.target === dialog.current && onClose()}>
      <h2>{W.keys.title}</h2>
      <dl>
        {W.keys.rows.map(([keys, what]) => (
          <div key={keys}>
            <dt>
              {keys.split('  ').map((k) => (
                <kbd key={k}>{k}</kbd>
              ))}
            </dt>
            <dd>{what}</dd>
          </div>
        ))}
      </dl>
      <button type="button" onClick={onClose}>
        {W.keys.close}
      </button>
    </dialog>
  )
}
