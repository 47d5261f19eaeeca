import { HopfcoleError } from '../../files/error.ts';
import type { Report } from './scope.ts';

const most = 40;

/** One error of everything that is not supported: each with how often it occurs and in which modules; operators without a rule first. */
export function unsupported(report: Report, file: string): HopfcoleError {
  const told = [...report.unsupported].map(([what, { count, modules }]) => {
    const places = [...modules].filter((path) => path !== '');
    const where = places.length === 0 ? '' : ` in ${places.slice(0, 3).join(', ')}${places.length > 3 ? ', ...' : ''}`;
    const target = /^(.*): has no lowering$/.exec(what)?.[1];
    return { bare: target !== undefined, text: `${target ?? what} (${count}x${where})` };
  });
  const part = (bare: boolean) => told.filter((one) => one.bare === bare).map(({ text }) => text);
  const [operators, forms] = [part(true), part(false)];
  const [first] = report.unsupported.values();
  const parts = [
    ...(operators.length === 0 ? [] : [`no lowering of ${listed(operators, ', ')}`]),
    ...(forms.length === 0 ? [] : [listed(forms, '; ')]),
  ];
  return new HopfcoleError(
    'UNSUPPORTED_OPERATOR',
    `${told.length === 1 ? 'one operator is' : `${told.length} operators or forms are`} not supported: ${parts.join('; ')}`,
    { file, node: first?.node },
    'Try the program after run_decompositions(), which leaves fewer operators; docs/aten.md lists what is covered',
  );
}

function listed(items: readonly string[], separator: string): string {
  const rest = items.length > most ? `${separator}and ${items.length - most} more` : '';
  return `${items.slice(0, most).join(separator)}${rest}`;
}
