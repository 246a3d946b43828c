// row: options executionSegment, executionSegmentSequence
// exit: 104
// says: option `executionSegment` is not supported
export const options = { executionSegment: '0:1/2', executionSegmentSequence: '0,1/2,1' };

export default function () {}
