// SPDX-License-Identifier: Apache-2.0
// Cost: what lies on disk, where, for how long and for how much; and taking out what must go.
import { useState } from 'preact/hooks'
import { cost, countErase, doErase, erases, STORAGES, type Cost as CostData, type CostClass, type CostService, type EraseAnswer, type EraseRow, type EraseWish } from '../api/cost'
import { change, link, useAddress } from '../state/address'
import { useFetch } from '../state/fetch'
import { refreshNow, useTick } from '../state/refresh'
import { useSession } from '../state/session'
import { durationText, parseTime, stamp, utc } from '../lib/time'
import { bytes, count, digits } from '../lib/units'
import { cut, safe } from '../lib/text'
import { W } from '../lib/words'
import { Badge } from '../widgets/Badge'
import { Card } from '../widgets/Card'
import { Confirm } from '../widgets/Confirm'
import { CopyBox } from '../widgets/CopyBox'
import { FormError, TextField } from '../widgets/Field'
import { PartsBar, ShareBar } from '../widgets/Share'
import { Empty, Fetch } from '../widgets/States'
import { Table, type Column } from '../widgets/Table'

const SERVICES_SHOWN = 50
const TONES: Record<string, string> = { local: 'c1', cloud: 'c3', archive: 'c6' }
const FOREVER_DAYS = 36500
const SIGNS: Record<string, string> = { USD: '$', EUR: '€', GBP: '£' }

// Small amounts keep two digits that say something: $0.0012.
function money(v: number, currency: string): string {
  const text = v === 0 ? '0' : v < 0.01 ? String(Number(v.toPrecision(2))) : v >= 1000 ? digits(v) : v.toFixed(2)
  const sign = SIGNS[currency] ?? (currency || '$')
  const shown = /e/.test(text) ? `<${sign}0.000001` : sign + text
  return safe(shown)
}

const kept = (days: number): string => (days <= 0 || days >= FOREVER_DAYS ? W.cost.forever : days < 1 ? durationText(days * 86400000) : W.cost.days(digits(days)))

function Totals({ d }: { d: CostData }) {
  const all = d.classes.reduce((n, c) => n + c.bytes, 0)
  const rows = d.classes.reduce((n, c) => n + c.rows, 0)
  const newest = [...d.days].reverse()
  const most = Math.max(1, ...newest.map((x) => x.bytes))
  return (
    <Card name="totals" class="totals">
      <div class="figures">
        <div>
          <span class="big">{money(d.total_month, d.currency)}</span>
          <span class="dim">{W.cost.month}</span>
        </div>
        <div>
          <span class="big">{bytes(all)}</span>
          <span class="dim">{W.cost.stored}</span>
        </div>
        <div>
          <span class="big">{bytes(d.growth_bytes_day)}</span>
          <span class="dim">{W.cost.growth}</span>
        </div>
        <div>
          <span class="big">{count(rows)}</span>
          <span class="dim">{W.cost.rows}</span>
        </div>
        {newest.length > 1 && (
          <div class="days" role="img" aria-label={W.cost.perDay}>
            <span class="columns-chart">
              {newest.map((x) => (
                <i key={x.day} title={`${safe(x.day)}: ${bytes(x.bytes)}, ${W.cost.rowsOf(count(x.rows))}`} style={{ height: `${Math.max(2, (x.bytes / most) * 100)}%` }} />
              ))}
            </span>
            <span class="dim">{W.cost.perDay}</span>
          </div>
        )}
      </div>
      {d.total_month === 0 && all > 0 && <p class="dim">{W.cost.noPrice}</p>}
    </Card>
  )
}

