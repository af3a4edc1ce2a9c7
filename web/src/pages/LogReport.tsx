// SPDX-License-Identifier: Apache-2.0
// The report on logs: who fills the disk with lines, what to do about it, and which lines are worth the place.
import { kinds, SHARES, volume, type Kind, type Share, type Volume, type VolumeRow } from '../api/report'
import { change, link, useAddress, useRange } from '../state/address'
import { useFetch } from '../state/fetch'
import { addContains, levelOf, quote } from '../lib/logql'
import { bytes, count, percent } from '../lib/units'
import { clock, day, msOf, sameDay, utc } from '../lib/time'
import { cut, safe } from '../lib/text'
import { W } from '../lib/words'
import { fits, levelsIn, LevelFilter } from '../panels/LevelFilter'
import { LogsTabs } from '../panels/LogsTabs'
import { Card } from '../widgets/Card'
import { CopyBox } from '../widgets/CopyBox'
import { ShareBar } from '../widgets/Share'
import { Empty, Fetch } from '../widgets/States'
import { Table, type Column } from '../widgets/Table'
import { Tabs } from '../widgets/Tabs'

const ROWS_SHOWN = 30
const PATTERN_MAX = 160
const EXAMPLE_MAX = 400
const WORD_MIN = 6
const AROUND_MS = 60000

// The longest run of a pattern without a placeholder finds its lines again.
export function wordsOf(pattern: string): string {
  const parts = pattern.split(/<[^<>]*>|\*|…/).map((p) => p.trim())
  const best = parts.reduce((a, b) => (b.length > a.length ? b : a), '')
  return best.length >= WORD_MIN ? best : ''
}

function queryOf(by: Share, r: VolumeRow): string {
  const service = by === 'service' ? r.key : r.service
  const level = by === 'level' ? r.key : r.level
  const selector = service ? `{service_name=${quote(service)}}` : '{service_name=~".+"}'
  const levelled = level ? `${selector} | detected_level=${quote(level)}` : selector
  const words = by === 'pattern' ? wordsOf(r.key) : ''
  return words ? addContains(levelled, words) : levelled
}

function Rows({ d, by }: { d: Volume; by: Share }) {
  const columns: Column<VolumeRow>[] = [
    {
      title: W.report.key[by],
      class: () => (by === 'pattern' ? 'mono break' : ''),
      draw: (r) => (
        <a href={link('/logs', { q: queryOf(by, r) })} class="quiet-link">
          {by === 'level' ? <span class={`level-name ${levelOf(r.key)}`}>{safe(r.key)}</span> : safe(cut(r.key, PATTERN_MAX)) || '""'}
        </a>
      ),
    },
    ...(by === 'pattern'
      ? [
          { title: W.report.key.service, wide: true, draw: (r: VolumeRow) => safe(r.service ?? '') },
          { title: W.report.key.level, draw: (r: VolumeRow) => <span class={`level-name ${levelOf(r.level)}`}>{safe(r.level ?? '')}</span> },
        ]
      : []),
    { title: '', wide: true, draw: (r) => <ShareBar share={r.share} tone={by === 'service' ? 'c1' : `lv ${levelOf(by === 'level' ? r.key : r.level)}`} /> },
    { title: W.report.share, number: true, draw: (r) => <b>{percent(r.share)}</b> },
    { title: W.report.bytes, number: true, draw: (r) => bytes(r.bytes) },
    { title: W.report.linesColumn, number: true, wide: true, draw: (r) => count(r.lines) },
    { title: W.report.perLine, number: true, wide: true, draw: (r) => (r.lines ? bytes(Math.round(r.bytes / r.lines)) : '–') },
  ]
  return <Table columns={columns} rows={d.rows.slice(0, ROWS_SHOWN)} keyOf={(r) => `${r.service}|${r.level}|${r.key}`} class="shares" />
}

function Findings({ d }: { d: Volume }) {
  if (d.findings.length === 0) return <p class="dim">{W.report.noFindings}</p>
  return (
    <ul class="volume-findings">
      {d.findings.map((f) => (
        <li key={f.text}>
          <p>
            <span class="mark warn" aria-hidden="true" /> {safe(f.text)}
          </p>
          {f.suggestion && (
            <>
              <p class="dim">{W.report.instead}</p>
              <CopyBox text={f.suggestion.trimEnd()} />
            </>
          )}
        </li>
      ))}
    </ul>
  )
}

