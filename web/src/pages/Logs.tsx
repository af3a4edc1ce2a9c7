// SPDX-License-Identifier: Apache-2.0
// Logs: a LogQL query as lines (newest first, with counts over time and fields) or, if it counts, as a chart.
import { useCallback, useEffect, useMemo, useRef, useState } from 'preact/hooks'
import { askedKey, exportAddress, HELD_MAX, mergePages, queryCounts, queryLines, searchAsLogql, type Asked, type LogLine } from '../api/loki'
import { detectedFields } from '../api/report'
import { change, setRange, useAddress, useRange, type RangeNow } from '../state/address'
import { useFetch } from '../state/fetch'
import { refreshNow } from '../state/refresh'
import { useListKeys } from '../state/keys'
import { addFilter, addParser, answersLines, countByLevel, levelsOf, LOGS_DEFAULT, searched, wanted, withLevels } from '../lib/logql'
import { gridTimes, topLines, type Grid } from '../lib/series'
import { aligned, durationText, nsOf, rangeText, stepFor } from '../lib/time'
import { count } from '../lib/units'
import { safe } from '../lib/text'
import { W } from '../lib/words'
import { Empty, ErrorBox, Fetch, Skeleton } from '../widgets/States'
import { QueryEditor } from '../editor/QueryEditor'
import { LevelHistogram, stackLevels } from '../panels/LevelHistogram'
import { FieldList } from '../panels/FieldList'
import { LevelFilter } from '../panels/LevelFilter'
import { LiveTail } from '../panels/LiveTail'
import { LogList } from '../panels/LogList'
import { LogsTabs } from '../panels/LogsTabs'
import { Card } from '../widgets/Card'
import { Drawer } from '../widgets/Dialog'
import { TimeChart } from '../widgets/TimeChart'

const PAGE_LINES = 200
const BARS = 120
const POINTS = 240
const CHART_PX = 300
const LOOKED_AT = 500 // lines whose text is searched for fields
const NO_LINES: LogLine[] = []

interface Held {
  key: string
  lines: LogLine[]
  end: boolean // no older lines in the range
  gap: boolean
}

// The lines of a query: the newest page on every tick, older pages by hand.
function useLogLines(asked: Asked, r: RangeNow) {
  const key = `${askedKey(asked)}|${r.range.from}|${r.range.to}`
  const [held, setHeld] = useState<Held | null>(null)
  const [older, setOlder] = useState<{ busy: boolean; error?: Error }>({ busy: false })
  const newest = useFetch(typeof asked !== 'string' || answersLines(asked) ? key : null, r.tick, (s) => queryLines(asked, nsOf(r.startMs), nsOf(r.endMs), PAGE_LINES, s))
  useEffect(() => {
    const page = newest.data
    if (!page || newest.key === null) return
    setHeld((h) => {
      if (!h || h.key !== newest.key) return { key: newest.key!, lines: page.lines, end: !page.full, gap: false }
      const merged = mergePages(h.lines, page, nsOf(r.startMs))
      return { key: h.key, lines: merged.lines, gap: merged.gap, end: merged.gap || merged.cut ? !page.full && !merged.cut : h.end || !page.full }
    })
  }, [newest.data])
  useEffect(() => setOlder({ busy: false }), [key])
  const loadOlder = () => {
    const last = held?.lines[held.lines.length - 1]
    if (!last || older.busy) return
    setOlder({ busy: true })
    // The end is exclusive: one nanosecond later includes further lines of the same instant, and as many as are held of it come again.
    const end = String(BigInt(last.ns) + 1n)
    const again = held.lines.filter((l) => l.ns === last.ns).length
    queryLines(asked, nsOf(r.startMs), end, PAGE_LINES + again).then(
      (page) => {
        setHeld((h) => {
          if (!h || h.key !== newest.key) return h
          const ids = new Set(h.lines.map((l) => l.id))
          const fresh = page.lines.filter((l) => !ids.has(l.id))
          return { ...h, lines: [...h.lines, ...fresh], end: !page.full || fresh.length === 0, gap: false }
        })
        setOlder({ busy: false })
      },
      (error: Error) => setOlder({ busy: false, error }),
    )
  }
  return { newest, held, older, loadOlder }
}