function Classes({ d }: { d: CostData }) {
  const columns: Column<CostClass>[] = [
    { title: W.cost.class, class: () => 'mono', draw: (c) => safe(c.name) },
    { title: W.cost.kept, number: true, draw: (c) => kept(c.retention_days) },
    { title: W.cost.storedIn, wide: true, draw: (c) => W.cost.storage[c.storage] ?? safe(c.storage) },
    { title: W.cost.price, number: true, wide: true, draw: (c) => (c.cost_per_gb ? money(c.cost_per_gb, d.currency) : '–') },
    {
      title: W.cost.where,
      wide: true,
      draw: (c) => {
        const at = c.bytes_by_storage ?? { [c.storage]: c.bytes }
        if (c.bytes === 0) return <span class="faint">–</span>
        const here = STORAGES.filter((s) => (at[s] ?? 0) > 0)
        return (
          <span class="where">
            <PartsBar parts={STORAGES.map((s) => ({ key: s, share: c.bytes ? (at[s] ?? 0) / c.bytes : 0, tone: TONES[s], title: `${W.cost.storage[s]} ${bytes(at[s] ?? 0)}` }))} />
            <small class="dim">
              {here.map((s) => `${W.cost.storage[s]} ${bytes(at[s] ?? 0)}${s !== c.storage ? ` (${W.cost.moving})` : ''}`).join(' · ') || '–'}
            </small>
          </span>
        )
      },
    },
    { title: W.cost.bytes, number: true, draw: (c) => bytes(c.bytes) },
    { title: W.cost.rows, number: true, wide: true, draw: (c) => count(c.rows) },
    { title: W.cost.oldest, number: true, wide: true, draw: (c) => (c.oldest_ms > 0 && c.rows > 0 ? <span title={utc(c.oldest_ms)}>{W.ago(durationText(Math.max(1000, Date.now() - c.oldest_ms)))}</span> : '–') },
    { title: W.cost.costMonth, number: true, draw: (c) => <b>{money(c.cost_month, d.currency)}</b> },
  ]
  return (
    <Card name="classes" title={W.cost.classes} note={W.cost.classesNote}>
      <Table columns={columns} rows={d.classes} keyOf={(c) => c.name} />
      {d.classes.length < 2 && (
        <div class="empty">
          <p class="dim">{W.cost.policies}</p>
          <CopyBox text={W.cost.policiesExample} />
        </div>
      )}
    </Card>
  )
}

function Services({ d }: { d: CostData }) {
  const a = useAddress()
  const signal = a.get('signal')
  const signals = [...new Set(d.services.map((s) => s.signal))].sort()
  const list = d.services.filter((s) => !signal || s.signal === signal)
  const all = list.reduce((n, s) => n + s.bytes, 0) || 1
  const shown = list.slice(0, SERVICES_SHOWN)
  const columns: Column<CostService>[] = [
    { title: W.cost.service, draw: (s) => (s.service === '(none)' ? <span class="dim">{safe(s.service)}</span> : <a href={link(`/services/${encodeURIComponent(s.service)}`)}>{safe(cut(s.service, 60))}</a>) },
    { title: W.cost.signal, draw: (s) => safe(s.signal) },
    { title: W.cost.class, wide: true, class: () => 'mono', draw: (s) => safe(s.class) },
    { title: W.cost.share, wide: true, draw: (s) => <ShareBar share={s.bytes / all} /> },
    { title: W.cost.bytes, number: true, draw: (s) => bytes(s.bytes) },
    { title: W.cost.rows, number: true, wide: true, draw: (s) => (s.rows === undefined ? '–' : count(s.rows)) },
    { title: W.cost.costMonth, number: true, draw: (s) => money(s.cost_month, d.currency) },
  ]
  return (
    <Card
      name="cost-services"
      title={W.cost.services}
      note={W.cost.servicesNote(shown.length, list.length)}
      aside={
        <select aria-label={W.cost.signal} value={signal} onChange={(e) => change({ signal: e.currentTarget.value }, true)}>
          <option value="">{W.cost.anySignal}</option>
          {signals.map((s) => (
            <option key={s} value={s}>
              {safe(s)}
            </option>
          ))}
        </select>
      }
    >
      {list.length === 0 ? <Empty why={W.cost.nothing} /> : <Table columns={columns} rows={shown} keyOf={(s) => `${s.service}|${s.signal}|${s.class}`} class="shares" />}
      {d.notes.map((n) => (
        <p key={n} class="faint">
          {safe(n)}
        </p>
      ))}
    </Card>
  )
}

interface Asked {
  wish: EraseWish
  answer: EraseAnswer
}

const rowsText = (n: number): string => (n === 1 ? W.cost.row : W.cost.rowsOf(count(n)))

function countsText(a: EraseAnswer): string {
  return Object.entries(a.counts ?? {})
    .filter(([, n]) => n > 0)
    .map(([k, n]) => `${count(n)} ${W.cost.counts[k] ?? k}`)
    .join(', ')
}

