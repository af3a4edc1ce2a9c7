// SPDX-License-Identifier: Apache-2.0
// Views of one page, each with an address of its own.
import { here } from '../state/address'

export interface Tab {
  id: string // in the address; the first one is its absence
  name: string
  count?: number
  alarming?: boolean
  note?: string // what of them is not as it should be
}

export function Tabs({ tabs, value, label, param = 'view' }: { tabs: Tab[]; value: string; label: string; param?: string }) {
  return (
    <div class="tabs views" role="tablist" aria-label={label}>
      {tabs.map((t, i) => (
        <a key={t.id} role="tab" class={t.id === value ? 'on' : ''} aria-selected={t.id === value} href={here({ [param]: i === 0 ? null : t.id })}>
          {t.name}
          {t.count !== undefined && <span class={t.alarming && t.count > 0 ? 'bad' : 'dim'}> {t.count}</span>}
          {t.note && <span class="warn"> {t.note}</span>}
        </a>
      ))}
    </div>
  )
}
