/**
 * Reads an ONNX file, says what is in it and what is wrong with it, adds a line of metadata and writes it again: all else, what this
 * version does not know included, is carried unchanged.
 *
 *   npm run example -- inspect FILE COPY
 */
import { dirname } from 'node:path';
import {
  atomicWrite,
  describeType,
  fileFolder,
  fromProto,
  openFile,
  readModel,
  sitesOf,
  toProto,
  validate,
  writeModel,
} from 'hopfcole';
import { equalMessages } from 'hopfcole/onnx';

const [file, copy] = process.argv.slice(2);
if (file === undefined || copy === undefined) throw new Error('usage: npm run example -- inspect FILE COPY');

// Tensors of 1 KiB and more stay in the file until someone reads them.
const message = await readModel(await openFile(file), { keepFrom: 1024 });
const model = await fromProto(message, fileFolder(dirname(file)));

for (const { name, type } of model.graph.inputs) console.log(`input ${name} ${describeType(type)}`);
for (const { name, value } of model.graph.outputs) console.log(`output ${name} ${describeType(value.type)}`);
const counts = new Map<string, number>();
for (const { domain, opType } of model.graph.nodes) {
  const operator = domain === '' ? opType : `${domain}::${opType}`;
  counts.set(operator, (counts.get(operator) ?? 0) + 1);
}
console.log(`operators ${[...counts].map(([operator, count]) => `${operator} ${count}`).join(', ')}`);
for (const { name, kind, status } of sitesOf(model)) console.log(`site ${name} ${kind} (${status})`);
for (const problem of await validate(model)) console.log(`${problem.severity} ${problem.code} ${problem.message}`);

console.log(`unchanged: ${equalMessages(toProto(model), message)}`);
const noted = { ...model, metadata: new Map([...model.metadata, ['inspected', 'yes']]) };
await atomicWrite(copy, (sink) => writeModel(toProto(noted), sink));
console.log(`wrote ${copy}`);
