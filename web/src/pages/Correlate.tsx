// SPDX-License-Identifier: Apache-2.0
// One id: the log lines, the traces and the metric points that carry it, in the order of time.
import { useState } from 'preact/hooks'
import { correlate, type Correlated, type CorrelatedPoint } from '../api/correlate'
import { trace } from '../api/jaeger'
import { change, go, link, useAddress, useRange } from '../state/address'
import { useFetch } from '../state/fetch'
import { useListKeys } from '../state/keys'
import { addContains, levelOf, LOGS_DEFAULT, quote, type Level } from '../lib/logql'
import { toNumber } from '../lib/series'
import { clock, day, msOf, sameDay, utc } from '../lib/time'
import { viewTrace, type TraceView } from '../lib/trace'
import { count, seconds } from '../lib/units'
import { cut, labelText, safe } from '../lib/text'
import { W } from '../lib/words'
import { fits, levelsIn, LevelFilter } from '../panels/LevelFilter'
import { Card } from '../widgets/Card'
import { Empty, Fetch, Notes } from '../widgets/States'

const TEXT_MAX = 2000
const MINI_SPANS = 12
const TRACES_DRAWN = 3
const AROUND_MS = 5 * 60000
const COLOURS = 6

interface Entry {
  key: string
  ns: bigint
  kind: 'log' | 'trace' | 'point'
  level?: Level
  service: string
  text: string
  href: string
  open: string
}

// "{http_requests_total …} 1" reads as a request behind that number.
function pointText(p: CorrelatedPoint): string {
  const v = toNumber(String(p.value))
  const unit = /_seconds(_bucket|_sum)?$/.test(p.series.__name__ ?? '') ? seconds(v) : count(v)
  return `${labelText(p.series)}  ${unit}`
}

function metricsQuery(p: CorrelatedPoint): string {
  const { le: _, ...labels } = p.series
  const name = (labels.__name__ ?? '').replace(/_bucket$/, '')
  const rest = Object.entries(labels)
    .filter(([k]) => k !== '__name__')
    .map(([k, v]) => `${k}=${quote(v)}`)
    .join(',')
  if (p.series.le !== undefined) return `histogram_quantile(0.95, sum by (le) (rate(${name}_bucket{${rest}}[5m])))`
  return /_(total|count|sum)$/.test(name) ? `rate(${name}{${rest}}[5m])` : `${name}{${rest}}`
}

function entriesOf(d: Correlated): Entry[] {
  const out: Entry[] = []
  const around = (ms: number) => ({ from: String(ms - AROUND_MS), to: String(ms + AROUND_MS) })
  d.logs.forEach((l, i) => {
    const ms = msOf(l.time_ns)
    const selector = l.service ? `{service_name=${quote(l.service)}}` : LOGS_DEFAULT
    out.push({
      key: `l${i}`,
      ns: BigInt(l.time_ns),
      kind: 'log',
      level: levelOf(l.severity),
      service: l.service,
      text: l.body,
      href: link('/logs', { q: selector, ...around(ms), sel: `${l.time_ns}-` }),
      open: W.correlate.inLogs,
    })
  })
  d.traces.forEach((t) =>
    out.push({
      key: `t${t.trace_id}`,
      ns: BigInt(t.start_ns),
      kind: 'trace',
      service: t.service,
      text: `${t.name}  ${W.correlate.lasts} ${seconds(Number(t.duration_ns) / 1e9)}, ${W.traces.spans(t.spans)}`,
      href: link(`/trace/${t.trace_id}`),
      open: W.correlate.openTrace,
    }),
  )
  d.exemplars.forEach((p, i) =>
    out.push({
      key: `p${i}`,
      ns: BigInt(Math.round(p.t_ms)) * 1000000n,
      kind: 'point',
      service: p.series.service_name ?? p.series.service ?? p.series.job ?? '',
      text: pointText(p),
      href: link('/metrics-explorer', { q: metricsQuery(p), ...around(p.t_ms) }),
      open: W.correlate.inMetrics,
    }),
  )
  return out.sort((a, b) => (a.ns < b.ns ? -1 : a.ns > b.ns ? 1 : 0))
}

function MiniWaterfall({ view }: { view: TraceView }) {
  const slots = new Map([...view.services].sort().map((s, i) => [s, i]))
  const shown = view.nodes.slice(0, MINI_SPANS)
  const all = Math.max(1, view.durationUs)
  return (
    <div class="mini-wf">
      {shown.map((n) => (
        <a key={n.key} class="mini-row" href={link(`/trace/${view.id}`, { span: n.span.spanID })} title={`${safe(n.service)}: ${safe(n.span.operationName)}`}>
          <span class="mini-name" style={{ paddingLeft: `${Math.min(n.depth, 8) * 10}px` }}>
            <span class="dim">{safe(n.service)}</span> {safe(n.span.operationName)}
            {n.error && <b class="bad"> ✕ {W.trace.error}</b>}
          </span>
          <span class="wf-lane">
            <i
              class={`wf-bar c${((slots.get(n.service) ?? 0) % COLOURS) + 1} ${n.error ? 'failed' : ''}`}
              style={{ left: `${Math.min(99.4, ((n.startUs - view.startUs) / all) * 100)}%`, width: `${Math.max(0.6, Math.min(100 - ((n.startUs - view.startUs) / all) * 100, (n.span.duration / all) * 100))}%` }}
            />
          </span>
          <span class="n dim">{seconds(n.span.duration / 1e6)}</span>
        </a>
      ))}
      {view.nodes.length > shown.length && <p class="dim">{W.correlate.spansMore(view.nodes.length - shown.length)}</p>}
    </div>
  )
}

