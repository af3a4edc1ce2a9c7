// SPDX-License-Identifier: Apache-2.0
// Redaction: which profile is in force, how much it took out, and a box to try a line in.
import { useEffect, useState } from 'preact/hooks'
import { PROFILES, redaction, tryRedaction, type Redaction } from '../api/account'
import { useAct } from '../state/act'
import { useFetch } from '../state/fetch'
import { link } from '../state/address'
import { useTick } from '../state/refresh'
import { addContains, LOGS_DEFAULT } from '../lib/logql'
import { count } from '../lib/units'
import { safe } from '../lib/text'
import { W } from '../lib/words'
import { Badge } from '../widgets/Badge'
import { Card } from '../widgets/Card'
import { CopyBox } from '../widgets/CopyBox'
import { ChoiceField, FormError } from '../widgets/Field'
import { Fetch } from '../widgets/States'

const TRY_AFTER_MS = 250
const ROWS = 3
const REDACTED = '[REDACTED'

function Counts({ of }: { of: Record<string, number> }) {
  const list = Object.entries(of).filter(([, n]) => n > 0).sort((a, b) => b[1] - a[1])
  if (list.length === 0) return <p class="fine">{W.security.redactedNone}</p>
  return (
    <dl class="counts">
      {list.map(([k, n]) => (
        <div key={k}>
          <dt>{W.security.detectors[k] ?? safe(k)}</dt>
          <dd>{count(n)}</dd>
        </div>
      ))}
    </dl>
  )
}

// What was taken out stands out.
function Marked({ text }: { text: string }) {
  return (
    <>
      {text.split(/(\[REDACTED[A-Z_ ]*\]|\*{3,})/).map((part, i) => (i % 2 ? <mark key={i}>{safe(part)}</mark> : safe(part, true)))}
    </>
  )
}

function Try({ profile: inForce }: { profile: string }) {
  const [text, setText] = useState(W.security.tryExample)
  const [profile, setProfile] = useState(inForce)
  const [result, setResult] = useState<Redaction | null>(null)
  const act = useAct(false)
  useEffect(() => {
    if (!text) return setResult(null)
    const timer = setTimeout(() => act.run(() => tryRedaction(text, profile), setResult), TRY_AFTER_MS)
    return () => clearTimeout(timer)
  }, [text, profile])
  const taken = Object.entries(result?.redacted ?? {}).filter(([, n]) => n > 0)
  return (
    <Card name="try" title={W.security.tryIt} note={W.security.tryHint}>
      <div class="try">
        <textarea rows={ROWS} value={text} aria-label={W.security.tryIt} spellcheck={false} onInput={(e) => setText(e.currentTarget.value)} />
        <ChoiceField label={W.security.tryProfile} name="profile" value={profile} choices={PROFILES} onChoose={setProfile} />
      </div>
      <FormError text={act.error} />
      {result && text && (
        <>
          <h3>
            {W.security.tryResult}
            {' · '}
            {taken.length === 0 ? W.security.tryNothing : taken.map(([k, n]) => `${W.security.detectors[k] ?? safe(k)}: ${count(n)}`).join(', ')}
          </h3>
          <p class="command block try-result">
            <Marked text={result.text ?? ''} />
          </p>
        </>
      )}
    </Card>
  )
}

export function RedactionPanel() {
  const tick = useTick()
  const f = useFetch('redaction', tick, redaction)
  return (
    <>
      <Card name="redaction" title={W.security.redaction}>
        <Fetch of={f}>
          {(d) => (
            <>
              <p>
                <Badge state={d.profile === 'off' ? 'warn' : 'ok'} word={W.security.profile(safe(d.profile))}>
                  {W.security.profile(safe(d.profile))}
                </Badge>
                <span class="dim">. {W.security.profileText[d.profile]}</span>
              </p>
              <h3>{W.security.redacted}</h3>
              <Counts of={d.redacted} />
              <p>
                <a href={link('/logs', { q: addContains(LOGS_DEFAULT, REDACTED) })}>{W.security.redactedWhere}</a>
              </p>
              <h3>{W.security.config}</h3>
              <CopyBox text={W.security.configText} />
            </>
          )}
        </Fetch>
      </Card>
      {f.data && <Try profile={f.data.profile} />}
    </>
  )
}
