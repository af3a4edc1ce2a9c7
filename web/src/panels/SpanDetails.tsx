// SPDX-License-Identifier: Apache-2.0
// All that one span carries, by where it came from. However much it is, a part is drawn and the rest is one click away.
import { useState } from 'preact/hooks'
import type { LogLine } from '../api/loki'
import { here, link } from '../state/address'
import { tagText, type Node, type Tag, type TraceView } from '../lib/trace'
import { clock, msOf, utc } from '../lib/time'
import { cut, safe } from '../lib/text'
import { count, seconds } from '../lib/units'
import { W } from '../lib/words'
import { SpansLike } from './SpansLike'

const TAGS_FIRST = 60
const TAGS_STEP = 500
const VALUE_FIRST = 1000
const VALUE_MOST = 200000
const LINES_FIRST = 50
const LINE_MAX = 2000
const KEY_MAX = 300

export const isScope = (key: string): boolean => /^(otel\.)?(scope|library)\./.test(key)
const STATUS = ['otel.status_code', 'otel.status_description', 'error', 'span.kind', 'w3c.tracestate']

export function Value({ text }: { text: string }) {
  const [all, setAll] = useState(false)
  if (text.length <= VALUE_FIRST) return <>{safe(text, true)}</>
  if (!all)
    return (
      <>
        {safe(text.slice(0, VALUE_FIRST), true)}…{' '}
        <button type="button" class="quiet" onClick={() => setAll(true)}>
          {W.tracing.span.whole(count(text.length))}
        </button>
      </>
    )
  return (
    <>
      {safe(text.slice(0, VALUE_MOST), true)}
      {text.length > VALUE_MOST && <span class="dim"> … {W.tracing.span.still(count(text.length - VALUE_MOST))} </span>}
      <button type="button" class="quiet" onClick={() => void navigator.clipboard?.writeText(text)}>
        {W.tracing.span.copy}
      </button>
    </>
  )
}

