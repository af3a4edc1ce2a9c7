// SPDX-License-Identifier: Apache-2.0
// Which levels of log lines are shown: none chosen means all.
import { CHOICES, choiceOf, type Level } from '../lib/logql'
import { W } from '../lib/words'

export function LevelFilter({ value, counts, onChange }: { value: Level[]; counts?: Partial<Record<Level, number>>; onChange: (levels: Level[]) => void }) {
  const of = (l: Level) => Object.entries(counts ?? {}).reduce((n, [k, m]) => (choiceOf(k as Level) === l ? n + (m ?? 0) : n), 0)
  const toggle = (l: Level) => onChange(value.includes(l) ? value.filter((x) => x !== l) : CHOICES.filter((x) => x === l || value.includes(x)))
  return (
    <span class="level-filter" role="group" aria-label={W.levelFilter.label}>
      <button type="button" class={`chip ${value.length === 0 ? 'on' : ''}`} aria-pressed={value.length === 0} onClick={() => onChange([])}>
        {W.levelFilter.all}
      </button>
      {CHOICES.map((l) => (
        <button key={l} type="button" class={`chip lv-${l} ${value.includes(l) ? 'on' : ''}`} aria-pressed={value.includes(l)} title={W.levelFilter.only(l)} onClick={() => toggle(l)}>
          {W.levelFilter.names[l]}
          {of(l) > 0 && <span class="dim"> {of(l)}</span>}
        </button>
      ))}
    </span>
  )
}

// As the address holds it: "error,fatal".
export const levelsIn = (text: string): Level[] => CHOICES.filter((l) => text.split(',').includes(l))
export const fits = (levels: Level[], level: Level): boolean => levels.length === 0 || levels.includes(choiceOf(level))
