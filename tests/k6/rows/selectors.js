// row: selectors of json()
// both: Ann
// squall: users.0.@keys undefined
// squall: users.0.@values undefined
// squall: users.0.age.@tostr undefined
// squall: text.@fromstr undefined
// squall: !"x" undefined
// squall: {"x":users.0.age} {"\"x\"":41}
// k6: users.0.@keys ["name","age"]
// k6: users.0.@values ["Ann",41]
// k6: users.0.age.@tostr "41"
// k6: text.@fromstr [1,2]
// k6: !"x" "x"
// k6: {"x":users.0.age} {"x":41}
import http from 'k6/http';

export const options = { vus: 1, iterations: 1 };

export default function () {
  const res = http.get(`${__ENV.BASE}/json`);
  console.log(res.json('users.0.name'));
  for (const path of ['users.0.@keys', 'users.0.@values', 'users.0.age.@tostr', 'text.@fromstr', '!"x"', '{"x":users.0.age}']) {
    console.log(path, JSON.stringify(res.json(path)));
  }
}
