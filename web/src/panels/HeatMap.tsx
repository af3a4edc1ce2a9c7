// SPDX-License-Identifier: Apache-2.0
// The spans of a search by time and duration. A box drawn with the pointer or with the keys narrows the search to what is in it.
import { useMemo, useRef, useState } from 'preact/hooks'
import { change } from '../state/address'
import { heatOf, inBox, marks, selected, type Box, type Heat, type HeatSpan } from '../lib/heat'
import { clock, day, sameDay } from '../lib/time'
import { seconds } from '../lib/units'
import { W } from '../lib/words'

const COLS_OF_SPANS = 60
const ROWS_OF_SPANS = 22
const FAINTEST = 0.18

const say = (us: string): string => us.replace(/([a-z]+)$/, '\u00a0$1').replace('us', 'µs')
const clamp = (v: number, top: number): number => Math.max(0, Math.min(top, v))

type Selected = ReturnType<typeof selected>
const narrowForm = (s: Selected) => change({ from: String(s.fromMs), to: String(s.toMs), min: s.min, max: s.max })

export function HeatMap({ spans, startMs, endMs, onNarrow = narrowForm }: { spans: HeatSpan[]; startMs: number; endMs: number; onNarrow?: (s: Selected) => void }) {
  const heat = useMemo(() => heatOf(spans, startMs, endMs, COLS_OF_SPANS, ROWS_OF_SPANS), [spans, startMs, endMs])
  return <HeatPlot heat={heat} onNarrow={onNarrow} />
}

export function HeatPlot({ heat, onNarrow }: { heat: Heat; onNarrow: (s: Selected) => void }) {
  const { cols, rows, startMs, endMs } = heat
  const area = useRef<HTMLDivElement>(null)
  const [box, setBox] = useState<Box | null>(null)
  const [dragging, setDragging] = useState(false)
  const moment = (ms: number) => (sameDay(startMs, endMs) ? clock(ms) : `${day(ms)} ${clock(ms)}`)
  const cellAt = (e: PointerEvent) => {
    const r = area.current!.getBoundingClientRect()
    return { col: clamp(Math.floor(((e.clientX - r.left) / r.width) * cols), cols - 1), row: clamp(rows - 1 - Math.floor(((e.clientY - r.top) / r.height) * rows), rows - 1) }
  }
  const narrow = (b: Box) => {
    const s = selected(heat, b)
    setBox(null)
    onNarrow(s)
  }
  const onKey = (e: KeyboardEvent) => {
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[e.key]
    if (step) {
      const at = box ?? { col0: cols >> 1, col1: cols >> 1, row0: rows >> 1, row1: rows >> 1 }
      const col = clamp(at.col1 + step[0], cols - 1)
      const row = clamp(at.row1 + step[1], rows - 1)
      setBox(e.shiftKey ? { ...at, col1: col, row1: row } : { col0: col, col1: col, row0: row, row1: row })
    } else if (e.key === 'Enter' && box) narrow(box)
    else if (e.key === 'Escape' && box) setBox(null)
    else return
    e.preventDefault()
  }
  const told = box && { ...selected(heat, box), ...inBox(heat.cells, box) }
  return (
    <div class="heat-box">
      <div class="heat">
        <div class="heat-y" aria-hidden="true">
          {marks(heat).map((m) => (
            <span key={m.us} style={{ bottom: `${m.share * 100}%` }}>
              {seconds(m.us / 1e6)}
            </span>
          ))}
        </div>
        <div>
          <div
            class="heat-plot"
            ref={area}
            tabIndex={0}
            role="application"
            aria-label={W.tracing.heat.what(heat.count)}
            onKeyDown={onKey}
            onPointerDown={(e) => {
              const c = cellAt(e)
              area.current!.setPointerCapture(e.pointerId)
              setDragging(true)
              setBox({ col0: c.col, col1: c.col, row0: c.row, row1: c.row })
            }}
            onPointerMove={(e) => {
              const c = cellAt(e)
              if (dragging) setBox((b) => b && { ...b, col1: c.col, row1: c.row })
              else setBox({ col0: c.col, col1: c.col, row0: c.row, row1: c.row })
            }}
            onPointerUp={() => {
              setDragging(false)
              if (box && (box.col0 !== box.col1 || box.row0 !== box.row1)) narrow(box)
            }}
            onPointerCancel={() => setDragging(false)}
            onPointerLeave={() => !dragging && setBox(null)}
            onBlur={() => !dragging && setBox(null)}
          >
            <svg viewBox={`0 0 ${cols} ${rows}`} preserveAspectRatio="none" aria-hidden="true">
              {marks(heat).map((m) => (
                <line key={m.us} x1="0" x2={cols} y1={(1 - m.share) * rows} y2={(1 - m.share) * rows} />
              ))}
              {heat.cells.map((c) => {
                const x = c.col
                const y = rows - 1 - c.row
                return (
                  <g key={c.row * cols + c.col}>
                    <rect class={`cell ${c.errors ? 'failed' : ''}`} x={x} y={y} width="1" height="1" fill-opacity={FAINTEST + (1 - FAINTEST) * (Math.log1p(c.count) / Math.log1p(heat.most))} />
                    {c.errors > 0 && <path class="cross" d={`M${x + 0.25} ${y + 0.25}l.5 .5m0 -.5l-.5 .5`} />}
                  </g>
                )
              })}
              {box && <rect class="box" x={Math.min(box.col0, box.col1)} y={rows - 1 - Math.max(box.row0, box.row1)} width={Math.abs(box.col0 - box.col1) + 1} height={Math.abs(box.row0 - box.row1) + 1} />}
            </svg>
          </div>
          <div class="hist-axis">
            <span>{moment(startMs)}</span>
            <span>{moment((startMs + endMs) / 2)}</span>
            <span>{moment(endMs)}</span>
          </div>
        </div>
      </div>
      <p class="heat-say dim" aria-live="polite">
        {told
          ? W.tracing.heat.box(W.tracing.heat.spans(told.count), told.errors, moment(told.fromMs), moment(told.toMs), say(told.min), say(told.max))
          : `${W.tracing.heat.spans(heat.count)} · ${W.tracing.heat.hint} · ${W.tracing.heat.legend(heat.most)}${heat.cells.some((c) => c.errors > 0) ? ` · ${W.tracing.heat.failed}` : ''}`}
      </p>
    </div>
  )
}
