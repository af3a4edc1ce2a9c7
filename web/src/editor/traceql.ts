// SPDX-License-Identifier: Apache-2.0
// TraceQL: colours word by word, completion of words of the language and of attributes and values that are stored.
import { LanguageSupport, StreamLanguage, type StreamParser } from '@codemirror/language'
import type { Completion, CompletionContext, CompletionResult } from '@codemirror/autocomplete'
import { tags } from '@lezer/highlight'
import { tagNames, tagValues } from '../api/tempo'
import { quote } from '../lib/logql'
import { attribute } from '../lib/traceql'

const SETS = ['count', 'min', 'max', 'avg', 'sum']
const TIMED = ['rate', 'count_over_time', 'min_over_time', 'max_over_time', 'avg_over_time', 'sum_over_time', 'quantile_over_time', 'histogram_over_time', 'compare', 'topk', 'bottomk']
const STAGES = ['by', 'select', 'coalesce', 'with']
const STATUSES = ['error', 'ok', 'unset']
const KINDS = ['server', 'client', 'producer', 'consumer', 'internal', 'unspecified']
const INTRINSICS: Record<string, string> = {
  duration: 'how long the span took',
  name: 'its operation',
  status: 'error, ok or unset',
  kind: 'server, client ...',
  statusMessage: 'the words beside the status',
  rootName: 'operation of the root',
  rootServiceName: 'service of the root',
  traceDuration: 'of the whole trace',
  parent: 'nil at roots',
  nestedSetLeft: 'place in the tree',
  nestedSetRight: 'place in the tree',
  nestedSetParent: 'place in the tree',
  'span:id': 'span id',
  'span:parentID': 'id of its parent',
  'span:childCount': 'children',
  'trace:id': 'trace id',
  'event:name': 'of its events',
  'event:timeSinceStart': 'of its events',
  'link:traceID': 'of its links',
  'link:spanID': 'of its links',
  'instrumentation:name': 'instrumentation scope',
  'instrumentation:version': 'of the scope',
}


const FUNCTIONS = new Set([...SETS, ...TIMED])
const KEYWORDS = new Set([...STAGES, 'true', 'false', 'nil', 'minInt', 'maxInt'])
const CONSTANTS = new Set([...STATUSES, ...KINDS])

const FIELD = /^(?:(?:parent\.)?(?:span|resource|event|link|instrumentation|parent)?\.)(?:"(?:[^"\\]|\\.)*"|[^\s{}()=~!<>&|^,"])+|^(?:span|trace|event|link|instrumentation):\w+/
const NUMBER = /^(?:\d+(?:\.\d*)?|\.\d+)(?:e[+-]?\d+)?(?:(?:ns|us|µs|ms|s|m|h|d|w|y)(?:\d+(?:\.\d+)?(?:ns|us|µs|ms|s|m|h))*)?(?![\w.])/
const OPERATOR = /^(?:!>>|!<<|&>>|&<<|&&|\|\||>>|<<|!>|!<|!~|&>|&<|&~|=~|!=|>=|<=|[=<>~!+\-*/%^|])/

