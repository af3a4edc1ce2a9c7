// SPDX-License-Identifier: Apache-2.0
// The golden signals of every service, the worst first.
import { queryInstant } from '../api/prom'
import { services, type Service } from '../api/stoa'
import { change, go, link, useAddress, useRange } from '../state/address'
import { useFetch } from '../state/fetch'
import { useListKeys } from '../state/keys'
import { lastPair, onGrid, type Pairs } from '../lib/series'
import { format } from '../lib/units'
import { safe } from '../lib/text'
import { quote } from '../lib/logql'
import { W } from '../lib/words'
import { Badge, type State } from '../widgets/Badge'
import { Card } from '../widgets/Card'
import { Empty, Fetch } from '../widgets/States'
import { Spark } from '../widgets/Spark'
import { Table, type Column } from '../widgets/Table'
import { GlancePanel, nowOf, type Now } from './Glance'
import { homeGrid } from './HostPanel'

const RANK: Record<State, number> = { bad: 0, warn: 1, ok: 2, idle: 3 }

type Row = Service & { hurt: Now }

function byHurt(a: Row, b: Row): number {
  return (
    RANK[a.hurt.state] - RANK[b.hurt.state] ||
    (b.hurt.errors ?? 0) - (a.hurt.errors ?? 0) ||
    (lastPair(b.p99_seconds) ?? 0) - (lastPair(a.p99_seconds) ?? 0) ||
    (a.service < b.service ? -1 : 1)
  )
}

const keyOf = (s: Service) => `${s.service}|${s.source}`
const tracesOf = (s: Service) => link('/traces', { service: s.service })
const pageOf = (s: Service) => link(`/services/${encodeURIComponent(s.service)}`)

export function ServicesPanel() {
  const a = useAddress()
  const r = useRange()
  const g = homeGrid(r)
  const f = useFetch(`services|${r.range.from}|${r.range.to}`, r.tick, async (s) => ({ grid: g, list: await services(g, s) }))
  // Stands in where a service reports no saturation of its own.
  const cpu = useFetch('saturation', r.tick, async (signal) => {
    const [used, cores] = await Promise.all([
      queryInstant('sum by (groupname) (rate(namedprocess_namegroup_cpu_seconds_total[1m]))', g.end, signal),
      queryInstant('count(node_cpu_seconds_total{job="node",mode="idle"})', g.end, signal),
    ])
    const n = Number(cores.rows[0]?.value ?? NaN)
    return new Map(used.rows.map((x) => [x.labels.groupname, Number(x.value) / n]))
  })
  const list: Row[] = (f.data?.list ?? []).map((s) => ({ ...s, hurt: nowOf(s, f.data!.grid) })).sort(byHurt)
  const keys = useListKeys(list.map(keyOf), (i) => go(pageOf(list[i])))
  const saturation = (s: Service) => lastPair(s.saturation_ratio) ?? cpu.data?.get(s.service) ?? null
  const spark = (s: Service, values: Pairs | undefined, tone: string, what: string) => <Spark values={onGrid(values ?? [], f.data!.grid)} tone={tone} label={`${safe(s.service)}: ${what}`} />
  const columns: Column<Row>[] = [
    {
      title: W.home.service,
      draw: (s) => (
        <Badge state={s.hurt.state} word={W.home.state[s.hurt.state]}>
          <a href={pageOf(s)} title={W.home.source(safe(s.source))}>
            {safe(s.service)}
          </a>
        </Badge>
      ),
    },
    { title: W.home.requests, number: true, wide: true, draw: (s) => format(s.hurt.requests, '/s') },
    { title: '', wide: true, draw: (s) => spark(s, s.requests_per_second, 'c1', W.home.requests) },
    { title: W.home.errors, number: true, class: (s) => (/bad|warn/.test(s.hurt.state) ? s.hurt.state : ''), draw: (s) => format(s.hurt.errors, 'ratio') },
    { title: '', draw: (s) => spark(s, s.error_ratio, 'c5', W.home.errors) },
    { title: W.home.p50, number: true, wide: true, draw: (s) => format(lastPair(s.p50_seconds), 's') },
    { title: W.home.p95, number: true, wide: true, draw: (s) => format(lastPair(s.p95_seconds), 's') },
    { title: W.home.p99, number: true, draw: (s) => format(lastPair(s.p99_seconds), 's') },
    { title: '', wide: true, draw: (s) => spark(s, s.p99_seconds, 'c2', W.home.p99) },
    { title: W.home.saturation, number: true, wide: true, hint: W.home.saturationHint, draw: (s) => format(saturation(s), 'ratio') },
    {
      title: '',
      number: true,
      wide: true,
      draw: (s) => (
        <>
          <a href={tracesOf(s)}>{W.pages.traces.toLowerCase()}</a> · <a href={link('/logs', { q: `{service_name=${quote(s.service)}}` })}>{W.pages.logs.toLowerCase()}</a>
        </>
      ),
    },
  ]
  return (
    <>
      {list.length > 0 && <GlancePanel list={list} g={f.data!.grid} chosen={a.get('service')} onChoose={(service) => change({ service }, true)} all={(name) => link(`/services/${encodeURIComponent(name)}`)} />}
      <Card name="services" title={W.home.services} note={list.length > 0 && W.home.servicesSorted(list.length)}>
        <Fetch of={f} isEmpty={(d) => d.list.length === 0} empty={<Empty why={W.home.servicesEmpty} command={W.home.servicesCommand(location.origin)} />}>
          {() => <Table columns={columns} rows={list} keyOf={keyOf} class="services" active={keys.active} listRef={keys.ref} />}
        </Fetch>
      </Card>
    </>
  )
}
