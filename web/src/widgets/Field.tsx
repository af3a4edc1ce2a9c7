// SPDX-License-Identifier: Apache-2.0
// Fields of a form: a name above, the control below, what is wrong beneath.
import type { ComponentChildren } from 'preact'
import { safe } from '../lib/text'

interface Common {
  label: string
  name?: string
  value: string
  width?: 'narrow' | 'grow'
}

function Field({ label, width, children }: { label: string; width?: string; children: ComponentChildren }) {
  return (
    <label class={`field-box ${width ?? ''}`}>
      {label}
      {children}
    </label>
  )
}

export function TextField(p: Common & { placeholder?: string; onInput: (text: string) => void }) {
  return (
    <Field label={p.label} width={p.width}>
      <input name={p.name} value={p.value} placeholder={p.placeholder} spellcheck={false} autocomplete="off" onInput={(e) => p.onInput(e.currentTarget.value)} />
    </Field>
  )
}

export function PasswordField(p: Omit<Common, 'width'> & { placeholder?: string; isNew?: boolean; onInput: (text: string) => void }) {
  return (
    <Field label={p.label}>
      <input name={p.name} type="password" value={p.value} placeholder={p.placeholder} autocomplete={p.isNew ? 'new-password' : 'current-password'} onInput={(e) => p.onInput(e.currentTarget.value)} />
    </Field>
  )
}

// A choice that is not in the list, as an address may hold one, is shown all the same.
export function ChoiceField(p: Common & { choices: string[]; none?: string; isQuery?: boolean; onChoose: (value: string) => void }) {
  const list = p.value && !p.choices.includes(p.value) ? [p.value, ...p.choices] : p.choices
  return (
    <Field label={p.label} width={p.width}>
      <select name={p.name} value={p.value} data-query={p.isQuery ? '' : undefined} onChange={(e) => p.onChoose(e.currentTarget.value)}>
        {p.none !== undefined && <option value="">{p.none}</option>}
        {list.map((c) => (
          <option key={c} value={c}>
            {safe(c)}
          </option>
        ))}
      </select>
    </Field>
  )
}

export function FormError({ text }: { text: string }) {
  return text ? (
    <p class="bad" role="alert">
      {text}
    </p>
  ) : null
}
