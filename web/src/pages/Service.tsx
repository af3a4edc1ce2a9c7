// SPDX-License-Identifier: Apache-2.0
// One service: its golden signals over time, its endpoints, what it uses, and where the numbers come from.
import type { ComponentChildren } from 'preact'
import { useState } from 'preact/hooks'
import { goldenRules, service, type Endpoint, type OtherMetric, type ServiceDetail } from '../api/stoa'
import { ServerError } from '../api/http'
import { link, setRange, useRange } from '../state/address'
import { useFetch } from '../state/fetch'
import { gridTimes, lastOf, onGrid, type Grid, type Pairs } from '../lib/series'
import { quote } from '../lib/logql'
import { format, guessUnit, type Unit } from '../lib/units'
import { cut, safe } from '../lib/text'
import { W } from '../lib/words'
import { homeGrid } from '../panels/HostPanel'
import { ServiceGlance } from '../panels/Glance'
import { Failures, Neighbours } from '../panels/ServiceAround'
import { Card } from '../widgets/Card'
import { CopyBox } from '../widgets/CopyBox'
import { Spark } from '../widgets/Spark'
import { Empty, Fetch, Notes } from '../widgets/States'
import { Table, type Column } from '../widgets/Table'
import { slotClass, TimeChart } from '../widgets/TimeChart'

const CHART_PX = 160
const METRICS_SHOWN = 60
const LEAST_ERRORS = 0.01

interface Signal {
  name: string
  values: Pairs | undefined
  query?: string
}

const openOf = (source: string, q: string): string => link(source === 'access_logs' ? '/logs' : '/metrics-explorer', { q })

function SignalChart({ title, note, signals, unit, g, source, least, limit }: { title: string; note?: string; signals: Signal[]; unit: Unit; g: Grid; source: string; least?: number; limit?: number }) {
  const lines = signals
    .map((s, slot) => ({ ...s, slot, values: onGrid(s.values ?? [], g) }))
    .filter((s) => s.values.some((v) => v !== null))
  const query = signals.find((s) => s.query)?.query
  return (
    <Card
      name={title}
      title={title}
      note={note}
      aside={
        query && (
          <a href={openOf(source, query)} title={W.service.open} aria-label={`${W.service.open}: ${title}`}>
            ↗
          </a>
        )
      }
    >
      {lines.length === 0 ? (
        <p class="dim">{W.service.noData}</p>
      ) : (
        <>
          <TimeChart
            times={gridTimes(g)}
            lines={lines.map((l) => ({ name: l.name, values: l.values, slot: l.slot, fill: lines.length === 1 }))}
            unit={unit}
            height={CHART_PX}
            least={least}
            limit={limit}
            label={title}
            onZoom={setRange}
            start={g.start}
            end={g.end}
          />
          <div class="legend">
            {lines.map((l) => (
              <span key={l.name}>
                <i class={`swatch ${slotClass(l.slot)}`} />
                {l.name} <b>{format(lastOf(l.values), unit)}</b>
              </span>
            ))}
          </div>
        </>
      )}
    </Card>
  )
}

function Endpoints({ d }: { d: ServiceDetail }) {
  const columns: Column<Endpoint>[] = [
    {
      title: W.service.endpoint,
      class: () => 'mono',
      draw: (e) => (d.source === 'spans' && !e.method ? <a href={link('/traces', { service: d.service, operation: e.endpoint })}>{safe(cut(e.endpoint, 90))}</a> : safe(cut(e.endpoint, 90)) || '–'),
    },
    { title: W.service.method, wide: true, class: () => 'mono', draw: (e) => safe(e.method) },
    { title: W.home.requests, number: true, draw: (e) => format(e.requests_per_second, '/s') },
    { title: W.home.errors, number: true, class: (e) => ((e.error_ratio ?? 0) >= 0.05 ? 'bad' : (e.error_ratio ?? 0) >= 0.01 ? 'warn' : ''), draw: (e) => format(e.error_ratio, 'ratio') },
    { title: W.home.p50, number: true, wide: true, draw: (e) => format(e.p50_seconds, 's') },
    { title: W.home.p95, number: true, draw: (e) => format(e.p95_seconds, 's') },
    { title: W.home.p99, number: true, wide: true, draw: (e) => format(e.p99_seconds, 's') },
    ...(d.endpoints.some((e) => typeof e.in_progress === 'number') ? [{ title: W.service.inProgress, number: true, wide: true, draw: (e: Endpoint) => format(e.in_progress, '') }] : []),
  ]
  return (
    <Card name="endpoints" title={W.service.endpoints} note={W.service.endpointsNote}>
      {d.endpoints.length === 0 ? <p class="dim">{W.service.endpointsEmpty}</p> : <Table columns={columns} rows={d.endpoints} keyOf={(e) => `${e.method} ${e.endpoint}`} />}
    </Card>
  )
}

