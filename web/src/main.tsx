// SPDX-License-Identifier: Apache-2.0
import { render } from 'preact'
import './styles/base.css'
import './styles/panels.css'
import './styles/small.css'
import { listen } from './state/address'
import { listenKeys } from './state/keys'
import { startTheme } from './state/theme'
import { App } from './app'
import { pageOf } from './pages'

startTheme()
listen((path) => pageOf(path) !== null)
listenKeys()
render(<App />, document.getElementById('app')!)
