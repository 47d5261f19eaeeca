/** The domain of the custom operators, and its version. */
export const domain = 'ai.hopfcole';
export const domainVersion = 1;

/** The opset of the bodies: every provider hopfcole targets runs it. */
export const bodyOpset = 21;
