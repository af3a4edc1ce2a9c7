// SPDX-License-Identifier: Apache-2.0
// One board: its variables above, its panels on Grafana's grid of 24 columns; in one column on a narrow screen.
import { useState } from 'preact/hooks'
import { board } from '../api/boards'
import { labelValuesMatching } from '../api/prom'
import { ALL, COLUMNS, fill, labelValuesOf, readBoard, visible, type Board as BoardData, type Variable } from '../lib/board'
import { change, link, useAddress, useRange, type RangeNow } from '../state/address'
import { useFetch } from '../state/fetch'
import { aligned, stepFor } from '../lib/time'
import { gridTimes } from '../lib/series'
import { safe } from '../lib/text'
import { W } from '../lib/words'
import { BoardPanel } from '../panels/BoardPanel'
import { Card } from '../widgets/Card'
import { TextField } from '../widgets/Field'
import { Fetch } from '../widgets/States'

const POINTS = 160
const LEAST_STEP_S = 5

function VariableField({ v, known, range }: { v: Variable; known: Variable[]; range: RangeNow }) {
  const times = { start: range.startMs / 1000, end: range.endMs / 1000, step: 15 }
  const ask = v.type === 'query' ? labelValuesOf(fill(v.query, known.filter((o) => o.name !== v.name), times)) : null
  const of = useFetch(ask ? `${ask.label}|${ask.match}|${range.range.from}` : null, 0, (s) => labelValuesMatching(ask!.label, ask!.match, times.start, times.end, s))
  const choices = ask ? (of.data ?? v.options) : v.options
  const put = (value: string) => change({ [`var-${v.name}`]: value })
  if (v.type === 'constant') return null
  if (v.type === 'textbox') return <TextField label={safe(v.label)} value={v.value[0] ?? ''} onInput={put} />
  const current = v.value.length > 1 ? v.value.join(',') : (v.value[0] ?? '')
  const offered = [...new Set([...(v.all ? [ALL] : []), current, ...choices])].filter(Boolean)
  return (
    <label class="field-box">
      {safe(v.label)}
      <select value={current} onChange={(e) => put(e.currentTarget.value)}>
        {offered.map((c) => (
          <option key={c} value={c}>
            {c === ALL ? W.boards.all : safe(c)}
          </option>
        ))}
      </select>
    </label>
  )
}

// What the address says of a variable wins over the document.
function withAddress(b: BoardData, get: (name: string) => string): Variable[] {
  return b.variables.map((v) => {
    const given = get(`var-${v.name}`)
    return given ? { ...v, value: v.multi ? given.split(',') : [given] } : v
  })
}

function Panels({ b, range }: { b: BoardData; range: RangeNow }) {
  const a = useAddress()
  const [open, setOpen] = useState<Set<number>>(new Set())
  const step = stepFor(range, POINTS, LEAST_STEP_S)
  const grid = { ...aligned(range, step), step }
  const variables = withAddress(b, a.get)
  const toggle = (id: number) => setOpen((s) => new Set(s.has(id) ? [...s].filter((x) => x !== id) : [...s, id]))
  return (
    <>
      {variables.some((v) => v.type !== 'constant') && (
        <div class="variables">
          {variables.map((v) => (
            <VariableField key={v.name} v={v} known={variables} range={range} />
          ))}
        </div>
      )}
      <div class="board" data-points={gridTimes(grid).length}>
        {visible(b.panels, open).map(({ panel, y }) => (
          <div key={panel.id} class="cell" style={{ gridColumn: `${panel.x + 1} / span ${Math.min(panel.w, COLUMNS - panel.x)}`, gridRow: `${y + 1} / span ${panel.h}` }}>
            {panel.type === 'row' ? (
              <h2 class="board-row">
                {panel.collapsed ? (
                  <button type="button" class="plain" aria-expanded={open.has(panel.id)} onClick={() => toggle(panel.id)}>
                    {open.has(panel.id) ? '▾' : '▸'} {safe(fill(panel.title, variables, grid))}
                  </button>
                ) : (
                  safe(fill(panel.title, variables, grid))
                )}
              </h2>
            ) : (
              <BoardPanel panel={panel} variables={variables} range={range} grid={grid} />
            )}
          </div>
        ))}
      </div>
    </>
  )
}

export function Board({ uid }: { uid: string }) {
  const range = useRange()
  const of = useFetch(`board|${uid}`, 0, async (s) => {
    const document = await board(uid, s)
    return { document, read: readBoard(document) }
  })
  const save = () => {
    const blob = new Blob([JSON.stringify(of.data?.document, null, 2)], { type: 'application/json' })
    const a = document.createElement('a')
    a.href = URL.createObjectURL(blob)
    a.download = `${uid}.json`
    a.click()
    URL.revokeObjectURL(a.href)
  }
  return (
    <main id="main">
      <Fetch of={of}>
        {(d) => (
          <>
            <h1 class="board-title">
              {safe(d.read.title || uid)}{' '}
              <small>
                <a href={link('/boards')}>{W.pages.boards}</a>{' '}
                <button type="button" class="quiet" onClick={save}>
                  {W.boards.export}
                </button>
              </small>
            </h1>
            {d.read.panels.length === 0 ? <Card name="empty">{W.boards.noPanels}</Card> : <Panels b={d.read} range={range} />}
          </>
        )}
      </Fetch>
    </main>
  )
}
