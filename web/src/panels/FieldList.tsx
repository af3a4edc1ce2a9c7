// SPDX-License-Identifier: Apache-2.0
// What the loaded lines carry, with counts; a click keeps only, or takes away.
import { useMemo, useState } from 'preact/hooks'
import type { LogLine } from '../api/loki'
import { cut, safe } from '../lib/text'
import { W } from '../lib/words'

const VALUES_SHOWN = 5
const VALUES_MAX = 50
const FIRST = ['service_name', 'detected_level', 'level', 'host', 'instance', 'job', 'filename', 'unit']
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

export function FieldList({ lines, onFilter }: { lines: LogLine[]; onFilter: (name: string, value: string, not: boolean) => void }) {
  const fields = useMemo(() => fieldsOf(lines), [lines])
  return (
    <>
      {fields.map((f) => (
        <FieldBlock key={f.name} field={f} lines={lines.length} onFilter={onFilter} />
      ))}
    </>
  )
}
