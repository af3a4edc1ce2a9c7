// SPDX-License-Identifier: Apache-2.0
// One trace.
import { trace } from '../api/jaeger'
import { ServerError } from '../api/http'
import { link } from '../state/address'
import { useTick } from '../state/refresh'
import { useFetch } from '../state/fetch'
import { traceQuery } from '../lib/logql'
import { viewTrace } from '../lib/trace'
import { seconds } from '../lib/units'
import { stamp, utc } from '../lib/time'
import { safe } from '../lib/text'
import { W } from '../lib/words'
import { Card } from '../widgets/Card'
import { Empty, Fetch } from '../widgets/States'
import { Waterfall } from '../panels/Waterfall'

const LOGS_AROUND_MS = 5 * 60000

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
          {(t) => {
            if (!t) return null
            const v = viewTrace(t)
            const ms = v.startUs / 1000
            const endMs = ms + v.durationUs / 1000
            const around = { q: traceQuery(v.id), from: String(Math.floor(ms - LOGS_AROUND_MS)), to: String(Math.ceil(endMs + LOGS_AROUND_MS)) }
            const root = v.root
            return (
              <>
                <div class="trace-head">
                  <h1>
                    <span class="dim">{safe(root?.service ?? '')}</span> {safe(root?.span.operationName ?? '')}
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
                {v.orphans > 0 && <p class="stale">{W.trace.partial(v.orphans)}</p>}
                <Waterfall view={v} processes={t.processes} />
              </>
            )
          }}
        </Fetch>
      </Card>
    </main>
  )
}
