// SPDX-License-Identifier: Apache-2.0
// Cardinality: who brings too many series, what is near a limit, where all series come from, and which metrics nobody reads.
import { cardinality, tsdb, type Cardinality as Data, type CountRow, type MetricRow, type NameValue, type Offender, type Tsdb } from '../api/cardinality'
import { link } from '../state/address'
import { useFetch } from '../state/fetch'
import { useTick } from '../state/refresh'
import { durationText, stamp, utc } from '../lib/time'
import { bytes, count } from '../lib/units'
import { cut, safe } from '../lib/text'
import { W } from '../lib/words'
import { Badge } from '../widgets/Badge'
import { Card } from '../widgets/Card'
import { ShareBar } from '../widgets/Share'
import { Fetch } from '../widgets/States'
import { Table, type Column } from '../widgets/Table'

const NEAR = 0.8 // of a limit
const ago = (ms: number) => <span title={utc(ms)}>{W.ago(durationText(Math.max(1000, Date.now() - ms)))}</span>
const metricLink = (name: string) => <a href={link('/metrics-explorer', { q: name })}>{safe(cut(name, 70))}</a>

function Totals({ d, t }: { d: Data; t: Tsdb | undefined }) {
  const m = d.metrics
  return (
    <Card name="totals" class="totals">
      <div class="figures">
        <div>
          <span class="big">{t ? count(t.headStats.numSeries) : '–'}</span>
          <span class="dim">{W.cardinality.inUse}</span>
        </div>
        <div>
          <span class="big">{count(m.count)}</span>
          <span class="dim">{W.cardinality.metrics}</span>
        </div>
        <div>
          <span class="big">{count(m.never_read_series)}</span>
          <span class="dim">{W.cardinality.unread}</span>
        </div>
        <div>
          <span class="big">{count(d.offenders.length)}</span>
          <span class="dim">{W.cardinality.over}</span>
        </div>
      </div>
      <p class="dim">{d.enabled ? W.cardinality.window(durationText(d.window_seconds * 1000), durationText(2 * d.window_seconds * 1000)) : W.cardinality.off}</p>
    </Card>
  )
}

function Offenders({ d }: { d: Data }) {
  const columns: Column<Offender>[] = [
    { title: W.cardinality.metric, draw: (o) => (o.metric ? metricLink(o.metric) : '–') },
    { title: W.cardinality.label, class: () => 'mono', draw: (o) => (o.label ? safe(cut(o.label, 40)) : W.cardinality.all) },
    { title: W.cardinality.job, wide: true, draw: (o) => safe(cut(o.job, 40)) || '–' },
    { title: W.cardinality.action, draw: (o) => <Badge state={o.action === 'folded' ? 'warn' : 'bad'} word={W.cardinality.actions[o.action] ?? o.action} /> },
    { title: W.cardinality.samples, number: true, draw: (o) => count(o.samples) },
    { title: W.cardinality.different, number: true, wide: true, hint: W.cardinality.differentHint, draw: (o) => count(o.different) },
    { title: W.cardinality.limit, number: true, wide: true, draw: (o) => <span title={`cardinality.${safe(o.setting)}`}>{count(o.limit)}</span> },
    { title: W.cardinality.first, number: true, wide: true, draw: (o) => stamp(o.first_sample_ms) },
    { title: W.cardinality.last, number: true, draw: (o) => ago(o.last_ms) },
    { title: W.cardinality.example, wide: true, class: () => 'mono', draw: (o) => <span title={safe(o.example)}>{safe(cut(o.example, 60))}</span> },
  ]
  return (
    <Card name="offenders" title={W.cardinality.offenders} note={W.cardinality.offendersNote} tone={d.offenders.length ? 'warn' : undefined}>
      {d.offenders.length === 0 ? (
        <p class="dim">{W.cardinality.none}</p>
      ) : (
        <Table columns={columns} rows={d.offenders} keyOf={(o) => `${o.tenant}|${o.metric}|${o.label}|${o.job}|${o.action}|${o.setting}`} />
      )}
    </Card>
  )
}

