import type { Cell, RangeTable } from '../api/types';
import { inUnit, duration, moment } from '../model/time';
import { go, loadRange, setRange } from '../state/actions';
import { around } from '../model/axis';
import { useStore } from '../parts/context';
import { Shown } from './answer';

/** Numbers that are names. */
const kNames = /^(thread|tid|cpu|vcpu|irq|id)$/i;

function CellOf({ value, name, unit }: { value: Cell; name: string; unit: string }) {
  if (unit === 'share' && typeof value === 'number') {
    return (
      <td class="number share">
        {inUnit(value, unit)}
        <span class="bar" style={{ width: `${Math.min(1, Math.max(0, value)) * 100}%` }} />
      </td>
    );
  }
  const text = kNames.test(name) ? String(value ?? '') : inUnit(value, unit);
  return <td class={typeof value === 'number' ? 'number' : ''}>{text}</td>;
}

function Table({ table }: { table: RangeTable }) {
  return (
    <section class="range-table">
      <h4>{table.title}</h4>
      {table.rows.length === 0 ? (
        <p class="muted">Nothing.</p>
      ) : (
        <div class="table-box">
          <table>
            <thead>
              <tr>
                {table.columns.map((column, i) => (
                  <th class={typeof table.rows[0][i] === 'number' ? 'number' : ''}>
                    {column.name.replaceAll('_', ' ')}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {table.rows.map((row) => (
                <tr>
                  {row.map((cell, i) => (
                    <CellOf value={cell} name={table.columns[i]?.name ?? ''} unit={table.columns[i]?.unit ?? ''} />
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {table.more && <p class="muted">There are more rows.</p>}
    </section>
  );
}

export function RangePanel() {
  const store = useStore();
  const range = store.range.value;
  if (!range) {
    return (
      <div class="empty">
        <h3>No range is selected</h3>
        <p class="muted">
          Drag with Shift on the rows, or drag on the time axis, to see what happened in a stretch of time.
        </p>
        <button class="small" onClick={() => setRange(store, store.view.peek())}>
          Take what the window shows
        </button>
      </div>
    );
  }
  const answer = store.rangeTables.value;
  return (
    <>
      <div class="selection-head">
        <h3>{duration(range.until - range.from)}</h3>
        <button class="small" onClick={() => go(store, around(range, 0.02, store.duration))}>
          Fit
        </button>
        <button class="small" onClick={() => setRange(store, null)}>
          Clear
        </button>
      </div>
      <p class="muted">
        from {moment(range.from, 1)} to {moment(range.until, 1)}
      </p>
      <Shown answer={answer} waits="Adding up">
        {(tables) => (
          <>
            {tables.map((table) => (
              <Table key={table.title} table={table} />
            ))}
          </>
        )}
      </Shown>
      {answer.is === 'failed' && store.source.live && (
        <button class="small" onClick={() => void loadRange(store)}>
          Ask again
        </button>
      )}
    </>
  );
}
