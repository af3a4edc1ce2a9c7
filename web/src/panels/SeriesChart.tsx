// SPDX-License-Identifier: Apache-2.0
// Series of a query as lines, the largest of many, and what each of them was: a click leaves one alone.
import { useState } from 'preact/hooks'
import { setRange } from '../state/address'
import { gridTimes, shortNames, summary, topLines, type Grid, type Line } from '../lib/series'
import { durationText } from '../lib/time'
import { format, type Unit } from '../lib/units'
import { safe } from '../lib/text'
import { W } from '../lib/words'
import { Table, type Column } from '../widgets/Table'
import { slotClass, TimeChart, type Dot } from '../widgets/TimeChart'

const CHART_PX = 300

export function SeriesChart({ data, unit, dots }: { data: { grid: Grid; lines: Line[] }; unit: Unit; dots: Dot[] }) {
  const [only, setOnly] = useState('')
  const { shown, all } = topLines(data.lines)
  const short = shortNames(shown.map((l) => l.labels))
  const lines = shown.map((l, i) => ({ key: l.name, name: safe(short[i] || l.name), full: l.name, values: l.values, slot: i }))
  type Shown = (typeof lines)[number]
  const stat = (pick: (s: ReturnType<typeof summary>) => number | null) => (l: Shown) => format(pick(summary(l.values)), unit)
  const legend: Column<Shown>[] = [
    {
      title: W.metrics.name,
      class: () => 'mono',
      draw: (l) => (
        <button type="button" class="plain" title={`${l.full}\n${W.metrics.only}`} onClick={() => setOnly(only === l.key ? '' : l.key)}>
          <i class={`swatch ${slotClass(l.slot)}`} />
          {l.name}
        </button>
      ),
    },
    { title: W.metrics.last, number: true, draw: stat((s) => s.last) },
    { title: W.metrics.min, number: true, wide: true, draw: stat((s) => s.min) },
    { title: W.metrics.mean, number: true, wide: true, draw: stat((s) => s.mean) },
    { title: W.metrics.max, number: true, draw: stat((s) => s.max) },
  ]
  const visible = only && lines.some((l) => l.key === only) ? lines.filter((l) => l.key === only) : lines
  return (
    <>
      <TimeChart
        times={gridTimes(data.grid)}
        lines={visible.map((l) => ({ ...l, fill: visible.length === 1 }))}
        unit={unit}
        height={CHART_PX}
        dots={dots}
        label={W.metrics.series(all)}
        onZoom={setRange}
        start={data.grid.start}
        end={data.grid.end}
      />
      <p class="dim count">
        {all > shown.length ? W.metrics.shown(shown.length, all) : W.metrics.series(all)} · {W.metrics.step(durationText(data.grid.step * 1000))}
        {dots.length > 0 && ` · ${W.dots.note(dots.length)}`}
      </p>
      <Table columns={legend} rows={lines} keyOf={(l) => l.key} class="legend-table" rowClass={(l) => (only && only !== l.key ? 'off' : '')} />
    </>
  )
}