function Near({ d }: { d: Data }) {
  const columns: Column<CountRow>[] = [
    {
      title: W.cardinality.of,
      class: () => 'break',
      draw: (c) => (
        <>
          {c.metric ? metricLink(c.metric) : W.cardinality.tenant(safe(c.tenant))} <small class="dim mono">{c.label ? safe(cut(c.label, 40)) : W.cardinality.all}</small>
        </>
      ),
    },
    { title: W.cardinality.count, number: true, draw: (c) => count(c.count) },
    { title: W.cardinality.limit, number: true, draw: (c) => count(c.limit) },
    { title: W.cardinality.share, wide: true, draw: (c) => <ShareBar share={c.count / c.limit} tone={c.count / c.limit >= NEAR ? 'warn' : 'c1'} /> },
  ]
  return (
    <Card name="near" title={W.cardinality.near} note={W.cardinality.nearNote}>
      {d.near.length === 0 ? <p class="dim">{W.cardinality.nearNone}</p> : <Table columns={columns} rows={d.near.slice(0, 10)} keyOf={(c) => `${c.tenant}|${c.metric}|${c.label}`} class="shares" />}
    </Card>
  )
}

function Metrics({ name, title, note, rows, all }: { name: string; title: string; note: string; rows: MetricRow[]; all: number }) {
  const columns: Column<MetricRow>[] = [
    { title: W.cardinality.metric, draw: (m) => metricLink(m.name) },
    { title: W.cardinality.series, number: true, draw: (m) => count(m.series) },
    { title: W.cardinality.share, wide: true, draw: (m) => <ShareBar share={m.series / Math.max(1, all)} /> },
    { title: W.cardinality.read, number: true, draw: (m) => (m.last_read_ms ? ago(m.last_read_ms) : <span class="dim">{W.never}</span>) },
  ]
  return (
    <Card name={name} title={title} note={note}>
      {rows.length === 0 ? <p class="dim">{W.cardinality.nothing}</p> : <Table columns={columns} rows={rows} keyOf={(m) => m.name} class="shares" />}
    </Card>
  )
}

function Names({ name, title, rows, value }: { name: string; title: string; rows: NameValue[]; value: (v: number) => string }) {
  const columns: Column<NameValue>[] = [
    { title: '', class: () => 'mono', draw: (r) => <span title={safe(r.name)}>{safe(cut(r.name, 60))}</span> },
    { title: '', number: true, draw: (r) => value(r.value) },
  ]
  return (
    <Card name={name} title={title}>
      {rows.length === 0 ? <p class="dim">{W.cardinality.nothing}</p> : <Table columns={columns} rows={rows} keyOf={(r) => r.name} />}
    </Card>
  )
}

export function Cardinality() {
  const tick = useTick()
  const f = useFetch('cardinality', tick, cardinality)
  const head = useFetch('tsdb', tick, tsdb)
  return (
    <main id="main">
      <h1>{W.cardinality.title}</h1>
      <Fetch of={f} rows={8}>
        {(d) => (
          <>
            <Totals d={d} t={head.data ?? undefined} />
            <Offenders d={d} />
            <Near d={d} />
            <Metrics name="largest" title={W.cardinality.largest} note={W.cardinality.largestNote} rows={d.metrics.largest} all={d.metrics.series} />
            <Metrics
              name="never-read"
              title={W.cardinality.neverRead}
              note={d.metrics.reads_left_out > 0 ? W.cardinality.readsFull : W.cardinality.since(stamp(d.metrics.reads_since_ms), d.metrics.never_read_count, d.metrics.count)}
              rows={d.metrics.never_read}
              all={d.metrics.series}
            />
          </>
        )}
      </Fetch>
      <Fetch of={head} rows={4}>
        {(t) => (
          <>
            <Names name="label-values" title={W.cardinality.labelValues} rows={t.labelValueCountByLabelName} value={count} />
            <Names name="label-pairs" title={W.cardinality.pairs} rows={t.seriesCountByLabelValuePair} value={count} />
            <Names name="label-bytes" title={W.cardinality.bytes} rows={t.memoryInBytesByLabelName} value={bytes} />
          </>
        )}
      </Fetch>
    </main>
  )
}
