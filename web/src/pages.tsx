// SPDX-License-Identifier: Apache-2.0
// Every view, one row each: the address, the bar, the title, the keys, Ctrl-K and the refreshing all follow from it.
import type { ComponentChildren } from 'preact'
import type { Permission } from './api/account'
import type { Session } from './state/session'
import { W } from './lib/words'
import { Alerts } from './pages/Alerts'
import { Cardinality } from './pages/Cardinality'
import { Check } from './pages/Check'
import { Checks } from './pages/Checks'
import { ComingFrom } from './pages/ComingFrom'
import { Board } from './pages/Board'
import { Boards } from './pages/Boards'
import { Correlate } from './pages/Correlate'
import { Cost } from './pages/Cost'
import { Graph } from './pages/Graph'
import { Home } from './pages/Home'
import { Incident } from './pages/Incident'
import { Login } from './pages/Login'
import { LogReport } from './pages/LogReport'
import { Patterns } from './pages/Patterns'
import { Logs } from './pages/Logs'
import { Metrics } from './pages/Metrics'
import { Queries } from './pages/Queries'
import { RealUsers } from './pages/RealUsers'
import { Security } from './pages/Security'
import { Service } from './pages/Service'
import { ServiceMap } from './pages/ServiceMap'
import { Trace } from './pages/Trace'
import { Traces } from './pages/Traces'

export interface PageRow {
  path: string // one that ends with "/" (but the first) takes what follows as the id
  name: string // in the bar, the title and Ctrl-K
  key?: string // after g
  under?: string // not in the bar itself: the path of the entry it belongs to
  menu?: boolean // in the bar's menu "More", not in the bar itself
  needs?: Permission[] // one of these; else read
  open?: boolean // for everybody, also before the login
  refresh?: string // one of the INTERVALS of state/refresh, while the range moves; else none by itself
  draw: (id: string) => ComponentChildren
}

export const PAGES: PageRow[] = [
  { path: '/', name: W.pages.home, key: 'h', refresh: '10s', draw: () => <Home /> },
  { path: '/metrics-explorer', name: W.pages.metrics, key: 'm', draw: () => <Metrics /> },
  { path: '/logs', name: W.pages.logs, key: 'l', refresh: '5s', draw: () => <Logs /> },
  { path: '/logs/patterns', name: W.patterns.page, under: '/logs', draw: () => <Patterns /> },
  { path: '/logs/report', name: W.pages.logReport, under: '/logs', draw: () => <LogReport /> },
  { path: '/traces', name: W.pages.traces, key: 't', draw: () => <Traces /> },
  { path: '/boards', name: W.pages.boards, key: 'b', draw: () => <Boards /> },
  { path: '/boards/', name: W.pages.board, under: '/boards', refresh: '30s', draw: (id) => <Board uid={id} key={id} /> },
  { path: '/trace/', name: W.pages.trace, under: '/traces', draw: (id) => <Trace id={id} /> },
  { path: '/alerts', name: W.pages.alerts, key: 'a', refresh: '10s', draw: () => <Alerts /> },
  { path: '/alerts/', name: W.pages.incident, under: '/alerts', refresh: '10s', draw: (id) => <Incident id={id} /> },
  { path: '/checks', name: W.pages.checks, key: 'c', refresh: '10s', draw: () => <Checks /> },
  { path: '/checks/', name: W.pages.check, under: '/checks', refresh: '10s', draw: (id) => <Check name={id} /> },
  { path: '/services/', name: W.pages.service, under: '/', refresh: '10s', draw: (id) => <Service name={id} key={id} /> },
  { path: '/service-map', name: W.pages.map, key: 'p', menu: true, refresh: '30s', draw: () => <ServiceMap /> },
  { path: '/real-users', name: W.pages.realUsers, key: 'u', menu: true, refresh: '30s', draw: () => <RealUsers /> },
  { path: '/correlate', name: W.pages.correlate, key: 'i', menu: true, draw: () => <Correlate id="" /> },
  { path: '/correlate/', name: W.pages.correlate, under: '/correlate', draw: (id) => <Correlate id={id} key={id} /> },
  { path: '/cost', name: W.pages.cost, key: 'o', menu: true, draw: () => <Cost /> },
  { path: '/cardinality', name: W.pages.cardinality, key: 'n', menu: true, draw: () => <Cardinality /> },
  { path: '/queries', name: W.pages.queries, key: 'q', menu: true, refresh: '5s', draw: () => <Queries /> },
  { path: '/security', name: W.pages.security, key: 's', menu: true, needs: ['read', 'admin', 'audit'], draw: () => <Security /> },
  { path: '/coming-from', name: W.pages.comingFrom, menu: true, draw: () => <ComingFrom /> },
  { path: '/graph', name: W.pages.metrics, under: '/metrics-explorer', draw: () => <Graph /> },
  { path: '/login', name: W.pages.login, under: '/security', open: true, draw: () => <Login /> },
]

export const BAR = PAGES.filter((p) => !p.under)

export const mayOpen = (p: PageRow, session: Session): boolean => !!p.open || (p.needs ?? ['read' as const]).some(session.may)

export function pageOf(path: string): { page: PageRow; id: string } | null {
  const exact = PAGES.find((p) => p.path === path)
  if (exact && (path === '/' || !path.endsWith('/'))) return { page: exact, id: '' }
  const page = PAGES.find((p) => p.path.length > 1 && p.path.endsWith('/') && path.length > p.path.length && path.startsWith(p.path))
  if (!page) return null
  try {
    return { page, id: decodeURIComponent(path.slice(page.path.length)) }
  } catch {
    return null // "%" without two digits
  }
}
