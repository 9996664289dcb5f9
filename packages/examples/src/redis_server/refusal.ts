/** What is wrong with a request, for whoever sent it. */
export class Refusal extends Error {}
