// SPDX-License-Identifier: Apache-2.0
// The phases of one run: a row a step, at its place in the run's time, each phase in its colour.
import { PHASES, type Check, type Run, type RunStep } from '../api/checks'
import { bytes, seconds } from '../lib/units'
import { safe } from '../lib/text'
import { W } from '../lib/words'

const WIDTH_MIN_PERCENT = 0.4
const SLOTS = [3, 2, 4, 5, 1, 6] // the colour of each phase; red is left to the one that is always short

// Milliseconds into the run; the difference of nanosecond texts loses nothing that shows.
function offsetMs(run: Run, s: RunStep): number {
  try {
    return Number(BigInt(s.start_ns) - BigInt(run.start_ns)) / 1e6
  } catch {
    return 0
  }
}

const phaseText = (s: RunStep) =>
  PHASES.filter((p) => (s.phases_ms[p] ?? 0) > 0)
    .map((p) => `${W.checks.phases[p]} ${seconds((s.phases_ms[p] ?? 0) / 1000)}`)
    .join(' · ')

function Lane({ run, step, total }: { run: Run; step: RunStep; total: number }) {
  let at = offsetMs(run, step)
  return (
    <span class="wf-lane" title={phaseText(step)}>
      {PHASES.map((p, i) => {
        const ms = step.phases_ms[p] ?? 0
        const left = (at / total) * 100
        at += ms
        if (ms <= 0) return null
        return <i key={p} class={`wf-bar c${SLOTS[i]}`} style={{ left: `${Math.min(left, 100 - WIDTH_MIN_PERCENT)}%`, width: `${Math.max(WIDTH_MIN_PERCENT, Math.min((ms / total) * 100, 100 - left))}%` }} />
      })}
    </span>
  )
}

export function RunWaterfall({ run, check }: { run: Run; check?: Check }) {
  const total = Math.max(run.duration_ms, ...run.steps.map((s) => (s.ran ? offsetMs(run, s) + s.duration_ms : 0)), 0.001)
  const used = PHASES.map((p, i) => ({ p, slot: SLOTS[i] })).filter(({ p }) => run.steps.some((s) => (s.phases_ms[p] ?? 0) > 0))
  return (
    <div class="run-waterfall">
      {run.steps.map((s, i) => {
        const expect = check?.steps[i]?.expect ?? []
        return (
          <div key={i} class={`run-step ${s.ran ? '' : 'skipped'}`}>
            <div class="wf-row">
              <span class="wf-name" title={`${safe(s.method)} ${safe(s.url)}`}>
                <span class={`mark ${!s.ran ? 'idle' : s.ok ? 'ok' : 'bad'}`} aria-hidden="true" />
                {safe(s.name)} <span class="dim">{s.ran ? (s.status ? W.checks.status(s.status) : '') : W.checks.notRun}</span>
              </span>
              {s.ran ? <Lane run={run} step={s} total={total} /> : <span class="wf-lane" />}
              <span class="n">{s.ran ? seconds(s.duration_ms / 1000) : ''}</span>
            </div>
            <p class="step-words dim">
              <span class="mono break">
                {safe(s.method)} {safe(s.url)}
              </span>
              {expect.length > 0 && <span class="mono break">{expect.map((e) => safe(e)).join(', ')}</span>}
              {s.ran && s.bytes > 0 && <span>{bytes(s.bytes)}</span>}
              {s.ip && <span>{safe(s.ip)}</span>}
            </p>
            {s.error && <p class="bad break step-error">{safe(s.error, true)}</p>}
          </div>
        )
      })}
      <div class="legend">
        {used.map(({ p, slot }) => (
          <span key={p}>
            <i class={`swatch c${slot}`} />
            {W.checks.phases[p]}
          </span>
        ))}
      </div>
    </div>
  )
}
