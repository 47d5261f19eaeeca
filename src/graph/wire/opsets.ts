import type { onnx } from '../../onnx/messages.ts';
import { canonicalDomain } from '../schema.ts';
import { fromLong } from './integers.ts';

/** Imports by domain; the first counts where a domain is imported twice. */
export function opsetsFromProto(
  imports: readonly onnx.OperatorSetIdProto.$Properties[] | null | undefined,
): ReadonlyMap<string, number> {
  const opsets = new Map<string, number>();
  for (const { domain, version } of imports ?? []) {
    const name = canonicalDomain(domain ?? '');
    if (!opsets.has(name)) opsets.set(name, Number(fromLong(version ?? 0)));
  }
  return opsets;
}
