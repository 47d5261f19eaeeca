/** Metadata key, on the Gather of an embedding, of its padding row: nothing is added to that row of the table's co-state, as PyTorch never trains it. */
export const paddingKey = 'hopfcole.padding';
