// SPDX-License-Identifier: Apache-2.0
// A silence: which alerts, for how long, why, and who says so.
import { useState } from 'preact/hooks'
import { silence } from '../api/alerts'
import { useAct } from '../state/act'
import { actingName, rememberName, useSession } from '../state/session'
import { parseMatchers } from '../lib/rules'
import { durationMs } from '../lib/time'
import { W } from '../lib/words'
import { ChoiceField, FormError, TextField } from '../widgets/Field'

const LENGTHS = ['30m', '1h', '2h', '8h', '1d', '7d']

export function SilenceForm({ matchers: given, onDone }: { matchers: string; onDone: () => void }) {
  const { me } = useSession()
  const [text, setText] = useState(given)
  const [long, setLong] = useState('2h')
  const [reason, setReason] = useState('')
  const [by, setBy] = useState(actingName())
  const act = useAct()
  const submit = (e: Event) => {
    e.preventDefault()
    const parsed = parseMatchers(text)
    const ms = durationMs(long)
    if ('bad' in parsed) return act.fail(W.alerts.matcherBad(parsed.bad))
    if (parsed.matchers.length === 0) return act.fail(W.alerts.matcherNone)
    if (!ms) return act.fail(W.alerts.howLongBad(long))
    if (!reason.trim()) return act.fail(W.alerts.reasonMissing)
    if (!by.trim()) return act.fail(W.alerts.byMissing)
    rememberName(by.trim())
    const now = Date.now()
    const s = { matchers: parsed.matchers, startsAt: new Date(now).toISOString(), endsAt: new Date(now + ms).toISOString(), createdBy: by.trim(), comment: reason.trim() }
    act.run(() => silence(s), onDone)
  }
  return (
    <form class="act-form" onSubmit={submit}>
      <TextField label={W.alerts.matchers} name="matchers" width="grow" value={text} placeholder={W.alerts.matcherHint} onInput={setText} />
      <ChoiceField label={W.alerts.howLong} name="long" width="narrow" value={long} choices={LENGTHS} onChoose={setLong} />
      <TextField label={W.alerts.reason} name="reason" width="grow" value={reason} onInput={setReason} />
      {!me?.user && <TextField label={W.alerts.by} name="by" value={by} onInput={setBy} />}
      <span class="form-end">
        <button type="submit" class="primary" disabled={act.busy}>
          {W.alerts.silenceIt}
        </button>
        <button type="button" onClick={onDone}>
          {W.cancel}
        </button>
      </span>
      <FormError text={act.error} />
    </form>
  )
}
