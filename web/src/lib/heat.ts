// SPDX-License-Identifier: Apache-2.0
// Spans by start and duration: even steps of time across, even steps of the logarithm of the duration up.

export interface HeatSpan {
  startMs: number
  us: number
  error: boolean
}
export interface Cell {
  col: number
  row: number // 0 is the fastest
  count: number
  errors: number
}
export interface Heat {
  cols: number
  rows: number
  startMs: number
  endMs: number
  lowUs: number // where row 0 begins
  highUs: number // where the last row ends
  cells: Cell[]
  most: number
  count: number
}

const LEAST_US = 1
const STEPS_OF_TEN = [1, 2, 5]

// The next of 1, 2, 5, 10, ... at or beyond v.
function round(v: number, up: boolean): number {
  const power = 10 ** Math.floor(Math.log10(v))
  const steps = [...STEPS_OF_TEN, 10].map((s) => s * power)
  return up ? (steps.find((s) => s >= v * 0.999999) ?? v) : ([...steps].reverse().find((s) => s <= v * 1.000001) ?? v)
}

export function heatOf(spans: HeatSpan[], startMs: number, endMs: number, cols: number, rows: number): Heat {
  let low = Infinity
  let high = 0
  for (const s of spans) {
    const us = Math.max(s.us, LEAST_US)
    if (us < low) low = us
    if (us > high) high = us
  }
  if (high === 0) low = high = 1000
  const lowUs = round(low, false)
  let highUs = round(high, true)
  if (highUs <= high) highUs = round(highUs * 1.01, true) // a span on the edge is inside
  const scale = rows / Math.log(highUs / lowUs)
  const at = new Map<number, Cell>()
  let most = 0
  for (const s of spans) {
    const col = Math.max(0, Math.min(cols - 1, Math.floor(((s.startMs - startMs) / Math.max(endMs - startMs, 1)) * cols)))
    const row = Math.max(0, Math.min(rows - 1, Math.floor(Math.log(Math.max(s.us, LEAST_US) / lowUs) * scale)))
    const id = row * cols + col
    const cell = at.get(id) ?? { col, row, count: 0, errors: 0 }
    cell.count++
    cell.errors += s.error ? 1 : 0
    most = Math.max(most, cell.count)
    at.set(id, cell)
  }
  return { cols, rows, startMs, endMs, lowUs, highUs, cells: [...at.values()], most, count: spans.length }
}

export interface Bucket {
  top: number // seconds
  values: (number | null)[] // at the points of the grid
}

// Counts by buckets that double: each is a row, and so is each between them that has none. A point tells of the step before it.
export function bucketHeat(buckets: Bucket[], g: { start: number; end: number; step: number }, colsMax: number): Heat {
  const rowOf = (top: number) => Math.round(Math.log2(Math.max(top * 1e6, LEAST_US) / lowUs)) - 1
  const tops = buckets.map((b) => Math.max(b.top * 1e6, LEAST_US))
  const lowUs = Math.min(...tops, Infinity) / 2
  const highUs = Math.max(...tops)
  const points = Math.max(1, ...buckets.map((b) => b.values.length))
  const cols = Math.min(colsMax, points)
  const at = new Map<number, Cell>()
  let most = 0
  let count = 0
  for (const b of buckets)
    b.values.forEach((v, i) => {
      if (!v) return
      const row = rowOf(b.top)
      const col = Math.floor((i * cols) / points)
      const cell = at.get(row * cols + col) ?? { col, row, count: 0, errors: 0 }
      cell.count += v
      count += v
      most = Math.max(most, cell.count)
      at.set(row * cols + col, cell)
    })
  return { cols, rows: rowOf(highUs / 1e6) + 1, startMs: (g.start - g.step) * 1000, endMs: g.end * 1000, lowUs, highUs, cells: [...at.values()], most, count }
}

export const usAt = (h: Heat, row: number): number => h.lowUs * (h.highUs / h.lowUs) ** (row / h.rows)
export const msAt = (h: Heat, col: number): number => h.startMs + ((h.endMs - h.startMs) * col) / h.cols

// Durations worth a line: 1, 10, 100, ... within the scale; of a short scale its ends.
export function marks(h: Heat): { us: number; share: number }[] {
  const out: { us: number; share: number }[] = []
  const share = (us: number) => Math.log(us / h.lowUs) / Math.log(h.highUs / h.lowUs)
  for (let us = 1; us <= h.highUs; us *= 10) if (us >= h.lowUs) out.push({ us, share: share(us) })
  if (out.length >= 2) return out
  return [
    { us: h.lowUs, share: 0 },
    { us: h.highUs, share: 1 },
  ]
}

export interface Box {
  col0: number
  col1: number // both inside
  row0: number
  row1: number
}

// What a box of cells selects: whole milliseconds outwards, durations as the search takes them.
export function selected(h: Heat, b: Box): { fromMs: number; toMs: number; min: string; max: string } {
  return {
    fromMs: Math.floor(msAt(h, Math.min(b.col0, b.col1))),
    toMs: Math.ceil(msAt(h, Math.max(b.col0, b.col1) + 1)),
    min: durationParam(usAt(h, Math.min(b.row0, b.row1)), false),
    max: durationParam(usAt(h, Math.max(b.row0, b.row1) + 1), true),
  }
}

// "1.25ms": three digits, rounded outwards.
export function durationParam(us: number, up: boolean): string {
  const [size, unit] = us >= 1e6 ? [1e6, 's'] : us >= 1000 ? [1000, 'ms'] : [1, 'us']
  const v = us / (size as number)
  const scale = 10 ** Math.max(0, 2 - Math.floor(Math.log10(Math.max(v, 1))))
  const rounded = (up ? Math.ceil(v * scale - 1e-6) : Math.floor(v * scale + 1e-6)) / scale
  return `${rounded}${unit}`
}

export function inBox(cells: Cell[], b: Box): { count: number; errors: number } {
  const [c0, c1] = [Math.min(b.col0, b.col1), Math.max(b.col0, b.col1)]
  const [r0, r1] = [Math.min(b.row0, b.row1), Math.max(b.row0, b.row1)]
  let count = 0
  let errors = 0
  for (const c of cells) {
    if (c.col < c0 || c.col > c1 || c.row < r0 || c.row > r1) continue
    count += c.count
    errors += c.errors
  }
  return { count, errors }
}
