// SPDX-License-Identifier: Apache-2.0
// A component that draws again only when one of its properties is another value.
import { Component, h, type ComponentChildren, type FunctionComponent } from 'preact'

export function memo<P extends object>(draw: (props: P) => ComponentChildren): FunctionComponent<P> {
  const Inner = draw as FunctionComponent<P>
  class Memo extends Component<P> {
    override shouldComponentUpdate(next: P): boolean {
      const now = this.props as Record<string, unknown>
      const then = next as Record<string, unknown>
      return Object.keys({ ...now, ...then }).some((k) => k !== 'children' && now[k] !== then[k])
    }
    override render(): ComponentChildren {
      return h(Inner, this.props as P)
    }
  }
  return Memo as unknown as FunctionComponent<P>
}
