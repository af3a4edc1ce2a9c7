// SPDX-License-Identifier: Apache-2.0
// What lies above the page and takes the keys: a dialog in the middle, or a drawer at the side. Esc and a click beside it close.
import type { ComponentChildren } from 'preact'
import { useEffect, useRef } from 'preact/hooks'
import { W } from '../lib/words'

export function Dialog(p: { class: string; label: string; onClose: () => void; children: ComponentChildren }) {
  const dialog = useRef<HTMLDialogElement>(null)
  useEffect(() => dialog.current?.showModal(), [])
  return (
    <dialog class={p.class} ref={dialog} aria-label={p.label} onClose={p.onClose} onClick={(e) => e.target === dialog.current && p.onClose()}>
      {p.children}
    </dialog>
  )
}

export function Drawer({ title, onClose, children }: { title: string; onClose: () => void; children: ComponentChildren }) {
  return (
    <Dialog class="drawer" label={title} onClose={onClose}>
      <h2>
        {title}
        <button type="button" class="more quiet" autofocus onClick={onClose}>
          {W.close}
        </button>
      </h2>
      {children}
    </Dialog>
  )
}
