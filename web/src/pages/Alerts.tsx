// SPDX-License-Identifier: Apache-2.0
// Alerts: what is wrong now, then the rules that say so, what is silenced, and what the review says of the rules.
import { incidents, review, rules, silences, type Incident, type Rule } from '../api/alerts'
import { here, useAddress, useRange } from '../state/address'
import { useFetch, type Fetched } from '../state/fetch'
import { byUrgency } from '../lib/rules'
import { W } from '../lib/words'
import { Card } from '../widgets/Card'
import { Fetch } from '../widgets/States'
import { Tabs } from '../widgets/Tabs'
import { IncidentList } from '../panels/IncidentList'
import { NoRules, RulesPanel } from '../panels/RulesPanel'
import { SilencesPanel } from '../panels/SilencesPanel'
import { ReviewPanel } from '../panels/ReviewPanel'

function Fine({ of }: { of: Fetched<Rule[]> }) {
  const alerting = (of.data ?? []).filter((r) => r.type === 'alerting').length
  if (of.data && of.data.length === 0) return <NoRules />
  return (
    <p class="fine">
      <span class="mark ok" aria-hidden="true" />
      {W.alerts.fine} {of.data && W.alerts.fineWatched(alerting)}
    </p>
  )
}

function Now({ of, rules: r, all }: { of: Fetched<Incident[]>; rules: Fetched<Rule[]>; all: boolean }) {
  const range = useRange()
  const open = (of.data ?? []).filter((i) => i.state !== 'resolved').sort(byUrgency)
  const over = (of.data ?? [])
    .filter((i) => i.state === 'resolved' && (i.resolved_ms ?? i.started_ms) >= range.startMs && i.started_ms <= range.endMs)
    .sort((a, b) => (b.resolved_ms ?? 0) - (a.resolved_ms ?? 0))
  const pending = (r.data ?? []).reduce((n, x) => n + (x.alerts ?? []).filter((a) => a.state === 'pending').length, 0)
  return (
    <>
      <Card name="open" title={W.alerts.open} note={open.length > 0 && W.alerts.openNote(open.length)} aside={<a href={here({ show: all ? null : 'all' })}>{all ? W.alerts.hideResolved : W.alerts.showResolved}</a>}>
        <Fetch of={of} rows={4}>
          {() => (open.length > 0 ? <IncidentList list={open} /> : <Fine of={r} />)}
        </Fetch>
        {pending > 0 && (
          <p class="dim pending">
            <a href={here({ view: 'rules' })}>{W.alerts.pending(pending)}</a>
          </p>
        )}
      </Card>
      {all && of.data && (
        <Card name="resolved" title={W.alerts.resolved} note={over.length > 0 && String(over.length)}>
          {over.length > 0 ? <IncidentList list={over} brief /> : <p class="fine">{W.alerts.resolvedEmpty}</p>}
        </Card>
      )}
    </>
  )
}

export function Alerts() {
  const a = useAddress()
  const r = useRange()
  const view = a.get('view')
  const all = a.get('show') === 'all'
  const i = useFetch(`incidents|${all}`, r.tick, (s) => incidents(all ? 'all' : 'open', s))
  const rule = useFetch('rules', r.tick, rules)
  const quiet = useFetch('silences', r.tick, silences)
  const found = useFetch('review', view === 'review' ? r.tick : 0, review)
  const failing = (rule.data ?? []).filter((x) => x.health === 'err').length
  const tabs = [
    { id: '', name: W.alerts.tabs.now, count: i.data?.filter((x) => x.state !== 'resolved').length, alarming: true },
    { id: 'rules', name: W.alerts.tabs.rules, count: rule.data?.length, note: failing > 0 ? W.alerts.failingCount(failing) : undefined },
    { id: 'silences', name: W.alerts.tabs.silences, count: quiet.data?.filter((x) => x.status.state !== 'expired').length },
    { id: 'review', name: W.alerts.tabs.review, count: found.data?.length },
  ]
  return (
    <main id="main">
      <Tabs tabs={tabs} value={view} label={W.alerts.views} />
      {view === 'rules' ? <RulesPanel of={rule} /> : view === 'silences' ? <SilencesPanel of={quiet} /> : view === 'review' ? <ReviewPanel of={found} /> : <Now of={i} rules={rule} all={all} />}
    </main>
  )
}
