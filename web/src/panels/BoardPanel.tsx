// SPDX-License-Identifier: Apache-2.0
// One panel of a board: chart, stat, gauge, table, text, log lines. What is not drawn here says so, with its queries.
import type { ComponentChildren } from 'preact'
import { useState } from 'preact/hooks'
import { queryInstant, queryRange, type Row } from '../api/prom'
import { queryLines, queryCounts, type LogLine } from '../api/loki'
import { numbersInstant, numbersRange } from '../api/tempo'
import { link, setRange, type RangeNow } from '../state/address'
import { useDots } from '../state/dots'
import { useFetch, type Fetched } from '../state/fetch'
import { fill, legendOf, reduce, stepOf, unitOf, type Panel, type Target, type Tone, type UnitOf, type Variable } from '../lib/board'
import { withLevels, type Level } from '../lib/logql'
import { blocks, type Inline } from '../lib/markdown'
import { gridTimes, toNumber, topLines, type Grid, type Line } from '../lib/series'
import { clock, nsOf, stamp, utc, msOf } from '../lib/time'
import { format } from '../lib/units'
import { labelText, safe } from '../lib/text'
import { W } from '../lib/words'
import { placeInLogs } from './ErrorsPanel'
import { LevelFilter } from './LevelFilter'
import { Card } from '../widgets/Card'
import { Spark } from '../widgets/Spark'
import { Empty, Fetch, Notes } from '../widgets/States'
import { Table, type Column } from '../widgets/Table'
import { slotClass, TimeChart } from '../widgets/TimeChart'

export const ROW_PX = 38 // of a board's grid, Grafana's 30 and 8 between
const HEAD_PX = 46
const LEGEND_PX = 26
const LOGS_MAX = 100
const ROWS_MAX = 200
const ARC_R = 40
const ARC_LENGTH = Math.PI * ARC_R

export interface PanelProps {
  panel: Panel
  variables: Variable[]
  range: RangeNow
  grid: Grid
  more?: ComponentChildren // at the right, instead of the link to the query
}

interface Data {
  lines: Line[]
  notes: string[]
  all: number
}

const shown = (v: number | null, u: UnitOf): string => (v === null ? '–' : u.isTime ? stamp(v) : u.before + format(v, u.unit) + u.after)
const scaled = (l: Line, u: UnitOf): Line => (u.factor === 1 ? l : { ...l, values: l.values.map((v) => (v === null ? null : v * u.factor)) })
const keyOf = (p: PanelProps, kind: string): string | null => {
  const t = p.panel.targets.map((x) => fill(x.expr, p.variables, p.grid)).join('\u0001')
  return t ? `${kind}|${t}|${p.grid.step}|${p.range.range.from}|${p.range.range.to}` : null
}

async function linesOf(t: Target, p: PanelProps, signal: AbortSignal): Promise<{ lines: Line[]; notes: string[] }> {
  const query = fill(t.expr, p.variables, p.grid)
  const named = (lines: Line[]) => lines.map((l) => ({ ...l, name: legendOf(t.legend, l.labels, p.panel.targets.length > 1 && l.name === '{}' ? t.refId : l.name) }))
  if (t.source === 'loki') return { lines: named(await queryCounts(query, p.grid, signal)), notes: [] }
  if (t.source === 'tempo') {
    const a = await numbersRange(query, p.grid, 0, signal)
    return { lines: named(a.lines), notes: a.warnings }
  }
  const a = await queryRange(query, p.grid, signal)
  return { lines: named(a.lines), notes: [...a.warnings, ...a.infos] }
}

function useLines(p: PanelProps): Fetched<Data> {
  const u = unitOf(p.panel.unit)
  return useFetch(keyOf(p, 'lines'), p.range.tick, async (signal) => {
    const answers = await Promise.all(p.panel.targets.map((t) => linesOf(t, p, signal)))
    const lines = answers.flatMap((a) => a.lines).map((l) => scaled(l, u))
    return { lines, all: lines.length, notes: answers.flatMap((a) => a.notes) }
  })
}

const firstQuery = (p: PanelProps): string | undefined => p.panel.targets[0] && fill(p.panel.targets[0].expr, p.variables, p.grid)

