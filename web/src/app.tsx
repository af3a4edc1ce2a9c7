// SPDX-License-Identifier: Apache-2.0
// The shell: the bar, the page of the address, the dialogs, the keys that work everywhere.
import { useEffect, useRef, useState } from 'preact/hooks'
import { go, link, useAddress, useRange } from './state/address'
import { refreshEvery, refreshNow } from './state/refresh'
import { useKeys } from './state/keys'
import { toggleTheme } from './state/theme'
import { W } from './lib/words'
import { defaultInterval, INTERVALS, TopBar } from './widgets/TopBar'
import { Palette } from './widgets/Palette'
import { KeysDialog } from './widgets/KeysDialog'
import { Home } from './pages/Home'
import { Metrics } from './pages/Metrics'
import { Logs } from './pages/Logs'
import { Traces } from './pages/Traces'
import { Trace } from './pages/Trace'

const GO_MS = 1000
const GOES: Record<string, string> = { h: '/', m: '/metrics-explorer', l: '/logs', t: '/traces' }

function focusQuery(): boolean {
  const target = document.querySelector<HTMLElement>('[data-query]')
  if (!target) return false
  const inner = target.shadowRoot?.querySelector<HTMLElement>('.cm-content')
  ;(inner ?? target).focus()
  return true
}

function Page({ path }: { path: string }) {
  if (path === '/') return <Home />
  if (path === '/metrics-explorer') return <Metrics />
  if (path === '/logs') return <Logs />
  if (path === '/traces') return <Traces />
  if (path.startsWith('/trace/')) return <Trace id={decodeURIComponent(path.slice('/trace/'.length))} />
  return (
    <main id="main">
      <section class="card empty">
        <p>{W.state.pageNotFound}</p>
        <a href={link('/')}>{W.state.backHome}</a>
      </section>
    </main>
  )
}

function titleOf(path: string): string {
  const name =
    path === '/' ? W.pages.home : path === '/logs' ? W.pages.logs : path === '/metrics-explorer' ? W.pages.metrics : path === '/traces' ? W.pages.traces : W.pages.trace
  return `${name} · ${W.product}`
}

export function App() {
  const a = useAddress()
  const r = useRange()
  const [dialog, setDialog] = useState<'' | 'palette' | 'keys' | 'time'>('')
  const goAt = useRef(0)
  const chosen = a.get('refresh')
  const every = chosen in INTERVALS ? chosen : defaultInterval(a.path, r.moving)

  useEffect(() => refreshEvery(INTERVALS[every]), [every])
  useEffect(() => {
    document.title = titleOf(a.path)
  }, [a.path])

  const close = () => setDialog('')
  useKeys((key) => {
    if (key === 'Ctrl-K') {
      setDialog(dialog === 'palette' ? '' : 'palette')
      return true
    }
    if (Date.now() - goAt.current < GO_MS && key in GOES) {
      goAt.current = 0
      go(link(GOES[key]))
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
