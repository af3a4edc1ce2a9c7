// SPDX-License-Identifier: Apache-2.0
// The bar on every page: where am I, where can I go, which time, how fresh.
import { change, link, useAddress } from '../state/address'
import { refreshNow } from '../state/refresh'
import { toggleTheme, useTheme } from '../state/theme'
import { W } from '../lib/words'
import { TimePicker } from './TimePicker'

const PAGES = [
  { path: '/', name: W.pages.home },
  { path: '/metrics-explorer', name: W.pages.metrics },
  { path: '/logs', name: W.pages.logs },
  { path: '/traces', name: W.pages.traces },
]
export const INTERVALS: Record<string, number> = { off: 0, '5s': 5000, '10s': 10000, '30s': 30000, '1m': 60000, '5m': 300000 }

export function defaultInterval(path: string, moving: boolean): string {
  if (!moving) return 'off'
  return path === '/' ? '10s' : path === '/logs' ? '5s' : 'off'
}

function Logo() {
  return (
    <svg class="logo-mark" viewBox="0 0 20 20" aria-hidden="true">
      <path d="M1.5 7.2 10 2.2l8.5 5zM3 8.4h2.8v6.8H3zM8.6 8.4h2.8v6.8H8.6zM14.2 8.4H17v6.8h-2.8zM1.5 16.3h17v1.8h-17z" fill="currentColor" />
    </svg>
  )
}

export function TopBar(props: { moving: boolean; onPalette: () => void; pickerOpen: boolean; onPicker: (open: boolean) => void }) {
  const a = useAddress()
  const { theme, dark } = useTheme()
  const chosen = a.get('refresh')
  const every = chosen in INTERVALS ? chosen : defaultInterval(a.path, props.moving)
  const on = (path: string) => a.path === path || (path === '/traces' && a.path.startsWith('/trace/'))
  return (
    <header class="top">
      <a class="logo" href={link('/')}>
        <Logo />
        <span>{W.product}</span>
      </a>
      <nav aria-label={W.product}>
        {PAGES.map((p) => (
          <a key={p.path} href={link(p.path)} class={on(p.path) ? 'on' : ''} aria-current={on(p.path) ? 'page' : undefined}>
            {p.name}
          </a>
        ))}
      </nav>
      <span class="spring" />
      <button type="button" class="ctl palette-open" onClick={props.onPalette} aria-label={W.goAnywhere}>
        <span class="long">{W.goAnywhere}</span>
        <span class="short">{W.goShort}</span> <kbd>Ctrl K</kbd>
      </button>
      <TimePicker open={props.pickerOpen} onOpen={props.onPicker} />
      <span class="ctl split">
        <button type="button" class="refresh" onClick={refreshNow} aria-label={W.refresh.now} title={W.refresh.now}>
          ⟳
        </button>
        <select aria-label={W.refresh.every} title={W.refresh.label(every)} value={every} onChange={(e) => change({ refresh: e.currentTarget.value }, true)}>
          {Object.keys(INTERVALS).map((k) => (
            <option key={k} value={k}>
              {k === 'off' ? W.refresh.off : k.replace(/(\d+)/, '$1 ')}
            </option>
          ))}
        </select>
      </span>
      <button type="button" class="ctl theme" onClick={toggleTheme} aria-label={W.theme[theme]} title={W.theme[theme]}>
        {dark ? '☾' : '☀'}
      </button>
    </header>
  )
}
