// row: option tlsAuth
// exit: 104
// says: client certificates come from --cert and --key
export const options = { tlsAuth: [{ cert: 'c', key: 'k' }] };

export default function () {}
