// SPDX-License-Identifier: Apache-2.0
// The time range: a list of moving ranges, or two times as a person writes them.
import { useEffect, useRef, useState } from 'preact/hooks'
import { change, useRange } from '../state/address'
import { useKeys } from '../state/keys'
import { durationMs, durationText, parseTime, PRESETS, rangeText, stamp } from '../lib/time'
import { W } from '../lib/words'
import { FormError, TextField } from './Field'

export function TimePicker({ open, onOpen }: { open: boolean; onOpen: (open: boolean) => void }) {
  const r = useRange()
  const box = useRef<HTMLDivElement>(null)
  const [from, setFrom] = useState('')
  const [to, setTo] = useState('')
  const [bad, setBad] = useState('')

  useEffect(() => {
    if (!open) return
    setFrom(r.moving ? r.range.from : stamp(r.startMs))
    setTo(r.moving ? r.range.to : stamp(r.endMs))
    setBad('')
    box.current?.querySelector<HTMLElement>('.presets .on, .presets button')?.focus()
    const outside = (e: Event) => !box.current?.contains(e.target as Node) && onOpen(false)
    document.addEventListener('pointerdown', outside)
    return () => document.removeEventListener('pointerdown', outside)
  }, [open])

  useKeys((key) => {
    if (key === 'Escape' && open) {
      onOpen(false)
      return true
    }
    return false
  })

  const set = (a: string, b: string) => {
    onOpen(false)
    change({ from: a, to: b, sel: null })
  }
  const shift = (share: number, grow = 0) => {
    const width = r.endMs - r.startMs
    const start = r.startMs + width * share - width * grow
    const end = Math.min(Date.now(), r.endMs + width * share + width * grow)
    change({ from: String(Math.round(start)), to: String(Math.round(end)), sel: null })
  }
  const apply = (e: Event) => {
    e.preventDefault()
    const now = Date.now()
    const a = parseTime(from, now)
    const b = parseTime(to, now)
    if (a === null || b === null) return setBad(W.time.bad(a === null ? from : to))
    if (a >= b) return setBad(W.time.order)
    const keep = (text: string, ms: number) => (text.trim().startsWith('now') ? text.trim() : String(ms))
    set(keep(from, a), keep(to, b))
  }
  return (
    <div class="picker" ref={box}>
      <span class="ctl split">
        <button type="button" class="arrow" onClick={() => shift(-0.5)} aria-label={W.time.earlier} title={W.time.earlier}>
          ‹
        </button>
        <button type="button" class="picker-open" aria-expanded={open} aria-haspopup="dialog" title={W.time.button} onClick={() => onOpen(!open)}>
          {rangeText(r.range, r.endMs)} <span aria-hidden="true">▾</span>
        </button>
        <button type="button" class="arrow" onClick={() => shift(0.5)} disabled={r.moving} aria-label={W.time.later} title={W.time.later}>
          ›
        </button>
      </span>
      {open && (
        <div class="popover" role="dialog" aria-label={W.time.button}>
          <div class="presets">
            {PRESETS.map((p) => {
              const on = r.moving && r.range.from === `now-${p}`
              return (
                <button key={p} type="button" class={on ? 'on' : ''} aria-pressed={on} onClick={() => set(`now-${p}`, 'now')}>
                  {W.time.last(durationText(durationMs(p) ?? 0))}
                </button>
              )
            })}
          </div>
          <form onSubmit={apply}>
            <TextField label={W.time.from} value={from} onInput={setFrom} />
            <TextField label={W.time.to} value={to} onInput={setTo} />
            <p class="faint">{W.time.hint}</p>
            <FormError text={bad} />
            <button type="submit" class="primary">
              {W.time.apply}
            </button>
            <hr />
            <button type="button" onClick={() => shift(0, 0.5)}>
              {W.time.wider}
            </button>
            {r.moving && (
              <button type="button" title={W.time.pinHint} onClick={() => set(String(r.startMs), String(r.endMs))}>
                {W.time.pin}
              </button>
            )}
          </form>
        </div>
      )}
    </div>
  )
}
