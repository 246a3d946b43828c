// row: options blacklistIPs, blockHostnames
// exit: 104
// says: are not blocked
export const options = { blockHostnames: ['*.example'] };

export default function () {}