// A counter's value only ever grows: what it does a second is the query behind it; here is its number and its trend.
function Metrics({ name, title, note, list, g }: { name: string; title: string; note?: string; list: OtherMetric[]; g: Grid }) {
  if (list.length === 0) return null
  const unitOf = (m: OtherMetric): Unit => guessUnit(m.name)
  const columns: Column<OtherMetric>[] = [
    {
      title: W.service.metric,
      class: () => 'mono',
      draw: (m) => (
        <a href={link('/metrics-explorer', { q: m.query })} title={safe(m.query)}>
          {safe(m.name)}
        </a>
      ),
    },
    { title: W.service.value, number: true, draw: (m) => format(m.value, unitOf(m)) },
    { title: '', draw: (m) => <Spark values={onGrid(m.values ?? [], g)} tone="c1" label={safe(m.name)} /> },
    { title: W.service.help, wide: true, draw: (m) => <span class="dim">{safe(cut(m.help ?? '', 120))}</span> },
  ]
  return (
    <Card name={name} title={title} note={note}>
      <Table columns={columns} rows={list.slice(0, METRICS_SHOWN)} keyOf={(m) => m.name} />
      {list.length > METRICS_SHOWN && <p class="dim">{W.andMore(list.length - METRICS_SHOWN)}</p>}
    </Card>
  )
}

function Sources({ d }: { d: ServiceDetail }) {
  const titles: Record<string, string> = {
    requests_per_second: W.service.traffic,
    error_ratio: W.service.errors,
    p50_seconds: W.home.p50,
    p95_seconds: W.home.p95,
    p99_seconds: W.home.p99,
  }
  const rows = [
    ...Object.entries(d.queries ?? {}).map(([k, q]) => ({ title: titles[k] ?? k, q, source: d.source })),
    ...Object.entries(d.saturation ?? {})
      .filter(([, s]) => s.query)
      .map(([k, s]) => ({ title: `${W.service.saturation}: ${W.service.full[k] ?? k} ${W.service.of[s.of] ?? ''}`, q: s.query, source: 'metrics' })),
  ]
  return (
    <Card name="sources" title={W.service.queries} note={W.service.from(W.service.source[d.source] ?? safe(d.source))}>
      {rows.length === 0 && <p class="dim">{W.service.noQueries}</p>}
      {rows.map((r) => (
        <div class="source" key={r.title}>
          <span>
            {r.title} <a href={openOf(r.source, r.q)}>↗</a>
          </span>
          <CopyBox text={r.q} label={r.title} />
        </div>
      ))}
    </Card>
  )
}

// The same queries as a rule file, fetched when somebody wants it.
function Rules({ name }: { name: string }) {
  const [file, setFile] = useState('')
  const show = () =>
    goldenRules(name).then(setFile, (e: unknown) => setFile(`# ${e instanceof Error ? e.message : W.service.noData}`))
  return (
    <Card name="golden-rules" title={W.service.rules} note={W.service.rulesNote}>
      {file ? (
        <CopyBox text={file} label={W.service.rules} />
      ) : (
        <button type="button" onClick={show}>
          {W.service.rulesShow}
        </button>
      )}
    </Card>
  )
}

