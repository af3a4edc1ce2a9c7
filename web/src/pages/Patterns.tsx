// SPDX-License-Identifier: Apache-2.0
// Patterns: what the lines of a query are, each kind once, with what is new, rare, or unlike the time before.
import { useEffect, useRef, useState } from 'preact/hooks'
import { counts, patternsOf, PATTERN_VIEWS, type Pattern, type Patterns as Answer } from '../api/patterns'
import { change, link, useAddress, useRange, type RangeNow } from '../state/address'
import { useFetch } from '../state/fetch'
import { refreshNow } from '../state/refresh'
import { addPattern, answersLines, levelOf, LEVELS, LOGS_DEFAULT } from '../lib/logql'
import { count, percent } from '../lib/units'
import { stamp } from '../lib/time'
import { cut, safe } from '../lib/text'
import { W } from '../lib/words'
import { QueryEditor } from '../editor/QueryEditor'
import { LogsTabs } from '../panels/LogsTabs'
import { Card } from '../widgets/Card'
import { Spark } from '../widgets/Spark'
import { Empty, Fetch } from '../widgets/States'
import { Table, type Column } from '../widgets/Table'
import { Tabs } from '../widgets/Tabs'

const PATTERN_MAX = 400
const EXAMPLE_MAX = 600

// Of those a pattern's lines have, the one that matters most.
function worst(p: Pattern) {
  const found = Object.keys(p.levels).map(levelOf)
  return LEVELS.find((l) => found.includes(l)) ?? 'unknown'
}

function Change({ p }: { p: Pattern }) {
  const by = p.count - (p.expected ?? 0)
  if (p.baseline === 0) return <b>{W.patterns.isNew}</b>
  if (p.count === 0) return <b>{W.patterns.gone}</b>
  return (
    <span>
      {by > 0 ? '+' : by < 0 ? '−' : '±'}
      {count(Math.abs(by))}
    </span>
  )
}

function Rows({ d, query, r }: { d: Answer; query: string; r: RangeNow }) {
  const compares = d.patterns.some((p) => p.baseline !== undefined)
  const columns: Column<Pattern>[] = [
    { title: W.patterns.level, draw: (p) => <span class={`level-name ${worst(p)}`}>{W.levels[worst(p)]}</span> },
    {
      title: W.patterns.pattern,
      class: () => 'mono break',
      draw: (p) => (
        <a href={link('/logs', { q: addPattern(query, p.pattern) })} class="quiet-link" title={safe(cut(p.example, EXAMPLE_MAX))}>
          {safe(cut(p.pattern, PATTERN_MAX)) || '""'}
        </a>
      ),
    },
    { title: W.patterns.services, wide: true, draw: (p) => safe(p.services.join(', ')) },
    { title: W.patterns.over, wide: true, draw: (p) => <Spark values={counts(p, d.step, r.startMs, r.endMs)} tone="c1" label={W.patterns.over} /> },
    { title: W.patterns.lines, number: true, draw: (p) => <b>{count(p.count)}</b> },
    { title: W.patterns.share, number: true, wide: true, draw: (p) => percent(p.share) },
    compares
      ? { title: W.patterns.change, number: true, hint: W.patterns.changeHint, draw: (p: Pattern) => <Change p={p} /> }
      : { title: W.patterns.first, wide: true, draw: (p: Pattern) => (p.first_seen_ms === undefined ? '–' : stamp(p.first_seen_ms)) },
  ]
  return <Table columns={columns} rows={d.patterns} keyOf={(p) => p.pattern} class="patterns" />
}

export function Patterns() {
  const a = useAddress()
  const r = useRange()
  const query = a.get('q') || LOGS_DEFAULT
  const view = PATTERN_VIEWS.find((v) => v === a.get('view')) ?? 'all'
  const typed = useRef(query)
  const [fault, setFault] = useState('')
  const f = useFetch(answersLines(query) ? `patterns|${view}|${query}|${r.range.from}|${r.range.to}` : null, r.tick, async (s) => ({
    r,
    d: await patternsOf(query, view, r.startMs, r.endMs, s),
  }))
  useEffect(() => setFault(f.error?.message ?? ''), [f.error])
  const run = (q: string) => {
    const next = q.trim() || LOGS_DEFAULT
    typed.current = next
    if (next === query) refreshNow()
    else change({ q: next })
  }
  const d = f.data?.d
  return (
    <main id="main">
      <LogsTabs view="patterns" />
      <div class="querybar">
        <span class="lang">LogQL</span>
        <QueryEditor language="logql" value={query} label={W.patterns.title} placeholder={W.logs.placeholder} error={fault} onRun={run} onChange={(t) => (typed.current = t)} />
        <button type="button" class="run" onClick={() => run(typed.current)}>
          {W.logs.run} <kbd>↵</kbd>
        </button>
      </div>
      <Card name="patterns" title={W.patterns.title} busy={f.busy} note={d && d.found > 0 && W.patterns.note(d.patterns.length, d.found, count(d.lines))}>
        <Tabs tabs={PATTERN_VIEWS.map((v) => ({ id: v, name: W.patterns.view[v] }))} value={view} label={W.patterns.views} />
        <p class="dim count">{W.patterns.viewNote[view]}</p>
        {d?.partial && <p class="stale">{W.patterns.partial}</p>}
        {d?.sampled && <p class="stale">{W.patterns.sampled}</p>}
        {answersLines(query) ? (
          <Fetch of={f} rows={8} isEmpty={(x) => x.d.patterns.length === 0} empty={<Empty why={view === 'new' ? W.patterns.noneNew : W.logs.empty} />}>
            {(x) => <Rows d={x.d} query={query} r={x.r} />}
          </Fetch>
        ) : (
          <Empty why={W.patterns.counts} />
        )}
      </Card>
    </main>
  )
}
