/** The operators of ai.onnx at opset 21, hopfcole's default: every provider it targets runs them. */
export * from './generated/opset21.ts';
