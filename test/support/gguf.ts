import { hasPython, python } from './python.ts';

/** Whether the Python reference environment has the package gguf, which only the tests of that format need. */
export const hasGguf: boolean = hasPython && canImport();

if (hasPython && !hasGguf && process.env.CI === 'true') throw new Error('no package gguf: run scripts/python-env');

function canImport(): boolean {
  try {
    python('import gguf');
    return true;
  } catch {
    return false;
  }
}
