/** How changesets become lines of a CHANGELOG: each with a link to its commit, none of bare hashes. */
const COMMITS = 'https://github.com/asyncore-node/asyncore/commit';

function linked(commit) {
  return commit ? ` ([${commit.slice(0, 7)}](${COMMITS}/${commit}))` : '';
}

module.exports = {
  async getReleaseLine({ summary, commit }) {
    const [first, ...rest] = summary.trim().split('\n');
    const lines = rest.map((line) => (line === '' ? '' : `  ${line}`));
    return [`- ${first}${linked(commit)}`, ...lines].join('\n');
  },
  async getDependencyReleaseLine(_, updated) {
    const names = updated.map(({ name, newVersion }) => `\`${name}\` ${newVersion}`);
    return names.length === 0 ? '' : `- With ${names.join(', ')}.`;
  },
};
