// SPDX-License-Identifier: Apache-2.0
// The login: only where the server asks for one. From here back to where it was needed.
import { useEffect, useRef, useState } from 'preact/hooks'
import { go, link, useAddress } from '../state/address'
import { useAct } from '../state/act'
import { logIn, nextOf, useSession } from '../state/session'
import { safe } from '../lib/text'
import { W } from '../lib/words'
import { FormError, PasswordField } from '../widgets/Field'

export function Login() {
  const a = useAddress()
  const { me } = useSession()
  const [user, setUser] = useState('')
  const [password, setPassword] = useState('')
  const act = useAct(false)
  const first = useRef<HTMLInputElement>(null)
  const next = nextOf(a.get('next'))
  const needed = !!me?.login_required && !me.user
  useEffect(() => {
    // Nobody needs to log in here, and a place was asked for: there.
    if (me && !me.login_required && a.get('next')) go(next, true)
  }, [me])
  useEffect(() => first.current?.focus(), [needed])
  const submit = (e: Event) => {
    e.preventDefault()
    if (!user.trim() || !password) return act.fail(W.login.missing)
    act.run(() => logIn(user.trim(), password).finally(() => setPassword('')))
  }
  if (me === undefined) return <main id="main" />
  if (me && !needed)
    return (
      <main id="main">
        <section class="card empty">
          <p>{me.user ? W.login.already(safe(me.user)) : W.login.open}</p>
          <a href={link(next === '/' ? '/' : next)}>{W.state.backHome}</a>
        </section>
      </main>
    )
  return (
    <main id="main" class="login">
      <form class="card login-form" onSubmit={submit}>
        <h1>{W.login.title}</h1>
        <label class="field-box">
          {W.login.user}
          <input name="user" ref={first} value={user} autocomplete="username" autocapitalize="none" spellcheck={false} onInput={(e) => setUser(e.currentTarget.value)} />
        </label>
        <PasswordField label={W.login.password} name="password" value={password} onInput={setPassword} />
        <button type="submit" class="primary" disabled={act.busy}>
          {W.login.go}
        </button>
        <FormError text={act.error} />
        <p class="faint">{W.login.noUsers}</p>
        <code class="command">{W.login.noUsersCommand}</code>
      </form>
    </main>
  )
}
