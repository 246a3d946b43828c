// row: flags --traces-output, --secret-source, --type archive
// flags: --secret-source mock=a=b
// exit: 255
// says: --secret-source: squall has no k6/secrets
export default function () {}
