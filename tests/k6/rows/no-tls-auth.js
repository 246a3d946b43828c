// row: option tlsAuth
// exit: 104
// says: `tlsAuth`: give the certificate with --cert and --key
export const options = { tlsAuth: [{ cert: '-----BEGIN CERTIFICATE-----' }] };

export default function () {}
