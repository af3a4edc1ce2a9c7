// SPDX-License-Identifier: Apache-2.0
// Lines of a query as they come in, over a websocket. A connection that breaks is made anew and asks for what it missed.
import { linesOf, type Asked, type LogLine, type StreamItem } from './loki'

const PAST_LINES = 100
const AGAIN_LINES = 5000 // the most that may be asked for after a break
const AGAIN_MS = 2000

interface Message {
  streams: StreamItem[]
  dropped?: number
}

export type TailState = 'connecting' | 'live' | 'broken'

export interface TailEvents {
  lines: (lines: LogLine[]) => void // in any order
  dropped: (count: number) => void // left out because more came than could be shown
  state: (s: TailState) => void
}

export function followLines(asked: Asked, on: TailEvents): () => void {
  let socket: WebSocket | null = null
  let timer = 0
  let over = false
  let newest = '' // ns of the newest line
  let seen = new Set<string>() // ids of that instant

  const note = (lines: LogLine[]) => {
    for (const l of lines) {
      const order = newest === '' ? 1 : Number(BigInt(l.ns) - BigInt(newest) > 0n) - Number(BigInt(l.ns) - BigInt(newest) < 0n)
      if (order > 0) {
        newest = l.ns
        seen = new Set()
      }
      if (order >= 0) seen.add(l.id)
    }
  }
  const connect = () => {
    const again = newest !== ''
    const before = seen
    let first = again
    const url = new URL('/loki/api/v1/tail', location.href)
    url.protocol = location.protocol === 'https:' ? 'wss:' : 'ws:'
    if (typeof asked === 'string') url.searchParams.set('query', asked)
    else url.searchParams.set('search', asked.search)
    url.searchParams.set('limit', String(again ? AGAIN_LINES : PAST_LINES))
    if (again) url.searchParams.set('start', newest)
    on.state('connecting')
    socket = new WebSocket(url)
    socket.onopen = () => on.state('live')
    socket.onmessage = (e) => {
      const m = JSON.parse(String(e.data)) as Message
      let lines = linesOf(m.streams)
      if (first) lines = lines.filter((l) => !before.has(l.id))
      first = false
      note(lines)
      if (lines.length > 0) on.lines(lines)
      if (m.dropped) on.dropped(m.dropped)
    }
    socket.onclose = () => {
      if (over) return
      on.state('broken')
      timer = window.setTimeout(connect, AGAIN_MS)
    }
  }
  connect()
  return () => {
    over = true
    clearTimeout(timer)
    socket?.close()
  }
}
