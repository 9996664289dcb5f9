import {
  type CaseResult,
  figures,
  type Results,
  type ServerResult,
  yardsticks,
} from './results.js';

const [columns, width, left, barWidth, row, head] = [3, 400, 130, 170, 17, 40];
const colours: Record<string, string> = { c: '#555', 'redis-server': '#555', net: '#3c873a' };
const [mine, others] = ['#1f6feb', '#b8b8b8'];
/** Bars longer than this many times the yardstick's are cut off. */
const LONGEST = 4;

/** What every case costs on every server: bars of medians, lines from the least to the most. */
export function chart({ cases }: Results): string {
  const rows = Array.from({ length: Math.ceil(cases.length / columns) }, (_, i) =>
    cases.slice(i * columns, (i + 1) * columns),
  );
  let y = 0;
  const panels = rows.flatMap((some) => {
    const top = y;
    y += head + row * Math.max(...some.map(({ servers }) => servers.length)) + 16;
    return some.map((one, i) => `<g transform="translate(${i * width} ${top})">${panel(one)}</g>`);
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${columns * width} ${y}" `,
    'font-family="system-ui, sans-serif" font-size="12" fill="#222">\n',
    '<title>Processor time of the server for each unit of work</title>\n',
    '<rect width="100%" height="100%" fill="#fff"/>\n',
    panels.join('\n'),
    '\n</svg>\n',
  ].join('');
}

function panel(result: CaseResult): string {
  const costs = result.servers.map((server) => figures(server, 'cost'));
  const [yardstick] = yardsticks(result);
  const most = Math.max(...costs.map((cost) => cost?.most ?? 0));
  const unit = (yardstick && figures(yardstick, 'cost')?.median) ?? most;
  const longest = result.rate ? Math.min(most, unit * LONGEST) : most;
  const bars = result.servers.map((server, i) => bar(server, i, longest));
  const what = result.rate ? `server CPU, ${result.cost}` : result.cost;
  const isCut = costs.some((cost) => (cost?.median ?? 0) > longest);
  const caption = `${what}; less is better${isCut ? '; » the bar is cut off' : ''}`;
  return [
    text(8, 18, result.title, 'font-weight="bold"'),
    text(8, 33, caption, 'fill="#777" font-size="11"'),
    ...bars,
  ].join('');
}

function bar(server: ServerResult, i: number, longest: number): string {
  const cost = figures(server, 'cost');
  const y = head + i * row;
  const name = text(left - 6, y + 12, server.label, 'text-anchor="end"');
  if (!cost) return name;
  const at = (value: number) => Math.round(left + (Math.min(value, longest) / longest) * barWidth);
  const colour = colours[server.name] ?? (server.isOurs ? mine : others);
  const end = at(cost.median);
  const cut = cost.median > longest ? ' »' : '';
  const shown = cost.median.toLocaleString('en', { maximumSignificantDigits: 3 });
  return [
    name,
    `<rect x="${left}" y="${y + 2}" width="${end - left}" height="${row - 5}" fill="${colour}"/>`,
    `<path d="M${at(cost.least)} ${y + 8}H${at(cost.most)}" stroke="#000" stroke-width="1.5"/>`,
    text(Math.max(end, at(cost.most)) + 5, y + 12, `${shown}${cut}`, 'font-size="11"'),
  ].join('');
}

function text(x: number, y: number, content: string, attributes: string): string {
  const escaped = content.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
  return `<text x="${x}" y="${y}" ${attributes}>${escaped}</text>`;
}
