// SPDX-License-Identifier: Apache-2.0
// The little Markdown that text panels use, as a tree: nothing in it can become markup of the page.

export type Inline = { kind: 'text' | 'code' | 'bold' | 'italic'; text: string } | { kind: 'link'; text: string; href: string }
export type Block =
  | { kind: 'heading'; level: number; inline: Inline[] }
  | { kind: 'paragraph'; inline: Inline[] }
  | { kind: 'list'; ordered: boolean; items: Inline[][] }
  | { kind: 'code'; text: string }

const SPAN = /`([^`]+)`|\*\*([^*]+)\*\*|__([^_]+)__|\*([^*\s][^*]*)\*|\[([^\]]+)\]\(([^)\s]+)\)/g

export function inline(text: string): Inline[] {
  const out: Inline[] = []
  let at = 0
  for (const m of text.matchAll(SPAN)) {
    if (m.index > at) out.push({ kind: 'text', text: text.slice(at, m.index) })
    at = m.index + m[0].length
    if (m[1] !== undefined) out.push({ kind: 'code', text: m[1] })
    else if (m[2] !== undefined || m[3] !== undefined) out.push({ kind: 'bold', text: m[2] ?? m[3] })
    else if (m[4] !== undefined) out.push({ kind: 'italic', text: m[4] })
    else if (/^(https?:\/\/|\/)/.test(m[6])) out.push({ kind: 'link', text: m[5], href: m[6] })
    else out.push({ kind: 'text', text: m[0] })
  }
  if (at < text.length) out.push({ kind: 'text', text: text.slice(at) })
  return out
}

export function blocks(text: string): Block[] {
  const out: Block[] = []
  const lines = text.replace(/\r/g, '').split('\n')
  for (let i = 0; i < lines.length; ) {
    const line = lines[i]
    const heading = /^(#{1,6})\s+(.*)$/.exec(line)
    const item = /^\s*(?:[-*+]|(\d+)\.)\s+(.*)$/
    if (/^\s*$/.test(line)) i++
    else if (/^```/.test(line)) {
      const end = lines.findIndex((l, k) => k > i && /^```/.test(l))
      const last = end < 0 ? lines.length : end
      out.push({ kind: 'code', text: lines.slice(i + 1, last).join('\n') })
      i = last + 1
    } else if (heading) {
      out.push({ kind: 'heading', level: heading[1].length, inline: inline(heading[2]) })
      i++
    } else if (item.test(line)) {
      const ordered = /^\s*\d/.test(line)
      const items: Inline[][] = []
      for (; i < lines.length && item.test(lines[i]); i++) items.push(inline(item.exec(lines[i])![2]))
      out.push({ kind: 'list', ordered, items })
    } else {
      let k = i
      while (k < lines.length && !/^\s*$/.test(lines[k]) && !item.test(lines[k]) && !/^(#{1,6}\s|```)/.test(lines[k])) k++
      out.push({ kind: 'paragraph', inline: inline(lines.slice(i, k).join(' ')) })
      i = k
    }
  }
  return out
}
