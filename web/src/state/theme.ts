// SPDX-License-Identifier: Apache-2.0
// Light or dark: as the system says until a person chooses, then as chosen.
import { notice } from './notice'

export type Theme = 'system' | 'light' | 'dark'
const KEY = 'stoa.theme'
const system = window.matchMedia('(prefers-color-scheme: dark)')
const changed = notice()

function stored(): Theme {
  try {
    const t = localStorage.getItem(KEY)
    return t === 'light' || t === 'dark' ? t : 'system'
  } catch {
    return 'system'
  }
}

let theme: Theme = stored()

export const isDark = (): boolean => (theme === 'system' ? system.matches : theme === 'dark')

function apply(): void {
  document.documentElement.dataset.theme = isDark() ? 'dark' : 'light'
  changed.tell()
}

export function startTheme(): void {
  system.addEventListener('change', apply)
  apply()
}

export function setTheme(next: Theme): void {
  theme = next
  try {
    if (next === 'system') localStorage.removeItem(KEY)
    else localStorage.setItem(KEY, next)
  } catch {
    // no storage: the choice lasts as long as the page
  }
  apply()
}

// The other look; if that is what the system has, follow the system again.
export function toggleTheme(): void {
  const next = isDark() ? 'light' : 'dark'
  setTheme((next === 'dark') === system.matches ? 'system' : next)
}

export function useTheme(): { theme: Theme; dark: boolean } {
  changed.use()
  return { theme, dark: isDark() }
}
