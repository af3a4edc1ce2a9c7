// SPDX-License-Identifier: Apache-2.0
// Keys. What was opened last hears first; inside a field only Ctrl-K and Esc are ours.
import { useLayoutEffect, useRef, useState } from 'preact/hooks'

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
  // Before what was drawn is seen: a key that is pressed as it appears is heard.
  useLayoutEffect(() => {
    if (last) stack.unshift(ref)
    else stack.push(ref)
    return () => void stack.splice(stack.indexOf(ref), 1)
  }, [])
}

// The element of a list, and how to bring a row into view where rows come and go (VirtualList sets it).
export interface ListRef {
  current: HTMLElement | null
  show?: (i: number, block?: 'nearest' | 'center') => void
}

export interface ListKeys {
  active: number // -1: none
  ref: ListRef
}

// j and k over a list whose rows carry data-item="N" inside the element of `ref`. What is active is known by its key:
// it stays when rows come before it.
export function useListKeys(keys: string[], open: (i: number) => void, close: () => boolean = () => false): ListKeys {
  const [key, setKey] = useState<string | null>(null)
  const ref = useRef<HTMLElement | null>(null) as ListRef
  const active = key === null ? -1 : keys.indexOf(key)
  const move = (to: number) => {
    const i = Math.max(0, Math.min(keys.length - 1, to))
    setKey(keys[i])
    if (ref.show) ref.show(i)
    else ref.current?.querySelector(`[data-item="${i}"]`)?.scrollIntoView({ block: 'nearest' })
  }
  useKeys((pressed) => {
    if (pressed === 'Escape') {
      if (close()) return true
      if (active < 0) return false
      setKey(null)
      return true
    }
    if (keys.length === 0) return false
    if (pressed === 'j' || (pressed === 'ArrowDown' && active >= 0)) {
      move(active + 1)
      return true
    }
    if ((pressed === 'k' || pressed === 'ArrowUp') && active >= 0) {
      move(active - 1)
      return true
    }
    if (pressed === 'Enter' && active >= 0) {
      open(active)
      return true
    }
    return false
  })
  return { active, ref }
}
