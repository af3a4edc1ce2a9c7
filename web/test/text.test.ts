// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest'
import { hash32, labelText, safe } from '../src/lib/text'

describe('text from outside', () => {
  it('leaves plain text as it is', () => expect(safe('grün <b> 漢字 👩‍🚀')).toBe('grün <b> 漢字 👩‍🚀'))
  it('names control characters', () => expect(safe('a\u001b[31m\u0000\u007f')).toBe('a⟨ESC⟩[31m⟨NUL⟩⟨DEL⟩'))
  it('neutralises bidirectional overrides', () => expect(safe('x\u202ey\u2066z')).toBe('x⟨U+202E⟩y⟨U+2066⟩z'))
  it('shows zero width characters', () => expect(safe('pass\u200bword')).toBe('pass⟨U+200B⟩word'))
  it('shows a line end as a sign in a line, and keeps it in a block', () => {
    expect(safe('a\nb')).toBe('a↵b')
    expect(safe('a\nb\tc', true)).toBe('a\nb\tc')
  })
  it('replaces half a surrogate pair', () => expect(safe('a\ud800b')).toBe('a\ufffdb'))
})

describe('labels', () => {
  it('are written as PromQL does', () => expect(labelText({ __name__: 'up', job: 'node', a: '1' })).toBe('up{a="1", job="node"}'))
  it('an empty set is a pair of braces', () => expect(labelText({})).toBe('{}'))
  it('hash tells texts apart', () => expect(hash32('a')).not.toBe(hash32('b')))
})
