// SPDX-License-Identifier: Apache-2.0
// Traces: a search by a form or by a query, and what it found: its spans as a heatmap of latency, its traces as bars of duration.
import { useEffect, useState } from 'preact/hooks'
import { operations, search, services } from '../api/jaeger'
import { change, go, here, link, useAddress, useRange } from '../state/address'
import { refreshNow } from '../state/refresh'
import { useFetch } from '../state/fetch'
import { useListKeys } from '../state/keys'
import { durationUs, isDuration, parseTags, viewTrace, type TraceView } from '../lib/trace'
import { clock, day, sameDay, utc } from '../lib/time'
import { seconds } from '../lib/units'
import { cut, safe } from '../lib/text'
import { fromForm } from '../lib/traceql'
import { W } from '../lib/words'
import type { HeatSpan } from '../lib/heat'
import { HeatMap } from '../panels/HeatMap'
import { TraceqlSearch } from '../panels/TraceqlSearch'
import { Badge } from '../widgets/Badge'
import { ChoiceField, FormError, TextField } from '../widgets/Field'
import { Empty, Fetch } from '../widgets/States'
import { Tabs } from '../widgets/Tabs'
import { VirtualList } from '../widgets/VirtualList'

const LIMIT_DEFAULT = 20
const LIMITS = ['20', '50', '100', '200', '500']
const ROW_PX = 29
const NAME_MAX = 200
const SERVICES_SHOWN = 4

const NO_FORM = { service: null, operation: null, tags: null, min: null, max: null }
const TRACEQL = 'traceql'

function Form({ known }: { known: string[] }) {
  const a = useAddress()
  const service = a.get('service') || known[0] || ''
  const [tags, setTags] = useState(a.get('tags'))
  const [min, setMin] = useState(a.get('min'))
  const [max, setMax] = useState(a.get('max'))
  const [bad, setBad] = useState('')
  useEffect(() => {
    setTags(a.get('tags'))
    setMin(a.get('min'))
    setMax(a.get('max'))
  }, [a])
  const ops = useFetch(service ? `operations|${service}` : null, 0, (s) => operations(service, s))
  const submit = (e: Event) => {
    e.preventDefault()
    const parsed = parseTags(tags)
    if ('bad' in parsed) return setBad(W.traces.tagsBad(parsed.bad))
    for (const d of [min, max]) if (d && !isDuration(d)) return setBad(W.traces.durationBad(d))
    setBad('')
    const before = location.href
    change({ tags, min, max })
    if (location.href === before) refreshNow()
  }
  return (
    <form class="card search" onSubmit={submit}>
      <ChoiceField label={W.traces.service} value={service} choices={known} isQuery onChoose={(v) => change({ service: v, operation: null })} />
      <ChoiceField label={W.traces.operation} value={a.get('operation')} choices={ops.data ?? []} none={W.traces.anyOperation} onChoose={(v) => change({ operation: v })} />
      <TextField label={W.traces.tags} name="tags" width="grow" value={tags} placeholder={W.traces.tagsHint} onInput={setTags} />
      <TextField label={W.traces.min} name="min" width="narrow" value={min} placeholder={W.traces.minHint} onInput={setMin} />
      <TextField label={W.traces.max} name="max" width="narrow" value={max} placeholder={W.traces.maxHint} onInput={setMax} />
      <ChoiceField label={W.traces.limit} width="narrow" value={a.get('limit') || String(LIMIT_DEFAULT)} choices={LIMITS} onChoose={(v) => change({ limit: v })} />
      <button type="submit" class="primary">
        {W.traces.search}
      </button>
      <a class="as-query" title={W.tracing.ql.asQueryHint} href={here({ mode: TRACEQL, q: fromForm({ service, operation: a.get('operation'), tags, min, max }), ...NO_FORM })}>
        {W.tracing.ql.asQuery}
      </a>
      <FormError text={bad} />
    </form>
  )
}

// The spans that the search is about: of its service and operation, within its durations.
function matching(list: TraceView[], service: string, operation: string, min: string, max: string): HeatSpan[] {
  const low = min ? durationUs(min) : 0
  const high = max ? durationUs(max) : Infinity
  const out: HeatSpan[] = []
  for (const t of list)
    for (const n of t.nodes) {
      const us = n.span.duration
      if (n.service === service && (!operation || n.span.operationName === operation) && us >= low && us <= high) out.push({ startMs: n.span.startTime / 1000, us, error: n.error })
    }
  return out
}

const idOf = (t: TraceView) => t.id

