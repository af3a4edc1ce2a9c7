// SPDX-License-Identifier: Apache-2.0
// One trace: as a waterfall, a flame, a map of its services, or beside another.
import { useMemo } from 'preact/hooks'
import { trace } from '../api/jaeger'
import { ServerError } from '../api/http'
import { here, link, useAddress } from '../state/address'
import { useTick } from '../state/refresh'
import { useFetch } from '../state/fetch'
import { traceQuery } from '../lib/logql'
import { viewTrace, type JaegerTrace, type TraceView } from '../lib/trace'
import { seconds } from '../lib/units'
import { stamp, utc } from '../lib/time'
import { cut, safe } from '../lib/text'
import { W } from '../lib/words'
import { Card } from '../widgets/Card'
import { Empty, Fetch } from '../widgets/States'
import { Tabs } from '../widgets/Tabs'
import { CompareView } from '../panels/CompareView'
import { FlameView } from '../panels/FlameView'
import { signed } from '../panels/SpanDetails'
import { TraceMap } from '../panels/TraceMap'
import { Waterfall } from '../panels/Waterfall'

const LOGS_AROUND_MS = 5 * 60000
const NAME_MAX = 300
const SERVICES_SHOWN = 5

const VIEWS = ['waterfall', 'flame', 'map', 'compare'] as const
type View = (typeof VIEWS)[number]

function Head({ v }: { v: TraceView }) {
  const ms = v.startUs / 1000
  const endMs = ms + v.durationUs / 1000
  const around = { q: traceQuery(v.id), from: String(Math.floor(ms - LOGS_AROUND_MS)), to: String(Math.ceil(endMs + LOGS_AROUND_MS)) }
  const root = v.root
  return (
    <div class="trace-head">
      <h1>
        <span class="dim">{safe(root?.service ?? '')}</span> {safe(cut(root?.span.operationName ?? '', NAME_MAX))}
      </h1>
      <span class="mono dim id">{safe(v.id)}</span>
      {v.errors > 0 ? <b class="bad">✕ {W.traces.errors(v.errors)}</b> : <span class="dim">{W.traces.fine}</span>}
      <b>{seconds(v.durationUs / 1e6)}</b>
      <span class="dim" title={utc(ms)}>
        {W.traces.spans(v.nodes.length)} · {W.traces.services(v.services.length)} · {stamp(ms)}
      </span>
      <span class="spring" />
      <a href={link(`/correlate/${v.id}`, { from: around.from, to: around.to })}>{W.correlate.everything}</a>
      <a href={link('/logs', around)}>{W.trace.logs}</a>
      {root && <a href={link('/traces', { service: root.service, operation: root.span.operationName })}>{W.trace.searchLike}</a>}
    </div>
  )
}

// What is not as it should be with this trace, and what was done about it.
function Remarks({ v, corrected }: { v: TraceView; corrected: boolean }) {
  return (
    <>
      {v.orphans > 0 && <p class="stale">{W.trace.partial(v.orphans)}</p>}
      {v.circles > 0 && <p class="stale">{W.tracing.view.circles(v.circles)}</p>}
      {v.skew.spans > 0 && (
        <p class="stale" data-panel="skew">
          {W.tracing.view.skew(v.skew.spans, v.skew.services.slice(0, SERVICES_SHOWN).map((s) => safe(s)).join(', '), signed(v.skew.mostUs))} <a href={here({ skew: 'off' })}>{W.tracing.view.skewOff}</a>
        </p>
      )}
      {!corrected && (
        <p class="stale" data-panel="skew">
          {W.tracing.view.recorded} <a href={here({ skew: null })}>{W.tracing.view.skewOn}</a>
        </p>
      )}
    </>
  )
}

function Shown({ t }: { t: JaegerTrace }) {
  const a = useAddress()
  const corrected = a.get('skew') !== 'off'
  const v = useMemo(() => viewTrace(t, corrected), [t, corrected])
  const view = (VIEWS as readonly string[]).includes(a.get('view')) ? (a.get('view') as View) : VIEWS[0]
  return (
    <>
      <Head v={v} />
      <Remarks v={v} corrected={corrected} />
      <Tabs tabs={VIEWS.map((id) => ({ id, name: W.tracing.view.tabs[id] }))} value={view} label={W.tracing.view.label} />
      {view === 'waterfall' && <Waterfall view={v} processes={t.processes} />}
      {view === 'flame' && <FlameView view={v} />}
      {view === 'map' && <TraceMap view={v} />}
      {view === 'compare' && <CompareView view={v} />}
    </>
  )
}

export function Trace({ id }: { id: string }) {
  const tick = useTick()
  const f = useFetch(`trace|${id}`, tick, (s) =>
    trace(id, s).catch((e: unknown) => {
      if (e instanceof ServerError && e.status === 404) return null
      throw e
    }),
  )
  return (
    <main id="main">
      <Card name="trace">
        <Fetch of={f} rows={8} isEmpty={(d) => d === null} empty={<Empty why={W.trace.notFound(safe(id))} />}>
          {(t) => t && <Shown t={t} />}
        </Fetch>
      </Card>
    </main>
  )
}
