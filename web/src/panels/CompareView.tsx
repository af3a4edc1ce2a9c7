// SPDX-License-Identifier: Apache-2.0
// Two traces path by path: what is only in one, how often, how long. A sign and a word say it, the colour again.
import { useMemo, useRef, useState } from 'preact/hooks'
import { search, trace } from '../api/jaeger'
import { ServerError } from '../api/http'
import { change, here, link, useAddress } from '../state/address'
import { useFetch } from '../state/fetch'
import type { ListRef } from '../state/keys'
import { compare, flameOf, type Difference } from '../lib/flame'
import { viewTrace, type TraceView } from '../lib/trace'
import { clock } from '../lib/time'
import { cut, safe } from '../lib/text'
import { count, seconds } from '../lib/units'
import { W } from '../lib/words'
import { FormError, TextField } from '../widgets/Field'
import { Empty, Fetch } from '../widgets/States'
import { VirtualList } from '../widgets/VirtualList'
import { signed } from './SpanDetails'

const AROUND_MS = 3600000
const LIKE_MAX = 20
const ROW_PX = 22
const INDENT_PX = 14
const INDENT_MAX = 12
const NAME_MAX = 200

function Choose({ view }: { view: TraceView }) {
  const [id, setId] = useState('')
  const [bad, setBad] = useState('')
  const root = view.root
  const ms = view.startUs / 1000
  const f = useFetch(root ? `like|${view.id}` : null, 0, async (s) => {
    const q = { service: root!.service, operation: root!.span.operationName, tags: {}, min: '', max: '', limit: LIKE_MAX }
    const found = await search({ ...q, startMs: Math.floor(ms - AROUND_MS), endMs: Math.ceil(ms + AROUND_MS) }, s)
    return found.filter((t) => t.traceID !== view.id).map((t) => viewTrace(t))
  })
  const submit = (e: Event) => {
    e.preventDefault()
    const text = id.trim().toLowerCase()
    if (!/^([0-9a-f]{16}|[0-9a-f]{32})$/.test(text)) return setBad(W.tracing.compare.bad)
    change({ with: text })
  }
  return (
    <>
      <form class="search" onSubmit={submit}>
        <TextField label={W.tracing.compare.other} name="with" width="grow" value={id} placeholder={W.tracing.compare.placeholder} onInput={setId} />
        <button type="submit" class="primary">
          {W.tracing.compare.go}
        </button>
        <FormError text={bad} />
      </form>
      <h3>{W.tracing.compare.like}</h3>
      <Fetch of={f} isEmpty={(d) => d.length === 0} empty={<p class="dim">{W.tracing.compare.none}</p>}>
        {(d) => (
          <>
            {d.map((t) => (
              <a class="like-row" key={t.id} href={here({ with: t.id })}>
                <span class="t">{clock(t.startUs / 1000, true)}</span>
                <span class="mono dim">{safe(t.id)}</span>
                <span>{t.errors ? <b class="bad">✕ {W.traces.errors(t.errors)}</b> : <span class="dim">{W.traces.fine}</span>}</span>
                <span class="dim">{W.traces.spans(t.nodes.length)}</span>
                <b class="n">{seconds(t.durationUs / 1e6)}</b>
              </a>
            ))}
          </>
        )}
      </Fetch>
    </>
  )
}

const TONES: Record<string, string> = { slower: 'bad', gone: 'warn', added: 'warn', more: 'warn', fewer: 'warn', faster: 'ok', same: 'dim' }

function DiffRow({ d }: { d: Difference }) {
  const cell = (f: Difference['a']) => (f ? seconds(f.totalUs / 1e6) : '–')
  return (
    <div class={`diff-row ${d.verdict}`}>
      <span class="diff-name" style={{ paddingLeft: `${Math.min(d.depth, INDENT_MAX) * INDENT_PX}px` }} title={safe(cut(d.name, NAME_MAX))}>
        <span class="dim">{safe(d.service)}</span> {safe(cut(d.name, NAME_MAX))}
      </span>
      <span class={`diff-verdict ${TONES[d.verdict]}`}>{W.tracing.compare.verdict[d.verdict]}</span>
      <span class="n wide">
        {d.a ? count(d.a.count) : '–'} → {d.b ? count(d.b.count) : '–'}
      </span>
      <span class="n wide">
        {cell(d.a)} → {cell(d.b)}
      </span>
      <span class={`n ${d.verdict === 'same' ? 'dim' : TONES[d.verdict]}`}>{d.us === 0 ? '0' : signed(d.us)}</span>
    </div>
  )
}

const idOf = (d: Difference) => `${d.depth} ${d.id}`

function Differences({ a, b }: { a: TraceView; b: TraceView }) {
  const address = useAddress()
  const ref = useRef<HTMLElement | null>(null) as ListRef
  const all = useMemo(() => compare(flameOf(a.nodes), flameOf(b.nodes)), [a, b])
  const different = useMemo(() => all.filter((d) => d.verdict !== 'same'), [all])
  const only = address.get('diff') === 'only'
  const side = (name: string, v: TraceView, to: string) => (
    <span>
      <b>{name}</b> <a href={to} class="mono">{safe(v.id.slice(0, 16))}…</a> {seconds(v.durationUs / 1e6)} <span class="dim">{W.traces.spans(v.nodes.length)}, {W.traces.errors(v.errors)}</span>
    </span>
  )
  return (
    <div class="compare">
      <div class="joins">
        {side(W.tracing.compare.a, a, link(`/trace/${a.id}`))}
        {side(W.tracing.compare.b, b, link(`/trace/${b.id}`))}
        <a href={link(`/trace/${b.id}`, { view: 'compare', with: a.id })}>{W.tracing.compare.swap}</a>
        <a href={here({ with: null })}>{W.tracing.compare.choose}</a>
        <button type="button" class={`chip ${only ? 'on' : ''}`} aria-pressed={only} onClick={() => change({ diff: only ? null : 'only' }, true)}>
          {W.tracing.compare.onlyDifferent}
        </button>
      </div>
      <p>
        <b>{W.tracing.compare.summary(different.length, all.length)}</b> <span class="dim">{W.tracing.compare.rule}</span>
      </p>
      <div class="diff-row diff-head dim">
        <span>{W.tracing.compare.path}</span>
        <span />
        <span class="n wide">{W.tracing.compare.calls}</span>
        <span class="n wide">{W.tracing.flame.total}</span>
        <span class="n">{W.tracing.compare.difference}</span>
      </div>
      <VirtualList items={only ? different : all} keyOf={idOf} rowPx={ROW_PX} listRef={ref} label={W.tracing.compare.path}>
        {(d) => <DiffRow d={d} />}
      </VirtualList>
    </div>
  )
}

export function CompareView({ view }: { view: TraceView }) {
  const other = useAddress().get('with')
  const f = useFetch(other ? `trace|${other}` : null, 0, (s) =>
    trace(other, s).catch((e: unknown) => {
      if (e instanceof ServerError && e.status === 404) return null
      throw e
    }),
  )
  const b = useMemo(() => (f.data ? viewTrace(f.data) : null), [f.data])
  if (!other) return <Choose view={view} />
  return (
    <Fetch
      of={f}
      rows={8}
      isEmpty={(d) => d === null}
      empty={
        <>
          <Empty why={W.tracing.compare.missing(safe(other))} />
          <Choose view={view} />
        </>
      }
    >
      {() => b && <Differences a={view} b={b} />}
    </Fetch>
  )
}
