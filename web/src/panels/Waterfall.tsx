// SPDX-License-Identifier: Apache-2.0
// A trace as a waterfall: the tree at the left, time to the right, one span open with all it carries. Only the rows near the window are drawn.
import { useEffect, useMemo, useRef } from 'preact/hooks'
import { queryLines, type LogLine } from '../api/loki'
import { change, link, useAddress, go } from '../state/address'
import { useFetch } from '../state/fetch'
import { useKeys, useListKeys } from '../state/keys'
import { criticalPath, piecesByKey, shares, type Piece } from '../lib/critical'
import { linesBySpan, rowsOf, foldOf, partOf, partText, type Lines, type Row } from '../lib/waterfall'
import { traceQuery } from '../lib/logql'
import type { Node, Tag, TraceView } from '../lib/trace'
import { endOf } from '../lib/tree'
import { clock, msOf, nsOf, utc } from '../lib/time'
import { cut, safe } from '../lib/text'
import { percent, seconds } from '../lib/units'
import { W } from '../lib/words'
import { VirtualList } from '../widgets/VirtualList'
import { Minimap, type Part } from './Minimap'
import { signed, SpanDetails } from './SpanDetails'

const ROW_PX = 22
const INDENT_PX = 14
const INDENT_MAX = 12
const TICKS = 4
const COLOURS = 6
const BAR_MIN_PERCENT = 0.3
const EVENTS_MAX = 200 // marks of one span
const NAME_MAX = 300
const LINE_MAX = 1000
const LOGS_AROUND_MS = 5 * 60000
const LINES_MAX = 1000
const LINES_CALM = 40 // more lines than these: only the bad ones, unless asked
const SHARES_SHOWN = 5
const PIECE_LEAST = 0.001 // of the shown time: smaller gaps of the path are closed

interface Win {
  from: number // µs since 1970
  to: number
}

// A bar in percent of the lane, or nothing if it is outside.
function bar(w: Win, from: number, to: number, least = BAR_MIN_PERCENT): { left: string; width: string } | null {
  const all = Math.max(w.to - w.from, 1)
  if (to < w.from || from > w.to) return null
  const left = Math.min(100 - least, Math.max(0, ((from - w.from) / all) * 100))
  const right = Math.min(100, ((to - w.from) / all) * 100)
  return { left: `${left}%`, width: `${Math.max(least, right - left)}%` }
}

function merged(pieces: Piece[], gap: number): Win[] {
  const out: Win[] = []
  for (const p of pieces) {
    const last = out[out.length - 1]
    if (last && p.fromUs - last.to <= gap) last.to = p.toUs
    else out.push({ from: p.fromUs, to: p.toUs })
  }
  return out
}

function Lane({ node, window: w, tone, pieces }: { node: Node; window: Win; tone: string; pieces: Piece[] | undefined }) {
  const at = bar(w, node.startUs, endOf(node))
  return (
    <span class="wf-lane">
      {at && <i class={`wf-bar ${tone} ${node.error ? 'failed' : ''}`} style={at} />}
      {pieces &&
        merged(pieces, (w.to - w.from) * PIECE_LEAST).map((p, i) => {
          const on = bar(w, p.from, p.to, 0.1)
          return on && <i key={i} class="wf-critical" style={on} />
        })}
      {(node.span.logs ?? []).slice(0, EVENTS_MAX).map((l, j) => {
        const on = bar(w, l.timestamp + node.shiftUs, l.timestamp + node.shiftUs, 0)
        return on && <i key={j} class="wf-event" style={{ left: on.left }} />
      })}
    </span>
  )
}

function LineRow({ line, node, active, traceId }: { line: LogLine; node: Node; active: boolean; traceId: string }) {
  return (
    <div class={`wf-line line ${line.level} ${active ? 'active' : ''}`} style={{ marginLeft: `${(Math.min(node.depth, INDENT_MAX) + 1) * INDENT_PX}px` }}>
      <span class="t" title={utc(msOf(line.ns))}>
        {clock(msOf(line.ns), true)}
      </span>
      <span class="lv">{W.levels[line.level]}</span>
      <a class="tx quiet-link" href={lineLink(line, traceId)}>
        {safe(cut(line.text, LINE_MAX))}
      </a>
    </div>
  )
}

const lineLink = (l: LogLine, id: string): string =>
  link('/logs', { q: traceQuery(id), from: String(msOf(l.ns) - LOGS_AROUND_MS), to: String(msOf(l.ns) + LOGS_AROUND_MS), sel: l.id })

