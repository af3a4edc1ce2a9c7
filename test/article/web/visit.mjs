// SPDX-License-Identifier: Apache-2.0
// Visits pages as a person would, in a real headless Chromium: looks, sees a layout shift, clicks, leaves.
//   node visit.mjs URL desktop|mobile [URL desktop|mobile]...
// The page sets window.reported to the names of what it has sent; a visit ends when all in window.wanted are there.
import { chromium, devices } from '../../../web/node_modules/playwright-core/index.mjs'

const WAIT_MS = 20000
const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] })
const problems = []
for (let i = 2; i + 1 < process.argv.length; i += 2) {
  const context = await browser.newContext(process.argv[i + 1] === 'mobile' ? devices['Pixel 5'] : {})
  const page = await context.newPage()
  page.on('pageerror', (e) => problems.push(`script: ${e.message}`))
  await page.goto(process.argv[i])
  await page.waitForFunction(() => document.querySelector('#shifted') !== null, null, { timeout: WAIT_MS })
  await page.waitForTimeout(700) // a shift soon after input would not count
  await page.click('#buy')
  await page.waitForTimeout(1500) // the browser tells how long the input took after the next paint, when it is idle
  // The page goes to the background, as by another tab: what CLS, INP and LCP wait for.
  await page.evaluate(() => {
    Object.defineProperty(document, 'visibilityState', { value: 'hidden', configurable: true })
    document.dispatchEvent(new Event('visibilitychange'))
  })
  await page.waitForFunction(() => window.wanted.every((n) => window.reported.includes(n)), null, { timeout: WAIT_MS }).catch(async () => {
    problems.push(`sent ${await page.evaluate(() => window.reported.join(' '))} of ${await page.evaluate(() => window.wanted.join(' '))}`)
  })
  await page.waitForTimeout(200)
  await context.close()
}
await browser.close()
for (const p of problems) console.error(p)
process.exit(problems.length ? 1 : 0)
