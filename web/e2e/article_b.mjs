// SPDX-License-Identifier: Apache-2.0
// The views on users, cost, one id, the report on logs, one service, and boards: each is given what it shows, then looked at.

function must(condition, sentence) {
  if (!condition) throw new Error(sentence)
}

async function textOf(locator) {
  return ((await locator.textContent()) ?? '').replace(/[\u00a0\u202f]/g, ' ')
}

async function until(what, sentence, ms = 60000) {
  const end = Date.now() + ms
  for (;;) {
    if (await what()) return
    if (Date.now() > end) throw new Error(sentence)
    await new Promise((r) => setTimeout(r, 200))
  }
}

const panel = (page, name) => page.locator(`[data-panel="${name}"]`)
const param = (page, name) => new URL(page.url()).searchParams.get(name)
const unique = (name) => `${name}-${Date.now().toString(36)}${Math.floor(Math.random() * 1e6)}`
const hex = (digits) => Array.from({ length: digits }, () => Math.floor(Math.random() * 16).toString(16)).join('')

async function sent(answer, what) {
  must(answer.ok(), `${what} was answered with ${answer.status()}: ${(await answer.text()).slice(0, 200)}`)
}

// lines: [level, text, milliseconds ago]
async function pushLines(page, base, service, lines) {
  const streams = lines.map(([level, text, ago = 2000]) => ({ stream: { service_name: service, level }, values: [[`${Date.now() - ago}000000`, text]] }))
  await sent(await page.request.post(`${base}/loki/api/v1/push`, { headers: { 'Content-Type': 'application/json' }, data: { streams } }), 'the push of lines')
}

async function pushTrace(page, base, service, traceId, attributes = {}, failed = false) {
  const start = BigInt(Date.now() - 5000) * 1000000n
  const span = (id, parent, name, from, ms) => ({
    traceId,
    spanId: id,
    parentSpanId: parent,
    name,
    kind: parent ? 3 : 2,
    startTimeUnixNano: String(start + BigInt(from) * 1000000n),
    endTimeUnixNano: String(start + BigInt(from + ms) * 1000000n),
    status: { code: failed ? 2 : 1 },
    attributes: Object.entries({ 'http.request.method': 'POST', 'http.route': '/api/orders', ...attributes }).map(([key, v]) => ({ key, value: { stringValue: v } })),
  })
  const root = hex(16)
  const resource = { attributes: [{ key: 'service.name', value: { stringValue: service } }] }
  const data = { resourceSpans: [{ resource, scopeSpans: [{ spans: [span(root, '', 'POST /api/orders', 0, 412), span(hex(16), root, 'charge', 100, 200)] }] }] }
  await sent(await page.request.post(`${base}/v1/traces`, { headers: { 'Content-Type': 'application/json' }, data }), 'the push of spans')
}

const DASHBOARD = {
  title: 'Hand-written for the test',
  panels: [
    { id: 1, type: 'row', title: 'First row', gridPos: { x: 0, y: 0, w: 24, h: 1 } },
    { id: 2, type: 'timeseries', title: 'CPU of $which', gridPos: { x: 0, y: 1, w: 12, h: 8 }, fieldConfig: { defaults: { unit: 'percentunit' } }, targets: [{ refId: 'A', expr: 'sum by (mode) (rate(node_cpu_seconds_total{mode=~"$which"}[$__rate_interval]))', legendFormat: '{{mode}}' }] },
    { id: 3, type: 'stat', title: 'Load', gridPos: { x: 12, y: 1, w: 6, h: 4 }, fieldConfig: { defaults: { thresholds: { steps: [{ color: 'green', value: null }, { color: 'red', value: 1000 }] } } }, targets: [{ refId: 'A', expr: 'node_load1' }] },
    { id: 4, type: 'gauge', title: 'Memory', gridPos: { x: 18, y: 1, w: 6, h: 4 }, fieldConfig: { defaults: { unit: 'percentunit', max: 1 } }, targets: [{ refId: 'A', expr: '1 - node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes' }] },
    { id: 5, type: 'table', title: 'Modes', gridPos: { x: 12, y: 5, w: 6, h: 4 }, targets: [{ refId: 'A', expr: 'sum by (mode) (node_cpu_seconds_total)', format: 'table', instant: true }] },
    { id: 6, type: 'text', title: 'Words', gridPos: { x: 18, y: 5, w: 6, h: 4 }, options: { mode: 'markdown', content: '## Hello\n\n**bold** <img src=x onerror=document.title="gone">' } },
    { id: 7, type: 'logs', title: 'Lines', gridPos: { x: 0, y: 9, w: 24, h: 6 }, targets: [{ refId: 'A', datasource: { type: 'loki' }, expr: '{service_name=~".+"}' }] },
    { id: 8, type: 'candlestick', title: 'Other', gridPos: { x: 0, y: 15, w: 24, h: 4 }, targets: [{ refId: 'A', expr: 'node_load5' }] },
  ],
  templating: { list: [{ name: 'which', type: 'custom', query: 'idle,user,system', includeAll: true, multi: true, current: { value: '$__all' } }] },
  schemaVersion: 39,
}

