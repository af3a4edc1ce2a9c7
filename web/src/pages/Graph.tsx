// SPDX-License-Identifier: Apache-2.0
// The address that alerts carry as their source, in Prometheus's form: its query, in the metrics explorer.
import { useEffect } from 'preact/hooks'
import { go, link, useAddress } from '../state/address'

export function Graph() {
  const query = useAddress().get('g0.expr')
  useEffect(() => go(link('/metrics-explorer', { q: query }), true), [query])
  return <main id="main" />
}
