// row: option tlsAuth
// exit: 104
// says: --cert and --key give the certificate
export const options = { tlsAuth: [{ cert: '-----BEGIN CERTIFICATE-----' }] };

export default function () {}
