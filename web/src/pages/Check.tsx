// SPDX-License-Identifier: Apache-2.0
// One check: its last runs as waterfalls, how long runs took, and the runs themselves.
import { useState } from 'preact/hooks'
import { checks, runs, type Check as Shape, type Run } from '../api/checks'
import { queryRange } from '../api/prom'
import { change, go, link, setRange, useAddress, useRange } from '../state/address'
import { useFetch } from '../state/fetch'
import { useListKeys } from '../state/keys'
import { quote } from '../lib/logql'
import { gridTimes, summary, topLines, type Grid } from '../lib/series'
import { aligned, durationText, stamp, stepFor, utc } from '../lib/time'
import { format, seconds } from '../lib/units'
import { cut, safe } from '../lib/text'
import { W } from '../lib/words'
import { Badge } from '../widgets/Badge'
import { Card } from '../widgets/Card'
import { Empty, Fetch } from '../widgets/States'
import { Table, type Column } from '../widgets/Table'
import { TimeChart } from '../widgets/TimeChart'
import { agoText, whenText } from '../panels/IncidentList'
import { RunNow } from '../panels/RunNow'
import { RunWaterfall } from '../panels/RunWaterfall'

const RUNS_MAX = 100
const LAST_SHOWN_MAX = 4 // places, the failing ones first; the rest is in the list of runs
const POINTS = 200
const LEAST_STEP_S = 15
const CHART_PX = 118
const ERROR_MAX = 160

function Durations({ name }: { name: string }) {
  const r = useRange()
  const step = stepFor(r, POINTS, LEAST_STEP_S)
  const g: Grid = { ...aligned(r, step), step }
  const f = useFetch(`${name}|${r.range.from}|${r.range.to}`, r.tick, async (s) => ({ grid: g, lines: (await queryRange(`max by (location) (stoa_check_duration_seconds{check=${quote(name)}})`, g, s)).lines }))
  return (
    <Card name="durations" title={W.checks.overTime}>
      <Fetch of={f} rows={4} isEmpty={(d) => d.lines.length === 0} empty={<p class="fine">{W.checks.noMetrics}</p>}>
        {(d) => {
          const { shown } = topLines(d.lines)
          const lines = shown.map((l, i) => ({ name: safe(l.labels.location ?? ''), values: l.values, slot: i, fill: shown.length === 1 }))
          const highest = Math.max(0, ...lines.map((l) => summary(l.values).max ?? 0))
          return (
            <>
              <TimeChart times={gridTimes(d.grid)} lines={lines} unit="s" height={CHART_PX} label={`${name}: ${format(highest, 's')}`} onZoom={setRange} start={d.grid.start} end={d.grid.end} />
              <div class="legend">
                {lines.map((l) => (
                  <span key={l.name}>
                    <i class={`swatch c${(l.slot % 6) + 1}`} />
                    {l.name}
                  </span>
                ))}
              </div>
            </>
          )
        }}
      </Fetch>
    </Card>
  )
}

function OneRun({ run, check, title }: { run: Run; check: Shape; title: string }) {
  const around = { q: `{service_name="stoa-probe"} | run_id=${quote(run.id)}`, from: String(run.t_ms - 60000), to: String(run.t_ms + Math.ceil(run.duration_ms) + 300000) }
  return (
    <Card
      name="run"
      title={
        <Badge state={run.ok ? 'ok' : 'bad'} word={run.ok ? W.checks.state.ok : W.checks.state.bad}>
          {title} {safe(run.location)}
        </Badge>
      }
      note={
        <span title={utc(run.t_ms)}>
          {stamp(run.t_ms)}, {agoText(run.t_ms)} · {seconds(run.duration_ms / 1000)}
        </span>
      }
      aside={
        <>
          <a href={link(`/trace/${run.trace_id}`)}>{W.checks.trace}</a> · <a href={link('/logs', around)}>{W.checks.logs}</a>
        </>
      }
    >
      <RunWaterfall run={run} check={check} />
    </Card>
  )
}

