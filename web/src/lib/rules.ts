// SPDX-License-Identifier: Apache-2.0
// What can be read off a rule's expression and off matchers, without parsing all of PromQL.
import type { Incident, Matcher, Rule, Silence } from '../api/alerts'
import { quote } from './logql'
import { toNumber } from './series'

export interface Threshold {
  left: string
  op: string
  limit: number
}

const OPS = ['>=', '<=', '==', '!=', '>', '<']

// `left > 90` as its two sides, when the comparison with a number is the outermost thing; else null.
export function thresholdOf(expr: string): Threshold | null {
  let depth = 0
  let found: { at: number; op: string } | null = null
  for (let i = 0; i < expr.length; i++) {
    const c = expr[i]
    if (c === '"' || c === "'" || c === '`') {
      for (i++; i < expr.length && expr[i] !== c; i++) if (expr[i] === '\\' && c !== '`') i++
    } else if ('([{'.includes(c)) depth++
    else if (')]}'.includes(c)) depth--
    else if (depth === 0) {
      const op = OPS.find((o) => expr.startsWith(o, i))
      if (op) {
        if (found) return null
        found = { at: i, op }
        i += op.length - 1
      } else if (/^\b(and|or|unless)\b/i.test(expr.slice(i)) && !/[\w:]/.test(expr[i - 1] ?? '')) return null
    }
  }
  if (!found) return null
  const right = expr.slice(found.at + found.op.length).trim()
  if (!/^[-+]?(\d+(\.\d*)?|\.\d+)(e[-+]?\d+)?$/i.test(right)) return null
  return { left: expr.slice(0, found.at).trim(), op: found.op, limit: toNumber(right) }
}

const RANK: Record<string, number> = { firing: 0, acknowledged: 1, resolved: 2 }
const SEVERITY: Record<string, number> = { critical: 0, page: 0, fatal: 0, error: 1, high: 1, major: 1, warning: 2, warn: 2, medium: 2, minor: 2, info: 3, low: 3 }

export const severityRank = (severity: string): number => SEVERITY[severity.toLowerCase()] ?? 2

// Red is for what wakes somebody; amber for the rest.
export const toneOf = (severity: string): 'bad' | 'warn' => (severityRank(severity) <= 1 ? 'bad' : 'warn')

// Untaken before taken, worse before better, newer before older.
export function byUrgency(a: Incident, b: Incident): number {
  return (RANK[a.state] ?? 0) - (RANK[b.state] ?? 0) || severityRank(a.severity) - severityRank(b.severity) || b.started_ms - a.started_ms
}

const STATES: Record<string, number> = { firing: 0, pending: 1, inactive: 3 }
const ruleRank = (r: Rule) => (r.health === 'err' ? Math.min(2, STATES[r.state ?? ''] ?? 4) : (STATES[r.state ?? ''] ?? 4))
export const byState = (a: Rule, b: Rule): number => ruleRank(a) - ruleRank(b)

// Seconds since 1970 and so on are not rounded away: a rule never evaluated says year 1.
export function evaluatedMs(r: Rule): number {
  const ms = Date.parse(r.lastEvaluation)
  return ms > 0 ? ms : 0
}

// `alertname="Slow" instance=~"web.*"`, with commas or without.
export function parseMatchers(text: string): { matchers: Matcher[] } | { bad: string } {
  const matchers: Matcher[] = []
  let rest = text.trim().replace(/^\{|\}$/g, '').trim()
  while (rest) {
    const m = /^([a-zA-Z_][\w.:-]*)\s*(=~|!~|!=|=)\s*("(?:[^"\\]|\\.)*"|[^\s",{}]+)\s*,?\s*/.exec(rest)
    if (!m) return { bad: rest.split(/[\s,]/)[0] || rest }
    const value = m[3].startsWith('"') ? m[3].slice(1, -1).replace(/\\(.)/g, (_, c: string) => (c === 'n' ? '\n' : c)) : m[3]
    matchers.push({ name: m[1], value, isRegex: m[2].endsWith('~'), isEqual: !m[2].startsWith('!') })
    rest = rest.slice(m[0].length)
  }
  return { matchers }
}

export function matcherText(m: Matcher): string {
  const op = m.isEqual === false ? (m.isRegex ? '!~' : '!=') : m.isRegex ? '=~' : '='
  return `${m.name}${op}${quote(m.value)}`
}

// The labels of an incident as matchers, those first that tell it apart.
export function matchersOf(labels: Record<string, string>): string {
  const order = (k: string) => (k === 'alertname' ? 0 : k === 'severity' ? 2 : 1)
  return Object.keys(labels)
    .sort((a, b) => order(a) - order(b) || (a < b ? -1 : 1))
    .map((k) => matcherText({ name: k, value: labels[k], isRegex: false }))
    .join(' ')
}

const SILENCE_RANK = { active: 0, pending: 1, expired: 2 }
export function bySilence(a: Silence, b: Silence): number {
  return SILENCE_RANK[a.status.state] - SILENCE_RANK[b.status.state] || Date.parse(a.endsAt) - Date.parse(b.endsAt)
}

// Whether a series of a rule's query belongs to an alert: what both name, they name alike.
export function fits(series: Record<string, string>, alert: Record<string, string>): boolean {
  return Object.entries(series).every(([k, v]) => k === '__name__' || alert[k] === undefined || alert[k] === v)
}

// Where the logs of what an alert is about are.
export function logsOf(labels: Record<string, string>): string | null {
  const service = labels.service_name ?? labels.service ?? (labels.check !== undefined ? 'stoa-probe' : undefined) ?? labels.job
  return service === undefined ? null : `{service_name=${quote(service)}}`
}
