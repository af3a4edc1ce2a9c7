// SPDX-License-Identifier: Apache-2.0
import { PromQLExtension } from '@prometheus-io/codemirror-promql'
import type { Extension } from '@codemirror/state'

export function promql(): Extension {
  return new PromQLExtension()
    .setComplete({ remote: { url: '', httpMethod: 'GET', fetchFn: (input, init) => fetch(input, init), httpErrorHandler: () => undefined } })
    .asExtension()
}
