// SPDX-License-Identifier: Apache-2.0
// The golden signals of every service, the worst first.
import { queryInstant } from '../api/prom'
import { services, type Service } from '../api/stoa'
import { go, link, useRange } from '../state/address'
import { useFetch } from '../state/fetch'
import { useListKeys } from '../state/keys'
import { lastPair, onGrid } from '../lib/series'
import { format } from '../lib/units'
import { safe } from '../lib/text'
import { quote } from '../lib/logql'
import { W } from '../lib/words'
import { Empty, Fetch } from '../widgets/States'
import { Spark } from '../widgets/Spark'
import { homeGrid } from './HostPanel'

const WARN_RATIO = 0.01
const BAD_RATIO = 0.05
type State = 'bad' | 'warn' | 'ok' | 'idle'

function stateOf(s: Service): State {
  const errors = lastPair(s.error_ratio) ?? 0
  if (!(lastPair(s.requests_per_second) ?? 0)) return 'idle'
  return errors >= BAD_RATIO ? 'bad' : errors >= WARN_RATIO ? 'warn' : 'ok'
}

const RANK: Record<State, number> = { bad: 0, warn: 1, ok: 2, idle: 3 }

function byHurt(a: Service, b: Service): number {
  return (
    RANK[stateOf(a)] - RANK[stateOf(b)] ||
    (lastPair(b.error_ratio) ?? 0) - (lastPair(a.error_ratio) ?? 0) ||
    (lastPair(b.p99_seconds) ?? 0) - (lastPair(a.p99_seconds) ?? 0) ||
    (a.service < b.service ? -1 : 1)
  )
}

const tracesOf = (s: Service) => link('/traces', { service: s.service })

export function ServicesPanel() {
  const r = useRange()
  const g = homeGrid(r)
  const f = useFetch(`services|${r.range.from}|${r.range.to}`, r.tick, (s) => services(g, s))
  // Stands in where a service reports no saturation of its own.
  const cpu = useFetch('saturation', r.tick, async (signal) => {
    const [used, cores] = await Promise.all([
      queryInstant('sum by (groupname) (rate(namedprocess_namegroup_cpu_seconds_total[1m]))', g.end, signal),
      queryInstant('count(node_cpu_seconds_total{job="node",mode="idle"})', g.end, signal),
    ])
    const n = Number(cores.rows[0]?.value ?? NaN)
    return new Map(used.rows.map((x) => [x.labels.groupname, Number(x.value) / n]))
  })
  const list = [...(f.data ?? [])].sort(byHurt)
  const keys = useListKeys(list.length, (i) => go(tracesOf(list[i])), () => false)
  const saturation = (s: Service) => lastPair(s.saturation_ratio) ?? cpu.data?.get(s.service) ?? null
  return (
    <section class="card" data-panel="services">
      <h2>
        {W.home.services} {list.length > 0 && <small>{W.home.servicesSorted(list.length)}</small>}
      </h2>
      <Fetch of={f} isEmpty={(d) => d.length === 0} empty={<Empty why={W.home.servicesEmpty} command={W.home.servicesCommand(location.origin)} />}>
        {() => (
          <div class="scroll">
            <table class="services">
              <thead>
                <tr>
                  <th>{W.home.service}</th>
                  <th class="n wide">{W.home.requests}</th>
                  <th class="wide" />
                  <th class="n">{W.home.errors}</th>
                  <th />
                  <th class="n wide">{W.home.p50}</th>
                  <th class="n wide">{W.home.p95}</th>
                  <th class="n">{W.home.p99}</th>
                  <th class="wide" />
                  <th class="n wide" title={W.home.saturationHint}>
                    {W.home.saturation}
                  </th>
                  <th class="wide" />
                </tr>
              </thead>
              <tbody ref={keys.ref as never}>
                {list.map((s, i) => {
                  const state = stateOf(s)
                  const errors = lastPair(s.error_ratio)
                  const name = safe(s.service)
                  return (
                    <tr key={s.service + s.source} data-item={i} class={i === keys.active ? 'active' : ''}>
                      <td>
                        <span class={`mark ${state}`} aria-hidden="true" title={W.home.state[state]} />
                        <a href={tracesOf(s)} title={W.home.source(safe(s.source))}>
                          {name}
                        </a>
                        {state !== 'ok' && <span class={`word ${state}`}> {W.home.state[state]}</span>}
                      </td>
                      <td class="n wide">{format(lastPair(s.requests_per_second), '/s')}</td>
                      <td class="wide">
                        <Spark values={onGrid(s.requests_per_second ?? [], g)} tone="c1" label={`${name}: ${W.home.requests}`} />
                      </td>
                      <td class={`n ${state === 'bad' || state === 'warn' ? state : ''}`}>{format(errors, 'ratio')}</td>
                      <td>
                        <Spark values={onGrid(s.error_ratio ?? [], g)} tone="c5" label={`${name}: ${W.home.errors}`} />
                      </td>
                      <td class="n wide">{format(lastPair(s.p50_seconds), 's')}</td>
                      <td class="n wide">{format(lastPair(s.p95_seconds), 's')}</td>
                      <td class="n">{format(lastPair(s.p99_seconds), 's')}</td>
                      <td class="wide">
                        <Spark values={onGrid(s.p99_seconds ?? [], g)} tone="c2" label={`${name}: ${W.home.p99}`} />
                      </td>
                      <td class="n wide" title={W.home.saturationHint}>
                        {format(saturation(s), 'ratio')}
                      </td>
                      <td class="n wide">
                        <a href={tracesOf(s)}>{W.pages.traces.toLowerCase()}</a> · <a href={link('/logs', { q: `{service_name=${quote(s.service)}}` })}>{W.pages.logs.toLowerCase()}</a>
                      </td>
                    </tr>
                  )
                })}
              </tbody>
            </table>
          </div>
        )}
      </Fetch>
    </section>
  )
}
