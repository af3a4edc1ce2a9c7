// SPDX-License-Identifier: Apache-2.0
// Something a person does: busy while it goes on, the server's sentence when it fails, everything asked anew when it is done.
import { useEffect, useRef, useState } from 'preact/hooks'
import { refreshNow } from './refresh'

export interface Act {
  busy: boolean
  error: string
  run: <T>(what: () => Promise<T>, done?: (result: T) => void) => void
  fail: (sentence: string) => void
}

export function useAct(refresh = true): Act {
  const [state, set] = useState({ busy: false, error: '' })
  const there = useRef(true)
  useEffect(() => () => void (there.current = false), [])
  return {
    ...state,
    fail: (error) => set({ busy: false, error }),
    run: (what, done) => {
      set({ busy: true, error: '' })
      what().then(
        (result) => {
          if (there.current) set({ busy: false, error: '' })
          done?.(result)
          if (refresh) refreshNow()
        },
        (e: Error) => there.current && set({ busy: false, error: e.message }),
      )
    },
  }
}
