// SPDX-License-Identifier: Apache-2.0
// Real users: how fast and steady the pages are for those who look at them, with the official bands.
import { DIMENSIONS, rum, type Dimension, type RumReport, type Vital } from '../api/rum'
import { change, setRange, useAddress, useRange } from '../state/address'
import { useFetch } from '../state/fetch'
import { gridTimes, onGrid, type Grid } from '../lib/series'
import { aligned, stepFor } from '../lib/time'
import { count, percent } from '../lib/units'
import { cut, safe } from '../lib/text'
import { BANDS, bandOf, position, vitalText, type Band, type VitalName } from '../lib/vitals'
import { W } from '../lib/words'
import type { State } from '../widgets/Badge'
import { Card } from '../widgets/Card'
import { CopyBox } from '../widgets/CopyBox'
import { PartsBar } from '../widgets/Share'
import { Spark } from '../widgets/Spark'
import { Fetch } from '../widgets/States'
import { Table, type Column } from '../widgets/Table'
import { Tabs } from '../widgets/Tabs'
import { slotClass, TimeChart } from '../widgets/TimeChart'

const POINTS = 60
const LEAST_STEP_S = 60
const CHART_PX = 220
const TREND_LINES = 5
const KEY_MAX = 70

const STATE: Record<string, State> = { good: 'ok', needs_improvement: 'warn', poor: 'bad' }

function gridOf(r: { startMs: number; endMs: number }): Grid {
  const step = stepFor(r, POINTS, LEAST_STEP_S)
  const g = { ...aligned(r, step), step }
  return { ...g, end: g.end + step }
}

// Points come with the end of their step in milliseconds.
function lineOf(d: RumReport, key: string, metric: VitalName, g: Grid): (number | null)[] {
  const s = d.series.find((x) => x.key === key && x.metric === metric)
  return onGrid((s?.points ?? []).map(([ms, v]) => [ms / 1000, String(v)]), g)
}

function Rating({ vital }: { vital: Vital }) {
  const state = STATE[vital.rating] ?? 'idle'
  const word = W.rum.rating[vital.rating] ?? vital.rating
  return (
    <span class="rating">
      <span class={`mark ${state}`} aria-hidden="true" />
      <span class={state}>{word}</span>
    </span>
  )
}

// The three bands side by side, and where the p75 stands in them.
function Scale({ band, vital }: { band: Band; vital: Vital }) {
  return (
    <span class="bands" role="img" aria-label={`${vitalText(band, vital.p75)}: ${W.rum.rating[vital.rating]}; ${W.rum.band(vitalText(band, band.good), vitalText(band, band.poor))}`}>
      <i class="good" />
      <i class="needs" />
      <i class="poor" />
      <b style={{ left: `${position(band, vital.p75) * 100}%` }} />
      <small class="first">{vitalText(band, band.good)}</small>
      <small class="second">{vitalText(band, band.poor)}</small>
    </span>
  )
}

function VitalCard({ d, band, g, chosen }: { d: RumReport; band: Band; g: Grid; chosen: boolean }) {
  const vital = d.all[band.name]
  const all = vital ? vital.good + vital.needs_improvement + vital.poor || 1 : 1
  return (
    <Card name={band.name} class={`vital ${chosen ? 'chosen' : ''}`}>
      <button type="button" class="plain vital-head" aria-pressed={chosen} title={W.rum.names[band.name]} onClick={() => change({ metric: band.name }, true)}>
        <b>{band.name}</b> <span class="dim">{W.rum.names[band.name].split(':')[0]}</span>
      </button>
      {vital ? (
        <>
          <div class="bigrow">
            <span class="big">{vitalText(band, vital.p75)}</span>
            <Rating vital={vital} />
            <span class="spring" />
            <Spark values={lineOf(d, '', band.name, g)} tone="c1" label={W.rum.trend(band.name)} />
          </div>
          <Scale band={band} vital={vital} />
          <PartsBar
            parts={(['good', 'needs_improvement', 'poor'] as const).map((k) => ({
              key: k,
              share: vital[k] / all,
              tone: STATE[k],
              title: `${percent(vital[k] / all)} ${W.rum.rating[k]}`,
            }))}
          />
          <p class="dim fine">
            {percent(vital.good / all)} {W.rum.rating.good} · {percent(vital.needs_improvement / all)} {W.rum.rating.needs_improvement} · {percent(vital.poor / all)} {W.rum.rating.poor} ·{' '}
            {W.rum.ofLoads(count(vital.count))}
          </p>
        </>
      ) : (
        <p class="dim">{W.rum.noneMeasured}</p>
      )}
    </Card>
  )
}

const keyText = (key: string): string => safe(cut(key, KEY_MAX)) || W.rum.unknown