function useLines(view: TraceView): { lines: Lines; error?: Error; full: boolean; count: number } {
  const recorded = useMemo(() => {
    let from = Infinity
    let to = 0
    for (const n of view.nodes) {
      from = Math.min(from, n.span.startTime)
      to = Math.max(to, n.span.startTime + n.span.duration)
    }
    return { from: from / 1000 - LOGS_AROUND_MS, to: to / 1000 + LOGS_AROUND_MS }
  }, [view])
  const f = useFetch(`trace-lines|${view.id}`, 0, (s) => queryLines(traceQuery(view.id), nsOf(recorded.from), nsOf(recorded.to), LINES_MAX, s))
  const lines = useMemo(() => linesBySpan(f.data?.lines ?? [], view), [f.data, view])
  return { lines, error: f.error, full: f.data?.full ?? false, count: f.data?.lines.length ?? 0 }
}

function Took({ pieces, totalUs, tone }: { pieces: Piece[]; totalUs: number; tone: (service: string) => string }) {
  const list = useMemo(() => shares(pieces), [pieces])
  if (list.length < 2) return null
  return (
    <p class="took" data-panel="took">
      <b>{W.tracing.view.what}</b> <span class="dim">{W.tracing.view.whatNote}:</span>
      {list.slice(0, SHARES_SHOWN).map((s, i) => (
        <span key={i} class="took-part">
          <i class={`swatch round ${tone(s.service)}`} /> <span class="dim">{safe(s.service)}</span> {safe(cut(s.name, 60))} <b>{seconds(s.us / 1e6)}</b> {percent(s.us / Math.max(totalUs, 1))}
        </span>
      ))}
      {list.length > SHARES_SHOWN && <span class="dim">{W.andMore(list.length - SHARES_SHOWN)}</span>}
    </p>
  )
}

interface SpanRowProps {
  node: Node
  active: boolean
  open: boolean
  closed: boolean
  tone: string
  window: Win
  pieces: Piece[] | undefined
  lines: number
  onToggle: () => void
  onFold: () => void
}

function SpanRow({ node: n, active, open, closed, tone, window: w, pieces, lines, onToggle, onFold }: SpanRowProps) {
  const name = safe(cut(n.span.operationName, NAME_MAX))
  return (
    <div class={`wf-row ${active ? 'active' : ''}`} role="button" aria-expanded={open} tabIndex={-1} onClick={onToggle}>
      <span class="wf-name" style={{ paddingLeft: `${Math.min(n.depth, INDENT_MAX) * INDENT_PX}px` }} title={`${safe(n.service)}: ${name}`}>
        {n.children > 0 ? (
          <button
            type="button"
            class="fold"
            tabIndex={-1}
            aria-label={closed ? W.trace.expand : W.trace.collapse}
            onClick={(e) => {
              e.stopPropagation()
              onFold()
            }}
          >
            {closed ? '▸' : '▾'}
          </button>
        ) : (
          <span class="fold" />
        )}
        <i class={`swatch round ${tone}`} />
        <span class="dim">{safe(n.service)}</span> {name}
        {n.error && <b class="bad"> ✕ {W.trace.error}</b>}
        {n.shiftUs !== 0 && (
          <span class="warn skew" title={W.tracing.view.shiftedHint(signed(n.shiftUs))}>
            {' '}
            ⇆ {W.tracing.view.shifted(signed(n.shiftUs))}
          </span>
        )}
        {n.orphan && <span class="warn"> ⚠ {W.tracing.view.orphan}</span>}
        {n.cut && <span class="warn"> ↻ {W.tracing.view.circle}</span>}
        {lines > 0 && (
          <span class="dim">
            {' '}
            ≡ {lines}
          </span>
        )}
        {closed && <span class="dim"> … {n.children}</span>}
      </span>
      <Lane node={n} window={w} tone={tone} pieces={pieces} />
      <span class="n">{seconds(n.span.duration / 1e6)}</span>
    </div>
  )
}

const idOf = (r: Row) => r.key

function Choice({ value }: { value: string }) {
  return (
    <span class="chips" role="group" aria-label={W.tracing.view.lines}>
      {Object.entries(W.tracing.view.lineChoices).map(([id, name]) => (
        <button type="button" key={id} class={`chip ${value === id ? 'on' : ''}`} aria-pressed={value === id} onClick={() => change({ lines: id }, true)}>
          {name}
        </button>
      ))}
    </span>
  )
}

