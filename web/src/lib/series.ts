// SPDX-License-Identifier: Apache-2.0
// Series for charts: onto one grid, with gaps kept as gaps, the largest first.

export interface Line {
  name: string
  labels: Record<string, string>
  values: (number | null)[]
}
export interface Grid {
  start: number
  end: number
  step: number
}
export type Pairs = [number, string][]

export const LINES_MAX = 20

export function gridTimes(g: Grid): number[] {
  const n = Math.round((g.end - g.start) / g.step) + 1
  return Array.from({ length: n }, (_, i) => g.start + i * g.step)
}

export function toNumber(text: string): number {
  if (text === '+Inf' || text === 'Inf') return Infinity
  if (text === '-Inf') return -Infinity
  return Number(text === '' ? 'NaN' : text)
}

export function onGrid(pairs: Pairs, g: Grid): (number | null)[] {
  const n = Math.round((g.end - g.start) / g.step) + 1
  const out: (number | null)[] = new Array(n).fill(null)
  for (const [t, v] of pairs) {
    const i = Math.round((t - g.start) / g.step)
    const x = toNumber(v)
    if (i >= 0 && i < n && Number.isFinite(x)) out[i] = x
  }
  return out
}

export function area(values: (number | null)[]): number {
  let sum = 0
  for (const v of values) if (v !== null) sum += Math.abs(v)
  return sum
}

// The largest lines by area, in the order of their names, and how many were left out.
export function topLines(lines: Line[], max = LINES_MAX): { shown: Line[]; all: number } {
  const byName = (a: Line, b: Line) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0)
  if (lines.length <= max) return { shown: [...lines].sort(byName), all: lines.length }
  const ranked = lines.map((line) => ({ line, a: area(line.values) })).sort((x, y) => y.a - x.a)
  return { shown: ranked.slice(0, max).map((x) => x.line).sort(byName), all: lines.length }
}

export function lastOf(values: (number | null)[]): number | null {
  for (let i = values.length - 1; i >= 0; i--) if (values[i] !== null) return values[i]
  return null
}

export function lastPair(pairs: Pairs | undefined): number | null {
  if (!pairs) return null
  for (let i = pairs.length - 1; i >= 0; i--) {
    const v = toNumber(pairs[i][1])
    if (!Number.isNaN(v)) return v
  }
  return null
}

// The mean of what came after a moment; null: nothing did. With weights, each value counts as much as its weight then.
export function recent(pairs: Pairs | undefined, since: number, weights?: Pairs): number | null {
  const weightAt = weights && new Map(weights.map(([t, v]) => [t, toNumber(v)]))
  let sum = 0
  let all = 0
  for (const [t, text] of pairs ?? []) {
    const v = toNumber(text)
    const w = weightAt ? (weightAt.get(t) ?? 0) : 1
    if (t <= since || Number.isNaN(v) || !(w > 0)) continue
    sum += v * w
    all += w
  }
  return all > 0 ? sum / all : null
}

export function summary(values: (number | null)[]): { last: number | null; min: number | null; max: number | null; mean: number | null } {
  let min: number | null = null
  let max: number | null = null
  let sum = 0
  let n = 0
  for (const v of values) {
    if (v === null) continue
    min = min === null || v < min ? v : min
    max = max === null || v > max ? v : max
    sum += v
    n++
  }
  return { last: lastOf(values), min, max, mean: n ? sum / n : null }
}

// Labels that all lines share say nothing about a line: the name keeps what differs.
export function shortNames(all: Record<string, string>[]): string[] {
  if (all.length < 2) return all.map((l) => l.__name__ ?? '')
  const keys = [...new Set(all.flatMap((l) => Object.keys(l)))].sort()
  const differing = keys.filter((k) => all.some((l) => l[k] !== all[0][k]))
  return all.map((l) =>
    differing
      .filter((k) => l[k] !== undefined)
      .map((k) => (differing.length === 1 || k === '__name__' ? l[k] : `${k}=${l[k]}`))
      .join(' '),
  )
}
