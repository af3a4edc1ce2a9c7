// SPDX-License-Identifier: Apache-2.0
// Checks: every journey from every place, the failing ones first; and the agents that make them elsewhere.
import { useState } from 'preact/hooks'
import { checks, type Agent, type Check, type Run } from '../api/checks'
import { queryInstant, queryRange } from '../api/prom'
import { go, link, useRange } from '../state/address'
import { useFetch } from '../state/fetch'
import { useListKeys } from '../state/keys'
import type { Grid, Line } from '../lib/series'
import { aligned, durationText, stepFor, utc } from '../lib/time'
import { digits, percent, seconds } from '../lib/units'
import { cut, safe } from '../lib/text'
import { W } from '../lib/words'
import { Badge, type State } from '../widgets/Badge'
import { Card } from '../widgets/Card'
import { CopyBox } from '../widgets/CopyBox'
import { Spark } from '../widgets/Spark'
import { Empty, Fetch } from '../widgets/States'
import { Table, type Column } from '../widgets/Table'
import { agoText } from '../panels/IncidentList'
import { RunNow } from '../panels/RunNow'

const LOCAL = 'local'
const POINTS = 60
const LEAST_STEP_S = 15
const ERROR_MAX = 160

interface Row {
  check: Check
  location: string
  last: Run | undefined
  state: State
  first: boolean // of its check: says the name
}

const RANK: Record<State, number> = { bad: 0, warn: 1, idle: 2, ok: 3 }

function rowsOf(list: Check[], agents: Agent[]): Row[] {
  const unseen = new Set(agents.filter((a) => a.unseen).map((a) => a.location))
  const blocks = list.map((check) => {
    const places = [...new Set([...check.locations, ...check.last.map((r) => r.location)])]
    return places.map((location): Row => {
      const last = check.last.find((r) => r.location === location)
      const away = location !== LOCAL && unseen.has(location)
      return { check, location, last, state: last && !last.ok ? 'bad' : away ? 'warn' : last ? 'ok' : 'idle', first: false }
    })
  })
  const worst = (block: Row[]) => Math.min(...block.map((r) => RANK[r.state]))
  blocks.sort((a, b) => worst(a) - worst(b) || (a[0]?.check.name < b[0]?.check.name ? -1 : 1))
  return blocks.flatMap((block) => block.map((r, i) => ({ ...r, first: i === 0 })))
}

const keyOf = (r: Row) => `${r.check.name}\u0000${r.location}`
const pageOfCheck = (name: string) => link(`/checks/${encodeURIComponent(name)}`)
const of = (labels: Record<string, string>) => `${labels.check}\u0000${labels.location}`

function useMeasures(): { lines: Map<string, Line>; passed: Map<string, number> } {
  const r = useRange()
  const step = stepFor(r, POINTS, LEAST_STEP_S)
  const g: Grid = { ...aligned(r, step), step }
  const range = `${Math.max(60, Math.round((r.endMs - r.startMs) / 1000))}s`
  const f = useFetch(`checks|${r.range.from}|${r.range.to}`, r.tick, async (s) => {
    const [lines, passed] = await Promise.all([
      queryRange('max by (check, location) (stoa_check_duration_seconds)', g, s),
      queryInstant(`avg by (check, location) (avg_over_time(stoa_check_success[${range}]))`, g.end, s),
    ])
    return {
      lines: new Map(lines.lines.map((l) => [of(l.labels), l])),
      passed: new Map(passed.rows.map((x) => [of(x.labels), Number(x.value)])),
    }
  })
  return f.data ?? { lines: new Map(), passed: new Map() }
}

