import type { Cell } from '../api/types';

const kSpecial = /[",\r\n]/;

/** A table as RFC 4180 has it. */
export function toCsv(columns: string[], rows: Cell[][]): string {
  const field = (cell: Cell): string => {
    const text = cell === null ? '' : String(cell);
    return kSpecial.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  return [columns, ...rows].map((row) => row.map(field).join(',') + '\r\n').join('');
}
