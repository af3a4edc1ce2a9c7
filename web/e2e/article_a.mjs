// SPDX-License-Identifier: Apache-2.0
// Alerts, synthetic checks, security, logins, coming from. The server these run against has the configuration of test/browser.sh:
// the rule E2eAlways, which always fires, E2eBroken, whose query fails, and the checks e2e-fine and e2e-broken.
// A server that wants a login has the users alice (admin), victor (viewer) and audrey (auditor), all with PASSWORD.
import { must, panel, param, textOf, until } from './checks.mjs'

const PASSWORD = 'correct horse battery'
const VIEWS_MS = 60000

async function logIn(page, user) {
  await page.locator('input[name="user"]').fill(user)
  await page.locator('input[name="password"]').fill(PASSWORD)
  await page.locator('.login-form .primary').click()
}

async function logOut(page) {
  await page.locator('.account').click()
  await page.locator('.login-form').waitFor()
}

// An incident comes with the first round of the rule; what an earlier check resolved comes back with the next.
async function openIncident(page, base) {
  await page.goto(`${base}/alerts`)
  await until(
    async () => {
      if ((await page.locator('.incidents li', { hasText: 'always wrong' }).count()) > 0) return true
      await page.keyboard.press('r')
      return false
    },
    'the incident of a rule that always fires is not shown',
    VIEWS_MS,
  )
  return page.locator('.incidents li', { hasText: 'always wrong' }).first()
}

