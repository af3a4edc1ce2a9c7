// SPDX-License-Identifier: Apache-2.0
// The two views of logs: the lines, and the report on them.
import { link } from '../state/address'
import { W } from '../lib/words'

export function LogsTabs({ view }: { view: 'lines' | 'report' }) {
  const tab = (id: 'lines' | 'report', path: string) => (
    <a role="tab" class={view === id ? 'on' : ''} aria-selected={view === id} href={link(path)}>
      {id === 'lines' ? W.report.lines : W.report.title}
    </a>
  )
  return (
    <div class="tabs views bare" role="tablist" aria-label={W.report.views}>
      {tab('lines', '/logs')}
      {tab('report', '/logs/report')}
    </div>
  )
}
