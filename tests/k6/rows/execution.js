// row: k6/execution
import { sleep } from 'k6';
import exec from 'k6/execution';

export const options = {
  scenarios: { one: { executor: 'per-vu-iterations', vus: 2, iterations: 2, tags: { team: 'x' } } },
};

export default function () {
  const { scenario, vu, instance, test } = exec;
  console.log(scenario.name, scenario.executor, scenario.progress >= 0, scenario.startTime <= Date.now());
  console.log(vu.idInTest, vu.idInInstance, vu.iterationInInstance, vu.iterationInScenario, vu.tags.team, vu.tags.scenario);
  sleep(0.2);
  console.log(instance.vusActive > 0, instance.vusInitialized, instance.iterationsInterrupted, instance.currentTestRunDuration >= 0);
  console.log(test.options.scenarios.one.executor, test.options.scenarios.one.vus);
  if (!__ENV.BASE) {
    test.abort('never');
    test.fail('never');
  }
}
