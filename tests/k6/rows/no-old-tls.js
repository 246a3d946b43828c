// row: options tlsCipherSuites, tlsVersion that ends below TLS 1.3
// exit: 104
// says: `tlsVersion` ends below TLS 1.3
export const options = { tlsVersion: 'tls1.2' };

export default function () {}