const room = (panel: Panel) => Math.max(60, panel.h * ROW_PX - 8 - HEAD_PX - (panel.title ? 0 : -20))

function Chart(p: PanelProps) {
  const of = useLines(p)
  const u = unitOf(p.panel.unit)
  const dots = useDots(p.panel.targets.filter((t) => t.source === 'prometheus').map((t) => fill(t.expr, p.variables, p.grid)), p.grid, p.range.tick, u.factor)
  return (
    <Fetch of={of} rows={p.panel.h} isEmpty={(d) => d.lines.length === 0} empty={<Empty why={W.boards.noData} command={firstQuery(p)} />}>
      {(d) => {
        const top = topLines(d.lines)
        const lines = top.shown.map((l, i) => ({ name: safe(l.name), values: l.values, slot: i, fill: top.shown.length === 1 }))
        // A share that is none beyond the whole has its axis end there.
        const isShare = u.unit === 'ratio' && lines.every((l) => l.values.every((v) => v === null || v <= 1))
        const legend = lines.length > 1 || p.panel.h > 4
        return (
          <>
            <TimeChart
              times={gridTimes(p.grid)}
              lines={lines}
              dots={dots}
              unit={u.unit}
              height={room(p.panel) - (legend ? LEGEND_PX : 0)}
              least={p.panel.max !== undefined ? p.panel.max * u.factor : undefined}
              limit={isShare ? 1 : undefined}
              label={p.panel.title}
              onZoom={setRange}
              start={p.grid.start}
              end={p.grid.end}
            />
            {legend && (
              <div class="legend one">
                {lines.map((l) => (
                  <span key={l.name}>
                    <i class={`swatch ${slotClass(l.slot)}`} />
                    {l.name} <b>{shown(reduce(l.values, 'lastNotNull'), u)}</b>
                  </span>
                ))}
                {top.all > top.shown.length && <span class="dim">{W.boards.more(top.all - top.shown.length)}</span>}
              </div>
            )}
            <Notes notes={[...new Set(d.notes)]} kind="info" />
          </>
        )
      }}
    </Fetch>
  )
}

const STATE: Record<Tone, string> = { ok: 'ok', warn: 'warn', bad: 'bad', '': '' }

function Stat(p: PanelProps) {
  const of = useLines(p)
  const u = unitOf(p.panel.unit)
  return (
    <Fetch of={of} rows={2} isEmpty={(d) => d.lines.length === 0} empty={<Empty why={W.boards.noData} />}>
      {(d) => (
        <div class="stats">
          {d.lines.slice(0, 12).map((l) => {
            const v = reduce(l.values, p.panel.calc)
            const tone = v === null ? '' : stepOf(p.panel.steps, v / u.factor)
            return (
              <div class="stat" key={l.name}>
                <span class={`big ${STATE[tone]}`}>{shown(v, u)}</span>
                {tone !== 'ok' && tone !== '' && <span class={`word ${tone}`}>{tone === 'bad' ? W.boards.beyond : W.boards.near}</span>}
                {p.panel.spark && <Spark values={l.values} tone="c1" label={`${p.panel.title} ${safe(l.name)}`} />}
                {d.lines.length > 1 && <span class="dim cut">{safe(l.name)}</span>}
              </div>
            )
          })}
          {d.lines.length > 12 && <span class="dim">{W.boards.more(d.lines.length - 12)}</span>}
        </div>
      )}
    </Fetch>
  )
}

function Arc({ share, tone }: { share: number; tone: Tone }) {
  const path = `M10 50 A${ARC_R} ${ARC_R} 0 0 1 90 50`
  return (
    <svg class="arc" viewBox="0 0 100 56" aria-hidden="true">
      <path class="track" d={path} />
      <path class={`needle ${STATE[tone]}`} d={path} stroke-dasharray={`${(share * ARC_LENGTH).toFixed(2)} ${ARC_LENGTH.toFixed(2)}`} />
    </svg>
  )
}

