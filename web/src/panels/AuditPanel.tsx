// SPDX-License-Identifier: Apache-2.0
// The audit log: who read and changed what, and whether the record is whole. Reading it is on record too, so it is read when asked for.
import { useState } from 'preact/hooks'
import { audit, verifyAudit, type AuditCheck, type AuditRecord } from '../api/account'
import { change, useAddress, useRange } from '../state/address'
import { useAct } from '../state/act'
import { useFetch } from '../state/fetch'
import { refreshNow } from '../state/refresh'
import { utc } from '../lib/time'
import { count } from '../lib/units'
import { safe } from '../lib/text'
import { W } from '../lib/words'
import { Card } from '../widgets/Card'
import { FormError, TextField } from '../widgets/Field'
import { Empty, Fetch } from '../widgets/States'
import { Table, type Column } from '../widgets/Table'
import { whenText } from './IncidentList'

const LIMIT = 200
const FAILED = 400

const columns: Column<AuditRecord>[] = [
  { title: W.security.time, class: () => 'mono dim', draw: (r) => <span title={`${utc(r.t_ms)} · ${r.seq}`}>{whenText(r.t_ms)}</span> },
  {
    title: W.security.user,
    draw: (r) => (
      <span title={safe([r.peer, r.tenant].filter(Boolean).join(' · '))}>
        {r.user ? safe(r.user) : <span class="dim">{W.security.anonymous}</span>} <span class="faint wide-inline">{safe(r.role)}</span>
      </span>
    ),
  },
  { title: W.security.action, class: (r) => (r.status >= FAILED ? 'mono bad' : 'mono'), draw: (r) => safe(r.action) },
  { title: W.security.text, wide: true, class: () => 'mono break audit-text', draw: (r) => <span title={safe(r.request ?? '')}>{safe(r.text)}</span> },
  { title: W.security.rows, number: true, wide: true, draw: (r) => (r.rows ? count(r.rows) : '') },
  { title: W.security.status, number: true, class: (r) => (r.status >= FAILED ? 'bad' : 'dim'), draw: (r) => (r.status ? String(r.status) : W.security.before) },
]

function Verdict({ of }: { of: AuditCheck }) {
  return (
    <div class={`verdict ${of.ok ? '' : 'bad'}`} role="status">
      <p>
        <span class={`mark ${of.ok ? 'ok' : 'bad'}`} aria-hidden="true" />
        {of.ok ? W.security.whole(count(of.records)) : W.security.broken(of.first_bad, safe(of.why))}
      </p>
      <p class="dim">
        {W.security.head} <span class="mono break">{safe(of.head)}</span> {W.security.headHint}
      </p>
    </div>
  )
}

export function AuditPanel() {
  const a = useAddress()
  const r = useRange()
  const [user, setUser] = useState(a.get('user'))
  const [action, setAction] = useState(a.get('action'))
  const [verdict, setVerdict] = useState<AuditCheck | null>(null)
  const act = useAct(false)
  const asked = { user: a.get('user'), action: a.get('action') }
  const f = useFetch(`audit|${asked.user}|${asked.action}|${r.range.from}|${r.range.to}`, r.tick, (s) => audit({ start: Math.floor(r.startMs / 1000), end: Math.ceil(r.endMs / 1000) + 1, ...asked, limit: LIMIT }, s))
  const submit = (e: Event) => {
    e.preventDefault()
    const before = location.href
    change({ user: user.trim(), action: action.trim() })
    if (location.href === before) refreshNow()
  }
  return (
    <Card
      name="audit"
      title={W.security.auditTitle}
      note={f.data && f.data.length > 0 && W.security.auditNote(f.data.length, f.data.length >= LIMIT)}
      aside={
        <button type="button" disabled={act.busy} title={W.security.verifyHint} onClick={() => act.run(verifyAudit, setVerdict)}>
          {act.busy ? W.security.verifying : W.security.verify}
        </button>
      }
    >
      {verdict && <Verdict of={verdict} />}
      <FormError text={act.error} />
      <form class="act-form filters" onSubmit={submit}>
        <TextField label={W.security.filterUser} name="user" value={user} onInput={setUser} />
        <TextField label={W.security.filterAction} name="action" value={action} placeholder={W.security.filterActionHint} onInput={setAction} />
        <span class="form-end">
          <button type="submit">{W.security.filter}</button>
        </span>
      </form>
      <Fetch of={f} rows={8} isEmpty={(d) => d.length === 0} empty={<Empty why={W.security.auditEmpty} hint={W.security.auditEmptyHint} />}>
        {(d) => <Table columns={columns} rows={d} keyOf={(x) => String(x.seq)} class="audit" />}
      </Fetch>
    </Card>
  )
}
