// SPDX-License-Identifier: Apache-2.0
// Ctrl-K: pages, services, metrics, a trace id, or a search in the logs, by a few letters.
import { useRef, useState } from 'preact/hooks'
import { BAR } from '../pages'
import { metricNames } from '../api/prom'
import { labelValues } from '../api/loki'
import { services } from '../api/jaeger'
import { go, link, useRange } from '../state/address'
import { useFetch } from '../state/fetch'
import { addContains, LOGS_DEFAULT, quote } from '../lib/logql'
import { looksLikeId } from '../lib/exemplars'
import { cut, safe } from '../lib/text'
import { W } from '../lib/words'
import { Dialog } from './Dialog'

interface Item {
  kind: string
  name: string
  href: string
}
const SHOWN_MAX = 40

// Every word of the text must occur; an earlier place and a shorter name rank first.
export function rank(items: Item[], text: string): Item[] {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean)
  const scored: { item: Item; score: number }[] = []
  for (const item of items) {
    const name = item.name.toLowerCase()
    let score = name.length / 100
    const fits = words.every((w) => {
      const at = name.indexOf(w)
      score += at
      return at >= 0
    })
    if (fits) scored.push({ item, score })
  }
  return scored
    .sort((a, b) => a.score - b.score)
    .slice(0, SHOWN_MAX)
    .map((s) => s.item)
}

function matches(text: string, known: Item[]): Item[] {
  const t = text.trim()
  const list = rank(known, t)
  if (/^[0-9a-fA-F]{16,32}$/.test(t)) list.unshift({ kind: W.palette.trace, name: t.toLowerCase(), href: link(`/trace/${t.toLowerCase()}`) })
  // An id leads to all that carries it; a name that looks like one is found before.
  if (looksLikeId(t)) list.splice(list.length > 0 && list[0].kind === W.palette.trace ? 1 : 0, 0, { kind: W.correlate.palette, name: t, href: link(`/correlate/${encodeURIComponent(t)}`) })
  if (t) list.push({ kind: W.palette.logsFor, name: t, href: link('/logs', { q: addContains(LOGS_DEFAULT, t) }) })
  return list
}

export function Palette({ onClose }: { onClose: () => void }) {
  const r = useRange()
  const [text, setText] = useState('')
  const [at, setAt] = useState(0)
  const list = useRef<HTMLUListElement>(null)
  const metrics = useFetch('metrics', 0, (s) => metricNames(Math.floor(r.startMs / 1000), Math.ceil(r.endMs / 1000), s))
  const traced = useFetch('services', 0, services)
  const logging = useFetch('logging', 0, (s) => labelValues('service_name', s))
  const known = [
    ...BAR.map((p) => ({ kind: W.palette.page, name: p.name, href: link(p.path) })),
    ...(traced.data ?? []).map((name) => ({ kind: `${W.palette.service} · ${W.pages.traces.toLowerCase()}`, name, href: link('/traces', { service: name }) })),
    ...(logging.data ?? []).map((name) => ({ kind: `${W.palette.service} · ${W.pages.logs.toLowerCase()}`, name, href: link('/logs', { q: `{service_name=${quote(name)}}` }) })),
    ...(metrics.data ?? []).map((name) => ({ kind: W.palette.metric, name, href: link('/metrics-explorer', { q: /_(total|count|sum|bucket)$/.test(name) ? `rate(${name}[1m])` : name }) })),
  ]
  const items = matches(text, known)
  const open = (item: Item | undefined) => {
    if (!item) return
    onClose()
    go(item.href)
  }
  const onKey = (e: KeyboardEvent) => {
    const step = e.key === 'ArrowDown' ? 1 : e.key === 'ArrowUp' ? -1 : 0
    if (step) {
      e.preventDefault()
      const next = Math.max(0, Math.min(items.length - 1, at + step))
      setAt(next)
      list.current?.children[next]?.scrollIntoView({ block: 'nearest' })
    } else if (e.key === 'Enter') {
      e.preventDefault()
      open(items[at])
    }
  }
  return (
    <Dialog class="palette" label={W.palette.title} onClose={onClose}>
      <input
        autofocus
        value={text}
        placeholder={W.goAnywhere}
        aria-label={W.palette.title}
        spellcheck={false}
        autocomplete="off"
        onInput={(e) => {
          setText(e.currentTarget.value)
          setAt(0)
        }}
        onKeyDown={onKey}
      />
      <ul ref={list} role="listbox">
        {items.map((item, i) => (
          <li key={item.kind + item.name} role="option" aria-selected={i === at} class={i === at ? 'active' : ''} onPointerMove={() => setAt(i)} onClick={() => open(item)}>
            <span class="mono">{safe(cut(item.name, 120))}</span>
            <span class="dim">{item.kind}</span>
          </li>
        ))}
        {items.length === 0 && <li class="dim">{W.palette.none}</li>}
      </ul>
    </Dialog>
  )
}
