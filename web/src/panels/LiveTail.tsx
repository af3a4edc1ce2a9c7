// SPDX-License-Identifier: Apache-2.0
// Lines as they come in, newest first. Paused, what comes waits above the list and is counted.
import { useCallback, useEffect, useMemo, useRef, useState } from 'preact/hooks'
import { askedKey, newer, type Asked, type LogLine } from '../api/loki'
import { followLines, type TailState } from '../api/tail'
import { useListKeys } from '../state/keys'
import { searched, wanted } from '../lib/logql'
import { count } from '../lib/units'
import { W } from '../lib/words'
import { Card } from '../widgets/Card'
import { Empty } from '../widgets/States'
import { LogList } from './LogList'

const SHOWN_MAX = 2000
const WAITING_MAX = 5000
const DRAW_MS = 200 // a fast log is drawn in steps, not line by line

interface Props {
  asked: Asked
  wrap: boolean
  onFilter: (name: string, value: string, not: boolean, parser?: string) => void
}

function useTail(asked: Asked, paused: boolean) {
  const [lines, setLines] = useState<LogLine[]>([])
  const [waiting, setWaiting] = useState(0)
  const [missed, setMissed] = useState(0)
  const [state, setState] = useState<TailState>('connecting')
  const came = useRef<LogLine[]>([])
  const held = useRef(paused)
  held.current = paused
  useEffect(() => {
    came.current = []
    setLines([])
    setMissed(0)
    const stop = followLines(asked, {
      lines: (l) => {
        came.current.push(...l)
        const over = came.current.length - WAITING_MAX
        if (over > 0) {
          came.current.splice(0, over)
          setMissed((n) => n + over)
        }
      },
      dropped: (n) => setMissed((m) => m + n),
      state: setState,
    })
    const timer = setInterval(() => {
      setWaiting(held.current ? came.current.length : 0)
      if (held.current || came.current.length === 0) return
      const fresh = came.current
      came.current = []
      setLines((old) => {
        const ids = new Set(old.map((l) => l.id))
        for (const l of fresh) {
          while (ids.has(l.id)) l.id += '+' // an equal line of the same instant is one more line
          ids.add(l.id)
        }
        return [...fresh, ...old].sort(newer).slice(0, SHOWN_MAX)
      })
    }, DRAW_MS)
    return () => {
      stop()
      clearInterval(timer)
    }
  }, [askedKey(asked)])
  return { lines, waiting, missed, state }
}

export function LiveTail({ asked, wrap, onFilter }: Props) {
  const [paused, setPaused] = useState(false)
  const { lines, waiting, missed, state } = useTail(asked, paused)
  const [open, setOpen] = useState('')
  const marks = useMemo(() => (typeof asked === 'string' ? wanted(asked) : searched(asked.search)), [askedKey(asked)])
  const onOpen = useCallback((id: string) => {
    setOpen((o) => (o === id ? '' : id))
    setPaused(true) // who reads a line does not want it to run away
  }, [])
  const keys = useListKeys(
    useMemo(() => lines.map((l) => l.id), [lines]),
    (i) => onOpen(lines[i].id),
    () => {
      if (!open) return false
      setOpen('')
      return true
    },
  )
  return (
    <Card
      name="live"
      class="lines"
      title={W.logs.live}
      note={`${W.logs.liveState[state]}${lines.length > 0 ? ` · ${W.logs.liveShown(count(lines.length))}` : ''}`}
      aside={
        <button type="button" class={`chip ${paused ? 'on' : ''}`} aria-pressed={paused} onClick={() => setPaused(!paused)}>
          {paused ? W.logs.liveResume(waiting) : W.logs.livePause}
        </button>
      }
    >
      {missed > 0 && <p class="stale">{W.logs.liveMissed(count(missed))}</p>}
      {lines.length === 0 ? (
        <Empty why={W.logs.liveEmpty} />
      ) : (
        <LogList lines={lines} marks={marks} open={open} active={keys.active} wrap={wrap} onOpen={onOpen} onFilter={onFilter} listRef={keys.ref} />
      )}
    </Card>
  )
}
