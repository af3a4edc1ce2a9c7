// SPDX-License-Identifier: Apache-2.0
// All boards, and the door for those that come from Grafana.
import { useState } from 'preact/hooks'
import { boards, deleteBoard, putBoard, type BoardRow } from '../api/boards'
import { readBoard } from '../lib/board'
import { go, link, useAddress } from '../state/address'
import { useFetch } from '../state/fetch'
import { refreshNow, useTick } from '../state/refresh'
import { safe } from '../lib/text'
import { W } from '../lib/words'
import { Card } from '../widgets/Card'
import { FormError } from '../widgets/Field'
import { Empty, Fetch } from '../widgets/States'
import { Table, type Column } from '../widgets/Table'

// A document without a uid gets one from its title, so that the same board imported twice is one board.
const uidOf = (uid: string, title: string) => uid || title.toLowerCase().replace(/[^a-z0-9]+/g, '-').replace(/^-|-$/g, '').slice(0, 40)

function Import() {
  const [text, setText] = useState('')
  const [bad, setBad] = useState('')
  const submit = (e: Event) => {
    e.preventDefault()
    let document: unknown
    try {
      document = JSON.parse(text)
    } catch (error) {
      return setBad(W.boards.notJson((error as Error).message))
    }
    const inner = (document as { dashboard?: unknown }).dashboard ?? document
    const b = readBoard(inner)
    const uid = uidOf(b.uid, b.title)
    if (!uid) return setBad(W.boards.noTitle)
    putBoard(uid, { ...(inner as object), uid }).then(
      () => go(link(`/boards/${uid}`)),
      (error: Error) => setBad(error.message),
    )
  }
  const pick = (e: Event) => {
    const file = (e.currentTarget as HTMLInputElement).files?.[0]
    file?.text().then(setText)
  }
  return (
    <Card name="import" title={W.boards.import} note={W.boards.importNote}>
      <form onSubmit={submit} class="stack">
        <input type="file" accept=".json,application/json" aria-label={W.boards.file} onChange={pick} />
        <textarea class="mono" rows={6} value={text} aria-label={W.boards.json} placeholder={'{"title": "…", "panels": [ … ]}'} spellcheck={false} onInput={(e) => setText(e.currentTarget.value)} />
        <div>
          <button type="submit" class="primary" disabled={!text.trim()}>
            {W.boards.importDo}
          </button>
        </div>
        <FormError text={bad} />
      </form>
    </Card>
  )
}

export function Boards() {
  useAddress()
  const tick = useTick()
  const of = useFetch('boards', tick, boards)
  const [bad, setBad] = useState('')
  const remove = (b: BoardRow) => {
    if (confirm(W.boards.sure(b.title))) deleteBoard(b.uid).then(refreshNow, (error: Error) => setBad(error.message))
  }
  const columns: Column<BoardRow>[] = [
    { title: W.boards.title, draw: (b) => <a href={link(`/boards/${encodeURIComponent(b.uid)}`)}>{safe(b.title || b.uid)}</a> },
    { title: W.boards.tags, wide: true, draw: (b) => safe((b.tags ?? []).join(', ')) },
    { title: '', draw: (b) => (b.built_in ? <span class="dim">{W.boards.builtIn}</span> : '') },
    {
      title: '',
      number: true,
      draw: (b) =>
        b.built_in ? (
          ''
        ) : (
          <button type="button" class="quiet" onClick={() => remove(b)}>
            {W.boards.remove}
          </button>
        ),
    },
  ]
  return (
    <main id="main">
      <Card name="boards" title={W.pages.boards}>
        <FormError text={bad} />
        <Fetch of={of} isEmpty={(d) => d.length === 0} empty={<Empty why={W.boards.none} />}>
          {(d) => <Table columns={columns} rows={d} keyOf={(b) => b.uid} />}
        </Fetch>
      </Card>
      <Import />
    </main>
  )
}
