import { HopfcoleError } from '../files/error.ts';
import { type NodePlacement, type ProviderReport, providerLabel } from './provider.ts';

/**
 * Reads a profile that ONNX Runtime wrote (Chrome trace events, one `Node` event per executed kernel) into where each node ran.
 * A node that ran many times, inside a loop say, counts once.
 */
export function readProfile(json: string): ProviderReport {
  const placements = new Map<string, NodePlacement>();
  for (const event of JSON.parse(json) as readonly unknown[]) {
    if (!isRecord(event) || event.cat !== 'Node' || !isRecord(event.args)) continue;
    const { args } = event;
    if (typeof args.provider !== 'string' || typeof args.op_name !== 'string') continue;
    const name = String(event.name).replace(/_kernel_time$/, '');
    placements.set(`${name}\n${String(args.node_index)}\n${args.op_name}`, {
      name,
      operator: args.op_name,
      provider: args.provider,
      shapeArithmetic: isShapeArithmetic(args),
    });
  }
  const nodes: Record<string, number> = {};
  for (const { provider } of placements.values()) nodes[provider] = (nodes[provider] ?? 0) + 1;
  return { nodes, placements: [...placements.values()] };
}

/** @throws PROVIDER_NOT_USED when a node ran elsewhere than on the provider asked for, shape arithmetic on the CPU aside. */
export function requireProvider(report: ProviderReport, provider: string): void {
  const label = providerLabel(provider);
  const elsewhere = report.placements.filter(
    (node) => node.provider !== label && !(node.shapeArithmetic && node.provider === providerLabel('cpu')),
  );
  if (elsewhere.length === 0) return;
  const shown = elsewhere
    .slice(0, 8)
    .map((node) => `${node.name || node.operator} (${node.operator}: ${node.provider})`);
  const more = elsewhere.length > shown.length ? ` and ${elsewhere.length - shown.length} more` : '';
  throw new HopfcoleError(
    'PROVIDER_NOT_USED',
    `expected every node on ${label}, got ${elsewhere.length} elsewhere: ${shown.join(', ')}${more}`,
    {},
    `${label} has no kernel for them: allow the mix, or use another provider`,
  );
}

/**
 * Shape and Size, and whatever only takes integers; also what the runtime itself copies between devices, and control flow,
 * whose bodies' nodes are counted by themselves.
 */
function isShapeArithmetic(args: Record<string, unknown>): boolean {
  const operator = String(args.op_name);
  if (/^(Shape|Size|Memcpy(From|To)Host|If|Loop|Scan)$/.test(operator)) return true;
  const taken = typesOf(args.input_type_shape);
  const given = typesOf(args.output_type_shape);
  return [...taken, ...(taken.length === 0 ? given : [])].every((type) => /^(u?int\d+|bool)$/.test(type));
}

function typesOf(list: unknown): string[] {
  return Array.isArray(list) ? list.flatMap((entry) => (isRecord(entry) ? Object.keys(entry) : [])) : [];
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
