// SPDX-License-Identifier: Apache-2.0
// The query line. A plain field is there at once and takes keys; the editor takes its place when loaded.
import { useEffect, useRef, useState } from 'preact/hooks'
import type { Editor, Options } from './mount'

interface Props {
  language: Options['language']
  value: string
  label: string
  placeholder: string
  error?: string
  onRun: (text: string) => void
  onChange?: (text: string) => void
}

// Where in the text the server saw the fault: "1:7: parse error" or "at line 1, col 7".
export function faultAt(text: string, message: string): number | null {
  const m = /\b(\d+):(\d+): parse error/.exec(message) ?? /line (\d+), col(?:umn)? (\d+)/.exec(message)
  if (!m) return null
  const lines = text.split('\n')
  const line = Number(m[1]) - 1
  if (line < 0 || line >= lines.length) return null
  return lines.slice(0, line).reduce((n, l) => n + l.length + 1, 0) + Math.max(0, Number(m[2]) - 1)
}

export function QueryEditor(p: Props) {
  const host = useRef<HTMLDivElement>(null)
  const field = useRef<HTMLTextAreaElement>(null)
  const editor = useRef<Editor | null>(null)
  const text = useRef(p.value)
  const live = useRef(p)
  live.current = p
  const [ready, setReady] = useState(false)

  useEffect(() => {
    let gone = false
    import('./mount').then(({ mountEditor }) => {
      if (gone || !host.current) return
      editor.current = mountEditor(host.current, {
        language: p.language,
        text: text.current,
        label: p.label,
        placeholder: p.placeholder,
        focused: document.activeElement === field.current,
        onChange: (t) => {
          text.current = t
          live.current.onChange?.(t)
        },
        onRun: (t) => live.current.onRun(t),
      })
      setReady(true)
    })
    return () => {
      gone = true
      editor.current?.destroy()
      editor.current = null
    }
  }, [])
  useEffect(() => {
    text.current = p.value
    editor.current?.set(p.value)
  }, [p.value])
  useEffect(() => editor.current?.fail(p.error ? faultAt(text.current, p.error) : null), [p.error, ready])

  return (
    <div class="editor">
      <div class="editor-host" ref={host} hidden={!ready} data-query={ready ? '' : undefined} />
      {!ready && (
        <textarea
          ref={field}
          data-query=""
          rows={1}
          defaultValue={p.value}
          aria-label={p.label}
          placeholder={p.placeholder}
          spellcheck={false}
          onInput={(e) => {
            text.current = e.currentTarget.value
            p.onChange?.(text.current)
          }}
          onKeyDown={(e) => {
            if (e.key !== 'Enter' || e.shiftKey) return
            e.preventDefault()
            p.onRun(text.current)
          }}
        />
      )}
    </div>
  )
}
