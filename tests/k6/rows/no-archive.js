// row: flags --traces-output, --secret-source, --type archive
// flags: --type archive
// exit: 255
// says: --type archive: squall runs no archives
export default function () {}
