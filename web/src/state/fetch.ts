// SPDX-License-Identifier: Apache-2.0
// Data of a panel. Earlier results stay until new ones are there; a failure keeps them and says their age.
import { useEffect, useRef, useState } from 'preact/hooks'

export const SKELETON_AFTER_MS = 150

export interface Fetched<T> {
  data: T | undefined
  key: string | null // of the data
  error: Error | undefined
  busy: boolean
  slow: boolean // busy for longer than a blink, and nothing to show
  atMs: number // when the data came
}

const NONE = { data: undefined, key: null, error: undefined, busy: false, slow: false, atMs: 0 }

// key null: nothing to ask. The same key with another tick asks again.
export function useFetch<T>(key: string | null, tick: number, ask: (signal: AbortSignal) => Promise<T>): Fetched<T> {
  const [state, set] = useState<Fetched<T>>(key === null ? NONE : { ...NONE, busy: true })
  const asking = useRef(ask)
  asking.current = ask
  useEffect(() => {
    if (key === null) {
      set(NONE)
      return
    }
    const stop = new AbortController()
    set((s) => ({ ...s, busy: true, slow: false }))
    const timer = setTimeout(() => set((s) => ({ ...s, slow: s.data === undefined && s.error === undefined })), SKELETON_AFTER_MS)
    asking.current(stop.signal).then(
      (data) => !stop.signal.aborted && set({ data, key, error: undefined, busy: false, slow: false, atMs: Date.now() }),
      (error: Error) =>
        !stop.signal.aborted &&
        set((s) => (s.key === key ? { ...s, error, busy: false, slow: false } : { ...NONE, error })),
    ).finally(() => clearTimeout(timer))
    return () => {
      clearTimeout(timer)
      stop.abort()
    }
  }, [key, tick])
  return state
}
