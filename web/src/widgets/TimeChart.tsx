// SPDX-License-Identifier: Apache-2.0
// Lines over time. One cursor across all charts of a page; a drag zooms; gaps stay gaps; y from zero.
import { useEffect, useRef } from 'preact/hooks'
import uPlot from 'uplot'
import 'uplot/dist/uPlot.min.css'
import { axisTicks, format, type Unit } from '../lib/units'
import { clock, day, minute, sameDay, utc } from '../lib/time'
import { useTheme } from '../state/theme'
import { cut } from '../lib/text'

export interface ChartLine {
  name: string
  values: (number | null)[]
  slot: number // colour and dash by position: six colours, then the same six dashed
  fill?: boolean
}
// A request behind the numbers: a link at its time and value; without a value at the foot.
export interface Dot {
  t: number // seconds
  v: number | null
  href: string
  title: string
}
export interface TimeChartProps {
  dots?: Dot[]
  times: number[]
  lines: ChartLine[]
  unit: Unit
  height: number
  label: string
  least?: number // y reaches at least this
  limit?: number // and never beyond this, as no more is possible
  onZoom?: (startMs: number, endMs: number) => void
  start?: number // x range in seconds, if wider than the times
  end?: number
}

// What may change without a new chart.
type Live = Pick<TimeChartProps, 'dots' | 'lines' | 'onZoom' | 'least' | 'limit' | 'start' | 'end'>

const COLOURS = 6
const DASHES: number[][] = [[], [6, 3], [2, 3], [8, 3, 2, 3]]
const TOOLTIP_ROWS = 8
const TOOLTIP_NAME_MAX = 70
const CHAR_PX = 6.6
const SMALL_PX = 150
const DRAG_MIN_PX = 5
const DOT_PX = 9
const ROOM = 1.05 // what axisTicks leaves above the largest value

export const slotClass = (slot: number): string => `c${(slot % COLOURS) + 1}${slot >= COLOURS ? ` dash${Math.floor(slot / COLOURS) % DASHES.length}` : ''}`
const css = (name: string) => getComputedStyle(document.documentElement).getPropertyValue(name).trim()
const colour = (slot: number) => css(`--c${(slot % COLOURS) + 1}`)

function timeLabels(splits: number[], incr: number): string[] {
  return splits.map((t, i) => {
    const ms = t * 1000
    if (incr >= 86400) return day(ms)
    if (i > 0 && !sameDay(ms, splits[i - 1] * 1000)) return day(ms)
    return incr < 60 ? clock(ms) : minute(ms)
  })
}

// A point between two gaps has no line: draw a dot.
function lonely(values: (number | null | undefined)[]): number[] {
  const out: number[] = []
  for (let i = 0; i < values.length; i++) if (values[i] != null && values[i - 1] == null && values[i + 1] == null) out.push(i)
  return out
}

function el(tag: string, className: string, text = ''): HTMLElement {
  const e = document.createElement(tag)
  e.className = className
  e.textContent = text
  return e
}

// Beyond the scale a dot stands at the edge: it is still a way to its request.
function placeDots(u: uPlot, box: HTMLElement, dots: Dot[]): void {
  const { min = 0, max = 1 } = u.scales.x
  const height = u.over.clientHeight
  const links = dots
    .filter((d) => d.t >= min! && d.t <= max!)
    .map((d) => {
      const a = document.createElement('a')
      const y = d.v === null ? height : u.valToPos(d.v, 'y')
      a.className = 'dot'
      a.href = d.href
      a.title = d.title
      a.setAttribute('aria-label', d.title)
      a.style.left = `${u.valToPos(d.t, 'x') - DOT_PX / 2}px`
      a.style.top = `${Math.max(0, Math.min(height, y)) - DOT_PX / 2}px`
      // A press on it is no beginning of a selection.
      a.addEventListener('mousedown', (e) => e.stopPropagation())
      return a
    })
  box.replaceChildren(...links)
}

function tooltip(u: uPlot, box: HTMLElement, lines: ChartLine[], unit: Unit): void {
  const i = u.cursor.idx
  if (i === null || i === undefined) {
    box.hidden = true
    return
  }
  const ms = u.data[0][i] * 1000
  const rows = lines
    .map((line) => ({ line, v: line.values[i] ?? null }))
    .filter((r) => r.v !== null)
    .sort((a, b) => (b.v ?? 0) - (a.v ?? 0))
  box.replaceChildren(el('div', 'tip-time', `${clock(ms)}  ·  ${utc(ms)}`))
  for (const { line, v } of rows.slice(0, TOOLTIP_ROWS)) {
    const row = el('div', 'tip-row')
    row.append(el('span', `swatch ${slotClass(line.slot)}`), el('span', 'tip-name', cut(line.name, TOOLTIP_NAME_MAX)), el('span', 'tip-value', format(v, unit)))
    box.append(row)
  }
  if (rows.length > TOOLTIP_ROWS) box.append(el('div', 'tip-more', `+ ${rows.length - TOOLTIP_ROWS}`))
  box.hidden = false
  const left = u.cursor.left ?? 0
  const room = u.over.clientWidth
  const width = box.offsetWidth
  box.style.left = `${left + width + 14 < room ? left + 12 : Math.max(0, left - width - 12)}px`
  // A small chart is not covered by its own words: they stand below it.
  box.style.top = u.over.clientHeight < SMALL_PX ? `${u.over.clientHeight + 4}px` : '2px'
}

