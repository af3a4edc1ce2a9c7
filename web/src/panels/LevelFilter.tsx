// SPDX-License-Identifier: Apache-2.0
// Which levels of log lines are shown: none chosen means all.
import { LEVELS, type Level } from '../lib/logql'
import { W } from '../lib/words'

const OFFERED: Level[] = LEVELS.filter((l) => l !== 'unknown')

export function LevelFilter({ value, counts, onChange }: { value: Level[]; counts?: Partial<Record<Level, number>>; onChange: (levels: Level[]) => void }) {
  const offered = OFFERED.filter((l) => l !== 'trace' || value.includes(l) || counts?.trace)
  const toggle = (l: Level) => onChange(value.includes(l) ? value.filter((x) => x !== l) : OFFERED.filter((x) => x === l || value.includes(x)))
  return (
    <span class="level-filter" role="group" aria-label={W.levelFilter.label}>
      <button type="button" class={`chip ${value.length === 0 ? 'on' : ''}`} aria-pressed={value.length === 0} onClick={() => onChange([])}>
        {W.levelFilter.all}
      </button>
      {offered.map((l) => (
        <button key={l} type="button" class={`chip lv-${l} ${value.includes(l) ? 'on' : ''}`} aria-pressed={value.includes(l)} title={W.levelFilter.only(l)} onClick={() => toggle(l)}>
          {W.levels[l]}
          {counts?.[l] ? <span class="dim"> {counts[l]}</span> : null}
        </button>
      ))}
    </span>
  )
}

// As the address holds it: "error,fatal".
export const levelsIn = (text: string): Level[] => OFFERED.filter((l) => text.split(',').includes(l))
export const fits = (levels: Level[], level: Level): boolean => levels.length === 0 || levels.includes(level)
