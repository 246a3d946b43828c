// row: flags --traces-output, --secret-source, --type archive
// flags: --traces-output otel
// exit: 255
// says: --traces-output: squall makes no traces
export default function () {}
