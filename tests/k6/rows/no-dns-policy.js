// row: options dns.select first, dns.policy but preferIPv4 and any
// exit: 104
// says: `dns.policy`: give preferIPv4 or any
export const options = { dns: { policy: 'onlyIPv6' } };

export default function () {}
