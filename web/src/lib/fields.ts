// SPDX-License-Identifier: Apache-2.0
// Fields inside the text of log lines: JSON members and key=value pairs, counted by value.
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

// The parser that makes labels of most of the fields.
export function mainParser(found: DetectedField[]): string {
  const of = (p: string) => found.filter((f) => f.parsers?.includes(p)).length
  const json = of('json')
  const logfmt = of('logfmt')
  return json + logfmt === 0 ? '' : json >= logfmt ? 'json' : 'logfmt'
}
