// SPDX-License-Identifier: Apache-2.0
// Incidents, one below the other: how bad, what, since when, who is on it, what to do.
import type { Incident } from '../api/alerts'
import { go, link } from '../state/address'
import { useListKeys } from '../state/keys'
import { toneOf } from '../lib/rules'
import { clock, day, durationText, sameDay, utc } from '../lib/time'
import { safe } from '../lib/text'
import { W } from '../lib/words'
import { IncidentActions } from './IncidentActions'

export const whenText = (ms: number): string => (sameDay(ms, Date.now()) ? clock(ms) : `${day(ms)} ${clock(ms)}`)
export const agoText = (ms: number): string => W.ago(durationText(Math.max(0, Date.now() - ms)))
const untilText = (ms: number): string => (ms > Date.now() ? W.inTime(durationText(ms - Date.now())) : whenText(ms))

export function StateWords({ of }: { of: Incident }) {
  const e = of.escalation
  return (
    <>
      <span class={of.state === 'firing' ? toneOf(of.severity) : ''}>{W.alerts.state[of.state] ?? safe(of.state)}</span>
      {' · '}
      {of.state === 'resolved' && of.resolved_ms ? (
        <span>{W.alerts.lasted(durationText(of.resolved_ms - of.started_ms))}</span>
      ) : of.acknowledged_by ? (
        <span>{W.alerts.ackedBy(safe(of.acknowledged_by), whenText(of.acknowledged_ms ?? of.started_ms))}</span>
      ) : (
        <span>{W.alerts.nobody}</span>
      )}
      {e && e.of > 0 && of.state === 'firing' && (
        <span>
          {' · '}
          {W.alerts.step(e.step, e.of)}
          {e.next_ms ? `, ${W.alerts.nextStep(untilText(e.next_ms))}` : ''}
        </span>
      )}
      {of.receiver && <span> · {W.alerts.told(safe(of.receiver))}</span>}
    </>
  )
}

export function Severity({ of }: { of: Incident }) {
  const tone = of.state === 'resolved' ? 'idle' : toneOf(of.severity)
  return (
    <span class="severity">
      <span class={`mark ${tone}`} aria-hidden="true" />
      <span class={`word ${tone}`}>{safe(of.severity || W.alerts.state.firing)}</span>
    </span>
  )
}

const labelsShort = (labels: Record<string, string>) =>
  Object.keys(labels)
    .filter((k) => k !== 'severity')
    .sort((a, b) => (a === 'alertname' ? -1 : b === 'alertname' ? 1 : a < b ? -1 : 1))
    .map((k) => `${k}=${labels[k]}`)
    .join('  ')

export function IncidentList({ list, brief }: { list: Incident[]; brief?: boolean }) {
  const keys = useListKeys(
    list.map((i) => i.id),
    (i) => go(link(`/alerts/${encodeURIComponent(list[i].id)}`)),
  )
  return (
    <ul class="incidents" ref={keys.ref as never}>
      {list.map((i, n) => (
        <li key={i.id} data-item={n} class={`${n === keys.active ? 'active' : ''} ${i.state}`}>
          <Severity of={i} />
          <div class="what">
            <a href={link(`/alerts/${encodeURIComponent(i.id)}`)}>{safe(i.summary || i.labels.alertname || i.id)}</a>
            <p class="dim">
              <StateWords of={i} />
            </p>
            {!brief && <p class="mono dim labels">{safe(labelsShort(i.labels))}</p>}
            {!brief && <IncidentActions of={i} />}
          </div>
          <span class="since dim" title={`${utc(i.started_ms)} · ${agoText(i.started_ms)}`}>
            {i.state === 'resolved' ? whenText(i.resolved_ms ?? i.started_ms) : durationText(Math.max(0, Date.now() - i.started_ms))}
          </span>
        </li>
      ))}
    </ul>
  )
}
