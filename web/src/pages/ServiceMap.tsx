// SPDX-License-Identifier: Apache-2.0
// The map of services: who calls whom in the time range, and how each fares.
import { useMemo } from 'preact/hooks'
import { calls, type Call } from '../api/map'
import { services, type Service } from '../api/stoa'
import { go, link, useRange } from '../state/address'
import { useFetch } from '../state/fetch'
import { useListKeys } from '../state/keys'
import { lastPair } from '../lib/series'
import { safe } from '../lib/text'
import { count, format, percent } from '../lib/units'
import { W } from '../lib/words'
import { homeGrid } from '../panels/HostPanel'
import { nowOf } from '../panels/Glance'
import { Card } from '../widgets/Card'
import { Empty, Fetch } from '../widgets/States'
import { ServiceGraph, type MapEdge, type MapNode } from '../widgets/ServiceGraph'
import { Table, type Column } from '../widgets/Table'

const NODES_MAX = 120
const EDGES_SHOWN = 200

const pageOf = (name: string): string => link(`/services/${encodeURIComponent(name)}`)
export const failedShare = (c: Call): number => (c.callCount > 0 ? (c.errorCount ?? 0) / c.callCount : 0)

// The services with most calls, as many as can be read; how many are left out.
function mostCalled(list: Call[]): { kept: Call[]; left: number } {
  const weight = new Map<string, number>()
  for (const c of list) for (const n of [c.parent, c.child]) weight.set(n, (weight.get(n) ?? 0) + c.callCount)
  const names = new Set([...weight.entries()].sort((a, b) => b[1] - a[1]).slice(0, NODES_MAX).map(([n]) => n))
  return { kept: list.filter((c) => names.has(c.parent) && names.has(c.child)), left: weight.size - names.size }
}

export function ServiceMap() {
  const r = useRange()
  const g = homeGrid(r)
  const seconds = Math.max(1, (r.endMs - r.startMs) / 1000)
  const f = useFetch(`map|${r.range.from}|${r.range.to}`, r.tick, async (s) => {
    const [list, golden] = await Promise.all([calls(r.startMs, r.endMs, s), services(g, s).catch((): Service[] => [])])
    return { ...mostCalled(list), golden: new Map(golden.map((x) => [x.service, x])), g, seconds }
  })
  const d = f.data
  const edges = useMemo<MapEdge[]>(
    () =>
      (d?.kept ?? []).map((c) => ({
        from: c.parent,
        to: c.child,
        calls: c.callCount,
        errors: c.errorCount ?? 0,
        label: `${format(c.callCount / d!.seconds, '/s')}${c.errorCount ? ` ✕ ${percent(failedShare(c))}` : ''}`,
      })),
    [d],
  )
  const nodes = useMemo<MapNode[]>(
    () =>
      [...new Set(edges.flatMap((e) => [e.from, e.to]))].sort().map((name) => {
        const s = d!.golden.get(name)
        const now = s && nowOf(s, d!.g)
        const lines = s && now ? [format(now.requests, '/s'), format(now.errors, 'ratio'), `p95 ${format(lastPair(s.p95_seconds), 's')}`] : []
        return { name, state: now?.state ?? 'idle', lines }
      }),
    [edges],
  )
  const rows = useMemo(() => [...(d?.kept ?? [])].sort((a, b) => failedShare(b) - failedShare(a) || b.callCount - a.callCount).slice(0, EDGES_SHOWN), [d])
  const keys = useListKeys(rows.map((c) => `${c.parent} ${c.child}`), (i) => go(pageOf(rows[i].child)))
  const columns: Column<Call>[] = [
    { title: W.tracing.map.from, draw: (c) => <a href={pageOf(c.parent)}>{safe(c.parent)}</a> },
    { title: W.tracing.map.to, draw: (c) => (c.parent === c.child ? <span class="dim">{W.tracing.map.self}</span> : <a href={pageOf(c.child)}>{safe(c.child)}</a>) },
    { title: W.tracing.map.calls, number: true, draw: (c) => count(c.callCount) },
    { title: W.tracing.map.rate, number: true, wide: true, draw: (c) => format(c.callCount / (d?.seconds ?? 1), '/s') },
    { title: W.tracing.map.errors, number: true, class: (c) => (failedShare(c) >= 0.05 ? 'bad' : failedShare(c) >= 0.01 ? 'warn' : ''), draw: (c) => percent(failedShare(c)) },
  ]
  return (
    <main id="main">
      <Fetch
        of={f}
        rows={8}
        isEmpty={(x) => x.kept.length === 0}
        empty={
          <Card name="map" title={W.tracing.map.title}>
            <Empty why={W.tracing.map.empty} hint={W.tracing.map.emptyHint} command={W.home.servicesCommand(location.origin)} />
          </Card>
        }
      >
        {(x) => (
          <>
            <Card name="map" title={W.tracing.map.title} note={W.tracing.map.note(nodes.length, edges.length)}>
              <ServiceGraph nodes={nodes} edges={edges} />
              {x.left > 0 && <p class="dim">{W.tracing.map.more(x.left)}</p>}
            </Card>
            <Card name="connections" title={W.tracing.map.table}>
              <Table columns={columns} rows={rows} keyOf={(c) => `${c.parent} ${c.child}`} active={keys.active} listRef={keys.ref} />
            </Card>
          </>
        )}
      </Fetch>
    </main>
  )
}
