// SPDX-License-Identifier: Apache-2.0
// Traces by TraceQL: the query line, what it finds, its numbers, and the queries that buttons make. Each check sends what it looks at.
import { must, panel, param, textOf, until } from './checks.mjs'
import { hex, send, unique } from './spans.mjs'

// Another reader of the language, where it is installed: every query that the page makes must be one to it.
const oracle = await import('@grafana/lezer-traceql').then((m) => m.parser, () => null)

function mustParse(query) {
  if (!oracle) return
  const faults = []
  oracle.parse(query).iterate({ enter: (n) => void (n.type.isError && faults.push(n.from)) })
  must(faults.length === 0, `a query that the page made is none to another reader, at ${faults}: ${query}`)
}

async function write(page, text) {
  const content = page.locator('.cm-content')
  await content.waitFor()
  await content.click()
  await page.keyboard.press('Control+A')
  await page.keyboard.insertText(text)
  await page.keyboard.press('Escape')
}

async function ask(page, text) {
  await write(page, text)
  await page.locator('.run').click()
}

// An offer that has just come takes no key yet, so that none is meant for the text.
async function accept(page) {
  await page.waitForTimeout(200)
  await page.keyboard.press('Tab')
}

const text = (key, value) => ({ key, value: { stringValue: value } })
const whole = (key, value) => ({ key, value: { intValue: String(value) } })

// `orders` traces of a shop that calls a bank several times; the last of them fails.
async function shop(page, base, orders = 4) {
  const name = unique('ql')
  const ids = []
  for (let i = 0; i < orders; i++) {
    const failed = i === orders - 1
    const id = hex(32)
    const root = hex(16)
    const call = (k) => ({ service: `${name}-bank`, id: hex(16), up: root, name: 'POST /charge', at: 5 + 20 * k, ms: failed ? 400 : 10, kind: 3, failed, attributes: [whole('http.status_code', failed ? 502 : 200), text('region', failed ? 'eu "1"' : 'us')] })
    await send(page, base, id, Date.now() - 60000 + 5000 * i, [
      { service: `${name}-shop`, id: root, name: 'POST /order', at: 0, ms: failed ? 900 : 100, failed, attributes: [text('region', failed ? 'eu "1"' : 'us'), whole('items', i)] },
      ...[0, 1, 2, 3, 4].map(call),
    ])
    ids.push(id)
  }
  return { name, ids, failed: ids[orders - 1], shop: `resource.service.name = "${name}-shop"`, bank: `resource.service.name = "${name}-bank"` }
}

// Rows beyond the window are not in the document: how many there are is told above them.
const rows = (page) => page.locator('.found-trace')
const found = (page, count) => until(async () => (await textOf(panel(page, 'traces').locator('h2'))).startsWith(count === 1 ? '1 trace' : `${count} traces`), `not ${count} traces are found`)

