/** What two failures have in common that are the same fault: a message without its numbers. */
export function kindOf(error: Error): string {
  const [first] = error.message.split('\n');
  return `${error.name} ${first.replace(/\d+/g, '#').slice(0, 40)}`;
}
