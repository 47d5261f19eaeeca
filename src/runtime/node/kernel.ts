import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { HopfcoleError } from '../../files/error.ts';
import type { Tensor } from '../../files/tensor.ts';
import { narrow, widen } from '../boundary.ts';
import { readProfile, requireProvider } from '../profile.ts';
import type { ProviderReport } from '../provider.ts';
import type { TensorDescription } from '../session.ts';
import { type PreparedModel, prepareModel } from './model.ts';
import type { KernelSettings, ModelSource } from './options.ts';
import { loadOrt, type OrtModule, type OrtSession, type OrtSessionOptions } from './ort.ts';
import { translate } from './ort-error.ts';
import { fromOrt, toOrt } from './ort-tensor.ts';

export interface KernelResult {
  readonly outputs: Map<string, Tensor>;
  readonly milliseconds: number;
  readonly providers: ProviderReport | undefined;
}

/** ONNX Runtime itself, in whichever thread or process this is. Feeds and names of outputs were checked before. */
export class Kernel {
  readonly inputs: readonly TensorDescription[];
  readonly outputs: readonly TensorDescription[];
  readonly #ort: OrtModule;
  readonly #session: OrtSession;
  readonly #model: PreparedModel;
  readonly #settings: KernelSettings;
  #profiling: boolean;
  #providers: ProviderReport | undefined;

  /** What was changed to make the model run here. */
  readonly notes: readonly string[];

  private constructor(
    ort: OrtModule,
    session: OrtSession,
    model: PreparedModel,
    settings: KernelSettings,
    notes: readonly string[],
  ) {
    this.notes = notes;
    this.#ort = ort;
    this.#session = session;
    this.#model = model;
    this.#settings = settings;
    this.#profiling = settings.profileFolder !== undefined;
    this.inputs = model.header.inputs;
    this.outputs = model.header.outputs.map((output) => inferred(output, session, model));
  }

  /** @throws what `prepareModel` throws, and MODEL_REFUSED, UNSUPPORTED_OPERATOR, PROVIDER_UNAVAILABLE. */
  static async open(source: ModelSource, settings: KernelSettings): Promise<Kernel> {
    const model = await prepareModel(source);
    try {
      return await Kernel.#load(model, settings, []);
    } catch (error) {
      const widen = model.header.bfloat16 && error instanceof HopfcoleError && error.code === 'UNSUPPORTED_OPERATOR';
      if (!widen) throw error;
      const note = `bfloat16 arithmetic runs as float32: ${error.message}`;
      return Kernel.#load(await prepareModel(source, true), settings, [note]);
    }
  }

  static async #load(model: PreparedModel, settings: KernelSettings, notes: readonly string[]): Promise<Kernel> {
    const ort = loadOrt();
    ort.env.logLevel = settings.verbose ? 'warning' : 'fatal';
    const options = sessionOptions(model, settings, notes);
    try {
      const session =
        typeof model.load === 'string'
          ? await ort.InferenceSession.create(model.load, options)
          : await ort.InferenceSession.create(model.load, options);
      return new Kernel(ort, session, { ...model, load: '', externalData: [] }, settings, notes);
    } catch (error) {
      throw translate(error, 'load', settings.choice.name, { file: model.name });
    }
  }

  async run(feeds: ReadonlyMap<string, Tensor>, outputs: readonly string[]): Promise<KernelResult> {
    const { widened, header, name: file } = this.#model;
    if (header.inputs.length === 0 && header.outputs.length === 0)
      return { outputs: new Map(), milliseconds: 0, providers: undefined };
    const outside = (name: string) => widened.get(name) ?? name;
    try {
      const given = Object.fromEntries(
        [...feeds].map(([name, tensor]) => [
          outside(name),
          toOrt(this.#ort, widened.has(name) ? widen(tensor) : tensor),
        ]),
      );
      const start = performance.now();
      const result = await this.#session.run(given, outputs.map(outside));
      const milliseconds = performance.now() - start;
      const found = new Map<string, Tensor>();
      for (const name of outputs) {
        const tensor = result[outside(name)];
        if (tensor === undefined)
          throw new HopfcoleError('RUN_FAILED', 'the runtime gave no value for an output', { file, tensor: name });
        found.set(name, widened.has(name) ? narrow(fromOrt(tensor)) : fromOrt(tensor));
      }
      await this.#readProfile();
      return { outputs: found, milliseconds, providers: this.#providers };
    } catch (error) {
      throw translate(error, 'run', this.#settings.choice.name, { file });
    }
  }

  async close(): Promise<void> {
    await this.#session.release();
  }

  async #readProfile(): Promise<void> {
    const folder = this.#settings.profileFolder;
    if (this.#profiling && folder !== undefined) {
      this.#profiling = false;
      this.#session.endProfiling();
      // A load that failed before has left a file of its own.
      const file = (await readdir(folder)).find((name) => name.startsWith(profilePrefix(this.notes)));
      this.#providers = file === undefined ? undefined : readProfile(await readFile(join(folder, file), 'utf8'));
      await rm(folder, { recursive: true, force: true });
    }
    if (this.#settings.requireProvider === true && this.#providers !== undefined)
      requireProvider(this.#providers, this.#settings.choice.name);
  }
}

function profilePrefix(notes: readonly string[]): string {
  return `profile-${notes.length}_`;
}

function sessionOptions(model: PreparedModel, settings: KernelSettings, notes: readonly string[]): OrtSessionOptions {
  const session: Record<string, string> = {};
  if (settings.keepWeightsOnce === true) session.disable_prepacking = '1';
  if (typeof model.load !== 'string' && model.folder !== undefined)
    session.model_external_initializers_file_folder_path = model.folder;
  return {
    executionProviders: [settings.choice.name],
    logSeverityLevel: settings.verbose ? 2 : 4,
    graphOptimizationLevel: settings.optimization ?? 'all',
    ...(settings.threads === undefined ? {} : { intraOpNumThreads: settings.threads }),
    ...(settings.dimensions === undefined ? {} : { freeDimensionOverrides: settings.dimensions }),
    ...(Object.keys(session).length === 0 ? {} : { extra: { session } }),
    ...(model.externalData.length === 0 ? {} : { externalData: [...model.externalData] }),
    ...(settings.profileFolder === undefined
      ? {}
      : { enableProfiling: true, profileFilePrefix: join(settings.profileFolder, profilePrefix(notes)) }),
  };
}

/** The shape the file declares, or where it declares none the one the runtime inferred. */
function inferred(output: TensorDescription, session: OrtSession, model: PreparedModel): TensorDescription {
  if (output.shape !== undefined || model.widened.has(output.name)) return output;
  const known = session.outputMetadata.find(({ name }) => name === output.name);
  if (known === undefined || !known.isTensor || known.shape.length === 0) return output;
  return { ...output, shape: known.shape.map((dim) => (typeof dim === 'string' && dim === '' ? undefined : dim)) };
}
