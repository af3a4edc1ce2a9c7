// SPDX-License-Identifier: Apache-2.0
// Ranges and clock times. A range end is kept as the person wrote it: `now-1h`, or milliseconds since 1970.

export interface Range {
  from: string
  to: string
}
export interface Window {
  startMs: number
  endMs: number
}

export const RANGE_DEFAULT: Range = { from: 'now-1h', to: 'now' }
export const PRESETS = ['5m', '15m', '30m', '1h', '3h', '6h', '12h', '1d', '2d', '7d', '30d']

const UNIT_MS: Record<string, number> = { ms: 1, s: 1000, m: 60000, h: 3600000, d: 86400000, w: 604800000 }

// "1h30m" in milliseconds, or null.
export function durationMs(text: string): number | null {
  const t = text.trim()
  if (!/^(\d+(\.\d+)?(ms|s|m|h|d|w))+$/.test(t)) return null
  let sum = 0
  for (const m of t.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d|w)/g)) sum += Number(m[1]) * UNIT_MS[m[2]]
  return sum
}

export function durationText(ms: number): string {
  const parts: [string, number][] = [
    ['d', 86400000],
    ['h', 3600000],
    ['min', 60000],
    ['s', 1000],
  ]
  let rest = Math.round(ms / 1000) * 1000
  if (rest < 1000) return `${Math.round(ms)}\u00a0ms`
  const out: string[] = []
  for (const [name, size] of parts) {
    const n = Math.floor(rest / size)
    if (n > 0) out.push(`${n}\u00a0${name}`)
    rest -= n * size
  }
  return out.slice(0, 2).join(' ')
}

// Milliseconds since 1970 of what a person wrote, or null. A clock time alone is today's.
export function parseTime(text: string, nowMs: number): number | null {
  const t = text.trim()
  if (t === 'now') return nowMs
  if (t.startsWith('now-')) {
    const d = durationMs(t.slice(4))
    return d === null ? null : nowMs - d
  }
  if (/^\d{12,14}$/.test(t)) return Number(t)
  if (/^\d{9,11}$/.test(t)) return Number(t) * 1000
  const clock = /^(\d{1,2}):(\d{2})(?::(\d{2}))?$/.exec(t)
  if (clock) {
    const d = new Date(nowMs)
    if (Number(clock[1]) > 23 || Number(clock[2]) > 59 || Number(clock[3] ?? 0) > 59) return null
    d.setHours(Number(clock[1]), Number(clock[2]), Number(clock[3] ?? 0), 0)
    return d.getTime()
  }
  const iso = /^\d{4}-\d{2}-\d{2}([ T]\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:?\d{2})?)?$/.exec(t)
  if (!iso) return null
  const ms = new Date(iso[1] ? t.replace(' ', 'T') : t + 'T00:00:00').getTime()
  return Number.isNaN(ms) ? null : ms
}

export function isRelative(r: Range): boolean {
  return r.to === 'now' && r.from.startsWith('now-')
}

export function resolve(r: Range, nowMs: number): Window {
  const start = parseTime(r.from, nowMs)
  const end = parseTime(r.to, nowMs)
  if (start === null || end === null || start >= end) return resolve(RANGE_DEFAULT, nowMs)
  return { startMs: start, endMs: end }
}

const two = (n: number) => String(n).padStart(2, '0')
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

export function clock(ms: number, withMs = false): string {
  const d = new Date(ms)
  const s = `${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}`
  return withMs ? `${s}.${String(d.getMilliseconds()).padStart(3, '0')}` : s
}

export function minute(ms: number): string {
  const d = new Date(ms)
  return `${two(d.getHours())}:${two(d.getMinutes())}`
}

export function day(ms: number): string {
  const d = new Date(ms)
  return `${MONTHS[d.getMonth()]} ${d.getDate()}`
}

// 2026-11-22 14:05:30 in the viewer's zone: what the time fields take and show.
export function stamp(ms: number): string {
  const d = new Date(ms)
  return `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())} ${clock(ms)}`
}

export function utc(ms: number): string {
  return new Date(ms).toISOString().slice(0, 19).replace('T', ' ') + ' UTC'
}

export function sameDay(a: number, b: number): boolean {
  return new Date(a).toDateString() === new Date(b).toDateString()
}

export function rangeText(r: Range, nowMs: number): string {
  if (isRelative(r)) {
    const d = durationMs(r.from.slice(4))
    if (d !== null) return `Last ${durationText(d)}`
  }
  const w = resolve(r, nowMs)
  const a = sameDay(w.startMs, nowMs) ? minute(w.startMs) : `${day(w.startMs)} ${minute(w.startMs)}`
  const b = sameDay(w.startMs, w.endMs) ? minute(w.endMs) : `${day(w.endMs)} ${minute(w.endMs)}`
  return `${a} – ${b}`
}

const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400]

// Seconds between points, so that the window has at most `points`.
export function stepFor(w: Window, points: number, least = 1): number {
  const raw = (w.endMs - w.startMs) / 1000 / points
  return STEPS.find((s) => s >= raw && s >= least) ?? Math.ceil(raw / 86400) * 86400
}

// The window on whole steps, so that a refresh does not move points that did not change.
export function aligned(w: Window, step: number): { start: number; end: number } {
  const end = Math.floor(w.endMs / 1000 / step) * step
  const start = Math.floor(w.startMs / 1000 / step) * step
  return { start, end: Math.max(end, start + step) }
}

export const nsOf = (ms: number): string => String(Math.floor(ms)) + '000000'
export const msOf = (ns: string): number => Number(ns.slice(0, -6) || '0')
