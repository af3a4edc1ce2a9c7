// SPDX-License-Identifier: Apache-2.0
// The newest errors in the logs of all services; each line leads to its place in Logs.
import { queryLines, type LogLine } from '../api/loki'
import { change, link, useAddress, useRange } from '../state/address'
import { useFetch } from '../state/fetch'
import { LOGS_DEFAULT, LOGS_ERRORS, quote, withLevels } from '../lib/logql'
import { clock, day, msOf, nsOf, sameDay } from '../lib/time'
import { cut, safe } from '../lib/text'
import { W } from '../lib/words'
import { levelsIn, LevelFilter } from './LevelFilter'
import { Card } from '../widgets/Card'
import { Fetch } from '../widgets/States'

const LINES_SHOWN = 10
const AROUND_MS = 15 * 60000
const TEXT_MAX = 400
const DEFAULT_LEVELS = 'critical,error'

export function placeInLogs(l: LogLine): string {
  const ms = msOf(l.ns)
  const service = l.labels.service_name
  const q = service ? `{service_name=${quote(service)}}` : LOGS_DEFAULT
  return link('/logs', { q, from: String(ms - AROUND_MS), to: String(ms + 1000), sel: l.id, refresh: null })
}

export function ErrorsPanel() {
  const a = useAddress()
  const r = useRange()
  const levels = levelsIn(a.get('levels') || DEFAULT_LEVELS)
  const query = a.get('levels') ? withLevels(LOGS_DEFAULT, levels) : LOGS_ERRORS
  const f = useFetch(`${query}|${r.range.from}|${r.range.to}`, r.tick, (s) => queryLines(query, nsOf(r.startMs), nsOf(r.endMs), LINES_SHOWN, s))
  return (
    <Card
      name="errors"
      title={W.home.newestErrors}
      note={f.data && f.data.lines.length > 0 && W.home.errorsCount(f.data.lines.length, f.data.full)}
      aside={
        <>
          <LevelFilter value={levels} onChange={(l) => change({ levels: l.join(',') || null }, true)} /> <a href={link('/logs', { q: query })}>{W.home.allErrors}</a>
        </>
      }
    >
      <Fetch of={f} isEmpty={(d) => d.lines.length === 0} empty={<p class="fine">{W.home.errorsEmpty}</p>}>
        {(d) => (
          <div class="log tight">
            {d.lines.map((l) => {
              const ms = msOf(l.ns)
              return (
                <a key={l.id} class={`line ${l.level}`} href={placeInLogs(l)}>
                  <span class="t">{sameDay(ms, Date.now()) ? clock(ms, true) : `${day(ms)} ${clock(ms)}`}</span>
                  <span class="lv">{W.levels[l.level]}</span>
                  <span class="sv">{safe(l.labels.service_name ?? '')}</span>
                  <span class="tx">{safe(cut(l.text, TEXT_MAX))}</span>
                </a>
              )
            })}
          </div>
        )}
      </Fetch>
    </Card>
  )
}
