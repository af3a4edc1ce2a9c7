// SPDX-License-Identifier: Apache-2.0
// What a span is known by, to choose from: the query that finds those like it.
import { useState } from 'preact/hooks'
import { link } from '../state/address'
import { cut, safe } from '../lib/text'
import type { Node, Tag } from '../lib/trace'
import { filter, likes } from '../lib/traceql'
import { W } from '../lib/words'

const CHIPS_FIRST = 14
const CHIP_MAX = 70

export function SpansLike({ node, process }: { node: Node; process: Tag[] }) {
  const all = likes(node.service, node.span.operationName, node.span.tags ?? [], process)
  const [chosen, setChosen] = useState(() => all.slice(0, 2).map((l) => l.condition))
  const [open, setOpen] = useState(false)
  const shown = open ? all : all.slice(0, CHIPS_FIRST)
  const query = filter(all.map((l) => l.condition).filter((c) => chosen.includes(c)))
  return (
    <section class="spans-like">
      <h3>
        {W.tracing.like.title} <small class="dim">{W.tracing.like.hint}</small>
      </h3>
      <p class="chips">
        {shown.map(({ condition }) => {
          const on = chosen.includes(condition)
          return (
            <button type="button" key={condition} class={`chip ${on ? 'on' : ''}`} aria-pressed={on} title={safe(condition)} onClick={() => setChosen(on ? chosen.filter((c) => c !== condition) : [...chosen, condition])}>
              {safe(cut(condition, CHIP_MAX))}
            </button>
          )
        })}
        {all.length > shown.length && (
          <button type="button" class="quiet" onClick={() => setOpen(true)}>
            {W.tracing.like.more(all.length - shown.length)}
          </button>
        )}
      </p>
      <p class="break">
        <a href={link('/traces', { mode: 'traceql', q: query })}>{W.tracing.like.go}</a> <span class="mono dim">{safe(query)}</span>
      </p>
    </section>
  )
}
