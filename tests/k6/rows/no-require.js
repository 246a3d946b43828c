// row: CommonJS (require)
// exit: 107
// says: require is not defined
const http = require('k6/http');

exports.default = () => http.get(`${__ENV.BASE}/json`);
