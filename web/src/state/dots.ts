// SPDX-License-Identifier: Apache-2.0
// The exemplars of queries as dots of their chart. A chart without them is a chart all the same: a failure is silent.
import { useMemo } from 'preact/hooks'
import { queryExemplars } from '../api/correlate'
import { link } from './address'
import { useFetch } from './fetch'
import { marksOf, type Mark } from '../lib/exemplars'
import type { Grid } from '../lib/series'
import { cut, safe } from '../lib/text'
import { W } from '../lib/words'
import type { Dot } from '../widgets/TimeChart'

const ID_MAX = 40

const dotOf = (m: Mark): Dot => ({
  t: m.t,
  v: m.v,
  href: link(m.isTrace ? `/trace/${m.id}` : `/correlate/${encodeURIComponent(m.id)}`),
  title: m.isTrace ? W.dots.trace(m.id) : W.dots.id(safe(m.name), safe(cut(m.id, ID_MAX))),
})

export function useDots(queries: string[], g: Grid, tick: number, factor = 1): Dot[] {
  const asked = queries.filter(Boolean)
  const f = useFetch(asked.length > 0 ? `dots|${asked.join('\u0001')}|${g.start}|${g.end}` : null, tick, async (s) => {
    const answers = await Promise.all(asked.map((q) => queryExemplars(q, g.start, g.end, s)))
    return answers.flatMap((a, i) => marksOf(a, asked[i], factor))
  })
  return useMemo(() => (f.data ?? []).map(dotOf), [f.data])
}