function List({ list, agents }: { list: Check[]; agents: Agent[] }) {
  const [said, setSaid] = useState<{ ok: boolean; text: string } | null>(null)
  const m = useMeasures()
  const rows = rowsOf(list, agents)
  const keys = useListKeys(rows.map(keyOf), (i) => go(pageOfCheck(rows[i].check.name)))
  const columns: Column<Row>[] = [
    {
      title: W.checks.check,
      draw: (r) => (
        <Badge state={r.state} word={W.checks.state[r.state]}>
          {r.first ? (
            <a href={pageOfCheck(r.check.name)}>{safe(r.check.name)}</a>
          ) : (
            <span class="dim">{safe(r.check.name)}</span>
          )}
        </Badge>
      ),
    },
    { title: W.checks.location, draw: (r) => safe(r.location) },
    { title: W.checks.duration, number: true, hint: W.checks.durationHint, draw: (r) => (r.last ? seconds(r.last.duration_ms / 1000) : '–') },
    { title: '', draw: (r) => <Spark values={m.lines.get(keyOf(r))?.values ?? []} tone="c2" label={`${safe(r.check.name)}, ${safe(r.location)}: ${W.checks.overTime}`} /> },
    {
      title: W.checks.up,
      number: true,
      wide: true,
      hint: W.checks.upHint,
      class: (r) => ((m.passed.get(keyOf(r)) ?? 1) < 0.999 ? 'warn' : ''),
      draw: (r) => (m.passed.has(keyOf(r)) ? percent(m.passed.get(keyOf(r))!) : '–'),
    },
    { title: W.checks.last, number: true, wide: true, draw: (r) => (r.last ? <span title={utc(r.last.t_ms)}>{agoText(r.last.t_ms)}</span> : W.never) },
    {
      title: W.checks.error,
      wide: true,
      class: () => 'check-error',
      draw: (r) =>
        r.last && !r.last.ok ? (
          <span class="break" title={safe(r.last.error)}>
            <span class="dim">{W.checks.failedAt(safe(r.last.failed_step))}</span> {safe(cut(r.last.error, ERROR_MAX))}
          </span>
        ) : (
          <span class="faint">{r.last? '' : W.checks.every(durationText(r.check.every_ms))}</span>
        ),
    },
    {
      title: '',
      number: true,
      wide: true,
      draw: (r) => (
        <>
          {r.last?.trace_id && <a href={link(`/trace/${r.last.trace_id}`)}>{W.checks.trace}</a>}
          {r.first && r.check.locations.includes(LOCAL) && (
            <>
              {' · '}
              <RunNow
                name={r.check.name}
                quiet
                onFailed={(text) => setSaid({ ok: false, text })}
                onRan={(run) => setSaid({ ok: run.ok, text: run.ok ? W.checks.ranOk(safe(run.check), seconds(run.duration_ms / 1000)) : W.checks.ranBad(safe(run.check), safe(run.error)) })}
              />
            </>
          )}
        </>
      ),
    },
  ]
  const failing = new Set(rows.filter((r) => r.state === 'bad').map((r) => r.check.name)).size
  return (
    <Card name="checks" title={W.checks.title} note={W.checks.count(list.length, failing)}>
      {said && (
        <p class={`said ${said.ok ? '' : 'bad'}`} role="status">
          {said.text}
        </p>
      )}
      <Table columns={columns} rows={rows} keyOf={keyOf} class="checks" rowClass={(r) => (r.first ? 'first' : '')} active={keys.active} listRef={keys.ref} />
    </Card>
  )
}

function Agents({ list }: { list: Agent[] }) {
  const columns: Column<Agent>[] = [
    {
      title: W.checks.location,
      draw: (a) => (
        <Badge state={a.unseen ? 'warn' : 'ok'} word={a.unseen ? W.checks.agentUnseen : W.checks.agentOk}>
          {safe(a.location)}
        </Badge>
      ),
    },
    { title: W.checks.seen, number: true, draw: (a) => (a.last_seen_ms ? <span title={utc(a.last_seen_ms)}>{agoText(a.last_seen_ms)}</span> : W.never) },
    { title: W.checks.queued, number: true, wide: true, draw: (a) => digits(a.queued) },
    { title: W.checks.dropped, number: true, class: (a) => (a.dropped > 0 ? 'warn' : ''), draw: (a) => digits(a.dropped) },
    { title: W.checks.missed, number: true, wide: true, class: (a) => (a.missed > 0 ? 'warn' : ''), draw: (a) => digits(a.missed) },
  ]
  const away = list.find((a) => a.unseen)
  return (
    <Card name="agents" title={W.checks.agents}>
      <Table columns={columns} rows={list} keyOf={(a) => a.location} class="agents" />
      {away && (
        <div class="empty">
          <p class="dim">{W.checks.agentsHint}</p>
          <CopyBox text={W.checks.agentsCommand(location.origin, away.location)} />
        </div>
      )}
    </Card>
  )
}

export function Checks() {
  const r = useRange()
  const f = useFetch('checks', r.tick, checks)
  return (
    <main id="main">
      <Fetch
        of={f}
        rows={8}
        isEmpty={(d) => d.checks.length === 0}
        empty={
          <section class="card">
            <Empty why={W.checks.empty} />
            <CopyBox text={W.checks.emptyConfig} />
          </section>
        }
      >
        {(d) => (
          <>
            <List list={d.checks} agents={d.agents} />
            {d.agents.length > 0 && <Agents list={d.agents} />}
          </>
        )}
      </Fetch>
    </main>
  )
}