function Histogram({ asked, r }: { asked: Asked; r: RangeNow }) {
  const step = stepFor(r, BARS)
  const grid: Grid = { ...aligned(r, step), step }
  // One step further, so that the newest lines are in the last bar.
  grid.end += step
  const f = useFetch(`${askedKey(asked)}|${r.range.from}|${r.range.to}|${step}`, r.tick, async (s) => ({
    grid,
    stack: stackLevels(await queryCounts(typeof asked === 'string' ? countByLevel(asked, step) : asked, grid, s), gridTimes(grid).length),
  }))
  // Without a line the list below says so, and what to do.
  if (f.data?.stack.sum === 0 && !f.error) return null
  return (
    <Card
      name="histogram"
      class="histogram"
      busy={f.busy}
      title={f.data ? (f.data.stack.sum === 1 ? W.logs.line : W.logs.lines(count(f.data.stack.sum))) : W.logs.title}
      note={`${rangeText(r.range, r.endMs)} · ${W.logs.bar(durationText(step * 1000))} · ${W.logs.drag}`}
    >
      <Fetch of={f} rows={2}>
        {(d) => <LevelHistogram grid={d.grid} stack={d.stack} onZoom={setRange} />}
      </Fetch>
    </Card>
  )
}

interface PartProps {
  query: string
  r: RangeNow
  onFault: (message: string) => void // shown at its place in the editor
}

