// SPDX-License-Identifier: Apache-2.0
// Numbers that a query makes of spans: as lines with exemplars that open their traces, or as what sets a selection apart.
import { numbersInstant, numbersRange, type NumberLines } from '../api/tempo'
import { change, link, useRange } from '../state/address'
import { useFetch, type Fetched } from '../state/fetch'
import { DOTS_MAX } from '../lib/exemplars'
import { bucketHeat, type Bucket } from '../lib/heat'
import type { Grid } from '../lib/series'
import { aligned, stepFor } from '../lib/time'
import { cut, safe } from '../lib/text'
import { differences, kept, narrowed, searchOf, showsObserved, unitOfNumbers, type Difference, type Differences } from '../lib/traceql'
import { percent } from '../lib/units'
import { W } from '../lib/words'
import { Empty, Fetch, Notes } from '../widgets/States'
import { Table, type Column } from '../widgets/Table'
import type { Dot } from '../widgets/TimeChart'
import { HeatPlot } from './HeatMap'
import { SeriesChart } from './SeriesChart'

const POINTS = 240
const HEAT_COLUMNS = 80
const ROWS_FIRST = 50
const VALUE_MAX = 120

export interface Numbers {
  lines?: NumberLines
  differences?: Differences
  warnings: string[]
}

// isCompare: one answer of all of the range, in place of points over time.
export function useNumbers(query: string, isCompare: boolean): Fetched<Numbers> {
  const r = useRange()
  const step = stepFor(r, POINTS)
  const grid: Grid = { ...aligned(r, step), step }
  return useFetch(query ? `${query}|${r.range.from}|${r.range.to}|${step}` : null, r.tick, async (signal): Promise<Numbers> => {
    if (isCompare) {
      const a = await numbersInstant(query, r.startMs, r.endMs, signal)
      return { differences: differences(a.series), warnings: a.warnings }
    }
    const lines = await numbersRange(query, grid, DOTS_MAX, signal)
    return { lines, warnings: lines.warnings }
  })
}

function Lines({ data, query }: { data: NumberLines; query: string }) {
  const observed = showsObserved(query)
  const dots: Dot[] = data.exemplars.slice(0, DOTS_MAX).map((e) => ({
    t: e.t,
    v: observed && Number.isFinite(e.value) ? e.value : null,
    href: link(`/trace/${e.trace}`, { span: e.span }),
    title: W.tracing.ql.dot(e.trace),
  }))
  const buckets = bucketsOf(query, data)
  if (!buckets) return <SeriesChart data={data} unit={unitOfNumbers(query)} dots={dots} />
  return <HeatPlot heat={bucketHeat(buckets, data.grid, HEAT_COLUMNS)} onNarrow={(s) => change({ from: String(s.fromMs), to: String(s.toMs), q: narrowed(searchOf(query), s.min, s.max) })} />
}

// Durations by their buckets and nothing else: a map of them says more than a line for each.
function bucketsOf(query: string, data: NumberLines): Bucket[] | null {
  const single = searchOf(query) !== query && data.lines.every((l) => Object.keys(l.labels).join() === '__bucket')
  return single ? data.lines.map((l) => ({ top: Number(l.labels.__bucket), values: l.values })) : null
}

function Bar({ share, side }: { share: number; side: 'selection' | 'baseline' }) {
  return (
    <span class="ql-share">
      <span class="dbar">
        <i class={side} style={{ width: `${Math.min(100, share * 100)}%` }} />
      </span>
      <span class="n">{percent(share)}</span>
    </span>
  )
}

function Apart({ data, query }: { data: Differences; query: string }) {
  const rows = data.rows.slice(0, ROWS_FIRST)
  const columns: Column<Difference>[] = [
    { title: W.tracing.ql.compare.attribute, class: () => 'mono break', draw: (d) => safe(cut(d.attribute, VALUE_MAX)) },
    {
      title: W.tracing.ql.compare.value,
      class: () => 'mono break',
      draw: (d) => {
        const next = kept(query, d)
        const text = safe(cut(d.value, VALUE_MAX))
        return next ? (
          <button type="button" class="plain" onClick={() => change({ q: next })}>
            {text}
          </button>
        ) : (
          text
        )
      },
    },
    { title: W.tracing.ql.compare.selection, draw: (d) => <Bar share={d.selection} side="selection" /> },
    { title: W.tracing.ql.compare.baseline, draw: (d) => <Bar share={d.baseline} side="baseline" /> },
    { title: W.tracing.ql.compare.difference, number: true, wide: true, draw: (d) => `${d.selection < d.baseline ? '−' : '+'}${percent(Math.abs(d.selection - d.baseline))}` },
  ]
  return (
    <>
      <h2>
        {W.tracing.ql.compare.title} <small>{W.tracing.ql.compare.note(rows.length, data.rows.length)}</small>
      </h2>
      <p class="dim">{W.tracing.ql.compare.hint}</p>
      <Table columns={columns} rows={rows} keyOf={(d) => `${d.attribute}\u0000${d.literal ?? d.value}`} class="compare-table" />
      {data.cut.length > 0 && <p class="dim break">{W.tracing.ql.compare.cut(data.cut.map((n) => safe(n)).join(', '))}</p>}
    </>
  )
}

export function TraceqlNumbers({ of, query }: { of: Fetched<Numbers>; query: string }) {
  const isEmpty = (d: Numbers) => (d.lines ? d.lines.lines.length === 0 : d.differences?.rows.length === 0)
  return (
    <>
      <Notes kind="warning" notes={of.data?.warnings ?? []} />
      <Fetch of={of} rows={8} isEmpty={isEmpty} empty={<Empty why={W.tracing.ql.noNumbers} hint={W.tracing.ql.emptyHint} />}>
        {(d) => (d.lines ? <Lines data={d.lines} query={query} /> : <Apart data={d.differences!} query={query} />)}
      </Fetch>
    </>
  )
}
