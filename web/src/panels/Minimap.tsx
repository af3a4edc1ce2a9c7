// SPDX-License-Identifier: Apache-2.0
// The whole trace in a strip, one thin line a span; a drag says which part of the time the waterfall shows.
import { useEffect, useRef, useState } from 'preact/hooks'
import { useTheme } from '../state/theme'
import type { TraceView } from '../lib/trace'
import { W } from '../lib/words'

const HEIGHT = 52
const DRAG_MIN = 0.005

export interface Part {
  from: number // shares of the trace's time
  to: number
}

function paint(canvas: HTMLCanvasElement, view: TraceView, slot: (service: string) => number): void {
  const ratio = window.devicePixelRatio || 1
  const width = Math.max(1, Math.round(canvas.clientWidth * ratio))
  const height = Math.round(HEIGHT * ratio)
  canvas.width = width
  canvas.height = height
  const g = canvas.getContext('2d')
  if (!g) return
  const style = getComputedStyle(document.documentElement)
  const colours = [1, 2, 3, 4, 5, 6].map((i) => style.getPropertyValue(`--c${i}`).trim())
  const bad = style.getPropertyValue('--bad').trim()
  const n = view.nodes.length
  const line = Math.max(ratio, Math.min(4 * ratio, height / n))
  view.nodes.forEach((node, i) => {
    g.fillStyle = node.error ? bad : colours[slot(node.service) % colours.length]
    const x = ((node.startUs - view.startUs) / Math.max(view.durationUs, 1)) * width
    g.fillRect(x, (i / n) * (height - line), Math.max(ratio, (node.span.duration / Math.max(view.durationUs, 1)) * width), line)
  })
}

export function Minimap({ view, slot, part, onPart }: { view: TraceView; slot: (service: string) => number; part: Part; onPart: (p: Part | null) => void }) {
  const box = useRef<HTMLDivElement>(null)
  const canvas = useRef<HTMLCanvasElement>(null)
  const theme = useTheme()
  const [drag, setDrag] = useState<Part | null>(null)
  useEffect(() => {
    const c = canvas.current!
    const draw = () => paint(c, view, slot)
    const watch = new ResizeObserver(draw)
    watch.observe(c)
    draw()
    return () => watch.disconnect()
  }, [view, theme])
  const share = (e: PointerEvent) => {
    const r = box.current!.getBoundingClientRect()
    return Math.max(0, Math.min(1, (e.clientX - r.left) / r.width))
  }
  const shown = drag ? { from: Math.min(drag.from, drag.to), to: Math.max(drag.from, drag.to) } : part
  const finish = () => {
    if (drag && Math.abs(drag.to - drag.from) > DRAG_MIN) onPart(shown)
    setDrag(null)
  }
  return (
    <div
      class="minimap"
      ref={box}
      role="img"
      aria-label={W.tracing.view.minimap}
      title={W.tracing.view.minimap}
      onPointerDown={(e) => {
        box.current!.setPointerCapture(e.pointerId)
        setDrag({ from: share(e), to: share(e) })
      }}
      onPointerMove={(e) => drag && setDrag({ ...drag, to: share(e) })}
      onPointerUp={finish}
      onPointerCancel={() => setDrag(null)}
      onDblClick={() => onPart(null)}
    >
      <canvas ref={canvas} />
      {shown.from > 0 && <i class="veil" style={{ left: 0, width: `${shown.from * 100}%` }} />}
      {shown.to < 1 && <i class="veil" style={{ left: `${shown.to * 100}%`, width: `${(1 - shown.to) * 100}%` }} />}
    </div>
  )
}
