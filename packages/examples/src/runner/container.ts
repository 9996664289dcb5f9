import { header } from './examples.js';

export const dockerignore = `node_modules
dist
.git
`;

/** A container that runs an example. What follows its name in `docker run` follows these arguments. */
export function dockerfile(name: string, source: string): string {
  const ports = portsOf(name, source);
  const isServer = listens(source) && usage(name).includes('[--host ');
  return `FROM node:22-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
# No compiler is needed: the packages bring their binary.
RUN npm ci
COPY tsconfig.json ./
COPY src src
RUN npm run build && npm prune --omit=dev

FROM node:22-slim
ENV NODE_ENV=production
WORKDIR /app
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules node_modules
COPY --from=build /app/dist dist
USER node
${ports.length > 0 ? `EXPOSE ${ports.join(' ')}\n` : ''}\
# Start it with docker run --init: as process 1, Node does not end at SIGTERM by itself.
${isServer ? '# Nothing outside of a container reaches its 127.0.0.1.\n' : ''}\
ENTRYPOINT ["node", "dist/main.js"${isServer ? ', "--host", "0.0.0.0"' : ''}]
`;
}

/** Where it is reached, if its arguments name no other ports: `8080`, or `5140/udp`. */
export function portsOf(name: string, source: string): string[] {
  if (!listens(source)) return [];
  const isDatagram = /\bSOCK_DGRAM\b/.test(source);
  const options = usage(name).matchAll(/\[--(port|tcp|udp) (\d+)\]/g);
  return Array.from(options, ([, option, port]) =>
    option === 'udp' || (option === 'port' && isDatagram) ? `${port}/udp` : port,
  );
}

function listens(source: string): boolean {
  return /\.(listen|create_server|bind)\(/.test(source);
}

/** The lines of an example's header that tell its arguments. */
function usage(name: string): string {
  const lines = new RegExp(`^ {4}${name}\\b.*(?:\\n {5,}.*)*`, 'm').exec(header(name));
  return lines?.[0] ?? '';
}
