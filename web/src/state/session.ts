// SPDX-License-Identifier: Apache-2.0
// Who looks at the page, and what they may do. What they may not do is not offered.
import * as account from '../api/account'
import type { Me, Permission } from '../api/account'
import { whenRefused } from '../api/http'
import { address, go, link } from './address'
import { notice } from './notice'
import { refreshNow } from './refresh'

export const LOGIN = '/login'

// Undefined until the server has said; null when it does not say: then the page asks for everything and shows its answers.
let now: Me | null | undefined
const said = notice()

function set(next: Me | null): void {
  now = next
  said.tell()
}

// To the login, and from there back to where it happened.
function toLogin(): void {
  if (location.pathname === LOGIN) return
  go(link(LOGIN, { next: location.pathname + location.search, from: null, to: null, refresh: null }), true)
}

// Nobody, where somebody is asked for.
export const isStranger = (m: Me | null | undefined): boolean => !!m && m.login_required && !m.user

export async function askMe(): Promise<void> {
  try {
    set(await account.me())
  } catch {
    set(now ?? null)
  }
  if (isStranger(now)) toLogin()
}

export function startSession(): void {
  // A session may have ended, or the first user been made: ask again, and lead to the login if it is so.
  whenRefused(() => {
    if (location.pathname !== LOGIN) void askMe()
  })
  void askMe()
}

// Only a path of our own: an address must not lead elsewhere.
export function nextOf(text: string): string {
  return /^\/(?![/\\])/.test(text) && !text.startsWith(LOGIN) ? text : '/'
}

export async function logIn(user: string, password: string): Promise<void> {
  set(await account.login(user, password))
  go(nextOf(address().get('next')), true)
  refreshNow()
}

export async function logOut(): Promise<void> {
  await account.logout()
  await askMe()
}

export function may(m: Me | null | undefined, what: Permission): boolean {
  return !m?.permissions || m.permissions.includes(what)
}

export interface Session {
  me: Me | null | undefined
  may: (what: Permission) => boolean
}

export function useSession(): Session {
  said.use()
  return { me: now, may: (what) => may(now, what) }
}

// The name under which somebody acts where nobody logs in: remembered by the browser.
const NAME_KEY = 'stoa.name'
export function actingName(): string {
  if (now?.user) return now.user
  try {
    return localStorage.getItem(NAME_KEY) ?? ''
  } catch {
    return ''
  }
}
export function rememberName(name: string): void {
  if (now?.user) return
  try {
    localStorage.setItem(NAME_KEY, name)
  } catch {
    // no storage: asked again next time
  }
}
