import { HopfcoleError } from '../../files/error.ts';
import type { Report } from './scope.ts';

const most = 40;

/** One error of everything that is not supported: each with how often it occurs and in which modules. */
export function unsupported(report: Report, file: string): HopfcoleError {
  const found = [...report.unsupported].map(([what, { count, modules }]) => {
    const places = [...modules].filter((path) => path !== '').map((path) => path);
    const where = places.length === 0 ? '' : ` in ${places.slice(0, 4).join(', ')}${places.length > 4 ? ', ...' : ''}`;
    return `${what} (${count}x${where})`;
  });
  const [first] = report.unsupported.values();
  const rest = found.length > most ? `; and ${found.length - most} more` : '';
  return new HopfcoleError(
    'UNSUPPORTED_OPERATOR',
    `${found.length === 1 ? 'one operator is' : `${found.length} operators or forms are`} not supported: ${found.slice(0, most).join('; ')}${rest}`,
    { file, node: first?.node },
    'Try the program after run_decompositions(), which leaves fewer operators; docs/aten.md lists what is covered',
  );
}
