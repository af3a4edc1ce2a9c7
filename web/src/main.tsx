// SPDX-License-Identifier: Apache-2.0
import { render } from 'preact'
import './styles/base.css'
import './styles/panels.css'
import './styles/boards.css'
import './styles/views.css'
import './styles/traces.css'
import './styles/small.css'
import './styles/alerts.css'
import './styles/checks.css'
import './styles/security.css'
import { listen } from './state/address'
import { listenKeys } from './state/keys'
import { startSession } from './state/session'
import { startTheme } from './state/theme'
import { App } from './app'
import { pageOf } from './pages'

startTheme()
listen((path) => pageOf(path) !== null)
listenKeys()
startSession()
render(<App />, document.getElementById('app')!)
