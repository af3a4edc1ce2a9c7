// SPDX-License-Identifier: Apache-2.0
// Every view, one row each: the address, the bar, the title, the keys, Ctrl-K and the refreshing all follow from it.
import type { ComponentChildren } from 'preact'
import { W } from './lib/words'
import { Home } from './pages/Home'
import { Logs } from './pages/Logs'
import { Metrics } from './pages/Metrics'
import { Trace } from './pages/Trace'
import { Traces } from './pages/Traces'

export interface PageRow {
  path: string // one that ends with "/" (but the first) takes what follows as the id
  name: string // in the bar, the title and Ctrl-K
  key?: string // after g
  under?: string // not in the bar itself: the path of the entry it belongs to
  refresh?: string // one of the INTERVALS of state/refresh, while the range moves; else none by itself
  draw: (id: string) => ComponentChildren
}

export const PAGES: PageRow[] = [
  { path: '/', name: W.pages.home, key: 'h', refresh: '10s', draw: () => <Home /> },
  { path: '/metrics-explorer', name: W.pages.metrics, key: 'm', draw: () => <Metrics /> },
  { path: '/logs', name: W.pages.logs, key: 'l', refresh: '5s', draw: () => <Logs /> },
  { path: '/traces', name: W.pages.traces, key: 't', draw: () => <Traces /> },
  { path: '/trace/', name: W.pages.trace, under: '/traces', draw: (id) => <Trace id={id} /> },
]

export const BAR = PAGES.filter((p) => !p.under)

export function pageOf(path: string): { page: PageRow; id: string } | null {
  const exact = PAGES.find((p) => p.path === path)
  if (exact && !exact.under) return { page: exact, id: '' }
  const page = PAGES.find((p) => p.path.length > 1 && p.path.endsWith('/') && path.length > p.path.length && path.startsWith(p.path))
  if (!page) return null
  try {
    return { page, id: decodeURIComponent(path.slice(page.path.length)) }
  } catch {
    return null // "%" without two digits
  }
}
