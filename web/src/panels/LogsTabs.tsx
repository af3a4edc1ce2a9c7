// SPDX-License-Identifier: Apache-2.0
// The views of logs: the lines, their patterns, and the report on them.
import { link, useAddress } from '../state/address'
import { W } from '../lib/words'

type View = 'lines' | 'patterns' | 'report'

export function LogsTabs({ view }: { view: View }) {
  const q = useAddress().get('q') || null // lines and patterns are of one query
  const tab = (id: View, name: string, path: string, of: string | null = null) => (
    <a role="tab" class={view === id ? 'on' : ''} aria-selected={view === id} href={link(path, { q: of })}>
      {name}
    </a>
  )
  return (
    <div class="tabs views bare" role="tablist" aria-label={W.report.views}>
      {tab('lines', W.report.lines, '/logs', q)}
      {tab('patterns', W.patterns.title, '/logs/patterns', q)}
      {tab('report', W.report.title, '/logs/report')}
    </div>
  )
}
