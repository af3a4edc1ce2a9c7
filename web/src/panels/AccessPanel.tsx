// SPDX-License-Identifier: Apache-2.0
// Who may log in, and with what programs do: users and tokens, for admins.
import { useState } from 'preact/hooks'
import { addUser, changeUser, createToken, removeUser, revokeToken, ROLES, tokens, users, type Token, type User } from '../api/account'
import { useAct } from '../state/act'
import { useFetch } from '../state/fetch'
import { useTick } from '../state/refresh'
import { askMe, useSession } from '../state/session'
import { stamp, utc } from '../lib/time'
import { safe } from '../lib/text'
import { W } from '../lib/words'
import { Card } from '../widgets/Card'
import { Confirm } from '../widgets/Confirm'
import { CopyBox } from '../widgets/CopyBox'
import { ChoiceField, FormError, PasswordField, TextField } from '../widgets/Field'
import { Fetch } from '../widgets/States'
import { Table, type Column } from '../widgets/Table'

const list = (text: string) => text.split(/[\s,]+/).filter(Boolean)
const time = (ms: number) => (ms ? <span title={utc(ms)}>{stamp(ms).slice(0, 16)}</span> : W.never)

export function SessionPanel() {
  const { me } = useSession()
  if (!me) return null
  const may = (me.permissions ?? []).map((p) => W.security.permissions[p] ?? p).join('; ')
  return (
    <Card name="session" title={W.security.session}>
      {me.user ? (
        <>
          <p>
            {W.security.loggedIn(safe(me.user), safe(me.role))} {me.tenants && me.tenants.length > 0 && W.security.tenants(me.tenants.map((t) => safe(t)).join(', '))}
          </p>
          <p class="dim">{W.security.mayDo(may)}</p>
        </>
      ) : (
        <div class="empty">
          <p>{W.security.open}</p>
          <CopyBox text={W.security.openCommand} />
        </div>
      )}
    </Card>
  )
}

function RoleHint({ role }: { role: string }) {
  return <span class="faint role-hint">{role}: {W.security.roles[role]}</span>
}

function NewUser({ first, onDone }: { first: boolean; onDone: () => void }) {
  const [name, setName] = useState('')
  const [password, setPassword] = useState('')
  const [role, setRole] = useState(first ? 'admin' : 'viewer')
  const [tenants, setTenants] = useState('')
  const act = useAct()
  const submit = (e: Event) => {
    e.preventDefault()
    act.run(
      () => addUser({ name: name.trim(), password, role, tenants: list(tenants) }),
      () => {
        onDone()
        if (first) void askMe()
      },
    )
  }
  return (
    <form class="act-form" onSubmit={submit}>
      {first && <p class="warn">{W.security.firstUser}</p>}
      <TextField label={W.security.name} name="name" value={name} onInput={setName} />
      <PasswordField label={W.security.password} name="password" isNew value={password} placeholder={W.security.passwordHint} onInput={setPassword} />
      <ChoiceField label={W.security.role} name="role" value={role} choices={ROLES} onChoose={setRole} />
      <TextField label={W.security.tenantsTitle} name="tenants" value={tenants} placeholder={W.security.tenantsHint} onInput={setTenants} />
      <span class="form-end">
        <button type="submit" class="primary" disabled={act.busy}>
          {W.security.add}
        </button>
        <button type="button" onClick={onDone}>
          {W.cancel}
        </button>
      </span>
      <RoleHint role={role} />
      <FormError text={act.error} />
    </form>
  )
}

function Password({ name, onDone }: { name: string; onDone: (sentence: string) => void }) {
  const [password, setPassword] = useState('')
  const act = useAct()
  const submit = (e: Event) => {
    e.preventDefault()
    act.run(
      () => changeUser(name, { password }),
      () => onDone(W.security.passwordSet),
    )
  }
  return (
    <form class="act-form" onSubmit={submit}>
      <PasswordField label={`${W.security.newPassword}: ${safe(name)}`} name="password" isNew value={password} placeholder={W.security.passwordHint} onInput={setPassword} />
      <span class="form-end">
        <button type="submit" class="primary" disabled={act.busy}>
          {W.security.setPassword}
        </button>
        <button type="button" onClick={() => onDone('')}>
          {W.cancel}
        </button>
      </span>
      <FormError text={act.error} />
    </form>
  )
}

