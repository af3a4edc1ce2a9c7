// SPDX-License-Identifier: Apache-2.0
// What the business pushed, with its trend: the first panel of its board. Nothing is shown where nothing is pushed.
import { board, boards } from '../api/boards'
import { queryInstant } from '../api/prom'
import { readBoard } from '../lib/board'
import { link, useRange } from '../state/address'
import { useFetch } from '../state/fetch'
import { W } from '../lib/words'
import { BoardPanel } from './BoardPanel'
import { homeGrid } from './HostPanel'

const TAG = 'business'

export function BusinessPanel() {
  const r = useRange()
  const g = homeGrid(r)
  const f = useFetch('business', Math.floor(r.tick / 6), async (s) => {
    const pushed = await queryInstant('count(push_time_seconds)', g.end, s)
    if (pushed.rows.length === 0) return null
    const row = (await boards(s)).find((b) => (b.tags ?? []).includes(TAG))
    if (!row) return null
    const read = readBoard(await board(row.uid, s))
    const panel = read.panels.find((p) => p.type === 'stat')
    return panel ? { uid: row.uid, panel, variables: read.variables } : null
  })
  if (!f.data) return null
  const { uid, panel, variables } = f.data
  return <BoardPanel panel={{ ...panel, title: W.glance.business, description: '' }} variables={variables} range={r} grid={g} more={<a href={link(`/boards/${uid}`)}>{W.glance.board}</a>} />
}
