import {
  type CaseResult,
  figures,
  type Results,
  ratios,
  type Spread,
  yardsticks,
} from './results.js';

/** The results in Markdown, a table for each case: medians, with the least and the most. */
export function report({ machine, cases }: Results): string {
  const facts = Object.entries(machine).map(([name, value]) => `- ${name}: ${value}`);
  return [
    '# Results',
    'Medians (least–most) of the rounds; a ratio is taken within each round.',
    facts.join('\n'),
    ...cases.map((one) => `${table(one)}\n\n\`${one.command}\`, rounds: ${rounds(one)}`),
    '',
  ].join('\n\n');
}

function rounds({ servers }: CaseResult): number {
  return Math.max(...servers.map(({ samples }) => samples.length));
}

export function table(result: CaseResult): string {
  const { title, cost, rate, servers } = result;
  const others = yardsticks(result);
  const compared = rate ? (['cost', 'rate'] as const) : (['cost'] as const);
  const hasHeap = servers.some((server) => figures(server, 'heap'));
  const what = { cost: rate ? 'CPU' : 'RSS', rate: 'rate' };
  const head = [
    'server',
    `${what.cost}, ${cost}`,
    ...(rate ? [rate] : []),
    ...(hasHeap ? ['JS heap'] : []),
    ...others.flatMap(({ label }) => compared.map((key) => `${what[key]} ÷ ${label}`)),
  ];
  const rows = servers.map((server) => [
    server.label,
    shown(figures(server, 'cost')),
    ...(rate ? [shown(figures(server, 'rate'))] : []),
    ...(hasHeap ? [shown(figures(server, 'heap'))] : []),
    ...others.flatMap((other) =>
      compared.map((key) => (other === server ? '1' : shown(ratios(server, other, key), 2))),
    ),
  ]);
  const lines = [head, head.map((_, i) => (i === 0 ? '---' : '---:')), ...rows];
  return [`## ${title}`, '', ...lines.map((cells) => `| ${cells.join(' | ')} |`)].join('\n');
}

function shown(spread: Spread | null, digits = places(spread)): string {
  if (!spread) return '–';
  const [median, least, most] = [spread.median, spread.least, spread.most].map((number) =>
    number.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits }),
  );
  return median === least && median === most ? median : `${median} (${least}–${most})`;
}

/** Three digits that count. */
function places(spread: Spread | null): number {
  return Math.max(0, 2 - Math.floor(Math.log10(Math.abs(spread?.median || 1))));
}
