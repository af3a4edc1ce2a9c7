// SPDX-License-Identifier: Apache-2.0
// What a person can do about an incident: take it, close it, silence it. Only who may edit is offered it.
import { useState } from 'preact/hooks'
import { actOn, type Incident } from '../api/alerts'
import { useAct } from '../state/act'
import { actingName, rememberName, useSession } from '../state/session'
import { matchersOf } from '../lib/rules'
import { W } from '../lib/words'
import { FormError, TextField } from '../widgets/Field'
import { SilenceForm } from './SilenceForm'

type What = 'ack' | 'resolve' | 'silence'

function Note({ of, what, onDone }: { of: Incident; what: 'ack' | 'resolve'; onDone: () => void }) {
  const { me } = useSession()
  const [note, setNote] = useState('')
  const [by, setBy] = useState(actingName())
  const act = useAct()
  const submit = (e: Event) => {
    e.preventDefault()
    if (!by.trim()) return act.fail(W.alerts.byMissing)
    rememberName(by.trim())
    act.run(() => actOn(of.id, what, by.trim(), note.trim()), onDone)
  }
  return (
    <form class="act-form" onSubmit={submit}>
      {!me?.user && <TextField label={W.alerts.by} name="by" value={by} onInput={setBy} />}
      <TextField label={W.alerts.note} name="note" width="grow" value={note} placeholder={W.alerts.noteHint} onInput={setNote} />
      <span class="form-end">
        <button type="submit" class="primary" disabled={act.busy}>
          {W.alerts[what]}
        </button>
        <button type="button" onClick={onDone}>
          {W.cancel}
        </button>
      </span>
      <p class="faint">{what === 'ack' ? W.alerts.ackHint : W.alerts.resolveHint}</p>
      <FormError text={act.error} />
    </form>
  )
}

export function IncidentActions({ of }: { of: Incident }) {
  const session = useSession()
  const [form, setForm] = useState<What | ''>('')
  if (!session.may('edit') || of.state === 'resolved') return null
  const done = () => setForm('')
  const button = (what: What) => (
    <button type="button" class={form === what ? 'on' : ''} aria-expanded={form === what} onClick={() => setForm(form === what ? '' : what)}>
      {W.alerts[what]}
    </button>
  )
  return (
    <div class="acts-box">
      <span class="acts-row">
        {of.state === 'firing' && button('ack')}
        {button('resolve')}
        {button('silence')}
      </span>
      {(form === 'ack' || form === 'resolve') && <Note key={form} of={of} what={form} onDone={done} />}
      {form === 'silence' && <SilenceForm matchers={matchersOf(of.labels)} onDone={done} />}
    </div>
  )
}
