// SPDX-License-Identifier: Apache-2.0
// One beat for the page: by hand or every few seconds, and none while nobody looks.
import { useEffect, useReducer } from 'preact/hooks'

export const INTERVALS: Record<string, number> = { off: 0, '5s': 5000, '10s': 10000, '30s': 30000, '1m': 60000, '5m': 300000 }

let tick = 0
let timer = 0
let everyMs = 0
const listeners = new Set<() => void>()

export function refreshNow(): void {
  tick++
  listeners.forEach((f) => f())
}

export function refreshEvery(ms: number): void {
  if (ms === everyMs) return
  everyMs = ms
  clearInterval(timer)
  if (ms > 0) timer = window.setInterval(() => document.visibilityState === 'visible' && refreshNow(), ms)
}

document.addEventListener('visibilitychange', () => {
  if (document.visibilityState === 'visible' && everyMs > 0) refreshNow()
})

export function useTick(): number {
  const [, redraw] = useReducer((n: number) => n + 1, 0)
  useEffect(() => {
    listeners.add(redraw as () => void)
    return () => void listeners.delete(redraw as () => void)
  }, [])
  return tick
}
