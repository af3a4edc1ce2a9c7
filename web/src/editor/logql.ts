// SPDX-License-Identifier: Apache-2.0
// LogQL: colours by Grafana's grammar, completion of labels, values, stages and functions by ours.
import { parser } from '@grafana/lezer-logql'
import { LanguageSupport, LRLanguage } from '@codemirror/language'
import { styleTags, tags } from '@lezer/highlight'
import type { Completion, CompletionContext, CompletionResult } from '@codemirror/autocomplete'
import { labelNames, labelValues } from '../api/loki'
import { quote } from '../lib/logql'

const language = LRLanguage.define({
  name: 'logql',
  parser: parser.configure({
    props: [
      styleTags({
        LineComment: tags.comment,
        'Identifier LabelName GroupingLabel/Identifier': tags.labelName,
        String: tags.string,
        'Number Duration Bytes Range': tags.number,
        'Json Logfmt Unpack Pattern Regexp Unwrap LabelFormat LineFormat LabelReplace Decolorize Drop Keep Ip': tags.keyword,
        'By Without On Ignoring GroupLeft GroupRight Offset Bool And Or Unless': tags.keyword,
        'Sum Avg Count Max Min Stddev Stdvar Bottomk Topk Sort Sort_Desc Vector': tags.function(tags.variableName),
        'CountOverTime Rate RateCounter BytesOverTime BytesRate AvgOverTime SumOverTime MinOverTime MaxOverTime': tags.function(tags.variableName),
        'StddevOverTime StdvarOverTime QuantileOverTime FirstOverTime LastOverTime AbsentOverTime': tags.function(tags.variableName),
        'Eq Neq Re Nre Gtr Gte Lss Lte Eql PipeExact PipeMatch PipePattern Npa Pipe Add Sub Mul Div Mod Pow': tags.operator,
      }),
    ],
  }),
  languageData: { closeBrackets: { brackets: ['(', '[', '{', '"', '`'] }, commentTokens: { line: '#' } },
})

const stage = (label: string, detail: string): Completion => ({ label, detail, type: 'keyword' })
const STAGES = [
  stage('json', 'fields of a JSON line'),
  stage('logfmt', 'fields of key=value'),
  stage('pattern', 'fields by a pattern'),
  stage('regexp', 'fields by named groups'),
  stage('line_format', 'rewrite the line'),
  stage('label_format', 'rename or make labels'),
  stage('decolorize', 'without colour codes'),
  stage('unwrap', 'a label as number'),
  stage('keep', 'only these labels'),
  stage('drop', 'without these labels'),
]
const FUNCTIONS: Completion[] = [
  'count_over_time', 'rate', 'bytes_over_time', 'bytes_rate', 'sum_over_time', 'avg_over_time', 'min_over_time', 'max_over_time',
  'quantile_over_time', 'first_over_time', 'last_over_time', 'absent_over_time', 'sum', 'avg', 'min', 'max', 'count', 'topk', 'bottomk', 'sort', 'sort_desc',
].map((label) => ({ label, type: 'function', apply: label + '(' }))

const CACHE_MS = 30000
const cache = new Map<string, { atMs: number; list: Promise<string[]> }>()

function cached(key: string, ask: () => Promise<string[]>): Promise<string[]> {
  const held = cache.get(key)
  if (held && Date.now() - held.atMs < CACHE_MS) return held.list
  const list = ask().catch(() => [])
  cache.set(key, { atMs: Date.now(), list })
  return list
}

const names = () => cached('', labelNames)
const values = (name: string) => cached(name, () => labelValues(name))

async function complete(c: CompletionContext): Promise<CompletionResult | null> {
  const before = c.state.sliceDoc(Math.max(0, c.pos - 500), c.pos)
  const value = /([a-zA-Z_][\w.]*)\s*(?:=~|!~|!=|=)\s*"([^"]*)$/.exec(before)
  if (value) {
    const list = await values(value[1])
    const closed = c.state.sliceDoc(c.pos, c.pos + 1) === '"'
    return {
      from: c.pos - value[2].length,
      options: list.map((v) => ({ label: v, apply: closed ? quote(v).slice(1, -1) : quote(v).slice(1), type: 'text' })),
      validFor: /^[^"]*$/,
    }
  }
  const word = /[a-zA-Z_][\w.]*$/.exec(before)?.[0] ?? ''
  const from = c.pos - word.length
  const lead = before.slice(0, before.length - word.length)
  const inSelector = lead.lastIndexOf('{') > lead.lastIndexOf('}')
  if (inSelector && /[{,]\s*$/.test(lead)) return { from, options: (await names()).map((label) => ({ label, type: 'variable' })), validFor: /^\w*$/ }
  if (!inSelector && /\|\s*$/.test(lead) && (c.explicit || word !== '' || /\|\s+$/.test(lead)))
    return { from, options: [...STAGES, ...(await names()).map((label) => ({ label, detail: 'label', type: 'variable' }))], validFor: /^\w*$/ }
  if (!inSelector && word && /(^|[(,\s])$/.test(lead) && !/["`|]\s*$/.test(lead)) return { from, options: FUNCTIONS, validFor: /^\w*$/ }
  return null
}

export function logql(): LanguageSupport {
  return new LanguageSupport(language, [language.data.of({ autocomplete: complete })])
}
