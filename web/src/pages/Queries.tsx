// SPDX-License-Identifier: Apache-2.0
// Queries: what runs now, who asked, and what the slowest of the last day cost.
import { useState } from 'preact/hooks'
import { endQuery, queries, type Queries as QueriesData, type Query } from '../api/queries'
import { useFetch } from '../state/fetch'
import { refreshNow, useTick } from '../state/refresh'
import { useSession } from '../state/session'
import { durationText, stamp, utc } from '../lib/time'
import { bytes, count } from '../lib/units'
import { cut, safe } from '../lib/text'
import { W } from '../lib/words'
import { Card } from '../widgets/Card'
import { Confirm } from '../widgets/Confirm'
import { FormError } from '../widgets/Field'
import { Empty, Fetch } from '../widgets/States'
import { Table, type Column } from '../widgets/Table'

const TEXT_SHOWN = 120

const took = (q: Query): string => (q.seconds < 1 ? `${Math.max(1, Math.round(q.seconds * 1000))} ms` : durationText(q.seconds * 1000))
const ms = (q: Query): number => Date.parse(q.startTime)

const WHAT: Column<Query>[] = [
  {
    title: W.queries.query,
    class: () => 'mono',
    draw: (q) => <span title={safe(q.query)}>{q.query ? safe(cut(q.query, TEXT_SHOWN)) : <span class="dim">{safe(q.httpRequest.path)}</span>}</span>,
  },
  { title: W.queries.took, number: true, draw: took },
  { title: W.queries.start, wide: true, draw: (q) => <span title={utc(ms(q))}>{stamp(ms(q))}</span> },
  { title: W.queries.who, wide: true, draw: (q) => safe(q.user || q.httpRequest.clientIP) },
  { title: W.queries.tenants, wide: true, draw: (q) => safe(q.tenants) },
]

function Running({ d }: { d: QueriesData }) {
  const session = useSession()
  const [bad, setBad] = useState('')
  const end = (id: number) => {
    setBad('')
    endQuery(id)
      .catch((error: Error) => setBad(error.message))
      .finally(refreshNow)
  }
  const columns = session.may('admin')
    ? [...WHAT, { title: '', draw: (q: Query) => <Confirm key={q.id} name={W.queries.end} sure={W.queries.endSure} onSure={() => end(q.id)} /> }]
    : WHAT
  return (
    <Card name="running" title={W.queries.running} note={W.queries.limits(d.limits.max_concurrency, count(d.limits.max_samples), durationText(d.limits.timeout_seconds * 1000))}>
      <FormError text={safe(bad)} />
      {d.running.length === 0 ? <Empty why={W.queries.noneRuns} /> : <Table columns={columns} rows={d.running} keyOf={(q) => String(q.id)} />}
    </Card>
  )
}

function Slowest({ d }: { d: QueriesData }) {
  const number = (v: number | undefined, text: (n: number) => string) => (v === undefined ? '–' : text(v))
  const columns: Column<Query>[] = [
    ...WHAT,
    { title: W.queries.dialect, wide: true, draw: (q) => safe(q.dialect ?? '') },
    { title: W.queries.samples, number: true, draw: (q) => number(q.samplesRead, count) },
    { title: W.queries.rows, number: true, wide: true, draw: (q) => number(q.rowsRead, count) },
    { title: W.queries.bytes, number: true, draw: (q) => number(q.bytesRead, bytes) },
    { title: W.queries.ended, draw: (q) => (q.error ? <span title={safe(q.error)}>{safe(q.status ?? '')}</span> : safe(q.status ?? '')) },
  ]
  return (
    <Card name="slowest" title={W.queries.slowest} note={W.queries.slowestNote}>
      {d.slowest.length === 0 ? <Empty why={W.queries.noneSlow} /> : <Table columns={columns} rows={d.slowest} keyOf={(q) => String(q.id)} />}
    </Card>
  )
}

export function Queries() {
  const tick = useTick()
  const f = useFetch('queries', tick, queries)
  return (
    <main id="main">
      <h1>{W.queries.title}</h1>
      <Fetch of={f} rows={8}>
        {(d) => (
          <>
            <Running d={d} />
            <Slowest d={d} />
          </>
        )}
      </Fetch>
    </main>
  )
}
