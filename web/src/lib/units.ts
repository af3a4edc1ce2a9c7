// SPDX-License-Identifier: Apache-2.0
// Numbers as people write them: three significant digits and a unit on every number.

export type Unit = '' | 'ratio' | 'bytes' | 'bytes/s' | '/s' | 's' | 's/s'

const NBSP = '\u00a0'
const THIN = '\u202f'
const SIGNIFICANT = 3

// At most three significant digits, trailing zeros dropped; whole numbers keep all digits up to 9999.
export function digits(v: number): string {
  if (v === 0) return '0'
  const a = Math.abs(v)
  if (a >= 1000) return group(Math.round(v))
  const decimals = Math.max(0, Math.min(12, SIGNIFICANT - 1 - Math.floor(Math.log10(a))))
  let s = v.toFixed(decimals)
  if (s.includes('.')) s = s.replace(/\.?0+$/, '')
  return s === '-0' ? '0' : s
}

function group(v: number): string {
  return String(v).replace(/\B(?=(\d{3})+$)/g, THIN)
}

function scaled(v: number, base: number, names: string[]): string {
  let k = 0
  let a = Math.abs(v)
  while (a >= base && k < names.length - 1) {
    a /= base
    k++
  }
  // 1023.6 KiB rounds to the next unit's 1, not to 1024.
  if ((a >= 1000 ? Math.round(a) : Number(a.toPrecision(SIGNIFICANT))) >= base && k < names.length - 1) {
    a /= base
    k++
  }
  const shown = digits(Math.sign(v) * a)
  return names[k] ? shown + NBSP + names[k] : shown
}

export function bytes(v: number): string {
  return scaled(Math.abs(v) < 1 ? Number(v.toPrecision(2)) : v, 1024, ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB'])
}

export function count(v: number): string {
  if (Math.abs(v) < 10000) {
    if (v !== 0 && Math.abs(v) < 1e-6) return v.toExponential(2)
    return digits(v)
  }
  if (Math.abs(v) >= 1e15) return v.toExponential(2)
  return scaled(v, 1000, ['', 'k', 'M', 'G', 'T'])
}

export function percent(ratio: number): string {
  const p = ratio * 100
  const a = Math.abs(p)
  if (a > 0 && a < 0.005) return '<0.01' + NBSP + '%'
  return trim(p.toFixed(a >= 100 ? 0 : a >= 10 ? 1 : a >= 1 ? 1 : 2)) + NBSP + '%'
}

function trim(s: string): string {
  return s.includes('.') ? s.replace(/\.?0+$/, '') : s
}

// Seconds as 12 µs, 890 ms, 1.92 s, 3 min 20 s, 2 h 5 min, 4 d 3 h.
export function seconds(v: number): string {
  const a = Math.abs(v)
  if (a === 0) return '0' + NBSP + 's'
  if (a < 1e-6) return digits(v * 1e9) + NBSP + 'ns'
  if (a < 0.9995e-3) return digits(v * 1e6) + NBSP + 'µs'
  if (a < 0.9995) return digits(v * 1e3) + NBSP + 'ms'
  if (a < 100) return digits(v) + NBSP + 's'
  const sign = v < 0 ? '-' : ''
  const whole = Math.round(a)
  const parts: [number, string][] = [
    [86400, 'd'],
    [3600, 'h'],
    [60, 'min'],
    [1, 's'],
  ]
  const i = parts.findIndex(([size]) => whole >= size)
  const [size, name] = parts[i]
  const first = Math.floor(whole / size)
  const next = parts[i + 1]
  const rest = next ? Math.floor((whole - first * size) / next[0]) : 0
  return sign + first + NBSP + name + (rest > 0 && first < 100 ? ' ' + rest + NBSP + next[1] : '')
}

export function format(v: number | null | undefined, unit: Unit): string {
  if (v === null || v === undefined || Number.isNaN(v)) return '–'
  if (v === Infinity) return '+∞'
  if (v === -Infinity) return '−∞'
  switch (unit) {
    case 'ratio':
      return percent(v)
    case 'bytes':
      return bytes(v)
    case 'bytes/s':
      return bytes(v) + '/s'
    case '/s':
      return count(v) + '/s'
    case 's':
      return seconds(v)
    case 's/s':
      return seconds(v) + '/s'
    default:
      return count(v)
  }
}

// Axis steps that read well: 1, 2, 2.5 or 5 times a power of ten, inside the unit's own scale; of bytes powers of two.
export function axisTicks(max: number, unit: Unit, lines = 4): { max: number; ticks: number[] } {
  let top = max > 0 && Number.isFinite(max) ? max * 1.05 : unit === 'ratio' ? 0.04 : 1
  let scale = 1
  if (unit === 'bytes' || unit === 'bytes/s') {
    if (max <= 0) top = 1024
  } else if ((unit === 's' || unit === 's/s') && top >= 120) {
    scale = top >= 2 * 86400 ? 86400 : top >= 7200 ? 3600 : 60
  }
  const raw = top / scale / lines
  const power = 10 ** Math.floor(Math.log10(raw))
  const isBytes = unit === 'bytes' || unit === 'bytes/s'
  const step = isBytes ? 2 ** Math.ceil(Math.log2(raw) - 1e-9) : ([1, 2, 2.5, 5, 10].map((m) => m * power).find((s) => s >= raw * 0.999) ?? raw)
  const n = Math.max(1, Math.ceil(top / scale / step - 1e-9))
  const ticks = Array.from({ length: n + 1 }, (_, i) => i * step * scale)
  return { max: ticks[n], ticks }
}

// What a PromQL expression most likely measures, by the naming conventions of Prometheus.
export function guessUnit(query: string): Unit {
  const q = query.replace(/"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'/g, '""').replace(/\{[^}]*\}/g, '')
  if (/\bhistogram_quantile\s*\(/.test(q)) return /seconds/.test(q) ? 's' : /bytes/.test(q) ? 'bytes' : ''
  if (/\b(count|count_values|group|absent|changes|resets|timestamp|time|predict_linear)\s*\(/.test(q)) return ''
  const names = q.match(/[a-zA-Z_:][a-zA-Z0-9_:]*_(?:seconds|bytes|ratio|total|count|sum|bucket|info)\b(?:_total)?/g) ?? []
  if (/[^*/]\/[^/]/.test(q) || /\*\s*100\b/.test(q)) {
    const kinds = new Set(names.map((n) => (/(bytes)/.test(n) ? 'b' : /seconds/.test(n) ? 's' : '-')))
    return names.length > 1 && kinds.size === 1 && !/\*\s*100\b/.test(q) ? 'ratio' : ''
  }
  const rate = /\b(rate|irate|deriv)\s*\(/.test(q)
  const all = [...new Set(names)].join(' ') + ' ' + q
  if (/_ratio\b/.test(all)) return 'ratio'
  if (/_bytes(_total|_sum)?\b/.test(all)) return rate ? 'bytes/s' : 'bytes'
  if (/_seconds(_total|_sum)?\b/.test(all)) return rate ? '' : /_timestamp_seconds|_time_seconds\b/.test(all) ? '' : 's'
  return rate ? '/s' : ''
}
