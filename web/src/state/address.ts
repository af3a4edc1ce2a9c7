// SPDX-License-Identifier: Apache-2.0
// The address is the state: page, time range, query, selection. Everything that shows reads it from here.
import { RANGE_DEFAULT, resolve, isRelative, type Range, type Window } from '../lib/time'
import { notice } from './notice'
import { useTick } from './refresh'

export type Changes = Record<string, string | null | undefined>
const moved = notice()

export interface Address {
  path: string
  get: (name: string) => string
}

let cached: { href: string; address: Address } | null = null

export function address(): Address {
  if (cached?.href === location.href) return cached.address
  const params = new URLSearchParams(location.search)
  cached = { href: location.href, address: { path: location.pathname, get: (name) => params.get(name) ?? '' } }
  return cached.address
}

const KEPT = ['from', 'to', 'refresh']

// A link to a page that keeps the time range.
export function link(path: string, changes: Changes = {}): string {
  const now = new URLSearchParams(location.search)
  const next = new URLSearchParams()
  for (const k of KEPT) if (now.get(k)) next.set(k, now.get(k)!)
  return withChanges(path, next, changes)
}

// A link to this page with some parameters changed.
export function here(changes: Changes): string {
  return withChanges(location.pathname, new URLSearchParams(location.search), changes)
}

function withChanges(path: string, params: URLSearchParams, changes: Changes): string {
  for (const [k, v] of Object.entries(changes)) {
    if (v === null || v === undefined || v === '') params.delete(k)
    else params.set(k, v)
  }
  const q = params.toString()
  return q ? `${path}?${q}` : path
}

export function go(href: string, replace = false): void {
  const before = location.pathname
  if (href === location.pathname + location.search) return
  history[replace ? 'replaceState' : 'pushState'](null, '', href)
  if (location.pathname !== before) window.scrollTo(0, 0)
  moved.tell()
}

export const change = (changes: Changes, replace = false): void => go(here(changes), replace)

// Links to the page's own paths change the page without loading it anew.
export function listen(isOwnPath: (path: string) => boolean): void {
  window.addEventListener('popstate', moved.tell)
  document.addEventListener('click', (e) => {
    if (e.defaultPrevented || e.button !== 0 || e.metaKey || e.ctrlKey || e.shiftKey || e.altKey) return
    const a = (e.target as Element | null)?.closest?.('a')
    if (!a || a.target || a.origin !== location.origin || !isOwnPath(a.pathname) || a.hash) return
    e.preventDefault()
    go(a.pathname + a.search)
  })
}

export function useAddress(): Address {
  moved.use()
  return address()
}

export interface RangeNow extends Window {
  range: Range
  tick: number
  moving: boolean
}

let held: { key: string; window: Window } | null = null

// The range of the address in milliseconds: one answer for all panels of a page until the next tick.
export function useRange(): RangeNow {
  const a = useAddress()
  const tick = useTick()
  const range = { from: a.get('from') || RANGE_DEFAULT.from, to: a.get('to') || RANGE_DEFAULT.to }
  const key = `${range.from}|${range.to}|${tick}`
  if (held?.key !== key) held = { key, window: resolve(range, Date.now()) }
  return { range, tick, moving: isRelative(range), ...held.window }
}

export function setRange(startMs: number, endMs: number): void {
  change({ from: String(Math.round(startMs)), to: String(Math.round(endMs)), sel: null })
}
