// SPDX-License-Identifier: Apache-2.0
// A trace as a waterfall: the tree at the left, time to the right, one span open with all it carries. Only the spans near the window are drawn.
import { useEffect, useMemo, useRef, useState } from 'preact/hooks'
import { change, useAddress } from '../state/address'
import { useListKeys } from '../state/keys'
import { tagText, type Node, type Tag, type TraceView } from '../lib/trace'
import { seconds } from '../lib/units'
import { clock, utc } from '../lib/time'
import { safe } from '../lib/text'
import { W } from '../lib/words'
import { VirtualList } from '../widgets/VirtualList'

const ROW_PX = 22
const INDENT_PX = 14
const INDENT_MAX = 12
const TICKS = 4
const COLOURS = 6
const BAR_MIN_PERCENT = 0.3

function Tags({ title, tags }: { title: string; tags: Tag[] }) {
  if (tags.length === 0) return null
  return (
    <section>
      <h3>{title}</h3>
      <table>
        <tbody>
          {tags.map((t, i) => (
            <tr key={t.key + i}>
              <th scope="row">{safe(t.key)}</th>
              <td class={`break ${t.key === 'error' && tagText(t.value) === 'true' ? 'bad' : ''}`}>{safe(tagText(t.value), true)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  )
}

function Details({ node, view, process }: { node: Node; view: TraceView; process: Tag[] }) {
  const s = node.span
  const ms = s.startTime / 1000
  return (
    <div class="details span-details">
      <div class="joins">
        <span>
          <span class="dim">{W.trace.started}</span> +{seconds((s.startTime - view.startUs) / 1e6)}
        </span>
        <span>
          <span class="dim">{W.trace.lasts}</span> {seconds(s.duration / 1e6)}
        </span>
        <span>
          <span class="dim">{W.trace.self}</span> {seconds(node.selfUs / 1e6)}
        </span>
        <span class="dim" title={utc(ms)}>
          {clock(ms, true)}
        </span>
        <span class="mono dim">
          {W.trace.span} {safe(s.spanID)}
        </span>
      </div>
      <div class="columns">
        <Tags title={W.trace.tags} tags={s.tags ?? []} />
        <Tags title={W.trace.process} tags={[{ key: 'service.name', value: node.service }, ...process.filter((t) => t.key !== 'service.name')]} />
      </div>
      {(s.logs ?? []).length > 0 && (
        <section>
          <h3>{W.trace.events}</h3>
          {(s.logs ?? []).map((l, i) => (
            <div class="event" key={i}>
              <span class="t">+{seconds((l.timestamp - view.startUs) / 1e6)}</span>
              <span class="break">{l.fields.map((f) => `${safe(f.key)}=${safe(tagText(f.value), true)}`).join('  ')}</span>
            </div>
          ))}
        </section>
      )}
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

const idOf = (n: Node) => n.span.spanID

export function Waterfall({ view, processes }: { view: TraceView; processes: Record<string, { serviceName: string; tags?: Tag[] }> }) {
  const a = useAddress()
  const open = a.get('span')
  const [closed, setClosed] = useState<ReadonlySet<string>>(new Set())
  const slots = useMemo(() => new Map([...view.services].sort().map((s, i) => [s, i])), [view])
  const nodes = useMemo(() => {
    const hidden = new Set<string>()
    return view.nodes.filter((n) => {
      if (n.parent !== null && (closed.has(n.parent) || hidden.has(n.parent))) {
        hidden.add(n.span.spanID)
        return false
      }
      return true
    })
  }, [view, closed])
  const tone = (service: string) => `c${((slots.get(service) ?? 0) % COLOURS) + 1}`
  const toggle = (id: string) => change({ span: id === open ? null : id }, true)
  const keys = useListKeys(useMemo(() => nodes.map(idOf), [nodes]), (i) => toggle(nodes[i].span.spanID), () => (open ? (toggle(open), true) : false))
  const seen = useRef('')
  useEffect(() => {
    // A link that names a span brings it into view, once.
    if (!open || seen.current === open) return
    seen.current = open
    const i = nodes.findIndex((n) => n.span.spanID === open)
    if (i >= 0 && !keys.ref.current?.querySelector(`[data-span="${CSS.escape(open)}"]`)) keys.ref.show?.(i, 'center')
  }, [open, nodes])
  const fold = (id: string) => {
    const next = new Set(closed)
    if (!next.delete(id)) next.add(id)
    setClosed(next)
  }
  const total = Math.max(view.durationUs, 1)
  const ticks = Array.from({ length: TICKS + 1 }, (_, i) => i / TICKS)
  return (
    <div class="waterfall">
      <div class="wf-head wf-row" aria-hidden="true">
        <span />
        <span class="wf-ticks">
          {ticks.map((t) => (
            <span key={t} style={{ left: `${t * 100}%` }}>
              {seconds((t * total) / 1e6)}
            </span>
          ))}
        </span>
        <span />
      </div>
      <VirtualList items={nodes} keyOf={idOf} rowPx={ROW_PX} listRef={keys.ref} label={W.trace.list}>
        {(n, i) => {
          const s = n.span
          const left = ((s.startTime - view.startUs) / total) * 100
          const width = Math.max(BAR_MIN_PERCENT, (s.duration / total) * 100)
          const isOpen = s.spanID === open
          return (
            <div data-span={s.spanID} class={`wf-item ${isOpen ? 'open' : ''}`}>
              <div class={`wf-row ${i === keys.active ? 'active' : ''}`} role="button" aria-expanded={isOpen} tabIndex={-1} onClick={() => toggle(s.spanID)}>
                <span class="wf-name" style={{ paddingLeft: `${Math.min(n.depth, INDENT_MAX) * INDENT_PX}px` }} title={`${safe(n.service)}: ${safe(s.operationName)}`}>
                  {n.children > 0 ? (
                    <button
                      type="button"
                      class="fold"
                      aria-label={closed.has(s.spanID) ? W.trace.expand : W.trace.collapse}
                      onClick={(e) => {
                        e.stopPropagation()
                        fold(s.spanID)
                      }}
                    >
                      {closed.has(s.spanID) ? '▸' : '▾'}
                    </button>
                  ) : (
                    <span class="fold" />
                  )}
                  <i class={`swatch round ${tone(n.service)}`} />
                  <span class="dim">{safe(n.service)}</span> {safe(s.operationName)}
                  {n.error && <b class="bad"> ✕ {W.trace.error}</b>}
                </span>
                <span class="wf-lane">
                  <i class={`wf-bar ${tone(n.service)} ${n.error ? 'failed' : ''}`} style={{ left: `${Math.min(left, 100 - BAR_MIN_PERCENT)}%`, width: `${Math.min(width, 100 - Math.min(left, 100 - BAR_MIN_PERCENT))}%` }} />
                  {(s.logs ?? []).map((l, j) => (
                    <i key={j} class="wf-event" style={{ left: `${((l.timestamp - view.startUs) / total) * 100}%` }} />
                  ))}
                </span>
                <span class="n">{seconds(s.duration / 1e6)}</span>
              </div>
              {isOpen && <Details node={n} view={view} process={processes[s.processID]?.tags ?? []} />}
            </div>
          )
        }}
      </VirtualList>
    </div>
  )
}
