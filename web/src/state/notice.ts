// SPDX-License-Identifier: Apache-2.0
// What many parts of the page read: each that read it is drawn anew when it changes.
import { useLayoutEffect, useReducer } from 'preact/hooks'

export interface Notice {
  tell: () => void
  use: () => void
}

export function notice(): Notice {
  let version = 0
  const listeners = new Set<() => void>()
  return {
    tell() {
      version++
      listeners.forEach((f) => f())
    },
    use() {
      const [, redraw] = useReducer((n: number) => n + 1, 0)
      const drawn = version
      useLayoutEffect(() => {
        const listener = redraw as () => void
        listeners.add(listener)
        // It changed between the drawing and here, when nobody listened.
        if (version !== drawn) listener()
        return () => void listeners.delete(listener)
      }, [])
    },
  }
}
