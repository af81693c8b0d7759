// The SQL box: over the tables of docs/tables.md.

import { signal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { isAbort } from '../api/source';
import type { SqlAnswer, SqlTable } from '../api/types';
import { toCsv } from '../model/csv';
import { duration, moment } from '../model/time';
import { fail, go } from '../state/actions';
import { none, waiting, type Answer, type Store } from '../state/store';
import { useStore } from '../parts/context';
import { Shown } from './answer';

const kLimit = 1000;

// They outlive the panel: who looks at another tab comes back to the same question.
const query = signal(
  'SELECT machine, state, sum(until_ns - from_ns) AS total_ns\nFROM vcpu_slice GROUP BY 1, 2 ORDER BY 3 DESC',
);
const answer = signal<Answer<SqlAnswer>>(none);
const tables = signal<Answer<SqlTable[]>>(none);
let running: AbortController | undefined;

async function ask(store: Store): Promise<void> {
  running?.abort();
  const own = (running = new AbortController());
  answer.value = waiting;
  try {
    answer.value = { is: 'there', value: await store.source.sql(query.peek(), kLimit, own.signal) };
  } catch (error) {
    answer.value = isAbort(error) ? (own === running ? none : answer.peek()) : fail(error);
  }
}

/** A moment (from_ns, …) is shown so and can be gone to; a duration (total_ns, …) is shown as one. */
const kMoments = /^(from|until|issued|time|valid_from|at|longest_at|begin|end)_ns$/;

function CellOf({ name, value }: { name: string; value: string | number | null }) {
  const store = useStore();
  if (value === null) return <td class="muted">NULL</td>;
  if (typeof value === 'number' && name.endsWith('_ns')) {
    const text = kMoments.test(name) ? moment(value, 1) : duration(value);
    const show = (): void => {
      const { from, until } = store.target.peek();
      const half = Math.min(until - from, store.duration / 50) / 2;
      go(store, { from: value - half, until: value + half });
    };
    return (
      <td class="number">
        {kMoments.test(name) ? (
          <button class="link" title={`${value} ns: go there`} onClick={show}>
            {text}
          </button>
        ) : (
          <span title={`${value} ns`}>{text}</span>
        )}
      </td>
    );
  }
  return <td class={typeof value === 'number' ? 'number' : ''}>{String(value)}</td>;
}

function Result({ value }: { value: SqlAnswer }) {
  const store = useStore();
  const copy = async (): Promise<void> => {
    const text = toCsv(value.columns, value.rows);
    await navigator.clipboard.writeText(text).then(
      () => (store.said.value = 'copied'),
      () => (store.said.value = 'the browser does not let the page copy'),
    );
  };
  return (
    <>
      {value.notices.map((notice) => (
        <p class="muted">{notice}</p>
      ))}
      <div class="selection-head">
        <span class="muted">
          {value.rows.length} {value.rows.length === 1 ? 'row' : 'rows'}
          {value.more && ', and more that are not shown'}
        </span>
        <button class="small" onClick={() => void copy()}>
          Copy as CSV
        </button>
      </div>
      <div class="table-box" data-result="sql">
        <table>
          <thead>
            <tr>
              {value.columns.map((name, i) => (
                <th class={typeof value.rows[0]?.[i] === 'number' ? 'number' : ''}>{name}</th>
              ))}
            </tr>
          </thead>
          <tbody>
            {value.rows.map((row) => (
              <tr>
                {row.map((cell, i) => (
                  <CellOf name={value.columns[i]} value={cell} />
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </>
  );
}

function Tables() {
  return (
    <details class="tables">
      <summary>Tables and columns</summary>
      <Shown answer={tables.value} waits="Loading">
        {(list) => (
          <>
            {list.map((table) => (
              <details>
                <summary>
                  <b>{table.name}</b> <span class="muted">{table.about}</span>
                </summary>
                <dl class="columns">
                  {table.columns.map((column) => (
                    <div>
                      <dt>
                        {column.name} <span class="muted">{column.unit}</span>
                      </dt>
                      <dd>{column.about}</dd>
                    </div>
                  ))}
                </dl>
              </details>
            ))}
          </>
        )}
      </Shown>
    </details>
  );
}

/** What stands around the place of an error: bytes of UTF-8, not letters. */
function around(text: string, offset: number): { before: string; at: string; after: string } {
  const all = new TextEncoder().encode(text);
  const decode = (from: number, until: number): string => new TextDecoder().decode(all.slice(from, until));
  const before = decode(0, offset);
  const after = decode(offset, all.length);
  const at = /^\s*(\w+|.)/.exec(after)?.[0] ?? '';
  return { before: before.slice(-60), at, after: after.slice(at.length, at.length + 30) };
}

export function SqlPanel() {
  const store = useStore();
  const field = useRef<HTMLTextAreaElement>(null);
  useEffect(() => {
    if (tables.peek().is === 'there') return;
    tables.value = waiting;
    store.source.tables().then(
      (list) => (tables.value = { is: 'there', value: list }),
      (error) => (tables.value = fail(error)),
    );
  }, [store]);
  const key = (event: KeyboardEvent): void => {
    if (event.key !== 'Enter' || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    void ask(store);
  };
  const now = answer.value;
  return (
    <>
      <textarea
        id="sql"
        ref={field}
        spellcheck={false}
        rows={5}
        aria-label="SQL"
        value={query.value}
        onInput={(event) => (query.value = event.currentTarget.value)}
        onKeyDown={key}
      />
      <div class="selection-head">
        <button class="small primary" id="sql-run" onClick={() => void ask(store)}>
          Run <kbd>Ctrl</kbd> <kbd>Enter</kbd>
        </button>
        {now.is === 'waiting' && (
          <button class="small" onClick={() => running?.abort()}>
            Stop
          </button>
        )}
      </div>
      <Shown answer={now} waits="Asking">
        {(value) => <Result value={value} />}
      </Shown>
      {now.is === 'failed' && now.offset >= 0 && (
        <pre class="sql-error">
          {around(query.value, now.offset).before}
          <mark>{around(query.value, now.offset).at}</mark>
          {around(query.value, now.offset).after}
        </pre>
      )}
      <Tables />
    </>
  );
}
