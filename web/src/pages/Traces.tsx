// SPDX-License-Identifier: Apache-2.0
// Traces: a search, and what it found as bars of duration.
import { useEffect, useState } from 'preact/hooks'
import { operations, search, services } from '../api/jaeger'
import { change, go, link, useAddress, useRange } from '../state/address'
import { refreshNow } from '../state/refresh'
import { useFetch } from '../state/fetch'
import { useListKeys } from '../state/keys'
import { isDuration, parseTags, viewTrace, type TraceView } from '../lib/trace'
import { clock, day, sameDay, utc } from '../lib/time'
import { seconds } from '../lib/units'
import { safe } from '../lib/text'
import { W } from '../lib/words'
import { Empty, Fetch } from '../widgets/States'

const LIMIT_DEFAULT = 20
const LIMITS = [20, 50, 100, 200, 500]
const PLOT_W = 1000
const PLOT_H = 90
const SERVICES_SHOWN = 4

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
  const chosen = a.get('operation')
  const list = ops.data ?? []
  return (
    <form class="card search" onSubmit={submit}>
      <label>
        {W.traces.service}
        <select data-query="" value={service} onChange={(e) => change({ service: e.currentTarget.value, operation: null })}>
          {(known.includes(service) || !service ? known : [service, ...known]).map((s) => (
            <option key={s} value={s}>
              {safe(s)}
            </option>
          ))}
        </select>
      </label>
      <label>
        {W.traces.operation}
        <select value={chosen} onChange={(e) => change({ operation: e.currentTarget.value })}>
          <option value="">{W.traces.anyOperation}</option>
          {(chosen && !list.includes(chosen) ? [chosen, ...list] : list).map((o) => (
            <option key={o} value={o}>
              {safe(o)}
            </option>
          ))}
        </select>
      </label>
      <label class="grow">
        {W.traces.tags}
        <input name="tags" value={tags} placeholder={W.traces.tagsHint} spellcheck={false} onInput={(e) => setTags(e.currentTarget.value)} />
      </label>
      <label class="narrow">
        {W.traces.min}
        <input name="min" value={min} placeholder={W.traces.durationHint} spellcheck={false} onInput={(e) => setMin(e.currentTarget.value)} />
      </label>
      <label class="narrow">
        {W.traces.max}
        <input name="max" value={max} placeholder={W.traces.durationHint} spellcheck={false} onInput={(e) => setMax(e.currentTarget.value)} />
      </label>
      <label class="narrow">
        {W.traces.limit}
        <select value={a.get('limit') || String(LIMIT_DEFAULT)} onChange={(e) => change({ limit: e.currentTarget.value })}>
          {LIMITS.map((n) => (
            <option key={n} value={n}>
              {n}
            </option>
          ))}
        </select>
      </label>
      <button type="submit" class="primary">
        {W.traces.search}
      </button>
      {bad && (
        <p class="bad" role="alert">
          {bad}
        </p>
      )}
    </form>
  )
}

function Plot({ list, startMs, endMs }: { list: TraceView[]; startMs: number; endMs: number }) {
  const longest = Math.max(...list.map((t) => t.durationUs), 1)
  const x = (t: TraceView) => ((t.startUs / 1000 - startMs) / (endMs - startMs)) * PLOT_W
  return (
    <div class="plot">
      <span class="plot-max faint">{seconds(longest / 1e6)}</span>
      <svg viewBox={`0 0 ${PLOT_W} ${PLOT_H}`} role="img" aria-label={W.traces.overTime} preserveAspectRatio="none">
        <line x1="0" x2={PLOT_W} y1={PLOT_H - 0.5} y2={PLOT_H - 0.5} />
        <line x1="0" x2={PLOT_W} y1={PLOT_H / 2} y2={PLOT_H / 2} />
      </svg>
      {list.map((t) => (
        <a
          key={t.id}
          class={`plot-dot ${t.errors ? 'bad' : ''}`}
          href={link(`/trace/${t.id}`)}
          tabIndex={-1}
          aria-label={`${safe(t.root?.span.operationName ?? t.id)}, ${seconds(t.durationUs / 1e6)}`}
          title={`${safe(t.root?.span.operationName ?? t.id)} · ${seconds(t.durationUs / 1e6)}`}
          style={{ left: `${Math.max(0, Math.min(100, x(t) / 10))}%`, top: `${(1 - t.durationUs / longest) * 78 + 4}%` }}
        />
      ))}
      <div class="hist-axis">
        <span>{clock(startMs)}</span>
        <span>{clock(endMs)}</span>
      </div>
    </div>
  )
}

function Found({ list, limit, startMs, endMs }: { list: TraceView[]; limit: number; startMs: number; endMs: number }) {
  const a = useAddress()
  const byLength = a.get('sort') === 'longest'
  const sorted = [...list].sort((x, y) => (byLength ? y.durationUs - x.durationUs : y.startUs - x.startUs))
  const longest = Math.max(...list.map((t) => t.durationUs), 1)
  const keys = useListKeys(sorted.length, (i) => go(link(`/trace/${sorted[i].id}`)), () => false)
  return (
    <>
      <h2>
        {W.traces.found(list.length, limit)}
        <button type="button" class="chip more" onClick={() => change({ sort: byLength ? null : 'longest' }, true)}>
          {byLength ? W.traces.longest : W.traces.newest}{'\u00a0'}⇅
        </button>
      </h2>
      <Plot list={list} startMs={startMs} endMs={endMs} />
      <div class="trace-list" ref={keys.ref as never}>
        {sorted.map((t, i) => {
          const ms = t.startUs / 1000
          const share = (t.durationUs / longest) * 100
          return (
            <a key={t.id} class={`trace-row ${i === keys.active ? 'active' : ''}`} href={link(`/trace/${t.id}`)} data-item={i}>
              <span class="t" title={utc(ms)}>
                {sameDay(ms, Date.now()) ? clock(ms, true) : `${day(ms)} ${clock(ms)}`}
              </span>
              <span class="what">
                <span class={`mark ${t.errors ? 'bad' : 'ok'}`} aria-hidden="true" />
                <span class="dim">{safe(t.root?.service ?? '')}</span> {safe(t.root?.span.operationName ?? W.traces.rootMissing)}
                {t.errors > 0 && <b class="bad"> {W.traces.errors(t.errors)}</b>}
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
        })}
      </div>
    </>
  )
}

export function Traces() {
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
    return { list: found.map(viewTrace).filter((t) => t.root), startMs: r.startMs, endMs: r.endMs }
  })
  const command = W.home.servicesCommand(location.origin)
  return (
    <main id="main">
      <Fetch of={known} rows={2} isEmpty={(d) => d.length === 0 && !service} empty={<section class="card"><Empty why={W.traces.noServices} command={command} /></section>}>
        {(d) => <Form known={d} />}
      </Fetch>
      {service && (
        <section class="card" data-panel="traces" aria-busy={f.busy}>
          <Fetch of={f} rows={8} isEmpty={(d) => d.list.length === 0} empty={<Empty why={W.traces.empty} hint={W.traces.emptyHint} command={command} />}>
            {(d) => <Found list={d.list} limit={limit} startMs={d.startMs} endMs={d.endMs} />}
          </Fetch>
        </section>
      )}
    </main>
  )
}
