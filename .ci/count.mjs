/**
 * Prints how many tests passed and failed, added up over the vitest reports in a folder. With --failed:
 * a line for each file with failed tests, their number, the package and the file in it.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const [folder, option] = process.argv.slice(2);
const reports = readdirSync(folder).map((name) =>
  JSON.parse(readFileSync(join(folder, name), 'utf8')),
);

/**
 * By file: a file that runs over several kinds of transport is there as often. One that fails outside of its tests
 * counts as a test that failed.
 */
function failures() {
  const counts = new Map();
  for (const { name, status, assertionResults } of reports.flatMap(
    (report) => report.testResults,
  )) {
    const [, place] = /([^/]+\/test\/[^/].*)$/.exec(name) ?? ['', name];
    const failed = assertionResults.filter((test) => test.status === 'failed').length;
    const count = failed === 0 && status === 'failed' ? 1 : failed;
    if (count > 0) counts.set(place, (counts.get(place) ?? 0) + count);
  }
  return counts;
}

if (option === '--failed') {
  for (const [place, count] of failures()) {
    const [name, ...rest] = place.split('/');
    console.log(count, name, rest.join('/'));
  }
} else {
  const passed = reports.reduce((total, report) => total + report.numPassedTests, 0);
  const failed = [...failures().values()].reduce((total, count) => total + count, 0);
  console.log(passed, failed);
}
