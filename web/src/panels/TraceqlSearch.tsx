// SPDX-License-Identifier: Apache-2.0
// The search for traces by a query: its line, and traces, lines or differences, as it asks for.
import { useRef } from 'preact/hooks'
import { search } from '../api/tempo'
import { QueryEditor } from '../editor/QueryEditor'
import { change, here, useAddress, useRange } from '../state/address'
import { useFetch } from '../state/fetch'
import { refreshNow } from '../state/refresh'
import { numbersOf } from '../lib/traceql'
import { W } from '../lib/words'
import { Card } from '../widgets/Card'
import { Empty, Fetch, Notes } from '../widgets/States'
import { TraceqlFound } from './TraceqlFound'
import { TraceqlNumbers, useNumbers } from './TraceqlNumbers'

const LIMIT_DEFAULT = 20
const LIMITS = ['20', '50', '100', '200', '500']
// Spans that are told of a set: fewer of each where many traces are asked for.
const SPANS_FEW = 100
const SPANS_MANY = 20
const MANY_TRACES = 100

function Examples() {
  return (
    <Card name="examples" title={W.tracing.ql.start} note={W.tracing.ql.startNote}>
      <ul class="examples">
        {W.tracing.ql.examples.map(([query, what]) => (
          <li key={query}>
            <a class="mono" href={here({ q: query })}>
              {query}
            </a>{' '}
            <span class="dim">{what}</span>
          </li>
        ))}
      </ul>
    </Card>
  )
}

export function TraceqlSearch() {
  const a = useAddress()
  const r = useRange()
  const query = a.get('q')
  const limit = Math.max(1, Number(a.get('limit')) || LIMIT_DEFAULT)
  const typed = useRef(query)
  const numbers = numbersOf(query)
  const traces = useFetch(query && !numbers ? ['ql', query, limit, r.range.from, r.range.to].join('|') : null, r.tick, async (signal) => {
    const found = await search(query, { startMs: r.startMs, endMs: r.endMs, limit, perSet: limit > MANY_TRACES ? SPANS_MANY : SPANS_FEW }, signal)
    return { found, startMs: r.startMs, endMs: r.endMs }
  })
  const values = useNumbers(numbers ? query : '', numbers?.name === 'compare')
  const f = numbers ? values : traces
  const run = (q: string) => {
    typed.current = q
    if (q.trim() === query) refreshNow()
    else change({ q: q.trim() })
  }
  return (
    <>
      <div class="querybar">
        <span class="lang">{W.tracing.ql.name}</span>
        <QueryEditor language="traceql" value={query} label={W.tracing.ql.title} placeholder={W.tracing.ql.placeholder} error={f.error?.message} onRun={run} onChange={(t) => (typed.current = t)} />
        <button type="button" class="run" onClick={() => run(typed.current)}>
          {W.tracing.ql.run} <kbd>↵</kbd>
        </button>
      </div>
      <div class="ql-tools">
        {!numbers && (
          <label>
            {W.tracing.ql.limit}{' '}
            <select name="limit" value={String(limit)} onChange={(e) => change({ limit: e.currentTarget.value })}>
              {[...new Set([...LIMITS, String(limit)])].map((n) => (
                <option key={n} value={n}>
                  {W.tracing.ql.limitOf(n)}
                </option>
              ))}
            </select>
          </label>
        )}
        <a href={W.tracing.ql.manualHref}>{W.tracing.ql.manual}</a>
      </div>
      {!query && <Examples />}
      {query && numbers && (
        <Card name="numbers" busy={values.busy}>
          <TraceqlNumbers of={values} query={query} />
        </Card>
      )}
      {query && !numbers && (
        <Card name="traces" busy={traces.busy}>
          <Notes kind="warning" notes={traces.data?.found.warnings ?? []} />
          <Fetch of={traces} rows={8} isEmpty={(d) => d.found.traces.length === 0} empty={<Empty why={W.tracing.ql.empty} hint={W.tracing.ql.emptyHint} />}>
            {(d) => <TraceqlFound found={d.found} query={query} limit={limit} startMs={d.startMs} endMs={d.endMs} />}
          </Fetch>
        </Card>
      )}
    </>
  )
}
