// SPDX-License-Identifier: Apache-2.0
// Traces that a query found, each with the spans it matched: sets of them told apart by what they were made by.
import { useState } from 'preact/hooks'
import type { Found, FoundSet, FoundSpan, FoundTrace } from '../api/tempo'
import { change, go, link, useAddress } from '../state/address'
import { useListKeys } from '../state/keys'
import type { HeatSpan } from '../lib/heat'
import { clock, day, sameDay, utc } from '../lib/time'
import { cut, safe } from '../lib/text'
import { asksStatus, isNarrowed, narrowed, widened } from '../lib/traceql'
import { seconds } from '../lib/units'
import { W } from '../lib/words'
import { Badge } from '../widgets/Badge'
import { VirtualList } from '../widgets/VirtualList'
import { HeatMap } from './HeatMap'

const ROW_PX = 80
const NAME_MAX = 200
const VALUE_MAX = 80
const SERVICES_SHOWN = 4
const SPANS_FIRST = 3
const SETS_FIRST = 4
const ATTRIBUTES_MAX = 12

// What came along stands last: an attribute of the same name may stand before it.
const placeOf = (s: FoundSpan, name: string): number => s.attributes.map(([k]) => k).lastIndexOf(name)
const lastOf = (s: FoundSpan, name: string): string => s.attributes[placeOf(s, name)]?.[1] ?? ''
const statusOf = (s: FoundSpan): string => lastOf(s, 'status')
const idOf = (t: FoundTrace): string => t.id
const chip = ([name, value]: [string, string]): string => `${safe(cut(name, VALUE_MAX))} = ${safe(cut(value, VALUE_MAX))}`

function spansOf(found: Found): HeatSpan[] {
  return found.traces.flatMap((t) => t.sets.flatMap((set) => set.spans.map((s) => ({ startMs: s.startMs, us: s.us, error: statusOf(s) === 'error' }))))
}

// Status and service came along; what the query asks for itself is shown as it was asked.
function Span({ span, trace, query }: { span: FoundSpan; trace: FoundTrace; query: string }) {
  const service = lastOf(span, 'service.name')
  const hidden = [placeOf(span, 'service.name'), asksStatus(query) && statusOf(span) !== 'error' ? -1 : placeOf(span, 'status')]
  const asked = span.attributes.filter(([k, v], i) => !hidden.includes(i) && !(k === 'service.name' && v === service))
  return (
    <a class="found-span" href={link(`/trace/${trace.id}`, { span: span.id })}>
      <span class="what">
        <span class="dim">{safe(service)}</span> {safe(cut(span.name, NAME_MAX))}
        {statusOf(span) === 'error' && <b class="bad"> {W.tracing.ql.error}</b>}
        {asked.slice(0, ATTRIBUTES_MAX).map((a, i) => (
          <span class="pair mono" key={i}>
            {chip(a)}
          </span>
        ))}
      </span>
      <span class="n">{seconds(span.us / 1e6)}</span>
    </a>
  )
}

function Spans({ set, trace, query }: { set: FoundSet; trace: FoundTrace; query: string }) {
  const [all, setAll] = useState(false)
  const shown = all ? set.spans : set.spans.slice(0, SPANS_FIRST)
  const held = set.spans.length - shown.length
  const beyond = set.matched - set.spans.length
  return (
    <div class="found-set">
      {set.attributes.length > 0 && (
        <p class="dim mono">
          {set.attributes.map((a) => chip(a)).join(' · ')}
        </p>
      )}
      {shown.map((s) => (
        <Span key={s.id} span={s} trace={trace} query={query} />
      ))}
      {held > 0 && (
        <button type="button" class="quiet" onClick={() => setAll(true)}>
          {W.tracing.ql.more(held + beyond)}
        </button>
      )}
      {held === 0 && beyond > 0 && <a href={link(`/trace/${trace.id}`)}>{W.tracing.ql.moreInTrace(beyond)}</a>}
    </div>
  )
}

