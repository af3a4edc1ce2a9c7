// SPDX-License-Identifier: Apache-2.0
// The shell: the bar, the page of the address, the dialogs, the keys that work everywhere.
import { useEffect, useRef, useState } from 'preact/hooks'
import { go, link, useAddress, useRange } from './state/address'
import { INTERVALS, refreshEvery, refreshNow } from './state/refresh'
import { useKeys } from './state/keys'
import { isStranger, useSession } from './state/session'
import { toggleTheme } from './state/theme'
import { W } from './lib/words'
import { intervalOf, TopBar } from './widgets/TopBar'
import { Palette } from './widgets/Palette'
import { KeysDialog } from './widgets/KeysDialog'
import { BAR, mayOpen, PAGES, pageOf } from './pages'

const GO_MS = 1000

function focusQuery(): boolean {
  const target = document.querySelector<HTMLElement>('[data-query]')
  if (!target) return false
  const inner = target.shadowRoot?.querySelector<HTMLElement>('.cm-content')
  ;(inner ?? target).focus()
  return true
}

// What the role may not see is said at once, with what it may.
function NotForYou({ role }: { role: string }) {
  const session = useSession()
  const others = BAR.filter((p) => mayOpen(p, session))
  return (
    <main id="main">
      <section class="card empty">
        <p>{W.login.mayNot(role)}</p>
        <p class="dim">{others.length === 0 ? W.login.mayOnlySend : W.login.whatMay}</p>
        {others.map((p) => (
          <a key={p.path} href={link(p.path)}>
            {p.name}
          </a>
        ))}
      </section>
    </main>
  )
}

function Page({ path }: { path: string }) {
  const found = pageOf(path)
  const session = useSession()
  if (found && !found.page.open) {
    // Until the server has said who we are, nothing is asked: the answers would be refusals.
    const { me } = session
    if (me === undefined || isStranger(me)) return <main id="main" />
    if (!mayOpen(found.page, session)) return <NotForYou role={me?.role ?? ''} />
  }
  if (found) return <>{found.page.draw(found.id)}</>
  return (
    <main id="main">
      <section class="card empty">
        <p>{W.state.pageNotFound}</p>
        <a href={link('/')}>{W.state.backHome}</a>
      </section>
    </main>
  )
}

export function App() {
  const a = useAddress()
  const r = useRange()
  const [dialog, setDialog] = useState<'' | 'palette' | 'keys' | 'time'>('')
  const goAt = useRef(0)
  const every = intervalOf(a, r.moving)

  useEffect(() => refreshEvery(INTERVALS[every]), [every])
  useEffect(() => {
    document.title = `${pageOf(a.path)?.page.name ?? W.state.pageNotFound} · ${W.product}`
  }, [a.path])

  const close = () => setDialog('')
  const { me } = useSession()
  useKeys((key) => {
    if (isStranger(me) && key !== 'd') return false
    if (key === 'Ctrl-K') {
      setDialog(dialog === 'palette' ? '' : 'palette')
      return true
    }
    const goal = Date.now() - goAt.current < GO_MS && PAGES.find((p) => p.key === key)
    if (goal) {
      goAt.current = 0
      go(link(goal.path))
      return true
    }
    switch (key) {
      case 'g':
        goAt.current = Date.now()
        return true
      case '?':
        setDialog('keys')
        return true
      case 't':
        setDialog('time')
        return true
      case 'r':
        refreshNow()
        return true
      case 'd':
        toggleTheme()
        return true
      case '/':
        return focusQuery()
      case 'Escape': {
        const focused = document.activeElement as HTMLElement | null
        ;((focused?.shadowRoot?.activeElement ?? focused) as HTMLElement | null)?.blur()
        return true
      }
    }
    return false
  }, true)

  return (
    <>
      <a class="skip" href="#main">
        {W.skip}
      </a>
      <TopBar moving={r.moving} onPalette={() => setDialog('palette')} pickerOpen={dialog === 'time'} onPicker={(open) => setDialog(open ? 'time' : '')} />
      <Page path={a.path} />
      {dialog === 'palette' && <Palette onClose={close} />}
      {dialog === 'keys' && <KeysDialog onClose={close} />}
    </>
  )
}
