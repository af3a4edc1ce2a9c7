// SPDX-License-Identifier: Apache-2.0
// A line the height of a word. Gaps stay gaps; y from zero.
const WIDTH = 90
const HEIGHT = 18

export function Spark({ values, tone, label }: { values: (number | null)[]; tone: string; label: string }) {
  const known = values.filter((v): v is number => v !== null)
  if (known.length < 2) return <svg class="spark" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label={label} />
  const max = Math.max(...known, 1e-12)
  let path = ''
  let pen = false
  values.forEach((v, i) => {
    if (v === null) {
      pen = false
      return
    }
    const x = ((i * WIDTH) / (values.length - 1)).toFixed(1)
    const y = (HEIGHT - 2 - (Math.max(0, v) / max) * (HEIGHT - 4)).toFixed(1)
    path += `${pen ? 'L' : 'M'}${x} ${y}`
    pen = true
  })
  return (
    <svg class={`spark ${tone}`} viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" role="img" aria-label={label}>
      <path d={path} />
    </svg>
  )
}
