// SPDX-License-Identifier: Apache-2.0
// Services and who calls whom, from left to right. Boxes are links; lines carry how often and how many failed, in words, too.
import { useMemo } from 'preact/hooks'
import { link } from '../state/address'
import { layered, type Spot } from '../lib/layers'
import { cut, safe } from '../lib/text'
import { W } from '../lib/words'
import type { State } from './Badge'

const BOX_W = 168
const BOX_H = 50
const GAP_X = 128
const GAP_Y = 22
const PAD = 10
const NAME_MAX = 24
const SIDE = 56 // room for lines that go back, at either end
const BACK_DROP = 10 // how far a line that goes back hangs below its boxes
const BACK_STEP = 14 // and for each layer it goes back
const OVER = 48 // how far one that leaves out a layer rises
const OVER_STEP = 14
const STROKE_LEAST = 1.2
const STROKE_MOST = 6

export interface MapNode {
  name: string
  state: State
  lines: string[] // what is known of it, the most important first
  isService?: boolean // false: it has no page
}
export interface MapEdge {
  from: string
  to: string
  calls: number
  errors: number
  label: string
}

const x = (s: Spot) => SIDE + s.layer * (BOX_W + GAP_X)

// How far a line leaves the straight way: over what stands between, or below it on the way back.
const rise = (span: number): number => (span > 1 ? OVER + OVER_STEP * (span - 2) : 0)
const drop = (span: number): number => BOX_H / 2 + BACK_DROP + BACK_STEP * span

interface Point {
  x: number
  y: number
}

function curve(a: Point, b: Point, span: number): string {
  if (span > 0) {
    const bend = (b.x - a.x) / 2
    const up = rise(span)
    return `M${a.x} ${a.y}C${a.x + bend} ${a.y - up} ${b.x - bend} ${b.y - up} ${b.x} ${b.y}`
  }
  const low = Math.max(a.y, b.y) + drop(-span)
  return `M${a.x} ${a.y}C${a.x + SIDE} ${low} ${a.x} ${low} ${(a.x + b.x) / 2} ${low}S${b.x - SIDE} ${low} ${b.x} ${b.y}`
}

function labelAt(a: Point, b: Point, span: number): Point {
  if (span > 0) return { x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 - rise(span) * 0.75 - 5 }
  return { x: (a.x + b.x) / 2, y: Math.max(a.y, b.y) + drop(-span) - 4 }
}

export function ServiceGraph({ nodes, edges }: { nodes: MapNode[]; edges: MapEdge[] }) {
  const l = useMemo(() => layered(nodes.map((n) => n.name), edges), [nodes, edges])
  const tallest = Math.max(1, ...l.layers.map((c) => c.length))
  const spans = edges.map((e) => l.spots.get(e.to)!.layer - l.spots.get(e.from)!.layer)
  const top = PAD + rise(spans.reduce((m, n) => Math.max(m, n), 0)) * 0.75
  const below = spans.reduce((m, n) => Math.max(m, n < 0 ? drop(-n) - BOX_H / 2 : 0), 0)
  const height = top + tallest * (BOX_H + GAP_Y) + below + PAD
  const width = SIDE * 2 + l.layers.length * (BOX_W + GAP_X) - GAP_X
  const y = (s: Spot) => top + (s.row + (tallest - l.layers[s.layer].length) / 2) * (BOX_H + GAP_Y)
  const most = edges.reduce((m, e) => Math.max(m, e.calls), Number.MIN_VALUE)
  return (
    <div class="scroll map-scroll">
      <div class="map" style={{ width: `${width}px`, height: `${height}px` }}>
        <svg width={width} height={height} aria-hidden="true">
          <defs>
            {['', 'bad'].map((tone) => (
              <marker key={tone} id={`arrow${tone}`} viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" markerUnits="userSpaceOnUse" orient="auto">
                <path d="M0 0L8 4L0 8Z" class={`tip-${tone || 'ok'}`} />
              </marker>
            ))}
          </defs>
          {edges.map((e, i) => {
            const from = l.spots.get(e.from)!
            const to = l.spots.get(e.to)!
            if (e.from === e.to) return null
            const a = { x: x(from) + BOX_W, y: y(from) + BOX_H / 2 }
            const b = { x: x(to), y: y(to) + BOX_H / 2 }
            const bad = e.errors > 0
            const at = labelAt(a, b, spans[i])
            return (
              <g key={i} class={`edge-line ${bad ? 'bad' : ''} ${spans[i] < 0 ? 'back' : ''}`}>
                <path d={curve(a, b, spans[i])} stroke-width={STROKE_LEAST + (STROKE_MOST - STROKE_LEAST) * Math.sqrt(e.calls / most)} marker-end={`url(#arrow${bad ? 'bad' : ''})`} />
                <text x={at.x} y={at.y} text-anchor="middle">
                  {e.label}
                </text>
              </g>
            )
          })}
        </svg>
        {nodes.map((n) => {
          const s = l.spots.get(n.name)!
          const own = edges.find((e) => e.from === n.name && e.to === n.name)
          const to = n.isService === false ? undefined : link(`/services/${encodeURIComponent(n.name)}`)
          return (
            <a key={n.name} class={`map-node ${n.state}`} href={to} title={to && W.tracing.map.open(safe(n.name))} style={{ left: `${x(s)}px`, top: `${y(s)}px`, width: `${BOX_W}px`, height: `${BOX_H}px` }}>
              <b>
                {n.state === 'bad' ? '✕ ' : n.state === 'warn' ? '⚠ ' : ''}
                {safe(cut(n.name, NAME_MAX))}
                {own && <span title={W.tracing.map.self}> ↻</span>}
              </b>
              <span class="dim">{n.lines.join(' · ')}</span>
            </a>
          )
        })}
      </div>
    </div>
  )
}
