// SPDX-License-Identifier: Apache-2.0
// The spans of a trace by path, as wide as the time they took. A click on a frame looks inside it; the table says the same in numbers.
import { useMemo } from 'preact/hooks'
import { change, here, useAddress } from '../state/address'
import { useKeys } from '../state/keys'
import { flameOf, framesOf, place, totals, type Frame, type Total } from '../lib/flame'
import type { TraceView } from '../lib/trace'
import { cut, safe } from '../lib/text'
import { count, percent, seconds } from '../lib/units'
import { W } from '../lib/words'
import { Table, type Column } from '../widgets/Table'

const ROW_PX = 20
const ROWS_MAX = 60
const LEAST = 0.002 // of the width: narrower frames are not drawn
const COLOURS = 6
const TOTALS_SHOWN = 50
const NAME_MAX = 120

const told = (f: Frame): string => W.tracing.flame.frame(safe(f.service), safe(cut(f.name, NAME_MAX)), f.count, seconds(f.totalUs / 1e6), seconds(f.selfUs / 1e6))

export function FlameView({ view }: { view: TraceView }) {
  const a = useAddress()
  const top = useMemo(() => flameOf(view.nodes), [view])
  const all = useMemo(() => new Map(framesOf(top).map((f) => [f.id, f])), [top])
  const slots = useMemo(() => new Map([...view.services].sort().map((s, i) => [s, i])), [view])
  const from = all.get(a.get('frame')) ?? (top.kids.length === 1 ? top.kids[0] : top)
  const inside = all.has(a.get('frame')) && a.get('frame') !== ''
  const { placed, hidden } = useMemo(() => place(from, LEAST, ROWS_MAX), [from])
  const list = useMemo(() => totals(view.nodes), [view])
  const own = Math.max(1, list.reduce((n, t) => n + t.selfUs, 0))
  useKeys((key) => {
    if (key !== 'Escape' || !inside) return false
    change({ frame: from.up?.id || null }, true)
    return true
  })
  const drawn = placed.filter((p) => p.frame !== top)
  const offset = from === top ? 1 : 0
  const rows = drawn.reduce((n, p) => Math.max(n, p.row - offset + 1), 0)
  const columns: Column<Total>[] = [
    { title: W.tracing.flame.service, wide: true, draw: (t) => safe(t.service) },
    { title: W.tracing.flame.operation, class: () => 'mono break', draw: (t) => safe(cut(t.name, NAME_MAX)) },
    { title: W.tracing.flame.count, number: true, draw: (t) => count(t.count) },
    { title: W.tracing.flame.errors, number: true, wide: true, class: (t) => (t.errors ? 'bad' : ''), draw: (t) => count(t.errors) },
    { title: W.tracing.flame.self, number: true, draw: (t) => seconds(t.selfUs / 1e6) },
    { title: W.tracing.flame.share, number: true, wide: true, draw: (t) => percent(t.selfUs / own) },
    { title: W.tracing.flame.total, number: true, draw: (t) => seconds(t.totalUs / 1e6) },
  ]
  return (
    <>
      <p class="dim">
        {W.tracing.flame.note}{' '}
        {inside && (
          <a class="chip" href={here({ frame: null })}>
            {W.tracing.flame.up}
          </a>
        )}
      </p>
      <div class="flame" role="group" aria-label={W.tracing.flame.frames} style={{ height: `${rows * ROW_PX}px` }}>
        {drawn.map((p) => (
          <button
            type="button"
            key={p.frame.id}
            class={`frame c${((slots.get(p.frame.service) ?? 0) % COLOURS) + 1} ${p.frame.errors ? 'failed' : ''}`}
            style={{ left: `${p.left * 100}%`, width: `${p.width * 100}%`, top: `${(p.row - offset) * ROW_PX}px` }}
            title={told(p.frame)}
            aria-label={told(p.frame)}
            onClick={() => change({ frame: p.frame === from ? p.frame.up?.id || null : p.frame.id })}
          >
            {p.width > 0.03 && (
              <>
                {p.frame.errors > 0 && '✕ '}
                {safe(cut(p.frame.name, NAME_MAX))} {p.frame.count > 1 && `×${count(p.frame.count)}`} <small>{seconds(p.frame.totalUs / 1e6)}</small>
              </>
            )}
          </button>
        ))}
      </div>
      {hidden > 0 && <p class="dim">{W.tracing.flame.hidden(hidden)}</p>}
      <h3>{W.tracing.flame.table}</h3>
      <Table columns={columns} rows={list.slice(0, TOTALS_SHOWN)} keyOf={(t) => JSON.stringify([t.service, t.name])} />
      {list.length > TOTALS_SHOWN && <p class="dim">{W.andMore(list.length - TOTALS_SHOWN)}</p>}
    </>
  )
}
