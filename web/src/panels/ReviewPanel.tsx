// SPDX-License-Identifier: Apache-2.0
// The review: rules nobody needs hide those that matter. One block a rule, its findings below, each with what to write instead.
import type { Finding } from '../api/alerts'
import { here } from '../state/address'
import type { Fetched } from '../state/fetch'
import { safe } from '../lib/text'
import { W } from '../lib/words'
import { Badge } from '../widgets/Badge'
import { Card } from '../widgets/Card'
import { Fetch } from '../widgets/States'

export function ReviewPanel({ of }: { of: Fetched<Finding[]> }) {
  const list = of.data ?? []
  const warnings = list.filter((f) => f.severity === 'warning').length
  const byRule = new Map<string, Finding[]>()
  for (const f of [...list].sort((a, b) => Number(b.severity === 'warning') - Number(a.severity === 'warning'))) {
    const key = `${f.group}/${f.rule}`
    byRule.set(key, [...(byRule.get(key) ?? []), f])
  }
  return (
    <Card name="review" title={W.alerts.tabs.review} note={list.length > 0 && W.alerts.reviewNote(warnings, list.length - warnings)}>
      <Fetch of={of} isEmpty={(d) => d.length === 0} empty={<p class="fine">{W.alerts.reviewEmpty}</p>}>
        {() => (
          <div class="findings">
            {[...byRule].map(([key, findings]) => (
              <section key={key}>
                <h3>
                  <a href={here({ view: 'rules', rule: key })}>{safe(findings[0].rule)}</a>{' '}
                  {findings[0].file && (
                    <span class="faint">
                      {safe(findings[0].file)}:{findings[0].line}
                    </span>
                  )}
                </h3>
                <ul>
                  {findings.map((f) => (
                    <li key={f.finding + f.text}>
                      <Badge state={f.severity === 'warning' ? 'warn' : 'idle'} word={f.severity === 'warning' ? W.alerts.warning : W.alerts.remark} />
                      <span class="finding">
                        {safe(f.text)}
                        {f.suggestion && (
                          <span class="mono dim">
                            {W.alerts.instead}: {safe(f.suggestion)}
                          </span>
                        )}
                      </span>
                    </li>
                  ))}
                </ul>
              </section>
            ))}
          </div>
        )}
      </Fetch>
    </Card>
  )
}