function VolumePanel() {
  const a = useAddress()
  const r = useRange()
  const by = SHARES.find((x) => x === a.get('by')) ?? 'level'
  const f = useFetch(`volume|${by}|${r.range.from}|${r.range.to}`, r.tick, async (s) => ({ by, d: await volume(by, r.startMs, r.endMs, s) }))
  const total = f.data?.d
  const isEmpty = (x: { d: Volume }) => x.d.rows.length === 0
  return (
    <>
      {total && !isEmpty(f.data!) && (
        <Card name="findings" title={W.report.findings} tone={total.findings.length > 0 ? 'warn' : undefined}>
          <Findings d={total} />
        </Card>
      )}
      <Card name="volume" title={W.report.volume} busy={f.busy} note={total && total.total_bytes > 0 && W.report.volumeNote(bytes(total.total_bytes), count(total.total_lines ?? total.rows.reduce((n, x) => n + x.lines, 0)))}>
        <Tabs tabs={SHARES.map((x) => ({ id: x, name: W.report.by[x] }))} value={by} label={W.report.volume} param="by" />
        {total?.partial && <p class="stale">{W.report.partial}</p>}
        <Fetch of={f} rows={6} isEmpty={isEmpty} empty={<Empty why={W.report.empty} hint={W.logs.emptyHint} command={W.logs.emptyCommand(location.origin)} />}>
          {(x) => <Rows d={x.d} by={x.by} />}
        </Fetch>
      </Card>
    </>
  )
}

function KindCard({ kind, levels }: { kind: Kind; levels: ReturnType<typeof levelsIn> }) {
  const shown = kind.examples.filter((e) => fits(levels, levelOf(e.severity)))
  return (
    <Card
      name={`kind-${kind.kind}`}
      class="kind-card"
      title={W.report.kind[kind.kind] ?? safe(kind.kind)}
      note={W.report.kindOf[kind.kind]}
      aside={<a href={link('/logs', { q: kind.query })}>{W.report.openLogs}</a>}
    >
      <div class="bigrow">
        <span class="big">{count(kind.count)}</span>
        <span class="dim">{kind.count === 1 ? W.logs.line.replace('1 ', '') : W.report.linesColumn}</span>
      </div>
      {kind.examples.length === 0 ? (
        <p class="dim">{W.report.kindNone}</p>
      ) : (
        <div class="log tight" role="group" aria-label={W.report.newest}>
          {shown.map((e) => {
            const ms = msOf(e.time_ns)
            const q = e.service ? `{service_name=${quote(e.service)}}` : kind.query
            return (
              <a key={e.time_ns + e.body} class={`line ${levelOf(e.severity)}`} href={link('/logs', { q, from: String(ms - AROUND_MS), to: String(ms + AROUND_MS), sel: `${e.time_ns}-` })}>
                <span class="t" title={utc(ms)}>
                  {sameDay(ms, Date.now()) ? clock(ms) : `${day(ms)} ${clock(ms)}`}
                </span>
                <span class="lv">{W.levels[levelOf(e.severity)]}</span>
                <span class="tx">
                  <span class="dim">{safe(e.service)}</span> {safe(cut(e.body, EXAMPLE_MAX))}
                </span>
              </a>
            )
          })}
          {shown.length === 0 && <p class="dim">{W.report.kindHidden}</p>}
        </div>
      )}
      <details>
        <summary>{W.report.queries}</summary>
        {(kind.queries?.length ? kind.queries : [kind.query]).map((q) => (
          <CopyBox key={q} text={q} />
        ))}
      </details>
    </Card>
  )
}

function Kinds() {
  const a = useAddress()
  const r = useRange()
  const levels = levelsIn(a.get('levels'))
  const f = useFetch(`kinds|${r.range.from}|${r.range.to}`, r.tick, (s) => kinds(r.startMs, r.endMs, s))
  return (
    <>
      <div class="section">
        <h2>
          {W.report.kinds} <small>{W.report.kindsNote}</small>
        </h2>
        <span class="spring" />
        <LevelFilter value={levels} onChange={(l) => change({ levels: l.join(',') }, true)} />
      </div>
      <Fetch of={f} rows={6}>
        {(list) => (
          <div class="grid2">
            {list.map((k) => (
              <KindCard key={k.kind} kind={k} levels={levels} />
            ))}
          </div>
        )}
      </Fetch>
    </>
  )
}

export function LogReport() {
  return (
    <main id="main">
      <LogsTabs view="report" />
      <VolumePanel />
      <Kinds />
    </main>
  )
}
