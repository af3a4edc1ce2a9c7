// SPDX-License-Identifier: Apache-2.0
// Keys. What was opened last hears first; inside a field only Ctrl-K and Esc are ours.
import { useEffect, useRef, useState } from 'preact/hooks'

export type KeyHandler = (key: string, e: KeyboardEvent) => boolean // true: it was mine
const stack: { current: KeyHandler }[] = []

function inField(e: KeyboardEvent): boolean {
  const t = e.composedPath()[0] as HTMLElement | undefined
  return !!t && (/^(INPUT|TEXTAREA|SELECT)$/.test(t.tagName ?? '') || t.isContentEditable || !!t.closest?.('.cm-content'))
}

function onControl(e: KeyboardEvent): boolean {
  const t = e.composedPath()[0] as HTMLElement | undefined
  return !!t && /^(A|BUTTON|SUMMARY)$/.test(t.tagName ?? '')
}

export function listenKeys(): void {
  window.addEventListener('keydown', (e) => {
    if (e.defaultPrevented) return
    const goAnywhere = (e.ctrlKey || e.metaKey) && e.key.toLowerCase() === 'k'
    if (!goAnywhere && (e.ctrlKey || e.metaKey || e.altKey)) return
    if (!goAnywhere && document.querySelector('dialog[open]')) return
    if (!goAnywhere && inField(e) && e.key !== 'Escape') return
    if (e.key === 'Enter' && onControl(e)) return
    const key = goAnywhere ? 'Ctrl-K' : e.key
    for (let i = stack.length - 1; i >= 0; i--) {
      if (stack[i].current(key, e)) {
        e.preventDefault()
        return
      }
    }
  })
}

// last: hears only what nobody else took.
export function useKeys(handler: KeyHandler, last = false): void {
  const ref = useRef(handler)
  ref.current = handler
  useEffect(() => {
    if (last) stack.unshift(ref)
    else stack.push(ref)
    return () => void stack.splice(stack.indexOf(ref), 1)
  }, [])
}

// j and k over a list whose items carry data-item="N" inside the element given.
export function useListKeys(count: number, open: (i: number) => void, close: () => boolean): { active: number; setActive: (i: number) => void; ref: { current: HTMLElement | null } } {
  const [active, setActive] = useState(-1)
  const ref = useRef<HTMLElement | null>(null)
  const move = (to: number) => {
    const i = Math.max(0, Math.min(count - 1, to))
    setActive(i)
    ref.current?.querySelector(`[data-item="${i}"]`)?.scrollIntoView({ block: 'nearest' })
  }
  useKeys((key) => {
    if (key === 'Escape') {
      if (close()) return true
      if (active < 0) return false
      setActive(-1)
      return true
    }
    if (count === 0) return false
    if (key === 'j' || key === 'ArrowDown') {
      if (key === 'ArrowDown' && active < 0) return false
      move(active + 1)
      return true
    }
    if (key === 'k' || key === 'ArrowUp') {
      if (active < 0) return false
      move(active - 1)
      return true
    }
    if (key === 'Enter' && active >= 0 && active < count) {
      open(active)
      return true
    }
    return false
  })
  return { active, setActive, ref }
}
