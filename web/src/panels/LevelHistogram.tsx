// SPDX-License-Identifier: Apache-2.0
// Lines over time, stacked by level: the quiet levels below, the loud ones on top. A drag zooms.
import { useRef, useState } from 'preact/hooks'
import { LEVELS, levelOf, type Level } from '../lib/logql'
import { gridTimes, type Grid, type Line } from '../lib/series'
import { clock, minute, sameDay, day, utc } from '../lib/time'
import { count } from '../lib/units'
import { W } from '../lib/words'

const HEIGHT = 64
const DRAG_MIN = 0.01

export interface Stacked {
  levels: { level: Level; values: number[] }[]
  totals: number[]
  sum: number
}

export function stackLevels(lines: Line[], points: number): Stacked {
  const by = new Map<Level, number[]>()
  for (const line of lines) {
    const level = levelOf(line.labels.detected_level ?? line.labels.level)
    const values = by.get(level) ?? new Array<number>(points).fill(0)
    line.values.forEach((v, i) => (values[i] += v ?? 0))
    by.set(level, values)
  }
  const levels = [...LEVELS].reverse().filter((l) => by.has(l)).map((level) => ({ level, values: by.get(level)! }))
  const totals = Array.from({ length: points }, (_, i) => levels.reduce((n, l) => n + l.values[i], 0))
  return { levels, totals, sum: totals.reduce((a, b) => a + b, 0) }
}

export function LevelHistogram({ grid, stack, onZoom }: { grid: Grid; stack: Stacked; onZoom: (startMs: number, endMs: number) => void }) {
  const box = useRef<HTMLDivElement>(null)
  const [at, setAt] = useState(-1)
  const [drag, setDrag] = useState<{ from: number; to: number } | null>(null)
  const times = gridTimes(grid).slice(1)
  const n = times.length
  const max = Math.max(1, ...stack.totals) * 1.04
  const share = (e: PointerEvent) => {
    const r = box.current!.getBoundingClientRect()
    return Math.max(0, Math.min(1, (e.clientX - r.left) / r.width))
  }
  const timeAt = (x: number) => (grid.start + x * (grid.end - grid.start)) * 1000
  const finish = () => {
    if (drag && Math.abs(drag.to - drag.from) > DRAG_MIN) {
      const a = timeAt(Math.min(drag.from, drag.to))
      const b = timeAt(Math.max(drag.from, drag.to))
      onZoom(a, b)
    }
    setDrag(null)
  }
  const label = (t: number) => (sameDay(grid.start * 1000, grid.end * 1000) ? minute(t * 1000) : `${day(t * 1000)} ${minute(t * 1000)}`)
  const lo = drag ? Math.min(drag.from, drag.to) : 0
  const hi = drag ? Math.max(drag.from, drag.to) : 0
  return (
    <div class="hist">
      <div
        class="hist-plot"
        ref={box}
        onPointerMove={(e) => {
          const x = share(e)
          setAt(Math.min(n - 1, Math.floor(x * n)))
          if (drag) setDrag({ ...drag, to: x })
        }}
        onPointerLeave={() => {
          setAt(-1)
          setDrag(null)
        }}
        onPointerDown={(e) => setDrag({ from: share(e), to: share(e) })}
        onPointerUp={finish}
      >
        <svg viewBox={`0 0 ${n} ${HEIGHT}`} preserveAspectRatio="none" role="img" aria-label={W.logs.lines(count(stack.sum))}>
          {times.map((t, i) => {
            let y = HEIGHT
            return stack.levels.map(({ level, values }) => {
              const v = values[i + 1]
              if (!v) return null
              const h = (v / max) * HEIGHT
              y -= h
              return <rect key={`${t}${level}`} class={level} x={i + 0.06} width={0.88} y={y} height={h} />
            })
          })}
          {at >= 0 && <rect class="cursor" x={at} width={1} y={0} height={HEIGHT} />}
          {drag && <rect class="select" x={lo * n} width={(hi - lo) * n} y={0} height={HEIGHT} />}
        </svg>
        {at >= 0 && !drag && (
          <div class={`tip ${at > n / 2 ? 'left' : 'right'}`} style={at > n / 2 ? { right: `${100 - (at / n) * 100}%` } : { left: `${((at + 1) / n) * 100}%` }}>
            <div class="tip-time">
              {clock((times[at] - grid.step) * 1000)} – {clock(times[at] * 1000)} · {utc((times[at] - grid.step) * 1000)}
            </div>
            {[...stack.levels].reverse().map(({ level, values }) =>
              values[at + 1] ? (
                <div class="tip-row" key={level}>
                  <span class={`swatch level ${level}`} />
                  <span class="tip-name">{W.levels[level] === '—' ? 'unknown' : W.levels[level]}</span>
                  <span class="tip-value">{count(values[at + 1])}</span>
                </div>
              ) : null,
            )}
          </div>
        )}
      </div>
      <div class="hist-axis">
        <span>{label(grid.start)}</span>
        <span>{label((grid.start + grid.end) / 2)}</span>
        <span>{label(grid.end)}</span>
      </div>
      <div class="legend">
        {[...stack.levels].reverse().map(({ level, values }) => (
          <span key={level}>
            <i class={`swatch level ${level}`} />
            {level} <b>{count(values.reduce((a, b) => a + b, 0))}</b>
          </span>
        ))}
      </div>
    </div>
  )
}
