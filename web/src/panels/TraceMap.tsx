// SPDX-License-Identifier: Apache-2.0
// The services of one trace and the calls between them.
import { useMemo } from 'preact/hooks'
import type { TraceView } from '../lib/trace'
import { count, seconds } from '../lib/units'
import { W } from '../lib/words'
import { ServiceGraph, type MapEdge, type MapNode } from '../widgets/ServiceGraph'

export function TraceMap({ view }: { view: TraceView }) {
  const { nodes, edges } = useMemo(() => {
    const by = new Map<string, MapEdge>()
    const own = new Map<string, { spans: number; errors: number; selfUs: number }>()
    for (const n of view.nodes) {
      const s = own.get(n.service) ?? { spans: 0, errors: 0, selfUs: 0 }
      s.spans++
      s.errors += n.error ? 1 : 0
      s.selfUs += n.selfUs
      own.set(n.service, s)
      if (!n.up || n.up.service === n.service) continue
      const key = JSON.stringify([n.up.service, n.service])
      const e = by.get(key) ?? { from: n.up.service, to: n.service, calls: 0, errors: 0, label: '' }
      e.calls++
      e.errors += n.error ? 1 : 0
      by.set(key, e)
    }
    const list: MapEdge[] = [...by.values()].map((e) => ({ ...e, label: `${count(e.calls)}×${e.errors ? ` ✕ ${count(e.errors)}` : ''}` }))
    const boxes: MapNode[] = [...own.entries()].map(([name, s]) => ({ name, state: s.errors ? 'bad' : 'ok', lines: [W.traces.spans(s.spans), `${W.tracing.flame.self} ${seconds(s.selfUs / 1e6)}`] }))
    return { nodes: boxes, edges: list }
  }, [view])
  return (
    <>
      <p class="dim">{W.tracing.map.ofTrace}</p>
      <ServiceGraph nodes={nodes} edges={edges} />
    </>
  )
}