function Gauge(p: PanelProps) {
  const of = useLines(p)
  const u = unitOf(p.panel.unit)
  const min = p.panel.min ?? 0
  const max = p.panel.max ?? (p.panel.unit === 'percentunit' ? 1 : 100)
  return (
    <Fetch of={of} rows={2} isEmpty={(d) => d.lines.length === 0} empty={<Empty why={W.boards.noData} />}>
      {(d) => (
        <div class="stats">
          {d.lines.slice(0, 8).map((l) => {
            const v = reduce(l.values, p.panel.calc)
            const raw = v === null ? null : v / u.factor
            const tone = raw === null ? '' : stepOf(p.panel.steps, raw)
            return (
              <div class="stat centre" key={l.name}>
                <Arc share={raw === null ? 0 : Math.max(0, Math.min(1, (raw - min) / (max - min || 1)))} tone={tone} />
                <span class={`big ${STATE[tone]}`}>{shown(v, u)}</span>
                {d.lines.length > 1 && <span class="dim cut">{safe(l.name)}</span>}
              </div>
            )
          })}
        </div>
      )}
    </Fetch>
  )
}

interface TableRow {
  labels: Record<string, string>
  values: Record<string, string>
}

// Rows of several queries with the same labels are one row with a column each.
function joined(answers: { refId: string; rows: Row[] }[]): TableRow[] {
  const rows = new Map<string, TableRow>()
  for (const { refId, rows: list } of answers)
    for (const r of list) {
      const labels = Object.fromEntries(Object.entries(r.labels).filter(([k]) => k !== '__name__'))
      const key = labelText(labels)
      const row = rows.get(key) ?? { labels, values: {} }
      row.values[refId] = r.value
      rows.set(key, row)
    }
  return [...rows.values()]
}

async function rowsOf(t: Target, p: PanelProps, signal: AbortSignal): Promise<Row[]> {
  const query = fill(t.expr, p.variables, p.grid)
  if (t.source !== 'tempo') return (await queryInstant(query, p.grid.end, signal)).rows
  const a = await numbersInstant(query, p.range.startMs, p.range.endMs, signal)
  return a.series.map((s) => ({ labels: s.labels, value: String(s.value), time: p.grid.end }))
}

function Rows(p: PanelProps) {
  const u = unitOf(p.panel.unit)
  const of = useFetch(keyOf(p, 'rows'), p.range.tick, async (signal) =>
    joined(
      await Promise.all(
        p.panel.targets.map(async (t) => ({ refId: t.refId, rows: await rowsOf(t, p, signal) })),
      ),
    ),
  )
  return (
    <Fetch of={of} rows={p.panel.h} isEmpty={(d) => d.length === 0} empty={<Empty why={W.boards.noData} command={firstQuery(p)} />}>
      {(d) => {
        const names = [...new Set(d.flatMap((r) => Object.keys(r.labels)))].filter((n) => !p.panel.hidden.includes(n)).sort()
        const refs = p.panel.targets.map((t) => t.refId)
        const titleOf = (ref: string) => {
          const name = refs.length > 1 ? `Value #${ref}` : 'Value'
          const legend = p.panel.targets.find((t) => t.refId === ref)?.legend ?? ''
          // A legend made of labels names rows, not the column.
          return p.panel.renamed[name] || (legend.includes('{{') ? '' : legend) || (refs.length > 1 ? ref : W.metrics.value)
        }
        const columns: Column<TableRow>[] = [
          ...names.map((n) => ({ title: safe(p.panel.renamed[n] || n), class: () => 'mono', draw: (r: TableRow) => safe(r.labels[n] ?? '') })),
          ...refs.map((ref) => ({
            title: safe(titleOf(ref)),
            number: true,
            draw: (r: TableRow) => (r.values[ref] === undefined ? '–' : shown(toNumber(r.values[ref]) * u.factor, u)),
          })),
        ]
        const sorted = [...d].sort((a, b) => toNumber(b.values[refs[0]] ?? '') - toNumber(a.values[refs[0]] ?? ''))
        return (
          <>
            <Table columns={columns} rows={sorted.slice(0, ROWS_MAX)} keyOf={(r) => labelText(r.labels)} />
            {sorted.length > ROWS_MAX && <p class="dim">{W.boards.more(sorted.length - ROWS_MAX)}</p>}
          </>
        )
      }}
    </Fetch>
  )
}

