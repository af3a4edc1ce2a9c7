// SPDX-License-Identifier: Apache-2.0
// Text from outside is shown as it is, but may not act: control characters become their names and
// characters that turn the direction of writing or hide themselves become their code point.

const TAB = 0x09
const NEWLINE = 0x0a
const NAMES = 'NUL SOH STX ETX EOT ENQ ACK BEL BS HT LF VT FF CR SO SI DLE DC1 DC2 DC3 DC4 NAK SYN ETB CAN EM SUB ESC FS GS RS US'.split(' ')

function visible(code: number): string | null {
  if (code === NEWLINE) return '\u21b5'
  if (code < 0x20) return '\u27e8' + NAMES[code] + '\u27e9'
  if (code === 0x7f) return '\u27e8DEL\u27e9'
  const hidden =
    (code >= 0x80 && code <= 0x9f) || // C1 controls
    (code >= 0x202a && code <= 0x202e) || // bidi embeddings and overrides
    (code >= 0x2066 && code <= 0x2069) || // bidi isolates
    code === 0x200e ||
    code === 0x200f ||
    code === 0x061c || // bidi marks
    code === 0x200b ||
    code === 0x2060 ||
    code === 0xfeff || // zero width
    code === 0x2028 ||
    code === 0x2029 || // separators that break lines
    (code >= 0xfff9 && code <= 0xfffb) // interlinear annotation
  return hidden ? '\u27e8U+' + code.toString(16).toUpperCase().padStart(4, '0') + '\u27e9' : null
}

const SUSPECT = /[\u0000-\u001f\u007f-\u009f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060\u2066-\u2069\ufeff\ufff9-\ufffb\ud800-\udfff]/

// One line: tabs become spaces, line ends become a sign. lines: keep line ends for a block of text.
export function safe(text: unknown, lines = false): string {
  const s = typeof text === 'string' ? text : String(text)
  if (!SUSPECT.test(s)) return s
  let out = ''
  for (let i = 0; i < s.length; i++) {
    const code = s.charCodeAt(i)
    if (code >= 0xd800 && code <= 0xdfff) {
      const next = s.charCodeAt(i + 1)
      if (code <= 0xdbff && next >= 0xdc00 && next <= 0xdfff) {
        out += s[i] + s[i + 1]
        i++
      } else out += '\ufffd'
      continue
    }
    if (code === TAB) out += lines ? '\t' : '  '
    else if (code === NEWLINE && lines) out += '\n'
    else out += visible(code) ?? s[i]
  }
  return out
}

export function cut(text: string, max: number): string {
  return text.length > max ? text.slice(0, max - 1) + '…' : text
}

// A label set as PromQL writes it.
export function labelText(labels: Record<string, string>): string {
  const { __name__: name, ...rest } = labels
  const inside = Object.keys(rest)
    .sort()
    .map((k) => `${k}="${rest[k]}"`)
    .join(', ')
  return safe((name ?? '') + (inside || !name ? `{${inside}}` : ''))
}

// 32 bits that tell texts apart well enough for a key (FNV-1a).
export function hash32(text: string): string {
  let h = 0x811c9dc5
  for (let i = 0; i < text.length; i++) {
    h ^= text.charCodeAt(i)
    h = Math.imul(h, 0x01000193)
  }
  return (h >>> 0).toString(36)
}
