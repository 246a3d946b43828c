// row: option blacklistIPs
// exit: 104
// says: are not blocked
export const options = { blacklistIPs: ['10.0.0.0/8'] };

export default function () {}
