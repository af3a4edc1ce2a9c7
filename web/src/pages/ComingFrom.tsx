// SPDX-License-Identifier: Apache-2.0
// Coming from another system: what of it works here, with what to copy, and what does not yet.
import { Fragment } from 'preact'
import { useState } from 'preact/hooks'
import { tools, type Tool, type Works } from '../api/tools'
import { change, useAddress } from '../state/address'
import { useFetch } from '../state/fetch'
import { useListKeys } from '../state/keys'
import { safe } from '../lib/text'
import { W } from '../lib/words'
import { Card } from '../widgets/Card'
import { CopyBox } from '../widgets/CopyBox'
import { Empty, Fetch } from '../widgets/States'

function Item({ of }: { of: Works }) {
  return (
    <li>
      {safe(of.what)} <span class="faint mono">{safe(of.how)}</span>
      {of.config && <CopyBox text={of.config.trimEnd()} label={of.what} />}
    </li>
  )
}

function One({ of, open, active, n }: { of: Tool; open: boolean; active: boolean; n: number }) {
  return (
    <li class={`tool ${open ? 'open' : ''} ${active ? 'active' : ''}`} data-item={n}>
      <button type="button" class="plain tool-head" aria-expanded={open} onClick={() => change({ tool: open ? null : of.name }, true)}>
        <b>{safe(of.name)}</b> <span class="dim">{W.comingFrom.count(of.works.length, of.not_yet.length)}</span>
      </button>
      {open && (
        <div class="columns">
          <section>
            <h3>
              <span class="mark ok" aria-hidden="true" />
              {W.comingFrom.works}
            </h3>
            <ul>
              {of.works.map((w, i) => (
                <Item key={i} of={w} />
              ))}
            </ul>
          </section>
          <section>
            <h3>
              <span class="mark idle" aria-hidden="true" />
              {W.comingFrom.notYet}
            </h3>
            {of.not_yet.length === 0 ? (
              <p class="dim">{W.comingFrom.everything}</p>
            ) : (
              <ul>
                {of.not_yet.map((w) => (
                  <li key={w}>{safe(w)}</li>
                ))}
              </ul>
            )}
          </section>
        </div>
      )}
    </li>
  )
}

function List({ all }: { all: Tool[] }) {
  const a = useAddress()
  const [filter, setFilter] = useState('')
  const list = all.filter((t) => t.name.toLowerCase().includes(filter.trim().toLowerCase()))
  const open = a.get('tool') || (list.length === 1 ? list[0].name : '')
  const keys = useListKeys(
    list.map((t) => t.name),
    (i) => change({ tool: list[i].name === open ? null : list[i].name }, true),
    () => (a.get('tool') ? (change({ tool: null }, true), true) : false),
  )
  return (
    <>
      <input class="filter" data-query="" value={filter} placeholder={W.comingFrom.filter} aria-label={W.comingFrom.filter} spellcheck={false} onInput={(e) => setFilter(e.currentTarget.value)} />
      <ul class="tools" ref={keys.ref as never}>
        {list.map((t, i) => (
          <Fragment key={t.name}>
            {t.group !== list[i - 1]?.group && <li class="group faint">{safe(t.group)}</li>}
            <One of={t} n={i} open={t.name === open} active={i === keys.active} />
          </Fragment>
        ))}
      </ul>
      {list.length === 0 && <p class="dim">{W.comingFrom.none}</p>}
    </>
  )
}

export function ComingFrom() {
  const f = useFetch('tools', 0, tools)
  return (
    <main id="main">
      <Card name="tools" title={W.comingFrom.title} note={W.comingFrom.note}>
        <Fetch of={f} rows={8} isEmpty={(d) => d.length === 0} empty={<Empty why={W.comingFrom.empty} />}>
          {(d) => <List all={d} />}
        </Fetch>
      </Card>
    </main>
  )
}
