// SPDX-License-Identifier: Apache-2.0
// CodeMirror inside a shadow root: there its style rules come as constructed sheets, which a
// strict style-src allows, where <style> elements in the document would be refused.
import { autocompletion, acceptCompletion, closeBrackets, closeBracketsKeymap, completionKeymap, completionStatus } from '@codemirror/autocomplete'
import { defaultKeymap, history, historyKeymap, insertNewlineAndIndent } from '@codemirror/commands'
import { bracketMatching, HighlightStyle, indentOnInput, syntaxHighlighting } from '@codemirror/language'
import { EditorState, Prec, StateEffect, StateField, type Extension } from '@codemirror/state'
import { Decoration, EditorView, keymap, placeholder, type DecorationSet } from '@codemirror/view'
import { tags } from '@lezer/highlight'
import { promql } from './promql'
import { logql } from './logql'
import { traceql } from './traceql'

export interface Editor {
  set(text: string): void
  fail(at: number | null): void
  focus(): void
  destroy(): void
}
export interface Options {
  language: 'promql' | 'logql' | 'traceql'
  text: string
  label: string
  placeholder: string
  focused: boolean
  onChange: (text: string) => void
  onRun: (text: string) => void
}

const LANGUAGES: Record<Options['language'], () => Extension> = { promql, logql, traceql }

const MONO = 'ui-monospace, "JetBrains Mono", Menlo, Consolas, monospace'

const theme = EditorView.theme({
  '&': { color: 'var(--text)', backgroundColor: 'transparent', fontSize: '13px' },
  '&.cm-focused': { outline: 'none' },
  '.cm-scroller': { fontFamily: MONO, lineHeight: '20px', maxHeight: '200px' },
  '.cm-content': { padding: '7px 0', caretColor: 'var(--text)' },
  '.cm-line': { padding: '0 10px' },
  '.cm-placeholder': { color: 'var(--faint)' },
  '.cm-cursor': { borderLeftColor: 'var(--text)' },
  '&.cm-focused .cm-matchingBracket': { backgroundColor: 'var(--sel)', outline: '1px solid var(--line)' },
  '.cm-tooltip': { backgroundColor: 'var(--panel)', color: 'var(--text)', border: '1px solid var(--line)', borderRadius: '5px', zIndex: '30' },
  '.cm-tooltip.cm-tooltip-autocomplete > ul': { fontFamily: MONO, fontSize: '12px', maxHeight: '260px' },
  '.cm-tooltip-autocomplete ul li': { padding: '2px 8px' },
  '.cm-tooltip-autocomplete ul li[aria-selected]': { backgroundColor: 'var(--sel)', color: 'var(--text)' },
  '.cm-completionMatchedText': { textDecoration: 'none', fontWeight: '650', color: 'var(--accent)' },
  '.cm-completionDetail': { color: 'var(--dim)', fontStyle: 'normal', marginLeft: '12px' },
  '.cm-completionIcon': { display: 'none' },
  '.cm-tooltip.cm-completionInfo': { padding: '6px 9px', maxWidth: '340px', fontSize: '12px' },
  '.cm-diagnostic-error': { borderLeft: '3px solid var(--bad)' },
  '.cm-fault': { borderBottom: '2px solid var(--bad)', backgroundColor: 'var(--sel)' },
  '.cm-lintRange-error': { backgroundImage: 'none', textDecoration: 'underline wavy var(--bad)', textUnderlineOffset: '3px' },
  '.cm-lintRange-warning': { backgroundImage: 'none', textDecoration: 'underline wavy var(--warn)', textUnderlineOffset: '3px' },
  '.cm-lintPoint-error:after': { borderBottomColor: 'var(--bad)' },
})

const colours = HighlightStyle.define([
  { tag: [tags.string, tags.regexp], color: 'var(--c3)' },
  { tag: [tags.number, tags.integer, tags.float], color: 'var(--c2)' },
  { tag: [tags.keyword, tags.modifier, tags.operatorKeyword], color: 'var(--c4)' },
  { tag: [tags.function(tags.variableName)], color: 'var(--c1)' },
  { tag: [tags.labelName], color: 'var(--c4)' },
  { tag: tags.comment, color: 'var(--faint)', fontStyle: 'italic' },
  { tag: [tags.operator, tags.bracket, tags.paren, tags.brace, tags.squareBracket], color: 'var(--dim)' },
  { tag: tags.invalid, color: 'var(--bad)' },
])

// Where the server saw a fault, until the text changes.
const setFault = StateEffect.define<number | null>()
const fault = StateField.define<DecorationSet>({
  create: () => Decoration.none,
  update(marks, tr) {
    for (const e of tr.effects) {
      if (!e.is(setFault)) continue
      const end = tr.newDoc.length
      if (e.value === null || end === 0) return Decoration.none
      const from = Math.max(0, Math.min(e.value, end - 1))
      return Decoration.set([Decoration.mark({ class: 'cm-fault' }).range(from, from + 1)])
    }
    return tr.docChanged ? Decoration.none : marks
  },
  provide: (f) => EditorView.decorations.from(f),
})

function keys(o: Options): Extension {
  return Prec.highest(
    keymap.of([
      { key: 'Escape', run: (v) => (completionStatus(v.state) === null ? (v.contentDOM.blur(), true) : false) },
      { key: 'Tab', run: acceptCompletion },
      { key: 'Shift-Enter', run: insertNewlineAndIndent },
      {
        key: 'Enter',
        run: (v) => {
          if (completionStatus(v.state) === 'active' && acceptCompletion(v)) return true
          o.onRun(v.state.doc.toString())
          return true
        },
      },
      {
        key: 'Mod-Enter',
        run: (v) => {
          o.onRun(v.state.doc.toString())
          return true
        },
      },
    ]),
  )
}

export function mountEditor(host: HTMLElement, o: Options): Editor {
  const root = host.shadowRoot ?? host.attachShadow({ mode: 'open' })
  const view = new EditorView({
    root,
    parent: root,
    state: EditorState.create({
      doc: o.text,
      extensions: [
        keys(o),
        history(),
        indentOnInput(),
        bracketMatching(),
        closeBrackets(),
        autocompletion({ activateOnTyping: true, defaultKeymap: true, icons: false }),
        keymap.of([...closeBracketsKeymap, ...completionKeymap, ...historyKeymap, ...defaultKeymap]),
        LANGUAGES[o.language](),
        fault,
        theme,
        syntaxHighlighting(colours),
        placeholder(o.placeholder),
        EditorView.lineWrapping,
        EditorView.contentAttributes.of({ 'aria-label': o.label, autocapitalize: 'off', spellcheck: 'false' }),
        EditorView.updateListener.of((u) => u.docChanged && o.onChange(u.state.doc.toString())),
      ],
    }),
  })
  if (o.focused) view.focus()
  return {
    set(text) {
      if (text === view.state.doc.toString()) return
      view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert: text }, selection: { anchor: text.length } })
    },
    fail: (at) => view.dispatch({ effects: setFault.of(at) }),
    focus: () => view.focus(),
    destroy: () => view.destroy(),
  }
}
