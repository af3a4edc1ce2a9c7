// SPDX-License-Identifier: Apache-2.0
// Rules: what holds, what waits, what fails, what was asked. One open with all it carries.
import { useState } from 'preact/hooks'
import type { Rule } from '../api/alerts'
import { change, link, useAddress } from '../state/address'
import type { Fetched } from '../state/fetch'
import { useListKeys } from '../state/keys'
import { byState, evaluatedMs, toneOf } from '../lib/rules'
import { toNumber } from '../lib/series'
import { durationText, utc } from '../lib/time'
import { format, seconds } from '../lib/units'
import { labelText, safe } from '../lib/text'
import { W } from '../lib/words'
import { Badge, type State } from '../widgets/Badge'
import { Card } from '../widgets/Card'
import { CopyBox } from '../widgets/CopyBox'
import { Fetch } from '../widgets/States'
import { agoText, whenText } from './IncidentList'

const ALERTS_SHOWN_MAX = 50

const keyOf = (r: Rule) => `${r.group}/${r.name}/${r.query}/${JSON.stringify(r.labels ?? {})}`
const idOf = (r: Rule) => `${r.group}/${r.name}`

function stateOf(r: Rule): { state: State; word: string } {
  if (r.state === 'firing') return { state: toneOf(r.labels?.severity ?? ''), word: W.alerts.state.firing }
  if (r.health === 'err') return { state: 'warn', word: W.alerts.failing }
  if (r.state === 'pending') return { state: 'warn', word: W.alerts.state.pending }
  if (r.health === 'unknown') return { state: 'idle', word: W.alerts.notYet }
  return { state: 'ok', word: r.type === 'recording' ? W.alerts.recording : W.alerts.state.inactive }
}

export function queryLink(r: Rule): string {
  return r.stoa?.language === 'logql' ? link('/logs', { q: r.query }) : link('/metrics-explorer', { q: r.query })
}

