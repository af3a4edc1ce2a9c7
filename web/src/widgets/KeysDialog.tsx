// SPDX-License-Identifier: Apache-2.0
// All keys, those of the pages from their table.
import { PAGES } from '../pages'
import { W } from '../lib/words'
import { Dialog } from './Dialog'

export function KeysDialog({ onClose }: { onClose: () => void }) {
  const rows = [...W.keys.rows, ...PAGES.filter((p) => p.key).map((p) => [`g  ${p.key}`, p.name])]
  return (
    <Dialog class="keys" label={W.keys.title} onClose={onClose}>
      <h2>{W.keys.title}</h2>
      <dl>
        {rows.map(([keys, what]) => (
          <div key={keys}>
            <dt>
              {keys.split('  ').map((k) => (
                <kbd key={k}>{k}</kbd>
              ))}
            </dt>
            <dd>{what}</dd>
          </div>
        ))}
      </dl>
      <button type="button" onClick={onClose}>
        {W.close}
      </button>
    </Dialog>
  )
}
