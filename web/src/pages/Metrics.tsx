// SPDX-License-Identifier: Apache-2.0
// Metrics explorer: a PromQL query as chart and as table; without a query, the metrics known here.
import { useRef, useState } from 'preact/hooks'
import { metadata, metricNames, queryInstant, queryRange, type Lines, type Row, type Rows } from '../api/prom'
import { change, here, link, useAddress, useRange } from '../state/address'
import { useDots } from '../state/dots'
import { useFetch } from '../state/fetch'
import type { ListRef } from '../state/keys'
import { toNumber, type Grid } from '../lib/series'
import { aligned, stamp, stepFor } from '../lib/time'
import { format, guessUnit, type Unit } from '../lib/units'
import { labelText, safe } from '../lib/text'
import { refreshNow } from '../state/refresh'
import { W } from '../lib/words'
import { Empty, Fetch, Notes } from '../widgets/States'
import { QueryEditor } from '../editor/QueryEditor'
import { SeriesChart } from '../panels/SeriesChart'
import { Card } from '../widgets/Card'
import { Table, type Column } from '../widgets/Table'
import { VirtualList } from '../widgets/VirtualList'

const POINTS = 240
const ROWS_MAX = 500
const NAME_PX = 25

function Chart({ data, unit, query, tick }: { data: Lines; unit: Unit; query: string; tick: number }) {
  return <SeriesChart data={data} unit={unit} dots={useDots([query], data.grid, tick)} />
}

function Values({ data, unit }: { data: Rows; unit: Unit }) {
  const rows = [...data.rows].sort((a, b) => toNumber(b.value) - toNumber(a.value)).slice(0, ROWS_MAX)
  const text = (value: string) => (Number.isNaN(toNumber(value)) && value !== 'NaN' ? safe(value) : format(toNumber(value), unit))
  const columns: Column<Row>[] = [
    { title: W.metrics.labels, class: () => 'mono break', draw: (r) => labelText(r.labels) },
    { title: W.metrics.value, number: true, class: () => 'mono', draw: (r) => <span title={safe(r.value)}>{text(r.value)}</span> },
  ]
  return (
    <>
      {data.rows.length > rows.length && <p class="dim count">{W.metrics.rowsShown(rows.length, data.rows.length)}</p>}
      <Table columns={columns} rows={rows} keyOf={(r, i) => labelText(r.labels) + i} class="values" />
      {data.rows[0] && <p class="dim count">{W.metrics.at(stamp(data.rows[0].time * 1000))}</p>}
    </>
  )
}

function queryFor(name: string, type: string | undefined): string {
  if (/_bucket$/.test(name)) return `histogram_quantile(0.99, sum by (le) (rate(${name}[1m])))`
  if (type === 'counter' || /_(total|count|sum)$/.test(name)) return `rate(${name}[1m])`
  return name
}

function Browse() {
  const r = useRange()
  const [filter, setFilter] = useState('')
  const names = useFetch(`names|${r.range.from}|${r.range.to}`, r.tick, (s) => metricNames(Math.floor(r.startMs / 1000), Math.ceil(r.endMs / 1000), s))
  const rows = useRef<HTMLElement | null>(null) as ListRef
  const meta = useFetch('metadata', 0, metadata)
  const wanted = filter.toLowerCase().split(/\s+/).filter(Boolean)
  return (
    <Card name="browse" title={W.metrics.browse}>
      <Fetch of={names} rows={8} isEmpty={(d) => d.length === 0} empty={<Empty why={W.metrics.browseEmpty} command={W.home.hostCommand} />}>
        {(all) => {
          const list = all.filter((n) => wanted.every((w) => n.toLowerCase().includes(w)))
          return (
            <>
              <div class="row">
                <input class="filter" value={filter} placeholder={W.metrics.browseFilter} aria-label={W.metrics.browseFilter} spellcheck={false} onInput={(e) => setFilter(e.currentTarget.value)} />
                <span class="dim">{W.metrics.browseCount(list.length, all.length)}</span>
              </div>
              <VirtualList items={list} keyOf={(name) => name} rowPx={NAME_PX} listRef={rows} label={W.metrics.browse} class="names">
                {(name) => {
                  const base = name.replace(/_(bucket|count|sum)$/, '')
                  const m = meta.data?.[name]?.[0] ?? meta.data?.[base]?.[0]
                  return (
                    <div class="name-row">
                      <a class="mono" href={link('/metrics-explorer', { q: queryFor(name, m?.type) })}>
                        {safe(name)}
                      </a>
                      <span class="faint">{m && m.type !== 'unknown' ? safe(m.type) : ''}</span>
                      <span class="dim help">{safe(m?.help ?? '')}</span>
                    </div>
                  )
                }}
              </VirtualList>
            </>
          )
        }}
      </Fetch>
    </Card>
  )
}

export function Metrics() {
  const a = useAddress()
  const r = useRange()
  const query = a.get('q')
  const table = a.get('tab') === 'table'
  const typed = useRef(query)
  const step = stepFor(r, POINTS)
  const grid: Grid = { ...aligned(r, step), step }
  const key = query && `${query}|${r.range.from}|${r.range.to}|${step}`
  const chart = useFetch(query && !table ? key : null, r.tick, (s) => queryRange(query, grid, s))
  const rows = useFetch(query && table ? key : null, r.tick, (s) => queryInstant(query, Math.floor(r.endMs / 1000), s))
  const f = table ? rows : chart
  const unit = guessUnit(query)
  const run = (q: string) => {
    typed.current = q
    if (q.trim() === query) refreshNow()
    else change({ q: q.trim() })
  }
  const empty = <Empty why={W.metrics.empty} hint={W.metrics.emptyHint} command={W.metrics.emptyCommand(location.origin)} />
  return (
    <main id="main">
      <div class="querybar">
        <span class="lang">PromQL</span>
        <QueryEditor language="promql" value={query} label={W.metrics.title} placeholder={W.metrics.placeholder} error={f.error?.message} onRun={run} onChange={(t) => (typed.current = t)} />
        <button type="button" class="run" onClick={() => run(typed.current)}>
          {W.metrics.run} <kbd>↵</kbd>
        </button>
      </div>
      {!query && <Browse />}
      {query && (
        <Card name="result" busy={f.busy}>
          <div class="tabs" role="tablist">
            <a role="tab" aria-selected={!table} class={table ? '' : 'on'} href={here({ tab: null })}>
              {W.metrics.chart}
            </a>
            <a role="tab" aria-selected={table} class={table ? 'on' : ''} href={here({ tab: 'table' })}>
              {W.metrics.table}
            </a>
            <span class="spring" />
            <a href={here({ q: null, tab: null })}>{W.metrics.browse}</a>
          </div>
          <Notes kind="warning" notes={f.data?.warnings ?? []} />
          <Notes kind="info" notes={f.data?.infos ?? []} />
          {table ? (
            <Fetch of={rows} rows={6} isEmpty={(d) => d.rows.length === 0} empty={empty}>
              {(d) => <Values data={d} unit={unit} />}
            </Fetch>
          ) : (
            <Fetch of={chart} rows={8} isEmpty={(d) => d.lines.length === 0} empty={empty}>
              {(d) => <Chart data={d} unit={unit} query={query} tick={r.tick} />}
            </Fetch>
          )}
        </Card>
      )}
    </main>
  )
}