function CountChart({ query, r, onFault }: PartProps) {
  const step = stepFor(r, POINTS)
  const grid: Grid = { ...aligned(r, step), step }
  const f = useFetch(`${query}|${r.range.from}|${r.range.to}|${step}`, r.tick, async (s) => ({ grid, lines: await queryCounts(query, grid, s) }))
  useEffect(() => onFault(f.error?.message ?? ''), [f.error])
  return (
    <Card name="counts" busy={f.busy}>
      <p class="dim count">{W.logs.metricNote}</p>
      <Fetch of={f} rows={8} isEmpty={(d) => d.lines.length === 0} empty={<Empty why={W.logs.empty} />}>
        {(d) => {
          const top = topLines(d.lines)
          return (
            <>
              <TimeChart
                times={gridTimes(d.grid)}
                lines={top.shown.map((l, slot) => ({ name: safe(l.name), values: l.values, slot }))}
                unit={/\brate\s*\(/.test(query) ? '/s' : ''}
                height={CHART_PX}
                label={W.metrics.series(top.all)}
                onZoom={setRange}
                start={d.grid.start}
                end={d.grid.end}
              />
              <p class="dim count">{top.all > top.shown.length ? W.metrics.shown(top.shown.length, top.all) : W.metrics.series(top.all)}</p>
            </>
          )
        }}
      </Fetch>
    </Card>
  )
}

function filterBy(name: string, value: string, not: boolean, parser?: string) {
  const at = new URLSearchParams(location.search)
  const search = at.get('search')
  if (search) {
    change({ search: `${search} ${not ? '-' : ''}${name}:"${value.replace(/[\\"]/g, '\\$&')}"`, sel: null })
    return
  }
  const q = at.get('q') || LOGS_DEFAULT
  change({ q: addFilter(parser ? addParser(q, parser) : q, name, value, not), sel: null })
}

function Lines({ asked, r, onFault }: { asked: Asked; r: RangeNow; onFault: (message: string) => void }) {
  const a = useAddress()
  const wrap = a.get('wrap') === '1'
  const { newest, held, older, loadOlder } = useLogLines(asked, r)
  const lines = held && (held.key === newest.key || newest.busy) ? held.lines : NO_LINES
  useEffect(() => onFault(newest.error?.message ?? ''), [newest.error])
  const marks = useMemo(() => (typeof asked === 'string' ? wanted(asked) : searched(asked.search)), [askedKey(asked)])
  // A link may come from a query that gave the line other labels: then its instant finds it.
  const linked = a.get('sel')
  const sel = linked && !lines.some((l) => l.id === linked) ? (lines.find((l) => l.ns === linked.split('-')[0])?.id ?? linked) : linked
  const opened = useRef('')
  opened.current = sel
  const onOpen = useCallback((id: string) => change({ sel: id === opened.current ? null : id }, true), [])
  const onParse = useCallback((parser: string) => change({ q: addParser(new URLSearchParams(location.search).get('q') || LOGS_DEFAULT, parser), sel: null }), [])
  // Found by the server; without an answer the list has the labels alone.
  const found = useFetch(lines.length > 0 ? `fields|${newest.key}` : null, 0, (s) => detectedFields(typeof asked === 'string' ? asked : LOGS_DEFAULT, r.startMs, r.endMs, LOOKED_AT, s))
  const close = () => {
    if (!sel) return false
    change({ sel: null }, true)
    return true
  }
  const [fields, setFields] = useState(false)
  const keys = useListKeys(useMemo(() => lines.map((l) => l.id), [lines]), (i) => onOpen(lines[i].id), close)
  const seen = useRef('')
  useEffect(() => {
    // A link that names a line brings it into view, once.
    if (!sel || seen.current === sel || lines.length === 0) return
    seen.current = sel
    const i = lines.findIndex((l) => l.id === sel)
    const box = keys.ref.current?.querySelector(`[data-id="${CSS.escape(sel)}"]`)?.getBoundingClientRect()
    if (i >= 0 && (!box || box.top < 0 || box.bottom > innerHeight)) keys.ref.show?.(i, 'center')
  }, [sel, lines])
  const loaded = held?.key === newest.key && lines.length > 0
  return (
    <div class="logs-grid">
      {lines.length > 0 ? (
        <Card key="fields" name="fields" class="fields" title={W.logs.fields} note={W.logs.fieldsOf(lines.length)}>
          <FieldList lines={lines} found={found.data} onFilter={filterBy} onParse={onParse} />
        </Card>
      ) : (
        <span />
      )}
      {fields && (
        <Drawer key="drawer" title={W.logs.fields} onClose={() => setFields(false)}>
          <FieldList
            lines={lines}
            found={found.data}
            onFilter={(name, value, not, parser) => {
              setFields(false)
              filterBy(name, value, not, parser)
            }}
            onParse={(parser) => {
              setFields(false)
              onParse(parser)
            }}
          />
        </Drawer>
      )}
      <Card
        key="lines"
        name="lines"
        class="lines"
        busy={newest.busy}
        title={W.logs.list}
        note={lines.length > 0 ? W.logs.loaded(lines.length) : W.logs.newestFirst}
        aside={
          <>
            {(['csv', 'ndjson'] as const).map((format) => (
              <>
                <a class="chip" href={exportAddress(asked, nsOf(r.startMs), nsOf(r.endMs), format)} download title={W.logs.exportAs}>
                  {format.toUpperCase()}
                </a>{' '}
              </>
            ))}
            <button type="button" class="chip fields-open" onClick={() => setFields(true)}>
              {W.logs.fields}
            </button>{' '}
            <button type="button" class={`chip ${wrap ? 'on' : ''}`} aria-pressed={wrap} onClick={() => change({ wrap: wrap ? null : '1' }, true)}>
              {W.logs.wrap}
            </button>
          </>
        }
      >
        {held?.gap && <p class="stale">{W.logs.sawGap}</p>}
        {sel && loaded && !newest.busy && !lines.some((l) => l.id === sel) && <p class="stale">{W.logs.noSuchLine}</p>}
        <Fetch
          of={newest}
          rows={10}
          isEmpty={(d) => d.lines.length === 0 && lines.length === 0}
          empty={<Empty why={W.logs.empty} hint={W.logs.emptyHint} command={W.logs.emptyCommand(location.origin)} />}
        >
          {() => (
            <>
              <LogList lines={lines} marks={marks} open={sel} active={keys.active} wrap={wrap} onOpen={onOpen} onFilter={filterBy} listRef={keys.ref} />
              {older.error && <ErrorBox error={older.error} />}
              {lines.length > 0 &&
                (held?.end || lines.length >= HELD_MAX ? (
                  <p class="faint end">{held?.end ? W.logs.end : W.logs.heldMax(count(HELD_MAX))}</p>
                ) : (
                  <button type="button" class="older" onClick={loadOlder} disabled={older.busy}>
                    {older.busy ? W.logs.olderBusy : W.logs.older}
                  </button>
                ))}
              {older.busy && <Skeleton rows={2} />}
            </>
          )}
        </Fetch>
      </Card>
    </div>
  )
}

// What is searched for, as LogQL, and the way there.
function SearchNote({ search, fault, onUse }: { search: string; fault: string; onUse: (logql: string) => void }) {
  const f = useFetch(`logql of ${search}`, 0, (s) => searchAsLogql(search, s))
  if (fault) return <p class="stale search-note">{fault}</p>
  const logql = f.data?.logql
  return (
    <p class="dim search-note" data-panel="search">
      {W.logs.searching}{' '}
      {logql ? (
        <>
          <code>{safe(logql)}</code>{' '}
          <button type="button" class="quiet" onClick={() => onUse(logql)}>
            {W.logs.useLogql}
          </button>
        </>
      ) : (
        safe(f.data?.why ?? '')
      )}{' '}
      <button type="button" class="quiet" onClick={() => change({ search: null, sel: null })}>
        {W.logs.endSearch}
      </button>
    </p>
  )
}

export function Logs() {
  const a = useAddress()
  const r = useRange()
  const query = a.get('q') || LOGS_DEFAULT
  const live = a.get('live') === '1'
  const typed = useRef(query)
  const [fault, setFault] = useState('')
  const search = a.get('search')
  const [typedSearch, setTypedSearch] = useState(search)
  useEffect(() => setTypedSearch(search), [search])
  const asked: Asked = search ? { search } : query
  const run = (q: string) => {
    const next = q.trim() || LOGS_DEFAULT
    typed.current = next
    if (next === query && !search) refreshNow()
    else change({ q: next, search: null, sel: null })
  }
  const find = (e: Event) => {
    e.preventDefault()
    setFault('')
    if (typedSearch.trim() === search) refreshNow()
    else change({ search: typedSearch.trim() || null, sel: null })
  }
  const showsLines = !!search || answersLines(query)
  return (
    <main id="main">
      <div class="row logs-head">
        <LogsTabs view="lines" />
        <span class="spring" />
        {showsLines && (
          <button type="button" class={`chip ${live ? 'on' : ''}`} aria-pressed={live} title={W.logs.liveHint} onClick={() => change({ live: live ? null : '1', sel: null }, true)}>
            {W.logs.live}
          </button>
        )}
        {!search && answersLines(query) && <LevelFilter value={levelsOf(query)} onChange={(levels) => run(withLevels(query, levels))} />}
      </div>
      <div class="querybar">
        <span class="lang">LogQL</span>
        <QueryEditor language="logql" value={query} label={W.logs.title} placeholder={W.logs.placeholder} error={search ? '' : fault} onRun={run} onChange={(t) => (typed.current = t)} />
        <form class="contains" onSubmit={find}>
          <input value={typedSearch} placeholder={W.logs.search} aria-label={W.logs.search} title={W.logs.searchHint} spellcheck={false} onInput={(e) => setTypedSearch(e.currentTarget.value)} />
        </form>
        <button type="button" class="run" onClick={() => run(typed.current)}>
          {W.logs.run} <kbd>↵</kbd>
        </button>
      </div>
      {search && <SearchNote search={search} fault={fault} onUse={run} />}
      {showsLines && live ? (
        <LiveTail asked={asked} wrap={a.get('wrap') === '1'} onFilter={filterBy} />
      ) : showsLines ? (
        <>
          {!fault && <Histogram asked={asked} r={r} />}
          <Lines asked={asked} r={r} onFault={setFault} />
        </>
      ) : (
        <CountChart query={query} r={r} onFault={setFault} />
      )}
    </main>
  )
}
