// SPDX-License-Identifier: Apache-2.0
// A long list of which only the rows near the window are in the document. Rows may differ in height and change it:
// a row counts as much as the usual row until it was drawn once, then as what was measured. The window scrolls, not the list.
import type { ComponentChildren } from 'preact'
import { useEffect, useLayoutEffect, useMemo, useReducer, useRef, useState } from 'preact/hooks'
import type { ListRef } from '../state/keys'

const BEYOND_PX = 400 // drawn above and below the window
const MARGIN_PX = 56 // kept free at the top: the bar sticks there

// Where each row begins; one more entry for the end of the last.
export function offsetsOf(keys: string[], heights: ReadonlyMap<string, number>, rowPx: number): Float64Array {
  const out = new Float64Array(keys.length + 1)
  for (let i = 0; i < keys.length; i++) out[i + 1] = out[i] + (heights.get(keys[i]) ?? rowPx)
  return out
}

// The index of the row at y: the last that begins at or before it.
export function rowAt(offsets: Float64Array, y: number): number {
  let lo = 0
  let hi = Math.max(0, offsets.length - 2)
  while (lo < hi) {
    const mid = (lo + hi + 1) >> 1
    if (offsets[mid] <= y) lo = mid
    else hi = mid - 1
  }
  return lo
}

export interface VirtualListProps<T> {
  items: T[]
  keyOf: (item: T) => string // tells the items of a list apart, for as long as they are the same
  rowPx: number // the usual height, until rows were measured
  listRef: ListRef // of useListKeys, or a useRef: gets the element, and show()
  label: string
  class?: string
  children: (item: T, index: number) => ComponentChildren
}

export function VirtualList<T>(p: VirtualListProps<T>) {
  const heights = useRef(new Map<string, number>())
  const width = useRef(0)
  const usual = useRef(p.rowPx)
  const [version, remeasured] = useReducer((n: number) => n + 1, 0)
  const [range, setRange] = useState({ first: 0, last: 0 })
  const keys = useMemo(() => p.items.map(p.keyOf), [p.items])
  const offsets = useMemo(() => offsetsOf(keys, heights.current, usual.current), [keys, version])
  const live = useRef({ keys, offsets })
  live.current = { keys, offsets }

  const look = () => {
    const box = p.listRef.current
    if (!box) return
    const { offsets: at } = live.current
    const top = box.getBoundingClientRect().top
    const first = rowAt(at, -top - BEYOND_PX)
    const last = Math.min(at.length - 1, rowAt(at, innerHeight - top + BEYOND_PX) + 1)
    setRange((r) => (r.first === first && r.last === last ? r : { first, last }))
  }
  const measure = () => {
    const box = p.listRef.current
    if (!box) return
    // Another width breaks lines elsewhere: what was measured is worth nothing.
    if (box.clientWidth !== width.current) heights.current.clear()
    width.current = box.clientWidth
    const first = heights.current.size === 0
    const drawn: number[] = []
    let changed = false
    for (const row of box.querySelectorAll<HTMLElement>(':scope > [data-item]')) {
      const key = live.current.keys[Number(row.dataset.item)]
      if (key === undefined) continue
      const px = row.getBoundingClientRect().height
      drawn.push(px)
      if (Math.abs((heights.current.get(key) ?? -1) - px) < 0.5) continue
      heights.current.set(key, px)
      changed = true
    }
    // The first rows drawn at this width say what is usual: their median.
    if (first && drawn.length > 0) usual.current = drawn.sort((x, y) => x - y)[drawn.length >> 1]
    if (changed) remeasured(0)
  }
  useLayoutEffect(() => {
    measure()
    look()
  })
  useEffect(() => {
    const box = p.listRef.current!
    const watch = new ResizeObserver(() => {
      measure()
      look()
    })
    watch.observe(box)
    addEventListener('scroll', look, { passive: true })
    addEventListener('resize', look)
    const show: ListRef['show'] = (i, block = 'nearest') => {
      const { offsets: at } = live.current
      const top = box.getBoundingClientRect().top + at[i]
      const bottom = top + at[i + 1] - at[i]
      if (block === 'center') scrollBy(0, (top + bottom - innerHeight) / 2)
      else if (top < MARGIN_PX) scrollBy(0, top - MARGIN_PX)
      else if (bottom > innerHeight) scrollBy(0, bottom - innerHeight)
      // Rows on the way may turn out higher than thought: once drawn, the row's own place decides.
      look()
      requestAnimationFrame(() => box.querySelector(`[data-item="${i}"]`)?.scrollIntoView({ block }))
    }
    p.listRef.show = show
    return () => {
      watch.disconnect()
      removeEventListener('scroll', look)
      removeEventListener('resize', look)
      if (p.listRef.show === show) p.listRef.show = undefined
    }
  }, [])

  // Fewer items than at the last look: draw what there is until the next.
  const last = Math.min(range.last, keys.length)
  const first = Math.min(range.first, last)
  return (
    <div class={p.class} ref={p.listRef as never} role="list" aria-label={p.label}>
      <div style={{ height: `${offsets[first]}px` }} />
      {p.items.slice(first, last).map((item, n) => (
        <div key={keys[first + n]} class="vrow" data-item={first + n} role="listitem" aria-posinset={first + n + 1} aria-setsize={keys.length}>
          {p.children(item, first + n)}
        </div>
      ))}
      <div style={{ height: `${offsets[keys.length] - offsets[last]}px` }} />
    </div>
  )
}
