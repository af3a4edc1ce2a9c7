// SPDX-License-Identifier: Apache-2.0
// Silences: what is kept quiet, until when, why, by whom.
import { useState } from 'preact/hooks'
import { expireSilence, type Silence } from '../api/alerts'
import { useAct } from '../state/act'
import type { Fetched } from '../state/fetch'
import { useSession } from '../state/session'
import { bySilence, matcherText } from '../lib/rules'
import { durationText, utc } from '../lib/time'
import { safe } from '../lib/text'
import { W } from '../lib/words'
import { Badge } from '../widgets/Badge'
import { Card } from '../widgets/Card'
import { Confirm } from '../widgets/Confirm'
import { FormError } from '../widgets/Field'
import { Fetch } from '../widgets/States'
import { Table, type Column } from '../widgets/Table'
import { agoText, whenText } from './IncidentList'
import { SilenceForm } from './SilenceForm'

const OLD_SHOWN_MAX = 20

function untilText(s: Silence): string {
  const ends = Date.parse(s.endsAt)
  if (s.status.state === 'expired') return agoText(ends)
  if (s.status.state === 'pending') return `${W.alerts.begins} ${whenText(Date.parse(s.startsAt))}`
  return W.inTime(durationText(Math.max(0, ends - Date.now())))
}

export function SilencesPanel({ of }: { of: Fetched<Silence[]> }) {
  const session = useSession()
  const act = useAct()
  const [form, setForm] = useState(false)
  const [old, setOld] = useState(false)
  const columns: Column<Silence>[] = [
    {
      title: W.alerts.matches,
      class: () => 'mono break',
      draw: (s) => (
        <Badge state={s.status.state === 'active' ? 'warn' : 'idle'} word={s.status.state === 'active' ? '' : s.status.state === 'pending' ? W.alerts.begins : W.alerts.ended}>
          {s.matchers.map((m) => safe(matcherText(m))).join('  ')}
        </Badge>
      ),
    },
    { title: W.alerts.comment, draw: (s) => <span class="break">{safe(s.comment)}</span> },
    { title: W.alerts.createdBy, wide: true, draw: (s) => safe(s.createdBy) },
    { title: W.alerts.until, number: true, draw: (s) => <span title={utc(Date.parse(s.endsAt))}>{untilText(s)}</span> },
  ]
  if (session.may('edit'))
    columns.push({
      title: '',
      number: true,
      draw: (s) => s.status.state !== 'expired' && <Confirm name={W.alerts.expire} sure={W.alerts.expireSure} busy={act.busy} onSure={() => act.run(() => expireSilence(s.id))} />,
    })
  return (
    <Card
      name="silences"
      title={W.alerts.tabs.silences}
      aside={
        session.may('edit') &&
        !form && (
          <button type="button" onClick={() => setForm(true)}>
            {W.alerts.newSilence}
          </button>
        )
      }
    >
      {form && <SilenceForm matchers="" onDone={() => setForm(false)} />}
      <FormError text={act.error} />
      <Fetch of={of}>
        {(d) => {
          const sorted = [...d].sort(bySilence)
          const alive = sorted.filter((s) => s.status.state !== 'expired')
          const ended = sorted.filter((s) => s.status.state === 'expired').reverse()
          const list = old ? [...alive, ...ended.slice(0, OLD_SHOWN_MAX)] : alive
          return (
            <>
              {list.length > 0 ? <Table columns={columns} rows={list} keyOf={(s) => s.id} class="silences" rowClass={(s) => (s.status.state === 'expired' ? 'ended' : '')} /> : <p class="fine">{W.alerts.silencesEmpty}</p>}
              {ended.length > 0 && (
                <button type="button" class="quiet" aria-pressed={old} onClick={() => setOld(!old)}>
                  {W.alerts.silencesOld(ended.length)}
                </button>
              )}
            </>
          )
        }}
      </Fetch>
    </Card>
  )
}
