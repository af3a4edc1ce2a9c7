// SPDX-License-Identifier: Apache-2.0
// Security: who may what, who did what, and what is taken out before it is stored. Each role sees its part.
import { useAddress } from '../state/address'
import { useSession } from '../state/session'
import { W } from '../lib/words'
import { Tabs } from '../widgets/Tabs'
import { SessionPanel, TokensPanel, UsersPanel } from '../panels/AccessPanel'
import { AuditPanel } from '../panels/AuditPanel'
import { RedactionPanel } from '../panels/RedactionPanel'

export function Security() {
  const a = useAddress()
  const session = useSession()
  const tabs = [
    { id: '', name: W.security.tabs.access, shown: true },
    { id: 'audit', name: W.security.tabs.audit, shown: session.may('audit') },
    { id: 'redaction', name: W.security.tabs.redaction, shown: session.may('read') },
  ].filter((t) => t.shown)
  const asked = a.get('view')
  const view = tabs.some((t) => t.id === asked) ? asked : ''
  return (
    <main id="main">
      <Tabs tabs={tabs} value={view} label={W.security.views} />
      {view === 'audit' && <AuditPanel />}
      {view === 'redaction' && <RedactionPanel />}
      {view === '' && (
        <>
          <SessionPanel />
          {session.may('admin') && <UsersPanel />}
          {session.may('admin') && <TokensPanel />}
        </>
      )}
    </main>
  )
}
