// SPDX-License-Identifier: Apache-2.0
// This machine: four charts with a big current number, from node_exporter's names.
import type { ComponentChildren } from 'preact'
import { queryInstant, queryRange, type Lines } from '../api/prom'
import { address, setRange, useRange, type RangeNow } from '../state/address'
import { useFetch, type Fetched } from '../state/fetch'
import { gridTimes, lastOf, summary, topLines, type Grid, type Line } from '../lib/series'
import { aligned, stepFor } from '../lib/time'
import { bytes, digits, format, percent, type Unit } from '../lib/units'
import { safe } from '../lib/text'
import { W } from '../lib/words'
import { Card } from '../widgets/Card'
import { Empty, Fetch } from '../widgets/States'
import { TimeChart, slotClass } from '../widgets/TimeChart'

const POINTS = 120
const LEAST_STEP_S = 5
const CHART_PX = 118
const DISKS_MAX = 6
const FILE_SYSTEMS_MAX = 3
const REAL_FS = 'fstype!~"tmpfs|ramfs|devtmpfs|squashfs|proc|sysfs|cgroup.*|nsfs|fuse.*|rpc_pipefs|autofs|iso9660"'

export function homeGrid(r: RangeNow): Grid {
  const step = stepFor(r, POINTS, LEAST_STEP_S)
  return { ...aligned(r, step), step }
}

const rateWindow = (g: Grid) => `${Math.max(30, g.step * 2)}s`

// The server is asked simple things; the panel puts them together.
function useLines(queries: Record<string, string> | null, g: Grid, tick: number, join: (parts: Record<string, Line[]>) => Line[]): Fetched<Lines> {
  const a = address()
  const key = queries && `${Object.values(queries).join('|')}|${g.step}|${a.get('from')}|${a.get('to')}`
  return useFetch(key, tick, async (signal) => {
    const names = Object.keys(queries!)
    const answers = await Promise.all(names.map((n) => queryRange(queries![n], g, signal)))
    return {
      grid: g,
      lines: join(Object.fromEntries(names.map((n, i) => [n, answers[i].lines]))),
      warnings: answers.flatMap((x) => x.warnings),
      infos: [],
    }
  })
}

const named = (name: string, values: (number | null)[]): Line => ({ name, labels: {}, values })
const combine = (a: Line, b: Line, f: (x: number, y: number) => number): (number | null)[] =>
  a.values.map((x, i) => (x === null || b.values[i] === null || b.values[i] === undefined ? null : f(x, b.values[i]!)))

interface MeasureProps {
  title: string
  note?: string
  big: string
  small?: ComponentChildren
  of: Fetched<Lines>
  unit: Unit
  least?: number // y reaches at least this
  limit?: number // and never beyond this
  empty?: string
  max?: number
  aside?: string
}

function Measure(p: MeasureProps) {
  return (
    <Card name={p.title} class="metric" title={p.title} note={p.note} aside={p.aside && <small>{p.aside}</small>}>
      <div class="bigrow">
        <span class="big">{p.big}</span>
        <span class="delta dim">{p.small}</span>
      </div>
      <Fetch
        of={p.of}
        rows={4}
        isEmpty={(d) => d.lines.length === 0}
        empty={p.empty ? <Empty why={p.empty} /> : <Empty why={W.home.hostEmpty} command={W.home.hostCommand} />}
      >
        {(d) => {
          const lines = d.lines.slice(0, p.max ?? 6).map((l, i) => ({
            name: safe(l.name),
            values: l.values,
            slot: i,
            fill: i === 0,
          }))
          const highest = Math.max(0, ...lines.map((l) => summary(l.values).max ?? 0))
          return (
            <>
              <TimeChart
                times={gridTimes(d.grid)}
                lines={lines}
                unit={p.unit}
                height={CHART_PX}
                least={p.least}
                limit={p.limit}
                label={`${p.title}: ${p.big}; highest ${format(highest, p.unit)}`}
                onZoom={setRange}
              />
              {lines.length > 1 && (
                <div class="legend">
                  {lines.map((l) => (
                    <span key={l.name}>
                      <i class={`swatch ${slotClass(l.slot)}`} />
                      {l.name} <b>{format(lastOf(l.values), p.unit)}</b>
                    </span>
                  ))}
                </div>
              )}
            </>
          )
        }}
      </Fetch>
    </Card>
  )
}

