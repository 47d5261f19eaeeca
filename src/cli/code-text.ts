/** What is said of the code that a checkpoint names: PyTorch would look it up and run it, hopfcole never does. */
export function codeText(code: readonly string[]): string[] {
  if (code.length === 0) return [];
  const more = code.length > 10 ? ', ...' : '';
  return [
    `names code, none of which was loaded or run here (${code.length}): ${code.slice(0, 10).join(', ')}${more}`,
    'PyTorch would import them (weights_only=False): hopfcole export --to safetensors leaves them behind',
  ];
}
