// row: options executionSegment, executionSegmentSequence
// exit: 104
// says: option `executionSegmentSequence` is not supported
export const options = { executionSegmentSequence: '0,1/2,1' };

export default function () {}