function LogLines(p: PanelProps) {
  const [levels, setLevels] = useState<Level[]>([])
  const written = p.panel.targets[0] ? fill(p.panel.targets[0].expr, p.variables, p.grid) : ''
  const query = levels.length > 0 ? withLevels(written, levels) : written
  const of = useFetch(written ? `${keyOf(p, 'logs')}|${query}` : null, p.range.tick, (signal) => queryLines(query, nsOf(p.grid.start * 1000), nsOf(p.grid.end * 1000), LOGS_MAX, signal))
  return (
    <>
      <LevelFilter value={levels} onChange={setLevels} />
      <Fetch of={of} rows={p.panel.h} isEmpty={(d) => d.lines.length === 0} empty={<Empty why={W.boards.noLines} command={query} />}>
        {(d) => (
          <div class="log tight">
            {d.lines.map((l: LogLine) => (
              <a key={l.id} class={`line ${l.level}`} href={placeInLogs(l)}>
                <span class="t" title={utc(msOf(l.ns))}>
                  {clock(msOf(l.ns))}
                </span>
                <span class="lv">{W.levels[l.level]}</span>
                <span class="tx">{safe(l.text)}</span>
              </a>
            ))}
          </div>
        )}
      </Fetch>
    </>
  )
}

function Words({ list }: { list: Inline[] }) {
  return (
    <>
      {list.map((w, i) => {
        if (w.kind === 'code') return <code key={i}>{safe(w.text)}</code>
        if (w.kind === 'bold') return <b key={i}>{safe(w.text)}</b>
        if (w.kind === 'italic') return <i key={i}>{safe(w.text)}</i>
        if (w.kind === 'link')
          return (
            <a key={i} href={w.href} rel="noreferrer">
              {safe(w.text)}
            </a>
          )
        return safe(w.text)
      })}
    </>
  )
}

function TextPanel({ panel }: PanelProps) {
  return (
    <div class="prose">
      {blocks(panel.text).map((b, i) => {
        if (b.kind === 'heading')
          return (
            <h3 key={i}>
              <Words list={b.inline} />
            </h3>
          )
        if (b.kind === 'code') return <pre key={i}>{safe(b.text, true)}</pre>
        if (b.kind === 'list') {
          const items = b.items.map((item, k) => (
            <li key={k}>
              <Words list={item} />
            </li>
          ))
          return b.ordered ? <ol key={i}>{items}</ol> : <ul key={i}>{items}</ul>
        }
        return (
          <p key={i}>
            <Words list={b.inline} />
          </p>
        )
      })}
    </div>
  )
}

// Where one goes on with the query.
const exploring = (t: Target, q: string): string => (t.source === 'tempo' ? link('/traces', { mode: 'traceql', q }) : link(t.source === 'loki' ? '/logs' : '/metrics-explorer', { q }))

function Unknown({ panel, variables, grid }: PanelProps) {
  return (
    <div class="empty">
      <p>{W.boards.unknown(safe(panel.type))}</p>
      {panel.targets.map((t) => (
        <p key={t.refId}>
          <a href={exploring(t, fill(t.expr, variables, grid))}>{safe(fill(t.expr, variables, grid))}</a>
        </p>
      ))}
    </div>
  )
}

const DRAWN: Record<string, (p: PanelProps) => preact.JSX.Element> = {
  timeseries: Chart,
  stat: Stat,
  gauge: Gauge,
  bargauge: Gauge,
  table: Rows,
  logs: LogLines,
  text: TextPanel,
}

export function BoardPanel(p: PanelProps) {
  const Draw = DRAWN[p.panel.type] ?? Unknown
  const first = p.panel.targets[0]
  const open = first && (
    <a class="quiet" title={W.boards.explore} href={exploring(first, fill(first.expr, p.variables, p.grid))}>
      ↗
    </a>
  )
  return (
    <Card name={p.panel.title || p.panel.type} class={`board-panel ${p.panel.type}`} title={safe(fill(p.panel.title, p.variables, p.grid))} note={safe(p.panel.description)} aside={p.more ?? open}>
      <Draw {...p} />
    </Card>
  )
}
