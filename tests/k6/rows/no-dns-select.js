// row: options dns.select first, dns.policy but preferIPv4 and any
// exit: 104
// says: `dns.select` is first
export const options = { dns: { select: 'first' } };

export default function () {}
