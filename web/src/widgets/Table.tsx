// SPDX-License-Identifier: Apache-2.0
// A table from a list of columns. On a narrow screen the columns marked `wide` are left out.
import type { ComponentChildren } from 'preact'
import type { ListRef } from '../state/keys'

export interface Column<T> {
  title: string // '' for a column that needs no name
  draw: (row: T, index: number) => ComponentChildren
  number?: boolean // to the right
  wide?: boolean // only where there is room
  hint?: string
  class?: (row: T) => string
}

export interface TableProps<T> {
  columns: Column<T>[]
  rows: T[]
  keyOf: (row: T, index: number) => string
  class?: string
  rowClass?: (row: T) => string
  active?: number // of useListKeys
  listRef?: ListRef
}

const classOf = <T,>(c: Column<T>, row?: T): string | undefined =>
  [c.number && 'n', c.wide && 'wide', row !== undefined && c.class?.(row)].filter(Boolean).join(' ') || undefined

export function Table<T>(p: TableProps<T>) {
  return (
    <div class="scroll">
      <table class={p.class}>
        <thead>
          <tr>
            {p.columns.map((c, i) => (
              <th key={i} scope="col" class={classOf(c)} title={c.hint}>
                {c.title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody ref={p.listRef as never}>
          {p.rows.map((row, i) => (
            <tr key={p.keyOf(row, i)} data-item={i} class={[i === p.active && 'active', p.rowClass?.(row)].filter(Boolean).join(' ') || undefined}>
              {p.columns.map((c, j) => (
                <td key={j} class={classOf(c, row)} title={c.hint}>
                  {c.draw(row, i)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}
