// SPDX-License-Identifier: Apache-2.0
// Small edits to the text of a LogQL query, and what can be read off it without parsing it all.

export const LOGS_DEFAULT = '{service_name=~".+"}'
export const LOGS_ERRORS = '{service_name=~".+"} | detected_level=~"error|critical|fatal"'

export function quote(text: string): string {
  return '"' + text.replace(/\\/g, '\\\\').replace(/"/g, '\\"').replace(/\n/g, '\\n').replace(/\r/g, '\\r').replace(/\t/g, '\\t') + '"'
}

// A query that answers with lines begins with its selector; any other one counts.
export function answersLines(query: string): boolean {
  return query.trimStart().startsWith('{')
}

export function addFilter(query: string, name: string, value: string, not = false): string {
  const stage = `| ${name}${not ? '!=' : '='}${quote(value)}`
  const base = query.trim() || LOGS_DEFAULT
  return base.includes(stage) ? base : `${base} ${stage}`
}

// Text as labels: a stage once, before the filters that follow.
export function addParser(query: string, parser: string): string {
  const base = query.trim() || LOGS_DEFAULT
  const word = parser.split(' ')[0] // one stage of a kind
  return new RegExp(`\\|\\s*${word}\\b`).test(base) ? base : `${base} | ${parser}`
}

export function addContains(query: string, text: string): string {
  const stage = `|= ${quote(text)}`
  const base = query.trim() || LOGS_DEFAULT
  return base.includes(stage) ? base : `${base} ${stage}`
}

export function addPattern(query: string, pattern: string): string {
  const stage = `|> ${quote(pattern)}`
  const base = query.trim() || LOGS_DEFAULT
  return base.includes(stage) ? base : `${base} ${stage}`
}

// What a choice of levels offers, and the words it stands for in detected_level: the five of most programs take in the two beyond.
export const CHOICES: Level[] = ['critical', 'error', 'warn', 'info', 'debug']
const LEVEL_WORDS: Record<string, string[]> = { critical: ['critical', 'fatal'], error: ['error'], warn: ['warn', 'warning'], info: ['info'], debug: ['debug', 'trace'] }
export const choiceOf = (l: Level): Level => (l === 'fatal' ? 'critical' : l === 'trace' ? 'debug' : l)
const LEVEL_STAGE = /\s*\|\s*detected_level\s*=~?\s*"([^"\\]*)"(?=\s*(?:$|\|))/g

// Which levels a query keeps, as far as its stages say so in the form of withLevels; none: all.
export function levelsOf(query: string): Level[] {
  const found = [...query.matchAll(LEVEL_STAGE)]
  if (found.length !== 1) return []
  const words = found[0][1].split('|')
  return CHOICES.filter((l) => LEVEL_WORDS[l]?.some((w) => words.includes(w)))
}

export function withLevels(query: string, levels: Level[]): string {
  const base = (query.trim() || LOGS_DEFAULT).replace(LEVEL_STAGE, '')
  const words = levels.flatMap((l) => LEVEL_WORDS[l] ?? [])
  if (words.length === 0) return base
  const stage = ` | detected_level=~"${words.join('|')}"`
  // Behind the selector: what follows may take much more work than a comparison of levels.
  const end = selectorEnd(base)
  return base.slice(0, end) + stage + base.slice(end)
}

// Where the selector "{…}" ends; a brace in a quoted value does not end it.
function selectorEnd(query: string): number {
  const m = /^\s*\{(?:"(?:[^"\\]|\\.)*"|`[^`]*`|[^"`}])*\}/.exec(query)
  return m ? m[0].length : query.length
}

export function countByLevel(query: string, stepSeconds: number): string {
  return `sum by (detected_level) (count_over_time(${query.trim()} [${stepSeconds}s]))`
}

export function traceQuery(id: string): string {
  return `{service_name=~".+"} | trace_id=${quote(id)}`
}

// The literal texts of |= "…" filters, to mark them in the lines.
export function wanted(query: string): string[] {
  const out: string[] = []
  for (const m of query.matchAll(/\|=\s*(?:"((?:[^"\\]|\\.)*)"|`([^`]*)`)/g)) {
    const text = m[2] ?? m[1].replace(/\\(.)/g, (_, c: string) => (c === 'n' ? '\n' : c === 't' ? '\t' : c))
    if (text) out.push(text)
  }
  return out
}

// The words of a search that a line must have, in the cases that are usual.
export function searched(text: string): string[] {
  const out = new Set<string>()
  for (const m of text.matchAll(/(?:^|[\s(])(-?)(?:"((?:[^"\\]|\\.)*)"|([^\s()"]+))(?=$|[\s)])/g)) {
    const word = m[2] ?? m[3]
    if (m[1] || word === 'OR' || word === 'AND' || word === 'NOT' || (m[2] === undefined && /^[A-Za-z_@][\w.@/-]*(?:[:=<>]|!=)[^/:]/.test(word))) continue
    for (const part of word.split('*').filter((p) => p)) for (const w of [part, part.toLowerCase(), part.toUpperCase(), part[0].toUpperCase() + part.slice(1).toLowerCase()]) out.add(w)
  }
  return [...out]
}

export function split(line: string, words: string[]): { text: string; hit: boolean }[] {
  if (words.length === 0) return [{ text: line, hit: false }]
  const out: { text: string; hit: boolean }[] = []
  let at = 0
  while (at < line.length) {
    let best = -1
    let size = 0
    for (const w of words) {
      const i = line.indexOf(w, at)
      if (i >= 0 && (best < 0 || i < best || (i === best && w.length > size))) {
        best = i
        size = w.length
      }
    }
    if (best < 0) break
    if (best > at) out.push({ text: line.slice(at, best), hit: false })
    out.push({ text: line.slice(best, best + size), hit: true })
    at = best + size
  }
  if (at < line.length) out.push({ text: line.slice(at), hit: false })
  return out
}

export type Level = 'fatal' | 'critical' | 'error' | 'warn' | 'info' | 'debug' | 'trace' | 'unknown'
export const LEVELS: Level[] = ['fatal', 'critical', 'error', 'warn', 'info', 'debug', 'trace', 'unknown']

export function levelOf(text: string | undefined): Level {
  switch ((text ?? '').toLowerCase()) {
    case 'fatal':
    case 'emerg':
    case 'emergency':
    case 'panic':
      return 'fatal'
    case 'critical':
    case 'crit':
    case 'alert':
      return 'critical'
    case 'error':
    case 'err':
      return 'error'
    case 'warn':
    case 'warning':
      return 'warn'
    case 'info':
    case 'information':
    case 'notice':
      return 'info'
    case 'debug':
      return 'debug'
    case 'trace':
      return 'trace'
    default:
      return 'unknown'
  }
}

const TRACE_KEYS = ['trace_id', 'traceid', 'traceID', 'traceId', 'otelTraceID']

export function traceIdOf(labels: Record<string, string>, line: string): string | null {
  for (const k of TRACE_KEYS) {
    const v = labels[k]
    if (v && /^[0-9a-fA-F]{16,32}$/.test(v) && !/^0+$/.test(v)) return v.toLowerCase()
  }
  const m = /\btrace_?id["']?\s*[=:]\s*["']?([0-9a-f]{32}|[0-9a-f]{16})\b/i.exec(line)
  return m ? m[1].toLowerCase() : null
}
