// row: exit codes
// exit: 107
const broken = undefined.of;

export default function () {}
