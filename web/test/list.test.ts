// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest'
import { offsetsOf, rowAt } from '../src/widgets/VirtualList'

describe('a long list', () => {
  const keys = ['a', 'b', 'c', 'd']
  it('takes the usual height for rows that were not measured', () => expect([...offsetsOf(keys, new Map([['b', 100]]), 20)]).toEqual([0, 20, 120, 140, 160]))
  it('finds the row at a place, the first above and the last below all', () => {
    const at = offsetsOf(keys, new Map([['b', 100]]), 20)
    expect([-50, 0, 19, 20, 119, 120, 159, 160, 9999].map((y) => rowAt(at, y))).toEqual([0, 0, 0, 1, 1, 2, 3, 3, 3])
  })
  it('may be empty', () => expect(rowAt(offsetsOf([], new Map(), 20), 5)).toBe(0))
})