export const checks = [
  {
    name: 'traceql: a query finds traces, with the spans it matched and what it names of them',
    full: true,
    async run({ page, base }) {
      const t = await shop(page, base)
      await page.goto(`${base}/traces`)
      await page.getByRole('tab', { name: 'TraceQL' }).click()
      await panel(page, 'examples').waitFor()
      for (const query of await panel(page, 'examples').locator('a').allTextContents()) mustParse(query)
      await ask(page, `{ ${t.shop} } >> { ${t.bank} && .http.status_code >= 200 } | select(.region)`)
      await found(page, 4)
      must(param(page, 'mode') === 'traceql' && (param(page, 'q') ?? '').startsWith(`{ ${t.shop}`), 'the address does not hold the query')
      const first = await textOf(rows(page).first())
      must(/5 spans match · 6 spans/.test(first), `the first trace reads "${first}"`)
      must(/POST \/charge error/.test(first) && /http\.status_code = 502/.test(first) && /region = eu "1"/.test(first), `its spans read "${first}"`)
      must((await rows(page).first().locator('.found-span').count()) === 3, 'not three spans are shown at first')
      await rows(page).first().getByRole('button', { name: '2 more' }).click()
      await until(async () => (await rows(page).first().locator('.found-span').count()) === 5, 'the others cannot be shown')
      must((await page.locator('.heat rect.cell').count()) > 1, 'the matched spans are not on the heatmap')
      await page.reload()
      await found(page, 4)
      await page.keyboard.press('j')
      await until(async () => (await page.locator('.trace-row.active').count()) === 1, 'j does not choose a trace')
      await page.keyboard.press('Enter')
      await page.waitForURL((u) => u.pathname === `/trace/${t.failed}`)
      await page.goBack()
      await rows(page).first().locator('.found-span').first().click()
      await page.waitForURL(/\/trace\/[0-9a-f]{32}\?.*span=[0-9a-f]{16}/)
    },
  },
  {
    name: 'traceql: the page is drawn however early an answer comes, and hears a key as soon as it shows a row',
    async run({ page, base }) {
      const t = await shop(page, base, 2)
      const me = await (await page.request.get(`${base}/api/stoa/v1/me`)).text()
      await page.addInitScript((body) => {
        // Answered before anything is painted.
        const ask = window.fetch
        window.fetch = (what, ...rest) => (String(what).endsWith('/api/stoa/v1/me') ? Promise.resolve(new Response(body)) : ask(what, ...rest))
        // Pressed as the first row comes into the document, before it is painted.
        new MutationObserver((_, self) => {
          if (!document.querySelector('.trace-row')) return
          self.disconnect()
          window.dispatchEvent(new KeyboardEvent('keydown', { key: 'j' }))
        }).observe(document, { childList: true, subtree: true })
      }, me)
      await page.goto(`${base}/traces?mode=traceql&q=${encodeURIComponent(`{ ${t.shop} }`)}`)
      await found(page, 2)
      await until(async () => (await page.locator('.trace-row.active').count()) === 1, 'j does not choose a trace', 5000)
    },
  },
  {
    name: 'traceql: sets are told apart by what made them',
    async run({ page, base }) {
      const t = await shop(page, base, 2)
      const query = `{ ${t.shop} || ${t.bank} } | by(name) | count() > 0`
      await page.goto(`${base}/traces?mode=traceql&q=${encodeURIComponent(query)}`)
      await found(page, 2)
      const sets = rows(page).first().locator('.found-set')
      await until(async () => (await sets.count()) === 2, 'there are not two sets')
      const all = (await sets.allTextContents()).join(' | ')
      must(/by\(name\) = POST \/charge · count\(\) = 5/.test(all) && /by\(name\) = POST \/order · count\(\) = 1/.test(all), `the sets read "${all}"`)
    },
  },
  {
    name: 'traceql: the heatmap narrows the query, and a chip widens it again',
    async run({ page, base }) {
      const t = await shop(page, base)
      const query = `{ ${t.bank} }`
      await page.goto(`${base}/traces?mode=traceql&q=${encodeURIComponent(query)}`)
      await found(page, 4)
      const plot = page.locator('.heat-plot')
      await plot.scrollIntoViewIfNeeded()
      const box = await plot.boundingBox()
      // The failed calls are the slow ones: the upper half.
      await page.mouse.move(box.x + 1, box.y + 1)
      await page.mouse.down()
      await page.mouse.move(box.x + box.width - 2, box.y + box.height / 2, { steps: 4 })
      await page.mouse.up()
      await until(async () => /\| \{ duration >= [\d.]+\w+ && duration <= [\d.]+\w+ \}$/.test(param(page, 'q') ?? ''), 'the query is not narrowed')
      mustParse(param(page, 'q'))
      must(/^\d+$/.test(param(page, 'from') ?? ''), 'the time is not narrowed')
      await found(page, 1)
      must((await page.locator('.cm-content').textContent()).includes('duration >='), 'the editor does not show it')
      await page.getByRole('button', { name: 'any duration' }).click()
      await until(async () => param(page, 'q') === query, 'the chip does not widen it')
    },
  },
  {
    name: 'traceql: what is wrong is told at its place',
    async run({ page, base }) {
      page.allowErrors = true
      await page.goto(`${base}/traces?mode=traceql`)
      await ask(page, '{ duration = "1s" }')
      const failure = page.locator('.failure')
      await failure.waitFor()
      must(/line 1, col(umn)? \d+/.test(await textOf(failure)), `the failure reads "${await textOf(failure)}"`)
      await page.locator('.cm-fault').waitFor()
      await ask(page, '{ } | rate( ')
      await until(async () => /line 1, col(umn)? \d+/.test(await textOf(failure)), 'the fault of numbers is not told')
    },
  },
  {
    name: 'traceql: names and values that are stored are offered',
    async run({ page, base }) {
      const t = await shop(page, base, 1)
      await page.goto(`${base}/traces?mode=traceql`)
      const content = page.locator('.cm-content')
      await content.waitFor()
      await content.click()
      const offered = page.locator('.cm-tooltip-autocomplete li')
      await page.keyboard.type('{ resource.service.n')
      await until(async () => (await offered.allTextContents()).some((o) => o.includes('resource.service.name')), 'the attribute is not offered')
      await accept(page)
      await page.keyboard.type(` = "${t.name.slice(0, -2)}`)
      await until(async () => (await offered.allTextContents()).some((o) => o.includes(`${t.name}-shop`)), 'the value is not offered')
      await page.keyboard.type(`${t.name.slice(-2)}-sho`)
      await until(async () => (await offered.count()) === 1, 'the offer does not narrow')
      await accept(page)
      await until(async () => (await textOf(content)).includes(`{ resource.service.name = "${t.name}-shop"`), `the line reads "${await textOf(content)}"`)
      await write(page, '{ } | qua')
      await content.click()
      await page.keyboard.press('End')
      await page.keyboard.type('n')
      await until(async () => (await offered.allTextContents()).some((o) => o.includes('quantile_over_time')), 'the function is not offered')
      must((await content.locator('span').count()) > 1, 'nothing is coloured')
    },
  },
  {
    name: 'traceql: numbers as lines, with exemplars that open their traces',
    full: true,
    async run({ page, base }) {
      const t = await shop(page, base)
      await page.goto(`${base}/traces?mode=traceql&from=now-5m`)
      await ask(page, `{ ${t.shop} || ${t.bank} } | rate() by (resource.service.name)`)
      const numbers = panel(page, 'numbers')
      await numbers.locator('canvas').first().waitFor()
      await until(async () => (await numbers.locator('.legend-table tbody tr').count()) === 2, 'there are not two lines')
      must(/\/s/.test(await textOf(numbers.locator('.legend-table'))), 'the lines have no unit')
      await ask(page, `{ ${t.bank} } | quantile_over_time(duration, 0.5, 0.99)`)
      await until(async () => /0\.99/.test(await textOf(numbers.locator('.legend-table'))), 'the quantiles are not told apart')
      await until(async () => (await numbers.locator('a.dot').count()) > 0, 'there is no exemplar')
      const href = await numbers.locator('a.dot').first().getAttribute('href')
      must(t.ids.some((id) => href.includes(`/trace/${id}`)), `the exemplar leads to ${href}`)
      await ask(page, `{ ${t.bank} } | histogram_over_time(span.http.status_code)`)
      await until(async () => (await numbers.locator('.legend-table tbody tr').count()) === 2, 'the histogram does not have two buckets')
      await ask(page, `{ ${t.bank} } | histogram_over_time(duration)`)
      const plot = numbers.locator('.heat-plot')
      await plot.waitFor()
      must((await plot.locator('rect.cell').count()) >= 2, 'the buckets are not on the heatmap')
      await plot.focus()
      for (const key of ['ArrowUp', 'Shift+ArrowUp', 'Enter']) await page.keyboard.press(key)
      await until(async () => (param(page, 'q') ?? '').startsWith(`{ ${t.bank} } | { duration >= `), `a box of buckets searches for ${param(page, 'q')}`)
    },
  },
  {
    name: 'traceql: compare() shows what sets a selection apart, and a click goes on',
    full: true,
    async run({ page, base }) {
      const t = await shop(page, base)
      await page.goto(`${base}/traces?mode=traceql&from=now-5m&q=${encodeURIComponent(`{ ${t.bank} } | compare({ status = error })`)}`)
      const table = page.locator('.compare-table')
      await table.waitFor()
      const of = (words) => table.locator('tbody tr', { hasText: words })
      must(/100 %/.test(await textOf(of('502').first())) && /0 %/.test(await textOf(of('502').first())), `the status code reads "${await textOf(of('502').first())}"`)
      const order = await table.locator('tbody tr').allTextContents()
      must(order.findIndex((r) => /region/.test(r)) < order.findIndex((r) => /^kind/.test(r) || /POST \/charge/.test(r)), `the most different does not come first: ${order.join(' | ')}`)
      await of('502').first().locator('button').click()
      await until(async () => /\| \{ .*http\.status_code = 502 \} \| compare/.test(param(page, 'q') ?? ''), `the query reads ${param(page, 'q')}`)
      mustParse(param(page, 'q'))
    },
  },
  {
    name: 'traceql: the form becomes a query that finds the same',
    async run({ page, base }) {
      const t = await shop(page, base)
      const address = `${base}/traces?service=${t.name}-bank&operation=POST%20%2Fcharge&tags=${encodeURIComponent('http.status_code=502 region="eu \\"1\\"" error=true')}&min=100ms&max=2s`
      await page.goto(address)
      await until(async () => (await page.locator('.trace-row').count()) === 1, 'the form does not find the trace')
      await page.locator('.as-query').click()
      await found(page, 1)
      must(/5 spans match/.test(await textOf(rows(page))), 'the query does not match its spans')
      must(param(page, 'service') === null && param(page, 'mode') === 'traceql', 'the form is still in the address')
      mustParse(param(page, 'q'))
      await page.goBack()
      await page.locator('form.search').waitFor()
    },
  },
  {
    name: 'traceql: spans like one are found by what is chosen of it',
    full: true,
    async run({ page, base }) {
      const t = await shop(page, base)
      await page.goto(`${base}/trace/${t.failed}`)
      await page.locator('.wf-item', { hasText: 'POST /charge' }).first().locator('.wf-lane').click()
      const like = page.locator('.spans-like')
      await like.waitFor()
      for (const words of ['span.region', 'span.http.status_code', 'status = error', 'kind = client']) await like.locator('.chip', { hasText: words }).click()
      const query = await textOf(like.locator('.mono'))
      mustParse(query)
      must(query.includes('span.region = "eu \\"1\\"" ') && query.includes('span.http.status_code = 502'), `the query reads ${query}`)
      await like.getByRole('link', { name: 'Find' }).click()
      await until(async () => (await rows(page).count()) === 1 && /5 spans match/.test(await textOf(rows(page))), 'the spans are not found')
    },
  },
  {
    name: 'traceql: numbers of spans on a board',
    async run({ page, base }) {
      const t = await shop(page, base)
      const uid = unique('ql')
      const target = (query) => [{ refId: 'A', query, legendFormat: '{{name}}' }]
      const panelOf = (type, title, y, query) => ({ type, title, gridPos: { x: 0, y, w: 24, h: 8 }, datasource: { type: 'tempo' }, targets: target(query) })
      const board = { title: uid, panels: [panelOf('timeseries', 'Spans', 0, `{ ${t.bank} } | count_over_time() by (name)`), panelOf('table', 'Slowest', 8, `{ ${t.bank} } | max_over_time(duration) by (name)`)] }
      const put = await page.request.put(`${base}/api/stoa/v1/boards/${uid}`, { headers: { 'Content-Type': 'application/json' }, data: board })
      must(put.ok(), `the board was answered with ${put.status()}: ${await put.text()}`)
      await page.goto(`${base}/boards/${uid}?from=now-5m`)
      await until(async () => /POST \/charge/.test(await textOf(panel(page, 'Spans'))), 'the chart has no line of the spans')
      await until(async () => /POST \/charge 0\.4/.test((await panel(page, 'Slowest').locator('tbody tr').allTextContents()).join(' ').replace('charge0', 'charge 0')), `the table reads ${await textOf(panel(page, 'Slowest'))}`)
      await panel(page, 'Spans').locator('a', { hasText: '↗' }).click()
      await page.waitForURL(/\/traces\?.*mode=traceql/)
      await page.request.delete(`${base}/api/stoa/v1/boards/${uid}`)
    },
  },
]