function EraseForm() {
  const [field, setField] = useState('')
  const [value, setValue] = useState('')
  const [from, setFrom] = useState('')
  const [to, setTo] = useState('')
  const [asked, setAsked] = useState<Asked | null>(null)
  const [done, setDone] = useState('')
  const [busy, setBusy] = useState(false)
  const [bad, setBad] = useState('')
  // Whatever changes makes the count one of something else.
  const put = (set: (v: string) => void) => (v: string) => {
    set(v)
    setAsked(null)
    setDone('')
    setBad('')
  }
  const submit = (e: Event) => {
    e.preventDefault()
    if (!field.trim() || !value) return setBad(W.cost.fieldMissing)
    const wish: EraseWish = { field: field.trim(), value }
    for (const [key, text] of [['start', from], ['end', to]] as const) {
      if (!text.trim()) continue
      const ms = parseTime(text, Date.now())
      if (ms === null) return setBad(W.cost.timeBad(text))
      wish[key] = String(ms / 1000)
    }
    setBusy(true)
    setBad('')
    setDone('')
    countErase(wish)
      .then(
        (answer) => setAsked({ wish, answer }),
        (error: Error) => setBad(error.message),
      )
      .finally(() => setBusy(false))
  }
  const erase = () => {
    if (!asked) return
    setBusy(true)
    doErase(asked.wish)
      .then(
        (answer) => {
          setAsked(null)
          setDone(W.cost.erased(rowsText(answer.count)))
          refreshNow()
        },
        (error: Error) => setBad(error.message),
      )
      .finally(() => setBusy(false))
  }
  return (
    <Card name="erase" title={W.cost.erase} note={W.cost.eraseNote}>
      <form class="search" onSubmit={submit}>
        <TextField label={W.cost.field} name="field" value={field} placeholder={W.cost.fieldHint} onInput={put(setField)} />
        <TextField label={W.cost.value} name="value" value={value} width="grow" onInput={put(setValue)} />
        <TextField label={W.cost.from} name="from" value={from} placeholder={W.cost.fromHint} onInput={put(setFrom)} />
        <TextField label={W.cost.to} name="to" value={to} placeholder={W.cost.toHint} onInput={put(setTo)} />
        <button type="submit" class="primary" disabled={busy}>
          {busy && !asked ? W.cost.counting : W.cost.count}
        </button>
      </form>
      <FormError text={safe(bad)} />
      {asked && (
        <p class="asked" role="status">
          {asked.answer.count === 0 ? (
            W.cost.countedNone(safe(asked.wish.field), safe(asked.wish.value))
          ) : (
            <>
              <b>{W.cost.counted(rowsText(asked.answer.count), safe(asked.wish.field), safe(cut(asked.wish.value, 80)))}</b> {countsText(asked.answer)}.{' '}
              <Confirm key={`${asked.wish.field}|${asked.wish.value}`} name={W.cost.eraseDo(rowsText(asked.answer.count))} sure={W.cost.eraseSure} busy={busy} onSure={erase} />
            </>
          )}
        </p>
      )}
      {done && (
        <p role="status" class="asked">
          {done}
        </p>
      )}
    </Card>
  )
}

function EraseList() {
  const tick = useTick()
  const f = useFetch('erases', tick, erases)
  const columns: Column<EraseRow>[] = [
    { title: W.cost.made, draw: (e) => <span title={utc(e.made_ms)}>{stamp(e.made_ms)}</span> },
    { title: W.cost.field, class: () => 'mono', draw: (e) => safe(e.field) },
    { title: W.cost.rows, number: true, draw: (e) => count(e.count) },
    { title: W.cost.range, wide: true, draw: (e) => <span class="dim">{e.start_ms <= 0 ? `${W.cost.fromHint} – ${stamp(e.end_ms)}` : `${stamp(e.start_ms)} – ${stamp(e.end_ms)}`}</span> },
    {
      title: W.cost.progress,
      draw: (e) =>
        e.state === 'pending' ? (
          <Badge state="warn" word={W.cost.pending(e.pending_parts, bytes(e.pending_bytes))} />
        ) : (
          <>
            <Badge state="ok" word={W.cost.applied} />
            {W.cost.applied}
          </>
        ),
    },
  ]
  return (
    <Card name="erases" title={W.cost.erases} note={W.cost.erasesNote}>
      <Fetch of={f} isEmpty={(d) => d.length === 0} empty={<p class="dim">{W.cost.erasesEmpty}</p>}>
        {(d) => <Table columns={columns} rows={[...d].sort((x, y) => y.made_ms - x.made_ms)} keyOf={(e) => e.id} />}
      </Fetch>
    </Card>
  )
}

export function Cost() {
  const tick = useTick()
  const session = useSession()
  const f = useFetch('cost', tick, cost)
  return (
    <main id="main">
      <h1>{W.cost.title}</h1>
      <Fetch of={f} rows={8}>
        {(d) => (
          <>
            <Totals d={d} />
            <Classes d={d} />
            <Services d={d} />
          </>
        )}
      </Fetch>
      {session.may('admin') ? (
        <>
          <EraseForm />
          <EraseList />
        </>
      ) : (
        <p class="dim">{W.cost.adminOnly}</p>
      )}
    </main>
  )
}