export function UsersPanel() {
  const tick = useTick()
  const { me } = useSession()
  const f = useFetch('users', tick, users)
  const act = useAct()
  const [form, setForm] = useState(false)
  const [password, setPassword] = useState('')
  const [said, setSaid] = useState('')
  const columns: Column<User>[] = [
    { title: W.security.name, draw: (u) => <b class="name">{safe(u.name)}</b> },
    {
      title: W.security.role,
      draw: (u) => (
        <select aria-label={`${W.security.role}: ${safe(u.name)}`} value={u.role} disabled={act.busy} onChange={(e) => act.run(() => changeUser(u.name, { role: e.currentTarget.value }), () => u.name === me?.user && void askMe())}>
          {ROLES.map((r) => (
            <option key={r} value={r}>
              {r}
            </option>
          ))}
        </select>
      ),
    },
    { title: W.security.tenantsTitle, wide: true, class: () => 'dim', draw: (u) => (u.tenants ?? []).map((t) => safe(t)).join(', ') },
    { title: W.security.created, wide: true, class: () => 'dim', draw: (u) => time(u.created_ms) },
    { title: W.security.changed, wide: true, class: () => 'dim', draw: (u) => time(u.changed_ms) },
    {
      title: '',
      number: true,
      draw: (u) => (
        <>
          <button type="button" class="quiet" onClick={() => (setSaid(''), setPassword(u.name))}>
            {W.security.newPassword}
          </button>{' '}
          <Confirm name={W.security.remove} sure={W.security.removeSure(safe(u.name))} busy={act.busy} onSure={() => act.run(() => removeUser(u.name), () => void askMe())} />
        </>
      ),
    },
  ]
  return (
    <Card
      name="users"
      title={W.security.users}
      note={f.data && f.data.length > 0 && String(f.data.length)}
      aside={
        !form && (
          <button type="button" onClick={() => setForm(true)}>
            {W.security.addUser}
          </button>
        )
      }
    >
      {form && <NewUser first={f.data?.length === 0} onDone={() => setForm(false)} />}
      {password && <Password key={password} name={password} onDone={(sentence) => (setPassword(''), setSaid(sentence))} />}
      {said && <p role="status">{said}</p>}
      <FormError text={act.error} />
      <Fetch of={f} isEmpty={(d) => d.length === 0} empty={<p class="fine">{W.security.usersEmpty}</p>}>
        {(d) => <Table columns={columns} rows={d} keyOf={(u) => u.name} class="accounts" />}
      </Fetch>
    </Card>
  )
}

function NewToken({ onDone }: { onDone: (made: { id: string; token: string } | null) => void }) {
  const [name, setName] = useState('')
  const [role, setRole] = useState('ingest-only')
  const [expires, setExpires] = useState('')
  const [tenants, setTenants] = useState('')
  const act = useAct()
  const submit = (e: Event) => {
    e.preventDefault()
    act.run(() => createToken({ name: name.trim(), role, tenants: list(tenants), ...(expires.trim() && { expires: expires.trim() }) }), onDone)
  }
  return (
    <form class="act-form" onSubmit={submit}>
      <TextField label={W.security.name} name="name" value={name} onInput={setName} />
      <ChoiceField label={W.security.role} name="role" value={role} choices={ROLES} onChoose={setRole} />
      <TextField label={W.security.expires} name="expires" width="narrow" value={expires} placeholder={W.security.expiresHint} onInput={setExpires} />
      <TextField label={W.security.tenantsTitle} name="tenants" value={tenants} placeholder={W.security.tenantsHint} onInput={setTenants} />
      <span class="form-end">
        <button type="submit" class="primary" disabled={act.busy}>
          {W.security.create}
        </button>
        <button type="button" onClick={() => onDone(null)}>
          {W.cancel}
        </button>
      </span>
      <RoleHint role={role} />
      <FormError text={act.error} />
    </form>
  )
}

export function TokensPanel() {
  const tick = useTick()
  const { me } = useSession()
  const f = useFetch('tokens', tick, tokens)
  const act = useAct()
  const [form, setForm] = useState(false)
  const [made, setMade] = useState<{ id: string; token: string } | null>(null)
  const columns: Column<Token>[] = [
    { title: W.security.name, draw: (t) => <b class="name">{safe(t.name)}</b> },
    { title: W.security.role, draw: (t) => safe(t.role) },
    { title: 'id', wide: true, class: () => 'mono dim', draw: (t) => safe(t.id) },
    { title: W.security.tenantsTitle, wide: true, class: () => 'dim', draw: (t) => (t.tenants ?? []).map((x) => safe(x)).join(', ') },
    { title: W.security.created, wide: true, class: () => 'dim', draw: (t) => time(t.created_ms) },
    { title: W.security.by, wide: true, class: () => 'dim', draw: (t) => safe(t.created_by) },
    { title: W.security.expires, class: (t) => (t.expires_ms && t.expires_ms < Date.now() ? 'warn' : 'dim'), draw: (t) => time(t.expires_ms) },
    { title: '', number: true, draw: (t) => <Confirm name={W.security.revoke} sure={W.security.revokeSure(safe(t.name))} busy={act.busy} onSure={() => act.run(() => revokeToken(t.id))} /> },
  ]
  return (
    <Card
      name="tokens"
      title={W.security.tokens}
      note={f.data && f.data.length > 0 && String(f.data.length)}
      aside={
        !form && (
          <button type="button" onClick={() => setForm(true)}>
            {W.security.newToken}
          </button>
        )
      }
    >
      {form && (
        <NewToken
          onDone={(m) => {
            setForm(false)
            if (m) setMade(m)
            if (m && !me?.login_required) void askMe()
          }}
        />
      )}
      {made && (
        <div class="made" role="status">
          <p>{W.security.tokenOnce}</p>
          <CopyBox text={made.token} label={W.security.tokens} />
          <p class="dim">{W.security.tokenUse}</p>
          <button type="button" onClick={() => setMade(null)}>
            {W.security.tokenDone}
          </button>
        </div>
      )}
      <FormError text={act.error} />
      <Fetch of={f} isEmpty={(d) => d.length === 0} empty={<p class="fine">{W.security.tokensEmpty}</p>}>
        {(d) => <Table columns={columns} rows={d} keyOf={(t) => t.id} class="accounts" />}
      </Fetch>
    </Card>
  )
}