export function Waterfall({ view, processes }: { view: TraceView; processes: Record<string, { serviceName: string; tags?: Tag[] }> }) {
  const a = useAddress()
  const open = a.get('span')
  const showPath = a.get('path') !== 'off'
  const fold = useMemo(() => foldOf(a.get('fold')), [a.get('fold')])
  const logs = useLines(view)
  const choice = a.get('lines') || (logs.count > LINES_CALM ? 'bad' : 'all')
  const slots = useMemo(() => new Map([...view.services].sort().map((s, i) => [s, i])), [view])
  const slot = (service: string) => slots.get(service) ?? 0
  const tone = (service: string) => `c${(slot(service) % COLOURS) + 1}`
  const pieces = useMemo(() => (view.root ? criticalPath(view.root) : []), [view])
  const byKey = useMemo(() => piecesByKey(pieces), [pieces])
  const rows = useMemo(() => rowsOf(view.nodes, fold.isClosed, logs.lines, choice), [view, fold, logs.lines, choice])
  const part = partOf(a.get('zoom'), view.durationUs)
  const shown: Win = { from: view.startUs + part.from * view.durationUs, to: view.startUs + part.to * view.durationUs }
  const setPart = (p: Part | null) => change({ zoom: p ? partText(p, view.durationUs) : null }, true)
  const toggle = (id: string) => change({ span: id === open ? null : id }, true)
  const setFold = (n: Node) => change({ fold: fold.toggled(n) }, true)
  const keys = useListKeys(
    useMemo(() => rows.map(idOf), [rows]),
    (i) => {
      const r = rows[i]
      if (r.line) go(lineLink(r.line, view.id))
      else toggle(r.node.key)
    },
    () => (open ? (toggle(open), true) : false),
  )
  useKeys((key) => {
    const r = rows[keys.active]
    if (!r || r.line || r.node.children === 0 || !/^Arrow(Left|Right)$/.test(key)) return false
    if (fold.isClosed(r.node) === (key === 'ArrowRight')) setFold(r.node)
    return true
  })
  const seen = useRef('')
  useEffect(() => {
    // A link that names a span brings it into view, once.
    if (!open || seen.current === open) return
    seen.current = open
    const i = rows.findIndex((r) => !r.line && r.node.key === open)
    if (i >= 0 && !keys.ref.current?.querySelector(`[data-span="${CSS.escape(open)}"]`)) keys.ref.show?.(i, 'center')
  }, [open, rows])
  const ticks = Array.from({ length: TICKS + 1 }, (_, i) => i / TICKS)
  const partial = part.from > 0 || part.to < 1
  return (
    <div class="waterfall">
      {view.root && <Took pieces={pieces} totalUs={view.root.span.duration} tone={tone} />}
      <div class="wf-tools">
        <button type="button" class={`chip ${showPath ? 'on' : ''}`} aria-pressed={showPath} title={W.tracing.view.criticalHint} onClick={() => change({ path: showPath ? 'off' : null }, true)}>
          {W.tracing.view.critical}
        </button>
        <button type="button" class="chip" onClick={() => change({ fold: a.get('fold') ? null : 'all' }, true)}>
          {a.get('fold') ? W.tracing.view.foldNone : W.tracing.view.foldAll}
        </button>
        {logs.count > 0 && (
          <span class="dim">
            {W.tracing.view.lines} ({W.tracing.view.linesFound(logs.count, logs.full)}): <Choice value={choice} />
          </span>
        )}
        {partial && (
          <>
            <span class="dim">{W.tracing.view.part(seconds((part.from * view.durationUs) / 1e6), seconds((part.to * view.durationUs) / 1e6))}</span>
            <button type="button" class="chip on" onClick={() => setPart(null)}>
              {W.tracing.view.whole}
            </button>
          </>
        )}
        <span class="spring" />
        <span class="dim wide-only">{W.tracing.view.keys}</span>
      </div>
      {logs.error && <p class="stale">{W.tracing.view.linesFailed(safe(logs.error.message))}</p>}
      <Minimap view={view} slot={slot} part={part} onPart={setPart} />
      <div class="wf-head wf-row" aria-hidden="true">
        <span />
        <span class="wf-ticks">
          {ticks.map((t) => (
            <span key={t} style={{ left: `${t * 100}%` }}>
              {seconds(((part.from + t * (part.to - part.from)) * Math.max(view.durationUs, 1)) / 1e6)}
            </span>
          ))}
        </span>
        <span />
      </div>
      <VirtualList items={rows} keyOf={idOf} rowPx={ROW_PX} listRef={keys.ref} label={W.trace.list}>
        {(r, i) => {
          const n = r.node
          if (r.line) return <LineRow line={r.line} node={n} active={i === keys.active} traceId={view.id} />
          const isOpen = n.key === open
          return (
            <div data-span={n.key} class={`wf-item ${isOpen ? 'open' : ''}`}>
              <SpanRow
                node={n}
                active={i === keys.active}
                open={isOpen}
                closed={fold.isClosed(n)}
                tone={tone(n.service)}
                window={shown}
                pieces={showPath ? byKey.get(n.key) : undefined}
                lines={choice === 'all' ? 0 : (logs.lines.get(n.key)?.length ?? 0)}
                onToggle={() => toggle(n.key)}
                onFold={() => setFold(n)}
              />
              {isOpen && (
                <SpanDetails
                  node={n}
                  view={view}
                  process={processes[n.span.processID]?.tags ?? []}
                  lines={logs.lines.get(n.key) ?? []}
                  onZoom={() => setPart({ from: (n.startUs - view.startUs) / Math.max(view.durationUs, 1), to: (endOf(n) - view.startUs) / Math.max(view.durationUs, 1) })}
                />
              )}
            </div>
          )
        }}
      </VirtualList>
    </div>
  )
}
