// SPDX-License-Identifier: Apache-2.0
// One beat for the page: by hand or every few seconds, and none while nobody looks.
import { notice } from './notice'

export const INTERVALS: Record<string, number> = { off: 0, '5s': 5000, '10s': 10000, '30s': 30000, '1m': 60000, '5m': 300000 }

let tick = 0
let timer = 0
let everyMs = 0
const ticked = notice()

export function refreshNow(): void {
  tick++
  ticked.tell()
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
  ticked.use()
  return tick
}
