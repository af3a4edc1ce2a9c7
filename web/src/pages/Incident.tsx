// SPDX-License-Identifier: Apache-2.0
// One incident: what is wrong, since when, who is on it, how the rule's value went, what happened.
import { incident, rules, type Incident as Shape, type Rule } from '../api/alerts'
import { ServerError } from '../api/http'
import { queryCounts } from '../api/loki'
import { queryRange } from '../api/prom'
import { link, setRange, useAddress, useRange } from '../state/address'
import { useFetch } from '../state/fetch'
import { useTick } from '../state/refresh'
import { LOGS_ERRORS } from '../lib/logql'
import { fits, logsOf, thresholdOf } from '../lib/rules'
import { gridTimes, shortNames, topLines, toNumber, type Grid, type Line } from '../lib/series'
import { aligned, clock, day, durationText, sameDay, stamp, stepFor, utc } from '../lib/time'
import { format, guessUnit } from '../lib/units'
import { labelText, safe } from '../lib/text'
import { W } from '../lib/words'
import { Card } from '../widgets/Card'
import { Empty, Fetch } from '../widgets/States'
import { Table, type Column } from '../widgets/Table'
import { TimeChart } from '../widgets/TimeChart'
import { agoText, Severity, StateWords } from '../panels/IncidentList'
import { IncidentActions } from '../panels/IncidentActions'
import { queryLink } from '../panels/RulesPanel'

const POINTS = 240
const CHART_PX = 300
const BEFORE_MS = 30 * 60000
const AFTER_MS = 15 * 60000
const LINES_MAX = 12
const THRESHOLD_SLOT = 10 // the red of the six, dashed

type Alert = NonNullable<Shape['alerts']>[number]

// From before it began until after it ended, or the range that somebody chose.
function useWindow(of: Shape): { startMs: number; endMs: number } {
  const a = useAddress()
  const r = useRange()
  if (a.get('from')) return r
  const endMs = of.resolved_ms ? Math.min(Date.now(), of.resolved_ms + AFTER_MS) : Date.now()
  return { startMs: of.started_ms - Math.max(BEFORE_MS, (endMs - of.started_ms) / 4), endMs }
}

function OverTime({ of, rule }: { of: Shape; rule: Rule }) {
  const tick = useTick()
  const w = useWindow(of)
  const step = stepFor(w, POINTS, 5)
  const g: Grid = { ...aligned(w, step), step }
  const counts = rule.stoa?.language === 'logql'
  const t = thresholdOf(rule.query)
  const query = t ? t.left : rule.query
  const f = useFetch(`${query}|${g.start}|${step}`, tick, async (s): Promise<Line[]> => (counts ? queryCounts(query, g, s) : (await queryRange(query, g, s)).lines))
  const alerts = of.alerts ?? []
  const unit = guessUnit(query)
  return (
    <Card name="rule-chart" title={W.alerts.overTime} note={<span class="mono">{safe(rule.query)}</span>} aside={<a href={queryLink(rule)}>{counts ? W.alerts.inLogs : W.alerts.inMetrics}</a>} busy={f.busy}>
      <Fetch of={f} rows={8} isEmpty={(d) => d.length === 0} empty={<Empty why={W.alerts.noSeries} />}>
        {(all) => {
          const own = all.filter((l) => alerts.length === 0 || alerts.some((a) => fits(l.labels, a.labels)))
          const { shown } = topLines(own.length > 0 ? own : all, LINES_MAX)
          const short = shortNames(shown.map((l) => l.labels))
          const lines = shown.map((l, i) => ({ name: safe(short[i] || l.name), values: l.values, slot: i % (LINES_MAX - 2), fill: shown.length === 1 }))
          const times = gridTimes(g)
          if (t) lines.push({ name: W.alerts.threshold(`${t.op} ${format(t.limit, unit)}`), values: times.map(() => t.limit), slot: THRESHOLD_SLOT, fill: false })
          return <TimeChart times={times} lines={lines} unit={unit} height={CHART_PX} label={`${rule.name}: ${query}`} onZoom={setRange} start={g.start} end={g.end} />
        }}
      </Fetch>
    </Card>
  )
}

