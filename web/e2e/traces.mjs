// SPDX-License-Identifier: Apache-2.0
// Traces in all their views, and what spans say of services together. Each check sends what it looks at.
import { must, panel, param, textOf, until } from './checks.mjs'
import { hex, MS, send, unique } from './spans.mjs'

// A shop that pays, on clocks that differ; `slow` stretches the payment.
async function shop(page, base, { name = unique('e2e'), slow = 1, failed = false, extra = false } = {}) {
  const id = hex(32)
  const [root, charge, pay, gone] = [hex(16), hex(16), hex(16), hex(16)]
  const start = Date.now() - 20000
  const exception = { timeUnixNano: String(BigInt(start + 60) * MS), name: 'exception', attributes: [{ key: 'exception.type', value: { stringValue: 'TimeoutError' } }, { key: 'exception.message', value: { stringValue: 'no answer' } }] }
  const spans = [
    { service: `${name}-shop`, id: root, name: 'POST /order', at: 0, ms: 100 + 200 * slow, failed },
    { service: `${name}-shop`, id: charge, up: root, name: 'charge', at: 10, ms: 60 + 200 * slow, kind: 3 },
    { service: `${name}-pay`, id: pay, up: charge, name: 'POST /pay', at: -5000, ms: 200 * slow, failed, events: failed ? [exception] : [], links: [{ traceId: gone + gone, spanId: gone }] },
  ]
  if (extra) spans.push({ service: `${name}-pay`, id: hex(16), up: pay, name: 'retry', at: -4990, ms: 20, kind: 1 })
  await send(page, base, id, start, spans)
  return { id, name, root, charge, pay, start, linked: gone + gone }
}

