// SPDX-License-Identifier: Apache-2.0
// A board is Grafana's dashboard JSON. What is drawn of it is read here; everything else of the document is kept as it came.
import type { Unit } from './units'
import { durationMs } from './time'

export type Source = 'prometheus' | 'loki' | 'tempo'
export interface Target {
  refId: string
  expr: string
  legend: string
  instant: boolean
  source: Source
}
export interface Step {
  value: number | null
  tone: Tone
}
export type Tone = 'ok' | 'warn' | 'bad' | ''
export interface Panel {
  id: number
  type: string
  title: string
  description: string
  x: number
  y: number
  w: number
  h: number
  targets: Target[]
  unit: string
  decimals?: number
  min?: number
  max?: number
  steps: Step[]
  calc: string
  text: string
  spark: boolean
  hidden: string[] // columns of a table
  renamed: Record<string, string>
  inside: Panel[] // of a collapsed row
  collapsed: boolean
}
export interface Variable {
  name: string
  label: string
  type: string
  query: string
  options: string[]
  value: string[]
  multi: boolean
  all: boolean
  allValue: string
}
export interface Board {
  uid: string
  title: string
  tags: string[]
  panels: Panel[]
  variables: Variable[]
  from?: string
}

export const COLUMNS = 24
export const ALL = '$__all'

type Json = Record<string, unknown>
const obj = (v: unknown): Json => (v && typeof v === 'object' && !Array.isArray(v) ? (v as Json) : {})
const list = (v: unknown): unknown[] => (Array.isArray(v) ? v : [])
const text = (v: unknown): string => (typeof v === 'string' ? v : typeof v === 'number' ? String(v) : '')
const num = (v: unknown): number | undefined => (typeof v === 'number' && Number.isFinite(v) ? v : undefined)

const RED = /red|crimson|#f2495c|#e02f44|#d44a3a/i
const AMBER = /yellow|orange|amber|#ff9830|#fade2a|#eab839|#ed8128/i

export function toneOf(colour: string): Tone {
  if (RED.test(colour)) return 'bad'
  if (AMBER.test(colour)) return 'warn'
  return /green|#73bf69|#299c46/i.test(colour) ? 'ok' : ''
}

function readTarget(v: unknown, i: number, panelSource: string): Target {
  const t = obj(v)
  const kind = text(obj(t.datasource).type) || panelSource
  return {
    refId: text(t.refId) || String.fromCharCode(65 + i),
    expr: kind === 'tempo' ? text(t.query) : text(t.expr),
    legend: text(t.legendFormat) === '__auto' ? '' : text(t.legendFormat),
    instant: t.instant === true || t.format === 'table' || t.queryType === 'instant',
    source: kind === 'loki' || kind === 'tempo' ? kind : 'prometheus',
  }
}

function readPanel(v: unknown, i: number): Panel {
  const p = obj(v)
  const grid = obj(p.gridPos)
  const options = obj(p.options)
  const field = obj(obj(p.fieldConfig).defaults)
  const reduce = obj(options.reduceOptions)
  const organize = list(p.transformations).map(obj).filter((t) => t.id === 'organize').map((t) => obj(t.options))
  const type = text(p.type) === 'graph' ? 'timeseries' : text(p.type) === 'singlestat' ? 'stat' : text(p.type)
  return {
    id: num(p.id) ?? i + 1,
    type,
    title: text(p.title),
    description: text(p.description),
    x: Math.min(COLUMNS - 1, num(grid.x) ?? 0),
    y: num(grid.y) ?? 0,
    w: Math.max(1, Math.min(COLUMNS, num(grid.w) ?? 12)),
    h: Math.max(1, num(grid.h) ?? (type === 'row' ? 1 : 8)),
    targets: list(p.targets).map((t, k) => readTarget(t, k, text(obj(p.datasource).type))).filter((t) => t.expr),
    unit: text(field.unit),
    decimals: num(field.decimals),
    min: num(field.min),
    max: num(field.max),
    steps: list(obj(field.thresholds).steps).map(obj).map((s) => ({ value: num(s.value) ?? null, tone: toneOf(text(s.color)) })),
    calc: text(list(reduce.calcs)[0]) || 'lastNotNull',
    text: text(options.content) || text(p.content),
    spark: options.graphMode !== 'none',
    hidden: organize.flatMap((o) => Object.keys(obj(o.excludeByName)).filter((k) => obj(o.excludeByName)[k] === true)),
    renamed: Object.assign({}, ...organize.map((o) => Object.fromEntries(Object.entries(obj(o.renameByName)).map(([k, n]) => [k, text(n)])))) as Record<string, string>,
    inside: type === 'row' ? list(p.panels).map(readPanel) : [],
    collapsed: type === 'row' && p.collapsed === true,
  }
}