// A link out of the page only where it is one: what comes with an alert may be anything.
function Runbook({ url }: { url: string | undefined }) {
  if (!url || !/^https?:\/\//i.test(url)) return null
  return (
    <a href={url} target="_blank" rel="noopener noreferrer">
      {W.alerts.runbook} ↗
    </a>
  )
}

function Head({ of }: { of: Shape }) {
  const first = of.alerts?.[0]
  const texts = first?.annotations ?? {}
  const w = useWindow(of)
  const range = { from: String(Math.floor(w.startMs)), to: String(Math.ceil(w.endMs)) }
  return (
    <Card name="incident">
      <div class="incident-head">
        <Severity of={of} />
        <h1>{safe(of.summary || of.labels.alertname || of.id)}</h1>
        <span class="spring" />
        <a href={link('/alerts')}>{W.alerts.back}</a>
      </div>
      <p>
        <StateWords of={of} />
      </p>
      <p class="dim">
        {W.alerts.since} <span title={utc(of.started_ms)}>{stamp(of.started_ms)}</span>, {agoText(of.started_ms)}
      </p>
      {texts.description && <p class="break description">{safe(texts.description, true)}</p>}
      <p class="joins">
        <Runbook url={texts.runbook_url ?? texts.runbook} />
        <a href={link('/logs', { q: logsOf(of.labels) ?? logsOf(first?.labels ?? {}) ?? LOGS_ERRORS, ...range })}>{W.alerts.logsAround}</a>
        <a href={link('/traces', { service: first?.labels.service_name ?? first?.labels.service ?? first?.labels.job, ...range })}>{W.alerts.tracesAround}</a>
      </p>
      <IncidentActions of={of} />
    </Card>
  )
}

const alertColumns: Column<Alert>[] = [
  { title: W.alerts.labels.toLowerCase(), class: () => 'mono break', draw: (a) => labelText(a.labels) },
  { title: W.alerts.state_, draw: (a) => W.alerts.state[a.state] ?? safe(a.state) },
  { title: W.alerts.value, number: true, draw: (a) => (a.value === null || a.value === undefined ? '–' : format(toNumber(String(a.value)), '')) },
  { title: W.alerts.since, number: true, wide: true, draw: (a) => <span title={utc(a.starts_ms)}>{agoText(a.starts_ms)}</span> },
]

function Timeline({ of }: { of: Shape }) {
  const list = [...(of.timeline ?? [])].sort((a, b) => b.t_ms - a.t_ms)
  return (
    <Card name="timeline" title={W.alerts.timeline}>
      {list.length === 0 && <p class="fine">{W.alerts.timelineEmpty}</p>}
      <ol class="timeline">
        {list.map((e, i) => (
          <li key={`${e.t_ms}-${i}`} class={/fail/.test(e.what) ? 'failed' : ''}>
            <span class="t dim" title={utc(e.t_ms)}>
              {sameDay(e.t_ms, Date.now()) ? clock(e.t_ms) : `${day(e.t_ms)} ${clock(e.t_ms)}`}
            </span>
            <span class="dim offset">+{durationText(Math.max(0, e.t_ms - of.started_ms))}</span>
            <b>{W.alerts.what[e.what] ?? safe(e.what)}</b>
            <span class="break">{safe(e.text, true)}</span>
          </li>
        ))}
      </ol>
    </Card>
  )
}

export function Incident({ id }: { id: string }) {
  const tick = useTick()
  const f = useFetch(`incident|${id}`, tick, (s) =>
    incident(id, s).catch((e: unknown) => {
      if (e instanceof ServerError && e.status === 404) return null
      throw e
    }),
  )
  const known = useFetch('rules', 0, rules)
  const draw = (i: Shape) => {
    const name = i.labels.alertname ?? i.alerts?.[0]?.labels.alertname ?? ''
    const candidates = (known.data ?? []).filter((r) => r.type === 'alerting' && r.name === name)
    const rule = candidates.find((r) => fits(r.labels ?? {}, { ...i.labels, ...i.alerts?.[0]?.labels })) ?? candidates[0]
    return (
      <>
        <Head of={i} />
        {rule ? <OverTime of={i} rule={rule} /> : known.data && <Card name="rule-chart" title={W.alerts.overTime}><Empty why={W.alerts.noRule(safe(name))} /></Card>}
        <div class="two">
          <Timeline of={i} />
          <Card name="alerts" title={W.alerts.alertsOf} note={String(i.alerts?.length ?? 0)}>
            <Table columns={alertColumns} rows={i.alerts ?? []} keyOf={(a) => labelText(a.labels)} class="values" />
          </Card>
        </div>
      </>
    )
  }
  return (
    <main id="main">
      <Fetch of={f} rows={8} isEmpty={(d) => d === null} empty={<section class="card empty"><p>{W.alerts.notFound(safe(id))}</p><a href={link('/alerts')}>{W.alerts.back}</a></section>}>
        {(i) => i && draw(i)}
      </Fetch>
    </main>
  )
}