function options(p: TimeChartProps, width: number, box: HTMLElement, live: Live): uPlot.Options {
  const grid = { stroke: css('--grid'), width: 1 }
  const dots = el('div', 'dots')
  let hovered = false
  const ticksNow = (max: number) => {
    const top = Math.max(max, live.least ?? 0)
    if (live.limit === undefined || top <= 0) return axisTicks(top, p.unit)
    const a = axisTicks(Math.min(top, live.limit / ROOM), p.unit)
    return { max: Math.min(a.max, live.limit), ticks: a.ticks.filter((t) => t <= live.limit! * 1.0001) }
  }
  return {
    width,
    height: p.height,
    padding: [6, 14, 0, 0],
    legend: { show: false },
    cursor: { sync: { key: 'page', setSeries: false }, drag: { x: true, y: false, setScale: false }, y: false, points: { size: 5 } },
    scales: {
      x: { time: true, range: (_, lo, hi) => [live.start ?? lo, live.end ?? hi] },
      y: { range: (_, lo, hi) => [lo < 0 ? -ticksNow(-lo).max : 0, ticksNow(hi ?? 0).max] },
    },
    axes: [
      {
        stroke: css('--faint'),
        font: '11px system-ui, sans-serif',
        size: 22,
        gap: 4,
        space: 76,
        grid: { show: false },
        ticks: { show: false },
        values: (_, splits, __, ___, incr) => timeLabels(splits, incr),
      },
      {
        stroke: css('--faint'),
        font: '11px system-ui, sans-serif',
        gap: 6,
        size: (_, values) => Math.max(24, ...(values ?? []).map((v) => String(v).length * CHAR_PX)) + 8,
        grid,
        ticks: { show: false },
        splits: (u) => {
          const { min, max } = u.scales.y
          const up = ticksNow(Math.max(0, ...live.lines.flatMap((l) => l.values.map((v) => v ?? 0)))).ticks.filter((t) => t <= (max ?? 0) * 1.0001)
          return (min ?? 0) < 0 ? [min!, min! / 2, ...up] : up
        },
        values: (_, splits) => splits.map((v) => format(v, p.unit)),
      },
    ],
    series: [
      {},
      ...p.lines.map((line): uPlot.Series => ({
        label: line.name,
        stroke: colour(line.slot),
        width: 1.4,
        dash: DASHES[Math.floor(line.slot / COLOURS) % DASHES.length],
        fill: line.fill ? colour(line.slot) + '1f' : undefined,
        spanGaps: false,
        points: { show: true, size: 4, fill: colour(line.slot), filter: (u, s) => lonely(u.data[s] as (number | null)[]) },
      })),
    ],
    hooks: {
      init: [
        (u) => {
          u.over.append(dots, box)
          u.over.addEventListener('mouseenter', () => (hovered = true))
          u.over.addEventListener('mouseleave', () => {
            hovered = false
            box.hidden = true
          })
        },
      ],
      draw: [(u) => placeDots(u, dots, live.dots ?? [])],
      setCursor: [(u) => (hovered ? tooltip(u, box, live.lines, p.unit) : void (box.hidden = true))],
      setSelect: [
        (u) => {
          const { left, width: w } = u.select
          if (!hovered || w < DRAG_MIN_PX) return
          const a = u.posToVal(left, 'x') * 1000
          const b = u.posToVal(left + w, 'x') * 1000
          u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false)
          live.onZoom?.(a, b)
        },
      ],
    },
  }
}

export function TimeChart(p: TimeChartProps) {
  const host = useRef<HTMLDivElement>(null)
  const chart = useRef<uPlot | null>(null)
  const { dark } = useTheme()
  const live = useRef<Live>(p)
  Object.assign(live.current, { dots: p.dots, lines: p.lines, onZoom: p.onZoom, least: p.least, limit: p.limit, start: p.start, end: p.end })
  const shape = `${dark}|${p.unit}|${p.height}|${p.lines.map((l) => `${l.name}\u0000${l.slot}\u0000${!!l.fill}`).join('\u0001')}`
  const data = [p.times, ...p.lines.map((l) => l.values)] as uPlot.AlignedData
  const made = useRef('')

  useEffect(() => {
    const box = el('div', 'tip')
    box.hidden = true
    const width = Math.max(120, host.current!.clientWidth)
    live.current = { ...live.current }
    const u = new uPlot(options(p, width, box, live.current), data, host.current!)
    chart.current = u
    made.current = shape
    const watch = new ResizeObserver(() => {
      const w = host.current?.clientWidth ?? 0
      if (w > 0 && w !== u.width) u.setSize({ width: w, height: p.height })
    })
    watch.observe(host.current!)
    return () => {
      watch.disconnect()
      u.destroy()
      chart.current = null
    }
  }, [shape])

  useEffect(() => {
    if (chart.current && made.current === shape) chart.current.setData(data)
  }, [p.times, p.lines, p.dots, p.least, p.limit, p.start, p.end])

  return <div class={`chart h${p.height}`} ref={host} role="img" aria-label={p.label} />
}
