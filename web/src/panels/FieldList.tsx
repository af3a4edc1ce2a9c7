// SPDX-License-Identifier: Apache-2.0
// What the loaded lines carry, with counts; a click keeps only, or takes away.
import { useMemo, useState } from 'preact/hooks'
import type { LogLine } from '../api/loki'
import type { DetectedField } from '../api/report'
import { mainParser, parserOf, textFields } from '../lib/fields'
import { cut, safe } from '../lib/text'
import { W } from '../lib/words'

const VALUES_SHOWN = 5
const VALUES_MAX = 50
const FIRST = ['service_name', 'detected_level', 'level', 'host', 'instance', 'job', 'filename', 'unit']
const DETECTED_SHOWN = 12
const FEW_VALUES = 20
const HIDDEN = new Set(['trace_id', 'span_id'])

export interface Field {
  name: string
  total: number
  values: [string, number][]
}

export function fieldsOf(lines: LogLine[]): Field[] {
  const by = new Map<string, Map<string, number>>()
  for (const l of lines)
    for (const [k, v] of Object.entries(l.labels)) {
      if (HIDDEN.has(k)) continue
      const values = by.get(k) ?? new Map<string, number>()
      values.set(v, (values.get(v) ?? 0) + 1)
      by.set(k, values)
    }
  const place = (name: string) => (FIRST.includes(name) ? FIRST.indexOf(name) : FIRST.length)
  return [...by]
    .map(([name, values]) => ({
      name,
      total: [...values.values()].reduce((a, b) => a + b, 0),
      values: [...values].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1)),
    }))
    .sort((a, b) => place(a.name) - place(b.name) || b.total - a.total || (a.name < b.name ? -1 : 1))
}

function FieldBlock({ field, lines, onFilter }: { field: Field; lines: number; onFilter: (name: string, value: string, not: boolean) => void }) {
  const [all, setAll] = useState(false)
  const shown = field.values.slice(0, all ? VALUES_MAX : VALUES_SHOWN)
  const rest = field.values.length - shown.length
  return (
    <div class="field">
      <div class="field-name">{safe(field.name)}</div>
      {shown.map(([value, n]) => {
        const text = safe(cut(value, 80)) || '""'
        return (
          <div class="fv" key={value}>
            <button type="button" class="plain" title={W.logs.only(safe(field.name), text)} onClick={() => onFilter(field.name, value, false)}>
              <span class="fv-text">{text}</span>
              <span class="fb">
                <i style={{ width: `${Math.max(1, (n / lines) * 100)}%` }} />
              </span>
            </button>
            <button type="button" class="not" aria-label={W.logs.not(safe(field.name), text)} title={W.logs.not(safe(field.name), text)} onClick={() => onFilter(field.name, value, true)}>
              −
            </button>
            <span class="n">{n}</span>
          </div>
        )
      })}
      {(rest > 0 || all) && (
        <button type="button" class="quiet" onClick={() => setAll(!all)}>
          {all ? W.logs.fewerValues : W.logs.moreValues(rest)}
        </button>
      )}
    </div>
  )
}

// Fields that stand in the text of the lines, not among their labels: found by the server, counted over what is loaded.
function DetectedFields({ lines, found, onFilter, onParse }: Required<Pick<FieldListProps, 'lines' | 'found' | 'onFilter' | 'onParse'>>) {
  const [all, setAll] = useState(false)
  const known = useMemo(() => new Set(lines.flatMap((l) => Object.keys(l.labels))), [lines])
  // Those that tell lines apart come before those that are other in each line.
  const fresh = found.filter((f) => f.parsers?.length && !known.has(f.label)).sort((a, b) => Number(a.cardinality > FEW_VALUES) - Number(b.cardinality > FEW_VALUES))
  const shown = all ? fresh : fresh.slice(0, DETECTED_SHOWN)
  const values = useMemo(() => textFields(lines, shown.map((f) => f.label)), [lines, found, all])
  if (fresh.length === 0) return null
  const parser = mainParser(fresh)
  return (
    <div class="detected">
      <h3>
        {W.detected.title}
        {parser && (
          <button type="button" class="quiet" title={W.detected.parseHint(parser)} onClick={() => onParse(parser)}>
            {W.detected.parse}
          </button>
        )}
      </h3>
      {shown.map((f) => {
        const list = values.get(f.label) ?? []
        const how = parserOf(f, fresh)
        const field = { name: f.label, total: 0, values: list }
        return list.length > 0 && how ? (
          <FieldBlock key={f.label} field={field} lines={lines.length} onFilter={(name, value, not) => onFilter(name, value, not, how)} />
        ) : (
          <div class="field" key={f.label} title={W.detected.note(f.parsers!.join(', '))}>
            <span class="field-name">{safe(f.label)}</span> <span class="faint">{W.detected.distinct(f.cardinality)}</span>
          </div>
        )
      })}
      {fresh.length > shown.length && (
        <button type="button" class="quiet" onClick={() => setAll(true)}>
          {W.detected.more(fresh.length - shown.length)}
        </button>
      )}
    </div>
  )
}

export interface FieldListProps {
  lines: LogLine[]
  found?: DetectedField[]
  onFilter: (name: string, value: string, not: boolean, parser?: string) => void
  onParse?: (parser: string) => void
}

export function FieldList({ lines, found, onFilter, onParse }: FieldListProps) {
  const fields = useMemo(() => fieldsOf(lines), [lines])
  return (
    <>
      {fields.map((f) => (
        <FieldBlock key={f.name} field={f} lines={lines.length} onFilter={onFilter} />
      ))}
      {found && onParse && <DetectedFields lines={lines} found={found} onFilter={onFilter} onParse={onParse} />}
    </>
  )
}