function Head({ name, d, children }: { name: string; d?: ServiceDetail; children?: ComponentChildren }) {
  const stream = `{service_name=${quote(name)}}`
  return (
    <div class="section service-head">
      <h1>{safe(name)}</h1>
      {d && (
        <span class="dim">
          {W.service.from(W.service.source[d.source] ?? safe(d.source))}
          {d.other_sources?.length ? `; ${W.service.also(d.other_sources.map((s) => W.service.source[s] ?? s).join(', '))}` : ''}
        </span>
      )}
      <span class="spring" />
      <nav class="joins" aria-label={W.service.neighbours}>
        <a href={link('/logs', { q: stream })}>{W.service.logs}</a>
        <a href={link('/logs', { q: `${stream} | detected_level=~"error|critical|fatal"` })}>{W.service.errorLogs}</a>
        <a href={link('/traces', { service: name })}>{W.service.traces}</a>
        <a href={link('/traces', { service: name, tags: 'error=true' })}>{W.service.failedTraces}</a>
        <a href={link('/alerts')}>{W.service.alerts}</a>
        <a href={link('/logs/report', { by: 'service' })}>{W.service.report}</a>
      </nav>
      {children}
    </div>
  )
}

export function Service({ name }: { name: string }) {
  const r = useRange()
  const g = homeGrid(r)
  const f = useFetch(`service|${name}|${r.range.from}|${r.range.to}`, r.tick, async (s) => {
    try {
      return { g, ...(await service(name, g, s)) }
    } catch (e) {
      if (e instanceof ServerError && e.status === 404) return { g, d: null, warnings: [e.message] }
      throw e
    }
  })
  return (
    <main id="main">
      <Head name={name} d={f.data?.d ?? undefined} />
      <Fetch
        of={f}
        rows={8}
        isEmpty={(x) => x.d === null}
        empty={
          <Card name="empty">
            <Empty why={safe(f.data?.warnings[0] ?? '')} command={W.home.servicesCommand(location.origin)} />
          </Card>
        }
      >
        {({ d, g: grid, warnings }) =>
          d && (
            <>
              <Notes kind="warning" notes={warnings} />
              <ServiceGlance s={d} g={grid} />
              <div class="grid2">
                <SignalChart title={W.service.traffic} signals={[{ name: W.home.requests, values: d.requests_per_second, query: d.queries?.requests_per_second }]} unit="/s" g={grid} source={d.source} />
                <SignalChart title={W.service.errors} signals={[{ name: W.home.errors, values: d.error_ratio, query: d.queries?.error_ratio }]} unit="ratio" g={grid} source={d.source} least={LEAST_ERRORS} limit={1} />
                <SignalChart
                  title={W.service.latency}
                  signals={[
                    { name: W.home.p50, values: d.p50_seconds },
                    { name: W.home.p95, values: d.p95_seconds, query: d.queries?.p95_seconds },
                    { name: W.home.p99, values: d.p99_seconds },
                  ]}
                  unit="s"
                  g={grid}
                  source={d.source}
                />
                <SignalChart
                  title={W.service.saturation}
                  note={W.service.saturationNote}
                  signals={Object.entries(d.saturation_series ?? {}).map(([k, values]) => ({ name: `${W.service.full[k] ?? k} ${W.service.of[d.saturation?.[k]?.of ?? ''] ?? ''}`.trim(), values, query: d.saturation?.[k]?.query }))}
                  unit="ratio"
                  g={grid}
                  source="metrics"
                  least={1}
                  limit={1}
                />
              </div>
              <Endpoints d={d} />
              <Failures name={name} />
              <Neighbours name={name} />
              <Metrics name="business" title={W.service.business} note={W.service.businessNote} list={d.metrics?.business ?? []} g={grid} />
              <Metrics name="resources" title={W.service.resources} list={d.metrics?.resources ?? []} g={grid} />
              <Sources d={d} />
              {d.source === 'metrics' && <Rules key={name} name={name} />}
            </>
          )
        }
      </Fetch>
    </main>
  )
}
