// SPDX-License-Identifier: Apache-2.0
// Runs a check from the server, at once, and says how it went.
import { runNow, type Run } from '../api/checks'
import { useAct } from '../state/act'
import { useSession } from '../state/session'
import { W } from '../lib/words'

export function RunNow({ name, onRan, onFailed, quiet }: { name: string; onRan: (run: Run) => void; onFailed: (sentence: string) => void; quiet?: boolean }) {
  const session = useSession()
  const act = useAct()
  if (!session.may('edit')) return null
  const run = () =>
    act.run(
      () =>
        runNow(name).catch((e: Error) => {
          onFailed(e.message)
          throw e
        }),
      onRan,
    )
  return (
    <button type="button" class={quiet ? 'quiet' : ''} disabled={act.busy} onClick={run}>
      {act.busy ? W.checks.running : W.checks.run}
    </button>
  )
}