export const checks = [
  {
    name: 'trace: clocks, critical path, folding, a part of the time',
    full: true,
    async run({ page, base, wide }) {
      const t = await shop(page, base)
      await page.goto(`${base}/trace/${t.id}`)
      const rows = page.locator('.wf-item')
      await until(async () => (await rows.count()) === 3, 'the three spans are not shown')
      must(/clock \+5\.04 s/.test(await textOf(rows.nth(2))), `the shifted span reads "${await textOf(rows.nth(2))}"`)
      must(/1 span of .*-pay moved for display, by up to \+5\.04 s/.test(await textOf(panel(page, 'skew'))), 'the correction of clocks is not told')
      must((await rows.nth(2).locator('.wf-critical').count()) === 1, 'the payment is not on the critical path')
      must(/-pay POST \/pay 200 ms 66\.7 %/.test(await textOf(panel(page, 'took'))), `what took the time reads "${await textOf(panel(page, 'took'))}"`)
      await panel(page, 'skew').locator('a').click()
      await until(async () => /as recorded/.test(await textOf(panel(page, 'skew'))), 'times as recorded cannot be seen')
      must(param(page, 'skew') === 'off', 'the address does not hold it')
      await page.goBack()
      await until(async () => /clock/.test(await textOf(rows.nth(2))), 'back does not correct again')
      await page.keyboard.press('j')
      await page.keyboard.press('ArrowLeft')
      await until(async () => (await rows.count()) === 1, 'the arrow does not fold')
      must(param(page, 'fold') === t.root, 'the address does not hold what is folded')
      await page.reload()
      await until(async () => (await rows.count()) === 1, 'a link does not fold')
      await page.keyboard.press('j')
      await page.keyboard.press('ArrowRight')
      await until(async () => (await rows.count()) === 3, 'the arrow does not unfold')
      if (!wide) return
      const box = await page.locator('.minimap').boundingBox()
      await page.mouse.move(box.x + box.width * 0.25, box.y + 20)
      await page.mouse.down()
      await page.mouse.move(box.x + box.width * 0.5, box.y + 20, { steps: 4 })
      await page.mouse.up()
      await until(async () => /^\d+-\d+$/.test(param(page, 'zoom') ?? ''), 'a drag over the minimap chooses nothing')
      await page.getByRole('button', { name: 'whole trace' }).click()
      await until(async () => param(page, 'zoom') === null, 'the whole trace is not shown again')
    },
  },
  {
    name: 'trace: a span with all it carries, log lines in their place',
    full: true,
    async run({ page, base }) {
      const t = await shop(page, base, { failed: true })
      const streams = [{ stream: { service_name: `${t.name}-pay`, level: 'error' }, values: [[`${t.start + 50}000000`, 'provider timeout after 3000 ms', { trace_id: t.id, span_id: t.pay }]] }]
      const pushed = await page.request.post(`${base}/loki/api/v1/push`, { headers: { 'Content-Type': 'application/json' }, data: { streams } })
      must(pushed.ok(), `the push of a line was answered with ${pushed.status()}`)
      await page.goto(`${base}/trace/${t.id}`)
      const line = page.locator('.wf-line')
      await until(async () => (await line.count()) === 1 && /ERROR.*provider timeout/.test(await textOf(line)), 'the log line is not under its span')
      await page.locator('.wf-item', { hasText: 'POST /pay' }).locator('.wf-lane').click()
      const details = page.locator('.span-details')
      await details.waitFor()
      const text = await textOf(details)
      for (const [what, re] of Object.entries({ scope: /Instrumentation scope.*io\.e2e/, status: /Status.*it broke/, resource: /Resource.*service\.name/, event: /exception.*TimeoutError/, line: /Log lines.*provider timeout/, link: /another trace/ }))
        must(re.test(text), `the span does not show its ${what}: ${text.slice(0, 600)}`)
      must((await details.locator(`a[href*="/trace/${t.linked}"]`).count()) === 1, 'the link to another trace does not lead there')
      must(param(page, 'span') === t.pay, 'the address does not hold the span')
      await page.getByRole('group', { name: 'log lines' }).getByRole('button', { name: 'none' }).click()
      await until(async () => (await line.count()) === 0, 'log lines cannot be hidden')
    },
  },
  {
    name: 'trace: flame, map and comparison',
    full: true,
    async run({ page, base, wide }) {
      const name = unique('e2e')
      const a = await shop(page, base, { name })
      const b = await shop(page, base, { name, slow: 3, extra: true })
      await page.goto(`${base}/trace/${a.id}`)
      await page.getByRole('tab', { name: 'Flame' }).click()
      await until(async () => (await page.locator('.frame').count()) === 3, 'the flame does not have three frames')
      await page.locator('.frame', { hasText: 'charge' }).click()
      await until(async () => (await page.locator('.frame').count()) === 2, 'a click does not look inside a frame')
      must(param(page, 'frame'), 'the address does not hold the frame')
      await page.keyboard.press('Escape')
      await until(async () => (await page.locator('.frame').count()) === 3, 'Esc does not lead out')
      await page.getByRole('tab', { name: 'Map' }).click()
      await until(async () => (await page.locator('.map-node').count()) === 2, 'the map of the trace does not have both services')
      await page.getByRole('tab', { name: 'Compare' }).click()
      const other = page.locator('.like-row', { hasText: b.id })
      await other.click()
      const row = (text) => page.locator('.diff-row', { hasText: text })
      await until(async () => /slower/.test(await textOf(row('POST /pay'))), 'what is slower is not called so')
      must(/\+400 ms/.test(await textOf(row('POST /pay'))), `the difference reads "${await textOf(row('POST /pay'))}"`)
      must(/only in the other/.test(await textOf(row('retry'))), 'what only the other has is not called so')
      must(param(page, 'with') === b.id, 'the address does not hold the other trace')
      await page.getByText('swap the two').click()
      await until(async () => /faster/.test(await textOf(row('POST /pay'))), 'swapped, it is not faster')
      if (wide) must(/600 ms → 200 ms/.test(await textOf(row('POST /pay'))), 'the totals are not told')
    },
  },
  {
    name: 'trace: circles, orphans and large attributes are shown',
    async run({ page, base }) {
      const id = hex(32)
      const [a, b, c, d] = [hex(16), hex(16), hex(16), hex(16)]
      const big = [{ key: 'big', value: { stringValue: 'x'.repeat(500000) } }]
      await send(page, base, id, Date.now() - 9000, [
        { service: 'e2e-odd', id: a, name: 'root', at: 0, ms: 100 },
        { service: 'e2e-odd', id: b, up: c, name: 'hen', at: 10, ms: 20 },
        { service: 'e2e-odd', id: c, up: b, name: 'egg', at: 12, ms: 10 },
        { service: 'e2e-odd', id: d, up: hex(16), name: 'lost', at: 30, ms: 10, attributes: big },
      ])
      await page.goto(`${base}/trace/${id}?span=${d}`)
      await until(async () => (await page.locator('.wf-item').count()) === 4, 'not every span is shown')
      const text = await textOf(page.locator('main'))
      must(/circle cut here/.test(text) && /parent is not stored/.test(text), 'what is odd is not told')
      const details = page.locator('.span-details')
      must((await textOf(details)).length < 10000, 'a large attribute is drawn whole unasked')
      must(/show all 500 k characters/.test(await textOf(details)), 'the size of the attribute is not told')
    },
  },
  {
    name: 'trace of a hundred thousand spans',
    wideOnly: true,
    async run({ page, base }) {
      const id = hex(32)
      const root = hex(16)
      const start = Date.now() - 30000
      const idOf = (i) => (i ? i.toString(16).padStart(16, '0') : root)
      for (let from = 0; from < 100000; from += 10000)
        await send(page, base, id, start, Array.from({ length: 10000 }, (_, k) => k + from).map((i) => ({ service: `e2e-many-${i % 4}`, id: idOf(i), up: i ? idOf(i >> 3) : undefined, name: `step ${i % 40}`, at: i / 100, ms: i ? 3 : 1003, kind: 1 })))
      await page.goto(`${base}/trace/${id}?skew=off`)
      await until(async () => /100.?000 spans/.test(await textOf(page.locator('.trace-head'))), 'not all spans are there')
      must((await page.locator('.wf-item').count()) < 150, 'all spans are in the document')
      await page.evaluate(() => scrollTo(0, document.documentElement.scrollHeight))
      await until(async () => (await page.locator('[aria-posinset="100000"]').count()) === 1, 'the last span cannot be reached')
      await page.getByRole('tab', { name: 'Flame' }).click()
      await page.locator('.frame').first().waitFor()
    },
  },
  {
    name: 'trace of a hundred thousand spans in one chain, and one of ten megabytes of attributes',
    wideOnly: true,
    async run({ page, base }) {
      const id = hex(32)
      const start = Date.now() - 30000
      const idOf = (i) => (i + 1).toString(16).padStart(16, '0')
      for (let from = 0; from < 100000; from += 10000)
        await send(page, base, id, start, Array.from({ length: 10000 }, (_, k) => k + from).map((i) => ({ service: `e2e-deep-${i % 4}`, id: idOf(i), up: i ? idOf(i - 1) : undefined, name: `step ${i % 40}`, at: i / 1000, ms: 1003 - i / 100, kind: 1 })))
      await page.goto(`${base}/trace/${id}`)
      await until(async () => /100.?000 spans/.test(await textOf(page.locator('.trace-head'))), 'not all spans of the chain are there')
      must((await page.locator('.wf-item').count()) < 150, 'all spans of the chain are in the document')
      await page.evaluate(() => scrollTo(0, document.documentElement.scrollHeight))
      await until(async () => (await page.locator('[aria-posinset="100000"]').count()) === 1, 'the end of the chain cannot be reached')
      await page.locator('[aria-posinset="100000"] .wf-lane').click()
      await page.locator('.span-details').waitFor()
      for (const view of ['Flame', 'Map', 'Waterfall']) {
        await page.getByRole('tab', { name: view }).click()
        await page.locator({ Flame: '.frame', Map: '.map-node', Waterfall: '.wf-item' }[view]).first().waitFor()
      }

      const fat = hex(32)
      const attributes = Array.from({ length: 400 }, (_, i) => ({ key: `key.${i}`, value: { stringValue: `${i} `.padEnd(26000, 'x') } }))
      await send(page, base, fat, start, [
        { service: 'e2e-fat', id: idOf(0), name: 'fat', at: 0, ms: 100, attributes },
        { service: 'e2e-fat', id: idOf(1), up: idOf(0), name: 'thin', at: 10, ms: 10 },
      ])
      await page.goto(`${base}/trace/${fat}`)
      await until(async () => (await page.locator('.wf-item').count()) === 2, 'not both spans are shown')
      await page.locator('.wf-item').first().locator('.wf-lane').click()
      const details = page.locator('.span-details')
      await details.waitFor()
      must((await textOf(details)).length < 100000, 'ten megabytes are drawn unasked')
      must(/key\.0/.test(await textOf(details)), 'no attribute is shown')
    },
  },
  {
    name: 'traces heatmap narrows time and duration, by pointer and by keys',
    full: true,
    async run({ page, base, wide }) {
      const name = unique('e2e')
      for (const slow of [0.1, 0.1, 1, 1, 10]) await shop(page, base, { name, slow, failed: slow === 10 })
      const service = `${name}-pay`
      const open = () => page.goto(`${base}/traces?service=${service}&from=now-5m&to=now`)
      const say = page.locator('.heat-say')
      await open()
      await until(async () => /^5 spans/.test(await textOf(say)), 'the spans found are not counted')
      must((await page.locator('.heat rect.failed').count()) === 1 && (await page.locator('.heat path.cross').count()) === 1, 'what failed has no mark')
      const plot = page.locator('.heat-plot')
      await plot.focus()
      for (let i = 0; i < 12; i++) await page.keyboard.press('ArrowUp')
      for (let i = 0; i < 31; i++) await page.keyboard.press('ArrowLeft')
      for (let i = 0; i < 60; i++) await page.keyboard.press('Shift+ArrowRight')
      for (let i = 0; i < 4; i++) await page.keyboard.press('Shift+ArrowDown')
      await until(async () => /^1 span, 1 failed: /.test(await textOf(say)), `the box of the keys reads "${await textOf(say)}"`)
      await page.keyboard.press('Enter')
      await until(async () => /\d(ms|s)$/.test(param(page, 'min') ?? '') && /^\d+$/.test(param(page, 'from') ?? ''), 'Enter does not narrow the search')
      await until(async () => (await page.locator('.trace-row').count()) === 1, 'not the one slow trace is left')
      await page.getByRole('button', { name: 'any duration' }).click()
      await until(async () => (await page.locator('.trace-row').count()) === 5, 'the durations cannot be freed again')
      if (!wide) return
      await open()
      await until(async () => /^5 spans/.test(await textOf(say)), 'the spans are not there again')
      const box = await plot.boundingBox()
      await page.mouse.move(box.x + 5, box.y + box.height - 3)
      await page.mouse.down()
      await page.mouse.move(box.x + box.width - 5, box.y + box.height - 30, { steps: 5 })
      await page.mouse.up()
      await until(async () => param(page, 'max') !== null, 'a drag does not narrow the search')
      await until(async () => (await page.locator('.trace-row').count()) === 2, 'not the two fast traces are left')
    },
  },
  {
    name: 'service map, and a service with its neighbours and errors',
    full: true,
    async run({ page, base }) {
      const name = unique('e2e')
      for (let i = 0; i < 3; i++) await shop(page, base, { name, failed: i === 0 })
      page.allowErrors = true // until its spans are in a step that is over, the service is not known
      await page.goto(`${base}/service-map?from=now-15m&to=now&refresh=5s`)
      const node = page.locator('.map-node', { hasText: `${name}-pay`.slice(0, 20) })
      await node.waitFor()
      await until(async () => (await panel(page, 'connections').locator('tbody tr', { hasText: `${name}-pay` }).filter({ hasText: `${name}-shop` }).count()) === 1, 'the connection is not in the table')
      await node.click()
      await page.waitForURL(new RegExp(`/services/${name}-pay`))
      await until(async () => /TimeoutError/.test(await textOf(panel(page, 'failures'))), 'the errors of the service are not told')
      await until(async () => (await panel(page, 'neighbours').locator('a', { hasText: `${name}-shop` }).count()) === 1, 'who calls it is not told')
      await panel(page, 'failures').locator('a', { hasText: 'a trace' }).click()
      await page.waitForURL(/\/trace\/[0-9a-f]{32}\?.*span=/)
    },
  },
]
