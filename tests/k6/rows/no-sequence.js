// row: options executionSegment, executionSegmentSequence
// exit: 104
// says: `executionSegmentSequence`: squall runs whole tests
export const options = { executionSegmentSequence: '0,1/2,1' };

export default function () {}
