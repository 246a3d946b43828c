// row: options tlsCipherSuites, tlsVersion that ends below TLS 1.3
// exit: 104
// says: `tlsCipherSuites`: squall offers all of rustls
export const options = { tlsCipherSuites: ['TLS_RSA_WITH_AES_128_GCM_SHA256'] };

export default function () {}
