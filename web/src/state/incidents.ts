// SPDX-License-Identifier: Apache-2.0
// The open incidents, asked once for the bar and for Home: with each tick of the page, and every half minute besides.
import { useEffect, useReducer } from 'preact/hooks'
import { incidents, type Incident } from '../api/alerts'
import { isStranger, may, useSession } from './session'
import { useTick } from './refresh'

const EVERY_MS = 30000
const LEAST_MS = 1000 // asked again at most that often

let open: Incident[] | undefined
let error: Error | undefined
let askedMs = 0
const listeners = new Set<() => void>()

async function ask(): Promise<void> {
  if (Date.now() - askedMs < LEAST_MS) return
  askedMs = Date.now()
  try {
    open = await incidents('open')
    error = undefined
  } catch (e) {
    error = e as Error
  }
  listeners.forEach((f) => f())
}

export function useOpenIncidents(): { list: Incident[] | undefined; error: Error | undefined } {
  const [, redraw] = useReducer((n: number) => n + 1, 0)
  const tick = useTick()
  const { me } = useSession()
  const allowed = me !== undefined && !isStranger(me) && may(me, 'read')
  useEffect(() => {
    listeners.add(redraw as () => void)
    const timer = setInterval(() => allowed && document.visibilityState === 'visible' && void ask(), EVERY_MS)
    return () => {
      listeners.delete(redraw as () => void)
      clearInterval(timer)
    }
  }, [allowed])
  useEffect(() => {
    if (allowed) void ask()
  }, [tick, allowed])
  return allowed ? { list: open, error } : { list: undefined, error: undefined }
}
