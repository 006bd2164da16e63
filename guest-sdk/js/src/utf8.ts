/** Text to bytes and back. QuickJS has no TextEncoder. */

const encoder = typeof TextEncoder === "undefined" ? undefined : new TextEncoder();
const decoder = typeof TextDecoder === "undefined" ? undefined : new TextDecoder("utf-8", { fatal: true });




export function encodeText(text: string): Uint8Array {
  return encoder === undefined ? encodedByHand(text) : encoder.encode(text);
}

/** Throws if the bytes are not UTF-8. */
export function decodeText(bytes: Uint8Array): string {
  return decoder === undefined ? decodedByHand(bytes) : decoder.decode(bytes);
}

export function encodedByHand(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length * 3);
  let length = 0;
  const push = (byte: number) => {
    bytes[length] = byte;
    length += 1;
  };
  for (let index = 0; index < text.length; index += 1) {
    let code = text.codePointAt(index) as number;
    if (code > 0xffff) index += 1;
    if (code >= 0xd800 && code <= 0xdfff) code = 0xfffd;
    if (code < 0x80) {
      push(code);
    } else if (code < 0x800) {
      push(0xc0 | (code >> 6));
      push(0x80 | (code & 63));
    } else {
      if (code < 0x10000) {
        push(0xe0 | (code >> 12));
      } else {
        push(0xf0 | (code >> 18));
        push(0x80 | ((code >> 12) & 63));
      }
      push(0x80 | ((code >> 6) & 63));
      push(0x80 | (code & 63));
    }
  }
  return bytes.slice(0, length);
}

export function decodedByHand(bytes: Uint8Array): string {
  const parts: string[] = [];
  let codes: number[] = [];
  for (let index = 0; index < bytes.length; ) {
    const [code, length] = codeAt(bytes, index);
    index += length;
    codes.push(code);
    if (codes.length === 4_096) {
      parts.push(String.fromCodePoint(...codes));
      codes = [];
    }
  }
  return parts.join("") + String.fromCodePoint(...codes);
}

/** The smallest code that needs so many bytes: a longer form of a smaller one is none. */
const SMALLEST = [0, 0, 0x80, 0x800, 0x10000];

function codeAt(bytes: Uint8Array, index: number): [number, number] {
  const first = bytes[index] as number;
  if (first < 0x80) return [first, 1];
  const length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  let code = first & (0xff >> (length + 1));
  for (let more = 1; more < length; more += 1) {
    const byte = bytes[index + more];
    if (byte === undefined || (byte & 0xc0) !== 0x80) throw new TypeError("the bytes are no UTF-8 text");
    code = (code << 6) | (byte & 63);
  }
  const isSurrogate = code >= 0xd800 && code <= 0xdfff;
  if (first < 0xc0 || first > 0xf7 || code > 0x10ffff || isSurrogate || code < (SMALLEST[length] as number)) {
    throw new TypeError("the bytes are no UTF-8 text");
  }
  return [code, length];
}