function Row({ trace: t, active, longest, query }: { trace: FoundTrace; active: boolean; longest: number; query: string }) {
  const [sets, setSets] = useState(SETS_FIRST)
  const matched = t.sets.reduce((n, s) => n + s.matched, 0)
  return (
    <div class="found-trace">
      <a class={`trace-row ${active ? 'active' : ''}`} href={link(`/trace/${t.id}`)}>
        <span class="t" title={utc(t.startMs)}>
          {sameDay(t.startMs, Date.now()) ? clock(t.startMs, true) : `${day(t.startMs)} ${clock(t.startMs)}`}
        </span>
        <span class="what">
          <Badge state={t.errors ? 'bad' : 'ok'} word={t.errors ? W.traces.errors(t.errors) : W.traces.fine}>
            <span class="dim">{safe(t.service)}</span> {safe(cut(t.name, NAME_MAX))}
          </Badge>
        </span>
        <span class="sizes dim">
          {W.tracing.ql.matched(matched)} · {W.traces.spans(t.spans)} · {t.services.slice(0, SERVICES_SHOWN).map((s) => safe(s)).join(', ')}
          {t.services.length > SERVICES_SHOWN && ' …'}
        </span>
        <span class="dbar">
          <i class={t.errors ? 'bad' : ''} style={{ width: `${Math.max(0.5, (t.durationMs / longest) * 100)}%` }} />
        </span>
        <span class="n">{t.durationMs ? seconds(t.durationMs / 1000) : W.tracing.ql.short}</span>
      </a>
      {t.sets.slice(0, sets).map((s, i) => (
        <Spans key={i} set={s} trace={t} query={query} />
      ))}
      {t.sets.length > sets && (
        <button type="button" class="quiet" onClick={() => setSets(t.sets.length)}>
          {W.tracing.ql.moreSets(t.sets.length - sets)}
        </button>
      )}
    </div>
  )
}

export function TraceqlFound({ found, query, limit, startMs, endMs }: { found: Found; query: string; limit: number; startMs: number; endMs: number }) {
  const byLength = useAddress().get('sort') === 'longest'
  const list = [...found.traces].sort((x, y) => (byLength ? y.durationMs - x.durationMs : y.startMs - x.startMs))
  const longest = list.reduce((m, t) => Math.max(m, t.durationMs), 1)
  const keys = useListKeys(list.map(idOf), (i) => go(link(`/trace/${list[i].id}`)))
  const spans = spansOf(found)
  // At the limit these are the newest of more: the plot shows their time, not the empty range around them.
  const all = list.length < limit
  const plot = all ? { start: startMs, end: endMs } : spans.reduce((p, s) => ({ start: Math.min(p.start, s.startMs), end: Math.max(p.end, s.startMs + 1) }), { start: endMs, end: startMs })
  return (
    <>
      <h2>
        {W.traces.count(list.length)}
        {!all && <small>{W.traces.atLimit}</small>}
        {isNarrowed(query) && (
          <button type="button" class="chip" onClick={() => change({ q: widened(query) })}>
            {W.tracing.ql.widen}
          </button>
        )}
        <button type="button" class="chip more" onClick={() => change({ sort: byLength ? null : 'longest' }, true)}>
          {byLength ? W.traces.longest : W.traces.newest}
          {'\u00a0'}⇅
        </button>
      </h2>
      <HeatMap spans={spans} startMs={plot.start} endMs={plot.end} onNarrow={(s) => change({ from: String(s.fromMs), to: String(s.toMs), q: narrowed(query, s.min, s.max) })} />
      <VirtualList items={list} keyOf={idOf} rowPx={ROW_PX} listRef={keys.ref} label={W.traces.list} class="trace-list">
        {(t, i) => <Row trace={t} active={i === keys.active} longest={longest} query={query} />}
      </VirtualList>
    </>
  )
}
