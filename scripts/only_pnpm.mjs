import './node_version.mjs';

// `npm install` would lay out node_modules without the workspace's packages.
const { npm_config_user_agent: agent = 'pnpm' } = process.env;
if (!agent.startsWith('pnpm')) {
  console.error('This workspace is installed by pnpm: run `npm run setup` or `pnpm install`.');
  process.exit(1);
}
