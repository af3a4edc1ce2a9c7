// SPDX-License-Identifier: Apache-2.0
// Fields inside the text of log lines: JSON members, key=value pairs and the places of an access log, counted by value.
import type { DetectedField } from '../api/report'

interface WithText {
  text: string
}

const LOOKED_AT_MAX = 1000 // lines

// Loki names a member of a member with an underscore between.
function flatten(v: unknown, prefix: string, out: Map<string, string>, depth = 0): void {
  if (v === null || typeof v !== 'object' || Array.isArray(v) || depth > 4) {
    if (prefix && v !== null && typeof v !== 'object') out.set(prefix, String(v))
    return
  }
  for (const [k, x] of Object.entries(v)) flatten(x, prefix ? `${prefix}_${clean(k)}` : clean(k), out, depth + 1)
}

const clean = (name: string): string => name.replace(/[^A-Za-z0-9_]/g, '_')

// As the server names them; remote_user and referer may be "-", which is none.
const ACCESS_LINE = /(\S+) \S+ (\S+) \[[^\]]{1,40}\] "(\S+) (\S+) ?(\S*)" (\d{3}) (\d+|-)(?: "((?:[^"\\]|\\.)*)" "((?:[^"\\]|\\.)*)")?/
const ACCESS_NAMES = ['remote_addr', 'remote_user', 'method', 'path', 'protocol', 'status', 'bytes', 'referer', 'user_agent']

function access(text: string, out: Map<string, string>): boolean {
  const m = ACCESS_LINE.exec(text)
  if (!m) return false
  ACCESS_NAMES.forEach((name, i) => {
    if (m[i + 1] && m[i + 1] !== '-') out.set(name, m[i + 1])
  })
  return true
}

export function parsed(text: string): Map<string, string> {
  const out = new Map<string, string>()
  const t = text.trimStart()
  if (t.startsWith('{')) {
    try {
      flatten(JSON.parse(t), '', out)
    } catch {
      // no JSON after all
    }
    return out
  }
  if (access(text, out)) return out
  for (const m of text.matchAll(/(?:^|\s)([A-Za-z_][\w.-]*)=(?:"((?:[^"\\]|\\.)*)"|([^\s"]+))/g)) out.set(clean(m[1]), m[2] !== undefined ? m[2].replace(/\\(.)/g, '$1') : m[3])
  return out
}

export function textFields(lines: WithText[], names: string[]): Map<string, [string, number][]> {
  const wanted = new Map(names.map((n) => [n, new Map<string, number>()]))
  for (const l of lines.slice(0, LOOKED_AT_MAX))
    for (const [k, v] of parsed(l.text)) {
      const of = wanted.get(k)
      if (of) of.set(v, (of.get(v) ?? 0) + 1)
    }
  return new Map([...wanted].map(([n, of]) => [n, [...of].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1))]))
}

// What LogQL takes an access log's line apart with.
const ACCESS_PATTERN = 'pattern `<remote_addr> <_> <remote_user> [<_>] "<method> <path> <protocol>" <status> <bytes>'
const ACCESS_COMBINED = ACCESS_PATTERN + ' "<referer>" "<user_agent>"<_>`'
const ACCESS_COMMON = ACCESS_PATTERN + '`'

// The stage that makes a label of a field that was found so, among fields that were; empty: none does.
export function parserOf(field: DetectedField, found: DetectedField[]): string {
  const how = field.parsers?.find((p) => p === 'json' || p === 'logfmt' || p === 'pattern')
  if (how !== 'pattern') return how ?? ''
  return found.some((f) => f.label === 'user_agent' && f.parsers?.includes('pattern')) ? ACCESS_COMBINED : ACCESS_COMMON
}

// The one that makes labels of most of the fields.
export function mainParser(found: DetectedField[]): string {
  const counts = new Map<string, number>()
  for (const f of found) {
    const how = parserOf(f, found)
    if (how) counts.set(how, (counts.get(how) ?? 0) + 1)
  }
  return [...counts].sort((a, b) => b[1] - a[1])[0]?.[0] ?? ''
}
