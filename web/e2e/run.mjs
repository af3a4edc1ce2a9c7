// SPDX-License-Identifier: Apache-2.0
// Opens every page of a running server in a real browser, does something on it, and checks what is shown:
//   npm run e2e -- --url http://127.0.0.1:PORT [--login-url URL] [--shots DIR] [--only WORD] [--browser PATH]
// --login-url: a server that wants a login, with the users of article_a.mjs; without it the checks of logins are left out.
// Wide in light colours, narrow in dark ones. What failed stands again before the last line, `N passed, N failed`; the exit code
// is 1 if any failed.
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { chromium } from 'playwright-core'
import { articleA } from './article_a.mjs'
import { checks as articleB } from './article_b.mjs'
import { checks as first } from './checks.mjs'
import { checks as traceql } from './traceql.mjs'
import { checks as traces } from './traces.mjs'

const WAIT_MS = 60000
// A browser on a busy machine stalls now and then: what fails once and then holds is told, and is no failure.
const TRIES = 2
// A page handed over by page.route comes from nowhere, and may then not open a websocket to this machine.
const FULFILLED = '--disable-features=LocalNetworkAccessChecks'
const STRICT_CSP = "default-src 'self'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'"
// Each size in one theme: what a theme changes, colours alone, does not depend on the size.
const LOOKS = [
  { scheme: 'light', name: 'wide', width: 1280, height: 900 },
  { scheme: 'dark', name: 'narrow', width: 390, height: 844 },
]

function option(name, otherwise) {
  const i = process.argv.indexOf(`--${name}`)
  return i > 0 && process.argv[i + 1] ? process.argv[i + 1] : otherwise
}

const checks = [...first, ...traces, ...traceql, ...articleA, ...articleB]
const url = option('url', '').replace(/\/$/, '')
const loginUrl = option('login-url', '').replace(/\/$/, '')
const shots = option('shots', '')
const only = option('only', '')
if (!/^https?:\/\//.test(url)) {
  console.error('e2e: --url http://HOST:PORT is missing')
  process.exit(2)
}
if (shots) mkdirSync(shots, { recursive: true })

// A page that notes everything it must not do.
async function openPage(context, base) {
  const page = await context.newPage()
  const noted = []
  page.allowErrors = false
  page.on('request', (r) => {
    if (new URL(r.url()).origin !== new URL(base).origin) noted.push(`a request left for ${r.url()}`)
  })
  page.on('console', (m) => {
    const expected = page.allowErrors && /Failed to load resource/.test(m.text())
    if ((m.type() === 'error' || m.type() === 'warning') && !expected) noted.push(`console: ${m.text()}`)
  })
  page.on('pageerror', (e) => noted.push(`script: ${e.message}`))
  await page.exposeFunction('noteViolation', (text) => noted.push(`CSP: ${text}`))
  await page.addInitScript(() => {
    document.addEventListener('securitypolicyviolation', (e) => window.noteViolation(`${e.violatedDirective} ${e.blockedURI} ${e.sourceFile}`))
  })
  // Whatever policy the server sends, the page must live under the strictest.
  await page.route((url) => url.origin === new URL(base).origin && !/^\/(api|loki|jaeger|tempo|assets)\//.test(url.pathname), async (route) => {
    try {
      const response = await route.fetch()
      await route.fulfill({ response, headers: { ...response.headers(), 'content-security-policy': STRICT_CSP } })
    } catch (e) {
      if (!page.isClosed()) noted.push(`a request was not answered: ${e.message}`)
    }
  })
  return { page, noted }
}

// The problem, or an empty text.
async function attemptOf(check, context, base, scheme, size) {
  const { page, noted } = await openPage(context, base)
  let problem = ''
  try {
    await check.run({ page, base, scheme, wide: size.name === 'wide' })
    const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)
    if (over > 0) problem = `the page is ${over} px wider than the window`
  } catch (e) {
    problem = String(e.message).split('\n').slice(0, 6).join('\n     ')
  }
  if (shots) await page.screenshot({ path: join(shots, `${check.name.replace(/\W+/g, '-')}-${scheme}-${size.name}.png`), fullPage: check.full ?? false }).catch(() => {})
  if (!problem && noted.length) problem = noted.slice(0, 5).join('\n     ')
  await page.close()
  return problem
}

let passed = 0
const failures = []
const report = (name, problem) => {
  if (!problem) passed++
  else failures.push(`FAIL ${name}\n     ${problem}`)
  console.log(problem ? failures.at(-1) : `ok   ${name}`)
}

const browser = await chromium.launch({ executablePath: option('browser', '/usr/bin/chromium'), args: ['--no-sandbox', FULFILLED] })
try {
  for (const { scheme, ...size } of LOOKS) {
    const context = await browser.newContext({ viewport: { width: size.width, height: size.height }, colorScheme: scheme })
    context.setDefaultTimeout(WAIT_MS)
    for (const check of checks) {
      if (only && !check.name.includes(only)) continue
      if (check.wideOnly && size.name !== 'wide') continue
      if (check.login && !loginUrl) continue
      const base = check.login ? loginUrl : url
      const name = `${check.name} (${scheme}, ${size.name})`
      let problem = ''
      for (let attempt = 1; attempt <= TRIES; attempt++) {
        if (problem) console.log(`once more, after: ${problem}`)
        problem = await attemptOf(check, context, base, scheme, size)
        if (!problem) break
      }
      report(name, problem)
    }
    await context.close()
  }
} finally {
  await browser.close()
}
if (failures.length) console.log(`\nfailed:\n${failures.join('\n')}`)
console.log(`${passed} passed, ${failures.length} failed`)
process.exit(failures.length ? 1 : 0)
