// row: option paused
// exit: 104
// says: `paused`: there is no REST API
export const options = { paused: true };

export default function () {}