export const checks = [
  {
    name: 'home shows a service at a glance',
    async run({ page, base }) {
      const service = unique('e2e-glance')
      for (let i = 0; i < 4; i++) await pushTrace(page, base, service, hex(32), {}, i === 0)
      await page.goto(`${base}/?from=now-15m&to=now&service=${service}`)
      const box = page.locator(`.glance[data-service="${service}"]`)
      await box.waitFor()
      const figure = (name) => box.locator(`[data-figure="${name}"] .big`)
      await until(async () => /^\d[\d.]* (ms|s)$/.test(await textOf(figure('p95 latency'))), 'the glance has no p95 latency')
      await until(async () => /^\d[\d.]* %$/.test(await textOf(figure('Error rate'))), 'the glance has no error rate')
      await until(async () => /^\d[\d.]*\/s$/.test(await textOf(figure('Requests per second'))), 'the glance has no requests per second')
      await until(async () => /^\d[\d.]* %$/.test(await textOf(figure('CPU usage'))), 'the glance has no CPU usage')
      await until(async () => /\d[\d.]* [KMGT]iB/.test(await textOf(figure('Memory'))), 'the glance has no memory')
      await panel(page, 'glance').locator('a', { hasText: 'all about it' }).click()
      await page.waitForURL(new RegExp(`/services/${service}`))
    },
  },
  {
    name: 'a service: signals, endpoints, sources, neighbours',
    full: true,
    async run({ page, base }) {
      const service = unique('e2e-service')
      for (let i = 0; i < 4; i++) await pushTrace(page, base, service, hex(32), {}, i === 0)
      page.allowErrors = true // until its spans are in a step that is over, the service is not known
      await page.goto(`${base}/services/${service}?from=now-15m&to=now&refresh=5s`)
      await until(async () => /measured from spans/.test(await textOf(page.locator('.service-head'))), 'the source of the numbers is not said')
      for (const name of ['Requests per second', 'Errors', 'Latency', 'Saturation']) await panel(page, name).waitFor()
      await panel(page, 'Latency').locator('canvas').waitFor()
      await until(async () => /\/api\/orders/.test(await textOf(panel(page, 'endpoints'))), 'the endpoints are not told')
      await until(async () => /25 %/.test(await textOf(panel(page, 'endpoints'))), 'the error rate of the endpoint is not told')
      await panel(page, 'sources').waitFor()
      await page.locator('.service-head a', { hasText: /^traces$/ }).click()
      await page.waitForURL(/\/traces\?/)
      must(param(page, 'service') === service, 'the link to traces does not name the service')
      const answer = await page.request.get(`${base}/api/stoa/v1/services/no-such-service`)
      await page.goto(`${base}/services/no-such-service`)
      await until(async () => /no-such-service/.test(await textOf(panel(page, 'empty'))), `an unknown service is not told (${answer.status()})`)
    },
  },
  {
    name: 'real users: bands as word, colour and position',
    full: true,
    async run({ page, base }) {
      const path = '/checkout/slow'
      const id = unique('v')
      for (const [name, value] of [['LCP', 5200], ['INP', 120], ['CLS', 0.18], ['FCP', 900], ['FID', 20], ['TTFB', 300]]) {
        const data = JSON.stringify({ name, value, delta: value, id: `${id}-${name}`, navigationType: 'navigate', entries: [] })
        await sent(await page.request.post(`${base}/api/metrics`, { headers: { 'Content-Type': 'text/plain', Referer: `${base}${path}` }, data }), 'the post of a web vital')
      }
      await page.goto(`${base}/real-users?from=now-15m&to=now`)
      for (const name of ['LCP', 'INP', 'CLS', 'FCP', 'TTFB']) {
        const card = panel(page, name)
        await card.waitFor()
        must(/good|needs improvement|poor/.test(await textOf(card.locator('.rating'))), `${name} has no word for its band`)
        const left = await card.locator('.bands b').evaluate((e) => parseFloat(e.style.left))
        must(left >= 0 && left <= 100, `${name} stands nowhere on its bands`)
      }
      await until(async () => /poor/.test(await textOf(page.locator('.vitals tr', { hasText: '/checkout/slow' }).first())), 'the page with a poor LCP is not called poor')
      await page.getByRole('tab', { name: 'Devices' }).click()
      await until(async () => param(page, 'by') === 'device' && /desktop|mobile|tablet/.test(await textOf(page.locator('.vitals'))), 'devices are not told apart')
      await panel(page, 'INP').locator('.vital-head').click()
      await until(async () => param(page, 'metric') === 'INP' && /INP, p75 over time/.test(await textOf(panel(page, 'trend'))), 'the trend does not follow the chosen metric')
    },
  },
  {
    name: 'cost: classes, services, and an erase with a count first',
    full: true,
    async run({ page, base }) {
      const service = unique('e2e-erase')
      const user = unique('user')
      await pushLines(page, base, service, [
        ['info', JSON.stringify({ message: 'order', user_id: user })],
        ['info', JSON.stringify({ message: 'paid', user_id: user })],
        ['info', JSON.stringify({ message: 'other', user_id: 'somebody' })],
      ])
      await page.goto(`${base}/cost`)
      await panel(page, 'classes').locator('tbody tr').first().waitFor()
      must(/a month/.test(await textOf(panel(page, 'totals'))), 'what a month costs is not said')
      const form = panel(page, 'erase')
      await form.locator('input[name="field"]').fill('user_id')
      await form.locator('input[name="value"]').fill(user)
      await form.locator('.primary').click()
      await until(async () => /2 rows have user_id/.test(await textOf(form)), 'the count is not told first')
      const lines = async () => {
        const q = new URLSearchParams({ query: `{service_name="${service}"}` })
        const d = (await (await page.request.get(`${base}/loki/api/v1/query_range?${q}`)).json()).data
        return d.result.reduce((n, s) => n + s.values.length, 0)
      }
      must((await lines()) === 3, 'counting took lines away')
      await form.getByRole('button', { name: 'Erase 2 rows' }).click()
      must((await lines()) === 3, 'the first click erases already')
      await form.getByRole('button', { name: /Erase for good/ }).click()
      await until(async () => /are erased/.test(await textOf(form)), 'the erase is not told')
      must((await lines()) === 1, 'the erased lines are still answered')
      await until(async () => /user_id/.test(await textOf(panel(page, 'erases'))), 'the erase is not in the list')
      must(!(await textOf(panel(page, 'erases'))).includes(user), 'the list tells the erased value')
    },
  },
  {
    name: 'cardinality: nothing over a limit, the largest metrics, and what nobody reads',
    async run({ page, base }) {
      const metric = `e2e_unread_${Date.now().toString(36)}`
      const timeUnixNano = `${Date.now()}000000`
      const dataPoints = [0, 1, 2].map((i) => ({ asInt: '1', timeUnixNano, attributes: [{ key: 'kind', value: { stringValue: `k${i}` } }] }))
      const data = { resourceMetrics: [{ scopeMetrics: [{ metrics: [{ name: metric, gauge: { dataPoints } }] }] }] }
      await sent(await page.request.post(`${base}/v1/metrics`, { headers: { 'Content-Type': 'application/json' }, data }), 'the push of samples')
      const report = async () => (await (await page.request.get(`${base}/api/stoa/v1/cardinality?limit=1000`)).json()).metrics.never_read.map((m) => m.name)
      must((await report()).includes(metric), 'a metric that nobody read is not told')
      await page.goto(`${base}/cardinality`)
      await panel(page, 'largest').locator('tbody tr').first().waitFor()
      must(/series in use/.test(await textOf(panel(page, 'totals'))), 'the series in use are not told')
      must(/by no query, rule or board since/.test(await textOf(panel(page, 'never-read'))), 'never read is said without a time')
      must(/limit/.test(await textOf(panel(page, 'near'))), 'what is near a limit is not shown')
      await panel(page, 'label-values').locator('tbody tr').first().waitFor()
      must(/__name__/.test(await textOf(panel(page, 'label-values'))), 'labels with most values are not shown')
      await page.request.get(`${base}/api/v1/query?query=${metric}`)
      must(!(await report()).includes(metric), 'a metric that was just read is still called never read')
    },
  },
  {
    name: 'queries: the limits, and the slowest with their cost',
    async run({ page, base }) {
      const name = `e2e_query_${Date.now().toString(36)}`
      await sent(await page.request.get(`${base}/api/v1/query?query=count(up) or ${name}`), 'the query')
      const slowest = (await (await page.request.get(`${base}/api/stoa/v1/queries`)).json()).data.slowest
      must(slowest.length > 0, 'no query is among the slowest')
      await page.goto(`${base}/queries`)
      const ended = page.locator('td', { hasText: /^ok$/ }) // the very slowest may have been ended by a person
      const row = panel(page, 'slowest').locator('tbody tr').filter({ has: ended }).first()
      await row.waitFor()
      must(/ ms|s/.test(await textOf(row.locator('td').nth(1))), 'how long a query took is not told')
      must(/ok/i.test(await textOf(row)), 'how a query ended is not told')
      must(/at most \d+ at once/.test(await textOf(panel(page, 'running'))), 'the limits are not told')
    },
  },
  {
    name: 'one id: lines, trace and points in the order of time',
    full: true,
    async run({ page, base, wide }) {
      const service = unique('e2e-correlated-with-a-long-name') // longer than a narrow page is wide
      const id = unique('req')
      const traceId = hex(32)
      await pushTrace(page, base, service, traceId, { correlation_id: id })
      await pushLines(page, base, service, [
        ['info', JSON.stringify({ message: 'received', correlation_id: id, trace_id: traceId }), 4900],
        ['error', JSON.stringify({ message: 'payment failed', correlation_id: id }), 4700],
      ])
      await page.goto(`${base}/correlate`)
      await page.locator('.id-box').fill(id)
      await page.keyboard.press('Enter')
      await page.waitForURL(new RegExp(`/correlate/${id}`))
      const rows = page.locator('.timeline .line')
      await until(async () => (await rows.count()) >= 3, 'the lines and the trace are not shown')
      must(/2 log lines, 1 trace/.test(await textOf(page.locator('.found'))), `found is "${await textOf(page.locator('.found'))}"`)
      must(/trace/.test(await textOf(rows.first())), 'the trace, which began first, is not the first row')
      await until(async () => (await panel(page, 'trace').locator('.mini-row').count()) === 2, 'the small waterfall does not have both spans')
      await panel(page, 'timeline').getByRole('button', { name: /ERROR/ }).click()
      await until(async () => (await page.locator('.timeline .line.info').count()) === 0 && param(page, 'levels') === 'error', 'the choice of levels hides nothing')
      await panel(page, 'trace').locator('a', { hasText: 'Open the trace' }).click()
      await page.waitForURL(new RegExp(`/trace/${traceId}`))
      if (!wide) return
      await page.goto(`${base}/logs?q=${encodeURIComponent(`{service_name="${service}"}`)}`)
      await page.locator('.list .tx').first().click()
      await page.locator('.entry.open a', { hasText: 'everything with this id' }).click()
      await page.waitForURL(/\/correlate\//)
      await page.keyboard.press('Control+K')
      await page.locator('.palette input').fill(id)
      await until(async () => /everything with this id/.test(await textOf(page.locator('.palette li').first())), 'Ctrl-K does not take an id')
    },
  },
  {
    name: 'exemplars are dots that open a trace',
    async run({ page, base, wide }) {
      const metric = unique('e2e_seconds').replace(/-/g, '_')
      const traceId = hex(32)
      const now = BigInt(Date.now()) * 1000000n
      const point = (ago, n) => ({
        startTimeUnixNano: String(now - 600000000000n),
        timeUnixNano: String(now - BigInt(ago) * 1000000000n),
        count: String(n),
        sum: n * 0.3,
        bucketCounts: ['0', String(n), '0'],
        explicitBounds: [0.1, 0.5],
        exemplars: [{ timeUnixNano: String(now - BigInt(ago + 5) * 1000000000n), asDouble: 0.31, traceId, spanId: hex(16) }],
      })
      const metrics = [{ name: metric, unit: 's', histogram: { aggregationTemporality: 2, dataPoints: [point(60, 10), point(45, 20), point(30, 30), point(15, 40)] } }]
      const resource = { attributes: [{ key: 'service.name', value: { stringValue: 'e2e-exemplars' } }] }
      await sent(await page.request.post(`${base}/v1/metrics`, { headers: { 'Content-Type': 'application/json' }, data: { resourceMetrics: [{ resource, scopeMetrics: [{ metrics }] }] } }), 'the push of a histogram')
      const names = (await (await page.request.get(`${base}/api/v1/label/__name__/values`)).json()).data
      const bucket = names.find((n) => n.startsWith(metric) && n.endsWith('_bucket'))
      must(bucket, 'the pushed histogram is not there')
      await page.goto(`${base}/metrics-explorer?from=now-5m&to=now&q=${encodeURIComponent(`histogram_quantile(0.95, sum by (le) (rate(${bucket}[1m])))`)}`)
      const dot = page.locator('.dots .dot').first()
      await dot.waitFor()
      must((await dot.getAttribute('href'))?.includes(`/trace/${traceId}`), 'the dot does not lead to its trace')
      if (!wide) return
      page.allowErrors = true // the trace itself was never sent
      await dot.click()
      await page.waitForURL(new RegExp(`/trace/${traceId}`))
    },
  },
  {
    name: 'the search box finds words and fields in lines of every kind',
    async run({ page, base }) {
      const service = unique('e2e-search')
      await pushLines(page, base, service, [['error', 'Payment failed user=ann'], ['info', '{"msg":"paid","user":"ann"}'], ['info', 'user=bob came by']])
      await page.goto(`${base}/logs`)
      await page.locator('.contains input').fill(`service:${service} user:ann`)
      await page.keyboard.press('Enter')
      await until(async () => (await panel(page, 'lines').locator('.entry').count()) === 2, 'the field is not found in both lines')
      await until(async () => /2 lines/.test(await textOf(panel(page, 'histogram'))), 'the lines found are not counted')
      must(/any format/.test(await textOf(panel(page, 'search'))), 'it is not said why there is no LogQL')
      await page.locator('.contains input').fill(`service:${service} payment`)
      await page.keyboard.press('Enter')
      await until(async () => (await panel(page, 'lines').locator('.entry').count()) === 1, 'the word is not found')
      const [file] = await Promise.all([page.waitForEvent('download'), panel(page, 'lines').locator('a', { hasText: 'CSV' }).click()])
      must(file.suggestedFilename() === 'logs.csv', 'the lines cannot be had as a file')
      await panel(page, 'search').locator('button', { hasText: 'edit as LogQL' }).click()
      await until(async () => (param(page, 'q') ?? '').includes(`{service_name="${service}"} |~ "(?i)payment"`), 'the LogQL is not taken over')
      page.allowErrors = true
      await page.locator('.contains input').fill('a "b')
      await page.keyboard.press('Enter')
      await until(async () => /a quote is not closed/.test(await textOf(page.locator('.search-note'))), 'a mistake is not told')
    },
  },
  {
    name: 'a line shows its neighbours in the same stream',
    async run({ page, base }) {
      const service = unique('e2e-context')
      const texts = Array.from({ length: 30 }, (_, i) => ['info', `step ${i}.`, 30000 - i * 1000])
      await pushLines(page, base, service, [...texts, ['error', 'of another stream', 15500]])
      await page.goto(`${base}/logs?q=${encodeURIComponent(`{service_name="${service}"} |= "step 15."`)}`)
      await panel(page, 'lines').locator('.entry .line').first().click()
      await panel(page, 'lines').locator('button', { hasText: 'lines before and after' }).click()
      const around = panel(page, 'lines').locator('.context .line')
      await until(async () => (await around.count()) === 21, 'ten lines on either side are not shown')
      must(/step 5\./.test(await textOf(around.first())) && /step 25\./.test(await textOf(around.last())), 'the neighbours are not the next ones')
      must(!/another stream/.test(await textOf(panel(page, 'lines').locator('.context'))), 'a line of another stream is among them')
    },
  },
  {
    name: 'live tail: lines appear as they are stored, a pause holds them',
    async run({ page, base }) {
      const service = unique('e2e-live')
      await pushLines(page, base, service, [['info', 'was there before']])
      await page.goto(`${base}/logs?q=${encodeURIComponent(`{service_name="${service}"}`)}`)
      await page.locator('.logs-head .chip', { hasText: 'Live tail' }).click()
      await until(async () => /was there before/.test(await textOf(panel(page, 'live'))), 'the past does not come first')
      await pushLines(page, base, service, [['error', 'came just now', 0]])
      await until(async () => /came just now/.test(await textOf(panel(page, 'live').locator('.entry').first())), 'a new line does not appear on top')
      await panel(page, 'live').locator('.chip', { hasText: 'pause' }).click()
      await pushLines(page, base, service, [['info', 'came while paused', 0]])
      await until(async () => /resume, 1 wait/.test(await textOf(panel(page, 'live').locator('.chip').first())), 'what waits is not counted')
      must(!/came while paused/.test(await textOf(panel(page, 'live'))), 'a paused list moves')
      await panel(page, 'live').locator('.chip', { hasText: 'resume' }).click()
      await until(async () => /came while paused/.test(await textOf(panel(page, 'live'))), 'what waited is not shown')
      must(param(page, 'live') === '1', 'the address does not hold the live view')
    },
  },
  {
    name: 'the report on logs: shares, findings, kinds',
    full: true,
    async run({ page, base }) {
      const service = unique('e2e-report')
      const debug = Array.from({ length: 400 }, (_, i) => ['debug', `DEBUG Entering function calculate_total_of_everything() with args=(${i}, ${i * 3}) at iteration ${i} ${'.'.repeat(300)}`, 1000 + i])
      await pushLines(page, base, service, [...debug, ['info', JSON.stringify({ event: 'order_completed', order_id: 'ORD-1', amount: 99.99, currency: 'USD' })], ['warning', 'login failed for user 7']])
      await page.goto(`${base}/logs`)
      await page.getByRole('tab', { name: 'Report' }).click()
      await page.waitForURL(/\/logs\/report/)
      await page.goto(`${base}/logs/report?from=now-5m&to=now&by=pattern`)
      await until(async () => /calculate_total_of_everything/.test(await textOf(panel(page, 'volume'))), 'the noisy pattern is not shown')
      await until(async () => /% of bytes are debug lines/.test(await textOf(panel(page, 'findings'))), 'the finding is not told')
      must(/filters:/.test(await textOf(panel(page, 'findings').locator('.command').first())), 'no configuration is suggested')
      await page.getByRole('tab', { name: 'By level' }).click()
      await until(async () => /debug/.test(await textOf(panel(page, 'volume').locator('tbody tr').first())), 'debug is not the level with most bytes')
      for (const kind of ['business', 'performance', 'error', 'security']) await panel(page, `kind-${kind}`).waitFor()
      must(/ORD-1/.test(await textOf(panel(page, 'kind-business'))), 'the order is no business event')
      must(/login failed/.test(await textOf(panel(page, 'kind-security'))), 'the failed login is no security event')
      await panel(page, 'kind-security').locator('summary').click()
      must(/service_name/.test(await textOf(panel(page, 'kind-security').locator('.command').first())), 'there is no LogQL to copy')
    },
  },
  {
    name: 'logs by level, and fields found in the text',
    async run({ page, base, wide }) {
      const service = unique('e2e-levels')
      await pushLines(page, base, service, [
        ['debug', '{"message":"a","color":"red"}', 5000],
        ['info', '{"message":"b","color":"red"}', 4000],
        ['warning', '{"message":"c","color":"blue"}', 3000],
        ['error', '{"message":"d","color":"blue"}', 2000],
        ['critical', '{"message":"e","color":"blue"}', 1000],
      ])
      await page.goto(`${base}/logs?refresh=off&q=${encodeURIComponent(`{service_name="${service}"}`)}`)
      const lines = page.locator('.list .line')
      await until(async () => (await lines.count()) === 5, 'not all five levels are shown')
      const filter = page.locator('.logs-head .level-filter')
      await filter.getByRole('button', { name: 'CRITICAL' }).click()
      await until(async () => (await lines.count()) === 1 && /CRIT/.test(await textOf(lines.first())), 'the choice of CRITICAL does not leave the one line')
      await filter.getByRole('button', { name: 'DEBUG' }).click()
      await until(async () => (await lines.count()) === 2, 'a second level does not add its line')
      await filter.getByRole('button', { name: 'all levels' }).click()
      await until(async () => (await lines.count()) === 5, 'all levels does not show all again')
      if (!wide) return
      const found = page.locator('.detected')
      await until(async () => /color/.test(await textOf(found)), 'the field of the text is not found')
      await found.locator('.fv', { hasText: 'blue' }).locator('button.plain').click()
      await until(async () => (await lines.count()) === 3 && /\| json \| color="blue"/.test(param(page, 'q') ?? ''), 'a click on a found value does not keep its lines')
    },
  },
  {
    name: 'boards: the ones that come with Stoa',
    full: true,
    async run({ page, base }) {
      await page.goto(`${base}/boards`)
      await panel(page, 'boards').locator('a', { hasText: 'This machine' }).click()
      await page.waitForURL(/\/boards\//)
      await page.locator('.board-panel canvas').first().waitFor()
      must((await page.locator('.board-panel').count()) > 4, 'the board has few panels')
      must((await page.locator('.board-panel .failure').count()) === 0, 'a panel of the board fails')
    },
  },
  {
    name: 'boards: a dashboard of Grafana, taken in, drawn, given back',
    full: true,
    async run({ page, base, wide }) {
      const uid = unique('e2e-board')
      await page.goto(`${base}/boards`)
      await page.locator('textarea').fill(JSON.stringify({ dashboard: { ...DASHBOARD, uid } }))
      await panel(page, 'import').locator('.primary').click()
      await page.waitForURL(new RegExp(`/boards/${uid}`))
      await panel(page, 'CPU of $which').locator('canvas').waitFor()
      await until(async () => /^[\d.]+$/.test(await textOf(panel(page, 'Load').locator('.big'))), 'the stat has no number')
      await until(async () => /%$/.test(await textOf(panel(page, 'Memory').locator('.big'))), 'the gauge has no percentage')
      await until(async () => /idle/.test(await textOf(panel(page, 'Modes'))), 'the table has no rows')
      must(/Hello/.test(await textOf(panel(page, 'Words').locator('h3'))), 'the heading of the text is not drawn')
      must((await panel(page, 'Words').locator('img').count()) === 0 && !/gone/.test(await page.title()), 'markup in a text was run')
      await panel(page, 'Lines').locator('.line').first().waitFor()
      must(/not drawn/.test(await textOf(panel(page, 'Other'))), 'a panel that is not drawn does not say so')
      await page.locator('.variables select').selectOption('idle')
      await until(async () => param(page, 'var-which') === 'idle', 'the variable is not in the address')
      if (wide) {
        await page.goto(`${base}/boards`)
        page.once('dialog', (d) => d.accept())
        await page.locator('tr', { has: page.locator(`a[href*="${uid}"]`) }).getByRole('button', { name: 'Delete' }).click()
        await until(async () => (await page.locator(`a[href*="${uid}"]`).count()) === 0, 'the board is not deleted')
      } else await page.request.delete(`${base}/api/stoa/v1/boards/${uid}`)
    },
  },
]
