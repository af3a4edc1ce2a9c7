// SPDX-License-Identifier: Apache-2.0
// Log lines, newest first; one may be open and shows all its labels. Only the lines near the window are drawn.
import { useState } from 'preact/hooks'
import { contextOf, type Context, type LogLine } from '../api/loki'
import { here, link } from '../state/address'
import type { ListRef } from '../state/keys'
import { correlationIdOf } from '../lib/exemplars'
import { LOGS_DEFAULT, quote, split } from '../lib/logql'
import { clock, day, msOf, sameDay, stamp, utc } from '../lib/time'
import { cut, safe } from '../lib/text'
import { W } from '../lib/words'
import { memo } from '../widgets/memo'
import { VirtualList } from '../widgets/VirtualList'

const LINE_MAX = 2000
const ROW_PX = 20
const NS_DIGITS = 9
const TRACE_SHORT = 8
const AROUND_MS = 60000

export interface LogListProps {
  lines: LogLine[]
  marks: string[]
  open: string
  active: number
  wrap: boolean
  onOpen: (id: string) => void
  onFilter: (name: string, value: string, not: boolean) => void
}

function Marked({ text, marks }: { text: string; marks: string[] }) {
  return <>{split(text, marks).map((p, i) => (p.hit ? <mark key={i}>{safe(p.text)}</mark> : safe(p.text)))}</>
}

function Copy({ text, label }: { text: string; label: string }) {
  const [done, setDone] = useState(false)
  return (
    <button
      type="button"
      class="quiet"
      onClick={() =>
        navigator.clipboard?.writeText(text).then(() => {
          setDone(true)
          setTimeout(() => setDone(false), 1500)
        })
      }
    >
      {done ? W.logs.copied : label}
    </button>
  )
}

function Neighbour({ line, own }: { line: LogLine; own: boolean }) {
  return (
    <div class={`line ${line.level} ${own ? 'active' : ''}`} aria-current={own}>
      <span class="t" title={utc(msOf(line.ns))}>
        {clock(msOf(line.ns), true)}
      </span>
      <span class="lv">{W.levels[line.level]}</span>
      <span class="tx">{safe(cut(line.text, LINE_MAX))}</span>
    </div>
  )
}

// The lines around this one in its own stream, when they are asked for.
function Around({ line }: { line: LogLine }) {
  const [found, setFound] = useState<Context | Error | null>(null)
  const [busy, setBusy] = useState(false)
  if (found instanceof Error) return <p class="stale">{found.message}</p>
  if (found && found.before.length + found.after.length === 0) return <p class="dim">{W.logs.noContext}</p>
  if (found)
    return (
      <div class="log tight context" role="group" aria-label={W.logs.context}>
        {[...found.before, line, ...found.after].map((l, i) => (
          <Neighbour key={i} line={l} own={i === found.before.length} />
        ))}
      </div>
    )
  const load = () => {
    setBusy(true)
    contextOf(line).then(setFound, (e: Error) => setFound(e))
  }
  return (
    <button type="button" class="quiet" onClick={load} disabled={busy} title={W.logs.contextHint}>
      {W.logs.context}
    </button>
  )
}

function Details({ line, onFilter }: { line: LogLine; onFilter: LogListProps['onFilter'] }) {
  const ms = msOf(line.ns)
  const correlated = correlationIdOf(line.labels, line.text) ?? line.traceId
  const absolute = here({ sel: line.id, from: String(ms - AROUND_MS), to: String(ms + AROUND_MS) })
  return (
    <div class="details">
      {(line.text.length > 100 || line.text.includes('\n')) && <pre class="full">{safe(line.text, true)}</pre>}
      <table>
        <tbody>
          {Object.keys(line.labels)
            .sort()
            .map((k) => (
              <tr key={k}>
                <th scope="row">{safe(k)}</th>
                <td class="break">{safe(line.labels[k], true)}</td>
                <td class="acts">
                  <button type="button" class="quiet" title={W.logs.only(safe(k), safe(line.labels[k]))} onClick={() => onFilter(k, line.labels[k], false)}>
                    {W.logs.onlyShort}
                  </button>
                  <button type="button" class="quiet" title={W.logs.not(safe(k), safe(line.labels[k]))} onClick={() => onFilter(k, line.labels[k], true)}>
                    {W.logs.notShort}
                  </button>
                </td>
              </tr>
            ))}
        </tbody>
      </table>
      <Around line={line} key={line.id} />
      <div class="joins">
        <span class="dim" title={utc(ms)}>
          {stamp(ms)}.{line.ns.slice(-NS_DIGITS)}
        </span>
        {line.traceId && <a href={link(`/trace/${line.traceId}`)}>{W.logs.openTrace(line.traceId.slice(0, TRACE_SHORT) + '…')}</a>}
        {correlated && (
          <a href={link(`/correlate/${encodeURIComponent(correlated)}`)} title={safe(correlated)}>
            {W.correlate.everything}
          </a>
        )}
        <a href={link('/logs', { q: line.labels.service_name ? `{service_name=${quote(line.labels.service_name)}}` : LOGS_DEFAULT, from: String(ms - AROUND_MS), to: String(ms + AROUND_MS), sel: line.id })}>
          {W.logs.around}
        </a>
        <span class="spring" />
        <Copy text={line.text} label={W.logs.copyLine} />
        <Copy text={location.origin + absolute} label={W.logs.copyLink} />
      </div>
    </div>
  )
}

interface RowProps {
  line: LogLine
  marks: string[]
  open: boolean
  active: boolean
  onOpen: (id: string) => void
  onFilter: LogListProps['onFilter']
}

const Row = memo(function Row({ line, marks, open, active, onOpen, onFilter }: RowProps) {
  const ms = msOf(line.ns)
  const today = sameDay(ms, Date.now())
  return (
    <div class={`entry ${open ? 'open' : ''}`} data-id={line.id}>
      <div
        class={`line ${line.level} ${active ? 'active' : ''}`}
        role="button"
        tabIndex={-1}
        aria-expanded={open}
        title={W.logs.expand}
        onClick={(e) => {
          if (!getSelection()?.toString() && !(e.target as Element).closest('a')) onOpen(line.id)
        }}
      >
        <span class="t" title={utc(ms)}>
          {today ? clock(ms, true) : `${day(ms)} ${clock(ms)}`}
        </span>
        <span class="lv">{W.levels[line.level]}</span>
        <span class="sv" title={safe(line.labels.service_name ?? '')}>
          {safe(line.labels.service_name ?? '')}
        </span>
        <span class="tx">
          <Marked text={cut(line.text, LINE_MAX)} marks={marks} />
        </span>
        {line.traceId && (
          <a class="tr" href={link(`/trace/${line.traceId}`)}>
            {W.logs.trace}
          </a>
        )}
      </div>
      {open && <Details line={line} onFilter={onFilter} />}
    </div>
  )
})

const idOf = (l: LogLine) => l.id

export function LogList(p: LogListProps & { listRef: ListRef }) {
  return (
    <VirtualList items={p.lines} keyOf={idOf} rowPx={ROW_PX} listRef={p.listRef} label={W.logs.newestFirst} class={`log list ${p.wrap ? 'wrap' : ''}`}>
      {(l, i) => <Row line={l} marks={p.marks} open={l.id === p.open} active={i === p.active} onOpen={p.onOpen} onFilter={p.onFilter} />}
    </VirtualList>
  )
}
