// SPDX-License-Identifier: Apache-2.0
// Home: is anything wrong with this machine, its services, its logs?
import { status } from '../api/stoa'
import { change, useAddress } from '../state/address'
import { useTick } from '../state/refresh'
import { useFetch } from '../state/fetch'
import { durationText } from '../lib/time'
import { percent } from '../lib/units'
import { safe } from '../lib/text'
import { W } from '../lib/words'
import { Card } from '../widgets/Card'
import { ErrorBox } from '../widgets/States'
import { IncidentsPanel } from '../panels/IncidentsPanel'
import { BusinessPanel } from '../panels/BusinessPanel'
import { HostPanel } from '../panels/HostPanel'
import { ServicesPanel } from '../panels/ServicesPanel'
import { ErrorsPanel } from '../panels/ErrorsPanel'

export function Home() {
  const a = useAddress()
  const tick = useTick()
  const f = useFetch('status', tick, status)
  const s = f.data
  return (
    <main id="main">
      {f.error && <ErrorBox error={f.error} />}
      {s?.warnings && s.warnings.length > 0 && (
        <Card name="warnings" tone="warn" title={W.home.warnings(s.warnings.length)}>
          <ul>
            {s.warnings.map((w) => (
              <li key={w}>{safe(w)}</li>
            ))}
          </ul>
        </Card>
      )}
      <IncidentsPanel />
      <HostPanel host={a.get('host')} onHost={(host) => change({ host })} />
      <ServicesPanel />
      <BusinessPanel />
      <ErrorsPanel />
      {s && (
        <footer class="dim">
          {W.home.about(safe(s.version ?? ''), durationText((s.uptime_seconds ?? 0) * 1000))}
          {typeof s.disk_free_ratio === 'number' && ` · ${W.home.storeFree(percent(s.disk_free_ratio))}`}
        </footer>
      )}
    </main>
  )
}
