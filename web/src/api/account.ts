// SPDX-License-Identifier: Apache-2.0
// Who may do what: login, users, tokens, the audit log, redaction.
import { getJSON, send } from './http'

export const ROLES = ['viewer', 'editor', 'admin', 'ingest-only', 'auditor']
export const PROFILES = ['default', 'article', 'off']
export type Permission = 'read' | 'write' | 'edit' | 'admin' | 'audit'

export interface Me {
  user: string
  role: string
  login_required: boolean
  tenants?: string[]
  permissions?: string[]
}
export interface User {
  name: string
  role: string
  tenants?: string[]
  created_ms: number
  changed_ms: number
}
export interface Token {
  id: string
  name: string
  role: string
  tenants?: string[]
  created_ms: number
  expires_ms: number
  created_by: string
}
export interface AuditRecord {
  seq: number
  t_ms: number
  user: string
  role: string
  peer?: string
  tenant?: string
  action: string
  text: string
  request?: string
  rows: number
  status: number
}
export interface AuditCheck {
  ok: boolean
  records: number
  first_bad: number | null
  why: string
  head: string
}
export interface Redaction {
  profile: string
  redacted: Record<string, number>
  text?: string
}

const BASE = '/api/stoa/v1'
const one = (list: string, id: string) => `${BASE}/${list}/${encodeURIComponent(id)}`

export const me = (signal?: AbortSignal) => getJSON<Me>(`${BASE}/me`, {}, signal)
export const login = (user: string, password: string) => send<Me>('POST', `${BASE}/login`, { user, password })
export const logout = () => send('POST', `${BASE}/logout`)

export const users = async (signal?: AbortSignal) => (await getJSON<{ users: User[] | null }>(`${BASE}/users`, {}, signal)).users ?? []
export const addUser = (u: { name: string; password: string; role: string; tenants?: string[] }) => send('POST', `${BASE}/users`, u)
export const changeUser = (name: string, what: { role: string } | { password: string }) => send('PUT', one('users', name), what)
export const removeUser = (name: string) => send('DELETE', one('users', name))

export const tokens = async (signal?: AbortSignal) => (await getJSON<{ tokens: Token[] | null }>(`${BASE}/tokens`, {}, signal)).tokens ?? []
export const createToken = (t: { name: string; role: string; tenants?: string[]; expires?: string }) => send<{ id: string; token: string }>('POST', `${BASE}/tokens`, t)
export const revokeToken = (id: string) => send('DELETE', one('tokens', id))

export async function audit(filter: { start: number; end: number; user: string; action: string; limit: number }, signal?: AbortSignal): Promise<AuditRecord[]> {
  return (await getJSON<{ records: AuditRecord[] | null }>(`${BASE}/audit`, filter, signal)).records ?? []
}
export const verifyAudit = () => getJSON<AuditCheck>(`${BASE}/audit/verify`)

export const redaction = async (signal?: AbortSignal) => (await getJSON<{ data: Redaction }>(`${BASE}/redaction`, {}, signal)).data
export const tryRedaction = async (text: string, profile: string) => (await send<{ data: Redaction }>('POST', `${BASE}/redaction?profile=${encodeURIComponent(profile)}`, text)).data