function Rows({ d, by }: { d: RumReport; by: Dimension }) {
  type Row = RumReport['rows'][number]
  const columns: Column<Row>[] = [
    { title: W.rum.key[by], class: () => 'mono', draw: (r) => keyText(r.key) },
    { title: W.rum.loads, number: true, wide: true, hint: W.rum.loadsHint, draw: (r) => count(r.count) },
    ...BANDS.filter((b) => d.all[b.name]).map((b): Column<Row> => ({
      title: b.name,
      number: true,
      wide: !['LCP', 'INP', 'CLS'].includes(b.name),
      hint: `${W.rum.names[b.name]}; ${W.rum.band(vitalText(b, b.good), vitalText(b, b.poor))}`,
      draw: (r) => {
        const v = r.metrics[b.name]
        if (!v) return <span class="faint">–</span>
        const state = STATE[v.rating] ?? 'idle'
        return (
          <span class="vital-cell" title={`${percent(v.good / (v.count || 1))} ${W.rum.rating.good}, ${W.rum.ofLoads(count(v.count))}`}>
            <span class={`mark ${state}`} role="img" aria-label={W.rum.rating[v.rating]} />
            {vitalText(b, v.p75)}
            {state !== 'ok' && <small class={state}>{W.rum.rating[v.rating]}</small>}
          </span>
        )
      },
    })),
  ]
  return <Table columns={columns} rows={d.rows} keyOf={(r) => r.key} class="vitals" />
}

function Trend({ d, band, g }: { d: RumReport; band: Band; g: Grid }) {
  const keys = ['', ...d.rows.slice(0, TREND_LINES).map((r) => r.key).filter((k) => k !== '')]
  const scale = band.isTime ? 1000 : 1
  const lines = keys
    .map((key, i) => ({ name: i === 0 ? W.rum.everybody : keyText(key), slot: i, fill: i === 0, values: lineOf(d, key, band.name, g).map((v) => (v === null ? null : v / scale)) }))
    .filter((l) => l.values.some((v) => v !== null))
  const points = lines[0]?.values.filter((v) => v !== null).length ?? 0
  return (
    <Card name="trend" title={W.rum.trend(band.name)} note={W.rum.band(vitalText(band, band.good), vitalText(band, band.poor))}>
      {points < 2 && <p class="dim count">{W.rum.noTrend}</p>}
      {lines.length > 0 && (
        <>
          <TimeChart times={gridTimes(g)} lines={lines} unit={band.isTime ? 's' : ''} height={CHART_PX} least={band.good / scale} label={W.rum.trend(band.name)} onZoom={setRange} start={g.start} end={g.end} />
          <div class="legend">
            {lines.map((l) => (
              <span key={l.name}>
                <i class={`swatch ${slotClass(l.slot)}`} />
                {l.name}
              </span>
            ))}
          </div>
        </>
      )}
    </Card>
  )
}

export function RealUsers() {
  const a = useAddress()
  const r = useRange()
  const by = DIMENSIONS.find((x) => x === a.get('by')) ?? 'page'
  const g = gridOf(r)
  const f = useFetch(`rum|${by}|${r.range.from}|${r.range.to}`, r.tick, async (s) => ({ g, by, report: await rum(by, g.start * 1000, g.end * 1000, g.step, s) }))
  const report = f.data?.report
  const first = BANDS.find((b) => report?.all[b.name])
  const band = a.get('metric') ? bandOf(a.get('metric')) : (first ?? BANDS[0])
  return (
    <main id="main">
      <div class="section">
        <h1>{W.rum.title}</h1>
        <span class="dim">{W.rum.note}</span>
      </div>
      <Fetch
        of={f}
        rows={8}
        isEmpty={(d) => d.report.rows.length === 0}
        empty={
          <Card name="empty">
            <div class="empty">
              <p>{W.rum.empty}</p>
              <CopyBox text={W.rum.snippet(location.origin)} />
            </div>
          </Card>
        }
      >
        {(d) => (
          <>
            <div class="grid3">
              {BANDS.filter((b) => d.report.all[b.name] || b.name !== 'FID').map((b) => (
                <VitalCard key={b.name} d={d.report} band={b} g={d.g} chosen={b.name === band.name} />
              ))}
            </div>
            <Trend d={d.report} band={band} g={d.g} />
            <Card name="by" title={W.rum.by[by]} note={W.rum.rowsShown(d.report.rows.length)} busy={f.busy}>
              <Tabs tabs={DIMENSIONS.map((x) => ({ id: x, name: W.rum.by[x] }))} value={by} label={W.rum.views} param="by" />
              {d.by === by && <Rows d={d.report} by={by} />}
              {by === 'country' && d.report.rows.every((x) => !x.key || /unknown/.test(x.key)) && <p class="dim">{W.rum.countryHint}</p>}
            </Card>
          </>
        )}
      </Fetch>
    </main>
  )
}