const lastLine = (f: Fetched<Lines>, i = 0): number | null => {
  const line = f.data?.lines[i]
  return line ? lastOf(line.values) : null
}

interface PartProps {
  g: Grid
  tick: number
  sel: string
}

function Cpu({ g, tick, cores, sel }: PartProps & { cores: number }) {
  const q = { modes: `avg by (mode) (rate(node_cpu_seconds_total{${sel},mode=~"idle|iowait"}[${rateWindow(g)}]))` }
  const f = useLines(q, g, tick, ({ modes }) => {
    const idle = modes.find((l) => l.labels.mode === 'idle')
    const wait = modes.find((l) => l.labels.mode === 'iowait')
    const lines = idle ? [named(W.home.cpuBusy, idle.values.map((v) => (v === null ? null : Math.min(1, Math.max(0, 1 - v)))))] : []
    return wait ? [...lines, named(W.home.cpuWait, wait.values)] : lines
  })
  const load = useFetch(`load|${sel}|${g.step}`, tick, (s) => queryInstant(`node_load1{${sel}}`, g.end, s))
  const now = lastLine(f)
  const l = load.data?.rows[0]
  return (
    <Measure
      title={W.home.cpu}
      note={W.home.cpuBusy}
      big={now === null ? '–' : percent(now)}
      small={[cores ? W.home.cores(cores) : '', l ? W.home.load(digits(Number(l.value))) : ''].filter(Boolean).join(' · ')}
      of={f}
      unit="ratio"
      limit={1}
    />
  )
}

function Memory({ g, tick, sel }: PartProps) {
  const q = { total: `max(node_memory_MemTotal_bytes{${sel}})`, free: `max(node_memory_MemAvailable_bytes{${sel}})` }
  const f = useLines(q, g, tick, ({ total, free }) =>
    total[0] && free[0] ? [named(W.home.memoryUsed, combine(total[0], free[0], (t, a) => t - a)), named(W.home.memoryTotal, total[0].values)] : [],
  )
  const used = lastLine(f)
  const all = lastLine(f, 1) ?? 0
  const shown = f.data && { ...f, data: { ...f.data, lines: f.data.lines.slice(0, 1) } }
  return (
    <Measure
      title={W.home.memory}
      note={W.home.memoryUsed}
      big={used === null ? '–' : bytes(used)}
      small={used !== null && all > 0 ? `${W.home.of(bytes(all))} · ${percent(used / all)}` : ''}
      of={shown ?? f}
      unit="bytes"
      least={all / 1.05}
    />
  )
}

interface FileSystem {
  mount: string
  ratio: number
  free: number
}

async function fileSystems(sel: string, end: number, signal: AbortSignal): Promise<FileSystem[]> {
  const [avail, size] = await Promise.all([
    queryInstant(`max by (mountpoint) (node_filesystem_avail_bytes{${sel},${REAL_FS}})`, end, signal),
    queryInstant(`max by (mountpoint) (node_filesystem_size_bytes{${sel},${REAL_FS}})`, end, signal),
  ])
  const sizes = new Map(size.rows.map((r) => [r.labels.mountpoint, Number(r.value)]))
  return avail.rows
    .map((r) => ({ mount: r.labels.mountpoint ?? '', free: Number(r.value), ratio: 1 - Number(r.value) / (sizes.get(r.labels.mountpoint) || NaN) }))
    .filter((x) => Number.isFinite(x.ratio))
    .sort((a, b) => b.ratio - a.ratio || a.mount.length - b.mount.length)
}

