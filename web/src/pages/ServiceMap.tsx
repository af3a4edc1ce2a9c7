// SPDX-License-Identifier: Apache-2.0
// The map of services: who calls whom in the time range, and how each fares.
import { useMemo } from 'preact/hooks'
import { callMap, type Call, type CallMap } from '../api/map'
import { go, link, useRange } from '../state/address'
import { useFetch } from '../state/fetch'
import { useListKeys } from '../state/keys'
import { safe } from '../lib/text'
import { format } from '../lib/units'
import { W } from '../lib/words'
import type { State } from '../widgets/Badge'
import { Card } from '../widgets/Card'
import { Empty, Fetch, Notes } from '../widgets/States'
import { ServiceGraph, type MapEdge, type MapNode } from '../widgets/ServiceGraph'
import { Table, type Column } from '../widgets/Table'

const NODES_MAX = 120
const EDGES_SHOWN = 200
export const BAD_RATIO = 0.05
export const WARN_RATIO = 0.01

export const toneOf = (ratio: number | null): '' | 'warn' | 'bad' => ((ratio ?? 0) >= BAD_RATIO ? 'bad' : (ratio ?? 0) >= WARN_RATIO ? 'warn' : '')
const stateOf = (s: { requests_per_second: number | null; error_ratio: number | null }): State => (s.requests_per_second ? toneOf(s.error_ratio) || 'ok' : 'idle')
const keyOf = (c: Call): string => JSON.stringify([c.client, c.server, c.connection_type])
export const pageOf = (name: string): string => link(`/services/${encodeURIComponent(name)}`)

// The services with most calls, as many as can be read.
function drawn(d: CallMap): { nodes: MapNode[]; edges: MapEdge[]; left: number } {
  const weight = new Map(d.nodes.map((n) => [n.service, n.requests_per_second ?? 0]))
  for (const e of d.edges) for (const n of [e.client, e.server]) weight.set(n, (weight.get(n) ?? 0) + (e.requests_per_second ?? 0))
  const names = new Set([...weight.entries()].sort((a, b) => b[1] - a[1]).slice(0, NODES_MAX).map(([n]) => n))
  const nodes = d.nodes
    .filter((n) => names.has(n.service))
    .map((n) => ({
      name: n.service,
      state: stateOf(n),
      isService: n.type === 'service',
      lines: [...(n.type === 'service' ? [] : [W.tracing.map.types[n.type] ?? n.type]), ...(n.requests_per_second ? [format(n.requests_per_second, '/s')] : []), ...(n.error_ratio ? [`✕ ${format(n.error_ratio, 'ratio')}`] : []), ...(n.p95_seconds === null ? [] : [`p95 ${format(n.p95_seconds, 's')}`])],
    }))
  const edges = d.edges
    .filter((e) => names.has(e.client) && names.has(e.server))
    .map((e) => ({
      from: e.client,
      to: e.server,
      calls: e.requests_per_second ?? 0,
      errors: e.error_ratio ?? 0,
      label: `${format(e.requests_per_second, '/s')}${e.error_ratio ? ` ✕ ${format(e.error_ratio, 'ratio')}` : ''}`,
    }))
  return { nodes, edges, left: weight.size - names.size }
}

// A service has a page; a database, a queue, the users have none.
export function ServiceName({ of: d, name }: { of: CallMap; name: string }) {
  const type = d.nodes.find((n) => n.service === name)?.type ?? 'service'
  if (type === 'service') return <a href={pageOf(name)}>{safe(name)}</a>
  return (
    <>
      {safe(name)} <span class="dim">{W.tracing.map.types[type] ?? safe(type)}</span>
    </>
  )
}

// What is known of a connection, for any table of them.
export const callColumns: Column<Call>[] = [
  { title: W.tracing.map.rate, number: true, draw: (c) => format(c.requests_per_second, '/s') },
  { title: W.tracing.map.errors, number: true, class: (c) => toneOf(c.error_ratio), draw: (c) => format(c.error_ratio, 'ratio') },
  { title: W.home.p50, number: true, wide: true, draw: (c) => format(c.p50_seconds, 's') },
  { title: W.home.p95, number: true, draw: (c) => format(c.p95_seconds, 's') },
  { title: W.home.p99, number: true, wide: true, draw: (c) => format(c.p99_seconds, 's') },
]

function Shown({ d }: { d: CallMap }) {
  const { nodes, edges, left } = useMemo(() => drawn(d), [d])
  const rows = useMemo(() => [...d.edges].sort((a, b) => (b.error_ratio ?? 0) - (a.error_ratio ?? 0) || (b.requests_per_second ?? 0) - (a.requests_per_second ?? 0)).slice(0, EDGES_SHOWN), [d])
  const keys = useListKeys(rows.map(keyOf), (i) => go(pageOf(rows[i].server)))
  const columns: Column<Call>[] = [
    { title: W.tracing.map.from, draw: (c) => <ServiceName of={d} name={c.client} /> },
    { title: W.tracing.map.to, draw: (c) => (c.client === c.server ? <span class="dim">{W.tracing.map.self}</span> : <ServiceName of={d} name={c.server} />) },
    ...callColumns,
  ]
  return (
    <>
      <Notes kind="warning" notes={d.partial ? [W.tracing.map.partial] : []} />
      <Card name="map" title={W.tracing.map.title} note={W.tracing.map.note(d.nodes.length, d.edges.length)}>
        <ServiceGraph nodes={nodes} edges={edges} />
        {left > 0 && <p class="dim">{W.tracing.map.more(left)}</p>}
      </Card>
      <Card name="connections" title={W.tracing.map.table} note={W.tracing.map.tableNote}>
        {rows.length === 0 ? <p class="dim">{W.tracing.map.empty}</p> : <Table columns={columns} rows={rows} keyOf={keyOf} active={keys.active} listRef={keys.ref} />}
        {d.edges.length > rows.length && <p class="dim">{W.andMore(d.edges.length - rows.length)}</p>}
      </Card>
    </>
  )
}

export function ServiceMap() {
  const r = useRange()
  const f = useFetch(`map|${r.range.from}|${r.range.to}`, r.tick, (s) => callMap(r.startMs, r.endMs, '', s))
  return (
    <main id="main">
      <Fetch
        of={f}
        rows={8}
        isEmpty={(d) => d.nodes.length === 0}
        empty={
          <Card name="map" title={W.tracing.map.title}>
            <Empty why={W.tracing.map.empty} hint={W.tracing.map.emptyHint} command={W.home.servicesCommand(location.origin)} />
          </Card>
        }
      >
        {(d) => <Shown d={d} />}
      </Fetch>
    </main>
  )
}
