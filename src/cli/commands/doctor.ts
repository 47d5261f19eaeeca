import type { Command } from '../command.ts';

export const doctor: Command = {
  usage: 'doctor',
  describe: 'which execution providers work here, and why the others do not',
  options: {},
  example: 'hopfcole doctor',
  async run(_args, { progress }) {
    progress.update('trying every provider');
    const { doctor: examine } = await import('../../runtime/node/doctor.ts');
    const health = await examine();
    const lines = health.providers.flatMap(({ name, available, device, why, hint }) => [
      `${available ? 'yes' : 'no '}  ${name}${device === undefined ? '' : `: ${device}`}${why === undefined ? '' : ` (${why})`}`,
      ...(hint === undefined ? [] : [`       ${hint}`]),
    ]);
    return {
      json: { ...health },
      text: [
        `Node ${health.node} on ${health.platform}, onnxruntime-node ${health.onnxruntime.node ?? 'not installed'}`,
        ...lines,
      ],
    };
  },
};
