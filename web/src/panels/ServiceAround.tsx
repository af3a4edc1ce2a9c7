// SPDX-License-Identifier: Apache-2.0
// What spans say of one service: who calls it, whom it calls, and what fails in it.
import { callMap, errorGroups, type Call, type CallMap, type ErrorGroup } from '../api/map'
import { link, useRange } from '../state/address'
import { useFetch } from '../state/fetch'
import { cut, safe } from '../lib/text'
import { day, clock, sameDay, utc } from '../lib/time'
import { count } from '../lib/units'
import { W } from '../lib/words'
import { callColumns, ServiceName } from '../pages/ServiceMap'
import { Card } from '../widgets/Card'
import { Fetch } from '../widgets/States'
import { Spark } from '../widgets/Spark'
import { Table, type Column } from '../widgets/Table'

const GROUPS_SHOWN = 15
const CAUSE_MAX = 160
const OPERATIONS_SHOWN = 2

function Side({ of: d, title, rows, other }: { of: CallMap; title: string; rows: Call[]; other: (c: Call) => string }) {
  const columns: Column<Call>[] = [{ title, draw: (c) => <ServiceName of={d} name={other(c)} /> }, ...callColumns]
  const sorted = [...rows].sort((a, b) => (b.error_ratio ?? 0) - (a.error_ratio ?? 0) || (b.requests_per_second ?? 0) - (a.requests_per_second ?? 0))
  return (
    <div>
      {rows.length === 0 ? (
        <p class="dim">
          {title}: {W.tracing.neighbours.none}
        </p>
      ) : (
        <Table columns={columns} rows={sorted} keyOf={(c) => JSON.stringify([c.client, c.server, c.connection_type])} />
      )}
    </div>
  )
}

export function Neighbours({ name }: { name: string }) {
  const r = useRange()
  const f = useFetch(`neighbours|${name}|${r.range.from}|${r.range.to}`, r.tick, (s) => callMap(r.startMs, r.endMs, name, s))
  return (
    <Card name="neighbours" title={W.tracing.neighbours.title} note={W.tracing.neighbours.note} aside={<a href={link('/service-map')}>{W.tracing.neighbours.map}</a>}>
      <Fetch of={f}>
        {(d) => (
          <div class="grid2">
            <Side of={d} title={W.tracing.neighbours.callers} rows={d.edges.filter((e) => e.server === name && e.client !== name)} other={(c) => c.client} />
            <Side of={d} title={W.tracing.neighbours.callees} rows={d.edges.filter((e) => e.client === name && e.server !== name)} other={(c) => c.server} />
          </div>
        )}
      </Fetch>
    </Card>
  )
}

const seen = (ms: number): string => (sameDay(ms, Date.now()) ? clock(ms) : `${day(ms)} ${clock(ms)}`)

export function Failures({ name }: { name: string }) {
  const r = useRange()
  const f = useFetch(`failures|${name}|${r.range.from}|${r.range.to}`, r.tick, (s) => errorGroups(name, r.startMs, r.endMs, GROUPS_SHOWN, s))
  const columns: Column<ErrorGroup>[] = [
    {
      title: W.tracing.failures.cause,
      class: () => 'break',
      draw: (g) => (
        <>
          {g.type && <b>{safe(cut(g.type, CAUSE_MAX))} </b>}
          {safe(cut(g.message, CAUSE_MAX)) || (!g.type && <span class="dim">{W.tracing.failures.unknown}</span>)}
        </>
      ),
    },
    { title: W.tracing.failures.operation, wide: true, class: () => 'mono', draw: (g) => safe(cut(g.operations.slice(0, OPERATIONS_SHOWN).join(', '), CAUSE_MAX)) + (g.operations.length > OPERATIONS_SHOWN ? ' …' : '') },
    { title: W.tracing.failures.count, number: true, draw: (g) => count(g.count) },
    { title: '', wide: true, draw: (g) => <Spark values={g.counts} tone="c5" label={W.tracing.failures.over} /> },
    { title: W.tracing.failures.last, number: true, wide: true, draw: (g) => <span title={utc(g.last_seen_ms)}>{seen(g.last_seen_ms)}</span> },
    { title: '', draw: (g) => g.example.trace_id && <a href={link(`/trace/${g.example.trace_id}`, { span: g.example.span_id })}>{W.tracing.failures.example}</a> },
  ]
  return (
    <Card name="failures" title={W.tracing.failures.title} note={W.tracing.failures.note} aside={<a href={link('/traces', { service: name, tags: 'error=true' })}>{W.service.failedTraces}</a>}>
      <Fetch of={f} isEmpty={(d) => d.groups.length === 0} empty={<p class="dim">{W.tracing.failures.none}</p>}>
        {(d) => (
          <>
            <Table columns={columns} rows={d.groups} keyOf={(g) => g.id} />
            {d.found > d.groups.length && <p class="dim">{W.andMore(d.found - d.groups.length)}</p>}
            {d.partial && <p class="dim">{W.tracing.map.partial}</p>}
          </>
        )}
      </Fetch>
    </Card>
  )
}