function Disk({ g, tick, sel }: PartProps) {
  const busyQuery = { busy: `sum by (device) (rate(node_disk_io_time_seconds_total{${sel},device!~"(loop|ram|zram|dm-|sr)[0-9]+"}[${rateWindow(g)}]))` }
  const busy = useLines(busyQuery, g, tick, (p) => topLines(p.busy.map((l) => ({ ...l, name: l.labels.device ?? '' })), DISKS_MAX).shown)
  const noDisk = busy.data !== undefined && busy.data.lines.length === 0
  const fullQuery = {
    avail: `max by (mountpoint) (node_filesystem_avail_bytes{${sel},${REAL_FS}})`,
    size: `max by (mountpoint) (node_filesystem_size_bytes{${sel},${REAL_FS}})`,
  }
  const full = useLines(noDisk ? fullQuery : null, g, tick, ({ avail, size }) =>
    topLines(
      avail.flatMap((l) => {
        const s = size.find((x) => x.labels.mountpoint === l.labels.mountpoint)
        return s ? [named(l.labels.mountpoint ?? '', combine(l, s, (a, b) => (b > 0 ? 1 - a / b : 0)))] : []
      }),
      FILE_SYSTEMS_MAX,
    ).shown,
  )
  const systems = useFetch(`fs|${sel}|${g.step}`, tick, (s) => fileSystems(sel, g.end, s))
  const top = systems.data?.[0]
  const shown = noDisk ? full : busy
  const now = Math.max(0, ...(shown.data?.lines.map((l) => lastOf(l.values) ?? 0) ?? []))
  return (
    <Measure
      title={W.home.disk}
      note={noDisk ? W.home.diskUsed : W.home.diskBusy}
      big={shown.data?.lines.length ? percent(now) : '–'}
      small={top && <span title={noDisk ? W.home.noDisk : undefined}>{W.home.diskFull(safe(top.mount), percent(top.ratio))}</span>}
      aside={top && W.home.diskFree(bytes(top.free))}
      of={shown}
      unit="ratio"
      limit={1}
      max={DISKS_MAX}
    />
  )
}

function Network({ g, tick, sel }: PartProps) {
  const w = rateWindow(g)
  const q = {
    received: `sum(rate(node_network_receive_bytes_total{${sel},device!="lo"}[${w}]))`,
    sent: `sum(rate(node_network_transmit_bytes_total{${sel},device!="lo"}[${w}]))`,
  }
  const f = useLines(q, g, tick, ({ received, sent }) =>
    received[0] && sent[0] ? [named(W.home.received, received[0].values), named(W.home.sent, sent[0].values)] : [],
  )
  const i = lastLine(f)
  const o = lastLine(f, 1)
  return (
    <Measure
      title={W.home.network}
      big={i === null && o === null ? '–' : format((i ?? 0) + (o ?? 0), 'bytes/s')}
      small={i === null ? '' : W.home.inAndOut}
      of={f}
      unit="bytes/s"
      empty={W.home.noNetwork}
    />
  )
}

export function HostPanel({ host, onHost }: { host: string; onHost: (host: string) => void }) {
  const r = useRange()
  const g = homeGrid(r)
  const hosts = useFetch('hosts', r.tick, (s) => queryInstant('count by (instance) (node_cpu_seconds_total{job="node",mode="idle"})', g.end, s))
  const rows = [...(hosts.data?.rows ?? [])].sort((a, b) => ((a.labels.instance ?? '') < (b.labels.instance ?? '') ? -1 : 1))
  const row = rows.find((x) => x.labels.instance === host) ?? rows[0]
  const sel = rows.length > 1 ? `job="node",instance=${JSON.stringify(row.labels.instance)}` : 'job="node"'
  const props = { g, tick: r.tick, sel }
  return (
    <div class="stack">
      <div class="section">
        <h2>
          {W.home.title} {row && <small class="mono">{safe(row.labels.instance ?? '')}</small>}
        </h2>
        {rows.length > 1 && (
          <select aria-label={W.home.host} value={row.labels.instance} onChange={(e) => onHost(e.currentTarget.value)}>
            {rows.map((x) => (
              <option key={x.labels.instance} value={x.labels.instance}>
                {safe(x.labels.instance)}
              </option>
            ))}
          </select>
        )}
      </div>
      <div class="grid4">
        <Cpu {...props} cores={row ? Number(row.value) : 0} />
        <Memory {...props} />
        <Disk {...props} />
        <Network {...props} />
      </div>
    </div>
  )
}
