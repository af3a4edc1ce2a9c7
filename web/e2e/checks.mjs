// SPDX-License-Identifier: Apache-2.0
// What a person must be able to do. Each check opens a page, acts, and throws a sentence when something is not so.

export function must(condition, sentence) {
  if (!condition) throw new Error(sentence)
}

export async function textOf(locator) {
  return ((await locator.textContent()) ?? '').replace(/[\u00a0\u202f]/g, ' ')
}

export async function until(what, sentence, ms = 60000) {
  const end = Date.now() + ms
  for (;;) {
    if (await what()) return
    if (Date.now() > end) throw new Error(sentence)
    await new Promise((r) => setTimeout(r, 200))
  }
}

export const panel = (page, name) => page.locator(`[data-panel="${name}"]`)
export const param = (page, name) => new URL(page.url()).searchParams.get(name)

async function typeQuery(page, text) {
  const content = page.locator('.cm-content')
  await content.waitFor()
  await content.click()
  await page.keyboard.press('Control+A')
  // Inserted, not typed: completion must not change what is asked.
  await page.keyboard.insertText(text)
  await page.keyboard.press('Escape')
  await page.locator('.run').click()
}

export const checks = [
  {
    name: 'queries: one that runs is ended by hand, and its client is told',
    async run({ page, base, wide }) {
      // Nothing is stored for it: it works for minutes, on numbers of its own. The two looks ask different ones.
      const text = `max_over_time(quantile_over_time(0.5, vector(time())[1d:1s])[${wide ? 6000 : 6001}m:1s])`
      const ask = async () => {
        const r = await page.request.post(`${base}/api/v1/query`, { form: { query: text }, timeout: 120000 })
        return { status: r.status(), body: await r.text() }
      }
      const answer = ask().catch((e) => ({ status: 0, body: e.message }))
      await page.goto(`${base}/queries`)
      const row = panel(page, 'running').locator('tbody tr', { hasText: text })
      await until(async () => (await row.count()) === 1, 'the query that runs is not in the list')
      await row.getByRole('button', { name: 'End', exact: true }).click()
      await row.getByRole('button', { name: 'End it now' }).click()
      const { status, body } = await answer
      must(status === 499, `the client was answered with ${status}: ${body.slice(0, 200)}`)
      const told = JSON.parse(body)
      must(told.errorType === 'canceled' && /was cancelled/.test(told.error), `the client was told ${body.slice(0, 200)}`)
      await until(async () => (await row.count()) === 0, 'the query that was ended is still among those that run')
      const slow = panel(page, 'slowest').locator('tbody tr', { hasText: text }).first()
      await slow.waitFor()
      must(/cancel/i.test(await textOf(slow)), `how it ended reads "${await textOf(slow)}"`)
    },
  },
  {
    name: 'home shows this machine',
    full: true,
    async run({ page, base, scheme, wide }) {
      await page.goto(`${base}/`)
      await until(async () => /^\d[\d.]* %$/.test(await textOf(panel(page, 'CPU').locator('.big'))), 'CPU shows no percentage')
      await until(async () => /^\d[\d.]* [KMGT]iB$/.test(await textOf(panel(page, 'Memory').locator('.big'))), 'Memory shows no size')
      must(/of \d[\d.]* [KMGT]iB/.test(await textOf(panel(page, 'Memory').locator('.delta'))), 'Memory does not say of how much')
      await until(async () => /\d+(\.\d+)? %/.test(await textOf(panel(page, 'Disk'))), 'Disk shows no percentage')
      await until(async () => /(iB|B)\/s|no network interface/i.test(await textOf(panel(page, 'Network'))), 'Network shows no rate')
      must((await panel(page, 'CPU').locator('canvas').count()) === 1, 'CPU has no chart')
      must((await page.evaluate(() => document.documentElement.dataset.theme)) === scheme, `the page is not ${scheme}`)
      const label = await panel(page, 'CPU').locator('.chart').getAttribute('aria-label')
      must(/CPU: .*highest/.test(label ?? ''), 'the chart has no words for those who cannot see it')
      if (wide) {
        await panel(page, 'Memory').locator('.u-over').hover()
        await until(async () => /UTC/.test(await textOf(panel(page, 'Memory').locator('.tip'))), 'hovering a chart shows no time in UTC')
      }
    },
  },
  {
    name: 'home shows the services and the newest errors',
    full: true,
    async run({ page, base }) {
      await page.goto(`${base}/`)
      const services = panel(page, 'services')
      await services.locator('tbody tr').first().waitFor()
      const row = services.locator('tbody tr', { hasText: 'stoa' }).first()
      must((await row.count()) === 1, 'Stoa itself is not among the services')
      await until(async () => /\d[\d.]* (µs|ms|s)/.test(await textOf(row)), 'the service shows no duration')
      const errors = panel(page, 'errors')
      await until(async () => (await errors.locator('.line, .fine').count()) > 0, 'the newest errors show neither lines nor that there are none')
      if ((await errors.locator('.line').count()) > 0) {
        await errors.locator('.line').first().click()
        await page.waitForURL(/\/logs\?/)
        await page.locator('.entry.open').waitFor()
      } else {
        await row.locator('a').first().click()
        await page.waitForURL(/\/traces\?.*service=/)
      }
    },
  },
  {
    name: 'metrics browse and choose',
    async run({ page, base }) {
      await page.goto(`${base}/metrics-explorer`)
      await panel(page, 'browse').locator('.name-row').first().waitFor()
      await page.locator('.filter').fill('node load1')
      await until(async () => (await panel(page, 'browse').locator('.name-row').count()) < 6, 'the filter does not narrow the names')
      await panel(page, 'browse').locator('a', { hasText: /^node_load1$/ }).click()
      await panel(page, 'result').locator('canvas').waitFor()
      must(param(page, 'q') === 'node_load1', 'the address does not hold the query')
    },
  },
  {
    name: 'metrics query as chart and table',
    async run({ page, base }) {
      await page.goto(`${base}/metrics-explorer`)
      await typeQuery(page, 'sum by (mode) (rate(node_cpu_seconds_total[1m]))')
      const result = panel(page, 'result')
      await result.locator('canvas').waitFor()
      await until(async () => (await result.locator('.legend-table tbody tr').count()) > 2, 'the chart has fewer lines than CPU modes')
      must(/\d+ series · one point = /.test(await textOf(result)), 'the chart does not say what a point is')
      await result.getByRole('tab', { name: 'Table' }).click()
      await until(async () => /mode="idle"/.test(await textOf(result)), 'the table does not show the labels')
      must(param(page, 'tab') === 'table', 'the address does not hold the tab')
      await page.goBack()
      await result.locator('canvas').waitFor()
    },
  },
  {
    name: 'metrics of native histograms are drawn as quantiles, and that is said',
    async run({ page, base }) {
      const timeUnixNano = `${Date.now() - 90000}000000`
      const point = { timeUnixNano, startTimeUnixNano: `${Date.now() - 180000}000000`, count: '6', sum: 9, scale: 0, zeroCount: '0', positive: { offset: 0, bucketCounts: ['1', '2', '3'] } }
      const metrics = [{ name: 'e2e.sizes', exponentialHistogram: { aggregationTemporality: 2, dataPoints: [point] } }]
      const answer = await page.request.post(`${base}/v1/metrics`, { headers: { 'Content-Type': 'application/json' }, data: { resourceMetrics: [{ scopeMetrics: [{ metrics }] }] } })
      must(answer.ok(), `the push of a histogram: ${answer.status()}`)
      await page.goto(`${base}/metrics-explorer`)
      await typeQuery(page, 'e2e_sizes')
      const result = panel(page, 'result')
      await result.locator('canvas').waitFor()
      await until(async () => (await result.locator('.legend-table tbody tr').count()) === 3, 'there are not three lines')
      must(/p50 .*p90 .*p99 /s.test(await textOf(result)), 'the lines are not named by their quantiles')
      must(/histogram_quantile/.test(await textOf(page.locator('main'))), 'it is not said what is drawn')
    },
  },
  {
    name: 'metrics error is the server\'s sentence',
    async run({ page, base }) {
      page.allowErrors = true
      const bad = 'sum by (mode) (rate(node_cpu_seconds_total[1m])))'
      const answer = await (await page.request.get(`${base}/api/v1/query?query=${encodeURIComponent(bad)}`)).json()
      await page.goto(`${base}/metrics-explorer`)
      await typeQuery(page, bad)
      await page.locator('.failure').waitFor()
      const shown = await textOf(page.locator('.failure'))
      must(typeof answer.error === 'string' && shown.includes(answer.error.replace(/[\u00a0\u202f]/g, ' ')), `shown is "${shown}", the server said "${answer.error}"`)
    },
  },
  {
    name: 'metrics completion',
    wideOnly: true,
    async run({ page, base }) {
      await page.goto(`${base}/metrics-explorer`)
      await page.locator('.cm-content').click()
      await page.keyboard.type('node_load', { delay: 30 })
      await page.locator('.cm-tooltip-autocomplete li', { hasText: 'node_load1' }).first().waitFor()
    },
  },
  {
    name: 'logs list, expand, filter by a field',
    async run({ page, base, wide }) {
      await page.goto(`${base}/logs`)
      await page.locator('.list .line').first().waitFor()
      await until(async () => /[\d ]+lines?/.test(await textOf(panel(page, 'histogram').locator('h2'))), 'the histogram has no count')
      await until(async () => (await panel(page, 'histogram').locator('rect').count()) > 0, 'the histogram has no bars')
      must(/ERROR|WARN|INFO|DEBUG|TRACE|FATAL|CRIT|—/.test(await textOf(page.locator('.list .lv').first())), 'a line has no word for its level')
      await page.locator('.list .line .tx').first().click()
      await page.locator('.entry.open .details').waitFor()
      must(/service_name/.test(await textOf(page.locator('.entry.open .details'))), 'the open line does not show its labels')
      must(param(page, 'sel'), 'the address does not hold the open line')
      await page.keyboard.press('Escape')
      await until(async () => (await page.locator('.entry.open').count()) === 0, 'Esc does not close the line')
      // Where there is no room beside the lines, the fields come as a drawer.
      if (!wide) await page.locator('.fields-open').click()
      const fields = wide ? panel(page, 'fields') : page.locator('.drawer')
      const field = fields.locator('.field', { hasText: 'service_name' }).first()
      const value = await field.locator('.fv-text').first().textContent()
      await field.locator('.fv .plain').first().click()
      await until(async () => (param(page, 'q') ?? '').includes(`service_name="${value}"`), 'a click on a field adds no filter')
      must(wide || (await page.locator('.drawer').count()) === 0, 'the drawer stays open over what was asked for')
      await until(async () => {
        const names = await page.locator('.list .sv').allTextContents()
        return names.length > 0 && names.every((n) => n === value)
      }, 'lines of other services are still shown')
    },
  },
  {
    name: 'logs search by keys, refresh, count as chart',
    async run({ page, base }) {
      await page.goto(`${base}/logs`)
      await page.locator('.list .line').first().waitFor()
      await page.keyboard.press('j')
      await page.keyboard.press('j')
      await until(async () => (await page.locator('.line.active').count()) === 1, 'j does not move in the list')
      await page.keyboard.press('Enter')
      await page.locator('.entry.open').waitFor()
      await page.keyboard.press('Escape')
      const asked = page.waitForRequest((r) => r.url().includes('/loki/api/v1/query_range') && r.url().includes('direction=backward'))
      await page.keyboard.press('r')
      await asked
      await typeQuery(page, 'sum by (detected_level) (count_over_time({service_name=~".+"}[1m]))')
      await panel(page, 'counts').locator('canvas').waitFor()
    },
  },
  {
    name: 'traces search and waterfall',
    async run({ page, base, wide }) {
      await page.goto(`${base}/traces?service=stoa`)
      await page.locator('.trace-row').first().waitFor()
      const rows = await page.locator('.trace-row').count()
      must(/\d+ traces?/.test(await textOf(panel(page, 'traces').locator('h2'))), 'the number of traces is not said')
      await page.locator('input[name="min"]').fill('1us')
      await page.locator('.search .primary').click()
      await until(async () => param(page, 'min') === '1us', 'the address does not hold the search')
      await page.locator('.trace-row').first().waitFor()
      must(rows > 0, 'no trace is found')
      await page.locator('.trace-row').first().click()
      await page.waitForURL(/\/trace\/[0-9a-f]+/)
      await page.locator('.wf-item').first().waitFor()
      must((await page.locator('.wf-bar').count()) > 0, 'the waterfall has no bars')
      await page.locator('.wf-item .wf-lane').first().click()
      await page.locator('.span-details').waitFor()
      must(/service\.name/.test(await textOf(page.locator('.span-details'))), 'the span does not show its process')
      if (wide) {
        await page.locator('.trace-head a', { hasText: 'logs of this trace' }).click()
        await page.waitForURL(/\/logs\?.*trace_id/)
      }
    },
  },
  {
    name: 'traces tell what is wrong in a search',
    wideOnly: true,
    async run({ page, base }) {
      await page.goto(`${base}/traces?service=stoa`)
      await page.locator('input[name="min"]').fill('fast')
      await page.locator('.search .primary').click()
      await until(async () => /not a duration/.test(await textOf(page.locator('.search'))), 'a wrong duration is not told')
      page.allowErrors = true
      await page.goto(`${base}/trace/0123456789abcdef0123456789abcdef`)
      await until(async () => /No trace 0123/.test(await textOf(page.locator('main'))), 'a missing trace is not told')
      await page.goto(`${base}/no-such-page`)
      await until(async () => /no such page/.test(await textOf(page.locator('main'))), 'a path that is no page is not told')
    },
  },
  {
    name: 'go anywhere, time range, keys, theme',
    async run({ page, base, scheme }) {
      await page.goto(`${base}/`)
      await page.locator('.top').waitFor()
      await page.keyboard.press('Control+K')
      await page.locator('.palette input').fill('traces')
      await page.keyboard.press('Enter')
      await page.waitForURL(/\/traces/)
      await page.keyboard.press('t')
      await page.locator('.popover button', { hasText: '15' }).first().click()
      await until(async () => param(page, 'from') === 'now-15m', 'the address does not hold the range')
      await page.keyboard.press('?')
      await page.locator('dialog.keys').waitFor()
      await page.keyboard.press('Escape')
      await until(async () => (await page.locator('dialog').count()) === 0, 'Esc does not close the keys')
      await page.goto(`${base}/logs`)
      await page.locator('.cm-content').waitFor()
      await page.keyboard.press('/')
      await until(async () => page.evaluate(() => !!document.activeElement?.shadowRoot?.activeElement), '/ does not focus the query')
      await page.keyboard.press('Escape')
      await page.locator('.ctl.theme').click()
      const other = scheme === 'dark' ? 'light' : 'dark'
      must((await page.evaluate(() => document.documentElement.dataset.theme)) === other, 'the theme does not switch')
      await page.reload()
      await page.locator('.top').waitFor()
      must((await page.evaluate(() => document.documentElement.dataset.theme)) === other, 'the theme is not remembered')
      await page.locator('.ctl.theme').click()
    },
  },
  {
    name: 'long lists hold only what is seen',
    async run({ page, base }) {
      const service = `e2e-long-${Date.now()}`
      const at = Date.now() - 60000
      const push = async (texts, ms) => {
        const values = texts.map((text, i) => [`${ms}${String(i).padStart(6, '0')}`, text])
        const sent = await page.request.post(`${base}/loki/api/v1/push`, {
          headers: { 'Content-Type': 'application/json' },
          data: { streams: [{ stream: { service_name: service }, values }] },
        })
        must(sent.ok(), `the push was answered with ${sent.status()}`)
      }
      await push(Array.from({ length: 700 }, (_, i) => `line ${i}`), at)
      await page.goto(`${base}/logs?refresh=off&q=${encodeURIComponent(`{service_name="${service}"}`)}`)
      const entries = page.locator('.list .entry')
      const shown = async (text) => (await page.locator('.list .tx', { hasText: new RegExp(`^${text}$`) }).count()) > 0
      const few = async (when) => {
        const n = await entries.count()
        must(n > 5 && n < 120, `${when}, ${n} lines are in the document`)
      }
      await until(() => shown('line 699'), 'the newest line is not shown')
      for (const loaded of [400, 600, 700]) {
        await page.locator('.older').click()
        await until(async () => (await textOf(panel(page, 'lines').locator('h2'))).includes(`${loaded} loaded`), `older lines are not loaded up to ${loaded}`)
      }
      await few('with 700 loaded')
      await page.evaluate(() => scrollTo(0, document.documentElement.scrollHeight))
      await until(() => shown('line 0'), 'the oldest line is not drawn at the end of the list')
      must(!(await shown('line 699')), 'the newest line is still in the document at the end of the list')
      await few('at the end')
      // j begins at the first line, wherever the window is, and brings it into view.
      await page.keyboard.press('j')
      await until(() => page.locator('.line.active', { hasText: 'line 699' }).isVisible(), 'j does not bring the first line into view')
      for (let i = 0; i < 90; i++) await page.keyboard.press('j')
      const active = page.locator('.line.active', { hasText: /line 609$/ })
      await until(async () => (await active.count()) === 1, '90 times j do not lead to the 91st line')
      await until(() => active.evaluate((e) => e.getBoundingClientRect().top >= 0 && e.getBoundingClientRect().bottom <= innerHeight), 'the active line is out of view')
      await few('after 91 times j')
      // A refresh puts lines before it: the same line stays the active one.
      await push(['newer'], at + 1)
      await page.keyboard.press('r')
      await until(async () => (await textOf(panel(page, 'lines').locator('h2'))).includes('701 loaded'), 'the refresh brings no line')
      must((await active.count()) === 1, 'after a refresh another line is the active one')
      await page.keyboard.press('Enter')
      await page.locator('.entry.open', { hasText: 'line 609' }).waitFor()
      await page.keyboard.press('Escape')
      await until(async () => (await page.locator('.entry.open').count()) === 0, 'Esc does not close the line')
    },
  },
  {
    name: 'a long trace holds only what is seen',
    async run({ page, base }) {
      const hex = (n, digits) => n.toString(16).padStart(digits, '0')
      const id = `${hex(Date.now(), 16)}${hex(Math.floor(Math.random() * 2 ** 40), 16)}`
      const start = BigInt(Date.now() - 60000) * 1000000n
      const spans = Array.from({ length: 1500 }, (_, i) => ({
        traceId: id,
        spanId: hex(i + 1, 16),
        parentSpanId: i ? hex(1, 16) : '',
        name: `step ${i}`,
        kind: 1,
        startTimeUnixNano: String(start + BigInt(i) * 1000000n),
        endTimeUnixNano: String(start + (i ? BigInt(i + 1) : 1501n) * 1000000n),
      }))
      const resource = { attributes: [{ key: 'service.name', value: { stringValue: 'e2e-long' } }] }
      const sent = await page.request.post(`${base}/v1/traces`, { headers: { 'Content-Type': 'application/json' }, data: { resourceSpans: [{ resource, scopeSpans: [{ spans }] }] } })
      must(sent.ok(), `the spans were answered with ${sent.status()}`)
      await page.goto(`${base}/trace/${id}`)
      await page.locator('.wf-item').first().waitFor()
      must(/1.?500 spans/.test(await textOf(page.locator('.trace-head'))), 'the number of spans is not said')
      const few = async () => (await page.locator('.wf-item').count()) < 150
      must(await few(), 'all spans are in the document')
      await page.evaluate(() => scrollTo(0, document.documentElement.scrollHeight))
      await until(async () => (await page.locator('.wf-item', { hasText: /step 1499/ }).count()) === 1, 'the last span is not drawn at the end')
      must(await few(), 'all spans are in the document at the end')
      await page.goto(`${base}/trace/${id}?span=${hex(901, 16)}`)
      await until(() => page.locator('.wf-item.open', { hasText: 'step 900' }).isVisible(), 'a link to a span does not bring it into view')
    },
  },
  {
    name: 'patterns of log lines: the list, what is rare, and back to the lines',
    async run({ page, base }) {
      const service = `e2e-patterns-${Date.now()}`
      const lines = Array.from({ length: 30 }, (_, i) => `order ${i} "paid" by card <visa> in ${i * 3} ms`).concat('cache is cold')
      const values = lines.map((line, i) => [`${Date.now() - 1000 + i}000000`, line])
      const sent = await page.request.post(`${base}/loki/api/v1/push`, {
        headers: { 'Content-Type': 'application/json' },
        data: { streams: [{ stream: { service_name: service, level: 'error' }, values }] },
      })
      must(sent.ok(), `the push was answered with ${sent.status()}`)
      await page.goto(`${base}/logs?from=now-5m&to=now&refresh=off&q=${encodeURIComponent(`{service_name="${service}"}`)}`)
      await page.getByRole('tab', { name: 'Patterns' }).click()
      await page.waitForURL(/\/logs\/patterns/)
      const rows = panel(page, 'patterns').locator('tbody tr')
      await until(async () => (await rows.count()) === 2, 'not both patterns are shown')
      must(/order <_> "paid" by card <_> in <_> ms/.test(await textOf(rows.first())) && /30/.test(await textOf(rows.first())), `the first is "${await textOf(rows.first())}"`)
      await panel(page, 'patterns').getByRole('tab', { name: 'Rare' }).click()
      await until(async () => /cache is cold/.test(await textOf(rows.first())), 'the rare one is not the first')
      await panel(page, 'patterns').getByRole('tab', { name: 'Unlike before' }).click()
      await until(async () => (await rows.count()) === 2 && /new/.test(await textOf(rows.first())), 'what was not there before is not called new')
      await rows.locator('a', { hasText: 'order' }).click()
      await page.waitForURL(/\/logs\?/)
      must(param(page, 'q').includes('|> "order <_>'), `the query is ${param(page, 'q')}`)
      await until(async () => (await page.locator('.list .line').count()) > 5, 'the lines of the pattern are not shown')
      must(!/cache is cold/.test(await textOf(page.locator('.list'))), 'a line of another pattern is shown')
    },
  },
  {
    name: 'text from outside stays text',
    async run({ page, base }) {
      const service = `e2e-${Date.now()}`
      const line = 'red \u001b[31m turn \u202e around <img src=x onerror=document.title="gone"> end'
      const sent = await page.request.post(`${base}/loki/api/v1/push`, {
        headers: { 'Content-Type': 'application/json' },
        data: { streams: [{ stream: { service_name: service }, values: [[`${Date.now()}000000`, line]] }] },
      })
      must(sent.ok(), `the push was answered with ${sent.status()}`)
      await page.goto(`${base}/logs?q=${encodeURIComponent(`{service_name="${service}"}`)}`)
      const shown = page.locator('.list .tx').first()
      await shown.waitFor()
      const text = await textOf(shown)
      must(text.includes('⟨ESC⟩[31m') && text.includes('⟨U+202E⟩') && text.includes('<img src=x'), `shown is "${text}"`)
      must((await page.locator('.list img').count()) === 0 && !/gone/.test(await page.title()), 'markup from outside was run')
    },
  },
]