function Pairs({ title, of }: { title: string; of: Record<string, string> | undefined }) {
  const keys = Object.keys(of ?? {})
  if (keys.length === 0) return null
  return (
    <section>
      <h3>{title}</h3>
      <table>
        <tbody>
          {keys.map((k) => (
            <tr key={k}>
              <th scope="row">{safe(k)}</th>
              <td class="break">{safe(of![k], true)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  )
}

function Details({ of: r }: { of: Rule }) {
  const alerts = r.alerts ?? []
  return (
    <div class="details rule-details">
      {r.lastError && <p class="bad mono break">{safe(r.lastError, true)}</p>}
      {r.stoa?.backfill && (
        <p class="dim">
          {W.alerts.backfill[r.stoa.backfill.state]} {utc(r.stoa.backfill.until_ms)}
          {r.stoa.backfill.error && <span class="bad mono break"> {safe(r.stoa.backfill.error, true)}</span>}
        </p>
      )}
      {r.stoa?.condition && (
        <p>
          <span class="dim">{W.alerts.asWritten}</span> <span class="mono">{safe(r.stoa.condition)}</span>
        </p>
      )}
      <h3>{W.alerts.compiled}</h3>
      <CopyBox text={r.query} label={r.name} />
      <div class="columns">
        <Pairs title={W.alerts.labels} of={r.labels} />
        <Pairs title={W.alerts.annotations} of={r.annotations} />
      </div>
      {alerts.length > 0 && (
        <section>
          <h3>{W.alerts.alertsOf}</h3>
          <table>
            <tbody>
              {alerts.slice(0, ALERTS_SHOWN_MAX).map((a) => (
                <tr key={labelText(a.labels)}>
                  <td>
                    <span class={a.state === 'firing' ? toneOf(a.labels.severity ?? '') : 'dim'}>{W.alerts.state[a.state] ?? safe(a.state)}</span>
                  </td>
                  <td class="n">{format(toNumber(a.value), '')}</td>
                  <td class="dim">{agoText(Date.parse(a.activeAt))}</td>
                  <td class="break">{labelText(a.labels)}</td>
                </tr>
              ))}
            </tbody>
          </table>
          {alerts.length > ALERTS_SHOWN_MAX && <p class="dim">{W.andMore(alerts.length - ALERTS_SHOWN_MAX)}</p>}
        </section>
      )}
      <p class="joins">
        <a href={queryLink(r)}>{r.stoa?.language === 'logql' ? W.alerts.inLogs : W.alerts.inMetrics}</a>
        {r.stoa && (
          <span class="dim">
            {W.alerts.file} {safe(r.stoa.file)}:{r.stoa.line} · {safe(r.group)}, {W.alerts.every(durationText(r.interval * 1000))}
          </span>
        )}
      </p>
    </div>
  )
}

function Row({ of: r, open, active, n }: { of: Rule; open: boolean; active: boolean; n: number }) {
  const s = stateOf(r)
  const ms = evaluatedMs(r)
  const toggle = () => change({ rule: open ? null : idOf(r) }, true)
  return (
    <li data-item={n} class={`rule ${open ? 'open' : ''} ${active ? 'active' : ''}`}>
      <div class="rule-row" onClick={(e) => !(e.target as Element).closest('a, button') && toggle()}>
        <span class="rule-state">
          <Badge state={s.state} word={s.word} />
        </span>
        <span class="rule-name">
          <button type="button" class="plain" aria-expanded={open} onClick={toggle}>
            <b>{safe(r.name)}</b>
          </button>{' '}
          <span class="dim">{r.type === 'recording' ? W.alerts.recording : safe(r.labels?.severity ?? '')}</span>
          {r.stoa?.condition && <span class="dim"> · {safe(r.stoa.condition)}</span>}
          {!r.stoa?.condition && !!r.duration && <span class="dim"> · {W.alerts.for(durationText(r.duration * 1000))}</span>}
          <a class="mono dim query" href={queryLink(r)} title={W.alerts.compiled}>
            {safe(r.query)}
          </a>
        </span>
        <span class="n wide" title={W.alerts.firedHint}>
          {r.stoa && r.stoa.fired > 0 ? (
            <>
              {r.stoa.fired}× <span class="dim">{r.stoa.last_fired_ms ? whenText(r.stoa.last_fired_ms) : ''}</span>
            </>
          ) : (
            <span class="dim">{r.type === 'recording' ? '' : W.never}</span>
          )}
        </span>
        <span class="n dim" title={ms ? utc(ms) : undefined}>
          {ms ? agoText(ms) : '–'}
        </span>
        <span class="n dim wide">{ms ? seconds(r.evaluationTime) : ''}</span>
      </div>
      {open && <Details of={r} />}
    </li>
  )
}

function List({ all }: { all: Rule[] }) {
  const a = useAddress()
  const [filter, setFilter] = useState('')
  const words = filter.toLowerCase().split(/\s+/).filter(Boolean)
  const list = all.filter((r) => words.every((w) => `${r.name} ${r.query} ${r.group} ${r.stoa?.condition ?? ''} ${r.labels?.severity ?? ''}`.toLowerCase().includes(w))).sort(byState)
  const openId = a.get('rule')
  const keys = useListKeys(
    list.map(keyOf),
    (i) => change({ rule: idOf(list[i]) === openId ? null : idOf(list[i]) }, true),
    () => (openId ? (change({ rule: null }, true), true) : false),
  )
  return (
    <>
      <input class="filter" data-query="" value={filter} placeholder={W.alerts.rulesFilter} aria-label={W.alerts.rulesFilter} spellcheck={false} onInput={(e) => setFilter(e.currentTarget.value)} />
      <div class="rule-row rule-head faint" aria-hidden="true">
        <span>{W.alerts.state_}</span>
        <span>{W.alerts.rule}</span>
        <span class="n wide">{W.alerts.fired}</span>
        <span class="n">{W.alerts.lastEvaluation}</span>
        <span class="n wide">{W.alerts.took}</span>
      </div>
      <ul class="rules" ref={keys.ref as never}>
        {list.map((r, i) => (
          <Row key={keyOf(r)} of={r} n={i} open={idOf(r) === openId} active={i === keys.active} />
        ))}
      </ul>
      {list.length === 0 && <p class="dim">{W.alerts.rulesEmptyFilter}</p>}
    </>
  )
}

export function NoRules() {
  return (
    <div class="empty">
      <p>{W.alerts.noRules}</p>
      <CopyBox text={W.alerts.noRulesConfig} />
      <a href="/docs/manual/alerting">{W.alerts.manual}</a>
    </div>
  )
}

export function RulesPanel({ of }: { of: Fetched<Rule[]> }) {
  return (
    <Card name="rules">
      <Fetch of={of} rows={8} isEmpty={(d) => d.length === 0} empty={<NoRules />}>
        {(d) => <List all={d} />}
      </Fetch>
    </Card>
  )
}
