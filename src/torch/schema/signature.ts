import { readArgument } from './argument.ts';
import type { Field } from './fields.ts';
import type { InputSpec, OutputSpec, Program, ProgramGraph } from './program.ts';

type ReadGraph = (field: Field, depth: number) => ProgramGraph;

/** What each input and output of a program's graph is: a weight, a buffer, the user's. */
export function readSignature(field: Field, readGraph: ReadGraph): Pick<Program, 'inputs' | 'outputs'> {
  return {
    inputs: field
      .at('input_specs')
      .items()
      .map((spec) => readInput(spec, readGraph)),
    outputs: field
      .at('output_specs')
      .items()
      .map((spec) => readOutput(spec, readGraph)),
  };
}

function readInput(field: Field, readGraph: ReadGraph): InputSpec {
  const [kind, spec] = field.union();
  switch (kind) {
    case 'user_input':
      return { kind: 'user', argument: readArgument(spec.at('arg'), readGraph, 0) };
    case 'parameter':
      return { kind: 'parameter', name: argumentName(spec), target: spec.at('parameter_name').text() };
    case 'buffer': {
      const persistent = spec.at('persistent');
      return {
        kind: 'buffer',
        name: argumentName(spec),
        target: spec.at('buffer_name').text(),
        persistent: !persistent.given || persistent.boolean(),
      };
    }
    case 'tensor_constant':
      return { kind: 'tensor-constant', name: argumentName(spec), target: spec.at('tensor_constant_name').text() };
    case 'constant_input':
      return { kind: 'constant', name: spec.at('name').text() };
    case 'custom_obj':
      return { kind: 'object', name: argumentName(spec) };
    case 'token':
      return { kind: 'token' };
    default:
      throw field.fail(`'${kind.slice(0, 60)}' is no kind of input that is known`);
  }
}

function readOutput(field: Field, readGraph: ReadGraph): OutputSpec {
  const [kind, spec] = field.union();
  const tensor = () => ({ kind: 'tensor', name: argumentName(spec) }) as const;
  switch (kind) {
    case 'user_output':
      return { kind: 'user', argument: readArgument(spec.at('arg'), readGraph, 0) };
    case 'loss_output':
      return { kind: 'loss', argument: tensor() };
    case 'buffer_mutation':
      return { kind: 'buffer-mutation', argument: tensor(), target: spec.at('buffer_name').text() };
    case 'parameter_mutation':
      return { kind: 'parameter-mutation', argument: tensor(), target: spec.at('parameter_name').text() };
    case 'user_input_mutation':
      return { kind: 'input-mutation', argument: tensor(), target: spec.at('user_input_name').text() };
    case 'gradient_to_parameter':
      return { kind: 'gradient', argument: tensor(), target: spec.at('parameter_name').text() };
    case 'gradient_to_user_input':
      return { kind: 'gradient', argument: tensor(), target: spec.at('user_input_name').text() };
    case 'token':
      return { kind: 'token' };
    default:
      throw field.fail(`'${kind.slice(0, 60)}' is no kind of output that is known`);
  }
}

function argumentName(spec: Field): string {
  return spec.at('arg').at('name').text();
}