function Found({ list, spans, limit, startMs, endMs }: { list: TraceView[]; spans: HeatSpan[]; limit: number; startMs: number; endMs: number }) {
  const a = useAddress()
  const byLength = a.get('sort') === 'longest'
  const sorted = [...list].sort((x, y) => (byLength ? y.durationUs - x.durationUs : y.startUs - x.startUs))
  const longest = list.reduce((m, t) => Math.max(m, t.durationUs), 1)
  const keys = useListKeys(sorted.map(idOf), (i) => go(link(`/trace/${sorted[i].id}`)))
  // At the limit these are the newest of more: the plot shows their time, not the empty range around them.
  const starts = spans.length ? spans.map((s) => s.startMs) : list.map((t) => t.startUs / 1000)
  const all = list.length < limit
  const plotMs = { start: all ? startMs : starts.reduce((m, t) => Math.min(m, t), endMs), end: all ? endMs : starts.reduce((m, t) => Math.max(m, t), startMs) + 1 }
  return (
    <>
      <h2>
        {W.traces.count(list.length)}
        {!all && <small>{W.traces.atLimit}</small>}
        {(a.get('min') || a.get('max')) && (
          <button type="button" class="chip" onClick={() => change({ min: null, max: null })}>
            {W.tracing.heat.any}
          </button>
        )}
        <a class="chip" href={link('/service-map')}>
          {W.tracing.map.link}
        </a>
        <button type="button" class="chip more" onClick={() => change({ sort: byLength ? null : 'longest' }, true)}>
          {byLength ? W.traces.longest : W.traces.newest}{'\u00a0'}⇅
        </button>
      </h2>
      <HeatMap spans={spans} startMs={plotMs.start} endMs={plotMs.end} />
      <VirtualList items={sorted} keyOf={idOf} rowPx={ROW_PX} listRef={keys.ref} label={W.traces.list} class="trace-list">
        {(t, i) => {
          const ms = t.startUs / 1000
          const share = (t.durationUs / longest) * 100
          return (
            <a class={`trace-row ${i === keys.active ? 'active' : ''}`} href={link(`/trace/${t.id}`)}>
              <span class="t" title={utc(ms)}>
                {sameDay(ms, Date.now()) ? clock(ms, true) : `${day(ms)} ${clock(ms)}`}
              </span>
              <span class="what">
                <Badge state={t.errors ? 'bad' : 'ok'} word={t.errors ? W.traces.errors(t.errors) : W.traces.fine}>
                  <span class="dim">{safe(t.root?.service ?? '')}</span> {safe(cut(t.root?.span.operationName ?? '', NAME_MAX))}
                </Badge>
              </span>
              <span class="sizes dim">
                {W.traces.spans(t.nodes.length)} · {t.services.slice(0, SERVICES_SHOWN).map((s) => safe(s)).join(', ')}
                {t.services.length > SERVICES_SHOWN && ' …'}
              </span>
              <span class="dbar">
                <i class={t.errors ? 'bad' : ''} style={{ width: `${Math.max(0.5, share)}%` }} />
              </span>
              <span class="n">{seconds(t.durationUs / 1e6)}</span>
            </a>
          )
        }}
      </VirtualList>
    </>
  )
}

function FormSearch() {
  const a = useAddress()
  const r = useRange()
  const known = useFetch('services', r.tick, services)
  const service = a.get('service') || known.data?.[0] || ''
  const limit = Math.max(1, Number(a.get('limit')) || LIMIT_DEFAULT)
  const params = ['operation', 'tags', 'min', 'max'].map((k) => a.get(k))
  const key = service ? [service, ...params, limit, r.range.from, r.range.to].join('|') : null
  const f = useFetch(key, r.tick, async (signal) => {
    const parsed = parseTags(params[1])
    const q = { service, operation: params[0], tags: 'tags' in parsed ? parsed.tags : {}, min: params[2], max: params[3], limit }
    const found = await search({ ...q, startMs: Math.floor(r.startMs), endMs: Math.ceil(r.endMs) }, signal)
    const list = found.map((t) => viewTrace(t)).filter((t) => t.root)
    return { list, spans: matching(list, service, params[0], params[2], params[3]), startMs: r.startMs, endMs: r.endMs }
  })
  const command = W.home.servicesCommand(location.origin)
  return (
    <>
      <Fetch of={known} rows={2} isEmpty={(d) => d.length === 0 && !service} empty={<section class="card"><Empty why={W.traces.noServices} command={command} /></section>}>
        {(d) => <Form known={d} />}
      </Fetch>
      {service && (
        <section class="card" data-panel="traces" aria-busy={f.busy}>
          <Fetch of={f} rows={8} isEmpty={(d) => d.list.length === 0} empty={<Empty why={W.traces.empty} hint={W.traces.emptyHint} command={command} />}>
            {(d) => <Found list={d.list} spans={d.spans} limit={limit} startMs={d.startMs} endMs={d.endMs} />}
          </Fetch>
        </section>
      )}
    </>
  )
}

export function Traces() {
  const isQuery = useAddress().get('mode') === TRACEQL
  const tabs = [
    { id: '', name: W.tracing.ql.form },
    { id: TRACEQL, name: W.tracing.ql.name },
  ]
  return (
    <main id="main">
      <Tabs tabs={tabs} value={isQuery ? TRACEQL : ''} label={W.tracing.ql.ways} param="mode" />
      {isQuery ? <TraceqlSearch /> : <FormSearch />}
    </main>
  )
}
