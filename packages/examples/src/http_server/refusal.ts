/** The statuses of answers, and how a request is refused. */

export const REASONS: Record<number, string> = {
  200: 'OK',
  206: 'Partial Content',
  301: 'Moved Permanently',
  304: 'Not Modified',
  400: 'Bad Request',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  408: 'Request Timeout',
  411: 'Length Required',
  413: 'Content Too Large',
  416: 'Range Not Satisfiable',
  431: 'Request Header Fields Too Large',
  503: 'Service Unavailable',
  505: 'HTTP Version Not Supported',
};

/** A request that gets no more than this for an answer. */
export class Refusal extends Error {
  readonly status: number;

  constructor(status: number) {
    super(REASONS[status]);
    this.status = status;
  }
}

export function refuse(status: number): never {
  throw new Refusal(status);
}
