/** The message without its numbers, which two failures by the same fault have in common. */
export function kindOf(error: Error): string {
  const [first] = error.message.split('\n');
  return `${error.name} ${first.replace(/\d+/g, '#').slice(0, 40)}`;
}
