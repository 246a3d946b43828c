// row: options executionSegment, executionSegmentSequence
// exit: 104
// says: `executionSegment` is a part of the test
export const options = { executionSegment: '0:1/2', executionSegmentSequence: '0,1/2,1' };

export default function () {}
