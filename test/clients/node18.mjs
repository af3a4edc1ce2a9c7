// SPDX-License-Identifier: Apache-2.0
// Debian 12's Node.js 18 has File in a module alone; libraries made for 20 look for it among the globals when they are loaded. Import this first.
import { File } from 'node:buffer';

globalThis.File ??= File;