function TraceCard({ id, service, name }: { id: string; service: string; name: string }) {
  const f = useFetch(`mini|${id}`, 0, async (s) => {
    const t = await trace(id, s)
    return t ? viewTrace(t) : null
  })
  return (
    <Card
      name="trace"
      title={
        <>
          <span class="dim">{safe(service)}</span> {safe(name)}
        </>
      }
      note={<span class="mono">{safe(id)}</span>}
      aside={<a href={link(`/trace/${id}`)}>{W.correlate.openTrace}</a>}
    >
      <Fetch of={f} isEmpty={(v) => v === null} empty={<p class="dim">{W.correlate.traceGone}</p>}>
        {(v) => v && <MiniWaterfall view={v} />}
      </Fetch>
    </Card>
  )
}

function Timeline({ d }: { d: Correlated }) {
  const a = useAddress()
  const levels = levelsIn(a.get('levels'))
  const entries = entriesOf(d)
  const shown = entries.filter((e) => e.kind !== 'log' || fits(levels, e.level ?? 'unknown'))
  const first = entries[0]?.ns ?? 0n
  const counts: Partial<Record<Level, number>> = {}
  for (const e of entries) if (e.level) counts[e.level] = (counts[e.level] ?? 0) + 1
  const keys = useListKeys(shown.map((e) => e.key), (i) => go(shown[i].href))
  return (
    <Card name="timeline" title={W.correlate.timeline} aside={d.logs.length > 0 && <LevelFilter value={levels} counts={counts} onChange={(l) => change({ levels: l.join(',') }, true)} />}>
      <div class="log list timeline" ref={keys.ref as never}>
        {shown.map((e, i) => {
          const ms = Number(e.ns / 1000000n)
          return (
            <a key={e.key} data-item={i} class={`line ${e.kind === 'log' ? e.level : e.kind} ${i === keys.active ? 'active' : ''}`} href={e.href} title={e.open}>
              <span class="t" title={utc(ms)}>
                {sameDay(ms, Date.now()) ? clock(ms, true) : `${day(ms)} ${clock(ms, true)}`}
              </span>
              <span class="after dim" title={W.correlate.after}>
                +{seconds(Number(e.ns - first) / 1e9)}
              </span>
              <span class={`kind ${e.kind}`}>{W.correlate[e.kind]}</span>
              <span class="lv">{e.level ? W.levels[e.level] : ''}</span>
              <span class="sv">{safe(e.service)}</span>
              <span class="tx">{safe(cut(e.text, TEXT_MAX))}</span>
            </a>
          )
        })}
      </div>
      {shown.length < entries.length && <p class="dim count">{W.correlate.hidden(entries.length - shown.length)}</p>}
    </Card>
  )
}

function Found({ id }: { id: string }) {
  const r = useRange()
  const f = useFetch(`correlate|${id}|${r.range.from}|${r.range.to}`, r.tick, (s) => correlate(id, r.startMs, r.endMs, s))
  return (
    <Fetch
      of={f}
      rows={8}
      isEmpty={(d) => d.logs.length + d.traces.length + d.exemplars.length === 0}
      empty={
        <Card name="empty">
          <Empty why={W.correlate.none(safe(id))} hint={W.correlate.noneHint} />
          <a href={link('/logs', { q: addContains(LOGS_DEFAULT, id) })}>{W.correlate.inLogs}</a>
        </Card>
      }
    >
      {(d) => {
        const entries = entriesOf(d)
        const span = entries.length > 1 ? Number(entries[entries.length - 1].ns - entries[0].ns) / 1e9 : 0
        const services = new Set(entries.map((e) => e.service).filter(Boolean)).size
        return (
          <>
            <p class="found">
              <b class="mono">{safe(d.id)}</b> {W.correlate.found(d.logs.length, d.traces.length, d.exemplars.length)} · {W.correlate.services(services)}
              {span > 0 && ` · ${W.correlate.within(seconds(span))}`} · <a href={link('/logs', { q: addContains(LOGS_DEFAULT, id) })}>{W.correlate.inLogs}</a>
            </p>
            {d.partial && <p class="stale">{W.correlate.partial}</p>}
            <Notes kind="info" notes={d.notes} />
            {d.traces.slice(0, TRACES_DRAWN).map((t) => (
              <TraceCard key={t.trace_id} id={t.trace_id} service={t.service} name={t.name} />
            ))}
            <Timeline d={d} />
          </>
        )
      }}
    </Fetch>
  )
}

export function Correlate({ id }: { id: string }) {
  const [text, setText] = useState(id)
  const submit = (e: Event) => {
    e.preventDefault()
    const wanted = text.trim()
    if (wanted) go(link(`/correlate/${encodeURIComponent(wanted)}`))
  }
  return (
    <main id="main">
      <form class="querybar" onSubmit={submit}>
        <span class="lang">id</span>
        <input class="id-box mono" data-query="" value={text} aria-label={W.correlate.id} placeholder={W.correlate.placeholder} spellcheck={false} autocomplete="off" onInput={(e) => setText(e.currentTarget.value)} />
        <button type="submit" class="run">
          {W.correlate.find} <kbd>↵</kbd>
        </button>
      </form>
      {id ? (
        <Found id={id} />
      ) : (
        <Card name="empty">
          <Empty why={W.correlate.empty} />
        </Card>
      )}
    </main>
  )
}
