// SPDX-License-Identifier: Apache-2.0
// The systems people come from: what of theirs works here, what does not yet.
import { getJSON } from './http'

export interface Works {
  what: string // in a sentence
  how: string // protocol and path
  config: string // the least a client must be told, to copy
}
export interface Tool {
  name: string
  group: string
  works: Works[]
  not_yet: string[]
}

export async function tools(signal?: AbortSignal): Promise<Tool[]> {
  return (await getJSON<{ tools: Tool[] | null }>('/api/stoa/v1/tools', {}, signal)).tools ?? []
}
