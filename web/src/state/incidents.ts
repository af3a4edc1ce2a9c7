// SPDX-License-Identifier: Apache-2.0
// The open incidents, asked once for the bar and for Home: with each tick of the page, and every half minute besides.
import { useEffect } from 'preact/hooks'
import { incidents, type Incident } from '../api/alerts'
import { notice } from './notice'
import { isStranger, may, useSession } from './session'
import { useTick } from './refresh'

const EVERY_MS = 30000
const LEAST_MS = 1000 // asked again at most that often

let open: Incident[] | undefined
let error: Error | undefined
let askedMs = 0
const answered = notice()

async function ask(): Promise<void> {
  if (Date.now() - askedMs < LEAST_MS) return
  askedMs = Date.now()
  try {
    open = await incidents('open')
    error = undefined
  } catch (e) {
    error = e as Error
  }
  answered.tell()
}

export function useOpenIncidents(): { list: Incident[] | undefined; error: Error | undefined } {
  answered.use()
  const tick = useTick()
  const { me } = useSession()
  const allowed = me !== undefined && !isStranger(me) && may(me, 'read')
  useEffect(() => {
    const timer = setInterval(() => allowed && document.visibilityState === 'visible' && void ask(), EVERY_MS)
    return () => clearInterval(timer)
  }, [allowed])
  useEffect(() => {
    if (allowed) void ask()
  }, [tick, allowed])
  return allowed ? { list: open, error } : { list: undefined, error: undefined }
}
