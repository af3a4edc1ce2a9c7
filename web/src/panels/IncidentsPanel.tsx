// SPDX-License-Identifier: Apache-2.0
// Home's first question: is anything wrong now? Quiet when nothing is.
import { link } from '../state/address'
import { useOpenIncidents } from '../state/incidents'
import { byUrgency, toneOf } from '../lib/rules'
import { W } from '../lib/words'
import { Card } from '../widgets/Card'
import { ErrorBox } from '../widgets/States'
import { IncidentList } from './IncidentList'

const SHOWN_MAX = 5

export function IncidentsPanel() {
  const { list, error } = useOpenIncidents()
  if (!list) return error ? <ErrorBox error={error} /> : null
  const all = <a href={link('/alerts')}>{W.alerts.all}</a>
  if (list.length === 0)
    return (
      <Card name="incidents">
        <p class="row">
          <span class="fine">
            <span class="mark ok" aria-hidden="true" />
            {W.alerts.homeFine}
          </span>
          <span class="spring" />
          {all}
        </p>
      </Card>
    )
  const sorted = [...list].sort(byUrgency)
  const worst = sorted.some((i) => toneOf(i.severity) === 'bad') ? 'bad' : 'warn'
  return (
    <Card name="incidents" class={`incidents-card ${worst}`} title={W.alerts.openCount(list.length)} aside={all}>
      <IncidentList list={sorted.slice(0, SHOWN_MAX)} brief />
      {list.length > SHOWN_MAX && <p class="dim count">{W.andMore(list.length - SHOWN_MAX)}</p>}
    </Card>
  )
}