export const articleA = [
  {
    name: 'alerts tell what is wrong now',
    async run({ page, base }) {
      const row = await openIncident(page, base)
      must(/critical/.test(await textOf(row)), 'the severity is not a word')
      await until(async () => Number(await textOf(page.locator('.top .pill'))) >= 1, 'the bar does not count the open incidents')
      await page.goto(`${base}/`)
      await panel(page, 'incidents').locator('.incidents li').first().waitFor()
      must(/open incident/.test(await textOf(panel(page, 'incidents').locator('h2'))), 'Home does not tell the open incidents')
      await panel(page, 'incidents').locator('.incidents a', { hasText: 'always wrong' }).first().click()
      await page.waitForURL(/\/alerts\/.+/)
      await panel(page, 'rule-chart').locator('canvas').waitFor()
      must(/vector\(1\)/.test(await textOf(panel(page, 'rule-chart').locator('h2'))), 'the incident does not show the query of its rule')
      must((await panel(page, 'timeline').locator('li').count()) > 0, 'the incident has no timeline')
      must((await panel(page, 'incident').locator('a', { hasText: 'logs around' }).getAttribute('href')).startsWith('/logs?'), 'no link leads to the logs')
    },
  },
  {
    name: 'alerts are acknowledged with a name and a note',
    wideOnly: true,
    async run({ page, base }) {
      const row = await openIncident(page, base)
      await row.locator('.what > a').click()
      await panel(page, 'incident').waitFor()
      const ack = panel(page, 'incident').locator('.acts-row button', { hasText: 'Acknowledge' })
      if ((await ack.count()) > 0) {
        await ack.click()
        await page.locator('.act-form input[name="by"]').fill('')
        await page.locator('.act-form .primary').click()
        await until(async () => /Say who you are/.test(await textOf(page.locator('.act-form'))), 'an acknowledgement without a name is not refused')
        await page.locator('.act-form input[name="by"]').fill('e2e')
        await page.locator('.act-form input[name="note"]').fill('looking at it')
        await page.locator('.act-form .primary').click()
      }
      await until(async () => /e2e is on it/.test(await textOf(panel(page, 'incident'))), 'it is not shown who has taken the incident')
      await until(async () => /looking at it/.test(await textOf(panel(page, 'timeline'))), 'the note is not in the timeline')
      must((await ack.count()) === 0, 'what is taken can be taken again')
    },
  },
  {
    name: 'silences are made from what a person writes, and ended',
    wideOnly: true,
    async run({ page, base }) {
      const reason = `e2e ${Date.now()}`
      await page.goto(`${base}/alerts?view=silences`)
      await panel(page, 'silences').locator('h2 button').click()
      await page.locator('input[name="matchers"]').fill('alertname~"x"')
      await page.locator('.act-form .primary').click()
      await until(async () => /is not a matcher/.test(await textOf(page.locator('.act-form'))), 'a wrong matcher is not told')
      await page.locator('input[name="matchers"]').fill('alertname="Nobody" instance=~"web.*"')
      await page.locator('input[name="reason"]').fill(reason)
      await page.locator('.act-form input[name="by"]').fill('e2e')
      await page.locator('.act-form .primary').click()
      const row = panel(page, 'silences').locator('tbody tr', { hasText: reason })
      await row.waitFor()
      must(/alertname="Nobody".*instance=~"web\.\*"/.test(await textOf(row)), 'the silence does not show its matchers')
      await row.locator('button', { hasText: 'End now' }).click()
      await row.locator('button', { hasText: 'End it?' }).click()
      await until(async () => (await row.count()) === 0, 'the silence has not ended')
    },
  },
  {
    name: 'rules show state, compiled query and what the review says',
    async run({ page, base, wide }) {
      await page.goto(`${base}/alerts?view=rules`)
      const rule = page.locator('.rule', { hasText: 'disk_full' }).first()
      await rule.waitFor()
      must(/node_filesystem_avail_bytes/.test(await textOf(rule)), 'the compiled query of a condition is not shown')
      must(/disk_usage > 99%/.test(await textOf(rule)), 'the condition as written is not shown')
      await until(async () => /query fails/.test(await textOf(page.locator('.rule', { hasText: 'E2eBroken' }))), 'a failing query is not told')
      await page.keyboard.press('j')
      await page.keyboard.press('Enter')
      await page.locator('.rule.open .rule-details').waitFor()
      must(param(page, 'rule'), 'the address does not hold the open rule')
      await page.keyboard.press('Escape')
      await until(async () => (await page.locator('.rule.open').count()) === 0, 'Esc does not close the rule')
      await page.locator('.filter').fill('e2ebroken')
      await until(async () => (await page.locator('.rule').count()) === 1, 'the filter leaves other rules')
      await page.locator('.tabs a', { hasText: 'Review' }).click()
      await until(async () => /Instead/.test(await textOf(panel(page, 'review'))), 'the review suggests nothing')
      if (wide) {
        page.allowErrors = true
        await page.goto(`${base}/alerts/no-such-incident`)
        await until(async () => /There is no incident/.test(await textOf(page.locator('main'))), 'a missing incident is not told')
      }
    },
  },
  {
    name: 'checks by place, a run, its phases and its trace',
    async run({ page, base, wide }) {
      await page.goto(`${base}/checks`)
      const broken = page.locator('.checks tbody tr', { hasText: 'e2e-broken' }).first()
      await until(async () => /fails/.test(await textOf(broken)), 'a failing check does not say so', VIEWS_MS)
      must(/2 checks, 1 fail/.test(await textOf(panel(page, 'checks').locator('h2'))), 'the number of failing checks is not said')
      must(/unseen/.test(await textOf(panel(page, 'agents'))), 'a place without its agent is not told')
      if (wide) {
        await until(async () => (await page.locator('.checks tbody tr', { hasText: 'e2e-fine' }).first().locator('.spark path').count()) === 1, 'a check has no line of its durations', VIEWS_MS)
        await broken.locator('button', { hasText: 'Run now' }).click()
        await until(async () => /e2e-broken failed just now/.test(await textOf(panel(page, 'checks'))), 'a run by hand says nothing')
      }
      await page.locator('.checks a', { hasText: 'e2e-broken' }).click()
      await page.waitForURL(/\/checks\/e2e-broken/)
      await panel(page, 'run').locator('.wf-bar').first().waitFor()
      must(/not reached/.test(await textOf(panel(page, 'run'))), 'a step after the failing one is not told as left out')
      must(/expected status == 200/.test(await textOf(panel(page, 'run'))), 'the step does not say why it failed')
      await panel(page, 'runs').locator('tbody tr').first().waitFor()
      await panel(page, 'runs').locator('tbody tr').first().locator('.link').click()
      await until(async () => !!param(page, 'run'), 'the address does not hold the chosen run')
      await panel(page, 'run').locator('a', { hasText: 'trace' }).first().click()
      await page.waitForURL(/\/trace\/[0-9a-f]{32}/)
      await page.locator('.wf-item').first().waitFor()
    },
  },
  {
    name: 'the audit log is shown and verified, redaction is tried',
    async run({ page, base }) {
      await page.goto(`${base}/logs`)
      await page.locator('.list .line').first().waitFor()
      await page.goto(`${base}/security?view=audit`)
      await page.locator('.audit tbody tr', { hasText: 'logs.query' }).first().waitFor()
      await page.locator('input[name="action"]').fill('audit.')
      await page.locator('.filters button').click()
      await until(async () => param(page, 'action') === 'audit.', 'the address does not hold the filter')
      await until(async () => (await page.locator('.audit tbody tr', { hasText: 'logs.query' }).count()) === 0, 'the filter leaves other actions')
      await panel(page, 'audit').locator('button', { hasText: 'Verify' }).click()
      await until(async () => /Whole: [\d ]+ records/.test(await textOf(page.locator('.verdict'))), 'the audit log is not verified')
      await page.goto(`${base}/security?view=redaction`)
      await panel(page, 'try').locator('textarea').fill('password=hunter2 ok <b>bold</b>')
      await until(async () => /password=\[REDACTED\] ok <b>bold<\/b>/.test(await textOf(page.locator('.try-result'))), 'the tried line is not redacted')
    },
  },
  {
    name: 'coming from another system shows what to copy',
    async run({ page, base }) {
      await page.goto(`${base}/coming-from`)
      await page.locator('.tool').first().waitFor()
      must((await page.locator('.tool').count()) === 14, 'there are not fourteen systems')
      await page.locator('.tool', { hasText: 'Prometheus' }).first().locator('.tool-head').click()
      await page.locator('.tool.open .command').first().waitFor()
      must((await textOf(page.locator('.tool.open'))).includes(new URL(base).host), 'the snippets do not name this server')
      must(/Not yet/.test(await textOf(page.locator('.tool.open'))), 'what does not work yet is not said')
      await page.locator('.filter').fill('loki')
      await until(async () => (await page.locator('.tool').count()) === 1, 'the filter leaves other systems')
    },
  },
  {
    name: 'users and tokens are made and taken back',
    login: true,
    wideOnly: true,
    full: true,
    async run({ page, base }) {
      await page.goto(`${base}/security`)
      await logIn(page, 'alice')
      await page.waitForURL(/\/security$/)
      const name = `e2e-${Date.now()}`
      await panel(page, 'users').locator('h2 button').click()
      await panel(page, 'users').locator('input[name="name"]').fill(name)
      await panel(page, 'users').locator('input[name="password"]').fill('short')
      page.allowErrors = true
      await panel(page, 'users').locator('.act-form .primary').click()
      await until(async () => /8/.test(await textOf(panel(page, 'users').locator('.act-form .bad'))), 'a short password is not refused')
      page.allowErrors = false
      await panel(page, 'users').locator('input[name="password"]').fill(PASSWORD)
      await panel(page, 'users').locator('.act-form .primary').click()
      const row = panel(page, 'users').locator('tbody tr', { hasText: name })
      await row.waitFor()
      await row.locator('button', { hasText: 'Remove' }).click()
      await row.locator('button', { hasText: 'Remove e2e' }).click()
      await until(async () => (await row.count()) === 0, 'the user is not removed')
      await panel(page, 'tokens').locator('h2 button').click()
      await panel(page, 'tokens').locator('input[name="name"]').fill(name)
      await panel(page, 'tokens').locator('input[name="expires"]').fill('1d')
      await panel(page, 'tokens').locator('.act-form .primary').click()
      await until(async () => /^stoa_\S{40,}$/.test(await textOf(page.locator('.made .command'))), 'the token is not shown once')
      await page.locator('.made > button').click()
      must(!(await textOf(page.locator('main'))).includes('stoa_'), 'the token is still shown')
      const token = panel(page, 'tokens').locator('tbody tr', { hasText: name })
      await token.locator('button', { hasText: 'Revoke' }).click()
      await token.locator('button', { hasText: 'Revoke e2e' }).click()
      await until(async () => (await token.count()) === 0, 'the token is not revoked')
      await logOut(page)
    },
  },
  {
    name: 'a login leads back, and a role is offered what it may',
    login: true,
    async run({ page, base, wide }) {
      await page.goto(`${base}/alerts?view=rules`)
      await page.locator('.login-form').waitFor()
      must((await page.locator('.top nav a').count()) === 0, 'the bar offers pages to nobody')
      page.allowErrors = true
      await page.locator('input[name="user"]').fill('victor')
      await page.locator('input[name="password"]').fill('not this one')
      await page.keyboard.press('Enter')
      await until(async () => (await page.locator('.login-form .bad').count()) === 1, 'a wrong password is not told')
      page.allowErrors = false
      await logIn(page, 'victor')
      await until(async () => new URL(page.url()).pathname === '/alerts' && param(page, 'view') === 'rules', 'the login does not lead back')
      await page.goto(`${base}/alerts?view=silences`)
      await panel(page, 'silences').waitFor()
      must((await panel(page, 'silences').locator('button', { hasText: 'New silence' }).count()) === 0, 'a viewer is offered a silence')
      await page.goto(`${base}/security`)
      await panel(page, 'session').waitFor()
      must(/victor, with the role viewer/.test(await textOf(panel(page, 'session'))), 'it is not said who is logged in')
      must((await panel(page, 'users').count()) === 0 && (await page.locator('.tabs a', { hasText: 'Audit' }).count()) === 0, 'a viewer is offered what only others may')
      await logOut(page)
      await logIn(page, 'audrey')
      await page.locator('.account').waitFor()
      await page.goto(`${base}/logs`)
      await until(async () => /may not see this/.test(await textOf(page.locator('main'))), 'an auditor is not told that logs are not for them')
      await page.locator('main a', { hasText: 'Security' }).click()
      await page.locator('.tabs a', { hasText: 'Audit log' }).click()
      await page.locator('.audit tbody tr', { hasText: 'login' }).first().waitFor()
      must((await textOf(page.locator('.audit'))).includes('victor'), 'the log does not name who logged in')
      if (!wide) await logOut(page)
      else {
        // A session that has ended elsewhere leads to the login at the next request.
        page.allowErrors = true
        await page.context().clearCookies()
        await page.keyboard.press('r')
        await page.locator('.login-form').waitFor()
        must(param(page, 'next')?.startsWith('/security'), 'a lost session does not remember the page')
      }
    },
  },
]