function readVariable(v: unknown): Variable {
  const t = obj(v)
  const current = obj(t.current).value
  const type = text(t.type)
  const query = typeof t.query === 'string' ? t.query : text(obj(t.query).query)
  const given = list(t.options).map((o) => text(obj(o).value)).filter((o) => o && o !== ALL)
  const options = given.length ? given : type === 'custom' || type === 'interval' ? query.split(',').map((s) => s.trim()).filter(Boolean) : []
  const value = (Array.isArray(current) ? current.map(text) : [text(current)]).filter((s) => s && s !== 'All')
  return {
    name: text(t.name),
    label: text(t.label) || text(t.name),
    type,
    query,
    options,
    value: value.length ? value : type === 'constant' || type === 'textbox' ? [query] : t.includeAll ? [ALL] : options.slice(0, 1),
    multi: t.multi === true,
    all: t.includeAll === true,
    allValue: text(t.allValue),
  }
}

export function readBoard(document: unknown): Board {
  const outer = obj(document)
  const d = obj(outer.dashboard).panels ? obj(outer.dashboard) : outer
  return {
    uid: text(d.uid),
    title: text(d.title),
    tags: list(d.tags).map(text),
    panels: list(d.panels).map(readPanel),
    variables: list(obj(d.templating).list).map(readVariable).filter((v) => v.name && ['query', 'custom', 'constant', 'interval', 'textbox'].includes(v.type)),
    from: text(obj(d.time).from) || undefined,
  }
}

const escapeRegex = (s: string) => s.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')

// What stands for a variable in a query: one value as it is, several as a group of a regular expression.
function inserted(v: Variable, how: string): string {
  const isAll = v.value.includes(ALL)
  if (isAll && v.allValue) return v.allValue
  if (isAll && v.options.length === 0) return '.*'
  const values = isAll ? v.options : v.value
  if (how === 'csv') return values.join(',')
  if (how === 'pipe') return values.join('|')
  if (how === 'raw' || (values.length <= 1 && how !== 'regex')) return values.join(',')
  return `(${values.map(escapeRegex).join('|')})`
}

export interface Times {
  start: number // seconds
  end: number
  step: number
}

// $name, ${name}, ${name:regex}, [[name]], and Grafana's own $__interval and the like.
export function fill(query: string, variables: Variable[], t: Times): string {
  const own: Record<string, string> = {
    __interval: `${t.step}s`,
    __interval_ms: String(t.step * 1000),
    __rate_interval: `${Math.max(60, t.step * 4)}s`,
    __range: `${Math.max(1, Math.round(t.end - t.start))}s`,
    __range_s: String(Math.round(t.end - t.start)),
    __range_ms: String(Math.round((t.end - t.start) * 1000)),
    __from: String(Math.round(t.start * 1000)),
    __to: String(Math.round(t.end * 1000)),
  }
  return query.replace(/\$\{(\w+)(?::(\w+))?\}|\[\[(\w+)(?::(\w+))?\]\]|\$(\w+)/g, (all, a, aHow, b, bHow, c) => {
    const name = a ?? b ?? c
    if (own[name] !== undefined) return own[name]
    const v = variables.find((x) => x.name === name)
    return v ? inserted(v, aHow ?? bHow ?? '') : all
  })
}

// label_values(metric{...}, label) and label_values(label): what the query of a variable asks.
export function labelValuesOf(query: string): { label: string; match: string } | null {
  const m = /^\s*label_values\(\s*(?:([\s\S]+?)\s*,\s*)?([a-zA-Z_][\w.]*)\s*\)\s*$/.exec(query)
  return m ? { match: m[1] ?? '', label: m[2] } : null
}

export function legendOf(format: string, labels: Record<string, string>, fallback: string): string {
  if (!format) return fallback
  return format.replace(/\{\{\s*([\w.]+)\s*\}\}/g, (_, name) => labels[name] ?? '').trim() || fallback
}

