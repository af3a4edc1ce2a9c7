// SPDX-License-Identifier: Apache-2.0
// A service in one glance: CPU, memory, p95 latency, error rate, requests per second.
import type { Service } from '../api/stoa'
import { lastPair, onGrid, recent, type Grid, type Pairs } from '../lib/series'
import { bytes, format } from '../lib/units'
import { safe } from '../lib/text'
import { W } from '../lib/words'
import type { State } from '../widgets/Badge'
import { Card } from '../widgets/Card'
import { Spark } from '../widgets/Spark'

const WARN_RATIO = 0.01
const BAD_RATIO = 0.05
const RECENT_S = 120

// What holds now: over two minutes, or two steps where those are longer. One step alone says "no requests" of a service with few.
export interface Now {
  requests: number
  errors: number | null
  state: State
}

export function nowOf(s: Service, g: Grid): Now {
  const since = g.end - Math.max(RECENT_S, 2 * g.step)
  const requests = recent(s.requests_per_second, since) ?? 0
  const errors = recent(s.error_ratio, since, s.requests_per_second)
  const state = requests <= 0 ? 'idle' : (errors ?? 0) >= BAD_RATIO ? 'bad' : (errors ?? 0) >= WARN_RATIO ? 'warn' : 'ok'
  return { requests, errors, state }
}

const FULL_WARN = 0.8
const FULL_BAD = 0.95

const tone = (v: number | null | undefined, warn: number, bad: number): string => ((v ?? 0) >= bad ? 'bad' : (v ?? 0) >= warn ? 'warn' : '')

function Figure({ name, value, note, tone: state, trend, colour = 'c1', g }: { name: string; value: string; note?: string; tone?: string; trend?: Pairs; colour?: string; g: Grid }) {
  return (
    <div class="figure" data-figure={name}>
      <span class="dim">{name}</span>
      <span class={`big ${state ?? ''}`}>{value}</span>
      <span class="dim fine">{note || '\u00a0'}</span>
      {trend ? <Spark values={onGrid(trend, g)} tone={colour} label={name} /> : <span class="spark" />}
    </div>
  )
}

export function ServiceGlance({ s, g }: { s: Service; g: Grid }) {
  const now = s.now ?? {}
  const memory = now.memory_bytes ?? null
  const total = now.host_memory_bytes ?? null
  const of = (kind: string) => (s.saturation?.[kind]?.of ? W.glance.of(W.glance.scope[s.saturation[kind].of] ?? s.saturation[kind].of) : '')
  const { requests, errors } = nowOf(s, g)
  return (
    <div class="glance" data-service={safe(s.service)}>
      <Figure name={W.glance.cpu} value={format(now.cpu_ratio, 'ratio')} note={typeof now.cpu_ratio === 'number' ? of('cpu') : ''} tone={tone(now.cpu_ratio, FULL_WARN, FULL_BAD)} trend={s.saturation_series?.cpu} g={g} />
      <Figure
        name={W.glance.memory}
        value={memory !== null ? bytes(memory) : format(now.memory_ratio, 'ratio')}
        note={[memory !== null && total ? W.glance.of(bytes(total)) : '', typeof now.memory_ratio === 'number' ? format(now.memory_ratio, 'ratio') : ''].filter(Boolean).join(', ')}
        tone={tone(now.memory_ratio, FULL_WARN, FULL_BAD)}
        trend={s.saturation_series?.memory}
        g={g}
      />
      <Figure name={W.glance.p95} value={format(now.p95_seconds ?? lastPair(s.p95_seconds), 's')} trend={s.p95_seconds} colour="c2" g={g} />
      <Figure name={W.glance.errors} value={format(errors, 'ratio')} tone={tone(errors, WARN_RATIO, BAD_RATIO)} trend={s.error_ratio} colour="c5" g={g} />
      <Figure name={W.glance.requests} value={format(requests, '/s')} trend={s.requests_per_second} g={g} />
    </div>
  )
}

export function GlancePanel({ list, g, chosen, onChoose, all }: { list: Service[]; g: Grid; chosen: string; onChoose: (name: string) => void; all: (name: string) => string }) {
  const s = list.find((x) => x.service === chosen) ?? list[0]
  if (!s) return null
  return (
    <Card
      name="glance"
      title={
        list.length > 1 ? (
          <select aria-label={W.glance.pick} value={s.service} onChange={(e) => onChoose(e.currentTarget.value)}>
            {[...list].sort((a, b) => (a.service < b.service ? -1 : 1)).map((x) => (
              <option key={x.service} value={x.service}>
                {safe(x.service)}
              </option>
            ))}
          </select>
        ) : (
          safe(s.service)
        )
      }
      note={W.glance.title.toLowerCase()}
      aside={<a href={all(s.service)}>{W.glance.all}</a>}
    >
      <ServiceGlance s={s} g={g} />
    </Card>
  )
}