function Runs({ check }: { check: Shape }) {
  const a = useAddress()
  const r = useRange()
  const location = a.get('location')
  const failed = a.get('failed') === '1'
  const chosen = a.get('run')
  const f = useFetch(`runs|${check.name}|${location}|${r.range.from}|${r.range.to}`, r.tick, (s) =>
    runs(check.name, { start: Math.floor(r.startMs / 1000), end: Math.ceil(r.endMs / 1000), location, limit: RUNS_MAX }, s),
  )
  const all = f.data ?? []
  const list = failed ? all.filter((x) => !x.ok) : all
  const open = (x: Run) => change({ run: x.id === chosen ? null : x.id }, true)
  const keys = useListKeys(
    list.map((x) => x.id),
    (i) => go(link(`/trace/${list[i].trace_id}`)),
    () => (chosen ? (change({ run: null }, true), true) : false),
  )
  const shown = all.find((x) => x.id === chosen)
  const columns: Column<Run>[] = [
    {
      title: W.security.time,
      draw: (x) => (
        <Badge state={x.ok ? 'ok' : 'bad'} word={x.ok ? W.checks.state.ok : W.checks.state.bad}>
          <button type="button" class="plain link" aria-expanded={x.id === chosen} title={utc(x.t_ms)} onClick={() => open(x)}>
            {whenText(x.t_ms)}
          </button>
        </Badge>
      ),
    },
    { title: W.checks.location, draw: (x) => safe(x.location) },
    { title: W.checks.duration, number: true, draw: (x) => seconds(x.duration_ms / 1000) },
    {
      title: W.checks.error,
      wide: true,
      class: () => 'check-error',
      draw: (x) =>
        !x.ok && (
          <span class="break">
            <span class="dim">{W.checks.failedAt(safe(x.failed_step))}</span> {safe(cut(x.error, ERROR_MAX))}
          </span>
        ),
    },
    { title: '', number: true, draw: (x) => <a href={link(`/trace/${x.trace_id}`)}>{W.checks.trace}</a> },
  ]
  const places = [...new Set([...check.locations, ...check.last.map((x) => x.location)])]
  return (
    <>
      {shown && <OneRun run={shown} check={check} title={W.checks.chosenRun} />}
      <Card
        name="runs"
        title={W.checks.runs}
        note={f.data && W.checks.runsCount(all.length, all.length >= RUNS_MAX)}
        aside={
          <span class="row">
            <button type="button" class={`chip ${failed ? 'on' : ''}`} aria-pressed={failed} onClick={() => change({ failed: failed ? null : '1' }, true)}>
              {W.checks.onlyFailed}
            </button>
            {places.length > 1 &&
              places.map((p) => (
                <button key={p} type="button" class={`chip ${p === location ? 'on' : ''}`} aria-pressed={p === location} onClick={() => change({ location: p === location ? null : p }, true)}>
                  {safe(p)}
                </button>
              ))}
          </span>
        }
      >
        <Fetch of={f} rows={8} isEmpty={() => list.length === 0} empty={<p class="fine">{W.checks.runsEmpty}</p>}>
          {() => <Table columns={columns} rows={list} keyOf={(x) => x.id} class="runs" rowClass={(x) => (x.id === chosen ? 'active' : '')} active={keys.active} listRef={keys.ref} />}
        </Fetch>
      </Card>
    </>
  )
}

export function Check({ name }: { name: string }) {
  const a = useAddress()
  const r = useRange()
  const [said, setSaid] = useState('')
  const f = useFetch('checks', r.tick, checks)
  const check = f.data?.checks.find((c) => c.name === name)
  const missing = (
    <section class="card empty">
      <p>{W.checks.notFound(safe(name))}</p>
      <a href={link('/checks')}>{W.checks.back}</a>
    </section>
  )
  const last = check ? [...check.last].sort((x, y) => Number(x.ok) - Number(y.ok) || (x.location < y.location ? -1 : 1)) : []
  return (
    <main id="main">
      <Fetch of={f} rows={8} isEmpty={() => !check} empty={missing}>
        {() =>
          check && (
            <>
              <section class="card" data-panel="check">
                <div class="incident-head">
                  <h1>{safe(check.name)}</h1>
                  <span class="dim">
                    {W.checks.steps(check.steps.length)} · {W.checks.every(durationText(check.every_ms))} · {W.checks.fromPlaces(check.locations.map((l) => safe(l)).join(', '))}
                  </span>
                  <span class="spring" />
                  <RunNow name={check.name} onFailed={setSaid} onRan={(run) => (setSaid(run.ok ? W.checks.ranOk(safe(run.check), seconds(run.duration_ms / 1000)) : W.checks.ranBad(safe(run.check), safe(run.error))), change({ run: run.id }, true))} />
                  <a href={link('/checks')}>{W.checks.back}</a>
                </div>
                {said && <p role="status">{said}</p>}
                {last.length === 0 && <Empty why={W.checks.noneYet} />}
              </section>
              {!a.get('run') && last.slice(0, LAST_SHOWN_MAX).map((run) => <OneRun key={run.location} run={run} check={check} title={W.checks.lastRun} />)}
              <Durations name={check.name} />
              <Runs check={check} />
            </>
          )
        }
      </Fetch>
    </main>
  )
}