// Grafana's unit names as ours, with the factor that brings a value there, or a word that follows the number.
const UNITS: Record<string, { unit: Unit; factor: number }> = {
  percent: { unit: 'ratio', factor: 0.01 },
  percentunit: { unit: 'ratio', factor: 1 },
  bytes: { unit: 'bytes', factor: 1 },
  decbytes: { unit: 'bytes', factor: 1 },
  kbytes: { unit: 'bytes', factor: 1024 },
  mbytes: { unit: 'bytes', factor: 1024 * 1024 },
  gbytes: { unit: 'bytes', factor: 1024 ** 3 },
  bits: { unit: 'bytes', factor: 1 / 8 },
  Bps: { unit: 'bytes/s', factor: 1 },
  binBps: { unit: 'bytes/s', factor: 1 },
  bps: { unit: 'bytes/s', factor: 1 / 8 },
  s: { unit: 's', factor: 1 },
  ms: { unit: 's', factor: 1e-3 },
  'µs': { unit: 's', factor: 1e-6 },
  ns: { unit: 's', factor: 1e-9 },
  m: { unit: 's', factor: 60 },
  h: { unit: 's', factor: 3600 },
  d: { unit: 's', factor: 86400 },
  dtdurations: { unit: 's', factor: 1 },
  reqps: { unit: '/s', factor: 1 },
  ops: { unit: '/s', factor: 1 },
  rps: { unit: '/s', factor: 1 },
  wps: { unit: '/s', factor: 1 },
  cps: { unit: '/s', factor: 1 },
  iops: { unit: '/s', factor: 1 },
}
const SIGNS: Record<string, string> = { currencyUSD: '$', currencyEUR: '€', currencyGBP: '£', currencyJPY: '¥' }
const WORDS: Record<string, string> = { celsius: '°C', farenheit: '°F', hertz: 'Hz', watt: 'W', volt: 'V', amp: 'A' }

export interface UnitOf {
  unit: Unit
  factor: number
  before: string
  after: string
  isTime?: boolean // milliseconds since 1970
}

export function unitOf(name: string): UnitOf {
  if (name.startsWith('dateTime')) return { unit: '', factor: 1, before: '', after: '', isTime: true }
  const known = UNITS[name]
  if (known) return { ...known, before: '', after: '' }
  if (SIGNS[name]) return { unit: '', factor: 1, before: SIGNS[name], after: '' }
  const plain = ['', 'none', 'short', 'string', 'locale'].includes(name)
  return { unit: '', factor: 1, before: '', after: plain ? '' : `\u00a0${WORDS[name] ?? name.replace(/^(suffix|custom):/, '')}` }
}

// The last step whose value is not above v.
export function stepOf(steps: Step[], v: number): Tone {
  let tone: Tone = ''
  for (const s of steps) if (s.value === null || v >= s.value) tone = s.tone
  return tone
}

export function reduce(values: (number | null)[], calc: string): number | null {
  const known = values.filter((v): v is number => v !== null)
  if (known.length === 0) return null
  const sum = known.reduce((a, b) => a + b, 0)
  switch (calc) {
    case 'mean':
      return sum / known.length
    case 'sum':
      return sum
    case 'max':
      return Math.max(...known)
    case 'min':
      return Math.min(...known)
    case 'count':
      return known.length
    case 'first':
    case 'firstNotNull':
      return known[0]
    case 'range':
      return Math.max(...known) - Math.min(...known)
    case 'diff':
      return known[known.length - 1] - known[0]
    case 'last':
      return values[values.length - 1]
    default:
      return known[known.length - 1]
  }
}

// Panels in reading order; those of a collapsed row follow it only when it is open. A row that is closed moves up what follows.
export function visible(panels: Panel[], open: Set<number>): { panel: Panel; y: number }[] {
  const sorted = [...panels].sort((a, b) => a.y - b.y || a.x - b.x)
  const out: { panel: Panel; y: number }[] = []
  let shift = 0
  for (const p of sorted) {
    out.push({ panel: p, y: p.y + shift })
    if (p.type !== 'row' || !p.collapsed || !open.has(p.id)) continue
    const inside = [...p.inside].sort((a, b) => a.y - b.y || a.x - b.x)
    const first = Math.min(...inside.map((q) => q.y), Infinity)
    const last = Math.max(...inside.map((q) => q.y + q.h), 0)
    for (const q of inside) out.push({ panel: q, y: q.y - first + p.y + 1 + shift })
    if (inside.length) shift += last - first
  }
  return out
}

export const isDuration = (s: string): boolean => durationMs(s) !== null