const words: StreamParser<unknown> = {
  name: 'traceql',
  token(s) {
    if (s.eatSpace()) return null
    if (s.match(/^"(?:[^"\\]|\\.)*"?/) || s.match(/^`[^`]*`?/)) return 'string'
    if (s.match(NUMBER)) return 'number'
    if (s.match(FIELD)) return 'labelName'
    const word = s.match(/^[A-Za-z_]\w*/) as RegExpMatchArray | null
    if (word) {
      if (FUNCTIONS.has(word[0]) && s.match(/^\s*\(/, false)) return 'function'
      if (word[0] in INTRINSICS) return 'labelName'
      return KEYWORDS.has(word[0]) || CONSTANTS.has(word[0]) ? 'keyword' : 'invalid'
    }
    if (s.match(OPERATOR)) return 'operator'
    s.next()
    return null
  },
  languageData: { closeBrackets: { brackets: ['(', '{', '"', '`'] } },
  tokenTable: { labelName: tags.labelName, function: tags.function(tags.variableName), keyword: tags.keyword, operator: tags.operator, string: tags.string, number: tags.number, invalid: tags.invalid },
}

const language = StreamLanguage.define(words)

const CACHE_MS = 30000
const VALUES_MAX = 1000
const cache = new Map<string, { atMs: number; list: Promise<unknown> }>()

function cached<T>(key: string, ask: () => Promise<T[]>): Promise<T[]> {
  const held = cache.get(key)
  if (held && Date.now() - held.atMs < CACHE_MS) return held.list as Promise<T[]>
  const list = ask().catch(() => [] as T[])
  cache.set(key, { atMs: Date.now(), list })
  return list
}

const call = (label: string): Completion => ({ label, type: 'function', apply: label + '(' })
const word = (label: string, detail?: string): Completion => ({ label, detail, type: 'keyword' })
const PIPES: Completion[] = [...TIMED, ...SETS].map(call).concat(call('select'), call('by'), call('coalesce'))

async function fields(): Promise<Completion[]> {
  const known = Object.entries(INTRINSICS).map(([label, detail]): Completion => ({ label, detail, type: 'variable' }))
  const scopes = await cached('', tagNames)
  const own = scopes
    .filter((s) => s.scope !== 'intrinsic')
    .flatMap((s) => s.names.map((n): Completion => ({ label: attribute(s.scope as 'span', n), type: 'variable' })))
  const names = [...new Set(scopes.filter((s) => /^(span|resource|instrumentation)$/.test(s.scope)).flatMap((s) => s.names))]
  return [...own, ...known, ...names.map((n): Completion => ({ label: attribute('', n), detail: 'any scope', type: 'variable', boost: -1 }))]
}

// Values of the field before a comparison: texts in quotes, others as they are.
async function values(field: string, quoted: boolean, closed: boolean): Promise<Completion[]> {
  const list = await cached(field, () => tagValues(field))
  return list.slice(0, VALUES_MAX).map(({ type, value }): Completion => {
    const text = quoted ? quote(value).slice(1, closed ? -1 : undefined) : type === 'string' ? quote(value) : value
    return { label: value, apply: text, type: 'text' }
  })
}

const COMPARED = /((?:[A-Za-z]+[.:]|\.)(?:"(?:[^"\\]|\\.)*"|[^\s{}()=~!<>&|^,"])+|\b[A-Za-z]+)\s*(?:=~|!~|!=|>=|<=|=|>|<)\s*/
const IN_QUOTES = new RegExp(COMPARED.source + '"([^"]*)$')
const OPEN = new RegExp(COMPARED.source + '(\\w*)$')
const REACH = 2000

async function complete(c: CompletionContext): Promise<CompletionResult | null> {
  const before = c.state.sliceDoc(Math.max(0, c.pos - REACH), c.pos)
  const inQuotes = IN_QUOTES.exec(before)
  if (inQuotes) {
    const closed = c.state.sliceDoc(c.pos, c.pos + 1) === '"'
    return { from: c.pos - inQuotes[2].length, options: await values(inQuotes[1], true, closed), validFor: /^[^"]*$/ }
  }
  const open = OPEN.exec(before)
  if (open && (c.explicit || open[2] !== '' || /\s$/.test(before))) return { from: c.pos - open[2].length, options: await values(open[1], false, false), validFor: /^\w*$/ }
  const typed = /(?:[A-Za-z][\w:.-]*|\.[\w.-]*)$/.exec(before)?.[0] ?? ''
  const from = c.pos - typed.length
  const lead = before.slice(0, before.length - typed.length)
  const inBraces = lead.lastIndexOf('{') > lead.lastIndexOf('}')
  const inCall = /\b(?:by|select|min|max|avg|sum|\w+_over_time)\s*\([^()]*$/.test(lead)
  if ((inBraces && (/[{(!]\s*$|&&\s*$|\|\|\s*$/.test(lead) || typed)) || inCall) {
    if (!typed && !c.explicit && !/[{(,&|]\s*$/.test(lead)) return null
    return { from, options: await fields(), validFor: /^[\w:.-]*$/ }
  }
  if (!inBraces && /(?:^|[^|])\|\s*$/.test(lead)) return { from, options: PIPES, validFor: /^\w*$/ }
  if (!inBraces && /\)\s+$/.test(lead) && (typed || c.explicit)) return { from, options: [call('by'), call('with')], validFor: /^\w*$/ }
  if (!inBraces && !lead.trim() && c.explicit) return { from, options: [word('{ }', 'spans')], validFor: /^\w*$/ }
  return null
}

export function traceql(): LanguageSupport {
  return new LanguageSupport(language, [language.data.of({ autocomplete: complete })])
}
