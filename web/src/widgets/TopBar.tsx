// SPDX-License-Identifier: Apache-2.0
// The bar on every page: where am I, where can I go, which time, how fresh.
import { useEffect, useRef, useState } from 'preact/hooks'
import { BAR, mayOpen, pageOf, type PageRow } from '../pages'
import { change, link, useAddress, type Address } from '../state/address'
import { INTERVALS, refreshNow } from '../state/refresh'
import { useKeys } from '../state/keys'
import { useOpenIncidents } from '../state/incidents'
import { isStranger, logOut, useSession } from '../state/session'
import { toggleTheme, useTheme } from '../state/theme'
import { safe } from '../lib/text'
import { W } from '../lib/words'
import { TimePicker } from './TimePicker'

const ALERTS = '/alerts'

// The chosen interval, or the one of the page while its range moves.
export function intervalOf(a: Address, moving: boolean): string {
  const chosen = a.get('refresh')
  if (chosen in INTERVALS) return chosen
  return (moving && pageOf(a.path)?.page.refresh) || 'off'
}

function Logo() {
  return (
    <svg class="logo-mark" viewBox="0 0 20 20" aria-hidden="true">
      <path d="M1.5 7.2 10 2.2l8.5 5zM3 8.4h2.8v6.8H3zM8.6 8.4h2.8v6.8H8.6zM14.2 8.4H17v6.8h-2.8zM1.5 16.3h17v1.8h-17z" fill="currentColor" />
    </svg>
  )
}

// What is not needed at every glance.
function Menu({ pages, here }: { pages: PageRow[]; here: string | undefined }) {
  const [open, setOpen] = useState(false)
  const box = useRef<HTMLDivElement>(null)
  useEffect(() => {
    if (!open) return
    box.current?.querySelector<HTMLElement>('.menu a')?.focus()
    const outside = (e: Event) => !box.current?.contains(e.target as Node) && setOpen(false)
    document.addEventListener('pointerdown', outside)
    return () => document.removeEventListener('pointerdown', outside)
  }, [open])
  useKeys((key) => {
    if (!open || !/^(Escape|ArrowDown|ArrowUp)$/.test(key)) return false
    const all = [...(box.current?.querySelectorAll<HTMLElement>('.menu a') ?? [])]
    if (key === 'Escape') {
      setOpen(false)
      box.current?.querySelector('button')?.focus()
    } else {
      const at = all.indexOf(document.activeElement as HTMLElement) + (key === 'ArrowDown' ? 1 : -1)
      all[Math.max(0, Math.min(all.length - 1, at))]?.focus()
    }
    return true
  })
  const inside = pages.find((p) => p.path === here)
  if (pages.length === 0) return null
  return (
    <div class="more-pages" ref={box}>
      <button type="button" class={inside ? 'on' : ''} aria-expanded={open} aria-haspopup="true" onClick={() => setOpen(!open)}>
        {inside?.name ?? W.more} <span aria-hidden="true">▾</span>
      </button>
      {open && (
        <div class="menu">
          {pages.map((p) => (
            <a key={p.path} href={link(p.path)} class={p === inside ? 'on' : ''} aria-current={p === inside ? 'page' : undefined} onClick={() => setOpen(false)}>
              {p.name}
            </a>
          ))}
        </div>
      )}
    </div>
  )
}

function Account() {
  const { me } = useSession()
  if (!me?.user) return null
  return (
    <button type="button" class="ctl account" onClick={() => void logOut()} title={W.login.outOf(safe(me.user), safe(me.role))} aria-label={W.login.outOf(safe(me.user), safe(me.role))}>
      <span class="who">{safe(me.user)}</span> {W.login.out.toLowerCase()}
    </button>
  )
}

export function TopBar(props: { moving: boolean; onPalette: () => void; pickerOpen: boolean; onPicker: (open: boolean) => void }) {
  const a = useAddress()
  const { theme, dark } = useTheme()
  const every = intervalOf(a, props.moving)
  const page = pageOf(a.path)?.page
  const here = page?.under ?? page?.path
  const session = useSession()
  const open = useOpenIncidents().list?.length ?? 0
  const stranger = session.me === undefined || isStranger(session.me)
  const pages = stranger ? [] : BAR.filter((p) => mayOpen(p, session))
  const nav = useRef<HTMLElement>(null)
  // Where not all entries fit, the one of this page is in sight.
  useEffect(() => nav.current?.querySelector('.on')?.scrollIntoView({ block: 'nearest', inline: 'nearest' }), [here, open > 0])
  return (
    <header class="top">
      <a class="logo" href={link('/')}>
        <Logo />
        <span>{W.product}</span>
      </a>
      <nav aria-label={W.product} ref={nav}>
        {pages
          .filter((p) => !p.menu)
          .map((p) => (
            <a key={p.path} href={link(p.path)} class={p.path === here ? 'on' : ''} aria-current={p.path === here ? 'page' : undefined}>
              {p.name}
              {p.path === ALERTS && open > 0 && (
                <b class="pill" title={W.alerts.openCount(open)}>
                  {open}
                </b>
              )}
            </a>
          ))}
      </nav>
      <Menu pages={pages.filter((p) => p.menu)} here={here} />
      <span class="spring" />
      {!isStranger(session.me) && (
        <>
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
        </>
      )}
      <button type="button" class="ctl theme" onClick={toggleTheme} aria-label={W.theme[theme]} title={W.theme[theme]}>
        {dark ? '☾' : '☀'}
      </button>
      <Account />
    </header>
  )
}