function Tags({ title, tags }: { title: string; tags: Tag[] }) {
  const [shown, setShown] = useState(TAGS_FIRST)
  if (tags.length === 0) return null
  return (
    <section>
      <h3>
        {title} <small class="dim">{tags.length}</small>
      </h3>
      <table>
        <tbody>
          {tags.slice(0, shown).map((t, i) => (
            <tr key={t.key + i}>
              <th scope="row" title={safe(cut(t.key, KEY_MAX))}>
                {safe(cut(t.key, KEY_MAX))}
              </th>
              <td class={`break ${t.key === 'error' && tagText(t.value) === 'true' ? 'bad' : ''}`}>
                <Value text={tagText(t.value)} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      {tags.length > shown && (
        <button type="button" class="quiet" onClick={() => setShown(shown + TAGS_STEP)}>
          {W.tracing.span.more(tags.length - shown)}
        </button>
      )}
    </section>
  )
}

function Links({ node, view }: { node: Node; view: TraceView }) {
  const refs = (node.span.references ?? []).filter((r) => !(r.refType === 'CHILD_OF' && r.traceID === node.span.traceID && !node.orphan && !node.cut))
  const [shown, setShown] = useState(TAGS_FIRST)
  if (refs.length === 0) return null
  const names = new Map(view.nodes.map((n) => [n.span.spanID, n]))
  return (
    <section>
      <h3>{W.tracing.span.links}</h3>
      {refs.slice(0, shown).map((r, i) => {
        const own = r.traceID === node.span.traceID
        const to = own ? names.get(r.spanID) : undefined
        const what = r.refType === 'CHILD_OF' ? W.tracing.span.parent : safe(r.refType)
        return (
          <p class="span-link" key={i}>
            <span class="dim">{what}</span>{' '}
            {own && !to ? (
              <span class="mono">
                {safe(r.spanID)} <span class="dim">{W.tracing.span.missing}</span>
              </span>
            ) : (
              <a class="mono" href={own ? here({ span: to!.key, view: null }) : link(`/trace/${encodeURIComponent(r.traceID)}`, { span: r.spanID })}>
                {own ? `${safe(to!.service)}: ${safe(cut(to!.span.operationName, KEY_MAX))}` : safe(r.traceID)}
              </a>
            )}{' '}
            <span class="dim">{own ? (to ? W.tracing.span.sameTrace : '') : `${W.tracing.span.otherTrace}, ${W.trace.span} ${safe(r.spanID)}`}</span>
          </p>
        )
      })}
      {refs.length > shown && (
        <button type="button" class="quiet" onClick={() => setShown(shown + TAGS_STEP)}>
          {W.tracing.span.more(refs.length - shown)}
        </button>
      )}
    </section>
  )
}

function Events({ node, view }: { node: Node; view: TraceView }) {
  const logs = [...(node.span.logs ?? [])].sort((a, b) => a.timestamp - b.timestamp)
  const [shown, setShown] = useState(TAGS_FIRST)
  if (logs.length === 0) return null
  return (
    <section>
      <h3>
        {W.trace.events} <small class="dim">{logs.length}</small>
      </h3>
      {logs.slice(0, shown).map((l, i) => {
        const name = l.fields.find((f) => f.key === 'event')
        const rest = l.fields.filter((f) => f !== name)
        return (
          <div class="event" key={i}>
            <span class="t">+{seconds((l.timestamp + node.shiftUs - view.startUs) / 1e6)}</span>
            <div>
              {name && <b class={tagText(name.value) === 'exception' ? 'bad' : ''}>{safe(cut(tagText(name.value), KEY_MAX))}</b>}
              {rest.slice(0, TAGS_FIRST).map((f, j) => (
                <div class="break" key={j}>
                  <span class="dim">{safe(cut(f.key, KEY_MAX))}=</span>
                  <Value text={tagText(f.value)} />
                </div>
              ))}
              {rest.length > TAGS_FIRST && <span class="dim">{W.tracing.span.more(rest.length - TAGS_FIRST)}</span>}
            </div>
          </div>
        )
      })}
      {logs.length > shown && (
        <button type="button" class="quiet" onClick={() => setShown(shown + TAGS_STEP)}>
          {W.tracing.span.more(logs.length - shown)}
        </button>
      )}
    </section>
  )
}

function Lines({ lines }: { lines: LogLine[] }) {
  if (lines.length === 0) return null
  return (
    <section>
      <h3>
        {W.tracing.span.lines} <small class="dim">{lines.length}</small>
      </h3>
      <div class="log tight">
        {lines.slice(0, LINES_FIRST).map((l) => (
          <div key={l.id} class={`line ${l.level}`}>
            <span class="t" title={utc(msOf(l.ns))}>
              {clock(msOf(l.ns), true)}
            </span>
            <span class="lv">{W.levels[l.level]}</span>
            <span class="tx">{safe(cut(l.text, LINE_MAX))}</span>
          </div>
        ))}
      </div>
      {lines.length > LINES_FIRST && <p class="dim">{W.tracing.span.more(lines.length - LINES_FIRST)}</p>}
    </section>
  )
}

export function SpanDetails({ node, view, process, lines, onZoom }: { node: Node; view: TraceView; process: Tag[]; lines: LogLine[]; onZoom: () => void }) {
  const s = node.span
  const ms = s.startTime / 1000
  const tags = s.tags ?? []
  const status = STATUS.flatMap((k) => tags.filter((t) => t.key === k))
  return (
    <div class="details span-details">
      <div class="joins">
        <span>
          <span class="dim">{W.trace.started}</span> +{seconds((node.startUs - view.startUs) / 1e6)}
        </span>
        <span>
          <span class="dim">{W.trace.lasts}</span> {seconds(s.duration / 1e6)}
        </span>
        <span>
          <span class="dim">{W.trace.self}</span> {seconds(node.selfUs / 1e6)}
        </span>
        {node.shiftUs !== 0 && <span class="warn">{W.tracing.view.shiftedHint(signed(node.shiftUs))}</span>}
        <span class="dim" title={utc(ms)}>
          {clock(ms, true)}
        </span>
        <span class="mono dim">
          {W.trace.span} {safe(s.spanID)}
        </span>
        <button type="button" class="quiet" onClick={onZoom}>
          {W.tracing.view.zoom}
        </button>
      </div>
      <div class="columns">
        <div>
          <Tags title={W.tracing.span.status} tags={status} />
          <Tags title={W.tracing.span.attributes} tags={tags.filter((t) => !STATUS.includes(t.key) && !isScope(t.key))} />
        </div>
        <div>
          <Tags title={W.tracing.span.scope} tags={tags.filter((t) => isScope(t.key))} />
          <Tags title={W.tracing.span.resource} tags={[{ key: 'service.name', value: node.service }, ...process.filter((t) => t.key !== 'service.name')]} />
        </div>
      </div>
      <Events node={node} view={view} />
      <Lines lines={lines} />
      <Links node={node} view={view} />
      <SpansLike node={node} process={process} />
      {(s.warnings ?? []).length > 0 && (
        <section>
          <h3>{W.trace.warnings}</h3>
          {(s.warnings ?? []).map((w) => (
            <p key={w}>{safe(w)}</p>
          ))}
        </section>
      )}
    </div>
  )
}

export const signed = (us: number): string => (us < 0 ? '−' : '+') + seconds(Math.abs(us) / 1e6)
