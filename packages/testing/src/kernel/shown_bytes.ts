const MOST = 60;

/** Bytes as a trace shows them: as text, and of many how many they are. */
export function shownBytes(bytes: Uint8Array): string {
  const text = JSON.stringify(Buffer.from(bytes.subarray(0, MOST)).toString('latin1'));
  return bytes.length > MOST ? `${text}… ${bytes.length} bytes` : text;
}
